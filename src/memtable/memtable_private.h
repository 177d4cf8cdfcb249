/* SPDX-License-Identifier: MIT */
/*
 * What the files of the memtable room share: the table, tree nodes, the store map, garbage.
 *
 * memnode-1  A node is written only by the batch in which it was born; before that batch is published
 *            nobody else sees it.
 * memnode-2  The first skip bytes of all keys that order a node (records of a leaf, first records of
 *            children) are prefix[0..skip).
 * memnode-3  heads[i] is the big-endian number of the 8 key bytes after the prefix; equal heads are decided
 *            by the keys.
 * memnode-4  first is the least record below the node; separators are the first records of the children,
 *            never copies.
 * memnode-5  delta, items, unresolved, seq and shape_seq of a node are exact sums and maxima of what is
 *            below it.
 */
#ifndef SOP_MEMTABLE_MEMTABLE_PRIVATE_H
#define SOP_MEMTABLE_MEMTABLE_PRIVATE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "memtable/memtable.h"
#include "memtable/memtable_heap.h"
#include "util/assert.h"
#include "util/bytes.h"
#include "util/compiler.h"

/* A leaf has at most 64 records: its deltas are bits of a word. */
#define SOP_MEMNODE_FANOUT     64u
#define SOP_MEMNODE_PREFIX_MAX 24u
#define SOP_MEMTREE_ITEMS_MAX  INT32_MAX
#define SOP_MEMMAP_SLOTS       16u
#define SOP_MEMMAP_DEPTH_MAX   16u

/* A node; the top node of a store's tree stands for the tree. After the heads come, leaf: capacity record
   pointers; inner: capacity child pointers, then capacity deltas. */
struct sop_memtree {
    uint8_t level; /* 0: leaf */
    uint8_t count;
    uint8_t capacity; /* 4, or a multiple of 8 */
    uint8_t skip;
    uint8_t last; /* leaf: where the last insert went */
    uint8_t run;  /* leaf: inserts in a row beside the one before */
    uint16_t reserved;
    uint8_t prefix[SOP_MEMNODE_PREFIX_MAX];
    uint64_t born;
    uint64_t seq;
    uint64_t shape_seq;
    const sop_record *first;
    int32_t delta;
    uint32_t items;
    uint32_t unresolved;
    uint32_t reserved2;
    uint64_t plus;  /* leaf: bit i: record i has delta +1 */
    uint64_t minus; /* leaf: bit i: record i has delta -1 */
    uint64_t heads[];
};
typedef struct sop_memtree sop_memnode;

/* A node of the store map: a radix tree of 16 slots over store ids; levels with one child are left out. */
struct sop_memtable_root {
    uint64_t born;
    uint64_t prefix; /* the id bits above this node */
    uint32_t shift;  /* of the id bits that choose the slot; 0: slots hold trees, otherwise nodes */
    uint32_t reserved;
    void *slots[SOP_MEMMAP_SLOTS];
};
typedef struct sop_memtable_root sop_memmap;

/* Something replaced: a pointer as many bytes behind its start as the number of its kind. */
typedef struct {
    const uint8_t *object;
    uint64_t died;
} sop_memretired;
enum { SOP_MEMOBJECT_NODE = 1, SOP_MEMOBJECT_RECORD = 2, SOP_MEMOBJECT_MAP = 3 };

#define SOP_MEMBLOCK_ENTRIES 62u
typedef struct sop_memblock {
    struct sop_memblock *next;
    uint32_t begin; /* entries before it are done with */
    uint32_t end;
    sop_memretired entries[SOP_MEMBLOCK_ENTRIES];
} sop_memblock;

/* Retired objects that the snapshot seq still sees; no newer live snapshot does. */
typedef struct {
    uint64_t seq;
    sop_memblock *blocks;
} sop_membucket;

typedef struct {
    sop_memblock *head; /* oldest; the queue is ordered by died */
    sop_memblock *tail;
    sop_memblock *mark; /* the tail when the batch began, and its end then */
    uint32_t mark_end;
    uint32_t bucket_count;
    uint32_t bucket_capacity;
    sop_membucket *buckets; /* seqs ascend */
    sop_memblock *unplaced; /* could not be put into a bucket for lack of memory */
    int rewound;            /* kept_seq is set */
    uint64_t kept_seq;      /* what was born at it or before and died after it is never freed */
} sop_memgarbage;

/* The path to the leaf that the batch changed last; all its nodes were born in the batch. */
typedef struct {
    int valid;
    uint64_t store;
    sop_memnode **slot; /* of the store in the map */
    struct {
        sop_memnode *node;
        unsigned index;             /* of the child taken; 0 for the leaf */
        uint8_t first;              /* the node is the first of its level */
        uint8_t last;               /* the node is the last of its level */
    } path[SOP_MEMTREE_HEIGHT_MAX]; /* by level */
} sop_memfinger;

