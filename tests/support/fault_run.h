/* SPDX-License-Identifier: MIT */
/* One run of a workload that touches everything, with one fault in it, and the judgement afterwards. */
#ifndef SOP_TESTS_FAULT_RUN_H
#define SOP_TESTS_FAULT_RUN_H

#include <stdint.h>

#include "sop/sop.h"

#include "backend/backend_faulty.h"
#include "support/fault_model.h"

/* What fails. All zero: nothing. */
typedef struct {
    uint64_t memory_nth; /* the n-th allocation; 0: none */
    uint32_t kinds;      /* else: operations of the disk (SOP_FAULTY_...) */
    uint64_t nth;
    int always;
    int effect;        /* SOP_FAULTY_NOTHING ... */
    sop_status status; /* SOP_IO, SOP_FULL */
    uint64_t
        space; /* else: the medium has this many bytes, until the workload is over; 0: no bound */
    uint64_t writeback; /* else: the file of the n-th write could not be written back; 0: none */
    int sync;           /* SOP_SYNC_... */
    int go_on;          /* after a call failed the transaction goes on with the others */
    int kill;           /* the process is killed at the end, else it closes the database */
    uint64_t seed;
} fault_case;

enum { FAULT_COMMITS_MAX = 200 };

typedef struct {
    fault_case c;
    sop_faulty_disk *disk;
    sop_faulty_disk *backup_disk; /* NULL: none */
    int backup_at;                /* the commit it holds; -1: it did not succeed */
    sop_backend *backend;         /* of db */
    sop_db *db;
    sop_db_options options;
    int created;
    fault_model history[FAULT_COMMITS_MAX + 1];
    int count; /* the newest acknowledged commit */
    int floor; /* the newest that a power cut must not take */
    int unknown;
    int has_token;
    sop_txn_token token;
    fault_model maybe; /* what an unknown commit would have led to */
    uint32_t number;   /* of the newest value */
    uint64_t dice;
    const char *step;
    uint64_t refused; /* calls that failed */
    uint64_t writes;  /* seen by the hook of write-backs */
    int writeback_struck;
} fault_run;

/* The whole: workload, judgement, freeing. What is wrong is told with the command that runs this case again. */
void fault_case_run(const fault_case *c);
/* Operations of a kind, or allocations (kinds 0), in a run without a fault. */
uint64_t fault_calls(const fault_case *like, uint32_t kinds);
/* The case in SOP_FAULT_CASE; 0: there is none. */
int fault_case_from_environment(fault_case *out);

/* Between the files of this fixture. */
void fault_workload(fault_run *run);
void fault_wrong(const fault_run *run, const char *format, ...)
    __attribute__((format(printf, 2, 3), noreturn));
/* Whether a call that did not do what it should may be excused by the fault; tells if not. */
void fault_excuse(fault_run *run, sop_status status, const sop_error *err);
SOP_MUST_CHECK sop_status fault_open(fault_run *run, int create, sop_error *err);
/* An acknowledged commit. */
void fault_committed(fault_run *run, const fault_model *model);

#endif
