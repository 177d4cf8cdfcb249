// SPDX-License-Identifier: MIT
// A tiny in-memory implementation of the API, for looking at the page during development. Never shipped, proves nothing.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Plugin } from 'vite';
import { format, get, isObj, Num, obj, parse, same, set, type J, type Obj } from '../src/lib/json.ts';

interface Row {
  k: J;
  v: J;
}
interface Made {
  name: string;
  keyName: string;
  count: number;
  at(i: number): Row;
  find?(text: string): number;
  changed: Map<string, J | undefined>;
}

const FIRST = ['Ada', 'Grace', 'Linus', 'Radia', 'Donald', 'Barbara', 'Ken', 'Margaret', 'Edsger', 'Tony', 'Leslie', 'Dennis'];
const LAST = ['Lovelace', 'Hopper', 'Knuth', 'Perlman', 'Liskov', 'Hamilton', 'Dijkstra', 'Hoare', 'Lamport', 'Ritchie', 'Thompson'];
const LAND = ['Japan', 'Norway', 'Brazil', 'Kenya', 'France', 'India', 'Chile', 'Canada', 'Germany', 'Portugal', 'Philippines'];
const STATE = ['active', 'active', 'pending', 'closed', 'suspended'];
const hash = (i: number, salt: number): number => {
  let x = Math.imul(i + 1, 2654435761) ^ Math.imul(salt, 40503);
  x ^= x >>> 15;
  x = Math.imul(x, 2246822519);
  return (x ^ (x >>> 13)) >>> 0;
};
const pick = <T>(list: T[], i: number, salt: number): T => list[hash(i, salt) % list.length]!;

function user(i: number): Row {
  const first = pick(FIRST, i, 1);
  const last = pick(LAST, i, 2);
  const v = parse(
    JSON.stringify({
      name: `${first} ${last}`,
      email: `${first}.${last}${i}@example.org`.toLowerCase(),
      country: pick(LAND, i, 3),
      status: pick(STATE, i, 4),
      age: 18 + (hash(i, 5) % 70),
      balance: 0,
      created_at: new Date(1.6e12 + (hash(i, 7) % 1e9) * 100).toISOString().slice(0, 19) + 'Z',
      verified: hash(i, 8) % 3 > 0,
      tags: [`t${hash(i, 9) % 9}`, `t${hash(i, 10) % 9}`],
      address: { city: `City ${hash(i, 11) % 500}`, zip: String(hash(i, 12) % 100000).padStart(5, '0'), geo: { lat: 1, lon: 2 } },
      notes: hash(i, 13) % 4 ? null : '',
      ledger_id: 0,
    }),
  ) as Obj;
  v.set('balance', new Num((hash(i, 6) % 1000000 / 100).toFixed(2)));
  v.set('ledger_id', new Num(`90071992547${40993 + (i % 1000)}`));
  if (i % 7 === 0) v.delete('notes');
  return { k: obj({ $t: 'tuple', v: [new Num(String(i + 1))] }), v };
}

function store(name: string, keyName: string, count: number, at: (i: number) => Row): Made {
  return { name, keyName, count, at, changed: new Map() };
}

const orders = (i: number): Row => ({
  k: `order:${String(i).padStart(8, '0')}`,
  v: parse(`{"user":${(hash(i, 1) % 1000000) + 1},"total":${(hash(i, 2) % 50000) / 100},"items":[{"sku":"A${i % 77}","n":${i % 5}}],"state":"${pick(['paid', 'open', 'shipped'], i, 3)}"}`),
});
const raw = (i: number): Row => ({
  k: obj({ $t: 'bytes', v: Buffer.from([0, i >> 8, i & 255, 255]).toString('base64url') }),
  v: i % 2 ? obj({ $t: 'text', v: `plain text ${i}, <img src=x onerror=alert(1)>` }) : obj({ $t: 'bytes', v: Buffer.from(`\x00\xff${i}`).toString('base64url') }),
});
const SHOP = [
  store('orders', 'order', 4_200_000, orders),
  store('products', 'sku', 20, (i) => ({ k: `sku-${String(i).padStart(3, '0')}`, v: parse(`{"title":"Recieved item ${i}","price":${i}.50,"stock":${i * 3}}`) })),
  store('users', 'user_id', 1_000_000, user),
  store('users_by_age', 'age', 1_000_000, user),
];
const DATABASES: Record<string, Made[]> = { shop: SHOP, telemetry: [store('blobs', 'key', 300, raw), store('events', 'seq', 1_000_000_000, user)] };
const commits: J[] = [];
const listeners = new Set<ServerResponse>();

function rowOf(s: Made, i: number): Row | undefined {
  const row = s.at(i);
  const id = format(row.k);
  if (!s.changed.has(id)) return row;
  const v = s.changed.get(id);
  return { k: row.k, v: v ?? obj({ $t: 'text', v: '(deleted)' }) };
}
const ver = (v: J): string => {
  let a = 0xcbf29ce484222325n;
  for (const c of format(v)) a = BigInt.asUintN(64, (a ^ BigInt(c.codePointAt(0)!)) * 0x100000001b3n);
  return a.toString(16).padStart(16, '0');
};
const wire = (r: Row): J => obj({ k: r.k, v: r.v, ver: ver(r.v), size: new Num(String(format(r.v).length)) });
const num = (n: number): Num => new Num(String(n));

