/* SPDX-License-Identifier: MIT */
/* Opens a database, stores a greeting, reads it back. Usage: hello [URL] */
#include <sop/sop.h>
#include <stdio.h>

static sop_status greet(sop_txn *txn, void *context)
{
    (void)context;
    sop_store *store = NULL;
    sop_status status = sop_store_open(txn, "greetings", &store);
    if (status == SOP_NOT_FOUND) status = sop_store_create(txn, "greetings", NULL, &store);
    if (status != SOP_OK) return status;
    return sop_store_put(store, sop_str("en"), sop_str("hello, world"));
}

static sop_status show(sop_txn *txn, void *context)
{
    (void)context;
    sop_store *store = NULL;
    sop_slice value = {NULL, 0};
    sop_status status = sop_store_open(txn, "greetings", &store);
    if (status != SOP_OK) return status;
    status = sop_store_get(store, sop_str("en"), &value);
    if (status != SOP_OK) return status;
    printf("%.*s\n", (int)value.size, (const char *)value.data);
    return SOP_OK;
}

int main(int argc, char **argv)
{
    sop_db *db = NULL;
    sop_error error = {SOP_OK, ""};
    sop_txn_options reading = SOP_TXN_OPTIONS_INIT;
    reading.mode = SOP_TXN_READ;

    sop_status status = sop_db_open(argc > 1 ? argv[1] : "memory:", NULL, &db, &error);
    if (status == SOP_OK) status = sop_txn_run(db, NULL, greet, NULL, &error);
    if (status == SOP_OK) status = sop_txn_run(db, &reading, show, NULL, &error);
    sop_status closed = sop_db_close(db, status == SOP_OK ? &error : NULL);
    if (status == SOP_OK) status = closed;
    if (status != SOP_OK) fprintf(stderr, "%s: %s\n", sop_status_name(status), error.message);
    return status != SOP_OK;
}
