/* SPDX-License-Identifier: MIT */
/* Many threads on one database: readers beside writers and checkpoints, long readers, cancelling, starvation, group commit. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "support/place.h"
#include "support/support.h"
#include "util/world.h"

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif

enum { ACCOUNTS = 500, BALANCE = 1000, READERS = 8, WRITERS = 2, MIB = 1 << 20 };

/* Threads must not call cmocka's asserts: they count here, and the main thread judges. */
typedef struct {
    sop_db *db;
    _Atomic int stop;
    _Atomic uint64_t reads;
    _Atomic uint64_t commits;
    _Atomic uint64_t conflicts;
    _Atomic int failures;
    char first[300]; /* written by whoever made failures 1 */
    uint64_t transfers;
    _Atomic uint64_t number;
} shared;

static void failed(shared *s, const char *what, sop_status status, const char *message)
{
    if (atomic_fetch_add(&s->failures, 1) != 0) return;
    (void)snprintf(s->first, sizeof s->first, "%s: %s %.200s", what, sop_status_name(status),
                   message);
}

static void judge(shared *s)
{
    if (atomic_load(&s->failures) != 0) fail_msg("%d failures, %s", s->failures, s->first);
}

static void start(pthread_t *thread, void *(*fn)(void *), void *argument)
{
    assert_int_equal(pthread_create(thread, NULL, fn, argument), 0);
}

static void join(pthread_t thread)
{
    assert_int_equal(pthread_join(thread, NULL), 0);
}

static sop_slice key_of(uint32_t i, uint8_t buffer[4])
{
    buffer[0] = (uint8_t)(i >> 24);
    buffer[1] = (uint8_t)(i >> 16);
    buffer[2] = (uint8_t)(i >> 8);
    buffer[3] = (uint8_t)i;
    return (sop_slice){buffer, 4};
}

static sop_status account_read(sop_store *store, uint32_t i, int64_t *out)
{
    uint8_t key[4];
    sop_slice value;
    sop_status status = sop_store_get(store, key_of(i, key), &value);
    if (status == SOP_OK && value.size != sizeof *out) status = SOP_CORRUPT;
    if (status == SOP_OK) memcpy(out, value.data, sizeof *out);
    return status;
}

static sop_status account_write(sop_store *store, uint32_t i, int64_t balance)
{
    uint8_t key[4];
    return sop_store_put(store, key_of(i, key), (sop_slice){&balance, sizeof balance});
}

static void accounts_make(sop_db *db)
{
    (void)sop_test_create(db, "accounts", NULL);
    sop_txn *txn = sop_test_begin(db, SOP_TXN_WRITE);
    sop_store *store = sop_test_store(txn, "accounts");
    for (uint32_t i = 0; i < ACCOUNTS; i++)
        SOP_TEST_OK(txn, account_write(store, i, BALANCE));
    sop_test_commit(txn);
}

/* ---- readers beside writers and checkpoints ---- */

/* One snapshot: the sum never changes, every account is there, ranks and counts are exact. */
static sop_status sum_check(sop_store *store, int64_t *sum)
{
    sop_cursor *cursor;
    uint64_t count;
    uint64_t rank = 0;
    *sum = 0;
    sop_status status = sop_cursor_open(store, &cursor);
    for (uint32_t i = 0; i < ACCOUNTS && status == SOP_OK; i++) {
        sop_slice value;
        int64_t balance = 0;
        status = sop_cursor_next(cursor);
        if (status == SOP_OK) status = sop_cursor_value(cursor, &value);
        if (status == SOP_OK) memcpy(&balance, value.data, sizeof balance);
        *sum += balance;
    }
    if (status == SOP_OK) status = sop_cursor_rank(cursor, &rank);
    if (status == SOP_OK) status = sop_store_count(store, &count);
    if (status == SOP_OK && (count != ACCOUNTS || rank != ACCOUNTS - 1)) status = SOP_CORRUPT;
    sop_cursor_close(cursor);
    return status;
}

static void *reader_run(void *argument)
{
    shared *s = argument;
    sop_error err = {0};
    sop_txn *txn;
    sop_store *store;
    sop_status status = sop_txn_begin(s->db, SOP_TXN_READ, &txn, &err);
    if (status == SOP_OK) status = sop_store_open(txn, "accounts", &store);
    while (status == SOP_OK && !atomic_load(&s->stop)) {
        int64_t sum;
        status = sum_check(store, &sum);
        if (status == SOP_OK && sum != ACCOUNTS * BALANCE)
            failed(s, "the sum of a snapshot is wrong", status, "");
        atomic_fetch_add(&s->reads, 1);
        sop_txn_reset(txn);
        if (status == SOP_OK) status = sop_txn_renew(txn);
    }
    if (status != SOP_OK) failed(s, "reader", status, sop_txn_error(txn)->message);
    sop_txn_close(txn);
    return NULL;
}

