/* SPDX-License-Identifier: MIT */
/*
 * A store answers by its content alone: filled in any order, with updates and removes, checkpointed at any time, it gives
 * every value byte for byte, and its counts, ranks and seeks to ranks are those of the sorted keys.
 */
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
#include "support/records.h"
#include "support/support.h"

enum { MADE = 4000, PAGE = 64 };

static uint64_t seed;

static void slice_is(sop_slice got, sop_slice want)
{
    assert_int_equal(got.size, want.size);
    assert_memory_equal(got.data, want.data, want.size);
}

/* ---- what is asked ---- */

static void ask_forward_and_back(sop_txn *txn, sop_store *store, const sop_test_records *r)
{
    sop_cursor *cursor;
    sop_item items[PAGE];
    size_t got;
    size_t at = 0;
    SOP_TEST_OK(txn, sop_cursor_open(store, &cursor));
    while (sop_cursor_read(cursor, 1, items, PAGE, &got) == SOP_OK) {
        for (size_t i = 0; i < got; i++, at++) {
            assert_true(at < r->count);
            slice_is(items[i].key, r->rows[at].key);
            slice_is(items[i].value, r->rows[at].value);
        }
    }
    assert_int_equal(at, r->count);
    for (at = r->count; at-- > 0;) {
        sop_slice key;
        sop_slice value;
        SOP_TEST_OK(txn, sop_cursor_prev(cursor));
        SOP_TEST_OK(txn, sop_cursor_item(cursor, &key, &value));
        slice_is(key, r->rows[at].key);
        slice_is(value, r->rows[at].value);
    }
    assert_int_equal(sop_cursor_prev(cursor), SOP_NOT_FOUND);
    sop_cursor_close(cursor);
}

static void ask_positions(sop_txn *txn, sop_store *store, const sop_test_records *r)
{
    sop_cursor *cursor;
    SOP_TEST_OK(txn, sop_cursor_open(store, &cursor));
    for (size_t i = 0; i < r->count; i++) {
        uint64_t rank;
        uint64_t here;
        sop_slice got;
        SOP_TEST_OK(txn, sop_store_rank(store, r->rows[i].key, &rank));
        assert_int_equal(rank, i);
        SOP_TEST_OK(txn, sop_cursor_seek_rank(cursor, i));
        SOP_TEST_OK(txn, sop_cursor_key(cursor, &got));
        slice_is(got, r->rows[i].key);
        SOP_TEST_OK(txn, sop_cursor_rank(cursor, &here));
        assert_int_equal(here, i);
        SOP_TEST_OK(txn, sop_store_get(store, r->rows[i].key, &got));
        slice_is(got, r->rows[i].value);
    }
    assert_int_equal(sop_cursor_seek_rank(cursor, r->count), SOP_NOT_FOUND);
    sop_cursor_close(cursor);
}

/* Ranges between keys that are there and keys that are not: one byte is left off or put behind. */
static void ask_ranges(sop_txn *txn, sop_store *store, const sop_test_records *r, uint64_t *random)
{
    char text[2][4200];
    uint64_t total;
    SOP_TEST_OK(txn, sop_store_count(store, &total));
    assert_int_equal(total, r->count);
    for (int n = 0; n < 2000; n++) {
        size_t place[2];
        sop_slice key[2];
        for (int k = 0; k < 2; k++) {
            place[k] = (size_t)(sop_test_random(random) % r->count);
            key[k] = r->rows[place[k]].key;
            if (sop_test_random(random) % 2 == 0) continue;
            /* A 0 byte behind a key makes the smallest key above it. */
            memcpy(text[k], key[k].data, key[k].size);
            text[k][key[k].size] = '\0';
            key[k] = (sop_slice){text[k], key[k].size + 1};
            place[k]++;
        }
        uint64_t count;
        SOP_TEST_OK(txn, sop_store_count_range(store, key[0], key[1], &count));
        assert_int_equal(count, place[0] < place[1] ? place[1] - place[0] : 0);
        SOP_TEST_OK(txn, sop_store_rank(store, key[0], &count));
        assert_int_equal(count, place[0]);
    }
}

static void ask_all(sop_db *db, const sop_test_records *r, uint64_t *random)
{
    sop_txn *txn = sop_test_begin(db, SOP_TXN_READ);
    sop_store *store = sop_test_store(txn, "packages");
    ask_forward_and_back(txn, store, r);
    ask_positions(txn, store, r);
    ask_ranges(txn, store, r, random);
    sop_txn_close(txn);
    sop_test_check(db);
}

/* ---- how it is filled ---- */

static void shuffle(size_t *order, size_t count, uint64_t *random)
{
    for (size_t i = 0; i < count; i++) {
        order[i] = i;
    }
    for (size_t i = count; i > 1; i--) {
        size_t k = (size_t)(sop_test_random(random) % i);
        size_t kept = order[i - 1];
        order[i - 1] = order[k];
        order[k] = kept;
    }
}

/* Writes something wrong under a key of the data, or something beside it, that has to be undone later. */
static void stray_write(sop_txn *txn, sop_store *store, sop_slice key, int beside)
{
    char text[4200];
    memcpy(text, key.data, key.size);
    text[key.size] = '~';
    SOP_TEST_OK(txn, sop_store_put(store, (sop_slice){text, key.size + (beside ? 1 : 0)},
                                   sop_str("wrong")));
}

