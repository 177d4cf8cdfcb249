/* SPDX-License-Identifier: MIT */
/* A layer built from sorted items equals one that was set item by item, and takes further batches. */
#include "memtable_model.h"

/* Fills the model with random items and gives them to the bulk builder. */
static void run_bulk(int shape, uint64_t items_max, const size_t *counts)
{
    uint64_t random = sop_test_seed(5 + (uint64_t)shape);
    model_bytes *kept = NULL;
    model m = {0};
    uint64_t items = 0;
    uint64_t seq_max = items_max + 1;
    for (size_t i = 0; i < MODEL_STORES; i++) {
        for (size_t n = 0; n < counts[i]; n++) {
            uint8_t key[MODEL_KEY_MAX];
            uint8_t value[64];
            memset(value, (int)n, sizeof value);
            model_entry entry = {.key = model_key(shape, sop_test_random(&random) % items_max, key),
                                 .value = sop_slice_of(value, n % 64),
                                 .seq = 1 + sop_test_random(&random) % seq_max,
                                 .present = n % 5 != 0,
                                 .below = (int)(n % 2)};
            model_set(&kept, &m.stores[i], entry);
        }
        items += m.stores[i].count;
    }
    sop_memtable *table = sop_memtable_new();
    sop_memtable_bulk bulk;
    const sop_memtable_root *root = NULL;
    sop_memtable_bulk_begin(&bulk, table, seq_max);
    for (size_t i = 0; i < MODEL_STORES; i++) {
        for (size_t n = 0; n < m.stores[i].count; n++) {
            /* The model's shape_seq may be above its seq, as its seqs do not ascend. */
            model_entry *entry = &m.stores[i].entries[n];
            if (entry->shape_seq > entry->seq) entry->shape_seq = entry->seq;
            sop_memtable_item item = {.store = model_store_ids[i],
                                      .key = entry->key,
                                      .value = entry->value,
                                      .seq = entry->seq,
                                      .shape_seq = entry->shape_seq,
                                      .flags = entry->present ? SOP_RECORD_PRESENT : 0,
                                      .below = (uint8_t)entry->below};
            assert_int_equal(sop_memtable_bulk_add(&bulk, &item), SOP_OK);
        }
    }
    assert_int_equal(sop_memtable_bulk_finish(&bulk, &root), SOP_OK);
    assert_int_equal(sop_memtable_items(table), items);
    model_verify(&m, root);
    model before = model_copy(&m);
    for (uint64_t seq = seq_max + 1; seq < seq_max + 300; seq++) {
        uint8_t key[MODEL_KEY_MAX];
        size_t which = sop_test_random(&random) % MODEL_STORES;
        model_entry entry = {.key =
                                 model_key(shape, sop_test_random(&random) % (2 * items_max), key),
                             .value = sop_slice_of("later", 5),
                             .seq = seq,
                             .present = 1,
                             .below = SOP_BELOW_PRESENT};
        sop_memtable_begin(table, seq);
        assert_int_equal(sop_memtable_set(table, model_store_ids[which], entry.key, entry.value,
                                          SOP_RECORD_PRESENT, SOP_BELOW_PRESENT),
                         SOP_OK);
        model_set(&kept, &m.stores[which], entry);
        const sop_memtable_root *next = sop_memtable_publish(table);
        uint64_t live[2] = {seq_max, seq};
        sop_memtable_reclaim(table, live, 2);
        if (seq % 50 == 0) model_verify(&m, next);
    }
    model_verify(&before, root);
    model_free(&before);
    model_free(&m);
    sop_memtable_free(table);
    model_forget(&kept);
}

static void test_bulk_equals_the_sorted_items_for_all_key_shapes(void **state)
{
    (void)state;
    static const size_t counts[MODEL_STORES] = {3000, 1, 57, 400};
    for (int shape = 0; shape < KEYS_LONG; shape++) {
        run_bulk(shape, 5000, counts);
    }
    static const size_t few[MODEL_STORES] = {150, 0, 0, 2};
    run_bulk(KEYS_LONG, 1000, few);
}

static void test_bulk_of_every_small_size(void **state)
{
    (void)state;
    for (size_t n = 0; n < 140; n++) {
        size_t counts[MODEL_STORES] = {n, 0, n / 2, n % 7};
        run_bulk(KEYS_DECIMAL, 100000, counts);
    }
    /* Three levels. */
    static const size_t many[MODEL_STORES] = {0, 20000, 0, 0};
    run_bulk(KEYS_DECIMAL, 1000000, many);
}

static void test_bulk_of_nothing_publishes_the_empty_layer(void **state)
{
    (void)state;
    sop_memtable *table = sop_memtable_new();
    sop_memtable_bulk bulk;
    const sop_memtable_root *root = NULL;
    sop_memtable_bulk_begin(&bulk, table, 5);
    assert_int_equal(sop_memtable_bulk_finish(&bulk, &root), SOP_OK);
    assert_null(root);
    assert_null(sop_memtable_tree(root, 1));
    sop_memtable_begin(table, 6);
    assert_int_equal(sop_memtable_set(table, 1, sop_str("k"), sop_str("v"), SOP_RECORD_PRESENT, 0),
                     SOP_OK);
    root = sop_memtable_publish(table);
    assert_int_equal(sop_memtree_items(sop_memtable_tree(root, 1)), 1);
    sop_memtable_free(table);
}

static void test_bulk_of_many_small_stores_is_cheap(void **state)
{
    (void)state;
    enum { STORES = 20000 };
    sop_memtable *table = sop_memtable_new();
    sop_memtable_bulk bulk;
    const sop_memtable_root *root = NULL;
    sop_memtable_bulk_begin(&bulk, table, 5);
    for (uint64_t i = 0; i < STORES; i++) {
        sop_memtable_item item = {.store = i,
                                  .key = sop_str("key"),
                                  .value = sop_str("value"),
                                  .seq = 1,
                                  .flags = SOP_RECORD_PRESENT};
        assert_int_equal(sop_memtable_bulk_add(&bulk, &item), SOP_OK);
    }
    assert_int_equal(sop_memtable_bulk_finish(&bulk, &root), SOP_OK);
    assert_int_equal(sop_memtable_check(root), SOP_OK);
    assert_int_equal(sop_memtable_items(table), STORES);
    assert_true(sop_memtable_bytes(table) < STORES * 320);
    sop_memtable_free(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bulk_equals_the_sorted_items_for_all_key_shapes),
        cmocka_unit_test(test_bulk_of_every_small_size),
        cmocka_unit_test(test_bulk_of_nothing_publishes_the_empty_layer),
        cmocka_unit_test(test_bulk_of_many_small_stores_is_cheap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
