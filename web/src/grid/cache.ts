// SPDX-License-Identifier: MIT
// Least-recently-used cache of pages of rows, which aborts what nobody looks at any more.

interface Page<R> {
  rows: R[];
  stale: boolean;
}

export interface CacheOptions {
  pageRows?: number;
  pagesMax?: number;
}

export type Loader<R> = (start: number, count: number, signal: AbortSignal) => Promise<R[]>;

export class PageCache<R> {
  readonly pageRows: number;
  private readonly pagesMax: number;
  private readonly pages = new Map<number, Page<R>>();
  private readonly inFlight = new Map<number, AbortController>();
  private readonly failed = new Map<number, number>();
  private generation = 0;

  constructor(
    private readonly load: Loader<R>,
    private readonly onPage: (first: number, last: number) => void,
    private readonly onError: (error: unknown) => void,
    options: CacheOptions = {},
  ) {
    this.pageRows = options.pageRows ?? 100;
    this.pagesMax = options.pagesMax ?? 60;
  }

  get size(): number {
    return this.pages.size;
  }

  get loading(): number {
    return this.inFlight.size;
  }

  /** The row if it is here, also when it is stale. */
  peek(row: number): R | undefined {
    return this.pages.get(Math.floor(row / this.pageRows))?.rows[row % this.pageRows];
  }

  /** Ask for rows [first, last]; abort other pages under way; keep the asked ones young. */
  want(first: number, last: number, now = Date.now()): void {
    const from = Math.floor(Math.max(0, first) / this.pageRows);
    const to = Math.floor(Math.max(0, last) / this.pageRows);
    for (const [page, controller] of this.inFlight) {
      if (page < from || page > to) {
        controller.abort();
        this.inFlight.delete(page);
      }
    }
    for (let page = from; page <= to; page++) this.ask(page, now);
  }

  private ask(page: number, now: number): void {
    const have = this.pages.get(page);
    if (have) {
      this.pages.delete(page);
      this.pages.set(page, have);
      if (!have.stale) return;
    }
    if (this.inFlight.has(page) || (this.failed.get(page) ?? 0) > now) return;
    const controller = new AbortController();
    this.inFlight.set(page, controller);
    void this.fetch(page, controller, this.generation);
  }

  private async fetch(page: number, controller: AbortController, generation: number): Promise<void> {
    try {
      const rows = await this.load(page * this.pageRows, this.pageRows, controller.signal);
      if (controller.signal.aborted || generation !== this.generation) return;
      this.store(page, rows);
      this.failed.delete(page);
      this.onPage(page * this.pageRows, (page + 1) * this.pageRows - 1);
    } catch (error) {
      if (controller.signal.aborted || generation !== this.generation) return;
      this.failed.set(page, Date.now() + 2000);
      this.onError(error);
    } finally {
      if (this.inFlight.get(page) === controller) this.inFlight.delete(page);
    }
  }

  private store(page: number, rows: R[]): void {
    this.pages.delete(page);
    this.pages.set(page, { rows, stale: false });
    for (const old of this.pages.keys()) {
      if (this.pages.size <= this.pagesMax) break;
      this.pages.delete(old);
    }
  }

  /** Forget everything (other store, other filter). */
  clear(): void {
    this.stop();
    this.pages.clear();
  }

  /** Rows were added or removed before these: every row moves by `delta`, and is read again when looked at. */
  shift(delta: number): void {
    this.stop();
    const moved = new Map<number, Page<R>>();
    for (const [page, { rows }] of this.pages)
      rows.forEach((row, i) => {
        const to = page * this.pageRows + i + delta;
        if (to < 0) return;
        const at = Math.floor(to / this.pageRows);
        let target = moved.get(at);
        if (!target) moved.set(at, (target = { rows: [], stale: true }));
        target.rows[to % this.pageRows] = row;
      });
    this.pages.clear();
    for (const [page, p] of moved) this.pages.set(page, p);
  }

  /** Read again when looked at, and show the old rows until then. */
  stale(): void {
    this.stop();
    for (const page of this.pages.values()) page.stale = true;
  }

  private stop(): void {
    this.generation++;
    for (const controller of this.inFlight.values()) controller.abort();
    this.inFlight.clear();
    this.failed.clear();
  }
}
