/* SPDX-License-Identifier: MIT */
/* Random operations through the public interface against a plain sorted array, on a folder and in memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "sop/sop.h"

#include "support/support.h"

enum { KEYS = 600, ROUNDS = 400, OPERATIONS = 30 };

/* The model: value number of each key, -1 when absent. */
typedef struct {
    int value[KEYS];
} model;

typedef struct {
    char url[256];
    sop_db *db;
    model committed;
    uint64_t seed;
    int reopen;
} fixture;

static sop_slice key_of(int i, char buffer[32])
{
    /* Lengths and shared heads differ, so that order is not that of the numbers alone. */
    int size = snprintf(buffer, 32, i % 3 == 0 ? "k%04d" : "k%04d/with/a/longer/tail", i);
    return (sop_slice){buffer, (size_t)size};
}

static sop_slice value_of(int n, char *buffer)
{
    size_t size = n % 7 == 0 ? 3000 : (size_t)(n % 90);
    memset(buffer, 'a' + n % 26, size);
    if (size >= 12) (void)snprintf(buffer, 12, "%011d", n);
    return (sop_slice){buffer, size};
}

static void open_db(fixture *f)
{
    sop_error err = {0};
    sop_db_options options = SOP_DB_OPTIONS_INIT;
    options.memory_max = 1 << 20;
    if (sop_db_open(f->url, &options, &f->db, &err) != SOP_OK) fail_msg("%s", err.message);
}

static void close_db(fixture *f)
{
    sop_error err = {0};
    if (sop_db_close(f->db, &err) != SOP_OK) fail_msg("%s", err.message);
    f->db = NULL;
}

static void value_check(sop_slice got, int n)
{
    char buffer[4096];
    sop_slice want = value_of(n, buffer);
    assert_int_equal(got.size, want.size);
    if (want.size != 0) assert_memory_equal(got.data, want.data, want.size);
}

/* The whole store, both ways, by rank and by count. */
static void compare_all(sop_store *store, const model *m)
{
    sop_cursor *cursor;
    char buffer[32];
    uint64_t rank = 0;
    uint64_t count;
    assert_int_equal(sop_cursor_open(store, &cursor), SOP_OK);
    for (int i = 0; i < KEYS; i++) {
        if (m->value[i] < 0) continue;
        sop_slice key;
        sop_slice value;
        uint64_t got;
        sop_slice want = key_of(i, buffer);
        assert_int_equal(sop_cursor_next(cursor), SOP_OK);
        assert_int_equal(sop_cursor_item(cursor, &key, &value), SOP_OK);
        assert_int_equal(key.size, want.size);
        assert_memory_equal(key.data, want.data, want.size);
        value_check(value, m->value[i]);
        assert_int_equal(sop_cursor_rank(cursor, &got), SOP_OK);
        assert_int_equal(got, rank);
        assert_int_equal(sop_store_rank(store, want, &got), SOP_OK);
        assert_int_equal(got, rank);
        rank++;
    }
    assert_int_equal(sop_cursor_next(cursor), SOP_NOT_FOUND);
    assert_int_equal(sop_store_count(store, &count), SOP_OK);
    assert_int_equal(count, rank);
    for (int i = KEYS - 1; i >= 0; i--) {
        if (m->value[i] < 0) continue;
        sop_slice key;
        sop_slice want = key_of(i, buffer);
        assert_int_equal(sop_cursor_prev(cursor), SOP_OK);
        assert_int_equal(sop_cursor_key(cursor, &key), SOP_OK);
        assert_int_equal(key.size, want.size);
        assert_memory_equal(key.data, want.data, want.size);
        rank--;
        sop_cursor *jump;
        assert_int_equal(sop_cursor_open(store, &jump), SOP_OK);
        assert_int_equal(sop_cursor_seek_rank(jump, rank), SOP_OK);
        assert_int_equal(sop_cursor_key(jump, &key), SOP_OK);
        assert_memory_equal(key.data, want.data, want.size);
        sop_cursor_close(jump);
    }
    assert_int_equal(sop_cursor_prev(cursor), SOP_NOT_FOUND);
    sop_cursor_close(cursor);
}

enum { PAGE = 150 };

