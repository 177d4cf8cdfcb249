/* SPDX-License-Identifier: MIT */
/*
 * Making, filling and dropping indexes.
 *
 * A new index is `building`. From its commit on every writer keeps its entries, wherever the document lies; the builder walks the
 * documents in key order and adds theirs, some a transaction, and keeps its position in the same transaction. A writer that
 * changes a document under the builder makes its transaction conflict, and it looks again. At the end the state becomes
 * `ready`. The position lies in a store of its own, which no writer reads.
 */
#include <stdio.h>

#include "document/document_store.h"
#include "util/bytes.h"
#include "util/error.h"
#include "util/memory.h"

enum { AT_ONCE_MAX = 1000, NAME_MAX_SIZE = 100 };
static const char BUILDS[] = "sop:builds";

/* ---- the list of what is being built ---- */

sop_status sop_document__builds_open(sop_txn *txn, int create, sop_store **out)
{
    sop_status status = sop_store_open(txn, BUILDS, out);
    if (status != SOP_NOT_FOUND || !create) return status;
    sop_store_options options = SOP_STORE_OPTIONS_INIT;
    options.system = 1;
    return sop_store_create(txn, BUILDS, &options, out);
}

void sop_document__builds_key(uint64_t store, uint64_t index, uint8_t out[16])
{
    sop_put_u64be(out, store);
    sop_put_u64be(out + 8, index);
}

/* ---- filling ---- */

static sop_status entry_add(sop_documents *documents,
                            const sop_document__index *index,
                            sop_store *store,
                            const sop_document__entry *entry)
{
    if (index->unique) {
        sop_slice owner;
        sop_status status = sop_store_get(store, entry->key, &owner);
        if (status == SOP_OK && !sop_slice_equal(owner, entry->value)) {
            char text[SOP_KEY_TEXT_MAX];
            char other[SOP_KEY_TEXT_MAX];
            (void)sop_documents__key_text(documents, owner, text);
            return sop_fail(sop_documents__error(documents), SOP_EXISTS,
                            "index \"%.*s\" is unique, and documents %s and %s have the same value",
                            index->name.size < 40 ? (int)index->name.size : 40,
                            (const char *)index->name.data, text,
                            sop_documents__key_text(documents, entry->value, other));
        }
        if (status != SOP_NOT_FOUND) return status;
    }
    return sop_store_put(store, entry->key, entry->value);
}

static sop_status document_add(sop_documents *documents,
                               const sop_document__index *index,
                               sop_store *store,
                               sop_slice key,
                               sop_slice document)
{
    sop_document__entries list;
    sop_arena_reset(&documents->entries);
    sop_status status = sop_document__entries_of(documents, index, key, document, &list);
    if (status == SOP_INVALID || status == SOP_TOO_LARGE) {
        sop_error *err = sop_documents__error(documents);
        sop_error why = *err;
        char text[SOP_KEY_TEXT_MAX];
        return sop_fail(err, status, "document %s: %.150s",
                        sop_documents__key_text(documents, key, text), why.message);
    }
    for (size_t i = 0; i < list.count && status == SOP_OK; i++) {
        status = entry_add(documents, index, store, &list.entries[i]);
    }
    return status;
}

sop_status sop_document__index_fill(sop_documents *documents,
                                    const sop_document__index *index,
                                    uint64_t max,
                                    sop_document__position *position,
                                    int *done_out)
{
    sop_store *reader;
    sop_store *store;
    sop_cursor *cursor;
    sop_slice document;
    sop_slice key;
    *done_out = 0;
    sop_status status = sop_documents__reader(documents, &reader);
    if (status == SOP_OK) status = sop_documents__index_store(documents, index, &store);
    if (status == SOP_OK) status = sop_cursor_open(reader, &cursor);
    if (status != SOP_OK) return status;
    status =
        position->size == 0
            ? sop_cursor_first(cursor)
            : sop_cursor_seek(cursor, sop_slice_of(position->key, position->size), SOP_SEEK_GT);
    for (uint64_t i = 0; i < max && status == SOP_OK; i++) {
        status = sop_cursor_item(cursor, &key, &document);
        if (status != SOP_OK) break;
        memcpy(position->key, key.data, key.size);
        position->size = key.size;
        position->count++;
        status = document_add(documents, index, store, sop_slice_of(position->key, position->size),
                              document);
        if (status == SOP_OK) status = sop_cursor_next(cursor);
    }
    *done_out = status == SOP_NOT_FOUND;
    sop_cursor_close(cursor);
    return status == SOP_NOT_FOUND ? SOP_OK : status;
}

