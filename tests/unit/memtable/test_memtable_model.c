/* SPDX-License-Identifier: MIT */
/* The memtable against a sorted array: random batches, reverts, snapshots kept and verified later, every
   query. */
#include "memtable_model.h"

#define SNAPSHOTS 6

typedef struct {
    uint64_t seq;
    const sop_memtable_root *root;
    model state;
} snapshot;

typedef struct {
    uint64_t random;
    int shape;
    uint64_t key_range;
    size_t value_max;
    sop_memtable *table;
    model_bytes *kept;
    model now;
    const sop_memtable_root *root;
    uint64_t seq;
    snapshot snapshots[SNAPSHOTS]; /* seqs ascend */
    size_t snapshot_count;
} run;

static uint64_t pick(run *r, uint64_t n)
{
    return sop_test_random(&r->random) % n;
}

/* What the batch under construction has of a key, before it is set or instead. */
static void find_check(run *r, const model_store *store, uint64_t id, sop_slice key)
{
    const sop_record *record = NULL;
    size_t at = model_lower(store, key);
    assert_int_equal(sop_memtable_find(r->table, id, key, &record), SOP_OK);
    assert_int_equal(record != NULL, model_has(store, at, key));
    if (record == NULL) return;
    assert_int_equal(record->seq, store->entries[at].seq);
    assert_int_equal(sop_record_present(record) != 0, store->entries[at].present);
    assert_true(sop_slice_equal(sop_record_key(record), key));
}

/* One random change in the table and in the model given. */
static void change(run *r, model *m, uint64_t number)
{
    static uint8_t value[16384];
    uint8_t key[MODEL_KEY_MAX];
    size_t which = pick(r, MODEL_STORES);
    size_t value_size = pick(r, r->value_max + 1);
    if (pick(r, 20) == 0) value_size = 0;
    memset(value, (int)pick(r, 256), value_size);
    model_entry entry = {.key = model_key(r->shape, number, key),
                         .value = sop_slice_of(value, value_size),
                         .seq = r->seq,
                         .present = pick(r, 4) != 0,
                         .below = (int)pick(r, 2)};
    if (pick(r, 2) == 0) find_check(r, &m->stores[which], model_store_ids[which], entry.key);
    sop_status status = sop_memtable_set(r->table, model_store_ids[which], entry.key, entry.value,
                                         entry.present ? SOP_RECORD_PRESENT : 0, entry.below);
    assert_int_equal(status, SOP_OK);
    model_set(&r->kept, &m->stores[which], entry);
}

static void change_many(run *r, model *m)
{
    size_t changes = pick(r, 3) == 0 ? pick(r, 300) : pick(r, 4);
    uint64_t order = pick(r, 4);
    uint64_t start = pick(r, r->key_range);
    for (size_t i = 0; i < changes; i++) {
        uint64_t number = pick(r, r->key_range);
        if (order == 1) number = (start + i) % r->key_range;
        if (order == 2) number = (start + r->key_range - i) % r->key_range;
        change(r, m, number);
    }
}

static void snapshot_drop(run *r, size_t at)
{
    model_verify(&r->snapshots[at].state, r->snapshots[at].root);
    model_free(&r->snapshots[at].state);
    r->snapshot_count--;
    memmove(&r->snapshots[at], &r->snapshots[at + 1],
            (r->snapshot_count - at) * sizeof r->snapshots[0]);
}

static void snapshot_take(run *r)
{
    if (r->snapshot_count == SNAPSHOTS) snapshot_drop(r, pick(r, SNAPSHOTS));
    r->snapshots[r->snapshot_count++] = (snapshot){r->seq, r->root, model_copy(&r->now)};
}

static void reclaim(run *r)
{
    uint64_t live[SNAPSHOTS + 1];
    size_t count = 0;
    for (size_t i = 0; i < r->snapshot_count; i++) {
        if (count == 0 || live[count - 1] != r->snapshots[i].seq)
            live[count++] = r->snapshots[i].seq;
    }
    if (count == 0 || live[count - 1] != r->seq) live[count++] = r->seq;
    sop_memtable_reclaim(r->table, live, count);
}

static void batch(run *r)
{
    uint64_t seq_before = r->seq;
    int revert = pick(r, 5) == 0;
    uint64_t items = sop_memtable_items(r->table);
    r->seq += 1 + pick(r, 3);
    sop_memtable_begin(r->table, r->seq);
    if (revert) {
        model scratch = model_copy(&r->now);
        change_many(r, &scratch);
        model_free(&scratch);
        sop_memtable_revert(r->table);
        assert_int_equal(sop_memtable_items(r->table), items);
        r->seq = seq_before;
        assert_ptr_equal(sop_memtable_current(r->table), r->root);
        return;
    }
    change_many(r, &r->now);
    r->root = sop_memtable_publish(r->table);
}

static const sop_record *brute_newer(const model_store *store,
                                     const sop_memtree *tree,
                                     sop_slice from,
                                     sop_slice to,
                                     uint64_t seq,
                                     int shape)
{
    for (size_t i = model_lower(store, from); i < store->count; i++) {
        const model_entry *entry = &store->entries[i];
        if (to.data != NULL && sop_slice_compare(entry->key, to) >= 0) return NULL;
        if ((shape ? entry->shape_seq : entry->seq) > seq) return sop_memtree_get(tree, entry->key);
    }
    return NULL;
}

