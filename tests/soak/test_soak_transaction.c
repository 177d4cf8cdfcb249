/* SPDX-License-Identifier: MIT */
/* A huge transaction: 10^5 items, 10^6 in soak, committed at once or not at all. */
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

enum { VALUE = 100 };

static uint64_t items_count(void)
{
    return sop_test_soak() ? 1000000 : 100000;
}

static sop_slice key_of(uint64_t i, char buffer[32])
{
    int size = snprintf(buffer, 32, "%010llu", (unsigned long long)i);
    return (sop_slice){buffer, (size_t)size};
}

static sop_slice value_of(uint64_t i, char buffer[VALUE + 1])
{
    (void)snprintf(buffer, VALUE + 1, "%0100llu", (unsigned long long)i);
    return (sop_slice){buffer, VALUE};
}

static sop_txn *huge_begin(sop_db *db, uint64_t count)
{
    char key[32];
    char value[VALUE + 1];
    sop_txn *txn = sop_test_begin(db, SOP_TXN_WRITE);
    sop_store *store = sop_test_store(txn, "items");
    for (uint64_t n = 0; n < count; n++) {
        uint64_t i = n * 611953 % count;
        SOP_TEST_OK(txn, sop_store_put(store, key_of(i, key), value_of(i, value)));
    }
    return txn;
}

static void items_are(sop_db *db, uint64_t count)
{
    char key[32];
    char value[VALUE + 1];
    uint64_t i = 0;
    sop_cursor *cursor;
    sop_txn *txn = sop_test_begin(db, SOP_TXN_READ);
    sop_store *store = sop_test_store(txn, "items");
    SOP_TEST_OK(txn, sop_cursor_open(store, &cursor));
    for (; sop_cursor_next(cursor) == SOP_OK; i++) {
        sop_slice got_key;
        sop_slice got;
        SOP_TEST_OK(txn, sop_cursor_item(cursor, &got_key, &got));
        assert_memory_equal(got_key.data, key_of(i, key).data, got_key.size);
        assert_int_equal(got.size, VALUE);
        assert_memory_equal(got.data, value_of(i, value).data, VALUE);
    }
    assert_int_equal(i, count);
    SOP_TEST_OK(txn, sop_store_count(store, &i));
    assert_int_equal(i, count);
    sop_txn_close(txn);
}

static void test_a_huge_transaction_is_whole_or_not_there(void **state)
{
    sop_test_place *place = *state;
    uint64_t count = items_count();
    sop_error err = {0};
    sop_db *db = sop_test_open(place, NULL);
    sop_test_create(db, "items", NULL);
    sop_txn_close(huge_begin(db, count));
    items_are(db, 0);
    sop_txn *txn = huge_begin(db, count);
    items_are(db, 0);
    sop_test_commit(txn);
    items_are(db, count);
    sop_test_close(place);
    db = sop_test_open(place, NULL);
    items_are(db, count);
    assert_int_equal(sop_db_checkpoint(db, &err), SOP_OK);
    items_are(db, count);
    sop_test_check(db);
    sop_test_close(place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SOP_TEST_FOLDER(test_a_huge_transaction_is_whole_or_not_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
