/* SPDX-License-Identifier: MIT */
/* A database with something of everything, and what a reader must find in it. */
#include "support/rich.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/support.h"

enum { SMALL = 4000, LARGE = 12, LARGE_MAX = 1200000, PAIRS = 300, LOADED = 3000, PIECE = 65536 };

/* ---- making ---- */

static sop_slice key_make(char buffer[48], int i)
{
    int size = snprintf(buffer, 48, "key/%06d%s", i, i % 5 == 0 ? "/with a longer tail" : "");
    return (sop_slice){buffer, (size_t)size};
}

static void bytes_fill(uint8_t *bytes, size_t size, uint64_t seed)
{
    for (size_t i = 0; i + 8 <= size; i += 8) {
        uint64_t word = sop_test_random(&seed);
        memcpy(bytes + i, &word, 8);
    }
}

static void small_fill(sop_db *db, uint8_t *bytes, int from, int step)
{
    char buffer[48];
    sop_txn *txn = sop_test_begin(db, SOP_TXN_WRITE);
    sop_store *store = sop_test_store(txn, "small");
    for (int i = from; i < SMALL; i += step) {
        sop_slice key = key_make(buffer, i);
        if (i % 7 == 3 && from != 0) {
            uint64_t removed;
            SOP_TEST_OK(txn, sop_store_remove_range(store, key, (sop_slice){"key/9", 5}, &removed));
            break;
        }
        size_t size = (size_t)(i * 37 % 200);
        SOP_TEST_OK(txn, sop_store_put(store, key, (sop_slice){bytes + i, size}));
    }
    sop_test_commit(txn);
}

static void large_fill(sop_db *db, uint8_t *bytes)
{
    char buffer[48];
    sop_txn *txn = sop_test_begin(db, SOP_TXN_WRITE);
    sop_store *store = sop_test_store(txn, "large");
    sop_value_writer *writer;
    for (int i = 0; i < LARGE; i++) {
        sop_slice value = {bytes, (size_t)(3000 << (i % 9))};
        SOP_TEST_OK(txn, sop_store_put(store, key_make(buffer, i), value));
    }
    SOP_TEST_OK(txn, sop_value_append_open(store, key_make(buffer, 1), &writer));
    SOP_TEST_OK(txn, sop_value_write(writer, bytes, LARGE_MAX));
    SOP_TEST_OK(txn, sop_value_write_finish(writer));
    sop_test_commit(txn);
}

static void pairs_fill(sop_db *db, uint8_t *bytes)
{
    char buffer[48];
    sop_txn *txn = sop_test_begin(db, SOP_TXN_WRITE);
    sop_store *store = sop_test_store(txn, "pairs");
    for (int i = 0; i < PAIRS; i++) {
        sop_slice value = {bytes + i, (size_t)(i % 50)};
        SOP_TEST_OK(txn, sop_store_add(store, key_make(buffer, i / 3), value));
    }
    sop_test_commit(txn);
}

static void loaded_fill(sop_db *db, uint8_t *bytes)
{
    char buffer[48];
    sop_bulk *bulk;
    sop_error err = {0};
    assert_int_equal(sop_bulk_open(db, "loaded", NULL, &bulk, &err), SOP_OK);
    for (int i = 0; i < LOADED; i++) {
        sop_slice value = {bytes + i, i % 500 == 0 ? 70000u : (size_t)(i % 120)};
        assert_int_equal(sop_bulk_add(bulk, key_make(buffer, i), value), SOP_OK);
    }
    assert_int_equal(sop_bulk_finish(bulk, NULL), SOP_OK);
}

static void checkpoint(sop_db *db)
{
    sop_error err = {0};
    if (sop_db_checkpoint(db, &err) != SOP_OK) fail_msg("checkpoint: %s", err.message);
}

