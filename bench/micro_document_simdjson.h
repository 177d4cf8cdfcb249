/* SPDX-License-Identifier: MIT */
/* simdjson, a library of C++, behind one call. */
#ifndef BENCH_MICRO_DOCUMENT_SIMDJSON_H
#define BENCH_MICRO_DOCUMENT_SIMDJSON_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* size.download of a text with 64 readable bytes behind it. */
uint64_t bench_simdjson_pick(const char *text, size_t size);

#ifdef __cplusplus
}
#endif
#endif
