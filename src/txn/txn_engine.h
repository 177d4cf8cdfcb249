/* SPDX-License-Identifier: MIT */
/* What the files of the txn room share: engine, states, layers, base, live table. */
#ifndef SOP_TXN_TXN_ENGINE_H
#define SOP_TXN_TXN_ENGINE_H

#include "txn/txn.h"
#include "util/mutex.h"
#include "util/world.h"

/* ---- live table: who has written, and what became of its transactions ---- */

enum { LIVE_RECENT = 4096, LIVE_RECENT_GONE = 16, LIVE_GONE_MAX = 4096 };

typedef struct {
    uint64_t counter;
    uint64_t seq;
} sop_live_commit;

typedef struct {
    uint8_t incarnation[16];
    int gone;             /* LEAVE or EVICT: refuses, remembers a few outcomes */
    uint64_t gone_seq;    /* of the EVICT, when this process wrote it; else 0 */
    uint64_t highest;     /* highest counter seen in the log */
    uint64_t lowest_open; /* everything below is closed */
    uint64_t forgotten;   /* outcomes of counters up to this one are no longer known */
    uint32_t count;       /* of recent */
    uint32_t next;        /* ring position */
    uint32_t capacity;
    sop_live_commit *recent;
} sop_live_peer;

typedef struct {
    sop_live_peer **peers; /* in order of JOIN */
    size_t count;
    size_t capacity;
    size_t gone;
    int dropped_some; /* an incarnation that left was forgotten */
} sop_live_table;

SOP_MUST_CHECK sop_status sop_live__join(sop_live_table *table, const uint8_t incarnation[16]);
sop_live_peer *sop_live__find(const sop_live_table *table, const uint8_t incarnation[16]);
/* seq: of the EVICT that this process wrote; 0: read from the log. */
void sop_live__leave(sop_live_table *table, const uint8_t incarnation[16], uint64_t seq);
/* Everything above seq has not happened. */
void sop_live__rewind(sop_live_table *table, uint64_t seq);
/* Never fails: when memory is short the outcome is counted as forgotten. */
void sop_live__commit(sop_live_peer *peer, uint64_t counter, uint64_t lowest_open, uint64_t seq);
/* Commits above upto are left out. */
SOP_MUST_CHECK sop_status sop_live__encode(const sop_live_table *table,
                                           uint64_t upto,
                                           uint8_t **out,
                                           size_t *size_out);
SOP_MUST_CHECK sop_status sop_live__decode(sop_live_table *table, sop_slice bytes, sop_error *err);
sop_outcome sop_live__outcome(const sop_live_table *table,
                              const uint8_t incarnation[16],
                              uint64_t counter,
                              uint64_t *seq_out);
const uint8_t *sop_live__peer_of(const sop_live_table *table, uint64_t seq);
void sop_live__deinit(sop_live_table *table);

/* ---- base: what a checkpoint published ---- */

/* A store made by a bulk load that the base table does not list yet. */
typedef struct {
    uint64_t store;
    sop_btree tree;
} sop_base_extra;

struct sop_base {
    uint32_t references; /* by states; guarded by commit_lock */
    uint64_t serial;     /* differs from that of every other base of this process */
    uint64_t seq;
    sop_segments *segments; /* NULL: none */
    sop_segment_row *rows;
    size_t row_count;
    sop_btree table; /* key: big-endian store id; value: a tree row */
    sop_base_extra *extras;
    size_t extra_count;
};

sop_base *sop_base__new_empty(void);
/* Reads a descriptor and maps the segments. live: filled when not NULL. */
SOP_MUST_CHECK sop_status sop_base__load(
    sop_blobs *blobs, sop_slice descriptor, sop_live_table *live, sop_base **out, sop_error *err);
/* The same base with one more store, made by a bulk load. */
SOP_MUST_CHECK sop_status sop_base__with_load(sop_blobs *blobs,
                                              const sop_base *base,
                                              const sop_catalogue_row *row,
                                              sop_base **out,
                                              sop_error *err);
