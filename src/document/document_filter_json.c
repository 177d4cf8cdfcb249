/* SPDX-License-Identifier: MIT */
/* Filters from JSON. */
#include "document/document_filter.h"
#include "util/bytes.h"
#include "util/error.h"
#include "util/memory.h"

typedef struct {
    sop_json_value root;
    const uint8_t *at; /* the value where reading stopped */
} json_reader;

typedef struct {
    sop_document__filter_reader *r;
    json_reader *j;
} reader;

static void *refuse(const reader *t, const char *why)
{
    return sop_document__filter_refuse(t->r, SOP_INVALID, why);
}

/* {"timestamp":"..."} and so on, or a scalar. */
static int read_literal(const reader *t, const sop_json_value *json, sop_literal *out)
{
    sop_json_value value = *json;
    sop_literal_kind kind = SOP_LITERAL_PLAIN;
    t->j->at = json->raw.data;
    if (json->type == SOP_JSON_OBJECT) {
        sop_json_iter iter;
        sop_slice key;
        sop_json_value more;
        sop_slice more_key;
        sop_json_iter_init(&iter, json);
        int single = sop_json_next(&iter, &key, &value) == SOP_OK &&
                     sop_json_next(&iter, &more_key, &more) == SOP_NOT_FOUND;
        for (int k = SOP_LITERAL_NOCASE; single && k <= SOP_LITERAL_UUID; k++) {
            if (sop_json_string_equal(key,
                                      sop_str(sop_document__literal_word((sop_literal_kind)k)))) {
                kind = (sop_literal_kind)k;
            }
        }
        if (kind == SOP_LITERAL_PLAIN) {
            refuse(t, "an object here has one member: nocase, timestamp, date or uuid");
            return -1;
        }
    }
    return sop_document__literal_make(t->r, kind, &value, out);
}

static int read_path(const reader *t, const sop_json_value *json, sop_filter_node *node)
{
    const char *why = "expected a path";
    sop_slice text;
    t->j->at = json->raw.data;
    sop_status status = SOP_INVALID;
    if (json->type == SOP_JSON_STRING) {
        status = sop_document__plain(json->raw, t->r->scratch, &text);
        /* The words lie in the scratch, the path copies what it needs. */
        if (status == SOP_OK) {
            status = sop_document__path_parse(text, t->r->arena, &node->path, &why);
        }
    }
    if (status == SOP_OK) return 0;
    int no_memory = status == SOP_NO_MEMORY;
    sop_document__filter_refuse(t->r, no_memory ? status : SOP_INVALID,
                                no_memory ? "out of memory" : why);
    return -1;
}

/* Behind the name of the operation: the path, then the literals. */
static sop_filter_node *
read_test(const reader *t, sop_json_iter *iter, size_t count, sop_filter_node *node)
{
    sop_slice key;
    sop_json_value value;
    if (count < 2 || sop_json_next(iter, &key, &value) != SOP_OK) {
        return refuse(t, "expected a path");
    }
    if (read_path(t, &value, node) != 0) return NULL;
    size_t literal_count = count - 2;
    sop_literal *literals = sop_alloc_array(literal_count, sizeof *literals);
    if (literals == NULL) return sop_document__filter_refuse(t->r, SOP_NO_MEMORY, "out of memory");
    int failed = 0;
    for (size_t i = 0; i < literal_count && !failed; i++) {
        failed = sop_json_next(iter, &key, &value) != SOP_OK ||
                 read_literal(t, &value, &literals[i]) != 0;
    }
    if (!failed) node = sop_document__filter_finish(t->r, node, literals, literal_count);
    sop_free(literals);
    return failed ? NULL : node;
}

static int find_op(sop_slice raw, sop_filter_op *op)
{
    for (int i = SOP_FILTER_AND; i <= SOP_FILTER_IS_NULL; i++) {
        if (!sop_json_string_equal(raw, sop_str(sop_document__ops[i].word))) continue;
        *op = (sop_filter_op)i;
        return 1;
    }
    return 0;
}

