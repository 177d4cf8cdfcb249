/* SPDX-License-Identifier: MIT */
/* Filters: whether a document fits. */
#include "document/document_filter.h"
#include "document/document_regex.h"
#include "util/bytes.h"
#include "util/error.h"

/* A value on its way through one test. */
typedef struct {
    const sop_filter_node *node;
    sop_document_scratch *scratch;
    int match;
} test;

/* For which orders of a value against the literal an operation holds. */
enum { BELOW = 1, EQUAL = 2, ABOVE = 4 };

static const uint8_t HOLDS[SOP_FILTER_IS_NULL + 1] = {
    [SOP_FILTER_EQ] = EQUAL, [SOP_FILTER_NE] = EQUAL, /* turned round at the end */
    [SOP_FILTER_LT] = BELOW, [SOP_FILTER_LE] = BELOW | EQUAL,
    [SOP_FILTER_GT] = ABOVE, [SOP_FILTER_GE] = ABOVE | EQUAL,
};

static sop_status
compare(test *t, const sop_literal *literal, const sop_json_value *value, sop_filter_op op)
{
    int comparable = 0;
    int order = 0;
    sop_status status =
        sop_document__literal_compare(literal, value, t->scratch, &comparable, &order);
    unsigned seen = order == 0 ? EQUAL : order < 0 ? BELOW : ABOVE;
    t->match = status == SOP_OK && comparable && (HOLDS[op] & seen) != 0;
    return status;
}

static sop_status test_compare(test *t, const sop_json_value *value)
{
    return compare(t, &t->node->literals[0], value, t->node->op);
}

static sop_status test_between(test *t, const sop_json_value *value)
{
    sop_status status = compare(t, &t->node->literals[0], value, SOP_FILTER_GE);
    if (status != SOP_OK || !t->match) return status;
    return compare(t, &t->node->literals[1], value, SOP_FILTER_LE);
}

static int sorted_has(const sop_literal *const *sorted, size_t count, const sop_json_value *value)
{
    sop_decimal number = {.count = 0};
    int is_number = value->type == SOP_JSON_NUMBER;
    if (is_number && sop_decimal_parse(value->raw, &number) != 0) return 0;
    size_t low = 0;
    while (low < count) {
        size_t middle = low + (count - low) / 2;
        const sop_literal *literal = sorted[middle];
        int order = is_number ? sop_decimal_compare(&number, &literal->number)
                              : sop_json_string_compare(value->raw, literal->plain);
        if (order == 0) return 1;
        if (order < 0) {
            count = middle;
        } else {
            low = middle + 1;
        }
    }
    return 0;
}

static sop_status test_in(test *t, const sop_json_value *value)
{
    const sop_filter_node *node = t->node;
    t->match = 0;
    if (value->type == SOP_JSON_NUMBER) {
        t->match = sorted_has(node->sorted, node->number_count, value);
    } else if (value->type == SOP_JSON_STRING) {
        t->match = sorted_has(node->sorted + node->number_count, node->string_count, value);
    }
    if (t->match || node->number_count + node->string_count == node->literal_count) return SOP_OK;
    for (size_t i = 0; i < node->literal_count && !t->match; i++) {
        const sop_literal *literal = &node->literals[i];
        int sorted = literal->kind == SOP_LITERAL_PLAIN && literal->json.type >= SOP_JSON_NUMBER;
        if (sorted) continue;
        sop_status status = compare(t, literal, value, SOP_FILTER_EQ);
        if (status != SOP_OK) return status;
    }
    return SOP_OK;
}

static sop_status test_has(test *t, const sop_json_value *value)
{
    sop_json_iter iter;
    sop_slice key;
    sop_json_value element;
    t->match = 0;
    if (value->type != SOP_JSON_ARRAY) return SOP_OK;
    sop_json_iter_init(&iter, value);
    sop_status status;
    while ((status = sop_json_next(&iter, &key, &element)) == SOP_OK) {
        status = compare(t, &t->node->literals[0], &element, SOP_FILTER_EQ);
        if (status != SOP_OK || t->match) return status;
    }
    return status == SOP_NOT_FOUND ? SOP_OK : status;
}

static int find_bytes(sop_slice text, sop_slice part)
{
    const uint8_t *at = text.data;
    const uint8_t *wanted = part.data;
    if (part.size == 0) return 1;
    size_t left = text.size;
    while (left >= part.size) {
        const uint8_t *found = memchr(at, wanted[0], left - part.size + 1);
        if (found == NULL) return 0;
        if (memcmp(found, wanted, part.size) == 0) return 1;
        left -= (size_t)(found - at) + 1;
        at = found + 1;
    }
    return 0;
}

