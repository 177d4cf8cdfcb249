/* SPDX-License-Identifier: MIT */
/* Single documents: get, insert, put, replace, patch, merge, remove. */
#include "document/document_store.h"
#include "util/bytes.h"
#include "util/error.h"

static const sop_slice UNKNOWN = {NULL, 0};

/* ---- what all writes do ---- */

sop_status sop_documents__check(sop_documents *documents, sop_slice document)
{
    sop_error *err = sop_documents__error(documents);
    const sop_document__schema *schema = documents->schema;
    if (document.size > SOP_VALUE_GET_MAX) {
        return sop_fail(err, SOP_TOO_LARGE, "document of %zu bytes, at most %u", document.size,
                        SOP_VALUE_GET_MAX);
    }
    sop_status status = sop_json_text_check(document, err);
    if (status != SOP_OK || schema->rule_count == 0) return status;
    return sop_document__rules_check(schema->rules, schema->rule_count, document,
                                     &documents->scratch, err);
}

static sop_status store_write(sop_documents *documents, sop_slice key, sop_slice document, int how)
{
    if (how == SOP_DOCUMENT_INSERT) return sop_store_add(documents->store, key, document);
    return how == SOP_DOCUMENT_PUT ? sop_store_put(documents->store, key, document)
                                   : sop_store_update(documents->store, key, document);
}

/* What is stored under a key: SOP_OK, SOP_NOT_FOUND, an error. */
static sop_status old_get(sop_documents *documents, sop_slice key, sop_slice *old)
{
    if (old->data != NULL) return SOP_OK;
    return sop_store_get(documents->store, key, old);
}

sop_status sop_documents__write(
    sop_documents *documents, sop_slice key, sop_slice document, int how, sop_slice old)
{
    if (documents->schema->index_count == 0) return store_write(documents, key, document, how);
    sop_document__changes *changes = NULL;
    sop_status status = old_get(documents, key, &old);
    if (status == SOP_OK && how == SOP_DOCUMENT_INSERT) return SOP_EXISTS;
    if (status == SOP_NOT_FOUND && how == SOP_DOCUMENT_REPLACE) return status;
    if (status != SOP_OK && status != SOP_NOT_FOUND) return status;
    status = sop_document__changes_prepare(documents, key, old, document, &changes);
    if (status == SOP_OK) status = store_write(documents, key, document, how);
    return status == SOP_OK ? sop_document__changes_apply(documents, changes) : status;
}

sop_status sop_documents__remove(sop_documents *documents, sop_slice key, sop_slice old)
{
    if (documents->schema->index_count == 0) return sop_store_remove(documents->store, key);
    sop_document__changes *changes = NULL;
    sop_status status = old_get(documents, key, &old);
    if (status == SOP_OK) {
        status = sop_document__changes_prepare(documents, key, old, UNKNOWN, &changes);
    }
    if (status == SOP_OK) status = sop_store_remove(documents->store, key);
    return status == SOP_OK ? sop_document__changes_apply(documents, changes) : status;
}

sop_status
sop_documents__rewrite(sop_documents *documents, sop_slice key, sop_slice document, sop_slice old)
{
    sop_status status = sop_documents__check(documents, document);
    if (status == SOP_OK && documents->schema->has_paths) {
        sop_slice after;
        sop_error *err = sop_documents__error(documents);
        status = sop_document_key_of_document(documents->schema->key, document, &documents->scratch,
                                              &after, err);
        if (status == SOP_OK && !sop_slice_equal(key, after)) {
            char text[SOP_KEY_TEXT_MAX];
            status =
                sop_fail(err, SOP_INVALID,
                         "document %s: the change would give it another key; remove and insert",
                         sop_documents__key_text(documents, key, text));
        }
    }
    if (status != SOP_OK) return status;
    return sop_documents__write(documents, key, document, SOP_DOCUMENT_REPLACE, old);
}

/* ---- calls ---- */

sop_status sop_document_get(sop_documents *documents, sop_slice key, sop_slice *document_out)
{
    if (documents == NULL || document_out == NULL) return SOP_INVALID;
    sop_slice bytes;
    sop_status status = sop_documents__enter(documents);
    if (status == SOP_OK) status = sop_documents__key(documents, key, &bytes);
    return status == SOP_OK ? sop_store_get(documents->store, bytes, document_out) : status;
}

