/* SPDX-License-Identifier: MIT */
/* Bounds: which keys of a tree the tests of a filter leave. Every range may be too wide, never too narrow. */
#include "document/document_bounds.h"

#include <stdlib.h>

#include "document/document_fold.h"
#include "util/bytes.h"

/* ---- which test is about which field ---- */

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the filter, at most SOP_DOCUMENT_FILTER_DEPTH_MAX. */
void sop_document__conjuncts_of(const sop_filter_node *filter, sop_document__conjuncts *out)
{
    if (filter == NULL) return;
    if (filter->op != SOP_FILTER_AND) {
        if (out->count < SOP_CONJUNCTS_MAX) out->list[out->count++] = filter;
        return;
    }
    for (const sop_filter_node *child = filter->child; child != NULL; child = child->next) {
        sop_document__conjuncts_of(child, out);
    }
}

static int step_equal(const sop_json_step *a, const sop_json_step *b)
{
    return a->kind == b->kind && a->index == b->index && sop_slice_equal(a->name, b->name);
}

int sop_document__test_is_of(const sop_filter_node *node, const sop_document_key_field *field)
{
    if (node->op < SOP_FILTER_EQ) return 0;
    size_t count = field->path.count;
    if (node->op == SOP_FILTER_HAS) {
        if (count == 0 || field->path.steps[count - 1].kind != SOP_JSON_STEP_EACH) return 0;
        count--;
    }
    if (node->path.count != count) return 0;
    for (size_t i = 0; i < count; i++) {
        if (!step_equal(&node->path.steps[i], &field->path.steps[i])) return 0;
    }
    return 1;
}

static int literal_is_null(const sop_filter_node *node)
{
    for (size_t i = 0; i < node->literal_count; i++) {
        if (node->literals[i].json.type == SOP_JSON_NULL) return 1;
    }
    return 0;
}

/* Whether a test can only hold where there is a value other than null. */
static int asks_for_value(const sop_filter_node *node)
{
    if (node->op == SOP_FILTER_NE || node->op >= SOP_FILTER_EXISTS) return 0;
    return !literal_is_null(node);
}

int sop_document__covers(const sop_document_key_spec *spec, const sop_document__conjuncts *tests)
{
    for (size_t i = 0; i < spec->count; i++) {
        if (spec->fields[i].nulls != SOP_DOCUMENT_NULLS_REFUSED) continue;
        int found = 0;
        for (size_t k = 0; k < tests->count && !found; k++) {
            found = sop_document__test_is_of(tests->list[k], &spec->fields[i]) &&
                    asks_for_value(tests->list[k]);
        }
        if (!found) return 0;
    }
    return 1;
}

/* ---- one value of a field ---- */

typedef struct {
    const sop_document_key_field *field;
    sop_document_scratch *scratch;
    sop_arena *arena;
    sop_status status; /* SOP_NO_MEMORY sticks */
} maker;

/* Whether the keys of a field tell such literals from others. */
static int
literal_serves(const sop_document_key_field *field, const sop_literal *literal, int ranges)
{
    switch (literal->kind) {
    case SOP_LITERAL_PLAIN:
        break;
    case SOP_LITERAL_NOCASE:
        return 0;
    case SOP_LITERAL_TIMESTAMP:
        return field->type == SOP_DOCUMENT_TIMESTAMP;
    case SOP_LITERAL_DATE:
        return field->type == SOP_DOCUMENT_DATE;
    case SOP_LITERAL_UUID:
        return field->type == SOP_DOCUMENT_UUID;
    default:
        return 0;
    }
    if (!ranges) return 1;
    if (field->type <= SOP_DOCUMENT_BOOL) return 1;
    return field->type == SOP_DOCUMENT_STRING && !field->nocase;
}

static sop_slice copied(maker *m, sop_slice a, sop_slice b)
{
    sop_slice bytes = sop_document__join(m->arena, a, b);
    if (bytes.data == NULL) m->status = SOP_NO_MEMORY;
    return bytes;
}

