/* SPDX-License-Identifier: MIT */
/*
 * Cursors: walk a store in key order, by key or by position.
 *
 * A new cursor stands before the first and after the last item at once: next goes to the first,
 * prev to the last. A seek that finds nothing leaves it between the neighbours of the wanted place;
 * next and prev go on from there. The same holds at the ends: after next returned SOP_NOT_FOUND the
 * cursor stands behind the last item and prev goes to it. If the item under the cursor is removed,
 * by this cursor or any other call of the transaction, the cursor stands in the gap: key and value
 * give SOP_NOT_FOUND, next gives the successor. Items that the transaction writes ahead of the
 * cursor are met, those behind it are not.
 *
 * What a cursor walks over, from where it started to the item it found, is a read of that range.
 * "The common errors" are listed at the head of sop/txn.h.
 */
#ifndef SOP_CURSOR_H
#define SOP_CURSOR_H

#include "sop/store.h"
#include "sop/types.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sop_cursor sop_cursor;

/* Where sop_cursor_seek goes: the item with the key; the first at or after it; the first after it;
   the last at or before it; the last before it. */
typedef enum {
    SOP_SEEK_EQ = 0,
    SOP_SEEK_GE = 1,
    SOP_SEEK_GT = 2,
    SOP_SEEK_LE = 3,
    SOP_SEEK_LT = 4
} sop_seek;

typedef struct {
    sop_slice key;
    sop_slice value;
} sop_item;

/* Tells items with equal keys apart; all zero in stores with unique keys. */
typedef struct {
    uint8_t bytes[16];
} sop_item_id;

/*
 * Open a cursor on a store.
 *
 * store        a store handle.
 * cursor_out   the cursor; NULL on failure. Close it with sop_cursor_close, or leave it to the
 *              transaction.
 *
 * Returns:   SOP_OK; the common errors.
 * Lifetime:  cursor_out lives until it is closed, or its transaction commits, is reset or closed. One
 *            that has ended gives SOP_INVALID until it is closed or sop_cursor_open uses its memory
 *            again; there is no need to close it.
 * Threads:   only the thread that owns the transaction.
 * Cost:      one allocation; no read.
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_cursor_open(sop_store *store, sop_cursor **cursor_out);
/*
 * Close a cursor. Optional before sop_txn_close.
 *
 * cursor     NULL is allowed and does nothing.
 *
 * Lifetime:  ends the slices that came from the cursor.
 * Threads:   only the thread that owns the transaction.
 * Since:     0.1
 */
