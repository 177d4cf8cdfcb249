/* SPDX-License-Identifier: MIT */
/* The base tree alone, and LMDB in the same run: random gets, scans, seek to a rank, merge. */
#include <lmdb.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "backend/backend.h"
#include "blob/blob.h"
#include "btree/btree.h"
#include "util/bytes.h"

enum { KEY = 16, VALUE = 100, GETS = 2000000, SEEKS = 300000, ROWS = 50 };

static int decimal; /* keys are 16 digits, dense; else 16 random bytes */
static uint64_t items;
static uint8_t *keys; /* ascending */

static uint64_t mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static int key_order(const void *a, const void *b)
{
    return memcmp(a, b, KEY);
}

static void make_keys(void)
{
    keys = malloc(items * KEY);
    for (uint64_t i = 0; i < items; i++) {
        if (decimal) {
            char text[32];
            (void)snprintf(text, sizeof text, "%016llu", (unsigned long long)i);
            memcpy(keys + i * KEY, text, KEY);
        } else {
            sop_put_u64be(keys + i * KEY, mix(2 * i + 1));
            sop_put_u64be(keys + i * KEY + 8, mix(2 * i + 2));
        }
    }
    if (!decimal) qsort(keys, items, KEY, key_order);
}

static void fill_value(uint64_t i, uint8_t *out)
{
    uint64_t word = i * 0x9e3779b97f4a7c15u;
    for (int k = 0; k < VALUE / 8; k++) {
        memcpy(out + k * 8, &word, 8);
    }
    memcpy(out + VALUE / 8 * 8, &word, VALUE % 8);
}

/* Every byte of a value is looked at. */
static int value_right(uint64_t i, const uint8_t *value)
{
    uint64_t word = i * 0x9e3779b97f4a7c15u;
    uint64_t differing = sop_get_u32le(value + VALUE / 8 * 8) ^ (uint32_t)word;
    for (int k = 0; k < VALUE / 8; k++) {
        differing |= sop_get_u64le(value + k * 8) ^ word;
    }
    return differing == 0;
}

static void must(int ok, const char *what, const sop_error *err)
{
    if (ok) return;
    (void)fprintf(stderr, "micro_btree: %s: %s\n", what, err == NULL ? "" : err->message);
    exit(1);
}

/* Processor time of this thread: others may run beside it. */
static uint64_t now_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t started;
static void start(void)
{
    started = now_ns();
}
static void stop(const char *engine, const char *what, uint64_t count)
{
    double ns = (double)(now_ns() - started);
    (void)printf("%-5s %-22s %9.3f M/s %9.1f ns\n", engine, what, (double)count * 1e3 / ns,
                 ns / (double)count);
    (void)fflush(stdout);
}

/* --- SOP --- */

static sop_blobs *blobs;
static sop_segment_row table[10000];
static size_t table_count;

static sop_segments *open_set(sop_blob_writer *writer)
{
    sop_error err = {0};
    const sop_segment_row *rows = NULL;
    size_t count = 0;
    sop_segments *set = NULL;
    must(sop_blob_writer_finish(writer, &rows, &count, &err) == SOP_OK, "finish", &err);
    memcpy(table + table_count, rows, count * sizeof *rows);
    table_count += count;
    must(sop_segments_open(blobs, table, table_count, &set, &err) == SOP_OK, "open", &err);
    return set;
}

static sop_btree build(void)
{
    sop_error err = {0};
    sop_blob_writer *writer = NULL;
    sop_btree_builder *builder = NULL;
    sop_btree tree;
    uint8_t value[VALUE];
    must(sop_blob_writer_new(blobs, SOP_SEGMENT_NODES, 256u << 20, &writer, &err) == SOP_OK,
         "writer", &err);
    must(sop_btree_builder_new(writer, &builder, &err) == SOP_OK, "builder", &err);
    for (uint64_t i = 0; i < items; i++) {
        fill_value(i, value);
        sop_slice v = {value, VALUE};
        must(sop_btree_builder_add(builder, sop_slice_of(keys + i * KEY, KEY), v, 0, &err) ==
                 SOP_OK,
             "add", &err);
    }
    must(sop_btree_builder_finish(builder, &tree, &err) == SOP_OK, "build", &err);
    sop_btree_builder_free(builder);
    tree.segments = open_set(writer);
    sop_blob_writer_free(writer);
    return tree;
}

static void sop_gets(const sop_btree *tree)
{
    sop_error err = {0};
    start();
    for (uint64_t n = 0; n < GETS; n++) {
        uint64_t i = mix(n) % items;
        sop_btree_value value;
        sop_status status = sop_btree_get(tree, sop_slice_of(keys + i * KEY, KEY), &value, &err);
        must(status == SOP_OK && value_right(i, value.value.data), "get", &err);
    }
    stop("sop", "get", GETS);
}

