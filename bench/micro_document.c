/* SPDX-License-Identifier: MIT */
/*
 * Speed of documents: micro_document FOLDER [DOCUMENTS]. Picking a field against jansson, yajl and simdjson; filters, indexed look-ups
 * and changes against SQLite with json_extract. FOLDER must not exist; it is left behind. One thread; both engines without syncs.
 */
#include <inttypes.h>
#include <jansson.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yajl/yajl_tree.h>

#include "sop/sop.h"

#include "json/json.h"
#include "micro_document_simdjson.h"
#include "util/world.h"

enum { PICKS = 20000, LOOKUPS = 200000, CHANGED = 100000 };

static void report(const char *what, uint64_t count, uint64_t bytes, uint64_t ns)
{
    (void)printf("%-44s %12.0f /s %10.3f us %10.0f MB/s\n", what, (double)count * 1e9 / (double)ns,
                 (double)ns / 1e3 / (double)count, (double)bytes * 1e3 / (double)ns);
}

static void check(sop_status status, const sop_error *err, const char *what)
{
    if (status == SOP_OK) return;
    (void)fprintf(stderr, "%s: %s: %s\n", what, sop_status_name(status),
                  err == NULL ? "" : err->message);
    exit(1);
}

static void sql(sqlite3 *db, const char *text)
{
    char *why = NULL;
    if (sqlite3_exec(db, text, NULL, NULL, &why) == SQLITE_OK) return;
    (void)fprintf(stderr, "sqlite: %s: %s\n", text, why);
    exit(1);
}

/* size: about so many bytes, with the wanted fields behind the filler. */
static size_t document_make(uint64_t i, size_t size, char *out, size_t capacity)
{
    uint64_t mixed = i * UINT64_C(0x9e3779b97f4a7c15);
    size_t at = (size_t)snprintf(out, capacity,
                                 "{\"id\":%" PRIu64 ",\"name\":\"document %" PRIx64 "\",\"tags\":[",
                                 i, mixed);
    for (size_t k = 0; at + 130 < size; k++) {
        at +=
            (size_t)snprintf(out + at, capacity - at, "%s{\"tag\":\"number %zu\",\"weight\":%zu.5}",
                             k == 0 ? "" : ",", k, k);
    }
    return at + (size_t)snprintf(out + at, capacity - at,
                                 "],\"size\":{\"download\":%" PRIu64
                                 ",\"installed\":7},\"k\":\"%016" PRIx64 "\",\"v\":%" PRIu64 "}",
                                 mixed >> 44, mixed, i % 1000);
}

/* ---- one field of a text ---- */

static uint64_t pick_sop(sop_slice text)
{
    static const sop_json_step steps[] = {{SOP_JSON_STEP_NAME, {"size", 4}, 0},
                                          {SOP_JSON_STEP_NAME, {"download", 8}, 0}};
    static const sop_json_path path = {steps, 2};
    sop_json_value value;
    if (sop_json_pick(text, &path, &value) != SOP_OK) exit(1);
    return strtoull(value.raw.data, NULL, 10);
}

static uint64_t pick_jansson(sop_slice text)
{
    json_t *root = json_loadb(text.data, text.size, 0, NULL);
    uint64_t value =
        (uint64_t)json_integer_value(json_object_get(json_object_get(root, "size"), "download"));
    json_decref(root);
    return value;
}

static uint64_t pick_yajl(sop_slice text)
{
    static const char *path[] = {"size", "download", NULL};
    yajl_val root = yajl_tree_parse(text.data, NULL, 0);
    yajl_val number = yajl_tree_get(root, path, yajl_t_number);
    uint64_t value = (uint64_t)YAJL_GET_INTEGER(number);
    yajl_tree_free(root);
    return value;
}

static uint64_t pick_simdjson(sop_slice text)
{
    return bench_simdjson_pick(text.data, text.size);
}

static void picks(void)
{
    static const struct {
        const char *name;
        uint64_t (*pick)(sop_slice text);
    } engines[] = {{"pick, 1 KB: sop", pick_sop},
                   {"pick, 1 KB: jansson", pick_jansson},
                   {"pick, 1 KB: yajl", pick_yajl},
                   {"pick, 1 KB: simdjson (on demand)", pick_simdjson}};
    /* Zeros behind the text for the one that reads beyond its end. */
    static char text[2048];
    uint64_t sums[4] = {0};
    size_t size = document_make(7, 1024, text, sizeof text - 128);
    for (size_t e = 0; e < 4; e++) {
        uint64_t begin = sop_boot_ns();
        for (int i = 0; i < PICKS; i++) {
            sums[e] += engines[e].pick((sop_slice){text, size});
        }
        report(engines[e].name, PICKS, PICKS * size, sop_boot_ns() - begin);
        if (sums[e] != sums[0]) exit(1);
    }
}

/* ---- SOP ---- */

typedef struct {
    sop_db *db;
    sop_txn *txn;
    sop_documents *docs;
    sop_error err;
    uint64_t count;
    uint64_t bytes;
} sop_side;

static void renew(sop_side *s)
{
    sop_txn_reset(s->txn);
    check(sop_txn_renew(s->txn), NULL, "renew");
}

