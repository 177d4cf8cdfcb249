// SPDX-License-Identifier: MIT
// The grid: a sticky viewport inside a native scroller, over a data source of any size. No framework.
import { PageCache } from './cache';
import { changed, columnWindow, layout, moved, resized, type Layout } from './columns';
import { Header } from './header';
import { clearCells, fitCells, newRow, paintCell, placeCell, type RowSlot } from './rows';
import { ScrollMap } from './scroll';
import { at, clampTo, onKey, rangeOf, type Selection } from './select';
import type { CellView, Column, DataSource, Pos } from './types';

export interface GridOptions<R> {
  source: DataSource<R>;
  columns: Column[];
  label: string;
  cell(row: number, data: R, column: Column): CellView;
  /** Text for the row number; the rank + 1 by default. */
  number?(row: number, data: R | undefined): string;
  rowClass?(row: number, data: R | undefined): string;
  editText?(row: number, data: R, column: Column): string | null;
  onselect?(selection: Selection): void;
  onedit?(pos: Pos, text: string, all: boolean): void;
  oncolumns?(columns: Column[]): void;
  onmenu?(id: string, anchor: HTMLElement): void;
  onkey?(event: KeyboardEvent): boolean;
  onview?(first: number, end: number): void;
  onerror?(error: unknown): void;
}

const ROW_PX = 32;
const HEAD_PX = 36;
const OVERSCAN = 4;
let nextId = 0;

function el(cls: string, role?: string): HTMLElement {
  const e = document.createElement('div');
  e.className = cls;
  if (role) e.setAttribute('role', role);
  return e;
}

export class Grid<R> {
  readonly map = new ScrollMap(ROW_PX);
  selection: Selection = at(0, 0);
  private cache: PageCache<R>;
  private layout: Layout;
  private columns: Column[];
  private readonly id = `grid${++nextId}`;
  private readonly scroller = el('g', 'grid');
  private readonly sizer = el('g-sizer', 'presentation');
  private readonly view = el('g-view', 'presentation');
  private readonly body = el('g-body', 'presentation');
  private readonly header: Header;
  private editor: HTMLInputElement | null = null;
  private pool: RowSlot[] = [];
  private frame = 0;
  private gutter = 56;
  private readonly observer: ResizeObserver | null;

  constructor(
    private readonly host: HTMLElement,
    private readonly options: GridOptions<R>,
  ) {
    this.columns = options.columns;
    this.layout = layout(this.columns);
    this.cache = this.newCache();
    this.header = new Header({
      resize: (id, width, done) => this.changeColumns(resized(this.columns, id, width), done),
      move: (id, before) => this.changeColumns(moved(this.columns, id, before), true),
      pick: (col, extend) => this.pickColumn(col, extend),
      menu: (id, anchor) => this.options.onmenu?.(id, anchor),
      fit: (id) => this.changeColumns(resized(this.columns, id, this.fitWidth(id)), true),
    });
    host.classList.add('g-host');
    this.scroller.tabIndex = 0;
    this.scroller.setAttribute('aria-label', options.label);
    this.scroller.setAttribute('aria-multiselectable', 'true');
    this.view.append(this.header.el, this.body);
    this.sizer.append(this.view);
    this.scroller.append(this.sizer);
    host.append(this.scroller);
    this.listen();
    this.observer = typeof ResizeObserver === 'undefined' ? null : new ResizeObserver(() => this.resize());
    this.observer?.observe(host);
    this.resize();
  }

  get rows(): number {
    return this.options.source.rows;
  }

  get shown(): readonly Column[] {
    return this.layout.columns;
  }

  get allColumns(): readonly Column[] {
    return this.columns;
  }

  destroy(): void {
    this.observer?.disconnect();
    cancelAnimationFrame(this.frame);
    this.cache.clear();
    this.host.replaceChildren();
  }

  private newCache(): PageCache<R> {
    return new PageCache<R>(
      (start, count, signal) => this.options.source.load(start, count, signal),
      () => this.schedule(),
      (error) => this.options.onerror?.(error),
    );
  }

  // ---- data -------------------------------------------------------------------------------------------------

  /** Another source, or the same with another number of rows. `keep` shows old rows until new ones are here. */
  setSource(source: DataSource<R>, keep = false): void {
    this.options.source = source;
    if (keep) this.cache.stale();
    else this.cache.clear();
    this.selection = clampTo(this.selection, this.dims());
    this.resize();
  }

  peek(row: number): R | undefined {
    return this.cache.peek(row);
  }

  /** Rows were changed elsewhere: read the visible ones again. */
  stale(): void {
    this.cache.stale();
    this.resize();
  }

