// SPDX-License-Identifier: MIT
import 'fake-indexeddb/auto';
import { describe, expect, it } from 'vitest';
import { Api, ApiError } from '../src/lib/api';
import { conditionsToWire, conditionText, parseCondition } from '../src/lib/filter';
import { replaceIn } from '../src/lib/find';
import { format, get, Num, obj, parse, same, set, tryParse, type J } from '../src/lib/json';
import { diff, rebase, threeWay, toOp, type Conflict } from '../src/lib/merge';
import { keepStaged, keptStaged, stagedFromText, stagedToText } from '../src/lib/persist';
import { staged, StagedEdits } from '../src/lib/staged';
import { formatTsv, layOver, parseTsv } from '../src/lib/tsv';
import { cellFromText, cellText, fromWire, hex, keyFromText, keyText, keyToken, sizeText, toWire, unhex } from '../src/lib/value';

const P = { registry: 'r', database: 'd', store: 's' };
const stored = (json: string, ver = 'v1'): { ver: string; v: J } => ({ ver, v: parse(json) });

describe('lossless JSON', () => {
  it.each([
    '9007199254740993',
    '-0',
    '1e400',
    '1.10',
    '{"b":1,"a":2,"10":3,"2":4}',
    '{"__proto__":{"x":1},"constructor":null,"":0}',
    '[0.1,1E+5,-1.0e-7,123456789012345678901234567890]',
    '"\\ud83d\\ude00"',
    '[[],{},""," "]',
  ])('keeps %s', (text) => {
    const written = format(parse(text));
    expect(written).toBe(text.startsWith('"\\u') ? '"😀"' : text);
    expect(format(parse(format(parse(text), 2)))).toBe(written);
  });

  it.each(['', '01', '1.', '.5', '+1', 'nul', '[1,]', '{"a":1,}', '{a:1}', '"\n"', '"\\x"', '[1 2]', '1 2', '"abc', '{"a"}', '[', 'NaN', '['.repeat(300)])(
    'refuses %j',
    (text) => expect(tryParse(text)).toBeUndefined(),
  );

  it('agrees with the built-in reader on 2,000 random texts', () => {
    let seed = 7;
    const rnd = (n: number): number => (seed = (seed * 1103515245 + 12345) & 0x7fffffff) % n;
    const make = (d: number): unknown => {
      const t = rnd(d > 3 ? 4 : 6);
      if (t === 0) return rnd(2000) - 1000;
      if (t === 1) return String.fromCharCode(...Array.from({ length: rnd(6) }, () => rnd(300)));
      if (t === 2) return rnd(2) === 0;
      if (t === 3) return null;
      if (t === 4) return Array.from({ length: rnd(4) }, () => make(d + 1));
      return Object.fromEntries(Array.from({ length: rnd(4) }, (_, i) => [`k${i}${rnd(9)}`, make(d + 1)]));
    };
    for (let i = 0; i < 2000; i++) {
      const v = make(0);
      const text = JSON.stringify(v, null, rnd(3));
      expect(JSON.parse(format(parse(text)))).toEqual(v);
    }
  });

  it('reads, sets and removes by pointer without touching the rest', () => {
    const v = parse('{"a/b":{"~":[1,{"x":1.10}]},"z":null}');
    expect(get(v, '/a~1b/~0/1/x')).toEqual(new Num('1.10'));
    expect(format(set(v, '/a~1b/~0/1/x', new Num('2.0'))!)).toBe('{"a/b":{"~":[1,{"x":2.0}]},"z":null}');
    expect(format(set(v, '/z', undefined)!)).toBe('{"a/b":{"~":[1,{"x":1.10}]}}');
    expect(format(set(v, '/a~1b/~0/0', undefined)!)).toBe('{"a/b":{"~":[{"x":1.10}]},"z":null}');
    expect(get(v, '/nope/x')).toBeUndefined();
    expect(format(v)).toBe('{"a/b":{"~":[1,{"x":1.10}]},"z":null}');
  });

  it('compares numbers by their text and members in any order', () => {
    expect(same(parse('{"a":1,"b":[2]}'), parse('{"b":[2],"a":1}'))).toBe(true);
    expect(same(parse('1.0'), parse('1'))).toBe(false);
    expect(same(parse('[1,2]'), parse('[2,1]'))).toBe(false);
    expect(same(undefined, null)).toBe(false);
  });
});

