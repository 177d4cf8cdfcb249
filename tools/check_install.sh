#!/bin/bash
# SPDX-License-Identifier: MIT
# Installs BUILD_DIR into a temporary prefix and uses it as a stranger would: pkg-config and CMake, C99 and C++11.
# Usage: check_install.sh BUILD_DIR
set -eu
build=$(realpath "$1")
cd "$(dirname "$0")/.."
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT

prefix=$place/usr
cmake --install "$build" --prefix "$prefix" >"$place/log" 2>&1 || { cat "$place/log" && exit 1; }
export PKG_CONFIG_PATH=$prefix/lib/pkgconfig LD_LIBRARY_PATH=$prefix/lib
read -ra shared < <(pkg-config --cflags --libs sop)
strict=(-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Werror)
programs=(tests/api/link_*.c)

missing=$(python3 - "${programs[@]}" <<'PY'
import re, sys
sys.path.insert(0, "tools")
sys.dont_write_bytecode = True
import sop_api
used = {name for path in sys.argv[1:] for name in re.findall(r"\b(sop_\w+)\(", open(path).read())}
print(" ".join(sorted({f.name for f in sop_api.functions()} - used)))
PY
)
[ -z "$missing" ] || { echo "install: ${programs[*]} do not use: $missing" >&2 && exit 1; }

for program in "${programs[@]}"; do
    name=$(basename "$program" .c)
    cc -std=c99 "${strict[@]}" "$program" "${shared[@]}" -o "$place/$name.c99"
    c++ -std=c++11 "${strict[@]}" -x c++ "$program" -x none "${shared[@]}" -o "$place/$name.cxx11"
    cc -std=c99 "$program" -I"$prefix/include" "$prefix/lib/libsop.a" -lxxhash -pthread -lm -o "$place/$name.static"
    for kind in c99 cxx11 static; do
        "$place/$name.$kind" memory: "memory:$name.$kind"
        "$place/$name.$kind" "$place/$name.$kind.db" "$place/$name.$kind.copy"
    done
done

mkdir "$place/consumer"
cp examples/hello.c "$place/consumer"
cat >"$place/consumer/CMakeLists.txt" <<'CM'
cmake_minimum_required(VERSION 3.25)
project(consumer LANGUAGES C)
find_package(sop 0.1 REQUIRED)
add_executable(hello_shared hello.c)
target_link_libraries(hello_shared PRIVATE sop::shared)
add_executable(hello_static hello.c)
target_link_libraries(hello_static PRIVATE sop::static)
CM
cmake -S "$place/consumer" -B "$place/consumer/build" -G Ninja -DCMAKE_PREFIX_PATH="$prefix" >"$place/log"
cmake --build "$place/consumer/build" >"$place/log" || { cat "$place/log" && exit 1; }
"$place/consumer/build/hello_shared"
"$place/consumer/build/hello_static"

for page in man1/sop.1 man3/sop.3 man5/sop.5; do
    [ -s "$prefix/share/man/$page" ] || { echo "install: $page is missing" >&2 && exit 1; }
done
# The command: where a shell looks for it, with its completion where bash-completion looks for that.
"$prefix/bin/sop" --version | grep -qx 'sop [0-9.]*' || { echo "install: no sop command" >&2 && exit 1; }
"$prefix/bin/sop" create "$place/made" && "$prefix/bin/sop" check "$place/made" --quiet >"$place/log"
completion=$prefix/share/bash-completion/completions/sop
bash -c ". '$completion' && complete -p sop" >"$place/log" || { echo "install: $completion completes nothing" >&2 && exit 1; }
echo "install: used through pkg-config and CMake, shared and static, as C99 and C++11"
