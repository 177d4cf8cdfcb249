/* SPDX-License-Identifier: MIT */
/* The end of the log after kills and power cuts, forks, and damage that must not pass for an end. */
#include "unit/wal/wal_fixture.h"

/* ---- legal ends ---- */

/* After what a crash may leave, the log must hold exactly the frames up to seq, and go on. */
static void expect_end(fixture *f, uint64_t seq)
{
    f->seq = seq;
    fixture_reopen(f);
    assert_false(f->clean);
    fixture_append(f, 2, 300, 0);
    fixture_append(f, 1, 300, 1);
    fixture_sync(f);
    fixture_kill(f);
    fixture_reopen(f);
}

static void test_garbage_behind_the_end_is_a_tail(void **state)
{
    (void)state;
    uint64_t random = sop_test_seed(3);
    for (int round = 0; round < 40; round++) {
        fixture f;
        uint8_t garbage[9000];
        fixture_create(&f, FIXTURE_FILE_BYTES, 1);
        fixture_reopen(&f);
        for (int i = 0; i < round % 5; i++) {
            fixture_append(&f, 1, 500, round % 2);
        }
        if (round % 3 == 0) fixture_sync(&f);
        sop_wal_place tip = sop_wal_tip(f.wal);
        if (round % 4 == 0) fixture_leave(&f);
        if (round % 4 == 0) tip = sop_wal_tip(f.wal);
        fixture_kill(&f);
        for (size_t i = 0; i < sizeof garbage; i++) {
            garbage[i] = (uint8_t)sop_test_random(&random);
        }
        uint64_t at = tip.offset + tip.length + (unsigned)(round % 7) * 1000u;
        fixture_overwrite(&f, tip.file, at, garbage, 1 + sop_test_random(&random) % sizeof garbage);
        expect_end(&f, f.seq);
        fixture_deinit(&f);
    }
}

static void test_a_torn_last_frame_is_a_tail(void **state)
{
    (void)state;
    for (unsigned cut = 0; cut < 60; cut++) {
        fixture f;
        fixture_create(&f, FIXTURE_FILE_BYTES, 1);
        fixture_reopen(&f);
        fixture_append(&f, 3, 500, 1);
        fixture_sync(&f);
        uint64_t kept = f.seq;
        fixture_append(&f, 40, 500, cut % 2);
        sop_wal_place tip = sop_wal_tip(f.wal);
        fixture_kill(&f);
        if (cut % 3 == 0) fixture_reboot();
        /* Any part of it missing. */
        uint64_t from = tip.length * (uint64_t)cut / 60;
        size_t size =
            cut % 4 == 0 ? (size_t)(tip.length - from) : 1 + (tip.length - (size_t)from) / 9;
        fixture_overwrite(&f, tip.file, tip.offset + from, NULL, size);
        expect_end(&f, kept);
        fixture_deinit(&f);
    }
}

/* Frames behind a lost one were never acknowledged as durable: all of it is a tail. */
static void test_a_hole_in_what_was_not_synced_is_a_tail(void **state)
{
    (void)state;
    fixture f;
    fixture_create(&f, FIXTURE_FILE_BYTES, 1);
    fixture_reopen(&f);
    fixture_append(&f, 1, 100, 0);
    fixture_sync(&f);
    uint64_t kept = f.seq;
    sop_wal_place hole = {0};
    for (int i = 0; i < 100; i++) {
        fixture_append(&f, 1, 3000, 0);
        if (i == 4) hole = sop_wal_tip(f.wal);
    }
    fixture_kill(&f);
    fixture_reboot();
    fixture_overwrite(&f, hole.file, hole.offset, NULL, hole.length);
    expect_end(&f, kept + 4);
    fixture_deinit(&f);
}

