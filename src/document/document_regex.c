/* SPDX-License-Identifier: MIT */
/* Regular expressions: from the tree to the program, and matching. */
#include "document/document_regex.h"

#include <limits.h>
#include <string.h>

#include "util/assert.h"
#include "util/memory.h"
#include "util/utf8.h"

#define INSTS_MAX SOP_DOCUMENT_REGEX_INSTS_MAX

typedef struct {
    sop_document__inst insts[INSTS_MAX];
    unsigned count;
    int too_large;
} program;

static unsigned emit(program *p, sop_document__inst inst)
{
    if (p->count == INSTS_MAX) {
        p->too_large = 1;
        return 0;
    }
    p->insts[p->count] = inst;
    return p->count++;
}

static unsigned emit_split(program *p, unsigned x, unsigned y)
{
    return emit(p, (sop_document__inst){.op = REGEX_SPLIT, .x = (uint16_t)x, .y = (uint16_t)y});
}

/* A range of one byte; one of the same class from `first` on that goes to the same place is used again. */
static unsigned emit_byte(program *p, unsigned first, uint8_t low, uint8_t high, unsigned next)
{
    for (unsigned i = first; i < p->count; i++) {
        const sop_document__inst *inst = &p->insts[i];
        if (inst->op == REGEX_BYTE && inst->low == low && inst->high == high && inst->x == next) {
            return i;
        }
    }
    return emit(
        p, (sop_document__inst){.op = REGEX_BYTE, .low = low, .high = high, .x = (uint16_t)next});
}

/* Cuts a range so that its characters have the same size, and each byte runs through one range of its own.
   Returns 1 with the lower part in *range and the rest in *rest, or 0. Source: Cox's utf8-ranges. */
static int cut(sop_document__range *range, sop_document__range *rest)
{
    static const uint32_t sizes[] = {0x7f, 0x7ff, 0xffff};
    uint32_t at = UINT32_MAX;
    for (size_t i = 0; i < 3 && at == UINT32_MAX; i++) {
        if (range->low <= sizes[i] && range->high > sizes[i]) at = sizes[i];
    }
    for (unsigned i = 1; i < 4 && at == UINT32_MAX && range->high > 0x7f; i++) {
        uint32_t low_bits = (UINT32_C(1) << 6 * i) - 1;
        if ((range->low & ~low_bits) == (range->high & ~low_bits)) continue;
        if ((range->low & low_bits) != 0) {
            at = range->low | low_bits;
        } else if ((range->high & low_bits) != low_bits) {
            at = (range->high & ~low_bits) - 1;
        }
    }
    if (at == UINT32_MAX) return 0;
    *rest = (sop_document__range){at + 1, range->high};
    range->high = at;
    return 1;
}

/* A range that cut leaves whole: one byte range behind the other. */
static unsigned emit_sequence(program *p, unsigned first, sop_document__range range, unsigned next)
{
    uint8_t low[SOP_UTF8_MAX];
    uint8_t high[SOP_UTF8_MAX];
    size_t size = sop_utf8_put(low, range.low);
    (void)sop_utf8_put(high, range.high);
    while (size-- != 0) {
        next = emit_byte(p, first, low[size], high[size], next);
    }
    return next;
}

static unsigned emit_class(program *p, const sop_document__node *node, unsigned next)
{
    unsigned first = p->count;
    unsigned start = UINT_MAX;
    for (size_t i = 0; i < node->range_count && !p->too_large; i++) {
        /* Each cut leaves a part that is done; 8 waiting ones are more than four bytes can need. */
        sop_document__range waiting[16];
        size_t count = 1;
        waiting[0] = node->ranges[i];
        while (count != 0 && !p->too_large) {
            if (cut(&waiting[count - 1], &waiting[count])) {
                count++;
                SOP_ASSERT(count < 16);
                /* The rest below, so that the lower part comes next. */
                sop_document__range lower = waiting[count - 2];
                waiting[count - 2] = waiting[count - 1];
                waiting[count - 1] = lower;
                continue;
            }
            unsigned sequence = emit_sequence(p, first, waiting[--count], next);
            start = start == UINT_MAX ? sequence : emit_split(p, start, sequence);
        }
    }
    /* A class without characters never goes on. */
    if (start == UINT_MAX) {
        start = emit(p, (sop_document__inst){.op = REGEX_BYTE, .low = 1, .high = 0});
    }
    return start;
}

