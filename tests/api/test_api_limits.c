/* SPDX-License-Identifier: MIT */
/* Every documented limit at its edge and one step beyond: same answers on a folder and in memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sop/inspect.h"
#include "sop/sop.h"

#include "support/place.h"
#include "support/support.h"

enum { MIB = 1 << 20 };

static uint8_t *pattern(size_t size, uint64_t seed)
{
    uint8_t *bytes = malloc(size == 0 ? 1 : size);
    assert_non_null(bytes);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(seed + i * 131 + (i >> 16));
    return bytes;
}

static sop_slice slice(const void *data, size_t size)
{
    return (sop_slice){data, size};
}

/* ---- keys ---- */

static void key_edges(sop_store *store, sop_txn *txn)
{
    uint8_t *bytes = pattern(SOP_KEY_SIZE_MAX + 1, 1);
    static const size_t good[] = {1, 2, SOP_KEY_SIZE_MAX - 1, SOP_KEY_SIZE_MAX};
    static const size_t bad[] = {0, SOP_KEY_SIZE_MAX + 1};
    for (size_t i = 0; i < 4; i++)
        SOP_TEST_OK(txn, sop_store_put(store, slice(bytes, good[i]), slice(bytes, i)));
    for (size_t i = 0; i < 2; i++) {
        sop_slice key = slice(bytes, bad[i]);
        sop_slice value;
        uint64_t number;
        uint8_t buffer[8];
        size_t read;
        sop_cursor *cursor;
        sop_value_writer *writer;
        SOP_TEST_REFUSED(txn, sop_store_put(store, key, key), SOP_INVALID, "key");
        SOP_TEST_REFUSED(txn, sop_store_add(store, key, key), SOP_INVALID, "key");
        SOP_TEST_REFUSED(txn, sop_store_update(store, key, key), SOP_INVALID, "key");
        SOP_TEST_REFUSED(txn, sop_store_remove(store, key), SOP_INVALID, "key");
        SOP_TEST_REFUSED(txn, sop_store_get(store, key, &value), SOP_INVALID, "key");
        SOP_TEST_REFUSED(txn, sop_store_rank(store, key, &number), SOP_INVALID, "key");
        SOP_TEST_REFUSED(txn, sop_value_size(store, key, &number), SOP_INVALID, "key");
        SOP_TEST_REFUSED(txn, sop_value_read(store, key, 0, buffer, 8, &read), SOP_INVALID, "key");
        SOP_TEST_REFUSED(txn, sop_value_write_open(store, key, &writer), SOP_INVALID, "key");
        assert_null(writer);
        SOP_TEST_REFUSED(txn, sop_value_append_open(store, key, &writer), SOP_INVALID, "key");
        SOP_TEST_OK(txn, sop_cursor_open(store, &cursor));
        SOP_TEST_REFUSED(txn, sop_cursor_seek(cursor, key, SOP_SEEK_GE), SOP_INVALID, "key");
        sop_cursor_close(cursor);
    }
    for (size_t i = 0; i < 4; i++)
        sop_test_value_is(store, txn, slice(bytes, good[i]), slice(bytes, i));
    free(bytes);
}

static void test_keys_have_1_to_4096_bytes(void **state)
{
    sop_test_place *place = *state;
    sop_db *db = sop_test_open(place, NULL);
    (void)sop_test_create(db, "s", NULL);
    sop_txn *txn = sop_test_begin(db, SOP_TXN_WRITE);
    key_edges(sop_test_store(txn, "s"), txn);
    sop_test_commit(txn);
    sop_error err = {0};
    assert_int_equal(sop_db_checkpoint(db, &err), SOP_OK);
    txn = sop_test_begin(db, SOP_TXN_WRITE);
    key_edges(sop_test_store(txn, "s"), txn);
    sop_test_commit(txn);
    sop_test_check(db);
    sop_test_close(place);
}