/* The part of a literal behind a prefix; no data: it cannot be a key of this field, or there is no memory. */
static sop_slice part_of(maker *m, sop_slice prefix, const sop_literal *literal)
{
    sop_key_builder builder;
    const char *why;
    sop_slice part = {0};
    uint8_t bytes[SOP_KEY_SIZE_MAX];
    sop_key_begin(&builder, bytes, sizeof bytes);
    if (literal->json.type == SOP_JSON_NULL) {
        if (m->field->nulls == SOP_DOCUMENT_NULLS_REFUSED) return part;
        sop_document__null_add(m->field, &builder);
    } else {
        sop_status status =
            sop_document__scalar_add(&literal->json, m->field, &builder, m->scratch, &why);
        if (status == SOP_NO_MEMORY) m->status = status;
        if (status != SOP_OK) return part;
    }
    if (sop_key_end(&builder, &part, NULL) != SOP_OK) return (sop_slice){0};
    if (prefix.size + part.size > SOP_KEY_SIZE_MAX) return (sop_slice){0};
    return copied(m, prefix, part);
}

/*
 * Where the keys that begin with these whole parts end. No part begins with FF; and of strings 00 FF, which is a zero inside, comes
 * behind 00 and another part.
 */
static sop_slice end_of(maker *m, sop_slice parts)
{
    return copied(m, parts, sop_slice_of("\xff", 1));
}

/* Where the keys that begin with some bytes end; no data: nowhere. */
static sop_slice bytes_end(maker *m, sop_slice prefix)
{
    sop_slice end = {0};
    uint8_t *buffer = sop_arena_alloc(m->arena, prefix.size + 1);
    if (buffer == NULL) {
        m->status = SOP_NO_MEMORY;
        return end;
    }
    if (sop_key_prefix_end(prefix, buffer, prefix.size + 1, &end) != SOP_OK) end.size = 0;
    return end;
}

/* ---- ranges of the last field ---- */

/* Keys from, or up to, a literal. low: the values are at or above it. */
static void half_clip(maker *m, sop_document__range *range, sop_slice part, int low, int open)
{
    sop_slice end = end_of(m, part);
    int exact = m->field->type != SOP_DOCUMENT_DOUBLE;
    open = open && exact;
    if (low != m->field->descending) {
        sop_document__range_clip(range, open ? end : part, (sop_slice){0});
    } else {
        sop_document__range_clip(range, (sop_slice){0}, open ? part : end);
    }
}

static int
clip_starts(maker *m, sop_document__range *range, sop_slice prefix, const sop_literal *literal)
{
    if (m->field->type != SOP_DOCUMENT_STRING || m->field->nocase ||
        literal->kind != SOP_LITERAL_PLAIN) {
        return 0;
    }
    sop_slice part = part_of(m, prefix, literal);
    if (part.data == NULL) return 0;
    /* Without what ends the string: one byte, or two where it descends. */
    part.size -= m->field->descending ? 2 : 1;
    sop_document__range_clip(range, part, bytes_end(m, part));
    return 1;
}

/* Narrows a range by a test; 0: the test says nothing about the keys. */
static int
clip_test(maker *m, sop_document__range *range, sop_slice prefix, const sop_filter_node *node)
{
    if (node->op == SOP_FILTER_STARTS) return clip_starts(m, range, prefix, &node->literals[0]);
    if (node->op < SOP_FILTER_LT || node->op > SOP_FILTER_BETWEEN) return 0;
    int used = 0;
    for (size_t i = 0; i < node->literal_count; i++) {
        const sop_literal *literal = &node->literals[i];
        if (literal->json.type == SOP_JSON_NULL || !literal_serves(m->field, literal, 1)) continue;
        sop_slice part = part_of(m, prefix, literal);
        if (part.data == NULL) continue;
        int low = node->op == SOP_FILTER_GE || node->op == SOP_FILTER_GT ||
                  (node->op == SOP_FILTER_BETWEEN && i == 0);
        half_clip(m, range, part, low, node->op == SOP_FILTER_GT || node->op == SOP_FILTER_LT);
        used = 1;
    }
    return used;
}

static int compare_ranges(const void *a, const void *b)
{
    return sop_slice_compare(((const sop_document__range *)a)->from,
                             ((const sop_document__range *)b)->from);
}

/* ---- fields with one value, or a few ---- */

typedef struct {
    sop_slice *list;
    size_t count;
} prefixes;

/* The test that leaves single values of a field: the one with the fewest. */
static const sop_filter_node *point_test(const sop_document_key_field *field,
                                         const sop_document__conjuncts *tests)
{
    const sop_filter_node *best = NULL;
    for (size_t i = 0; i < tests->count; i++) {
        const sop_filter_node *node = tests->list[i];
        if (!sop_document__test_is_of(node, field)) continue;
        if (node->op == SOP_FILTER_IS_NULL) {
            if (field->nulls == SOP_DOCUMENT_NULLS_REFUSED || node->many) continue;
            return node;
        }
        if (node->op != SOP_FILTER_EQ && node->op != SOP_FILTER_IN && node->op != SOP_FILTER_HAS) {
            continue;
        }
        int serves = node->literal_count != 0;
        for (size_t k = 0; k < node->literal_count && serves; k++) {
            serves = literal_serves(field, &node->literals[k], 0) &&
                     (node->literals[k].json.type != SOP_JSON_NULL ||
                      (field->nulls != SOP_DOCUMENT_NULLS_REFUSED && !node->many));
        }
        if (serves && (best == NULL || node->literal_count < best->literal_count)) best = node;
    }
    return best;
}

