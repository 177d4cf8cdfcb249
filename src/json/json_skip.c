/* SPDX-License-Identifier: MIT */
/* The two loops that every pick spends its time in: skipping a container, and finding a member by name. */
#include <stdatomic.h>

#include "json/json_scan.h"

#if defined(__x86_64__)
#include "json/json_block.h"
#endif

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

/* Reads the name at `at` (behind its quote) and tells whether it is the wanted one. NULL: it never ends. */
SOP_INLINE const uint8_t *
match_name(const uint8_t *at, const uint8_t *end, sop_slice name, int *match)
{
    int escaped = 0;
    const uint8_t *after = sop_json__skip_string(at, end, &escaped);
    if (SOP_UNLIKELY(after == NULL)) return NULL;
    size_t size = (size_t)(after - at) - 1;
    if (SOP_LIKELY(!escaped)) {
        *match = size == name.size && (size == 0 || memcmp(at, name.data, size) == 0);
    } else {
        *match = sop_json__content_equal(at, after - 1, name);
    }
    return after;
}

/* Any machine: member by member. */
static const uint8_t *
find_by_token(const uint8_t *at, const uint8_t *end, sop_slice name, sop_status *status)
{
    *status = SOP_CORRUPT;
    at = sop_json__skip_space(at + 1, end);
    if (at != end && *at == '}') *status = SOP_NOT_FOUND;
    while (at != end && *at == '"') {
        int match = 0;
        at = match_name(at + 1, end, name, &match);
        if (SOP_UNLIKELY(at == NULL)) return NULL;
        at = sop_json__skip_space(at, end);
        if (SOP_UNLIKELY(at == end || *at != ':')) return NULL;
        at = sop_json__skip_space(at + 1, end);
        if (match) {
            *status = SOP_OK;
            return at;
        }
        at = sop_json__skip_value(at, end);
        if (SOP_UNLIKELY(at == NULL)) return NULL;
        at = sop_json__skip_space(at, end);
        if (SOP_UNLIKELY(at == end)) return NULL;
        if (*at != ',') {
            if (*at == '}') *status = SOP_NOT_FOUND;
            return NULL;
        }
        at = sop_json__skip_space(at + 1, end);
    }
    return NULL;
}

#if defined(__x86_64__)

/* The place of the bracket that closes the outermost level within a block, or 64. */
SOP_INLINE unsigned step_over(block_masks *masks, block_state *state)
{
    mask_strings(masks, state);
    int64_t closed = __builtin_popcountll(masks->close);
    if (SOP_UNLIKELY(closed >= state->depth)) {
        int64_t before = 0;
        for (uint64_t rest = masks->close; rest != 0; rest &= rest - 1, before++) {
            uint64_t below = (rest & (0 - rest)) - 1;
            if (state->depth + __builtin_popcountll(masks->open & below) == before + 1) {
                return (unsigned)__builtin_ctzll(rest);
            }
        }
    }
    state->depth += __builtin_popcountll(masks->open) - closed;
    return 64;
}

/* An object in which a name is looked for. */
typedef struct {
    const uint8_t *begin; /* its opening brace */
    sop_slice name;
    block_state state;
} search;

/* Whether the name that ends with the quote at `close` is the wanted one, letter by letter. */
SOP_COLD static int name_is_slowly(const search *s, const uint8_t *close)
{
    const uint8_t *at = close;
    while (at - 1 != s->begin && (at[-1] != '"' || at[-2] == '\\')) {
        at--;
    }
    return sop_json__content_equal(at, close, s->name);
}

/* Whether the name in front of a colon is the wanted one. The opening quote is never behind a backslash. */
SOP_INLINE int name_is(const search *s, const uint8_t *colon)
{
    const uint8_t *close = colon - 1;
    while (SOP_UNLIKELY(sop_json__class[*close] & JSON_SPACE)) {
        close--;
    }
    if (SOP_UNLIKELY(*close != '"' || close == s->begin)) return 0;
    size_t size = s->name.size;
    const uint8_t *first = close - size;
    if ((size_t)(close - s->begin) > size + 1 && first[-1] == '"' && first[-2] != '\\' &&
        (size == 0 || memcmp(first, s->name.data, size) == 0)) {
        return size == 0 || memchr(first, '\\', size) == NULL;
    }
    return SOP_UNLIKELY(s->state.escapes != 0) && name_is_slowly(s, close);
}

