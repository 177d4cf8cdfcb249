/* SPDX-License-Identifier: MIT */
/* The writer: JSON into a growing buffer, with commas, layout and escapes put right. */
#include <math.h>
#include <stdio.h>

#include "json/json_edit.h"
#include "json/json_scan.h"
#include "util/decimal.h"
#include "util/error.h"
#include "util/memory.h"
#include "util/utf8.h"

/* What may come next at this level. */
enum {
    STATE_FIRST = 0,
    STATE_VALUE = 1 /* one was written */,
    STATE_KEY = 2 /* its value is missing */
};

void sop_json_writer_init(sop_json_writer *writer, uint32_t indent)
{
    writer->data = NULL;
    writer->capacity = 0;
    writer->size_max = 0;
    writer->indent = indent;
    sop_json_writer_reset(writer);
}

void sop_json_writer_deinit(sop_json_writer *writer)
{
    sop_free(writer->data);
    sop_json_writer_init(writer, writer->indent);
}

void sop_json_writer_reset(sop_json_writer *writer)
{
    writer->size = 0;
    writer->depth = 0;
    writer->state = STATE_FIRST;
    writer->status = SOP_OK;
}

sop_status sop_json_writer_end(const sop_json_writer *writer, sop_slice *text_out)
{
    *text_out = sop_slice_of(NULL, 0);
    if (writer->status != SOP_OK) return writer->status;
    if (writer->depth != 0 || writer->state == STATE_KEY) return SOP_INVALID;
    *text_out = sop_slice_of(writer->data, writer->size);
    return SOP_OK;
}

static void set_status(sop_json_writer *writer, sop_status status)
{
    if (writer->status == SOP_OK) writer->status = status;
}

/* Room for size more bytes; NULL after any error. */
SOP_INLINE uint8_t *grow(sop_json_writer *writer, size_t size);

SOP_COLD static uint8_t *grow_slow(sop_json_writer *writer, size_t size)
{
    size_t needed = 0;
    if (writer->status != SOP_OK) return NULL;
    if (sop_checked_add(writer->size, size, &needed)) {
        set_status(writer, SOP_NO_MEMORY);
        return NULL;
    }
    if (writer->size_max != 0 && needed > writer->size_max) {
        set_status(writer, SOP_TOO_LARGE);
        return NULL;
    }
    if (needed <= writer->capacity) return writer->data + writer->size;
    size_t capacity = writer->capacity < 256 ? 256 : writer->capacity + writer->capacity / 2;
    if (capacity < needed) capacity = needed;
    uint8_t *data = sop_realloc(writer->data, capacity);
    if (data == NULL) {
        set_status(writer, SOP_NO_MEMORY);
        return NULL;
    }
    writer->data = data;
    writer->capacity = capacity;
    return data + writer->size;
}

SOP_INLINE uint8_t *grow(sop_json_writer *writer, size_t size)
{
    int simple = writer->status == SOP_OK && writer->size_max == 0;
    if (SOP_LIKELY(simple && writer->capacity - writer->size >= size)) {
        return writer->data + writer->size;
    }
    return grow_slow(writer, size);
}

static void put(sop_json_writer *writer, const void *data, size_t size)
{
    if (size == 0) return;
    uint8_t *to = grow(writer, size);
    if (to == NULL) return;
    memcpy(to, data, size);
    writer->size += size;
}

static void put_byte(sop_json_writer *writer, char c)
{
    uint8_t *to = grow(writer, 1);
    if (to == NULL) return;
    *to = (uint8_t)c;
    writer->size++;
}

static int in_object(const sop_json_writer *writer)
{
    uint32_t level = writer->depth - 1;
    return (int)(writer->objects[level / 64] >> (level % 64) & 1);
}

static void put_line_break(sop_json_writer *writer)
{
    if (writer->indent == 0) return;
    size_t size = 1 + (size_t)writer->depth * writer->indent;
    uint8_t *to = grow(writer, size);
    if (to == NULL) return;
    to[0] = '\n';
    memset(to + 1, ' ', size - 1);
    writer->size += size;
}

/* The comma and the layout in front of a value, or in front of a name (is_key). 0 if it must not
 * come here. */
