/* SPDX-License-Identifier: MIT */
/* The writer's side of the memtable: batches, set, publish, revert, resolve. */
#include "memtable/memtable.h"

#include <stdatomic.h>

#include "memtable/memtable_private.h"
#include "util/memory.h"

/* A table and its first bytes of heap are one piece. */
enum { TABLE_BYTES = 4096, SEQUENTIAL_RUN = 8 };
_Static_assert(sizeof(sop_memtable) + 2048 <= TABLE_BYTES,
               "the first heap bytes hold a small write set");

sop_memtable *sop_memtable_new(void)
{
    sop_memtable *table = sop_alloc(TABLE_BYTES);
    if (table == NULL) return NULL;
    memset(table, 0, offsetof(sop_memtable, heap));
    sop_memheap__init(&table->heap, table + 1, TABLE_BYTES - sizeof *table);
    return table;
}

void sop_memtable_free(sop_memtable *table)
{
    if (table == NULL) return;
    sop_memgarbage__deinit(table);
    sop_memheap__deinit(&table->heap);
    sop_free(table);
}

/* Only the writer stores; relaxed because readers want no more than a number. */
static void items_set(sop_memtable *table, uint64_t items)
{
    atomic_store_explicit(&table->items, items, memory_order_relaxed);
}

void sop_memtable_reset(sop_memtable *table)
{
    sop_memgarbage__clear(table);
    sop_memheap__reset(&table->heap);
    table->seq = 0;
    table->published_seq = 0;
    table->in_batch = 0;
    table->frozen = 0;
    table->root = NULL;
    table->published = NULL;
    table->items_published = 0;
    table->finger.valid = 0;
    table->finger.slot = NULL;
    items_set(table, 0);
}

uint64_t sop_memtable_bytes(const sop_memtable *table)
{
    return TABLE_BYTES + atomic_load_explicit(&table->heap.bytes, memory_order_relaxed);
}

uint64_t sop_memtable_items(const sop_memtable *table)
{
    return atomic_load_explicit(&table->items, memory_order_relaxed);
}

/* --- batches --- */

static void finger_drop(sop_memtable *table)
{
    table->finger.valid = 0;
    table->finger.slot = NULL;
}

void sop_memtable_begin(sop_memtable *table, uint64_t seq)
{
    SOP_ASSERT(!table->in_batch);
    SOP_ASSERT(seq >= table->seq);
    table->in_batch = 1;
    /* A write set goes on under the same seq, where its finger still holds. */
    if (seq != table->seq) finger_drop(table);
    table->seq = seq;
    sop_memgarbage__begin(table);
}

const sop_memtable_root *sop_memtable_publish(sop_memtable *table)
{
    SOP_ASSERT(table->in_batch);
    table->in_batch = 0;
    table->published = table->root;
    table->published_seq = table->seq;
    table->items_published = sop_memtable_items(table);
    return table->root;
}

const sop_memtable_root *sop_memtable_current(const sop_memtable *table)
{
    return table->root;
}

/* NOLINTNEXTLINE(misc-no-recursion): each turn goes one level down. */
static void tree_revert(sop_memtable *table, sop_memnode *node)
{
    if (node == NULL || node->born != table->seq) return;
    for (unsigned i = 0; i < node->count; i++) {
        if (node->level != 0) {
            tree_revert(table, sop_memnode__children(node)[i]);
            continue;
        }
        const sop_record *record = sop_memnode__records(node)[i];
        if (record->seq == table->seq) {
            sop_memheap__release(&table->heap, sop_mem__open(record), sop_record__size(record));
        }
    }
    sop_memnode__release(table, node);
}

/* NOLINTNEXTLINE(misc-no-recursion): the shift falls with each turn, 16 times at most. */
static void map_revert(sop_memtable *table, sop_memmap *map)
{
    if (map == NULL || map->born != table->seq) return;
    for (unsigned i = 0; i < SOP_MEMMAP_SLOTS; i++) {
        if (map->shift == 0) {
            tree_revert(table, map->slots[i]);
        } else {
            map_revert(table, map->slots[i]);
        }
    }
    sop_memheap__release(&table->heap, map, sizeof *map);
}

void sop_memtable_revert(sop_memtable *table)
{
    SOP_ASSERT(table->in_batch);
    table->in_batch = 0;
    finger_drop(table);
    /* What was published under this very seq was changed in place since: there is no way back, and a failed
       set left no trace. */
    if (table->published != NULL && table->published_seq == table->seq) return;
    /* Retired records first: they are told apart by their seq, as are those still in the tree. */
    sop_memgarbage__revert(table);
    map_revert(table, table->root);
    table->root = table->published;
    table->seq = table->published_seq;
    items_set(table, table->items_published);
}

