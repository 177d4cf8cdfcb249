/* SPDX-License-Identifier: MIT */
/* Large values: streams, references, appends, sharing of segments, damage, syncs, failing
 * allocations. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "backend/backend.h"
#include "blob/blob.h"
#include "blob/blob_private.h"
#include "support/support.h"
#include "util/bytes.h"
#include "util/checksum.h"
#include "util/memory.h"
#include "util/world.h"

static const uint8_t ID[16] = "database of test";
#define EXTENT SOP_VALUE_EXTENT_MAX

typedef struct {
    sop_backend *backend;
    sop_blobs *blobs;
} fixture;

static fixture fixture_new(void)
{
    fixture f = {0};
    sop_error err = {0};
    assert_int_equal(sop_backend_memory_open("", SOP_BACKEND_NEW, &f.backend, &err), SOP_OK);
    assert_int_equal(sop_blobs_open(f.backend, ID, 5, &f.blobs, &err), SOP_OK);
    return f;
}

static void fixture_free(fixture *f)
{
    sop_blobs_close(f->blobs);
    f->backend->ops->free(f->backend);
}

/* The content of value number `salt`, as 8-byte words: any position can be computed. */
static uint64_t word_at(uint64_t salt, uint64_t index)
{
    uint64_t state = salt * 0x1000003 + index;
    return sop_test_random(&state);
}

static void content(uint8_t *out, uint64_t salt, uint64_t from, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        uint64_t at = from + i;
        out[i] = (uint8_t)(word_at(salt, at / 8) >> at % 8 * 8);
    }
}

static sop_status put_stream(fixture *f,
                             sop_value_stream *stream,
                             uint64_t salt,
                             uint64_t from,
                             uint64_t size,
                             sop_error *err)
{
    (void)f;
    static uint8_t part[300007];
    for (uint64_t done = 0; done < size;) {
        size_t n = sizeof part < size - done ? sizeof part : (size_t)(size - done);
        content(part, salt, from + done, n);
        sop_status status = sop_value_stream_write(stream, part, n, err);
        if (status != SOP_OK) return status;
        done += n;
    }
    return SOP_OK;
}

static void put(fixture *f,
                const uint8_t *start,
                uint64_t salt,
                uint64_t from,
                uint64_t size,
                uint8_t *reference)
{
    sop_error err = {0};
    sop_value_stream *stream = NULL;
    assert_int_equal(sop_value_stream_open(f->blobs, NULL, start, &stream, &err), SOP_OK);
    assert_int_equal(put_stream(f, stream, salt, from, size, &err), SOP_OK);
    assert_int_equal(sop_value_stream_finish(stream, reference, &err), SOP_OK);
    sop_value_stream_free(stream);
    assert_int_equal(sop_value_reference_check(reference, 32, &err), SOP_OK);
}

static sop_status read_value(sop_blobs *blobs,
                             const sop_segments *segments,
                             const uint8_t *reference,
                             uint64_t offset,
                             void *buffer,
                             size_t size,
                             size_t *read_out,
                             sop_error *err)
{
    sop_value_source source = {blobs, segments};
    *read_out = size;
    return sop_value_reference_read(source, reference, offset, buffer, read_out, err);
}

static void assert_value(fixture *f, const uint8_t *reference, uint64_t salt, uint64_t size)
{
    static uint8_t got[EXTENT + 7];
    static uint8_t want[sizeof got];
    sop_error err = {0};
    assert_int_equal(sop_value_reference_size(reference), size);
    uint64_t random = salt + size;
    uint64_t at = 0;
    while (at < size) {
        size_t want_size = 1 + (size_t)(sop_test_random(&random) % sizeof got);
        size_t n = 0;
        assert_int_equal(read_value(f->blobs, NULL, reference, at, got, want_size, &n, &err),
                         SOP_OK);
        assert_int_equal(n, want_size < size - at ? want_size : size - at);
        content(want, salt, at, n);
        assert_memory_equal(got, want, n);
        at += n;
    }
    size_t n = 1;
    assert_int_equal(read_value(f->blobs, NULL, reference, size, got, 10, &n, &err), SOP_OK);
    assert_int_equal(n, 0);
}

static const uint64_t SIZES[] = {0,
                                 1,
                                 3000,
                                 65535,
                                 65536,
                                 65537,
                                 200000,
                                 EXTENT - 1,
                                 EXTENT,
                                 EXTENT + 1,
                                 2 * (uint64_t)EXTENT,
                                 2 * (uint64_t)EXTENT + 65537};
enum { SIZE_COUNT = sizeof SIZES / sizeof SIZES[0] };

