/* SPDX-License-Identifier: MIT */
/* Field rules: what a path of a document must hold, checked on every write. */
#include "document/document_filter.h"
#include "document/document_store.h"
#include "util/bytes.h"
#include "util/error.h"
#include "util/memory.h"

/* Bits of sop_document__rule.types: the types of JSON, whole numbers, then the key types. */
enum { INTEGER_BIT = 7, KEY_TYPE_BIT = 8 };

/* ---- reading ---- */

typedef struct {
    size_t number; /* from 1 */
    sop_arena *arena;
    sop_error *err;
    sop_json_writer *limits; /* of the rule at hand, as a filter */
    int limit_count;
} rule_reader;

static sop_status refuse(const rule_reader *r, const char *why)
{
    return sop_fail(r->err, SOP_INVALID, "rule %zu: %s", r->number, why);
}

static sop_status read_type(const rule_reader *r, const sop_json_value *value, uint32_t *types)
{
    static const struct {
        const char *name;
        uint32_t bits;
    } names[] = {
        {"object", 1u << SOP_JSON_OBJECT}, {"array", 1u << SOP_JSON_ARRAY},
        {"string", 1u << SOP_JSON_STRING}, {"number", 1u << SOP_JSON_NUMBER},
        {"integer", 1u << INTEGER_BIT},    {"boolean", 1u << SOP_JSON_FALSE | 1u << SOP_JSON_TRUE},
        {"null", 1u << SOP_JSON_NULL}};
    if (value->type == SOP_JSON_STRING) {
        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
            if (!sop_json_string_equal(value->raw, sop_str(names[i].name))) continue;
            *types |= names[i].bits;
            return SOP_OK;
        }
        for (int i = SOP_DOCUMENT_INT64; i <= SOP_DOCUMENT_DATE; i++) {
            const char *name = sop_document_type_name((sop_document_type)i);
            if (!sop_json_string_equal(value->raw, sop_str(name))) continue;
            *types |= 1u << (KEY_TYPE_BIT + i);
            return SOP_OK;
        }
    }
    return refuse(r, "type is object, array, string, number, integer, boolean, null, a key type, "
                     "or a list of these");
}

static sop_status read_types(const rule_reader *r, const sop_json_value *value, uint32_t *types)
{
    if (value->type != SOP_JSON_ARRAY) return read_type(r, value, types);
    sop_json_iter iter;
    sop_slice key;
    sop_json_value one;
    sop_status status = SOP_OK;
    sop_json_iter_init(&iter, value);
    while (status == SOP_OK && sop_json_next(&iter, &key, &one) == SOP_OK) {
        status = read_type(r, &one, types);
    }
    return status;
}

/* A test of the filter that the limits are read with; the path is never looked at. */
static void limit_begin(rule_reader *r, const char *op)
{
    r->limit_count++;
    sop_json_array_begin(r->limits);
    sop_json_string(r->limits, sop_str(op));
    sop_json_string(r->limits, sop_str("value"));
}

static sop_status read_enum(rule_reader *r, const sop_json_value *value)
{
    sop_json_iter iter;
    sop_slice key;
    sop_json_value one;
    if (value->type != SOP_JSON_ARRAY) return refuse(r, "enum is a list");
    limit_begin(r, "in");
    sop_json_iter_init(&iter, value);
    while (sop_json_next(&iter, &key, &one) == SOP_OK) {
        sop_json_raw(r->limits, one.raw);
    }
    sop_json_array_end(r->limits);
    return SOP_OK;
}

static sop_status read_path(rule_reader *r, const sop_json_value *value, sop_document__rule *rule)
{
    const char *why = "path is a string";
    sop_status status = SOP_INVALID;
    if (value->type == SOP_JSON_STRING) {
        status = sop_document__string_copy(value->raw, r->arena, &rule->path_text);
        if (status == SOP_OK) {
            status = sop_document__path_parse(rule->path_text, r->arena, &rule->path, &why);
        }
    }
    if (status == SOP_NO_MEMORY) return sop_fail(r->err, status, "rules: out of memory");
    return status == SOP_OK ? SOP_OK : refuse(r, why);
}

static sop_status
read_member(rule_reader *r, sop_slice key, const sop_json_value *value, sop_document__rule *rule)
{
    int is_min = sop_json_string_equal(key, sop_str("min"));
    if (is_min || sop_json_string_equal(key, sop_str("max"))) {
        limit_begin(r, is_min ? ">=" : "<=");
        sop_json_raw(r->limits, value->raw);
        sop_json_array_end(r->limits);
        return SOP_OK;
    }
    if (sop_json_string_equal(key, sop_str("path"))) return read_path(r, value, rule);
    if (sop_json_string_equal(key, sop_str("type"))) return read_types(r, value, &rule->types);
    if (sop_json_string_equal(key, sop_str("enum"))) return read_enum(r, value);
    if (sop_json_string_equal(key, sop_str("required"))) {
        rule->required = value->type == SOP_JSON_TRUE;
        int is_bool = rule->required || value->type == SOP_JSON_FALSE;
        return is_bool ? SOP_OK : refuse(r, "required is true or false");
    }
    return refuse(r, "a member that is none of path, type, required, min, max, enum");
}

static sop_status limits_end(rule_reader *r, sop_document__rule *rule)
{
    sop_slice text;
    sop_error why = {0};
    sop_json_array_end(r->limits);
    sop_status status = sop_json_writer_end(r->limits, &text);
    if (status != SOP_OK) return sop_fail(r->err, status, "rules: out of memory");
    if (r->limit_count == 0) return SOP_OK;
    status = sop_filter_new_json(text, &rule->limits, &why);
    if (status == SOP_OK) return SOP_OK;
    return sop_fail(r->err, status, "rule %zu: min, max, enum: %.150s", r->number, why.message);
}

