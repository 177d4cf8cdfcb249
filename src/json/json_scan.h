/* SPDX-License-Identifier: MIT */
/* Finding the next interesting byte, 16 at a time, and stepping over strings, scalars and white
 * space. */
#ifndef SOP_JSON_SCAN_H
#define SOP_JSON_SCAN_H

#include <stddef.h>
#include <stdint.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "json/json.h"
#include "util/bytes.h"
#include "util/compiler.h"

/* Classes of bytes, or-ed; the table lies in json_read.c. */
enum {
    JSON_SPACE = 1,   /* white space of RFC 8259 */
    JSON_SCALAR = 2,  /* may stand in a number or a literal */
    JSON_QUOTE = 4,   /* ends or escapes in a string: quote, backslash */
    JSON_SPECIAL = 8, /* needs a look in a string: quote, backslash, below 20, above 7F */
    JSON_BRACKET = 16 /* quote, [ ] { } */
};
extern const uint8_t sop_json__class[256];

/* The type that a first byte announces; above SOP_JSON_OBJECT: none. */
extern const uint8_t sop_json__type[256];

SOP_INLINE const uint8_t *
sop_json__find_class(const uint8_t *at, const uint8_t *end, unsigned class_mask)
{
    while (at != end && !(sop_json__class[*at] & class_mask)) {
        at++;
    }
    return at;
}

#if defined(__SSE2__)

SOP_INLINE unsigned sop_json__quote_mask(const uint8_t *at)
{
    __m128i v = _mm_loadu_si128((const __m128i *)(const void *)at);
    __m128i quote = _mm_cmpeq_epi8(v, _mm_set1_epi8('"'));
    __m128i escape = _mm_cmpeq_epi8(v, _mm_set1_epi8('\\'));
    return (unsigned)_mm_movemask_epi8(_mm_or_si128(quote, escape));
}

SOP_INLINE unsigned sop_json__special_mask(const uint8_t *at)
{
    __m128i v = _mm_loadu_si128((const __m128i *)(const void *)at);
    __m128i quote = _mm_cmpeq_epi8(v, _mm_set1_epi8('"'));
    __m128i escape = _mm_cmpeq_epi8(v, _mm_set1_epi8('\\'));
    /* Signed: bytes above 7F count as negative. */
    __m128i outside = _mm_cmplt_epi8(v, _mm_set1_epi8(0x20));
    return (unsigned)_mm_movemask_epi8(_mm_or_si128(_mm_or_si128(quote, escape), outside));
}

/* Only bit 5 tells [ from {, and ] from }. */
SOP_INLINE unsigned sop_json__bracket_mask(const uint8_t *at)
{
    __m128i v = _mm_loadu_si128((const __m128i *)(const void *)at);
    __m128i folded = _mm_or_si128(v, _mm_set1_epi8(0x20));
    __m128i quote = _mm_cmpeq_epi8(v, _mm_set1_epi8('"'));
    __m128i open = _mm_cmpeq_epi8(folded, _mm_set1_epi8('{'));
    __m128i close = _mm_cmpeq_epi8(folded, _mm_set1_epi8('}'));
    return (unsigned)_mm_movemask_epi8(_mm_or_si128(quote, _mm_or_si128(open, close)));
}

#define SOP_JSON_FINDER(name, mask, class_mask)                                                    \
    SOP_INLINE const uint8_t *name(const uint8_t *at, const uint8_t *end)                          \
    {                                                                                              \
        while (SOP_LIKELY(end - at >= 16)) {                                                       \
            unsigned found = mask(at);                                                             \
            if (found != 0) return at + __builtin_ctz(found);                                      \
            at += 16;                                                                              \
        }                                                                                          \
        return sop_json__find_class(at, end, class_mask);                                          \
    }

#else

/* 80 in each byte of v that equals c. Exact up to the first hit, which is all that is used. */
SOP_INLINE uint64_t sop_json__bytes_equal(uint64_t v, uint64_t c)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t x = v ^ ones * c;
    return (x - ones) & ~x & ones << 7;
}

SOP_INLINE uint64_t sop_json__quote_mask(const uint8_t *at)
{
    uint64_t v = sop_get_u64le(at);
    return sop_json__bytes_equal(v, '"') | sop_json__bytes_equal(v, '\\');
}

SOP_INLINE uint64_t sop_json__special_mask(const uint8_t *at)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t v = sop_get_u64le(at);
    return sop_json__bytes_equal(v, '"') | sop_json__bytes_equal(v, '\\') | (v & ones << 7) |
           ((v - ones * 0x20) & ~v & ones << 7);
}

