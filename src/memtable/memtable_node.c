/* SPDX-License-Identifier: MIT */
/* Nodes of the memtable: copy, insert, split, prefixes and heads, sums. */
#include "memtable/memtable_private.h"

/* A prefix may grow only when at least this many bits of all heads are equal, and leaves some equal bytes
   in the heads, so that a key a little outside does not rebuild the heads again. */
enum { SHARPEN_BITS = 40, PREFIX_SLACK = 2 };

/* --- heads --- */

static uint64_t head_at(sop_slice key, unsigned skip)
{
    return sop_key_head((const uint8_t *)key.data + skip, key.size - skip);
}

static void heads_rebuild(sop_memnode *node, unsigned skip)
{
    node->skip = (uint8_t)skip;
    for (unsigned i = 0; i < node->count; i++) {
        node->heads[i] = head_at(sop_record_key(sop_memnode__entry(node, i)), skip);
    }
}

/* The head of a key that will order an entry; shortens the prefix if the key does not share it. */
static uint64_t head_for(sop_memnode *node, sop_slice key)
{
    if (SOP_LIKELY(sop_memnode__prefix_order(node, key.data, key.size) == 0)) {
        return head_at(key, node->skip);
    }
    const uint8_t *bytes = key.data;
    unsigned same = 0;
    while (same < node->skip && same < key.size && bytes[same] == node->prefix[same]) {
        same++;
    }
    heads_rebuild(node, same);
    return head_at(key, node->skip);
}

void sop_memnode__sharpen(sop_memnode *node)
{
    if (node->count < 2) return;
    uint64_t differ = node->heads[0] ^ node->heads[node->count - 1];
    if (differ >> (64 - SHARPEN_BITS) != 0) return;
    const sop_record *a = sop_memnode__entry(node, 0);
    const sop_record *b = sop_memnode__entry(node, node->count - 1u);
    unsigned same = 0;
    while (same < SOP_MEMNODE_PREFIX_MAX + PREFIX_SLACK && same < a->key_size &&
           same < b->key_size && a->bytes[same] == b->bytes[same]) {
        same++;
    }
    if (same < node->skip + 2u * PREFIX_SLACK) return;
    memcpy(node->prefix, a->bytes, same - PREFIX_SLACK);
    heads_rebuild(node, same - PREFIX_SLACK);
}

int sop_memnode__prefix_order_slow(const sop_memnode *node, const uint8_t *key, size_t size)
{
    const uint8_t *prefix = node->prefix;
    size_t left = node->skip;
    if (SOP_UNLIKELY(size < left)) {
        int order = size == 0 ? 0 : memcmp(key, prefix, size);
        return order == 0 ? -1 : order;
    }
    for (; left >= 8; left -= 8, size -= 8, key += 8, prefix += 8) {
        uint64_t a = sop_get_u64be(key);
        uint64_t b = sop_get_u64be(prefix);
        if (a != b) return a < b ? -1 : 1;
    }
    if (left == 0) return 0;
    unsigned beyond = 64 - 8 * (unsigned)left;
    uint64_t a = sop_key_head(key, size) >> beyond;
    uint64_t b = sop_get_u64be(prefix) >> beyond;
    return (a > b) - (a < b);
}

/* Order of the key of entry i against a key that shares the prefix and the head. */
static int entry_order(const sop_memnode *node, unsigned i, sop_slice key)
{
    const sop_record *r = sop_memnode__entry(node, i);
    size_t same = node->skip + 8u;
    if (SOP_UNLIKELY(r->key_size < same || key.size < same)) same = node->skip;
    return sop_compare(r->bytes + same, r->key_size - same, (const uint8_t *)key.data + same,
                       key.size - same);
}

