/* SPDX-License-Identifier: MIT */
/* Keys: their one canonical JSON form, and bytes from any form. */
#include <stdio.h>
#include <string.h>

#include "sop/key.h"
#include "sop/store.h"

#include "server/server_text.h"
#include "server/server_wire.h"
#include "util/bytes.h"
#include "util/decimal.h"
#include "util/error.h"

static const char *const FORMS[] = {"auto", "text", "tuple", "bytes"};

int server_form_read(sop_slice name)
{
    for (int i = 0; i < 4; i++) {
        if (server_equal(name, FORMS[i])) return i;
    }
    return -1;
}

const char *server_form_name(server_form form)
{
    return FORMS[form];
}

/* ---- writing ---- */

static void tag(sop_json_writer *writer, const char *type)
{
    sop_json_object_begin(writer);
    sop_json_key(writer, sop_str("$t"));
    sop_json_string(writer, sop_str(type));
    sop_json_key(writer, sop_str("v"));
}

static void tag_text(sop_json_writer *writer, const char *type, sop_slice text)
{
    tag(writer, type);
    sop_json_string(writer, text);
    sop_json_object_end(writer);
}

static void bytes_write(sop_json_writer *writer, sop_slice bytes)
{
    char text[SOP_KEY_SIZE_MAX * 4 / 3 + 4];
    server_base64_write(bytes, text);
    tag_text(writer, "bytes", sop_slice_of(text, server_base64_size(bytes.size)));
}

static void uuid_write(sop_json_writer *writer, const uint8_t uuid[16])
{
    static const int dash_before[16] = {[4] = 1, [6] = 1, [8] = 1, [10] = 1};
    char text[36];
    size_t at = 0;
    for (int i = 0; i < 16; i++) {
        if (dash_before[i]) text[at++] = '-';
        text[at++] = "0123456789abcdef"[uuid[i] >> 4];
        text[at++] = "0123456789abcdef"[uuid[i] & 15];
    }
    tag_text(writer, "uuid", sop_slice_of(text, sizeof text));
}

static void part_write(sop_json_writer *writer, const sop_key_part *part)
{
    uint8_t buffer[SOP_KEY_SIZE_MAX * 4 + 32];
    sop_slice bytes = {0};
    if (part->type == SOP_KEY_BYTES || part->type == SOP_KEY_STRING ||
        part->type == SOP_KEY_DECIMAL) {
        /* part_good has seen that it can be decoded. */
        sop_ignore(sop_key_part_bytes(part, buffer, sizeof buffer, &bytes));
    }
    switch (part->type) {
    case SOP_KEY_NULL:
        sop_json_null(writer);
        break;
    case SOP_KEY_BOOL:
        sop_json_bool(writer, part->bool_value);
        break;
    case SOP_KEY_INT:
        sop_json_int(writer, part->int_value);
        break;
    case SOP_KEY_UINT:
        sop_json_uint(writer, part->uint_value);
        break;
    case SOP_KEY_DOUBLE:
        tag_text(writer, "double",
                 sop_slice_of(buffer, sop_double_text(part->double_value, buffer)));
        break;
    case SOP_KEY_DECIMAL:
        tag_text(writer, "decimal", bytes);
        break;
    case SOP_KEY_STRING:
        sop_json_string(writer, bytes);
        break;
    case SOP_KEY_BYTES:
        bytes_write(writer, bytes);
        break;
    case SOP_KEY_UUID:
    default:
        uuid_write(writer, part->uuid);
        break;
    }
}

/* A part that its JSON form gives back: ascending, strings in UTF-8, finite numbers. */
static int part_good(const sop_key_part *part)
{
    uint8_t buffer[SOP_KEY_SIZE_MAX * 4 + 32];
    sop_slice bytes;
    if (part->descending) return 0;
    if (part->type == SOP_KEY_DOUBLE) {
        double d = part->double_value;
        return d - d == 0;
    }
    if (part->type != SOP_KEY_BYTES && part->type != SOP_KEY_STRING &&
        part->type != SOP_KEY_DECIMAL) {
        return 1;
    }
    if (sop_key_part_bytes(part, buffer, sizeof buffer, &bytes) != SOP_OK) return 0;
    return part->type != SOP_KEY_STRING || server_is_utf8(bytes);
}

static void part_add(sop_key_builder *builder, const sop_key_part *part)
{
    uint8_t buffer[SOP_KEY_SIZE_MAX * 4 + 32];
    sop_slice bytes = {0};
    switch (part->type) {
    case SOP_KEY_NULL:
        sop_key_add_null(builder);
        break;
    case SOP_KEY_BOOL:
        sop_key_add_bool(builder, part->bool_value);
        break;
    case SOP_KEY_INT:
        sop_key_add_int(builder, part->int_value);
        break;
    case SOP_KEY_UINT:
        sop_key_add_uint(builder, part->uint_value);
        break;
    case SOP_KEY_DOUBLE:
        sop_key_add_double(builder, part->double_value);
        break;
    case SOP_KEY_UUID:
        sop_key_add_uuid(builder, part->uuid);
        break;
    case SOP_KEY_BYTES:
    case SOP_KEY_STRING:
    case SOP_KEY_DECIMAL:
    default:
        sop_ignore(sop_key_part_bytes(part, buffer, sizeof buffer, &bytes));
        if (part->type == SOP_KEY_BYTES) sop_key_add_bytes(builder, bytes);
        if (part->type == SOP_KEY_STRING) sop_key_add_string(builder, bytes);
        if (part->type == SOP_KEY_DECIMAL) sop_key_add_decimal(builder, bytes);
        break;
    }
}

