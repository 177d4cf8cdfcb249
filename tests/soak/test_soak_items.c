/* SPDX-License-Identifier: MIT */
/* Many items: 10^6 of them, 10^7 in soak, put in random order while checkpoints run, then asked by key and by position. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sop/sop.h"

#include "support/place.h"
#include "support/support.h"

enum { PER_COMMIT = 5000, VALUE = 40 };

static uint64_t items_count(void)
{
    return sop_test_soak() ? 10000000 : 1000000;
}

/* Item number i of the order of keys; its key and its value tell i. */
static sop_slice key_of(uint64_t i, char buffer[32])
{
    int size = snprintf(buffer, 32, "item/%010llu", (unsigned long long)(i * 7));
    return (sop_slice){buffer, (size_t)size};
}

static sop_slice value_of(uint64_t i, int generation, char buffer[VALUE + 1])
{
    (void)snprintf(buffer, VALUE + 1, "%020llu%020d", (unsigned long long)i, generation);
    return (sop_slice){buffer, VALUE};
}

/* Every third item was written twice. */
static int generation_of(uint64_t i)
{
    return i % 3 == 0 ? 2 : 1;
}

static void items_put(sop_db *db, uint64_t count, int generation)
{
    char key[32];
    char value[VALUE + 1];
    sop_txn *txn = NULL;
    sop_store *store = NULL;
    for (uint64_t n = 0; n < count; n++) {
        if (n % PER_COMMIT == 0) {
            txn = sop_test_begin(db, SOP_TXN_WRITE);
            store = sop_test_store(txn, "items");
        }
        /* A prime that does not divide the count visits every item once, far apart. */
        uint64_t i = n * 611953 % count;
        if (generation_of(i) >= generation) {
            SOP_TEST_OK(txn, sop_store_put(store, key_of(i, key), value_of(i, generation, value)));
        }
        if ((n + 1) % PER_COMMIT == 0) sop_test_commit(txn);
    }
}

static void items_walk(sop_txn *txn, sop_store *store, uint64_t count)
{
    enum { PAGE = 256 };
    sop_item page[PAGE];
    sop_cursor *cursor;
    char key[32];
    char value[VALUE + 1];
    uint64_t i = 0;
    size_t got;
    SOP_TEST_OK(txn, sop_cursor_open(store, &cursor));
    while (sop_cursor_read(cursor, 1, page, PAGE, &got) == SOP_OK) {
        for (size_t k = 0; k < got; k++, i++) {
            sop_slice want_key = key_of(i, key);
            sop_slice want = value_of(i, generation_of(i), value);
            assert_int_equal(page[k].key.size, want_key.size);
            assert_memory_equal(page[k].key.data, want_key.data, want_key.size);
            assert_int_equal(page[k].value.size, want.size);
            assert_memory_equal(page[k].value.data, want.data, want.size);
        }
    }
    assert_int_equal(i, count);
    sop_cursor_close(cursor);
}

static void items_ask(sop_db *db, uint64_t count)
{
    char key[32];
    char other[32];
    uint64_t got;
    uint64_t random = sop_test_seed(7);
    sop_cursor *cursor;
    sop_slice found;
    sop_txn *txn = sop_test_begin(db, SOP_TXN_READ);
    sop_store *store = sop_test_store(txn, "items");
    SOP_TEST_OK(txn, sop_store_count(store, &got));
    assert_int_equal(got, count);
    SOP_TEST_OK(txn, sop_cursor_open(store, &cursor));
    for (int n = 0; n < 20000; n++) {
        uint64_t i = sop_test_random(&random) % count;
        uint64_t k = sop_test_random(&random) % count;
        SOP_TEST_OK(txn, sop_store_rank(store, key_of(i, key), &got));
        assert_int_equal(got, i);
        SOP_TEST_OK(txn, sop_cursor_seek_rank(cursor, i));
        SOP_TEST_OK(txn, sop_cursor_key(cursor, &found));
        assert_memory_equal(found.data, key, found.size);
        SOP_TEST_OK(txn, sop_store_count_range(store, key_of(i, key), key_of(k, other), &got));
        assert_int_equal(got, i < k ? k - i : 0);
    }
    items_walk(txn, store, count);
    sop_txn_close(txn);
}

static void test_many_items_in_random_order_keep_order_counts_and_values(void **state)
{
    sop_test_place *place = *state;
    sop_error err = {0};
    sop_db_options options = SOP_DB_OPTIONS_INIT;
    options.sync = SOP_SYNC_OFF;
    uint64_t count = items_count();
    sop_db *db = sop_test_open(place, &options);
    sop_test_create(db, "items", NULL);
    items_put(db, count, 1);
    items_put(db, count, 2);
    items_ask(db, count);
    assert_int_equal(sop_db_checkpoint(db, &err), SOP_OK);
    sop_test_close(place);
    db = sop_test_open(place, &options);
    items_ask(db, count);
    sop_test_check(db);
    sop_test_close(place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SOP_TEST_FOLDER(test_many_items_in_random_order_keep_order_counts_and_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
