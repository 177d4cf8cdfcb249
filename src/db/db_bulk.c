/* SPDX-License-Identifier: MIT */
/* Bulk load: ascending items straight into the segments of a store that appears, complete, with one commit. */
#include <string.h>

#include "sop/bulk.h"

#include "db/db_internal.h"
#include "util/bytes.h"
#include "util/error.h"
#include "util/memory.h"

#define LOAD_SEGMENT_BYTES (256u << 20)
enum { COMMIT_TRIES = 100 };

struct sop_bulk {
    sop_db *db;
    sop_txn *
        guard; /* keeps value segments written by this load from being reclaimed before its commit */
    char *name;
    sop_catalogue_row row;
    uint8_t *attributes;
    sop_blob_writer *writer;
    sop_btree_builder *builder;
    uint64_t interrupts;
    uint64_t items;
    int has_references;
    int duplicates;
    sop_status failed; /* nothing but abort is left */
    sop_error error;
};

static void bulk_free(sop_bulk *bulk)
{
    sop_btree_builder_free(bulk->builder);
    sop_blob_writer_free(bulk->writer);
    sop_txn_close(bulk->guard);
    sop_free(bulk->attributes);
    sop_free(bulk->name);
    sop_free(bulk);
}

static sop_status
bulk_prepare(sop_bulk *bulk, const char *store, const sop_store_options *options, sop_error *err)
{
    sop_engine *engine = bulk->db->engine;
    sop_status status = sop_catalogue__name_check(err, store);
    if (status == SOP_OK && strncmp(store, "sop:", 4) == 0) {
        status = sop_fail(err, SOP_INVALID,
                          "store name \"%.200s\": names that begin with sop: are reserved", store);
    }
    if (status == SOP_OK) status = sop_catalogue__options_check(options, &bulk->row, err);
    if (status == SOP_OK && bulk->row.kind != SOP_STORE_RAW) {
        status =
            sop_fail(err, SOP_INVALID, "bulk load: store kind %d, only raw stores are loaded so",
                     bulk->row.kind);
    }
    if (status != SOP_OK) return status;
    bulk->name = sop_strdup(store);
    bulk->attributes = sop_alloc(bulk->row.attributes.size + 1);
    if (bulk->name == NULL || bulk->attributes == NULL) {
        return sop_fail(err, SOP_NO_MEMORY, "bulk load: out of memory");
    }
    if (bulk->row.attributes.size != 0) {
        memcpy(bulk->attributes, bulk->row.attributes.data, bulk->row.attributes.size);
    }
    bulk->row.attributes.data = bulk->attributes;
    status = sop_txn_begin(bulk->db, SOP_TXN_WRITE, &bulk->guard, err);
    sop_store *there = NULL;
    if (status == SOP_OK && sop_store_open(bulk->guard, store, &there) == SOP_OK) {
        status = sop_fail(err, SOP_EXISTS,
                          "there is a store \"%.200s\" already, bulk load makes a new one", store);
    }
    if (status == SOP_OK) {
        status = sop_blob_writer_new(sop_engine_blobs(engine), SOP_SEGMENT_NODES,
                                     LOAD_SEGMENT_BYTES, &bulk->writer, err);
    }
    return status == SOP_OK ? sop_btree_builder_new(bulk->writer, &bulk->builder, err) : status;
}

sop_status sop_bulk_open(sop_db *db,
                         const char *store,
                         const sop_store_options *options,
                         sop_bulk **bulk_out,
                         sop_error *err)
{
    if (bulk_out == NULL) return sop_fail(err, SOP_INVALID, "bulk load: bulk_out is NULL");
    *bulk_out = NULL;
    if (db == NULL) return sop_fail(err, SOP_INVALID, "bulk load: the database is NULL");
    sop_bulk *bulk = sop_alloc_zeroed(sizeof *bulk);
    if (bulk == NULL) return sop_fail(err, SOP_NO_MEMORY, "bulk load: out of memory");
    bulk->db = db;
    bulk->interrupts = sop_engine_interrupts(db->engine);
    sop_status status = bulk_prepare(bulk, store, options, err);
    if (status != SOP_OK) {
        bulk_free(bulk);
        return status;
    }
    bulk->duplicates = (bulk->row.features & SOP_FEATURE_DUPLICATES) != 0;
    *bulk_out = bulk;
    return SOP_OK;
}

/* Equal keys keep the order in which they are added. */
static sop_status key_stored(sop_bulk *bulk, sop_slice key, uint8_t *buffer, sop_slice *out)
{
    *out = key;
    if (key.size == 0 || key.size > SOP_KEY_SIZE_MAX) {
        return sop_fail(&bulk->error, SOP_INVALID, "bulk load: key of %zu bytes, must be 1 to %d",
                        key.size, SOP_KEY_SIZE_MAX);
    }
    if (key.data == NULL) return sop_fail(&bulk->error, SOP_INVALID, "bulk load: key is NULL");
    if (!bulk->duplicates) return SOP_OK;
    size_t size = sop_duplicates__prefix(key, buffer);
    if (size == 0) {
        return sop_fail(&bulk->error, SOP_INVALID,
                        "bulk load: key of %zu bytes is too long once escaped", key.size);
    }
    sop_put_u64be(buffer + size, bulk->guard->core.snapshot_seq);
    sop_put_u64be(buffer + size + 8, bulk->items);
    *out = sop_slice_of(buffer, size + 16);
    return SOP_OK;
}

