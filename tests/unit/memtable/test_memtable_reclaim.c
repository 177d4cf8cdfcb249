/* SPDX-License-Identifier: MIT */
/* Replaced nodes and records are freed when no snapshot sees them, and not before. */
#include "memtable_model.h"
#include "util/memory.h"

enum { MIB = 1 << 20 };

static void set_number(sop_memtable *table, uint64_t store, uint64_t number, uint64_t value)
{
    uint8_t key[32];
    uint8_t bytes[40] = {0};
    sop_put_u64le(bytes, value);
    sop_status status =
        sop_memtable_set(table, store, model_key(KEYS_DECIMAL, number, key),
                         sop_slice_of(bytes, sizeof bytes), SOP_RECORD_PRESENT, SOP_BELOW_PRESENT);
    assert_int_equal(status, SOP_OK);
}

static void set_large(sop_memtable *table, uint64_t store, uint64_t number)
{
    static uint8_t bytes[500];
    uint8_t key[32];
    sop_status status =
        sop_memtable_set(table, store, model_key(KEYS_DECIMAL, number, key),
                         sop_slice_of(bytes, sizeof bytes), SOP_RECORD_PRESENT, SOP_BELOW_PRESENT);
    assert_int_equal(status, SOP_OK);
}

static uint64_t get_number(const sop_memtable_root *root, uint64_t store, uint64_t number)
{
    uint8_t key[32];
    const sop_record *record =
        sop_memtree_get(sop_memtable_tree(root, store), model_key(KEYS_DECIMAL, number, key));
    assert_non_null(record);
    return sop_get_u64le(sop_record_value(record).data);
}

/* All keys from 0 to count - 1 with the given value, as one batch. */
static const sop_memtable_root *
fill(sop_memtable *table, uint64_t count, uint64_t seq, uint64_t value)
{
    sop_memtable_begin(table, seq);
    for (uint64_t i = 0; i < count; i++) {
        set_number(table, 1, i, value);
    }
    return sop_memtable_publish(table);
}

static void verify_all(const sop_memtable_root *root, uint64_t count, uint64_t value)
{
    assert_int_equal(sop_memtable_check(root), SOP_OK);
    assert_int_equal(sop_memtree_items(sop_memtable_tree(root, 1)), count);
    for (uint64_t i = 0; i < count; i++) {
        assert_int_equal(get_number(root, 1, i), value);
    }
}

static void test_a_held_snapshot_does_not_pin_what_came_after_it(void **state)
{
    (void)state;
    uint64_t random = sop_test_seed(7);
    sop_memtable *table = sop_memtable_new();
    const sop_memtable_root *held = fill(table, 1000, 1, 42);
    uint64_t live[2] = {1, 1};
    uint64_t bytes_max = 0;
    for (uint64_t seq = 2; seq <= 2000000; seq++) {
        sop_memtable_begin(table, seq);
        set_number(table, 1, sop_test_random(&random) % 1000, seq);
        (void)sop_memtable_publish(table);
        if (seq % 256 != 0) continue;
        live[1] = seq;
        sop_memtable_reclaim(table, live, 2);
        if (sop_memtable_bytes(table) > bytes_max) bytes_max = sop_memtable_bytes(table);
    }
    assert_true(bytes_max < 4 * MIB);
    verify_all(held, 1000, 42);
    sop_memtable_free(table);
}

/* Readers that overlap: each batch has one, and they end in the order given by pick. */
static void run_readers(uint64_t seed, size_t readers, int order)
{
    enum { KEYS = 300, READERS_MAX = 64 };
    const sop_memtable_root *roots[READERS_MAX];
    uint64_t live[READERS_MAX + 1];
    size_t count = 0;
    uint64_t random = seed;
    uint64_t bytes_half = 0;
    sop_memtable *table = sop_memtable_new();
    for (uint64_t seq = 1; seq <= 4000; seq++) {
        const sop_memtable_root *root = fill(table, KEYS, seq, seq);
        if (count == readers) {
            size_t at = order == 0 ? 0 : order == 1 ? count - 1 : sop_test_random(&random) % count;
            assert_int_equal(get_number(roots[at], 1, seq % KEYS), live[at]);
            if (seq % 100 == 0) verify_all(roots[at], KEYS, live[at]);
            count--;
            memmove(roots + at, roots + at + 1, (count - at) * sizeof roots[0]);
            memmove(live + at, live + at + 1, (count - at) * sizeof live[0]);
        }
        roots[count] = root;
        live[count++] = seq;
        sop_memtable_reclaim(table, live, count);
        if (seq == 2000) bytes_half = sop_memtable_bytes(table);
    }
    assert_true(sop_memtable_bytes(table) <= bytes_half + bytes_half / 4);
    for (size_t i = 0; i < count; i++) {
        verify_all(roots[i], KEYS, live[i]);
    }
    sop_memtable_free(table);
}

static void test_overlapping_readers_see_their_state_and_memory_stays_level(void **state)
{
    (void)state;
    for (int order = 0; order < 3; order++) {
        run_readers(sop_test_seed(11), 1, order);
        run_readers(sop_test_seed(12), 40, order);
    }
}

