// SPDX-License-Identifier: MIT
// Tagged values and keys of the wire, and how they look and are typed in.
import { format, isObj, Num, obj, parse, tryParse, type J } from './json';

export type Form = 'json' | 'text' | 'bytes' | 'big';

/** A stored value as the page holds it. */
export interface Value {
  form: Form;
  /** JSON; text as a string; bytes as base64url; of a big one its preview. */
  v: J;
  size?: number;
}

export function tagOf(v: J | undefined): string | undefined {
  const t = isObj(v) ? v.get('$t') : undefined;
  return typeof t === 'string' ? t : undefined;
}

export function fromWire(w: J): Value {
  const tag = tagOf(w);
  if (!isObj(w) || tag === undefined) return { form: 'json', v: w };
  if (tag === 'json') return { form: 'json', v: w.get('v') ?? null };
  if (tag === 'big') return { form: 'big', v: w.get('preview') ?? '', size: Number(w.get('size')) };
  if (tag === 'text' || tag === 'bytes') return { form: tag, v: w.get('v') ?? '' };
  return { form: 'json', v: w };
}

export function toWire(value: Value): J {
  if (value.form === 'text' || value.form === 'bytes') return obj({ $t: value.form, v: value.v });
  if (value.form === 'big') throw new Error('a value that was not read whole cannot be written');
  return isObj(value.v) && value.v.has('$t') ? obj({ $t: 'json', v: value.v }) : value.v;
}

export function b64url(bytes: Uint8Array): string {
  let s = '';
  for (const b of bytes) s += String.fromCharCode(b);
  return btoa(s).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '');
}

export function unb64url(text: string): Uint8Array {
  const s = atob(text.replaceAll('-', '+').replaceAll('_', '/'));
  return Uint8Array.from(s, (c) => c.charCodeAt(0));
}

export function hex(base64: string, max = Infinity): string {
  const bytes = unb64url(base64);
  const shown = [...bytes.subarray(0, max)].map((b) => b.toString(16).padStart(2, '0')).join(' ');
  return bytes.length > max ? `${shown} …` : shown;
}

export function unhex(text: string): string | undefined {
  const digits = text.replace(/^0x/i, '').replace(/\s+/g, '');
  if (digits.length % 2 || !/^[0-9a-f]*$/i.test(digits)) return undefined;
  return b64url(Uint8Array.from(digits.match(/../g) ?? [], (d) => parseInt(d, 16)));
}

/** The text by which a key is told apart in maps and indexes: its canonical JSON. */
export function keyId(k: J): string {
  return format(k);
}

export function keyToken(k: J): string {
  return b64url(new TextEncoder().encode(keyId(k)));
}

/** How a part of a tuple looks. */
function part(p: J): string {
  if (typeof p === 'string') return p;
  if (tagOf(p) === 'bytes' && isObj(p)) return hex(String(p.get('v')), 24);
  if (tagOf(p) !== undefined && isObj(p)) return String(p.get('v'));
  return format(p);
}

export function tupleParts(k: J): J[] | undefined {
  if (tagOf(k) !== 'tuple' || !isObj(k)) return undefined;
  const v = k.get('v');
  return Array.isArray(v) ? v : undefined;
}

export function keyText(k: J): string {
  const parts = tupleParts(k);
  if (parts) return parts.map(part).join(' · ');
  return part(k);
}

/** A key typed by a person, in the form of the keys around it. */
export function keyFromText(text: string, like: J | undefined): J {
  const t = text.trim();
  const tagged = t.startsWith('{') ? tryParse(t) : undefined;
  if (tagged !== undefined && tagOf(tagged) !== undefined) return tagged;
  const parts = like === undefined ? undefined : tupleParts(like);
  if (parts) {
    const words = parts.length === 1 ? [t] : t.split(/\s*[·|]\s*/);
    return obj({ $t: 'tuple', v: words.map((w, i) => typed(w, parts[i])) });
  }
  if (tagOf(like) === 'bytes') {
    const b = unhex(t);
    if (b !== undefined) return obj({ $t: 'bytes', v: b });
  }
  return t;
}

function typed(word: string, like: J | undefined): J {
  if (like instanceof Num && /^-?\d+$/.test(word)) return new Num(word);
  if (typeof like === 'boolean') return word === 'true';
  if (isObj(like)) return obj({ $t: tagOf(like), v: tagOf(like) === 'bytes' ? (unhex(word) ?? '') : word });
  return word;
}

/** A cell edited as text: keeps the type the field had when the text allows it. */
export function cellFromText(text: string, was: J | undefined): J {
  if (typeof was === 'string') return text;
  const json = tryParse(text);
  if (was === undefined || was === null) return json !== undefined && !(json instanceof Num && /^-?0\d/.test(text)) ? json : text;
  if (was instanceof Num && json instanceof Num) return json;
  if (typeof was === 'boolean' && typeof json === 'boolean') return json;
  if (typeof was === 'object' && json !== undefined) return json;
  return json === undefined ? text : json;
}

/** What a cell shows of a field. */
export function cellText(v: J | undefined): string {
  if (v === undefined) return '';
  if (typeof v === 'string') return v;
  if (Array.isArray(v)) return v.length > 8 || v.some((x) => typeof x === 'object' && !(x instanceof Num)) ? `[${v.length}]` : `[${v.map(cellText).join(', ')}]`;
  if (isObj(v)) return `{${[...v.keys()].slice(0, 4).join(', ')}${v.size > 4 ? ', …' : ''}}`;
  return format(v);
}

export function editTextOf(v: J | undefined): string {
  return v === undefined || v === null ? '' : typeof v === 'string' ? v : format(v);
}

export function sizeText(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  const units = ['kB', 'MB', 'GB', 'TB'];
  let n = bytes;
  let u = -1;
  while (n >= 1000 && u < units.length - 1) {
    n /= 1000;
    u++;
  }
  return `${n < 10 ? n.toFixed(1) : Math.round(n)} ${units[u]}`;
}

export { parse };
