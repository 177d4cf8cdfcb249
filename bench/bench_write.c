/* SPDX-License-Identifier: MIT */
/* Operations that write: loads, inserts, read-modify-write, batches; and what must hold after them. */
#include <stdlib.h>

#include "bench_measure.h"
#include "bench_workload.h"

#define MODIFY_KEYS 5
#define RAW_ITEM    (BENCH_KEY_SIZE + BENCH_VALUE_SIZE)

static bench_slice make(uint64_t number, uint64_t version, char *key, char *value)
{
    bench_key_make(number, key);
    bench_value_make(number, version, value, BENCH_VALUE_SIZE);
    return (bench_slice){value, BENCH_VALUE_SIZE};
}

static void commit(bench_worker *worker)
{
    if (worker->engine->commit(worker->session) != BENCH_OK) {
        bench_die("a blind transaction met a conflict");
    }
}

int bench_op_load_sorted(bench_worker *worker)
{
    bench_run *run = worker->run;
    char key[BENCH_KEY_SIZE], value[BENCH_VALUE_SIZE];
    uint64_t from = worker->next, to = from + run->batch;
    if (to > run->items) to = run->items;
    if (from >= to) return 0;
    worker->engine->begin(worker->session, BENCH_WRITE_BLIND);
    for (uint64_t i = from; i < to; i++) {
        worker->engine->append(worker->session, key, make(i * BENCH_KEY_GAP, 0, key, value));
    }
    commit(worker);
    worker->next = to;
    worker->units += to - from;
    return 1;
}

int bench_op_load_random(bench_worker *worker)
{
    bench_run *run = worker->run;
    char key[BENCH_KEY_SIZE], value[BENCH_VALUE_SIZE];
    uint64_t from = worker->next, to = from + run->batch;
    if (to > run->items) to = run->items;
    if (from >= to) return 0;
    worker->engine->begin(worker->session, BENCH_WRITE_BLIND);
    for (uint64_t i = from; i < to; i++) {
        uint64_t number = (uint64_t)run->order[i] * BENCH_KEY_GAP;
        worker->engine->insert(worker->session, key, make(number, 0, key, value));
    }
    commit(worker);
    worker->next = to;
    worker->units += to - from;
    return 1;
}

int bench_op_insert(bench_worker *worker)
{
    bench_run *run = worker->run;
    uint64_t room = run->items * (BENCH_KEY_GAP - 1);
    if (worker->next >= room) return 0;
    char key[BENCH_KEY_SIZE], value[BENCH_VALUE_SIZE];
    uint64_t number = bench_new_number(bench_permute(worker->next, room, 77));
    worker->engine->begin(worker->session, BENCH_WRITE_BLIND);
    worker->engine->insert(worker->session, key, make(number, 0, key, value));
    commit(worker);
    worker->next += run->threads;
    worker->inserted++;
    worker->units++;
    return 1;
}

static void draw_distinct(bench_worker *worker, uint64_t *numbers)
{
    for (unsigned i = 0; i < MODIFY_KEYS;) {
        uint64_t number = (uint64_t)bench_draw(worker) * BENCH_KEY_GAP;
        unsigned j = 0;
        while (j < i && numbers[j] != number) {
            j++;
        }
        if (j < i) continue;
        numbers[i++] = number;
    }
}

/* One attempt: reads all keys, then writes each with the next version. */
static bench_status modify(bench_worker *worker, const uint64_t *numbers)
{
    const bench_engine *engine = worker->engine;
    char key[MODIFY_KEYS][BENCH_KEY_SIZE], value[BENCH_VALUE_SIZE];
    uint64_t versions[MODIFY_KEYS];
    engine->begin(worker->session, BENCH_WRITE);
    for (unsigned i = 0; i < MODIFY_KEYS; i++) {
        bench_slice found;
        bench_key_make(numbers[i], key[i]);
        bench_status status = engine->get(worker->session, key[i], &found);
        if (status == BENCH_CONFLICT) return status;
        if (status != BENCH_OK || found.size != BENCH_VALUE_SIZE ||
            !bench_value_check(numbers[i], found, &versions[i])) {
            bench_die("key %.16s has a wrong value", key[i]);
        }
    }
    for (unsigned i = 0; i < MODIFY_KEYS; i++) {
        bench_value_make(numbers[i], versions[i] + 1, value, BENCH_VALUE_SIZE);
        bench_slice slice = {value, BENCH_VALUE_SIZE};
        bench_status status = engine->update(worker->session, key[i], slice);
        if (status != BENCH_OK) return status;
    }
    return engine->commit(worker->session);
}

