/* SPDX-License-Identifier: MIT */
/* Damaged nodes of the base, and a heap that gives nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "snapshot/snapshot.h"
#include "support/support.h"
#include "support/view_fixture.h"
#include "util/bytes.h"
#include "util/memory.h"

static view_fixture f;

/* Some thousand items in many leaves, a few layers of changes. */
static void open_large(uint32_t layers)
{
    view_shape shape = {.seed = 11, .keys = 2500, .kind = VIEW_KEYS_NUMBER, .base_percent = 95};
    shape.layers = layers;
    shape.layer_percent = 5;
    shape.value_size_max = 600;
    view_fixture_open(&f, &shape);
}

/* After the damage was met, the cursor still stands where it was, and says so. */
static void expect_unmoved(sop_view_cursor *cursor, int forward, size_t met)
{
    assert_true(sop_view_cursor_at_item(cursor));
    sop_slice key = sop_view_cursor_key(cursor);
    size_t index = 0;
    assert_true(view_fixture_find(&f, key, &index));
    uint64_t rank = view_fixture_rank(&f, key);
    assert_int_equal(forward ? rank + 1 : view_fixture_count(&f) - rank, met);
    sop_status status =
        forward ? sop_view_cursor_next(cursor, NULL) : sop_view_cursor_prev(cursor, NULL);
    assert_int_equal(status, SOP_CORRUPT);
    status = forward ? sop_view_cursor_prev(cursor, NULL) : sop_view_cursor_next(cursor, NULL);
    assert_int_equal(status, met > 1 ? SOP_OK : SOP_NOT_FOUND);
}

static size_t expect_scan(int forward, size_t *corrupt_out)
{
    sop_error err;
    sop_view_cursor *cursor = sop_view_cursor_new(&f.view);
    assert_non_null(cursor);
    size_t met = 0;
    for (;;) {
        sop_status status =
            forward ? sop_view_cursor_next(cursor, &err) : sop_view_cursor_prev(cursor, &err);
        if (status == SOP_NOT_FOUND) break;
        if (status == SOP_CORRUPT) {
            ++*corrupt_out;
            assert_true(strlen(err.message) > 0);
            break;
        }
        assert_int_equal(status, SOP_OK);
        size_t index = 0;
        assert_true(view_fixture_find(&f, sop_view_cursor_key(cursor), &index));
        sop_view_value expected = view_fixture_value(&f, f.values[index]);
        assert_true(sop_slice_equal(sop_view_cursor_value(cursor).bytes, expected.bytes));
        met++;
    }
    if (*corrupt_out != 0 && met != 0) expect_unmoved(cursor, forward, met);
    sop_view_cursor_free(cursor);
    return met;
}

/* Every answer is right or SOP_CORRUPT. Returns how many were SOP_CORRUPT. */
static size_t expect_lookups(void)
{
    sop_error err;
    size_t corrupt = 0;
    sop_view_cursor *cursor = sop_view_cursor_new(&f.view);
    assert_non_null(cursor);
    for (size_t i = 0; i < f.count; i += 7) {
        sop_status expected = f.present[i] ? SOP_OK : SOP_NOT_FOUND;
        sop_status status = sop_view_get(&f.view, f.keys[i], NULL, &err);
        corrupt += status == SOP_CORRUPT;
        if (status != SOP_CORRUPT) assert_int_equal(status, expected);
        uint64_t rank = view_fixture_rank(&f, f.keys[i]);
        uint64_t found = 0;
        status = sop_view_rank(&f.view, f.keys[i], &found, &err);
        corrupt += status == SOP_CORRUPT;
        if (status != SOP_CORRUPT) assert_int_equal(found, rank);
        status = sop_view_cursor_seek_ge(cursor, f.keys[i], &err);
        corrupt += status == SOP_CORRUPT;
        if (status == SOP_OK && f.present[i]) {
            assert_true(sop_slice_equal(sop_view_cursor_key(cursor), f.keys[i]));
        }
        status = sop_view_cursor_seek_lt(cursor, f.keys[i], &err);
        corrupt += status == SOP_CORRUPT;
        status = sop_view_cursor_seek_rank(cursor, rank, &err);
        corrupt += status == SOP_CORRUPT;
        if (status == SOP_OK && f.present[i]) {
            assert_true(sop_slice_equal(sop_view_cursor_key(cursor), f.keys[i]));
        }
    }
    sop_view_cursor_free(cursor);
    return corrupt;
}

