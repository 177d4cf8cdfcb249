// SPDX-License-Identifier: MIT
import { describe, expect, it } from 'vitest';
import { PageCache } from '../src/grid/cache';
import { formatAddress, parseAddress } from '../src/lib/address';
import { Api, type Item, type Shape } from '../src/lib/api';
import { asC, asCommand, asRest, type View } from '../src/lib/codegen';
import { format, get, Num, parse, set, type J } from '../src/lib/json';
import { sampleKeys } from '../src/lib/keyorder';
import { Profile } from '../src/lib/profile';
import { FilterSource, PageSource, StoreSource } from '../src/lib/source';
import { suggest } from '../src/lib/suggest';
import { exportHead, exportLine, exportTail, guessFormat, guessType, keyOfRecord, RowReader, rowObject } from '../src/lib/table';
import { treeRows } from '../src/lib/tree';

const never = new AbortController().signal;

/** A client whose store holds the keys k0000, k0001, ... */
function fake(count: number): { api: Api; asked: string[] } {
  const asked: string[] = [];
  const item = (i: number): string => `{"k":"k${String(i).padStart(4, '0')}","v":{"n":${i}},"ver":"0000000000000000","size":9}`;
  const send = (url: string): Promise<Response> => {
    asked.push(url);
    const q = new URL(url, 'http://x').searchParams;
    const from = q.has('rank') ? Number(q.get('rank')) : q.has('key') ? 7 : Number(q.get('after') ?? 0);
    const limit = Number(q.get('limit') ?? 200);
    const rows = Array.from({ length: Math.max(0, Math.min(limit, count - from)) }, (_, i) => item(from + i));
    const next = from + limit < count ? `"${from + limit}"` : 'null';
    return Promise.resolve(new Response(`{"items":[${rows.join(',')}],"next":${next},"prev":null,"rank":${from},"count":${count},"found":true,"scanned":${rows.length},"snapshot":1}`));
  };
  return { api: new Api('', send as unknown as typeof fetch), asked };
}
const place = { registry: 'r', database: 'd', store: 's' };
const keysOf = (items: Item[]): J[] => items.map((i) => i.k);

describe('address', () => {
  it('comes back the same from what it writes', () => {
    const a = { registry: 'prod/eu', database: 'a b', store: 'ü', row: 749_999, order: 'desc' as const, pageSize: 100, filters: [{ path: '/country', op: 'eq' as const, v: 'Japan' }] };
    const url = new URL(formatAddress(a), 'http://x');
    expect(parseAddress(url.pathname, url.search)).toEqual(a);
  });
  it('takes anything without failing', () => {
    expect(parseAddress('/r/%E0%A4%A/d/x', '?at=nonsense&size=7&order=up&q=')).toMatchObject({ registry: '%E0%A4%A', row: 0, pageSize: 0, order: 'asc', filters: [] });
  });
});

describe('sources', () => {
  it('reads descending order as ranks from the end', async () => {
    const { api } = fake(10);
    const s = new StoreSource(api, place, 10, () => {}, 'desc');
    expect(keysOf(await s.load(0, 3, never))).toEqual(['k0009', 'k0008', 'k0007']);
    expect(keysOf(await s.load(8, 5, never))).toEqual(['k0001', 'k0000']);
    expect((await s.find('k0007')).row).toBe(2);
  });
  it('shows one page of a store, the last one shorter', async () => {
    const { api } = fake(95);
    const p = new PageSource(new StoreSource(api, place, 95, () => {}), 25, 3);
    expect([p.pages, p.first, p.rows]).toEqual([4, 75, 20]);
    expect(keysOf(await p.load(18, 100, never))).toEqual(['k0093', 'k0094']);
    p.page = 99;
    expect(p.first).toBe(75);
  });
  it('gathers the matches of a filter page by page, and stops when told', async () => {
    const { api, asked } = fake(1200);
    const f: FilterSource = new FilterSource(api, place, [{ path: '$any', op: 'contains', v: 'x' }], () => f.rows >= 1000 && f.cancel());
    await f.run();
    expect([f.rows, f.scanned, asked.length]).toEqual([1000, 1000, 2]);
    expect((await f.load(999, 5)).length).toBe(1);
  });
  it('keeps rows where they are when others come before them', () => {
    const cache = new PageCache<number>(() => new Promise(() => {}), () => {}, () => {}, { pageRows: 10 });
    (cache as unknown as { store(p: number, rows: number[]): void }).store(1, Array.from({ length: 10 }, (_, i) => 10 + i));
    cache.shift(3);
    expect([cache.peek(13), cache.peek(22), cache.peek(12)]).toEqual([10, 19, undefined]);
    cache.shift(-15);
    expect([cache.peek(7), cache.peek(0)]).toEqual([19, 12]);
  });
});

