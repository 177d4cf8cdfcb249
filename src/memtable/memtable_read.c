/* SPDX-License-Identifier: MIT */
/* Reading a tree: lookup, sums before a key, the first newer record, partition. */
#include "memtable/memtable_private.h"

const sop_record *sop_memtree_get(const sop_memtree *tree, sop_slice key)
{
    const sop_memnode *node = tree;
    if (node == NULL) return NULL;
    while (node->level != 0) {
        node = sop_memnode__children(node)[sop_memnode__child(node, key)];
        sop_memnode__prefetch(node);
    }
    int equal = 0;
    unsigned at = sop_memnode__lower(node, key, &equal);
    return equal ? sop_memnode__records(node)[at] : NULL;
}

uint64_t sop_memtree_items(const sop_memtree *tree)
{
    return tree == NULL ? 0 : tree->items;
}

int64_t sop_memtree_delta(const sop_memtree *tree)
{
    return tree == NULL ? 0 : tree->delta;
}

int64_t sop_memtree_delta_before(const sop_memtree *tree, sop_slice key)
{
    const sop_memnode *node = tree;
    int64_t sum = 0;
    if (node == NULL) return 0;
    while (node->level != 0) {
        unsigned child = sop_memnode__child(node, key);
        const int32_t *deltas = sop_memnode__deltas(node);
        const sop_memnode *below = sop_memnode__children(node)[child];
        sop_memnode__prefetch(below);
        for (unsigned i = 0; i < child; i++) {
            sum += deltas[i];
        }
        node = below;
    }
    int equal = 0;
    return sum + sop_memnode__leaf_delta(node, sop_memnode__lower(node, key, &equal));
}

/* --- newer --- */

typedef struct {
    sop_slice from;
    sop_slice to;
    uint64_t seq;
    int shape_only;
} newer_query;

static uint64_t node_newest(const sop_memnode *node, const newer_query *query)
{
    return query->shape_only ? node->shape_seq : node->seq;
}

/* The first newer record of a leaf in [begin, end). */
static const sop_record *
leaf_newer(const sop_memnode *leaf, unsigned begin, unsigned end, const newer_query *query)
{
    const sop_record **records = sop_memnode__records(leaf);
    for (unsigned i = begin; i < end; i++) {
        uint64_t seq = query->shape_only ? records[i]->shape_seq : records[i]->seq;
        if (seq > query->seq) return records[i];
    }
    return NULL;
}

/* Whether the bounds of the query may cut through a node. */
enum { CUT_BELOW = 1, CUT_ABOVE = 2 };

/* Only a child that is cut can have a newest seq above the bound and yet no newer record in the range, so
   at most two paths are walked in vain. */
/* NOLINTNEXTLINE(misc-no-recursion): each turn goes one level down. */
static const sop_record *node_newer(const sop_memnode *node, const newer_query *q, unsigned cut)
{
    int equal = 0;
    if (node_newest(node, q) <= q->seq) return NULL;
    if (node->level == 0) {
        unsigned begin = cut & CUT_BELOW ? sop_memnode__lower(node, q->from, &equal) : 0;
        unsigned end = cut & CUT_ABOVE ? sop_memnode__lower(node, q->to, &equal) : node->count;
        return leaf_newer(node, begin, end, q);
    }
    unsigned begin = cut & CUT_BELOW ? sop_memnode__child(node, q->from) : 0;
    unsigned last = cut & CUT_ABOVE ? sop_memnode__child(node, q->to) : node->count - 1u;
    for (unsigned i = begin; i <= last; i++) {
        unsigned child_cut = (i == begin ? cut & CUT_BELOW : 0) | (i == last ? cut & CUT_ABOVE : 0);
        const sop_record *found = node_newer(sop_memnode__children(node)[i], q, child_cut);
        if (found != NULL) return found;
    }
    return NULL;
}

const sop_record *sop_memtree_newer(
    const sop_memtree *tree, sop_slice from, sop_slice to, uint64_t seq, int shape_only)
{
    newer_query query = {.from = from, .to = to, .seq = seq, .shape_only = shape_only};
    if (tree == NULL) return NULL;
    unsigned cut = (from.size != 0 ? CUT_BELOW : 0) | (to.data != NULL ? CUT_ABOVE : 0);
    return node_newer(tree, &query, cut);
}

/* --- partition --- */

/* Number of entries of a node for which the test is 0, the first known of them not tested again. */
static unsigned
entries_before(const sop_memnode *node, unsigned known, sop_memtree_test test, void *context)
{
    unsigned low = known;
    unsigned high = node->count;
    while (low < high) {
        unsigned middle = (low + high) / 2;
        if (test(sop_memnode__entry(node, middle), context)) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

const sop_record *sop_memtree_partition(const sop_memtree *tree,
                                        sop_memtree_test test,
                                        void *context,
                                        const sop_record **previous_out)
{
    const sop_memnode *node = tree;
    const sop_record *found = NULL;
    unsigned known = 0;
    if (previous_out != NULL) *previous_out = NULL;
    if (node == NULL) return NULL;
    while (node->level != 0) {
        unsigned before = entries_before(node, known, test, context);
        if (before < node->count) found = sop_memnode__entry(node, before);
        /* The very first record is past the point: nothing is before it. */
        if (before == 0) return found;
        known = 1;
        node = sop_memnode__children(node)[before - 1];
    }
    unsigned before = entries_before(node, known, test, context);
    if (before < node->count) found = sop_memnode__records(node)[before];
    if (previous_out != NULL && before != 0) *previous_out = sop_memnode__records(node)[before - 1];
    return found;
}

/* --- select --- */

const sop_record *sop_memtree_select(const sop_memtree *tree, uint64_t rank)
{
    const sop_memnode *node = tree;
    if (node == NULL || node->delta < 0 || rank >= (uint64_t)node->delta) return NULL;
    while (node->level != 0) {
        const int32_t *deltas = sop_memnode__deltas(node);
        unsigned child = 0;
        while (child + 1u < node->count && rank >= (uint64_t)deltas[child]) {
            rank -= (uint64_t)deltas[child++];
        }
        node = sop_memnode__children(node)[child];
    }
    uint64_t present = node->plus;
    for (; rank > 0; rank--) {
        present &= present - 1;
    }
    return present == 0 ? NULL : sop_memnode__records(node)[__builtin_ctzll(present)];
}
