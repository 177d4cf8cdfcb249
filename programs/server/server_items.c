/* SPDX-License-Identifier: MIT */
/* Answers with items: a page by key, cursor, rank or percentage, filtered pages, single items. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/server_private.h"
#include "util/bytes.h"
#include "util/decimal.h"
#include "util/error.h"
#include "util/memory.h"

enum {
    LIMIT_DEFAULT = 200,
    LIMIT_MAX = 1000,
    VALUE_MAX_DEFAULT = 16384,
    VALUE_MAX_LIMIT = 1 << 20,
    SCAN_ITEMS_MAX = 50000,
    SCAN_BATCH = 256,
    FIELDS_MAX = 64,
    PAGE_BYTES_MAX = 32 << 20, /* a page ends early rather than grow beyond this */
    HEAD_BYTES = 64 << 10
};
#define SCAN_NS UINT64_C(200000000)

/* What a page is asked to be. */
typedef struct {
    sop_slice after; /* keys; empty: not given */
    sop_slice before;
    sop_slice key;
    sop_slice after_id; /* the id of an equal among duplicates */
    uint64_t rank;
    double at;
    int has_rank;
    int has_at;
    uint64_t limit;
    uint64_t value_max;
    server_where where;
    int has_where;
    sop_slice fields[FIELDS_MAX];
    size_t field_count;
    int lines; /* NDJSON */
} page_request;

/* A page under construction. */
typedef struct {
    server_request *r;
    const page_request *ask;
    uint64_t limit; /* items of this page */
    server_store_traits traits;
    sop_store *store;
    sop_cursor *cursor;
    sop_json_writer *out;
    size_t count;
    sop_slice first; /* keys, in the arena */
    sop_slice last;
    sop_item_id first_id;
    sop_item_id last_id;
} page;

/* ---- one item ---- */

/* A value too large to be had at once: what can be said of it without reading it. */
static void huge_write(page *p, sop_slice key)
{
    uint64_t size = 0;
    size_t got = 0;
    char version[16];
    char *head = sop_arena_alloc(&p->r->arena, HEAD_BYTES);
    if (head == NULL) return;
    sop_ignore(sop_value_size(p->store, key, &size)); /* 0 stands for unknown */
    sop_ignore(sop_value_read(p->store, key, 0, head, HEAD_BYTES, &got));
    server_hex64_write(server_version(sop_slice_of(head, got)) ^ size, version);
    sop_json_object_begin(p->out);
    sop_json_key(p->out, sop_str("$t"));
    sop_json_string(p->out, sop_str("big"));
    sop_json_key(p->out, sop_str("of"));
    sop_json_string(p->out, sop_str("bytes"));
    sop_json_key(p->out, sop_str("size"));
    sop_json_uint(p->out, size);
    sop_json_key(p->out, sop_str("preview"));
    sop_json_string(p->out, sop_str(""));
    sop_json_object_end(p->out);
    sop_json_key(p->out, sop_str("ver"));
    sop_json_string(p->out, sop_slice_of(version, sizeof version));
    sop_json_key(p->out, sop_str("size"));
    sop_json_uint(p->out, size);
}

static void value_write(page *p, sop_slice value)
{
    char version[16];
    const page_request *ask = p->ask;
    int cut = ask->field_count != 0 && value.size <= ask->value_max &&
              server_value_kind(value) == SERVER_IS_OBJECT;
    if (cut) {
        server_value_write_fields(p->out, value, ask->fields, ask->field_count);
    } else {
        server_value_write(p->out, value, ask->value_max);
    }
    server_hex64_write(server_version(value), version);
    sop_json_key(p->out, sop_str("ver"));
    sop_json_string(p->out, sop_slice_of(version, sizeof version));
    sop_json_key(p->out, sop_str("size"));
    sop_json_uint(p->out, value.size);
    if (cut) {
        sop_json_key(p->out, sop_str("cut"));
        sop_json_bool(p->out, 1);
    }
}

