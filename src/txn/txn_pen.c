/* SPDX-License-Identifier: MIT */
/*
 * The pen in this process: taken by whoever commits first, kept between commits, given back when others ask or nobody used it for a
 * while. Lock order: pen_lock, follow_lock, io_lock, commit_lock; the pen itself is waited for with pen_lock alone.
 */
#include "txn/txn_engine.h"
#include "util/assert.h"
#include "util/error.h"

/* Who gave the pen back because others asked lets one of them have it, but does not wait for ever. */
#define STAND_BACK_NS UINT64_C(1000000)

static void stand_back(sop_engine *engine)
{
    sop_wal_page *page = engine->page;
    if (!engine->pen_gave_way) return;
    engine->pen_gave_way = 0;
    uint32_t taken = engine->pen_taken_seen;
    if (atomic_load_explicit(&page->taken, memory_order_acquire) != taken) return;
    sop_wait(&page->taken, taken, STAND_BACK_NS);
}

static int pen_state(sop_engine *engine)
{
    /* Who gives it back holds io_lock meanwhile. */
    sop_mutex_lock(&engine->io_lock);
    sop_mutex_lock(&engine->commit_lock);
    int pen = engine->pen;
    sop_mutex_unlock(&engine->commit_lock);
    sop_mutex_unlock(&engine->io_lock);
    SOP_ASSERT(pen != SOP_PEN_CLOSING);
    return pen;
}

/* The kernel says that nobody else writes: catch up, and make the log ready. Needs follow_lock. */
static sop_status pen_enter(sop_engine *engine, int found_open, sop_error *err)
{
    int full = engine->options.sync == SOP_SYNC_FULL;
    sop_error cause = {0};
    sop_status status = sop_engine__follow(engine, &cause);
    if (status == SOP_OK) status = sop_wal_resume(engine->wal, found_open, full, &cause);
    sop_mutex_lock(&engine->commit_lock);
    if (status == SOP_OK) {
        sop_state *tip = atomic_load_explicit(&engine->tip, memory_order_relaxed);
        if (full) sop_engine__durable_set(engine, tip);
        uint64_t synced = sop_wal_durable_seq(engine->wal);
        atomic_store_explicit(&engine->synced_seq, synced, memory_order_release);
        engine->pen = SOP_PEN_HELD;
    } else if (sop_wal_is_broken(engine->wal)) {
        sop_engine__log_lost(engine, 0, status, &cause);
    }
    sop_mutex_unlock(&engine->commit_lock);
    if (status != SOP_OK && err != NULL) *err = cause;
    return status;
}

sop_status sop_engine__pen_take(sop_engine *engine, sop_error *err)
{
    sop_status status = sop_engine__fork_check(engine, err);
    if (engine->page == NULL || status != SOP_OK) return status;
    sop_mutex_lock(&engine->pen_lock);
    status = sop_engine__failure_report(engine, err);
    if (status != SOP_OK || pen_state(engine) == SOP_PEN_HELD) {
        sop_mutex_unlock(&engine->pen_lock);
        return status;
    }
    stand_back(engine);
    int found_open = 0;
    status = sop_wal_pen_take(engine->wal, engine->options.busy_timeout_ms, &found_open, err);
    if (status == SOP_OK) {
        sop_mutex_lock(&engine->follow_lock);
        status = pen_enter(engine, found_open, err);
        sop_mutex_unlock(&engine->follow_lock);
        if (status != SOP_OK) {
            sop_wal_pen_give(engine->wal, !found_open && !sop_wal_is_broken(engine->wal));
        }
    }
    sop_mutex_unlock(&engine->pen_lock);
    if (status == SOP_OK) sop_engine__wake(engine);
    if (status == SOP_OK && engine->keeper != NULL) {
        /* It looks after the pen more often while there is one. */
        atomic_fetch_add_explicit(&engine->keep_word, 1, memory_order_release);
        sop_wake(&engine->keep_word, INT32_MAX);
    }
    return status;
}

