/* SPDX-License-Identifier: MIT */
/* Regular expressions: from the pattern to a tree. */
#include <limits.h>
#include <string.h>

#include "document/document_fold.h"
#include "document/document_regex.h"
#include "util/utf8.h"

#define DEPTH_MAX         100
#define REPEAT_LEVELS_MAX 4
#define RANGES_MAX        1024
#define CODE_MAX          0x10ffffu

typedef struct {
    const uint8_t *at;
    const uint8_t *end;
    sop_arena *arena;
    int nocase;
    unsigned depth;
    const char *why;
    int no_memory;
} parser;

/* The ranges of a class while it is read. */
typedef struct {
    sop_document__range ranges[RANGES_MAX];
    size_t count;
} range_set;

static sop_document__node *wrong(parser *p, const char *why)
{
    if (p->why == NULL) p->why = why;
    return NULL;
}

static sop_document__node *new_node(parser *p, sop_document__node_kind kind)
{
    sop_document__node *node = sop_arena_alloc(p->arena, sizeof *node);
    if (node == NULL) {
        p->no_memory = 1;
        return wrong(p, "out of memory");
    }
    *node = (sop_document__node){.kind = kind};
    return node;
}

static int add_range(parser *p, range_set *set, uint32_t low, uint32_t high)
{
    if (set->count == RANGES_MAX) {
        wrong(p, "a class of too many ranges");
        return -1;
    }
    set->ranges[set->count++] = (sop_document__range){low, high};
    return 0;
}

/* Adds what the characters of a range fold to. The characters themselves may stay: folded text has none of them. */
static int add_folded(parser *p, range_set *set, sop_document__range range)
{
    for (size_t i = 0; i < sop_document__fold_range_count; i++) {
        const sop_document__fold_range *fold = &sop_document__fold_ranges[i];
        if (fold->last < range.low || fold->first > range.high) continue;
        for (uint32_t c = fold->first; c <= fold->last; c += fold->stride) {
            uint32_t to = (uint32_t)((int64_t)c + fold->delta);
            if (c < range.low || c > range.high || (to >= range.low && to <= range.high)) continue;
            sop_document__range *last = &set->ranges[set->count - 1];
            if (last->high + 1 == to) {
                last->high = to;
            } else if (add_range(p, set, to, to) != 0) {
                return -1;
            }
        }
    }
    return 0;
}

/* Sorts by insertion (classes are short) and joins what touches. */
static void normalise(range_set *set)
{
    sop_document__range *r = set->ranges;
    for (size_t i = 1; i < set->count; i++) {
        sop_document__range moved = r[i];
        size_t k = i;
        for (; k != 0 && r[k - 1].low > moved.low; k--) {
            r[k] = r[k - 1];
        }
        r[k] = moved;
    }
    size_t used = 0;
    for (size_t i = 0; i < set->count; i++) {
        if (used != 0 && r[i].low <= r[used - 1].high + 1) {
            if (r[i].high > r[used - 1].high) r[used - 1].high = r[i].high;
        } else {
            r[used++] = r[i];
        }
    }
    set->count = used;
}

/* Of a normalised set; it needs at most one range more than it had. */
static int negate(parser *p, range_set *set)
{
    uint32_t next = 0;
    size_t used = 0;
    for (size_t i = 0; i < set->count; i++) {
        sop_document__range range = set->ranges[i];
        if (range.low > next) set->ranges[used++] = (sop_document__range){next, range.low - 1};
        next = range.high + 1;
    }
    set->count = used;
    return next <= CODE_MAX ? add_range(p, set, next, CODE_MAX) : 0;
}

