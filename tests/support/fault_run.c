/* SPDX-License-Identifier: MIT */
/* Runs one case of a fault, and judges what is left: the handle, the disk after a kill, and after each kind of power cut. */
#include "support/fault_run.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "db/db.h"
#include "support/support.h"
#include "util/error.h"
#include "util/memory.h"
#include "util/world.h"

/* ---- the case, as text ---- */

enum { CASE_FIELDS = 12 };

static int case_print(const fault_case *c, char *out, size_t size)
{
    return snprintf(out, size,
                    "%" PRIu64 ",%" PRIu32 ",%" PRIu64 ",%d,%d,%d,%" PRIu64 ",%" PRIu64
                    ",%d,%d,%d,%" PRIu64,
                    c->memory_nth, c->kinds, c->nth, c->always, c->effect, c->status, c->space,
                    c->writeback, c->sync, c->go_on, c->kill, c->seed);
}

int fault_case_from_environment(fault_case *out)
{
    const char *text = getenv("SOP_FAULT_CASE");
    if (text == NULL) return 0;
    uint64_t field[CASE_FIELDS] = {0};
    for (int i = 0; i < CASE_FIELDS && *text != '\0'; i++) {
        char *end = NULL;
        field[i] = (uint64_t)strtoll(text, &end, 10);
        text = *end == ',' ? end + 1 : end;
    }
    *out = (fault_case){field[0],      (uint32_t)field[1], field[2],       (int)field[3],
                        (int)field[4], (int)field[5],      field[6],       field[7],
                        (int)field[8], (int)field[9],      (int)field[10], field[11]};
    return 1;
}

void fault_wrong(const fault_run *run, const char *format, ...)
{
    char what[400];
    char text[200];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(what, sizeof what, format, args);
    va_end(args);
    sop_memory_fail_at(0, 0);
    (void)case_print(&run->c, text, sizeof text);
    print_error("step \"%s\", commit %d: %s\nrun again: SOP_FAULT_CASE=%s build-dev/tests/%s\n",
                run->step, run->count, what, text, "test_fail_at_n");
    fail();
    abort();
}

/* ---- world ---- */

static uint64_t world_dice;
static uint64_t world_clock;

static void seeded_random(void *out, size_t size)
{
    uint8_t *p = out;
    for (size_t i = 0; i < size; i++)
        p[i] = (uint8_t)(sop_test_random(&world_dice) >> 24);
}

static uint64_t steady_clock(void)
{
    return world_clock += 1000;
}

static void world_use(const fault_run *run, const sop_faulty_disk *disk)
{
    static sop_world world;
    (void)run;
    sop_world_set(NULL);
    sop_faulty_boot_use(disk);
    world = *sop_world_get();
    world.random = seeded_random;
    world.boot_ns = steady_clock;
    world.wall_ns = steady_clock;
    sop_world_set(&world);
}

/* ---- what the workload calls ---- */

void fault_committed(fault_run *run, const fault_model *model)
{
    if (run->unknown) fault_wrong(run, "a commit was accepted after one of unknown outcome");
    if (run->count == FAULT_COMMITS_MAX) fault_wrong(run, "too many commits for this test");
    run->history[++run->count] = *model;
    if (run->c.sync == SOP_SYNC_FULL) run->floor = run->count;
}

static int fault_struck(const fault_run *run)
{
    if (run->c.memory_nth != 0) return sop_memory_fail_reached();
    return run->c.space != 0 || sop_faulty_struck(run->disk) != 0 || run->writeback_struck;
}

void fault_excuse(fault_run *run, sop_status status, const sop_error *err)
{
    if (!fault_struck(run)) {
        fault_wrong(run, "%s without a fault: %s", sop_status_name(status), err->message);
    }
    int allowed = status == SOP_IO || status == SOP_FULL || status == SOP_NO_MEMORY ||
                  status == SOP_COMMIT_UNKNOWN || status == SOP_BUSY;
    if (!allowed) fault_wrong(run, "%s: %s", sop_status_name(status), err->message);
    if (err->status != status) {
        fault_wrong(run, "returned %s, the error says %s: %s", sop_status_name(status),
                    sop_status_name(err->status), err->message);
    }
    if (err->message[0] == '\0' || strchr(err->message, '\n') != NULL)
        fault_wrong(run, "%s with the message \"%s\"", sop_status_name(status), err->message);
    run->refused++;
}

sop_status fault_open(fault_run *run, int create, sop_error *err)
{
    int how = create ? SOP_BACKEND_NEW : SOP_BACKEND_EXISTING;
    run->db = NULL;
    sop_status status = sop_backend_faulty_open(run->disk, how, 0, &run->backend, err);
    if (status != SOP_OK) return status;
    status = sop_db_open_on(run->backend, create, &run->options, &run->db, err);
    if (status != SOP_OK) run->backend = NULL;
    return status;
}

/* ---- judging ---- */

/* Which commits may be the newest one that is found. */
typedef struct {
    int first;
    int last;
    int maybe;
} choice;

