/* SPDX-License-Identifier: MIT */
/* Merging: base and frozen layers become new trees; the live bytes of every segment are kept up to date on the way. */
#include <stdlib.h>
#include <string.h>

#include "txn/txn_engine.h"
#include "util/assert.h"
#include "util/bytes.h"
#include "util/error.h"
#include "util/memory.h"

#define MERGE_SEGMENT_BYTES (64u << 20)
enum { CANCEL_EVERY = 4096 };

/* ---- segment rows ---- */

static int compare_row(const void *a, const void *b)
{
    const sop_segment_row *x = a;
    const sop_segment_row *y = b;
    return (x->segment > y->segment) - (x->segment < y->segment);
}

sop_segment_row *sop_merge__row(sop_merge *merge, uint64_t segment)
{
    sop_segment_row key = {.segment = segment};
    return bsearch(&key, merge->rows, merge->row_count, sizeof key, compare_row);
}

static sop_status rows_reserve(sop_merge *merge, size_t more, sop_error *err)
{
    if (merge->row_count + more <= merge->row_capacity) return SOP_OK;
    size_t capacity = (merge->row_count + more) * 2;
    sop_segment_row *grown = sop_realloc(merge->rows, capacity * sizeof *grown);
    if (grown == NULL) return sop_fail(err, SOP_NO_MEMORY, "segment table: out of memory");
    merge->rows = grown;
    merge->row_capacity = capacity;
    return SOP_OK;
}

/* Rows of the base, and of value segments written since (live 0 so far). */
static sop_status rows_collect(sop_merge *merge, sop_error *err)
{
    const sop_base *base = merge->state->base;
    sop_blobs *blobs = merge->engine->blobs;
    size_t values = sop_blobs_value_segments(blobs, NULL, 0);
    sop_status status = rows_reserve(merge, base->row_count + values + 16, err);
    if (status != SOP_OK) return status;
    if (base->row_count != 0) {
        memcpy(merge->rows, base->rows, base->row_count * sizeof *merge->rows);
    }
    merge->row_count = base->row_count;
    qsort(merge->rows, merge->row_count, sizeof *merge->rows, compare_row);
    sop_segment_row *fresh = sop_alloc_array(values + 1, sizeof *fresh);
    if (fresh == NULL) return sop_fail(err, SOP_NO_MEMORY, "segment table: out of memory");
    size_t got = sop_blobs_value_segments(blobs, fresh, values);
    size_t known = merge->row_count;
    for (size_t i = 0; i < got && i < values; i++) {
        sop_segment_row key = fresh[i];
        sop_segment_row *row = bsearch(&key, merge->rows, known, sizeof key, compare_row);
        if (row != NULL) continue;
        /* Only what something refers to is known to be synced: the size grows with the references. */
        fresh[i].size = SOP_SEGMENT_HEADER;
        fresh[i].live = 0;
        merge->rows[merge->row_count++] = fresh[i];
    }
    sop_free(fresh);
    qsort(merge->rows, merge->row_count, sizeof *merge->rows, compare_row);
    return SOP_OK;
}

static uint64_t blob_bytes(sop_address address)
{
    return sop_round_up(sop_address_length(address), SOP_BLOB_ALIGN);
}

static sop_status live_change(sop_merge *merge, sop_address address, int alive, sop_error *err)
{
    sop_segment_row *row = sop_merge__row(merge, address.segment);
    if (row == NULL) {
        return sop_fail(err, SOP_CORRUPT,
                        "a blob lies in segment %llx, which the segment table does not list",
                        (unsigned long long)address.segment);
    }
    uint64_t bytes = blob_bytes(address);
    if (alive) {
        row->live += bytes;
        uint64_t end = sop_address_offset(address) + sop_address_length(address);
        if (row->kind == SOP_SEGMENT_VALUES && end > row->size) row->size = end;
    } else {
        row->live -= bytes < row->live ? bytes : row->live;
    }
    return SOP_OK;
}

typedef struct {
    sop_merge *merge;
    int alive;
    sop_error *err;
} value_walk;

static sop_status value_blob(sop_address address, void *context)
{
    const value_walk *walk = context;
    return live_change(walk->merge, address, walk->alive, walk->err);
}

