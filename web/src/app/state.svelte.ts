// SPDX-License-Identifier: MIT
// The state of the page: environments, databases, tabs, staged edits, messages; the address is kept equal to it.
import { restored } from '../grid/columns';
import type { Column, Pos } from '../grid/types';
import { Api, ApiError, type Commit, type Database, type Item, type Registry, type Shape, type Store } from '../lib/api';
import { conditionText, parseCondition, type Condition } from '../lib/filter';
import { isObj, type J, type Obj } from '../lib/json';
import { rebase, toOp, type Conflict, type Side } from '../lib/merge';
import { keepStaged, keptStaged } from '../lib/persist';
import { itemId, StagedEdits, type Place, type Staged } from '../lib/staged';

export interface Tab extends Place {
  id: string;
  info: Store;
  shape: Shape | null;
  filters: Condition[];
  pos: Pos;
}
export interface Node {
  db: Database;
  open: boolean;
  stores: Store[] | null;
}
export interface Toast {
  id: number;
  text: string;
  kind: 'info' | 'good' | 'bad';
  action?: { label: string; run: () => void };
}
export interface Clash {
  id: string;
  mine: Staged;
  conflict: Conflict;
}
export type Panel = 'none' | 'palette' | 'help' | 'review' | 'conflicts' | 'find' | 'columns' | 'add' | 'history' | 'code' | 'database' | 'store';
/** What the shown grid offers to panels and commands. */
export interface GridDoor {
  goto(text: string): void;
  focus(): void;
  columns(): Column[];
  setColumns(c: Column[]): void;
  reload(): void;
  pulse(ids: Set<string>): void;
  deleteRows(): void;
}

const tabKey = (): string => {
  const have = sessionStorage.getItem('sop-tab');
  if (have) return have;
  const made = crypto.getRandomValues(new Uint32Array(3)).join('-');
  sessionStorage.setItem('sop-tab', made);
  return made;
};
const idOf = (p: Place): string => JSON.stringify([p.registry, p.database, p.store]);
const randomId = (): string => [...crypto.getRandomValues(new Uint8Array(16))].map((b) => b.toString(16).padStart(2, '0')).join('');

class App {
  readonly api = new Api();
  ready = $state(false);
  failed = $state('');
  online = $state(true);
  user = $state({ user: '', role: 'viewer', read_only: false });
  registries = $state.raw<Registry[]>([]);
  registry = $state('');
  nodes = $state.raw<Node[]>([]);
  tabs = $state.raw<Tab[]>([]);
  active = $state('');
  panel = $state<Panel>('none');
  nav = $state(innerWidth >= 900);
  inspector = $state(innerWidth >= 1100);
  theme = $state(localStorage.getItem('sop-theme') ?? 'auto');
  current = $state.raw<{ item: Item; row: number; col: string } | null>(null);
  status = $state('');
  view = $state('');
  snapshot = $state(0);
  elsewhere = $state(0);
  toasts = $state.raw<Toast[]>([]);
  clashes = $state.raw<Clash[]>([]);
  busy = $state(false);
  message = $state('');
  rev = $state(0);
  grid: GridDoor | null = null;
  readonly staged = new StagedEdits(() => this.changed());
  private events: EventSource | null = null;
  private eventsOf = '';
  private attempt: { rev: number; ids: Map<string, string> } = { rev: -1, ids: new Map() };
  private mineSeqs = new Set<number>();
  private keeping: ReturnType<typeof setTimeout> | undefined;

  get tab(): Tab | undefined {
    return this.tabs.find((t) => t.id === this.active);
  }
  get reg(): Registry | undefined {
    return this.registries.find((r) => r.id === this.registry);
  }
  get dark(): boolean {
    return this.theme === 'dark' || (this.theme === 'auto' && matchMedia('(prefers-color-scheme: dark)').matches);
  }

  // ---- start ------------------------------------------------------------------------------------------------

