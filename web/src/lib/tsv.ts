// SPDX-License-Identifier: MIT
// Tab-separated text as spreadsheets put it on the clipboard. Pure.

export function formatTsv(rows: readonly (readonly string[])[]): string {
  return rows.map((r) => r.map(quote).join('\t')).join('\n');
}

function quote(cell: string): string {
  return /["\t\n\r]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell;
}

/** Parse; a quoted cell may span lines. A last line break ends the last row and starts no new one. */
export function parseTsv(text: string, tab = '\t'): string[][] {
  const rows: string[][] = [[]];
  let i = 0;
  if (text === '') return [];
  while (i <= text.length) {
    let cell = '';
    if (text[i] === '"') {
      i++;
      while (i < text.length && !(text[i] === '"' && text[i + 1] !== '"')) {
        if (text[i] === '"') i++;
        cell += text[i++];
      }
      i++;
    }
    while (i < text.length && text[i] !== tab && text[i] !== '\n' && text[i] !== '\r') cell += text[i++];
    rows.at(-1)!.push(cell);
    if (i >= text.length) break;
    if (text[i] === tab) {
      i++;
      continue;
    }
    i += text[i] === '\r' && text[i + 1] === '\n' ? 2 : 1;
    if (i >= text.length) break;
    rows.push([]);
  }
  return rows;
}

/** The clipboard laid over a selection: one cell fills all, a block repeats when it fits a whole number of times. */
export function layOver(block: readonly (readonly string[])[], height: number, width: number): string[][] {
  const h = block.length;
  const w = Math.max(...block.map((r) => r.length));
  const rows = height % h === 0 ? height : h;
  const cols = width % w === 0 ? width : w;
  return Array.from({ length: rows }, (_, r) => Array.from({ length: cols }, (_, c) => block[r % h]![c % w] ?? ''));
}
