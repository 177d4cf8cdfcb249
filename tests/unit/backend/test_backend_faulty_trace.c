/* SPDX-License-Identifier: MIT */
/* The simulated disk: a trace gives the same disk again. */
#include "unit/backend/faulty_forms.h"

/* ---- traces ---- */

static void test_a_trace_tells_what_was_done(void **state)
{
    (void)state;
    sop_faulty_disk *disk = disk_new(1);
    OK(sop_faulty_trace_start(disk));
    sop_backend *b = created(disk);
    put(b, "head/1", "", 1);
    sop_faulty_mark(disk, "acknowledged", 17);
    OK(b->ops->head_swap(b, "1", "2", NULL));
    sop_faulty_trace_reads(disk, 1);
    sop_file_close(file(b, "head/2", 0));
    done(b);
    static const uint32_t kinds[] = {SOP_FAULTY_BUILD,       SOP_FAULTY_CREATE, SOP_FAULTY_WRITE,
                                     SOP_FAULTY_PUBLISH,     SOP_FAULTY_CREATE, SOP_FAULTY_SYNC,
                                     SOP_FAULTY_FOLDER_SYNC, SOP_FAULTY_MARK,   SOP_FAULTY_RENAME,
                                     SOP_FAULTY_OPEN};
    size_t count = sizeof kinds / sizeof kinds[0];
    assert_int_equal(sop_faulty_trace_size(disk), count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(sop_faulty_trace_get(disk, i).kind, kinds[i]);
    }
    sop_faulty_event event = sop_faulty_trace_get(disk, 2);
    assert_string_equal(event.name, "SOP");
    assert_int_equal(event.who, 1);
    assert_int_equal(event.size, 10);
    assert_memory_equal(event.data, "superblock", 10);
    assert_string_equal(sop_faulty_trace_get(disk, 6).name, "head");
    event = sop_faulty_trace_get(disk, 7);
    assert_string_equal(event.name, "acknowledged");
    assert_int_equal(event.offset, 17);
    event = sop_faulty_trace_get(disk, 8);
    assert_string_equal(event.name, "head/1");
    assert_string_equal(event.to, "head/2");
    sop_faulty_disk_free(disk);
}

/* A number for everything that can be read from a disk. */
typedef struct {
    sop_backend *b;
    const char *folder;
    uint64_t sum;
} digest;

static sop_status digest_file(const char *name, uint64_t size, void *context)
{
    static uint8_t bytes[1 << 17];
    digest *d = context;
    char full[300];
    size_t got = 0;
    (void)snprintf(full, sizeof full, "%s%s%s", d->folder, d->folder[0] == '\0' ? "" : "/", name);
    sop_file *f = file(d->b, full, 0);
    OK(sop_file_read(f, 0, bytes, sizeof bytes, &got, NULL));
    assert_int_equal(got, size);
    sop_file_close(f);
    /* A sum, since the order of a listing is free. */
    d->sum += sop_checksum64(bytes, got, sop_checksum64(full, strlen(full), size));
    return SOP_OK;
}

static uint64_t digest_of(sop_faulty_disk *disk)
{
    static const char *const folders[] = {"", "log", "seg", "head"};
    digest d = {0};
    if (sop_backend_faulty_open(disk, SOP_BACKEND_EXISTING, 1, &d.b, NULL) != SOP_OK) return 0;
    for (size_t i = 0; i < 4; i++) {
        d.folder = folders[i];
        OK(d.b->ops->list(d.b, d.folder, digest_file, &d, NULL));
    }
    done(d.b);
    return d.sum;
}

enum { STEPS = 300, CUTS = 4 };

typedef struct {
    size_t index;
    uint64_t sums[CUTS];
} snapshot;

static sop_faulty_cut cut_number(size_t step, size_t i)
{
    static const int keeps[CUTS] = {SOP_FAULTY_KEEP_ALL, SOP_FAULTY_KEEP_NONE,
                                    SOP_FAULTY_KEEP_PREFIX, SOP_FAULTY_KEEP_RANDOM};
    return (sop_faulty_cut){keeps[i], 0, step * 31 + i};
}

/* One random operation by one of two processes; failures are part of it. */
static void random_step(sop_backend *b, uint64_t *random)
{
    static uint8_t data[20000];
    static const char *const names[] = {"log/a", "log/b", "seg/a", "SOP", "head/a", "head/b"};
    const char *name = names[sop_test_random(random) % 6];
    sop_file *f = NULL;
    size_t size =
        1 + sop_test_random(random) % (sop_test_random(random) % 8 == 0 ? sizeof data : 700);
    memset(data, (int)(sop_test_random(random) % 4), sizeof data);
    sop_status status = SOP_OK;
    switch (sop_test_random(random) % 9) {
    case 0:
        status = b->ops->head_swap(b, "a", "b", NULL);
        break;
    case 1:
        status = b->ops->head_swap(b, "b", "a", NULL);
        break;
    case 2:
        if (strcmp(name, "SOP") != 0) status = b->ops->remove(b, name, NULL);
        break;
    case 3:
        status = b->ops->folder_sync(b, sop_test_random(random) % 2 == 0 ? "log" : "head", NULL);
        break;
    default:
        status = sop_file_open(b, name, SOP_FILE_WRITE, &f, NULL);
        if (status == SOP_NOT_FOUND) status = sop_file_open(b, name, SOP_FILE_CREATE, &f, NULL);
        if (status != SOP_OK) break;
        status = sop_file_write(f, sop_test_random(random) % 30000, data, size, NULL);
        if (sop_test_random(random) % 3 == 0) status = sop_file_sync(f, NULL);
    }
    sop_file_close(f);
    (void)status;
}

