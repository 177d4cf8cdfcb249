/* SPDX-License-Identifier: MIT */
/* The change feed: committed transactions read back from the log. */
#include <string.h>

#include "sop/changes.h"

#include "db/db_internal.h"
#include "util/bytes.h"
#include "util/error.h"
#include "util/memory.h"
#include "util/world.h"

#define BATCH_BYTES (1u << 20)

/* One change, its bytes in the arena of the feed. */
typedef struct {
    sop_change change;
} queued;

/* How the keys of a store are stored. */
typedef struct {
    uint64_t store; /* 0: none */
    enum { FORM_PLAIN, FORM_DUPLICATES, FORM_UNKNOWN } form;
} store_form;

struct sop_changes {
    sop_db *db;
    uint64_t after; /* everything up to here was queued */
    queued *queue;
    size_t count;
    size_t capacity;
    size_t next;
    sop_arena arena;
    size_t bytes;
    uint64_t interrupts;
    sop_txn *catalogue; /* while the queue is filled: says which stores have duplicates */
    store_form form;    /* of the last item's store */
    store_form *made;   /* of the stores whose creation the feed has seen */
    size_t made_count;
    size_t made_capacity;
    sop_error error;
};

sop_status
sop_changes_open(sop_db *db, uint64_t after_seq, sop_changes **changes_out, sop_error *err)
{
    if (changes_out == NULL) return sop_fail(err, SOP_INVALID, "changes: changes_out is NULL");
    *changes_out = NULL;
    if (db == NULL) return sop_fail(err, SOP_INVALID, "changes: the database is NULL");
    sop_status refreshed = sop_engine_refresh(db->engine, err);
    if (refreshed != SOP_OK) return refreshed;
    uint64_t durable = sop_engine_durable_seq(db->engine);
    if (after_seq > durable) {
        return sop_fail(err, SOP_INVALID, "changes: after %llu, but the newest commit is %llu",
                        (unsigned long long)after_seq, (unsigned long long)durable);
    }
    sop_changes *changes = sop_alloc_zeroed(sizeof *changes);
    if (changes == NULL) return sop_fail(err, SOP_NO_MEMORY, "changes: out of memory");
    /* Release pairs with the acquire in close. */
    atomic_fetch_add_explicit(&db->feeds, 1, memory_order_release);
    changes->db = db;
    changes->after = after_seq;
    changes->interrupts = sop_engine_interrupts(db->engine);
    *changes_out = changes;
    return SOP_OK;
}

void sop_changes_close(sop_changes *changes)
{
    if (changes == NULL) return;
    atomic_fetch_sub_explicit(&changes->db->feeds, 1, memory_order_release);
    sop_free(changes->queue);
    sop_free(changes->made);
    sop_arena_deinit(&changes->arena);
    sop_free(changes);
}

const sop_error *sop_changes_error(const sop_changes *changes)
{
    return changes == NULL ? NULL : &changes->error;
}

/* ---- filling the queue from frames ---- */

static sop_status slice_keep(sop_changes *changes, sop_slice *slice)
{
    if (slice->size == 0) return SOP_OK;
    const void *copy = sop_arena_copy(&changes->arena, slice->data, slice->size);
    if (copy == NULL) return sop_fail(&changes->error, SOP_NO_MEMORY, "changes: out of memory");
    slice->data = copy;
    changes->bytes += slice->size;
    return SOP_OK;
}

static sop_status change_push(sop_changes *changes, sop_change change)
{
    if (changes->count == changes->capacity) {
        size_t capacity = changes->capacity * 2 + 64;
        queued *grown = sop_realloc(changes->queue, capacity * sizeof *grown);
        if (grown == NULL) {
            return sop_fail(&changes->error, SOP_NO_MEMORY, "changes: out of memory");
        }
        changes->queue = grown;
        changes->capacity = capacity;
    }
    sop_status status = slice_keep(changes, &change.key);
    if (status == SOP_OK) status = slice_keep(changes, &change.value);
    if (status != SOP_OK) return status;
    changes->bytes += sizeof change;
    changes->queue[changes->count++].change = change;
    return SOP_OK;
}

/* ---- keys of stores with duplicates ---- */

static sop_status made_note(sop_changes *changes, const sop_catalogue_row *row)
{
    if (changes->made_count == changes->made_capacity) {
        size_t capacity = changes->made_capacity * 2 + 16;
        store_form *grown = sop_realloc(changes->made, capacity * sizeof *grown);
        if (grown == NULL) {
            return sop_fail(&changes->error, SOP_NO_MEMORY, "changes: out of memory");
        }
        changes->made = grown;
        changes->made_capacity = capacity;
    }
    int duplicates = (row->features & SOP_FEATURE_DUPLICATES) != 0;
    changes->made[changes->made_count++] =
        (store_form){row->id, duplicates ? FORM_DUPLICATES : FORM_PLAIN};
    return SOP_OK;
}

