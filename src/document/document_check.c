/* SPDX-License-Identifier: MIT */
/* sop check: every index has exactly the entries of its documents, and every document lies under its key. */
#include <stdarg.h>
#include <stdio.h>

#include "document/document_store.h"
#include "util/bytes.h"
#include "util/error.h"
#include "util/memory.h"

enum { PROGRESS_EVERY = 4096 };

typedef struct {
    sop_db *db;
    sop_txn *txn;
    const sop_check_options *options;
    sop_check_report *report;
    uint64_t interrupts;
    uint64_t *ids; /* of document stores */
    size_t count;
    size_t capacity;
} checker;

SOP_PRINTF(2, 3) static void found(checker *c, const char *format, ...)
{
    char message[SOP_ERROR_MESSAGE_SIZE];
    va_list args;
    va_start(args, format);
    /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): it is begun on the line above. */
    (void)vsnprintf(message, sizeof message, format, args);
    va_end(args);
    if (c->report->findings++ == 0) {
        (void)snprintf(c->report->first, sizeof c->report->first, "%s", message);
    }
    if (c->options->finding != NULL) {
        c->options->finding(SOP_CORRUPT, message, c->options->context);
    }
}

static sop_status progress(const checker *c)
{
    if (sop_db_interrupts(c->db) != c->interrupts) return SOP_CANCELLED;
    if (c->options->progress == NULL) return SOP_OK;
    return c->options->progress(c->report->bytes, 0, c->options->context);
}

static sop_status store_note(const sop_store_info *info, void *context)
{
    checker *c = context;
    if (info->kind != SOP_STORE_DOCUMENTS) return SOP_OK;
    if (c->count == c->capacity) {
        size_t capacity = c->capacity * 2 + 16;
        uint64_t *grown = sop_realloc(c->ids, capacity * sizeof *grown);
        if (grown == NULL) return SOP_NO_MEMORY;
        c->ids = grown;
        c->capacity = capacity;
    }
    c->ids[c->count++] = info->id;
    return SOP_OK;
}

/* Each entry that the document should have is there. */
static sop_status check_entries(checker *c,
                                sop_documents *documents,
                                const sop_document__index *index,
                                sop_slice key,
                                sop_slice document,
                                uint64_t *wanted)
{
    sop_document__entries list;
    sop_store *store;
    char text[SOP_KEY_TEXT_MAX];
    sop_arena_reset(&documents->entries);
    sop_status status = sop_document__entries_of(documents, index, key, document, &list);
    if (status == SOP_INVALID || status == SOP_TOO_LARGE) {
        found(c, "document %s: %.150s", sop_documents__key_text(documents, key, text),
              sop_documents__error(documents)->message);
        return SOP_OK;
    }
    if (status == SOP_OK) status = sop_documents__index_store(documents, index, &store);
    for (size_t i = 0; i < list.count && status == SOP_OK; i++) {
        sop_slice value;
        status = sop_store_get(store, list.entries[i].key, &value);
        int there = status == SOP_OK && sop_slice_equal(value, list.entries[i].value);
        if (status == SOP_NOT_FOUND) status = SOP_OK;
        if (status == SOP_OK && !there) {
            found(c, "store \"%.60s\", index \"%.*s\": document %s has no entry",
                  sop_db_store_name(documents->store), (int)index->name.size,
                  (const char *)index->name.data, sop_documents__key_text(documents, key, text));
        }
    }
    *wanted += list.count;
    return status;
}

static void check_key(checker *c, sop_documents *documents, sop_slice key, sop_slice document)
{
    sop_slice own;
    sop_error ignored = {0};
    char text[SOP_KEY_TEXT_MAX];
    int fits = !documents->schema->has_paths ||
               (sop_document_key_of_document(documents->schema->key, document, &documents->scratch,
                                             &own, &ignored) == SOP_OK &&
                sop_slice_equal(own, key));
    if (!fits) {
        found(c, "store \"%.60s\": the document under %s has another key",
              sop_db_store_name(documents->store), sop_documents__key_text(documents, key, text));
    }
}

