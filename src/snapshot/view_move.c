/* SPDX-License-Identifier: MIT */
/* How a cursor moves: seeks of its sources, steps of them, and the merge that finds the next
 * visible item. */
#include "snapshot/snapshot_private.h"
#include "util/bytes.h"
#include "util/error.h"

/* Byte-wise order of two records' keys, decided by their heads where possible. */
static int
record_compare(uint64_t a_head, const sop_record *a, uint64_t b_head, const sop_record *b)
{
    if (a_head != b_head) return a_head < b_head ? -1 : 1;
    return sop_slice_compare(sop_record_key(a), sop_record_key(b));
}

static void layer_head(sop_view_cursor *cursor, uint32_t layer)
{
    const sop_record *record = cursor->layers[layer].record;
    if (record != NULL) cursor->heads[layer] = sop_key_head(record->bytes, record->key_size);
}

/* A layer past an end is stepped only when the cursor turns round: back to the record at that end.
 */
static void layer_step(sop_view_cursor *cursor, uint32_t layer, int forward)
{
    sop_memcursor *at = &cursor->layers[layer];
    if (at->record != NULL) {
        (void)(forward ? sop_memcursor_next(at) : sop_memcursor_prev(at));
    } else {
        (void)(forward ? sop_memcursor_first(at) : sop_memcursor_last(at));
    }
    layer_head(cursor, layer);
}

static sop_status base_step(sop_btree_cursor *base, int forward, sop_error *err)
{
    if (base->at_item) {
        return forward ? sop_btree_cursor_next(base, err) : sop_btree_cursor_prev(base, err);
    }
    return forward ? sop_btree_cursor_first(base, err) : sop_btree_cursor_last(base, err);
}

static sop_status step(sop_view_cursor *cursor, uint32_t sources, int forward, sop_error *err)
{
    for (uint32_t i = 0; i < cursor->view.layer_count; i++) {
        if (sources & sop_view__layer_bit(i)) layer_step(cursor, i, forward);
    }
    if ((sources & SOP_VIEW__BASE) == 0 || cursor->view.base.count == 0) return SOP_OK;
    return base_step(&cursor->base, forward, err);
}

/* The layers whose record comes next in the current direction; 0: none has one. */
static uint32_t nearest(const sop_view_cursor *cursor, const sop_record **near_out)
{
    uint32_t mask = 0;
    uint64_t near_head = 0;
    const sop_record *near = NULL;
    for (uint32_t i = 0; i < cursor->view.layer_count; i++) {
        const sop_record *record = cursor->layers[i].record;
        if (record == NULL) continue;
        int order = -1;
        if (near != NULL) {
            order = record_compare(cursor->heads[i], record, near_head, near);
            if (!cursor->forward) order = -order;
        }
        if (order > 0) continue;
        mask = order < 0 ? sop_view__layer_bit(i) : mask | sop_view__layer_bit(i);
        near = record;
        near_head = cursor->heads[i];
    }
    *near_out = near;
    return mask;
}

/* Index of the first item of the leaf above a key that is known to lie below item `below`. */
static uint32_t leaf_upper_bound(sop_btree_cursor *base, sop_slice key, uint32_t below)
{
    uint32_t index = sop_btree_cursor_leaf_lower_bound(base, key);
    if (index >= below) return below;
    sop_btree_cursor_leaf_set(base, index);
    if (sop_slice_equal(sop_btree_cursor_key(base), key)) index++;
    sop_btree_cursor_leaf_set(base, below);
    return index;
}

/* Opens the run around the base's current item. Behind the item, seen in the current direction, the
 * layers are not known. */
static void run_open(sop_view_cursor *cursor, const sop_record *near)
{
    sop_btree_cursor *base = &cursor->base;
    uint32_t index = base->levels[0].index;
    uint32_t begin = 0;
    uint32_t end = base->levels[0].count;
    if (cursor->view.layer_count != 0) {
        if (cursor->forward) {
            begin = index;
            if (near != NULL) end = sop_btree_cursor_leaf_lower_bound(base, sop_record_key(near));
        } else {
            end = index + 1;
            if (near != NULL) begin = leaf_upper_bound(base, sop_record_key(near), index);
        }
    }
    cursor->run_begin = begin;
    cursor->run_end = end;
}

