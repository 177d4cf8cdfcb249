/* SPDX-License-Identifier: MIT */
/* The memtable as a transaction's write set: one seq, blind puts, records that stay where they are. */
#include "memtable_model.h"

static sop_status
put(sop_memtable *table, uint64_t store, const char *key, sop_slice value, int below)
{
    return sop_memtable_set(table, store, sop_str(key), value, SOP_RECORD_PRESENT, below);
}

static const sop_record *get(const sop_memtable *table, uint64_t store, const char *key)
{
    return sop_memtree_get(sop_memtable_tree(sop_memtable_current(table), store), sop_str(key));
}

static void test_blind_puts_count_as_absent_until_resolved(void **state)
{
    (void)state;
    enum { KEYS = 500 };
    sop_memtable *table = sop_memtable_new();
    sop_memtable_begin(table, 1);
    for (int i = 0; i < KEYS; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "%05d", i * 7919 % KEYS);
        assert_int_equal(
            put(table, 3, key, sop_str("v"), i % 3 == 0 ? SOP_BELOW_PRESENT : SOP_BELOW_ANY),
            SOP_OK);
    }
    const sop_memtree *tree = sop_memtable_tree(sop_memtable_current(table), 3);
    int any = KEYS - (KEYS + 2) / 3;
    assert_int_equal(sop_memtable_unresolved(table, 3), any);
    assert_int_equal(sop_memtable_unresolved(table, 4), 0);
    assert_int_equal(sop_memtree_delta(tree), any);
    /* Every second one turns out to be there already. */
    sop_memcursor cursor;
    sop_memcursor_init(&cursor, tree);
    int resolved = 0;
    int present = 0;
    for (const sop_record *r = sop_memcursor_first(&cursor); r != NULL;
         r = sop_memcursor_next(&cursor)) {
        if (r->below != SOP_BELOW_ANY) continue;
        int below = resolved % 2 == 0 ? SOP_BELOW_PRESENT : SOP_BELOW_ABSENT;
        sop_memtable_resolve(table, 3, r, below);
        resolved++;
        present += below == SOP_BELOW_PRESENT;
        assert_int_equal(sop_memtable_unresolved(table, 3), any - resolved);
        assert_int_equal(sop_memtree_delta(tree), any - present);
        if (resolved % 16 == 0)
            assert_int_equal(sop_memtable_check(sop_memtable_current(table)), SOP_OK);
    }
    assert_int_equal(resolved, any);
    assert_int_equal(sop_memtable_check(sop_memtable_current(table)), SOP_OK);
    sop_memtable_free(table);
}

static void test_a_removed_blind_put_resolves_to_a_removal(void **state)
{
    (void)state;
    sop_memtable *table = sop_memtable_new();
    sop_memtable_begin(table, 1);
    assert_int_equal(put(table, 1, "k", sop_str("v"), SOP_BELOW_ANY), SOP_OK);
    assert_int_equal(
        sop_memtable_set(table, 1, sop_str("k"), sop_str("ignored"), 0, SOP_BELOW_PRESENT), SOP_OK);
    const sop_record *record = get(table, 1, "k");
    assert_false(sop_record_present(record));
    assert_int_equal(record->value_size, 0);
    assert_int_equal(record->below, SOP_BELOW_ANY);
    const sop_memtree *tree = sop_memtable_tree(sop_memtable_current(table), 1);
    assert_int_equal(sop_memtree_delta(tree), 0);
    sop_memtable_resolve(table, 1, record, SOP_BELOW_PRESENT);
    assert_int_equal(sop_memtree_delta(tree), -1);
    assert_int_equal(sop_memtable_unresolved(table, 1), 0);
    assert_int_equal(sop_memtable_check(sop_memtable_current(table)), SOP_OK);
    sop_memtable_free(table);
}

