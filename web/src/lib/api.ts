// SPDX-License-Identifier: MIT
// Client of the REST API v1 (docs/rest/openapi.yaml). All bodies go through the lossless JSON reader.
import { format, isObj, Num, obj, parse, type J, type Obj } from './json';
import type { Condition } from './filter';
import { conditionsToWire } from './filter';
import type { Conflict } from './merge';
import { keyToken } from './value';

export interface Registry {
  id: string;
  label: string;
  kind: string;
  color: string;
  write: 'yes' | 'arm' | 'no';
  armed: boolean;
  health: string;
  message?: string;
}
export interface Database {
  name: string;
  url: string;
  mode: string;
  description?: string;
  stores: number;
  tip?: number;
  health: string;
  message?: string;
  read_only: boolean;
}
export interface KeyPart {
  name: string;
  type: string;
  descending?: boolean;
}
export interface KeySpec {
  form?: string;
  name?: string;
  parts?: KeyPart[];
}
export interface Store {
  name: string;
  kind: string;
  description?: string;
  count: number;
  bytes: number;
  depth?: number;
  key: KeySpec;
  allow_duplicates: boolean;
  inline_value_max?: number;
  system?: boolean;
  locks?: { field: string; reason: string }[];
}
export interface StoreSpec {
  name: string;
  description?: string;
  key?: KeySpec;
  allow_duplicates?: boolean;
  inline_value_max?: number;
  kind?: string;
}
export interface Job {
  id: string;
  kind: string;
  state: 'running' | 'done' | 'cancelled' | 'failed';
  done: number;
  total: number;
  error?: string;
}
export interface Change {
  store: string;
  k: J;
  before: J | undefined;
  after: J | undefined;
}
export interface Item {
  k: J;
  v: J;
  ver: string;
  size: number;
  cut?: boolean;
}
export interface Page {
  items: Item[];
  next: string | null;
  rank: number | null;
  count: number | null;
  found?: boolean;
  scanned?: number;
  snapshot: number;
}
export interface ShapeField {
  name: string;
  count: number;
  types: Record<string, number>;
  examples?: string[];
}
export interface Shape {
  sampled: number;
  fields: ShapeField[];
  values: Record<string, number>;
}
export interface Commit {
  id: string;
  seq: number;
  time: number;
  author: string;
  message: string;
  items: number;
  stores: string[];
  undoes?: string;
  undone_by?: string;
}

export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly conflicts: Conflict[] = [],
    readonly problems: { op?: number; path?: string; message: string }[] = [],
  ) {
    super(message);
  }
}

/** Plain data for structure whose numbers fit: everything but stored keys and values. */
export function plain(v: J | undefined): unknown {
  if (v instanceof Num) return Number(v.text);
  if (Array.isArray(v)) return v.map(plain);
  if (isObj(v)) return Object.fromEntries([...v].map(([k, x]) => [k, plain(x)]));
  return v;
}

function item(v: J): Item {
  const o = v as Obj;
  return { k: o.get('k') ?? null, v: o.get('v') ?? null, ver: String(o.get('ver')), size: Number(o.get('size') ?? 0), cut: o.get('cut') === true };
}

function conflict(v: J): Conflict {
  const o = v as Obj;
  const ver = o.get('theirs_ver');
  const by = plain(o.get('by')) as Conflict['by'];
  return {
    op: Number(o.get('op')),
    store: String(o.get('store')),
    k: o.get('k') ?? null,
    kind: o.get('kind') as Conflict['kind'],
    paths: (plain(o.get('paths')) as string[] | undefined) ?? [],
    theirs: o.get('theirs'),
    theirsVer: typeof ver === 'string' ? ver : null,
    ...(by ? { by } : {}),
  };
}

const enc = encodeURIComponent;