/* Reads one page on from item `at`; returns the item where it ended, or the place beyond the bound. */
static int page_check(
    sop_cursor *cursor, const model *m, int at, int step, const int bounds[2], size_t capacity)
{
    sop_item items[PAGE];
    size_t got = 0;
    sop_status status = sop_cursor_read(cursor, step, items, capacity, &got);
    assert_true(status == SOP_OK || (status == SOP_NOT_FOUND && got == 0));
    char buffer[32];
    int last = at;
    for (size_t n = 0;; n++) {
        do {
            at += step;
        } while (at >= bounds[0] && at < bounds[1] && m->value[at] < 0);
        int inside = at >= bounds[0] && at < bounds[1];
        if (n == got) {
            assert_true(!inside || n == capacity);
            if (inside || got == capacity) return last;
            return step > 0 ? bounds[1] : bounds[0] - 1;
        }
        assert_true(inside);
        sop_slice want = key_of(at, buffer);
        assert_int_equal(items[n].key.size, want.size);
        assert_memory_equal(items[n].key.data, want.data, want.size);
        value_check(items[n].value, m->value[at]);
        last = at;
    }
}

/* Pages of all sizes, up and down with turns, with bounds and without, are what steps give. */
static void compare_pages(sop_store *store, const model *m, uint64_t *seed)
{
    sop_cursor *cursor;
    char low[32];
    char high[32];
    int bounds[2] = {0, KEYS};
    assert_int_equal(sop_cursor_open(store, &cursor), SOP_OK);
    if (sop_test_random(seed) % 2 == 0) {
        bounds[0] = (int)(sop_test_random(seed) % KEYS);
        bounds[1] = bounds[0] + (int)(sop_test_random(seed) % (uint64_t)(KEYS - bounds[0]));
        assert_int_equal(sop_cursor_bound(cursor, key_of(bounds[0], low), key_of(bounds[1], high)),
                         SOP_OK);
    }
    int step = sop_test_random(seed) % 2 == 0 ? 1 : -1;
    int at = step > 0 ? bounds[0] - 1 : bounds[1];
    for (int page = 0; page < 12; page++) {
        at = page_check(cursor, m, at, step, bounds, 1 + sop_test_random(seed) % PAGE);
        if (sop_test_random(seed) % 4 == 0) step = -step;
    }
    sop_cursor_close(cursor);
}

static void one_write(sop_store *store, model *m, uint64_t *seed)
{
    char key_buffer[32];
    char value_buffer[4096];
    int i = (int)(sop_test_random(seed) % KEYS);
    int n = (int)(sop_test_random(seed) % 100000);
    sop_slice key = key_of(i, key_buffer);
    sop_slice value = value_of(n, value_buffer);
    sop_status want;
    switch (sop_test_random(seed) % 5) {
    case 0:
        want = m->value[i] < 0 ? SOP_OK : SOP_EXISTS;
        assert_int_equal(sop_store_add(store, key, value), want);
        if (want == SOP_OK) m->value[i] = n;
        break;
    case 1:
        want = m->value[i] < 0 ? SOP_NOT_FOUND : SOP_OK;
        assert_int_equal(sop_store_update(store, key, value), want);
        if (want == SOP_OK) m->value[i] = n;
        break;
    case 2:
        want = m->value[i] < 0 ? SOP_NOT_FOUND : SOP_OK;
        assert_int_equal(sop_store_remove(store, key), want);
        m->value[i] = -1;
        break;
    default:
        assert_int_equal(sop_store_put(store, key, value), SOP_OK);
        m->value[i] = n;
        break;
    }
}

static void one_read(sop_store *store, const model *m, uint64_t *seed)
{
    char buffer[32];
    char other[32];
    int i = (int)(sop_test_random(seed) % KEYS);
    int j = (int)(sop_test_random(seed) % KEYS);
    sop_slice value;
    sop_status status = sop_store_get(store, key_of(i, buffer), &value);
    assert_int_equal(status, m->value[i] < 0 ? SOP_NOT_FOUND : SOP_OK);
    if (status == SOP_OK) value_check(value, m->value[i]);
    uint64_t want = 0;
    uint64_t got;
    for (int k = i; k < j; k++)
        want += m->value[k] >= 0;
    assert_int_equal(sop_store_count_range(store, key_of(i, buffer), key_of(j, other), &got),
                     SOP_OK);
    assert_int_equal(got, want);
}