void sop_base__free(sop_base *base);
uint64_t sop_base__live_bytes(const sop_base *base);
SOP_MUST_CHECK sop_status sop_base__store(const sop_base *base,
                                          uint64_t store,
                                          sop_btree *out,
                                          sop_error *err);

/* The descriptor of a base: everything recovery needs beside the log. */
typedef struct {
    uint64_t seq;
    sop_btree table;
    const sop_segment_row *rows;
    size_t row_count;
    sop_slice live;
} sop_descriptor;
SOP_MUST_CHECK sop_status sop_descriptor__encode(const sop_descriptor *d,
                                                 uint8_t **out,
                                                 size_t *size_out);
SOP_MUST_CHECK sop_status sop_descriptor__decode(sop_slice bytes,
                                                 sop_descriptor *out,
                                                 sop_segment_row **rows_out,
                                                 sop_error *err);

/* Body of a CHECKPOINT transaction: base seq 8, place of the FREEZE 56, descriptor. */
typedef struct {
    uint64_t base_seq;
    sop_wal_place
        freeze; /* frame that ends with the FREEZE; length 0: none, the CHECKPOINT frame itself starts the log */
    sop_slice descriptor;
} sop_checkpoint_body;
SOP_MUST_CHECK sop_status sop_checkpoint_body__encode(const sop_checkpoint_body *body,
                                                      uint8_t **out,
                                                      size_t *size_out);
SOP_MUST_CHECK sop_status sop_checkpoint_body__decode(sop_slice bytes,
                                                      sop_checkpoint_body *out,
                                                      sop_error *err);

/* ---- states ---- */

enum { STATE_LAYERS = 8, FROZEN_REUSE = 2, FROZEN_MAX = 4 };

typedef struct {
    sop_memtable *table;
    uint32_t references; /* by states; guarded by commit_lock */
    uint64_t last_seq;   /* newest change; UINT64_MAX while live */
} sop_layer;

/* Memory of states is type-stable (never returned while the engine is open), so a reader may look at a seq it is not sure of. */
struct sop_state {
    _Atomic uint64_t seq;
    _Atomic uint32_t abandoned; /* the log could not take it */
    sop_base *base;
    uint32_t layer_count;
    uint32_t reading; /* layers before this one are kept for validation only */
    sop_layer *layers[STATE_LAYERS];
    const sop_memtable_root *roots[STATE_LAYERS];
    uint64_t catalogue_seq; /* newest change of store 0 */
    uint64_t horizon;       /* older snapshots cannot be validated */
    sop_state *next;        /* in the queue of states, or in the pool */
};

/* One per open transaction; a cache line of its own. */
typedef struct sop_slot {
    _Alignas(SOP_CACHE_LINE) _Atomic uint64_t announced; /* seq + 1 of its snapshot; 0: none */
    _Atomic uint64_t id;      /* counter of the transaction; stays after its end */
    _Atomic uint64_t counter; /* the same while it is open; 0: none */
    _Atomic uint32_t used;
    _Atomic uint32_t writing; /* 1: mode WRITE */
} sop_slot;

enum { SLOTS_PER_CHUNK = 64 };
typedef struct sop_slots {
    sop_slot slots[SLOTS_PER_CHUNK];
    _Atomic(struct sop_slots *) next;
} sop_slots;

/* ---- engine ---- */

/* The last FREEZE that no CHECKPOINT answered yet. */
typedef struct {
    sop_layer *fresh;
    uint64_t seq;  /* 0: there is none */
    uint8_t *live; /* the live table as of the FREEZE; NULL: not encoded yet */
    size_t live_size;
    sop_wal_place place;
} sop_freeze;

typedef struct {
    uint64_t floor;        /* commits up to this seq had been durable */
    uint64_t unknown_upto; /* above floor, up to this seq: in a frame whose write or sync failed */
    sop_status status;
} sop_abandon;

typedef struct sop_value_segment {
    uint64_t segment;
    uint64_t
        quiet_seq; /* 0: a transaction that wrote into it may still be open; else all its commits are <= quiet_seq */
    uint64_t sealed_seq;
} sop_value_segment;

/* A segment of runs that the log names. */
typedef struct {
    uint64_t segment;
    uint64_t bytes;
    uint64_t seq;
} sop_run_segment;

