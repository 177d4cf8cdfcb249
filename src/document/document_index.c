/* SPDX-License-Identifier: MIT */
/* Entries of indexes: what a document has in each, and what a write must change. */
#include <stdlib.h>

#include "document/document_store.h"
#include "util/bytes.h"
#include "util/error.h"
#include "util/memory.h"

enum { PREFIX_SIZE = 2 }; /* of the value of a non-unique entry: the size of the index key */

/* ---- entries of one document ---- */

typedef struct {
    sop_documents *documents;
    const sop_document__index *index;
    sop_slice document_key;
    sop_document__entries *out;
} collector;

static sop_status no_memory(const sop_documents *documents)
{
    return sop_fail(sop_documents__error(documents), SOP_NO_MEMORY, "index: out of memory");
}

static sop_status too_long(const collector *c, size_t size)
{
    return sop_fail(sop_documents__error(c->documents), SOP_TOO_LARGE,
                    "index \"%.*s\": entry of %zu bytes, at most %d", (int)c->index->name.size,
                    (const char *)c->index->name.data, size, SOP_KEY_SIZE_MAX);
}

static sop_status entry_make(const collector *c, sop_slice key, sop_document__entry *entry)
{
    sop_arena *arena = &c->documents->entries;
    sop_slice document = c->document_key;
    size_t size = key.size + (c->index->unique ? 0 : document.size);
    if (size > SOP_KEY_SIZE_MAX) return too_long(c, size);
    uint8_t *bytes = sop_arena_alloc(arena, size + PREFIX_SIZE);
    if (bytes == NULL) return no_memory(c->documents);
    memcpy(bytes, key.data, key.size);
    entry->key = sop_slice_of(bytes, size);
    entry->value = document;
    if (c->index->unique) return SOP_OK;
    memcpy(bytes + key.size, document.data, document.size);
    sop_put_u16le(bytes + size, (uint16_t)key.size);
    entry->value = sop_slice_of(bytes + size, PREFIX_SIZE);
    return SOP_OK;
}

static sop_status collect(sop_slice key, void *context)
{
    const collector *c = context;
    sop_document__entries *out = c->out;
    if (out->count == out->capacity) {
        size_t capacity = out->capacity * 2 + 4;
        sop_document__entry *grown =
            sop_arena_alloc(&c->documents->entries, capacity * sizeof *grown);
        if (grown == NULL) return no_memory(c->documents);
        if (out->count != 0) memcpy(grown, out->entries, out->count * sizeof *grown);
        out->entries = grown;
        out->capacity = capacity;
    }
    sop_status status = entry_make(c, key, &out->entries[out->count]);
    if (status == SOP_OK) out->count++;
    return status;
}

static int entry_compare(const void *a, const void *b)
{
    return sop_slice_compare(((const sop_document__entry *)a)->key,
                             ((const sop_document__entry *)b)->key);
}

static void sort_unique(sop_document__entries *list)
{
    if (list->count < 2) return;
    qsort(list->entries, list->count, sizeof *list->entries, entry_compare);
    size_t kept = 1;
    for (size_t i = 1; i < list->count; i++) {
        if (sop_slice_equal(list->entries[i].key, list->entries[kept - 1].key)) continue;
        list->entries[kept++] = list->entries[i];
    }
    list->count = kept;
}

sop_status sop_document__entries_of(sop_documents *documents,
                                    const sop_document__index *index,
                                    sop_slice key,
                                    sop_slice document,
                                    sop_document__entries *out)
{
    *out = (sop_document__entries){.count = 0};
    if (document.data == NULL) return SOP_OK;
    sop_error *err = sop_documents__error(documents);
    sop_status status = SOP_OK;
    int fits = 1;
    if (index->where != NULL) {
        status = sop_filter_match(index->where->root, document, &documents->scratch, &fits, err);
    }
    if (status != SOP_OK || !fits) return status;
    collector c = {.documents = documents, .index = index, .document_key = key, .out = out};
    status = sop_document_key_each(index->spec, document, &documents->scratch, collect, &c, err);
    if (status == SOP_INVALID) {
        sop_error why = *err;
        return sop_fail(err, status, "index \"%.*s\", %.190s",
                        index->name.size < 40 ? (int)index->name.size : 40,
                        (const char *)index->name.data, why.message);
    }
    sort_unique(out);
    return status;
}

sop_status sop_document__entry_document(const sop_document__index *index,
                                        sop_slice entry_key,
                                        sop_slice entry_value,
                                        sop_slice *key_out,
                                        sop_error *err)
{
    *key_out = entry_value;
    if (index->unique) return SOP_OK;
    size_t size = entry_value.size == PREFIX_SIZE ? sop_get_u16le(entry_value.data) : SIZE_MAX;
    if (size >= entry_key.size) {
        return sop_fail(err, SOP_CORRUPT, "index \"%.*s\": an entry of %zu bytes names no document",
                        (int)index->name.size, (const char *)index->name.data, entry_key.size);
    }
    *key_out = sop_slice_of((const uint8_t *)entry_key.data + size, entry_key.size - size);
    return SOP_OK;
}

/* ---- what a write changes ---- */

