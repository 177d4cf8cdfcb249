/* SPDX-License-Identifier: MIT */
/* Large values in pieces. */
#include <string.h>

#include "db/db_internal.h"
#include "util/bytes.h"
#include "util/error.h"
#include "util/memory.h"

static void writer_unlink(sop_value_writer *writer)
{
    sop_value_writer **link = &writer->store->writers;
    while (*link != NULL && *link != writer) {
        link = &(*link)->next;
    }
    if (*link == writer) *link = writer->next;
}

/* Ends the streams; the handles themselves live until finish, abort or the transaction's close. */
void sop_value__end_all(sop_store *store)
{
    for (sop_value_writer *writer = store->writers; writer != NULL; writer = writer->next) {
        sop_value_stream_free(writer->stream);
        writer->stream = NULL;
    }
}

void sop_value__free_all(sop_store *store)
{
    for (sop_value_writer *writer = store->writers; writer != NULL;) {
        sop_value_writer *next = writer->next;
        sop_value_stream_free(writer->stream);
        sop_free(writer->key);
        sop_free(writer);
        writer = next;
    }
    store->writers = NULL;
}

/* The stored key that a writer will publish under: of the first item in non-unique stores, or of a new one. */
static sop_status key_choose(sop_store *store,
                             sop_slice key,
                             int append,
                             uint8_t *buffer,
                             sop_slice *out,
                             sop_view_value *old)
{
    size_t size;
    sop_status status = SOP_NOT_FOUND;
    old->bytes = (sop_slice){0};
    old->is_reference = 0;
    *out = key;
    if (!store->duplicates) return append ? sop_store__lookup(store, key, old) : SOP_NOT_FOUND;
    if (append) status = sop_duplicates__first(store, key, buffer, &size, old);
    if (status == SOP_NOT_FOUND) {
        sop_status made = sop_duplicates__new_key(store, key, buffer, &size);
        if (made != SOP_OK) return made;
    }
    *out = sop_slice_of(buffer, size);
    return status;
}

static sop_status writer_new(sop_store *store,
                             sop_slice stored_key,
                             const sop_view_value *old,
                             sop_value_writer **out)
{
    sop_core *core = &store->txn->core;
    sop_value_writer *writer = sop_alloc_zeroed(sizeof *writer);
    if (writer == NULL) return sop_fail(&core->error, SOP_NO_MEMORY, "value: out of memory");
    writer->store = store;
    writer->snapshot_version = core->snapshot_version;
    writer->key_size = stored_key.size;
    writer->key = sop_alloc(stored_key.size);
    sop_status status = writer->key == NULL
                            ? sop_fail(&core->error, SOP_NO_MEMORY, "value: out of memory")
                            : SOP_OK;
    if (status == SOP_OK) {
        memcpy(writer->key, stored_key.data, stored_key.size);
        status = sop_value_stream_open(sop_engine_blobs(core->engine), sop_core_segments(core),
                                       old->is_reference ? old->bytes.data : NULL, &writer->stream,
                                       &core->error);
    }
    if (status == SOP_OK && !old->is_reference && old->bytes.size != 0) {
        status =
            sop_value_stream_write(writer->stream, old->bytes.data, old->bytes.size, &core->error);
    }
    if (status != SOP_OK) {
        sop_value_stream_free(writer->stream);
        sop_free(writer->key);
        sop_free(writer);
        return status;
    }
    writer->next = store->writers;
    store->writers = writer;
    *out = writer;
    return SOP_OK;
}

static sop_status
writer_open(sop_store *store, sop_slice key, int append, sop_value_writer **writer_out)
{
    if (store == NULL || writer_out == NULL) return SOP_INVALID;
    *writer_out = NULL;
    sop_status status = sop_store__enter_write(store);
    if (status == SOP_OK) status = sop_store__key_check(store, key);
    if (status != SOP_OK) return status;
    uint8_t buffer[SOP_STORED_KEY_MAX];
    sop_slice stored;
    sop_view_value old;
    status = key_choose(store, key, append, buffer, &stored, &old);
    if (status != SOP_OK && status != SOP_NOT_FOUND) return status;
    return writer_new(store, stored, &old, writer_out);
}

