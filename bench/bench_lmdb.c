/* SPDX-License-Identifier: MIT */
/* LMDB: as it comes, and with a writable map. */
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench_run.h"

/* Address space, not memory; the file grows only as far as it is used (with WRITEMAP it is sparse). */
#define MAP_BYTES   ((size_t)64 << 30)
#define READERS_MAX 512u
#define BULK_BATCH  100000

typedef struct {
    MDB_env *env;
    MDB_dbi dbi;
    MDB_dbi *stores;
} lmdb;

typedef struct {
    lmdb *db;
    MDB_txn *reader; /* kept: reset after use, renewed for the next */
    MDB_txn *txn;    /* the one under way */
    MDB_cursor *cursor;
    int cursor_ready;
    int opened; /* the reader opened a store: only its commit keeps the handle */
} lmdb_session;

static void check(int code, const char *what)
{
    if (code != 0) bench_die("lmdb: %s: %s", what, mdb_strerror(code));
}

static MDB_val val(const void *data, size_t size)
{
    /* LMDB takes keys and values through pointers that are not const but does not write to them */
    union {
        const void *in;
        void *out;
    } pointer = {data};
    return (MDB_val){size, pointer.out};
}

static const char *version(void)
{
    static char text[32];
    snprintf(text, sizeof text, "%d.%d.%d", MDB_VERSION_MAJOR, MDB_VERSION_MINOR,
             MDB_VERSION_PATCH);
    return text;
}

static void *open_with(const char *dir, bench_opening how, unsigned flags)
{
    lmdb *db = bench_alloc(sizeof *db);
    MDB_txn *txn;
    check(mdb_env_create(&db->env), "create");
    check(mdb_env_set_mapsize(db->env, MAP_BYTES), "set_mapsize");
    check(mdb_env_set_maxreaders(db->env, READERS_MAX), "set_maxreaders");
    if (how.stores != 0) {
        check(mdb_env_set_maxdbs(db->env, how.stores), "set_maxdbs");
        db->stores = bench_alloc(how.stores * sizeof *db->stores);
    }
    if (!how.durable) flags |= MDB_NOSYNC;
    check(mdb_env_open(db->env, dir, flags | MDB_NOTLS, 0644), "open");
    check(mdb_txn_begin(db->env, NULL, 0, &txn), "begin");
    check(mdb_dbi_open(txn, NULL, 0, &db->dbi), "dbi_open");
    check(mdb_txn_commit(txn), "commit");
    return db;
}

static void *lmdb_open(const char *dir, bench_opening how)
{
    return open_with(dir, how, 0);
}

static void *lmdb_open_writemap(const char *dir, bench_opening how)
{
    return open_with(dir, how, MDB_WRITEMAP);
}

static void lmdb_close(void *opened)
{
    lmdb *db = opened;
    mdb_env_close(db->env);
    free(db->stores);
    free(db);
}

static void flush(void *opened)
{
    lmdb *db = opened;
    check(mdb_env_sync(db->env, 1), "sync");
}

static void *session_open(void *opened)
{
    lmdb_session *s = bench_alloc(sizeof *s);
    s->db = opened;
    return s;
}

static void session_close(void *session)
{
    lmdb_session *s = session;
    if (s->cursor != NULL) mdb_cursor_close(s->cursor);
    if (s->reader != NULL) mdb_txn_abort(s->reader);
    free(s);
}

static void begin(void *session, bench_mode mode)
{
    lmdb_session *s = session;
    if (mode == BENCH_WRITE || mode == BENCH_WRITE_BLIND) {
        check(mdb_txn_begin(s->db->env, NULL, 0, &s->txn), "begin");
        return;
    }
    if (s->reader == NULL) {
        check(mdb_txn_begin(s->db->env, NULL, MDB_RDONLY, &s->reader), "begin");
    } else {
        check(mdb_txn_renew(s->reader), "renew");
    }
    s->txn = s->reader;
    s->cursor_ready = 0;
}

static void lmdb_abort(void *session)
{
    lmdb_session *s = session;
    if (s->txn == s->reader) {
        mdb_txn_reset(s->reader);
    } else {
        mdb_txn_abort(s->txn);
    }
    s->txn = NULL;
}

