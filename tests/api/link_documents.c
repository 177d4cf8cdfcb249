/* SPDX-License-Identifier: MIT */
/*
 * An outside program that uses every function about documents against the installed library, as link_all.c does for the rest.
 * Compiles as C99 and as C++11. tools/check_install.sh builds it, runs it, and sees that nothing is left out.
 * Usage: link_documents URL BACKUP_URL (the second is not used)
 */
#include <sop/sop.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Ends the program with the place and the error, for everything after would only be noise. */
static void need_at(int truth, const char *what, int line, const sop_error *error)
{
    if (truth) return;
    fprintf(stderr, "link_documents.c:%d: %s", line, what);
    if (error != NULL) fprintf(stderr, ": %s: %s", sop_status_name(error->status), error->message);
    fprintf(stderr, "\n");
    exit(1);
}
#define NEED(truth)        need_at((truth) != 0, #truth, __LINE__, NULL)
#define NEED_OK(call, err) need_at((call) == SOP_OK, #call, __LINE__, (err))
#define NEED_IN(txn, call) need_at((call) == SOP_OK, #call, __LINE__, sop_txn_error(txn))

static const char spec[] = "{\"path\":\"name\",\"type\":\"string\"}";

static int same(sop_slice slice, const char *text)
{
    return slice.size == strlen(text) && memcmp(slice.data, text, slice.size) == 0;
}

/* The text that a call made, compared and freed. */
static int made(sop_text *text, const char *want)
{
    int good = text->data != NULL && strcmp(text->data, want) == 0 && text->size == strlen(want);
    if (!good) fprintf(stderr, "made %s\n", text->data == NULL ? "nothing" : text->data);
    sop_text_free(text);
    return good && text->data == NULL;
}

static int holds(sop_text *text, const char *part)
{
    int good = text->data != NULL && strstr(text->data, part) != NULL;
    if (!good) fprintf(stderr, "made %s\n", text->data == NULL ? "nothing" : text->data);
    sop_text_free(text);
    return good;
}

static void use_texts(void)
{
    sop_error error;
    sop_text text = SOP_TEXT_INIT;
    sop_text key = SOP_TEXT_INIT;
    sop_slice value;
    sop_edit edit;
    sop_slice bytes;
    edit.path = sop_str("/b/0");
    edit.value = sop_str("3");
    NEED_OK(sop_json_text_check(sop_str("{\"a\":1}"), &error), &error);
    NEED(sop_json_text_check(sop_str("{\"a\":}"), &error) == SOP_INVALID);
    NEED_OK(sop_json_text_edit(sop_str("{\"a\":1,\"b\":[2]}"), &edit, 1, &text, &error), &error);
    NEED(made(&text, "{\"a\":1,\"b\":[3]}"));
    NEED_OK(
        sop_json_text_merge(sop_str("{\"a\":1,\"b\":2}"), sop_str("{\"a\":null}"), &text, &error),
        &error);
    NEED(made(&text, "{\"b\":2}"));
    NEED_OK(
        sop_json_text_pick(sop_str("{\"a\":{\"b\":[1, 2]}}"), sop_str("a.b[1]"), &value, &error),
        &error);
    NEED(same(value, "2"));
    NEED_OK(sop_key_spec_check(sop_str("[ {\"path\":\"a\",\"type\":\"int64\"} ]"), &text, &error),
            &error);
    NEED(holds(&text, "int64"));
    NEED_OK(sop_key_spec_encode(sop_str("{\"type\":\"int64\"}"), sop_str("-7"), &key, &error),
            &error);
    bytes.data = key.data;
    bytes.size = key.size;
    NEED_OK(sop_key_spec_decode(sop_str("{\"type\":\"int64\"}"), bytes, &text, &error), &error);
    NEED(made(&text, "-7"));
    sop_text_free(&key);
}

static void use_filters(void)
{
    sop_error error;
    sop_filter *filter = NULL;
    sop_text text = SOP_TEXT_INIT;
    int match = 0;
    NEED(sop_filter_parse(sop_str("size >"), &filter, &error) == SOP_INVALID && filter == NULL);
    NEED_OK(sop_filter_parse(sop_str("size > 2 and tags has \"x\""), &filter, &error), &error);
    NEED_OK(sop_filter_test(filter, sop_str("{\"size\":3,\"tags\":[\"x\"]}"), &match, &error),
            &error);
    NEED(match);
    NEED_OK(sop_filter_test(filter, sop_str("{\"size\":3}"), &match, &error), &error);
    NEED(!match);
    NEED_OK(sop_filter_format(filter, 1, &text, &error), &error);
    NEED(holds(&text, "[\"and\","));
    sop_filter_free(filter);
}

