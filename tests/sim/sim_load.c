/* SPDX-License-Identifier: MIT */
/* What the clients of a simulated run do, and the notes they take of it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/sim.h"
#include "sim/sim_world.h"
#include "util/bytes.h"

enum { STORE_LISTS = 1, STORE_REGISTERS = 2, STORE_CATALOGUE = 10, STORE_MADE = 20 };
enum { OPS_MAX = 64, NUMBERS_MAX = 4096, VALUE_MAX = 9000, KEY_ALL = 1u << 20 };

/* A transaction as its client notes it, until it goes into the history in one piece. */
typedef struct {
    history_op ops[OPS_MAX];
    uint32_t op_count;
    uint64_t numbers[NUMBERS_MAX];
    uint32_t number_count;
    sop_txn *txn;
    sop_store *lists;
    sop_store *registers;
    sop_status status; /* of the call that ended it early */
    const char *call;
} notebook;

static history_op *note_op(notebook *n, char kind, uint8_t store, uint32_t key)
{
    if (n->op_count == OPS_MAX) sim_violation("the test itself: too many operations");
    history_op *op = &n->ops[n->op_count++];
    *op = (history_op){.kind = kind, .store = store, .key = key, .to = key + 1};
    op->element = n->number_count;
    return op;
}

static void note_number(notebook *n, uint64_t number)
{
    if (n->number_count == NUMBERS_MAX) sim_violation("the test itself: too many numbers");
    n->numbers[n->number_count++] = number;
}

static void note_count(notebook *n, uint8_t store, uint32_t from, uint32_t to, uint64_t count)
{
    history_op *op = note_op(n, 'c', store, from);
    op->to = to;
    op->count = (uint32_t)count;
}

/* A call of the library: SOP_OK or one of the answers wanted, else the transaction ends here. 1: go on. */
static int fine(notebook *n, const char *call, sop_status status)
{
    if (status == SOP_OK || status == SOP_NOT_FOUND || status == SOP_EXISTS) return 1;
    n->status = status;
    n->call = call;
    return 0;
}

/* ---- keys and values ---- */

static sop_slice key_make(uint32_t key, char buffer[16])
{
    int size = snprintf(buffer, 16, "k%05u", key);
    return (sop_slice){buffer, (size_t)size};
}

static uint32_t key_parse(sop_slice key)
{
    char text[16] = {0};
    if (key.size != 6) sim_violation("a key of %zu bytes that nobody wrote", key.size);
    memcpy(text, key.data, 6);
    return (uint32_t)strtoul(text + 1, NULL, 10);
}

/* Bytes behind the elements, so that some values lie apart from the leaf and torn ones are seen. */
static size_t filler_size(uint64_t element)
{
    return element % 17 == 3 ? 3000 + (size_t)(element % 5) * 1000 : (size_t)(element % 61);
}

static sop_slice value_make(const uint64_t *elements, uint32_t count, uint8_t *buffer)
{
    sop_put_u32le(buffer, count);
    for (uint32_t i = 0; i < count; i++)
        sop_put_u64le(buffer + 4 + (size_t)i * 8, elements[i]);
    size_t size = 4 + (size_t)count * 8;
    size_t filler = filler_size(elements[count - 1]);
    memset(buffer + size, (int)(elements[count - 1] & 0xff), filler);
    return (sop_slice){buffer, size + filler};
}

/* Adds the elements of a value to the notes; how many. */
static uint32_t value_note(notebook *n, sop_slice value)
{
    const uint8_t *p = value.data;
    uint32_t count = value.size < 12 ? 0 : sop_get_u32le(p);
    if (count == 0 || count > 1000 || 4 + (size_t)count * 8 > value.size)
        sim_violation("a value of %zu bytes that nobody wrote", value.size);
    for (uint32_t i = 0; i < count; i++)
        note_number(n, sop_get_u64le(p + 4 + (size_t)i * 8));
    size_t at = 4 + (size_t)count * 8;
    uint64_t last = sop_get_u64le(p + at - 8);
    if (value.size - at != filler_size(last)) sim_violation("a value has a wrong length");
    for (; at < value.size; at++) {
        if (p[at] != (last & 0xff)) sim_violation("a value has a wrong byte at %zu", at);
    }
    return count;
}

