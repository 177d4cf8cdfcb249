/* SPDX-License-Identifier: MIT */
/* A bump allocator in chunks that double from 4 KiB to 1 MiB. */
#include "util/arena.h"

#include <string.h>

#include "util/memory.h"

struct sop_arena_chunk {
    sop_arena_chunk *next;
    size_t size; /* of the bytes after this header */
};

enum { CHUNK_MIN = 4096, CHUNK_MAX = 1 << 20 };

static int arena_grow(sop_arena *arena, size_t size)
{
    size_t want = arena->chunks == NULL ? CHUNK_MIN : arena->chunks->size * 2;
    if (want > CHUNK_MAX) want = CHUNK_MAX;
    if (want < size) want = size;
    sop_arena_chunk *chunk = sop_alloc(sizeof *chunk + want);
    if (chunk == NULL) return 0;
    chunk->next = arena->chunks;
    chunk->size = want;
    arena->chunks = chunk;
    arena->at = (uint8_t *)(chunk + 1);
    arena->end = arena->at + want;
    arena->bytes += want;
    return 1;
}

void *sop_arena_alloc(sop_arena *arena, size_t size)
{
    if (size > SIZE_MAX - 64) return NULL;
    size = (size + 7) & ~(size_t)7;
    if ((size_t)(arena->end - arena->at) < size && !arena_grow(arena, size)) return NULL;
    void *result = arena->at;
    arena->at += size;
    return result;
}

void *sop_arena_copy(sop_arena *arena, const void *data, size_t size)
{
    void *copy = sop_arena_alloc(arena, size);
    if (copy != NULL && size != 0) memcpy(copy, data, size);
    return copy;
}

void sop_arena_reset(sop_arena *arena)
{
    sop_arena_chunk *keep = arena->chunks;
    if (keep == NULL) return;
    for (sop_arena_chunk *chunk = keep->next; chunk != NULL;) {
        sop_arena_chunk *next = chunk->next;
        sop_free(chunk);
        chunk = next;
    }
    keep->next = NULL;
    arena->at = (uint8_t *)(keep + 1);
    arena->end = arena->at + keep->size;
    arena->bytes = keep->size;
}

void sop_arena_deinit(sop_arena *arena)
{
    for (sop_arena_chunk *chunk = arena->chunks; chunk != NULL;) {
        sop_arena_chunk *next = chunk->next;
        sop_free(chunk);
        chunk = next;
    }
    *arena = (sop_arena){0};
}
