/* SPDX-License-Identifier: MIT */
/* Checksums: XXH3 from libxxhash. */
#ifndef SOP_UTIL_CHECKSUM_H
#define SOP_UTIL_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/* Stored as 16 bytes: low little-endian, then high little-endian. */
typedef struct {
    uint64_t low;
    uint64_t high;
} sop_hash128;

uint64_t sop_checksum64(const void *data, size_t size, uint64_t seed);
sop_hash128 sop_checksum128(const void *data, size_t size, uint64_t seed);

#endif
