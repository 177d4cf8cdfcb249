/* SPDX-License-Identifier: MIT */
/* Values: stored bytes as JSON of the wire and back, members, equality. */
#include <string.h>

#include "server/server_text.h"
#include "server/server_wire.h"
#include "util/bytes.h"
#include "util/checksum.h"
#include "util/error.h"
#include "util/memory.h"
#include "util/utf8.h"

static const sop_json_limits LIMITS = {.depth_max = SERVER_JSON_DEPTH};

uint64_t server_version(sop_slice bytes)
{
    return sop_checksum64(bytes.data, bytes.size, 0);
}

/* ---- members ---- */

sop_status server_member(const sop_json_value *object, const char *name, sop_json_value *out)
{
    sop_json_iter iter;
    sop_slice key;
    if (object->type != SOP_JSON_OBJECT) return SOP_NOT_FOUND;
    sop_json_iter_init(&iter, object);
    while (sop_json_next(&iter, &key, out) == SOP_OK) {
        if (sop_json_string_equal(key, sop_str(name))) return SOP_OK;
    }
    return SOP_NOT_FOUND;
}

sop_status server_text_read(const sop_json_value *value, sop_arena *arena, sop_slice *out)
{
    if (value->type != SOP_JSON_STRING) return SOP_INVALID;
    uint8_t *copy = sop_arena_alloc(arena, value->raw.size + 1);
    if (copy == NULL) return SOP_NO_MEMORY;
    sop_slice bytes;
    sop_status status = sop_json_string_decode(value->raw, 1, copy, value->raw.size, &bytes);
    if (status != SOP_OK) return status;
    if (bytes.size != 0) memmove(copy, bytes.data, bytes.size);
    copy[bytes.size] = 0;
    *out = sop_slice_of(copy, bytes.size);
    return SOP_OK;
}

sop_status
server_member_text(const sop_json_value *object, const char *name, sop_arena *arena, sop_slice *out)
{
    sop_json_value value;
    sop_status status = server_member(object, name, &value);
    return status == SOP_OK ? server_text_read(&value, arena, out) : status;
}

/* ---- kinds ---- */

server_kind server_value_kind(sop_slice bytes)
{
    sop_json_value value;
    if (bytes.size != 0 && sop_json_check(bytes, &LIMITS, NULL, NULL) == SOP_OK &&
        sop_json_read(bytes, &value) == SOP_OK) {
        return value.type == SOP_JSON_OBJECT ? SERVER_IS_OBJECT : SERVER_IS_JSON;
    }
    return server_is_utf8(bytes) ? SERVER_IS_TEXT : SERVER_IS_BYTES;
}

/* 1 if the object has a member $t. Most texts are cleared by a search for these letters. */
static int has_tag(sop_slice bytes)
{
    const char *at = bytes.data;
    const char *end = at + bytes.size;
    int possible = memchr(at, '\\', bytes.size) != NULL;
    while (!possible && (at = memchr(at, '$', (size_t)(end - at))) != NULL) {
        possible = end - at > 2 && at[1] == 't' && at[2] == '"';
        at++;
    }
    sop_json_value value;
    sop_json_value member;
    return possible && sop_json_read(bytes, &value) == SOP_OK &&
           server_member(&value, "$t", &member) == SOP_OK;
}

/* ---- writing ---- */

static void tag(sop_json_writer *writer, const char *type)
{
    sop_json_object_begin(writer);
    sop_json_key(writer, sop_str("$t"));
    sop_json_string(writer, sop_str(type));
}

static void bytes_text(sop_json_writer *writer, sop_slice bytes)
{
    size_t size = server_base64_size(bytes.size);
    char *text = sop_alloc(size + 1);
    if (text == NULL) {
        sop_json_null(writer);
        return;
    }
    server_base64_write(bytes, text);
    sop_json_string(writer, sop_slice_of(text, size));
    sop_free(text);
}

/* The end of the last whole character within the first count characters. */
static size_t characters(sop_slice text, size_t count)
{
    const uint8_t *at = text.data;
    const uint8_t *end = at + text.size;
    uint32_t code;
    while (at < end && count-- > 0) {
        size_t size = sop_utf8_get(at, end, &code);
        if (size == 0) break;
        at += size;
    }
    return (size_t)(at - (const uint8_t *)text.data);
}