describe('exact text', () => {
  const text = '{"ops":[{"op":"put","v":{ "b" : 1.10,"a":-0, "z":[1e400 , 9007199254740993] }}]}';
  it('writes what was read and not touched byte for byte', () => {
    const op = (get(parse(text, 4), '/ops') as J[])[0]!;
    expect(format(get(op, '/v')!)).toBe('{ "b" : 1.10,"a":-0, "z":[1e400 , 9007199254740993] }');
  });
  it('writes a changed value anew, its numbers as they were', () => {
    const v = get(parse(text, 4), '/ops/0/v');
    expect(format(set(v, '/b', 'x')!)).toBe('{"b":"x","a":-0,"z":[1e400,9007199254740993]}');
  });
});

describe('files', () => {
  const all = (f: 'csv' | 'tsv' | 'ndjson' | 'json', pieces: string[]): (string[] | J)[] => {
    const r = new RowReader(f);
    return [...pieces.flatMap((p) => r.push(p)), ...r.end()];
  };
  it('reads CSV however it is cut into pieces', () => {
    const text = 'a,b\r\n"x ""y""\nz",1\r\n,\r\nlast,';
    const want = [['a', 'b'], ['x "y"\nz', '1'], ['', ''], ['last', '']];
    expect(all('csv', [text])).toEqual(want);
    for (let cut = 0; cut <= text.length; cut++) expect(all('csv', [text.slice(0, cut), text.slice(cut)])).toEqual(want);
  });
  it('names the line of NDJSON that is wrong', () => {
    expect(all('ndjson', ['{"a":1}\n\n{"a"', ':9007199254740993}'])).toHaveLength(2);
    expect(() => all('ndjson', ['{}\n{x}\n'])).toThrow('line 2');
    expect(() => all('csv', ['a\n"open'])).toThrow('row 2');
  });
  it('finds the records of a JSON file', () => {
    expect(all('json', ['[{"a":1},', '{"a":2}]'])).toHaveLength(2);
    expect(all('json', ['{"3166-1":[{"a":1},{"a":2},{"a":3}]}'])).toHaveLength(3);
  });
  it('guesses formats and types; leading zeros stay text', () => {
    expect([guessFormat('x.dat', 'a\tb\n'), guessFormat('x', '[{'), guessFormat('x.json', '{"a":1}\n{"a":2}\n')]).toEqual(['tsv', 'json', 'ndjson']);
    expect([guessType(['1', '2.50', '']), guessType(['00123', '7']), guessType(['true', 'false']), guessType(['{"a":1}'])]).toEqual(['number', 'text', 'boolean', 'json']);
  });
  it('makes records and keys of rows', () => {
    const record = rowObject(['id', 'name', 'no'], ['number', 'text', 'skip'], ['9007199254740993', '00123', 'x']);
    expect(format(record)).toBe('{"id":9007199254740993,"name":"00123"}');
    expect(format(keyOfRecord(record, ['/id'], {}))).toBe('{"$t":"tuple","v":[9007199254740993]}');
    expect(keyOfRecord(record, ['/name'], {})).toBe('00123');
    expect(keyOfRecord(record, ['/id'], { form: 'text' })).toBe('9007199254740993');
    expect(() => keyOfRecord(record, ['/none'], {})).toThrow('none is missing');
    expect(() => rowObject(['n'], ['number'], ['abc'])).toThrow('“abc” is not a number');
  });
  it('exports what it can import again', () => {
    const columns = [{ id: '$key', title: 'key' }, { id: '/a', title: 'a' }];
    const v = parse('{"a":"x,\\"y\\"","b":1}');
    const csv = exportHead('csv', columns) + exportLine('csv', columns, 'k', v, true, true) + exportTail('csv');
    expect(all('csv', [csv])).toEqual([['key', 'a'], ['k', 'x,"y"']]);
    const json = exportHead('json', []) + exportLine('json', [], 'k', v, true, true) + exportLine('json', [], 'l', v, true, false) + exportTail('json');
    expect(format(parse(json))).toBe('[{"key":"k","value":{"a":"x,\\"y\\"","b":1}},{"key":"l","value":{"a":"x,\\"y\\"","b":1}}]');
  });
});

