/* SPDX-License-Identifier: MIT */
/*
 * Kills, power cuts at every moment, failing calls: what was synced is there afterwards, what is there is a prefix, and no
 * legal crash is taken for damage.
 */
#include "backend/backend_faulty.h"
#include "unit/wal/wal_fixture.h"

#define FILE_BYTES (16u << 10)
#ifndef TRACES
#define TRACES 12
#endif
#ifndef LIVES
#define LIVES 150
#endif

/* One database on one disk, over several processes. */
typedef struct {
    sop_faulty_disk *disk;
    fixture f;
    uint64_t random;
    uint64_t durable;  /* promised */
    uint64_t appended; /* may be there at most */
} crash;

static uint64_t draw(crash *c, uint64_t below)
{
    return sop_test_random(&c->random) % below;
}

static void note_durable(crash *c)
{
    c->durable = c->f.seq;
    sop_faulty_mark(c->disk, "durable", c->durable);
}

/* ---- processes ---- */

static void crash_new(crash *c, uint64_t seed)
{
    sop_backend *backend = NULL;
    crash empty = {.random = seed};
    *c = empty;
    c->disk = sop_faulty_disk_new(seed);
    assert_non_null(c->disk);
    sop_faulty_boot_use(c->disk);
    assert_int_equal(sop_backend_faulty_open(c->disk, SOP_BACKEND_NEW, 0, &backend, NULL), SOP_OK);
    assert_int_equal(fixture_create_on(&c->f, backend, FILE_BYTES, seed % 2 == 0), SOP_OK);
    backend->ops->free(backend);
    c->f.backend = NULL;
    c->durable = c->f.seq;
    c->appended = c->f.seq;
}

static void crash_free(crash *c)
{
    sop_wal_buffer_deinit(&c->f.buffer);
    sop_faulty_boot_use(NULL);
    sop_faulty_disk_free(c->disk);
}

/* A process begins. */
static sop_status process_begin(crash *c)
{
    fixture *f = &c->f;
    sop_status status =
        sop_backend_faulty_open(c->disk, SOP_BACKEND_EXISTING, 0, &f->backend, &f->err);
    assert_int_equal(status, SOP_OK);
    f->options.backend = f->backend;
    status = fixture_replay(f);
    if (status != SOP_OK) return status;
    if (f->seq < c->durable || f->seq > c->appended) {
        print_error("seq %llu, durable %llu, appended %llu\n", (unsigned long long)f->seq,
                    (unsigned long long)c->durable, (unsigned long long)c->appended);
    }
    assert_true(f->seq >= c->durable);
    assert_true(f->seq <= c->appended);
    status = sop_wal_start(f->wal, f->clean, &f->err);
    if (status == SOP_OK) note_durable(c);
    return status;
}

/* It ends as told by how: 0 closed with LEAVE, 1 closed, 2 killed, 3 killed between LEAVE and its sync. */
static void process_end(crash *c, int how)
{
    fixture *f = &c->f;
    if (f->wal != NULL && how == 0 && !sop_wal_is_broken(f->wal)) {
        c->appended = f->seq + 1;
        sop_faulty_mark(c->disk, "appending", c->appended);
        if (fixture_try_leave(f) == SOP_OK) note_durable(c);
    }
    if (f->wal != NULL && how == 3 && !sop_wal_is_broken(f->wal)) {
        c->appended = f->seq + 1;
        sop_faulty_mark(c->disk, "appending", c->appended);
        (void)fixture_append_leave(f);
    }
    if (how >= 2) sop_faulty_kill(f->backend);
    fixture_kill(f);
    f->backend->ops->free(f->backend);
    f->backend = NULL;
}

static sop_status append(crash *c, unsigned txns, size_t size_max, int aligned)
{
    uint64_t highest = c->f.seq + txns;
    if (highest > c->appended) c->appended = highest;
    sop_faulty_mark(c->disk, "appending", c->appended);
    sop_status status = fixture_try_append(&c->f, txns, size_max, aligned);
    /* A clean refusal wrote nothing. */
    if (status != SOP_OK && !sop_wal_is_broken(c->f.wal)) c->appended = c->f.seq;
    return status;
}

static sop_status checkpoint(crash *c)
{
    fixture *f = &c->f;
    sop_wal_place tip = sop_wal_tip(f->wal);
    sop_status status = sop_wal_sync(f->wal, &f->err);
    if (status != SOP_OK) return status;
    note_durable(c);
    status = sop_wal_head_set(f->wal, &tip, &f->err);
    if (status == SOP_OK) status = sop_wal_remove_before(f->wal, &tip, draw(c, 2) * 40000, &f->err);
    return status;
}

