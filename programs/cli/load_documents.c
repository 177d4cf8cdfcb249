/* SPDX-License-Identifier: MIT */
/* load of a document store: made again by its schema, filled in transactions, indexed at the end. */
#include <stdio.h>
#include <string.h>

#include "cli/documents.h"

enum { LOAD_BATCH = 20000 };

static int failed(cli_documents_load *l, sop_status status)
{
    int code = cli_fail(l->args, status, sop_txn_error(l->txn));
    cli_documents_load_abort(l);
    return code;
}

/* A member of the schema; empty: there is none. */
static sop_slice member(sop_slice object, const char *name)
{
    sop_slice value;
    if (sop_json_text_pick(object, sop_str(name), &value, NULL) != SOP_OK) return (sop_slice){0};
    return value;
}

static int slice_is(sop_slice bytes, const char *text)
{
    return bytes.size == strlen(text) && memcmp(bytes.data, text, bytes.size) == 0;
}

int cli_documents_load_begin(cli_documents_load *l,
                             const char *name,
                             sop_slice schema,
                             const sop_store_options *options)
{
    sop_error err = {0};
    sop_documents_options how = SOP_DOCUMENTS_OPTIONS_INIT;
    how.key = member(schema, "key");
    how.rules = member(schema, "rules");
    how.attributes = options->attributes;
    how.inline_value_max = options->inline_value_max;
    l->schema = schema;
    l->pending = 0;
    (void)snprintf(l->name, sizeof l->name, "%s", name);
    sop_status status = sop_txn_begin(l->db, SOP_TXN_WRITE, &l->txn, &err);
    if (status != SOP_OK) return cli_fail(l->args, status, &err);
    status = sop_documents_create(l->txn, name, &how, &l->documents);
    return status == SOP_OK ? CLI_OK : failed(l, status);
}

int cli_documents_load_add(cli_documents_load *l, sop_slice key, sop_slice document)
{
    sop_slice json;
    sop_status status = sop_documents_key_format(l->documents, key, &json);
    /* The text of the key lies in the handle, which the next call uses again. */
    char text[4 * SOP_KEY_SIZE_MAX];
    int fits = status == SOP_OK && json.size <= sizeof text;
    if (fits) memcpy(text, json.data, json.size);
    if (status == SOP_OK) {
        status = fits ? sop_document_put(l->documents, (sop_slice){text, json.size}, document)
                      : SOP_TOO_LARGE;
    }
    if (status == SOP_OK && ++l->pending % LOAD_BATCH == 0) {
        status = sop_txn_commit(l->txn);
        if (status == SOP_OK) status = sop_txn_renew(l->txn);
    }
    return status == SOP_OK ? CLI_OK : failed(l, status);
}

/* A definition without what the library adds to it. */
static sop_status index_make(cli_documents_load *l, sop_slice described)
{
    static const char *const names[] = {"name", "fields", "unique", "where"};
    sop_json_writer writer;
    sop_slice definition;
    sop_json_writer_init(&writer, 0);
    sop_json_object_begin(&writer);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        sop_slice value = member(described, names[i]);
        if (value.size == 0) continue;
        sop_json_key(&writer, sop_str(names[i]));
        sop_json_raw(&writer, value);
    }
    sop_json_object_end(&writer);
    sop_status status = sop_json_writer_end(&writer, &definition);
    if (status == SOP_OK) status = sop_index_create(l->documents, definition);
    sop_json_writer_deinit(&writer);
    return status;
}

int cli_documents_load_end(cli_documents_load *l)
{
    sop_json_value list;
    sop_json_value one;
    sop_json_iter iter;
    sop_slice key;
    sop_error err = {0};
    if (l->txn == NULL) return CLI_OK;
    sop_status status = sop_txn_commit(l->txn);
    if (status == SOP_OK) status = sop_txn_renew(l->txn);
    if (status == SOP_OK && sop_json_read(member(l->schema, "indexes"), &list) == SOP_OK) {
        sop_json_iter_init(&iter, &list);
        while (status == SOP_OK && sop_json_next(&iter, &key, &one) == SOP_OK) {
            /* One that failed is of no use; whoever wants it makes it again. */
            if (slice_is(member(one.raw, "state"), "\"failed\"")) continue;
            status = index_make(l, one.raw);
        }
    }
    if (status == SOP_OK) status = sop_txn_commit(l->txn);
    if (status != SOP_OK) return failed(l, status);
    cli_documents_load_abort(l);
    status = sop_index_build(l->db, l->name, NULL, &err);
    return status == SOP_OK ? CLI_OK : cli_fail(l->args, status, &err);
}

void cli_documents_load_abort(cli_documents_load *l)
{
    sop_txn_close(l->txn);
    l->txn = NULL;
}
