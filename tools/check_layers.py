#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Rooms include only the rooms that layers.txt allows them, and ARCHITECTURE.md draws the same picture."""
import itertools
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]+"([^"]+)"', re.MULTILINE)
PROGRAMS = ("cli", "server")
problems = []


def read_layers():
    """room -> the rooms it may include, in the order of the file (bottom-up)."""
    layers = {}
    for number, line in enumerate((ROOT / "layers.txt").read_text().splitlines(), 1):
        line = line.split("#")[0].strip()
        if not line:
            continue
        room, _, allowed = line.partition(":")
        for below in allowed.split():
            if below not in layers:
                problems.append(f"layers.txt:{number}: {room} uses {below}, which is not listed above it")
        layers[room.strip()] = allowed.split()
    return layers


def folders():
    """room -> its folder, for every folder with C files under src/ and programs/."""
    found = {}
    for top in ("src", "programs"):
        for folder in sorted((ROOT / top).glob("*/")):
            if any(folder.rglob("*.[ch]")):
                found[folder.name] = folder
    return found


def check_include(room, allowed, where, header):
    """Rules 1, 3, 4 for one include line; returns the room it uses, or None."""
    parts = header.split("/")
    if len(parts) < 2 or ".." in parts:
        problems.append(f'{where}: include "{header}" is not written "room/file.h"')
        return None
    target = parts[0]
    if target in ("sop", room):
        return None
    if target not in allowed:
        problems.append(f"{where}: {room} may not use {target} (see layers.txt)")
        return None
    if target != "util" and header != f"{target}/{target}.h":
        problems.append(f'{where}: "{header}" is not the door {target}/{target}.h')
    return target


def check_rooms(layers, rooms):
    for room, folder in rooms.items():
        if room not in layers:
            problems.append(f"{folder.relative_to(ROOT)}: the room {room} is missing from layers.txt")
            continue
        used = set()
        for path in sorted(folder.rglob("*.[ch]")):
            text = path.read_text()
            for match in INCLUDE.finditer(text):
                line = text.count("\n", 0, match.start()) + 1
                where = f"{path.relative_to(ROOT)}:{line}"
                used.add(check_include(room, layers[room], where, match[1]))
        if any(folder.rglob("*.c")) and room not in PROGRAMS:
            for below in layers[room]:
                if below not in used:
                    problems.append(f"layers.txt: {room} no longer uses {below}: take it out")


def check_picture(layers):
    """ARCHITECTURE.md repeats layers.txt between two markers, so that the picture stays true."""
    page = ROOT / "ARCHITECTURE.md"
    if not page.exists():
        return
    match = re.search(r"<!-- layers -->\n```\n(.*?)```\n<!-- /layers -->", page.read_text(), re.DOTALL)
    if not match:
        problems.append("ARCHITECTURE.md: the picture between <!-- layers --> and <!-- /layers --> is missing")
        return
    drawn = {}
    for line in match[1].splitlines():
        room, colon, rest = line.partition(":")
        if colon:
            # The rooms come first on the line, then words of explanation.
            drawn[room.strip()] = list(itertools.takewhile(lambda word: word in layers, rest.split()))
    for room in sorted(set(layers) | set(drawn)):
        if layers.get(room) != drawn.get(room):
            problems.append(f"ARCHITECTURE.md: the picture and layers.txt differ about {room}")


def main():
    layers = read_layers()
    rooms = folders()
    check_rooms(layers, rooms)
    for room in layers:
        if room not in rooms:
            problems.append(f"layers.txt: the room {room} does not exist")
    check_picture(layers)
    print("\n".join(problems) or f"layers: {len(rooms)} rooms, all as in layers.txt")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
