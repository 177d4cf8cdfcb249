/* SPDX-License-Identifier: MIT */
/* Typed scalars: JSON to key parts and back. */
#include "document/document_scalar.h"

#include <math.h>

#include "document/document_fold.h"
#include "util/bytes.h"
#include "util/decimal.h"
#include "util/memory.h"
#include "util/utf8.h"

void sop_document_scratch_deinit(sop_document_scratch *scratch)
{
    sop_free(scratch->bytes);
    scratch->bytes = NULL;
    scratch->capacity = 0;
}

uint8_t *sop_document__scratch(sop_document_scratch *scratch, size_t size)
{
    if (size <= scratch->capacity && scratch->bytes != NULL) return scratch->bytes;
    size_t capacity = size < 256 ? 256 : size + size / 2;
    uint8_t *bytes = sop_alloc(capacity);
    if (bytes == NULL) return NULL;
    sop_free(scratch->bytes);
    scratch->bytes = bytes;
    scratch->capacity = capacity;
    return bytes;
}

/* room: more bytes of scratch behind the decoded ones. */
static sop_status
decode(sop_slice raw, int strict, size_t room, sop_document_scratch *scratch, sop_slice *plain_out)
{
    int escaped = raw.size != 0 && memchr(raw.data, '\\', raw.size) != NULL;
    if (!escaped && room == 0) return sop_json_string_decode(raw, strict, NULL, 0, plain_out);
    uint8_t *buffer = sop_document__scratch(scratch, raw.size + room);
    if (buffer == NULL) return SOP_NO_MEMORY;
    return sop_json_string_decode(raw, strict, buffer, raw.size, plain_out);
}

sop_status sop_document__plain(sop_slice raw, sop_document_scratch *scratch, sop_slice *plain_out)
{
    return decode(raw, 1, 0, scratch, plain_out);
}

sop_status sop_document__decoded(sop_slice raw, sop_document_scratch *scratch, sop_slice *plain_out)
{
    return decode(raw, 0, 0, scratch, plain_out);
}

sop_status sop_document__folded(sop_slice raw, sop_document_scratch *scratch, sop_slice *folded_out)
{
    sop_slice plain;
    sop_status status = decode(raw, 0, SOP_DOCUMENT_FOLD_SIZE(raw.size), scratch, &plain);
    if (status != SOP_OK) return status;
    uint8_t *to = scratch->bytes + raw.size;
    *folded_out = sop_slice_of(to, sop_document__fold(plain.data, plain.size, to));
    return SOP_OK;
}

/* A value on its way into a key. */
typedef struct {
    sop_slice text; /* strings: plain; other values: as they stand */
    const sop_document_key_field *field;
    sop_key_builder *builder;
    uint8_t *room; /* for what is made from the text: see ROOM_SIZE */
    const char *why;
} sink;

/* Enough for a folded string and for decoded base64. */
#define ROOM_SIZE(size) (SOP_DOCUMENT_FOLD_SIZE(size) + 8)

/* The builder for the next part, its direction set. */
static sop_key_builder *next_part(sink *s)
{
    if (s->field->descending) sop_key_descending(s->builder);
    return s->builder;
}

static int refuse(sink *s, const char *why)
{
    s->why = why;
    return -1;
}

static int add_int64(sink *s)
{
    sop_decimal number;
    int64_t value = 0;
    if (sop_decimal_parse(s->text, &number) != 0 || !sop_decimal_int64(&number, &value)) {
        return refuse(s, "expected an integer from -2^63 to 2^63 - 1");
    }
    sop_key_add_int(next_part(s), value);
    return 0;
}

static int add_uint64(sink *s)
{
    sop_decimal number;
    uint64_t value = 0;
    if (sop_decimal_parse(s->text, &number) != 0 || !sop_decimal_uint64(&number, &value)) {
        return refuse(s, "expected an integer from 0 to 2^64 - 1");
    }
    sop_key_add_uint(next_part(s), value);
    return 0;
}

static int add_double(sink *s)
{
    sop_decimal number;
    if (sop_decimal_parse(s->text, &number) != 0) return refuse(s, "expected a number");
    /* Zero has one sign: the number -0 equals 0. */
    double value = sop_decimal_double(&number) + 0.0;
    if (!isfinite(value)) return refuse(s, "a number beyond the range of double");
    sop_key_add_double(next_part(s), value);
    return 0;
}

static int add_decimal(sink *s)
{
    sop_key_add_decimal(next_part(s), s->text);
    return 0;
}

static int add_bool(sink *s)
{
    sop_key_add_bool(next_part(s), *(const uint8_t *)s->text.data == 't');
    return 0;
}

static int add_string(sink *s)
{
    if (s->field->nocase) {
        size_t size = sop_document__fold(s->text.data, s->text.size, s->room);
        sop_key_add_string(next_part(s), sop_slice_of(s->room, size));
    }
    sop_key_add_string(next_part(s), s->text);
    return 0;
}

