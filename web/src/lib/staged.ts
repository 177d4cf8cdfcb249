// SPDX-License-Identifier: MIT
// Staged edits over several stores and databases, with undo and redo. Pure; nothing here reaches the server.
import { get, isObj, pathOf, same, set, type J } from './json';
import { fromWire, keyId, toWire, type Value } from './value';

export interface Place {
  registry: string;
  database: string;
  store: string;
}

/** The edits of one item. `fields` of a patch: pointer -> wanted value, undefined removes it. */
export interface Staged extends Place {
  k: J;
  op: 'patch' | 'put' | 'insert' | 'delete';
  /** Version and wire value that the edit began from. */
  base: string | null;
  was: J | undefined;
  fields: Map<string, J | undefined>;
  /** Wire value of put and insert. */
  v?: J;
}

export interface Step {
  label: string;
  /** Item id -> the staged state before and after. */
  changes: { id: string; before: Staged | undefined; after: Staged | undefined }[];
}

export const placeId = (p: Place): string => JSON.stringify([p.registry, p.database, p.store]);
export const itemId = (p: Place, k: J): string => JSON.stringify([p.registry, p.database, p.store, keyId(k)]);

/** The value as it will be: undefined when it is deleted. */
export function staged(s: Staged): Value | undefined {
  if (s.op === 'delete') return undefined;
  if (s.op !== 'patch') return s.v === undefined ? undefined : fromWire(s.v);
  let v = s.was === undefined ? undefined : fromWire(s.was).v;
  for (const [ptr, to] of s.fields) v = set(v, ptr, to);
  return { form: 'json', v: v ?? null };
}

/** Drop what equals the stored value: the item is unchanged when undefined comes back. */
function normal(s: Staged): Staged | undefined {
  if (s.op === 'put' && s.was !== undefined && same(s.v, s.was)) return undefined;
  if (s.op !== 'patch') return s;
  const was = s.was === undefined ? undefined : fromWire(s.was).v;
  const fields = new Map([...s.fields].filter(([ptr, to]) => !same(get(was, ptr), to)));
  return fields.size ? { ...s, fields } : undefined;
}

export class StagedEdits {
  readonly items = new Map<string, Staged>();
  private done: Step[] = [];
  private undone: Step[] = [];
  private open: { step: Step; seen: Map<string, number> } | null = null;

  constructor(private readonly onChange: () => void = () => {}) {}

  get canUndo(): Step | undefined {
    return this.done.at(-1);
  }

  get canRedo(): Step | undefined {
    return this.undone.at(-1);
  }

  get(p: Place, k: J): Staged | undefined {
    return this.items.get(itemId(p, k));
  }

  /** All edits made inside belong to one step of undo. */
  group(label: string, edits: () => void): void {
    if (this.open) return edits();
    this.open = { step: { label, changes: [] }, seen: new Map() };
    try {
      edits();
    } finally {
      const { step } = this.open;
      this.open = null;
      if (step.changes.length) {
        this.done.push(step);
        this.undone = [];
        this.onChange();
      }
    }
  }

  private put(id: string, after: Staged | undefined, label: string): void {
    if (!this.open) return this.group(label, () => this.put(id, after, label));
    const before = this.items.get(id);
    if (before === undefined && after === undefined) return;
    const { step, seen } = this.open;
    const at = seen.get(id);
    if (at === undefined) {
      seen.set(id, step.changes.length);
      step.changes.push({ id, before, after });
    } else step.changes[at]!.after = after;
    this.apply(id, after);
  }

  private apply(id: string, to: Staged | undefined): void {
    if (to) this.items.set(id, to);
    else this.items.delete(id);
  }

  /** One field of a JSON object; undefined removes it. */
  setField(p: Place, k: J, ptr: string, to: J | undefined, stored: { ver: string; v: J } | undefined): void {
    const id = itemId(p, k);
    const have = this.items.get(id);
    if (have && have.op !== 'patch') {
      if (have.op === 'delete' || have.v === undefined) return;
      const v = set(fromWire(have.v).v, ptr, to);
      return this.put(id, normal({ ...have, v: toWire({ form: 'json', v: v ?? null }) }), 'Edit');
    }
    if (!have && !stored) return;
    const was = have ? have.was : stored!.v;
    const base = have ? have.base : stored!.ver;
    // An edit of a place swallows earlier edits inside it; an edit inside an edited place goes into that one.
    const fields = new Map(have?.fields);
    const outer = [...fields.keys()].find((f) => ptr.startsWith(`${f}/`));
    if (outer !== undefined) fields.set(outer, set(fields.get(outer), ptr.slice(outer.length), to));
    else {
      for (const f of [...fields.keys()]) if (f.startsWith(`${ptr}/`)) fields.delete(f);
      if (this.inArray(was, ptr, to)) return this.wholeParent(p, k, ptr, to, { ver: base ?? '', v: was ?? null }, fields);
      fields.set(ptr, to);
    }
    this.put(id, normal({ ...p, k, op: 'patch', base, was, fields }), 'Edit');
  }

