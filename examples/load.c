/* SPDX-License-Identifier: MIT */
/* Loads 100,000 sorted items into a new store at once. Usage: load [URL] */
#include <inttypes.h>
#include <sop/sop.h>
#include <stdio.h>

enum { ITEMS = 100000 };

static sop_status load(sop_db *db, sop_error *error)
{
    sop_bulk *bulk = NULL;
    sop_status status = sop_bulk_open(db, "words", NULL, &bulk, error);
    for (int i = 0; status == SOP_OK && i < ITEMS; i++) {
        char key[16];
        int size = snprintf(key, sizeof(key), "word%07d", i);
        sop_slice slice = {key, (size_t)size};
        status = sop_bulk_add(bulk, slice, sop_str("meaning"));
    }
    if (status == SOP_OK) status = sop_bulk_finish(bulk, NULL);
    if (status != SOP_OK && bulk != NULL) {
        *error = *sop_bulk_error(bulk);
        sop_bulk_abort(bulk);
    }
    return status;
}

static sop_status count(sop_txn *txn, void *context)
{
    sop_store *store = NULL;
    sop_status status = sop_store_open(txn, "words", &store);
    return status == SOP_OK ? sop_store_count(store, (uint64_t *)context) : status;
}

int main(int argc, char **argv)
{
    sop_db *db = NULL;
    sop_error error = {SOP_OK, ""};
    uint64_t items = 0;
    sop_status status = sop_db_open(argc > 1 ? argv[1] : "memory:", NULL, &db, &error);
    if (status == SOP_OK) status = load(db, &error);
    if (status == SOP_OK) status = sop_txn_run(db, NULL, count, &items, &error);
    if (status == SOP_OK) printf("%" PRIu64 " items\n", items);
    sop_status closed = sop_db_close(db, status == SOP_OK ? &error : NULL);
    if (status == SOP_OK) status = closed;
    if (status != SOP_OK) fprintf(stderr, "%s: %s\n", sop_status_name(status), error.message);
    return status != SOP_OK || items != ITEMS;
}