SOP_API void sop_cursor_close(sop_cursor *cursor);
/*
 * Limit every later move to a range, and put the cursor back to where a new one stands.
 *
 * cursor     an open cursor.
 * from, to   the range [from, to), copied; an empty slice leaves that end open.
 *
 * Returns:   SOP_OK; the common errors. Moves give SOP_NOT_FOUND at the ends of the range, and seeks
 *            find nothing outside it. Ranks are then counted from the first item of the range.
 * Threads:   only the thread that owns the transaction.
 * Cost:      a copy of the two keys.
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_cursor_bound(sop_cursor *cursor,
                                                   sop_slice from,
                                                   sop_slice to);
/*
 * Go to a key, or near it.
 *
 * cursor     an open cursor.
 * key        1 to 4,096 bytes; it need not be there; not kept.
 * how        SOP_SEEK_EQ and so on. Among equal keys EQ and GE find the first, LE the last.
 *
 * Returns:   SOP_OK (it stands on an item); SOP_NOT_FOUND (it stands between the neighbours of the
 *            wanted place); the common errors.
 * Threads:   only the thread that owns the transaction.
 * Cost:      O(log n).
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_cursor_seek(sop_cursor *cursor, sop_slice key, sop_seek how);
/*
 * Go to a position.
 *
 * cursor     an open cursor.
 * rank       0 is the first item of the store, or of the range when bounds are set.
 *
 * Returns:   SOP_OK; SOP_NOT_FOUND (rank is not below the number of items, or outside the bounds);
 *            the common errors.
 * Threads:   only the thread that owns the transaction.
 * Cost:      O(log n), wherever the position. It is a read of everything before it.
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_cursor_seek_rank(sop_cursor *cursor, uint64_t rank);
/*
 * Go to the first item.
 *
 * cursor     an open cursor.
 *
 * Returns:   SOP_OK; SOP_NOT_FOUND (no item within the bounds); the common errors.
 * Threads:   only the thread that owns the transaction.
 * Cost:      O(log n).
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_cursor_first(sop_cursor *cursor);
/*
 * Go to the last item.
 *
 * cursor     an open cursor.
 *
 * Returns:   SOP_OK; SOP_NOT_FOUND (no item within the bounds); the common errors.
 * Threads:   only the thread that owns the transaction.
 * Cost:      O(log n).
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_cursor_last(sop_cursor *cursor);
/*
 * Go to the next item; on a new cursor, to the first.
 *
 * cursor     an open cursor.
 *
 * Returns:   SOP_OK; SOP_NOT_FOUND (it now stands behind the last item); the common errors.
 * Threads:   only the thread that owns the transaction.
 * Cost:      O(1) within a leaf.
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_cursor_next(sop_cursor *cursor);
/*
 * Go to the previous item; on a new cursor, to the last.
 *
 * cursor     an open cursor.
 *
 * Returns:   SOP_OK; SOP_NOT_FOUND (it now stands before the first item); the common errors.
 * Threads:   only the thread that owns the transaction.
 * Cost:      O(1) within a leaf.
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_cursor_prev(sop_cursor *cursor);
/*
 * The key of the item under the cursor.
 *
 * cursor     an open cursor.
 * key_out    points into the cursor or the database; do not free.
 *
 * Returns:   SOP_OK; SOP_NOT_FOUND (it stands on no item); the common errors.
 * Lifetime:  key_out is valid until the cursor moves, and ends when the transaction writes this
 *            key, is reset or closed.
 * Threads:   only the thread that owns the transaction.
 * Cost:      O(1).
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_cursor_key(const sop_cursor *cursor, sop_slice *key_out);
/*
 * The value of the item under the cursor. Values that lie apart from their keys are read here and
 * not before, so that a walk over keys never touches them.
 *
 * cursor      an open cursor.
 * value_out   points into the cursor or the database; do not free.
 *
 * Returns:   SOP_OK; SOP_NOT_FOUND (it stands on no item); SOP_TOO_LARGE (above 64 MiB: use
 *            sop_value_read); the common errors.
 * Lifetime:  as sop_cursor_key.
 * Threads:   only the thread that owns the transaction.
 * Cost:      O(1) for values in the leaf; else one read of the value.
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_cursor_value(sop_cursor *cursor, sop_slice *value_out);
/*
 * Key and value of the item under the cursor in one call.
 *
 * cursor      an open cursor.
 * key_out     as sop_cursor_key.
 * value_out   as sop_cursor_value.
 *
 * Returns:   SOP_OK; as sop_cursor_value.
 * Lifetime:  as sop_cursor_key.
 * Threads:   only the thread that owns the transaction.
 * Cost:      as sop_cursor_value.
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_cursor_item(sop_cursor *cursor,
                                                  sop_slice *key_out,
                                                  sop_slice *value_out);
/*
 * Move over up to capacity items and hand out all of them: a page at once.
 *
 * cursor      an open cursor; it ends on the last item handed out.
 * direction   above 0: as sop_cursor_next; below 0: as sop_cursor_prev; 0: SOP_INVALID. The item
 *             under the cursor is not handed out: the page begins with its neighbour.
 * items       room for capacity items; filled from the front in the order met.
 * capacity    1 or more.
 * count_out   how many were filled.
 *
 * Returns:   SOP_OK (one or more); SOP_NOT_FOUND (none: it stands at the end); SOP_TOO_LARGE (a
 *            value above 64 MiB); the common errors.
 * Lifetime:  the slices are valid until the next move of the cursor, as in sop_cursor_key.
 * Threads:   only the thread that owns the transaction.
 * Cost:      O(log n + items), with less work per item than single steps.
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_cursor_read(
    sop_cursor *cursor, int direction, sop_item *items, size_t capacity, size_t *count_out);
/*
 * What tells the item under the cursor from others with the same key.
 *
 * cursor     an open cursor.
 * id_out     all zero in a store with unique keys; never changes while the item lives.
 *
 * Returns:   SOP_OK; SOP_NOT_FOUND (it stands on no item); the common errors.
 * Threads:   only the thread that owns the transaction.
 * Cost:      O(1).
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_cursor_item_id(const sop_cursor *cursor, sop_item_id *id_out);
/*
 * Replace the value of the item under the cursor. The cursor stays on it.
 *
 * cursor     a cursor of a WRITE transaction.
 * value      0 bytes to 2^48 (SOP_VALUE_SIZE_MAX); copied.
 *
 * Returns:   SOP_OK; SOP_NOT_FOUND (it stands on no item); SOP_TOO_LARGE; the common errors.
 * Lifetime:  ends the slices of this item.
 * Threads:   only the thread that owns the transaction.
 * Cost:      O(log n).
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_cursor_update(sop_cursor *cursor, sop_slice value);
/*
 * Remove the item under the cursor, also from among equals. The cursor then stands in the gap.
 *
 * cursor     a cursor of a WRITE transaction.
 *
 * Returns:   SOP_OK; SOP_NOT_FOUND (it stands on no item); the common errors.
 * Lifetime:  ends the slices of this item.
 * Threads:   only the thread that owns the transaction.
 * Cost:      O(log n).
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_cursor_remove(sop_cursor *cursor);
/*
 * The position of the item under the cursor. It is a read of everything before it.
 *
 * cursor     an open cursor.
 * rank_out   0 for the first item of the store, or of the range when bounds are set.
 *
 * Returns:   SOP_OK; SOP_NOT_FOUND (it stands on no item); the common errors.
 * Threads:   only the thread that owns the transaction.
 * Cost:      O(log n).
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_cursor_rank(sop_cursor *cursor, uint64_t *rank_out);

#ifdef __cplusplus
}
#endif
#endif