static sop_status items_count(uint64_t store, const sop_memtree *tree, void *context)
{
    (void)store;
    *(uint64_t *)context += sop_memtree_items(tree);
    return SOP_OK;
}

void sop_memtable_rewind(sop_memtable *table, const sop_memtable_root *root, uint64_t seq)
{
    SOP_ASSERT(!table->in_batch);
    SOP_ASSERT(root == NULL || root->born <= seq);
    if (seq >= table->seq) {
        /* Nothing came after it in this layer. */
        SOP_ASSERT(root == table->root);
        return;
    }
    uint64_t items = 0;
    sop_status status = sop_memtable_stores(root, items_count, &items);
    SOP_ASSERT(status == SOP_OK);
    finger_drop(table);
    sop_memgarbage__rewind(table, seq);
    table->seq = seq;
    table->published_seq = seq;
    table->published = sop_mem__open(root);
    table->root = table->published;
    table->items_published = items;
    items_set(table, items);
}

void sop_memtable_freeze_heap(sop_memtable *table)
{
    table->frozen = 1;
}

/* --- the way down --- */

static unsigned finger_top(const sop_memfinger *finger)
{
    return (*finger->slot)->level;
}

/* 1 if the finger's leaf is surely where the key belongs: told by the separators in the node above it, as
   those lie in the cache when the records do not. */
static int finger_holds(const sop_memtable *table, uint64_t store, sop_slice key)
{
    const sop_memfinger *finger = &table->finger;
    if (!finger->valid || finger->store != store) return 0;
    if (finger_top(finger) == 0) return 1;
    const sop_memnode *node = finger->path[1].node;
    unsigned at = finger->path[1].index;
    if (sop_memnode__prefix_order(node, key.data, key.size) != 0) return 0;
    uint64_t head = sop_memnode__head(node, key);
    if (at == 0 ? !finger->path[1].first : node->heads[at] >= head) return 0;
    return at + 1 == node->count ? finger->path[1].last : head < node->heads[at + 1];
}

/* The lowest level of the path whose node surely has the key below it, and the child there. */
static unsigned finger_climb(const sop_memfinger *finger, sop_slice key, unsigned *child_out)
{
    unsigned top = finger_top(finger);
    for (unsigned level = 1; level < top; level++) {
        const sop_memnode *node = finger->path[level].node;
        unsigned child = sop_memnode__child(node, key);
        *child_out = child;
        if (child == 0 && !finger->path[level].first) continue;
        if (child + 1 == node->count && !finger->path[level].last) continue;
        return level;
    }
    *child_out = sop_memnode__child(finger->path[top].node, key);
    return top;
}

/* Makes the node at a link one of this batch. NULL when out of memory. */
static sop_memnode *node_own(sop_memtable *table, sop_memnode **link)
{
    sop_memnode *old = *link;
    if (old->born == table->seq) return old;
    unsigned capacity = old->capacity;
    if (old->level == 0 && old->count < SOP_MEMNODE_FANOUT) {
        capacity = sop_memnode__capacity_for(old->count + 1u);
    }
    sop_memnode *node = sop_memnode__copy(table, old, capacity);
    if (node == NULL) return NULL;
    sop_memgarbage__retire(table, old, SOP_MEMOBJECT_NODE);
    *link = node;
    return node;
}

static sop_status slot_find(sop_memtable *table, uint64_t store)
{
    sop_memfinger *finger = &table->finger;
    if (finger->slot != NULL && finger->store == store) return SOP_OK;
    finger->valid = 0;
    finger->slot = sop_memmap__slot(table, store);
    finger->store = store;
    return finger->slot == NULL ? SOP_NO_MEMORY : SOP_OK;
}

/* Starts to fetch a child that is about to be searched, and copied if it is a leaf. */
static void child_prefetch(const sop_memnode *node, unsigned child)
{
    sop_memnode__prefetch(sop_memnode__children(node)[child]);
}

/* Makes the node at a link the path's node of its level. NULL when out of memory. */
static sop_memnode *path_take(sop_memtable *table, sop_memnode **link, unsigned child)
{
    sop_memfinger *finger = &table->finger;
    sop_memnode *node = node_own(table, link);
    if (node == NULL) return NULL;
    finger->path[node->level].node = node;
    finger->path[node->level].index = child;
    return node;
}

