#!/bin/bash
# SPDX-License-Identifier: MIT
# Each public header compiles alone, without a warning, as C99 and as C++11.
set -eu
cd "$(dirname "$0")/.."
flags=(-fsyntax-only -Wall -Wextra -Wpedantic -Werror -Iinclude)
for header in include/sop/*.h; do
    name=${header#include/}
    echo "#include \"$name\"" | gcc -std=c99 -Wstrict-prototypes -Wc++-compat "${flags[@]}" -x c -
    echo "#include \"$name\"" | g++ -std=c++11 -Wold-style-cast "${flags[@]}" -x c++ -
done
echo "headers: $(find include/sop -name '*.h' | wc -l) alone as C99 and as C++11"