/** Plain data (objects, arrays, texts, whole numbers) as the reader's JSON, to be sent. */
export function wire(v: unknown): J {
  if (typeof v === 'number') return new Num(String(v));
  if (Array.isArray(v)) return v.map(wire);
  if (v !== null && typeof v === 'object') return obj(Object.fromEntries(Object.entries(v).map(([k, x]) => [k, x === undefined ? undefined : wire(x)])));
  return v as J;
}

export class Api {
  constructor(
    private readonly base = '/api/v1',
    private readonly send: typeof fetch = (...a) => fetch(...a),
  ) {}

  async call(method: string, path: string, body?: J, signal?: AbortSignal, keep = 0): Promise<J> {
    const headers: Record<string, string> = { Accept: 'application/json' };
    if (method !== 'GET') headers['X-SOP-Request'] = '1';
    if (body !== undefined) headers['Content-Type'] = 'application/json';
    const init: RequestInit = { method, headers, credentials: 'same-origin' };
    if (body !== undefined) init.body = format(body);
    if (signal) init.signal = signal;
    const response = await this.send(this.base + path, init);
    const text = await response.text();
    const answer = text === '' ? null : this.read(text, response.status, keep);
    if (response.ok) return answer;
    throw this.error(response.status, answer);
  }

  private read(text: string, status: number, keep: number): J {
    try {
      return parse(text, keep);
    } catch {
      throw new ApiError(status, 'internal', `the server answered ${status} with something that is not JSON`);
    }
  }

  private error(status: number, answer: J): ApiError {
    const o = isObj(answer) ? answer : (new Map() as Obj);
    const e = plain(o.get('error')) as { code?: string; message?: string } | undefined;
    const list = o.get('conflicts');
    return new ApiError(
      status,
      e?.code ?? 'internal',
      e?.message ?? `the server answered ${status}`,
      Array.isArray(list) ? list.map(conflict) : [],
      (plain(o.get('problems')) as ApiError['problems'] | undefined) ?? [],
    );
  }

  private async list<T>(path: string, member: string): Promise<T[]> {
    return plain(((await this.call('GET', path)) as Obj).get(member)) as T[];
  }

  openSession(token: string): Promise<J> {
    return this.call('POST', '/session', obj({ token }));
  }
  async session(): Promise<{ user: string; role: string; read_only: boolean }> {
    return plain(await this.call('GET', '/session')) as { user: string; role: string; read_only: boolean };
  }
  registries(): Promise<Registry[]> {
    return this.list('/registries', 'registries');
  }
  async arm(r: string, armed: boolean): Promise<Registry> {
    return plain(await this.call('PATCH', `/registries/${enc(r)}`, obj({ armed }))) as Registry;
  }
  databases(r: string): Promise<Database[]> {
    return this.list(`/r/${enc(r)}/databases`, 'databases');
  }
  async addDatabase(r: string, name: string, url: string, mode: 'create' | 'open'): Promise<Database> {
    return plain(await this.call('POST', `/r/${enc(r)}/databases`, wire({ name, url, mode }))) as Database;
  }
  async changeDatabase(r: string, d: string, change: { name?: string; description?: string }): Promise<Database> {
    return plain(await this.call('PATCH', this.db(r, d), wire(change))) as Database;
  }
  dropDatabase(r: string, d: string, confirm: string, purge: boolean): Promise<J> {
    return this.call('DELETE', `${this.db(r, d)}?purge=${purge}`, wire({ confirm }));
  }
  async stats(r: string, d: string): Promise<Record<string, number>> {
    return plain(await this.call('GET', `${this.db(r, d)}/stats`)) as Record<string, number>;
  }
  stores(r: string, d: string): Promise<Store[]> {
    return this.list(`${this.db(r, d)}/stores`, 'stores');
  }
  async addStore(r: string, d: string, spec: StoreSpec): Promise<Store> {
    return plain(await this.call('POST', `${this.db(r, d)}/stores`, wire(spec))) as Store;
  }
  validateStore(r: string, d: string, spec: StoreSpec): Promise<J> {
    return this.call('POST', `${this.db(r, d)}/stores:validate`, wire(spec));
  }
  async changeStore(r: string, d: string, s: string, change: Partial<StoreSpec>): Promise<Store> {
    return plain(await this.call('PATCH', this.st(r, d, s), wire(change))) as Store;
  }
  dropStore(r: string, d: string, s: string, confirm: string): Promise<J> {
    return this.call('DELETE', this.st(r, d, s), wire({ confirm }));
  }
  async shape(r: string, d: string, s: string): Promise<Shape> {
    return plain(await this.call('GET', `${this.st(r, d, s)}/shape`)) as Shape;
  }

