/* SPDX-License-Identifier: MIT */
/* Measures the snapshot room alone: scans, seeks, ranks and lookups of one view, with and without layers. One JSON line a result. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/backend.h"
#include "blob/blob.h"
#include "btree/btree.h"
#include "memtable/memtable.h"
#include "snapshot/snapshot.h"
#include "util/bytes.h"
#include "util/world.h"

#define STORE      1u
#define KEY_SIZE   16u
#define VALUE_SIZE 100u

static uint64_t items = 1000000;
static uint64_t random_state = 42;
static uint64_t sink; /* keeps the compiler from leaving reads out */

static uint64_t random_below(uint64_t limit)
{
    /* Source: Steele et al., SplitMix64, 2014. */
    uint64_t z = (random_state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (z ^ (z >> 31)) % limit;
}

static void must(sop_status status, const sop_error *err)
{
    if (status == SOP_OK) return;
    fprintf(stderr, "micro_snapshot: %s: %s\n", sop_status_name(status), err->message);
    exit(1);
}

/* Items of the base have even numbers, so that odd ones can be inserted between them. */
static sop_slice key_of(uint64_t number, uint8_t buffer[KEY_SIZE])
{
    char text[KEY_SIZE + 1];
    (void)snprintf(text, sizeof text, "%016" PRIu64, number);
    memcpy(buffer, text, KEY_SIZE);
    return sop_slice_of(buffer, KEY_SIZE);
}

static sop_btree base_build(sop_blob_writer *writer)
{
    sop_error err;
    sop_btree tree = {0};
    sop_btree_builder *builder = NULL;
    uint8_t key[KEY_SIZE];
    uint8_t value[VALUE_SIZE] = {1};
    must(sop_btree_builder_new(writer, &builder, &err), &err);
    for (uint64_t i = 0; i < items; i++) {
        sop_put_u64le(value, i);
        sop_slice bytes = {value, sizeof value};
        must(sop_btree_builder_add(builder, key_of(2 * i, key), bytes, 0, &err), &err);
    }
    must(sop_btree_builder_finish(builder, &tree, &err), &err);
    sop_btree_builder_free(builder);
    return tree;
}

/* A layer of random inserts (one half) and updates (the other), or of every item, in a scattered order, when all. */
static const sop_memtree *layer_build(sop_memtable *table, uint64_t records, int all)
{
    sop_error err = {SOP_NO_MEMORY, "out of memory"};
    uint8_t key[KEY_SIZE];
    uint8_t value[VALUE_SIZE] = {2};
    sop_slice bytes = {value, sizeof value};
    sop_memtable_begin(table, 1);
    for (uint64_t i = 0; i < records; i++) {
        uint64_t number = all ? 2 * (i * 1000003 % items) : random_below(2 * items);
        int below = all || number % 2 != 0 ? SOP_BELOW_ABSENT : SOP_BELOW_PRESENT;
        must(sop_memtable_set(table, STORE, key_of(number, key), bytes, SOP_RECORD_PRESENT, below),
             &err);
    }
    return sop_memtable_tree(sop_memtable_publish(table), STORE);
}

static void report(const char *view, const char *what, uint64_t operations, uint64_t ns)
{
    printf("{\"bench\":\"snapshot\",\"view\":\"%s\",\"what\":\"%s\",\"ns\":%.1f,\"per_second\":%."
           "0f}\n",
           view, what, (double)ns / (double)operations, (double)operations * 1e9 / (double)ns);
    (void)fflush(stdout);
}

static void touch(sop_view_cursor *cursor)
{
    sop_view_value value;
    sop_slice key = sop_view_cursor_item(cursor, &value);
    sink += ((const uint8_t *)key.data)[key.size - 1] + ((const uint8_t *)value.bytes.data)[0];
}

static void scan(const char *name, const sop_view *view, int forward, int read)
{
    sop_error err;
    uint64_t best = UINT64_MAX;
    uint64_t met = 0;
    sop_view_cursor *cursor = sop_view_cursor_new(view);
    if (cursor == NULL) exit(1);
    for (int turn = 0; turn < 5; turn++) {
        met = 0;
        sop_view_cursor_clear(cursor);
        uint64_t start = sop_boot_ns();
        if (forward) {
            for (; sop_view_cursor_next(cursor, &err) == SOP_OK; met++) {
                if (read) touch(cursor);
            }
        } else {
            for (; sop_view_cursor_prev(cursor, &err) == SOP_OK; met++) {
                if (read) touch(cursor);
            }
        }
        uint64_t ns = sop_boot_ns() - start;
        if (ns < best) best = ns;
    }
    sop_view_cursor_free(cursor);
    static const char *const names[] = {"steps backward", "scan backward", "steps forward",
                                        "scan forward"};
    report(name, names[2 * forward + read], met, best);
}

static void rows(const char *name, const sop_view *view, int by_rank, unsigned count)
{
    sop_error err;
    uint8_t key[KEY_SIZE];
    uint64_t total = 0;
    must(sop_view_count(view, &total, &err), &err);
    sop_view_cursor *cursor = sop_view_cursor_new(view);
    if (cursor == NULL) exit(1);
    uint64_t rounds = 100000;
    uint64_t start = sop_boot_ns();
    for (uint64_t i = 0; i < rounds; i++) {
        sop_status status =
            by_rank
                ? sop_view_cursor_seek_rank(cursor, random_below(total), &err)
                : sop_view_cursor_seek_ge(cursor, key_of(random_below(2 * items - 2), key), &err);
        must(status, &err);
        for (unsigned n = 1; n < count && status == SOP_OK; n++) {
            touch(cursor);
            status = sop_view_cursor_next(cursor, &err);
        }
        if (status == SOP_OK) touch(cursor);
    }
    uint64_t ns = sop_boot_ns() - start;
    sop_view_cursor_free(cursor);
    char what[64];
    (void)snprintf(what, sizeof what, "%u rows from a random %s", count, by_rank ? "rank" : "key");
    report(name, what, rounds, ns);
}

static void gets(const char *name, const sop_view *view)
{
    sop_error err;
    uint8_t key[KEY_SIZE];
    uint64_t rounds = 300000;
    uint64_t start = sop_boot_ns();
    for (uint64_t i = 0; i < rounds; i++) {
        sop_view_value value;
        must(sop_view_get(view, key_of(2 * random_below(items), key), &value, &err), &err);
        sink += ((const uint8_t *)value.bytes.data)[0];
    }
    report(name, "get", rounds, sop_boot_ns() - start);
    start = sop_boot_ns();
    for (uint64_t i = 0; i < rounds; i++) {
        uint64_t from = random_below(2 * items - items / 50);
        uint8_t to_key[KEY_SIZE];
        uint64_t count = 0;
        sop_slice to = key_of(from + items / 50, to_key);
        must(sop_view_count_range(view, key_of(from, key), to, &count, &err), &err);
        sink += count;
    }
    report(name, "count of a 1 % range", rounds, sop_boot_ns() - start);
}

static void measure(const char *name, const sop_view *view)
{
    for (int forward = 1; forward >= 0; forward--) {
        scan(name, view, forward, 0);
        scan(name, view, forward, 1);
    }
    rows(name, view, 0, 1);
    rows(name, view, 0, 100);
    rows(name, view, 1, 1);
    rows(name, view, 1, 50);
    gets(name, view);
}

static void measure_layered(const char *name, sop_view view, uint64_t records, int all)
{
    sop_memtable *table = sop_memtable_new();
    if (table == NULL) exit(1);
    view.layers[view.layer_count++] = layer_build(table, records, all);
    measure(name, &view);
    sop_memtable_free(table);
}

int main(int argc, char **argv)
{
    static const uint8_t id[16] = {1};
    if (argc > 1) items = strtoull(argv[1], NULL, 10);
    if (items < 1000) items = 1000;
    sop_error err;
    sop_backend *backend = NULL;
    sop_blobs *blobs = NULL;
    sop_blob_writer *writer = NULL;
    sop_segments *segments = NULL;
    const sop_segment_row *segment_rows = NULL;
    size_t segment_count = 0;
    must(sop_backend_memory_open("", SOP_BACKEND_NEW, &backend, &err), &err);
    must(sop_blobs_open(backend, id, 1, &blobs, &err), &err);
    must(sop_blob_writer_new(blobs, SOP_SEGMENT_NODES, UINT64_C(1) << 30, &writer, &err), &err);
    sop_view view = {.base = base_build(writer)};
    must(sop_blob_writer_finish(writer, &segment_rows, &segment_count, &err), &err);
    must(sop_segments_open(blobs, segment_rows, segment_count, &segments, &err), &err);
    view.base.segments = segments;

    measure("base", &view);
    measure_layered("base and 1,000 records", view, 1000, 0);
    measure_layered("base and 100,000 records", view, 100000, 0);
    sop_view empty = {0};
    measure_layered("memtable alone", empty, items, 1);

    sop_segments_release(segments);
    sop_blob_writer_free(writer);
    sop_blobs_close(blobs);
    backend->ops->free(backend);
    return sink == 0;
}