  /** Removing from, or adding to, an array shifts its indexes: stage the whole array instead. */
  private inArray(was: J | undefined, ptr: string, to: J | undefined): boolean {
    const path = pathOf(ptr);
    const last = path.pop();
    const parent = path.reduce<J | undefined>((v, n) => (isObj(v) ? v.get(n) : Array.isArray(v) ? v[Number(n)] : undefined), was);
    return Array.isArray(parent) && (to === undefined || last === '-' || Number(last) >= parent.length);
  }

  private wholeParent(p: Place, k: J, ptr: string, to: J | undefined, stored: { ver: string; v: J }, fields: Map<string, J | undefined>): void {
    const parent = ptr.slice(0, ptr.lastIndexOf('/'));
    let v: J | undefined = fromWire(stored.v).v;
    for (const [f, x] of fields) v = set(v, f, x);
    this.setField(p, k, parent, get(set(v, ptr, to), parent), stored);
  }

  /** The whole value, wire form. */
  setValue(p: Place, k: J, v: J, stored: { ver: string; v: J } | undefined): void {
    const id = itemId(p, k);
    const have = this.items.get(id);
    if (have?.op === 'insert') return this.put(id, { ...have, v }, 'Edit');
    if (!have && !stored) return;
    const was = have ? have.was : stored!.v;
    const base = have ? have.base : stored!.ver;
    this.put(id, normal({ ...p, k, op: 'put', base, was, fields: new Map(), v }), 'Edit value');
  }

  insert(p: Place, k: J, v: J): void {
    const id = itemId(p, k);
    const have = this.items.get(id);
    if (have?.op === 'delete') return this.put(id, normal({ ...have, op: 'put', v }), 'Add item');
    if (have) return this.setValue(p, k, v, undefined);
    this.put(id, { ...p, k, op: 'insert', base: null, was: undefined, fields: new Map(), v }, 'Add item');
  }

  remove(p: Place, k: J, stored: { ver: string; v: J } | undefined): void {
    const id = itemId(p, k);
    const have = this.items.get(id);
    if (have?.op === 'insert') return this.put(id, undefined, 'Delete item');
    if (!have && !stored) return;
    const was = have ? have.was : stored!.v;
    const base = have ? have.base : stored!.ver;
    this.put(id, { ...p, k, op: 'delete', base, was, fields: new Map() }, 'Delete item');
  }

  /** Drop the edit of an item, or of one of its fields. */
  drop(id: string, ptr?: string): void {
    const have = this.items.get(id);
    if (!have) return;
    if (ptr === undefined || have.op !== 'patch') return this.put(id, undefined, 'Drop change');
    const fields = new Map(have.fields);
    fields.delete(ptr);
    this.put(id, normal({ ...have, fields }), 'Drop change');
  }

  /** Put a staged state in place, as the conflict view and Undo-a-commit do. */
  replace(id: string, to: Staged | undefined): void {
    this.put(id, to && normal(to), 'Resolve');
  }

  undo(): Step | undefined {
    const step = this.done.pop();
    if (!step) return undefined;
    for (const c of step.changes) this.apply(c.id, c.before);
    this.undone.push(step);
    this.onChange();
    return step;
  }

  redo(): Step | undefined {
    const step = this.undone.pop();
    if (!step) return undefined;
    for (const c of step.changes) this.apply(c.id, c.after);
    this.done.push(step);
    this.onChange();
    return step;
  }

  discard(keep: (s: Staged) => boolean = () => false): void {
    this.group('Discard', () => {
      for (const [id, s] of [...this.items]) if (!keep(s)) this.put(id, undefined, 'Discard');
    });
  }

  /** After a commit: these are stored now, and steps before can no longer be undone here. */
  committed(ids: Iterable<string>): void {
    for (const id of ids) this.items.delete(id);
    this.done = [];
    this.undone = [];
    this.onChange();
  }

  /** Edits restored from the browser's store. */
  load(items: Iterable<[string, Staged]>): void {
    for (const [id, s] of items) this.items.set(id, s);
    this.onChange();
  }

  counts(): { changes: number; items: number; stores: number; databases: number } {
    let changes = 0;
    const stores = new Set<string>();
    const databases = new Set<string>();
    for (const s of this.items.values()) {
      changes += s.op === 'patch' ? s.fields.size : 1;
      stores.add(placeId(s));
      databases.add(JSON.stringify([s.registry, s.database]));
    }
    return { changes, items: this.items.size, stores: stores.size, databases: databases.size };
  }
}