static sop_status
value_account(sop_merge *merge, const uint8_t *reference, int alive, sop_error *err)
{
    value_walk walk = {merge, alive, err};
    return sop_value_reference_walk(merge->engine->blobs, merge->state->base->segments, reference,
                                    value_blob, &walk, err);
}

/* ---- one store: layers as one stream of changes, newest wins ---- */

typedef struct {
    sop_merge *merge;
    sop_memcursor cursors[STATE_LAYERS]; /* oldest first */
    uint32_t count;
} change_stream;

static void stream_init(change_stream *stream, sop_merge *merge, uint64_t store)
{
    stream->merge = merge;
    stream->count = 0;
    for (uint32_t i = merge->state->reading; i < merge->layer_end; i++) {
        const sop_memtree *tree = sop_memtable_tree(merge->state->roots[i], store);
        if (tree == NULL) continue;
        sop_memcursor *cursor = &stream->cursors[stream->count++];
        sop_memcursor_init(cursor, tree);
        (void)sop_memcursor_first(cursor);
    }
}

/* The newest record of the smallest key; every cursor at that key moves on. */
static const sop_record *stream_next(change_stream *stream)
{
    const sop_record *best = NULL;
    for (uint32_t i = 0; i < stream->count; i++) {
        const sop_record *r = stream->cursors[i].record;
        if (r == NULL) continue;
        if (best == NULL || sop_slice_compare(sop_record_key(r), sop_record_key(best)) <= 0) {
            best = r;
        }
    }
    if (best == NULL) return NULL;
    for (uint32_t i = 0; i < stream->count; i++) {
        const sop_record *r = stream->cursors[i].record;
        if (r == NULL) continue;
        if (r == best || sop_slice_equal(sop_record_key(r), sop_record_key(best))) {
            (void)sop_memcursor_next(&stream->cursors[i]);
        }
    }
    return best;
}

static sop_status merge_cancelled(sop_merge *merge, sop_error *err)
{
    if (++merge->items_seen % CANCEL_EVERY != 0) return SOP_OK;
    if (merge->work != NULL && merge->work->progress != NULL) {
        sop_status status = merge->work->progress(merge->items_seen, 0, merge->work->context);
        if (status != SOP_OK) return sop_fail(err, status, "stopped by the caller");
    }
    if (merge->interrupts != UINT64_MAX &&
        sop_engine_interrupts(merge->engine) != merge->interrupts) {
        return sop_fail(err, SOP_CANCELLED, "interrupted");
    }
    return SOP_OK;
}

static sop_status stream_change(void *context, sop_btree_change *out, sop_error *err)
{
    change_stream *stream = context;
    const sop_record *r = stream_next(stream);
    if (r == NULL) return SOP_NOT_FOUND;
    out->key = sop_record_key(r);
    out->present = sop_record_present(r) != 0;
    out->value = out->present ? sop_record_value(r) : (sop_slice){0};
    out->is_reference = out->present && (r->flags & SOP_RECORD_REFERENCE) != 0;
    if (out->is_reference) {
        sop_status status = value_account(stream->merge, out->value.data, 1, err);
        if (status != SOP_OK) return status;
    }
    return merge_cancelled(stream->merge, err);
}

static sop_status node_dead(void *context, sop_address address, sop_error *err)
{
    const change_stream *stream = context;
    return live_change(stream->merge, address, 0, err);
}

static sop_status value_dead(void *context, const uint8_t *reference, sop_error *err)
{
    const change_stream *stream = context;
    return value_account(stream->merge, reference, 0, err);
}

static int node_must_move(void *context, uint64_t segment)
{
    const change_stream *stream = context;
    const sop_merge *merge = stream->merge;
    for (size_t i = 0; i < merge->victim_count; i++) {
        if (merge->victims[i] == segment) return 1;
    }
    return 0;
}

static sop_status loaded_node(sop_address address, void *context)
{
    (void)address;
    (void)context;
    return SOP_OK;
}

static sop_status loaded_value(const uint8_t *reference, void *context)
{
    const value_walk *walk = context;
    return value_account(walk->merge, reference, 1, walk->err);
}

