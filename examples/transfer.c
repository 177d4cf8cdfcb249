/* SPDX-License-Identifier: MIT */
/*
 * Two threads move money between accounts. Whoever loses a race runs again; no money appears or vanishes.
 * Usage: transfer [URL]
 */
#include <pthread.h>
#include <sop/sop.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { ACCOUNTS = 10, START = 100, TRANSFERS = 500, THREADS = 2 };

typedef struct {
    sop_db *db;
    uint32_t seed;
    int from;
    int to;
    sop_error error;
} teller;

static sop_slice account_key(int account, char *buffer)
{
    buffer[0] = 'a';
    buffer[1] = (char)('0' + account);
    sop_slice key = {buffer, 2};
    return key;
}

static sop_status balance_get(sop_store *store, int account, int64_t *balance)
{
    char name[2];
    sop_slice value = {NULL, 0};
    sop_status status = sop_store_get(store, account_key(account, name), &value);
    if (status == SOP_OK) memcpy(balance, value.data, sizeof(*balance));
    return status;
}

static sop_status balance_put(sop_store *store, int account, int64_t balance)
{
    char name[2];
    sop_slice value = {&balance, sizeof(balance)};
    return sop_store_put(store, account_key(account, name), value);
}

static sop_status open_bank(sop_txn *txn, void *context)
{
    (void)context;
    sop_store *store = NULL;
    sop_status status = sop_store_create(txn, "bank", NULL, &store);
    for (int i = 0; status == SOP_OK && i < ACCOUNTS; i++)
        status = balance_put(store, i, START);
    return status;
}

/* The body of sop_txn_run: it may run several times, so it has no effects outside the transaction. */
static sop_status move_one(sop_txn *txn, void *context)
{
    const teller *me = (const teller *)context;
    sop_store *store = NULL;
    int64_t from = 0;
    int64_t to = 0;
    sop_status status = sop_store_open(txn, "bank", &store);
    if (status == SOP_OK) status = balance_get(store, me->from, &from);
    if (status == SOP_OK) status = balance_get(store, me->to, &to);
    if (status != SOP_OK || from == 0) return status;
    status = balance_put(store, me->from, from - 1);
    if (status == SOP_OK) status = balance_put(store, me->to, to + 1);
    return status;
}

static void *work(void *context)
{
    teller *me = (teller *)context;
    for (int i = 0; i < TRANSFERS; i++) {
        me->seed = me->seed * 1103515245u + 12345u;
        me->from = (int)(me->seed >> 16) % ACCOUNTS;
        me->to = (me->from + 1) % ACCOUNTS;
        if (sop_txn_run(me->db, NULL, move_one, me, &me->error) != SOP_OK) break;
    }
    return NULL;
}

static sop_status add_up(sop_txn *txn, void *context)
{
    int64_t *total = (int64_t *)context;
    sop_store *store = NULL;
    sop_status status = sop_store_open(txn, "bank", &store);
    *total = 0;
    for (int i = 0; status == SOP_OK && i < ACCOUNTS; i++) {
        int64_t balance = 0;
        status = balance_get(store, i, &balance);
        *total += balance;
    }
    return status;
}

static sop_status run_tellers(sop_db *db, sop_error *error)
{
    teller tellers[THREADS];
    pthread_t threads[THREADS];
    int started = 0;
    for (; started < THREADS; started++) {
        teller fresh = {db, (uint32_t)started, 0, 0, {SOP_OK, ""}};
        tellers[started] = fresh;
        if (pthread_create(&threads[started], NULL, work, &tellers[started]) != 0) break;
    }
    sop_status status = started == THREADS ? SOP_OK : SOP_NO_MEMORY;
    for (int i = 0; i < started; i++) {
        (void)pthread_join(threads[i], NULL);
        if (tellers[i].error.status != SOP_OK) {
            *error = tellers[i].error;
            status = error->status;
        }
    }
    return status;
}

int main(int argc, char **argv)
{
    sop_db *db = NULL;
    sop_error error = {SOP_OK, ""};
    int64_t total = 0;
    sop_status status = sop_db_open(argc > 1 ? argv[1] : "memory:", NULL, &db, &error);
    if (status == SOP_OK) status = sop_txn_run(db, NULL, open_bank, NULL, &error);
    if (status == SOP_OK) status = run_tellers(db, &error);
    if (status == SOP_OK) status = sop_txn_run(db, NULL, add_up, &total, &error);
    if (status == SOP_OK)
        printf("%d transfers, %lld in all accounts\n", THREADS * TRANSFERS, (long long)total);
    sop_status closed = sop_db_close(db, status == SOP_OK ? &error : NULL);
    if (status == SOP_OK) status = closed;
    if (status != SOP_OK) fprintf(stderr, "%s: %s\n", sop_status_name(status), error.message);
    return status != SOP_OK || total != (int64_t)ACCOUNTS * START;
}
