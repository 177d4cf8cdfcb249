/* SPDX-License-Identifier: MIT */
/* Transactions: strictly serialisable, optimistic, many readers and writers at once. */
#ifndef SOP_TXN_H
#define SOP_TXN_H

#include "sop/db.h"
#include "sop/types.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sop_txn sop_txn;

typedef enum { SOP_TXN_DEFAULT = 0, SOP_TXN_READ = 1, SOP_TXN_WRITE = 2 } sop_txn_mode;
/* sop_txn_options.fresh */
enum { SOP_FRESH_LATEST = 0, SOP_FRESH_LOCAL = 1, SOP_FRESH_BARRIER = 2 };

typedef struct {
    size_t struct_size;
    sop_txn_mode mode;    /* default: SOP_TXN_WRITE */
    int fresh;            /* SOP_FRESH_...; all the same in one process */
    int durable;          /* 1: a WRITE transaction sees only what is on disk already */
    uint32_t deadline_ms; /* calls give SOP_TIMEOUT after this; 0: none */
} sop_txn_options;
#define SOP_TXN_OPTIONS_INIT {sizeof(sop_txn_options), SOP_TXN_DEFAULT, 0, 0, 0}

typedef enum {
    SOP_CONFLICT_NONE = 0,
    SOP_CONFLICT_KEY = 1,       /* a key it read was written */
    SOP_CONFLICT_RANGE = 2,     /* a range it read was written */
    SOP_CONFLICT_CATALOGUE = 3, /* a store it used was dropped, renamed or altered */
    SOP_CONFLICT_HORIZON = 4    /* it ran too long to be validated */
} sop_conflict_kind;

typedef struct {
    size_t struct_size;
    sop_conflict_kind kind;
    uint64_t store_id;
    sop_slice key;    /* the key, or the first one of the range; valid until reset, renew or close */
    uint64_t by_seq;  /* the commit in the way; 0 if not known */
    uint8_t by_peer[16];
} sop_conflict;
#define SOP_CONFLICT_INIT {sizeof(sop_conflict), SOP_CONFLICT_NONE, 0, {0, 0}, 0, {0}}

#define SOP_NOTE_SIZE_MAX 4096

SOP_API SOP_MUST_CHECK sop_status sop_txn_begin(sop_db *db,
                                                sop_txn_mode mode,
                                                sop_txn **txn_out,
                                                sop_error *err);
SOP_API SOP_MUST_CHECK sop_status sop_txn_begin_with(sop_db *db,
                                                     const sop_txn_options *options,
                                                     sop_txn **txn_out,
                                                     sop_error *err);
SOP_API SOP_MUST_CHECK sop_status sop_txn_commit(sop_txn *txn);
SOP_API void sop_txn_close(sop_txn *txn);
SOP_API void sop_txn_reset(sop_txn *txn);
SOP_API SOP_MUST_CHECK sop_status sop_txn_renew(sop_txn *txn);
SOP_API void sop_txn_cancel(sop_txn *txn);
SOP_API uint64_t sop_txn_snapshot(const sop_txn *txn);
SOP_API uint64_t sop_txn_seq(const sop_txn *txn);
SOP_API sop_txn_token sop_txn_id(const sop_txn *txn);
SOP_API const sop_error *sop_txn_error(const sop_txn *txn);
SOP_API SOP_MUST_CHECK sop_status sop_txn_conflict(const sop_txn *txn, sop_conflict *conflict_out);
SOP_API SOP_MUST_CHECK sop_status sop_txn_note(sop_txn *txn, sop_slice note);
SOP_API void sop_txn_track(sop_txn *txn, int on);

/* Never commits; a status other than SOP_OK aborts and is returned; SOP_CONFLICT begins again. */
typedef sop_status (*sop_txn_body)(sop_txn *txn, void *context);
SOP_API SOP_MUST_CHECK sop_status sop_txn_run(sop_db *db,
                                              const sop_txn_options *options,
                                              sop_txn_body body,
                                              void *context,
                                              sop_error *err);

#ifdef __cplusplus
}
#endif
#endif
