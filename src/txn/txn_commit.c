/* SPDX-License-Identifier: MIT */
/* Group commit: validate under commit_lock, publish the new tip, make the frame durable, acknowledge. */
#include <string.h>

#include "txn/txn_engine.h"
#include "util/assert.h"
#include "util/bytes.h"
#include "util/error.h"
#include "util/rule.h"

enum { RECLAIM_EVERY = 64 };

/* ---- failure and waking ---- */

void sop_engine__wake(sop_engine *engine)
{
    atomic_fetch_add_explicit(&engine->durable_word, 1, memory_order_seq_cst);
    if (atomic_load_explicit(&engine->durable_waiters, memory_order_seq_cst) != 0) {
        sop_wake(&engine->durable_word, INT32_MAX);
    }
}

void sop_engine__log_lost(sop_engine *engine,
                          uint64_t unknown_upto,
                          sop_status status,
                          const sop_error *cause)
{
    uint32_t n = atomic_load_explicit(&engine->abandons, memory_order_relaxed);
    engine->abandon_ring[n % 16] = (sop_abandon){
        atomic_load_explicit(&engine->durable_seq, memory_order_relaxed), unknown_upto, status};
    atomic_store_explicit(&engine->abandons, n + 1, memory_order_release);
    sop_wal_buffer_reset(&engine->open_buffer);
    sop_engine__abandon(engine);
    if (!sop_wal_is_broken(engine->wal)) return;
    if (atomic_load_explicit(&engine->failed, memory_order_relaxed) != 0) return;
    engine->failure.status = status;
    memcpy(engine->failure.message, cause->message, sizeof engine->failure.message);
    sop_memtable_freeze_heap(engine->live->table);
    atomic_store_explicit(&engine->follow_lost, 1, memory_order_relaxed);
    atomic_store_explicit(&engine->failed, 1, memory_order_release);
    sop_engine__log(engine, SOP_LOG_ERROR, "event=log_failed message=\"%s\"", cause->message);
}

sop_status sop_engine__failure_report(const sop_engine *engine, sop_error *err)
{
    if (SOP_LIKELY(atomic_load_explicit(&engine->failed, memory_order_acquire) == 0)) return SOP_OK;
    return sop_fail(err, SOP_IO, "commits are refused until reopened, the log failed: %.150s",
                    engine->failure.message);
}

/* ---- writing frames ---- */

/* For sop_db_stats. */
static void frame_count(sop_engine *engine, const sop_wal_place *place)
{
    atomic_fetch_add_explicit(&engine->frames, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&engine->log_bytes, place->length, memory_order_relaxed);
}

sop_status sop_engine__append_open(sop_engine *engine, sop_error *err)
{
    if (engine->open_buffer.transactions == 0) return SOP_OK;
    sop_wal_place place;
    sop_error cause = {0};
    sop_state *tip = atomic_load_explicit(&engine->tip, memory_order_relaxed);
    sop_status status = sop_wal_append(
        engine->wal, &engine->open_buffer,
        atomic_load_explicit(&engine->synced_seq, memory_order_relaxed), 0, &place, &cause);
    if (status != SOP_OK) {
        uint64_t seq = atomic_load_explicit(&tip->seq, memory_order_relaxed);
        sop_engine__log_lost(engine, sop_wal_is_broken(engine->wal) ? seq : 0, status, &cause);
        if (err != NULL) *err = cause;
        return status;
    }
    frame_count(engine, &place);
    sop_wal_buffer_reset(&engine->open_buffer);
    /* Others first: whoever is told of the commit may begin in any process. */
    sop_wal_publish(engine->wal);
    sop_engine__durable_set(engine, tip);
    return SOP_OK;
}

sop_state *sop_engine__open_take(sop_engine *engine)
{
    if (engine->open_buffer.transactions == 0) return NULL;
    sop_wal_buffer buffer = engine->open_buffer;
    engine->open_buffer = engine->io_buffer;
    engine->io_buffer = buffer;
    return atomic_load_explicit(&engine->tip, memory_order_relaxed);
}

