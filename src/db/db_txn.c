/* SPDX-License-Identifier: MIT */
/* Transactions as the public interface shows them. */
#include <string.h>

#include "db/db_internal.h"
#include "util/error.h"
#include "util/memory.h"

enum { CONFLICTS_BEFORE_EXCLUSIVE = 3, UNKNOWN_TRIES = 100 };

sop_status
sop_txn_begin_with(sop_db *db, const sop_txn_options *options, sop_txn **txn_out, sop_error *err)
{
    if (txn_out == NULL) return sop_fail(err, SOP_INVALID, "begin: txn_out is NULL");
    *txn_out = NULL;
    if (db == NULL) return sop_fail(err, SOP_INVALID, "begin: the database is NULL");
    sop_txn_options full = SOP_TXN_OPTIONS_INIT;
    if (options != NULL) {
        if (options->struct_size == 0) {
            return sop_fail(err, SOP_INVALID, "begin: options.struct_size is 0");
        }
        memcpy(&full, options,
               options->struct_size < sizeof full ? options->struct_size : sizeof full);
    }
    if ((unsigned)full.mode > SOP_TXN_WRITE || (unsigned)full.fresh > SOP_FRESH_BARRIER) {
        return sop_fail(err, SOP_INVALID, "begin: mode %d, fresh %d", (int)full.mode, full.fresh);
    }
    sop_txn *txn = sop_alloc_zeroed(sizeof *txn);
    if (txn == NULL) return sop_fail(err, SOP_NO_MEMORY, "begin: out of memory");
    txn->db = db;
    sop_status status = sop_core_init(&txn->core, db->engine, &full, err);
    if (status != SOP_OK) {
        sop_free(txn);
        return status;
    }
    *txn_out = txn;
    return SOP_OK;
}

sop_status sop_txn_begin(sop_db *db, sop_txn_mode mode, sop_txn **txn_out, sop_error *err)
{
    sop_txn_options options = SOP_TXN_OPTIONS_INIT;
    options.mode = mode;
    return sop_txn_begin_with(db, &options, txn_out, err);
}

/* What the cursors have walked over is part of the read set. */
static sop_status cursors_flush(sop_txn *txn)
{
    if (txn->core.mode != SOP_TXN_WRITE) return SOP_OK;
    for (sop_store *store = txn->stores; store != NULL; store = store->next) {
        sop_status status = sop_cursor__flush_all(store);
        if (status != SOP_OK) return status;
    }
    return SOP_OK;
}

static void writers_end(sop_txn *txn)
{
    for (sop_store *store = txn->stores; store != NULL; store = store->next) {
        sop_value__end_all(store);
    }
}

sop_status sop_txn_commit(sop_txn *txn)
{
    if (txn == NULL) return SOP_INVALID;
    sop_status status = sop_core_enter(&txn->core);
    if (status == SOP_OK) status = cursors_flush(txn);
    if (status == SOP_OK) {
        status = sop_core_commit(&txn->core);
    } else {
        sop_core_abort(&txn->core);
    }
    writers_end(txn);
    if (status == SOP_OK && txn->on_commit != NULL) txn->on_commit(txn->db);
    txn->on_commit = NULL;
    return status;
}

void sop_txn_close(sop_txn *txn)
{
    if (txn == NULL) return;
    for (sop_db_attachment *attachment = txn->attachments; attachment != NULL;) {
        sop_db_attachment *next = attachment->next;
        attachment->free(attachment);
        attachment = next;
    }
    sop_store__handles_free(txn);
    sop_core_deinit(&txn->core);
    sop_free(txn);
}

void sop_txn_reset(sop_txn *txn)
{
    if (txn == NULL) return;
    writers_end(txn);
    txn->on_commit = NULL;
    sop_core_reset(&txn->core);
}

sop_status sop_txn_renew(sop_txn *txn)
{
    if (txn == NULL) return SOP_INVALID;
    return sop_core_renew(&txn->core);
}

void sop_txn_cancel(sop_txn *txn)
{
    if (txn != NULL) atomic_store_explicit(&txn->core.cancelled, 1, memory_order_relaxed);
}

uint64_t sop_txn_snapshot(const sop_txn *txn)
{
    return txn == NULL ? 0 : txn->core.snapshot_seq;
}

uint64_t sop_txn_seq(const sop_txn *txn)
{
    return txn == NULL ? 0 : txn->core.commit_seq;
}