static sop_status read_rule(rule_reader *r, const sop_json_value *json, sop_document__rule *rule)
{
    sop_json_iter iter;
    sop_slice key;
    sop_json_value value;
    if (json->type != SOP_JSON_OBJECT) return refuse(r, "expected an object with path");
    r->limit_count = 0;
    sop_json_writer_reset(r->limits);
    sop_json_array_begin(r->limits);
    sop_json_string(r->limits, sop_str("and"));
    sop_json_iter_init(&iter, json);
    while (sop_json_next(&iter, &key, &value) == SOP_OK) {
        sop_status status = read_member(r, key, &value, rule);
        if (status != SOP_OK) return status;
    }
    if (rule->path.count == 0) return refuse(r, "without path");
    return limits_end(r, rule);
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

sop_status sop_document__rules_read(sop_slice json,
                                    sop_arena *arena,
                                    sop_document__rule **rules_out,
                                    size_t *count_out,
                                    sop_error *err)
{
    sop_json_value list;
    sop_json_position where;
    *rules_out = NULL;
    *count_out = 0;
    if (sop_json_check(json, NULL, &where, NULL) != SOP_OK ||
        sop_json_read(json, &list) != SOP_OK) {
        return sop_fail(err, SOP_INVALID, "rules, byte %zu: %s", where.offset, where.reason);
    }
    if (list.type != SOP_JSON_ARRAY) return sop_fail(err, SOP_INVALID, "rules: expected a list");
    size_t count = count_elements(&list);
    sop_document__rule *rules = sop_alloc_zeroed((count + 1) * sizeof *rules);
    if (rules == NULL) return sop_fail(err, SOP_NO_MEMORY, "rules: out of memory");
    sop_json_writer limits;
    sop_json_writer_init(&limits, 0);
    rule_reader r = {.arena = arena, .err = err, .limits = &limits};
    sop_json_iter iter;
    sop_slice key;
    sop_json_value value;
    sop_json_iter_init(&iter, &list);
    sop_status status = SOP_OK;
    while (status == SOP_OK && sop_json_next(&iter, &key, &value) == SOP_OK) {
        r.number++;
        status = read_rule(&r, &value, &rules[r.number - 1]);
    }
    sop_json_writer_deinit(&limits);
    *rules_out = rules;
    *count_out = count;
    return status;
}

void sop_document__rules_free(sop_document__rule *rules, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        sop_filter_free(rules[i].limits);
    }
    sop_free(rules);
}

/* ---- checking ---- */

typedef struct {
    const sop_document__rule *rule;
    sop_document_scratch *scratch;
    sop_error *err;
    size_t found;
} rule_check;

static sop_status broken(const rule_check *c, const char *why, const char *more)
{
    int size = c->rule->path_text.size < 100 ? (int)c->rule->path_text.size : 100;
    return sop_fail(c->err, SOP_INVALID, "document, field %.*s: %s%s", size,
                    (const char *)c->rule->path_text.data, why, more);
}

static int is_type(const rule_check *c, const sop_json_value *value)
{
    uint32_t types = c->rule->types;
    if ((types & 1u << value->type) != 0) return 1;
    sop_decimal number;
    if ((types & 1u << INTEGER_BIT) != 0 && value->type == SOP_JSON_NUMBER &&
        sop_decimal_parse(value->raw, &number) == 0 && number.exponent >= (int64_t)number.count) {
        return 1;
    }
    for (int i = SOP_DOCUMENT_INT64; i <= SOP_DOCUMENT_DATE; i++) {
        if ((types & 1u << (KEY_TYPE_BIT + i)) == 0) continue;
        sop_document_key_field field = {.type = (sop_document_type)i};
        sop_key_builder builder;
        const char *why;
        sop_key_begin(&builder, NULL, 0);
        if (sop_document__scalar_add(value, &field, &builder, c->scratch, &why) == SOP_OK) return 1;
    }
    return 0;
}

static sop_status check_limits(const rule_check *c, const sop_json_value *value)
{
    const sop_filter_node *root = c->rule->limits->root;
    const sop_filter_node *node = root->op == SOP_FILTER_AND ? root->child : root;
    for (; node != NULL; node = node->next) {
        int fits = 0;
        sop_status status = sop_document__value_fits(node, value, c->scratch, &fits);
        if (status != SOP_OK) return sop_fail(c->err, status, "document: rules cannot be checked");
        if (!fits) {
            return broken(c, "the value is ",
                          node->op == SOP_FILTER_GE   ? "below the minimum"
                          : node->op == SOP_FILTER_LE ? "above the maximum"
                                                      : "none of those allowed");
        }
        if (node == root) break;
    }
    return SOP_OK;
}

static sop_status check_value(const sop_json_value *value, void *context)
{
    static const char *const names[] = {"null",     "false",    "true",     "a number",
                                        "a string", "an array", "an object"};
    rule_check *c = context;
    c->found++;
    if (c->rule->types != 0 && !is_type(c, value)) {
        return broken(c, "the rules allow no such value as ", names[value->type]);
    }
    return c->rule->limits == NULL ? SOP_OK : check_limits(c, value);
}

sop_status sop_document__rules_check(const sop_document__rule *rules,
                                     size_t count,
                                     sop_slice document,
                                     sop_document_scratch *scratch,
                                     sop_error *err)
{
    for (size_t i = 0; i < count; i++) {
        rule_check c = {.rule = &rules[i], .scratch = scratch, .err = err};
        sop_status status = sop_json_walk(document, &rules[i].path, check_value, &c);
        if (status != SOP_OK) return status;
        if (rules[i].required && c.found == 0) return broken(&c, "it is required", "");
    }
    return SOP_OK;
}
