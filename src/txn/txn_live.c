/* SPDX-License-Identifier: MIT */
/* The live table: which incarnations write, and the outcome of their recent transactions. */
#include <string.h>

#include "txn/txn_engine.h"
#include "util/assert.h"
#include "util/bytes.h"
#include "util/error.h"
#include "util/memory.h"

sop_live_peer *sop_live__find(const sop_live_table *table, const uint8_t incarnation[16])
{
    for (size_t i = table->count; i > 0; i--) {
        sop_live_peer *peer = table->peers[i - 1];
        if (memcmp(peer->incarnation, incarnation, 16) == 0) return peer;
    }
    return NULL;
}

static void peer_free(sop_live_peer *peer)
{
    sop_free(peer->recent);
    sop_free(peer);
}

void sop_live__deinit(sop_live_table *table)
{
    for (size_t i = 0; i < table->count; i++) {
        peer_free(table->peers[i]);
    }
    sop_free(table->peers);
    *table = (sop_live_table){0};
}

static sop_status table_grow(sop_live_table *table)
{
    if (table->count < table->capacity) return SOP_OK;
    size_t capacity = table->capacity == 0 ? 8 : table->capacity * 2;
    sop_live_peer **peers = sop_realloc(table->peers, capacity * sizeof(*peers));
    if (peers == NULL) return SOP_NO_MEMORY;
    table->peers = peers;
    table->capacity = capacity;
    return SOP_OK;
}

/* Forgets the incarnation that left first, so that the table stays bounded. */
static void forget_oldest_gone(sop_live_table *table)
{
    for (size_t i = 0; i < table->count; i++) {
        if (!table->peers[i]->gone) continue;
        peer_free(table->peers[i]);
        memmove(&table->peers[i], &table->peers[i + 1],
                (table->count - i - 1) * sizeof(table->peers[0]));
        table->count--;
        table->gone--;
        table->dropped_some = 1;
        return;
    }
}

static sop_status
peer_add(sop_live_table *table, const uint8_t incarnation[16], sop_live_peer **out)
{
    *out = NULL;
    if (table_grow(table) != SOP_OK) return SOP_NO_MEMORY;
    sop_live_peer *peer = sop_alloc_zeroed(sizeof *peer);
    if (peer == NULL) return SOP_NO_MEMORY;
    memcpy(peer->incarnation, incarnation, 16);
    table->peers[table->count++] = peer;
    *out = peer;
    return SOP_OK;
}

sop_status sop_live__join(sop_live_table *table, const uint8_t incarnation[16])
{
    if (sop_live__find(table, incarnation) != NULL) return SOP_OK;
    sop_live_peer *peer;
    return peer_add(table, incarnation, &peer);
}

/* The i-th oldest commit that the ring holds. */
static sop_live_commit *ring_at(const sop_live_peer *peer, uint32_t i)
{
    uint32_t first = (peer->next + peer->capacity - peer->count) % peer->capacity;
    return &peer->recent[(first + i) % peer->capacity];
}

static void ring_forget_oldest(sop_live_peer *peer)
{
    const sop_live_commit *oldest = ring_at(peer, 0);
    if (oldest->counter > peer->forgotten) peer->forgotten = oldest->counter;
    peer->count--;
}

/* Changes the size of the ring and keeps its newest commits. */
static int ring_resize(sop_live_peer *peer, uint32_t capacity)
{
    sop_live_commit *recent = sop_alloc(capacity * sizeof *recent);
    if (recent == NULL) return 0;
    while (peer->count > capacity) {
        ring_forget_oldest(peer);
    }
    for (uint32_t i = 0; i < peer->count; i++) {
        recent[i] = *ring_at(peer, i);
    }
    sop_free(peer->recent);
    peer->recent = recent;
    peer->capacity = capacity;
    peer->next = peer->count % capacity;
    return 1;
}

void sop_live__leave(sop_live_table *table, const uint8_t incarnation[16], uint64_t seq)
{
    sop_live_peer *peer = sop_live__find(table, incarnation);
    if (peer == NULL || peer->gone) return;
    peer->gone = 1;
    peer->gone_seq = seq;
    table->gone++;
    if (peer->capacity > LIVE_RECENT_GONE) (void)ring_resize(peer, LIVE_RECENT_GONE);
    if (table->gone > LIVE_GONE_MAX) forget_oldest_gone(table);
}

void sop_live__rewind(sop_live_table *table, uint64_t seq)
{
    for (size_t i = 0; i < table->count; i++) {
        sop_live_peer *peer = table->peers[i];
        if (peer->gone && peer->gone_seq > seq) {
            peer->gone = 0;
            peer->gone_seq = 0;
            table->gone--;
        }
        while (peer->count > 0 && ring_at(peer, peer->count - 1)->seq > seq) {
            peer->next = (peer->next + peer->capacity - 1) % peer->capacity;
            peer->count--;
        }
    }
}

void sop_live__commit(sop_live_peer *peer, uint64_t counter, uint64_t lowest_open, uint64_t seq)
{
    if (counter > peer->highest) peer->highest = counter;
    if (lowest_open > peer->lowest_open) peer->lowest_open = lowest_open;
    if (peer->count == peer->capacity) {
        uint32_t capacity = peer->capacity == 0 ? 16 : peer->capacity * 2;
        if (capacity > LIVE_RECENT || !ring_resize(peer, capacity)) {
            if (peer->capacity == 0) {
                if (counter > peer->forgotten) peer->forgotten = counter;
                return;
            }
            ring_forget_oldest(peer);
        }
    }
    peer->recent[peer->next] = (sop_live_commit){counter, seq};
    peer->next = (peer->next + 1) % peer->capacity;
    peer->count++;
}

