/* SPDX-License-Identifier: MIT */
/* Secondary indexes and the planner through the public interface. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sop/sop.h"

#include "util/memory.h"
#include "util/world.h"

typedef struct {
    sop_db *db;
    sop_txn *txn;
    sop_documents *docs;
} fixture;

static void open_db(fixture *f)
{
    sop_documents_options options = SOP_DOCUMENTS_OPTIONS_INIT;
    options.key = sop_str("{\"path\":\"n\",\"type\":\"int64\"}");
    assert_int_equal(sop_db_open("memory:", NULL, &f->db, NULL), SOP_OK);
    assert_int_equal(sop_txn_begin(f->db, SOP_TXN_WRITE, &f->txn, NULL), SOP_OK);
    assert_int_equal(sop_documents_create(f->txn, "things", &options, &f->docs), SOP_OK);
}

static void check_db(sop_db *db)
{
    sop_error err = {0};
    sop_check_report report = SOP_CHECK_REPORT_INIT;
    if (sop_db_check(db, NULL, &report, &err) != SOP_OK) fail_msg("%s", err.message);
}

static void commit(fixture *f)
{
    if (sop_txn_commit(f->txn) != SOP_OK) fail_msg("%s", sop_txn_error(f->txn)->message);
    assert_int_equal(sop_txn_renew(f->txn), SOP_OK);
}

static void close_db(fixture *f)
{
    commit(f);
    check_db(f->db);
    sop_txn_close(f->txn);
    assert_int_equal(sop_db_close(f->db, NULL), SOP_OK);
}

static void must(fixture *f, sop_status status)
{
    if (status != SOP_OK)
        fail_msg("%s: %s", sop_status_name(status), sop_txn_error(f->txn)->message);
}

static void expect_error(fixture *f, sop_status got, sop_status status, const char *message)
{
    assert_int_equal(got, status);
    const sop_error *err = sop_txn_error(f->txn);
    if (strstr(err->message, message) == NULL) fail_msg("%s\nlacks %s", err->message, message);
}

static void put(fixture *f, const char *document)
{
    sop_slice none = {0};
    must(f, sop_document_put(f->docs, none, sop_str(document)));
}

/* Keys found, as text; explain_out: what was read. */
static void find(fixture *f, const sop_find_options *o, char *out, size_t capacity, char *read)
{
    sop_find *find;
    sop_found found = SOP_FOUND_INIT;
    sop_text text;
    size_t size = 0;
    out[0] = '\0';
    must(f, sop_find_open(f->docs, o, &find));
    must(f, sop_find_explain(find, &text));
    if (read != NULL) (void)sscanf(text.data, "{\"read\":\"%31[^\"]", read);
    sop_text_free(&text);
    sop_status status;
    while ((status = sop_find_next(find, &found)) == SOP_OK) {
        sop_slice key;
        must(f, sop_documents_key_format(f->docs, found.key, &key));
        size += (size_t)snprintf(out + size, capacity - size, "%.*s ", (int)key.size,
                                 (const char *)key.data);
        assert_true(size < capacity);
    }
    assert_int_equal(status, SOP_NOT_FOUND);
    sop_find_close(find);
}

static void expect_found(fixture *f, const char *where, const char *read, const char *wanted)
{
    char got[4096];
    char how[32] = "";
    sop_find_options o = SOP_FIND_OPTIONS_INIT;
    o.where = sop_str(where);
    find(f, &o, got, sizeof got, how);
    assert_string_equal(got, wanted);
    assert_string_equal(how, read);
}

