/* SPDX-License-Identifier: MIT */
/* Long random sequences of merges against a sorted array, and what a merge must not write. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "btree/btree_build.h"
#include "support/support.h"
#include "support/tree_fixture.h"
#include "support/tree_keys.h"
#include "util/bytes.h"
#include "util/memory.h"

/* Changes in key order, with their own memory. */
typedef struct {
    tree_model items; /* is_reference: 0, 1; removals carry REMOVED */
    sop_btree_change *changes;
} change_set;
enum { REMOVED = 2 };

static void change_set_free(change_set *set)
{
    tree_model_free(&set->items);
    free(set->changes);
}

static const sop_btree_change *change_set_list(change_set *set)
{
    free(set->changes);
    set->changes = calloc(set->items.count + 1, sizeof *set->changes);
    for (size_t i = 0; i < set->items.count; i++) {
        int kind = set->items.items[i].is_reference;
        set->changes[i] = (sop_btree_change){.key = tree_model_key(&set->items, i),
                                             .value = tree_model_value(&set->items, i),
                                             .is_reference = kind == 1,
                                             .present = kind != REMOVED};
    }
    return set->changes;
}

static void apply(tree_fixture *f, change_set *set)
{
    sop_error err = {0};
    sop_status status = tree_merge(f, change_set_list(set), set->items.count, &err);
    if (status != SOP_OK) fail_msg("merge: %d %s", status, err.message);
}

/* Inserts, updates, removals; now and then a whole range goes, or a value stays as it is. */
static void random_changes(const tree_fixture *f,
                           int kind,
                           size_t count,
                           unsigned removals,
                           uint64_t *random,
                           change_set *set)
{
    static uint8_t key[TREE_KEY_MAX];
    static uint8_t value[TREE_VALUE_MAX];
    const tree_model *m = &f->model;
    *set = (change_set){0};
    for (size_t i = 0; i < count; i++) {
        size_t key_size = tree_random_key(kind, random, key);
        int is_reference = 0;
        size_t value_size = tree_random_value(kind, random, value, &is_reference);
        sop_slice k = {key, key_size};
        sop_slice v = {value, value_size};
        if (m->count > 0 && sop_test_random(random) % 2 == 0) {
            size_t at = (size_t)(sop_test_random(random) % m->count);
            k = tree_model_key(m, at);
            if (sop_test_random(random) % 8 == 0) {
                v = tree_model_value(m, at);
                is_reference = m->items[at].is_reference;
            }
        }
        int removed = sop_test_random(random) % 100 < removals;
        tree_model_set(&set->items, k, removed ? sop_slice_of(NULL, 0) : v,
                       removed ? REMOVED : is_reference);
    }
    if (sop_test_random(random) % 4 == 0 && m->count > 0) {
        size_t from = (size_t)(sop_test_random(random) % m->count);
        size_t run = (size_t)(sop_test_random(random) % (m->count / 2 + 1));
        for (size_t i = from; i < m->count && i < from + run; i++) {
            tree_model_set(&set->items, tree_model_key(m, i), sop_slice_of(NULL, 0), REMOVED);
        }
    }
}

static void remove_all(const tree_fixture *f, change_set *set)
{
    *set = (change_set){0};
    for (size_t i = 0; i < f->model.count; i++) {
        tree_model_set(&set->items, tree_model_key(&f->model, i), sop_slice_of(NULL, 0), REMOVED);
    }
}

/* Returns the greatest height on the way. */
static uint32_t long_sequence(int kind, uint32_t node_size, int rounds, uint64_t *random)
{
    uint32_t tallest = 0;
    tree_fixture f;
    tree_fixture_init(&f, node_size);
    f.segment_bytes = 1 << 16;
    size_t most = kind == TREE_KEYS_LONG ? 20 : 400;
    change_set first;
    random_changes(&f, kind, most * 10, 0, random, &first);
    apply(&f, &first);
    change_set_free(&first);
    for (int round = 0; round < rounds; round++) {
        change_set set;
        /* Phases of growth and of decay. */
        unsigned removals = round / 8 % 2 == 0 ? 15 : 80;
        size_t count = 1 + (size_t)(sop_test_random(random) % (round % 3 == 0 ? 3 : most));
        if (round % 29 == 28) {
            remove_all(&f, &set);
        } else {
            random_changes(&f, kind, count, removals, random, &set);
        }
        f.move_segment = 0;
        if (round % 4 == 3 && f.row_count > 0) {
            f.move_segment = f.rows[sop_test_random(random) % f.row_count].segment;
        }
        uint64_t moved = f.move_segment;
        apply(&f, &set);
        change_set_free(&set);
        for (size_t i = 0; i < f.row_count && moved != 0; i++) {
            if (f.rows[i].segment == moved) fail_msg("a segment to be emptied is still live");
        }
        if (f.tree.height > tallest) tallest = f.tree.height;
        tree_assert_sound(&f);
        tree_assert_lookups(&f, random, 10);
        if (round % 29 == 28) {
            assert_int_equal(f.tree.height, 0);
            assert_int_equal(f.row_count, 0);
        }
    }
    tree_fixture_free(&f);
    return tallest;
}

