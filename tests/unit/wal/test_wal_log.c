/* SPDX-License-Identifier: MIT */
/* The log of one open database: what is appended is read back, over files, reopens and heads. */
#include "unit/wal/wal_fixture.h"

static void test_a_new_log_holds_its_first_frame(void **state)
{
    (void)state;
    fixture f;
    fixture_create(&f, 0, 1);
    fixture_listing log = fixture_list(&f, "log");
    assert_int_equal(log.files, 1);
    assert_int_equal(log.bytes, 1 << 20);
    assert_int_equal(fixture_list(&f, "head").files, 1);
    assert_int_equal(fixture_open(&f), SOP_OK);
    assert_int_equal(f.seq, 2);
    assert_int_equal(f.head.frame_no, 1);
    assert_true(f.clean);
    assert_int_equal(fixture_list(&f, "log").files, 1);
    fixture_deinit(&f);
}

static void test_a_log_may_begin_at_a_later_seq(void **state)
{
    (void)state;
    fixture f;
    sop_backend *backend = NULL;
    sop_wal_frame frame;
    assert_int_equal(sop_backend_memory_open("", SOP_BACKEND_NEW, &backend, NULL), SOP_OK);
    fixture empty = {.backend = backend, .options = {.backend = backend, .first_seq = 1001}};
    f = empty;
    fixture_txn_add(&f, 1001, 0, SOP_TXN_TYPE_FORMAT);
    assert_int_equal(sop_wal_create(&f.options, &f.buffer, NULL), SOP_OK);
    assert_int_equal(sop_wal_open(&f.options, &f.wal, &frame, NULL), SOP_OK);
    assert_int_equal(frame.first_seq, 1001);
    sop_wal_place head = frame.place;
    assert_int_equal(sop_wal_replay(f.wal, &head, NULL, NULL, NULL, NULL), SOP_OK);
    assert_int_equal(sop_wal_start(f.wal, 0, NULL), SOP_OK);
    f.seq = 1001;
    fixture_append(&f, 2, 10, 1);
    fixture_sync(&f);
    fixture_reading(&f, 1001);
    assert_int_equal(sop_wal_read_since(f.wal, 1000, 1003, fixture_frame, &f, NULL), SOP_OK);
    assert_int_equal(f.next, 1004);
    assert_int_equal(sop_wal_read_since(f.wal, 999, 1003, fixture_frame, &f, NULL),
                     SOP_SNAPSHOT_TOO_OLD);
    fixture_deinit(&f);
}

/* Aligned and not, small and large, synced now and then, closed cleanly and not. */
static void test_random_work_over_many_reopens(void **state)
{
    (void)state;
    uint64_t random = sop_test_seed(7);
    printf("seed %llu\n", (unsigned long long)random);
    fixture f;
    fixture_create(&f, FIXTURE_FILE_BYTES, 1);
    for (int run = 0; run < 60; run++) {
        if (sop_test_random(&random) % 4 == 0) fixture_reboot();
        fixture_reopen(&f);
        unsigned work = (unsigned)(sop_test_random(&random) % 60);
        for (unsigned i = 0; i < work; i++) {
            unsigned txns = 1 + (unsigned)(sop_test_random(&random) % 5);
            size_t size = sop_test_random(&random) % 40 == 0 ? 90000 : 600;
            fixture_append(&f, txns, size, sop_test_random(&random) % 2 == 0);
            if (sop_test_random(&random) % 5 == 0) fixture_sync(&f);
            if (sop_test_random(&random) % 7 == 0)
                assert_int_equal(sop_wal_prepare(f.wal, &f.err), SOP_OK);
            if (sop_test_random(&random) % 30 == 0) {
                sop_wal_place tip = sop_wal_tip(f.wal);
                fixture_sync(&f);
                assert_int_equal(sop_wal_head_set(f.wal, &tip, &f.err), SOP_OK);
                assert_int_equal(sop_wal_remove_before(
                                     f.wal, &tip, sop_test_random(&random) % 2 * 200000, &f.err),
                                 SOP_OK);
            }
        }
        fixture_reading(&f, 0);
        sop_status status = sop_wal_check(f.wal, &f.head, fixture_frame, &f, &f.err);
        /* The head this run opened with may have been removed since. */
        assert_true(status == SOP_INVALID || (status == SOP_OK && f.next == f.seq + 1));
        if (sop_test_random(&random) % 2 == 0) {
            fixture_close(&f);
        } else {
            fixture_kill(&f);
        }
    }
    fixture_reopen(&f);
    fixture_deinit(&f);
}

