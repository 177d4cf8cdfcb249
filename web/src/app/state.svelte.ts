// SPDX-License-Identifier: MIT
// The state of the page: environments, databases, tabs, staged edits, messages; the address is kept equal to it.
import { restored } from '../grid/columns';
import type { Column, Pos } from '../grid/types';
import { formatAddress, parseAddress, type Order } from '../lib/address';
import { Api, ApiError, type Database, type Item, type Registry, type Shape, type Store } from '../lib/api';
import type { Condition } from '../lib/filter';
import { keepStaged, keptStaged, stagedFromText, stagedToText } from '../lib/persist';
import { StagedEdits, type Place } from '../lib/staged';
import { Committer, type Clash } from './commits';
import { Live, type LiveCommit } from './live';

export interface Tab extends Place {
  id: string;
  info: Store;
  shape: Shape | null;
  filters: Condition[];
  pos: Pos;
  order: Order;
  /** Rows of a page; 0 when the store is scrolled as a whole. */
  pageSize: number;
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
export type Panel =
  | 'none' | 'palette' | 'help' | 'review' | 'conflicts' | 'find' | 'columns' | 'add' | 'history' | 'code' | 'database' | 'store' | 'drop' | 'profile' | 'import' | 'export' | 'health';
/** What a panel is about, when it is not the store that is shown. */
export interface Subject {
  database?: string;
  store?: string;
  column?: Column;
  file?: File;
  edit?: boolean;
}
/** What the shown grid offers to panels and commands. */
export interface GridDoor {
  goto(text: string): void;
  focus(): void;
  columns(): Column[];
  setColumns(c: Column[]): void;
  reload(): void;
  changed(ids: ReadonlySet<string>, count: number): void;
  deleteRows(): void;
}

const LAST = 'sop-last';
const LAST_MAX = 2_000_000;
const tabKey = (): string => {
  const have = sessionStorage.getItem('sop-tab');
  if (have) return have;
  const made = crypto.getRandomValues(new Uint32Array(3)).join('-');
  sessionStorage.setItem('sop-tab', made);
  return made;
};
const idOf = (p: Place): string => JSON.stringify([p.registry, p.database, p.store]);

export class App {
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
  subject = $state.raw<Subject>({});
  nav = $state(innerWidth >= 900);
  inspector = $state(innerWidth >= 1100);
  private systemDark = $state(matchMedia('(prefers-color-scheme: dark)').matches);
  theme = $state(localStorage.getItem('sop-theme') ?? 'auto');
  current = $state.raw<{ item: Item; row: number; col: string } | null>(null);
  status = $state('');
  view = $state('');
  snapshot = $state(0);
  elsewhere = $state(0);
  toasts = $state.raw<Toast[]>([]);
  clashes = $state.raw<Clash[]>([]);
  problems = $state.raw<{ id: string; message: string }[]>([]);
  busy = $state(false);
  message = $state('');
  rev = $state(0);
  /** Typed while a panel was on its way: it goes into the panel, and never into a cell. */
  typed = '';
  grid: GridDoor | null = null;
  readonly staged = new StagedEdits(() => this.changed());
  readonly commits = new Committer(this);
  private live: Live | null = null;
  private liveOf = '';
  private keeping: ReturnType<typeof setTimeout> | undefined;

  get tab(): Tab | undefined {
    return this.tabs.find((t) => t.id === this.active);
  }
  get place(): Place | undefined {
    const t = this.tab;
    return t && { registry: t.registry, database: t.database, store: t.store };
  }
  get reg(): Registry | undefined {
    return this.registries.find((r) => r.id === this.registry);
  }
  get dark(): boolean {
    return this.theme === 'dark' || (this.theme === 'auto' && this.systemDark);
  }
  /** Nothing may be written here: by role, by the server, or by the environment. */
  get readOnly(): boolean {
    return this.user.read_only || this.user.role === 'viewer' || this.reg?.write === 'no';
  }

  // ---- start ------------------------------------------------------------------------------------------------

