/* SPDX-License-Identifier: MIT */
/* The table of workloads, and the frame in which each is measured. */
#include "bench_workload.h"

#include <string.h>

#include "bench_measure.h"

#define LOAD_BATCH 10000

/* clang-format off */
const bench_workload bench_workloads[] = {
    {.id = "a", .title = "sorted load, 10,000 a txn, durable",
     .unit = "items/s", .durable = 1, .threads = 1, .batch = LOAD_BATCH, .latency = 1,
     .operation = bench_op_load_sorted, .check = bench_check_load},
    {.id = "a-bulk", .title = "sorted load by the engine's bulk loader",
     .unit = "items/s", .durable = 1, .threads = 1, .custom = bench_custom_bulk},
    {.id = "b", .title = "random load, 10,000 a txn, durable",
     .unit = "items/s", .durable = 1, .threads = 1, .batch = LOAD_BATCH, .latency = 1,
     .operation = bench_op_load_random, .prepare = bench_prepare_order,
     .check = bench_check_load_disk},
    {.id = "b-nosync", .title = "random load, 10,000 a txn, nosync",
     .unit = "items/s", .threads = 1, .batch = LOAD_BATCH, .latency = 1,
     .operation = bench_op_load_random, .prepare = bench_prepare_order, .check = bench_check_load},
    {.id = "c", .title = "single insert, durable, 1 thread",
     .unit = "txn/s", .start = BENCH_COPY, .durable = 1, .threads = 1, .seconds = 2, .latency = 1,
     .operation = bench_op_insert, .check = bench_check_inserts},
    {.id = "d-4", .title = "single insert, durable, 4 threads",
     .unit = "txn/s", .start = BENCH_COPY, .durable = 1, .threads = 4, .seconds = 2, .latency = 1,
     .operation = bench_op_insert, .check = bench_check_inserts},
    {.id = "d-16", .title = "single insert, durable, 16 threads",
     .unit = "txn/s", .start = BENCH_COPY, .durable = 1, .threads = 16, .seconds = 2, .latency = 1,
     .operation = bench_op_insert, .check = bench_check_inserts},
    {.id = "e", .title = "single insert, nosync",
     .unit = "txn/s", .start = BENCH_COPY, .threads = 1, .seconds = 2, .latency = 1,
     .operation = bench_op_insert, .check = bench_check_inserts},
    {.id = "f-1", .title = "random point read, 1 thread",
     .unit = "reads/s", .start = BENCH_SHARED, .threads = 1, .seconds = 1.5,
     .operation = bench_op_read},
    {.id = "f-2", .title = "random point read, 2 threads",
     .unit = "reads/s", .start = BENCH_SHARED, .threads = 2, .seconds = 1.5,
     .operation = bench_op_read},
    {.id = "g-fwd", .title = "full scan forward",
     .unit = "items/s", .start = BENCH_SHARED, .threads = 1, .seconds = 1.5,
     .operation = bench_op_scan},
    {.id = "g-back", .title = "full scan backward",
     .unit = "items/s", .start = BENCH_SHARED, .threads = 1, .seconds = 1.5,
     .operation = bench_op_scan_back},
    {.id = "h", .title = "range of 100 at random",
     .unit = "ranges/s", .start = BENCH_SHARED, .threads = 1, .seconds = 1.5,
     .operation = bench_op_range},
    {.id = "i-nosync-1", .title = "read and update 5, zipfian, nosync, 1 thread",
     .unit = "txn/s", .start = BENCH_COPY, .threads = 1, .seconds = 2, .latency = 1,
     .operation = bench_op_modify, .prepare = bench_prepare_zipf, .check = bench_check_modify},
    {.id = "i-nosync-4", .title = "read and update 5, zipfian, nosync, 4 threads",
     .unit = "txn/s", .start = BENCH_COPY, .threads = 4, .seconds = 2, .latency = 1,
     .operation = bench_op_modify, .prepare = bench_prepare_zipf, .check = bench_check_modify},
    {.id = "i-1", .title = "read and update 5, zipfian, durable, 1 thread",
     .unit = "txn/s", .start = BENCH_COPY, .durable = 1, .threads = 1, .seconds = 2, .latency = 1,
     .operation = bench_op_modify, .prepare = bench_prepare_zipf, .check = bench_check_modify},
    {.id = "i-4", .title = "read and update 5, zipfian, durable, 4 threads",
     .unit = "txn/s", .start = BENCH_COPY, .durable = 1, .threads = 4, .seconds = 2, .latency = 1,
     .operation = bench_op_modify, .prepare = bench_prepare_zipf, .check = bench_check_modify},
    {.id = "j", .title = "1,000 random updates a txn, durable",
     .unit = "items/s", .start = BENCH_COPY, .durable = 1, .threads = 1, .seconds = 4,
     .batch = 1000, .latency = 1, .operation = bench_op_update_batch,
     .prepare = bench_prepare_versions, .check = bench_check_versions},
    {.id = "k", .title = "1,000 random deletes a txn, durable",
     .unit = "items/s", .start = BENCH_COPY, .durable = 1, .threads = 1, .seconds = 4,
     .batch = 1000, .latency = 1, .operation = bench_op_delete_batch,
     .prepare = bench_prepare_order, .check = bench_check_deletes},
    {.id = "l-A", .title = "YCSB A, nosync, 2 threads",
     .unit = "ops/s", .start = BENCH_COPY, .threads = 2, .seconds = 2, .latency = 1,
     .operation = bench_op_ycsb_a, .prepare = bench_prepare_zipf, .check = bench_check_inserts},
    {.id = "l-B", .title = "YCSB B, nosync, 2 threads",
     .unit = "ops/s", .start = BENCH_COPY, .threads = 2, .seconds = 2, .latency = 1,
     .operation = bench_op_ycsb_b, .prepare = bench_prepare_zipf, .check = bench_check_inserts},
    {.id = "l-E", .title = "YCSB E, nosync, 2 threads",
     .unit = "ops/s", .start = BENCH_COPY, .threads = 2, .seconds = 2, .latency = 1,
     .operation = bench_op_ycsb_e, .prepare = bench_prepare_zipf, .check = bench_check_inserts},
    {.id = "l-A-durable", .title = "YCSB A, durable, 2 threads",
     .unit = "ops/s", .start = BENCH_COPY, .durable = 1, .threads = 2, .seconds = 2, .latency = 1,
     .operation = bench_op_ycsb_a, .prepare = bench_prepare_zipf, .check = bench_check_inserts},
    {.id = "m-put-100k", .title = "put 100 KB, durable",
     .unit = "puts/s", .durable = 1, .threads = 1, .seconds = 2, .batch = 100000, .latency = 1,
     .custom = bench_custom_large_put},
    {.id = "m-put-10m", .title = "put 10 MB, durable",
     .unit = "puts/s", .durable = 1, .threads = 1, .seconds = 2, .batch = 10000000, .latency = 1,
     .custom = bench_custom_large_put},
    {.id = "m-get-100k", .title = "get 100 KB",
     .unit = "gets/s", .threads = 1, .seconds = 1, .batch = 100000,
     .custom = bench_custom_large_get},
    {.id = "m-get-10m", .title = "get 10 MB",
     .unit = "gets/s", .threads = 1, .seconds = 1, .batch = 10000000,
     .custom = bench_custom_large_get},
    {.id = "n", .title = "50 rows at a random position",
     .unit = "pages/s", .start = BENCH_SHARED, .threads = 1, .seconds = 1.5,
     .operation = bench_op_position},
    {.id = "o-warm", .title = "open and first read, warm",
     .unit = "ms", .start = BENCH_COPY, .durable = 1, .threads = 1, .lower_is_better = 1,
     .custom = bench_custom_open_warm},
    {.id = "o-cold", .title = "open and first read, cold",
     .unit = "ms", .start = BENCH_COPY, .durable = 1, .threads = 1, .lower_is_better = 1,
     .custom = bench_custom_open_cold},
    {.id = "o-kill", .title = "reopen after kill -9 under inserts",
     .unit = "ms", .start = BENCH_COPY, .durable = 1, .threads = 1, .seconds = 4,
     .lower_is_better = 1, .custom = bench_custom_open_killed},
    {.id = "p", .title = "count of a 1 % key range",
     .unit = "counts/s", .start = BENCH_SHARED, .threads = 1, .seconds = 1.5,
     .operation = bench_op_count},
    {.id = "j-minute", .title = "1,000 random updates a txn, durable, a minute",
     .unit = "items/s", .start = BENCH_COPY, .durable = 1, .threads = 1,
     .scale_only = 1, .by_name = 1, .seconds = 60,
     .batch = 1000, .latency = 1, .operation = bench_op_update_batch,
     .prepare = bench_prepare_versions, .check = bench_check_versions},
    {.id = "s-create", .title = "create stores, 1,000 a txn, durable",
     .unit = "stores/s", .durable = 1, .threads = 1, .scale_only = 1,
     .custom = bench_custom_stores_create},
    {.id = "s-open", .title = "open with many stores, first read",
     .unit = "ms", .durable = 1, .threads = 1, .scale_only = 1, .lower_is_better = 1,
     .custom = bench_custom_stores_open},
    {.id = "s-put", .title = "single insert into a random store, nosync",
     .unit = "txn/s", .threads = 1, .scale_only = 1, .seconds = 2, .latency = 1,
     .custom = bench_custom_stores_put},
    {.id = "s-get", .title = "point read in a random store",
     .unit = "reads/s", .threads = 1, .scale_only = 1, .seconds = 2,
     .custom = bench_custom_stores_get},
};
/* clang-format on */