sop_txn_token sop_txn_id(const sop_txn *txn)
{
    sop_txn_token none = {{0}};
    return txn == NULL ? none : sop_core_id(&txn->core);
}

const sop_error *sop_txn_error(const sop_txn *txn)
{
    return txn == NULL ? NULL : &txn->core.error;
}

sop_status sop_txn_conflict(const sop_txn *txn, sop_conflict *conflict_out)
{
    if (txn == NULL || conflict_out == NULL || conflict_out->struct_size == 0) return SOP_INVALID;
    sop_conflict conflict = txn->core.conflict;
    if (conflict.kind == SOP_CONFLICT_NONE) return SOP_NOT_FOUND;
    sop_engine_peer_of(txn->db->engine, conflict.by_seq, conflict.by_peer);
    sop_struct__out(conflict_out, &conflict, sizeof conflict);
    return SOP_OK;
}

sop_status sop_txn_note(sop_txn *txn, sop_slice note)
{
    if (txn == NULL) return SOP_INVALID;
    sop_status status = sop_core_enter(&txn->core);
    if (status != SOP_OK) return status;
    sop_error *err = &txn->core.error;
    if (txn->core.mode != SOP_TXN_WRITE) {
        return sop_fail(err, SOP_READ_ONLY, "note: the transaction only reads");
    }
    if (note.size > SOP_NOTE_SIZE_MAX) {
        return sop_fail(err, SOP_TOO_LARGE, "note: %zu bytes, at most %d", note.size,
                        SOP_NOTE_SIZE_MAX);
    }
    if (note.data == NULL && note.size != 0) {
        return sop_fail(err, SOP_INVALID, "note: NULL but %zu bytes", note.size);
    }
    void *copy = sop_arena_copy(&txn->core.arena, note.data, note.size);
    if (copy == NULL) return sop_fail(err, SOP_NO_MEMORY, "note: out of memory");
    txn->core.note = (sop_slice){copy, note.size};
    return SOP_OK;
}

void sop_txn_track(sop_txn *txn, int on)
{
    if (txn == NULL) return;
    /* What was walked over so far must be recorded before tracking stops; if that fails tracking goes on. */
    if (!on && txn->core.state != NULL && cursors_flush(txn) != SOP_OK) return;
    txn->core.tracking = on != 0;
}

/* Asks for the outcome of a commit that came back unknown. */
static sop_status settle(sop_db *db, sop_txn_token id)
{
    for (int i = 0; i < UNKNOWN_TRIES; i++) {
        sop_outcome outcome;
        uint64_t seq;
        sop_status status = sop_db_outcome(db, id, &outcome, &seq, NULL);
        if (status != SOP_OK) return status;
        if (outcome == SOP_OUTCOME_COMMITTED) return SOP_OK;
        if (outcome == SOP_OUTCOME_ABORTED) return SOP_CONFLICT;
        if (outcome == SOP_OUTCOME_UNKNOWN) break;
    }
    return SOP_COMMIT_UNKNOWN;
}

static sop_status attempt(sop_db *db, sop_txn *txn, sop_txn_body body, void *context)
{
    sop_status status = body(txn, context);
    if (status != SOP_OK) return status;
    sop_txn_token id = sop_txn_id(txn);
    status = sop_txn_commit(txn);
    return status == SOP_COMMIT_UNKNOWN ? settle(db, id) : status;
}

sop_status sop_txn_run(
    sop_db *db, const sop_txn_options *options, sop_txn_body body, void *context, sop_error *err)
{
    if (body == NULL) return sop_fail(err, SOP_INVALID, "run: the body is NULL");
    sop_txn *txn;
    sop_status status = sop_txn_begin_with(db, options, &txn, err);
    if (status != SOP_OK) return status;
    for (unsigned conflicts = 1; (status = attempt(db, txn, body, context)) == SOP_CONFLICT;
         conflicts++) {
        sop_txn_reset(txn);
        /* The gate closes before the snapshot is taken, so that no commit can come between. */
        if (conflicts >= CONFLICTS_BEFORE_EXCLUSIVE) sop_core_exclusive(&txn->core);
        status = sop_txn_renew(txn);
        if (status != SOP_OK) break;
    }
    if (status != SOP_OK && err != NULL) {
        *err = txn->core.error;
        if (err->status != status) (void)sop_fail(err, status, "%s", sop_status_text(status));
    }
    sop_txn_close(txn);
    return status;
}
