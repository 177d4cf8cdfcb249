/* SPDX-License-Identifier: MIT */
/* Document stores through the public interface: keys, rules, single documents, finding by key, shape. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "sop/sop.h"

typedef struct {
    sop_db *db;
    sop_txn *txn;
    sop_documents *docs;
} fixture;

static void open_db(fixture *f, const char *key, const char *rules)
{
    sop_error err = {0};
    sop_documents_options options = SOP_DOCUMENTS_OPTIONS_INIT;
    options.key = sop_str(key);
    options.rules = sop_str(rules);
    assert_int_equal(sop_db_open("memory:", NULL, &f->db, &err), SOP_OK);
    assert_int_equal(sop_txn_begin(f->db, SOP_TXN_WRITE, &f->txn, &err), SOP_OK);
    sop_status status = sop_documents_create(f->txn, "things", &options, &f->docs);
    if (status != SOP_OK) fail_msg("%s", sop_txn_error(f->txn)->message);
}

static void close_db(fixture *f)
{
    sop_txn_close(f->txn);
    assert_int_equal(sop_db_close(f->db, NULL), SOP_OK);
}

static void commit(fixture *f)
{
    assert_int_equal(sop_txn_commit(f->txn), SOP_OK);
    assert_int_equal(sop_txn_renew(f->txn), SOP_OK);
}

static void insert(fixture *f, const char *key, const char *document)
{
    if (sop_document_insert(f->docs, sop_str(key), sop_str(document)) != SOP_OK) {
        fail_msg("%s: %s", document, sop_txn_error(f->txn)->message);
    }
}

static void expect_document(fixture *f, const char *key, const char *document)
{
    sop_slice got;
    assert_int_equal(sop_document_get(f->docs, sop_str(key), &got), SOP_OK);
    assert_int_equal(got.size, strlen(document));
    assert_memory_equal(got.data, document, got.size);
}

static void expect_error(fixture *f, sop_status got, sop_status status, const char *message)
{
    assert_int_equal(got, status);
    const sop_error *err = sop_txn_error(f->txn);
    if (strstr(err->message, message) == NULL) fail_msg("%s\nlacks %s", err->message, message);
}

static void test_documents_come_back_byte_by_byte(void **state)
{
    (void)state;
    fixture f;
    const char *odd = " { \"n\" : 1e400, \"n\":2, \"z\" : -0 , \"d\":1.10 }";
    open_db(&f, "{\"type\":\"int64\"}", "");
    insert(&f, "12", odd);
    insert(&f, "-3", "\"just a string\"");
    expect_document(&f, "12", odd);
    expect_document(&f, "1.2e1", odd);
    commit(&f);
    expect_document(&f, "12", odd);
    expect_document(&f, "-3", "\"just a string\"");
    assert_int_equal(sop_document_insert(f.docs, sop_str("12"), sop_str("{}")), SOP_EXISTS);
    assert_int_equal(sop_document_put(f.docs, sop_str("12"), sop_str("{}")), SOP_OK);
    expect_document(&f, "12", "{}");
    assert_int_equal(sop_document_replace(f.docs, sop_str("13"), sop_str("{}")), SOP_NOT_FOUND);
    assert_int_equal(sop_document_remove(f.docs, sop_str("12")), SOP_OK);
    assert_int_equal(sop_document_remove(f.docs, sop_str("12")), SOP_NOT_FOUND);
    close_db(&f);
}

static void test_bad_input_names_place_and_writes_nothing(void **state)
{
    (void)state;
    fixture f;
    sop_slice none = {0};
    uint64_t count;
    open_db(&f, "[{\"path\":\"a.id\",\"type\":\"int64\"}]", "");
    expect_error(&f, sop_document_insert(f.docs, none, sop_str("{\"a\":\n {]")), SOP_INVALID,
                 "line 2, column 3 (byte 8)");
    expect_error(&f, sop_document_insert(f.docs, none, sop_str("{\"a\":{}}")), SOP_INVALID,
                 "a.id, int64): the document has no such field");
    expect_error(&f, sop_document_insert(f.docs, none, sop_str("{\"a\":{\"id\":\"x\"}}")),
                 SOP_INVALID, "a.id");
    expect_error(&f, sop_document_insert(f.docs, sop_str("[2]"), sop_str("{\"a\":{\"id\":1}}")),
                 SOP_INVALID, "the key [2] is not that of the document");
    assert_int_equal(sop_store_count(sop_documents_store(f.docs), &count), SOP_OK);
    assert_int_equal(count, 0);
    insert(&f, "", "{\"a\":{\"id\":1}}");
    expect_document(&f, "[1]", "{\"a\":{\"id\":1}}");
    expect_error(&f, sop_store_put(sop_documents_store(f.docs), sop_str("x"), sop_str("y")),
                 SOP_INVALID, "raw writes would bypass its indexes");
    close_db(&f);
}

static void test_patch_changes_only_what_it_names(void **state)
{
    (void)state;
    fixture f;
    open_db(&f, "{\"path\":\"id\",\"type\":\"string\"}", "");
    insert(&f, "", "{ \"id\":\"a\",  \"n\": 1.10, \"list\":[1,2] }");
    sop_edit edits[] = {{sop_str("/list/-"), sop_str("3")},
                        {sop_str("new.deep"), sop_str("true")},
                        {sop_str("/n"), {0}},
                        {sop_str("/missing"), {0}}};
    assert_int_equal(sop_document_patch(f.docs, sop_str("\"a\""), edits, 4), SOP_OK);
    expect_document(&f, "\"a\"", "{ \"id\":\"a\", \"list\":[1,2,3], \"new\":{\"deep\":true} }");
    assert_int_equal(
        sop_document_merge(f.docs, sop_str("\"a\""), sop_str("{\"new\":null,\"list\":[]}")),
        SOP_OK);
    expect_document(&f, "\"a\"", "{ \"id\":\"a\", \"list\":[] }");
    sop_edit other_key = {sop_str("/id"), sop_str("\"b\"")};
    expect_error(&f, sop_document_patch(f.docs, sop_str("\"a\""), &other_key, 1), SOP_INVALID,
                 "would give it another key");
    sop_edit bad = {sop_str("/list"), sop_str("[1,")};
    expect_error(&f, sop_document_patch(f.docs, sop_str("\"a\""), &bad, 1), SOP_INVALID, "edit 1");
    close_db(&f);
}

static void test_rules_name_the_field(void **state)
{
    (void)state;
    fixture f;
    open_db(&f, "{\"path\":\"id\",\"type\":\"int64\"}",
            "[{\"path\":\"name\",\"type\":\"string\",\"required\":true},"
            "{\"path\":\"size.kib\",\"type\":\"integer\",\"min\":0,\"max\":1e3},"
            "{\"path\":\"tags[*]\",\"type\":[\"string\",\"null\"]},"
            "{\"path\":\"born\",\"type\":\"date\",\"min\":{\"date\":\"1900-01-01\"}},"
            "{\"path\":\"state\",\"enum\":[\"new\",\"old\",7]}]");
    static const struct {
        const char *document;
        const char *message; /* NULL: fits */
    } cases[] = {
        {"{\"id\":1,\"name\":\"x\"}", NULL},
        {"{\"id\":2}", "field name: it is required"},
        {"{\"id\":2,\"name\":5}", "field name: the rules allow no such value as a number"},
        {"{\"id\":2,\"name\":\"x\",\"size\":{\"kib\":1.5}}", "field size.kib"},
        {"{\"id\":2,\"name\":\"x\",\"size\":{\"kib\":-1}}", "below the minimum"},
        {"{\"id\":2,\"name\":\"x\",\"size\":{\"kib\":1001}}", "above the maximum"},
        {"{\"id\":2,\"name\":\"x\",\"size\":{\"kib\":1e2}}", NULL},
        {"{\"id\":3,\"name\":\"x\",\"tags\":[\"a\",null,3]}", "field tags[*]"},
        {"{\"id\":3,\"name\":\"x\",\"born\":\"1899-12-31\"}", "below the minimum"},
        {"{\"id\":3,\"name\":\"x\",\"born\":\"1899-13-31\"}", "field born"},
        {"{\"id\":3,\"name\":\"x\",\"born\":\"1999-12-31\",\"state\":7}", NULL},
        {"{\"id\":4,\"name\":\"x\",\"state\":8}", "none of those allowed"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        sop_slice none = {0};
        sop_status status = sop_document_insert(f.docs, none, sop_str(cases[i].document));
        if (cases[i].message == NULL) {
            assert_int_equal(status, SOP_OK);
        } else {
            expect_error(&f, status, SOP_INVALID, cases[i].message);
        }
    }
    expect_error(&f, sop_documents_rules_set(f.docs, sop_str("[{\"path\":\"a\",\"typ\":1}]")),
                 SOP_INVALID, "rule 1");
    commit(&f);
    assert_int_equal(sop_documents_rules_set(f.docs, sop_str("")), SOP_OK);
    insert(&f, "", "{\"id\":4,\"name\":7}");
    close_db(&f);
}

