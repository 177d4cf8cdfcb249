/* SPDX-License-Identifier: MIT */
/* shell: the same commands about one database, line by line; bench: a quick look at this machine. */
#define _DEFAULT_SOURCE 1 /* isatty */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "util/memory.h"

enum { WORDS_MAX = 60, LINE_MAX_BYTES = 1 << 16 };

/* Splits a line into words in place: quotes group, a backslash keeps the next character (but \x stays for keys). */
static int line_split(char *line, char **words)
{
    int count = 0;
    char *from = line;
    while (count < WORDS_MAX) {
        while (*from == ' ' || *from == '\t') {
            from++;
        }
        if (*from == '\0') break;
        char *to = from;
        words[count++] = to;
        char quote = '\0';
        for (; *from != '\0' && (quote != '\0' || (*from != ' ' && *from != '\t')); from++) {
            if (quote != '\0' && *from == quote) {
                quote = '\0';
            } else if (quote == '\0' && (*from == '"' || *from == '\'')) {
                quote = *from;
            } else {
                *to++ = *from;
            }
        }
        if (quote != '\0') return -1;
        if (*from != '\0') from++;
        *to = '\0';
    }
    return count;
}

static int shell_line(const cli_args *args, char *line)
{
    char *words[WORDS_MAX + 2];
    int count = line_split(line, words + 1);
    if (count < 0) return cli_error(args, "a quote is never closed");
    if (count == 0) return CLI_OK;
    const cli_command *command = cli_command_find(words[1]);
    if (command == NULL || command->run == cmd_shell) {
        return cli_error(args, "there is no command %s; try help", words[1]);
    }
    if (command->run == cmd_help || command->run == cmd_bench) return cli_run(count, words + 1);
    /* The database comes after the name of the command. */
    words[0] = words[1];
    size_t size = strlen(args->positional[0]) + 1;
    words[1] = sop_alloc(size);
    if (words[1] == NULL) return cli_error(args, "out of memory");
    memcpy(words[1], args->positional[0], size);
    int code = cli_run(count + 1, words);
    sop_free(words[1]);
    return code;
}

/* Waits until the terminal has a line. 0: Ctrl-C came first. SIGINT gets through in the wait alone, so that none is lost. */
static int line_wait(void)
{
    sigset_t interrupt;
    sigset_t before;
    fd_set input;
    (void)sigemptyset(&interrupt);
    (void)sigaddset(&interrupt, SIGINT);
    (void)pthread_sigmask(SIG_BLOCK, &interrupt, &before);
    FD_ZERO(&input);
    FD_SET(STDIN_FILENO, &input);
    if (!cli_interrupted()) (void)pselect(STDIN_FILENO + 1, &input, NULL, NULL, NULL, &before);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return !cli_interrupted();
}

/* The next line without its end. 1: a line; 0: the end; -1: Ctrl-C, or too long (said). */
static int line_read(const cli_args *args, char *line, int terminal)
{
    if (terminal && !line_wait()) {
        (void)fputc('\n', stdout);
        return -1;
    }
    if (fgets(line, LINE_MAX_BYTES, stdin) == NULL) return 0;
    size_t size = strcspn(line, "\r\n");
    if (line[size] == '\0' && size == LINE_MAX_BYTES - 1) {
        int c = 0;
        while (c != '\n' && c != EOF) {
            c = fgetc(stdin);
        }
        (void)cli_error(args, "a line of more than %d bytes was left out", LINE_MAX_BYTES - 2);
        return -1;
    }
    line[size] = '\0';
    return 1;
}

/* Runs lines until the end. Not on a terminal: the first failure ends it, as in a script. */
static int lines_run(const cli_args *args, char *line, int terminal)
{
    for (;;) {
        if (terminal) {
            (void)fputs("sop> ", stdout);
            (void)fflush(stdout);
        }
        int got = line_read(args, line, terminal);
        if (got == 0) break;
        cli_interrupt_forget();
        if (got < 0 && !terminal) return CLI_FAILED;
        if (got < 0) continue;
        if (strcmp(line, "exit") == 0 || strcmp(line, "quit") == 0) return CLI_OK;
        int code = shell_line(args, line);
        (void)fflush(stdout);
        if (!terminal && code != CLI_OK) return code;
    }
    if (terminal) (void)fputc('\n', stdout);
    return cli_interrupted() ? CLI_INTERRUPTED : CLI_OK;
}

int cmd_shell(const cli_args *args)
{
    sop_db *db;
    /* A database in memory lives as long as the shell. */
    int create = strncmp(args->positional[0], "memory:", strlen("memory:")) == 0;
    int code = cli_open(args, args->positional[0], create, &db);
    if (code != CLI_OK) return code;
    char *line = sop_alloc(LINE_MAX_BYTES);
    int terminal = isatty(STDIN_FILENO);
    if (terminal) {
        (void)printf("sop %s on %s. Commands without the database, such as: ls; help lists them, "
                     "exit leaves.\n",
                     sop_version(), args->positional[0]);
    }
    cli_hold(args->positional[0], db);
    code = line == NULL ? cli_error(args, "out of memory") : lines_run(args, line, terminal);
    cli_hold(NULL, NULL);
    sop_free(line);
    return cli_close(args, db, code);
}

/* ---- bench ---- */

