/* SPDX-License-Identifier: MIT */
/*
 * Copies a database while it is open, checks the copy, and reads from it. Usage: backup [URL [TARGET]]
 */
#include <inttypes.h>
#include <sop/sop.h>
#include <stdio.h>

static sop_status write_diary(sop_txn *txn, void *context)
{
    (void)context;
    sop_store *store = NULL;
    sop_status status = sop_store_create(txn, "diary", NULL, &store);
    if (status == SOP_OK) status = sop_store_put(store, sop_str("day 1"), sop_str("left port"));
    return status;
}

static sop_status read_diary(sop_txn *txn, void *context)
{
    (void)context;
    sop_store *store = NULL;
    sop_slice value = {NULL, 0};
    sop_status status = sop_store_open(txn, "diary", &store);
    if (status == SOP_OK) status = sop_store_get(store, sop_str("day 1"), &value);
    if (status == SOP_OK) printf("day 1: %.*s\n", (int)value.size, (const char *)value.data);
    return status;
}

static sop_status show_progress(uint64_t done, uint64_t total, void *context)
{
    (void)context;
    printf("%" PRIu64 " of %" PRIu64 " bytes\n", done, total);
    return SOP_OK; /* anything else would end the backup */
}

static sop_status inspect(const char *url, sop_error *error)
{
    sop_db *copy = NULL;
    sop_db_options options = SOP_DB_OPTIONS_INIT;
    sop_check_report report = SOP_CHECK_REPORT_INIT;
    options.open_mode = SOP_OPEN_EXISTING;
    sop_status status = sop_db_open(url, &options, &copy, error);
    if (status == SOP_OK) status = sop_db_check(copy, NULL, &report, error);
    if (status == SOP_OK) printf("%" PRIu64 " items checked\n", report.items);
    if (status == SOP_OK) status = sop_txn_run(copy, NULL, read_diary, NULL, error);
    sop_status closed = sop_db_close(copy, status == SOP_OK ? error : NULL);
    return status == SOP_OK ? closed : status;
}

int main(int argc, char **argv)
{
    const char *target = argc > 2 ? argv[2] : "memory:copy";
    sop_db *db = NULL;
    sop_error error = {SOP_OK, ""};
    sop_work_options work = SOP_WORK_OPTIONS_INIT;
    work.progress = show_progress;
    sop_status status = sop_db_open(argc > 1 ? argv[1] : "memory:", NULL, &db, &error);
    if (status == SOP_OK) status = sop_txn_run(db, NULL, write_diary, NULL, &error);
    if (status == SOP_OK) status = sop_db_backup(db, target, &work, &error);
    sop_status closed = sop_db_close(db, status == SOP_OK ? &error : NULL);
    if (status == SOP_OK) status = closed;
    if (status == SOP_OK) status = inspect(target, &error);
    if (status != SOP_OK) fprintf(stderr, "%s: %s\n", sop_status_name(status), error.message);
    return status != SOP_OK;
}