/* 1 if the bytes are a tuple of ascending parts that encode to the same bytes again. */
static int is_tuple(sop_slice key)
{
    uint8_t again[SOP_KEY_SIZE_MAX];
    sop_key_reader reader;
    sop_key_builder builder;
    sop_key_part part;
    sop_slice made;
    sop_key_read(&reader, key);
    sop_key_begin(&builder, again, sizeof again);
    sop_status status = sop_key_next(&reader, &part);
    while (status == SOP_OK && part_good(&part)) {
        part_add(&builder, &part);
        status = sop_key_next(&reader, &part);
    }
    return status == SOP_NOT_FOUND && sop_key_end(&builder, &made, NULL) == SOP_OK &&
           sop_slice_equal(made, key);
}

static void tuple_write(sop_json_writer *writer, sop_slice key)
{
    sop_key_reader reader;
    sop_key_part part;
    sop_key_read(&reader, key);
    tag(writer, "tuple");
    sop_json_array_begin(writer);
    while (sop_key_next(&reader, &part) == SOP_OK) {
        part_write(writer, &part);
    }
    sop_json_array_end(writer);
    sop_json_object_end(writer);
}

void server_key_write(sop_json_writer *writer, server_form form, sop_slice key)
{
    int text = form == SERVER_FORM_AUTO || form == SERVER_FORM_TEXT;
    int tuple = form == SERVER_FORM_AUTO || form == SERVER_FORM_TUPLE;
    if (text && server_is_plain(key)) {
        sop_json_string(writer, key);
    } else if (tuple && key.size <= SOP_KEY_SIZE_MAX && is_tuple(key)) {
        tuple_write(writer, key);
    } else {
        bytes_write(writer, key);
    }
}

/* ---- reading ---- */

static sop_status bad(sop_error *err, const char *what)
{
    return sop_fail(err, SOP_INVALID, "key: %s", what);
}

/* Copies a number's text so that it ends with a zero. */
static int number_text(sop_slice raw, char text[32])
{
    if (raw.size >= 32) return 0;
    memcpy(text, raw.data, raw.size);
    text[raw.size] = '\0';
    return 1;
}

static sop_status integer_add(sop_key_builder *builder, sop_slice raw, sop_error *err)
{
    sop_decimal number;
    int64_t signed_value;
    uint64_t unsigned_value;
    if (sop_decimal_parse(raw, &number) != 0 || !number.is_integer) {
        return bad(err, "a number in a tuple must be an integer or tagged");
    }
    if (sop_decimal_int64(&number, &signed_value)) {
        sop_key_add_int(builder, signed_value);
    } else if (sop_decimal_uint64(&number, &unsigned_value)) {
        sop_key_add_uint(builder, unsigned_value);
    } else {
        return bad(err, "an integer beyond 64 bits");
    }
    return SOP_OK;
}

static int uuid_parse(sop_slice text, uint8_t out[16])
{
    const char *at = text.data;
    size_t digits = 0;
    if (text.size != 36) return 0;
    for (size_t i = 0; i < 36; i++) {
        if (i == 8 || i == 13 || i == 18 || i == 23) {
            if (at[i] != '-') return 0;
            continue;
        }
        char c = at[i];
        int lower = c >= 'a' && c <= 'f';
        int upper = c >= 'A' && c <= 'F';
        if (!lower && !upper && (c < '0' || c > '9')) return 0;
        int digit = lower ? c - 'a' + 10 : upper ? c - 'A' + 10 : c - '0';
        out[digits / 2] = (uint8_t)(digits % 2 == 0 ? digit << 4 : out[digits / 2] | digit);
        digits++;
    }
    return 1;
}

static sop_status
tagged_number_add(sop_key_builder *builder, sop_slice type, sop_slice text, sop_error *err)
{
    sop_decimal number;
    char copy[32];
    if (sop_decimal_parse(text, &number) != 0) return bad(err, "not a number");
    if (server_equal(type, "double")) {
        double value = sop_decimal_double(&number);
        /* A decimal has no -0. */
        if (number.count == 0 && text.size > 0 && *(const char *)text.data == '-') value = -0.0;
        sop_key_add_double(builder, value);
        return SOP_OK;
    }
    if (server_equal(type, "decimal")) {
        sop_key_add_decimal(builder, text);
        return SOP_OK;
    }
    if (!server_equal(type, "int64") && !server_equal(type, "uint64")) {
        return bad(err, "an unknown type of part");
    }
    if (!number_text(text, copy)) return bad(err, "an integer beyond 64 bits");
    return integer_add(builder, text, err);
}

