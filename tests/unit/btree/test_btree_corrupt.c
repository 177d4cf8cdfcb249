/* SPDX-License-Identifier: MIT */
/* Damaged trees: every flipped bit is noticed and named; nodes with right checksums and absurd content never crash. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "btree/btree_build.h"
#include "btree/btree_node.h"
#include "support/support.h"
#include "support/tree_fixture.h"
#include "support/tree_keys.h"
#include "util/bytes.h"
#include "util/checksum.h"

static const uint8_t ID[16] = "database of test";

/* The nodes of a tree, and the file they lie in, opened for writing. */
typedef struct {
    tree_fixture f;
    sop_file *file;
    sop_address nodes[4000];
    size_t count;
} victim;

static sop_status note_node(sop_address address, void *context)
{
    victim *v = context;
    assert_true(v->count < sizeof v->nodes / sizeof v->nodes[0]);
    v->nodes[v->count++] = address;
    return SOP_OK;
}

static void victim_init(victim *v, int kind, uint32_t node_size, size_t count)
{
    uint64_t random = 77;
    sop_error err = {0};
    static uint8_t key[TREE_KEY_MAX];
    static uint8_t value[TREE_VALUE_MAX];
    memset(v, 0, sizeof *v);
    tree_fixture_init(&v->f, node_size);
    v->f.segment_bytes = 64 << 20;
    while (v->f.model.count < count) {
        int is_reference = 0;
        size_t key_size = tree_random_key(kind, &random, key);
        size_t value_size = tree_random_value(kind, &random, value, &is_reference) % 60;
        if (is_reference) value_size = SOP_VALUE_REFERENCE_SIZE;
        tree_model_set(&v->f.model, sop_slice_of(key, key_size), sop_slice_of(value, value_size),
                       is_reference);
    }
    assert_int_equal(tree_build(&v->f, &err), SOP_OK);
    assert_int_equal(v->f.row_count, 1);
    assert_int_equal(sop_btree_walk(&v->f.tree, 0, note_node, NULL, v, &err), SOP_OK);
    char name[40];
    (void)snprintf(name, sizeof name, "seg/%010llx.%06x", 0x77ull,
                   (unsigned)(v->f.rows[0].segment & 0xffffff));
    assert_int_equal(sop_file_open(v->f.backend, name, SOP_FILE_WRITE, &v->file, &err), SOP_OK);
}

static void victim_free(victim *v)
{
    sop_file_close(v->file);
    tree_fixture_free(&v->f);
}

/* The tree as another process sees it, which has verified nothing yet. */
typedef struct {
    sop_blobs *blobs;
    sop_segments *segments;
    sop_btree tree;
} fresh_view;

static fresh_view fresh_open(victim *v)
{
    fresh_view view;
    sop_error err = {0};
    assert_int_equal(sop_blobs_open(v->f.backend, ID, 0x99, &view.blobs, &err), SOP_OK);
    assert_int_equal(sop_segments_open(view.blobs, v->f.rows, v->f.row_count, &view.segments, &err),
                     SOP_OK);
    view.tree = v->f.tree;
    view.tree.segments = view.segments;
    return view;
}

static void fresh_close(fresh_view *view)
{
    sop_segments_release(view->segments);
    sop_blobs_close(view->blobs);
}

static void count_finding(sop_status status, const char *message, void *context)
{
    assert_int_equal(status, SOP_CORRUPT);
    assert_non_null(strstr(message, "seg/"));
    (*(size_t *)context)++;
}

/* Every lookup of the model: right, or SOP_CORRUPT naming the place. Returns how often the latter. */
static size_t lookups_right_or_corrupt(victim *v, const fresh_view *view)
{
    const tree_model *m = &v->f.model;
    sop_error err = {0};
    size_t corrupt = 0;
    sop_btree_cursor cursor;
    sop_btree_cursor_init(&cursor, &view->tree);
    for (size_t i = 0; i < m->count; i++) {
        sop_btree_value value;
        sop_status status = sop_btree_get(&view->tree, tree_model_key(m, i), &value, &err);
        if (status == SOP_OK) {
            assert_true(sop_slice_equal(value.value, tree_model_value(m, i)));
        } else {
            assert_int_equal(status, SOP_CORRUPT);
            assert_non_null(strstr(err.message, "seg/0000000077.0000"));
            assert_non_null(strstr(err.message, "offset"));
            corrupt++;
        }
        uint64_t rank = 0;
        status = sop_btree_rank(&view->tree, tree_model_key(m, i), &rank, NULL, &err);
        if (status == SOP_OK) assert_int_equal(rank, i);
        status = sop_btree_cursor_seek_rank(&cursor, i, &err);
        if (status == SOP_OK)
            assert_true(sop_slice_equal(sop_btree_cursor_key(&cursor), tree_model_key(m, i)));
        if (status != SOP_OK) assert_int_equal(status, SOP_CORRUPT);
    }
    return corrupt;
}

