/* SPDX-License-Identifier: MIT */
/* Applying logged transactions to a state: in recovery, and while other processes write. */
#include "txn/txn_replay.h"

#include <string.h>

#include "util/assert.h"
#include "util/bytes.h"
#include "util/error.h"
#include "util/memory.h"

enum { RECLAIM_EVERY = 1024 };

sop_status sop_replay__init(sop_replay *r, sop_engine *engine, sop_error *err)
{
    *r = (sop_replay){.engine = engine, .live = &engine->live_table, .err = err};
    sop_mutex_lock(&engine->commit_lock);
    r->state = sop_engine__state_new(engine, NULL);
    sop_mutex_unlock(&engine->commit_lock);
    if (r->state == NULL) return sop_fail(err, SOP_NO_MEMORY, "recovery: out of memory");
    sop_layer *live = sop_layer__new();
    if (live == NULL) return sop_fail(err, SOP_NO_MEMORY, "recovery: out of memory");
    r->state->layers[0] = live;
    r->state->roots[0] = NULL;
    r->state->layer_count = 1;
    return SOP_OK;
}

static void base_drop(sop_base *base)
{
    if (base != NULL && base->references == 0) sop_base__free(base);
}

static void base_set(sop_replay *r, sop_base *base)
{
    base_drop(r->state->base);
    r->state->base = base;
}

void sop_replay__deinit(sop_replay *r)
{
    sop_mutex_lock(&r->engine->commit_lock);
    sop_replay__drop(r);
    sop_mutex_unlock(&r->engine->commit_lock);
}

void sop_replay__drop(sop_replay *r)
{
    sop_free(r->segments);
    sop_state *state = r->state;
    if (state == NULL) return;
    for (uint32_t i = 0; i < state->layer_count; i++) {
        if (state->layers[i]->references != 0) continue;
        sop_memtable_free(state->layers[i]->table);
        sop_free(state->layers[i]);
    }
    base_drop(state->base);
    sop_engine__state_discard(r->engine, state);
    r->state = NULL;
}

static sop_memtable *live_table(sop_replay *r)
{
    return r->state->layers[r->state->layer_count - 1]->table;
}

/* ---- what the log refers to ---- */

static sop_status segment_note(sop_replay *r, uint64_t segment)
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
    return SOP_OK;
}

static sop_status blob_note(sop_address address, void *context)
{
    sop_replay *r = context;
    sop_status status = r->following ? SOP_OK : segment_note(r, address.segment);
    if (status != SOP_OK) return status;
    return sop_blobs_adopt_blob(r->engine->blobs, address, r->err);
}

static sop_status reference_note(sop_replay *r, const uint8_t *reference)
{
    /* The root must be readable before the walk can follow it. */
    sop_address root = {sop_get_u64le(reference + 8), sop_get_u64le(reference + 16)};
    sop_status status = blob_note(root, r);
    if (status != SOP_OK) return status;
    return sop_value_reference_walk(r->engine->blobs, r->state->base->segments, reference,
                                    blob_note, r, r->err);
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
static sop_status load_note(sop_replay *r)
{
    const sop_btree *tree = &r->state->base->extras[r->state->base->extra_count - 1].tree;
    if (!tree->references) return SOP_OK;
    return sop_btree_walk(tree, 0, load_node, load_reference, r, r->err);
}

static sop_status load_apply(sop_replay *r, const sop_wal_item *item)
{
    sop_catalogue_row row;
    const uint8_t *key = item->key.data;
    if (item->op == SOP_WAL_REMOVE || item->key.size != SOP_CATALOGUE_ROW_KEY_SIZE ||
        key[0] != SOP_CATALOGUE_ROW) {
        return SOP_OK;
    }
    sop_slice bytes;
    sop_value_source source = {r->engine->blobs, r->state->base->segments};
    sop_status status =
        sop_catalogue_row_bytes(source, item->value, item->is_reference, &bytes, r->err);
    if (status == SOP_OK) {
        status = sop_catalogue_row_decode(sop_get_u64be(key + 1), bytes, &row, r->err);
    }
    if (status != SOP_OK || row.load_root.size == 0) return status;
    for (size_t i = 0; i < r->state->base->extra_count; i++) {
        if (r->state->base->extras[i].store == row.id) return SOP_OK; /* renamed after its load */
    }
    sop_btree known;
    status = sop_base__store(r->state->base, row.id, &known, r->err);
    if (status != SOP_OK || known.count != 0) return status;
    if (item->op != SOP_WAL_INSERT) return SOP_OK;
    sop_base *next;
    status = sop_base__with_load(r->engine->blobs, r->state->base, &row, &next, r->err);
    if (status != SOP_OK) return status;
    base_set(r, next);
    return load_note(r);
}

static sop_status item_apply(sop_replay *r, const sop_wal_item *item)
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
        r->state->catalogue_seq = r->seq;
        status = load_apply(r, item);
        if (status != SOP_OK) return status;
    }
    status = sop_memtable_set(live_table(r), item->store, item->key, item->value, flags,
                              item->op == SOP_WAL_INSERT ? SOP_BELOW_ABSENT : SOP_BELOW_PRESENT);
    return status == SOP_OK ? SOP_OK : sop_fail(r->err, status, "recovery: out of memory");
}

