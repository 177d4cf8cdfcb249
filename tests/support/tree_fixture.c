/* SPDX-License-Identifier: MIT */
/* Trees in a memory backend beside a plain sorted array that says what they must hold. */
#include "support/tree_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "btree/btree_build.h"
#include "support/support.h"
#include "util/bytes.h"
#include "util/error.h"

/* --- the model; plain malloc, so that failing allocations of the library do not hit it --- */

sop_slice tree_model_key(const tree_model *m, size_t index)
{
    return sop_slice_of(m->items[index].key, m->items[index].key_size);
}

sop_slice tree_model_value(const tree_model *m, size_t index)
{
    return sop_slice_of(m->items[index].value, m->items[index].value_size);
}

size_t tree_model_bound(const tree_model *m, sop_slice key, int *equal_out)
{
    size_t low = 0;
    size_t high = m->count;
    if (equal_out != NULL) *equal_out = 0;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = sop_slice_compare(tree_model_key(m, middle), key);
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
            if (order == 0 && equal_out != NULL) *equal_out = 1;
        }
    }
    return low;
}

static uint8_t *copy_of(sop_slice s)
{
    uint8_t *copy = malloc(s.size + 1);
    if (s.size != 0) memcpy(copy, s.data, s.size);
    return copy;
}

void tree_model_set(tree_model *m, sop_slice key, sop_slice value, int is_reference)
{
    int equal = 0;
    size_t at = tree_model_bound(m, key, &equal);
    if (equal) {
        free(m->items[at].value);
    } else {
        if (m->count == m->capacity) {
            m->capacity = m->capacity == 0 ? 64 : m->capacity * 2;
            m->items = realloc(m->items, m->capacity * sizeof *m->items);
        }
        memmove(m->items + at + 1, m->items + at, (m->count - at) * sizeof *m->items);
        m->items[at] = (tree_model_item){.key = copy_of(key), .key_size = key.size};
        m->count++;
    }
    m->items[at].value = copy_of(value);
    m->items[at].value_size = value.size;
    m->items[at].is_reference = is_reference;
}

void tree_model_remove(tree_model *m, sop_slice key)
{
    int equal = 0;
    size_t at = tree_model_bound(m, key, &equal);
    if (!equal) return;
    free(m->items[at].key);
    free(m->items[at].value);
    memmove(m->items + at, m->items + at + 1, (m->count - at - 1) * sizeof *m->items);
    m->count--;
}

void tree_model_free(tree_model *m)
{
    for (size_t i = 0; i < m->count; i++) {
        free(m->items[i].key);
        free(m->items[i].value);
    }
    free(m->items);
    *m = (tree_model){0};
}

uint64_t tree_model_bytes(const tree_model *m)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < m->count; i++) {
        bytes += sop_btree__item_bytes(m->items[i].key_size, tree_model_value(m, i),
                                       m->items[i].is_reference);
    }
    return bytes;
}

/* --- the tree --- */

static const uint8_t ID[16] = "database of test";

void tree_fixture_init(tree_fixture *f, uint32_t node_size)
{
    sop_error err = {0};
    *f = (tree_fixture){.node_size = node_size, .segment_bytes = 1 << 20};
    f->rows = calloc(FIXTURE_ROWS_MAX, sizeof *f->rows);
    assert_int_equal(sop_backend_memory_open("", SOP_BACKEND_NEW, &f->backend, &err), SOP_OK);
    assert_int_equal(sop_blobs_open(f->backend, ID, 0x77, &f->blobs, &err), SOP_OK);
    assert_int_equal(sop_segments_open(f->blobs, NULL, 0, &f->segments, &err), SOP_OK);
    f->tree.segments = f->segments;
}

void tree_fixture_free(tree_fixture *f)
{
    sop_segments_release(f->segments);
    sop_blobs_close(f->blobs);
    f->backend->ops->free(f->backend);
    tree_model_free(&f->model);
    tree_model_free(&f->dead_values);
    free(f->rows);
    free(f->dead);
}

void tree_fake_reference(uint64_t number, uint8_t out[SOP_VALUE_REFERENCE_SIZE])
{
    memset(out, 0, SOP_VALUE_REFERENCE_SIZE);
    sop_put_u64le(out, 1 + number % 1000000);
    sop_put_u64le(out + 8, 1 + number);
    sop_put_u64le(out + 16, (uint64_t)4096 << 24 | 100);
}