enum { SOP_PEN_NONE = 0, SOP_PEN_HELD = 1, SOP_PEN_CLOSING = 2 };

struct sop_engine {
    sop_slots first_slots; /* first: it is aligned to cache lines */
    sop_engine_options options;
    sop_superblock superblock;
    uint8_t incarnation[16]; /* of this process */
    uint64_t short_incarnation;
    sop_blobs *blobs;
    sop_wal *wal;
    uint32_t forks;     /* sop_backend_forks at the open */
    sop_wal_page *page; /* shared with the other processes; NULL: read-only, nobody is asked */

    /* published states: stored under commit_lock (release), loaded by anyone (acquire) */
    _Atomic(sop_state *) tip;
    _Atomic(sop_state *) durable;
    _Atomic uint64_t durable_seq;  /* readers may see up to here */
    _Atomic uint32_t durable_word; /* futex: changes with durable_seq and with failure */
    _Atomic uint32_t durable_waiters;
    _Atomic uint64_t synced_seq; /* on stable storage */
    _Atomic uint32_t failed;     /* the log is broken: no more commits */
    sop_error failure;           /* written once before failed is set */
    _Atomic uint64_t interrupts;

    _Atomic uint64_t open_transactions;
    _Atomic uint64_t next_counter;
    _Atomic uint64_t lowest_open; /* counter; refreshed by reclaim */

    /* Several processes (txn_pen.c, txn_catchup.c). */
    sop_mutex pen_lock;    /* one thread asks for the pen */
    sop_mutex follow_lock; /* one thread reads what others wrote */
    int pen;           /* SOP_PEN_...; guarded by commit_lock; becomes NONE under io_lock only */
    uint32_t pen_pins; /* guarded by commit_lock; not 0: keep it */
    int pen_gave_way;  /* guarded by pen_lock and io_lock, as pen_taken_seen */
    uint32_t pen_taken_seen;
    uint64_t pen_frames_seen; /* of the keeper */
    _Atomic uint32_t
        follow_lost; /* the log failed here: what others write is read from the head on */

    sop_mutex checkpoint_lock; /* one checkpoint at a time */
    sop_mutex io_lock;         /* append and sync of the log in mode full; head */
    sop_mutex
        commit_lock; /* validation, the live layer, the open buffer; append in the other modes */
    _Atomic uint32_t abandons; /* how often the log could not take commits; see abandon_ring */

    /* guarded by commit_lock */
    sop_wal_buffer open_buffer; /* frame under construction */
    sop_layer *live;
    sop_state *state_pool;
    sop_state *states_oldest; /* queue by seq */
    sop_state *states_newest;
    uint32_t commits_since_reclaim;
    int joined;
    sop_run_segment *runs; /* oldest first */
    size_t run_count, run_capacity;
    uint64_t joined_seq; /* of the JOIN */
    uint64_t commits, conflicts;
    sop_live_table live_table;
    uint64_t *live_seqs; /* scratch of reclaim */
    size_t live_seqs_capacity;
    sop_memtable **dead_tables; /* to be freed outside the lock */
    size_t dead_table_count, dead_table_capacity;
    sop_base **dead_bases;
    size_t dead_base_count, dead_base_capacity;

    /* What became of commits that the log could not take; written under commit_lock, read by waiters that saw the count move. */
    sop_abandon abandon_ring[16];

    /* guarded by io_lock */
    sop_wal_buffer io_buffer; /* frame being written */

    sop_wal_place
        checkpoint_place; /* where a reopen starts to replay: the FREEZE frame of the newest checkpoint;
                                       written under checkpoint_lock and commit_lock */
    /* guarded by checkpoint_lock */
    sop_value_segment *value_segments;
    size_t value_segment_count;
    uint64_t *
        orphans; /* segments found at the open that nothing refers to; removed once the head has moved */
    size_t orphan_count, orphan_capacity;
    sop_freeze last_freeze;

    _Atomic uint64_t memtable_bytes; /* of layers above the base */
    _Atomic uint64_t log_pending_bytes;
    _Atomic uint64_t checkpoints, checkpoint_bytes, frames, syncs, log_bytes;