/* value NULL: too large to be read at once. The cursor stands on the item when ids matter. */
static sop_status item_write(page *p, sop_slice key, const sop_slice *value)
{
    sop_item_id id = {{0}};
    sop_json_object_begin(p->out);
    sop_json_key(p->out, sop_str("k"));
    server_key_write(p->out, p->traits.form, key);
    sop_json_key(p->out, sop_str("v"));
    if (value == NULL) {
        huge_write(p, key);
    } else {
        value_write(p, *value);
    }
    if (p->traits.duplicates) {
        char text[32];
        sop_status status = sop_cursor_item_id(p->cursor, &id);
        if (status != SOP_OK) return status;
        server_base64_write(sop_slice_of(id.bytes, sizeof id.bytes), text);
        sop_json_key(p->out, sop_str("dup"));
        sop_json_string(p->out, sop_slice_of(text, server_base64_size(sizeof id.bytes)));
    }
    sop_json_object_end(p->out);
    if (p->ask->lines) sop_json_append(p->out, sop_str("\n"));
    if (p->count++ == 0) p->first_id = id;
    p->last_id = id;
    return SOP_OK;
}

static sop_status key_keep(page *p, sop_slice key, sop_slice *to)
{
    *to = sop_slice_of(sop_arena_copy(&p->r->arena, key.data, key.size), key.size);
    return to->data == NULL ? SOP_NO_MEMORY : SOP_OK;
}

/* Writes the item under the cursor. */
static sop_status current_write(page *p)
{
    sop_slice key;
    sop_slice value;
    sop_status status = sop_cursor_key(p->cursor, &key);
    if (status != SOP_OK) return status;
    if (p->count == 0) status = key_keep(p, key, &p->first);
    if (status != SOP_OK) return status;
    status = sop_cursor_value(p->cursor, &value);
    if (status == SOP_TOO_LARGE) return item_write(p, key, NULL);
    return status == SOP_OK ? item_write(p, key, &value) : status;
}

/* ---- pages of a whole store ---- */

static int page_full(const page *p)
{
    return p->count >= p->limit || p->out->size > PAGE_BYTES_MAX;
}

/* Item by item, the first of which the cursor stands on. */
static sop_status walk_single(page *p)
{
    sop_status status = SOP_OK;
    while (status == SOP_OK && !page_full(p)) {
        status = current_write(p);
        if (status == SOP_OK && !page_full(p)) status = sop_cursor_next(p->cursor);
    }
    sop_slice key;
    sop_status end = status;
    if (p->count > 0) {
        if (end == SOP_NOT_FOUND) sop_ignore(sop_cursor_prev(p->cursor)); /* back to the last */
        status = sop_cursor_key(p->cursor, &key);
        if (status == SOP_OK) status = key_keep(p, key, &p->last);
    }
    return status == SOP_OK && end != SOP_OK ? end : status;
}

/* Many at once: the first under the cursor, then pages of it. SOP_NOT_FOUND at the end of the store. */
static sop_status walk(page *p)
{
    sop_item items[SCAN_BATCH];
    sop_slice last = {0};
    if (p->traits.duplicates) return walk_single(p);
    sop_status status = current_write(p);
    while (status == SOP_OK && !page_full(p)) {
        size_t wanted = (size_t)p->limit - p->count;
        size_t got = 0;
        if (wanted > SCAN_BATCH) wanted = SCAN_BATCH;
        status = sop_cursor_read(p->cursor, 1, items, wanted, &got);
        if (status == SOP_TOO_LARGE) return walk_single(p);
        for (size_t i = 0; status == SOP_OK && i < got; i++) {
            status = item_write(p, items[i].key, &items[i].value);
        }
    }
    sop_status end = status;
    if (end == SOP_NOT_FOUND) sop_ignore(sop_cursor_prev(p->cursor)); /* back to the last */
    if (p->count > 0 && (end == SOP_OK || end == SOP_NOT_FOUND)) {
        status = sop_cursor_key(p->cursor, &last);
        if (status == SOP_OK) status = key_keep(p, last, &p->last);
        if (status != SOP_OK) return status;
    }
    return end;
}

