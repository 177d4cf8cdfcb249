/* SPDX-License-Identifier: MIT */
/* Items of a store: get, add, put, update, remove, count, rank. */
#include <string.h>

#include "db/db_internal.h"
#include "util/bytes.h"
#include "util/error.h"
#include "util/memory.h"

enum { STREAM_PIECE = 1 << 20 };

void sop_struct__out(void *caller, const void *filled, size_t size)
{
    size_t room;
    memcpy(&room, caller, sizeof room);
    memcpy(caller, filled, room < size ? room : size);
    memcpy(caller, &room, sizeof room);
}

void sop_store__free(sop_store *store)
{
    if (store == NULL) return;
    sop_value__free_all(store);
    sop_cursor__free_all(store);
    sop_view_cursor_free(store->probe);
    sop_free(store->attributes);
    sop_free(store->spec);
    sop_free(store->large);
    sop_free(store);
}

/* ---- entering ---- */

/* The catalogue row again, because the catalogue changed or the transaction began anew; its key joins the read set. */
static sop_status row_refresh(sop_store *store)
{
    sop_txn *txn = store->txn;
    uint8_t key[SOP_CATALOGUE_ROW_KEY_SIZE];
    sop_slice bytes;
    sop_catalogue_row row;
    sop_catalogue_row_key(store->id, key);
    sop_status status = sop_catalogue__get(txn, sop_slice_of(key, sizeof key), &bytes);
    if (status == SOP_NOT_FOUND) {
        return sop_fail(&txn->core.error, SOP_NOT_FOUND, "store \"%.200s\" was dropped",
                        store->name);
    }
    if (status == SOP_OK) {
        status = sop_catalogue_row_decode(store->id, bytes, &row, &txn->core.error);
    }
    return status == SOP_OK ? sop_store__row_set(store, &row) : status;
}

sop_status sop_store__enter_slow(sop_store *store)
{
    sop_core *core = &store->txn->core;
    sop_status status;
    uint64_t catalogue_seq = sop_core_catalogue_seq(core);
    int wrote_catalogue = sop_core_writes(core, SOP_CATALOGUE_STORE) != NULL;
    if (store->snapshot_version != core->snapshot_version || wrote_catalogue) {
        if (store->row_seq != catalogue_seq || wrote_catalogue) {
            store->row_seq = UINT64_MAX;
            status = row_refresh(store);
            if (status != SOP_OK) return status;
            if (!wrote_catalogue) store->row_seq = catalogue_seq;
        } else if (core->mode == SOP_TXN_WRITE) {
            uint8_t key[SOP_CATALOGUE_ROW_KEY_SIZE];
            sop_catalogue_row_key(store->id, key);
            status = sop_core_read_key(core, SOP_CATALOGUE_STORE, sop_slice_of(key, sizeof key));
            if (status != SOP_OK) return status;
        }
        store->snapshot_version = core->snapshot_version;
    }
    status = sop_core_view(core, store->id, &store->cache, &store->view);
    if (status == SOP_OK) store->write_version = core->write_version;
    return status;
}

/* As enter, for calls that do not look at the view: after each write it would be made anew in vain. */
static sop_status enter_blind(sop_store *store)
{
    sop_core *core = &store->txn->core;
    if (store->snapshot_version != core->snapshot_version ||
        sop_core_writes(core, SOP_CATALOGUE_STORE) != NULL) {
        return sop_store__enter(store);
    }
    return sop_core_enter(core);
}

static sop_status enter_write(sop_store *store, int blind)
{
    sop_core *core = &store->txn->core;
    if (core->mode != SOP_TXN_WRITE) {
        return sop_fail(&core->error, SOP_READ_ONLY, "store \"%.200s\": the transaction only reads",
                        store->name);
    }
    sop_status status = blind ? enter_blind(store) : sop_store__enter(store);
    if (status != SOP_OK) return status;
    if (store->read_only) {
        return sop_fail(&core->error, SOP_READ_ONLY,
                        "store \"%.200s\" uses features this build does not know", store->name);
    }
    if (store->kind != SOP_STORE_RAW && !store->unlocked) {
        return sop_fail(&core->error, SOP_INVALID,
                        "store \"%.200s\" holds documents: raw writes would bypass its indexes",
                        store->name);
    }
    return SOP_OK;
}

sop_status sop_store__enter_write(sop_store *store)
{
    return enter_write(store, 0);
}

