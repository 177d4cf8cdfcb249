/* SPDX-License-Identifier: MIT */
/*
 * Crash enumeration: a recorded run of the whole engine is cut at every point where something could be lost, the disk rebuilt
 * in many legal ways, and each of them opened. What was acknowledged is there, nothing is half there, the check is clean.
 *
 * SOP_CRASH_STATES: how many states at least (20,000 by default; the soak asks for 200,000). SOP_TEST_SEED: another run.
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

#include "backend/backend_faulty.h"
#include "db/db.h"
#include "support/support.h"
#include "util/world.h"

enum { KEYS = 48, COMMITS_MAX = 400, STATES_A_POINT = 20, LARGE = 20000 };

/* Value number of each key after a commit; -1: absent. Bits of the bulk-loaded stores that exist, and of those that were dropped. */
typedef struct {
    int value[KEYS];
    uint32_t loads;
    uint32_t dropped;
} version;

typedef struct {
    version versions[COMMITS_MAX + 1];
    int count; /* newest version */
    uint64_t seed;
    sop_faulty_disk *disk;
    sop_db *db;
    sop_db_options options;
    uint32_t next_load;
    uint32_t new_loads; /* committed, but in no version yet */
} run;

static uint64_t world_seed;

static void seeded_random(void *out, size_t size)
{
    uint8_t *p = out;
    for (size_t i = 0; i < size; i++)
        p[i] = (uint8_t)(sop_test_random(&world_seed) >> 24);
}

static void world_use(uint64_t seed, const sop_faulty_disk *disk)
{
    static sop_world world;
    sop_world_set(NULL);
    sop_faulty_boot_use(disk);
    world = *sop_world_get();
    world.random = seeded_random;
    world_seed = seed;
    sop_world_set(&world);
}

static sop_slice key_of(int i, char buffer[16])
{
    int size = snprintf(buffer, 16, "key%03d", i);
    return (sop_slice){buffer, (size_t)size};
}

/* Most values are small, some lie apart from the leaf; those of large transactions are as large as a leaf takes. */
static sop_slice value_of(int n, char *buffer)
{
    size_t size = n >= 1000 ? 1500 : n % 11 == 0 ? LARGE : (size_t)(20 + n % 60);
    memset(buffer, 'a' + n % 26, size);
    (void)snprintf(buffer, 16, "%015d", n);
    return (sop_slice){buffer, size};
}

