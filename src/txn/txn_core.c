/* SPDX-License-Identifier: MIT */
/* A transaction's own side: snapshot, read set, write set, view. */
#include <string.h>

#include "txn/txn_engine.h"
#include "util/assert.h"
#include "util/bytes.h"
#include "util/error.h"
#include "util/memory.h"
#include "util/rule.h"

enum {
    READS_COARSE = 100000 /* above this many entries the read set becomes one range a store */
};

/* ---- begin and end ---- */

static sop_status snapshot_take(sop_core *core, sop_error *err)
{
    sop_engine *engine = core->engine;
    sop_status status = sop_engine__refresh(engine, err);
    if (status != SOP_OK) return status;
    int at_tip = (core->mode == SOP_TXN_WRITE && !core->durable) || !SOP_RULE(WATERMARK);
    core->state = sop_engine__state_pick(at_tip ? &engine->tip : &engine->durable, core->slot);
    core->snapshot_seq = atomic_load_explicit(&core->state->seq, memory_order_relaxed);
    core->commit_seq = 0;
    atomic_store_explicit(&core->slot->id, 0, memory_order_relaxed);
    core->tracking = 1;
    core->spoiled = SOP_OK;
    core->write_version++;
    core->snapshot_version++;
    core->conflict = (sop_conflict)SOP_CONFLICT_INIT;
    core->deadline_ns =
        core->deadline_ms == 0 ? 0 : sop_boot_ns() + (uint64_t)core->deadline_ms * 1000000u;
    atomic_store_explicit(&core->cancelled, 0, memory_order_relaxed);
    return SOP_OK;
}

sop_status
sop_core_init(sop_core *core, sop_engine *engine, const sop_txn_options *options, sop_error *err)
{
    *core = (sop_core){.engine = engine, .mode = SOP_TXN_WRITE};
    if (options != NULL) {
        if (options->mode != SOP_TXN_DEFAULT) core->mode = options->mode;
        core->durable = options->durable;
        core->deadline_ms = options->deadline_ms;
    }
    if (core->mode == SOP_TXN_WRITE && engine->options.read_only) {
        return sop_fail(err, SOP_READ_ONLY, "%s is open read-only", engine->options.backend->url);
    }
    core->slot = sop_engine__slot_acquire(engine);
    if (core->slot == NULL) return sop_fail(err, SOP_NO_MEMORY, "begin: out of memory");
    atomic_store_explicit(&core->slot->writing, core->mode == SOP_TXN_WRITE, memory_order_relaxed);
    atomic_fetch_add_explicit(&engine->open_transactions, 1, memory_order_relaxed);
    sop_status status = snapshot_take(core, err);
    if (status != SOP_OK) sop_core_deinit(core);
    return status;
}

void sop_core__gate_open(sop_core *core)
{
    if (!core->exclusive) return;
    sop_engine *engine = core->engine;
    core->exclusive = 0;
    sop_core *self = core;
    if (atomic_compare_exchange_strong_explicit(&engine->gate, &self, NULL, memory_order_release,
                                                memory_order_relaxed)) {
        atomic_fetch_add_explicit(&engine->gate_word, 1, memory_order_release);
        sop_wake(&engine->gate_word, INT32_MAX);
    }
}

void sop_core__snapshot_drop(sop_core *core)
{
    core->state = NULL;
    core->snapshot_version++;
    atomic_store_explicit(&core->slot->announced, 0, memory_order_release);
    atomic_store_explicit(&core->slot->counter, 0, memory_order_relaxed);
    sop_core__gate_open(core);
}

static void forget(sop_core *core)
{
    core->write_version++;
    core->read_count = 0;
    core->note = (sop_slice){0};
    core->has_references = 0;
    core->has_load = 0;
    core->error.status = SOP_OK;
    core->error.message[0] = '\0';
    core->conflict.kind = SOP_CONFLICT_NONE;
    if (core->write_root != NULL) {
        sop_memtable_reset(core->writes);
        core->write_root = NULL;
    }
    sop_arena_reset(&core->arena);
}

void sop_core_reset(sop_core *core)
{
    sop_core__snapshot_drop(core);
    forget(core);
}

sop_status sop_core_renew(sop_core *core)
{
    if (core->state != NULL) {
        return sop_fail(&core->error, SOP_INVALID,
                        "renew: the transaction is still open, reset it first");
    }
    /* Not reset: that would open the gate which a starving transaction has just closed. */
    forget(core);
    return snapshot_take(core, &core->error);
}

void sop_core_deinit(sop_core *core)
{
    if (core->slot == NULL) return;
    sop_core__snapshot_drop(core);
    sop_engine__slot_release(core->engine, core->slot);
    core->slot = NULL;
    sop_memtable_free(core->writes);
    core->writes = NULL;
    sop_free(core->reads);
    core->reads = NULL;
    sop_arena_deinit(&core->arena);
    atomic_fetch_sub_explicit(&core->engine->open_transactions, 1, memory_order_release);
}

