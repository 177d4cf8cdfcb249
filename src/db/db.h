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

/* fn runs in the thread that committed, after the commit and before the transaction can be used again. */
void sop_db_txn_on_commit(sop_txn *txn, void (*fn)(sop_db *db));
/* Background threads that the options allow; 0: none, or a read-only database. */
int sop_db_workers(const sop_db *db);
/* What the document room keeps for a database. */
void **sop_db_slot(sop_db *db);

/* What the document room does for every database; it defines the table. */
typedef struct {
    void (*opened)(sop_db *db); /* goes on with what an earlier process left unfinished */
    void (*closing)(
        sop_db *db); /* stops background work; opened may follow, if the close is refused */
    sop_status (*check)(sop_db *db,
                        const sop_check_options *options,
                        sop_check_report *report,
                        sop_error *err);
} sop_db_documents_hooks;
extern const sop_db_documents_hooks sop_db_documents;

/* sop_store_create with a specification; `reserved` allows a name that begins with sop:. */
SOP_MUST_CHECK sop_status sop_db_store_create(sop_txn *txn,
                                              const char *name,
                                              const sop_store_options *options,
                                              sop_slice spec,
                                              sop_store **store_out);
/* Drops the store of an index, which sop_store_drop refuses. */
SOP_MUST_CHECK sop_status sop_db_index_drop(sop_txn *txn, const char *name);
/* How often sop_db_interrupt was called: long calls compare it with what it was when they began. */
uint64_t sop_db_interrupts(const sop_db *db);
/* This handle may write although the store holds documents or an index. */
void sop_db_store_unlock(sop_store *store);
sop_txn *sop_db_store_txn(const sop_store *store);
const char *sop_db_store_name(const sop_store *store);
/* The specification as the transaction sees it; version_out rises whenever it changes. Valid until the next call on the handle. */
SOP_MUST_CHECK sop_status sop_db_store_spec(sop_store *store,
                                            sop_slice *spec_out,
                                            uint64_t *version_out);
SOP_MUST_CHECK sop_status sop_db_store_spec_set(sop_store *store, sop_slice spec);

/* The name of the store of an index: id of its store, its name. */
#define SOP_INDEX_NAME_FORMAT "sop:index:%llu:%s"
#define SOP_SPEC_SIZE_MAX     (1 << 20) /* bytes */

#endif