static void test_a_clean_close_goes_on_in_the_same_file(void **state)
{
    (void)state;
    fixture f;
    fixture_create(&f, FIXTURE_FILE_BYTES, 1);
    for (int run = 0; run < 5; run++) {
        fixture_reopen(&f);
        assert_true(f.clean);
        fixture_append(&f, 1, 100, run % 2);
        fixture_close(&f);
        assert_int_equal(fixture_list(&f, "log").files, 1);
    }
    fixture_reopen(&f);
    assert_int_equal(f.copies, 0);
    fixture_deinit(&f);
}

static void test_a_clean_close_before_a_boot_goes_on_in_a_new_file(void **state)
{
    (void)state;
    fixture f;
    fixture_create(&f, FIXTURE_FILE_BYTES, 1);
    fixture_reboot();
    fixture_reopen(&f);
    assert_true(f.clean);
    assert_int_equal(fixture_list(&f, "log").files, 2);
    fixture_append(&f, 1, 100, 1);
    fixture_close(&f);
    fixture_reopen(&f);
    assert_int_equal(fixture_list(&f, "log").files, 2);
    fixture_deinit(&f);
}

static void test_files_double_and_large_frames_get_their_own(void **state)
{
    (void)state;
    fixture f;
    fixture_create(&f, FIXTURE_FILE_BYTES, 1);
    fixture_reopen(&f);
    while (fixture_list(&f, "log").files < 4) {
        fixture_append(&f, 1, 10, 1);
    }
    assert_int_equal(fixture_list(&f, "log").bytes, (1 + 2 + 4 + 8) * FIXTURE_FILE_BYTES);
    char *big = malloc(5u << 20);
    memset(big, 'b', 5u << 20);
    sop_wal_buffer_reset(&f.buffer);
    sop_wal_txn txn = {.type = SOP_TXN_TYPE_CHECKPOINT, .counter = ++f.seq, .lowest_open = f.seq};
    assert_int_equal(sop_wal_txn_begin(&f.buffer, &txn), SOP_OK);
    assert_int_equal(sop_wal_body_set(&f.buffer, sop_slice_of(big, 5u << 20)), SOP_OK);
    sop_wal_txn_end(&f.buffer);
    free(big);
    sop_wal_place place;
    uint64_t before = fixture_list(&f, "log").bytes;
    assert_int_equal(sop_wal_append(f.wal, &f.buffer, 0, 0, &place, &f.err), SOP_OK);
    uint64_t size = fixture_list(&f, "log").bytes - before;
    assert_true(size >= place.length + 4096u && size < place.length + 3 * 4096u);
    fixture_append(&f, 1, 10, 0);
    fixture_kill(&f);
    fixture_reopen(&f);
    fixture_deinit(&f);
}

static void test_the_next_file_is_prepared_when_half_is_used(void **state)
{
    (void)state;
    fixture f;
    fixture_create(&f, FIXTURE_FILE_BYTES, 1);
    fixture_reopen(&f);
    assert_int_equal(sop_wal_prepare(f.wal, NULL), SOP_OK);
    assert_int_equal(fixture_list(&f, "log").files, 1);
    while (sop_wal_tip(f.wal).offset < FIXTURE_FILE_BYTES / 2) {
        fixture_append(&f, 1, 10, 1);
    }
    assert_int_equal(sop_wal_prepare(f.wal, NULL), SOP_OK);
    assert_int_equal(sop_wal_prepare(f.wal, NULL), SOP_OK);
    assert_int_equal(fixture_list(&f, "log").files, 2);
    uint64_t file = sop_wal_tip(f.wal).file;
    while (sop_wal_tip(f.wal).file == file) {
        fixture_append(&f, 1, 10, 1);
    }
    assert_int_equal(fixture_list(&f, "log").files, 2);
    fixture_close(&f);
    fixture_reopen(&f);
    assert_true(f.clean);
    fixture_deinit(&f);
}

