/* SPDX-License-Identifier: MIT */
/* Groups, and changes of many documents, through the public interface. */
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

static void must(fixture *f, sop_status status)
{
    if (status != SOP_OK) {
        fail_msg("%s: %s", sop_status_name(status), sop_txn_error(f->txn)->message);
    }
}

static void renew(fixture *f)
{
    sop_txn_reset(f->txn);
    must(f, sop_txn_renew(f->txn));
}

static void open_db(fixture *f, int count)
{
    static const char *const sections[] = {"games", "libs", "net"};
    sop_documents_options options = SOP_DOCUMENTS_OPTIONS_INIT;
    options.key = sop_str("{\"path\":\"n\",\"type\":\"int64\"}");
    options.rules = sop_str("[{\"path\":\"v\",\"max\":1000000}]");
    assert_int_equal(sop_db_open("memory:", NULL, &f->db, NULL), SOP_OK);
    assert_int_equal(sop_txn_begin(f->db, SOP_TXN_WRITE, &f->txn, NULL), SOP_OK);
    must(f, sop_documents_create(f->txn, "things", &options, &f->docs));
    must(f,
         sop_index_create(
             f->docs, sop_str("{\"name\":\"s\",\"fields\":{\"path\":\"s\",\"type\":\"string\"}}")));
    must(f, sop_index_create(
                f->docs,
                sop_str("{\"name\":\"v\",\"fields\":{\"path\":\"v\",\"type\":\"decimal\"}}")));
    for (int i = 0; i < count; i++) {
        char document[256];
        (void)snprintf(document, sizeof document,
                       "{\"n\":%d,\"s\":\"%s\",\"v\":%d.25,\"t\":[\"Alpha %d\",\"x\",\"Alpha\"]}",
                       i, sections[i % 3], i, i);
        must(f, sop_document_insert(f->docs, (sop_slice){0}, sop_str(document)));
    }
    must(f, sop_txn_commit(f->txn));
    must(f, sop_txn_renew(f->txn));
}

static void close_db(fixture *f)
{
    sop_error err = {0};
    sop_check_report report = SOP_CHECK_REPORT_INIT;
    sop_txn_close(f->txn);
    if (sop_db_check(f->db, NULL, &report, &err) != SOP_OK) fail_msg("%s", err.message);
    assert_int_equal(sop_db_close(f->db, NULL), SOP_OK);
}

static uint64_t count(fixture *f, const char *where)
{
    sop_find_options o = SOP_FIND_OPTIONS_INIT;
    sop_found found = SOP_FOUND_INIT;
    sop_find *find;
    uint64_t n = 0;
    o.where = sop_str(where);
    must(f, sop_find_open(f->docs, &o, &find));
    while (sop_find_next(find, &found) == SOP_OK) {
        n++;
    }
    sop_find_close(find);
    return n;
}

static void expect_document(fixture *f, const char *key, const char *document)
{
    sop_slice got;
    must(f, sop_document_get(f->docs, sop_str(key), &got));
    if (got.size != strlen(document) || memcmp(got.data, document, got.size) != 0) {
        fail_msg("%.*s\n%s", (int)got.size, (const char *)got.data, document);
    }
}

static void test_groups_count_and_sum_exactly(void **state)
{
    (void)state;
    fixture f;
    sop_text text;
    sop_group_options o = SOP_GROUP_OPTIONS_INIT;
    open_db(&f, 7);
    must(&f, sop_document_insert(f.docs, (sop_slice){0},
                                 sop_str("{\"n\":100,\"s\":\"net\",\"v\":-0.1,\"w\":null}")));
    must(&f, sop_document_insert(f.docs, (sop_slice){0}, sop_str("{\"n\":101,\"v\":1e-9}")));
    o.by = sop_str("s");
    o.values = sop_str("count, sum(v), avg(v),min(v) ,max(v),distinct(t[*])");
    must(&f, sop_documents_group(f.docs, &o, &text));
    assert_string_equal(text.data,
                        "{\"documents\":9,\"groups\":["
                        "{\"count\":1,\"sum(v)\":1e-9,\"avg(v)\":1e-9,\"min(v)\":1e-"
                        "9,\"max(v)\":1e-9,\"distinct(t[*])\":0},"
                        "{\"key\":\"games\",\"count\":3,\"sum(v)\":9.75,\"avg(v)\":3.25,\"min(v)\":"
                        "0.25,\"max(v)\":6.25,\"distinct(t[*])\":5},"
                        "{\"key\":\"libs\",\"count\":2,\"sum(v)\":5.5,\"avg(v)\":2.75,\"min(v)\":1."
                        "25,\"max(v)\":4.25,\"distinct(t[*])\":4},"
                        "{\"key\":\"net\",\"count\":3,\"sum(v)\":7.4,\"avg(v)\":2.466666666666667,"
                        "\"min(v)\":-0.1,\"max(v)\":5.25,\"distinct(t[*])\":4}]}");
    sop_text_free(&text);
    o.by = sop_str("t[*]");
    o.where = sop_str("n < 2");
    o.values = (sop_slice){0};
    must(&f, sop_documents_group(f.docs, &o, &text));
    assert_string_equal(text.data,
                        "{\"documents\":2,\"groups\":[{\"key\":\"Alpha\",\"count\":2},"
                        "{\"key\":\"Alpha 0\",\"count\":1},{\"key\":\"Alpha 1\",\"count\":1},"
                        "{\"key\":\"x\",\"count\":2}]}");
    sop_text_free(&text);
    o.values = sop_str("sum");
    assert_int_equal(sop_documents_group(f.docs, &o, &text), SOP_INVALID);
    close_db(&f);
}