sop_status sop_engine__taken_write(sop_engine *engine,
                                   sop_state *end,
                                   sop_wal_place *place_out,
                                   sop_error *err)
{
    uint64_t seq = atomic_load_explicit(&end->seq, memory_order_relaxed);
    uint64_t synced = atomic_load_explicit(&engine->synced_seq, memory_order_relaxed);
    sop_error cause = {0};
    sop_status status =
        sop_wal_append(engine->wal, &engine->io_buffer, synced, 1, place_out, &cause);
    if (status == SOP_OK) frame_count(engine, place_out);
    if (status == SOP_OK) status = sop_wal_sync(engine->wal, &cause);
    if (status == SOP_OK) atomic_fetch_add_explicit(&engine->syncs, 1, memory_order_relaxed);
    sop_wal_buffer_reset(&engine->io_buffer);
    if (status != SOP_OK) {
        sop_mutex_lock(&engine->commit_lock);
        sop_engine__log_lost(engine, sop_wal_is_broken(engine->wal) ? seq : 0, status, &cause);
        sop_mutex_unlock(&engine->commit_lock);
        if (err != NULL) *err = cause;
        return status;
    }
    atomic_store_explicit(&engine->synced_seq, seq, memory_order_release);
    /* Others first: whoever is told of the commit may begin in any process. */
    sop_wal_publish(engine->wal);
    sop_engine__durable_set(engine, end);
    return SOP_OK;
}

/* Mode full: takes what is waiting, writes it as one frame and syncs it. SOP_NOT_FOUND (as a status only): nothing is. Needs
   io_lock. */
static sop_status flush_open(sop_engine *engine, sop_wal_place *place_out, sop_error *err)
{
    sop_mutex_lock(&engine->commit_lock);
    sop_state *end = sop_engine__open_take(engine);
    sop_mutex_unlock(&engine->commit_lock);
    return end == NULL ? SOP_NOT_FOUND : sop_engine__taken_write(engine, end, place_out, err);
}

/* What a process in another mode wrote and nobody synced yet: who takes the pen in mode full makes it durable. */
static sop_status durable_others(sop_engine *engine, uint64_t seq, sop_error *err)
{
    if (atomic_load_explicit(&engine->durable_seq, memory_order_acquire) >= seq) return SOP_OK;
    return sop_engine__pen_take(engine, err);
}

/* Waits until the commit is durable; whoever gets io_lock first writes for all that wait. */
static sop_status durable_wait(sop_engine *engine, uint64_t seq, uint32_t abandons, sop_error *err)
{
    for (;;) {
        uint32_t word = atomic_load_explicit(&engine->durable_word, memory_order_seq_cst);
        if (SOP_UNLIKELY(atomic_load_explicit(&engine->abandons, memory_order_acquire) !=
                         abandons)) {
            const sop_abandon *fate = &engine->abandon_ring[abandons % 16];
            if (seq <= fate->floor || !SOP_RULE(PREFIX_ERROR)) return SOP_OK;
            if (seq <= fate->unknown_upto) {
                return sop_fail(err, SOP_COMMIT_UNKNOWN, "commit: %.180s", engine->failure.message);
            }
            return sop_fail(err, fate->status,
                            "commit: the log could not be written, nothing was applied");
        }
        if (atomic_load_explicit(&engine->durable_seq, memory_order_acquire) >= seq ||
            !SOP_RULE(DURABLE_ACK)) {
            return SOP_OK;
        }
        if (sop_mutex_try(&engine->io_lock)) {
            sop_wal_place place;
            int empty =
                flush_open(engine, &place, NULL) == SOP_NOT_FOUND; /* told through abandon_ring */
            sop_engine__pen_look_locked(engine);
            sop_mutex_unlock(&engine->io_lock);
            sop_engine__wake(engine);
            sop_status status = empty ? durable_others(engine, seq, err) : SOP_OK;
            if (status != SOP_OK) return status;
            continue;
        }
        atomic_fetch_add_explicit(&engine->durable_waiters, 1, memory_order_seq_cst);
        sop_wait(&engine->durable_word, word, UINT64_MAX);
        atomic_fetch_sub_explicit(&engine->durable_waiters, 1, memory_order_relaxed);
    }
}

static sop_status sync_full(sop_engine *engine, sop_error *err)
{
    sop_wal_place place;
    sop_mutex_lock(&engine->io_lock);
    sop_status status = flush_open(engine, &place, err);
    sop_engine__pen_look_locked(engine);
    sop_mutex_unlock(&engine->io_lock);
    sop_engine__wake(engine);
    return status == SOP_NOT_FOUND ? SOP_OK : status;
}

