#!/bin/bash
# SPDX-License-Identifier: MIT
# Installs the Debian packages that building and testing need, and only those that are missing.
set -eu

packages=(
    # compilers and build
    gcc g++ libc6-dev make cmake ninja-build pkg-config python3
    # what the library links, and the server: HTTP, passwords and tokens
    libxxhash-dev libmicrohttpd-dev libsodium-dev
    # tests and checks
    libcmocka-dev clang-14 libclang-rt-14-dev clang-format-14 clang-tidy-14 cppcheck
    binutils mandoc shellcheck codespell chromium
    # sample data of `make run`, test data of `sop import`
    iso-codes zstd
)

missing=()
for package in "${packages[@]}" "$@"; do
    # One file per installed package: far quicker than asking dpkg for each.
    if [ ! -e "/var/lib/dpkg/info/$package.list" ] &&
        ! compgen -G "/var/lib/dpkg/info/$package:*.list" >/dev/null; then
        missing+=("$package")
    fi
done
[ ${#missing[@]} -eq 0 ] && exit 0

fail() {
    echo "setup: $1" >&2
    exit 1
}
command -v apt-get >/dev/null ||
    fail "this is no Debian: install what these packages hold by hand: ${missing[*]}"
root=()
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || fail "neither root nor sudo: as root run apt-get install ${missing[*]}"
    root=(sudo)
fi

echo "setup: installing ${missing[*]}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
install=("${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends)
"${root[@]}" apt-get update -qq >"$log" 2>&1 || true
if ! "${install[@]}" "${missing[@]}" >>"$log" 2>&1; then
    grep -E '^(E|W):' "$log" >&2 || tail -n 5 "$log" >&2
    fail "cannot install ${missing[*]} (is this machine online?)"
fi
