/* SPDX-License-Identifier: MIT */
/* How long it takes to open a database and read one item: warm, cold, and after a kill under load. */
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench_measure.h"
#include "bench_workload.h"

#define OPENS_WARM 11
#define OPENS_COLD 5

/* Opens, reads and checks one item; the database stays open. Returns milliseconds. */
static double open_and_read(bench_run *run, uint64_t number)
{
    char key[BENCH_KEY_SIZE];
    bench_slice found;
    uint64_t version;
    bench_key_make(number, key);
    uint64_t start = bench_now_ns();
    run->db = run->engine->open(run->dir, (bench_opening){1, 0});
    void *session = run->engine->session_open(run->db);
    run->engine->begin(session, BENCH_READ_ONE);
    bench_status status = run->engine->get(session, key, &found);
    uint64_t end = bench_now_ns();
    if (status != BENCH_OK || found.size != BENCH_VALUE_SIZE ||
        !bench_value_check(number, found, &version)) {
        bench_die("key %.16s has a wrong value after opening", key);
    }
    run->engine->commit(session);
    run->engine->session_close(session);
    return (double)(end - start) * 1e-6;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void measure_opens(bench_run *run, unsigned count, int cold)
{
    double times[OPENS_WARM];
    bench_rng rng;
    bench_rng_seed(&rng, run->seed);
    double cpu = bench_cpu_seconds();
    run->anon_start = bench_anon_bytes();
    for (unsigned i = 0; i < count; i++) {
        if (cold) bench_folder_evict(run->dir);
        times[i] = open_and_read(run, bench_rng_below(&rng, run->items) * BENCH_KEY_GAP);
        uint64_t anon = bench_anon_bytes();
        if (anon > run->anon_start) {
            run->result->anon_peak_bytes = (double)(anon - run->anon_start);
        }
        bench_run_close(run);
    }
    run->result->cpu_seconds = (bench_cpu_seconds() - cpu) / count;
    qsort(times, count, sizeof *times, by_size);
    run->result->operations = count;
    run->result->value = times[count / 2];
    run->result->seconds = times[count / 2] * 1e-3;
}

void bench_custom_open_warm(bench_run *run)
{
    bench_run_open(run, 1);
    bench_run_verify(run, run->items, BENCH_KEY_GAP, 0);
    bench_run_close(run);
    measure_opens(run, OPENS_WARM, 0);
}

void bench_custom_open_cold(bench_run *run)
{
    bench_run_open(run, 1);
    bench_run_close(run);
    measure_opens(run, OPENS_COLD, 1);
}

/* Inserts until it is killed; acknowledged is in memory shared with the parent. */
_Noreturn static void insert_for_ever(bench_run *run, _Atomic uint64_t *acknowledged)
{
    bench_run_open(run, 1);
    bench_worker worker = {.run = run, .engine = run->engine};
    worker.session = run->engine->session_open(run->db);
    while (bench_op_insert(&worker)) {
        /* release: pairs with the acquire after the kill */
        atomic_store_explicit(acknowledged, worker.inserted, memory_order_release);
    }
    bench_die("no room for more inserts");
}

static void verify_acknowledged(bench_run *run, uint64_t acknowledged)
{
    uint64_t room = run->items * (BENCH_KEY_GAP - 1);
    bench_sink sink = {.step = 0};
    void *session = run->engine->session_open(run->db);
    run->engine->begin(session, BENCH_READ);
    for (uint64_t i = 0; i < acknowledged; i++) {
        char key[BENCH_KEY_SIZE];
        bench_slice found;
        uint64_t version, number = bench_new_number(bench_permute(i, room, 77));
        bench_key_make(number, key);
        if (run->engine->get(session, key, &found) != BENCH_OK || found.size != BENCH_VALUE_SIZE ||
            !bench_value_check(number, found, &version)) {
            bench_die("insert %llu of %llu acknowledged is lost after kill -9",
                      (unsigned long long)i, (unsigned long long)acknowledged);
        }
    }
    run->engine->scan(session, NULL, UINT64_MAX, &sink);
    run->engine->commit(session);
    run->engine->session_close(session);
    uint64_t expected = run->items + acknowledged;
    /* the insert under way when the kill came may be there or not */
    if (sink.bad != 0 || (sink.count != expected && sink.count != expected + 1)) {
        bench_die("%llu items after kill -9, %llu wrong; should be %llu",
                  (unsigned long long)sink.count, (unsigned long long)sink.bad,
                  (unsigned long long)expected);
    }
}

/* Lets a child insert for the time of the run, from its first acknowledged insert on, and kills it.
   Returns how many inserts were acknowledged. */
static uint64_t insert_and_kill(bench_run *run)
{
    _Atomic uint64_t *acknowledged =
        mmap(NULL, sizeof *acknowledged, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (acknowledged == MAP_FAILED) bench_die("no shared memory");
    atomic_init(acknowledged, 0);
    pid_t child = fork();
    if (child < 0) bench_die("fork failed");
    if (child == 0) insert_for_ever(run, acknowledged);
    int status = 0, ended = 0;
    /* acquire: pairs with the release store of the child, here and after the kill */
    while (!ended && atomic_load_explicit(acknowledged, memory_order_acquire) == 0) {
        bench_sleep_ms(1);
        ended = waitpid(child, &status, WNOHANG) == child;
    }
    if (!ended) {
        bench_sleep_ms((unsigned)(run->seconds * 1000));
        kill(child, SIGKILL);
        waitpid(child, &status, 0);
    }
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL) {
        bench_die("the inserting process ended by itself: %s", run->result->error);
    }
    uint64_t count = atomic_load_explicit(acknowledged, memory_order_acquire);
    munmap(acknowledged, sizeof *acknowledged);
    return count;
}

void bench_custom_open_killed(bench_run *run)
{
    run->threads = 1;
    uint64_t count = insert_and_kill(run);
    run->anon_start = bench_anon_bytes();
    run->result->value = open_and_read(run, 0);
    uint64_t anon = bench_anon_bytes();
    run->result->anon_peak_bytes = anon > run->anon_start ? (double)(anon - run->anon_start) : 0;
    run->result->seconds = run->result->value * 1e-3;
    run->result->operations = 1;
    run->result->acknowledged = count;
    verify_acknowledged(run, count);
    bench_run_close(run);
}
