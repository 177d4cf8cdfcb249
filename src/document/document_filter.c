/* SPDX-License-Identifier: MIT */
/* Filters: nodes and literals, made and checked the same way from text and from JSON. */
#include "document/document_filter.h"

#include <stdio.h>
#include <stdlib.h>

#include "document/document_fold.h"
#include "document/document_regex.h"
#include "document/document_word.h"
#include "util/bytes.h"
#include "util/error.h"
#include "util/memory.h"

const sop_document__op_entry sop_document__ops[SOP_FILTER_IS_NULL + 1] = {
    [SOP_FILTER_ALL] = {"true", 0, 0, 0},
    [SOP_FILTER_AND] = {"and", 0, 0, 0},
    [SOP_FILTER_OR] = {"or", 0, 0, 0},
    [SOP_FILTER_NOT] = {"not", 0, 0, 0},
    [SOP_FILTER_EQ] = {"=", 1, 1, 0},
    [SOP_FILTER_NE] = {"!=", 1, 1, 0},
    [SOP_FILTER_LT] = {"<", 1, 1, 0},
    [SOP_FILTER_LE] = {"<=", 1, 1, 0},
    [SOP_FILTER_GT] = {">", 1, 1, 0},
    [SOP_FILTER_GE] = {">=", 1, 1, 0},
    [SOP_FILTER_BETWEEN] = {"between", 2, 2, 0},
    [SOP_FILTER_IN] = {"in", 1, SIZE_MAX, 0},
    [SOP_FILTER_HAS] = {"has", 1, 1, 0},
    [SOP_FILTER_STARTS] = {"starts", 1, 1, 1},
    [SOP_FILTER_CONTAINS] = {"contains", 1, 1, 1},
    [SOP_FILTER_MATCHES] = {"matches", 1, 1, 1},
    [SOP_FILTER_EXISTS] = {"exists", 0, 0, 0},
    [SOP_FILTER_IS_NULL] = {"null", 0, 0, 0},
};

static const char *const LITERAL_WORDS[] = {"", "nocase", "timestamp", "date", "uuid"};

const char *sop_document__literal_word(sop_literal_kind kind)
{
    return LITERAL_WORDS[kind];
}

sop_literal_kind sop_document__literal_kind(sop_slice word)
{
    for (int kind = SOP_LITERAL_NOCASE; kind <= SOP_LITERAL_UUID; kind++) {
        if (sop_document__word_is(word, LITERAL_WORDS[kind])) return (sop_literal_kind)kind;
    }
    return SOP_LITERAL_PLAIN;
}

void *
sop_document__filter_refuse(sop_document__filter_reader *r, sop_status status, const char *why)
{
    if (r->status == SOP_OK) {
        r->status = status;
        r->why = why;
    }
    return NULL;
}

static void *no_memory(sop_document__filter_reader *r)
{
    return sop_document__filter_refuse(r, SOP_NO_MEMORY, "out of memory");
}

sop_filter_node *sop_document__filter_node_new(sop_document__filter_reader *r, sop_filter_op op)
{
    sop_filter_node *node = sop_arena_alloc(r->arena, sizeof *node);
    if (node == NULL) return no_memory(r);
    *node = (sop_filter_node){.op = op};
    return node;
}

static int decode_string(sop_document__filter_reader *r, sop_literal_kind kind, sop_literal *out)
{
    size_t size = out->json.raw.size;
    uint8_t *buffer = sop_arena_alloc(r->arena, size + SOP_DOCUMENT_FOLD_SIZE(size));
    if (buffer == NULL ||
        sop_json_string_decode(out->json.raw, 0, buffer, size, &out->plain) != SOP_OK) {
        if (buffer == NULL) {
            no_memory(r);
        } else {
            sop_document__filter_refuse(r, SOP_INVALID, "not a string of JSON");
        }
        return -1;
    }
    if (kind == SOP_LITERAL_NOCASE) {
        out->plain.size = sop_document__fold(out->plain.data, out->plain.size, buffer + size);
        out->plain.data = buffer + size;
    }
    return 0;
}

static const sop_document_key_field *typed_field(sop_literal_kind kind)
{
    static const sop_document_key_field timestamp = {.type = SOP_DOCUMENT_TIMESTAMP};
    static const sop_document_key_field date = {.type = SOP_DOCUMENT_DATE};
    static const sop_document_key_field uuid = {.type = SOP_DOCUMENT_UUID};
    if (kind == SOP_LITERAL_TIMESTAMP) return &timestamp;
    return kind == SOP_LITERAL_DATE ? &date : &uuid;
}

/* A part of these types has at most 50 bytes. */
#define ENCODED_MAX 128