static void sop_scans(const sop_btree *tree, const char *name)
{
    sop_error err = {0};
    sop_btree_cursor cursor;
    sop_btree_cursor_init(&cursor, tree);
    start();
    for (uint64_t i = 0; i < items; i++) {
        sop_btree_value value;
        must(sop_btree_cursor_next(&cursor, &err) == SOP_OK && cursor.at_item, "next", &err);
        sop_slice key = sop_btree_cursor_item(&cursor, &value);
        must(key.size == KEY && memcmp(key.data, keys + i * KEY, KEY) == 0 &&
                 value_right(i, value.value.data),
             name, &err);
    }
    stop("sop", name, items);
    sop_btree_cursor_init(&cursor, tree);
    start();
    for (uint64_t i = items; i > 0; i--) {
        sop_btree_value value;
        must(sop_btree_cursor_prev(&cursor, &err) == SOP_OK && cursor.at_item, "prev", &err);
        sop_slice key = sop_btree_cursor_item(&cursor, &value);
        must(key.size == KEY && memcmp(key.data, keys + (i - 1) * KEY, KEY) == 0 &&
                 value_right(i - 1, value.value.data),
             name, &err);
    }
    stop("sop", "scan backward", items);
}

static void sop_seeks(const sop_btree *tree)
{
    sop_error err = {0};
    static sop_btree_cursor cursor;
    sop_btree_cursor_init(&cursor, tree);
    start();
    for (uint64_t n = 0; n < SEEKS; n++) {
        uint64_t from = mix(n) % (items - ROWS);
        must(sop_btree_cursor_seek_rank(&cursor, from, &err) == SOP_OK, "seek_rank", &err);
        for (uint64_t k = 0; k < ROWS; k++) {
            sop_btree_value value;
            sop_slice key = sop_btree_cursor_item(&cursor, &value);
            must(sop_get_u64le((const uint8_t *)key.data + 8) ==
                         sop_get_u64le(keys + (from + k) * KEY + 8) &&
                     value_right(from + k, value.value.data),
                 "rows", &err);
            must(sop_btree_cursor_next(&cursor, &err) == SOP_OK, "next", &err);
        }
    }
    stop("sop", "seek_rank + 50", SEEKS);
    start();
    for (uint64_t n = 0; n < SEEKS; n++) {
        uint64_t from = mix(n) % (items - 1);
        uint64_t a = 0;
        uint64_t b = 0;
        must(sop_btree_rank(tree, sop_slice_of(keys + from * KEY, KEY), &a, NULL, &err) == SOP_OK,
             "rank", &err);
        uint64_t to = from + items / 100 < items ? from + items / 100 : items - 1;
        must(sop_btree_rank(tree, sop_slice_of(keys + to * KEY, KEY), &b, NULL, &err) == SOP_OK,
             "rank", &err);
        must(a == from && b == to, "rank", &err);
    }
    stop("sop", "count of 1 % range", SEEKS);
}

typedef struct {
    uint64_t at;
    uint64_t step;
    uint64_t done;
    uint8_t value[VALUE];
} changes;

static sop_status next_change(void *context, sop_btree_change *out, sop_error *err)
{
    changes *c = context;
    if (c->at >= items) {
        if (err != NULL) err->status = SOP_NOT_FOUND;
        return SOP_NOT_FOUND;
    }
    fill_value(c->at, c->value);
    c->value[0] ^= 1;
    *out = (sop_btree_change){
        .key = {keys + c->at * KEY, KEY}, .value = {c->value, VALUE}, .present = 1};
    c->at += 1 + mix(c->at) % (2 * c->step - 1);
    c->done++;
    return SOP_OK;
}

static sop_status dead_node(void *context, sop_address address, sop_error *err)
{
    (void)context;
    (void)address;
    (void)err;
    return SOP_OK;
}

static sop_status dead_value(void *context, const uint8_t *reference, sop_error *err)
{
    (void)context;
    (void)reference;
    (void)err;
    return SOP_OK;
}

static void sop_merges(const sop_btree *tree, uint64_t step)
{
    sop_error err = {0};
    changes c = {.step = step};
    sop_btree_merge_source source = {next_change, dead_node, dead_value, NULL, &c};
    sop_blob_writer *writer = NULL;
    sop_btree merged;
    must(sop_blob_writer_new(blobs, SOP_SEGMENT_NODES, 256u << 20, &writer, &err) == SOP_OK,
         "writer", &err);
    start();
    must(sop_btree_merge(tree, &source, writer, &merged, &err) == SOP_OK, "merge", &err);
    stop("sop", "merge, per change", c.done);
    (void)printf("      %llu changes, %.0f ms, %.0f MB written\n", (unsigned long long)c.done,
                 (double)(now_ns() - started) / 1e6, (double)sop_blob_writer_bytes(writer) / 1e6);
    sop_blob_writer_free(writer);
}