/* Large values of a bulk load: no change stream ever mentioned them. */
static sop_status
load_account(sop_merge *merge, uint64_t store, const sop_btree *tree, sop_error *err)
{
    const sop_base *base = merge->state->base;
    value_walk walk = {merge, 1, err};
    for (size_t i = 0; i < base->extra_count; i++) {
        if (base->extras[i].store != store || !tree->references) continue;
        return sop_btree_walk(tree, 0, loaded_node, loaded_value, &walk, err);
    }
    return SOP_OK;
}

static sop_status store_merge(sop_merge *merge, uint64_t store, sop_btree *out, sop_error *err)
{
    sop_btree old;
    sop_status status = sop_base__store(merge->state->base, store, &old, err);
    if (status == SOP_OK) status = load_account(merge, store, &old, err);
    if (status != SOP_OK) return status;
    change_stream stream;
    stream_init(&stream, merge, store);
    sop_btree_merge_source source = {.next = stream_change,
                                     .dead_node = node_dead,
                                     .dead_value = value_dead,
                                     .must_move = merge->victim_count == 0 ? NULL : node_must_move,
                                     .context = &stream};
    return sop_btree_merge(&old, &source, merge->writer, out, err);
}

/* ---- dropped stores ---- */

typedef struct {
    sop_merge *merge;
    sop_error *err;
} drop_walk;

static sop_status dropped_node(sop_address address, void *context)
{
    const drop_walk *walk = context;
    return live_change(walk->merge, address, 0, walk->err);
}

static sop_status dropped_value(const uint8_t *reference, void *context)
{
    const drop_walk *walk = context;
    return value_account(walk->merge, reference, 0, walk->err);
}

static sop_status store_drop(sop_merge *merge, uint64_t store, sop_error *err)
{
    sop_btree old;
    sop_status status = sop_base__store(merge->state->base, store, &old, err);
    if (status == SOP_OK) status = load_account(merge, store, &old, err);
    if (status != SOP_OK || old.count == 0) return status;
    drop_walk walk = {merge, err};
    return sop_btree_walk(&old, 0, dropped_node, dropped_value, &walk, err);
}

/* ---- which stores, and the table ---- */

typedef struct {
    uint64_t *ids;
    size_t count;
    size_t capacity;
} id_list;

static sop_status ids_add(id_list *list, uint64_t id)
{
    if (list->count == list->capacity) {
        size_t capacity = list->capacity * 2 + 64;
        uint64_t *grown = sop_realloc(list->ids, capacity * sizeof *grown);
        if (grown == NULL) return SOP_NO_MEMORY;
        list->ids = grown;
        list->capacity = capacity;
    }
    list->ids[list->count++] = id;
    return SOP_OK;
}

static sop_status ids_add_tree(uint64_t store, const sop_memtree *tree, void *context)
{
    (void)tree;
    return ids_add(context, store);
}

static int compare_id(const void *a, const void *b)
{
    uint64_t x;
    uint64_t y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return (x > y) - (x < y);
}

/* Stores whose catalogue row went away. */
static sop_status ids_add_dropped(sop_merge *merge, id_list *list)
{
    for (uint32_t i = merge->state->reading; i < merge->layer_end; i++) {
        const sop_memtree *tree = sop_memtable_tree(merge->state->roots[i], SOP_CATALOGUE_STORE);
        sop_memcursor cursor;
        sop_memcursor_init(&cursor, tree);
        uint8_t first = SOP_CATALOGUE_ROW;
        const sop_record *r = sop_memcursor_seek_ge(&cursor, sop_slice_of(&first, 1));
        for (; r != NULL && r->bytes[0] == SOP_CATALOGUE_ROW; r = sop_memcursor_next(&cursor)) {
            if (sop_record_present(r) || r->key_size != SOP_CATALOGUE_ROW_KEY_SIZE) continue;
            sop_status status = ids_add(list, sop_get_u64be(r->bytes + 1));
            if (status != SOP_OK) return status;
        }
    }
    return SOP_OK;
}

