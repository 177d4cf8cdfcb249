// SPDX-License-Identifier: MIT
// Staged edits survive a reload: kept in IndexedDB, numbers as text.
import { format, isObj, obj, parse, type J } from './json';
import type { Staged } from './staged';

export function stagedToText(items: Iterable<[string, Staged]>): string {
  const list: J[] = [...items].map(([id, s]) =>
    obj({
      id,
      registry: s.registry,
      database: s.database,
      store: s.store,
      k: s.k,
      op: s.op,
      base: s.base,
      was: s.was,
      v: s.v,
      fields: [...s.fields].map(([ptr, v]) => (v === undefined ? [ptr] : [ptr, v])),
    }),
  );
  return format(list);
}

export function stagedFromText(text: string): [string, Staged][] {
  const list = parse(text, 3);
  if (!Array.isArray(list)) return [];
  return list.filter(isObj).map((o) => {
    const fields = (o.get('fields') ?? []) as J[][];
    const s: Staged = {
      registry: String(o.get('registry')),
      database: String(o.get('database')),
      store: String(o.get('store')),
      k: o.get('k') ?? null,
      op: o.get('op') as Staged['op'],
      base: (o.get('base') ?? null) as string | null,
      was: o.get('was'),
      fields: new Map(fields.map((f) => [String(f[0]), f[1]])),
    };
    const v = o.get('v');
    if (v !== undefined) s.v = v;
    return [String(o.get('id')), s];
  });
}

const DB = 'sop-data-manager';
const KEEP = 'keep';

function open(): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const r = indexedDB.open(DB, 1);
    r.onupgradeneeded = () => r.result.createObjectStore(KEEP);
    r.onsuccess = () => resolve(r.result);
    r.onerror = () => reject(r.error);
  });
}

async function run<T>(mode: IDBTransactionMode, work: (s: IDBObjectStore) => IDBRequest<T>): Promise<T> {
  const db = await open();
  try {
    return await new Promise<T>((resolve, reject) => {
      const tx = db.transaction(KEEP, mode);
      const r = work(tx.objectStore(KEEP));
      tx.oncomplete = () => resolve(r.result);
      tx.onerror = tx.onabort = () => reject(tx.error);
    });
  } finally {
    db.close();
  }
}

/** One entry for each tab, so that two tabs never overwrite each other's edits. */
export async function keepStaged(tab: string, items: Map<string, Staged>): Promise<void> {
  if (items.size === 0) await run('readwrite', (s) => s.delete(tab) as IDBRequest<unknown>);
  else await run('readwrite', (s) => s.put(stagedToText(items), tab) as IDBRequest<unknown>);
}

export async function keptStaged(tab: string): Promise<[string, Staged][]> {
  const text = await run('readonly', (s) => s.get(tab) as IDBRequest<unknown>);
  return typeof text === 'string' ? stagedFromText(text) : [];
}