static sop_status transfer(sop_txn *txn, uint64_t *seed)
{
    sop_store *store;
    int64_t from = 0;
    int64_t to = 0;
    uint32_t a = (uint32_t)(sop_test_random(seed) % ACCOUNTS);
    uint32_t b = (a + 1 + (uint32_t)(sop_test_random(seed) % (ACCOUNTS - 1))) % ACCOUNTS;
    int64_t amount = (int64_t)(sop_test_random(seed) % 20);
    sop_status status = sop_store_open(txn, "accounts", &store);
    if (status == SOP_OK) status = account_read(store, a, &from);
    if (status == SOP_OK) status = account_read(store, b, &to);
    if (status == SOP_OK) status = account_write(store, a, from - amount);
    if (status == SOP_OK) status = account_write(store, b, to + amount);
    return status;
}

/* Whether enough happened beside the writers, however the threads were scheduled. */
static int crowded(shared *s)
{
    sop_stats stats = SOP_STATS_INIT;
    if (sop_db_stats(s->db, &stats, NULL) != SOP_OK || atomic_load(&s->failures) != 0) return 1;
    return stats.checkpoints > 2 && atomic_load(&s->reads) >= READERS;
}

static void *writer_run(void *argument)
{
    shared *s = argument;
    sop_error err = {0};
    sop_txn *txn;
    uint64_t seed = atomic_fetch_add(&s->number, 1) + 1000;
    sop_status status = sop_txn_begin(s->db, SOP_TXN_WRITE, &txn, &err);
    for (uint64_t i = 0; (i < s->transfers || !crowded(s)) && status == SOP_OK; i++) {
        status = transfer(txn, &seed);
        if (status == SOP_OK) status = sop_txn_commit(txn);
        atomic_fetch_add(status == SOP_CONFLICT ? &s->conflicts : &s->commits, 1);
        if (status != SOP_OK && status != SOP_CONFLICT)
            failed(s, "writer", status, sop_txn_error(txn)->message);
        sop_txn_reset(txn);
        status = sop_txn_renew(txn);
    }
    sop_txn_close(txn);
    return NULL;
}

static void *checkpoint_run(void *argument)
{
    shared *s = argument;
    while (!atomic_load(&s->stop)) {
        sop_error err = {0};
        sop_status status = sop_db_checkpoint(s->db, &err);
        if (status != SOP_OK) failed(s, "checkpoint", status, err.message);
    }
    return NULL;
}

static void test_readers_never_block_nor_fail_beside_writers_and_checkpoints(void **state)
{
    sop_test_place *place = *state;
    sop_db_options options = SOP_DB_OPTIONS_INIT;
    options.sync = SOP_SYNC_OFF;
    options.memory_max = MIB;
    shared s = {.db = sop_test_open(place, &options)};
    s.transfers = SANITIZED ? 500 : sop_test_soak() ? 200000 : 30000;
    accounts_make(s.db);
    pthread_t readers[READERS];
    pthread_t writers[WRITERS];
    pthread_t checkpoints;
    for (int i = 0; i < READERS; i++)
        start(&readers[i], reader_run, &s);
    for (int i = 0; i < WRITERS; i++)
        start(&writers[i], writer_run, &s);
    start(&checkpoints, checkpoint_run, &s);
    for (int i = 0; i < WRITERS; i++)
        join(writers[i]);
    atomic_store(&s.stop, 1);
    for (int i = 0; i < READERS; i++)
        join(readers[i]);
    join(checkpoints);
    judge(&s);
    sop_stats stats = SOP_STATS_INIT;
    assert_int_equal(sop_db_stats(s.db, &stats, NULL), SOP_OK);
    print_message("%llu commits, %llu conflicts, %llu snapshots read, %llu checkpoints\n",
                  (unsigned long long)s.commits, (unsigned long long)s.conflicts,
                  (unsigned long long)s.reads, (unsigned long long)stats.checkpoints);
    assert_true(s.reads >= READERS && stats.checkpoints > 2);
    assert_true(s.commits + s.conflicts >= s.transfers * WRITERS && s.commits > s.transfers);
    sop_test_check(s.db);
    sop_test_close(place);
}