/* Slices of other keys live on while a key is written again and again, whatever the sizes. */
static void test_other_records_stay_where_they_are(void **state)
{
    (void)state;
    enum { KEYS = 200, ROUNDS = 3000 };
    static uint8_t bytes[50000];
    uint64_t random = sop_test_seed(21);
    const sop_record *records[KEYS] = {NULL};
    uint8_t fill[KEYS] = {0};
    size_t size[KEYS] = {0};
    sop_memtable *table = sop_memtable_new();
    sop_memtable_begin(table, 1);
    for (int round = 0; round < ROUNDS; round++) {
        size_t i = sop_test_random(&random) % KEYS;
        char key[16];
        (void)snprintf(key, sizeof key, "key%zu", i);
        size[i] = sop_test_random(&random) % (round % 50 == 0 ? sizeof bytes : 200);
        fill[i] = (uint8_t)sop_test_random(&random);
        memset(bytes, fill[i], size[i]);
        assert_int_equal(put(table, 9, key, sop_slice_of(bytes, size[i]), SOP_BELOW_ABSENT),
                         SOP_OK);
        records[i] = get(table, 9, key);
        size_t other = sop_test_random(&random) % KEYS;
        if (records[other] == NULL) continue;
        (void)snprintf(key, sizeof key, "key%zu", other);
        assert_ptr_equal(get(table, 9, key), records[other]);
        sop_slice value = sop_record_value(records[other]);
        assert_int_equal(value.size, size[other]);
        for (size_t b = 0; b < value.size; b++) {
            assert_int_equal(((const uint8_t *)value.data)[b], fill[other]);
        }
    }
    assert_int_equal(sop_memtable_check(sop_memtable_current(table)), SOP_OK);
    sop_memtable_free(table);
}

static void test_the_key_of_a_replaced_record_stays_readable_within_the_batch(void **state)
{
    (void)state;
    static uint8_t bytes[4000];
    sop_memtable *table = sop_memtable_new();
    sop_memtable_begin(table, 1);
    assert_int_equal(put(table, 1, "the key", sop_str("small"), SOP_BELOW_ABSENT), SOP_OK);
    const sop_record *old = get(table, 1, "the key");
    assert_int_equal(put(table, 1, "the key", sop_slice_of(bytes, sizeof bytes), SOP_BELOW_ABSENT),
                     SOP_OK);
    for (int i = 0; i < 300; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "%d", i);
        assert_int_equal(put(table, 1, key, sop_str("small"), SOP_BELOW_ABSENT), SOP_OK);
    }
    assert_true(sop_slice_equal(sop_record_key(old), sop_str("the key")));
    sop_memtable_free(table);
}

static void test_a_value_may_be_a_slice_of_the_record_it_replaces(void **state)
{
    (void)state;
    sop_memtable *table = sop_memtable_new();
    sop_memtable_begin(table, 1);
    assert_int_equal(put(table, 1, "k", sop_str("0123456789abcdef"), SOP_BELOW_ABSENT), SOP_OK);
    /* The same room: moved within the record. */
    sop_slice value = sop_record_value(get(table, 1, "k"));
    sop_slice part = sop_slice_of((const uint8_t *)value.data + 3, value.size - 3);
    assert_int_equal(put(table, 1, "k", part, SOP_BELOW_ABSENT), SOP_OK);
    assert_true(sop_slice_equal(sop_record_value(get(table, 1, "k")), sop_str("3456789abcdef")));
    /* Other room: copied to another record. Key and value are slices of the old one. */
    const sop_record *record = get(table, 1, "k");
    part = sop_slice_of((const uint8_t *)sop_record_value(record).data + 11, 2);
    assert_int_equal(sop_memtable_set(table, 1, sop_record_key(record), part, SOP_RECORD_PRESENT,
                                      SOP_BELOW_ABSENT),
                     SOP_OK);
    assert_true(sop_slice_equal(sop_record_value(get(table, 1, "k")), sop_str("ef")));
    sop_memtable_free(table);
}