unsigned sop_memnode__lower_tied(
    const sop_memnode *node, unsigned at, sop_slice key, uint64_t head, int *equal_out)
{
    unsigned end = at + 1;
    while (end < node->count && node->heads[end] == head) {
        end++;
    }
    while (at < end) {
        unsigned middle = (at + end) / 2;
        int order = entry_order(node, middle, key);
        if (order == 0) {
            *equal_out = 1;
            return middle;
        }
        if (order < 0) {
            at = middle + 1;
        } else {
            end = middle;
        }
    }
    return at;
}

/* --- making and copying --- */

unsigned sop_memnode__capacity_for(unsigned count)
{
    SOP_ASSERT(count <= SOP_MEMNODE_FANOUT);
    return count <= 4 ? 4 : (count + 7) & ~7u;
}

sop_memnode *sop_memnode__new(sop_memtable *table, unsigned level, unsigned capacity)
{
    sop_memnode *node = sop_memheap__alloc(&table->heap, sop_memnode__bytes(level, capacity));
    if (node == NULL) return NULL;
    *node =
        (sop_memnode){.level = (uint8_t)level, .capacity = (uint8_t)capacity, .born = table->seq};
    return node;
}

void sop_memnode__release(sop_memtable *table, sop_memnode *node)
{
    sop_memheap__release(&table->heap, node, sop_memnode__bytes(node->level, node->capacity));
}

sop_memnode *sop_memnode__copy(sop_memtable *table, const sop_memnode *old, unsigned capacity)
{
    sop_memnode *node = sop_memheap__alloc(&table->heap, sop_memnode__bytes(old->level, capacity));
    if (node == NULL) return NULL;
    if (capacity == old->capacity) {
        /* The used part of the last array ends the copy; gaps before it are copied along. */
        const uint8_t *end = (const uint8_t *)(sop_memnode__records(old) + old->count);
        if (old->level != 0) end = (const uint8_t *)(sop_memnode__deltas(old) + old->count);
        memcpy(node, old, (size_t)(end - (const uint8_t *)old));
    } else {
        memcpy(node, old, sizeof *old + old->count * sizeof old->heads[0]);
        node->capacity = (uint8_t)capacity;
        memcpy(sop_memnode__records(node), sop_memnode__records(old), old->count * sizeof(void *));
        if (old->level != 0) {
            memcpy(sop_memnode__deltas(node), sop_memnode__deltas(old),
                   old->count * sizeof(int32_t));
        }
    }
    node->born = table->seq;
    return node;
}

/* --- insertion --- */

/* A hole in a bitmap at a place, holding 0. */
static uint64_t bits_open(uint64_t bits, unsigned at)
{
    uint64_t below = (UINT64_C(1) << at) - 1;
    return (bits & below) | ((bits & ~below) << 1);
}

static void leaf_run_note(sop_memnode *leaf, unsigned at)
{
    int beside = at == leaf->last || at == leaf->last + 1u;
    leaf->run = beside ? (uint8_t)(leaf->run + (leaf->run < UINT8_MAX)) : 0;
    leaf->last = (uint8_t)at;
}

void sop_memnode__insert_record(sop_memnode *leaf, unsigned at, const sop_record *record)
{
    SOP_ASSERT(leaf->count < leaf->capacity);
    uint64_t head = head_for(leaf, sop_record_key(record));
    const sop_record **records = sop_memnode__records(leaf);
    unsigned after = leaf->count - at;
    memmove(leaf->heads + at + 1, leaf->heads + at, after * sizeof leaf->heads[0]);
    memmove(records + at + 1, records + at, after * sizeof records[0]);
    leaf->heads[at] = head;
    records[at] = record;
    leaf->plus = bits_open(leaf->plus, at);
    leaf->minus = bits_open(leaf->minus, at);
    leaf->count++;
    int delta = sop_record__delta(record);
    sop_memnode__delta_set(leaf, at, delta);
    leaf->delta += delta;
    leaf->items++;
    leaf->unresolved += record->below == SOP_BELOW_ANY;
    if (record->seq > leaf->seq) leaf->seq = record->seq;
    if (record->shape_seq > leaf->shape_seq) leaf->shape_seq = record->shape_seq;
    if (at == 0) leaf->first = record;
    leaf_run_note(leaf, at);
    /* Small leaves are never split, so they look for a prefix as they grow. */
    if (leaf->count == 8 || leaf->count == 16) sop_memnode__sharpen(leaf);
}

