/* SPDX-License-Identifier: MIT */
/* The heap of one memtable: chunks, huge pieces, reset. */
#include "memtable/memtable_heap.h"

#include <stdatomic.h>
#include <string.h>

#include "util/assert.h"
#include "util/memory.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

struct sop_memheap_chunk {
    sop_memheap_chunk *next;
    size_t size; /* of the bytes after this header */
    uint8_t bytes[];
};

struct sop_memheap_huge {
    sop_memheap_huge *previous;
    sop_memheap_huge *next;
    size_t size;
    size_t reserved; /* keeps bytes aligned to 16 */
    uint8_t bytes[];
};

enum { CHUNK_MIN = 4096, CHUNK_MAX = 1 << 20, CHUNK_KEPT_MAX = 64 << 10 };

void sop_memheap__poison(void *piece, size_t size)
{
#if !defined(NDEBUG)
    memset(piece, 0xdd, size);
#if defined(__SANITIZE_ADDRESS__)
    /* The first word stays open: it links the free list. */
    __asan_poison_memory_region((uint8_t *)piece + sizeof(void *), size - sizeof(void *));
#endif
#else
    (void)piece;
    (void)size;
#endif
}

void sop_memheap__unpoison(void *piece, size_t size)
{
#if defined(__SANITIZE_ADDRESS__)
    __asan_unpoison_memory_region(piece, size);
#else
    (void)piece;
    (void)size;
#endif
}

/* Only the owner writes; relaxed because readers want no more than a number. */
static void bytes_add(sop_memheap *heap, uint64_t size)
{
    uint64_t bytes = atomic_load_explicit(&heap->bytes, memory_order_relaxed);
    atomic_store_explicit(&heap->bytes, bytes + size, memory_order_relaxed);
}

void sop_memheap__init(sop_memheap *heap, void *initial, size_t size)
{
    memset(heap, 0, sizeof *heap);
    heap->initial = initial;
    heap->initial_size = size;
    heap->at = initial;
    heap->end = heap->at + size;
}

static void huge_free_all(sop_memheap *heap)
{
    while (heap->huge != NULL) {
        sop_memheap__release_huge(heap, heap->huge->bytes);
    }
}

static void chunk_free(sop_memheap *heap, sop_memheap_chunk *chunk)
{
    bytes_add(heap, -(uint64_t)(sizeof *chunk + chunk->size));
    sop_memheap__unpoison(chunk->bytes, chunk->size);
    sop_free(chunk);
}

void sop_memheap__deinit(sop_memheap *heap)
{
    huge_free_all(heap);
    while (heap->chunks != NULL) {
        sop_memheap_chunk *chunk = heap->chunks;
        heap->chunks = chunk->next;
        chunk_free(heap, chunk);
    }
    sop_memheap__unpoison(heap->initial, heap->initial_size);
}

void sop_memheap__reset(sop_memheap *heap)
{
    sop_memheap_chunk *kept = NULL;
    huge_free_all(heap);
    while (heap->chunks != NULL) {
        sop_memheap_chunk *chunk = heap->chunks;
        heap->chunks = chunk->next;
        if (kept == NULL && chunk->size <= CHUNK_KEPT_MAX) {
            kept = chunk;
        } else {
            chunk_free(heap, chunk);
        }
    }
    if (heap->has_free) memset(heap->free, 0, sizeof heap->free);
    heap->has_free = 0;
    heap->chunks = kept;
    heap->at = kept != NULL ? kept->bytes : heap->initial;
    heap->end = heap->at + (kept != NULL ? kept->size : heap->initial_size);
    if (kept != NULL) kept->next = NULL;
    sop_memheap__unpoison(heap->at, (size_t)(heap->end - heap->at));
    sop_memheap__poison(heap->at, (size_t)(heap->end - heap->at));
}

/* A new chunk with room for size bytes. What is left of the old one is given up. */
static int chunk_add(sop_memheap *heap, size_t size)
{
    size_t want =
        heap->chunks == NULL ? CHUNK_MIN : 2 * (sizeof *heap->chunks + heap->chunks->size);
    if (want > CHUNK_MAX) want = CHUNK_MAX;
    while (want < size + sizeof *heap->chunks) {
        want *= 2;
    }
    sop_memheap_chunk *chunk = sop_alloc(want);
    if (chunk == NULL) return 0;
    chunk->size = want - sizeof *chunk;
    chunk->next = heap->chunks;
    heap->chunks = chunk;
    heap->at = chunk->bytes;
    heap->end = chunk->bytes + chunk->size;
    bytes_add(heap, want);
    return 1;
}

int sop_memheap__reserve(sop_memheap *heap, size_t size)
{
    SOP_ASSERT(size <= CHUNK_MAX / 2);
    return (size_t)(heap->end - heap->at) >= size || chunk_add(heap, size);
}

static void *huge_alloc(sop_memheap *heap, size_t size)
{
    sop_memheap_huge *huge = NULL;
    if (size > SIZE_MAX - sizeof *huge) return NULL;
    huge = sop_alloc(sizeof *huge + size);
    if (huge == NULL) return NULL;
    huge->size = size;
    huge->previous = NULL;
    huge->next = heap->huge;
    if (huge->next != NULL) huge->next->previous = huge;
    heap->huge = huge;
    bytes_add(heap, sizeof *huge + size);
    return huge->bytes;
}

void sop_memheap__release_huge(sop_memheap *heap, void *piece)
{
    void *start = (uint8_t *)piece - offsetof(sop_memheap_huge, bytes);
    sop_memheap_huge *huge = start;
    if (huge->previous != NULL) {
        huge->previous->next = huge->next;
    } else {
        heap->huge = huge->next;
    }
    if (huge->next != NULL) huge->next->previous = huge->previous;
    bytes_add(heap, -(uint64_t)(sizeof *huge + huge->size));
    sop_free(huge);
}

void *sop_memheap__alloc_slow(sop_memheap *heap, size_t size)
{
    if (size > SOP_MEMHEAP_PIECE_MAX) return huge_alloc(heap, size);
    size_t rounded = sop_memheap__class_size(sop_memheap__class(size));
    if (!chunk_add(heap, rounded)) return NULL;
    void *piece = heap->at;
    heap->at += rounded;
    return piece;
}
