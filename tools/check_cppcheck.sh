#!/bin/bash
# SPDX-License-Identifier: MIT
# cppcheck over the library and the programs.
# Usage: check_cppcheck.sh [CACHE_DIR]
set -eu
cd "$(dirname "$0")/.."
cache=()
[ -n "${1:-}" ] && mkdir -p "$1" && cache=("--cppcheck-build-dir=$1")
folders=(src)
[ -d programs/cli ] && folders+=(programs)
cppcheck --quiet --std=c11 --error-exitcode=1 --inline-suppr -j "$(nproc)" "${cache[@]}" \
    --enable=warning,performance,portability -D__GNUC__=12 -Iinclude -Isrc -Iprograms \
    --suppressions-list=tools/cppcheck.txt "${folders[@]}"
echo "cppcheck: clean"
