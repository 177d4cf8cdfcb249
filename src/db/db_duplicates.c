/* SPDX-License-Identifier: MIT */
/*
 * Non-unique stores over an engine that knows unique keys only. Stored key = escape(key) 00 01 item id, where escape turns 00 into
 * 00 FF, so that stored keys order as (key, item id). Item id = snapshot seq of the adding transaction (8 bytes, big-endian),
 * random per transaction (4), ordinal (4): an item added by a transaction that began after another's commit comes after it.
 */
#include <string.h>

#include "db/db_internal.h"
#include "util/bytes.h"
#include "util/error.h"
#include "util/world.h"

enum { ID_SIZE = 16, TAIL_SIZE = 2 };

size_t sop_duplicates__prefix(sop_slice key, uint8_t *out)
{
    const uint8_t *p = key.data;
    size_t size = 0;
    for (size_t i = 0; i < key.size; i++) {
        if (size + 2 > SOP_KEY_SIZE_MAX + 1u) return 0;
        out[size++] = p[i];
        if (p[i] == 0) out[size++] = 0xff;
    }
    if (size > SOP_KEY_SIZE_MAX) return 0;
    out[size++] = 0;
    out[size++] = 1;
    return size;
}

static sop_status prefix_make(sop_store *store, sop_slice key, uint8_t *out, size_t *size_out)
{
    *size_out = sop_duplicates__prefix(key, out);
    if (*size_out != 0) return SOP_OK;
    return sop_fail(&store->txn->core.error, SOP_INVALID,
                    "store \"%.120s\": key of %zu bytes exceeds %d once its zero bytes are escaped",
                    store->name, key.size, SOP_KEY_SIZE_MAX);
}

sop_status
sop_duplicates__split(sop_slice stored, uint8_t *out, size_t *size_out, const uint8_t **id_out)
{
    const uint8_t *p = stored.data;
    if (stored.size < TAIL_SIZE + ID_SIZE || stored.size > SOP_STORED_KEY_MAX) return SOP_CORRUPT;
    size_t end = stored.size - TAIL_SIZE - ID_SIZE;
    if (p[end] != 0 || p[end + 1] != 1) return SOP_CORRUPT;
    size_t size = 0;
    for (size_t i = 0; i < end; i++) {
        out[size++] = p[i];
        if (p[i] == 0 && (++i >= end || p[i] != 0xff)) return SOP_CORRUPT;
    }
    *size_out = size;
    *id_out = p + end + TAIL_SIZE;
    return SOP_OK;
}

sop_status sop_duplicates__first(sop_store *store,
                                 sop_slice key,
                                 uint8_t *stored_out,
                                 size_t *size_out,
                                 sop_view_value *value_out)
{
    sop_core *core = &store->txn->core;
    uint8_t prefix[SOP_STORED_KEY_MAX + 1];
    size_t size;
    sop_view_cursor *probe;
    sop_status status = prefix_make(store, key, prefix, &size);
    if (status == SOP_OK) status = sop_store__probe(store, &probe);
    if (status != SOP_OK) return status;
    sop_slice from = sop_slice_of(prefix, size);
    status = sop_view_cursor_seek_ge(probe, from, &core->error);
    if (status != SOP_OK && status != SOP_NOT_FOUND) return status;
    sop_slice found = status == SOP_OK ? sop_view_cursor_key(probe) : (sop_slice){0};
    int match =
        status == SOP_OK && found.size == size + ID_SIZE && memcmp(found.data, prefix, size) == 0;
    if (core->mode == SOP_TXN_WRITE) {
        /* The read: from the first possible item of the key to the one found, or to the last possible one. */
        uint8_t end[SOP_STORED_KEY_MAX];
        memcpy(end, prefix, size);
        end[size - 1] = 2;
        sop_slice to = match ? sop_core_key_after(core, found) : sop_slice_of(end, size);
        if (to.data == NULL) {
            return sop_fail(&core->error, SOP_NO_MEMORY, "read set: out of memory");
        }
        status = sop_core_read_range(core, store->id, from, to, 0);
        if (status != SOP_OK) return status;
    }
    if (!match) return SOP_NOT_FOUND;
    memcpy(stored_out, found.data, found.size);
    *size_out = found.size;
    if (value_out != NULL) *value_out = sop_view_cursor_value(probe);
    return SOP_OK;
}

sop_status sop_duplicates__new_key(sop_store *store, sop_slice key, uint8_t *out, size_t *size_out)
{
    sop_txn *txn = store->txn;
    size_t size;
    sop_status status = prefix_make(store, key, out, &size);
    if (status != SOP_OK) return status;
    if (txn->item_version != txn->core.snapshot_version) {
        sop_random_bytes(&txn->item_random, sizeof txn->item_random);
        txn->item_version = txn->core.snapshot_version;
        txn->item_ordinal = 0;
    }
    sop_put_u64be(out + size, txn->core.snapshot_seq);
    sop_put_u32be(out + size + 8, txn->item_random);
    sop_put_u32be(out + size + 12, txn->item_ordinal++);
    *size_out = size + ID_SIZE;
    return SOP_OK;
}

sop_status sop_duplicates__add(sop_store *store, sop_slice key, sop_slice value)
{
    uint8_t stored[SOP_STORED_KEY_MAX];
    size_t size;
    sop_status status = sop_duplicates__new_key(store, key, stored, &size);
    if (status != SOP_OK) return status;
    /* The id is new by construction, so this reads nothing. */
    return sop_store__write(store, sop_slice_of(stored, size), value, SOP_BELOW_ABSENT);
}

sop_status
sop_duplicates__bound(sop_store *store, sop_slice key, uint8_t *out, sop_slice *bound_out)
{
    *bound_out = (sop_slice){out, 0};
    if (key.size == 0) return SOP_OK;
    if (key.size > SOP_KEY_SIZE_MAX) return sop_store__key_check(store, key);
    size_t size;
    sop_status status = prefix_make(store, key, out, &size);
    bound_out->size = size;
    return status;
}
