/* SPDX-License-Identifier: MIT */
/* The store map: a persistent radix tree from store id to tree. */
#include "memtable/memtable_private.h"

static sop_memmap *map_new(sop_memtable *table, uint64_t store, unsigned shift)
{
    sop_memmap *map = sop_memheap__alloc(&table->heap, sizeof *map);
    if (map == NULL) return NULL;
    *map =
        (sop_memmap){.born = table->seq, .prefix = sop_memmap__above(store, shift), .shift = shift};
    return map;
}

/* A node above map, which does not hold the store, that holds both. */
static sop_memmap *map_branch(sop_memtable *table, sop_memmap *map, uint64_t store)
{
    if (map == NULL) return map_new(table, store, 0);
    uint64_t other = map->prefix << (map->shift + 4);
    unsigned shift = map->shift + 4;
    while (sop_memmap__above(store, shift) != sop_memmap__above(other, shift)) {
        shift += 4;
    }
    SOP_ASSERT(shift <= 60);
    sop_memmap *branch = map_new(table, store, shift);
    if (branch != NULL) branch->slots[(other >> shift) % SOP_MEMMAP_SLOTS] = map;
    return branch;
}

static sop_memmap *map_copy(sop_memtable *table, const sop_memmap *old)
{
    sop_memmap *map = sop_memheap__alloc(&table->heap, sizeof *map);
    if (map == NULL) return NULL;
    *map = *old;
    map->born = table->seq;
    sop_memgarbage__retire(table, old, SOP_MEMOBJECT_MAP);
    return map;
}

sop_memnode **sop_memmap__slot(sop_memtable *table, uint64_t store)
{
    void **link = NULL;
    for (;;) {
        sop_memmap *map = link == NULL ? table->root : *link;
        sop_memmap *mine = map;
        if (map == NULL || sop_memmap__above(store, map->shift) != map->prefix) {
            mine = map_branch(table, map, store);
        } else if (map->born != table->seq) {
            mine = map_copy(table, map);
        }
        if (mine == NULL) return NULL;
        if (link == NULL) {
            table->root = mine;
        } else {
            *link = mine;
        }
        link = &mine->slots[(store >> mine->shift) % SOP_MEMMAP_SLOTS];
        if (mine->shift == 0) return (sop_memnode **)link;
    }
}

const sop_memtree *sop_memtable_tree(const sop_memtable_root *root, uint64_t store)
{
    const sop_memmap *map = root;
    while (map != NULL) {
        if (sop_memmap__above(store, map->shift) != map->prefix) return NULL;
        void *slot = map->slots[(store >> map->shift) % SOP_MEMMAP_SLOTS];
        if (map->shift == 0) return slot;
        map = slot;
    }
    return NULL;
}

sop_status
sop_memtable_stores(const sop_memtable_root *root, sop_memtable_store_fn fn, void *context)
{
    const sop_memmap *path[SOP_MEMMAP_DEPTH_MAX];
    unsigned next[SOP_MEMMAP_DEPTH_MAX];
    unsigned depth = 0;
    if (root == NULL) return SOP_OK;
    path[0] = root;
    next[0] = 0;
    for (;;) {
        const sop_memmap *map = path[depth];
        if (next[depth] == SOP_MEMMAP_SLOTS) {
            if (depth == 0) return SOP_OK;
            depth--;
            continue;
        }
        unsigned slot = next[depth]++;
        if (map->slots[slot] == NULL) continue;
        if (map->shift == 0) {
            sop_status status = fn((map->prefix << 4) | slot, map->slots[slot], context);
            if (status != SOP_OK) return status;
            continue;
        }
        SOP_ASSERT(depth + 1 < SOP_MEMMAP_DEPTH_MAX);
        path[++depth] = map->slots[slot];
        next[depth] = 0;
    }
}