static bench_status commit(void *session)
{
    lmdb_session *s = session;
    if (s->txn == s->reader && !s->opened) {
        lmdb_abort(s);
        return BENCH_OK;
    }
    check(mdb_txn_commit(s->txn), "commit");
    if (s->txn == s->reader) {
        s->reader = NULL;
        s->opened = 0;
    }
    s->txn = NULL;
    return BENCH_OK;
}

static bench_status get_from(MDB_txn *txn, MDB_dbi dbi, const char *key, bench_slice *value_out)
{
    MDB_val k = val(key, BENCH_KEY_SIZE), v;
    int code = mdb_get(txn, dbi, &k, &v);
    if (code == MDB_NOTFOUND) return BENCH_NOT_FOUND;
    check(code, "get");
    *value_out = (bench_slice){v.mv_data, v.mv_size};
    return BENCH_OK;
}

static bench_status get(void *session, const char *key, bench_slice *value_out)
{
    lmdb_session *s = session;
    return get_from(s->txn, s->db->dbi, key, value_out);
}

static void put(lmdb_session *s, MDB_dbi dbi, const char *key, bench_slice value, unsigned flags)
{
    MDB_val k = val(key, BENCH_KEY_SIZE), v = val(value.data, value.size);
    check(mdb_put(s->txn, dbi, &k, &v, flags), "put");
}

static void append(void *session, const char *key, bench_slice value)
{
    lmdb_session *s = session;
    put(s, s->db->dbi, key, value, MDB_APPEND);
}

static void insert(void *session, const char *key, bench_slice value)
{
    lmdb_session *s = session;
    put(s, s->db->dbi, key, value, 0);
}

static bench_status update(void *session, const char *key, bench_slice value)
{
    insert(session, key, value);
    return BENCH_OK;
}

static void lmdb_remove(void *session, const char *key)
{
    lmdb_session *s = session;
    MDB_val k = val(key, BENCH_KEY_SIZE);
    check(mdb_del(s->txn, s->db->dbi, &k, NULL), "del");
}

static MDB_cursor *cursor_of(lmdb_session *s)
{
    if (s->cursor == NULL) {
        check(mdb_cursor_open(s->txn, s->db->dbi, &s->cursor), "cursor_open");
    } else if (!s->cursor_ready) {
        check(mdb_cursor_renew(s->txn, s->cursor), "cursor_renew");
    }
    s->cursor_ready = 1;
    return s->cursor;
}

static void walk(MDB_cursor *cursor,
                 MDB_val *k,
                 MDB_cursor_op first,
                 MDB_cursor_op next,
                 uint64_t limit,
                 bench_sink *sink)
{
    MDB_val v;
    int code = mdb_cursor_get(cursor, k, &v, first);
    for (uint64_t n = 0; code == 0; n++) {
        bench_sink_take(sink, (bench_slice){k->mv_data, k->mv_size},
                        (bench_slice){v.mv_data, v.mv_size});
        if (n + 1 == limit) return;
        code = mdb_cursor_get(cursor, k, &v, next);
    }
    if (code != MDB_NOTFOUND) check(code, "cursor_get");
}

static void scan(void *session, const char *from, uint64_t limit, bench_sink *sink)
{
    MDB_val k = val(from, from != NULL ? BENCH_KEY_SIZE : 0);
    walk(cursor_of(session), &k, from != NULL ? MDB_SET_RANGE : MDB_FIRST, MDB_NEXT, limit, sink);
}

static void scan_back(void *session, uint64_t limit, bench_sink *sink)
{
    MDB_val k = val(NULL, 0);
    walk(cursor_of(session), &k, MDB_LAST, MDB_PREV, limit, sink);
}

/* LMDB cannot seek to a position: it walks there. */
static void position(void *session, uint64_t rank, uint64_t limit, bench_sink *sink)
{
    MDB_cursor *cursor = cursor_of(session);
    MDB_val k;
    int code = mdb_cursor_get(cursor, &k, NULL, MDB_FIRST);
    for (uint64_t n = 0; n < rank && code == 0; n++) {
        code = mdb_cursor_get(cursor, &k, NULL, MDB_NEXT);
    }
    check(code, "walk to a position");
    walk(cursor, &k, MDB_GET_CURRENT, MDB_NEXT, limit, sink);
}

