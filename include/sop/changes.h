/* SPDX-License-Identifier: MIT */
/* The change feed: what committed after a seq, in order, then wait for more. */
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
    SOP_CHANGE_STORE_ALTER = 6,  /* renamed or other attributes */
    SOP_CHANGE_STORE_LOAD = 7,   /* created by a bulk load: read the store */
    SOP_CHANGE_COMMIT = 8        /* the end of a transaction; its note is in value */
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
#define SOP_CHANGE_INIT {sizeof(sop_change), SOP_CHANGE_COMMIT, 0, 0, {{0}}, 0, {0, 0}, {0, 0}, 0}

SOP_API SOP_MUST_CHECK sop_status sop_changes_open(sop_db *db,
                                                   uint64_t after_seq,
                                                   sop_changes **changes_out,
                                                   sop_error *err);
SOP_API SOP_MUST_CHECK sop_status sop_changes_next(sop_changes *changes,
                                                   int timeout_ms,
                                                   sop_change *change_out);
SOP_API void sop_changes_close(sop_changes *changes);
SOP_API const sop_error *sop_changes_error(const sop_changes *changes);

#ifdef __cplusplus
}
#endif
#endif