/* The value as a key part, in a buffer of ENCODED_MAX bytes; SOP_INVALID if it is none of the type. */
static sop_status encode_typed(sop_literal_kind kind,
                               const sop_json_value *value,
                               sop_document_scratch *scratch,
                               uint8_t *buffer,
                               sop_slice *encoded_out,
                               const char **why_out)
{
    sop_key_builder builder;
    sop_key_begin(&builder, buffer, ENCODED_MAX);
    sop_status status =
        sop_document__scalar_add(value, typed_field(kind), &builder, scratch, why_out);
    return status == SOP_OK ? sop_key_end(&builder, encoded_out, NULL) : status;
}

static int encode_literal(sop_document__filter_reader *r, sop_literal *out)
{
    uint8_t buffer[ENCODED_MAX];
    const char *why = NULL;
    sop_status status =
        encode_typed(out->kind, &out->json, r->scratch, buffer, &out->encoded, &why);
    if (status == SOP_OK) {
        out->encoded.data = sop_arena_copy(r->arena, out->encoded.data, out->encoded.size);
        if (out->encoded.data == NULL) status = SOP_NO_MEMORY;
    }
    if (status == SOP_NO_MEMORY) {
        no_memory(r);
    } else if (status != SOP_OK) {
        sop_document__filter_refuse(r, SOP_INVALID, why);
    }
    return status == SOP_OK ? 0 : -1;
}

int sop_document__literal_make(sop_document__filter_reader *r,
                               sop_literal_kind kind,
                               const sop_json_value *json,
                               sop_literal *out)
{
    *out = (sop_literal){.kind = kind, .json = *json};
    out->json.raw.data = sop_arena_copy(r->arena, json->raw.data, json->raw.size);
    if (out->json.raw.data == NULL) {
        no_memory(r);
        return -1;
    }
    if (json->type == SOP_JSON_NUMBER && kind == SOP_LITERAL_PLAIN) {
        if (sop_decimal_parse(out->json.raw, &out->number) == 0) return 0;
        sop_document__filter_refuse(r, SOP_INVALID, "not a number");
        return -1;
    }
    if (json->type != SOP_JSON_STRING) {
        if (kind == SOP_LITERAL_PLAIN && json->type < SOP_JSON_NUMBER) return 0;
        sop_document__filter_refuse(r, SOP_INVALID,
                                    kind == SOP_LITERAL_PLAIN
                                        ? "arrays and objects cannot be compared"
                                        : "expected a string");
        return -1;
    }
    if (decode_string(r, kind, out) != 0) return -1;
    return kind > SOP_LITERAL_NOCASE ? encode_literal(r, out) : 0;
}

static int prepare_pattern(sop_document__filter_reader *r, sop_filter_node *node)
{
    const sop_literal *pattern = &node->literals[0];
    sop_document__regex *regex = NULL;
    sop_slice plain = pattern->plain;
    size_t offset = 0;
    const char *why = NULL;
    int nocase = pattern->kind == SOP_LITERAL_NOCASE;
    if (nocase) {
        /* The pattern itself must not be folded: \D is not \d. */
        uint8_t *buffer = sop_arena_alloc(r->arena, pattern->json.raw.size);
        if (buffer == NULL) {
            no_memory(r);
            return -1;
        }
        (void)!sop_json_string_decode(pattern->json.raw, 0, buffer, pattern->json.raw.size, &plain);
    }
    sop_status status = sop_document__regex_new(plain, nocase, r->arena, &regex, &offset, &why);
    node->regex = regex;
    if (status == SOP_OK) return 0;
    if (status == SOP_NO_MEMORY) {
        no_memory(r);
        return -1;
    }
    (void)snprintf(r->detail, sizeof r->detail, "the pattern, byte %zu: %s", offset, why);
    sop_document__filter_refuse(r, SOP_INVALID, r->detail);
    return -1;
}

static int compare_plain(const sop_literal *a, const sop_literal *b)
{
    if (a->json.type != b->json.type) return a->json.type < b->json.type ? -1 : 1;
    if (a->json.type == SOP_JSON_NUMBER) return sop_decimal_compare(&a->number, &b->number);
    return sop_slice_compare(a->plain, b->plain);
}

static int compare_sorted(const void *a, const void *b)
{
    return compare_plain(*(const sop_literal *const *)a, *(const sop_literal *const *)b);
}

/* Long lists are searched by halving: numbers first, then strings. The other literals are few and looked at one by one. */
static int prepare_list(sop_document__filter_reader *r, sop_filter_node *node)
{
    node->sorted = sop_arena_alloc(r->arena, node->literal_count * sizeof *node->sorted);
    if (node->sorted == NULL) {
        no_memory(r);
        return -1;
    }
    size_t count = 0;
    for (size_t i = 0; i < node->literal_count; i++) {
        const sop_literal *literal = &node->literals[i];
        if (literal->kind != SOP_LITERAL_PLAIN || literal->json.type < SOP_JSON_NUMBER) continue;
        node->sorted[count++] = literal;
        if (literal->json.type == SOP_JSON_NUMBER) {
            node->number_count++;
        } else {
            node->string_count++;
        }
    }
    qsort(node->sorted, count, sizeof *node->sorted, compare_sorted);
    return 0;
}

