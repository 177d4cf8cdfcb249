/* SPDX-License-Identifier: MIT */
/* Point lookups: a key's value, a key's rank; and a tree as a row of 40 bytes. */
#include <inttypes.h>

#include "btree/btree.h"
#include "btree/btree_node.h"
#include "util/assert.h"
#include "util/error.h"

enum { ROW_ROOT = 0, ROW_COUNT = 16, ROW_BYTES = 24, ROW_HEIGHT = 32, ROW_REFERENCES = 33 };

void sop_btree_encode(const sop_btree *tree, uint8_t out[SOP_BTREE_ROW_SIZE])
{
    memset(out, 0, SOP_BTREE_ROW_SIZE);
    sop_put_u64le(out + ROW_ROOT, tree->root.segment);
    sop_put_u64le(out + ROW_ROOT + 8, tree->root.place);
    sop_put_u64le(out + ROW_COUNT, tree->count);
    sop_put_u64le(out + ROW_BYTES, tree->bytes);
    out[ROW_HEIGHT] = (uint8_t)tree->height;
    out[ROW_REFERENCES] = (uint8_t)tree->references;
}

sop_status
sop_btree_decode(sop_slice row, const sop_segments *segments, sop_btree *out, sop_error *err)
{
    *out = (sop_btree){0};
    if (row.size != SOP_BTREE_ROW_SIZE) {
        return sop_fail(err, SOP_CORRUPT, "row of a tree has %zu bytes instead of 40", row.size);
    }
    const uint8_t *p = row.data;
    sop_btree tree = {.segments = segments,
                      .root = {sop_get_u64le(p + ROW_ROOT), sop_get_u64le(p + ROW_ROOT + 8)},
                      .count = sop_get_u64le(p + ROW_COUNT),
                      .bytes = sop_get_u64le(p + ROW_BYTES),
                      .height = p[ROW_HEIGHT],
                      .references = p[ROW_REFERENCES]};
    int empty = tree.count == 0;
    uint64_t tail = sop_get_u64le(p + ROW_HEIGHT) >> 16;
    if (tree.height > SOP_BTREE_HEIGHT_MAX || tree.references > 1 || tail != 0 ||
        empty != (tree.height == 0) || empty != sop_address_is_none(tree.root) ||
        (empty && (tree.root.place != 0 || tree.bytes != 0 || tree.references != 0))) {
        return sop_fail(err, SOP_CORRUPT,
                        "row of a tree: count %" PRIu64 ", height %u, root %016" PRIx64, tree.count,
                        tree.height, tree.root.segment);
    }
    *out = tree;
    return SOP_OK;
}

/* The leaf whose range holds the key; the rank of its first item and whether it is the last leaf, when those are not NULL. */
SOP_INLINE sop_status find_leaf(const sop_btree *tree,
                                sop_slice key,
                                const uint8_t **leaf_out,
                                uint64_t *rank_out,
                                int *is_last_out,
                                sop_error *err)
{
    if (is_last_out != NULL) *is_last_out = 1;
    sop_address address = tree->root;
    const uint8_t *node = NULL;
    uint32_t level = tree->height - 1;
    for (;; level--) {
        sop_status status = sop_btree__node_open(tree->segments, address, level, &node, err);
        if (SOP_UNLIKELY(status != SOP_OK)) return status;
        if (level == 0) break;
        uint32_t child = sop_btree__inner_child(node, key);
        address = sop_btree__child_address(node, child);
        if (level == 1) sop_btree__prefetch_leaf(tree->segments, address);
        if (rank_out != NULL) *rank_out += sop_btree__before(node, child);
        if (is_last_out != NULL && child + 1 != sop_btree__count(node)) *is_last_out = 0;
    }
    *leaf_out = node;
    return SOP_OK;
}

SOP_INLINE sop_status item_out(const uint8_t *leaf, uint32_t index, sop_btree_value *value_out)
{
    sop_leaf_item item = sop_btree__item(leaf, index);
    *value_out = (sop_btree_value){item.value, item.is_reference};
    return SOP_OK;
}

sop_status
sop_btree_get(const sop_btree *tree, sop_slice key, sop_btree_value *value_out, sop_error *err)
{
    if (tree->count == 0) return sop_set(err, SOP_NOT_FOUND);
    const uint8_t *leaf = NULL;
    sop_status status = find_leaf(tree, key, &leaf, NULL, NULL, err);
    if (SOP_UNLIKELY(status != SOP_OK)) return status;
    int equal = 0;
    uint32_t index = sop_btree__leaf_bound(leaf, key, &equal);
    return equal ? item_out(leaf, index, value_out) : sop_set(err, SOP_NOT_FOUND);
}

sop_status sop_btree_get_near(const sop_btree *tree,
                              sop_btree_near *near,
                              sop_slice key,
                              sop_btree_value *value_out,
                              sop_error *err)
{
    if (tree->count == 0) return sop_set(err, SOP_NOT_FOUND);
    int equal = 0;
    uint32_t index = 0;
    if (near->leaf != NULL) {
        /* The last key belonged here, and this one is not below it. */
        index = sop_btree__leaf_bound(near->leaf, key, &equal);
        if (equal) return item_out(near->leaf, index, value_out);
        if (near->is_last || index < sop_btree__count(near->leaf)) {
            return sop_set(err, SOP_NOT_FOUND);
        }
    }
    sop_status status = find_leaf(tree, key, &near->leaf, NULL, &near->is_last, err);
    if (SOP_UNLIKELY(status != SOP_OK)) {
        near->leaf = NULL;
        return status;
    }
    index = sop_btree__leaf_bound(near->leaf, key, &equal);
    return equal ? item_out(near->leaf, index, value_out) : sop_set(err, SOP_NOT_FOUND);
}

sop_status sop_btree_rank(
    const sop_btree *tree, sop_slice key, uint64_t *rank_out, int *found_out, sop_error *err)
{
    *rank_out = 0;
    int equal = 0;
    if (tree->count != 0) {
        const uint8_t *leaf = NULL;
        sop_status status = find_leaf(tree, key, &leaf, rank_out, NULL, err);
        if (status != SOP_OK) return status;
        *rank_out += sop_btree__leaf_bound(leaf, key, &equal);
    }
    if (found_out != NULL) *found_out = equal;
    return SOP_OK;
}
