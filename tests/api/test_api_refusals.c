/* SPDX-License-Identifier: MIT */
/* Calls that are not allowed, and opening: the same refusals on a folder and in memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sop/inspect.h"
#include "sop/sop.h"

#include "support/place.h"
#include "support/support.h"

/* ---- read only ---- */

static void read_only_refusals(sop_txn *txn, sop_store *store)
{
    sop_store *other;
    sop_value_writer *writer;
    sop_cursor *cursor;
    uint64_t removed;
    sop_slice key = sop_str("k");
    SOP_TEST_REFUSED(txn, sop_store_put(store, key, key), SOP_READ_ONLY, NULL);
    SOP_TEST_REFUSED(txn, sop_store_add(store, key, key), SOP_READ_ONLY, NULL);
    SOP_TEST_REFUSED(txn, sop_store_update(store, key, key), SOP_READ_ONLY, NULL);
    SOP_TEST_REFUSED(txn, sop_store_remove(store, key), SOP_READ_ONLY, NULL);
    SOP_TEST_REFUSED(txn, sop_store_remove_range(store, key, key, &removed), SOP_READ_ONLY, NULL);
    SOP_TEST_REFUSED(txn, sop_value_write_open(store, key, &writer), SOP_READ_ONLY, NULL);
    SOP_TEST_REFUSED(txn, sop_value_append_open(store, key, &writer), SOP_READ_ONLY, NULL);
    SOP_TEST_REFUSED(txn, sop_store_create(txn, "x", NULL, &other), SOP_READ_ONLY, NULL);
    SOP_TEST_REFUSED(txn, sop_store_drop(txn, "s"), SOP_READ_ONLY, NULL);
    SOP_TEST_REFUSED(txn, sop_store_rename(txn, "s", "x"), SOP_READ_ONLY, NULL);
    SOP_TEST_REFUSED(txn, sop_store_attributes_set(store, key), SOP_READ_ONLY, NULL);
    SOP_TEST_OK(txn, sop_cursor_open(store, &cursor));
    SOP_TEST_OK(txn, sop_cursor_first(cursor));
    SOP_TEST_REFUSED(txn, sop_cursor_update(cursor, key), SOP_READ_ONLY, NULL);
    SOP_TEST_REFUSED(txn, sop_cursor_remove(cursor), SOP_READ_ONLY, NULL);
    sop_test_value_is(store, txn, key, sop_str("v"));
}

static void one_item(sop_db *db)
{
    (void)sop_test_create(db, "s", NULL);
    sop_txn *txn = sop_test_begin(db, SOP_TXN_WRITE);
    SOP_TEST_OK(txn, sop_store_put(sop_test_store(txn, "s"), sop_str("k"), sop_str("v")));
    sop_test_commit(txn);
}

static void test_a_read_transaction_refuses_to_write(void **state)
{
    sop_test_place *place = *state;
    sop_db *db = sop_test_open(place, NULL);
    one_item(db);
    sop_txn *txn = sop_test_begin(db, SOP_TXN_READ);
    read_only_refusals(txn, sop_test_store(txn, "s"));
    assert_int_equal(sop_txn_commit(txn), SOP_OK);
    assert_int_equal(sop_txn_seq(txn), 0);
    sop_txn_close(txn);
    sop_test_close(place);
}

static void test_a_read_only_handle_refuses_to_write_and_changes_no_file(void **state)
{
    sop_test_place *place = *state;
    sop_error err = {0};
    one_item(sop_test_open(place, NULL));
    sop_test_close(place);
    sop_test_shell("cd %s && find db -type f | sort | xargs md5sum >before", place->folder);
    sop_db_options options = SOP_DB_OPTIONS_INIT;
    options.read_only = 1;
    sop_db *db = sop_test_open(place, &options);
    sop_txn *txn;
    sop_bulk *bulk;
    assert_int_equal(sop_txn_begin(db, SOP_TXN_WRITE, &txn, &err), SOP_READ_ONLY);
    sop_test_message(&err, SOP_READ_ONLY, NULL);
    assert_null(txn);
    assert_int_equal(sop_bulk_open(db, "b", NULL, &bulk, &err), SOP_READ_ONLY);
    assert_int_equal(sop_db_checkpoint(db, &err), SOP_READ_ONLY);
    txn = sop_test_begin(db, SOP_TXN_READ);
    read_only_refusals(txn, sop_test_store(txn, "s"));
    sop_txn_close(txn);
    sop_db_info info = SOP_DB_INFO_INIT;
    assert_int_equal(sop_db_info_get(db, &info, &err), SOP_OK);
    assert_int_equal(info.read_only, 1);
    sop_test_check(db);
    sop_test_close(place);
    sop_test_shell("cd %s && find db -type f | sort | xargs md5sum | cmp - before", place->folder);
    (void)snprintf(place->url, sizeof place->url, "file:%s/nowhere", place->folder);
    assert_int_equal(sop_db_open(place->url, &options, &place->db, &err), SOP_NOT_FOUND);
    sop_test_message(&err, SOP_NOT_FOUND, "nowhere");
}