static int record_not_below(const sop_record *record, void *context)
{
    return sop_slice_compare(sop_record_key(record), *(const sop_slice *)context) >= 0;
}

/* Random questions about the present state, for keys that may or may not be there. */
static void ask(run *r)
{
    uint8_t buffers[2][MODEL_KEY_MAX];
    size_t which = pick(r, MODEL_STORES);
    const model_store *store = &r->now.stores[which];
    const sop_memtree *tree = sop_memtable_tree(r->root, model_store_ids[which]);
    sop_slice key = model_key(r->shape, pick(r, r->key_range * 2), buffers[0]);
    sop_slice to = model_key(r->shape, pick(r, r->key_range * 2), buffers[1]);
    size_t at = model_lower(store, key);
    int64_t delta = 0;
    for (size_t i = 0; i < at; i++) {
        delta += model_delta(&store->entries[i]);
    }
    assert_int_equal(sop_memtree_delta_before(tree, key), delta);
    const sop_record *got = sop_memtree_get(tree, key);
    assert_int_equal(got != NULL, model_has(store, at, key));
    sop_memcursor cursor;
    sop_memcursor_init(&cursor, tree);
    const sop_record *next = sop_memcursor_seek_ge(&cursor, key);
    assert_int_equal(next != NULL, at < store->count);
    if (next != NULL) entry_verify(&store->entries[at], next);
    const sop_record *previous = sop_memcursor_seek_lt(&cursor, key);
    assert_int_equal(previous != NULL, at > 0);
    if (previous != NULL) entry_verify(&store->entries[at - 1], previous);
    const sop_record *before = NULL;
    assert_ptr_equal(sop_memtree_partition(tree, record_not_below, &key, &before), next);
    assert_ptr_equal(before, previous);
    assert_ptr_equal(sop_memtree_partition(tree, record_not_below, &key, NULL), next);
    if (pick(r, 4) == 0) to.data = NULL;
    if (pick(r, 4) == 0) key.size = 0;
    uint64_t seq = r->seq - pick(r, r->seq + 1 < 40 ? r->seq + 1 : 40);
    for (int shape = 0; shape < 2; shape++) {
        assert_ptr_equal(sop_memtree_newer(tree, key, to, seq, shape),
                         brute_newer(store, tree, key, to, seq, shape));
    }
}

static void run_shape(int shape, uint64_t key_range, size_t value_max, size_t batches)
{
    uint64_t seed = sop_test_seed(0x5eed0 + (uint64_t)shape);
    printf("shape %d seed %llu\n", shape, (unsigned long long)seed);
    run r = {.random = seed, .shape = shape, .key_range = key_range, .value_max = value_max};
    r.table = sop_memtable_new();
    assert_non_null(r.table);
    for (size_t i = 0; i < batches; i++) {
        batch(&r);
        for (int q = 0; q < 4; q++) {
            ask(&r);
        }
        if (pick(&r, 10) == 0) snapshot_take(&r);
        if (pick(&r, 6) == 0) reclaim(&r);
        if (pick(&r, 12) == 0 && r.snapshot_count > 0)
            snapshot_drop(&r, pick(&r, r.snapshot_count));
        if (i % 50 == 0) model_verify(&r.now, r.root);
        if (i == batches / 2) {
            /* A reset table starts from nothing, with the memory it kept. */
            while (r.snapshot_count > 0)
                snapshot_drop(&r, 0);
            sop_memtable_reset(r.table);
            model_free(&r.now);
            r.root = NULL;
            r.seq = 0;
        }
    }
    model_verify(&r.now, r.root);
    while (r.snapshot_count > 0)
        snapshot_drop(&r, 0);
    model_free(&r.now);
    sop_memtable_free(r.table);
    model_forget(&r.kept);
}

static void test_random_batches_of_decimal_keys_match_a_sorted_array(void **state)
{
    (void)state;
    run_shape(KEYS_DECIMAL, 3000, 120, 800);
    run_shape(KEYS_DECIMAL, 200, 40, 800);
}

static void test_random_batches_of_random_keys_match_a_sorted_array(void **state)
{
    (void)state;
    run_shape(KEYS_RANDOM, 5000, 120, 800);
}

static void test_random_batches_of_prefixed_keys_match_a_sorted_array(void **state)
{
    (void)state;
    run_shape(KEYS_PREFIXED, 3000, 60, 800);
}

static void test_random_batches_of_short_keys_match_a_sorted_array(void **state)
{
    (void)state;
    run_shape(KEYS_SHORT, 121, 20, 1500);
}

static void test_random_batches_of_equal_heads_match_a_sorted_array(void **state)
{
    (void)state;
    run_shape(KEYS_GROUPS, 3000, 60, 800);
}

static void test_random_batches_of_long_keys_and_values_match_a_sorted_array(void **state)
{
    (void)state;
    run_shape(KEYS_LONG, 300, 16384, 120);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_batches_of_decimal_keys_match_a_sorted_array),
        cmocka_unit_test(test_random_batches_of_random_keys_match_a_sorted_array),
        cmocka_unit_test(test_random_batches_of_prefixed_keys_match_a_sorted_array),
        cmocka_unit_test(test_random_batches_of_short_keys_match_a_sorted_array),
        cmocka_unit_test(test_random_batches_of_equal_heads_match_a_sorted_array),
        cmocka_unit_test(test_random_batches_of_long_keys_and_values_match_a_sorted_array),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