/* One step of work. */
static sop_status step(crash *c)
{
    fixture *f = &c->f;
    sop_status status = SOP_OK;
    switch (draw(c, 12)) {
    case 0:
        return checkpoint(c);
    case 1:
    case 2:
        return sop_wal_prepare(f->wal, &f->err);
    case 3:
    case 4:
    case 5:
        status = sop_wal_sync(f->wal, &f->err);
        if (status == SOP_OK) note_durable(c);
        return status;
    case 6:
        return append(c, 1, 40000, (int)draw(c, 2));
    default:
        return append(c, 1 + (unsigned)draw(c, 4), 900, (int)draw(c, 2));
    }
}

/* ---- power cuts at every moment ---- */

/* The disk as a power cut left it: opened, written, cut again, opened. */
static void check_cut(sop_faulty_disk *disk, const crash *before)
{
    crash c = {.disk = disk,
               .random = before->random,
               .durable = before->durable,
               .appended = before->appended};
    c.f.options = before->f.options;
    sop_faulty_boot_use(disk);
    sop_status status = process_begin(&c);
    if (status != SOP_OK) print_error("%s\n", c.f.err.message);
    assert_int_equal(status, SOP_OK);
    c.appended = c.f.seq;
    assert_int_equal(append(&c, 2, 900, 0), SOP_OK);
    assert_int_equal(append(&c, 1, 900, 1), SOP_OK);
    fixture_sync(&c.f);
    note_durable(&c);
    assert_int_equal(append(&c, 1, 900, 0), SOP_OK);
    process_end(&c, 2);
    assert_int_equal(process_begin(&c), SOP_OK);
    assert_int_equal(c.f.seq, c.appended);
    process_end(&c, 2);
    sop_faulty_cut cut = {.keep = SOP_FAULTY_KEEP_NONE};
    sop_faulty_disk *again = NULL;
    assert_int_equal(sop_faulty_disk_cut(disk, &cut, &again), SOP_OK);
    c.disk = again;
    sop_faulty_boot_use(again);
    status = process_begin(&c);
    if (status != SOP_OK) print_error("%s\n", c.f.err.message);
    assert_int_equal(status, SOP_OK);
    process_end(&c, 2);
    sop_wal_buffer_deinit(&c.f.buffer);
    sop_faulty_disk_free(again);
}

static unsigned check_moment(sop_faulty_replay *replay, const crash *c, uint64_t seed)
{
    unsigned cuts = sop_faulty_replay_pending(replay) == 0 ? 1 : 7;
    for (unsigned i = 0; i < cuts; i++) {
        sop_faulty_cut cut = {.keep = SOP_FAULTY_KEEP_NONE, .seed = seed * 31 + i};
        if (i == 1) cut.keep = SOP_FAULTY_KEEP_ALL;
        if (i == 2 || i == 3) cut.keep = SOP_FAULTY_KEEP_PREFIX;
        if (i >= 4) cut.keep = SOP_FAULTY_KEEP_RANDOM;
        cut.unit = i % 3 == 0 ? 0 : i % 3 == 1 ? 512 : 4096;
        sop_faulty_disk *disk = NULL;
        assert_int_equal(sop_faulty_replay_cut(replay, &cut, &disk), SOP_OK);
        check_cut(disk, c);
        sop_faulty_disk_free(disk);
    }
    return cuts;
}

/* Several processes, killed, closed, gone on after each other within one boot. */
static void traced_work(crash *c)
{
    for (int process = 0; process < 4; process++) {
        assert_int_equal(process_begin(c), SOP_OK);
        unsigned steps = (unsigned)draw(c, 14);
        for (unsigned i = 0; i < steps; i++) {
            assert_int_equal(step(c), SOP_OK);
        }
        process_end(c, (int)draw(c, 4));
    }
}