/* ---- calls that are not allowed ---- */

static void ended_refusals(sop_txn *txn, sop_store *store, sop_cursor *cursor)
{
    sop_store *other;
    sop_cursor *new_cursor;
    sop_value_writer *writer;
    sop_slice out;
    uint64_t number;
    sop_slice key = sop_str("k");
    SOP_TEST_REFUSED(txn, sop_store_get(store, key, &out), SOP_INVALID, NULL);
    SOP_TEST_REFUSED(txn, sop_store_put(store, key, key), SOP_INVALID, NULL);
    SOP_TEST_REFUSED(txn, sop_store_add(store, key, key), SOP_INVALID, NULL);
    SOP_TEST_REFUSED(txn, sop_store_remove(store, key), SOP_INVALID, NULL);
    SOP_TEST_REFUSED(txn, sop_store_count(store, &number), SOP_INVALID, NULL);
    SOP_TEST_REFUSED(txn, sop_store_create(txn, "x", NULL, &other), SOP_INVALID, NULL);
    SOP_TEST_REFUSED(txn, sop_store_open(txn, "s", &other), SOP_INVALID, NULL);
    SOP_TEST_REFUSED(txn, sop_store_open_id(txn, 1, &other), SOP_INVALID, NULL);
    SOP_TEST_REFUSED(txn, sop_cursor_open(store, &new_cursor), SOP_INVALID, NULL);
    SOP_TEST_REFUSED(txn, sop_value_write_open(store, key, &writer), SOP_INVALID, NULL);
    SOP_TEST_REFUSED(txn, sop_txn_note(txn, key), SOP_INVALID, NULL);
    SOP_TEST_REFUSED(txn, sop_cursor_next(cursor), SOP_INVALID, NULL);
    SOP_TEST_REFUSED(txn, sop_cursor_first(cursor), SOP_INVALID, NULL);
    SOP_TEST_REFUSED(txn, sop_cursor_update(cursor, key), SOP_INVALID, NULL);
    SOP_TEST_REFUSED(txn, sop_txn_commit(txn), SOP_INVALID, NULL);
    sop_txn_track(txn, 0);
    sop_txn_cancel(txn);
}

static void test_after_commit_and_after_reset_only_renew_and_close_work(void **state)
{
    sop_test_place *place = *state;
    sop_db *db = sop_test_open(place, NULL);
    sop_cursor *cursor;
    one_item(db);
    sop_txn *txn = sop_test_begin(db, SOP_TXN_WRITE);
    sop_store *store = sop_test_store(txn, "s");
    for (int i = 0; i < 4; i++) {
        SOP_TEST_OK(txn, sop_cursor_open(store, &cursor));
        SOP_TEST_OK(txn, sop_cursor_first(cursor));
        SOP_TEST_OK(txn, sop_store_put(store, sop_str("k"), (sop_slice){&i, sizeof i}));
        sop_txn_token token = sop_txn_id(txn);
        if (i % 2 == 0) {
            SOP_TEST_OK(txn, sop_txn_commit(txn));
            assert_true(sop_txn_seq(txn) > sop_txn_snapshot(txn));
        } else {
            sop_txn_reset(txn);
        }
        ended_refusals(txn, store, cursor);
        sop_outcome outcome;
        assert_int_equal(sop_db_outcome(db, token, &outcome, NULL, NULL), SOP_OK);
        assert_int_equal(outcome, i % 2 == 0 ? SOP_OUTCOME_COMMITTED : SOP_OUTCOME_ABORTED);
        SOP_TEST_OK(txn, sop_txn_renew(txn));
        assert_true(memcmp(token.bytes, sop_txn_id(txn).bytes, sizeof token.bytes) != 0);
        SOP_TEST_REFUSED(txn, sop_txn_renew(txn), SOP_INVALID, NULL);
        int want = i - i % 2;
        sop_test_value_is(store, txn, sop_str("k"), (sop_slice){&want, sizeof want});
        /* Cursors end with their snapshot; store handles do not. */
        SOP_TEST_REFUSED(txn, sop_cursor_next(cursor), SOP_INVALID, "cursor ended");
        if (i == 1) sop_cursor_close(cursor);
        SOP_TEST_OK(txn, sop_cursor_open(store, &cursor));
        SOP_TEST_OK(txn, sop_cursor_next(cursor));
        assert_int_equal(sop_cursor_next(cursor), SOP_NOT_FOUND);
    }
    sop_txn_close(txn);
    sop_test_close(place);
}

