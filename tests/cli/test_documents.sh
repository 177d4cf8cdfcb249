#!/bin/bash
# SPDX-License-Identifier: MIT
# Documents on the command line: find, explain, update, delete, index, schema; on the package records (made ones without the test
# data) 30 filters find what another program finds, and killed builds and changes go on.
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh" "$1"
export LC_ALL=C

# ---- a small store ----
works "$sop" create db things --key '{"path":"id","type":"int64"}' --rules '[{"path":"name","type":"string","required":true}]'
printf '%s\n' '{"id":10,"name":"ten","v":1.50,"tags":["a","b"]}' '{"id":9,"name":"nine, \"9\"","v":2}' '{"id":-1,"name":"","v":null}' >small
expect 0 "3 imported" "$sop" import db things small
expect 0 '{"key":-1,"value":{"id":-1,"name":"","v":null}}
{"key":9,"value":{"id":9,"name":"nine, \"9\"","v":2}}
{"key":10,"value":{"id":10,"name":"ten","v":1.50,"tags":["a","b"]}}' "$sop" find db things --json
expect 0 "id  name  v
10  ten   1.50" "$sop" find db things 'tags has "a"' --fields id,name,v
expect 0 $'id,name,v\r\n-1,"",\r\n9,"nine, ""9""",2\r\n10,ten,1.50\r' "$sop" find db things --fields id,name,v --csv
expect 0 2 "$sop" find db things 'v exists and not v is null' --count
refuse 1 "filter, character 5" "$sop" find db things 'v = '
printf '%s\n' '{"id":11}' >bad
refuse 1 "bad:1: document, field name: it is required; nothing was imported" "$sop" import db things bad
refuse 1 "the key is in the store already" "$sop" import db things small
expect 0 "3 imported" "$sop" import db things small --replace
refuse 3 "there is no store" "$sop" find db nothing
works "$sop" create db raw
refuse 1 "is not a document store" "$sop" find db raw

# ---- pages ----
"$sop" find db things --limit 2 --json >page 2>hint
expect 0 2 grep -c key page
position=$(sed -n 's/.*--after //p' hint)
expect 0 '{"key":10,"value":{"id":10,"name":"ten","v":1.50,"tags":["a","b"]}}' "$sop" find db things --after "$position" --json

# ---- indexes ----
works "$sop" index db things --create v --on v:decimal:desc
works "$sop" index db things --create '{"name":"tag","unique":true,"fields":{"path":"tags[*]","type":"string"}}'
shows '"read":"v"' "$sop" explain db things 'v > 1' --index v --json
json 'r[0]["name"] == "v" and r[0]["entries"] == 2 and r[1]["unique"] and r[1]["entries"] == 2' "$sop" index db things
expect 0 "id
9
10" "$sop" find db things --order v --fields id
printf '%s\n' '{"id":12,"name":"x","tags":["b"]}' >bad
refuse 1 'index "tag" is unique, and document 10 has this value already' "$sop" import db things bad
works "$sop" index db things --drop tag
refuse 3 "there is no index" "$sop" index db things --drop tag
refuse 2 "needs --on" "$sop" index db things --create w
json 'r[0]["key"] == {"path":"id","type":"int64"} and len(r[0]["indexes"]) == 1' "$sop" schema db things
json 'r[0]["count"] == 3 and r[0]["error"] == 0 and [f for f in r[0]["fields"] if f["path"] == "tags[*]"][0]["types"] == {"string": 2}' "$sop" schema db things --shape

# ---- changes ----
json 'r[0]["matched"] == 2 and r[0]["changed"] == 2 and r[0]["samples"][0]["after"]["v"] == 7' "$sop" update db things 'set v = 7' --where 'id > 0'
expect 0 0 "$sop" find db things 'v = 7' --count
expect 0 "2 changed in 1 transaction" "$sop" update db things 'set v = 7' 'replace "e" with "E" in name' 'unset tags' --where 'id > 0' --yes
expect 0 '{"key":10,"value":{"id":10,"name":"tEn","v":7}}' "$sop" find db things 'id = 10' --json
refuse 1 "document 9: document, field name" "$sop" update db things 'set name = 5' --where 'id > 0' --yes
refuse 2 "set PATH = JSON" "$sop" update db things 'put v' --where true
refuse 2 "--where FILTER" "$sop" delete db things --yes
expect 0 "1 removed in 1 transaction" "$sop" delete db things --where 'id < 0' --yes
expect 0 2 "$sop" find db things --count
shows sound "$sop" check db

# ---- dump and load ----
works "$sop" dump db --output dumped
expect 0 "2 stores, 2 items loaded" "$sop" load again dumped
works "$sop" dump again --output twice
same dumped twice "what was loaded, dumped again"
expect 0 "id
9
10" "$sop" find again things --order v --fields id
refuse 1 "it is required" sh -c "echo '{\"id\":3}' | \"\$0\" import again things" "$sop"
shows sound "$sop" check again

