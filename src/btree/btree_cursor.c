/* SPDX-License-Identifier: MIT */
/* Cursors: a path from the root to an item of a leaf. */
#include <inttypes.h>

#include "btree/btree.h"
#include "btree/btree_node.h"
#include "util/assert.h"
#include "util/error.h"

_Static_assert(sizeof((sop_btree_cursor *)0)->key_buffer >= SOP_BTREE_KEY_MAX + 16,
               "keys are copied in whole words");

#define NO_KEY UINT32_MAX

void sop_btree_cursor_init(sop_btree_cursor *cursor, const sop_btree *tree)
{
    cursor->tree = *tree;
    cursor->levels[0] = (sop_btree_level){0};
    cursor->leaf_rank = 0;
    cursor->at_item = 0;
    cursor->side = 0;
    cursor->prefix_size = 0;
    cursor->key_size = 0;
    cursor->key_index = NO_KEY;
    cursor->ahead = SOP_BTREE_AHEAD;
}

static void past_end(sop_btree_cursor *cursor, int side)
{
    cursor->at_item = 0;
    cursor->side = side;
}

/* The cursor has come to a leaf: what all its keys begin with goes into the buffer once. */
SOP_INLINE void enter_leaf(sop_btree_cursor *cursor, const uint8_t *leaf)
{
    sop_slice prefix = sop_btree__prefix(leaf);
    cursor->prefix_size = (uint32_t)prefix.size;
    cursor->key_index = NO_KEY;
    memcpy(cursor->key_buffer, prefix.data, prefix.size);
}

/* How a path goes down: by key, by rank, or along an edge. */
typedef enum { DOWN_KEY, DOWN_RANK, DOWN_FIRST, DOWN_LAST } down_how;
typedef struct {
    down_how how;
    sop_slice key;
    uint64_t rank; /* counted from the first item below the current node */
} down_by;

/* Asks for what will be looked at in the leaf that a child of `inner` is. */
SOP_INLINE void
down_prefetch(const sop_segments *segments, const uint8_t *inner, uint32_t child, const down_by *by)
{
    sop_address address = sop_btree__child_address(inner, child);
    if (by->how == DOWN_RANK) {
        uint64_t items = sop_btree__before(inner, child + 1) - sop_btree__before(inner, child);
        sop_btree__prefetch_item(segments, address, (uint32_t)items, (uint32_t)by->rank);
    } else if (by->how == DOWN_KEY) {
        sop_btree__prefetch_leaf(segments, address);
    }
}

SOP_INLINE uint32_t down_child(const uint8_t *inner, down_by *by)
{
    switch (by->how) {
    case DOWN_KEY:
        return sop_btree__inner_child(inner, by->key);
    case DOWN_RANK: {
        uint32_t child = sop_btree__inner_child_at(inner, by->rank);
        by->rank -= sop_btree__before(inner, child);
        return child;
    }
    case DOWN_FIRST:
        return 0;
    case DOWN_LAST:
        break;
    }
    return sop_btree__count(inner) - 1;
}

/* A path under construction: the cursor takes it over when it is complete. */
typedef struct {
    sop_btree_level levels[SOP_BTREE_HEIGHT_MAX];
    uint64_t before; /* items passed on the way down */
} fresh_path;

/* Fills levels[level] .. levels[0] from address on; the index in the leaf is left 0. */
SOP_INLINE sop_status go_down(const sop_segments *segments,
                              fresh_path *path,
                              uint32_t level,
                              sop_address address,
                              down_by *by,
                              sop_error *err)
{
    path->before = 0;
    for (;; level--) {
        const uint8_t *node = NULL;
        sop_status status = sop_btree__node_open(segments, address, level, &node, err);
        if (SOP_UNLIKELY(status != SOP_OK)) return status;
        path->levels[level] = (sop_btree_level){node, 0, sop_btree__count(node)};
        if (level == 0) return SOP_OK;
        uint32_t child = down_child(node, by);
        path->levels[level].index = child;
        path->before += sop_btree__before(node, child);
        if (level == 1) down_prefetch(segments, node, child, by);
        address = sop_btree__child_address(node, child);
    }
}

/* Asks for the leaf that a scan in that direction comes to next. */
SOP_INLINE void prefetch_sibling(const sop_btree_cursor *cursor, int direction)
{
    if (cursor->tree.height < 2) return;
    const sop_btree_level *parent = &cursor->levels[1];
    uint32_t index = parent->index + (uint32_t)direction;
    if (index >= parent->count) return;
    sop_blob_prefetch(cursor->tree.segments, sop_btree__child_address(parent->node, index));
}

