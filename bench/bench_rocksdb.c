/* SPDX-License-Identifier: MIT */
/* RocksDB: as it comes, and tuned; serialisable transactions are its optimistic ones. */
#include <rocksdb/c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench_run.h"

#define MIB                ((size_t)1 << 20)
#define TUNED_CACHE_BYTES  (2048 * MIB)
#define TUNED_BUFFER_BYTES (128 * MIB)
#define TUNED_LEVEL_BYTES  (512 * MIB)
#define TUNED_BLOB_MIN     8192
#define TUNED_BLOOM_BITS   10
#define TUNED_JOBS         2

#ifndef BENCH_ROCKSDB_VERSION
#define BENCH_ROCKSDB_VERSION "unknown"
#endif

typedef struct {
    rocksdb_options_t *options;
    rocksdb_block_based_table_options_t *table;
    rocksdb_cache_t *cache;
    rocksdb_optimistictransactiondb_t *transactions;
    rocksdb_t *base;
    rocksdb_writeoptions_t *write;
    rocksdb_optimistictransaction_options_t *optimistic;
} database;

typedef struct {
    database *db;
    bench_mode mode;
    rocksdb_readoptions_t *read;
    const rocksdb_snapshot_t *snapshot;
    rocksdb_iterator_t *iterator;
    rocksdb_pinnableslice_t *pinned;
    rocksdb_writebatch_t *batch;
    rocksdb_transaction_t *txn;
} session;

static void check(char *error, const char *what)
{
    if (error != NULL) bench_die("rocksdb: %s: %s", what, error);
}

static const char *version(void)
{
    return BENCH_ROCKSDB_VERSION;
}

static void tune(database *db)
{
    rocksdb_options_t *o = db->options;
    rocksdb_options_increase_parallelism(o, TUNED_JOBS);
    rocksdb_options_set_compression(o, rocksdb_no_compression);
    rocksdb_options_set_write_buffer_size(o, TUNED_BUFFER_BYTES);
    rocksdb_options_set_max_write_buffer_number(o, 4);
    rocksdb_options_set_max_bytes_for_level_base(o, TUNED_LEVEL_BYTES);
    rocksdb_options_set_recycle_log_file_num(o, 4);
    rocksdb_options_set_bytes_per_sync(o, MIB);
    rocksdb_options_set_enable_blob_files(o, 1);
    rocksdb_options_set_min_blob_size(o, TUNED_BLOB_MIN);
    rocksdb_options_set_stats_dump_period_sec(o, 0);
    db->cache = rocksdb_cache_create_lru(TUNED_CACHE_BYTES);
    db->table = rocksdb_block_based_options_create();
    rocksdb_block_based_options_set_block_cache(db->table, db->cache);
    rocksdb_block_based_options_set_format_version(db->table, 5);
    rocksdb_block_based_options_set_filter_policy(
        db->table, rocksdb_filterpolicy_create_bloom_full(TUNED_BLOOM_BITS));
    rocksdb_block_based_options_set_data_block_index_type(
        db->table, rocksdb_block_based_table_data_block_index_type_binary_search_and_hash);
    rocksdb_options_set_blob_cache(o, db->cache);
    rocksdb_options_set_block_based_table_factory(o, db->table);
}

static void *open_with(const char *dir, int durable, int tuned)
{
    database *db = bench_alloc(sizeof *db);
    char *error = NULL;
    db->options = rocksdb_options_create();
    rocksdb_options_set_create_if_missing(db->options, 1);
    rocksdb_options_set_keep_log_file_num(db->options, 2); /* its diagnostic files */
    if (tuned) tune(db);
    db->write = rocksdb_writeoptions_create();
    rocksdb_writeoptions_set_sync(db->write, durable != 0);
    db->optimistic = rocksdb_optimistictransaction_options_create();
    db->transactions = rocksdb_optimistictransactiondb_open(db->options, dir, &error);
    check(error, "open");
    db->base = rocksdb_optimistictransactiondb_get_base_db(db->transactions);
    return db;
}

static void *open_default(const char *dir, bench_opening how)
{
    return open_with(dir, how.durable, 0);
}

static void *open_tuned(const char *dir, bench_opening how)
{
    return open_with(dir, how.durable, 1);
}

static void close_database(void *opened)
{
    database *db = opened;
    rocksdb_optimistictransactiondb_close_base_db(db->base);
    rocksdb_optimistictransactiondb_close(db->transactions);
    rocksdb_optimistictransaction_options_destroy(db->optimistic);
    rocksdb_writeoptions_destroy(db->write);
    rocksdb_options_destroy(db->options);
    if (db->table != NULL) rocksdb_block_based_options_destroy(db->table);
    if (db->cache != NULL) rocksdb_cache_destroy(db->cache);
    free(db);
}

static void flush(void *opened)
{
    database *db = opened;
    char *error = NULL;
    rocksdb_flushoptions_t *options = rocksdb_flushoptions_create();
    rocksdb_flushoptions_set_wait(options, 1);
    rocksdb_flush(db->base, options, &error);
    check(error, "flush");
    rocksdb_flushoptions_destroy(options);
}

