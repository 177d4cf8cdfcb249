/* SPDX-License-Identifier: MIT */
/* The words of the comparison benchmark: what an engine can do, what a measurement asks and answers. */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "bench_data.h"

typedef enum {
    BENCH_OK = 0,
    BENCH_NOT_FOUND = 1,
    BENCH_CONFLICT = 2, /* the transaction must be aborted and begun again */
} bench_status;

/* What a transaction is going to do, so that each engine can use its cheapest safe form. */
typedef enum {
    BENCH_READ_ONE = 0,    /* a single lookup or scan; atomic by itself in every engine */
    BENCH_READ = 1,        /* several reads of one unchanging snapshot */
    BENCH_WRITE_BLIND = 2, /* writes only */
    BENCH_WRITE = 3,       /* reads and writes, serialisable */
} bench_mode;

typedef struct {
    int durable;     /* every commit is on disk before it returns */
    unsigned stores; /* how many will be used beside the usual one */
} bench_opening;

/*
 * One engine in one configuration. A db is shared by threads, a session belongs to one thread and has
 * at most one transaction open. A call that fails for any reason other than the named ones ends the
 * process with bench_die: a measurement that met an error is no measurement. NULL members mean that the
 * engine has no such operation.
 */
typedef struct bench_engine {
    const char *name;
    const char *(*version)(void);
    void *(*open)(const char *dir, bench_opening how); /* creates what is missing */
    void (*close)(void *db);
    void (*flush)(void *db);  /* everything committed leaves the log for its resting place */
    void (*settle)(void *db); /* likewise, and compacted: the shape after a long rest */
    void *(*session_open)(void *db);
    void (*session_close)(void *session);

    void (*begin)(void *session, bench_mode mode);
    bench_status (*commit)(void *session); /* ends reading transactions too */
    void (*abort)(void *session);

    /* the value is valid until the next call on the session; BENCH_CONFLICT only in BENCH_WRITE */
    bench_status (*get)(void *session, const char *key, bench_slice *value_out);
    void (*append)(void *session, const char *key, bench_slice value); /* a key above all others */
    void (*insert)(void *session, const char *key, bench_slice value); /* a key that is absent */
    bench_status (*update)(void *session,
                           const char *key,
                           bench_slice value);      /* one that is present */
    void (*remove)(void *session, const char *key); /* likewise */

    /* up to limit items from the first key >= from (NULL: all) upwards, or from the last downwards */
    void (*scan)(void *session, const char *from, uint64_t limit, bench_sink *sink);
    void (*scan_back)(void *session, uint64_t limit, bench_sink *sink);
    void (*position)(void *session, uint64_t rank, uint64_t limit, bench_sink *sink);
    uint64_t (*count)(void *session, const char *from, const char *to);

    /* the engine's own way to build a sorted database of count items, durable when it returns */
    void (*bulk)(const char *dir, uint64_t count);
    int (*is_log)(const char *path); /* of a file in the folder */

    /* many stores: numbered from 0; created a thousand a transaction */
    void (*stores_create)(void *db, unsigned first, unsigned count);
    void (*store_put)(void *session, unsigned store, const char *key, bench_slice value);
    bench_status (*store_get)(void *session,
                              unsigned store,
                              const char *key,
                              bench_slice *value_out);
} bench_engine;

extern const bench_engine bench_engine_sop;
extern const bench_engine bench_engine_lmdb;
extern const bench_engine bench_engine_lmdb_wm;
extern const bench_engine bench_engine_rocksdb;
extern const bench_engine bench_engine_rocksdb_tuned;
extern const bench_engine bench_engine_sqlite;

#define BENCH_PATH_MAX 4096

typedef struct {
    uint64_t items;
    double seconds;   /* timed length of the time-bound workloads; 0: as each says */
    unsigned threads; /* 0: as each workload says */
    unsigned stores;  /* of the workloads on many stores */
    unsigned reps;
    int quick;           /* a smoke test: few of everything */
    int random_base;     /* load the base image in random order */
    const char *dir;     /* where databases are made */
    const char *out;     /* JSON lines are appended here */
    const char *engines; /* comma-separated, NULL: all */
    const char *workloads;
} bench_config;

/* Filled by the measuring process, read by the driver: lives in memory that both map. */
typedef struct {
    int finished;
    char error[400];
    double value; /* in the unit of the workload */
    double seconds;
    uint64_t operations;
    uint64_t conflicts;
    double p50_us, p99_us, p999_us, max_us; /* negative: not measured */
    double cpu_seconds;
    double anon_peak_bytes;
    double disk_bytes, log_bytes;
    double write_amplification;
    double disk_ratio;     /* to raw keys and values */
    uint64_t acknowledged; /* inserts before the kill */
} bench_result;

/* Ends the measuring process; the driver reports the message. */
_Noreturn void bench_die(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
