// SPDX-License-Identifier: MIT
// What the filter box offers while it is typed: fields, then operators, then values met in the store. Pure.
import type { Shape, ShapeField } from './api';

export interface Suggestion {
  text: string;
  hint: string;
  /** A whole condition: choosing it adds the filter. */
  whole: boolean;
}

const MAX = 10;
const OPS: [string, string, RegExp][] = [
  ['=', 'equals', /./],
  ['!=', 'is not', /./],
  ['~', 'contains', /string/],
  ['^=', 'begins with', /string/],
  ['<', 'less', /number|string/],
  ['>', 'greater', /number|string/],
  ['>=', 'at least', /number|string/],
  ['<=', 'at most', /number|string/],
];

const types = (f: ShapeField): string => Object.keys(f.types).filter((t) => t !== 'null').join(', ') || 'null';

export function suggest(text: string, shape: Shape | null, keyName: string): Suggestion[] {
  const fields: ShapeField[] = [{ name: 'key', count: 0, types: { string: 1 } }, ...(shape?.fields ?? [])];
  const t = text.trimStart();
  const done = /^([^\s=<>!~^]+)\s*(!=|<=|>=|\^=|=|<|>|~)\s*(.*)$/s.exec(t);
  if (done) return values(fields.find((f) => f.name === done[1]), done[1]!, done[2]!, done[3]!);
  const named = fields.find((f) => t === `${f.name} ` || t.startsWith(`${f.name} `));
  if (named) return operators(named);
  const word = t.trim().toLowerCase();
  const out = fields
    .filter((f) => f.name.toLowerCase().includes(word))
    .sort((a, b) => Number(b.name.toLowerCase().startsWith(word)) - Number(a.name.toLowerCase().startsWith(word)))
    .slice(0, MAX)
    .map((f) => ({ text: `${f.name} `, hint: f.name === 'key' && keyName !== 'key' ? keyName : types(f), whole: false }));
  if (word) out.unshift({ text: t.trim(), hint: 'anywhere in the value', whole: true });
  return out;
}

function operators(f: ShapeField): Suggestion[] {
  const kind = types(f);
  const out: Suggestion[] = OPS.filter(([, , re]) => re.test(kind)).map(([op, what]) => ({ text: `${f.name} ${op} `, hint: what, whole: false }));
  if (f.name !== 'key') for (const what of ['exists', 'missing']) out.push({ text: `${f.name} ${what}`, hint: what === 'exists' ? 'the field is there' : 'the field is not there', whole: true });
  return out;
}

function values(f: ShapeField | undefined, name: string, op: string, typed: string): Suggestion[] {
  const low = typed.toLowerCase();
  const known = f?.types['boolean'] ? ['true', 'false'] : (f?.examples ?? []);
  const out = known
    .filter((x) => x !== '' && x.toLowerCase().includes(low) && x !== typed)
    .slice(0, MAX)
    .map((x) => ({ text: `${name} ${op} ${x}`, hint: 'met in this store', whole: true }));
  if (f?.types['null'] && 'null'.startsWith(low)) out.push({ text: `${name} ${op} null`, hint: 'no value', whole: true });
  if (typed.trim()) out.unshift({ text: `${name} ${op} ${typed.trim()}`, hint: 'Enter', whole: true });
  return out;
}