/* A value may hold the bytes of a log; they are no frames where they lie. */
static void test_a_copy_of_the_log_inside_a_value_is_never_read(void **state)
{
    (void)state;
    fixture f;
    fixture_create(&f, 1 << 20, 1);
    fixture_reopen(&f);
    for (int i = 0; i < 20; i++) {
        fixture_append(&f, 1, 500, 1);
        fixture_sync(&f);
    }
    uint64_t file = sop_wal_tip(f.wal).file;
    fixture_file log = fixture_file_read(&f, file);
    uint64_t kept = f.seq;
    sop_wal_place place;
    sop_wal_buffer_reset(&f.buffer);
    sop_wal_txn txn = {.type = SOP_TXN_TYPE_CHECKPOINT, .counter = kept + 1, .lowest_open = 0};
    for (size_t shift = 0; shift < 8; shift++) { /* one of the copies lies at a multiple of 8 */
        assert_int_equal(sop_wal_txn_begin(&f.buffer, &txn), SOP_OK);
        assert_int_equal(sop_wal_body_set(&f.buffer, sop_slice_of(log.bytes + 4096 - shift, 80001)),
                         SOP_OK);
        sop_wal_txn_end(&f.buffer);
    }
    assert_int_equal(sop_wal_append(f.wal, &f.buffer, 0, 1, &place, &f.err), SOP_OK);
    fixture_kill(&f);
    fixture_overwrite(&f, file, place.offset, NULL, 4096);
    expect_end(&f, kept);
    free(log.bytes);
    fixture_deinit(&f);
}

/* ---- forks ---- */

static void test_a_killed_process_leaves_copies_in_the_same_boot_only(void **state)
{
    (void)state;
    for (int boot = 0; boot < 2; boot++) {
        fixture f;
        fixture_create(&f, FIXTURE_FILE_BYTES, 1);
        fixture_reopen(&f);
        fixture_append(&f, 5, 500, 0);
        fixture_sync(&f);
        uint64_t durable = f.seq;
        for (int i = 0; i < 10; i++) {
            fixture_append(&f, 1, 500, 0);
        }
        fixture_kill(&f);
        if (boot) fixture_reboot();
        fixture_reopen(&f);
        assert_int_equal(fixture_list(&f, "log").files, 2);
        fixture_kill(&f);
        fixture_reading(&f, f.seq + 1);
        assert_int_equal(fixture_replay(&f), SOP_OK);
        /* The frame behind the sync stored what was durable; of the ten, all are copies or none. */
        assert_int_equal(f.copies, boot ? 0 : f.seq - durable);
        fixture_deinit(&f);
    }
}

static void test_fork_after_fork_keeps_all_and_leaves_no_strays(void **state)
{
    (void)state;
    fixture f;
    fixture_create(&f, FIXTURE_FILE_BYTES, 1);
    fixture_reopen(&f);
    fixture_append(&f, 5, 500, 0);
    for (int i = 0; i < 30; i++) {
        fixture_kill(&f);
        if (i % 5 == 4) fixture_reboot();
        fixture_reopen(&f);
        if (i % 3 == 0) fixture_append(&f, 1, 500, i % 2);
        if (i % 7 == 0) fixture_sync(&f);
        assert_true(fixture_list(&f, "log").files <= 2 + (unsigned)i);
    }
    /* Nothing was appended since: each start replaces the file of the one before. */
    fixture_kill(&f);
    fixture_reopen(&f);
    unsigned files = fixture_list(&f, "log").files;
    for (int i = 0; i < 5; i++) {
        fixture_kill(&f);
        fixture_reopen(&f);
    }
    assert_int_equal(fixture_list(&f, "log").files, files);
    fixture_deinit(&f);
}

/* What a crash between copying and the header leaves: a file of COPY frames that counts for nothing. */
static void test_copies_without_a_header_count_for_nothing(void **state)
{
    (void)state;
    fixture f;
    fixture_create(&f, FIXTURE_FILE_BYTES, 1);
    fixture_reopen(&f);
    fixture_append(&f, 5, 500, 0);
    fixture_append(&f, 5, 500, 0);
    fixture_kill(&f);
    fixture_reopen(&f);
    uint64_t file = sop_wal_tip(f.wal).file;
    fixture_kill(&f);
    fixture_overwrite(&f, file, 0, NULL, 4096);
    fixture_reopen(&f);
    assert_true(sop_wal_tip(f.wal).file != file);
    fixture_deinit(&f);
}

/* The copies were durable before the header was written, though no frame says so yet. */
static void test_a_damaged_copy_is_damage_once_the_header_is_there(void **state)
{
    (void)state;
    fixture f;
    fixture_create(&f, FIXTURE_FILE_BYTES, 1);
    fixture_reopen(&f);
    for (int i = 0; i < 4; i++) {
        fixture_append(&f, 5, 500, 0);
    }
    fixture_kill(&f);
    fixture_reopen(&f);
    fixture_check_gaps(&f);
    sop_wal_place tip = sop_wal_tip(f.wal);
    fixture_kill(&f);
    fixture_flip(&f, tip.file, tip.offset + 90, 1);
    assert_int_equal(fixture_open(&f), SOP_CORRUPT);
    fixture_deinit(&f);
}

