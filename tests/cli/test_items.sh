#!/bin/bash
# SPDX-License-Identifier: MIT
# Items of a store: get, put, rm, scan with every option, count, rank; bytes in are bytes out.
# shellcheck disable=SC2016 # programs of other shells and languages stand in single quotes
# Usage: test_items.sh PATH-OF-SOP
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"

works "$sop" create db s
for key in b a c; do works "$sop" put db s $key "value of $key"; done

# ---- get and put ----
"$sop" get db s b >"$place/out" || fail "get"
printf 'value of b' | cmp -s - "$place/out" || fail "get prints $(od -c "$place/out" | head -3), not the very bytes"
json 'r == [{"key": "b", "value": "value of b"}]' "$sop" get db s b
refuse 3 'there is no key nope in store "s"' "$sop" get db s nope
refuse 3 'there is no store "nostore"' "$sop" get db nostore k
refuse 3 'there is no store "nostore"' "$sop" put db nostore k v
refuse 1 "key of 0 bytes" "$sop" put db s "" v
refuse 1 "key of 4097 bytes" "$sop" put db s "$(printf 'k%.0s' {1..4097})" v
works "$sop" put db s "$(printf 'k%.0s' {1..4096})" v
works "$sop" rm db s "$(printf 'k%.0s' {1..4096})"

expect 0 "" "$sop" put db s b "changed"
expect 0 "changed" "$sop" get db s b
refuse 1 'the key b is in store "s" already' "$sop" put db s b again --add
refuse 1 'the key b is in store "s" already' sh -c 'echo again | "$0" put db s b --add' "$sop"
expect 0 "changed" "$sop" get db s b
works "$sop" put db s empty ""
expect 0 "" "$sop" get db s empty
works "$sop" rm db s empty

# A value is taken as it is typed, a key with \xNN for a byte.
# shellcheck disable=SC1003
works "$sop" put db s 'k\x00\\' 'C:\\dir\x41\n'
# shellcheck disable=SC1003
expect 0 'C:\\dir\x41\n' "$sop" get db s 'k\x00\\'
# shellcheck disable=SC1003
expect 0 'k\x00\\' "$sop" scan db s --keys-only --prefix k
works "$sop" rm db s 'k\x00\x5c'
works "$sop" put db s -- --key --value
expect 0 --value "$sop" get db s -- --key
works "$sop" rm db s -- --key

# From standard input and from files, of every size around the pieces in which they are read.
for size in 0 1 2048 2049 1048575 1048576 1048577 3000000; do
    head -c $size /dev/urandom >value
    "$sop" put db s bytes <value || fail "put of $size bytes from standard input"
    "$sop" get db s bytes >value.out || fail "get of $size bytes"
    same value value.out "$size bytes through standard input"
    works "$sop" put db s bytes --file value
    "$sop" get db s bytes >value.out || fail "get of $size bytes"
    same value value.out "$size bytes from a file"
done
refuse 1 'the key bytes is in store "s" already' "$sop" put db s bytes --add --file value
"$sop" get db s bytes --offset 2999990 --size 100 | cmp -s - <(tail -c 10 value) || fail "get --offset beyond the end"
"$sop" get db s bytes --offset 1000 --size 2000 | cmp -s - <(tail -c +1001 value | head -c 2000) || fail "get --offset --size"
"$sop" get db s bytes --offset 4000000 | cmp -s - /dev/null || fail "get behind the end"
works "$sop" get db s bytes --json
works "$sop" rm db s bytes
refuse 1 nofile "$sop" put db s k --file nofile
refuse 3 "bytes" "$sop" get db s bytes
refuse 3 'there is no key bytes in store "s"' "$sop" rm db s bytes

