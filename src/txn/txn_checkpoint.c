/* SPDX-License-Identifier: MIT */
/*
 * Checkpoint: FREEZE, merge the frozen layers into the base, CHECKPOINT, move the head, delete what is no longer needed.
 * Readers and writers go on all the while; the order of the steps is that of docs/format/wal.md, "Checkpoint".
 */
#include <string.h>

#include "txn/txn_engine.h"
#include "util/assert.h"
#include "util/bytes.h"
#include "util/error.h"
#include "util/memory.h"
#include "util/rule.h"

#define LOG_CHECKPOINT_BYTES (256u << 20)
#define PEN_IDLE_NS          UINT64_C(10000000)
#define KEEPER_MS            100u

/* ---- FREEZE ---- */

void sop_engine__state_drop_oldest(sop_state *state)
{
    SOP_ASSERT(state->reading > 0);
    uint64_t last = state->layers[0]->last_seq;
    if (last > state->horizon) state->horizon = last;
    state->layer_count--;
    state->reading--;
    memmove(&state->layers[0], &state->layers[1], state->layer_count * sizeof(state->layers[0]));
    memmove(&state->roots[0], &state->roots[1], state->layer_count * sizeof(state->roots[0]));
}

static void freeze_apply(sop_engine *engine, sop_state *state, uint64_t seq, void *context)
{
    sop_freeze *change = context;
    change->seq = seq;
    engine->live->last_seq = seq;
    if (state->layer_count == STATE_LAYERS) sop_engine__state_drop_oldest(state);
    state->layers[state->layer_count] = change->fresh;
    state->roots[state->layer_count] = NULL;
    state->layer_count++;
    engine->live = change->fresh;
}

static sop_status
freeze(sop_engine *engine, sop_freeze *change, sop_wal_place *place, sop_error *err)
{
    change->fresh = sop_layer__new();
    if (change->fresh == NULL) return sop_fail(err, SOP_NO_MEMORY, "checkpoint: out of memory");
    sop_layer *fresh = change->fresh;
    sop_special special = {.type = SOP_TXN_TYPE_FREEZE, .change = freeze_apply, .context = change};
    sop_status status = sop_engine__log_special(engine, &special, place, err);
    if (change->seq == 0) {
        /* It never became part of a state. */
        sop_memtable_free(fresh->table);
        sop_free(fresh);
    }
    return status;
}

/* ---- CHECKPOINT ---- */

/* The merged layers stay for validation while a write transaction that began before their end is open and the window allows. */
void sop_engine__base_publish(sop_engine *engine, sop_state *state, uint64_t seq, void *context)
{
    (void)seq;
    sop_publish_change *change = context;
    state->base = change->base;
    while (state->reading + 1 < state->layer_count &&
           state->layers[state->reading]->last_seq <= change->base_seq) {
        state->reading++;
    }
    uint64_t bytes = 0;
    uint32_t keep = 0;
    for (uint32_t i = state->reading; i > 0; i--) {
        const sop_layer *layer = state->layers[i - 1];
        bytes += sop_memtable_bytes(layer->table);
        if (keep == 2 || bytes > change->conflict_window ||
            layer->last_seq <= change->oldest_writer) {
            break;
        }
        keep++;
    }
    while (state->reading > keep) {
        sop_engine__state_drop_oldest(state);
    }
    change->applied = 1;
    engine->commits_since_reclaim = UINT32_MAX / 2; /* the next commit reclaims */
}

static sop_status base_build(sop_merge *merge, uint64_t seq, sop_base **out, sop_error *err)
{
    sop_base *base = sop_base__new_empty();
    *out = NULL;
    if (base == NULL) return sop_fail(err, SOP_NO_MEMORY, "checkpoint: out of memory");
    base->seq = seq;
    base->rows = merge->rows;
    base->row_count = merge->row_count;
    merge->rows = NULL;
    base->table = merge->table;
    sop_status status =
        sop_segments_open(merge->engine->blobs, base->rows, base->row_count, &base->segments, err);
    base->table.segments = base->segments;
    if (status != SOP_OK) {
        sop_base__free(base);
        return status;
    }
    *out = base;
    return SOP_OK;
}

/* ---- segments nobody needs ---- */

typedef struct {
    uint64_t *segments;
    size_t count;
} dead_list;