/* LMDB cannot count a range: it walks its keys. */
static uint64_t count(void *session, const char *from, const char *to)
{
    MDB_cursor *cursor = cursor_of(session);
    MDB_val k = val(from, BENCH_KEY_SIZE);
    uint64_t n = 0;
    int code = mdb_cursor_get(cursor, &k, NULL, MDB_SET_RANGE);
    while (code == 0 && memcmp(k.mv_data, to, BENCH_KEY_SIZE) < 0) {
        n++;
        code = mdb_cursor_get(cursor, &k, NULL, MDB_NEXT);
    }
    if (code != MDB_NOTFOUND) check(code, "count");
    return n;
}

static void bulk(const char *dir, uint64_t items)
{
    lmdb_session s = {.db = open_with(dir, (bench_opening){0, 0}, 0)};
    char key[BENCH_KEY_SIZE], value[BENCH_VALUE_SIZE];
    for (uint64_t i = 0; i < items;) {
        check(mdb_txn_begin(s.db->env, NULL, 0, &s.txn), "begin");
        for (uint64_t n = 0; n < BULK_BATCH && i < items; n++, i++) {
            bench_key_make(i * BENCH_KEY_GAP, key);
            bench_value_make(i * BENCH_KEY_GAP, 0, value, BENCH_VALUE_SIZE);
            append(&s, key, (bench_slice){value, BENCH_VALUE_SIZE});
        }
        check(mdb_txn_commit(s.txn), "commit");
    }
    flush(s.db);
    lmdb_close(s.db);
}

static int is_log(const char *path)
{
    (void)path; /* it has none */
    return 0;
}

static void stores_create(void *opened, unsigned first, unsigned number)
{
    lmdb *db = opened;
    MDB_txn *txn;
    MDB_dbi dbi;
    check(mdb_txn_begin(db->env, NULL, 0, &txn), "begin");
    for (unsigned i = first; i < first + number; i++) {
        char name[32];
        snprintf(name, sizeof name, "store%06u", i);
        check(mdb_dbi_open(txn, name, MDB_CREATE, &dbi), "dbi_open");
    }
    check(mdb_txn_commit(txn), "commit");
}

/* Handles are opened at first use; LMDB forbids that in two threads at once, so these workloads have one. */
static MDB_dbi store(lmdb_session *s, unsigned index)
{
    lmdb *db = s->db;
    if (db->stores[index] == 0) {
        char name[32];
        snprintf(name, sizeof name, "store%06u", index);
        check(mdb_dbi_open(s->txn, name, 0, &db->stores[index]), "dbi_open");
        s->opened = s->txn == s->reader;
    }
    return db->stores[index];
}

static void store_put(void *session, unsigned index, const char *key, bench_slice value)
{
    put(session, store(session, index), key, value, 0);
}

static bench_status
store_get(void *session, unsigned index, const char *key, bench_slice *value_out)
{
    lmdb_session *s = session;
    MDB_dbi dbi = store(s, index);
    return get_from(s->txn, dbi, key, value_out);
}

#define LMDB_CALLS                                                                                 \
    .version = version, .close = lmdb_close, .flush = flush, .settle = flush,                      \
    .session_open = session_open, .session_close = session_close, .begin = begin,                  \
    .commit = commit, .abort = lmdb_abort, .get = get, .append = append, .insert = insert,         \
    .update = update, .remove = lmdb_remove, .scan = scan, .scan_back = scan_back,                 \
    .position = position, .count = count, .is_log = is_log, .stores_create = stores_create,        \
    .store_put = store_put, .store_get = store_get

const bench_engine bench_engine_lmdb = {
    .name = "lmdb",
    .open = lmdb_open,
    .bulk = bulk,
    LMDB_CALLS,
};

const bench_engine bench_engine_lmdb_wm = {
    .name = "lmdb-wm",
    .open = lmdb_open_writemap,
    LMDB_CALLS,
};
