/* SPDX-License-Identifier: MIT */
/* Segments: writing, sets, reading, the registry, removal, damage, failing allocations. */
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
#include "util/memory.h"
#include "util/world.h"

static const uint8_t ID[16] = "database of test";
#define INCARNATION 0x1234567890u

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

/* Content of the blob that a test writes as number i. */
static uint8_t byte_of(size_t i, size_t k)
{
    return (uint8_t)(i * 31 + k * 7 + (k >> 8));
}

static void fill(uint8_t *out, size_t i, size_t size)
{
    for (size_t k = 0; k < size; k++) {
        out[k] = byte_of(i, k);
    }
}

static void assert_content(const uint8_t *data, size_t i, size_t size)
{
    for (size_t k = 0; k < size; k++) {
        if (data[k] != byte_of(i, k)) fail_msg("blob %zu byte %zu", i, k);
    }
}

enum { BLOBS = 400 };
static uint8_t scratch[1 << 20];

/* Writes BLOBS blobs of random size; returns the writer, finished. */
static sop_blob_writer *
write_many(fixture *f, uint32_t kind, uint64_t max, sop_address *addresses, size_t size_max)
{
    sop_error err = {0};
    sop_blob_writer *writer = NULL;
    uint64_t random = 7;
    assert_int_equal(sop_blob_writer_new(f->blobs, kind, max, &writer, &err), SOP_OK);
    uint64_t bytes = 0;
    for (size_t i = 0; i < BLOBS; i++) {
        size_t size = 1 + (size_t)(sop_test_random(&random) % size_max);
        fill(scratch, i, size);
        assert_int_equal(sop_blob_writer_place(writer, size, &addresses[i], &err), SOP_OK);
        assert_int_equal(sop_blob_writer_append(writer, scratch, size, &err), SOP_OK);
        assert_int_equal(sop_address_length(addresses[i]), size);
        assert_int_equal(sop_address_offset(addresses[i]) % SOP_BLOB_ALIGN, 0);
        bytes += sop_address_footprint(addresses[i]);
    }
    assert_int_equal(sop_blob_writer_bytes(writer), bytes);
    return writer;
}

static void test_blobs_come_back_from_several_segments(void **state)
{
    (void)state;
    fixture f = fixture_new();
    sop_error err = {0};
    sop_address addresses[BLOBS];
    uint64_t max = 10u << 20;
    sop_blob_writer *writer = write_many(&f, SOP_SEGMENT_NODES, max, addresses, 200000);
    const sop_segment_row *rows = NULL;
    size_t count = 0;
    assert_int_equal(sop_blob_writer_finish(writer, &rows, &count, &err), SOP_OK);
    assert_true(count >= 3);
    uint64_t live = 0;
    for (size_t i = 0; i < count; i++) {
        assert_true(rows[i].size <= max);
        assert_int_equal(rows[i].kind, SOP_SEGMENT_NODES);
        assert_int_equal(rows[i].size, rows[i].live + SOP_SEGMENT_HEADER);
        live += rows[i].live;
    }
    assert_int_equal(live, sop_blob_writer_bytes(writer));
    sop_segments *set = NULL;
    assert_int_equal(sop_segments_open(f.blobs, rows, count, &set, &err), SOP_OK);
    assert_int_equal(sop_segments_count(set), count);
    sop_blob_writer_free(writer);
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < BLOBS; i++) {
            const uint8_t *data = NULL;
            int first = -1;
            sop_blob_prefetch(set, addresses[i]);
            assert_int_equal(sop_blob_read(set, addresses[i], &data, &first, &err), SOP_OK);
            assert_int_equal(first, round == 0);
            assert_content(data, i, sop_address_length(addresses[i]));
            sop_blob_verified(set, addresses[i]);
        }
    }
    sop_segments_release(set);
    fixture_free(&f);
}

