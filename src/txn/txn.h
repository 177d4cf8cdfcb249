/* SPDX-License-Identifier: MIT */
/*
 * The engine: states of one open database, optimistic transactions over them, group commit, checkpoints, recovery.
 *
 * txn-1  A state is (base, memtable layers, seq) and never changes. `tip` is the newest, possibly not yet durable; `durable` is the
 *        newest whose frame is on stable storage (modes periodic and off: the newest whose frame is written).
 * txn-2  A transaction announces the seq of its state in a slot of its own before it uses the state; a state is recycled only
 *        when it is older than `durable`, is not the tip, and no slot announces its seq.
 * txn-3  A commit is validated against the tip under commit_lock: nothing that it read has a newer seq in any kept layer, else it is
 *        refused and nothing of it is applied.
 * txn-4  Acknowledged implies durable in mode full. A sync is never retried; after a failed one the tip falls back to the durable
 *        state and every later commit is refused.
 * txn-5  Lock order: checkpoint_lock, pen_lock, follow_lock, io_lock, commit_lock. No I/O under commit_lock except, in modes
 *        periodic and off, the copy of a frame into the mapped log, and while catching up, when nobody commits here anyway.
 * txn-6  A commit is validated, applied and written only while this process holds the pen and has applied everything published.
 */
#ifndef SOP_TXN_TXN_H
#define SOP_TXN_TXN_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "sop/changes.h"
#include "sop/db.h"
#include "sop/inspect.h"
#include "sop/txn.h"
#include "sop/types.h"

#include "backend/backend.h"
#include "blob/blob.h"
#include "btree/btree.h"
#include "memtable/memtable.h"
#include "snapshot/snapshot.h"
#include "util/arena.h"
#include "wal/wal.h"

typedef struct sop_engine sop_engine;
typedef struct sop_state sop_state;
typedef struct sop_base sop_base;

/* ---- the catalogue: rows of store 0 ---- */

#define SOP_CATALOGUE_STORE 0u
/* Keys of store 0: one byte of kind, then nothing, a big-endian id, or a name. */
enum { SOP_CATALOGUE_NEXT_ID = 0, SOP_CATALOGUE_ROW = 1, SOP_CATALOGUE_NAME = 2 };
#define SOP_CATALOGUE_ROW_KEY_SIZE 9u

/* Feature bits that this build understands; a row with others is read-only. */
enum { SOP_FEATURE_DUPLICATES = 1, SOP_FEATURE_SPEC = 2 };
#define SOP_FEATURES_KNOWN 3u

/* One store. Slices point into the decoded bytes. */
typedef struct {
    uint64_t id;
    sop_slice name;
    uint8_t kind;
    uint32_t inline_value_max;
    uint32_t features; /* required-feature bits */
    sop_slice attributes;
    sop_slice load_root; /* made by a bulk load: SOP_BTREE_ROW_SIZE bytes; else empty */
    sop_slice load_rows; /* its segments, SOP_SEGMENT_ROW_SIZE bytes each */
    sop_slice
        spec; /* of a document store: JSON of the document room; empty without SOP_FEATURE_SPEC */
} sop_catalogue_row;

#define SOP_SEGMENT_ROW_SIZE 28u
void sop_segment_row_encode(const sop_segment_row *row, uint8_t out[SOP_SEGMENT_ROW_SIZE]);
void sop_segment_row_decode(const uint8_t in[SOP_SEGMENT_ROW_SIZE], sop_segment_row *out);

void sop_catalogue_row_key(uint64_t id, uint8_t out[SOP_CATALOGUE_ROW_KEY_SIZE]);
/* A row above this lies apart from its leaf, as a large value of one extent. */
#define SOP_CATALOGUE_ROW_INLINE_MAX 8192u
#define SOP_CATALOGUE_ROW_MAX        SOP_VALUE_EXTENT_MAX
/* The bytes of a row from the value that store 0 has: itself, or in the map of a segment. */
SOP_MUST_CHECK sop_status sop_catalogue_row_bytes(
    sop_value_source source, sop_slice value, int is_reference, sop_slice *out, sop_error *err);
/* Bytes of the row, from sop_alloc; the caller frees. */
SOP_MUST_CHECK sop_status sop_catalogue_row_encode(const sop_catalogue_row *row,
                                                   uint8_t **bytes_out,
                                                   size_t *size_out,
                                                   sop_error *err);
SOP_MUST_CHECK sop_status sop_catalogue_row_decode(uint64_t id,
                                                   sop_slice bytes,
                                                   sop_catalogue_row *out,
                                                   sop_error *err);

/* ---- engine ---- */

typedef struct {
    sop_backend *backend; /* owned by the engine after a successful open */
    int sync;             /* SOP_SYNC_... */
    uint32_t sync_ms;
    uint32_t busy_timeout_ms;
    uint64_t memory_max;
    uint64_t txn_memory_max;
    uint64_t conflict_window;
    uint64_t log_keep;
    int workers;
    int read_only;
    sop_log_fn log;
    void *log_context;
} sop_engine_options;

