/* SPDX-License-Identifier: MIT */
/* Conditions on items: the filter chips of the page. */
#include <string.h>

#include "server/server_text.h"
#include "server/server_wire.h"
#include "util/bytes.h"
#include "util/error.h"
#include "util/memory.h"

enum { CONDITIONS_MAX = 32, TEXT_MAX = 65536 };

typedef enum {
    OP_EQ,
    OP_NE,
    OP_LT,
    OP_LE,
    OP_GT,
    OP_GE,
    OP_CONTAINS,
    OP_PREFIX,
    OP_EXISTS,
    OP_MISSING,
    OP_COUNT
} condition_op;
static const char *const OPS[OP_COUNT] = {"eq", "ne",       "lt",     "le",     "gt",
                                          "ge", "contains", "prefix", "exists", "missing"};

typedef enum { ON_FIELD = 0, ON_KEY = 1, ON_ANY = 2 } condition_target;

struct server_condition {
    condition_target target;
    condition_op op;
    sop_json_path path;
    sop_json_value v; /* as in the request */
    sop_slice text;   /* v decoded when it is a string, else its JSON text */
};

/* ---- reading ---- */

static int op_read(sop_slice name, condition_op *out)
{
    for (int i = 0; i < OP_COUNT; i++) {
        if (server_equal(name, OPS[i])) {
            *out = (condition_op)i;
            return 0;
        }
    }
    return -1;
}

static sop_status path_read(sop_slice text, sop_arena *arena, server_condition *c, sop_error *err)
{
    if (server_equal(text, "$key") || server_equal(text, "$any")) {
        c->target = server_equal(text, "$key") ? ON_KEY : ON_ANY;
        return SOP_OK;
    }
    sop_json_path *path;
    sop_status status = sop_json_path_new(text, &path, err);
    if (status != SOP_OK) return status;
    /* Into the arena, so that nobody has to free conditions. */
    sop_json_step *steps = sop_arena_alloc(arena, (path->count + 1) * sizeof *steps);
    for (size_t i = 0; steps != NULL && i < path->count; i++) {
        steps[i] = path->steps[i];
        steps[i].name.data =
            sop_arena_copy(arena, path->steps[i].name.data, path->steps[i].name.size);
        if (steps[i].name.data == NULL) steps = NULL;
    }
    c->path = (sop_json_path){steps, path->count};
    sop_json_path_free(path);
    return steps == NULL ? sop_fail(err, SOP_NO_MEMORY, "where: out of memory") : SOP_OK;
}

static sop_status
condition_read(const sop_json_value *wire, sop_arena *arena, server_condition *c, sop_error *err)
{
    sop_slice path;
    sop_slice op;
    *c = (server_condition){0};
    if (server_member_text(wire, "path", arena, &path) != SOP_OK ||
        server_member_text(wire, "op", arena, &op) != SOP_OK || op_read(op, &c->op) != 0) {
        return sop_fail(err, SOP_INVALID, "where: a condition needs path and a known op");
    }
    int unary = c->op == OP_EXISTS || c->op == OP_MISSING;
    if (!unary && server_member(wire, "v", &c->v) != SOP_OK) {
        return sop_fail(err, SOP_INVALID, "where: a condition of op %s needs v", OPS[c->op]);
    }
    if (!unary && c->v.type == SOP_JSON_STRING) {
        if (server_text_read(&c->v, arena, &c->text) != SOP_OK) {
            return sop_fail(err, SOP_INVALID, "where: v is not UTF-8");
        }
    } else if (!unary) {
        c->text = c->v.raw;
    }
    if ((c->op == OP_CONTAINS || c->op == OP_PREFIX) && c->v.type != SOP_JSON_STRING) {
        return sop_fail(err, SOP_INVALID, "where: v of %s must be a string", OPS[c->op]);
    }
    return path_read(path, arena, c, err);
}

sop_status server_where_read(sop_slice text, sop_arena *arena, server_where *out, sop_error *err)
{
    sop_json_value list;
    sop_json_limits limits = {.depth_max = 32, .size_max = TEXT_MAX};
    sop_json_iter iter;
    sop_json_value wire;
    sop_slice name;
    *out = (server_where){0};
    if (sop_json_check(text, &limits, NULL, NULL) != SOP_OK ||
        sop_json_read(text, &list) != SOP_OK || list.type != SOP_JSON_ARRAY) {
        return sop_fail(err, SOP_INVALID, "where: not a JSON array");
    }
    out->list = sop_arena_alloc(arena, CONDITIONS_MAX * sizeof *out->list);
    if (out->list == NULL) return sop_fail(err, SOP_NO_MEMORY, "where: out of memory");
    sop_json_iter_init(&iter, &list);
    while (sop_json_next(&iter, &name, &wire) == SOP_OK) {
        if (out->count == CONDITIONS_MAX) {
            return sop_fail(err, SOP_INVALID, "where: more than %d conditions", CONDITIONS_MAX);
        }
        sop_status status = condition_read(&wire, arena, &out->list[out->count], err);
        if (status != SOP_OK) return status;
        out->count++;
    }
    return SOP_OK;
}

/* ---- matching ---- */

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c;
}

int server_contains(sop_slice text, sop_slice needle)
{
    const uint8_t *at = text.data;
    const uint8_t *want = needle.data;
    if (needle.size == 0) return 1;
    for (size_t i = 0; i + needle.size <= text.size; i++) {
        if (lower(at[i]) != lower(want[0])) continue;
        size_t same = 1;
        while (same < needle.size && lower(at[i + same]) == lower(want[same])) {
            same++;
        }
        if (same == needle.size) return 1;
    }
    return 0;
}