    /* commit gate: the transaction that runs alone, for starving ones */
    _Atomic(sop_core *) gate;
    _Atomic uint64_t gate_until_ns;
    _Atomic uint32_t gate_word;            /* futex: changes when the gate opens */
    _Atomic uint32_t checkpoint_done_word; /* futex: writers that wait for memory */

    /* workers */
    sop_task *checkpointer;
    sop_task *keeper;
    _Atomic uint32_t work_word; /* futex of the checkpointer */
    _Atomic uint32_t keep_word; /* futex of the keeper */
    _Atomic uint32_t stopping;
    _Atomic uint32_t checkpoint_wanted;
    _Atomic uint64_t checkpoint_failures;
    sop_error checkpoint_error; /* of the last failure; guarded by commit_lock */
    _Atomic uint64_t base_bytes;
};

/* txn_state.c */
sop_slot *sop_engine__slot_acquire(sop_engine *engine);
void sop_engine__slot_release(sop_engine *engine, sop_slot *slot);
sop_state *sop_engine__state_pick(_Atomic(sop_state *) *from, sop_slot *slot);
/* All need commit_lock. */
sop_state *sop_engine__state_new(sop_engine *engine, const sop_state *like);
void sop_engine__state_recycle(sop_engine *engine, sop_state *state);
void sop_engine__state_discard(sop_engine *engine, sop_state *state);
void sop_engine__state_push(sop_engine *engine, sop_state *state, uint64_t seq);
void sop_engine__durable_set(sop_engine *engine, sop_state *state);
void sop_engine__reclaim(sop_engine *engine);
void sop_engine__abandon(sop_engine *engine);
/* One reference less; at the last one the base is put aside. */
void sop_engine__base_release(sop_engine *engine, sop_base *base);
/* Needs no lock: frees what reclaim put aside. */
void sop_engine__bury(sop_engine *engine);
sop_layer *sop_layer__new(void);
uint64_t sop_engine__oldest_snapshot(sop_engine *engine, int writers_only);

/* txn_commit.c */
void sop_engine__wake(sop_engine *engine);
/* What was published after `durable` is lost; unknown_upto: up to here it may yet be found in the log. Needs commit_lock. */
void sop_engine__log_lost(sop_engine *engine,
                          uint64_t unknown_upto,
                          sop_status status,
                          const sop_error *cause);
SOP_MUST_CHECK sop_status sop_engine__failure_report(const sop_engine *engine, sop_error *err);
/* Closes the frame under construction: what is added from now on goes into the next one. The state at its end, NULL when it is
   empty. Needs io_lock and commit_lock. */
sop_state *sop_engine__open_take(sop_engine *engine);
/* Writes the frame that open_take closed, and syncs it. Needs io_lock. */
SOP_MUST_CHECK sop_status sop_engine__taken_write(sop_engine *engine,
                                                  sop_state *end,
                                                  sop_wal_place *place_out,
                                                  sop_error *err);
/* Modes periodic and off: the frame goes into the log at once, unsynced. Needs commit_lock. */
SOP_MUST_CHECK sop_status sop_engine__append_open(sop_engine *engine, sop_error *err);
/* After a commit: book-keeping, and a checkpoint when memory or log have grown. Needs commit_lock. */
void sop_engine__commit_account(sop_engine *engine);
void sop_engine__memory_account(sop_engine *engine);
/* Appends one transaction of the engine itself (FREEZE, CHECKPOINT, LEAVE ...) as the last of its frame, and syncs in mode full or
   when must_sync is set. change, when given, mends the new state before it is published. Takes io_lock and commit_lock. */
typedef void (*sop_state_change)(sop_engine *engine, sop_state *state, uint64_t seq, void *context);
typedef struct {
    uint8_t type;
    sop_slice body;
    sop_state_change change; /* NULL: none */
    void *context;
} sop_special;
SOP_MUST_CHECK sop_status sop_engine__log_special(sop_engine *engine,
                                                  const sop_special *special,
                                                  sop_wal_place *place_out,
                                                  sop_error *err);