static sop_value_segment *value_segment_find(sop_engine *engine, uint64_t segment)
{
    for (size_t i = 0; i < engine->value_segment_count; i++) {
        if (engine->value_segments[i].segment == segment) return &engine->value_segments[i];
    }
    return NULL;
}

/*
 * A value segment of this process may hold bytes of a transaction that has not committed yet. It is quiet once every write
 * transaction that was open when it was sealed has ended; from then on its live bytes tell the truth.
 */
static int value_segment_quiet(sop_engine *engine, uint64_t segment, uint64_t base_seq)
{
    sop_value_segment *entry = value_segment_find(engine, segment);
    if (entry == NULL) {
        sop_value_segment *grown =
            sop_realloc(engine->value_segments, (engine->value_segment_count + 1) * sizeof *grown);
        if (grown == NULL) return 0;
        engine->value_segments = grown;
        entry = &grown[engine->value_segment_count++];
        *entry = (sop_value_segment){.segment = segment, .sealed_seq = base_seq};
        return 0;
    }
    if (entry->quiet_seq == 0) {
        if (sop_engine__oldest_snapshot(engine, 1) <= entry->sealed_seq) return 0;
        const sop_state *tip = atomic_load_explicit(&engine->tip, memory_order_acquire);
        entry->quiet_seq = atomic_load_explicit(&tip->seq, memory_order_relaxed);
    }
    return entry->quiet_seq <= base_seq;
}

/* Without live bytes; a process that is alive may yet commit a value that it wrote there. */
static int segment_removable(sop_engine *engine, const sop_segment_row *row, uint64_t base_seq)
{
    uint64_t owner = row->segment >> 24;
    if (row->kind != SOP_SEGMENT_VALUES) return 1;
    if (owner == engine->short_incarnation) {
        return value_segment_quiet(engine, row->segment, base_seq);
    }
    return !sop_engine__is_attached(engine, owner);
}

/* Takes the rows without live bytes out of the table and lists those whose segment can go. */
static sop_status rows_split(sop_merge *merge, uint64_t base_seq, dead_list *dead, sop_error *err)
{
    dead->count = 0;
    dead->segments = sop_alloc_array(merge->row_count + 1, sizeof(uint64_t));
    if (dead->segments == NULL) return sop_fail(err, SOP_NO_MEMORY, "checkpoint: out of memory");
    sop_engine *engine = merge->engine;
    size_t kept = 0;
    for (size_t i = 0; i < merge->row_count; i++) {
        const sop_segment_row row = merge->rows[i];
        if (row.live != 0) {
            merge->rows[kept++] = row;
        } else if (segment_removable(engine, &row, base_seq)) {
            dead->segments[dead->count++] = row.segment;
        }
        /* Else left out, for nobody has synced what nobody refers to; the next checkpoint asks again. */
    }
    merge->row_count = kept;
    return SOP_OK;
}

static void dead_remove(sop_engine *engine, const dead_list *dead)
{
    for (size_t i = 0; i < dead->count; i++) {
        sop_error err = {0};
        sop_status status = sop_segment_remove(engine->blobs, dead->segments[i], &err);
        if (status != SOP_OK && status != SOP_NOT_FOUND) {
            sop_engine__log(engine, SOP_LOG_WARNING, "event=segment_kept message=\"%s\"",
                            err.message);
        }
    }
}

static void orphans_remove(sop_engine *engine)
{
    dead_list orphans = {engine->orphans, engine->orphan_count};
    dead_remove(engine, &orphans);
    engine->orphan_count = 0;
}

/* ---- the whole ---- */