static int add_bytes(sink *s)
{
    size_t size = sop_document__base64_decode(s->text, s->room);
    if (size == SIZE_MAX) return refuse(s, "expected base64");
    sop_key_add_bytes(next_part(s), sop_slice_of(s->room, size));
    return 0;
}

static int add_uuid(sink *s)
{
    uint8_t uuid[16];
    if (!sop_document__uuid_parse(s->text, uuid)) {
        return refuse(s, "expected a UUID of 32 hex digits");
    }
    sop_key_add_uuid(next_part(s), uuid);
    return 0;
}

static int add_timestamp(sink *s)
{
    uint8_t seconds[SOP_DOCUMENT_TIME_TEXT_MAX];
    size_t size = sop_document__time_to_seconds(s->text, seconds, &s->why);
    if (size == 0) return -1;
    sop_key_add_decimal(next_part(s), sop_slice_of(seconds, size));
    return 0;
}

static int add_date(sink *s)
{
    int64_t days = 0;
    if (!sop_document__date_to_days(s->text, &days)) {
        return refuse(s, "expected a date such as 2024-05-01");
    }
    sop_key_add_int(next_part(s), days);
    return 0;
}

/* A part on its way into JSON. */
typedef struct {
    const sop_key_part *part;
    sop_slice plain; /* strings, bytes and decimals: the bytes of the part */
    uint8_t *room;   /* at least 2 * plain.size + SOP_DOCUMENT_TIME_TEXT_MAX */
    sop_json_writer *writer;
} source;

static int write_int64(const source *s)
{
    sop_json_int(s->writer, s->part->int_value);
    return 0;
}

static int write_uint64(const source *s)
{
    if (s->part->type == SOP_KEY_INT && s->part->int_value < 0) return -1;
    sop_json_uint(s->writer, s->part->uint_value);
    return 0;
}

static int write_double(const source *s)
{
    if (!isfinite(s->part->double_value)) return -1;
    sop_json_double(s->writer, s->part->double_value + 0.0);
    return 0;
}

static int write_decimal(const source *s)
{
    sop_json_raw(s->writer, s->plain);
    return 0;
}

static int write_bool(const source *s)
{
    sop_json_bool(s->writer, s->part->bool_value);
    return 0;
}

static int write_string(const source *s)
{
    const uint8_t *at = s->plain.data;
    const uint8_t *end = s->plain.size == 0 ? at : at + s->plain.size;
    /* A writer does not recover from bytes that are not UTF-8, so they are found here. */
    while (at != end) {
        uint32_t code = 0;
        size_t size = sop_utf8_get(at, end, &code);
        if (size == 0) return -1;
        at += size;
    }
    sop_json_string(s->writer, s->plain);
    return 0;
}

static int write_bytes(const source *s)
{
    sop_json_string(s->writer,
                    sop_slice_of(s->room, sop_document__base64_encode(s->plain, s->room)));
    return 0;
}

static int write_uuid(const source *s)
{
    sop_document__uuid_text(s->part->uuid, s->room);
    sop_json_string(s->writer, sop_slice_of(s->room, 36));
    return 0;
}

static int write_timestamp(const source *s)
{
    size_t size = sop_document__time_of_seconds(s->plain, s->room);
    sop_json_string(s->writer, sop_slice_of(s->room, size));
    return size == 0 ? -1 : 0;
}

static int write_date(const source *s)
{
    size_t size = sop_document__date_of_days(s->part->int_value, s->room);
    sop_json_string(s->writer, sop_slice_of(s->room, size));
    return size == 0 ? -1 : 0;
}

enum { IN_NUMBER, IN_BOOL, IN_STRING };

/* What a type does. */
typedef struct {
    const char *name;
    int form; /* in JSON */
    sop_key_type part;
    int (*add)(sink *s);
    int (*write)(const source *s);
} type_entry;

static const type_entry TYPES[] = {
    [SOP_DOCUMENT_INT64] = {"int64", IN_NUMBER, SOP_KEY_INT, add_int64, write_int64},
    [SOP_DOCUMENT_UINT64] = {"uint64", IN_NUMBER, SOP_KEY_UINT, add_uint64, write_uint64},
    [SOP_DOCUMENT_DOUBLE] = {"double", IN_NUMBER, SOP_KEY_DOUBLE, add_double, write_double},
    [SOP_DOCUMENT_DECIMAL] = {"decimal", IN_NUMBER, SOP_KEY_DECIMAL, add_decimal, write_decimal},
    [SOP_DOCUMENT_BOOL] = {"bool", IN_BOOL, SOP_KEY_BOOL, add_bool, write_bool},
    [SOP_DOCUMENT_STRING] = {"string", IN_STRING, SOP_KEY_STRING, add_string, write_string},
    [SOP_DOCUMENT_BYTES] = {"bytes", IN_STRING, SOP_KEY_BYTES, add_bytes, write_bytes},
    [SOP_DOCUMENT_UUID] = {"uuid", IN_STRING, SOP_KEY_UUID, add_uuid, write_uuid},
    [SOP_DOCUMENT_TIMESTAMP] = {"timestamp", IN_STRING, SOP_KEY_DECIMAL, add_timestamp,
                                write_timestamp},
    [SOP_DOCUMENT_DATE] = {"date", IN_STRING, SOP_KEY_INT, add_date, write_date},
};