/* Goes on from the path's node of a level, whose child is chosen, down to the leaf. */
static sop_status path_finish(sop_memtable *table, unsigned level, sop_slice key)
{
    sop_memfinger *finger = &table->finger;
    sop_memnode *node = finger->path[level].node;
    unsigned child = finger->path[level].index;
    while (level > 0) {
        uint8_t first = finger->path[level].first && child == 0;
        uint8_t last = finger->path[level].last && child + 1u == node->count;
        sop_memnode **link = &sop_memnode__children(node)[child];
        level--;
        child = 0;
        if (level > 0) {
            /* Chosen before the copy, so that the copy hides the wait for the next node. */
            child = sop_memnode__child(*link, key);
            child_prefetch(*link, child);
        }
        node = path_take(table, link, child);
        if (node == NULL) return SOP_NO_MEMORY;
        finger->path[level].first = first;
        finger->path[level].last = last;
    }
    finger->valid = 1;
    return SOP_OK;
}

/* Fills the finger with the path to the leaf of the key, copying what is not of this batch. */
static sop_status descend(sop_memtable *table, uint64_t store, sop_slice key)
{
    sop_memfinger *finger = &table->finger;
    unsigned child = 0;
    if (finger->valid && finger->store == store) {
        unsigned level = finger_climb(finger, key, &child);
        finger->valid = 0;
        child_prefetch(finger->path[level].node, child);
        finger->path[level].index = child;
        return path_finish(table, level, key);
    }
    finger->valid = 0;
    if (slot_find(table, store) != SOP_OK) return SOP_NO_MEMORY;
    sop_memnode **link = finger->slot;
    if (*link == NULL) *link = sop_memnode__new(table, 0, sop_memnode__capacity_for(1));
    if (*link == NULL) return SOP_NO_MEMORY;
    if ((*link)->level != 0) {
        child = sop_memnode__child(*link, key);
        child_prefetch(*link, child);
    }
    const sop_memnode *top = path_take(table, link, child);
    if (top == NULL) return SOP_NO_MEMORY;
    finger->path[top->level].first = 1;
    finger->path[top->level].last = 1;
    return path_finish(table, top->level, key);
}

/* Where the pointer to the path's node of a level lies. */
static sop_memnode **finger_link(sop_memfinger *finger, unsigned level)
{
    if (level == finger_top(finger)) return finger->slot;
    return &sop_memnode__children(finger->path[level + 1].node)[finger->path[level + 1].index];
}

/* --- changing sums along the path --- */

/* What a set changes in the sums of every node above it. */
typedef struct {
    int32_t delta;
    uint32_t items;
    uint32_t unresolved;
    uint64_t seq;
    uint64_t shape_seq;
} sums;

static void node_add(sop_memnode *node, const sums *s)
{
    node->delta += s->delta;
    node->items += s->items;
    node->unresolved += s->unresolved;
    if (s->seq > node->seq) node->seq = s->seq;
    if (s->shape_seq > node->shape_seq) node->shape_seq = s->shape_seq;
}

/* Adds to the inner nodes from level on; the child below level has its sums already. */
static void path_add(sop_memfinger *finger, unsigned level, const sums *s)
{
    for (unsigned top = finger_top(finger); level <= top; level++) {
        sop_memnode *node = finger->path[level].node;
        sop_memnode__deltas(node)[finger->path[level].index] += s->delta;
        node_add(node, s);
    }
}

/* The least record of the leaf is another: tells the nodes for which it is the least as well. */
static void path_first(sop_memfinger *finger)
{
    for (unsigned level = 1, top = finger_top(finger); level <= top; level++) {
        if (finger->path[level].index != 0) break;
        sop_memnode__first_set(finger->path[level].node, finger->path[0].node->first);
    }
}

/* --- records --- */

static void record_value_set(sop_record *record, size_t key_size, sop_slice value, unsigned flags)
{
    record->value_size = (uint32_t)value.size;
    record->flags = (uint8_t)flags;
    /* The value may be a slice of the record that it replaces. */
    if (value.size != 0) memmove(record->bytes + key_size, value.data, value.size);
}

/* The new state of a key as the caller gave it, without what depends on an older record. */
static sop_record *record_new(sop_memtable *table, sop_slice key, sop_slice value, unsigned flags)
{
    sop_record *record = sop_memheap__alloc(&table->heap, sop_record__bytes(key.size, value.size));
    if (record == NULL) return NULL;
    record->seq = table->seq;
    record->key_size = (uint16_t)key.size;
    if (key.size != 0) memcpy(record->bytes, key.data, key.size);
    record_value_set(record, key.size, value, flags);
    return record;
}

