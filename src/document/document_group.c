/* SPDX-License-Identifier: MIT */
/* Groups: documents by the values of a path, and figures of each group. */
#include <stdlib.h>

#include "document/document_store.h"
#include "document/document_sum.h"
#include "util/bytes.h"
#include "util/checksum.h"
#include "util/error.h"
#include "util/memory.h"

enum { VALUES_MAX = 32, GROUPS_DEFAULT = 100000 };
#define DISTINCT_MAX 10000000u

typedef enum { COUNT = 0, SUM, AVG, MIN, MAX, DISTINCT, KINDS } value_kind;
static const char *const KIND_NAMES[KINDS] = {"count", "sum", "avg", "min", "max", "distinct"};

typedef struct {
    value_kind kind;
    sop_slice text; /* as asked for, its name in the result */
    sop_json_path path;
} value_spec;

/* One figure of one group. */
typedef struct {
    sop_document__sum *sum; /* SUM, AVG */
    sop_slice best_key;     /* MIN, MAX: as a key part */
    sop_slice best;         /* its text */
    uint64_t count;         /* COUNT, DISTINCT */
} figure;

typedef struct {
    sop_slice key;  /* as a key part; no bytes: the path is missing */
    sop_slice text; /* as in the first document */
    uint64_t documents;
    figure *figures;
} group;

/* Strings to numbers from 1, open addressing. */
typedef struct {
    sop_slice key;
    size_t number;
} slot;
typedef struct {
    slot *slots;
    size_t capacity; /* a power of two */
    size_t count;
} table;

typedef struct {
    sop_documents *documents;
    sop_arena arena;
    sop_document_scratch scratch;
    value_spec values[VALUES_MAX];
    size_t value_count;
    int has_by;
    sop_json_path by;
    group *groups;
    size_t group_capacity;
    uint64_t groups_max;
    table by_key;
    table distinct;
    uint64_t total;
    sop_slice document;
    size_t at_group; /* that values are added to */
    size_t at_value;
    size_t met; /* groups of the document at hand */
} grouping;

static sop_error *error_of(const grouping *g)
{
    return sop_documents__error(g->documents);
}

static sop_status no_memory(const grouping *g)
{
    return sop_fail(error_of(g), SOP_NO_MEMORY, "group: out of memory");
}

/* ---- tables ---- */

static slot *table_slot(const table *t, sop_slice key)
{
    size_t at = (size_t)sop_checksum64(key.data, key.size, 1) & (t->capacity - 1);
    while (t->slots[at].number != 0 && !sop_slice_equal(t->slots[at].key, key)) {
        at = (at + 1) & (t->capacity - 1);
    }
    return &t->slots[at];
}

static int table_grow(table *t)
{
    table larger = {.capacity = t->capacity == 0 ? 64 : t->capacity * 2, .count = t->count};
    larger.slots = sop_alloc_zeroed(larger.capacity * sizeof *larger.slots);
    if (larger.slots == NULL) return -1;
    for (size_t i = 0; i < t->capacity; i++) {
        if (t->slots[i].number != 0) *table_slot(&larger, t->slots[i].key) = t->slots[i];
    }
    sop_free(t->slots);
    *t = larger;
    return 0;
}

/* The number of a key; *new_out: it was added. 0: no memory. */
static size_t table_add(table *t, sop_arena *arena, sop_slice key, int *new_out)
{
    *new_out = 0;
    if (t->count * 2 >= t->capacity && table_grow(t) != 0) return 0;
    slot *s = table_slot(t, key);
    if (s->number != 0) return s->number;
    s->key = sop_document__join(arena, key, (sop_slice){0});
    if (s->key.data == NULL) return 0;
    *new_out = 1;
    s->number = ++t->count;
    return s->number;
}

/* ---- values as keys: equal values have equal bytes ---- */

