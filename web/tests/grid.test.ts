// SPDX-License-Identifier: MIT
// The grid core against a made source of 10^9 rows, and its pure parts.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { PageCache } from '../src/grid/cache';
import { columnWindow, layout, moved, resized, restored } from '../src/grid/columns';
import { Grid } from '../src/grid/grid';
import { ScrollMap } from '../src/grid/scroll';
import { at, onKey, parseGoto, rangeOf } from '../src/grid/select';
import type { Column, DataSource } from '../src/grid/types';

const BILLION = 1_000_000_000;

describe('ScrollMap', () => {
  it('is the identity for contents that browsers can lay out', () => {
    const map = new ScrollMap(32);
    map.resize(1000, 600);
    expect(map.scaled).toBe(false);
    map.onNative(777);
    expect(map.top).toBe(777);
    expect(map.native()).toBe(777);
  });

  it('reaches every row of 10^9 exactly', () => {
    const map = new ScrollMap(32);
    map.resize(BILLION, 640);
    expect(map.scaled).toBe(true);
    expect(map.height).toBe(8_000_000);
    for (const row of [0, 1, 499_999_999, 750_000_000, BILLION - 1]) {
      map.center(row);
      expect(row).toBeGreaterThanOrEqual(map.firstRow);
      expect(row).toBeLessThan(map.endRow);
    }
    map.to(Infinity);
    expect(map.endRow).toBe(BILLION);
    expect(map.native()).toBe(8_000_000 - 640);
  });

  it('takes small native moves as pixels and large ones as a drag of the thumb', () => {
    const map = new ScrollMap(32);
    map.resize(BILLION, 640);
    map.center(500_000_000);
    const start = map.native();
    map.synced(start);
    const top = map.top;
    map.onNative(start + 100);
    expect(map.top).toBe(top + 100);
    map.synced(map.native());
    map.onNative((8_000_000 - 640) / 4);
    expect(map.top / map.max).toBeCloseTo(0.25, 9);
    map.onNative(0);
    expect(map.top).toBe(0);
    map.onNative(8_000_000 - 640);
    expect(map.endRow).toBe(BILLION);
  });

  it('ignores the echo of its own scrollTop, which browsers round', () => {
    const map = new ScrollMap(32);
    map.resize(BILLION, 640);
    map.center(123_456_789);
    const top = map.top;
    const rounded = Math.round(map.native());
    map.synced(rounded);
    expect(map.onNative(rounded)).toBe(false);
    expect(map.top).toBe(top);
  });

  it('does not let a shrinking store leave the view behind its end', () => {
    const map = new ScrollMap(32);
    map.resize(10_000, 640);
    map.to(Infinity);
    map.resize(5, 640);
    expect(map.top).toBe(0);
    expect([map.firstRow, map.endRow]).toEqual([0, 5]);
    map.resize(0, 640);
    expect([map.firstRow, map.endRow]).toEqual([0, 0]);
  });
});

describe('PageCache', () => {
  const settle = (): Promise<void> => new Promise((r) => setTimeout(r));

  it('keeps the youngest pages and forgets the oldest', async () => {
    const cache = new PageCache<number>(async (s, n) => Array.from({ length: n }, (_, i) => s + i), vi.fn(), vi.fn(), {
      pageRows: 10,
      pagesMax: 3,
    });
    for (const row of [0, 10, 20, 5, 30]) {
      cache.want(row, row);
      await settle();
    }
    expect(cache.size).toBe(3);
    expect(cache.peek(7)).toBe(7);
    expect(cache.peek(10)).toBeUndefined();
    expect(cache.peek(39)).toBe(39);
  });

  it('aborts pages that are no longer wanted and never shows their late answers', async () => {
    const signals = new Map<number, AbortSignal>();
    const answers = new Map<number, (rows: number[]) => void>();
    const cache = new PageCache<number>(
      (s, _n, signal) => {
        signals.set(s, signal);
        return new Promise((r) => answers.set(s, r));
      },
      vi.fn(),
      vi.fn(),
      { pageRows: 10 },
    );
    cache.want(0, 9);
    cache.want(500, 509);
    expect(signals.get(0)!.aborted).toBe(true);
    expect(cache.loading).toBe(1);
    answers.get(0)!([1, 2, 3]);
    answers.get(500)!([7]);
    await settle();
    expect(cache.peek(0)).toBeUndefined();
    expect(cache.peek(500)).toBe(7);
  });

  it('shows old rows until stale pages are read again, and drops answers of before', async () => {
    let value = 1;
    const cache = new PageCache<number>(async () => [value], vi.fn(), vi.fn());
    cache.want(0, 0);
    await settle();
    value = 2;
    cache.stale();
    expect(cache.peek(0)).toBe(1);
    cache.want(0, 0);
    await settle();
    expect(cache.peek(0)).toBe(2);
  });

  it('reports a failed page once and waits before it asks again', async () => {
    const load = vi.fn(() => Promise.reject(new Error('down')));
    const onError = vi.fn();
    const cache = new PageCache<number>(load, vi.fn(), onError);
    cache.want(0, 0);
    await settle();
    cache.want(0, 0);
    expect(onError).toHaveBeenCalledTimes(1);
    expect(load).toHaveBeenCalledTimes(1);
    cache.want(0, 0, Date.now() + 5000);
    expect(load).toHaveBeenCalledTimes(2);
  });
});

