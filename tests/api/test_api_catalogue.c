/* SPDX-License-Identifier: MIT */
/* Rows of the catalogue of any size: in a leaf or apart from it they survive reopen, checkpoint, backup, load, rename and drop. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/place.h"

enum { SIZES = 7, MIB = 1 << 20 };
static const size_t sizes[SIZES] = {0, 100, 8000, 8192, 16384, 70000, SOP_ATTRIBUTES_SIZE_MAX};
static char *text;

static int text_make(void **state)
{
    (void)state;
    text = malloc(SOP_ATTRIBUTES_SIZE_MAX + SIZES);
    assert_non_null(text);
    for (size_t i = 0; i < SOP_ATTRIBUTES_SIZE_MAX + SIZES; i++) {
        text[i] = (char)('a' + i * 7 % 26);
    }
    return 0;
}

static int text_free(void **state)
{
    (void)state;
    free(text);
    return 0;
}

static sop_slice attributes_of(int i)
{
    return (sop_slice){text + i, sizes[i]};
}

static const char *name_of(int i, const char *prefix, char buffer[16])
{
    (void)snprintf(buffer, 16, "%s%d", prefix, i);
    return buffer;
}

static sop_status count_one(const sop_store_info *info, void *context)
{
    size_t *sum = context;
    *sum += info->attributes.size + 1;
    return SOP_OK;
}

static void judge(sop_db *db, const char *prefix, uint64_t items)
{
    char name[16];
    size_t sum = 0;
    size_t wanted = 0;
    sop_txn *txn = sop_test_begin(db, SOP_TXN_READ);
    for (int i = 0; i < SIZES; i++) {
        sop_store_info info = SOP_STORE_INFO_INIT;
        sop_store *store = sop_test_store(txn, name_of(i, prefix, name));
        SOP_TEST_OK(txn, sop_store_info_get(store, &info));
        assert_int_equal(info.count, items);
        assert_int_equal(info.attributes.size, sizes[i]);
        assert_true(sizes[i] == 0 || memcmp(info.attributes.data, text + i, sizes[i]) == 0);
        wanted += sizes[i] + 1;
    }
    SOP_TEST_OK(txn, sop_store_list(txn, count_one, &sum));
    assert_int_equal(sum, wanted);
    sop_txn_close(txn);
    sop_test_check(db);
}

static void stores_make(sop_db *db)
{
    char name[16];
    sop_txn *txn = sop_test_begin(db, SOP_TXN_WRITE);
    for (int i = 0; i < SIZES; i++) {
        sop_store *store;
        sop_store_options options = SOP_STORE_OPTIONS_INIT;
        options.attributes = attributes_of(i);
        SOP_TEST_OK(txn, sop_store_create(txn, name_of(i, "s", name), &options, &store));
        SOP_TEST_OK(txn, sop_store_put(store, sop_str("k"), sop_str("v")));
    }
    sop_test_commit(txn);
}

/* The database as it is on disk now, as after a kill. */
static void copy_judge(const sop_test_place *place, const char *prefix, uint64_t items)
{
    sop_test_place copy = *place;
    sop_error err = {0};
    (void)snprintf(copy.url, sizeof copy.url, "file:%s/copy", place->folder);
    sop_test_shell("rm -rf %s/copy && cp -a %s/db %s/copy", place->folder, place->folder,
                   place->folder);
    sop_db *db = sop_test_open(&copy, NULL);
    judge(db, prefix, items);
    assert_int_equal(sop_db_checkpoint(db, &err), SOP_OK);
    judge(db, prefix, items);
    assert_int_equal(sop_db_close(db, &err), SOP_OK);
}

static void test_rows_larger_than_a_leaf_survive_kill_checkpoint_and_backup(void **state)
{
    sop_test_place *place = *state;
    sop_test_place copy = *place;
    sop_error err = {0};
    sop_db *db = sop_test_open(place, NULL);
    stores_make(db);
    judge(db, "s", 1);
    copy_judge(place, "s", 1);
    assert_int_equal(sop_db_checkpoint(db, &err), SOP_OK);
    judge(db, "s", 1);
    (void)snprintf(copy.url, sizeof copy.url, "file:%s/backup", place->folder);
    if (sop_db_backup(db, copy.url, NULL, &err) != SOP_OK) fail_msg("backup: %s", err.message);
    sop_test_close(place);
    judge(sop_test_open(&copy, NULL), "s", 1);
    sop_test_close(&copy);
    judge(sop_test_open(place, NULL), "s", 1);
    sop_test_close(place);
}