  /** Rows came or went before the visible ones: keep every row under the eye where it is. */
  shift(delta: number): void {
    this.cache.shift(delta);
    const move = (p: Pos): Pos => ({ row: p.row + delta, col: p.col });
    this.selection = { focus: move(this.selection.focus), anchor: move(this.selection.anchor) };
    this.map.resize(this.rows, this.scroller.clientHeight - HEAD_PX);
    this.map.by(delta * ROW_PX);
    this.selection = clampTo(this.selection, this.dims());
    this.resize();
  }

  get firstVisible(): number {
    return Math.ceil(this.map.top / ROW_PX);
  }

  visible(row: number): boolean {
    return row >= this.map.firstRow && row < this.map.endRow;
  }

  /** Open the menu of a column, as its button does. */
  openMenu(col: number): void {
    const column = this.layout.columns[col];
    const anchor = this.header.cellAt(col);
    if (column && anchor) this.options.onmenu?.(column.id, anchor);
  }

  private fitWidth(id: string): number {
    const col = this.layout.columns.findIndex((c) => c.id === id);
    const texts = this.pool.filter((s) => !s.el.hidden).map((s) => s.cells[col]?.el.firstElementChild as HTMLElement | undefined);
    const widest = Math.max(0, ...texts.map((t) => t?.scrollWidth ?? 0));
    return Math.max(widest + 24, (this.header.cellAt(col)?.firstElementChild?.scrollWidth ?? 0) + 60);
  }

  setColumns(columns: Column[]): void {
    this.changeColumns(columns, false);
  }

  changeColumn(id: string, change: Partial<Column>): void {
    this.changeColumns(changed(this.columns, id, change), true);
  }

  private changeColumns(columns: Column[], tell: boolean): void {
    this.columns = columns;
    this.layout = layout(columns);
    for (const slot of this.pool) clearCells(slot);
    this.selection = clampTo(this.selection, this.dims());
    this.resize();
    if (tell) this.options.oncolumns?.(columns);
  }

  // ---- geometry and painting --------------------------------------------------------------------------------

  private dims(): { rows: number; cols: number; page: number } {
    return { rows: this.rows, cols: this.layout.columns.length, page: this.map.pageRows };
  }

  resize(): void {
    const { scroller, map } = this;
    this.gutter = Math.max(48, 22 + 8 * String(Math.max(1, this.rows)).length);
    map.resize(this.rows, scroller.clientHeight - HEAD_PX);
    this.sizer.style.height = `${map.height + HEAD_PX}px`;
    this.sizer.style.width = `${this.gutter + this.layout.width}px`;
    this.view.style.height = `${scroller.clientHeight}px`;
    this.view.style.width = `${scroller.clientWidth}px`;
    scroller.setAttribute('aria-rowcount', String(this.rows + 1));
    scroller.setAttribute('aria-colcount', String(this.layout.columns.length + 1));
    this.header.render(this.layout, this.gutter);
    this.syncScroll();
    this.schedule();
  }

  private syncScroll(): void {
    const want = this.map.native();
    if (Math.abs(this.scroller.scrollTop - want) >= 1) this.scroller.scrollTop = want;
    this.map.synced(this.scroller.scrollTop);
  }