sop_status sop_store__key_check(sop_store *store, sop_slice key)
{
    if (SOP_LIKELY(key.size - 1 < SOP_KEY_SIZE_MAX && key.data != NULL)) return SOP_OK;
    return sop_fail(&store->txn->core.error, SOP_INVALID,
                    "store \"%.150s\": key of %zu bytes, must be 1 to %d", store->name, key.size,
                    SOP_KEY_SIZE_MAX);
}

/* ---- values ---- */

static sop_status
large_copy(sop_store *store, const uint8_t *reference, uint64_t size, sop_slice *out)
{
    sop_core *core = &store->txn->core;
    if (size > store->large_capacity) {
        uint8_t *grown = sop_realloc(store->large, size);
        if (grown == NULL) {
            return sop_fail(&core->error, SOP_NO_MEMORY, "value of %llu bytes: out of memory",
                            (unsigned long long)size);
        }
        store->large = grown;
        store->large_capacity = size;
    }
    size_t got = size;
    sop_value_source source = {sop_engine_blobs(core->engine), sop_core_segments(core)};
    sop_status status =
        sop_value_reference_read(source, reference, 0, store->large, &got, &core->error);
    *out = sop_slice_of(store->large, size);
    return status;
}

sop_status sop_store__value_out(sop_store *store, sop_view_value value, sop_slice *out)
{
    if (SOP_LIKELY(!value.is_reference)) {
        *out = value.bytes;
        return SOP_OK;
    }
    sop_core *core = &store->txn->core;
    const uint8_t *reference = value.bytes.data;
    uint64_t size = sop_value_reference_size(reference);
    if (size > SOP_VALUE_GET_MAX) {
        return sop_fail(&core->error, SOP_TOO_LARGE,
                        "store \"%.120s\": value of %llu bytes, use sop_value_read above %u",
                        store->name, (unsigned long long)size, SOP_VALUE_GET_MAX);
    }
    sop_status status = sop_value_reference_map(
        sop_engine_blobs(core->engine), sop_core_segments(core), reference, out, &core->error);
    return status == SOP_UNSUPPORTED ? large_copy(store, reference, size, out) : status;
}

sop_status sop_value__make(sop_core *core, sop_slice value, uint8_t *reference)
{
    sop_value_stream *stream;
    sop_status status = sop_value_stream_open(sop_engine_blobs(core->engine),
                                              sop_core_segments(core), NULL, &stream, &core->error);
    if (status != SOP_OK) return status;
    status = sop_value_stream_write(stream, value.data, value.size, &core->error);
    if (status == SOP_OK) status = sop_value_stream_finish(stream, reference, &core->error);
    sop_value_stream_free(stream);
    return status;
}

sop_status sop_store__write(sop_store *store, sop_slice stored_key, sop_slice value, int below)
{
    sop_core *core = &store->txn->core;
    if (SOP_UNLIKELY(value.data == NULL && value.size != 0)) {
        return sop_fail(&core->error, SOP_INVALID,
                        "store \"%.150s\": value is NULL but has %zu bytes", store->name,
                        value.size);
    }
    if (SOP_LIKELY(value.size <= store->inline_value_max)) {
        return sop_core_write(core, store->id, stored_key, value, SOP_RECORD_PRESENT, below);
    }
    if (value.size > SOP_VALUE_SIZE_MAX) {
        return sop_fail(&core->error, SOP_TOO_LARGE, "value of %zu bytes, at most 2^48",
                        value.size);
    }
    uint8_t reference[SOP_VALUE_REFERENCE_SIZE];
    sop_status status = sop_value__make(core, value, reference);
    if (status != SOP_OK) return status;
    core->has_references = 1;
    return sop_core_write(core, store->id, stored_key, sop_slice_of(reference, sizeof reference),
                          SOP_RECORD_PRESENT | SOP_RECORD_REFERENCE, below);
}

sop_status sop_store__remove_stored(sop_store *store, sop_slice stored_key)
{
    return sop_core_write(&store->txn->core, store->id, stored_key, (sop_slice){0}, 0,
                          SOP_BELOW_PRESENT);
}

sop_status sop_store__lookup(sop_store *store, sop_slice stored_key, sop_view_value *out)
{
    sop_core *core = &store->txn->core;
    if (core->mode == SOP_TXN_WRITE) {
        const sop_memtree *own = sop_core_writes(core, store->id);
        if (own == NULL || sop_memtree_get(own, stored_key) == NULL) {
            sop_status status = sop_core_read_key(core, store->id, stored_key);
            if (status != SOP_OK) return status;
        }
    }
    return sop_view_get(&store->view, stored_key, out, &core->error);
}

