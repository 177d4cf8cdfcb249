// SPDX-License-Identifier: MIT
// Data sources of the grid over the API: a whole store by rank, and the growing list of a filter's matches.
import type { DataSource } from '../grid/types';
import type { Api, Item } from './api';
import type { Condition } from './filter';
import type { J } from './json';

export interface Where {
  registry: string;
  database: string;
  store: string;
}

export class StoreSource implements DataSource<Item> {
  constructor(
    private readonly api: Api,
    private readonly at: Where,
    public rows: number,
    private readonly onCount: (count: number) => void,
  ) {}

  async load(start: number, count: number, signal: AbortSignal): Promise<Item[]> {
    const { registry, database, store } = this.at;
    const page = await this.api.items(registry, database, store, { rank: start, limit: count }, signal);
    if (page.count !== null && page.count !== this.rows) this.onCount(page.count);
    return page.items;
  }

  async find(k: J): Promise<{ row: number; found: boolean }> {
    const { registry, database, store } = this.at;
    const page = await this.api.items(registry, database, store, { key: k, limit: 1 });
    return { row: page.rank ?? 0, found: page.found === true };
  }
}

/** Matches come in key order; nobody counts them ahead. */
export class FilterSource implements DataSource<Item> {
  private readonly items: Item[] = [];
  private next: string | undefined;
  private readonly stop = new AbortController();
  scanned = 0;
  done = false;

  constructor(
    private readonly api: Api,
    private readonly at: Where,
    private readonly where: readonly Condition[],
    private readonly onGrow: () => void,
    private readonly matchesMax = 100_000,
  ) {}

  get rows(): number {
    return this.items.length;
  }

  async load(start: number, count: number): Promise<Item[]> {
    return this.items.slice(start, start + count);
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
      this.done = page.next === null || this.items.length >= this.matchesMax;
      this.onGrow();
    }
  }
}