static void flip(victim *v, uint64_t at, unsigned bit)
{
    uint8_t byte = 0;
    sop_error err = {0};
    assert_int_equal(sop_file_read_exact(v->file, at, &byte, 1, &err), SOP_OK);
    byte ^= (uint8_t)(1u << bit);
    assert_int_equal(sop_file_write(v->file, at, &byte, 1, &err), SOP_OK);
}

static void test_a_flipped_bit_in_any_byte_is_noticed_and_named(void **state)
{
    (void)state;
    static victim v;
    victim_init(&v, TREE_KEYS_TEXT, 256, 150);
    assert_int_equal(v.f.tree.height, 3);
    for (uint64_t at = SOP_SEGMENT_HEADER; at < v.f.rows[0].size; at++) {
        flip(&v, at, at % 8);
        fresh_view view = fresh_open(&v);
        size_t corrupt = lookups_right_or_corrupt(&v, &view);
        size_t findings = 0;
        uint64_t nodes = 0;
        assert_int_equal(sop_btree_check(&view.tree, count_finding, &findings, &nodes, NULL),
                         SOP_OK);
        /* Padding between nodes is read by the check alone. */
        assert_true(findings == 1);
        if (corrupt == 0) assert_true(nodes == v.count);
        fresh_close(&view);
        flip(&v, at, at % 8);
    }
    victim_free(&v);
}

static void test_a_failed_move_leaves_the_cursor_where_it_was(void **state)
{
    (void)state;
    static victim v;
    victim_init(&v, TREE_KEYS_TEXT, 512, 200);
    sop_error err = {0};
    /* The node after the first leaf in walk order is the second leaf of the same parent. */
    size_t second = 0;
    for (size_t i = 0; i + 1 < v.count && second == 0; i++) {
        uint8_t level[2] = {9, 9};
        for (size_t k = 0; k < 2; k++) {
            uint64_t at = sop_address_offset(v.nodes[i + k]) + SOP_NODE_LEVEL;
            assert_int_equal(sop_file_read_exact(v.file, at, &level[k], 1, &err), SOP_OK);
        }
        if (level[0] == 0 && level[1] == 0) second = i + 1;
    }
    assert_true(second > 0);
    flip(&v, sop_address_offset(v.nodes[second]) + 100, 3);
    fresh_view view = fresh_open(&v);
    sop_btree_cursor cursor;
    sop_btree_cursor_init(&cursor, &view.tree);
    size_t at = 0;
    sop_status status = sop_btree_cursor_next(&cursor, &err);
    while (status == SOP_OK) {
        assert_true(sop_slice_equal(sop_btree_cursor_key(&cursor), tree_model_key(&v.f.model, at)));
        status = sop_btree_cursor_next(&cursor, &err);
        if (status == SOP_OK) at++;
    }
    for (int i = 0; i < 2; i++) {
        assert_int_equal(status, SOP_CORRUPT);
        assert_true(cursor.at_item);
        assert_true(sop_slice_equal(sop_btree_cursor_key(&cursor), tree_model_key(&v.f.model, at)));
        status = sop_btree_cursor_next(&cursor, &err);
    }
    fresh_close(&view);
    victim_free(&v);
}

/* --- right checksums over absurd content --- */

static sop_status nothing_dead(void *context, sop_address address, sop_error *err)
{
    (void)context;
    (void)address;
    (void)err;
    return SOP_OK;
}

static sop_status nothing_dead_value(void *context, const uint8_t *reference, sop_error *err)
{
    (void)context;
    (void)reference;
    (void)err;
    return SOP_OK;
}

typedef struct {
    const tree_model *m;
    size_t at;
    uint64_t random;
} thinning;

