/* SPDX-License-Identifier: MIT */
/* States and their readers: slots, announcements, recycling. */
#include <stdlib.h>
#include <string.h>

#include "txn/txn_engine.h"
#include "util/assert.h"
#include "util/memory.h"

/* ---- slots ---- */

static sop_slot *chunk_claim(sop_slots *chunk)
{
    for (size_t i = 0; i < SLOTS_PER_CHUNK; i++) {
        uint32_t unused = 0;
        sop_slot *slot = &chunk->slots[i];
        if (atomic_load_explicit(&slot->used, memory_order_relaxed) != 0) continue;
        /* Acquire pairs with the release of the slot: its fields are zero again. */
        if (atomic_compare_exchange_strong_explicit(&slot->used, &unused, 1, memory_order_acquire,
                                                    memory_order_relaxed)) {
            return slot;
        }
    }
    return NULL;
}

static sop_slots *chunk_next(sop_slots *chunk)
{
    sop_slots *next = atomic_load_explicit(&chunk->next, memory_order_acquire);
    if (next != NULL) return next;
    sop_slots *fresh = sop_alloc_aligned(SOP_CACHE_LINE, sizeof *fresh);
    if (fresh == NULL) return NULL;
    memset(fresh, 0, sizeof *fresh);
    /* Release pairs with the acquire loads of the list. */
    if (atomic_compare_exchange_strong_explicit(&chunk->next, &next, fresh, memory_order_acq_rel,
                                                memory_order_acquire)) {
        return fresh;
    }
    sop_free(fresh);
    return next;
}

sop_slot *sop_engine__slot_acquire(sop_engine *engine)
{
    for (sop_slots *chunk = &engine->first_slots; chunk != NULL; chunk = chunk_next(chunk)) {
        sop_slot *slot = chunk_claim(chunk);
        if (slot != NULL) return slot;
    }
    return NULL;
}

void sop_engine__slot_release(sop_engine *engine, sop_slot *slot)
{
    (void)engine;
    if (slot == NULL) return;
    atomic_store_explicit(&slot->announced, 0, memory_order_release);
    atomic_store_explicit(&slot->counter, 0, memory_order_relaxed);
    atomic_store_explicit(&slot->writing, 0, memory_order_relaxed);
    atomic_store_explicit(&slot->used, 0, memory_order_release);
}

/*
 * Takes the state that `from` names and keeps it from being recycled. The announcement is sequentially consistent and the
 * pointer is read again after it: if it still names the same state with the same seq, then whoever replaces it later also
 * sees the announcement when it looks at the slots (txn-2; hazard pointers, Michael 2004).
 */
sop_state *sop_engine__state_pick(_Atomic(sop_state *) *from, sop_slot *slot)
{
    for (;;) {
        sop_state *state = atomic_load_explicit(from, memory_order_acquire);
        uint64_t seq = atomic_load_explicit(&state->seq, memory_order_acquire);
        atomic_store_explicit(&slot->announced, seq + 1, memory_order_seq_cst);
        if (atomic_load_explicit(from, memory_order_seq_cst) == state &&
            atomic_load_explicit(&state->seq, memory_order_acquire) == seq) {
            return state;
        }
    }
}

/* ---- layers and states ---- */

sop_layer *sop_layer__new(void)
{
    sop_layer *layer = sop_alloc_zeroed(sizeof *layer);
    if (layer == NULL) return NULL;
    layer->table = sop_memtable_new();
    layer->last_seq = UINT64_MAX;
    if (layer->table == NULL) {
        sop_free(layer);
        return NULL;
    }
    return layer;
}

static sop_state *pool_take(sop_engine *engine)
{
    sop_state *state = engine->state_pool;
    if (state != NULL) {
        engine->state_pool = state->next;
        return state;
    }
    return sop_alloc_zeroed(sizeof *state);
}

sop_state *sop_engine__state_new(sop_engine *engine, const sop_state *like)
{
    sop_state *state = pool_take(engine);
    if (state == NULL) return NULL;
    state->next = NULL;
    atomic_store_explicit(&state->abandoned, 0, memory_order_relaxed);
    if (like == NULL) {
        state->base = NULL;
        state->layer_count = 0;
        state->reading = 0;
        state->catalogue_seq = 0;
        state->horizon = 0;
        return state;
    }
    state->base = like->base;
    state->layer_count = like->layer_count;
    state->reading = like->reading;
    memcpy(state->layers, like->layers, like->layer_count * sizeof(like->layers[0]));
    memcpy(state->roots, like->roots, like->layer_count * sizeof(like->roots[0]));
    state->catalogue_seq = like->catalogue_seq;
    state->horizon = like->horizon;
    return state;
}

