#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""clang-tidy over src/, programs/ and what they include, two files at a time.

Usage: check_tidy.py BUILD_DIR [FILE...] (a clang build with compile_commands.json; default: every file)."""
import concurrent.futures
import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def tidy(build, path):
    run = subprocess.run(
        ["clang-tidy-14", "--quiet", "-p", str(build), path], capture_output=True, text=True, check=False
    )
    return run.returncode, path, run.stdout


def main():
    build = Path(sys.argv[1]).resolve()
    wanted = {str(Path(name).resolve()) for name in sys.argv[2:]}
    files = []
    for entry in json.loads((build / "compile_commands.json").read_text()):
        path = os.path.relpath(entry["file"], ROOT)
        if path.startswith(("src/", "programs/")) and (not wanted or entry["file"] in wanted):
            files.append(entry["file"])
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for code, _, output in pool.map(lambda path: tidy(build, path), sorted(set(files))):
            if code != 0:
                failed += 1
                print(output, end="")
    print(f"tidy: {len(files)} files, {failed} with findings")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
