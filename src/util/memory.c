/* SPDX-License-Identifier: MIT */
/* Heap allocation with a failure switch for tests. */
#include "util/memory.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "util/compiler.h"

/* 0: off. n: the n-th allocation from now fails. Relaxed everywhere: tests set it while no one else
 * runs. */
static _Atomic uint64_t fail_countdown;
static _Atomic int fail_always;
static _Atomic int fail_reached;

void sop_memory_fail_at(uint64_t n, int always)
{
    atomic_store_explicit(&fail_reached, 0, memory_order_relaxed);
    atomic_store_explicit(&fail_always, always, memory_order_relaxed);
    atomic_store_explicit(&fail_countdown, n, memory_order_relaxed);
}

int sop_memory_fail_reached(void)
{
    return atomic_load_explicit(&fail_reached, memory_order_relaxed);
}

uint64_t sop_memory_fail_left(void)
{
    return atomic_load_explicit(&fail_countdown, memory_order_relaxed);
}

SOP_COLD static int must_fail_slow(void)
{
    uint64_t left = atomic_fetch_sub_explicit(&fail_countdown, 1, memory_order_relaxed);
    if (left > 1) return 0;
    atomic_store_explicit(&fail_reached, 1, memory_order_relaxed);
    int always = atomic_load_explicit(&fail_always, memory_order_relaxed);
    atomic_store_explicit(&fail_countdown, always ? 1 : 0, memory_order_relaxed);
    return 1;
}

SOP_INLINE int must_fail(void)
{
    if (SOP_LIKELY(atomic_load_explicit(&fail_countdown, memory_order_relaxed) == 0)) return 0;
    return must_fail_slow();
}

void *sop_alloc(size_t size)
{
    if (must_fail()) return NULL;
    return malloc(size == 0 ? 1 : size);
}

void *sop_alloc_zeroed(size_t size)
{
    if (must_fail()) return NULL;
    return calloc(1, size == 0 ? 1 : size);
}

void *sop_alloc_array(size_t count, size_t size)
{
    size_t bytes = 0;
    if (__builtin_mul_overflow(count, size, &bytes)) return NULL;
    return sop_alloc(bytes);
}

void *sop_alloc_aligned(size_t align, size_t size)
{
    if (must_fail()) return NULL;
    void *memory = NULL;
    if (posix_memalign(&memory, align < sizeof(void *) ? sizeof(void *) : align, size) != 0) {
        return NULL;
    }
    return memory;
}

void *sop_realloc(void *old, size_t size)
{
    if (must_fail()) return NULL;
    return realloc(old, size == 0 ? 1 : size);
}

void sop_free(void *memory)
{
    free(memory);
}

char *sop_strdup(const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = sop_alloc(size);
    if (copy != NULL) memcpy(copy, text, size);
    return copy;
}
