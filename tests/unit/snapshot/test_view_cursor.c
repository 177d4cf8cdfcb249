/* SPDX-License-Identifier: MIT */
/* Long random walks of a cursor, with a write set that changes below it, against a model that knows
 * only places and keys. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "snapshot/snapshot.h"
#include "support/support.h"
#include "support/view_fixture.h"
#include "util/bytes.h"

/* Where the cursor ought to stand. AT names a key that may be gone. */
typedef enum { PLACE_CLEAR, PLACE_AT, PLACE_BEFORE, PLACE_AFTER, PLACE_END } place_kind;
typedef struct {
    place_kind kind;
    size_t size;
    uint8_t key[4300];
} place;

static void place_set(place *p, place_kind kind, sop_slice key)
{
    p->kind = kind;
    p->size = key.size;
    if (key.size != 0) memmove(p->key, key.data, key.size);
}

static sop_slice place_key(const place *p)
{
    return sop_slice_of(p->key, p->size);
}

/* Index of the item it stands at, or f->count. */
static size_t model_at(const view_fixture *f, const place *p)
{
    size_t index = 0;
    if (p->kind == PLACE_AT && view_fixture_find(f, place_key(p), &index)) return index;
    return f->count;
}

/* Index of the first key after the place, visible or not. */
static size_t model_after(const view_fixture *f, const place *p)
{
    if (p->kind == PLACE_CLEAR) return 0;
    if (p->kind == PLACE_END) return f->count;
    size_t index = view_fixture_lower(f, place_key(p));
    int exact = index < f->count && sop_slice_equal(f->keys[index], place_key(p));
    return exact && p->kind != PLACE_BEFORE ? index + 1 : index;
}

/* Number of keys before the place. */
static size_t model_before(const view_fixture *f, const place *p)
{
    if (p->kind == PLACE_CLEAR || p->kind == PLACE_END) return f->count;
    size_t index = view_fixture_lower(f, place_key(p));
    int exact = index < f->count && sop_slice_equal(f->keys[index], place_key(p));
    return exact && p->kind == PLACE_AFTER ? index + 1 : index;
}

static uint64_t model_rank(const view_fixture *f, const place *p)
{
    if (p->kind == PLACE_CLEAR) return 0;
    uint64_t rank = 0;
    size_t end = model_before(f, p);
    for (size_t i = 0; i < end; i++)
        rank += f->present[i];
    return rank;
}

static sop_status model_move(const view_fixture *f, place *p, int forward)
{
    size_t found = f->count;
    if (forward) {
        found = model_after(f, p);
        while (found < f->count && !f->present[found])
            found++;
    } else {
        size_t end = model_before(f, p);
        while (end > 0 && !f->present[end - 1])
            end--;
        if (end > 0) found = end - 1;
    }
    if (found < f->count) {
        place_set(p, PLACE_AT, f->keys[found]);
        return SOP_OK;
    }
    if (model_at(f, p) < f->count) p->kind = forward ? PLACE_AFTER : PLACE_BEFORE;
    return SOP_NOT_FOUND;
}

static void assert_agrees(view_fixture *f, sop_view_cursor *cursor, const place *p)
{
    sop_error err;
    uint64_t rank = 0;
    size_t index = model_at(f, p);
    /* Sometimes ask for the rank first, sometimes not at all: no answer may depend on an earlier
     * one. */
    uint64_t order = view_fixture_below(f, 4);
    if (order == 0) {
        assert_int_equal(sop_view_cursor_rank(cursor, &rank, &err), SOP_OK);
        assert_int_equal(rank, model_rank(f, p));
    }
    if (order == 3) return;
    assert_int_equal(sop_view_cursor_at_item(cursor), index < f->count);
    if (index < f->count) {
        assert_true(sop_slice_equal(sop_view_cursor_key(cursor), f->keys[index]));
        sop_view_value value = sop_view_cursor_value(cursor);
        sop_view_value expected = view_fixture_value(f, f->values[index]);
        assert_int_equal(value.is_reference, expected.is_reference);
        assert_true(sop_slice_equal(value.bytes, expected.bytes));
    }
    assert_int_equal(sop_view_cursor_rank(cursor, &rank, &err), SOP_OK);
    assert_int_equal(rank, model_rank(f, p));
}