/* Takes io_lock and commit_lock with the pen in this process. */
static sop_status write_enter(sop_engine *engine, sop_error *err) SOP_NO_ANALYSIS
{
    sop_status forked = sop_engine__fork_check(engine, err);
    if (forked != SOP_OK) return forked;
    for (;;) {
        sop_mutex_lock(&engine->io_lock);
        sop_mutex_lock(&engine->commit_lock);
        if (SOP_LIKELY(engine->page == NULL || engine->pen == SOP_PEN_HELD)) return SOP_OK;
        sop_mutex_unlock(&engine->commit_lock);
        sop_mutex_unlock(&engine->io_lock);
        sop_status status = sop_engine__pen_take(engine, err);
        if (status != SOP_OK) return status;
    }
}

/* 1: all that this process has seen is on stable storage; another process may have done it. */
static int all_synced(sop_engine *engine)
{
    uint64_t seq = atomic_load_explicit(&engine->durable_seq, memory_order_acquire);
    if (atomic_load_explicit(&engine->synced_seq, memory_order_acquire) >= seq) return 1;
    if (engine->page == NULL) return 0;
    return atomic_load_explicit(&engine->page->durable_seq, memory_order_acquire) >= seq;
}

/* Modes periodic and off. */
static sop_status sync_written(sop_engine *engine, sop_error *err) SOP_NO_ANALYSIS
{
    sop_status status = write_enter(engine, err);
    if (status != SOP_OK) return status;
    status = sop_engine__append_open(engine, err);
    uint64_t seq = atomic_load_explicit(&engine->durable_seq, memory_order_relaxed);
    sop_wal_sync_job job;
    if (status == SOP_OK) status = sop_wal_sync_begin(engine->wal, &job, err);
    sop_mutex_unlock(&engine->commit_lock);
    if (status == SOP_OK) {
        status = sop_wal_sync_run(&job, err);
        sop_mutex_lock(&engine->commit_lock);
        sop_wal_sync_end(engine->wal, &job, status);
        if (status == SOP_OK) {
            atomic_store_explicit(&engine->synced_seq, seq, memory_order_release);
            atomic_fetch_add_explicit(&engine->syncs, 1, memory_order_relaxed);
            sop_wal_publish(engine->wal);
        } else {
            /* The written frames stay visible; nothing more is promised. */
            sop_error cause = {.status = status};
            if (err != NULL) cause = *err;
            sop_engine__log_lost(engine, 0, status, &cause);
        }
        sop_mutex_unlock(&engine->commit_lock);
    }
    sop_engine__pen_look_locked(engine);
    sop_mutex_unlock(&engine->io_lock);
    sop_engine__wake(engine);
    return status;
}

sop_status sop_engine__sync_all(sop_engine *engine, sop_error *err)
{
    if (engine->options.sync == SOP_SYNC_FULL) return sync_full(engine, err);
    if (all_synced(engine)) return SOP_OK;
    sop_status status = sync_written(engine, err);
    sop_engine__pen_look(engine);
    return status;
}

/* ---- applying a write set to the tip ---- */

typedef struct {
    sop_engine *engine;
    sop_core *core;
    const sop_state *tip;
    uint64_t seq;
    int unchanged; /* no commit since the snapshot: what was found below still holds */
    uint64_t items;
    const sop_runs *runs; /* NULL: all items go into the frame */
    uint64_t store;
    sop_view view;       /* the store at the tip, without the live layer */
    sop_btree_near near; /* the write set comes in the order of keys */
} apply_job;

/* Whether a record newer than the snapshot lies in a layer that is kept for validation only (its content is in the base). */
static int changed_in_old_layer(const apply_job *job, sop_slice key)
{
    const sop_state *tip = job->tip;
    if (job->core->snapshot_seq < tip->horizon) return 1;
    for (uint32_t i = 0; i < tip->reading; i++) {
        if (tip->layers[i]->last_seq <= job->core->snapshot_seq) continue;
        const sop_record *r = sop_memtree_get(sop_memtable_tree(tip->roots[i], job->store), key);
        if (r != NULL && r->seq > job->core->snapshot_seq) return 1;
    }
    return 0;
}

/* Whether the key is present at the tip. */
static sop_status present_at_tip(apply_job *job, const sop_record *record, int *out)
{
    if ((job->unchanged || !SOP_RULE(BLIND_PUT)) && record->below != SOP_BELOW_ANY) {
        *out = record->below == SOP_BELOW_PRESENT;
        return SOP_OK;
    }
    sop_slice key = sop_record_key(record);
    const sop_record *r = NULL;
    sop_status status = sop_memtable_find(job->engine->live->table, job->store, key, &r);
    if (status != SOP_OK) return sop_fail(&job->core->error, status, "commit: out of memory");
    for (uint32_t i = job->view.layer_count; i > 0 && r == NULL; i--) {
        r = sop_memtree_get(job->view.layers[i - 1], key);
    }
    if (r != NULL) {
        *out = sop_record_present(r) != 0;
        return SOP_OK;
    }
    if (record->below != SOP_BELOW_ANY && !changed_in_old_layer(job, key)) {
        *out = record->below == SOP_BELOW_PRESENT;
        return SOP_OK;
    }
    sop_btree_value value;
    status = sop_btree_get_near(&job->view.base, &job->near, key, &value, &job->core->error);
    *out = status == SOP_OK;
    return status == SOP_NOT_FOUND ? SOP_OK : status;
}

