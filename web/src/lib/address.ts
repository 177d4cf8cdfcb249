// SPDX-License-Identifier: MIT
// The address of the page: environment, database, store, position, order, page and filters. Pure.
import { conditionText, parseCondition, type Condition } from './filter';

export type Order = 'asc' | 'desc';

export interface Address {
  registry?: string;
  database?: string;
  store?: string;
  /** Zero-based row. */
  row: number;
  order: Order;
  /** Rows of a page; 0 when the store is scrolled as a whole. */
  pageSize: number;
  filters: Condition[];
}

export const PAGE_SIZES = [25, 50, 100, 250, 1000];

const part = (s: string | undefined): string | undefined => {
  if (s === undefined) return undefined;
  try {
    return decodeURIComponent(s);
  } catch {
    return s;
  }
};

export function parseAddress(path: string, search: string): Address {
  const m = /^\/r\/([^/]+)(?:\/d\/([^/]+)(?:\/s\/([^/]+))?)?/.exec(path);
  const q = new URLSearchParams(search);
  const at = /^#?(\d{1,15})$/.exec(q.get('at') ?? '');
  const size = Number(q.get('size') ?? 0);
  const a: Address = {
    row: at ? Math.max(0, Number(at[1]) - 1) : 0,
    order: q.get('order') === 'desc' ? 'desc' : 'asc',
    pageSize: PAGE_SIZES.includes(size) ? size : 0,
    filters: q
      .getAll('q')
      .map(parseCondition)
      .filter((c): c is Condition => c !== null),
  };
  for (const [i, name] of (['registry', 'database', 'store'] as const).entries()) {
    const x = part(m?.[i + 1]);
    if (x !== undefined) a[name] = x;
  }
  return a;
}

export function formatAddress(a: Address): string {
  let url = `/r/${encodeURIComponent(a.registry ?? '')}`;
  if (a.database === undefined || a.store === undefined) return url;
  url += `/d/${encodeURIComponent(a.database)}/s/${encodeURIComponent(a.store)}`;
  const q = new URLSearchParams();
  if (a.row > 0) q.set('at', String(a.row + 1));
  if (a.order === 'desc') q.set('order', 'desc');
  if (a.pageSize > 0) q.set('size', String(a.pageSize));
  for (const f of a.filters) q.append('q', conditionText(f).replace(/^“(.*)”$/s, '$1'));
  return q.size ? `${url}?${q}` : url;
}
