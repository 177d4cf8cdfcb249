/* SPDX-License-Identifier: MIT */
/* A bump allocator: many small pieces, freed together. */
#ifndef SOP_UTIL_ARENA_H
#define SOP_UTIL_ARENA_H

#include <stddef.h>
#include <stdint.h>

typedef struct sop_arena_chunk sop_arena_chunk;

/* All zero is a valid empty arena. One thread at a time. */
typedef struct {
    sop_arena_chunk *chunks; /* newest first */
    uint8_t *at;             /* next free byte */
    uint8_t *end;
    size_t bytes; /* taken from the heap */
} sop_arena;

/* 8-byte aligned; NULL when out of memory. */
void *sop_arena_alloc(sop_arena *arena, size_t size);
void *sop_arena_copy(sop_arena *arena, const void *data, size_t size);
/* Forgets everything but keeps one chunk for the next use. */
void sop_arena_reset(sop_arena *arena);
void sop_arena_deinit(sop_arena *arena);

#endif