/* Behind an item of a store with duplicates: after the equal of that id. */
static sop_status seek_behind(page *p, sop_slice key, sop_slice id)
{
    sop_slice here;
    sop_item_id at;
    if (id.size != sizeof at.bytes) return sop_cursor_seek(p->cursor, key, SOP_SEEK_GT);
    sop_status status = sop_cursor_seek(p->cursor, key, SOP_SEEK_GE);
    while (status == SOP_OK) {
        status = sop_cursor_key(p->cursor, &here);
        if (status != SOP_OK || !sop_slice_equal(here, key)) break;
        status = sop_cursor_item_id(p->cursor, &at);
        if (status != SOP_OK || memcmp(at.bytes, id.data, sizeof at.bytes) > 0) break;
        status = sop_cursor_next(p->cursor);
    }
    return status;
}

/* Puts the cursor on the first item that ends just before a key. */
static sop_status seek_before(page *p, sop_slice key)
{
    uint64_t rank;
    sop_status status = sop_cursor_seek(p->cursor, key, SOP_SEEK_LT);
    if (status == SOP_OK) status = sop_cursor_rank(p->cursor, &rank);
    if (status != SOP_OK) return status;
    if (rank + 1 < p->limit) p->limit = rank + 1;
    return sop_cursor_seek_rank(p->cursor, rank + 1 - p->limit);
}

/* Where the page begins. *found_out: with key, whether it is there. SOP_NOT_FOUND: an empty page. */
static sop_status page_seek(page *p, uint64_t count, int *found_out)
{
    const page_request *ask = p->ask;
    sop_slice here;
    *found_out = 0;
    if (ask->after.size != 0) return seek_behind(p, ask->after, ask->after_id);
    if (ask->before.size != 0) return seek_before(p, ask->before);
    if (ask->key.size != 0) {
        sop_status status = sop_cursor_seek(p->cursor, ask->key, SOP_SEEK_GE);
        if (status == SOP_NOT_FOUND) return sop_cursor_last(p->cursor);
        if (status == SOP_OK) status = sop_cursor_key(p->cursor, &here);
        *found_out = status == SOP_OK && sop_slice_equal(here, ask->key);
        return status;
    }
    if (ask->has_rank) return sop_cursor_seek_rank(p->cursor, ask->rank);
    if (ask->has_at && count > 0) {
        double rank = floor(ask->at * (double)count);
        uint64_t whole = rank >= (double)count ? count - 1 : (uint64_t)rank;
        return sop_cursor_seek_rank(p->cursor, whole);
    }
    return sop_cursor_first(p->cursor);
}

/* ---- cursors of the wire: base64url of the size of the key (2 bytes), the key, the id ---- */

static void cursor_write(page *p, const char *name, sop_slice key, const sop_item_id *id)
{
    uint8_t bytes[2 + SOP_KEY_SIZE_MAX + 16];
    char text[sizeof bytes * 4 / 3 + 4];
    sop_json_key(p->out, sop_str(name));
    if (key.size == 0) {
        sop_json_null(p->out);
        return;
    }
    sop_put_u16le(bytes, (uint16_t)key.size);
    memcpy(bytes + 2, key.data, key.size);
    size_t size = 2 + key.size;
    if (p->traits.duplicates) {
        memcpy(bytes + size, id->bytes, 16);
        size += 16;
    }
    server_base64_write(sop_slice_of(bytes, size), text);
    sop_json_string(p->out, sop_slice_of(text, server_base64_size(size)));
}

/* 0, or -1. */
static int cursor_read(sop_slice text, sop_arena *arena, sop_slice *key, sop_slice *id)
{
    sop_slice bytes;
    if (server_base64_read(text, arena, &bytes) != 0 || bytes.size < 3) return -1;
    const uint8_t *at = bytes.data;
    size_t size = sop_get_u16le(at);
    if (size == 0 || size > SOP_KEY_SIZE_MAX) return -1;
    if (bytes.size != 2 + size && bytes.size != 2 + size + 16) return -1;
    *key = sop_slice_of(at + 2, size);
    *id = sop_slice_of(at + 2 + size, bytes.size - 2 - size);
    return 0;
}

/* ---- answers ---- */

static void member_uint(sop_json_writer *out, const char *name, uint64_t value)
{
    sop_json_key(out, sop_str(name));
    sop_json_uint(out, value);
}