static void flip(uint64_t segment, uint64_t offset, uint8_t bits)
{
    char name[64];
    (void)snprintf(name, sizeof name, "seg/%010llx.%06llx", (unsigned long long)(segment >> 24),
                   (unsigned long long)(segment & 0xffffff));
    sop_error err;
    sop_file *file = NULL;
    uint8_t byte = 0;
    assert_int_equal(sop_file_open(f.backend, name, SOP_FILE_WRITE, &file, &err), SOP_OK);
    assert_int_equal(sop_file_read_exact(file, offset, &byte, 1, &err), SOP_OK);
    byte ^= bits;
    assert_int_equal(sop_file_write(file, offset, &byte, 1, &err), SOP_OK);
    sop_file_close(file);
}

/* A fresh registry and map, as in a process that has verified nothing yet. */
static sop_blobs *reopen(void)
{
    static const uint8_t id[16] = {1};
    sop_error err;
    sop_blobs *blobs = NULL;
    sop_segments_release(f.segments);
    f.segments = NULL;
    assert_int_equal(sop_blobs_open(f.backend, id, 0x1234567890u, &blobs, &err), SOP_OK);
    assert_int_equal(sop_segments_open(blobs, f.rows, f.row_count, &f.segments, &err), SOP_OK);
    f.view.base.segments = f.segments;
    return blobs;
}

static void test_damage_gives_the_right_answer_or_corrupt(void **state)
{
    (void)state;
    uint64_t seed = sop_test_seed(4);
    print_message("seed %llu\n", (unsigned long long)seed);
    size_t scans_hit = 0;
    size_t lookups_hit = 0;
    for (uint32_t round = 0; round < 24; round++) {
        open_large(round % 3);
        f.random = seed + round;
        const sop_segment_row *row = &f.rows[view_fixture_below(&f, f.row_count)];
        uint64_t body = row->size - SOP_SEGMENT_HEADER;
        uint64_t offset = SOP_SEGMENT_HEADER + view_fixture_below(&f, body);
        flip(row->segment, offset, (uint8_t)(1u << view_fixture_below(&f, 8)));
        sop_blobs *reopened = reopen();
        size_t forward = 0;
        size_t backward = 0;
        size_t met = expect_scan(1, &forward);
        size_t met_back = expect_scan(0, &backward);
        assert_int_equal(forward, backward);
        if (forward == 0) {
            assert_int_equal(met, view_fixture_count(&f));
            assert_int_equal(met_back, view_fixture_count(&f));
        }
        scans_hit += forward;
        lookups_hit += expect_lookups();
        sop_segments_release(f.segments);
        f.segments = NULL;
        sop_blobs_close(reopened);
        view_fixture_close(&f);
    }
    /* Padding apart, every byte is checked. */
    assert_true(scans_hit >= 20);
    assert_true(lookups_hit >= 20);
}

static void test_a_cursor_that_cannot_be_made_is_null(void **state)
{
    (void)state;
    open_large(2);
    sop_memory_fail_at(1, 0);
    assert_null(sop_view_cursor_new(&f.view));
    assert_true(sop_memory_fail_reached());
    sop_memory_fail_at(2, 0);
    sop_view_cursor *cursor = sop_view_cursor_new(&f.view);
    assert_false(sop_memory_fail_reached());
    sop_memory_fail_at(0, 0);
    assert_non_null(cursor);
    sop_view_cursor_free(cursor);
    view_fixture_close(&f);
}

/* Reading takes nothing from the heap, so it goes on when there is nothing left. */
static void test_reads_work_without_memory(void **state)
{
    (void)state;
    open_large(3);
    sop_error err;
    sop_view_cursor *cursor = sop_view_cursor_new(&f.view);
    assert_non_null(cursor);
    sop_memory_fail_at(1, 1);
    uint64_t met = 0;
    while (sop_view_cursor_next(cursor, &err) == SOP_OK)
        met++;
    uint64_t met_back = 0;
    while (sop_view_cursor_prev(cursor, &err) == SOP_OK)
        met_back++;
    uint64_t count = 0;
    sop_status count_status = sop_view_count(&f.view, &count, &err);
    sop_status rank_status = sop_view_cursor_seek_rank(cursor, count / 2, &err);
    sop_view_cursor_rebind(cursor, &f.view);
    int at_item = sop_view_cursor_at_item(cursor);
    int reached = sop_memory_fail_reached();
    sop_memory_fail_at(0, 0);
    assert_int_equal(count_status, SOP_OK);
    assert_int_equal(rank_status, SOP_OK);
    assert_true(at_item);
    assert_int_equal(met, view_fixture_count(&f));
    assert_int_equal(met_back, met);
    assert_false(reached);
    sop_view_cursor_free(cursor);
    view_fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_damage_gives_the_right_answer_or_corrupt),
        cmocka_unit_test(test_a_cursor_that_cannot_be_made_is_null),
        cmocka_unit_test(test_reads_work_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
