/* SPDX-License-Identifier: MIT */
/* The parent: starts workers, kills and stops them, and at the end judges what they left behind. */
#define _GNU_SOURCE 1 /* pipe2 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "sop/sop.h"

#include "history/history.h"
#include "history/recorder.h"
#include "support/support.h"
#include "torture/torture.h"
#include "util/bytes.h"

enum { WORKERS_MAX = 8 };

typedef struct {
    pid_t pid;
    int run;
    uint64_t stopped_until; /* 0: it runs */
} child;

typedef struct {
    const char *program;
    const char *shim; /* preloaded into workers; NULL: none */
    char folder[200];
    int processes;
    int threads;
    int kills;
    int stops;
    int full;      /* the folder lies on a small medium */
    uint64_t each; /* transactions of each worker instead of kills */
    uint64_t seed;
    int pipe[2];
    uint64_t start_ns;
    child children[WORKERS_MAX];
    int runs;
    uint64_t *acked;
    size_t acked_count;
    size_t acked_capacity;
    uint64_t open_ns_max;
    uint64_t opens;
    uint64_t failures;
    int wrong;
} torture;

static void give_up(const char *what)
{
    (void)printf("torture: %s: %s\n", what, strerror(errno));
    exit(2);
}

/* A command and the folder, or what lies in it. */
static int shell(const char *words, const torture *t, const char *below)
{
    char command[512];
    (void)snprintf(command, sizeof command, "%s %s%s", words, t->folder, below);
    return system(command);
}

static void wrong(torture *t, const char *text, int run)
{
    if (t->wrong++ < 10) (void)printf("torture: worker %d: %s\n", run, text);
}

/* ---- workers ---- */

static void worker_start(torture *t, child *c)
{
    char numbers[6][24];
    c->run = ++t->runs;
    c->stopped_until = 0;
    uint64_t sync = sop_test_random(&t->seed) % 2 == 0 ? SOP_SYNC_FULL : SOP_SYNC_OFF;
    const uint64_t values[6] = {
        (uint64_t)c->run, (uint64_t)t->pipe[1], (uint64_t)t->threads, sync, t->start_ns, t->each};
    for (int i = 0; i < 6; i++)
        (void)snprintf(numbers[i], sizeof numbers[i], "%llu", (unsigned long long)values[i]);
    (void)fflush(stdout);
    c->pid = fork();
    if (c->pid < 0) give_up("fork");
    if (c->pid > 0) return;
    if (t->shim != NULL) {
        (void)setenv("LD_PRELOAD", t->shim, 1);
        (void)setenv("TORTURE_SHIM", "20000", 1);
        (void)setenv("TORTURE_SHIM_SEED", numbers[0], 1);
    }
    const char *faults = t->shim != NULL || t->full ? "1" : "0";
    (void)execl(t->program, t->program, "--worker", t->folder, numbers[0], numbers[1], numbers[2],
                numbers[3], numbers[4], numbers[5], faults, (char *)NULL);
    _exit(6);
}

static int worker_main(char **argv)
{
    torture_worker worker = {.folder = argv[2],
                             .run = (int)strtol(argv[3], NULL, 10),
                             .pipe = (int)strtol(argv[4], NULL, 10),
                             .threads = (int)strtol(argv[5], NULL, 10),
                             .sync = (int)strtol(argv[6], NULL, 10),
                             .start_ns = strtoull(argv[7], NULL, 10),
                             .limit = strtoull(argv[8], NULL, 10),
                             .faults = argv[9][0] == '1'};
    return torture_worker_main(&worker);
}

static void told_take(torture *t, const torture_told *told)
{
    if (told->kind == TOLD_WRONG) {
        wrong(t, told->text, (int)told->run);
    } else if (told->kind == TOLD_FAILED) {
        t->failures++;
    } else if (told->kind == TOLD_OPEN) {
        t->opens++;
        if (told->number > t->open_ns_max) t->open_ns_max = told->number;
    } else {
        if (t->acked_count == t->acked_capacity) {
            t->acked_capacity = t->acked_capacity * 2 + 4096;
            t->acked = realloc(t->acked, t->acked_capacity * sizeof *t->acked);
            if (t->acked == NULL) give_up("memory");
        }
        t->acked[t->acked_count++] = told->number;
    }
}

