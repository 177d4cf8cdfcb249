/* SPDX-License-Identifier: MIT */
/* Opening and closing an engine, and what can be asked of it. */
#include "txn/txn_engine.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "util/assert.h"
#include "util/bytes.h"
#include "util/error.h"
#include "util/memory.h"

#define CLOSE_CHECKPOINT_BYTES (1u << 20)
#define CLOSE_WAIT_NS          UINT64_C(5000000000) /* for others, however short busy_timeout_ms is */

void sop_engine__log(const sop_engine *engine, int level, const char *format, ...)
{
    if (engine->options.log == NULL) return;
    char text[400];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    engine->options.log(level, "txn", text, engine->options.log_context);
}

/* ---- create ---- */

sop_status sop_engine_create(sop_backend *backend, sop_error *err)
{
    sop_superblock block = {.format_major = SOP_FORMAT_MAJOR, .format_minor = SOP_FORMAT_MINOR};
    sop_random_bytes(block.id, sizeof block.id);
    sop_random_bytes(block.incarnation, sizeof block.incarnation);
    return sop_engine__create_at(backend, &block, 0, (sop_slice){0}, err);
}

sop_status sop_engine__create_at(sop_backend *backend,
                                 const sop_superblock *block,
                                 uint64_t base_seq,
                                 sop_slice descriptor,
                                 sop_error *err)
{
    sop_status status = sop_superblock_write(backend, block, err);
    if (status != SOP_OK) return status;
    sop_wal_options options = {.backend = backend, .first_seq = base_seq + 1};
    memcpy(options.database_id, block->id, 16);
    memcpy(options.incarnation, block->incarnation, 16);
    options.short_incarnation = sop_random_u64() >> 24;
    sop_checkpoint_body checkpoint = {.base_seq = base_seq, .descriptor = descriptor};
    uint8_t *body = NULL;
    size_t size = 0;
    sop_wal_buffer buffer = {0};
    sop_wal_txn txn = {.type = SOP_TXN_TYPE_CHECKPOINT, .wall_ns = sop_wall_ns()};
    status = sop_checkpoint_body__encode(&checkpoint, &body, &size);
    if (status == SOP_OK) status = sop_wal_txn_begin(&buffer, &txn);
    if (status == SOP_OK) status = sop_wal_body_set(&buffer, sop_slice_of(body, size));
    if (status != SOP_OK) {
        status = sop_fail(err, status, "create: out of memory");
    } else {
        sop_wal_txn_end(&buffer);
        /* Ended cleanly: the first open goes on in the same log file. */
        sop_wal_txn leave = {.type = SOP_TXN_TYPE_LEAVE, .wall_ns = txn.wall_ns};
        status = sop_wal_txn_begin(&buffer, &leave);
        if (status == SOP_OK) {
            sop_wal_txn_end(&buffer);
            status = sop_wal_create(&options, &buffer, err);
        }
    }
    sop_wal_buffer_deinit(&buffer);
    sop_free(body);
    return status;
}

/* ---- open ---- */

static void options_complete(sop_engine_options *options)
{
    if (options->sync_ms == 0) options->sync_ms = 100;
    if (options->busy_timeout_ms == 0) options->busy_timeout_ms = 5000;
    if (options->txn_memory_max == 0) options->txn_memory_max = UINT64_C(256) << 20;
    if (options->conflict_window == 0) options->conflict_window = UINT64_C(256) << 20;
    if (options->log_keep == 0) options->log_keep = UINT64_C(256) << 20;
}

typedef struct {
    uint64_t short_incarnation;
    int taken;
} name_search;

static sop_status name_compare(const char *name, uint64_t size, void *context)
{
    name_search *search = context;
    char prefix[16];
    (void)size;
    (void)snprintf(prefix, sizeof prefix, "%010" PRIx64 ".", search->short_incarnation);
    if (strncmp(name, prefix, 11) == 0) search->taken = 1;
    return SOP_OK;
}