  db(r: string, d: string): string {
    return `/r/${enc(r)}/d/${enc(d)}`;
  }
  st(r: string, d: string, s: string): string {
    return `${this.db(r, d)}/stores/${enc(s)}`;
  }
  eventsUrl(r: string, d: string): string {
    return `${this.base}${this.db(r, d)}/events`;
  }

  async items(r: string, d: string, s: string, q: { rank?: number; key?: J; after?: string; limit?: number; where?: readonly Condition[]; fields?: string; valueMax?: number }, signal?: AbortSignal): Promise<Page> {
    const p = new URLSearchParams();
    if (q.rank !== undefined) p.set('rank', String(q.rank));
    if (q.key !== undefined) p.set('key', keyToken(q.key));
    if (q.after !== undefined) p.set('after', q.after);
    if (q.limit !== undefined) p.set('limit', String(q.limit));
    if (q.fields !== undefined) p.set('fields', q.fields);
    if (q.valueMax !== undefined) p.set('value_max', String(q.valueMax));
    if (q.where?.length) p.set('where', conditionsToWire(q.where));
    const o = (await this.call('GET', `${this.st(r, d, s)}/items?${p}`, undefined, signal)) as Obj;
    const items = o.get('items');
    const rest = plain(new Map([...o].filter(([k]) => k !== 'items'))) as Omit<Page, 'items'>;
    return { ...rest, items: Array.isArray(items) ? items.map(item) : [] };
  }

  async item(r: string, d: string, s: string, k: J): Promise<Item> {
    return item(await this.call('GET', `${this.st(r, d, s)}/items/${keyToken(k)}`));
  }

  /** One transaction. Throws ApiError 409 with conflicts, 422 with problems. */
  async commit(r: string, d: string, id: string, message: string, ops: J[], undoes?: string): Promise<Commit> {
    const body = obj({ id, message, merge: 'fields', undoes, ops });
    const o = (await this.call('POST', `${this.db(r, d)}/commits`, body)) as Obj;
    return plain(o.get('commit')) as Commit;
  }

  commits(r: string, d: string): Promise<Commit[]> {
    return this.list(`${this.db(r, d)}/commits`, 'commits');
  }
  async inverse(r: string, d: string, c: string): Promise<J[]> {
    return ((await this.call('POST', `${this.db(r, d)}/commits/${enc(c)}:inverse`, undefined, undefined, 4)) as Obj).get('ops') as J[];
  }

  /** A commit with every item before and after it. */
  async changes(r: string, d: string, c: string): Promise<Change[]> {
    const list = ((await this.call('GET', `${this.db(r, d)}/commits/${enc(c)}`)) as Obj).get('changes');
    return (Array.isArray(list) ? list : []).filter(isObj).map((o) => ({ store: String(o.get('store')), k: o.get('k') ?? null, before: o.get('before'), after: o.get('after') }));
  }

  async startJob(r: string, d: string, job: { kind: string; store: string; url?: string }): Promise<Job> {
    return plain(await this.call('POST', `${this.db(r, d)}/jobs`, wire(job))) as Job;
  }
  async job(r: string, d: string, id: string): Promise<Job> {
    return plain(await this.call('GET', `${this.db(r, d)}/jobs/${enc(id)}`)) as Job;
  }
  cancelJob(r: string, d: string, id: string): Promise<J> {
    return this.call('DELETE', `${this.db(r, d)}/jobs/${enc(id)}`);
  }
}