static sop_document__node *class_node(parser *p, range_set *set, int negated)
{
    size_t count = set->count;
    for (size_t i = 0; p->nocase && i < count; i++) {
        if (add_folded(p, set, set->ranges[i]) != 0) return NULL;
    }
    normalise(set);
    if (negated && negate(p, set) != 0) return NULL;
    sop_document__node *node = new_node(p, REGEX_NODE_CLASS);
    if (node == NULL) return NULL;
    node->ranges = sop_arena_copy(p->arena, set->ranges, set->count * sizeof *set->ranges);
    node->range_count = set->count;
    if (node->ranges == NULL) {
        p->no_memory = 1;
        return wrong(p, "out of memory");
    }
    return node;
}

/* d, w or s, and their opposites. 0 if the letter is none of them. */
static int add_shorthand(parser *p, range_set *set, uint8_t letter)
{
    static const sop_document__range digits[] = {{'0', '9'}};
    static const sop_document__range word[] = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
    static const sop_document__range space[] = {{'\t', '\r'}, {' ', ' '}};
    const sop_document__range *ranges = digits;
    size_t count = 1;
    if ((letter | 0x20) == 'w') {
        ranges = word;
        count = 4;
    } else if ((letter | 0x20) == 's') {
        ranges = space;
        count = 2;
    } else if ((letter | 0x20) != 'd') {
        return 0;
    }
    if (letter >= 'a') {
        for (size_t i = 0; i < count; i++) {
            (void)add_range(p, set, ranges[i].low, ranges[i].high);
        }
        return 1;
    }
    uint32_t next = 0;
    for (size_t i = 0; i < count; i++) {
        (void)add_range(p, set, next, ranges[i].low - 1);
        next = ranges[i].high + 1;
    }
    (void)add_range(p, set, next, CODE_MAX);
    return 1;
}

static int hex_value(uint8_t c)
{
    if ((unsigned)c - '0' < 10) return c - '0';
    unsigned letter = (c | 0x20u) - 'a';
    return letter < 6 ? (int)letter + 10 : -1;
}

/* From min to max hex digits. */
static int read_hex(parser *p, size_t min, size_t max, uint32_t *out)
{
    size_t count = 0;
    *out = 0;
    while (count < max && p->at != p->end && hex_value(*p->at) >= 0) {
        *out = *out << 4 | (uint32_t)hex_value(*p->at++);
        count++;
    }
    if (count >= min && *out <= CODE_MAX) return 0;
    wrong(p, "expected hex digits of a character");
    return -1;
}

static int read_braced_hex(parser *p, uint32_t *out)
{
    p->at++;
    if (read_hex(p, 1, 6, out) != 0) return -1;
    if (p->at == p->end || *p->at != '}') {
        wrong(p, "expected '}'");
        return -1;
    }
    p->at++;
    return 0;
}

/* The character behind a backslash; p->at: on the letter. */
static int read_escape(parser *p, uint32_t *out)
{
    uint8_t c = *p->at++;
    switch (c) {
    case 'n':
        *out = '\n';
        return 0;
    case 'r':
        *out = '\r';
        return 0;
    case 't':
        *out = '\t';
        return 0;
    case 'f':
        *out = '\f';
        return 0;
    case 'u':
        return read_hex(p, 4, 4, out);
    case 'x':
        if (p->at != p->end && *p->at == '{') return read_braced_hex(p, out);
        return read_hex(p, 2, 2, out);
    default:
        *out = c;
        if (c < 0x80 && (unsigned)c - '0' >= 10 && ((unsigned)c | 0x20) - 'a' >= 26) return 0;
        wrong(p, "an escape that has no meaning here");
        return -1;
    }
}

/* A character as it stands or escaped. */
static int read_char(parser *p, uint32_t *out)
{
    if (*p->at == '\\') {
        if (++p->at == p->end) {
            wrong(p, "a backslash at the end");
            return -1;
        }
        return read_escape(p, out);
    }
    size_t size = sop_utf8_get(p->at, p->end, out);
    if (size == 0) {
        wrong(p, "bytes that are not UTF-8");
        return -1;
    }
    p->at += size;
    return 0;
}

