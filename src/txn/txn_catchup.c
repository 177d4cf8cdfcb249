/* SPDX-License-Identifier: MIT */
/* Catching up: what other processes committed becomes part of this one's state, frame by frame. */
#include <string.h>

#include "txn/txn_replay.h"
#include "util/assert.h"
#include "util/error.h"

typedef struct {
    sop_engine *engine;
    uint64_t durable_seq; /* as the page told before the first frame was read */
    int rebuild;
    sop_error *err;
} catchup;

static uint64_t tip_seq(const sop_state *tip)
{
    return atomic_load_explicit(&tip->seq, memory_order_relaxed);
}

/* The newest state that is not above the seq becomes the one that readers see. Needs commit_lock. */
static void durable_advance(sop_engine *engine, uint64_t seq)
{
    sop_state *durable = atomic_load_explicit(&engine->durable, memory_order_relaxed);
    sop_state *newest = durable;
    for (sop_state *state = durable->next; state != NULL; state = state->next) {
        if (atomic_load_explicit(&state->abandoned, memory_order_relaxed) != 0) continue;
        if (tip_seq(state) > seq) break;
        newest = state;
    }
    if (newest != durable) sop_engine__durable_set(engine, newest);
    if (seq > atomic_load_explicit(&engine->synced_seq, memory_order_relaxed)) {
        uint64_t synced = seq < tip_seq(newest) ? seq : tip_seq(newest);
        atomic_store_explicit(&engine->synced_seq, synced, memory_order_release);
    }
}

/* What was applied of a frame goes again. Needs commit_lock. */
static void frame_undo(sop_engine *engine, const sop_state *tip)
{
    engine->live->last_seq = UINT64_MAX;
    sop_memtable_rewind(engine->live->table, tip->roots[tip->layer_count - 1], tip_seq(tip));
    sop_live__rewind(&engine->live_table, tip_seq(tip));
}

/* Needs commit_lock. */
static sop_status frame_take(catchup *c, const sop_wal_frame *frame)
{
    sop_engine *engine = c->engine;
    const sop_state *tip = atomic_load_explicit(&engine->tip, memory_order_relaxed);
    sop_replay r = {.engine = engine,
                    .live = &engine->live_table,
                    .following = 1,
                    .seq = tip_seq(tip),
                    .err = c->err};
    r.state = sop_engine__state_new(engine, tip);
    if (r.state == NULL) return sop_fail(c->err, SOP_NO_MEMORY, "catching up: out of memory");
    sop_status status = sop_replay__frame(frame, &r);
    if (status == SOP_OK && r.seq != frame->place.seq_last) {
        status = sop_fail(c->err, SOP_CORRUPT, "log: frame %llu ends at seq %llu instead of %llu",
                          (unsigned long long)frame->place.frame_no, (unsigned long long)r.seq,
                          (unsigned long long)frame->place.seq_last);
    }
    if (r.rebuild) c->rebuild = 1;
    if (status != SOP_OK) {
        frame_undo(engine, tip);
        sop_replay__drop(&r);
        return status;
    }
    engine->live = r.state->layers[r.state->layer_count - 1];
    sop_engine__state_push(engine, r.state, r.seq);
    if (engine->options.sync != SOP_SYNC_FULL || r.seq <= c->durable_seq) {
        sop_engine__durable_set(engine, r.state);
    }
    sop_engine__commit_account(engine);
    return SOP_OK;
}

static sop_status frame_follow(const sop_wal_frame *frame, void *context)
{
    catchup *c = context;
    sop_mutex_lock(&c->engine->commit_lock);
    sop_status status = frame_take(c, frame);
    sop_mutex_unlock(&c->engine->commit_lock);
    return status;
}

sop_status sop_engine__follow(sop_engine *engine, sop_error *err)
{
    sop_wal_end end;
    sop_error cause = {0};
    sop_wal_page_end(engine->page, &end);
    sop_status status = SOP_OK;
    catchup c = {.engine = engine, .durable_seq = end.durable_seq, .err = &cause};
    if (atomic_load_explicit(&engine->follow_lost, memory_order_acquire) != 0) {
        if (end.published.seq_last <= sop_engine_durable_seq(engine)) return SOP_OK;
        status = SOP_SNAPSHOT_TOO_OLD;
    } else {
        status = sop_wal_follow(engine->wal, &end, frame_follow, &c, &cause);
    }
    /* A log file or a segment was removed: there is a newer checkpoint to begin with. */
    int gone = status == SOP_SNAPSHOT_TOO_OLD || status == SOP_NOT_FOUND;
    if (gone || (status == SOP_OK && c.rebuild)) {
        status = sop_engine__rebuild(engine, NULL, &cause);
        if (status == SOP_OK) {
            atomic_store_explicit(&engine->follow_lost, 0, memory_order_relaxed);
        }
    }
    if (status == SOP_OK) {
        sop_mutex_lock(&engine->commit_lock);
        durable_advance(engine, end.durable_seq);
        sop_mutex_unlock(&engine->commit_lock);
        sop_engine__bury(engine);
    } else {
        sop_engine__log(engine, SOP_LOG_WARNING, "event=catch_up_failed message=\"%s\"",
                        cause.message);
        if (err != NULL) *err = cause;
    }
    sop_engine__wake(engine);
    return status;
}

/* 1: this process writes, so nobody else does. */
static int writes(sop_engine *engine)
{
    for (;;) {
        sop_mutex_lock(&engine->commit_lock);
        int pen = engine->pen;
        sop_mutex_unlock(&engine->commit_lock);
        if (pen != SOP_PEN_CLOSING) return pen == SOP_PEN_HELD;
        /* Who gives the pen back holds io_lock until it is gone; others may have written by then. */
        sop_mutex_lock(&engine->io_lock);
        sop_mutex_unlock(&engine->io_lock);
    }
}

/* What this process has just published is about to become visible here too. */
static void own_wait(sop_engine *engine, const _Atomic uint64_t *end)
{
    uint64_t seq = atomic_load_explicit(end, memory_order_acquire);
    while (writes(engine)) {
        uint32_t word = atomic_load_explicit(&engine->durable_word, memory_order_seq_cst);
        if (sop_engine_durable_seq(engine) >= seq) return;
        atomic_fetch_add_explicit(&engine->durable_waiters, 1, memory_order_seq_cst);
        sop_wait(&engine->durable_word, word, 1000000);
        atomic_fetch_sub_explicit(&engine->durable_waiters, 1, memory_order_relaxed);
    }
}

sop_status sop_engine__refresh_slow(sop_engine *engine, sop_error *err)
{
    own_wait(engine, sop_engine__shown(engine));
    if (writes(engine)) return SOP_OK;
    sop_mutex_lock(&engine->follow_lock);
    sop_status status = writes(engine) ? SOP_OK : sop_engine__follow(engine, err);
    sop_mutex_unlock(&engine->follow_lock);
    return status;
}
