// SPDX-License-Identifier: MIT
// The filter language of the chips: `country = Japan`, `age >= 30`, `name ~ ada`, `tags exists`. Pure.
import { format, Num, obj, pathOf, pointer, tryParse, type J } from './json';

export interface Condition {
  path: string;
  op: 'eq' | 'ne' | 'lt' | 'le' | 'gt' | 'ge' | 'contains' | 'prefix' | 'exists' | 'missing';
  v?: J;
}

const OPS: [string, Condition['op']][] = [
  ['!=', 'ne'],
  ['<=', 'le'],
  ['>=', 'ge'],
  ['^=', 'prefix'],
  ['=', 'eq'],
  ['<', 'lt'],
  ['>', 'gt'],
  ['~', 'contains'],
];

/** A bare word is looked for everywhere. Names may be dotted: address.city. */
export function parseCondition(text: string): Condition | null {
  const t = text.trim();
  if (t === '') return null;
  const unary = /^(\S+)\s+(exists|missing)$/.exec(t);
  if (unary) return { path: pathFromName(unary[1]!), op: unary[2] as 'exists' | 'missing' };
  const m = /^([^\s=<>!~^]+)\s*(!=|<=|>=|\^=|=|<|>|~)\s*(.*)$/s.exec(t);
  if (!m) return { path: '$any', op: 'contains', v: t };
  const op = OPS.find((o) => o[0] === m[2])![1];
  const text2 = m[3]!;
  const json = tryParse(text2);
  const textual = op === 'contains' || op === 'prefix';
  const v = json === undefined || (textual && typeof json !== 'string') ? text2 : json;
  return { path: pathFromName(m[1]!), op, v };
}

function pathFromName(name: string): string {
  if (name === 'key' || name === '$key') return '$key';
  return pointer(name.split('.'));
}

export function conditionText(c: Condition): string {
  const name = c.path.startsWith('$') ? (c.path === '$key' ? 'key' : 'any') : pathOf(c.path).join('.');
  if (c.op === 'exists' || c.op === 'missing') return `${name} ${c.op}`;
  const v = c.v ?? null;
  const plain = typeof v === 'string' && tryParse(v) === undefined ? v : format(v);
  if (c.path === '$any') return `“${plain}”`;
  return `${name} ${OPS.find((o) => o[1] === c.op)![0]} ${plain}`;
}

export function conditionsToWire(cs: readonly Condition[]): string {
  return format(cs.map((c) => obj({ path: c.path, op: c.op, v: c.v })));
}

export { Num };
