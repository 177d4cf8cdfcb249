/* SPDX-License-Identifier: MIT */
/*
 * Runs: the items of a very large transaction, written to segments before it takes the commit lock. Bytes: docs/format/run.md.
 *
 * A run says INSERT, UPDATE or REMOVE as the snapshot of the transaction has it. What came out otherwise at the commit stands as an
 * item in the frame, before the RUNs, and replaces the item of the same key in a run.
 */
#include <string.h>

#include "txn/txn_engine.h"
#include "util/assert.h"
#include "util/bytes.h"
#include "util/checksum.h"
#include "util/error.h"
#include "util/memory.h"

#define RUN_MAGIC         0x52504f53u /* "SOPR" */
#define RUN_BLOB_BYTES    (1u << 20)
#define RUN_SEGMENT_BYTES (64u << 20)

enum {
    AT_CHECKSUM = 0,
    AT_MAGIC = 8,
    AT_ITEMS = 12,
    AT_ADDRESS = 16,
    AT_STORE = 32,
    RUN_HEADER = 40
};
/* A transaction that takes more than this part of the memory budget is written as runs. */
enum { BUDGET_PART = 8 };

typedef struct {
    uint64_t store;
    sop_address address;
} run_entry;

struct sop_runs {
    sop_core *core;
    sop_blob_writer *writer;
    uint8_t *buffer; /* the blob being made; RUN_BLOB_BYTES */
    size_t used;
    uint32_t items;
    uint64_t store;
    run_entry *entries;
    size_t count;
    size_t capacity;
    const sop_segment_row *rows; /* after finish; the writer's */
    size_t row_count;
};

/* ---- writing ---- */

uint8_t sop_runs__op(const sop_record *record)
{
    int below = record->below == SOP_BELOW_PRESENT;
    if (sop_record_present(record)) return below ? SOP_WAL_UPDATE : SOP_WAL_INSERT;
    return below ? SOP_WAL_REMOVE : 0;
}

static sop_status entry_add(sop_runs *runs, sop_address address)
{
    if (runs->count == runs->capacity) {
        size_t capacity = runs->capacity * 2 + 16;
        run_entry *grown = sop_realloc(runs->entries, capacity * sizeof *grown);
        if (grown == NULL) return SOP_NO_MEMORY;
        runs->entries = grown;
        runs->capacity = capacity;
    }
    runs->entries[runs->count++] = (run_entry){runs->store, address};
    return SOP_OK;
}

static sop_status blob_flush(sop_runs *runs)
{
    sop_error *err = &runs->core->error;
    sop_address address;
    if (runs->items == 0) return SOP_OK;
    sop_status status = sop_blob_writer_place(runs->writer, runs->used, &address, err);
    if (status != SOP_OK) return status;
    uint8_t *p = runs->buffer;
    sop_put_u32le(p + AT_MAGIC, RUN_MAGIC);
    sop_put_u32le(p + AT_ITEMS, runs->items);
    sop_put_u64le(p + AT_ADDRESS, address.segment);
    sop_put_u64le(p + AT_ADDRESS + 8, address.place);
    sop_put_u64le(p + AT_STORE, runs->store);
    sop_put_u64le(p, sop_checksum64(p + AT_MAGIC, runs->used - AT_MAGIC, 0));
    status = sop_blob_writer_append(runs->writer, p, runs->used, err);
    if (status != SOP_OK) return status;
    runs->used = RUN_HEADER;
    runs->items = 0;
    status = entry_add(runs, address);
    return status == SOP_OK ? SOP_OK : sop_fail(err, status, "commit: out of memory");
}

static sop_status record_write(sop_runs *runs, const sop_record *record)
{
    uint8_t op = sop_runs__op(record);
    if (op == 0) return SOP_OK;
    sop_slice key = sop_record_key(record);
    sop_slice value = op == SOP_WAL_REMOVE ? (sop_slice){0} : sop_record_value(record);
    size_t size = 1u + 2u * SOP_VARINT_MAX + key.size + value.size;
    SOP_ASSERT(size <= RUN_BLOB_BYTES - RUN_HEADER);
    if (size > RUN_BLOB_BYTES - runs->used) {
        sop_status status = blob_flush(runs);
        if (status != SOP_OK) return status;
    }
    uint8_t *p = runs->buffer + runs->used;
    *p++ = (uint8_t)(op | ((record->flags & SOP_RECORD_REFERENCE) != 0 ? 8u : 0u));
    p = sop_put_varint(p, key.size);
    memcpy(p, key.data, key.size);
    p += key.size;
    if (op != SOP_WAL_REMOVE) {
        p = sop_put_varint(p, value.size);
        if (value.size != 0) memcpy(p, value.data, value.size);
        p += value.size;
    }
    runs->used = (size_t)(p - runs->buffer);
    runs->items++;
    return SOP_OK;
}