/* Looks through a block: the colon behind the name, or NULL; *ended: the object ends here. */
SOP_INLINE const uint8_t *search_block(search *s, const uint8_t *at, block_masks *masks, int *ended)
{
    mask_strings(masks, &s->state);
    uint64_t brackets = masks->open | masks->close;
    int64_t closed = __builtin_popcountll(masks->close);
    if (closed < s->state.depth - 1) {
        /* Too deep inside a member to come back to the object within the block. */
        s->state.depth += __builtin_popcountll(masks->open) - closed;
        return NULL;
    }
    uint64_t rest = brackets | masks->colon;
    while (rest != 0) {
        uint64_t bit = rest & (0 - rest);
        rest &= rest - 1;
        if (masks->colon & bit) {
            const uint8_t *colon = at + __builtin_ctzll(bit);
            if (s->state.depth == 1 && name_is(s, colon)) return colon;
        } else if (masks->open & bit) {
            /* Colons on the way to the next bracket are of no interest. */
            if (++s->state.depth == 2) rest &= brackets;
        } else if (--s->state.depth <= 1) {
            if (s->state.depth == 0) {
                *ended = 1;
                return NULL;
            }
            rest |= masks->colon & ~(bit | (bit - 1));
        }
    }
    return NULL;
}

/* masks(at, size): of size bytes, 1 to 64, without a read beyond them. */
#define SOP_JSON_LOOPS(skip_name, find_name, masks, features)                                      \
    SOP_TARGET(features) static const uint8_t *skip_name(const uint8_t *at, const uint8_t *end)    \
    {                                                                                              \
        block_state state = {.depth = 0};                                                          \
        while (at != end) {                                                                        \
            size_t left = (size_t)(end - at);                                                      \
            size_t size = left < 64 ? left : 64;                                                   \
            block_masks m = masks(at, size);                                                       \
            unsigned place = step_over(&m, &state);                                                \
            if (place != 64) return at + place + 1;                                                \
            at += size;                                                                            \
        }                                                                                          \
        return NULL;                                                                               \
    }                                                                                              \
    SOP_TARGET(features)                                                                           \
    static const uint8_t *find_name(const uint8_t *at, const uint8_t *end, sop_slice name,         \
                                    sop_status *status)                                            \
    {                                                                                              \
        search s = {.begin = at, .name = name};                                                    \
        int ended = 0;                                                                             \
        while (at != end && !ended) {                                                              \
            size_t left = (size_t)(end - at);                                                      \
            size_t size = left < 64 ? left : 64;                                                   \
            block_masks m = masks(at, size);                                                       \
            const uint8_t *colon = search_block(&s, at, &m, &ended);                               \
            if (colon != NULL) {                                                                   \
                *status = SOP_OK;                                                                  \
                return sop_json__skip_space(colon + 1, end);                                       \
            }                                                                                      \
            at += size;                                                                            \
        }                                                                                          \
        *status = ended ? SOP_NOT_FOUND : SOP_CORRUPT;                                             \
        return NULL;                                                                               \
    }

SOP_JSON_LOOPS(skip_avx2, find_avx2, masks_avx2, AVX2)
SOP_JSON_LOOPS(skip_avx512, find_avx512, masks_avx512, AVX512)
#endif

size_t sop_json__machines(const sop_json__machine *to[3])
{
    static const sop_json__machine any = {skip_by_token, find_by_token};
    size_t count = 0;
#if defined(__x86_64__)
    static const sop_json__machine avx2 = {skip_avx2, find_avx2};
    static const sop_json__machine avx512 = {skip_avx512, find_avx512};
    /* All processors with AVX2 and BMI2 have POPCNT and LZCNT, too. */
    int has_bmi2 = __builtin_cpu_supports("bmi2") != 0;
    if (has_bmi2 && __builtin_cpu_supports("avx512bw")) to[count++] = &avx512;
    if (has_bmi2 && __builtin_cpu_supports("avx2")) to[count++] = &avx2;
#endif
    to[count++] = &any;
    return count;
}

static const uint8_t *skip_first(const uint8_t *at, const uint8_t *end);
static const uint8_t *
find_first(const uint8_t *at, const uint8_t *end, sop_slice name, sop_status *status);

static const sop_json__machine unknown = {skip_first, find_first};

/* The best one, once known. Relaxed: all threads that find out store the same, and it points to constants. */
static const sop_json__machine *_Atomic machine = &unknown;

static const sop_json__machine *find_out(void)
{
    const sop_json__machine *all[3];
    (void)sop_json__machines(all);
    atomic_store_explicit(&machine, all[0], memory_order_relaxed);
    return all[0];
}

static const uint8_t *skip_first(const uint8_t *at, const uint8_t *end)
{
    return find_out()->skip_container(at, end);
}

static const uint8_t *
find_first(const uint8_t *at, const uint8_t *end, sop_slice name, sop_status *status)
{
    return find_out()->find_member(at, end, name, status);
}

const uint8_t *sop_json__skip_container(const uint8_t *at, const uint8_t *end)
{
    return atomic_load_explicit(&machine, memory_order_relaxed)->skip_container(at, end);
}

const uint8_t *
sop_json__find_member(const uint8_t *at, const uint8_t *end, sop_slice name, sop_status *status)
{
    return atomic_load_explicit(&machine, memory_order_relaxed)->find_member(at, end, name, status);
}
