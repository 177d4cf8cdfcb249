/* SPDX-License-Identifier: MIT */
/* Address space reserved first and made usable as a file grows, so that maps of it stay where they
 * are. */
#define _GNU_SOURCE 1 /* MAP_ANONYMOUS, MAP_NORESERVE */
#include <string.h>
#include <sys/mman.h>

#include "backend/backend.h"
#include "backend/backend_memory.h"
#include "util/assert.h"
#include "util/bytes.h"
#include "util/mutex.h"

/* Usable bytes grow by at least this, and by half of what there is: one call for many appends. */
#define AREA_STEP (UINT64_C(64) << 10)

static uint8_t *reserve_bytes(uint64_t size)
{
    if (size > SIZE_MAX / 2) return NULL;
    /* PROT_NONE is charged to nobody, also where the system never promises more memory than it has.
     */
    void *base =
        mmap(NULL, (size_t)size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return base == MAP_FAILED ? NULL : base;
}

static int make_usable(memory_area *area, uint64_t size)
{
    if (size <= area->usable) return 1;
    uint64_t wanted = area->usable + area->usable / 2;
    wanted = area->exact ? sop_round_up(size, SOP_DIRECT_ALIGN)
                         : sop_round_up(wanted < size ? size : wanted, AREA_STEP);
    if (wanted > area->reserved) wanted = area->reserved;
    if (mprotect(area->base, (size_t)wanted, PROT_READ | PROT_WRITE) != 0) return 0;
    if (area->stale > area->usable) {
        uint64_t end = area->stale < wanted ? area->stale : wanted;
        memset(area->base + area->usable, 0, (size_t)(end - area->usable));
    }
    area->usable = wanted;
    return 1;
}

/* Takes new address space and copies what is usable. */
static sop_status area_move(memory_area *area, uint64_t size)
{
    uint64_t least = sop_round_up(size, AREA_STEP);
    uint64_t reserved = MEMORY_AREA_FIRST;
    while (reserved < least) {
        reserved *= 2;
    }
    memory_area moved = {reserve_bytes(reserved), reserved, 0, 0, area->exact};
    if (moved.base == NULL && reserved > least) {
        moved = (memory_area){reserve_bytes(least), least, 0, 0, area->exact};
    }
    if (moved.base == NULL) return SOP_NO_MEMORY;
    if (!make_usable(&moved, area->usable)) {
        sop_backend__area_deinit(&moved);
        return SOP_NO_MEMORY;
    }
    if (area->usable != 0) memcpy(moved.base, area->base, (size_t)area->usable);
    sop_backend__area_deinit(area);
    *area = moved;
    return SOP_OK;
}

sop_status sop_backend__area_grow(memory_area *area, uint64_t size, uint64_t reserve, int fixed)
{
    uint64_t least = size > reserve ? size : reserve;
    if (least > area->reserved) {
        if (fixed) return SOP_FULL;
        sop_status status = area_move(area, least);
        if (status != SOP_OK) return status;
    }
    return make_usable(area, size) ? SOP_OK : SOP_NO_MEMORY;
}

void sop_backend__area_deinit(memory_area *area)
{
    if (area->base != NULL) SOP_ASSERT(munmap(area->base, (size_t)area->reserved) == 0);
    *area = (memory_area){0};
}

/* ---- the pool ---- */

enum { POOL_AREAS = 16 };
#define POOL_BYTES_MAX (UINT64_C(4) << 20)

static sop_mutex pool_mutex;
static memory_area pool[POOL_AREAS]; /* guarded by pool_mutex, as pool_count */
static size_t pool_count;

void sop_backend__area_give(memory_area *area)
{
    int kept = 0;
    if (area->stale < area->usable) area->stale = area->usable;
    if (area->reserved == MEMORY_AREA_FIRST && area->stale <= POOL_BYTES_MAX) {
        sop_mutex_lock(&pool_mutex);
        kept = pool_count < POOL_AREAS;
        if (kept) pool[pool_count++] = *area;
        sop_mutex_unlock(&pool_mutex);
    }
    if (kept) {
        *area = (memory_area){0};
    } else {
        sop_backend__area_deinit(area);
    }
}

/* The smallest area that has that many bytes at hand, else the largest. With the mutex held and the pool not empty. */
static size_t pool_pick(uint64_t size)
{
    size_t best = 0;
    for (size_t i = 1; i < pool_count; i++) {
        uint64_t have = pool[i].usable;
        uint64_t best_have = pool[best].usable;
        if (best_have < size ? have > best_have : have >= size && have < best_have) best = i;
    }
    return best;
}

void sop_backend__area_take(memory_area *area, uint64_t size)
{
    uint64_t wanted = sop_round_up(size, SOP_DIRECT_ALIGN);
    sop_mutex_lock(&pool_mutex);
    if (pool_count != 0) {
        size_t i = pool_pick(wanted);
        *area = pool[i];
        pool[i] = pool[--pool_count];
    }
    sop_mutex_unlock(&pool_mutex);
    if (wanted < area->usable) {
        SOP_ASSERT(mprotect(area->base + wanted, (size_t)(area->usable - wanted), PROT_NONE) == 0);
        area->usable = wanted;
    }
    if (area->usable != 0) memset(area->base, 0, (size_t)area->usable);
}
