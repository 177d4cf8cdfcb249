/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: nodes of the base tree. The bytes are sealed with magic, address and a right checksum, as forged ones would be.
 * Whatever passes the validation is searched, walked and read to its last byte.
 */
#include <stdlib.h>
#include <string.h>

#include "btree/btree.h"
#include "btree/btree_emit.h"
#include "btree/btree_node.h"
#include "fuzz/fuzz.h"
#include "util/checksum.h"

enum { OFFSET = SOP_SEGMENT_HEADER };

static void need(int condition)
{
    if (!condition) abort();
}

/* Reads every byte, for the sanitizer. */
static void touch(sop_slice slice)
{
    if (slice.size != 0) need(sop_checksum64(slice.data, slice.size, 0) != 1);
}

/* The item at index is found by its key, by get, rank and seek. */
static void find(const sop_btree *tree, sop_btree_cursor *cursor, sop_slice key, uint32_t index)
{
    sop_btree_value value;
    uint64_t rank = 0;
    int found = 0;
    need(sop_btree_get(tree, key, &value, NULL) == SOP_OK);
    need(sop_btree_rank(tree, key, &rank, &found, NULL) == SOP_OK && rank == index && found);
    need(sop_btree_cursor_seek(cursor, key, &found, NULL) == SOP_OK && found);
    need(sop_btree_cursor_rank(cursor) == index);
}

static void use_leaf(const sop_btree *tree, const uint8_t *leaf)
{
    static sop_btree_cursor cursor;
    static sop_btree_cursor other;
    static uint8_t key[SOP_BTREE_KEY_MAX + 16];
    sop_btree_cursor_init(&cursor, tree);
    sop_btree_cursor_init(&other, tree);
    for (uint32_t i = 0; i < sop_btree__count(leaf); i++) {
        sop_btree_value value;
        need(sop_btree_cursor_next(&cursor, NULL) == SOP_OK && cursor.at_item);
        sop_slice at = sop_btree_cursor_item(&cursor, &value);
        need(!value.is_reference || value.value.size == SOP_VALUE_REFERENCE_SIZE);
        touch(at);
        touch(value.value);
        need(sop_btree__leaf_key(leaf, i, key) == at.size && memcmp(key, at.data, at.size) == 0);
        if (at.size > 0) find(tree, &other, at, i);
    }
    need(sop_btree_cursor_next(&cursor, NULL) == SOP_OK && !cursor.at_item);
    for (uint32_t i = sop_btree__count(leaf); i > 0; i--) {
        need(sop_btree_cursor_prev(&cursor, NULL) == SOP_OK && cursor.at_item);
        touch(sop_btree_cursor_key(&cursor));
    }
}

static void use_inner(const uint8_t *inner)
{
    static uint8_t separator[SOP_BTREE_KEY_MAX + 16];
    uint32_t count = sop_btree__count(inner);
    for (uint32_t i = 1; i < count; i++) {
        sop_slice key = {separator, sop_btree__separator(inner, i, separator)};
        need(sop_btree__inner_child(inner, key) == i);
        if (key.size == 0) continue;
        key.size--;
        need(sop_btree__inner_child(inner, key) < i);
    }
    for (uint32_t i = 0; i < count; i++) {
        uint64_t before = sop_btree__before(inner, i);
        need(sop_btree__inner_child_at(inner, before) == i);
        need(sop_btree__inner_child_at(inner, sop_btree__before(inner, i + 1) - 1) == i);
        (void)sop_btree__child_of(inner, i);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < SOP_NODE_HEADER || size > SOP_BTREE_NODE_MAX) return 0;
    /* Ends where the node ends, so that the sanitizer sees a read one byte too far. */
    uint8_t *segment = malloc(OFFSET + size);
    _Atomic uint64_t *verified = calloc(32, sizeof *verified);
    need(segment != NULL && verified != NULL);
    uint8_t *node = segment + OFFSET;
    memcpy(node, data, size);
    sop_put_u16le(node + SOP_NODE_MAGIC_AT, SOP_NODE_MAGIC);
    node[SOP_NODE_VERSION_AT] = SOP_NODE_VERSION;
    sop_address address = sop_address_make(1, OFFSET, (uint32_t)size);
    sop_btree__node_seal(node, address);
    sop_error err;
    sop_status status = sop_btree__node_verify(node, address, &err);
    need(status == SOP_OK || status == SOP_CORRUPT);
    if (status == SOP_OK && sop_btree__level(node) == 0) {
        /* A set of one segment that holds this node, already verified. */
        atomic_store_explicit(&verified[OFFSET >> 12], 1, memory_order_relaxed);
        sop_segment_slot slots[2] = {{0}};
        sop_segments set = {.slots = slots, .mask = 1, .shift = 63};
        uint32_t slot = (uint32_t)((address.segment * 0x9e3779b97f4a7c15u) >> set.shift);
        slots[slot & 1] = (sop_segment_slot){
            .segment = 1, .data = segment, .size = OFFSET + size, .verified = verified};
        sop_btree tree = {
            .segments = &set, .root = address, .count = sop_btree__count(node), .height = 1};
        use_leaf(&tree, node);
    } else if (status == SOP_OK) {
        use_inner(node);
    }
    free(segment);
    free((void *)(uintptr_t)verified);
    return 0;
}