/* From the leaf in levels[0] to its neighbour. *moved_out 0: there is none, nothing has changed. */
static sop_status next_leaf(sop_btree_cursor *cursor, int direction, int *moved_out, sop_error *err)
{
    const sop_btree *tree = &cursor->tree;
    uint32_t level = 1;
    *moved_out = 0;
    for (;; level++) {
        if (level >= tree->height) return SOP_OK;
        const sop_btree_level *at = &cursor->levels[level];
        if (direction > 0 ? at->index + 1 < at->count : at->index > 0) break;
    }
    fresh_path path;
    const sop_btree_level *turn = &cursor->levels[level];
    uint32_t index = turn->index + (uint32_t)direction;
    sop_address address = sop_btree__child_address(turn->node, index);
    down_by by = {.how = direction > 0 ? DOWN_FIRST : DOWN_LAST};
    sop_status status = go_down(tree->segments, &path, level - 1, address, &by, err);
    if (status != SOP_OK) return status;
    if (direction > 0) {
        cursor->leaf_rank += cursor->levels[0].count;
    } else {
        cursor->leaf_rank -= path.levels[0].count;
    }
    cursor->levels[level].index = index;
    for (uint32_t i = 0; i < level; i++) {
        cursor->levels[i] = path.levels[i];
    }
    enter_leaf(cursor, path.levels[0].node);
    prefetch_sibling(cursor, direction);
    *moved_out = 1;
    return SOP_OK;
}

/* A new path from the root; on failure the cursor stays where it was. */
SOP_INLINE sop_status from_root(sop_btree_cursor *cursor, down_by *by, sop_error *err)
{
    const sop_btree *tree = &cursor->tree;
    fresh_path path;
    sop_status status = go_down(tree->segments, &path, tree->height - 1, tree->root, by, err);
    if (SOP_UNLIKELY(status != SOP_OK)) return status;
    for (uint32_t i = 0; i < tree->height; i++) {
        cursor->levels[i] = path.levels[i];
    }
    cursor->leaf_rank = path.before;
    cursor->at_item = 1;
    enter_leaf(cursor, path.levels[0].node);
    return SOP_OK;
}

/* The index has left the leaf at its end: on to the next leaf, or past the end. */
static sop_status leave_forward(sop_btree_cursor *cursor, sop_error *err)
{
    int moved = 0;
    sop_status status = next_leaf(cursor, 1, &moved, err);
    if (status == SOP_OK && !moved) past_end(cursor, 1);
    return status;
}

sop_status
sop_btree_cursor_seek(sop_btree_cursor *cursor, sop_slice key, int *exact_out, sop_error *err)
{
    int equal = 0;
    if (exact_out != NULL) *exact_out = 0;
    if (cursor->tree.count == 0) {
        past_end(cursor, 1);
        return SOP_OK;
    }
    down_by by = {.how = DOWN_KEY, .key = key};
    sop_status status = from_root(cursor, &by, err);
    if (SOP_UNLIKELY(status != SOP_OK)) return status;
    uint32_t index = sop_btree__leaf_bound(cursor->levels[0].node, key, &equal);
    if (exact_out != NULL) *exact_out = equal;
    if (SOP_LIKELY(index < cursor->levels[0].count)) {
        cursor->levels[0].index = index;
        sop_btree__prefetch_run(cursor->levels[0].node, index);
        return SOP_OK;
    }
    /* Greater than all keys of the leaf in whose range it lies. */
    cursor->levels[0].index = cursor->levels[0].count - 1;
    return leave_forward(cursor, err);
}

sop_status sop_btree_cursor_seek_rank(sop_btree_cursor *cursor, uint64_t rank, sop_error *err)
{
    if (rank >= cursor->tree.count) {
        past_end(cursor, 1);
        return SOP_OK;
    }
    down_by by = {.how = DOWN_RANK, .rank = rank};
    sop_status status = from_root(cursor, &by, err);
    if (SOP_UNLIKELY(status != SOP_OK)) return status;
    if (SOP_UNLIKELY(by.rank >= cursor->levels[0].count)) {
        cursor->at_item = 0;
        return sop_btree__bad(sop_btree__own_address(cursor->levels[0].node), err,
                              "%u items, its parents count more than %" PRIu64,
                              cursor->levels[0].count, by.rank);
    }
    cursor->levels[0].index = (uint32_t)by.rank;
    sop_btree__prefetch_run(cursor->levels[0].node, (uint32_t)by.rank);
    return SOP_OK;
}

sop_status sop_btree_cursor_first(sop_btree_cursor *cursor, sop_error *err)
{
    if (cursor->tree.count == 0) {
        past_end(cursor, 1);
        return SOP_OK;
    }
    down_by by = {.how = DOWN_FIRST};
    sop_status status = from_root(cursor, &by, err);
    if (status == SOP_OK) prefetch_sibling(cursor, 1);
    return status;
}

sop_status sop_btree_cursor_last(sop_btree_cursor *cursor, sop_error *err)
{
    if (cursor->tree.count == 0) {
        past_end(cursor, -1);
        return SOP_OK;
    }
    down_by by = {.how = DOWN_LAST};
    sop_status status = from_root(cursor, &by, err);
    if (status != SOP_OK) return status;
    cursor->levels[0].index = cursor->levels[0].count - 1;
    prefetch_sibling(cursor, -1);
    return SOP_OK;
}

