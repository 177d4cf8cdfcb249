/* SPDX-License-Identifier: MIT */
/* The levels of a tree under construction: keeping old subtrees, joining small neighbours, finding the root. */
#include "btree/btree_emit.h"

#include "util/assert.h"
#include "util/error.h"
#include "util/memory.h"

enum { STREAM_NODES = 16, STREAM_KEEP = 2 };

uint64_t sop_btree__pieces(uint64_t weight, uint32_t node_size)
{
    uint64_t most = node_size + node_size / 4;
    if (weight <= most) return 1;
    uint64_t by_target = weight / node_size;
    uint64_t by_most = (weight + most - 1) / most;
    return by_target > by_most ? by_target : by_most;
}

sop_status
sop_btree__emitter_init(sop_emitter *e, sop_blob_writer *writer, uint32_t node_size, sop_error *err)
{
    *e = (sop_emitter){.writer = writer, .node_size = node_size};
    e->node = sop_alloc(SOP_BTREE_NODE_MAX + 1);
    if (e->node == NULL) return sop_fail(err, SOP_NO_MEMORY, "no memory for building a tree");
    return SOP_OK;
}

void sop_btree__emitter_deinit(sop_emitter *e)
{
    sop_free(e->node);
    sop_free(e->leaf.runs);
    sop_arena_deinit(&e->leaf.arena);
    sop_arena_deinit(&e->leaf.spare);
    for (uint32_t i = 1; i <= SOP_BTREE_HEIGHT_MAX; i++) {
        sop_free(e->inner[i].children);
        sop_arena_deinit(&e->inner[i].arena);
        sop_arena_deinit(&e->inner[i].spare);
    }
}

sop_status sop_btree__dead_node(sop_emitter *e, sop_address address, sop_error *err)
{
    return e->source->dead_node(e->source->context, address, err);
}

static int level_empty(const sop_emitter *e, uint32_t level)
{
    return level == 0 ? e->leaf.count == 0 : e->inner[level].count == 0;
}

static int level_small(sop_emitter *e, uint32_t level)
{
    return level == 0 ? sop_btree__leaf_small(e) : sop_btree__inner_small(e, level);
}

static sop_status level_flush(sop_emitter *e, uint32_t level, sop_error *err)
{
    return level == 0 ? sop_btree__leaf_flush(e, 0, err) : sop_btree__inner_flush(e, level, 0, err);
}

sop_status sop_btree__stream_inner(sop_emitter *e, sop_error *err)
{
    for (uint32_t level = 1; level < SOP_BTREE_HEIGHT_MAX; level++) {
        const sop_pending_inner *p = &e->inner[level];
        uint64_t bytes = p->bytes + p->count * SOP_INNER_CHILD;
        if (bytes < (uint64_t)STREAM_NODES * e->node_size) continue;
        uint64_t keep = (uint64_t)STREAM_KEEP * e->node_size;
        sop_status status = sop_btree__inner_flush(e, level, keep, err);
        if (status != SOP_OK) return status;
    }
    return SOP_OK;
}

sop_status sop_btree__leaf_order(const uint8_t *leaf, sop_slice separator, sop_error *err)
{
    int equal = 0;
    if (sop_btree__leaf_bound(leaf, separator, &equal) == 0) return SOP_OK;
    return sop_btree__bad(sop_btree__own_address(leaf), err,
                          "its first key is below its separator");
}

/* Takes the content of an old node into what is pending on its level; the node is dead. */
static sop_status absorb(sop_emitter *e,
                         uint32_t level,
                         const sop_inner_child *child,
                         const uint8_t *node,
                         sop_error *err)
{
    sop_status status = SOP_OK;
    if (level == 0) {
        status = sop_btree__leaf_order(node, child->separator, err);
        if (status != SOP_OK) return status;
        sop_leaf_run run = sop_btree__run_of(node, 0, sop_btree__count(node));
        status = sop_btree__leaf_add_run(e, &run, 0, err);
    } else {
        size_t at = e->inner[level].count;
        status = sop_btree__inner_add_node(e, node, at, child->separator, err);
    }
    return status == SOP_OK ? sop_btree__dead_node(e, child->address, err) : status;
}

/* Keeps the children of an old node of that level instead of the node, which is dead. */
static sop_status open_and_keep(sop_emitter *e,
                                uint32_t level,
                                const sop_inner_child *parent,
                                const uint8_t *node,
                                sop_error *err);

/* Each turn goes one level down, and a node's level is below SOP_BTREE_HEIGHT_MAX:
   NOLINTBEGIN(misc-no-recursion) */
