/* SPDX-License-Identifier: MIT */
/* SQLite: write-ahead log, prepared statements, a WITHOUT ROWID table, memory-mapped reads. */
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench_run.h"

typedef enum {
    SQL_BEGIN_READ,
    SQL_BEGIN_WRITE,
    SQL_COMMIT,
    SQL_ROLLBACK,
    SQL_GET,
    SQL_INSERT,
    SQL_UPDATE,
    SQL_REMOVE,
    SQL_SCAN_ALL,
    SQL_SCAN_FROM,
    SQL_SCAN_BACK,
    SQL_POSITION,
    SQL_COUNT,
    SQL_STATEMENTS,
} sql_statement;

static const char *const sql_texts[SQL_STATEMENTS] = {
    [SQL_BEGIN_READ] = "BEGIN",
    [SQL_BEGIN_WRITE] = "BEGIN IMMEDIATE",
    [SQL_COMMIT] = "COMMIT",
    [SQL_ROLLBACK] = "ROLLBACK",
    [SQL_GET] = "SELECT v FROM bench WHERE k = ?1",
    [SQL_INSERT] = "INSERT INTO bench (k, v) VALUES (?1, ?2)",
    [SQL_UPDATE] = "UPDATE bench SET v = ?2 WHERE k = ?1",
    [SQL_REMOVE] = "DELETE FROM bench WHERE k = ?1",
    [SQL_SCAN_ALL] = "SELECT k, v FROM bench ORDER BY k LIMIT ?1",
    [SQL_SCAN_FROM] = "SELECT k, v FROM bench WHERE k >= ?2 ORDER BY k LIMIT ?1",
    [SQL_SCAN_BACK] = "SELECT k, v FROM bench ORDER BY k DESC LIMIT ?1",
    [SQL_POSITION] = "SELECT k, v FROM bench ORDER BY k LIMIT ?1 OFFSET ?2",
    [SQL_COUNT] = "SELECT count(*) FROM bench WHERE k >= ?1 AND k < ?2",
};

/* The first connection keeps log and shared memory alive between sessions; one session may use it.
   Writers queue at the mutex rather than in SQLite's busy handler, which sleeps. */
typedef struct {
    char path[BENCH_PATH_MAX];
    int durable;
    sqlite3 *first;
    int first_taken; /* guarded by write */
    pthread_mutex_t write;
} database;

typedef struct {
    database *db;
    sqlite3 *sql;
    sqlite3_stmt *statements[SQL_STATEMENTS];
    sqlite3_stmt *pending; /* whose row the caller still looks at */
    sqlite3_stmt *store;   /* prepared for the last store used */
    int in_txn;
    int writing;
} session;

static void check(int code, sqlite3 *sql, const char *what)
{
    if (code != SQLITE_OK && code != SQLITE_DONE && code != SQLITE_ROW) {
        bench_die("sqlite: %s: %s", what, sqlite3_errmsg(sql));
    }
}

static void execute(sqlite3 *sql, const char *text)
{
    check(sqlite3_exec(sql, text, NULL, NULL, NULL), sql, text);
}

static sqlite3 *connect(const database *db)
{
    sqlite3 *sql;
    char text[64];
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    check(sqlite3_open_v2(db->path, &sql, flags, NULL), sql, "open");
    sqlite3_busy_timeout(sql, 10000);
    execute(sql, "PRAGMA journal_mode = WAL");
    snprintf(text, sizeof text, "PRAGMA synchronous = %s", db->durable ? "FULL" : "OFF");
    execute(sql, text);
    execute(sql, "PRAGMA mmap_size = 17179869184");
    execute(sql, "PRAGMA cache_size = -131072");
    execute(sql, "PRAGMA wal_autocheckpoint = 4000");
    execute(sql, "PRAGMA temp_store = MEMORY");
    return sql;
}

static void *open_database(const char *dir, bench_opening how)
{
    database *db = bench_alloc(sizeof *db);
    int length = snprintf(db->path, sizeof db->path, "%s/bench.db", dir);
    if (length < 0 || (size_t)length >= sizeof db->path) bench_die("path too long");
    db->durable = how.durable;
    pthread_mutex_init(&db->write, NULL);
    db->first = connect(db);
    execute(db->first,
            "CREATE TABLE IF NOT EXISTS bench (k BLOB PRIMARY KEY, v BLOB NOT NULL) WITHOUT ROWID");
    return db;
}

static void close_database(void *opened)
{
    database *db = opened;
    check(sqlite3_close(db->first), db->first, "close");
    pthread_mutex_destroy(&db->write);
    free(db);
}

static void flush(void *opened)
{
    database *db = opened;
    execute(db->first, "PRAGMA wal_checkpoint(TRUNCATE)");
}

