/* SPDX-License-Identifier: MIT */
/* UTF-8: one code point from bytes and back. */
#ifndef SOP_UTIL_UTF8_H
#define SOP_UTIL_UTF8_H

#include <stddef.h>
#include <stdint.h>

#include "util/compiler.h"

#define SOP_UTF8_MAX 4 /* bytes of one code point */

/*
 * Decodes the code point at `at` (at < end). Returns its size, 1 to 4, or 0 if the bytes are not
 * UTF-8: cut off, longer than needed, a surrogate, or above U+10FFFF. Source: The Unicode Standard,
 * table 3-7.
 */
SOP_INLINE size_t sop_utf8_get(const uint8_t *at, const uint8_t *end, uint32_t *code_out)
{
    size_t left = (size_t)(end - at);
    uint32_t b0 = at[0];
    if (b0 < 0x80) {
        *code_out = b0;
        return 1;
    }
    if (b0 < 0xc2 || left < 2 || (at[1] & 0xc0) != 0x80) return 0;
    uint32_t b1 = at[1] & 0x3fu;
    if (b0 < 0xe0) {
        *code_out = (b0 & 0x1f) << 6 | b1;
        return 2;
    }
    if (left < 3 || (at[2] & 0xc0) != 0x80) return 0;
    uint32_t b2 = at[2] & 0x3fu;
    if (b0 < 0xf0) {
        uint32_t code = (b0 & 0x0f) << 12 | b1 << 6 | b2;
        *code_out = code;
        return code < 0x800 || (code >= 0xd800 && code < 0xe000) ? 0 : 3;
    }
    if (b0 > 0xf4 || left < 4 || (at[3] & 0xc0) != 0x80) return 0;
    uint32_t code = (b0 & 0x07) << 18 | b1 << 12 | b2 << 6 | (at[3] & 0x3fu);
    *code_out = code;
    return code < 0x10000 || code > 0x10ffff ? 0 : 4;
}

/* Encodes a code point up to U+10FFFF (surrogates as three bytes, which is not UTF-8). Returns 1
 * to 4. */
SOP_INLINE size_t sop_utf8_put(uint8_t to[SOP_UTF8_MAX], uint32_t code)
{
    if (code < 0x80) {
        to[0] = (uint8_t)code;
        return 1;
    }
    if (code < 0x800) {
        to[0] = (uint8_t)(0xc0 | code >> 6);
        to[1] = (uint8_t)(0x80 | (code & 0x3f));
        return 2;
    }
    if (code < 0x10000) {
        to[0] = (uint8_t)(0xe0 | code >> 12);
        to[1] = (uint8_t)(0x80 | (code >> 6 & 0x3f));
        to[2] = (uint8_t)(0x80 | (code & 0x3f));
        return 3;
    }
    to[0] = (uint8_t)(0xf0 | code >> 18);
    to[1] = (uint8_t)(0x80 | (code >> 12 & 0x3f));
    to[2] = (uint8_t)(0x80 | (code >> 6 & 0x3f));
    to[3] = (uint8_t)(0x80 | (code & 0x3f));
    return 4;
}

#endif