static void test_keys_of_duplicates_are_counted_after_escaping(void **state)
{
    sop_test_place *place = *state;
    sop_db *db = sop_test_open(place, NULL);
    sop_store_options options = SOP_STORE_OPTIONS_INIT;
    options.allow_duplicates = 1;
    (void)sop_test_create(db, "d", &options);
    sop_txn *txn = sop_test_begin(db, SOP_TXN_WRITE);
    sop_store *store = sop_test_store(txn, "d");
    uint8_t *letters = malloc(SOP_KEY_SIZE_MAX + 1);
    uint8_t *zeros = calloc(1, SOP_KEY_SIZE_MAX + 1);
    assert_true(letters != NULL && zeros != NULL);
    memset(letters, 'x', SOP_KEY_SIZE_MAX + 1);
    for (int i = 0; i < 2; i++) {
        SOP_TEST_OK(txn, sop_store_add(store, slice(letters, SOP_KEY_SIZE_MAX), sop_str("a")));
        SOP_TEST_OK(txn, sop_store_add(store, slice(zeros, SOP_KEY_SIZE_MAX / 2), sop_str("b")));
    }
    SOP_TEST_REFUSED(txn, sop_store_add(store, slice(letters, SOP_KEY_SIZE_MAX + 1), sop_str("")),
                     SOP_INVALID, "key");
    SOP_TEST_REFUSED(txn, sop_store_add(store, slice(zeros, SOP_KEY_SIZE_MAX / 2 + 1), sop_str("")),
                     SOP_INVALID, "key");
    uint64_t count;
    SOP_TEST_OK(txn, sop_store_count(store, &count));
    assert_int_equal(count, 4);
    sop_test_commit(txn);
    sop_error err = {0};
    assert_int_equal(sop_db_checkpoint(db, &err), SOP_OK);
    txn = sop_test_begin(db, SOP_TXN_READ);
    store = sop_test_store(txn, "d");
    sop_test_value_is(store, txn, slice(letters, SOP_KEY_SIZE_MAX), sop_str("a"));
    sop_test_value_is(store, txn, slice(zeros, SOP_KEY_SIZE_MAX / 2), sop_str("b"));
    sop_txn_close(txn);
    free(letters);
    free(zeros);
    sop_test_close(place);
}

/* ---- values ---- */

/* Sizes on both sides of every edge that a value may have inside. */
static size_t value_sizes(uint32_t inline_max, size_t *out)
{
    size_t n = 0;
    const size_t edges[] = {0, inline_max, 16384, 65536, MIB, 8 * MIB};
    for (size_t i = 0; i < sizeof edges / sizeof edges[0]; i++) {
        if (edges[i] != 0) out[n++] = edges[i] - 1;
        out[n++] = edges[i];
        out[n++] = edges[i] + 1;
    }
    return n;
}

static void values_around(sop_test_place *place, uint32_t inline_max)
{
    size_t sizes[32];
    char name[32];
    sop_error err = {0};
    size_t n = value_sizes(inline_max == 0 ? SOP_INLINE_VALUE_MAX_DEFAULT : inline_max, sizes);
    uint8_t *bytes = pattern(8 * MIB + 1, inline_max);
    sop_store_options options = SOP_STORE_OPTIONS_INIT;
    options.inline_value_max = inline_max;
    (void)snprintf(name, sizeof name, "inline %u", inline_max);
    (void)sop_test_create(place->db, name, &options);
    for (int round = 0; round < 3; round++) {
        sop_txn *txn = sop_test_begin(place->db, round == 0 ? SOP_TXN_WRITE : SOP_TXN_READ);
        sop_store *store = sop_test_store(txn, name);
        for (size_t i = 0; i < n; i++) {
            uint64_t size;
            uint8_t tail[2];
            size_t read;
            sop_slice key = slice(&sizes[i], sizeof sizes[i]);
            if (round == 0) SOP_TEST_OK(txn, sop_store_put(store, key, slice(bytes, sizes[i])));
            sop_test_value_is(store, txn, key, slice(bytes, sizes[i]));
            SOP_TEST_OK(txn, sop_value_size(store, key, &size));
            assert_int_equal(size, sizes[i]);
            if (sizes[i] == 0) continue;
            SOP_TEST_OK(txn, sop_value_read(store, key, sizes[i] - 1, tail, 2, &read));
            assert_int_equal(read, 1);
            assert_int_equal(tail[0], bytes[sizes[i] - 1]);
            SOP_TEST_OK(txn, sop_value_read(store, key, sizes[i], tail, 2, &read));
            assert_int_equal(read, 0);
        }
        if (round == 0) {
            sop_test_commit(txn);
        } else {
            sop_txn_close(txn);
        }
        if (round == 1) assert_int_equal(sop_db_checkpoint(place->db, &err), SOP_OK);
    }
    free(bytes);
}