struct sop_memtable {
    uint64_t seq; /* of the current or last batch */
    uint64_t published_seq;
    int in_batch;
    int frozen;
    sop_memmap *root; /* of the batch under construction, else the published one */
    sop_memmap *published;
    _Atomic uint64_t items;
    uint64_t items_published;
    sop_memfinger finger;
    sop_memgarbage garbage;
    sop_memheap heap;
};

/* For what belongs to the batch under construction, or is only read through the result. */
SOP_INLINE void *sop_mem__open(const void *object)
{
    void *opened;
    memcpy(&opened, &object, sizeof opened);
    return opened;
}

/* --- records --- */

SOP_INLINE size_t sop_record__bytes(size_t key_size, size_t value_size)
{
    return sizeof(sop_record) + key_size + value_size;
}
SOP_INLINE size_t sop_record__size(const sop_record *r)
{
    return sop_record__bytes(r->key_size, r->value_size);
}
/* memtable-2; ANY counts as ABSENT. */
SOP_INLINE int sop_record__delta(const sop_record *r)
{
    return (sop_record_present(r) ? 1 : 0) - (r->below == SOP_BELOW_PRESENT ? 1 : 0);
}

/* --- nodes: memtable_node.c --- */

SOP_INLINE const sop_record **sop_memnode__records(const sop_memnode *node)
{
    return sop_mem__open(node->heads + node->capacity);
}
SOP_INLINE sop_memnode **sop_memnode__children(const sop_memnode *node)
{
    return sop_mem__open(node->heads + node->capacity);
}
SOP_INLINE int32_t *sop_memnode__deltas(const sop_memnode *node)
{
    return sop_mem__open(sop_memnode__children(node) + node->capacity);
}
SOP_INLINE size_t sop_memnode__bytes(unsigned level, unsigned capacity)
{
    size_t entry = sizeof(uint64_t) + sizeof(void *) + (level == 0 ? 0 : sizeof(int32_t));
    return sizeof(sop_memnode) + capacity * entry;
}
/* The record that orders entry i of a node. */
SOP_INLINE const sop_record *sop_memnode__entry(const sop_memnode *node, unsigned i)
{
    if (node->level == 0) return sop_memnode__records(node)[i];
    return sop_memnode__children(node)[i]->first;
}

/* Number of the first count ascending heads that are below head, found without branches. */
SOP_INLINE unsigned sop_memnode__heads_below(const uint64_t *heads, unsigned count, uint64_t head)
{
    const uint64_t *base = heads;
    unsigned n = count;
    if (n == 0) return 0;
    while (n > 1) {
        unsigned half = n / 2;
        base += half & (0u - (unsigned)(base[half - 1] < head));
        n -= half;
    }
    return (unsigned)(base - heads) + (*base < head);
}

/* As sop_memnode__prefix_order for a node with a prefix. */
int sop_memnode__prefix_order_slow(const sop_memnode *node, const uint8_t *key, size_t size);

/* The order of a key against the prefix of a node: negative: below all of its keys, positive: above all, 0:
   shares it. */
SOP_INLINE int sop_memnode__prefix_order(const sop_memnode *node, const uint8_t *key, size_t size)
{
    return node->skip == 0 ? 0 : sop_memnode__prefix_order_slow(node, key, size);
}

/* As sop_memnode__lower for a run of entries from at on whose heads equal that of the key. */
unsigned sop_memnode__lower_tied(
    const sop_memnode *node, unsigned at, sop_slice key, uint64_t head, int *equal_out);

/* The head under which a key that shares the prefix of a node is looked for. */
SOP_INLINE uint64_t sop_memnode__head(const sop_memnode *node, sop_slice key)
{
    return sop_key_head((const uint8_t *)key.data + node->skip, key.size - node->skip);
}

/* Number of entries with a key below the given one; equal_out: 1 if the next entry has this very key. */
SOP_INLINE unsigned sop_memnode__lower(const sop_memnode *node, sop_slice key, int *equal_out)
{
    *equal_out = 0;
    int order = sop_memnode__prefix_order(node, key.data, key.size);
    if (SOP_UNLIKELY(order != 0)) return order < 0 ? 0 : node->count;
    uint64_t head = sop_memnode__head(node, key);
    unsigned at = sop_memnode__heads_below(node->heads, node->count, head);
    if (at == node->count || SOP_LIKELY(node->heads[at] != head)) return at;
    return sop_memnode__lower_tied(node, at, key, head, equal_out);
}

/* The child of an inner node under which a key belongs. */
SOP_INLINE unsigned sop_memnode__child(const sop_memnode *node, sop_slice key)
{
    int equal = 0;
    unsigned at = sop_memnode__lower(node, key, &equal);
    at += (unsigned)equal;
    return at == 0 ? 0 : at - 1;
}

/* Asks for the lines of a node at once: a search that waits for one after the other waits longer. */
SOP_INLINE void sop_memnode__prefetch(const sop_memnode *node)
{
    const uint8_t *p = (const uint8_t *)node;
    for (size_t i = 0; i < sop_memnode__bytes(0, SOP_MEMNODE_FANOUT); i += SOP_CACHE_LINE) {
        SOP_PREFETCH(p + i);
    }
}