#define MUST(call, where)                                                                          \
    do {                                                                                           \
        sop_status must_ = (call);                                                                 \
        if (must_ != SOP_OK)                                                                       \
            fail_msg("%s: %s: %s", #call, sop_status_name(must_), (where)->message);               \
    } while (0)

/* ---- the workload ---- */

static void commit_done(run *r, const version *next)
{
    assert_true(r->count < COMMITS_MAX);
    r->versions[++r->count] = *next;
    sop_faulty_mark(r->disk, "ack", (uint64_t)r->count);
}

/* large: so many bytes that they are written as runs, which the frame only names. */
static void commit_of(run *r, int large)
{
    sop_error err = {0};
    sop_txn *txn;
    sop_store *store;
    char key[16];
    char value[LARGE];
    version next = r->versions[r->count];
    next.loads |= r->new_loads;
    r->new_loads = 0;
    MUST(sop_txn_begin(r->db, SOP_TXN_WRITE, &txn, &err), &err);
    MUST(sop_store_open(txn, "s", &store), sop_txn_error(txn));
    int operations = large ? KEYS : 1 + (int)(sop_test_random(&r->seed) % 6);
    for (int i = 0; i < operations; i++) {
        int k = (int)(sop_test_random(&r->seed) % KEYS);
        int n = (int)(sop_test_random(&r->seed) % 1000);
        if (large) {
            k = i;
            n += 1000;
        }
        if (!large && sop_test_random(&r->seed) % 4 == 0) {
            sop_status status = sop_store_remove(store, key_of(k, key));
            assert_int_equal(status, next.value[k] < 0 ? SOP_NOT_FOUND : SOP_OK);
            next.value[k] = -1;
        } else {
            MUST(sop_store_put(store, key_of(k, key), value_of(n, value)), sop_txn_error(txn));
            next.value[k] = n;
        }
    }
    int number = r->count + 1;
    MUST(sop_store_put(store, sop_str("version"), (sop_slice){&number, sizeof number}),
         sop_txn_error(txn));
    MUST(sop_txn_commit(txn), sop_txn_error(txn));
    sop_txn_close(txn);
    commit_done(r, &next);
}

static void one_commit(run *r)
{
    commit_of(r, 0);
}

static void load_name(uint32_t i, char buffer[16])
{
    (void)snprintf(buffer, 16, "load%u", i);
}

/* A bulk load, and in the same breath a commit that makes it a version (the load is visible a moment earlier). */
static void one_load(run *r)
{
    sop_error err = {0};
    sop_bulk *bulk;
    char name[16];
    char key[16];
    char value[LARGE];
    if (r->next_load == 30) return;
    load_name(r->next_load, name);
    MUST(sop_bulk_open(r->db, name, NULL, &bulk, &err), &err);
    for (int i = 0; i < KEYS; i++)
        MUST(sop_bulk_add(bulk, key_of(i, key), value_of(i * 7, value)), sop_bulk_error(bulk));
    MUST(sop_bulk_finish(bulk, NULL), &err);
    /* Not a version of its own: it counts from the next one on. */
    r->new_loads |= 1u << r->next_load++;
    one_commit(r);
}

static void one_drop(run *r)
{
    sop_error err = {0};
    sop_txn *txn;
    sop_store *store;
    char name[16];
    uint32_t loads = r->versions[r->count].loads;
    if (loads == 0) return;
    uint32_t i = 0;
    while ((loads >> i & 1) == 0)
        i++;
    load_name(i, name);
    version next = r->versions[r->count];
    next.loads &= ~(1u << i);
    next.dropped |= 1u << i;
    int number = r->count + 1;
    MUST(sop_txn_begin(r->db, SOP_TXN_WRITE, &txn, &err), &err);
    MUST(sop_store_drop(txn, name), sop_txn_error(txn));
    MUST(sop_store_open(txn, "s", &store), sop_txn_error(txn));
    MUST(sop_store_put(store, sop_str("version"), (sop_slice){&number, sizeof number}),
         sop_txn_error(txn));
    MUST(sop_txn_commit(txn), sop_txn_error(txn));
    sop_txn_close(txn);
    commit_done(r, &next);
}

static void reopen(run *r)
{
    sop_error err = {0};
    sop_backend *b;
    MUST(sop_db_close(r->db, &err), &err);
    MUST(sop_backend_faulty_open(r->disk, SOP_BACKEND_EXISTING, 0, &b, &err), &err);
    MUST(sop_db_open_on(b, 0, &r->options, &r->db, &err), &err);
}

static void workload(run *r, int sync, int commits)
{
    sop_error err = {0};
    sop_backend *b;
    sop_txn *txn;
    sop_store *store;
    r->options = (sop_db_options)SOP_DB_OPTIONS_INIT;
    r->options.sync = sync;
    r->options.workers = -1;
    r->options.log_keep = 1;
    r->options.memory_max = 256 << 10;
    r->disk = sop_faulty_disk_new(r->seed);
    assert_non_null(r->disk);
    world_use(r->seed, r->disk);
    for (int i = 0; i < KEYS; i++)
        r->versions[0].value[i] = -1;
    MUST(sop_faulty_trace_start(r->disk), &err);
    MUST(sop_backend_faulty_open(r->disk, SOP_BACKEND_NEW, 0, &b, &err), &err);
    MUST(sop_db_open_on(b, 1, &r->options, &r->db, &err), &err);
    sop_faulty_mark(r->disk, "created", 0);
    MUST(sop_txn_begin(r->db, SOP_TXN_WRITE, &txn, &err), &err);
    MUST(sop_store_create(txn, "s", NULL, &store), sop_txn_error(txn));
    MUST(sop_txn_commit(txn), sop_txn_error(txn));
    sop_txn_close(txn);
    sop_faulty_mark(r->disk, "ack", 0);
    for (int i = 0; i < commits; i++) {
        uint64_t dice = sop_test_random(&r->seed) % 30;
        if (dice == 0) MUST(sop_db_checkpoint(r->db, &err), &err);
        if (dice == 1) one_load(r);
        if (dice == 2) one_drop(r);
        if (dice == 3) reopen(r);
        if (dice == 5) commit_of(r, 1);
        if (dice == 4) {
            MUST(sop_db_sync(r->db, &err), &err);
            sop_faulty_mark(r->disk, "synced", (uint64_t)r->count);
        }
        one_commit(r);
    }
    MUST(sop_db_close(r->db, &err), &err);
    sop_faulty_mark(r->disk, "synced", (uint64_t)r->count);
}

/* ---- looking at a crash state ---- */

static int version_read(sop_store *store)
{
    sop_slice value;
    int number = 0;
    sop_status status = sop_store_get(store, sop_str("version"), &value);
    if (status == SOP_NOT_FOUND) return 0;
    assert_int_equal(status, SOP_OK);
    assert_int_equal(value.size, sizeof number);
    memcpy(&number, value.data, sizeof number);
    return number;
}

static void store_compare(sop_store *store, const int *values, int extra)
{
    char key[16];
    char buffer[LARGE];
    uint64_t count;
    uint64_t expected = (uint64_t)extra;
    for (int i = 0; i < KEYS; i++) {
        sop_slice value;
        sop_status status = sop_store_get(store, key_of(i, key), &value);
        assert_int_equal(status, values[i] < 0 ? SOP_NOT_FOUND : SOP_OK);
        if (status != SOP_OK) continue;
        sop_slice want = value_of(values[i], buffer);
        assert_int_equal(value.size, want.size);
        assert_memory_equal(value.data, want.data, want.size);
        expected++;
    }
    assert_int_equal(sop_store_count(store, &count), SOP_OK);
    assert_int_equal(count, expected);
}

static void loads_compare(sop_txn *txn, const version *v)
{
    int values[KEYS];
    char name[16];
    for (int i = 0; i < KEYS; i++)
        values[i] = i * 7;
    for (uint32_t i = 0; i < 30; i++) {
        sop_store *store;
        load_name(i, name);
        sop_status status = sop_store_open(txn, name, &store);
        /* A load is committed just before the version that counts it. */
        if ((v->loads >> i & 1) != 0) assert_int_equal(status, SOP_OK);
        if ((v->dropped >> i & 1) != 0) assert_int_equal(status, SOP_NOT_FOUND);
        if (status == SOP_OK) store_compare(store, values, 0);
    }
}

/* acknowledged: -2: the database need not exist; -1: it exists, perhaps without the store. */
static void state_check(const run *r, sop_faulty_disk *disk, int acknowledged, uint64_t seed)
{
    sop_error err = {0};
    sop_backend *b;
    sop_db *db = NULL;
    sop_txn *txn;
    sop_store *store;
    world_use(seed, disk);
    sop_status status = sop_backend_faulty_open(disk, SOP_BACKEND_EXISTING, 0, &b, &err);
    if (status == SOP_NOT_FOUND && acknowledged == -2) return;
    if (status == SOP_OK) status = sop_db_open_on(b, 0, &r->options, &db, &err);
    if (status != SOP_OK) fail_msg("open: %s: %s", sop_status_name(status), err.message);
    MUST(sop_txn_begin(db, SOP_TXN_READ, &txn, &err), &err);
    status = sop_store_open(txn, "s", &store);
    if (status != SOP_NOT_FOUND || acknowledged >= 0) {
        if (status != SOP_OK) fail_msg("open store: %s", sop_txn_error(txn)->message);
        int number = version_read(store);
        if (number < acknowledged)
            fail_msg("version %d, but %d was acknowledged", number, acknowledged);
        assert_true(number <= r->count);
        store_compare(store, r->versions[number].value, number != 0);
        loads_compare(txn, &r->versions[number]);
    }
    sop_txn_close(txn);
    sop_check_report report = SOP_CHECK_REPORT_INIT;
    MUST(sop_db_check(db, NULL, &report, &err), &err);
    MUST(sop_db_close(db, &err), &err);
}

/* Commits that must survive a power cut before the event: in mode full the acknowledged ones, else those that were synced. */
static int acknowledged_note(int before, const sop_faulty_event *event, int sync)
{
    if (event->kind != SOP_FAULTY_MARK) return before;
    if (strcmp(event->name, "created") == 0) return -1;
    int counts = strcmp(event->name, "synced") == 0 ||
                 (strcmp(event->name, "ack") == 0 && sync == SOP_SYNC_FULL);
    return counts ? (int)event->offset : before;
}

static uint64_t states_wanted(void)
{
    const char *text = getenv("SOP_CRASH_STATES");
    return text == NULL ? 20000 : strtoull(text, NULL, 10);
}

static uint64_t enumerate(run *r, int sync, uint64_t budget)
{
    sop_faulty_replay *replay;
    assert_int_equal(sop_faulty_replay_new(r->disk, &replay), SOP_OK);
    size_t events = sop_faulty_trace_size(r->disk);
    uint64_t states = 0;
    int acknowledged = -2;
    size_t points = budget / STATES_A_POINT + 1;
    size_t step = events / points + 1;
    for (size_t at = 0; at <= events; at++) {
        if (at > 0) {
            sop_faulty_event event = sop_faulty_trace_get(r->disk, at - 1);
            acknowledged = acknowledged_note(acknowledged, &event, sync);
        }
        if (at % step != 0 && at != events) continue;
        assert_int_equal(sop_faulty_replay_to(replay, at), SOP_OK);
        int choices = sop_faulty_replay_pending(replay) == 0 ? 1 : STATES_A_POINT;
        for (int i = 0; i < choices; i++) {
            sop_faulty_cut cut = {.keep = i < 2        ? i
                                          : i % 2 == 0 ? SOP_FAULTY_KEEP_PREFIX
                                                       : SOP_FAULTY_KEEP_RANDOM,
                                  .seed = sop_test_random(&r->seed)};
            sop_faulty_disk *cut_disk;
            assert_int_equal(sop_faulty_replay_cut(replay, &cut, &cut_disk), SOP_OK);
            state_check(r, cut_disk, acknowledged, cut.seed);
            sop_faulty_disk_free(cut_disk);
            states++;
        }
    }
    sop_faulty_replay_free(replay);
    return states;
}

static void crash_test(int sync)
{
    uint64_t wanted = states_wanted() / 2;
    uint64_t states = 0;
    uint64_t seed = sop_test_seed(20261122 + (uint64_t)sync);
    for (int round = 0; states < wanted; round++) {
        run *r = calloc(1, sizeof *r);
        assert_non_null(r);
        r->seed = seed + (uint64_t)round;
        print_message("seed %llu\n", (unsigned long long)r->seed);
        workload(r, sync, 60);
        states += enumerate(r, sync, wanted - states < 4000 ? wanted - states : 4000);
        sop_world_set(NULL);
        sop_faulty_boot_use(NULL);
        sop_faulty_disk_free(r->disk);
        free(r);
    }
    print_message("%llu crash states\n", (unsigned long long)states);
}

static void test_power_cuts_in_mode_full_lose_nothing_acknowledged(void **state)
{
    (void)state;
    crash_test(SOP_SYNC_FULL);
}

static void test_power_cuts_in_mode_off_leave_a_prefix(void **state)
{
    (void)state;
    crash_test(SOP_SYNC_OFF);
}

/* A database in memory, backed up onto a disk whose power is cut on the way: there is no backup, or a whole one. */
static void test_power_cuts_during_a_backup_leave_all_or_nothing(void **state)
{
    (void)state;
    sop_error err = {0};
    sop_backend *target;
    run *r = calloc(1, sizeof *r);
    run *backup = calloc(1, sizeof *backup);
    assert_non_null(r);
    assert_non_null(backup);
    r->seed = sop_test_seed(20261130);
    print_message("seed %llu\n", (unsigned long long)r->seed);
    workload(r, SOP_SYNC_OFF, 60);
    sop_backend *b;
    MUST(sop_backend_faulty_open(r->disk, SOP_BACKEND_EXISTING, 0, &b, &err), &err);
    MUST(sop_db_open_on(b, 0, &r->options, &r->db, &err), &err);
    for (int i = 0; i < 5; i++)
        one_commit(r);
    *backup = *r;
    backup->disk = sop_faulty_disk_new(r->seed);
    assert_non_null(backup->disk);
    MUST(sop_faulty_trace_start(backup->disk), &err);
    MUST(sop_backend_faulty_open(backup->disk, SOP_BACKEND_NEW, 0, &target, &err), &err);
    MUST(sop_db_backup_on(r->db, target, NULL, &err), &err);
    sop_faulty_mark(backup->disk, "synced", (uint64_t)r->count);
    MUST(sop_db_close(r->db, &err), &err);
    print_message("%llu crash states\n", (unsigned long long)enumerate(backup, SOP_SYNC_OFF, 2000));
    sop_world_set(NULL);
    sop_faulty_boot_use(NULL);
    sop_faulty_disk_free(r->disk);
    sop_faulty_disk_free(backup->disk);
    free(r);
    free(backup);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_power_cuts_in_mode_full_lose_nothing_acknowledged),
        cmocka_unit_test(test_power_cuts_in_mode_off_leave_a_prefix),
        cmocka_unit_test(test_power_cuts_during_a_backup_leave_all_or_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