static sop_status large_write(sop_bulk *bulk, sop_slice value, uint8_t *reference)
{
    sop_value_stream *stream;
    sop_status status = sop_value_stream_open(sop_engine_blobs(bulk->db->engine), NULL, NULL,
                                              &stream, &bulk->error);
    if (status != SOP_OK) return status;
    status = sop_value_stream_write(stream, value.data, value.size, &bulk->error);
    if (status == SOP_OK) status = sop_value_stream_finish(stream, reference, &bulk->error);
    sop_value_stream_free(stream);
    bulk->has_references = 1;
    return status;
}

sop_status sop_bulk_add(sop_bulk *bulk, sop_slice key, sop_slice value)
{
    if (bulk == NULL) return SOP_INVALID;
    uint8_t buffer[SOP_STORED_KEY_MAX];
    uint8_t reference[SOP_VALUE_REFERENCE_SIZE];
    sop_slice stored;
    if (sop_engine_interrupts(bulk->db->engine) != bulk->interrupts) {
        return sop_fail(&bulk->error, SOP_CANCELLED, "bulk load: interrupted");
    }
    if (value.data == NULL && value.size != 0) {
        return sop_fail(&bulk->error, SOP_INVALID, "bulk load: value is NULL but has %zu bytes",
                        value.size);
    }
    sop_status status = key_stored(bulk, key, buffer, &stored);
    int is_reference = value.size > bulk->row.inline_value_max;
    if (status == SOP_OK && is_reference) {
        status = large_write(bulk, value, reference);
        value = sop_slice_of(reference, sizeof reference);
    }
    if (status == SOP_OK) {
        status = sop_btree_builder_add(bulk->builder, stored, value, is_reference, &bulk->error);
    }
    if (status == SOP_OK) bulk->items++;
    /* A key that does not ascend is refused alone; anything else ends the load. */
    if (status != SOP_OK && status != SOP_INVALID) bulk->failed = status;
    return status;
}

/* The one commit: the catalogue row carries the root and the segments. */
static sop_status load_commit(sop_bulk *bulk, uint64_t *seq_out)
{
    sop_status status = SOP_CONFLICT;
    for (int i = 0; i < COMMIT_TRIES && status == SOP_CONFLICT; i++) {
        sop_txn *txn;
        uint64_t id;
        status = sop_txn_begin(bulk->db, SOP_TXN_WRITE, &txn, &bulk->error);
        if (status != SOP_OK) return status;
        txn->core.has_load = 1;
        txn->core.has_references = bulk->has_references;
        status = sop_catalogue__create(txn, bulk->name, &bulk->row, &id);
        if (status == SOP_OK) status = sop_txn_commit(txn);
        *seq_out = sop_txn_seq(txn);
        if (status != SOP_OK) bulk->error = txn->core.error;
        sop_txn_close(txn);
    }
    if (status != SOP_OK && bulk->error.status != status) {
        (void)sop_fail(&bulk->error, status, "bulk load: %s", sop_status_text(status));
    }
    return status;
}

static void segments_forget(sop_bulk *bulk, const sop_segment_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        /* The next open removes what stays behind here. */
        sop_ignore(sop_segment_remove(sop_engine_blobs(bulk->db->engine), rows[i].segment, NULL));
    }
}

static sop_status load_finish(sop_bulk *bulk, uint64_t *seq_out)
{
    sop_btree tree;
    const sop_segment_row *rows;
    size_t count;
    sop_status status = sop_btree_builder_finish(bulk->builder, &tree, &bulk->error);
    if (status == SOP_OK) {
        status = sop_blob_writer_finish(bulk->writer, &rows, &count, &bulk->error);
    }
    if (status != SOP_OK) return status;
    uint8_t root[SOP_BTREE_ROW_SIZE];
    uint8_t *encoded = sop_alloc(count * SOP_SEGMENT_ROW_SIZE + 1);
    if (encoded == NULL) {
        status = sop_fail(&bulk->error, SOP_NO_MEMORY, "bulk load: out of memory");
    } else {
        for (size_t i = 0; i < count; i++) {
            sop_segment_row_encode(&rows[i], encoded + i * SOP_SEGMENT_ROW_SIZE);
        }
        sop_btree_encode(&tree, root);
        if (tree.count != 0) {
            bulk->row.load_root = sop_slice_of(root, sizeof root);
            bulk->row.load_rows = sop_slice_of(encoded, count * SOP_SEGMENT_ROW_SIZE);
        }
        status = load_commit(bulk, seq_out);
    }
    /* After COMMIT_UNKNOWN the log may name them: they stay. */
    if (status != SOP_OK && status != SOP_COMMIT_UNKNOWN) segments_forget(bulk, rows, count);
    sop_free(encoded);
    return status;
}

sop_status sop_bulk_finish(sop_bulk *bulk, uint64_t *seq_out)
{
    if (bulk == NULL) return SOP_INVALID;
    uint64_t seq = 0;
    sop_status status = bulk->failed == SOP_OK ? load_finish(bulk, &seq) : bulk->failed;
    if (seq_out != NULL) *seq_out = seq;
    bulk->failed = status;
    /* On failure the handle stays, so that sop_bulk_error can be asked; sop_bulk_abort frees it. */
    if (status == SOP_OK) bulk_free(bulk);
    return status;
}

void sop_bulk_abort(sop_bulk *bulk)
{
    if (bulk != NULL) bulk_free(bulk);
}

const sop_error *sop_bulk_error(const sop_bulk *bulk)
{
    return bulk == NULL ? NULL : &bulk->error;
}