static void test_long_sequences_of_merges_keep_all_invariants(void **state)
{
    (void)state;
    uint64_t random = sop_test_seed(42);
    printf("seed %llu\n", (unsigned long long)random);
    static const uint32_t sizes[] = {64, 300, 1024, SOP_BTREE_NODE_SIZE};
    uint32_t tallest = 0;
    for (int kind = 0; kind < TREE_KEY_KINDS; kind++) {
        for (size_t s = 0; s < 4; s++) {
            uint32_t height = long_sequence(kind, sizes[s], 90, &random);
            if (height > tallest) tallest = height;
        }
    }
    assert_true(tallest >= 5);
}

static void number_key(uint8_t out[8], uint64_t number)
{
    sop_put_u64be(out, number);
}

/* A tree of count items with keys 0, 10, 20, ... and values of 19 bytes. */
static void numbers_tree(tree_fixture *f, uint32_t node_size, size_t count)
{
    sop_error err = {0};
    tree_fixture_init(f, node_size);
    f->segment_bytes = 64 << 20;
    static const char value[] = "a value of 19 bytes";
    for (size_t i = 0; i < count; i++) {
        uint8_t key[8];
        number_key(key, i * 10);
        tree_model_set(&f->model, sop_slice_of(key, 8), sop_slice_of(value, 19), 0);
    }
    assert_int_equal(tree_build(f, &err), SOP_OK);
}

static void one_change(tree_fixture *f, uint64_t number, const char *value, int present)
{
    uint8_t key[8];
    sop_error err = {0};
    number_key(key, number);
    sop_btree_change change = {
        .key = {key, 8}, .value = {value, value == NULL ? 0 : strlen(value)}, .present = present};
    assert_int_equal(tree_merge(f, &change, 1, &err), SOP_OK);
}

static void test_one_change_writes_one_path(void **state)
{
    (void)state;
    tree_fixture f;
    numbers_tree(&f, 1024, 20000);
    size_t height = f.tree.height;
    assert_true(height >= 3);
    static const uint64_t numbers[] = {0, 5, 99990, 100000, 199990, 1000000};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        one_change(&f, numbers[i], "other", 1);
        assert_int_equal(f.dead_count / 2, height);
        assert_true(f.written < 6 * 1024);
        tree_assert_sound(&f);
    }
    one_change(&f, 100000, NULL, 0);
    assert_int_equal(f.dead_count / 2, height);
    tree_assert_sound(&f);
    tree_fixture_free(&f);
}

static void test_changes_without_effect_write_nothing_in_a_small_tree(void **state)
{
    (void)state;
    tree_fixture f;
    numbers_tree(&f, SOP_BTREE_NODE_SIZE, 100);
    sop_address root = f.tree.root;
    one_change(&f, 55, NULL, 0);
    assert_int_equal(f.written, 0);
    one_change(&f, 50, "a value of 19 bytes", 1);
    assert_int_equal(f.written, 0);
    assert_int_equal(f.tree.root.place, root.place);
    tree_assert_sound(&f);
    sop_error err = {0};
    assert_int_equal(tree_merge(&f, NULL, 0, &err), SOP_OK);
    assert_int_equal(f.written, 0);
    tree_fixture_free(&f);
}