static sop_status store_write(uint64_t store, const sop_memtree *tree, void *context)
{
    sop_runs *runs = context;
    if (store == SOP_CATALOGUE_STORE) return SOP_OK; /* others look for its rows in the frame */
    sop_status status = sop_core_resolve(runs->core, store);
    runs->store = store;
    sop_memcursor cursor;
    sop_memcursor_init(&cursor, tree);
    const sop_record *record = sop_memcursor_first(&cursor);
    while (record != NULL && status == SOP_OK) {
        status = record_write(runs, record);
        record = sop_memcursor_next(&cursor);
    }
    return status == SOP_OK ? blob_flush(runs) : status;
}

int sop_runs__wanted(const sop_core *core)
{
    return sop_memtable_bytes(core->writes) > sop_engine__memory_budget(core->engine) / BUDGET_PART;
}

sop_status sop_runs__write(sop_core *core, sop_runs **out)
{
    *out = NULL;
    sop_error *err = &core->error;
    sop_runs *runs = sop_alloc_zeroed(sizeof *runs);
    if (runs == NULL) return sop_fail(err, SOP_NO_MEMORY, "commit: out of memory");
    runs->core = core;
    runs->used = RUN_HEADER;
    runs->buffer = sop_alloc(RUN_BLOB_BYTES);
    sop_status status = SOP_OK;
    if (runs->buffer == NULL) status = sop_fail(err, SOP_NO_MEMORY, "commit: out of memory");
    if (status == SOP_OK) {
        status = sop_blob_writer_new(core->engine->blobs, SOP_SEGMENT_RUNS, RUN_SEGMENT_BYTES,
                                     &runs->writer, err);
    }
    if (status == SOP_OK) status = sop_memtable_stores(core->write_root, store_write, runs);
    if (status == SOP_OK) {
        status = sop_blob_writer_finish(runs->writer, &runs->rows, &runs->row_count, err);
    }
    sop_free(runs->buffer);
    runs->buffer = NULL;
    if (status == SOP_OK) {
        *out = runs;
    } else {
        sop_runs__free(runs);
    }
    return status;
}

void sop_runs__free(sop_runs *runs)
{
    if (runs == NULL) return;
    sop_blob_writer_free(runs->writer);
    sop_free(runs->buffer);
    sop_free(runs->entries);
    sop_free(runs);
}

void sop_runs__remove(sop_runs *runs)
{
    for (size_t i = 0; i < runs->row_count; i++) {
        /* What stays behind nobody refers to: an open finds it. */
        sop_ignore(sop_segment_remove(runs->core->engine->blobs, runs->rows[i].segment, NULL));
    }
}

sop_status sop_runs__add(const sop_runs *runs, sop_wal_buffer *buffer)
{
    for (size_t i = 0; i < runs->count; i++) {
        uint8_t address[SOP_ADDRESS_SIZE];
        sop_put_u64le(address, runs->entries[i].address.segment);
        sop_put_u64le(address + 8, runs->entries[i].address.place);
        sop_wal_item item = {.store = runs->entries[i].store,
                             .op = SOP_WAL_RUN,
                             .is_reference = 1,
                             .value = {address, sizeof address}};
        sop_status status = sop_wal_item_add(buffer, &item);
        if (status != SOP_OK) return status;
    }
    return SOP_OK;
}

/* ---- segments of runs ---- */

sop_status sop_engine__run_note(sop_engine *engine, uint64_t segment, uint64_t bytes, uint64_t seq)
{
    for (size_t i = engine->run_count; i > 0; i--) {
        if (engine->runs[i - 1].segment != segment) continue;
        engine->runs[i - 1].bytes += bytes;
        return SOP_OK;
    }
    if (engine->run_count == engine->run_capacity) {
        size_t capacity = engine->run_capacity * 2 + 8;
        sop_run_segment *grown = sop_realloc(engine->runs, capacity * sizeof *grown);
        if (grown == NULL) return SOP_NO_MEMORY;
        engine->runs = grown;
        engine->run_capacity = capacity;
    }
    engine->runs[engine->run_count++] = (sop_run_segment){segment, bytes, seq};
    return SOP_OK;
}