static void test_a_prepared_file_vanishes_at_close(void **state)
{
    (void)state;
    fixture f;
    fixture_create(&f, FIXTURE_FILE_BYTES, 1);
    fixture_reopen(&f);
    while (sop_wal_tip(f.wal).offset < FIXTURE_FILE_BYTES / 2) {
        fixture_append(&f, 1, 10, 1);
    }
    assert_int_equal(sop_wal_prepare(f.wal, NULL), SOP_OK);
    assert_int_equal(fixture_list(&f, "log").files, 2);
    fixture_close(&f);
    assert_int_equal(fixture_list(&f, "log").files, 1);
    fixture_reopen(&f);
    assert_true(f.clean);
    fixture_deinit(&f);
}

/* Durable bytes are never written again: what follows a sync starts a new block. */
static void test_a_frame_after_a_sync_starts_a_new_block(void **state)
{
    (void)state;
    fixture f;
    fixture_create(&f, FIXTURE_FILE_BYTES, 1);
    fixture_reopen(&f);
    fixture_append(&f, 1, 1, 0);
    uint64_t first = sop_wal_tip(f.wal).offset;
    fixture_append(&f, 1, 1, 0);
    assert_int_equal(first % 4096, 0);
    assert_true(sop_wal_tip(f.wal).offset < first + 4096);
    sop_wal_sync_job job;
    assert_int_equal(sop_wal_sync_begin(f.wal, &job, NULL), SOP_OK);
    fixture_append(&f, 1, 1, 0);
    assert_int_equal(sop_wal_tip(f.wal).offset, first + 4096);
    assert_int_equal(sop_wal_sync_run(&job, NULL), SOP_OK);
    sop_wal_sync_end(f.wal, &job, SOP_OK);
    fixture_append(&f, 1, 1, 0);
    assert_true(sop_wal_tip(f.wal).offset < first + 2 * 4096);
    fixture_sync(&f);
    fixture_append(&f, 1, 1, 0);
    assert_int_equal(sop_wal_tip(f.wal).offset, first + 2 * 4096);
    fixture_kill(&f);
    fixture_reopen(&f);
    fixture_deinit(&f);
}

static void test_misuse_is_refused_and_harmless(void **state)
{
    (void)state;
    fixture f;
    sop_wal_place place;
    fixture_create(&f, FIXTURE_FILE_BYTES, 0);
    assert_int_equal(fixture_replay(&f), SOP_OK);
    fixture_txn_add(&f, 2, 0, SOP_TXN_TYPE_DATA);
    assert_int_equal(sop_wal_append(f.wal, &f.buffer, 0, 0, &place, &f.err), SOP_INVALID);
    assert_int_equal(sop_wal_sync(f.wal, &f.err), SOP_INVALID);
    assert_int_equal(sop_wal_head_set(f.wal, &f.head, &f.err), SOP_INVALID);
    assert_int_equal(sop_wal_remove_before(f.wal, &f.head, 0, &f.err), SOP_INVALID);
    assert_int_equal(sop_wal_start(f.wal, f.clean, &f.err), SOP_OK);
    assert_int_equal(sop_wal_start(f.wal, f.clean, &f.err), SOP_INVALID);
    sop_wal_buffer_reset(&f.buffer);
    assert_int_equal(sop_wal_append(f.wal, &f.buffer, 0, 0, &place, &f.err), SOP_INVALID);
    fixture_append(&f, 1, 10, 0);
    fixture_kill(&f);
    fixture_reopen(&f);
    fixture_deinit(&f);
}

static void test_read_only_reads_and_writes_nothing(void **state)
{
    (void)state;
    fixture f;
    fixture_create(&f, FIXTURE_FILE_BYTES, 1);
    fixture_reopen(&f);
    fixture_append(&f, 3, 100, 0);
    fixture_kill(&f);
    fixture_listing before = fixture_list(&f, "log");
    f.options.read_only = 1;
    assert_int_equal(fixture_replay(&f), SOP_OK);
    assert_int_equal(f.seq, 5);
    assert_int_equal(sop_wal_start(f.wal, 0, &f.err), SOP_READ_ONLY);
    assert_int_equal(sop_wal_head_set(f.wal, &f.head, &f.err), SOP_READ_ONLY);
    assert_int_equal(sop_wal_remove_before(f.wal, &f.head, 0, &f.err), SOP_READ_ONLY);
    fixture_reading(&f, 1);
    assert_int_equal(sop_wal_read_since(f.wal, 0, 5, fixture_frame, &f, NULL), SOP_OK);
    assert_int_equal(f.next, 6);
    fixture_kill(&f);
    assert_int_equal(fixture_list(&f, "log").files, before.files);
    fixture_deinit(&f);
}

