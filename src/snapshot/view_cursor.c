/* SPDX-License-Identifier: MIT */
/* A cursor's life, its place, and what it says about the item it stands at. */
#include <string.h>

#include "snapshot/snapshot_private.h"
#include "util/assert.h"
#include "util/bytes.h"
#include "util/error.h"
#include "util/memory.h"

/* Layers without records are left out, so that a walk need not ask them. */
static void view_bind(sop_view_cursor *cursor, const sop_view *view)
{
    SOP_ASSERT(view->layer_count <= SOP_VIEW_LAYERS_MAX);
    uint32_t count = 0;
    for (uint32_t i = 0; i < view->layer_count; i++) {
        if (sop_memtree_items(view->layers[i]) == 0) continue;
        cursor->view.layers[count++] = view->layers[i];
    }
    cursor->view.layer_count = count;
    cursor->view.base = view->base;
}

static void run_close(sop_view_cursor *cursor)
{
    cursor->run_begin = UINT32_MAX;
    cursor->run_end = 0;
}

void sop_view__forget(sop_view_cursor *cursor)
{
    run_close(cursor);
    cursor->at_item = 0;
    cursor->equal = 0;
    cursor->stale = UINT32_MAX; /* layers to come as well */
}

sop_view_cursor *sop_view_cursor_new(const sop_view *view)
{
    sop_view_cursor *cursor = sop_alloc(sizeof *cursor);
    if (cursor == NULL) return NULL;
    view_bind(cursor, view);
    sop_btree_cursor_init(&cursor->base, &cursor->view.base);
    cursor->base.levels[0].index = 0; /* the inline moves look at it before they look away */
    cursor->forward = 1;
    sop_view_cursor_clear(cursor);
    return cursor;
}

void sop_view_cursor_free(sop_view_cursor *cursor)
{
    sop_free(cursor);
}

void sop_view_cursor_clear(sop_view_cursor *cursor)
{
    sop_view__forget(cursor);
    cursor->place = SOP_VIEW__PLACE_CLEAR;
    cursor->place_size = 0;
    cursor->place_kept = 0;
}

void sop_view__place_set(sop_view_cursor *cursor, int place, sop_slice key)
{
    size_t size = key.size;
    if (SOP_UNLIKELY(size > SOP_KEY_SIZE_MAX)) {
        size = SOP_KEY_SIZE_MAX;
        place = SOP_VIEW__PLACE_AFTER;
    }
    if (size != 0) memcpy(cursor->place_key, key.data, size);
    cursor->place_size = (uint32_t)size;
    cursor->place = (uint8_t)place;
    cursor->place_kept = 0;
}

sop_slice sop_view__item_key(sop_view_cursor *cursor)
{
    if (cursor->equal == SOP_VIEW__BASE) return sop_btree_cursor_key(&cursor->base);
    return sop_record_key(sop_view__newest(cursor, cursor->equal));
}

void sop_view__place_keep(sop_view_cursor *cursor)
{
    if (cursor->place_kept) return;
    sop_view__place_set(cursor, SOP_VIEW__PLACE_AT, sop_view__item_key(cursor));
    cursor->place_kept = 1;
}

void sop_view_cursor_detach(sop_view_cursor *cursor)
{
    if (cursor->at_item) sop_view__place_keep(cursor);
    sop_view__forget(cursor);
}

/* Keys of nodes that the base cursor holds stay good only in the same segment set. */
static int base_is_same(const sop_btree *a, const sop_btree *b)
{
    return a->segments == b->segments && a->root.segment == b->root.segment &&
           a->root.place == b->root.place && a->count == b->count;
}

void sop_view_cursor_rebind(sop_view_cursor *cursor, const sop_view *view)
{
    if (cursor->at_item) sop_view__place_keep(cursor);
    /* In a gap, sources that stand at the place are not in equal: only a new seek can tell them. */
    if (!cursor->at_item && cursor->stale == 0) sop_view__forget(cursor);
    run_close(cursor);
    cursor->at_item = 0;
    cursor->stale |= SOP_VIEW__UNSETTLED;
    if (!base_is_same(&cursor->view.base, &view->base)) {
        sop_view__forget(cursor);
        sop_btree_cursor_init(&cursor->base, &view->base);
    }
    uint32_t bound = cursor->view.layer_count;
    const sop_memtree *before[SOP_VIEW_LAYERS_MAX];
    memcpy(before, cursor->view.layers, sizeof before);
    view_bind(cursor, view);
    for (uint32_t i = 0; i < cursor->view.layer_count; i++) {
        /* The last layer may be the write set, which changes under the same pointer. */
        int last = i + 1 == cursor->view.layer_count;
        int kept = !last && i < bound && before[i] == cursor->view.layers[i];
        if (!kept) cursor->stale |= sop_view__layer_bit(i);
    }
    cursor->equal &= sop_view__all(cursor) & ~cursor->stale;
}