static sop_status run_note(sop_address address, void *context) SOP_NO_ANALYSIS
{
    sop_replay *r = context;
    sop_status status = blob_note(address, r);
    if (status != SOP_OK) return status;
    /* While following the caller has it. */
    if (!r->following) sop_mutex_lock(&r->engine->commit_lock);
    status =
        sop_engine__run_note(r->engine, address.segment, sop_address_footprint(address), r->seq);
    if (!r->following) sop_mutex_unlock(&r->engine->commit_lock);
    return status == SOP_OK ? SOP_OK : sop_fail(r->err, status, "recovery: out of memory");
}

static sop_status data_apply(sop_replay *r, const sop_wal_txn_view *txn)
{
    sop_memtable *table = live_table(r);
    sop_memtable_begin(table, txn->seq);
    sop_run_items items;
    sop_run_items_init(&items, txn, r->engine->blobs, r->state->base->segments);
    items.note = run_note;
    items.context = r;
    for (;;) {
        sop_wal_item item;
        sop_status status = sop_run_items_next(&items, &item, r->err);
        if (status == SOP_NOT_FOUND) break;
        if (status == SOP_OK) status = item_apply(r, &item);
        if (status != SOP_OK) {
            sop_memtable_revert(table);
            return status;
        }
    }
    r->state->roots[r->state->layer_count - 1] = sop_memtable_publish(table);
    /* While following, others may read: then sop_engine__reclaim does it. */
    if (!r->following && ++r->applied % RECLAIM_EVERY == 0) {
        sop_memtable_reclaim(table, &txn->seq, 1);
    }
    sop_live_peer *peer = sop_live__find(r->live, txn->head.incarnation);
    if (peer != NULL) sop_live__commit(peer, txn->head.counter, txn->head.lowest_open, txn->seq);
    return SOP_OK;
}

static sop_status freeze_apply(sop_replay *r, uint64_t seq)
{
    sop_state *state = r->state;
    /* After many failed checkpoints one layer holds the rest, and room is left for the next FREEZE. */
    if (state->layer_count - state->reading >= FROZEN_MAX) return SOP_OK;
    sop_layer *layer = sop_layer__new();
    if (layer == NULL) return sop_fail(r->err, SOP_NO_MEMORY, "recovery: out of memory");
    state->layers[state->layer_count - 1]->last_seq = seq;
    if (state->layer_count == STATE_LAYERS) sop_engine__state_drop_oldest(state);
    state->layers[state->layer_count] = layer;
    state->roots[state->layer_count] = NULL;
    state->layer_count++;
    if (!r->following) return SOP_OK;
    /* Should the process that froze die, this one can finish its checkpoint. */
    sop_freeze *freeze = &r->engine->last_freeze;
    sop_free(freeze->live);
    *freeze = (sop_freeze){.seq = seq, .place = *r->place};
    return SOP_OK;
}

/* 1: a layer ends with that seq, so that the layers can be told into merged and newer ones. */
static int layer_ends_at(const sop_state *state, uint64_t seq)
{
    for (uint32_t i = state->reading; i + 1 < state->layer_count; i++) {
        if (state->layers[i]->last_seq == seq) return 1;
    }
    return 0;
}

