/* SPDX-License-Identifier: MIT */
/* Runs the threads of one measurement, with a clock that does not disturb them. */
#include "bench_run.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "bench_measure.h"

/* Without sync one operation in this many is timed: a prime, so as not to beat with a batch. */
#define SAMPLE_NOSYNC   13
#define MEMORY_EVERY_MS 20

typedef struct {
    bench_worker *worker;
    bench_operation operation;
    pthread_barrier_t *start;
} task;

void *bench_alloc(size_t size)
{
    void *memory = calloc(1, size != 0 ? size : 1);
    if (memory == NULL) bench_die("out of memory: %zu bytes", size);
    return memory;
}

void bench_run_open(bench_run *run, int durable)
{
    run->anon_start = bench_anon_bytes();
    run->db = run->engine->open(run->dir, (bench_opening){durable, run->stores});
}

void bench_run_close(bench_run *run)
{
    run->engine->close(run->db);
    run->db = NULL;
}

void bench_run_shuffle(bench_run *run, uint64_t count)
{
    run->order = bench_alloc(count * sizeof *run->order);
    run->order_count = count;
    for (uint64_t i = 0; i < count; i++) {
        run->order[i] = (uint32_t)bench_permute(i, count, run->seed);
    }
}

static void work(bench_worker *worker, bench_operation operation)
{
    bench_run *run = worker->run;
    unsigned every = run->durable ? 1 : SAMPLE_NOSYNC;
    unsigned until_sample = 1;
    do {
        int more;
        if (--until_sample == 0) {
            until_sample = every;
            uint64_t from = bench_now_ns();
            more = operation(worker);
            if (more) bench_hist_add(&worker->hist, bench_now_ns() - from);
        } else {
            more = operation(worker);
        }
        if (!more) break;
        worker->operations++;
        /* relaxed: only a hint to end soon, the join orders everything else */
    } while (!atomic_load_explicit(&run->stop, memory_order_relaxed));
    worker->finished_ns = bench_now_ns();
}

static void *thread_main(void *argument)
{
    task *mine = argument;
    bench_worker *worker = mine->worker;
    worker->session = worker->engine->session_open(worker->run->db);
    pthread_barrier_wait(mine->start);
    work(worker, mine->operation);
    if (worker->in_batch != 0) worker->engine->commit(worker->session);
    worker->engine->session_close(worker->session);
    /* release: pairs with the acquire in wait_for_end */
    atomic_fetch_sub_explicit(&worker->run->running, 1, memory_order_release);
    return NULL;
}

static void worker_init(bench_worker *worker, bench_run *run, unsigned index)
{
    worker->run = run;
    worker->engine = run->engine;
    worker->index = index;
    bench_rng_seed(&worker->rng, run->seed + index * 7919u);
    if (run->zipf.n != 0) {
        worker->draws = bench_alloc(BENCH_DRAWS * sizeof *worker->draws);
        for (uint64_t i = 0; i < BENCH_DRAWS; i++) {
            worker->draws[i] = (uint32_t)bench_zipf_next(&run->zipf, &worker->rng);
        }
    }
    worker->next = index;
}

static uint64_t wait_for_end(bench_run *run, uint64_t start_ns)
{
    uint64_t peak = 0, sampled_ns = 0;
    uint64_t end_ns = run->seconds > 0 ? start_ns + (uint64_t)(run->seconds * 1e9) : UINT64_MAX;
    for (;;) {
        uint64_t now = bench_now_ns();
        if (now >= end_ns) atomic_store_explicit(&run->stop, 1, memory_order_relaxed);
        if (now - sampled_ns >= MEMORY_EVERY_MS * 1000000u) {
            uint64_t anon = bench_anon_bytes();
            if (anon > peak) peak = anon;
            sampled_ns = now;
        }
        /* acquire: pairs with the release at the end of thread_main */
        if (atomic_load_explicit(&run->running, memory_order_acquire) == 0) return peak;
        bench_sleep_ms(5);
    }
}

