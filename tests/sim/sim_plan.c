/* SPDX-License-Identifier: MIT */
/* Life and death of the simulated processes, what goes wrong and when, and what is checked after it. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "db/db.h"
#include "sim/sim.h"
#include "sim/sim_world.h"
#include "util/bytes.h"
#include "util/error.h"

#define MS UINT64_C(1000000)
#define US UINT64_C(1000)

sim_run sim;

void sim_say(const char *format, ...)
{
    if (!sim.trace) return;
    va_list args;
    va_start(args, format);
    (void)printf("%10.3f ms  ", (double)sim_now() / 1e6);
    (void)vprintf(format, args);
    (void)putchar('\n');
    va_end(args);
}

void sim_violation(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(sim.told, SIM_TOLD, format, args);
    va_end(args);
    if (!sim.quiet) {
        (void)printf("seed %llu at %.3f ms: %s\n", (unsigned long long)sim.seed,
                     (double)sim_now() / 1e6, sim.told);
        (void)fflush(stdout);
    }
    _exit(1);
}

/* ---- what may fail ---- */

static uint32_t faults_behind(sop_status status)
{
    if (status == SOP_IO) return FAULT_SYNC | FAULT_WRITE | FAULT_WRITEBACK | FAULT_NAMES;
    if (status == SOP_COMMIT_UNKNOWN) return FAULT_SYNC | FAULT_WRITE | FAULT_WRITEBACK;
    if (status == SOP_FULL) return FAULT_FULL;
    return 0;
}

void sim_failure(const sim_slot *slot, const char *call, sop_status status, const char *message)
{
    sim.failures++;
    if (status == SOP_BUSY && sim.slots_used > 1) return;
    if ((faults_behind(status) & sim.may_fail) != 0) return;
    sim_violation("%s in process %d gives %s without a cause: %s", call, slot->process,
                  sop_status_name(status), message);
}

static uint64_t latency(const sop_faulty_call *call)
{
    switch (call->kind) {
    case SOP_FAULTY_SYNC:
    case SOP_FAULTY_FOLDER_SYNC:
        return sim_chance(2) ? sim_below(5 * MS) : 20 * US + sim_below(200 * US);
    case SOP_FAULTY_WRITE:
    case SOP_FAULTY_CREATE:
    case SOP_FAULTY_RENAME:
    case SOP_FAULTY_REMOVE:
        return 1 + sim_below(20 * US);
    case SOP_FAULTY_LOCK:
    case SOP_FAULTY_UNLOCK:
        return 1 + sim_below(2 * US);
    default:
        return sim_chance(10) ? 1 + sim_below(5 * US) : 0;
    }
}

static sop_status disk_hook(const sop_faulty_call *call, void *context)
{
    (void)context;
    sim_trace(call->kind, call->offset, call->size);
    if (sim.trace && (call->kind & (SOP_FAULTY_READ | SOP_FAULTY_SIZE | SOP_FAULTY_LOCK)) == 0) {
        sim_say("    process %d: %s %s at %llu, %llu bytes", sim_process(),
                sop_faulty_kind_name(call->kind), call->name, (unsigned long long)call->offset,
                (unsigned long long)call->size);
    }
    uint64_t ns = latency(call);
    if (ns != 0) sim_sleep(ns);
    return SOP_OK;
}

static void disk_use(sop_faulty_disk *disk)
{
    uint8_t boot[16];
    sim.disk = disk;
    sop_faulty_hook_set(disk, disk_hook, NULL);
    sop_faulty_boot_id(disk, boot);
    sim_boot_set(boot);
}

/* ---- processes ---- */

static void library_says(int level, const char *room, const char *message, void *context)
{
    (void)context;
    sim_say("    %s %d: %s", room, level, message);
}

static sop_db_options options_draw(sim_slot *slot)
{
    static const int MODES[] = {SOP_SYNC_FULL, SOP_SYNC_OFF, SOP_SYNC_PERIODIC};
    sop_db_options options = SOP_DB_OPTIONS_INIT;
    options.sync = MODES[sim.sync_modes < 3 ? (uint64_t)sim.sync_modes : sim_below(3)];
    options.sync_ms = 1 + (uint32_t)sim_below(10);
    options.busy_timeout_ms = 1 + (uint32_t)sim_below(50);
    options.memory_max = sim_chance(60) ? 4096 + sim_below(64 << 10) : 0;
    options.conflict_window = sim_chance(30) ? 1 + sim_below(32 << 10) : 0;
    options.workers = sim_chance(30) ? -1 : 1;
    options.log = library_says;
    slot->sync = options.sync;
    return options;
}

