#!/bin/bash
# SPDX-License-Identifier: MIT
# dump and load, backup and restore, check: what comes back is what was there; damage is named.
# Usage: test_copies.sh PATH-OF-SOP
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"

printf '{"id":%d,"n":"é"}\n' {1..500} >a.ndjson
works "$sop" import db numbers a.ndjson --key id
works "$sop" create db twice --duplicates --describe "equal keys"
for value in one two three; do works "$sop" put db twice 'k\x00\xff' $value; done
works "$sop" create db bytes --inline-max 64
for size in 0 1 64 65 5000 300000; do
    head -c $size /dev/urandom | "$sop" put db bytes "size $size" || fail "put $size bytes"
done
works "$sop" create db empty

# ---- dump and load ----
works "$sop" dump db --output all
shows "4 stores, 509 items loaded" "$sop" load loaded all
works "$sop" dump loaded --output again
same all again "dump, load, dump"
for size in 0 1 64 65 5000 300000; do
    "$sop" get db bytes "size $size" >want
    "$sop" get loaded bytes "size $size" >got
    same want got "a value of $size bytes after load"
done
json 'r[0]["attributes"]["description"] == "equal keys" and r[0]["allow_duplicates"]' "$sop" info loaded twice
json 'r[0]["inline_value_max"] == 64' "$sop" info loaded bytes
expect 0 '{"stores":1,"items":3}' sh -c "\"\$0\" dump db twice | \"\$0\" load one --json" "$sop"
expect 0 $'one\ntwo\nthree' "$sop" scan one twice --values-only
refuse 1 'there is a store "bytes" already; nothing was loaded' "$sop" load loaded all
refuse 3 'there is no store "nope"' "$sop" dump db nope
# Bad input: nothing is loaded, not even what stands before it.
for bad in '{"k":"a","v":"b"}' '{"store":"x"}' 'noise' '{"store":"x","attributes":""}\n{"k":"a"}' '{"store":"x","attributes":""}\n{"k":"","v":""}' \
    '{"store":"x","attributes":""}\n{"kx":"0","v":""}\n{"kx":"zz","v":""}'; do
    { cat all && printf '%b\n' "$bad"; } >bad
    printf '%b\n' "$bad" >alone
    refuse 1 "nothing was loaded" "$sop" load fresh bad
    refuse 1 "nothing was loaded" "$sop" load fresh alone
    [ ! -e fresh ] || fail "a refused load made a database"
done
refuse 1 nofile "$sop" load fresh nofile

# ---- dump of the files and of the log ----
json 'len(r) > 3 and all(set(x) == {"file", "offset", "length", "owner"} for x in r)' "$sop" dump db --map
shows "superblock" "$sop" dump db --map
json 'any(x["what"] == "insert" for x in r) and r[-1]["what"] == "commit"' "$sop" dump db --log 0

# ---- backup and restore ----
shows "copied to copy" "$sop" backup db copy
shows sound "$sop" check copy
refuse 1 "copy" "$sop" backup db copy
refuse 1 "copy" "$sop" restore db copy
cp -r copy untouched
shows "copied to back" "$sop" restore copy back
diff -r copy untouched >/dev/null || fail "restore changed the backup"
works "$sop" dump back --output again
same all again "backup, restore, dump"
json 'r[0]["bytes"] > 300000' "$sop" backup db copy2
expect 0 "" "$sop" backup db copy3 --quiet
works "$sop" info db --json
cp "$place/out" info.db
works "$sop" info back --json
cp "$place/out" info.back
python3 - <<'PY' || fail "a restored database keeps the id and gets a new incarnation"
import json
a, b = (json.load(open(name)) for name in ("info.db", "info.back"))
assert a["id"] == b["id"] and a["incarnation"] != b["incarnation"]
PY
refuse 1 "no/such" "$sop" backup db no/such/place

# A backup on a read-only medium.
mkdir medium
if [ "$(id -u)" = 0 ] && mount -t tmpfs -o size=16m tmpfs medium 2>/dev/null; then
    cp -r copy medium/copy
    mount -o remount,ro medium
    works "$sop" restore medium/copy from-medium
    works "$sop" dump from-medium --output again
    same all again "restore from a read-only medium"
    expect 0 500 "$sop" count medium/copy numbers
    refuse 1 "" "$sop" put medium/copy numbers 1 x
    umount medium
else
    echo "skipped: no read-only medium can be mounted here"
fi

# A full medium: what was there stays, and the error says so.
if [ "$(id -u)" = 0 ] && mount -t tmpfs -o size=4m tmpfs medium 2>/dev/null; then
    works "$sop" import medium/db numbers a.ndjson --key id
    head -c 6000000 /dev/zero >large
    refuse 1 "" "$sop" put medium/db numbers 777 --file large
    grep -qi "no space\|full" "$place/err" || fail "a full medium is not named: $(cat "$place/err")"
    refuse 1 "" "$sop" backup db medium/copy
    [ ! -e medium/copy ] || fail "a failed backup left something"
    expect 0 500 "$sop" count medium/db numbers
    shows sound "$sop" check medium/db
    umount medium
else
    echo "skipped: no small medium can be mounted here"
fi

# ---- check ----
shows "sound: 4 stores, " "$sop" check db
json 'r[-1]["findings"] == 0 and r[-1]["stores"] == 4 and r[-1]["bytes"] > 300000' "$sop" check copy
shows sound "$sop" check copy --quick
python3 - "$place" <<'PY'
import glob
text = b'"n":"\xc3\xa9"}'
path, data = next((p, bytearray(d)) for p in glob.glob("copy/seg/*") for d in [open(p, "rb").read()] if text in d)
at = data.index(text)
data[at] ^= 1
open(path, "wb").write(data)
PY
"$sop" check copy >"$place/out" 2>"$place/err"
status=$?
[ $status = 4 ] || fail "check of a damaged database: exit $status"
grep -q "seg/" "$place/out" || fail "check does not name the file: $(cat "$place/out")"
grep -q "copy is damaged: [1-9]" "$place/err" || fail "check does not sum up: $(cat "$place/err")"
"$sop" check copy --json >"$place/out" 2>"$place/err"
status=$?
[ $status = 4 ] || fail "check --json of a damaged database: exit $status"
python3 -c '
import json, sys
r = [json.loads(line) for line in open(sys.argv[1])]
assert r[0]["status"] == "SOP_CORRUPT" and "seg/" in r[0]["message"] and r[-1]["findings"] == len(r) - 1' "$place/out" ||
    fail "check --json: $(cat "$place/out")"
refuse 4 "seg/" "$sop" restore copy nowhere
[ ! -e nowhere ] || fail "restore of a damaged backup left something"
finish
