/* SPDX-License-Identifier: MIT */
/*
 * Regular expressions: the table of states (subset construction). A state is the set of instructions that wait for a
 * byte or for the end of the text. The table is made whole or not at all, so that matching shares it without locks.
 */
#include "document/document_regex.h"
#include "util/bytes.h"
#include "util/checksum.h"
#include "util/memory.h"

#define STATES_MAX SOP_DOCUMENT_REGEX_STATES_MAX
#define WORDS_MAX  ((SOP_DOCUMENT_REGEX_INSTS_MAX + 63) / 64)
#define SLOTS      ((size_t)4096) /* a power of two, above 2 * STATES_MAX */

typedef struct {
    uint64_t bits[WORDS_MAX]; /* all instructions reached, those on the way included */
} state_set;

typedef struct {
    const sop_document__regex *regex;
    size_t words;
    state_set *sets; /* of the states from REGEX_STATE_START on */
    uint16_t *slots; /* hash table of states; 0: free */
    uint16_t *table;
    uint8_t *at_end;
    unsigned count;
    int64_t steps;
    uint16_t stack[SOP_DOCUMENT_REGEX_INSTS_MAX];
} builder;

static int has(const state_set *set, unsigned pc)
{
    return (int)(set->bits[pc / 64] >> (pc % 64) & 1);
}

static void push(builder *b, state_set *set, unsigned *depth, unsigned pc)
{
    if (has(set, pc)) return;
    set->bits[pc / 64] |= UINT64_C(1) << (pc % 64);
    b->stack[(*depth)++] = (uint16_t)pc;
}

/* Adds pc and what follows without a byte. 1: a match. */
static int follow(builder *b, state_set *set, unsigned pc, int at_begin, int at_end)
{
    unsigned depth = 0;
    int matched = 0;
    push(b, set, &depth, pc);
    while (depth != 0) {
        const sop_document__inst *inst = &b->regex->insts[b->stack[--depth]];
        b->steps++;
        if (inst->op == REGEX_MATCH) matched = 1;
        if (inst->op == REGEX_SPLIT) {
            push(b, set, &depth, inst->x);
            push(b, set, &depth, inst->y);
        }
        int passes = (inst->op == REGEX_BEGIN && at_begin) || (inst->op == REGEX_END && at_end);
        if (passes) push(b, set, &depth, inst->x);
    }
    return matched;
}

/* Whether the state matches if the text ends: the instructions END let pass then. */
static int matches_at_end(builder *b, const state_set *set, int at_begin)
{
    state_set all = {{0}};
    int matched = 0;
    for (unsigned pc = 0; pc < b->regex->count && !matched; pc++) {
        if (has(set, pc) && b->regex->insts[pc].op == REGEX_END) {
            matched = follow(b, &all, b->regex->insts[pc].x, at_begin, 1);
        }
    }
    return matched;
}

/* Nothing waits for anything: no byte and no end can lead to a match any more. */
static int is_dead(const builder *b, const state_set *set)
{
    for (unsigned pc = 0; pc < b->regex->count; pc++) {
        uint8_t op = b->regex->insts[pc].op;
        if (has(set, pc) && (op == REGEX_BYTE || op == REGEX_END)) return 0;
    }
    return 1;
}

/* The number of the state, made if it is new; STATES_MAX if there are too many. */
static unsigned find_state(builder *b, const state_set *set, int at_begin)
{
    size_t size = b->words * sizeof set->bits[0];
    size_t slot = (size_t)sop_checksum64(set->bits, size, 0) % SLOTS;
    /* The first state is never the goal of another one: it alone may pass BEGIN. */
    for (; !at_begin && b->slots[slot] != 0; slot = (slot + 1) % SLOTS) {
        if (memcmp(b->sets[b->slots[slot]].bits, set->bits, size) == 0) return b->slots[slot];
    }
    if (b->count == STATES_MAX) return STATES_MAX;
    unsigned state = b->count++;
    b->sets[state] = *set;
    b->at_end[state] = (uint8_t)matches_at_end(b, set, at_begin);
    if (!at_begin) b->slots[slot] = (uint16_t)state;
    return state;
}

/* Where a state goes with a byte. */
static unsigned next_state(builder *b, unsigned state, unsigned byte)
{
    state_set next = {{0}};
    const state_set *from = &b->sets[state];
    int matched = 0;
    for (size_t word = 0; word < b->words && !matched; word++) {
        for (uint64_t rest = from->bits[word]; rest != 0 && !matched; rest &= rest - 1) {
            const sop_document__inst *inst =
                &b->regex->insts[word * 64 + (size_t)__builtin_ctzll(rest)];
            b->steps++;
            if (inst->op == REGEX_BYTE && byte >= inst->low && byte <= inst->high) {
                matched = follow(b, &next, inst->x, 0, 0);
            }
        }
    }
    if (!matched) matched = follow(b, &next, b->regex->start, 0, 0);
    if (matched) return REGEX_STATE_MATCHED;
    return is_dead(b, &next) ? REGEX_STATE_DEAD : find_state(b, &next, 0);
}

/* 0: too large. */
static int build(builder *b)
{
    const sop_document__regex *regex = b->regex;
    uint8_t bytes[256];
    for (unsigned byte = 256; byte-- > 0;) {
        bytes[regex->classes[byte]] = (uint8_t)byte;
    }
    state_set first = {{0}};
    b->count = REGEX_STATE_START;
    if (follow(b, &first, regex->start, 1, 0)) return 0;
    (void)find_state(b, &first, 1);
    for (unsigned state = REGEX_STATE_START; state < b->count; state++) {
        for (unsigned class = 0; class < regex->class_count; class ++) {
            unsigned next = next_state(b, state, bytes[class]);
            if (next == STATES_MAX || b->steps > SOP_DOCUMENT_REGEX_BUILD_MAX) return 0;
            b->table[state * regex->class_count + class] = (uint16_t)next;
        }
    }
    return 1;
}

static sop_status keep(const builder *b, sop_document__regex *regex, sop_arena *arena)
{
    size_t size = (size_t)b->count * regex->class_count * sizeof b->table[0];
    uint16_t *table = sop_arena_copy(arena, b->table, size);
    uint8_t *at_end = sop_arena_copy(arena, b->at_end, b->count);
    if (table == NULL || at_end == NULL) return SOP_NO_MEMORY;
    regex->table = table;
    regex->at_end = at_end;
    regex->state_count = b->count;
    return SOP_OK;
}

sop_status sop_document__regex_tabulate(sop_document__regex *regex, sop_arena *arena)
{
    builder *b = sop_alloc_zeroed(sizeof *b);
    if (b == NULL) return SOP_NO_MEMORY;
    b->regex = regex;
    b->words = (regex->count + 63) / 64;
    b->sets = sop_alloc_array(STATES_MAX, sizeof *b->sets);
    b->slots = sop_alloc_zeroed(SLOTS * sizeof *b->slots);
    b->table = sop_alloc_zeroed((size_t)STATES_MAX * regex->class_count * sizeof *b->table);
    b->at_end = sop_alloc_zeroed(STATES_MAX);
    sop_status status = SOP_OK;
    if (b->sets == NULL || b->slots == NULL || b->table == NULL || b->at_end == NULL) {
        status = SOP_NO_MEMORY;
    } else if (build(b)) {
        status = keep(b, regex, arena);
    }
    sop_free(b->sets);
    sop_free(b->slots);
    sop_free(b->table);
    sop_free(b->at_end);
    sop_free(b);
    return status;
}