static void test_keys_order_by_type_and_read_back(void **state)
{
    (void)state;
    fixture f;
    sop_slice key;
    sop_slice json;
    open_db(&f,
            "[{\"path\":\"s\",\"type\":\"string\"},"
            "{\"path\":\"n\",\"type\":\"decimal\",\"order\":\"desc\"}]",
            "");
    assert_int_equal(sop_documents_key_parse(f.docs, sop_str("[\"a\",1.50]"), 0, &key), SOP_OK);
    uint8_t copy[64];
    memcpy(copy, key.data, key.size);
    key.data = copy;
    assert_int_equal(sop_documents_key_format(f.docs, key, &json), SOP_OK);
    assert_memory_equal(json.data, "[\"a\",1.5]", json.size);
    insert(&f, "", "{\"s\":\"a\",\"n\":9}");
    insert(&f, "", "{\"s\":\"a\",\"n\":10}");
    insert(&f, "", "{\"s\":\"B\",\"n\":1}");
    static const char *const wanted[] = {"{\"s\":\"B\",\"n\":1}", "{\"s\":\"a\",\"n\":10}",
                                         "{\"s\":\"a\",\"n\":9}"};
    sop_find *find;
    sop_found found = SOP_FOUND_INIT;
    assert_int_equal(sop_find_open(f.docs, NULL, &find), SOP_OK);
    for (size_t i = 0; i < 3; i++) {
        uint64_t rank;
        assert_int_equal(sop_find_next(find, &found), SOP_OK);
        assert_memory_equal(found.document.data, wanted[i], found.document.size);
        assert_int_equal(sop_find_rank(find, &rank), SOP_OK);
        assert_int_equal(rank, i);
    }
    assert_int_equal(sop_find_next(find, &found), SOP_NOT_FOUND);
    sop_find_close(find);
    close_db(&f);
}