SOP_INLINE uint64_t sop_json__bracket_mask(const uint8_t *at)
{
    uint64_t v = sop_get_u64le(at);
    uint64_t folded = v | UINT64_C(0x2020202020202020);
    return sop_json__bytes_equal(v, '"') | sop_json__bytes_equal(folded, '{') |
           sop_json__bytes_equal(folded, '}');
}

#define SOP_JSON_FINDER(name, mask, class_mask)                                                    \
    SOP_INLINE const uint8_t *name(const uint8_t *at, const uint8_t *end)                          \
    {                                                                                              \
        while (SOP_LIKELY(end - at >= 8)) {                                                        \
            uint64_t found = mask(at);                                                             \
            if (found != 0) return at + __builtin_ctzll(found) / 8;                                \
            at += 8;                                                                               \
        }                                                                                          \
        return sop_json__find_class(at, end, class_mask);                                          \
    }

#endif

/* The first byte of the class in [at, end), or end. */
SOP_JSON_FINDER(sop_json__find_quote, sop_json__quote_mask, JSON_QUOTE)
SOP_JSON_FINDER(sop_json__find_special, sop_json__special_mask, JSON_SPECIAL)
SOP_JSON_FINDER(sop_json__find_bracket, sop_json__bracket_mask, JSON_BRACKET)

SOP_INLINE const uint8_t *sop_json__skip_space(const uint8_t *at, const uint8_t *end)
{
    while (at != end && (sop_json__class[*at] & JSON_SPACE)) {
        at++;
    }
    return at;
}

/* From behind the opening quote to behind the closing one; NULL if there is none. *escaped is
 * raised by an escape. */
SOP_INLINE const uint8_t *sop_json__skip_string(const uint8_t *at, const uint8_t *end, int *escaped)
{
    for (;;) {
        at = sop_json__find_quote(at, end);
        if (SOP_UNLIKELY(at == end)) return NULL;
        if (SOP_LIKELY(*at == '"')) return at + 1;
        if (SOP_UNLIKELY(end - at < 2)) return NULL;
        *escaped = 1;
        at += 2;
    }
}

/* From the first to behind the last byte of a number or literal; NULL if there is none. */
SOP_INLINE const uint8_t *sop_json__skip_scalar(const uint8_t *at, const uint8_t *end)
{
    const uint8_t *begin = at;
    while (at != end && (sop_json__class[*at] & JSON_SCALAR)) {
        at++;
    }
    return at == begin ? NULL : at;
}

/* From its opening bracket to behind its closing one; NULL if there is none. Does not tell [ from
 * {. */
const uint8_t *sop_json__skip_container(const uint8_t *at, const uint8_t *end);

/* From the opening brace of an object to the value of its first member of that name and SOP_OK; NULL and
   SOP_NOT_FOUND, or SOP_CORRUPT if the object has no end. What lies between is not checked. */
const uint8_t *
sop_json__find_member(const uint8_t *at, const uint8_t *end, sop_slice name, sop_status *status);

/* The ways to do both on this machine, the fastest first. Returns how many; for tests. */
typedef struct {
    const uint8_t *(*skip_container)(const uint8_t *at, const uint8_t *end);
    const uint8_t *(*find_member)(const uint8_t *at,
                                  const uint8_t *end,
                                  sop_slice name,
                                  sop_status *status);
} sop_json__machine;
size_t sop_json__machines(const sop_json__machine *to[3]);

/* From the first to behind the last byte of a value; NULL if it is cut off or none. */
SOP_INLINE const uint8_t *sop_json__skip_value(const uint8_t *at, const uint8_t *end)
{
    if (SOP_UNLIKELY(at == end)) return NULL;
    int escaped = 0;
    if (*at == '"') return sop_json__skip_string(at + 1, end, &escaped);
    if ((*at | 0x20) == '{') return sop_json__skip_container(at, end);
    return sop_json__skip_scalar(at, end);
}

/* Four hex digits at `at`; UINT32_MAX if they are not. */
SOP_INLINE uint32_t sop_json__hex4(const uint8_t *at, const uint8_t *end)
{
    if (end - at < 4) return UINT32_MAX;
    uint32_t code = 0;
    for (int i = 0; i < 4; i++) {
        uint32_t digit = (uint32_t)at[i] - '0';
        if (digit >= 10) {
            digit = ((uint32_t)at[i] | 0x20) - 'a';
            if (digit >= 6) return UINT32_MAX;
            digit += 10;
        }
        code = code << 4 | digit;
    }
    return code;
}

/* Compares the inside of a string (no quotes) with plain bytes. */
int sop_json__content_equal(const uint8_t *at, const uint8_t *end, sop_slice plain);

#endif
