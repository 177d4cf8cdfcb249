/* SPDX-License-Identifier: MIT */
/* The full check of a tree: everything that the invariants promise, from the bytes up. */
#include <inttypes.h>
#include <stdio.h>

#include "btree/btree.h"
#include "btree/btree_build.h"
#include "btree/btree_node.h"
#include "util/assert.h"
#include "util/error.h"
#include "util/memory.h"

typedef struct {
    const sop_btree *tree;
    sop_finding_fn fn;
    void *context;
    uint64_t nodes;
    uint64_t findings;
    sop_error error;
    /* Separators around the child that is visited, one pair for each level. */
    uint8_t separators[SOP_BTREE_HEIGHT_MAX][2][SOP_BTREE_KEY_MAX + 16];
    uint8_t keys[2][SOP_BTREE_KEY_MAX + 16];
} check;

/* What is known about a node before it is read: its keys k obey lower <= k < upper (no data: no limit). */
typedef struct {
    sop_address address;
    uint32_t level;
    sop_slice lower;
    sop_slice upper;
} check_node;

/* What was found below a node. */
typedef struct {
    uint64_t items;
    uint64_t bytes;
    int references;
} check_sum;

static void report(check *c, sop_address address, const char *what, uint64_t a, uint64_t b)
{
    char detail[96];
    (void)snprintf(detail, sizeof detail, "%s (%" PRIu64 ", %" PRIu64 ")", what, a, b);
    sop_status status = sop_btree__bad(address, &c->error, "%s", detail);
    c->findings++;
    c->fn(status, c->error.message, c->context);
}

static void
check_key(check *c, const check_node *at, sop_slice key, sop_slice before, uint32_t index)
{
    if (before.data != NULL && sop_slice_compare(before, key) >= 0) {
        report(c, at->address, "keys do not ascend at item", index, key.size);
    }
    if (sop_slice_compare(key, at->lower) < 0) {
        report(c, at->address, "key below the range of the node, item", index, key.size);
    }
    if (at->upper.data != NULL && sop_slice_compare(key, at->upper) >= 0) {
        report(c, at->address, "key above the range of the node, item", index, key.size);
    }
}

static check_sum check_leaf(check *c, const check_node *at, const uint8_t *leaf)
{
    check_sum sum = {.items = sop_btree__count(leaf)};
    sop_slice before = {NULL, 0};
    for (uint32_t i = 0; i < sop_btree__count(leaf); i++) {
        sop_leaf_item item = sop_btree__item(leaf, i);
        uint8_t *out = c->keys[i % 2];
        sop_slice key = {out, sop_btree__leaf_key(leaf, i, out)};
        uint32_t low_bytes = item.suffix_size < 4 ? UINT32_MAX >> (8 * item.suffix_size) : 0;
        if ((item.head & low_bytes) != 0) {
            report(c, at->address, "head is not padded with zeros, item", i, item.head);
        }
        check_key(c, at, key, before, i);
        if (sop_btree__check_item(key, item.value, item.is_reference, &c->error) != SOP_OK ||
            (item.is_reference &&
             sop_value_reference_check(item.value.data, item.value.size, &c->error) != SOP_OK)) {
            report(c, at->address, "bad sizes or value reference in item", i, item.value.size);
        } else {
            sum.bytes += sop_btree__item_bytes(key.size, item.value, item.is_reference);
        }
        sum.references |= item.is_reference;
        before = key;
    }
    return sum;
}

/* The zeros between a node and the next multiple of 64. */
static void check_padding(check *c, const check_node *at, const uint8_t *node)
{
    uint64_t end = sop_address_footprint(at->address);
    for (uint64_t i = sop_address_length(at->address); i < end; i++) {
        if (node[i] != 0) report(c, at->address, "padding is not zero at byte", i, node[i]);
    }
}

static check_sum check_children(check *c, const check_node *at, const uint8_t *inner);

