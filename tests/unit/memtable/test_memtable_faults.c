/* SPDX-License-Identifier: MIT */
/* Allocation failure at every n: the call has no effect, the batch goes on or is reverted, older roots stay
   as they were. */
#include "memtable_model.h"
#include "util/memory.h"

/* Values above 32 KiB are allocated one by one, so that failures strike at every kind of place, not at new
   chunks only. */
enum { VALUE_BIG = 40000, CHANGES = 150 };

static uint8_t big[VALUE_BIG + 64];

typedef struct {
    sop_memtable *table;
    model_bytes *kept;
    model now;
    uint64_t random;
    size_t value_size;
} faulty;

static sop_status change(faulty *f, model *m, uint64_t seq, uint64_t step)
{
    uint8_t key[32];
    uint64_t state = f->random + step;
    uint64_t draw = sop_test_random(&state);
    size_t which = draw % MODEL_STORES;
    model_entry entry = {.key = model_key(KEYS_DECIMAL, (draw >> 8) % 400, key),
                         .value = sop_slice_of(big, f->value_size + (draw >> 32) % 64),
                         .seq = seq,
                         .present = (draw >> 40) % 4 != 0,
                         .below = (int)((draw >> 48) % 2)};
    sop_status status = sop_memtable_set(f->table, model_store_ids[which], entry.key, entry.value,
                                         entry.present ? SOP_RECORD_PRESENT : 0, entry.below);
    if (status == SOP_OK) model_set(&f->kept, &m->stores[which], entry);
    return status;
}

static void faulty_open(faulty *f, uint64_t prefill, size_t value_size)
{
    *f = (faulty){.random = sop_test_seed(99) + prefill, .value_size = value_size};
    f->table = sop_memtable_new();
    assert_non_null(f->table);
    sop_memtable_begin(f->table, 1);
    for (uint64_t i = 0; i < prefill; i++) {
        assert_int_equal(change(f, &f->now, 1, 1000000 + i), SOP_OK);
    }
    (void)sop_memtable_publish(f->table);
}

static void faulty_close(faulty *f)
{
    sop_memtable_free(f->table);
    model_free(&f->now);
    model_forget(&f->kept);
}

/* Returns 0 when the n-th allocation was not reached. */
static int run_revert(uint64_t prefill, size_t value_size, uint64_t n, int always)
{
    faulty f;
    faulty_open(&f, prefill, value_size);
    const sop_memtable_root *root = sop_memtable_current(f.table);
    sop_memtable_begin(f.table, 2);
    model scratch = model_copy(&f.now);
    uint64_t step = 0;
    sop_memory_fail_at(n, always);
    for (; step < CHANGES; step++) {
        if (change(&f, &scratch, 2, step) != SOP_OK) break;
    }
    int struck = sop_memory_fail_reached();
    sop_memory_fail_at(0, 0);
    assert_int_equal(struck, step < CHANGES);
    model_verify(&scratch, sop_memtable_current(f.table));
    sop_memtable_revert(f.table);
    assert_ptr_equal(sop_memtable_current(f.table), root);
    model_verify(&f.now, root);
    model_free(&scratch);
    faulty_close(&f);
    return struck;
}

/* Every failed set is tried again at once, and then succeeds. */
static int run_retry(uint64_t prefill, size_t value_size, uint64_t n)
{
    faulty f;
    faulty_open(&f, prefill, value_size);
    int struck = 0;
    sop_memory_fail_at(n, 0);
    sop_memtable_begin(f.table, 2);
    for (uint64_t step = 0; step < CHANGES; step++) {
        if (change(&f, &f.now, 2, step) == SOP_OK) continue;
        struck++;
        assert_int_equal(sop_memtable_check(sop_memtable_current(f.table)), SOP_OK);
        assert_int_equal(change(&f, &f.now, 2, step), SOP_OK);
    }
    sop_memory_fail_at(0, 0);
    assert_true(struck <= 1);
    model_verify(&f.now, sop_memtable_publish(f.table));
    faulty_close(&f);
    return struck;
}

static void test_a_failed_batch_is_reverted_whole_at_every_allocation(void **state)
{
    (void)state;
    for (int always = 0; always < 2; always++) {
        uint64_t n = 1;
        while (run_revert(300, VALUE_BIG, n, always))
            n += 1 + n / 16;
        assert_true(n > 50);
    }
}

static void test_a_failed_set_leaves_no_trace_and_can_be_repeated(void **state)
{
    (void)state;
    uint64_t n = 1;
    while (run_retry(300, VALUE_BIG, n))
        n += 1 + n / 16;
    assert_true(n > 50);
}

/* The place where the first chunk ends moves over every kind of allocation as the prefill grows. */
static void test_chunks_that_run_out_anywhere_leave_no_trace(void **state)
{
    (void)state;
    unsigned struck = 0;
    for (uint64_t prefill = 0; prefill < 200; prefill += 2) {
        for (uint64_t n = 1; n <= 4; n++) {
            struck += (unsigned)run_revert(prefill, 8, n, 0);
            struck += (unsigned)run_retry(prefill, 8, n);
        }
    }
    assert_true(struck > 200);
}

static void test_new_without_memory_gives_null(void **state)
{
    (void)state;
    sop_memory_fail_at(1, 0);
    sop_memtable *table = sop_memtable_new();
    sop_memory_fail_at(0, 0);
    assert_null(table);
    sop_memtable_free(NULL);
}

static sop_status
bulk_build(sop_memtable *table, uint64_t items, const sop_memtable_root **root_out)
{
    sop_memtable_bulk bulk;
    sop_memtable_bulk_begin(&bulk, table, 9);
    for (uint64_t i = 0; i < items; i++) {
        uint8_t key[32];
        sop_memtable_item item = {.store = i / 700,
                                  .key = model_key(KEYS_DECIMAL, i, key),
                                  .value = sop_slice_of(big, i % 100 == 0 ? VALUE_BIG : 10),
                                  .seq = 9,
                                  .shape_seq = 9,
                                  .flags = SOP_RECORD_PRESENT};
        sop_status status = sop_memtable_bulk_add(&bulk, &item);
        if (status != SOP_OK) return status;
    }
    return sop_memtable_bulk_finish(&bulk, root_out);
}

static void test_bulk_failure_at_every_allocation_leaves_a_table_to_reset(void **state)
{
    (void)state;
    enum { ITEMS = 2000 };
    sop_memtable *table = sop_memtable_new();
    const sop_memtable_root *root = NULL;
    sop_status status = SOP_NO_MEMORY;
    uint64_t n = 1;
    for (; status != SOP_OK; n++) {
        sop_memtable_reset(table);
        sop_memory_fail_at(n, 1);
        status = bulk_build(table, ITEMS, &root);
        assert_int_equal(status != SOP_OK, sop_memory_fail_reached());
        sop_memory_fail_at(0, 0);
    }
    assert_true(n > 20);
    assert_int_equal(sop_memtable_check(root), SOP_OK);
    assert_int_equal(sop_memtable_items(table), ITEMS);
    sop_memtable_free(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_failed_batch_is_reverted_whole_at_every_allocation),
        cmocka_unit_test(test_a_failed_set_leaves_no_trace_and_can_be_repeated),
        cmocka_unit_test(test_chunks_that_run_out_anywhere_leave_no_trace),
        cmocka_unit_test(test_new_without_memory_gives_null),
        cmocka_unit_test(test_bulk_failure_at_every_allocation_leaves_a_table_to_reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