describe('values and keys', () => {
  it('tags what is not JSON and escapes what looks tagged', () => {
    for (const wire of ['{"$t":"text","v":"hello"}', '{"$t":"bytes","v":"AP8"}', '{"$t":"json","v":{"$t":"x"}}', '{"a":1}', 'null'])
      expect(format(toWire(fromWire(parse(wire))))).toBe(wire);
    const big = fromWire(parse('{"$t":"big","of":"json","size":10000000,"preview":"{"}'));
    expect(big).toMatchObject({ form: 'big', size: 10_000_000 });
    expect(() => toWire(big)).toThrow();
  });

  it('shows and reads keys in the form of their neighbours', () => {
    const tuple = parse('{"$t":"tuple","v":["eu",42]}');
    expect(keyText(tuple)).toBe('eu · 42');
    expect(format(keyFromText('us · 9007199254740993', tuple))).toBe('{"$t":"tuple","v":["us",9007199254740993]}');
    expect(format(keyFromText('7', parse('{"$t":"tuple","v":[1]}')))).toBe('{"$t":"tuple","v":[7]}');
    expect(format(keyFromText('00 ff', parse('{"$t":"bytes","v":"AA"}')))).toBe('{"$t":"bytes","v":"AP8"}');
    expect(keyFromText('00123', 'a')).toBe('00123');
    expect(keyToken('é"')).toBe(btoa(String.fromCharCode(...new TextEncoder().encode('"é\\""'))).replaceAll('=', '').replaceAll('+', '-').replaceAll('/', '_'));
    expect(hex(unhex('0x00FF10')!)).toBe('00 ff 10');
    expect(unhex('0g')).toBeUndefined();
  });

  it('keeps the type of a cell when the text allows it', () => {
    expect(cellFromText('00123', '1')).toBe('00123');
    expect(cellFromText('12', 'x')).toBe('12');
    expect(cellFromText('1.10', new Num('1'))).toEqual(new Num('1.10'));
    expect(cellFromText('n/a', new Num('1'))).toBe('n/a');
    expect(cellFromText('true', false)).toBe(true);
    expect(cellFromText('', 'x')).toBe('');
    expect(cellFromText('[1,2]', [])).toEqual(parse('[1,2]'));
    expect(cellFromText('00123', undefined)).toBe('00123');
    expect(cellText(parse('{"a":1,"b":2,"c":3,"d":4,"e":5}'))).toBe('{a, b, c, d, …}');
    expect([999, 1000, 15_400, 2_000_000].map(sizeText)).toEqual(['999 B', '1.0 kB', '15 kB', '2.0 MB']);
  });
});