static void test_indexes_narrow_what_is_read(void **state)
{
    (void)state;
    fixture f;
    open_db(&f);
    for (int i = 0; i < 200; i++) {
        char document[128];
        (void)snprintf(document, sizeof document,
                       "{\"n\":%d,\"s\":\"%c\",\"v\":%d.5,\"t\":[\"t%d\",\"t%d\"]}", i,
                       'a' + i % 10, i / 10, i % 7, i % 11);
        put(&f, document);
    }
    must(&f,
         sop_index_create(
             f.docs, sop_str("{\"name\":\"s\",\"fields\":{\"path\":\"s\",\"type\":\"string\"}}")));
    must(&f, sop_index_create(f.docs, sop_str("{\"name\":\"v\",\"fields\":[{\"path\":\"v\","
                                              "\"type\":\"decimal\",\"order\":\"desc\"}]}")));
    must(&f, sop_index_create(
                 f.docs,
                 sop_str("{\"name\":\"t\",\"fields\":[{\"path\":\"t[*]\",\"type\":\"string\"}]}")));
    must(&f,
         sop_index_create(f.docs, sop_str("{\"name\":\"few\",\"fields\":[{\"path\":\"v\",\"type\":"
                                          "\"decimal\"}],\"where\":\"s = \\\"c\\\"\"}")));
    expect_found(&f, "s = \"d\" and v < 3", "s", "3 13 23 ");
    expect_found(&f, "v >= 19", "v", "190 191 192 193 194 195 196 197 198 199 ");
    expect_found(&f, "v in (3.50, 18.5) and s = \"a\"", "s", "30 180 ");
    expect_found(&f, "t has \"t5\" and n > 180", "key", "181 187 192 194 ");
    expect_found(&f, "t[*] = \"t10\" and s in (\"a\",\"b\")", "t", "10 21 120 131 ");
    expect_found(&f, "s = \"c\" and v between 2 and 3", "few", "22 ");
    expect_found(&f, "n between 5 and 6", "key", "5 6 ");
    expect_found(&f, "s = 5", "s", "");
    char got[4096];
    sop_find_options o = SOP_FIND_OPTIONS_INIT;
    o.where = sop_str("n < 20");
    o.order = sop_str("v");
    o.limit = 12;
    find(&f, &o, got, sizeof got, NULL);
    assert_string_equal(got, "10 11 12 13 14 15 16 17 18 19 0 1 ");
    o.use_index = sop_str("-");
    o.order = sop_str("nothing");
    sop_find *none;
    expect_error(&f, sop_find_open(f.docs, &o, &none), SOP_NOT_FOUND, "there is no index");
    must(&f, sop_index_drop(f.docs, sop_str("s")));
    expect_found(&f, "s = \"d\" and v < 3", "v", "3 13 23 ");
    close_db(&f);
}

static void test_unique_indexes_refuse_a_second_document(void **state)
{
    (void)state;
    fixture f;
    open_db(&f);
    must(&f,
         sop_index_create(f.docs, sop_str("{\"name\":\"mail\",\"unique\":true,\"fields\":{\"path\":"
                                          "\"mail\",\"type\":\"string\",\"nocase\":true}}")));
    put(&f, "{\"n\":1,\"mail\":\"a@b\"}");
    put(&f, "{\"n\":2}");
    put(&f, "{\"n\":3,\"mail\":null}");
    expect_error(&f,
                 sop_document_insert(f.docs, (sop_slice){0}, sop_str("{\"n\":4,\"mail\":\"a@b\"}")),
                 SOP_EXISTS, "document 1 has this value already");
    expect_error(&f, sop_document_insert(f.docs, (sop_slice){0}, sop_str("{\"n\":4,\"mail\":5}")),
                 SOP_INVALID, "index \"mail\", key field 1 of 1 (mail, string): expected a string");
    put(&f, "{\"n\":1,\"mail\":\"c@d\"}");
    put(&f, "{\"n\":4,\"mail\":\"a@b\"}");
    must(&f, sop_document_remove(f.docs, sop_str("1")));
    put(&f, "{\"n\":5,\"mail\":\"c@d\"}");
    commit(&f);
    put(&f, "{\"n\":6,\"mail\":\"x\"}");
    expect_error(
        &f,
        sop_index_create(
            f.docs, sop_str("{\"name\":\"mail\",\"fields\":{\"path\":\"a\",\"type\":\"string\"}}")),
        SOP_EXISTS, "there is an index");
    expect_error(
        &f, sop_index_create(f.docs, sop_str("{\"name\":\"x\",\"fields\":{\"type\":\"string\"}}")),
        SOP_INVALID, "an index needs a path");
    close_db(&f);
}

