/* SPDX-License-Identifier: MIT */
/* The bytes of segments, nodes and values of today: written the same, and read for ever. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "backend/backend.h"
#include "blob/blob.h"
#include "btree/btree_build.h"
#include "util/bytes.h"

static const uint8_t ID[16] = "golden database!";
enum { INCARNATION = 0x60, ITEMS = 60, NODE_SIZE = 512, GOLDEN_MAX = 1 << 16 };
#define SEGMENT ((uint64_t)INCARNATION << 24 | 1)
#define NAME    "seg/0000000060.000001"

typedef struct {
    sop_backend *backend;
    sop_blobs *blobs;
} fixture;

static fixture fixture_new(void)
{
    fixture f = {0};
    sop_error err = {0};
    assert_int_equal(sop_backend_memory_open("", SOP_BACKEND_NEW, &f.backend, &err), SOP_OK);
    assert_int_equal(sop_blobs_open(f.backend, ID, INCARNATION, &f.blobs, &err), SOP_OK);
    return f;
}

static void fixture_free(fixture *f)
{
    sop_blobs_close(f->blobs);
    f->backend->ops->free(f->backend);
}

/* --- golden files --- */

static void golden_path(const char *name, char out[512])
{
    (void)snprintf(out, 512, "%s/%s", SOP_TEST_GOLDEN, name);
}

static size_t golden_read(const char *name, uint8_t *out)
{
    char path[512];
    golden_path(name, path);
    FILE *in = fopen(path, "rb");
    assert_non_null(in);
    size_t size = fread(out, 1, GOLDEN_MAX, in);
    (void)fclose(in);
    return size;
}

static void golden_check(const char *name, const uint8_t *bytes, size_t size)
{
    static uint8_t stored[GOLDEN_MAX];
    if (getenv("SOP_TEST_GOLDEN_WRITE") != NULL) {
        char path[512];
        golden_path(name, path);
        FILE *out = fopen(path, "wb");
        assert_non_null(out);
        assert_int_equal(fwrite(bytes, 1, size, out), size);
        assert_int_equal(fclose(out), 0);
    }
    assert_int_equal(golden_read(name, stored), size);
    assert_memory_equal(stored, bytes, size);
}

/* The whole file of the segment, as it lies in the backend. */
static size_t segment_bytes(fixture *f, uint8_t *out)
{
    sop_error err = {0};
    sop_file *file = NULL;
    size_t size = 0;
    assert_int_equal(sop_file_open(f->backend, NAME, 0, &file, &err), SOP_OK);
    assert_int_equal(sop_file_read(file, 0, out, GOLDEN_MAX, &size, &err), SOP_OK);
    sop_file_close(file);
    return size;
}

/* A golden file becomes the segment of a new database. */
static size_t segment_plant(fixture *f, const char *name)
{
    static uint8_t stored[GOLDEN_MAX];
    sop_error err = {0};
    sop_file *file = NULL;
    size_t size = golden_read(name, stored);
    assert_int_equal(sop_file_open(f->backend, NAME, SOP_FILE_WRITE | SOP_FILE_CREATE, &file, &err),
                     SOP_OK);
    assert_int_equal(sop_file_write(file, 0, stored, size, &err), SOP_OK);
    sop_file_close(file);
    return size;
}

/* --- what the golden tree holds: keys with a prefix of 10 or of 25 bytes, an empty value, a reference --- */

static sop_slice item_key(uint32_t i, char out[64])
{
    const char *shared = i < 30 ? "documents/" : "documents/of/a/long/prefix/";
    return sop_slice_of(out, (size_t)snprintf(out, 64, "%s%05u", shared, i * i));
}

static sop_slice item_value(uint32_t i, uint8_t out[SOP_VALUE_REFERENCE_SIZE], int *is_reference)
{
    *is_reference = i == 17;
    memset(out, 0, SOP_VALUE_REFERENCE_SIZE);
    if (*is_reference) {
        sop_put_u64le(out, 5000);
        sop_put_u64le(out + 8, SEGMENT + 1);
        sop_put_u64le(out + 16, (uint64_t)4096 << 24 | 5008);
        return sop_slice_of(out, SOP_VALUE_REFERENCE_SIZE);
    }
    memset(out, (int)('a' + i % 26), SOP_VALUE_REFERENCE_SIZE);
    return sop_slice_of(out, i % SOP_VALUE_REFERENCE_SIZE);
}

static sop_btree golden_tree(fixture *f)
{
    sop_error err = {0};
    sop_blob_writer *writer = NULL;
    sop_btree_builder *builder = NULL;
    const sop_segment_row *rows = NULL;
    size_t count = 0;
    sop_btree tree;
    assert_int_equal(sop_blob_writer_new(f->blobs, SOP_SEGMENT_NODES, 1 << 20, &writer, &err),
                     SOP_OK);
    assert_int_equal(sop_btree__builder_new(writer, NODE_SIZE, &builder, &err), SOP_OK);
    for (uint32_t i = 0; i < ITEMS; i++) {
        char key[64];
        uint8_t value[SOP_VALUE_REFERENCE_SIZE];
        int is_reference = 0;
        sop_slice v = item_value(i, value, &is_reference);
        assert_int_equal(sop_btree_builder_add(builder, item_key(i, key), v, is_reference, &err),
                         SOP_OK);
    }
    assert_int_equal(sop_btree_builder_finish(builder, &tree, &err), SOP_OK);
    assert_int_equal(sop_blob_writer_finish(writer, &rows, &count, &err), SOP_OK);
    assert_int_equal(count, 1);
    sop_btree_builder_free(builder);
    sop_blob_writer_free(writer);
    return tree;
}