/* Identity of a database, from its superblock. */
typedef struct {
    uint32_t format_major;
    uint32_t format_minor;
    uint8_t id[16];
    uint8_t incarnation[16];
} sop_superblock;
#define SOP_FORMAT_MAJOR 1u
#define SOP_FORMAT_MINOR 0u

SOP_MUST_CHECK sop_status sop_superblock_read(sop_backend *backend,
                                              sop_superblock *out,
                                              sop_error *err);
SOP_MUST_CHECK sop_status sop_superblock_write(sop_backend *backend,
                                               const sop_superblock *block,
                                               sop_error *err);

/* Writes an empty database into an unpublished backend; the caller publishes. */
SOP_MUST_CHECK sop_status sop_engine_create(sop_backend *backend, sop_error *err);
/* Recovers, alone or beside other processes, and starts the workers. SOP_BUSY: another process opens or closes it for too long. */
SOP_MUST_CHECK sop_status sop_engine_open(const sop_engine_options *options,
                                          sop_engine **out,
                                          sop_error *err);
/* SOP_BUSY while transactions are open. Else everything is released, whatever is returned. */
SOP_MUST_CHECK sop_status sop_engine_close(sop_engine *engine, sop_error *err);
/* Long calls that are running return SOP_CANCELLED: they compare the count with the one at their start. */
void sop_engine_interrupt(sop_engine *engine);
uint64_t sop_engine_interrupts(const sop_engine *engine);
SOP_MUST_CHECK sop_status sop_engine_sync(sop_engine *engine, sop_error *err);
SOP_MUST_CHECK sop_status sop_engine_checkpoint(sop_engine *engine, sop_error *err);
void sop_engine_stats(sop_engine *engine, sop_stats *out);
void sop_engine_info(sop_engine *engine, sop_db_info *out);
SOP_MUST_CHECK sop_status sop_engine_outcome(
    sop_engine *engine, sop_txn_token token, sop_outcome *out, uint64_t *seq_out, sop_error *err);
/* Checks log, segments, trees and large values of the newest durable state. Findings are counted and handed to the callback. */
SOP_MUST_CHECK sop_status sop_engine_check(sop_engine *engine,
                                           const sop_check_options *options,
                                           sop_check_report *out,
                                           sop_error *err);
/* Copies the newest durable state into an unpublished backend and makes a database of it; the caller publishes. */
SOP_MUST_CHECK sop_status sop_engine_backup(sop_engine *engine,
                                            sop_backend *target,
                                            const sop_work_options *options,
                                            sop_error *err);
/* Ranges of bytes that something refers to. */
SOP_MUST_CHECK sop_status sop_engine_map(sop_engine *engine,
                                         sop_range_fn fn,
                                         void *context,
                                         sop_error *err);

/* The incarnation that committed seq; zeros when it is no longer known. */
void sop_engine_peer_of(sop_engine *engine, uint64_t seq, uint8_t peer_out[16]);

sop_blobs *sop_engine_blobs(sop_engine *engine);
sop_wal *sop_engine_wal(sop_engine *engine);
const sop_engine_options *sop_engine_options_get(const sop_engine *engine);
uint64_t sop_engine_durable_seq(const sop_engine *engine);
/* What other processes have committed by now becomes visible here. */
SOP_MUST_CHECK sop_status sop_engine_refresh(sop_engine *engine, sop_error *err);
/* Sleeps until something newer than seq is durable, at most timeout_ns. */
void sop_engine_wait_newer(sop_engine *engine, uint64_t seq, uint64_t timeout_ns);

/* ---- items of the log ---- */

/* A sorted run that the log names: what was written of a very large transaction before its commit. */
typedef sop_status (*sop_run_fn)(sop_address address, void *context);

/* Walks the items of a logged transaction as they were applied, those of its runs included. */
typedef struct {
    sop_run_fn note; /* called for each run before its items; NULL: none */
    void *context;
    int lost; /* a run was removed or is missing; then the status is SOP_CORRUPT */
    /* private */
    sop_blobs *blobs;
    const sop_segments *segments;
    sop_wal_items items; /* of the frame */
    sop_wal_items frame; /* the same again, beside the runs */
    sop_wal_item beside;
    int has_beside;
    int beside_ended;
    sop_address run;
    uint64_t store;
    uint32_t left; /* items of the run still to come */
    const uint8_t *at;
    const uint8_t *end;
} sop_run_items;
/* segments: of any base; runs that it does not hold are looked up by name. */
void sop_run_items_init(sop_run_items *items,
                        const sop_wal_txn_view *txn,
                        sop_blobs *blobs,
                        const sop_segments *segments);
/* SOP_NOT_FOUND at the end. The slices are valid while the frame is, and the set of segments is held. */
SOP_MUST_CHECK sop_status sop_run_items_next(sop_run_items *items,
                                             sop_wal_item *out,
                                             sop_error *err);
SOP_MUST_CHECK sop_status sop_run_verify(sop_blobs *blobs,
                                         const sop_segments *segments,
                                         sop_address address,
                                         sop_error *err);