  async boot(): Promise<void> {
    this.applyTheme();
    const token = new URLSearchParams(location.hash.slice(1)).get('token');
    if (token) {
      history.replaceState(null, '', location.pathname + location.search);
      await this.api.openSession(token);
    }
    this.user = await this.api.session();
    this.registries = await this.api.registries();
    const kept = await keptStaged(tabKey()).catch(() => []);
    if (kept.length) {
      this.staged.load(kept);
      this.toast(`${kept.length} staged ${kept.length === 1 ? 'item was' : 'items were'} restored`, 'info');
    }
    await this.fromUrl();
    addEventListener('popstate', () => void this.fromUrl().catch((e: unknown) => this.error(e)));
    this.ready = true;
  }

  fail(e: unknown): void {
    this.failed = e instanceof ApiError && e.status === 401 ? 'This address needs a session. Open the address that “sop serve” printed.' : e instanceof Error ? e.message : String(e);
  }

  private async fromUrl(): Promise<void> {
    const m = /^\/r\/([^/]+)(?:\/d\/([^/]+)(?:\/s\/([^/]+))?)?/.exec(location.pathname);
    const [r, d, s] = (m?.slice(1) ?? []).map((x) => (x === undefined ? undefined : decodeURIComponent(x)));
    const q = new URLSearchParams(location.search);
    const known = this.registries.find((x) => x.id === r) ?? this.registries[0];
    if (!known) return;
    await this.loadRegistry(known.id);
    const node = this.nodes.find((n) => n.db.name === d) ?? this.nodes[0];
    if (!node) return;
    const stores = await this.expand(node.db.name);
    const store = stores.find((x) => x.name === s) ?? stores.find((x) => !x.system);
    if (!store) return;
    const row = /^#?(\d+)$/.exec(q.get('at') ?? '');
    const filters = q.getAll('q').map(parseCondition).filter((c): c is Condition => c !== null);
    await this.openStore(node.db.name, store.name, { pos: { row: row ? Number(row[1]) - 1 : 0, col: 0 }, filters });
  }

  /** Keep the address equal to what is shown. */
  syncUrl(): void {
    const t = this.tab;
    let url = `/r/${encodeURIComponent(this.registry)}`;
    if (t && t.registry === this.registry) {
      url += `/d/${encodeURIComponent(t.database)}/s/${encodeURIComponent(t.store)}`;
      const q = new URLSearchParams();
      if (t.pos.row > 0) q.set('at', String(t.pos.row + 1));
      for (const f of t.filters) q.append('q', conditionText(f).replace(/^“(.*)”$/s, '$1'));
      if (q.size) url += `?${q}`;
    }
    if (url === location.pathname + location.search) return;
    const same = url.split('?')[0] === location.pathname;
    history[same ? 'replaceState' : 'pushState'](null, '', url);
  }

  // ---- environments, databases, stores ----------------------------------------------------------------------

  async loadRegistry(id: string): Promise<void> {
    if (this.registry === id && this.nodes.length) return;
    this.registry = id;
    this.nodes = (await this.api.databases(id)).map((db) => ({ db, open: false, stores: null }));
  }

  async switchRegistry(id: string): Promise<void> {
    const was = this.tab;
    await this.loadRegistry(id);
    const there = this.nodes.find((n) => n.db.name === was?.database) ?? this.nodes[0];
    if (!there) return void (this.active = '');
    const stores = await this.expand(there.db.name);
    const store = stores.find((s) => s.name === was?.store) ?? stores[0];
    if (store) await this.openStore(there.db.name, store.name, was && store.name === was.store ? { pos: was.pos } : {});
  }

  async expand(db: string, again = false): Promise<Store[]> {
    const node = this.nodes.find((n) => n.db.name === db);
    if (!node) return [];
    const stores = node.stores && !again ? node.stores : await this.api.stores(this.registry, db);
    this.nodes = this.nodes.map((n) => (n.db.name === db ? { ...n, open: true, stores } : n));
    return stores;
  }

  fold(db: string): void {
    this.nodes = this.nodes.map((n) => (n.db.name === db ? { ...n, open: false } : n));
  }

  async openStore(database: string, store: string, start: Partial<Pick<Tab, 'pos' | 'filters'>> = {}): Promise<void> {
    const place = { registry: this.registry, database, store };
    const id = idOf(place);
    const stores = await this.expand(database);
    const info = stores.find((s) => s.name === store);
    if (!info) return;
    if (!this.tabs.some((t) => t.id === id)) {
      const shape = await this.api.shape(place.registry, database, store).catch(() => null);
      this.tabs = [...this.tabs, { ...place, id, info, shape, filters: start.filters ?? [], pos: start.pos ?? { row: 0, col: 0 } }];
    }
    this.show(id);
  }