static void settle(void *opened)
{
    database *db = opened;
    flush(db);
    rocksdb_compact_range(db->base, NULL, 0, NULL, 0);
}

static void *session_open(void *opened)
{
    session *s = bench_alloc(sizeof *s);
    s->db = opened;
    s->read = rocksdb_readoptions_create();
    s->batch = rocksdb_writebatch_create();
    return s;
}

static void session_close(void *opened)
{
    session *s = opened;
    if (s->txn != NULL) rocksdb_transaction_destroy(s->txn);
    rocksdb_writebatch_destroy(s->batch);
    rocksdb_readoptions_destroy(s->read);
    free(s);
}

static void unpin(session *s)
{
    if (s->pinned != NULL) rocksdb_pinnableslice_destroy(s->pinned);
    s->pinned = NULL;
}

static void begin(void *opened, bench_mode mode)
{
    session *s = opened;
    s->mode = mode;
    if (mode == BENCH_READ) {
        s->snapshot = rocksdb_create_snapshot(s->db->base);
        rocksdb_readoptions_set_snapshot(s->read, s->snapshot);
    } else if (mode == BENCH_WRITE) {
        s->txn = rocksdb_optimistictransaction_begin(s->db->transactions, s->db->write,
                                                     s->db->optimistic, s->txn);
    }
}

static void end_read(session *s)
{
    unpin(s);
    if (s->iterator != NULL) rocksdb_iter_destroy(s->iterator);
    s->iterator = NULL;
    if (s->snapshot == NULL) return;
    rocksdb_readoptions_set_snapshot(s->read, NULL);
    rocksdb_release_snapshot(s->db->base, s->snapshot);
    s->snapshot = NULL;
}

static void abort_txn(void *opened)
{
    session *s = opened;
    char *error = NULL;
    end_read(s);
    if (s->mode == BENCH_WRITE) rocksdb_transaction_rollback(s->txn, &error);
    check(error, "rollback");
    rocksdb_writebatch_clear(s->batch);
}

/* "Resource busy": another transaction wrote what this one read; "Operation failed. Try again.": too
   old to be validated. */
static bench_status conflict_or_die(char *error)
{
    int conflict = strncmp(error, "Resource busy", 13) == 0 ||
                   strncmp(error, "Operation failed. Try again.", 28) == 0;
    if (!conflict) bench_die("rocksdb: commit: %s", error);
    rocksdb_free(error);
    return BENCH_CONFLICT;
}

static bench_status commit(void *opened)
{
    session *s = opened;
    char *error = NULL;
    end_read(s);
    if (s->mode == BENCH_WRITE_BLIND) {
        rocksdb_write(s->db->base, s->db->write, s->batch, &error);
        check(error, "write");
        rocksdb_writebatch_clear(s->batch);
    } else if (s->mode == BENCH_WRITE) {
        rocksdb_transaction_commit(s->txn, &error);
        if (error != NULL) return conflict_or_die(error);
    }
    return BENCH_OK;
}

static bench_status get(void *opened, const char *key, bench_slice *value_out)
{
    session *s = opened;
    char *error = NULL;
    unpin(s);
    if (s->mode == BENCH_WRITE) {
        s->pinned = rocksdb_transaction_get_pinned_for_update(s->txn, s->read, key, BENCH_KEY_SIZE,
                                                              1, &error);
    } else {
        s->pinned = rocksdb_get_pinned(s->db->base, s->read, key, BENCH_KEY_SIZE, &error);
    }
    check(error, "get");
    if (s->pinned == NULL) return BENCH_NOT_FOUND;
    value_out->data = rocksdb_pinnableslice_value(s->pinned, &value_out->size);
    return BENCH_OK;
}

static void insert(void *opened, const char *key, bench_slice value)
{
    session *s = opened;
    char *error = NULL;
    if (s->mode == BENCH_WRITE) {
        rocksdb_transaction_put(s->txn, key, BENCH_KEY_SIZE, value.data, value.size, &error);
        check(error, "put");
    } else {
        rocksdb_writebatch_put(s->batch, key, BENCH_KEY_SIZE, value.data, value.size);
    }
}

static bench_status update(void *opened, const char *key, bench_slice value)
{
    insert(opened, key, value);
    return BENCH_OK;
}

static void remove_item(void *opened, const char *key)
{
    session *s = opened;
    rocksdb_writebatch_delete(s->batch, key, BENCH_KEY_SIZE);
}

static rocksdb_iterator_t *iterator_of(session *s)
{
    if (s->iterator == NULL) s->iterator = rocksdb_create_iterator(s->db->base, s->read);
    return s->iterator;
}

