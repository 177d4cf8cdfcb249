/* SPDX-License-Identifier: MIT */
/* Lookups, counts, ranks and seeks of random views against a plain sorted array. */
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

#define VIEWS  250
#define PROBES 60

typedef void (*view_test)(view_fixture *f);

/* Runs a test on many random views; a shape that fails is named by its seed. */
static void on_random_views(view_test test)
{
    uint64_t seed = sop_test_seed(20240607);
    print_message("seed %llu\n", (unsigned long long)seed);
    static view_fixture f;
    for (uint64_t i = 0; i < VIEWS; i++) {
        view_shape shape = view_shape_random(seed + i);
        view_fixture_open(&f, &shape);
        for (int w = 0; w < 20 && shape.seed % 3 == 0; w++) {
            view_fixture_write(&f, view_fixture_below(&f, f.count), view_fixture_below(&f, 2) != 0);
        }
        test(&f);
        view_fixture_close(&f);
    }
}

static void assert_value(view_fixture *f, size_t index, sop_view_value value)
{
    sop_view_value expected = view_fixture_value(f, f->values[index]);
    assert_int_equal(value.is_reference, expected.is_reference);
    assert_int_equal(value.bytes.size, expected.bytes.size);
    if (expected.bytes.size == 0) return;
    assert_memory_equal(value.bytes.data, expected.bytes.data, expected.bytes.size);
}

static void get_agrees(view_fixture *f)
{
    uint8_t buffer[4300];
    sop_error err;
    for (size_t i = 0; i < f->count + PROBES; i++) {
        sop_slice key = i < f->count ? f->keys[i] : view_fixture_probe(f, buffer);
        size_t index = 0;
        int visible = view_fixture_find(f, key, &index);
        sop_view_value value = {0};
        sop_status status = sop_view_get(&f->view, key, &value, &err);
        assert_int_equal(status, visible ? SOP_OK : SOP_NOT_FOUND);
        assert_int_equal(sop_view_get(&f->view, key, NULL, NULL), status);
        if (visible) assert_value(f, index, value);
    }
}

static void test_get_finds_the_newest_state_of_a_key(void **state)
{
    (void)state;
    on_random_views(get_agrees);
}

static void counts_agree(view_fixture *f)
{
    uint8_t from_buffer[4300];
    uint8_t to_buffer[4300];
    sop_error err;
    uint64_t count = 0;
    assert_int_equal(sop_view_count(&f->view, &count, &err), SOP_OK);
    assert_int_equal(count, view_fixture_count(f));
    for (int i = 0; i < PROBES; i++) {
        sop_slice none = {NULL, 0};
        sop_slice from = i % 8 == 0 ? none : view_fixture_probe(f, from_buffer);
        sop_slice to = i % 8 == 1 ? none : view_fixture_probe(f, to_buffer);
        uint64_t begin = view_fixture_rank(f, from);
        uint64_t end = to.size == 0 ? count : view_fixture_rank(f, to);
        uint64_t rank = 0;
        uint64_t range = 0;
        assert_int_equal(sop_view_rank(&f->view, from, &rank, &err), SOP_OK);
        assert_int_equal(rank, begin);
        assert_int_equal(sop_view_count_range(&f->view, from, to, &range, &err), SOP_OK);
        assert_int_equal(range, end > begin ? end - begin : 0);
        assert_int_equal(sop_view_count_range(&f->view, from, from, &range, &err), SOP_OK);
        assert_int_equal(range, from.size == 0 ? count : 0);
    }
}

static void test_counts_and_ranks_are_exact(void **state)
{
    (void)state;
    on_random_views(counts_agree);
}

static void assert_stands_at(view_fixture *f, sop_view_cursor *cursor, size_t index)
{
    sop_error err;
    assert_true(sop_view_cursor_at_item(cursor));
    assert_true(sop_slice_equal(sop_view_cursor_key(cursor), f->keys[index]));
    assert_value(f, index, sop_view_cursor_value(cursor));
    sop_view_value value = {0};
    assert_true(sop_slice_equal(sop_view_cursor_item(cursor, &value), f->keys[index]));
    assert_value(f, index, value);
    uint64_t rank = 0;
    assert_int_equal(sop_view_cursor_rank(cursor, &rank, &err), SOP_OK);
    assert_int_equal(rank, view_fixture_rank(f, f->keys[index]));
}