void sop_runs__committed(const sop_runs *runs, uint64_t seq)
{
    sop_engine *engine = runs->core->engine;
    sop_mutex_lock(&engine->commit_lock);
    for (size_t i = 0; i < runs->row_count; i++) {
        /* Without memory it stays until the next open. */
        sop_ignore(sop_engine__run_note(engine, runs->rows[i].segment, runs->rows[i].size, seq));
    }
    sop_mutex_unlock(&engine->commit_lock);
}

/* The newest run that nothing needs: recovery begins behind it, and feeds have log_keep bytes of newer ones. 0: there is none. */
static uint64_t run_take(sop_engine *engine, uint64_t base_seq)
{
    uint64_t taken = 0;
    uint64_t kept = 0;
    sop_mutex_lock(&engine->commit_lock);
    for (size_t i = engine->run_count; i > 0 && taken == 0; i--) {
        const sop_run_segment run = engine->runs[i - 1];
        kept += run.bytes;
        if (run.seq > base_seq || kept <= engine->options.log_keep) continue;
        taken = run.segment;
        engine->run_count--;
        memmove(&engine->runs[i - 1], &engine->runs[i], (engine->run_count - (i - 1)) * sizeof run);
    }
    sop_mutex_unlock(&engine->commit_lock);
    return taken;
}

void sop_engine__runs_trim(sop_engine *engine, uint64_t base_seq)
{
    uint64_t segment;
    while ((segment = run_take(engine, base_seq)) != 0) {
        sop_error err = {0};
        sop_status status = sop_segment_remove(engine->blobs, segment, &err);
        /* Another process may have removed it before. */
        if (status == SOP_OK || status == SOP_NOT_FOUND) continue;
        sop_engine__log(engine, SOP_LOG_WARNING, "event=segment_kept message=\"%s\"", err.message);
    }
}

/* ---- reading ---- */

sop_address sop_run_address(const sop_wal_item *item)
{
    const uint8_t *p = item->value.data;
    SOP_ASSERT(item->op == SOP_WAL_RUN && item->value.size == SOP_ADDRESS_SIZE);
    return (sop_address){sop_get_u64le(p), sop_get_u64le(p + 8)};
}

static sop_status run_bad(sop_address address, const char *what, sop_error *err)
{
    return sop_fail(err, SOP_CORRUPT, "segment %010llx.%06llx, run at %llu: %s",
                    (unsigned long long)(address.segment >> 24),
                    (unsigned long long)(address.segment & 0xffffff),
                    (unsigned long long)sop_address_offset(address), what);
}

/* The verified bytes of a run. */
static sop_status run_open(sop_blobs *blobs,
                           const sop_segments *segments,
                           sop_address address,
                           const uint8_t **out,
                           sop_error *err)
{
    int first = 0;
    if (address.segment == 0 || sop_address_length(address) < RUN_HEADER) {
        return run_bad(address, "no such address", err);
    }
    sop_status status = sop_blobs_adopt(blobs, address.segment, err);
    if (status == SOP_NOT_FOUND) return run_bad(address, "the file is missing", err);
    if (status == SOP_OK) status = sop_blob_read(segments, address, out, &first, err);
    if (status != SOP_OK) return status;
    const uint8_t *p = *out;
    uint32_t size = sop_address_length(address);
    if (sop_get_u32le(p + AT_MAGIC) != RUN_MAGIC) return run_bad(address, "not a run", err);
    if (sop_get_u64le(p) != sop_checksum64(p + AT_MAGIC, size - AT_MAGIC, 0)) {
        return run_bad(address, "the checksum differs", err);
    }
    if (sop_get_u64le(p + AT_ADDRESS) != address.segment ||
        sop_get_u64le(p + AT_ADDRESS + 8) != address.place) {
        return run_bad(address, "it belongs elsewhere", err);
    }
    return SOP_OK;
}

sop_status
sop_run_verify(sop_blobs *blobs, const sop_segments *segments, sop_address address, sop_error *err)
{
    const uint8_t *bytes;
    return run_open(blobs, segments, address, &bytes, err);
}

void sop_run_items_init(sop_run_items *items,
                        const sop_wal_txn_view *txn,
                        sop_blobs *blobs,
                        const sop_segments *segments)
{
    *items = (sop_run_items){.blobs = blobs, .segments = segments};
    sop_wal_items_init(&items->items, txn);
    sop_wal_items_init(&items->frame, txn);
}

