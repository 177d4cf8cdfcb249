/* SPDX-License-Identifier: MIT */
/* Operations that read, and the YCSB mixes. */
#include "bench_workload.h"

/* Reads in one read transaction before it is renewed. */
#define READS_A_TXN 1000
#define RANGE_ITEMS 100
#define PAGE_ITEMS  50

static void read_begin(bench_worker *worker)
{
    if (worker->in_batch == 0) worker->engine->begin(worker->session, BENCH_READ);
    worker->in_batch++;
}

static void read_end(bench_worker *worker)
{
    if (worker->in_batch < READS_A_TXN) return;
    worker->engine->commit(worker->session);
    worker->in_batch = 0;
}

static void get_checked(bench_worker *worker, uint64_t number)
{
    char key[BENCH_KEY_SIZE];
    bench_slice found;
    uint64_t version;
    bench_key_make(number, key);
    if (worker->engine->get(worker->session, key, &found) != BENCH_OK ||
        found.size != BENCH_VALUE_SIZE || !bench_value_check(number, found, &version)) {
        bench_die("key %.16s has a wrong value", key);
    }
}

int bench_op_read(bench_worker *worker)
{
    read_begin(worker);
    get_checked(worker, bench_rng_below(&worker->rng, worker->run->items) * BENCH_KEY_GAP);
    worker->units++;
    read_end(worker);
    return 1;
}

static void expect(const bench_sink *sink, uint64_t count, uint64_t first_number)
{
    if (sink->bad != 0 || sink->count != count || sink->first_number != first_number) {
        bench_die("scan gave %llu items from %llu, %llu of them wrong; should be %llu from %llu",
                  (unsigned long long)sink->count, (unsigned long long)sink->first_number,
                  (unsigned long long)sink->bad, (unsigned long long)count,
                  (unsigned long long)first_number);
    }
}

int bench_op_scan(bench_worker *worker)
{
    bench_sink sink = {.step = BENCH_KEY_GAP};
    worker->engine->begin(worker->session, BENCH_READ);
    worker->engine->scan(worker->session, NULL, UINT64_MAX, &sink);
    worker->engine->commit(worker->session);
    expect(&sink, worker->run->items, 0);
    worker->units += sink.count;
    return 1;
}

int bench_op_scan_back(bench_worker *worker)
{
    bench_sink sink = {.step = 0 - (uint64_t)BENCH_KEY_GAP};
    worker->engine->begin(worker->session, BENCH_READ);
    worker->engine->scan_back(worker->session, UINT64_MAX, &sink);
    worker->engine->commit(worker->session);
    expect(&sink, worker->run->items, (worker->run->items - 1) * BENCH_KEY_GAP);
    worker->units += sink.count;
    return 1;
}

int bench_op_range(bench_worker *worker)
{
    char key[BENCH_KEY_SIZE];
    bench_sink sink = {.step = BENCH_KEY_GAP};
    uint64_t from = bench_rng_below(&worker->rng, worker->run->items - RANGE_ITEMS) * BENCH_KEY_GAP;
    bench_key_make(from, key);
    read_begin(worker);
    worker->engine->scan(worker->session, key, RANGE_ITEMS, &sink);
    expect(&sink, RANGE_ITEMS, from);
    worker->units++;
    read_end(worker);
    return 1;
}

int bench_op_position(bench_worker *worker)
{
    bench_sink sink = {.step = BENCH_KEY_GAP};
    uint64_t rank = bench_rng_below(&worker->rng, worker->run->items - PAGE_ITEMS);
    read_begin(worker);
    worker->engine->position(worker->session, rank, PAGE_ITEMS, &sink);
    expect(&sink, PAGE_ITEMS, rank * BENCH_KEY_GAP);
    worker->units++;
    read_end(worker);
    return 1;
}

int bench_op_count(bench_worker *worker)
{
    uint64_t items = worker->run->items, share = items / 100;
    uint64_t from = bench_rng_below(&worker->rng, items - share) * BENCH_KEY_GAP;
    char low[BENCH_KEY_SIZE], high[BENCH_KEY_SIZE];
    bench_key_make(from, low);
    bench_key_make(from + share * BENCH_KEY_GAP, high);
    read_begin(worker);
    uint64_t count = worker->engine->count(worker->session, low, high);
    if (count != share) {
        bench_die("range has %llu items, should have %llu", (unsigned long long)count,
                  (unsigned long long)share);
    }
    worker->units++;
    read_end(worker);
    return 1;
}

static void ycsb_read(bench_worker *worker)
{
    worker->engine->begin(worker->session, BENCH_READ_ONE);
    get_checked(worker, (uint64_t)bench_draw(worker) * BENCH_KEY_GAP);
    worker->engine->commit(worker->session);
}

static void ycsb_update(bench_worker *worker)
{
    char key[BENCH_KEY_SIZE], value[BENCH_VALUE_SIZE];
    uint64_t number = (uint64_t)bench_draw(worker) * BENCH_KEY_GAP;
    bench_key_make(number, key);
    bench_value_make(number, bench_rng_next(&worker->rng), value, BENCH_VALUE_SIZE);
    bench_slice slice = {value, BENCH_VALUE_SIZE};
    worker->engine->begin(worker->session, BENCH_WRITE_BLIND);
    if (worker->engine->update(worker->session, key, slice) != BENCH_OK ||
        worker->engine->commit(worker->session) != BENCH_OK) {
        bench_die("update of key %.16s failed", key);
    }
}

static int ycsb_mix(bench_worker *worker, uint64_t updates_percent)
{
    if (bench_rng_below(&worker->rng, 100) < updates_percent) {
        ycsb_update(worker);
    } else {
        ycsb_read(worker);
    }
    worker->units++;
    return 1;
}

int bench_op_ycsb_a(bench_worker *worker)
{
    return ycsb_mix(worker, 50);
}

int bench_op_ycsb_b(bench_worker *worker)
{
    return ycsb_mix(worker, 5);
}

int bench_op_ycsb_e(bench_worker *worker)
{
    if (bench_rng_below(&worker->rng, 100) < 5) return bench_op_insert(worker);
    char key[BENCH_KEY_SIZE];
    bench_sink sink = {.step = 0};
    uint64_t from = (uint64_t)bench_draw(worker) * BENCH_KEY_GAP;
    uint64_t limit = 1 + bench_rng_below(&worker->rng, 100);
    bench_key_make(from, key);
    worker->engine->begin(worker->session, BENCH_READ_ONE);
    worker->engine->scan(worker->session, key, limit, &sink);
    worker->engine->commit(worker->session);
    if (sink.bad != 0 || sink.count == 0 || sink.first_number != from) {
        bench_die("scan from %llu gave wrong items", (unsigned long long)from);
    }
    worker->units++;
    return 1;
}
