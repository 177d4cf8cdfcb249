/* SPDX-License-Identifier: MIT */
/* How long handles live: stores, cursors and feeds across snapshots, and what a close refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "support/place.h"
#include "support/support.h"

enum { ROUNDS = 100000, MIB = 1 << 20 };

static void test_opening_stores_and_cursors_anew_in_each_snapshot_costs_no_memory(void **state)
{
    sop_test_place *place = *state;
    sop_db *db = sop_test_open(place, NULL);
    (void)sop_test_create(db, "s", NULL);
    for (int mode = SOP_TXN_READ; mode <= SOP_TXN_WRITE; mode++) {
        sop_txn *txn = sop_test_begin(db, (sop_txn_mode)mode);
        uint64_t before = 0;
        for (int i = 0; i < ROUNDS; i++) {
            sop_cursor *cursor;
            sop_store *store = sop_test_store(txn, "s");
            SOP_TEST_OK(txn, sop_cursor_open(store, &cursor));
            assert_int_equal(sop_cursor_first(cursor), SOP_NOT_FOUND);
            if (i % 2 == 0) SOP_TEST_OK(txn, sop_txn_commit(txn));
            sop_txn_reset(txn);
            SOP_TEST_OK(txn, sop_txn_renew(txn));
            if (i == ROUNDS / 10) before = sop_test_anonymous_memory();
        }
        assert_true(sop_test_anonymous_memory() <= before + MIB);
        sop_txn_close(txn);
    }
    sop_test_close(place);
}

static void test_a_store_opened_again_is_the_same_handle(void **state)
{
    sop_test_place *place = *state;
    sop_db *db = sop_test_open(place, NULL);
    char name[16];
    sop_store *stores[100];
    sop_txn *txn = sop_test_begin(db, SOP_TXN_WRITE);
    for (int i = 0; i < 100; i++) {
        (void)snprintf(name, sizeof name, "s%d", i);
        SOP_TEST_OK(txn, sop_store_create(txn, name, NULL, &stores[i]));
    }
    for (int i = 0; i < 100; i++) {
        sop_store *again;
        (void)snprintf(name, sizeof name, "s%d", i);
        assert_ptr_equal(sop_test_store(txn, name), stores[i]);
        SOP_TEST_OK(txn, sop_store_open_id(txn, sop_store_id(stores[i]), &again));
        assert_ptr_equal(again, stores[i]);
    }
    /* A store of the same name made anew is another store. */
    SOP_TEST_OK(txn, sop_store_drop(txn, "s7"));
    sop_store *other;
    SOP_TEST_OK(txn, sop_store_create(txn, "s7", NULL, &other));
    assert_ptr_not_equal(other, stores[7]);
    assert_int_equal(sop_store_put(stores[7], sop_str("k"), sop_str("v")), SOP_NOT_FOUND);
    SOP_TEST_OK(txn, sop_store_put(other, sop_str("k"), sop_str("v")));
    sop_test_commit(txn);
    sop_test_close(place);
}

static void test_a_cursor_that_ended_may_be_closed_and_is_refused_until_then(void **state)
{
    sop_test_place *place = *state;
    sop_db *db = sop_test_open(place, NULL);
    (void)sop_test_create(db, "s", NULL);
    sop_txn *txn = sop_test_begin(db, SOP_TXN_WRITE);
    sop_store *store = sop_test_store(txn, "s");
    sop_cursor *ended[4];
    SOP_TEST_OK(txn, sop_store_put(store, sop_str("k"), sop_str("v")));
    for (int i = 0; i < 4; i++) {
        SOP_TEST_OK(txn, sop_cursor_open(store, &ended[i]));
        SOP_TEST_OK(txn, sop_cursor_first(ended[i]));
    }
    SOP_TEST_OK(txn, sop_txn_commit(txn));
    sop_cursor_close(ended[1]);
    SOP_TEST_OK(txn, sop_txn_renew(txn));
    sop_slice key;
    SOP_TEST_REFUSED(txn, sop_cursor_key(ended[0], &key), SOP_INVALID, "cursor ended");
    SOP_TEST_REFUSED(txn, sop_cursor_next(ended[2]), SOP_INVALID, "cursor ended");
    sop_cursor_close(ended[3]);
    sop_cursor_close(ended[0]);
    sop_cursor *cursor;
    for (int i = 0; i < 3; i++) {
        SOP_TEST_OK(txn, sop_cursor_open(store, &cursor));
        SOP_TEST_OK(txn, sop_cursor_next(cursor));
        assert_int_equal(sop_cursor_next(cursor), SOP_NOT_FOUND);
    }
    sop_txn_close(txn);
    sop_test_close(place);
}