/* A snapshot of now: it says which stores have duplicates, and keeps mapped what the log names. */
static sop_status catalogue_begin(sop_changes *changes)
{
    if (changes->catalogue != NULL) return SOP_OK;
    return sop_txn_begin(changes->db, SOP_TXN_READ, &changes->catalogue, &changes->error);
}

/* The catalogue of now knows the store unless it was dropped meanwhile. */
static sop_status form_find(sop_changes *changes, uint64_t id)
{
    sop_store *store;
    if (changes->form.store == id) return SOP_OK;
    changes->form = (store_form){id, FORM_UNKNOWN};
    sop_status status = sop_store_open_id(changes->catalogue, id, &store);
    if (status == SOP_OK) {
        changes->form.form = store->duplicates ? FORM_DUPLICATES : FORM_PLAIN;
        return SOP_OK;
    }
    if (status != SOP_NOT_FOUND) {
        changes->form.store = 0;
        changes->error = *sop_txn_error(changes->catalogue);
        return status;
    }
    for (size_t i = 0; i < changes->made_count; i++) {
        if (changes->made[i].store == id) changes->form = changes->made[i];
    }
    return SOP_OK;
}

/*
 * The key as the user gave it. Of a store that was made before the feed began and is dropped by now nothing says whether it had
 * duplicates but the keys themselves: these end in an item id, which begins with the seq of a snapshot before the commit.
 */
static sop_status key_plain(sop_changes *changes, sop_change *change, uint8_t *buffer)
{
    const uint8_t *id;
    size_t size;
    sop_status status = form_find(changes, change->store_id);
    if (status != SOP_OK || changes->form.form == FORM_PLAIN) return status;
    status = sop_duplicates__split(change->key, buffer, &size, &id);
    if (changes->form.form == FORM_UNKNOWN &&
        (status != SOP_OK || sop_get_u64be(id) >= change->seq)) {
        return SOP_OK;
    }
    if (status != SOP_OK) {
        return sop_fail(&changes->error, status, "changes: store %llu, a key without its item id",
                        (unsigned long long)change->store_id);
    }
    change->key = sop_slice_of(buffer, size);
    return SOP_OK;
}

/* ---- frames ---- */

/* A row of the catalogue as an event about a store. */
static sop_status catalogue_push(sop_changes *changes, const sop_wal_item *item, sop_change change)
{
    const uint8_t *key = item->key.data;
    if (item->key.size != SOP_CATALOGUE_ROW_KEY_SIZE || key[0] != SOP_CATALOGUE_ROW) return SOP_OK;
    change.store_id = sop_get_u64be(key + 1);
    change.key = (sop_slice){0};
    change.value = (sop_slice){0};
    if (item->op == SOP_WAL_REMOVE) {
        change.kind = SOP_CHANGE_STORE_DROP;
        return change_push(changes, change);
    }
    sop_catalogue_row row;
    sop_slice bytes;
    sop_value_source source = {sop_engine_blobs(changes->db->engine),
                               sop_core_segments(&changes->catalogue->core)};
    sop_status status =
        sop_catalogue_row_bytes(source, item->value, item->is_reference, &bytes, &changes->error);
    /* One that was replaced since may be gone. */
    if (status != SOP_OK && item->is_reference) {
        return sop_fail(&changes->error, SOP_SNAPSHOT_TOO_OLD,
                        "changes: the row of store %llu is no longer kept",
                        (unsigned long long)change.store_id);
    }
    if (status == SOP_OK) {
        status = sop_catalogue_row_decode(change.store_id, bytes, &row, &changes->error);
    }
    if (status != SOP_OK) return status;
    change.key = row.name;
    change.kind = item->op == SOP_WAL_UPDATE ? SOP_CHANGE_STORE_ALTER
                  : row.load_root.size != 0  ? SOP_CHANGE_STORE_LOAD
                                             : SOP_CHANGE_STORE_CREATE;
    if (item->op == SOP_WAL_INSERT) status = made_note(changes, &row);
    return status == SOP_OK ? change_push(changes, change) : status;
}

static sop_status item_push(sop_changes *changes, const sop_wal_item *item, sop_change change)
{
    if (item->store == SOP_CATALOGUE_STORE) return catalogue_push(changes, item, change);
    change.kind = item->op == SOP_WAL_INSERT   ? SOP_CHANGE_INSERT
                  : item->op == SOP_WAL_UPDATE ? SOP_CHANGE_UPDATE
                                               : SOP_CHANGE_REMOVE;
    change.store_id = item->store;
    change.key = item->key;
    change.value = item->is_reference ? (sop_slice){0} : item->value;
    change.value_size =
        item->is_reference ? sop_value_reference_size(item->value.data) : item->value.size;
    uint8_t key[SOP_KEY_SIZE_MAX];
    sop_status status = key_plain(changes, &change, key);
    return status == SOP_OK ? change_push(changes, change) : status;
}