static sop_status add_footprint(sop_address address, void *context)
{
    *(uint64_t *)context += sop_address_length(address);
    return SOP_OK;
}

static void test_values_of_all_sizes_come_back(void **state)
{
    (void)state;
    fixture f = fixture_new();
    sop_error err = {0};
    uint8_t references[SIZE_COUNT][32];
    for (unsigned i = 0; i < SIZE_COUNT; i++) {
        put(&f, NULL, i, 0, SIZES[i], references[i]);
    }
    assert_int_equal(sop_blobs_sync_values(f.blobs, &err), SOP_OK);
    for (unsigned i = 0; i < SIZE_COUNT; i++) {
        assert_value(&f, references[i], i, SIZES[i]);
        sop_slice whole;
        sop_status status = sop_value_reference_map(f.blobs, NULL, references[i], &whole, &err);
        assert_int_equal(status, SIZES[i] <= EXTENT ? SOP_OK : SOP_UNSUPPORTED);
        if (status == SOP_OK) assert_int_equal(whole.size, SIZES[i]);
        uint64_t bytes = 0;
        assert_int_equal(
            sop_value_reference_walk(f.blobs, NULL, references[i], add_footprint, &bytes, &err),
            SOP_OK);
        uint64_t extents = (SIZES[i] + EXTENT - 1) / EXTENT;
        uint64_t pieces = (SIZES[i] + 65535) / 65536;
        uint64_t lists = extents > 1 ? extents * 16 + 8 : 0;
        assert_int_equal(bytes, SIZES[i] + pieces * 8 + lists);
    }
    fixture_free(&f);
}

static void test_appends_share_full_extents(void **state)
{
    (void)state;
    fixture f = fixture_new();
    for (unsigned i = 0; i < SIZE_COUNT; i += 1) {
        for (unsigned k = 0; k < SIZE_COUNT; k += 3) {
            uint8_t before[32];
            uint8_t after[32];
            put(&f, NULL, 9, 0, SIZES[i], before);
            put(&f, before, 9, SIZES[i], SIZES[k], after);
            assert_value(&f, after, 9, SIZES[i] + SIZES[k]);
        }
        assert_int_equal(sop_blobs_sync_values(f.blobs, NULL), SOP_OK);
    }
    uint8_t before[32];
    uint8_t after[32];
    put(&f, NULL, 3, 0, 2 * (uint64_t)EXTENT, before);
    sop_segment_row rows[100];
    size_t count = sop_blobs_value_segments(f.blobs, rows, 100);
    assert_true(count >= 2 && count <= 100);
    uint64_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        bytes += rows[i].size;
    }
    put(&f, before, 3, 2 * (uint64_t)EXTENT, 100, after);
    count = sop_blobs_value_segments(f.blobs, rows, 100);
    for (size_t i = 0; i < count; i++) {
        bytes -= rows[i].size;
    }
    /* Only the new piece and a new list were written (a new segment has a header). */
    assert_true(0 - bytes <= SOP_SEGMENT_HEADER + 1024);
    assert_value(&f, after, 3, 2 * (uint64_t)EXTENT + 100);
    fixture_free(&f);
}

typedef struct {
    uint8_t addresses[SOP_VALUE_FAN_OUT * 16 + 64];
    uint32_t count;
} test_list;

static void test_list_seal(void *context, sop_address address)
{
    test_list *list = context;
    size_t size = list->count * (size_t)16;
    sop_put_u64le(list->addresses + size,
                  sop_checksum64(list->addresses, size, sop_blob__seed(address, 0)));
}

static sop_address list_of(fixture *f, sop_address child, uint32_t count, sop_address last)
{
    static test_list list;
    memset(&list, 0, sizeof list);
    list.count = count;
    for (uint32_t i = 0; i < count; i++) {
        sop_address a = i + 1 == count ? last : child;
        sop_put_u64le(list.addresses + i * (size_t)16, a.segment);
        sop_put_u64le(list.addresses + i * (size_t)16 + 8, a.place);
    }
    sop_value_blob blob = {list.addresses, count * 16 + 8, 64, test_list_seal, &list};
    sop_address address;
    assert_int_equal(sop_blob__value_write(f->blobs, &blob, &address, NULL), SOP_OK);
    return address;
}