/* One member of a class: a character, a range, or a shorthand. */
static int read_member(parser *p, range_set *set)
{
    if (*p->at == '\\' && p->end - p->at > 1 && add_shorthand(p, set, p->at[1])) {
        p->at += 2;
        return 0;
    }
    uint32_t low = 0;
    if (read_char(p, &low) != 0) return -1;
    uint32_t high = low;
    if (p->end - p->at > 1 && p->at[0] == '-' && p->at[1] != ']') {
        p->at++;
        if (read_char(p, &high) != 0) return -1;
        if (high < low) {
            wrong(p, "a range whose end is below its start");
            return -1;
        }
    }
    return add_range(p, set, low, high);
}

static sop_document__node *parse_class(parser *p)
{
    range_set set = {.count = 0};
    p->at++;
    int negated = p->at != p->end && *p->at == '^';
    if (negated) p->at++;
    const uint8_t *begin = p->at;
    /* A ] that comes first stands for itself. */
    while (p->at != p->end && (*p->at != ']' || p->at == begin)) {
        if (read_member(p, &set) != 0) return NULL;
    }
    if (p->at == p->end) return wrong(p, "a class without ]");
    p->at++;
    return class_node(p, &set, negated);
}

static sop_document__node *char_node(parser *p, uint32_t code)
{
    range_set set = {.count = 0};
    (void)add_range(p, &set, code, code);
    return class_node(p, &set, 0);
}

static sop_document__node *parse_escape(parser *p)
{
    range_set set = {.count = 0};
    uint8_t letter = p->end - p->at > 1 ? p->at[1] : 0;
    if (letter == 'A' || letter == 'z') {
        p->at += 2;
        return new_node(p, letter == 'A' ? REGEX_NODE_BEGIN : REGEX_NODE_END);
    }
    if (add_shorthand(p, &set, letter)) {
        p->at += 2;
        return class_node(p, &set, 0);
    }
    uint32_t code = 0;
    return read_char(p, &code) == 0 ? char_node(p, code) : NULL;
}

static sop_document__node *parse_alternatives(parser *p);

/* NOLINTBEGIN(misc-no-recursion): groups end at DEPTH_MAX levels. */
static sop_document__node *parse_group(parser *p)
{
    if (p->depth == DEPTH_MAX) return wrong(p, "too many groups inside each other");
    p->at++;
    if (p->at != p->end && *p->at == '?') {
        if (p->end - p->at < 2 || p->at[1] != ':') {
            return wrong(p, "of (? only (?: is known, and (?i) at the start");
        }
        p->at += 2;
    }
    p->depth++;
    sop_document__node *inside = parse_alternatives(p);
    p->depth--;
    if (inside == NULL) return NULL;
    if (p->at == p->end) return wrong(p, "a group without )");
    p->at++;
    return inside;
}

static sop_document__node *parse_atom(parser *p)
{
    static const char *const repeat = "nothing to repeat";
    range_set set = {.count = 0};
    uint32_t code = 0;
    switch (*p->at) {
    case '(':
        return parse_group(p);
    case '[':
        return parse_class(p);
    case '\\':
        return parse_escape(p);
    case '.':
        p->at++;
        (void)add_range(p, &set, '\n', '\n');
        return class_node(p, &set, 1);
    case '^':
        p->at++;
        return new_node(p, REGEX_NODE_BEGIN);
    case '$':
        p->at++;
        return new_node(p, REGEX_NODE_END);
    case '*':
    case '+':
    case '?':
        return wrong(p, repeat);
    default:
        return read_char(p, &code) == 0 ? char_node(p, code) : NULL;
    }
}

static int read_count(parser *p, unsigned *out)
{
    const uint8_t *begin = p->at;
    *out = 0;
    while (p->at != p->end && (unsigned)*p->at - '0' < 10 && p->at - begin < 6) {
        *out = *out * 10 + (unsigned)(*p->at++ - '0');
    }
    return p->at != begin;
}

