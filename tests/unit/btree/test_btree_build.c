/* SPDX-License-Identifier: MIT */
/* Built trees against a sorted array: all kinds of keys, node sizes from tiny to real, limits, failing allocations. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "btree/btree_build.h"
#include "support/support.h"
#include "support/tree_fixture.h"
#include "support/tree_keys.h"
#include "util/bytes.h"
#include "util/memory.h"

static void fill_model(tree_fixture *f, int kind, size_t count, uint64_t *random)
{
    static uint8_t key[TREE_KEY_MAX];
    static uint8_t value[TREE_VALUE_MAX];
    while (f->model.count < count) {
        size_t key_size = tree_random_key(kind, random, key);
        int is_reference = 0;
        size_t value_size = tree_random_value(kind, random, value, &is_reference);
        tree_model_set(&f->model, sop_slice_of(key, key_size), sop_slice_of(value, value_size),
                       is_reference);
        if (sop_test_random(random) % 100000 == 0) break; /* kinds with few keys end some time */
    }
}

static void test_trees_of_all_kinds_hold_what_was_added(void **state)
{
    (void)state;
    uint64_t random = sop_test_seed(11);
    printf("seed %llu\n", (unsigned long long)random);
    static const uint32_t sizes[] = {64, 256, 1024, SOP_BTREE_NODE_SIZE};
    static const size_t counts[] = {0, 1, 2, 7, 8, 9, 100, 3000};
    uint32_t tallest = 0;
    for (int kind = 0; kind < TREE_KEY_KINDS; kind++) {
        for (size_t s = 0; s < 4; s++) {
            for (size_t c = 0; c < 8; c++) {
                size_t count = counts[c];
                if (kind == TREE_KEYS_LONG && count > 100) count = 300;
                tree_fixture f;
                sop_error err = {0};
                tree_fixture_init(&f, sizes[s]);
                fill_model(&f, kind, count, &random);
                assert_int_equal(tree_build(&f, &err), SOP_OK);
                tree_assert_sound(&f);
                tree_assert_lookups(&f, &random, 50);
                if (f.tree.height > tallest) tallest = f.tree.height;
                tree_fixture_free(&f);
            }
        }
    }
    assert_true(tallest >= 5);
}

static void test_bytes_on_disk_stay_near_the_raw_bytes(void **state)
{
    (void)state;
    tree_fixture f;
    sop_error err = {0};
    uint64_t random = 5;
    tree_fixture_init(&f, SOP_BTREE_NODE_SIZE);
    uint8_t key[16];
    uint8_t value[100] = {0};
    for (size_t i = 0; i < 20000; i++) {
        for (size_t k = 0; k < 2; k++) {
            uint64_t word = sop_test_random(&random);
            memcpy(key + 8 * k, &word, 8);
        }
        tree_model_set(&f.model, sop_slice_of(key, 16), sop_slice_of(value, 100), 0);
    }
    assert_int_equal(tree_build(&f, &err), SOP_OK);
    assert_int_equal(f.tree.height, 2);
    assert_true(f.written * 100 < tree_model_bytes(&f.model) * 107);
    tree_fixture_free(&f);
}