/* The caller's word that the end was clean does not make it so. */
static void test_an_unclean_end_is_forked_whatever_the_caller_says(void **state)
{
    (void)state;
    fixture f;
    fixture_create(&f, FIXTURE_FILE_BYTES, 1);
    fixture_reopen(&f);
    fixture_append(&f, 1, 500, 1);
    sop_wal_place tip = sop_wal_tip(f.wal);
    fixture_kill(&f);
    assert_int_equal(fixture_replay(&f), SOP_OK);
    assert_false(f.clean);
    assert_int_equal(sop_wal_start(f.wal, 1, &f.err), SOP_OK);
    fixture_append(&f, 1, 500, 1);
    assert_true(sop_wal_tip(f.wal).file != tip.file);
    fixture_deinit(&f);
}

/* CHAIN: number and seq fit, the hash of the predecessor does not. */
static void test_a_frame_of_another_history_is_a_tail(void **state)
{
    (void)state;
    fixture f;
    fixture_create(&f, FIXTURE_FILE_BYTES, 1);
    fixture_reopen(&f);
    fixture_append(&f, 1, 500, 1);
    fixture_sync(&f);
    sop_wal_place tip = sop_wal_tip(f.wal);
    uint64_t kept = f.seq;
    uint64_t seed = f.wal->seed;
    fixture_kill(&f);
    sop_wal_place other = tip;
    other.hash.high ^= 1;
    sop_wal_buffer_reset(&f.buffer);
    fixture_txn_add(&f, kept + 1, 100, SOP_TXN_TYPE_DATA);
    uint64_t offset = tip.offset + 4096;
    sop_wal__seal seal = {
        .transactions = 1, .file = tip.file, .offset = offset, .predecessor = &other};
    sop_wal_place place;
    sop_wal__frame_seal(f.buffer.data, f.buffer.size, seed, &seal, &place);
    fixture_overwrite(&f, tip.file, offset, f.buffer.data, f.buffer.size);
    expect_end(&f, kept);
    fixture_deinit(&f);
}

/* HEADER_CHECK. */
static void test_frames_in_a_file_that_lost_its_header_are_damage(void **state)
{
    (void)state;
    fixture f;
    char expected[64];
    fixture_create(&f, FIXTURE_FILE_BYTES, 1);
    fixture_reopen(&f);
    fixture_append(&f, 5, 500, 0);
    fixture_kill(&f);
    fixture_reopen(&f);
    fixture_append(&f, 5, 500, 0);
    sop_wal_place tip = sop_wal_tip(f.wal);
    fixture_kill(&f);
    fixture_overwrite(&f, tip.file, 0, NULL, 4096);
    assert_int_equal(fixture_open(&f), SOP_CORRUPT);
    sop_wal__name_format(tip.file, expected);
    assert_non_null(strstr(f.err.message, expected));
    assert_non_null(strstr(f.err.message, "header"));
    fixture_deinit(&f);
}

/* Two forks from one frame: the one with the higher run counts, also when the other comes back from the dead. */
static void test_of_two_forks_the_higher_run_counts(void **state)
{
    (void)state;
    fixture f;
    fixture_create(&f, FIXTURE_FILE_BYTES, 1);
    fixture_reopen(&f);
    fixture_append(&f, 5, 500, 0);
    fixture_append(&f, 5, 500, 0);
    fixture_kill(&f);
    fixture_reopen(&f);
    fixture_file first = fixture_file_read(&f, sop_wal_tip(f.wal).file);
    fixture_kill(&f);
    fixture_reopen(&f);
    uint64_t second = sop_wal_tip(f.wal).file;
    assert_true(second != first.log_file);
    fixture_append(&f, 1, 500, 1);
    fixture_sync(&f);
    fixture_append(&f, 1, 500, 1);
    fixture_kill(&f);
    fixture_file_write(&f, &first);
    assert_int_equal(fixture_replay(&f), SOP_OK);
    assert_int_equal(f.seq, 14);
    assert_int_equal(sop_wal_tip(f.wal).file, second);
    fixture_kill(&f);
    f.seq = 14;
    fixture_reopen(&f);
    free(first.bytes);
    fixture_deinit(&f);
}