static sop_status checkpoint_log(sop_engine *engine,
                                 const sop_merge *merge,
                                 sop_publish_change *change,
                                 sop_wal_place *place,
                                 sop_error *err)
{
    const sop_freeze *frozen = &engine->last_freeze;
    sop_descriptor descriptor = {.seq = frozen->seq,
                                 .table = merge->table,
                                 .rows = change->base->rows,
                                 .row_count = change->base->row_count,
                                 .live = {frozen->live, frozen->live_size}};
    uint8_t *bytes = NULL;
    uint8_t *body = NULL;
    size_t size = 0;
    size_t body_size = 0;
    sop_status status = sop_descriptor__encode(&descriptor, &bytes, &size);
    if (status == SOP_OK) {
        sop_checkpoint_body checkpoint = {frozen->seq, frozen->place, {bytes, size}};
        status = sop_checkpoint_body__encode(&checkpoint, &body, &body_size);
    }
    if (status != SOP_OK) {
        status = sop_fail(err, status, "checkpoint: out of memory");
    } else {
        change->base_seq = frozen->seq;
        change->conflict_window = engine->options.conflict_window;
        change->oldest_writer = sop_engine__oldest_snapshot(engine, 1);
        sop_special special = {.type = SOP_TXN_TYPE_CHECKPOINT,
                               .body = {body, body_size},
                               .change = sop_engine__base_publish,
                               .context = change};
        status = sop_engine__log_special(engine, &special, place, err);
        change->published = status == SOP_OK;
    }
    if (status == SOP_OK && engine->options.sync != SOP_SYNC_FULL && SOP_RULE(CKPT_DURABLE)) {
        status = sop_engine__sync_all(engine, err);
        /* Making it durable may have moved it to another file (VOUCH). */
        uint64_t seq = place->seq_last;
        if (status == SOP_OK) status = sop_wal_place_of(engine->wal, seq, place, err);
    }
    sop_free(bytes);
    sop_free(body);
    return status;
}

static sop_status head_move(sop_engine *engine,
                            const sop_wal_place *checkpoint,
                            const sop_wal_place *freeze_place,
                            sop_error *err)
{
    sop_status status = sop_wal_head_set(engine->wal, checkpoint, err);
    if (status != SOP_OK) return status;
    sop_mutex_lock(&engine->commit_lock);
    engine->checkpoint_place = *freeze_place;
    sop_mutex_unlock(&engine->commit_lock);
    return sop_wal_remove_before(engine->wal, freeze_place, engine->options.log_keep, err);
}

static void merge_undo(sop_merge *merge, sop_base *base)
{
    /* New node segments are in nobody's table: remove them again. */
    const sop_segment_row *rows = base != NULL ? base->rows : merge->rows;
    size_t count = base != NULL ? base->row_count : merge->row_count;
    const sop_base *old = merge->state->base;
    for (size_t i = 0; rows != NULL && merge->bytes_written != 0 && i < count; i++) {
        if (rows[i].kind != SOP_SEGMENT_NODES ||
            rows[i].segment >> 24 != merge->engine->short_incarnation) {
            continue;
        }
        size_t k = 0;
        while (k < old->row_count && old->rows[k].segment != rows[i].segment) {
            k++;
        }
        if (k == old->row_count) {
            sop_ignore(sop_segment_remove(merge->engine->blobs, rows[i].segment, NULL));
        }
    }
}

/* The new base, durable but in no log. */
static sop_status
merge_build(sop_merge *merge, dead_list *dead, sop_publish_change *change, sop_error *err)
{
    sop_engine *engine = merge->engine;
    const sop_freeze *frozen = &engine->last_freeze;
    sop_status status = sop_merge__run(merge, err);
    if (status == SOP_OK) status = rows_split(merge, frozen->seq, dead, err);
    if (status == SOP_OK) status = base_build(merge, frozen->seq, &change->base, err);
    if (status != SOP_OK) return status;
    /* Held by the checkpoint too: a state that the log refuses may be recycled at any time. */
    change->base->references = 1;
    return SOP_OK;
}

static sop_status
checkpoint_merge(sop_engine *engine, sop_state *state, int *published, sop_error *err)
{
    sop_merge merge = {.engine = engine,
                       .state = state,
                       .layer_end = state->layer_count - 1,
                       .target = engine->blobs,
                       .interrupts = sop_engine_interrupts(engine),
                       .relocate = 1};
    if (atomic_load_explicit(&engine->stopping, memory_order_relaxed)) {
        merge.interrupts = UINT64_MAX;
    }
    sop_publish_change change = {0};
    dead_list dead = {0};
    sop_wal_place place;
    sop_wal_place freeze_place = engine->last_freeze.place;
    sop_blobs_seal_values(engine->blobs);
    int pinned = 0;
    sop_status status = merge_build(&merge, &dead, &change, err);
    /* The head moves and files go while nobody else can write (HEAD_UNDER_PEN). */
    if (status == SOP_OK) status = sop_engine__pen_pin(engine, err);
    if (status == SOP_OK) {
        pinned = 1;
        status = checkpoint_log(engine, &merge, &change, &place, err);
    }
    *published = change.published;
    if (change.published) {
        atomic_store_explicit(&engine->base_bytes, sop_base__live_bytes(change.base),
                              memory_order_relaxed);
        if (!SOP_RULE(HEAD_BEFORE_DELETE)) dead_remove(engine, &dead);
        if (status == SOP_OK) status = head_move(engine, &place, &freeze_place, err);
        if (status == SOP_OK) {
            dead_remove(engine, &dead);
            orphans_remove(engine);
            sop_engine__runs_trim(engine, engine->last_freeze.seq);
        }
        atomic_fetch_add_explicit(&engine->checkpoint_bytes, merge.bytes_written,
                                  memory_order_relaxed);
    }
    if (pinned) sop_engine__pen_unpin(engine);
    sop_mutex_lock(&engine->commit_lock);
    /* A CHECKPOINT whose write failed may yet be found in the log. */
    int undo = !change.applied || (!change.published && !sop_wal_is_broken(engine->wal));
    sop_mutex_unlock(&engine->commit_lock);
    if (undo) merge_undo(&merge, change.base);
    if (change.base != NULL) {
        sop_mutex_lock(&engine->commit_lock);
        sop_engine__base_release(engine, change.base);
        sop_mutex_unlock(&engine->commit_lock);
    }
    sop_free(dead.segments);
    sop_merge__deinit(&merge);
    return status;
}

