/* SPDX-License-Identifier: MIT */
/* Reads keys: decodes part after part, and refuses every byte sequence that the builder does not
 * make. */
#include <string.h>

#include "sop/key.h"

#include "key/key_format.h"
#include "util/bytes.h"

void sop_key_read(sop_key_reader *reader, sop_slice key)
{
    const uint8_t *at = key.data;
    *reader = (sop_key_reader){.at = at, .end = at == NULL ? NULL : at + key.size};
}

/* Copies the fixed bytes of a part into the scratch space, turned back if descending; NULL if they
 * are cut off. */
static const uint8_t *take(sop_key_reader *reader, const uint8_t *at, size_t size, uint8_t mask)
{
    if ((size_t)(reader->end - at) < size) return NULL;
    for (size_t i = 0; i < size; i++) {
        reader->scratch[i] = at[i] ^ mask;
    }
    return at + size;
}

static uint64_t scratch_number(const sop_key_reader *reader, size_t size)
{
    uint64_t value = 0;
    for (size_t i = 0; i < size; i++) {
        value = value << 8 | reader->scratch[i];
    }
    return value;
}

int sop_key__get_int(unsigned code, const uint8_t *bytes, size_t size, uint64_t *magnitude_out)
{
    uint64_t value = 0;
    for (size_t i = 0; i < size; i++) {
        value = value << 8 | bytes[i];
    }
    if (code < KEY_CODE_INT_ZERO) {
        value = size == 8 ? ~value : (UINT64_C(1) << (8 * size)) - 1 - value;
    }
    *magnitude_out = value;
    /* A number in more bytes than it needs would be a second form of the same key. */
    return sop_key__byte_count(value) == size;
}

static sop_status
read_int(sop_key_reader *reader, const uint8_t *at, unsigned code, sop_key_part *part)
{
    int negative = code < KEY_CODE_INT_ZERO;
    size_t size = negative ? KEY_CODE_INT_ZERO - code : code - KEY_CODE_INT_ZERO;
    at = take(reader, at, size, part->descending ? 0xff : 0);
    if (at == NULL) return SOP_CORRUPT;
    uint64_t value = 0;
    if (!sop_key__get_int(code, reader->scratch, size, &value)) return SOP_CORRUPT;
    part->type = SOP_KEY_INT;
    if (negative) {
        if (value > UINT64_C(1) << 63) return SOP_UNSUPPORTED;
        part->int_value = -(int64_t)(value - 1) - 1;
    } else {
        if (value > INT64_MAX) part->type = SOP_KEY_UINT;
        part->int_value = value > INT64_MAX ? 0 : (int64_t)value;
        part->uint_value = value;
    }
    reader->at = at;
    return SOP_OK;
}

static sop_status read_decimal(sop_key_reader *reader, const uint8_t *at, sop_key_part *part)
{
    const uint8_t *after = sop_key__skip_decimal(at, reader->end, part->descending ? 0xff : 0);
    if (after == NULL) return SOP_CORRUPT;
    part->type = SOP_KEY_DECIMAL;
    part->encoded = sop_slice_of(at, (size_t)(after - at));
    reader->at = after;
    return SOP_OK;
}

static sop_status read_double(sop_key_reader *reader, const uint8_t *at, sop_key_part *part)
{
    at = take(reader, at, 8, part->descending ? 0xff : 0);
    if (at == NULL) return SOP_CORRUPT;
    uint64_t bits = scratch_number(reader, 8);
    bits = bits >> 63 != 0 ? bits & INT64_MAX : ~bits;
    memcpy(&part->double_value, &bits, sizeof bits);
    part->type = SOP_KEY_DOUBLE;
    reader->at = at;
    return SOP_OK;
}

static sop_status read_float(sop_key_reader *reader, const uint8_t *at, sop_key_part *part)
{
    at = take(reader, at, 4, part->descending ? 0xff : 0);
    if (at == NULL) return SOP_CORRUPT;
    uint32_t bits = (uint32_t)scratch_number(reader, 4);
    bits = bits >> 31 != 0 ? bits & INT32_MAX : ~bits;
    float value = 0;
    memcpy(&value, &bits, sizeof bits);
    part->double_value = (double)value;
    part->type = SOP_KEY_DOUBLE;
    reader->at = at;
    return SOP_OK;
}

static sop_status read_uuid(sop_key_reader *reader, const uint8_t *at, sop_key_part *part)
{
    at = take(reader, at, 16, part->descending ? 0xff : 0);
    if (at == NULL) return SOP_CORRUPT;
    memcpy(part->uuid, reader->scratch, 16);
    part->type = SOP_KEY_UUID;
    reader->at = at;
    return SOP_OK;
}

