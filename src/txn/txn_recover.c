/* SPDX-License-Identifier: MIT */
/* Recovery: the base of the newest checkpoint, then every later transaction of the log, in order. */
#include <string.h>

#include "txn/txn_replay.h"
#include "util/assert.h"
#include "util/bytes.h"
#include "util/error.h"
#include "util/memory.h"

/* Others may take away what is being read; how often to begin again before that is told. */
enum { JOIN_TRIES = 100 };

/*
 * Whoever wrote before may have moved the head without its name becoming durable, even if a sync of the folder succeeds now. A power
 * cut would bring back an older head and the base that it names; so what looks like waste goes only after this process has moved the
 * head itself.
 */
static sop_status orphan_note(uint64_t segment, uint64_t size, void *context)
{
    const sop_replay *r = context;
    (void)size;
    for (size_t i = 0; i < r->state->base->row_count; i++) {
        if (r->state->base->rows[i].segment == segment) return SOP_OK;
    }
    for (size_t i = 0; i < r->segment_count; i++) {
        if (r->segments[i] == segment) return SOP_OK;
    }
    sop_engine *engine = r->engine;
    if (sop_engine__is_attached(engine, segment >> 24)) return SOP_OK;
    if (engine->orphan_count == engine->orphan_capacity) {
        size_t capacity = engine->orphan_capacity * 2 + 16;
        uint64_t *grown = sop_realloc(engine->orphans, capacity * sizeof *grown);
        if (grown == NULL) return SOP_OK; /* the next open finds it again */
        engine->orphans = grown;
        engine->orphan_capacity = capacity;
    }
    engine->orphans[engine->orphan_count++] = segment;
    return SOP_OK;
}

/* The state becomes the newest; everything replayed may be shown. */
static void state_publish(sop_replay *r)
{
    sop_engine *engine = r->engine;
    sop_state *state = r->state;
    sop_mutex_lock(&engine->commit_lock);
    state->horizon = r->seq;
    engine->live = state->layers[state->layer_count - 1];
    sop_engine__state_push(engine, state, r->seq);
    sop_engine__durable_set(engine, state);
    atomic_store_explicit(&engine->base_bytes, sop_base__live_bytes(state->base),
                          memory_order_relaxed);
    sop_engine__memory_account(engine);
    sop_mutex_unlock(&engine->commit_lock);
    r->state = NULL;
}

/* Nobody else has the database open: the log is read to its true end and made ready for appending. */
static sop_status replay_alone(sop_replay *r)
{
    sop_engine *engine = r->engine;
    int clean = 0;
    sop_wal_place from = engine->checkpoint_place;
    sop_status status = sop_wal_replay(engine->wal, &from, sop_replay__frame, r, &clean, r->err);
    if (status != SOP_OK || engine->options.read_only) return status;
    status = sop_wal_start(engine->wal, clean, r->err);
    if (status == SOP_OK) status = sop_segments_list(engine->blobs, orphan_note, r, r->err);
    if (status == SOP_OK) sop_wal_page_begin(engine->wal);
    atomic_store_explicit(&engine->synced_seq, r->seq, memory_order_relaxed);
    return status;
}

/* What was looked for is gone: another process has moved the head and removed what lies before. */
static int moved_on(sop_status status)
{
    return status == SOP_NOT_FOUND || status == SOP_SNAPSHOT_TOO_OLD;
}

sop_status sop_engine__recover(sop_engine *engine, int join, sop_error *err)
{
    sop_wal_options options = {.backend = engine->options.backend,
                               .page = engine->page,
                               .short_incarnation = engine->short_incarnation,
                               .read_only = engine->options.read_only};
    memcpy(options.database_id, engine->superblock.id, 16);
    memcpy(options.incarnation, engine->superblock.incarnation, 16);
    sop_wal_frame head;
    sop_status status = SOP_OK;
    for (int i = 0; i < JOIN_TRIES; i++) {
        status = sop_wal_open(&options, &engine->wal, &head, err);
        if (status == SOP_OK || !join) break;
    }
    if (status != SOP_OK) return status;
    if (join) return sop_engine__rebuild(engine, &head, err);
    sop_replay r;
    status = sop_replay__init(&r, engine, err);
    if (status == SOP_OK) status = sop_replay__base(&r, &head);
    if (status == SOP_OK) status = replay_alone(&r);
    if (status == SOP_OK) state_publish(&r);
    sop_replay__deinit(&r);
    return status;
}

/* ---- while others write ---- */

static sop_status join_replay(sop_replay *r, const sop_wal_frame *head)
{
    sop_engine *engine = r->engine;
    sop_status status = sop_replay__base(r, head);
    if (status != SOP_OK) return status;
    sop_wal_place from = engine->checkpoint_place;
    return sop_wal_join(engine->wal, &from, sop_replay__frame, r, r->err);
}

sop_status sop_engine__rebuild(sop_engine *engine, const sop_wal_frame *head, sop_error *err)
{
    sop_status status = SOP_OK;
    sop_wal_frame again;
    for (int i = 0; i < JOIN_TRIES; i++) {
        sop_live_table live = {0};
        sop_replay r;
        sop_mutex_lock(&engine->commit_lock);
        engine->run_count = 0;
        sop_mutex_unlock(&engine->commit_lock);
        status = head == NULL ? sop_wal_head_again(engine->wal, &again, err) : SOP_OK;
        if (status != SOP_OK) break;
        status = sop_replay__init(&r, engine, err);
        r.live = &live;
        if (status == SOP_OK) status = join_replay(&r, head == NULL ? &again : head);
        if (status == SOP_OK && r.seq < sop_engine_durable_seq(engine)) {
            status = sop_fail(err, SOP_IO, "the log ends at seq %llu, %llu had been shown",
                              (unsigned long long)r.seq,
                              (unsigned long long)sop_engine_durable_seq(engine));
        }
        if (status == SOP_OK) {
            /* Stores may be others than those that open handles know. */
            r.state->catalogue_seq = r.seq;
            sop_mutex_lock(&engine->commit_lock);
            sop_live_table old = engine->live_table;
            engine->live_table = live;
            live = old;
            sop_free(engine->last_freeze.live);
            engine->last_freeze = (sop_freeze){0};
            sop_mutex_unlock(&engine->commit_lock);
            state_publish(&r);
        }
        sop_live__deinit(&live);
        sop_replay__deinit(&r);
        if (!moved_on(status)) break;
        head = NULL;
    }
    return status;
}