const cols = (n: number): Column[] =>
  Array.from({ length: n }, (_, i) => ({ id: `c${i}`, title: `c${i}`, width: 100, pinned: i === 0 }));

describe('columns', () => {
  it('finds the visible window by search, at every position', () => {
    const l = layout(cols(200).map((c, i) => ({ ...c, width: 50 + ((i * 37) % 150) })));
    for (let x = 0; x < l.width; x += 97) {
      const { from, to } = columnWindow(l, x, 700);
      for (let c = l.pinned; c < 200; c++) {
        const seen = l.left[c]! + l.columns[c]!.width > x && l.left[c]! < x + 700;
        if (seen !== (c >= from && c < to)) expect.fail(`column ${c} at ${x}`);
      }
    }
  });

  it('resizes, moves, pins by place, and restores what was saved', () => {
    const all = cols(4);
    expect(resized(all, 'c1', 3).find((c) => c.id === 'c1')!.width).toBe(48);
    expect(moved(all, 'c3', 'c1').map((c) => c.id)).toEqual(['c0', 'c3', 'c1', 'c2']);
    expect(moved(all, 'c3', 'c0')[0]).toMatchObject({ id: 'c3', pinned: true });
    expect(moved(all, 'c0', null).at(-1)).toMatchObject({ id: 'c0', pinned: false });
    const back = restored(cols(4), [{ id: 'c2', width: 222 }, { id: 'gone' }, { id: 'c0', hidden: true }]);
    expect(back.map((c) => c.id)).toEqual(['c2', 'c0', 'c1', 'c3']);
    expect(back[0]!.width).toBe(222);
    expect(layout(back).columns.map((c) => c.id)).toEqual(['c2', 'c1', 'c3']);
  });
});

describe('keyboard model', () => {
  const d = { rows: BILLION, cols: 5, page: 20 };
  const press = (key: string, ctrl = false, shift = false) => (s = at(100, 2)) => onKey(s, { key, ctrl, shift }, d);

  it.each([
    ['ArrowUp', false, 99, 2],
    ['ArrowDown', true, BILLION - 1, 2],
    ['ArrowUp', true, 0, 2],
    ['ArrowLeft', true, 100, 0],
    ['ArrowRight', true, 100, 4],
    ['PageDown', false, 120, 2],
    ['PageUp', false, 80, 2],
    ['Home', false, 100, 0],
    ['End', false, 100, 4],
    ['Home', true, 0, 0],
    ['End', true, BILLION - 1, 4],
  ])('%s ctrl=%s', (key, ctrl, row, col) => {
    expect(press(key, ctrl)()!.focus).toEqual({ row, col });
  });

  it('extends with shift from the anchor and never leaves the grid', () => {
    let s = at(0, 0);
    s = onKey(s, { key: 'ArrowUp', ctrl: false, shift: false }, d)!;
    expect(s.focus.row).toBe(0);
    s = onKey(s, { key: 'PageDown', ctrl: false, shift: true }, d)!;
    s = onKey(s, { key: 'ArrowRight', ctrl: false, shift: true }, d)!;
    expect(rangeOf(s)).toEqual({ top: 0, bottom: 20, left: 0, right: 1 });
  });

  it('selects all, rows and columns, and leaves other keys alone', () => {
    expect(rangeOf(press('a', true)()!)).toEqual({ top: 0, bottom: BILLION - 1, left: 0, right: 4 });
    expect(rangeOf(press(' ', false, true)()!)).toEqual({ top: 100, bottom: 100, left: 0, right: 4 });
    expect(rangeOf(press(' ', true)()!)).toEqual({ top: 0, bottom: BILLION - 1, left: 2, right: 2 });
    expect(press('x')()).toBeNull();
    expect(onKey(at(0, 0), { key: 'End', ctrl: true, shift: false }, { rows: 0, cols: 0, page: 1 })).toBeNull();
  });

  it.each([
    ['#750,000', { row: 749_999 }],
    ['# 1', { row: 0 }],
    ['#0', { row: 0 }],
    ['#99999999999', { row: BILLION - 1 }],
    ['50%', { row: 500_000_000 }],
    ['100 %', { row: BILLION - 1 }],
    ['12.5%', { row: 125_000_000 }],
    ['user:7', { key: 'user:7' }],
    ['42', { key: '42' }],
    ['  ', null],
  ])('goes to %s', (text, want) => expect(parseGoto(text, BILLION)).toEqual(want));
});

