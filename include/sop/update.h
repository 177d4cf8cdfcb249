/* SPDX-License-Identifier: MIT */
/*
 * Changing many documents: preview, one transaction, or chunks that resume. See sop/document.h, which
 * includes this.
 */
#ifndef SOP_UPDATE_H
#define SOP_UPDATE_H

#include "sop/document.h"
#include "sop/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- changing many documents ---- */

/* sop_rewrite.kind */
enum { SOP_REWRITE_SET = 0, SOP_REWRITE_UNSET = 1, SOP_REWRITE_REPLACE = 2 };

/* What happens to every document that fits. */
typedef struct {
    int kind;
    sop_slice path;  /* with [*] for REPLACE only */
    sop_slice value; /* SET: JSON */
    sop_slice find;  /* REPLACE: in strings at the path, every occurrence of this text */
    sop_slice with;  /* REPLACE: becomes this one */
} sop_rewrite;

typedef struct {
    size_t struct_size;
    sop_slice where; /* a filter, text or JSON; empty: every document */
    const sop_rewrite *rewrites;
    size_t rewrite_count;
    int remove;               /* 1: the documents go; no rewrites then */
    uint64_t at_once;         /* up to so many documents change in one transaction; 0: 100,000 */
    uint64_t chunk;           /* above it, so many are looked at in each; 0: 10,000 */
    sop_slice note;           /* as sop_txn_note, of every transaction */
    sop_progress_fn progress; /* documents looked at, of all; NULL: none */
    void *context;
} sop_update_options;
/* clang-format off */
#define SOP_UPDATE_OPTIONS_INIT {sizeof(sop_update_options), {0, 0}, 0, 0, 0, 0, 0, {0, 0}, 0, 0}
/* clang-format on */

typedef struct {
    size_t struct_size;
    uint64_t examined;
    uint64_t matched;
    uint64_t changed;      /* or removed; documents that stay as they are do not count */
    uint64_t transactions; /* committed */
    uint64_t seq;          /* of the last one */
    char job[17];          /* by which sop_update_resume goes on; empty: it was one transaction */
} sop_update_report;
/* clang-format off */
#define SOP_UPDATE_REPORT_INIT {sizeof(sop_update_report), 0, 0, 0, 0, 0, {0}}
/* clang-format on */

/*
 * What sop_update_run would do, without doing it.
 *
 * documents   a documents handle.
 * options     as for sop_update_run.
 * sample_max  so many of the changes are shown; 0: 10.
 * json_out    {"matched":50,"changed":48,"refused":0,"transactions":1,"samples":[{"key":..,"before":..,
 *             "after":..}]}, counts exact in the snapshot of the transaction; refused ones would break a
 *             rule, "refusal" is the first reason; transactions is 0 for "in chunks". Free it with
 *             sop_text_free.
 *
 * Returns:   SOP_OK; SOP_INVALID (filter, rewrites); the common errors.
 * Lifetime:  json_out until sop_text_free.
 * Threads:   only the thread that owns the transaction.
 * Cost:      as a find; every document that fits is rewritten in memory.
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_update_preview(sop_documents *documents,
                                                     const sop_update_options *options,
                                                     uint64_t sample_max,
                                                     sop_text *json_out);
/*
 * Change or remove every document that fits: all in one transaction up to options->at_once documents;
 * above it in chunks in key order, each a transaction that also keeps the position, so that the rest
 * can be done after a crash or a failure. Conflicts are met by doing the transaction again.
 *
 * db          an open database.
 * store       a document store.
 * options     begun with SOP_UPDATE_OPTIONS_INIT.
 * report_out  begun with SOP_UPDATE_REPORT_INIT; what was done, also on failure.
 * err         what went wrong; may be NULL.
 *
 * Returns:   SOP_OK; SOP_NOT_FOUND (store); SOP_INVALID (options; a document that a rewrite would give
 *            another key or that would break a rule; the error names it); SOP_EXISTS (a unique index);
 *            SOP_READ_ONLY; SOP_CANCELLED; what progress returned; as sop_txn_run. Of one transaction
 *            nothing is done then; of chunks those before are, and report_out->job names the rest.
 * Threads:   any.
 * Cost:      as a find and the writes. After three conflicts the one transaction takes the documents that
 *            fit in its snapshot: one that comes to fit meanwhile may be left out.
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_update_run(sop_db *db,
                                                 const char *store,
                                                 const sop_update_options *options,
                                                 sop_update_report *report_out,
                                                 sop_error *err);
/*
 * Go on with a change in chunks that was interrupted. Every document is changed once.
 *
 * db          an open database.
 * job         from sop_update_report or sop_update_jobs.
 * options     progress; the rest is as it was given at first. NULL: none.
 * report_out  begun with SOP_UPDATE_REPORT_INIT; totals since the beginning.
 * err         what went wrong; may be NULL.
 *
 * Returns:   SOP_OK; SOP_NOT_FOUND (no such job: it is done, or was cancelled); as sop_update_run.
 * Threads:   any; two at once do no harm.
 * Cost:      as sop_update_run.
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_update_resume(sop_db *db,
                                                    const char *job,
                                                    const sop_work_options *options,
                                                    sop_update_report *report_out,
                                                    sop_error *err);
/*
 * Changes in chunks that are not done.
 *
 * db         an open database.
 * json_out   [{"job":"...","store":"things","where":"...","examined":..,"matched":..,"changed":..}]; free
 *            it with sop_text_free.
 * err        what went wrong; may be NULL.
 *
 * Returns:   SOP_OK; as sop_txn_begin; the common errors.
 * Lifetime:  json_out until sop_text_free.
 * Threads:   any.
 * Cost:      O(number of jobs).
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_update_jobs(sop_db *db, sop_text *json_out, sop_error *err);
/*
 * Forget a change in chunks; what it has done stays done.
 *
 * db         an open database.
 * job        from sop_update_report or sop_update_jobs.
 * err        what went wrong; may be NULL.
 *
 * Returns:   SOP_OK; SOP_NOT_FOUND; as sop_txn_run.
 * Threads:   any.
 * Cost:      one transaction.
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_update_cancel(sop_db *db, const char *job, sop_error *err);

#ifdef __cplusplus
}
#endif
#endif