/* ---- head and removal ---- */

static void test_the_head_moves_only_to_durable_frames_of_the_log(void **state)
{
    (void)state;
    fixture f;
    fixture_create(&f, FIXTURE_FILE_BYTES, 1);
    fixture_reopen(&f);
    sop_wal_place first = sop_wal_tip(f.wal);
    fixture_append(&f, 1, 10, 0);
    sop_wal_place tip = sop_wal_tip(f.wal);
    assert_int_equal(sop_wal_head_set(f.wal, &tip, &f.err), SOP_INVALID);
    assert_int_equal(sop_wal_remove_before(f.wal, &tip, 0, &f.err), SOP_INVALID);
    fixture_sync(&f);
    sop_wal_place wrong = tip;
    wrong.file++;
    assert_int_equal(sop_wal_head_set(f.wal, &wrong, &f.err), SOP_INVALID);
    wrong = tip;
    wrong.hash.low++;
    assert_int_equal(sop_wal_head_set(f.wal, &wrong, &f.err), SOP_CORRUPT);
    assert_int_equal(sop_wal_head_set(f.wal, &tip, &f.err), SOP_OK);
    assert_int_equal(sop_wal_head_set(f.wal, &tip, &f.err), SOP_OK);
    assert_int_equal(sop_wal_head_set(f.wal, &first, &f.err), SOP_INVALID);
    assert_int_equal(fixture_list(&f, "head").files, 1);
    fixture_kill(&f);
    fixture_reopen(&f);
    assert_true(sop_wal__place_equal(&f.head, &tip));
    fixture_deinit(&f);
}

static void test_removing_keeps_what_replay_and_readers_need(void **state)
{
    (void)state;
    fixture f;
    fixture_create(&f, FIXTURE_FILE_BYTES, 1);
    fixture_reopen(&f);
    while (fixture_list(&f, "log").files < 5) {
        fixture_append(&f, 2, 3000, 1);
    }
    sop_wal_place tip = sop_wal_tip(f.wal);
    fixture_sync(&f);
    assert_int_equal(sop_wal_head_set(f.wal, &tip, &f.err), SOP_OK);
    /* 1, 2, 4, 8 times the first size lie before the file of the tip; 13 are too few for 8 + 4 + 2. */
    assert_int_equal(sop_wal_remove_before(f.wal, &tip, 13 * FIXTURE_FILE_BYTES, &f.err), SOP_OK);
    assert_int_equal(fixture_list(&f, "log").files, 3);
    fixture_reading(&f, 0);
    assert_int_equal(sop_wal_read_since(f.wal, 1, f.seq, fixture_frame, &f, &f.err),
                     SOP_SNAPSHOT_TOO_OLD);
    assert_int_equal(f.frames, 0);
    uint64_t begin = 2;
    while (sop_wal_read_since(f.wal, begin, f.seq, fixture_frame, &f, NULL) ==
           SOP_SNAPSHOT_TOO_OLD) {
        begin++;
    }
    assert_int_equal(f.next, f.seq + 1);
    fixture_kill(&f);
    fixture_reopen(&f);
    fixture_reading(&f, 0);
    assert_int_equal(sop_wal_read_since(f.wal, begin, f.seq, fixture_frame, &f, NULL), SOP_OK);
    assert_int_equal(f.next, f.seq + 1);
    assert_int_equal(sop_wal_remove_before(f.wal, &f.head, 0, &f.err), SOP_OK);
    assert_int_equal(sop_wal_read_since(f.wal, begin, f.seq, fixture_frame, &f, NULL),
                     SOP_SNAPSHOT_TOO_OLD);
    fixture_kill(&f);
    fixture_reopen(&f);
    fixture_deinit(&f);
}

static void test_bytes_since_counts_over_files(void **state)
{
    (void)state;
    fixture f;
    fixture_create(&f, FIXTURE_FILE_BYTES, 1);
    fixture_reopen(&f);
    sop_wal_place from = sop_wal_tip(f.wal);
    assert_int_equal(sop_wal_bytes_since(f.wal, &from), 0);
    fixture_append(&f, 1, 1, 1);
    sop_wal_place tip = sop_wal_tip(f.wal);
    assert_int_equal(sop_wal_bytes_since(f.wal, &from),
                     tip.offset + tip.length - from.offset - from.length);
    uint64_t last = 0;
    while (fixture_list(&f, "log").files < 3) {
        fixture_append(&f, 1, 1, 1);
        uint64_t bytes = sop_wal_bytes_since(f.wal, &from);
        assert_true(bytes > last && bytes <= last + 2 * 4096);
        last = bytes;
    }
    fixture_deinit(&f);
}

