#!/bin/bash
# SPDX-License-Identifier: MIT
# Runs the stages of tests/pipeline.cmake in one ctest run, whose summary is the last thing printed.
# Usage: test.sh [check] [ARGUMENTS OF CTEST]
#   check          only the stages that run no program of ours
#   -R btree       only the tests with that name, and the builds they need
set -eu
cd "$(dirname "$0")/.."
root=$PWD
only=()
if [ "${1:-}" = check ]; then
    only=(-L '^(check|build|lint)$')
    shift
fi

mkdir -p build-test
for preset in dev clang asan tsan fuzz release; do
    if ! cmake --preset "$preset" >"build-test/configure-$preset.log" 2>&1; then
        cat "build-test/configure-$preset.log"
        exit 1
    fi
done
{
    echo "set(ROOT \"$root\")"
    cat tests/pipeline.cmake
} >build-test/CTestTestfile.cmake

# The thread sanitizer of gcc 12 needs an address space that is not shuffled too widely.
launch=()
setarch -R true 2>/dev/null && launch=(setarch -R)
exec "${launch[@]}" ctest --test-dir build-test -j "$(nproc)" --output-on-failure --no-tests=error "${only[@]}" "$@"
