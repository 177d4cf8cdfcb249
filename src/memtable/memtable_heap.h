/* SPDX-License-Identifier: MIT */
/*
 * The heap of one memtable: size classes with free lists over chunks that double up to 1 MiB, released as a
 * whole.
 *
 * Up to 1,024 bytes the classes are 16 bytes apart, above that there are eight to a doubling. Pieces above
 * 32 KiB come straight from the process heap and hang in a list. The first bytes come from memory that the
 * owner hands over at init.
 */
#ifndef SOP_MEMTABLE_MEMTABLE_HEAP_H
#define SOP_MEMTABLE_MEMTABLE_HEAP_H

#include <stddef.h>
#include <stdint.h>

#include "util/compiler.h"

#define SOP_MEMHEAP_CLASSES   104u
#define SOP_MEMHEAP_PIECE_MAX 32768u

typedef struct sop_memheap_chunk sop_memheap_chunk;
typedef struct sop_memheap_huge sop_memheap_huge;

/* One thread at a time; bytes may be read by any. */
typedef struct {
    uint8_t *at;               /* the next free byte */
    uint8_t *end;              /* of the current chunk */
    sop_memheap_chunk *chunks; /* newest first */
    sop_memheap_huge *huge;
    uint8_t *initial; /* the owner's memory */
    size_t initial_size;
    _Atomic uint64_t bytes; /* taken from the process heap */
    int has_free;           /* some free list may hold a piece */
    void *free[SOP_MEMHEAP_CLASSES];
} sop_memheap;

void sop_memheap__init(sop_memheap *heap, void *initial, size_t size);
void sop_memheap__deinit(sop_memheap *heap);
/* Forgets all pieces; keeps the initial memory and one small chunk. */
void sop_memheap__reset(sop_memheap *heap);
/* 1 if pieces of size bytes in all, none above 2 KiB, can now be taken without failing. */
int sop_memheap__reserve(sop_memheap *heap, size_t size);

void *sop_memheap__alloc_slow(sop_memheap *heap, size_t size);
void sop_memheap__release_huge(sop_memheap *heap, void *piece);
/* Debug builds fill what is free, and tell the address sanitizer, so that a stale pointer shows. */
void sop_memheap__poison(void *piece, size_t size);
void sop_memheap__unpoison(void *piece, size_t size);

SOP_INLINE unsigned sop_memheap__class(size_t size)
{
    if (SOP_LIKELY(size <= 1024)) return (unsigned)((size + 15) / 16) - 1;
    unsigned log = 63u - (unsigned)__builtin_clzll((unsigned long long)size - 1);
    return 64 + (log - 10) * 8 + (unsigned)((size - 1) >> (log - 3)) - 8;
}

SOP_INLINE size_t sop_memheap__class_size(unsigned class)
{
    if (SOP_LIKELY(class < 64)) return (size_t)(class + 1) * 16;
    return (size_t)(9 + (class - 64) % 8) << ((class - 64) / 8 + 7);
}

/* size is above 0; aligned to 8 (16 where malloc does so); NULL when out of memory. */
SOP_INLINE void *sop_memheap__alloc(sop_memheap *heap, size_t size)
{
    if (SOP_UNLIKELY(size > SOP_MEMHEAP_PIECE_MAX)) return sop_memheap__alloc_slow(heap, size);
    unsigned class = sop_memheap__class(size);
    size_t rounded = sop_memheap__class_size(class);
    void *piece = heap->free[class];
    if (piece != NULL) {
        sop_memheap__unpoison(piece, rounded);
        heap->free[class] = *(void **)piece;
        return piece;
    }
    if (SOP_UNLIKELY((size_t)(heap->end - heap->at) < rounded)) {
        return sop_memheap__alloc_slow(heap, size);
    }
    piece = heap->at;
    heap->at += rounded;
    sop_memheap__unpoison(piece, rounded);
    return piece;
}

/* size as it was asked for. */
SOP_INLINE void sop_memheap__release(sop_memheap *heap, void *piece, size_t size)
{
    if (SOP_UNLIKELY(size > SOP_MEMHEAP_PIECE_MAX)) {
        sop_memheap__release_huge(heap, piece);
        return;
    }
    unsigned class = sop_memheap__class(size);
    sop_memheap__poison(piece, sop_memheap__class_size(class));
    *(void **)piece = heap->free[class];
    heap->free[class] = piece;
    heap->has_free = 1;
}

#endif
