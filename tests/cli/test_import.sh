#!/bin/bash
# SPDX-License-Identifier: MIT
# import and export: formats, keys, bad records, all or nothing, and the very bytes back.
# shellcheck disable=SC2016 # programs of other shells and languages stand in single quotes
# Usage: test_import.sh PATH-OF-SOP
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"

# ---- formats, by name, by option and by what is in them ----
printf '{"id":"x","n":1}\n{"id":"y","n":  2}\n' >a.ndjson
printf '[{"id":"x","n":1},\n {"id":"y","n":  2}]' >a.json
printf 'id,name\nx,"one, ""two"""\ny,three\n' >a.csv
printf 'id\tname\nx\tone, "two"\ny\tthree\n' >a.tsv
for format in ndjson json csv tsv; do
    expect 0 "2 imported" "$sop" import db $format a.$format --key id
    expect 0 "2 imported" sh -c "\"\$0\" import db piped-$format --key id --format $format <a.$format" "$sop"
    expect 0 "2 imported" sh -c "\"\$0\" import db dash-$format - --key id --format $format <a.$format" "$sop"
    cp a.$format plain-$format
    [ $format = tsv ] || expect 0 "2 imported" "$sop" import db plain-$format plain-$format --key id
done
expect 0 '{"imported":2,"skipped":0}' "$sop" import db again a.ndjson --key id --json
expect 0 "" "$sop" import db quiet a.ndjson --key id --quiet
expect 0 '{"id":"y","n":  2}' "$sop" get db ndjson y
expect 0 '{"id":"y","n":  2}' "$sop" get db json y
expect 0 '{"id":"x","name":"one, \"two\""}' "$sop" get db csv x
expect 0 '{"id":"x","name":"one, \"two\""}' "$sop" get db tsv x
printf '\xef\xbb\xbfid,a,b\r\n1,2.50,\r\n2,"03",-1e3\r\n"3","two\nlines",null\r\n' >win.csv
expect 0 "3 imported" "$sop" import db win win.csv --key id
expect 0 '{"id":"3","a":"two\nlines","b":"null"}
{"id":1,"a":2.50,"b":""}
{"id":2,"a":"03","b":-1e3}' "$sop" export db win
expect 0 "3 imported" "$sop" import db text win.csv --key id --text
expect 0 '{"id":"1","a":"2.50","b":""}' "$sop" get db text 1
expect 0 "3 imported" "$sop" import db bare a.csv --key c1 --no-header
expect 0 '{"c1":"id","c2":"name"}' "$sop" get db bare id
printf '\n\n{"id":"a"}\r\n   \n\t{"id":"b"}  \n' >spaced.ndjson
expect 0 "2 imported" "$sop" import db spaced spaced.ndjson --key id
expect 0 $'{"id":"a"}\n{"id":"b"}' "$sop" export db spaced
printf '' >none
expect 0 "0 imported" "$sop" import db none none --key id
expect 0 0 "$sop" count db none
printf '[]' >none.json
expect 0 "0 imported" "$sop" import db none-json none.json --key id

printf '{\n  "names": [\n    {"id":"a"},\n    {"id":"b"}\n  ]\n}\n' >wrapped.json
expect 0 "2 imported" "$sop" import db wrapped wrapped.json --key id
printf '{"at":1,"result":{"items":[{"id":"a"},{"id":"b"},{"id":"c"}]}}' >deep.json
expect 0 "3 imported" "$sop" import db deep deep.json --key id --records result.items
expect 0 "3 imported" "$sop" import db deep2 deep.json --key id --records /result/items
refuse 1 "deep.json: there is no array where --records says" "$sop" import db deep3 deep.json --key id --records result
refuse 1 "deep.json: line 1: not an array of records" "$sop" import db deep3 deep.json --key id --format json
expect 0 "1 imported" "$sop" import db deep4 deep.json --key at

# ---- keys: fields inside objects, numbers, several fields; order by value ----
printf '%s\n' '{"c":"NO","y":2026,"n":10,"o":{"z":"p.q","/":1}}' '{"c":"DE","y":1990,"n":9,"o":{"z":"a","/":2}}' \
    '{"c":"NO","y":2026,"n":9,"o":{"z":"b","/":3}}' '{"c":"NO","y":-5,"n":1.5,"o":{"z":"c","/":4}}' >orders.ndjson