/* ---- operations ---- */

static void do_read(notebook *n, sop_store *store, uint8_t number, uint32_t key)
{
    char buffer[16];
    sop_slice value;
    sop_status status = sop_store_get(store, key_make(key, buffer), &value);
    if (!fine(n, "get", status)) return;
    history_op *op = note_op(n, 'r', number, key);
    if (status == SOP_OK) op->count = value_note(n, value);
}

static void do_append(notebook *n)
{
    uint64_t elements[256];
    uint8_t buffer[VALUE_MAX];
    char key_buffer[16];
    uint32_t key = sim.list_base + (uint32_t)sim_below(4);
    do_read(n, n->lists, STORE_LISTS, key);
    if (n->status != SOP_OK) return;
    const history_op *read = &n->ops[n->op_count - 1];
    uint32_t count = read->count;
    if (count >= 100) sim_violation("a list grew beyond all bounds");
    memcpy(elements, n->numbers + read->element, count * sizeof *elements);
    if (count >= LIST_LENGTH && sim.list_base <= key) sim.list_base = key + 1;
    elements[count] = ++sim.element;
    sop_status status =
        sop_store_put(n->lists, key_make(key, key_buffer), value_make(elements, count + 1, buffer));
    if (!fine(n, "put", status)) return;
    note_op(n, 'a', STORE_LISTS, key)->element = elements[count];
}

static void do_write(notebook *n, sop_store *store, uint8_t number, uint32_t key)
{
    char key_buffer[16];
    uint8_t buffer[VALUE_MAX];
    uint64_t element = ++sim.element;
    sop_slice k = key_make(key, key_buffer);
    sop_slice v = value_make(&element, 1, buffer);
    uint64_t dice = sim_below(4);
    sop_status status = dice == 0   ? sop_store_add(store, k, v)
                        : dice == 1 ? sop_store_update(store, k, v)
                                    : sop_store_put(store, k, v);
    if (!fine(n, "write", status)) return;
    if (dice < 2) note_count(n, number, key, key + 1, (dice == 1) == (status == SOP_OK));
    if (status == SOP_OK) note_op(n, 'w', number, key)->element = element;
}

static void do_remove(notebook *n)
{
    char a[16];
    char b[16];
    uint32_t key = (uint32_t)sim_below(REGISTERS);
    if (sim_chance(25)) {
        uint32_t to = key + 1 + (uint32_t)sim_below(5);
        uint64_t removed = 0;
        sop_status status =
            sop_store_remove_range(n->registers, key_make(key, a), key_make(to, b), &removed);
        if (!fine(n, "remove_range", status)) return;
        note_count(n, STORE_REGISTERS, key, to, removed);
        note_op(n, 'd', STORE_REGISTERS, key)->to = to;
        return;
    }
    sop_status status = sop_store_remove(n->registers, key_make(key, a));
    if (!fine(n, "remove", status)) return;
    note_count(n, STORE_REGISTERS, key, key + 1, status == SOP_OK);
    note_op(n, 'd', STORE_REGISTERS, key);
}

static void scan(notebook *n, sop_store *store, uint8_t number, uint32_t from, uint32_t to)
{
    char a[16];
    char b[16];
    sop_cursor *cursor;
    sop_status status = sop_cursor_open(store, &cursor);
    if (!fine(n, "cursor", status)) return;
    status = sop_cursor_bound(cursor, key_make(from, a), key_make(to, b));
    if (!fine(n, "bound", status)) return;
    history_op *op = note_op(n, 's', number, from);
    op->to = to;
    while ((status = sop_cursor_next(cursor)) == SOP_OK) {
        sop_slice key;
        sop_slice value;
        status = sop_cursor_item(cursor, &key, &value);
        if (status != SOP_OK) break;
        note_number(n, key_parse(key));
        uint32_t count_at = n->number_count;
        note_number(n, 0);
        n->numbers[count_at] = value_note(n, value);
        op->count++;
    }
    sop_cursor_close(cursor);
    /* A scan that failed on the way saw nothing that counts. */
    if (!fine(n, "scan", status)) n->op_count--;
}