static void scans_agree(view_fixture *f)
{
    sop_error err;
    sop_view_cursor *cursor = sop_view_cursor_new(&f->view);
    assert_non_null(cursor);
    for (size_t i = 0; i < f->count; i++) {
        if (!f->present[i]) continue;
        assert_int_equal(sop_view_cursor_next(cursor, &err), SOP_OK);
        assert_stands_at(f, cursor, i);
    }
    assert_int_equal(sop_view_cursor_next(cursor, &err), SOP_NOT_FOUND);
    assert_false(sop_view_cursor_at_item(cursor));
    for (size_t i = f->count; i-- > 0;) {
        if (!f->present[i]) continue;
        assert_int_equal(sop_view_cursor_prev(cursor, &err), SOP_OK);
        assert_stands_at(f, cursor, i);
    }
    assert_int_equal(sop_view_cursor_prev(cursor, &err), SOP_NOT_FOUND);
    assert_false(sop_view_cursor_at_item(cursor));
    sop_view_cursor_free(cursor);
}

static void test_scans_meet_every_item_once_in_both_directions(void **state)
{
    (void)state;
    on_random_views(scans_agree);
}

static void seeks_agree(view_fixture *f)
{
    uint8_t buffer[4300];
    sop_error err;
    sop_view_cursor *cursor = sop_view_cursor_new(&f->view);
    assert_non_null(cursor);
    for (int i = 0; i < PROBES; i++) {
        sop_slice key = view_fixture_probe(f, buffer);
        size_t lower = view_fixture_lower(f, key);
        size_t ge = lower;
        while (ge < f->count && !f->present[ge])
            ge++;
        sop_status status = sop_view_cursor_seek_ge(cursor, key, &err);
        assert_int_equal(status, ge < f->count ? SOP_OK : SOP_NOT_FOUND);
        if (status == SOP_OK) assert_stands_at(f, cursor, ge);
        size_t lt = lower;
        while (lt > 0 && !f->present[lt - 1])
            lt--;
        status = sop_view_cursor_seek_lt(cursor, key, &err);
        assert_int_equal(status, lt > 0 ? SOP_OK : SOP_NOT_FOUND);
        if (status == SOP_OK) assert_stands_at(f, cursor, lt - 1);
    }
    sop_view_cursor_free(cursor);
}

static void test_seeks_land_on_the_neighbour(void **state)
{
    (void)state;
    on_random_views(seeks_agree);
}

static void rank_seeks_agree(view_fixture *f)
{
    sop_error err;
    sop_view_cursor *cursor = sop_view_cursor_new(&f->view);
    assert_non_null(cursor);
    uint64_t rank = 0;
    for (size_t i = 0; i < f->count; i++) {
        if (!f->present[i]) continue;
        assert_int_equal(sop_view_cursor_seek_rank(cursor, rank, &err), SOP_OK);
        assert_stands_at(f, cursor, i);
        rank++;
    }
    for (uint64_t beyond = 0; beyond < 3; beyond++) {
        assert_int_equal(sop_view_cursor_seek_rank(cursor, rank + beyond, &err), SOP_NOT_FOUND);
        assert_false(sop_view_cursor_at_item(cursor));
        uint64_t gap = 0;
        assert_int_equal(sop_view_cursor_rank(cursor, &gap, &err), SOP_OK);
        assert_int_equal(gap, rank);
        assert_int_equal(sop_view_cursor_next(cursor, &err), SOP_NOT_FOUND);
    }
    assert_int_equal(sop_view_cursor_seek_rank(cursor, UINT64_MAX, &err), SOP_NOT_FOUND);
    assert_int_equal(sop_view_cursor_prev(cursor, &err), rank == 0 ? SOP_NOT_FOUND : SOP_OK);
    sop_view_cursor_free(cursor);
}

static void test_seek_to_every_rank(void **state)
{
    (void)state;
    on_random_views(rank_seeks_agree);
}