static size_t row_of(const tree_fixture *f, uint64_t segment)
{
    for (size_t i = 0; i < f->row_count; i++) {
        if (f->rows[i].segment == segment) return i;
    }
    fail_msg("segment %llx is not in the table", (unsigned long long)segment);
    return 0;
}

/* Opens the new tree with old and new segments and takes it over; empty segments are dropped and removed. */
static sop_status take_over(
    tree_fixture *f, sop_btree tree, const sop_segment_row *rows, size_t count, sop_error *err)
{
    size_t kept = 0;
    sop_segment_row *table = calloc(FIXTURE_ROWS_MAX, sizeof *table);
    for (size_t i = 0; i < f->row_count; i++) {
        table[kept++] = f->rows[i];
    }
    for (size_t i = 0; i < f->dead_count; i += 2) {
        sop_address address = {f->dead[i], f->dead[i + 1]};
        table[row_of(f, address.segment)].live -= sop_address_footprint(address);
    }
    assert_true(kept + count <= FIXTURE_ROWS_MAX);
    memcpy(table + kept, rows, count * sizeof *rows);
    kept += count;
    sop_segments *fresh = NULL;
    size_t live = 0;
    uint64_t empty[64];
    size_t empty_count = 0;
    for (size_t i = 0; i < kept; i++) {
        if (table[i].live == 0 && empty_count < 64) {
            empty[empty_count++] = table[i].segment;
        } else {
            table[live++] = table[i];
        }
    }
    sop_status status = sop_segments_open(f->blobs, table, live, &fresh, err);
    if (status != SOP_OK) {
        free(table);
        return status;
    }
    sop_segments_release(f->segments);
    for (size_t i = 0; i < empty_count; i++) {
        assert_int_equal(sop_segment_remove(f->blobs, empty[i], err), SOP_OK);
    }
    free(f->rows);
    f->rows = table;
    f->row_count = live;
    f->segments = fresh;
    f->tree = tree;
    f->tree.segments = fresh;
    return SOP_OK;
}

sop_status tree_build(tree_fixture *f, sop_error *err)
{
    sop_blob_writer *writer = NULL;
    sop_btree_builder *builder = NULL;
    const sop_segment_row *rows = NULL;
    size_t count = 0;
    sop_btree tree;
    f->dead_count = 0;
    sop_status status =
        sop_blob_writer_new(f->blobs, SOP_SEGMENT_NODES, f->segment_bytes, &writer, err);
    if (status == SOP_OK) status = sop_btree__builder_new(writer, f->node_size, &builder, err);
    for (size_t i = 0; i < f->model.count && status == SOP_OK; i++) {
        status = sop_btree_builder_add(builder, tree_model_key(&f->model, i),
                                       tree_model_value(&f->model, i),
                                       f->model.items[i].is_reference, err);
    }
    if (status == SOP_OK) status = sop_btree_builder_finish(builder, &tree, err);
    if (status == SOP_OK) status = sop_blob_writer_finish(writer, &rows, &count, err);
    if (status == SOP_OK) status = take_over(f, tree, rows, count, err);
    if (status == SOP_OK) f->written = sop_blob_writer_bytes(writer);
    sop_btree_builder_free(builder);
    sop_blob_writer_free(writer);
    return status;
}

/* --- merging --- */

typedef struct {
    tree_fixture *f;
    const sop_btree_change *changes;
    size_t count;
    size_t at;
    /* The change handed out last, which is overwritten at the next call: slices need not live longer. */
    uint8_t key[4200];
    uint8_t value[16400];
} feed;

static sop_status feed_next(void *context, sop_btree_change *out, sop_error *err)
{
    feed *s = context;
    memset(s->key, 0xee, sizeof s->key);
    memset(s->value, 0xee, sizeof s->value);
    if (s->at == s->count) return sop_set(err, SOP_NOT_FOUND);
    *out = s->changes[s->at++];
    assert_true(out->key.size <= sizeof s->key && out->value.size <= sizeof s->value);
    memcpy(s->key, out->key.data, out->key.size);
    out->key.data = s->key;
    if (out->value.size != 0) memcpy(s->value, out->value.data, out->value.size);
    out->value.data = s->value;
    return SOP_OK;
}