static void must(const fault_run *run, sop_status status, const char *what, const sop_error *err)
{
    if (status == SOP_OK) return;
    fault_wrong(run, "%s: %s: %s", what, sop_status_name(status), err->message);
}

/* The commit that was found; count + 1: the unknown one. */
static int found(const fault_run *run, const fault_model *seen, choice allowed)
{
    if (allowed.maybe && fault_model_equal(seen, &run->maybe)) return run->count + 1;
    for (int i = allowed.last; i >= allowed.first; i--) {
        if (fault_model_equal(seen, &run->history[i])) return i;
    }
    char text[160];
    fault_model_explain(&run->history[allowed.last], seen, text, sizeof text);
    for (int i = run->count; i >= 0; i--) {
        if (!fault_model_equal(seen, &run->history[i])) continue;
        fault_wrong(run, "commit %d was found, it should be %d to %d%s", i, allowed.first,
                    allowed.last, allowed.maybe ? " or the unknown one" : "");
    }
    fault_wrong(run, "none of the commits %d to %d%s is what was found: %s", allowed.first,
                allowed.last, allowed.maybe ? " or the unknown one" : "", text);
}

static void outcome_judge(const fault_run *run, sop_db *db, int at)
{
    sop_error err = {0};
    sop_outcome outcome;
    if (!run->unknown || !run->has_token) return;
    must(run, sop_db_outcome(db, run->token, &outcome, NULL, &err), "outcome", &err);
    int committed =
        at == run->count + 1 && !fault_model_equal(&run->maybe, &run->history[run->count]);
    if (outcome != SOP_OUTCOME_COMMITTED && outcome != SOP_OUTCOME_ABORTED)
        fault_wrong(run, "the outcome of the unknown commit is %d after a reopen", (int)outcome);
    if (committed && outcome != SOP_OUTCOME_COMMITTED)
        fault_wrong(run, "the unknown commit is there, but its outcome says aborted");
    if (at != run->count + 1 && outcome == SOP_OUTCOME_COMMITTED)
        fault_wrong(run, "the unknown commit is not there, but its outcome says committed");
}

static sop_status probe_commit(sop_db *db, sop_error *err)
{
    sop_txn *txn;
    sop_store *store;
    sop_status status = sop_txn_begin(db, SOP_TXN_WRITE, &txn, err);
    if (status != SOP_OK) return status;
    status = sop_store_open(txn, "probe", &store);
    if (status == SOP_NOT_FOUND) status = sop_store_create(txn, "probe", NULL, &store);
    if (status == SOP_OK) status = sop_store_put(store, sop_str("key"), sop_str("a small value"));
    if (status == SOP_OK) status = sop_txn_commit(txn);
    *err = *sop_txn_error(txn);
    sop_txn_close(txn);
    return status;
}

static void probe_drop(const fault_run *run, sop_db *db)
{
    sop_error err = {0};
    sop_txn *txn;
    must(run, sop_txn_begin(db, SOP_TXN_WRITE, &txn, &err), "begin", &err);
    must(run, sop_store_drop(txn, "probe"), "drop", sop_txn_error(txn));
    must(run, sop_txn_commit(txn), "commit", sop_txn_error(txn));
    sop_txn_close(txn);
}

/* Opens what is left on a disk without faults, and compares. */
static void disk_judge(const fault_run *run, sop_faulty_disk *disk, choice allowed)
{
    sop_error err = {0};
    sop_backend *b;
    sop_db *db = NULL;
    fault_model seen;
    world_use(run, disk);
    sop_status status = sop_backend_faulty_open(disk, SOP_BACKEND_EXISTING, 0, &b, &err);
    if (status == SOP_NOT_FOUND && !run->created) return;
    if (status == SOP_OK) status = sop_db_open_on(b, 0, &run->options, &db, &err);
    must(run, status, "open", &err);
    must(run, fault_observe(db, &seen, &err), "read", &err);
    outcome_judge(run, db, found(run, &seen, allowed));
    sop_check_report report = SOP_CHECK_REPORT_INIT;
    must(run, sop_db_check(db, NULL, &report, &err), "check", &err);
    must(run, probe_commit(db, &err), "commit", &err);
    must(run, sop_db_checkpoint(db, &err), "checkpoint", &err);
    must(run, sop_db_close(db, &err), "close", &err);
}

static void cuts_judge(fault_run *run)
{
    int full = run->c.sync == SOP_SYNC_FULL;
    for (int keep = SOP_FAULTY_KEEP_ALL; keep <= SOP_FAULTY_KEEP_RANDOM; keep++) {
        char step[40];
        (void)snprintf(step, sizeof step, "after power cut %d", keep);
        run->step = step;
        sop_faulty_cut cut = {.keep = keep, .seed = sop_test_random(&run->dice)};
        sop_faulty_disk *disk;
        if (sop_faulty_disk_cut(run->disk, &cut, &disk) != SOP_OK) fault_wrong(run, "no memory");
        disk_judge(run, disk, (choice){full ? run->count : run->floor, run->count, run->unknown});
        sop_faulty_disk_free(disk);
    }
    world_use(run, run->disk);
    run->step = "";
}

