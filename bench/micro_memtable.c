/* SPDX-License-Identifier: MIT */
/*
 * Speed of the memtable alone, one line a measurement: name, processor time an operation.
 * Not part of the comparison with other engines: it opens the room's door header. Arguments: items (default 1,000,000).
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "memtable/memtable.h"
#include "util/bytes.h"

enum { KEY_SIZE = 16, VALUE_SIZE = 100, RECLAIM_EVERY = 64 };

typedef struct {
    uint8_t bytes[KEY_SIZE];
} key16;

static uint64_t random_state = 1;
static uint8_t value_bytes[VALUE_SIZE];
static uint64_t sink; /* keeps the compiler from dropping reads */

/* Source: Steele et al., SplitMix64, 2014. */
static uint64_t random_next(void)
{
    uint64_t z = (random_state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* Time of the processor, not of the wall: other work on the machine disturbs it less. */
static uint64_t cpu_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void report(const char *name, uint64_t start_ns, uint64_t operations)
{
    double ns = (double)(cpu_ns() - start_ns) / (double)operations;
    printf("%-44s %9.1f ns %10.3f M/s\n", name, ns, 1000.0 / ns);
    (void)fflush(stdout);
}

static void must(int condition, const char *what)
{
    if (condition) return;
    (void)fprintf(stderr, "micro_memtable: %s\n", what);
    exit(1);
}

static sop_slice key_slice(const key16 *key)
{
    return sop_slice_of(key->bytes, KEY_SIZE);
}

static void set_one(sop_memtable *table, const key16 *key)
{
    sop_status status =
        sop_memtable_set(table, 1, key_slice(key), sop_slice_of(value_bytes, VALUE_SIZE),
                         SOP_RECORD_PRESENT, SOP_BELOW_ABSENT);
    must(status == SOP_OK, "set failed");
}

static key16 *keys_random(size_t count)
{
    key16 *keys = malloc(count * sizeof *keys);
    must(keys != NULL, "out of memory");
    for (size_t i = 0; i < count; i++) {
        sop_put_u64be(keys[i].bytes, random_next());
        sop_put_u64be(keys[i].bytes + 8, random_next());
    }
    return keys;
}

/* 16 decimal digits of 0 to count - 1, in random order. */
static key16 *keys_decimal(size_t count)
{
    key16 *keys = malloc(count * sizeof *keys);
    must(keys != NULL, "out of memory");
    for (size_t i = 0; i < count; i++) {
        char text[KEY_SIZE + 8];
        (void)snprintf(text, sizeof text, "%016zu", i);
        memcpy(keys[i].bytes, text, KEY_SIZE);
    }
    for (size_t i = count; i > 1; i--) {
        size_t j = random_next() % i;
        key16 swap = keys[i - 1];
        keys[i - 1] = keys[j];
        keys[j] = swap;
    }
    return keys;
}

static int key_order(const void *a, const void *b)
{
    return memcmp(a, b, KEY_SIZE);
}

static const sop_memtable_root *
single_batches(sop_memtable *table, const key16 *keys, size_t count, uint64_t seq)
{
    const sop_memtable_root *root = NULL;
    for (size_t i = 0; i < count; i++) {
        sop_memtable_begin(table, ++seq);
        set_one(table, &keys[i]);
        root = sop_memtable_publish(table);
        if (seq % RECLAIM_EVERY == 0) sop_memtable_reclaim(table, &seq, 1);
    }
    return root;
}

static void
measure_reads(const sop_memtable_root *root, const key16 *keys, const key16 *misses, size_t count)
{
    const sop_memtree *tree = sop_memtable_tree(root, 1);
    uint64_t start = cpu_ns();
    for (size_t i = 0; i < count; i++) {
        const sop_record *record = sop_memtree_get(tree, key_slice(&keys[i]));
        must(record != NULL, "a key is gone");
        sink += record->bytes[KEY_SIZE];
    }
    report("get, hit", start, count);
    start = cpu_ns();
    for (size_t i = 0; i < count; i++) {
        sink += sop_memtree_get(tree, key_slice(&misses[i])) != NULL;
    }
    report("get, miss", start, count);
    start = cpu_ns();
    for (size_t i = 0; i < count; i++) {
        sink += (uint64_t)sop_memtree_delta_before(tree, key_slice(&keys[i]));
    }
    report("delta_before", start, count);
    sop_memcursor cursor;
    sop_memcursor_init(&cursor, tree);
    start = cpu_ns();
    for (const sop_record *r = sop_memcursor_first(&cursor); r != NULL;
         r = sop_memcursor_next(&cursor)) {
        sink += r->seq;
    }
    report("scan forward", start, count);
    start = cpu_ns();
    for (const sop_record *r = sop_memcursor_last(&cursor); r != NULL;
         r = sop_memcursor_prev(&cursor)) {
        sink += r->seq;
    }
    report("scan backward", start, count);
}

static void measure_singles(const char *kind, const key16 *keys, const key16 *misses, size_t count)
{
    char name[64];
    sop_memtable *table = sop_memtable_new();
    must(table != NULL, "out of memory");
    (void)snprintf(name, sizeof name, "single-insert batches, %s keys", kind);
    uint64_t start = cpu_ns();
    const sop_memtable_root *root = single_batches(table, keys, count, 0);
    report(name, start, count);
    must(sop_memtable_check(root) == SOP_OK, "check failed");
    printf("%-44s %9.1f bytes\n", "memory an item",
           (double)sop_memtable_bytes(table) / (double)count);
    measure_reads(root, keys, misses, count);
    (void)snprintf(name, sizeof name, "single-update batches, %s keys", kind);
    start = cpu_ns();
    (void)single_batches(table, keys, count, count);
    report(name, start, count);
    sop_memtable_free(table);
}

/* One batch for every `batch` keys, in the order given. */
static void measure_batches(const char *name, const key16 *keys, size_t count, size_t batch)
{
    sop_memtable *table = sop_memtable_new();
    must(table != NULL, "out of memory");
    uint64_t start = cpu_ns();
    uint64_t seq = 0;
    for (size_t i = 0; i < count; i += batch) {
        sop_memtable_begin(table, ++seq);
        for (size_t j = i; j < i + batch && j < count; j++) {
            set_one(table, &keys[j]);
        }
        (void)sop_memtable_publish(table);
        sop_memtable_reclaim(table, &seq, 1);
    }
    report(name, start, count);
    must(sop_memtable_items(table) == count, "items are missing");
    sop_memtable_free(table);
}

static void measure_bulk(const key16 *sorted, size_t count)
{
    sop_memtable *table = sop_memtable_new();
    must(table != NULL, "out of memory");
    uint64_t start = cpu_ns();
    sop_memtable_bulk bulk;
    const sop_memtable_root *root = NULL;
    sop_memtable_bulk_begin(&bulk, table, count);
    for (size_t i = 0; i < count; i++) {
        sop_memtable_item item = {.store = 1,
                                  .key = key_slice(&sorted[i]),
                                  .value = sop_slice_of(value_bytes, VALUE_SIZE),
                                  .seq = i + 1,
                                  .shape_seq = i + 1,
                                  .flags = SOP_RECORD_PRESENT};
        must(sop_memtable_bulk_add(&bulk, &item) == SOP_OK, "bulk add failed");
    }
    must(sop_memtable_bulk_finish(&bulk, &root) == SOP_OK, "bulk finish failed");
    report("bulk build", start, count);
    sop_memtable_free(table);
}

static void measure_write_sets(const key16 *keys, size_t count)
{
    uint64_t start = cpu_ns();
    for (size_t i = 0; i < count; i++) {
        sop_memtable *table = sop_memtable_new();
        must(table != NULL, "out of memory");
        sop_memtable_begin(table, 1);
        set_one(table, &keys[i]);
        sop_memtable_free(table);
    }
    report("write set: new, set, free", start, count);
    sop_memtable *table = sop_memtable_new();
    must(table != NULL, "out of memory");
    start = cpu_ns();
    for (size_t i = 0; i < count; i++) {
        sop_memtable_begin(table, 1);
        set_one(table, &keys[i]);
        sop_memtable_reset(table);
    }
    report("write set: set, reset", start, count);
    start = cpu_ns();
    for (size_t i = 0; i < count; i += 10) {
        sop_memtable_begin(table, 1);
        for (size_t j = i; j < i + 10 && j < count; j++) {
            set_one(table, &keys[j]);
        }
        sop_memtable_reset(table);
    }
    report("write set: 10 sets, reset; a set", start, count);
    sop_memtable_free(table);
}

int main(int argc, char **argv)
{
    size_t count = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;
    must(count > 0, "the number of items must be above 0");
    key16 *keys = keys_random(count);
    key16 *misses = keys_random(count);
    key16 *decimal = keys_decimal(count);
    measure_singles("random", keys, misses, count);
    measure_singles("decimal", decimal, misses, count);
    measure_batches("one batch, random order", keys, count, count);
    size_t batch = 10000;
    key16 *sorted = malloc(count * sizeof *sorted);
    must(sorted != NULL, "out of memory");
    memcpy(sorted, keys, count * sizeof *sorted);
    for (size_t i = 0; i < count; i += batch) {
        qsort(sorted + i, i + batch < count ? batch : count - i, sizeof *sorted, key_order);
    }
    measure_batches("batches of 10,000, each sorted", sorted, count, batch);
    qsort(sorted, count, sizeof *sorted, key_order);
    measure_batches("batches of 10,000, all ascending", sorted, count, batch);
    measure_batches("one batch, ascending", sorted, count, count);
    measure_bulk(sorted, count);
    measure_write_sets(keys, count);
    printf("checksum %" PRIu64 "\n", sink);
    free(keys);
    free(misses);
    free(decimal);
    free(sorted);
    return 0;
}