static sop_status
tagged_add(sop_key_builder *builder, const sop_json_value *wire, sop_arena *arena, sop_error *err)
{
    sop_slice type;
    sop_slice text;
    uint8_t uuid[16];
    if (server_member_text(wire, "$t", arena, &type) != SOP_OK ||
        server_member_text(wire, "v", arena, &text) != SOP_OK) {
        return bad(err, "a part of a tuple is an object without $t and v");
    }
    if (server_equal(type, "bytes")) {
        sop_slice bytes;
        if (server_base64_read(text, arena, &bytes) != 0) return bad(err, "not base64url");
        sop_key_add_bytes(builder, bytes);
        return SOP_OK;
    }
    if (server_equal(type, "uuid")) {
        if (!uuid_parse(text, uuid)) return bad(err, "not a UUID");
        sop_key_add_uuid(builder, uuid);
        return SOP_OK;
    }
    return tagged_number_add(builder, type, text, err);
}

static sop_status
part_read(sop_key_builder *builder, const sop_json_value *wire, sop_arena *arena, sop_error *err)
{
    sop_slice text;
    switch (wire->type) {
    case SOP_JSON_NULL:
        sop_key_add_null(builder);
        return SOP_OK;
    case SOP_JSON_FALSE:
    case SOP_JSON_TRUE:
        sop_key_add_bool(builder, wire->type == SOP_JSON_TRUE);
        return SOP_OK;
    case SOP_JSON_NUMBER:
        return integer_add(builder, wire->raw, err);
    case SOP_JSON_STRING:
        if (server_text_read(wire, arena, &text) != SOP_OK) return bad(err, "not UTF-8");
        sop_key_add_string(builder, text);
        return SOP_OK;
    case SOP_JSON_OBJECT:
        return tagged_add(builder, wire, arena, err);
    case SOP_JSON_ARRAY:
    default:
        return bad(err, "an array inside a tuple");
    }
}

static sop_status
tuple_read(const sop_json_value *list, sop_arena *arena, sop_slice *key_out, sop_error *err)
{
    sop_key_builder builder;
    sop_json_iter iter;
    sop_json_value part;
    sop_slice name;
    if (list->type != SOP_JSON_ARRAY) return bad(err, "v of a tuple must be an array");
    void *buffer = sop_arena_alloc(arena, SOP_KEY_SIZE_MAX);
    if (buffer == NULL) return sop_fail(err, SOP_NO_MEMORY, "key: out of memory");
    sop_key_begin(&builder, buffer, SOP_KEY_SIZE_MAX);
    sop_json_iter_init(&iter, list);
    while (sop_json_next(&iter, &name, &part) == SOP_OK) {
        sop_status status = part_read(&builder, &part, arena, err);
        if (status != SOP_OK) return status;
    }
    if (sop_key_end(&builder, key_out, NULL) != SOP_OK) return bad(err, "too long");
    return SOP_OK;
}

static sop_status
object_read(const sop_json_value *wire, sop_arena *arena, sop_slice *key_out, sop_error *err)
{
    sop_slice type;
    sop_slice text;
    sop_json_value v;
    if (server_member_text(wire, "$t", arena, &type) != SOP_OK ||
        server_member(wire, "v", &v) != SOP_OK) {
        return bad(err, "an object without $t and v");
    }
    if (server_equal(type, "tuple")) return tuple_read(&v, arena, key_out, err);
    if (server_text_read(&v, arena, &text) != SOP_OK) return bad(err, "v must be a string");
    if (server_equal(type, "text")) {
        *key_out = text;
        return SOP_OK;
    }
    if (!server_equal(type, "bytes")) return bad(err, "unknown $t");
    return server_base64_read(text, arena, key_out) == 0 ? SOP_OK : bad(err, "not base64url");
}

sop_status
server_key_read(const sop_json_value *wire, sop_arena *arena, sop_slice *key_out, sop_error *err)
{
    sop_status status = SOP_OK;
    *key_out = sop_slice_of(NULL, 0);
    if (wire->type == SOP_JSON_STRING) {
        status = server_text_read(wire, arena, key_out);
        if (status != SOP_OK) return bad(err, "not UTF-8");
    } else if (wire->type == SOP_JSON_OBJECT) {
        status = object_read(wire, arena, key_out, err);
    } else {
        return bad(err, "neither a string nor a tagged object");
    }
    if (status != SOP_OK) return status;
    if (key_out->size == 0) return bad(err, "empty");
    if (key_out->size > SOP_KEY_SIZE_MAX) return bad(err, "longer than 4096 bytes");
    return SOP_OK;
}

sop_status
server_key_token_read(sop_slice token, sop_arena *arena, sop_slice *key_out, sop_error *err)
{
    sop_slice text;
    sop_json_value wire;
    sop_json_limits limits = {.depth_max = 8};
    if (server_base64_read(token, arena, &text) != 0) return bad(err, "the token is not base64url");
    if (sop_json_check(text, &limits, NULL, NULL) != SOP_OK ||
        sop_json_read(text, &wire) != SOP_OK) {
        return bad(err, "the token is not JSON in base64url");
    }
    return server_key_read(&wire, arena, key_out, err);
}