static void test_nodes_are_written_as_in_the_golden_file(void **state)
{
    (void)state;
    static uint8_t bytes[GOLDEN_MAX];
    fixture f = fixture_new();
    sop_btree tree = golden_tree(&f);
    assert_int_equal(tree.height, 2);
    golden_check("segment_nodes.bin", bytes, segment_bytes(&f, bytes));
    uint8_t row[SOP_BTREE_ROW_SIZE];
    sop_btree_encode(&tree, row);
    golden_check("tree_row.bin", row, sizeof row);
    fixture_free(&f);
}

static void on_finding(sop_status status, const char *message, void *context)
{
    (void)context;
    fail_msg("%d %s", status, message);
}

static void test_nodes_of_the_golden_file_are_read(void **state)
{
    (void)state;
    static uint8_t row[GOLDEN_MAX];
    fixture f = fixture_new();
    sop_error err = {0};
    sop_segments *set = NULL;
    sop_btree tree;
    sop_segment_row table = {SEGMENT, SOP_SEGMENT_NODES, segment_plant(&f, "segment_nodes.bin"), 0};
    assert_int_equal(sop_segments_open(f.blobs, &table, 1, &set, &err), SOP_OK);
    sop_slice stored = {row, golden_read("tree_row.bin", row)};
    assert_int_equal(sop_btree_decode(stored, set, &tree, &err), SOP_OK);
    assert_int_equal(tree.count, ITEMS);
    uint64_t nodes = 0;
    assert_int_equal(sop_btree_check(&tree, on_finding, NULL, &nodes, &err), SOP_OK);
    for (uint32_t i = 0; i < ITEMS; i++) {
        char key[64];
        uint8_t value[SOP_VALUE_REFERENCE_SIZE];
        int is_reference = 0;
        sop_slice want = item_value(i, value, &is_reference);
        sop_btree_value got;
        assert_int_equal(sop_btree_get(&tree, item_key(i, key), &got, &err), SOP_OK);
        assert_true(sop_slice_equal(got.value, want));
        assert_int_equal(got.is_reference != 0, is_reference);
    }
    sop_segments_release(set);
    fixture_free(&f);
}

/* --- values --- */

enum { VALUE_SIZE = 5000 };

static void fill_value(uint8_t *out)
{
    for (size_t i = 0; i < VALUE_SIZE; i++) {
        out[i] = (uint8_t)(i * 13 >> 3);
    }
}

static void test_values_are_written_as_in_the_golden_file(void **state)
{
    (void)state;
    static uint8_t bytes[GOLDEN_MAX];
    uint8_t value[VALUE_SIZE];
    uint8_t reference[SOP_VALUE_REFERENCE_SIZE];
    fixture f = fixture_new();
    sop_error err = {0};
    sop_value_stream *stream = NULL;
    fill_value(value);
    assert_int_equal(sop_value_stream_open(f.blobs, NULL, NULL, &stream, &err), SOP_OK);
    assert_int_equal(sop_value_stream_write(stream, value, sizeof value, &err), SOP_OK);
    assert_int_equal(sop_value_stream_finish(stream, reference, &err), SOP_OK);
    sop_value_stream_free(stream);
    golden_check("segment_values.bin", bytes, segment_bytes(&f, bytes));
    golden_check("value_reference.bin", reference, sizeof reference);
    fixture_free(&f);
}

static void test_values_of_the_golden_file_are_read(void **state)
{
    (void)state;
    static uint8_t reference[GOLDEN_MAX];
    uint8_t value[VALUE_SIZE];
    fixture f = fixture_new();
    sop_error err = {0};
    sop_slice got;
    fill_value(value);
    (void)segment_plant(&f, "segment_values.bin");
    assert_int_equal(golden_read("value_reference.bin", reference), SOP_VALUE_REFERENCE_SIZE);
    assert_int_equal(sop_blobs_adopt(f.blobs, SEGMENT, &err), SOP_OK);
    assert_int_equal(sop_value_reference_map(f.blobs, NULL, reference, &got, &err), SOP_OK);
    assert_int_equal(got.size, VALUE_SIZE);
    assert_memory_equal(got.data, value, VALUE_SIZE);
    fixture_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nodes_are_written_as_in_the_golden_file),
        cmocka_unit_test(test_nodes_of_the_golden_file_are_read),
        cmocka_unit_test(test_values_are_written_as_in_the_golden_file),
        cmocka_unit_test(test_values_of_the_golden_file_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