static void do_range(notebook *n)
{
    char a[16];
    char b[16];
    uint32_t from = (uint32_t)sim_below(REGISTERS);
    uint32_t to = from + 1 + (uint32_t)sim_below(REGISTERS - from);
    uint64_t count = 0;
    switch (sim_below(4)) {
    case 0:
        if (fine(n, "count", sop_store_count(n->registers, &count)))
            note_count(n, STORE_REGISTERS, 0, KEY_ALL, count);
        break;
    case 1:
        if (fine(n, "count_range",
                 sop_store_count_range(n->registers, key_make(from, a), key_make(to, b), &count)))
            note_count(n, STORE_REGISTERS, from, to, count);
        break;
    case 2:
        if (fine(n, "rank", sop_store_rank(n->registers, key_make(to, a), &count)))
            note_count(n, STORE_REGISTERS, 0, to, count);
        break;
    default:
        scan(n, n->registers, STORE_REGISTERS, from, to);
        break;
    }
}

/* Stores that come and go: opened and written, created, dropped. */
static void do_catalogue(notebook *n, int writes)
{
    char name[16];
    sop_store *store;
    uint32_t i = (uint32_t)sim_below(CATALOGUE_STORES);
    uint8_t number = (uint8_t)(STORE_MADE + i);
    (void)snprintf(name, sizeof name, "made%u", i);
    sop_status status = sop_store_open(n->txn, name, &store);
    if (!fine(n, "open store", status)) return;
    note_count(n, STORE_CATALOGUE, i, i + 1, status == SOP_OK);
    if (status == SOP_OK && writes && sim_chance(25)) {
        status = sop_store_drop(n->txn, name);
        if (!fine(n, "drop", status)) return;
        note_op(n, 'd', STORE_CATALOGUE, i);
        note_op(n, 'd', number, 0)->to = KEY_ALL;
    } else if (status == SOP_OK && writes) {
        do_write(n, store, number, (uint32_t)sim_below(4));
    } else if (status == SOP_OK) {
        scan(n, store, number, 0, 4);
    } else if (writes) {
        status = sop_store_create(n->txn, name, NULL, &store);
        if (!fine(n, "create", status)) return;
        note_op(n, 'w', STORE_CATALOGUE, i)->element = ++sim.element;
        do_write(n, store, number, (uint32_t)sim_below(4));
    }
}

static void operations(notebook *n, int writes)
{
    n->status = SOP_OK;
    if (!fine(n, "open store", sop_store_open(n->txn, "lists", &n->lists))) return;
    if (!fine(n, "open store", sop_store_open(n->txn, "registers", &n->registers))) return;
    if (n->lists == NULL || n->registers == NULL) sim_violation("a store is gone");
    for (uint64_t left = 1 + sim_below(5); left > 0 && n->status == SOP_OK; left--) {
        uint64_t dice = sim_below(100);
        if (dice < 25) {
            do_range(n);
        } else if (dice < 35) {
            do_catalogue(n, writes);
        } else if (dice < 50) {
            do_read(n, n->registers, STORE_REGISTERS, (uint32_t)sim_below(REGISTERS));
        } else if (!writes) {
            do_read(n, n->lists, STORE_LISTS, sim.list_base + (uint32_t)sim_below(4));
        } else if (dice < 70) {
            do_append(n);
        } else if (dice < 90) {
            do_write(n, n->registers, STORE_REGISTERS, (uint32_t)sim_below(REGISTERS));
        } else {
            do_remove(n);
        }
        sim_sleep(sim_below(sim_chance(5) ? 3000000 : 20000));
    }
}

/* ---- into the history ---- */

static size_t history_take(notebook *n, const history_txn *head)
{
    history *h = &sim.history;
    history_txn *txn = history_txn_add(h);
    size_t op_at = txn->op_at;
    *txn = *head;
    txn->number = h->txn_count;
    txn->op_at = op_at;
    txn->op_count = 0;
    for (uint32_t i = 0; i < n->op_count; i++) {
        const history_op *from = &n->ops[i];
        history_op *op = history_op_add(h, from->kind, from->store, from->key);
        uint64_t element = from->element;
        if (from->kind == 'r' || from->kind == 's') element += h->number_count;
        *op = *from;
        op->element = element;
    }
    for (uint32_t i = 0; i < n->number_count; i++)
        history_number_add(h, n->numbers[i]);
    if (h->txn_count > sim.note_capacity) {
        sim.note_capacity = sim.note_capacity * 2 + 256;
        sim.notes = realloc(sim.notes, sim.note_capacity * sizeof *sim.notes);
        if (sim.notes == NULL) abort();
    }
    sim.notes[h->txn_count - 1] = (sim_note){.slot_run = sim_process()};
    return h->txn_count - 1;
}