/* 128 random bits whose short form no file carries yet. */
static sop_status incarnation_draw(sop_engine *engine, sop_error *err)
{
    sop_backend *b = engine->options.backend;
    for (;;) {
        sop_random_bytes(engine->incarnation, 16);
        name_search search = {.short_incarnation = sop_get_u64be(engine->incarnation) >> 24};
        if (search.short_incarnation == 0) continue;
        sop_status status = b->ops->list(b, "seg", name_compare, &search, err);
        if (status == SOP_OK) status = b->ops->list(b, "log", name_compare, &search, err);
        if (status != SOP_OK) return status;
        if (search.taken) continue;
        engine->short_incarnation = search.short_incarnation;
        if (engine->options.read_only) return SOP_OK;
        /* Alive as long as this is held, and the name is nobody else's. */
        status = b->ops->lock(b, SOP_LOCK_ATTACHED + engine->short_incarnation, 1, 0, err);
        if (status != SOP_BUSY) return status;
    }
}

int sop_engine__is_attached(sop_engine *engine, uint64_t short_incarnation)
{
    if (engine->page == NULL || short_incarnation == engine->short_incarnation) return 0;
    sop_backend *b = engine->options.backend;
    return b->ops->lock_held(b, SOP_LOCK_ATTACHED + short_incarnation);
}

/* ---- the door: one process opens or closes at a time ---- */

/* join: others have the database open, and their page tells where the log ends. Else this process reads the log to its true end, with
   the pen: the page may have been removed while others live. */
typedef struct {
    int locked;
    int join;
} door;

static sop_status door_busy(const sop_engine *engine, const char *what, sop_error *err)
{
    return sop_fail(err, SOP_BUSY, "%s: process %u %s, waited %u ms", engine->options.backend->url,
                    atomic_load_explicit(&engine->page->holder_process, memory_order_relaxed), what,
                    engine->options.busy_timeout_ms);
}

static sop_status door_open(sop_engine *engine, door *d, sop_error *err)
{
    sop_backend *b = engine->options.backend;
    uint32_t wait_ms = engine->options.busy_timeout_ms;
    void *page = NULL;
    if (engine->options.read_only) return incarnation_draw(engine, err);
    sop_status status = b->ops->shared_page(b, sizeof(sop_wal_page), &page, err);
    if (status != SOP_OK) return status;
    engine->page = page;
    status = b->ops->lock(b, SOP_LOCK_DOOR, 1, wait_ms, err);
    if (status == SOP_BUSY) return door_busy(engine, "is opening or closing the database", err);
    if (status != SOP_OK) return status;
    d->locked = 1;
    if (!b->ops->shared_page_linked(b)) {
        return sop_fail(err, SOP_BUSY, "%s/shm was removed meanwhile, open again", b->url);
    }
    status = incarnation_draw(engine, err);
    if (status != SOP_OK) return status;
    status = b->ops->lock(b, SOP_LOCK_PRESENCE, 1, 0, err);
    d->join =
        status == SOP_BUSY && sop_wal_page_valid(engine->page, engine->superblock.incarnation);
    if (status == SOP_OK || status == SOP_BUSY) {
        /* Whoever is alone stays exclusive until the log is ready. */
        status = status == SOP_OK ? SOP_OK : b->ops->lock(b, SOP_LOCK_PRESENCE, 0, 0, err);
    }
    if (status != SOP_OK || d->join) return status;
    status = b->ops->lock(b, SOP_LOCK_PEN, 1, wait_ms, err);
    if (status == SOP_BUSY) return door_busy(engine, "is writing", err);
    if (status == SOP_OK) engine->pen = SOP_PEN_HELD;
    return status;
}

static void door_shut(sop_engine *engine, const door *d)
{
    sop_backend *b = engine->options.backend;
    sop_error ignored;
    if (!d->locked) return;
    sop_ignore(b->ops->lock(b, SOP_LOCK_PRESENCE, 0, 0, &ignored)); /* held already, at least so */
    b->ops->unlock(b, SOP_LOCK_DOOR);
}

