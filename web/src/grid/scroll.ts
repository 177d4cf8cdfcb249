// SPDX-License-Identifier: MIT
// Maps the scroll bar of a native scroller to a content that may be taller than browsers can lay out.

/** Browsers stop at 17 to 33 million pixels; well below that all of them are exact. */
const LIMIT_PX = 8_000_000;

/**
 * The true position is `top`, in pixels of the whole content (10^9 rows of 32 px stay exact in a double).
 * Small native moves (wheel, touch, keys of the browser) move it pixel by pixel; large ones are drags of the
 * thumb and are mapped in proportion.
 */
export class ScrollMap {
  top = 0;
  private last = 0;
  private rows = 0;
  private view = 0;

  constructor(
    readonly rowHeight: number,
    private readonly limit = LIMIT_PX,
  ) {}

  resize(rows: number, viewHeight: number): void {
    this.rows = rows;
    this.view = Math.max(0, viewHeight);
    this.top = this.clamp(this.top);
    this.last = this.native();
  }

  /** Height of the whole content. */
  get content(): number {
    return this.rows * this.rowHeight;
  }

  /** Height to give to the spacer in the scroller. */
  get height(): number {
    return Math.min(this.content, Math.max(this.limit, this.view));
  }

  get max(): number {
    return Math.max(0, this.content - this.view);
  }

  private get nativeMax(): number {
    return Math.max(0, this.height - this.view);
  }

  get scaled(): boolean {
    return this.content > this.height;
  }

  get firstRow(): number {
    return Math.min(Math.max(0, this.rows - 1), Math.floor(this.top / this.rowHeight));
  }

  /** One past the last row that is at least partly visible. */
  get endRow(): number {
    return Math.min(this.rows, Math.ceil((this.top + this.view) / this.rowHeight));
  }

  /** Fully visible rows: a page of the keyboard. */
  get pageRows(): number {
    return Math.max(1, Math.floor(this.view / this.rowHeight) - 1);
  }

  /** The scrollTop that shows where `top` is. */
  native(): number {
    if (!this.scaled) return this.top;
    return this.max === 0 ? 0 : (this.top / this.max) * this.nativeMax;
  }

  private clamp(top: number): number {
    return Math.min(this.max, Math.max(0, top));
  }

  /** Tell that scrollTop was set by us, so that its echo is ignored. */
  synced(scrollTop: number): void {
    this.last = scrollTop;
  }

  to(top: number): void {
    this.top = this.clamp(top);
  }

  by(delta: number): void {
    this.to(this.top + delta);
  }

  /** A scroll event arrived. True when the position changed. */
  onNative(scrollTop: number): boolean {
    const delta = scrollTop - this.last;
    if (Math.abs(delta) < 1 && this.scaled) return false;
    const before = this.top;
    this.last = scrollTop;
    if (!this.scaled) this.to(scrollTop);
    else if (scrollTop <= 0) this.to(0);
    else if (scrollTop >= this.nativeMax - 1) this.to(this.max);
    else if (Math.abs(delta) <= 2 * this.view) this.by(delta);
    else this.to((scrollTop / this.nativeMax) * this.max);
    return this.top !== before;
  }

  /** Scroll as little as needed to show a row wholly. */
  reveal(row: number): void {
    const y = row * this.rowHeight;
    if (y < this.top) this.to(y);
    else if (y + this.rowHeight > this.top + this.view) this.to(y + this.rowHeight - this.view);
  }

  /** Put a row in the middle, unless it is visible already. */
  center(row: number): void {
    const y = row * this.rowHeight;
    if (y >= this.top && y + this.rowHeight <= this.top + this.view) return;
    this.to(y - (this.view - this.rowHeight) / 2);
  }
}
