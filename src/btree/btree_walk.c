/* SPDX-License-Identifier: MIT */
/* Walking all nodes and value references of a tree. */
#include "btree/btree.h"
#include "btree/btree_node.h"
#include "util/assert.h"

typedef struct {
    const sop_btree *tree;
    int leaves;
    sop_address_fn fn;
    sop_btree_reference_fn value_fn;
    void *context;
    sop_error *err;
} walk;

static sop_status walk_leaf(const walk *w, const uint8_t *leaf)
{
    if (w->value_fn == NULL || !sop_btree__references(leaf)) return SOP_OK;
    for (uint32_t i = 0; i < sop_btree__count(leaf); i++) {
        if (!(sop_btree__item_meta(leaf, i) & SOP_META_REFERENCE)) continue;
        sop_leaf_item item = sop_btree__item(leaf, i);
        sop_status status = w->value_fn(item.value.data, w->context);
        if (status != SOP_OK) return status;
    }
    return SOP_OK;
}

/* NOLINTNEXTLINE(misc-no-recursion): each turn goes one level down; node_open checks the level. */
static sop_status walk_node(const walk *w, sop_address address, uint32_t level, int references)
{
    sop_status status = w->fn(address, w->context);
    if (status != SOP_OK) return status;
    if (level == 0 && !w->leaves && (w->value_fn == NULL || !references)) return SOP_OK;
    const uint8_t *node = NULL;
    status = sop_btree__node_open(w->tree->segments, address, level, &node, w->err);
    if (status != SOP_OK) return status;
    if (level == 0) return walk_leaf(w, node);
    for (uint32_t i = 0; i < sop_btree__count(node) && status == SOP_OK; i++) {
        sop_address child = sop_btree__child_address(node, i);
        status = walk_node(w, child, level - 1, sop_btree__child_references(node, i));
    }
    return status;
}

sop_status sop_btree_walk(const sop_btree *tree,
                          int leaves,
                          sop_address_fn fn,
                          sop_btree_reference_fn value_fn,
                          void *context,
                          sop_error *err)
{
    if (tree->count == 0) return SOP_OK;
    SOP_ASSERT(tree->height >= 1 && tree->height <= SOP_BTREE_HEIGHT_MAX);
    walk w = {tree, leaves, fn, value_fn, context, err};
    return walk_node(&w, tree->root, tree->height - 1, tree->references != 0);
}