static sop_status test_string(test *t, const sop_json_value *value)
{
    const sop_literal *literal = &t->node->literals[0];
    const sop_document__regex *regex = t->node->regex;
    int nocase = regex != NULL ? regex->nocase : literal->kind == SOP_LITERAL_NOCASE;
    sop_slice text;
    t->match = 0;
    if (value->type != SOP_JSON_STRING) return SOP_OK;
    sop_status status = nocase ? sop_document__folded(value->raw, t->scratch, &text)
                               : sop_document__decoded(value->raw, t->scratch, &text);
    if (status != SOP_OK) return status;
    if (t->node->op == SOP_FILTER_MATCHES) return sop_document__regex_match(regex, text, &t->match);
    if (t->node->op == SOP_FILTER_CONTAINS) {
        t->match = find_bytes(text, literal->plain);
        return SOP_OK;
    }
    size_t size = literal->plain.size;
    t->match =
        text.size >= size && (size == 0 || memcmp(text.data, literal->plain.data, size) == 0);
    return SOP_OK;
}

static sop_status test_exists(test *t, const sop_json_value *value)
{
    (void)value;
    t->match = 1;
    return SOP_OK;
}

static sop_status test_null(test *t, const sop_json_value *value)
{
    t->match = value->type == SOP_JSON_NULL;
    return SOP_OK;
}

static sop_status test_value(test *t, const sop_json_value *value)
{
    static sop_status (*const tests[SOP_FILTER_IS_NULL + 1])(test * t,
                                                             const sop_json_value *value) = {
        [SOP_FILTER_EQ] = test_compare,      [SOP_FILTER_NE] = test_compare,
        [SOP_FILTER_LT] = test_compare,      [SOP_FILTER_LE] = test_compare,
        [SOP_FILTER_GT] = test_compare,      [SOP_FILTER_GE] = test_compare,
        [SOP_FILTER_BETWEEN] = test_between, [SOP_FILTER_IN] = test_in,
        [SOP_FILTER_HAS] = test_has,         [SOP_FILTER_STARTS] = test_string,
        [SOP_FILTER_CONTAINS] = test_string, [SOP_FILTER_MATCHES] = test_string,
        [SOP_FILTER_EXISTS] = test_exists,   [SOP_FILTER_IS_NULL] = test_null,
    };
    return tests[t->node->op](t, value);
}

/* No walk fails with this status by itself. */
#define ENOUGH SOP_EXISTS

static sop_status on_value(const sop_json_value *value, void *context)
{
    test *t = context;
    sop_status status = test_value(t, value);
    return status == SOP_OK && t->match ? ENOUGH : status;
}

/* One value that fits is enough. */
static sop_status match_path(const sop_filter_node *node,
                             sop_slice document,
                             sop_document_scratch *scratch,
                             int *match)
{
    test t = {.node = node, .scratch = scratch};
    sop_json_value value;
    sop_status status = SOP_OK;
    if (node->many) {
        status = sop_json_walk(document, &node->path, on_value, &t);
        if (status == ENOUGH) status = SOP_OK;
    } else {
        status = sop_json_pick(document, &node->path, &value);
        if (status == SOP_OK) status = test_value(&t, &value);
        if (status == SOP_NOT_FOUND) status = SOP_OK;
    }
    *match = node->op == SOP_FILTER_NE ? !t.match : t.match;
    return status;
}

/* NOLINTBEGIN(misc-no-recursion): as deep as the filter, at most SOP_DOCUMENT_FILTER_DEPTH_MAX. */
static sop_status
match_node(const sop_filter_node *node, sop_slice doc, sop_document_scratch *scratch, int *match)
{
    if (node->op > SOP_FILTER_NOT) return match_path(node, doc, scratch, match);
    *match = node->op != SOP_FILTER_OR;
    for (const sop_filter_node *c = node->child; c != NULL; c = c->next) {
        sop_status status = match_node(c, doc, scratch, match);
        if (status != SOP_OK) return status;
        if (node->op == SOP_FILTER_NOT) {
            *match = !*match;
        } else if (*match == (node->op == SOP_FILTER_OR)) {
            break;
        }
    }
    return SOP_OK;
}

/* NOLINTEND(misc-no-recursion) */

sop_status sop_document__value_fits(const sop_filter_node *node,
                                    const sop_json_value *value,
                                    sop_document_scratch *scratch,
                                    int *match_out)
{
    test t = {.node = node, .scratch = scratch};
    sop_status status = test_value(&t, value);
    *match_out = t.match;
    return status;
}

sop_status sop_filter_match(const sop_filter_node *node,
                            sop_slice document,
                            sop_document_scratch *scratch,
                            int *match_out,
                            sop_error *err)
{
    sop_status status = match_node(node, document, scratch, match_out);
    if (SOP_LIKELY(status == SOP_OK)) return SOP_OK;
    *match_out = 0;
    if (status == SOP_CORRUPT) {
        return sop_fail(err, status, "document of %zu bytes: not JSON", document.size);
    }
    if (status == SOP_NO_MEMORY) {
        return sop_fail(err, status, "document of %zu bytes: out of memory", document.size);
    }
    return sop_fail(err, status, "document of %zu bytes: the pattern needs too many steps",
                    document.size);
}