static void test_every_power_cut_leaves_what_was_synced(void **state)
{
    (void)state;
    uint64_t first = sop_test_seed(1);
    unsigned states = 0;
    for (uint64_t seed = first; seed < first + TRACES; seed++) {
        crash c;
        crash_new(&c, seed);
        assert_int_equal(sop_faulty_trace_start(c.disk), SOP_OK);
        crash at = c;
        memset(&at.f.buffer, 0, sizeof at.f.buffer);
        traced_work(&c);
        at.f.options = c.f.options;
        sop_faulty_replay *replay = NULL;
        assert_int_equal(sop_faulty_replay_new(c.disk, &replay), SOP_OK);
        size_t size = sop_faulty_trace_size(c.disk);
        for (size_t i = 0; i <= size; i++) {
            assert_int_equal(sop_faulty_replay_to(replay, i), SOP_OK);
            if (i > 0) {
                sop_faulty_event event = sop_faulty_trace_get(c.disk, i - 1);
                if (event.kind == SOP_FAULTY_MARK && strcmp(event.name, "durable") == 0)
                    at.durable = event.offset;
                if (event.kind == SOP_FAULTY_MARK && strcmp(event.name, "appending") == 0)
                    at.appended = event.offset;
                if (event.kind == SOP_FAULTY_MARK) continue;
            }
            states += check_moment(replay, &at, seed * 1000 + i);
        }
        sop_faulty_replay_free(replay);
        crash_free(&c);
    }
    printf("seed %llu, %u states\n", (unsigned long long)first, states);
    assert_true(states > 1000);
}

/* ---- failing calls ---- */

/* One process with a fault waiting for it; then one without, and a power cut. */
static int sweep_once(uint64_t seed, const sop_faulty_rule *rule)
{
    crash c;
    crash_new(&c, seed);
    assert_int_equal(process_begin(&c), SOP_OK);
    for (int i = 0; i < 6; i++) {
        assert_int_equal(append(&c, 2, 900, i % 2), SOP_OK);
    }
    process_end(&c, 2);
    sop_faulty_rule_add(c.disk, rule);
    sop_status status = process_begin(&c);
    for (int i = 0; i < 25 && c.f.wal != NULL && status == SOP_OK; i++) {
        sop_status failed = step(&c);
        if (failed == SOP_OK) continue;
        int explained = sop_wal_is_broken(c.f.wal) || c.f.wal->head_broken;
        assert_true(failed == rule->status || explained);
        if (!sop_wal_is_broken(c.f.wal)) continue;
        /* NO_RETRY: nothing is taken any more. */
        assert_int_equal(append(&c, 1, 10, 1), SOP_IO);
        assert_int_equal(sop_wal_sync(c.f.wal, NULL), SOP_IO);
        break;
    }
    int struck = sop_faulty_struck(c.disk) != 0;
    process_end(&c, 2);
    sop_faulty_rules_clear(c.disk);
    status = process_begin(&c);
    if (status != SOP_OK) print_error("seed %llu: %s\n", (unsigned long long)seed, c.f.err.message);
    assert_int_equal(status, SOP_OK);
    assert_int_equal(append(&c, 1, 900, 1), SOP_OK);
    fixture_sync(&c.f);
    note_durable(&c);
    process_end(&c, 2);
    sop_faulty_cut cut = {.keep = SOP_FAULTY_KEEP_RANDOM, .seed = seed};
    sop_faulty_disk *disk = NULL;
    assert_int_equal(sop_faulty_disk_cut(c.disk, &cut, &disk), SOP_OK);
    check_cut(disk, &c);
    sop_faulty_disk_free(disk);
    crash_free(&c);
    return struck;
}

static void test_the_nth_call_fails_for_every_n(void **state)
{
    (void)state;
    static const struct {
        sop_status status;
        int effect;
        int always;
    } cases[] = {{SOP_IO, SOP_FAULTY_NOTHING, 0},       {SOP_IO, SOP_FAULTY_NOTHING, 1},
                 {SOP_IO, SOP_FAULTY_PART, 0},          {SOP_IO, SOP_FAULTY_PART, 1},
                 {SOP_IO, SOP_FAULTY_WHOLE, 0},         {SOP_IO, SOP_FAULTY_WHOLE, 1},
                 {SOP_FULL, SOP_FAULTY_NOTHING, 0},     {SOP_FULL, SOP_FAULTY_PART, 1},
                 {SOP_NO_MEMORY, SOP_FAULTY_NOTHING, 0}};
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        int struck = 1;
        uint64_t n = 1;
        for (; struck; n++) {
            sop_faulty_rule rule = {.kinds = SOP_FAULTY_ANY & ~SOP_FAULTY_UNLOCK,
                                    .nth = n,
                                    .always = cases[k].always,
                                    .status = cases[k].status,
                                    .effect = cases[k].effect};
            struck = sweep_once(20 + k, &rule);
        }
        assert_true(n > 50);
    }
}

/* ---- everything at once ---- */