static void test_a_unique_index_on_equal_values_is_refused(void **state)
{
    (void)state;
    fixture f;
    open_db(&f);
    put(&f, "{\"n\":1,\"x\":7}");
    put(&f, "{\"n\":2,\"x\":7.0}");
    for (int i = 3; i < 20; i++) {
        char document[64];
        (void)snprintf(document, sizeof document, "{\"n\":%d,\"x\":%d}", i, i + 100);
        put(&f, document);
    }
    commit(&f);
    expect_error(
        &f,
        sop_index_create(
            f.docs,
            sop_str(
                "{\"name\":\"x\",\"unique\":true,\"fields\":{\"path\":\"x\",\"type\":\"int64\"}}")),
        SOP_EXISTS, "documents 1 and 2 have the same value");
    /* The transaction is over; nothing of the index is left. */
    assert_int_equal(sop_txn_commit(f.txn), SOP_INVALID);
    assert_int_equal(sop_txn_renew(f.txn), SOP_OK);
    expect_found(&f, "x = 7", "key", "1 2 ");
    must(&f,
         sop_index_create(
             f.docs, sop_str("{\"name\":\"x\",\"fields\":{\"path\":\"x\",\"type\":\"int64\"}}")));
    expect_found(&f, "x = 7.00 and x > 1", "x", "1 2 ");
    close_db(&f);
}

static void test_older_writers_conflict_with_a_new_index(void **state)
{
    (void)state;
    fixture f;
    sop_txn *older;
    sop_documents *docs;
    open_db(&f);
    commit(&f);
    assert_int_equal(sop_txn_begin(f.db, SOP_TXN_WRITE, &older, NULL), SOP_OK);
    assert_int_equal(sop_documents_open(older, "things", &docs), SOP_OK);
    assert_int_equal(sop_document_put(docs, (sop_slice){0}, sop_str("{\"n\":1,\"x\":1}")), SOP_OK);
    must(&f,
         sop_index_create(
             f.docs, sop_str("{\"name\":\"x\",\"fields\":{\"path\":\"x\",\"type\":\"int64\"}}")));
    commit(&f);
    assert_int_equal(sop_txn_commit(older), SOP_CONFLICT);
    assert_int_equal(sop_txn_renew(older), SOP_OK);
    assert_int_equal(sop_document_put(docs, (sop_slice){0}, sop_str("{\"n\":1,\"x\":1}")), SOP_OK);
    assert_int_equal(sop_txn_commit(older), SOP_OK);
    sop_txn_close(older);
    sop_txn_reset(f.txn);
    assert_int_equal(sop_txn_renew(f.txn), SOP_OK);
    expect_found(&f, "x = 1", "key", "1 ");
    close_db(&f);
}

/* ---- many filters: with indexes and without the same is found ---- */

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

static void random_document(uint32_t *seed, int n, char *out, size_t capacity)
{
    static const char *const values[][2] = {
        {"\"v\":", ""}, {"\"v\":", ".5"}, {"\"v\":null,\"z\":", ""}, {"\"w\":", ""}};
    static const char *const strings[] = {"\"\"",   "\"a\"",         "\"ab\"",
                                          "\"aB\"", "\"b\\u0000c\"", "null"};
    size_t size = (size_t)snprintf(out, capacity, "{\"n\":%d,", n);
    const char *const *value = values[next_random(seed) % 4];
    size += (size_t)snprintf(out + size, capacity - size, "%s%u%s", value[0],
                             next_random(seed) % 20, value[1]);
    if (next_random(seed) % 4 != 0) {
        size += (size_t)snprintf(out + size, capacity - size, ",\"s\":%s",
                                 strings[next_random(seed) % 6]);
    }
    if (next_random(seed) % 4 != 0) {
        size += (size_t)snprintf(out + size, capacity - size, ",\"t\":[");
        for (uint32_t i = next_random(seed) % 4; i > 0; i--) {
            size += (size_t)snprintf(out + size, capacity - size, "%u%s", next_random(seed) % 8,
                                     i > 1 ? "," : "");
        }
        size += (size_t)snprintf(out + size, capacity - size, "]");
    }
    (void)snprintf(out + size, capacity - size, "}");
}

static const char *const FILTERS[] = {
    "v = 5",
    "v > 5 and v <= 9",
    "v < 3.5 or v = 19",
    "v between 4 and 6.5 and s = \"ab\"",
    "v is null",
    "v is null and s = \"a\"",
    "not v = 5",
    "v != 5 and s = \"a\"",
    "v exists",
    "v in (1, 2.5, 7, 7.0, 100)",
    "v in (1, null) and s starts \"a\"",
    "s starts \"a\"",
    "s starts \"\"",
    "s >= \"a\" and s < \"b\"",
    "s = nocase \"AB\"",
    "s starts nocase \"A\"",
    "s = \"b\\u0000c\"",
    "s > \"b\"",
    "s is null",
    "t has 3",
    "t has 3 and t has 4",
    "t[*] > 5",
    "t[*] > 5 and t[*] < 2",
    "t[*] between 2 and 3",
    "t[*] in (1, 2, 3)",
    "t[*] < 7 and v > 10",
    "s = \"a\" and v = 5",
    "s = \"a\" and v > 5",
    "s in (\"a\",\"ab\") and v < 10",
    "n > 50 and v = 3",
    "n = 7",
    "n in (3, 5, 1000) and v exists",
    "s contains \"b\" and v >= 10",
    "v = \"5\"",
    "v > 5 and v < 5",
    "s = \"a\" and v is null",
    "true",
    "t[0] = 3",
    "w > 3",
    "s matches \"^a\" and v in (3, 4)",
};