/* Reads what workers tell for that long. */
static void listen_for(torture *t, int ms)
{
    uint64_t until = recorder_now() + (uint64_t)ms * 1000000u;
    for (;;) {
        uint64_t now = recorder_now();
        struct pollfd ready = {.fd = t->pipe[0], .events = POLLIN};
        int left = now < until ? (int)((until - now) / 1000000u) : 0;
        if (poll(&ready, 1, left) <= 0) return;
        torture_told told[32];
        ssize_t size = read(t->pipe[0], told, sizeof told);
        for (ssize_t i = 0; i < size / (ssize_t)sizeof told[0]; i++)
            told_take(t, &told[i]);
    }
}

/* ---- what happens to them ---- */

static void child_kill(child *c)
{
    (void)kill(c->pid, SIGKILL);
    (void)waitpid(c->pid, NULL, 0);
    c->pid = 0;
}

static void stopped_go_on(torture *t, int all)
{
    for (int i = 0; i < t->processes; i++) {
        child *c = &t->children[i];
        if (c->stopped_until == 0 || (!all && c->stopped_until > recorder_now())) continue;
        (void)kill(c->pid, SIGCONT);
        c->stopped_until = 0;
    }
}

static void ended_check(torture *t)
{
    for (int i = 0; i < t->processes; i++) {
        child *c = &t->children[i];
        int status = 0;
        if (c->pid == 0 || waitpid(c->pid, &status, WNOHANG) != c->pid) continue;
        char text[64];
        (void)snprintf(text, sizeof text, "ended by itself with status %x", (unsigned)status);
        if (t->each == 0 || status != 0) wrong(t, text, c->run);
        c->pid = 0;
    }
}

static void kills_run(torture *t)
{
    for (int kills = 0; kills < t->kills && t->wrong == 0;) {
        listen_for(t, 10 + (int)(sop_test_random(&t->seed) % 120));
        stopped_go_on(t, 0);
        ended_check(t);
        child *c = &t->children[sop_test_random(&t->seed) % (uint64_t)t->processes];
        if (c->pid != 0 && t->stops && sop_test_random(&t->seed) % 4 == 0) {
            (void)kill(c->pid, SIGSTOP);
            c->stopped_until = recorder_now() + 1000000u + sop_test_random(&t->seed) % 200000000u;
        } else if (c->pid != 0) {
            child_kill(c);
            kills++;
            /* Sometimes all of them at once. */
            for (int i = 0; kills % 10 == 0 && i < t->processes; i++) {
                if (t->children[i].pid != 0) child_kill(&t->children[i]);
            }
        }
        for (int i = 0; i < t->processes; i++) {
            if (t->children[i].pid == 0) worker_start(t, &t->children[i]);
        }
    }
}

/* Everybody goes home by himself. */
static void workers_end(torture *t)
{
    stopped_go_on(t, 1);
    uint64_t until = recorder_now() + UINT64_C(60000000000);
    for (int i = 0; i < t->processes; i++) {
        child *c = &t->children[i];
        if (c->pid != 0 && t->each == 0) (void)kill(c->pid, SIGTERM);
        int status = 0;
        while (c->pid != 0 && waitpid(c->pid, &status, WNOHANG) == 0) {
            listen_for(t, 20);
            if (t->each != 0 || recorder_now() < until) continue;
            wrong(t, "does not come to an end", c->run);
            child_kill(c);
        }
        /* SIGTERM may come before it listens. */
        int told = WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM;
        if (status != 0 && !told) wrong(t, "ended badly", c->run);
        c->pid = 0;
    }
    listen_for(t, 0);
}

/* ---- judging ---- */

static sop_db *whole_open(torture *t)
{
    char url[256];
    sop_db *db;
    sop_error err = {0};
    sop_db_options options = SOP_DB_OPTIONS_INIT;
    options.open_mode = SOP_OPEN_EXISTING;
    (void)snprintf(url, sizeof url, "%s/medium/db", t->folder);
    uint64_t before = recorder_now();
    if (sop_db_open(url, &options, &db, &err) != SOP_OK) {
        (void)printf("torture: opening at the end: %s\n", err.message);
        exit(1);
    }
    (void)printf("torture: opened at the end in %.0f ms\n",
                 (double)(recorder_now() - before) / 1e6);
    return db;
}