static void walk_move(view_fixture *f, sop_view_cursor *cursor, place *p, int forward)
{
    sop_error err;
    sop_status status =
        forward ? sop_view_cursor_next(cursor, &err) : sop_view_cursor_prev(cursor, &err);
    assert_int_equal(status, model_move(f, p, forward));
}

static void walk_seek(view_fixture *f, sop_view_cursor *cursor, place *p)
{
    static uint8_t buffer[4300];
    sop_error err;
    sop_slice key = view_fixture_probe(f, buffer);
    place_set(p, PLACE_BEFORE, key);
    /* A seek to the cursor's own key, which lies in its own memory. */
    if (view_fixture_below(f, 4) == 0 && sop_view_cursor_at_item(cursor)) {
        key = sop_view_cursor_key(cursor);
        place_set(p, PLACE_BEFORE, key);
    }
    int forward = view_fixture_below(f, 2) != 0;
    sop_status status = forward ? sop_view_cursor_seek_ge(cursor, key, &err)
                                : sop_view_cursor_seek_lt(cursor, key, &err);
    assert_int_equal(status, model_move(f, p, forward));
}

static void walk_jump(view_fixture *f, sop_view_cursor *cursor, place *p)
{
    static uint8_t buffer[4300];
    sop_error err;
    sop_slice key = view_fixture_probe(f, buffer);
    uint64_t rank = view_fixture_below(f, f->count + 1);
    size_t index = 0;
    switch (view_fixture_below(f, 6)) {
    case 0:
        sop_view_cursor_clear(cursor);
        p->kind = PLACE_CLEAR;
        break;
    case 1:
        place_set(p, PLACE_BEFORE, sop_slice_of(NULL, 0));
        assert_int_equal(sop_view_cursor_first(cursor, &err), model_move(f, p, 1));
        break;
    case 2:
        p->kind = PLACE_END;
        assert_int_equal(sop_view_cursor_last(cursor, &err), model_move(f, p, 0));
        break;
    case 3:
        p->kind = PLACE_END;
        while (index < f->count && (!f->present[index] || rank > 0))
            rank -= f->present[index++];
        if (index < f->count) place_set(p, PLACE_AT, f->keys[index]);
        rank = index < f->count ? view_fixture_rank(f, f->keys[index])
                                : view_fixture_count(f) + view_fixture_below(f, 3);
        assert_int_equal(sop_view_cursor_seek_rank(cursor, rank, &err),
                         index < f->count ? SOP_OK : SOP_NOT_FOUND);
        break;
    case 4:
        place_set(p, PLACE_BEFORE, key);
        assert_int_equal(sop_view_cursor_set_gap(cursor, key, 0, &err), SOP_OK);
        break;
    default:
        place_set(p, PLACE_AFTER, key);
        assert_int_equal(sop_view_cursor_set_gap(cursor, key, 1, &err), SOP_OK);
        break;
    }
}

static void walk_write(view_fixture *f, sop_view_cursor *cursor, const place *p)
{
    uint64_t writes = 1 + view_fixture_below(f, 3);
    while (writes-- > 0) {
        uint64_t how = view_fixture_below(f, 12);
        size_t index = view_fixture_below(f, f->count);
        size_t at = p->kind == PLACE_CLEAR || p->kind == PLACE_END
                        ? index
                        : view_fixture_lower(f, place_key(p));
        if (how == 0) {
            view_fixture_drop_write_set(f);
        } else if (how < 3) {
            view_fixture_move_write_set(f);
        } else {
            /* Mostly the key under the cursor or one near it. */
            if (how < 9) index = at + view_fixture_below(f, 3);
            if (how < 9 && index > 0) index--;
            if (index >= f->count) index = f->count - 1;
            view_fixture_write(f, index, view_fixture_below(f, 2) != 0);
        }
    }
    sop_view_cursor_rebind(cursor, &f->view);
}