describe('Grid over 10^9 made rows', () => {
  let host: HTMLElement;
  let loads: number[];
  let grid: Grid<number>;
  const settle = async (): Promise<void> => {
    grid.paint();
    await new Promise((r) => setTimeout(r, 5));
    grid.paint();
  };
  const source = (rows: number): DataSource<number> => ({
    rows,
    load: async (start, count) => {
      loads.push(start);
      return Array.from({ length: Math.min(count, rows - start) }, (_, i) => start + i);
    },
  });
  const edits: unknown[] = [];

  beforeEach(async () => {
    loads = [];
    edits.length = 0;
    vi.spyOn(HTMLElement.prototype, 'clientHeight', 'get').mockReturnValue(676);
    vi.spyOn(HTMLElement.prototype, 'clientWidth', 'get').mockReturnValue(1000);
    host = document.createElement('div');
    document.body.append(host);
    grid = new Grid<number>(host, {
      source: source(BILLION),
      columns: cols(200),
      label: 'made',
      cell: (_row, data, column) => ({ text: `${column.id}:${data}` }),
      editText: (_r, data) => String(data),
      onedit: (pos, text, all) => edits.push([pos, text, all]),
    });
    await settle();
  });
  afterEach(() => {
    grid.destroy();
    host.remove();
    vi.restoreAllMocks();
  });
  const el = (): HTMLElement => host.querySelector('[role=grid]')!;
  const key = (k: string, init: KeyboardEventInit = {}): void => {
    el().dispatchEvent(new KeyboardEvent('keydown', { key: k, bubbles: true, cancelable: true, ...init }));
  };
  const focused = (): string | null => document.getElementById(el().getAttribute('aria-activedescendant') ?? '')?.textContent ?? null;

  it('keeps a small DOM and tells the true counts', () => {
    expect(el().getAttribute('aria-rowcount')).toBe(String(BILLION + 1));
    expect(el().getAttribute('aria-colcount')).toBe('201');
    expect(host.querySelectorAll('.g-body *').length).toBeLessThan(1500);
    expect(focused()).toBe('c0:0');
  });

  it('shows the last row on Ctrl+End and the right row number beside it', async () => {
    key('End', { ctrlKey: true });
    await settle();
    expect(focused()).toBe(`c199:${BILLION - 1}`);
    const row = host.querySelector(`[aria-rowindex="${BILLION + 1}"]`)!;
    expect(row.querySelector('[role=rowheader]')!.textContent).toBe('1000000000');
    expect(loads.at(-1)).toBe(BILLION - 100);
  });

  it('jumps anywhere with exact rows, and recycles its row elements', async () => {
        for (const row of [750_000, 999_999_000, 3, 123_456_789]) {
      grid.goto(row);
      await settle();
      expect(focused()).toBe(`c0:${row}`);
    }
    expect(host.querySelectorAll('.g-row').length).toBeLessThanOrEqual(30);
  });

  it('scrolls by the wheel pixel by pixel although the bar is mapped', async () => {
    grid.goto(500_000_000);
    await settle();
    const top = grid.map.top;
    el().dispatchEvent(new WheelEvent('wheel', { deltaY: 3000, bubbles: true, cancelable: true }));
    expect(grid.map.top).toBe(top + 3000);
  });

  it('edits a cell: Enter opens, Escape cancels, Enter keeps, Ctrl+Enter is for the whole selection', () => {
    key('Enter');
    const input = (): HTMLInputElement => host.querySelector('input')!;
    const type = (k: string, init: KeyboardEventInit = {}): void => {
      input().dispatchEvent(new KeyboardEvent('keydown', { key: k, bubbles: true, cancelable: true, ...init }));
    };
    input().value = 'x';
    type('Escape');
    expect(edits).toEqual([]);
    key('7');
    expect(input().value).toBe('7');
    type('Enter');
    expect(edits).toEqual([[{ row: 0, col: 0 }, '7', false]]);
    key('F2');
    input().value = 'all';
    type('Enter', { ctrlKey: true });
    expect(edits[1]).toEqual([{ row: 1, col: 0 }, 'all', true]);
  });

  it('marks the selection for screen readers', async () => {
    key('ArrowDown', { shiftKey: true });
    key('ArrowRight', { shiftKey: true });
    await settle();
    expect(host.querySelectorAll('[aria-selected=true]').length).toBe(4);
  });

  it('survives a store that becomes empty', async () => {
    grid.setSource(source(0));
    await settle();
    expect(host.querySelectorAll('.g-row:not([hidden])').length).toBe(0);
    key('ArrowDown');
  });

  it('never makes markup of what is stored', async () => {
    grid.destroy();
    const evil = '<img src=x onerror=alert(1)>';
    grid = new Grid<number>(host, {
      source: source(3),
      columns: [{ id: 'a', title: evil, hint: evil, width: 100 }],
      label: evil,
      cell: () => ({ text: evil, badge: evil, error: evil }),
    });
    await settle();
    expect(host.querySelector('img')).toBeNull();
    expect(host.textContent).toContain(evil);
  });
});