/* Values of very many extents, all of which are one and the same blob: only the lists are real. */
static void test_lists_of_lists_are_read_and_appended(void **state)
{
    (void)state;
    fixture f = fixture_new();
    sop_error err = {0};
    uint8_t one[32];
    put(&f, NULL, 4, 0, EXTENT, one);
    sop_value_reference value;
    assert_int_equal(sop_blob__reference_decode(one, 32, &value, &err), SOP_OK);
    sop_address extent = value.root;
    sop_address full = list_of(&f, extent, SOP_VALUE_FAN_OUT, extent);
    /* Two full lists and one of three extents: two levels. */
    sop_address part = list_of(&f, extent, 3, extent);
    sop_address root = list_of(&f, full, 3, part);
    uint8_t reference[32];
    uint64_t extents = 2 * SOP_VALUE_FAN_OUT + 3;
    assert_int_equal(sop_blob__levels(extents), 2);
    value = (sop_value_reference){extents * EXTENT, root, 2};
    sop_blob__reference_encode(&value, reference);
    uint8_t got[64];
    uint8_t want[64];
    uint64_t random = 1;
    for (int i = 0; i < 1000; i++) {
        uint64_t index = sop_test_random(&random) % extents;
        uint64_t from = sop_test_random(&random) % (EXTENT - 64);
        size_t n = 0;
        assert_int_equal(
            read_value(f.blobs, NULL, reference, index * EXTENT + from, got, 64, &n, &err), SOP_OK);
        content(want, 4, from, 64);
        assert_memory_equal(got, want, 64);
    }
    /* Append to it, and to one whose last list is full. */
    uint8_t longer[32];
    put(&f, reference, 4, 0, EXTENT + 5, longer);
    assert_int_equal(sop_value_reference_size(longer), extents * EXTENT + EXTENT + 5);
    size_t n = 0;
    assert_int_equal(read_value(f.blobs, NULL, longer, (extents + 1) * EXTENT, got, 64, &n, &err),
                     SOP_OK);
    assert_int_equal(n, 5);
    content(want, 4, EXTENT, 5);
    assert_memory_equal(got, want, 5);
    value = (sop_value_reference){2 * (uint64_t)SOP_VALUE_FAN_OUT * EXTENT,
                                  list_of(&f, full, 2, full), 2};
    sop_blob__reference_encode(&value, reference);
    put(&f, reference, 4, 0, 0, longer);
    put(&f, longer, 4, 0, 77, reference);
    assert_int_equal(read_value(f.blobs, NULL, reference, value.size, got, 64, &n, &err), SOP_OK);
    assert_int_equal(n, 64);
    content(want, 4, 0, 64);
    assert_memory_equal(got, want, 64);
    /* Three levels, past 128 TiB. */
    sop_address full2 = list_of(&f, full, SOP_VALUE_FAN_OUT, full);
    sop_address part2 = list_of(&f, part, 1, part);
    extents = (uint64_t)SOP_VALUE_FAN_OUT * SOP_VALUE_FAN_OUT + 3;
    value = (sop_value_reference){extents * EXTENT, list_of(&f, full2, 2, part2), 3};
    sop_blob__reference_encode(&value, reference);
    put(&f, reference, 4, 0, 9, longer);
    assert_int_equal(read_value(f.blobs, NULL, longer, value.size, got, 64, &n, &err), SOP_OK);
    assert_int_equal(n, 9);
    fixture_free(&f);
}

static void test_bad_references_are_refused(void **state)
{
    (void)state;
    fixture f = fixture_new();
    sop_error err = {0};
    uint8_t good[32];
    put(&f, NULL, 1, 0, 5000, good);
    assert_int_equal(sop_value_reference_check(good, 31, &err), SOP_CORRUPT);
    for (unsigned i = 0; i < 256; i++) {
        uint8_t bad[32];
        memcpy(bad, good, 32);
        bad[i / 8] ^= (uint8_t)(1 << i % 8);
        sop_slice slice;
        assert_int_equal(sop_value_reference_map(f.blobs, NULL, bad, &slice, &err), SOP_CORRUPT);
    }
    memset(good, 0, 32);
    assert_int_equal(sop_value_reference_check(good, 32, &err), SOP_OK);
    fixture_free(&f);
}

