/* SPDX-License-Identifier: MIT */
/* Several handles on one database: each is to the others what another process is. */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/place.h"
#include "support/support.h"

enum { HANDLES = 4 };

static sop_db *open_with(const sop_test_place *place, int sync, int workers)
{
    sop_error err = {0};
    sop_db *db;
    sop_db_options options = SOP_DB_OPTIONS_INIT;
    options.sync = sync;
    options.workers = workers;
    sop_status status = sop_db_open(place->url, &options, &db, &err);
    if (status != SOP_OK) fail_msg("open: %s %s", sop_status_name(status), err.message);
    return db;
}

static void shut(sop_db *db)
{
    sop_error err = {0};
    sop_status status = sop_db_close(db, &err);
    if (status != SOP_OK) fail_msg("close: %s %s", sop_status_name(status), err.message);
}

static void put(sop_db *db, const char *key, const char *value)
{
    sop_txn *txn = sop_test_begin(db, SOP_TXN_WRITE);
    sop_store *store = sop_test_store(txn, "s");
    SOP_TEST_OK(txn, sop_store_put(store, sop_str(key), sop_str(value)));
    sop_test_commit(txn);
}

static void has(sop_db *db, const char *key, const char *value)
{
    sop_txn *txn = sop_test_begin(db, SOP_TXN_READ);
    sop_store *store = sop_test_store(txn, "s");
    if (value == NULL) {
        assert_int_equal(sop_store_get(store, sop_str(key), NULL), SOP_NOT_FOUND);
    } else {
        sop_test_value_is(store, txn, sop_str(key), sop_str(value));
    }
    sop_txn_close(txn);
}

static uint64_t count(sop_db *db)
{
    uint64_t items = 0;
    sop_txn *txn = sop_test_begin(db, SOP_TXN_READ);
    SOP_TEST_OK(txn, sop_store_count(sop_test_store(txn, "s"), &items));
    sop_txn_close(txn);
    return items;
}

static void checkpoint(sop_db *db)
{
    sop_error err = {0};
    sop_status status = sop_db_checkpoint(db, &err);
    if (status != SOP_OK) fail_msg("checkpoint: %s %s", sop_status_name(status), err.message);
}

/* ---- what one commits the other sees ---- */

static void commits_of_one_are_seen_by_the_other(void **state)
{
    sop_test_place *place = *state;
    sop_db *a = open_with(place, SOP_SYNC_FULL, 0);
    sop_test_create(a, "s", NULL);
    sop_db *b = open_with(place, SOP_SYNC_FULL, 0);
    put(a, "k", "one");
    has(b, "k", "one");
    put(b, "k", "two");
    has(a, "k", "two");
    for (int i = 0; i < 50; i++) {
        char key[32];
        (void)snprintf(key, sizeof key, "key%d", i);
        put(i % 2 ? a : b, key, "x");
        has(i % 2 ? b : a, key, "x");
    }
    sop_test_check(a);
    sop_test_check(b);
    shut(a);
    put(b, "k", "three");
    sop_db *c = open_with(place, SOP_SYNC_FULL, 0);
    has(c, "k", "three");
    shut(b);
    has(c, "k", "three");
    assert_int_equal(count(c), 51);
    shut(c);
}

static void a_read_that_another_handle_changed_is_a_conflict(void **state)
{
    sop_test_place *place = *state;
    sop_slice value;
    sop_db *a = open_with(place, SOP_SYNC_FULL, 0);
    sop_test_create(a, "s", NULL);
    put(a, "k", "one");
    sop_db *b = open_with(place, SOP_SYNC_FULL, 0);
    sop_txn *txn = sop_test_begin(a, SOP_TXN_WRITE);
    sop_store *store = sop_test_store(txn, "s");
    SOP_TEST_OK(txn, sop_store_get(store, sop_str("k"), &value));
    put(b, "k", "two");
    SOP_TEST_OK(txn, sop_store_put(store, sop_str("k"), sop_str("lost update")));
    assert_int_equal(sop_txn_commit(txn), SOP_CONFLICT);
    sop_txn_close(txn);
    has(a, "k", "two");
    shut(b);
    shut(a);
}