static sop_status apply_record(apply_job *job, const sop_record *record)
{
    int was = 0;
    sop_status status = present_at_tip(job, record, &was);
    if (status != SOP_OK) return status;
    int now = sop_record_present(record) != 0;
    int in_run = job->runs != NULL && job->store != SOP_CATALOGUE_STORE;
    uint8_t run_op = in_run ? sop_runs__op(record) : 0;
    if (!was && !now) {
        if (run_op == 0) return SOP_OK;
        /* It took away what another took away since, without having read it: nothing in a frame says "no item". */
        job->core->conflict.kind = SOP_CONFLICT_KEY;
        job->core->conflict.store_id = job->store;
        return sop_fail(&job->core->error, SOP_CONFLICT,
                        "store %llu: an item to be removed is gone already",
                        (unsigned long long)job->store);
    }
    sop_wal_item item = {
        .store = job->store,
        .op = !now  ? SOP_WAL_REMOVE
              : was ? SOP_WAL_UPDATE
                    : SOP_WAL_INSERT,
        .is_reference = (record->flags & SOP_RECORD_REFERENCE) != 0,
        .key = sop_record_key(record),
        .value = now ? sop_record_value(record) : (sop_slice){0},
    };
    if (!in_run || run_op != item.op) {
        status = sop_wal_item_add(&job->engine->open_buffer, &item);
    }
    if (status != SOP_OK) {
        return sop_fail(&job->core->error, status, "commit: the frame cannot take another item");
    }
    job->items++;
    status = sop_memtable_set(job->engine->live->table, job->store, item.key, item.value,
                              record->flags, was ? SOP_BELOW_PRESENT : SOP_BELOW_ABSENT);
    return status == SOP_OK ? SOP_OK : sop_fail(&job->core->error, status, "commit: out of memory");
}

static sop_status apply_store(uint64_t store, const sop_memtree *tree, void *context)
{
    apply_job *job = context;
    job->store = store;
    job->near = (sop_btree_near){0};
    sop_status status = sop_engine__view(job->tip, store, &job->view, &job->core->error);
    /* The live layer is asked where it is about to be changed. */
    const sop_memtable_root *live = job->tip->roots[job->tip->layer_count - 1];
    if (status == SOP_OK && sop_memtable_tree(live, store) != NULL) job->view.layer_count--;
    sop_memcursor cursor;
    sop_memcursor_init(&cursor, tree);
    const sop_record *record = status == SOP_OK ? sop_memcursor_first(&cursor) : NULL;
    while (record != NULL && status == SOP_OK) {
        status = apply_record(job, record);
        record = sop_memcursor_next(&cursor);
    }
    return status;
}

/* ---- engine transactions in the open frame ---- */

static sop_wal_txn own_txn(sop_engine *engine, uint8_t type, uint64_t counter)
{
    sop_wal_txn txn = {.type = type,
                       .counter = counter,
                       .lowest_open =
                           atomic_load_explicit(&engine->lowest_open, memory_order_relaxed),
                       .wall_ns = sop_wall_ns()};
    memcpy(txn.incarnation, engine->incarnation, 16);
    return txn;
}

/* Adds a transaction without items and publishes the state after it. Needs commit_lock. */
static sop_status special_add(sop_engine *engine, const sop_special *special, sop_error *err)
{
    const sop_state *tip = atomic_load_explicit(&engine->tip, memory_order_relaxed);
    sop_state *state = sop_engine__state_new(engine, tip);
    if (state == NULL) return sop_fail(err, SOP_NO_MEMORY, "log: out of memory");
    sop_wal_txn txn = own_txn(engine, special->type, 0);
    sop_status status = sop_wal_txn_begin(&engine->open_buffer, &txn);
    if (status == SOP_OK) status = sop_wal_body_set(&engine->open_buffer, special->body);
    if (status != SOP_OK) {
        sop_wal_txn_undo(&engine->open_buffer);
        sop_engine__state_discard(engine, state);
        return sop_fail(err, status, "log: out of memory");
    }
    sop_wal_txn_end(&engine->open_buffer);
    uint64_t seq = atomic_load_explicit(&tip->seq, memory_order_relaxed) + 1;
    if (special->change != NULL) special->change(engine, state, seq, special->context);
    sop_engine__state_push(engine, state, seq);
    return SOP_OK;
}

