# SPDX-License-Identifier: MIT
"""The same 30 questions asked of the records directly, to compare the answers of the command with.

filters.py texts: one filter a line. filters.py answers FILE N: the keys that fit filter N, in the order of the store."""
import json
import re
import sys


def get(record, path):
    """The value at a path, or None; a missing one is the string MISSING."""
    for step in path.split("."):
        if not isinstance(record, dict) or step not in record:
            return MISSING
        record = record[step]
    return record


MISSING = object()


def number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def num(record, path, test):
    value = get(record, path)
    return number(value) and test(value)


def text(record, path, test):
    value = get(record, path)
    return isinstance(value, str) and test(value)


def elements(record, path):
    value = get(record, path)
    return value if isinstance(value, list) else []


def as_bytes(value):
    return value.encode("utf-8")


QUESTIONS = [
    ('section = "games"', lambda r: r["section"] == "games"),
    ('section = "games" and size.download > 1e8', lambda r: r["section"] == "games" and num(r, "size.download", lambda v: v > 1e8)),
    ("size.download > 2.5e8", lambda r: num(r, "size.download", lambda v: v > 2.5e8)),
    ("size.download between 1000 and 2000", lambda r: num(r, "size.download", lambda v: 1000 <= v <= 2000)),
    ("size.download < 900 or size.download >= 1e9", lambda r: num(r, "size.download", lambda v: v < 900 or v >= 1e9)),
    ('tags has "role::program"', lambda r: "role::program" in elements(r, "tags")),
    ('not tags has "role::program"', lambda r: "role::program" not in elements(r, "tags")),
    ('tags[*] starts "game::"', lambda r: any(t.startswith("game::") for t in elements(r, "tags"))),
    ('tags has "role::program" and tags has "interface::x11"', lambda r: {"role::program", "interface::x11"} <= set(elements(r, "tags"))),
    ('depends[*].name = "libc6" and section = "editors"', lambda r: r["section"] == "editors" and any(d["name"] == "libc6" for d in elements(r, "depends"))),
    ("depends[*].constraint is null", lambda r: any(d.get("constraint", MISSING) is None for d in elements(r, "depends"))),
    ("homepage exists", lambda r: get(r, "homepage") is not MISSING),
    ("not homepage exists", lambda r: get(r, "homepage") is MISSING),
    ("homepage is null", lambda r: get(r, "homepage") is None),
    ('package starts "lib" and section != "libs"', lambda r: r["package"].startswith("lib") and r["section"] != "libs"),
    ('package >= "zs" and package < "zt"', lambda r: b"zs" <= as_bytes(r["package"]) < b"zt"),
    ('package between "vim" and "vim-z"', lambda r: b"vim" <= as_bytes(r["package"]) <= b"vim-z"),
    ('package in ("bash", "0ad", "nothing", "zsh")', lambda r: r["package"] in ("bash", "0ad", "nothing", "zsh")),
    ('summary contains "database"', lambda r: text(r, "summary", lambda v: "database" in v)),
    ('summary contains nocase "sql"', lambda r: text(r, "summary", lambda v: "sql" in v.casefold())),
    ('version matches "^[0-9]+\\\\.[0-9]+-1$"', lambda r: re.search(r"^[0-9]+\.[0-9]+-1$", r["version"]) is not None),
    ('package matches "^(py|ruby|golang)-" and size.installed_kib > 1000', lambda r: re.search(r"^(py|ruby|golang)-", r["package"]) is not None and num(r, "size.installed_kib", lambda v: v > 1000)),
    ('priority in ("required", "important")', lambda r: r["priority"] in ("required", "important")),
    ('priority != "optional" and architecture = "all"', lambda r: r["priority"] != "optional" and r["architecture"] == "all"),
    ('(section = "net" or section = "mail") and size.installed_kib <= 20', lambda r: r["section"] in ("net", "mail") and num(r, "size.installed_kib", lambda v: v <= 20)),
    ('section in ("net", "mail", "news") and not priority = "optional"', lambda r: r["section"] in ("net", "mail", "news") and r["priority"] != "optional"),
    ('depends[0].name = "python3"', lambda r: elements(r, "depends") != [] and r["depends"][0]["name"] == "python3"),
    ('maintainer = nocase "DEBIAN GAMES TEAM" and size.download > 1e7', lambda r: text(r, "maintainer", lambda v: v.casefold() == "debian games team") and num(r, "size.download", lambda v: v > 1e7)),
    ('section = "libs" and size.download = 0', lambda r: r["section"] == "libs" and num(r, "size.download", lambda v: v == 0)),
    ('size.download > "5" or package = 5', lambda r: False),
]


def main():
    if sys.argv[1] == "texts":
        print("\n".join(text for text, _ in QUESTIONS))
        return
    keys = {}
    with open(sys.argv[2], encoding="utf-8") as lines:
        for line in lines:
            record = json.loads(line)
            for i, (_, test) in enumerate(QUESTIONS):
                if test(record):
                    keys.setdefault(i, []).append(record["package"])
    for i in range(len(QUESTIONS)):
        with open(f"answer.{i + 1}", "w", encoding="utf-8") as out:
            out.writelines(key + "\n" for key in sorted(keys.get(i, []), key=as_bytes))


main()
