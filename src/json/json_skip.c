/* SPDX-License-Identifier: MIT */
/* Skipping arrays and objects, the hottest loop of every pick: 64 bytes at a time where the machine can. */
#include <stdatomic.h>

#include "json/json_scan.h"

/* Bit i of each mask stands for byte i of a block. */
typedef struct {
    uint64_t escape;
    uint64_t quote;
    uint64_t open;
    uint64_t close;
} block_masks;

/* What carries over from block to block. */
typedef struct {
    uint64_t depth;
    uint64_t in_string; /* all ones: the block begins inside a string */
    uint64_t escaped;   /* 1: its first byte is escaped */
} skip_state;

/* Any machine: from one bracket or string to the next. */
static const uint8_t *skip_by_token(const uint8_t *at, const uint8_t *end)
{
    size_t depth = 0;
    int escaped = 0;
    for (;;) {
        at = sop_json__find_bracket(at, end);
        if (at == end) return NULL;
        uint8_t c = *at++;
        if (c == '"') {
            at = sop_json__skip_string(at, end, &escaped);
            if (at == NULL) return NULL;
        } else if ((c | 0x20) == '{') {
            depth++;
        } else if (--depth == 0) {
            return at;
        }
    }
}

#if defined(__x86_64__)
#include <immintrin.h>

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

/* The place of the bracket that closes the outermost level within a block, or 64. */
SOP_INLINE unsigned step_over(const block_masks *masks, skip_state *state)
{
    uint64_t quote = masks->quote & ~find_escaped(masks->escape, &state->escaped);
    uint64_t in_string = prefix_xor(quote) ^ state->in_string;
    state->in_string = 0 - (in_string >> 63);
    uint64_t open = masks->open & ~in_string;
    uint64_t close = masks->close & ~in_string;
    uint64_t closed = (uint64_t)__builtin_popcountll(close);
    if (SOP_UNLIKELY(closed >= state->depth)) {
        uint64_t before = 0;
        for (uint64_t rest = close; rest != 0; rest &= rest - 1, before++) {
            uint64_t below = (rest & (0 - rest)) - 1;
            uint64_t opened = (uint64_t)__builtin_popcountll(open & below);
            if (state->depth + opened == before + 1) return (unsigned)__builtin_ctzll(rest);
        }
    }
    state->depth += (uint64_t)__builtin_popcountll(open) - closed;
    return 64;
}

/* masks(at, size): of size bytes, 1 to 64, without a read beyond them. */
#define SOP_JSON_SKIPPER(name, masks, features)                                                    \
    SOP_TARGET(features) static const uint8_t *name(const uint8_t *at, const uint8_t *end)         \
    {                                                                                              \
        skip_state state = {.depth = 0};                                                           \
        while (at != end) {                                                                        \
            size_t left = (size_t)(end - at);                                                      \
            size_t size = left < 64 ? left : 64;                                                   \
            block_masks m = masks(at, size);                                                       \
            unsigned place = step_over(&m, &state);                                                \
            if (place != 64) return at + place + 1;                                                \
            at += size;                                                                            \
        }                                                                                          \
        return NULL;                                                                               \
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
                         .close = equal_avx2(low_folded, high_folded, '}')};
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
                         .close = _mm512_cmpeq_epi8_mask(folded, _mm512_set1_epi8('}'))};
}

SOP_JSON_SKIPPER(skip_avx2, masks_avx2, AVX2)
SOP_JSON_SKIPPER(skip_avx512, masks_avx512, AVX512)
#endif

size_t sop_json__skippers(sop_json__skipper to[3])
{
    size_t count = 0;
#if defined(__x86_64__)
    /* All processors with AVX2 and BMI2 have POPCNT and LZCNT, too. */
    int has_bmi2 = __builtin_cpu_supports("bmi2") != 0;
    if (has_bmi2 && __builtin_cpu_supports("avx512bw")) to[count++] = skip_avx512;
    if (has_bmi2 && __builtin_cpu_supports("avx2")) to[count++] = skip_avx2;
#endif
    to[count++] = skip_by_token;
    return count;
}

static const uint8_t *skip_first(const uint8_t *at, const uint8_t *end);

/* The best one, once known. Relaxed: every thread that finds out stores the same. */
static _Atomic(sop_json__skipper) skipper = skip_first;

static const uint8_t *skip_first(const uint8_t *at, const uint8_t *end)
{
    sop_json__skipper all[3];
    (void)sop_json__skippers(all);
    atomic_store_explicit(&skipper, all[0], memory_order_relaxed);
    return all[0](at, end);
}

const uint8_t *sop_json__skip_container(const uint8_t *at, const uint8_t *end)
{
    return atomic_load_explicit(&skipper, memory_order_relaxed)(at, end);
}
