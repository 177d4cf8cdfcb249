#!/bin/bash
# SPDX-License-Identifier: MIT
# Prints a folder with a Node that is new enough to build the page, installing what is missing.
# Usage: PATH=$(tools/node.sh):$PATH
set -eu
cd "$(dirname "$0")/.."
wanted=20.19

enough() {
    local have
    have=$("$1" --version 2>/dev/null) || return 1
    [ "$(printf '%s\n%s\n' "$wanted" "${have#v}" | sort -V | head -n 1)" = "$wanted" ]
}

if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
    tools/setup.sh nodejs npm >&2
fi
if enough "$(command -v node)"; then
    dirname "$(command -v node)"
    exit
fi
# Debian's Node is older: the package `node` of npm holds one of its own.
if ! enough .cache/node/node_modules/.bin/node; then
    mkdir -p .cache/node
    npm install --prefix .cache/node --no-audit --no-fund --loglevel=error node@22 >&2
fi
enough .cache/node/node_modules/.bin/node || {
    echo "node: version $wanted or newer is needed to build the page" >&2
    exit 1
}
realpath .cache/node/node_modules/.bin