/* Collects the numbers of documents {"n":...} in the order found. */
static void collect(fixture *f, sop_find_options *options, char *out, size_t capacity)
{
    sop_find *find;
    sop_found found = SOP_FOUND_INIT;
    size_t size = 0;
    sop_status status = sop_find_open(f->docs, options, &find);
    if (status != SOP_OK) fail_msg("%s", sop_txn_error(f->txn)->message);
    while ((status = sop_find_next(find, &found)) == SOP_OK) {
        sop_slice n;
        assert_int_equal(sop_json_text_pick(found.document, sop_str("n"), &n, NULL), SOP_OK);
        size += (size_t)snprintf(out + size, capacity - size, "%.*s ", (int)n.size,
                                 (const char *)n.data);
    }
    assert_int_equal(status, SOP_NOT_FOUND);
    sop_find_close(find);
    out[size] = '\0';
}

static void test_find_pages_by_position_rank_and_bounds(void **state)
{
    (void)state;
    fixture f;
    char got[256];
    open_db(&f, "{\"path\":\"n\",\"type\":\"int64\"}", "");
    for (int i = 0; i < 10; i++) {
        char document[64];
        (void)snprintf(document, sizeof document, "{\"n\":%d,\"even\":%s}", i,
                       i % 2 == 0 ? "true" : "false");
        insert(&f, "", document);
    }
    commit(&f);
    sop_find_options o = SOP_FIND_OPTIONS_INIT;
    o.where = sop_str("even = true");
    o.descending = 1;
    collect(&f, &o, got, sizeof got);
    assert_string_equal(got, "8 6 4 2 0 ");
    o.limit = 2;
    sop_find *find;
    sop_found found = SOP_FOUND_INIT;
    sop_slice position;
    assert_int_equal(sop_find_open(f.docs, &o, &find), SOP_OK);
    assert_int_equal(sop_find_next(find, &found), SOP_OK);
    assert_int_equal(sop_find_next(find, &found), SOP_OK);
    assert_int_equal(sop_find_position(find, &position), SOP_OK);
    char after[64];
    memcpy(after, position.data, position.size);
    o.after = (sop_slice){after, position.size};
    sop_find_close(find);
    assert_int_equal(sop_document_remove(f.docs, sop_str("6")), SOP_OK);
    collect(&f, &o, got, sizeof got);
    assert_string_equal(got, "4 2 ");
    sop_find_options b = SOP_FIND_OPTIONS_INIT;
    b.from = sop_str("3");
    b.to = sop_str("8");
    collect(&f, &b, got, sizeof got);
    assert_string_equal(got, "3 4 5 7 ");
    b.at_rank = 1;
    b.rank = 5;
    collect(&f, &b, got, sizeof got);
    assert_string_equal(got, "5 7 ");
    sop_find_options r = SOP_FIND_OPTIONS_INIT;
    r.at_rank = 1;
    r.rank = 7;
    r.fields = sop_str("n , even");
    collect(&f, &r, got, sizeof got);
    assert_string_equal(got, "8 9 ");
    r.descending = 1;
    r.limit = 3;
    collect(&f, &r, got, sizeof got);
    assert_string_equal(got, "8 7 5 ");
    r.rank = 100;
    r.descending = 0;
    collect(&f, &r, got, sizeof got);
    assert_string_equal(got, "");
    expect_error(
        &f,
        sop_find_open(
            f.docs, &(sop_find_options){.struct_size = sizeof r, .where = sop_str("n = ")}, &find),
        SOP_INVALID, "filter");
    close_db(&f);
}