/* ---- history ---- */

static void test_read_since_gives_exactly_the_frames_asked_for(void **state)
{
    (void)state;
    uint64_t random = sop_test_seed(11);
    fixture f;
    fixture_create(&f, FIXTURE_FILE_BYTES, 1);
    for (int run = 0; run < 4; run++) {
        fixture_reopen(&f);
        for (int i = 0; i < 100; i++) {
            fixture_append(&f, 1 + (unsigned)(sop_test_random(&random) % 4), 900,
                           (int)(sop_test_random(&random) % 2));
        }
        fixture_kill(&f);
    }
    fixture_reopen(&f);
    for (int i = 0; i < 400; i++) {
        uint64_t after = sop_test_random(&random) % (f.seq + 1);
        uint64_t to = after + sop_test_random(&random) % 30;
        if (to > f.seq) to = f.seq;
        fixture_reading(&f, 0);
        assert_int_equal(sop_wal_read_since(f.wal, after, to, fixture_frame, &f, &f.err), SOP_OK);
        if (after == to) {
            assert_int_equal(f.frames, 0);
            continue;
        }
        /* The frame of after + 1 and that of to are whole, so at most 3 more at either end. */
        assert_true(f.next > to && f.next <= to + 4);
        fixture_reading(&f, f.next);
        assert_int_equal(
            sop_wal_read_since(f.wal, f.next - 1, UINT64_MAX, fixture_frame, &f, &f.err), SOP_OK);
        assert_int_equal(f.next, f.seq + 1);
    }
    fixture_deinit(&f);
}

static sop_status stop_at_third(const sop_wal_frame *frame, void *context)
{
    (void)frame;
    return ++*(int *)context == 3 ? SOP_CANCELLED : SOP_OK;
}

static void test_a_callback_can_stop_reading(void **state)
{
    (void)state;
    fixture f;
    int calls = 0;
    fixture_create(&f, FIXTURE_FILE_BYTES, 1);
    fixture_reopen(&f);
    for (int i = 0; i < 5; i++) {
        fixture_append(&f, 1, 10, 0);
    }
    assert_int_equal(sop_wal_read_since(f.wal, 2, f.seq, stop_at_third, &calls, NULL),
                     SOP_CANCELLED);
    assert_int_equal(calls, 3);
    calls = 0;
    assert_int_equal(sop_wal_check(f.wal, &f.head, stop_at_third, &calls, NULL), SOP_CANCELLED);
    fixture_kill(&f);
    sop_wal_frame frame;
    assert_int_equal(sop_wal_open(&f.options, &f.wal, &frame, NULL), SOP_OK);
    f.head = frame.place;
    calls = 0;
    assert_int_equal(sop_wal_replay(f.wal, &f.head, stop_at_third, &calls, NULL, NULL),
                     SOP_CANCELLED);
    fixture_deinit(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_new_log_holds_its_first_frame),
        cmocka_unit_test(test_a_log_may_begin_at_a_later_seq),
        cmocka_unit_test(test_random_work_over_many_reopens),
        cmocka_unit_test(test_a_clean_close_goes_on_in_the_same_file),
        cmocka_unit_test(test_a_clean_close_before_a_boot_goes_on_in_a_new_file),
        cmocka_unit_test(test_files_double_and_large_frames_get_their_own),
        cmocka_unit_test(test_the_next_file_is_prepared_when_half_is_used),
        cmocka_unit_test(test_a_prepared_file_vanishes_at_close),
        cmocka_unit_test(test_a_frame_after_a_sync_starts_a_new_block),
        cmocka_unit_test(test_misuse_is_refused_and_harmless),
        cmocka_unit_test(test_read_only_reads_and_writes_nothing),
        cmocka_unit_test(test_the_head_moves_only_to_durable_frames_of_the_log),
        cmocka_unit_test(test_removing_keeps_what_replay_and_readers_need),
        cmocka_unit_test(test_bytes_since_counts_over_files),
        cmocka_unit_test(test_read_since_gives_exactly_the_frames_asked_for),
        cmocka_unit_test(test_a_callback_can_stop_reading),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