/* A run of deletes, so that whole nodes empty. */
static void range_remove(sop_store *store, model *m, uint64_t *seed)
{
    char from[32];
    char to[32];
    int i = (int)(sop_test_random(seed) % KEYS);
    int j = i + (int)(sop_test_random(seed) % 200);
    if (j > KEYS - 1) j = KEYS - 1;
    uint64_t want = 0;
    uint64_t got;
    for (int k = i; k < j; k++) {
        want += m->value[k] >= 0;
        m->value[k] = -1;
    }
    assert_int_equal(sop_store_remove_range(store, key_of(i, from), key_of(j, to), &got), SOP_OK);
    assert_int_equal(got, want);
}

static void one_transaction(fixture *f)
{
    sop_error err = {0};
    sop_txn *txn;
    sop_store *store;
    assert_int_equal(sop_txn_begin(f->db, SOP_TXN_WRITE, &txn, &err), SOP_OK);
    assert_int_equal(sop_store_open(txn, "s", &store), SOP_OK);
    model m = f->committed;
    int operations = (int)(sop_test_random(&f->seed) % OPERATIONS);
    for (int i = 0; i < operations; i++) {
        if (sop_test_random(&f->seed) % 3 == 0) {
            one_read(store, &m, &f->seed);
        } else {
            one_write(store, &m, &f->seed);
        }
    }
    if (sop_test_random(&f->seed) % 20 == 0) range_remove(store, &m, &f->seed);
    if (sop_test_random(&f->seed) % 10 == 0) compare_all(store, &m);
    if (sop_test_random(&f->seed) % 3 == 0) compare_pages(store, &m, &f->seed);
    if (sop_test_random(&f->seed) % 5 == 0) {
        sop_txn_close(txn);
        return;
    }
    sop_status status = sop_txn_commit(txn);
    if (status != SOP_OK) fail_msg("commit: %s", sop_txn_error(txn)->message);
    f->committed = m;
    sop_txn_close(txn);
}

static void check_db(fixture *f)
{
    sop_error err = {0};
    sop_check_report report = SOP_CHECK_REPORT_INIT;
    if (sop_db_check(f->db, NULL, &report, &err) != SOP_OK) fail_msg("check: %s", err.message);
    assert_int_equal(report.findings, 0);
}

static void run(fixture *f)
{
    sop_error err = {0};
    sop_txn *txn;
    sop_store *store;
    f->seed = sop_test_seed(20261122);
    print_message("seed %llu (SOP_TEST_SEED)\n", (unsigned long long)f->seed);
    for (int i = 0; i < KEYS; i++)
        f->committed.value[i] = -1;
    open_db(f);
    assert_int_equal(sop_txn_begin(f->db, SOP_TXN_WRITE, &txn, &err), SOP_OK);
    assert_int_equal(sop_store_create(txn, "s", NULL, &store), SOP_OK);
    assert_int_equal(sop_txn_commit(txn), SOP_OK);
    sop_txn_close(txn);
    for (int round = 0; round < ROUNDS; round++) {
        one_transaction(f);
        if (sop_test_random(&f->seed) % 15 == 0 && sop_db_checkpoint(f->db, &err) != SOP_OK)
            fail_msg("%s", err.message);
        if (sop_test_random(&f->seed) % 40 == 0) check_db(f);
        if (f->reopen && sop_test_random(&f->seed) % 25 == 0) {
            close_db(f);
            open_db(f);
        }
    }
    assert_int_equal(sop_txn_begin(f->db, SOP_TXN_READ, &txn, &err), SOP_OK);
    assert_int_equal(sop_store_open(txn, "s", &store), SOP_OK);
    compare_all(store, &f->committed);
    for (int i = 0; i < 100; i++)
        compare_pages(store, &f->committed, &f->seed);
    sop_txn_close(txn);
    check_db(f);
    close_db(f);
}

static void test_random_operations_on_a_folder_agree_with_a_plain_array(void **state)
{
    (void)state;
    char folder[] = "/tmp/sop_test_XXXXXX";
    assert_non_null(mkdtemp(folder));
    fixture f = {.reopen = 1};
    (void)snprintf(f.url, sizeof f.url, "file:%s/db", folder);
    run(&f);
    char command[300];
    (void)snprintf(command, sizeof command, "rm -rf %s", folder);
    assert_int_equal(system(command), 0);
}

static void test_random_operations_in_memory_agree_with_a_plain_array(void **state)
{
    (void)state;
    fixture f = {.url = "memory:model", .reopen = 1};
    run(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_operations_on_a_folder_agree_with_a_plain_array),
        cmocka_unit_test(test_random_operations_in_memory_agree_with_a_plain_array),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