static void test_flipped_bits_of_a_value_are_noticed(void **state)
{
    (void)state;
    sop_error err = {0};
    for (unsigned i = 0; i < 60; i++) {
        fixture f = fixture_new();
        uint8_t reference[32];
        uint64_t size = 3 * 65536 + 100;
        put(&f, NULL, 1, 0, size, reference);
        sop_value_reference value;
        assert_int_equal(sop_blob__reference_decode(reference, 32, &value, &err), SOP_OK);
        char name[SOP_SEGMENT_NAME_SIZE];
        sop_blob__name(value.root.segment, name);
        sop_file *file = NULL;
        assert_int_equal(sop_file_open(f.backend, name, SOP_FILE_WRITE, &file, &err), SOP_OK);
        uint64_t at = sop_address_offset(value.root) +
                      (uint64_t)i * (sop_address_length(value.root) - 1) / 59;
        uint8_t byte = 0;
        assert_int_equal(sop_file_read_exact(file, at, &byte, 1, &err), SOP_OK);
        byte ^= 0x10;
        assert_int_equal(sop_file_write(file, at, &byte, 1, &err), SOP_OK);
        sop_file_close(file);
        sop_slice slice;
        assert_int_equal(sop_value_reference_map(f.blobs, NULL, reference, &slice, &err),
                         SOP_CORRUPT);
        assert_non_null(strstr(err.message, name));
        fixture_free(&f);
    }
}

static void test_sealed_values_move_to_a_new_segment(void **state)
{
    (void)state;
    fixture f = fixture_new();
    sop_error err = {0};
    uint8_t one[32];
    uint8_t two[32];
    uint8_t three[32];
    put(&f, NULL, 1, 0, 5000, one);
    put(&f, NULL, 2, 0, 5000, two);
    sop_blobs_seal_values(f.blobs);
    put(&f, NULL, 3, 0, 5000, three);
    assert_int_equal(sop_get_u64le(one + 8), sop_get_u64le(two + 8));
    assert_int_not_equal(sop_get_u64le(one + 8), sop_get_u64le(three + 8));
    assert_int_equal(sop_blobs_sync_values(f.blobs, &err), SOP_OK);
    sop_segment_row rows[4];
    assert_int_equal(sop_blobs_value_segments(f.blobs, rows, 1), 2);
    assert_int_equal(sop_blobs_value_segments(f.blobs, rows, 4), 2);
    /* The same segments as rows of a table, in another process. */
    sop_blobs *other = NULL;
    sop_segments *set = NULL;
    assert_int_equal(sop_blobs_open(f.backend, ID, 6, &other, &err), SOP_OK);
    assert_int_equal(sop_segments_open(other, rows, 2, &set, &err), SOP_OK);
    sop_slice slice;
    uint8_t want[5000];
    assert_int_equal(sop_value_reference_map(other, set, three, &slice, &err), SOP_OK);
    content(want, 3, 0, 5000);
    assert_memory_equal(slice.data, want, 5000);
    assert_int_equal(sop_value_reference_map(other, NULL, one, &slice, &err), SOP_CORRUPT);
    assert_int_equal(sop_blobs_adopt(other, sop_get_u64le(one + 8), &err), SOP_OK);
    assert_int_equal(sop_value_reference_map(other, NULL, one, &slice, &err), SOP_OK);
    sop_segments_release(set);
    sop_blobs_close(other);
    fixture_free(&f);
}

enum { TASKS = 4, VALUES_EACH = 60 };
typedef struct {
    fixture *f;
    uint64_t salt;
    uint8_t references[VALUES_EACH][32];
    uint64_t sizes[VALUES_EACH];
    int failed;
} writer_task;

static void writer_run(void *argument)
{
    writer_task *task = argument;
    uint8_t part[4096];
    uint64_t random = task->salt;
    for (unsigned i = 0; i < VALUES_EACH; i++) {
        sop_value_stream *stream = NULL;
        uint64_t size = 1 + sop_test_random(&random) % (i % 8 == 0 ? 400000 : 9000);
        sop_status status = sop_value_stream_open(task->f->blobs, NULL, NULL, &stream, NULL);
        for (uint64_t at = 0; at < size && status == SOP_OK; at += sizeof part) {
            size_t n = size - at < sizeof part ? (size_t)(size - at) : sizeof part;
            content(part, task->salt * 1000 + i, at, n);
            status = sop_value_stream_write(stream, part, n, NULL);
        }
        if (status == SOP_OK) status = sop_value_stream_finish(stream, task->references[i], NULL);
        sop_value_stream_free(stream);
        if (i % 7 == 0 && status == SOP_OK) status = sop_blobs_sync_values(task->f->blobs, NULL);
        if (i % 31 == 30) sop_blobs_seal_values(task->f->blobs);
        task->sizes[i] = size;
        if (status != SOP_OK) task->failed = 1;
    }
}

