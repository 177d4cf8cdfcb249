/* SPDX-License-Identifier: MIT */
/* Readers of history, background syncs and file preparation beside one thread that appends; for the thread sanitizer too. */
#include <stdatomic.h>

#include "unit/wal/wal_fixture.h"

#define FRAMES 3000

typedef struct {
    fixture f;
    _Atomic uint64_t published; /* release by the appender, acquire by readers */
    _Atomic uint64_t synced;
    _Atomic int stop;
    _Atomic int failures;
    sop_mutex append; /* the thread rule of append, sync_begin and sync_end */
} shared;

typedef struct {
    shared *s;
    uint64_t next;
    uint64_t seed;
} reader;

/* No assertion of the test library may fire off the main thread. */
static void expect(shared *s, int good)
{
    if (!good) atomic_fetch_add_explicit(&s->failures, 1, memory_order_relaxed);
}

static sop_status reader_frame(const sop_wal_frame *frame, void *context)
{
    reader *r = context;
    sop_wal_reader txns;
    sop_wal_txn_view txn;
    expect(r->s, frame->first_seq == r->next);
    sop_wal_reader_init(&txns, frame);
    while (sop_wal_reader_next(&txns, &txn, NULL) == SOP_OK) {
        expect(r->s, txn.seq == r->next && txn.head.counter == txn.seq);
        r->next++;
    }
    expect(r->s, frame->place.seq_last + 1 == r->next);
    return SOP_OK;
}

/* The change feed: on from where it was, now and then from further back. */
static void read_history(void *argument)
{
    reader *r = argument;
    shared *s = r->s;
    while (!atomic_load_explicit(&s->stop, memory_order_acquire)) {
        uint64_t to = atomic_load_explicit(&s->published, memory_order_acquire);
        if (sop_test_random(&r->seed) % 50 == 0) r->next = 3;
        sop_status status = sop_wal_read_since(s->f.wal, r->next - 1, to, reader_frame, r, NULL);
        expect(s, status == SOP_OK && r->next > to);
        sop_relax(20);
    }
}

static void prepare_files(void *argument)
{
    shared *s = argument;
    while (!atomic_load_explicit(&s->stop, memory_order_acquire)) {
        expect(s, sop_wal_prepare(s->f.wal, NULL) == SOP_OK);
        sop_relax(20);
    }
}

static void sync_in_steps(void *argument)
{
    shared *s = argument;
    while (!atomic_load_explicit(&s->stop, memory_order_acquire)) {
        sop_wal_sync_job job;
        sop_mutex_lock(&s->append);
        sop_status status = sop_wal_sync_begin(s->f.wal, &job, NULL);
        sop_mutex_unlock(&s->append);
        uint64_t seq = job.seq;
        if (status == SOP_OK) status = sop_wal_sync_run(&job, NULL);
        sop_mutex_lock(&s->append);
        sop_wal_sync_end(s->f.wal, &job, status);
        sop_mutex_unlock(&s->append);
        expect(s, status == SOP_OK);
        atomic_store_explicit(&s->synced, seq, memory_order_release);
        sop_relax(20);
    }
}

static void append_all(shared *s)
{
    uint64_t random = sop_test_seed(9);
    for (int i = 0; i < FRAMES; i++) {
        sop_mutex_lock(&s->append);
        fixture_append(&s->f, 1 + (unsigned)i % 3, 700, i % 4 == 0);
        if (sop_test_random(&random) % 100 == 0) fixture_sync(&s->f);
        sop_mutex_unlock(&s->append);
        atomic_store_explicit(&s->published, s->f.seq, memory_order_release);
    }
}

static void test_others_work_while_one_appends(void **state)
{
    (void)state;
    static shared s;
    sop_task *tasks[5] = {0};
    reader readers[2] = {{&s, 3, 1}, {&s, 3, 2}};
    fixture_create(&s.f, FIXTURE_FILE_BYTES, 1);
    fixture_reopen(&s.f);
    atomic_store_explicit(&s.published, s.f.seq, memory_order_release);
    assert_int_equal(sop_task_start(&tasks[0], read_history, &readers[0]), SOP_OK);
    assert_int_equal(sop_task_start(&tasks[1], read_history, &readers[1]), SOP_OK);
    assert_int_equal(sop_task_start(&tasks[2], prepare_files, &s), SOP_OK);
    assert_int_equal(sop_task_start(&tasks[3], sync_in_steps, &s), SOP_OK);
    assert_int_equal(sop_task_start(&tasks[4], sync_in_steps, &s), SOP_OK);
    append_all(&s);
    atomic_store_explicit(&s.stop, 1, memory_order_release);
    for (size_t i = 0; i < 5; i++) {
        sop_task_join(tasks[i]);
    }
    assert_int_equal(atomic_load_explicit(&s.failures, memory_order_relaxed), 0);
    fixture_close(&s.f);
    fixture_reopen(&s.f);
    assert_true(s.f.clean);
    fixture_deinit(&s.f);
}

/* Files vanish under a reader: it gets all frames it asked for or a plain refusal. */
static void remove_and_read(void *argument)
{
    reader *r = argument;
    shared *s = r->s;
    while (!atomic_load_explicit(&s->stop, memory_order_acquire)) {
        uint64_t to = atomic_load_explicit(&s->published, memory_order_acquire);
        r->next = 3;
        sop_status status = sop_wal_read_since(s->f.wal, 2, to, reader_frame, r, NULL);
        expect(s, status == SOP_SNAPSHOT_TOO_OLD || (status == SOP_OK && r->next > to));
    }
}

static void test_readers_survive_removal(void **state)
{
    (void)state;
    static shared s;
    sop_task *task = NULL;
    reader r = {&s, 3, 1};
    fixture_create(&s.f, FIXTURE_FILE_BYTES, 1);
    fixture_reopen(&s.f);
    atomic_store_explicit(&s.published, s.f.seq, memory_order_release);
    assert_int_equal(sop_task_start(&task, remove_and_read, &r), SOP_OK);
    for (int i = 0; i < 400; i++) {
        fixture_append(&s.f, 1, 3000, 0);
        atomic_store_explicit(&s.published, s.f.seq, memory_order_release);
        if (i % 40 != 39) continue;
        fixture_sync(&s.f);
        sop_wal_place tip = sop_wal_tip(s.f.wal);
        assert_int_equal(sop_wal_head_set(s.f.wal, &tip, NULL), SOP_OK);
        assert_int_equal(sop_wal_remove_before(s.f.wal, &tip, 0, NULL), SOP_OK);
    }
    atomic_store_explicit(&s.stop, 1, memory_order_release);
    sop_task_join(task);
    assert_int_equal(atomic_load_explicit(&s.failures, memory_order_relaxed), 0);
    fixture_deinit(&s.f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_others_work_while_one_appends),
        cmocka_unit_test(test_readers_survive_removal),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