/* NOLINTNEXTLINE(misc-no-recursion): each turn goes one level down; the level is compared with the expected one. */
static check_sum check_subtree(check *c, const check_node *at)
{
    check_sum nothing = {0};
    const uint8_t *node = NULL;
    int first = 0;
    c->nodes++;
    sop_status status = sop_blob_read(c->tree->segments, at->address, &node, &first, &c->error);
    if (status == SOP_OK) status = sop_btree__node_verify(node, at->address, &c->error);
    if (status == SOP_OK && sop_btree__level(node) != at->level) {
        status = sop_btree__wrong_level(node, at->level, &c->error);
    }
    if (status != SOP_OK) {
        c->findings++;
        c->fn(status, c->error.message, c->context);
        return nothing;
    }
    check_padding(c, at, node);
    uint64_t findings = c->findings;
    check_sum sum = at->level == 0 ? check_leaf(c, at, node) : check_children(c, at, node);
    /* What could not be read below is reported once, not again by all that depends on it. */
    if (!sum.references != !sop_btree__references(node) && c->findings == findings) {
        report(c, at->address, "flag of value references", sop_get_u16le(node + SOP_NODE_FLAGS), 0);
    }
    return sum;
}

/* NOLINTNEXTLINE(misc-no-recursion): as above. */
static check_sum check_children(check *c, const check_node *at, const uint8_t *inner)
{
    check_sum sum = {0};
    uint32_t count = sop_btree__count(inner);
    check_node child = {.level = at->level - 1, .lower = at->lower};
    for (uint32_t i = 0; i < count; i++) {
        uint8_t *out = c->separators[at->level][i % 2];
        child.upper = at->upper;
        if (i + 1 < count) {
            child.upper = sop_slice_of(out, sop_btree__separator(inner, i + 1, out));
            sop_slice before = i == 0 ? sop_slice_of(NULL, 0) : child.lower;
            check_key(c, at, child.upper, before, i + 1);
        }
        child.address = sop_btree__child_address(inner, i);
        uint64_t findings = c->findings;
        check_sum below = check_subtree(c, &child);
        uint64_t said = sop_btree__before(inner, i + 1) - sop_btree__before(inner, i);
        if (below.items == 0 && c->findings > findings) below.items = said;
        if (below.items != said) report(c, at->address, "items of child differ", said, below.items);
        if (!below.references != !sop_btree__child_references(inner, i) &&
            c->findings == findings) {
            report(c, at->address, "flag of value references of child", i, 0);
        }
        sum.items += below.items;
        sum.bytes += below.bytes;
        sum.references |= below.references;
        child.lower = child.upper;
    }
    if (count < 2) report(c, at->address, "inner node with one child", at->level, count);
    return sum;
}

sop_status sop_btree_check(
    const sop_btree *tree, sop_finding_fn fn, void *context, uint64_t *nodes_out, sop_error *err)
{
    *nodes_out = 0;
    if (tree->count == 0) return SOP_OK;
    check *c = sop_alloc(sizeof *c);
    if (c == NULL) return sop_fail(err, SOP_NO_MEMORY, "no memory for checking a tree");
    c->tree = tree;
    c->fn = fn;
    c->context = context;
    c->nodes = 0;
    c->findings = 0;
    check_node root = {.address = tree->root, .level = tree->height - 1};
    check_sum sum = check_subtree(c, &root);
    if (c->findings == 0) {
        if (sum.items != tree->count) {
            report(c, tree->root, "items of the tree differ", tree->count, sum.items);
        }
        if (sum.bytes != tree->bytes) {
            report(c, tree->root, "bytes of the tree differ", tree->bytes, sum.bytes);
        }
        if (!sum.references != !tree->references) {
            report(c, tree->root, "flag of value references of the tree", tree->references, 0);
        }
    }
    *nodes_out = c->nodes;
    sop_free(c);
    return SOP_OK;
}