void sop_test_rich_make(sop_test_place *place)
{
    uint8_t *bytes = malloc(LARGE_MAX + SMALL);
    assert_non_null(bytes);
    bytes_fill(bytes, LARGE_MAX + SMALL, 7);
    sop_db *db = sop_test_open(place, NULL);
    sop_store_options duplicates = SOP_STORE_OPTIONS_INIT;
    duplicates.allow_duplicates = 1;
    duplicates.attributes = sop_str("{\"description\":\"pairs\"}");
    (void)sop_test_create(db, "small", NULL);
    (void)sop_test_create(db, "large", NULL);
    (void)sop_test_create(db, "pairs", &duplicates);
    (void)sop_test_create(db, "empty", NULL);
    (void)sop_test_create(db, "dropped", NULL);
    small_fill(db, bytes, 0, 1);
    large_fill(db, bytes);
    checkpoint(db);
    pairs_fill(db, bytes);
    small_fill(db, bytes + 100, 2, 4);
    sop_txn *txn = sop_test_begin(db, SOP_TXN_WRITE);
    SOP_TEST_OK(txn, sop_store_drop(txn, "dropped"));
    sop_test_commit(txn);
    checkpoint(db);
    loaded_fill(db, bytes);
    /* These stay in the log: little enough that closing does not write them into the base. */
    txn = sop_test_begin(db, SOP_TXN_WRITE);
    sop_store *store = sop_test_store(txn, "small");
    char buffer[48];
    for (int i = 0; i < 300; i++)
        SOP_TEST_OK(txn, sop_store_put(store, key_make(buffer, i * 3), (sop_slice){bytes, 77}));
    SOP_TEST_OK(txn, sop_store_put(sop_test_store(txn, "large"), key_make(buffer, 3),
                                   (sop_slice){bytes + 1, 200000}));
    sop_test_commit(txn);
    sop_test_close(place);
    free(bytes);
}

/* ---- reading ---- */

static uint64_t hash(uint64_t h, const void *data, size_t size)
{
    /* FNV-1a by words is plenty: what differs here is single bits. */
    const uint8_t *p = data;
    for (; size >= 8; size -= 8, p += 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        h = (h ^ word) * 0x100000001b3u;
        h ^= h >> 29;
    }
    for (; size > 0; size--, p++)
        h = (h ^ *p) * 0x100000001b3u;
    return h;
}

static sop_status cursor_item(sop_cursor *cursor, sop_test_item *out)
{
    sop_slice key;
    sop_slice value;
    sop_status status = sop_cursor_item(cursor, &key, &value);
    if (status != SOP_OK) return status;
    out->key_size = key.size;
    out->key = malloc(key.size);
    assert_non_null(out->key);
    memcpy(out->key, key.data, key.size);
    out->value_size = value.size;
    out->value_hash = hash(1, value.data, value.size);
    return SOP_OK;
}

static sop_status store_note(const sop_store_info *info, void *context)
{
    sop_test_content *content = context;
    sop_test_content_store *s = &content->stores[content->count++];
    assert_true(content->count <= sizeof content->stores / sizeof content->stores[0]);
    (void)snprintf(s->name, sizeof s->name, "%s", info->name);
    s->items = calloc(info->count + 1, sizeof *s->items);
    assert_non_null(s->items);
    s->count = info->count;
    content->items += s->count;
    return SOP_OK;
}

void sop_test_content_read(sop_db *db, sop_test_content *out)
{
    memset(out, 0, sizeof *out);
    sop_txn *txn = sop_test_begin(db, SOP_TXN_READ);
    SOP_TEST_OK(txn, sop_store_list(txn, store_note, out));
    for (size_t s = 0; s < out->count; s++) {
        sop_cursor *cursor;
        sop_store *store = sop_test_store(txn, out->stores[s].name);
        SOP_TEST_OK(txn, sop_cursor_open(store, &cursor));
        for (size_t i = 0; i < out->stores[s].count; i++) {
            SOP_TEST_OK(txn, sop_cursor_next(cursor));
            SOP_TEST_OK(txn, cursor_item(cursor, &out->stores[s].items[i]));
        }
        assert_int_equal(sop_cursor_next(cursor), SOP_NOT_FOUND);
    }
    sop_txn_close(txn);
}

void sop_test_content_free(sop_test_content *content)
{
    for (size_t s = 0; s < content->count; s++) {
        for (size_t i = 0; i < content->stores[s].count; i++)
            free(content->stores[s].items[i].key);
        free(content->stores[s].items);
    }
}