/* What became of transactions whose process is gone without having been told. */
static void outcomes_settle(sop_db *db, int own)
{
    for (size_t i = 0; i < sim.history.txn_count; i++) {
        const history_txn *t = &sim.history.txns[i];
        int dead = sim.notes[i].slot_run != own;
        for (int k = 0; k < SLOTS_MAX; k++)
            dead &= sim.slots[k].process != sim.notes[i].slot_run;
        if (t->outcome != 'u' || sim.notes[i].settled || t->mode == 'r' || !dead) continue;
        sop_txn_token token;
        sop_outcome outcome;
        uint64_t seq = 0;
        for (int k = 0; k < 3; k++)
            sop_put_u64le(token.bytes + (size_t)k * 8, t->token.word[k]);
        sop_status status = sop_db_outcome(db, token, &outcome, &seq, NULL);
        if (status != SOP_OK) sim_violation("outcome: %s", sop_status_name(status));
        sim_say("  outcome of a transaction of process %d: %d, seq %llu", sim.notes[i].slot_run,
                (int)outcome, (unsigned long long)seq);
        history_txn *txn = &sim.history.txns[i];
        if (outcome == SOP_OUTCOME_COMMITTED) {
            txn->end = UINT64_MAX; /* nobody was told */
            txn->outcome = 'c';
            txn->seq = seq;
        } else if (outcome == SOP_OUTCOME_ABORTED) {
            txn->outcome = 'a';
        } else if (outcome == SOP_OUTCOME_OPEN) {
            sim_violation("a transaction of a process that is gone is said to be open");
        }
        sim.notes[i].settled = outcome != SOP_OUTCOME_UNKNOWN;
    }
}

static sop_status slot_open(sim_slot *slot, sop_error *err)
{
    sop_db_options options = options_draw(slot);
    slot->failed = 0;
    slot->reopen = 0;
    sop_status status =
        sop_backend_faulty_open(sim.disk, SOP_BACKEND_EXISTING, 0, &slot->backend, err);
    if (status == SOP_OK) status = sop_db_open_on(slot->backend, 0, &options, &slot->db, err);
    sim_say("process %d opens, sync mode %d: %s %s", slot->process, slot->sync,
            sop_status_name(status), status == SOP_OK ? "" : err->message);
    if (status != SOP_OK) {
        slot->backend = NULL;
        sim_failure(slot, "open", status, err->message);
        return status;
    }
    sim.opens++;
    slot->open = 1;
    return SOP_OK;
}

static void slot_close(sim_slot *slot)
{
    sop_error err = {0};
    size_t before = sim.history.txn_count;
    uint64_t asked = sim_now();
    int failed = slot->failed;
    sop_status status = sop_db_close(slot->db, &err);
    slot->backend = NULL;
    slot->db = NULL;
    slot->open = 0;
    sim_say("process %d closed: %s %s", slot->process, sop_status_name(status), err.message);
    if (status == SOP_BUSY) sim_violation("close: %s", err.message);
    if (status != SOP_OK) {
        sim_failure(slot, "close", status, err.message);
        return;
    }
    if (failed) return;
    for (size_t i = 0; i < before; i++) {
        const history_txn *txn = &sim.history.txns[i];
        if (txn->outcome == 'c' && txn->end < asked) sim.notes[i].durable = 1;
    }
}

static void process_main(void *argument)
{
    sim_slot *slot = argument;
    while (!sim.stop) {
        sop_error err = {0};
        if (slot_open(slot, &err) != SOP_OK) {
            sim_sleep(100 * US + sim_below(5 * MS));
            continue;
        }
        outcomes_settle(slot->db, slot->process);
        slot->clients = 1 + (int)sim_below((uint64_t)sim.clients_each);
        for (int i = slot->clients; i > 0; i--)
            sim_task(slot->process, sim_client, slot);
        while (slot->clients > 0)
            sim_sleep(200 * US);
        slot_close(slot);
        sim_sleep(sim_below(3 * MS));
    }
    slot->process = 0;
}

static void slot_start(sim_slot *slot)
{
    if (slot->process != 0 || sim.next_process >= SIM_PROCESSES_MAX - 8) return;
    slot->process = ++sim.next_process;
    slot->clients = 0;
    slot->open = 0;
    sim_say("process %d starts in slot %d", slot->process, slot->number);
    sim_task(slot->process, process_main, slot);
}