sop_address sop_run_address(const sop_wal_item *item);

/* ---- transactions ---- */

/* One thing a transaction read: a key (is_range 0), or [from, to) (to.data NULL: to the end). */
typedef struct {
    uint64_t store;
    sop_slice from;
    sop_slice to;
    uint8_t is_range;
    uint8_t shape_only; /* only inserts and removes matter */
} sop_read;

/* The part of a transaction that the engine knows. One thread at a time, except `cancelled`. */
typedef struct {
    sop_engine *engine;
    struct sop_slot *slot;
    sop_state *state; /* NULL: reset, committed or failed */
    sop_txn_mode mode;
    int durable; /* option of that name */
    int tracking;
    int exclusive;        /* holds the commit gate */
    sop_status spoiled;   /* not SOP_OK: a call failed half way, only ending is left */
    uint64_t deadline_ns; /* boot clock; 0: none */
    uint32_t deadline_ms;
    _Atomic uint32_t cancelled;
    uint64_t snapshot_seq;
    uint64_t commit_seq;
    sop_memtable *writes;
    const sop_memtable_root *write_root; /* NULL: nothing written */
    uint64_t write_version;              /* rises with each write and each new snapshot */
    uint64_t snapshot_version;           /* rises with each new snapshot and when it ends */
    int has_references;                  /* a large value was written */
    int has_load;                        /* writes a catalogue row of a bulk load */
    sop_read *reads;
    size_t read_count;
    size_t read_capacity;
    sop_arena arena; /* keys of the read set, note, conflict key */
    sop_slice note;
    sop_conflict conflict;
    sop_error error;
} sop_core;

SOP_MUST_CHECK sop_status sop_core_init(sop_core *core,
                                        sop_engine *engine,
                                        const sop_txn_options *options,
                                        sop_error *err);
void sop_core_deinit(sop_core *core);
/* Drops snapshot, reads and writes; keeps memory. */
void sop_core_reset(sop_core *core);
/* A new snapshot after reset or commit. */
SOP_MUST_CHECK sop_status sop_core_renew(sop_core *core);
/* Whatever is returned, the snapshot is gone afterwards. */
SOP_MUST_CHECK sop_status sop_core_commit(sop_core *core);
/* A call that writes several items failed after the first: the transaction must not commit. */
void sop_core_spoil(sop_core *core, sop_status status);
/* Ends the transaction without committing. */
void sop_core_abort(sop_core *core);
/* The slot remembers the id while the transaction is open, so const callers may draw it. */
sop_txn_token sop_core_id(const sop_core *core);

SOP_MUST_CHECK sop_status sop_core_enter_slow(sop_core *core);
/* Called on entry of every operation: SOP_INVALID without a snapshot, SOP_CANCELLED, SOP_TIMEOUT, SOP_IO after the state was lost. */
SOP_INLINE SOP_MUST_CHECK sop_status sop_core_enter(sop_core *core)
{
    if (SOP_LIKELY(core->state != NULL && core->deadline_ns == 0 && core->mode == SOP_TXN_READ &&
                   atomic_load_explicit(&core->cancelled, memory_order_relaxed) == 0)) {
        return SOP_OK;
    }
    return sop_core_enter_slow(core);
}

SOP_MUST_CHECK sop_status sop_core_read_key(sop_core *core, uint64_t store, sop_slice key);
SOP_MUST_CHECK sop_status
sop_core_read_range(sop_core *core, uint64_t store, sop_slice from, sop_slice to, int shape_only);
/* below: SOP_BELOW_...; ANY for a blind put. */
SOP_MUST_CHECK sop_status sop_core_write(
    sop_core *core, uint64_t store, sop_slice key, sop_slice value, unsigned flags, int below);
/* Looks up what lies below the blind puts of a store, so that counts and ranks are right. */
SOP_MUST_CHECK sop_status sop_core_resolve(sop_core *core, uint64_t store);
/* Remembers the base tree of a store from one snapshot to the next; all zero is valid. */
typedef struct {
    uint64_t base_serial;
    sop_btree tree;
} sop_view_cache;
/* The store as this transaction sees it. Valid until write_version changes. cache may be NULL. */
SOP_MUST_CHECK sop_status sop_core_view(sop_core *core,
                                        uint64_t store,
                                        sop_view_cache *cache,
                                        sop_view *out);
/* The transaction's own changes of a store, NULL: none. */
const sop_memtree *sop_core_writes(const sop_core *core, uint64_t store);
/* seq of the newest change of the catalogue in the transaction's snapshot. */
uint64_t sop_core_catalogue_seq(const sop_core *core);
const sop_segments *sop_core_segments(const sop_core *core);
/* Keeps other commits of this process out until the transaction ends, for at most 100 ms. */
void sop_core_exclusive(sop_core *core);
/* key followed by a zero byte, in the transaction's arena: the range end that includes key. NULL data: no memory. */
sop_slice sop_core_key_after(sop_core *core, sop_slice key);

#endif
