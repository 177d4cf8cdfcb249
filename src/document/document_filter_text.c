/* SPDX-License-Identifier: MIT */
/* Filters from text, by recursive descent: or, and, not, then one test of one path. */
#include <stdio.h>

#include "document/document_filter.h"
#include "document/document_word.h"
#include "util/bytes.h"
#include "util/error.h"
#include "util/memory.h"
#include "util/utf8.h"

typedef struct {
    sop_document__filter_reader *r;
    const uint8_t *begin;
    const uint8_t *at;
    const uint8_t *end;
} text_reader;

static void *refuse(text_reader *t, const char *why)
{
    return sop_document__filter_refuse(t->r, SOP_INVALID, why);
}

static void skip_space(text_reader *t)
{
    while (t->at != t->end && (*t->at == ' ' || (*t->at >= '\t' && *t->at <= '\r'))) {
        t->at++;
    }
}

/* The word that comes next, empty if none does; not taken. */
static sop_slice peek_word(text_reader *t)
{
    skip_space(t);
    return sop_slice_of(t->at, (size_t)(sop_document__word_end(t->at, t->end) - t->at));
}

static int take_word(text_reader *t, const char *lower)
{
    sop_slice word = peek_word(t);
    if (word.size == 0 || !sop_document__word_is(word, lower)) return 0;
    t->at += word.size;
    return 1;
}

static int take_sign(text_reader *t, char sign)
{
    skip_space(t);
    if (t->at == t->end || *t->at != (uint8_t)sign) return 0;
    t->at++;
    return 1;
}

/* A string in ' becomes one in ": the quotes change their roles. Returns the size. */
static size_t requote(const uint8_t *at, const uint8_t *end, uint8_t *to)
{
    size_t used = 0;
    to[used++] = '"';
    for (at++; at != end - 1; at++) {
        if (*at == '\\') {
            /* The end is not behind a backslash, so there is another byte. */
            if (at[1] != '\'') to[used++] = '\\';
            at++;
        } else if (*at == '"') {
            to[used++] = '\\';
        }
        to[used++] = *at;
    }
    to[used++] = '"';
    return used;
}

static int read_string(text_reader *t, sop_json_value *out)
{
    const uint8_t *begin = t->at;
    const uint8_t *after = sop_document__quoted_end(begin, t->end);
    if (after == NULL) {
        refuse(t, "a string without an end");
        return -1;
    }
    out->type = SOP_JSON_STRING;
    out->raw = sop_slice_of(begin, (size_t)(after - begin));
    if (*begin == '\'') {
        uint8_t *buffer = sop_arena_alloc(t->r->arena, 2 * out->raw.size);
        if (buffer == NULL) {
            sop_document__filter_refuse(t->r, SOP_NO_MEMORY, "out of memory");
            return -1;
        }
        out->raw = sop_slice_of(buffer, requote(begin, after, buffer));
    }
    sop_json_position where;
    if (sop_json_check(out->raw, NULL, &where, NULL) != SOP_OK) {
        refuse(t, where.reason);
        return -1;
    }
    t->at = after;
    return 0;
}

static int read_number(text_reader *t, sop_json_value *out)
{
    const uint8_t *begin = t->at;
    const uint8_t *at = begin;
    while (at != t->end && (*at == '.' || *at == '+' || sop_document__word_end(at, t->end) != at)) {
        at++;
    }
    sop_decimal ignored;
    *out = (sop_json_value){SOP_JSON_NUMBER, {begin, (size_t)(at - begin)}};
    if (at == begin || sop_decimal_parse(out->raw, &ignored) != 0) {
        refuse(t, "expected a value: a number, a string, true, false or null");
        return -1;
    }
    t->at = at;
    return 0;
}

static int read_scalar(text_reader *t, sop_json_value *out)
{
    static const struct {
        const char *word;
        sop_json_type type;
    } words[] = {{"null", SOP_JSON_NULL}, {"false", SOP_JSON_FALSE}, {"true", SOP_JSON_TRUE}};
    skip_space(t);
    if (t->at != t->end && (*t->at == '"' || *t->at == '\'')) return read_string(t, out);
    for (size_t i = 0; i < 3; i++) {
        if (!take_word(t, words[i].word)) continue;
        *out = (sop_json_value){words[i].type, sop_str(words[i].word)};
        return 0;
    }
    return read_number(t, out);
}

static int read_literal(text_reader *t, sop_literal *out)
{
    sop_json_value value;
    sop_slice word = peek_word(t);
    sop_literal_kind kind = sop_document__literal_kind(word);
    if (kind != SOP_LITERAL_PLAIN) t->at += word.size;
    if (read_scalar(t, &value) != 0) return -1;
    return sop_document__literal_make(t->r, kind, &value, out);
}