static void compare_filters(fixture *f, const char *order)
{
    static char wanted[1 << 16];
    static char got[1 << 16];
    for (size_t i = 0; i < sizeof FILTERS / sizeof FILTERS[0]; i++) {
        for (int descending = 0; descending < 2; descending++) {
            sop_find_options o = SOP_FIND_OPTIONS_INIT;
            char how[32] = "";
            o.where = sop_str(FILTERS[i]);
            o.descending = descending;
            o.order = sop_str(order);
            o.use_index = sop_str("-");
            find(f, &o, wanted, sizeof wanted, NULL);
            o.use_index = (sop_slice){0};
            find(f, &o, got, sizeof got, how);
            if (strcmp(wanted, got) != 0) {
                fail_msg("%s by %s (order %s)\n%s\n%s", FILTERS[i], how, order, wanted, got);
            }
        }
    }
}

/* Goes on from every position in pages of 3: the same as in one go. */
static void compare_pages(fixture *f, const char *where, const char *order, int descending)
{
    static char wanted[1 << 16];
    static char got[1 << 16];
    char after[8192];
    size_t size = 0;
    sop_find_options o = SOP_FIND_OPTIONS_INIT;
    o.where = sop_str(where);
    o.order = sop_str(order);
    o.descending = descending;
    find(f, &o, wanted, sizeof wanted, NULL);
    got[0] = '\0';
    for (;;) {
        sop_find *open;
        sop_found found = SOP_FOUND_INIT;
        sop_slice position;
        int count = 0;
        must(f, sop_find_open(f->docs, &o, &open));
        while (count < 3 && sop_find_next(open, &found) == SOP_OK) {
            sop_slice key;
            must(f, sop_documents_key_format(f->docs, found.key, &key));
            size += (size_t)snprintf(got + size, sizeof got - size, "%.*s ", (int)key.size,
                                     (const char *)key.data);
            count++;
        }
        must(f, sop_find_position(open, &position));
        memcpy(after, position.data, position.size);
        o.after = (sop_slice){after, position.size};
        sop_find_close(open);
        if (count < 3) break;
    }
    if (strcmp(wanted, got) != 0) fail_msg("%s by %s\n%s\n%s", where, order, wanted, got);
}