static void stray_undo(sop_txn *txn, sop_store *store, sop_slice key, int beside)
{
    char text[4200];
    memcpy(text, key.data, key.size);
    text[key.size] = '~';
    if (beside) SOP_TEST_OK(txn, sop_store_remove(store, (sop_slice){text, key.size + 1}));
}

typedef struct {
    sop_test_place *place;
    const sop_test_records *records;
    uint64_t random;
} filling;

/* One transaction of some records: first everything wrong, then (turn 2) everything as it is to be. */
static void fill_some(filling *f, const size_t *order, size_t from, size_t to, int turn)
{
    sop_txn *txn = sop_test_begin(f->place->db, SOP_TXN_WRITE);
    sop_store *store = sop_test_store(txn, "packages");
    for (size_t i = from; i < to; i++) {
        const sop_test_record *row = &f->records->rows[order[i]];
        int kind =
            (int)(order[i] %
                  4); /* 0: added late; 1: updated; 2: removed and added; 3: a stray beside it */
        if (turn == 1 && kind != 0) stray_write(txn, store, row->key, kind == 3);
        if (turn == 1) continue;
        if (kind == 3) stray_undo(txn, store, row->key, 1);
        if (kind == 2) SOP_TEST_OK(txn, sop_store_remove(store, row->key));
        if (kind == 1) {
            SOP_TEST_OK(txn, sop_store_update(store, row->key, row->value));
        } else {
            SOP_TEST_OK(txn, sop_store_add(store, row->key, row->value));
        }
    }
    sop_test_commit(txn);
}

static void maybe_checkpoint(filling *f, int reopen)
{
    sop_error err = {0};
    uint64_t dice = sop_test_random(&f->random) % 8;
    if (dice == 0 && sop_db_checkpoint(f->place->db, &err) != SOP_OK) fail_msg("%s", err.message);
    if (dice == 1 && reopen) {
        sop_test_close(f->place);
        (void)sop_test_open(f->place, NULL);
    }
}

static void fill_in_any_order(filling *f)
{
    size_t count = f->records->count;
    size_t *order = calloc(count, sizeof *order);
    assert_non_null(order);
    for (int turn = 1; turn <= 2; turn++) {
        shuffle(order, count, &f->random);
        for (size_t from = 0; from < count;) {
            size_t step = 1 + (size_t)(sop_test_random(&f->random) % (count / 20));
            size_t to = step < count - from ? from + step : count;
            fill_some(f, order, from, to, turn);
            from = to;
            maybe_checkpoint(f, f->place->folder[0] != '\0');
        }
    }
    free(order);
}

static void load_sorted(filling *f)
{
    sop_bulk *bulk;
    sop_error err = {0};
    if (sop_bulk_open(f->place->db, "packages", NULL, &bulk, &err) != SOP_OK) {
        fail_msg("%s", err.message);
    }
    for (size_t i = 0; i < f->records->count; i++) {
        const sop_test_record *row = &f->records->rows[i];
        assert_int_equal(sop_bulk_add(bulk, row->key, row->value), SOP_OK);
    }
    assert_int_equal(sop_bulk_finish(bulk, NULL), SOP_OK);
}

/* ---- tests ---- */

static void fill_and_ask(sop_test_place *place, const sop_test_records *records)
{
    filling f = {.place = place, .records = records, .random = seed};
    (void)sop_test_open(place, NULL);
    sop_test_create(place->db, "packages", NULL);
    fill_in_any_order(&f);
    ask_all(place->db, records, &f.random);
    sop_error err = {0};
    if (sop_db_checkpoint(place->db, &err) != SOP_OK) fail_msg("%s", err.message);
    ask_all(place->db, records, &f.random);
    sop_test_close(place);
}

static void test_made_records_in_any_order_answer_as_their_sort(void **state)
{
    sop_test_records records;
    sop_test_records_make(&records, MADE);
    fill_and_ask(*state, &records);
    sop_test_records_free(&records);
}

static void test_package_records_in_any_order_answer_as_their_sort(void **state)
{
    sop_test_records records;
    if (!sop_test_records_read(&records)) {
        print_message("skipped: the package records are not beside the source; see SOP_TESTDATA\n");
        skip();
    }
    assert_int_equal(records.count, 63664);
    fill_and_ask(*state, &records);
    sop_test_records_free(&records);
}

static void test_loaded_records_answer_as_their_sort(void **state)
{
    sop_test_place *place = *state;
    sop_test_records records;
    if (!sop_test_records_read(&records)) sop_test_records_make(&records, MADE);
    filling f = {.place = place, .records = &records, .random = seed};
    (void)sop_test_open(place, NULL);
    load_sorted(&f);
    ask_all(place->db, &records, &f.random);
    if (place->folder[0] != '\0') {
        sop_test_close(place);
        (void)sop_test_open(place, NULL);
        ask_all(place->db, &records, &f.random);
    }
    sop_test_close(place);
    sop_test_records_free(&records);
}

int main(void)
{
    seed = sop_test_seed(20261122);
    print_message("seed %llu\n", (unsigned long long)seed);
    const struct CMUnitTest tests[] = {
        SOP_TEST_BOTH(test_made_records_in_any_order_answer_as_their_sort),
        SOP_TEST_BOTH(test_loaded_records_answer_as_their_sort),
        SOP_TEST_FOLDER(test_package_records_in_any_order_answer_as_their_sort),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