/* The stale copy of a frame that FORK moved must not become the head: nothing that follows would be found. */
static void test_places_above_the_durable_seq_are_void_after_a_fork(void **state)
{
    (void)state;
    fixture f;
    fixture_create(&f, FIXTURE_FILE_BYTES, 1);
    fixture_reopen(&f);
    fixture_append(&f, 1, 100, 0);
    sop_wal_place old = sop_wal_tip(f.wal);
    fixture_kill(&f);
    fixture_reopen(&f);
    assert_int_equal(sop_wal_head_set(f.wal, &old, &f.err), SOP_INVALID);
    fixture_append(&f, 1, 100, 0);
    fixture_sync(&f);
    assert_int_equal(sop_wal_head_set(f.wal, &old, &f.err), SOP_INVALID);
    assert_int_equal(sop_wal_remove_before(f.wal, &old, 0, &f.err), SOP_INVALID);
    sop_wal_place tip = sop_wal_tip(f.wal);
    assert_int_equal(sop_wal_head_set(f.wal, &tip, &f.err), SOP_OK);
    fixture_kill(&f);
    fixture_reopen(&f);
    fixture_deinit(&f);
}

static void test_replay_may_start_before_the_head(void **state)
{
    (void)state;
    fixture f;
    fixture_create(&f, FIXTURE_FILE_BYTES, 1);
    fixture_reopen(&f);
    sop_wal_place early = {0};
    for (int i = 0; i < 60; i++) {
        fixture_append(&f, 1, 3000, 1);
        if (i == 20) early = sop_wal_tip(f.wal);
    }
    fixture_sync(&f);
    sop_wal_place tip = sop_wal_tip(f.wal);
    assert_int_equal(sop_wal_head_set(f.wal, &tip, &f.err), SOP_OK);
    assert_int_equal(sop_wal_remove_before(f.wal, &early, 0, &f.err), SOP_OK);
    fixture_append(&f, 3, 100, 0);
    fixture_kill(&f);
    sop_wal_frame frame;
    f.options.short_incarnation++;
    assert_int_equal(sop_wal_open(&f.options, &f.wal, &frame, &f.err), SOP_OK);
    fixture_reading(&f, early.seq_last + 1);
    assert_int_equal(sop_wal_replay(f.wal, &early, fixture_frame, &f, &f.clean, &f.err), SOP_OK);
    assert_int_equal(f.next, f.seq + 1);
    sop_wal_place beyond = sop_wal_tip(f.wal);
    assert_int_equal(sop_wal_replay(f.wal, &beyond, NULL, NULL, NULL, &f.err), SOP_INVALID);
    fixture_deinit(&f);
}

/* ---- damage ---- */

/* Frames in three files, each frame but the last known durable by a later one. */
static void durable_log(fixture *f, sop_wal_place *places, size_t count)
{
    fixture_create(f, FIXTURE_FILE_BYTES, 1);
    fixture_reopen(f);
    for (size_t i = 0; i < count; i++) {
        fixture_append(f, 1, 3000, 1);
        places[i] = sop_wal_tip(f->wal);
        fixture_sync(f);
    }
    assert_true(fixture_list(f, "log").files >= 3);
    fixture_kill(f);
}

static void test_damage_below_the_durable_seq_is_named(void **state)
{
    (void)state;
    uint64_t random = sop_test_seed(5);
    sop_wal_place places[60];
    fixture f;
    char expected[64];
    durable_log(&f, places, 60);
    for (size_t i = 0; i < 59; i++) {
        for (int k = 0; k < 4; k++) {
            uint64_t offset =
                places[i].offset + sop_test_random(&random) % (k == 0 ? 72 : places[i].length);
            uint8_t bits = (uint8_t)(1u << sop_test_random(&random) % 8);
            fixture_flip(&f, places[i].file, offset, bits);
            assert_int_equal(fixture_open(&f), SOP_CORRUPT);
            char name[SOP_WAL__NAME_SIZE];
            sop_wal__name_format(places[i].file, name);
            (void)snprintf(expected, sizeof expected, "%s at %llu:", name,
                           (unsigned long long)places[i].offset);
            if (strstr(f.err.message, expected) == NULL)
                print_error("%s, not %s\n", f.err.message, expected);
            assert_non_null(strstr(f.err.message, expected));
            fixture_flip(&f, places[i].file, offset, bits);
        }
    }
    fixture_reopen(&f);
    fixture_deinit(&f);
}