# ---- the package records ----
data=${SOP_TESTDATA:-$tests/../../shared/testdata}/debian-packages.ndjson.zst
if [ -r "$data" ] && command -v zstd >/dev/null; then
    zstd -dqc "$data" >packages.ndjson
else
    echo "skipped: no package records at $data; made ones take their place"
    python3 - >packages.ndjson <<'PY'
import json, random
random.seed(5)
for n in random.sample(range(10**6), 8000):
    name = random.choice(["lib", "python3-", "golang-", "vim-", "zs"]) + f"{n:x}"
    record = {"package": name, "version": f"{n % 30}.{n % 7}-{n % 3}", "section": random.choice(["games", "libs", "net", "mail", "editors"]),
              "priority": random.choice(["optional", "optional", "required"]), "architecture": random.choice(["all", "amd64"]),
              "maintainer": random.choice(["Debian Games Team", "A"]), "size": {"download": n * 1700 % 10**9, "installed_kib": n % 3000},
              "depends": [{"name": random.choice(["libc6", "python3"]), "constraint": None}] * (n % 3),
              "tags": random.sample(["role::program", "interface::x11", "game::a"], n % 4), "summary": random.choice(["SQL database", "x"])}
    if n % 2:
        record["homepage"] = "http://x"
    print(json.dumps(record))
PY
fi
records=$(wc -l <packages.ndjson)
expect 0 "{\"imported\":$records,\"skipped\":0}" "$sop" import db packages packages.ndjson --key '{"path":"package","type":"string"}' --json
python3 "$tests/cli/filters.py" answers packages.ndjson

# ask HOW [OPTION...]: all filters, each by its answer
ask() {
    local how=$1 n=0 filter
    shift
    while IFS= read -r filter; do
        n=$((n + 1))
        "$sop" find db packages "$filter" --fields package --csv "$@" | tr -d '\r' | sed 1d >found
        same found "answer.$n" "$filter, $how"
    done < <(python3 "$tests/cli/filters.py" texts)
    expect 0 30 echo "$n"
}
ask "without indexes"
works "$sop" index db packages --create section --on section:string,size.download:int64
works "$sop" index db packages --create size --on size.download:decimal:desc
works "$sop" index db packages --create tag --on 'tags[*]:string'
works "$sop" index db packages --create needs --on 'depends[*].name:string'
works "$sop" index db packages --create '{"name":"who","fields":{"path":"maintainer","type":"string","nocase":true}}'
works "$sop" index db packages --create rare --on priority:string --where 'priority != "optional"'
ask "with indexes"

# ---- killed in the middle ----
head -20000 packages.ndjson >fewer
records=$(wc -l <fewer)
works "$sop" import kills packages fewer --key '{"path":"package","type":"string"}'
# die SECONDS COMMAND...: runs it and kills it the hard way after a while
die() {
    local after=$1
    shift
    "$@" >/dev/null 2>&1 &
    local pid=$!
    sleep "$after"
    kill -9 "$pid" 2>/dev/null
    wait "$pid" 2>/dev/null
}
killed=0
for after in 0.05 0.1 0.2 0.3 0.5; do
    die $after "$sop" index kills packages --create "late$after" --on 'depends[*].name:string,package:string'
    shows sound "$sop" check kills
    "$sop" index kills packages >list
    grep -q "^late$after  *building" list && killed=$((killed + 1))
    works "$sop" index kills packages --resume
    "$sop" index kills packages | grep -q building && fail "late$after is still being built"
    shows sound "$sop" check kills
done
echo "$killed of 5 builds were killed on the way"

for after in 0.05 0.1 0.2 0.3 0.5; do
    die $after "$sop" update kills packages "set late = $after" --where 'package exists' --yes --at-once 10 --chunk 500
    shows sound "$sop" check kills
    job=$("$sop" update kills --jobs --json | sed -n 's/.*"job":"\([0-9a-f]*\)".*/\1/p')
    [ -n "$job" ] || continue
    killed=$((killed + 1))
    done=$("$sop" find kills packages "late = $after" --count)
    json "r[0]['changed'] == $done" sh -c "\"$sop\" update kills --jobs --json | sed 's/^.//;s/.\$//' #"
    works "$sop" update kills --resume "$job"
    expect 0 "$records" "$sop" find kills packages "late = $after" --count
    expect 0 "[]" "$sop" update kills --jobs --json
done
shows sound "$sop" check db
[ "$killed" != 0 ] || fail "nothing was killed on its way: the times are too long or too short for this machine"
finish
