/* SPDX-License-Identifier: MIT */
/*
 * Pages through a store of 10,000 items: a page by number, the page around a key, the place in per cent.
 * Usage: pages [URL]
 */
#include <inttypes.h>
#include <sop/sop.h>
#include <stdio.h>

enum { ITEMS = 10000, PAGE = 20 };

/* Integer keys that sort by their number: sop/key.h. */
static sop_slice number_key(int64_t number, void *buffer, size_t capacity)
{
    sop_key_builder builder;
    sop_slice key = {NULL, 0};
    sop_key_begin(&builder, buffer, capacity);
    sop_key_add_int(&builder, number);
    if (sop_key_end(&builder, &key, NULL) != SOP_OK) key.size = 0;
    return key;
}

static sop_status fill(sop_txn *txn, void *context)
{
    (void)context;
    sop_store *store = NULL;
    sop_status status = sop_store_create(txn, "squares", NULL, &store);
    for (int64_t i = 0; status == SOP_OK && i < ITEMS; i++) {
        char bytes[16];
        char text[32];
        int size = snprintf(text, sizeof(text), "%" PRId64, i * i);
        sop_slice value = {text, (size_t)size};
        status = sop_store_put(store, number_key(i, bytes, sizeof(bytes)), value);
    }
    return status;
}

/* Prints the ends of the page that begins at a position: one jump, whatever the position. */
static sop_status print_page(sop_cursor *cursor, uint64_t first)
{
    sop_item items[PAGE];
    size_t count = 0;
    sop_status status = sop_cursor_seek_rank(cursor, first);
    /* A page begins behind the cursor, so one step back; before the first item is a place to stand too. */
    if (status == SOP_OK) status = sop_cursor_prev(cursor);
    if (status == SOP_OK || status == SOP_NOT_FOUND) {
        status = sop_cursor_read(cursor, 1, items, PAGE, &count);
    }
    if (status != SOP_OK) return status;
    printf("items %" PRIu64 " to %" PRIu64 ": %.*s ... %.*s\n", first, first + count - 1,
           (int)items[0].value.size, (const char *)items[0].value.data,
           (int)items[count - 1].value.size, (const char *)items[count - 1].value.data);
    return count == PAGE ? SOP_OK : SOP_NOT_FOUND;
}

static sop_status browse(sop_txn *txn, void *context)
{
    (void)context;
    char bytes[16];
    sop_store *store = NULL;
    sop_cursor *cursor = NULL;
    uint64_t count = 0;
    uint64_t rank = 0;
    sop_status status = sop_store_open(txn, "squares", &store);
    if (status == SOP_OK) status = sop_cursor_open(store, &cursor);
    if (status == SOP_OK) status = sop_store_count(store, &count);
    if (status == SOP_OK) status = print_page(cursor, 0);
    if (status == SOP_OK) status = print_page(cursor, 249 * PAGE); /* page 250 */
    if (status == SOP_OK) status = print_page(cursor, count * 75 / 100);
    if (status == SOP_OK)
        status = sop_cursor_seek(cursor, number_key(4321, bytes, sizeof(bytes)), SOP_SEEK_GE);
    if (status == SOP_OK) status = sop_cursor_rank(cursor, &rank);
    if (status == SOP_OK) status = print_page(cursor, rank - PAGE / 2);
    return status == SOP_OK && rank != 4321 ? SOP_CORRUPT : status;
}

int main(int argc, char **argv)
{
    sop_db *db = NULL;
    sop_error error = {SOP_OK, ""};
    sop_status status = sop_db_open(argc > 1 ? argv[1] : "memory:", NULL, &db, &error);
    if (status == SOP_OK) status = sop_txn_run(db, NULL, fill, NULL, &error);
    if (status == SOP_OK) status = sop_txn_run(db, NULL, browse, NULL, &error);
    sop_status closed = sop_db_close(db, status == SOP_OK ? &error : NULL);
    if (status == SOP_OK) status = closed;
    if (status != SOP_OK) fprintf(stderr, "%s: %s\n", sop_status_name(status), error.message);
    return status != SOP_OK;
}