/* A writer that holds its transaction open, with changes, is in nobody's way. */
static void test_readers_go_on_while_a_transaction_is_left_open(void **state)
{
    sop_test_place *place = *state;
    sop_db *db = sop_test_open(place, NULL);
    accounts_make(db);
    sop_txn *open = sop_test_begin(db, SOP_TXN_WRITE);
    SOP_TEST_OK(open, account_write(sop_test_store(open, "accounts"), 3, 0));
    for (int i = 0; i < 20; i++) {
        int64_t balance;
        sop_txn *txn = sop_test_begin(db, SOP_TXN_WRITE);
        sop_store *store = sop_test_store(txn, "accounts");
        SOP_TEST_OK(txn, account_read(store, 3, &balance));
        assert_int_equal(balance, BALANCE);
        SOP_TEST_OK(txn, account_write(store, 4, i));
        sop_test_commit(txn);
    }
    sop_test_commit(open);
    sop_test_close(place);
}

/* ---- a long reader ---- */

static void test_a_reader_held_open_pins_little_memory(void **state)
{
    sop_test_place *place = *state;
    sop_db_options options = SOP_DB_OPTIONS_INIT;
    options.sync = SOP_SYNC_OFF;
    sop_db *db = sop_test_open(place, &options);
    uint32_t updates = SANITIZED ? 50000 : sop_test_soak() ? 10000000 : 1000000;
    accounts_make(db);
    sop_txn *txn = sop_test_begin(db, SOP_TXN_WRITE);
    sop_store *store = sop_test_store(txn, "accounts");
    for (uint32_t i = 0; i < 1000; i++)
        SOP_TEST_OK(txn, account_write(store, i, 7));
    sop_test_commit(txn);
    sop_txn *reader = sop_test_begin(db, SOP_TXN_READ);
    sop_store *seen = sop_test_store(reader, "accounts");
    uint64_t before = sop_test_anonymous_memory();
    uint64_t peak = before;
    txn = sop_test_begin(db, SOP_TXN_WRITE);
    store = sop_test_store(txn, "accounts");
    for (uint32_t i = 0; i < updates; i++) {
        SOP_TEST_OK(txn, account_write(store, i % 1000, i));
        SOP_TEST_OK(txn, sop_txn_commit(txn));
        SOP_TEST_OK(txn, sop_txn_renew(txn));
        if (i % 50000 != 0) continue;
        uint64_t now = sop_test_anonymous_memory();
        if (now > peak) peak = now;
    }
    sop_txn_close(txn);
    print_message("%u updates beside one reader: %llu KiB more\n", updates,
                  (unsigned long long)(peak - before) / 1024);
    for (uint32_t i = 0; i < 1000; i++) {
        int64_t value;
        SOP_TEST_OK(reader, account_read(seen, i, &value));
        assert_int_equal(value, 7);
    }
    sop_txn_close(reader);
    if (!SANITIZED) assert_true(peak - before <= 64u * MIB);
    sop_test_check(db);
    sop_test_close(place);
}

/* ---- stopping from another thread ---- */

static void *interrupt_run(void *argument)
{
    shared *s = argument;
    while (!atomic_load(&s->stop)) {
        sop_db_interrupt(s->db);
        struct timespec pause = {0, 1000000};
        (void)nanosleep(&pause, NULL);
    }
    return NULL;
}

static void test_interrupt_ends_a_wait_for_changes(void **state)
{
    sop_test_place *place = *state;
    shared s = {.db = sop_test_open(place, NULL)};
    sop_error err = {0};
    sop_changes *changes;
    sop_change change = SOP_CHANGE_INIT;
    pthread_t thread;
    assert_int_equal(sop_changes_open(s.db, 0, &changes, &err), SOP_OK);
    while (sop_changes_next(changes, 0, &change) == SOP_OK) {
    }
    start(&thread, interrupt_run, &s);
    assert_int_equal(sop_changes_next(changes, -1, &change), SOP_CANCELLED);
    atomic_store(&s.stop, 1);
    join(thread);
    sop_changes_close(changes);
    sop_test_close(place);
}