/* Removes or updates items of the model here and there. */
static sop_status thin_next(void *context, sop_btree_change *out, sop_error *err)
{
    thinning *t = context;
    t->at += (size_t)(sop_test_random(&t->random) % 40);
    if (t->at >= t->m->count) {
        if (err != NULL) err->status = SOP_NOT_FOUND;
        return SOP_NOT_FOUND;
    }
    *out = (sop_btree_change){.key = tree_model_key(t->m, t->at),
                              .value = {"new", 3},
                              .present = sop_test_random(&t->random) % 2 == 0};
    t->at++;
    return SOP_OK;
}

static int move_some(void *context, uint64_t segment)
{
    (void)context;
    (void)segment;
    return 1;
}

/* Whatever comes out, nothing may crash and every error has to be SOP_CORRUPT. */
static void use_everything(victim *v, fresh_view *view, uint64_t *random)
{
    sop_error err = {0};
    const tree_model *m = &v->f.model;
    static sop_btree_cursor cursor;
    sop_btree_cursor_init(&cursor, &view->tree);
    for (int i = 0; i < 30; i++) {
        size_t at = (size_t)(sop_test_random(random) % m->count);
        sop_btree_value value;
        uint64_t rank = 0;
        sop_status status = sop_btree_get(&view->tree, tree_model_key(m, at), &value, &err);
        assert_true(status == SOP_OK || status == SOP_NOT_FOUND || status == SOP_CORRUPT);
        status = sop_btree_rank(&view->tree, tree_model_key(m, at), &rank, NULL, &err);
        assert_true(status == SOP_OK || status == SOP_CORRUPT);
        status = i % 2 == 0 ? sop_btree_cursor_seek_rank(&cursor, at, &err)
                            : sop_btree_cursor_seek(&cursor, tree_model_key(m, at), NULL, &err);
        for (int k = 0; k < 30 && status == SOP_OK && cursor.at_item; k++) {
            sop_slice key = sop_btree_cursor_item(&cursor, &value);
            /* Touch every byte, for the sanitizer. */
            assert_true(sop_checksum64(key.data, key.size, 1) !=
                        sop_checksum64(value.value.data, value.value.size, 2));
            status = sop_test_random(random) % 2 ? sop_btree_cursor_next(&cursor, &err)
                                                 : sop_btree_cursor_prev(&cursor, &err);
        }
        assert_true(status == SOP_OK || status == SOP_CORRUPT);
    }
    size_t findings = 0;
    uint64_t nodes = 0;
    assert_int_equal(sop_btree_check(&view->tree, count_finding, &findings, &nodes, &err), SOP_OK);
    for (int moving = 0; moving < 2; moving++) {
        thinning t = {m, 0, sop_test_random(random)};
        sop_btree_merge_source source = {thin_next, nothing_dead, nothing_dead_value,
                                         moving ? move_some : NULL, &t};
        sop_blob_writer *writer = NULL;
        sop_btree tree;
        assert_int_equal(
            sop_blob_writer_new(view->blobs, SOP_SEGMENT_NODES, 64 << 20, &writer, &err), SOP_OK);
        sop_btree_merge_target target = {writer, v->f.node_size};
        sop_status status = sop_btree__merge(&view->tree, &source, target, &tree, &err);
        assert_true(status == SOP_OK || status == SOP_CORRUPT);
        sop_blob_writer_free(writer);
    }
}

static uint32_t boundary(uint64_t *random, uint32_t old)
{
    static const uint32_t values[] = {0,   1,      7,      8,      63,     64,
                                      255, 0x1fff, 0x7fff, 0x8000, 0xffff, UINT32_MAX};
    uint64_t r = sop_test_random(random);
    if (r % 3 == 0) return old + (uint32_t)(r >> 8) % 9 - 4;
    return values[(r >> 8) % (sizeof values / sizeof values[0])];
}

