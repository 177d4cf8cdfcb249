/* SPDX-License-Identifier: MIT */
/*
 * The base: an immutable, counted B+tree of variable-sized nodes in segments.
 *
 * btree-1  Keys in a node strictly ascend, byte-wise; separators of an inner node: child i holds keys k with sep[i] <= k < sep[i+1]
 *          (sep[0] is unused: minus infinity).
 * btree-2  An inner node stores for each child its address and the number of items below it (cumulative), and whether value
 *          references lie below it.
 * btree-3  All leaves have the same level 0; a node other than the root holds at least one item.
 * btree-4  A node's header names its own address and carries an XXH3-64 checksum over the rest.
 */
#ifndef SOP_BTREE_BTREE_H
#define SOP_BTREE_BTREE_H

#include <stddef.h>
#include <stdint.h>

#include "sop/cursor.h"
#include "sop/types.h"

#include "blob/blob.h"
#include "util/compiler.h"

#define SOP_BTREE_HEIGHT_MAX 12
#define SOP_BTREE_NODE_SIZE  16384u /* target */
/* Keys of non-unique stores carry 18 bytes more than a user's key may have; rounded up. */
#define SOP_BTREE_KEY_MAX   4160u
#define SOP_BTREE_VALUE_MAX 16384u /* of values in a leaf */

/* How far before their use a scan asks for items. */
#define SOP_BTREE_AHEAD 1536

/* A tree as a value: root and totals, with the segments it lives in (not owned). count 0: empty, no root. */
typedef struct {
    const sop_segments *segments;
    sop_address root;
    uint64_t count;
    uint64_t bytes;      /* keys and values, large values by their size */
    uint32_t height;     /* levels; 0 when empty */
    uint32_t references; /* 1 if any item holds a value reference */
} sop_btree;

/* On disk: root 16, count 8, bytes 8, height 1, references 1, zeros 6: one row of the base table. */
#define SOP_BTREE_ROW_SIZE 40u
void sop_btree_encode(const sop_btree *tree, uint8_t out[SOP_BTREE_ROW_SIZE]);
SOP_MUST_CHECK sop_status sop_btree_decode(sop_slice row,
                                           const sop_segments *segments,
                                           sop_btree *out,
                                           sop_error *err);

/* value.size is SOP_VALUE_REFERENCE_SIZE when is_reference. Points into the map. */
typedef struct {
    sop_slice value;
    int is_reference;
} sop_btree_value;

/* SOP_OK, SOP_NOT_FOUND (no message), SOP_CORRUPT. Cost: height nodes, about three cache lines each. */
SOP_MUST_CHECK sop_status sop_btree_get(const sop_btree *tree,
                                        sop_slice key,
                                        sop_btree_value *value_out,
                                        sop_error *err);
/* Remembers the leaf of the last lookup; all zero is valid, for one tree. */
typedef struct {
    const uint8_t *leaf;
    int is_last; /* of the tree */
} sop_btree_near;
/* As get, for keys that do not descend from call to call: neighbours cost one node. */
SOP_MUST_CHECK sop_status sop_btree_get_near(const sop_btree *tree,
                                             sop_btree_near *near,
                                             sop_slice key,
                                             sop_btree_value *value_out,
                                             sop_error *err);
/* Number of keys < key. *found_out (may be NULL): key itself is there. */
SOP_MUST_CHECK sop_status sop_btree_rank(
    const sop_btree *tree, sop_slice key, uint64_t *rank_out, int *found_out, sop_error *err);

/*
 * A position in a tree. Either at an item (at_item 1) or past one end (at_item 0).
 * Moves inside a leaf touch only that leaf. Keys are assembled in the cursor's own buffer.
 */
typedef struct {
    const uint8_t *node;
    uint32_t index; /* child taken, or item in the leaf */
    uint32_t count;
} sop_btree_level;

