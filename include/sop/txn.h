/* SPDX-License-Identifier: MIT */
/*
 * Transactions: strictly serialisable, optimistic, many readers and writers at once.
 *
 * A transaction sees one unchanging snapshot plus its own writes. Nobody else sees these before
 * the commit, and the commit fails with SOP_CONFLICT if something that the transaction read was
 * changed meanwhile. Readers block nobody and are blocked by nobody.
 *
 * A transaction, its stores, cursors and writers belong to one thread at a time; they may move to
 * another thread with synchronisation from outside. After sop_txn_commit, whatever it returned,
 * only sop_txn_id, _seq, _error, _conflict, _reset, _renew and _close are allowed.
 *
 * Common errors. Besides what it lists, every call on a transaction, store, cursor or writer may
 * return SOP_INVALID (bad argument, a key that is empty or too long, or the transaction has ended),
 * SOP_TIMEOUT (its deadline has passed), SOP_CANCELLED (sop_txn_cancel), SOP_NO_MEMORY, SOP_IO and
 * SOP_CORRUPT (the medium; sop_txn_error names file and offset). Calls that write may return
 * SOP_READ_ONLY (a READ transaction or database) and SOP_TOO_LARGE (a limit, or txn_memory_max). A
 * call that fails changes nothing in the transaction, and the transaction may go on; only
 * sop_store_remove_range may have removed a part.
 */
#ifndef SOP_TXN_H
#define SOP_TXN_H

#include "sop/db.h"
#include "sop/types.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sop_txn sop_txn;

typedef enum { SOP_TXN_DEFAULT = 0, SOP_TXN_READ = 1, SOP_TXN_WRITE = 2 } sop_txn_mode;
/* sop_txn_options.fresh: every commit acknowledged anywhere; what this process knows, without
   asking; proven by a frame of its own. */
enum { SOP_FRESH_LATEST = 0, SOP_FRESH_LOCAL = 1, SOP_FRESH_BARRIER = 2 };

typedef struct {
    size_t struct_size;
    sop_txn_mode mode;    /* default: SOP_TXN_WRITE */
    int fresh;            /* SOP_FRESH_...; all the same in one process */
    int durable;          /* 1: a WRITE transaction sees only what is on disk already */
    uint32_t deadline_ms; /* calls give SOP_TIMEOUT after this; 0: none */
} sop_txn_options;
/* clang-format off */
#define SOP_TXN_OPTIONS_INIT {sizeof(sop_txn_options), SOP_TXN_DEFAULT, 0, 0, 0}
/* clang-format on */

typedef enum {
    SOP_CONFLICT_NONE = 0,
    SOP_CONFLICT_KEY = 1,       /* a key it read was written */
    SOP_CONFLICT_RANGE = 2,     /* a range it read was written */
    SOP_CONFLICT_CATALOGUE = 3, /* a store it used was dropped, renamed or altered */
    SOP_CONFLICT_HORIZON = 4    /* it ran too long to be validated */
} sop_conflict_kind;

typedef struct {
    size_t struct_size;
    sop_conflict_kind kind;
    uint64_t store_id;
    sop_slice key;   /* the key, or the first one of the range; valid until reset, renew or close */
    uint64_t by_seq; /* the commit in the way; 0 if not known */
    uint8_t by_peer[16];
} sop_conflict;
/* clang-format off */
#define SOP_CONFLICT_INIT {sizeof(sop_conflict), SOP_CONFLICT_NONE, 0, {0, 0}, 0, {0}}
/* clang-format on */

#define SOP_NOTE_SIZE_MAX 4096

