/* SPDX-License-Identifier: MIT */
/*
 * Private to the memory backend: files as growing areas at a fixed address.
 *
 * mem-1  The bytes of a file lie at one address that does not change while a map of it is out.
 * mem-2  Bytes of an area that the file has not reached cannot be touched; bytes it has reached but
 * not written are zeros that cost no memory.
 */
#ifndef SOP_BACKEND_BACKEND_MEMORY_H
#define SOP_BACKEND_BACKEND_MEMORY_H

#include <stdint.h>

#include "sop/types.h"

/* All zero is an empty area without address space. Guarded by its file's mutex. */
typedef struct {
    uint8_t *base;
    uint64_t reserved; /* bytes of address space at base */
    uint64_t usable;   /* of those, readable and writable */
    uint64_t
        stale; /* bytes below this that are not usable may be other than zero: left from an earlier use */
    int exact; /* 1: usable ends with the page that holds the last byte, so that touching more is a fault */
} memory_area;

/* Address space taken at the first use of a file. Everything the engine writes stays below it on
   64-bit machines (segments and log files are at most a little over 1 GiB); on 32-bit machines it
   grows while no map is out. */
#if UINTPTR_MAX > UINT32_MAX
#define MEMORY_AREA_FIRST (UINT64_C(4) << 30)
#else
#define MEMORY_AREA_FIRST (UINT64_C(1) << 20)
#endif

/* Makes [0, size) usable and reserves at least `reserve` bytes. fixed: the address may not change.
   SOP_OK, SOP_NO_MEMORY, SOP_FULL (would have to move but must not). */
sop_status sop_backend__area_grow(memory_area *area, uint64_t size, uint64_t reserve, int fixed);
void sop_backend__area_deinit(memory_area *area);
/* For areas that come and go often (a simulated disk maps the same files thousands of times, and a page fault costs more than
   clearing a page): hands one to a small pool, and takes one out as an empty one. */
void sop_backend__area_give(memory_area *area);
void sop_backend__area_take(memory_area *area, uint64_t size);

#endif
