/* SPDX-License-Identifier: MIT */
/*
 * Large values: written and read in pieces inside a transaction.
 *
 * The bytes go to their own segment while the transaction runs, so that memory stays bounded; the
 * commit publishes a reference. Every 64 KiB carry a checksum. Values written in pieces are
 * ordinary values: sop_store_get reads them up to 64 MiB, and sop_value_read reads any value.
 *
 * "The common errors" are listed at the head of sop/txn.h.
 */
#ifndef SOP_VALUE_H
#define SOP_VALUE_H

#include "sop/store.h"
#include "sop/types.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sop_value_writer sop_value_writer;

/*
 * Begin to write the value of a key; it replaces the present one when it is finished. In a store
 * with duplicates it becomes a new item behind the equals.
 *
 * store        a store of a WRITE transaction.
 * key          1 to 4,096 bytes; copied.
 * writer_out   the writer; NULL on failure. End it with sop_value_write_finish or _abort.
 *
 * Returns:   SOP_OK; the common errors.
 * Lifetime:  writer_out lives until it is finished or aborted, or the transaction is committed,
 *            reset or closed.
 * Threads:   only the thread that owns the transaction.
 * Cost:      a buffer of at most 8 MiB.
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_value_write_open(sop_store *store,
                                                       sop_slice key,
                                                       sop_value_writer **writer_out);
/*
 * Begin to write behind the end of the present value (with duplicates, of the first of the equals);
 * a key that is not there starts empty. It is a read of the key.
 *
 * store        a store of a WRITE transaction.
 * key          1 to 4,096 bytes; copied.
 * writer_out   the writer; NULL on failure. End it with sop_value_write_finish or _abort.
 *
 * Returns:   SOP_OK; the common errors.
 * Lifetime:  as sop_value_write_open.
 * Threads:   only the thread that owns the transaction.
 * Cost:      as sop_value_write_open; the bytes that are there are not copied when they lie apart.
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_value_append_open(sop_store *store,
                                                        sop_slice key,
                                                        sop_value_writer **writer_out);
/*
 * Write the next bytes of a value.
 *
 * writer     an open writer.
 * data       the bytes; not kept.
 * size       0 or more; the whole value at most 2^48 bytes (SOP_VALUE_SIZE_MAX).
 *
 * Returns:   SOP_OK; SOP_TOO_LARGE; SOP_FULL; the common errors. After SOP_FULL or SOP_IO the
 *            writer can only be aborted.
 * Threads:   only the thread that owns the transaction.
 * Cost:      sequential writes to a segment; nothing is synced yet.
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_value_write(sop_value_writer *writer,
                                                  const void *data,
                                                  size_t size);
/*
 * End a writer and publish its value into the transaction.
 *
 * writer     an open writer; freed on success and on failure.
 *
 * Returns:   SOP_OK; SOP_FULL; the common errors: the value of the key is then as it was before.
 * Lifetime:  ends the writer, and slices of this key.
 * Threads:   only the thread that owns the transaction.
 * Cost:      the last buffer is written; the sync comes with the commit.
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_value_write_finish(sop_value_writer *writer);
/*
 * End a writer and forget what it wrote; the bytes become dead space that a checkpoint reclaims.
 *
 * writer     NULL is allowed and does nothing.
 *
 * Threads:   only the thread that owns the transaction.
 * Since:     0.1
 */
SOP_API void sop_value_write_abort(sop_value_writer *writer);
/*
 * Read part of a value of any size into memory of the caller.
 *
 * store      a store handle.
 * key        1 to 4,096 bytes.
 * offset     bytes from the start of the value; behind its end nothing is read.
 * buffer     room for size bytes.
 * size       0 or more.
 * read_out   how many bytes were read; fewer than size only at the end of the value.
 *
 * Returns:   SOP_OK; SOP_NOT_FOUND (no such key); SOP_CORRUPT (a checksum; nothing of that piece is
 *            handed out); the common errors.
 * Lifetime:  the bytes are copies.
 * Threads:   only the thread that owns the transaction.
 * Cost:      O(log n) and the pieces of 64 KiB that overlap the range.
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_value_read(
    sop_store *store, sop_slice key, uint64_t offset, void *buffer, size_t size, size_t *read_out);
/*
 * The size of a value, without reading it. With duplicates, of the first item of the key.
 *
 * store      a store handle.
 * key        1 to 4,096 bytes.
 * size_out   bytes, 0 to 2^48.
 *
 * Returns:   SOP_OK; SOP_NOT_FOUND; the common errors.
 * Threads:   only the thread that owns the transaction.
 * Cost:      O(log n).
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_value_size(sop_store *store,
                                                 sop_slice key,
                                                 uint64_t *size_out);

#ifdef __cplusplus
}
#endif
#endif
