/* SPDX-License-Identifier: MIT */
/*
 * Databases: open, close, check, back up, look at.
 *
 * A database is a set of stores that commit together. It is named by a url:
 *
 *     data/shop              a folder (a plain path takes no options)
 *     file:data/shop?sync=off
 *     memory:                nothing on disk; gone at close
 *     memory:NAME            the same, but kept under this name until the process ends; one handle
 *                            at a time
 *     cassandra://HOST[,HOST...]/KEYSPACE     SOP_UNSUPPORTED in this version
 *
 * Only the forms with a scheme take options, ?key=value&key=value: sync (full, periodic, off),
 * sync_ms, busy_timeout_ms, read_only, memory_max, txn_memory_max, conflict_window, log_keep,
 * workers, local (yes). A field of sop_db_options that is not zero wins over the url.
 *
 * Every struct here starts with struct_size and is begun with its _INIT; zero in any other field
 * means the default. A struct_size of 0 gives SOP_INVALID.
 */
#ifndef SOP_DB_H
#define SOP_DB_H

#include "sop/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* An open database. All threads of a process may share one. */
typedef struct sop_db sop_db;

/* sop_db_options.open_mode */
enum { SOP_OPEN_OR_CREATE = 0, SOP_OPEN_EXISTING = 1, SOP_OPEN_NEW = 2 };
/* sop_db_options.sync: when is a commit on disk? Before it is acknowledged; within sync_ms; at
   leisure. A crash leaves a prefix of the commit order in every mode. */
enum { SOP_SYNC_FULL = 0, SOP_SYNC_PERIODIC = 1, SOP_SYNC_OFF = 2 };
enum { SOP_LOG_ERROR = 1, SOP_LOG_WARNING = 2, SOP_LOG_INFO = 3, SOP_LOG_DEBUG = 4 };

/* room: the part of the library; message: key=value pairs in one line. Called from any thread. */
typedef void (*sop_log_fn)(int level, const char *room, const char *message, void *context);

typedef struct {
    size_t struct_size;
    int open_mode;            /* SOP_OPEN_... */
    int read_only;            /* 1: never write, not even to recover */
    int sync;                 /* SOP_SYNC_... */
    uint32_t sync_ms;         /* periodic: at most this long until a commit is on disk; 0 = 100 */
    uint32_t busy_timeout_ms; /* wait for another process that writes; 0 = 5,000 */
    uint64_t memory_max;      /* bytes of recent changes in memory; 0 = from the size of the base */
    uint64_t txn_memory_max;  /* bytes a transaction may hold in memory; 0 = 256 MiB */
    uint64_t conflict_window; /* bytes kept to validate long transactions; 0 = 256 MiB */
    uint64_t log_keep;        /* bytes of history kept for the change feed; 0 = 256 MiB */
    int workers;              /* background threads; 0 = 1; -1 = none: commits checkpoint */
    int local;                /* 1: a local disk, although its file system is not known */
    sop_log_fn log;           /* NULL: silent */
    void *log_context;
} sop_db_options;
/* clang-format off */
#define SOP_DB_OPTIONS_INIT {sizeof(sop_db_options), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
/* clang-format on */

/* Progress of a long call, in bytes or items; a status other than SOP_OK ends the call with it. */
typedef sop_status (*sop_progress_fn)(uint64_t done, uint64_t total, void *context);

typedef struct {
    size_t struct_size;
    sop_progress_fn progress; /* NULL: none */
    void *context;
} sop_work_options;
/* clang-format off */
#define SOP_WORK_OPTIONS_INIT {sizeof(sop_work_options), 0, 0}
/* clang-format on */

/* One finding of sop_db_check: what is wrong, in which object. */
typedef void (*sop_check_fn)(sop_status status, const char *message, void *context);

typedef struct {
    size_t struct_size;
    int quick;                /* 1: only structure that recovery needs, not every value byte */
    sop_check_fn finding;     /* called for each finding; NULL: only counted */
    sop_progress_fn progress; /* NULL: none */
    void *context;
} sop_check_options;
/* clang-format off */
#define SOP_CHECK_OPTIONS_INIT {sizeof(sop_check_options), 0, 0, 0, 0}
/* clang-format on */

typedef struct {
    size_t struct_size;
    uint64_t findings; /* 0: the database is sound */
    uint64_t stores;
    uint64_t items;
    uint64_t nodes;
    uint64_t values; /* large values */
    uint64_t frames;
    uint64_t bytes;                     /* read and verified */
    char first[SOP_ERROR_MESSAGE_SIZE]; /* the first finding, or empty */
} sop_check_report;
/* clang-format off */
#define SOP_CHECK_REPORT_INIT {sizeof(sop_check_report), 0, 0, 0, 0, 0, 0, 0, {0}}
/* clang-format on */

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
/* clang-format off */
#define SOP_STATS_INIT {sizeof(sop_stats), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
/* clang-format on */