static void walk(view_fixture *f, sop_view_cursor *cursor, place *p, unsigned steps)
{
    int forward = 1;
    while (steps-- > 0) {
        uint64_t how = view_fixture_below(f, 40);
        if (how < 8) forward = !forward;
        if (how < 30) {
            walk_move(f, cursor, p, forward);
        } else if (how < 33) {
            walk_seek(f, cursor, p);
        } else if (how < 35) {
            walk_jump(f, cursor, p);
        } else {
            walk_write(f, cursor, p);
        }
        assert_agrees(f, cursor, p);
    }
}

static void test_walks_agree_with_the_model(void **state)
{
    (void)state;
    uint64_t seed = sop_test_seed(77);
    print_message("seed %llu\n", (unsigned long long)seed);
    static view_fixture f;
    static place p;
    for (uint64_t i = 0; i < 300; i++) {
        view_shape shape = view_shape_random(seed * 1000 + i);
        view_fixture_open(&f, &shape);
        sop_view_cursor *cursor = sop_view_cursor_new(&f.view);
        assert_non_null(cursor);
        p.kind = PLACE_CLEAR;
        walk(&f, cursor, &p, 400);
        sop_view_cursor_free(cursor);
        view_fixture_close(&f);
    }
}

/* A transaction that is renewed: another base, other layers, and the old ones are gone before the
 * cursor hears of it. */
static void test_a_detached_cursor_keeps_its_place_in_another_view(void **state)
{
    (void)state;
    uint64_t seed = sop_test_seed(99);
    print_message("seed %llu\n", (unsigned long long)seed);
    static view_fixture f;
    static place p;
    view_shape shape = view_shape_random(seed);
    view_fixture_open(&f, &shape);
    sop_view_cursor *cursor = sop_view_cursor_new(&f.view);
    assert_non_null(cursor);
    p.kind = PLACE_CLEAR;
    for (uint64_t i = 1; i < 150; i++) {
        walk(&f, cursor, &p, 20);
        sop_view_cursor_detach(cursor);
        view_fixture_close(&f);
        shape = view_shape_random(seed + i);
        shape.kind = VIEW_KEYS_TINY; /* so that keys come back */
        view_fixture_open(&f, &shape);
        sop_view_cursor_rebind(cursor, &f.view);
        assert_agrees(&f, cursor, &p);
    }
    sop_view_cursor_free(cursor);
    view_fixture_close(&f);
}

/* The everyday loop of a transaction: walk all items, change or remove each, insert ahead and
 * behind. */
static void test_changing_each_item_while_walking(void **state)
{
    (void)state;
    static view_fixture f;
    view_shape shape = {.seed = 3, .keys = 500, .kind = VIEW_KEYS_NUMBER, .base_percent = 50};
    shape.layers = 2;
    shape.layer_percent = 20;
    shape.value_size_max = 300;
    for (int forward = 0; forward < 2; forward++) {
        view_fixture_open(&f, &shape);
        sop_view_cursor *cursor = sop_view_cursor_new(&f.view);
        assert_non_null(cursor);
        static place p;
        p.kind = PLACE_CLEAR;
        size_t met = 0;
        while (model_move(&f, &p, forward) == SOP_OK) {
            sop_error err;
            sop_status status =
                forward ? sop_view_cursor_next(cursor, &err) : sop_view_cursor_prev(cursor, &err);
            assert_int_equal(status, SOP_OK);
            size_t index = model_at(&f, &p);
            assert_true(sop_slice_equal(sop_view_cursor_key(cursor), f.keys[index]));
            view_fixture_write(&f, index, met % 3 != 0);
            size_t ahead = forward ? index + 2 : index - 2;
            if (met % 4 == 0 && ahead < f.count) view_fixture_write(&f, ahead, 1);
            sop_view_cursor_rebind(cursor, &f.view);
            assert_int_equal(sop_view_cursor_at_item(cursor), met % 3 != 0);
            met++;
        }
        assert_true(met > 100);
        sop_view_cursor_free(cursor);
        view_fixture_close(&f);
    }
}