static void test_every_filter_finds_the_same_with_indexes(void **state)
{
    (void)state;
    static const char *const indexes[] = {
        "{\"name\":\"v\",\"fields\":{\"path\":\"v\",\"type\":\"decimal\"}}",
        "{\"name\":\"vnull\",\"fields\":{\"path\":\"v\",\"type\":\"double\",\"nulls\":\"first\"}}",
        "{\"name\":\"vdesc\",\"fields\":[{\"path\":\"v\",\"type\":\"decimal\",\"order\":\"desc\","
        "\"nulls\":\"last\"}]}",
        "{\"name\":\"s\",\"fields\":{\"path\":\"s\",\"type\":\"string\",\"nulls\":\"last\"}}",
        "{\"name\":\"sdesc\",\"fields\":{\"path\":\"s\",\"type\":\"string\",\"order\":\"desc\"}}",
        "{\"name\":\"snocase\",\"fields\":{\"path\":\"s\",\"type\":\"string\",\"nocase\":true}}",
        "{\"name\":\"sv\",\"fields\":[{\"path\":\"s\",\"type\":\"string\"},{\"path\":\"v\","
        "\"type\":\"decimal\",\"nulls\":\"first\"}]}",
        "{\"name\":\"t\",\"fields\":{\"path\":\"t[*]\",\"type\":\"int64\"}}",
        "{\"name\":\"tv\",\"fields\":[{\"path\":\"t[*]\",\"type\":\"int64\",\"nulls\":\"first\"},{"
        "\"path\":\"v\",\"type\":\"decimal\",\"nulls\":\"first\"}]}",
        "{\"name\":\"few\",\"fields\":{\"path\":\"v\",\"type\":\"decimal\"},\"where\":\"s = "
        "\\\"a\\\"\"}",
    };
    fixture f;
    uint32_t seed = 7;
    open_db(&f);
    for (size_t i = 0; i < sizeof indexes / sizeof indexes[0]; i++) {
        char document[256];
        for (int k = 0; k < 150; k++) {
            random_document(&seed, (int)(next_random(&seed) % 300), document, sizeof document);
            put(&f, document);
            if (k % 9 == 0) {
                char key[16];
                (void)snprintf(key, sizeof key, "%u", next_random(&seed) % 300);
                sop_status status = sop_document_remove(f.docs, sop_str(key));
                assert_true(status == SOP_OK || status == SOP_NOT_FOUND);
            }
        }
        must(&f, sop_index_create(f.docs, sop_str(indexes[i])));
        compare_filters(&f, "");
        commit(&f);
    }
    check_db(f.db);
    static const char *const orders[] = {"v",  "vdesc", "s",  "sdesc", "snocase",
                                         "sv", "t",     "tv", "few"};
    for (size_t i = 0; i < sizeof orders / sizeof orders[0]; i++) {
        for (int descending = 0; descending < 2; descending++) {
            compare_pages(&f, "n < 100", orders[i], descending);
            compare_pages(&f, "t[*] in (1, 2, 3)", orders[i], descending);
            compare_pages(&f, "t[*] in (1, 2, 3)", "", descending);
            compare_pages(&f, "s = \"a\"", "", descending);
        }
    }
    close_db(&f);
}

/* ---- building in the background ---- */

static void fill(fixture *f, int count)
{
    for (int i = 0; i < count; i++) {
        char document[128];
        (void)snprintf(document, sizeof document, "{\"n\":%d,\"x\":%d,\"t\":[%d,%d]}", i, i % 100,
                       i % 3, i % 5);
        put(f, document);
    }
    commit(f);
}

enum { WRITERS = 4, DOCUMENTS = 6000 };

typedef struct {
    sop_db *db;
    int number;
    _Atomic uint32_t *stop;
    int rounds;
} writer;

static sop_status writer_body(sop_txn *txn, void *context)
{
    writer *w = context;
    sop_documents *docs;
    sop_status status = sop_documents_open(txn, "things", &docs);
    uint32_t seed = (uint32_t)(w->rounds * WRITERS + w->number);
    for (int i = 0; i < 5 && status == SOP_OK; i++) {
        char document[128];
        int n = (int)(next_random(&seed) % (DOCUMENTS + 500));
        if (next_random(&seed) % 4 == 0) {
            (void)snprintf(document, sizeof document, "%d", n);
            status = sop_document_remove(docs, sop_str(document));
            if (status == SOP_NOT_FOUND) status = SOP_OK;
        } else {
            (void)snprintf(document, sizeof document, "{\"n\":%d,\"x\":%u,\"t\":[%u]}", n,
                           next_random(&seed) % 1000, next_random(&seed) % 7);
            status = sop_document_put(docs, (sop_slice){0}, sop_str(document));
        }
    }
    return status;
}

static void writer_main(void *argument)
{
    writer *w = argument;
    while (atomic_load_explicit(w->stop, memory_order_relaxed) == 0) {
        w->rounds++;
        if (sop_txn_run(w->db, NULL, writer_body, w, NULL) != SOP_OK) abort();
    }
}

static void wait_ready(fixture *f, const char *name)
{
    char wanted[64];
    (void)snprintf(wanted, sizeof wanted, "\"name\":\"%s\"", name);
    for (;;) {
        sop_text text;
        must(f, sop_documents_schema(f->docs, &text));
        const char *at = strstr(text.data, wanted);
        assert_non_null(at);
        at = strstr(at, "\"state\":\"");
        assert_non_null(at);
        int building = strncmp(at + 9, "building", 8) == 0;
        int failed = strncmp(at + 9, "failed", 6) == 0;
        if (failed) fail_msg("%s", text.data);
        sop_text_free(&text);
        if (!building) return;
        sop_txn_reset(f->txn);
        static _Atomic uint32_t never;
        sop_wait(&never, 0, 1000000);
        must(f, sop_txn_renew(f->txn));
    }
}