/* --- LMDB --- */

static MDB_env *env;
static MDB_dbi dbi;

static void lmdb_load(const char *folder)
{
    MDB_txn *txn = NULL;
    uint8_t value[VALUE];
    must(mdb_env_create(&env) == 0 && mdb_env_set_mapsize(env, (size_t)8 << 30) == 0, "env", NULL);
    must(mdb_env_open(env, folder, MDB_NOSYNC | MDB_WRITEMAP, 0644) == 0, "open lmdb", NULL);
    must(mdb_txn_begin(env, NULL, 0, &txn) == 0 && mdb_dbi_open(txn, NULL, 0, &dbi) == 0, "txn",
         NULL);
    for (uint64_t i = 0; i < items; i++) {
        fill_value(i, value);
        MDB_val k = {KEY, keys + i * KEY};
        MDB_val v = {VALUE, value};
        must(mdb_put(txn, dbi, &k, &v, MDB_APPEND) == 0, "put", NULL);
    }
    must(mdb_txn_commit(txn) == 0, "commit", NULL);
}

static void lmdb_reads(void)
{
    MDB_txn *txn = NULL;
    MDB_cursor *cursor = NULL;
    must(mdb_txn_begin(env, NULL, MDB_RDONLY, &txn) == 0 && mdb_cursor_open(txn, dbi, &cursor) == 0,
         "txn", NULL);
    MDB_val k;
    MDB_val v;
    start();
    for (uint64_t i = 0; i < items; i++) {
        must(mdb_cursor_get(cursor, &k, &v, MDB_NEXT) == 0 &&
                 memcmp(k.mv_data, keys + i * KEY, KEY) == 0 && value_right(i, v.mv_data),
             "scan", NULL);
    }
    stop("lmdb", "scan (first)", items);
    must(mdb_cursor_get(cursor, &k, &v, MDB_FIRST) == 0, "first", NULL);
    start();
    for (uint64_t i = 1; i < items; i++) {
        must(mdb_cursor_get(cursor, &k, &v, MDB_NEXT) == 0 &&
                 memcmp(k.mv_data, keys + i * KEY, KEY) == 0 && value_right(i, v.mv_data),
             "scan", NULL);
    }
    stop("lmdb", "scan", items);
    start();
    for (uint64_t n = 0; n < GETS; n++) {
        uint64_t i = mix(n) % items;
        k = (MDB_val){KEY, keys + i * KEY};
        must(mdb_get(txn, dbi, &k, &v) == 0 && value_right(i, v.mv_data), "get", NULL);
    }
    stop("lmdb", "get", GETS);
    mdb_cursor_close(cursor);
    mdb_txn_abort(txn);
}

/* Usage: micro_btree FOLDER [ITEMS [decimal|random]]; FOLDER must be there; "memory" for SOP in memory. */
int main(int argc, char **argv)
{
    sop_error err = {0};
    sop_backend *backend = NULL;
    const char *folder = argc > 1 ? argv[1] : "/tmp";
    items = argc > 2 ? strtoull(argv[2], NULL, 0) : 1000000;
    decimal = argc > 3 && strcmp(argv[3], "decimal") == 0;
    make_keys();
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/micro_btree.sop", folder);
    must(sop_backend_file_open(path, SOP_BACKEND_NEW, 0, 1, &backend, &err) == SOP_OK, "backend",
         &err);
    static const uint8_t id[16] = "micro benchmark";
    must(sop_blobs_open(backend, id, 1, &blobs, &err) == SOP_OK, "blobs", &err);
    start();
    sop_btree tree = build();
    stop("sop", "build", items);
    (void)printf("      height %u, %.3f of the raw bytes\n", tree.height,
                 (double)(table_count == 0 ? 0 : tree.bytes) / (double)(items * (KEY + VALUE)));
    sop_scans(&tree, "scan (first)");
    for (int i = 0; i < 2; i++) {
        sop_gets(&tree);
        sop_scans(&tree, "scan");
        sop_seeks(&tree);
    }
    sop_merges(&tree, 20);
    sop_merges(&tree, 1000);
    if (argc <= 4 || strcmp(argv[4], "lmdb") == 0) {
        (void)snprintf(path, sizeof path, "%s", folder);
        lmdb_load(path);
        lmdb_reads();
        mdb_env_close(env);
    }
    const sop_segments *set = tree.segments;
    sop_segments *owned = NULL;
    memcpy(&owned, &set, sizeof owned);
    sop_segments_release(owned);
    sop_blobs_close(blobs);
    backend->ops->free(backend);
    free(keys);
    return 0;
}
