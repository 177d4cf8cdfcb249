/* SPDX-License-Identifier: MIT */
/* Pending items: collecting runs, cutting them into leaves, writing these. */
#include "btree/btree_emit.h"
#include "util/assert.h"
#include "util/error.h"
#include "util/memory.h"

/* From this many target sizes on, leaves are written while the stream goes on. */
enum { STREAM_NODES = 16, STREAM_KEEP = 2 };

static sop_status no_memory(sop_error *err)
{
    return sop_fail(err, SOP_NO_MEMORY, "no memory for the items of new leaves");
}

static uint64_t raw_bytes(const sop_pending_leaf *p)
{
    return p->bytes + p->items * SOP_BLOCK_ITEMS;
}

static sop_slice last_key(const sop_leaf_run *runs, size_t count, uint8_t *scratch)
{
    const sop_leaf_run *last = &runs[count - 1];
    return sop_btree__run_key(last, sop_btree__run_items(last) - 1, scratch);
}

/* The bytes that all pending keys begin with. */
static uint32_t pending_prefix(sop_emitter *e)
{
    const sop_pending_leaf *p = &e->leaf;
    sop_slice first = sop_btree__run_key(&p->runs[0], 0, e->first_key);
    return sop_btree__common_prefix(first, last_key(p->runs, p->count, e->last_key));
}

/* What the pending items take in leaves, but for headers and the rounding of arrays. */
static uint64_t pending_weight(const sop_pending_leaf *p, uint32_t prefix_size)
{
    return raw_bytes(p) - p->items * prefix_size;
}

int sop_btree__leaf_small(sop_emitter *e)
{
    return e->leaf.count > 0 && pending_weight(&e->leaf, pending_prefix(e)) * 4 < e->node_size;
}

static uint64_t items_weight(const sop_leaf_run *run, uint32_t items, uint32_t prefix_size)
{
    uint64_t overhead = (uint64_t)items * SOP_BLOCK_ITEMS;
    if (run->leaf == NULL) return items == 0 ? 0 : run->bytes + overhead - prefix_size;
    sop_leaf_run part = sop_btree__run_of(run->leaf, run->from, run->from + items);
    return part.bytes + overhead - (uint64_t)items * prefix_size;
}

/* Items of the run that come nearest to a weight. */
static uint32_t cut_run(const sop_leaf_run *run, uint64_t goal, uint32_t prefix_size)
{
    uint32_t low = 0;
    uint32_t high = sop_btree__run_items(run);
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (items_weight(run, middle, prefix_size) < goal) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low == 0) return 0;
    uint64_t above = items_weight(run, low, prefix_size);
    uint64_t below = items_weight(run, low - 1, prefix_size);
    return above > goal && above - goal > goal - below ? low - 1 : low;
}

/* Number of pending items, at least 1, whose weight comes nearest to goal. */
static uint64_t cut_pending(const sop_pending_leaf *p, uint64_t goal, uint32_t prefix_size)
{
    uint64_t items = 0;
    for (size_t i = 0; i < p->count; i++) {
        const sop_leaf_run *run = &p->runs[i];
        uint64_t weight = items_weight(run, sop_btree__run_items(run), prefix_size);
        if (weight >= goal) {
            items += cut_run(run, goal, prefix_size);
            break;
        }
        items += sop_btree__run_items(run);
        goal -= weight;
    }
    return items == 0 ? 1 : items;
}

static sop_status runs_reserve(sop_pending_leaf *p, sop_error *err)
{
    if (p->count < p->capacity) return SOP_OK;
    size_t capacity = p->capacity == 0 ? 256 : p->capacity * 2;
    void *grown = sop_realloc(p->runs, capacity * sizeof *p->runs);
    if (grown == NULL) return no_memory(err);
    p->runs = grown;
    p->capacity = capacity;
    return SOP_OK;
}