static void test_sums_do_not_round(void **state)
{
    (void)state;
    fixture f;
    sop_text text;
    sop_group_options o = SOP_GROUP_OPTIONS_INIT;
    static const char *const numbers[] = {"9007199254740993",
                                          "-0.000000000000000000000000000000000001",
                                          "123456789012345678901234567890",
                                          "1e71",
                                          "-1e71",
                                          "0.1",
                                          "0.2"};
    open_db(&f, 0);
    for (size_t i = 0; i < 7; i++) {
        char document[128];
        (void)snprintf(document, sizeof document, "{\"n\":%zu,\"x\":%s}", i, numbers[i]);
        must(&f, sop_document_insert(f.docs, (sop_slice){0}, sop_str(document)));
    }
    o.values = sop_str("sum(x)");
    must(&f, sop_documents_group(f.docs, &o, &text));
    assert_string_equal(text.data,
                        "{\"documents\":7,\"groups\":[{\"sum(x)\":"
                        "123456789012354686100489308883.299999999999999999999999999999999999}]}");
    sop_text_free(&text);
    close_db(&f);
}

static void test_preview_counts_and_shows_without_writing(void **state)
{
    (void)state;
    fixture f;
    sop_text text;
    sop_rewrite fix = {.kind = SOP_REWRITE_REPLACE,
                       .path = sop_str("t[*]"),
                       .find = sop_str("Alpha"),
                       .with = sop_str("Beta \"now\"")};
    sop_update_options o = SOP_UPDATE_OPTIONS_INIT;
    o.where = sop_str("n < 4 and s = \"games\"");
    o.rewrites = &fix;
    o.rewrite_count = 1;
    open_db(&f, 10);
    must(&f, sop_update_preview(f.docs, &o, 1, &text));
    assert_string_equal(
        text.data,
        "{\"matched\":2,\"changed\":2,\"refused\":0,\"transactions\":1,\"samples\":[{\"key\":0,"
        "\"before\":{\"n\":0,\"s\":\"games\",\"v\":0.25,\"t\":[\"Alpha 0\",\"x\",\"Alpha\"]},"
        "\"after\":{\"n\":0,\"s\":\"games\",\"v\":0.25,\"t\":[\"Beta \\\"now\\\" "
        "0\",\"x\",\"Beta \\\"now\\\"\"]}}]}");
    sop_text_free(&text);
    expect_document(&f, "0",
                    "{\"n\":0,\"s\":\"games\",\"v\":0.25,\"t\":[\"Alpha 0\",\"x\",\"Alpha\"]}");
    close_db(&f);
}

static void test_a_change_is_one_transaction(void **state)
{
    (void)state;
    fixture f;
    sop_error err = {0};
    sop_rewrite rewrites[] = {
        {.kind = SOP_REWRITE_SET, .path = sop_str("s"), .value = sop_str("\"toys\"")},
        {.kind = SOP_REWRITE_UNSET, .path = sop_str("/t")},
        {.kind = SOP_REWRITE_SET, .path = sop_str("a.b"), .value = sop_str("[1]")}};
    sop_update_options o = SOP_UPDATE_OPTIONS_INIT;
    sop_update_report report = SOP_UPDATE_REPORT_INIT;
    o.where = sop_str("s = \"games\"");
    o.rewrites = rewrites;
    o.rewrite_count = 3;
    o.note = sop_str("fix");
    open_db(&f, 10);
    must(&f, sop_update_run(f.db, "things", &o, &report, &err));
    assert_int_equal(report.changed, 4);
    assert_int_equal(report.transactions, 1);
    assert_true(report.seq != 0);
    assert_string_equal(report.job, "");
    renew(&f);
    expect_document(&f, "3", "{\"n\":3,\"s\":\"toys\",\"v\":3.25,\"a\":{\"b\":[1]}}");
    assert_int_equal(count(&f, "s = \"toys\""), 4);
    assert_int_equal(count(&f, "s = \"games\""), 0);
    /* A rule that one of them breaks: nothing is written. */
    rewrites[0].path = sop_str("v");
    rewrites[0].value = sop_str("1000001");
    o.where = sop_str("n >= 5");
    assert_int_equal(sop_update_run(f.db, "things", &o, &report, &err), SOP_INVALID);
    assert_non_null(strstr(err.message, "document 5: document, field v: the value is above"));
    rewrites[0].path = sop_str("n");
    rewrites[0].value = sop_str("7");
    assert_int_equal(sop_update_run(f.db, "things", &o, &report, &err), SOP_INVALID);
    assert_non_null(strstr(err.message, "would give it another key"));
    renew(&f);
    assert_int_equal(count(&f, "v > 1000000 or a.b exists and n >= 5 and s = \"libs\""), 0);
    o.rewrite_count = 0;
    o.remove = 1;
    must(&f, sop_update_run(f.db, "things", &o, &report, &err));
    assert_int_equal(report.changed, 5);
    renew(&f);
    assert_int_equal(count(&f, ""), 5);
    close_db(&f);
}