/* The handle that met the fault: it reads the acknowledged state, and takes commits again unless the log broke. */
static void handle_judge(fault_run *run)
{
    sop_error err = {0};
    fault_model seen;
    if (run->db == NULL) return;
    run->step = "the same handle, after the fault";
    must(run, fault_observe(run->db, &seen, &err), "read", &err);
    (void)found(run, &seen, (choice){run->count, run->count, 0});
    sop_status status = probe_commit(run->db, &err);
    if (status == SOP_OK) {
        if (run->unknown) fault_wrong(run, "a commit was accepted after one of unknown outcome");
        probe_drop(run, run->db);
        status = sop_db_checkpoint(run->db, &err);
        /* In mode off this may be the first sync since a write-back failed. */
        int told_now = run->writeback_struck && run->c.sync != SOP_SYNC_FULL && status == SOP_IO;
        if (!told_now) must(run, status, "checkpoint", &err);
        return;
    }
    /* Only a broken log may refuse. */
    int refused = status == SOP_IO && strstr(err.message, "refused until reopened") != NULL;
    if (!refused) fault_wrong(run, "commit: %s: %s", sop_status_name(status), err.message);
    if (run->c.space != 0) fault_wrong(run, "a full medium broke the log: %s", err.message);
}

static void handle_end(fault_run *run)
{
    sop_error err = {0};
    if (run->db == NULL) return;
    run->step = run->c.kill ? "kill" : "close";
    if (run->c.kill) sop_faulty_kill(run->backend);
    sop_status status = sop_db_close(run->db, &err);
    run->db = NULL;
    if (status == SOP_BUSY) fault_wrong(run, "close: %s", err.message);
}

static void run_judge(fault_run *run)
{
    sop_memory_fail_at(0, 0);
    sop_faulty_rules_clear(run->disk);
    sop_faulty_hook_set(run->disk, NULL, NULL);
    sop_faulty_space_set(run->disk, UINT64_MAX);
    cuts_judge(run);
    handle_judge(run);
    handle_end(run);
    run->step = "reopened";
    disk_judge(run, run->disk, (choice){run->count, run->count, run->unknown});
    if (run->backup_at >= 0) {
        run->step = "backup";
        fault_run *copy = calloc(1, sizeof *copy);
        if (copy == NULL) fault_wrong(run, "no memory");
        *copy = *run;
        copy->created = 1;
        copy->unknown = 0;
        disk_judge(copy, run->backup_disk, (choice){run->backup_at, run->backup_at, 0});
        free(copy);
    }
}

/* ---- the whole ---- */

static fault_run *run_new(const fault_case *c)
{
    fault_run *run = calloc(1, sizeof *run);
    assert_non_null(run);
    run->c = *c;
    run->backup_at = -1;
    run->dice = c->seed;
    run->step = "begin";
    run->options = (sop_db_options)SOP_DB_OPTIONS_INIT;
    run->options.sync = c->sync;
    run->options.workers = -1;
    run->options.memory_max = 256 << 10;
    run->disk = sop_faulty_disk_new(c->seed);
    assert_non_null(run->disk);
    world_dice = c->seed * 77 + 5;
    world_clock = 1000000000;
    world_use(run, run->disk);
    return run;
}

static void run_free(fault_run *run)
{
    sop_world_set(NULL);
    sop_faulty_boot_use(NULL);
    sop_faulty_disk_free(run->disk);
    sop_faulty_disk_free(run->backup_disk);
    free(run);
}

/* The kernel fails to write the file of the n-th write back; whoever syncs it next is told so, once. */
static sop_status writeback_hook(const sop_faulty_call *call, void *context)
{
    fault_run *run = context;
    if (call->kind != SOP_FAULTY_WRITE || run->writeback_struck) return SOP_OK;
    if (++run->writes < run->c.writeback) return SOP_OK;
    run->writeback_struck = sop_faulty_writeback_fail(run->disk, call->name) == SOP_OK;
    return SOP_OK;
}

void fault_case_run(const fault_case *c)
{
    fault_run *run = run_new(c);
    if (c->writeback != 0) sop_faulty_hook_set(run->disk, writeback_hook, run);
    if (c->kinds != 0) {
        sop_faulty_rule rule = {.kinds = c->kinds,
                                .nth = c->nth,
                                .always = c->always,
                                .status = c->status,
                                .effect = c->effect};
        sop_faulty_rule_add(run->disk, &rule);
    }
    if (c->space != 0) sop_faulty_space_set(run->disk, c->space);
    if (c->memory_nth != 0) sop_memory_fail_at(c->memory_nth, c->always);
    fault_workload(run);
    run_judge(run);
    run_free(run);
}

uint64_t fault_calls(const fault_case *like, uint32_t kinds)
{
    fault_run *run = run_new(like);
    if (kinds == 0) sop_memory_fail_at(UINT64_MAX / 2, 0);
    fault_workload(run);
    uint64_t calls =
        kinds == 0 ? UINT64_MAX / 2 - sop_memory_fail_left() : sop_faulty_calls(run->disk, kinds);
    run_judge(run);
    run_free(run);
    return calls;
}