static int place_value(sop_json_writer *writer, int is_key)
{
    int needs_key = writer->depth != 0 && in_object(writer);
    int right =
        is_key ? needs_key && writer->state != STATE_KEY : !needs_key || writer->state == STATE_KEY;
    if (writer->depth == 0 && writer->state != STATE_FIRST) right = 0;
    if (!right) {
        set_status(writer, SOP_INVALID);
        return 0;
    }
    if (writer->state == STATE_KEY) return 1;
    if (writer->state == STATE_VALUE) put_byte(writer, ',');
    if (writer->depth != 0) put_line_break(writer);
    return 1;
}

static void open_level(sop_json_writer *writer, int is_object)
{
    if (!place_value(writer, 0)) return;
    if (writer->depth == SOP_JSON_DEPTH_LIMIT) {
        set_status(writer, SOP_TOO_LARGE);
        return;
    }
    put_byte(writer, is_object ? '{' : '[');
    uint64_t bit = UINT64_C(1) << (writer->depth % 64);
    uint64_t *word = &writer->objects[writer->depth / 64];
    if (writer->depth % 64 == 0) *word = 0;
    *word = is_object ? *word | bit : *word & ~bit;
    writer->depth++;
    writer->state = STATE_FIRST;
}

static void close_level(sop_json_writer *writer, int is_object)
{
    if (writer->depth == 0 || in_object(writer) != is_object || writer->state == STATE_KEY) {
        set_status(writer, SOP_INVALID);
        return;
    }
    writer->depth--;
    if (writer->state == STATE_VALUE) put_line_break(writer);
    put_byte(writer, is_object ? '}' : ']');
    writer->state = STATE_VALUE;
}

void sop_json_object_begin(sop_json_writer *writer)
{
    open_level(writer, 1);
}

void sop_json_object_end(sop_json_writer *writer)
{
    close_level(writer, 1);
}

void sop_json_array_begin(sop_json_writer *writer)
{
    open_level(writer, 0);
}

void sop_json_array_end(sop_json_writer *writer)
{
    close_level(writer, 0);
}

/* The escape of a control character, quote or backslash. */
static void put_escape(sop_json_writer *writer, uint8_t c)
{
    static const char from[] = "\"\\\b\f\n\r\t";
    static const char to[] = "\"\\bfnrt";
    const char *found = c == 0 ? NULL : strchr(from, c);
    char text[8];
    if (found != NULL) {
        text[0] = '\\';
        text[1] = to[found - from];
        put(writer, text, 2);
        return;
    }
    (void)snprintf(text, sizeof text, "\\u%04x", c);
    put(writer, text, 6);
}

/* A character above 7F as it is; a surrogate in three bytes as an escape. Returns its size, 0 if it
 * is neither. */
static size_t put_character(sop_json_writer *writer, const uint8_t *at, const uint8_t *end)
{
    uint32_t code = 0;
    size_t size = sop_utf8_get(at, end, &code);
    if (size != 0) {
        put(writer, at, size);
        return size;
    }
    if (end - at < 3 || at[0] != 0xed || (at[1] & 0xe0) != 0xa0 || (at[2] & 0xc0) != 0x80) return 0;
    char text[8];
    (void)snprintf(text, sizeof text, "\\u%04x",
                   (unsigned)(0xd000 | (at[1] & 0x3f) << 6 | (at[2] & 0x3f)));
    put(writer, text, 6);
    return 3;
}

static void put_string(sop_json_writer *writer, sop_slice plain)
{
    put_byte(writer, '"');
    const uint8_t *at = plain.data;
    const uint8_t *end = plain.size == 0 ? at : at + plain.size;
    while (at != end) {
        const uint8_t *special = sop_json__find_special(at, end);
        put(writer, at, (size_t)(special - at));
        at = special;
        if (at == end) break;
        if (*at < 0x80) {
            put_escape(writer, *at++);
            continue;
        }
        size_t size = put_character(writer, at, end);
        if (size == 0) {
            set_status(writer, SOP_INVALID);
            return;
        }
        at += size;
    }
    put_byte(writer, '"');
}

static void put_colon(sop_json_writer *writer)
{
    put_byte(writer, ':');
    if (writer->indent != 0) put_byte(writer, ' ');
    writer->state = STATE_KEY;
}

void sop_json_key(sop_json_writer *writer, sop_slice name)
{
    if (!place_value(writer, 1)) return;
    put_string(writer, name);
    put_colon(writer);
}

void sop_json_string(sop_json_writer *writer, sop_slice plain)
{
    if (!place_value(writer, 0)) return;
    put_string(writer, plain);
    writer->state = STATE_VALUE;
}

