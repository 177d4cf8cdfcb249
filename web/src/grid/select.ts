// SPDX-License-Identifier: MIT
// Focus, selection and the keyboard model of the grid. Pure.
import type { Pos, Range } from './types';

export interface Selection {
  focus: Pos;
  anchor: Pos;
}

export interface Dims {
  rows: number;
  cols: number;
  page: number;
}

export interface Keys {
  key: string;
  ctrl: boolean;
  shift: boolean;
}

export function at(row: number, col: number): Selection {
  return { focus: { row, col }, anchor: { row, col } };
}

export function rangeOf(s: Selection): Range {
  return {
    top: Math.min(s.focus.row, s.anchor.row),
    bottom: Math.max(s.focus.row, s.anchor.row),
    left: Math.min(s.focus.col, s.anchor.col),
    right: Math.max(s.focus.col, s.anchor.col),
  };
}

export function cellsIn(r: Range): number {
  return (r.bottom - r.top + 1) * (r.right - r.left + 1);
}

export function clampTo(s: Selection, d: Dims): Selection {
  const fix = (p: Pos): Pos => ({
    row: Math.max(0, Math.min(d.rows - 1, p.row)),
    col: Math.max(0, Math.min(d.cols - 1, p.col)),
  });
  return { focus: fix(s.focus), anchor: fix(s.anchor) };
}

function target(p: Pos, k: Keys, d: Dims): Pos | null {
  const lastRow = d.rows - 1;
  const lastCol = d.cols - 1;
  switch (k.key) {
    case 'ArrowUp':
      return { row: k.ctrl ? 0 : p.row - 1, col: p.col };
    case 'ArrowDown':
      return { row: k.ctrl ? lastRow : p.row + 1, col: p.col };
    case 'ArrowLeft':
      return { row: p.row, col: k.ctrl ? 0 : p.col - 1 };
    case 'ArrowRight':
      return { row: p.row, col: k.ctrl ? lastCol : p.col + 1 };
    case 'PageUp':
      return { row: p.row - d.page, col: p.col };
    case 'PageDown':
      return { row: p.row + d.page, col: p.col };
    case 'Home':
      return { row: k.ctrl ? 0 : p.row, col: 0 };
    case 'End':
      return { row: k.ctrl ? lastRow : p.row, col: lastCol };
    default:
      return null;
  }
}

/** The selection after a key, or null when the key is not one of moving and selecting. */
export function onKey(s: Selection, k: Keys, d: Dims): Selection | null {
  if (d.rows === 0 || d.cols === 0) return null;
  const { focus } = s;
  if (k.ctrl && !k.shift && k.key.toLowerCase() === 'a')
    return { focus: { row: 0, col: 0 }, anchor: { row: d.rows - 1, col: d.cols - 1 } };
  if (k.key === ' ' && k.shift && !k.ctrl)
    return { focus: { row: focus.row, col: 0 }, anchor: { row: s.anchor.row, col: d.cols - 1 } };
  if (k.key === ' ' && k.ctrl && !k.shift)
    return { focus: { row: 0, col: focus.col }, anchor: { row: d.rows - 1, col: s.anchor.col } };
  const to = target(focus, k, d);
  if (!to) return null;
  const next = clampTo({ focus: to, anchor: k.shift ? s.anchor : to }, d);
  return next;
}

/** What the go-to box means: "#750,000", "50%", or a key. Rows are shown from 1. */
export function parseGoto(text: string, rows: number): { row: number } | { key: string } | null {
  const t = text.trim();
  if (t === '' || t === '#') return null;
  const row = /^#\s*([\d\s,._'’]+)$/.exec(t);
  if (row) {
    const n = Number(row[1]!.replace(/\D/g, ''));
    return { row: Math.max(0, Math.min(rows - 1, n - 1)) };
  }
  const percent = /^(\d+(?:[.,]\d+)?)\s*%$/.exec(t);
  if (percent) {
    const f = Math.min(1, Number(percent[1]!.replace(',', '.')) / 100);
    return { row: Math.max(0, Math.min(rows - 1, Math.floor(f * rows))) };
  }
  return { key: t };
}