static sop_status
value_key(grouping *g, const sop_json_value *value, sop_key_builder *builder, sop_slice *out)
{
    sop_slice plain;
    sop_status status = SOP_OK;
    switch (value->type) {
    case SOP_JSON_NULL:
        sop_key_add_null(builder);
        break;
    case SOP_JSON_FALSE:
    case SOP_JSON_TRUE:
        sop_key_add_bool(builder, value->type == SOP_JSON_TRUE);
        break;
    case SOP_JSON_NUMBER:
        sop_key_add_decimal(builder, value->raw);
        break;
    case SOP_JSON_STRING:
        status = sop_document__decoded(value->raw, &g->scratch, &plain);
        if (status == SOP_OK) sop_key_add_string(builder, plain);
        break;
    case SOP_JSON_ARRAY:
    case SOP_JSON_OBJECT:
        sop_key_add_bytes(builder, value->raw);
        break;
    default:
        return sop_fail(error_of(g), SOP_CORRUPT, "group: not JSON");
    }
    if (status == SOP_OK) status = sop_key_end(builder, out, NULL);
    if (status == SOP_OK) return SOP_OK;
    return sop_fail(error_of(g), status, "group: a value of %zu bytes: %s", value->raw.size,
                    sop_status_text(status));
}

/* ---- figures ---- */

static sop_status add_best(grouping *g, figure *f, const sop_json_value *value, int least)
{
    uint8_t bytes[SOP_KEY_SIZE_MAX];
    sop_key_builder builder;
    sop_slice key;
    if (value->type == SOP_JSON_NULL) return SOP_OK;
    sop_key_begin(&builder, bytes, sizeof bytes);
    sop_status status = value_key(g, value, &builder, &key);
    if (status != SOP_OK) return status;
    int order = f->best_key.data == NULL ? 0 : sop_slice_compare(key, f->best_key);
    if (f->best_key.data != NULL && (least ? order >= 0 : order <= 0)) return SOP_OK;
    f->best_key = sop_document__join(&g->arena, key, (sop_slice){0});
    f->best = sop_document__join(&g->arena, value->raw, (sop_slice){0});
    return f->best_key.data == NULL || f->best.data == NULL ? no_memory(g) : SOP_OK;
}

static sop_status add_distinct(grouping *g, figure *f, const sop_json_value *value)
{
    uint8_t bytes[SOP_KEY_SIZE_MAX + 32];
    sop_key_builder builder;
    sop_slice key;
    int is_new;
    sop_key_begin(&builder, bytes, sizeof bytes);
    sop_key_add_uint(&builder, g->at_group);
    sop_key_add_uint(&builder, g->at_value);
    sop_status status = value_key(g, value, &builder, &key);
    if (status != SOP_OK) return status;
    if (g->distinct.count == DISTINCT_MAX) {
        return sop_fail(error_of(g), SOP_TOO_LARGE, "group: more than %u distinct values",
                        DISTINCT_MAX);
    }
    if (table_add(&g->distinct, &g->arena, key, &is_new) == 0) return no_memory(g);
    f->count += (uint64_t)is_new;
    return SOP_OK;
}

static sop_status on_value(const sop_json_value *value, void *context)
{
    grouping *g = context;
    figure *f = &g->groups[g->at_group].figures[g->at_value];
    switch (g->values[g->at_value].kind) {
    case SUM:
    case AVG:
        if (value->type == SOP_JSON_NUMBER) sop_document__sum_add(f->sum, value->raw);
        return SOP_OK;
    case MIN:
        return add_best(g, f, value, 1);
    case MAX:
        return add_best(g, f, value, 0);
    case DISTINCT:
        return add_distinct(g, f, value);
    case COUNT:
    case KINDS:
    default:
        return SOP_OK;
    }
}

static sop_status figures_add(grouping *g, size_t number)
{
    g->at_group = number;
    g->groups[number].documents++;
    for (g->at_value = 0; g->at_value < g->value_count; g->at_value++) {
        if (g->values[g->at_value].kind == COUNT) continue;
        sop_status status = sop_json_walk(g->document, &g->values[g->at_value].path, on_value, g);
        if (status != SOP_OK) return status;
    }
    return SOP_OK;
}

/* ---- groups ---- */

static sop_status group_new(grouping *g, sop_slice key, sop_slice text)
{
    size_t number = g->by_key.count - 1;
    if (number == g->groups_max) {
        return sop_fail(error_of(g), SOP_TOO_LARGE, "more than %llu groups",
                        (unsigned long long)g->groups_max);
    }
    if (number == g->group_capacity) {
        size_t capacity = g->group_capacity * 2 + 16;
        group *grown = sop_realloc(g->groups, capacity * sizeof *grown);
        if (grown == NULL) return no_memory(g);
        g->groups = grown;
        g->group_capacity = capacity;
    }
    size_t bytes = (g->value_count + 1) * sizeof(figure);
    figure *figures = sop_arena_alloc(&g->arena, bytes);
    if (figures == NULL) return no_memory(g);
    memset(figures, 0, bytes);
    for (size_t i = 0; i < g->value_count; i++) {
        if (g->values[i].kind != SUM && g->values[i].kind != AVG) continue;
        figures[i].sum = sop_arena_alloc(&g->arena, sizeof *figures[i].sum);
        if (figures[i].sum == NULL) return no_memory(g);
        *figures[i].sum = (sop_document__sum){.count = 0};
    }
    g->groups[number] = (group){.key = sop_document__join(&g->arena, key, (sop_slice){0}),
                                .text = sop_document__join(&g->arena, text, (sop_slice){0}),
                                .figures = figures};
    return SOP_OK;
}

