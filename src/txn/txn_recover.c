/* SPDX-License-Identifier: MIT */
/* Recovery: the base of the newest checkpoint, then every later transaction of the log, in order. */
#include <string.h>

#include "txn/txn_engine.h"
#include "util/assert.h"
#include "util/bytes.h"
#include "util/error.h"
#include "util/memory.h"

enum { RECLAIM_EVERY = 1024 };

typedef struct {
    sop_engine *engine;
    sop_base *base;
    sop_layer *layers[STATE_LAYERS]; /* oldest first; the last one is live */
    const sop_memtable_root *roots[STATE_LAYERS];
    uint32_t layer_count;
    uint64_t seq;
    uint64_t catalogue_seq;
    uint64_t applied;
    uint64_t *segments; /* referred to by the log only */
    size_t segment_count;
    size_t segment_capacity;
    sop_error *err;
} replay;

/* ---- what the log refers to ---- */

static sop_status segment_note(replay *r, uint64_t segment)
{
    for (size_t i = r->segment_count; i > 0; i--) {
        if (r->segments[i - 1] == segment) return SOP_OK;
    }
    if (r->segment_count == r->segment_capacity) {
        size_t capacity = r->segment_capacity * 2 + 16;
        uint64_t *grown = sop_realloc(r->segments, capacity * sizeof *grown);
        if (grown == NULL) return sop_fail(r->err, SOP_NO_MEMORY, "recovery: out of memory");
        r->segments = grown;
        r->segment_capacity = capacity;
    }
    r->segments[r->segment_count++] = segment;
    return sop_blobs_adopt(r->engine->blobs, segment, r->err);
}

static sop_status blob_note(sop_address address, void *context)
{
    return segment_note(context, address.segment);
}

static sop_status reference_note(replay *r, const uint8_t *reference)
{
    /* The root must be readable before the walk can follow it. */
    sop_status status = segment_note(r, sop_get_u64le(reference + 8));
    if (status != SOP_OK) return status;
    return sop_value_reference_walk(r->engine->blobs, r->base->segments, reference, blob_note, r,
                                    r->err);
}

/* ---- transactions ---- */

static sop_status load_node(sop_address address, void *context)
{
    (void)address;
    (void)context;
    return SOP_OK;
}

static sop_status load_reference(const uint8_t *reference, void *context)
{
    return reference_note(context, reference);
}

/* Large values of a bulk load are referred to by its tree alone. */
static sop_status load_note(replay *r)
{
    const sop_btree *tree = &r->base->extras[r->base->extra_count - 1].tree;
    if (!tree->references) return SOP_OK;
    return sop_btree_walk(tree, 0, load_node, load_reference, r, r->err);
}

static sop_status load_apply(replay *r, const sop_wal_item *item)
{
    sop_catalogue_row row;
    const uint8_t *key = item->key.data;
    if (item->op == SOP_WAL_REMOVE || item->key.size != SOP_CATALOGUE_ROW_KEY_SIZE ||
        key[0] != SOP_CATALOGUE_ROW) {
        return SOP_OK;
    }
    sop_slice bytes;
    sop_value_source source = {r->engine->blobs, r->base->segments};
    sop_status status =
        sop_catalogue_row_bytes(source, item->value, item->is_reference, &bytes, r->err);
    if (status == SOP_OK) {
        status = sop_catalogue_row_decode(sop_get_u64be(key + 1), bytes, &row, r->err);
    }
    if (status != SOP_OK || row.load_root.size == 0) return status;
    for (size_t i = 0; i < r->base->extra_count; i++) {
        if (r->base->extras[i].store == row.id) return SOP_OK; /* renamed after its load */
    }
    sop_btree known;
    status = sop_base__store(r->base, row.id, &known, r->err);
    if (status != SOP_OK || known.count != 0) return status;
    if (item->op != SOP_WAL_INSERT) return SOP_OK;
    sop_base *next;
    status = sop_base__with_load(r->engine->blobs, r->base, &row, &next, r->err);
    if (status != SOP_OK) return status;
    sop_base__free(r->base);
    r->base = next;
    return load_note(r);
}

static sop_status item_apply(replay *r, const sop_wal_item *item)
{
    unsigned flags = 0;
    sop_status status = SOP_OK;
    if (item->op != SOP_WAL_REMOVE) flags = SOP_RECORD_PRESENT;
    if (item->is_reference) {
        flags |= SOP_RECORD_REFERENCE;
        status = sop_value_reference_check(item->value.data, item->value.size, r->err);
        if (status == SOP_OK) status = reference_note(r, item->value.data);
        if (status != SOP_OK) return status;
    }
    if (item->store == SOP_CATALOGUE_STORE) {
        r->catalogue_seq = r->seq;
        status = load_apply(r, item);
        if (status != SOP_OK) return status;
    }
    status =
        sop_memtable_set(r->layers[r->layer_count - 1]->table, item->store, item->key, item->value,
                         flags, item->op == SOP_WAL_INSERT ? SOP_BELOW_ABSENT : SOP_BELOW_PRESENT);
    return status == SOP_OK ? SOP_OK : sop_fail(r->err, status, "recovery: out of memory");
}