  async boot(): Promise<void> {
    this.applyTheme();
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', (e) => {
      this.systemDark = e.matches;
      this.applyTheme();
    });
    const token = new URLSearchParams(location.hash.slice(1)).get('token');
    if (token) {
      history.replaceState(null, '', location.pathname + location.search);
      await this.api.openSession(token);
    }
    [this.user, this.registries] = await Promise.all([this.api.session(), this.api.registries()]);
    const last = sessionStorage.getItem(LAST);
    sessionStorage.removeItem(LAST);
    const kept = last ? stagedFromText(last) : await keptStaged(tabKey()).catch(() => []);
    if (kept.length) {
      this.staged.load(kept);
      this.toast(`${kept.length} staged ${kept.length === 1 ? 'item was' : 'items were'} restored`, 'info', { label: 'Discard', run: () => this.staged.discard() });
    }
    await this.fromUrl();
    addEventListener('popstate', () => void this.fromUrl().catch((e: unknown) => this.error(e)));
    this.ready = true;
  }

  fail(e: unknown): void {
    if (e instanceof ApiError && e.status === 401) this.failed = 'This address needs a session. Open the address that “sop serve” printed.';
    else if (e instanceof TypeError) this.failed = 'The server does not answer. Is “sop serve” still running?';
    else this.failed = e instanceof Error ? e.message : String(e);
  }

  private async fromUrl(): Promise<void> {
    const a = parseAddress(location.pathname, location.search);
    const known = this.registries.find((x) => x.id === a.registry) ?? this.registries.find((x) => x.health !== 'unsupported');
    if (!known) return;
    await this.loadRegistry(known.id);
    const node = this.nodes.find((n) => n.db.name === a.database) ?? this.nodes.find((n) => n.db.stores > 0) ?? this.nodes[0];
    if (!node) return void (this.active = '');
    const stores = await this.expand(node.db.name);
    const store = stores.find((x) => x.name === a.store) ?? stores.find((x) => !x.system && x.count > 0) ?? stores.find((x) => !x.system);
    if (!store) return;
    if (a.store !== undefined && store.name !== a.store) this.toast(`There is no store “${a.store}” here; this is “${store.name}”`, 'info');
    await this.openStore(node.db.name, store.name, { pos: { row: a.row, col: 0 }, filters: a.filters, order: a.order, pageSize: a.pageSize });
  }

  /** Keep the address equal to what is shown. */
  syncUrl(): void {
    const t = this.tab;
    const here = t && t.registry === this.registry ? { database: t.database, store: t.store, row: t.pos.row, order: t.order, pageSize: t.pageSize, filters: t.filters } : { row: 0, order: 'asc' as const, pageSize: 0, filters: [] };
    const url = formatAddress({ registry: this.registry, ...here });
    if (url === location.pathname + location.search) return;
    const same = url.split('?')[0] === location.pathname;
    history[same ? 'replaceState' : 'pushState'](null, '', url);
  }

  // ---- environments, databases, stores ----------------------------------------------------------------------

  async loadRegistry(id: string, again = false): Promise<void> {
    if (this.registry === id && this.nodes.length && !again) return;
    const databases = await this.api.databases(id);
    this.registry = id;
    const before = again ? this.nodes : [];
    this.nodes = databases.map((db) => {
      const was = before.find((n) => n.db.name === db.name);
      return { db, open: was?.open ?? false, stores: was?.stores ?? null };
    });
  }

  async switchRegistry(id: string): Promise<void> {
    if (id === this.registry) return;
    const was = this.tab;
    await this.loadRegistry(id);
    const there = this.nodes.find((n) => n.db.name === was?.database) ?? this.nodes[0];
    const stores = there ? await this.expand(there.db.name) : [];
    const store = stores.find((s) => s.name === was?.store) ?? stores.find((s) => !s.system);
    if (there && store) return this.openStore(there.db.name, store.name, was && store.name === was.store ? { pos: was.pos } : {});
    this.active = '';
    this.syncUrl();
  }

  async expand(db: string, again = false): Promise<Store[]> {
    const node = this.nodes.find((n) => n.db.name === db);
    if (!node) return [];
    const stores = node.stores && !again ? node.stores : (await this.api.stores(this.registry, db)).sort((a, b) => Number(a.system ?? false) - Number(b.system ?? false));
    this.nodes = this.nodes.map((n) => (n.db.name === db ? { ...n, open: true, stores, db: { ...n.db, stores: stores.filter((s) => !s.system).length } } : n));
    return stores;
  }

  fold(db: string): void {
    this.nodes = this.nodes.map((n) => (n.db.name === db ? { ...n, open: false } : n));
  }

  /** Databases or stores were made, renamed or dropped: read the lists again, and leave tabs of what is gone. */
  async relist(): Promise<void> {
    await this.loadRegistry(this.registry, true);
    for (const n of this.nodes) if (n.open) await this.expand(n.db.name, true);
    const gone = (t: Tab): boolean => t.registry === this.registry && !this.nodes.some((n) => n.db.name === t.database && (!n.stores || n.stores.some((s) => s.name === t.store)));
    this.tabs = this.tabs.filter((t) => !gone(t)).map((t) => ({ ...t, info: this.nodes.find((n) => n.db.name === t.database)?.stores?.find((s) => s.name === t.store) ?? t.info }));
    if (!this.tab) {
      const next = this.tabs.find((t) => t.registry === this.registry);
      if (next) this.show(next.id);
      else this.active = '';
    }
  }

  async openStore(database: string, store: string, start: Partial<Pick<Tab, 'pos' | 'filters' | 'order' | 'pageSize'>> = {}): Promise<void> {
    const place = { registry: this.registry, database, store };
    const id = idOf(place);
    const stores = await this.expand(database);
    const info = stores.find((s) => s.name === store);
    if (!info) return;
    if (!this.tabs.some((t) => t.id === id)) {
      const shape = await this.api.shape(place.registry, database, store).catch(() => null);
      this.tabs = [...this.tabs, { ...place, id, info, shape, filters: [], pos: { row: 0, col: 0 }, order: 'asc', pageSize: 0, ...start }];
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
    const mine = this.tabs.filter((t) => t.registry === this.registry);
    const at = mine.findIndex((t) => t.id === id);
    this.tabs = this.tabs.filter((t) => t.id !== id);
    if (this.active !== id) return;
    const next = mine[at + 1] ?? mine[at - 1];
    if (next) return this.show(next.id);
    this.active = '';
    this.current = null;
    this.syncUrl();
  }

  setCount(t: Place & { id: string }, count: number): void {
    const tab = this.tabs.find((x) => x.id === t.id);
    if (tab) this.patchTab(t.id, { info: { ...tab.info, count } });
    this.nodes = this.nodes.map((n) =>
      n.db.name === t.database && n.stores ? { ...n, stores: n.stores.map((s) => (s.name === t.store ? { ...s, count } : s)) } : n,
    );
  }

  // ---- live -------------------------------------------------------------------------------------------------

  private listen(t: Tab): void {
    const of = JSON.stringify([t.registry, t.database]);
    if (this.liveOf === of) return;
    this.live?.close();
    this.liveOf = of;
    this.elsewhere = 0;
    this.live = new Live(this.api.eventsUrl(t.registry, t.database), {
      commit: (c) => this.onCommit(t, c),
      store: () => void this.relist().catch((e: unknown) => this.error(e)),
      reset: () => this.grid?.reload(),
      online: (yes) => (this.online = yes),
    });
  }

  private onCommit(t: Tab, c: LiveCommit): void {
    this.snapshot = c.seq;
    if (c.commit === undefined || !this.commits.mine.has(c.commit)) this.elsewhere += c.stores.reduce((n, s) => n + (s.store.startsWith('sop:') ? 0 : s.ids.size), 0);
    for (const s of c.stores) {
      const tab = this.tabs.find((x) => x.registry === t.registry && x.database === t.database && x.store === s.store);
      if (!tab) continue;
      if (tab.id === this.active) this.grid?.changed(s.ids, s.count);
      else if (tab.info.count !== s.count) this.setCount(tab, s.count);
    }
  }

  // ---- staged edits -----------------------------------------------------------------------------------------

  private changed(): void {
    this.rev++;
    this.problems = [];
    clearTimeout(this.keeping);
    this.keeping = setTimeout(() => void this.keep(), 150);
  }

  private keep(): Promise<void> {
    return keepStaged(tabKey(), this.staged.items).catch(() => {});
  }

  /** The page goes away: what was staged a moment ago may not be kept yet, and only this is quick enough. */
  leave(): void {
    const text = this.staged.items.size ? stagedToText(this.staged.items) : '';
    try {
      if (text && text.length < LAST_MAX) sessionStorage.setItem(LAST, text);
    } catch {
      // There is no room: what was kept before stays.
    }
    void this.keep();
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

  open(panel: Panel, subject: Subject = {}): void {
    this.subject = subject;
    this.typed = '';
    this.panel = panel;
  }

  /** Run something that may fail, and say so if it does. */
  try(work: Promise<unknown>): void {
    work.catch((e: unknown) => this.error(e));
  }

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
    if (e instanceof TypeError && !this.online) return;
    if (e instanceof ApiError && e.status === 401) this.fail(e);
    this.toast(e instanceof TypeError && /fetch/i.test(e.message) ? 'The server cannot be reached' : e instanceof Error ? e.message : String(e), 'bad');
  }

  toast(text: string, kind: Toast['kind'], action?: Toast['action']): void {
    if (this.toasts.some((t) => t.text === text && !action)) return;
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
    this.subject = {};
    this.grid?.focus();
  }
}

export const app = new App();
