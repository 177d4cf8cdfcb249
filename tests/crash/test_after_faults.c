/* SPDX-License-Identifier: MIT */
/* One fault, and what must still work after it: each of these was once found by the sweeps of test_fail_at_n. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "backend/backend_faulty.h"
#include "db/db.h"
#include "support/place.h"
#include "util/memory.h"
#include "util/world.h"

typedef struct {
    sop_faulty_disk *disk;
    sop_db *db;
} fixture;

static void open_again(fixture *f, int create)
{
    sop_error err = {0};
    sop_backend *backend;
    sop_db_options options = SOP_DB_OPTIONS_INIT;
    options.workers = -1;
    int how = create ? SOP_BACKEND_NEW : SOP_BACKEND_EXISTING;
    assert_int_equal(sop_backend_faulty_open(f->disk, how, 0, &backend, &err), SOP_OK);
    if (sop_db_open_on(backend, create, &options, &f->db, &err) != SOP_OK) {
        fail_msg("open: %s", err.message);
    }
}

static void close_now(fixture *f)
{
    sop_error err = {0};
    if (sop_db_close(f->db, &err) != SOP_OK) fail_msg("close: %s", err.message);
    f->db = NULL;
}

static int begin(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->disk = sop_faulty_disk_new(1);
    assert_non_null(f->disk);
    sop_faulty_boot_use(f->disk);
    open_again(f, 1);
    (void)sop_test_create(f->db, "s", NULL);
    *state = f;
    return 0;
}

static int end(void **state)
{
    fixture *f = *state;
    close_now(f);
    sop_world_set(NULL);
    sop_faulty_boot_use(NULL);
    sop_faulty_disk_free(f->disk);
    free(f);
    return 0;
}

static void rule(const fixture *f, uint32_t kinds, int always)
{
    sop_faulty_rule rule = {.kinds = kinds, .nth = 1, .always = always, .status = SOP_IO};
    sop_faulty_rule_add(f->disk, &rule);
}

static void put(const fixture *f, const char *key, size_t size)
{
    char *value = calloc(1, size);
    assert_non_null(value);
    sop_txn *txn = sop_test_begin(f->db, SOP_TXN_WRITE);
    sop_store *store = sop_test_store(txn, "s");
    SOP_TEST_OK(txn, sop_store_put(store, sop_str(key), (sop_slice){value, size}));
    sop_test_commit(txn);
    free(value);
}

static void checkpoint(const fixture *f)
{
    sop_error err = {0};
    if (sop_db_checkpoint(f->db, &err) != SOP_OK) fail_msg("checkpoint: %s", err.message);
}

static void test_check_tells_what_it_cannot_read_from_damage(void **state)
{
    fixture *f = *state;
    sop_error err = {0};
    sop_check_report report = SOP_CHECK_REPORT_INIT;
    put(f, "a", 10);
    rule(f, SOP_FAULTY_READ, 1);
    assert_int_equal(sop_db_check(f->db, NULL, &report, &err), SOP_IO);
    sop_test_message(&err, SOP_IO, "SOP");
    assert_true(report.findings > 0);
    sop_faulty_rules_clear(f->disk);
    sop_test_check(f->db);
}

static void test_a_second_finish_of_a_bulk_load_repeats_the_answer(void **state)
{
    fixture *f = *state;
    sop_error err = {0};
    sop_bulk *bulk;
    uint64_t seq = 7;
    assert_int_equal(sop_bulk_open(f->db, "loaded", NULL, &bulk, &err), SOP_OK);
    assert_int_equal(sop_bulk_add(bulk, sop_str("a"), sop_str("1")), SOP_OK);
    rule(f, SOP_FAULTY_SYNC, 0);
    assert_int_equal(sop_bulk_finish(bulk, &seq), SOP_IO);
    assert_int_equal(seq, 0);
    assert_int_equal(sop_bulk_finish(bulk, &seq), SOP_IO);
    sop_test_message(sop_bulk_error(bulk), SOP_IO, NULL);
    sop_bulk_abort(bulk);
    put(f, "a", 10);
}

static void test_checkpoints_go_on_after_a_failed_sync_of_a_large_value(void **state)
{
    fixture *f = *state;
    static const char large[100000];
    put(f, "before", sizeof large);
    sop_txn *txn = sop_test_begin(f->db, SOP_TXN_WRITE);
    sop_store *store = sop_test_store(txn, "s");
    SOP_TEST_OK(txn, sop_store_put(store, sop_str("lost"), (sop_slice){large, sizeof large}));
    rule(f, SOP_FAULTY_SYNC, 0);
    assert_int_equal(sop_txn_commit(txn), SOP_IO);
    sop_txn_close(txn);
    put(f, "small", 10);
    checkpoint(f);
    sop_test_check(f->db);
}

/* The table of segments may only list what a power cut leaves there. */
static void test_a_checkpoint_does_not_count_on_values_nobody_synced(void **state)
{
    fixture *f = *state;
    sop_error err = {0};
    static const char large[100000];
    put(f, "a", 10);
    sop_txn *txn = sop_test_begin(f->db, SOP_TXN_WRITE);
    sop_store *store = sop_test_store(txn, "s");
    SOP_TEST_OK(txn, sop_store_put(store, sop_str("open"), (sop_slice){large, sizeof large}));
    checkpoint(f);
    sop_faulty_cut cut = {.keep = SOP_FAULTY_KEEP_NONE};
    sop_faulty_disk *left;
    assert_int_equal(sop_faulty_disk_cut(f->disk, &cut, &left), SOP_OK);
    sop_txn_close(txn);
    close_now(f);
    sop_faulty_disk_free(f->disk);
    f->disk = left;
    sop_faulty_boot_use(left);
    open_again(f, 0);
    sop_check_report report = SOP_CHECK_REPORT_INIT;
    if (sop_db_check(f->db, NULL, &report, &err) != SOP_OK) fail_msg("%s", err.message);
}