static void take_rows(rocksdb_iterator_t *it,
                      void (*step)(rocksdb_iterator_t *),
                      uint64_t limit,
                      bench_sink *sink)
{
    for (uint64_t n = 0; n < limit && rocksdb_iter_valid(it); n++) {
        bench_slice key, value;
        key.data = rocksdb_iter_key(it, &key.size);
        value.data = rocksdb_iter_value(it, &value.size);
        bench_sink_take(sink, key, value);
        if (n + 1 < limit) step(it);
    }
    char *error = NULL;
    rocksdb_iter_get_error(it, &error);
    check(error, "scan");
}

static void scan(void *opened, const char *from, uint64_t limit, bench_sink *sink)
{
    rocksdb_iterator_t *it = iterator_of(opened);
    if (from != NULL) {
        rocksdb_iter_seek(it, from, BENCH_KEY_SIZE);
    } else {
        rocksdb_iter_seek_to_first(it);
    }
    take_rows(it, rocksdb_iter_next, limit, sink);
}

static void scan_back(void *opened, uint64_t limit, bench_sink *sink)
{
    rocksdb_iterator_t *it = iterator_of(opened);
    rocksdb_iter_seek_to_last(it);
    take_rows(it, rocksdb_iter_prev, limit, sink);
}

/* RocksDB cannot seek to a position: it walks there. */
static void position(void *opened, uint64_t rank, uint64_t limit, bench_sink *sink)
{
    rocksdb_iterator_t *it = iterator_of(opened);
    rocksdb_iter_seek_to_first(it);
    for (uint64_t n = 0; n < rank && rocksdb_iter_valid(it); n++) {
        rocksdb_iter_next(it);
    }
    take_rows(it, rocksdb_iter_next, limit, sink);
}

/* RocksDB cannot count a range exactly: it walks its keys. */
static uint64_t count(void *opened, const char *from, const char *to)
{
    rocksdb_iterator_t *it = iterator_of(opened);
    uint64_t n = 0;
    for (rocksdb_iter_seek(it, from, BENCH_KEY_SIZE); rocksdb_iter_valid(it);
         rocksdb_iter_next(it)) {
        size_t size;
        if (memcmp(rocksdb_iter_key(it, &size), to, BENCH_KEY_SIZE) >= 0) break;
        n++;
    }
    return n;
}

/* A sorted table file, written apart and then taken over. */
static void bulk_with(const char *dir, uint64_t items, int tuned)
{
    char path[BENCH_PATH_MAX];
    char *error = NULL;
    char key[BENCH_KEY_SIZE], value[BENCH_VALUE_SIZE];
    int length = snprintf(path, sizeof path, "%s/bulk.sst", dir);
    if (length < 0 || (size_t)length >= sizeof path) bench_die("path too long");
    database *db = open_with(dir, 1, tuned);
    rocksdb_envoptions_t *env = rocksdb_envoptions_create();
    rocksdb_sstfilewriter_t *writer = rocksdb_sstfilewriter_create(env, db->options);
    rocksdb_sstfilewriter_open(writer, path, &error);
    check(error, "bulk open");
    for (uint64_t i = 0; i < items; i++) {
        bench_key_make(i * BENCH_KEY_GAP, key);
        bench_value_make(i * BENCH_KEY_GAP, 0, value, BENCH_VALUE_SIZE);
        rocksdb_sstfilewriter_put(writer, key, sizeof key, value, sizeof value, &error);
        check(error, "bulk put");
    }
    rocksdb_sstfilewriter_finish(writer, &error);
    check(error, "bulk finish");
    rocksdb_sstfilewriter_destroy(writer);
    rocksdb_envoptions_destroy(env);
    rocksdb_ingestexternalfileoptions_t *options = rocksdb_ingestexternalfileoptions_create();
    rocksdb_ingestexternalfileoptions_set_move_files(options, 1);
    const char *const paths[] = {path};
    rocksdb_ingest_external_file(db->base, paths, 1, options, &error);
    check(error, "bulk ingest");
    rocksdb_ingestexternalfileoptions_destroy(options);
    close_database(db);
}

static void bulk_default(const char *dir, uint64_t items)
{
    bulk_with(dir, items, 0);
}

static void bulk_tuned(const char *dir, uint64_t items)
{
    bulk_with(dir, items, 1);
}

static int is_log(const char *path)
{
    const char *dot = strrchr(path, '.');
    return dot != NULL && strcmp(dot, ".log") == 0;
}

#define ROCKSDB_CALLS                                                                              \
    .version = version, .close = close_database, .flush = flush, .settle = settle,                 \
    .session_open = session_open, .session_close = session_close, .begin = begin,                  \
    .commit = commit, .abort = abort_txn, .get = get, .append = insert, .insert = insert,          \
    .update = update, .remove = remove_item, .scan = scan, .scan_back = scan_back,                 \
    .position = position, .count = count, .is_log = is_log

const bench_engine bench_engine_rocksdb = {
    .name = "rocksdb",
    .open = open_default,
    .bulk = bulk_default,
    ROCKSDB_CALLS,
};

const bench_engine bench_engine_rocksdb_tuned = {
    .name = "rocksdb-tuned",
    .open = open_tuned,
    .bulk = bulk_tuned,
    ROCKSDB_CALLS,
};
