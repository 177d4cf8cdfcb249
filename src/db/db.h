/* SPDX-License-Identifier: MIT */
/* The door of the db room for those inside the library: the public handles over a backend that the caller opened. */
#ifndef SOP_DB_DB_H
#define SOP_DB_DB_H

#include "sop/db.h"

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

#endif