/* The key bytes of a document that is to be written, in documents->key. */
static sop_status
target_key(sop_documents *documents, sop_slice json, sop_slice document, sop_slice *key_out)
{
    const sop_document__schema *schema = documents->schema;
    sop_error *err = sop_documents__error(documents);
    sop_slice key;
    if (json.size != 0) {
        sop_status status = sop_documents__key(documents, json, key_out);
        if (status != SOP_OK || !schema->has_paths) return status;
    }
    sop_status status =
        sop_document_key_of_document(schema->key, document, &documents->scratch, &key, err);
    if (status != SOP_OK) return status;
    if (json.size != 0 && !sop_slice_equal(key, *key_out)) {
        return sop_fail(err, SOP_INVALID, "the key %.*s is not that of the document",
                        json.size < 100 ? (int)json.size : 100, (const char *)json.data);
    }
    memcpy(documents->key, key.data, key.size);
    *key_out = sop_slice_of(documents->key, key.size);
    return SOP_OK;
}

static sop_status write_call(sop_documents *documents, sop_slice json, sop_slice document, int how)
{
    if (documents == NULL) return SOP_INVALID;
    sop_slice key = {0};
    sop_status status = sop_documents__enter_write(documents);
    if (status == SOP_OK) status = sop_documents__check(documents, document);
    if (status == SOP_OK) status = target_key(documents, json, document, &key);
    return status == SOP_OK ? sop_documents__write(documents, key, document, how, UNKNOWN) : status;
}

sop_status sop_document_insert(sop_documents *documents, sop_slice key, sop_slice document)
{
    return write_call(documents, key, document, SOP_DOCUMENT_INSERT);
}

sop_status sop_document_put(sop_documents *documents, sop_slice key, sop_slice document)
{
    return write_call(documents, key, document, SOP_DOCUMENT_PUT);
}

sop_status sop_document_replace(sop_documents *documents, sop_slice key, sop_slice document)
{
    return write_call(documents, key, document, SOP_DOCUMENT_REPLACE);
}

sop_status sop_document_remove(sop_documents *documents, sop_slice key)
{
    if (documents == NULL) return SOP_INVALID;
    sop_slice bytes;
    sop_status status = sop_documents__enter_write(documents);
    if (status == SOP_OK) status = sop_documents__key(documents, key, &bytes);
    return status == SOP_OK ? sop_documents__remove(documents, bytes, UNKNOWN) : status;
}

/* The document that is to be changed. */
static sop_status
change_begin(sop_documents *documents, sop_slice json, sop_slice *key_out, sop_slice *old_out)
{
    sop_status status = sop_documents__enter_write(documents);
    if (status == SOP_OK) status = sop_documents__key(documents, json, key_out);
    return status == SOP_OK ? sop_store_get(documents->store, *key_out, old_out) : status;
}

sop_status
sop_document_patch(sop_documents *documents, sop_slice key, const sop_edit *edits, size_t count)
{
    if (documents == NULL || (edits == NULL && count != 0)) return SOP_INVALID;
    sop_slice bytes;
    sop_slice old;
    sop_slice text;
    sop_status status = change_begin(documents, key, &bytes, &old);
    if (status != SOP_OK) return status;
    status = sop_document__edits_apply(old, edits, count, documents->drafts, &text,
                                       sop_documents__error(documents));
    if (status != SOP_OK || count == 0) return status;
    return sop_documents__rewrite(documents, bytes, text, old);
}

sop_status sop_document_merge(sop_documents *documents, sop_slice key, sop_slice patch)
{
    if (documents == NULL) return SOP_INVALID;
    sop_slice bytes;
    sop_slice old;
    sop_slice text = {0};
    sop_json_position where;
    sop_json_writer *writer = &documents->drafts[0];
    sop_status status = change_begin(documents, key, &bytes, &old);
    if (status != SOP_OK) return status;
    sop_error *err = sop_documents__error(documents);
    if (sop_json_check(patch, NULL, &where, NULL) != SOP_OK) {
        return sop_fail(err, SOP_INVALID, "patch, line %zu, column %zu (byte %zu): %s", where.line,
                        where.column, where.offset, where.reason);
    }
    sop_json_writer_reset(writer);
    status = sop_json_merge(old, patch, writer, err);
    if (status == SOP_OK) status = sop_json_writer_end(writer, &text);
    return status == SOP_OK ? sop_documents__rewrite(documents, bytes, text, old) : status;
}
