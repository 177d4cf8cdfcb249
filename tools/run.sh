#!/bin/bash
# SPDX-License-Identifier: MIT
# What `make run` shows: real data (Debian's iso-codes) in a fresh database, a few queries, what to type next.
set -eu
cd "$(dirname "$0")/.."
sop=build/sop
db=build/sample.db
json=/usr/share/iso-codes/json

# One of our commands, as the user would type it, then its output.
show() {
    printf '\n$ sop'
    printf ' %s' "$@"
    printf '\n'
    "$sop" "$@"
}

load() {
    "$sop" import "$db" "$1" "$json/$2" --key "$3" --quiet
}

rm -rf "$db"
"$sop" create "$db" --quiet
load countries iso_3166-1.json alpha_2
load subdivisions iso_3166-2.json code
load languages iso_639-3.json alpha_3
load currencies iso_4217.json alpha_3

show ls "$db"
show get "$db" countries NO
show scan "$db" subdivisions --prefix JP- --limit 3
show count "$db" subdivisions --prefix JP-
show rank "$db" languages por
show scan "$db" languages --at 50% --limit 2
show check "$db"

cat <<END

The data is in $db. Try:

  $sop scan $db currencies --reverse --limit 5
  $sop put $db countries XX '{"name":"Nowhere"}'
  $sop shell $db
  $sop help
END