/* Makes a run end after that many items; *count_out is the number of runs up to there. */
static sop_status split_runs(sop_pending_leaf *p, uint64_t items, size_t *count_out, sop_error *err)
{
    size_t i = 0;
    while (items > 0 && items >= sop_btree__run_items(&p->runs[i])) {
        items -= sop_btree__run_items(&p->runs[i]);
        i++;
    }
    *count_out = i;
    if (items == 0) return SOP_OK;
    sop_status status = runs_reserve(p, err);
    if (status != SOP_OK) return status;
    memmove(p->runs + i + 1, p->runs + i, (p->count - i) * sizeof *p->runs);
    p->count++;
    sop_leaf_run *run = &p->runs[i];
    uint32_t middle = run->from + (uint32_t)items;
    p->runs[i + 1] = sop_btree__run_of(run->leaf, middle, run->to);
    *run = sop_btree__run_of(run->leaf, run->from, middle);
    *count_out = i + 1;
    return SOP_OK;
}

/* Writes the first runs, items in all, as one leaf and gives it to pending(1). */
static sop_status leaf_write(sop_emitter *e, const sop_leaf_plan *plan, sop_error *err)
{
    uint32_t size = (uint32_t)sop_btree__leaf_size(plan);
    sop_inner_child child = {.items = plan->items, .separator = e->leaf.lower};
    sop_status status = sop_blob_writer_place(e->writer, size, &child.address, err);
    if (status != SOP_OK) return status;
    uint8_t *node = sop_blob_writer_room(e->writer);
    if (node == NULL) node = e->node;
    child.references = sop_btree__leaf_encode(plan, node, size);
    sop_btree__node_seal(node, child.address);
    status = sop_blob_writer_append(e->writer, node, size, err);
    if (status != SOP_OK) return status;
    return sop_btree__inner_add(e, 1, e->inner[1].count, &child, err);
}

/* Forgets the first runs; the next leaf is separated from the last key of these by as few bytes as can be. */
static sop_status drop_runs(sop_emitter *e, size_t count, uint64_t items, sop_error *err)
{
    sop_pending_leaf *p = &e->leaf;
    uint64_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        bytes += p->runs[i].bytes;
    }
    if (count < p->count) {
        sop_slice left = last_key(p->runs, count, e->last_key);
        sop_slice right = sop_btree__run_key(&p->runs[count], 0, e->first_key);
        size_t size = sop_btree__common_prefix(left, right) + 1;
        SOP_ASSERT(size <= right.size);
        p->lower = sop_slice_of(right.data, size);
        if (!sop_btree__own(&p->arena, &p->lower)) return no_memory(err);
    }
    memmove(p->runs, p->runs + count, (p->count - count) * sizeof *p->runs);
    p->count -= count;
    p->items -= items;
    p->bytes -= bytes;
    return SOP_OK;
}

/* Writes one leaf of the first items. */
static sop_status leaf_cut(sop_emitter *e, uint64_t items, sop_error *err)
{
    sop_pending_leaf *p = &e->leaf;
    sop_leaf_plan plan = {0};
    for (;; items /= 2) {
        sop_status status = split_runs(p, items, &plan.count, err);
        if (status != SOP_OK) return status;
        plan.runs = p->runs;
        plan.items = (uint32_t)items;
        plan.first_key = sop_btree__run_key(&p->runs[0], 0, e->first_key);
        sop_slice last = last_key(p->runs, plan.count, e->last_key);
        plan.prefix_size = sop_btree__common_prefix(plan.first_key, last);
        /* Keys that share less than they did in their old leaves may not fit any more. */
        if (sop_btree__leaf_size(&plan) <= SOP_BTREE_NODE_MAX) break;
        SOP_ASSERT(items > 1);
    }
    sop_status status = leaf_write(e, &plan, err);
    if (status == SOP_OK) status = drop_runs(e, plan.count, items, err);
    return status;
}

/* Copies what the arena still holds of use into the other one, and starts over with that. */
static sop_status compact_arena(sop_pending_leaf *p, sop_error *err)
{
    sop_arena_reset(&p->spare);
    for (size_t i = 0; i < p->count; i++) {
        sop_leaf_run *run = &p->runs[i];
        if (run->leaf != NULL) continue;
        if (!sop_btree__own(&p->spare, &run->key)) return no_memory(err);
        if (!sop_btree__own(&p->spare, &run->value)) return no_memory(err);
    }
    if (!sop_btree__own(&p->spare, &p->lower)) return no_memory(err);
    sop_arena swap = p->arena;
    p->arena = p->spare;
    p->spare = swap;
    return SOP_OK;
}

