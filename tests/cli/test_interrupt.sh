#!/bin/bash
# SPDX-License-Identifier: MIT
# Ctrl-C in the middle of long work: exit 130, nothing half done, the database sound.
# Usage: test_interrupt.sh PATH-OF-SOP
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"

# interrupt SECONDS COMMAND...: sends it SIGINT then; its exit code is in $status. Background jobs of a shell ignore SIGINT,
# so that another program has to start it.
interrupt() {
    python3 - "$@" >"$place/out" 2>"$place/err" <<'PY'
import signal, subprocess, sys, time
signal.signal(signal.SIGINT, signal.SIG_DFL)
child = subprocess.Popen(sys.argv[2:], stdin=subprocess.DEVNULL)
time.sleep(float(sys.argv[1]))
child.send_signal(signal.SIGINT)
code = child.wait()
sys.exit(130 if code == -signal.SIGINT else code)
PY
    status=$?
}

python3 -c '
for i in range(400000):
    print("{\"id\":\"%09d\",\"text\":\"%s\"}" % (i * 7919 % 1000003, "x" * 60))' >many.ndjson

# ---- import: into a new store, into one that is there, with a new database ----
for pause in 0.02 0.1 0.2 0.3 0.5 0.9; do
    rm -rf cut fresh
    works "$sop" create cut kept
    works "$sop" put cut kept k v
    works "$sop" create cut there
    for target in "cut many" "cut there" "fresh many"; do
        read -r db store <<<"$target"
        interrupt $pause "$sop" import "$db" "$store" many.ndjson --key id
        case $status in
        130) [ ! -e "$db" ] || [ "$("$sop" count "$db" "$store" 2>/dev/null || echo 0)" = 0 ] || fail "$target: half an import" ;;
        0) expect 0 400000 "$sop" count "$db" "$store" ;;
        *) fail "an interrupted import into $target: exit $status, $(cat "$place/err")" ;;
        esac
        [ ! -e "$db" ] || shows sound "$sop" check "$db"
    done
    expect 0 v "$sop" get cut kept k
done

# ---- the other long ones ----
rm -rf cut fresh
works "$sop" import db many many.ndjson --key id
for pause in 0.01 0.03 0.1; do
    for command in "scan db many" "export db many --output out" "dump db --output out" "check db" "backup db copy" \
        "rm db many --prefix 0"; do
        # shellcheck disable=SC2086
        interrupt $pause "$sop" $command
        [ $status = 130 ] || [ $status = 0 ] || fail "$command after $pause s: exit $status, $(cat "$place/err")"
        [ $status = 0 ] || [ "$command" != "backup db copy" ] || [ ! -e copy ] || fail "an interrupted backup left something"
        rm -rf copy
    done
    count=$("$sop" count db many)
    [ "$count" = 400000 ] || [ "$count" = "$("$sop" count db many --from 1)" ] || fail "half a range is removed: $count"
done
shows sound "$sop" check db

# ---- put that waits for its input ----
mkfifo slow
python3 - "$sop" <<'PY' || fail "Ctrl-C while put waits for input"
import signal, subprocess, sys, time
signal.signal(signal.SIGINT, signal.SIG_DFL)
child = subprocess.Popen([sys.argv[1], "put", "db", "many", "waiting"], stdin=subprocess.PIPE)
child.stdin.write(b"x" * 3000000)
child.stdin.flush()
time.sleep(0.2)
child.send_signal(signal.SIGINT)
code = child.wait()
assert code == 130, code
PY
refuse 3 "waiting" "$sop" get db many waiting
finish
