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
#include "util/rule.h"

enum { SECONDS_A_SEED = 120, JOBS_MAX = 64 };

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
    char told[JOBS_MAX][SIM_TOLD]; /* what the child in that place found */
} totals;

typedef struct {
    uint64_t first;
    uint64_t count;
    uint64_t seconds; /* not 0: as many seeds as go into that time */
    int jobs;
    int trace;
    int processes;
    int quiet;
    const char *rule; /* only this one is broken; NULL: every one in turn */
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

static void seed_run(uint64_t seed, int place, const arguments *args)
{
    sim.quiet = args->quiet;
    sim.told = args->sum->told[place];
    if (args->quiet) (void)freopen("/dev/null", "w", stderr); /* assertions that fail */
    (void)alarm(SECONDS_A_SEED);
    sim.seed = seed;
    sim.trace = args->trace;
    sim_world_begin(seed);
    sim.slots_used = args->processes != 0 ? args->processes : 1 + (int)sim_below(4);
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
} child; /* pid 0: none */

typedef struct {
    child children[JOBS_MAX];
    int running;
    int failed;
    uint64_t failed_seed; /* the first */
    char told[SIM_TOLD];
} crew;

static void failure_print(const char *program, uint64_t seed, int status, const arguments *args)
{
    if (WIFSIGNALED(status)) {
        (void)printf("seed %llu: ended by signal %d%s\n", (unsigned long long)seed,
                     WTERMSIG(status), WTERMSIG(status) == SIGALRM ? " (took too long)" : "");
    }
    char processes[32] = "";
    if (args->processes != 1)
        (void)snprintf(processes, sizeof processes, " --processes %d", args->processes);
    (void)printf("again: %s --seed %llu%s --trace\n", program, (unsigned long long)seed, processes);
}

static void child_wait(const char *program, crew *c, const arguments *args)
{
    int status = 0;
    pid_t pid = wait(&status);
    for (int i = 0; i < args->jobs; i++) {
        if (c->children[i].pid != pid) continue;
        uint64_t seed = c->children[i].seed;
        c->children[i].pid = 0;
        c->running--;
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return;
        if (c->failed++ == 0) {
            c->failed_seed = seed;
            (void)snprintf(c->told, sizeof c->told, "%s", args->sum->told[i]);
            if (WIFSIGNALED(status))
                (void)snprintf(c->told, sizeof c->told, "signal %d", WTERMSIG(status));
        }
        if (!args->quiet) failure_print(program, seed, status, args);
    }
}

static int child_start(crew *c, uint64_t seed, const arguments *args)
{
    int place = 0;
    while (c->children[place].pid != 0)
        place++;
    (void)fflush(stdout); /* else the child would print it once more */
    args->sum->told[place][0] = '\0';
    pid_t pid = fork();
    if (pid < 0) {
        perror("fork");
        exit(2);
    }
    if (pid == 0) seed_run(seed, place, args);
    c->children[place] = (child){pid, seed};
    c->running++;
    return 1;
}

/* Runs seeds until failed_max of them failed. */
static void seeds_run(const char *program, crew *c, const arguments *args, int failed_max)
{
    double start = seconds_now();
    *c = (crew){0};
    for (uint64_t i = 0; c->failed < failed_max; i++) {
        if (args->seconds == 0 ? i == args->count : seconds_now() - start > (double)args->seconds)
            break;
        while (c->running >= args->jobs)
            child_wait(program, c, args);
        if (c->failed < failed_max) (void)child_start(c, args->first + i, args);
    }
    while (c->running > 0)
        child_wait(program, c, args);
}

static int seeds_command(const char *program, const arguments *args)
{
    double start = seconds_now();
    crew c;
    seeds_run(program, &c, args, 5);
    const totals *t = args->sum;
    (void)printf(
        "sim: %llu seeds in %.1f s: %llu transactions, %llu commits, %llu conflicts, %llu of "
        "unknown "
        "outcome; %llu opens, %llu kills, %llu power cuts, %llu calls failed; %d seeds failed\n",
        (unsigned long long)t->seeds, seconds_now() - start, (unsigned long long)t->transactions,
        (unsigned long long)t->commits, (unsigned long long)t->conflicts,
        (unsigned long long)t->unknowns, (unsigned long long)t->opens, (unsigned long long)t->kills,
        (unsigned long long)t->cuts, (unsigned long long)t->failures, c.failed);
    return c.failed == 0 ? 0 : 1;
}

/* ---- the mutation gate ---- */

#ifdef SOP_MUTATIONS
typedef struct {
    const char *name;
    const char *text;
} rule_row;

#define RULE_ROW(name, text) {#name, text},
static const rule_row RULES[] = {{"NONE", "nothing"}, SOP_RULE_MAP(RULE_ROW)};
#undef RULE_ROW

/* Rules that the simulator does not break yet in a way that shows. They are named in every run and tried when asked for by name. */
static const int OPEN_RULES[] = {
    SOP_RULE_FORK_AT_DURABLE, SOP_RULE_COPY_FIRST,    SOP_RULE_VOUCH,  SOP_RULE_CHAIN,
    SOP_RULE_HEADER_CHECK,    SOP_RULE_EARLY_RELEASE, SOP_RULE_FREEZE,
};

static int is_open(int rule)
{
    for (size_t i = 0; i < sizeof OPEN_RULES / sizeof OPEN_RULES[0]; i++) {
        if (OPEN_RULES[i] == rule) return 1;
    }
    return 0;
}

/* Breaks one rule after the other; each must be noticed. */
static int rules_command(const char *program, arguments *args)
{
    int missed = 0;
    int tried = 0;
    double start = seconds_now();
    args->quiet = 1;
    (void)printf("%-18s %8s  %s\n", "broken rule", "at seed", "what was noticed");
    for (int rule = SOP_RULE_NONE + 1; rule < SOP_RULE_COUNT; rule++) {
        crew c;
        if (args->rule != NULL && strcmp(args->rule, RULES[rule].name) != 0) continue;
        if (args->rule == NULL && is_open(rule)) {
            (void)printf("%-18s %8s  OPEN, not tried: %s\n", RULES[rule].name, "-",
                         RULES[rule].text);
            continue;
        }
        sop_rule_broken = rule;
        seeds_run(program, &c, args, 1);
        tried++;
        missed += c.failed == 0;
        if (c.failed == 0) {
            (void)printf("%-18s %8s  nothing in %llu seeds, although %s\n", RULES[rule].name, "-",
                         (unsigned long long)args->count, RULES[rule].text);
        } else {
            (void)printf("%-18s %8llu  %.110s\n", RULES[rule].name,
                         (unsigned long long)c.failed_seed, c.told);
        }
    }
    (void)printf("sim: %d of %d broken rules noticed, %.1f s\n", tried - missed, tried,
                 seconds_now() - start);
    return missed == 0 && tried > 0 ? 0 : 1;
}
#endif

static int usage(void)
{
    (void)fputs("usage: sim [--seed N [--trace]] [--first N] [--count N] [--seconds N] [--jobs N] "
                "[--processes N]\n"
                "           --processes 0: one to four, as the seed says\n",
                stderr);
    return 2;
}

int main(int argc, char **argv)
{
    int rules = 0;
    arguments args = {.first = 1, .count = 100, .jobs = 2, .processes = 1};
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
        } else if (strcmp(argv[i], "--rule") == 0) {
            rules = 1;
            args.rule = strcmp(value, "all") == 0 ? NULL : value;
        } else if (strcmp(argv[i], "--jobs") == 0 && number >= 1 && number <= JOBS_MAX) {
            args.jobs = (int)number;
        } else if (strcmp(argv[i], "--processes") == 0 && number <= SLOTS_MAX) {
            args.processes = (int)number;
        } else {
            return usage();
        }
        i++;
    }
    args.sum =
        mmap(NULL, sizeof *args.sum, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (args.sum == MAP_FAILED) return 2;
    if (!rules) return seeds_command(argv[0], &args);
#ifdef SOP_MUTATIONS
    return rules_command(argv[0], &args);
#else
    return usage();
#endif
}
