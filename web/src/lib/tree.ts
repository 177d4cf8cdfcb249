// SPDX-License-Identifier: MIT
// A JSON value as the lines of a tree, so that only the visible ones need elements. Pure.
import { format, isObj, Num, pointer, type J } from './json';

export interface TreeRow {
  ptr: string;
  path: string[];
  name: string | null;
  depth: number;
  v: J;
  /** Members or elements; -1 of a leaf. */
  size: number;
  open: boolean;
  hit: boolean;
}

export interface TreeState {
  /** What was opened and closed by hand. */
  open: ReadonlyMap<string, boolean>;
  all: boolean | null;
  query: string;
}

const OPEN_DEPTH = 3;
const OPEN_SIZE = 100;

export const leafText = (v: J): string => format(v);
export const leafClass = (v: J): string => (v === null ? 'null' : typeof v === 'string' ? 'str' : v instanceof Num ? 'num' : 'bool');

function matches(name: string | null, v: J, low: string): boolean {
  return Boolean(name?.toLowerCase().includes(low)) || (typeof v !== 'object' || v instanceof Num ? String(v).toLowerCase().includes(low) : false);
}

/** With a query, everything that leads to a hit is open. */
export function treeRows(root: J, state: TreeState): TreeRow[] {
  const low = state.query.trim().toLowerCase();
  const out: TreeRow[] = [];
  const walk = (name: string | null, v: J, path: string[]): boolean => {
    const nested = Array.isArray(v) || isObj(v);
    const size = Array.isArray(v) ? v.length : isObj(v) ? v.size : -1;
    const ptr = pointer(path);
    const hit = low !== '' && matches(name, v, low);
    const row: TreeRow = { ptr, path, name, depth: path.length, v, size, open: false, hit };
    const at = out.push(row);
    if (!nested) return hit;
    row.open = state.open.get(ptr) ?? state.all ?? (path.length < OPEN_DEPTH && size <= OPEN_SIZE);
    let inner = false;
    if (row.open || low !== '') {
      if (Array.isArray(v)) v.forEach((x, i) => (inner = walk(String(i), x, [...path, String(i)]) || inner));
      else for (const [n, x] of v as Map<string, J>) inner = walk(n, x, [...path, n]) || inner;
    }
    if (low !== '' && inner) row.open = true;
    else if (!row.open) out.length = at;
    return hit || inner;
  };
  walk(null, root, []);
  return out;
}