static void slot_kill(sim_slot *slot)
{
    if (slot->process == 0) return;
    sim_say("process %d is killed", slot->process);
    sim.kills++;
    sim_process_kill(slot->process);
    if (slot->backend != NULL) sop_faulty_kill(slot->backend);
    slot->backend = NULL;
    slot->db = NULL;
    slot->open = 0;
    slot->process = 0;
}

/* ---- after a power cut ---- */

static void history_lost(size_t i, uint64_t tip)
{
    history_txn *txn = &sim.history.txns[i];
    if (txn->outcome == 'c' && txn->seq > tip) {
        if (sim.notes[i].durable) {
            sim_violation(
                "seq %llu of process %u was acknowledged as durable, the log ends at %llu",
                (unsigned long long)txn->seq, txn->process, (unsigned long long)tip);
        }
        txn->outcome = 'a';
        txn->seq = 0;
    }
    /* What saw a state that is no more has no place in the order. */
    if (txn->outcome != 'u' && txn->seq == 0 && txn->snapshot > tip) {
        if (sim.notes[i].durable) {
            sim_violation("process %u was shown seq %llu as durable, the log ends at %llu",
                          txn->process, (unsigned long long)txn->snapshot, (unsigned long long)tip);
        }
        txn->outcome = 'a';
        txn->end = UINT64_MAX;
    }
}

static void outcome_check(sop_db *db, size_t i)
{
    const history_txn *txn = &sim.history.txns[i];
    sop_txn_token token;
    sop_outcome outcome;
    uint64_t seq = 0;
    if (txn->mode == 'r' || txn->outcome == 'u' || (txn->outcome == 'c' && txn->seq == 0)) return;
    for (int k = 0; k < 3; k++)
        sop_put_u64le(token.bytes + (size_t)k * 8, txn->token.word[k]);
    sop_status status = sop_db_outcome(db, token, &outcome, &seq, NULL);
    if (status != SOP_OK) sim_violation("outcome: %s", sop_status_name(status));
    if (outcome == SOP_OUTCOME_UNKNOWN) return;
    if ((outcome == SOP_OUTCOME_COMMITTED) != (txn->outcome == 'c') ||
        (txn->outcome == 'c' && seq != txn->seq)) {
        sim_violation(
            "transaction %llu of process %u was told '%c' with seq %llu, and is said to be "
            "%d with seq %llu",
            (unsigned long long)txn->number, txn->process, txn->outcome,
            (unsigned long long)txn->seq, (int)outcome, (unsigned long long)seq);
    }
}

static sop_db *whole_open(sop_backend **backend_out)
{
    sop_error err = {0};
    sop_db *db = NULL;
    sop_db_options options = SOP_DB_OPTIONS_INIT;
    options.workers = -1;
    options.log = library_says;
    sop_status status =
        sop_backend_faulty_open(sim.disk, SOP_BACKEND_EXISTING, 0, backend_out, &err);
    if (status == SOP_OK) status = sop_db_open_on(*backend_out, 0, &options, &db, &err);
    if (status != SOP_OK) {
        sim_violation("opening when nothing is in the way: %s: %s", sop_status_name(status),
                      err.message);
    }
    return db;
}

/* With nobody else there: what is left, and is it what was promised? */
static void aftermath(int power)
{
    sop_error err = {0};
    sop_backend *backend;
    sop_db *db = whole_open(&backend);
    sop_db_info info = SOP_DB_INFO_INIT;
    sop_status status = sop_db_info_get(db, &info, &err);
    if (status != SOP_OK) sim_violation("info: %s", err.message);
    sim_say("the log ends at seq %llu", (unsigned long long)info.tip);
    for (size_t i = 0; power && i < sim.history.txn_count; i++)
        history_lost(i, info.tip);
    outcomes_settle(db, -1);
    for (size_t i = 0; i < sim.history.txn_count; i++)
        outcome_check(db, i);
    sim_read_all(db);
    if (sim_chance(50)) {
        sop_check_report report = SOP_CHECK_REPORT_INIT;
        status = sop_db_check(db, NULL, &report, &err);
        if (status != SOP_OK) sim_violation("check: %s", err.message);
    }
    /* What was found open is durable now. */
    for (size_t i = 0; i < sim.history.txn_count; i++)
        sim.notes[i].durable |= sim.history.txns[i].outcome == 'c';
    if (sim_chance(50)) {
        sop_faulty_kill(backend);
        return;
    }
    status = sop_db_close(db, &err);
    if (status != SOP_OK) sim_violation("close: %s", err.message);
}