describe('staged edits', () => {
  it('walks every step back and forth, also over several stores', () => {
    const e = new StagedEdits();
    const states = [stagedToText(e.items)];
    const step = (f: () => void): void => {
      f();
      states.push(stagedToText(e.items));
    };
    step(() => e.setField(P, 'a', '/x', new Num('2'), stored('{"x":1}')));
    step(() => e.setField(P, 'a', '/y/z', 'deep', undefined));
    step(() => e.insert({ ...P, store: 't' }, 'n', parse('{"q":1}')));
    step(() => e.setField({ ...P, store: 't' }, 'n', '/q', new Num('3'), undefined));
    step(() => e.remove(P, 'b', stored('7')));
    step(() => e.group('fill', () => ['c', 'd'].forEach((k) => e.setField(P, k, '/x', 'v', stored('{"x":"w"}')))));
    step(() => e.discard());
    expect(e.items.size).toBe(0);
    const sorted = (t: string): string[] => (parse(t) as J[]).map((x) => format(x)).sort();
    for (let i = states.length - 2; i >= 0; i--) {
      e.undo();
      expect(sorted(stagedToText(e.items))).toEqual(sorted(states[i]!));
    }
    expect(e.undo()).toBeUndefined();
    for (let i = 1; i < states.length; i++) {
      e.redo();
      expect(sorted(stagedToText(e.items))).toEqual(sorted(states[i]!));
    }
    expect(e.redo()).toBeUndefined();
  });

  it('counts 0 when a value is set back to what is stored', () => {
    const e = new StagedEdits();
    e.setField(P, 'a', '/x', 'new', stored('{"x":"old"}'));
    e.setField(P, 'a', '/x', 'old', undefined);
    expect(e.counts().changes).toBe(0);
    e.setValue(P, 'a', parse('{"x":"z"}'), stored('{"x":"old"}'));
    e.setValue(P, 'a', parse('{"x":"old"}'), undefined);
    expect(e.counts().items).toBe(0);
    e.insert(P, 'n', null);
    e.remove(P, 'n', undefined);
    expect(e.counts().items).toBe(0);
  });

  it('tells null, empty and missing apart', () => {
    const e = new StagedEdits();
    e.setField(P, 'a', '/x', null, stored('{"x":"","y":1}'));
    expect(format(staged(e.get(P, 'a')!)!.v)).toBe('{"x":null,"y":1}');
    e.setField(P, 'a', '/x', undefined, undefined);
    expect(format(staged(e.get(P, 'a')!)!.v)).toBe('{"y":1}');
    expect(format(toOp(e.get(P, 'a')!))).toBe('{"op":"patch","store":"s","k":"a","base":"v1","unset":[{"path":"/x","was":""}]}');
  });

  it('folds inner and outer edits, and stages arrays whole when their length changes', () => {
    const e = new StagedEdits();
    e.setField(P, 'a', '/o/x', 'in', stored('{"o":{"x":"1","y":"2"},"l":[1,2,3]}'));
    e.setField(P, 'a', '/o', parse('{"x":"new"}'), undefined);
    e.setField(P, 'a', '/o/y', 'back', undefined);
    expect([...e.get(P, 'a')!.fields.keys()]).toEqual(['/o']);
    e.setField(P, 'a', '/l/0', undefined, undefined);
    e.setField(P, 'a', '/l/-', new Num('4'), undefined);
    expect(format(staged(e.get(P, 'a')!)!.v)).toBe('{"o":{"x":"new","y":"back"},"l":[2,3,4]}');
    expect([...e.get(P, 'a')!.fields.keys()]).toEqual(['/o', '/l']);
  });

  it('survives a reload with every kind of value', async () => {
    const e = new StagedEdits();
    e.setField(P, parse('{"$t":"tuple","v":[9007199254740993]}'), '/x', new Num('-0'), stored('{"x":1e400,"k":1.10}'));
    e.setField(P, 'a', '/x', undefined, stored('{"x":1}'));
    e.remove(P, 'b', stored('1'));
    e.insert(P, 'c', parse('{"$t":"bytes","v":"AP8"}'));
    const text = stagedToText(e.items);
    expect(stagedToText(stagedFromText(text))).toBe(text);
    await keepStaged('tab1', e.items);
    await keepStaged('tab2', new Map());
    expect(stagedToText(await keptStaged('tab1'))).toBe(text);
    expect(await keptStaged('tab2')).toEqual([]);
  });
});