static history_token token_words(sop_txn_token token)
{
    history_token out;
    for (int i = 0; i < 3; i++)
        out.word[i] = sop_get_u64le(token.bytes + (size_t)i * 8);
    return out;
}

/* ---- one transaction ---- */

static char outcome_letter(sop_status status)
{
    if (status == SOP_OK) return 'c';
    return status == SOP_COMMIT_UNKNOWN ? 'u' : 'a';
}

static void outcome_count(sop_status status)
{
    sim.commits += status == SOP_OK;
    sim.conflicts += status == SOP_CONFLICT;
    sim.unknowns += status == SOP_COMMIT_UNKNOWN;
}

static void commit_note(sim_slot *slot, notebook *n, history_txn *head)
{
    head->snapshot = sop_txn_snapshot(n->txn);
    head->token = token_words(sop_txn_id(n->txn));
    size_t at = history_take(n, head);
    sop_status status = n->status;
    const char *call = n->call;
    if (status == SOP_OK) {
        status = sop_txn_commit(n->txn);
        call = "commit";
    }
    /* Other clients have added theirs meanwhile: look it up again. */
    history_txn *txn = &sim.history.txns[at];
    txn->end = sim_now();
    txn->outcome = outcome_letter(status);
    txn->seq = sop_txn_seq(n->txn);
    if (status == SOP_OK && slot->sync == SOP_SYNC_FULL) sim.notes[at].durable = 1;
    outcome_count(status);
    sim_trace((uint64_t)status, txn->seq, txn->snapshot);
    sim_say("  client of %d: %s %c snapshot %llu seq %llu %s", slot->process,
            txn->mode == 'r' ? "read" : "write", txn->outcome, (unsigned long long)txn->snapshot,
            (unsigned long long)txn->seq, status == SOP_OK ? "" : sop_txn_error(n->txn)->message);
    if (status != SOP_OK && status != SOP_CONFLICT)
        sim_failure(slot, call, status, sop_txn_error(n->txn)->message);
    if (status == SOP_IO || status == SOP_COMMIT_UNKNOWN) slot->failed = 1;
}

static void transaction(sim_slot *slot, notebook *n)
{
    sop_error err = {0};
    int writes = sim_chance(70);
    history_txn head = {.begin = sim_now(),
                        .end = UINT64_MAX,
                        .process = (uint16_t)slot->process,
                        .weak = slot->sync != SOP_SYNC_FULL,
                        .mode = writes ? 'w' : 'r',
                        .outcome = 'u'};
    n->op_count = 0;
    n->number_count = 0;
    sop_status status =
        sop_txn_begin(slot->db, writes ? SOP_TXN_WRITE : SOP_TXN_READ, &n->txn, &err);
    if (status != SOP_OK) {
        sim_failure(slot, "begin", status, err.message);
        slot->failed |= status == SOP_IO;
        return;
    }
    operations(n, writes);
    commit_note(slot, n, &head);
    sop_txn_close(n->txn);
}

/* What an application also does beside transactions. */
static void chores(sim_slot *slot)
{
    sop_error err = {0};
    sop_status status;
    if (sim_chance(50)) {
        status = sop_db_checkpoint(slot->db, &err);
        if (status != SOP_OK && status != SOP_CANCELLED)
            sim_failure(slot, "checkpoint", status, err.message);
        return;
    }
    size_t before = sim.history.txn_count;
    uint64_t asked = sim_now();
    status = sop_db_sync(slot->db, &err);
    if (status != SOP_OK) {
        sim_failure(slot, "sync", status, err.message);
        return;
    }
    for (size_t i = 0; i < before; i++) {
        const history_txn *txn = &sim.history.txns[i];
        if (txn->outcome == 'c' && txn->end < asked) sim.notes[i].durable = 1;
    }
}