static sop_status run_note(sop_address address, void *context)
{
    replay *r = context;
    sop_status status = segment_note(r, address.segment);
    if (status != SOP_OK) return status;
    status =
        sop_engine__run_note(r->engine, address.segment, sop_address_footprint(address), r->seq);
    return status == SOP_OK ? SOP_OK : sop_fail(r->err, status, "recovery: out of memory");
}

static sop_status data_apply(replay *r, const sop_wal_txn_view *txn)
{
    sop_memtable *table = r->layers[r->layer_count - 1]->table;
    sop_memtable_begin(table, txn->seq);
    sop_run_items items;
    sop_run_items_init(&items, txn, r->engine->blobs, r->base->segments);
    items.note = run_note;
    items.context = r;
    for (;;) {
        sop_wal_item item;
        sop_status status = sop_run_items_next(&items, &item, r->err);
        if (status == SOP_NOT_FOUND) break;
        if (status == SOP_OK) status = item_apply(r, &item);
        if (status != SOP_OK) return status;
    }
    r->roots[r->layer_count - 1] = sop_memtable_publish(table);
    if (++r->applied % RECLAIM_EVERY == 0) sop_memtable_reclaim(table, &txn->seq, 1);
    sop_live_peer *peer = sop_live__find(&r->engine->live_table, txn->head.incarnation);
    if (peer != NULL) sop_live__commit(peer, txn->head.counter, txn->head.lowest_open, txn->seq);
    return SOP_OK;
}

static sop_status freeze_apply(replay *r, uint64_t seq)
{
    /* After many failed checkpoints one layer holds the rest, and room is left for the next FREEZE. */
    if (r->layer_count >= FROZEN_MAX) return SOP_OK;
    sop_layer *layer = sop_layer__new();
    if (layer == NULL) return sop_fail(r->err, SOP_NO_MEMORY, "recovery: out of memory");
    r->layers[r->layer_count - 1]->last_seq = seq;
    r->layers[r->layer_count] = layer;
    r->roots[r->layer_count] = NULL;
    r->layer_count++;
    return SOP_OK;
}

static sop_status txn_apply(replay *r, const sop_wal_txn_view *txn)
{
    sop_live_table *live = &r->engine->live_table;
    r->seq = txn->seq;
    switch (txn->head.type) {
    case SOP_TXN_TYPE_DATA:
        return data_apply(r, txn);
    case SOP_TXN_TYPE_JOIN:
        return sop_live__join(live, txn->head.incarnation) == SOP_OK
                   ? SOP_OK
                   : sop_fail(r->err, SOP_NO_MEMORY, "recovery: out of memory");
    case SOP_TXN_TYPE_LEAVE:
        sop_live__leave(live, txn->head.incarnation, 0);
        return SOP_OK;
    case SOP_TXN_TYPE_EVICT:
        if (txn->body.size == 16) sop_live__leave(live, txn->body.data, 0);
        return SOP_OK;
    case SOP_TXN_TYPE_FREEZE:
        return freeze_apply(r, txn->seq);
    case SOP_TXN_TYPE_CHECKPOINT:
        /* Newer than the one the head names, if any: its process died before it moved the head. The older base and the log say the same,
           and only what the head names may be counted on to stay. */
        return SOP_OK;
    default:
        return sop_fail(r->err, SOP_UNSUPPORTED,
                        "log: transaction %llu has type %u, written by a newer version",
                        (unsigned long long)txn->seq, txn->head.type);
    }
}

static sop_status frame_apply(const sop_wal_frame *frame, void *context)
{
    replay *r = context;
    sop_wal_reader reader;
    sop_wal_reader_init(&reader, frame);
    for (;;) {
        sop_wal_txn_view txn;
        sop_status status = sop_wal_reader_next(&reader, &txn, r->err);
        if (status == SOP_NOT_FOUND) return SOP_OK;
        if (status == SOP_OK && txn.seq > r->seq) status = txn_apply(r, &txn);
        if (status != SOP_OK) return status;
    }
}

/* ---- the whole ---- */

/* The CHECKPOINT in the frame that the head names. */
static sop_status checkpoint_find(replay *r, const sop_wal_frame *head, sop_wal_txn_view *out)
{
    sop_wal_reader reader;
    sop_wal_reader_init(&reader, head);
    sop_status status;
    while ((status = sop_wal_reader_next(&reader, out, r->err)) == SOP_OK) {
        if (out->head.type == SOP_TXN_TYPE_CHECKPOINT) return SOP_OK;
    }
    if (status != SOP_NOT_FOUND) return status;
    return sop_fail(r->err, SOP_CORRUPT, "log: the head does not name a CHECKPOINT");
}

