#!/bin/bash
# SPDX-License-Identifier: MIT
# The 63,664 records of the Debian package index through the command: in, out byte for byte, and positions as sort gives them.
# Without the test data (SOP_TESTDATA names its folder) a smaller set of made records takes their place.
# Usage: test_records.sh PATH-OF-SOP
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"
export LC_ALL=C

data=${SOP_TESTDATA:-$tests/../../shared/testdata}/debian-packages.ndjson.zst
if [ -r "$data" ] && command -v zstd >/dev/null; then
    zstd -dqc "$data" >packages.ndjson
    [ "$(wc -l <packages.ndjson)" = 63664 ] || fail "the test data has another number of records"
else
    echo "skipped: no package records at $data; made ones take their place"
    python3 - >packages.ndjson <<'PY'
import json, random
random.seed(3)
for n in random.sample(range(10**6), 8000):
    name = random.choice(["lib", "python3-", "golang-"]) + f"{n:x}" + random.choice(["", "-dev", "-doc"])
    print(json.dumps({"package": name, "size": {"download": n * 17, "installed_kib": n}, "depends": [{"name": "libc6", "constraint": None}] * (n % 4),
                      "summary": random.choice(["é", "日本", "plain"]) * (n % 50)}, ensure_ascii=False))
PY
fi
records=$(wc -l <packages.ndjson)
# The records in the order of their keys; the key is the first member of each.
cut -d'"' -f4 packages.ndjson | paste - packages.ndjson | sort -t$'\t' -k1,1 -s >sorted
cut -f1 sorted >keys
cut -f2- sorted >sorted.ndjson
[ "$(uniq keys | wc -l)" = "$records" ] || fail "the keys are not distinct"

# ---- in and out ----
works "$sop" import db packages packages.ndjson --key package --json
expect 0 "{\"imported\":$records,\"skipped\":0}" cat "$place/out"
works "$sop" export db packages --output out.ndjson
same sorted.ndjson out.ndjson "export of all records"
"$sop" scan db packages --keys-only >out.keys
same keys out.keys "the keys in order"
expect 0 "$records" "$sop" count db packages
shows sound "$sop" check db

# ---- positions ----
probe() { # LINE: rank, seek to rank and value of the key in that line, from 1
    local key
    key=$(sed -n "$1p" keys)
    expect 0 $(($1 - 1)) "$sop" rank db packages "$key"
    expect 0 "$key" "$sop" scan db packages --at-rank $(($1 - 1)) --limit 1 --keys-only
    "$sop" get db packages "$key" | cmp -s - <(sed -n "$1p" sorted.ndjson | tr -d '\n') || fail "the value of $key"
    expect 0 $((records - $1 + 1)) "$sop" count db packages --from "$key"
    expect 0 $(($1 - 1)) "$sop" count db packages --to "$key"
}
for part in 0 1 7 25 50 77 99; do probe $((1 + part * (records - 1) / 100)); done
probe "$records"
for prefix in lib lib32 python3- golang z; do
    expect 0 "$(grep -c "^$prefix" keys)" "$sop" count db packages --prefix "$prefix"
done
expect 0 "$(sed -n "$((1 + records / 2))p" keys)" "$sop" scan db packages --at 50% --limit 1 --keys-only

# ---- the same store out of pieces in another order, with updates and removes between, answers the same ----
shuf --random-source=<(yes) packages.ndjson >shuffled
lines=$((records / 4 + 1))
split -l $lines shuffled piece.
for piece in piece.*; do
    sed 's/^\({"package":"[^"]*"\).*/\1,"wrong":true}/' "$piece" >wrong
    works "$sop" import other packages wrong --key package --quiet
    works "$sop" import other packages "$piece" --key package --replace --quiet
    works "$sop" put other packages "~stray $piece" '{}'
done
expect 0 "4 removed" "$sop" rm other packages --prefix "~stray"
works "$sop" export other packages --output other.ndjson
same sorted.ndjson other.ndjson "export of the store filled in pieces"
shows sound "$sop" check other
finish