/* Somebody opens and is killed on the way, so that recovery too is cut anywhere. */
static void victim_main(void *argument)
{
    sim_slot *slot = argument;
    sop_error err = {0};
    if (slot_open(slot, &err) == SOP_OK) {
        sim_sleep(sim_below(MS));
        /* Not slot_close: which acknowledged commits a power cut took is not known yet. */
        if (sop_db_close(slot->db, &err) != SOP_OK) sim_violation("close: %s", err.message);
        slot->backend = NULL;
        slot->db = NULL;
    }
    slot->process = 0;
}

static void victim_run(void)
{
    sim_slot *slot = &sim.slots[0];
    slot->process = ++sim.next_process;
    sim_task(slot->process, victim_main, slot);
    sim_sleep(sim_below(2 * MS));
    slot_kill(slot);
}

static void all_kill(void)
{
    for (int i = 0; i < sim.slots_used; i++)
        slot_kill(&sim.slots[i]);
    sop_faulty_kill_all(sim.disk);
}

static void heal(void)
{
    sop_faulty_rules_clear(sim.disk);
    sop_faulty_space_set(sim.disk, UINT64_MAX);
    sim.may_fail = 0;
}

static void power_cut(void)
{
    sim.cuts++;
    all_kill();
    sop_faulty_disk *after;
    sop_faulty_cut cut = {.keep = (int)sim_below(4), .seed = sim_random()};
    if (sop_faulty_disk_cut(sim.disk, &cut, &after) != SOP_OK) abort();
    sim_say("power cut, kept: %d", cut.keep);
    disk_use(after);
    sim.may_fail = 0;
}

/* ---- things that go wrong ---- */

static const char *const PREFIXES[] = {NULL, "log/", "seg/", "head/"};

static void rule_draw(uint32_t kinds, uint32_t fault)
{
    sop_faulty_rule rule = {.kinds = kinds,
                            .nth = 1 + sim_below(12),
                            .status = SOP_IO,
                            .effect = (int)sim_below(3),
                            .prefix = sim_chance(50) ? "log/" : PREFIXES[sim_below(4)]};
    sop_faulty_rules_clear(sim.disk);
    sop_faulty_rule_add(sim.disk, &rule);
    sim.may_fail |= fault;
    sim_say("a fault: %llu-th of kinds %x in %s", (unsigned long long)rule.nth, kinds,
            rule.prefix == NULL ? "all" : rule.prefix);
}

typedef struct {
    char name[64];
    uint64_t left;
} file_pick;

static sop_status name_pick(const char *name, uint64_t size, void *context)
{
    file_pick *pick = context;
    (void)size;
    (void)snprintf(pick->name, sizeof pick->name, "log/%s", name);
    return pick->left-- == 0 ? SOP_CANCELLED : SOP_OK;
}

/* Some log file could not be written back; each descriptor hears of it at its next sync. */
static void writeback_fail(void)
{
    sop_backend *backend;
    file_pick pick = {.left = sim_below(4)};
    if (sop_backend_faulty_open(sim.disk, SOP_BACKEND_EXISTING, 0, &backend, NULL) != SOP_OK)
        return;
    sop_status status = backend->ops->list(backend, "log", name_pick, &pick, NULL);
    backend->ops->free(backend);
    if (pick.name[0] == '\0') return;
    status = sop_faulty_writeback_fail(sim.disk, pick.name);
    sim_say("write-back of %s fails: %s", pick.name, sop_status_name(status));
    if (status == SOP_OK) sim.may_fail |= FAULT_WRITEBACK;
}

static sim_slot *slot_pick(void)
{
    return &sim.slots[sim_below((uint64_t)sim.slots_used)];
}

/* All are killed; with some luck one of them comes back and is killed again on the way. */
static void crash(int power)
{
    if (power) {
        power_cut();
    } else {
        all_kill();
        heal();
        if ((sim.faults & FAULT_PAGE) != 0 && sim_chance(50)) {
            sim_say("the shared page is lost");
            sop_faulty_page_lose(sim.disk);
        }
    }
    while (sim_chance(30)) {
        victim_run();
        sop_faulty_kill_all(sim.disk);
        if (power && sim_chance(50)) power_cut();
    }
    aftermath(power);
}