static void test_values_of_every_size_come_back_before_and_after_a_checkpoint(void **state)
{
    sop_test_place *place = *state;
    (void)sop_test_open(place, NULL);
    values_around(place, 0);
    values_around(place, 1);
    values_around(place, 100);
    values_around(place, SOP_INLINE_VALUE_MAX_LIMIT);
    sop_test_check(place->db);
    sop_test_close(place);
}

static void test_get_returns_64_mib_and_refuses_one_byte_more(void **state)
{
    sop_test_place *place = *state;
    sop_db *db = sop_test_open(place, NULL);
    uint8_t *bytes = pattern(SOP_VALUE_GET_MAX + 1, 3);
    (void)sop_test_create(db, "s", NULL);
    sop_txn *txn = sop_test_begin(db, SOP_TXN_WRITE);
    sop_store *store = sop_test_store(txn, "s");
    SOP_TEST_OK(txn, sop_store_put(store, sop_str("a"), slice(bytes, SOP_VALUE_GET_MAX)));
    SOP_TEST_OK(txn, sop_store_put(store, sop_str("b"), slice(bytes, SOP_VALUE_GET_MAX + 1)));
    sop_test_commit(txn);
    txn = sop_test_begin(db, SOP_TXN_READ);
    store = sop_test_store(txn, "s");
    sop_test_value_is(store, txn, sop_str("a"), slice(bytes, SOP_VALUE_GET_MAX));
    sop_slice value;
    sop_cursor *cursor;
    sop_item items[2];
    size_t count;
    SOP_TEST_REFUSED(txn, sop_store_get(store, sop_str("b"), &value), SOP_TOO_LARGE,
                     "sop_value_read");
    SOP_TEST_OK(txn, sop_cursor_open(store, &cursor));
    SOP_TEST_OK(txn, sop_cursor_last(cursor));
    SOP_TEST_REFUSED(txn, sop_cursor_value(cursor, &value), SOP_TOO_LARGE, "sop_value_read");
    SOP_TEST_OK(txn, sop_cursor_first(cursor));
    SOP_TEST_REFUSED(txn, sop_cursor_read(cursor, 1, items, 2, &count), SOP_TOO_LARGE, NULL);
    uint8_t tail[4];
    SOP_TEST_OK(txn, sop_value_read(store, sop_str("b"), SOP_VALUE_GET_MAX - 1, tail, 4, &count));
    assert_int_equal(count, 2);
    assert_memory_equal(tail, bytes + SOP_VALUE_GET_MAX - 1, 2);
    sop_txn_close(txn);
    free(bytes);
    sop_test_close(place);
}

/* ---- names, notes, attributes, options of stores ---- */

