# SPDX-License-Identifier: MIT
# The front door. The two commands a newcomer needs are `make run` and `make test`.
PREFIX ?= /usr/local
DESTDIR ?=
JOBS ?= $(shell nproc)

.PHONY: run test build install bench soak check format clean setup

run: build            ## build, load a sample database, show a few queries
	@tools/run.sh

test: setup           ## everything a change must pass, cheapest checks first
	@tools/test.sh

build: setup          ## build/sop, build/libsop.a, build/libsop.so (release)
	@cmake --preset release >build.log 2>&1 || { cat build.log; exit 1; }
	@rm -f build.log
	@cmake --build build -j $(JOBS)

install: build        ## libraries, headers, sop.pc, CMake package, command, man pages
	@DESTDIR=$(DESTDIR) cmake --install build --prefix $(PREFIX)
	@if [ -z "$(DESTDIR)" ] && [ "$$(id -u)" = 0 ]; then ldconfig; fi

bench: setup          ## SOP beside LMDB, RocksDB and SQLite
	@bench/run

soak: setup           ## the long figures: hours, not minutes
	@tools/soak.sh

check: setup          ## the static part of `make test`
	@tools/test.sh check

format: setup         ## bring every C file into shape
	@tools/check_format.sh --fix

setup:
	@tools/setup.sh

clean:
	rm -rf build build-*
