#!/bin/bash
# SPDX-License-Identifier: MIT
# Databases and stores as a whole: create, ls, info, stat, rename, drop; who may make a database; exit codes.
# Usage: test_databases.sh PATH-OF-SOP
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"

# ---- nothing but create, import, load and restore makes a database ----
printf '{"id":1}\n' >good.ndjson
printf '{"id":\n' >bad.ndjson
cp -r . "$place/before"
for command in "ls typo" "info typo" "info typo s" "get typo s k" "put typo s k v" "rm typo s k" "rm typo s --prefix k" \
    "scan typo s" "count typo s" "rank typo s k" "export typo s" "check typo" "backup typo copy" "restore typo copy" \
    "stat typo" "dump typo" "dump typo s" "dump typo --map" "drop typo s --yes" "rename typo a b" "shell typo" \
    "bench typo"; do
    # shellcheck disable=SC2086
    refuse 3 typo "$sop" $command
done
refuse 1 "nofile" "$sop" import typo s nofile --key id
refuse 1 "bad.ndjson:1" "$sop" import typo s bad.ndjson --key id
refuse 1 "good.ndjson:1" "$sop" load typo good.ndjson
refuse 2 "--key" "$sop" import typo s good.ndjson
diff -r . "$place/before" >/dev/null || fail "something was created: $(ls)"

# ---- create ----
expect 0 "" "$sop" create db
refuse 1 "db: a database is there already" "$sop" create db
expect 0 "" "$sop" create db s
refuse 1 'there is a store "s" already' "$sop" create db s
expect 0 "" "$sop" create both made --duplicates --inline-max 100 --describe "two in one"
json 'r[0]["allow_duplicates"] and r[0]["inline_value_max"] == 100' "$sop" info both made
shows "two in one" "$sop" info both made
refuse 1 "inline_value_max" "$sop" create db large --inline-max 16385
refuse 2 "--inline-max" "$sop" create db large --inline-max much
refuse 2 "name is missing" "$sop" create other --duplicates
[ ! -e other ] || fail "a refused create made a database"
refuse 1 "sop:" "$sop" create db sop:mine
refuse 1 "cassandra" "$sop" create cassandra://host/keyspace
mkdir full && echo precious >full/file
refuse 1 "full" "$sop" create full
expect 0 precious cat full/file

# ---- ls ----
for name in apple "two words" Ærøskøbing 日本; do works "$sop" create db "$name"; done
works "$sop" put db s k v
expect 0 "\
store               items        size
apple                   0         0 B
s                       1         0 B
two words               0         0 B
Ærøskøbing              0         0 B
日本                    0         0 B" "$sop" ls db
json '[x["name"] for x in r] == ["apple", "s", "two words", "Ærøskøbing", "日本"] and r[1]["count"] == 1' "$sop" ls db
works "$sop" create empty
expect 0 "" "$sop" ls empty
expect 0 "" "$sop" ls empty --json

# ---- info and stat ----
json 'r[0]["url"] == "db" and r[0]["mode"] == "standalone" and r[0]["stores"] == 5 and r[0]["tip"] == r[0]["durable"]' \
    "$sop" info db
json 'r[0]["name"] == "s" and r[0]["count"] == 1 and r[0]["keys"] == "text"' "$sop" info db s
json 'r[0]["segments"] == 0 and r[0]["log_pending_bytes"] > 0' "$sop" stat db
shows "stores           5" "$sop" info db
shows "items           1" "$sop" info db s
shows "segments" "$sop" stat db
json 'r[0]["sync"] == "off"' "$sop" info "file:db?sync=off"
refuse 3 'there is no store "nope"' "$sop" info db nope
refuse 1 "sync" "$sop" info "file:db?sync=perhaps"

# ---- rename and drop ----
expect 0 "" "$sop" rename db apple pear
refuse 3 'there is no store "apple"' "$sop" rename db apple plum
refuse 1 'there is a store "s" already' "$sop" rename db pear s
refuse 2 "--yes" "$sop" drop db pear
expect 0 0 "$sop" count db pear
expect 0 "" "$sop" drop db pear --yes
refuse 3 'there is no store "pear"' "$sop" drop db pear --yes
refuse 3 'there is no store "pear"' "$sop" count db pear

# ---- wrong use: exit 2, one line that says what ----
refuse 2 "there is no command nonsense" "$sop" nonsense
refuse 2 "usage: sop get" "$sop" get db
refuse 2 "too many arguments" "$sop" ls db more
refuse 2 "unknown option --colour" "$sop" ls db --colour
refuse 2 "--limit many" "$sop" scan db s --limit many
refuse 2 "--limit -1" "$sop" scan db s --limit -1
refuse 2 "--limit needs a value" "$sop" scan db s --limit
refuse 2 "--reverse takes no value" "$sop" scan db s --reverse=yes
refuse 2 "--at 101%" "$sop" scan db s --at 101%
refuse 2 "--prefix with" "$sop" scan db s --prefix a --from b
refuse 2 "--keys-only with" "$sop" scan db s --keys-only --values-only
refuse 2 "--at with" "$sop" scan db s --at 5% --at-rank 3
refuse 2 "a key" "$sop" rm db s
refuse 2 "--format" "$sop" export db s --format xml
refuse 2 "a value and --file" "$sop" put db s k v --file good.ndjson
"$sop" >"$place/out" 2>&1
[ $? = 2 ] || fail "no command at all is not wrong use"

# ---- help ----
works "$sop" help
for command in create ls info get put rm scan count rank import export load check backup restore stat dump shell bench drop \
    rename; do
    shows "  $command " "$sop" help
    shows "usage: sop $command " "$sop" help "$command"
    shows "usage: sop $command " "$sop" "$command" --help
done
shows "sop " "$sop" --version

# ---- the man page tells every command and option that the command knows ----
for command in $("$sop" help | sed -n 's/^  \([a-z]*\)  *[A-Z[].*/\1/p'); do
    grep -q "^\.It Cm $command\( \|$\)" "$tests/../docs/man/sop.1" || fail "the man page leaves out $command"
    for option in $("$sop" help "$command" | sed -n 's/^  --\([a-z-]*\).*/\1/p'); do
        grep -q -- "Fl -$option\( \|$\)" "$tests/../docs/man/sop.1" || fail "the man page leaves out --$option of $command"
    done
done

# ---- results that cannot be written ----
if [ -e /dev/full ]; then
    expect 1 "" sh -c "\"\$0\" scan db s >/dev/full" "$sop"
    grep -q "No space left" "$place/err" || fail "a full output is not named: $(cat "$place/err")"
fi

# ---- a database that is damaged, or none at all ----
mkdir notes && echo text >notes/file
refuse 3 "notes" "$sop" ls notes
refuse 3 "good.ndjson" "$sop" ls good.ndjson
cp -r db broken
printf 'noise' | dd of=broken/SOP bs=1 seek=20 conv=notrunc 2>/dev/null
refuse 4 "SOP" "$sop" ls broken
finish
