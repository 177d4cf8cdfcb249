// SPDX-License-Identifier: MIT
// Data sources of the grid over the API: a whole store by rank, and the growing list of a filter's matches.
import type { DataSource } from '../grid/types';
import type { Order } from './address';
import type { Api, Item } from './api';
import type { Condition } from './filter';
import type { J } from './json';
import { keyId } from './value';

export interface Where {
  registry: string;
  database: string;
  store: string;
}

/** Descending order is the same ranks counted from the end: exact, and no scan. */
export class StoreSource implements DataSource<Item> {
  constructor(
    private readonly api: Api,
    private readonly at: Where,
    public rows: number,
    private readonly onCount: (count: number) => void,
    readonly order: Order = 'asc',
  ) {}

  async load(start: number, count: number, signal: AbortSignal): Promise<Item[]> {
    const { registry, database, store } = this.at;
    const n = Math.max(0, Math.min(count, this.rows - start));
    const desc = this.order === 'desc';
    if (desc && n === 0) return [];
    const page = await this.api.items(registry, database, store, { rank: desc ? this.rows - start - n : start, limit: desc ? n : count }, signal);
    if (page.count !== null && page.count !== this.rows) this.onCount(page.count);
    return desc ? page.items.reverse() : page.items;
  }

  /** Where a key stands now, or would stand. */
  async find(k: J): Promise<{ row: number; found: boolean; count: number }> {
    const { registry, database, store } = this.at;
    const page = await this.api.items(registry, database, store, { key: k, limit: 1 });
    const count = page.count ?? this.rows;
    const rank = page.rank ?? 0;
    return { row: this.order === 'desc' ? Math.max(0, count - 1 - rank) : rank, found: page.found === true, count };
  }
}

/** Matches come in key order; nobody counts them ahead. */
export class FilterSource implements DataSource<Item> {
  private items: Item[] = [];
  private next: string | undefined;
  private readonly stop = new AbortController();
  scanned = 0;
  done = false;
  full = false;

  constructor(
    private readonly api: Api,
    private readonly at: Where,
    private readonly where: readonly Condition[],
    private readonly onGrow: () => void,
    private readonly matchesMax = 100_000,
    private readonly order: Order = 'asc',
  ) {}

  get rows(): number {
    return this.items.length;
  }

  get stopped(): boolean {
    return this.stop.signal.aborted;
  }

  async load(start: number, count: number): Promise<Item[]> {
    if (this.order === 'asc') return this.items.slice(start, start + count);
    const end = this.items.length - start;
    return this.items.slice(Math.max(0, end - count), end).reverse();
  }

  cancel(): void {
    this.stop.abort();
  }

  async run(): Promise<void> {
    const { registry, database, store } = this.at;
    while (!this.done && !this.stop.signal.aborted) {
      const q = { where: this.where, limit: 500, ...(this.next === undefined ? {} : { after: this.next }) };
      const page = await this.api.items(registry, database, store, q, this.stop.signal);
      this.items.push(...page.items);
      this.scanned += page.scanned ?? page.items.length;
      this.next = page.next ?? undefined;
      this.full = this.items.length >= this.matchesMax;
      this.done = page.next === null || this.full;
      this.onGrow();
    }
  }

  /** Items that were changed elsewhere are read again where they stand; true when one of them is in the list. */
  async refresh(ids: ReadonlySet<string>): Promise<boolean> {
    const { registry, database, store } = this.at;
    const hit = this.items.map((x, i) => ({ i, k: x.k })).filter(({ k }) => ids.has(keyId(k))).slice(0, 200);
    for (const { i, k } of hit) {
      const now = await this.api.item(registry, database, store, k).catch(() => undefined);
      if (now && this.items[i] && keyId(this.items[i].k) === keyId(k)) this.items[i] = now;
    }
    return hit.length > 0;
  }
}

/** One page of a source: rows [first, first + size). */
export class PageSource<R> implements DataSource<R> {
  constructor(
    readonly whole: DataSource<R>,
    readonly size: number,
    public page: number,
  ) {}

  get pages(): number {
    return Math.max(1, Math.ceil(this.whole.rows / this.size));
  }
  get first(): number {
    return Math.min(this.page, this.pages - 1) * this.size;
  }
  get rows(): number {
    return Math.max(0, Math.min(this.size, this.whole.rows - this.first));
  }
  load(start: number, count: number, signal: AbortSignal): Promise<R[]> {
    const n = Math.min(count, this.rows - start);
    return n <= 0 ? Promise.resolve([]) : this.whole.load(this.first + start, n, signal);
  }
}
