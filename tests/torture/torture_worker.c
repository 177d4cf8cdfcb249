/* SPDX-License-Identifier: MIT */
/* A worker: opens the database, runs transactions in several threads, notes what it sees, tells what was acknowledged. */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "sop/sop.h"

#include "history/recorder.h"
#include "support/support.h"
#include "torture/torture.h"
#include "util/bytes.h"

enum { LIST_MAX = 24, LISTS = 8, VALUE_MAX = 512 };

typedef struct {
    const torture_worker *options;
    recorder record;
    sop_db *db;
    _Atomic uint64_t transactions;
    _Atomic int away; /* the log failed: close and open again */
} worker;

typedef struct {
    worker *w;
    uint16_t number;
    uint64_t seed;
    uint64_t elements;
    recorder_line line;
    sop_txn *txn;
    sop_store *lists;
    sop_store *registers;
    sop_store *acknowledged;
} client;

static volatile sig_atomic_t stopping;

static void stop(int number)
{
    (void)number;
    stopping = 1;
}

static void tell(const worker *w, uint32_t kind, uint64_t number, const char *text)
{
    torture_told told = {.kind = kind, .run = (uint32_t)w->options->run, .number = number};
    if (text != NULL) (void)snprintf(told.text, sizeof told.text, "%s", text);
    if (write(w->options->pipe, &told, sizeof told) != (ssize_t)sizeof told) _exit(3);
}

/* Errors that nobody injected. */
static void judge(const worker *w, const char *call, sop_status status, const char *message)
{
    char text[sizeof((torture_told *)0)->text];
    if (status == SOP_OK || status == SOP_CONFLICT || status == SOP_BUSY) return;
    int injected = status == SOP_IO || status == SOP_FULL || status == SOP_COMMIT_UNKNOWN;
    if (injected && w->options->faults) {
        tell(w, TOLD_FAILED, 0, NULL);
        return;
    }
    (void)snprintf(text, sizeof text, "%s: %s: %.60s", call, sop_status_name(status), message);
    tell(w, TOLD_WRONG, 0, text);
}

/* ---- operations; each notes what it did ---- */

static sop_slice key_make(uint64_t key, uint8_t buffer[8])
{
    sop_put_u64be(buffer, key);
    return (sop_slice){buffer, 8};
}

static size_t elements_read(sop_slice value, uint64_t *out)
{
    size_t count = value.size / 8;
    for (size_t i = 0; i < count && i < VALUE_MAX / 8; i++)
        out[i] = sop_get_u64le((const uint8_t *)value.data + i * 8);
    return count;
}

static uint64_t element_next(client *c)
{
    uint64_t run = (uint64_t)c->w->options->run;
    return run << 36 | (uint64_t)c->number << 28 | ++c->elements;
}

static sop_status list_append(client *c)
{
    uint64_t elements[VALUE_MAX / 8];
    uint8_t key[8];
    uint8_t bytes[VALUE_MAX];
    uint64_t age = (recorder_now() - c->w->options->start_ns) / 2000000000u;
    uint32_t number = (uint32_t)(age * LISTS + sop_test_random(&c->seed) % LISTS);
    sop_slice value = {NULL, 0};
    sop_status status = sop_store_get(c->lists, key_make(number, key), &value);
    if (status != SOP_OK && status != SOP_NOT_FOUND) return status;
    size_t count = status == SOP_OK ? elements_read(value, elements) : 0;
    recorder_read(&c->line, TORTURE_LISTS, number, elements, count);
    if (count >= LIST_MAX) return SOP_OK;
    elements[count++] = element_next(c);
    for (size_t i = 0; i < count; i++)
        sop_put_u64le(bytes + i * 8, elements[i]);
    status = sop_store_put(c->lists, key_make(number, key), (sop_slice){bytes, count * 8});
    if (status == SOP_OK) recorder_append(&c->line, TORTURE_LISTS, number, elements[count - 1]);
    return status;
}

