#!/bin/bash
# SPDX-License-Identifier: MIT
# The same seed gives the same run, in another process at other addresses: the sums of the traces are equal, and differ between seeds.
# Usage: same_trace.sh SIM
set -eu
sums=()
for seed in 3 14 159 2653 58979; do
    first=$("$1" --seed "$seed" | grep "^seed $seed:")
    second=$("$1" --seed "$seed" --jobs 1 | grep "^seed $seed:")
    if [ "$first" != "$second" ]; then
        echo "seed $seed ran in two ways:"
        echo "  $first"
        echo "  $second"
        exit 1
    fi
    sums+=("${first##* }")
done
if [ "$(printf '%s\n' "${sums[@]}" | sort -u | wc -l)" != "${#sums[@]}" ]; then
    echo "different seeds gave the same run: ${sums[*]}"
    exit 1
fi
echo "same seed, same trace: ${sums[*]}"