static sop_status txn_push(sop_changes *changes, const sop_wal_txn_view *txn)
{
    sop_change change = SOP_CHANGE_INIT;
    change.seq = txn->seq;
    change.wall_ns = txn->head.wall_ns;
    memcpy(change.txn.bytes, txn->head.incarnation, 16);
    sop_put_u64le(change.txn.bytes + 16, txn->head.counter);
    sop_status status = catalogue_begin(changes);
    if (status != SOP_OK) return status;
    sop_run_items items;
    sop_run_items_init(&items, txn, sop_engine_blobs(changes->db->engine),
                       sop_core_segments(&changes->catalogue->core));
    for (;;) {
        sop_wal_item item;
        status = sop_run_items_next(&items, &item, &changes->error);
        if (status == SOP_NOT_FOUND) break;
        /* Runs are kept for log_keep bytes of their own. */
        if (items.lost) {
            return sop_fail(&changes->error, SOP_SNAPSHOT_TOO_OLD,
                            "changes: what transaction %llu wrote is no longer kept",
                            (unsigned long long)txn->seq);
        }
        if (status == SOP_OK) status = item_push(changes, &item, change);
        if (status != SOP_OK) return status;
    }
    change.kind = SOP_CHANGE_COMMIT;
    change.value = txn->head.note;
    return change_push(changes, change);
}

static sop_status frame_push(const sop_wal_frame *frame, void *context)
{
    sop_changes *changes = context;
    sop_wal_reader reader;
    sop_wal_reader_init(&reader, frame);
    for (;;) {
        sop_wal_txn_view txn;
        sop_status status = sop_wal_reader_next(&reader, &txn, &changes->error);
        if (status == SOP_NOT_FOUND) break;
        if (status == SOP_OK && txn.seq > changes->after && txn.head.type == SOP_TXN_TYPE_DATA) {
            status = txn_push(changes, &txn);
        }
        if (status != SOP_OK) return status;
    }
    if (frame->place.seq_last > changes->after) changes->after = frame->place.seq_last;
    /* Enough for now: the reader stops, the next fill goes on from here. */
    return changes->bytes >= BATCH_BYTES ? SOP_CANCELLED : SOP_OK;
}

static sop_status queue_fill(sop_changes *changes)
{
    changes->count = 0;
    changes->next = 0;
    changes->bytes = 0;
    sop_arena_reset(&changes->arena);
    sop_status status = sop_engine_refresh(changes->db->engine, &changes->error);
    if (status != SOP_OK) return status;
    uint64_t durable = sop_engine_durable_seq(changes->db->engine);
    if (changes->after >= durable) return SOP_OK;
    uint64_t after = changes->after;
    status = sop_wal_read_since(sop_engine_wal(changes->db->engine), after, durable, frame_push,
                                changes, &changes->error);
    sop_txn_close(changes->catalogue);
    changes->catalogue = NULL;
    changes->form.store = 0;
    if (status == SOP_CANCELLED && changes->bytes >= BATCH_BYTES) return SOP_OK;
    if (status != SOP_OK) {
        changes->after = after;
        changes->count = 0;
    }
    return status;
}

/* ---- reading ---- */

sop_status sop_changes_next(sop_changes *changes, int timeout_ms, sop_change *change_out)
{
    if (changes == NULL || change_out == NULL || change_out->struct_size == 0) return SOP_INVALID;
    uint64_t deadline =
        timeout_ms < 0 ? UINT64_MAX : sop_boot_ns() + (uint64_t)timeout_ms * 1000000u;
    for (;;) {
        if (changes->next < changes->count) {
            const sop_change *change = &changes->queue[changes->next++].change;
            sop_struct__out(change_out, change, sizeof *change);
            return SOP_OK;
        }
        if (sop_engine_interrupts(changes->db->engine) != changes->interrupts) {
            changes->interrupts = sop_engine_interrupts(changes->db->engine);
            return sop_fail(&changes->error, SOP_CANCELLED, "changes: interrupted");
        }
        sop_status status = queue_fill(changes);
        if (status != SOP_OK) return status;
        if (changes->count != 0) continue;
        uint64_t now = sop_boot_ns();
        if (now >= deadline) return SOP_TIMEOUT;
        /* Short waits, so that an interrupt is noticed. */
        uint64_t wait = deadline - now < 50000000u ? deadline - now : 50000000u;
        sop_engine_wait_newer(changes->db->engine, changes->after, wait);
    }
}