static void test_interrupted_long_calls_leave_all_as_it_was(void **state)
{
    sop_test_place *place = *state;
    shared s = {.db = sop_test_open(place, NULL)};
    pthread_t thread;
    accounts_make(s.db);
    start(&thread, interrupt_run, &s);
    int cancelled = 0;
    for (int i = 0; i < 200; i++) {
        sop_error err = {0};
        sop_check_report report = SOP_CHECK_REPORT_INIT;
        sop_status status =
            i % 2 == 0 ? sop_db_checkpoint(s.db, &err) : sop_db_check(s.db, NULL, &report, &err);
        if (status == SOP_CANCELLED) {
            cancelled++;
        } else if (status != SOP_OK) {
            fail_msg("%s %s", sop_status_name(status), err.message);
        }
    }
    atomic_store(&s.stop, 1);
    join(thread);
    print_message("%d of 200 calls interrupted\n", cancelled);
    sop_error err = {0};
    assert_int_equal(sop_db_checkpoint(s.db, &err), SOP_OK);
    sop_test_check(s.db);
    sop_test_close(place);
}

static void *cancel_run(void *argument)
{
    sop_txn_cancel(argument);
    return NULL;
}

static void test_cancel_from_another_thread_ends_a_transaction_until_it_is_renewed(void **state)
{
    sop_test_place *place = *state;
    sop_db *db = sop_test_open(place, NULL);
    accounts_make(db);
    pthread_t thread;
    static const sop_txn_mode modes[] = {SOP_TXN_READ, SOP_TXN_WRITE};
    for (int i = 0; i < 2; i++) {
        sop_txn *txn = sop_test_begin(db, modes[i]);
        sop_store *store = sop_test_store(txn, "accounts");
        start(&thread, cancel_run, txn);
        sop_status status = SOP_OK;
        int64_t balance;
        while (status == SOP_OK)
            status = account_read(store, 3, &balance);
        assert_int_equal(status, SOP_CANCELLED);
        join(thread);
        SOP_TEST_REFUSED(txn, sop_txn_commit(txn), SOP_CANCELLED, NULL);
        sop_txn_reset(txn);
        SOP_TEST_OK(txn, sop_txn_renew(txn));
        SOP_TEST_OK(txn, account_read(store, 3, &balance));
        sop_txn_close(txn);
    }
    sop_test_close(place);
}

/* ---- starvation ---- */

static sop_status big_body(sop_txn *txn, void *context)
{
    sop_store *store;
    int *attempts = context;
    ++*attempts;
    sop_status status = sop_store_open(txn, "accounts", &store);
    int64_t sum = 0;
    for (uint32_t i = 0; i < ACCOUNTS && status == SOP_OK; i++) {
        int64_t balance = 0;
        status = account_read(store, i, &balance);
        sum += balance;
    }
    if (status == SOP_OK && sum != ACCOUNTS * BALANCE) return SOP_CORRUPT;
    uint8_t key[4];
    return status == SOP_OK ? sop_store_put(store, key_of(ACCOUNTS, key), (sop_slice){&sum, 8})
                            : status;
}

static void *small_run(void *argument)
{
    shared *s = argument;
    uint64_t seed = atomic_fetch_add(&s->number, 1) + 1;
    while (!atomic_load(&s->stop)) {
        sop_error err = {0};
        sop_txn *txn;
        sop_status status = sop_txn_begin(s->db, SOP_TXN_WRITE, &txn, &err);
        if (status == SOP_OK) status = transfer(txn, &seed);
        if (status == SOP_OK) status = sop_txn_commit(txn);
        if (status == SOP_OK) {
            atomic_fetch_add(&s->commits, 1);
        } else if (status != SOP_CONFLICT) {
            failed(s, "small writer", status, err.message);
        }
        sop_txn_close(txn);
    }
    return NULL;
}

/* The gate stays closed for 100 ms at most. By a clock that stands still that is for ever, however slow the machine is. */
static uint64_t still_clock(void)
{
    return 1000000000;
}

static void clock_stop(void)
{
    static sop_world world;
    world = *sop_world_get();
    world.boot_ns = still_clock;
    sop_world_set(&world);
}