static void test_store_names_have_1_to_255_bytes_of_utf8_without_control_characters(void **state)
{
    sop_test_place *place = *state;
    sop_db *db = sop_test_open(place, NULL);
    char longest[SOP_STORE_NAME_SIZE_MAX + 2];
    memset(longest, 'n', sizeof longest);
    longest[SOP_STORE_NAME_SIZE_MAX] = '\0';
    const char *good[] = {"a",  longest, "späti ☕ 商店", "with space",
                          "so", "sop",   "a/b:c",        "SOP:x"};
    const char *bad[] = {"",         "tab\there",    "new\nline",   "del\x7f",
                         "\xff\xfe", "cut \xe2\x98", "c1 \xc2\x85", "sop:mine"};
    sop_txn *txn = sop_test_begin(db, SOP_TXN_WRITE);
    sop_store *store;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        SOP_TEST_OK(txn, sop_store_create(txn, good[i], NULL, &store));
        assert_int_equal(sop_store_create(txn, good[i], NULL, &store), SOP_EXISTS);
        assert_null(store);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        SOP_TEST_REFUSED(txn, sop_store_create(txn, bad[i], NULL, &store), SOP_INVALID, "name");
        SOP_TEST_REFUSED(txn, sop_store_rename(txn, "a", bad[i]), SOP_INVALID, "name");
    }
    longest[SOP_STORE_NAME_SIZE_MAX] = 'n';
    longest[SOP_STORE_NAME_SIZE_MAX + 1] = '\0';
    SOP_TEST_REFUSED(txn, sop_store_create(txn, longest, NULL, &store), SOP_INVALID, "name");
    SOP_TEST_REFUSED(txn, sop_store_rename(txn, "a", longest), SOP_INVALID, "name");
    assert_int_equal(sop_store_open(txn, "nowhere", &store), SOP_NOT_FOUND);
    assert_int_equal(sop_store_rename(txn, "nowhere", "b"), SOP_NOT_FOUND);
    assert_int_equal(sop_store_rename(txn, "a", "so"), SOP_EXISTS);
    assert_int_equal(sop_store_drop(txn, "nowhere"), SOP_NOT_FOUND);
    sop_test_commit(txn);
    sop_bulk *bulk;
    sop_error err = {0};
    assert_int_equal(sop_bulk_open(db, "a", NULL, &bulk, &err), SOP_EXISTS);
    assert_int_equal(sop_bulk_open(db, "sop:x", NULL, &bulk, &err), SOP_INVALID);
    sop_test_message(&err, SOP_INVALID, "name");
    sop_test_close(place);
}

static void test_names_that_begin_with_sop_are_for_tools(void **state)
{
    sop_test_place *place = *state;
    sop_db *db = sop_test_open(place, NULL);
    sop_store_options options = SOP_STORE_OPTIONS_INIT;
    options.system = 1;
    sop_store *store;
    sop_txn *txn = sop_test_begin(db, SOP_TXN_WRITE);
    SOP_TEST_OK(txn, sop_store_create(txn, "sop:tool", &options, &store));
    SOP_TEST_REFUSED(txn, sop_store_create(txn, "tool", &options, &store), SOP_INVALID, "sop:");
    sop_test_commit(txn);
    sop_test_close(place);
}

static void test_notes_have_up_to_4096_bytes_and_reach_the_change_feed(void **state)
{
    sop_test_place *place = *state;
    sop_db *db = sop_test_open(place, NULL);
    uint8_t *bytes = pattern(SOP_NOTE_SIZE_MAX + 1, 9);
    sop_txn *txn = sop_test_begin(db, SOP_TXN_WRITE);
    sop_store *store;
    SOP_TEST_OK(txn, sop_store_create(txn, "s", NULL, &store));
    SOP_TEST_OK(txn, sop_txn_note(txn, slice(bytes, SOP_NOTE_SIZE_MAX)));
    SOP_TEST_REFUSED(txn, sop_txn_note(txn, slice(bytes, SOP_NOTE_SIZE_MAX + 1)), SOP_TOO_LARGE,
                     "4096");
    sop_test_commit(txn);
    sop_changes *changes;
    sop_change change = SOP_CHANGE_INIT;
    sop_error err = {0};
    assert_int_equal(sop_changes_open(db, 0, &changes, &err), SOP_OK);
    do {
        assert_int_equal(sop_changes_next(changes, 1000, &change), SOP_OK);
    } while (change.kind != SOP_CHANGE_COMMIT);
    assert_int_equal(change.value.size, SOP_NOTE_SIZE_MAX);
    assert_memory_equal(change.value.data, bytes, SOP_NOTE_SIZE_MAX);
    sop_changes_close(changes);
    txn = sop_test_begin(db, SOP_TXN_READ);
    SOP_TEST_REFUSED(txn, sop_txn_note(txn, sop_str("x")), SOP_READ_ONLY, NULL);
    sop_txn_close(txn);
    free(bytes);
    sop_test_close(place);
}