static void test_one_seq_serves_for_ever(void **state)
{
    (void)state;
    sop_memtable *table = sop_memtable_new();
    for (int round = 0; round < 100; round++) {
        assert_null(sop_memtable_current(table));
        for (int i = 0; i < 50; i++) {
            char key[16];
            (void)snprintf(key, sizeof key, "%d", i * round);
            sop_memtable_begin(table, 1);
            assert_int_equal(put(table, (uint64_t)(i % 3), key, sop_str("v"), SOP_BELOW_ABSENT),
                             SOP_OK);
            assert_ptr_equal(sop_memtable_publish(table), sop_memtable_current(table));
        }
        assert_int_equal(sop_memtable_check(sop_memtable_current(table)), SOP_OK);
        sop_memtable_reset(table);
        assert_int_equal(sop_memtable_items(table), 0);
    }
    /* A reset table keeps little. */
    sop_memtable_begin(table, 1);
    for (int i = 0; i < 100000; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "%d", i);
        assert_int_equal(put(table, 1, key, sop_str("some value"), SOP_BELOW_ABSENT), SOP_OK);
    }
    sop_memtable_reset(table);
    assert_true(sop_memtable_bytes(table) <= 72 * 1024);
    sop_memtable_free(table);
}

static void test_revert_under_a_published_seq_keeps_what_was_set(void **state)
{
    (void)state;
    sop_memtable *table = sop_memtable_new();
    sop_memtable_begin(table, 1);
    assert_int_equal(put(table, 1, "a", sop_str("1"), SOP_BELOW_ABSENT), SOP_OK);
    (void)sop_memtable_publish(table);
    sop_memtable_begin(table, 1);
    assert_int_equal(put(table, 1, "b", sop_str("2"), SOP_BELOW_ABSENT), SOP_OK);
    sop_memtable_revert(table);
    assert_non_null(get(table, 1, "a"));
    assert_non_null(get(table, 1, "b"));
    assert_int_equal(sop_memtable_check(sop_memtable_current(table)), SOP_OK);
    sop_memtable_free(table);
}

static sop_status count_store(uint64_t store, const sop_memtree *tree, void *context)
{
    uint64_t *previous = context;
    assert_true(store == 0 || store > *previous);
    assert_true(sop_memtree_items(tree) >= 1);
    *previous = store;
    return store == UINT64_C(1) << 40 ? SOP_CANCELLED : SOP_OK;
}

static void test_stores_are_walked_in_order_until_told_to_stop(void **state)
{
    (void)state;
    static const uint64_t ids[] = {
        0, 1, 15, 16, 17, 255, 256, 70000, 1u << 20, UINT64_C(1) << 40, UINT64_MAX};
    enum { COUNT = sizeof ids / sizeof ids[0] };
    for (size_t start = 0; start < COUNT; start++) {
        sop_memtable *table = sop_memtable_new();
        sop_memtable_begin(table, 1);
        for (size_t i = 0; i < COUNT; i++) {
            assert_int_equal(
                put(table, ids[(start + i * 4) % COUNT], "k", sop_str("v"), SOP_BELOW_ABSENT),
                SOP_OK);
        }
        const sop_memtable_root *root = sop_memtable_publish(table);
        uint64_t previous = 0;
        assert_int_equal(sop_memtable_stores(root, count_store, &previous), SOP_CANCELLED);
        assert_true(previous == UINT64_C(1) << 40);
        for (size_t i = 0; i < COUNT; i++) {
            assert_int_equal(sop_memtree_items(sop_memtable_tree(root, ids[i])), 1);
            assert_null(sop_memtable_tree(root, ids[i] ^ 0x2000));
        }
        assert_int_equal(sop_memtable_check(root), SOP_OK);
        sop_memtable_free(table);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blind_puts_count_as_absent_until_resolved),
        cmocka_unit_test(test_a_removed_blind_put_resolves_to_a_removal),
        cmocka_unit_test(test_other_records_stay_where_they_are),
        cmocka_unit_test(test_the_key_of_a_replaced_record_stays_readable_within_the_batch),
        cmocka_unit_test(test_a_value_may_be_a_slice_of_the_record_it_replaces),
        cmocka_unit_test(test_one_seq_serves_for_ever),
        cmocka_unit_test(test_revert_under_a_published_seq_keeps_what_was_set),
        cmocka_unit_test(test_stores_are_walked_in_order_until_told_to_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
