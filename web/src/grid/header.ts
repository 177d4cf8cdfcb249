// SPDX-License-Identifier: MIT
// The header row: titles with types, resize handles, reorder by dragging.
import type { Layout } from './columns';

export interface HeaderEvents {
  resize(id: string, width: number, done: boolean): void;
  move(id: string, before: string | null): void;
  pick(col: number, extend: boolean): void;
  menu(id: string, anchor: HTMLElement): void;
  fit(id: string): void;
}

const DRAG_START_PX = 6;

export class Header {
  readonly el = document.createElement('div');
  private readonly mid = document.createElement('div');
  private readonly corner = document.createElement('div');
  /** By column; those that are scrolled away have none. */
  private cells: (HTMLElement | undefined)[] = [];
  private shown = { from: 0, to: 0 };
  private state: { l: Layout; gutter: number } | null = null;
  private clicked: { id: string; at: number } | null = null;
  private marker = document.createElement('div');

  constructor(private readonly events: HeaderEvents) {
    this.el.className = 'g-head';
    this.el.setAttribute('role', 'row');
    this.el.setAttribute('aria-rowindex', '1');
    this.corner.className = 'g-num g-corner';
    this.corner.setAttribute('role', 'columnheader');
    this.corner.textContent = '#';
    this.corner.setAttribute('aria-colindex', '1');
    this.mid.className = 'g-mid';
    this.mid.setAttribute('role', 'presentation');
    this.marker.className = 'g-drop';
    this.marker.hidden = true;
    this.marker.setAttribute('role', 'presentation');
  }

  render(l: Layout, gutter: number): void {
    this.state = { l, gutter };
    this.draw();
  }

  /** Only the columns [from, to) and the pinned ones have elements. */
  show(from: number, to: number): void {
    if (from === this.shown.from && to === this.shown.to) return;
    this.shown = { from, to };
    this.draw();
  }

  private draw(): void {
    if (!this.state) return;
    const { l, gutter } = this.state;
    const { from, to } = this.shown;
    this.el.replaceChildren(this.corner, this.mid, this.marker);
    this.mid.replaceChildren();
    this.corner.style.width = `${gutter}px`;
    this.mid.style.left = `${gutter + l.pinnedWidth}px`;
    this.cells = l.columns.map((_, col) => (col < l.pinned || (col >= from && col < to) ? this.cell(l, col, gutter) : undefined));
  }

  cellAt(col: number): HTMLElement | undefined {
    return this.cells[col];
  }

  private cell(l: Layout, col: number, gutter: number): HTMLElement {
    const column = l.columns[col]!;
    const el = document.createElement('div');
    const pinned = col < l.pinned;
    el.className = `g-th${pinned ? ' g-pin' : ''}${col === l.pinned - 1 ? ' g-edge' : ''}${column.align === 'right' ? ' right' : ''}`;
    el.setAttribute('role', 'columnheader');
    el.setAttribute('aria-colindex', String(col + 2));
    el.style.width = `${column.width}px`;
    el.style.left = `${(pinned ? gutter : 0) + l.left[col]!}px`;
    const title = document.createElement('b');
    title.textContent = column.title;
    el.append(title);
    if (column.hint) {
      const hint = document.createElement('small');
      hint.textContent = column.hint;
      el.append(hint);
    }
    if (column.sort) {
      el.setAttribute('aria-sort', column.sort === 'asc' ? 'ascending' : 'descending');
      const mark = document.createElement('i');
      mark.className = `g-sort ${column.sort}`;
      el.append(mark);
    }
    el.append(this.menuButton(column.id, column.title));
    const handle = document.createElement('i');
    handle.className = 'g-handle';
    el.append(handle);
    handle.addEventListener('pointerdown', (e) => this.startResize(e, column.id, column.width));
    el.addEventListener('pointerdown', (e) => this.startMove(e, l, col, gutter));
    el.addEventListener('contextmenu', (e) => {
      e.preventDefault();
      this.events.menu(column.id, el);
    });
    if (pinned) this.el.insertBefore(el, this.mid);
    else this.mid.append(el);
    return el;
  }

  private menuButton(id: string, title: string): HTMLElement {
    const b = document.createElement('button');
    b.className = 'g-menu';
    b.tabIndex = -1;
    b.setAttribute('aria-label', `Menu of ${title}`);
    b.setAttribute('aria-haspopup', 'menu');
    b.addEventListener('pointerdown', (e) => e.stopPropagation());
    b.addEventListener('click', () => this.events.menu(id, b));
    return b;
  }

  private startResize(e: PointerEvent, id: string, width: number): void {
    e.preventDefault();
    e.stopPropagation();
    const x0 = e.clientX;
    const move = (m: PointerEvent): void => this.events.resize(id, width + m.clientX - x0, false);
    const up = (m: PointerEvent): void => {
      removeEventListener('pointermove', move);
      const twice = m.clientX === x0 && this.clicked?.id === id && m.timeStamp - this.clicked.at < 400;
      this.clicked = { id, at: m.timeStamp };
      if (twice) this.events.fit(id);
      else this.events.resize(id, width + m.clientX - x0, true);
    };
    addEventListener('pointermove', move);
    addEventListener('pointerup', up, { once: true });
  }

  private startMove(e: PointerEvent, l: Layout, col: number, gutter: number): void {
    if (e.button !== 0) return;
    const x0 = e.clientX;
    const id = l.columns[col]!.id;
    let before: string | null | undefined;
    const move = (m: PointerEvent): void => {
      if (Math.abs(m.clientX - x0) < DRAG_START_PX && before === undefined) return;
      before = this.dropTarget(m.clientX, l);
      const box = this.el.getBoundingClientRect();
      const target = before === null ? undefined : this.cells[l.columns.findIndex((c) => c.id === before)];
      const last = this.cells.findLast((c) => c !== undefined);
      const x = target ? target.getBoundingClientRect().left : (last?.getBoundingClientRect().right ?? gutter);
      this.marker.hidden = false;
      this.marker.style.left = `${x - box.left - 1}px`;
    };
    const up = (): void => {
      removeEventListener('pointermove', move);
      this.marker.hidden = true;
      if (before === undefined) this.events.pick(col, e.shiftKey);
      else this.events.move(id, before);
    };
    addEventListener('pointermove', move);
    addEventListener('pointerup', up, { once: true });
  }

  private dropTarget(x: number, l: Layout): string | null {
    for (let col = 0; col < this.cells.length; col++) {
      const box = this.cells[col]?.getBoundingClientRect();
      if (box && x < box.left + box.width / 2) return l.columns[col]!.id;
    }
    return null;
  }
}
