// SPDX-License-Identifier: MIT
// What the grid core and its users say to each other.

/** Where rows come from. Positions are exact ranks; the source may hold up to 10^9 of them. */
export interface DataSource<R> {
  readonly rows: number;
  /** Rows [start, start + count), fewer only at the end. Rejects with AbortError when aborted. */
  load(start: number, count: number, signal: AbortSignal): Promise<R[]>;
  /** Row of a key, or of its successor when it is missing. */
  locate?(key: string, signal: AbortSignal): Promise<{ row: number; found: boolean }>;
}

export interface Column {
  id: string;
  title: string;
  /** Shown small beside the title: the type. */
  hint?: string;
  width: number;
  pinned?: boolean;
  hidden?: boolean;
  /** Numbers are aligned to the right with tabular figures. */
  align?: 'left' | 'right';
  readonly?: boolean;
  /** The store is shown in the order of this column. */
  sort?: 'asc' | 'desc';
}

/** How one cell looks. Text is always set as a text node. */
export interface CellView {
  text: string;
  /** Class names: "null", "missing", "num", "pill p3", "key", ... */
  cls?: string;
  staged?: boolean;
  error?: string;
  /** Small mark at the right end, such as the size of a large value. */
  badge?: string;
}

export interface Pos {
  row: number;
  col: number;
}

export interface Range {
  top: number;
  bottom: number;
  left: number;
  right: number;
}