static sop_status run_begin(sop_run_items *items, const sop_wal_item *item, sop_error *err)
{
    sop_address address = sop_run_address(item);
    const uint8_t *bytes = NULL;
    sop_status status = sop_blobs_adopt(items->blobs, address.segment, err);
    items->lost = status == SOP_NOT_FOUND;
    if (status == SOP_OK || items->lost) {
        status = run_open(items->blobs, items->segments, address, &bytes, err);
    }
    if (status != SOP_OK) return status;
    if (sop_get_u64le(bytes + AT_STORE) != item->store) {
        return run_bad(address, "it is of another store", err);
    }
    items->run = address;
    items->store = item->store;
    items->left = sop_get_u32le(bytes + AT_ITEMS);
    items->at = bytes + RUN_HEADER;
    items->end = bytes + sop_address_length(address);
    return SOP_OK;
}

static const uint8_t *slice_get(const uint8_t *at, const uint8_t *end, sop_slice *out)
{
    uint64_t size;
    at = sop_get_varint(at, end, &size);
    if (at == NULL || size > (uint64_t)(end - at)) return NULL;
    *out = sop_slice_of(at, (size_t)size);
    return at + size;
}

static sop_status run_next(sop_run_items *items, sop_wal_item *out, sop_error *err)
{
    const uint8_t *at = items->at;
    if (at >= items->end) return run_bad(items->run, "it ends early", err);
    uint8_t op = *at++;
    *out = (sop_wal_item){.store = items->store, .op = op & 7, .is_reference = (op & 8) != 0};
    at = slice_get(at, items->end, &out->key);
    if (at != NULL && out->op != SOP_WAL_REMOVE) at = slice_get(at, items->end, &out->value);
    int good = at != NULL && out->key.size != 0 && op < 16 && out->op >= SOP_WAL_INSERT &&
               out->op <= SOP_WAL_REMOVE;
    if (!good) return run_bad(items->run, "an item is damaged", err);
    items->at = at;
    items->left--;
    return SOP_OK;
}

/* Whether the frame has an item of the same key: both are in order, so one walk beside the runs is enough. */
static sop_status replaced(sop_run_items *items, const sop_wal_item *item, int *out, sop_error *err)
{
    *out = 0;
    for (;;) {
        if (!items->has_beside) {
            if (items->beside_ended) return SOP_OK;
            sop_status status = sop_wal_items_next(&items->frame, &items->beside, err);
            items->beside_ended = status == SOP_NOT_FOUND || items->beside.op == SOP_WAL_RUN;
            if (items->beside_ended) return SOP_OK;
            if (status != SOP_OK) return status;
            items->has_beside = 1;
        }
        int order = items->beside.store == item->store
                        ? sop_slice_compare(items->beside.key, item->key)
                    : items->beside.store < item->store ? -1
                                                        : 1;
        *out = order == 0;
        if (order >= 0) return SOP_OK;
        items->has_beside = 0;
    }
}

sop_status sop_run_items_next(sop_run_items *items, sop_wal_item *out, sop_error *err)
{
    for (;;) {
        sop_status status;
        if (SOP_LIKELY(items->left == 0)) {
            status = sop_wal_items_next(&items->items, out, err);
            if (SOP_LIKELY(status != SOP_OK || out->op != SOP_WAL_RUN)) return status;
            status = run_begin(items, out, err);
            if (status == SOP_OK && items->note != NULL) {
                status = items->note(items->run, items->context);
            }
            if (status != SOP_OK) return status;
            continue;
        }
        int is_replaced = 0;
        status = run_next(items, out, err);
        if (status == SOP_OK) status = replaced(items, out, &is_replaced, err);
        if (status != SOP_OK || !is_replaced) return status;
    }
}

sop_status
sop_runs__of_frame(const sop_wal_frame *frame, sop_run_fn fn, void *context, sop_error *err)
{
    sop_wal_reader reader;
    sop_wal_reader_init(&reader, frame);
    sop_wal_txn_view txn;
    sop_status status;
    while ((status = sop_wal_reader_next(&reader, &txn, err)) == SOP_OK) {
        if (txn.head.type != SOP_TXN_TYPE_DATA) continue;
        sop_wal_items items;
        sop_wal_item item;
        sop_wal_items_init(&items, &txn);
        while ((status = sop_wal_items_next(&items, &item, err)) == SOP_OK) {
            if (item.op == SOP_WAL_RUN) status = fn(sop_run_address(&item), context);
            if (status != SOP_OK) return status;
        }
        if (status != SOP_NOT_FOUND) return status;
    }
    return status == SOP_NOT_FOUND ? SOP_OK : status;
}