typedef struct {
    sop_store *store;
    sop_document__entry entry;
    int add;
} change;

struct sop_document__changes {
    change *list;
    size_t count;
    size_t capacity;
};

static sop_status change_add(sop_documents *documents,
                             sop_document__changes *changes,
                             sop_store *store,
                             const sop_document__entry *entry,
                             int add)
{
    if (changes->count == changes->capacity) {
        size_t capacity = changes->capacity * 2 + 8;
        change *grown = sop_arena_alloc(&documents->entries, capacity * sizeof *grown);
        if (grown == NULL) return no_memory(documents);
        if (changes->count != 0) memcpy(grown, changes->list, changes->count * sizeof *grown);
        changes->list = grown;
        changes->capacity = capacity;
    }
    changes->list[changes->count++] = (change){.store = store, .entry = *entry, .add = add};
    return SOP_OK;
}

/* A unique key must be free, or belong to this document already. */
static sop_status unique_check(sop_documents *documents,
                               const sop_document__index *index,
                               sop_store *store,
                               const sop_document__entry *entry)
{
    sop_slice owner;
    sop_status status = sop_store_get(store, entry->key, &owner);
    if (status == SOP_NOT_FOUND) return SOP_OK;
    if (status != SOP_OK || sop_slice_equal(owner, entry->value)) return status;
    char text[SOP_KEY_TEXT_MAX];
    return sop_fail(sop_documents__error(documents), SOP_EXISTS,
                    "index \"%.*s\" is unique, and document %s has this value already",
                    index->name.size < 60 ? (int)index->name.size : 60,
                    (const char *)index->name.data,
                    sop_documents__key_text(documents, owner, text));
}

/* Of equal values written before the index was asked for, one document has the entry: the others must not take it away. */
static sop_status owner_check(sop_store *store, const sop_document__entry *entry, int *owned_out)
{
    sop_slice owner;
    sop_status status = sop_store_get(store, entry->key, &owner);
    *owned_out = status == SOP_OK && sop_slice_equal(owner, entry->value);
    return status == SOP_NOT_FOUND ? SOP_OK : status;
}

/* Both lists are in order: what only the first has goes, what only the second has comes. */
static sop_status compare_lists(sop_documents *documents,
                                const sop_document__index *index,
                                const sop_document__entries *before,
                                const sop_document__entries *after,
                                sop_document__changes *changes)
{
    sop_store *store;
    sop_status status = sop_documents__index_store(documents, index, &store);
    size_t i = 0;
    size_t k = 0;
    while (status == SOP_OK && (i < before->count || k < after->count)) {
        int order = i == before->count ? 1
                    : k == after->count
                        ? -1
                        : sop_slice_compare(before->entries[i].key, after->entries[k].key);
        if (order < 0) {
            const sop_document__entry *entry = &before->entries[i++];
            int owned = 1;
            if (index->unique) status = owner_check(store, entry, &owned);
            if (status == SOP_OK && owned) {
                status = change_add(documents, changes, store, entry, 0);
            }
        } else if (order > 0) {
            const sop_document__entry *entry = &after->entries[k++];
            if (index->unique) status = unique_check(documents, index, store, entry);
            if (status == SOP_OK) status = change_add(documents, changes, store, entry, 1);
        } else {
            i++;
            k++;
        }
    }
    return status;
}

sop_status sop_document__changes_prepare(sop_documents *documents,
                                         sop_slice key,
                                         sop_slice old,
                                         sop_slice document,
                                         sop_document__changes **out)
{
    sop_arena_reset(&documents->entries);
    sop_document__changes *changes = sop_arena_alloc(&documents->entries, sizeof *changes);
    *out = changes;
    if (changes == NULL) return no_memory(documents);
    *changes = (sop_document__changes){.count = 0};
    for (size_t i = 0; i < documents->schema->index_count; i++) {
        const sop_document__index *index = &documents->schema->indexes[i];
        if (index->state == SOP_INDEX_FAILED) continue;
        sop_document__entries before;
        sop_document__entries after;
        sop_status status = sop_document__entries_of(documents, index, key, old, &before);
        if (status != SOP_OK && index->state == SOP_INDEX_BUILDING) {
            /* Written before the index was asked for, and perhaps not fit for it: the build will say so. */
            before.count = 0;
            status = SOP_OK;
        }
        if (status == SOP_OK) {
            status = sop_document__entries_of(documents, index, key, document, &after);
        }
        if (status == SOP_OK) status = compare_lists(documents, index, &before, &after, changes);
        if (status != SOP_OK) return status;
    }
    return SOP_OK;
}

sop_status sop_document__changes_apply(sop_documents *documents,
                                       const sop_document__changes *changes)
{
    for (size_t i = 0; i < changes->count; i++) {
        const change *c = &changes->list[i];
        sop_status status = c->add ? sop_store_put(c->store, c->entry.key, c->entry.value)
                                   : sop_store_remove(c->store, c->entry.key);
        /* An index under construction need not hold it yet. */
        if (status == SOP_OK || status == SOP_NOT_FOUND) continue;
        /* Document and entries no longer agree: the transaction must not be committed. */
        sop_db_txn_doom(documents->txn);
        return status;
    }
    return SOP_OK;
}
