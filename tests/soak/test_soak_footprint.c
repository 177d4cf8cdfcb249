/* SPDX-License-Identifier: MIT */
/* What nothing costs: the disk of an empty database, the memory of an idle handle. */
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

enum { DISK_MAX = 3 << 20, MEMORY_MAX = 8 << 20 };

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { MEMORY_IS_OURS = 0 }; /* the sanitizer's own memory is counted too */
#else
enum { MEMORY_IS_OURS = 1 };
#endif

static void test_an_empty_database_takes_at_most_3_mib_of_disk(void **state)
{
    sop_test_place *place = *state;
    (void)sop_test_open(place, NULL);
    uint64_t open = sop_test_disk_usage(place->folder);
    sop_test_close(place);
    uint64_t closed = sop_test_disk_usage(place->folder);
    print_message("%llu KiB open, %llu KiB closed\n", (unsigned long long)(open >> 10),
                  (unsigned long long)(closed >> 10));
    assert_true(open > 0 && open <= DISK_MAX);
    assert_true(closed > 0 && closed <= DISK_MAX);
}

/* Idle is also a handle that was used and rests: its reader is reset. */
static void test_an_idle_handle_takes_at_most_8_mib_of_memory(void **state)
{
    sop_test_place *place = *state;
    uint64_t before = sop_test_anonymous_memory();
    sop_db *db = sop_test_open(place, NULL);
    uint64_t fresh = sop_test_anonymous_memory() - before;
    sop_test_create(db, "s", NULL);
    sop_txn *txn = sop_test_begin(db, SOP_TXN_WRITE);
    SOP_TEST_OK(txn, sop_store_put(sop_test_store(txn, "s"), sop_str("k"), sop_str("v")));
    sop_test_commit(txn);
    txn = sop_test_begin(db, SOP_TXN_READ);
    sop_test_value_is(sop_test_store(txn, "s"), txn, sop_str("k"), sop_str("v"));
    sop_txn_reset(txn);
    uint64_t rested = sop_test_anonymous_memory() - before;
    print_message("%llu KiB when opened, %llu KiB after some use\n",
                  (unsigned long long)(fresh >> 10), (unsigned long long)(rested >> 10));
    if (MEMORY_IS_OURS) assert_true(fresh <= MEMORY_MAX && rested <= MEMORY_MAX);
    sop_txn_close(txn);
    sop_test_close(place);
}

static void test_ten_open_databases_take_ten_times_as_much_at_most(void **state)
{
    (void)state;
    sop_db *handles[10];
    sop_error err = {0};
    uint64_t before = sop_test_anonymous_memory();
    for (int i = 0; i < 10; i++) {
        char url[32];
        (void)snprintf(url, sizeof url, "memory:small%d", i);
        if (sop_db_open(url, NULL, &handles[i], &err) != SOP_OK) fail_msg("%s", err.message);
    }
    uint64_t all = sop_test_anonymous_memory() - before;
    if (MEMORY_IS_OURS) assert_true(all <= 10ull * MEMORY_MAX);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(sop_db_close(handles[i], &err), SOP_OK);
    }
}

/* Readers are not limited in number: each keeps seeing what was there when it began. */
static void test_any_number_of_readers_keep_their_snapshots(void **state)
{
    sop_test_place *place = *state;
    int count = sop_test_soak() ? 20000 : 2000;
    sop_txn **readers = calloc((size_t)count, sizeof(sop_txn *));
    assert_non_null(readers);
    sop_db *db = sop_test_open(place, NULL);
    sop_test_create(db, "s", NULL);
    for (int i = 0; i < count; i++) {
        if (i % 100 == 0) {
            char text[32];
            (void)snprintf(text, sizeof text, "round %d", i / 100);
            sop_txn *txn = sop_test_begin(db, SOP_TXN_WRITE);
            SOP_TEST_OK(txn, sop_store_put(sop_test_store(txn, "s"), sop_str("k"), sop_str(text)));
            sop_test_commit(txn);
        }
        readers[i] = sop_test_begin(db, SOP_TXN_READ);
    }
    for (int i = 0; i < count; i++) {
        char text[32];
        (void)snprintf(text, sizeof text, "round %d", i / 100);
        sop_store *store = sop_test_store(readers[i], "s");
        sop_test_value_is(store, readers[i], sop_str("k"), sop_str(text));
        sop_txn_close(readers[i]);
    }
    free(readers);
    sop_test_close(place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SOP_TEST_FOLDER(test_an_empty_database_takes_at_most_3_mib_of_disk),
        SOP_TEST_FOLDER(test_an_idle_handle_takes_at_most_8_mib_of_memory),
        SOP_TEST_FOLDER(test_any_number_of_readers_keep_their_snapshots),
        cmocka_unit_test(test_ten_open_databases_take_ten_times_as_much_at_most),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