static void fill(sop_side *s)
{
    char text[2048];
    uint64_t begin = sop_boot_ns();
    for (uint64_t i = 0; i < s->count; i++) {
        size_t size = document_make(i, 600, text, sizeof text);
        s->bytes += size;
        check(sop_document_put(s->docs, (sop_slice){0}, (sop_slice){text, size}),
              sop_txn_error(s->txn), "put");
        if (i % 50000 != 49999 && i + 1 != s->count) continue;
        check(sop_txn_commit(s->txn), sop_txn_error(s->txn), "commit");
        check(sop_txn_renew(s->txn), NULL, "renew");
    }
    report("put: sop", s->count, s->bytes, sop_boot_ns() - begin);
    check(sop_db_checkpoint(s->db, &s->err), &s->err, "checkpoint");
    renew(s);
}

static uint64_t count_matches(sop_side *s, const char *where)
{
    sop_find_options o = SOP_FIND_OPTIONS_INIT;
    sop_found found = SOP_FOUND_INIT;
    sop_find *find;
    uint64_t n = 0;
    o.where = sop_str(where);
    check(sop_find_open(s->docs, &o, &find), sop_txn_error(s->txn), "find");
    while (sop_find_next(find, &found) == SOP_OK) {
        n++;
    }
    sop_find_close(find);
    return n;
}

static void lookups(sop_side *s)
{
    char where[64];
    uint64_t begin = sop_boot_ns();
    for (uint64_t i = 0; i < LOOKUPS; i++) {
        uint64_t k = (i * 7919) % s->count;
        (void)snprintf(where, sizeof where, "k = \"%016" PRIx64 "\"",
                       k * UINT64_C(0x9e3779b97f4a7c15));
        if (count_matches(s, where) != 1) exit(1);
    }
    report("indexed equality: sop", LOOKUPS, 0, sop_boot_ns() - begin);
}

/* So many fields in each of 50 documents, one transaction. */
static void patches(sop_side *s, size_t fields)
{
    uint64_t begin = sop_boot_ns();
    for (int i = 0; i < 50; i++) {
        char key[16];
        char paths[50][16];
        sop_edit edits[50];
        (void)snprintf(key, sizeof key, "%d", i * 97);
        for (size_t k = 0; k < fields; k++) {
            (void)snprintf(paths[k], sizeof paths[k], "/f%zu", k);
            edits[k] = (sop_edit){sop_str(paths[k]), sop_str("12345")};
        }
        check(sop_document_patch(s->docs, sop_str(key), edits, fields), sop_txn_error(s->txn),
              "patch");
    }
    check(sop_txn_commit(s->txn), sop_txn_error(s->txn), "commit");
    (void)printf("    %zu fields in each of 50 documents: %.3f ms\n", fields,
                 (double)(sop_boot_ns() - begin) / 1e6);
    check(sop_txn_renew(s->txn), NULL, "renew");
}

static void changes(sop_side *s)
{
    sop_rewrite set = {
        .kind = SOP_REWRITE_SET, .path = sop_str("size.installed"), .value = sop_str("8")};
    sop_update_options o = SOP_UPDATE_OPTIONS_INIT;
    sop_update_report done = SOP_UPDATE_REPORT_INIT;
    char where[64];
    (void)snprintf(where, sizeof where, "id < %d", CHANGED);
    o.where = sop_str(where);
    o.rewrites = &set;
    o.rewrite_count = 1;
    sop_txn_reset(s->txn);
    uint64_t begin = sop_boot_ns();
    check(sop_update_run(s->db, "things", &o, &done, &s->err), &s->err, "update");
    report("change many in one transaction: sop", done.changed, 0, sop_boot_ns() - begin);
    (void)printf("    %" PRIu64 " documents in %" PRIu64 " transaction: %.3f s\n", done.changed,
                 done.transactions, (double)(sop_boot_ns() - begin) / 1e9);
    check(sop_txn_renew(s->txn), NULL, "renew");
    patches(s, 1);
    patches(s, 50);
}

/* ---- SQLite ---- */

static void sqlite_fill(sqlite3 *db, uint64_t count)
{
    char text[2048];
    sqlite3_stmt *put;
    sql(db, "pragma journal_mode=wal; pragma synchronous=off; pragma mmap_size=2000000000; create "
            "table t(id integer primary key, d text); begin");
    if (sqlite3_prepare_v2(db, "insert into t values(?,?)", -1, &put, NULL) != SQLITE_OK) exit(1);
    uint64_t begin = sop_boot_ns();
    uint64_t bytes = 0;
    for (uint64_t i = 0; i < count; i++) {
        size_t size = document_make(i, 600, text, sizeof text);
        bytes += size;
        (void)sqlite3_bind_int64(put, 1, (sqlite3_int64)i);
        (void)sqlite3_bind_text(put, 2, text, (int)size, SQLITE_STATIC);
        if (sqlite3_step(put) != SQLITE_DONE) exit(1);
        (void)sqlite3_reset(put);
    }
    (void)sqlite3_finalize(put);
    sql(db, "commit");
    report("put: sqlite", count, bytes, sop_boot_ns() - begin);
    sql(db, "pragma wal_checkpoint(truncate)");
}