static void test_reverted_batches_take_no_memory(void **state)
{
    (void)state;
    sop_memtable *table = sop_memtable_new();
    const sop_memtable_root *root = fill(table, 1000, 1, 42);
    uint64_t bytes = 0;
    for (uint64_t round = 0; round < 2000; round++) {
        sop_memtable_begin(table, 2 + round);
        for (uint64_t i = 0; i < 50; i++) {
            set_number(table, 1 + i % 3, i * 31 + round, i);
            set_number(table, 1 + i % 3, i * 31 + round, i + 1);
            /* Of another size: the record of this batch is replaced by another, not changed in place. */
            set_large(table, 1 + i % 3, i * 31 + round);
        }
        sop_memtable_revert(table);
        assert_ptr_equal(sop_memtable_current(table), root);
        if (round == 10) bytes = sop_memtable_bytes(table);
    }
    assert_int_equal(sop_memtable_bytes(table), bytes);
    assert_int_equal(sop_memtable_items(table), 1000);
    verify_all(root, 1000, 42);
    sop_memtable_free(table);
}

static void test_a_frozen_heap_frees_nothing(void **state)
{
    (void)state;
    sop_memtable *table = sop_memtable_new();
    const sop_memtable_root *first = fill(table, 500, 1, 1);
    sop_memtable_freeze_heap(table);
    for (uint64_t seq = 2; seq < 50; seq++) {
        (void)fill(table, 500, seq, seq);
        sop_memtable_reclaim(table, &seq, 1);
    }
    verify_all(first, 500, 1);
    sop_memtable_free(table);
}

static void test_reclaim_without_memory_loses_nothing_and_is_made_up_later(void **state)
{
    (void)state;
    enum { KEYS = 200, SNAPSHOTS = 100 };
    const sop_memtable_root *roots[SNAPSHOTS + 1];
    uint64_t live[SNAPSHOTS + 1];
    sop_memtable *table = sop_memtable_new();
    uint64_t seq = 0;
    for (; seq <= SNAPSHOTS; seq++) {
        roots[seq] = fill(table, KEYS, seq + 1, seq + 1);
        live[seq] = seq + 1;
    }
    int struck = 0;
    for (uint64_t n = 1; n < 40; n++) {
        sop_memory_fail_at(n, 1);
        sop_memtable_reclaim(table, live, SNAPSHOTS + 1);
        struck += sop_memory_fail_reached();
        sop_memory_fail_at(0, 0);
    }
    assert_true(struck > 0);
    for (size_t i = 0; i <= SNAPSHOTS; i++) {
        verify_all(roots[i], KEYS, live[i]);
    }
    uint64_t newest = live[SNAPSHOTS];
    sop_memtable_reclaim(table, &newest, 1);
    uint64_t bytes = sop_memtable_bytes(table);
    for (uint64_t round = 0; round < SNAPSHOTS; round++) {
        newest++;
        (void)fill(table, KEYS, newest, newest);
        sop_memtable_reclaim(table, &newest, 1);
    }
    /* All that the snapshots held serves again. */
    assert_int_equal(sop_memtable_bytes(table), bytes);
    sop_memtable_free(table);
}

static void test_rewind_takes_back_batches_and_keeps_abandoned_roots_readable(void **state)
{
    (void)state;
    enum { KEYS = 400 };
    sop_memtable *table = sop_memtable_new();
    const sop_memtable_root *kept = NULL;
    uint64_t seq = 1;
    for (; seq <= 10; seq++) {
        kept = fill(table, KEYS, seq, seq);
    }
    uint64_t live[4] = {5, 10, 13, 0};
    sop_memtable_reclaim(table, live, 2);
    /* Batches 11 to 20 come to nothing; a reader has seen the root of 13. */
    const sop_memtable_root *abandoned = NULL;
    for (seq = 11; seq <= 20; seq++) {
        const sop_memtable_root *root = fill(table, KEYS + seq, seq, 1000 + seq);
        if (seq == 13) abandoned = root;
        live[3] = seq;
        if (seq > 13) sop_memtable_reclaim(table, live, 4);
    }
    sop_memtable_rewind(table, kept, 10);
    assert_ptr_equal(sop_memtable_current(table), kept);
    assert_int_equal(sop_memtable_items(table), KEYS);
    verify_all(kept, KEYS, 10);
    const sop_memtable_root *root = NULL;
    for (seq = 11; seq <= 200; seq++) {
        root = fill(table, KEYS, seq, seq);
        sop_memtable_reclaim(table, &seq, 1);
    }
    verify_all(root, KEYS, 200);
    verify_all(abandoned, KEYS + 13, 1013);
    /* Once more, to a later place. */
    (void)fill(table, KEYS, 201, 201);
    sop_memtable_rewind(table, root, 200);
    verify_all(root, KEYS, 200);
    verify_all(abandoned, KEYS + 13, 1013);
    /* And to nothing at all. */
    sop_memtable_rewind(table, NULL, 0);
    assert_int_equal(sop_memtable_items(table), 0);
    root = fill(table, 3, 1, 7);
    verify_all(root, 3, 7);
    sop_memtable_free(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_held_snapshot_does_not_pin_what_came_after_it),
        cmocka_unit_test(test_overlapping_readers_see_their_state_and_memory_stays_level),
        cmocka_unit_test(test_reverted_batches_take_no_memory),
        cmocka_unit_test(test_a_frozen_heap_frees_nothing),
        cmocka_unit_test(test_reclaim_without_memory_loses_nothing_and_is_made_up_later),
        cmocka_unit_test(test_rewind_takes_back_batches_and_keeps_abandoned_roots_readable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