const unsigned bench_workload_count = sizeof bench_workloads / sizeof bench_workloads[0];

int bench_workload_fits(const bench_workload *workload, const bench_engine *engine)
{
    if (workload->operation == bench_op_position) return engine->position != NULL;
    if (workload->custom == bench_custom_bulk) return engine->bulk != NULL;
    if (strncmp(workload->id, "s-", 2) == 0) return engine->stores_create != NULL;
    return 1;
}

void bench_workload_measure(const bench_workload *workload, bench_run *run)
{
    run->durable = workload->durable;
    run->batch = workload->batch;
    run->stores = strncmp(workload->id, "s-", 2) == 0 ? run->config->stores : 0;
    if (run->threads == 0) run->threads = workload->threads;
    if (run->seconds <= 0 || workload->seconds <= 0) run->seconds = workload->seconds;
    run->result->p50_us = -1;
    run->result->write_amplification = -1;
    if (workload->custom != NULL) {
        workload->custom(run);
    } else {
        if (workload->prepare != NULL) workload->prepare(run);
        bench_run_open(run, run->durable);
        if (workload->start != BENCH_EMPTY) bench_run_verify(run, run->items, BENCH_KEY_GAP, 0);
        bench_folder_sync(run->dir);
        bench_run_threads(run, workload->operation);
        if (workload->check != NULL) workload->check(run);
        if (run->db != NULL) bench_run_close(run);
    }
    if (!workload->latency) run->result->p50_us = -1;
    run->result->finished = 1;
}

void bench_base_load(bench_run *run)
{
    run->batch = LOAD_BATCH;
    run->threads = 1;
    if (run->config->random_base) bench_prepare_order(run);
    bench_run_open(run, 0);
    bench_run_threads(run, run->order != NULL ? bench_op_load_random : bench_op_load_sorted);
    run->engine->settle(run->db);
    bench_run_verify(run, run->items, BENCH_KEY_GAP, 0);
    bench_run_close(run);
    bench_folder_sync(run->dir);
    run->result->finished = 1;
}