static sop_status group_add(grouping *g, sop_slice key, sop_slice text)
{
    int is_new;
    size_t number = table_add(&g->by_key, &g->arena, key, &is_new);
    if (number == 0) return no_memory(g);
    sop_status status = is_new ? group_new(g, key, text) : SOP_OK;
    return status == SOP_OK ? figures_add(g, number - 1) : status;
}

static sop_status on_key(const sop_json_value *value, void *context)
{
    grouping *g = context;
    uint8_t bytes[SOP_KEY_SIZE_MAX];
    sop_key_builder builder;
    sop_slice key;
    sop_key_begin(&builder, bytes, sizeof bytes);
    g->met++;
    sop_status status = value_key(g, value, &builder, &key);
    return status == SOP_OK ? group_add(g, key, value->raw) : status;
}

static sop_status document_add(grouping *g, sop_slice document)
{
    sop_slice none = {"", 0};
    g->total++;
    g->document = document;
    if (!g->has_by) return group_add(g, none, none);
    g->met = 0;
    sop_status status = sop_json_walk(document, &g->by, on_key, g);
    return status == SOP_OK && g->met == 0 ? group_add(g, none, none) : status;
}

/* ---- what is asked for ---- */

static sop_status path_read(grouping *g, sop_slice text, sop_json_path *out, const char *what)
{
    const char *why = NULL;
    sop_status status = sop_document__path_parse(text, &g->arena, out, &why);
    if (status == SOP_OK) return SOP_OK;
    return sop_fail(error_of(g), status, "%s: %s", what, why == NULL ? "out of memory" : why);
}

static sop_slice trimmed(const uint8_t *at, const uint8_t *end)
{
    while (at < end && *at == ' ') {
        at++;
    }
    while (end > at && end[-1] == ' ') {
        end--;
    }
    return sop_slice_of(at, (size_t)(end - at));
}

/* count, or NAME(PATH). */
static sop_status value_read(grouping *g, sop_slice text)
{
    const uint8_t *at = text.data;
    const uint8_t *open = memchr(at, '(', text.size);
    if (g->value_count == VALUES_MAX) {
        return sop_fail(error_of(g), SOP_INVALID, "values: more than %d", VALUES_MAX);
    }
    value_spec *value = &g->values[g->value_count];
    *value = (value_spec){.kind = KINDS, .text = text};
    sop_slice name = open == NULL ? text : trimmed(at, open);
    for (int k = COUNT; k < KINDS; k++) {
        if (sop_slice_equal(name, sop_str(KIND_NAMES[k]))) value->kind = (value_kind)k;
    }
    int whole = open == NULL
                    ? value->kind == COUNT
                    : value->kind > COUNT && value->kind < KINDS && at[text.size - 1] == ')';
    if (!whole) {
        return sop_fail(error_of(g), SOP_INVALID,
                        "values: \"%.*s\" is none of count, sum(PATH), avg, min, max, distinct",
                        text.size < 60 ? (int)text.size : 60, (const char *)text.data);
    }
    g->value_count++;
    if (open == NULL) return SOP_OK;
    return path_read(g, trimmed(open + 1, at + text.size - 1), &value->path, "values");
}

static sop_status values_read(grouping *g, sop_slice given)
{
    if (given.size == 0) given = sop_str("count");
    sop_slice text = sop_document__join(&g->arena, given, (sop_slice){0});
    if (text.data == NULL) return no_memory(g);
    const uint8_t *at = text.data;
    const uint8_t *end = at + text.size;
    sop_status status = SOP_OK;
    while (status == SOP_OK && at < end) {
        const uint8_t *comma = memchr(at, ',', (size_t)(end - at));
        const uint8_t *stop = comma == NULL ? end : comma;
        status = value_read(g, trimmed(at, stop));
        at = stop + 1;
    }
    return status;
}