static void faults_random(crash *c)
{
    static const uint32_t kinds[] = {SOP_FAULTY_SYNC, SOP_FAULTY_WRITE, SOP_FAULTY_FOLDER_SYNC,
                                     SOP_FAULTY_ANY};
    sop_faulty_rules_clear(c->disk);
    if (draw(c, 3) == 0) return;
    sop_faulty_rule rule = {.kinds = kinds[draw(c, 4)],
                            .chance_ppm = 5000 + (uint32_t)draw(c, 40000),
                            .status = draw(c, 4) == 0 ? SOP_FULL : SOP_IO,
                            .effect = (int)draw(c, 3)};
    sop_faulty_rule_add(c->disk, &rule);
}

/* The kernel could not write something back and tells only those who have it open. */
static void writeback_random(crash *c)
{
    fixture_listing listing = fixture_list(&c->f, "log");
    if (listing.files > 0) (void)sop_faulty_writeback_fail(c->disk, listing.last);
}

static void process_random(crash *c)
{
    faults_random(c);
    sop_status status = process_begin(c);
    unsigned steps = (unsigned)draw(c, 30);
    for (unsigned i = 0; i < steps && status == SOP_OK; i++) {
        if (draw(c, 25) == 0) {
            sop_faulty_rules_clear(c->disk);
            writeback_random(c);
        }
        (void)step(c);
        if (sop_wal_is_broken(c->f.wal)) break;
    }
    sop_faulty_rules_clear(c->disk);
    /* Nobody has it open: the next process cannot be told. */
    int how = (int)draw(c, 4);
    uint64_t late = draw(c, 3);
    fixture_listing listing = {0};
    if (late == 0) listing = fixture_list(&c->f, "log");
    process_end(c, status == SOP_OK ? how : 2);
    if (late == 0 && listing.files > 0) (void)sop_faulty_writeback_fail(c->disk, listing.last);
}

static void power_cut(crash *c)
{
    sop_faulty_cut cut = {.keep = (int)draw(c, 4), .seed = draw(c, 1000000)};
    sop_faulty_disk *disk = NULL;
    assert_int_equal(sop_faulty_disk_cut(c->disk, &cut, &disk), SOP_OK);
    sop_faulty_disk_free(c->disk);
    c->disk = disk;
    sop_faulty_boot_use(disk);
}

static void test_random_lives_of_many_processes(void **state)
{
    (void)state;
    uint64_t first = sop_test_seed(1);
    printf("seed %llu\n", (unsigned long long)first);
    for (uint64_t seed = first; seed < first + LIVES; seed++) {
        crash c;
        crash_new(&c, seed * 977);
        for (int i = 0; i < 16; i++) {
            process_random(&c);
            if (draw(&c, 3) == 0) power_cut(&c);
            sop_status status = process_begin(&c);
            if (status != SOP_OK)
                print_error("seed %llu, %d: %s\n", (unsigned long long)seed, i, c.f.err.message);
            assert_int_equal(status, SOP_OK);
            c.appended = c.f.seq;
            process_end(&c, (int)draw(&c, 4));
        }
        crash_free(&c);
    }
}

/* ---- single stories ---- */

/* VOUCH: the kernel lost a LEAVE that nobody synced, and told nobody; who goes on behind it must not build on sand. */
static void test_a_leave_that_was_lost_unnoticed_is_written_again(void **state)
{
    (void)state;
    crash c;
    crash_new(&c, 2);
    assert_int_equal(process_begin(&c), SOP_OK);
    assert_int_equal(append(&c, 1, 900, 1), SOP_OK);
    fixture_sync(&c.f);
    fixture_listing listing = fixture_list(&c.f, "log");
    process_end(&c, 3);
    assert_int_equal(listing.files, 1);
    assert_int_equal(sop_faulty_writeback_fail(c.disk, listing.last), SOP_OK);
    assert_int_equal(process_begin(&c), SOP_OK);
    assert_true(c.f.clean);
    assert_int_equal(fixture_list(&c.f, "log").files, 1);
    assert_int_equal(append(&c, 1, 900, 1), SOP_OK);
    fixture_sync(&c.f);
    note_durable(&c);
    process_end(&c, 2);
    sop_faulty_cut cut = {.keep = SOP_FAULTY_KEEP_NONE};
    sop_faulty_disk *disk = NULL;
    assert_int_equal(sop_faulty_disk_cut(c.disk, &cut, &disk), SOP_OK);
    check_cut(disk, &c);
    sop_faulty_disk_free(disk);
    crash_free(&c);
}