/* Counts a read that did not give what it should: an error that was reported is fine here. */
static void count(sop_test_reading *r, sop_txn *txn, sop_status status, const char *what)
{
    if (status == SOP_CORRUPT || status == SOP_IO) {
        const sop_error *err = sop_txn_error(txn);
        if (r->errors++ == 0)
            (void)snprintf(r->first_error, sizeof r->first_error, "%s", err->message);
        return;
    }
    if (r->wrong++ == 0) {
        (void)snprintf(r->first_wrong, sizeof r->first_wrong, "%s: %s", what,
                       sop_status_name(status));
    }
}

static int same(const sop_test_item *a, const sop_test_item *b)
{
    return a->key_size == b->key_size && memcmp(a->key, b->key, a->key_size) == 0 &&
           a->value_size == b->value_size && a->value_hash == b->value_hash;
}

static void scan_compare(sop_txn *txn,
                         sop_store *store,
                         const sop_test_content_store *want,
                         sop_test_reading *r)
{
    sop_cursor *cursor;
    SOP_TEST_OK(txn, sop_cursor_open(store, &cursor));
    for (size_t i = 0; i <= want->count; i++) {
        sop_test_item got = {0};
        sop_status status = sop_cursor_next(cursor);
        if (i == want->count && status == SOP_NOT_FOUND) break;
        if (status == SOP_OK && i < want->count) {
            status = cursor_item(cursor, &got);
            if (status == SOP_OK && !same(&got, &want->items[i])) count(r, txn, SOP_OK, "scan");
            free(got.key);
            if (status != SOP_OK) count(r, txn, status, "value in a scan");
            continue;
        }
        count(r, txn, status, "scan ends");
        break;
    }
    sop_cursor_close(cursor);
}

static void
value_compare(sop_txn *txn, sop_store *store, const sop_test_item *want, sop_test_reading *r)
{
    static uint8_t piece[PIECE];
    uint64_t h = 1;
    uint64_t offset = 0;
    size_t got = 0;
    sop_slice key = {want->key, want->key_size};
    do {
        sop_status status = sop_value_read(store, key, offset, piece, PIECE, &got);
        if (status != SOP_OK) {
            count(r, txn, status, "value read");
            return;
        }
        h = hash(h, piece, got);
        offset += got;
    } while (got == PIECE);
    if (offset != want->value_size || h != want->value_hash) count(r, txn, SOP_OK, "value read");
}

/* By key, by pieces and by position. */
static void gets_compare(sop_txn *txn,
                         sop_store *store,
                         const sop_test_content_store *want,
                         sop_test_reading *r)
{
    int unique = strcmp(want->name, "pairs") != 0;
    for (size_t i = 0; i < want->count; i++) {
        sop_slice value;
        uint64_t rank;
        const sop_test_item *item = &want->items[i];
        sop_slice key = {item->key, item->key_size};
        sop_status status = sop_store_rank(store, key, &rank);
        if (status != SOP_OK || (unique && rank != i)) count(r, txn, status, "rank");
        if (!unique) continue;
        status = sop_store_get(store, key, &value);
        if (status != SOP_OK || value.size != item->value_size ||
            hash(1, value.data, value.size) != item->value_hash) {
            count(r, txn, status, "get");
        }
        if (item->value_size > 2048) value_compare(txn, store, item, r);
    }
    uint64_t number;
    sop_status status = sop_store_count(store, &number);
    if (status != SOP_OK || number != want->count) count(r, txn, status, "count");
}

void sop_test_content_compare(sop_db *db, const sop_test_content *want, sop_test_reading *out)
{
    memset(out, 0, sizeof *out);
    sop_txn *txn = sop_test_begin(db, SOP_TXN_READ);
    for (size_t s = 0; s < want->count; s++) {
        sop_store *store;
        sop_status status = sop_store_open(txn, want->stores[s].name, &store);
        if (status != SOP_OK) {
            count(out, txn, status, "store");
            continue;
        }
        scan_compare(txn, store, &want->stores[s], out);
        gets_compare(txn, store, &want->stores[s], out);
    }
    sop_txn_close(txn);
}