static void record_release(sop_memtable *table, sop_record *record)
{
    sop_memheap__release(&table->heap, record, sop_record__size(record));
}

/* 1 if the record may be given another value where it lies: nobody has seen it and the room is the same. */
static int record_reusable(const sop_memtable *table, const sop_record *record, size_t value_size)
{
    if (record->seq != table->seq) return 0;
    size_t old_size = sop_record__size(record);
    size_t new_size = sop_record__bytes(record->key_size, value_size);
    if (old_size > SOP_MEMHEAP_PIECE_MAX || new_size > SOP_MEMHEAP_PIECE_MAX) return 0;
    return sop_memheap__class(old_size) == sop_memheap__class(new_size);
}

/* --- set --- */

static sop_status replace(sop_memtable *table, unsigned at, sop_slice value, unsigned flags)
{
    sop_memfinger *finger = &table->finger;
    sop_memnode *leaf = finger->path[0].node;
    const sop_record *old = sop_memnode__records(leaf)[at];
    int present = (flags & SOP_RECORD_PRESENT) != 0;
    uint64_t shape_seq = present != sop_record_present(old) ? table->seq : old->shape_seq;
    int delta_old = sop_record__delta(old);
    sop_record *record = NULL;
    if (record_reusable(table, old, value.size)) {
        record = sop_mem__open(old);
        record_value_set(record, record->key_size, value, flags);
    } else {
        record = record_new(table, sop_record_key(old), value, flags);
        if (record == NULL) return SOP_NO_MEMORY;
        record->below = old->below;
        sop_memnode__records(leaf)[at] = record;
        sop_memgarbage__retire(table, old, SOP_MEMOBJECT_RECORD);
        if (at == 0) {
            leaf->first = record;
            path_first(finger);
        }
    }
    record->shape_seq = shape_seq;
    int delta = sop_record__delta(record);
    sop_memnode__delta_set(leaf, at, delta);
    sums s = {.delta = delta - delta_old, .seq = table->seq, .shape_seq = shape_seq};
    node_add(leaf, &s);
    path_add(finger, 1, &s);
    return SOP_OK;
}

/* Gives the path's node of a level room for one more, which it can have. NULL when out of memory. */
static sop_memnode *node_widen(sop_memtable *table, unsigned level)
{
    sop_memfinger *finger = &table->finger;
    sop_memnode *old = finger->path[level].node;
    if (old->count < old->capacity) return old;
    unsigned capacity = old->capacity < 32 ? old->capacity * 2u : SOP_MEMNODE_FANOUT;
    sop_memnode *node = sop_memnode__copy(table, old, capacity);
    if (node == NULL) return NULL;
    *finger_link(finger, level) = node;
    finger->path[level].node = node;
    sop_memnode__release(table, old);
    return node;
}

/* Makes sure that splitting all full nodes at the lower end of the path cannot fail half way. */
static int split_reserve(sop_memtable *table)
{
    const sop_memfinger *finger = &table->finger;
    unsigned top = finger_top(finger);
    unsigned nodes = 2; /* a right leaf, and a wider parent or a new top */
    for (unsigned level = 1; level <= top; level++) {
        if (finger->path[level].node->count < SOP_MEMNODE_FANOUT) break;
        nodes++;
    }
    size_t bytes = sop_memnode__bytes(1, SOP_MEMNODE_FANOUT);
    return sop_memheap__reserve(&table->heap,
                                nodes * sop_memheap__class_size(sop_memheap__class(bytes)));
}

static void top_grow(sop_memtable *table, sop_memnode *left, sop_memnode *right)
{
    sop_memnode *top = sop_memnode__new(table, left->level + 1u, sop_memnode__capacity_for(2));
    SOP_ASSERT(top != NULL);
    SOP_ASSERT(top->level < SOP_MEMTREE_HEIGHT_MAX);
    sop_memnode__insert_child(top, 0, left);
    sop_memnode__insert_child(top, 1, right);
    sop_memnode__sum(top);
    sop_memnode__sharpen(top);
    *table->finger.slot = top;
}