static void the_feed_of_one_tells_the_commits_of_the_other(void **state)
{
    sop_test_place *place = *state;
    sop_error err = {0};
    sop_changes *changes;
    sop_change change = SOP_CHANGE_INIT;
    sop_db *a = open_with(place, SOP_SYNC_FULL, 0);
    uint64_t id = sop_test_create(a, "s", NULL);
    sop_db *b = open_with(place, SOP_SYNC_FULL, 0);
    sop_db_info info = SOP_DB_INFO_INIT;
    assert_int_equal(sop_db_info_get(b, &info, &err), SOP_OK);
    assert_int_equal(sop_changes_open(b, info.tip, &changes, &err), SOP_OK);
    put(a, "k", "one");
    assert_int_equal(sop_changes_next(changes, 60000, &change), SOP_OK);
    assert_int_equal(change.kind, SOP_CHANGE_INSERT);
    assert_int_equal(change.store_id, id);
    sop_changes_close(changes);
    shut(b);
    shut(a);
}

/* ---- checkpoints, files, large values, loads ---- */

static void fill(sop_db *db, uint32_t from, uint32_t to, size_t size)
{
    char *value = malloc(size);
    assert_non_null(value);
    memset(value, 'v', size);
    for (uint32_t i = from; i < to;) {
        sop_txn *txn = sop_test_begin(db, SOP_TXN_WRITE);
        sop_store *store = sop_test_store(txn, "s");
        for (uint32_t n = 0; n < 50 && i < to; n++, i++) {
            char key[32];
            (void)snprintf(key, sizeof key, "n%08u", i);
            SOP_TEST_OK(txn, sop_store_put(store, sop_str(key), (sop_slice){value, size}));
        }
        sop_test_commit(txn);
    }
    free(value);
}

static void a_checkpoint_of_one_becomes_the_base_of_the_other(void **state)
{
    sop_test_place *place = *state;
    sop_error err = {0};
    sop_db *a = open_with(place, SOP_SYNC_FULL, 0);
    sop_test_create(a, "s", NULL);
    sop_db *b = open_with(place, SOP_SYNC_FULL, 0);
    for (uint32_t round = 0; round < 6; round++) {
        fill(round % 2 ? a : b, round * 500, (round + 1) * 500, 300);
        checkpoint(round % 3 ? a : b);
        put(a, "after", "checkpoint");
        assert_int_equal(count(a), (round + 1) * 500 + 1);
        assert_int_equal(count(b), (round + 1) * 500 + 1);
        sop_db_info one = SOP_DB_INFO_INIT;
        sop_db_info two = SOP_DB_INFO_INIT;
        assert_int_equal(sop_db_info_get(a, &one, &err), SOP_OK);
        assert_int_equal(sop_db_info_get(b, &two, &err), SOP_OK);
        assert_int_equal(one.base, two.base);
        assert_int_equal(one.tip, two.tip);
    }
    sop_test_check(a);
    sop_test_check(b);
    shut(a);
    sop_test_check(b);
    shut(b);
    sop_db *c = open_with(place, SOP_SYNC_FULL, 0);
    assert_int_equal(count(c), 3001);
    shut(c);
}