sop_outcome sop_live__outcome(const sop_live_table *table,
                              const uint8_t incarnation[16],
                              uint64_t counter,
                              uint64_t *seq_out)
{
    *seq_out = 0;
    const sop_live_peer *peer = sop_live__find(table, incarnation);
    if (peer == NULL) return table->dropped_some ? SOP_OUTCOME_UNKNOWN : SOP_OUTCOME_ABORTED;
    for (uint32_t i = 0; i < peer->count; i++) {
        const sop_live_commit *commit = ring_at(peer, i);
        if (commit->counter != counter) continue;
        *seq_out = commit->seq;
        return SOP_OUTCOME_COMMITTED;
    }
    return counter <= peer->forgotten ? SOP_OUTCOME_UNKNOWN : SOP_OUTCOME_ABORTED;
}

const uint8_t *sop_live__peer_of(const sop_live_table *table, uint64_t seq)
{
    for (size_t i = table->count; i > 0; i--) {
        const sop_live_peer *peer = table->peers[i - 1];
        for (uint32_t k = 0; k < peer->count; k++) {
            if (ring_at(peer, k)->seq == seq) return peer->incarnation;
        }
    }
    return NULL;
}

/* Encoded: version 1, dropped_some 1, peers 4; each peer: incarnation 16, gone 1, zeros 3, commits 4, highest 8, lowest_open 8,
   forgotten 8, then commits of counter 8 and seq 8. */
enum { LIVE_HEADER = 6, LIVE_PEER = 48, LIVE_COMMIT = 16, LIVE_VERSION = 1 };

sop_status
sop_live__encode(const sop_live_table *table, uint64_t upto, uint8_t **out, size_t *size_out)
{
    size_t size = LIVE_HEADER;
    for (size_t i = 0; i < table->count; i++) {
        size += LIVE_PEER + (size_t)table->peers[i]->count * LIVE_COMMIT;
    }
    uint8_t *bytes = sop_alloc_zeroed(size);
    *out = bytes;
    *size_out = size;
    if (bytes == NULL) return SOP_NO_MEMORY;
    bytes[0] = LIVE_VERSION;
    bytes[1] = (uint8_t)(table->dropped_some != 0);
    sop_put_u32le(bytes + 2, (uint32_t)table->count);
    uint8_t *p = bytes + LIVE_HEADER;
    for (size_t i = 0; i < table->count; i++) {
        const sop_live_peer *peer = table->peers[i];
        memcpy(p, peer->incarnation, 16);
        p[16] = (uint8_t)(peer->gone != 0);
        uint32_t count = 0;
        sop_put_u64le(p + 24, peer->highest);
        sop_put_u64le(p + 32, peer->lowest_open);
        sop_put_u64le(p + 40, peer->forgotten);
        uint8_t *row = p + LIVE_PEER;
        for (uint32_t k = 0; k < peer->count; k++) {
            const sop_live_commit *commit = ring_at(peer, k);
            if (commit->seq > upto) continue;
            sop_put_u64le(row, commit->counter);
            sop_put_u64le(row + 8, commit->seq);
            row += LIVE_COMMIT;
            count++;
        }
        sop_put_u32le(p + 20, count);
        p = row;
    }
    *size_out = (size_t)(p - bytes);
    return SOP_OK;
}

static sop_status
peer_decode(sop_live_table *table, const uint8_t **at, const uint8_t *end, sop_error *err)
{
    const uint8_t *p = *at;
    if ((size_t)(end - p) < LIVE_PEER) {
        return sop_fail(err, SOP_CORRUPT, "live table: a peer is cut off");
    }
    uint32_t commits = sop_get_u32le(p + 20);
    if (commits > LIVE_RECENT || (size_t)(end - p) - LIVE_PEER < (size_t)commits * LIVE_COMMIT) {
        return sop_fail(err, SOP_CORRUPT, "live table: a peer claims %u commits", commits);
    }
    sop_live_peer *peer;
    if (peer_add(table, p, &peer) != SOP_OK) {
        return sop_fail(err, SOP_NO_MEMORY, "live table: out of memory");
    }
    peer->gone = p[16];
    table->gone += p[16] != 0;
    const uint8_t *rows = p + LIVE_PEER;
    for (uint32_t k = 0; k < commits; k++, rows += LIVE_COMMIT) {
        sop_live__commit(peer, sop_get_u64le(rows), 0, sop_get_u64le(rows + 8));
    }
    peer->highest = sop_get_u64le(p + 24);
    peer->lowest_open = sop_get_u64le(p + 32);
    if (sop_get_u64le(p + 40) > peer->forgotten) peer->forgotten = sop_get_u64le(p + 40);
    *at = rows;
    return SOP_OK;
}

sop_status sop_live__decode(sop_live_table *table, sop_slice bytes, sop_error *err)
{
    const uint8_t *p = bytes.data;
    if (bytes.size < LIVE_HEADER || p[0] != LIVE_VERSION) {
        return sop_fail(err, SOP_CORRUPT, "live table: bad header in %zu bytes", bytes.size);
    }
    const uint8_t *end = p + bytes.size;
    table->dropped_some = p[1];
    uint32_t count = sop_get_u32le(p + 2);
    p += LIVE_HEADER;
    for (uint32_t i = 0; i < count; i++) {
        sop_status status = peer_decode(table, &p, end, err);
        if (status != SOP_OK) return status;
    }
    if (p != end) {
        return sop_fail(err, SOP_CORRUPT, "live table: %zu bytes too many", (size_t)(end - p));
    }
    return SOP_OK;
}
