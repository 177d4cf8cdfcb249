/* SPDX-License-Identifier: MIT */
/*
 * One unchanging view of one store: the base tree under up to five memtable layers (the write set of a transaction is the last).
 *
 * snapshot-1  A key's state is that of the newest layer with a record of it, else that of the base.
 * snapshot-2  count = base count + sum of layer deltas; the same holds for every range and rank.
 * snapshot-3  A record with SOP_BELOW_ANY never reaches rank and count functions: the caller resolves the write set first.
 */
#ifndef SOP_SNAPSHOT_SNAPSHOT_H
#define SOP_SNAPSHOT_SNAPSHOT_H

#include <stddef.h>
#include <stdint.h>

#include "sop/types.h"

#include "btree/btree.h"
#include "memtable/memtable.h"

#define SOP_VIEW_LAYERS_MAX 6

/* Newest layer last. NULL layers are not stored. A value type, owned by nobody; what it points to outlives it. */
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
SOP_MUST_CHECK sop_status sop_view_get(
    const sop_view *view, sop_slice key, sop_view_value *value_out, sop_error *err);
SOP_MUST_CHECK sop_status sop_view_count(const sop_view *view, uint64_t *count_out, sop_error *err);
/* Items with key < key. */
SOP_MUST_CHECK sop_status sop_view_rank(
    const sop_view *view, sop_slice key, uint64_t *rank_out, sop_error *err);
/* Items in [from, to); to.size 0: to the end. An empty or reversed range counts 0. */
SOP_MUST_CHECK sop_status sop_view_count_range(
    const sop_view *view, sop_slice from, sop_slice to, uint64_t *count_out, sop_error *err);

/*
 * A merging cursor over a view. Stands at an item, or in a gap: between two neighbours, before the first, or after the last.
 * While no layer has a record inside the current leaf of the base it walks the leaf without comparing.
 */
typedef struct sop_view_cursor sop_view_cursor;

/* NULL when out of memory. The view is copied; what it points to must outlive the cursor (or the next rebind). */
sop_view_cursor *sop_view_cursor_new(const sop_view *view);
void sop_view_cursor_free(sop_view_cursor *cursor); /* NULL allowed */
/* The write set changed (its tree pointer may be another) or the transaction was renewed: the cursor keeps its place by key: it
   stands at the same key if that is still there, else in the gap where it was. Cheap; the work is done at the next move or read. */
void sop_view_cursor_rebind(sop_view_cursor *cursor, const sop_view *view);

/* First item >= key; in the gap after the last when there is none (SOP_NOT_FOUND). */
SOP_MUST_CHECK sop_status sop_view_cursor_seek_ge(sop_view_cursor *cursor, sop_slice key, sop_error *err);
/* Last item < key; in the gap before the first when there is none (SOP_NOT_FOUND). */
SOP_MUST_CHECK sop_status sop_view_cursor_seek_lt(sop_view_cursor *cursor, sop_slice key, sop_error *err);
/* Item with that rank; after the last when rank >= count (SOP_NOT_FOUND). O(log2 n). */
SOP_MUST_CHECK sop_status sop_view_cursor_seek_rank(sop_view_cursor *cursor, uint64_t rank, sop_error *err);
SOP_MUST_CHECK sop_status sop_view_cursor_first(sop_view_cursor *cursor, sop_error *err);
SOP_MUST_CHECK sop_status sop_view_cursor_last(sop_view_cursor *cursor, sop_error *err);
/* From an item: the neighbour. From a gap: the item after (before) the gap. SOP_NOT_FOUND at the end: the gap there. */
SOP_MUST_CHECK sop_status sop_view_cursor_next(sop_view_cursor *cursor, sop_error *err);
SOP_MUST_CHECK sop_status sop_view_cursor_prev(sop_view_cursor *cursor, sop_error *err);
/* Puts the cursor in the gap just before (after 0) or just after (after 1) the given key, whether or not it is there. */
SOP_MUST_CHECK sop_status sop_view_cursor_set_gap(
    sop_view_cursor *cursor, sop_slice key, int after, sop_error *err);
/* Before the first and after the last at once, as new: next = first, prev = last. */
void sop_view_cursor_clear(sop_view_cursor *cursor);

/* 1 if it stands at an item that is still there. */
int sop_view_cursor_at_item(sop_view_cursor *cursor);
/* Need at_item. key: valid until the cursor moves or is rebound; value likewise. */
sop_slice sop_view_cursor_key(sop_view_cursor *cursor);
sop_view_value sop_view_cursor_value(sop_view_cursor *cursor);
/* Rank of the item, or of the gap (items before it). */
SOP_MUST_CHECK sop_status sop_view_cursor_rank(sop_view_cursor *cursor, uint64_t *rank_out, sop_error *err);

#endif
