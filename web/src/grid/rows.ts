// SPDX-License-Identifier: MIT
// The pooled row elements of the grid: a row keeps its elements while it moves, and texts change only when they differ.
import type { Layout } from './columns';
import type { CellView, Range, Selection2 } from './render';

interface CellSlot {
  el: HTMLElement;
  text: Text;
  badge: HTMLElement | null;
  key: string;
  left: number;
  width: number;
}

export interface RowSlot {
  el: HTMLElement;
  number: HTMLElement;
  mid: HTMLElement;
  cells: (CellSlot | undefined)[];
  row: number;
  cls: string;
}

function div(cls: string, role: string): HTMLElement {
  const el = document.createElement('div');
  el.className = cls;
  el.setAttribute('role', role);
  return el;
}

export function newRow(): RowSlot {
  const el = div('g-row', 'row');
  const number = div('g-num', 'rowheader');
  const mid = div('g-mid', 'presentation');
  el.append(number, mid);
  return { el, number, mid, cells: [], row: -1, cls: '' };
}

function newCell(col: number, pinned: boolean): CellSlot {
  const el = div(pinned ? 'g-cell g-pin' : 'g-cell', 'gridcell');
  el.setAttribute('aria-colindex', String(col + 2));
  const span = document.createElement('span');
  const text = document.createTextNode('');
  span.append(text);
  el.append(span);
  return { el, text, badge: null, key: '', left: -1, width: -1 };
}

/** Create and remove the cells of a row so that exactly the shown columns have one. */
export function fitCells(slot: RowSlot, l: Layout, from: number, to: number): void {
  for (let col = 0; col < Math.max(l.columns.length, slot.cells.length); col++) {
    const shown = col < l.columns.length && (col < l.pinned || (col >= from && col < to));
    const have = slot.cells[col];
    if (have && !shown) {
      have.el.remove();
      slot.cells[col] = undefined;
    } else if (!have && shown) {
      const cell = newCell(col, col < l.pinned);
      slot.cells[col] = cell;
      insertInOrder(slot, cell.el, col, l.pinned);
    }
  }
}

/** Keep the order of the tree, which is what screen readers follow. */
function insertInOrder(slot: RowSlot, el: HTMLElement, col: number, pinned: number): void {
  const parent = col < pinned ? slot.el : slot.mid;
  const end = col < pinned ? pinned : slot.cells.length;
  for (let next = col + 1; next < end; next++) {
    const other = slot.cells[next];
    if (other && other.el.parentNode === parent) {
      parent.insertBefore(el, other.el);
      return;
    }
  }
  if (col < pinned) slot.el.insertBefore(el, slot.mid);
  else slot.mid.append(el);
}

export function clearCells(slot: RowSlot): void {
  for (const cell of slot.cells) cell?.el.remove();
  slot.cells = [];
  slot.row = -1;
}

function setBadge(cell: CellSlot, badge: string | undefined): void {
  if (badge === undefined) {
    cell.badge?.remove();
    cell.badge = null;
    return;
  }
  if (!cell.badge) {
    cell.badge = document.createElement('small');
    cell.el.append(cell.badge);
  }
  cell.badge.textContent = badge;
}

/** Where a cell stands; the styles are touched only when that is new. */
export function placeCell(cell: CellSlot, left: number, width: number): void {
  if (cell.left !== left) cell.el.style.left = `${(cell.left = left)}px`;
  if (cell.width !== width) cell.el.style.width = `${(cell.width = width)}px`;
}

export function paintCell(
  slot: RowSlot,
  col: number,
  view: CellView | null,
  align: string | undefined,
  state: Selection2,
  gridId: string,
): void {
  const cell = slot.cells[col];
  if (!cell) return;
  const focus = state.focusRow === slot.row && state.focusCol === col;
  const inRange = within(state.range, slot.row, col);
  const flags =
    (col < state.pinned ? ' g-pin' : '') +
    (align === 'right' ? ' right' : '') +
    (view === null ? ' skeleton' : '') +
    (view?.staged ? ' staged' : '') +
    (view?.error === undefined ? '' : ' bad') +
    (inRange ? ' sel' : '') +
    (focus ? ' focus' : '');
  const key = `${view?.cls ?? ''}|${flags}|${view?.badge ?? ''}|${view?.error ?? ''}`;
  const text = view?.text ?? '';
  if (cell.text.data !== text) cell.text.data = text;
  if (focus) cell.el.id = `${gridId}-focus`;
  else if (cell.el.id) cell.el.removeAttribute('id');
  if (cell.key === key) return;
  cell.key = key;
  cell.el.className = `g-cell${flags}`;
  (cell.text.parentNode as HTMLElement).className = view?.cls ?? '';
  if (inRange) cell.el.setAttribute('aria-selected', 'true');
  else cell.el.removeAttribute('aria-selected');
  if (view?.error === undefined) cell.el.removeAttribute('aria-invalid');
  else cell.el.setAttribute('aria-invalid', 'true');
  cell.el.title = view?.error ?? '';
  setBadge(cell, view?.badge);
}

function within(r: Range, row: number, col: number): boolean {
  return row >= r.top && row <= r.bottom && col >= r.left && col <= r.right;
}