static void test_attributes_have_up_to_1_mib(void **state)
{
    sop_test_place *place = *state;
    sop_db *db = sop_test_open(place, NULL);
    uint8_t *bytes = pattern(SOP_ATTRIBUTES_SIZE_MAX + 1, 5);
    sop_store_options options = SOP_STORE_OPTIONS_INIT;
    sop_store_info info = SOP_STORE_INFO_INIT;
    sop_store *store;
    sop_txn *txn = sop_test_begin(db, SOP_TXN_WRITE);
    options.attributes = slice(bytes, SOP_ATTRIBUTES_SIZE_MAX + 1);
    assert_int_equal(sop_store_create(txn, "s", &options, &store), SOP_TOO_LARGE);
    options.attributes = slice(bytes, SOP_ATTRIBUTES_SIZE_MAX);
    SOP_TEST_OK(txn, sop_store_create(txn, "s", &options, &store));
    SOP_TEST_REFUSED(txn,
                     sop_store_attributes_set(store, slice(bytes, SOP_ATTRIBUTES_SIZE_MAX + 1)),
                     SOP_TOO_LARGE, NULL);
    SOP_TEST_OK(txn, sop_store_attributes_set(store, slice(bytes + 1, SOP_ATTRIBUTES_SIZE_MAX)));
    sop_test_commit(txn);
    for (int i = 0; i < 2; i++) {
        sop_error err = {0};
        txn = sop_test_begin(db, SOP_TXN_READ);
        SOP_TEST_OK(txn, sop_store_info_get(sop_test_store(txn, "s"), &info));
        assert_int_equal(info.attributes.size, SOP_ATTRIBUTES_SIZE_MAX);
        assert_memory_equal(info.attributes.data, bytes + 1, SOP_ATTRIBUTES_SIZE_MAX);
        sop_txn_close(txn);
        if (i == 0) assert_int_equal(sop_db_checkpoint(db, &err), SOP_OK);
    }
    free(bytes);
    sop_test_close(place);
}

static void test_options_of_a_store_are_checked(void **state)
{
    sop_test_place *place = *state;
    sop_db *db = sop_test_open(place, NULL);
    sop_txn *txn = sop_test_begin(db, SOP_TXN_WRITE);
    sop_store *store;
    sop_store_options options = SOP_STORE_OPTIONS_INIT;
    options.inline_value_max = SOP_INLINE_VALUE_MAX_LIMIT + 1;
    SOP_TEST_REFUSED(txn, sop_store_create(txn, "s", &options, &store), SOP_INVALID, "16385");
    options.inline_value_max = 0;
    options.allow_duplicates = 2;
    sop_status status = sop_store_create(txn, "two", &options, &store);
    assert_true(status == SOP_OK || status == SOP_INVALID);
    options.allow_duplicates = 0;
    options.kind = 7;
    SOP_TEST_REFUSED(txn, sop_store_create(txn, "s", &options, &store), SOP_INVALID, NULL);
    sop_txn_close(txn);
    sop_test_close(place);
}

/* ---- struct_size ---- */

static sop_status nothing_range(const sop_range *range, void *context)
{
    (void)range;
    (void)context;
    return SOP_OK;
}