static void test_a_big_transaction_gets_through_a_storm_of_small_ones(void **state)
{
    sop_test_place *place = *state;
    sop_db_options options = SOP_DB_OPTIONS_INIT;
    options.sync = SOP_SYNC_OFF;
    clock_stop();
    shared s = {.db = sop_test_open(place, &options)};
    pthread_t threads[4];
    int attempts = 0;
    accounts_make(s.db);
    for (int i = 0; i < 4; i++)
        start(&threads[i], small_run, &s);
    while (atomic_load(&s.commits) < 100) {
        struct timespec pause = {0, 1000000};
        (void)nanosleep(&pause, NULL);
    }
    for (int i = 0; i < 10; i++) {
        sop_error err = {0};
        sop_status status = sop_txn_run(s.db, NULL, big_body, &attempts, &err);
        if (status != SOP_OK) failed(&s, "big transaction", status, err.message);
    }
    atomic_store(&s.stop, 1);
    for (int i = 0; i < 4; i++)
        join(threads[i]);
    judge(&s);
    print_message("10 big transactions took %d attempts beside %llu small commits\n", attempts,
                  (unsigned long long)s.commits);
    /* Three free attempts, then one with the gate closed. */
    assert_true(attempts <= 40);
    sop_test_close(place);
    sop_world_set(NULL);
}

/* ---- group commit ---- */

enum { GROUP_THREADS = 16, GROUP_COMMITS = 100 };

static void *group_run(void *argument)
{
    shared *s = argument;
    uint32_t me = (uint32_t)atomic_fetch_add(&s->number, 1);
    for (uint32_t i = 0; i < GROUP_COMMITS; i++) {
        sop_error err = {0};
        sop_txn *txn;
        sop_store *store;
        sop_db_info info = SOP_DB_INFO_INIT;
        sop_status status = sop_txn_begin(s->db, SOP_TXN_WRITE, &txn, &err);
        if (status == SOP_OK) status = sop_store_open(txn, "accounts", &store);
        if (status == SOP_OK) status = account_write(store, 1000 + me * GROUP_COMMITS + i, i);
        if (status == SOP_OK) status = sop_txn_commit(txn);
        if (status == SOP_OK) status = sop_db_info_get(s->db, &info, &err);
        if (status != SOP_OK) failed(s, "commit", status, err.message);
        if (status == SOP_OK && info.durable < sop_txn_seq(txn))
            failed(s, "acknowledged before it was durable", status, "");
        sop_txn_close(txn);
    }
    return NULL;
}

static void test_group_commit_shares_syncs_and_all_are_durable(void **state)
{
    sop_test_place *place = *state;
    shared s = {.db = sop_test_open(place, NULL)};
    pthread_t threads[GROUP_THREADS];
    accounts_make(s.db);
    for (int i = 0; i < GROUP_THREADS; i++)
        start(&threads[i], group_run, &s);
    for (int i = 0; i < GROUP_THREADS; i++)
        join(threads[i]);
    judge(&s);
    sop_stats stats = SOP_STATS_INIT;
    assert_int_equal(sop_db_stats(s.db, &stats, NULL), SOP_OK);
    print_message("%d commits in %llu syncs\n", GROUP_THREADS * GROUP_COMMITS,
                  (unsigned long long)stats.syncs);
    assert_true(stats.syncs > 0 && stats.frames > 0 && stats.syncs < GROUP_THREADS * GROUP_COMMITS);
    /* A copy of the folder as a crash would leave it: everything acknowledged is there. */
    sop_test_shell("cp -r %s/db %s/crash", place->folder, place->folder);
    sop_test_close(place);
    (void)snprintf(place->url, sizeof place->url, "file:%s/crash", place->folder);
    sop_db *db = sop_test_open(place, NULL);
    sop_txn *txn = sop_test_begin(db, SOP_TXN_READ);
    sop_store *store = sop_test_store(txn, "accounts");
    for (uint32_t i = 0; i < GROUP_THREADS * GROUP_COMMITS; i++) {
        int64_t value;
        SOP_TEST_OK(txn, account_read(store, 1000 + i, &value));
        assert_int_equal(value, i % GROUP_COMMITS);
    }
    sop_txn_close(txn);
    sop_test_check(db);
    sop_test_close(place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SOP_TEST_BOTH(test_readers_never_block_nor_fail_beside_writers_and_checkpoints),
        SOP_TEST_BOTH(test_readers_go_on_while_a_transaction_is_left_open),
        SOP_TEST_FOLDER(test_a_reader_held_open_pins_little_memory),
        SOP_TEST_BOTH(test_interrupt_ends_a_wait_for_changes),
        SOP_TEST_BOTH(test_interrupted_long_calls_leave_all_as_it_was),
        SOP_TEST_BOTH(test_cancel_from_another_thread_ends_a_transaction_until_it_is_renewed),
        SOP_TEST_BOTH(test_a_big_transaction_gets_through_a_storm_of_small_ones),
        SOP_TEST_FOLDER(test_group_commit_shares_syncs_and_all_are_durable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
