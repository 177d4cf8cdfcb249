/* SPDX-License-Identifier: MIT */
/* Follows what is committed: inserts, updates and removes, with the note of each commit. Usage: follow [URL] */
#include <inttypes.h>
#include <sop/sop.h>
#include <stdio.h>

static sop_status publish(sop_txn *txn, void *context)
{
    (void)context;
    sop_store *store = NULL;
    sop_status status = sop_store_create(txn, "news", NULL, &store);
    if (status == SOP_OK) status = sop_store_put(store, sop_str("monday"), sop_str("rain"));
    if (status == SOP_OK) status = sop_store_put(store, sop_str("tuesday"), sop_str("sun"));
    if (status == SOP_OK) status = sop_txn_note(txn, sop_str("first edition"));
    return status;
}

static sop_status correct(sop_txn *txn, void *context)
{
    (void)context;
    sop_store *store = NULL;
    sop_status status = sop_store_open(txn, "news", &store);
    if (status == SOP_OK) status = sop_store_update(store, sop_str("monday"), sop_str("storm"));
    if (status == SOP_OK) status = sop_store_remove(store, sop_str("tuesday"));
    if (status == SOP_OK) status = sop_txn_note(txn, sop_str("corrected"));
    return status;
}

static void print_change(const sop_change *change)
{
    static const char *const words[] = {"?",           "insert",       "update",
                                        "remove",      "create store", "drop store",
                                        "alter store", "load store",   "commit"};
    size_t kind = (size_t)change->kind;
    printf("%" PRIu64 " %s %.*s %.*s\n", change->seq,
           words[kind < sizeof(words) / sizeof(words[0]) ? kind : 0], (int)change->key.size,
           change->key.size == 0 ? "" : (const char *)change->key.data, (int)change->value.size,
           change->value.size == 0 ? "" : (const char *)change->value.data);
}

/* Prints changes until two commits have passed. */
static sop_status follow(sop_db *db, int *changes_out, sop_error *error)
{
    sop_changes *feed = NULL;
    int commits = 0;
    sop_status status = sop_changes_open(db, 0, &feed, error);
    while (status == SOP_OK && commits < 2) {
        sop_change change = SOP_CHANGE_INIT;
        status = sop_changes_next(feed, 10000, &change);
        if (status != SOP_OK) {
            *error = *sop_changes_error(feed);
            break;
        }
        print_change(&change);
        if (change.kind == SOP_CHANGE_COMMIT) {
            commits++;
        } else {
            (*changes_out)++;
        }
    }
    sop_changes_close(feed);
    return status;
}

int main(int argc, char **argv)
{
    sop_db *db = NULL;
    sop_error error = {SOP_OK, ""};
    int changes = 0;
    sop_status status = sop_db_open(argc > 1 ? argv[1] : "memory:", NULL, &db, &error);
    if (status == SOP_OK) status = sop_txn_run(db, NULL, publish, NULL, &error);
    if (status == SOP_OK) status = sop_txn_run(db, NULL, correct, NULL, &error);
    if (status == SOP_OK) status = follow(db, &changes, &error);
    sop_status closed = sop_db_close(db, status == SOP_OK ? &error : NULL);
    if (status == SOP_OK) status = closed;
    if (status != SOP_OK) fprintf(stderr, "%s: %s\n", sop_status_name(status), error.message);
    return status != SOP_OK || changes != 5;
}