static void test_a_build_while_threads_write_is_exact(void **state)
{
    (void)state;
    fixture f;
    _Atomic uint32_t stop = 0;
    writer writers[WRITERS];
    sop_task *tasks[WRITERS];
    open_db(&f);
    fill(&f, DOCUMENTS);
    for (int i = 0; i < WRITERS; i++) {
        writers[i] = (writer){.db = f.db, .number = i, .stop = &stop};
        assert_int_equal(sop_task_start(&tasks[i], writer_main, &writers[i]), SOP_OK);
    }
    static const char *const indexes[] = {
        "{\"name\":\"x\",\"fields\":{\"path\":\"x\",\"type\":\"int64\"}}",
        "{\"name\":\"t\",\"fields\":{\"path\":\"t[*]\",\"type\":\"int64\"}}",
        ("{\"name\":\"u\",\"unique\":true,\"fields\":[{\"path\":\"x\",\"type\":\"int64\"},"
         "{\"path\":\"n\",\"type\":\"int64\"}]}")};
    for (size_t i = 0; i < 3; i++) {
        do {
            sop_txn_reset(f.txn);
            must(&f, sop_txn_renew(f.txn));
            must(&f, sop_index_create(f.docs, sop_str(indexes[i])));
        } while (sop_txn_commit(f.txn) == SOP_CONFLICT);
        must(&f, sop_txn_renew(f.txn));
    }
    wait_ready(&f, "x");
    wait_ready(&f, "t");
    wait_ready(&f, "u");
    atomic_store_explicit(&stop, 1, memory_order_relaxed);
    for (int i = 0; i < WRITERS; i++) {
        sop_task_join(tasks[i]);
    }
    sop_txn_reset(f.txn);
    must(&f, sop_txn_renew(f.txn));
    compare_filters(&f, "");
    close_db(&f);
}

static void test_a_build_over_unfit_documents_fails_and_says_which(void **state)
{
    (void)state;
    fixture f;
    open_db(&f);
    fill(&f, 3000);
    put(&f, "{\"n\":2500,\"x\":\"five\"}");
    commit(&f);
    must(&f,
         sop_index_create(
             f.docs, sop_str("{\"name\":\"x\",\"fields\":{\"path\":\"x\",\"type\":\"int64\"}}")));
    commit(&f);
    assert_int_equal(sop_index_build(f.db, "things", NULL, NULL), SOP_OK);
    sop_txn_reset(f.txn);
    must(&f, sop_txn_renew(f.txn));
    sop_text text;
    must(&f, sop_documents_schema(f.docs, &text));
    if (strstr(text.data, "\"state\":\"failed\",\"error\":\"document 2500: index") == NULL) {
        fail_msg("%s", text.data);
    }
    sop_text_free(&text);
    put(&f, "{\"n\":2501,\"x\":\"six\"}");
    must(&f, sop_index_drop(f.docs, sop_str("x")));
    close_db(&f);
}

static void test_dropping_a_store_drops_its_indexes(void **state)
{
    (void)state;
    fixture f;
    open_db(&f);
    must(&f,
         sop_index_create(
             f.docs, sop_str("{\"name\":\"x\",\"fields\":{\"path\":\"x\",\"type\":\"int64\"}}")));
    put(&f, "{\"n\":1,\"x\":2}");
    commit(&f);
    sop_db_info info = SOP_DB_INFO_INIT;
    assert_int_equal(sop_db_info_get(f.db, &info, NULL), SOP_OK);
    assert_int_equal(info.stores, 2);
    must(&f, sop_store_drop(f.txn, "things"));
    commit(&f);
    assert_int_equal(sop_db_info_get(f.db, &info, NULL), SOP_OK);
    assert_int_equal(info.stores, 0);
    close_db(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_indexes_narrow_what_is_read),
        cmocka_unit_test(test_unique_indexes_refuse_a_second_document),
        cmocka_unit_test(test_a_unique_index_on_equal_values_is_refused),
        cmocka_unit_test(test_older_writers_conflict_with_a_new_index),
        cmocka_unit_test(test_every_filter_finds_the_same_with_indexes),
        cmocka_unit_test(test_a_build_while_threads_write_is_exact),
        cmocka_unit_test(test_a_build_over_unfit_documents_fails_and_says_which),
        cmocka_unit_test(test_dropping_a_store_drops_its_indexes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
