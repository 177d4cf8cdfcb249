/* SPDX-License-Identifier: MIT */
/*
 * One unchanging view of one store: the base tree under up to five memtable layers (the write set
 * of a transaction is the last).
 *
 * snapshot-1  A key's state is that of the newest layer with a record of it, else that of the base.
 * snapshot-2  count = base count + sum of layer deltas; the same holds for every range and rank.
 * snapshot-3  A record with SOP_BELOW_ANY never reaches rank and count functions: the caller
 * resolves the write set first.
 */
#ifndef SOP_SNAPSHOT_SNAPSHOT_H
#define SOP_SNAPSHOT_SNAPSHOT_H

#include <stddef.h>
#include <stdint.h>

#include "sop/store.h"
#include "sop/types.h"

#include "btree/btree.h"
#include "memtable/memtable.h"
#include "util/compiler.h"

#define SOP_VIEW_LAYERS_MAX 6

/* Newest layer last. NULL layers are allowed and skipped. A value type, owned by nobody; what it
 * points to outlives it. */
typedef struct {
    sop_btree base;
    const sop_memtree *layers[SOP_VIEW_LAYERS_MAX];
    uint32_t layer_count;
} sop_view;

/* bytes.size is SOP_VALUE_REFERENCE_SIZE when is_reference. */
typedef struct {
    sop_slice bytes;
    int is_reference;
} sop_view_value;

/* SOP_OK, SOP_NOT_FOUND (no message), SOP_CORRUPT. value_out may be NULL (presence only). */
SOP_MUST_CHECK sop_status sop_view_get(const sop_view *view,
                                       sop_slice key,
                                       sop_view_value *value_out,
                                       sop_error *err);
SOP_MUST_CHECK sop_status sop_view_count(const sop_view *view, uint64_t *count_out, sop_error *err);
/* Items with key < key. */
SOP_MUST_CHECK sop_status sop_view_rank(const sop_view *view,
                                        sop_slice key,
                                        uint64_t *rank_out,
                                        sop_error *err);
/* Items in [from, to); to.size 0: to the end. An empty or reversed range counts 0. */
SOP_MUST_CHECK sop_status sop_view_count_range(
    const sop_view *view, sop_slice from, sop_slice to, uint64_t *count_out, sop_error *err);

/*
 * A merging cursor over a view. Stands at an item, or in a gap: between two neighbours, before the
 * first, or after the last. While no layer has a record inside the current leaf of the base it
 * walks the leaf without comparing. The fields are here for the inline fast paths below only;
 * nobody else reads or writes them.
 */
typedef struct sop_view_cursor {
    /* The run: items [run_begin, run_end) of the current leaf, the current one among them, are free
       of layer records, and so are the keys between them. None: UINT32_MAX and 0. */
    uint32_t run_begin;
    uint32_t run_end;
    uint32_t
        equal; /* sources that stand at the current item's key; bit 0: base, bit i + 1: layer i */
    uint32_t stale;      /* sources that must be sought again from the place */
    uint32_t place_size; /* of place_key */
    uint8_t place;       /* SOP_VIEW__PLACE_... */
    uint8_t place_kept;  /* place and place_key already name the current item */
    uint8_t forward;     /* the other sources stand at their first entry after (0: last before) the
                            position */
    uint8_t at_item;
    sop_view view;                       /* without NULL and empty layers */
    uint64_t heads[SOP_VIEW_LAYERS_MAX]; /* of the records that the layers stand at */
    sop_memcursor layers[SOP_VIEW_LAYERS_MAX];
    sop_btree_cursor base;
    uint8_t place_key[SOP_KEY_SIZE_MAX];
} sop_view_cursor;

/* NULL when out of memory. The view is copied; what it points to must outlive the cursor (or the
 * next rebind). */
sop_view_cursor *sop_view_cursor_new(const sop_view *view);
void sop_view_cursor_free(sop_view_cursor *cursor); /* NULL allowed */
/* The write set changed (its tree pointer may be another) or the transaction was renewed: the
   cursor keeps its place by key: it stands at the same key if that is still there, else in the gap
   where it was. Cheap; the work is done at the next move or read. Of the old view it reads the base
   and all layers but the last (the write set, whose records may be gone by now); when those are to
   be released before the rebind, call sop_view_cursor_detach before that. */
void sop_view_cursor_rebind(sop_view_cursor *cursor, const sop_view *view);
/* Copies the place into the cursor: it reads nothing of its view any more until it is rebound
   (which must come before any other call except clear and free). */
void sop_view_cursor_detach(sop_view_cursor *cursor);

/*
 * Seeks and moves. Keys may be the cursor's own. After a status other than SOP_OK and SOP_NOT_FOUND
 * the cursor stands where it stood before a move, in the gap before the key sought after a seek,
 * and as new after a seek_rank; the call may be repeated.
 */
/* First item >= key; in the gap just before key when there is none (SOP_NOT_FOUND). */
SOP_MUST_CHECK sop_status sop_view_cursor_seek_ge(sop_view_cursor *cursor,
                                                  sop_slice key,
                                                  sop_error *err);