/* Puts right beside the path's node of level - 1, splitting upwards as needed; memory is reserved. */
static void path_insert(sop_memtable *table, sop_memnode *right, const sums *s, int append)
{
    sop_memfinger *finger = &table->finger;
    unsigned top = finger_top(finger);
    for (unsigned level = 1; level <= top; level++) {
        sop_memnode *node = finger->path[level].node;
        unsigned at = finger->path[level].index + 1u;
        if (node->count < SOP_MEMNODE_FANOUT) {
            node = node_widen(table, level);
            SOP_ASSERT(node != NULL);
            sop_memnode__deltas(node)[at - 1] = finger->path[level - 1].node->delta;
            sop_memnode__insert_child(node, at, right);
            node_add(node, s);
            path_add(finger, level + 1, s);
            return;
        }
        sop_memnode *half = sop_memnode__new(table, level, SOP_MEMNODE_FANOUT);
        SOP_ASSERT(half != NULL);
        if (append && at == node->count) {
            /* What comes next will most likely share the prefix. */
            sop_memnode__sharpen(node);
            half->skip = node->skip;
            memcpy(half->prefix, node->prefix, sizeof half->prefix);
            sop_memnode__insert_child(half, 0, right);
        } else {
            unsigned middle = SOP_MEMNODE_FANOUT / 2;
            sop_memnode__split(node, middle, half);
            if (at <= middle) {
                sop_memnode__insert_child(node, at, right);
            } else {
                sop_memnode__insert_child(half, at - middle, right);
            }
        }
        sop_memnode__sum(node);
        sop_memnode__sum(half);
        right = half;
    }
    top_grow(table, finger->path[top].node, right);
}

/* Where a full leaf is split for a record at a place. Keys that come in order, up or down, leave full
   leaves behind. */
static unsigned split_place(const sop_memfinger *finger, unsigned at)
{
    const sop_memnode *leaf = finger->path[0].node;
    int beside = at == leaf->last || at == leaf->last + 1u;
    if (beside && leaf->run >= SEQUENTIAL_RUN) return at;
    if (at == leaf->count && finger->path[0].last) return at;
    return SOP_MEMNODE_FANOUT / 2;
}

static void leaf_split_insert(sop_memtable *table, unsigned at, sop_record *record, const sums *s)
{
    sop_memfinger *finger = &table->finger;
    sop_memnode *leaf = finger->path[0].node;
    unsigned place = split_place(finger, at);
    int append = place == leaf->count && finger->path[0].last;
    sop_memnode *right = sop_memnode__new(table, 0, SOP_MEMNODE_FANOUT);
    SOP_ASSERT(right != NULL);
    if (place == leaf->count) {
        right->skip = leaf->skip;
        memcpy(right->prefix, leaf->prefix, sizeof right->prefix);
        right->run = SEQUENTIAL_RUN;
        /* Should keys come between the two, the old leaf is split in the middle. */
        leaf->run = 0;
        leaf->last = 0;
        sop_memnode__insert_record(right, 0, record);
    } else if (place == 0) {
        /* Keys come downwards: what is there moves right as a whole. */
        sop_memnode *left = right;
        *finger_link(finger, 0) = left;
        finger->path[0].node = left;
        right = leaf;
        right->run = 0;
        left->skip = leaf->skip;
        memcpy(left->prefix, leaf->prefix, sizeof left->prefix);
        left->run = SEQUENTIAL_RUN;
        sop_memnode__insert_record(left, 0, record);
        path_first(finger);
    } else {
        sop_memnode__split(leaf, place, right);
        sop_memnode *half = at <= place ? leaf : right;
        sop_memnode__insert_record(half, half == leaf ? at : at - place, record);
        if (at == 0) path_first(finger);
    }
    path_insert(table, right, s, append);
    finger->valid = 0;
}

static sop_status insert(sop_memtable *table, unsigned at, sop_record *record)
{
    sop_memfinger *finger = &table->finger;
    uint32_t items = (*finger->slot)->items;
    sums s = {.delta = sop_record__delta(record),
              .items = 1,
              .unresolved = record->below == SOP_BELOW_ANY,
              .seq = record->seq,
              .shape_seq = record->shape_seq};
    if (items >= SOP_MEMTREE_ITEMS_MAX) return SOP_NO_MEMORY;
    if (SOP_UNLIKELY(finger->path[0].node->count == SOP_MEMNODE_FANOUT)) {
        if (!split_reserve(table)) return SOP_NO_MEMORY;
        leaf_split_insert(table, at, record, &s);
    } else {
        sop_memnode *leaf = node_widen(table, 0);
        if (leaf == NULL) return SOP_NO_MEMORY;
        sop_memnode__insert_record(leaf, at, record);
        if (at == 0) path_first(finger);
        path_add(finger, 1, &s);
    }
    items_set(table, sop_memtable_items(table) + 1);
    return SOP_OK;
}