static void a_handle_that_slept_through_checkpoints_catches_up(void **state)
{
    sop_test_place *place = *state;
    sop_error err = {0};
    sop_db_options options = SOP_DB_OPTIONS_INIT;
    options.workers = -1;
    options.log_keep = 1;
    sop_db *a;
    assert_int_equal(sop_db_open(place->url, &options, &a, &err), SOP_OK);
    sop_test_create(a, "s", NULL);
    sop_db *b = open_with(place, SOP_SYNC_FULL, -1);
    put(b, "k", "old");
    sop_txn *old = sop_test_begin(b, SOP_TXN_READ);
    sop_store *store = sop_test_store(old, "s");
    for (uint32_t round = 0; round < 8; round++) {
        fill(a, round * 2000, (round + 1) * 2000, 500);
        checkpoint(a);
    }
    put(a, "k", "new");
    sop_test_value_is(store, old, sop_str("k"), sop_str("old"));
    sop_txn_close(old);
    has(b, "k", "new");
    assert_int_equal(count(b), 16001);
    put(b, "k", "newer");
    has(a, "k", "newer");
    sop_test_check(b);
    shut(b);
    shut(a);
}

static void large_values_and_loads_of_one_are_read_by_the_other(void **state)
{
    sop_test_place *place = *state;
    sop_error err = {0};
    size_t size = 3000000;
    char *value = malloc(size);
    assert_non_null(value);
    memset(value, 'L', size);
    sop_db *a = open_with(place, SOP_SYNC_FULL, 0);
    sop_test_create(a, "s", NULL);
    sop_db *b = open_with(place, SOP_SYNC_FULL, 0);
    for (int i = 0; i < 6; i++) {
        char key[32];
        sop_db *writer = i % 2 ? a : b;
        sop_db *reader = i % 2 ? b : a;
        (void)snprintf(key, sizeof key, "large%d", i);
        value[0] = (char)('a' + i);
        sop_txn *txn = sop_test_begin(writer, SOP_TXN_WRITE);
        SOP_TEST_OK(
            txn, sop_store_put(sop_test_store(txn, "s"), sop_str(key), (sop_slice){value, size}));
        sop_test_commit(txn);
        txn = sop_test_begin(reader, SOP_TXN_READ);
        sop_test_value_is(sop_test_store(txn, "s"), txn, sop_str(key), (sop_slice){value, size});
        sop_txn_close(txn);
        if (i >= 2) checkpoint(i % 3 ? a : b);
    }
    free(value);
    sop_bulk *bulk;
    assert_int_equal(sop_bulk_open(a, "loaded", NULL, &bulk, &err), SOP_OK);
    for (int i = 0; i < 1000; i++) {
        char key[32];
        (void)snprintf(key, sizeof key, "b%06d", i);
        assert_int_equal(sop_bulk_add(bulk, sop_str(key), sop_str("x")), SOP_OK);
    }
    assert_int_equal(sop_bulk_finish(bulk, NULL), SOP_OK);
    uint64_t items = 0;
    sop_txn *txn = sop_test_begin(b, SOP_TXN_READ);
    SOP_TEST_OK(txn, sop_store_count(sop_test_store(txn, "loaded"), &items));
    sop_txn_close(txn);
    assert_int_equal(items, 1000);
    checkpoint(b);
    sop_test_check(a);
    shut(a);
    sop_test_check(b);
    shut(b);
}

static void modes_of_sync_mix(void **state)
{
    sop_test_place *place = *state;
    sop_error err = {0};
    sop_db *full = open_with(place, SOP_SYNC_FULL, 0);
    sop_test_create(full, "s", NULL);
    sop_db *off = open_with(place, SOP_SYNC_OFF, 0);
    sop_db *periodic = open_with(place, SOP_SYNC_PERIODIC, 0);
    sop_db *all[] = {full, off, periodic};
    for (int i = 0; i < 90; i++) {
        char key[32];
        (void)snprintf(key, sizeof key, "key%d", i % 10);
        put(all[i % 3], key, i % 2 ? "odd" : "even");
        if (i % 3 != 1) has(off, key, i % 2 ? "odd" : "even");
        if (i % 3 == 0) has(full, key, i % 2 ? "odd" : "even");
        if (i % 10 == 4) assert_int_equal(sop_db_sync(all[i % 3], &err), SOP_OK);
        if (i % 30 == 29) checkpoint(all[i / 30]);
    }
    put(off, "last", "off");
    put(full, "last", "full");
    for (int i = 0; i < 3; i++) {
        has(all[i], "last", "full");
        assert_int_equal(count(all[i]), 11);
        sop_test_check(all[i]);
    }
    for (int i = 0; i < 3; i++)
        shut(all[i]);
    sop_db *again = open_with(place, SOP_SYNC_FULL, 0);
    has(again, "last", "full");
    assert_int_equal(count(again), 11);
    shut(again);
}