/* What a checkpoint would find; the tip may only be looked into under commit_lock. */
typedef struct {
    int changes;
    uint32_t frozen;
    int has_loads;
} tip_summary;

static int state_has_changes(const sop_state *state)
{
    if (state->base->extra_count != 0) return 1;
    for (uint32_t i = state->reading; i < state->layer_count; i++) {
        if (sop_memtable_items(state->layers[i]->table) != 0) return 1;
    }
    return 0;
}

static tip_summary tip_look(sop_engine *engine)
{
    sop_mutex_lock(&engine->commit_lock);
    const sop_state *tip = atomic_load_explicit(&engine->tip, memory_order_relaxed);
    tip_summary summary = {.changes = state_has_changes(tip),
                           .frozen = tip->layer_count - tip->reading - 1,
                           .has_loads = tip->base->extra_count != 0};
    sop_mutex_unlock(&engine->commit_lock);
    return summary;
}

static void freeze_forget(sop_engine *engine)
{
    sop_free(engine->last_freeze.live);
    engine->last_freeze = (sop_freeze){0};
}

/* The live table as of the FREEZE. */
static sop_status freeze_encode(sop_engine *engine, sop_error *err)
{
    sop_freeze *frozen = &engine->last_freeze;
    if (frozen->live != NULL) return SOP_OK;
    sop_mutex_lock(&engine->commit_lock);
    sop_status status =
        sop_live__encode(&engine->live_table, frozen->seq, &frozen->live, &frozen->live_size);
    sop_mutex_unlock(&engine->commit_lock);
    return status == SOP_OK ? SOP_OK : sop_fail(err, status, "checkpoint: out of memory");
}

/* A FREEZE that was not durable may have been copied by a FORK: its place counts from now on. */
static sop_status freeze_settle(sop_engine *engine, sop_error *err)
{
    sop_freeze *frozen = &engine->last_freeze;
    sop_status status = sop_engine__sync_all(engine, err);
    return status == SOP_OK ? sop_wal_place_of(engine->wal, frozen->seq, &frozen->place, err)
                            : status;
}

/* A new FREEZE, or after some failures (a full disk) the last one again, so that layers do not pile up. */
static sop_status freeze_or_reuse(sop_engine *engine, const tip_summary *tip, sop_error *err)
{
    int reusable = engine->last_freeze.seq != 0 && !tip->has_loads;
    if (tip->frozen >= FROZEN_REUSE && reusable) return freeze_settle(engine, err);
    if (tip->frozen >= FROZEN_MAX) {
        return sop_fail(err, SOP_BUSY, "checkpoint: %u failed before it, reopen the database",
                        tip->frozen);
    }
    sop_freeze change = {0};
    sop_wal_place place;
    sop_status status = freeze(engine, &change, &place, err);
    if (status != SOP_OK) return status;
    change.place = place;
    freeze_forget(engine);
    engine->last_freeze = change;
    return engine->options.sync == SOP_SYNC_FULL ? SOP_OK : freeze_settle(engine, err);
}