describe('suggestions', () => {
  const shape: Shape = { sampled: 9, values: {}, fields: [{ name: 'country', count: 9, types: { string: 9 }, examples: ['Japan', 'Norway'] }, { name: 'age', count: 9, types: { number: 8, null: 1 } }] };
  const texts = (t: string): string[] => suggest(t, shape, 'key').map((s) => s.text);
  it('goes from fields to operators to values', () => {
    expect(texts('cou')).toEqual(['cou', 'country ']);
    expect(texts('country ')).toContain('country ~ ');
    expect(texts('age ')).not.toContain('age ^= ');
    expect(texts('country = ja')).toEqual(['country = ja', 'country = Japan']);
    expect(texts('age = n')).toContain('age = null');
  });
});

describe('profile', () => {
  it('counts types, extremes and the most frequent values exactly', () => {
    const p = new Profile('/a');
    for (const t of ['{"a":9007199254740993}', '{"a":-0}', '{"a":2}', '{"a":2}', '{"a":null}', '{}', '{"$t":"text","v":"x"}']) p.add(parse(t));
    expect([p.count, p.missing, p.nulls, p.types.get('number')]).toEqual([7, 2, 1, 4]);
    expect([String(p.min), String(p.max)]).toEqual(['-0', '9007199254740993']);
    expect(p.top(1)).toEqual([{ text: '2', count: 2 }]);
    expect(p.histogram().reduce((n, b) => n + b.count, 0)).toBe(4);
  });
});

describe('tree', () => {
  const v = parse('{"a":{"b":[1,"needle",{"c":{"d":"deep needle"}}]},"e":2}');
  const lines = (query: string, all: boolean | null = null): string[] => treeRows(v, { open: new Map(), all, query }).map((r) => r.ptr);
  it('opens what is near, all, or nothing', () => {
    expect(lines('')).toContain('/a/b/1');
    expect(lines('', true)).toContain('/a/b/2/c/d');
    expect(lines('', false)).toEqual(['']);
  });
  it('opens the way to every hit and marks it', () => {
    const rows = treeRows(v, { open: new Map(), all: false, query: 'NEEDLE' });
    expect(rows.filter((r) => r.hit).map((r) => r.ptr)).toEqual(['/a/b/1', '/a/b/2/c/d']);
  });
});

describe('code', () => {
  const view: View = { address: { registry: 'local', database: 'd', store: "o'brien", row: 5, order: 'asc', pageSize: 0, filters: [] }, url: 'my data/shop.db', origin: 'http://h', key: parse('{"$t":"tuple","v":[7,"a"]}'), rank: 5 };
  it('quotes names for the shell, for C and for addresses', () => {
    expect(asCommand(view)).toContain(`sop scan 'my data/shop.db' 'o'\\''brien' --at-rank 5`);
    expect(asCommand(view)).toContain(`'[7,"a"]'`);
    expect(asRest(view)).toContain("/stores/o%27brien/items?rank=5&limit=100");
    expect(asC({ ...view, address: { ...view.address, store: 'a"b' } })).toContain('sop_store_open(txn, "a\\"b", &store)');
  });
});

describe('sample keys', () => {
  it('are in the order of the store, and turn with a descending part', () => {
    expect(sampleKeys([{ name: 'a', type: 'int' }])).toEqual([['-5'], ['3'], ['42']]);
    expect(sampleKeys([{ name: 'a', type: 'int', descending: true }])[0]).toEqual(['42']);
    expect(sampleKeys([{ name: 'a', type: 'bool' }, { name: 'b', type: 'int' }])[1]).toEqual(['false', '3']);
  });
});

describe('numbers', () => {
  it('stay text', () => expect(parse('1e400')).toEqual(new Num('1e400')));
});