static void big_write(sop_json_writer *writer, sop_slice bytes, server_kind kind)
{
    char hex[SERVER_PREVIEW];
    static const char *const names[] = {"json", "json", "text", "bytes"};
    tag(writer, "big");
    sop_json_key(writer, sop_str("of"));
    sop_json_string(writer, sop_str(names[kind]));
    sop_json_key(writer, sop_str("size"));
    sop_json_uint(writer, bytes.size);
    sop_json_key(writer, sop_str("preview"));
    if (kind != SERVER_IS_BYTES) {
        sop_json_string(writer, sop_slice_of(bytes.data, characters(bytes, SERVER_PREVIEW)));
    } else {
        size_t count = bytes.size < SERVER_PREVIEW / 2 ? bytes.size : SERVER_PREVIEW / 2;
        for (size_t i = 0; i < count; i++) {
            uint8_t byte = ((const uint8_t *)bytes.data)[i];
            hex[2 * i] = "0123456789abcdef"[byte >> 4];
            hex[2 * i + 1] = "0123456789abcdef"[byte & 15];
        }
        sop_json_string(writer, sop_slice_of(hex, 2 * count));
    }
    sop_json_object_end(writer);
}

static void tagged_write(sop_json_writer *writer, sop_slice bytes, server_kind kind)
{
    static const char *const names[] = {"json", "json", "text", "bytes"};
    tag(writer, names[kind]);
    sop_json_key(writer, sop_str("v"));
    if (kind == SERVER_IS_BYTES) {
        bytes_text(writer, bytes);
    } else if (kind == SERVER_IS_TEXT) {
        sop_json_string(writer, bytes);
    } else {
        sop_json_raw(writer, bytes);
    }
    sop_json_object_end(writer);
}

void server_value_write(sop_json_writer *writer, sop_slice bytes, uint64_t value_max)
{
    server_kind kind = server_value_kind(bytes);
    if (bytes.size > value_max) {
        big_write(writer, bytes, kind);
    } else if (kind == SERVER_IS_JSON || (kind == SERVER_IS_OBJECT && !has_tag(bytes))) {
        sop_json_raw(writer, bytes);
    } else {
        tagged_write(writer, bytes, kind);
    }
}

void server_value_write_fields(sop_json_writer *writer,
                               sop_slice object,
                               const sop_slice *names,
                               size_t count)
{
    sop_json_value value;
    sop_json_iter iter;
    sop_json_value member;
    sop_slice key;
    int tagged = has_tag(object);
    if (tagged) {
        tag(writer, "json");
        sop_json_key(writer, sop_str("v"));
    }
    sop_json_object_begin(writer);
    if (sop_json_read(object, &value) == SOP_OK) {
        sop_json_iter_init(&iter, &value);
        while (sop_json_next(&iter, &key, &member) == SOP_OK) {
            size_t i = 0;
            while (i < count && !sop_json_string_equal(key, names[i])) {
                i++;
            }
            if (i == count) continue;
            sop_json_key(writer, names[i]);
            sop_json_raw(writer, member.raw);
        }
    }
    sop_json_object_end(writer);
    if (tagged) sop_json_object_end(writer);
}

/* ---- exact ---- */

/* Whether no object inside has two members of one name, and none is too wide to be looked at. */
/* NOLINTNEXTLINE(misc-no-recursion): as deep as SERVER_JSON_DEPTH, which server_value_kind checks */
static int names_differ(const sop_json_value *value)
{
    enum { WIDE = 256 };
    sop_slice names[WIDE];
    size_t count = 0;
    sop_json_iter iter;
    sop_slice key;
    sop_json_value member;
    sop_json_iter_init(&iter, value);
    while (sop_json_next(&iter, &key, &member) == SOP_OK) {
        int deep = member.type == SOP_JSON_ARRAY || member.type == SOP_JSON_OBJECT;
        if (deep && !names_differ(&member)) return 0;
        if (value->type != SOP_JSON_OBJECT) continue;
        if (count == WIDE) return 0;
        for (size_t i = 0; i < count; i++) {
            if (sop_slice_equal(names[i], key)) return 0;
        }
        names[count++] = key;
    }
    return 1;
}

/* 1 if reading the JSON and writing it compactly gives the same bytes, whoever does it. */
static int is_compact(sop_slice bytes)
{
    sop_json_value value;
    sop_json_writer again;
    sop_slice text = {0};
    if (memchr(bytes.data, '\\', bytes.size) != NULL) return 0;
    if (sop_json_read(bytes, &value) != SOP_OK || !names_differ(&value)) return 0;
    sop_json_writer_init(&again, 0);
    sop_json_reformat(&again, bytes);
    int same = sop_json_writer_end(&again, &text) == SOP_OK && sop_slice_equal(text, bytes);
    sop_json_writer_deinit(&again);
    return same;
}

void server_value_write_exact(sop_json_writer *writer, sop_slice bytes)
{
    server_kind kind = server_value_kind(bytes);
    if (kind <= SERVER_IS_JSON && !is_compact(bytes)) {
        tagged_write(writer, bytes, SERVER_IS_TEXT);
    } else {
        server_value_write(writer, bytes, UINT64_MAX);
    }
}