static void test_null_where_an_object_is_needed_is_refused(void **state)
{
    sop_test_place *place = *state;
    sop_db *db = sop_test_open(place, NULL);
    sop_error err = {0};
    sop_txn *txn = NULL;
    sop_store *store = NULL;
    sop_slice value;
    assert_int_equal(sop_db_open(NULL, NULL, &place->db, &err), SOP_INVALID);
    place->db = db;
    assert_int_equal(sop_db_open(place->url, NULL, NULL, &err), SOP_INVALID);
    assert_int_equal(sop_txn_begin(NULL, SOP_TXN_READ, &txn, &err), SOP_INVALID);
    assert_int_equal(sop_txn_begin(db, SOP_TXN_READ, NULL, &err), SOP_INVALID);
    assert_int_equal(sop_txn_begin(db, (sop_txn_mode)9, &txn, &err), SOP_INVALID);
    assert_int_equal(sop_txn_commit(NULL), SOP_INVALID);
    assert_int_equal(sop_store_open(NULL, "s", &store), SOP_INVALID);
    assert_int_equal(sop_store_get(NULL, sop_str("k"), &value), SOP_INVALID);
    txn = sop_test_begin(db, SOP_TXN_WRITE);
    assert_int_equal(sop_store_create(txn, NULL, NULL, &store), SOP_INVALID);
    assert_int_equal(sop_store_open(txn, "s", NULL), SOP_INVALID);
    assert_int_equal(sop_store_open_id(txn, 0, &store), SOP_NOT_FOUND);
    assert_int_equal(sop_store_open_id(txn, UINT64_MAX, &store), SOP_NOT_FOUND);
    assert_int_equal(sop_store_id(NULL), 0);
    SOP_TEST_OK(txn, sop_store_create(txn, "s", NULL, &store));
    assert_int_equal(sop_store_get(store, sop_str("k"), NULL), SOP_INVALID);
    assert_int_equal(sop_store_get(store, (sop_slice){NULL, 3}, &value), SOP_INVALID);
    assert_int_equal(sop_store_put(store, sop_str("k"), (sop_slice){NULL, 3}), SOP_INVALID);
    assert_int_equal(sop_store_count(store, NULL), SOP_INVALID);
    sop_cursor *cursor;
    SOP_TEST_OK(txn, sop_cursor_open(store, &cursor));
    assert_int_equal(sop_cursor_seek(cursor, sop_str("k"), (sop_seek)9), SOP_INVALID);
    sop_item item;
    size_t count;
    assert_int_equal(sop_cursor_read(cursor, 0, &item, 1, &count), SOP_INVALID);
    assert_int_equal(sop_cursor_read(cursor, 1, &item, 0, &count), SOP_INVALID);
    sop_txn_close(txn);
    sop_txn_close(NULL);
    sop_cursor_close(NULL);
    sop_bulk_abort(NULL);
    sop_changes_close(NULL);
    sop_value_write_abort(NULL);
    assert_int_equal(sop_db_close(NULL, &err), SOP_OK);
    sop_test_close(place);
}