/* Every lock of this process; what it wrote without order is found by the next who takes the pen. */
static void locks_drop(sop_engine *engine)
{
    sop_backend *b = engine->options.backend;
    if (engine->page == NULL) return;
    b->ops->unlock(b, SOP_LOCK_PEN);
    b->ops->unlock(b, SOP_LOCK_ATTACHED + engine->short_incarnation);
    b->ops->unlock(b, SOP_LOCK_PRESENCE);
    b->ops->unlock(b, SOP_LOCK_DOOR);
}

static void engine_release(sop_engine *engine, int keep_backend)
{
    sop_engine__workers_stop(engine);
    for (sop_state *state = engine->states_oldest; state != NULL;) {
        sop_state *next = state->next;
        sop_engine__state_recycle(engine, state);
        state = next;
    }
    engine->states_oldest = NULL;
    sop_engine__bury(engine);
    for (sop_state *state = engine->state_pool; state != NULL;) {
        sop_state *next = state->next;
        sop_free(state);
        state = next;
    }
    for (sop_slots *chunk = atomic_load_explicit(&engine->first_slots.next, memory_order_relaxed);
         chunk != NULL;) {
        sop_slots *next = atomic_load_explicit(&chunk->next, memory_order_relaxed);
        sop_free(chunk);
        chunk = next;
    }
    sop_wal_buffer_deinit(&engine->open_buffer);
    sop_wal_buffer_deinit(&engine->io_buffer);
    sop_live__deinit(&engine->live_table);
    sop_free(engine->live_seqs);
    sop_free(engine->value_segments);
    sop_free(engine->orphans);
    sop_free(engine->runs);
    sop_free(engine->last_freeze.live);
    sop_wal_close(engine->wal);
    sop_blobs_close(engine->blobs);
    sop_backend *b = engine->options.backend;
    if (!keep_backend) b->ops->free(b);
    sop_free(engine);
}

sop_status sop_engine_open(const sop_engine_options *options, sop_engine **out, sop_error *err)
{
    *out = NULL;
    sop_engine *engine = sop_alloc_aligned(SOP_CACHE_LINE, sizeof *engine);
    if (engine == NULL) return sop_fail(err, SOP_NO_MEMORY, "open: out of memory");
    memset(engine, 0, sizeof *engine);
    engine->options = *options;
    options_complete(&engine->options);
    engine->forks = sop_backend_forks();
    atomic_store_explicit(&engine->next_counter, 1, memory_order_relaxed);
    atomic_store_explicit(&engine->lowest_open, 1, memory_order_relaxed);
    sop_status status = sop_superblock_read(options->backend, &engine->superblock, err);
    door d = {0};
    if (status == SOP_OK) status = door_open(engine, &d, err);
    if (status == SOP_OK) {
        status = sop_blobs_open(options->backend, engine->superblock.id, engine->short_incarnation,
                                &engine->blobs, err);
    }
    if (status == SOP_OK) status = sop_engine__recover(engine, d.join, err);
    if (status == SOP_OK) {
        door_shut(engine, &d);
        if (d.join) status = sop_engine__refresh_slow(engine, err);
    }
    if (status == SOP_OK) status = sop_engine__workers_start(engine, err);
    if (status != SOP_OK) {
        sop_engine__workers_stop(engine);
        locks_drop(engine);
        engine_release(engine, 1);
        return status;
    }
    sop_engine__pen_look(engine);
    *out = engine;
    return SOP_OK;
}

/* ---- close ---- */

/* Everything is durable by the log; a checkpoint and the LEAVE only make the next open shorter. So a full medium is not told, nor a
   process that is stopped while it writes. */
static sop_status spare(sop_status status)
{
    return status == SOP_FULL || status == SOP_BUSY ? SOP_OK : status;
}