static void test_a_damaged_header_is_named(void **state)
{
    (void)state;
    uint64_t random = sop_test_seed(6);
    sop_wal_place places[60];
    fixture f;
    durable_log(&f, places, 60);
    for (size_t i = 0; i < 60; i++) {
        uint64_t offset = sop_test_random(&random) % 4096;
        fixture_flip(&f, places[i].file, offset, 0x40);
        assert_int_equal(fixture_open(&f), SOP_CORRUPT);
        char name[SOP_WAL__NAME_SIZE];
        sop_wal__name_format(places[i].file, name);
        assert_non_null(strstr(f.err.message, name));
        fixture_flip(&f, places[i].file, offset, 0x40);
    }
    fixture_reopen(&f);
    fixture_deinit(&f);
}

static void test_a_missing_file_is_damage(void **state)
{
    (void)state;
    sop_wal_place places[60];
    fixture f;
    durable_log(&f, places, 60);
    uint64_t last = 0;
    for (size_t i = 0; i < 59; i++) {
        if (places[i].file == last) continue;
        last = places[i].file;
        fixture_file copy = fixture_file_read(&f, last);
        fixture_file_remove(&f, last);
        sop_status status = fixture_open(&f);
        /* The newest file may be missing unnoticed only if no other stored that its frames were durable. */
        assert_true(status == SOP_CORRUPT || last == places[59].file);
        if (status == SOP_OK) fixture_kill(&f);
        fixture_file_write(&f, &copy);
        free(copy.bytes);
        if (status == SOP_OK) break;
    }
    fixture_deinit(&f);
}

/* The newest file lost at a clean close: the LEAVE of the run before must not pass for the end. */
static void test_what_follows_a_leave_is_seen_even_behind_a_hole(void **state)
{
    (void)state;
    fixture f;
    fixture_create(&f, 1 << 20, 1);
    fixture_reopen(&f);
    fixture_append(&f, 1, 10, 1);
    fixture_close(&f);
    fixture_reopen(&f);
    sop_wal_place leave = sop_wal_tip(f.wal);
    for (int i = 0; i < 100; i++) {
        fixture_append(&f, 1, 3000, 1);
        fixture_sync(&f);
    }
    fixture_kill(&f);
    fixture_overwrite(&f, leave.file, leave.offset + 4096, NULL, 100u << 10);
    assert_int_equal(fixture_open(&f), SOP_CORRUPT);
    fixture_deinit(&f);
}

/* After anything but a LEAVE no hole hides what was durable. */
static void test_an_unclean_end_is_searched_to_the_end_of_the_file(void **state)
{
    (void)state;
    fixture f;
    fixture_create(&f, 1 << 20, 0);
    fixture_reopen(&f);
    sop_wal_place hole = {0};
    sop_wal_place tip = {0};
    for (int i = 0; i < 32; i++) {
        fixture_append(&f, 1, 1, 1);
        if (i == 2) hole = sop_wal_tip(f.wal);
        fixture_sync(&f);
        tip = sop_wal_tip(f.wal);
    }
    fixture_kill(&f);
    fixture_overwrite(&f, hole.file, hole.offset, NULL, (size_t)(tip.offset - hole.offset));
    assert_true(tip.offset > hole.offset + (64u << 10));
    assert_int_equal(fixture_open(&f), SOP_CORRUPT);
    fixture_deinit(&f);
}