/* ---- reading ---- */

sop_status server_value_read(const sop_json_value *wire,
                             sop_arena *arena,
                             sop_slice *bytes_out,
                             sop_error *err)
{
    sop_json_value v;
    sop_slice type;
    *bytes_out = wire->raw;
    if (wire->type != SOP_JSON_OBJECT || server_member(wire, "$t", &v) != SOP_OK) return SOP_OK;
    if (server_text_read(&v, arena, &type) != SOP_OK || server_member(wire, "v", &v) != SOP_OK) {
        return sop_fail(err, SOP_INVALID, "value: an object with $t must have a known one and v");
    }
    if (server_equal(type, "json")) {
        *bytes_out = v.raw;
        return SOP_OK;
    }
    sop_slice text;
    sop_status status = server_text_read(&v, arena, &text);
    if (status != SOP_OK) return sop_fail(err, status, "value: v must be a string in UTF-8");
    if (server_equal(type, "text")) {
        *bytes_out = text;
        return SOP_OK;
    }
    if (server_equal(type, "bytes") && server_base64_read(text, arena, bytes_out) == 0) {
        return SOP_OK;
    }
    return sop_fail(err, SOP_INVALID, "value: $t is \"%.20s\"; json, text or bytes is wanted",
                    (const char *)type.data);
}

sop_status server_field_read(const sop_json_value *wire, sop_slice *json_out, sop_error *err)
{
    sop_json_value v;
    *json_out = wire->raw;
    if (wire->type != SOP_JSON_OBJECT || server_member(wire, "$t", &v) != SOP_OK) return SOP_OK;
    if (v.type == SOP_JSON_STRING && sop_json_string_equal(v.raw, sop_str("json")) &&
        server_member(wire, "v", &v) == SOP_OK) {
        *json_out = v.raw;
        return SOP_OK;
    }
    return sop_fail(err, SOP_INVALID, "field: a value inside a document must be JSON");
}

/* ---- equality ---- */

static int strings_equal(sop_slice a, sop_slice b)
{
    if (sop_slice_equal(a, b)) return 1;
    uint8_t *copy = sop_alloc(a.size + 1);
    sop_slice plain;
    int same = copy != NULL && sop_json_string_decode(a, 0, copy, a.size, &plain) == SOP_OK &&
               sop_json_string_equal(b, plain);
    sop_free(copy);
    return same;
}

static int values_equal(const sop_json_value *a, const sop_json_value *b);

/* Every member of a is in b with an equal value. */
/* NOLINTNEXTLINE(misc-no-recursion): as deep as the JSON, which was checked on entry */
static int members_within(const sop_json_value *a, const sop_json_value *b)
{
    sop_json_iter left;
    sop_json_iter right;
    sop_slice name;
    sop_slice other;
    sop_json_value x;
    sop_json_value y;
    sop_json_iter_init(&left, a);
    while (sop_json_next(&left, &name, &x) == SOP_OK) {
        int found = 0;
        sop_json_iter_init(&right, b);
        while (!found && sop_json_next(&right, &other, &y) == SOP_OK) {
            found = strings_equal(name, other);
        }
        if (!found || !values_equal(&x, &y)) return 0;
    }
    return 1;
}

/* NOLINTNEXTLINE(misc-no-recursion): as above */
static int elements_equal(const sop_json_value *a, const sop_json_value *b)
{
    sop_json_iter left;
    sop_json_iter right;
    sop_slice name;
    sop_json_value x;
    sop_json_value y;
    sop_json_iter_init(&left, a);
    sop_json_iter_init(&right, b);
    for (;;) {
        sop_status more = sop_json_next(&left, &name, &x);
        if (sop_json_next(&right, &name, &y) != more) return 0;
        if (more != SOP_OK) return 1;
        if (!values_equal(&x, &y)) return 0;
    }
}

/* NOLINTNEXTLINE(misc-no-recursion): as above */
static int values_equal(const sop_json_value *a, const sop_json_value *b)
{
    if (a->type != b->type) return 0;
    if (sop_slice_equal(a->raw, b->raw)) return 1;
    if (a->type == SOP_JSON_STRING) return strings_equal(a->raw, b->raw);
    if (a->type == SOP_JSON_ARRAY) return elements_equal(a, b);
    if (a->type == SOP_JSON_OBJECT) return members_within(a, b) && members_within(b, a);
    return 0;
}

int server_json_equal(sop_slice a, sop_slice b)
{
    sop_json_value x;
    sop_json_value y;
    return sop_json_read(a, &x) == SOP_OK && sop_json_read(b, &y) == SOP_OK && values_equal(&x, &y);
}