static void test_close_refuses_while_a_feed_is_open(void **state)
{
    sop_test_place *place = *state;
    sop_db *db = sop_test_open(place, NULL);
    sop_error err = {0};
    sop_changes *feed;
    sop_change change = SOP_CHANGE_INIT;
    (void)sop_test_create(db, "s", NULL);
    assert_int_equal(sop_changes_open(db, 0, &feed, &err), SOP_OK);
    assert_int_equal(sop_db_close(db, &err), SOP_BUSY);
    sop_test_message(&err, SOP_BUSY, "feed");
    assert_int_equal(sop_changes_next(feed, 0, &change), SOP_OK);
    sop_changes_close(feed);
    sop_test_close(place);
}

/* ---- keys that a feed shows ---- */

static const char *const keys[] = {"a", "a", "b"};

static uint64_t items_add(sop_db *db, const char *name)
{
    sop_txn *txn = sop_test_begin(db, SOP_TXN_WRITE);
    sop_store *store = sop_test_store(txn, name);
    for (int i = 0; i < 3; i++) {
        SOP_TEST_OK(txn, sop_store_add(store, sop_str(keys[i]), sop_str("v")));
    }
    SOP_TEST_OK(txn, sop_store_add(store, (sop_slice){"n\0l", 3}, sop_str("v")));
    SOP_TEST_OK(txn, sop_txn_commit(txn));
    uint64_t seq = sop_txn_seq(txn);
    sop_txn_close(txn);
    return seq;
}

/* What the feed says about the items of one store after a seq. */
static void feed_judge(sop_db *db, uint64_t after, uint64_t store)
{
    sop_error err = {0};
    sop_changes *feed;
    sop_change change = SOP_CHANGE_INIT;
    int n = 0;
    assert_int_equal(sop_changes_open(db, after, &feed, &err), SOP_OK);
    while (sop_changes_next(feed, 0, &change) == SOP_OK) {
        if (change.store_id != store || change.kind != SOP_CHANGE_INSERT) continue;
        sop_slice want = n == 3 ? (sop_slice){"n\0l", 3} : sop_str(keys[n]);
        assert_int_equal(change.key.size, want.size);
        assert_memory_equal(change.key.data, want.data, want.size);
        n++;
    }
    assert_int_equal(n, 4);
    sop_changes_close(feed);
}

static void test_a_feed_shows_the_keys_the_user_gave_also_with_duplicates(void **state)
{
    sop_test_place *place = *state;
    sop_db *db = sop_test_open(place, NULL);
    sop_store_options options = SOP_STORE_OPTIONS_INIT;
    options.allow_duplicates = 1;
    uint64_t id = sop_test_create(db, "d", &options);
    uint64_t seq = items_add(db, "d") - 1;
    feed_judge(db, 0, id);
    feed_judge(db, seq, id);
    sop_txn *txn = sop_test_begin(db, SOP_TXN_WRITE);
    SOP_TEST_OK(txn, sop_store_drop(txn, "d"));
    sop_test_commit(txn);
    feed_judge(db, 0, id);
    feed_judge(db, seq, id);
    sop_test_close(place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SOP_TEST_FOLDER(test_opening_stores_and_cursors_anew_in_each_snapshot_costs_no_memory),
        SOP_TEST_BOTH(test_a_store_opened_again_is_the_same_handle),
        SOP_TEST_BOTH(test_a_cursor_that_ended_may_be_closed_and_is_refused_until_then),
        SOP_TEST_BOTH(test_close_refuses_while_a_feed_is_open),
        SOP_TEST_BOTH(test_a_feed_shows_the_keys_the_user_gave_also_with_duplicates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
