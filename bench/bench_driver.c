/* SPDX-License-Identifier: MIT */
/* Runs every workload on every engine, each measurement in a process and a folder of its own. */
#include "bench_driver.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench_measure.h"
#include "bench_workload.h"

#define TIMEOUT_S         180
#define TIMEOUT_S_MILLION 180 /* more for every million items */

const bench_engine *const bench_engines[] = {
#ifdef BENCH_WITH_SOP
    &bench_engine_sop,
#endif
    &bench_engine_lmdb,          &bench_engine_lmdb_wm, &bench_engine_rocksdb,
    &bench_engine_rocksdb_tuned, &bench_engine_sqlite,
};
const unsigned bench_engine_count = sizeof bench_engines / sizeof bench_engines[0];

/* In a measuring process: where its error goes. */
static bench_result *dying_result;

void bench_die(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (dying_result != NULL) {
        vsnprintf(dying_result->error, sizeof dying_result->error, format, args);
    } else {
        fputs("sop_bench: ", stderr);
        vfprintf(stderr, format, args);
        fputc('\n', stderr);
    }
    va_end(args);
    _exit(3);
}

typedef struct {
    const bench_config *config;
    bench_result *result; /* shared with the measuring process */
    FILE *out;
    unsigned done, all, failed;
} driver;

/* True when the comma-separated list is absent, or names id, or the part of id before its first dash. */
static int listed(const char *list, const char *id, int by_family)
{
    if (list == NULL) return 1;
    size_t length = strlen(id), family = strcspn(id, "-");
    for (const char *at = list; *at != 0; at += *at == ',') {
        size_t word = strcspn(at, ",");
        if (word == length && strncmp(at, id, word) == 0) return 1;
        if (by_family && word == family && strncmp(at, id, word) == 0) return 1;
        at += word;
    }
    return 0;
}

static int wanted(const bench_config *config, const bench_workload *workload)
{
    if (config->workloads == NULL) return !workload->scale_only;
    return listed(config->workloads, workload->id, !workload->by_name);
}

static void path_of(const driver *d, const bench_engine *engine, const char *what, char *path)
{
    int length = snprintf(path, BENCH_PATH_MAX, "%s/%s-%s", d->config->dir, engine->name, what);
    if (length < 0 || length >= BENCH_PATH_MAX) bench_die("path too long");
}

/* Waits for the process; kills it and all it started when it takes too long. */
static void wait_for(const driver *d, pid_t child)
{
    unsigned seconds = TIMEOUT_S + (unsigned)(d->config->items * TIMEOUT_S_MILLION / 1000000) +
                       (unsigned)d->config->seconds;
    uint64_t end = bench_now_ns() + seconds * UINT64_C(1000000000);
    int status = 0;
    int killed = 0;
    while (waitpid(child, &status, WNOHANG) == 0) {
        if (bench_now_ns() > end && !killed) {
            killpg(child, SIGKILL);
            killed = 1;
        }
        bench_sleep_ms(2);
    }
    bench_result *result = d->result;
    if (killed) {
        snprintf(result->error, sizeof result->error, "no end after %u s", seconds);
    } else if (WIFSIGNALED(status)) {
        snprintf(result->error, sizeof result->error, "ended by signal %d", WTERMSIG(status));
    } else if (!result->finished && result->error[0] == 0) {
        snprintf(result->error, sizeof result->error, "exit %d", WEXITSTATUS(status));
    }
    if (result->error[0] != 0) result->finished = 0;
}

static uint64_t seed_of(const char *id)
{
    uint64_t seed = 1;
    for (; *id != 0; id++) {
        seed = bench_mix(seed + (unsigned char)*id);
    }
    return seed;
}