static void insert_fruit(sop_documents *documents, sop_txn *txn)
{
    static const char *const fruit[] = {
        "{\"name\":\"apple\",\"size\":3,\"kind\":\"pome\"}", "{\"name\":\"fig\",\"size\":1}",
        "{\"name\":\"pear\",\"size\":4,\"kind\":\"pome\"}", "{\"name\":\"plum\",\"size\":2}"};
    const sop_slice none = {NULL, 0};
    size_t i;
    for (i = 0; i < sizeof(fruit) / sizeof(fruit[0]); i++) {
        NEED_IN(txn, sop_document_insert(documents, none, sop_str(fruit[i])));
    }
    NEED(sop_document_insert(documents, none, sop_str(fruit[0])) == SOP_EXISTS);
}

static void use_store(sop_txn *txn, uint64_t *id_out)
{
    sop_documents_options options = SOP_DOCUMENTS_OPTIONS_INIT;
    sop_documents *documents = NULL;
    sop_slice bytes, json, first = {NULL, 0};
    sop_text text = SOP_TEXT_INIT;
    options.key = sop_str(spec);
    NEED_IN(txn, sop_documents_create(txn, "fruit", &options, &documents));
    *id_out = sop_store_id(sop_documents_store(documents));
    NEED(*id_out > 0);
    NEED_IN(txn, sop_documents_rules_set(documents,
                                         sop_str("[{\"path\":\"size\",\"type\":\"integer\"}]")));
    NEED(sop_document_put(documents, first, sop_str("{\"name\":\"x\",\"size\":\"big\"}")) ==
         SOP_INVALID);
    NEED_IN(txn, sop_index_create(documents,
                                  sop_str("{\"name\":\"by_size\",\"fields\":[{\"path\":\"size\","
                                          "\"type\":\"int64\"}]}")));
    NEED_IN(txn, sop_index_create(documents,
                                  sop_str("{\"name\":\"by_kind\",\"fields\":[{\"path\":\"kind\","
                                          "\"type\":\"string\"}]}")));
    NEED_IN(txn, sop_index_drop(documents, sop_str("by_kind")));
    NEED_IN(txn, sop_documents_schema(documents, &text));
    NEED(holds(&text, "by_size"));
    insert_fruit(documents, txn);
    NEED_IN(txn, sop_documents_key_parse(documents, sop_str("\"fig\""), 0, &bytes));
    NEED_IN(txn, sop_store_get(sop_documents_store(documents), bytes, &json));
    NEED(same(json, "{\"name\":\"fig\",\"size\":1}"));
    NEED_IN(txn, sop_documents_key_of(documents, sop_str("{\"name\":\"fig\"}"), &bytes));
    NEED_IN(txn, sop_documents_key_format(documents, bytes, &json));
    NEED(same(json, "\"fig\""));
}

static void use_documents(sop_documents *documents, sop_txn *txn)
{
    const sop_slice none = {NULL, 0};
    sop_slice got;
    sop_edit edit;
    edit.path = sop_str("/size");
    edit.value = sop_str("5");
    NEED_IN(txn, sop_document_get(documents, sop_str("\"pear\""), &got));
    NEED(same(got, "{\"name\":\"pear\",\"size\":4,\"kind\":\"pome\"}"));
    NEED_IN(txn, sop_document_patch(documents, sop_str("\"pear\""), &edit, 1));
    NEED_IN(txn, sop_document_merge(documents, sop_str("\"fig\""), sop_str("{\"dried\":true}")));
    NEED_IN(txn, sop_document_put(documents, none, sop_str("{\"name\":\"quince\",\"size\":6}")));
    NEED_IN(txn,
            sop_document_replace(documents, none, sop_str("{\"name\":\"quince\",\"size\":7}")));
    NEED(sop_document_replace(documents, none, sop_str("{\"name\":\"none\"}")) == SOP_NOT_FOUND);
    NEED_IN(txn, sop_document_remove(documents, sop_str("\"quince\"")));
    NEED(sop_document_remove(documents, sop_str("\"quince\"")) == SOP_NOT_FOUND);
}