typedef struct {
    sop_btree tree;
    sop_btree_level levels[SOP_BTREE_HEIGHT_MAX]; /* [0] is the leaf */
    uint64_t leaf_rank;                           /* rank of item 0 of the current leaf */
    int at_item;
    int side;  /* when not at an item: -1 before the first, 1 after the last, 0 both (as new) */
    int ahead; /* bytes from an item to what the next moves will want: goes with their direction */
    uint32_t prefix_size; /* common prefix of the leaf, already in key_buffer */
    uint32_t key_size;    /* of the key in key_buffer; valid only if key_index == levels[0].index */
    uint32_t key_index;
    uint8_t key_buffer[SOP_BTREE_KEY_MAX + 64];
} sop_btree_cursor;

/* Past both ends at once: next goes to the first item, prev to the last. */
void sop_btree_cursor_init(sop_btree_cursor *cursor, const sop_btree *tree);
/* To the first item >= key; at_item 0 when there is none. *exact_out (may be NULL): it equals key. */
SOP_MUST_CHECK sop_status sop_btree_cursor_seek(sop_btree_cursor *cursor,
                                                sop_slice key,
                                                int *exact_out,
                                                sop_error *err);
/* To the item with that rank; at_item 0 when rank >= count. */
SOP_MUST_CHECK sop_status sop_btree_cursor_seek_rank(sop_btree_cursor *cursor,
                                                     uint64_t rank,
                                                     sop_error *err);
SOP_MUST_CHECK sop_status sop_btree_cursor_first(sop_btree_cursor *cursor, sop_error *err);
SOP_MUST_CHECK sop_status sop_btree_cursor_last(sop_btree_cursor *cursor, sop_error *err);
SOP_MUST_CHECK sop_status sop_btree_cursor_next_slow(sop_btree_cursor *cursor, sop_error *err);
SOP_MUST_CHECK sop_status sop_btree_cursor_prev_slow(sop_btree_cursor *cursor, sop_error *err);
/* At the end: at_item becomes 0. From past the end prev goes to the last item and next stays; from before the first likewise.
   A move that fails leaves the cursor where it was. */
SOP_INLINE SOP_MUST_CHECK sop_status sop_btree_cursor_next(sop_btree_cursor *cursor, sop_error *err)
{
    if (SOP_LIKELY(cursor->at_item && cursor->levels[0].index + 1 < cursor->levels[0].count)) {
        cursor->levels[0].index++;
        cursor->ahead = SOP_BTREE_AHEAD;
        return SOP_OK;
    }
    return sop_btree_cursor_next_slow(cursor, err);
}
SOP_INLINE SOP_MUST_CHECK sop_status sop_btree_cursor_prev(sop_btree_cursor *cursor, sop_error *err)
{
    if (SOP_LIKELY(cursor->at_item && cursor->levels[0].index > 0)) {
        cursor->levels[0].index--;
        cursor->ahead = -SOP_BTREE_AHEAD;
        return SOP_OK;
    }
    return sop_btree_cursor_prev_slow(cursor, err);
}
/* Need at_item. The key is valid until the cursor moves; the value as long as the segments. */
sop_slice sop_btree_cursor_key(sop_btree_cursor *cursor);
sop_btree_value sop_btree_cursor_value(const sop_btree_cursor *cursor);
/* Both at once, for a little less. */
sop_slice sop_btree_cursor_item(sop_btree_cursor *cursor, sop_btree_value *value_out);
/* Number of items before the position (0 before the first, count after the last). */
uint64_t sop_btree_cursor_rank(const sop_btree_cursor *cursor);
/* Index in the current leaf of its first item >= key (0..count): lets a merging cursor walk to there without comparing.
   The cursor must have been at an item of that leaf. */
uint32_t sop_btree_cursor_leaf_lower_bound(const sop_btree_cursor *cursor, sop_slice key);
/* Moves inside the current leaf only; index < levels[0].count. */
SOP_INLINE void sop_btree_cursor_leaf_set(sop_btree_cursor *cursor, uint32_t index)
{
    cursor->levels[0].index = index;
    cursor->at_item = 1;
}