  schedule(): void {
    if (this.frame) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      this.paint();
    });
  }

  /** Paint now; tests and measurements call it directly. */
  paint(): void {
    const { map, layout: l } = this;
    const first = Math.max(0, map.firstRow - OVERSCAN);
    const end = Math.min(this.rows, map.endRow + OVERSCAN);
    const x = this.scroller.scrollLeft;
    const middle = this.scroller.clientWidth - this.gutter - l.pinnedWidth;
    const { from, to } = columnWindow(l, x, Math.max(0, middle));
    this.header.show(from, to);
    this.view.style.setProperty('--x', `${-x}px`);
    this.view.classList.toggle('scrolled', x > 0);
    if (end > first) this.cache.want(first, end - 1);
    this.fitPool(end - first);
    const range = rangeOf(this.selection);
    const state = { range, focusRow: this.selection.focus.row, focusCol: this.selection.focus.col, pinned: l.pinned };
    const used = new Set<RowSlot>();
    for (let row = first; row < end; row++) {
      const slot = this.pool[row % this.pool.length]!;
      used.add(slot);
      this.paintRow(slot, row, from, to, state);
    }
    for (const slot of this.pool) slot.el.hidden = !used.has(slot);
    this.announceFocus();
    this.placeEditor();
    this.options.onview?.(map.firstRow, map.endRow);
  }

  private fitPool(rows: number): void {
    if (rows <= this.pool.length) return;
    while (this.pool.length < rows) this.pool.push(newRow());
    for (const slot of this.pool) {
      slot.row = -1;
      if (!slot.el.isConnected) this.body.append(slot.el);
    }
  }

  private paintRow(slot: RowSlot, row: number, from: number, to: number, state: Parameters<typeof paintCell>[4]): void {
    const { layout: l, options } = this;
    const data = this.cache.peek(row);
    if (slot.row !== row) {
      slot.row = row;
      slot.el.setAttribute('aria-rowindex', String(row + 2));
    }
    fitCells(slot, l, from, to);
    slot.el.style.transform = `translateY(${row * ROW_PX - this.map.top}px)`;
    const cls = options.rowClass?.(row, data) ?? '';
    const all = `g-row${row === state.focusRow ? ' cur' : ''}${cls ? ` ${cls}` : ''}`;
    if (slot.cls !== all) slot.el.className = slot.cls = all;
    slot.number.style.width = `${this.gutter}px`;
    slot.mid.style.left = `${this.gutter + l.pinnedWidth}px`;
    const number = options.number?.(row, data) ?? String(row + 1);
    if (slot.number.textContent !== number) slot.number.textContent = number;
    for (let col = 0; col < l.columns.length; col++) {
      const cell = slot.cells[col];
      if (!cell) continue;
      const column = l.columns[col]!;
      paintCell(slot, col, data === undefined ? null : options.cell(row, data, column), column.align, state, this.id);
      placeCell(cell, (col < l.pinned ? this.gutter : 0) + l.left[col]!, column.width);
      cell.el.classList.toggle('g-edge', col === l.pinned - 1);
    }
  }

  private announceFocus(): void {
    const id = `${this.id}-focus`;
    if (this.body.querySelector(`#${id}`)) this.scroller.setAttribute('aria-activedescendant', id);
    else this.scroller.removeAttribute('aria-activedescendant');
  }

  // ---- moving -----------------------------------------------------------------------------------------------

  focus(): void {
    this.scroller.focus({ preventScroll: true });
  }

  select(selection: Selection, center = false): void {
    this.selection = clampTo(selection, this.dims());
    const { focus } = this.selection;
    if (center) this.map.center(focus.row);
    else this.map.reveal(focus.row);
    this.revealColumn(focus.col);
    this.syncScroll();
    this.schedule();
    this.options.onselect?.(this.selection);
  }

  goto(row: number, col = this.selection.focus.col): void {
    this.select(at(row, col), true);
  }

  private revealColumn(col: number): void {
    const l = this.layout;
    const column = l.columns[col];
    if (!column || col < l.pinned) return;
    const middle = this.scroller.clientWidth - this.gutter - l.pinnedWidth;
    const x = l.left[col]!;
    if (x < this.scroller.scrollLeft) this.scroller.scrollLeft = x;
    else if (x + column.width > this.scroller.scrollLeft + middle)
      this.scroller.scrollLeft = Math.min(x, x + column.width - middle);
  }

  private pickColumn(col: number, extend: boolean): void {
    this.focus();
    const anchor = extend ? this.selection.anchor.col : col;
    this.selection = { focus: { row: 0, col }, anchor: { row: Math.max(0, this.rows - 1), col: anchor } };
    this.schedule();
    this.options.onselect?.(this.selection);
  }

  // ---- events -----------------------------------------------------------------------------------------------

  private listen(): void {
    const { scroller } = this;
    scroller.addEventListener('scroll', () => {
      this.map.onNative(scroller.scrollTop);
      this.schedule();
    });
    scroller.addEventListener(
      'wheel',
      (e) => {
        if (!this.map.scaled || e.ctrlKey || e.deltaY === 0) return;
        e.preventDefault();
        const unit = e.deltaMode === 1 ? ROW_PX : e.deltaMode === 2 ? this.map.pageRows * ROW_PX : 1;
        this.map.by(e.deltaY * unit);
        scroller.scrollLeft += e.deltaX * unit;
        this.syncScroll();
        this.schedule();
      },
      { passive: false },
    );
    scroller.addEventListener('keydown', (e) => this.keydown(e));
    this.body.addEventListener('pointerdown', (e) => this.pointerdown(e));
    this.body.addEventListener('dblclick', (e) => {
      if (this.hit(e.clientX, e.clientY)) this.edit();
    });
  }

  private keydown(e: KeyboardEvent): void {
    if (this.options.onkey?.(e)) {
      e.preventDefault();
      return;
    }
    const ctrl = e.ctrlKey || e.metaKey;
    const next = e.altKey ? null : onKey(this.selection, { key: e.key, ctrl, shift: e.shiftKey }, this.dims());
    if (next) {
      e.preventDefault();
      const whole = e.key === ' ' || (ctrl && e.key.toLowerCase() === 'a');
      if (!whole) return this.select(next);
      this.selection = next;
      this.schedule();
      this.options.onselect?.(next);
      return;
    }
    if ((e.key === 'Enter' && !ctrl && !e.shiftKey) || e.key === 'F2') {
      e.preventDefault();
      this.edit();
    } else if (e.key.length === 1 && !ctrl && !e.altKey && e.key !== ' ') {
      e.preventDefault();
      this.edit(e.key);
    }
  }

  private hit(x: number, y: number): Pos | null {
    const box = this.body.getBoundingClientRect();
    const row = Math.floor((y - box.top + this.map.top) / ROW_PX);
    if (row < 0 || row >= this.rows) return null;
    const l = this.layout;
    const vx = x - box.left - this.gutter;
    if (vx < 0) return { row, col: -1 };
    const pin = vx < l.pinnedWidth;
    const px = pin ? vx : vx - l.pinnedWidth + this.scroller.scrollLeft;
    for (let col = pin ? 0 : l.pinned; col < (pin ? l.pinned : l.columns.length); col++)
      if (px < l.left[col]! + l.columns[col]!.width) return { row, col };
    return null;
  }

  private pointerdown(e: PointerEvent): void {
    if (e.button !== 0) return;
    const pos = this.hit(e.clientX, e.clientY);
    if (!pos) return;
    this.closeEditor(true);
    e.preventDefault();
    this.focus();
    const lastCol = this.layout.columns.length - 1;
    const wholeRow = pos.col < 0;
    const focus = wholeRow ? { row: pos.row, col: 0 } : pos;
    const from = wholeRow ? { row: pos.row, col: lastCol } : pos;
    this.select({ focus, anchor: e.shiftKey ? this.selection.anchor : from });
    const move = (m: PointerEvent): void => {
      const p = this.hit(m.clientX, m.clientY);
      if (p) this.select({ focus: { row: p.row, col: Math.max(0, p.col) }, anchor: this.selection.anchor });
    };
    addEventListener('pointermove', move);
    addEventListener('pointerup', () => removeEventListener('pointermove', move), { once: true });
  }

  // ---- editing ----------------------------------------------------------------------------------------------

  /** Open the editor in the focused cell; `typed` replaces what is there. */
  edit(typed?: string): void {
    const { focus } = this.selection;
    const column = this.layout.columns[focus.col];
    const data = this.cache.peek(focus.row);
    if (!column || column.readonly || data === undefined) return;
    const text = this.options.editText?.(focus.row, data, column);
    if (text === null || text === undefined) return;
    this.select(this.selection);
    this.paint();
    if (!this.body.querySelector(`#${this.id}-focus`)) return;
    const input = document.createElement('input');
    input.className = `g-editor${column.align === 'right' ? ' right' : ''}`;
    input.value = typed ?? text;
    input.setAttribute('aria-label', `${column.title}, row ${focus.row + 1}`);
    input.spellcheck = false;
    input.addEventListener('keydown', (e) => this.editorKey(e, text));
    input.addEventListener('blur', () => this.closeEditor(true));
    this.editor = input;
    input.dataset['before'] = text;
    this.host.append(input);
    this.placeEditor();
    input.focus({ preventScroll: true });
    if (typed === undefined) input.select();
  }

  /** The editor follows its cell; when that is scrolled away, what was typed is kept. */
  private placeEditor(): void {
    if (!this.editor) return;
    const box = this.body.querySelector(`#${this.id}-focus`)?.getBoundingClientRect();
    if (!box || !this.visible(this.selection.focus.row)) return this.closeEditor(true);
    const host = this.host.getBoundingClientRect();
    this.editor.style.left = `${box.left - host.left}px`;
    this.editor.style.top = `${box.top - host.top}px`;
    this.editor.style.width = `${Math.max(box.width, 120)}px`;
  }

  private editorKey(e: KeyboardEvent, before: string): void {
    e.stopPropagation();
    const value = this.editor?.value ?? before;
    const ctrl = e.ctrlKey || e.metaKey;
    if (e.key === 'Escape') this.closeEditor(false);
    else if (e.key === 'Enter' && ctrl) {
      this.closeEditor(false);
      this.options.onedit?.(this.selection.focus, value, true);
    } else if (e.key === 'Enter' || e.key === 'Tab') {
      this.closeEditor(true);
      const dims = this.dims();
      const key = e.key === 'Tab' ? (e.shiftKey ? 'ArrowLeft' : 'ArrowRight') : e.shiftKey ? 'ArrowUp' : 'ArrowDown';
      const next = onKey(this.selection, { key, ctrl: false, shift: false }, dims);
      if (next) this.select(next);
    } else return;
    e.preventDefault();
    this.focus();
  }

  private closeEditor(keep: boolean): void {
    const input = this.editor;
    if (!input) return;
    this.editor = null;
    const value = input.value;
    const before = input.dataset['before'];
    input.remove();
    if (keep && value !== before) this.options.onedit?.(this.selection.focus, value, false);
  }
}