sop_status
sop_btree__emit_keep(sop_emitter *e, uint32_t level, const sop_inner_child *child, sop_error *err)
{
    SOP_ASSERT(level < SOP_BTREE_HEIGHT_MAX);
    sop_status status = sop_btree__emit_order(e, child->separator, child->address, err);
    if (status != SOP_OK) return status;
    for (uint32_t i = 0; i <= level; i++) {
        if (level_empty(e, i)) continue;
        if (level_small(e, i)) {
            const uint8_t *node = NULL;
            status = sop_btree__node_open(e->old, child->address, level, &node, err);
            if (status != SOP_OK) return status;
            if (i == level) return absorb(e, level, child, node, err);
            return open_and_keep(e, level, child, node, err);
        }
        status = level_flush(e, i, err);
        if (status != SOP_OK) return status;
    }
    status = sop_btree__inner_add(e, level + 1, e->inner[level + 1].count, child, err);
    return status == SOP_OK ? sop_btree__stream_inner(e, err) : status;
}

static sop_status open_and_keep(sop_emitter *e,
                                uint32_t level,
                                const sop_inner_child *parent,
                                const uint8_t *node,
                                sop_error *err)
{
    uint8_t *scratch = sop_alloc(SOP_BTREE_KEY_MAX + 16);
    if (scratch == NULL) return sop_fail(err, SOP_NO_MEMORY, "no memory for a separator");
    sop_status status = sop_btree__dead_node(e, parent->address, err);
    for (uint32_t i = 0; i < sop_btree__count(node) && status == SOP_OK; i++) {
        sop_inner_child child = sop_btree__child_of(node, i);
        child.separator = parent->separator;
        if (i > 0) child.separator = sop_slice_of(scratch, sop_btree__separator(node, i, scratch));
        status = sop_btree__emit_keep(e, level - 1, &child, err);
    }
    sop_free(scratch);
    return status;
}

/* NOLINTEND(misc-no-recursion) */

/* The lowest level above that has something pending; 0 when there is none. */
static uint32_t next_above(const sop_emitter *e, uint32_t level)
{
    for (uint32_t i = level + 1; i <= SOP_BTREE_HEIGHT_MAX; i++) {
        if (!level_empty(e, i)) return i;
    }
    return 0;
}

/* Puts the items of an old leaf before those that are pending. */
static sop_status
pull_leaf(sop_emitter *e, const uint8_t *leaf, sop_slice separator, sop_error *err)
{
    uint32_t count = sop_btree__count(leaf);
    sop_slice last = {e->last_key, sop_btree__leaf_key(leaf, count - 1, e->last_key)};
    sop_slice first = sop_btree__run_key(&e->leaf.runs[0], 0, e->first_key);
    if (sop_slice_compare(last, first) >= 0) {
        return sop_btree__bad(sop_btree__own_address(leaf), err,
                              "its last key is not below the keys behind it");
    }
    sop_status status = sop_btree__leaf_order(leaf, separator, err);
    if (status != SOP_OK) return status;
    sop_leaf_run run = sop_btree__run_of(leaf, 0, count);
    status = sop_btree__leaf_add_run(e, &run, 1, err);
    e->leaf.lower = separator;
    if (!sop_btree__own(&e->leaf.arena, &e->leaf.lower)) {
        return sop_fail(err, SOP_NO_MEMORY, "no memory for a separator");
    }
    return status;
}

/* At the end of the stream: joins what is pending on a level, and small, with its left neighbour, if that can be read. */
static sop_status pull_left(sop_emitter *e, uint32_t level, sop_error *err)
{
    for (uint32_t above = next_above(e, level); above > level; above--) {
        sop_pending_inner *p = &e->inner[above];
        const sop_inner_child last = p->children[p->count - 1];
        if (!last.kept) return SOP_OK;
        const uint8_t *node = NULL;
        sop_status status = sop_btree__node_open(e->old, last.address, above - 1, &node, err);
        if (status != SOP_OK) return status;
        p->count--;
        p->bytes -= last.separator.size;
        status = sop_btree__dead_node(e, last.address, err);
        if (status != SOP_OK) return status;
        if (above > 1) {
            status = sop_btree__inner_add_node(e, node, 0, last.separator, err);
        } else {
            status = pull_leaf(e, node, last.separator, err);
        }
        if (status != SOP_OK) return status;
    }
    return SOP_OK;
}

sop_status sop_btree__emit_finish(sop_emitter *e, sop_btree *tree_out, sop_error *err)
{
    *tree_out = (sop_btree){0};
    for (uint32_t level = 0; level <= SOP_BTREE_HEIGHT_MAX; level++) {
        uint32_t above = next_above(e, level);
        if (level > 0 && above == 0 && e->inner[level].count == 1) {
            const sop_inner_child *root = &e->inner[level].children[0];
            tree_out->root = root->address;
            tree_out->count = root->items;
            tree_out->height = level;
            tree_out->references = root->references != 0;
            return SOP_OK;
        }
        if (level_empty(e, level)) {
            if (above == 0) return SOP_OK;
            continue;
        }
        sop_status status = SOP_OK;
        if (above != 0 && level_small(e, level)) status = pull_left(e, level, err);
        if (status == SOP_OK) status = level_flush(e, level, err);
        if (status != SOP_OK) return status;
    }
    SOP_ASSERT(0 && "the root is found or the tree is too tall");
    return SOP_CORRUPT;
}
