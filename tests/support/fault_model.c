/* SPDX-License-Identifier: MIT */
/* The plain model of runs with faults, and reading a database back into it. */
#include "support/fault_model.h"

#include <stdio.h>
#include <string.h>

#include "util/bytes.h"
#include "util/error.h"

enum { NUMBER_MASK = FAULT_HALF - 1, HALF_SIZE = 100000 };

int fault_model_equal(const fault_model *a, const fault_model *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

void fault_model_explain(const fault_model *want, const fault_model *got, char *out, size_t size)
{
    (void)snprintf(out, size, "no difference");
    for (int s = 0; s < FAULT_STORES; s++) {
        const fault_store *a = &want->stores[s];
        const fault_store *b = &got->stores[s];
        if (a->exists != b->exists || a->duplicates != b->duplicates) {
            (void)snprintf(out, size, "%s exists %u, wanted %u", fault_store_name(s), b->exists,
                           a->exists);
            return;
        }
        for (int k = 0; k < FAULT_KEYS; k++) {
            for (int i = 0; i < FAULT_EQUALS; i++) {
                if (a->item[k][i] == b->item[k][i]) continue;
                (void)snprintf(out, size, "%s key %d item %d has value %u, wanted %u",
                               fault_store_name(s), k, i, b->item[k][i], a->item[k][i]);
                return;
            }
        }
    }
}

const char *fault_store_name(int store)
{
    static const char *const names[FAULT_STORES] = {"store0", "store1", "store2",
                                                    "store3", "store4", "store5"};
    return names[store];
}

sop_slice fault_key(int key, char buffer[FAULT_KEY_SIZE])
{
    int size = snprintf(buffer, FAULT_KEY_SIZE, key % 3 == 0 ? "k%02d" : "k%02d/a/tail", key);
    return (sop_slice){buffer, (size_t)size};
}

static size_t value_size(uint32_t number)
{
    if ((number & FAULT_STREAM) != 0) return FAULT_VALUE_MAX;
    if ((number & FAULT_HALF) != 0) return HALF_SIZE;
    if (number % 64 == 1) return 70000;
    if (number % 16 == 0) return 5000;
    if (number % 4 == 2) return 1200;
    return 8 + number % 200;
}

sop_slice fault_value(uint32_t number)
{
    static uint8_t bytes[FAULT_VALUE_MAX];
    size_t size = value_size(number);
    uint32_t plain = number & NUMBER_MASK;
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(plain * 31 + i * 7 + (i >> 8));
    sop_put_u32le(bytes, plain);
    return (sop_slice){bytes, size};
}

static sop_status wrong(sop_error *problem, const char *store, const char *what)
{
    return sop_fail(problem, SOP_CORRUPT, "%s: %s", store, what);
}

static sop_status failed(sop_error *problem, sop_status status, const sop_txn *txn)
{
    *problem = *sop_txn_error(txn);
    problem->status = status;
    return status;
}

static int key_number(sop_slice key)
{
    char buffer[FAULT_KEY_SIZE];
    for (int k = 0; k < FAULT_KEYS; k++) {
        sop_slice want = fault_key(k, buffer);
        if (want.size == key.size && memcmp(want.data, key.data, key.size) == 0) return k;
    }
    return -1;
}

/* 0: these are the bytes of no value. */
static uint32_t value_number(sop_slice value)
{
    if (value.size < 8) return 0;
    uint32_t number = sop_get_u32le(value.data);
    if (value.size == FAULT_VALUE_MAX) number |= FAULT_STREAM;
    if (value.size == HALF_SIZE) number |= FAULT_HALF;
    sop_slice want = fault_value(number);
    int same = want.size == value.size && memcmp(want.data, value.data, value.size) == 0;
    return same ? number : 0;
}

static sop_status
item_take(sop_cursor *cursor, const sop_txn *txn, fault_store *out, const char *name, sop_error *p)
{
    sop_slice key;
    sop_slice value;
    sop_status status = sop_cursor_item(cursor, &key, &value);
    if (status != SOP_OK) return failed(p, status, txn);
    int k = key_number(key);
    uint32_t number = value_number(value);
    if (k < 0) return wrong(p, name, "a key that nobody wrote");
    if (number == 0) return wrong(p, name, "a value that nobody wrote");
    int i = 0;
    while (i < FAULT_EQUALS && out->item[k][i] != 0)
        i++;
    if (i == FAULT_EQUALS || (i > 0 && !out->duplicates)) return wrong(p, name, "too many equals");
    out->item[k][i] = number;
    return SOP_OK;
}

static sop_status
store_read(sop_store *store, const sop_txn *txn, fault_store *out, const char *name, sop_error *p)
{
    sop_cursor *cursor;
    uint64_t count = 0;
    uint64_t forwards = 0;
    uint64_t backwards = 0;
    sop_status status = sop_cursor_open(store, &cursor);
    if (status != SOP_OK) return failed(p, status, txn);
    while ((status = sop_cursor_next(cursor)) == SOP_OK) {
        status = item_take(cursor, txn, out, name, p);
        if (status != SOP_OK) return status;
        forwards++;
    }
    if (status != SOP_NOT_FOUND) return failed(p, status, txn);
    while ((status = sop_cursor_prev(cursor)) == SOP_OK)
        backwards++;
    if (status != SOP_NOT_FOUND) return failed(p, status, txn);
    sop_cursor_close(cursor);
    status = sop_store_count(store, &count);
    if (status != SOP_OK) return failed(p, status, txn);
    if (count != forwards || count != backwards) return wrong(p, name, "count and scan differ");
    return SOP_OK;
}

typedef struct {
    fault_model *out;
    int strangers;
} listing;

static sop_status store_list(const sop_store_info *info, void *context)
{
    listing *list = context;
    for (int s = 0; s < FAULT_STORES; s++) {
        if (strcmp(info->name, fault_store_name(s)) != 0) continue;
        list->out->stores[s].exists = 1;
        list->out->stores[s].duplicates = info->allow_duplicates != 0;
        return SOP_OK;
    }
    list->strangers++;
    return SOP_OK;
}

sop_status fault_observe_txn(sop_txn *txn, fault_model *out, sop_error *problem)
{
    memset(out, 0, sizeof *out);
    listing list = {out, 0};
    sop_status status = sop_store_list(txn, store_list, &list);
    if (status != SOP_OK) return failed(problem, status, txn);
    if (list.strangers != 0) return wrong(problem, "catalogue", "a store that nobody made");
    for (int s = 0; s < FAULT_STORES; s++) {
        sop_store *store;
        if (!out->stores[s].exists) continue;
        status = sop_store_open(txn, fault_store_name(s), &store);
        if (status != SOP_OK) return failed(problem, status, txn);
        status = store_read(store, txn, &out->stores[s], fault_store_name(s), problem);
        if (status != SOP_OK) return status;
    }
    return SOP_OK;
}

sop_status fault_observe(sop_db *db, fault_model *out, sop_error *problem)
{
    sop_txn *txn;
    sop_status status = sop_txn_begin(db, SOP_TXN_READ, &txn, problem);
    if (status != SOP_OK) return status;
    status = fault_observe_txn(txn, out, problem);
    sop_txn_close(txn);
    return status;
}