/* NULL when out of memory. count 0. */
sop_memnode *sop_memnode__new(sop_memtable *table, unsigned level, unsigned capacity);
/* A copy born in the current batch with room for capacity entries. The old one is not retired. NULL when
   out of memory. */
sop_memnode *sop_memnode__copy(sop_memtable *table, const sop_memnode *old, unsigned capacity);
void sop_memnode__release(sop_memtable *table, sop_memnode *node);
/* The capacity to give a node of count entries. */
unsigned sop_memnode__capacity_for(unsigned count);

/* Puts a record at a place in a leaf that has room; sums included. */
void sop_memnode__insert_record(sop_memnode *leaf, unsigned at, const sop_record *record);
/* Puts a child at a place in an inner node that has room; not the sums above the deltas. */
void sop_memnode__insert_child(sop_memnode *node, unsigned at, sop_memnode *child);
/* Moves the entries from at on to right, an empty node of the same level, and mends the sums of both. */
void sop_memnode__split(sop_memnode *node, unsigned at, sop_memnode *right);
/* Sets the sums of an inner node or leaf anew from its entries. */
void sop_memnode__sum(sop_memnode *node);
/* The least record below an inner node is now first. */
void sop_memnode__first_set(sop_memnode *node, const sop_record *first);
/* Lengthens the prefix if the heads tell the entries badly apart. */
void sop_memnode__sharpen(sop_memnode *node);

SOP_INLINE void sop_memnode__delta_set(sop_memnode *leaf, unsigned at, int delta)
{
    uint64_t bit = UINT64_C(1) << at;
    leaf->plus = delta > 0 ? leaf->plus | bit : leaf->plus & ~bit;
    leaf->minus = delta < 0 ? leaf->minus | bit : leaf->minus & ~bit;
}
SOP_INLINE int sop_memnode__popcount(uint64_t x)
{
    /* Source: Warren, Hacker's Delight, figure 5-2. */
    x -= (x >> 1) & 0x5555555555555555u;
    x = (x & 0x3333333333333333u) + ((x >> 2) & 0x3333333333333333u);
    x = (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0fu;
    return (int)((x * 0x0101010101010101u) >> 56);
}
/* Sum of the deltas of the first count records of a leaf. */
SOP_INLINE int sop_memnode__leaf_delta(const sop_memnode *leaf, unsigned count)
{
    uint64_t mask = count >= 64 ? UINT64_MAX : (UINT64_C(1) << count) - 1;
    return sop_memnode__popcount(leaf->plus & mask) - sop_memnode__popcount(leaf->minus & mask);
}

/* --- the store map: memtable_map.c --- */

/* The slot of a store in the root under construction, made if need be; its nodes now belong to the batch.
   NULL when out of memory. */
sop_memnode **sop_memmap__slot(sop_memtable *table, uint64_t store);
SOP_INLINE uint64_t sop_memmap__above(uint64_t store, unsigned shift)
{
    return shift >= 60 ? 0 : store >> (shift + 4);
}

/* --- garbage: memtable_garbage.c --- */

/* 1 if the next SOP_MEMGARBAGE_RESERVE calls of retire cannot fail. */
#define SOP_MEMGARBAGE_RESERVE (SOP_MEMTREE_HEIGHT_MAX + SOP_MEMMAP_DEPTH_MAX + 2)
int sop_memgarbage__reserve_slow(sop_memtable *table);
SOP_INLINE int sop_memgarbage__reserve(sop_memtable *table)
{
    const sop_memblock *tail = table->garbage.tail;
    if (SOP_LIKELY(tail != NULL && (tail->next != NULL ||
                                    tail->end + SOP_MEMGARBAGE_RESERVE <= SOP_MEMBLOCK_ENTRIES))) {
        return 1;
    }
    return sop_memgarbage__reserve_slow(table);
}
/* What was replaced by the current batch. */
SOP_INLINE void sop_memgarbage__retire(sop_memtable *table, const void *object, unsigned kind)
{
    sop_memgarbage *garbage = &table->garbage;
    if (SOP_UNLIKELY(garbage->tail->end == SOP_MEMBLOCK_ENTRIES)) {
        garbage->tail = garbage->tail->next;
    }
    sop_memretired *entry = &garbage->tail->entries[garbage->tail->end++];
    entry->object = (const uint8_t *)object + kind;
    entry->died = table->seq;
}
void sop_memgarbage__begin(sop_memtable *table);
/* Takes back what the batch retired; frees what was born in it. */
void sop_memgarbage__revert(sop_memtable *table);
/* Batches after seq are abandoned: what they replaced is live again. */
void sop_memgarbage__rewind(sop_memtable *table, uint64_t seq);
/* Forgets all, the heap having been reset. */
void sop_memgarbage__clear(sop_memtable *table);
void sop_memgarbage__deinit(sop_memtable *table);

#endif