void sop_core_spoil(sop_core *core, sop_status status)
{
    core->spoiled = status;
}

void sop_core_abort(sop_core *core)
{
    sop_core__snapshot_drop(core);
}

sop_txn_token sop_core_id(const sop_core *core)
{
    sop_txn_token token = {{0}};
    if (core->mode != SOP_TXN_WRITE) return token;
    uint64_t counter = atomic_load_explicit(&core->slot->id, memory_order_relaxed);
    if (counter == 0) {
        counter = atomic_fetch_add_explicit(&core->engine->next_counter, 1, memory_order_relaxed);
        atomic_store_explicit(&core->slot->id, counter, memory_order_relaxed);
        if (core->state != NULL) {
            atomic_store_explicit(&core->slot->counter, counter, memory_order_relaxed);
        }
    }
    memcpy(token.bytes, core->engine->incarnation, 16);
    sop_put_u64le(token.bytes + 16, counter);
    return token;
}

sop_status sop_core_enter_slow(sop_core *core)
{
    if (core->state == NULL) {
        return sop_fail(&core->error, SOP_INVALID, "the transaction has ended, renew or close it");
    }
    if (core->spoiled != SOP_OK) {
        return sop_fail(&core->error, core->spoiled,
                        "an earlier call of the transaction failed half way, begin again");
    }
    if (atomic_load_explicit(&core->cancelled, memory_order_relaxed) != 0) {
        return sop_fail(&core->error, SOP_CANCELLED, "the transaction was cancelled");
    }
    if (core->deadline_ns != 0 && sop_boot_ns() > core->deadline_ns) {
        return sop_fail(&core->error, SOP_TIMEOUT, "the transaction passed its deadline of %u ms",
                        core->deadline_ms);
    }
    /* Acquire pairs with the release in abandon. */
    if (atomic_load_explicit(&core->state->abandoned, memory_order_acquire) != 0) {
        return sop_fail(
            &core->error, SOP_IO,
            "the state this transaction began on was lost by a failed write of the log");
    }
    return SOP_OK;
}

/* ---- read set ---- */

sop_slice sop_core_key_after(sop_core *core, sop_slice key)
{
    uint8_t *copy = sop_arena_alloc(&core->arena, key.size + 1);
    if (copy == NULL) return (sop_slice){0};
    if (key.size != 0) memcpy(copy, key.data, key.size);
    copy[key.size] = 0;
    return sop_slice_of(copy, key.size + 1);
}

/* One range over each store that was read: coarser, so it may conflict more, never less. */
static void reads_coarsen(sop_core *core)
{
    size_t kept = 0;
    for (size_t i = 0; i < core->read_count; i++) {
        size_t k = 0;
        while (k < kept && core->reads[k].store != core->reads[i].store) {
            k++;
        }
        if (k < kept) {
            core->reads[k].shape_only &= core->reads[i].shape_only;
            continue;
        }
        uint8_t shape_only = core->reads[i].is_range && core->reads[i].shape_only;
        core->reads[kept++] = (sop_read){core->reads[i].store, {"", 0}, {NULL, 0}, 1, shape_only};
    }
    core->read_count = kept;
}

static sop_status reads_grow(sop_core *core)
{
    if (core->read_count < core->read_capacity) return SOP_OK;
    if (core->read_count >= READS_COARSE) reads_coarsen(core);
    if (core->read_count < core->read_capacity) return SOP_OK;
    size_t capacity = core->read_capacity == 0 ? 32 : core->read_capacity * 2;
    sop_read *grown = sop_realloc(core->reads, capacity * sizeof *grown);
    if (grown == NULL) return sop_fail(&core->error, SOP_NO_MEMORY, "read set: out of memory");
    core->reads = grown;
    core->read_capacity = capacity;
    return SOP_OK;
}

static sop_status read_add(sop_core *core, sop_read read)
{
    sop_status status = reads_grow(core);
    if (status != SOP_OK) return status;
    if (read.from.size != 0) {
        read.from.data = sop_arena_copy(&core->arena, read.from.data, read.from.size);
        if (read.from.data == NULL) {
            return sop_fail(&core->error, SOP_NO_MEMORY, "read set: out of memory");
        }
    }
    if (read.to.data != NULL) {
        read.to.data = sop_arena_copy(&core->arena, read.to.data, read.to.size);
        if (read.to.data == NULL) {
            return sop_fail(&core->error, SOP_NO_MEMORY, "read set: out of memory");
        }
    }
    core->reads[core->read_count++] = read;
    return SOP_OK;
}

