/* SPDX-License-Identifier: MIT */
/* Pending children: collecting them, cutting them into inner nodes, writing these. */
#include "btree/btree_emit.h"
#include "util/assert.h"
#include "util/error.h"
#include "util/memory.h"

/* One head in eight is a sample too. */
enum { CHILD_WEIGHT = SOP_INNER_CHILD + 1 };

static sop_status no_memory(sop_error *err)
{
    return sop_fail(err, SOP_NO_MEMORY, "no memory for the children of new nodes");
}

sop_inner_child sop_btree__child_of(const uint8_t *node, uint32_t index)
{
    sop_inner_child child = {.address = sop_btree__child_address(node, index),
                             .items = sop_btree__before(node, index + 1) -
                                      sop_btree__before(node, index),
                             .references = sop_btree__child_references(node, index),
                             .kept = 1};
    return child;
}

/* The bytes that all separators of count children but the first begin with. */
static uint32_t separators_prefix(const sop_inner_child *children, size_t count)
{
    if (count < 2) return 0;
    return sop_btree__common_prefix(children[1].separator, children[count - 1].separator);
}

/* What count children take in inner nodes, but for headers. */
static uint64_t children_weight(const sop_inner_child *children, size_t count, uint32_t prefix_size)
{
    uint64_t weight = count * CHILD_WEIGHT;
    for (size_t i = 1; i < count; i++) {
        weight += children[i].separator.size - prefix_size;
    }
    return weight;
}

int sop_btree__inner_small(const sop_emitter *e, uint32_t level)
{
    const sop_pending_inner *p = &e->inner[level];
    if (p->count == 0) return 0;
    uint32_t prefix_size = separators_prefix(p->children, p->count);
    return p->count < 2 || children_weight(p->children, p->count, prefix_size) * 4 < e->node_size;
}

/* The first children, enough for goal bytes; never one child alone, and none left alone. */
static size_t cut_children(const sop_pending_inner *p, uint64_t goal, uint32_t prefix_size)
{
    uint64_t weight = CHILD_WEIGHT;
    size_t count = 1;
    while (count < p->count && weight < goal) {
        weight += CHILD_WEIGHT + p->children[count].separator.size - prefix_size;
        count++;
    }
    if (count < SOP_BTREE_CHILDREN_MIN) count = SOP_BTREE_CHILDREN_MIN;
    if (count + 1 == p->count) count--;
    return count < p->count ? count : p->count;
}

static sop_status children_write(sop_emitter *e, uint32_t level, size_t count, sop_error *err)
{
    const sop_pending_inner *p = &e->inner[level];
    sop_inner_plan plan = {.children = p->children,
                           .count = (uint32_t)count,
                           .level = level,
                           .prefix_size = separators_prefix(p->children, count)};
    uint64_t size = sop_btree__inner_size(&plan);
    SOP_ASSERT(size <= SOP_BTREE_NODE_MAX);
    sop_inner_child parent = {.separator = p->children[0].separator};
    sop_status status = sop_blob_writer_place(e->writer, (size_t)size, &parent.address, err);
    if (status != SOP_OK) return status;
    parent.references = sop_btree__inner_encode(&plan, e->node, (uint32_t)size);
    parent.items = sop_btree__items(e->node);
    sop_btree__node_seal(e->node, parent.address);
    status = sop_blob_writer_append(e->writer, e->node, (size_t)size, err);
    if (status != SOP_OK) return status;
    return sop_btree__inner_add(e, level + 1, e->inner[level + 1].count, &parent, err);
}

static void drop_children(sop_pending_inner *p, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        p->bytes -= p->children[i].separator.size;
    }
    memmove(p->children, p->children + count, (p->count - count) * sizeof *p->children);
    p->count -= count;
}

static sop_status compact_arena(sop_pending_inner *p, sop_error *err)
{
    sop_arena_reset(&p->spare);
    for (size_t i = 0; i < p->count; i++) {
        if (!sop_btree__own(&p->spare, &p->children[i].separator)) return no_memory(err);
    }
    sop_arena swap = p->arena;
    p->arena = p->spare;
    p->spare = swap;
    return SOP_OK;
}

sop_status
sop_btree__inner_flush(sop_emitter *e, uint32_t level, uint64_t keep_bytes, sop_error *err)
{
    sop_pending_inner *p = &e->inner[level];
    if (level >= SOP_BTREE_HEIGHT_MAX) {
        return sop_fail(err, SOP_TOO_LARGE, "a tree of more than %u levels", SOP_BTREE_HEIGHT_MAX);
    }
    while (p->count > 0) {
        uint32_t prefix_size = separators_prefix(p->children, p->count);
        uint64_t weight = children_weight(p->children, p->count, prefix_size);
        uint64_t goal = e->node_size;
        if (keep_bytes == 0) {
            uint64_t pieces = sop_btree__pieces(weight, e->node_size);
            uint64_t most = p->count / SOP_BTREE_CHILDREN_MIN;
            if (pieces > most) pieces = most;
            goal = pieces <= 1 ? UINT64_MAX : weight / pieces;
        } else if (weight < keep_bytes + e->node_size ||
                   p->count < (size_t)3 * SOP_BTREE_CHILDREN_MIN) {
            break;
        }
        size_t count = cut_children(p, goal, prefix_size);
        sop_status status = children_write(e, level, count, err);
        if (status != SOP_OK) return status;
        drop_children(p, count);
    }
    if (p->count > 0) return compact_arena(p, err);
    sop_arena_reset(&p->arena);
    return SOP_OK;
}

sop_status sop_btree__inner_add(
    sop_emitter *e, uint32_t level, size_t at, const sop_inner_child *child, sop_error *err)
{
    SOP_ASSERT(level >= 1 && level <= SOP_BTREE_HEIGHT_MAX);
    sop_pending_inner *p = &e->inner[level];
    if ((at > 0 && sop_slice_compare(p->children[at - 1].separator, child->separator) >= 0) ||
        (at < p->count && sop_slice_compare(child->separator, p->children[at].separator) >= 0)) {
        return sop_btree__bad(child->address, err, "separators of neighbours do not ascend");
    }
    if (p->count == p->capacity) {
        size_t capacity = p->capacity == 0 ? 64 : p->capacity * 2;
        void *grown = sop_realloc(p->children, capacity * sizeof *p->children);
        if (grown == NULL) return no_memory(err);
        p->children = grown;
        p->capacity = capacity;
    }
    sop_slice separator = child->separator;
    if (!sop_btree__own(&p->arena, &separator)) return no_memory(err);
    memmove(p->children + at + 1, p->children + at, (p->count - at) * sizeof *p->children);
    p->children[at] = *child;
    p->children[at].separator = separator;
    p->count++;
    p->bytes += separator.size;
    return SOP_OK;
}

sop_status sop_btree__inner_add_node(
    sop_emitter *e, const uint8_t *node, size_t at, sop_slice lower, sop_error *err)
{
    uint32_t level = sop_btree__level(node);
    for (uint32_t i = 0; i < sop_btree__count(node); i++) {
        sop_inner_child child = sop_btree__child_of(node, i);
        child.separator = lower;
        if (i > 0) {
            child.separator = sop_slice_of(e->scratch, sop_btree__separator(node, i, e->scratch));
        }
        sop_status status = sop_btree__inner_add(e, level, at + i, &child, err);
        if (status != SOP_OK) return status;
    }
    return SOP_OK;
}