/*
 * Begin a transaction.
 *
 * db         an open database.
 * mode       SOP_TXN_READ, SOP_TXN_WRITE or SOP_TXN_DEFAULT (write).
 * txn_out    the handle; NULL on failure. Free it with sop_txn_close.
 * err        what went wrong; may be NULL.
 *
 * Returns:   SOP_OK; SOP_READ_ONLY (a WRITE on a read-only database); SOP_INVALID; SOP_NO_MEMORY.
 * Lifetime:  txn_out lives until sop_txn_close, and must be closed before the database.
 * Threads:   any; the transaction then belongs to one thread.
 * Cost:      one allocation; no lock and no system call. sop_txn_renew saves the allocation.
 * Source:    serialisability by validation, as in Kung and Robinson 1981.
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_txn_begin(sop_db *db,
                                                sop_txn_mode mode,
                                                sop_txn **txn_out,
                                                sop_error *err);
/*
 * Begin a transaction with options.
 *
 * db         an open database.
 * options    begun with SOP_TXN_OPTIONS_INIT; NULL: all defaults.
 * txn_out    the handle; NULL on failure. Free it with sop_txn_close.
 * err        what went wrong; may be NULL.
 *
 * Returns:   SOP_OK; as sop_txn_begin.
 * Lifetime:  as sop_txn_begin.
 * Threads:   any; the transaction then belongs to one thread.
 * Cost:      as sop_txn_begin.
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_txn_begin_with(sop_db *db,
                                                     const sop_txn_options *options,
                                                     sop_txn **txn_out,
                                                     sop_error *err);
/*
 * Commit: validate what was read, publish all writes at once, and return when they are as durable
 * as the sync mode says.
 *
 * txn        a transaction that has not ended. Value writers still open in it are aborted.
 *
 * Returns:   SOP_OK; SOP_CONFLICT: nothing applied, see sop_txn_conflict and begin again;
 *            SOP_COMMIT_UNKNOWN: the sync failed, ask sop_db_outcome after a reopen. With any other
 *            error (SOP_IO, SOP_FULL, SOP_TOO_LARGE, ...) nothing was applied.
 * Lifetime:  ends all slices, cursors and writers of the transaction.
 * Threads:   only the thread that owns the transaction; it may commit for others that wait.
 * Cost:      O(reads x log of recent changes) to validate; one sync, shared with all that wait.
 * Source:    ARCHITECTURE.md, The life of a commit.
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_txn_commit(sop_txn *txn);
/*
 * End a transaction and free it with every store, cursor and writer of it; without a commit before,
 * it is undone.
 *
 * txn        NULL is allowed and does nothing.
 *
 * Lifetime:  ends every handle and slice of the transaction.
 * Threads:   only the thread that owns the transaction.
 * Since:     0.1
 */
SOP_API void sop_txn_close(sop_txn *txn);
/*
 * Let go of the snapshot and forget the writes, but keep memory and store handles for
 * sop_txn_renew. A reader that rests should do this, for snapshots hold memory and disk space.
 *
 * txn        in any state.
 *
 * Lifetime:  ends all slices, cursors and writers; store handles stay, unusable until renewed.
 * Threads:   only the thread that owns the transaction.
 * Since:     0.1
 */
SOP_API void sop_txn_reset(sop_txn *txn);
/*
 * Give a transaction that was reset, or that has committed or failed to, a new snapshot and a new
 * identity. Its store handles are usable again.
 *
 * txn        reset or ended; else SOP_INVALID.
 *
 * Returns:   SOP_OK; SOP_INVALID. A store that was dropped meanwhile gives SOP_NOT_FOUND when it is
 *            used.
 * Threads:   only the thread that owns the transaction.
 * Cost:      no allocation, no lock, no system call.
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_txn_renew(sop_txn *txn);
/*
 * Make the calls of a transaction return SOP_CANCELLED until it is renewed. A commit that has
 * begun goes on to its end.
 *
 * txn        not yet closed; the caller sees to that.
 *
 * Threads:   any; it is the one call allowed from another thread.
 * Since:     0.1
 */
SOP_API void sop_txn_cancel(sop_txn *txn);
/*
 * The commit up to which a transaction sees the database.
 *
 * txn        not closed.
 *
 * Returns:   a seq; after reset, that of the snapshot it had.
 * Threads:   only the thread that owns the transaction.
 * Since:     0.1
 */
