/* SPDX-License-Identifier: MIT */
/* What many stores in one database cost: to create, to open, to use one at random. */
#include <stdlib.h>

#include "bench_measure.h"
#include "bench_workload.h"

#define CREATED_A_TXN 1000
#define OPENS         5

static void create_all(bench_run *run)
{
    unsigned stores = run->stores;
    for (unsigned first = 0; first < stores; first += CREATED_A_TXN) {
        unsigned count = stores - first < CREATED_A_TXN ? stores - first : CREATED_A_TXN;
        run->engine->stores_create(run->db, first, count);
    }
}

static void put(bench_worker *worker, unsigned store, uint64_t number)
{
    char key[BENCH_KEY_SIZE], value[BENCH_VALUE_SIZE];
    bench_key_make(number, key);
    bench_value_make(number, store, value, BENCH_VALUE_SIZE);
    bench_slice slice = {value, BENCH_VALUE_SIZE};
    worker->engine->begin(worker->session, BENCH_WRITE_BLIND);
    worker->engine->store_put(worker->session, store, key, slice);
    if (worker->engine->commit(worker->session) != BENCH_OK) bench_die("put met a conflict");
}

static void get(bench_worker *worker, unsigned store, uint64_t number)
{
    char key[BENCH_KEY_SIZE];
    bench_slice found;
    uint64_t version;
    bench_key_make(number, key);
    worker->engine->begin(worker->session, BENCH_READ_ONE);
    if (worker->engine->store_get(worker->session, store, key, &found) != BENCH_OK ||
        !bench_value_check(number, found, &version) || version != store) {
        bench_die("store %u has a wrong value", store);
    }
    worker->engine->commit(worker->session);
}

/* Each worker writes keys of its own, so that every put is an insert. */
static int op_put(bench_worker *worker)
{
    unsigned store = (unsigned)bench_rng_below(&worker->rng, worker->run->stores);
    worker->next += worker->run->threads;
    put(worker, store, worker->next);
    worker->units++;
    return 1;
}

static int op_get(bench_worker *worker)
{
    get(worker, (unsigned)bench_rng_below(&worker->rng, worker->run->stores), 0);
    worker->units++;
    return 1;
}

/* All stores, with the item 0 in each, in a database that was closed. */
static void build(bench_run *run)
{
    bench_run_open(run, 0);
    create_all(run);
    bench_worker worker = {.run = run, .engine = run->engine};
    worker.session = run->engine->session_open(run->db);
    for (unsigned store = 0; store < run->stores; store++) {
        put(&worker, store, 0);
    }
    run->engine->session_close(worker.session);
    run->engine->flush(run->db);
    bench_run_close(run);
    bench_folder_sync(run->dir);
}

void bench_custom_stores_create(bench_run *run)
{
    bench_run_open(run, 1);
    double cpu = bench_cpu_seconds();
    uint64_t start = bench_now_ns();
    create_all(run);
    run->result->seconds = (double)(bench_now_ns() - start) * 1e-9;
    run->result->cpu_seconds = bench_cpu_seconds() - cpu;
    run->result->operations = run->stores;
    run->result->value = run->stores / run->result->seconds;
    bench_run_close(run);
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void bench_custom_stores_open(bench_run *run)
{
    double times[OPENS];
    build(run);
    bench_worker worker = {.run = run, .engine = run->engine};
    for (unsigned i = 0; i < OPENS; i++) {
        uint64_t before = bench_anon_bytes();
        uint64_t start = bench_now_ns();
        run->db = run->engine->open(run->dir, (bench_opening){1, run->stores});
        worker.session = run->engine->session_open(run->db);
        get(&worker, run->stores / 2, 0);
        times[i] = (double)(bench_now_ns() - start) * 1e-6;
        uint64_t after = bench_anon_bytes();
        if (i == 0 && after > before) run->result->anon_peak_bytes = (double)(after - before);
        run->engine->session_close(worker.session);
        bench_run_close(run);
    }
    qsort(times, OPENS, sizeof *times, by_size);
    run->result->operations = OPENS;
    run->result->value = times[OPENS / 2];
    run->result->seconds = times[OPENS / 2] * 1e-3;
}

static void measure(bench_run *run, bench_operation operation)
{
    build(run);
    bench_run_open(run, 0);
    bench_run_threads(run, operation);
    bench_run_close(run);
}

void bench_custom_stores_put(bench_run *run)
{
    measure(run, op_put);
}

void bench_custom_stores_get(bench_run *run)
{
    measure(run, op_get);
}
