/* SPDX-License-Identifier: MIT */
/*
 * Seek to a rank. Without layers the base does it. With layers, let before(b) be the number of
 * visible items before base item b: its rank in the base plus the deltas of the layers before its
 * key, which never falls as b grows. A search over b, each guess corrected by what the last one was
 * off, ends in one of two ways:
 *
 *  - before(b) is the rank sought: the first visible item from b on is the target;
 *  - the target lies between two neighbours of the base: it is a layer record, found by halving
 * each layer with the rank within the base known.
 */
#include <inttypes.h>

#include "snapshot/snapshot_private.h"
#include "util/bytes.h"
#include "util/error.h"

/* Guesses before plain halving takes over, which bounds the cost when inserts lie in heaps. */
#define GUESSES_MAX 8

typedef struct {
    sop_view_cursor *cursor;
    uint64_t rank;      /* sought */
    uint64_t begin;     /* base items below this one are before the target */
    uint64_t end;       /* base items from this one on are after it */
    sop_slice high_key; /* of base item end; empty: none */
    uint32_t layer;     /* being halved */
} selection;

/* The record's key is visible through all layers from the record's own on. */
static int key_visible(const selection *s, const sop_record *record)
{
    const sop_view *view = &s->cursor->view;
    for (uint32_t i = view->layer_count; i-- > s->layer + 1;) {
        const sop_record *newer = sop_memtree_get(view->layers[i], sop_record_key(record));
        if (newer != NULL) return sop_record_present(newer) != 0;
    }
    return sop_record_present(record) != 0;
}

/* 1 if more than rank visible items have keys up to the record's: the target is not behind it. */
static int target_reached(const sop_record *record, void *context)
{
    const selection *s = context;
    sop_slice key = sop_record_key(record);
    if (s->begin != 0 && sop_slice_compare(key, sop_view__place_key(s->cursor)) <= 0) return 0;
    if (s->high_key.size != 0 && sop_slice_compare(key, s->high_key) >= 0) return 1;
    int64_t reached = (int64_t)s->begin + sop_view__delta_before(&s->cursor->view, key);
    if (reached != (int64_t)s->rank) return reached > (int64_t)s->rank;
    return key_visible(s, record);
}

/* The first record, over all layers, that reaches the rank. */
static const sop_record *first_reached(selection *s)
{
    const sop_record *target = NULL;
    const sop_view *view = &s->cursor->view;
    for (s->layer = 0; s->layer < view->layer_count; s->layer++) {
        const sop_record *record =
            sop_memtree_partition(view->layers[s->layer], target_reached, s, NULL);
        if (record == NULL) continue;
        if (target == NULL ||
            sop_slice_compare(sop_record_key(record), sop_record_key(target)) < 0) {
            target = record;
        }
    }
    return target;
}

/* The place becomes the gap just before the target, which is a record. */
static sop_status select_record(selection *s, sop_error *err)
{
    const sop_view *view = &s->cursor->view;
    int alone = view->base.count == 0 && view->layer_count == 1;
    const sop_record *target =
        alone ? sop_memtree_select(view->layers[0], s->rank) : first_reached(s);
    if (target == NULL) {
        return sop_fail(err, SOP_CORRUPT,
                        "base tree of %" PRIu64 " items does not fit the changes above it: "
                        "no item has rank %" PRIu64,
                        view->base.count, s->rank);
    }
    sop_view__place_set(s->cursor, SOP_VIEW__PLACE_BEFORE, sop_record_key(target));
    return SOP_OK;
}

/* Keeps a guess between the bounds; begin < end. */
static uint64_t guess_next(const selection *s, uint64_t guess, int64_t missing, unsigned guesses)
{
    if (guesses >= GUESSES_MAX) return s->begin + (s->end - s->begin) / 2;
    if (missing < 0 && (uint64_t)-missing > guess - s->begin) return s->begin;
    if (missing > 0 && (uint64_t)missing > s->end - 1 - guess) return s->end - 1;
    return guess + (uint64_t)missing;
}

/* Narrows [begin, end). *exact_out: the base cursor stands at the item that has the rank, or whose
   next visible one has it. The key of base item begin - 1 becomes the place on the way. */
static sop_status select_base(selection *s, uint64_t total, int *exact_out, sop_error *err)
{
    sop_btree_cursor *base = &s->cursor->base;
    uint64_t guess = s->rank;
    if (total != s->end) guess = (uint64_t)((double)s->rank * ((double)s->end / (double)total));
    for (unsigned guesses = 0; s->begin < s->end; guesses++) {
        if (guess >= s->end) guess = s->end - 1;
        if (guess < s->begin) guess = s->begin;
        sop_status status = sop_btree_cursor_seek_rank(base, guess, err);
        if (status != SOP_OK) return status;
        sop_slice key = sop_btree_cursor_key(base);
        int64_t before = (int64_t)guess + sop_view__delta_before(&s->cursor->view, key);
        int64_t missing = (int64_t)s->rank - before;
        *exact_out = missing == 0;
        if (missing >= 0) sop_view__place_set(s->cursor, SOP_VIEW__PLACE_BEFORE, key);
        if (missing == 0) return SOP_OK;
        if (missing > 0) s->begin = guess + 1;
        if (missing < 0) s->end = guess;
        if (s->begin < s->end) guess = guess_next(s, guess, missing, guesses);
    }
    return SOP_OK;
}

/* Puts the base cursor and the place at the target or before it with nothing visible between. */
static sop_status select_target(selection *s, uint64_t total, sop_error *err)
{
    sop_btree_cursor *base = &s->cursor->base;
    uint64_t count = s->end;
    int exact = 0;
    base->at_item = 0;
    sop_status status = select_base(s, total, &exact, err);
    if (status != SOP_OK || exact) return status;
    if (count != 0) {
        status = sop_btree_cursor_seek_rank(base, s->end, err);
        if (status != SOP_OK) return status;
        if (base->at_item) s->high_key = sop_btree_cursor_key(base);
    }
    return select_record(s, err);
}

static sop_status select_merged(sop_view_cursor *cursor, uint64_t rank, sop_error *err)
{
    uint64_t total = 0;
    sop_status status = sop_view_count(&cursor->view, &total, err);
    if (status != SOP_OK) return status;
    if (rank >= total) return sop_set(err, SOP_NOT_FOUND);
    selection s = {.cursor = cursor, .rank = rank, .end = cursor->view.base.count};
    status = select_target(&s, total, err);
    /* The base is in place; the layers are sought. */
    cursor->stale &= ~SOP_VIEW__BASE;
    return status;
}

static sop_status select_plain(sop_view_cursor *cursor, uint64_t rank, sop_error *err)
{
    if (rank >= cursor->view.base.count) return sop_set(err, SOP_NOT_FOUND);
    cursor->stale = 0;
    return sop_btree_cursor_seek_rank(&cursor->base, rank, err);
}

sop_status sop_view_cursor_seek_rank(sop_view_cursor *cursor, uint64_t rank, sop_error *err)
{
    sop_view_cursor_clear(cursor);
    cursor->forward = 1;
    sop_status status = cursor->view.layer_count == 0 ? select_plain(cursor, rank, err)
                                                      : select_merged(cursor, rank, err);
    if (status == SOP_OK) status = sop_view__move(cursor, 1, err);
    if (SOP_LIKELY(status == SOP_OK)) return SOP_OK;
    sop_view_cursor_clear(cursor);
    if (status == SOP_NOT_FOUND) cursor->place = SOP_VIEW__PLACE_END;
    return status;
}
