/* SPDX-License-Identifier: MIT */
/*
 * Making nodes: a stream of items and of kept subtrees goes in at the bottom, a new tree comes out at the top.
 *
 * emit-1  pending(0) is a list of runs of items that no new leaf holds yet; pending(n), n > 0, a list of children of level n-1
 *         that no new node of level n holds yet. All keys in pending(n) are below those in pending(n-1).
 * emit-2  Right after a node of level n was kept, pending(0) to pending(n) are empty and the last child in pending(n+1) is it.
 * emit-3  What is pending and smaller than a quarter of a node is joined with a neighbour before it is written, if there is one.
 * emit-4  A separator is above every key to its left and at or below every key to its right; those of kept nodes stay.
 */
#ifndef SOP_BTREE_BTREE_EMIT_H
#define SOP_BTREE_BTREE_EMIT_H

#include <stddef.h>
#include <stdint.h>

#include "sop/types.h"

#include "blob/blob.h"
#include "btree/btree.h"
#include "btree/btree_node.h"
#include "util/arena.h"

/* No node has fewer children unless it must: bounds the height with keys of any size. */
#define SOP_BTREE_CHILDREN_MIN 6u

/* Items [from, to) of an old leaf, or one new item. */
typedef struct {
    const uint8_t *leaf; /* NULL: a new item */
    uint32_t from;
    uint32_t to;
    uint64_t bytes; /* of whole keys and values; may be up to 4 an item too high */
    sop_slice key;  /* of a new item; in the arena, as the value */
    sop_slice value;
    int is_reference;
} sop_leaf_run;

SOP_INLINE uint32_t sop_btree__run_items(const sop_leaf_run *run)
{
    return run->leaf == NULL ? 1 : run->to - run->from;
}
/* The key of one item of a run; scratch has room for SOP_BTREE_KEY_MAX + 4. */
sop_slice sop_btree__run_key(const sop_leaf_run *run, uint32_t item, uint8_t *scratch);
sop_leaf_run sop_btree__run_of(const uint8_t *leaf, uint32_t from, uint32_t to);

/* One child of a node to be. */
typedef struct {
    sop_address address;
    uint64_t items;
    sop_slice separator; /* in the arena of its level */
    int references;
    int kept; /* a node of the old tree: can be read */
} sop_inner_child;

/* --- btree_encode.c --- */

/* Both need room for SOP_BTREE_NODE_MAX bytes in out; they leave the place and the checksum to node_seal. */
typedef struct {
    const sop_leaf_run *runs;
    size_t count;
    uint32_t items;
    uint32_t prefix_size; /* of first_key */
    sop_slice first_key;
} sop_leaf_plan;
/* Exact size of the leaf. */
uint64_t sop_btree__leaf_size(const sop_leaf_plan *plan);
/* Returns whether there is a reference in it. */
int sop_btree__leaf_encode(const sop_leaf_plan *plan, uint8_t *out, uint32_t size);

typedef struct {
    const sop_inner_child *children;
    uint32_t count;
    uint32_t level;
    uint32_t prefix_size; /* of all separators but the first */
} sop_inner_plan;
uint64_t sop_btree__inner_size(const sop_inner_plan *plan);
int sop_btree__inner_encode(const sop_inner_plan *plan, uint8_t *out, uint32_t size);
void sop_btree__node_seal(uint8_t *node, sop_address address);

/* Copies the bytes of a slice into an arena and points it there; 0 when out of memory. */
SOP_INLINE int sop_btree__own(sop_arena *arena, sop_slice *slice)
{
    static const uint8_t nothing[1] = {0};
    slice->data = slice->size == 0 ? nothing : sop_arena_copy(arena, slice->data, slice->size);
    return slice->data != NULL;
}

uint32_t sop_btree__common_prefix(sop_slice a, sop_slice b);

/* --- btree_emit.c, btree_emit_leaf.c, btree_emit_inner.c --- */

typedef struct {
    sop_leaf_run *runs;
    size_t count;
    size_t capacity;
    uint64_t items;
    uint64_t bytes;    /* sum of runs */
    uint64_t check_at; /* bytes at which to look whether leaves can be written */
    sop_slice lower;   /* separator below the first item; in the arena */
    sop_arena arena;
    sop_arena spare;
} sop_pending_leaf;

typedef struct {
    sop_inner_child *children;
    size_t count;
    size_t capacity;
    uint64_t bytes; /* of separators */
    sop_arena arena;
    sop_arena spare;
} sop_pending_inner;