sop_status sop_btree__leaf_flush(sop_emitter *e, uint64_t keep_bytes, sop_error *err)
{
    sop_pending_leaf *p = &e->leaf;
    while (p->count > 0) {
        uint32_t prefix_size = pending_prefix(e);
        uint64_t weight = pending_weight(p, prefix_size);
        uint64_t items = p->items;
        if (keep_bytes == 0) {
            uint64_t pieces = sop_btree__pieces(weight, e->node_size);
            if (pieces > 1) items = cut_pending(p, weight / pieces, prefix_size);
        } else {
            if (weight < keep_bytes + e->node_size) break;
            items = cut_pending(p, e->node_size, prefix_size);
            /* The last item stays: the separator of what follows is made from it. */
            if (items == p->items) break;
        }
        sop_status status = leaf_cut(e, items, err);
        if (status != SOP_OK) return status;
    }
    p->check_at = (uint64_t)STREAM_NODES * e->node_size;
    if (p->count == 0) {
        sop_arena_reset(&p->arena);
        p->lower = sop_slice_of(NULL, 0);
        return SOP_OK;
    }
    /* A long common prefix may keep everything back; then look again only when there is much more. */
    if (p->check_at < raw_bytes(p) * 2) p->check_at = raw_bytes(p) * 2;
    return compact_arena(p, err);
}

sop_status
sop_btree__leaf_add_run(sop_emitter *e, const sop_leaf_run *run, int front, sop_error *err)
{
    sop_pending_leaf *p = &e->leaf;
    sop_status status = runs_reserve(p, err);
    if (status != SOP_OK) return status;
    size_t at = p->count;
    if (front) {
        memmove(p->runs + 1, p->runs, p->count * sizeof *p->runs);
        at = 0;
    }
    p->runs[at] = *run;
    p->count++;
    p->items += sop_btree__run_items(run);
    p->bytes += run->bytes;
    return SOP_OK;
}

static sop_status stream_leaves(sop_emitter *e, sop_error *err)
{
    if (SOP_LIKELY(raw_bytes(&e->leaf) < e->leaf.check_at)) return SOP_OK;
    sop_status status = sop_btree__leaf_flush(e, (uint64_t)STREAM_KEEP * e->node_size, err);
    return status == SOP_OK ? sop_btree__stream_inner(e, err) : status;
}

sop_status
sop_btree__emit_order(sop_emitter *e, sop_slice separator, sop_address from, sop_error *err)
{
    const sop_pending_leaf *p = &e->leaf;
    if (p->count == 0) return SOP_OK;
    sop_slice last = last_key(p->runs, p->count, e->last_key);
    if (sop_slice_compare(last, separator) < 0) return SOP_OK;
    return sop_btree__bad(from, err, "keys before it are not below its separator");
}

sop_status sop_btree__emit_lower(sop_emitter *e, sop_slice separator, sop_error *err)
{
    sop_pending_leaf *p = &e->leaf;
    if (p->count > 0) return SOP_OK;
    sop_arena_reset(&p->arena);
    p->lower = separator;
    return sop_btree__own(&p->arena, &p->lower) ? SOP_OK : no_memory(err);
}

sop_status sop_btree__emit_item(
    sop_emitter *e, sop_slice key, sop_slice value, int is_reference, sop_error *err)
{
    sop_pending_leaf *p = &e->leaf;
    uint8_t *copy = sop_arena_alloc(&p->arena, key.size + value.size);
    if (copy == NULL) return no_memory(err);
    memcpy(copy, key.data, key.size);
    if (value.size != 0) memcpy(copy + key.size, value.data, value.size);
    sop_leaf_run run = {.bytes = key.size + value.size,
                        .key = {copy, key.size},
                        .value = {copy + key.size, value.size},
                        .is_reference = is_reference};
    sop_status status = sop_btree__leaf_add_run(e, &run, 0, err);
    return status == SOP_OK ? stream_leaves(e, err) : status;
}

sop_status
sop_btree__emit_run(sop_emitter *e, const uint8_t *leaf, uint32_t from, uint32_t to, sop_error *err)
{
    if (from == to) return SOP_OK;
    sop_leaf_run run = sop_btree__run_of(leaf, from, to);
    sop_status status = sop_btree__leaf_add_run(e, &run, 0, err);
    return status == SOP_OK ? stream_leaves(e, err) : status;
}
