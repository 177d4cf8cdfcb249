// SPDX-License-Identifier: MIT
// JSON without loss: numbers stay the text they were written in, members keep their order and odd names.

/** A number as its text. Never a binary float. */
export class Num {
  constructor(readonly text: string) {}
  toString(): string {
    return this.text;
  }
}

export type Obj = Map<string, J>;
export type J = null | boolean | string | Num | J[] | Obj;

export class JsonError extends Error {
  constructor(
    message: string,
    readonly at: number,
  ) {
    super(`${message} at character ${at + 1}`);
  }
}

const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const DEPTH_MAX = 200;

/** The exact text of objects and arrays that were read with `keep`: written again byte for byte while untouched. */
const SOURCES = new WeakMap<object, string>();

class Reader {
  i = 0;
  depth = 0;
  constructor(
    readonly s: string,
    readonly keep: number,
  ) {}

  kept<T extends object>(v: T, start: number): T {
    if (this.depth < this.keep) SOURCES.set(v, this.s.slice(start, this.i));
    return v;
  }

  fail(message: string): never {
    throw new JsonError(message, this.i);
  }

  space(): void {
    while (this.i < this.s.length && ' \n\r\t'.includes(this.s[this.i]!)) this.i++;
  }

  value(): J {
    this.space();
    const c = this.s[this.i];
    if (c === '{') return this.object();
    if (c === '[') return this.array();
    if (c === '"') return this.string();
    if (c === 't') return this.word('true', true);
    if (c === 'f') return this.word('false', false);
    if (c === 'n') return this.word('null', null);
    NUMBER.lastIndex = this.i;
    const m = NUMBER.exec(this.s);
    if (!m) this.fail(c === undefined ? 'unexpected end' : `unexpected "${c}"`);
    this.i += m[0].length;
    return new Num(m[0]);
  }

  word<T extends J>(word: string, value: T): T {
    if (!this.s.startsWith(word, this.i)) this.fail(`expected ${word}`);
    this.i += word.length;
    return value;
  }

  string(): string {
    const start = this.i++;
    for (;;) {
      const c = this.s[this.i];
      if (c === undefined) this.fail('string without end');
      if (c < ' ') this.fail('control character in a string');
      if (c === '"') break;
      this.i += c === '\\' ? 2 : 1;
    }
    this.i++;
    try {
      return JSON.parse(this.s.slice(start, this.i)) as string;
    } catch {
      this.i = start;
      this.fail('bad escape in the string');
    }
  }

  enter(): void {
    this.i++;
    if (++this.depth > DEPTH_MAX) this.fail('nested too deeply');
    this.space();
  }

  /** After a member or element: true when another follows. */
  more(close: string): boolean {
    this.space();
    const c = this.s[this.i];
    if (c !== ',' && c !== close) this.fail(`expected "," or "${close}"`);
    this.i++;
    if (c === close) this.depth--;
    return c === ',';
  }

  array(): J[] {
    const start = this.i;
    this.enter();
    const out: J[] = [];
    if (this.s[this.i] === ']') {
      this.i++;
      this.depth--;
      return this.kept(out, start);
    }
    do out.push(this.value());
    while (this.more(']'));
    return this.kept(out, start);
  }

  object(): Obj {
    const start = this.i;
    this.enter();
    const out: Obj = new Map();
    if (this.s[this.i] === '}') {
      this.i++;
      this.depth--;
      return this.kept(out, start);
    }
    do {
      this.space();
      if (this.s[this.i] !== '"') this.fail('expected a member name');
      const name = this.string();
      this.space();
      if (this.s[this.i] !== ':') this.fail('expected ":"');
      this.i++;
      out.set(name, this.value());
    } while (this.more('}'));
    return this.kept(out, start);
  }
}

/** Read; objects and arrays down to level `keep` remember their exact text. */
export function parse(text: string, keep = 0): J {
  const r = new Reader(text, keep);
  const v = r.value();
  r.space();
  if (r.i < text.length) r.fail('text after the value');
  return v;
}

export function tryParse(text: string): J | undefined {
  try {
    return parse(text);
  } catch {
    return undefined;
  }
}

/** Write; `indent` spaces per level, 0 for one line. */
export function format(v: J, indent = 0, level = 0): string {
  if (v === null || typeof v === 'boolean') return String(v);
  if (typeof v === 'string') return JSON.stringify(v);
  if (v instanceof Num) return v.text;
  const source = indent ? undefined : SOURCES.get(v);
  if (source !== undefined) return source;
  const open = indent ? `\n${' '.repeat(indent * (level + 1))}` : '';
  const close = indent ? `\n${' '.repeat(indent * level)}` : '';
  const parts = Array.isArray(v)
    ? v.map((x) => open + format(x, indent, level + 1))
    : [...v].map(([k, x]) => `${open}${JSON.stringify(k)}:${indent ? ' ' : ''}${format(x, indent, level + 1)}`);
  const [a, b] = Array.isArray(v) ? '[]' : '{}';
  return parts.length ? a + parts.join(',') + close + b : `${a}${b}`;
}

export function isObj(v: J | undefined): v is Obj {
  return v instanceof Map;
}

/** Equal as JSON: numbers by their text, the order of members does not count. */
export function same(a: J | undefined, b: J | undefined): boolean {
  if (a === b) return true;
  if (a instanceof Num && b instanceof Num) return a.text === b.text;
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((x, i) => same(x, b[i]));
  if (isObj(a) && isObj(b))
    return a.size === b.size && [...a].every(([k, x]) => b.has(k) && same(x, b.get(k)));
  return false;
}

export function pointer(path: readonly string[]): string {
  return path.map((p) => `/${p.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
}

export function pathOf(ptr: string): string[] {
  if (ptr === '') return [];
  return ptr
    .slice(1)
    .split('/')
    .map((p) => p.replaceAll('~1', '/').replaceAll('~0', '~'));
}

function child(v: J | undefined, name: string): J | undefined {
  if (isObj(v)) return v.get(name);
  if (Array.isArray(v) && /^\d+$/.test(name)) return v[Number(name)];
  return undefined;
}

export function get(v: J | undefined, ptr: string): J | undefined {
  return pathOf(ptr).reduce<J | undefined>(child, v);
}

/** A copy with one place changed (undefined removes it); everything else is shared. */
export function set(v: J | undefined, ptr: string, to: J | undefined): J | undefined {
  return setAt(v, pathOf(ptr), to);
}

function setAt(v: J | undefined, path: string[], to: J | undefined): J | undefined {
  const [name, ...rest] = path;
  if (name === undefined) return to;
  const inner = setAt(child(v, name), rest, to);
  if (Array.isArray(v)) {
    const copy = [...v];
    if (inner === undefined) copy.splice(Number(name), 1);
    else copy[name === '-' ? copy.length : Number(name)] = inner;
    return copy;
  }
  const copy: Obj = new Map(isObj(v) ? v : []);
  if (inner === undefined) copy.delete(name);
  else copy.set(name, inner);
  return copy;
}

/** Plain objects for the structure of answers whose numbers are known to be small. */
export function obj(entries: Record<string, J | undefined>): Obj {
  return new Map(Object.entries(entries).filter((e): e is [string, J] => e[1] !== undefined));
}
