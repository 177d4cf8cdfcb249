/* SPDX-License-Identifier: MIT */
/*
 * Decimal parts: 0.d1d2d3... x 10^exponent, d1 not 0.
 *
 *   0        sign and size of the exponent: 80 + the code of the exponent as an integer part; 80 alone: zero
 *   1        the bytes of the exponent, none to eight
 *   ...      the digits in pairs, a last odd one followed by 0; each pair 00 to 99 plus 1
 *   last     00
 *
 * All bytes of a negative number are complemented, so that larger magnitudes sort first.
 */
#include <string.h>

#include "key/key_format.h"
#include "util/decimal.h"

#define ZERO         0x80 /* the whole body of zero; plus the code of the exponent otherwise */
#define PAIR_MAX     100
#define EXPONENT_MAX SOP_DECIMAL_EXPONENT_MAX

/* Bytes that leave through a small buffer, complemented for a negative number. */
typedef struct {
    sop_key_builder *builder;
    uint8_t mask;
    size_t count;
    uint8_t bytes[64];
} output;

static void flush(output *out)
{
    if (out->count != 0) sop_key__put(out->builder, out->bytes, out->count);
    out->count = 0;
}

static void emit(output *out, unsigned byte)
{
    if (out->count == sizeof out->bytes) flush(out);
    out->bytes[out->count++] = (uint8_t)byte ^ out->mask;
}

static void emit_digits(output *out, const sop_decimal *number)
{
    const uint8_t *at = number->first;
    unsigned pair = 0;
    for (size_t i = 0; i < number->count; i++, at++) {
        at += *at == '.';
        unsigned digit = (unsigned)*at - '0';
        if (i % 2 == 0) {
            pair = digit * 10;
        } else {
            emit(out, pair + digit + 1);
        }
    }
    if (number->count % 2 != 0) emit(out, pair + 1);
    emit(out, 0);
}

void sop_key_add_decimal(sop_key_builder *builder, sop_slice text)
{
    sop_decimal number;
    if (builder->status != SOP_OK) return;
    if ((text.data == NULL && text.size != 0) || sop_decimal_parse(text, &number) != 0) {
        builder->status = SOP_INVALID;
        return;
    }
    (void)sop_key__part_begin(builder, KEY_CODE_DECIMAL);
    output out = {.builder = builder, .mask = number.negative ? 0xff : 0};
    if (number.count == 0) {
        emit(&out, ZERO);
    } else {
        uint8_t exponent[16];
        unsigned size = sop_key__put_int(exponent, number.exponent);
        exponent[0] = (uint8_t)(exponent[0] + ZERO);
        for (unsigned i = 0; i < size; i++) {
            emit(&out, exponent[i]);
        }
        emit_digits(&out, &number);
    }
    flush(&out);
    builder->descending = 0;
}

/* A decimal taken apart; digits lie in the key as pairs. */
typedef struct {
    const uint8_t *pairs;
    size_t pair_count;
    int64_t exponent;
    int negative;
    uint8_t mask; /* to xor with every byte */
} body;

static const uint8_t *read_exponent(const uint8_t *at, const uint8_t *end, unsigned code, body *out)
{
    int below_zero = code < KEY_CODE_INT_ZERO;
    size_t size = below_zero ? KEY_CODE_INT_ZERO - code : code - KEY_CODE_INT_ZERO;
    uint8_t bytes[8];
    uint64_t magnitude = 0;
    if (size > sizeof bytes || (size_t)(end - at) < size) return NULL;
    for (size_t i = 0; i < size; i++) {
        bytes[i] = at[i] ^ out->mask;
    }
    if (!sop_key__get_int(code, bytes, size, &magnitude)) return NULL;
    if (magnitude > (uint64_t)EXPONENT_MAX) return NULL;
    out->exponent = below_zero ? -(int64_t)magnitude : (int64_t)magnitude;
    return at + size;
}

/* The first digit is not 0, nor is the last one, a 0 that fills the last pair aside. */
static const uint8_t *read_pairs(const uint8_t *at, const uint8_t *end, body *out)
{
    out->pairs = at;
    unsigned last = 0;
    for (; at != end; at++) {
        unsigned byte = *at ^ out->mask;
        if (byte == 0) {
            out->pair_count = (size_t)(at - out->pairs);
            return last > 1 ? at + 1 : NULL;
        }
        if (byte > PAIR_MAX || (at == out->pairs && byte <= 10)) return NULL;
        last = byte;
    }
    return NULL;
}

static const uint8_t *read_body(const uint8_t *at, const uint8_t *end, uint8_t mask, body *out)
{
    *out = (body){.mask = mask};
    if (at == end) return NULL;
    unsigned byte = *at++ ^ mask;
    if (byte == ZERO) return at;
    if (byte < ZERO) {
        out->negative = 1;
        out->mask = (uint8_t)~mask;
        byte ^= 0xff;
    }
    /* The smallest exponent code is above 0, so zero has no second form. */
    if (byte - ZERO < KEY_CODE_INT_MIN || byte - ZERO > KEY_CODE_INT_MAX) return NULL;
    at = read_exponent(at, end, byte - ZERO, out);
    return at == NULL ? NULL : read_pairs(at, end, out);
}

const uint8_t *sop_key__skip_decimal(const uint8_t *at, const uint8_t *end, uint8_t mask)
{
    body ignored;
    return read_body(at, end, mask, &ignored);
}

sop_status sop_key__decimal_text(const sop_key_part *part,
                                 uint8_t *buffer,
                                 size_t capacity,
                                 sop_slice *text_out)
{
    body b;
    const uint8_t *at = part->encoded.data;
    const uint8_t *end = part->encoded.size == 0 ? at : at + part->encoded.size;
    if (read_body(at, end, part->descending ? 0xff : 0, &b) != end || at == end) return SOP_CORRUPT;
    size_t count = 2 * b.pair_count;
    if (capacity < 2 * count + SOP_DECIMAL_TEXT_EXTRA) return SOP_TOO_LARGE;
    /* The digits wait at the far end, where the text does not reach. */
    uint8_t *digits = buffer + capacity - count;
    for (size_t i = 0; i < b.pair_count; i++) {
        unsigned pair = (unsigned)(b.pairs[i] ^ b.mask) - 1;
        digits[2 * i] = (uint8_t)('0' + pair / 10);
        digits[2 * i + 1] = (uint8_t)('0' + pair % 10);
    }
    if (count != 0 && digits[count - 1] == '0') count--;
    *text_out =
        sop_slice_of(buffer, sop_decimal_text(b.negative, b.exponent, digits, count, buffer));
    return SOP_OK;
}