static void test_a_struct_size_of_0_is_refused_everywhere(void **state)
{
    sop_test_place *place = *state;
    sop_error err = {0};
    sop_db_options db_options = SOP_DB_OPTIONS_INIT;
    db_options.struct_size = 0;
    sop_db *none = NULL;
    assert_int_equal(sop_db_open(place->url, &db_options, &none, &err), SOP_INVALID);
    sop_test_message(&err, SOP_INVALID, "struct_size");
    assert_null(none);
    sop_db *db = sop_test_open(place, NULL);
    sop_txn_options txn_options = SOP_TXN_OPTIONS_INIT;
    txn_options.struct_size = 0;
    sop_txn *txn;
    assert_int_equal(sop_txn_begin_with(db, &txn_options, &txn, &err), SOP_INVALID);
    assert_null(txn);
    sop_check_options check_options = {0};
    sop_check_report report = SOP_CHECK_REPORT_INIT;
    assert_int_equal(sop_db_check(db, &check_options, &report, &err), SOP_INVALID);
    report.struct_size = 0;
    assert_int_equal(sop_db_check(db, NULL, &report, &err), SOP_INVALID);
    sop_stats stats = {0};
    assert_int_equal(sop_db_stats(db, &stats, &err), SOP_INVALID);
    sop_db_info db_info = {0};
    assert_int_equal(sop_db_info_get(db, &db_info, &err), SOP_INVALID);
    sop_work_options work = {0};
    assert_int_equal(sop_db_backup(db, "memory:copy", &work, &err), SOP_INVALID);
    txn = sop_test_begin(db, SOP_TXN_WRITE);
    sop_store *store;
    sop_store_options store_options = {0};
    assert_int_equal(sop_store_create(txn, "s", &store_options, &store), SOP_INVALID);
    SOP_TEST_OK(txn, sop_store_create(txn, "s", NULL, &store));
    sop_store_info store_info = {0};
    assert_int_equal(sop_store_info_get(store, &store_info), SOP_INVALID);
    sop_conflict conflict = {0};
    assert_int_equal(sop_txn_conflict(txn, &conflict), SOP_INVALID);
    sop_txn_close(txn);
    sop_changes *changes;
    sop_change change = {0};
    assert_int_equal(sop_changes_open(db, 0, &changes, &err), SOP_OK);
    assert_int_equal(sop_changes_next(changes, 0, &change), SOP_INVALID);
    sop_changes_close(changes);
    assert_int_equal(sop_inspect_map(db, nothing_range, NULL, NULL), SOP_OK);
    sop_test_close(place);
}

/* A program built against an older header hands in smaller structs: only its own bytes may be written. */
static void test_a_smaller_struct_of_an_older_program_is_filled_only_so_far(void **state)
{
    sop_test_place *place = *state;
    sop_db *db = sop_test_open(place, NULL);
    sop_error err = {0};
    sop_stats stats;
    memset(&stats, 0xee, sizeof stats);
    stats.struct_size = offsetof(sop_stats, frames);
    assert_int_equal(sop_db_stats(db, &stats, &err), SOP_OK);
    assert_int_equal(stats.commits, 0);
    assert_int_equal(stats.frames, UINT64_C(0xeeeeeeeeeeeeeeee));
    assert_int_equal(stats.struct_size, offsetof(sop_stats, frames));
    sop_db_info info;
    memset(&info, 0xee, sizeof info);
    info.struct_size = offsetof(sop_db_info, url);
    assert_int_equal(sop_db_info_get(db, &info, &err), SOP_OK);
    assert_int_equal(info.tip, UINT64_C(0xeeeeeeeeeeeeeeee));
    sop_test_close(place);
}

/* ---- txn_memory_max ---- */

static void test_a_transaction_above_txn_memory_max_is_told_what_to_do(void **state)
{
    sop_test_place *place = *state;
    sop_db_options options = SOP_DB_OPTIONS_INIT;
    options.txn_memory_max = 2 * MIB;
    sop_db *db = sop_test_open(place, &options);
    (void)sop_test_create(db, "s", NULL);
    sop_txn *txn = sop_test_begin(db, SOP_TXN_WRITE);
    sop_store *store = sop_test_store(txn, "s");
    uint8_t *bytes = pattern(1000, 0);
    sop_status status = SOP_OK;
    uint32_t written = 0;
    while (status == SOP_OK && written < 10000) {
        status = sop_store_put(store, slice(&written, sizeof written), slice(bytes, 1000));
        written += status == SOP_OK;
    }
    assert_int_equal(status, SOP_TOO_LARGE);
    sop_test_message(sop_txn_error(txn), SOP_TOO_LARGE, "bulk");
    assert_true(written > 500 && written < 2200);
    /* What was written before stays, and the transaction may still commit. */
    uint64_t count;
    SOP_TEST_OK(txn, sop_store_count(store, &count));
    assert_int_equal(count, written);
    sop_test_commit(txn);
    txn = sop_test_begin(db, SOP_TXN_READ);
    SOP_TEST_OK(txn, sop_store_count(sop_test_store(txn, "s"), &count));
    assert_int_equal(count, written);
    sop_txn_close(txn);
    free(bytes);
    sop_test_close(place);
}