printf '{"n":%s}\n' 10 9 -3 18446744073709551615 >whole.ndjson
works "$sop" import db whole whole.ndjson --key n
expect 0 $'[-3]\n[9]\n[10]\n[18446744073709551615]' "$sop" scan db whole --keys-only
echo '{"n":1.5}' >half.ndjson
refuse 1 'half.ndjson:1: key field n is no whole number' "$sop" import db whole half.ndjson --key n
printf '{"n":%s}\n' 10 9 x -3.25 1e30 1.5 123456789012345678901 >mixed.ndjson
works "$sop" import db mixed mixed.ndjson --key n --skip-bad skipped
expect 0 1 sh -c 'wc -l <skipped'
expect 0 $'[-3.25]\n[1.5]\n[9]\n[10]\n[123456789012345678901]\n[1e30]' "$sop" scan db mixed --keys-only
expect 0 '{"n":9}' "$sop" get db mixed 9
expect 0 2 "$sop" rank db mixed 9.0
works "$sop" import db mixed half.ndjson --key n --replace
works "$sop" import db orders orders.ndjson --key c,y,n
expect 0 '["DE",1990,9]
["NO",-5,1.5]
["NO",2026,9]
["NO",2026,10]' "$sop" scan db orders --keys-only
json 'r[0]["key"] == ["DE", 1990, 9] and r[0]["value"]["y"] == 1990' "$sop" scan db orders
expect 0 3 "$sop" count db orders --prefix NO
expect 0 2 "$sop" count db orders --prefix '["NO",2026]'
expect 0 1 "$sop" rank db orders '["NO"]'
expect 0 '{"c":"NO","y":2026,"n":10,"o":{"z":"p.q","/":1}}' "$sop" get db orders '["NO",2026,10]'
refuse 3 '["NO",2026,11]' "$sop" get db orders '["NO",2026,11]'
expect 0 "" "$sop" rm db orders '["NO",2026,10]'
works "$sop" import db inside orders.ndjson --key o.z
expect 0 $'a\nb\nc\np.q' "$sop" scan db inside --keys-only
works "$sop" import db pointer orders.ndjson --key /o/~1
expect 0 $'[1]\n[2]\n[3]\n[4]' "$sop" scan db pointer --keys-only
json 'r[0]["keys"] == "tuple" and r[0]["attributes"]["key"]["fields"] == ["/c", "/y", "/n"]' "$sop" info db orders
refuse 2 "--key" "$sop" import db nokey a.ndjson
refuse 2 "--key id" "$sop" import db nokey a.csv
refuse 2 "--key" "$sop" import db nokey a.ndjson --key ,
refuse 2 "--key" "$sop" import db nokey none
refuse 2 "--format xml" "$sop" import db nokey a.ndjson --key id --format xml

# ---- a bad record: file, line, reason, and nothing imported ----
bad() { # LINE REASON CONTENT
    printf '%b' "$3" >bad.ndjson
    refuse 1 "bad.ndjson:$1: $2" "$sop" import fresh bad bad.ndjson --key id
    grep -q "nothing was imported" "$place/err" || fail "it is not said that nothing was imported: $(cat "$place/err")"
    [ ! -e fresh ] || fail "a bad record left a database"
    refuse 1 "bad.ndjson:$1: $2" "$sop" import db bad bad.ndjson --key id
    refuse 3 'no store "bad"' "$sop" count db bad
}
bad 2 "column" '{"id":"p"}\n{"id":\n{"id":"q"}\n'
bad 3 "column" '{"id":"p"}\n\n{"id":"q"} x\n'
bad 1 "key field id is missing" '{"noid":1}\n'
bad 2 "key field id is neither" '{"id":"p"}\n{"id":null}\n'
bad 2 "key field id is neither" '{"id":"p"}\n{"id":{"a":1}}\n'
bad 2 "key field id is empty" '{"id":"p"}\n{"id":""}\n'
bad 3 "the same key as in line 1" '{"id":"p"}\n{"id":"q"}\n{"id":"p"}\n'
bad 1 "column" '{"id":"\\xff"}\n'
bad 2 "key field id is missing" '{"id":1}\n[1]\n'
printf '{"id":"%s"}\n' "$(printf 'k%.0s' {1..4097})" >long.ndjson
refuse 1 "long.ndjson:1: key field id makes a key over 4,096 bytes" "$sop" import db bad long.ndjson --key id
printf 'id,name\nx\ny,1\n' >short.csv
refuse 1 "short.csv:2: 1 cells, the header has 2" "$sop" import db bad short.csv --key id
printf 'id,name\nx,"1\ny,1\n' >open.csv
refuse 1 "line 2" "$sop" import db bad open.csv --key id
printf '[{"id":1},\n{"id":2},,]' >bad.json
refuse 1 "bad.json: line 2, column" "$sop" import db bad bad.json --key id
printf '{"id":1}' >object.json
refuse 1 "not an array" "$sop" import db bad object.json --key id --format json
refuse 1 nofile "$sop" import db bad nofile --key id
refuse 1 work "$sop" import db bad "$place/work" --key id

printf '{"id":"p","n":1}\n{"id":\n{"noid":1}\n{"id":"q"}\n{"id":"p","n":2}\n' >bad.ndjson
expect 0 "2 imported, 3 bad records in skipped" "$sop" import db some bad.ndjson --key id --skip-bad skipped
expect 0 $'{"id":"p","n":1}\n{"id":"q"}' "$sop" export db some
expect 0 $'bad.ndjson:2\nbad.ndjson:3\nbad.ndjson:5' sh -c 'cut -d: -f1-2 skipped'
expect 0 '{"imported":2,"skipped":3}' "$sop" import db some2 bad.ndjson --key id --skip-bad skipped --json
printf 'id,name\nx\n"y,1\nz,2\n' >bad.csv
expect 0 "1 imported, 1 bad record in skipped" "$sop" import db csv1 short.csv --key id --skip-bad skipped
refuse 1 "no/such" "$sop" import db some3 bad.ndjson --key id --skip-bad no/such

