/* SPDX-License-Identifier: MIT */
/* The table of workloads. */
#ifndef BENCH_WORKLOAD_H
#define BENCH_WORKLOAD_H

#include "bench_run.h"

typedef enum {
    BENCH_EMPTY = 0,  /* begins with an empty folder */
    BENCH_COPY = 1,   /* with a copy of the base image of the engine */
    BENCH_SHARED = 2, /* with the base image itself: it only reads */
} bench_start;

typedef struct bench_workload {
    const char *id;    /* letter of the workload, then the variant */
    const char *title; /* as the table shows it */
    const char *unit;
    bench_start start;
    int durable;
    unsigned threads;
    double seconds; /* 0: ends when its work is done */
    uint64_t batch; /* items a transaction, or bytes a value */
    int scale_only; /* not part of the default run */
    int by_name;    /* nor of its letter: it runs only when its whole name is given */
    int lower_is_better;
    int latency; /* transactional: latencies are reported */
    bench_operation operation;
    void (*prepare)(bench_run *run); /* before the database is opened */
    void (*check)(bench_run *run);   /* after, while it is open */
    void (*custom)(bench_run *run);  /* in place of all of this */
} bench_workload;

extern const bench_workload bench_workloads[];
extern const unsigned bench_workload_count;

/* True when the engine has what the workload asks for. */
int bench_workload_fits(const bench_workload *workload, const bench_engine *engine);

/* Measures in this process; dies on any error. */
void bench_workload_measure(const bench_workload *workload, bench_run *run);

/* Fills dir with the items of the base image. */
void bench_base_load(bench_run *run);

/* Operations and checks, by the file that has them. */
int bench_op_load_sorted(bench_worker *worker); /* bench_write.c */
int bench_op_load_random(bench_worker *worker);
int bench_op_insert(bench_worker *worker);
int bench_op_modify(bench_worker *worker);
int bench_op_update_batch(bench_worker *worker);
int bench_op_delete_batch(bench_worker *worker);
void bench_prepare_order(bench_run *run);
void bench_prepare_versions(bench_run *run);
void bench_prepare_zipf(bench_run *run);
void bench_check_load(bench_run *run);
void bench_check_load_disk(bench_run *run);
void bench_check_inserts(bench_run *run);
void bench_check_modify(bench_run *run);
void bench_check_versions(bench_run *run);
void bench_check_deletes(bench_run *run);
void bench_custom_bulk(bench_run *run);

int bench_op_read(bench_worker *worker); /* bench_read.c */
int bench_op_scan(bench_worker *worker);
int bench_op_scan_back(bench_worker *worker);
int bench_op_range(bench_worker *worker);
int bench_op_position(bench_worker *worker);
int bench_op_count(bench_worker *worker);
int bench_op_ycsb_a(bench_worker *worker);
int bench_op_ycsb_b(bench_worker *worker);
int bench_op_ycsb_e(bench_worker *worker);

void bench_custom_large_put(bench_run *run); /* bench_large.c */
void bench_custom_large_get(bench_run *run);

void bench_custom_open_warm(bench_run *run); /* bench_open.c */
void bench_custom_open_cold(bench_run *run);
void bench_custom_open_killed(bench_run *run);

void bench_custom_stores_create(bench_run *run); /* bench_stores.c */
void bench_custom_stores_open(bench_run *run);
void bench_custom_stores_put(bench_run *run);
void bench_custom_stores_get(bench_run *run);

#endif