int bench_op_modify(bench_worker *worker)
{
    uint64_t numbers[MODIFY_KEYS];
    draw_distinct(worker, numbers);
    while (modify(worker, numbers) == BENCH_CONFLICT) {
        worker->engine->abort(worker->session);
        worker->conflicts++;
    }
    worker->version_sum += MODIFY_KEYS;
    worker->units++;
    return 1;
}

int bench_op_update_batch(bench_worker *worker)
{
    bench_run *run = worker->run;
    char key[BENCH_KEY_SIZE], value[BENCH_VALUE_SIZE];
    worker->engine->begin(worker->session, BENCH_WRITE_BLIND);
    for (uint64_t i = 0; i < run->batch; i++) {
        uint64_t item = bench_rng_below(&worker->rng, run->items);
        uint64_t version = worker->units + i + 1;
        bench_slice slice = make(item * BENCH_KEY_GAP, version, key, value);
        if (worker->engine->update(worker->session, key, slice) != BENCH_OK) {
            bench_die("update of key %.16s failed", key);
        }
        run->versions[item] = version;
    }
    commit(worker);
    worker->units += run->batch;
    return 1;
}

int bench_op_delete_batch(bench_worker *worker)
{
    bench_run *run = worker->run;
    if (worker->next + run->batch > run->items / 10 * 9) return 0;
    char key[BENCH_KEY_SIZE];
    worker->engine->begin(worker->session, BENCH_WRITE_BLIND);
    for (uint64_t i = 0; i < run->batch; i++) {
        bench_key_make((uint64_t)run->order[worker->next + i] * BENCH_KEY_GAP, key);
        worker->engine->remove(worker->session, key);
    }
    commit(worker);
    worker->next += run->batch;
    worker->units += run->batch;
    return 1;
}

void bench_prepare_order(bench_run *run)
{
    bench_run_shuffle(run, run->items);
}

void bench_prepare_versions(bench_run *run)
{
    bench_folder_sync(run->dir);
    run->versions = bench_alloc(run->items * sizeof *run->versions);
    uint64_t written = 0;
    if (bench_device_bytes_written(run->dir, &written)) {
        run->result->write_amplification = (double)written;
    }
}

void bench_prepare_zipf(bench_run *run)
{
    bench_zipf_init(&run->zipf, run->items);
}

void bench_check_load(bench_run *run)
{
    bench_run_verify(run, run->items, BENCH_KEY_GAP, 0);
}

void bench_check_load_disk(bench_run *run)
{
    bench_check_load(run);
    run->engine->flush(run->db);
    bench_run_close(run);
    bench_folder_sync(run->dir);
    bench_disk disk = bench_folder_bytes(run->dir, run->engine->is_log);
    run->result->disk_bytes = (double)disk.data;
    run->result->log_bytes = (double)disk.log;
    run->result->disk_ratio = (double)disk.data / ((double)run->items * RAW_ITEM);
}

void bench_check_inserts(bench_run *run)
{
    bench_run_verify(run, run->items + run->inserted, 0, UINT64_MAX);
}

void bench_check_modify(bench_run *run)
{
    bench_run_verify(run, run->items, BENCH_KEY_GAP, run->version_sum);
}

/* Every key has the version of its last update. What the device wrote includes closing. */
void bench_check_versions(bench_run *run)
{
    bench_run_verify(run, run->items, BENCH_KEY_GAP, UINT64_MAX);
    bench_run_close(run);
    bench_folder_sync(run->dir);
    uint64_t written = 0;
    bench_result *result = run->result;
    if (result->write_amplification >= 0 && bench_device_bytes_written(run->dir, &written)) {
        double bytes = (double)written - result->write_amplification;
        result->write_amplification = bytes / ((double)run->units * RAW_ITEM);
    }
}

void bench_check_deletes(bench_run *run)
{
    bench_run_verify(run, run->items - run->units, 0, 0);
}

void bench_custom_bulk(bench_run *run)
{
    double cpu = bench_cpu_seconds();
    uint64_t start = bench_now_ns();
    run->engine->bulk(run->dir, run->items);
    run->elapsed = (double)(bench_now_ns() - start) * 1e-9;
    run->result->cpu_seconds = bench_cpu_seconds() - cpu;
    run->result->seconds = run->elapsed;
    run->result->operations = 1;
    run->result->value = (double)run->items / run->elapsed;
    bench_run_open(run, 1);
    bench_check_load(run);
    bench_run_close(run);
}