/* {m}, {m,} or {m,n} at p->at. 0 if it is none: then the brace stands for itself. */
static int read_braces(parser *p, unsigned *min, unsigned *max)
{
    const uint8_t *begin = p->at++;
    int good = read_count(p, min);
    *max = *min;
    if (good && p->at != p->end && *p->at == ',') {
        p->at++;
        if (!read_count(p, max)) *max = UINT_MAX;
    }
    good = good && p->at != p->end && *p->at == '}';
    p->at = good ? p->at + 1 : begin;
    return good;
}

/* A repeat at p->at. 1: there is one; 0: none; -1: it is wrong. */
static int read_repeat(parser *p, unsigned *min, unsigned *max)
{
    uint8_t c = p->at == p->end ? 0 : *p->at;
    if (c == '{') {
        if (!read_braces(p, min, max)) return 0;
        int large = *min > SOP_DOCUMENT_REGEX_REPEATS_MAX ||
                    (*max > SOP_DOCUMENT_REGEX_REPEATS_MAX && *max != UINT_MAX);
        if (large) wrong(p, "more than 1000 repeats");
        if (*min > *max) wrong(p, "a repeat whose end is below its start");
        return large || *min > *max ? -1 : 1;
    }
    if (c != '*' && c != '+' && c != '?') return 0;
    *min = c == '+';
    *max = c == '?' ? 1 : UINT_MAX;
    p->at++;
    return 1;
}

static sop_document__node *parse_repeated(parser *p)
{
    unsigned min = 0;
    unsigned max = 0;
    sop_document__node *node = parse_atom(p);
    unsigned levels = 0;
    int found = 0;
    while (node != NULL && (found = read_repeat(p, &min, &max)) != 0) {
        if (found < 0) return NULL;
        if (++levels > REPEAT_LEVELS_MAX) return wrong(p, "too many repeats of repeats");
        if (p->at != p->end && *p->at == '?') p->at++;
        sop_document__node *repeat = new_node(p, REGEX_NODE_REPEAT);
        if (repeat == NULL) return NULL;
        repeat->child = node;
        repeat->min = min;
        repeat->max = max;
        node = repeat;
    }
    return node;
}

static sop_document__node *parse_concat(parser *p)
{
    sop_document__node *concat = new_node(p, REGEX_NODE_CONCAT);
    while (concat != NULL && p->at != p->end && *p->at != '|' && *p->at != ')') {
        sop_document__node *item = parse_repeated(p);
        if (item == NULL) return NULL;
        item->next = concat->child;
        concat->child = item;
    }
    return concat;
}

static sop_document__node *parse_alternatives(parser *p)
{
    sop_document__node *first = parse_concat(p);
    if (first == NULL || p->at == p->end || *p->at != '|') return first;
    sop_document__node *alternate = new_node(p, REGEX_NODE_ALTERNATE);
    if (alternate == NULL) return NULL;
    alternate->child = first;
    while (p->at != p->end && *p->at == '|') {
        p->at++;
        sop_document__node *other = parse_concat(p);
        if (other == NULL) return NULL;
        other->next = alternate->child;
        alternate->child = other;
    }
    return alternate;
}
/* NOLINTEND(misc-no-recursion) */

sop_document__node *sop_document__regex_parse(
    sop_slice pattern, int *nocase, sop_arena *arena, size_t *offset_out, const char **why_out)
{
    const uint8_t *begin = pattern.data;
    parser p = {
        .at = begin, .end = pattern.size == 0 ? begin : begin + pattern.size, .arena = arena};
    if (pattern.size >= 4 && memcmp(begin, "(?i)", 4) == 0) {
        *nocase = 1;
        p.at += 4;
    }
    p.nocase = *nocase;
    sop_document__node *node = parse_alternatives(&p);
    if (node != NULL && p.at != p.end) node = wrong(&p, "a ) without (");
    *offset_out = (size_t)(p.at - begin);
    *why_out = p.no_memory ? NULL : p.why;
    return node;
}
