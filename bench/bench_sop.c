/* SPDX-License-Identifier: MIT */
/* SOP itself, through its public interface only. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sop/sop.h"

#include "bench_run.h"

#define STORE_NAME "bench"
#define PAGE_ITEMS 128
#define URL_MAX    (BENCH_PATH_MAX + 8)

typedef struct {
    sop_db *handle;
    unsigned stores; /* beside the usual one */
} database;

/* A transaction object for each mode, with its store; both are kept and renewed. */
typedef struct {
    sop_txn *txn;
    sop_store *store;
    sop_store **stores; /* opened at first use; NULL when there are none */
} keeper;

typedef struct {
    database *db;
    keeper reader;
    keeper writer;
    keeper *current;
    sop_cursor *cursor;
    sop_item page[PAGE_ITEMS];
} session;

static void check(sop_status status, const sop_error *error, const char *what)
{
    if (status == SOP_OK) return;
    const char *detail = error != NULL && error->status == status ? error->message : "";
    bench_die("sop: %s: %s %s", what, sop_status_name(status), detail);
}

static void check_txn(const session *s, sop_status status, const char *what)
{
    if (status != SOP_OK) check(status, sop_txn_error(s->current->txn), what);
}

static sop_slice key_of(const char *key)
{
    return (sop_slice){key, BENCH_KEY_SIZE};
}

static void create_store(database *db, const char *name)
{
    sop_error error = {0};
    sop_txn *txn;
    sop_store *store;
    check(sop_txn_begin(db->handle, SOP_TXN_WRITE, &txn, &error), &error, "begin");
    sop_status status = sop_store_create(txn, name, NULL, &store);
    if (status == SOP_OK) status = sop_txn_commit(txn);
    if (status != SOP_EXISTS) check(status, sop_txn_error(txn), "create store");
    sop_txn_close(txn);
}

static sop_db *open_handle(const char *dir, int durable)
{
    char url[URL_MAX];
    sop_error error = {0};
    sop_db_options options = SOP_DB_OPTIONS_INIT;
    sop_db *handle;
    options.sync = durable ? SOP_SYNC_FULL : SOP_SYNC_OFF;
    snprintf(url, sizeof url, "file:%s", dir);
    check(sop_db_open(url, &options, &handle, &error), &error, "open");
    return handle;
}

static int has_store(const database *db)
{
    sop_error error = {0};
    sop_txn *txn;
    sop_store *store;
    check(sop_txn_begin(db->handle, SOP_TXN_READ, &txn, &error), &error, "begin");
    sop_status status = sop_store_open(txn, STORE_NAME, &store);
    sop_txn_close(txn);
    return status == SOP_OK;
}

static void *open_database(const char *dir, bench_opening how)
{
    database *db = bench_alloc(sizeof *db);
    db->handle = open_handle(dir, how.durable);
    db->stores = how.stores;
    if (!has_store(db)) create_store(db, STORE_NAME);
    return db;
}

static void close_database(void *opened)
{
    database *db = opened;
    sop_error error = {0};
    check(sop_db_close(db->handle, &error), &error, "close");
    free(db);
}

static void flush(void *opened)
{
    database *db = opened;
    sop_error error = {0};
    check(sop_db_checkpoint(db->handle, &error), &error, "checkpoint");
}

static void *session_open(void *opened)
{
    session *s = bench_alloc(sizeof *s);
    s->db = opened;
    return s;
}

static void session_close(void *opened)
{
    session *s = opened;
    sop_txn_close(s->reader.txn);
    sop_txn_close(s->writer.txn);
    free(s->reader.stores);
    free(s->writer.stores);
    free(s);
}

static void first_begin(session *s, keeper *k, sop_txn_mode mode)
{
    sop_error error = {0};
    check(sop_txn_begin(s->db->handle, mode, &k->txn, &error), &error, "begin");
    check_txn(s, sop_store_open(k->txn, STORE_NAME, &k->store), "open store");
    if (s->db->stores != 0) k->stores = bench_alloc(s->db->stores * sizeof(sop_store *));
}