static int starts(sop_slice text, sop_slice prefix)
{
    return text.size >= prefix.size &&
           (prefix.size == 0 || memcmp(text.data, prefix.data, prefix.size) == 0);
}

static int by_order(condition_op op, int order)
{
    switch (op) {
    case OP_LT:
        return order < 0;
    case OP_LE:
        return order <= 0;
    case OP_GT:
        return order > 0;
    case OP_GE:
        return order >= 0;
    case OP_EQ:
        return order == 0;
    case OP_NE:
    case OP_CONTAINS:
    case OP_PREFIX:
    case OP_EXISTS:
    case OP_MISSING:
    case OP_COUNT:
    default:
        return order != 0;
    }
}

/* Plain text (a string, a stored text, the text of a key) against a condition. */
static int text_match(const server_condition *c, sop_slice text)
{
    if (c->op == OP_CONTAINS) return server_contains(text, c->text);
    if (c->op == OP_PREFIX) return starts(text, c->text);
    if (c->op == OP_EXISTS) return 1;
    if (c->op == OP_MISSING) return 0;
    if (c->v.type != SOP_JSON_STRING) return c->op == OP_NE;
    return by_order(c->op, sop_slice_compare(text, c->text));
}

static int string_match(const server_condition *c, sop_slice raw)
{
    uint8_t near[256];
    uint8_t *far = raw.size <= sizeof near ? NULL : sop_alloc(raw.size);
    uint8_t *buffer = far == NULL ? near : far;
    size_t capacity = far == NULL ? sizeof near : raw.size;
    sop_slice plain;
    int match =
        sop_json_string_decode(raw, 0, buffer, capacity, &plain) == SOP_OK && text_match(c, plain);
    sop_free(far);
    return match;
}

static int json_match(const server_condition *c, const sop_json_value *value)
{
    if (value->type == SOP_JSON_STRING) return string_match(c, value->raw);
    if (c->op == OP_CONTAINS) return server_contains(value->raw, c->text);
    if (c->op == OP_PREFIX) return starts(value->raw, c->text);
    if (value->type == SOP_JSON_NUMBER && c->v.type == SOP_JSON_NUMBER) {
        return by_order(c->op, sop_json_number_compare(value->raw, c->v.raw));
    }
    if (c->op == OP_EQ) return server_json_equal(value->raw, c->v.raw);
    if (c->op == OP_NE) return !server_json_equal(value->raw, c->v.raw);
    return 0;
}

static int field_match(const server_condition *c, sop_slice bytes, int is_json)
{
    sop_json_value value;
    if (!is_json) {
        return c->path.count == 0 ? text_match(c, bytes) : c->op == OP_MISSING || c->op == OP_NE;
    }
    int there = sop_json_pick(bytes, &c->path, &value) == SOP_OK;
    if (c->op == OP_EXISTS) return there;
    if (c->op == OP_MISSING) return !there;
    return there ? json_match(c, &value) : c->op == OP_NE;
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as SERVER_JSON_DEPTH, which server_value_kind checks */
static int any_string(const server_condition *c, const sop_json_value *value)
{
    sop_json_iter iter;
    sop_slice name;
    sop_json_value inner;
    if (value->type != SOP_JSON_ARRAY && value->type != SOP_JSON_OBJECT) {
        return json_match(c, value);
    }
    sop_json_iter_init(&iter, value);
    while (sop_json_next(&iter, &name, &inner) == SOP_OK) {
        if (any_string(c, &inner)) return 1;
    }
    return 0;
}

static int any_match(const server_condition *c, sop_slice bytes, int is_json)
{
    sop_json_value value;
    if (!is_json) return text_match(c, bytes);
    /* Without escapes a text that does not hold the letters holds no such string. */
    if (c->op == OP_CONTAINS && memchr(bytes.data, '\\', bytes.size) == NULL &&
        memchr(c->text.data, '"', c->text.size) == NULL && !server_contains(bytes, c->text)) {
        return 0;
    }
    return sop_json_read(bytes, &value) == SOP_OK && any_string(c, &value);
}

static int key_match(const server_condition *c, server_form form, sop_slice key)
{
    sop_json_writer writer;
    sop_slice text;
    sop_json_value value;
    sop_json_writer_init(&writer, 0);
    server_key_write(&writer, form, key);
    int match = 0;
    if (sop_json_writer_end(&writer, &text) == SOP_OK && sop_json_read(text, &value) == SOP_OK) {
        sop_json_value list;
        sop_json_iter iter;
        sop_slice name;
        sop_json_value first;
        /* A tuple is met by its first part, as people type it. */
        if (server_member(&value, "v", &list) == SOP_OK && list.type == SOP_JSON_ARRAY &&
            c->v.type != SOP_JSON_OBJECT) {
            sop_json_iter_init(&iter, &list);
            if (sop_json_next(&iter, &name, &first) == SOP_OK) value = first;
        }
        match = c->op == OP_EXISTS || (c->op != OP_MISSING && json_match(c, &value));
    }
    sop_json_writer_deinit(&writer);
    return match;
}

int server_where_match(const server_where *where, server_form form, sop_slice key, sop_slice value)
{
    int is_json = -1;
    for (size_t i = 0; i < where->count; i++) {
        const server_condition *c = &where->list[i];
        int match;
        if (c->target != ON_KEY && is_json < 0) {
            is_json = server_value_kind(value) <= SERVER_IS_JSON;
        }
        if (c->target == ON_KEY) {
            match = key_match(c, form, key);
        } else if (c->target == ON_ANY) {
            match = any_match(c, value, is_json);
        } else {
            match = field_match(c, value, is_json);
        }
        if (!match) return 0;
    }
    return 1;
}
