/* SPDX-License-Identifier: MIT */
/* Readers without locks beside one writer that reclaims; meant for the thread sanitizer. */
#include <stdatomic.h>

#include "memtable_model.h"
#include "util/world.h"

enum { READERS = 2, BATCHES = 10000, KEYS = 500 };

/* Roots by seq; a reader announces the seq it reads in its slot and looks whether it is still the newest. */
static const sop_memtable_root *roots[BATCHES + 1];
static _Atomic uint64_t newest;
static _Atomic uint64_t slots[READERS];
static _Atomic uint64_t reads[READERS];
static _Atomic int failures;

static uint64_t acquire(size_t reader)
{
    for (;;) {
        /* seq_cst: the announcement must be seen by a writer that reads the slots after publishing a newer
           root. */
        uint64_t seq = atomic_load_explicit(&newest, memory_order_seq_cst);
        atomic_store_explicit(&slots[reader], seq, memory_order_seq_cst);
        if (atomic_load_explicit(&newest, memory_order_seq_cst) == seq) return seq;
    }
}

static void expect(int condition)
{
    if (!condition) atomic_fetch_add_explicit(&failures, 1, memory_order_relaxed);
}

/* Every batch writes its seq under key 0 and one more key; no record may be newer than the snapshot. */
static void read_snapshot(uint64_t seq)
{
    uint8_t key[32];
    const sop_memtree *tree = sop_memtable_tree(roots[seq], 1);
    const sop_record *zero = sop_memtree_get(tree, model_key(KEYS_DECIMAL, 0, key));
    expect(zero != NULL && sop_get_u64le(sop_record_value(zero).data) == seq);
    const sop_record *other = sop_memtree_get(tree, model_key(KEYS_DECIMAL, 1 + seq % KEYS, key));
    expect(other != NULL && sop_get_u64le(sop_record_value(other).data) == seq);
    sop_memcursor cursor;
    sop_memcursor_init(&cursor, tree);
    uint64_t count = 0;
    for (const sop_record *r = sop_memcursor_first(&cursor); r != NULL;
         r = sop_memcursor_next(&cursor)) {
        expect(r->seq <= seq && sop_get_u64le(sop_record_value(r).data) == r->seq);
        count++;
    }
    expect(count == sop_memtree_items(tree));
    expect(sop_memtree_newer(tree, sop_slice_of("", 0), sop_slice_of(NULL, 0), seq, 0) == NULL);
    expect(seq % 16 != 0 || sop_memtable_check(roots[seq]) == SOP_OK);
}

static void reader_main(void *argument)
{
    size_t reader = *(const size_t *)argument;
    for (;;) {
        uint64_t seq = acquire(reader);
        if (seq != 0) read_snapshot(seq);
        /* Release: what was read comes before the writer's frees that follow from this. */
        atomic_store_explicit(&slots[reader], 0, memory_order_release);
        atomic_fetch_add_explicit(&reads[reader], 1, memory_order_relaxed);
        if (seq == BATCHES) return;
    }
}

static void reclaim(sop_memtable *table, uint64_t seq)
{
    uint64_t live[READERS + 1];
    size_t count = 0;
    for (size_t i = 0; i < READERS; i++) {
        uint64_t slot = atomic_load_explicit(&slots[i], memory_order_seq_cst);
        if (slot == 0 || slot == seq) continue;
        if (count == 1 && live[0] == slot) continue;
        live[count++] = slot;
    }
    if (count == 2 && live[0] > live[1]) {
        uint64_t swap = live[0];
        live[0] = live[1];
        live[1] = swap;
    }
    live[count++] = seq;
    sop_memtable_reclaim(table, live, count);
}

/* Until every reader has read once more: so that they do run beside the writer on any machine. */
static void wait_for_readers(void)
{
    for (size_t i = 0; i < READERS; i++) {
        uint64_t before = atomic_load_explicit(&reads[i], memory_order_relaxed);
        for (unsigned round = 0;; round++) {
            if (atomic_load_explicit(&reads[i], memory_order_relaxed) != before) break;
            sop_relax(round);
        }
    }
}

static void set_key(sop_memtable *table, uint64_t number, uint64_t seq)
{
    uint8_t key[32];
    uint8_t value[8];
    sop_put_u64le(value, seq);
    sop_status status =
        sop_memtable_set(table, 1, model_key(KEYS_DECIMAL, number, key), sop_slice_of(value, 8),
                         SOP_RECORD_PRESENT, SOP_BELOW_ABSENT);
    assert_int_equal(status, SOP_OK);
}

static void test_readers_see_whole_batches_while_memory_is_reused(void **state)
{
    (void)state;
    sop_task *tasks[READERS];
    size_t numbers[READERS];
    sop_memtable *table = sop_memtable_new();
    for (size_t i = 0; i < READERS; i++) {
        numbers[i] = i;
        assert_int_equal(sop_task_start(&tasks[i], reader_main, &numbers[i]), SOP_OK);
    }
    for (uint64_t seq = 1; seq <= BATCHES; seq++) {
        sop_memtable_begin(table, seq);
        set_key(table, 0, seq);
        set_key(table, 1 + seq % KEYS, seq);
        if (seq % 7 == 0) {
            sop_memtable_revert(table);
            sop_memtable_begin(table, seq);
            set_key(table, 1 + seq % KEYS, seq);
            set_key(table, 0, seq);
        }
        roots[seq] = sop_memtable_publish(table);
        atomic_store_explicit(&newest, seq, memory_order_seq_cst);
        if (seq % 8 == 0) reclaim(table, seq);
        if (seq % 250 == 0 && seq != BATCHES) wait_for_readers();
    }
    for (size_t i = 0; i < READERS; i++) {
        sop_task_join(tasks[i]);
    }
    assert_int_equal(atomic_load_explicit(&failures, memory_order_relaxed), 0);
    sop_memtable_free(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_readers_see_whole_batches_while_memory_is_reused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
