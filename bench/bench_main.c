/* SPDX-License-Identifier: MIT */
/* The command line of sop_bench. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench_driver.h"
#include "bench_workload.h"

#define ITEMS_DEFAULT UINT64_C(1000000)
#define ITEMS_QUICK   UINT64_C(20000)
#define ITEMS_MIN     UINT64_C(10000)
#define ITEMS_MAX     UINT64_C(200000000) /* numbers of new keys stay below 2^32 */
#define SECONDS_QUICK 0.05

static const struct option options[] = {
    {"workloads", required_argument, NULL, 'w'},
    {"engines", required_argument, NULL, 'e'},
    {"items", required_argument, NULL, 'n'},
    {"reps", required_argument, NULL, 'r'},
    {"seconds", required_argument, NULL, 's'},
    {"threads", required_argument, NULL, 't'},
    {"stores", required_argument, NULL, 'S'},
    {"dir", required_argument, NULL, 'd'},
    {"out", required_argument, NULL, 'o'},
    {"quick", no_argument, NULL, 'q'},
    {"random-base", no_argument, NULL, 'R'},
    {"list", no_argument, NULL, 'l'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

static const char help[] =
    "usage: sop_bench --out FILE --dir DIR [options]\n"
    "  --workloads a,b,...  letters or full names (default: all but those of --scale)\n"
    "  --engines x,y,...    default: all\n"
    "  --items N            items loaded (default 1,000,000)\n"
    "  --reps R             repetitions, engines interleaved (default 3)\n"
    "  --seconds S          length of the workloads that run for a time\n"
    "  --threads T          in place of the threads of each workload\n"
    "  --stores N           for the workloads s-* (default 20,000)\n"
    "  --random-base        load the base images in random order\n"
    "  --quick              few items, short: shows that everything runs, measures nothing\n"
    "  --list               names of workloads and engines\n";

static uint64_t number(const char *text, uint64_t low, uint64_t high)
{
    char *end = NULL;
    unsigned long long value = strtoull(text, &end, 10);
    if (*text == '-' || *text == 0 || *end != 0 || value < low || value > high) {
        fprintf(stderr, "sop_bench: %s is not a number from %llu to %llu\n", text,
                (unsigned long long)low, (unsigned long long)high);
        exit(2);
    }
    return value;
}

static void list(void)
{
    for (unsigned i = 0; i < bench_workload_count; i++) {
        printf("%-14s %s\n", bench_workloads[i].id, bench_workloads[i].title);
    }
    for (unsigned i = 0; i < bench_engine_count; i++) {
        printf("%-14s %s\n", bench_engines[i]->name, bench_engines[i]->version());
    }
    exit(0);
}

static double seconds_of(const char *text)
{
    char *end = NULL;
    double seconds = strtod(text, &end);
    if (*end != 0 || !(seconds > 0 && seconds <= 3600)) {
        fprintf(stderr, "sop_bench: %s is not a number of seconds\n", text);
        exit(2);
    }
    return seconds;
}

static void set_option(bench_config *config, int option, const char *value)
{
    switch (option) {
    case 'w':
        config->workloads = value;
        break;
    case 'e':
        config->engines = value;
        break;
    case 'n':
        config->items = number(value, ITEMS_MIN, ITEMS_MAX);
        break;
    case 'r':
        config->reps = (unsigned)number(value, 1, 1000);
        break;
    case 's':
        config->seconds = seconds_of(value);
        break;
    case 't':
        config->threads = (unsigned)number(value, 1, 256);
        break;
    case 'S':
        config->stores = (unsigned)number(value, 1, 1000000);
        break;
    case 'd':
        config->dir = value;
        break;
    case 'o':
        config->out = value;
        break;
    case 'q':
        config->quick = 1;
        break;
    case 'R':
        config->random_base = 1;
        break;
    case 'l':
        list();
        break;
    default:
        fputs(help, option == 'h' ? stdout : stderr);
        exit(option == 'h' ? 0 : 2);
    }
}

int main(int argc, char **argv)
{
    bench_config config = {.stores = 20000};
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        set_option(&config, option, optarg);
    }
    if (optind != argc || config.dir == NULL || config.out == NULL) {
        fputs(help, stderr);
        return 2;
    }
    if (config.items == 0) config.items = config.quick ? ITEMS_QUICK : ITEMS_DEFAULT;
    if (config.reps == 0) config.reps = config.quick ? 1 : 3;
    if (config.quick && config.seconds <= 0) config.seconds = SECONDS_QUICK;
    unsigned failed = bench_drive(&config);
    if (failed != 0) fprintf(stderr, "sop_bench: %u measurements failed\n", failed);
    return failed != 0;
}
