#!/bin/bash
# SPDX-License-Identifier: MIT
# The page: its types, its unit tests, and whether the committed web/dist is what the sources build.
set -eu
cd "$(dirname "$0")/.."
path=$(tools/node.sh)
export PATH=$path:$PATH
work=$PWD/build-test/web
mkdir -p "$work"
cd web
# As the lock file says, and only when it says something new.
if ! cmp -s package-lock.json node_modules/.lock-of-setup; then
    npm ci --no-audit --no-fund --loglevel=error
    cp package-lock.json node_modules/.lock-of-setup
fi
npm run --silent check
npm run --silent test
rm -rf "$work/dist"
npx --no-install vite build --outDir "$work/dist" --emptyOutDir --logLevel warn
if ! diff -rq dist "$work/dist"; then
    echo "web: web/dist is not what the sources build; run npm run build in web/ and commit it" >&2
    exit 1
fi
echo "web: types, unit tests, and web/dist is what the sources build"
