// SPDX-License-Identifier: MIT
// What a row needs to know of the grid to paint itself.
import type { Range } from './types';

export type { CellView, Range } from './types';

export interface Selection2 {
  range: Range;
  focusRow: number;
  focusCol: number;
  pinned: number;
}
