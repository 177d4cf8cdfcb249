#!/bin/bash
# SPDX-License-Identifier: MIT
# The shell, the command on a terminal, bench, and completion for bash.
# shellcheck disable=SC2016 # programs of other shells and languages stand in single quotes
# Usage: test_shell.sh PATH-OF-SOP
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"

works "$sop" create db s
run() { printf '%b' "$1" | "$sop" shell "${2-db}"; }

# ---- commands without the name of the database ----
expect 0 $'v\n1' run 'put s k v\n\n   \nscan s --values-only\ncount s\n'
expect 0 'two words' run 'put s "a key" '"'two words'"'\nget s "a key"\nexit\nget s nope\n'
expect 0 $'a key\nk' "$sop" scan db s --keys-only
expect 0 '{"a":"x y"}' run 'put s j '"'"'{"a":"x y"}'"'"'\nget s j\nquit\n'
expect 3 "" run 'get s nope\nput s never v\n'
refuse 3 "never" "$sop" get db s never
expect 1 "" run 'nonsense\n'
expect 1 "" run 'get s "open\n'
expect 2 "" run 'scan s --limit x\n'
expect 2 "" run 'drop s\n'
expect 1 "" run 'shell\n'
expect 0 1 run 'create t\nput t k v\ncount t\nrename t u\ndrop u --yes\n'
expect 3 "" run 'count u\n'
shows "usage: sop scan" sh -c 'echo help scan | "$0" shell db' "$sop"
printf '{"id":1}\n' >a.ndjson
expect 0 $'1 imported\n1' run 'import i a.ndjson --key id\ncount i\n'
expect 0 $'1' run 'create m\nput m k v\ncount m\n' memory:
refuse 3 "typo" "$sop" shell typo
python3 -c 'print("put s long " + "x" * 70000 + "\ncount s")' >long
expect 1 "" "$sop" shell db <long
grep -q "more than" "$place/err" || fail "a line that is too long is not told"

# ---- on a terminal ----
python3 - "$sop" <<'PY' || fail "on a terminal"
import os, pty, re, select, signal, struct, fcntl, sys, termios, time

sop = sys.argv[1]

def start(*arguments, columns=60):
    pid, master = pty.fork()
    if pid == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        os.execv(sop, [sop, *arguments])
    return pid, master

def until(master, wanted, timeout=30):
    text, end = b"", time.time() + timeout
    while time.time() < end:
        if not select.select([master], [], [], 0.1)[0]:
            continue
        try:
            got = os.read(master, 65536)
        except OSError:
            got = b""
        if not got:
            break
        text += got
        if wanted is not None and wanted in text:
            return text
    assert wanted is None, f"waited for {wanted}, got {text}"
    return text

def run(*arguments, columns=60):
    pid, master = start(*arguments, columns=columns)
    text = until(master, None)
    os.close(master)
    return os.waitpid(pid, 0)[1] >> 8, text.decode().replace("\r\n", "\n")

# A value ends in a line break only there; lines are cut to the width, unless told otherwise.
assert run("get", "db", "s", "k") == (0, "v\n")
assert run("put", "db", "s", "wide", "日本" * 60)[0] == 0
code, text = run("scan", "db", "s", "--from", "wide")
assert text == "wide" + " " * 20 + "日本" * 8 + "日…\n", text
code, text = run("scan", "db", "s", "--from", "wide", "--wide")
assert text.replace("\n", "").endswith("日本" * 60), text
code, text = run("scan", "db", "s", "--from", "wide", "--keys-only")
assert text == "wide\n"

# drop asks.
for answer, code_wanted, count in ((b"n\n", 1, 0), (b"y\n", 0, 3)):
    assert run("create", "db", "doomed")[0] == 0
    pid, master = start("drop", "db", "doomed")
    until(master, b"[y/N] ")
    os.write(master, answer)
    until(master, None)
    assert os.waitpid(pid, 0)[1] >> 8 == code_wanted
    assert run("count", "db", "doomed")[0] == count
    if count == 0:
        assert run("drop", "db", "doomed", "--yes")[0] == 0

# The shell goes on after a mistake and after Ctrl-C, and ends at Ctrl-D.
pid, master = start("shell", "db")
until(master, b"leaves.\r\nsop> ")
os.write(master, b"get s nope\n")
until(master, b'there is no key nope in store "s"\r\nsop> ')
os.write(master, b"half a li\x03")
until(master, b"\r\nsop> ")
os.write(master, b"count s\n")
until(master, b"4\r\nsop> ")
os.write(master, b"\x04")
until(master, None)
assert os.waitpid(pid, 0)[1] == 0

# Long work shows how far it is, and cleans up behind itself.
open("many.ndjson", "w").writelines('{"id":"%07d","t":"%s"}\n' % (i, "x" * 100) for i in range(300000))
code, text = run("import", "db", "many", "many.ndjson", "--key", "id")
assert code == 0 and "300,000 imported" in text, text
code, text = run("import", "db", "silent", "many.ndjson", "--key", "id", "--quiet")
assert code == 0 and text == "", text
PY

# ---- bench ----
json 'len(r) == 4 and all(x["per_second"] > 0 for x in r)' "$sop" bench --items 2000
works "$sop" bench db --items 2000 --sync off
refuse 2 "--sync" "$sop" bench --sync never
refuse 2 "--items" "$sop" bench --items 5
refuse 3 "bench" sh -c '"$0" info db bench' "$sop"

# ---- completion for bash ----
PATH=$(dirname "$sop"):$PATH
# shellcheck source=programs/cli/completion/sop.bash
. "$tests/../programs/cli/completion/sop.bash"
complete_line() { # WORDS...: what is offered for the last one
    COMP_WORDS=("$@")
    COMP_CWORD=$(($# - 1))
    COMPREPLY=()
    _sop
    printf '%s\n' "${COMPREPLY[@]}"
}
expect 0 "export" complete_line sop expo
expect 0 $'rm\nrank\nrestore\nrename' complete_line sop r
expect 0 "--reverse" complete_line sop scan db s --re
expect 0 "--skip-bad" complete_line sop import db s --sk
expect 0 $'s\nsilent' complete_line sop scan db s
expect 0 "db" complete_line sop ls d
expect 0 "scan" complete_line sop help sca
finish
