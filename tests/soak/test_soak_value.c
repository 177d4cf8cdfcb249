/* SPDX-License-Identifier: MIT */
/* A huge value, 256 MiB, 4 GiB in soak: streamed in and out, appended to, checked and dropped in little memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sop/sop.h"

#include "support/place.h"
#include "support/support.h"

enum { PIECE = 1 << 20, MEMORY_MAX = 64 << 20 };

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { MEMORY_IS_OURS = 0 }; /* the sanitizer's own memory is counted too */
#else
enum { MEMORY_IS_OURS = 1 };
#endif

static uint64_t value_size(void)
{
    return sop_test_soak() ? UINT64_C(4) << 30 : UINT64_C(256) << 20;
}

/* No two pieces are alike, so that none can stand for another. */
static void piece_make(uint64_t number, uint8_t *piece)
{
    uint64_t random = number;
    for (size_t i = 0; i < PIECE; i += 8) {
        uint64_t next = sop_test_random(&random);
        memcpy(piece + i, &next, 8);
    }
}

static uint64_t peak;

static void memory_look(void)
{
    uint64_t now = sop_test_anonymous_memory();
    if (now > peak) peak = now;
}

static void pieces_write(sop_txn *txn, sop_value_writer *writer, uint64_t from, uint64_t to)
{
    uint8_t *piece = malloc(PIECE);
    assert_non_null(piece);
    for (uint64_t n = from; n < to; n++) {
        piece_make(n, piece);
        SOP_TEST_OK(txn, sop_value_write(writer, piece, PIECE));
        if (n % 16 == 0) memory_look();
    }
    SOP_TEST_OK(txn, sop_value_write_finish(writer));
    free(piece);
}

static void value_is(sop_db *db, uint64_t pieces)
{
    uint64_t size;
    size_t got;
    uint8_t *piece = malloc(PIECE);
    uint8_t *want = malloc(PIECE);
    assert_true(piece != NULL && want != NULL);
    sop_txn *txn = sop_test_begin(db, SOP_TXN_READ);
    sop_store *store = sop_test_store(txn, "videos");
    SOP_TEST_OK(txn, sop_value_size(store, sop_str("long"), &size));
    assert_int_equal(size, pieces * PIECE);
    for (uint64_t n = 0; n < pieces; n++) {
        SOP_TEST_OK(txn, sop_value_read(store, sop_str("long"), n * PIECE, piece, PIECE, &got));
        assert_int_equal(got, PIECE);
        piece_make(n, want);
        assert_memory_equal(piece, want, PIECE);
        if (n % 16 == 0) memory_look();
    }
    SOP_TEST_OK(txn, sop_value_read(store, sop_str("long"), size, piece, PIECE, &got));
    assert_int_equal(got, 0);
    sop_txn_close(txn);
    free(piece);
    free(want);
}

static void test_a_huge_value_goes_in_and_out_in_little_memory(void **state)
{
    sop_test_place *place = *state;
    uint64_t pieces = value_size() / PIECE;
    sop_value_writer *writer;
    sop_db *db = sop_test_open(place, NULL);
    sop_test_create(db, "videos", NULL);

    sop_txn *txn = sop_test_begin(db, SOP_TXN_WRITE);
    sop_store *store = sop_test_store(txn, "videos");
    SOP_TEST_OK(txn, sop_value_write_open(store, sop_str("long"), &writer));
    pieces_write(txn, writer, 0, pieces - pieces / 8);
    sop_test_commit(txn);
    value_is(db, pieces - pieces / 8);

    txn = sop_test_begin(db, SOP_TXN_WRITE);
    store = sop_test_store(txn, "videos");
    SOP_TEST_OK(txn, sop_value_append_open(store, sop_str("long"), &writer));
    pieces_write(txn, writer, pieces - pieces / 8, pieces);
    sop_test_commit(txn);
    sop_test_close(place);

    db = sop_test_open(place, NULL);
    value_is(db, pieces);
    sop_test_check(db);
    memory_look();
    print_message("anonymous memory at most %llu MiB\n", (unsigned long long)(peak >> 20));
    if (MEMORY_IS_OURS) assert_true(peak < MEMORY_MAX);
    sop_test_close(place);
}

static void test_the_space_of_a_huge_value_comes_back_when_it_is_removed(void **state)
{
    sop_test_place *place = *state;
    uint64_t pieces = value_size() / PIECE;
    sop_value_writer *writer;
    sop_error err = {0};
    sop_db *db = sop_test_open(place, NULL);
    sop_test_create(db, "videos", NULL);
    sop_txn *txn = sop_test_begin(db, SOP_TXN_WRITE);
    sop_store *store = sop_test_store(txn, "videos");
    SOP_TEST_OK(txn, sop_value_write_open(store, sop_str("long"), &writer));
    pieces_write(txn, writer, 0, pieces);
    sop_test_commit(txn);
    txn = sop_test_begin(db, SOP_TXN_WRITE);
    store = sop_test_store(txn, "videos");
    SOP_TEST_OK(txn, sop_store_remove(store, sop_str("long")));
    sop_test_commit(txn);
    /* A checkpoint leaves segments alone that the one before may still refer to; the next one with work to do takes them. */
    for (int i = 0; i < 2; i++) {
        assert_int_equal(sop_db_checkpoint(db, &err), SOP_OK);
        txn = sop_test_begin(db, SOP_TXN_WRITE);
        store = sop_test_store(txn, "videos");
        SOP_TEST_OK(txn, sop_store_put(store, sop_str("short"), sop_str("film")));
        sop_test_commit(txn);
    }
    sop_test_close(place);
    assert_true(sop_test_disk_usage(place->folder) < (16u << 20));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SOP_TEST_FOLDER(test_a_huge_value_goes_in_and_out_in_little_memory),
        SOP_TEST_FOLDER(test_the_space_of_a_huge_value_comes_back_when_it_is_removed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
