/* SPDX-License-Identifier: MIT */
/* The one door to the heap, so that tests can make any allocation fail. */
#ifndef SOP_UTIL_MEMORY_H
#define SOP_UTIL_MEMORY_H

#include <stddef.h>
#include <stdint.h>

void *sop_alloc(size_t size);                       /* NULL when out of memory */
void *sop_alloc_zeroed(size_t size);                /* NULL when out of memory */
void *sop_alloc_array(size_t count, size_t size);   /* NULL on overflow too */
void *sop_alloc_aligned(size_t align, size_t size); /* align: a power of two; freed with sop_free */
void *sop_realloc(void *old, size_t size);          /* NULL leaves old as it was */
void sop_free(void *memory);                        /* NULL allowed */
char *sop_strdup(const char *text);

/* Tests only: the n-th allocation from now (1 = the next) fails, and all after it when always is
   set. 0 switches it off. Returns nothing; sop_memory_fail_reached tells whether it struck. */
void sop_memory_fail_at(uint64_t n, int always);
int sop_memory_fail_reached(void);
/* Allocations left until the one that fails; 0: none will. So a run counts its allocations. */
uint64_t sop_memory_fail_left(void);

#endif
