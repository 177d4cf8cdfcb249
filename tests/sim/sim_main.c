/* SPDX-License-Identifier: MIT */
/*
 * The simulator as a program: one process of its own for each seed, so that a seed that crashes or hangs is one finding and what
 * killed simulated processes held goes with it.
 */
#define _GNU_SOURCE 1 /* MAP_ANONYMOUS */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "sim/sim.h"
#include "sim/sim_world.h"

enum { SECONDS_A_SEED = 120, JOBS_MAX = 64, SLOTS_ANY = -1 };

/* What all seeds did together; children add, the parent prints. */
typedef struct {
    uint64_t seeds;
    uint64_t commits;
    uint64_t conflicts;
    uint64_t unknowns;
    uint64_t kills;
    uint64_t cuts;
    uint64_t failures;
    uint64_t opens;
    uint64_t transactions;
} totals;

typedef struct {
    uint64_t first;
    uint64_t count;
    uint64_t seconds; /* not 0: as many seeds as go into that time */
    int jobs;
    int trace;
    int processes;
    totals *sum;
} arguments;

static void totals_add(totals *sum)
{
    const uint64_t add[] = {1,        sim.commits,  sim.conflicts, sim.unknowns,         sim.kills,
                            sim.cuts, sim.failures, sim.opens,     sim.history.txn_count};
    uint64_t *at[] = {&sum->seeds, &sum->commits,  &sum->conflicts, &sum->unknowns,    &sum->kills,
                      &sum->cuts,  &sum->failures, &sum->opens,     &sum->transactions};
    for (size_t i = 0; i < sizeof add / sizeof add[0]; i++)
        (void)__atomic_fetch_add(at[i], add[i], __ATOMIC_RELAXED);
}

static void seed_run(uint64_t seed, const arguments *args)
{
    (void)alarm(SECONDS_A_SEED);
    sim.seed = seed;
    sim.trace = args->trace;
    sim_world_begin(seed);
    sim.slots_used = args->processes != SLOTS_ANY ? args->processes : 1;
    sim.faults = (uint32_t)sim_random() & (uint32_t)sim_random() & FAULT_ALL;
    if (sim_chance(70)) sim.faults |= sim_chance(50) ? FAULT_KILL : FAULT_POWER;
    sim.sync_modes = (int)sim_below(4);
    sim.clients_each = 1 + (int)sim_below(CLIENTS_MAX);
    sim.max_events = 4 + (int)sim_below(24);
    history_init(&sim.history);
    sim_task(SIM_TEST, sim_plan, NULL);
    if (!sim_world_run(UINT64_C(600000000000))) {
        char text[2000];
        sim_world_stuck(text, sizeof text);
        sim_violation("nobody gets on: %s", text);
    }
    sim_judge();
    totals_add(args->sum);
    if (args->trace || args->count == 1) {
        (void)printf("seed %llu: %zu transactions, trace %016llx\n", (unsigned long long)seed,
                     sim.history.txn_count, (unsigned long long)sim_trace_sum());
    }
    (void)fflush(stdout);
    _exit(0);
}

static double seconds_now(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

typedef struct {
    pid_t pid;
    uint64_t seed;
} child;

static void failure_print(const char *program, uint64_t seed, int status, const arguments *args)
{
    if (WIFSIGNALED(status)) {
        (void)printf("seed %llu: ended by signal %d%s\n", (unsigned long long)seed,
                     WTERMSIG(status), WTERMSIG(status) == SIGALRM ? " (took too long)" : "");
    }
    char processes[32] = "";
    if (args->processes != SLOTS_ANY)
        (void)snprintf(processes, sizeof processes, " --processes %d", args->processes);
    (void)printf("again: %s --seed %llu%s --trace\n", program, (unsigned long long)seed, processes);
}

/* Waits for one child; 1: it failed. */
static int child_wait(const char *program, child *children, int *running, const arguments *args)
{
    int status = 0;
    pid_t pid = wait(&status);
    for (int i = 0; i < *running; i++) {
        if (children[i].pid != pid) continue;
        uint64_t seed = children[i].seed;
        children[i] = children[--*running];
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return 0;
        failure_print(program, seed, status, args);
        return 1;
    }
    return 0;
}

static int seeds_run(const char *program, const arguments *args)
{
    child children[JOBS_MAX];
    int running = 0;
    int failed = 0;
    double start = seconds_now();
    for (uint64_t i = 0; failed < 5; i++) {
        if (args->seconds == 0 ? i == args->count : seconds_now() - start > (double)args->seconds)
            break;
        while (running >= args->jobs)
            failed += child_wait(program, children, &running, args);
        (void)fflush(stdout); /* else the child would print it once more */
        pid_t pid = fork();
        if (pid < 0) {
            perror("fork");
            return 2;
        }
        if (pid == 0) seed_run(args->first + i, args);
        children[running++] = (child){pid, args->first + i};
    }
    while (running > 0)
        failed += child_wait(program, children, &running, args);
    const totals *t = args->sum;
    (void)printf(
        "sim: %llu seeds in %.1f s: %llu transactions, %llu commits, %llu conflicts, %llu of "
        "unknown "
        "outcome; %llu opens, %llu kills, %llu power cuts, %llu calls failed; %d seeds failed\n",
        (unsigned long long)t->seeds, seconds_now() - start, (unsigned long long)t->transactions,
        (unsigned long long)t->commits, (unsigned long long)t->conflicts,
        (unsigned long long)t->unknowns, (unsigned long long)t->opens, (unsigned long long)t->kills,
        (unsigned long long)t->cuts, (unsigned long long)t->failures, failed);
    return failed == 0 ? 0 : 1;
}

static int usage(void)
{
    (void)fputs("usage: sim [--seed N [--trace]] [--first N] [--count N] [--seconds N] [--jobs N] "
                "[--processes N]\n",
                stderr);
    return 2;
}

int main(int argc, char **argv)
{
    arguments args = {.first = 1, .count = 100, .jobs = 2, .processes = SLOTS_ANY};
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(argv[i], "--trace") == 0) {
            args.trace = 1;
            continue;
        }
        if (value == NULL) return usage();
        uint64_t number = strtoull(value, NULL, 10);
        if (strcmp(argv[i], "--seed") == 0) {
            args.first = number;
            args.count = 1;
        } else if (strcmp(argv[i], "--first") == 0) {
            args.first = number;
        } else if (strcmp(argv[i], "--count") == 0) {
            args.count = number;
        } else if (strcmp(argv[i], "--seconds") == 0) {
            args.seconds = number;
        } else if (strcmp(argv[i], "--jobs") == 0 && number >= 1 && number <= JOBS_MAX) {
            args.jobs = (int)number;
        } else if (strcmp(argv[i], "--processes") == 0 && number >= 1 && number <= SLOTS_MAX) {
            args.processes = (int)number;
        } else {
            return usage();
        }
        i++;
    }
    args.sum =
        mmap(NULL, sizeof *args.sum, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (args.sum == MAP_FAILED) return 2;
    return seeds_run(argv[0], &args);
}
