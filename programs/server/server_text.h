/* SPDX-License-Identifier: MIT */
/* Texts of the wire: base64url, hexadecimal numbers, percent escapes, request targets. */
#ifndef SERVER_SERVER_TEXT_H
#define SERVER_SERVER_TEXT_H

#include <stddef.h>
#include <stdint.h>

#include "sop/types.h"

#include "util/arena.h"

/* Bytes that size bytes become, without padding. */
size_t server_base64_size(size_t size);
/* to holds server_base64_size(bytes.size) bytes. */
void server_base64_write(sop_slice bytes, char *to);
/* 0 and *out (at most text.size bytes, in the arena), or -1: not base64url without padding. */
int server_base64_read(sop_slice text, sop_arena *arena, sop_slice *out);

void server_hex64_write(uint64_t value, char to[16]);
/* 0, or -1 when the text is not 16 lower-case digits. */
int server_hex64_read(sop_slice text, uint64_t *out);

/* Decimal digits only. 0, or -1. */
int server_uint_read(sop_slice text, uint64_t *out);

int server_is_utf8(sop_slice bytes);
/* 1 if the bytes are UTF-8 without control characters. */
int server_is_plain(sop_slice bytes);
int server_equal(sop_slice a, const char *b);

/* The target of a request line, taken apart and decoded. Slices end with a zero byte that is not
 * counted. */
enum { SERVER_SEGMENTS_MAX = 12, SERVER_PARAMS_MAX = 16 };
typedef struct {
    sop_slice name;
    sop_slice value;
} server_param;
typedef struct {
    sop_slice segments[SERVER_SEGMENTS_MAX];
    size_t segment_count;
    server_param params[SERVER_PARAMS_MAX];
    size_t param_count;
} server_uri;

/* 0, or -1: not absolute, a bad escape, a zero byte, not UTF-8, too many parts, out of memory. */
int server_uri_parse(sop_slice target, sop_arena *arena, server_uri *out);
/* NULL when it is not given. */
const sop_slice *server_uri_param(const server_uri *uri, const char *name);

#endif