typedef struct {
    sop_blob_writer *writer;
    uint32_t node_size;
    const sop_segments *old;              /* of the old tree; NULL: nothing is kept */
    const sop_btree_merge_source *source; /* who hears of dead nodes; NULL: nobody */
    sop_pending_leaf leaf;
    sop_pending_inner inner[SOP_BTREE_HEIGHT_MAX + 1]; /* [0] unused; [height]: the root alone */
    uint8_t *node;                                     /* buffer of SOP_BTREE_NODE_MAX + 1 bytes */
    uint8_t first_key[SOP_BTREE_KEY_MAX + 16];
    uint8_t last_key[SOP_BTREE_KEY_MAX + 16];
    uint8_t scratch[SOP_BTREE_KEY_MAX + 16];
} sop_emitter;

/* node_size: the target; tests make it small to get tall trees. */
SOP_MUST_CHECK sop_status sop_btree__emitter_init(sop_emitter *e,
                                                  sop_blob_writer *writer,
                                                  uint32_t node_size,
                                                  sop_error *err);
void sop_btree__emitter_deinit(sop_emitter *e);
SOP_INLINE int sop_btree__emitter_empty(const sop_emitter *e)
{
    return e->leaf.count == 0;
}
/* SOP_CORRUPT unless what is pending lies below the separator of an old node, as it must in a sound tree. */
SOP_MUST_CHECK sop_status sop_btree__emit_order(sop_emitter *e,
                                                sop_slice separator,
                                                sop_address from,
                                                sop_error *err);
/* All items from here on are at or above the separator. Counts only while no item is pending. */
SOP_MUST_CHECK sop_status sop_btree__emit_lower(sop_emitter *e,
                                                sop_slice separator,
                                                sop_error *err);
/* A new item; copied. */
SOP_MUST_CHECK sop_status sop_btree__emit_item(
    sop_emitter *e, sop_slice key, sop_slice value, int is_reference, sop_error *err);
/* Items of an old leaf; not copied. */
SOP_MUST_CHECK sop_status sop_btree__emit_run(
    sop_emitter *e, const uint8_t *leaf, uint32_t from, uint32_t to, sop_error *err);
/* A subtree that has not changed: node of that level. The separator is copied. */
SOP_MUST_CHECK sop_status sop_btree__emit_keep(sop_emitter *e,
                                               uint32_t level,
                                               const sop_inner_child *child,
                                               sop_error *err);
/* Writes what is left; tree_out gets everything but bytes and segments. */
SOP_MUST_CHECK sop_status sop_btree__emit_finish(sop_emitter *e,
                                                 sop_btree *tree_out,
                                                 sop_error *err);

/* How many nodes weight bytes are cut into: 1 up to a quarter above the target. */
uint64_t sop_btree__pieces(uint64_t weight, uint32_t node_size);
SOP_MUST_CHECK sop_status sop_btree__dead_node(sop_emitter *e, sop_address address, sop_error *err);
/* Writes leaves until less than keep_bytes (0: nothing) is pending. */
SOP_MUST_CHECK sop_status sop_btree__leaf_flush(sop_emitter *e,
                                                uint64_t keep_bytes,
                                                sop_error *err);
/* Nodes of that level from pending(level), into pending(level + 1). */
SOP_MUST_CHECK sop_status sop_btree__inner_flush(sop_emitter *e,
                                                 uint32_t level,
                                                 uint64_t keep_bytes,
                                                 sop_error *err);
/* Writes inner nodes of levels on which very much is pending. */
SOP_MUST_CHECK sop_status sop_btree__stream_inner(sop_emitter *e, sop_error *err);
int sop_btree__leaf_small(sop_emitter *e);
int sop_btree__inner_small(const sop_emitter *e, uint32_t level);
/* SOP_CORRUPT unless the keys of an old leaf are at or above its separator. */
SOP_MUST_CHECK sop_status sop_btree__leaf_order(const uint8_t *leaf,
                                                sop_slice separator,
                                                sop_error *err);
/* Puts an old leaf before (front 1) or behind what is pending. */
SOP_MUST_CHECK sop_status sop_btree__leaf_add_run(sop_emitter *e,
                                                  const sop_leaf_run *run,
                                                  int front,
                                                  sop_error *err);
/* Copies a child into pending(level), at position at. */
SOP_MUST_CHECK sop_status sop_btree__inner_add(
    sop_emitter *e, uint32_t level, size_t at, const sop_inner_child *child, sop_error *err);
/* Puts all children of an old node into pending(level), from position at on. lower: separator of the node. */
SOP_MUST_CHECK sop_status sop_btree__inner_add_node(
    sop_emitter *e, const uint8_t *node, size_t at, sop_slice lower, sop_error *err);
sop_inner_child sop_btree__child_of(const uint8_t *node, uint32_t index);

#endif
