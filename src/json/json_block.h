/* SPDX-License-Identifier: MIT */
/*
 * JSON in blocks of 64 bytes: one bit a byte for quotes, brackets and colons, those inside strings taken out.
 * Only for machines with the instructions named here; the caller has checked that.
 */
#ifndef SOP_JSON_BLOCK_H
#define SOP_JSON_BLOCK_H

#include <immintrin.h>
#include <stdint.h>

#include "json/json_scan.h"

/* Bit i of each mask stands for byte i of a block. */
typedef struct {
    uint64_t escape;
    uint64_t quote;
    uint64_t open;
    uint64_t close;
    uint64_t colon;
} block_masks;

/* What carries over from block to block. */
typedef struct {
    int64_t depth;
    uint64_t in_string; /* all ones: the block begins inside a string */
    uint64_t escaped;   /* 1: its first byte is escaped */
    uint64_t escapes;   /* not 0: there was a backslash in some block */
} block_state;

/*
 * The bytes behind an odd run of backslashes. Source: Langdale and Lemire 2019, section 3.1.1, in the later form that
 * lets a subtraction carry through each run.
 */
SOP_INLINE uint64_t find_escaped(uint64_t escape, uint64_t *carry)
{
    const uint64_t odd_bits = UINT64_C(0xaaaaaaaaaaaaaaaa);
    if (SOP_LIKELY(escape == 0)) {
        uint64_t escaped = *carry;
        *carry = 0;
        return escaped;
    }
    uint64_t starts = escape & ~*carry;
    uint64_t maybe = starts << 1 | odd_bits;
    uint64_t codes = (maybe - starts) ^ odd_bits;
    uint64_t escaped = codes ^ (escape | *carry);
    *carry = (codes & escape) >> 63;
    return escaped;
}

/* Bit i of the result: the parity of bits 0 to i. */
SOP_INLINE uint64_t prefix_xor(uint64_t bits)
{
    for (unsigned shift = 1; shift < 64; shift <<= 1) {
        bits ^= bits << shift;
    }
    return bits;
}

/* Leaves only what stands outside of strings. */
SOP_INLINE void mask_strings(block_masks *masks, block_state *state)
{
    state->escapes |= masks->escape;
    masks->quote &= ~find_escaped(masks->escape, &state->escaped);
    uint64_t in_string = prefix_xor(masks->quote) ^ state->in_string;
    state->in_string = 0 - (in_string >> 63);
    masks->open &= ~in_string;
    masks->close &= ~in_string;
    masks->colon &= ~in_string;
}

#define AVX2   "avx2,popcnt,bmi,bmi2,lzcnt"
#define AVX512 "avx512f,avx512bw,popcnt,bmi,bmi2,lzcnt"

SOP_TARGET(AVX2) SOP_INLINE uint64_t equal_avx2(__m256i low, __m256i high, char c)
{
    __m256i wanted = _mm256_set1_epi8(c);
    uint64_t low_bits = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(low, wanted));
    uint64_t high_bits = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(high, wanted));
    return low_bits | high_bits << 32;
}

SOP_TARGET(AVX2) SOP_INLINE block_masks masks_avx2(const uint8_t *at, size_t size)
{
    uint8_t padded[64];
    if (SOP_UNLIKELY(size < 64)) {
        _mm256_storeu_si256((__m256i *)(void *)padded, _mm256_setzero_si256());
        _mm256_storeu_si256((__m256i *)(void *)(padded + 32), _mm256_setzero_si256());
        memcpy(padded, at, size);
        at = padded;
    }
    __m256i low = _mm256_loadu_si256((const __m256i *)(const void *)at);
    __m256i high = _mm256_loadu_si256((const __m256i *)(const void *)(at + 32));
    __m256i fold = _mm256_set1_epi8(0x20);
    __m256i low_folded = _mm256_or_si256(low, fold);
    __m256i high_folded = _mm256_or_si256(high, fold);
    return (block_masks){.escape = equal_avx2(low, high, '\\'),
                         .quote = equal_avx2(low, high, '"'),
                         .open = equal_avx2(low_folded, high_folded, '{'),
                         .close = equal_avx2(low_folded, high_folded, '}'),
                         .colon = equal_avx2(low, high, ':')};
}

SOP_TARGET(AVX512) SOP_INLINE block_masks masks_avx512(const uint8_t *at, size_t size)
{
    __mmask64 wanted = size == 64 ? ~UINT64_C(0) : (UINT64_C(1) << size) - 1;
    /* Bytes that are masked out are not touched, so this cannot fault. */
    __m512i bytes = _mm512_maskz_loadu_epi8(wanted, at);
    __m512i folded = _mm512_or_si512(bytes, _mm512_set1_epi8(0x20));
    return (block_masks){.escape = _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8('\\')),
                         .quote = _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8('"')),
                         .open = _mm512_cmpeq_epi8_mask(folded, _mm512_set1_epi8('{')),
                         .close = _mm512_cmpeq_epi8_mask(folded, _mm512_set1_epi8('}')),
                         .colon = _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8(':'))};
}

#endif