/* ---- real processes ---- */

static int exit_code(pid_t child)
{
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void the_child_of_a_fork_can_only_close(void **state)
{
    sop_test_place *place = *state;
    sop_error err = {0};
    sop_db *db = open_with(place, SOP_SYNC_FULL, 0);
    sop_test_create(db, "s", NULL);
    put(db, "k", "parent");
    sop_txn *open = sop_test_begin(db, SOP_TXN_WRITE);
    SOP_TEST_OK(open, sop_store_put(sop_test_store(open, "s"), sop_str("k"), sop_str("child")));
    pid_t child = fork();
    if (child == 0) {
        sop_txn *txn;
        int code = sop_txn_commit(open) == SOP_INVALID ? 0 : 1;
        if (sop_txn_begin(db, SOP_TXN_READ, &txn, &err) != SOP_INVALID) code |= 2;
        if (sop_db_checkpoint(db, &err) != SOP_INVALID) code |= 4;
        _exit(code);
    }
    assert_int_equal(exit_code(child), 0);
    sop_txn_close(open);
    put(db, "k", "still");
    has(db, "k", "still");
    sop_test_check(db);
    shut(db);
}

enum { KILLS = 12 };

/* A process of its own: commits one number after the other and says so, until it is killed. */
static void commit_for_ever(const sop_test_place *place, int sync, int number, int say)
{
    sop_error err = {0};
    sop_db *db;
    sop_db_options options = SOP_DB_OPTIONS_INIT;
    options.sync = sync;
    if (sop_db_open(place->url, &options, &db, &err) != SOP_OK) _exit(1);
    for (uint32_t i = 0;; i++) {
        char key[32];
        sop_txn *txn;
        sop_store *store;
        (void)snprintf(key, sizeof key, "p%d.%u", number, i);
        if (sop_txn_begin(db, SOP_TXN_WRITE, &txn, &err) != SOP_OK) _exit(2);
        if (sop_store_open(txn, "s", &store) != SOP_OK) _exit(3);
        if (sop_store_put(store, sop_str(key), sop_str("x")) != SOP_OK) _exit(4);
        if (sop_txn_commit(txn) != SOP_OK) _exit(5);
        sop_txn_close(txn);
        if (write(say, &i, sizeof i) != (ssize_t)sizeof i) _exit(6);
    }
}

/* What it said before it was killed. */
static uint32_t kill_after(pid_t child, int hear, uint32_t commits)
{
    uint32_t i = 0;
    uint32_t heard = 0;
    while (heard < commits && read(hear, &i, sizeof i) == (ssize_t)sizeof i)
        heard++;
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(exit_code(child), -SIGKILL);
    while (read(hear, &i, sizeof i) == (ssize_t)sizeof i)
        heard++;
    assert_int_equal(close(hear), 0);
    assert_true(heard >= commits);
    return heard;
}

static void killed_processes_lose_no_acknowledged_commit(void **state)
{
    sop_test_place *place = *state;
    uint32_t acknowledged = 0;
    sop_db *db = open_with(place, SOP_SYNC_FULL, 0);
    sop_test_create(db, "s", NULL);
    shut(db);
    uint32_t heard[KILLS] = {0};
    for (int i = 0; i < KILLS; i += 2) {
        pid_t children[2];
        int hear[2];
        for (int k = 0; k < 2; k++) {
            int ends[2];
            assert_int_equal(pipe(ends), 0);
            children[k] = fork();
            if (children[k] == 0) {
                commit_for_ever(place, (i / 2 + k) % 3, i + k, ends[1]);
                _exit(0);
            }
            assert_int_equal(close(ends[1]), 0);
            hear[k] = ends[0];
        }
        db = open_with(place, SOP_SYNC_FULL, 0);
        put(db, "beside", "them");
        heard[i] = kill_after(children[0], hear[0], 5 + 7 * (uint32_t)i);
        put(db, "after", "a kill");
        checkpoint(db);
        heard[i + 1] = kill_after(children[1], hear[1], 20);
        put(db, "after", "two");
        for (int k = 0; k < 2; k++) {
            acknowledged += heard[i + k];
            for (uint32_t n = 0; n < heard[i + k]; n++) {
                char key[32];
                (void)snprintf(key, sizeof key, "p%d.%u", i + k, n);
                has(db, key, "x");
            }
        }
        sop_test_check(db);
        shut(db);
    }
    print_message("%d kills, %u acknowledged commits\n", KILLS, acknowledged);
}

static void a_stopped_reader_or_idle_writer_blocks_nobody(void **state)
{
    sop_test_place *place = *state;
    int ends[2];
    uint8_t byte = 0;
    sop_db *db = open_with(place, SOP_SYNC_FULL, 0);
    sop_test_create(db, "s", NULL);
    put(db, "k", "one");
    shut(db);
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        sop_error err = {0};
        sop_db *own;
        sop_txn *reader;
        sop_txn *txn;
        sop_store *store;
        if (sop_db_open(place->url, NULL, &own, &err) != SOP_OK) _exit(1);
        if (sop_txn_begin(own, SOP_TXN_WRITE, &txn, &err) != SOP_OK) _exit(2);
        if (sop_store_open(txn, "s", &store) != SOP_OK) _exit(3);
        if (sop_store_put(store, sop_str("k"), sop_str("two")) != SOP_OK) _exit(4);
        if (sop_txn_commit(txn) != SOP_OK) _exit(5);
        if (sop_txn_begin(own, SOP_TXN_READ, &reader, &err) != SOP_OK) _exit(6);
        struct timespec idle = {0, 300000000};
        (void)nanosleep(&idle, NULL); /* long enough for the pen to be given back */
        if (write(ends[1], &byte, 1) != 1) _exit(7);
        for (;;)
            (void)pause();
    }
    assert_int_equal(read(ends[0], &byte, 1), 1);
    assert_int_equal(kill(child, SIGSTOP), 0);
    db = open_with(place, SOP_SYNC_FULL, 0);
    has(db, "k", "two");
    put(db, "k", "three");
    checkpoint(db);
    has(db, "k", "three");
    sop_test_check(db);
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(exit_code(child), -SIGKILL);
    put(db, "k", "four");
    shut(db);
    assert_int_equal(close(ends[0]), 0);
    assert_int_equal(close(ends[1]), 0);
}