static sop_status register_write(client *c)
{
    uint8_t key[8];
    uint8_t bytes[8];
    uint32_t number = (uint32_t)(sop_test_random(&c->seed) % TORTURE_REGISTER_COUNT);
    uint64_t element = element_next(c);
    sop_put_u64le(bytes, element);
    sop_status status = sop_store_put(c->registers, key_make(number, key), (sop_slice){bytes, 8});
    if (status == SOP_OK) recorder_write(&c->line, TORTURE_REGISTERS, number, element);
    return status;
}

static sop_status register_read(client *c)
{
    uint8_t key[8];
    uint64_t elements[VALUE_MAX / 8];
    sop_slice value;
    uint32_t number = (uint32_t)(sop_test_random(&c->seed) % TORTURE_REGISTER_COUNT);
    sop_status status = sop_store_get(c->registers, key_make(number, key), &value);
    if (status != SOP_OK && status != SOP_NOT_FOUND) return status;
    size_t count = status == SOP_OK ? elements_read(value, elements) : 0;
    recorder_read(&c->line, TORTURE_REGISTERS, number, elements, count);
    return SOP_OK;
}

static sop_status register_remove(client *c)
{
    uint8_t key[8];
    uint32_t number = (uint32_t)(sop_test_random(&c->seed) % TORTURE_REGISTER_COUNT);
    sop_status status = sop_store_remove(c->registers, key_make(number, key));
    if (status != SOP_OK && status != SOP_NOT_FOUND) return status;
    recorder_count(&c->line, TORTURE_REGISTERS, number, number + 1, status == SOP_OK);
    recorder_remove(&c->line, TORTURE_REGISTERS, number, number + 1);
    return SOP_OK;
}

static sop_status registers_count(client *c)
{
    uint8_t a[8];
    uint8_t b[8];
    uint64_t count = 0;
    uint32_t from = (uint32_t)(sop_test_random(&c->seed) % TORTURE_REGISTER_COUNT);
    uint32_t to = from + (uint32_t)(sop_test_random(&c->seed) % 8);
    sop_status status =
        sop_store_count_range(c->registers, key_make(from, a), key_make(to, b), &count);
    if (status == SOP_OK) recorder_count(&c->line, TORTURE_REGISTERS, from, to, count);
    return status;
}

/* A row of its own for the element that the parent will look for. */
static sop_status acknowledge(client *c, uint64_t *element_out)
{
    uint8_t key[8];
    *element_out = element_next(c);
    return sop_store_add(c->acknowledged, key_make(*element_out, key), sop_str("x"));
}

static sop_status operations(client *c, int writes, uint64_t *element_out)
{
    sop_status status = sop_store_open(c->txn, "lists", &c->lists);
    if (status == SOP_OK) status = sop_store_open(c->txn, "registers", &c->registers);
    if (status == SOP_OK) status = sop_store_open(c->txn, "acknowledged", &c->acknowledged);
    for (uint64_t left = 1 + sop_test_random(&c->seed) % 4; left > 0 && status == SOP_OK; left--) {
        uint64_t dice = sop_test_random(&c->seed) % 10;
        if (dice < 3) {
            status = register_read(c);
        } else if (dice < 5) {
            status = registers_count(c);
        } else if (!writes) {
            status = register_read(c);
        } else if (dice < 8) {
            status = list_append(c);
        } else if (dice < 9) {
            status = register_write(c);
        } else {
            status = register_remove(c);
        }
    }
    return writes && status == SOP_OK ? acknowledge(c, element_out) : status;
}

/* ---- transactions ---- */