static void test_sets_share_maps_and_their_verified_bits(void **state)
{
    (void)state;
    fixture f = fixture_new();
    sop_error err = {0};
    sop_address addresses[BLOBS];
    sop_blob_writer *writer = write_many(&f, SOP_SEGMENT_NODES, 1 << 20, addresses, 20000);
    const sop_segment_row *rows = NULL;
    size_t count = 0;
    assert_int_equal(sop_blob_writer_finish(writer, &rows, &count, &err), SOP_OK);
    sop_segments *one = NULL;
    sop_segments *two = NULL;
    assert_int_equal(sop_segments_open(f.blobs, rows, count, &one, &err), SOP_OK);
    const uint8_t *data = NULL;
    const uint8_t *again = NULL;
    int first = 0;
    assert_int_equal(sop_blob_read(one, addresses[0], &data, &first, &err), SOP_OK);
    sop_blob_verified(one, addresses[0]);
    /* The second set holds only the first segment, which must outlive the first set. */
    assert_int_equal(sop_segments_open(f.blobs, rows, 1, &two, &err), SOP_OK);
    sop_segments_acquire(two);
    sop_segments_release(two);
    sop_segments_release(one);
    assert_int_equal(sop_blob_read(two, addresses[0], &again, &first, &err), SOP_OK);
    assert_int_equal(first, 0);
    assert_ptr_equal(data, again);
    assert_content(again, 0, sop_address_length(addresses[0]));
    assert_int_equal(sop_blob_read(two, addresses[BLOBS - 1], &data, &first, &err), SOP_CORRUPT);
    assert_non_null(strstr(err.message, "unknown segment"));
    sop_segments_release(two);
    sop_blob_writer_free(writer);
    fixture_free(&f);
}

static void test_addresses_outside_a_segment_are_corrupt(void **state)
{
    (void)state;
    fixture f = fixture_new();
    sop_error err = {0};
    sop_address addresses[BLOBS];
    sop_blob_writer *writer = write_many(&f, SOP_SEGMENT_NODES, 64 << 20, addresses, 100);
    const sop_segment_row *rows = NULL;
    size_t count = 0;
    assert_int_equal(sop_blob_writer_finish(writer, &rows, &count, &err), SOP_OK);
    sop_segments *set = NULL;
    assert_int_equal(sop_segments_open(f.blobs, rows, count, &set, &err), SOP_OK);
    uint64_t id = rows[0].segment;
    uint64_t size = sop_round_up(rows[0].size, SOP_DIRECT_ALIGN);
    const sop_address bad[] = {
        sop_address_make(id, 0, 64),        sop_address_make(id, 4032, 64),
        sop_address_make(id, 4097, 64),     sop_address_make(id, 4096, 0),
        sop_address_make(id, size, 1),      sop_address_make(id, size - 64, 65),
        sop_address_make(id + 1, 4096, 64), sop_address_make(id, ((uint64_t)1 << 40) - 64, 64),
        sop_address_make(0, 4096, 64),
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const uint8_t *data = NULL;
        int first = 0;
        sop_blob_prefetch(set, bad[i]);
        assert_int_equal(sop_blob_read(set, bad[i], &data, &first, &err), SOP_CORRUPT);
        assert_non_null(strstr(err.message, "seg/"));
    }
    sop_segments_release(set);
    sop_blob_writer_free(writer);
    fixture_free(&f);
}

static sop_status count_segment(uint64_t segment, uint64_t size, void *context)
{
    size_t *count = context;
    assert_int_equal(segment >> 24, INCARNATION);
    assert_int_equal(size % SOP_DIRECT_ALIGN, 0);
    (*count)++;
    return SOP_OK;
}

static size_t segment_files(fixture *f)
{
    sop_error err = {0};
    size_t count = 0;
    assert_int_equal(sop_segments_list(f->blobs, count_segment, &count, &err), SOP_OK);
    return count;
}

static void test_unfinished_writer_leaves_no_file(void **state)
{
    (void)state;
    fixture f = fixture_new();
    sop_address addresses[BLOBS];
    sop_blob_writer *writer = write_many(&f, SOP_SEGMENT_NODES, 1 << 20, addresses, 20000);
    assert_true(segment_files(&f) > 2);
    sop_blob_writer_free(writer);
    assert_int_equal(segment_files(&f), 0);
    fixture_free(&f);
}

