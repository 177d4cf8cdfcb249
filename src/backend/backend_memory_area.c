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
    area->usable = wanted;
    return 1;
}

/* Takes new address space and copies what is usable. */
static sop_status area_move(memory_area *area, uint64_t size)
{
    uint64_t least = sop_round_up(size, AREA_STEP);
    uint64_t reserved = MEMORY_AREA_FIRST;
    while (reserved < least)
        reserved *= 2;
    memory_area moved = {reserve_bytes(reserved), reserved, 0, area->exact};
    if (moved.base == NULL && reserved > least) {
        moved = (memory_area){reserve_bytes(least), least, 0, area->exact};
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
