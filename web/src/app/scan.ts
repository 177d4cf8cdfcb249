// SPDX-License-Identifier: MIT
// A walk over a whole store page by page, with progress and stop: for profiles and exports.
import type { Item } from '../lib/api';
import type { Condition } from '../lib/filter';
import type { Place } from '../lib/staged';
import { app } from './state.svelte';

const PAGE = 1000;

export interface ScanOptions {
  where: readonly Condition[];
  /** Top-level pointers that are wanted; all when absent. */
  fields?: string;
  valueMax?: number;
  signal: AbortSignal;
  onItems(items: Item[], scanned: number): void | Promise<void>;
}

export async function scan(p: Place, o: ScanOptions): Promise<void> {
  let after: string | undefined;
  let scanned = 0;
  do {
    const page = await app.api.items(
      p.registry,
      p.database,
      p.store,
      { limit: PAGE, ...(after === undefined ? {} : { after }), ...(o.where.length ? { where: o.where } : {}), ...(o.fields === undefined ? {} : { fields: o.fields }), ...(o.valueMax === undefined ? {} : { valueMax: o.valueMax }) },
      o.signal,
    );
    scanned += page.scanned ?? page.items.length;
    await o.onItems(page.items, scanned);
    after = page.next ?? undefined;
  } while (after !== undefined && !o.signal.aborted);
}