static void test_large_values_do_not_count_towards_txn_memory_max(void **state)
{
    sop_test_place *place = *state;
    sop_db_options options = SOP_DB_OPTIONS_INIT;
    options.txn_memory_max = MIB;
    sop_db *db = sop_test_open(place, &options);
    (void)sop_test_create(db, "s", NULL);
    sop_txn *txn = sop_test_begin(db, SOP_TXN_WRITE);
    sop_store *store = sop_test_store(txn, "s");
    uint8_t *bytes = pattern(MIB, 0);
    for (int i = 0; i < 32; i++)
        SOP_TEST_OK(txn, sop_store_put(store, slice(&i, sizeof i), slice(bytes, MIB)));
    sop_test_commit(txn);
    free(bytes);
    sop_test_close(place);
}

/* ---- duplicates ---- */

static void test_stores_with_duplicates_follow_their_rules(void **state)
{
    sop_test_place *place = *state;
    sop_db *db = sop_test_open(place, NULL);
    sop_store_options options = SOP_STORE_OPTIONS_INIT;
    options.allow_duplicates = 1;
    (void)sop_test_create(db, "d", &options);
    sop_txn *txn = sop_test_begin(db, SOP_TXN_WRITE);
    sop_store *store = sop_test_store(txn, "d");
    sop_slice key = sop_str("k");
    SOP_TEST_REFUSED(txn, sop_store_put(store, key, sop_str("x")), SOP_INVALID, "duplicates");
    assert_int_equal(sop_store_update(store, key, sop_str("x")), SOP_NOT_FOUND);
    assert_int_equal(sop_store_remove(store, key), SOP_NOT_FOUND);
    SOP_TEST_OK(txn, sop_store_add(store, key, sop_str("one")));
    SOP_TEST_OK(txn, sop_store_add(store, key, sop_str("two")));
    SOP_TEST_OK(txn, sop_store_add(store, sop_str("k\x01"), sop_str("other")));
    sop_test_commit(txn);
    txn = sop_test_begin(db, SOP_TXN_WRITE);
    store = sop_test_store(txn, "d");
    SOP_TEST_OK(txn, sop_store_add(store, key, sop_str("three")));
    SOP_TEST_OK(txn, sop_store_update(store, key, sop_str("ONE")));
    sop_test_value_is(store, txn, key, sop_str("ONE"));
    SOP_TEST_OK(txn, sop_store_remove(store, key));
    sop_test_value_is(store, txn, key, sop_str("two"));
    uint64_t number;
    SOP_TEST_OK(txn, sop_store_count(store, &number));
    assert_int_equal(number, 3);
    SOP_TEST_OK(txn, sop_store_rank(store, sop_str("k\x01"), &number));
    assert_int_equal(number, 2);
    sop_cursor *cursor;
    sop_item_id first;
    sop_item_id second;
    SOP_TEST_OK(txn, sop_cursor_open(store, &cursor));
    SOP_TEST_OK(txn, sop_cursor_seek(cursor, key, SOP_SEEK_EQ));
    SOP_TEST_OK(txn, sop_cursor_item_id(cursor, &first));
    SOP_TEST_OK(txn, sop_cursor_next(cursor));
    SOP_TEST_OK(txn, sop_cursor_item_id(cursor, &second));
    assert_true(memcmp(first.bytes, second.bytes, sizeof first.bytes) < 0);
    SOP_TEST_OK(txn, sop_cursor_remove(cursor));
    SOP_TEST_OK(txn, sop_cursor_prev(cursor));
    sop_slice value;
    SOP_TEST_OK(txn, sop_cursor_value(cursor, &value));
    assert_memory_equal(value.data, "two", 3);
    sop_test_commit(txn);
    sop_test_close(place);
}