/* Last item < key; in the gap just before key when there is none (SOP_NOT_FOUND). */
SOP_MUST_CHECK sop_status sop_view_cursor_seek_lt(sop_view_cursor *cursor,
                                                  sop_slice key,
                                                  sop_error *err);
/* Item with that rank; after the last when rank >= count (SOP_NOT_FOUND). O(log2 n). */
SOP_MUST_CHECK sop_status sop_view_cursor_seek_rank(sop_view_cursor *cursor,
                                                    uint64_t rank,
                                                    sop_error *err);
SOP_MUST_CHECK sop_status sop_view_cursor_first(sop_view_cursor *cursor, sop_error *err);
SOP_MUST_CHECK sop_status sop_view_cursor_last(sop_view_cursor *cursor, sop_error *err);
/* Puts the cursor in the gap just before (after 0) or just after (after 1) the given key, whether
 * or not it is there. */
SOP_MUST_CHECK sop_status sop_view_cursor_set_gap(sop_view_cursor *cursor,
                                                  sop_slice key,
                                                  int after,
                                                  sop_error *err);
/* Before the first and after the last at once, as new: next = first, prev = last. */
void sop_view_cursor_clear(sop_view_cursor *cursor);
/* Rank of the item, or of the gap (items before it); 0 when cleared. */
SOP_MUST_CHECK sop_status sop_view_cursor_rank(sop_view_cursor *cursor,
                                               uint64_t *rank_out,
                                               sop_error *err);

/* The ways off the run; call the functions below instead. */
SOP_MUST_CHECK sop_status sop_view_cursor_next_slow(sop_view_cursor *cursor, sop_error *err);
SOP_MUST_CHECK sop_status sop_view_cursor_prev_slow(sop_view_cursor *cursor, sop_error *err);
int sop_view_cursor_at_item_slow(sop_view_cursor *cursor);
sop_slice sop_view_cursor_key_slow(sop_view_cursor *cursor);
sop_view_value sop_view_cursor_value_slow(sop_view_cursor *cursor);

/* From an item: the neighbour. From a gap: the item after (before) the gap. SOP_NOT_FOUND at the
   end: the gap there, next to the item it came from. */
SOP_INLINE SOP_MUST_CHECK sop_status sop_view_cursor_next(sop_view_cursor *cursor, sop_error *err)
{
    uint32_t index = cursor->base.levels[0].index + 1;
    if (SOP_UNLIKELY(index >= cursor->run_end)) return sop_view_cursor_next_slow(cursor, err);
    sop_btree_cursor_leaf_set(&cursor->base, index);
    return SOP_OK;
}
SOP_INLINE SOP_MUST_CHECK sop_status sop_view_cursor_prev(sop_view_cursor *cursor, sop_error *err)
{
    uint32_t index = cursor->base.levels[0].index;
    if (SOP_UNLIKELY(index <= cursor->run_begin)) return sop_view_cursor_prev_slow(cursor, err);
    sop_btree_cursor_leaf_set(&cursor->base, index - 1);
    return SOP_OK;
}
/* 1 if it stands at an item that is still there (0 too when that cannot be read: the next move
 * tells why). */
SOP_INLINE int sop_view_cursor_at_item(sop_view_cursor *cursor)
{
    return SOP_LIKELY(cursor->run_end != 0) ? 1 : sop_view_cursor_at_item_slow(cursor);
}
/* Need at_item. key: valid until the cursor moves or is rebound; value likewise. */
SOP_INLINE sop_slice sop_view_cursor_key(sop_view_cursor *cursor)
{
    if (SOP_UNLIKELY(cursor->run_end == 0)) return sop_view_cursor_key_slow(cursor);
    return sop_btree_cursor_key(&cursor->base);
}
SOP_INLINE sop_view_value sop_view_cursor_value(sop_view_cursor *cursor)
{
    if (SOP_UNLIKELY(cursor->run_end == 0)) return sop_view_cursor_value_slow(cursor);
    sop_btree_value found = sop_btree_cursor_value(&cursor->base);
    sop_view_value value = {found.value, found.is_reference};
    return value;
}
/* Needs at_item. Both at once, for less than one after the other; returns the key. */
SOP_INLINE sop_slice sop_view_cursor_item(sop_view_cursor *cursor, sop_view_value *value_out)
{
    if (SOP_UNLIKELY(cursor->run_end == 0)) {
        *value_out = sop_view_cursor_value_slow(cursor);
        return sop_view_cursor_key_slow(cursor);
    }
    sop_btree_value found;
    sop_slice key = sop_btree_cursor_item(&cursor->base, &found);
    value_out->bytes = found.value;
    value_out->is_reference = found.is_reference;
    return key;
}

/* 1 if take may find something. */
SOP_INLINE int sop_view_cursor_can_take(const sop_view_cursor *cursor)
{
    return cursor->run_end != 0;
}
/* Takes the items that follow the current one (forward 0: precede it) as long as that needs no comparing, not
   beyond the bound: items < bound (forward 0: >= bound); an empty bound is none. Takes nothing where next or prev must go first. */
void sop_view_cursor_take(sop_view_cursor *cursor,
                          int forward,
                          sop_slice bound,
                          sop_btree_page *page);

#endif
