/* SPDX-License-Identifier: MIT */
/*
 * Shared by the files of the room: the place of a cursor, its sources, and how they move together.
 *
 * snapshot-4  Sources named in `equal` stand at the key of the current item. Every other source
 * that is not stale stands at its first entry after the position (forward 1) or at its last before
 * it (forward 0), or past that end. So a turn is one step of every source, never a seek. snapshot-5
 * In a gap `equal` is 0. A cursor that is not at an item always has a place; a failed seek or move
 * leaves all sources stale. snapshot-6  A run is open only at an item that comes from the base;
 * place_kept is 0 then.
 */
#ifndef SOP_SNAPSHOT_SNAPSHOT_PRIVATE_H
#define SOP_SNAPSHOT_SNAPSHOT_PRIVATE_H

#include "snapshot/snapshot.h"

enum {
    SOP_VIEW__PLACE_CLEAR = 0, /* before the first and after the last at once */
    SOP_VIEW__PLACE_AT,        /* at place_key; a gap when that key is not there */
    SOP_VIEW__PLACE_BEFORE,    /* the gap just before place_key; an empty key: before everything */
    SOP_VIEW__PLACE_AFTER,     /* the gap just after place_key */
    SOP_VIEW__PLACE_END        /* after everything */
};

#define SOP_VIEW__BASE 1u
/* In stale: whether the cursor is at an item must be found out again, even if all sources are good.
 */
#define SOP_VIEW__UNSETTLED (1u << 31)
SOP_INLINE uint32_t sop_view__layer_bit(uint32_t layer)
{
    return 2u << layer;
}
SOP_INLINE uint32_t sop_view__all(const sop_view_cursor *cursor)
{
    return (2u << cursor->view.layer_count) - 1;
}
/* The record of the newest layer in a mask that names at least one layer. */
SOP_INLINE const sop_record *sop_view__newest(const sop_view_cursor *cursor, uint32_t mask)
{
    uint32_t top = 31u - (uint32_t)__builtin_clz(mask);
    return cursor->layers[top - 1].record;
}
SOP_INLINE sop_slice sop_view__place_key(const sop_view_cursor *cursor)
{
    sop_slice key = {cursor->place_key, cursor->place_size};
    return key;
}

/* Makes key the place. A key that is too long to be stored names the gap after its longest storable
 * prefix. */
void sop_view__place_set(sop_view_cursor *cursor, int place, sop_slice key);
/* Needs at_item: makes the current item the place. */
void sop_view__place_keep(sop_view_cursor *cursor);
/* Every source is stale from now on; the place stays. */
void sop_view__forget(sop_view_cursor *cursor);
/* Needs at_item. */
sop_slice sop_view__item_key(sop_view_cursor *cursor);

/* Seeks the stale sources, so that snapshot-4 holds; a place that is clear counts as the start
 * (forward 1) or the end. */
SOP_MUST_CHECK sop_status sop_view__refresh(sop_view_cursor *cursor, int forward, sop_error *err);
SOP_MUST_CHECK sop_status sop_view__move(sop_view_cursor *cursor, int forward, sop_error *err);

/* Sum of the deltas of all layers before a key. */
int64_t sop_view__delta_before(const sop_view *view, sop_slice key);
/* base + delta; SOP_CORRUPT when that is below zero. */
SOP_MUST_CHECK sop_status
sop_view__add(const sop_view *view, uint64_t base, int64_t delta, uint64_t *out, sop_error *err);

#endif