/* The current item is the one of `equal`. */
static void arrive(sop_view_cursor *cursor)
{
    cursor->at_item = 1;
    cursor->place_kept = 0;
    if (cursor->equal == SOP_VIEW__BASE) {
        const sop_record *near = NULL;
        (void)nearest(cursor, &near);
        run_open(cursor, near);
        return;
    }
    /* The last layer may be a write set: when it changes, the record's memory may be gone before
     * the cursor hears of it. */
    if (cursor->equal & (SOP_VIEW__BASE << cursor->view.layer_count)) {
        sop_view__place_keep(cursor);
    }
}

/* The winner of `equal` is an item, not a mark that the key was removed. */
static int winner_visible(const sop_view_cursor *cursor)
{
    if (cursor->equal == SOP_VIEW__BASE) return 1;
    return sop_record_present(sop_view__newest(cursor, cursor->equal)) != 0;
}

/* From a gap with good sources to the next visible item. */
static sop_status settle(sop_view_cursor *cursor, sop_error *err)
{
    for (;;) {
        const sop_record *near = NULL;
        uint32_t mask = nearest(cursor, &near);
        if (cursor->base.at_item) {
            int order = -1;
            if (near != NULL) {
                order =
                    sop_slice_compare(sop_btree_cursor_key(&cursor->base), sop_record_key(near));
                if (!cursor->forward) order = -order;
            }
            if (order < 0) mask = SOP_VIEW__BASE;
            if (order == 0) mask |= SOP_VIEW__BASE;
        }
        if (mask == 0) return sop_set(err, SOP_NOT_FOUND);
        cursor->equal = mask;
        if (winner_visible(cursor)) break;
        sop_status status = step(cursor, mask, cursor->forward, err);
        if (status != SOP_OK) return status;
    }
    arrive(cursor);
    return SOP_OK;
}

/* Puts a layer where snapshot-4 wants it for the place. */
static void layer_seek(sop_view_cursor *cursor, uint32_t layer, int place)
{
    sop_memcursor *at = &cursor->layers[layer];
    sop_slice key = sop_view__place_key(cursor);
    sop_memcursor_init(at, cursor->view.layers[layer]);
    if (place == SOP_VIEW__PLACE_END) {
        if (!cursor->forward) (void)sop_memcursor_last(at);
    } else if (key.size == 0) {
        if (cursor->forward) (void)sop_memcursor_first(at);
    } else if (!cursor->forward && place == SOP_VIEW__PLACE_BEFORE) {
        (void)sop_memcursor_seek_lt(at, key);
    } else {
        const sop_record *record = sop_memcursor_seek_ge(at, key);
        int exact = record != NULL && sop_slice_equal(sop_record_key(record), key);
        if (exact && place == SOP_VIEW__PLACE_AT) {
            cursor->equal |= sop_view__layer_bit(layer);
        } else if (exact && place == SOP_VIEW__PLACE_AFTER) {
            if (cursor->forward) (void)sop_memcursor_next(at);
        } else if (!exact && !cursor->forward) {
            (void)sop_memcursor_seek_lt(at, key);
        }
    }
    layer_head(cursor, layer);
}

/* Puts the base at the place: at its first entry after it, or for the end at its last. */
static sop_status base_seek(sop_view_cursor *cursor, int place, sop_error *err)
{
    sop_btree_cursor *base = &cursor->base;
    sop_slice key = sop_view__place_key(cursor);
    if (cursor->view.base.count == 0) {
        base->at_item = 0;
        return SOP_OK;
    }
    if (place == SOP_VIEW__PLACE_END) return sop_btree_cursor_last(base, err);
    if (key.size == 0) return sop_btree_cursor_first(base, err);
    int exact = 0;
    sop_status status = sop_btree_cursor_seek(base, key, &exact, err);
    if (status != SOP_OK || !exact) return status;
    if (place == SOP_VIEW__PLACE_AFTER) return sop_btree_cursor_next(base, err);
    if (place == SOP_VIEW__PLACE_AT) cursor->equal |= SOP_VIEW__BASE;
    return SOP_OK;
}