/* Items taken in one go. Keys are put together in `keys`, one behind the other; values lie in the leaf. */
typedef struct {
    sop_item *items;
    size_t capacity;
    size_t count;
    uint8_t *keys; /* where the next key goes */
    size_t room;   /* bytes there; SOP_BTREE_PAGE_ROOM are enough for one item */
} sop_btree_page;
#define SOP_BTREE_PAGE_ROOM (SOP_BTREE_KEY_MAX + 32u)
/* Moves inside the current leaf from its current item towards `last` and takes each item it comes to. Stops at last, when the
   page is full, and before an item whose value is a reference. */
void sop_btree_cursor_take(sop_btree_cursor *cursor, uint32_t last, sop_btree_page *page);

/* Builds a tree from strictly ascending keys. */
typedef struct sop_btree_builder sop_btree_builder;
SOP_MUST_CHECK sop_status sop_btree_builder_new(sop_blob_writer *writer,
                                                sop_btree_builder **out,
                                                sop_error *err);
/* SOP_INVALID when key does not ascend. */
SOP_MUST_CHECK sop_status sop_btree_builder_add(
    sop_btree_builder *builder, sop_slice key, sop_slice value, int is_reference, sop_error *err);
/* The tree's segments pointer is NULL until the caller has opened a set that contains the writer's segments. */
SOP_MUST_CHECK sop_status sop_btree_builder_finish(sop_btree_builder *builder,
                                                   sop_btree *tree_out,
                                                   sop_error *err);
void sop_btree_builder_free(sop_btree_builder *builder); /* NULL allowed */

/* One change for a merge: the final state of a key. */
typedef struct {
    sop_slice key;
    sop_slice value;
    int is_reference;
    int present; /* 0: the key is gone */
} sop_btree_change;

/* What a merge needs from its caller. next: SOP_OK and *out set, or SOP_NOT_FOUND at the end; keys strictly ascend; slices valid
   until the next call. */
typedef struct {
    sop_status (*next)(void *context, sop_btree_change *out, sop_error *err);
    /* A node of the old tree is no longer part of the new one. */
    sop_status (*dead_node)(void *context, sop_address address, sop_error *err);
    /* A value reference of the old tree is gone (key removed or value replaced). */
    sop_status (*dead_value)(void *context, const uint8_t *reference, sop_error *err);
    /* 1: nodes in this segment are to be rewritten though unchanged (space reclaim). NULL: none. */
    int (*must_move)(void *context, uint64_t segment);
    void *context;
} sop_btree_merge_source;

/* Writes the changed leaves and their ancestors; nodes without changes are shared. Small neighbours are joined, full ones split. */
SOP_MUST_CHECK sop_status sop_btree_merge(const sop_btree *tree,
                                          const sop_btree_merge_source *source,
                                          sop_blob_writer *writer,
                                          sop_btree *tree_out,
                                          sop_error *err);

/* Walks a tree: fn for each node (address), value_fn (may be NULL) for each value reference; leaves without references are not
   read unless leaves is 1. */
typedef sop_status (*sop_btree_reference_fn)(const uint8_t *reference, void *context);
SOP_MUST_CHECK sop_status sop_btree_walk(const sop_btree *tree,
                                         int leaves,
                                         sop_address_fn fn,
                                         sop_btree_reference_fn value_fn,
                                         void *context,
                                         sop_error *err);

/* Checks every node of a tree: checksum, own address, order, separators, counts, bytes. Each finding goes to fn; SOP_OK if the walk
   could be finished. Always re-reads and verifies (also nodes verified before). */
typedef void (*sop_finding_fn)(sop_status status, const char *message, void *context);
SOP_MUST_CHECK sop_status sop_btree_check(
    const sop_btree *tree, sop_finding_fn fn, void *context, uint64_t *nodes_out, sop_error *err);

#endif
