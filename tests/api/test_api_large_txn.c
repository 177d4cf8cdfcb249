/* SPDX-License-Identifier: MIT */
/* Transactions of very many items: all or nothing, small in the log, the same after a reopen, in a feed and in a check. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "support/place.h"
#include "support/support.h"

enum { MIB = 1 << 20, VALUE = 60 };

static sop_slice key_of(uint32_t i, char buffer[12])
{
    (void)snprintf(buffer, 12, "%010u", i);
    return (sop_slice){buffer, 10};
}

static sop_db *open_small(sop_test_place *place)
{
    sop_db_options options = SOP_DB_OPTIONS_INIT;
    options.memory_max = 4 * MIB;
    options.txn_memory_max = UINT64_C(1) << 30;
    options.workers = -1;
    return sop_test_open(place, &options);
}

static void value_put(sop_txn *txn, sop_store *store, uint32_t i, uint32_t version)
{
    char key[12];
    char value[VALUE] = {0};
    memcpy(value, &version, sizeof version);
    memcpy(value + 4, &i, sizeof i);
    SOP_TEST_OK(txn, sop_store_put(store, key_of(i, key), (sop_slice){value, VALUE}));
}

static uint64_t log_bytes(sop_db *db)
{
    sop_stats stats = SOP_STATS_INIT;
    assert_int_equal(sop_db_stats(db, &stats, NULL), SOP_OK);
    return stats.log_bytes;
}

static uint32_t version_at(sop_txn *txn, sop_store *store, uint32_t i)
{
    char key[12];
    sop_slice value;
    uint32_t version;
    uint32_t number;
    sop_status status = sop_store_get(store, key_of(i, key), &value);
    if (status == SOP_NOT_FOUND) return 0;
    SOP_TEST_OK(txn, status);
    assert_int_equal(value.size, VALUE);
    memcpy(&version, value.data, sizeof version);
    memcpy(&number, (const char *)value.data + 4, sizeof number);
    assert_int_equal(number, i);
    return version;
}

/* Version 1 everywhere; then version 2 at multiples of 3, nothing at multiples of 5. */
static uint32_t wanted(uint32_t i)
{
    return i % 5 == 0 ? 0 : i % 3 == 0 ? 2 : 1;
}

static void all_judge(sop_db *db, uint32_t items)
{
    sop_txn *txn = sop_test_begin(db, SOP_TXN_READ);
    sop_store *store = sop_test_store(txn, "s");
    uint64_t count = 0;
    uint64_t expected = 0;
    for (uint32_t i = 0; i < items; i++) {
        assert_int_equal(version_at(txn, store, i), wanted(i));
        expected += wanted(i) != 0;
    }
    SOP_TEST_OK(txn, sop_store_count(store, &count));
    assert_int_equal(count, expected);
    sop_txn_close(txn);
    sop_test_check(db);
}

/* The newest transaction, as the feed tells it. */
static void feed_judge(sop_db *db, uint64_t seq, uint32_t items)
{
    sop_error err = {0};
    sop_changes *feed;
    sop_change change = SOP_CHANGE_INIT;
    uint64_t seen[4] = {0};
    uint64_t updates = 0;
    uint64_t removes = 0;
    for (uint32_t i = 0; i < items; i++) {
        removes += wanted(i) == 0;
        updates += wanted(i) == 2;
    }
    assert_int_equal(sop_changes_open(db, seq - 1, &feed, &err), SOP_OK);
    sop_status status;
    while ((status = sop_changes_next(feed, 0, &change)) == SOP_OK) {
        if (change.kind == SOP_CHANGE_COMMIT) continue;
        assert_int_equal(change.seq, seq);
        assert_true(change.kind <= SOP_CHANGE_REMOVE);
        assert_int_equal(change.key.size, 10);
        seen[change.kind]++;
    }
    assert_int_equal(status, SOP_TIMEOUT);
    assert_int_equal(seen[SOP_CHANGE_INSERT], 0);
    assert_int_equal(seen[SOP_CHANGE_UPDATE], updates);
    assert_int_equal(seen[SOP_CHANGE_REMOVE], removes);
    sop_changes_close(feed);
}

/* Opens a copy of the folder as it is now, as after a kill. */
static sop_db *copy_open(const sop_test_place *place, sop_test_place *copy)
{
    *copy = *place;
    (void)snprintf(copy->url, sizeof copy->url, "file:%s/copy", place->folder);
    sop_test_shell("rm -rf %s/copy && cp -a %s/db %s/copy", place->folder, place->folder,
                   place->folder);
    return open_small(copy);
}

static void copy_close(sop_test_place *copy)
{
    sop_error err = {0};
    assert_int_equal(sop_db_close(copy->db, &err), SOP_OK);
}

