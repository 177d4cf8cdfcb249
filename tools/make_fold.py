#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes src/document/document_fold_table.c from CaseFolding.txt of the Unicode character database.

Usage: make_fold.py [CaseFolding.txt] (default: the one of Debian's package unicode-data)"""
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
source = Path(sys.argv[1] if len(sys.argv) > 1 else "/usr/share/unicode/CaseFolding.txt").read_text()
version = re.search(r"CaseFolding-([\d.]+)\.txt", source)[1]
pairs = [(int(a, 16), int(b, 16)) for a, b in re.findall(r"^([0-9A-F]+); [CS]; ([0-9A-F]+);", source, re.M)]
pairs.sort()

ranges = []  # first, last, stride, delta
for code, folded in pairs:
    delta = folded - code
    if ranges and ranges[-1][3] == delta:
        first, last, stride, _ = ranges[-1]
        step = code - last
        if step in (1, 2) and (first == last or stride == step):
            ranges[-1] = (first, code, step, delta)
            continue
    ranges.append((code, code, 1, delta))

rows = "".join(f"    {{0x{f:04x}, 0x{l:04x}, {s}, {d}}},\n" for f, l, s, d in ranges)
(ROOT / "src/document/document_fold_table.c").write_text(f"""/* SPDX-License-Identifier: MIT */
/* Simple case folding of Unicode {version} (statuses C and S), made by tools/make_fold.py. */
#include "document/document_fold.h"

const sop_document__fold_range sop_document__fold_ranges[] = {{
{rows}}};

const size_t sop_document__fold_range_count =
    sizeof sop_document__fold_ranges / sizeof sop_document__fold_ranges[0];
""")
print(f"{len(pairs)} characters in {len(ranges)} ranges")