static void test_emptied_ranges_shrink_the_tree(void **state)
{
    (void)state;
    tree_fixture f;
    sop_error err = {0};
    numbers_tree(&f, 512, 20000);
    uint32_t height = f.tree.height;
    assert_true(height >= 4);
    /* Everything but the first and last few items goes. */
    size_t count = f.model.count - 10;
    sop_btree_change *changes = calloc(count, sizeof *changes);
    uint8_t *keys = malloc(count * 8);
    for (size_t i = 0; i < count; i++) {
        number_key(keys + i * 8, (i + 5) * 10);
        changes[i] = (sop_btree_change){.key = {keys + i * 8, 8}};
    }
    assert_int_equal(tree_merge(&f, changes, count, &err), SOP_OK);
    assert_int_equal(f.tree.count, 10);
    assert_int_equal(f.tree.height, 1);
    tree_assert_sound(&f);
    free(changes);
    free(keys);
    tree_fixture_free(&f);
}

static void test_small_leaves_do_not_pile_up(void **state)
{
    (void)state;
    tree_fixture f;
    uint64_t random = 8;
    numbers_tree(&f, 1024, 5000);
    /* Thin out at random until one in 50 is left. */
    while (f.model.count > 100) {
        sop_error err = {0};
        change_set set = {0};
        for (int i = 0; i < 300; i++) {
            size_t at = (size_t)(sop_test_random(&random) % f.model.count);
            tree_model_set(&set.items, tree_model_key(&f.model, at), sop_slice_of(NULL, 0),
                           REMOVED);
        }
        assert_int_equal(tree_merge(&f, change_set_list(&set), set.items.count, &err), SOP_OK);
        change_set_free(&set);
    }
    tree_assert_sound(&f);
    uint64_t nodes = 0;
    uint64_t live = 0;
    for (size_t i = 0; i < f.row_count; i++) {
        live += f.rows[i].live;
    }
    assert_int_equal(sop_btree_check(&f.tree, NULL, NULL, &nodes, NULL), SOP_OK);
    /* Nodes are at least a quarter full on the whole. */
    assert_true(nodes <= 1 + f.model.count * 36 / 256 + 4);
    assert_true(live <= nodes * 1024);
    tree_fixture_free(&f);
}

static void test_key_sequences_that_do_not_ascend_are_refused(void **state)
{
    (void)state;
    tree_fixture f;
    sop_error err = {0};
    numbers_tree(&f, 512, 100);
    uint8_t a[8];
    uint8_t b[8];
    number_key(a, 5);
    number_key(b, 6);
    sop_btree_change down[2] = {{.key = {b, 8}, .present = 1}, {.key = {a, 8}, .present = 1}};
    assert_int_equal(tree_merge_raw(&f, down, 2, &err), SOP_INVALID);
    sop_btree_change twice[2] = {down[0], down[0]};
    assert_int_equal(tree_merge_raw(&f, twice, 2, &err), SOP_INVALID);
    sop_btree_change empty = {.key = {a, 0}, .present = 1};
    assert_int_equal(tree_merge_raw(&f, &empty, 1, &err), SOP_INVALID);
    tree_assert_sound(&f);
    tree_fixture_free(&f);
}

static void test_every_failing_allocation_is_reported_and_leaks_nothing(void **state)
{
    (void)state;
    tree_fixture f;
    sop_error err = {0};
    numbers_tree(&f, 300, 2000);
    change_set set;
    uint64_t random = 4;
    random_changes(&f, TREE_KEYS_NUMBER, 400, 60, &random, &set);
    const sop_btree_change *list = change_set_list(&set);
    int reached = 1;
    uint64_t n = 1;
    for (; reached; n++) {
        sop_memory_fail_at(n, n % 2 == 0);
        sop_status status = tree_merge_raw(&f, list, set.items.count, &err);
        reached = sop_memory_fail_reached();
        sop_memory_fail_at(0, 0);
        if (reached) assert_int_equal(status, SOP_NO_MEMORY);
        assert_true(n < 10000);
        if (!reached) assert_int_equal(status, SOP_OK);
    }
    assert_true(n > 10);
    change_set_free(&set);
    tree_fixture_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_long_sequences_of_merges_keep_all_invariants),
        cmocka_unit_test(test_one_change_writes_one_path),
        cmocka_unit_test(test_changes_without_effect_write_nothing_in_a_small_tree),
        cmocka_unit_test(test_emptied_ranges_shrink_the_tree),
        cmocka_unit_test(test_small_leaves_do_not_pile_up),
        cmocka_unit_test(test_key_sequences_that_do_not_ascend_are_refused),
        cmocka_unit_test(test_every_failing_allocation_is_reported_and_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