/* ---- create ---- */

static sop_status definition_member(sop_document__index *index,
                                    sop_slice key,
                                    const sop_json_value *value,
                                    sop_arena *arena,
                                    sop_error *err)
{
    if (sop_json_string_equal(key, sop_str("fields"))) {
        return sop_document_key_spec_new(value->raw, 1, &index->spec, err);
    }
    if (sop_json_string_equal(key, sop_str("unique"))) {
        index->unique = value->type == SOP_JSON_TRUE;
        int is_bool = index->unique || value->type == SOP_JSON_FALSE;
        return is_bool ? SOP_OK : sop_fail(err, SOP_INVALID, "index: unique is true or false");
    }
    int is_name = sop_json_string_equal(key, sop_str("name"));
    if (!is_name && !sop_json_string_equal(key, sop_str("where"))) {
        return sop_fail(err, SOP_INVALID,
                        "index: a member that is none of name, fields, unique, where");
    }
    if (value->type != SOP_JSON_STRING) {
        return sop_fail(err, SOP_INVALID, "index: name and where are strings");
    }
    sop_status status =
        sop_document__string_copy(value->raw, arena, is_name ? &index->name : &index->where_text);
    if (status != SOP_OK) return sop_fail(err, status, "index: a string that is not UTF-8");
    if (is_name || index->where_text.size == 0) return SOP_OK;
    return sop_filter_parse(index->where_text, &index->where, err);
}

static sop_status
definition_read(sop_slice json, sop_document__index *index, sop_arena *arena, sop_error *err)
{
    sop_json_value root;
    sop_json_value value;
    sop_json_iter iter;
    sop_slice key;
    sop_status status = sop_json_text_check(json, err);
    if (status != SOP_OK) return status;
    if (sop_json_read(json, &root) != SOP_OK || root.type != SOP_JSON_OBJECT) {
        return sop_fail(err, SOP_INVALID, "index: expected an object with name and fields");
    }
    sop_json_iter_init(&iter, &root);
    while (status == SOP_OK && sop_json_next(&iter, &key, &value) == SOP_OK) {
        status = definition_member(index, key, &value, arena, err);
    }
    if (status != SOP_OK) return status;
    if (index->spec == NULL) return sop_fail(err, SOP_INVALID, "index: without fields");
    if (index->name.size == 0 || index->name.size > NAME_MAX_SIZE ||
        *(const char *)index->name.data == '-') {
        return sop_fail(err, SOP_INVALID, "index: a name of 1 to %d bytes, not beginning with -",
                        NAME_MAX_SIZE);
    }
    return SOP_OK;
}

/* The name of the index's own store. */
static void
store_name(const sop_documents *documents, sop_slice name, char out[SOP_STORE_NAME_SIZE_MAX + 1])
{
    char text[NAME_MAX_SIZE + 1];
    memcpy(text, name.data, name.size);
    text[name.size] = '\0';
    (void)snprintf(out, SOP_STORE_NAME_SIZE_MAX + 1, SOP_INDEX_NAME_FORMAT,
                   (unsigned long long)sop_store_id(documents->store), text);
}

static sop_status store_make(sop_documents *documents, sop_document__index *index)
{
    char name[SOP_STORE_NAME_SIZE_MAX + 1];
    sop_store *store;
    sop_store_options options = SOP_STORE_OPTIONS_INIT;
    options.kind = SOP_STORE_INDEX;
    options.system = 1;
    /* Entries of unique indexes hold a whole document key. */
    options.inline_value_max = SOP_KEY_SIZE_MAX;
    store_name(documents, index->name, name);
    sop_status status = sop_db_store_create(documents->txn, name, &options, (sop_slice){0}, &store);
    if (status == SOP_OK) index->store = sop_store_id(store);
    return status;
}

/* Puts a definition into the specification: a new one, another state, or nothing. */
static sop_status
index_revise(sop_documents *documents, size_t number, const sop_document__index *index)
{
    sop_json_writer writer;
    sop_document__revision revision = {.rules = documents->schema->rules_json, .index = number};
    sop_json_writer_init(&writer, 0);
    sop_status status = SOP_OK;
    if (index != NULL) {
        sop_document__index_write(index, &writer);
        status = sop_json_writer_end(&writer, &revision.definition);
    }
    if (status == SOP_OK) status = sop_documents__revise(documents, &revision);
    sop_json_writer_deinit(&writer);
    return status;
}

