/* SPDX-License-Identifier: MIT */
/*
 * Replaced nodes and records: a queue ordered by died, and buckets of what old snapshots still see.
 *
 * garbage-1  An object is visible to the snapshots s with born <= s < died.
 * garbage-2  The queue is read up to the newest live snapshot only; what is beyond waits for the next call.
 * garbage-3  A pinned object lies in the bucket of the newest live snapshot that sees it. No later snapshot
 *            can see it, so it is looked at again only when that one ends, and moves to an older one at
 *            most.
 */
#include "memtable/memtable_private.h"
#include "util/memory.h"

/* Objects are aligned to 8 at least. */
static unsigned object_kind(const uint8_t *object)
{
    return (unsigned)((uintptr_t)object & 7);
}

static uint64_t object_born(const uint8_t *object)
{
    const void *p = object - object_kind(object);
    switch (object_kind(object)) {
    case SOP_MEMOBJECT_NODE:
        return ((const sop_memnode *)p)->born;
    case SOP_MEMOBJECT_RECORD:
        return ((const sop_record *)p)->seq;
    default:
        return ((const sop_memmap *)p)->born;
    }
}

static void object_release(sop_memtable *table, const uint8_t *object)
{
    void *p = sop_mem__open(object - object_kind(object));
    switch (object_kind(object)) {
    case SOP_MEMOBJECT_NODE:
        sop_memnode__release(table, p);
        break;
    case SOP_MEMOBJECT_RECORD:
        sop_memheap__release(&table->heap, p, sop_record__size(p));
        break;
    default:
        sop_memheap__release(&table->heap, p, sizeof(sop_memmap));
        break;
    }
}

static sop_memblock *block_new(sop_memtable *table, sop_memblock *next)
{
    sop_memblock *block = sop_memheap__alloc(&table->heap, sizeof *block);
    if (block == NULL) return NULL;
    block->next = next;
    block->begin = 0;
    block->end = 0;
    return block;
}

static void block_release(sop_memtable *table, sop_memblock *block)
{
    sop_memheap__release(&table->heap, block, sizeof *block);
}

int sop_memgarbage__reserve_slow(sop_memtable *table)
{
    sop_memblock *block = block_new(table, NULL);
    if (block == NULL) return 0;
    sop_memgarbage *garbage = &table->garbage;
    if (garbage->tail == NULL) {
        garbage->head = block;
        garbage->tail = block;
    } else {
        garbage->tail->next = block;
    }
    return 1;
}

void sop_memgarbage__begin(sop_memtable *table)
{
    sop_memgarbage *garbage = &table->garbage;
    garbage->mark = garbage->tail;
    garbage->mark_end = garbage->tail == NULL ? 0 : garbage->tail->end;
}

void sop_memgarbage__revert(sop_memtable *table)
{
    sop_memgarbage *garbage = &table->garbage;
    sop_memblock *block = garbage->mark != NULL ? garbage->mark : garbage->head;
    uint32_t from = garbage->mark_end;
    if (block == NULL) return;
    garbage->tail = block;
    for (; block != NULL; block = block->next) {
        for (uint32_t i = from; i < block->end; i++) {
            const uint8_t *object = block->entries[i].object;
            if (object_born(object) == table->seq) object_release(table, object);
        }
        block->end = from;
        from = 0;
    }
}

void sop_memgarbage__clear(sop_memtable *table)
{
    sop_memgarbage *garbage = &table->garbage;
    sop_membucket *buckets = garbage->buckets;
    uint32_t capacity = garbage->bucket_capacity;
    *garbage = (sop_memgarbage){.buckets = buckets, .bucket_capacity = capacity};
}

void sop_memgarbage__deinit(sop_memtable *table)
{
    sop_free(table->garbage.buckets);
}

/* --- rewind --- */

/* Readers may still hold roots of batches that a rewind abandoned, under seqs that were given again since.
   Whatever such a root can share with the present was born before the seq that the rewind went back to. */
static int is_kept(const sop_memgarbage *garbage, const sop_memretired *entry)
{
    return garbage->rewound && entry->died > garbage->kept_seq &&
           object_born(entry->object) <= garbage->kept_seq;
}

/* Drops the entries of a block that died after seq, or are kept by an earlier rewind. */
static void block_sift(const sop_memgarbage *garbage, sop_memblock *block, uint64_t seq)
{
    uint32_t end = block->begin;
    for (uint32_t i = block->begin; i < block->end; i++) {
        sop_memretired entry = block->entries[i];
        if (entry.died <= seq && !is_kept(garbage, &entry)) block->entries[end++] = entry;
    }
    block->end = end;
}