static void sum_up(bench_run *run, bench_worker *workers, uint64_t start_ns)
{
    bench_hist *all = bench_alloc(sizeof *all);
    uint64_t end_ns = start_ns;
    run->operations = run->units = run->inserted = run->version_sum = 0;
    for (unsigned i = 0; i < run->threads; i++) {
        bench_worker *worker = &workers[i];
        run->operations += worker->operations;
        run->units += worker->units;
        run->inserted += worker->inserted;
        run->version_sum += worker->version_sum;
        run->result->conflicts += worker->conflicts;
        bench_hist_merge(all, &worker->hist);
        if (worker->finished_ns > end_ns) end_ns = worker->finished_ns;
        free(worker->draws);
    }
    run->elapsed = (double)(end_ns - start_ns) * 1e-9;
    bench_result *result = run->result;
    result->seconds = run->elapsed;
    result->operations = run->operations;
    result->value = (double)run->units / run->elapsed;
    result->p50_us = (double)bench_hist_quantile(all, 0.5) * 1e-3;
    result->p99_us = (double)bench_hist_quantile(all, 0.99) * 1e-3;
    result->p999_us = (double)bench_hist_quantile(all, 0.999) * 1e-3;
    result->max_us = (double)all->max * 1e-3;
    free(all);
}

void bench_run_threads(bench_run *run, bench_operation operation)
{
    bench_worker *workers = bench_alloc(run->threads * sizeof *workers);
    task *tasks = bench_alloc(run->threads * sizeof *tasks);
    pthread_t *threads = bench_alloc(run->threads * sizeof *threads);
    pthread_barrier_t start;
    pthread_barrier_init(&start, NULL, run->threads + 1);
    uint64_t own = bench_anon_bytes();
    for (unsigned i = 0; i < run->threads; i++) {
        worker_init(&workers[i], run, i);
    }
    /* what the harness itself took is not the engine's memory */
    run->anon_start += bench_anon_bytes() - own;
    atomic_store(&run->stop, 0);
    atomic_store(&run->running, run->threads);
    for (unsigned i = 0; i < run->threads; i++) {
        tasks[i] = (task){&workers[i], operation, &start};
        if (pthread_create(&threads[i], NULL, thread_main, &tasks[i]) != 0) bench_die("no thread");
    }
    double cpu = bench_cpu_seconds();
    uint64_t start_ns = bench_now_ns();
    pthread_barrier_wait(&start);
    uint64_t peak = wait_for_end(run, start_ns);
    run->result->cpu_seconds = bench_cpu_seconds() - cpu;
    run->result->anon_peak_bytes = peak > run->anon_start ? (double)(peak - run->anon_start) : 0.0;
    for (unsigned i = 0; i < run->threads; i++) {
        pthread_join(threads[i], NULL);
    }
    pthread_barrier_destroy(&start);
    sum_up(run, workers, start_ns);
    free(workers);
    free(tasks);
    free(threads);
}

void bench_run_verify(bench_run *run, uint64_t count, uint64_t step, uint64_t version_sum)
{
    const bench_engine *engine = run->engine;
    void *session = engine->session_open(run->db);
    bench_sink sink = {.step = step, .versions = run->versions};
    engine->begin(session, BENCH_READ);
    engine->scan(session, NULL, UINT64_MAX, &sink);
    engine->commit(session);
    engine->session_close(session);
    if (sink.bad != 0) bench_die("verify: %llu wrong items", (unsigned long long)sink.bad);
    if (sink.count != count) {
        bench_die("verify: %llu items, should be %llu", (unsigned long long)sink.count,
                  (unsigned long long)count);
    }
    if (version_sum != UINT64_MAX && sink.version_sum != version_sum) {
        bench_die("verify: %llu updates in the data, %llu acknowledged",
                  (unsigned long long)sink.version_sum, (unsigned long long)version_sum);
    }
}