#define TYPE_COUNT (sizeof TYPES / sizeof TYPES[0])

const char *sop_document_type_name(sop_document_type type)
{
    return TYPES[type].name;
}

int sop_document__type_find(sop_slice name, sop_document_type *type_out)
{
    for (size_t i = 0; i < TYPE_COUNT; i++) {
        if (!sop_slice_equal(name, sop_str(TYPES[i].name))) continue;
        *type_out = (sop_document_type)i;
        return 1;
    }
    return 0;
}

static int form_of(sop_json_type type)
{
    if (type == SOP_JSON_NUMBER) return IN_NUMBER;
    if (type == SOP_JSON_STRING) return IN_STRING;
    return type == SOP_JSON_TRUE || type == SOP_JSON_FALSE ? IN_BOOL : -1;
}

sop_status sop_document__scalar_add(const sop_json_value *value,
                                    const sop_document_key_field *field,
                                    sop_key_builder *builder,
                                    sop_document_scratch *scratch,
                                    const char **why_out)
{
    static const char *const expected[] = {"expected a number", "expected true or false",
                                           "expected a string"};
    const type_entry *type = &TYPES[field->type];
    sink s = {.text = value->raw, .field = field, .builder = builder};
    *why_out = expected[type->form];
    if (form_of(value->type) != type->form) return SOP_INVALID;
    if (type->form == IN_STRING) {
        /* All at once, so that the plain bytes stay where they are while the room behind them is filled. */
        uint8_t *bytes =
            sop_document__scratch(scratch, value->raw.size + ROOM_SIZE(value->raw.size));
        if (bytes == NULL) return SOP_NO_MEMORY;
        s.room = bytes + value->raw.size;
        *why_out = "a string with half of a surrogate pair";
        if (sop_document__plain(value->raw, scratch, &s.text) != SOP_OK) return SOP_INVALID;
    }
    int failed = type->add(&s);
    *why_out = s.why;
    return failed ? SOP_INVALID : SOP_OK;
}

static sop_status write_part(const sop_document_key_field *field,
                             const sop_key_part *part,
                             sop_document_scratch *scratch,
                             sop_json_writer *writer)
{
    size_t size = 4 * part->encoded.size + 32;
    uint8_t *bytes = sop_document__scratch(scratch, 3 * size + SOP_DOCUMENT_TIME_TEXT_MAX);
    if (bytes == NULL) return SOP_NO_MEMORY;
    source s = {.part = part, .room = bytes + size, .writer = writer};
    if (part->encoded.data != NULL && sop_key_part_bytes(part, bytes, size, &s.plain) != SOP_OK) {
        return SOP_CORRUPT;
    }
    return TYPES[field->type].write(&s) == 0 ? SOP_OK : SOP_CORRUPT;
}

/* The next part, which must have the direction and the type of the field, or be null where that may be. */
static sop_status
read_part(const sop_document_key_field *field, sop_key_reader *reader, sop_key_part *part)
{
    sop_status status = sop_key_next(reader, part);
    if (status != SOP_OK) return status == SOP_NOT_FOUND ? status : SOP_CORRUPT;
    if (part->type == SOP_KEY_NULL) {
        if (field->nulls == SOP_DOCUMENT_NULLS_REFUSED) return SOP_CORRUPT;
        return part->descending == (field->nulls == SOP_DOCUMENT_NULLS_LAST) ? SOP_OK : SOP_CORRUPT;
    }
    sop_key_type type = TYPES[field->type].part;
    if (type == SOP_KEY_UINT && part->type == SOP_KEY_INT) type = SOP_KEY_INT;
    return part->type == type && part->descending == field->descending ? SOP_OK : SOP_CORRUPT;
}

sop_status sop_document__scalar_write(const sop_document_key_field *field,
                                      sop_key_reader *reader,
                                      sop_document_scratch *scratch,
                                      sop_json_writer *writer)
{
    sop_key_part part;
    sop_status status = read_part(field, reader, &part);
    if (status == SOP_OK && field->nocase && part.type != SOP_KEY_NULL) {
        /* The folded text; the exact one is behind it. */
        status = read_part(field, reader, &part);
        if (status == SOP_NOT_FOUND || part.type == SOP_KEY_NULL) status = SOP_CORRUPT;
    }
    if (status != SOP_OK) return status;
    if (part.type == SOP_KEY_NULL) {
        sop_json_null(writer);
        return SOP_OK;
    }
    return write_part(field, &part, scratch, writer);
}

void sop_document__null_add(const sop_document_key_field *field, sop_key_builder *builder)
{
    /* A descending null is above everything, an ascending one below, whatever the direction of the values. */
    if (field->nulls == SOP_DOCUMENT_NULLS_LAST) sop_key_descending(builder);
    sop_key_add_null(builder);
}