void sop_engine__state_discard(sop_engine *engine, sop_state *state)
{
    state->next = engine->state_pool;
    engine->state_pool = state;
}

void sop_engine__state_push(sop_engine *engine, sop_state *state, uint64_t seq)
{
    state->base->references++;
    for (uint32_t i = 0; i < state->layer_count; i++) {
        state->layers[i]->references++;
    }
    atomic_store_explicit(&state->seq, seq, memory_order_release);
    if (engine->states_newest == NULL) {
        engine->states_oldest = state;
    } else {
        engine->states_newest->next = state;
    }
    engine->states_newest = state;
    /* Release pairs with the acquire in state_pick; seq_cst orders it before a later look at the slots. */
    atomic_store_explicit(&engine->tip, state, memory_order_seq_cst);
}

void sop_engine__durable_set(sop_engine *engine, sop_state *state)
{
    uint64_t seq = atomic_load_explicit(&state->seq, memory_order_relaxed);
    atomic_store_explicit(&engine->durable, state, memory_order_seq_cst);
    atomic_store_explicit(&engine->durable_seq, seq, memory_order_release);
}

/* Puts aside what nobody refers to any more; sop_engine__bury frees it outside the lock. */
static void table_put_aside(sop_engine *engine, sop_memtable *table)
{
    if (engine->dead_table_count == engine->dead_table_capacity) {
        size_t capacity = engine->dead_table_capacity * 2 + 4;
        sop_memtable **grown = sop_realloc(engine->dead_tables, capacity * sizeof(*grown));
        if (grown == NULL) {
            sop_memtable_free(table);
            return;
        }
        engine->dead_tables = grown;
        engine->dead_table_capacity = capacity;
    }
    engine->dead_tables[engine->dead_table_count++] = table;
}

static void base_put_aside(sop_engine *engine, sop_base *base)
{
    if (engine->dead_base_count == engine->dead_base_capacity) {
        size_t capacity = engine->dead_base_capacity * 2 + 4;
        sop_base **grown = sop_realloc(engine->dead_bases, capacity * sizeof(*grown));
        if (grown == NULL) {
            sop_base__free(base);
            return;
        }
        engine->dead_bases = grown;
        engine->dead_base_capacity = capacity;
    }
    engine->dead_bases[engine->dead_base_count++] = base;
}

void sop_engine__base_release(sop_engine *engine, sop_base *base)
{
    SOP_ASSERT(base->references > 0);
    if (--base->references == 0) base_put_aside(engine, base);
}

void sop_engine__state_recycle(sop_engine *engine, sop_state *state)
{
    sop_engine__base_release(engine, state->base);
    for (uint32_t i = 0; i < state->layer_count; i++) {
        sop_layer *layer = state->layers[i];
        SOP_ASSERT(layer->references > 0);
        if (--layer->references != 0) continue;
        table_put_aside(engine, layer->table);
        sop_free(layer);
    }
    sop_engine__state_discard(engine, state);
}

void sop_engine__bury(sop_engine *engine)
{
    sop_mutex_lock(&engine->commit_lock);
    sop_memtable **tables = engine->dead_tables;
    size_t table_count = engine->dead_table_count;
    sop_base **bases = engine->dead_bases;
    size_t base_count = engine->dead_base_count;
    engine->dead_tables = NULL;
    engine->dead_table_count = engine->dead_table_capacity = 0;
    engine->dead_bases = NULL;
    engine->dead_base_count = engine->dead_base_capacity = 0;
    sop_mutex_unlock(&engine->commit_lock);
    for (size_t i = 0; i < table_count; i++) {
        sop_memtable_free(tables[i]);
    }
    for (size_t i = 0; i < base_count; i++) {
        sop_base__free(bases[i]);
    }
    sop_free(tables);
    sop_free(bases);
}

/* ---- reclaim ---- */

static int compare_u64(const void *a, const void *b)
{
    uint64_t x;
    uint64_t y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return (x > y) - (x < y);
}

static int live_push(sop_engine *engine, size_t *count, uint64_t seq)
{
    if (*count == engine->live_seqs_capacity) {
        size_t capacity = engine->live_seqs_capacity * 2 + 64;
        uint64_t *grown = sop_realloc(engine->live_seqs, capacity * sizeof(*grown));
        if (grown == NULL) return 0;
        engine->live_seqs = grown;
        engine->live_seqs_capacity = capacity;
    }
    engine->live_seqs[(*count)++] = seq;
    return 1;
}