static void event(uint32_t fault)
{
    sim_slot *slot = slot_pick();
    switch (fault) {
    case FAULT_KILL:
        if (sim_chance(30)) {
            crash(0);
        } else {
            slot_kill(slot);
        }
        break;
    case FAULT_POWER:
        crash(1);
        break;
    case FAULT_SYNC:
        rule_draw(sim_chance(70) ? SOP_FAULTY_SYNC : SOP_FAULTY_SYNC | SOP_FAULTY_FOLDER_SYNC,
                  fault);
        break;
    case FAULT_WRITE:
        rule_draw(SOP_FAULTY_WRITE, fault);
        break;
    case FAULT_NAMES:
        rule_draw(SOP_FAULTY_CREATE | SOP_FAULTY_OPEN | SOP_FAULTY_READ | SOP_FAULTY_FOLDER_SYNC |
                      SOP_FAULTY_RENAME | SOP_FAULTY_REMOVE | SOP_FAULTY_LIST | SOP_FAULTY_MAP,
                  fault);
        break;
    case FAULT_FULL:
        sim.may_fail |= FAULT_FULL;
        sop_faulty_space_set(sim.disk, sim_below(2) == 0 ? 0 : sim_below(4 << 20));
        sim_say("the medium is full");
        sim_sleep(sim_below(10 * MS));
        sop_faulty_space_set(sim.disk, UINT64_MAX);
        break;
    case FAULT_WRITEBACK:
        writeback_fail();
        break;
    case FAULT_PAUSE:
        if (slot->process == 0) break;
        sim_say("process %d is paused", slot->process);
        sim_process_pause(slot->process,
                          sim_now() + sim_below(sim_chance(10) ? 8000 * MS : 50 * MS));
        break;
    default:
        slot->reopen = 1;
        break;
    }
}

static void events_run(void)
{
    for (int left = 1 + (int)sim_below((uint64_t)sim.max_events); left > 0; left--) {
        sim_sleep(sim_chance(20) ? sim_below(200 * US) : sim_below(8 * MS));
        uint32_t fault = 1u << sim_below(10);
        if ((fault & sim.faults) != 0 && fault != FAULT_PAGE) event(fault);
        for (int i = 0; i < sim.slots_used; i++) {
            if (sim.slots[i].process == 0 && sim_chance(60)) slot_start(&sim.slots[i]);
        }
    }
}

/* ---- the whole run ---- */

static void created(void)
{
    sop_error err = {0};
    sop_backend *backend;
    sop_db *db = NULL;
    sop_db_options options = SOP_DB_OPTIONS_INIT;
    options.workers = -1;
    disk_use(sop_faulty_disk_new(sim_random()));
    sop_status status = sop_backend_faulty_open(sim.disk, SOP_BACKEND_NEW, 0, &backend, &err);
    if (status == SOP_OK) status = sop_db_open_on(backend, 1, &options, &db, &err);
    if (status != SOP_OK) sim_violation("create: %s", err.message);
    sim_stores_create(db);
    status = sop_db_close(db, &err);
    if (status != SOP_OK) sim_violation("close: %s", err.message);
}

/* The log as the change feed tells it, from the beginning. */
static void feed_read(sop_db *db)
{
    sop_error err = {0};
    sop_changes *changes;
    sop_change change = SOP_CHANGE_INIT;
    sop_db_info info = SOP_DB_INFO_INIT;
    sop_status status = sop_db_info_get(db, &info, &err);
    if (status == SOP_OK) status = sop_changes_open(db, 0, &changes, &err);
    if (status != SOP_OK) sim_violation("change feed: %s", err.message);
    while ((status = sop_changes_next(changes, 0, &change)) == SOP_OK) {
        if (change.kind != SOP_CHANGE_COMMIT) continue;
        history_token token;
        for (int i = 0; i < 3; i++)
            token.word[i] = sop_get_u64le(change.txn.bytes + (size_t)i * 8);
        history_logged_add(&sim.history, token, change.seq);
    }
    if (status == SOP_TIMEOUT) history_span_add(&sim.history, 1, info.tip);
    if (status != SOP_TIMEOUT && status != SOP_SNAPSHOT_TOO_OLD)
        sim_violation("change feed: %s", sop_changes_error(changes)->message);
    sop_changes_close(changes);
}