sop_status sop_store__probe(sop_store *store, sop_view_cursor **out)
{
    if (store->probe == NULL) {
        store->probe = sop_view_cursor_new(&store->view);
        if (store->probe == NULL) {
            return sop_fail(&store->txn->core.error, SOP_NO_MEMORY, "store: out of memory");
        }
    } else {
        sop_view_cursor_clear(store->probe);
        sop_view_cursor_rebind(store->probe, &store->view);
    }
    *out = store->probe;
    return SOP_OK;
}

/* ---- single items ---- */

sop_status sop_store_get(sop_store *store, sop_slice key, sop_slice *value_out)
{
    if (store == NULL || value_out == NULL) return SOP_INVALID;
    sop_status status = sop_store__enter(store);
    if (status == SOP_OK) status = sop_store__key_check(store, key);
    if (SOP_UNLIKELY(status != SOP_OK)) return status;
    sop_view_value value;
    if (SOP_UNLIKELY(store->duplicates)) {
        uint8_t stored[SOP_STORED_KEY_MAX];
        size_t size;
        status = sop_duplicates__first(store, key, stored, &size, &value);
    } else {
        status = sop_store__lookup(store, key, &value);
    }
    return status == SOP_OK ? sop_store__value_out(store, value, value_out) : status;
}

sop_status sop_store_add(sop_store *store, sop_slice key, sop_slice value)
{
    if (store == NULL) return SOP_INVALID;
    sop_status status = sop_store__enter_write(store);
    if (status == SOP_OK) status = sop_store__key_check(store, key);
    if (status != SOP_OK) return status;
    if (store->duplicates) return sop_duplicates__add(store, key, value);
    status = sop_store__lookup(store, key, NULL);
    if (status == SOP_OK) return SOP_EXISTS;
    return status == SOP_NOT_FOUND ? sop_store__write(store, key, value, SOP_BELOW_ABSENT) : status;
}

sop_status sop_store_put(sop_store *store, sop_slice key, sop_slice value)
{
    if (store == NULL) return SOP_INVALID;
    sop_status status = enter_write(store, 1);
    if (status == SOP_OK) status = sop_store__key_check(store, key);
    if (status != SOP_OK) return status;
    if (store->duplicates) {
        return sop_fail(&store->txn->core.error, SOP_INVALID,
                        "store \"%.200s\" allows duplicates: use add or update, put is ambiguous",
                        store->name);
    }
    return sop_store__write(store, key, value, SOP_BELOW_ANY);
}

/* The stored key of the item that update and remove act on. */
static sop_status
target_find(sop_store *store, sop_slice key, uint8_t *buffer, sop_slice *stored_out)
{
    sop_status status = sop_store__enter_write(store);
    if (status == SOP_OK) status = sop_store__key_check(store, key);
    if (status != SOP_OK) return status;
    *stored_out = key;
    if (!store->duplicates) return sop_store__lookup(store, key, NULL);
    size_t size;
    status = sop_duplicates__first(store, key, buffer, &size, NULL);
    *stored_out = sop_slice_of(buffer, size);
    return status;
}

sop_status sop_store_update(sop_store *store, sop_slice key, sop_slice value)
{
    if (store == NULL) return SOP_INVALID;
    uint8_t buffer[SOP_STORED_KEY_MAX];
    sop_slice stored;
    sop_status status = target_find(store, key, buffer, &stored);
    return status == SOP_OK ? sop_store__write(store, stored, value, SOP_BELOW_PRESENT) : status;
}

sop_status sop_store_remove(sop_store *store, sop_slice key)
{
    if (store == NULL) return SOP_INVALID;
    uint8_t buffer[SOP_STORED_KEY_MAX];
    sop_slice stored;
    sop_status status = target_find(store, key, buffer, &stored);
    return status == SOP_OK ? sop_store__remove_stored(store, stored) : status;
}

/* ---- ranges ---- */

