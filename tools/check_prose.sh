#!/bin/bash
# SPDX-License-Identifier: MIT
# Spelling, shell scripts, man pages, and words that may not land.
set -eu
cd "$(dirname "$0")/.."
files() { git ls-files -z "$@"; }

files | grep -zEv '(^tests/(fuzz/corpus|golden|data)/|^web/(browser|dev|dist|tests)/|package-lock.json|\.(bin|ndjson|zst|png)$)' |
    xargs -0 -r codespell --ignore-words tools/words.txt
files '*.sh' .ci/run bench/run bench/server | xargs -0 -r shellcheck -x
files 'docs/man/*' | xargs -0 -r mandoc -Tlint -W warning
if files '*.c' '*.h' '*.py' '*.sh' '*.cmake' | xargs -0 grep -nwE 'FIX''ME|XX''X'; then
    echo "prose: what must be mended is mended before it lands" >&2
    exit 1
fi
echo "prose: spelling, scripts and man pages are clean"