sop_status sop_core_read_key(sop_core *core, uint64_t store, sop_slice key)
{
    if (core->mode != SOP_TXN_WRITE) return SOP_OK;
    if (!core->tracking && store != SOP_CATALOGUE_STORE) return SOP_OK;
    return read_add(core, (sop_read){store, key, {NULL, 0}, 0, 0});
}

sop_status
sop_core_read_range(sop_core *core, uint64_t store, sop_slice from, sop_slice to, int shape_only)
{
    if (core->mode != SOP_TXN_WRITE) return SOP_OK;
    if (!core->tracking && store != SOP_CATALOGUE_STORE) return SOP_OK;
    return read_add(core, (sop_read){store, from, to, 1, (uint8_t)(shape_only != 0)});
}

/* ---- write set ---- */

sop_status sop_core_write(
    sop_core *core, uint64_t store, sop_slice key, sop_slice value, unsigned flags, int below)
{
    if (core->writes == NULL) {
        core->writes = sop_memtable_new();
        if (core->writes == NULL) {
            return sop_fail(&core->error, SOP_NO_MEMORY, "write set: out of memory");
        }
    }
    uint64_t limit = core->engine->options.txn_memory_max;
    if (sop_memtable_bytes(core->writes) + core->arena.bytes > limit) {
        return sop_fail(&core->error, SOP_TOO_LARGE,
                        "the transaction holds more than %llu bytes (txn_memory_max): commit in "
                        "parts or bulk load",
                        (unsigned long long)limit);
    }
    sop_memtable_begin(core->writes, 1);
    sop_status status = sop_memtable_set(core->writes, store, key, value, flags, below);
    core->write_version++;
    if (status != SOP_OK) {
        /* What was set before stays, though perhaps in other nodes. */
        sop_memtable_revert(core->writes);
        core->write_root = sop_memtable_current(core->writes);
        return sop_fail(&core->error, status, "write set: out of memory");
    }
    core->write_root = sop_memtable_publish(core->writes);
    return SOP_OK;
}

static sop_status resolve_tree(sop_core *core, uint64_t store, const sop_view *below)
{
    sop_memcursor cursor;
    sop_memcursor_init(&cursor, sop_memtable_tree(core->write_root, store));
    for (const sop_record *r = sop_memcursor_first(&cursor); r != NULL;
         r = sop_memcursor_next(&cursor)) {
        if (r->below != SOP_BELOW_ANY) continue;
        sop_status status = sop_view_get(below, sop_record_key(r), NULL, &core->error);
        if (status != SOP_OK && status != SOP_NOT_FOUND) return status;
        sop_memtable_resolve(core->writes, store, r,
                             status == SOP_OK ? SOP_BELOW_PRESENT : SOP_BELOW_ABSENT);
    }
    return SOP_OK;
}

sop_status sop_core_resolve(sop_core *core, uint64_t store)
{
    if (core->write_root == NULL || sop_memtable_unresolved(core->writes, store) == 0) {
        return SOP_OK;
    }
    sop_view below;
    sop_status status = sop_engine__view(core->state, store, &below, &core->error);
    if (status == SOP_OK) status = resolve_tree(core, store, &below);
    return status;
}

/* ---- view ---- */

static void view_layers(const sop_state *state, uint64_t store, sop_view *out)
{
    out->layer_count = 0;
    for (uint32_t i = state->reading; i < state->layer_count; i++) {
        const sop_memtree *tree = sop_memtable_tree(state->roots[i], store);
        if (tree != NULL) out->layers[out->layer_count++] = tree;
    }
}

sop_status sop_engine__view(const sop_state *state, uint64_t store, sop_view *out, sop_error *err)
{
    view_layers(state, store, out);
    return sop_base__store(state->base, store, &out->base, err);
}

const sop_memtree *sop_core_writes(const sop_core *core, uint64_t store)
{
    return core->write_root == NULL ? NULL : sop_memtable_tree(core->write_root, store);
}

sop_status sop_core_view(sop_core *core, uint64_t store, sop_view_cache *cache, sop_view *out)
{
    const sop_base *base = core->state->base;
    if (cache != NULL && cache->base_serial == base->serial) {
        out->base = cache->tree;
    } else {
        sop_status status = sop_base__store(base, store, &out->base, &core->error);
        if (status != SOP_OK) return status;
        if (cache != NULL) *cache = (sop_view_cache){base->serial, out->base};
    }
    view_layers(core->state, store, out);
    const sop_memtree *tree = sop_core_writes(core, store);
    if (tree != NULL) out->layers[out->layer_count++] = tree;
    return SOP_OK;
}

uint64_t sop_core_catalogue_seq(const sop_core *core)
{
    return core->state->catalogue_seq;
}

const sop_segments *sop_core_segments(const sop_core *core)
{
    return core->state->base->segments;
}