/* ( literal , ... ) */
static sop_filter_node *read_list(text_reader *t, sop_filter_node *node)
{
    if (!take_sign(t, '(')) return refuse(t, "expected '(' after in");
    sop_literal *literals = NULL;
    size_t count = 0;
    size_t capacity = 0;
    int failed = 0;
    do {
        if (count == capacity) {
            capacity = capacity == 0 ? 16 : 2 * capacity;
            sop_literal *grown = sop_realloc(literals, capacity * sizeof *grown);
            if (grown == NULL) {
                failed = 1;
                sop_document__filter_refuse(t->r, SOP_NO_MEMORY, "out of memory");
                break;
            }
            literals = grown;
        }
        failed = read_literal(t, &literals[count++]) != 0;
    } while (!failed && take_sign(t, ','));
    if (!failed && !take_sign(t, ')')) {
        failed = 1;
        refuse(t, "expected ',' or ')'");
    }
    if (!failed) node = sop_document__filter_finish(t->r, node, literals, count);
    sop_free(literals);
    return failed ? NULL : node;
}

/* The operation behind a path. 0 if there is none. */
static int take_op(text_reader *t, sop_filter_op *op)
{
    static const struct {
        const char *word;
        sop_filter_op op;
    } words[] = {{"between", SOP_FILTER_BETWEEN},   {"in", SOP_FILTER_IN},
                 {"has", SOP_FILTER_HAS},           {"starts", SOP_FILTER_STARTS},
                 {"contains", SOP_FILTER_CONTAINS}, {"matches", SOP_FILTER_MATCHES},
                 {"exists", SOP_FILTER_EXISTS}};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (!take_word(t, words[i].word)) continue;
        *op = words[i].op;
        return 1;
    }
    if (take_sign(t, '=')) {
        if (t->at != t->end && *t->at == '=') t->at++;
        *op = SOP_FILTER_EQ;
    } else if (take_sign(t, '!')) {
        if (t->at == t->end || *t->at != '=') return 0;
        t->at++;
        *op = SOP_FILTER_NE;
    } else if (take_sign(t, '<')) {
        *op = SOP_FILTER_LT;
        if (t->at != t->end && (*t->at == '=' || *t->at == '>')) {
            *op = *t->at++ == '=' ? SOP_FILTER_LE : SOP_FILTER_NE;
        }
    } else if (take_sign(t, '>')) {
        *op = SOP_FILTER_GT;
        if (t->at != t->end && *t->at == '=') {
            t->at++;
            *op = SOP_FILTER_GE;
        }
    } else {
        return 0;
    }
    return 1;
}

static sop_filter_node *read_values(text_reader *t, sop_filter_node *node)
{
    sop_literal literals[2];
    size_t count = 0;
    if (node->op == SOP_FILTER_IN) return read_list(t, node);
    if (node->op == SOP_FILTER_STARTS) (void)take_word(t, "with");
    if (node->op != SOP_FILTER_EXISTS && read_literal(t, &literals[count++]) != 0) return NULL;
    if (node->op == SOP_FILTER_BETWEEN) {
        if (!take_word(t, "and")) return refuse(t, "expected and after the lower end of between");
        if (read_literal(t, &literals[count++]) != 0) return NULL;
    }
    return sop_document__filter_finish(t->r, node, literals, count);
}

static sop_filter_node *negated(text_reader *t, sop_filter_node *node)
{
    sop_filter_node *parent =
        node == NULL ? NULL : sop_document__filter_node_new(t->r, SOP_FILTER_NOT);
    if (parent != NULL) parent->child = node;
    return parent;
}

static sop_filter_node *read_is_null(text_reader *t, sop_filter_node *node)
{
    int not_null = take_word(t, "not");
    if (!take_word(t, "null")) return refuse(t, "expected null after is");
    node->op = SOP_FILTER_IS_NULL;
    node = sop_document__filter_finish(t->r, node, NULL, 0);
    return not_null ? negated(t, node) : node;
}

