# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034
# What the tests of the command share: an empty folder to work in, and how an outcome is compared.
# The command is "$sop"; a test ends with: finish
set -u
sop=$(realpath "$1")
tests=$(realpath "$(dirname "${BASH_SOURCE[0]}")/..")
place=$(mktemp -d "${TMPDIR:-/tmp}/sop_cli_XXXXXX")
trap 'chmod -R u+w "$place"; rm -rf "$place"' EXIT
mkdir "$place/work"
cd "$place/work" || exit 1
failures=0
checks=0

fail() {
    echo "FAILED: $*"
    failures=$((failures + 1))
}

# expect CODE OUTPUT COMMAND...: this exit code, and just this on standard output
expect() {
    local code=$1 want=$2 got status
    shift 2
    checks=$((checks + 1))
    got=$("$@" 2>"$place/err")
    status=$?
    [ "$status" = "$code" ] || fail "$*: exit $status instead of $code ($(cat "$place/err"))"
    [ "$got" = "$want" ] || fail "$*: printed '$got' instead of '$want'"
}

# works COMMAND...: exit 0 and nothing on standard error; standard output is left in $place/out
works() {
    checks=$((checks + 1))
    "$@" >"$place/out" 2>"$place/err" </dev/null || fail "$*: exit $? ($(cat "$place/err"))"
    [ ! -s "$place/err" ] || fail "$*: said $(cat "$place/err")"
}

# shows TEXT COMMAND...: works, and TEXT is in what it prints
shows() {
    local text=$1
    shift
    works "$@"
    grep -qF -- "$text" "$place/out" || fail "$*: '$text' is not in: $(cat "$place/out")"
}

# refuse CODE TEXT COMMAND...: this exit code, nothing on standard output, one line on standard error that holds TEXT
refuse() {
    local code=$1 text=$2 status
    shift 2
    checks=$((checks + 1))
    "$@" >"$place/out" 2>"$place/err" </dev/null
    status=$?
    [ "$status" = "$code" ] || fail "$*: exit $status instead of $code ($(cat "$place/err"))"
    [ ! -s "$place/out" ] || fail "$*: printed $(cat "$place/out")"
    grep -qF -- "$text" "$place/err" || fail "$*: '$text' is not in: $(cat "$place/err")"
    [ "$(wc -l <"$place/err")" = 1 ] || fail "$*: not one line: $(cat "$place/err")"
}

# same FILE FILE WHAT
same() {
    checks=$((checks + 1))
    cmp -s "$1" "$2" || fail "$3: $1 and $2 differ"
}

# json EXPRESSION COMMAND...: every line is JSON, and EXPRESSION (Python; r: the records) holds
json() {
    local expression=$1
    shift
    works "$@" --json
    python3 - "$expression" "$place/out" <<'PY' || fail "$* --json: $expression: $(head -c 300 "$place/out")"
import json, sys
r = [json.loads(line) for line in open(sys.argv[2], encoding="utf-8")]
sys.exit(0 if eval(sys.argv[1]) else 1)
PY
}

finish() {
    if [ "$failures" != 0 ]; then
        echo "$failures failures"
        exit 1
    fi
    echo "$checks checks passed"
}