void sop_json_raw(sop_json_writer *writer, sop_slice text)
{
    if (!place_value(writer, 0)) return;
    put(writer, text.data, text.size);
    writer->state = STATE_VALUE;
}

void sop_json_int(sop_json_writer *writer, int64_t value)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%lld", (long long)value);
    sop_json_raw(writer, sop_str(text));
}

void sop_json_uint(sop_json_writer *writer, uint64_t value)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%llu", (unsigned long long)value);
    sop_json_raw(writer, sop_str(text));
}

void sop_json_double(sop_json_writer *writer, double value)
{
    uint8_t text[SOP_DOUBLE_TEXT_MAX];
    if (!isfinite(value)) {
        set_status(writer, SOP_INVALID);
        return;
    }
    sop_json_raw(writer, sop_slice_of(text, sop_double_text(value, text)));
}

void sop_json_bool(sop_json_writer *writer, int value)
{
    sop_json_raw(writer, sop_str(value ? "true" : "false"));
}

void sop_json_null(sop_json_writer *writer)
{
    sop_json_raw(writer, sop_str("null"));
}

void sop_json_append(sop_json_writer *writer, sop_slice bytes)
{
    put(writer, bytes.data, bytes.size);
    if (writer->depth == 0 && writer->state == STATE_VALUE) writer->state = STATE_FIRST;
}

static void put_raw_key(sop_json_writer *writer, sop_slice raw)
{
    if (!place_value(writer, 1)) return;
    put(writer, raw.data, raw.size);
    put_colon(writer);
}

/* One string, number or literal at `at`; returns the byte after it, or NULL. */
static const uint8_t *
reformat_scalar(sop_json_writer *writer, const uint8_t *at, const uint8_t *end)
{
    const uint8_t *after = sop_json__skip_value(at, end);
    if (after == NULL || sop_json__type[*at] > SOP_JSON_STRING) return NULL;
    sop_slice raw = sop_slice_of(at, (size_t)(after - at));
    if (*at == '"' && writer->depth != 0 && in_object(writer) && writer->state != STATE_KEY) {
        put_raw_key(writer, raw);
    } else {
        sop_json_raw(writer, raw);
    }
    return after;
}

/* One token of the text at `at`; returns the byte after it, or NULL if it is wrong there. */
static const uint8_t *reformat_token(sop_json_writer *writer, const uint8_t *at, const uint8_t *end)
{
    switch (*at) {
    case '{':
    case '[':
        open_level(writer, *at == '{');
        return at + 1;
    case '}':
    case ']':
        close_level(writer, *at == '}');
        return at + 1;
    case ',':
        return writer->state == STATE_VALUE && writer->depth != 0 ? at + 1 : NULL;
    case ':':
        return writer->state == STATE_KEY ? at + 1 : NULL;
    default:
        return reformat_scalar(writer, at, end);
    }
}

void sop_json_reformat(sop_json_writer *writer, sop_slice text)
{
    const uint8_t *at = text.data;
    const uint8_t *end = text.size == 0 ? at : at + text.size;
    uint32_t depth = writer->depth;
    do {
        at = sop_json__skip_space(at, end);
        at = at == end ? NULL : reformat_token(writer, at, end);
    } while (at != NULL && writer->status == SOP_OK && writer->depth > depth);
    if (at == NULL || sop_json__skip_space(at, end) != end) set_status(writer, SOP_INVALID);
}

int sop_json__write_begin(sop_json_writer *writer, sop_json__mark *mark)
{
    *mark = (sop_json__mark){.size = writer->size, .state = writer->state};
    return place_value(writer, 0);
}

void sop_json__write_bytes(sop_json_writer *writer, const void *data, size_t size)
{
    put(writer, data, size);
}

void sop_json__write_quoted(sop_json_writer *writer, sop_slice plain)
{
    put_string(writer, plain);
}

sop_status sop_json__write_finish(sop_json_writer *writer,
                                  const sop_json__mark *mark,
                                  sop_status status,
                                  sop_error *err)
{
    if (status != SOP_OK) {
        writer->size = mark->size;
        writer->state = mark->state;
        return status;
    }
    writer->state = STATE_VALUE;
    if (writer->status == SOP_OK) return SOP_OK;
    return sop_fail(err, writer->status, "JSON writer, %zu bytes written: %s", writer->size,
                    sop_status_text(writer->status));
}