/* Measures in a new process; workload NULL: loads the base image. */
static void
measure(driver *d, const bench_engine *engine, const bench_workload *workload, const char *dir)
{
    *d->result = (bench_result){0};
    fflush(NULL);
    pid_t child = fork();
    if (child < 0) bench_die("fork: %s", strerror(errno));
    if (child != 0) {
        wait_for(d, child);
        return;
    }
    setpgid(0, 0);
    dying_result = d->result;
    bench_run run = {
        .engine = engine,
        .config = d->config,
        .result = d->result,
        .dir = dir,
        .items = d->config->items,
        .threads = d->config->threads,
        .seconds = d->config->seconds,
        .seed = workload != NULL ? seed_of(workload->id) : 1,
    };
    if (workload != NULL) {
        bench_workload_measure(workload, &run);
    } else {
        run.threads = 1;
        run.seconds = 0;
        bench_base_load(&run);
    }
    _exit(0);
}

static void print_text(FILE *out, const char *text)
{
    fputc('"', out);
    for (; *text != 0; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\') {
            fprintf(out, "\\%c", c);
        } else if (c < 0x20) {
            fprintf(out, "\\u%04x", c);
        } else {
            fputc(c, out);
        }
    }
    fputc('"', out);
}

static void print_measured(FILE *out, const bench_result *r)
{
    fprintf(out, ", \"value\": %.6g, \"seconds\": %.4f", r->value, r->seconds);
    fprintf(out, ", \"operations\": %" PRIu64, r->operations);
    fprintf(out, ", \"cpu_s\": %.4f, \"anon_peak_bytes\": %.0f", r->cpu_seconds,
            r->anon_peak_bytes);
    if (r->conflicts > 0) fprintf(out, ", \"conflicts\": %" PRIu64, r->conflicts);
    if (r->p50_us >= 0) {
        fprintf(out, ", \"p50_us\": %.2f, \"p99_us\": %.2f", r->p50_us, r->p99_us);
        fprintf(out, ", \"p999_us\": %.2f, \"max_us\": %.2f", r->p999_us, r->max_us);
    }
    if (r->disk_bytes > 0) {
        fprintf(out, ", \"disk_bytes\": %.0f, \"log_bytes\": %.0f", r->disk_bytes, r->log_bytes);
        fprintf(out, ", \"disk_ratio\": %.4f", r->disk_ratio);
    }
    if (r->write_amplification >= 0) {
        fprintf(out, ", \"write_amplification\": %.2f", r->write_amplification);
    }
    if (r->acknowledged > 0) fprintf(out, ", \"acknowledged\": %" PRIu64, r->acknowledged);
}

/* One line of JSON. */
static void print_result(const driver *d,
                         unsigned rep,
                         const bench_engine *engine,
                         const bench_workload *workload)
{
    const bench_result *r = d->result;
    const bench_config *c = d->config;
    FILE *out = d->out;
    int fits = bench_workload_fits(workload, engine);
    fprintf(out, "{\"time\": %lld, \"rep\": %u", (long long)time(NULL), rep);
    fprintf(out, ", \"workload\": \"%s\", \"title\": \"%s\"", workload->id, workload->title);
    fprintf(out, ", \"engine\": \"%s\", \"version\": \"%s\"", engine->name, engine->version());
    fprintf(out, ", \"items\": %" PRIu64 ", \"stores\": %u", c->items, c->stores);
    fprintf(out, ", \"threads\": %u", c->threads != 0 ? c->threads : workload->threads);
    fprintf(out, ", \"threads_forced\": %u, \"random_base\": %d", c->threads, c->random_base);
    fprintf(out, ", \"unit\": \"%s\"", workload->unit);
    fprintf(out, ", \"lower_is_better\": %d", workload->lower_is_better);
    fprintf(out, ", \"status\": \"%s\"", !fits ? "none" : r->finished ? "ok" : "failed");
    if (fits && r->finished) print_measured(out, r);
    if (fits && !r->finished) {
        fputs(", \"error\": ", out);
        print_text(out, r->error);
    }
    fputs("}\n", out);
    fflush(out);
}