/* From now on no commit of this process enters; what is under construction goes out first. Needs io_lock and not commit_lock. */
static int pen_close(sop_engine *engine, sop_state **end_out)
{
    uint64_t now = 0;
    sop_mutex_lock(&engine->commit_lock);
    int gated = atomic_load_explicit(&engine->gate, memory_order_relaxed) != NULL;
    if (gated) now = sop_boot_ns();
    gated = gated && now < atomic_load_explicit(&engine->gate_until_ns, memory_order_relaxed);
    int closing = engine->pen == SOP_PEN_HELD &&
                  ((engine->pen_pins == 0 && !gated) || sop_wal_is_broken(engine->wal));
    if (closing) {
        engine->pen = SOP_PEN_CLOSING;
        if (engine->options.sync == SOP_SYNC_FULL) {
            *end_out = sop_engine__open_take(engine);
        } else {
            /* A JOIN whose commit was refused. What fails is told to whoever commits next. */
            sop_ignore(sop_engine__append_open(engine, NULL));
        }
    }
    sop_mutex_unlock(&engine->commit_lock);
    return closing;
}

void sop_engine__pen_give(sop_engine *engine)
{
    sop_state *end = NULL;
    sop_wal_place place;
    if (engine->page == NULL || !pen_close(engine, &end)) return;
    if (end != NULL) {
        sop_ignore(
            sop_engine__taken_write(engine, end, &place, NULL)); /* told through abandon_ring */
    }
    int in_order = !sop_wal_is_broken(engine->wal);
    if (in_order) sop_wal_publish(engine->wal);
    engine->pen_gave_way = sop_wal_pen_wanted(engine->page);
    engine->pen_taken_seen = atomic_load_explicit(&engine->page->taken, memory_order_relaxed);
    sop_wal_pen_give(engine->wal, in_order);
    /* Not before: a lock that this process takes while it still has it would be lost with the unlocking. */
    sop_mutex_lock(&engine->commit_lock);
    engine->pen = SOP_PEN_NONE;
    sop_mutex_unlock(&engine->commit_lock);
}

void sop_engine__pen_look_locked(sop_engine *engine)
{
    if (engine->page == NULL) return;
    if (sop_wal_pen_wanted(engine->page) || sop_wal_is_broken(engine->wal)) {
        sop_engine__pen_give(engine);
    }
}

void sop_engine__pen_look(sop_engine *engine)
{
    if (engine->page == NULL) return;
    int broken = atomic_load_explicit(&engine->failed, memory_order_relaxed) != 0;
    /* Without workers nobody would give it back later. */
    int idle = engine->options.workers < 0;
    if (SOP_LIKELY(!idle && !broken && !sop_wal_pen_wanted(engine->page))) return;
    sop_mutex_lock(&engine->io_lock);
    sop_engine__pen_give(engine);
    sop_mutex_unlock(&engine->io_lock);
    sop_engine__wake(engine);
}

sop_status sop_engine__pen_pin(sop_engine *engine, sop_error *err)
{
    for (;;) {
        sop_mutex_lock(&engine->commit_lock);
        int held = engine->page == NULL || engine->pen == SOP_PEN_HELD;
        if (held) engine->pen_pins++;
        sop_mutex_unlock(&engine->commit_lock);
        if (held) return SOP_OK;
        sop_status status = sop_engine__pen_take(engine, err);
        if (status != SOP_OK) return status;
    }
}

void sop_engine__pen_unpin(sop_engine *engine)
{
    sop_mutex_lock(&engine->commit_lock);
    SOP_ASSERT(engine->pen_pins > 0);
    engine->pen_pins--;
    sop_mutex_unlock(&engine->commit_lock);
    sop_engine__pen_look(engine);
}

int sop_engine__pen_idle(sop_engine *engine)
{
    if (engine->page == NULL) return 0;
    sop_mutex_lock(&engine->commit_lock);
    int held = engine->pen == SOP_PEN_HELD;
    sop_mutex_unlock(&engine->commit_lock);
    if (!held) return 0;
    uint64_t frames = atomic_load_explicit(&engine->frames, memory_order_relaxed);
    int idle = frames == engine->pen_frames_seen;
    engine->pen_frames_seen = frames;
    if (idle || sop_wal_pen_wanted(engine->page)) {
        sop_mutex_lock(&engine->io_lock);
        sop_engine__pen_give(engine);
        sop_mutex_unlock(&engine->io_lock);
        sop_engine__wake(engine);
        return 0;
    }
    return 1;
}