static void test_examining_can_be_limited_and_goes_on(void **state)
{
    (void)state;
    fixture f;
    open_db(&f, "{\"path\":\"n\",\"type\":\"int64\"}", "");
    for (int i = 0; i < 10; i++) {
        char document[64];
        (void)snprintf(document, sizeof document, "{\"n\":%d,\"m\":%d}", i, i);
        insert(&f, "", document);
    }
    sop_find_options o = SOP_FIND_OPTIONS_INIT;
    o.where = sop_str("m = 8");
    o.examine_max = 3;
    o.use_index = sop_str("-");
    sop_find *find;
    sop_found found = SOP_FOUND_INIT;
    int waits = 0;
    sop_status status;
    assert_int_equal(sop_find_open(f.docs, &o, &find), SOP_OK);
    while ((status = sop_find_next(find, &found)) == SOP_TIMEOUT) {
        waits++;
    }
    assert_int_equal(status, SOP_OK);
    assert_int_equal(waits, 2);
    assert_int_equal(found.examined, 9);
    sop_find_close(find);
    close_db(&f);
}

static void test_shape_tells_types_share_and_examples(void **state)
{
    (void)state;
    fixture f;
    sop_text text;
    open_db(&f, "{\"path\":\"n\",\"type\":\"int64\"}", "");
    insert(&f, "", "{\"n\":1,\"tags\":[\"a\",2],\"odd name\":{\"x\":1.5}}");
    insert(&f, "", "{\"n\":2,\"tags\":[]}");
    assert_int_equal(sop_documents_shape(f.docs, 0, &text), SOP_OK);
    assert_string_equal(
        text.data,
        "{\"count\":2,\"sampled\":2,\"error\":0,\"fields\":["
        "{\"path\":\"n\",\"types\":{\"integer\":2},\"share\":1,\"examples\":[1,2]},"
        "{\"path\":\"tags\",\"types\":{\"array\":2},\"share\":1,\"examples\":[]},"
        "{\"path\":\"tags[*]\",\"types\":{\"integer\":1,\"string\":1},\"share\":0.5,"
        "\"examples\":[\"a\",2]},"
        "{\"path\":\"\\\"odd name\\\"\",\"types\":{\"object\":1},\"share\":0.5,\"examples\":[]},"
        "{\"path\":\"\\\"odd name\\\".x\",\"types\":{\"number\":1},\"share\":0.5,"
        "\"examples\":[1.5]}]}");
    sop_text_free(&text);
    close_db(&f);
}

