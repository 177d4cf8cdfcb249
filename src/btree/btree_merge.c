/* SPDX-License-Identifier: MIT */
/* The merge of a checkpoint: an old tree and a sorted stream of changes into a new tree that shares what did not change. */
#include "btree/btree_build.h"
#include "btree/btree_emit.h"
#include "util/assert.h"
#include "util/error.h"
#include "util/memory.h"

typedef struct {
    const sop_btree *tree;
    const sop_btree_merge_source *source;
    sop_emitter emitter;
    sop_btree_change change; /* the next one, if any is left */
    int more;
    uint64_t bytes; /* of the new tree; modulo 2^64 on the way */
    size_t last_size;
    uint8_t last_key[SOP_BTREE_KEY_MAX];
    /* Separators around the child that is visited, one pair for each level. */
    uint8_t separators[SOP_BTREE_HEIGHT_MAX][2][SOP_BTREE_KEY_MAX + 16];
} merge;

/* The keys of a subtree: lower <= key < upper; an upper without data: no limit. */
typedef struct {
    sop_slice lower;
    sop_slice upper;
} key_range;

static sop_status advance(merge *m, sop_error *err)
{
    sop_status status = m->source->next(m->source->context, &m->change, err);
    if (status == SOP_NOT_FOUND) {
        m->more = 0;
        return SOP_OK;
    }
    if (status != SOP_OK) return status;
    const sop_btree_change *change = &m->change;
    sop_slice value = change->present ? change->value : sop_slice_of(NULL, 0);
    int is_reference = change->present && change->is_reference;
    status = sop_btree__check_item(change->key, value, is_reference, err);
    if (status != SOP_OK) return status;
    if (m->more &&
        sop_compare(m->last_key, m->last_size, change->key.data, change->key.size) >= 0) {
        return sop_fail(err, SOP_INVALID,
                        "merge: key of %zu bytes is not above the one before of %zu",
                        change->key.size, m->last_size);
    }
    memcpy(m->last_key, change->key.data, change->key.size);
    m->last_size = change->key.size;
    m->more = 1;
    return SOP_OK;
}

static int change_below(const merge *m, sop_slice upper)
{
    return m->more && (upper.data == NULL || sop_slice_compare(m->change.key, upper) < 0);
}

/* 1 if the change leaves the item it found (NULL: none) as it is. */
static int without_effect(const merge *m, const sop_leaf_item *item)
{
    const sop_btree_change *change = &m->change;
    if (item == NULL) return !change->present;
    return change->present && !change->is_reference == !item->is_reference &&
           sop_slice_equal(change->value, item->value);
}

/* Gives the new state of the key to the emitter and accounts for the old one. */
static sop_status apply_change(merge *m, const sop_leaf_item *item, sop_error *err)
{
    const sop_btree_change *change = &m->change;
    size_t key_size = change->key.size;
    sop_status status = SOP_OK;
    if (item != NULL) {
        m->bytes -= sop_btree__item_bytes(key_size, item->value, item->is_reference);
        if (item->is_reference) {
            status = m->source->dead_value(m->source->context, item->value.data, err);
        }
    }
    if (status != SOP_OK || !change->present) return status;
    m->bytes += sop_btree__item_bytes(key_size, change->value, change->is_reference);
    return sop_btree__emit_item(&m->emitter, change->key, change->value, change->is_reference, err);
}

/* Applies the changes below upper to a leaf. Items from `done` on are not with the emitter yet. */
static sop_status
merge_items(merge *m, const uint8_t *leaf, sop_slice upper, uint32_t done, sop_error *err)
{
    sop_status status = SOP_OK;
    while (status == SOP_OK && change_below(m, upper)) {
        int equal = 0;
        uint32_t index = sop_btree__leaf_bound(leaf, m->change.key, &equal);
        sop_leaf_item item = {0};
        if (equal) item = sop_btree__item(leaf, index);
        if (!without_effect(m, equal ? &item : NULL)) {
            status = sop_btree__emit_run(&m->emitter, leaf, done, index, err);
            if (status == SOP_OK) status = apply_change(m, equal ? &item : NULL, err);
            done = index + (uint32_t)(equal != 0);
        }
        if (status == SOP_OK) status = advance(m, err);
    }
    if (status != SOP_OK) return status;
    return sop_btree__emit_run(&m->emitter, leaf, done, sop_btree__count(leaf), err);
}

/* Drops changes below upper that change nothing in this leaf. */
static sop_status
skip_without_effect(merge *m, const uint8_t *leaf, sop_slice upper, sop_error *err)
{
    sop_status status = SOP_OK;
    while (status == SOP_OK && change_below(m, upper)) {
        int equal = 0;
        uint32_t index = sop_btree__leaf_bound(leaf, m->change.key, &equal);
        sop_leaf_item item = {0};
        if (equal) item = sop_btree__item(leaf, index);
        if (!without_effect(m, equal ? &item : NULL)) break;
        status = advance(m, err);
    }
    return status;
}

static sop_status merge_leaf(
    merge *m, const sop_inner_child *child, const uint8_t *leaf, key_range range, sop_error *err)
{
    int moves = m->source->must_move != NULL &&
                m->source->must_move(m->source->context, child->address.segment);
    sop_status status = skip_without_effect(m, leaf, range.upper, err);
    if (status != SOP_OK) return status;
    if (!moves && !change_below(m, range.upper)) {
        return sop_btree__emit_keep(&m->emitter, 0, child, err);
    }
    status = sop_btree__emit_order(&m->emitter, range.lower, child->address, err);
    if (status == SOP_OK) status = sop_btree__leaf_order(leaf, range.lower, err);
    if (status == SOP_OK) status = sop_btree__emit_lower(&m->emitter, range.lower, err);
    if (status == SOP_OK) status = merge_items(m, leaf, range.upper, 0, err);
    if (status == SOP_OK) status = sop_btree__dead_node(&m->emitter, child->address, err);
    return status;
}