/* Runs random operations on a traced disk and notes what cuts of the live disk give after each. */
static sop_faulty_disk *traced_run(uint64_t seed, snapshot *shots)
{
    uint64_t random = seed;
    sop_faulty_disk *disk = disk_new(seed);
    sop_backend *b[2] = {created(disk), NULL};
    put(b[0], "log/a", "from before the trace", 0);
    done(b[0]);
    OK(sop_faulty_trace_start(disk));
    b[0] = process(disk, SOP_BACKEND_EXISTING);
    b[1] = process(disk, SOP_BACKEND_EXISTING);
    for (int effect = SOP_FAULTY_NOTHING; effect <= SOP_FAULTY_WHOLE; effect++) {
        sop_faulty_rule r = {.kinds = SOP_FAULTY_ANY & ~(uint32_t)SOP_FAULTY_UNLOCK,
                             .chance_ppm = 30000,
                             .status = SOP_IO,
                             .effect = effect};
        sop_faulty_rule_add(disk, &r);
    }
    for (size_t step = 0; step < STEPS; step++) {
        random_step(b[sop_test_random(&random) % 2], &random);
        if (step == STEPS / 2) OK(sop_faulty_writeback_fail(disk, "SOP"));
        shots[step].index = sop_faulty_trace_size(disk);
        for (size_t i = 0; i < CUTS; i++) {
            sop_faulty_cut cut = cut_number(step, i);
            sop_faulty_disk *after = NULL;
            OK(sop_faulty_disk_cut(disk, &cut, &after));
            shots[step].sums[i] = digest_of(after);
            sop_faulty_disk_free(after);
        }
    }
    assert_true(sop_faulty_struck(disk) > 5);
    done(b[0]);
    done(b[1]);
    return disk;
}

static void test_a_replay_gives_the_disk_of_any_moment(void **state)
{
    static snapshot shots[STEPS];
    uint64_t seed = sop_test_seed(404);
    (void)state;
    print_message("seed %" PRIu64 "\n", seed);
    for (uint64_t run = 0; run < 8; run++) {
        sop_faulty_disk *disk = traced_run(seed + run, shots);
        sop_faulty_replay *replay = NULL;
        uint64_t random = seed;
        OK(sop_faulty_replay_new(disk, &replay));
        for (size_t n = 0; n < STEPS + 10; n++) {
            /* Onwards first, then jumps back and forth. */
            size_t step = n < STEPS ? n : sop_test_random(&random) % STEPS;
            OK(sop_faulty_replay_to(replay, shots[step].index));
            for (size_t i = 0; i < CUTS; i++) {
                sop_faulty_cut cut = cut_number(step, i);
                sop_faulty_disk *after = NULL;
                OK(sop_faulty_replay_cut(replay, &cut, &after));
                assert_true(digest_of(after) == shots[step].sums[i]);
                sop_faulty_disk_free(after);
            }
        }
        sop_faulty_replay_free(replay);
        sop_faulty_disk_free(disk);
    }
}

static void test_nothing_pending_means_one_outcome(void **state)
{
    (void)state;
    sop_faulty_disk *disk = disk_new(1);
    sop_faulty_replay *replay = NULL;
    OK(sop_faulty_trace_start(disk));
    sop_backend *b = created(disk);
    put(b, "log/a", "x", 1);
    size_t quiet = sop_faulty_trace_size(disk);
    put(b, "log/b", "x", 0);
    done(b);
    OK(sop_faulty_replay_new(disk, &replay));
    OK(sop_faulty_replay_to(replay, quiet));
    assert_int_equal(sop_faulty_replay_pending(replay), 0);
    OK(sop_faulty_replay_to(replay, sop_faulty_trace_size(disk)));
    assert_int_equal(sop_faulty_replay_pending(replay), 2);
    OK(sop_faulty_replay_to(replay, 0));
    sop_faulty_disk *after = NULL;
    OK(sop_faulty_replay_cut(replay, &ALL, &after));
    assert_int_equal(sop_backend_faulty_open(after, SOP_BACKEND_EXISTING, 0, &b, NULL),
                     SOP_NOT_FOUND);
    sop_faulty_disk_free(after);
    sop_faulty_replay_free(replay);
    sop_faulty_disk_free(disk);
}

static void test_failed_allocations_leave_rebuilding_whole(void **state)
{
    static snapshot shots[STEPS];
    (void)state;
    sop_faulty_disk *disk = traced_run(9, shots);
    for (uint64_t n = 1;; n++) {
        sop_faulty_replay *replay = NULL;
        sop_faulty_disk *after = NULL;
        sop_faulty_cut cut = cut_number(39, 3);
        assert_true(n < 100000);
        /* Early failures are tried one by one, later ones in strides. */
        if (n > 60) n += n / 7;
        sop_memory_fail_at(n, 0);
        sop_status status = sop_faulty_replay_new(disk, &replay);
        if (status == SOP_OK) status = sop_faulty_replay_to(replay, shots[39].index);
        if (status == SOP_OK) status = sop_faulty_replay_cut(replay, &cut, &after);
        int reached = sop_memory_fail_reached();
        sop_memory_fail_at(0, 0);
        assert_int_equal(status, reached ? SOP_NO_MEMORY : SOP_OK);
        if (status == SOP_OK) assert_true(digest_of(after) == shots[39].sums[3]);
        sop_faulty_disk_free(after);
        sop_faulty_replay_free(replay);
        if (!reached) break;
    }
    sop_faulty_disk_free(disk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_trace_tells_what_was_done),
        cmocka_unit_test(test_a_replay_gives_the_disk_of_any_moment),
        cmocka_unit_test(test_nothing_pending_means_one_outcome),
        cmocka_unit_test(test_failed_allocations_leave_rebuilding_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