/* SOP_BUSY would say that the handle is still open. */
static sop_status sync_last(sop_engine *engine, sop_error *err)
{
    sop_error cause = {0};
    uint64_t deadline = sop_boot_ns() + CLOSE_WAIT_NS;
    sop_status status;
    do {
        status = sop_engine__sync_all(engine, &cause);
    } while (status == SOP_BUSY && sop_boot_ns() < deadline);
    if (status == SOP_OK) return SOP_OK;
    if (status == SOP_BUSY) {
        return sop_fail(err, SOP_IO, "close: the last commits are not synced: %.180s",
                        cause.message);
    }
    if (err != NULL) *err = cause;
    return status;
}

/* 1: nobody else has the database open, and nobody comes in before this process is gone. */
static int last_out(sop_engine *engine)
{
    sop_backend *b = engine->options.backend;
    sop_error ignored;
    if (engine->page == NULL) return 1;
    if (b->ops->lock(b, SOP_LOCK_DOOR, 1, engine->options.busy_timeout_ms, &ignored) != SOP_OK) {
        return 0;
    }
    return b->ops->lock(b, SOP_LOCK_PRESENCE, 1, 0, &ignored) == SOP_OK;
}

static sop_status leave_write(sop_engine *engine, sop_error *err)
{
    sop_wal_place place;
    sop_special leave = {.type = SOP_TXN_TYPE_LEAVE};
    sop_status status = sop_engine__log_special(engine, &leave, &place, err);
    if (status == SOP_OK) status = sop_engine__sync_all(engine, err);
    /* Once more: the second says that the first is durable, so that damage of it is no torn end. It can be lost without harm. */
    if (status == SOP_OK) sop_ignore(sop_engine__log_special(engine, &leave, &place, NULL));
    return status;
}

static int all_synced(const sop_engine *engine)
{
    return atomic_load_explicit(&engine->synced_seq, memory_order_acquire) >=
           sop_engine_durable_seq(engine);
}

static sop_status close_write(sop_engine *engine, sop_error *err)
{
    if (engine->options.read_only) return SOP_OK;
    if (atomic_load_explicit(&engine->failed, memory_order_acquire)) {
        if (all_synced(engine)) return SOP_OK;
        return sop_fail(err, SOP_IO, "close: the last commits may be lost, the log failed: %.160s",
                        engine->failure.message);
    }
    sop_status status = sync_last(engine, err);
    int last = last_out(engine);
    if (status == SOP_OK && last && sop_engine__log_pending(engine) > CLOSE_CHECKPOINT_BYTES) {
        status = spare(sop_engine_checkpoint(engine, err));
    }
    if (!engine->joined) return status;
    sop_status left = leave_write(engine, status == SOP_OK ? err : NULL);
    return status == SOP_OK ? spare(left) : status;
}

/* The pen goes back in order. */
static void pen_end(sop_engine *engine)
{
    sop_mutex_lock(&engine->io_lock);
    sop_engine__pen_give(engine);
    sop_mutex_unlock(&engine->io_lock);
}

sop_status sop_engine__forked(sop_error *err)
{
    return sop_fail(err, SOP_INVALID,
                    "the database was opened before a fork, in the child it can only be closed");
}

sop_status sop_engine_close(sop_engine *engine, sop_error *err)
{
    sop_error ignored;
    /* Threads, files and the shared page are the parent's: the child just forgets them. */
    if (sop_engine__fork_check(engine, &ignored) != SOP_OK) return SOP_OK;
    uint64_t open = atomic_load_explicit(&engine->open_transactions, memory_order_acquire);
    if (open != 0) {
        return sop_fail(err, SOP_BUSY, "close: %llu transactions are still open",
                        (unsigned long long)open);
    }
    sop_engine__workers_stop(engine);
    sop_status status = close_write(engine, err);
    pen_end(engine);
    locks_drop(engine);
    engine_release(engine, 0);
    return status;
}

/* ---- questions ---- */

void sop_engine_interrupt(sop_engine *engine)
{
    atomic_fetch_add_explicit(&engine->interrupts, 1, memory_order_release);
}