# ---- into a store that is there ----
refuse 1 'a.ndjson:1: the key is in the store already (--replace overwrites)' "$sop" import db ndjson a.ndjson --key id
printf '{"id":"y","n":3}\n{"id":"z","n":4}\n{"id":"z","n":5}\n' >more.ndjson
refuse 1 'more.ndjson:3: the same key as in line 2' "$sop" import db ndjson more.ndjson --key id
refuse 1 'more.ndjson:1: the key is in the store already' sh -c 'head -n 2 more.ndjson >tmp.ndjson; cp tmp.ndjson more.ndjson; "$0" import db ndjson more.ndjson --key id' "$sop"
expect 0 2 "$sop" count db ndjson
printf '{"id":"z","n":5}\n' >>more.ndjson
expect 0 "2 imported" "$sop" import db ndjson more.ndjson --key id --replace
expect 0 $'{"id":"x","n":1}\n{"id":"y","n":3}\n{"id":"z","n":5}' "$sop" export db ndjson
works "$sop" create db described --describe "what it holds"
works "$sop" import db described orders.ndjson --key c,n
json 'r[0]["attributes"]["description"] == "what it holds" and r[0]["keys"] == "tuple"' "$sop" info db described
works "$sop" create db twice --duplicates
expect 0 "4 imported" sh -c 'for i in 1 2; do "$0" import db twice a.ndjson --key id --quiet; done; echo 4 imported' "$sop"
expect 0 4 "$sop" count db twice

# ---- export ----
works "$sop" export db ndjson --output out.ndjson
expect 0 $'{"id":"x","n":1}\n{"id":"y","n":3}\n{"id":"z","n":5}' cat out.ndjson
expect 0 $'[\n{"id":"x","n":1},\n{"id":"y","n":3},\n{"id":"z","n":5}\n]' "$sop" export db ndjson --format json
expect 0 $'{"id":"y","n":3}' "$sop" export db ndjson --from y --to z
expect 0 $'{"id":"y","n":3}' "$sop" export db ndjson --prefix y
expect 0 $'[\n\n]' "$sop" export db none --format json
expect 0 "" "$sop" export db none
refuse 1 "no/such" "$sop" export db ndjson --output no/such
works "$sop" create db words
works "$sop" put db words k "not JSON"
refuse 1 'store "words", key k: not JSON' "$sop" export db words --format json --output out
expect 0 "not JSON" "$sop" export db words
printf '[{"id":1,\n"a":[ 1.0 , 1E5, 123456789012345678901234567890 ]},{"id":2,"s":"\\u00e9\\/ é"}]' >odd.json
works "$sop" import db odd odd.json --key id
works "$sop" export db odd --format json --output odd.out
expect 0 '[
{"id":1,
"a":[ 1.0 , 1E5, 123456789012345678901234567890 ]},
{"id":2,"s":"\u00e9\/ é"}
]' cat odd.out
works "$sop" import db odd2 odd.out --key id --format json
works "$sop" export db odd2 --format json --output odd2.out
same odd.out odd2.out "export and import of values over several lines"
"$sop" export db odd >/dev/null 2>"$place/err" || fail "export of values over several lines"
grep -q -- "--format json" "$place/err" || fail "values over several lines are not noted"

# ---- 30,000 records of every kind of character, in random order, come back sorted, byte for byte ----
python3 - <<'PY'
import json, random
random.seed(7)
letters = 'aZ09 _"\\/é日𝄞\u0000\u001f\u007f'
keys = set()
while len(keys) < 30000:
    keys.add("".join(random.choice(letters) for _ in range(random.randint(1, 12))))
keys = list(keys)
lines = {}
for key in keys:
    record = {"id": key, "n": random.choice([0, -1, 1.5e300, None, True, [], {}]), "t": "x" * random.randint(0, 300)}
    lines[key.encode()] = json.dumps(record, ensure_ascii=random.random() < 0.5, separators=random.choice([(",", ":"), (", ", ": ")]))
random.shuffle(keys)
open("many.ndjson", "w", encoding="utf-8").write("".join(lines[k.encode()] + "\n" for k in keys))
open("many.sorted", "w", encoding="utf-8").write("".join(lines[k] + "\n" for k in sorted(lines)))
PY
expect 0 "30,000 imported" "$sop" import db many many.ndjson --key id
works "$sop" export db many --output many.out
same many.sorted many.out "30,000 records"
shows sound "$sop" check db

# ---- the first 3,000 and the rest in a second import answer the same ----
head -n 3000 many.ndjson | "$sop" import db parts --key id --quiet || fail "first part"
tail -n +3001 many.ndjson | "$sop" import db parts --key id --quiet || fail "second part"
works "$sop" export db parts --output parts.out
same many.sorted parts.out "records imported in two parts"
finish