static uint64_t tip_seq(const sop_engine *engine)
{
    const sop_state *tip = atomic_load_explicit(&engine->tip, memory_order_relaxed);
    return atomic_load_explicit(&tip->seq, memory_order_relaxed);
}

/* Before the first commit of this process: evict incarnations that died without LEAVE, and JOIN. */
static sop_status join(sop_engine *engine, sop_error *err)
{
    if (SOP_LIKELY(engine->joined)) return SOP_OK;
    sop_status status = sop_live__join(&engine->live_table, engine->incarnation);
    if (status != SOP_OK) return sop_fail(err, status, "join: out of memory");
    for (size_t i = 0; i < engine->live_table.count && status == SOP_OK; i++) {
        sop_live_peer *peer = engine->live_table.peers[i];
        if (peer->gone || memcmp(peer->incarnation, engine->incarnation, 16) == 0) continue;
        if (sop_engine__is_attached(engine, sop_get_u64be(peer->incarnation) >> 24)) continue;
        sop_special evict = {.type = SOP_TXN_TYPE_EVICT, .body = {peer->incarnation, 16}};
        status = special_add(engine, &evict, err);
        if (status == SOP_OK) {
            sop_live__leave(&engine->live_table, peer->incarnation, tip_seq(engine));
        }
    }
    sop_special self = {.type = SOP_TXN_TYPE_JOIN};
    if (status == SOP_OK) status = special_add(engine, &self, err);
    if (status == SOP_OK) {
        engine->joined = 1;
        engine->joined_seq = tip_seq(engine);
    }
    return status;
}

static sop_status special_write(sop_engine *engine,
                                const sop_special *special,
                                sop_wal_place *place_out,
                                sop_error *err) SOP_NO_ANALYSIS
{
    sop_status status = write_enter(engine, err);
    if (status != SOP_OK) return status;
    status = sop_engine__failure_report(engine, err);
    if (status == SOP_OK) status = special_add(engine, special, err);
    int full = engine->options.sync == SOP_SYNC_FULL;
    if (status == SOP_OK && !full) {
        status = sop_engine__append_open(engine, err);
        *place_out = sop_wal_tip(engine->wal);
    }
    if (!SOP_RULE(FREEZE)) {
        sop_mutex_unlock(&engine->commit_lock);
        sop_relax(0);
        sop_mutex_lock(&engine->commit_lock);
    }
    /* Under the same lock: nothing may come behind a FREEZE in its frame, recovery begins after it. */
    sop_state *end = status == SOP_OK && full ? sop_engine__open_take(engine) : NULL;
    sop_mutex_unlock(&engine->commit_lock);
    if (end != NULL) status = sop_engine__taken_write(engine, end, place_out, err);
    sop_engine__pen_look_locked(engine);
    sop_mutex_unlock(&engine->io_lock);
    sop_engine__wake(engine);
    return status;
}

sop_status sop_engine__log_special(sop_engine *engine,
                                   const sop_special *special,
                                   sop_wal_place *place_out,
                                   sop_error *err)
{
    *place_out = (sop_wal_place){0};
    sop_status status = special_write(engine, special, place_out, err);
    sop_engine__pen_look(engine);
    return status;
}

/* ---- commit ---- */

/* A bulk load in the write set: the new base lists its segments and root. */
static sop_status base_with_loads(sop_core *core, sop_state *state, sop_base **fresh_out)
{
    *fresh_out = NULL;
    sop_memcursor cursor;
    sop_memcursor_init(&cursor, sop_memtable_tree(core->write_root, SOP_CATALOGUE_STORE));
    for (const sop_record *r = sop_memcursor_first(&cursor); r != NULL;
         r = sop_memcursor_next(&cursor)) {
        if (r->key_size != SOP_CATALOGUE_ROW_KEY_SIZE || r->bytes[0] != SOP_CATALOGUE_ROW) continue;
        if (!sop_record_present(r)) continue;
        sop_catalogue_row row;
        sop_slice bytes;
        uint64_t id = sop_get_u64be(r->bytes + 1);
        sop_value_source source = {core->engine->blobs, core->state->base->segments};
        sop_status status =
            sop_catalogue_row_bytes(source, sop_record_value(r),
                                    (r->flags & SOP_RECORD_REFERENCE) != 0, &bytes, &core->error);
        if (status == SOP_OK) status = sop_catalogue_row_decode(id, bytes, &row, &core->error);
        if (status != SOP_OK) return status;
        if (row.load_root.size == 0) continue;
        sop_base *next;
        status = sop_base__with_load(core->engine->blobs, state->base, &row, &next, &core->error);
        if (status != SOP_OK) return status;
        sop_base__free(*fresh_out);
        *fresh_out = next;
        state->base = next;
    }
    return SOP_OK;
}

