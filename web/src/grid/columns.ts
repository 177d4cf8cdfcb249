// SPDX-License-Identifier: MIT
// Columns: order, widths, pins, and which of them a horizontal position shows. Pure.
import type { Column } from './types';

export const WIDTH_MIN = 48;
export const WIDTH_MAX = 1200;

export interface Layout {
  /** Visible columns as shown: pinned first. */
  columns: Column[];
  /** Left edge of each; pinned ones count from the left of the view, others from the first unpinned. */
  left: number[];
  pinned: number;
  pinnedWidth: number;
  width: number;
}

export function layout(all: readonly Column[]): Layout {
  const shown = all.filter((c) => !c.hidden);
  const columns = [...shown.filter((c) => c.pinned), ...shown.filter((c) => !c.pinned)];
  const pinned = columns.filter((c) => c.pinned).length;
  const left: number[] = [];
  let x = 0;
  let pinnedWidth = 0;
  columns.forEach((column, i) => {
    if (i === pinned) {
      pinnedWidth = x;
      x = 0;
    }
    left.push(x);
    x += column.width;
  });
  if (pinned === columns.length) return { columns, left, pinned, pinnedWidth: x, width: x };
  return { columns, left, pinned, pinnedWidth, width: pinnedWidth + x };
}

/** Unpinned columns [from, to) that show between x and x + view (x counts from the first unpinned one). */
export function columnWindow(l: Layout, x: number, view: number): { from: number; to: number } {
  let low = l.pinned;
  let high = l.columns.length;
  while (low < high) {
    const mid = (low + high) >> 1;
    if (l.left[mid]! + l.columns[mid]!.width <= x) low = mid + 1;
    else high = mid;
  }
  let to = low;
  while (to < l.columns.length && l.left[to]! < x + view) to++;
  return { from: low, to };
}

export function resized(all: readonly Column[], id: string, width: number): Column[] {
  const w = Math.round(Math.min(WIDTH_MAX, Math.max(WIDTH_MIN, width)));
  return all.map((c) => (c.id === id ? { ...c, width: w } : c));
}

/** Move a column before another one (or to the end); it takes over the pin of its new neighbour. */
export function moved(all: readonly Column[], id: string, before: string | null): Column[] {
  const column = all.find((c) => c.id === id);
  if (!column || id === before) return [...all];
  const rest = all.filter((c) => c.id !== id);
  const at = before === null ? rest.length : rest.findIndex((c) => c.id === before);
  if (at < 0) return [...all];
  const pinned = before === null ? false : Boolean(rest[at]!.pinned);
  rest.splice(at, 0, { ...column, pinned });
  return rest;
}

export function changed(all: readonly Column[], id: string, change: Partial<Column>): Column[] {
  return all.map((c) => (c.id === id ? { ...c, ...change } : c));
}

/** Bring saved widths, order and pins to the columns that exist now; new ones come last. */
export function restored(all: readonly Column[], saved: readonly Partial<Column>[]): Column[] {
  const byId = new Map(all.map((c) => [c.id, c]));
  const out: Column[] = [];
  for (const s of saved) {
    const column = s.id === undefined ? undefined : byId.get(s.id);
    if (!column) continue;
    byId.delete(column.id);
    out.push({
      ...column,
      width: typeof s.width === 'number' ? Math.min(WIDTH_MAX, Math.max(WIDTH_MIN, s.width)) : column.width,
      pinned: Boolean(s.pinned),
      hidden: Boolean(s.hidden),
    });
  }
  return [...out, ...byId.values()];
}
