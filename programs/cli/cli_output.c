/* SPDX-License-Identifier: MIT */
/* Files for results, Ctrl-C, progress, and what errno says. */
#define _DEFAULT_SOURCE 1 /* isatty, sigaction flags */
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"

const char *cli_reason(int number, char buffer[CLI_REASON_SIZE])
{
    if (strerror_r(number, buffer, CLI_REASON_SIZE) != 0) {
        (void)snprintf(buffer, CLI_REASON_SIZE, "error %d", number);
    }
    return buffer;
}

/* ---- output file ---- */

int cli_output_open(const cli_args *args, FILE **out)
{
    const char *path = cli_value(args, "output");
    *out = stdout;
    if (path == NULL) return CLI_OK;
    *out = fopen(path, "wb");
    return *out == NULL
               ? cli_error(args, "%s: %s", path, cli_reason(errno, (char[CLI_REASON_SIZE]){0}))
               : CLI_OK;
}

int cli_output_close(const cli_args *args, FILE *out, int code)
{
    int bad = ferror(out) || fflush(out) != 0;
    int reason = errno;
    if (out != stdout && fclose(out) != 0) bad = 1;
    return bad && code == CLI_OK ? cli_error(args, "writing the output: %s",
                                             cli_reason(reason, (char[CLI_REASON_SIZE]){0}))
                                 : code;
}

/* ---- Ctrl-C ---- */

static _Atomic(sop_db *) interrupt_db;
static _Atomic(sop_txn *) interrupt_txn;
static atomic_int interrupt_seen;

static void on_interrupt(int signal_number)
{
    (void)signal_number;
    /* A second Ctrl-C ends the process the hard way, which is safe for the data. */
    if (atomic_exchange(&interrupt_seen, 1) != 0) _exit(CLI_INTERRUPTED);
    sop_db *db = atomic_load(&interrupt_db);
    if (db != NULL) sop_db_interrupt(db);
    sop_txn *txn = atomic_load(&interrupt_txn);
    if (txn != NULL) sop_txn_cancel(txn);
}

void cli_interrupt_target(sop_db *db)
{
    atomic_store(&interrupt_db, db);
    if (db == NULL) return; /* Closing is not cut short. */
    struct sigaction action = {.sa_handler = on_interrupt};
    (void)sigemptyset(&action.sa_mask);
    (void)sigaction(SIGINT, &action, NULL);
}

void cli_interrupt_txn(sop_txn *txn)
{
    atomic_store(&interrupt_txn, txn);
}

int cli_interrupted(void)
{
    return atomic_load(&interrupt_seen);
}

void cli_interrupt_forget(void)
{
    atomic_store(&interrupt_seen, 0);
}

/* ---- progress ---- */

static uint64_t now_ms(void)
{
    struct timespec ts = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

void cli_progress_begin(cli_progress *progress, const cli_args *args, const char *what)
{
    progress->what = what;
    progress->shown = 0;
    progress->shown_ms = now_ms();
    progress->on = !args->quiet && !args->json && isatty(STDERR_FILENO);
}

sop_status cli_progress_step(uint64_t done, uint64_t total, void *context)
{
    cli_progress *progress = context;
    if (cli_interrupted()) return SOP_CANCELLED;
    if (!progress->on) return SOP_OK;
    uint64_t now = now_ms();
    if (now - progress->shown_ms < 100) return SOP_OK;
    progress->shown_ms = now;
    progress->shown = 1;
    char count[32];
    if (total == 0) {
        (void)fprintf(stderr, "\r%s %s\033[K", progress->what, cli_thousands(done, count));
        return SOP_OK;
    }
    int filled = (int)(done * 30 / total);
    (void)fprintf(stderr, "\r%s [", progress->what);
    for (int i = 0; i < 30; i++) {
        (void)fputc(i < filled ? '#' : '.', stderr);
    }
    (void)fprintf(stderr, "] %3d %%\033[K", (int)(done * 100 / total));
    return SOP_OK;
}

void cli_progress_end(cli_progress *progress)
{
    if (progress->shown) (void)fputs("\r\033[K", stderr);
}
