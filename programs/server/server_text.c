/* SPDX-License-Identifier: MIT */
/* Texts of the wire: base64url, hexadecimal numbers, percent escapes, request targets. */
#include "server/server_text.h"

#include <string.h>

#include "util/bytes.h"
#include "util/utf8.h"

static const char BASE64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

size_t server_base64_size(size_t size)
{
    return size / 3 * 4 + (size % 3 == 0 ? 0 : size % 3 + 1);
}

void server_base64_write(sop_slice bytes, char *to)
{
    const uint8_t *at = bytes.data;
    size_t left = bytes.size;
    for (; left >= 3; left -= 3, at += 3) {
        *to++ = BASE64[at[0] >> 2];
        *to++ = BASE64[(at[0] & 3) << 4 | at[1] >> 4];
        *to++ = BASE64[(at[1] & 15) << 2 | at[2] >> 6];
        *to++ = BASE64[at[2] & 63];
    }
    if (left == 0) return;
    *to++ = BASE64[at[0] >> 2];
    uint8_t second = left == 2 ? at[1] : 0;
    *to++ = BASE64[(at[0] & 3) << 4 | second >> 4];
    if (left == 2) *to = BASE64[(second & 15) << 2];
}

static int base64_digit(uint8_t c)
{
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    if (c == '-') return 62;
    return c == '_' ? 63 : -1;
}

int server_base64_read(sop_slice text, sop_arena *arena, sop_slice *out)
{
    const uint8_t *from = text.data;
    *out = sop_slice_of(NULL, 0);
    if (text.size % 4 == 1) return -1;
    uint8_t *to = sop_arena_alloc(arena, text.size + 1);
    if (to == NULL) return -1;
    size_t size = 0;
    uint32_t bits = 0;
    unsigned held = 0;
    for (size_t i = 0; i < text.size; i++) {
        int digit = base64_digit(from[i]);
        if (digit < 0) return -1;
        bits = bits << 6 | (uint32_t)digit;
        held += 6;
        if (held >= 8) {
            held -= 8;
            to[size++] = (uint8_t)(bits >> held);
            bits &= (1u << held) - 1;
        }
    }
    if (bits != 0) return -1;
    to[size] = 0;
    *out = sop_slice_of(to, size);
    return 0;
}

void server_hex64_write(uint64_t value, char to[16])
{
    for (int i = 15; i >= 0; i--, value >>= 4) {
        to[i] = "0123456789abcdef"[value & 15];
    }
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

int server_hex64_read(sop_slice text, uint64_t *out)
{
    const uint8_t *at = text.data;
    if (text.size != 16) return -1;
    uint64_t value = 0;
    for (size_t i = 0; i < 16; i++) {
        int digit = hex_digit(at[i]);
        if (digit < 0 || (at[i] >= 'A' && at[i] <= 'F')) return -1;
        value = value << 4 | (uint64_t)digit;
    }
    *out = value;
    return 0;
}

int server_uint_read(sop_slice text, uint64_t *out)
{
    const uint8_t *at = text.data;
    uint64_t value = 0;
    if (text.size == 0) return -1;
    for (size_t i = 0; i < text.size; i++) {
        if (at[i] < '0' || at[i] > '9') return -1;
        if (sop_checked_mul(value, UINT64_C(10), &value)) return -1;
        if (sop_checked_add(value, (uint64_t)(at[i] - '0'), &value)) return -1;
    }
    *out = value;
    return 0;
}

int server_is_utf8(sop_slice bytes)
{
    const uint8_t *at = bytes.data;
    const uint8_t *end = bytes.size == 0 ? at : at + bytes.size;
    uint32_t code;
    while (at < end) {
        if (*at < 0x80) {
            at++;
            continue;
        }
        size_t size = sop_utf8_get(at, end, &code);
        if (size == 0) return 0;
        at += size;
    }
    return 1;
}

int server_is_plain(sop_slice bytes)
{
    const uint8_t *at = bytes.data;
    uint8_t high = 0;
    for (size_t i = 0; i < bytes.size; i++) {
        if (at[i] < 0x20 || at[i] == 0x7f) return 0;
        high |= at[i];
    }
    return high < 0x80 || server_is_utf8(bytes);
}

int server_equal(sop_slice a, const char *b)
{
    return sop_slice_equal(a, sop_str(b));
}

/* Undoes percent escapes (and '+' in queries) from *at up to a byte of stops; a zero ends it. */
static int decode(const uint8_t **at, const uint8_t *end, const char *stops, uint8_t **to)
{
    const uint8_t *from = *at;
    int query = stops[0] != '/';
    while (from < end && strchr(stops, *from) == NULL) {
        uint8_t c = *from++;
        if (c == '%') {
            int high = end - from >= 2 ? hex_digit(from[0]) : -1;
            int low = high < 0 ? -1 : hex_digit(from[1]);
            if (low < 0) return -1;
            c = (uint8_t)(high << 4 | low);
            from += 2;
        } else if (c == '+' && query) {
            c = ' ';
        }
        if (c == 0) return -1;
        *(*to)++ = c;
    }
    *(*to)++ = 0;
    *at = from;
    return 0;
}

static int
decode_part(const uint8_t **at, const uint8_t *end, const char *stops, uint8_t **to, sop_slice *out)
{
    uint8_t *start = *to;
    if (decode(at, end, stops, to) != 0) return -1;
    *out = sop_slice_of(start, (size_t)(*to - start) - 1);
    return server_is_utf8(*out) ? 0 : -1;
}

static int query_parse(const uint8_t *at, const uint8_t *end, uint8_t *to, server_uri *out)
{
    while (at < end) {
        if (out->param_count == SERVER_PARAMS_MAX) return -1;
        server_param *param = &out->params[out->param_count++];
        if (decode_part(&at, end, "=&", &to, &param->name) != 0) return -1;
        param->value = sop_slice_of("", 0);
        if (at < end && *at == '=') {
            at++;
            if (decode_part(&at, end, "&", &to, &param->value) != 0) return -1;
        }
        if (at < end) at++;
    }
    return 0;
}

int server_uri_parse(sop_slice target, sop_arena *arena, server_uri *out)
{
    const uint8_t *at = target.data;
    out->segment_count = 0;
    out->param_count = 0;
    if (target.size == 0 || at[0] != '/' || memchr(at, 0, target.size) != NULL) return -1;
    const uint8_t *end = at + target.size;
    uint8_t *to = sop_arena_alloc(arena, 2 * target.size + 2);
    if (to == NULL) return -1;
    while (at < end && *at == '/') {
        at++;
        if (at == end || *at == '?') break;
        if (out->segment_count == SERVER_SEGMENTS_MAX) return -1;
        if (decode_part(&at, end, "/?", &to, &out->segments[out->segment_count++]) != 0) return -1;
    }
    return at < end ? query_parse(at + 1, end, to, out) : 0;
}

const sop_slice *server_uri_param(const server_uri *uri, const char *name)
{
    for (size_t i = 0; i < uri->param_count; i++) {
        if (server_equal(uri->params[i].name, name)) return &uri->params[i].value;
    }
    return NULL;
}