void sop_memnode__insert_child(sop_memnode *node, unsigned at, sop_memnode *child)
{
    SOP_ASSERT(node->count < node->capacity);
    uint64_t head = head_for(node, sop_record_key(child->first));
    sop_memnode **children = sop_memnode__children(node);
    int32_t *deltas = sop_memnode__deltas(node);
    unsigned after = node->count - at;
    memmove(node->heads + at + 1, node->heads + at, after * sizeof node->heads[0]);
    memmove(children + at + 1, children + at, after * sizeof children[0]);
    memmove(deltas + at + 1, deltas + at, after * sizeof deltas[0]);
    node->heads[at] = head;
    children[at] = child;
    deltas[at] = child->delta;
    node->count++;
    if (at == 0) node->first = child->first;
}

void sop_memnode__first_set(sop_memnode *node, const sop_record *first)
{
    node->first = first;
    if (node->level != 0) node->heads[0] = head_for(node, sop_record_key(first));
}

/* --- sums and splits --- */

static void leaf_sum(sop_memnode *leaf)
{
    const sop_record **records = sop_memnode__records(leaf);
    leaf->items = leaf->count;
    leaf->delta = sop_memnode__leaf_delta(leaf, leaf->count);
    for (unsigned i = 0; i < leaf->count; i++) {
        const sop_record *r = records[i];
        if (r->seq > leaf->seq) leaf->seq = r->seq;
        if (r->shape_seq > leaf->shape_seq) leaf->shape_seq = r->shape_seq;
        leaf->unresolved += r->below == SOP_BELOW_ANY;
    }
}

static void inner_sum(sop_memnode *node)
{
    sop_memnode **children = sop_memnode__children(node);
    int32_t *deltas = sop_memnode__deltas(node);
    for (unsigned i = 0; i < node->count; i++) {
        const sop_memnode *child = children[i];
        deltas[i] = child->delta;
        node->delta += child->delta;
        node->items += child->items;
        node->unresolved += child->unresolved;
        if (child->seq > node->seq) node->seq = child->seq;
        if (child->shape_seq > node->shape_seq) node->shape_seq = child->shape_seq;
    }
}

void sop_memnode__sum(sop_memnode *node)
{
    node->delta = 0;
    node->items = 0;
    node->unresolved = 0;
    node->seq = 0;
    node->shape_seq = 0;
    node->first = sop_memnode__entry(node, 0);
    if (node->level == 0) {
        leaf_sum(node);
    } else {
        inner_sum(node);
    }
}

void sop_memnode__split(sop_memnode *node, unsigned at, sop_memnode *right)
{
    SOP_ASSERT(at > 0);
    SOP_ASSERT(at < node->count);
    SOP_ASSERT(right->capacity >= node->count - at);
    unsigned moved = node->count - at;
    memcpy(right->heads, node->heads + at, moved * sizeof node->heads[0]);
    memcpy(sop_memnode__records(right), sop_memnode__records(node) + at, moved * sizeof(void *));
    if (node->level != 0) {
        memcpy(sop_memnode__deltas(right), sop_memnode__deltas(node) + at, moved * sizeof(int32_t));
    } else {
        uint64_t below = (UINT64_C(1) << at) - 1;
        right->plus = node->plus >> at;
        right->minus = node->minus >> at;
        node->plus &= below;
        node->minus &= below;
    }
    right->skip = node->skip;
    memcpy(right->prefix, node->prefix, sizeof node->prefix);
    right->count = (uint8_t)moved;
    node->count = (uint8_t)at;
    node->last = 0;
    node->run = 0;
    sop_memnode__sum(node);
    sop_memnode__sum(right);
    sop_memnode__sharpen(node);
    sop_memnode__sharpen(right);
}