/* A leaf made for the first record of a store, which could not be had, would be an empty tree. */
static void empty_leaf_drop(sop_memtable *table)
{
    sop_memfinger *finger = &table->finger;
    if (finger->slot == NULL || *finger->slot == NULL || (*finger->slot)->count != 0) return;
    sop_memnode__release(table, *finger->slot);
    *finger->slot = NULL;
    finger->valid = 0;
}

sop_status sop_memtable_set(
    sop_memtable *table, uint64_t store, sop_slice key, sop_slice value, unsigned flags, int below)
{
    SOP_ASSERT(table->in_batch);
    SOP_ASSERT(key.size <= UINT16_MAX);
    int present = (flags & SOP_RECORD_PRESENT) != 0;
    if (!present) value = sop_slice_of(NULL, 0);
    SOP_ASSERT(value.size <= UINT32_MAX);
    if (!sop_memgarbage__reserve(table)) return SOP_NO_MEMORY;
    if (!finger_holds(table, store, key) && descend(table, store, key) != SOP_OK) {
        return SOP_NO_MEMORY;
    }
    int equal = 0;
    unsigned at = sop_memnode__lower(table->finger.path[0].node, key, &equal);
    if (equal) return replace(table, at, value, flags);
    sop_status status = SOP_NO_MEMORY;
    sop_record *record = record_new(table, key, value, flags);
    if (record != NULL) {
        record->below = (uint8_t)below;
        record->shape_seq = present != (below == SOP_BELOW_PRESENT) ? table->seq : 0;
        status = insert(table, at, record);
        if (status != SOP_OK) record_release(table, record);
    }
    if (status != SOP_OK) empty_leaf_drop(table);
    return status;
}

sop_status
sop_memtable_find(sop_memtable *table, uint64_t store, sop_slice key, const sop_record **record_out)
{
    SOP_ASSERT(table->in_batch);
    *record_out = NULL;
    if (!sop_memgarbage__reserve(table)) return SOP_NO_MEMORY;
    if (!finger_holds(table, store, key)) {
        if (slot_find(table, store) != SOP_OK) return SOP_NO_MEMORY;
        /* No empty leaf is made just to look. */
        if (*table->finger.slot == NULL) return SOP_OK;
        if (descend(table, store, key) != SOP_OK) return SOP_NO_MEMORY;
    }
    int equal = 0;
    const sop_memnode *leaf = table->finger.path[0].node;
    unsigned at = sop_memnode__lower(leaf, key, &equal);
    if (equal) *record_out = sop_memnode__records(leaf)[at];
    return SOP_OK;
}

/* --- blind puts --- */

void sop_memtable_resolve(sop_memtable *table, uint64_t store, const sop_record *record, int below)
{
    SOP_ASSERT(record->below == SOP_BELOW_ANY);
    SOP_ASSERT(below != SOP_BELOW_ANY);
    sop_slice key = sop_record_key(record);
    sop_memnode *path[SOP_MEMTREE_HEIGHT_MAX];
    unsigned index[SOP_MEMTREE_HEIGHT_MAX];
    sop_memnode *node = sop_mem__open(sop_memtable_tree(table->root, store));
    SOP_ASSERT(node != NULL);
    unsigned top = node->level;
    for (;; node = sop_memnode__children(node)[index[node->level]]) {
        SOP_ASSERT(node->born == table->seq);
        path[node->level] = node;
        if (node->level == 0) break;
        index[node->level] = sop_memnode__child(node, key);
    }
    int equal = 0;
    unsigned at = sop_memnode__lower(node, key, &equal);
    SOP_ASSERT(equal && sop_memnode__records(node)[at] == record);
    int32_t before = sop_record__delta(record);
    sop_record *opened = sop_mem__open(record);
    opened->below = (uint8_t)below;
    int32_t change = sop_record__delta(record) - before;
    sop_memnode__delta_set(node, at, sop_record__delta(record));
    for (unsigned level = 0; level <= top; level++) {
        path[level]->unresolved--;
        path[level]->delta += change;
        if (level != 0) sop_memnode__deltas(path[level])[index[level]] += change;
    }
}

uint64_t sop_memtable_unresolved(const sop_memtable *table, uint64_t store)
{
    const sop_memtree *tree = sop_memtable_tree(table->root, store);
    return tree == NULL ? 0 : tree->unresolved;
}