/* Each turn goes one level down, which node_open checks: NOLINTBEGIN(misc-no-recursion) */

/* Whether a node, or one below it, lies in a segment that is to be emptied. */
static sop_status
moves_below(merge *m, uint32_t level, sop_address address, int *out, sop_error *err)
{
    *out =
        m->source->must_move != NULL && m->source->must_move(m->source->context, address.segment);
    if (*out || level == 0 || m->source->must_move == NULL) return SOP_OK;
    const uint8_t *node = NULL;
    sop_status status = sop_btree__node_open(m->tree->segments, address, level, &node, err);
    for (uint32_t i = 0; status == SOP_OK && !*out && i < sop_btree__count(node); i++) {
        sop_address child = sop_btree__child_address(node, i);
        status = moves_below(m, level - 1, child, out, err);
    }
    return status;
}

static sop_status
merge_children(merge *m, uint32_t level, const uint8_t *node, key_range range, sop_error *err);

static sop_status merge_subtree(
    merge *m, uint32_t level, const sop_inner_child *child, key_range range, sop_error *err)
{
    int changes = change_below(m, range.upper);
    sop_status status = SOP_OK;
    if (!changes) {
        status = moves_below(m, level, child->address, &changes, err);
        if (status != SOP_OK) return status;
    }
    if (!changes) return sop_btree__emit_keep(&m->emitter, level, child, err);
    const uint8_t *node = NULL;
    status = sop_btree__node_open(m->tree->segments, child->address, level, &node, err);
    if (status != SOP_OK) return status;
    if (level == 0) return merge_leaf(m, child, node, range, err);
    status = merge_children(m, level, node, range, err);
    if (status == SOP_OK) status = sop_btree__dead_node(&m->emitter, child->address, err);
    return status;
}

static sop_status
merge_children(merge *m, uint32_t level, const uint8_t *node, key_range range, sop_error *err)
{
    uint32_t count = sop_btree__count(node);
    sop_slice lower = range.lower;
    for (uint32_t i = 0; i < count; i++) {
        sop_slice upper = range.upper;
        if (i + 1 < count) {
            uint8_t *out = m->separators[level][i % 2];
            upper = sop_slice_of(out, sop_btree__separator(node, i + 1, out));
            sop_blob_prefetch(m->tree->segments, sop_btree__child_address(node, i + 1));
        }
        sop_inner_child child = sop_btree__child_of(node, i);
        child.separator = lower;
        sop_status status = merge_subtree(m, level - 1, &child, (key_range){lower, upper}, err);
        if (status != SOP_OK) return status;
        lower = upper;
    }
    return SOP_OK;
}

/* NOLINTEND(misc-no-recursion) */

/* What is left when the old tree has been walked; all of it if that was empty. */
static sop_status merge_rest(merge *m, sop_error *err)
{
    sop_status status = SOP_OK;
    if (m->more) status = sop_btree__emit_lower(&m->emitter, sop_slice_of(NULL, 0), err);
    while (status == SOP_OK && m->more) {
        if (!without_effect(m, NULL)) status = apply_change(m, NULL, err);
        if (status == SOP_OK) status = advance(m, err);
    }
    return status;
}

static sop_status merge_run(merge *m, sop_btree *tree_out, sop_error *err)
{
    const sop_btree *tree = m->tree;
    sop_status status = advance(m, err);
    if (status == SOP_OK && tree->count > 0) {
        sop_inner_child root = {.address = tree->root,
                                .items = tree->count,
                                .references = tree->references != 0,
                                .kept = 1};
        status = merge_subtree(m, tree->height - 1, &root, (key_range){{0}, {0}}, err);
    }
    if (status == SOP_OK) status = merge_rest(m, err);
    if (status == SOP_OK) status = sop_btree__emit_finish(&m->emitter, tree_out, err);
    if (status == SOP_OK) tree_out->bytes = m->bytes;
    return status;
}

sop_status sop_btree__merge(const sop_btree *tree,
                            const sop_btree_merge_source *source,
                            sop_btree_merge_target target,
                            sop_btree *tree_out,
                            sop_error *err)
{
    *tree_out = (sop_btree){0};
    merge *m = sop_alloc(sizeof *m);
    if (m == NULL) return sop_fail(err, SOP_NO_MEMORY, "no memory for a merge");
    m->tree = tree;
    m->source = source;
    m->more = 0;
    m->bytes = tree->bytes;
    m->last_size = 0;
    sop_status status = sop_btree__emitter_init(&m->emitter, target.writer, target.node_size, err);
    m->emitter.old = tree->segments;
    m->emitter.source = source;
    if (status == SOP_OK) status = merge_run(m, tree_out, err);
    sop_btree__emitter_deinit(&m->emitter);
    sop_free(m);
    return status;
}

sop_status sop_btree_merge(const sop_btree *tree,
                           const sop_btree_merge_source *source,
                           sop_blob_writer *writer,
                           sop_btree *tree_out,
                           sop_error *err)
{
    sop_btree_merge_target target = {writer, SOP_BTREE_NODE_SIZE};
    return sop_btree__merge(tree, source, target, tree_out, err);
}