static void test_pure_calls_need_no_store(void **state)
{
    (void)state;
    sop_text text;
    sop_text back;
    sop_error err = {0};
    sop_filter *filter;
    int match;
    assert_int_equal(
        sop_key_spec_encode(sop_str("{\"type\":\"date\"}"), sop_str("\"2024-01-31\""), &text, &err),
        SOP_OK);
    assert_int_equal(sop_key_spec_decode(sop_str("{\"type\":\"date\"}"),
                                         (sop_slice){text.data, text.size}, &back, &err),
                     SOP_OK);
    assert_string_equal(back.data, "\"2024-01-31\"");
    sop_text_free(&text);
    sop_text_free(&back);
    assert_int_equal(sop_filter_parse(sop_str("a=1 and b has 2"), &filter, &err), SOP_OK);
    assert_int_equal(sop_filter_format(filter, 1, &text, &err), SOP_OK);
    assert_string_equal(text.data, "[\"and\",[\"=\",\"a\",1],[\"has\",\"b\",2]]");
    sop_text_free(&text);
    assert_int_equal(sop_filter_test(filter, sop_str("{\"a\":1.0,\"b\":[3,2]}"), &match, &err),
                     SOP_OK);
    assert_int_equal(match, 1);
    sop_filter_free(filter);
    assert_int_equal(
        sop_json_text_merge(sop_str("{\"a\":1,\"b\":2}"), sop_str("{\"a\":null}"), &text, &err),
        SOP_OK);
    assert_string_equal(text.data, "{\"b\":2}");
    sop_text_free(&text);
    assert_int_equal(sop_json_text_check(sop_str("{\"a\":01}"), &err), SOP_INVALID);
    assert_non_null(strstr(err.message, "byte"));
}

static void test_a_store_of_another_kind_is_refused(void **state)
{
    (void)state;
    fixture f;
    sop_store *raw;
    sop_documents *docs;
    open_db(&f, "{\"type\":\"int64\"}", "");
    assert_int_equal(sop_store_create(f.txn, "raw", NULL, &raw), SOP_OK);
    expect_error(&f, sop_documents_open(f.txn, "raw", &docs), SOP_INVALID,
                 "is not a document store");
    sop_store_options options = SOP_STORE_OPTIONS_INIT;
    options.kind = SOP_STORE_DOCUMENTS;
    expect_error(&f, sop_store_create(f.txn, "other", &options, &raw), SOP_INVALID,
                 "made by sop_documents_create");
    close_db(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_documents_come_back_byte_by_byte),
        cmocka_unit_test(test_bad_input_names_place_and_writes_nothing),
        cmocka_unit_test(test_patch_changes_only_what_it_names),
        cmocka_unit_test(test_rules_name_the_field),
        cmocka_unit_test(test_keys_order_by_type_and_read_back),
        cmocka_unit_test(test_find_pages_by_position_rank_and_bounds),
        cmocka_unit_test(test_examining_can_be_limited_and_goes_on),
        cmocka_unit_test(test_shape_tells_types_share_and_examples),
        cmocka_unit_test(test_pure_calls_need_no_store),
        cmocka_unit_test(test_a_store_of_another_kind_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
