/* SPDX-License-Identifier: MIT */
/* The history checker as a program: reads recorded files, judges them, says what is wrong. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "history/history.h"
#include "history/history_make.h"

static double seconds(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int usage(void)
{
    (void)fputs("usage: sop_history FILE...       check recorded histories as one\n"
                "       sop_history --made COUNT  make a correct history of that many transactions "
                "and check it\n",
                stderr);
    return 2;
}

static int load(history *h, const char *path)
{
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        perror(path);
        return 0;
    }
    size_t bad = history_parse(h, file);
    (void)fclose(file);
    if (bad != 0) (void)fprintf(stderr, "%s:%zu: not a record of a history\n", path, bad);
    return bad == 0;
}

int main(int argc, char **argv)
{
    history h;
    history_init(&h);
    if (argc < 2) return usage();
    double start = seconds();
    if (strcmp(argv[1], "--made") == 0) {
        if (argc != 3) return usage();
        history_make_options options = HISTORY_MAKE_OPTIONS_INIT;
        options.transactions = strtoull(argv[2], NULL, 10);
        history_make(&h, &options);
    } else {
        for (int i = 1; i < argc; i++) {
            if (!load(&h, argv[i])) return 2;
        }
    }
    double loaded = seconds();
    history_findings replay = {.out = stdout};
    history_findings cycles = {.out = stdout};
    history_replay(&h, &replay);
    double replayed = seconds();
    history_cycles(&h, &cycles);
    size_t committed = 0;
    for (size_t i = 0; i < h.txn_count; i++)
        committed += h.txns[i].outcome == 'c';
    (void)printf(
        "history: %zu transactions, %zu committed, %zu operations; loaded in %.1f s, replayed in "
        "%.1f s (%zu findings), cycles searched in %.1f s (%zu findings)\n",
        h.txn_count, committed, h.op_count, loaded - start, replayed - loaded, replay.count,
        seconds() - replayed, cycles.count);
    history_deinit(&h);
    return replay.count + cycles.count == 0 ? 0 : 1;
}