static uint64_t sqlite_count(sqlite3 *db, const char *text)
{
    sqlite3_stmt *stmt;
    if (sqlite3_prepare_v2(db, text, -1, &stmt, NULL) != SQLITE_OK ||
        sqlite3_step(stmt) != SQLITE_ROW) {
        exit(1);
    }
    uint64_t n = (uint64_t)sqlite3_column_int64(stmt, 0);
    (void)sqlite3_finalize(stmt);
    return n;
}

static void sqlite_lookups(sqlite3 *db, uint64_t count)
{
    sqlite3_stmt *stmt;
    char key[24];
    if (sqlite3_prepare_v2(db, "select d from t where json_extract(d,'$.k') = ?", -1, &stmt,
                           NULL) != SQLITE_OK) {
        exit(1);
    }
    uint64_t begin = sop_boot_ns();
    for (uint64_t i = 0; i < LOOKUPS; i++) {
        uint64_t k = (i * 7919) % count;
        (void)snprintf(key, sizeof key, "%016" PRIx64, k * UINT64_C(0x9e3779b97f4a7c15));
        (void)sqlite3_bind_text(stmt, 1, key, 16, SQLITE_STATIC);
        if (sqlite3_step(stmt) != SQLITE_ROW || sqlite3_column_bytes(stmt, 0) < 100) exit(1);
        (void)sqlite3_reset(stmt);
    }
    report("indexed equality: sqlite", LOOKUPS, 0, sop_boot_ns() - begin);
    (void)sqlite3_finalize(stmt);
}

int main(int argc, char **argv)
{
    char path[512];
    sop_side s = {.count = argc > 2 ? strtoull(argv[2], NULL, 10) : 200000};
    sop_db_options options = SOP_DB_OPTIONS_INIT;
    sop_documents_options how = SOP_DOCUMENTS_OPTIONS_INIT;
    sqlite3 *db;
    if (argc < 2 || s.count < CHANGED) {
        (void)fprintf(stderr, "micro_document FOLDER [DOCUMENTS, at least %d]\n", CHANGED);
        return 2;
    }
    picks();
    options.sync = SOP_SYNC_OFF;
    options.open_mode = SOP_OPEN_NEW;
    how.key = sop_str("{\"path\":\"id\",\"type\":\"int64\"}");
    check(sop_db_open(argv[1], &options, &s.db, &s.err), &s.err, "open");
    check(sop_txn_begin(s.db, SOP_TXN_WRITE, &s.txn, &s.err), &s.err, "begin");
    check(sop_documents_create(s.txn, "things", &how, &s.docs), sop_txn_error(s.txn), "create");
    fill(&s);
    (void)snprintf(path, sizeof path, "%s.sqlite", argv[1]);
    (void)remove(path);
    if (sqlite3_open(path, &db) != SQLITE_OK) return 1;
    sqlite_fill(db, s.count);
    for (int round = 0; round < 3; round++) {
        uint64_t begin = sop_boot_ns();
        uint64_t n = count_matches(&s, "v = 7");
        report("filter, no index: sop", s.count, s.bytes, sop_boot_ns() - begin);
        begin = sop_boot_ns();
        if (sqlite_count(db, "select count(*) from t where json_extract(d,'$.v') = 7") != n)
            return 1;
        report("filter, no index: sqlite", s.count, s.bytes, sop_boot_ns() - begin);
    }
    uint64_t begin = sop_boot_ns();
    check(sop_index_create(
              s.docs, sop_str("{\"name\":\"k\",\"fields\":{\"path\":\"k\",\"type\":\"string\"}}")),
          sop_txn_error(s.txn), "index");
    check(sop_txn_commit(s.txn), sop_txn_error(s.txn), "commit");
    check(sop_index_build(s.db, "things", NULL, &s.err), &s.err, "build");
    report("index: sop", s.count, s.bytes, sop_boot_ns() - begin);
    begin = sop_boot_ns();
    sql(db, "create index k on t(json_extract(d,'$.k'))");
    report("index: sqlite", s.count, s.bytes, sop_boot_ns() - begin);
    check(sop_db_checkpoint(s.db, &s.err), &s.err, "checkpoint");
    sop_txn_close(s.txn);
    check(sop_txn_begin(s.db, SOP_TXN_READ, &s.txn, &s.err), &s.err, "begin");
    check(sop_documents_open(s.txn, "things", &s.docs), sop_txn_error(s.txn), "open");
    for (int round = 0; round < 3; round++) {
        lookups(&s);
        sqlite_lookups(db, s.count);
    }
    sop_txn_close(s.txn);
    check(sop_txn_begin(s.db, SOP_TXN_WRITE, &s.txn, &s.err), &s.err, "begin");
    check(sop_documents_open(s.txn, "things", &s.docs), sop_txn_error(s.txn), "open");
    changes(&s);
    sop_txn_close(s.txn);
    check(sop_db_close(s.db, &s.err), &s.err, "close");
    return sqlite3_close(db) == SQLITE_OK ? 0 : 1;
}