static void test_builder_refuses_what_does_not_fit(void **state)
{
    (void)state;
    tree_fixture f;
    sop_error err = {0};
    tree_fixture_init(&f, SOP_BTREE_NODE_SIZE);
    static uint8_t bytes[SOP_BTREE_VALUE_MAX + 1];
    sop_blob_writer *writer = NULL;
    sop_btree_builder *builder = NULL;
    assert_int_equal(sop_blob_writer_new(f.blobs, SOP_SEGMENT_NODES, 1 << 20, &writer, &err),
                     SOP_OK);
    assert_int_equal(sop_btree_builder_new(writer, &builder, &err), SOP_OK);
    sop_slice key = {"k", 1};
    sop_slice value = {"v", 1};
    const struct {
        sop_slice key;
        sop_slice value;
        int is_reference;
    } bad[] = {
        {{bytes, 0}, value, 0},
        {{bytes, SOP_BTREE_KEY_MAX + 1}, value, 0},
        {key, {bytes, SOP_BTREE_VALUE_MAX + 1}, 0},
        {key, {bytes, 31}, 1},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(
            sop_btree_builder_add(builder, bad[i].key, bad[i].value, bad[i].is_reference, &err),
            SOP_INVALID);
    }
    assert_int_equal(sop_btree_builder_add(builder, key, value, 0, &err), SOP_OK);
    assert_int_equal(sop_btree_builder_add(builder, key, value, 0, &err), SOP_INVALID);
    assert_int_equal(sop_btree_builder_add(builder, sop_slice_of("j", 1), value, 0, &err),
                     SOP_INVALID);
    assert_int_equal(sop_btree_builder_add(builder, sop_slice_of("k\0", 2), value, 0, &err),
                     SOP_OK);
    sop_btree tree;
    assert_int_equal(sop_btree_builder_finish(builder, &tree, &err), SOP_OK);
    assert_int_equal(tree.count, 2);
    assert_int_equal(tree.bytes, 5);
    assert_int_equal(sop_btree_builder_add(builder, sop_slice_of("z", 1), value, 0, &err),
                     SOP_INVALID);
    sop_btree_builder_free(builder);
    sop_blob_writer_free(writer);
    tree_fixture_free(&f);
}

static void test_rows_of_trees(void **state)
{
    (void)state;
    sop_error err = {0};
    uint8_t row[SOP_BTREE_ROW_SIZE];
    sop_btree tree = {.root = {7, 8}, .count = 9, .bytes = 10, .height = 3, .references = 1};
    sop_btree back;
    sop_btree_encode(&tree, row);
    assert_int_equal(sop_btree_decode(sop_slice_of(row, 40), NULL, &back, &err), SOP_OK);
    assert_memory_equal(&tree, &back, sizeof tree);
    assert_int_equal(sop_btree_decode(sop_slice_of(row, 39), NULL, &back, &err), SOP_CORRUPT);
    row[32] = SOP_BTREE_HEIGHT_MAX + 1;
    assert_int_equal(sop_btree_decode(sop_slice_of(row, 40), NULL, &back, &err), SOP_CORRUPT);
    row[32] = 0;
    assert_int_equal(sop_btree_decode(sop_slice_of(row, 40), NULL, &back, &err), SOP_CORRUPT);
    row[32] = 3;
    row[39] = 1;
    assert_int_equal(sop_btree_decode(sop_slice_of(row, 40), NULL, &back, &err), SOP_CORRUPT);
    memset(row, 0, sizeof row);
    assert_int_equal(sop_btree_decode(sop_slice_of(row, 40), NULL, &back, &err), SOP_OK);
    row[24] = 1;
    assert_int_equal(sop_btree_decode(sop_slice_of(row, 40), NULL, &back, &err), SOP_CORRUPT);
}

static void test_every_failing_allocation_is_reported_and_leaks_nothing(void **state)
{
    (void)state;
    tree_fixture f;
    sop_error err = {0};
    uint64_t random = 3;
    tree_fixture_init(&f, 256);
    fill_model(&f, TREE_KEYS_TEXT, 3000, &random);
    int reached = 1;
    for (uint64_t n = 1; reached; n++) {
        sop_memory_fail_at(n, n % 2 == 0);
        sop_status status = tree_build(&f, &err);
        reached = sop_memory_fail_reached();
        sop_memory_fail_at(0, 0);
        if (status != SOP_OK) assert_int_equal(status, SOP_NO_MEMORY);
        if (!reached) assert_int_equal(status, SOP_OK);
        assert_true(n < 10000);
    }
    tree_fixture_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trees_of_all_kinds_hold_what_was_added),
        cmocka_unit_test(test_bytes_on_disk_stay_near_the_raw_bytes),
        cmocka_unit_test(test_builder_refuses_what_does_not_fit),
        cmocka_unit_test(test_rows_of_trees),
        cmocka_unit_test(test_every_failing_allocation_is_reported_and_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
