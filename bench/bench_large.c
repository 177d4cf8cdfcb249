/* SPDX-License-Identifier: MIT */
/* Large values: put one a transaction, get one at random; every byte is checked. */
#include <stdlib.h>

#include "bench_measure.h"
#include "bench_workload.h"

#define PUT_BYTES_MAX (UINT64_C(2) << 30) /* then the workload ends, whatever the time */
#define GET_BYTES     (UINT64_C(256) << 20)
#define QUICK_BYTES   (UINT64_C(30) << 20)

static void prepare_values(bench_run *run)
{
    for (unsigned i = 0; i < BENCH_VALUES; i++) {
        run->values[i] = bench_alloc(run->batch);
        bench_value_make(i, i, run->values[i], run->batch);
    }
}

static void release_values(bench_run *run)
{
    for (unsigned i = 0; i < BENCH_VALUES; i++) {
        free(run->values[i]);
    }
}

static void put(const bench_engine *engine, void *session, const bench_run *run, uint64_t n)
{
    char key[BENCH_KEY_SIZE];
    bench_slice value = {run->values[n % BENCH_VALUES], run->batch};
    bench_key_make(n, key);
    engine->begin(session, BENCH_WRITE_BLIND);
    engine->insert(session, key, value);
    if (engine->commit(session) != BENCH_OK) bench_die("put of a large value met a conflict");
}

static void get(const bench_engine *engine, void *session, const bench_run *run, uint64_t n)
{
    char key[BENCH_KEY_SIZE];
    bench_slice found;
    uint64_t version;
    bench_key_make(n, key);
    engine->begin(session, BENCH_READ_ONE);
    if (engine->get(session, key, &found) != BENCH_OK || found.size != run->batch ||
        !bench_value_check(n % BENCH_VALUES, found, &version) || version != n % BENCH_VALUES) {
        bench_die("large value %llu is wrong", (unsigned long long)n);
    }
    engine->commit(session);
}

static int op_put(bench_worker *worker)
{
    bench_run *run = worker->run;
    uint64_t limit = run->config->quick ? QUICK_BYTES : PUT_BYTES_MAX;
    if (worker->next * run->batch >= limit) return 0;
    put(worker->engine, worker->session, run, worker->next++);
    worker->units++;
    return 1;
}

static int op_get(bench_worker *worker)
{
    bench_run *run = worker->run;
    get(worker->engine, worker->session, run, bench_rng_below(&worker->rng, run->items));
    worker->units++;
    return 1;
}

static void get_all(bench_run *run, uint64_t count)
{
    void *session = run->engine->session_open(run->db);
    for (uint64_t n = 0; n < count; n++) {
        get(run->engine, session, run, n);
    }
    run->engine->session_close(session);
}

void bench_custom_large_put(bench_run *run)
{
    prepare_values(run);
    bench_run_open(run, 1);
    bench_folder_sync(run->dir);
    bench_run_threads(run, op_put);
    get_all(run, run->units);
    bench_run_close(run);
    release_values(run);
}

void bench_custom_large_get(bench_run *run)
{
    const bench_engine *engine = run->engine;
    prepare_values(run);
    run->items = (run->config->quick ? QUICK_BYTES : GET_BYTES) / run->batch;
    bench_run_open(run, 0);
    void *session = engine->session_open(run->db);
    for (uint64_t n = 0; n < run->items; n++) {
        put(engine, session, run, n);
    }
    engine->session_close(session);
    engine->settle(run->db);
    bench_run_close(run);
    bench_folder_sync(run->dir);
    bench_run_open(run, 0);
    get_all(run, run->items); /* warms */
    bench_run_threads(run, op_get);
    bench_run_close(run);
    release_values(run);
}
