// SPDX-License-Identifier: MIT
// Files as rows and back: CSV, TSV, NDJSON and JSON, read piece by piece. Numbers stay the text they were written in. Pure.
import { format, get, isObj, Num, obj, parse, pathOf, tryParse, type J, type Obj } from './json';
import type { KeySpec } from './api';
import { cellText, fromWire, keyText, tupleParts } from './value';

export type Format = 'csv' | 'tsv' | 'ndjson' | 'json';
export type CellType = 'auto' | 'text' | 'number' | 'boolean' | 'json' | 'skip';
export const FORMATS: Format[] = ['csv', 'tsv', 'ndjson', 'json'];

export function guessFormat(name: string, head: string): Format {
  const ext = name.toLowerCase().split('.').pop();
  if (ext === 'csv' || ext === 'tsv' || ext === 'ndjson' || ext === 'json') return ext === 'json' && /^\s*\{[^\n]*\}\s*\n\s*\{/.test(head) ? 'ndjson' : ext;
  if (ext === 'jsonl') return 'ndjson';
  const t = head.trimStart();
  if (t.startsWith('[')) return 'json';
  if (t.startsWith('{')) return 'ndjson';
  return (head.split('\n')[0] ?? '').includes('\t') ? 'tsv' : 'csv';
}

/** Takes text piece by piece and gives the rows that are complete: cells of CSV and TSV, values of NDJSON and JSON. */
export class RowReader {
  private rest = '';
  private whole: string[] = [];
  line = 0;

  constructor(readonly format: Format) {}

  push(text: string): (string[] | J)[] {
    if (this.format === 'json') {
      this.whole.push(text);
      return [];
    }
    this.rest += text;
    return this.format === 'ndjson' ? this.lines(false) : this.cells(false);
  }

  end(): (string[] | J)[] {
    if (this.format === 'ndjson') return this.lines(true);
    if (this.format !== 'json') return this.cells(true);
    const v = parse(this.whole.join(''));
    if (Array.isArray(v)) return v;
    const lists = isObj(v) ? [...v.values()].filter(Array.isArray) : [];
    // {"name": [records]} is how many data sets are published.
    return lists.length === 1 && isObj(v) && v.size === 1 ? lists[0]! : [v];
  }

  private lines(last: boolean): J[] {
    const lines = this.rest.split('\n');
    this.rest = last ? '' : lines.pop()!;
    const out: J[] = [];
    for (const text of lines) {
      this.line++;
      if (text.trim() === '') continue;
      try {
        out.push(parse(text));
      } catch (e) {
        throw new Error(`line ${this.line.toLocaleString('en')}: ${e instanceof Error ? e.message : String(e)}`);
      }
    }
    return out;
  }

  /** RFC 4180, with the tab as another separator: a quoted cell may span lines. */
  private cells(last: boolean): string[][] {
    const s = this.rest;
    const sep = this.format === 'tsv' ? '\t' : ',';
    const rows: string[][] = [];
    let row: string[] = [];
    let i = 0;
    let begun = 0;
    while (i < s.length) {
      let cell = '';
      if (s[i] === '"') {
        const end = quoteEnd(s, i + 1);
        if (end < 0) break;
        cell = s.slice(i + 1, end).replaceAll('""', '"');
        i = end + 1;
      }
      const from = i;
      while (i < s.length && s[i] !== sep && s[i] !== '\n' && s[i] !== '\r') i++;
      cell += s.slice(from, i);
      if (i >= s.length || (s[i] === '\r' && i + 1 >= s.length)) {
        if (!last) break;
        row.push(cell);
        i = s.length;
        break;
      }
      row.push(cell);
      if (s[i] === sep) {
        i++;
        if (last && i >= s.length) row.push('');
        continue;
      }
      i += s[i] === '\r' && s[i + 1] === '\n' ? 2 : 1;
      rows.push(row);
      row = [];
      begun = i;
    }
    if (last && begun < s.length && s[begun] === '"' && row.length === 0) throw new Error(`row ${(this.line + rows.length + 1).toLocaleString('en')}: a quoted cell does not end`);
    if (last && row.length) rows.push(row);
    this.rest = last ? '' : s.slice(begun);
    this.line += rows.length;
    return rows.filter((r) => r.length > 1 || r[0] !== '');
  }
}

function quoteEnd(s: string, from: number): number {
  for (let i = s.indexOf('"', from); i >= 0; i = s.indexOf('"', i + 2)) if (s[i + 1] !== '"') return i;
  return -1;
}

/** The type of a column, from some of its cells. Leading zeros mean text: they would be lost in a number. */
export function guessType(cells: readonly string[]): CellType {
  const some = cells.filter((c) => c !== '');
  if (some.length === 0) return 'text';
  if (some.every((c) => tryParse(c) instanceof Num)) return 'number';
  if (some.every((c) => c === 'true' || c === 'false')) return 'boolean';
  if (some.every((c) => /^[[{]/.test(c) && typeof tryParse(c) === 'object')) return 'json';
  return 'text';
}

export function typedCell(cell: string, type: CellType): J {
  if (type === 'text' || type === 'skip') return cell;
  if (cell === '') return null;
  const v = tryParse(cell);
  const fits = type === 'number' ? v instanceof Num : type === 'boolean' ? typeof v === 'boolean' : v !== undefined;
  if (!fits) throw new Error(`“${cell.slice(0, 40)}” is not a ${type}`);
  return v!;
}

export function rowObject(names: readonly string[], types: readonly CellType[], cells: readonly string[]): Obj {
  const out: Obj = new Map();
  names.forEach((n, i) => types[i] !== 'skip' && cells[i] !== undefined && out.set(n, typedCell(cells[i], types[i] ?? 'text')));
  return out;
}

const BAD_TEXT = /[\u0000-\u001f\u007f]/;

/** The key of a record, from its fields, in the form that the store asks for. */
export function keyOfRecord(record: J, fields: readonly string[], spec: KeySpec): J {
  const parts = fields.map((f) => {
    const v = get(record, f);
    if (v === undefined || v === null || (typeof v === 'object' && !(v instanceof Num))) throw new Error(`field ${f.slice(1)} is missing, or is no text or number`);
    return v;
  });
  const asText = (v: J): string => (typeof v === 'string' ? v : format(v));
  const text = parts.map(asText).join('/');
  if (spec.form === 'text' || (spec.form !== 'tuple' && parts.length === 1 && typeof parts[0] === 'string' && !BAD_TEXT.test(text))) return text;
  return obj({ $t: 'tuple', v: parts.map((v, i) => part(v, spec.parts?.[i]?.type)) });
}

function part(v: J, type: string | undefined): J {
  const text = typeof v === 'string' ? v : format(v);
  if (type === 'string') return text;
  if (type === 'int') return new Num(text);
  if (type === 'uint') return obj({ $t: 'uint64', v: text });
  if (type === 'double' || type === 'uuid') return obj({ $t: type, v: text });
  if (v instanceof Num && !/^-?\d+$/.test(v.text)) return obj({ $t: 'double', v: v.text });
  return v;
}

// ---- export ---------------------------------------------------------------------------------------------------

export interface OutColumn {
  /** "$key", "$value" or a pointer. */
  id: string;
  title: string;
}

const csvCell = (text: string, sep: string): string => (/["\n\r]/.test(text) || text.includes(sep) ? `"${text.replaceAll('"', '""')}"` : text);

function outText(v: J | undefined): string {
  if (v === undefined || v === null) return '';
  return typeof v === 'string' ? v : format(v);
}

export function exportHead(f: Format, columns: readonly OutColumn[]): string {
  if (f === 'json') return '[\n';
  const sep = f === 'tsv' ? '\t' : ',';
  return f === 'ndjson' ? '' : `${columns.map((c) => csvCell(c.title, sep)).join(sep)}\n`;
}

export const exportTail = (f: Format): string => (f === 'json' ? '\n]\n' : '');

/** One item as a line of the file. With `keyed`, JSON lines are {"key": …, "value": …}. */
export function exportLine(f: Format, columns: readonly OutColumn[], k: J, wire: J, keyed: boolean, first: boolean): string {
  const value = fromWire(wire);
  if (f === 'json' || f === 'ndjson') {
    const line = keyed ? format(obj({ key: tupleParts(k) ?? k, value: wire })) : format(value.form === 'json' ? value.v : wire);
    return f === 'json' ? `${first ? '' : ',\n'}${line}` : `${line}\n`;
  }
  const sep = f === 'tsv' ? '\t' : ',';
  const cell = (c: OutColumn): string => {
    if (c.id === '$key') return keyText(k);
    if (c.id === '$value') return isObj(value.v) ? '' : outText(value.v);
    return value.form === 'json' ? outText(get(value.v, c.id)) : '';
  };
  return `${columns.map((c) => csvCell(cell(c), sep)).join(sep)}\n`;
}

export const fieldTitle = (ptr: string): string => pathOf(ptr).join('.');
export { cellText };
