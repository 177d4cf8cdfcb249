/* SPDX-License-Identifier: MIT */
/* A job: long work in a thread of its own, with progress, a result and a way to stop it. */
#ifndef SERVER_SERVER_JOB_H
#define SERVER_SERVER_JOB_H

#include <stdatomic.h>
#include <stdint.h>

#include "server/server_private.h"

typedef enum {
    JOB_EXPORT = 0,
    JOB_IMPORT = 1,
    JOB_CHECK = 2,
    JOB_BACKUP = 3,
    JOB_KINDS = 4
} job_kind;
typedef enum { JOB_RUNNING = 0, JOB_DONE = 1, JOB_CANCELLED = 2, JOB_FAILED = 3 } job_state;
typedef enum { FORMAT_NDJSON = 0, FORMAT_JSON = 1, FORMAT_CSV = 2, FORMAT_TSV = 3 } job_format;

struct server_job {
    server_job *next;
    server *server;
    server_database *database; /* a use is held until the job is freed */
    sop_db *db;
    uint64_t id;
    job_kind kind;
    job_format format;
    server_request request; /* stands in for the one that started it: user, arena, answer */
    sop_slice store;        /* zero-terminated, in the arena of the request */
    sop_slice data;         /* of import: decoded, likewise */
    sop_slice key_field;    /* of import: the member or column that holds the key; empty: "k" */
    sop_slice url;          /* of backup */
    int dry_run;
    int text; /* of import: cells of CSV and TSV stay text */
    sop_task *task;
    _Atomic int cancelled;

    /* Guarded by the server's lock. */
    job_state state;
    int ended;     /* the thread is about to return */
    uint64_t news; /* counts changes; larger than that of any older change of any job */
    uint64_t told_ns;
    uint64_t done;
    uint64_t total;
    uint64_t matched;
    uint64_t changed;
    char commit[72]; /* id of the commit it made, or "" */
    char error[SOP_ERROR_MESSAGE_SIZE];
    int file; /* of export: a file without a name, or -1 */
    uint64_t file_size;
};

/* Notes progress; SOP_CANCELLED when somebody wants the job to end. */
SOP_MUST_CHECK sop_status server_job_step(server_job *job, uint64_t done, uint64_t total);

SOP_MUST_CHECK sop_status server_export_run(server_job *job, sop_error *err);
SOP_MUST_CHECK sop_status server_import_run(server_job *job, sop_error *err);

#endif