/* NOLINTBEGIN(misc-no-recursion): as deep as groups and repeats, which the parser limits. */
static unsigned emit_node(program *p, const sop_document__node *node, unsigned next);

static unsigned emit_repeat(program *p, const sop_document__node *node, unsigned next)
{
    unsigned at = next;
    if (node->max == UINT_MAX) {
        unsigned loop = emit_split(p, 0, next);
        unsigned body = emit_node(p, node->child, loop);
        p->insts[loop].x = (uint16_t)body;
        at = loop;
    } else {
        for (unsigned i = node->min; i < node->max && !p->too_large; i++) {
            /* Each one may be the last. */
            at = emit_split(p, emit_node(p, node->child, at), next);
        }
    }
    for (unsigned i = 0; i < node->min && !p->too_large; i++) {
        at = emit_node(p, node->child, at);
    }
    return at;
}

/* Emits backwards, so that where to go on is always known. Returns where the node begins. */
static unsigned emit_node(program *p, const sop_document__node *node, unsigned next)
{
    if (p->too_large) return 0;
    unsigned start = next;
    switch (node->kind) {
    case REGEX_NODE_CLASS:
        return emit_class(p, node, next);
    case REGEX_NODE_BEGIN:
        return emit(p, (sop_document__inst){.op = REGEX_BEGIN, .x = (uint16_t)next});
    case REGEX_NODE_END:
        return emit(p, (sop_document__inst){.op = REGEX_END, .x = (uint16_t)next});
    case REGEX_NODE_REPEAT:
        return emit_repeat(p, node, next);
    case REGEX_NODE_CONCAT:
        for (const sop_document__node *c = node->child; c != NULL; c = c->next) {
            start = emit_node(p, c, start);
        }
        return start;
    case REGEX_NODE_ALTERNATE:
    default:
        start = emit_node(p, node->child, next);
        for (const sop_document__node *c = node->child->next; c != NULL; c = c->next) {
            start = emit_split(p, start, emit_node(p, c, next));
        }
        return start;
    }
}
/* NOLINTEND(misc-no-recursion) */

/* Bytes that no instruction tells apart are one class. */
static void make_classes(sop_document__regex *regex)
{
    uint8_t begins[257] = {0};
    for (unsigned i = 0; i < regex->count; i++) {
        if (regex->insts[i].op != REGEX_BYTE || regex->insts[i].low > regex->insts[i].high) {
            continue;
        }
        begins[regex->insts[i].low] = 1;
        begins[regex->insts[i].high + 1] = 1;
    }
    unsigned class = 0;
    for (unsigned byte = 0; byte < 256; byte++) {
        if (byte != 0 && begins[byte]) class ++;
        regex->classes[byte] = (uint8_t) class;
    }
    regex->class_count = class + 1;
}

static sop_status make_program(program *p,
                               const sop_document__node *node,
                               sop_document__regex *regex,
                               sop_arena *arena)
{
    p->count = 0;
    p->too_large = 0;
    regex->start = emit_node(p, node, emit(p, (sop_document__inst){.op = REGEX_MATCH}));
    if (p->too_large) return SOP_INVALID;
    regex->insts = sop_arena_copy(arena, p->insts, p->count * sizeof p->insts[0]);
    regex->count = p->count;
    if (regex->insts == NULL) return SOP_NO_MEMORY;
    make_classes(regex);
    return SOP_OK;
}

sop_status sop_document__regex_new(sop_slice pattern,
                                   int nocase,
                                   sop_arena *arena,
                                   sop_document__regex **regex_out,
                                   size_t *offset_out,
                                   const char **why_out)
{
    *regex_out = NULL;
    const sop_document__node *node =
        sop_document__regex_parse(pattern, &nocase, arena, offset_out, why_out);
    if (node == NULL) return *why_out == NULL ? SOP_NO_MEMORY : SOP_INVALID;
    sop_document__regex *regex = sop_arena_alloc(arena, sizeof *regex);
    program *p = sop_alloc(sizeof *p);
    *why_out = NULL;
    sop_status status = SOP_NO_MEMORY;
    if (regex != NULL && p != NULL) {
        *regex = (sop_document__regex){.nocase = nocase};
        status = make_program(p, node, regex, arena);
    }
    sop_free(p);
    if (status == SOP_INVALID) {
        *offset_out = 0;
        *why_out = "a pattern that is too large, its repeats counted";
    }
    if (status == SOP_OK) status = sop_document__regex_tabulate(regex, arena);
    *regex_out = status == SOP_OK ? regex : NULL;
    return status;
}