static void test_a_transaction_of_very_many_items_is_all_there_or_not(void **state)
{
    sop_test_place *place = *state;
    sop_test_place copy;
    uint32_t items = sop_test_soak() ? 1000000 : 100000;
    char key[12];
    sop_db *db = open_small(place);
    (void)sop_test_create(db, "s", NULL);
    uint64_t before = log_bytes(db);
    sop_txn *txn = sop_test_begin(db, SOP_TXN_WRITE);
    sop_store *store = sop_test_store(txn, "s");
    for (uint32_t i = 0; i < items; i++) {
        value_put(txn, store, (uint32_t)((uint64_t)i * 7919 % items), 1);
    }
    sop_test_commit(txn);
    /* All goes to the segments; the log only names it. */
    assert_true(log_bytes(db) - before < 64 * 1024);
    txn = sop_test_begin(db, SOP_TXN_WRITE);
    store = sop_test_store(txn, "s");
    for (uint32_t i = 0; i < items; i++) {
        if (wanted(i) == 2) value_put(txn, store, i, 2);
        if (wanted(i) == 0) SOP_TEST_OK(txn, sop_store_remove(store, key_of(i, key)));
    }
    SOP_TEST_OK(txn, sop_txn_commit(txn));
    uint64_t seq = sop_txn_seq(txn);
    sop_txn_close(txn);
    all_judge(db, items);
    feed_judge(db, seq, items);
    all_judge(copy_open(place, &copy), items);
    assert_int_equal(sop_db_checkpoint(copy.db, NULL), SOP_OK);
    all_judge(copy.db, items);
    copy_close(&copy);
    assert_int_equal(sop_db_checkpoint(db, NULL), SOP_OK);
    feed_judge(db, seq, items);
    sop_test_close(place);
    all_judge(open_small(place), items);
    sop_test_close(place);
}

static void one_put(sop_db *db, uint32_t i, uint32_t version)
{
    char key[12];
    sop_txn *txn = sop_test_begin(db, SOP_TXN_WRITE);
    sop_store *store = sop_test_store(txn, "s");
    if (version != 0) {
        value_put(txn, store, i, version);
    } else {
        SOP_TEST_OK(txn, sop_store_remove(store, key_of(i, key)));
    }
    sop_test_commit(txn);
}

/* What others wrote since its snapshot is in the frame as it came out, in place of the items of the runs. */
static void test_blind_puts_of_a_large_transaction_meet_what_others_wrote_since(void **state)
{
    enum { ITEMS = 20000 };
    sop_test_place *place = *state;
    sop_test_place copy;
    sop_db *db = open_small(place);
    (void)sop_test_create(db, "s", NULL);
    for (uint32_t i = 0; i < 100; i++) {
        one_put(db, 3 * i, 7);
    }
    sop_txn *txn = sop_test_begin(db, SOP_TXN_WRITE);
    sop_store *store = sop_test_store(txn, "s");
    for (uint32_t i = 0; i < ITEMS; i++) {
        value_put(txn, store, i, 1);
    }
    for (uint32_t i = 0; i < 100; i++) {
        one_put(db, 3 * i, i % 2 == 0 ? 0 : 9);
        one_put(db, 3 * i + 1, 9);
        one_put(db, ITEMS + i, 9);
    }
    SOP_TEST_OK(txn, sop_txn_commit(txn));
    uint64_t seq = sop_txn_seq(txn);
    sop_txn_close(txn);
    (void)copy_open(place, &copy);
    sop_db *dbs[] = {db, copy.db};
    for (int d = 0; d < 2; d++) {
        for (int again = 0; again < 2; again++) {
            uint64_t count;
            txn = sop_test_begin(dbs[d], SOP_TXN_READ);
            store = sop_test_store(txn, "s");
            SOP_TEST_OK(txn, sop_store_count(store, &count));
            assert_int_equal(count, ITEMS + 100);
            for (uint32_t i = 0; i < ITEMS + 100; i++) {
                assert_int_equal(version_at(txn, store, i), i < ITEMS ? 1 : 9);
            }
            sop_txn_close(txn);
            sop_test_check(dbs[d]);
            assert_int_equal(sop_db_checkpoint(dbs[d], NULL), SOP_OK);
        }
    }
    copy_close(&copy);
    sop_changes *feed;
    sop_change change = SOP_CHANGE_INIT;
    uint64_t kinds[4] = {0};
    assert_int_equal(sop_changes_open(db, seq - 1, &feed, NULL), SOP_OK);
    while (sop_changes_next(feed, 0, &change) == SOP_OK) {
        if (change.seq == seq && change.kind != SOP_CHANGE_COMMIT) kinds[change.kind]++;
    }
    assert_int_equal(kinds[SOP_CHANGE_UPDATE], 150);
    assert_int_equal(kinds[SOP_CHANGE_INSERT], ITEMS - 150);
    sop_changes_close(feed);
    sop_test_close(place);
}

