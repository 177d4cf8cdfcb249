// SPDX-License-Identifier: MIT
// Field-level merge and the three-way model of conflicts. Pure.
import { get, isObj, obj, pointer, same, set as setIn, type J } from './json';
import type { Staged } from './staged';
import { fromWire, toWire } from './value';

export interface FieldDiff {
  ptr: string;
  before: J | undefined;
  after: J | undefined;
}

/** Fields that differ: down into objects, arrays and scalars as wholes. */
export function diff(before: J | undefined, after: J | undefined, path: string[] = []): FieldDiff[] {
  if (same(before, after)) return [];
  if (!isObj(before) || !isObj(after)) return [{ ptr: pointer(path), before, after }];
  const names = [...new Set([...before.keys(), ...after.keys()])];
  return names.flatMap((n) => diff(before.get(n), after.get(n), [...path, n]));
}

export interface Conflict {
  op: number;
  store: string;
  k: J;
  kind: 'changed' | 'deleted' | 'exists';
  paths: string[];
  /** Wire value; undefined when deleted. */
  theirs: J | undefined;
  theirsVer: string | null;
  by?: { author: string; time: number };
}

export type Side = 'mine' | 'theirs';

export interface Row {
  ptr: string;
  base: J | undefined;
  theirs: J | undefined;
  mine: J | undefined;
  /** Both sides changed it, differently. */
  clash: boolean;
}

/** Rows of the conflict view: every field that either side changed. */
export function threeWay(mine: Staged, theirs: J | undefined): Row[] {
  const base = mine.was === undefined ? undefined : fromWire(mine.was).v;
  const their = theirs === undefined ? undefined : fromWire(theirs).v;
  const my = mineValue(mine);
  if (!isObj(base) || !isObj(their) || !isObj(my)) return [{ ptr: '', base, theirs: their, mine: my, clash: !same(their, my) }];
  const ptrs = new Set([...diff(base, their).map((d) => d.ptr), ...diff(base, my).map((d) => d.ptr)]);
  const tops = [...ptrs].filter((p) => ![...ptrs].some((q) => q !== p && p.startsWith(`${q}/`)));
  return tops.map((ptr) => {
    const [b, t, m] = [get(base, ptr), get(their, ptr), get(my, ptr)];
    return { ptr, base: b, theirs: t, mine: m, clash: !same(b, t) && !same(b, m) && !same(t, m) };
  });
}

function mineValue(s: Staged): J | undefined {
  if (s.op === 'delete') return undefined;
  if (s.op !== 'patch') return s.v === undefined ? undefined : fromWire(s.v).v;
  let v = s.was === undefined ? undefined : fromWire(s.was).v;
  for (const [ptr, to] of s.fields) v = setIn(v, ptr, to);
  return v;
}

/** The edit on top of their version, with a choice for every clash: what is committed next. */
export function rebase(mine: Staged, c: Conflict, choice: (ptr: string) => Side | { v: J }): Staged | undefined {
  const rows = threeWay(mine, c.theirs);
  const whole = rows.length === 1 && rows[0]!.ptr === '';
  if (whole || c.theirs === undefined) {
    const pick = choice('');
    if (pick === 'theirs') return undefined;
    const v = pick === 'mine' ? mineValue(mine) : pick.v;
    const start = { ...mine, base: c.theirsVer, was: c.theirs, fields: new Map<string, J | undefined>() };
    if (v === undefined) return c.theirs === undefined ? undefined : { ...start, op: 'delete' };
    const form = mine.op === 'patch' || mine.v === undefined ? 'json' : fromWire(mine.v).form;
    return { ...start, op: c.theirs === undefined ? 'insert' : 'put', v: toWire({ form, v }) };
  }
  const fields = new Map<string, J | undefined>();
  for (const row of rows) {
    if (same(row.base, row.mine)) continue;
    const pick = row.clash ? choice(row.ptr) : 'mine';
    if (pick === 'theirs') continue;
    const v = pick === 'mine' ? row.mine : pick.v;
    if (!same(v, row.theirs)) fields.set(row.ptr, v);
  }
  if (fields.size === 0) return undefined;
  const { v: _drop, ...rest } = mine;
  return { ...rest, op: 'patch', base: c.theirsVer, was: c.theirs, fields };
}

/** The operation of the wire for a staged edit. */
export function toOp(s: Staged): J {
  const was = s.was === undefined ? undefined : fromWire(s.was).v;
  const edit = (ptr: string, v: J | undefined): J => {
    const before = get(was, ptr);
    return obj({ path: ptr, was: before === undefined ? undefined : toWire({ form: 'json', v: before }), v: v === undefined ? undefined : toWire({ form: 'json', v }) });
  };
  const fields = [...s.fields];
  const setting = fields.filter((f) => f[1] !== undefined).map(([p, v]) => edit(p, v));
  const unsetting = fields.filter((f) => f[1] === undefined).map(([p]) => edit(p, undefined));
  return obj({
    op: s.op,
    store: s.store,
    k: s.k,
    base: s.op === 'insert' ? undefined : s.base,
    v: s.op === 'put' || s.op === 'insert' ? s.v : undefined,
    set: s.op === 'patch' && setting.length ? setting : undefined,
    unset: s.op === 'patch' && unsetting.length ? unsetting : undefined,
  });
}