void sop_memgarbage__rewind(sop_memtable *table, uint64_t seq)
{
    sop_memgarbage *garbage = &table->garbage;
    for (uint32_t i = 0; i < garbage->bucket_count; i++) {
        for (sop_memblock *b = garbage->buckets[i].blocks; b != NULL; b = b->next) {
            block_sift(garbage, b, seq);
        }
    }
    for (sop_memblock *b = garbage->unplaced; b != NULL; b = b->next) {
        block_sift(garbage, b, seq);
    }
    /* Blocks that are empty now, within the queue or at its end, are passed over when their turn comes. */
    for (sop_memblock *b = garbage->head; b != NULL; b = b->next) {
        block_sift(garbage, b, seq);
    }
    garbage->rewound = 1;
    garbage->kept_seq = seq;
}

/* --- reclaim --- */

/* Index of the first bucket with a seq not below the given one. */
static uint32_t bucket_lower(const sop_memgarbage *garbage, uint64_t seq)
{
    uint32_t low = 0;
    uint32_t high = garbage->bucket_count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (garbage->buckets[middle].seq < seq) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* NULL when out of memory. */
static sop_membucket *bucket_for(sop_memgarbage *garbage, uint64_t seq)
{
    uint32_t at = bucket_lower(garbage, seq);
    if (at < garbage->bucket_count && garbage->buckets[at].seq == seq) return &garbage->buckets[at];
    if (garbage->bucket_count == garbage->bucket_capacity) {
        uint32_t capacity = garbage->bucket_capacity == 0 ? 8 : garbage->bucket_capacity * 2;
        void *grown = sop_realloc(garbage->buckets, capacity * sizeof garbage->buckets[0]);
        if (grown == NULL) return NULL;
        garbage->buckets = grown;
        garbage->bucket_capacity = capacity;
    }
    sop_membucket *bucket = &garbage->buckets[at];
    memmove(bucket + 1, bucket, (garbage->bucket_count - at) * sizeof *bucket);
    garbage->bucket_count++;
    *bucket = (sop_membucket){.seq = seq};
    return bucket;
}

/* Frees a retired object or puts it into a bucket; 0: out of memory, it is where it was. */
static int
place(sop_memtable *table, const sop_memretired *entry, const uint64_t *live, size_t count)
{
    if (SOP_UNLIKELY(is_kept(&table->garbage, entry))) return 1;
    if (SOP_LIKELY(entry->died <= live[0])) {
        object_release(table, entry->object);
        return 1;
    }
    size_t low = 0; /* number of live snapshots below died */
    size_t high = count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (live[middle] < entry->died) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (live[low - 1] < object_born(entry->object)) {
        object_release(table, entry->object);
        return 1;
    }
    sop_membucket *bucket = bucket_for(&table->garbage, live[low - 1]);
    if (bucket == NULL) return 0;
    if (bucket->blocks == NULL || bucket->blocks->end == SOP_MEMBLOCK_ENTRIES) {
        sop_memblock *block = block_new(table, bucket->blocks);
        if (block == NULL) return 0;
        bucket->blocks = block;
    }
    bucket->blocks->entries[bucket->blocks->end++] = *entry;
    return 1;
}

/* Buckets of snapshots that ended give their blocks to the unplaced list. */
static void buckets_sift(sop_memgarbage *garbage, const uint64_t *live, size_t count)
{
    uint32_t kept = 0;
    size_t at = 0;
    for (uint32_t i = 0; i < garbage->bucket_count; i++) {
        sop_membucket bucket = garbage->buckets[i];
        while (at < count && live[at] < bucket.seq) {
            at++;
        }
        if (at < count && live[at] == bucket.seq) {
            garbage->buckets[kept++] = bucket;
            continue;
        }
        while (bucket.blocks != NULL) {
            sop_memblock *block = bucket.blocks;
            bucket.blocks = block->next;
            block->next = garbage->unplaced;
            garbage->unplaced = block;
        }
    }
    garbage->bucket_count = kept;
}

/* 0: out of memory, the entries from begin on are left. */
static int block_place(
    sop_memtable *table, sop_memblock *block, uint64_t newest, const uint64_t *live, size_t count)
{
    while (block->begin < block->end) {
        const sop_memretired *entry = &block->entries[block->begin];
        if (entry->died > newest) return 0;
        if (!place(table, entry, live, count)) return 0;
        block->begin++;
    }
    return 1;
}

void sop_memtable_reclaim(sop_memtable *table, const uint64_t *live, size_t count)
{
    sop_memgarbage *garbage = &table->garbage;
    SOP_ASSERT(!table->in_batch);
    if (table->frozen || count == 0) return;
    buckets_sift(garbage, live, count);
    while (garbage->unplaced != NULL) {
        sop_memblock *block = garbage->unplaced;
        if (!block_place(table, block, UINT64_MAX, live, count)) return;
        garbage->unplaced = block->next;
        block_release(table, block);
    }
    while (garbage->head != NULL) {
        sop_memblock *block = garbage->head;
        if (!block_place(table, block, live[count - 1], live, count)) return;
        if (block == garbage->tail) {
            block->begin = 0;
            block->end = 0;
            return;
        }
        garbage->head = block->next;
        block_release(table, block);
    }
}