sop_filter_node *sop_document__filter_finish(sop_document__filter_reader *r,
                                             sop_filter_node *node,
                                             const sop_literal *literals,
                                             size_t count)
{
    const sop_document__op_entry *op = &sop_document__ops[node->op];
    if (count < op->min || count > op->max) {
        (void)snprintf(r->detail, sizeof r->detail, "%s with %zu values", op->word, count);
        return sop_document__filter_refuse(r, SOP_INVALID, r->detail);
    }
    for (size_t i = 0; i < count && op->string_only; i++) {
        int string =
            literals[i].json.type == SOP_JSON_STRING && literals[i].kind <= SOP_LITERAL_NOCASE;
        if (string) continue;
        (void)snprintf(r->detail, sizeof r->detail, "%s needs a string", op->word);
        return sop_document__filter_refuse(r, SOP_INVALID, r->detail);
    }
    node->literal_count = count;
    node->many = sop_document__path_has_each(&node->path);
    if (count != 0) {
        node->literals = sop_arena_copy(r->arena, literals, count * sizeof *literals);
        if (node->literals == NULL) return no_memory(r);
    }
    int failed = 0;
    if (node->op == SOP_FILTER_MATCHES) failed = prepare_pattern(r, node);
    if (node->op == SOP_FILTER_IN) failed = prepare_list(r, node);
    return failed ? NULL : node;
}

sop_status sop_document__filter_make(sop_document__filter_read_fn read,
                                     void *context,
                                     sop_document__filter_reader *r,
                                     sop_filter **filter_out)
{
    *filter_out = NULL;
    r->status = SOP_OK;
    r->depth = 0;
    sop_document__owned_filter *owned = sop_alloc_zeroed(sizeof *owned);
    r->scratch = sop_alloc_zeroed(sizeof *r->scratch);
    if (owned == NULL || r->scratch == NULL) {
        no_memory(r);
    } else {
        r->arena = &owned->arena;
        owned->filter.root = read(r, context);
    }
    if (r->scratch != NULL) sop_document_scratch_deinit(r->scratch);
    sop_free(r->scratch);
    r->scratch = NULL;
    if (r->status != SOP_OK) {
        if (owned != NULL) sop_filter_free(&owned->filter);
        return r->status;
    }
    *filter_out = &owned->filter;
    return SOP_OK;
}

void sop_filter_free(sop_filter *filter)
{
    sop_document__owned_filter *owned = (sop_document__owned_filter *)(void *)filter;
    if (owned == NULL) return;
    sop_arena_deinit(&owned->arena);
    sop_free(owned);
}

/* Two strings without regard to case; the literal is folded already. */
static sop_status compare_nocase(const sop_literal *literal,
                                 const sop_json_value *value,
                                 sop_document_scratch *scratch,
                                 int *order_out)
{
    sop_slice folded;
    sop_status status = sop_document__folded(value->raw, scratch, &folded);
    if (status == SOP_OK) *order_out = sop_slice_compare(folded, literal->plain);
    return status;
}

static sop_status compare_typed(const sop_literal *literal,
                                const sop_json_value *value,
                                sop_document_scratch *scratch,
                                int *comparable_out,
                                int *order_out)
{
    uint8_t buffer[ENCODED_MAX];
    sop_slice encoded;
    const char *why = NULL;
    sop_status status = encode_typed(literal->kind, value, scratch, buffer, &encoded, &why);
    if (status == SOP_NO_MEMORY) return status;
    *comparable_out = status == SOP_OK;
    if (status == SOP_OK) *order_out = sop_slice_compare(encoded, literal->encoded);
    return SOP_OK;
}

sop_status sop_document__literal_compare(const sop_literal *literal,
                                         const sop_json_value *value,
                                         sop_document_scratch *scratch,
                                         int *comparable_out,
                                         int *order_out)
{
    *comparable_out = 0;
    *order_out = 0;
    sop_json_type type = literal->json.type;
    int both_bool = (type == SOP_JSON_FALSE || type == SOP_JSON_TRUE) &&
                    (value->type == SOP_JSON_FALSE || value->type == SOP_JSON_TRUE);
    if (value->type != type && !both_bool) return SOP_OK;
    if (literal->kind > SOP_LITERAL_NOCASE) {
        return compare_typed(literal, value, scratch, comparable_out, order_out);
    }
    *comparable_out = 1;
    if (literal->kind == SOP_LITERAL_NOCASE) {
        return compare_nocase(literal, value, scratch, order_out);
    }
    if (type == SOP_JSON_STRING) {
        *order_out = sop_json_string_compare(value->raw, literal->plain);
    } else if (type == SOP_JSON_NUMBER) {
        sop_decimal number;
        if (sop_decimal_parse(value->raw, &number) != 0) return SOP_CORRUPT;
        *order_out = sop_decimal_compare(&number, &literal->number);
    } else {
        *order_out = (int)value->type - (int)type;
    }
    return SOP_OK;
}
