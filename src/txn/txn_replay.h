/* SPDX-License-Identifier: MIT */
/* Private to the room: applying what is read from the log to a state, at the open and while others write. */
#ifndef SOP_TXN_TXN_REPLAY_H
#define SOP_TXN_TXN_REPLAY_H

#include "txn/txn_engine.h"

typedef struct {
    sop_engine *engine;
    sop_state *state;     /* being made; base and layers without references are its own */
    sop_live_table *live; /* who has written */
    int following;        /* another process wrote it while this one has the database open */
    int rebuild; /* following: the layers here do not fit a CHECKPOINT; begin again with its base */
    uint64_t seq;
    uint64_t applied;
    const sop_wal_place *place; /* of the frame being applied */
    uint64_t *segments;         /* referred to by the log only */
    size_t segment_count;
    size_t segment_capacity;
    sop_error *err;
} sop_replay;

/* An empty state over no base. */
SOP_MUST_CHECK sop_status sop_replay__init(sop_replay *r, sop_engine *engine, sop_error *err);
/* Frees the state, if it was not published, and what is its own. Must not hold commit_lock. */
void sop_replay__deinit(sop_replay *r);
/* The same, needs commit_lock. */
void sop_replay__drop(sop_replay *r);
/* A sop_wal_frame_fn; context: the replay. */
sop_status sop_replay__frame(const sop_wal_frame *frame, void *context);
/* Base and live table of the CHECKPOINT that the head names, and where replay begins (engine->checkpoint_place). */
SOP_MUST_CHECK sop_status sop_replay__base(sop_replay *r, const sop_wal_frame *head);

#endif