/* Every prefix so far with every value of the test. */
static int extend(maker *m, prefixes *p, const sop_filter_node *node)
{
    static const sop_literal null_literal = {.json = {.type = SOP_JSON_NULL}};
    const sop_literal *literals = node->literal_count == 0 ? &null_literal : node->literals;
    size_t count = node->literal_count == 0 ? 1 : node->literal_count;
    if (p->count * count > SOP_RANGES_MAX) return 0;
    sop_slice *grown = sop_arena_alloc(m->arena, (p->count * count + 1) * sizeof *grown);
    if (grown == NULL) {
        m->status = SOP_NO_MEMORY;
        return 0;
    }
    size_t made = 0;
    for (size_t i = 0; i < p->count; i++) {
        for (size_t k = 0; k < count; k++) {
            /* A value that cannot be a key of this field is in no document of the tree. */
            sop_slice part = part_of(m, p->list[i], &literals[k]);
            if (part.data != NULL) grown[made++] = part;
        }
    }
    p->list = grown;
    p->count = made;
    return 1;
}

static int field_has_each(const sop_document_key_field *field)
{
    return sop_document__path_has_each(&field->path);
}

/* Ranges of the first field that has no single value, behind one prefix. Returns whether a test narrowed it. */
static int range_of(maker *m,
                    const sop_document__conjuncts *tests,
                    sop_slice prefix,
                    sop_document__range *range)
{
    int used = 0;
    *range = (sop_document__range){prefix, prefix.size == 0 ? (sop_slice){0} : end_of(m, prefix)};
    if (m->field == NULL) return 0;
    for (size_t i = 0; i < tests->count; i++) {
        if (!sop_document__test_is_of(tests->list[i], m->field)) continue;
        /* Of several elements one may pass one test and another the next. */
        if (used && field_has_each(m->field)) break;
        used |= clip_test(m, range, prefix, tests->list[i]);
    }
    return used;
}

static void drop_equal(sop_document__bounds *out)
{
    size_t kept = 0;
    for (size_t i = 0; i < out->count; i++) {
        if (kept != 0 && sop_slice_equal(out->ranges[kept - 1].from, out->ranges[i].from)) continue;
        out->ranges[kept++] = out->ranges[i];
    }
    out->count = kept;
}

sop_status sop_document__bounds_make(const sop_document_key_spec *spec,
                                     const sop_document__conjuncts *tests,
                                     sop_document_scratch *scratch,
                                     sop_arena *arena,
                                     sop_document__bounds *out)
{
    sop_slice start = {"", 0};
    prefixes p = {.list = &start, .count = 1};
    maker m = {.scratch = scratch, .arena = arena, .status = SOP_OK};
    size_t field = 0;
    *out = (sop_document__bounds){.count = 0};
    for (; field < spec->count && spec->fields[field].path.count != 0; field++) {
        m.field = &spec->fields[field];
        const sop_filter_node *node = point_test(m.field, tests);
        if (node == NULL || !extend(&m, &p, node)) break;
        out->fields_equal++;
        if (field_has_each(m.field) && p.count != 1) out->each = 1;
    }
    m.field =
        field < spec->count && spec->fields[field].path.count != 0 ? &spec->fields[field] : NULL;
    out->ranges = sop_arena_alloc(arena, (p.count + 1) * sizeof *out->ranges);
    if (out->ranges == NULL || m.status != SOP_OK) return SOP_NO_MEMORY;
    for (size_t i = 0; i < p.count; i++) {
        int used = range_of(&m, tests, p.list[i], &out->ranges[i]);
        out->constrained = out->constrained || used || out->fields_equal != 0;
    }
    if (p.count == 0) out->constrained = 1;
    out->count = p.count;
    for (size_t i = out->fields_equal; i < spec->count; i++) {
        if (field_has_each(&spec->fields[i])) out->each = 1;
    }
    qsort(out->ranges, out->count, sizeof *out->ranges, compare_ranges);
    drop_equal(out);
    return m.status;
}
