/* SPDX-License-Identifier: MIT */
/* The door of the db room for those inside the library: the public handles over a backend that the caller opened. */
#ifndef SOP_DB_DB_H
#define SOP_DB_DB_H

#include "sop/db.h"
#include "sop/store.h"
#include "sop/txn.h"

#include "backend/backend.h"

/*
 * Opens a database on an existing backend (create 1: makes one on a backend under construction and publishes it). The backend belongs
 * to the database whatever is returned. Used by tests that put a faulty disk behind the whole engine.
 */
SOP_MUST_CHECK sop_status sop_db_open_on(sop_backend *backend,
                                         int create,
                                         const sop_db_options *options,
                                         sop_db **db_out,
                                         sop_error *err);
/* Backs up into a backend under construction and publishes it; the backend is freed whatever is returned. */
SOP_MUST_CHECK sop_status sop_db_backup_on(sop_db *db,
                                           sop_backend *target,
                                           const sop_work_options *options,
                                           sop_error *err);

/* ---- for the document room, which keeps its indexes in step with every write ---- */

/* Where errors of a transaction go. */
sop_error *sop_db_txn_error(sop_txn *txn);
int sop_db_txn_writes(const sop_txn *txn);
sop_db *sop_db_of(const sop_txn *txn);
/* Ends a transaction that cannot be trusted to be whole: it can only be reset or closed. */
void sop_db_txn_doom(sop_txn *txn);

/* What lives as long as a transaction; free is called by sop_txn_close before the stores go. */
typedef struct sop_db_attachment sop_db_attachment;
struct sop_db_attachment {
    sop_db_attachment *next;
    void (*free)(sop_db_attachment *attachment);
};
void sop_db_txn_attach(sop_txn *txn, sop_db_attachment *attachment);

/* sop_store_create with a specification; `reserved` allows a name that begins with sop:. */
SOP_MUST_CHECK sop_status sop_db_store_create(sop_txn *txn,
                                              const char *name,
                                              const sop_store_options *options,
                                              sop_slice spec,
                                              sop_store **store_out);
/* This handle may write although the store holds documents or an index. */
void sop_db_store_unlock(sop_store *store);
sop_txn *sop_db_store_txn(const sop_store *store);
const char *sop_db_store_name(const sop_store *store);
/* The specification as the transaction sees it; version_out rises whenever it changes. Valid until the next call on the handle. */
SOP_MUST_CHECK sop_status sop_db_store_spec(sop_store *store,
                                            sop_slice *spec_out,
                                            uint64_t *version_out);
SOP_MUST_CHECK sop_status sop_db_store_spec_set(sop_store *store, sop_slice spec);

#define SOP_SPEC_SIZE_MAX 7168 /* bytes; with name and attributes it must fit into a leaf */

#endif