static void member_null(sop_json_writer *out, const char *name)
{
    sop_json_key(out, sop_str(name));
    sop_json_null(out);
}

/* The sop_status of what failed, with its message in the request. */
static sop_status plain_page(page *p, sop_store *store, sop_txn *txn)
{
    uint64_t count;
    uint64_t rank = 0;
    int found = 0;
    sop_status status = sop_store_count(store, &count);
    if (status == SOP_OK) status = page_seek(p, count, &found);
    int empty = status == SOP_NOT_FOUND;
    if (status == SOP_OK) status = sop_cursor_rank(p->cursor, &rank);
    if (empty) rank = p->ask->has_rank ? p->ask->rank : count;
    if (!p->ask->lines) {
        sop_json_object_begin(p->out);
        sop_json_key(p->out, sop_str("items"));
        sop_json_array_begin(p->out);
    }
    if (status == SOP_OK) status = walk(p);
    if (status != SOP_OK && status != SOP_NOT_FOUND) return status;
    if (p->ask->lines) return SOP_OK;
    sop_json_array_end(p->out);
    int at_end = rank + p->count >= count;
    cursor_write(p, "next", at_end ? (sop_slice){0} : p->last, &p->last_id);
    cursor_write(p, "prev", rank == 0 ? (sop_slice){0} : p->first, &p->first_id);
    member_uint(p->out, "rank", rank);
    member_uint(p->out, "count", count);
    if (p->ask->key.size != 0) {
        sop_json_key(p->out, sop_str("found"));
        sop_json_bool(p->out, found);
    }
    member_uint(p->out, "snapshot", sop_txn_snapshot(txn));
    sop_json_object_end(p->out);
    return SOP_OK;
}

/* Scans until the page is full, the store ends, or the time or the number of items is used up. */
static sop_status scan(page *p, uint64_t *scanned)
{
    uint64_t end = sop_boot_ns() + SCAN_NS;
    sop_slice key;
    sop_slice value;
    sop_status status = SOP_OK;
    *scanned = 0;
    while (status == SOP_OK && !page_full(p) && *scanned < SCAN_ITEMS_MAX) {
        if (*scanned % 64 == 63 && sop_boot_ns() > end) break;
        status = sop_cursor_next(p->cursor);
        if (status == SOP_OK) status = sop_cursor_item(p->cursor, &key, &value);
        if (status == SOP_TOO_LARGE) { /* no condition is met by what cannot be read at once */
            ++*scanned;
            status = SOP_OK;
            continue;
        }
        if (status != SOP_OK) break;
        ++*scanned;
        if (server_where_match(&p->ask->where, p->traits.form, key, value)) {
            if (p->count == 0) status = key_keep(p, key, &p->first);
            if (status == SOP_OK) status = item_write(p, key, &value);
        }
    }
    return status;
}

static sop_status where_page(page *p, sop_txn *txn)
{
    uint64_t scanned;
    sop_slice last = {0};
    sop_status status = SOP_OK;
    if (p->ask->after.size != 0) {
        status = seek_behind(p, p->ask->after, p->ask->after_id);
        if (status == SOP_OK) status = sop_cursor_prev(p->cursor); /* the scan begins with next */
        if (status == SOP_NOT_FOUND) status = SOP_OK;
    }
    if (status != SOP_OK) return status;
    if (!p->ask->lines) {
        sop_json_object_begin(p->out);
        sop_json_key(p->out, sop_str("items"));
        sop_json_array_begin(p->out);
    }
    status = scan(p, &scanned);
    int at_end = status == SOP_NOT_FOUND;
    if (status != SOP_OK && !at_end) return status;
    if (p->ask->lines) return SOP_OK;
    sop_json_array_end(p->out);
    if (!at_end) {
        status = sop_cursor_key(p->cursor, &last);
        if (status == SOP_OK && p->traits.duplicates) {
            status = sop_cursor_item_id(p->cursor, &p->last_id);
        }
        if (status != SOP_OK) return status;
    }
    cursor_write(p, "next", last, &p->last_id);
    member_null(p->out, "prev");
    member_null(p->out, "rank");
    member_null(p->out, "count");
    member_uint(p->out, "scanned", scanned);
    member_uint(p->out, "snapshot", sop_txn_snapshot(txn));
    sop_json_object_end(p->out);
    return SOP_OK;
}

