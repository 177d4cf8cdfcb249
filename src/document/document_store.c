/* SPDX-License-Identifier: MIT */
/* Document stores: create, open, key and rules; the handle and what it keeps. */
#include "document/document_store.h"

#include <stdio.h>

#include "util/bytes.h"
#include "util/error.h"
#include "util/memory.h"

sop_error *sop_documents__error(const sop_documents *documents)
{
    return sop_db_txn_error(documents->txn);
}

/* ---- the handle ---- */

static void handle_free(sop_db_attachment *attachment)
{
    sop_documents *documents = (sop_documents *)(void *)attachment;
    sop_find__free_all(documents);
    sop_document__schema_free(documents->schema);
    sop_document_scratch_deinit(&documents->scratch);
    sop_json_writer_deinit(&documents->text);
    sop_json_writer_deinit(&documents->drafts[0]);
    sop_json_writer_deinit(&documents->drafts[1]);
    sop_arena_deinit(&documents->entries);
    sop_free(documents->opened);
    sop_free(documents);
}

static sop_status handle_new(sop_txn *txn, sop_store *store, sop_documents **out)
{
    sop_documents *documents = sop_alloc_zeroed(sizeof *documents);
    sop_error *err = sop_db_txn_error(txn);
    if (documents == NULL) return sop_fail(err, SOP_NO_MEMORY, "document store: out of memory");
    documents->attachment.free = handle_free;
    documents->txn = txn;
    documents->store = store;
    sop_json_writer_init(&documents->text, 0);
    sop_json_writer_init(&documents->drafts[0], 0);
    sop_json_writer_init(&documents->drafts[1], 0);
    sop_db_store_unlock(store);
    sop_db_txn_attach(txn, &documents->attachment);
    sop_status status = sop_documents__enter(documents);
    if (status == SOP_OK) *out = documents;
    return status;
}

sop_status sop_documents__enter(sop_documents *documents)
{
    sop_slice spec;
    uint64_t version = 0;
    sop_status status = sop_db_store_spec(documents->store, &spec, &version);
    if (SOP_LIKELY(status == SOP_OK && documents->version == version &&
                   documents->schema != NULL)) {
        return SOP_OK;
    }
    sop_error *err = sop_documents__error(documents);
    if (status != SOP_OK) return status;
    if (spec.size == 0) {
        return sop_fail(err, SOP_INVALID, "store \"%.150s\" is not a document store",
                        sop_db_store_name(documents->store));
    }
    sop_document__schema *schema;
    status = sop_document__schema_new(spec, &schema, err);
    if (status != SOP_OK) return status;
    sop_document__schema_free(documents->schema);
    documents->schema = schema;
    documents->version = version;
    return SOP_OK;
}

sop_status sop_documents__enter_write(sop_documents *documents)
{
    sop_status status = sop_documents__enter(documents);
    if (status != SOP_OK || sop_db_txn_writes(documents->txn)) return status;
    return sop_fail(sop_documents__error(documents), SOP_READ_ONLY,
                    "store \"%.150s\": the transaction only reads",
                    sop_db_store_name(documents->store));
}

sop_store *sop_documents_store(sop_documents *documents)
{
    if (documents == NULL) return NULL;
    if (documents->view == NULL) {
        sop_ignore(sop_store_open_id(documents->txn, sop_store_id(documents->store),
                                     &documents->view)); /* the error is in the transaction */
    }
    return documents->view;
}

sop_status sop_documents__index_store(sop_documents *documents,
                                      const sop_document__index *index,
                                      sop_store **store_out)
{
    for (size_t i = 0; i < documents->opened_count; i++) {
        if (documents->opened[i].id != index->store) continue;
        *store_out = documents->opened[i].store;
        return SOP_OK;
    }
    size_t count = documents->opened_count + 1;
    sop_document__opened *grown = sop_realloc(documents->opened, count * sizeof *grown);
    if (grown == NULL) {
        return sop_fail(sop_documents__error(documents), SOP_NO_MEMORY, "index: out of memory");
    }
    documents->opened = grown;
    sop_store *store;
    sop_status status = sop_store_open_id(documents->txn, index->store, &store);
    if (status == SOP_NOT_FOUND) {
        return sop_fail(sop_documents__error(documents), SOP_CORRUPT,
                        "index \"%.*s\" has no store %llu", (int)index->name.size,
                        (const char *)index->name.data, (unsigned long long)index->store);
    }
    if (status != SOP_OK) return status;
    sop_db_store_unlock(store);
    grown[documents->opened_count++] = (sop_document__opened){index->store, store};
    *store_out = store;
    return SOP_OK;
}

