/* SPDX-License-Identifier: MIT */
/* XXH3 behind our own names. Source: https://xxhash.com, stable since 0.8.0. */
#include "util/checksum.h"

#include <xxhash.h>

#include "util/checksum_avx2.h"

/* XXH3 takes its vector path only above 240 bytes. The test of the processor is one load. */
#define VECTOR_FROM 240

uint64_t sop_checksum64(const void *data, size_t size, uint64_t seed)
{
#if defined(SOP_CHECKSUM_AVX2)
    if (size > VECTOR_FROM && __builtin_cpu_supports("avx2")) {
        return sop_checksum64_avx2(data, size, seed);
    }
#endif
    return XXH3_64bits_withSeed(data, size, seed);
}

sop_hash128 sop_checksum128(const void *data, size_t size, uint64_t seed)
{
#if defined(SOP_CHECKSUM_AVX2)
    if (size > VECTOR_FROM && __builtin_cpu_supports("avx2")) {
        return sop_checksum128_avx2(data, size, seed);
    }
#endif
    XXH128_hash_t h = XXH3_128bits_withSeed(data, size, seed);
    return (sop_hash128){h.low64, h.high64};
}