describe('merge and conflicts', () => {
  const edit = (base: string, ptr: string, to: J | undefined): ReturnType<StagedEdits['get']> & object => {
    const e = new StagedEdits();
    e.setField(P, 'a', ptr, to, stored(base));
    return e.get(P, 'a')!;
  };
  const theirs = (json: string | undefined): Conflict => ({
    op: 0, store: 's', k: 'a', kind: json === undefined ? 'deleted' : 'changed', paths: [],
    theirs: json === undefined ? undefined : parse(json), theirsVer: json === undefined ? null : 'v2',
  });

  it('finds the fields that differ', () => {
    expect(diff(parse('{"a":1,"b":{"c":1,"d":2},"e":[1]}'), parse('{"a":1,"b":{"c":2},"e":[2]}')).map((d) => d.ptr)).toEqual(['/b/c', '/b/d', '/e']);
  });

  it('merges different fields without asking and asks for the same field', () => {
    const mine = edit('{"x":1,"y":1}', '/x', new Num('2'));
    expect(threeWay(mine, parse('{"x":1,"y":9}')).some((r) => r.clash)).toBe(false);
    const rows = threeWay(mine, parse('{"x":3,"y":9}'));
    expect(rows.filter((r) => r.clash).map((r) => r.ptr)).toEqual(['/x']);
    const t = theirs('{"x":3,"y":9}');
    expect(rebase(mine, t, () => 'theirs')).toBeUndefined();
    const kept = rebase(mine, t, () => 'mine')!;
    expect(format(staged(kept)!.v)).toBe('{"x":2,"y":9}');
    expect(format(toOp(kept))).toBe('{"op":"patch","store":"s","k":"a","base":"v2","set":[{"path":"/x","was":3,"v":2}]}');
    expect(format(staged(rebase(mine, t, () => ({ v: new Num('5') }))!)!.v)).toBe('{"x":5,"y":9}');
  });

  it('brings back a deleted item only when asked to', () => {
    const mine = edit('{"x":1}', '/x', new Num('2'));
    expect(rebase(mine, theirs(undefined), () => 'theirs')).toBeUndefined();
    const again = rebase(mine, theirs(undefined), () => 'mine')!;
    expect(format(toOp(again))).toBe('{"op":"insert","store":"s","k":"a","v":{"x":2}}');
  });

  it('never loses a change in 500 random pairs of edits', () => {
    let seed = 3;
    const rnd = (n: number): number => (seed = (seed * 1103515245 + 12345) & 0x7fffffff) % n;
    for (let i = 0; i < 500; i++) {
      const base = parse('{"a":0,"b":0,"c":{"d":0,"e":0}}');
      const ptrs = ['/a', '/b', '/c/d', '/c/e', '/f'];
      const e = new StagedEdits();
      let their = base;
      for (const p of ptrs) if (rnd(2)) e.setField(P, 'a', p, new Num(`1${rnd(3)}`), { ver: 'v1', v: base });
      for (const p of ptrs) if (rnd(2)) their = set(their, p, new Num(`1${rnd(3)}`))!;
      const mine = e.get(P, 'a');
      if (!mine) continue;
      const c = { ...theirs(format(their)) };
      const out = rebase(mine, c, () => 'mine');
      const value = out ? staged(out)!.v : their;
      for (const p of ptrs) {
        const want = mine.fields.has(p) ? mine.fields.get(p) : get(their, p);
        expect(same(get(value, p), want)).toBe(true);
      }
    }
  });
});

describe('clipboard', () => {
  it.each([
    [[['a', 'b'], ['c', 'd']]],
    [[['multi\nline', 'tab\there', 'quo"te', '']]],
    [[['"'], ['']]],
    [[['', ''], ['', 'x']]],
  ])('writes and reads back %j', (rows) => expect(parseTsv(`${formatTsv(rows)}\n`)).toEqual(rows));

  it('reads what spreadsheets write', () => {
    expect(parseTsv('a\tb\r\nc\t"d ""q""\r\nx"\r\n')).toEqual([['a', 'b'], ['c', 'd "q"\r\nx']]);
    expect(parseTsv('')).toEqual([]);
    expect(parseTsv('one')).toEqual([['one']]);
    expect(parseTsv('"never closed')).toEqual([['never closed']]);
  });

  it('fills a selection with one cell and repeats a block that fits', () => {
    expect(layOver([['x']], 3, 2)).toEqual([['x', 'x'], ['x', 'x'], ['x', 'x']]);
    expect(layOver([['a', 'b']], 2, 3)).toEqual([['a', 'b'], ['a', 'b']]);
    expect(layOver([['a'], ['b']], 4, 1)).toEqual([['a'], ['b'], ['a'], ['b']]);
  });
});

describe('find and replace', () => {
  it('touches strings only, keeps special characters plain, and names each place', () => {
    const v = parse('{"Recieved":"Recieved twice: recieved","n":1,"l":["x",{"y":"RECIEVED"}]}');
    const hits = replaceIn(v, { text: 'recieved' }, 'received $& $1');
    expect(hits.map((h) => [h.ptr, h.matches])).toEqual([['/Recieved', 2], ['/l/1/y', 1]]);
    expect(hits[1]!.after).toBe('received $& $1');
    expect(replaceIn(v, { text: 'recieved', matchCase: true }, 'x').map((h) => h.after)).toEqual(['Recieved twice: x']);
    expect(replaceIn(v, { text: 'recieved', fields: ['l'] }, 'x')).toHaveLength(1);
    expect(replaceIn('a.b axb', { text: 'a.b' }, '-')[0]!.after).toBe('- axb');
    expect(replaceIn('cat concat cat', { text: 'cat', word: true }, 'dog')[0]!.after).toBe('dog concat dog');
    expect(replaceIn(v, { text: '' }, 'x')).toEqual([]);
  });
});