static sop_status feed_dead_node(void *context, sop_address address, sop_error *err)
{
    tree_fixture *f = ((feed *)context)->f;
    (void)err;
    for (size_t i = 0; i < f->dead_count; i += 2) {
        if (f->dead[i] == address.segment && f->dead[i + 1] == address.place) {
            fail_msg("node reported dead twice");
        }
    }
    if (f->dead_count == f->dead_capacity) {
        f->dead_capacity = f->dead_capacity == 0 ? 256 : f->dead_capacity * 2;
        f->dead = realloc(f->dead, f->dead_capacity * sizeof *f->dead);
    }
    f->dead[f->dead_count++] = address.segment;
    f->dead[f->dead_count++] = address.place;
    return SOP_OK;
}

static sop_status feed_dead_value(void *context, const uint8_t *reference, sop_error *err)
{
    tree_fixture *f = ((feed *)context)->f;
    (void)err;
    sop_slice key = {reference, SOP_VALUE_REFERENCE_SIZE};
    int equal = 0;
    (void)tree_model_bound(&f->dead_values, key, &equal);
    if (!equal) fail_msg("a value reference is reported dead that is not, or twice");
    tree_model_remove(&f->dead_values, key);
    return SOP_OK;
}

static int feed_must_move(void *context, uint64_t segment)
{
    return segment == ((feed *)context)->f->move_segment;
}

sop_status
tree_merge_raw(tree_fixture *f, const sop_btree_change *changes, size_t count, sop_error *err)
{
    feed *context = calloc(1, sizeof *context);
    *context = (feed){.f = f, .changes = changes, .count = count};
    sop_btree_merge_source source = {.next = feed_next,
                                     .dead_node = feed_dead_node,
                                     .dead_value = feed_dead_value,
                                     .must_move = f->move_segment != 0 ? feed_must_move : NULL,
                                     .context = context};
    sop_blob_writer *writer = NULL;
    const sop_segment_row *rows = NULL;
    size_t row_count = 0;
    sop_btree tree;
    f->dead_count = 0;
    sop_status status =
        sop_blob_writer_new(f->blobs, SOP_SEGMENT_NODES, f->segment_bytes, &writer, err);
    sop_btree_merge_target target = {writer, f->node_size};
    if (status == SOP_OK) status = sop_btree__merge(&f->tree, &source, target, &tree, err);
    if (status == SOP_OK) status = sop_blob_writer_finish(writer, &rows, &row_count, err);
    if (status == SOP_OK) status = take_over(f, tree, rows, row_count, err);
    if (status == SOP_OK) f->written = sop_blob_writer_bytes(writer);
    sop_blob_writer_free(writer);
    free(context);
    return status;
}

/* Notes the references that the changes put an end to. */
static void expect_dead_values(tree_fixture *f, const sop_btree_change *changes, size_t count)
{
    tree_model_free(&f->dead_values);
    for (size_t i = 0; i < count; i++) {
        int equal = 0;
        size_t at = tree_model_bound(&f->model, changes[i].key, &equal);
        if (!equal || !f->model.items[at].is_reference) continue;
        if (changes[i].present && changes[i].is_reference &&
            sop_slice_equal(changes[i].value, tree_model_value(&f->model, at))) {
            continue;
        }
        tree_model_set(&f->dead_values, tree_model_value(&f->model, at), sop_slice_of(NULL, 0), 0);
    }
}

sop_status
tree_merge(tree_fixture *f, const sop_btree_change *changes, size_t count, sop_error *err)
{
    expect_dead_values(f, changes, count);
    sop_status status = tree_merge_raw(f, changes, count, err);
    if (status != SOP_OK) return status;
    assert_int_equal(f->dead_values.count, 0);
    for (size_t i = 0; i < count; i++) {
        if (changes[i].present) {
            tree_model_set(&f->model, changes[i].key, changes[i].value, changes[i].is_reference);
        } else {
            tree_model_remove(&f->model, changes[i].key);
        }
    }
    return SOP_OK;
}

/* --- looking at the tree --- */

static void on_finding(sop_status status, const char *message, void *context)
{
    (void)context;
    fail_msg("check: status %d: %s", status, message);
}

typedef struct {
    tree_fixture *f;
    uint64_t *live;
    size_t references;
} walk_state;

static sop_status on_node(sop_address address, void *context)
{
    walk_state *w = context;
    w->live[row_of(w->f, address.segment)] += sop_address_footprint(address);
    return SOP_OK;
}

