/* SPDX-License-Identifier: MIT */
/* One measurement under way: its threads, their operations, what they measured. */
#ifndef BENCH_RUN_H
#define BENCH_RUN_H

#include <stdatomic.h>

#include "bench.h"
#include "bench_hist.h"

/* Large values are made before the clock runs; item n has value n % BENCH_VALUES. */
#define BENCH_VALUES 4

typedef struct bench_run bench_run;
typedef struct bench_worker bench_worker;

/* One operation of the workload; 0: there is no more to do. */
typedef int (*bench_operation)(bench_worker *worker);

struct bench_run {
    const bench_engine *engine;
    const bench_config *config;
    bench_result *result;
    const char *dir; /* of the database, which the workload opens */
    void *db;
    uint64_t items; /* loaded before */
    unsigned threads;
    double seconds; /* 0: until the operations say they are done */
    int durable;
    unsigned stores; /* the workload uses */
    uint64_t seed;
    uint64_t anon_start;

    /* what operations share */
    uint32_t *order; /* a random order, or NULL */
    uint64_t order_count;
    bench_zipf zipf;
    uint64_t batch; /* items a transaction, bytes a value: as the workload says */
    uint64_t *versions;
    char *values[BENCH_VALUES]; /* large ones, made in advance */

    /* sums over the workers, after bench_run_threads */
    uint64_t operations;
    uint64_t units; /* what the rate counts */
    uint64_t inserted;
    uint64_t version_sum;
    double elapsed;
    atomic_int stop;
    atomic_uint running;
};

struct bench_worker {
    bench_run *run;
    const bench_engine *engine;
    void *session;
    bench_rng rng;
    unsigned index;
    uint32_t *draws; /* item numbers drawn in advance, walked in a circle */
    uint64_t draw_next;
    uint64_t operations, units, conflicts, inserted, version_sum;
    uint64_t next;     /* of the share of the worker in a fixed order */
    uint64_t in_batch; /* reads since the read transaction began */
    bench_hist hist;
    uint64_t finished_ns;
};

#define BENCH_DRAWS (UINT64_C(1) << 20)

/* Runs operation in the threads of run until time or work ends; sums up, fills the result. */
void bench_run_threads(bench_run *run, bench_operation operation);

/* Opens the database of the run; memory counts from here. */
void bench_run_open(bench_run *run, int durable);
void bench_run_close(bench_run *run);

/* A scan of everything: checks every item; each must follow step after the one before when step > 0. */
void bench_run_verify(bench_run *run, uint64_t count, uint64_t step, uint64_t version_sum);

/* Sets run->order to a random order of 0..count-1. */
void bench_run_shuffle(bench_run *run, uint64_t count);

void *bench_alloc(size_t size); /* dies instead of NULL */

static inline uint32_t bench_draw(bench_worker *worker)
{
    return worker->draws[worker->draw_next++ & (BENCH_DRAWS - 1)];
}

/* The number of the n-th key to insert between the loaded items. */
static inline uint64_t bench_new_number(uint64_t n)
{
    return n / (BENCH_KEY_GAP - 1) * BENCH_KEY_GAP + 1 + n % (BENCH_KEY_GAP - 1);
}

#endif