static void test_a_head_that_names_no_frame_is_damage(void **state)
{
    (void)state;
    fixture f;
    fixture_create(&f, FIXTURE_FILE_BYTES, 1);
    fixture_reopen(&f);
    sop_wal_place head = sop_wal_tip(f.wal);
    fixture_close(&f);
    fixture_flip(&f, head.file, head.offset + 80, 1);
    assert_int_equal(fixture_open(&f), SOP_CORRUPT);
    fixture_flip(&f, head.file, head.offset + 80, 1);

    char from[SOP_WAL__HEAD_NAME_MAX];
    char to[SOP_WAL__HEAD_NAME_MAX];
    sop_wal__head_format(&head, from);
    sop_wal_place wrong = head;
    wrong.seq_last++;
    sop_wal__head_format(&wrong, to);
    assert_int_equal(f.backend->ops->head_swap(f.backend, from, to, NULL), SOP_OK);
    assert_int_equal(fixture_open(&f), SOP_CORRUPT);
    wrong = head;
    wrong.file++;
    sop_wal__head_format(&wrong, from);
    assert_int_equal(f.backend->ops->head_swap(f.backend, to, from, NULL), SOP_OK);
    assert_int_equal(fixture_open(&f), SOP_CORRUPT);
    assert_int_equal(f.backend->ops->head_swap(f.backend, from, "L.nonsense", NULL), SOP_OK);
    assert_int_equal(fixture_open(&f), SOP_CORRUPT);
    assert_int_equal(f.backend->ops->head_swap(f.backend, "L.nonsense", "H.12", NULL), SOP_OK);
    assert_int_equal(fixture_open(&f), SOP_UNSUPPORTED);
    assert_int_equal(f.backend->ops->remove(f.backend, "head/H.12", NULL), SOP_OK);
    assert_int_equal(fixture_open(&f), SOP_CORRUPT);
    fixture_deinit(&f);
}

static void test_a_log_of_another_database_is_not_read(void **state)
{
    (void)state;
    fixture f;
    fixture_create(&f, FIXTURE_FILE_BYTES, 1);
    f.options.incarnation[3] ^= 1;
    assert_int_equal(fixture_open(&f), SOP_CORRUPT);
    f.options.incarnation[3] ^= 1;
    f.options.database_id[3] ^= 1;
    assert_int_equal(fixture_open(&f), SOP_CORRUPT);
    f.options.database_id[3] ^= 1;
    assert_int_equal(fixture_open(&f), SOP_OK);
    fixture_deinit(&f);
}

/* check finds what happens to files while the log is open. */
static void test_check_names_damage_in_an_open_log(void **state)
{
    (void)state;
    sop_wal_place places[60];
    fixture f;
    durable_log(&f, places, 60);
    fixture_reopen(&f);
    for (size_t i = 0; i < 59; i += 7) {
        char expected[64];
        char name[SOP_WAL__NAME_SIZE];
        sop_wal__name_format(places[i].file, name);
        (void)snprintf(expected, sizeof expected, "%s at %llu:", name,
                       (unsigned long long)places[i].offset);
        fixture_flip(&f, places[i].file, places[i].offset + 100, 4);
        fixture_reading(&f, 0);
        assert_int_equal(sop_wal_check(f.wal, &f.head, fixture_frame, &f, &f.err), SOP_CORRUPT);
        assert_non_null(strstr(f.err.message, expected));
        fixture_reading(&f, 0);
        uint64_t seq = places[i].seq_last;
        assert_int_equal(sop_wal_read_since(f.wal, seq - 1, seq, fixture_frame, &f, &f.err),
                         SOP_CORRUPT);
        fixture_flip(&f, places[i].file, places[i].offset + 100, 4);
    }
    fixture_flip(&f, places[40].file, 2000, 4);
    fixture_reading(&f, 0);
    assert_int_equal(sop_wal_check(f.wal, &f.head, fixture_frame, &f, &f.err), SOP_CORRUPT);
    fixture_deinit(&f);
}

/* ---- allocation failures ---- */

static sop_status stop_never(const sop_wal_frame *frame, void *context)
{
    (void)frame;
    (void)context;
    return SOP_OK;
}

static sop_status history(fixture *f)
{
    sop_wal_place tip = sop_wal_tip(f->wal);
    sop_status status =
        sop_wal_read_since(f->wal, f->head.seq_last, tip.seq_last, stop_never, NULL, &f->err);
    if (status == SOP_OK) status = sop_wal_check(f->wal, &f->head, NULL, NULL, &f->err);
    if (status == SOP_OK) status = sop_wal_head_set(f->wal, &tip, &f->err);
    if (status == SOP_OK) status = sop_wal_remove_before(f->wal, &tip, 0, &f->err);
    return status;
}