/* ---- threads of several handles ---- */

typedef struct {
    sop_db *db;
    uint32_t rounds;
    int seed;
    _Atomic int *failures;
    uint64_t conflicts;
} worker;

static sop_status add_one(sop_txn *txn, uint32_t i)
{
    sop_store *store;
    sop_slice value;
    char key[32];
    uint64_t number = 0;
    (void)snprintf(key, sizeof key, "c%u", i);
    sop_status status = sop_store_open(txn, "s", &store);
    if (status == SOP_OK) status = sop_store_get(store, sop_str(key), &value);
    if (status == SOP_OK && value.size == sizeof number) memcpy(&number, value.data, sizeof number);
    if (status == SOP_NOT_FOUND) status = SOP_OK;
    number++;
    if (status != SOP_OK) return status;
    return sop_store_put(store, sop_str(key), (sop_slice){&number, sizeof number});
}

static void *worker_run(void *argument)
{
    worker *w = argument;
    sop_error err = {0};
    uint64_t seed = (uint64_t)w->seed;
    for (uint32_t i = 0; i < w->rounds;) {
        sop_txn *txn;
        sop_status status = sop_txn_begin(w->db, SOP_TXN_WRITE, &txn, &err);
        if (status == SOP_OK) status = add_one(txn, (uint32_t)(sop_test_random(&seed) % 3));
        if (status == SOP_OK) status = sop_txn_commit(txn);
        if (status == SOP_OK) i++;
        if (status == SOP_CONFLICT) w->conflicts++;
        if (status != SOP_OK && status != SOP_CONFLICT) {
            (void)fprintf(stderr, "worker: %s %s\n", sop_status_name(status),
                          txn == NULL ? err.message : sop_txn_error(txn)->message);
            atomic_fetch_add(w->failures, 1);
            i = w->rounds;
        }
        sop_txn_close(txn);
    }
    return NULL;
}