static sop_status on_reference(const uint8_t *reference, void *context)
{
    (void)reference;
    ((walk_state *)context)->references++;
    return SOP_OK;
}

static void assert_walk(tree_fixture *f, uint64_t nodes)
{
    sop_error err = {0};
    (void)nodes;
    for (int leaves = 0; leaves < 2; leaves++) {
        walk_state w = {.f = f, .live = calloc(f->row_count + 1, sizeof(uint64_t))};
        assert_int_equal(sop_btree_walk(&f->tree, leaves, on_node, on_reference, &w, &err), SOP_OK);
        for (size_t i = 0; i < f->row_count; i++) {
            assert_int_equal(w.live[i], f->rows[i].live);
        }
        size_t references = 0;
        for (size_t i = 0; i < f->model.count; i++) {
            references += f->model.items[i].is_reference != 0;
        }
        assert_int_equal(w.references, references);
        assert_int_equal(f->tree.references, references != 0);
        free(w.live);
    }
}

static void assert_at(sop_btree_cursor *cursor, const tree_model *m, size_t index)
{
    assert_true(cursor->at_item);
    sop_slice key = sop_btree_cursor_key(cursor);
    sop_btree_value value = sop_btree_cursor_value(cursor);
    sop_btree_value both;
    if (!sop_slice_equal(key, tree_model_key(m, index)) ||
        !sop_slice_equal(value.value, tree_model_value(m, index)) ||
        !value.is_reference != !m->items[index].is_reference) {
        fail_msg("item %zu differs", index);
    }
    cursor->key_index = UINT32_MAX;
    assert_true(sop_slice_equal(sop_btree_cursor_item(cursor, &both), tree_model_key(m, index)));
    assert_ptr_equal(both.value.data, value.value.data);
    assert_int_equal(sop_btree_cursor_rank(cursor), index);
}

void tree_assert_sound(tree_fixture *f)
{
    sop_error err = {0};
    uint64_t nodes = 0;
    assert_int_equal(sop_btree_check(&f->tree, on_finding, NULL, &nodes, &err), SOP_OK);
    assert_int_equal(f->tree.count, f->model.count);
    assert_int_equal(f->tree.bytes, tree_model_bytes(&f->model));
    assert_walk(f, nodes);
    sop_btree_cursor cursor;
    sop_btree_cursor_init(&cursor, &f->tree);
    for (size_t i = 0; i < f->model.count; i++) {
        assert_int_equal(sop_btree_cursor_next(&cursor, &err), SOP_OK);
        assert_at(&cursor, &f->model, i);
    }
    for (int i = 0; i < 2; i++) {
        assert_int_equal(sop_btree_cursor_next(&cursor, &err), SOP_OK);
        assert_false(cursor.at_item);
        assert_int_equal(sop_btree_cursor_rank(&cursor), f->model.count);
    }
    for (size_t i = f->model.count; i > 0; i--) {
        assert_int_equal(sop_btree_cursor_prev(&cursor, &err), SOP_OK);
        assert_at(&cursor, &f->model, i - 1);
    }
    for (int i = 0; i < 2; i++) {
        assert_int_equal(sop_btree_cursor_prev(&cursor, &err), SOP_OK);
        assert_false(cursor.at_item);
        assert_int_equal(sop_btree_cursor_rank(&cursor), 0);
    }
}

/* A key of the model, or one very near to one, or one far off. */
static sop_slice probe(const tree_fixture *f, uint64_t *random, uint8_t *out)
{
    size_t size = 1 + (size_t)(sop_test_random(random) % 12);
    for (size_t i = 0; i < size; i++) {
        out[i] = (uint8_t)sop_test_random(random);
    }
    unsigned how = (unsigned)(sop_test_random(random) % 8);
    if (f->model.count == 0 || how == 0) return sop_slice_of(out, size);
    sop_slice key = tree_model_key(&f->model, (size_t)(sop_test_random(random) % f->model.count));
    memcpy(out, key.data, key.size);
    size = key.size;
    if (how == 1 && size > 1) size--;
    if (how == 2) out[size++] = 0;
    if (how == 3) out[size - 1]++;
    if (how == 4) out[sop_test_random(random) % size]--;
    if (how == 5) out[size++] = (uint8_t)sop_test_random(random);
    return sop_slice_of(out, size);
}