static void test_removed_segment_stays_readable_for_older_sets(void **state)
{
    (void)state;
    fixture f = fixture_new();
    sop_error err = {0};
    sop_address addresses[BLOBS];
    sop_blob_writer *writer = write_many(&f, SOP_SEGMENT_RUNS, 64 << 20, addresses, 1000);
    const sop_segment_row *rows = NULL;
    size_t count = 0;
    assert_int_equal(sop_blob_writer_finish(writer, &rows, &count, &err), SOP_OK);
    sop_segments *empty = NULL;
    assert_int_equal(sop_segments_open(f.blobs, NULL, 0, &empty, &err), SOP_OK);
    const uint8_t *data = NULL;
    int first = 0;
    assert_int_equal(sop_blob_read(empty, addresses[5], &data, &first, &err), SOP_CORRUPT);
    assert_int_equal(sop_blobs_adopt(f.blobs, rows[0].segment, &err), SOP_OK);
    assert_int_equal(sop_blobs_adopt(f.blobs, rows[0].segment, &err), SOP_OK);
    assert_int_equal(sop_segment_remove(f.blobs, rows[0].segment, &err), SOP_OK);
    assert_int_equal(segment_files(&f), 0);
    /* Runs remember nothing: each read is a first one. */
    for (int i = 0; i < 2; i++) {
        assert_int_equal(sop_blob_read(empty, addresses[5], &data, &first, &err), SOP_OK);
        assert_int_equal(first, 1);
        sop_blob_verified(empty, addresses[5]);
        assert_content(data, 5, sop_address_length(addresses[5]));
    }
    sop_segments *later = NULL;
    assert_int_equal(sop_segments_open(f.blobs, NULL, 0, &later, &err), SOP_OK);
    sop_segments_release(empty);
    assert_int_equal(sop_blob_read(later, addresses[5], &data, &first, &err), SOP_CORRUPT);
    sop_segments_release(later);
    assert_int_equal(sop_segment_remove(f.blobs, rows[0].segment, &err), SOP_NOT_FOUND);
    assert_int_equal(sop_blobs_adopt(f.blobs, rows[0].segment, &err), SOP_NOT_FOUND);
    sop_blob_writer_free(writer);
    fixture_free(&f);
}

static void test_tables_that_do_not_fit_the_files_are_refused(void **state)
{
    (void)state;
    fixture f = fixture_new();
    sop_error err = {0};
    sop_address addresses[BLOBS];
    sop_blob_writer *writer = write_many(&f, SOP_SEGMENT_NODES, 64 << 20, addresses, 1000);
    const sop_segment_row *rows = NULL;
    size_t count = 0;
    assert_int_equal(sop_blob_writer_finish(writer, &rows, &count, &err), SOP_OK);
    sop_segments *set = NULL;
    sop_segment_row row = rows[0];
    row.size = sop_round_up(row.size, SOP_DIRECT_ALIGN) + 1;
    assert_int_equal(sop_segments_open(f.blobs, &row, 1, &set, &err), SOP_CORRUPT);
    assert_null(set);
    row = rows[0];
    row.kind = SOP_SEGMENT_VALUES;
    assert_int_equal(sop_segments_open(f.blobs, &row, 1, &set, &err), SOP_CORRUPT);
    row.kind = 9;
    assert_int_equal(sop_segments_open(f.blobs, &row, 1, &set, &err), SOP_CORRUPT);
    row = rows[0];
    row.segment++;
    assert_int_equal(sop_segments_open(f.blobs, &row, 1, &set, &err), SOP_NOT_FOUND);
    sop_segment_row twice[2] = {rows[0], rows[0]};
    assert_int_equal(sop_segments_open(f.blobs, twice, 2, &set, &err), SOP_CORRUPT);
    sop_blob_writer_free(writer);
    fixture_free(&f);
}