describe('filter language', () => {
  it.each([
    ['country = Japan', '/country', 'eq', '"Japan"'],
    ['age>=30', '/age', 'ge', '30'],
    ['id = 9007199254740993', '/id', 'eq', '9007199254740993'],
    ['zip = "00123"', '/zip', 'eq', '"00123"'],
    ['zip = 00123', '/zip', 'eq', '"00123"'],
    ['name ~ 42', '/name', 'contains', '"42"'],
    ['address.city ^= San', '/address/city', 'prefix', '"San"'],
    ['key > m', '$key', 'gt', '"m"'],
    ['free words', '$any', 'contains', '"free words"'],
    ['x = null', '/x', 'eq', 'null'],
  ])('%s', (text, path, op, v) => {
    const c = parseCondition(text)!;
    expect([c.path, c.op, format(c.v!)]).toEqual([path, op, v]);
    if (path !== '$any') expect(parseCondition(conditionText(c))).toEqual(c);
  });
  it('knows exists and missing', () => {
    expect(conditionsToWire([parseCondition('a.b exists')!, parseCondition('c missing')!])).toBe('[{"path":"/a/b","op":"exists"},{"path":"/c","op":"missing"}]');
    expect(parseCondition('  ')).toBeNull();
  });
});

describe('API client', () => {
  const client = (status: number, body: string, seen: Request[] = []): Api =>
    new Api('http://h/api/v1', async (u, i) => {
      seen.push(new Request(u as string, i));
      return new Response(status === 204 ? null : body, { status });
    });

  it('keeps numbers as text from the answer to the request', async () => {
    const seen: Request[] = [];
    const api = client(200, '{"items":[{"k":"a","v":{"n":9007199254740993,"z":-0,"e":1e400,"p":1.10},"ver":"00","size":9}],"next":null,"prev":null,"rank":5,"count":7,"snapshot":1,"commit":{"id":"c"}}', seen);
    const page = await api.items('r/1', 'd', 'ü', { rank: 5, limit: 1 });
    expect([page.rank, page.count]).toEqual([5, 7]);
    expect(seen[0]!.url).toBe('http://h/api/v1/r/r%2F1/d/d/stores/%C3%BC/items?rank=5&limit=1');
    await api.commit('r', 'd', 'idididid', '', [obj({ op: 'put', store: 's', k: 'a', v: page.items[0]!.v })]);
    expect(await seen[1]!.text()).toContain('"v":{"n":9007199254740993,"z":-0,"e":1e400,"p":1.10}');
    expect(seen[1]!.headers.get('x-sop-request')).toBe('1');
    expect(seen[1]!.headers.get('content-type')).toBe('application/json');
  });

  it('hands out conflicts, problems and plain failures as one kind of error', async () => {
    const body = '{"error":{"code":"conflict","message":"1 of 1 clash"},"conflicts":[{"op":0,"store":"s","k":"a","kind":"changed","paths":["/x"],"theirs":{"x":1.0},"theirs_ver":"0f","by":{"author":"ann","time":5}}]}';
    const e = await client(409, body).commit('r', 'd', 'i', '', []).catch((x: unknown) => x as ApiError);
    expect(e).toBeInstanceOf(ApiError);
    expect((e as ApiError).conflicts[0]).toMatchObject({ kind: 'changed', paths: ['/x'], theirsVer: '0f', by: { author: 'ann', time: 5 } });
    expect(format((e as ApiError).conflicts[0]!.theirs!)).toBe('{"x":1.0}');
    await expect(client(502, '<html>').registries()).rejects.toMatchObject({ status: 502, code: 'internal' });
    await expect(client(204, '').dropStore('r', 'd', 's', 's')).resolves.toBeNull();
  });
});
