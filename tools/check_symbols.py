#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the built library exports and calls: exactly the public API, no banned call, one door to the heap.

Usage: check_symbols.py BUILD_DIR (a build without FORTIFY and sanitizers, for these rename calls)."""
import re
import subprocess
import sys
from pathlib import Path

import sop_api

BANNED = "strcpy strcat sprintf vsprintf strncpy strncat strtok rand srand random gmtime localtime atoi atol atof gets"
HEAP = "malloc calloc realloc free aligned_alloc posix_memalign strdup strndup"
# The world's door alone reads the clock, draws chance, sleeps and starts threads (src/util/world.c).
WORLD = "clock_gettime gettimeofday time getrandom nanosleep usleep sleep pthread_create pthread_mutex_lock"
problems = []


def nm(*arguments):
    return subprocess.run(["nm", *arguments], check=True, capture_output=True, text=True).stdout


def check_exports(library):
    exported = set()
    for line in nm("-D", "--defined-only", str(library)).splitlines():
        kind, name = line.split()[-2:]
        if kind != "A":  # the version node itself
            exported.add(name.split("@")[0])
    declared = {function.name for function in sop_api.functions()}
    for name in sorted(declared - exported):
        problems.append(f"{name} is declared in include/sop but not exported by {library.name}")
    for name in sorted(exported - declared):
        problems.append(f"{name} is exported by {library.name} but not declared in include/sop")
    return len(exported)


def check_calls(objects, banned, allowed_in, why):
    pattern = re.compile(rf"^\s+U ({'|'.join(banned.split())})(@\S+)?$", re.MULTILINE)
    for path in objects:
        if any(str(path).endswith(f"{name}.c.o") for name in allowed_in):
            continue
        for match in pattern.finditer(nm(str(path))):
            problems.append(f"{path}: calls {match[1]}: {why}")


def main():
    build = Path(sys.argv[1])
    library = sorted(build.glob("sop_*.dir/**/*.o")) or sorted(build.glob("CMakeFiles/sop_*.dir/src/**/*.o"))
    programs = sorted(build.glob("CMakeFiles/sop_*.dir/programs/**/*.o"))
    if not library:
        sys.exit(f"symbols: no objects under {build}; build it first")
    count = check_exports(build / "libsop.so")
    check_calls(library + programs, BANNED, [], "banned, there is a checked way")
    check_calls(library + programs, HEAP, ["util/memory"], "the heap has one door, util/memory.h")
    check_calls(library, WORLD, ["util/world"], "clock, chance, sleep and threads have one door, util/world.h")
    print("\n".join(problems) or f"symbols: {count} exported, as declared; {len(library)} objects call nothing banned")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
