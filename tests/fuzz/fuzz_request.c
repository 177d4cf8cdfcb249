/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: what the server reads from clients above libmicrohttpd. The first byte chooses: a request target,
 * key JSON, a key token, stored key bytes, a value of the wire, stored value bytes, or conditions and (behind FF) a value.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "server/server_text.h"
#include "server/server_wire.h"
#include "util/bytes.h"

static void need(int condition)
{
    if (!condition) abort();
}

static const sop_json_limits LIMITS = {.depth_max = SERVER_JSON_DEPTH + 16};

static int json_read(sop_slice text, sop_json_value *out)
{
    return sop_json_check(text, &LIMITS, NULL, NULL) == SOP_OK &&
           sop_json_read(text, out) == SOP_OK;
}

static void target(sop_slice input, sop_arena *arena)
{
    server_uri uri;
    if (server_uri_parse(input, arena, &uri) != 0) return;
    for (size_t i = 0; i < uri.segment_count; i++) {
        need(strlen(uri.segments[i].data) == uri.segments[i].size);
        need(server_is_utf8(uri.segments[i]));
    }
    for (size_t i = 0; i < uri.param_count; i++) {
        need(server_is_utf8(uri.params[i].value));
        need(strlen(uri.params[i].value.data) == uri.params[i].value.size);
    }
}

/* Every key has one canonical JSON, which stands for the same bytes. */
static void key_bytes(sop_slice key, sop_arena *arena)
{
    if (key.size == 0 || key.size > 4096) return;
    for (int form = SERVER_FORM_AUTO; form <= SERVER_FORM_BYTES; form++) {
        sop_json_writer writer;
        sop_slice text;
        sop_json_value wire;
        sop_slice again;
        sop_json_writer_init(&writer, 0);
        server_key_write(&writer, (server_form)form, key);
        need(sop_json_writer_end(&writer, &text) == SOP_OK);
        need(json_read(text, &wire));
        need(server_key_read(&wire, arena, &again, NULL) == SOP_OK);
        need(sop_slice_equal(key, again));
        sop_json_writer_deinit(&writer);
    }
}

static void key_json(sop_slice text, sop_arena *arena)
{
    sop_json_value wire;
    sop_slice key;
    if (json_read(text, &wire) && server_key_read(&wire, arena, &key, NULL) == SOP_OK) {
        key_bytes(key, arena);
    }
}

/* Stored bytes go out and come back as the same bytes, both ways of writing them. */
static void value_bytes(sop_slice bytes, sop_arena *arena)
{
    for (int exact = 0; exact < 2; exact++) {
        sop_json_writer writer;
        sop_slice text;
        sop_json_value wire;
        sop_slice again;
        sop_json_writer_init(&writer, 0);
        if (exact)
            server_value_write_exact(&writer, bytes);
        else
            server_value_write(&writer, bytes, UINT64_MAX);
        need(sop_json_writer_end(&writer, &text) == SOP_OK);
        need(json_read(text, &wire));
        need(server_value_read(&wire, arena, &again, NULL) == SOP_OK);
        /* White space around a bare JSON text is not part of the value in the answer. */
        need(sop_slice_equal(bytes, again) || server_value_kind(bytes) <= SERVER_IS_JSON);
        sop_json_writer_reset(&writer);
        server_value_write(&writer, bytes, 3);
        need(sop_json_writer_end(&writer, &text) == SOP_OK);
        need(json_read(text, &wire));
        sop_json_writer_deinit(&writer);
    }
}

static void value_json(sop_slice text, sop_arena *arena)
{
    sop_json_value wire;
    sop_slice bytes;
    if (json_read(text, &wire) && server_value_read(&wire, arena, &bytes, NULL) == SOP_OK) {
        value_bytes(bytes, arena);
        need(server_value_kind(bytes) > SERVER_IS_JSON || server_json_equal(bytes, bytes));
    }
}

static void conditions(sop_slice input, sop_arena *arena)
{
    const uint8_t *split = input.size == 0 ? NULL : memchr(input.data, 0xff, input.size);
    server_where where;
    size_t size = split == NULL ? input.size : (size_t)(split - (const uint8_t *)input.data);
    sop_slice value =
        split == NULL ? sop_slice_of("{}", 2) : sop_slice_of(split + 1, input.size - size - 1);
    if (server_where_read(sop_slice_of(input.data, size), arena, &where, NULL) != SOP_OK) return;
    (void)server_where_match(&where, SERVER_FORM_AUTO, sop_str("a key"), value);
    (void)server_where_match(&where, SERVER_FORM_TUPLE, sop_slice_of("\x15\x07", 2), value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    sop_arena arena = {0};
    sop_slice rest;
    sop_slice key;
    if (size == 0) return 0;
    rest = sop_slice_of(data + 1, size - 1);
    switch (data[0] % 7) {
    case 0:
        target(rest, &arena);
        break;
    case 1:
        key_json(rest, &arena);
        break;
    case 2:
        if (server_key_token_read(rest, &arena, &key, NULL) == SOP_OK) key_bytes(key, &arena);
        break;
    case 3:
        key_bytes(rest, &arena);
        break;
    case 4:
        value_json(rest, &arena);
        break;
    case 5:
        value_bytes(rest, &arena);
        break;
    default:
        conditions(rest, &arena);
        break;
    }
    sop_arena_deinit(&arena);
    return 0;
}