/* All stores of the base: a relocation must look at each of them. */
static sop_status ids_add_all(sop_merge *merge, id_list *list, sop_error *err)
{
    sop_btree_cursor *cursor = sop_alloc(sizeof *cursor);
    if (cursor == NULL) return sop_fail(err, SOP_NO_MEMORY, "checkpoint: out of memory");
    sop_btree_cursor_init(cursor, &merge->state->base->table);
    sop_status status = SOP_OK;
    if (merge->state->base->table.count != 0) status = sop_btree_cursor_first(cursor, err);
    while (status == SOP_OK && cursor->at_item) {
        status = ids_add(list, sop_get_u64be(sop_btree_cursor_key(cursor).data));
        if (status == SOP_OK) status = sop_btree_cursor_next(cursor, err);
    }
    sop_free(cursor);
    return status == SOP_NOT_FOUND ? SOP_OK : status;
}

/* Ascending, each once. */
static sop_status ids_collect(sop_merge *merge, id_list *list, sop_error *err)
{
    sop_status status = SOP_OK;
    for (uint32_t i = merge->state->reading; i < merge->layer_end && status == SOP_OK; i++) {
        status = sop_memtable_stores(merge->state->roots[i], ids_add_tree, list);
    }
    if (status == SOP_OK) status = ids_add_dropped(merge, list);
    for (size_t i = 0; i < merge->state->base->extra_count && status == SOP_OK; i++) {
        status = ids_add(list, merge->state->base->extras[i].store);
    }
    if (status == SOP_OK && merge->victim_count != 0) status = ids_add_all(merge, list, err);
    if (status != SOP_OK) return sop_fail(err, status, "checkpoint: out of memory");
    if (list->count == 0) return SOP_OK;
    qsort(list->ids, list->count, sizeof(uint64_t), compare_id);
    size_t kept = 1;
    for (size_t i = 1; i < list->count; i++) {
        if (list->ids[i] != list->ids[kept - 1]) list->ids[kept++] = list->ids[i];
    }
    list->count = kept;
    return SOP_OK;
}

/* The new table rows, in order of store ids. */
typedef struct {
    change_stream nodes; /* for dead nodes of the table itself; its cursors are not used */
    const id_list *ids;
    uint8_t (*rows)[SOP_BTREE_ROW_SIZE];
    uint8_t *present;
    size_t at;
    uint8_t key[8];
} table_stream;

static sop_status table_change(void *context, sop_btree_change *out, sop_error *err)
{
    (void)err;
    table_stream *stream = context;
    if (stream->at == stream->ids->count) return SOP_NOT_FOUND;
    size_t i = stream->at++;
    sop_put_u64be(stream->key, stream->ids->ids[i]);
    out->key = sop_slice_of(stream->key, 8);
    out->present = stream->present[i];
    out->value = sop_slice_of(stream->rows[i], out->present ? SOP_BTREE_ROW_SIZE : 0);
    out->is_reference = 0;
    return SOP_OK;
}

static sop_status table_node_dead(void *context, sop_address address, sop_error *err)
{
    const table_stream *stream = context;
    return live_change(stream->nodes.merge, address, 0, err);
}

static sop_status table_value_dead(void *context, const uint8_t *reference, sop_error *err)
{
    (void)context;
    (void)reference;
    return sop_fail(err, SOP_CORRUPT, "the base table holds a value reference");
}

static int table_must_move(void *context, uint64_t segment)
{
    table_stream *stream = context;
    return node_must_move(&stream->nodes, segment);
}

static sop_status table_merge(sop_merge *merge, table_stream *stream, sop_error *err)
{
    stream->nodes.merge = merge;
    sop_btree_merge_source source = {.next = table_change,
                                     .dead_node = table_node_dead,
                                     .dead_value = table_value_dead,
                                     .must_move = merge->victim_count == 0 ? NULL : table_must_move,
                                     .context = stream};
    return sop_btree_merge(&merge->state->base->table, &source, merge->writer, &merge->table, err);
}

/* The catalogue as of the layers that are merged. */
static sop_status catalogue_view(const sop_merge *merge, sop_view *out, sop_error *err)
{
    sop_status status = sop_base__store(merge->state->base, SOP_CATALOGUE_STORE, &out->base, err);
    out->layer_count = 0;
    for (uint32_t i = merge->state->reading; i < merge->layer_end; i++) {
        const sop_memtree *tree = sop_memtable_tree(merge->state->roots[i], SOP_CATALOGUE_STORE);
        if (tree != NULL) out->layers[out->layer_count++] = tree;
    }
    return status;
}