static void live_table_note(sop_engine *engine, uint64_t counter, uint64_t seq)
{
    sop_live_peer *self = engine->live_table.count == 0
                              ? NULL
                              : sop_live__find(&engine->live_table, engine->incarnation);
    if (self == NULL) return;
    sop_live__commit(self, counter,
                     atomic_load_explicit(&engine->lowest_open, memory_order_relaxed), seq);
}

static sop_status runs_add(sop_core *core, const sop_runs *runs)
{
    sop_status status = sop_runs__add(runs, &core->engine->open_buffer);
    if (status == SOP_OK) return SOP_OK;
    return sop_fail(&core->error, status, "commit: the frame cannot take another run");
}

/* Validates and applies under commit_lock; *seq_out is the new seq, or 0 when there was nothing to apply. */
static sop_status commit_apply(sop_core *core, const sop_runs *runs, uint64_t *seq_out)
{
    sop_engine *engine = core->engine;
    *seq_out = 0;
    sop_status status = sop_engine__failure_report(engine, &core->error);
    if (status == SOP_OK) status = join(engine, &core->error);
    if (status != SOP_OK) return status;
    const sop_state *tip = atomic_load_explicit(&engine->tip, memory_order_relaxed);
    status = sop_core__validate(core, tip);
    if (status != SOP_OK) return status;

    uint64_t tip_seq = atomic_load_explicit(&tip->seq, memory_order_relaxed);
    apply_job job = {.engine = engine, .core = core, .tip = tip, .seq = tip_seq + 1, .runs = runs};
    job.unchanged = tip_seq == core->snapshot_seq;
    sop_txn_token id = sop_core_id(core);
    sop_wal_txn txn = own_txn(engine, SOP_TXN_TYPE_DATA, sop_get_u64le(id.bytes + 16));
    txn.note = core->note;
    sop_base *fresh = NULL;
    sop_state *state = sop_engine__state_new(engine, tip);
    if (state == NULL) return sop_fail(&core->error, SOP_NO_MEMORY, "commit: out of memory");
    status = sop_wal_txn_begin(&engine->open_buffer, &txn);
    if (status != SOP_OK) (void)sop_fail(&core->error, status, "commit: out of memory");
    sop_memtable_begin(engine->live->table, job.seq);
    if (status == SOP_OK) status = sop_memtable_stores(core->write_root, apply_store, &job);
    if (status == SOP_OK && runs != NULL) status = runs_add(core, runs);
    if (status == SOP_OK && core->has_load) status = base_with_loads(core, state, &fresh);
    if (status != SOP_OK || job.items == 0) {
        sop_memtable_revert(engine->live->table);
        sop_wal_txn_undo(&engine->open_buffer);
        sop_engine__state_discard(engine, state);
        sop_base__free(fresh);
        return status;
    }
    sop_wal_txn_end(&engine->open_buffer);
    state->roots[state->layer_count - 1] = sop_memtable_publish(engine->live->table);
    if (sop_memtable_tree(core->write_root, SOP_CATALOGUE_STORE) != NULL) {
        state->catalogue_seq = job.seq;
    }
    sop_engine__state_push(engine, state, job.seq);
    live_table_note(engine, txn.counter, job.seq);
    engine->commits++;
    *seq_out = job.seq;
    return SOP_OK;
}

uint64_t sop_engine__memory_budget(const sop_engine *engine)
{
    if (engine->options.memory_max != 0) return engine->options.memory_max;
    uint64_t quarter = atomic_load_explicit(&engine->base_bytes, memory_order_relaxed) / 4;
    if (quarter < (64u << 20)) return 64u << 20;
    return quarter > (512u << 20) ? 512u << 20 : quarter;
}

void sop_engine__memory_account(sop_engine *engine)
{
    const sop_state *tip = atomic_load_explicit(&engine->tip, memory_order_relaxed);
    uint64_t bytes = 0;
    for (uint32_t i = tip->reading; i < tip->layer_count; i++) {
        bytes += sop_memtable_bytes(tip->layers[i]->table);
    }
    atomic_store_explicit(&engine->memtable_bytes, bytes, memory_order_relaxed);
}