/* ---- create and open ---- */

static sop_status
options_read(const sop_documents_options *options, sop_documents_options *out, sop_error *err)
{
    *out = (sop_documents_options)SOP_DOCUMENTS_OPTIONS_INIT;
    if (options == NULL) return SOP_OK;
    if (options->struct_size == 0) {
        return sop_fail(err, SOP_INVALID, "documents options: struct_size is 0");
    }
    memcpy(out, options, options->struct_size < sizeof *out ? options->struct_size : sizeof *out);
    return SOP_OK;
}

/* The specification from what the caller gave, checked. */
static sop_status
spec_make(const sop_documents_options *options, sop_json_writer *writer, sop_error *err)
{
    sop_slice key = options->key.size == 0 ? sop_str("{\"type\":\"string\"}") : options->key;
    sop_document_key_spec *spec;
    sop_document__schema *schema = NULL;
    sop_slice text;
    sop_status status = sop_document_key_spec_new(key, 0, &spec, err);
    if (status != SOP_OK) return status;
    sop_document__schema draft = {.key = spec};
    if (options->rules.size != 0) {
        status = sop_document__rules_read(options->rules, &draft.arena, &draft.rules,
                                          &draft.rule_count, err);
    }
    if (status == SOP_OK) {
        sop_document__revision revision = {.rules = options->rules, .index = SIZE_MAX};
        sop_document__schema_write(&draft, &revision, writer);
        status = sop_json_writer_end(writer, &text);
        if (status != SOP_OK) (void)sop_fail(err, status, "document store: out of memory");
    }
    sop_document__rules_free(draft.rules, draft.rule_count);
    sop_arena_deinit(&draft.arena);
    sop_document_key_spec_free(spec);
    if (status == SOP_OK) status = sop_document__schema_new(text, &schema, err);
    sop_document__schema_free(schema);
    return status;
}

sop_status sop_documents_create(sop_txn *txn,
                                const char *name,
                                const sop_documents_options *options,
                                sop_documents **documents_out)
{
    if (txn == NULL || documents_out == NULL) return SOP_INVALID;
    *documents_out = NULL;
    sop_error *err = sop_db_txn_error(txn);
    sop_documents_options full;
    sop_json_writer writer;
    sop_slice spec = {0};
    sop_store *store;
    sop_json_writer_init(&writer, 0);
    sop_status status = options_read(options, &full, err);
    if (status == SOP_OK) status = spec_make(&full, &writer, err);
    if (status == SOP_OK) status = sop_json_writer_end(&writer, &spec);
    if (status == SOP_OK && spec.size > SOP_SPEC_SIZE_MAX) {
        status = sop_fail(err, SOP_TOO_LARGE, "key and rules take %zu bytes, at most %d", spec.size,
                          SOP_SPEC_SIZE_MAX);
    }
    if (status == SOP_OK) {
        sop_store_options raw = SOP_STORE_OPTIONS_INIT;
        raw.kind = SOP_STORE_DOCUMENTS;
        raw.inline_value_max = full.inline_value_max;
        raw.attributes = full.attributes;
        raw.system = name != NULL && strncmp(name, "sop:", 4) == 0;
        status = raw.system ? sop_fail(err, SOP_INVALID,
                                       "store name \"%.200s\": names that begin with sop: are "
                                       "reserved",
                                       name)
                            : sop_db_store_create(txn, name, &raw, spec, &store);
    }
    sop_json_writer_deinit(&writer);
    return status == SOP_OK ? handle_new(txn, store, documents_out) : status;
}

sop_status sop_documents_open(sop_txn *txn, const char *name, sop_documents **documents_out)
{
    if (txn == NULL || documents_out == NULL) return SOP_INVALID;
    *documents_out = NULL;
    sop_store *store;
    sop_status status = sop_store_open(txn, name, &store);
    return status == SOP_OK ? handle_new(txn, store, documents_out) : status;
}