static void no_increment_is_lost(void **state)
{
    sop_test_place *place = *state;
    enum { THREADS = 2 * HANDLES, ROUNDS = 150 };
    static const int modes[HANDLES] = {SOP_SYNC_FULL, SOP_SYNC_OFF, SOP_SYNC_PERIODIC,
                                       SOP_SYNC_FULL};
    sop_db *db[HANDLES];
    pthread_t threads[THREADS];
    worker workers[THREADS];
    _Atomic int failures = 0;
    for (int i = 0; i < HANDLES; i++) {
        db[i] = open_with(place, modes[i], 0);
        if (i == 0) sop_test_create(db[0], "s", NULL);
    }
    for (int i = 0; i < THREADS; i++) {
        workers[i] = (worker){db[i % HANDLES], ROUNDS, i + 1, &failures, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, worker_run, &workers[i]), 0);
    }
    for (int i = 0; i < 5; i++)
        checkpoint(db[i % HANDLES]);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(failures, 0);
    for (int i = 0; i < HANDLES; i++) {
        uint64_t sum = 0;
        if (modes[i] == SOP_SYNC_FULL) put(db[i], "end", "x");
        sop_txn *txn = sop_test_begin(db[i], SOP_TXN_READ);
        sop_store *store = sop_test_store(txn, "s");
        for (int k = 0; k < 3; k++) {
            char key[32];
            sop_slice value;
            uint64_t number;
            (void)snprintf(key, sizeof key, "c%d", k);
            SOP_TEST_OK(txn, sop_store_get(store, sop_str(key), &value));
            memcpy(&number, value.data, sizeof number);
            sum += number;
        }
        sop_txn_close(txn);
        assert_int_equal(sum, THREADS * ROUNDS);
    }
    sop_test_check(db[1]);
    for (int i = 0; i < HANDLES; i++)
        shut(db[i]);
    sop_db *again = open_with(place, SOP_SYNC_FULL, 0);
    sop_test_check(again);
    shut(again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SOP_TEST_BOTH(commits_of_one_are_seen_by_the_other),
        SOP_TEST_BOTH(a_read_that_another_handle_changed_is_a_conflict),
        SOP_TEST_BOTH(the_feed_of_one_tells_the_commits_of_the_other),
        SOP_TEST_BOTH(a_checkpoint_of_one_becomes_the_base_of_the_other),
        SOP_TEST_BOTH(a_handle_that_slept_through_checkpoints_catches_up),
        SOP_TEST_BOTH(large_values_and_loads_of_one_are_read_by_the_other),
        SOP_TEST_BOTH(modes_of_sync_mix),
        SOP_TEST_FOLDER(killed_processes_lose_no_acknowledged_commit),
        SOP_TEST_FOLDER(a_stopped_reader_or_idle_writer_blocks_nobody),
        SOP_TEST_FOLDER(the_child_of_a_fork_can_only_close),
        SOP_TEST_BOTH(no_increment_is_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
