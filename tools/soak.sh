#!/bin/bash
# SPDX-License-Identifier: MIT
# The long figures: many more crash states, long fuzzing, large databases, other processors. Takes hours.
# Usage: soak.sh [STAGE...]   stages: tests sim fuzz aarch64 armhf (default: all, in this order)
set -eu
cd "$(dirname "$0")/.."
export SOP_SOAK=1 SOP_CRASH_STATES=200000
jobs=$(nproc)

build() {
    cmake --preset "$1" >/dev/null
    cmake --build "build-$1" -j "$jobs"
}

run() {
    echo "soak: $*"
    time ctest --output-on-failure --no-tests=error "$@"
}

# Every test of the dev build, with SOP_SOAK in its environment: the tests then use their large figures.
stage_tests() {
    build dev
    run --test-dir build-dev --timeout 28800
}

# Seeds that no run has tried before; a failing one prints the command that repeats it.
stage_sim() {
    build dev
    local half=$((${SOP_SIM_SECONDS:-7200} / 2))
    build-dev/tests/sim --first "$(date +%s)00000" --seconds "$half" --jobs "$jobs"
    build-dev/tests/sim --first "$(date +%s)00000" --seconds "$half" --jobs "$jobs" --processes 0
}

stage_fuzz() {
    build fuzz
    local target
    for target in build-fuzz/tests/fuzz_*; do
        if [ ! -f "$target" ] || [ ! -x "$target" ]; then continue; fi
        local parser=${target##*/fuzz_}
        echo "soak: fuzz $parser"
        mkdir -p "build-fuzz/soak/$parser"
        "$target" -max_total_time="${SOP_FUZZ_SECONDS:-1800}" -timeout=10 -rss_limit_mb=2048 -jobs="$jobs" \
            -workers="$jobs" "build-fuzz/soak/$parser" "tests/fuzz/corpus/$parser"
    done
}

# The unit tests of the release, built for another processor and run under qemu-user.
stage_foreign() {
    local preset=$1 architecture=$2 compiler=$3
    if ! dpkg --print-foreign-architectures | grep -qx "$architecture"; then
        if [ "$(id -u)" = 0 ]; then dpkg --add-architecture "$architecture"; else sudo dpkg --add-architecture "$architecture"; fi
    fi
    tools/setup.sh qemu-user "$compiler" "libc6-dev-$architecture-cross" "libxxhash-dev:$architecture" "libcmocka-dev:$architecture"
    build "$preset"
    # Under an emulator a test takes many times as long; the small figures have to do.
    (
        unset SOP_SOAK SOP_CRASH_STATES
        run --test-dir "build-$preset" -L unit --timeout 14400 -j "$jobs"
    )
}

stage_aarch64() { stage_foreign aarch64 arm64 gcc-aarch64-linux-gnu; }
stage_armhf() { stage_foreign armhf armhf gcc-arm-linux-gnueabihf; }

tools/setup.sh
[ $# -gt 0 ] || set -- tests sim fuzz aarch64 armhf
for stage in "$@"; do
    "stage_$stage"
done
echo "soak: done: $*"