SOP_MUST_CHECK sop_status sop_engine__sync_all(sop_engine *engine, sop_error *err);
uint64_t sop_engine__memory_budget(const sop_engine *engine);

uint64_t sop_engine__log_pending(sop_engine *engine);
void sop_engine__checkpoint_request(sop_engine *engine);
/* txn_core.c */
void sop_core__gate_open(sop_core *core);
void sop_core__snapshot_drop(sop_core *core);

/* txn_run.c */
typedef struct sop_runs sop_runs;
/* Whether the write set is so large that it goes to runs. */
int sop_runs__wanted(const sop_core *core);
/* Writes all items but those of the catalogue, and syncs them. No lock is held. */
SOP_MUST_CHECK sop_status sop_runs__write(sop_core *core, sop_runs **out);
/* The op that a run has for a record; 0: none. */
uint8_t sop_runs__op(const sop_record *record);
/* The RUN items, behind all others of the transaction. */
SOP_MUST_CHECK sop_status sop_runs__add(const sop_runs *runs, sop_wal_buffer *buffer);
void sop_runs__committed(const sop_runs *runs, uint64_t seq);
void sop_runs__remove(sop_runs *runs); /* the files: nothing names them */
void sop_runs__free(sop_runs *runs);   /* NULL allowed */
/* A run that the log names, needed for recovery until the base is at seq. Needs commit_lock. */
SOP_MUST_CHECK sop_status sop_engine__run_note(sop_engine *engine,
                                               uint64_t segment,
                                               uint64_t bytes,
                                               uint64_t seq);
/* Removes runs up to base_seq but the newest log_keep bytes, which feeds may ask for. */
void sop_engine__runs_trim(sop_engine *engine, uint64_t base_seq);
SOP_MUST_CHECK sop_status sop_runs__of_frame(const sop_wal_frame *frame,
                                             sop_run_fn fn,
                                             void *context,
                                             sop_error *err);

/* txn_validate.c */
SOP_MUST_CHECK sop_status sop_core__validate(sop_core *core, const sop_state *tip);

/* txn_apply.c: what a logged transaction does to the replicated state; the same code at commit time and in recovery. */
SOP_MUST_CHECK sop_status sop_engine__view(const sop_state *state,
                                           uint64_t store,
                                           sop_view *out,
                                           sop_error *err);

/* txn_engine.c: a database whose history starts after base_seq with the given base (empty descriptor: nothing). */
SOP_MUST_CHECK sop_status sop_engine__create_at(sop_backend *backend,
                                                const sop_superblock *block,
                                                uint64_t base_seq,
                                                sop_slice descriptor,
                                                sop_error *err);

/* txn_recover.c */
/* join: others have the database open, so the log is read up to what they have published. */
SOP_MUST_CHECK sop_status sop_engine__recover(sop_engine *engine, int join, sop_error *err);
/* A new state from the head on, when the log since the tip is gone or does not fit. head: NULL, read it. Needs follow_lock. */
SOP_MUST_CHECK sop_status sop_engine__rebuild(sop_engine *engine,
                                              const sop_wal_frame *head,
                                              sop_error *err);

/* txn_catchup.c */
/* Applies what others have published. Needs follow_lock. */
SOP_MUST_CHECK sop_status sop_engine__follow(sop_engine *engine, sop_error *err);
SOP_MUST_CHECK sop_status sop_engine__refresh_slow(sop_engine *engine, sop_error *err);

/* txn_pen.c */
/* SOP_BUSY: another process is in the middle of something and did not make room in time. */
SOP_MUST_CHECK sop_status sop_engine__pen_take(sop_engine *engine, sop_error *err);
/* Gives the pen back, unless it is pinned or a starving transaction has the gate. Needs io_lock. */
void sop_engine__pen_give(sop_engine *engine);
/* Gives it back if somebody asks or the log failed; _locked needs io_lock. */
void sop_engine__pen_look_locked(sop_engine *engine);
void sop_engine__pen_look(sop_engine *engine);
/* While it is pinned the pen stays here. */
SOP_MUST_CHECK sop_status sop_engine__pen_pin(sop_engine *engine, sop_error *err);
void sop_engine__pen_unpin(sop_engine *engine);
/* Of the keeper: gives the pen back when asked or unused since the last call. 1: it is still here. */
int sop_engine__pen_idle(sop_engine *engine);