/* One flipped bit in the log of a database that was closed in order: it is told, or nothing of what was acknowledged is missing. */
static void damage(void)
{
    sop_faulty_disk *copy;
    sop_faulty_cut cut = {.keep = SOP_FAULTY_KEEP_ALL};
    sop_error err = {0};
    sop_backend *backend;
    sop_db *db = NULL;
    file_pick pick = {.left = sim_below(4)};
    if (sop_faulty_disk_cut(sim.disk, &cut, &copy) != SOP_OK) abort();
    disk_use(copy);
    sop_status status = sop_backend_faulty_open(copy, SOP_BACKEND_EXISTING, 0, &backend, &err);
    if (status == SOP_OK) sop_ignore(backend->ops->list(backend, "log", name_pick, &pick, NULL));
    if (status != SOP_OK || pick.name[0] == '\0') sim_violation("no log: %s", err.message);
    uint64_t offset = sim_chance(20) ? sim_below(128) : 4096 + sim_below(40000);
    if (sop_faulty_flip(copy, pick.name, offset, (unsigned)sim_below(8)) != SOP_OK) abort();
    sim_say("a bit of %s flips at %llu", pick.name, (unsigned long long)offset);
    sop_db_options options = SOP_DB_OPTIONS_INIT;
    options.workers = -1;
    options.log = library_says;
    status = sop_db_open_on(backend, 0, &options, &db, &err);
    if (status == SOP_CORRUPT) return;
    if (status != SOP_OK)
        sim_violation("a flipped bit: %s: %s", sop_status_name(status), err.message);
    sop_db_info info = SOP_DB_INFO_INIT;
    status = sop_db_info_get(db, &info, &err);
    if (status != SOP_OK) sim_violation("info: %s", err.message);
    for (size_t i = 0; i < sim.history.txn_count; i++) {
        const history_txn *txn = &sim.history.txns[i];
        if (txn->outcome == 'c' && txn->seq > info.tip) {
            sim_violation("a flipped bit took seq %llu, the log ends at %llu, and nobody said so",
                          (unsigned long long)txn->seq, (unsigned long long)info.tip);
        }
        outcome_check(db, i);
    }
    sim_read_all(db);
}

/* All is whole again: everybody goes home, and somebody new can work at once. */
static void ending(void)
{
    sim_say("healing");
    sim.healing = 1;
    uint32_t may_fail = sim.may_fail;
    heal();
    /* What failed before may still be told. */
    sim.may_fail = may_fail;
    for (int i = 0; i < sim.slots_used; i++) {
        if (sim.slots[i].process != 0) sim_process_pause(sim.slots[i].process, 0);
    }
    int killed = sim_chance(30);
    sim.stop = 1;
    for (int i = 0; killed && i < sim.slots_used; i++)
        slot_kill(&sim.slots[i]);
    uint64_t deadline = sim_now() + 10000 * MS;
    for (int i = 0; i < sim.slots_used; i++) {
        while (sim.slots[i].process != 0) {
            if (sim_now() > deadline)
                sim_violation("process %d does not come to an end", sim.slots[i].process);
            sim_sleep(MS);
        }
    }
    sop_faulty_kill_all(sim.disk);
    heal();
    aftermath(0);
    sop_faulty_kill_all(sim.disk);
    sop_error err = {0};
    sop_backend *backend;
    sop_db *db = whole_open(&backend);
    sim_commit_must(db, sim_now() + 10000 * MS);
    sim_read_all(db);
    feed_read(db);
    sop_check_report report = SOP_CHECK_REPORT_INIT;
    sop_status status = sop_db_check(db, NULL, &report, &err);
    if (status != SOP_OK) sim_violation("check: %s", err.message);
    status = sop_db_close(db, &err);
    if (status != SOP_OK) sim_violation("close: %s", err.message);
    if (sim_chance(30)) damage();
}

void sim_plan(void *argument)
{
    (void)argument;
    created();
    for (int i = 0; i < sim.slots_used; i++) {
        sim.slots[i].number = i;
        slot_start(&sim.slots[i]);
    }
    events_run();
    ending();
}

void sim_judge(void)
{
    history_findings found = {.out = NULL};
    const char *path = getenv("SOP_SIM_HISTORY");
    FILE *file = path == NULL ? NULL : fopen(path, "w");
    if (file != NULL) {
        history_write(&sim.history, file);
        (void)fclose(file);
    }
    history_replay(&sim.history, &found);
    if (found.count == 0) history_cycles(&sim.history, &found);
    if (found.count != 0) sim_violation("%s: %s", found.kind, found.text);
}