static sop_status build_later(sop_documents *documents, const sop_document__index *index)
{
    sop_store *builds;
    uint8_t key[16];
    uint8_t value[8] = {0};
    sop_status status = sop_document__builds_open(documents->txn, 1, &builds);
    sop_document__builds_key(sop_store_id(documents->store), index->store, key);
    if (status == SOP_OK) {
        status =
            sop_store_put(builds, sop_slice_of(key, sizeof key), sop_slice_of(value, sizeof value));
    }
    if (status == SOP_OK) sop_db_txn_on_commit(documents->txn, sop_document__builder_kick);
    return status;
}

static sop_status create(sop_documents *documents, sop_document__index *index)
{
    sop_store *reader;
    uint64_t count = 0;
    int done = 0;
    sop_document__position position = {.size = 0};
    sop_status status = sop_documents__reader(documents, &reader);
    if (status == SOP_OK) status = sop_store_count(reader, &count);
    if (status == SOP_OK) status = store_make(documents, index);
    if (status != SOP_OK) return status;
    index->state = count <= AT_ONCE_MAX ? SOP_INDEX_READY : SOP_INDEX_BUILDING;
    status = index_revise(documents, documents->schema->index_count, index);
    if (status == SOP_OK && index->state == SOP_INDEX_BUILDING) {
        return build_later(documents, index);
    }
    if (status == SOP_OK) status = sop_documents__enter(documents);
    if (status != SOP_OK) return status;
    const sop_document__schema *schema = documents->schema;
    return sop_document__index_fill(documents, &schema->indexes[schema->index_count - 1],
                                    UINT64_MAX, &position, &done);
}

sop_status sop_index_create(sop_documents *documents, sop_slice definition)
{
    if (documents == NULL) return SOP_INVALID;
    sop_error *err = sop_db_txn_error(documents->txn);
    sop_arena arena = {0};
    sop_document__index index = {.unique = 0};
    sop_status status = sop_documents__enter_write(documents);
    if (status == SOP_OK) status = definition_read(definition, &index, &arena, err);
    if (status == SOP_OK) {
        const sop_document__schema *schema = documents->schema;
        if (sop_document__index_find(schema, index.name) != schema->index_count) {
            status = sop_fail(err, SOP_EXISTS, "there is an index \"%.*s\" already",
                              (int)index.name.size, (const char *)index.name.data);
        } else {
            status = create(documents, &index);
            /* Store and specification are several writes; half of them must not be committed. */
            if (status != SOP_OK && index.store != 0) sop_db_txn_doom(documents->txn);
        }
    }
    sop_document_key_spec_free(index.spec);
    sop_filter_free(index.where);
    sop_arena_deinit(&arena);
    return status;
}

/* ---- drop, and the end of a build ---- */

static sop_status build_forget(sop_documents *documents, uint64_t index)
{
    sop_store *builds;
    uint8_t key[16];
    sop_document__builds_key(sop_store_id(documents->store), index, key);
    sop_status status = sop_document__builds_open(documents->txn, 0, &builds);
    if (status == SOP_OK) status = sop_store_remove(builds, sop_slice_of(key, sizeof key));
    return status == SOP_NOT_FOUND ? SOP_OK : status;
}

sop_status sop_index_drop(sop_documents *documents, sop_slice name)
{
    if (documents == NULL) return SOP_INVALID;
    char stored[SOP_STORE_NAME_SIZE_MAX + 1];
    sop_status status = sop_documents__enter_write(documents);
    if (status != SOP_OK) return status;
    size_t i = sop_document__index_find(documents->schema, name);
    if (i == documents->schema->index_count) {
        return sop_fail(sop_documents__error(documents), SOP_NOT_FOUND,
                        "there is no index \"%.*s\"", name.size < 100 ? (int)name.size : 100,
                        (const char *)name.data);
    }
    uint64_t id = documents->schema->indexes[i].store;
    store_name(documents, name, stored);
    status = sop_db_index_drop(documents->txn, stored);
    if (status == SOP_OK) status = build_forget(documents, id);
    if (status == SOP_OK) status = index_revise(documents, i, NULL);
    if (status != SOP_OK) sop_db_txn_doom(documents->txn);
    return status;
}

sop_status sop_document__index_finish(sop_documents *documents, size_t number, const char *why)
{
    sop_document__index index = documents->schema->indexes[number];
    index.state = why == NULL ? SOP_INDEX_READY : SOP_INDEX_FAILED;
    index.error = why == NULL ? (sop_slice){0} : sop_str(why);
    sop_status status = build_forget(documents, index.store);
    return status == SOP_OK ? index_revise(documents, number, &index) : status;
}
