/* SPDX-License-Identifier: MIT */
/* Trees with several levels of inner nodes: batches whose keys stride, jump and turn back across all their borders. */
#include "memtable_model.h"

enum { NUMBERS = 60000, BATCHES = 160, BATCH_MAX = 1500 };

/* The value last set for each number; 0: never. */
typedef struct {
    uint64_t values[NUMBERS];
    uint64_t count;
} numbers;

static void set_number(sop_memtable *table, numbers *n, int shape, uint64_t number, uint64_t seq)
{
    uint8_t key[MODEL_KEY_MAX];
    uint8_t value[8];
    sop_put_u64le(value, seq);
    sop_status status =
        sop_memtable_set(table, 1, model_key(shape, number, key), sop_slice_of(value, 8),
                         SOP_RECORD_PRESENT, SOP_BELOW_ABSENT);
    assert_int_equal(status, SOP_OK);
    n->count += n->values[number] == 0;
    n->values[number] = seq;
}

static void verify(const sop_memtable_root *root, const numbers *n, int shape)
{
    const sop_memtree *tree = sop_memtable_tree(root, 1);
    assert_int_equal(sop_memtable_check(root), SOP_OK);
    assert_int_equal(sop_memtree_items(tree), n->count);
    for (uint64_t i = 0; i < NUMBERS; i += 7) {
        uint8_t key[MODEL_KEY_MAX];
        const sop_record *record = sop_memtree_get(tree, model_key(shape, i, key));
        assert_int_equal(record != NULL, n->values[i] != 0);
        if (record != NULL) {
            assert_int_equal(sop_get_u64le(sop_record_value(record).data), n->values[i]);
        }
    }
}

static void run_deep(int shape)
{
    uint64_t random = sop_test_seed(31 + (uint64_t)shape);
    numbers *n = calloc(1, sizeof *n);
    sop_memtable *table = sop_memtable_new();
    assert_non_null(n);
    for (uint64_t seq = 1; seq <= BATCHES; seq++) {
        uint64_t size = 1 + sop_test_random(&random) % BATCH_MAX;
        uint64_t stride = 1 + sop_test_random(&random) % 200;
        uint64_t at = sop_test_random(&random) % NUMBERS;
        sop_memtable_begin(table, seq);
        for (uint64_t i = 0; i < size; i++) {
            set_number(table, n, shape, at, seq);
            switch (seq % 4) {
            case 0:
                at = sop_test_random(&random) % NUMBERS;
                break;
            case 1:
                at = (at + NUMBERS - stride) % NUMBERS;
                break;
            default:
                at = (at + stride) % NUMBERS;
                break;
            }
        }
        const sop_memtable_root *root = sop_memtable_publish(table);
        sop_memtable_reclaim(table, &seq, 1);
        if (seq % 8 == 0) verify(root, n, shape);
    }
    assert_true(n->count > 30000);
    sop_memtable_free(table);
    free(n);
}

static void test_batches_that_cross_borders_of_all_levels_keep_the_order(void **state)
{
    (void)state;
    run_deep(KEYS_DECIMAL);
    run_deep(KEYS_RANDOM);
    run_deep(KEYS_PREFIXED);
    run_deep(KEYS_GROUPS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_batches_that_cross_borders_of_all_levels_keep_the_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