/* The announced seqs, ascending, in live_seqs; the lowest open counter on the way. 0: no memory. */
static int slots_collect(sop_engine *engine, size_t *count_out)
{
    uint64_t lowest = atomic_load_explicit(&engine->next_counter, memory_order_relaxed);
    *count_out = 0;
    for (sop_slots *chunk = &engine->first_slots; chunk != NULL;
         chunk = atomic_load_explicit(&chunk->next, memory_order_acquire)) {
        for (size_t i = 0; i < SLOTS_PER_CHUNK; i++) {
            sop_slot *slot = &chunk->slots[i];
            uint64_t announced = atomic_load_explicit(&slot->announced, memory_order_seq_cst);
            uint64_t counter = atomic_load_explicit(&slot->counter, memory_order_relaxed);
            if (counter != 0 && counter < lowest) lowest = counter;
            if (announced != 0 && !live_push(engine, count_out, announced - 1)) return 0;
        }
    }
    atomic_store_explicit(&engine->lowest_open, lowest, memory_order_relaxed);
    if (*count_out > 1) qsort(engine->live_seqs, *count_out, sizeof(uint64_t), compare_u64);
    return 1;
}

static int is_announced(const sop_engine *engine, size_t count, uint64_t seq)
{
    size_t low = 0;
    size_t high = count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (engine->live_seqs[middle] < seq) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < count && engine->live_seqs[low] == seq;
}

/* Recycles every state that txn-2 allows, then lets the live layer reuse memory that no remaining state can see. */
void sop_engine__reclaim(sop_engine *engine)
{
    engine->commits_since_reclaim = 0;
    size_t announced;
    if (!slots_collect(engine, &announced)) return;
    const sop_state *durable = atomic_load_explicit(&engine->durable, memory_order_relaxed);
    const sop_state *tip = atomic_load_explicit(&engine->tip, memory_order_relaxed);
    uint64_t durable_seq = atomic_load_explicit(&durable->seq, memory_order_relaxed);
    size_t kept = announced;
    sop_state **link = &engine->states_oldest;
    sop_state *newest = NULL;
    for (sop_state *state = *link; state != NULL;) {
        sop_state *next = state->next;
        uint64_t seq = atomic_load_explicit(&state->seq, memory_order_relaxed);
        int old = seq < durable_seq || (seq == durable_seq && state != durable);
        int gone = atomic_load_explicit(&state->abandoned, memory_order_relaxed) != 0;
        if ((old || gone) && state != tip && !is_announced(engine, announced, seq)) {
            *link = next;
            sop_engine__state_recycle(engine, state);
        } else {
            newest = state;
            link = &state->next;
            if (!live_push(engine, &kept, seq)) kept = SIZE_MAX;
        }
        if (kept == SIZE_MAX) return;
        state = next;
    }
    engine->states_newest = newest;
    qsort(engine->live_seqs + announced, kept - announced, sizeof(uint64_t), compare_u64);
    sop_memtable_reclaim(engine->live->table, engine->live_seqs + announced, kept - announced);
}

/* The log could not take what came after `durable`: the tip falls back to it. Transactions that began on a lost state fail. */
void sop_engine__abandon(sop_engine *engine)
{
    sop_state *durable = atomic_load_explicit(&engine->durable, memory_order_relaxed);
    for (sop_state *state = durable->next; state != NULL; state = state->next) {
        atomic_store_explicit(&state->abandoned, 1, memory_order_release);
    }
    engine->live = durable->layers[durable->layer_count - 1];
    engine->live->last_seq = UINT64_MAX;
    sop_memtable_rewind(engine->live->table, durable->roots[durable->layer_count - 1],
                        atomic_load_explicit(&durable->seq, memory_order_relaxed));
    atomic_store_explicit(&engine->tip, durable, memory_order_seq_cst);
    /* The seqs are given again, so nobody may be remembered under them. */
    uint64_t seq = atomic_load_explicit(&durable->seq, memory_order_relaxed);
    sop_live__rewind(&engine->live_table, seq);
    if (engine->joined_seq > seq) engine->joined = 0;
}

/* The seq of the oldest announced snapshot, UINT64_MAX when there is none. */
uint64_t sop_engine__oldest_snapshot(sop_engine *engine, int writers_only)
{
    uint64_t oldest = UINT64_MAX;
    for (sop_slots *chunk = &engine->first_slots; chunk != NULL;
         chunk = atomic_load_explicit(&chunk->next, memory_order_acquire)) {
        for (size_t i = 0; i < SLOTS_PER_CHUNK; i++) {
            sop_slot *slot = &chunk->slots[i];
            uint64_t announced = atomic_load_explicit(&slot->announced, memory_order_seq_cst);
            if (announced == 0 || announced - 1 >= oldest) continue;
            if (writers_only && atomic_load_explicit(&slot->writing, memory_order_relaxed) == 0) {
                continue;
            }
            oldest = announced - 1;
        }
    }
    return oldest;
}
