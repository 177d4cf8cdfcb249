/* SPDX-License-Identifier: MIT */
/*
 * The change feed: what committed after a seq, in order, then wait for more.
 *
 * Changes come transaction by transaction in the order of commits, each followed by
 * SOP_CHANGE_COMMIT. A follower that keeps the last seq it has seen whole can stop and go on at any
 * time, as long as the history is kept (log_keep, 256 MiB). After SOP_SNAPSHOT_TOO_OLD, scan the
 * stores in one READ transaction, and follow from its sop_txn_snapshot.
 */
#ifndef SOP_CHANGES_H
#define SOP_CHANGES_H

#include "sop/db.h"
#include "sop/types.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sop_changes sop_changes;

typedef enum {
    SOP_CHANGE_INSERT = 1,
    SOP_CHANGE_UPDATE = 2,
    SOP_CHANGE_REMOVE = 3,
    SOP_CHANGE_STORE_CREATE = 4, /* key: the name */
    SOP_CHANGE_STORE_DROP = 5,
    SOP_CHANGE_STORE_ALTER = 6, /* renamed or other attributes */
    SOP_CHANGE_STORE_LOAD = 7,  /* created by a bulk load: read the store */
    SOP_CHANGE_COMMIT = 8       /* the end of a transaction; its note is in value */
} sop_change_kind;

typedef struct {
    size_t struct_size;
    sop_change_kind kind;
    uint64_t seq;
    uint64_t wall_ns; /* since 1970, the clock of the writer */
    sop_txn_token txn;
    uint64_t store_id;
    sop_slice key;       /* valid until the next call on the feed */
    sop_slice value;     /* likewise; empty for a large value */
    uint64_t value_size; /* of the new value */
} sop_change;
/* clang-format off */
#define SOP_CHANGE_INIT {sizeof(sop_change), SOP_CHANGE_COMMIT, 0, 0, {{0}}, 0, {0, 0}, {0, 0}, 0}
/* clang-format on */

/*
 * Open a feed.
 *
 * db            an open database.
 * after_seq     the first change handed out is that of the next commit after it; 0: from the
 *               beginning.
 * changes_out   the feed; NULL on failure. Close it with sop_changes_close.
 * err           what went wrong; may be NULL.
 *
 * Returns:   SOP_OK; SOP_INVALID (after_seq lies ahead of the newest commit); SOP_NO_MEMORY. That
 *            history is no longer kept is told by sop_changes_next.
 * Lifetime:  changes_out lives until sop_changes_close, and must be closed before the database.
 * Threads:   any; the feed then belongs to one thread at a time.
 * Cost:      one allocation; the place in the log is found by the first sop_changes_next.
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_changes_open(sop_db *db,
                                                   uint64_t after_seq,
                                                   sop_changes **changes_out,
                                                   sop_error *err);
/*
 * The next change; if there is none yet, wait for it. Only durable commits are handed out (with
 * sync modes other than full: published ones).
 *
 * changes      an open feed.
 * timeout_ms   how long to wait at most; 0: not at all; negative: no limit.
 * change_out   begun with SOP_CHANGE_INIT. The key is the one given by the user, also with
 *              duplicates.
 *
 * Returns:   SOP_OK; SOP_TIMEOUT (nothing came); SOP_CANCELLED (sop_db_interrupt);
 *            SOP_SNAPSHOT_TOO_OLD (history after that seq is no longer kept); SOP_INVALID
 *            (struct_size);
 *            SOP_IO; SOP_CORRUPT; SOP_NO_MEMORY.
 * Lifetime:  key and value in change_out are valid until the next call on the feed.
 * Threads:   only the thread that owns the feed.
 * Cost:      O(1) each; the log is read sequentially.
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_changes_next(sop_changes *changes,
                                                   int timeout_ms,
                                                   sop_change *change_out);
/*
 * Close a feed.
 *
 * changes    NULL is allowed and does nothing.
 *
 * Lifetime:  ends the slices that came from the feed.
 * Threads:   only the thread that owns the feed.
 * Since:     0.1
 */
SOP_API void sop_changes_close(sop_changes *changes);
/*
 * The last error of a feed.
 *
 * changes    an open feed.
 *
 * Returns:   never NULL; status SOP_OK before the first error.
 * Lifetime:  until the next call on the feed.
 * Threads:   only the thread that owns the feed.
 * Since:     0.1
 */
SOP_API const sop_error *sop_changes_error(const sop_changes *changes);

#ifdef __cplusplus
}
#endif
#endif