typedef struct {
    size_t struct_size;
    uint8_t id[16];          /* never changes; a backup keeps it */
    uint8_t incarnation[16]; /* changes when the database is restored from a backup */
    const char *url;         /* as opened; valid until close */
    const char *mode;        /* "standalone" or "memory" */
    uint32_t format_major;
    uint32_t format_minor;
    uint32_t peers; /* processes that have it open, as far as known */
    int read_only;
    int sync;         /* SOP_SYNC_... of this handle */
    uint64_t tip;     /* newest committed seq */
    uint64_t durable; /* newest seq known to be on disk */
    uint64_t base;    /* seq of the newest checkpoint */
    uint64_t stores;
} sop_db_info;
/* clang-format off */
#define SOP_DB_INFO_INIT {sizeof(sop_db_info), {0}, {0}, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
/* clang-format on */

/* Names a transaction for ever: incarnation of the process (16 bytes), counter (8). */
typedef struct {
    uint8_t bytes[24];
} sop_txn_token;

typedef enum {
    SOP_OUTCOME_UNKNOWN = 0, /* older than what is remembered, or not of this database */
    SOP_OUTCOME_COMMITTED = 1,
    SOP_OUTCOME_ABORTED = 2,
    SOP_OUTCOME_OPEN = 3 /* still running in this process */
} sop_outcome;

/*
 * Open a database, or create it.
 *
 * url        as described at the head of this file; not kept after the call.
 * options    NULL: all defaults (open or create, sync before acknowledging).
 * db_out     the handle; NULL on failure. Close it with sop_db_close.
 * err        what went wrong; may be NULL.
 *
 * Returns:   SOP_OK; SOP_NOT_FOUND (SOP_OPEN_EXISTING and there is none); SOP_EXISTS (SOP_OPEN_NEW
 *            and there is one); SOP_BUSY (another process opens or closes it, or keeps
 *            writing, for longer than busy_timeout_ms); SOP_INVALID (url, option,
 *            struct_size); SOP_READ_ONLY; SOP_UNSUPPORTED (format, scheme or file system);
 *            SOP_CORRUPT (damage below what was durable); SOP_IO; SOP_FULL; SOP_NO_MEMORY.
 * Lifetime:  db_out lives until sop_db_close succeeds.
 * Threads:   any. Any number of processes of one host, and handles of one process, may have the same
 *            folder open; each sees what the others have committed when a transaction begins.
 * Cost:      after a clean close one frame is read; else the log since the last checkpoint.
 * Source:    docs/format/folder.md, docs/format/wal.md.
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_db_open(const char *url,
                                              const sop_db_options *options,
                                              sop_db **db_out,
                                              sop_error *err);
/*
 * Close a database: wait for background work, make every commit durable, release the folder.
 *
 * db         NULL is allowed and does nothing.
 * err        what went wrong; may be NULL.
 *
 * Returns:   SOP_OK; SOP_BUSY while transactions, bulk loads or change feeds are open: the handle
 *            stays usable. SOP_IO, SOP_FULL: the last commits may not be durable; the handle is
 *            freed.
 * Threads:   one; no other call on db may run or come later.
 * Cost:      one sync; a checkpoint when more than 1 MiB of log is pending.
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_db_close(sop_db *db, sop_error *err);
/*
 * Make the long calls that run on a database now return SOP_CANCELLED: checkpoint, check, map,
 * backup, bulk load, waiting for changes. A transaction is stopped by sop_txn_cancel.
 *
 * db         an open database. Calls that begin later are not touched.
 *
 * Threads:   any; also safe inside a signal handler.
 * Since:     0.1
 */