static void *session_open(void *opened)
{
    session *s = bench_alloc(sizeof *s);
    s->db = opened;
    pthread_mutex_lock(&s->db->write);
    if (!s->db->first_taken) s->sql = s->db->first;
    s->db->first_taken = 1;
    pthread_mutex_unlock(&s->db->write);
    if (s->sql == NULL) s->sql = connect(s->db);
    return s;
}

static void session_close(void *opened)
{
    session *s = opened;
    for (int i = 0; i < SQL_STATEMENTS; i++) {
        sqlite3_finalize(s->statements[i]);
    }
    sqlite3_finalize(s->store);
    pthread_mutex_lock(&s->db->write);
    int own = s->sql != s->db->first;
    if (!own) s->db->first_taken = 0;
    pthread_mutex_unlock(&s->db->write);
    if (own) check(sqlite3_close(s->sql), s->sql, "close session");
    free(s);
}

static void finish_pending(session *s)
{
    if (s->pending != NULL) sqlite3_reset(s->pending);
    s->pending = NULL;
}

static sqlite3_stmt *statement(session *s, sql_statement which)
{
    finish_pending(s);
    if (s->statements[which] == NULL) {
        check(sqlite3_prepare_v3(s->sql, sql_texts[which], -1, SQLITE_PREPARE_PERSISTENT,
                                 &s->statements[which], NULL),
              s->sql, sql_texts[which]);
    }
    return s->statements[which];
}

static void run(session *s, sqlite3_stmt *stmt)
{
    check(sqlite3_step(stmt), s->sql, sqlite3_sql(stmt));
    sqlite3_reset(stmt);
}

static void begin(void *opened, bench_mode mode)
{
    session *s = opened;
    s->writing = mode == BENCH_WRITE || mode == BENCH_WRITE_BLIND;
    s->in_txn = mode != BENCH_READ_ONE; /* a single statement is a transaction by itself */
    if (s->writing) pthread_mutex_lock(&s->db->write);
    if (s->in_txn) run(s, statement(s, s->writing ? SQL_BEGIN_WRITE : SQL_BEGIN_READ));
}

static void end(session *s, sql_statement how)
{
    finish_pending(s);
    if (s->in_txn) run(s, statement(s, how));
    if (s->writing) pthread_mutex_unlock(&s->db->write);
    s->in_txn = s->writing = 0;
}

static bench_status commit(void *opened)
{
    end(opened, SQL_COMMIT);
    return BENCH_OK;
}

static void abort_txn(void *opened)
{
    end(opened, SQL_ROLLBACK);
}

static void bind(session *s, sqlite3_stmt *stmt, int at, const void *data, size_t size)
{
    check(sqlite3_bind_blob64(stmt, at, data, size, SQLITE_STATIC), s->sql, "bind");
}

static bench_status get_by(session *s, sqlite3_stmt *stmt, const char *key, bench_slice *value_out)
{
    bind(s, stmt, 1, key, BENCH_KEY_SIZE);
    int code = sqlite3_step(stmt);
    s->pending = stmt;
    check(code, s->sql, "get");
    if (code != SQLITE_ROW) return BENCH_NOT_FOUND;
    value_out->data = sqlite3_column_blob(stmt, 0);
    value_out->size = (size_t)sqlite3_column_bytes(stmt, 0);
    return BENCH_OK;
}

static bench_status get(void *opened, const char *key, bench_slice *value_out)
{
    session *s = opened;
    return get_by(s, statement(s, SQL_GET), key, value_out);
}

static void write_item(session *s, sqlite3_stmt *stmt, const char *key, bench_slice value)
{
    bind(s, stmt, 1, key, BENCH_KEY_SIZE);
    bind(s, stmt, 2, value.data, value.size);
    run(s, stmt);
}

static void insert(void *opened, const char *key, bench_slice value)
{
    session *s = opened;
    write_item(s, statement(s, SQL_INSERT), key, value);
}

static bench_status update(void *opened, const char *key, bench_slice value)
{
    session *s = opened;
    write_item(s, statement(s, SQL_UPDATE), key, value);
    return sqlite3_changes(s->sql) == 1 ? BENCH_OK : BENCH_NOT_FOUND;
}

static void remove_item(void *opened, const char *key)
{
    session *s = opened;
    sqlite3_stmt *stmt = statement(s, SQL_REMOVE);
    bind(s, stmt, 1, key, BENCH_KEY_SIZE);
    run(s, stmt);
    if (sqlite3_changes(s->sql) != 1) bench_die("sqlite: key to delete is missing");
}

static sqlite3_stmt *limited(session *s, sql_statement which, uint64_t limit)
{
    sqlite3_stmt *stmt = statement(s, which);
    int64_t rows = limit > INT64_MAX ? -1 : (int64_t)limit;
    check(sqlite3_bind_int64(stmt, 1, rows), s->sql, "bind");
    return stmt;
}