static size_t count_elements(const sop_json_value *list)
{
    sop_json_iter iter;
    sop_slice key;
    sop_json_value value;
    size_t count = 0;
    sop_json_iter_init(&iter, list);
    while (sop_json_next(&iter, &key, &value) == SOP_OK) {
        count++;
    }
    return count;
}

/* NOLINTBEGIN(misc-no-recursion): nesting ends at SOP_DOCUMENT_FILTER_DEPTH_MAX. */
static sop_filter_node *read_node(const reader *t, const sop_json_value *json);

static sop_filter_node *
read_children(const reader *t, sop_json_iter *iter, size_t count, sop_filter_node *node)
{
    sop_slice key;
    sop_json_value value;
    sop_filter_node *last = NULL;
    if (node->op == SOP_FILTER_NOT && count != 2) {
        return refuse(t, "not with other than one filter");
    }
    if (count < 2) return refuse(t, "and, or: expected filters");
    while (sop_json_next(iter, &key, &value) == SOP_OK) {
        sop_filter_node *child = read_node(t, &value);
        if (child == NULL) return NULL;
        if (last == NULL) {
            node->child = child;
        } else {
            last->next = child;
        }
        last = child;
    }
    /* As in text, where one filter alone is not joined to anything. */
    return count == 2 && node->op != SOP_FILTER_NOT ? node->child : node;
}

static sop_filter_node *read_list(const reader *t, const sop_json_value *json)
{
    sop_json_iter iter;
    sop_slice key;
    sop_json_value name;
    sop_filter_op op = SOP_FILTER_ALL;
    sop_json_iter_init(&iter, json);
    if (sop_json_next(&iter, &key, &name) != SOP_OK || name.type != SOP_JSON_STRING ||
        !find_op(name.raw, &op)) {
        return refuse(t, "expected the name of an operation first");
    }
    sop_filter_node *node = sop_document__filter_node_new(t->r, op);
    if (node == NULL) return NULL;
    size_t count = count_elements(json);
    return op <= SOP_FILTER_NOT ? read_children(t, &iter, count, node)
                                : read_test(t, &iter, count, node);
}

static sop_filter_node *read_node(const reader *t, const sop_json_value *json)
{
    t->j->at = json->raw.data;
    if (json->type == SOP_JSON_TRUE) return sop_document__filter_node_new(t->r, SOP_FILTER_ALL);
    if (json->type != SOP_JSON_ARRAY) {
        return refuse(t, "a filter is true or a list that begins with an operation");
    }
    if (t->r->depth == SOP_DOCUMENT_FILTER_DEPTH_MAX) {
        return sop_document__filter_refuse(t->r, SOP_TOO_LARGE, "more than 100 levels");
    }
    t->r->depth++;
    sop_filter_node *node = read_list(t, json);
    t->r->depth--;
    return node;
}
/* NOLINTEND(misc-no-recursion) */

static sop_filter_node *read_root(sop_document__filter_reader *r, void *context)
{
    json_reader *j = context;
    reader t = {.r = r, .j = j};
    return read_node(&t, &j->root);
}

sop_status sop_filter_new_json(sop_slice json, sop_filter **filter_out, sop_error *err)
{
    sop_document__filter_reader r = {.status = SOP_OK};
    json_reader j = {.at = json.data};
    sop_json_position where;
    *filter_out = NULL;
    if (json.size > SOP_DOCUMENT_FILTER_SIZE_MAX) {
        return sop_fail(err, SOP_TOO_LARGE, "filter of %zu bytes: more than %d", json.size,
                        SOP_DOCUMENT_FILTER_SIZE_MAX);
    }
    if (sop_json_check(json, NULL, &where, NULL) != SOP_OK ||
        sop_json_read(json, &j.root) != SOP_OK) {
        return sop_fail(err, SOP_INVALID, "filter, byte %zu: %s", where.offset, where.reason);
    }
    sop_status status = sop_document__filter_make(read_root, &j, &r, filter_out);
    if (status == SOP_OK) return SOP_OK;
    const uint8_t *begin = json.data;
    return sop_fail(err, status, "filter, byte %zu: %s", (size_t)(j.at - begin), r.why);
}
