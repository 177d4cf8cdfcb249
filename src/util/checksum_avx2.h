/* SPDX-License-Identifier: MIT */
/* Checksums for processors with AVX2; only util/checksum.c calls them. */
#ifndef SOP_UTIL_CHECKSUM_AVX2_H
#define SOP_UTIL_CHECKSUM_AVX2_H

#include <stddef.h>
#include <stdint.h>

#include "util/checksum.h"

uint64_t sop_checksum64_avx2(const void *data, size_t size, uint64_t seed);
sop_hash128 sop_checksum128_avx2(const void *data, size_t size, uint64_t seed);

#endif
