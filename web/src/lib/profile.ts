// SPDX-License-Identifier: MIT
// The profile of a column, gathered item by item: frequent values, range, histogram. Pure; memory is bounded.
import { format, get, isObj, Num, type J } from './json';
import { fromWire } from './value';

const DISTINCT_MAX = 20_000;
const NUMBERS_MAX = 100_000;
const BARS = 24;

export interface Bar {
  from: number;
  to: number;
  count: number;
}

export class Profile {
  count = 0;
  missing = 0;
  nulls = 0;
  empty = 0;
  readonly types = new Map<string, number>();
  /** More different values than are counted: then the frequent ones are a lower bound. */
  overflow = false;
  min: J | undefined;
  max: J | undefined;
  shortest = Infinity;
  longest = 0;
  private sum = 0;
  private numeric = 0;
  private readonly seen = new Map<string, number>();
  private readonly numbers: number[] = [];

  constructor(readonly path: string) {}

  add(wire: J): void {
    this.count++;
    const value = fromWire(wire);
    const v = this.path === '$value' ? value.v : value.form === 'json' && isObj(value.v) ? get(value.v, this.path) : undefined;
    if (v === undefined) return void this.missing++;
    const type = v === null ? 'null' : Array.isArray(v) ? 'array' : v instanceof Num ? 'number' : isObj(v) ? 'object' : typeof v;
    this.types.set(type, (this.types.get(type) ?? 0) + 1);
    if (v === null) return void this.nulls++;
    if (v === '') this.empty++;
    this.tally(typeof v === 'string' ? v : format(v));
    if (v instanceof Num) this.number(v);
    else if (typeof v === 'string') this.text(v);
  }

  private tally(text: string): void {
    const key = text.length > 200 ? text.slice(0, 200) : text;
    const n = this.seen.get(key);
    if (n !== undefined) this.seen.set(key, n + 1);
    else if (this.seen.size < DISTINCT_MAX) this.seen.set(key, 1);
    else this.overflow = true;
  }

  private number(v: Num): void {
    const n = Number(v.text);
    if (!(this.min instanceof Num) || n < Number(this.min.text)) this.min = v;
    if (!(this.max instanceof Num) || n > Number(this.max.text)) this.max = v;
    if (!Number.isFinite(n)) return;
    this.sum += n;
    this.numeric++;
    // A uniform sample once there are too many: every number has the same chance to be in it.
    if (this.numbers.length < NUMBERS_MAX) this.numbers.push(n);
    else {
      const at = Math.floor(((this.numeric * 2654435761) % 4294967296) / 4294967296 * this.numeric);
      if (at < NUMBERS_MAX) this.numbers[at] = n;
    }
  }

  private text(v: string): void {
    this.shortest = Math.min(this.shortest, v.length);
    this.longest = Math.max(this.longest, v.length);
    if (this.min instanceof Num) return;
    if (typeof this.min !== 'string' || v < this.min) this.min = v;
    if (typeof this.max !== 'string' || v > this.max) this.max = v;
  }

  get distinct(): number {
    return this.seen.size;
  }
  get mean(): number | undefined {
    return this.numeric ? this.sum / this.numeric : undefined;
  }

  top(n = 12): { text: string; count: number }[] {
    return [...this.seen]
      .sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1))
      .slice(0, n)
      .map(([text, count]) => ({ text, count }));
  }

  histogram(): Bar[] {
    if (this.numbers.length < 2) return [];
    const min = this.numbers.reduce((a, b) => Math.min(a, b));
    const max = this.numbers.reduce((a, b) => Math.max(a, b));
    if (min === max) return [];
    const bars = Array.from({ length: BARS }, (_, i) => ({ from: min + ((max - min) * i) / BARS, to: min + ((max - min) * (i + 1)) / BARS, count: 0 }));
    for (const n of this.numbers) bars[Math.min(BARS - 1, Math.floor(((n - min) / (max - min)) * BARS))]!.count++;
    return bars;
  }
}