function rankOf(s: Made, k: J): number {
  const parts = isObj(k) ? k.get('v') : undefined;
  if (Array.isArray(parts)) return Math.min(s.count - 1, Number(String(parts[0])) - 1);
  let low = 0;
  let high = s.count;
  while (low < high) {
    const mid = (low + high) >> 1;
    if (format(s.at(mid).k) < format(k)) low = mid + 1;
    else high = mid;
  }
  return Math.min(s.count - 1, low);
}

function holds(row: Row, c: Obj): boolean {
  const path = String(c.get('path'));
  const want = c.get('v');
  const v = path === '$any' ? format(row.v) : path === '$key' ? row.k : get(row.v, path);
  const op = c.get('op');
  const text = (x: J | undefined): string => (typeof x === 'string' ? x : x === undefined ? '' : format(x));
  const order = v instanceof Num && want instanceof Num ? Number(v.text) - Number(want.text) : text(v) < text(want) ? -1 : 1;
  if (op === 'eq') return same(v, want);
  if (op === 'ne') return !same(v, want);
  if (op === 'contains') return text(v).toLowerCase().includes(text(want).toLowerCase());
  if (op === 'prefix') return text(v).startsWith(text(want));
  if (op === 'exists') return v !== undefined;
  if (op === 'missing') return v === undefined;
  return op === 'lt' ? order < 0 : op === 'gt' ? order > 0 && !same(v, want) : op === 'le' ? order <= 0 || same(v, want) : order >= 0;
}

function items(s: Made, q: URLSearchParams): J {
  const limit = Number(q.get('limit') ?? 200);
  if (q.has('where')) {
    const where = parse(q.get('where')!) as Obj[];
    let i = Number(q.get('after') ?? 0);
    const start = i;
    const found: J[] = [];
    for (; i < s.count && i - start < 20000 && found.length < limit; i++) {
      const row = rowOf(s, i)!;
      if (where.every((c) => holds(row, c))) found.push(wire(row));
    }
    return obj({ items: found, next: i < s.count ? String(i) : null, prev: null, rank: null, count: null, scanned: num(i - start), snapshot: num(1) });
  }
  const key = q.get('key');
  const k = key === null ? undefined : parse(Buffer.from(key, 'base64url').toString());
  const rank = k === undefined ? Number(q.get('rank') ?? q.get('after') ?? 0) : rankOf(s, k);
  const out: J[] = [];
  for (let i = rank; i < Math.min(s.count, rank + limit); i++) out.push(wire(rowOf(s, i)!));
  const found = k === undefined ? undefined : same(s.at(rank).k, k);
  return obj({ items: out, next: rank + limit < s.count ? String(rank + limit) : null, prev: null, rank: num(rank), count: num(s.count), found, snapshot: num(1 + commits.length) });
}

function commit(stores: Made[], body: Obj): [number, J] {
  const ops = body.get('ops') as Obj[];
  const next: [Made, string, J | undefined][] = [];
  const conflicts: J[] = [];
  ops.forEach((op, i) => {
    const s = stores.find((x) => x.name === op.get('store'))!;
    const k = op.get('k')!;
    const id = format(k);
    const rank = rankOf(s, k);
    let v: J | undefined = s.changed.has(id) ? s.changed.get(id) : same(s.at(rank).k, k) ? s.at(rank).v : undefined;
    if (op.get('op') === 'delete') v = undefined;
    else if (op.get('op') !== 'patch') v = op.get('v');
    else {
      const clash: string[] = [];
      const before = v;
      for (const e of [...((op.get('set') ?? []) as Obj[]), ...((op.get('unset') ?? []) as Obj[])]) {
        const path = String(e.get('path'));
        const now = get(before, path);
        if (!same(now, e.get('was')) && !same(now, e.get('v'))) clash.push(path);
        v = set(v, path, e.get('v'));
      }
      if (clash.length)
        conflicts.push(obj({ op: num(i), store: s.name, k, kind: 'changed', paths: clash, theirs: before, theirs_ver: ver(before!), by: obj({ author: 'grace', time: num(Date.now() - 90_000) }) }));
    }
    next.push([s, id, v]);
  });
  if (conflicts.length) return [409, obj({ error: obj({ code: 'conflict', message: `${conflicts.length} of ${ops.length} items were changed meanwhile` }), conflicts })];
  for (const [s, id, v] of next) s.changed.set(id, v);
  const c = obj({ id: String(body.get('id')), seq: num(commits.length + 2), time: num(Date.now()), author: 'you', message: String(body.get('message') ?? ''), items: num(ops.length), stores: [...new Set(ops.map((o) => String(o.get('store'))))] });
  commits.unshift(c);
  return [200, obj({ commit: c, items: [] })];
}