sop_status sop_view__refresh(sop_view_cursor *cursor, int forward, sop_error *err)
{
    int place = cursor->place;
    if (place == SOP_VIEW__PLACE_CLEAR) {
        place = forward ? SOP_VIEW__PLACE_BEFORE : SOP_VIEW__PLACE_END;
    }
    if (cursor->stale & SOP_VIEW__BASE) {
        cursor->equal = 0;
        cursor->forward = place != SOP_VIEW__PLACE_END;
        sop_status status = base_seek(cursor, place, err);
        if (status != SOP_OK) {
            sop_view__forget(cursor);
            return status;
        }
    }
    for (uint32_t i = 0; i < cursor->view.layer_count; i++) {
        if (cursor->stale & sop_view__layer_bit(i)) layer_seek(cursor, i, place);
    }
    cursor->stale = 0;
    if (cursor->equal != 0 && winner_visible(cursor)) {
        arrive(cursor);
    } else {
        cursor->equal = 0;
    }
    return SOP_OK;
}

sop_status sop_view__move(sop_view_cursor *cursor, int forward, sop_error *err)
{
    sop_status status = SOP_OK;
    if (cursor->stale != 0) {
        status = sop_view__refresh(cursor, forward, err);
        if (status != SOP_OK) return status;
    }
    int from_item = cursor->at_item;
    if (from_item) sop_view__place_keep(cursor);
    uint32_t moving = cursor->forward == forward ? cursor->equal : sop_view__all(cursor);
    cursor->forward = (uint8_t)forward;
    cursor->at_item = 0;
    cursor->run_begin = UINT32_MAX;
    cursor->run_end = 0;
    status = step(cursor, moving, forward, err);
    if (status == SOP_OK) status = settle(cursor, err);
    if (SOP_LIKELY(status == SOP_OK)) return SOP_OK;
    sop_view__forget(cursor);
    if (status == SOP_NOT_FOUND && from_item) {
        cursor->place = forward ? SOP_VIEW__PLACE_AFTER : SOP_VIEW__PLACE_BEFORE;
    }
    return status;
}

sop_status sop_view_cursor_next_slow(sop_view_cursor *cursor, sop_error *err)
{
    return sop_view__move(cursor, 1, err);
}

sop_status sop_view_cursor_prev_slow(sop_view_cursor *cursor, sop_error *err)
{
    return sop_view__move(cursor, 0, err);
}

sop_status sop_view_cursor_seek_ge(sop_view_cursor *cursor, sop_slice key, sop_error *err)
{
    sop_view__place_set(cursor, SOP_VIEW__PLACE_BEFORE, key);
    sop_view__forget(cursor);
    return sop_view__move(cursor, 1, err);
}

sop_status sop_view_cursor_seek_lt(sop_view_cursor *cursor, sop_slice key, sop_error *err)
{
    sop_view__place_set(cursor, SOP_VIEW__PLACE_BEFORE, key);
    sop_view__forget(cursor);
    return sop_view__move(cursor, 0, err);
}

sop_status sop_view_cursor_first(sop_view_cursor *cursor, sop_error *err)
{
    return sop_view_cursor_seek_ge(cursor, sop_slice_of(NULL, 0), err);
}

sop_status sop_view_cursor_last(sop_view_cursor *cursor, sop_error *err)
{
    sop_view__forget(cursor);
    cursor->place = SOP_VIEW__PLACE_END;
    cursor->place_size = 0;
    cursor->place_kept = 0;
    return sop_view__move(cursor, 0, err);
}