static void take_rows(session *s, sqlite3_stmt *stmt, bench_sink *sink)
{
    int code;
    while ((code = sqlite3_step(stmt)) == SQLITE_ROW) {
        bench_slice key = {sqlite3_column_blob(stmt, 0), (size_t)sqlite3_column_bytes(stmt, 0)};
        bench_slice value = {sqlite3_column_blob(stmt, 1), (size_t)sqlite3_column_bytes(stmt, 1)};
        bench_sink_take(sink, key, value);
    }
    check(code, s->sql, "scan");
    sqlite3_reset(stmt);
}

static void scan(void *opened, const char *from, uint64_t limit, bench_sink *sink)
{
    session *s = opened;
    sqlite3_stmt *stmt = limited(s, from != NULL ? SQL_SCAN_FROM : SQL_SCAN_ALL, limit);
    if (from != NULL) bind(s, stmt, 2, from, BENCH_KEY_SIZE);
    take_rows(s, stmt, sink);
}

static void scan_back(void *opened, uint64_t limit, bench_sink *sink)
{
    session *s = opened;
    take_rows(s, limited(s, SQL_SCAN_BACK, limit), sink);
}

static void position(void *opened, uint64_t rank, uint64_t limit, bench_sink *sink)
{
    session *s = opened;
    sqlite3_stmt *stmt = limited(s, SQL_POSITION, limit);
    check(sqlite3_bind_int64(stmt, 2, (int64_t)rank), s->sql, "bind");
    take_rows(s, stmt, sink);
}

static uint64_t count(void *opened, const char *from, const char *to)
{
    session *s = opened;
    sqlite3_stmt *stmt = statement(s, SQL_COUNT);
    bind(s, stmt, 1, from, BENCH_KEY_SIZE);
    bind(s, stmt, 2, to, BENCH_KEY_SIZE);
    check(sqlite3_step(stmt), s->sql, "count");
    uint64_t rows = (uint64_t)sqlite3_column_int64(stmt, 0);
    sqlite3_reset(stmt);
    return rows;
}

/* SQLite has no bulk loader; the usual advice is one transaction for everything. */
static void bulk(const char *dir, uint64_t items)
{
    database *db = open_database(dir, (bench_opening){1, 0});
    session *s = session_open(db);
    char key[BENCH_KEY_SIZE], value[BENCH_VALUE_SIZE];
    begin(s, BENCH_WRITE_BLIND);
    for (uint64_t i = 0; i < items; i++) {
        bench_key_make(i * BENCH_KEY_GAP, key);
        bench_value_make(i * BENCH_KEY_GAP, 0, value, BENCH_VALUE_SIZE);
        insert(s, key, (bench_slice){value, BENCH_VALUE_SIZE});
    }
    commit(s);
    session_close(s);
    close_database(db);
}

static int is_log(const char *path)
{
    const char *dash = strrchr(path, '-');
    return dash != NULL && (strcmp(dash, "-wal") == 0 || strcmp(dash, "-shm") == 0);
}

static void stores_create(void *opened, unsigned first, unsigned number)
{
    database *db = opened;
    execute(db->first, "BEGIN IMMEDIATE");
    for (unsigned i = first; i < first + number; i++) {
        char text[128];
        snprintf(text, sizeof text,
                 "CREATE TABLE store%06u (k BLOB PRIMARY KEY, v BLOB NOT NULL) WITHOUT ROWID", i);
        execute(db->first, text);
    }
    execute(db->first, "COMMIT");
}

/* Thousands of prepared statements would be unusual: each use prepares its own. */
static sqlite3_stmt *
prepare_store(session *s, const char *before, unsigned index, const char *after)
{
    char text[128];
    snprintf(text, sizeof text, "%s store%06u %s", before, index, after);
    finish_pending(s);
    sqlite3_finalize(s->store);
    s->store = NULL;
    check(sqlite3_prepare_v2(s->sql, text, -1, &s->store, NULL), s->sql, text);
    return s->store;
}

static void store_put(void *opened, unsigned index, const char *key, bench_slice value)
{
    session *s = opened;
    write_item(s, prepare_store(s, "INSERT INTO", index, "(k, v) VALUES (?1, ?2)"), key, value);
}

static bench_status store_get(void *opened, unsigned index, const char *key, bench_slice *value_out)
{
    session *s = opened;
    return get_by(s, prepare_store(s, "SELECT v FROM", index, "WHERE k = ?1"), key, value_out);
}

const bench_engine bench_engine_sqlite = {
    .name = "sqlite",
    .version = sqlite3_libversion,
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
