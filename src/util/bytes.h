/* SPDX-License-Identifier: MIT */
/* Integers to and from bytes, varints, slice comparison, checked sums. */
#ifndef SOP_UTIL_BYTES_H
#define SOP_UTIL_BYTES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "sop/types.h"

#include "util/compiler.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "only little-endian machines are supported");

SOP_INLINE uint16_t sop_get_u16le(const void *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof v);
    return v;
}
SOP_INLINE uint32_t sop_get_u32le(const void *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}
SOP_INLINE uint64_t sop_get_u64le(const void *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}
SOP_INLINE void sop_put_u16le(void *p, uint16_t v)
{
    memcpy(p, &v, sizeof v);
}
SOP_INLINE void sop_put_u32le(void *p, uint32_t v)
{
    memcpy(p, &v, sizeof v);
}
SOP_INLINE void sop_put_u64le(void *p, uint64_t v)
{
    memcpy(p, &v, sizeof v);
}
SOP_INLINE uint32_t sop_get_u32be(const void *p)
{
    return __builtin_bswap32(sop_get_u32le(p));
}
SOP_INLINE uint64_t sop_get_u64be(const void *p)
{
    return __builtin_bswap64(sop_get_u64le(p));
}
SOP_INLINE void sop_put_u32be(void *p, uint32_t v)
{
    sop_put_u32le(p, __builtin_bswap32(v));
}
SOP_INLINE void sop_put_u64be(void *p, uint64_t v)
{
    sop_put_u64le(p, __builtin_bswap64(v));
}

/* The first 8 bytes of a key as a big-endian number, short keys padded with zeros: orders as memcmp
 * does, ties undecided. */
SOP_INLINE uint64_t sop_key_head(const void *data, size_t size)
{
    if (SOP_LIKELY(size >= 8)) return sop_get_u64be(data);
    uint64_t v = 0;
    if (size != 0) memcpy(&v, data, size);
    return __builtin_bswap64(v);
}

/* Byte-wise order; a prefix sorts first. Negative, zero or positive. */
SOP_INLINE int sop_compare(const void *a, size_t a_size, const void *b, size_t b_size)
{
    size_t common = a_size < b_size ? a_size : b_size;
    int order = common == 0 ? 0 : memcmp(a, b, common);
    if (order != 0) return order;
    return (a_size > b_size) - (a_size < b_size);
}
SOP_INLINE int sop_slice_compare(sop_slice a, sop_slice b)
{
    return sop_compare(a.data, a.size, b.data, b.size);
}
SOP_INLINE int sop_slice_equal(sop_slice a, sop_slice b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}
SOP_INLINE sop_slice sop_slice_of(const void *data, size_t size)
{
    sop_slice s = {data, size};
    return s;
}

/* LEB128, at most 10 bytes. */
#define SOP_VARINT_MAX 10
SOP_INLINE uint8_t *sop_put_varint(uint8_t *p, uint64_t v)
{
    while (v >= 0x80) {
        *p++ = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    *p++ = (uint8_t)v;
    return p;
}
SOP_INLINE size_t sop_varint_size(uint64_t v)
{
    size_t n = 1;
    while (v >= 0x80) {
        v >>= 7;
        n++;
    }
    return n;
}
/* Returns the byte after the number, or NULL if it is cut off, over 64 bits, or longer than needed.
 */
SOP_INLINE const uint8_t *sop_get_varint(const uint8_t *p, const uint8_t *end, uint64_t *out)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (p >= end) return NULL;
        uint8_t byte = *p++;
        if (shift == 63 && byte > 1) return NULL;
        v |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            if (byte == 0 && shift != 0) return NULL;
            *out = v;
            return p;
        }
    }
    return NULL;
}

/* Sums and products of untrusted sizes: 0 and *out set, or 1 on overflow. */
#define sop_checked_add(a, b, out) __builtin_add_overflow((a), (b), (out))
#define sop_checked_mul(a, b, out) __builtin_mul_overflow((a), (b), (out))

SOP_INLINE uint64_t sop_round_up(uint64_t v, uint64_t power_of_two)
{
    return (v + power_of_two - 1) & ~(power_of_two - 1);
}

#endif
