/* SPDX-License-Identifier: MIT */
/* Walks all invariants of a root. */
#include "memtable/memtable_private.h"

/* What a walk has seen so far of one tree. */
typedef struct {
    const sop_record *previous;
} check_walk;

typedef struct {
    const sop_record *first;
    int64_t delta;
    uint64_t items;
    uint64_t unresolved;
    uint64_t seq;
    uint64_t shape_seq;
} check_sums;

static void sums_add(check_sums *sums, const check_sums *part)
{
    if (sums->first == NULL) sums->first = part->first;
    sums->delta += part->delta;
    sums->items += part->items;
    sums->unresolved += part->unresolved;
    if (part->seq > sums->seq) sums->seq = part->seq;
    if (part->shape_seq > sums->shape_seq) sums->shape_seq = part->shape_seq;
}

/* memnode-2, memnode-3 */
static int entry_is_good(const sop_memnode *node, unsigned i)
{
    const sop_record *r = sop_memnode__entry(node, i);
    if (r->key_size < node->skip) return 0;
    if (memcmp(r->bytes, node->prefix, node->skip) != 0) return 0;
    return node->heads[i] == sop_key_head(r->bytes + node->skip, r->key_size - node->skip);
}

/* memtable-1, memtable-2 */
static int record_is_good(const sop_memnode *leaf, unsigned i, check_walk *walk, check_sums *sums)
{
    const sop_record *r = sop_memnode__records(leaf)[i];
    const sop_record *previous = walk->previous;
    walk->previous = r;
    if (previous != NULL && sop_slice_compare(sop_record_key(previous), sop_record_key(r)) >= 0) {
        return 0;
    }
    int delta = (int)((leaf->plus >> i) & 1) - (int)((leaf->minus >> i) & 1);
    if (delta != sop_record__delta(r) || r->below > SOP_BELOW_ANY) return 0;
    if (r->shape_seq > r->seq) return 0;
    check_sums part = {r, delta, 1, r->below == SOP_BELOW_ANY, r->seq, r->shape_seq};
    sums_add(sums, &part);
    return 1;
}

/* memnode-4, memnode-5 */
static int sums_are_good(const sop_memnode *node, const check_sums *sums)
{
    return node->first == sums->first && node->delta == sums->delta && node->items == sums->items &&
           node->unresolved == sums->unresolved && node->seq == sums->seq &&
           node->shape_seq == sums->shape_seq;
}

/* NOLINTNEXTLINE(misc-no-recursion): each turn goes one level down; the level is compared. */
static int node_is_good(const sop_memnode *node, unsigned level, check_walk *walk, check_sums *out)
{
    check_sums sums = {0};
    if (node->level != level || node->count == 0 || node->count > node->capacity) return 0;
    if (node->capacity > SOP_MEMNODE_FANOUT || node->skip > SOP_MEMNODE_PREFIX_MAX) return 0;
    uint64_t beyond = node->count == 64 ? 0 : ~((UINT64_C(1) << node->count) - 1);
    if (((node->plus | node->minus) & beyond) != 0) return 0;
    for (unsigned i = 0; i < node->count; i++) {
        if (!entry_is_good(node, i)) return 0;
        if (level == 0) {
            if (!record_is_good(node, i, walk, &sums)) return 0;
            continue;
        }
        const sop_memnode *child = sop_memnode__children(node)[i];
        check_sums part = {0};
        /* memnode-1: a parent is copied with its child. */
        if (child->born > node->born || !node_is_good(child, level - 1, walk, &part)) return 0;
        if (sop_memnode__deltas(node)[i] != part.delta) return 0;
        sums_add(&sums, &part);
    }
    *out = sums;
    return sums_are_good(node, &sums);
}

static int tree_is_good(const sop_memtree *tree)
{
    check_walk walk = {NULL};
    check_sums sums = {0};
    if (tree->level >= SOP_MEMTREE_HEIGHT_MAX) return 0;
    if (tree->level > 0 && tree->count < 2) return 0;
    return node_is_good(tree, tree->level, &walk, &sums);
}

/* NOLINTNEXTLINE(misc-no-recursion): the shift falls with each turn; it is compared. */
static int map_is_good(const sop_memmap *map)
{
    for (unsigned i = 0; i < SOP_MEMMAP_SLOTS; i++) {
        const sop_memmap *below = map->slots[i];
        if (below == NULL) continue;
        if (map->shift == 0) {
            const sop_memtree *tree = map->slots[i];
            if (tree->born > map->born || !tree_is_good(tree)) return 0;
            continue;
        }
        if (below->born > map->born || below->shift >= map->shift) return 0;
        uint64_t below_ids = below->prefix << (below->shift + 4);
        if (sop_memmap__above(below_ids, map->shift) != map->prefix) return 0;
        if ((below_ids >> map->shift) % SOP_MEMMAP_SLOTS != i) return 0;
        if (!map_is_good(below)) return 0;
    }
    return 1;
}

sop_status sop_memtable_check(const sop_memtable_root *root)
{
    if (root == NULL) return SOP_OK;
    return map_is_good(root) ? SOP_OK : SOP_CORRUPT;
}