/* ---- the query ---- */

static int number_read(server_request *r, const char *name, uint64_t *out)
{
    const sop_slice *text = server_uri_param(&r->uri, name);
    if (text == NULL) return 0;
    return server_uint_read(*text, out) == 0 && *out <= INT64_MAX
               ? 1
               : server_bad(r, name, "%s is not a whole number", name);
}

static int cursors_read(server_request *r, page_request *ask)
{
    const sop_slice *after = server_uri_param(&r->uri, "after");
    const sop_slice *before = server_uri_param(&r->uri, "before");
    const sop_slice *key = server_uri_param(&r->uri, "key");
    sop_slice ignored;
    if (after != NULL && cursor_read(*after, &r->arena, &ask->after, &ask->after_id) != 0) {
        return server_error(r, 400, "bad_cursor", "after: the cursor cannot be read");
    }
    if (before != NULL && cursor_read(*before, &r->arena, &ask->before, &ignored) != 0) {
        return server_error(r, 400, "bad_cursor", "before: the cursor cannot be read");
    }
    if (key != NULL && server_key_token_read(*key, &r->arena, &ask->key, &r->err) != SOP_OK) {
        return server_error(r, 400, "bad_key", "%s", r->err.message);
    }
    return 0;
}

static int at_read(server_request *r, page_request *ask)
{
    const sop_slice *at = server_uri_param(&r->uri, "at");
    sop_decimal number;
    if (at == NULL) return 0;
    if (sop_decimal_parse(*at, &number) != 0) return server_bad(r, "at", "at is not a number");
    ask->at = sop_decimal_double(&number);
    ask->has_at = 1;
    return ask->at >= 0 && ask->at <= 1 ? 0 : server_bad(r, "at", "at is not within 0 and 1");
}

/* Comma-separated pointers of top-level fields. */
static int fields_read(server_request *r, page_request *ask)
{
    const sop_slice *fields = server_uri_param(&r->uri, "fields");
    if (fields == NULL) return 0;
    const char *at = fields->data;
    const char *end = at + fields->size;
    while (at < end) {
        const char *comma = memchr(at, ',', (size_t)(end - at));
        const char *stop = comma == NULL ? end : comma;
        sop_json_path *path;
        if (ask->field_count == FIELDS_MAX) return server_bad(r, "fields", "more than 64 fields");
        sop_status status =
            sop_json_path_new(sop_slice_of(at, (size_t)(stop - at)), &path, &r->err);
        if (status != SOP_OK) return server_bad(r, "fields", "%s", r->err.message);
        sop_slice name = path->count == 1 ? path->steps[0].name : (sop_slice){0};
        name.data = sop_arena_copy(&r->arena, name.data, name.size);
        int single = path->count == 1;
        sop_json_path_free(path);
        if (!single || name.data == NULL) {
            return server_bad(r, "fields", "a field must be at the top level");
        }
        ask->fields[ask->field_count++] = name;
        at = comma == NULL ? end : comma + 1;
    }
    return 0;
}

static int where_read(server_request *r, page_request *ask)
{
    const sop_slice *where = server_uri_param(&r->uri, "where");
    if (where == NULL) return 0;
    sop_status status = server_where_read(*where, &r->arena, &ask->where, &r->err);
    if (status != SOP_OK) return server_error(r, 400, "bad_where", "%s", r->err.message);
    ask->has_where = ask->where.count > 0;
    if (!ask->has_where) return 0;
    if (ask->key.size != 0 || ask->has_rank || ask->has_at || ask->before.size != 0) {
        return server_bad(r, "where", "where goes with after only");
    }
    return 0;
}