/* With the pen: a FREEZE to merge, unless there is nothing to do. */
static sop_status freeze_prepare(sop_engine *engine, int *todo_out, sop_error *err)
{
    sop_status status = sop_engine__pen_pin(engine, err);
    if (status != SOP_OK) return status;
    tip_summary tip = tip_look(engine);
    *todo_out = tip.changes;
    status = tip.changes ? freeze_or_reuse(engine, &tip, err) : sop_engine__sync_all(engine, err);
    sop_engine__pen_unpin(engine);
    return status;
}

sop_status sop_engine__checkpoint_locked(sop_engine *engine, sop_error *err)
{
    if (engine->options.read_only) {
        return sop_fail(err, SOP_READ_ONLY, "checkpoint: open read-only");
    }
    sop_slot *slot = sop_engine__slot_acquire(engine);
    if (slot == NULL) return sop_fail(err, SOP_NO_MEMORY, "checkpoint: out of memory");
    int published = 0;
    int todo = 0;
    sop_status status = freeze_prepare(engine, &todo, err);
    if (status != SOP_OK || !todo) {
        sop_engine__slot_release(engine, slot);
        return status;
    }
    status = freeze_encode(engine, err);
    if (status == SOP_OK) {
        sop_state *state = sop_engine__state_pick(&engine->durable, slot);
        SOP_ASSERT(atomic_load_explicit(&state->seq, memory_order_relaxed) >=
                   engine->last_freeze.seq);
        status = checkpoint_merge(engine, state, &published, err);
    }
    sop_engine__slot_release(engine, slot);
    if (published) {
        freeze_forget(engine);
        atomic_fetch_add_explicit(&engine->checkpoints, 1, memory_order_relaxed);
    }
    return status;
}

static void checkpoint_finished(sop_engine *engine, sop_status status, const sop_error *cause)
{
    sop_mutex_lock(&engine->commit_lock);
    sop_engine__reclaim(engine);
    sop_engine__memory_account(engine);
    if (status != SOP_OK) {
        engine->checkpoint_error = *cause;
        atomic_fetch_add_explicit(&engine->checkpoint_failures, 1, memory_order_release);
    }
    sop_mutex_unlock(&engine->commit_lock);
    atomic_fetch_add_explicit(&engine->checkpoint_done_word, 1, memory_order_release);
    sop_wake(&engine->checkpoint_done_word, INT32_MAX);
    sop_engine__bury(engine);
}

sop_status sop_engine__checkpoint_enter(sop_engine *engine, uint32_t wait_ms, sop_error *err)
{
    if (engine->page == NULL) return SOP_OK;
    sop_backend *b = engine->options.backend;
    sop_status status = b->ops->lock(b, SOP_LOCK_CHECKPOINT, 1, wait_ms, err);
    if (status != SOP_BUSY) return status;
    return sop_fail(err, SOP_BUSY, "%s: another process makes a checkpoint, waited %u ms", b->url,
                    wait_ms);
}

void sop_engine__checkpoint_leave(sop_engine *engine)
{
    if (engine->page == NULL) return;
    sop_backend *b = engine->options.backend;
    b->ops->unlock(b, SOP_LOCK_CHECKPOINT);
}

static sop_status checkpoint_run(sop_engine *engine, uint32_t wait_ms, sop_error *err)
{
    sop_error cause = {0};
    sop_status status = sop_engine__fork_check(engine, err);
    if (status != SOP_OK) return status;
    sop_mutex_lock(&engine->checkpoint_lock);
    status = sop_engine__checkpoint_enter(engine, wait_ms, &cause);
    /* Somebody else is at it, which serves as well. */
    int other = status == SOP_BUSY && wait_ms == 0;
    if (status == SOP_OK) {
        status = sop_engine__checkpoint_locked(engine, &cause);
        sop_engine__checkpoint_leave(engine);
    }
    if (!other) checkpoint_finished(engine, status, &cause);
    sop_mutex_unlock(&engine->checkpoint_lock);
    if (status != SOP_OK && !other) {
        sop_engine__log(engine, SOP_LOG_WARNING, "event=checkpoint_failed message=\"%s\"",
                        cause.message);
    }
    if (status != SOP_OK && err != NULL) *err = cause;
    return status;
}

sop_status sop_engine_checkpoint(sop_engine *engine, sop_error *err)
{
    if (engine->options.read_only) {
        return sop_fail(err, SOP_READ_ONLY, "checkpoint: open read-only");
    }
    return checkpoint_run(engine, engine->options.busy_timeout_ms, err);
}

