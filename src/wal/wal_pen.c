/* SPDX-License-Identifier: MIT */
/* The pen: the right to append, a lock of the kernel that ends with its holder and is never broken. */
#include "util/error.h"
#include "util/world.h"
#include "wal/wal_private.h"

/* Somebody who died with the pen wakes nobody: look again after this. */
#define LOOK_AGAIN_NS UINT64_C(5000000)

static sop_status pen_busy(const sop_wal *wal, uint32_t wait_ms, sop_error *err)
{
    uint32_t process = atomic_load_explicit(&wal->page->holder_process, memory_order_relaxed);
    return sop_fail(err, SOP_BUSY, "%s: process %u is writing and did not make room within %u ms",
                    wal->backend->url, process, wait_ms);
}

/* Asks the holder for the pen and waits until it is given back. */
static sop_status pen_wait(sop_wal *wal, uint32_t wait_ms, sop_error *err)
{
    sop_wal_page *page = wal->page;
    sop_backend *b = wal->backend;
    uint64_t deadline = sop_boot_ns() + (uint64_t)wait_ms * 1000000u;
    for (;;) {
        /* Acquire pairs with the release of who gives it back. */
        uint32_t word = atomic_load_explicit(&page->pen_word, memory_order_acquire);
        sop_status status = b->ops->lock(b, SOP_LOCK_PEN, 1, 0, err);
        if (status != SOP_BUSY) return status;
        uint64_t now = sop_boot_ns();
        if (now >= deadline) return pen_busy(wal, wait_ms, err);
        if (atomic_exchange_explicit(&page->wanted, 1, memory_order_acq_rel) == 0) {
            sop_wake(&page->wanted, INT32_MAX);
        }
        uint64_t left = deadline - now;
        sop_wait(&page->pen_word, word, left < LOOK_AGAIN_NS ? left : LOOK_AGAIN_NS);
    }
}

sop_status sop_wal_pen_take(sop_wal *wal, uint32_t wait_ms, int *open_out, sop_error *err)
{
    sop_wal_page *page = wal->page;
    sop_backend *b = wal->backend;
    *open_out = 0;
    sop_status status = b->ops->lock(b, SOP_LOCK_PEN, 1, 0, err);
    if (status == SOP_BUSY) status = pen_wait(wal, wait_ms, err);
    if (status != SOP_OK) return status;
    if (!b->ops->shared_page_linked(b) || !sop_wal_page_valid(page, wal->incarnation)) {
        b->ops->unlock(b, SOP_LOCK_PEN);
        return sop_fail(err, SOP_IO, "%s/shm was removed or replaced, reopen the database", b->url);
    }
    *open_out = atomic_load_explicit(&page->holder, memory_order_relaxed) != 0;
    atomic_store_explicit(&page->holder_process, sop_process_id(), memory_order_relaxed);
    atomic_store_explicit(&page->holder, wal->short_incarnation, memory_order_relaxed);
    atomic_fetch_add_explicit(&page->taken, 1, memory_order_release);
    return SOP_OK;
}

void sop_wal_pen_give(sop_wal *wal, int in_order)
{
    sop_wal_page *page = wal->page;
    sop_backend *b = wal->backend;
    if (atomic_load_explicit(&page->holder, memory_order_relaxed) == wal->short_incarnation &&
        in_order) {
        atomic_store_explicit(&page->holder, 0, memory_order_relaxed);
    }
    /* Before the lock is free: who comes too late for it asks again. */
    uint32_t wanted = atomic_exchange_explicit(&page->wanted, 0, memory_order_acq_rel);
    b->ops->unlock(b, SOP_LOCK_PEN);
    /* Release: who wakes by it finds the lock free. */
    atomic_fetch_add_explicit(&page->pen_word, 1, memory_order_release);
    if (wanted != 0) sop_wake(&page->pen_word, INT32_MAX);
}
