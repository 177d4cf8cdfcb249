// SPDX-License-Identifier: MIT
// Find and replace inside values: strings only, keys and numbers are never touched. Pure.
import { isObj, pointer, type J } from './json';

export interface Find {
  text: string;
  matchCase?: boolean;
  word?: boolean;
  /** Only these top-level fields; all when absent. */
  fields?: readonly string[];
}

export interface Hit {
  ptr: string;
  before: string;
  after: string;
  matches: number;
}

const escape = (s: string): string => s.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

export function matcher(f: Find): RegExp | null {
  if (f.text === '') return null;
  const body = f.word ? `(?<![\\p{L}\\p{N}_])${escape(f.text)}(?![\\p{L}\\p{N}_])` : escape(f.text);
  return new RegExp(body, `gu${f.matchCase ? '' : 'i'}`);
}

export function replaceIn(v: J, f: Find, by: string): Hit[] {
  const re = matcher(f);
  const out: Hit[] = [];
  if (!re) return out;
  const walk = (x: J, path: string[]): void => {
    if (typeof x === 'string') {
      let matches = 0;
      const after = x.replace(re, () => (matches++, by));
      if (matches) out.push({ ptr: pointer(path), before: x, after, matches });
    } else if (Array.isArray(x)) x.forEach((e, i) => walk(e, [...path, String(i)]));
    else if (isObj(x))
      for (const [k, e] of x) if (path.length || !f.fields || f.fields.includes(k)) walk(e, [...path, k]);
  };
  walk(v, []);
  return out;
}