uint64_t sop_engine_interrupts(const sop_engine *engine)
{
    return atomic_load_explicit(&engine->interrupts, memory_order_acquire);
}

/* A process in another mode wrote something; who takes the pen in mode full makes it durable. */
static int others_unsynced(const sop_engine *engine)
{
    const sop_wal_page *page = engine->page;
    return page != NULL && atomic_load_explicit(&page->published_seq, memory_order_acquire) >
                               atomic_load_explicit(&page->durable_seq, memory_order_acquire);
}

sop_status sop_engine_sync(sop_engine *engine, sop_error *err)
{
    if (engine->options.read_only) return SOP_OK;
    if (atomic_load_explicit(&engine->failed, memory_order_acquire)) {
        return sop_fail(err, SOP_IO, "sync: the log failed: %.180s", engine->failure.message);
    }
    /* What other processes have acknowledged counts too. */
    sop_status status = sop_engine__refresh(engine, err);
    if (status == SOP_OK && engine->options.sync == SOP_SYNC_FULL && others_unsynced(engine)) {
        status = sop_engine__pen_take(engine, err);
    }
    return status == SOP_OK ? sop_engine__sync_all(engine, err) : status;
}

uint64_t sop_engine__log_pending(sop_engine *engine)
{
    sop_mutex_lock(&engine->commit_lock);
    sop_wal_place from = engine->checkpoint_place;
    sop_mutex_unlock(&engine->commit_lock);
    return sop_wal_bytes_since(engine->wal, &from);
}

uint64_t sop_engine_durable_seq(const sop_engine *engine)
{
    return atomic_load_explicit(&engine->durable_seq, memory_order_acquire);
}

sop_status sop_engine_refresh(sop_engine *engine, sop_error *err)
{
    return sop_engine__refresh(engine, err);
}

void sop_engine_wait_newer(sop_engine *engine, uint64_t seq, uint64_t timeout_ns)
{
    if (engine->page != NULL) {
        sop_wal_page_wait(engine->page, seq, timeout_ns);
        return;
    }
    uint32_t word = atomic_load_explicit(&engine->durable_word, memory_order_seq_cst);
    atomic_fetch_add_explicit(&engine->durable_waiters, 1, memory_order_seq_cst);
    if (sop_engine_durable_seq(engine) <= seq) sop_wait(&engine->durable_word, word, timeout_ns);
    atomic_fetch_sub_explicit(&engine->durable_waiters, 1, memory_order_relaxed);
}

void sop_engine_peer_of(sop_engine *engine, uint64_t seq, uint8_t peer_out[16])
{
    memset(peer_out, 0, 16);
    sop_mutex_lock(&engine->commit_lock);
    const uint8_t *peer = seq == 0 ? NULL : sop_live__peer_of(&engine->live_table, seq);
    if (peer != NULL) memcpy(peer_out, peer, 16);
    sop_mutex_unlock(&engine->commit_lock);
}

sop_blobs *sop_engine_blobs(sop_engine *engine)
{
    return engine->blobs;
}

sop_wal *sop_engine_wal(sop_engine *engine)
{
    return engine->wal;
}

const sop_engine_options *sop_engine_options_get(const sop_engine *engine)
{
    return &engine->options;
}

void sop_engine_info(sop_engine *engine, sop_db_info *out)
{
    const sop_backend *b = engine->options.backend;
    memcpy(out->id, engine->superblock.id, 16);
    memcpy(out->incarnation, engine->superblock.incarnation, 16);
    out->url = b->url;
    out->mode = b->volatile_medium ? "memory" : "standalone";
    out->format_major = engine->superblock.format_major;
    out->format_minor = engine->superblock.format_minor;
    sop_ignore(sop_engine__refresh(engine, NULL)); /* logged; what is known is told */
    out->read_only = engine->options.read_only;
    out->sync = engine->options.sync;
    sop_mutex_lock(&engine->commit_lock);
    const sop_state *tip = atomic_load_explicit(&engine->tip, memory_order_relaxed);
    out->tip = atomic_load_explicit(&tip->seq, memory_order_relaxed);
    out->base = tip->base->seq;
    size_t peers = engine->live_table.count - engine->live_table.gone;
    out->peers = peers == 0 ? 1 : (uint32_t)peers;
    sop_mutex_unlock(&engine->commit_lock);
    out->durable = atomic_load_explicit(&engine->synced_seq, memory_order_acquire);
}

