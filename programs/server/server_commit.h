/* SPDX-License-Identifier: MIT */
/* A commit on its way: its operations, what they met, and its place in the history. */
#ifndef SERVER_SERVER_COMMIT_H
#define SERVER_SERVER_COMMIT_H

#include <stddef.h>
#include <stdint.h>

#include "server/server_private.h"

typedef enum { OP_PUT = 0, OP_PATCH = 1, OP_INSERT = 2, OP_DELETE = 3 } server_op_kind;
typedef enum {
    CLASH_NONE = 0,
    CLASH_CHANGED = 1,
    CLASH_DELETED = 2,
    CLASH_EXISTS = 3
} server_clash;

typedef struct {
    server_op_kind kind;
    sop_slice store; /* its name, zero-terminated */
    size_t store_at; /* index in server_commit.stores */
    sop_slice key;
    int has_base;
    int base_missing; /* base: null */
    uint64_t base;
    sop_slice v;        /* bytes, of put and insert */
    sop_json_value set; /* arrays; type null when absent */
    sop_json_value unset;

    /* Filled inside the transaction, in the arena of the attempt. */
    int was_there;
    sop_slice before;
    int is_there;
    sop_slice after;
    int merged;
    server_clash clash;
    sop_slice clash_paths; /* JSON array of pointers, or empty */
} server_op;

typedef struct {
    sop_slice name;
    sop_store *store;         /* of the attempt */
    sop_documents *documents; /* likewise, of a document store */
    server_store_traits traits;
} server_commit_store;

enum { SERVER_COMMIT_STORES_MAX = 64, SERVER_CONFLICTS_MAX = 1000, SERVER_PROBLEMS_MAX = 100 };

typedef struct {
    server_request *r;
    sop_slice id;
    sop_slice message;
    sop_slice undoes; /* empty: none */
    int strict;
    int dry_run;
    uint64_t digest; /* of the operations as they were sent */
    server_op *ops;
    size_t op_count;
    server_commit_store stores[SERVER_COMMIT_STORES_MAX];
    size_t store_count;

    sop_arena arena; /* of the attempt */
    uint64_t time_ms;
    size_t clash_count;
    sop_json_writer problems; /* elements of an array, separated */
    size_t problem_count;
    char first_problem[200];
    int answer; /* status of an answer that is made already, or 0 */
} server_commit;

/* NULL when out of memory. */
server_commit *server_commit_new(server_request *r);
void server_commit_free(server_commit *c);
/* Attempts until the transaction commits, or there is another answer. Returns its status of HTTP. */
int server_commit_run(server_commit *c);
/* Notes a problem of one operation. */
void server_commit_problem(server_commit *c, size_t op, const char *path, const char *message);

/* Applies a patch to the item the operation met: fills after, merged, clash. */
SOP_MUST_CHECK sop_status server_patch_apply(server_commit *c, size_t op, sop_error *err);

/* ---- history ---- */

/* Opens the history, or makes it. SOP_NOT_FOUND: there is none and the transaction only reads. */
SOP_MUST_CHECK sop_status server_history_open(sop_txn *txn, int create, sop_store **out);
/* Writes the commit, in its own transaction. */
SOP_MUST_CHECK sop_status server_history_write(server_commit *c,
                                               sop_txn *txn,
                                               sop_store *history,
                                               sop_error *err);
/* The head of a commit as stored JSON, valid as sop_store_get says. SOP_NOT_FOUND. */
SOP_MUST_CHECK sop_status server_history_head(sop_store *history, sop_slice id, sop_slice *out);
/* Appends the members of a Commit, without its braces; seq 0: not known. */
void server_commit_members(sop_json_writer *out, const sop_json_value *head, uint64_t seq);
/* Who changed an item last, as far as the history knows: appends "by" when it does. */
void server_history_by(server_commit *c,
                       sop_store *history,
                       const server_op *op,
                       sop_json_writer *out);
/* The items of a commit, in order: calls fn with each record. */
typedef sop_status (*server_history_fn)(const sop_json_value *record, void *context);
SOP_MUST_CHECK sop_status server_history_items(sop_store *history,
                                               sop_slice id,
                                               server_history_fn fn,
                                               void *context);

#endif