static sop_status check_document(
    checker *c, sop_documents *documents, sop_slice key, sop_slice document, uint64_t *wanted)
{
    const sop_document__schema *schema = documents->schema;
    sop_status status = SOP_OK;
    if (sop_json_check(document, NULL, NULL, NULL) != SOP_OK) {
        char text[SOP_KEY_TEXT_MAX];
        found(c, "store \"%.60s\": the document under %s is not JSON",
              sop_db_store_name(documents->store), sop_documents__key_text(documents, key, text));
        return SOP_OK;
    }
    check_key(c, documents, key, document);
    c->report->bytes += document.size;
    for (size_t i = 0; i < schema->index_count && status == SOP_OK; i++) {
        if (schema->indexes[i].state != SOP_INDEX_READY) continue;
        status = check_entries(c, documents, &schema->indexes[i], key, document, &wanted[i]);
    }
    return status;
}

static sop_status check_counts(checker *c, sop_documents *documents, const uint64_t *wanted)
{
    const sop_document__schema *schema = documents->schema;
    for (size_t i = 0; i < schema->index_count; i++) {
        const sop_document__index *index = &schema->indexes[i];
        sop_store *store;
        uint64_t count;
        if (index->state != SOP_INDEX_READY) continue;
        sop_status status = sop_documents__index_store(documents, index, &store);
        if (status == SOP_OK) status = sop_store_count(store, &count);
        if (status != SOP_OK) return status;
        if (count == wanted[i]) continue;
        found(c, "store \"%.60s\", index \"%.*s\": %llu entries, the documents have %llu",
              sop_db_store_name(documents->store), (int)index->name.size,
              (const char *)index->name.data, (unsigned long long)count,
              (unsigned long long)wanted[i]);
    }
    return SOP_OK;
}

static sop_status check_store(checker *c, uint64_t id)
{
    sop_documents *documents;
    sop_store *reader;
    sop_cursor *cursor = NULL;
    sop_slice key;
    sop_slice document;
    uint64_t walked = 0;
    sop_status status = sop_documents_open_id(c->txn, id, &documents);
    if (status == SOP_OK) status = sop_documents__reader(documents, &reader);
    if (status == SOP_OK) status = sop_cursor_open(reader, &cursor);
    if (status != SOP_OK) return status;
    uint64_t *wanted = sop_alloc_zeroed((documents->schema->index_count + 1) * sizeof *wanted);
    if (wanted == NULL) return SOP_NO_MEMORY;
    while (status == SOP_OK && (status = sop_cursor_next(cursor)) == SOP_OK) {
        status = sop_cursor_item(cursor, &key, &document);
        if (status == SOP_OK && key.size <= sizeof documents->key) {
            memcpy(documents->key, key.data, key.size);
            status = check_document(c, documents, sop_slice_of(documents->key, key.size), document,
                                    wanted);
        }
        if (status == SOP_OK && ++walked % PROGRESS_EVERY == 0) status = progress(c);
    }
    if (status == SOP_NOT_FOUND) status = check_counts(c, documents, wanted);
    sop_free(wanted);
    sop_cursor_close(cursor);
    return status;
}

sop_status sop_documents__check_all(sop_db *db,
                                    const sop_check_options *options,
                                    sop_check_report *report,
                                    sop_error *err)
{
    checker c = {
        .db = db, .options = options, .report = report, .interrupts = sop_db_interrupts(db)};
    if (options->quick) return SOP_OK;
    sop_status status = sop_txn_begin(db, SOP_TXN_READ, &c.txn, err);
    if (status != SOP_OK) return status;
    status = sop_store_list(c.txn, store_note, &c);
    for (size_t i = 0; i < c.count && status == SOP_OK; i++) {
        status = check_store(&c, c.ids[i]);
    }
    if (status != SOP_OK && err != NULL) {
        *err = *sop_txn_error(c.txn);
        if (err->status != status) (void)sop_fail(err, status, "%s", sop_status_text(status));
    }
    sop_txn_close(c.txn);
    sop_free(c.ids);
    if (status == SOP_OK && report->findings != 0) {
        return sop_fail(err, SOP_CORRUPT, "%llu findings, the first: %.180s",
                        (unsigned long long)report->findings, report->first);
    }
    return status;
}
