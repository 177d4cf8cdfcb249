// SPDX-License-Identifier: MIT
// Sample keys in the order in which a store with this key would keep them. Pure.
import type { KeyPart } from './api';

const SAMPLES: Record<string, string[]> = {
  int: ['-5', '3', '42'],
  uint: ['0', '7', '18446744073709551615'],
  double: ['-0.5', '1.25', '1e9'],
  string: ['Ada', 'Grace', 'grace'],
  bytes: ['00', '00ff', '7f'],
  bool: ['false', 'true'],
  uuid: ['0f1e…', '7a42…', 'c3d9…'],
};

/** Every combination of a few values of each part, sorted as the store sorts: part by part, descending ones turned round. */
export function sampleKeys(parts: readonly KeyPart[], max = 9): string[][] {
  const lists = parts.map((p) => {
    const all = SAMPLES[p.type] ?? SAMPLES['string']!;
    const some = parts.length > 2 ? all.slice(0, 2) : all;
    return p.descending ? [...some].reverse() : some;
  });
  let rows: string[][] = [[]];
  for (const list of lists) rows = rows.flatMap((r) => list.map((x) => [...r, x]));
  return rows.slice(0, max);
}