static void test_close_is_busy_while_a_transaction_is_open(void **state)
{
    sop_test_place *place = *state;
    sop_error err = {0};
    sop_db *db = sop_test_open(place, NULL);
    one_item(db);
    sop_txn *txn = sop_test_begin(db, SOP_TXN_READ);
    sop_store *store = sop_test_store(txn, "s");
    assert_int_equal(sop_db_close(db, &err), SOP_BUSY);
    sop_test_message(&err, SOP_BUSY, NULL);
    sop_test_value_is(store, txn, sop_str("k"), sop_str("v"));
    sop_txn_close(txn);
    sop_bulk *bulk;
    assert_int_equal(sop_bulk_open(db, "b", NULL, &bulk, &err), SOP_OK);
    assert_int_equal(sop_db_close(db, &err), SOP_BUSY);
    assert_int_equal(sop_bulk_add(bulk, sop_str("k"), sop_str("v")), SOP_OK);
    assert_int_equal(sop_bulk_finish(bulk, NULL), SOP_OK);
    sop_test_close(place);
}

static void test_urls_and_their_options_are_checked(void **state)
{
    sop_test_place *place = *state;
    sop_error err = {0};
    sop_db *db;
    static const struct {
        const char *url;
        sop_status status;
        const char *named;
    } bad[] = {
        {"", SOP_INVALID, NULL},
        {"file:", SOP_INVALID, NULL},
        {"memory:x?sync=sometimes", SOP_INVALID, "sync"},
        {"memory:x?colour=blue", SOP_INVALID, "colour"},
        {"memory:x?sync_ms=-1", SOP_INVALID, "sync_ms"},
        {"memory:x?memory_max=much", SOP_INVALID, "memory_max"},
        {"memory:x?local=perhaps", SOP_INVALID, "local"},
        {"memory:x?sync", SOP_INVALID, "sync"},
        {"cassandra://host/keyspace", SOP_UNSUPPORTED, "cassandra"},
        {"memory:x?swarm=redis://host", SOP_UNSUPPORTED, "swarm"},
        {"http://example.org/x", SOP_INVALID, "http"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        sop_status status = sop_db_open(bad[i].url, NULL, &db, &err);
        if (status != bad[i].status) {
            fail_msg("%s: %s (%s)", bad[i].url, sop_status_name(status), err.message);
        }
        sop_test_message(&err, status, bad[i].named);
        assert_null(db);
    }
    sop_db_options options = SOP_DB_OPTIONS_INIT;
    options.open_mode = 9;
    assert_int_equal(sop_db_open(place->url, &options, &db, &err), SOP_INVALID);
    options.open_mode = 0;
    options.sync = 9;
    assert_int_equal(sop_db_open(place->url, &options, &db, &err), SOP_INVALID);
    options.sync = 0;
    options.workers = -2;
    assert_int_equal(sop_db_open(place->url, &options, &db, &err), SOP_INVALID);
}

static void test_open_modes_find_and_refuse_what_is_there(void **state)
{
    sop_test_place *place = *state;
    sop_error err = {0};
    sop_db *db;
    sop_db_options options = SOP_DB_OPTIONS_INIT;
    options.open_mode = SOP_OPEN_EXISTING;
    assert_int_equal(sop_db_open(place->url, &options, &db, &err), SOP_NOT_FOUND);
    sop_test_shell("test ! -e %s/db", place->folder);
    options.open_mode = SOP_OPEN_NEW;
    (void)sop_test_open(place, &options);
    sop_test_close(place);
    assert_int_equal(sop_db_open(place->url, &options, &db, &err), SOP_EXISTS);
    options.open_mode = SOP_OPEN_EXISTING;
    (void)sop_test_open(place, &options);
    sop_test_close(place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SOP_TEST_BOTH(test_a_read_transaction_refuses_to_write),
        SOP_TEST_FOLDER(test_a_read_only_handle_refuses_to_write_and_changes_no_file),
        SOP_TEST_BOTH(test_after_commit_and_after_reset_only_renew_and_close_work),
        SOP_TEST_BOTH(test_null_where_an_object_is_needed_is_refused),
        SOP_TEST_BOTH(test_close_is_busy_while_a_transaction_is_open),
        SOP_TEST_BOTH(test_urls_and_their_options_are_checked),
        SOP_TEST_FOLDER(test_open_modes_find_and_refuse_what_is_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
