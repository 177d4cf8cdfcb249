/* SPDX-License-Identifier: MIT */
/* UUIDs as text (RFC 4122) and base64 (RFC 4648). */
#include "document/document_scalar.h"
#include "util/bytes.h"

static int hex_value(uint8_t c)
{
    if ((unsigned)c - '0' < 10) return c - '0';
    unsigned letter = (c | 0x20u) - 'a';
    return letter < 6 ? (int)letter + 10 : -1;
}

/* With its four dashes, or without any. */
int sop_document__uuid_parse(sop_slice text, uint8_t out[16])
{
    const uint8_t *at = text.data;
    int dashes = text.size == 36;
    if (!dashes && text.size != 32) return 0;
    for (size_t i = 0; i < 16; i++) {
        if (dashes && (i == 4 || i == 6 || i == 8 || i == 10) && *at++ != '-') return 0;
        int high = hex_value(at[0]);
        int low = hex_value(at[1]);
        if (high < 0 || low < 0) return 0;
        out[i] = (uint8_t)(high << 4 | low);
        at += 2;
    }
    return 1;
}

void sop_document__uuid_text(const uint8_t uuid[16], uint8_t to[36])
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) *to++ = '-';
        *to++ = (uint8_t)digits[uuid[i] >> 4];
        *to++ = (uint8_t)digits[uuid[i] & 15];
    }
}

static int base64_value(uint8_t c)
{
    if ((unsigned)c - 'A' < 26) return c - 'A';
    if ((unsigned)c - 'a' < 26) return c - 'a' + 26;
    if ((unsigned)c - '0' < 10) return c - '0' + 52;
    if (c == '+' || c == '-') return 62;
    return c == '/' || c == '_' ? 63 : -1;
}

size_t sop_document__base64_decode(sop_slice text, uint8_t *to)
{
    const uint8_t *at = text.data;
    size_t size = text.size;
    size_t padding = 0;
    while (padding < 2 && size > 0 && size == text.size - padding && at[size - 1] == '=') {
        size--;
        padding++;
    }
    if (size % 4 == 1 || (padding != 0 && text.size % 4 != 0)) return SIZE_MAX;
    uint32_t bits = 0;
    unsigned held = 0;
    size_t used = 0;
    for (size_t i = 0; i < size; i++) {
        int value = base64_value(at[i]);
        if (value < 0) return SIZE_MAX;
        bits = bits << 6 | (uint32_t)value;
        held += 6;
        if (held >= 8) {
            held -= 8;
            to[used++] = (uint8_t)(bits >> held);
        }
    }
    /* Bits that stand for nothing must be 0, or two texts would be one value by accident. */
    return (bits & ((1u << held) - 1)) == 0 ? used : SIZE_MAX;
}

size_t sop_document__base64_encode(sop_slice bytes, uint8_t *to)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint8_t *at = bytes.data;
    size_t used = 0;
    for (size_t i = 0; i < bytes.size; i += 3) {
        size_t left = bytes.size - i;
        uint32_t bits = (uint32_t)at[i] << 16;
        if (left > 1) bits |= (uint32_t)at[i + 1] << 8;
        if (left > 2) bits |= at[i + 2];
        to[used++] = (uint8_t)alphabet[bits >> 18];
        to[used++] = (uint8_t)alphabet[bits >> 12 & 63];
        to[used++] = (uint8_t)(left > 1 ? alphabet[bits >> 6 & 63] : '=');
        to[used++] = (uint8_t)(left > 2 ? alphabet[bits & 63] : '=');
    }
    return used;
}