static void test_a_large_transaction_that_loses_leaves_nothing_behind(void **state)
{
    enum { ITEMS = 20000 };
    sop_test_place *place = *state;
    char key[12];
    char path[96];
    sop_db *db = open_small(place);
    (void)sop_test_create(db, "s", NULL);
    one_put(db, 1, 7);
    (void)snprintf(path, sizeof path, "%s/db/seg", place->folder);
    sop_txn *txn = sop_test_begin(db, SOP_TXN_WRITE);
    sop_store *store = sop_test_store(txn, "s");
    sop_slice value;
    SOP_TEST_OK(txn, sop_store_get(store, key_of(1, key), &value));
    for (uint32_t i = 0; i < ITEMS; i++) {
        value_put(txn, store, i, 1);
    }
    one_put(db, 1, 8);
    uint64_t before = sop_test_disk_usage(path);
    assert_int_equal(sop_txn_commit(txn), SOP_CONFLICT);
    sop_txn_close(txn);
    assert_true(sop_test_disk_usage(path) <= before);
    txn = sop_test_begin(db, SOP_TXN_READ);
    assert_int_equal(version_at(txn, sop_test_store(txn, "s"), 2), 0);
    sop_txn_close(txn);
    sop_test_check(db);
    sop_test_close(place);
}

typedef struct {
    char file[64];
    uint64_t offset;
    uint64_t length;
    int runs;
} run_range;

static sop_status run_find(const sop_range *range, void *context)
{
    run_range *found = context;
    if (strcmp(range->owner, "run") != 0) return SOP_OK;
    found->runs++;
    (void)snprintf(found->file, sizeof found->file, "%s", range->file);
    found->offset = range->offset;
    found->length = range->length;
    return SOP_OK;
}

static void byte_flip(const sop_test_place *place, const char *file, uint64_t offset)
{
    char path[192];
    (void)snprintf(path, sizeof path, "%s/copy/%s", place->folder, file);
    FILE *f = fopen(path, "r+b");
    assert_non_null(f);
    assert_int_equal(fseek(f, (long)offset, SEEK_SET), 0);
    int byte = fgetc(f);
    assert_int_equal(fseek(f, (long)offset, SEEK_SET), 0);
    assert_int_equal(fputc(byte ^ 16, f), byte ^ 16);
    assert_int_equal(fclose(f), 0);
}

static void test_damage_of_a_run_is_named(void **state)
{
    enum { ITEMS = 20000 };
    sop_test_place *place = *state;
    run_range range = {.runs = 0};
    sop_error err = {0};
    sop_db *db = open_small(place);
    (void)sop_test_create(db, "s", NULL);
    sop_txn *txn = sop_test_begin(db, SOP_TXN_WRITE);
    sop_store *store = sop_test_store(txn, "s");
    for (uint32_t i = 0; i < ITEMS; i++) {
        value_put(txn, store, i, 1);
    }
    sop_test_commit(txn);
    assert_int_equal(sop_inspect_map(db, run_find, &range, &err), SOP_OK);
    assert_true(range.runs > 0);
    sop_test_close(place);
    for (int i = 0; i < 20; i++) {
        uint64_t at = (uint64_t)i * (range.length - 1) / 19;
        sop_test_shell("rm -rf %s/copy && cp -a %s/db %s/copy", place->folder, place->folder,
                       place->folder);
        byte_flip(place, range.file, range.offset + at);
        char url[160];
        (void)snprintf(url, sizeof url, "file:%s/copy", place->folder);
        assert_int_equal(sop_db_open(url, NULL, &db, &err), SOP_CORRUPT);
        sop_test_message(&err, SOP_CORRUPT, range.file + strlen("seg/"));
    }
    sop_test_shell("rm %s/copy/%s", place->folder, range.file);
    (void)snprintf(place->url, sizeof place->url, "file:%s/copy", place->folder);
    assert_int_equal(sop_db_open(place->url, NULL, &db, &err), SOP_CORRUPT);
    sop_test_message(&err, SOP_CORRUPT, range.file + strlen("seg/"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SOP_TEST_FOLDER(test_a_transaction_of_very_many_items_is_all_there_or_not),
        SOP_TEST_FOLDER(test_blind_puts_of_a_large_transaction_meet_what_others_wrote_since),
        SOP_TEST_FOLDER(test_damage_of_a_run_is_named),
        SOP_TEST_FOLDER(test_a_large_transaction_that_loses_leaves_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