static void begin(void *opened, bench_mode mode)
{
    session *s = opened;
    int writing = mode == BENCH_WRITE || mode == BENCH_WRITE_BLIND;
    s->current = writing ? &s->writer : &s->reader;
    if (s->current->txn == NULL) {
        first_begin(s, s->current, writing ? SOP_TXN_WRITE : SOP_TXN_READ);
    } else {
        check_txn(s, sop_txn_renew(s->current->txn), "renew");
    }
}

static void end(session *s)
{
    sop_cursor_close(s->cursor);
    s->cursor = NULL;
    sop_txn_reset(s->current->txn);
}

static void abort_txn(void *opened)
{
    end(opened);
}

static bench_status commit(void *opened)
{
    session *s = opened;
    bench_status result = BENCH_OK;
    if (s->current == &s->writer) {
        sop_status status = sop_txn_commit(s->writer.txn);
        if (status == SOP_CONFLICT) {
            result = BENCH_CONFLICT;
        } else {
            check_txn(s, status, "commit");
        }
        return result;
    }
    end(s);
    return result;
}

static bench_status get_from(session *s, sop_store *store, const char *key, bench_slice *value_out)
{
    sop_slice value;
    sop_status status = sop_store_get(store, key_of(key), &value);
    if (status == SOP_NOT_FOUND) return BENCH_NOT_FOUND;
    check_txn(s, status, "get");
    *value_out = (bench_slice){value.data, value.size};
    return BENCH_OK;
}

static bench_status get(void *opened, const char *key, bench_slice *value_out)
{
    session *s = opened;
    return get_from(s, s->current->store, key, value_out);
}

static void insert(void *opened, const char *key, bench_slice value)
{
    session *s = opened;
    sop_slice bytes = {value.data, value.size};
    check_txn(s, sop_store_put(s->current->store, key_of(key), bytes), "put");
}

static bench_status update(void *opened, const char *key, bench_slice value)
{
    insert(opened, key, value);
    return BENCH_OK;
}

static void remove_item(void *opened, const char *key)
{
    session *s = opened;
    check_txn(s, sop_store_remove(s->current->store, key_of(key)), "remove");
}

static sop_cursor *cursor_of(session *s)
{
    if (s->cursor == NULL) {
        check_txn(s, sop_cursor_open(s->current->store, &s->cursor), "open cursor");
    }
    return s->cursor;
}

static void take(bench_sink *sink, sop_slice key, sop_slice value)
{
    bench_sink_take(sink, (bench_slice){key.data, key.size}, (bench_slice){value.data, value.size});
}

/* The item under the cursor, then page after page. */
static void take_rows(session *s, int direction, uint64_t limit, bench_sink *sink)
{
    sop_slice key, value;
    check_txn(s, sop_cursor_item(s->cursor, &key, &value), "item");
    take(sink, key, value);
    for (uint64_t left = limit - 1; left > 0;) {
        size_t wanted = left < PAGE_ITEMS ? (size_t)left : PAGE_ITEMS, got = 0;
        sop_status status = sop_cursor_read(s->cursor, direction, s->page, wanted, &got);
        if (status != SOP_NOT_FOUND) check_txn(s, status, "read");
        for (size_t i = 0; i < got; i++) {
            take(sink, s->page[i].key, s->page[i].value);
        }
        if (got < wanted) return;
        left -= got;
    }
}

static void scan(void *opened, const char *from, uint64_t limit, bench_sink *sink)
{
    session *s = opened;
    sop_cursor *cursor = cursor_of(s);
    sop_status status = from != NULL ? sop_cursor_seek(cursor, key_of(from), SOP_SEEK_GE)
                                     : sop_cursor_first(cursor);
    if (status == SOP_NOT_FOUND) return;
    check_txn(s, status, "seek");
    take_rows(s, 1, limit, sink);
}