static void test_after_many_failed_checkpoints_a_reopened_database_makes_one(void **state)
{
    fixture *f = *state;
    for (int i = 0; i < 8; i++) {
        put(f, "a", 10);
        rule(f, SOP_FAULTY_CREATE, 1);
        assert_int_not_equal(sop_db_checkpoint(f->db, NULL), SOP_OK);
        sop_faulty_rules_clear(f->disk);
    }
    close_now(f);
    open_again(f, 0);
    put(f, "b", 10);
    checkpoint(f);
    sop_test_check(f->db);
}

/* Whatever allocation fails: the call fails alone, and what was written before is committed. */
static void test_a_put_that_finds_no_memory_fails_alone(void **state)
{
    fixture *f = *state;
    int refused = 0;
    for (uint64_t n = 1; n < 40; n++) {
        sop_txn *txn = sop_test_begin(f->db, SOP_TXN_WRITE);
        sop_store *store = sop_test_store(txn, "s");
        SOP_TEST_OK(txn, sop_store_put(store, sop_str("first"), (sop_slice){&n, sizeof n}));
        sop_memory_fail_at(n, 0);
        sop_status status = SOP_OK;
        for (char k = 'a'; k <= 'z' && status == SOP_OK; k++) {
            char key[200] = {0};
            key[0] = k;
            status = sop_store_put(store, (sop_slice){key, sizeof key}, sop_str("x"));
        }
        sop_memory_fail_at(0, 0);
        if (status != SOP_OK) {
            assert_int_equal(status, SOP_NO_MEMORY);
            refused++;
        }
        sop_test_commit(txn);
        sop_slice value;
        txn = sop_test_begin(f->db, SOP_TXN_READ);
        SOP_TEST_OK(txn, sop_store_get(sop_test_store(txn, "s"), sop_str("first"), &value));
        assert_memory_equal(value.data, &n, sizeof n);
        sop_txn_close(txn);
    }
    assert_true(refused > 0);
}

/* A create that fails half way leaves nothing that could be committed. */
static void test_a_store_made_by_half_is_never_committed(void **state)
{
    fixture *f = *state;
    sop_error err = {0};
    int refused = 0;
    for (uint64_t n = 1; n < 60; n++) {
        sop_txn *txn = sop_test_begin(f->db, SOP_TXN_WRITE);
        sop_store *store;
        sop_memory_fail_at(n, 0);
        sop_status status = sop_store_create(txn, "half", NULL, &store);
        sop_memory_fail_at(0, 0);
        if (status != SOP_OK) refused++;
        sop_status committed = sop_txn_commit(txn);
        if (status == SOP_OK) assert_int_equal(committed, SOP_OK);
        sop_txn_close(txn);
        sop_check_report report = SOP_CHECK_REPORT_INIT;
        if (sop_db_check(f->db, NULL, &report, &err) != SOP_OK) fail_msg("%s", err.message);
        if (status != SOP_OK) continue;
        txn = sop_test_begin(f->db, SOP_TXN_WRITE);
        SOP_TEST_OK(txn, sop_store_drop(txn, "half"));
        sop_test_commit(txn);
    }
    assert_true(refused > 0);
}

#define FAULT_TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FAULT_TEST(test_check_tells_what_it_cannot_read_from_damage),
        FAULT_TEST(test_a_second_finish_of_a_bulk_load_repeats_the_answer),
        FAULT_TEST(test_checkpoints_go_on_after_a_failed_sync_of_a_large_value),
        FAULT_TEST(test_a_checkpoint_does_not_count_on_values_nobody_synced),
        FAULT_TEST(test_after_many_failed_checkpoints_a_reopened_database_makes_one),
        FAULT_TEST(test_a_put_that_finds_no_memory_fails_alone),
        FAULT_TEST(test_a_store_made_by_half_is_never_committed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
