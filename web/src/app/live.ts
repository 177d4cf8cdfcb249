// SPDX-License-Identifier: MIT
// Live events of one database: what others commit, and whether the server can be reached.
import { plain } from '../lib/api';
import { isObj, parse, type Obj } from '../lib/json';
import { keyId } from '../lib/value';

export interface LiveCommit {
  seq: number;
  by: string | undefined;
  commit: string | undefined;
  stores: { store: string; count: number; ids: Set<string>; more: boolean }[];
}

/** Keys are read without loss: they are compared by their text. */
function readCommit(text: string): LiveCommit {
  const o = parse(text) as Obj;
  const head = plain(new Map([...o].filter(([n]) => n !== 'stores'))) as { seq: number; by?: string; commit?: string };
  const stores = (o.get('stores') ?? []) as Obj[];
  return {
    seq: head.seq,
    by: head.by,
    commit: head.commit,
    stores: stores.map((s) => ({
      store: String(s.get('store')),
      count: Number(s.get('count')),
      ids: new Set(((s.get('items') ?? []) as Obj[]).filter(isObj).map((i) => keyId(i.get('k') ?? null))),
      more: s.get('more') === true,
    })),
  };
}

export interface LiveHandlers {
  commit(c: LiveCommit): void;
  /** Stores came, went or were renamed. */
  store(): void;
  /** Events were missed: read everything again. */
  reset(): void;
  online(yes: boolean): void;
}

const RETRY_MS = 1500;

export class Live {
  private source: EventSource | null = null;
  private retry: ReturnType<typeof setTimeout> | undefined;
  private lost = false;

  constructor(
    private readonly url: string,
    private readonly on: LiveHandlers,
  ) {
    this.open();
  }

  private open(): void {
    const es = new EventSource(this.url);
    this.source = es;
    es.onopen = () => {
      if (this.lost) this.on.reset();
      this.lost = false;
      this.on.online(true);
    };
    es.onerror = () => {
      this.on.online(false);
      // After a network error the browser tries again by itself, and resumes; after an answer that is none it gives up.
      if (es.readyState !== EventSource.CLOSED) return;
      this.lost = true;
      clearTimeout(this.retry);
      this.retry = setTimeout(() => this.open(), RETRY_MS);
    };
    es.addEventListener('reset', () => this.on.reset());
    es.addEventListener('store', () => this.on.store());
    es.addEventListener('commit', (e) => this.on.commit(readCommit((e as MessageEvent<string>).data)));
  }

  close(): void {
    clearTimeout(this.retry);
    this.source?.close();
  }
}