sop_status sop_btree_cursor_next_slow(sop_btree_cursor *cursor, sop_error *err)
{
    if (!cursor->at_item) return cursor->side > 0 ? SOP_OK : sop_btree_cursor_first(cursor, err);
    return leave_forward(cursor, err);
}

sop_status sop_btree_cursor_prev_slow(sop_btree_cursor *cursor, sop_error *err)
{
    if (!cursor->at_item) return cursor->side < 0 ? SOP_OK : sop_btree_cursor_last(cursor, err);
    int moved = 0;
    sop_status status = next_leaf(cursor, -1, &moved, err);
    if (status != SOP_OK) return status;
    if (moved) {
        cursor->levels[0].index = cursor->levels[0].count - 1;
    } else {
        past_end(cursor, -1);
    }
    return SOP_OK;
}

/* Writes the suffix of an item, and up to 16 bytes more. */
SOP_INLINE void item_suffix(const sop_leaf_item *item, uint8_t *out)
{
    sop_put_u32be(out, item->head);
    out += SOP_LEAF_HEAD_SIZE;
    if (SOP_LIKELY(item->tail_size <= 16 && item->tail_size + item->value.size >= 16)) {
        /* One move that may take some bytes of the value along. */
        memcpy(out, item->tail, 16);
    } else if (item->tail_size != 0) {
        memcpy(out, item->tail, item->tail_size);
    }
}

/* Completes the key of the current item behind the prefix. */
SOP_INLINE void assemble_key(sop_btree_cursor *cursor, const sop_leaf_item *item)
{
    /* An address beyond the map does no harm here. */
    SOP_PREFETCH(item->tail + cursor->ahead);
    SOP_PREFETCH(item->tail + cursor->ahead + SOP_CACHE_LINE);
    item_suffix(item, cursor->key_buffer + cursor->prefix_size);
    cursor->key_size = cursor->prefix_size + item->suffix_size;
    cursor->key_index = cursor->levels[0].index;
}

sop_slice sop_btree_cursor_key(sop_btree_cursor *cursor)
{
    SOP_ASSERT(cursor->at_item);
    if (cursor->key_index != cursor->levels[0].index) {
        sop_leaf_item item = sop_btree__item(cursor->levels[0].node, cursor->levels[0].index);
        assemble_key(cursor, &item);
    }
    return sop_slice_of(cursor->key_buffer, cursor->key_size);
}

sop_btree_value sop_btree_cursor_value(const sop_btree_cursor *cursor)
{
    SOP_ASSERT(cursor->at_item);
    sop_leaf_item item = sop_btree__item(cursor->levels[0].node, cursor->levels[0].index);
    return (sop_btree_value){item.value, item.is_reference};
}

sop_slice sop_btree_cursor_item(sop_btree_cursor *cursor, sop_btree_value *value_out)
{
    SOP_ASSERT(cursor->at_item);
    sop_leaf_item item = sop_btree__item(cursor->levels[0].node, cursor->levels[0].index);
    *value_out = (sop_btree_value){item.value, item.is_reference};
    assemble_key(cursor, &item);
    return sop_slice_of(cursor->key_buffer, cursor->key_size);
}

void sop_btree_cursor_take(sop_btree_cursor *cursor, uint32_t last, sop_btree_page *page)
{
    SOP_ASSERT(cursor->at_item && last < cursor->levels[0].count);
    const uint8_t *leaf = cursor->levels[0].node;
    const size_t prefix = cursor->prefix_size;
    uint32_t index = cursor->levels[0].index;
    const uint32_t step = last >= index ? 1 : UINT32_MAX;
    const int ahead = last >= index ? SOP_BTREE_AHEAD : -SOP_BTREE_AHEAD;
    while (index != last && page->count < page->capacity) {
        sop_leaf_item item = sop_btree__item(leaf, index + step);
        /* Prefix and tail may be moved as 16 bytes each. */
        if (item.is_reference || page->room < prefix + item.suffix_size + 32) break;
        index += step;
        SOP_PREFETCH(item.tail + ahead);
        SOP_PREFETCH(item.tail + ahead + SOP_CACHE_LINE);
        uint8_t *out = page->keys;
        memcpy(out, cursor->key_buffer, SOP_LIKELY(prefix <= 16) ? 16 : prefix);
        item_suffix(&item, out + prefix);
        size_t size = prefix + item.suffix_size;
        page->items[page->count++] = (sop_item){sop_slice_of(out, size), item.value};
        page->keys += size;
        page->room -= size;
    }
    cursor->levels[0].index = index;
}

uint64_t sop_btree_cursor_rank(const sop_btree_cursor *cursor)
{
    if (cursor->at_item) return cursor->leaf_rank + cursor->levels[0].index;
    return cursor->side > 0 ? cursor->tree.count : 0;
}

uint32_t sop_btree_cursor_leaf_lower_bound(const sop_btree_cursor *cursor, sop_slice key)
{
    SOP_ASSERT(cursor->levels[0].node != NULL);
    int equal = 0;
    return sop_btree__leaf_bound(cursor->levels[0].node, key, &equal);
}