/* Changes a few fields of a node anywhere, or in the header, or swaps in another node's content. */
static void mutate(uint8_t *node, uint32_t length, uint64_t *random)
{
    uint64_t times = 1 + sop_test_random(random) % 3;
    for (uint64_t i = 0; i < times; i++) {
        uint64_t r = sop_test_random(random);
        uint32_t at = 24 + (uint32_t)(r >> 8) % (length - 28);
        if (r % 4 == 0) at = 24 + (uint32_t)(r >> 8) % 40;
        if (r % 4 == 1) at &= ~1u;
        switch (r >> 4 & 3) {
        case 0:
            node[at] = (uint8_t)boundary(random, node[at]);
            break;
        case 1:
            sop_put_u16le(node + at, (uint16_t)boundary(random, sop_get_u16le(node + at)));
            break;
        case 2:
            sop_put_u32le(node + at, boundary(random, sop_get_u32le(node + at)));
            break;
        default:
            node[at] ^= (uint8_t)(1u << (r >> 60 & 7));
            break;
        }
    }
}

static void fuzz(int kind, uint32_t node_size, size_t count, int rounds, uint64_t *random)
{
    static victim v;
    static uint8_t node[SOP_BTREE_NODE_MAX];
    static uint8_t good[SOP_BTREE_NODE_MAX];
    victim_init(&v, kind, node_size, count);
    sop_error err = {0};
    for (int round = 0; round < rounds; round++) {
        sop_address address = v.nodes[sop_test_random(random) % v.count];
        uint32_t length = sop_address_length(address);
        uint64_t offset = sop_address_offset(address);
        assert_int_equal(sop_file_read_exact(v.file, offset, good, length, &err), SOP_OK);
        memcpy(node, good, length);
        mutate(node, length, random);
        sop_put_u64le(node, sop_checksum64(node + 8, length - 8, 0));
        assert_int_equal(sop_file_write(v.file, offset, node, length, &err), SOP_OK);
        fresh_view view = fresh_open(&v);
        use_everything(&v, &view, random);
        fresh_close(&view);
        assert_int_equal(sop_file_write(v.file, offset, good, length, &err), SOP_OK);
    }
    victim_free(&v);
}

static void test_absurd_nodes_with_right_checksums_never_crash(void **state)
{
    (void)state;
    uint64_t random = sop_test_seed(5);
    printf("seed %llu\n", (unsigned long long)random);
    fuzz(TREE_KEYS_TEXT, 512, 300, 1500, &random);
    fuzz(TREE_KEYS_TIES, 300, 300, 1500, &random);
    fuzz(TREE_KEYS_NUMBER, 4096, 600, 800, &random);
    fuzz(TREE_KEYS_LONG, 512, 60, 500, &random);
}

static void test_children_that_point_elsewhere_never_crash(void **state)
{
    (void)state;
    uint64_t random = sop_test_seed(6);
    static victim v;
    static uint8_t node[SOP_BTREE_NODE_MAX];
    static uint8_t good[SOP_BTREE_NODE_MAX];
    victim_init(&v, TREE_KEYS_TEXT, 512, 300);
    sop_error err = {0};
    for (int round = 0; round < 500; round++) {
        sop_address address = v.nodes[sop_test_random(&random) % v.count];
        sop_address other = v.nodes[sop_test_random(&random) % v.count];
        uint32_t length = sop_address_length(address);
        uint64_t offset = sop_address_offset(address);
        assert_int_equal(sop_file_read_exact(v.file, offset, good, length, &err), SOP_OK);
        memcpy(node, good, length);
        if (sop_btree__level(node) == 0) continue;
        uint32_t child = (uint32_t)(sop_test_random(&random) % sop_btree__count(node));
        uint8_t *entry = node + (sop_btree__addresses(node) - node) + child * SOP_INNER_ADDRESS;
        if (round % 5 == 0) other.place += 64u << 24;
        if (round % 7 == 0) other.segment++;
        sop_put_u64le(entry, other.segment);
        sop_put_u64le(entry + 8, other.place);
        sop_put_u64le(node, sop_checksum64(node + 8, length - 8, 0));
        assert_int_equal(sop_file_write(v.file, offset, node, length, &err), SOP_OK);
        fresh_view view = fresh_open(&v);
        use_everything(&v, &view, &random);
        fresh_close(&view);
        assert_int_equal(sop_file_write(v.file, offset, good, length, &err), SOP_OK);
    }
    victim_free(&v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_flipped_bit_in_any_byte_is_noticed_and_named),
        cmocka_unit_test(test_a_failed_move_leaves_the_cursor_where_it_was),
        cmocka_unit_test(test_absurd_nodes_with_right_checksums_never_crash),
        cmocka_unit_test(test_children_that_point_elsewhere_never_crash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
