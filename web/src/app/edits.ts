// SPDX-License-Identifier: MIT
// What a person does to the cells of the shown store: edit, paste, fill, clear, delete, clone. All of it is only staged.
import type { Grid } from '../grid/grid';
import { rangeOf } from '../grid/select';
import type { Column, DataSource, Range } from '../grid/types';
import type { Item } from '../lib/api';
import { get, isObj } from '../lib/json';
import type { Place, Staged } from '../lib/staged';
import { formatTsv, layOver, parseTsv } from '../lib/tsv';
import { cellFromText, editTextOf, fromWire, hex, keyText, toWire, unhex } from '../lib/value';
import { valueOf } from './columns';
import { app } from './state.svelte';

const ROWS_MAX = 10_000;

export const stored = (item: Item): { ver: string; v: Item['v'] } | undefined => (item.ver === '' ? undefined : { ver: item.ver, v: item.v });

export class CellEdits {
  constructor(
    private readonly place: Place,
    private readonly grid: () => Grid<Item>,
    private readonly source: DataSource<Item>,
  ) {}

  staged(item: Item): Staged | undefined {
    return app.staged.items.size ? app.staged.get(this.place, item.k) : undefined;
  }

  /** What the editor of a cell begins with; null when it cannot be edited. */
  text(item: Item, column: Column): string | null {
    const value = valueOf(item, this.staged(item));
    if (!value || value.form === 'big') return null;
    if (column.id === '$value') return value.form === 'bytes' ? hex(String(value.v)) : editTextOf(value.v);
    if (value.form !== 'json' || !isObj(value.v)) return null;
    return editTextOf(get(value.v, column.id));
  }

  set(item: Item, column: Column, text: string): void {
    const value = valueOf(item, this.staged(item));
    if (!value || column.readonly || value.form === 'big') return;
    if (column.id !== '$value') {
      if (value.form !== 'json' || !isObj(value.v)) return;
      return app.staged.setField(this.place, item.k, column.id, cellFromText(text, get(value.v, column.id)), stored(item));
    }
    if (value.form === 'bytes') {
      const bytes = unhex(text);
      if (bytes === undefined) return app.toast(`“${text.slice(0, 40)}” is not hexadecimal`, 'bad');
      return app.staged.setValue(this.place, item.k, toWire({ form: 'bytes', v: bytes }), stored(item));
    }
    const v = value.form === 'text' ? text : cellFromText(text, value.v);
    app.staged.setValue(this.place, item.k, toWire({ form: value.form, v }), stored(item));
  }

  get range(): Range {
    return rangeOf(this.grid().selection);
  }

  /** Items of the selected rows, read if they are not here. */
  async items(r: Range): Promise<Item[]> {
    const rows = r.bottom - r.top + 1;
    if (rows > ROWS_MAX) throw new Error(`${rows.toLocaleString('en')} rows are selected; at most ${ROWS_MAX.toLocaleString('en')} can be changed at once. Find and replace looks at all of them`);
    const here = this.here(r);
    if (here) return here;
    const out: Item[] = [];
    for (let row = r.top; row <= r.bottom; row += 1000) out.push(...(await this.source.load(row, Math.min(1000, r.bottom - row + 1), new AbortController().signal)));
    return out;
  }

  private here(r: Range): Item[] | undefined {
    const here = Array.from({ length: Math.min(ROWS_MAX, r.bottom - r.top + 1) }, (_, i) => this.grid().peek(r.top + i));
    return here.every((x) => x) ? (here as Item[]) : undefined;
  }

  private columns(r: Range): Column[] {
    return this.grid().shown.slice(r.left, r.right + 1);
  }

  async edit(label: string, r: Range, change: (item: Item, column: Column, i: number, j: number) => void): Promise<void> {
    if (app.readOnly) return app.toast('Nothing can be changed here: this is read-only', 'bad');
    try {
      const items = await this.items(r);
      app.staged.group(label, () => items.forEach((item, i) => this.columns(r).forEach((c, j) => change(item, c, i, j))));
    } catch (e) {
      app.error(e);
    }
  }

  private tsv(items: Item[], r: Range): string {
    return formatTsv(items.map((item) => this.columns(r).map((c) => (c.id === '$key' ? keyText(item.k) : (this.text(item, c) ?? '')))));
  }

  /** Put the selection on the clipboard: at once when all of it is here, else when it was read. */
  copy(clipboard: DataTransfer | null): void {
    const r = this.range;
    const here = r.bottom - r.top < ROWS_MAX ? this.here(r) : undefined;
    if (here && clipboard) return clipboard.setData('text/plain', this.tsv(here, r));
    app.try(this.items(r).then((items) => navigator.clipboard.writeText(this.tsv(items, r))));
  }

  async paste(text: string): Promise<void> {
    const r = this.range;
    const block = parseTsv(text);
    if (!block.length) return;
    const laid = layOver(block, r.bottom - r.top + 1, r.right - r.left + 1);
    const bottom = Math.min(this.source.rows - 1, r.top + laid.length - 1);
    const target = { ...r, bottom, right: Math.min(this.grid().shown.length - 1, r.left + laid[0]!.length - 1) };
    await this.edit(`Paste ${laid.length} × ${laid[0]!.length}`, target, (item, c, i, j) => this.set(item, c, laid[i]![j]!));
    const lost = laid.length - (bottom - r.top + 1);
    if (lost > 0) app.toast(`${lost.toLocaleString('en')} rows were beyond the last item and were not pasted`, 'info');
  }

  async fill(down: boolean): Promise<void> {
    const r = this.range;
    try {
      const texts = (await this.items(r)).map((item) => this.columns(r).map((c) => this.text(item, c) ?? ''));
      await this.edit(down ? 'Fill down' : 'Fill right', r, (item, c, i, j) => {
        if (down ? i > 0 : j > 0) this.set(item, c, down ? texts[0]![j]! : texts[i]![0]!);
      });
    } catch (e) {
      app.error(e);
    }
  }

  clear(): Promise<void> {
    return this.edit('Clear', this.range, (item, c) => {
      if (c.id.startsWith('/') && this.text(item, c) !== null) app.staged.setField(this.place, item.k, c.id, null, stored(item));
    });
  }

  deleteRows(): Promise<void> {
    const r = this.range;
    return this.edit('Delete items', { ...r, right: r.left }, (item) => app.staged.remove(this.place, item.k, stored(item)));
  }

  /** The value a new item begins with, when it is made like an existing one. */
  like(item: Item): Item['v'] {
    const value = valueOf(item, this.staged(item));
    return value && value.form !== 'big' ? toWire(value) : fromWire(item.v).v;
  }
}
