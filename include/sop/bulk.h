/* SPDX-License-Identifier: MIT */
/*
 * Bulk load: sorted input straight into a new store.
 *
 * The tree is written bottom-up to its own segments, synced, and published by one ordinary commit,
 * so that a crash leaves the whole store or nothing. Several loads may run at once.
 */
#ifndef SOP_BULK_H
#define SOP_BULK_H

#include "sop/db.h"
#include "sop/store.h"
#include "sop/types.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sop_bulk sop_bulk;

/*
 * Begin to load a new store.
 *
 * db         an open database.
 * store      the name of the store that the load creates, as in sop_store_create.
 * options    NULL: unique keys, all defaults.
 * bulk_out   the load; NULL on failure. End it with sop_bulk_finish or sop_bulk_abort.
 * err        what went wrong; may be NULL.
 *
 * Returns:   SOP_OK; SOP_EXISTS (the name is taken); SOP_INVALID (name, options); SOP_READ_ONLY;
 *            SOP_FULL; SOP_IO; SOP_NO_MEMORY.
 * Lifetime:  bulk_out lives until finish or abort, and must end before the database is closed.
 * Threads:   any; the load then belongs to one thread at a time.
 * Cost:      some buffers of 4 MiB.
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_bulk_open(sop_db *db,
                                                const char *store,
                                                const sop_store_options *options,
                                                sop_bulk **bulk_out,
                                                sop_error *err);
/*
 * Add the next item.
 *
 * bulk       an open load.
 * key        1 to 4,096 bytes, above the key before (with duplicates: not below it); not kept.
 * value      0 bytes to 2^48 (SOP_VALUE_SIZE_MAX); not kept.
 *
 * Returns:   SOP_OK; SOP_INVALID (a key that is empty or too long, or keys not ascending; the item is
 *            not added and the load may go on); after SOP_FULL, SOP_IO, SOP_TOO_LARGE and
 *            SOP_NO_MEMORY the load can only be aborted; SOP_CANCELLED.
 * Threads:   only the thread that owns the load.
 * Cost:      O(1); sequential writes.
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_bulk_add(sop_bulk *bulk, sop_slice key, sop_slice value);
/*
 * Finish a load: sync what was written and commit the new store.
 *
 * bulk       an open load; freed on success. After a failure read sop_bulk_error and abort it.
 * seq_out    the seq it committed as; may be NULL.
 *
 * Returns:   SOP_OK (durable as the sync mode says); SOP_EXISTS (the name was taken meanwhile);
 *            SOP_CONFLICT; SOP_COMMIT_UNKNOWN; SOP_CANCELLED; SOP_FULL; SOP_IO; SOP_NO_MEMORY.
 * Threads:   only the thread that owns the load.
 * Cost:      one sync of the segments and one commit.
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_bulk_finish(sop_bulk *bulk, uint64_t *seq_out);
/*
 * Give up a load. What it wrote becomes dead space; no store appears.
 *
 * bulk       NULL is allowed and does nothing.
 *
 * Threads:   only the thread that owns the load.
 * Since:     0.1
 */
SOP_API void sop_bulk_abort(sop_bulk *bulk);
/*
 * The last error of a load.
 *
 * bulk       an open load.
 *
 * Returns:   never NULL; status SOP_OK before the first error.
 * Lifetime:  until the next call on the load.
 * Threads:   only the thread that owns the load.
 * Since:     0.1
 */
SOP_API const sop_error *sop_bulk_error(const sop_bulk *bulk);

#ifdef __cplusplus
}
#endif
#endif