static sop_status base_open(replay *r, const sop_wal_frame *head)
{
    sop_engine *engine = r->engine;
    sop_wal_txn_view checkpoint;
    sop_checkpoint_body body;
    sop_status status = checkpoint_find(r, head, &checkpoint);
    if (status == SOP_OK) status = sop_checkpoint_body__decode(checkpoint.body, &body, r->err);
    if (status != SOP_OK) return status;
    engine->head_place = head->place;
    engine->checkpoint_place = body.freeze.length == 0 ? head->place : body.freeze;
    r->seq = body.freeze.length == 0 ? head->place.seq_last : body.base_seq;
    if (body.descriptor.size != 0) {
        return sop_base__load(engine->blobs, body.descriptor, &engine->live_table, &r->base,
                              r->err);
    }
    r->base = sop_base__new_empty();
    if (r->base == NULL) return sop_fail(r->err, SOP_NO_MEMORY, "recovery: out of memory");
    r->base->seq = body.base_seq;
    return sop_segments_open(engine->blobs, NULL, 0, &r->base->segments, r->err);
}

/*
 * Whoever wrote before may have moved the head without its name becoming durable, even if a sync of the folder succeeds now. A power
 * cut would bring back an older head and the base that it names; so what looks like waste goes only after this process has moved the
 * head itself.
 */
static sop_status orphan_note(uint64_t segment, uint64_t size, void *context)
{
    const replay *r = context;
    (void)size;
    for (size_t i = 0; i < r->base->row_count; i++) {
        if (r->base->rows[i].segment == segment) return SOP_OK;
    }
    for (size_t i = 0; i < r->segment_count; i++) {
        if (r->segments[i] == segment) return SOP_OK;
    }
    sop_engine *engine = r->engine;
    if (engine->orphan_count == engine->orphan_capacity) {
        size_t capacity = engine->orphan_capacity * 2 + 16;
        uint64_t *grown = sop_realloc(engine->orphans, capacity * sizeof *grown);
        if (grown == NULL) return SOP_OK; /* the next open finds it again */
        engine->orphans = grown;
        engine->orphan_capacity = capacity;
    }
    engine->orphans[engine->orphan_count++] = segment;
    return SOP_OK;
}

static uint64_t live_bytes(const sop_base *base)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < base->row_count; i++) {
        bytes += base->rows[i].live;
    }
    return bytes;
}

/* The first state: everything replayed is durable. */
static sop_status state_publish(replay *r)
{
    sop_engine *engine = r->engine;
    sop_state *state = sop_engine__state_new(engine, NULL);
    if (state == NULL) return sop_fail(r->err, SOP_NO_MEMORY, "recovery: out of memory");
    state->base = r->base;
    state->layer_count = r->layer_count;
    memcpy(state->layers, r->layers, r->layer_count * sizeof(r->layers[0]));
    memcpy(state->roots, r->roots, r->layer_count * sizeof(r->roots[0]));
    state->catalogue_seq = r->catalogue_seq;
    state->horizon = r->seq;
    engine->live = r->layers[r->layer_count - 1];
    sop_engine__state_push(engine, state, r->seq);
    sop_engine__durable_set(engine, state);
    atomic_store_explicit(&engine->synced_seq, r->seq, memory_order_relaxed);
    atomic_store_explicit(&engine->base_bytes, live_bytes(r->base), memory_order_relaxed);
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < r->layer_count; i++) {
        bytes += sop_memtable_bytes(r->layers[i]->table);
    }
    atomic_store_explicit(&engine->memtable_bytes, bytes, memory_order_relaxed);
    r->base = NULL;
    r->layer_count = 0;
    return SOP_OK;
}

static sop_status replay_all(replay *r, const sop_wal_options *options)
{
    sop_engine *engine = r->engine;
    sop_wal_frame head;
    int clean = 0;
    sop_status status = sop_wal_open(options, &engine->wal, &head, r->err);
    if (status == SOP_OK) status = base_open(r, &head);
    if (status != SOP_OK) return status;
    r->layers[0] = sop_layer__new();
    if (r->layers[0] == NULL) return sop_fail(r->err, SOP_NO_MEMORY, "recovery: out of memory");
    r->layer_count = 1;
    sop_wal_place from = engine->checkpoint_place;
    status = sop_wal_replay(engine->wal, &from, frame_apply, r, &clean, r->err);
    if (status == SOP_OK && !engine->options.read_only) {
        status = sop_wal_start(engine->wal, clean, r->err);
    }
    if (status == SOP_OK && !engine->options.read_only) {
        status = sop_segments_list(engine->blobs, orphan_note, r, r->err);
    }
    return status;
}

sop_status sop_engine__recover(sop_engine *engine, sop_error *err)
{
    replay r = {.engine = engine, .err = err};
    sop_wal_options options = {.backend = engine->options.backend,
                               .short_incarnation = engine->short_incarnation,
                               .read_only = engine->options.read_only};
    memcpy(options.database_id, engine->superblock.id, 16);
    memcpy(options.incarnation, engine->superblock.incarnation, 16);
    sop_status status = replay_all(&r, &options);
    if (status == SOP_OK) status = state_publish(&r);
    for (uint32_t i = 0; i < r.layer_count; i++) {
        sop_memtable_free(r.layers[i]->table);
        sop_free(r.layers[i]);
    }
    sop_base__free(r.base);
    sop_free(r.segments);
    return status;
}