/* The instructions that the text so far leads to. */
typedef struct {
    uint16_t list[INSTS_MAX];
    unsigned count;
    uint64_t seen[(INSTS_MAX + 63) / 64];
} thread_set;

typedef struct {
    const sop_document__regex *regex;
    int64_t steps;
    uint16_t stack[INSTS_MAX];
} matcher;

static void clear(thread_set *set, unsigned inst_count)
{
    set->count = 0;
    memset(set->seen, 0, (inst_count + 63) / 64 * sizeof set->seen[0]);
}

/* Puts an instruction on the stack the first time it is met. */
static void push(matcher *m, thread_set *set, unsigned *depth, unsigned pc)
{
    uint64_t bit = UINT64_C(1) << (pc % 64);
    if (set->seen[pc / 64] & bit) return;
    set->seen[pc / 64] |= bit;
    m->stack[(*depth)++] = (uint16_t)pc;
}

/* Adds pc and all that it leads to without a byte. 1: a match. */
static int follow(matcher *m, thread_set *set, unsigned pc, int at_begin, int at_end)
{
    unsigned depth = 0;
    push(m, set, &depth, pc);
    while (depth != 0) {
        pc = m->stack[--depth];
        const sop_document__inst *inst = &m->regex->insts[pc];
        m->steps++;
        switch (inst->op) {
        case REGEX_MATCH:
            return 1;
        case REGEX_SPLIT:
            push(m, set, &depth, inst->x);
            push(m, set, &depth, inst->y);
            break;
        case REGEX_BEGIN:
            if (at_begin) push(m, set, &depth, inst->x);
            break;
        case REGEX_END:
            if (at_end) push(m, set, &depth, inst->x);
            break;
        default:
            set->list[set->count++] = (uint16_t)pc;
            break;
        }
    }
    return 0;
}

sop_status
sop_document__regex_match_slowly(const sop_document__regex *regex, sop_slice text, int *match_out)
{
    const uint8_t *at = text.data;
    matcher m = {.regex = regex};
    thread_set sets[2];
    thread_set *now = &sets[0];
    thread_set *then = &sets[1];
    clear(now, regex->count);
    *match_out = follow(&m, now, regex->start, 1, text.size == 0);
    for (size_t i = 0; i < text.size && !*match_out; i++) {
        int last = i + 1 == text.size;
        clear(then, regex->count);
        for (unsigned k = 0; k < now->count && !*match_out; k++) {
            const sop_document__inst *inst = &regex->insts[now->list[k]];
            m.steps++;
            if (at[i] >= inst->low && at[i] <= inst->high) {
                *match_out = follow(&m, then, inst->x, 0, last);
            }
        }
        /* A match may begin anywhere. */
        if (!*match_out) *match_out = follow(&m, then, regex->start, 0, last);
        thread_set *swap = now;
        now = then;
        then = swap;
        if (m.steps > SOP_DOCUMENT_REGEX_STEPS_MAX) return SOP_TOO_LARGE;
    }
    return SOP_OK;
}

sop_status
sop_document__regex_match(const sop_document__regex *regex, sop_slice text, int *match_out)
{
    if (regex->table == NULL) return sop_document__regex_match_slowly(regex, text, match_out);
    const uint8_t *at = text.data;
    const uint8_t *end = text.size == 0 ? at : at + text.size;
    unsigned state = REGEX_STATE_START;
    while (at != end && state > REGEX_STATE_DEAD) {
        state = regex->table[state * regex->class_count + regex->classes[*at++]];
    }
    *match_out = state == REGEX_STATE_MATCHED || regex->at_end[state];
    return SOP_OK;
}