sop_status sop_documents_open_id(sop_txn *txn, uint64_t id, sop_documents **documents_out)
{
    if (txn == NULL || documents_out == NULL) return SOP_INVALID;
    *documents_out = NULL;
    sop_store *store;
    sop_status status = sop_store_open_id(txn, id, &store);
    return status == SOP_OK ? handle_new(txn, store, documents_out) : status;
}

/* ---- rules ---- */

sop_status sop_documents__revise(sop_documents *documents, const sop_document__revision *revision)
{
    sop_json_writer *writer = &documents->drafts[0];
    sop_slice spec;
    sop_json_writer_reset(writer);
    sop_document__schema_write(documents->schema, revision, writer);
    sop_status status = sop_json_writer_end(writer, &spec);
    if (status != SOP_OK) {
        return sop_fail(sop_documents__error(documents), status, "specification: out of memory");
    }
    return sop_db_store_spec_set(documents->store, spec);
}

sop_status sop_documents_rules_set(sop_documents *documents, sop_slice rules)
{
    if (documents == NULL) return SOP_INVALID;
    sop_status status = sop_documents__enter_write(documents);
    if (status != SOP_OK) return status;
    sop_error *err = sop_documents__error(documents);
    sop_arena arena = {0};
    sop_document__rule *list = NULL;
    size_t count = 0;
    if (rules.size != 0) status = sop_document__rules_read(rules, &arena, &list, &count, err);
    sop_document__rules_free(list, count);
    sop_arena_deinit(&arena);
    if (status != SOP_OK) return status;
    sop_document__revision revision = {.rules = rules, .index = SIZE_MAX};
    return sop_documents__revise(documents, &revision);
}

/* ---- keys ---- */

sop_status sop_documents__key(sop_documents *documents, sop_slice json, sop_slice *key_out)
{
    sop_slice key;
    sop_status status =
        sop_document_key_of_json(documents->schema->key, json, 0, &documents->scratch, &key,
                                 sop_documents__error(documents));
    if (status != SOP_OK) return status;
    memcpy(documents->key, key.data, key.size);
    *key_out = sop_slice_of(documents->key, key.size);
    return SOP_OK;
}

sop_status
sop_documents_key_parse(sop_documents *documents, sop_slice json, int prefix, sop_slice *key_out)
{
    if (documents == NULL || key_out == NULL) return SOP_INVALID;
    *key_out = (sop_slice){0};
    sop_status status = sop_documents__enter(documents);
    if (status != SOP_OK) return status;
    return sop_document_key_of_json(documents->schema->key, json, prefix, &documents->scratch,
                                    key_out, sop_documents__error(documents));
}

sop_status sop_documents_key_format(sop_documents *documents, sop_slice key, sop_slice *json_out)
{
    if (documents == NULL || json_out == NULL) return SOP_INVALID;
    *json_out = (sop_slice){0};
    sop_status status = sop_documents__enter(documents);
    if (status != SOP_OK) return status;
    sop_error *err = sop_documents__error(documents);
    sop_json_writer_reset(&documents->text);
    status = sop_document_key_write(documents->schema->key, key, &documents->scratch,
                                    &documents->text, NULL, err);
    if (status == SOP_OK) status = sop_json_writer_end(&documents->text, json_out);
    return status;
}

sop_status sop_documents_key_of(sop_documents *documents, sop_slice document, sop_slice *key_out)
{
    if (documents == NULL || key_out == NULL) return SOP_INVALID;
    *key_out = (sop_slice){0};
    sop_error *err = sop_db_txn_error(documents->txn);
    sop_status status = sop_documents__enter(documents);
    if (status == SOP_OK) status = sop_json_text_check(document, err);
    if (status != SOP_OK) return status;
    return sop_document_key_of_document(documents->schema->key, document, &documents->scratch,
                                        key_out, err);
}

const char *
sop_documents__key_text(sop_documents *documents, sop_slice key, char buffer[SOP_KEY_TEXT_MAX])
{
    sop_slice json = {"?", 1};
    sop_error ignored;
    sop_json_writer_reset(&documents->text);
    if (sop_document_key_write(documents->schema->key, key, &documents->scratch, &documents->text,
                               NULL, &ignored) != SOP_OK ||
        sop_json_writer_end(&documents->text, &json) != SOP_OK) {
        json = sop_str("?");
    }
    (void)snprintf(buffer, SOP_KEY_TEXT_MAX, "%.*s", (int)json.size, (const char *)json.data);
    return buffer;
}