void sop_engine__checkpoint_request(sop_engine *engine)
{
    if (atomic_exchange_explicit(&engine->checkpoint_wanted, 1, memory_order_acq_rel) != 0) return;
    atomic_fetch_add_explicit(&engine->work_word, 1, memory_order_release);
    sop_wake(&engine->work_word, INT32_MAX);
}

/* ---- workers ---- */

static void checkpointer_main(void *argument)
{
    sop_engine *engine = argument;
    for (;;) {
        uint32_t word = atomic_load_explicit(&engine->work_word, memory_order_acquire);
        if (atomic_load_explicit(&engine->stopping, memory_order_acquire)) return;
        if (atomic_load_explicit(&engine->checkpoint_wanted, memory_order_acquire)) {
            sop_status status = checkpoint_run(engine, 0, NULL);
            atomic_store_explicit(&engine->checkpoint_wanted, 0, memory_order_release);
            /* After a failure writers decide when to try again; never spin on a full disk. */
            if (status != SOP_OK) sop_wait(&engine->work_word, word, 1000000000u);
            continue;
        }
        sop_wait(&engine->work_word, word, 1000000000u);
    }
}

static void keeper_turn(sop_engine *engine)
{
    sop_error err = {0};
    sop_ignore(sop_engine__refresh(engine, NULL)); /* logged there; who needs it is told */
    if (atomic_load_explicit(&engine->failed, memory_order_acquire)) return;
    if (sop_wal_prepare(engine->wal, &err) != SOP_OK) {
        sop_engine__log(engine, SOP_LOG_WARNING, "event=prepare_failed message=\"%s\"",
                        err.message);
    }
    if (sop_engine__log_pending(engine) > LOG_CHECKPOINT_BYTES) {
        sop_engine__checkpoint_request(engine);
    }
}

/* Mode periodic: told to every later commit when it fails. */
static void keeper_sync(sop_engine *engine, uint64_t *due_ns)
{
    if (engine->options.sync != SOP_SYNC_PERIODIC) return;
    uint64_t now = sop_boot_ns();
    if (now < *due_ns) return;
    *due_ns = now + engine->options.sync_ms * UINT64_C(1000000);
    if (!atomic_load_explicit(&engine->failed, memory_order_acquire)) {
        sop_ignore(sop_engine__sync_all(engine, NULL));
    }
}

/* Prepares log files ahead of use, starts checkpoints when the log has grown long, syncs in mode periodic, follows what others write,
   and gives back the pen. */
static void keeper_main(void *argument)
{
    sop_engine *engine = argument;
    uint64_t sync_due_ns = 0;
    while (!atomic_load_explicit(&engine->stopping, memory_order_acquire)) {
        uint32_t word = atomic_load_explicit(&engine->keep_word, memory_order_acquire);
        keeper_sync(engine, &sync_due_ns);
        keeper_turn(engine);
        if (sop_engine__pen_idle(engine)) {
            sop_wait(&engine->page->wanted, 0, PEN_IDLE_NS);
        } else {
            uint64_t period_ms =
                engine->options.sync == SOP_SYNC_PERIODIC && engine->options.sync_ms < KEEPER_MS
                    ? engine->options.sync_ms
                    : KEEPER_MS;
            sop_wait(&engine->keep_word, word, period_ms * 1000000u);
        }
    }
}

sop_status sop_engine__workers_start(sop_engine *engine, sop_error *err)
{
    if (engine->options.workers < 0 || engine->options.read_only) return SOP_OK;
    sop_status status = sop_task_start(&engine->checkpointer, checkpointer_main, engine);
    if (status == SOP_OK) status = sop_task_start(&engine->keeper, keeper_main, engine);
    return status == SOP_OK ? SOP_OK
                            : sop_fail(err, status, "a background thread could not be started");
}

void sop_engine__workers_stop(sop_engine *engine)
{
    atomic_store_explicit(&engine->stopping, 1, memory_order_release);
    atomic_fetch_add_explicit(&engine->work_word, 1, memory_order_release);
    sop_wake(&engine->work_word, INT32_MAX);
    atomic_fetch_add_explicit(&engine->keep_word, 1, memory_order_release);
    sop_wake(&engine->keep_word, INT32_MAX);
    sop_task_join(engine->checkpointer);
    sop_task_join(engine->keeper);
    engine->checkpointer = NULL;
    engine->keeper = NULL;
}