static void
report(driver *d, unsigned rep, const bench_engine *engine, const bench_workload *workload)
{
    const bench_result *r = d->result;
    print_result(d, rep, engine, workload);
    d->done++;
    fprintf(stderr, "[%u/%u] rep %u  %-12s %-14s ", d->done, d->all, rep, workload->id,
            engine->name);
    if (!bench_workload_fits(workload, engine)) {
        fprintf(stderr, "no equivalent\n");
    } else if (r->finished) {
        fprintf(stderr, "%14.*f %s\n", r->value < 100 ? 3 : 0, r->value, workload->unit);
    } else {
        fprintf(stderr, "FAILED: %s\n", r->error);
        d->failed++;
    }
}

static void
measure_one(driver *d, unsigned rep, const bench_engine *engine, const bench_workload *workload)
{
    char base[BENCH_PATH_MAX], work[BENCH_PATH_MAX];
    path_of(d, engine, "base", base);
    path_of(d, engine, "work", work);
    if (bench_workload_fits(workload, engine)) {
        bench_folder_remove(work);
        if (workload->start == BENCH_COPY) bench_folder_copy(base, work);
        if (workload->start == BENCH_EMPTY) bench_folder_make(work);
        measure(d, engine, workload, workload->start == BENCH_SHARED ? base : work);
        bench_folder_remove(work);
    }
    report(d, rep, engine, workload);
}

static int needs_base(const bench_config *config)
{
    for (unsigned i = 0; i < bench_workload_count; i++) {
        const bench_workload *workload = &bench_workloads[i];
        if (wanted(config, workload) && workload->start != BENCH_EMPTY) return 1;
    }
    return 0;
}

/* Returns false when the engine could not load it: it is then left out, and counted as failed. */
static int load_base(driver *d, const bench_engine *engine)
{
    char base[BENCH_PATH_MAX];
    path_of(d, engine, "base", base);
    bench_folder_remove(base);
    bench_folder_make(base);
    uint64_t start = bench_now_ns();
    measure(d, engine, NULL, base);
    double seconds = (double)(bench_now_ns() - start) * 1e-9;
    if (d->result->finished) {
        fprintf(stderr, "loaded %-14s %.1f s\n", engine->name, seconds);
        return 1;
    }
    fprintf(stderr, "loaded %-14s FAILED: %s\n", engine->name, d->result->error);
    d->failed++;
    return 0;
}

static unsigned choose_engines(driver *d, const bench_engine **chosen)
{
    unsigned count = 0;
    for (unsigned i = 0; i < bench_engine_count; i++) {
        if (!listed(d->config->engines, bench_engines[i]->name, 0)) continue;
        if (needs_base(d->config) && !load_base(d, bench_engines[i])) continue;
        chosen[count++] = bench_engines[i];
    }
    return count;
}

static void run_all(driver *d, const bench_engine **chosen, unsigned count)
{
    unsigned workloads = 0;
    for (unsigned w = 0; w < bench_workload_count; w++) {
        workloads += wanted(d->config, &bench_workloads[w]) != 0;
    }
    d->all = d->config->reps * workloads * count;
    for (unsigned rep = 1; rep <= d->config->reps; rep++) {
        for (unsigned w = 0; w < bench_workload_count; w++) {
            if (!wanted(d->config, &bench_workloads[w])) continue;
            for (unsigned e = 0; e < count; e++) {
                measure_one(d, rep, chosen[(e + rep + w) % count], &bench_workloads[w]);
            }
        }
    }
}

unsigned bench_drive(const bench_config *config)
{
    driver d = {.config = config};
    const bench_engine *chosen[16];
    d.out = fopen(config->out, "a");
    if (d.out == NULL) bench_die("open %s: %s", config->out, strerror(errno));
    d.result =
        mmap(NULL, sizeof *d.result, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (d.result == MAP_FAILED) bench_die("no shared memory");
    bench_folder_make(config->dir);
    unsigned count = choose_engines(&d, chosen);
    run_all(&d, chosen, count);
    for (unsigned i = 0; i < count; i++) {
        char base[BENCH_PATH_MAX];
        path_of(&d, chosen[i], "base", base);
        bench_folder_remove(base);
    }
    fclose(d.out);
    munmap(d.result, sizeof *d.result);
    return d.failed;
}