static void wander(sop_btree_cursor *cursor, const tree_model *m, size_t index, uint64_t *random)
{
    sop_error err = {0};
    for (int i = 0; i < 20; i++) {
        int forward = (int)(sop_test_random(random) & 1);
        if (forward ? index + 1 >= m->count : index == 0) continue;
        index = forward ? index + 1 : index - 1;
        assert_int_equal(forward ? sop_btree_cursor_next(cursor, &err)
                                 : sop_btree_cursor_prev(cursor, &err),
                         SOP_OK);
        assert_at(cursor, m, index);
    }
    /* Inside the leaf, by index. */
    uint32_t in_leaf = (uint32_t)(sop_test_random(random) % cursor->levels[0].count);
    uint64_t first = cursor->leaf_rank;
    sop_btree_cursor_leaf_set(cursor, in_leaf);
    assert_at(cursor, m, (size_t)(first + in_leaf));
    size_t target = (size_t)(first + sop_test_random(random) % cursor->levels[0].count);
    assert_int_equal(sop_btree_cursor_leaf_lower_bound(cursor, tree_model_key(m, target)),
                     target - first);
}

static void
assert_lookup(tree_fixture *f, sop_btree_cursor *cursor, sop_slice key, uint64_t *random)
{
    sop_error err = {0};
    int equal = 0;
    size_t at = tree_model_bound(&f->model, key, &equal);
    sop_btree_value value;
    sop_status status = sop_btree_get(&f->tree, key, &value, &err);
    assert_int_equal(status, equal ? SOP_OK : SOP_NOT_FOUND);
    if (equal) {
        assert_true(sop_slice_equal(value.value, tree_model_value(&f->model, at)));
        assert_int_equal(value.is_reference != 0, f->model.items[at].is_reference != 0);
    }
    /* The same after a key that is not above it, near or far. */
    sop_btree_near near = {0};
    size_t before = at == 0 ? 0 : at - (size_t)(sop_test_random(random) % (at < 300 ? at : 300));
    if (before < at) {
        assert_int_equal(
            sop_btree_get_near(&f->tree, &near, tree_model_key(&f->model, before), &value, &err),
            SOP_OK);
        assert_true(sop_slice_equal(value.value, tree_model_value(&f->model, before)));
    }
    assert_int_equal(sop_btree_get_near(&f->tree, &near, key, &value, &err), status);
    if (equal) assert_true(sop_slice_equal(value.value, tree_model_value(&f->model, at)));
    uint64_t rank = 0;
    int found = -1;
    assert_int_equal(sop_btree_rank(&f->tree, key, &rank, &found, &err), SOP_OK);
    assert_int_equal(rank, at);
    assert_int_equal(found, equal);
    int exact = -1;
    assert_int_equal(sop_btree_cursor_seek(cursor, key, &exact, &err), SOP_OK);
    assert_int_equal(exact, equal);
    assert_int_equal(cursor->at_item, at < f->model.count);
    assert_int_equal(sop_btree_cursor_rank(cursor), at);
    if (at < f->model.count) {
        assert_at(cursor, &f->model, at);
        wander(cursor, &f->model, at, random);
    } else if (at > 0) {
        assert_int_equal(sop_btree_cursor_prev(cursor, &err), SOP_OK);
        assert_at(cursor, &f->model, at - 1);
    }
}

void tree_assert_lookups(tree_fixture *f, uint64_t *random, int rounds)
{
    sop_error err = {0};
    sop_btree_cursor cursor;
    sop_btree_cursor_init(&cursor, &f->tree);
    uint8_t key[4200];
    for (int i = 0; i < rounds; i++) {
        assert_lookup(f, &cursor, probe(f, random, key), random);
        uint64_t rank = sop_test_random(random) % (f->model.count + 2);
        assert_int_equal(sop_btree_cursor_seek_rank(&cursor, rank, &err), SOP_OK);
        if (rank < f->model.count) {
            assert_at(&cursor, &f->model, (size_t)rank);
            wander(&cursor, &f->model, (size_t)rank, random);
        } else {
            assert_false(cursor.at_item);
        }
    }
    if (f->model.count == 0) return;
    assert_int_equal(sop_btree_cursor_last(&cursor, &err), SOP_OK);
    assert_at(&cursor, &f->model, f->model.count - 1);
    assert_int_equal(sop_btree_cursor_first(&cursor, &err), SOP_OK);
    assert_at(&cursor, &f->model, 0);
}