static void test_every_flipped_header_bit_is_noticed(void **state)
{
    (void)state;
    fixture f = fixture_new();
    sop_error err = {0};
    sop_address addresses[BLOBS];
    sop_blob_writer *writer = write_many(&f, SOP_SEGMENT_NODES, 64 << 20, addresses, 10);
    const sop_segment_row *rows = NULL;
    size_t count = 0;
    assert_int_equal(sop_blob_writer_finish(writer, &rows, &count, &err), SOP_OK);
    char name[SOP_SEGMENT_NAME_SIZE];
    sop_blob__name(rows[0].segment, name);
    sop_file *file = NULL;
    assert_int_equal(sop_file_open(f.backend, name, SOP_FILE_WRITE, &file, &err), SOP_OK);
    for (uint64_t at = 0; at < SOP_SEGMENT_HEADER; at++) {
        uint8_t byte = 0;
        sop_segments *set = NULL;
        assert_int_equal(sop_file_read_exact(file, at, &byte, 1, &err), SOP_OK);
        byte ^= (uint8_t)(1 << (at % 8));
        assert_int_equal(sop_file_write(file, at, &byte, 1, &err), SOP_OK);
        assert_int_equal(sop_segments_open(f.blobs, rows, count, &set, &err), SOP_CORRUPT);
        assert_non_null(strstr(err.message, name));
        byte ^= (uint8_t)(1 << (at % 8));
        assert_int_equal(sop_file_write(file, at, &byte, 1, &err), SOP_OK);
    }
    sop_file_close(file);
    sop_blob_writer_free(writer);
    fixture_free(&f);
}

static void test_another_database_is_refused(void **state)
{
    (void)state;
    fixture f = fixture_new();
    sop_error err = {0};
    sop_address addresses[BLOBS];
    sop_blob_writer *writer = write_many(&f, SOP_SEGMENT_NODES, 64 << 20, addresses, 10);
    const sop_segment_row *rows = NULL;
    size_t count = 0;
    assert_int_equal(sop_blob_writer_finish(writer, &rows, &count, &err), SOP_OK);
    sop_blobs *other = NULL;
    sop_segments *set = NULL;
    static const uint8_t other_id[16] = "another database";
    assert_int_equal(sop_blobs_open(f.backend, other_id, 77, &other, &err), SOP_OK);
    assert_int_equal(sop_segments_open(other, rows, count, &set, &err), SOP_CORRUPT);
    sop_blobs_close(other);
    sop_blob_writer_free(writer);
    fixture_free(&f);
}

static void test_names_of_segments(void **state)
{
    (void)state;
    char name[SOP_SEGMENT_NAME_SIZE];
    sop_blob__name((uint64_t)0x00000000ffu << 24 | 0xabc, name);
    assert_string_equal(name, "seg/00000000ff.000abc");
    assert_int_equal(sop_blob__parse_name(name + 4), (uint64_t)0xff << 24 | 0xabc);
    assert_int_equal(sop_blob__parse_name("00000000FF.000abc"), 0);
    assert_int_equal(sop_blob__parse_name("00000000ff-000abc"), 0);
    assert_int_equal(sop_blob__parse_name("00000000ff.000abc0"), 0);
    assert_int_equal(sop_blob__parse_name(""), 0);
}

enum { TASKS = 3, TURNS = 150 };
typedef struct {
    fixture *f;
    const sop_segment_row *rows;
    size_t count;
    const sop_address *addresses;
    uint64_t random;
    int failed;
} reader_task;

/* Opens sets, reads through them, marks blobs as verified, lets go. */
static void reader_run(void *argument)
{
    reader_task *task = argument;
    for (int turn = 0; turn < TURNS; turn++) {
        sop_segments *set = NULL;
        if (sop_segments_open(task->f->blobs, task->rows, task->count, &set, NULL) != SOP_OK) {
            task->failed = 1;
            return;
        }
        for (int i = 0; i < 40; i++) {
            size_t at = (size_t)(sop_test_random(&task->random) % BLOBS);
            const uint8_t *data = NULL;
            int first = 0;
            sop_status status = sop_blob_read(set, task->addresses[at], &data, &first, NULL);
            if (status != SOP_OK || data[0] != byte_of(at, 0)) task->failed = 1;
            if (status == SOP_OK && first) sop_blob_verified(set, task->addresses[at]);
        }
        sop_segments_release(set);
    }
}