static int page_read(server_request *r, page_request *ask)
{
    const char *accept = MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND, "Accept");
    ask->limit = LIMIT_DEFAULT;
    ask->value_max = VALUE_MAX_DEFAULT;
    ask->lines = accept != NULL && strcmp(accept, "application/x-ndjson") == 0;
    if (server_uri_param(&r->uri, "as_of") != NULL) {
        return server_error(r, 501, "unsupported", "as_of is not in this build");
    }
    int status = cursors_read(r, ask);
    if (status == 0) status = at_read(r, ask);
    if (status != 0) return status;
    ask->has_rank = number_read(r, "rank", &ask->rank);
    if (ask->has_rank > 1) return ask->has_rank;
    int given = number_read(r, "limit", &ask->limit);
    if (given <= 1) given = number_read(r, "value_max", &ask->value_max);
    if (given > 1) return given;
    if (ask->limit == 0 || ask->limit > LIMIT_MAX) {
        return server_bad(r, "limit", "limit is 1 to %d", LIMIT_MAX);
    }
    if (ask->value_max > VALUE_MAX_LIMIT) ask->value_max = VALUE_MAX_LIMIT;
    int starts = (ask->after.size != 0) + (ask->before.size != 0) + (ask->key.size != 0) +
                 ask->has_rank + ask->has_at;
    if (starts > 1) return server_bad(r, "", "only one of after, before, key, at and rank");
    status = fields_read(r, ask);
    return status == 0 ? where_read(r, ask) : status;
}

int server_items_list(server_request *r)
{
    page_request ask = {0};
    sop_txn *txn;
    sop_store *store;
    sop_store_info info;
    int refused = page_read(r, &ask);
    if (refused == 0 && ask.has_where && !server_scan_begin(r->server)) {
        return server_error(r, 503, "busy", "%d scans are running; try again", SERVER_SCANS_MAX);
    }
    if (refused == 0) refused = server_store_enter(r, r->names[2], &txn, &store, &info);
    if (refused == 0) {
        page p = {.r = r, .ask = &ask, .limit = ask.limit, .store = store, .out = &r->out};
        server_store_traits_read(&info, &p.traits);
        if (ask.lines) r->type = "application/x-ndjson";
        sop_status status = sop_cursor_open(store, &p.cursor);
        if (status == SOP_OK) {
            status = ask.has_where ? where_page(&p, txn) : plain_page(&p, store, txn);
        }
        if (status != SOP_OK) {
            r->err = *sop_txn_error(txn);
            refused = server_fail(r, status, &r->err);
        }
        sop_txn_close(txn);
    }
    if (ask.has_where) server_scan_end(r->server);
    return refused == 0 ? 200 : refused;
}

/* ---- one item ---- */

/* Enters the store and puts a cursor on the item of the path. 0, or the status of the answer. */
static int item_enter(server_request *r, sop_txn **txn, page *p)
{
    sop_store_info info;
    sop_slice key;
    *txn = NULL;
    if (server_key_token_read(r->names[3], &r->arena, &key, &r->err) != SOP_OK) {
        return server_error(r, 400, "bad_key", "%s", r->err.message);
    }
    int refused = server_store_enter(r, r->names[2], txn, &p->store, &info);
    if (refused != 0) return refused;
    server_store_traits_read(&info, &p->traits);
    sop_status status = sop_cursor_open(p->store, &p->cursor);
    if (status == SOP_OK) status = sop_cursor_seek(p->cursor, key, SOP_SEEK_EQ);
    if (status == SOP_OK) return 0;
    r->err = *sop_txn_error(*txn);
    sop_txn_close(*txn);
    *txn = NULL;
    return status == SOP_NOT_FOUND
               ? server_error(r, 404, "not_found", "there is no item of this key")
               : server_fail(r, status, &r->err);
}

int server_item_get(server_request *r)
{
    page_request ask = {.limit = 1, .value_max = UINT64_MAX};
    page p = {.r = r, .ask = &ask, .out = &r->out};
    sop_txn *txn;
    uint64_t rank = 0;
    sop_slice key;
    sop_slice value;
    int refused = item_enter(r, &txn, &p);
    if (refused != 0) return refused;
    sop_status status = sop_cursor_key(p.cursor, &key);
    if (status == SOP_OK) status = sop_cursor_rank(p.cursor, &rank);
    sop_json_object_begin(p.out);
    sop_json_key(p.out, sop_str("k"));
    if (status == SOP_OK) server_key_write(p.out, p.traits.form, key);
    sop_json_key(p.out, sop_str("v"));
    if (status == SOP_OK) status = sop_cursor_value(p.cursor, &value);
    if (status == SOP_OK) value_write(&p, value);
    if (status == SOP_TOO_LARGE) {
        huge_write(&p, key);
        status = SOP_OK;
    }
    member_uint(p.out, "rank", rank);
    member_uint(p.out, "snapshot", sop_txn_snapshot(txn));
    sop_json_object_end(p.out);
    if (status != SOP_OK) r->err = *sop_txn_error(txn);
    sop_txn_close(txn);
    return status == SOP_OK ? 200 : server_fail(r, status, &r->err);
}