/* Another process published a base. */
static sop_status checkpoint_follow(sop_replay *r, const sop_wal_txn_view *txn)
{
    sop_engine *engine = r->engine;
    sop_checkpoint_body body;
    sop_status status = sop_checkpoint_body__decode(txn->body, &body, r->err);
    if (status != SOP_OK || body.freeze.length == 0) return status;
    if (!layer_ends_at(r->state, body.base_seq)) {
        r->rebuild = 1;
        return SOP_OK;
    }
    sop_base *base;
    status = sop_base__load(engine->blobs, body.descriptor, NULL, &base, r->err);
    /* A newer one exists already and took its segments; until it is read the old base and the layers say the same. */
    if (status == SOP_NOT_FOUND) return SOP_OK;
    if (status != SOP_OK) return status;
    base_set(r, base);
    sop_publish_change change = {.base = base,
                                 .base_seq = body.base_seq,
                                 .conflict_window = engine->options.conflict_window,
                                 .oldest_writer = sop_engine__oldest_snapshot(engine, 1)};
    sop_engine__base_publish(engine, r->state, txn->seq, &change);
    engine->checkpoint_place = body.freeze;
    atomic_store_explicit(&engine->base_bytes, sop_base__live_bytes(base), memory_order_relaxed);
    if (engine->last_freeze.seq == body.base_seq) {
        sop_free(engine->last_freeze.live);
        engine->last_freeze = (sop_freeze){0};
    }
    return SOP_OK;
}

static sop_status txn_apply(sop_replay *r, const sop_wal_txn_view *txn)
{
    sop_live_table *live = r->live;
    r->seq = txn->seq;
    switch (txn->head.type) {
    case SOP_TXN_TYPE_DATA:
        return data_apply(r, txn);
    case SOP_TXN_TYPE_JOIN:
        return sop_live__join(live, txn->head.incarnation) == SOP_OK
                   ? SOP_OK
                   : sop_fail(r->err, SOP_NO_MEMORY, "recovery: out of memory");
    case SOP_TXN_TYPE_LEAVE:
        sop_live__leave(live, txn->head.incarnation, r->following ? txn->seq : 0);
        return SOP_OK;
    case SOP_TXN_TYPE_EVICT:
        if (txn->body.size == 16) {
            sop_live__leave(live, txn->body.data, r->following ? txn->seq : 0);
        }
        return SOP_OK;
    case SOP_TXN_TYPE_FREEZE:
        return freeze_apply(r, txn->seq);
    case SOP_TXN_TYPE_CHECKPOINT:
        if (r->following) return checkpoint_follow(r, txn);
        /* Newer than the one the head names, if any: its process died before it moved the head. The older base and the log say the same,
           and only what the head names may be counted on to stay. */
        return SOP_OK;
    default:
        return sop_fail(r->err, SOP_UNSUPPORTED,
                        "log: transaction %llu has type %u, written by a newer version",
                        (unsigned long long)txn->seq, txn->head.type);
    }
}

sop_status sop_replay__frame(const sop_wal_frame *frame, void *context)
{
    sop_replay *r = context;
    sop_wal_reader reader;
    r->place = &frame->place;
    sop_wal_reader_init(&reader, frame);
    for (;;) {
        sop_wal_txn_view txn;
        sop_status status = sop_wal_reader_next(&reader, &txn, r->err);
        if (status == SOP_NOT_FOUND) return SOP_OK;
        if (status == SOP_OK && txn.seq > r->seq) status = txn_apply(r, &txn);
        if (status != SOP_OK) return status;
    }
}

/* ---- where replay begins ---- */

/* The CHECKPOINT in the frame that the head names. */
static sop_status checkpoint_find(sop_replay *r, const sop_wal_frame *head, sop_wal_txn_view *out)
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

sop_status sop_replay__base(sop_replay *r, const sop_wal_frame *head)
{
    sop_engine *engine = r->engine;
    sop_wal_txn_view checkpoint;
    sop_checkpoint_body body;
    sop_status status = checkpoint_find(r, head, &checkpoint);
    if (status == SOP_OK) status = sop_checkpoint_body__decode(checkpoint.body, &body, r->err);
    if (status != SOP_OK) return status;
    sop_mutex_lock(&engine->commit_lock);
    engine->checkpoint_place = body.freeze.length == 0 ? head->place : body.freeze;
    sop_mutex_unlock(&engine->commit_lock);
    r->seq = body.freeze.length == 0 ? head->place.seq_last : body.base_seq;
    if (body.descriptor.size != 0) {
        return sop_base__load(engine->blobs, body.descriptor, r->live, &r->state->base, r->err);
    }
    r->state->base = sop_base__new_empty();
    if (r->state->base == NULL) return sop_fail(r->err, SOP_NO_MEMORY, "recovery: out of memory");
    r->state->base->seq = body.base_seq;
    return sop_segments_open(engine->blobs, NULL, 0, &r->state->base->segments, r->err);
}