SOP_API void sop_db_interrupt(sop_db *db);
/*
 * Make everything that was committed before the call durable.
 *
 * db         an open database.
 * err        what went wrong; may be NULL.
 *
 * Returns:   SOP_OK; SOP_IO, SOP_FULL (some of it may not be on disk); SOP_CANCELLED.
 * Threads:   any.
 * Cost:      one sync of the log; nothing when all is durable, as always with SOP_SYNC_FULL.
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_db_sync(sop_db *db, sop_error *err);
/*
 * Write the changes held in memory into the base tree now, and let go of the log before it.
 * Checkpoints also happen by themselves; call this before a copy or a long idle time.
 *
 * db         an open database.
 * err        what went wrong; may be NULL.
 *
 * Returns:   SOP_OK, also when there is nothing to write; SOP_READ_ONLY; SOP_CANCELLED; SOP_IO;
 *            SOP_FULL; SOP_CORRUPT; SOP_NO_MEMORY; SOP_BUSY (several in a row failed before: open
 *            the database again). After a failure the database goes on as before.
 * Threads:   any; readers and writers go on meanwhile.
 * Cost:      the changed leaves and their ancestors are written once.
 * Source:    ARCHITECTURE.md, Checkpoint.
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_db_checkpoint(sop_db *db, sop_error *err);
/*
 * Read the whole database and verify it: every checksum, the order and the counts of every tree,
 * every reference, the chain of the log.
 *
 * db           an open database; it may be in use.
 * options      NULL: check everything, report nothing on the way.
 * report_out   begun with SOP_CHECK_REPORT_INIT; what was read and found, also on failure.
 * err          what went wrong; may be NULL.
 *
 * Returns:   SOP_OK (no findings); SOP_CORRUPT (damage was found; the first finding is in the
 *            report and in err); SOP_IO (something could not be read, nothing else was found);
 *            SOP_CANCELLED; SOP_INVALID; SOP_NO_MEMORY; what progress returned.
 * Threads:   any; the callbacks run in the calling thread.
 * Cost:      reads every live byte once (quick: every node, no large value).
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_db_check(sop_db *db,
                                               const sop_check_options *options,
                                               sop_check_report *report_out,
                                               sop_error *err);
/*
 * Copy a consistent snapshot of a database while it is in use. Restoring is the same call the
 * other way: open the backup and back it up to the place wanted.
 *
 * db         an open database.
 * url        the target; nothing may be there yet. It keeps the id and gets a new incarnation.
 * options    progress in bytes; NULL: none.
 * err        what went wrong; may be NULL.
 *
 * Returns:   SOP_OK (the copy is durable and complete); SOP_EXISTS; SOP_INVALID (url);
 *            SOP_CANCELLED; SOP_FULL; SOP_IO; SOP_CORRUPT (the original is damaged);
 *            SOP_UNSUPPORTED; SOP_NO_MEMORY; what progress returned. After a failure no database
 *            is left at url.
 * Threads:   any; readers and writers go on meanwhile.
 * Cost:      verifies every live byte as sop_db_check does (progress first tells of that), then
 *            copies the segments; those of the snapshot stay meanwhile.
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_db_backup(sop_db *db,
                                                const char *url,
                                                const sop_work_options *options,
                                                sop_error *err);
/*
 * Counters of this handle and sizes of the database.
 *
 * db          an open database.
 * stats_out   begun with SOP_STATS_INIT; fields that the library does not know stay as they are.
 * err         what went wrong; may be NULL.
 *
 * Returns:   SOP_OK; SOP_INVALID (struct_size).
 * Threads:   any. The figures are each exact, but not all of one moment.
 * Cost:      O(number of segments).
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_db_stats(sop_db *db, sop_stats *stats_out, sop_error *err);
/*
 * What a database is: identity, place, format, newest and durable commit.
 *
 * db          an open database.
 * info_out    begun with SOP_DB_INFO_INIT.
 * err         what went wrong; may be NULL.
 *
 * Returns:   SOP_OK; SOP_INVALID (struct_size); SOP_IO; SOP_CORRUPT; SOP_NO_MEMORY.
 * Lifetime:  url and mode in info_out are valid until the database is closed.
 * Threads:   any.
 * Cost:      O(log n) for the number of stores.
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_db_info_get(sop_db *db,
                                                  sop_db_info *info_out,
                                                  sop_error *err);
/*
 * What became of a transaction, also after a crash and a reopen: the answer to
 * SOP_COMMIT_UNKNOWN.
 *
 * db            an open database.
 * token         from sop_txn_id, kept by the caller before it committed.
 * outcome_out   SOP_OUTCOME_UNKNOWN for a token that is older than the 4,096 newest of its process.
 * seq_out       the seq it committed as, or 0; may be NULL.
 * err           what went wrong; may be NULL.
 *
 * Returns:   SOP_OK; SOP_INVALID; SOP_IO; SOP_CORRUPT; SOP_NO_MEMORY.
 * Threads:   any.
 * Cost:      a table in memory; the log since the last checkpoint when seq_out is wanted.
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_db_outcome(
    sop_db *db, sop_txn_token token, sop_outcome *outcome_out, uint64_t *seq_out, sop_error *err);

#ifdef __cplusplus
}
#endif
#endif