  show(id: string): void {
    this.active = id;
    const t = this.tab;
    if (innerWidth < 900) this.nav = false;
    this.syncUrl();
    if (t) this.listen(t);
    document.title = t ? `${t.store} · ${t.database} · SOP` : 'SOP Data Manager';
  }

  patchTab(id: string, change: Partial<Tab>): void {
    this.tabs = this.tabs.map((t) => (t.id === id ? { ...t, ...change } : t));
  }

  closeTab(id: string): void {
    const at = this.tabs.findIndex((t) => t.id === id);
    this.tabs = this.tabs.filter((t) => t.id !== id);
    if (this.active === id) {
      const next = this.tabs[Math.min(at, this.tabs.length - 1)];
      if (next) this.show(next.id);
      else this.active = '';
    }
  }

  setCount(t: Tab, count: number): void {
    this.patchTab(t.id, { info: { ...t.info, count } });
    this.nodes = this.nodes.map((n) =>
      n.db.name === t.database && n.stores ? { ...n, stores: n.stores.map((s) => (s.name === t.store ? { ...s, count } : s)) } : n,
    );
  }

  // ---- live -------------------------------------------------------------------------------------------------

  private listen(t: Tab): void {
    const of = JSON.stringify([t.registry, t.database]);
    if (this.eventsOf === of) return;
    this.events?.close();
    this.eventsOf = of;
    const es = new EventSource(this.api.eventsUrl(t.registry, t.database));
    this.events = es;
    es.onopen = () => (this.online = true);
    es.onerror = () => (this.online = false);
    es.addEventListener('reset', () => this.grid?.reload());
    es.addEventListener('commit', (e) => this.onCommit(t, JSON.parse((e as MessageEvent<string>).data) as LiveCommit));
  }

  private onCommit(t: Tab, c: LiveCommit): void {
    this.snapshot = c.seq;
    if (!this.mineSeqs.delete(c.seq)) this.elsewhere += c.stores.reduce((n, s) => n + s.items.length, 0);
    for (const s of c.stores) {
      const tab = this.tabs.find((x) => x.registry === t.registry && x.database === t.database && x.store === s.store);
      if (!tab) continue;
      if (tab.info.count !== s.count) this.setCount(tab, s.count);
      if (tab.id === this.active) {
        this.grid?.pulse(new Set(s.items.map((i) => JSON.stringify(i.k))));
        this.grid?.reload();
      }
    }
  }

  // ---- staged edits and commits -----------------------------------------------------------------------------

  private changed(): void {
    this.rev++;
    clearTimeout(this.keeping);
    this.keeping = setTimeout(() => void keepStaged(tabKey(), this.staged.items).catch(() => {}), 150);
  }

  async commit(): Promise<void> {
    if (this.busy || this.staged.items.size === 0) return;
    this.busy = true;
    const groups = group([...this.staged.items], ([, s]) => JSON.stringify([s.registry, s.database]));
    try {
      for (const [of, entries] of groups) await this.commitOne(of, entries);
    } finally {
      this.busy = false;
    }
  }

  private async commitOne(of: string, entries: [string, Staged][]): Promise<void> {
    const [r, d] = JSON.parse(of) as [string, string];
    if (this.attempt.rev !== this.rev) this.attempt = { rev: this.rev, ids: new Map() };
    const id = this.attempt.ids.get(of) ?? randomId();
    this.attempt.ids.set(of, id);
    try {
      const c = await this.api.commit(r, d, id, this.message, entries.map(([, s]) => toOp(s)));
      this.mineSeqs.add(c.seq);
      this.staged.committed(entries.map(([i]) => i));
      this.message = '';
      if (this.panel === 'review' || this.panel === 'conflicts') this.panel = 'none';
      this.grid?.reload();
      this.toast(`${entries.length} ${entries.length === 1 ? 'item' : 'items'} committed`, 'good', { label: 'Undo', run: () => void this.undoCommit(r, d, c) });
    } catch (e) {
      if (e instanceof ApiError && e.status === 409 && e.conflicts.length) {
        this.clashes = e.conflicts.map((conflict) => ({ conflict, id: entries[conflict.op]![0], mine: entries[conflict.op]![1] }));
        this.panel = 'conflicts';
      } else if (e instanceof ApiError && e.code === 'not_armed') {
        this.toast(`${r} is protected: arm it before the first commit`, 'bad', { label: 'Arm for 15 minutes', run: () => void this.arm(true).then(() => this.commit()) });
      } else this.error(e);
    }
  }