static double seconds_now(void)
{
    struct timespec ts = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

static void bench_print(const cli_args *args, const char *what, uint64_t n, double seconds)
{
    char rate[32];
    double per_second = seconds > 0 ? (double)n / seconds : 0;
    if (args->json) {
        (void)printf("{\"workload\":\"%s\",\"operations\":%llu,\"per_second\":%.0f}\n", what,
                     (unsigned long long)n, per_second);
    } else {
        (void)printf("%-28s %12s a second\n", what, cli_thousands((uint64_t)per_second, rate));
    }
}

static sop_slice bench_key(uint64_t i, char buffer[24])
{
    /* Multiplying by an odd number visits every 64-bit number once: distinct keys in random order. */
    uint64_t mixed = i * UINT64_C(0x9e3779b97f4a7c15);
    (void)snprintf(buffer, 24, "%016llx", (unsigned long long)mixed);
    return (sop_slice){buffer, 16};
}

static sop_status
bench_insert(sop_txn *txn, sop_store *store, uint64_t from, uint64_t to, uint64_t batch)
{
    char key[24];
    char value[100];
    memset(value, 'v', sizeof value);
    sop_status status = SOP_OK;
    for (uint64_t i = from; i < to && status == SOP_OK && !cli_interrupted(); i++) {
        status = sop_store_put(store, bench_key(i, key), (sop_slice){value, sizeof value});
        if (status != SOP_OK || (i + 1) % batch != 0) continue;
        status = sop_txn_commit(txn);
        sop_txn_reset(txn);
        if (status == SOP_OK) status = sop_txn_renew(txn);
    }
    return status;
}

static sop_status bench_read(const cli_args *args, sop_store *store, uint64_t items)
{
    char key[24];
    sop_slice value;
    sop_status status = SOP_OK;
    double start = seconds_now();
    for (uint64_t i = 0; i < items && status == SOP_OK; i++) {
        status = sop_store_get(store, bench_key((i * 7919) % items, key), &value);
    }
    bench_print(args, "random reads", items, seconds_now() - start);
    sop_cursor *cursor;
    uint64_t n = 0;
    if (status == SOP_OK) status = sop_cursor_open(store, &cursor);
    start = seconds_now();
    while (status == SOP_OK && (status = sop_cursor_next(cursor)) == SOP_OK) {
        sop_slice k;
        status = sop_cursor_item(cursor, &k, &value);
        n++;
    }
    bench_print(args, "scan, items", n, seconds_now() - start);
    return status == SOP_NOT_FOUND ? SOP_OK : status;
}

static sop_status bench_run(const cli_args *args, sop_db *db, uint64_t items, sop_error *err)
{
    sop_txn *txn;
    sop_store *store;
    sop_status status = sop_txn_begin(db, SOP_TXN_WRITE, &txn, err);
    if (status != SOP_OK) return status;
    status = sop_store_create(txn, "bench", NULL, &store);
    if (status == SOP_OK) status = sop_txn_commit(txn);
    sop_txn_reset(txn);
    if (status == SOP_OK) status = sop_txn_renew(txn);
    double start = seconds_now();
    uint64_t singles = items / 100;
    if (status == SOP_OK) status = bench_insert(txn, store, 0, singles, 1);
    bench_print(args, "commits of one insert", singles, seconds_now() - start);
    start = seconds_now();
    if (status == SOP_OK) status = bench_insert(txn, store, singles, items, 1000);
    if (status == SOP_OK) status = sop_txn_commit(txn);
    bench_print(args, "inserts, 1,000 a commit", items - singles, seconds_now() - start);
    sop_txn_reset(txn);
    if (status == SOP_OK) status = sop_txn_renew(txn);
    sop_txn_track(txn, 0);
    if (status == SOP_OK) status = bench_read(args, store, items);
    if (status == SOP_OK) status = sop_store_drop(txn, "bench");
    if (status == SOP_OK) status = sop_txn_commit(txn);
    if (status != SOP_OK) *err = *sop_txn_error(txn);
    sop_txn_close(txn);
    return status;
}

int cmd_bench(const cli_args *args)
{
    static const char *const names[] = {"full", "periodic", "off"};
    uint64_t items;
    sop_db *db;
    sop_error err = {0};
    sop_db_options options = SOP_DB_OPTIONS_INIT;
    const char *sync = cli_value(args, "sync");
    const char *url = args->count > 0 ? args->positional[0] : "memory:";
    int code = cli_number(args, "items", 200000, &items);
    if (code != CLI_OK) return code;
    if (items < 1000) return cli_usage_error(args, "--items: at least 1000");
    while (sync != NULL && options.sync < 3 && strcmp(sync, names[options.sync]) != 0) {
        options.sync++;
    }
    if (options.sync == 3) return cli_usage_error(args, "--sync %s: full, periodic or off", sync);
    options.open_mode = args->count > 0 ? SOP_OPEN_EXISTING : SOP_OPEN_NEW;
    sop_status status = sop_db_open(url, &options, &db, &err);
    if (status != SOP_OK) return cli_fail(args, status, &err);
    cli_interrupt_target(db);
    status = bench_run(args, db, items, &err);
    return cli_close(args, db, status == SOP_OK ? CLI_OK : cli_fail(args, status, &err));
}
