/* SPDX-License-Identifier: MIT */
/* The page that all processes of a host share: where the log ends, and who writes it. */
#include <string.h>

#include "util/bytes.h"
#include "util/world.h"
#include "wal/wal_private.h"

#define PAGE_MAGIC UINT64_C(0x3145474150504f53) /* "SOPPAGE1" */

enum { PLACE_WORDS = SOP_WAL_PLACE_SIZE / 8 };

static void identity_of(const uint8_t incarnation[16], uint64_t out[4])
{
    uint8_t boot[16];
    sop_boot_id(boot);
    out[0] = sop_get_u64le(incarnation);
    out[1] = sop_get_u64le(incarnation + 8);
    out[2] = sop_get_u64le(boot);
    out[3] = sop_get_u64le(boot + 8);
}

int sop_wal_page_valid(const sop_wal_page *page, const uint8_t incarnation[16])
{
    uint64_t identity[4];
    /* Acquire pairs with the release that ends page_begin. */
    if (atomic_load_explicit(&page->magic, memory_order_acquire) != PAGE_MAGIC) return 0;
    identity_of(incarnation, identity);
    for (int i = 0; i < 4; i++) {
        if (atomic_load_explicit(&page->identity[i], memory_order_relaxed) != identity[i]) return 0;
    }
    return 1;
}

void sop_wal_page_end(const sop_wal_page *page, sop_wal_end *out)
{
    uint64_t words[SOP_WAL_PAGE_END_WORDS];
    for (;;) {
        /* Acquire pairs with the release of turn: the end it names is complete. The second look tells whether the place was being
           filled again meanwhile. */
        uint64_t turn = atomic_load_explicit(&page->turn, memory_order_acquire);
        for (int i = 0; i < SOP_WAL_PAGE_END_WORDS; i++) {
            words[i] = atomic_load_explicit(&page->ends[turn & 1][i], memory_order_acquire);
        }
        if (atomic_load_explicit(&page->turn, memory_order_relaxed) == turn) break;
    }
    uint8_t place[SOP_WAL_PLACE_SIZE];
    for (int i = 0; i < PLACE_WORDS; i++) {
        sop_put_u64le(place + (size_t)i * 8, words[i]);
    }
    sop_wal_place_decode(place, &out->published);
    out->durable_seq = words[PLACE_WORDS];
    out->file = words[PLACE_WORDS + 1];
    out->file_size = words[PLACE_WORDS + 2];
}

/* Without the lock: only the appending thread changes tip and current. */
static void end_store(sop_wal *wal)
{
    sop_wal_page *page = wal->page;
    uint8_t place[SOP_WAL_PLACE_SIZE];
    uint64_t words[SOP_WAL_PAGE_END_WORDS] = {0};
    sop_wal_place_encode(&wal->tip, place);
    for (int i = 0; i < PLACE_WORDS; i++) {
        words[i] = sop_get_u64le(place + (size_t)i * 8);
    }
    words[PLACE_WORDS] = sop_wal__durable(wal);
    words[PLACE_WORDS + 1] = wal->current.id;
    words[PLACE_WORDS + 2] = wal->current.size;
    uint64_t turn = atomic_load_explicit(&page->turn, memory_order_relaxed) + 1;
    for (int i = 0; i < SOP_WAL_PAGE_END_WORDS; i++) {
        /* Release: whoever copies this word also sees the turn that came before it. */
        atomic_store_explicit(&page->ends[turn & 1][i], words[i], memory_order_release);
    }
    atomic_store_explicit(&page->turn, turn, memory_order_release);
}

void sop_wal_page_begin(sop_wal *wal)
{
    sop_wal_page *page = wal->page;
    if (page == NULL) return;
    uint64_t identity[4];
    identity_of(wal->incarnation, identity);
    for (int i = 0; i < 4; i++) {
        atomic_store_explicit(&page->identity[i], identity[i], memory_order_relaxed);
    }
    /* What an earlier boot or database left may be higher. */
    atomic_store_explicit(&page->published_seq, 0, memory_order_relaxed);
    atomic_store_explicit(&page->durable_seq, 0, memory_order_relaxed);
    atomic_store_explicit(&page->wanted, 0, memory_order_relaxed);
    atomic_store_explicit(&page->run, wal->run_highest, memory_order_relaxed);
    atomic_store_explicit(&page->holder, wal->short_incarnation, memory_order_relaxed);
    atomic_store_explicit(&page->holder_process, sop_process_id(), memory_order_relaxed);
    sop_wal_publish(wal);
    atomic_store_explicit(&page->magic, PAGE_MAGIC, memory_order_release);
}

void sop_wal_publish(sop_wal *wal)
{
    sop_wal_page *page = wal->page;
    if (page == NULL) return;
    /* A process that was killed, as far as a simulated world can do that, changes nothing any more. */
    if (atomic_load_explicit(&page->holder, memory_order_relaxed) != wal->short_incarnation) return;
    end_store(wal);
    /* Release: who sees the number finds the end that belongs to it. */
    atomic_store_explicit(&page->durable_seq, sop_wal__durable(wal), memory_order_release);
    atomic_store_explicit(&page->published_seq, wal->tip.seq_last, memory_order_seq_cst);
    if (SOP_LIKELY(atomic_load_explicit(&page->publish_waiting, memory_order_seq_cst) == 0)) return;
    atomic_store_explicit(&page->publish_waiting, 0, memory_order_relaxed);
    atomic_fetch_add_explicit(&page->publish_word, 1, memory_order_seq_cst);
    sop_wake(&page->publish_word, INT32_MAX);
}

void sop_wal_page_wait(sop_wal_page *page, uint64_t seq, uint64_t timeout_ns)
{
    uint32_t word = atomic_load_explicit(&page->publish_word, memory_order_seq_cst);
    /* Sequentially consistent with the two accesses of publish: one of the two sees the other. */
    atomic_store_explicit(&page->publish_waiting, 1, memory_order_seq_cst);
    if (atomic_load_explicit(&page->published_seq, memory_order_seq_cst) > seq) return;
    sop_wait(&page->publish_word, word, timeout_ns);
}
