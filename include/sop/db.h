/* SPDX-License-Identifier: MIT */
/* Databases: open, close, check, back up, look at. */
#ifndef SOP_DB_H
#define SOP_DB_H

#include "sop/types.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sop_db sop_db;

/* sop_db_options.open_mode */
enum { SOP_OPEN_OR_CREATE = 0, SOP_OPEN_EXISTING = 1, SOP_OPEN_NEW = 2 };
/* sop_db_options.sync */
enum { SOP_SYNC_FULL = 0, SOP_SYNC_PERIODIC = 1, SOP_SYNC_OFF = 2 };
enum { SOP_LOG_ERROR = 1, SOP_LOG_WARNING = 2, SOP_LOG_INFO = 3, SOP_LOG_DEBUG = 4 };

/* room: the part of the library; message: key=value pairs, one line. Called from any thread of the library. */
typedef void (*sop_log_fn)(int level, const char *room, const char *message, void *context);

typedef struct {
    size_t struct_size;
    int open_mode;            /* SOP_OPEN_... */
    int read_only;            /* 1: never write, not even to recover */
    int sync;                 /* SOP_SYNC_... */
    uint32_t sync_ms;         /* periodic: at most this long until a commit is on disk; 0 = 100 */
    uint32_t busy_timeout_ms; /* wait for another process; 0 = 5,000 */
    uint64_t memory_max;      /* bytes of recent changes kept in memory; 0 = chosen from the size of the base */
    uint64_t txn_memory_max;  /* bytes a transaction may hold in memory; 0 = 256 MiB */
    uint64_t conflict_window; /* bytes of old layers kept to validate long transactions; 0 = 256 MiB */
    uint64_t log_keep;        /* bytes of history kept for the change feed; 0 = 256 MiB */
    int workers;              /* background threads; 0 = 1; -1 = none: checkpoints run inside commits */
    int local;                /* 1: the folder is on a local disk although its file system is unknown */
    sop_log_fn log;           /* NULL: silent */
    void *log_context;
} sop_db_options;
#define SOP_DB_OPTIONS_INIT {sizeof(sop_db_options), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}

/* Progress of a long call: done of total units (bytes or items); non-OK stops the call with that status. */
typedef sop_status (*sop_progress_fn)(uint64_t done, uint64_t total, void *context);

typedef struct {
    size_t struct_size;
    sop_progress_fn progress; /* NULL: none */
    void *context;
} sop_work_options;
#define SOP_WORK_OPTIONS_INIT {sizeof(sop_work_options), 0, 0}

/* One finding of sop_db_check: what is wrong, in which object. */
typedef void (*sop_check_fn)(sop_status status, const char *message, void *context);

typedef struct {
    size_t struct_size;
    int quick;                /* 1: only structure that recovery needs, not every value byte */
    sop_check_fn finding;     /* called for each finding; NULL: only counted */
    sop_progress_fn progress; /* NULL: none */
    void *context;
} sop_check_options;
#define SOP_CHECK_OPTIONS_INIT {sizeof(sop_check_options), 0, 0, 0, 0}

typedef struct {
    size_t struct_size;
    uint64_t findings; /* 0: the database is sound */
    uint64_t stores;
    uint64_t items;
    uint64_t nodes;
    uint64_t values; /* large values */
    uint64_t frames;
    uint64_t bytes; /* read and verified */
    char first[SOP_ERROR_MESSAGE_SIZE]; /* the first finding, or empty */
} sop_check_report;
#define SOP_CHECK_REPORT_INIT {sizeof(sop_check_report), 0, 0, 0, 0, 0, 0, 0, {0}}

typedef struct {
    size_t struct_size;
    uint64_t commits;           /* by this handle, since open */
    uint64_t conflicts;         /* likewise */
    uint64_t frames;            /* WAL frames written */
    uint64_t syncs;             /* WAL syncs */
    uint64_t log_bytes;         /* WAL bytes written */
    uint64_t log_pending_bytes; /* WAL bytes that a reopen would replay */
    uint64_t checkpoints;       /* finished */
    uint64_t checkpoint_bytes;  /* written by checkpoints */
    uint64_t memtable_bytes;    /* memory of recent changes */
    uint64_t memtable_items;
    uint64_t segments;
    uint64_t segment_bytes; /* on disk */
    uint64_t live_bytes;    /* of those, in use */
    uint64_t readers;       /* open transactions */
    uint64_t oldest_snapshot;
} sop_stats;
#define SOP_STATS_INIT {sizeof(sop_stats), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}

typedef struct {
    size_t struct_size;
    uint8_t id[16];          /* never changes; a backup keeps it */
    uint8_t incarnation[16]; /* changes when the database is restored from a backup */
    const char *url;         /* as opened; valid until close */
    const char *mode;        /* "standalone" or "memory" */
    uint32_t format_major;
    uint32_t format_minor;
    uint32_t peers;   /* processes that have it open, as far as known */
    int read_only;
    int sync;         /* SOP_SYNC_... of this handle */
    uint64_t tip;     /* newest committed seq */
    uint64_t durable; /* newest seq known to be on disk */
    uint64_t base;    /* seq of the newest checkpoint */
    uint64_t stores;
} sop_db_info;
#define SOP_DB_INFO_INIT {sizeof(sop_db_info), {0}, {0}, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}

typedef struct {
    uint8_t bytes[24]; /* incarnation (16), counter (8) */
} sop_txn_token;

typedef enum {
    SOP_OUTCOME_UNKNOWN = 0,   /* older than what is remembered, or not of this database */
    SOP_OUTCOME_COMMITTED = 1,
    SOP_OUTCOME_ABORTED = 2,
    SOP_OUTCOME_OPEN = 3 /* still running in this process */
} sop_outcome;

SOP_API SOP_MUST_CHECK sop_status sop_db_open(const char *url,
                                              const sop_db_options *options,
                                              sop_db **db_out,
                                              sop_error *err);
SOP_API SOP_MUST_CHECK sop_status sop_db_close(sop_db *db, sop_error *err);
SOP_API void sop_db_interrupt(sop_db *db);
SOP_API SOP_MUST_CHECK sop_status sop_db_sync(sop_db *db, sop_error *err);
SOP_API SOP_MUST_CHECK sop_status sop_db_checkpoint(sop_db *db, sop_error *err);
SOP_API SOP_MUST_CHECK sop_status sop_db_check(sop_db *db,
                                               const sop_check_options *options,
                                               sop_check_report *report_out,
                                               sop_error *err);
SOP_API SOP_MUST_CHECK sop_status sop_db_backup(sop_db *db,
                                                const char *url,
                                                const sop_work_options *options,
                                                sop_error *err);
SOP_API SOP_MUST_CHECK sop_status sop_db_stats(sop_db *db, sop_stats *stats_out, sop_error *err);
SOP_API SOP_MUST_CHECK sop_status sop_db_info_get(sop_db *db, sop_db_info *info_out, sop_error *err);
SOP_API SOP_MUST_CHECK sop_status sop_db_outcome(
    sop_db *db, sop_txn_token token, sop_outcome *outcome_out, uint64_t *seq_out, sop_error *err);

#ifdef __cplusplus
}
#endif
#endif