static sop_status stores_merge(sop_merge *merge, table_stream *stream, sop_error *err)
{
    sop_view catalogue;
    sop_status status = catalogue_view(merge, &catalogue, err);
    for (size_t i = 0; i < stream->ids->count && status == SOP_OK; i++) {
        uint64_t id = stream->ids->ids[i];
        if (id != SOP_CATALOGUE_STORE) {
            uint8_t key[SOP_CATALOGUE_ROW_KEY_SIZE];
            sop_catalogue_row_key(id, key);
            status = sop_view_get(&catalogue, sop_slice_of(key, sizeof key), NULL, err);
            if (status == SOP_NOT_FOUND) {
                status = store_drop(merge, id, err);
                continue;
            }
            if (status != SOP_OK) break;
        }
        sop_btree tree = {0};
        status = store_merge(merge, id, &tree, err);
        if (status != SOP_OK) break;
        sop_btree_encode(&tree, stream->rows[i]);
        stream->present[i] = 1;
    }
    return status;
}

/* Segments that are mostly dead, or too small and too many, are emptied by rewriting what lives in them. */
static void victims_choose(sop_merge *merge)
{
    uint64_t total = 0;
    uint64_t live = 0;
    size_t small = 0;
    for (size_t i = 0; i < merge->row_count; i++) {
        const sop_segment_row *row = &merge->rows[i];
        if (row->kind != SOP_SEGMENT_NODES) continue;
        total += row->size;
        live += row->live;
        small += row->size < (1u << 20);
    }
    int much_dead = total - live > total / 4 && total - live > (1u << 20);
    for (size_t i = 0; i < merge->row_count && merge->victim_count < 64; i++) {
        const sop_segment_row *row = &merge->rows[i];
        if (row->kind != SOP_SEGMENT_NODES || row->live == 0) continue;
        int mostly_dead = much_dead && row->live < row->size / 2;
        if (mostly_dead || (small > 16 && row->size < (1u << 20))) {
            merge->victims[merge->victim_count++] = row->segment;
        }
    }
}

static sop_status writer_finish(sop_merge *merge, sop_error *err)
{
    const sop_segment_row *fresh;
    size_t count;
    sop_status status = sop_blob_writer_finish(merge->writer, &fresh, &count, err);
    if (status == SOP_OK) status = rows_reserve(merge, count, err);
    if (status != SOP_OK) return status;
    if (count != 0) memcpy(merge->rows + merge->row_count, fresh, count * sizeof *fresh);
    merge->row_count += count;
    merge->bytes_written = sop_blob_writer_bytes(merge->writer);
    return SOP_OK;
}

sop_status sop_merge__run(sop_merge *merge, sop_error *err)
{
    id_list ids = {0};
    table_stream stream = {.ids = &ids};
    sop_status status = rows_collect(merge, err);
    if (status == SOP_OK && merge->relocate) victims_choose(merge);
    if (status == SOP_OK) status = ids_collect(merge, &ids, err);
    if (status != SOP_OK) goto out;
    stream.rows = sop_alloc_array(ids.count + 1, SOP_BTREE_ROW_SIZE);
    stream.present = sop_alloc_zeroed(ids.count + 1);
    if (stream.rows == NULL || stream.present == NULL) {
        status = sop_fail(err, SOP_NO_MEMORY, "checkpoint: out of memory");
        goto out;
    }
    status = sop_blob_writer_new(merge->target, SOP_SEGMENT_NODES, MERGE_SEGMENT_BYTES,
                                 &merge->writer, err);
    if (status == SOP_OK) status = stores_merge(merge, &stream, err);
    if (status == SOP_OK) status = table_merge(merge, &stream, err);
    if (status == SOP_OK) status = writer_finish(merge, err);
out:
    sop_free(ids.ids);
    sop_free(stream.rows);
    sop_free(stream.present);
    return status;
}

void sop_merge__deinit(sop_merge *merge)
{
    sop_blob_writer_free(merge->writer);
    sop_free(merge->rows);
    merge->writer = NULL;
    merge->rows = NULL;
}