static void use_find(sop_documents *documents, sop_txn *txn)
{
    sop_find_options options = SOP_FIND_OPTIONS_INIT;
    sop_group_options group = SOP_GROUP_OPTIONS_INIT;
    sop_found found = SOP_FOUND_INIT;
    sop_find *find = NULL;
    sop_text text = SOP_TEXT_INIT;
    sop_slice position;
    uint64_t rank = 9;
    options.where = sop_str("size >= 2");
    options.order = sop_str("by_size");
    NEED_IN(txn, sop_find_open(documents, &options, &find));
    NEED_IN(txn, sop_find_explain(find, &text));
    NEED(holds(&text, "by_size"));
    NEED_IN(txn, sop_find_next(find, &found));
    NEED(same(found.document, "{\"name\":\"plum\",\"size\":2}"));
    NEED_IN(txn, sop_find_rank(find, &rank));
    NEED(rank == 1);
    NEED_IN(txn, sop_find_position(find, &position));
    NEED(position.size > 0);
    NEED_IN(txn, sop_find_next(find, &found));
    NEED_IN(txn, sop_find_next(find, &found));
    NEED(sop_find_next(find, &found) == SOP_NOT_FOUND);
    sop_find_close(find);
    NEED_IN(txn, sop_documents_shape(documents, 0, &text));
    NEED(holds(&text, "\"path\":\"size\""));
    group.by = sop_str("kind");
    NEED_IN(txn, sop_documents_group(documents, &group, &text));
    NEED(holds(&text, "\"pome\""));
}

/* A change in chunks that stops half way, goes on, and another that is given up. */
static sop_status stop_soon(uint64_t done, uint64_t total, void *context)
{
    (void)total;
    return done > 0 && (*(int *)context)-- > 0 ? SOP_CANCELLED : SOP_OK;
}

static void use_updates(sop_db *db, sop_documents *documents)
{
    sop_update_options options = SOP_UPDATE_OPTIONS_INIT;
    sop_update_report report = SOP_UPDATE_REPORT_INIT;
    sop_text text = SOP_TEXT_INIT;
    sop_rewrite rewrite = {SOP_REWRITE_SET, {"seen", 4}, {"true", 4}, {NULL, 0}, {NULL, 0}};
    sop_error error;
    int stops = 1;
    options.rewrites = &rewrite;
    options.rewrite_count = 1;
    options.at_once = 1;
    options.chunk = 1;
    options.progress = stop_soon;
    options.context = &stops;
    NEED(sop_update_preview(documents, &options, 1, &text) == SOP_OK &&
         holds(&text, "\"changed\":4"));
    NEED(sop_update_run(db, "fruit", &options, &report, &error) == SOP_CANCELLED);
    NEED(strlen(report.job) > 0);
    NEED_OK(sop_update_jobs(db, &text, &error), &error);
    NEED(holds(&text, report.job));
    NEED_OK(sop_update_resume(db, report.job, NULL, &report, &error), &error);
    NEED(report.changed == 4);
    rewrite.value = sop_str("false");
    stops = 1;
    NEED(sop_update_run(db, "fruit", &options, &report, &error) == SOP_CANCELLED);
    NEED_OK(sop_update_cancel(db, report.job, &error), &error);
    NEED(sop_update_resume(db, report.job, NULL, &report, &error) == SOP_NOT_FOUND);
}

int main(int argc, char **argv)
{
    sop_db *db = NULL;
    sop_txn *txn = NULL;
    sop_documents *documents = NULL;
    sop_error error;
    uint64_t id = 0;
    if (argc != 3) {
        fprintf(stderr, "usage: %s URL BACKUP_URL\n", argv[0]);
        return 2;
    }
    use_texts();
    use_filters();
    NEED_OK(sop_db_open(argv[1], NULL, &db, &error), &error);
    NEED_OK(sop_txn_begin(db, SOP_TXN_WRITE, &txn, &error), &error);
    use_store(txn, &id);
    NEED_IN(txn, sop_txn_commit(txn));
    NEED_OK(sop_index_build(db, "fruit", NULL, &error), &error);
    NEED_OK(sop_txn_renew(txn), &error);
    NEED_IN(txn, sop_documents_open(txn, "fruit", &documents));
    use_documents(documents, txn);
    NEED_IN(txn, sop_txn_commit(txn));
    NEED_OK(sop_txn_renew(txn), &error);
    NEED_IN(txn, sop_documents_open_id(txn, id, &documents));
    use_find(documents, txn);
    use_updates(db, documents);
    sop_txn_close(txn);
    NEED_OK(sop_db_close(db, &error), &error);
    printf("every function about documents used on %s\n", argv[1]);
    return 0;
}
