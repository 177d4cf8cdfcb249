/* SPDX-License-Identifier: MIT */
/* Strings: escapes to plain bytes, and comparison without a copy. */
#include "json/json_scan.h"
#include "util/utf8.h"

/* The number of the escape \u at `at`; UINT32_MAX if it is none. */
static uint32_t unicode_escape(const uint8_t *at, const uint8_t *end)
{
    if (end - at < 6 || at[0] != '\\' || at[1] != 'u') return UINT32_MAX;
    return sop_json__hex4(at + 2, end);
}

static int is_surrogate(uint32_t code)
{
    return code - 0xd800 < 0x800;
}

typedef struct {
    uint8_t bytes[SOP_UTF8_MAX];
    size_t size;
    int lone_surrogate;
} unit;

/* Decodes the escape at `at`. Returns the byte after it, or NULL if it is none. */
static const uint8_t *decode_escape(const uint8_t *at, const uint8_t *end, unit *out)
{
    static const char from[] = "\"\\/bfnrt";
    static const char to[] = "\"\\/\b\f\n\r\t";
    if (end - at < 2) return NULL;
    out->lone_surrogate = 0;
    if (at[1] != 'u') {
        const char *found = at[1] == 0 ? NULL : strchr(from, at[1]);
        if (found == NULL) return NULL;
        out->bytes[0] = (uint8_t)to[found - from];
        out->size = 1;
        return at + 2;
    }
    uint32_t code = unicode_escape(at, end);
    if (code == UINT32_MAX) return NULL;
    at += 6;
    if (code - 0xd800 < 0x400) {
        uint32_t low = unicode_escape(at, end);
        if (low - 0xdc00 < 0x400) {
            code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
            at += 6;
        }
    }
    out->lone_surrogate = is_surrogate(code);
    out->size = sop_utf8_put(out->bytes, code);
    return at;
}

sop_status sop_json_string_decode(
    sop_slice raw, int reject_lone_surrogates, void *buffer, size_t capacity, sop_slice *bytes_out)
{
    *bytes_out = sop_slice_of(NULL, 0);
    const uint8_t *at = raw.data;
    if (raw.size < 2 || at[0] != '"' || at[raw.size - 1] != '"') return SOP_CORRUPT;
    const uint8_t *end = at + raw.size - 1;
    at++;
    const uint8_t *escape = memchr(at, '\\', (size_t)(end - at));
    if (escape == NULL) {
        *bytes_out = sop_slice_of(at, (size_t)(end - at));
        return SOP_OK;
    }
    uint8_t *to = buffer;
    size_t used = 0;
    while (at != end) {
        size_t run = (size_t)((escape == NULL ? end : escape) - at);
        if (capacity - used < run) return SOP_TOO_LARGE;
        if (run != 0) memcpy(to + used, at, run);
        used += run;
        if (escape == NULL) break;
        unit u;
        at = decode_escape(escape, end, &u);
        if (at == NULL) return SOP_CORRUPT;
        if (u.lone_surrogate && reject_lone_surrogates) return SOP_INVALID;
        if (capacity - used < u.size) return SOP_TOO_LARGE;
        memcpy(to + used, u.bytes, u.size);
        used += u.size;
        escape = at == end ? NULL : memchr(at, '\\', (size_t)(end - at));
    }
    *bytes_out = sop_slice_of(buffer, used);
    return SOP_OK;
}

/* The inside of a string against plain bytes; piece by piece, each one as sop_compare does. */
static int content_compare(const uint8_t *at, const uint8_t *end, sop_slice plain)
{
    const uint8_t *p = plain.data;
    size_t left = plain.size;
    while (at != end) {
        const uint8_t *escape = memchr(at, '\\', (size_t)(end - at));
        size_t run = (size_t)((escape == NULL ? end : escape) - at);
        if (run > left || escape == NULL) return sop_compare(at, run, p, left);
        int order = run == 0 ? 0 : memcmp(at, p, run);
        if (order != 0) return order;
        p = run == 0 ? p : p + run;
        left -= run;
        unit u;
        at = decode_escape(escape, end, &u);
        if (at == NULL) return -1;
        if (u.size > left) return sop_compare(u.bytes, u.size, p, left);
        order = memcmp(u.bytes, p, u.size);
        if (order != 0) return order;
        p += u.size;
        left -= u.size;
    }
    return left == 0 ? 0 : -1;
}

int sop_json_string_compare(sop_slice raw, sop_slice plain)
{
    if (raw.size < 2) return -1;
    const uint8_t *at = raw.data;
    return content_compare(at + 1, at + raw.size - 1, plain);
}

int sop_json__content_equal(const uint8_t *at, const uint8_t *end, sop_slice plain)
{
    size_t size = (size_t)(end - at);
    /* An escape is never shorter than what it stands for. */
    if (size < plain.size) return 0;
    if (size == plain.size && size != 0 && memcmp(at, plain.data, size) == 0) {
        return memchr(at, '\\', size) == NULL;
    }
    if (size == plain.size) return size == 0;
    return content_compare(at, end, plain) == 0;
}

int sop_json_string_equal(sop_slice raw, sop_slice plain)
{
    if (raw.size < 2) return 0;
    const uint8_t *at = raw.data;
    return sop_json__content_equal(at + 1, at + raw.size - 1, plain);
}
