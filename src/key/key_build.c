/* SPDX-License-Identifier: MIT */
/* Makes keys: appends the encoding of each part to the caller's buffer. */
#include <string.h>

#include "sop/key.h"

#include "key/key_format.h"
#include "util/bytes.h"

void sop_key_begin(sop_key_builder *builder, void *buffer, size_t capacity)
{
    *builder = (sop_key_builder){.buffer = buffer, .capacity = capacity};
    if (buffer == NULL && capacity != 0) builder->status = SOP_INVALID;
}

/* Past the capacity only the size goes on, so that sop_key_end can tell how much is needed. */
void sop_key__put(sop_key_builder *builder, const void *data, size_t size)
{
    size_t end = 0;
    if (sop_checked_add(builder->size, size, &end)) {
        builder->status = SOP_TOO_LARGE;
        return;
    }
    if (SOP_LIKELY(end <= builder->capacity) && size != 0) {
        uint8_t *to = builder->buffer + builder->size;
        if (SOP_LIKELY(!builder->descending)) {
            memcpy(to, data, size);
        } else {
            const uint8_t *from = data;
            for (size_t i = 0; i < size; i++) {
                to[i] = (uint8_t)~from[i];
            }
        }
    }
    builder->size = end;
}

int sop_key__part_begin(sop_key_builder *builder, unsigned code)
{
    if (builder->status != SOP_OK) return 0;
    if (SOP_UNLIKELY(builder->descending)) {
        /* sop_key__put complements, so that the marker arrives as it is. */
        uint8_t marker = (uint8_t)~KEY_CODE_DESCENDING;
        sop_key__put(builder, &marker, 1);
    }
    uint8_t byte = (uint8_t)code;
    sop_key__put(builder, &byte, 1);
    return 1;
}

/* A whole part that needs no escapes; the first byte is its code. */
static void put_part(sop_key_builder *builder, const uint8_t *data, size_t size)
{
    if (!sop_key__part_begin(builder, data[0])) return;
    if (size != 1) sop_key__put(builder, data + 1, size - 1);
    builder->descending = 0;
}

unsigned sop_key__put_int(uint8_t to[16], int64_t value)
{
    int negative = value < 0;
    uint64_t magnitude = negative ? 0 - (uint64_t)value : (uint64_t)value;
    unsigned count = sop_key__byte_count(magnitude);
    to[0] = (uint8_t)(negative ? KEY_CODE_INT_ZERO - count : KEY_CODE_INT_ZERO + count);
    if (count != 0) sop_put_u64be(to + 1, (negative ? ~magnitude : magnitude) << (64 - 8 * count));
    return 1 + count;
}

void sop_key_add_int(sop_key_builder *builder, int64_t value)
{
    uint8_t bytes[16];
    put_part(builder, bytes, sop_key__put_int(bytes, value));
}

void sop_key_add_uint(sop_key_builder *builder, uint64_t value)
{
    if (value <= INT64_MAX) {
        sop_key_add_int(builder, (int64_t)value);
        return;
    }
    uint8_t bytes[9] = {KEY_CODE_INT_MAX};
    sop_put_u64be(bytes + 1, value);
    put_part(builder, bytes, sizeof bytes);
}

void sop_key_add_double(sop_key_builder *builder, double value)
{
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof bits);
    bits = bits >> 63 != 0 ? ~bits : bits | UINT64_C(1) << 63;
    uint8_t bytes[9] = {KEY_CODE_DOUBLE};
    sop_put_u64be(bytes + 1, bits);
    put_part(builder, bytes, sizeof bytes);
}

void sop_key_add_bool(sop_key_builder *builder, int value)
{
    uint8_t code = value ? KEY_CODE_TRUE : KEY_CODE_FALSE;
    put_part(builder, &code, 1);
}

void sop_key_add_null(sop_key_builder *builder)
{
    uint8_t code = KEY_CODE_NULL;
    put_part(builder, &code, 1);
}

void sop_key_add_uuid(sop_key_builder *builder, const uint8_t value[16])
{
    if (value == NULL) {
        if (builder->status == SOP_OK) builder->status = SOP_INVALID;
        return;
    }
    uint8_t bytes[17] = {KEY_CODE_UUID};
    memcpy(bytes + 1, value, 16);
    put_part(builder, bytes, sizeof bytes);
}

static void add_escaped(sop_key_builder *builder, unsigned code, sop_slice value)
{
    static const uint8_t escape[2] = {0x00, 0xff};
    static const uint8_t end[2] = {0x00, 0x00};
    if (builder->status != SOP_OK) return;
    if (value.data == NULL && value.size != 0) {
        builder->status = SOP_INVALID;
        return;
    }
    (void)sop_key__part_begin(builder, code);
    const uint8_t *at = value.data;
    size_t left = value.size;
    while (left != 0) {
        const uint8_t *zero = memchr(at, 0, left);
        size_t run = zero == NULL ? left : (size_t)(zero - at);
        sop_key__put(builder, at, run);
        if (zero == NULL) break;
        sop_key__put(builder, escape, sizeof escape);
        at += run + 1;
        left -= run + 1;
    }
    /* A descending part must not be cut short by what follows it: FF 00 would read as an escape. So
     * it ends in FF FF. */
    sop_key__put(builder, end, builder->descending ? 2 : 1);
    builder->descending = 0;
}

void sop_key_add_bytes(sop_key_builder *builder, sop_slice value)
{
    add_escaped(builder, KEY_CODE_BYTES, value);
}

void sop_key_add_string(sop_key_builder *builder, sop_slice value)
{
    add_escaped(builder, KEY_CODE_STRING, value);
}

void sop_key_descending(sop_key_builder *builder)
{
    if (builder->status != SOP_OK) return;
    if (builder->descending) builder->status = SOP_INVALID;
    builder->descending = 1;
}

sop_status sop_key_end(sop_key_builder *builder, sop_slice *key_out, size_t *needed_out)
{
    if (key_out != NULL) *key_out = sop_slice_of(NULL, 0);
    if (needed_out != NULL) *needed_out = 0;
    if (builder->status != SOP_OK) return builder->status;
    if (builder->descending) return SOP_INVALID;
    if (needed_out != NULL) *needed_out = builder->size;
    if (builder->size > builder->capacity) return SOP_TOO_LARGE;
    if (key_out != NULL) *key_out = sop_slice_of(builder->buffer, builder->size);
    return SOP_OK;
}