  async resolve(choices: Map<string, Map<string, Side>>): Promise<void> {
    this.staged.group('Resolve', () => {
      for (const c of this.clashes) this.staged.replace(c.id, rebase(c.mine, c.conflict, (ptr) => choices.get(c.id)?.get(ptr) ?? 'mine'));
    });
    this.clashes = [];
    this.panel = 'none';
    this.grid?.reload();
    await this.commit();
  }

  /** Stage the inverse of a commit; committing it is a new transaction that is checked like any other. */
  async undoCommit(r: string, d: string, c: Commit): Promise<void> {
    try {
      const ops = (await this.api.inverse(r, d, c.id)).filter(isObj);
      const edits = await Promise.all(ops.map((o) => this.inverted(r, d, o)));
      this.staged.group(`Undo of “${c.message || c.id.slice(0, 8)}”`, () => edits.forEach(([id, s]) => this.staged.replace(id, s)));
      this.message = `Undo: ${c.message || c.id.slice(0, 8)}`;
      this.panel = 'review';
    } catch (e) {
      this.error(e);
    }
  }

  private async inverted(registry: string, database: string, o: Obj): Promise<[string, Staged]> {
    const place = { registry, database, store: String(o.get('store')) };
    const k = o.get('k') as J;
    const base = o.get('base');
    const now = await this.api.item(registry, database, place.store, k).catch(() => undefined);
    const s: Staged = { ...place, k, op: o.get('op') as Staged['op'], base: typeof base === 'string' ? base : null, was: now?.v, fields: new Map() };
    const v = o.get('v');
    if (v !== undefined) s.v = v;
    return [itemId(place, k), s];
  }

  async arm(armed: boolean): Promise<void> {
    try {
      const r = await this.api.arm(this.registry, armed);
      this.registries = this.registries.map((x) => (x.id === r.id ? r : x));
    } catch (e) {
      this.error(e);
    }
  }

  // ---- small things -----------------------------------------------------------------------------------------

  columnsKey(t: Place): string {
    return `sop-columns:${idOf(t)}`;
  }

  savedColumns(t: Tab, columns: Column[]): Column[] {
    try {
      return restored(columns, JSON.parse(localStorage.getItem(this.columnsKey(t)) ?? '[]') as Partial<Column>[]);
    } catch {
      return columns;
    }
  }

  error(e: unknown): void {
    if (e instanceof DOMException && e.name === 'AbortError') return;
    this.toast(e instanceof Error ? e.message : String(e), 'bad');
  }

  toast(text: string, kind: Toast['kind'], action?: Toast['action']): void {
    const id = Math.random();
    this.toasts = [...this.toasts.slice(-2), action ? { id, text, kind, action } : { id, text, kind }];
    setTimeout(() => this.dismiss(id), action ? 12_000 : 6_000);
  }

  dismiss(id: number): void {
    this.toasts = this.toasts.filter((t) => t.id !== id);
  }

  toggleTheme(): void {
    this.theme = this.dark ? 'light' : 'dark';
    localStorage.setItem('sop-theme', this.theme);
    this.applyTheme();
  }

  private applyTheme(): void {
    document.documentElement.dataset['theme'] = this.dark ? 'dark' : 'light';
  }

  close(): void {
    this.panel = 'none';
    this.grid?.focus();
  }
}

interface LiveCommit {
  seq: number;
  stores: { store: string; count: number; items: { k: unknown }[] }[];
}

function group<T>(list: T[], by: (x: T) => string): Map<string, T[]> {
  const out = new Map<string, T[]>();
  for (const x of list) {
    const have = out.get(by(x));
    if (have) have.push(x);
    else out.set(by(x), [x]);
  }
  return out;
}

export const app = new App();