static void test_threads_share_maps_while_segments_come_and_go(void **state)
{
    (void)state;
    fixture f = fixture_new();
    sop_error err = {0};
    sop_address addresses[BLOBS];
    sop_blob_writer *writer = write_many(&f, SOP_SEGMENT_NODES, 1 << 18, addresses, 5000);
    const sop_segment_row *rows = NULL;
    size_t count = 0;
    assert_int_equal(sop_blob_writer_finish(writer, &rows, &count, &err), SOP_OK);
    reader_task tasks[TASKS];
    sop_task *running[TASKS];
    for (unsigned i = 0; i < TASKS; i++) {
        tasks[i] = (reader_task){&f, rows, count, addresses, i + 1, 0};
        assert_int_equal(sop_task_start(&running[i], reader_run, &tasks[i]), SOP_OK);
    }
    for (int i = 0; i < 40; i++) {
        sop_blob_writer *other = NULL;
        sop_address address;
        const sop_segment_row *row = NULL;
        size_t one = 0;
        assert_int_equal(sop_blob_writer_new(f.blobs, SOP_SEGMENT_RUNS, 1 << 20, &other, &err),
                         SOP_OK);
        assert_int_equal(sop_blob_writer_place(other, 5, &address, &err), SOP_OK);
        assert_int_equal(sop_blob_writer_append(other, "12345", 5, &err), SOP_OK);
        assert_int_equal(sop_blob_writer_finish(other, &row, &one, &err), SOP_OK);
        assert_int_equal(sop_blobs_adopt(f.blobs, row->segment, &err), SOP_OK);
        assert_int_equal(sop_segment_remove(f.blobs, row->segment, &err), SOP_OK);
        sop_blob_writer_free(other);
    }
    for (unsigned i = 0; i < TASKS; i++) {
        sop_task_join(running[i]);
        assert_false(tasks[i].failed);
    }
    sop_blob_writer_free(writer);
    fixture_free(&f);
}

static sop_status whole_life(fixture *f, sop_error *err)
{
    sop_blob_writer *writer = NULL;
    sop_segments *set = NULL;
    sop_address address;
    const uint8_t *data = NULL;
    int first = 0;
    const sop_segment_row *rows = NULL;
    size_t count = 0;
    sop_status status = sop_blob_writer_new(f->blobs, SOP_SEGMENT_NODES, 8192, &writer, err);
    for (size_t i = 0; i < 20 && status == SOP_OK; i++) {
        fill(scratch, i, 1000);
        status = sop_blob_writer_place(writer, 1000, &address, err);
        if (status == SOP_OK) status = sop_blob_writer_append(writer, scratch, 1000, err);
    }
    if (status == SOP_OK) status = sop_blob_writer_finish(writer, &rows, &count, err);
    if (status == SOP_OK) status = sop_segments_open(f->blobs, rows, count, &set, err);
    if (status == SOP_OK) status = sop_blob_read(set, address, &data, &first, err);
    if (status == SOP_OK) assert_content(data, 19, 1000);
    sop_segments_release(set);
    sop_blob_writer_free(writer);
    return status;
}

static void test_every_failing_allocation_is_reported_and_leaks_nothing(void **state)
{
    (void)state;
    fixture f = fixture_new();
    sop_error err = {0};
    int done = 0;
    for (uint64_t n = 1; !done; n++) {
        sop_memory_fail_at(n, n % 2 == 0);
        sop_status status = whole_life(&f, &err);
        done = !sop_memory_fail_reached();
        sop_memory_fail_at(0, 0);
        if (done) assert_int_equal(status, SOP_OK);
        if (status != SOP_OK) assert_int_equal(status, SOP_NO_MEMORY);
        assert_true(n < 1000);
    }
    fixture_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blobs_come_back_from_several_segments),
        cmocka_unit_test(test_sets_share_maps_and_their_verified_bits),
        cmocka_unit_test(test_addresses_outside_a_segment_are_corrupt),
        cmocka_unit_test(test_unfinished_writer_leaves_no_file),
        cmocka_unit_test(test_removed_segment_stays_readable_for_older_sets),
        cmocka_unit_test(test_tables_that_do_not_fit_the_files_are_refused),
        cmocka_unit_test(test_every_flipped_header_bit_is_noticed),
        cmocka_unit_test(test_another_database_is_refused),
        cmocka_unit_test(test_names_of_segments),
        cmocka_unit_test(test_threads_share_maps_while_segments_come_and_go),
        cmocka_unit_test(test_every_failing_allocation_is_reported_and_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
