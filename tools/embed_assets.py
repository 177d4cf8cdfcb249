#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Turns the built page into C: a table of files with their bytes, gzipped bytes, type and ETag.

Usage: embed_assets.py FOLDER OUT.c"""
import gzip
import hashlib
import sys
from pathlib import Path

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
    ".png": "image/png",
}


def array(name, data):
    lines = [f"static const uint8_t {name}[] = {{"]
    for at in range(0, len(data), 24):
        lines.append(",".join(str(byte) for byte in data[at : at + 24]) + ",")
    return "\n".join(lines) + "};\n"


def main():
    folder, out = Path(sys.argv[1]), Path(sys.argv[2])
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    arrays, rows = [], []
    for number, path in enumerate(files):
        data = path.read_bytes()
        packed = gzip.compress(data, 9, mtime=0)
        name = "/" + path.relative_to(folder).as_posix()
        etag = hashlib.sha256(data).hexdigest()[:32]
        hashed = int(name.startswith("/assets/"))
        arrays += [array(f"file_{number}", data), array(f"packed_{number}", packed)]
        rows.append(
            f'    {{"{name}", "{TYPES.get(path.suffix, "application/octet-stream")}", "\\"{etag}\\"",\n'
            f"     file_{number}, sizeof file_{number}, packed_{number}, sizeof packed_{number}, {hashed}}},\n"
        )
    out.write_text(
        "/* Made by tools/embed_assets.py from the built page. */\n"
        '#include "server/server_private.h"\n\n'
        + "".join(arrays)
        + f"\nconst server_asset server_assets[] = {{\n{''.join(rows)}}};\n"
        + f"const size_t server_asset_count = {len(files)};\n"
    )


main()