static void scan_back(void *opened, uint64_t limit, bench_sink *sink)
{
    session *s = opened;
    sop_status status = sop_cursor_last(cursor_of(s));
    if (status == SOP_NOT_FOUND) return;
    check_txn(s, status, "last");
    take_rows(s, -1, limit, sink);
}

static void position(void *opened, uint64_t rank, uint64_t limit, bench_sink *sink)
{
    session *s = opened;
    check_txn(s, sop_cursor_seek_rank(cursor_of(s), rank), "seek_rank");
    take_rows(s, 1, limit, sink);
}

static uint64_t count(void *opened, const char *from, const char *to)
{
    session *s = opened;
    uint64_t items = 0;
    sop_status status = sop_store_count_range(s->current->store, key_of(from), key_of(to), &items);
    check_txn(s, status, "count_range");
    return items;
}

static void bulk(const char *dir, uint64_t items)
{
    sop_error error = {0};
    sop_bulk *load;
    char key[BENCH_KEY_SIZE], value[BENCH_VALUE_SIZE];
    sop_db *handle = open_handle(dir, 1);
    check(sop_bulk_open(handle, STORE_NAME, NULL, &load, &error), &error, "bulk open");
    for (uint64_t i = 0; i < items; i++) {
        bench_key_make(i * BENCH_KEY_GAP, key);
        bench_value_make(i * BENCH_KEY_GAP, 0, value, BENCH_VALUE_SIZE);
        sop_status status = sop_bulk_add(load, key_of(key), (sop_slice){value, BENCH_VALUE_SIZE});
        if (status != SOP_OK) check(status, sop_bulk_error(load), "bulk add");
    }
    uint64_t seq;
    check(sop_bulk_finish(load, &seq), NULL, "bulk finish");
    check(sop_db_close(handle, &error), &error, "close");
}

/* The log has a folder of its own. */
static int is_log(const char *path)
{
    return strstr(path, "/log/") != NULL;
}

static void store_name(unsigned index, char name[32])
{
    snprintf(name, 32, "store%06u", index);
}

static void stores_create(void *opened, unsigned first, unsigned number)
{
    database *db = opened;
    sop_error error = {0};
    sop_txn *txn;
    check(sop_txn_begin(db->handle, SOP_TXN_WRITE, &txn, &error), &error, "begin");
    for (unsigned i = first; i < first + number; i++) {
        char name[32];
        sop_store *store;
        store_name(i, name);
        sop_status status = sop_store_create(txn, name, NULL, &store);
        if (status != SOP_OK) check(status, sop_txn_error(txn), "create store");
    }
    sop_status status = sop_txn_commit(txn);
    if (status != SOP_OK) check(status, sop_txn_error(txn), "commit");
    sop_txn_close(txn);
}

static sop_store *store_of(session *s, unsigned index)
{
    sop_store **kept = &s->current->stores[index];
    if (*kept == NULL) {
        char name[32];
        store_name(index, name);
        check_txn(s, sop_store_open(s->current->txn, name, kept), "open store");
    }
    return *kept;
}

static void store_put(void *opened, unsigned index, const char *key, bench_slice value)
{
    session *s = opened;
    sop_slice bytes = {value.data, value.size};
    check_txn(s, sop_store_put(store_of(s, index), key_of(key), bytes), "put");
}

static bench_status store_get(void *opened, unsigned index, const char *key, bench_slice *value_out)
{
    session *s = opened;
    return get_from(s, store_of(s, index), key, value_out);
}

const bench_engine bench_engine_sop = {
    .name = "sop",
    .version = sop_version,
    .open = open_database,
    .close = close_database,
    .flush = flush,
    .settle = flush,
    .session_open = session_open,
    .session_close = session_close,
    .begin = begin,
    .commit = commit,
    .abort = abort_txn,
    .get = get,
    .append = insert,
    .insert = insert,
    .update = update,
    .remove = remove_item,
    .scan = scan,
    .scan_back = scan_back,
    .position = position,
    .count = count,
    .bulk = bulk,
    .is_log = is_log,
    .stores_create = stores_create,
    .store_put = store_put,
    .store_get = store_get,
};
