#!/bin/bash
# SPDX-License-Identifier: MIT
# Every tracked C file must look as clang-format 14 writes it. --fix rewrites instead of complaining.
set -eu
cd "$(dirname "$0")/.."
files() { git ls-files -z '*.c' '*.h'; }
if [ "${1:-}" = "--fix" ]; then
    files | xargs -0 -r clang-format-14 -i
    exit
fi
bad=$(files | xargs -0 -r -n 16 -P "$(nproc)" clang-format-14 --dry-run 2>&1 | sed -n 's/^\([^:]*\):.*clang-format-violations.*/\1/p' | sort | uniq -c)
if [ -n "$bad" ]; then
    printf 'format: run make format; places that differ, by file:\n%s\n' "$bad" >&2
    exit 1
fi
if files | xargs -0 grep -nE '^.{141,}' >&2; then
    echo "format: these lines are longer than 140" >&2
    exit 1
fi
if files | xargs -0 wc -l | awk '$1 > 800 && $2 != "total" { print; found = 1 } END { exit !found }' >&2; then
    echo "format: a file over 800 lines wants to be two files" >&2
    exit 1
fi
echo "format: every file is as clang-format 14 writes it"
