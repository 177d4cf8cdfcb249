/* SPDX-License-Identifier: MIT */
/*
 * A store in which several items have the same key: articles filed under words. Removes one of the equals.
 * Usage: duplicates [URL]
 */
#include <inttypes.h>
#include <sop/sop.h>
#include <stdio.h>
#include <string.h>

static sop_status file_articles(sop_txn *txn, void *context)
{
    static const char *const articles[][2] = {
        {"sea", "On tides"}, {"sea", "On whales"}, {"sky", "On clouds"}, {"sea", "On salt"}};
    (void)context;
    sop_store_options options = SOP_STORE_OPTIONS_INIT;
    sop_store *store = NULL;
    options.allow_duplicates = 1;
    sop_status status = sop_store_create(txn, "index", &options, &store);
    for (size_t i = 0; status == SOP_OK && i < sizeof(articles) / sizeof(articles[0]); i++) {
        status = sop_store_add(store, sop_str(articles[i][0]), sop_str(articles[i][1]));
    }
    return status;
}

/* Removes the article under the word and prints what remains there. */
static sop_status withdraw(sop_txn *txn, void *context)
{
    const char *title = (const char *)context;
    sop_store *store = NULL;
    sop_cursor *cursor = NULL;
    sop_slice key;
    sop_slice value;
    uint64_t left = 0;
    sop_status status = sop_store_open(txn, "index", &store);
    if (status == SOP_OK) status = sop_cursor_open(store, &cursor);
    /* The end of the range is the first key that is no "sea". */
    if (status == SOP_OK) status = sop_cursor_bound(cursor, sop_str("sea"), sop_str("seb"));
    if (status != SOP_OK) return status;
    while ((status = sop_cursor_next(cursor)) == SOP_OK) {
        status = sop_cursor_item(cursor, &key, &value);
        if (status != SOP_OK) return status;
        if (value.size == strlen(title) && memcmp(value.data, title, value.size) == 0) {
            status = sop_cursor_remove(cursor);
            if (status != SOP_OK) return status;
        } else {
            printf("%.*s: %.*s\n", (int)key.size, (const char *)key.data, (int)value.size,
                   (const char *)value.data);
        }
    }
    if (status != SOP_NOT_FOUND) return status;
    status = sop_store_count_range(store, sop_str("sea"), sop_str("seb"), &left);
    return status == SOP_OK && left != 2 ? SOP_CORRUPT : status;
}

int main(int argc, char **argv)
{
    char title[] = "On whales";
    sop_db *db = NULL;
    sop_error error = {SOP_OK, ""};
    sop_status status = sop_db_open(argc > 1 ? argv[1] : "memory:", NULL, &db, &error);
    if (status == SOP_OK) status = sop_txn_run(db, NULL, file_articles, NULL, &error);
    if (status == SOP_OK) status = sop_txn_run(db, NULL, withdraw, title, &error);
    sop_status closed = sop_db_close(db, status == SOP_OK ? &error : NULL);
    if (status == SOP_OK) status = closed;
    if (status != SOP_OK) fprintf(stderr, "%s: %s\n", sop_status_name(status), error.message);
    return status != SOP_OK;
}