void sop_engine__commit_account(sop_engine *engine)
{
    sop_engine__memory_account(engine);
    if (++engine->commits_since_reclaim >= RECLAIM_EVERY) sop_engine__reclaim(engine);
}

/* Writers wait for a running checkpoint when memory is twice its budget; without workers they run it themselves. */
static sop_status memory_wait(sop_engine *engine, sop_error *err)
{
    uint64_t budget = sop_engine__memory_budget(engine);
    uint64_t bytes = atomic_load_explicit(&engine->memtable_bytes, memory_order_relaxed);
    if (SOP_LIKELY(bytes <= budget)) return SOP_OK;
    if (engine->checkpointer == NULL) return sop_engine_checkpoint(engine, err);
    sop_engine__checkpoint_request(engine);
    uint64_t failures = atomic_load_explicit(&engine->checkpoint_failures, memory_order_acquire);
    while (atomic_load_explicit(&engine->memtable_bytes, memory_order_relaxed) > 2 * budget) {
        uint32_t word = atomic_load_explicit(&engine->checkpoint_done_word, memory_order_acquire);
        if (atomic_load_explicit(&engine->checkpoint_failures, memory_order_acquire) != failures) {
            sop_mutex_lock(&engine->commit_lock);
            sop_error cause = engine->checkpoint_error;
            sop_mutex_unlock(&engine->commit_lock);
            return sop_fail(err, cause.status, "memory for changes is used up, checkpoint: %.170s",
                            cause.message);
        }
        if (atomic_load_explicit(&engine->memtable_bytes, memory_order_relaxed) <= 2 * budget) {
            break;
        }
        sop_engine__checkpoint_request(engine);
        sop_wait(&engine->checkpoint_done_word, word, 100000000u);
    }
    return SOP_OK;
}

/* Whether a starving transaction is to go first; *wait_ns: how long that may last. */
static int gate_closed(const sop_core *core, uint64_t *wait_ns)
{
    sop_engine *engine = core->engine;
    /* Acquire pairs with the release that opens the gate. */
    const sop_core *holder = atomic_load_explicit(&engine->gate, memory_order_acquire);
    if (SOP_LIKELY(holder == NULL || holder == core)) return 0;
    uint64_t until = atomic_load_explicit(&engine->gate_until_ns, memory_order_relaxed);
    uint64_t now = sop_boot_ns();
    *wait_ns = until - now;
    return now < until;
}

/* Takes commit_lock while the gate is open and the pen is here. Asked under the lock, so that nobody who came before the gate closed
   slips in after the snapshot of the one that closed it. */
static sop_status commit_lock_enter(sop_core *core) SOP_NO_ANALYSIS
{
    sop_engine *engine = core->engine;
    for (;;) {
        uint64_t wait_ns = 0;
        uint32_t word = atomic_load_explicit(&engine->gate_word, memory_order_acquire);
        sop_mutex_lock(&engine->commit_lock);
        int closed = gate_closed(core, &wait_ns);
        if (SOP_LIKELY(!closed && (engine->pen == SOP_PEN_HELD || engine->page == NULL))) {
            return SOP_OK;
        }
        sop_mutex_unlock(&engine->commit_lock);
        if (closed) {
            sop_wait(&engine->gate_word, word, wait_ns);
            continue;
        }
        sop_status status = sop_engine__pen_take(engine, &core->error);
        if (status != SOP_OK) return status;
    }
}

void sop_core_exclusive(sop_core *core)
{
    sop_engine *engine = core->engine;
    sop_core *nobody = NULL;
    if (core->exclusive) return;
    /* The gate keeps the pen here; without it the attempt is as good as any other. */
    sop_ignore(sop_engine__pen_take(engine, NULL));
    /* Under the lock: whoever holds it now commits before the snapshot that this one takes next. */
    sop_mutex_lock(&engine->commit_lock);
    if (atomic_compare_exchange_strong_explicit(&engine->gate, &nobody, core, memory_order_acquire,
                                                memory_order_relaxed)) {
        atomic_store_explicit(&engine->gate_until_ns, sop_boot_ns() + 100000000u,
                              memory_order_relaxed);
        core->exclusive = 1;
    }
    sop_mutex_unlock(&engine->commit_lock);
}