/* Every acknowledged element is there. */
static void acknowledged_check(torture *t, sop_db *db)
{
    sop_txn *txn;
    sop_store *store;
    sop_error err = {0};
    if (sop_txn_begin(db, SOP_TXN_READ, &txn, &err) != SOP_OK ||
        sop_store_open(txn, "acknowledged", &store) != SOP_OK) {
        wrong(t, "the store of acknowledged elements is gone", 0);
        return;
    }
    size_t lost = 0;
    for (size_t i = 0; i < t->acked_count; i++) {
        uint8_t key[8];
        sop_slice value;
        sop_put_u64be(key, t->acked[i]);
        lost += sop_store_get(store, (sop_slice){key, 8}, &value) != SOP_OK;
    }
    sop_txn_close(txn);
    if (lost == 0) return;
    char text[96];
    (void)snprintf(text, sizeof text, "%zu of %zu acknowledged commits are lost", lost,
                   t->acked_count);
    wrong(t, text, 0);
}

static void feed_take(torture *t, sop_db *db, history *h)
{
    sop_error err = {0};
    sop_changes *changes;
    sop_change change = SOP_CHANGE_INIT;
    sop_db_info info = SOP_DB_INFO_INIT;
    if (sop_db_info_get(db, &info, &err) != SOP_OK ||
        sop_changes_open(db, 0, &changes, &err) != SOP_OK) {
        wrong(t, err.message, 0);
        return;
    }
    uint64_t first = 1;
    sop_status status;
    while ((status = sop_changes_next(changes, 0, &change)) == SOP_OK) {
        if (change.kind != SOP_CHANGE_COMMIT) continue;
        history_token token;
        for (int i = 0; i < 3; i++)
            token.word[i] = sop_get_u64be(change.txn.bytes + (size_t)i * 8);
        history_logged_add(h, token, change.seq);
    }
    if (status == SOP_TIMEOUT) {
        history_span_add(h, first, info.tip);
    } else {
        (void)printf("torture: change feed: %s\n", sop_changes_error(changes)->message);
        if (status != SOP_SNAPSHOT_TOO_OLD) wrong(t, "the change feed fails", 0);
    }
    sop_changes_close(changes);
}

static void histories_judge(torture *t, sop_db *db)
{
    history h;
    history_init(&h);
    for (int run = 1; run <= t->runs; run++) {
        char path[256];
        (void)snprintf(path, sizeof path, "%s/history.%d", t->folder, run);
        FILE *file = fopen(path, "r");
        if (file == NULL) continue; /* killed before it began */
        size_t bad = history_parse(&h, file);
        (void)fclose(file);
        if (bad != 0) wrong(t, "its history cannot be read", run);
    }
    feed_take(t, db, &h);
    size_t unknown = 0;
    for (size_t i = 0; i < h.txn_count; i++)
        unknown += h.txns[i].outcome == 'u';
    uint64_t before = recorder_now();
    history_findings found = {.out = stdout};
    history_replay(&h, &found);
    history_cycles(&h, &found);
    (void)printf(
        "torture: %zu transactions, %zu of unknown outcome, judged in %.1f s: %zu findings\n",
        h.txn_count, unknown, (double)(recorder_now() - before) / 1e9, found.count);
    t->wrong += found.count != 0;
    history_deinit(&h);
}

static void judge_all(torture *t)
{
    sop_error err = {0};
    sop_check_report report = SOP_CHECK_REPORT_INIT;
    sop_db *db = whole_open(t);
    acknowledged_check(t, db);
    if (sop_db_check(db, NULL, &report, &err) != SOP_OK) wrong(t, err.message, 0);
    histories_judge(t, db);
    if (sop_db_close(db, &err) != SOP_OK) wrong(t, err.message, 0);
}

/* ---- begin and end ---- */

static void database_create(const torture *t)
{
    static const char *const NAMES[] = {"lists", "registers", "acknowledged"};
    char url[256];
    sop_db *db;
    sop_txn *txn;
    sop_error err = {0};
    (void)snprintf(url, sizeof url, "%s/medium/db", t->folder);
    sop_status status = sop_db_open(url, NULL, &db, &err);
    if (status == SOP_OK) status = sop_txn_begin(db, SOP_TXN_WRITE, &txn, &err);
    for (int i = 0; i < 3 && status == SOP_OK; i++) {
        sop_store *store;
        status = sop_store_create(txn, NAMES[i], NULL, &store);
    }
    if (status == SOP_OK) status = sop_txn_commit(txn);
    if (status != SOP_OK) {
        (void)printf("torture: create: %s %s\n", sop_status_name(status), err.message);
        exit(2);
    }
    sop_txn_close(txn);
    if (sop_db_close(db, &err) != SOP_OK) exit(2);
}