sop_status sop_value_write_open(sop_store *store, sop_slice key, sop_value_writer **writer_out)
{
    return writer_open(store, key, 0, writer_out);
}

sop_status sop_value_append_open(sop_store *store, sop_slice key, sop_value_writer **writer_out)
{
    return writer_open(store, key, 1, writer_out);
}

static sop_status writer_enter(sop_value_writer *writer)
{
    sop_core *core = &writer->store->txn->core;
    sop_status status = sop_core_enter(core);
    if (status != SOP_OK) return status;
    if (writer->snapshot_version == core->snapshot_version && writer->stream != NULL) return SOP_OK;
    return sop_fail(&core->error, SOP_INVALID,
                    "value: the transaction that opened this writer has ended");
}

sop_status sop_value_write(sop_value_writer *writer, const void *data, size_t size)
{
    if (writer == NULL) return SOP_INVALID;
    sop_status status = writer_enter(writer);
    if (status != SOP_OK) return status;
    if (data == NULL && size != 0) {
        return sop_fail(&writer->store->txn->core.error, SOP_INVALID, "value: NULL but %zu bytes",
                        size);
    }
    return sop_value_stream_write(writer->stream, data, size, &writer->store->txn->core.error);
}

sop_status sop_value_write_finish(sop_value_writer *writer)
{
    if (writer == NULL) return SOP_INVALID;
    sop_store *store = writer->store;
    sop_core *core = &store->txn->core;
    uint8_t reference[SOP_VALUE_REFERENCE_SIZE];
    sop_status status = writer_enter(writer);
    if (status == SOP_OK) status = sop_store__enter_write(store);
    if (status == SOP_OK) status = sop_value_stream_finish(writer->stream, reference, &core->error);
    if (status == SOP_OK) {
        core->has_references = 1;
        status = sop_core_write(core, store->id, sop_slice_of(writer->key, writer->key_size),
                                sop_slice_of(reference, sizeof reference),
                                SOP_RECORD_PRESENT | SOP_RECORD_REFERENCE, SOP_BELOW_ANY);
    }
    sop_value_write_abort(writer);
    return status;
}

void sop_value_write_abort(sop_value_writer *writer)
{
    if (writer == NULL) return;
    writer_unlink(writer);
    sop_value_stream_free(writer->stream);
    sop_free(writer->key);
    sop_free(writer);
}

/* The value under a key, inline or not. */
static sop_status value_find(sop_store *store, sop_slice key, sop_view_value *out)
{
    sop_status status = sop_store__enter(store);
    if (status == SOP_OK) status = sop_store__key_check(store, key);
    if (status != SOP_OK) return status;
    if (!store->duplicates) return sop_store__lookup(store, key, out);
    uint8_t buffer[SOP_STORED_KEY_MAX];
    size_t size;
    return sop_duplicates__first(store, key, buffer, &size, out);
}

sop_status sop_value_read(
    sop_store *store, sop_slice key, uint64_t offset, void *buffer, size_t size, size_t *read_out)
{
    if (store == NULL || read_out == NULL || (buffer == NULL && size != 0)) return SOP_INVALID;
    *read_out = 0;
    sop_view_value value;
    sop_core *core = &store->txn->core;
    sop_status status = value_find(store, key, &value);
    if (status != SOP_OK) return status;
    if (value.is_reference) {
        sop_value_source source = {sop_engine_blobs(core->engine), sop_core_segments(core)};
        *read_out = size;
        status = sop_value_reference_read(source, value.bytes.data, offset, buffer, read_out,
                                          &core->error);
        if (status != SOP_OK) *read_out = 0;
        return status;
    }
    if (offset >= value.bytes.size) return SOP_OK;
    size_t left = value.bytes.size - (size_t)offset;
    *read_out = size < left ? size : left;
    if (*read_out != 0) memcpy(buffer, (const uint8_t *)value.bytes.data + offset, *read_out);
    return SOP_OK;
}

sop_status sop_value_size(sop_store *store, sop_slice key, uint64_t *size_out)
{
    if (store == NULL || size_out == NULL) return SOP_INVALID;
    sop_view_value value;
    sop_status status = value_find(store, key, &value);
    if (status != SOP_OK) return status;
    *size_out = value.is_reference ? sop_value_reference_size(value.bytes.data) : value.bytes.size;
    return SOP_OK;
}