void sop_engine_stats(sop_engine *engine, sop_stats *out)
{
    out->log_pending_bytes = sop_engine__log_pending(engine);
    sop_mutex_lock(&engine->commit_lock);
    out->commits = engine->commits;
    out->conflicts = engine->conflicts;
    const sop_state *tip = atomic_load_explicit(&engine->tip, memory_order_relaxed);
    for (uint32_t i = tip->reading; i < tip->layer_count; i++) {
        out->memtable_bytes += sop_memtable_bytes(tip->layers[i]->table);
        out->memtable_items += sop_memtable_items(tip->layers[i]->table);
    }
    for (size_t i = 0; i < tip->base->row_count; i++) {
        out->segments++;
        out->segment_bytes += tip->base->rows[i].size;
        out->live_bytes += tip->base->rows[i].live;
    }
    sop_mutex_unlock(&engine->commit_lock);
    out->frames = atomic_load_explicit(&engine->frames, memory_order_relaxed);
    out->syncs = atomic_load_explicit(&engine->syncs, memory_order_relaxed);
    out->log_bytes = atomic_load_explicit(&engine->log_bytes, memory_order_relaxed);
    out->checkpoints = atomic_load_explicit(&engine->checkpoints, memory_order_relaxed);
    out->checkpoint_bytes = atomic_load_explicit(&engine->checkpoint_bytes, memory_order_relaxed);
    out->readers = atomic_load_explicit(&engine->open_transactions, memory_order_relaxed);
    uint64_t oldest = sop_engine__oldest_snapshot(engine, 0);
    out->oldest_snapshot = oldest == UINT64_MAX ? sop_engine_durable_seq(engine) : oldest;
}

static int counter_is_open(sop_engine *engine, uint64_t counter)
{
    for (sop_slots *chunk = &engine->first_slots; chunk != NULL;
         chunk = atomic_load_explicit(&chunk->next, memory_order_acquire)) {
        for (size_t i = 0; i < SLOTS_PER_CHUNK; i++) {
            if (atomic_load_explicit(&chunk->slots[i].counter, memory_order_relaxed) == counter) {
                return 1;
            }
        }
    }
    return 0;
}

sop_status sop_engine_outcome(
    sop_engine *engine, sop_txn_token token, sop_outcome *out, uint64_t *seq_out, sop_error *err)
{
    uint64_t counter = sop_get_u64le(token.bytes + 16);
    *seq_out = 0;
    if (counter == 0) {
        return sop_fail(err, SOP_INVALID, "outcome: not the id of a write transaction");
    }
    int own = memcmp(token.bytes, engine->incarnation, 16) == 0;
    sop_status status = sop_engine__refresh(engine, err);
    if (status != SOP_OK) return status;
    sop_mutex_lock(&engine->commit_lock);
    if (own && counter_is_open(engine, counter)) {
        *out = SOP_OUTCOME_OPEN;
    } else {
        *out = sop_live__outcome(&engine->live_table, token.bytes, counter, seq_out);
        /* After a failed sync nobody knows until the log was read again. */
        int failed = atomic_load_explicit(&engine->failed, memory_order_relaxed) != 0;
        if (own && failed &&
            (*out == SOP_OUTCOME_ABORTED ||
             *seq_out > atomic_load_explicit(&engine->durable_seq, memory_order_relaxed))) {
            *out = SOP_OUTCOME_UNKNOWN;
            *seq_out = 0;
        }
    }
    sop_mutex_unlock(&engine->commit_lock);
    return SOP_OK;
}