/* Enters, resolves blind puts and turns both ends into stored keys. */
static sop_status
range_enter(sop_store *store, sop_slice from, sop_slice to, uint8_t *buffers, sop_slice ends[2])
{
    sop_status status = sop_store__enter(store);
    if (status == SOP_OK) status = sop_core_resolve(&store->txn->core, store->id);
    ends[0] = from;
    ends[1] = to;
    if (status != SOP_OK || !store->duplicates) return status;
    status = sop_duplicates__bound(store, from, buffers, &ends[0]);
    if (status != SOP_OK) return status;
    return sop_duplicates__bound(store, to, buffers + SOP_STORED_KEY_MAX, &ends[1]);
}

static sop_slice open_end(sop_slice to)
{
    return to.size == 0 ? (sop_slice){0} : to;
}

sop_status sop_store_count(sop_store *store, uint64_t *count_out)
{
    return sop_store_count_range(store, (sop_slice){"", 0}, (sop_slice){0}, count_out);
}

sop_status
sop_store_count_range(sop_store *store, sop_slice from, sop_slice to, uint64_t *count_out)
{
    if (store == NULL || count_out == NULL) return SOP_INVALID;
    uint8_t buffers[2 * SOP_STORED_KEY_MAX];
    sop_slice ends[2];
    sop_core *core = &store->txn->core;
    sop_status status = range_enter(store, from, to, buffers, ends);
    if (status == SOP_OK) {
        status = sop_core_read_range(core, store->id, ends[0], open_end(ends[1]), 1);
    }
    if (status != SOP_OK) return status;
    if (ends[0].size == 0 && ends[1].size == 0) {
        return sop_view_count(&store->view, count_out, &core->error);
    }
    return sop_view_count_range(&store->view, ends[0], ends[1], count_out, &core->error);
}

sop_status sop_store_rank(sop_store *store, sop_slice key, uint64_t *rank_out)
{
    if (store == NULL || rank_out == NULL) return SOP_INVALID;
    uint8_t buffers[2 * SOP_STORED_KEY_MAX];
    sop_slice ends[2];
    sop_core *core = &store->txn->core;
    sop_status status = range_enter(store, key, (sop_slice){0}, buffers, ends);
    if (status == SOP_OK) status = sop_store__key_check(store, key);
    if (status == SOP_OK) {
        status = sop_core_read_range(core, store->id, (sop_slice){"", 0}, ends[0], 1);
    }
    if (status != SOP_OK) return status;
    return sop_view_rank(&store->view, ends[0], rank_out, &core->error);
}

static sop_status
range_remove(sop_store *store, sop_view_cursor *cursor, sop_slice to, uint64_t *removed)
{
    sop_core *core = &store->txn->core;
    sop_status status = SOP_OK;
    uint8_t key[SOP_STORED_KEY_MAX];
    while (status == SOP_OK) {
        sop_slice at = sop_view_cursor_key(cursor);
        if (to.size != 0 && sop_slice_compare(at, to) >= 0) return SOP_OK;
        size_t size = at.size;
        memcpy(key, at.data, size);
        status = sop_store__remove_stored(store, sop_slice_of(key, size));
        if (status == SOP_OK) status = sop_store__enter(store);
        if (status != SOP_OK) return status;
        ++*removed;
        sop_view_cursor_rebind(cursor, &store->view);
        status = sop_view_cursor_next(cursor, &core->error);
    }
    return status == SOP_NOT_FOUND ? SOP_OK : status;
}

sop_status
sop_store_remove_range(sop_store *store, sop_slice from, sop_slice to, uint64_t *removed_out)
{
    if (store == NULL || removed_out == NULL) return SOP_INVALID;
    *removed_out = 0;
    uint8_t buffers[2 * SOP_STORED_KEY_MAX];
    sop_slice ends[2];
    sop_core *core = &store->txn->core;
    sop_status status = sop_store__enter_write(store);
    if (status == SOP_OK) status = range_enter(store, from, to, buffers, ends);
    if (status == SOP_OK) {
        status = sop_core_read_range(core, store->id, ends[0], open_end(ends[1]), 1);
    }
    if (status != SOP_OK) return status;
    sop_view_cursor *cursor = sop_view_cursor_new(&store->view);
    if (cursor == NULL) return sop_fail(&core->error, SOP_NO_MEMORY, "remove range: out of memory");
    status = sop_view_cursor_seek_ge(cursor, ends[0], &core->error);
    if (status == SOP_OK) status = range_remove(store, cursor, ends[1], removed_out);
    sop_view_cursor_free(cursor);
    return status == SOP_NOT_FOUND ? SOP_OK : status;
}
