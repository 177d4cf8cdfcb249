/* SPDX-License-Identifier: MIT */
/* Document stores: making them, their indexes, and writes that keep indexes and rules in step. */
#include "server/server_documents.h"

#include <stdio.h>
#include <string.h>

#include "util/bytes.h"
#include "util/error.h"

/* ---- creating ---- */

static sop_slice raw_member(const sop_json_value *object, const char *name)
{
    sop_json_value value;
    return server_member(object, name, &value) == SOP_OK ? value.raw : (sop_slice){0};
}

sop_status server_documents_create(sop_txn *txn,
                                   const char *name,
                                   const sop_store_options *options,
                                   const sop_json_value *document)
{
    sop_documents *documents;
    sop_documents_options wanted = SOP_DOCUMENTS_OPTIONS_INIT;
    sop_json_value indexes;
    sop_json_value definition;
    sop_json_iter iter;
    sop_slice label;
    wanted.key = raw_member(document, "key");
    wanted.rules = raw_member(document, "rules");
    wanted.inline_value_max = options->inline_value_max;
    wanted.attributes = options->attributes;
    sop_status status = sop_documents_create(txn, name, &wanted, &documents);
    if (status != SOP_OK || server_member(document, "indexes", &indexes) != SOP_OK) return status;
    sop_json_iter_init(&iter, &indexes);
    while (status == SOP_OK && sop_json_next(&iter, &label, &definition) == SOP_OK) {
        status = sop_index_create(documents, definition.raw);
    }
    return status;
}

void server_documents_describe(sop_txn *txn, const char *name, sop_json_writer *out)
{
    sop_documents *documents;
    sop_text schema = SOP_TEXT_INIT;
    if (sop_documents_open(txn, name, &documents) != SOP_OK ||
        sop_documents_schema(documents, &schema) != SOP_OK) {
        return;
    }
    sop_json_key(out, sop_str("document"));
    sop_json_raw(out, sop_slice_of(schema.data, schema.size));
    sop_text_free(&schema);
}

/* ---- writing ---- */

/* Key JSON of key bytes, in the arena: the library's own is gone with the next call. */
static sop_status key_of(sop_documents *documents, sop_slice key, sop_arena *arena, sop_slice *json)
{
    sop_status status = sop_documents_key_format(documents, key, json);
    if (status != SOP_OK) return status;
    json->data = sop_arena_copy(arena, json->data, json->size);
    return json->data == NULL ? SOP_NO_MEMORY : SOP_OK;
}

sop_status
server_documents_put(sop_documents *documents, sop_slice key, sop_slice value, sop_arena *arena)
{
    sop_slice json;
    sop_status status = key_of(documents, key, arena, &json);
    return status == SOP_OK ? sop_document_put(documents, json, value) : status;
}

sop_status server_documents_remove(sop_documents *documents, sop_slice key, sop_arena *arena)
{
    sop_slice json;
    sop_status status = key_of(documents, key, arena, &json);
    return status == SOP_OK ? sop_document_remove(documents, json) : status;
}

/* ---- indexes ---- */

typedef struct {
    const char *store;
    sop_slice definition; /* of one to make; empty: drop */
    sop_slice name;
} index_change;

static sop_status index_body(sop_txn *txn, void *context)
{
    const index_change *change = context;
    sop_documents *documents;
    sop_status status = sop_documents_open(txn, change->store, &documents);
    if (status != SOP_OK) return status;
    return change->definition.size != 0 ? sop_index_create(documents, change->definition)
                                        : sop_index_drop(documents, change->name);
}

static int index_run(server_request *r, index_change *change, int good)
{
    if (!server_is_plain(r->names[2])) return server_fail(r, SOP_NOT_FOUND, NULL);
    change->store = r->names[2].data;
    sop_status status = sop_txn_run(r->db, NULL, index_body, change, &r->err);
    return status == SOP_OK ? good : server_fail(r, status, &r->err);
}

int server_index_create(server_request *r)
{
    index_change change = {.definition = r->json.raw};
    if (r->json.type != SOP_JSON_OBJECT) return server_bad(r, "", "a definition is wanted");
    int status = index_run(r, &change, 201);
    return status == 201 ? server_store_get(r) == 200 ? 201 : 500 : status;
}

int server_index_drop(server_request *r)
{
    index_change change = {.name = r->names[3]};
    return index_run(r, &change, 204);
}