function shape(s: Made): J {
  const seen = new Map<string, { count: number; types: Map<string, J>; examples: Map<string, number> }>();
  let json = 0;
  for (let i = 0; i < Math.min(200, s.count); i++) {
    const v = s.at(Math.floor((i * s.count) / 200) % s.count).v;
    if (!isObj(v) || v.has('$t')) continue;
    json++;
    for (const [name, x] of v) {
      const f = seen.get(name) ?? { count: 0, types: new Map<string, J>(), examples: new Map<string, number>() };
      seen.set(name, f);
      f.count++;
      const type = x === null ? 'null' : Array.isArray(x) ? 'array' : x instanceof Num ? 'number' : isObj(x) ? 'object' : typeof x;
      f.types.set(type, num(Number(String(f.types.get(type) ?? 0)) + 1));
      if (typeof x === 'string') f.examples.set(x, (f.examples.get(x) ?? 0) + 1);
    }
  }
  const fields = [...seen].map(([name, f]) => obj({ name, count: num(f.count), types: f.types, examples: f.examples.size <= 12 ? [...f.examples.keys()] : undefined }));
  return obj({ sampled: num(200), fields, values: obj({ json_object: num(json), text: num(200 - json) }) });
}

const color = { local: 'green', production: 'amber' } as const;
const armed = new Set<string>();
const registry = (id: keyof typeof color): J =>
  obj({ id, label: id === 'local' ? 'Local sandbox' : 'Production', kind: 'local', color: color[id], write: id === 'local' ? 'yes' : 'arm', armed: armed.has(id), health: 'ok' });
const storeJ = (s: Made): J =>
  obj({ name: s.name, id: num(1), kind: 'raw', count: num(s.count), bytes: num(s.count * 190), key: obj({ form: 'auto', name: s.keyName }), allow_duplicates: false, locks: [] });

function answer(method: string, url: URL, body: Obj): [number, J] {
  const p = url.pathname.split('/').slice(3).map(decodeURIComponent);
  if (p[0] === 'session') return [200, obj({ user: 'you', role: 'admin', read_only: false })];
  if (p[0] === 'version') return [200, parse('{"name":"sop","version":"0.1.0","api":1}')];
  if (p[0] === 'registries' && p[1]) {
    if (body.get('armed') === true) armed.add(p[1]);
    else armed.delete(p[1]);
    return [200, registry(p[1] as 'local')];
  }
  if (p[0] === 'registries') return [200, obj({ registries: [registry('local'), registry('production')] })];
  const db = DATABASES[p[3] ?? ''];
  if (p[2] === 'databases')
    return [200, obj({ databases: Object.entries(DATABASES).map(([name, s]) => obj({ name, url: `data/${name}`, mode: 'standalone', stores: num(s.length), health: 'ok', read_only: false })) })];
  if (!db) return [404, obj({ error: obj({ code: 'not_found', message: `no database "${p[3]}"` }) })];
  if (p[4] === 'stats') return [200, obj({ commits: num(commits.length), log_bytes: num(Date.now() % 1000000), cache_hits: num(Math.floor(Date.now() / 1000) % 977), reads: num(42) })];
  if (p[4] === 'stores:validate') return [204, null];
  if (p[4] === 'commits' && p[5]) return [200, obj({ ops: [] })];
  if (p[4] === 'commits') return method === 'POST' ? commit(db, body) : [200, obj({ commits, next: null })];
  if (!p[5]) return [200, obj({ stores: db.map(storeJ), snapshot: num(1) })];
  const s = db.find((x) => x.name === p[5]);
  if (!s) return [404, obj({ error: obj({ code: 'not_found', message: `no store "${p[5]}"` }) })];
  if (p[6] === 'shape') return [200, shape(s)];
  if (p[6] === 'items' && p[7]) return [200, wire(rowOf(s, rankOf(s, parse(Buffer.from(p[7], 'base64url').toString())))!)];
  if (p[6] === 'items') return [200, items(s, url.searchParams)];
  return [200, storeJ(s)];
}

async function serve(req: IncomingMessage, res: ServerResponse): Promise<void> {
  const url = new URL(req.url!, 'http://x');
  if (url.pathname.endsWith('/events')) {
    res.writeHead(200, { 'Content-Type': 'text/event-stream' }).write('event: hello\ndata: {"snapshot":1}\n\n');
    listeners.add(res);
    req.on('close', () => listeners.delete(res));
    return;
  }
  let text = '';
  for await (const chunk of req) text += String(chunk);
  const [status, body] = answer(req.method!, url, (text ? parse(text) : new Map()) as Obj);
  res.writeHead(status, { 'Content-Type': 'application/json' }).end(format(body));
}

export function devApi(): Plugin {
  const use = (middlewares: { use(f: (req: IncomingMessage, res: ServerResponse, next: () => void) => void): void }): void => {
    middlewares.use((req, res, next) => {
      if (!req.url?.startsWith('/api/')) return next();
      serve(req, res).catch((e: unknown) => res.writeHead(500).end(format(obj({ error: obj({ code: 'internal', message: String(e) }) }))));
    });
  };
  return { name: 'sop-dev-api', configureServer: (s) => use(s.middlewares), configurePreviewServer: (s) => use(s.middlewares) };
}