static void test_streams_of_several_threads_share_segments(void **state)
{
    (void)state;
    fixture f = fixture_new();
    static writer_task tasks[TASKS];
    sop_task *running[TASKS];
    for (unsigned i = 0; i < TASKS; i++) {
        tasks[i] = (writer_task){.f = &f, .salt = i + 1};
        assert_int_equal(sop_task_start(&running[i], writer_run, &tasks[i]), SOP_OK);
    }
    for (unsigned i = 0; i < TASKS; i++) {
        sop_task_join(running[i]);
        assert_false(tasks[i].failed);
    }
    assert_int_equal(sop_blobs_sync_values(f.blobs, NULL), SOP_OK);
    for (unsigned i = 0; i < TASKS; i++) {
        for (unsigned k = 0; k < VALUES_EACH; k++) {
            assert_value(&f, tasks[i].references[k], tasks[i].salt * 1000 + k, tasks[i].sizes[k]);
        }
    }
    fixture_free(&f);
}

/* --- a backend whose syncs fail when told to --- */
static int sync_fails;
static int syncs;
static sop_backend_ops failing_ops;
static sop_status (*real_sync)(sop_file *, sop_error *);

static sop_status failing_sync(sop_file *file, sop_error *err)
{
    syncs++;
    if (sync_fails) {
        err->status = SOP_IO;
        (void)snprintf(err->message, sizeof err->message, "%s: planted", file->name);
        return SOP_IO;
    }
    return real_sync(file, err);
}

static void test_a_failed_sync_is_final(void **state)
{
    (void)state;
    fixture f = fixture_new();
    sop_error err = {0};
    uint8_t reference[32];
    failing_ops = *f.backend->ops;
    real_sync = failing_ops.file_sync;
    failing_ops.file_sync = failing_sync;
    f.backend->ops = &failing_ops;
    syncs = 0;
    sync_fails = 0;
    put(&f, NULL, 1, 0, 100, reference);
    put(&f, NULL, 1, 0, 100, reference);
    assert_int_equal(sop_blobs_sync_values(f.blobs, &err), SOP_OK);
    assert_int_equal(sop_blobs_sync_values(f.blobs, &err), SOP_OK);
    assert_int_equal(syncs, 1);
    put(&f, NULL, 1, 0, 100, reference);
    sync_fails = 1;
    assert_int_equal(sop_blobs_sync_values(f.blobs, &err), SOP_IO);
    assert_non_null(strstr(err.message, "planted"));
    sync_fails = 0;
    assert_int_equal(sop_blobs_sync_values(f.blobs, &err), SOP_IO);
    put(&f, NULL, 1, 0, 100, reference);
    assert_int_equal(sop_blobs_sync_values(f.blobs, &err), SOP_IO);
    assert_int_equal(syncs, 2);
    fixture_free(&f);
}

static sop_status whole_life(fixture *f, sop_error *err)
{
    uint8_t before[32];
    uint8_t after[32];
    sop_value_stream *stream = NULL;
    sop_status status = sop_value_stream_open(f->blobs, NULL, NULL, &stream, err);
    if (status == SOP_OK) status = put_stream(f, stream, 1, 0, EXTENT + 10, err);
    if (status == SOP_OK) status = sop_value_stream_finish(stream, before, err);
    sop_value_stream_free(stream);
    stream = NULL;
    if (status == SOP_OK) status = sop_blobs_sync_values(f->blobs, err);
    if (status == SOP_OK) status = sop_value_stream_open(f->blobs, NULL, before, &stream, err);
    if (status == SOP_OK) status = put_stream(f, stream, 1, EXTENT + 10, 70000, err);
    if (status == SOP_OK) status = sop_value_stream_finish(stream, after, err);
    sop_value_stream_free(stream);
    sop_memory_fail_at(0, 0);
    if (status == SOP_OK) assert_value(f, after, 1, EXTENT + 70010);
    return status;
}

static void test_every_failing_allocation_is_reported_and_leaks_nothing(void **state)
{
    (void)state;
    int reached = 1;
    for (uint64_t n = 1; reached; n++) {
        fixture f = fixture_new();
        sop_error err = {0};
        sop_memory_fail_at(n, n % 2 == 0);
        sop_status status = whole_life(&f, &err);
        reached = status != SOP_OK;
        if (reached) assert_int_equal(status, SOP_NO_MEMORY);
        assert_true(n < 100);
        fixture_free(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values_of_all_sizes_come_back),
        cmocka_unit_test(test_appends_share_full_extents),
        cmocka_unit_test(test_lists_of_lists_are_read_and_appended),
        cmocka_unit_test(test_bad_references_are_refused),
        cmocka_unit_test(test_flipped_bits_of_a_value_are_noticed),
        cmocka_unit_test(test_sealed_values_move_to_a_new_segment),
        cmocka_unit_test(test_streams_of_several_threads_share_segments),
        cmocka_unit_test(test_a_failed_sync_is_final),
        cmocka_unit_test(test_every_failing_allocation_is_reported_and_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