static void test_a_bulk_load_may_have_a_row_larger_than_a_leaf(void **state)
{
    sop_test_place *place = *state;
    sop_error err = {0};
    char name[16];
    sop_db *db = sop_test_open(place, NULL);
    for (int i = 0; i < SIZES; i++) {
        sop_bulk *bulk;
        sop_store_options options = SOP_STORE_OPTIONS_INIT;
        options.attributes = attributes_of(i);
        assert_int_equal(sop_bulk_open(db, name_of(i, "b", name), &options, &bulk, &err), SOP_OK);
        assert_int_equal(sop_bulk_add(bulk, sop_str("a"), sop_str("1")), SOP_OK);
        assert_int_equal(sop_bulk_add(bulk, sop_str("b"), sop_str("2")), SOP_OK);
        assert_int_equal(sop_bulk_finish(bulk, NULL), SOP_OK);
    }
    judge(db, "b", 2);
    copy_judge(place, "b", 2);
    sop_test_close(place);
    judge(sop_test_open(place, NULL), "b", 2);
    sop_test_close(place);
}

static void test_the_space_of_replaced_and_dropped_rows_comes_back(void **state)
{
    sop_test_place *place = *state;
    sop_error err = {0};
    char name[16];
    char other[16];
    char path[96];
    sop_db *db = sop_test_open(place, NULL);
    stores_make(db);
    sop_txn *txn = sop_test_begin(db, SOP_TXN_WRITE);
    for (int i = 0; i < SIZES; i++) {
        SOP_TEST_OK(txn, sop_store_rename(txn, name_of(i, "s", name), name_of(i, "r", other)));
    }
    sop_test_commit(txn);
    judge(db, "r", 1);
    txn = sop_test_begin(db, SOP_TXN_WRITE);
    for (int i = 0; i < SIZES; i++) {
        SOP_TEST_OK(txn, sop_store_drop(txn, name_of(i, "r", name)));
    }
    sop_test_commit(txn);
    /* A value segment goes once no transaction that may have written to it is open. */
    for (int i = 0; i < 4; i++) {
        (void)sop_test_create(db, name_of(i, "x", name), NULL);
        assert_int_equal(sop_db_checkpoint(db, &err), SOP_OK);
    }
    sop_test_check(db);
    (void)snprintf(path, sizeof path, "%s/db/seg", place->folder);
    assert_true(sop_test_disk_usage(path) < MIB / 2);
    sop_test_close(place);
}

static void test_a_feed_names_stores_with_large_rows(void **state)
{
    sop_test_place *place = *state;
    sop_changes *feed;
    sop_change change = SOP_CHANGE_INIT;
    char name[16];
    int n = 0;
    sop_db *db = sop_test_open(place, NULL);
    stores_make(db);
    assert_int_equal(sop_changes_open(db, 0, &feed, NULL), SOP_OK);
    while (sop_changes_next(feed, 0, &change) == SOP_OK) {
        if (change.kind != SOP_CHANGE_STORE_CREATE) continue;
        (void)name_of(n++, "s", name);
        assert_int_equal(change.key.size, strlen(name));
        assert_memory_equal(change.key.data, name, change.key.size);
    }
    assert_int_equal(n, SIZES);
    sop_changes_close(feed);
    sop_test_close(place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SOP_TEST_FOLDER(test_rows_larger_than_a_leaf_survive_kill_checkpoint_and_backup),
        SOP_TEST_FOLDER(test_a_bulk_load_may_have_a_row_larger_than_a_leaf),
        SOP_TEST_FOLDER(test_the_space_of_replaced_and_dropped_rows_comes_back),
        SOP_TEST_BOTH(test_a_feed_names_stores_with_large_rows),
    };
    return cmocka_run_group_tests(tests, text_make, text_free);
}