/* "bytes=a-b", "bytes=a-" or "bytes=-n" as [*from, *to). 1, 0: no range, -1: not satisfiable. */
static int range_read(const char *text, uint64_t size, uint64_t *from, uint64_t *to)
{
    *from = 0;
    *to = size;
    if (text == NULL || strncmp(text, "bytes=", 6) != 0 || strchr(text, ',') != NULL) return 0;
    const char *first = text + 6;
    const char *dash = strchr(first, '-');
    if (dash == NULL) return 0;
    uint64_t a = 0;
    uint64_t b = 0;
    int has_a = server_uint_read(sop_slice_of(first, (size_t)(dash - first)), &a) == 0;
    int has_b = server_uint_read(sop_str(dash + 1), &b) == 0;
    if (has_a && (has_b || dash[1] == '\0')) {
        *from = a;
        if (has_b && b < size) *to = b + 1;
    } else if (!has_a && has_b && dash == first) {
        *from = b < size ? size - b : 0;
    } else {
        return 0;
    }
    return *from < *to ? 1 : -1;
}

static int bytes_answer(server_request *r, sop_slice value)
{
    char etag[19];
    char range[80];
    uint64_t from;
    uint64_t to;
    const char *asked = MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND, "Range");
    int partial = range_read(asked, value.size, &from, &to);
    if (partial < 0) return server_error(r, 416, "bad_request", "the range lies outside");
    size_t size = (size_t)(to - from);
    struct MHD_Response *response = MHD_create_response_from_buffer(
        size, size == 0 ? NULL : server_mutable((const uint8_t *)value.data + from),
        MHD_RESPMEM_MUST_COPY);
    if (response == NULL) return server_fail(r, SOP_NO_MEMORY, NULL);
    etag[0] = '"';
    server_hex64_write(server_version(value), etag + 1);
    etag[17] = '"';
    etag[18] = '\0';
    (void)snprintf(range, sizeof range, "bytes %" PRIu64 "-%" PRIu64 "/%zu", from,
                   to == 0 ? 0 : to - 1, value.size);
    (void)MHD_add_response_header(response, "Content-Type", "application/octet-stream");
    (void)MHD_add_response_header(response, "Content-Disposition", "attachment");
    (void)MHD_add_response_header(response, "ETag", etag);
    if (partial) (void)MHD_add_response_header(response, "Content-Range", range);
    r->response = response;
    return partial ? 206 : 200;
}

int server_item_bytes(server_request *r)
{
    page_request ask = {.limit = 1, .value_max = UINT64_MAX};
    page p = {.r = r, .ask = &ask, .out = &r->out};
    sop_txn *txn;
    sop_slice value;
    int refused = item_enter(r, &txn, &p);
    if (refused != 0) return refused;
    sop_status status = sop_cursor_value(p.cursor, &value);
    int answer = status == SOP_OK ? bytes_answer(r, value) : 0;
    if (status != SOP_OK) r->err = *sop_txn_error(txn);
    sop_txn_close(txn);
    return status == SOP_OK ? answer : server_fail(r, status, &r->err);
}

/* ---- scans ---- */

int server_scan_begin(server *me)
{
    /* Only the number counts: nothing else is published with it. */
    if (atomic_fetch_add_explicit(&me->scans, 1, memory_order_relaxed) < SERVER_SCANS_MAX) return 1;
    server_scan_end(me);
    return 0;
}

void server_scan_end(server *me)
{
    (void)atomic_fetch_sub_explicit(&me->scans, 1, memory_order_relaxed); /* as above */
}