/* Ascending: 00 ends, 00 FF goes on. Descending: FF FF ends, FF 00 goes on. */
static sop_status read_escaped(sop_key_reader *reader, const uint8_t *at, sop_key_part *part)
{
    const uint8_t *begin = at;
    uint8_t zero = part->descending ? 0xff : 0x00;
    uint8_t escape = part->descending ? 0x00 : 0xff;
    for (;;) {
        at = at == reader->end ? NULL : memchr(at, zero, (size_t)(reader->end - at));
        if (at == NULL) return SOP_CORRUPT;
        const uint8_t *next = at + 1;
        int last = next == reader->end;
        if (!last && *next == escape) {
            at += 2;
            continue;
        }
        if (part->descending && (last || *next != 0xff)) return SOP_CORRUPT;
        part->encoded = sop_slice_of(begin, (size_t)(at - begin));
        reader->at = part->descending ? next + 1 : next;
        return SOP_OK;
    }
}

static sop_status read_rare(unsigned code)
{
    switch (code) {
    case KEY_CODE_NESTED:
    case KEY_CODE_BIG_NEGATIVE:
    case KEY_CODE_BIG_POSITIVE:
    case KEY_CODE_VERSION_10:
    case KEY_CODE_VERSION_12:
        return SOP_UNSUPPORTED;
    default:
        return code >= KEY_CODE_USER_FIRST && code <= KEY_CODE_USER_LAST ? SOP_UNSUPPORTED
                                                                         : SOP_CORRUPT;
    }
}

sop_status sop_key_next(sop_key_reader *reader, sop_key_part *part_out)
{
    *part_out = (sop_key_part){.type = SOP_KEY_NULL};
    const uint8_t *at = reader->at;
    if (at == reader->end) return SOP_NOT_FOUND;
    unsigned code = *at++;
    if (code == KEY_CODE_DESCENDING) {
        if (at == reader->end) return SOP_CORRUPT;
        code = *at++ ^ 0xff;
        part_out->descending = 1;
    }
    if (code >= KEY_CODE_INT_MIN && code <= KEY_CODE_INT_MAX) {
        return read_int(reader, at, code, part_out);
    }
    switch (code) {
    case KEY_CODE_NULL:
        break;
    case KEY_CODE_FALSE:
    case KEY_CODE_TRUE:
        part_out->type = SOP_KEY_BOOL;
        part_out->bool_value = code == KEY_CODE_TRUE;
        break;
    case KEY_CODE_BYTES:
    case KEY_CODE_STRING:
        part_out->type = code == KEY_CODE_BYTES ? SOP_KEY_BYTES : SOP_KEY_STRING;
        return read_escaped(reader, at, part_out);
    case KEY_CODE_DOUBLE:
        return read_double(reader, at, part_out);
    case KEY_CODE_DECIMAL:
        return read_decimal(reader, at, part_out);
    case KEY_CODE_FLOAT:
        return read_float(reader, at, part_out);
    case KEY_CODE_UUID:
        return read_uuid(reader, at, part_out);
    default:
        return read_rare(code);
    }
    reader->at = at;
    return SOP_OK;
}

sop_status
sop_key_part_bytes(const sop_key_part *part, void *buffer, size_t capacity, sop_slice *bytes_out)
{
    *bytes_out = sop_slice_of(NULL, 0);
    if (part->type == SOP_KEY_DECIMAL) {
        return sop_key__decimal_text(part, buffer, capacity, bytes_out);
    }
    if (part->type != SOP_KEY_BYTES && part->type != SOP_KEY_STRING) return SOP_INVALID;
    const uint8_t *from = part->encoded.data;
    size_t size = part->encoded.size;
    if (size == 0) return SOP_OK;
    uint8_t mask = part->descending ? 0xff : 0x00;
    if (mask == 0 && memchr(from, 0, size) == NULL) {
        *bytes_out = part->encoded;
        return SOP_OK;
    }
    uint8_t *to = buffer;
    size_t used = 0;
    for (size_t i = 0; i < size; i++) {
        if (used == capacity) return SOP_TOO_LARGE;
        uint8_t byte = from[i] ^ mask;
        to[used++] = byte;
        if (byte != 0) continue;
        if (++i == size || (from[i] ^ mask) != 0xff) return SOP_CORRUPT;
    }
    *bytes_out = sop_slice_of(buffer, used);
    return SOP_OK;
}

sop_status sop_key_prefix_end(sop_slice prefix, void *buffer, size_t capacity, sop_slice *end_out)
{
    *end_out = sop_slice_of(NULL, 0);
    if (prefix.data == NULL && prefix.size != 0) return SOP_INVALID;
    const uint8_t *bytes = prefix.data;
    size_t size = prefix.size;
    while (size != 0 && bytes[size - 1] == 0xff) {
        size--;
    }
    if (size == 0) return SOP_OK;
    if (size > capacity) return SOP_TOO_LARGE;
    uint8_t *end = buffer;
    memmove(end, bytes, size);
    end[size - 1]++;
    *end_out = sop_slice_of(end, size);
    return SOP_OK;
}