/* path operation value, path not operation value, path is null */
static sop_filter_node *read_test(text_reader *t)
{
    const char *why = NULL;
    sop_filter_node *node = sop_document__filter_node_new(t->r, SOP_FILTER_EQ);
    if (node == NULL) return NULL;
    sop_slice word = peek_word(t);
    if (word.size != 0 && sop_document__is_keyword(word)) {
        return refuse(t, "expected a field name (quote it if it is a word of filters)");
    }
    const uint8_t *after = sop_document__path_read(t->at, t->end, t->r->arena, &node->path, &why);
    if (after == NULL) {
        sop_status status = why == NULL ? SOP_NO_MEMORY : SOP_INVALID;
        return sop_document__filter_refuse(t->r, status, why == NULL ? "out of memory" : why);
    }
    t->at = after;
    if (take_word(t, "is")) return read_is_null(t, node);
    int is_not = take_word(t, "not");
    if (!take_op(t, &node->op)) {
        return refuse(
            t, "expected = != < <= > >= between in has starts contains matches exists or is null");
    }
    node = read_values(t, node);
    return is_not ? negated(t, node) : node;
}

/* NOLINTBEGIN(misc-no-recursion): nesting ends at SOP_DOCUMENT_FILTER_DEPTH_MAX. */
static sop_filter_node *read_or(text_reader *t);

static sop_filter_node *read_nested(text_reader *t, int is_not);

static sop_filter_node *read_unary(text_reader *t)
{
    if (take_word(t, "not")) return read_nested(t, 1);
    if (take_sign(t, '(')) return read_nested(t, 0);
    if (take_word(t, "true")) return sop_document__filter_node_new(t->r, SOP_FILTER_ALL);
    return read_test(t);
}

static sop_filter_node *read_nested(text_reader *t, int is_not)
{
    if (t->r->depth == SOP_DOCUMENT_FILTER_DEPTH_MAX) {
        return sop_document__filter_refuse(t->r, SOP_TOO_LARGE, "more than 100 levels");
    }
    t->r->depth++;
    sop_filter_node *node = is_not ? read_unary(t) : read_or(t);
    t->r->depth--;
    if (node == NULL) return NULL;
    if (is_not) return negated(t, node);
    return take_sign(t, ')') ? node : refuse(t, "expected ')', and or or");
}

/* Items joined by one word become one node with many children. */
static sop_filter_node *
read_joined(text_reader *t, sop_filter_op op, sop_filter_node *(*read)(text_reader *t))
{
    const char *word = sop_document__ops[op].word;
    sop_filter_node *first = read(t);
    if (first == NULL || !take_word(t, word)) return first;
    sop_filter_node *parent = sop_document__filter_node_new(t->r, op);
    if (parent == NULL) return NULL;
    parent->child = first;
    do {
        sop_filter_node *item = read(t);
        if (item == NULL) return NULL;
        first->next = item;
        first = item;
    } while (take_word(t, word));
    return parent;
}

static sop_filter_node *read_and(text_reader *t)
{
    return read_joined(t, SOP_FILTER_AND, read_unary);
}

static sop_filter_node *read_or(text_reader *t)
{
    return read_joined(t, SOP_FILTER_OR, read_and);
}
/* NOLINTEND(misc-no-recursion) */

/* 0, and at on the first byte that is wrong. */
static int check_utf8(text_reader *t)
{
    const uint8_t *at = t->at;
    while (at != t->end) {
        uint32_t code = 0;
        size_t size = sop_utf8_get(at, t->end, &code);
        if (size == 0) {
            t->at = at;
            return 0;
        }
        at += size;
    }
    return 1;
}

static sop_filter_node *read_all(sop_document__filter_reader *r, void *context)
{
    text_reader *t = context;
    t->r = r;
    if (!check_utf8(t)) return refuse(t, "bytes that are not UTF-8");
    skip_space(t);
    if (t->at == t->end) return sop_document__filter_node_new(r, SOP_FILTER_ALL);
    sop_filter_node *node = read_or(t);
    if (node == NULL) return NULL;
    skip_space(t);
    return t->at == t->end ? node : refuse(t, "expected and, or or the end");
}

sop_status sop_filter_new(sop_slice text, sop_filter **filter_out, sop_error *err)
{
    sop_document__filter_reader r = {.status = SOP_OK};
    const uint8_t *begin = text.data;
    text_reader t = {
        .begin = begin, .at = begin, .end = text.size == 0 ? begin : begin + text.size};
    *filter_out = NULL;
    if (text.size > SOP_DOCUMENT_FILTER_SIZE_MAX) {
        return sop_fail(err, SOP_TOO_LARGE, "filter of %zu bytes: more than %d", text.size,
                        SOP_DOCUMENT_FILTER_SIZE_MAX);
    }
    sop_status status = sop_document__filter_make(read_all, &t, &r, filter_out);
    if (status == SOP_OK) return SOP_OK;
    size_t characters = 1;
    for (const uint8_t *at = begin; at != t.at; at++) {
        characters += (*at & 0xc0) != 0x80;
    }
    return sop_fail(err, status, "filter, character %zu: %s", characters, r.why);
}