/* A view of some of the layers, in any order, perhaps one of them twice. */
static sop_view view_shuffled(view_fixture *f)
{
    sop_view view = {.base = f->view.base};
    for (uint32_t i = 0; i < f->view.layer_count; i++) {
        uint64_t pick = view_fixture_below(f, f->view.layer_count + 1);
        if (pick == f->view.layer_count) continue;
        view.layers[view.layer_count++] = f->view.layers[pick];
    }
    return view;
}

/* A new cursor over the view at the key, or in the gap where it would be. */
static sop_view_cursor *fresh_cursor(const sop_view *view, sop_slice key)
{
    sop_view_cursor *fresh = sop_view_cursor_new(view);
    assert_non_null(fresh);
    sop_status status = sop_view_cursor_seek_ge(fresh, key, NULL);
    if (status != SOP_OK || !sop_slice_equal(sop_view_cursor_key(fresh), key)) {
        assert_int_equal(sop_view_cursor_set_gap(fresh, key, 1, NULL), SOP_OK);
    }
    return fresh;
}

static void walk_beside_fresh_ones(view_fixture *f, sop_view_cursor *cursor)
{
    static uint8_t key[SOP_KEY_SIZE_MAX];
    sop_view_cursor *fresh = sop_view_cursor_new(&f->view);
    assert_non_null(fresh);
    for (int step = 0; step < 100; step++) {
        int forward = view_fixture_below(f, 4) != 0;
        sop_status status =
            forward ? sop_view_cursor_next(cursor, NULL) : sop_view_cursor_prev(cursor, NULL);
        sop_status other =
            forward ? sop_view_cursor_next(fresh, NULL) : sop_view_cursor_prev(fresh, NULL);
        assert_int_equal(status, other);
        if (status != SOP_OK) break;
        sop_slice at = sop_view_cursor_key(cursor);
        assert_true(sop_slice_equal(at, sop_view_cursor_key(fresh)));
        if (step % 3 != 2) continue;
        memcpy(key, at.data, at.size);
        sop_view view = view_shuffled(f);
        sop_view_cursor_rebind(cursor, &view);
        sop_view_cursor_free(fresh);
        fresh = fresh_cursor(&view, sop_slice_of(key, at.size));
        assert_int_equal(sop_view_cursor_at_item(cursor), sop_view_cursor_at_item(fresh));
    }
    sop_view_cursor_free(fresh);
}

/* Layers come, go and change places below: a rebound cursor goes on as one that was sought there anew. */
static void test_a_rebound_cursor_walks_like_a_fresh_one(void **state)
{
    (void)state;
    uint64_t seed = sop_test_seed(55);
    print_message("seed %llu\n", (unsigned long long)seed);
    static view_fixture f;
    for (uint64_t i = 0; i < 200; i++) {
        view_shape shape = view_shape_random(seed * 1000 + i);
        shape.layers = 2 + (uint32_t)(i % 4);
        view_fixture_open(&f, &shape);
        sop_view_cursor *cursor = sop_view_cursor_new(&f.view);
        assert_non_null(cursor);
        walk_beside_fresh_ones(&f, cursor);
        sop_view_cursor_free(cursor);
        view_fixture_close(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_walks_agree_with_the_model),
        cmocka_unit_test(test_a_detached_cursor_keeps_its_place_in_another_view),
        cmocka_unit_test(test_a_rebound_cursor_walks_like_a_fresh_one),
        cmocka_unit_test(test_changing_each_item_while_walking),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