/* Inserts and removes in heaps, where a guess from the neighbourhood is far off. */
static void test_seek_to_every_rank_through_heaps_of_changes(void **state)
{
    (void)state;
    static view_fixture f;
    for (int heap = 0; heap < 4; heap++) {
        view_shape shape = {
            .seed = 5, .keys = 1200, .kind = VIEW_KEYS_NUMBER, .value_size_max = 10};
        shape.base_percent = heap % 2 == 0 ? 3 : 97;
        view_fixture_open(&f, &shape);
        size_t begin = heap < 2 ? 400 : 0;
        size_t end = heap < 2 ? 800 : f.count;
        if (end > f.count) end = f.count;
        for (size_t i = begin; i < end; i++)
            view_fixture_write(&f, i, heap % 2 == 0);
        rank_seeks_agree(&f);
        view_fixture_close(&f);
    }
}

static void test_a_view_of_nothing_is_empty(void **state)
{
    (void)state;
    sop_error err;
    sop_view view = {.layers = {NULL, NULL}, .layer_count = 2};
    uint64_t number = 7;
    assert_int_equal(sop_view_get(&view, sop_str("k"), NULL, &err), SOP_NOT_FOUND);
    assert_int_equal(sop_view_count(&view, &number, &err), SOP_OK);
    assert_int_equal(number, 0);
    assert_int_equal(sop_view_rank(&view, sop_str("k"), &number, &err), SOP_OK);
    assert_int_equal(number, 0);
    sop_view_cursor *cursor = sop_view_cursor_new(&view);
    assert_non_null(cursor);
    assert_int_equal(sop_view_cursor_next(cursor, &err), SOP_NOT_FOUND);
    assert_int_equal(sop_view_cursor_prev(cursor, &err), SOP_NOT_FOUND);
    assert_int_equal(sop_view_cursor_first(cursor, &err), SOP_NOT_FOUND);
    assert_int_equal(sop_view_cursor_last(cursor, &err), SOP_NOT_FOUND);
    assert_int_equal(sop_view_cursor_seek_ge(cursor, sop_str("k"), &err), SOP_NOT_FOUND);
    assert_int_equal(sop_view_cursor_seek_lt(cursor, sop_str("k"), &err), SOP_NOT_FOUND);
    assert_int_equal(sop_view_cursor_seek_rank(cursor, 0, &err), SOP_NOT_FOUND);
    assert_int_equal(sop_view_cursor_rank(cursor, &number, &err), SOP_OK);
    assert_int_equal(number, 0);
    sop_view_cursor_free(cursor);
    sop_view_cursor_free(NULL);
}

/* More removes in the layers than the base has items: only damage can bring that about. */
static void test_counts_below_zero_are_corrupt(void **state)
{
    (void)state;
    static view_fixture f;
    view_shape shape = {.seed = 1, .keys = 20, .kind = VIEW_KEYS_NUMBER, .base_percent = 100};
    shape.value_size_max = 10;
    view_fixture_open(&f, &shape);
    for (size_t i = 0; i < f.count; i++)
        view_fixture_write(&f, i, 0);
    sop_view view = f.view;
    memset(&view.base, 0, sizeof view.base);
    sop_error err;
    uint64_t number = 0;
    assert_int_equal(sop_view_count(&view, &number, &err), SOP_CORRUPT);
    assert_non_null(strstr(err.message, "does not fit"));
    sop_slice last = f.keys[f.count - 1];
    assert_int_equal(sop_view_rank(&view, last, &number, &err), SOP_CORRUPT);
    assert_int_equal(sop_view_count_range(&view, f.keys[0], last, &number, &err), SOP_CORRUPT);
    view_fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_view_of_nothing_is_empty),
        cmocka_unit_test(test_get_finds_the_newest_state_of_a_key),
        cmocka_unit_test(test_counts_and_ranks_are_exact),
        cmocka_unit_test(test_scans_meet_every_item_once_in_both_directions),
        cmocka_unit_test(test_seeks_land_on_the_neighbour),
        cmocka_unit_test(test_seek_to_every_rank),
        cmocka_unit_test(test_seek_to_every_rank_through_heaps_of_changes),
        cmocka_unit_test(test_counts_below_zero_are_corrupt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
