/* SPDX-License-Identifier: MIT */
/* XXH3 behind our own names. Source: https://xxhash.com, stable since 0.8.0. */
#include "util/checksum.h"

#include <xxhash.h>

uint64_t sop_checksum64(const void *data, size_t size, uint64_t seed)
{
    return XXH3_64bits_withSeed(data, size, seed);
}

sop_hash128 sop_checksum128(const void *data, size_t size, uint64_t seed)
{
    XXH128_hash_t h = XXH3_128bits_withSeed(data, size, seed);
    return (sop_hash128){h.low64, h.high64};
}