/* txn_engine.c */
/* 1: another process with that short incarnation is alive. */
int sop_engine__is_attached(sop_engine *engine, uint64_t short_incarnation);

/* txn_merge.c: base and frozen layers become new trees in segments of a target. */
typedef struct {
    sop_engine *engine;
    const sop_state *state;
    uint32_t layer_end; /* layers [state->reading, layer_end) are merged */
    sop_blobs *target;
    sop_blob_writer *writer;
    const sop_work_options *work;
    uint64_t interrupts;
    int relocate;
    sop_segment_row *rows; /* sorted by segment until finish */
    size_t row_count;
    size_t row_capacity;
    sop_btree table;
    uint64_t bytes_written;
    uint64_t items_seen;
    uint64_t victims[64];
    size_t victim_count;
} sop_merge;
/* rows: those of the base and of value segments; then every store is merged and the table written; finished and synced. */
SOP_MUST_CHECK sop_status sop_merge__run(sop_merge *merge, sop_error *err);
void sop_merge__deinit(sop_merge *merge);
sop_segment_row *sop_merge__row(sop_merge *merge, uint64_t segment);

/* txn_checkpoint.c */
typedef struct {
    sop_base *base;
    uint64_t base_seq;
    uint64_t conflict_window;
    uint64_t oldest_writer;
    int applied;   /* a state has the base */
    int published; /* and the log has the CHECKPOINT */
} sop_publish_change;
/* The state gets the base. A sop_state_change. */
void sop_engine__base_publish(sop_engine *engine, sop_state *state, uint64_t seq, void *context);
/* The oldest layer that is kept for validation only goes: snapshots older than it can no longer be validated. */
void sop_engine__state_drop_oldest(sop_state *state);
/* One checkpoint, bulk load, backup or check at a time among all processes. Needs checkpoint_lock. */
SOP_MUST_CHECK sop_status sop_engine__checkpoint_enter(sop_engine *engine,
                                                       uint32_t wait_ms,
                                                       sop_error *err);
void sop_engine__checkpoint_leave(sop_engine *engine);
SOP_MUST_CHECK sop_status sop_engine__checkpoint_locked(sop_engine *engine, sop_error *err);

/* txn_worker.c */
SOP_MUST_CHECK sop_status sop_engine__workers_start(sop_engine *engine, sop_error *err);
void sop_engine__workers_stop(sop_engine *engine);
void sop_engine__log(const sop_engine *engine, int level, const char *format, ...) SOP_PRINTF(3, 4);

/* SOP_INVALID in the child of a fork: the locks are the parent's. */
SOP_MUST_CHECK sop_status sop_engine__forked(sop_error *err);
SOP_INLINE SOP_MUST_CHECK sop_status sop_engine__fork_check(const sop_engine *engine,
                                                            sop_error *err)
{
    return SOP_LIKELY(sop_backend_forks() == engine->forks) ? SOP_OK : sop_engine__forked(err);
}

/* What readers of this mode may see, as the page tells. */
SOP_INLINE const _Atomic uint64_t *sop_engine__shown(const sop_engine *engine)
{
    const sop_wal_page *page = engine->page;
    return engine->options.sync == SOP_SYNC_FULL ? &page->durable_seq : &page->published_seq;
}

/* Catches up when another process has published something newer. Cost: one load of the shared page. */
SOP_INLINE SOP_MUST_CHECK sop_status sop_engine__refresh(sop_engine *engine, sop_error *err)
{
    sop_status status = sop_engine__fork_check(engine, err);
    if (engine->page == NULL || status != SOP_OK) return status;
    /* Acquire pairs with the release in sop_wal_publish. */
    if (SOP_LIKELY(atomic_load_explicit(sop_engine__shown(engine), memory_order_acquire) <=
                   atomic_load_explicit(&engine->durable_seq, memory_order_relaxed))) {
        return SOP_OK;
    }
    return sop_engine__refresh_slow(engine, err);
}

#endif
