// SPDX-License-Identifier: MIT
// From staged edits to commits: one transaction for each database, conflicts, and the undo of a commit.
import { ApiError, type Commit } from '../lib/api';
import { isObj, type J, type Obj } from '../lib/json';
import { rebase, toOp, type Conflict, type Side } from '../lib/merge';
import { itemId, type Place, type Staged } from '../lib/staged';
import type { App } from './state.svelte';

export interface Clash {
  id: string;
  mine: Staged;
  conflict: Conflict;
}

const randomId = (): string => [...crypto.getRandomValues(new Uint8Array(16))].map((b) => b.toString(16).padStart(2, '0')).join('');
const databaseOf = (p: Place): string => JSON.stringify([p.registry, p.database]);
const plural = (n: number): string => `${n.toLocaleString('en')} ${n === 1 ? 'item' : 'items'}`;

export class Committer {
  /** Ids of commits made here: their echo in the live events is not "elsewhere". */
  readonly mine = new Set<string>();
  /** An attempt that is repeated keeps its id, so that it is never applied twice. */
  private attempt: { rev: number; ids: Map<string, string> } = { rev: -1, ids: new Map() };
  private undoes: { of: string; commit: string } | null = null;

  constructor(private readonly app: App) {}

  async commit(): Promise<void> {
    const { app } = this;
    if (app.busy || app.staged.items.size === 0) return;
    app.busy = true;
    const groups = new Map<string, [string, Staged][]>();
    for (const entry of app.staged.items) {
      const of = databaseOf(entry[1]);
      groups.set(of, [...(groups.get(of) ?? []), entry]);
    }
    try {
      for (const [of, entries] of groups) if (!(await this.one(of, entries))) break;
    } finally {
      app.busy = false;
    }
  }

  private async one(of: string, entries: [string, Staged][]): Promise<boolean> {
    const { app } = this;
    const [r, d] = JSON.parse(of) as [string, string];
    if (this.attempt.rev !== app.rev) this.attempt = { rev: app.rev, ids: new Map() };
    const id = this.attempt.ids.get(of) ?? randomId();
    this.attempt.ids.set(of, id);
    this.mine.add(id);
    const undoes = this.undoes?.of === of ? this.undoes.commit : undefined;
    try {
      const c = await app.api.commit(r, d, id, app.message, entries.map(([, s]) => toOp(s)), undoes);
      this.mine.add(c.id);
      app.staged.committed(entries.map(([i]) => i));
      this.undoes = null;
      app.message = '';
      if (app.panel === 'review' || app.panel === 'conflicts') app.panel = 'none';
      app.grid?.reload();
      app.toast(`${plural(entries.length)} committed`, 'good', { label: 'Undo', run: () => void this.undo(r, d, c) });
      return true;
    } catch (e) {
      this.failed(e, r, entries);
      return false;
    }
  }

  private failed(e: unknown, r: string, entries: [string, Staged][]): void {
    const { app } = this;
    if (e instanceof ApiError && e.status === 409 && e.conflicts.length) {
      app.clashes = e.conflicts.map((conflict) => ({ conflict, id: entries[conflict.op]![0], mine: entries[conflict.op]![1] }));
      app.panel = 'conflicts';
    } else if (e instanceof ApiError && e.code === 'not_armed') {
      const label = app.registries.find((x) => x.id === r)?.label ?? r;
      app.toast(`${label} is protected: arm it before you write`, 'bad', { label: 'Arm for 15 minutes', run: () => void app.arm(true).then(() => this.commit()) });
    } else if (e instanceof ApiError && e.problems.length) {
      app.problems = e.problems.map((p) => ({ id: p.op === undefined ? '' : (entries[p.op]?.[0] ?? ''), message: p.message }));
      app.panel = 'review';
    } else if (e instanceof TypeError) app.toast('The server cannot be reached. Your changes are kept; commit again when it is back', 'bad');
    else app.error(e);
  }

  async resolve(choices: Map<string, Map<string, Side>>): Promise<void> {
    const { app } = this;
    app.staged.group('Resolve', () => {
      for (const c of app.clashes) app.staged.replace(c.id, rebase(c.mine, c.conflict, (ptr) => choices.get(c.id)?.get(ptr) ?? 'mine'));
    });
    app.clashes = [];
    app.panel = 'none';
    app.grid?.reload();
    await this.commit();
  }

  /** Stage the inverse of a commit; committing it is a new transaction that is checked like any other. */
  async undo(r: string, d: string, c: Commit): Promise<void> {
    const { app } = this;
    try {
      const ops = (await app.api.inverse(r, d, c.id)).filter(isObj);
      const edits = await Promise.all(ops.map((o) => this.inverted(r, d, o)));
      app.staged.group(`Undo of “${c.message || c.id.slice(0, 8)}”`, () => edits.forEach(([id, s]) => app.staged.replace(id, s)));
      app.message = `Undo: ${c.message || c.id.slice(0, 8)}`;
      this.undoes = { of: databaseOf({ registry: r, database: d, store: '' }), commit: c.id };
      app.panel = 'review';
    } catch (e) {
      app.error(e);
    }
  }

  private async inverted(registry: string, database: string, o: Obj): Promise<[string, Staged]> {
    const place = { registry, database, store: String(o.get('store')) };
    const k = o.get('k') as J;
    const base = o.get('base');
    const now = await this.app.api.item(registry, database, place.store, k).catch(() => undefined);
    const s: Staged = { ...place, k, op: o.get('op') as Staged['op'], base: typeof base === 'string' ? base : null, was: now?.v, fields: new Map() };
    const v = o.get('v');
    if (v !== undefined) s.v = v;
    return [itemId(place, k), s];
  }
}
