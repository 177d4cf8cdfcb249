#!/bin/bash
# SPDX-License-Identifier: MIT
# The page in Chromium over `build/sop serve`: what a person sees and does. The tests are in web/browser.
set -eu
cd "$(dirname "$0")/.."
path=$(tools/node.sh)
export PATH=$path:$PATH
cd web
[ -d node_modules/playwright-core ] || npm ci --no-audit --no-fund --loglevel=error
exec npm run --silent browser