/* Modes periodic and off. Needs commit_lock. */
static sop_status append_commit(sop_engine *engine, sop_error *err)
{
    sop_error cause = {0};
    sop_status status = sop_engine__append_open(engine, &cause);
    if (status == SOP_OK) return SOP_OK;
    /* A write that failed may have reached the log all the same. */
    if (sop_wal_is_broken(engine->wal)) status = SOP_COMMIT_UNKNOWN;
    return sop_fail(err, status, "commit: %.200s", cause.message);
}

/* Validates, applies, and in modes periodic and off writes the frame. *abandons_out: how often the log had failed by then. */
static sop_status commit_publish(sop_core *core,
                                 const sop_runs *runs,
                                 uint64_t *seq_out,
                                 uint32_t *abandons_out) SOP_NO_ANALYSIS
{
    sop_engine *engine = core->engine;
    sop_status status = commit_lock_enter(core);
    if (status != SOP_OK) return status;
    status = commit_apply(core, runs, seq_out);
    if (status == SOP_CONFLICT) engine->conflicts++;
    if (status == SOP_OK && engine->options.sync != SOP_SYNC_FULL) {
        status = append_commit(engine, &core->error);
    }
    if (status == SOP_OK) sop_engine__commit_account(engine);
    *abandons_out = atomic_load_explicit(&engine->abandons, memory_order_relaxed);
    sop_mutex_unlock(&engine->commit_lock);
    return status;
}

static sop_status commit_durably(sop_core *core, const sop_runs *runs, uint64_t *seq_out)
{
    sop_engine *engine = core->engine;
    uint32_t abandons = 0;
    sop_status status;
    *seq_out = 0;
    if (core->has_load) {
        /* A checkpoint counts on the base not changing under it. */
        sop_mutex_lock(&engine->checkpoint_lock);
        status =
            sop_engine__checkpoint_enter(engine, engine->options.busy_timeout_ms, &core->error);
        if (status == SOP_OK) {
            status = commit_publish(core, runs, seq_out, &abandons);
            sop_engine__checkpoint_leave(engine);
        }
        sop_mutex_unlock(&engine->checkpoint_lock);
    } else {
        status = commit_publish(core, runs, seq_out, &abandons);
    }
    if (status != SOP_OK) return status;
    if (engine->options.sync == SOP_SYNC_FULL) {
        /* Writes that cancel out take no seq; what was read must be durable all the same. */
        uint64_t upto = *seq_out != 0 ? *seq_out : core->snapshot_seq;
        return durable_wait(engine, upto, abandons, &core->error);
    }
    if (atomic_load_explicit(&engine->durable_waiters, memory_order_relaxed) != 0) {
        sop_engine__wake(engine);
    }
    return SOP_OK;
}

static sop_status commit_writes(sop_core *core)
{
    sop_engine *engine = core->engine;
    sop_runs *runs = NULL;
    uint64_t seq = 0;
    sop_status status = memory_wait(engine, &core->error);
    if (status == SOP_OK && core->has_references) {
        status = sop_blobs_sync_values(engine->blobs, &core->error);
    }
    if (status == SOP_OK && sop_runs__wanted(core)) status = sop_runs__write(core, &runs);
    if (status == SOP_OK) status = commit_durably(core, runs, &seq);
    if (runs != NULL) {
        if (status == SOP_OK && seq != 0) {
            sop_runs__committed(runs, seq);
        } else if (status != SOP_COMMIT_UNKNOWN) {
            sop_runs__remove(runs);
        }
        sop_runs__free(runs);
    }
    if (status == SOP_OK) core->commit_seq = seq;
    sop_engine__pen_look(engine);
    return status;
}

sop_status sop_core_commit(sop_core *core)
{
    sop_engine *engine = core->engine;
    sop_status status = sop_core_enter(core);
    if (status == SOP_OK) status = sop_engine__fork_check(engine, &core->error);
    if (status == SOP_OK && core->mode == SOP_TXN_WRITE) {
        if (core->write_root != NULL) {
            status = commit_writes(core);
        } else {
            /* Its reads are final only when what it read is durable. */
            uint32_t abandons = atomic_load_explicit(&engine->abandons, memory_order_acquire);
            if (atomic_load_explicit(&core->state->abandoned, memory_order_acquire) != 0) {
                status = sop_core_enter_slow(core);
            } else if (engine->options.sync == SOP_SYNC_FULL && SOP_RULE(EARLY_RELEASE)) {
                status = durable_wait(engine, core->snapshot_seq, abandons, &core->error);
            }
        }
    }
    sop_core__snapshot_drop(core);
    return status;
}