sop_status
sop_view_cursor_set_gap(sop_view_cursor *cursor, sop_slice key, int after, sop_error *err)
{
    (void)err; /* The work is done, and may fail, at the next move. */
    sop_view__place_set(cursor, after ? SOP_VIEW__PLACE_AFTER : SOP_VIEW__PLACE_BEFORE, key);
    sop_view__forget(cursor);
    return SOP_OK;
}

int sop_view_cursor_at_item_slow(sop_view_cursor *cursor)
{
    if (cursor->stale != 0 && cursor->place == SOP_VIEW__PLACE_AT) {
        /* A failure leaves the sources stale: the next move meets it again and reports it. */
        sop_status status = sop_view__refresh(cursor, 1, NULL);
        (void)status;
    }
    return cursor->at_item;
}

sop_slice sop_view_cursor_key_slow(sop_view_cursor *cursor)
{
    int at_item = sop_view_cursor_at_item_slow(cursor);
    SOP_ASSERT(at_item);
    return sop_view__item_key(cursor);
}

sop_view_value sop_view_cursor_value_slow(sop_view_cursor *cursor)
{
    int at_item = sop_view_cursor_at_item_slow(cursor);
    SOP_ASSERT(at_item);
    sop_view_value value = {0};
    if (cursor->equal == SOP_VIEW__BASE) {
        sop_btree_value found = sop_btree_cursor_value(&cursor->base);
        value.bytes = found.value;
        value.is_reference = found.is_reference;
        return value;
    }
    const sop_record *record = sop_view__newest(cursor, cursor->equal);
    value.bytes = sop_record_value(record);
    value.is_reference = (record->flags & SOP_RECORD_REFERENCE) != 0;
    return value;
}

void sop_view_cursor_take(sop_view_cursor *cursor,
                          int forward,
                          sop_slice bound,
                          sop_btree_page *page)
{
    if (cursor->run_end == 0) return;
    uint32_t index = cursor->base.levels[0].index;
    uint32_t begin = cursor->run_begin;
    uint32_t end = cursor->run_end;
    if (bound.size != 0) {
        uint32_t at = sop_btree_cursor_leaf_lower_bound(&cursor->base, bound);
        if (forward && at < end) end = at;
        if (!forward && at > begin) begin = at;
    }
    if (forward ? index + 1 >= end : index <= begin) return;
    sop_btree_cursor_take(&cursor->base, forward ? end - 1 : begin, page);
}

/* Items of the base before the current item; the base cursor knows it without a search. */
static uint64_t base_before(const sop_view_cursor *cursor)
{
    if (!cursor->base.at_item) return cursor->forward ? cursor->view.base.count : 0;
    uint64_t rank = sop_btree_cursor_rank(&cursor->base);
    int at_or_after = cursor->forward || (cursor->equal & SOP_VIEW__BASE) != 0;
    return at_or_after ? rank : rank + 1;
}

static sop_status place_rank(sop_view_cursor *cursor, uint64_t *rank_out, sop_error *err)
{
    sop_slice key = sop_view__place_key(cursor);
    *rank_out = 0;
    if (cursor->place == SOP_VIEW__PLACE_CLEAR) return SOP_OK;
    if (cursor->place == SOP_VIEW__PLACE_END) return sop_view_count(&cursor->view, rank_out, err);
    sop_status status = sop_view_rank(&cursor->view, key, rank_out, err);
    if (status != SOP_OK || cursor->place != SOP_VIEW__PLACE_AFTER || key.size == 0) return status;
    status = sop_view_get(&cursor->view, key, NULL, err);
    if (status == SOP_NOT_FOUND) return SOP_OK;
    *rank_out += status == SOP_OK;
    return status;
}

sop_status sop_view_cursor_rank(sop_view_cursor *cursor, uint64_t *rank_out, sop_error *err)
{
    if (!cursor->at_item) return place_rank(cursor, rank_out, err);
    int64_t delta = 0;
    if (cursor->view.layer_count != 0) {
        delta = sop_view__delta_before(&cursor->view, sop_view__item_key(cursor));
    }
    return sop_view__add(&cursor->view, base_before(cursor), delta, rank_out, err);
}
