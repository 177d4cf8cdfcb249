/* SPDX-License-Identifier: MIT */
/* Builds a layer bottom-up from sorted items. */
#include <stdatomic.h>

#include "memtable/memtable_private.h"

/* Nodes are left with some room, so that the first inserts after recovery do not split every leaf. */
enum { BULK_FILL = 56 };

void sop_memtable_bulk_begin(sop_memtable_bulk *bulk, sop_memtable *table, uint64_t seq)
{
    SOP_ASSERT(sop_memtable_items(table) == 0);
    *bulk = (sop_memtable_bulk){.table = table};
    sop_memtable_begin(table, seq);
}

/* Adds a finished node to the open node above it; a full one is finished in turn. */
/* NOLINTNEXTLINE(misc-no-recursion): each turn goes one level up; the level is asserted. */
static sop_status node_finish(sop_memtable_bulk *bulk, unsigned level)
{
    sop_memnode *node = bulk->nodes[level];
    sop_memnode__sum(node);
    sop_memnode__sharpen(node);
    SOP_ASSERT(level + 1 < SOP_MEMTREE_HEIGHT_MAX);
    if (level + 1 < bulk->height) {
        const sop_memnode *above = bulk->nodes[level + 1];
        if (above->count == BULK_FILL) {
            sop_status status = node_finish(bulk, level + 1);
            if (status != SOP_OK) return status;
        }
    } else {
        bulk->nodes[level + 1] = NULL;
        bulk->height++;
    }
    if (bulk->nodes[level + 1] == NULL) {
        bulk->nodes[level + 1] = sop_memnode__new(bulk->table, level + 1, SOP_MEMNODE_FANOUT);
        if (bulk->nodes[level + 1] == NULL) return SOP_NO_MEMORY;
    }
    sop_memnode *above = bulk->nodes[level + 1];
    sop_memnode__insert_child(above, above->count, node);
    bulk->nodes[level] = NULL;
    return SOP_OK;
}

/* Ends the tree of the current store and hangs it into the map. */
static sop_status store_finish(sop_memtable_bulk *bulk)
{
    sop_memtable *table = bulk->table;
    if (bulk->height == 0) return SOP_OK;
    for (unsigned level = 0; level + 1 < bulk->height; level++) {
        sop_status status = bulk->nodes[level] == NULL ? SOP_OK : node_finish(bulk, level);
        if (status != SOP_OK) return status;
    }
    sop_memnode *top = bulk->nodes[bulk->height - 1];
    sop_memnode__sum(top);
    sop_memnode__sharpen(top);
    sop_memnode **slot = sop_memmap__slot(table, bulk->store);
    if (slot == NULL) return SOP_NO_MEMORY;
    *slot = top;
    uint64_t items = sop_memtable_items(table) + top->items;
    atomic_store_explicit(&table->items, items, memory_order_relaxed);
    bulk->height = 0;
    return SOP_OK;
}

static sop_record *item_record(sop_memtable *table, const sop_memtable_item *item)
{
    size_t value_size = (item->flags & SOP_RECORD_PRESENT) != 0 ? item->value.size : 0;
    size_t bytes = sop_record__bytes(item->key.size, value_size);
    sop_record *record = sop_memheap__alloc(&table->heap, bytes);
    if (record == NULL) return NULL;
    record->seq = item->seq;
    record->shape_seq = item->shape_seq;
    record->value_size = (uint32_t)value_size;
    record->key_size = (uint16_t)item->key.size;
    record->flags = item->flags;
    record->below = item->below;
    if (item->key.size != 0) memcpy(record->bytes, item->key.data, item->key.size);
    if (value_size != 0) memcpy(record->bytes + item->key.size, item->value.data, value_size);
    return record;
}

/* The leaf to append to: that of the store, another if it is full. NULL when out of memory. */
static sop_memnode *leaf_for(sop_memtable_bulk *bulk, uint64_t store)
{
    if (bulk->height != 0 && bulk->store != store) {
        SOP_ASSERT(store > bulk->store);
        if (store_finish(bulk) != SOP_OK) return NULL;
    }
    if (bulk->height == 0) {
        bulk->store = store;
        bulk->height = 1;
        bulk->nodes[0] = NULL;
    }
    sop_memnode *leaf = bulk->nodes[0];
    if (leaf != NULL && leaf->count == BULK_FILL) {
        if (node_finish(bulk, 0) != SOP_OK) return NULL;
        leaf = NULL;
    }
    if (leaf == NULL) {
        /* A store's first leaf may stay its only one: 20,000 of them must be cheap. */
        unsigned capacity = bulk->height == 1 ? 4 : SOP_MEMNODE_FANOUT;
        leaf = sop_memnode__new(bulk->table, 0, capacity);
    } else if (leaf->count == leaf->capacity) {
        sop_memnode *wide = sop_memnode__copy(bulk->table, leaf, SOP_MEMNODE_FANOUT);
        if (wide != NULL) sop_memnode__release(bulk->table, leaf);
        leaf = wide;
    }
    if (leaf != NULL) bulk->nodes[0] = leaf;
    return leaf;
}

sop_status sop_memtable_bulk_add(sop_memtable_bulk *bulk, const sop_memtable_item *item)
{
    SOP_ASSERT(item->key.size <= UINT16_MAX);
    SOP_ASSERT(item->seq <= bulk->table->seq);
    sop_memnode *leaf = leaf_for(bulk, item->store);
    if (leaf == NULL) return SOP_NO_MEMORY;
    sop_record *record = item_record(bulk->table, item);
    if (record == NULL) return SOP_NO_MEMORY;
    unsigned at = leaf->count;
    if (at != 0) {
        const sop_record *previous = sop_memnode__records(leaf)[at - 1u];
        SOP_ASSERT(sop_slice_compare(sop_record_key(previous), item->key) < 0);
    }
    leaf->heads[at] = sop_key_head(item->key.data, item->key.size);
    sop_memnode__records(leaf)[at] = record;
    sop_memnode__delta_set(leaf, at, sop_record__delta(record));
    leaf->count++;
    return SOP_OK;
}

sop_status sop_memtable_bulk_finish(sop_memtable_bulk *bulk, const sop_memtable_root **root_out)
{
    *root_out = NULL;
    sop_status status = store_finish(bulk);
    if (status != SOP_OK) {
        bulk->table->in_batch = 0;
        return status;
    }
    *root_out = sop_memtable_publish(bulk->table);
    return SOP_OK;
}
