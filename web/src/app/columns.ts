// SPDX-License-Identifier: MIT
// Columns and cells of a store: from its inferred shape and its values with the staged edits over them.
import type { CellView, Column } from '../grid/types';
import type { Item, Shape, ShapeField, Store } from '../lib/api';
import { get, isObj, Num, pointer, type J } from '../lib/json';
import { staged, type Staged } from '../lib/staged';
import { cellText, fromWire, hex, keyText, sizeText, type Value } from '../lib/value';

const WIDTH: Record<string, number> = { number: 116, boolean: 88, string: 176, object: 220, array: 130, enum: 122, null: 90 };

function typeOf(f: ShapeField): string {
  const types = Object.keys(f.types).filter((t) => t !== 'null');
  if (types.length === 0) return 'null';
  if (types.length > 1) return 'mixed';
  if (types[0] === 'string' && f.examples && f.examples.length <= 8 && f.count >= 20 && f.examples.every((x) => x.length > 0 && x.length < 16)) return 'enum';
  return types[0]!;
}

export function columnsOf(info: Store, shape: Shape | null): Column[] {
  const key: Column = { id: '$key', title: info.key.name?.replace(/^\//, '') || 'key', hint: 'key', width: 150, pinned: true, readonly: true };
  const fields = (shape?.fields ?? []).map((f): Column => {
    const hint = typeOf(f);
    const title = Math.max(110, Math.min(260, 40 + 8 * (f.name.length + hint.length)));
    return { id: pointer([f.name]), title: f.name, hint, width: Math.max(title, WIDTH[hint] ?? 160, f.name === 'email' ? 240 : 0), align: hint === 'number' ? 'right' : 'left' };
  });
  const other = Object.entries(shape?.values ?? {}).some(([form, n]) => form !== 'json_object' && n > 0);
  if (fields.length === 0 || other) fields.push({ id: '$value', title: 'value', hint: fields.length ? 'other' : '', width: 480 });
  return [key, ...fields];
}

const TONES: Record<string, string> = {
  active: 'p-green', ok: 'p-green', open: 'p-green', paid: 'p-green', done: 'p-green', enabled: 'p-green', success: 'p-green',
  pending: 'p-amber', waiting: 'p-amber', draft: 'p-amber', warning: 'p-amber', shipped: 'p-blue', new: 'p-blue',
  suspended: 'p-red', failed: 'p-red', error: 'p-red', blocked: 'p-red', closed: 'p-grey', disabled: 'p-grey', archived: 'p-grey',
};

function fieldView(v: J | undefined, hint: string | undefined): CellView {
  if (v === undefined) return { text: '·', cls: 'missing' };
  if (v === null) return { text: 'null', cls: 'null' };
  if (v === '') return { text: '""', cls: 'empty' };
  if (typeof v === 'boolean') return { text: String(v), cls: v ? 'yes' : 'no' };
  if (v instanceof Num) return { text: v.text, cls: 'num' };
  if (typeof v === 'object') return { text: cellText(v), cls: 'nested' };
  if (hint === 'enum') {
    const tone = TONES[v.toLowerCase()];
    return tone ? { text: v, cls: `pill ${tone}` } : { text: v };
  }
  if (/^\d{4}-\d\d-\d\d([T ]\d\d:\d\d|$)/.test(v)) return { text: v, cls: 'date' };
  return { text: v.length > 400 ? `${v.slice(0, 400)}…` : v };
}

function wholeView(value: Value): CellView {
  if (value.form === 'bytes') return { text: hex(String(value.v), 64), cls: 'bytes' };
  if (value.form === 'big') return { text: String(value.v), cls: 'big', badge: sizeText(value.size ?? 0) };
  if (value.form === 'text') return { text: String(value.v).slice(0, 400) };
  return fieldView(value.v, undefined);
}

export function valueOf(item: Item, s: Staged | undefined): Value | undefined {
  return s ? staged(s) : fromWire(item.v);
}

export function cellOf(item: Item, column: Column, s: Staged | undefined): CellView {
  if (column.id === '$key') return { text: keyText(item.k), cls: 'key', staged: s?.op === 'insert' };
  const value = s?.op === 'delete' ? fromWire(item.v) : valueOf(item, s);
  if (!value) return { text: '' };
  const object = value.form === 'json' && isObj(value.v);
  if (column.id === '$value') return object ? { text: '', cls: 'missing' } : { ...wholeView(value), staged: Boolean(s) };
  const view = object ? fieldView(get(value.v, column.id), column.hint) : value.form === 'big' ? { text: '…', cls: 'big', badge: sizeText(value.size ?? 0) } : { text: '', cls: 'missing' };
  if (!s || s.op === 'delete') return view;
  const touched = s.op !== 'patch' || [...s.fields.keys()].some((f) => f === column.id || f.startsWith(`${column.id}/`));
  return touched ? { ...view, staged: true } : view;
}