/* ---- bulk load ---- */

static void test_a_bulk_load_takes_ascending_keys_only(void **state)
{
    sop_test_place *place = *state;
    sop_db *db = sop_test_open(place, NULL);
    sop_error err = {0};
    sop_bulk *bulk;
    uint8_t *bytes = pattern(SOP_KEY_SIZE_MAX + 1, 'z');
    assert_int_equal(sop_bulk_open(db, "b", NULL, &bulk, &err), SOP_OK);
    assert_int_equal(sop_bulk_add(bulk, slice("", 0), sop_str("v")), SOP_INVALID);
    sop_test_message(sop_bulk_error(bulk), SOP_INVALID, "key");
    assert_int_equal(sop_bulk_add(bulk, sop_str("b"), sop_str("v")), SOP_OK);
    assert_int_equal(sop_bulk_add(bulk, sop_str("b"), sop_str("w")), SOP_INVALID);
    sop_test_message(sop_bulk_error(bulk), SOP_INVALID, "above");
    assert_int_equal(sop_bulk_add(bulk, sop_str("a"), sop_str("w")), SOP_INVALID);
    assert_int_equal(sop_bulk_add(bulk, slice(bytes, SOP_KEY_SIZE_MAX + 1), sop_str("w")),
                     SOP_INVALID);
    assert_int_equal(sop_bulk_add(bulk, slice(bytes, SOP_KEY_SIZE_MAX), sop_str("w")), SOP_OK);
    assert_int_equal(sop_bulk_finish(bulk, NULL), SOP_OK);
    sop_txn *txn = sop_test_begin(db, SOP_TXN_READ);
    sop_store *store = sop_test_store(txn, "b");
    uint64_t count;
    SOP_TEST_OK(txn, sop_store_count(store, &count));
    assert_int_equal(count, 2);
    sop_test_value_is(store, txn, sop_str("b"), sop_str("v"));
    sop_txn_close(txn);
    assert_int_equal(sop_bulk_open(db, "gone", NULL, &bulk, &err), SOP_OK);
    assert_int_equal(sop_bulk_add(bulk, sop_str("b"), sop_str("v")), SOP_OK);
    sop_bulk_abort(bulk);
    txn = sop_test_begin(db, SOP_TXN_READ);
    assert_int_equal(sop_store_open(txn, "gone", &store), SOP_NOT_FOUND);
    sop_txn_close(txn);
    free(bytes);
    sop_test_check(db);
    sop_test_close(place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SOP_TEST_BOTH(test_keys_have_1_to_4096_bytes),
        SOP_TEST_BOTH(test_keys_of_duplicates_are_counted_after_escaping),
        SOP_TEST_BOTH(test_values_of_every_size_come_back_before_and_after_a_checkpoint),
        SOP_TEST_BOTH(test_get_returns_64_mib_and_refuses_one_byte_more),
        SOP_TEST_BOTH(test_store_names_have_1_to_255_bytes_of_utf8_without_control_characters),
        SOP_TEST_BOTH(test_names_that_begin_with_sop_are_for_tools),
        SOP_TEST_BOTH(test_notes_have_up_to_4096_bytes_and_reach_the_change_feed),
        SOP_TEST_BOTH(test_attributes_have_up_to_1_mib),
        SOP_TEST_BOTH(test_options_of_a_store_are_checked),
        SOP_TEST_BOTH(test_a_struct_size_of_0_is_refused_everywhere),
        SOP_TEST_BOTH(test_a_smaller_struct_of_an_older_program_is_filled_only_so_far),
        SOP_TEST_BOTH(test_a_transaction_above_txn_memory_max_is_told_what_to_do),
        SOP_TEST_BOTH(test_large_values_do_not_count_towards_txn_memory_max),
        SOP_TEST_BOTH(test_stores_with_duplicates_follow_their_rules),
        SOP_TEST_BOTH(test_a_bulk_load_takes_ascending_keys_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