/* Every kind of call once, over a change of file. */
static sop_status work_once(fixture *f)
{
    sop_status status = fixture_open(f);
    for (int i = 0; i < 40 && status == SOP_OK; i++) {
        status = fixture_try_append(f, 1, 6000, i % 2);
        if (i % 10 == 0 && status == SOP_OK) status = sop_wal_sync(f->wal, &f->err);
        if (i % 10 == 5 && status == SOP_OK) status = sop_wal_prepare(f->wal, &f->err);
    }
    if (status == SOP_OK) status = sop_wal_sync(f->wal, &f->err);
    if (status == SOP_OK) status = history(f);
    fixture_kill(f);
    return status;
}

static void test_allocation_failure_at_every_n_leaves_a_whole_log(void **state)
{
    (void)state;
    for (int always = 0; always < 2; always++) {
        int failed = 1;
        for (uint64_t n = 1; failed; n++) {
            fixture f;
            fixture_create(&f, FIXTURE_FILE_BYTES, 1);
            fixture_reopen(&f);
            fixture_append(&f, 3, 20000, 0);
            fixture_kill(&f);
            uint64_t seq = f.seq;
            sop_memory_fail_at(n, always);
            sop_status status = work_once(&f);
            failed = sop_memory_fail_reached();
            sop_memory_fail_at(0, 0);
            if (status != SOP_OK) assert_int_equal(status, SOP_NO_MEMORY);
            assert_true(failed || status == SOP_OK);
            if (f.seq < seq) f.seq = seq;
            fixture_reopen(&f);
            fixture_append(&f, 1, 100, 1);
            fixture_deinit(&f);
        }
    }
}

static void test_allocation_failure_while_creating(void **state)
{
    (void)state;
    int failed = 1;
    for (uint64_t n = 1; failed; n++) {
        sop_backend *backend = NULL;
        assert_int_equal(sop_backend_memory_open("", SOP_BACKEND_NEW, &backend, NULL), SOP_OK);
        fixture f = {.backend = backend, .options = {.backend = backend}};
        fixture_txn_add(&f, 1, 0, SOP_TXN_TYPE_FORMAT);
        sop_memory_fail_at(n, 0);
        sop_status status = sop_wal_create(&f.options, &f.buffer, &f.err);
        failed = sop_memory_fail_reached();
        sop_memory_fail_at(0, 0);
        assert_int_equal(status, failed ? SOP_NO_MEMORY : SOP_OK);
        fixture_deinit(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_garbage_behind_the_end_is_a_tail),
        cmocka_unit_test(test_a_torn_last_frame_is_a_tail),
        cmocka_unit_test(test_a_hole_in_what_was_not_synced_is_a_tail),
        cmocka_unit_test(test_a_copy_of_the_log_inside_a_value_is_never_read),
        cmocka_unit_test(test_a_killed_process_leaves_copies_in_the_same_boot_only),
        cmocka_unit_test(test_fork_after_fork_keeps_all_and_leaves_no_strays),
        cmocka_unit_test(test_copies_without_a_header_count_for_nothing),
        cmocka_unit_test(test_a_damaged_copy_is_damage_once_the_header_is_there),
        cmocka_unit_test(test_an_unclean_end_is_forked_whatever_the_caller_says),
        cmocka_unit_test(test_a_frame_of_another_history_is_a_tail),
        cmocka_unit_test(test_frames_in_a_file_that_lost_its_header_are_damage),
        cmocka_unit_test(test_of_two_forks_the_higher_run_counts),
        cmocka_unit_test(test_places_above_the_durable_seq_are_void_after_a_fork),
        cmocka_unit_test(test_replay_may_start_before_the_head),
        cmocka_unit_test(test_damage_below_the_durable_seq_is_named),
        cmocka_unit_test(test_a_damaged_header_is_named),
        cmocka_unit_test(test_a_missing_file_is_damage),
        cmocka_unit_test(test_what_follows_a_leave_is_seen_even_behind_a_hole),
        cmocka_unit_test(test_an_unclean_end_is_searched_to_the_end_of_the_file),
        cmocka_unit_test(test_a_head_that_names_no_frame_is_damage),
        cmocka_unit_test(test_a_log_of_another_database_is_not_read),
        cmocka_unit_test(test_check_names_damage_in_an_open_log),
        cmocka_unit_test(test_allocation_failure_at_every_n_leaves_a_whole_log),
        cmocka_unit_test(test_allocation_failure_while_creating),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