static int transaction(client *c)
{
    worker *w = c->w;
    sop_error err = {0};
    int writes = sop_test_random(&c->seed) % 4 != 0;
    uint64_t element = 0;
    uint64_t begin = recorder_now();
    sop_status status = sop_txn_begin(w->db, writes ? SOP_TXN_WRITE : SOP_TXN_READ, &c->txn, &err);
    if (status != SOP_OK) {
        judge(w, "begin", status, err.message);
        return 0;
    }
    char mode = writes ? 'w' : 'r';
    if (w->options->sync != SOP_SYNC_FULL) mode = writes ? 'W' : 'R';
    recorder_begin(&c->line, mode, begin, sop_txn_snapshot(c->txn), sop_txn_id(c->txn).bytes);
    status = operations(c, writes, &element);
    if (!recorder_intent(&c->line)) _exit(4);
    if (status == SOP_OK) status = sop_txn_commit(c->txn);
    char outcome = status == SOP_OK ? 'c' : status == SOP_COMMIT_UNKNOWN ? 'u' : 'a';
    if (!recorder_end(&c->line, outcome, sop_txn_seq(c->txn))) _exit(4);
    if (status == SOP_OK && writes) tell(w, TOLD_ACK, element, NULL);
    judge(w, "transaction", status, sop_txn_error(c->txn)->message);
    sop_txn_close(c->txn);
    return status != SOP_IO && status != SOP_COMMIT_UNKNOWN;
}

static int worker_done(worker *w)
{
    uint64_t limit = w->options->limit;
    if (stopping || atomic_load(&w->away)) return 1;
    return limit != 0 && atomic_fetch_add(&w->transactions, 1) >= limit;
}

static void *client_run(void *argument)
{
    client *c = argument;
    while (!worker_done(c->w)) {
        if (!transaction(c)) atomic_store(&c->w->away, 1);
    }
    return NULL;
}

static void clients_run(worker *w, client *clients)
{
    pthread_t threads[16];
    for (int i = 0; i < w->options->threads; i++) {
        clients[i].w = w;
        if (pthread_create(&threads[i], NULL, client_run, &clients[i]) != 0) _exit(5);
    }
    for (int i = 0; i < w->options->threads; i++)
        (void)pthread_join(threads[i], NULL);
}

static void pause_ms(long ms)
{
    struct timespec pause = {0, ms * 1000000};
    (void)nanosleep(&pause, NULL);
}

static sop_status worker_open(worker *w)
{
    char url[256];
    sop_error err = {0};
    sop_db_options options = SOP_DB_OPTIONS_INIT;
    (void)snprintf(url, sizeof url, "%s/medium/db", w->options->folder);
    options.open_mode = SOP_OPEN_EXISTING;
    options.sync = w->options->sync;
    options.memory_max = 1 << 20;
    options.busy_timeout_ms = 200;
    uint64_t before = recorder_now();
    sop_status status = sop_db_open(url, &options, &w->db, &err);
    judge(w, "open", status, err.message);
    if (status == SOP_OK) tell(w, TOLD_OPEN, recorder_now() - before, NULL);
    return status;
}

int torture_worker_main(const torture_worker *options)
{
    char path[256];
    static worker w;
    static client clients[16];
    w.options = options;
    struct sigaction action = {.sa_handler = stop};
    (void)sigaction(SIGTERM, &action, NULL);
    (void)snprintf(path, sizeof path, "%s/history.%d", options->folder, options->run);
    if (!recorder_open(&w.record, path, (uint16_t)options->run)) return 4;
    for (int i = 0; i < options->threads; i++) {
        clients[i].number = (uint16_t)i;
        clients[i].seed = (uint64_t)options->run * 1000 + (uint64_t)i;
        recorder_line_init(&clients[i].line, &w.record, (uint16_t)i);
    }
    while (!stopping && (options->limit == 0 || w.transactions < options->limit)) {
        sop_error err = {0};
        if (worker_open(&w) != SOP_OK) {
            pause_ms(5);
            continue;
        }
        atomic_store(&w.away, 0);
        clients_run(&w, clients);
        sop_status status = sop_db_close(w.db, &err);
        judge(&w, "close", status, err.message);
    }
    recorder_close(&w.record);
    return 0;
}