SOP_API uint64_t sop_txn_snapshot(const sop_txn *txn);
/*
 * The place of a committed transaction in the order of all commits.
 *
 * txn        not closed.
 *
 * Returns:   its seq; 0 before the commit, after a failed one, and when it wrote nothing.
 * Threads:   only the thread that owns the transaction.
 * Since:     0.1
 */
SOP_API uint64_t sop_txn_seq(const sop_txn *txn);
/*
 * The name of a transaction, by which sop_db_outcome finds it even after a crash.
 *
 * txn        not closed.
 *
 * Returns:   the token; unique for ever; sop_txn_renew gives a new one. All zero for a READ
 *            transaction.
 * Threads:   only the thread that owns the transaction.
 * Since:     0.1
 */
SOP_API sop_txn_token sop_txn_id(const sop_txn *txn);
/*
 * The last error of a transaction and of the stores, cursors and writers in it.
 *
 * txn        not closed.
 *
 * Returns:   never NULL; status SOP_OK before the first error. SOP_NOT_FOUND and SOP_EXISTS carry
 *            no message.
 * Lifetime:  until the next call on the transaction.
 * Threads:   only the thread that owns the transaction.
 * Since:     0.1
 */
SOP_API const sop_error *sop_txn_error(const sop_txn *txn);
/*
 * What a commit that returned SOP_CONFLICT collided with.
 *
 * txn            a transaction.
 * conflict_out   begun with SOP_CONFLICT_INIT; left as it is if there was no conflict.
 *
 * Returns:   SOP_OK; SOP_NOT_FOUND (there was no conflict); SOP_INVALID (struct_size).
 * Lifetime:  conflict_out->key is valid until reset, renew or close.
 * Threads:   only the thread that owns the transaction.
 * Cost:      O(1).
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_txn_conflict(const sop_txn *txn, sop_conflict *conflict_out);
/*
 * Attach a note (author, message) to the commit: kept in the log, shown by the change feed.
 *
 * txn        a WRITE transaction.
 * note       0 to 4,096 bytes (SOP_NOTE_SIZE_MAX), copied; replaces an earlier one.
 *
 * Returns:   SOP_OK; SOP_TOO_LARGE; SOP_READ_ONLY; the common errors.
 * Threads:   only the thread that owns the transaction.
 * Cost:      a copy.
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_txn_note(sop_txn *txn, sop_slice note);
/*
 * Switch the recording of reads off or on. What is read while it is off cannot cause a conflict:
 * the transaction is then only as isolated as its snapshot.
 *
 * txn        a transaction; READ ones never record.
 * on         0: stop recording; else record, as at the beginning.
 *
 * Threads:   only the thread that owns the transaction.
 * Source:    write skew under snapshot isolation: Berenson et al. 1995.
 * Since:     0.1
 */
SOP_API void sop_txn_track(sop_txn *txn, int on);

/* Never commits; a status other than SOP_OK aborts and is returned; SOP_CONFLICT begins again. */
typedef sop_status (*sop_txn_body)(sop_txn *txn, void *context);
/*
 * Run a function in a transaction, commit, and run it again after every conflict. A commit of
 * unknown outcome is settled by its token before anything is repeated.
 *
 * db         an open database.
 * options    NULL: all defaults. deadline_ms counts from the first attempt.
 * body       called once or more; has no effects of its own that must not be repeated.
 * context    handed to body.
 * err        what went wrong; may be NULL.
 *
 * Returns:   SOP_OK (committed); what body returned, other than SOP_CONFLICT; SOP_TIMEOUT;
 *            SOP_CANCELLED; SOP_COMMIT_UNKNOWN (could not be settled); as sop_txn_commit.
 * Threads:   any; body runs in the calling thread.
 * Cost:      as body and commit. After 3 conflicts other commits wait, at most 100 ms, so that
 *            nobody starves.
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_txn_run(
    sop_db *db, const sop_txn_options *options, sop_txn_body body, void *context, sop_error *err);

#ifdef __cplusplus
}
#endif
#endif