static sop_status stop_after_two(uint64_t done, uint64_t total, void *context)
{
    int *calls = context;
    (void)done;
    (void)total;
    return ++*calls == 2 ? SOP_CANCELLED : SOP_OK;
}

static void test_many_documents_change_in_chunks_that_resume(void **state)
{
    (void)state;
    fixture f;
    sop_error err = {0};
    int calls = 0;
    sop_rewrite set = {.kind = SOP_REWRITE_SET, .path = sop_str("v"), .value = sop_str("7")};
    sop_update_options o = SOP_UPDATE_OPTIONS_INIT;
    sop_update_report report = SOP_UPDATE_REPORT_INIT;
    o.where = sop_str("s != \"net\"");
    o.rewrites = &set;
    o.rewrite_count = 1;
    o.at_once = 20;
    o.chunk = 10;
    o.progress = stop_after_two;
    o.context = &calls;
    open_db(&f, 100);
    assert_int_equal(sop_update_run(f.db, "things", &o, &report, &err), SOP_CANCELLED);
    assert_int_equal(report.examined, 20);
    assert_int_equal(report.transactions, 2);
    renew(&f);
    assert_int_equal(count(&f, "v = 7"), 14);
    sop_text text;
    must(&f, sop_update_jobs(f.db, &text, &err));
    assert_non_null(strstr(
        text.data,
        "\"store\":\"things\",\"where\":\"s != \\\"net\\\"\",\"remove\":false,\"examined\":20"));
    sop_text_free(&text);
    sop_update_report again = SOP_UPDATE_REPORT_INIT;
    must(&f, sop_update_resume(f.db, report.job, NULL, &again, &err));
    assert_int_equal(again.examined, 100);
    assert_int_equal(again.changed, 67);
    renew(&f);
    assert_int_equal(count(&f, "v = 7"), 67);
    assert_int_equal(count(&f, "s != \"net\" and v = 7"), 67);
    must(&f, sop_update_jobs(f.db, &text, &err));
    assert_string_equal(text.data, "[]");
    sop_text_free(&text);
    assert_int_equal(sop_update_resume(f.db, report.job, NULL, &again, &err), SOP_NOT_FOUND);
    assert_int_equal(sop_update_resume(f.db, "nonsense", NULL, &again, &err), SOP_NOT_FOUND);
    calls = 0;
    assert_int_equal(sop_update_run(f.db, "things", &o, &report, &err), SOP_CANCELLED);
    must(&f, sop_update_cancel(f.db, report.job, &err));
    assert_int_equal(sop_update_cancel(f.db, report.job, &err), SOP_NOT_FOUND);
    close_db(&f);
}

static void test_wrong_changes_are_refused(void **state)
{
    (void)state;
    fixture f;
    static const struct {
        sop_rewrite rewrite;
        const char *message;
    } cases[] = {
        {{.kind = SOP_REWRITE_SET, .path = {"a", 1}, .value = {"{", 1}}, "the value is not JSON"},
        {{.kind = SOP_REWRITE_SET, .path = {"a[*]", 4}, .value = {"1", 1}}, "[*] is for replace"},
        {{.kind = SOP_REWRITE_REPLACE, .path = {"a", 1}}, "nothing to look for"},
        {{.kind = SOP_REWRITE_UNSET, .path = {"", 0}}, "expected a field name"},
        {{.kind = 9, .path = {"a", 1}}, "none of set"}};
    open_db(&f, 1);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        sop_error err = {0};
        sop_update_options o = SOP_UPDATE_OPTIONS_INIT;
        sop_update_report report = SOP_UPDATE_REPORT_INIT;
        o.rewrites = &cases[i].rewrite;
        o.rewrite_count = 1;
        assert_int_equal(sop_update_run(f.db, "things", &o, &report, &err), SOP_INVALID);
        if (strstr(err.message, cases[i].message) == NULL) fail_msg("%s", err.message);
    }
    close_db(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_groups_count_and_sum_exactly),
        cmocka_unit_test(test_sums_do_not_round),
        cmocka_unit_test(test_preview_counts_and_shows_without_writing),
        cmocka_unit_test(test_a_change_is_one_transaction),
        cmocka_unit_test(test_many_documents_change_in_chunks_that_resume),
        cmocka_unit_test(test_wrong_changes_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