void sim_client(void *argument)
{
    sim_slot *slot = argument;
    notebook *n = malloc(sizeof *n);
    if (n == NULL) abort();
    while (!sim.stop && !slot->reopen && !slot->failed) {
        if (sim_chance(4)) {
            chores(slot);
        } else {
            transaction(slot, n);
        }
        sim_sleep(sim_below(sim_chance(5) ? 20000000 : 200000));
    }
    free(n);
    slot->clients--;
}

/* ---- what the test does itself ---- */

#define MUST(call)                                                                                 \
    do {                                                                                           \
        sop_status must_ = (call);                                                                 \
        if (must_ != SOP_OK) sim_violation("%s: %s", #call, sop_status_name(must_));               \
    } while (0)

void sim_stores_create(sop_db *db)
{
    static const char *const NAMES[] = {"lists", "registers"};
    sop_error err = {0};
    sop_txn *txn;
    MUST(sop_txn_begin(db, SOP_TXN_WRITE, &txn, &err));
    for (int i = 0; i < 2; i++) {
        sop_store *store;
        MUST(sop_store_create(txn, NAMES[i], NULL, &store));
    }
    MUST(sop_txn_commit(txn));
    sop_txn_close(txn);
}

static void read_store(notebook *n, const char *name, uint8_t number)
{
    sop_store *store;
    sop_status status = sop_store_open(n->txn, name, &store);
    if (status == SOP_NOT_FOUND) return;
    MUST(status);
    scan(n, store, number, 0, 99999);
    uint64_t count = 0;
    MUST(sop_store_count(store, &count));
    note_count(n, number, 0, KEY_ALL, count);
}

void sim_read_all(sop_db *db)
{
    sop_error err = {0};
    notebook *n = calloc(1, sizeof *n);
    if (n == NULL) abort();
    history_txn head = {
        .number = sim.history.txn_count + 1, .begin = sim_now(), .mode = 'r', .outcome = 'c'};
    MUST(sop_txn_begin(db, SOP_TXN_READ, &n->txn, &err));
    head.snapshot = sop_txn_snapshot(n->txn);
    /* Old lists are at rest: the newest ones and a few older do. */
    sop_store *lists;
    MUST(sop_store_open(n->txn, "lists", &lists));
    uint32_t first = sim.list_base > 24 ? sim.list_base - 24 : 0;
    scan(n, lists, STORE_LISTS, first, sim.list_base + 8);
    read_store(n, "registers", STORE_REGISTERS);
    for (uint32_t i = 0; i < CATALOGUE_STORES; i++) {
        char name[16];
        sop_store *store;
        (void)snprintf(name, sizeof name, "made%u", i);
        sop_status status = sop_store_open(n->txn, name, &store);
        note_count(n, STORE_CATALOGUE, i, i + 1, status == SOP_OK);
        read_store(n, name, (uint8_t)(STORE_MADE + i));
    }
    if (n->status != SOP_OK) sim_violation("%s: %s", n->call, sop_txn_error(n->txn)->message);
    MUST(sop_txn_commit(n->txn));
    head.end = sim_now();
    sop_txn_close(n->txn);
    (void)history_take(n, &head);
    free(n);
}

static uint64_t tip_of(sop_db *db)
{
    sop_db_info info = SOP_DB_INFO_INIT;
    sop_error err = {0};
    if (sop_db_info_get(db, &info, &err) != SOP_OK) sim_violation("info: %s", err.message);
    return info.tip;
}

void sim_commit_must(sop_db *db, uint64_t deadline_ns)
{
    sim_slot slot = {.process = SIM_TEST, .db = db, .sync = SOP_SYNC_OFF};
    notebook *n = calloc(1, sizeof *n);
    if (n == NULL) abort();
    uint64_t first = tip_of(db);
    /* Also something that reaches the log: many transactions only read, or change nothing. */
    for (uint64_t before = sim.commits; sim.commits < before + 3 || tip_of(db) == first;) {
        if (sim_now() > deadline_ns)
            sim_violation("all is whole again, and commits do not get through");
        transaction(&slot, n);
    }
    free(n);
}