/* ---- the result ---- */

static int group_compare(const void *a, const void *b)
{
    return sop_slice_compare(((const group *)a)->key, ((const group *)b)->key);
}

static void figure_write(const grouping *g, const group *one, size_t i, sop_json_writer *writer)
{
    const figure *f = &one->figures[i];
    uint8_t text[SOP_SUM_TEXT_MAX];
    sop_json_key(writer, g->values[i].text);
    switch (g->values[i].kind) {
    case COUNT:
        sop_json_uint(writer, one->documents);
        break;
    case DISTINCT:
        sop_json_uint(writer, f->count);
        break;
    case SUM:
        sop_json_raw(writer, sop_slice_of(text, sop_document__sum_text(f->sum, text)));
        break;
    case AVG:
        if (f->sum->count == 0) {
            sop_json_null(writer);
        } else {
            sop_json_double(writer, sop_document__sum_double(f->sum) / (double)f->sum->count);
        }
        break;
    case MIN:
    case MAX:
        sop_json_raw(writer, f->best.data == NULL ? sop_str("null") : f->best);
        break;
    case KINDS:
    default:
        break;
    }
}

static void result_write(const grouping *g, sop_json_writer *writer)
{
    size_t count = g->by_key.count;
    if (count > 1) qsort(g->groups, count, sizeof *g->groups, group_compare);
    sop_json_object_begin(writer);
    sop_json_key(writer, sop_str("documents"));
    sop_json_uint(writer, g->total);
    sop_json_key(writer, sop_str("groups"));
    sop_json_array_begin(writer);
    for (size_t i = 0; i < count; i++) {
        sop_json_object_begin(writer);
        if (g->groups[i].key.size != 0) {
            sop_json_key(writer, sop_str("key"));
            sop_json_raw(writer, g->groups[i].text);
        }
        for (size_t k = 0; k < g->value_count; k++) {
            figure_write(g, &g->groups[i], k, writer);
        }
        sop_json_object_end(writer);
    }
    sop_json_array_end(writer);
    sop_json_object_end(writer);
}

static sop_status run(grouping *g, sop_slice where)
{
    sop_find_options options = SOP_FIND_OPTIONS_INIT;
    sop_found found = SOP_FOUND_INIT;
    sop_find *find;
    options.where = where;
    sop_status status = sop_find_open(g->documents, &options, &find);
    if (status != SOP_OK) return status;
    while (status == SOP_OK && (status = sop_find_next(find, &found)) == SOP_OK) {
        status = document_add(g, found.document);
    }
    sop_find_close(find);
    return status == SOP_NOT_FOUND ? SOP_OK : status;
}

sop_status
sop_documents_group(sop_documents *documents, const sop_group_options *options, sop_text *json_out)
{
    if (documents == NULL || json_out == NULL) return SOP_INVALID;
    *json_out = (sop_text)SOP_TEXT_INIT;
    sop_group_options o = SOP_GROUP_OPTIONS_INIT;
    sop_error *err = sop_db_txn_error(documents->txn);
    if (options != NULL) {
        if (options->struct_size == 0) {
            return sop_fail(err, SOP_INVALID, "group options: struct_size is 0");
        }
        memcpy(&o, options, options->struct_size < sizeof o ? options->struct_size : sizeof o);
    }
    grouping *g = sop_alloc_zeroed(sizeof *g);
    if (g == NULL) return sop_fail(err, SOP_NO_MEMORY, "group: out of memory");
    g->documents = documents;
    g->has_by = o.by.size != 0;
    g->groups_max = o.groups_max == 0 ? GROUPS_DEFAULT : o.groups_max;
    sop_status status = values_read(g, o.values);
    if (status == SOP_OK && g->has_by) status = path_read(g, o.by, &g->by, "by");
    if (status == SOP_OK) status = run(g, o.where);
    if (status == SOP_OK) {
        sop_json_writer writer;
        sop_json_writer_init(&writer, 0);
        result_write(g, &writer);
        status = sop_document__text_out(&writer, json_out, "group", err);
        sop_json_writer_deinit(&writer);
    }
    sop_free(g->groups);
    sop_free(g->by_key.slots);
    sop_free(g->distinct.slots);
    sop_document_scratch_deinit(&g->scratch);
    sop_arena_deinit(&g->arena);
    sop_free(g);
    return status;
}