# ---- scan ----
works "$sop" create db n
"$sop" import db n --key k --quiet < <(for i in $(seq -w 0 99); do echo "{\"k\":\"$i\"}"; done) || fail import
keys() { "$sop" scan db n --values-only "$@" | sed 's/.*:"\(.*\)"}/\1/' | tr '\n' ' '; }
expect 0 "00 01 " keys --limit 2
expect 0 "99 98 " keys --reverse --limit 2
expect 0 "" keys --limit 0
expect 0 "97 98 99 " keys --from 97
expect 0 "97 98 99 " keys --from 965
expect 0 "00 01 " keys --to 02
expect 0 "05 06 " keys --from 05 --to 07
expect 0 "06 05 " keys --from 05 --to 07 --reverse
expect 0 "" keys --from 07 --to 05
expect 0 "70 71 72 73 74 75 76 77 78 79 " keys --prefix 7
expect 0 "79 78 " keys --prefix 7 --reverse --limit 2
expect 0 "" keys --prefix x
expect 0 "42 43 " keys --at-rank 42 --limit 2
expect 0 "42 41 " keys --at-rank 42 --limit 2 --reverse
expect 0 "99 " keys --at-rank 99
expect 0 "" keys --at-rank 100
expect 0 "74 75 " keys --prefix 7 --at-rank 4 --limit 2
expect 0 "50 51 " keys --at 50% --limit 2
expect 0 "50 51 " keys --at 50 --limit 2
expect 0 "00 " keys --at 0% --limit 1
expect 0 "99 " keys --at 100%
expect 0 "75 " keys --prefix 7 --at 50% --limit 1
expect 0 "" keys --prefix x --at 50%
expect 0 $'a\nb\nc' "$sop" scan db s --keys-only
expect 0 $'value of a\nchanged\nvalue of c' "$sop" scan db s --values-only
expect 0 $'a\tvalue of a' "$sop" scan db s --limit 1
json 'r == [{"key": "a", "value": "value of a"}, {"key": "b", "value": "changed"}]' "$sop" scan db s --to c
json 'r == [{"key": "a"}, {"key": "b"}, {"key": "c"}]' "$sop" scan db s --keys-only
json 'r[0] == {"key": "07", "value": {"k": "07"}}' "$sop" scan db n --from 07 --limit 1
printf 'two\nlines\t\377' | "$sop" put db s raw
expect 0 'raw	two\x0alines\x09\xff' "$sop" scan db s --from raw
json 'r == [{"key": "raw", "value": {"$t": "bytes", "v": "dHdvCmxpbmVzCf8="}}]' "$sop" scan db s --from raw
works "$sop" rm db s raw
expect 0 "" "$sop" scan db s --from zzz
expect 0 "a" sh -c '"$0" scan db s --keys-only | head -n 1' "$sop"

# ---- count and rank ----
expect 0 3 "$sop" count db s
expect 0 100 "$sop" count db n
expect 0 10 "$sop" count db n --prefix 7
expect 0 2 "$sop" count db n --from 05 --to 07
expect 0 0 "$sop" count db n --from x
expect 0 '{"count":100}' "$sop" count db n --json
expect 0 42 "$sop" rank db n 42
expect 0 43 "$sop" rank db n 42x
expect 0 100 "$sop" rank db n x
expect 0 '{"rank":0}' "$sop" rank db n 00 --json

# ---- rm of ranges ----
expect 0 "10 removed" "$sop" rm db n --prefix 7
expect 0 '{"removed":2}' "$sop" rm db n --from 05 --to 07 --json
expect 0 "" "$sop" rm db n --from 98 --quiet
expect 0 "0 removed" "$sop" rm db n --prefix x
expect 0 86 "$sop" count db n
refuse 2 "a key, and a range" "$sop" rm db n 00 --prefix x

# ---- stores with duplicates ----
works "$sop" create db d --duplicates
for value in one two three; do works "$sop" put db d k $value; done
echo four | "$sop" put db d k || fail "put from standard input into a store with duplicates"
head -c 2000000 /dev/zero | "$sop" put db d k || fail "a large value in a store with duplicates"
expect 0 5 "$sop" count db d
expect 0 one "$sop" get db d k
works "$sop" rm db d k
expect 0 two "$sop" get db d k

# ---- a database that may only be read ----
cp -r db still
chmod -R a-w still
expect 0 "value of a" "$sop" get "file:still?read_only=1" s a
refuse 1 "read" "$sop" put "file:still?read_only=1" s a b
if [ "$(id -u)" = 0 ]; then
    chmod a+rx "$place" "$place/work"
    if setpriv --reuid=65534 --regid=65534 --clear-groups test -x "$sop"; then
        nobody() { setpriv --reuid=65534 --regid=65534 --clear-groups "$sop" "$@"; }
        expect 0 3 nobody count still s
        expect 0 "value of a" nobody get still s a
        shows sound nobody check still
        refuse 1 "" nobody put still s a b
        expect 0 "value of a" nobody get still s a
        mkdir closed && cp -r db closed/db && chmod 700 closed
        refuse 1 "closed" nobody ls closed/db
    else
        echo "skipped: another user cannot run $sop"
    fi
fi
finish