typedef struct {
    crash *c;
    int appended;
} late_append;

static sop_status append_during_sync(const sop_faulty_call *call, void *context)
{
    late_append *late = context;
    if (call->kind == SOP_FAULTY_SYNC && !late->appended) {
        late->appended = 1;
        assert_int_equal(append(late->c, 1, 900, 0), SOP_OK);
    }
    return SOP_OK;
}

/* What is appended while a sync runs is not vouched for by it. */
static void test_a_sync_covers_only_what_was_there_when_it_began(void **state)
{
    (void)state;
    crash c;
    late_append late = {&c, 0};
    sop_wal_sync_job job;
    crash_new(&c, 2);
    assert_int_equal(process_begin(&c), SOP_OK);
    assert_int_equal(append(&c, 1, 900, 0), SOP_OK);
    uint64_t seq = c.f.seq;
    assert_int_equal(sop_wal_sync_begin(c.f.wal, &job, NULL), SOP_OK);
    sop_faulty_hook_set(c.disk, append_during_sync, &late);
    assert_int_equal(sop_wal_sync_run(&job, NULL), SOP_OK);
    sop_faulty_hook_set(c.disk, NULL, NULL);
    sop_wal_sync_end(c.f.wal, &job, SOP_OK);
    assert_true(late.appended);
    assert_int_equal(sop_wal__durable(c.f.wal), seq);
    fixture_sync(&c.f);
    assert_int_equal(sop_wal__durable(c.f.wal), seq + 1);
    process_end(&c, 2);
    crash_free(&c);
}

/* Log files are never truncated, so a short one is damage, wherever it ends. */
static void test_a_truncated_file_is_named(void **state)
{
    (void)state;
    crash c;
    crash_new(&c, 2);
    assert_int_equal(process_begin(&c), SOP_OK);
    assert_int_equal(append(&c, 1, 900, 1), SOP_OK);
    fixture_sync(&c.f);
    note_durable(&c);
    fixture_listing listing = fixture_list(&c.f, "log");
    process_end(&c, 2);
    for (uint64_t size = FILE_BYTES - 1; size >= 4096; size -= 1365) {
        assert_int_equal(sop_faulty_truncate(c.disk, listing.last, size), SOP_OK);
        assert_int_equal(process_begin(&c), SOP_CORRUPT);
        assert_non_null(strstr(c.f.err.message, listing.last));
        process_end(&c, 2);
    }
    crash_free(&c);
}

/* ---- a full medium ---- */

static void test_a_full_medium_refuses_and_goes_on_when_space_returns(void **state)
{
    (void)state;
    crash c;
    crash_new(&c, 2);
    assert_int_equal(process_begin(&c), SOP_OK);
    sop_faulty_space_set(c.disk, 40000);
    sop_status status = SOP_OK;
    sop_status prepared = SOP_OK;
    while (status == SOP_OK) {
        sop_error err = {0};
        status = append(&c, 1, 900, 1);
        if (prepared == SOP_OK) prepared = sop_wal_prepare(c.f.wal, &err);
        if (prepared != SOP_OK && err.message[0] != '\0')
            assert_non_null(strstr(err.message, "log/0000000002.0"));
    }
    assert_int_equal(prepared, SOP_FULL);
    assert_int_equal(status, SOP_FULL);
    assert_non_null(strstr(c.f.err.message, "log/0000000002.0"));
    assert_false(sop_wal_is_broken(c.f.wal));
    assert_int_equal(append(&c, 1, 900, 1), SOP_FULL);
    /* What fits is still taken. */
    fixture_sync(&c.f);
    note_durable(&c);
    sop_faulty_space_set(c.disk, UINT64_MAX);
    assert_int_equal(append(&c, 1, 900, 1), SOP_OK);
    fixture_sync(&c.f);
    note_durable(&c);
    process_end(&c, 2);
    assert_int_equal(process_begin(&c), SOP_OK);
    process_end(&c, 0);
    crash_free(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_power_cut_leaves_what_was_synced),
        cmocka_unit_test(test_the_nth_call_fails_for_every_n),
        cmocka_unit_test(test_random_lives_of_many_processes),
        cmocka_unit_test(test_a_leave_that_was_lost_unnoticed_is_written_again),
        cmocka_unit_test(test_a_sync_covers_only_what_was_there_when_it_began),
        cmocka_unit_test(test_a_truncated_file_is_named),
        cmocka_unit_test(test_a_full_medium_refuses_and_goes_on_when_space_returns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