/* A small medium of its own; 0: not allowed here. */
static int medium_mount(const torture *t)
{
    return shell("mount -t tmpfs -o size=6m sop_torture", t, "/medium") == 0;
}

static int torture_run(torture *t)
{
    if (shell("rm -rf", t, "") != 0 || shell("mkdir -p", t, "/medium") != 0) give_up(t->folder);
    if (t->full && !medium_mount(t)) {
        (void)printf("torture: SKIPPED, no small file system can be mounted here\n");
        return shell("rm -rf", t, "") == 0 ? 77 : 2;
    }
    if (pipe2(t->pipe, 0) != 0 || fcntl(t->pipe[0], F_SETFD, FD_CLOEXEC) != 0) give_up("pipe");
    database_create(t);
    t->start_ns = recorder_now();
    for (int i = 0; i < t->processes; i++)
        worker_start(t, &t->children[i]);
    kills_run(t);
    if (t->full && shell("mount -o remount,size=1g", t, "/medium") != 0) give_up("remount");
    workers_end(t);
    (void)printf("torture: %d processes of %d threads, %d worker runs, %d kills, %zu commits "
                 "acknowledged, %llu opens, %llu calls failed, "
                 "slowest %.0f ms, %.1f s\n",
                 t->processes, t->threads, t->runs, t->kills, t->acked_count,
                 (unsigned long long)t->opens, (unsigned long long)t->failures,
                 (double)t->open_ns_max / 1e6, (double)(recorder_now() - t->start_ns) / 1e9);
    judge_all(t);
    if (t->acked_count == 0) wrong(t, "nothing was committed", 0);
    int failing = t->shim != NULL || t->full;
    if (failing && t->failures == 0) wrong(t, "no call failed, the test itself does not work", 0);
    if (t->full) (void)shell("umount", t, "/medium");
    if (t->wrong == 0) (void)shell("rm -rf", t, "");
    return t->wrong == 0 ? 0 : 1;
}

static int usage(void)
{
    (void)fputs("usage: torture FOLDER [--processes N] [--threads N] [--kills N] [--each "
                "TRANSACTIONS] [--stops] [--full]\n"
                "               [--shim LIBRARY]\n",
                stderr);
    return 2;
}

int main(int argc, char **argv)
{
    if (argc == 10 && strcmp(argv[1], "--worker") == 0) return worker_main(argv);
    if (argc < 2 || argv[1][0] == '-' || strlen(argv[1]) > 150) return usage();
    static torture t = {.processes = 4, .threads = 2};
    t.program = argv[0];
    t.seed = sop_test_seed((uint64_t)time(NULL));
    (void)snprintf(t.folder, sizeof t.folder, "%s", argv[1]);
    (void)printf("torture: seed %llu\n", (unsigned long long)t.seed);
    for (int i = 2; i < argc; i++) {
        uint64_t number = i + 1 < argc ? strtoull(argv[i + 1], NULL, 10) : 0;
        if (strcmp(argv[i], "--stops") == 0) {
            t.stops = 1;
            continue;
        }
        if (strcmp(argv[i], "--full") == 0) {
            t.full = 1;
            continue;
        }
        if (i + 1 == argc) return usage();
        if (strcmp(argv[i], "--processes") == 0 && number >= 1 && number <= WORKERS_MAX) {
            t.processes = (int)number;
        } else if (strcmp(argv[i], "--threads") == 0 && number >= 1 && number <= 16) {
            t.threads = (int)number;
        } else if (strcmp(argv[i], "--kills") == 0) {
            t.kills = (int)number * (sop_test_soak() ? 20 : 1);
        } else if (strcmp(argv[i], "--each") == 0) {
            t.each = number * (sop_test_soak() ? 10 : 1);
        } else if (strcmp(argv[i], "--shim") == 0) {
            t.shim = argv[i + 1];
        } else {
            return usage();
        }
        i++;
    }
    return torture_run(&t);
}
