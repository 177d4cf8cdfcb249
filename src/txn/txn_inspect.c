/* SPDX-License-Identifier: MIT */
/* Walks over everything that a durable state refers to: the check, and the map of ranges. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "txn/txn_engine.h"
#include "util/assert.h"
#include "util/bytes.h"
#include "util/error.h"
#include "util/memory.h"

enum { READ_PIECE = 1 << 20 };

typedef struct {
    sop_engine *engine;
    const sop_state *state;
    sop_slot *slot;
    sop_error *err;
    /* check */
    const sop_check_options *options;
    sop_check_report *report;
    uint8_t *buffer;
    uint64_t interrupts;
    int damaged;    /* something was found that is not a mere failure to read */
    uint64_t *live; /* beside the rows of the base */
    uint64_t store; /* being walked */
    /* map */
    sop_range_fn fn;
    void *context;
    uint64_t log_file;  /* whose header was reported last */
    uint64_t run_file;  /* likewise, of a segment of runs */
    sop_wal_place held; /* the newest frame so far, not reported yet; length 0: none */
    int held_leaves;    /* its last transaction is a LEAVE */
    int held_repeats;   /* it is a LEAVE alone, behind another */
} inspection;

/* ---- common ---- */

static sop_status inspection_begin(inspection *in)
{
    in->slot = sop_engine__slot_acquire(in->engine);
    if (in->slot == NULL) return sop_fail(in->err, SOP_NO_MEMORY, "inspect: out of memory");
    in->state = sop_engine__state_pick(&in->engine->durable, in->slot);
    in->interrupts = sop_engine_interrupts(in->engine);
    return SOP_OK;
}

static void inspection_end(inspection *in)
{
    sop_engine__slot_release(in->engine, in->slot);
    sop_free(in->buffer);
    sop_free(in->live);
}

static sop_status cancelled(const inspection *in)
{
    if (sop_engine_interrupts(in->engine) == in->interrupts) return SOP_OK;
    return sop_fail(in->err, SOP_CANCELLED, "interrupted");
}

typedef sop_status (*store_fn)(inspection *in, uint64_t store, const sop_btree *tree);

/* Every tree of the base: those of the table, then those of bulk loads since. */
static sop_status stores_walk(inspection *in, store_fn fn)
{
    const sop_base *base = in->state->base;
    sop_status status = SOP_OK;
    sop_btree_cursor *cursor = sop_alloc(sizeof *cursor);
    if (cursor == NULL) return sop_fail(in->err, SOP_NO_MEMORY, "inspect: out of memory");
    sop_btree_cursor_init(cursor, &base->table);
    if (base->table.count != 0) status = sop_btree_cursor_first(cursor, in->err);
    while (status == SOP_OK && base->table.count != 0 && cursor->at_item) {
        sop_btree tree;
        sop_btree_value value = sop_btree_cursor_value(cursor);
        uint64_t id = sop_get_u64be(sop_btree_cursor_key(cursor).data);
        status = sop_btree_decode(value.value, base->segments, &tree, in->err);
        if (status == SOP_OK) status = fn(in, id, &tree);
        if (status == SOP_OK) status = sop_btree_cursor_next(cursor, in->err);
    }
    sop_free(cursor);
    for (size_t i = 0; i < base->extra_count && status == SOP_OK; i++) {
        status = fn(in, base->extras[i].store, &base->extras[i].tree);
    }
    return status;
}

/* ---- check ---- */

static void finding(sop_status status, const char *message, void *context)
{
    inspection *in = context;
    if (status != SOP_IO) in->damaged = 1;
    if (in->report->findings++ == 0) {
        (void)snprintf(in->report->first, sizeof in->report->first, "%s", message);
    }
    if (in->options->finding != NULL) in->options->finding(status, message, in->options->context);
}

SOP_PRINTF(2, 3) static void found(inspection *in, const char *format, ...)
{
    char message[SOP_ERROR_MESSAGE_SIZE];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(message, sizeof message, format, args);
    va_end(args);
    finding(SOP_CORRUPT, message, in);
}

/* A damaged object is a finding; anything else ends the check. */
static sop_status settle(inspection *in, sop_status status)
{
    if (status != SOP_CORRUPT && status != SOP_IO && status != SOP_NOT_FOUND) return status;
    sop_error err = *in->err;
    finding(status, err.message[0] == '\0' ? sop_status_text(status) : err.message, in);
    in->err->message[0] = '\0';
    return SOP_OK;
}

static sop_status progress(inspection *in)
{
    if (in->options->progress != NULL) {
        sop_status status = in->options->progress(in->report->bytes, 0, in->options->context);
        if (status != SOP_OK) return status;
    }
    return cancelled(in);
}

static sop_status check_of_run(sop_address address, void *context)
{
    inspection *in = context;
    in->report->bytes += sop_address_length(address);
    return settle(in,
                  sop_run_verify(in->engine->blobs, in->state->base->segments, address, in->err));
}

static sop_status check_frame(const sop_wal_frame *frame, void *context)
{
    inspection *in = context;
    sop_status status = sop_runs__of_frame(frame, check_of_run, in, in->err);
    if (status != SOP_OK) return status;
    in->report->frames++;
    in->report->bytes += frame->place.length;
    return in->report->frames % 1024 == 0 ? progress(in) : SOP_OK;
}

static void live_add(inspection *in, sop_address address)
{
    const sop_base *base = in->state->base;
    for (size_t i = 0; i < base->row_count; i++) {
        if (base->rows[i].segment == address.segment) {
            in->live[i] += sop_address_footprint(address);
            return;
        }
    }
    /* Values of a bulk load enter the table with the next checkpoint. */
    if (base->extra_count != 0) return;
    found(in, "store %llu: a blob lies in segment %llx, which the base does not list",
          (unsigned long long)in->store, (unsigned long long)address.segment);
}

static sop_status check_address(sop_address address, void *context)
{
    inspection *in = context;
    live_add(in, address);
    in->report->bytes += sop_address_length(address);
    return SOP_OK;
}

/* Reads a large value to its end: every piece has a checksum. */
static sop_status value_read(inspection *in, const uint8_t *reference)
{
    uint64_t size = sop_value_reference_size(reference);
    sop_value_source source = {in->engine->blobs, in->state->base->segments};
    for (uint64_t offset = 0; offset < size;) {
        size_t got = READ_PIECE;
        sop_status status =
            sop_value_reference_read(source, reference, offset, in->buffer, &got, in->err);
        if (status != SOP_OK) return status;
        if (got == 0) {
            return sop_fail(in->err, SOP_CORRUPT, "a large value ends %llu bytes early",
                            (unsigned long long)(size - offset));
        }
        offset += got;
        in->report->bytes += got;
        status = progress(in);
        if (status != SOP_OK) return status;
    }
    in->report->values++;
    return SOP_OK;
}

static sop_status check_reference(const uint8_t *reference, void *context)
{
    inspection *in = context;
    sop_status status = sop_value_reference_walk(in->engine->blobs, in->state->base->segments,
                                                 reference, check_address, in, in->err);
    if (status == SOP_OK && !in->options->quick) status = value_read(in, reference);
    return settle(in, status);
}

static sop_status check_store(inspection *in, uint64_t store, const sop_btree *tree)
{
    in->store = store;
    in->report->stores += store != SOP_CATALOGUE_STORE;
    in->report->items += tree->count;
    if (tree->count == 0) return SOP_OK;
    uint64_t before = in->report->findings;
    uint64_t nodes = 0;
    sop_status status = settle(in, sop_btree_check(tree, finding, in, &nodes, in->err));
    in->report->nodes += nodes;
    /* What is known to be damaged cannot be walked. */
    if (status != SOP_OK || in->report->findings != before) return status;
    status = settle(in, sop_btree_walk(tree, 0, check_address, check_reference, in, in->err));
    return status == SOP_OK ? progress(in) : status;
}

/* Each name leads to a row of that name, and there are as many names as rows. */
static sop_status check_catalogue(inspection *in)
{
    sop_view view;
    uint64_t names = 0;
    uint64_t rows = 0;
    sop_status status = sop_engine__view(in->state, SOP_CATALOGUE_STORE, &view, in->err);
    sop_view_cursor *cursor = status == SOP_OK ? sop_view_cursor_new(&view) : NULL;
    if (status == SOP_OK && cursor == NULL) {
        return sop_fail(in->err, SOP_NO_MEMORY, "check: out of memory");
    }
    if (status == SOP_OK) status = sop_view_cursor_first(cursor, in->err);
    while (status == SOP_OK) {
        sop_slice key = sop_view_cursor_key(cursor);
        sop_slice value = sop_view_cursor_value(cursor).bytes;
        const uint8_t *p = key.data;
        if (p[0] == SOP_CATALOGUE_ROW) rows++;
        if (p[0] == SOP_CATALOGUE_NAME) {
            names++;
            uint8_t row_key[SOP_CATALOGUE_ROW_KEY_SIZE];
            sop_view_value bytes;
            sop_catalogue_row row;
            uint64_t id = value.size == 8 ? sop_get_u64le(value.data) : 0;
            sop_catalogue_row_key(id, row_key);
            sop_status got =
                sop_view_get(&view, sop_slice_of(row_key, sizeof row_key), &bytes, in->err);
            if (got == SOP_OK) {
                sop_value_source source = {in->engine->blobs, in->state->base->segments};
                got = sop_catalogue_row_bytes(source, bytes.bytes, bytes.is_reference, &bytes.bytes,
                                              in->err);
            }
            if (got == SOP_OK) got = sop_catalogue_row_decode(id, bytes.bytes, &row, in->err);
            if (got != SOP_OK || !sop_slice_equal(row.name, sop_slice_of(p + 1, key.size - 1))) {
                found(in, "catalogue: the name of store %llu does not lead to its row",
                      (unsigned long long)id);
            }
        }
        status = sop_view_cursor_next(cursor, in->err);
    }
    sop_view_cursor_free(cursor);
    if (status == SOP_NOT_FOUND && names != rows) {
        found(in, "catalogue: %llu names but %llu rows", (unsigned long long)names,
              (unsigned long long)rows);
    }
    return status == SOP_NOT_FOUND ? SOP_OK : settle(in, status);
}

/* Large values that only the log refers to so far. */
static sop_status check_tree_values(uint64_t store, const sop_memtree *tree, void *context)
{
    inspection *in = context;
    in->store = store;
    sop_memcursor cursor;
    sop_memcursor_init(&cursor, tree);
    for (const sop_record *r = sop_memcursor_first(&cursor); r != NULL;
         r = sop_memcursor_next(&cursor)) {
        if ((r->flags & SOP_RECORD_REFERENCE) == 0 || in->options->quick) continue;
        sop_status status = settle(in, value_read(in, r->bytes + r->key_size));
        if (status != SOP_OK) return status;
    }
    return SOP_OK;
}

static sop_status check_layers(inspection *in)
{
    sop_status status = SOP_OK;
    for (uint32_t i = in->state->reading; i < in->state->layer_count && status == SOP_OK; i++) {
        const sop_memtable_root *root = in->state->roots[i];
        if (root == NULL) continue;
        if (sop_memtable_check(root) != SOP_OK) {
            found(in, "memory: layer %u breaks an invariant", i);
        }
        status = sop_memtable_stores(root, check_tree_values, in);
    }
    return status;
}

static void check_space(inspection *in)
{
    const sop_base *base = in->state->base;
    /* Of a database with damage the walk is incomplete; of one with loads since the base it covers more than the rows. */
    if (in->report->findings != 0 || base->extra_count != 0) return;
    for (size_t i = 0; i < base->row_count; i++) {
        if (in->live[i] == base->rows[i].live) continue;
        found(in,
              "segment %010" PRIx64 ".%06" PRIx64 ": %llu bytes live, the segment table says %llu",
              base->rows[i].segment >> 24, base->rows[i].segment & 0xffffff,
              (unsigned long long)in->live[i], (unsigned long long)base->rows[i].live);
    }
}

static sop_status check_run(inspection *in)
{
    sop_superblock block;
    const sop_base *base = in->state->base;
    in->buffer = sop_alloc(READ_PIECE);
    in->live = sop_alloc_zeroed((base->row_count + 1) * sizeof *in->live);
    if (in->buffer == NULL || in->live == NULL) {
        return sop_fail(in->err, SOP_NO_MEMORY, "check: out of memory");
    }
    sop_status status =
        settle(in, sop_superblock_read(in->engine->options.backend, &block, in->err));
    sop_wal_place from = in->engine->checkpoint_place;
    if (status == SOP_OK) {
        status = settle(in, sop_wal_check(in->engine->wal, &from, check_frame, in, in->err));
    }
    if (status == SOP_OK) status = check_store(in, SOP_CATALOGUE_STORE, &base->table);
    if (status == SOP_OK) status = stores_walk(in, check_store);
    in->report->items -= base->table.count;
    if (status == SOP_OK) status = check_layers(in);
    if (status == SOP_OK) status = check_catalogue(in);
    if (status == SOP_OK) check_space(in);
    return status;
}

/* No process makes a checkpoint meanwhile, so that nothing is taken away. */
static sop_status inspect(inspection *in, sop_status (*run)(inspection *))
{
    sop_engine *engine = in->engine;
    sop_mutex_lock(&engine->checkpoint_lock);
    sop_status status =
        sop_engine__checkpoint_enter(engine, engine->options.busy_timeout_ms, in->err);
    if (status == SOP_OK) {
        status = sop_engine__refresh(engine, in->err);
        if (status == SOP_OK) status = inspection_begin(in);
        if (status == SOP_OK) status = run(in);
        inspection_end(in);
        sop_engine__checkpoint_leave(engine);
    }
    sop_mutex_unlock(&engine->checkpoint_lock);
    return status;
}

sop_status sop_engine_check(sop_engine *engine,
                            const sop_check_options *options,
                            sop_check_report *out,
                            sop_error *err)
{
    sop_error own = {0};
    inspection in = {
        .engine = engine, .err = err == NULL ? &own : err, .options = options, .report = out};
    sop_status status = inspect(&in, check_run);
    if (status == SOP_OK && out->findings != 0) {
        return sop_fail(err, in.damaged ? SOP_CORRUPT : SOP_IO, "%llu findings, the first: %.180s",
                        (unsigned long long)out->findings, out->first);
    }
    return status;
}

/* ---- map ---- */

static sop_status range_out(inspection *in, const char *folder, uint64_t file, sop_range range)
{
    char name[64];
    if (folder == NULL) {
        (void)snprintf(name, sizeof name, "SOP");
    } else {
        (void)snprintf(name, sizeof name, "%s/%010" PRIx64 ".%06" PRIx64, folder, file >> 24,
                       file & 0xffffff);
    }
    range.struct_size = sizeof range;
    range.file = name;
    return in->fn(&range, in->context);
}

static sop_status map_of_run(sop_address address, void *context)
{
    inspection *in = context;
    sop_range header = {.length = SOP_SEGMENT_HEADER, .owner = "segment header"};
    sop_range range = {.offset = sop_address_offset(address),
                       .length = sop_address_length(address),
                       .owner = "run"};
    sop_status status = SOP_OK;
    if (in->run_file != address.segment) status = range_out(in, "seg", address.segment, header);
    in->run_file = address.segment;
    return status == SOP_OK ? range_out(in, "seg", address.segment, range) : status;
}

static sop_status map_held(inspection *in)
{
    char owner[64];
    sop_status status = SOP_OK;
    if (in->held.length == 0) return SOP_OK;
    if (in->log_file != in->held.file) {
        in->log_file = in->held.file;
        sop_range header = {.length = SOP_WAL_FILE_HEADER, .owner = "log header"};
        status = range_out(in, "log", in->held.file, header);
    }
    if (status != SOP_OK) return status;
    (void)snprintf(owner, sizeof owner, "frame %llu", (unsigned long long)in->held.frame_no);
    sop_range range = {.offset = in->held.offset, .length = in->held.length, .owner = owner};
    return range_out(in, "log", in->held.file, range);
}

/* One frame late, for the very last one of a clean close is not live: it only vouches for the LEAVE before it. */
static sop_status map_frame(const sop_wal_frame *frame, void *context)
{
    inspection *in = context;
    sop_wal_reader reader;
    sop_wal_txn_view txn;
    int leaves = 0;
    sop_status status = map_held(in);
    if (status == SOP_OK) status = sop_runs__of_frame(frame, map_of_run, in, in->err);
    if (status != SOP_OK) return status;
    sop_wal_reader_init(&reader, frame);
    while ((status = sop_wal_reader_next(&reader, &txn, in->err)) == SOP_OK) {
        leaves = txn.head.type == SOP_TXN_TYPE_LEAVE;
    }
    in->held = frame->place;
    in->held_repeats = leaves && frame->transactions == 1 && in->held_leaves;
    in->held_leaves = leaves;
    return status == SOP_NOT_FOUND ? SOP_OK : status;
}

static sop_status map_blob(inspection *in, sop_address address, uint64_t length, const char *what)
{
    char owner[64];
    (void)snprintf(owner, sizeof owner, "%s of store %llu", what, (unsigned long long)in->store);
    sop_range range = {.offset = sop_address_offset(address), .length = length, .owner = owner};
    return range_out(in, "seg", address.segment, range);
}

static sop_status map_node(sop_address address, void *context)
{
    /* With the zeros behind it, for check looks at them. */
    return map_blob(context, address, sop_address_footprint(address), "node");
}

static sop_status map_value_blob(sop_address address, void *context)
{
    return map_blob(context, address, sop_address_length(address), "value");
}

static sop_status map_reference(const uint8_t *reference, void *context)
{
    inspection *in = context;
    return sop_value_reference_walk(in->engine->blobs, in->state->base->segments, reference,
                                    map_value_blob, in, in->err);
}

static sop_status map_store(inspection *in, uint64_t store, const sop_btree *tree)
{
    in->store = store;
    if (tree->count == 0) return SOP_OK;
    return sop_btree_walk(tree, 0, map_node, map_reference, in, in->err);
}

static sop_status map_tree_values(uint64_t store, const sop_memtree *tree, void *context)
{
    inspection *in = context;
    in->store = store;
    sop_memcursor cursor;
    sop_memcursor_init(&cursor, tree);
    for (const sop_record *r = sop_memcursor_first(&cursor); r != NULL;
         r = sop_memcursor_next(&cursor)) {
        if ((r->flags & SOP_RECORD_REFERENCE) == 0) continue;
        sop_status status = map_reference(r->bytes + r->key_size, in);
        if (status != SOP_OK) return status;
    }
    return SOP_OK;
}

/* Value segments that only the log refers to so far. */
static sop_status map_value_headers(inspection *in)
{
    size_t count = sop_blobs_value_segments(in->engine->blobs, NULL, 0);
    sop_segment_row *rows = sop_alloc_array(count + 1, sizeof *rows);
    if (rows == NULL) return sop_fail(in->err, SOP_NO_MEMORY, "inspect: out of memory");
    sop_status status = SOP_OK;
    size_t got = sop_blobs_value_segments(in->engine->blobs, rows, count);
    for (size_t i = 0; i < got && i < count && status == SOP_OK; i++) {
        sop_range header = {.length = SOP_SEGMENT_HEADER, .owner = "segment header"};
        status = range_out(in, "seg", rows[i].segment, header);
    }
    sop_free(rows);
    return status;
}

static sop_status map_run(inspection *in)
{
    const sop_base *base = in->state->base;
    sop_range superblock = {.length = 4096, .owner = "superblock"};
    sop_status status = range_out(in, NULL, 0, superblock);
    sop_wal_place from = in->engine->checkpoint_place;
    if (status == SOP_OK) status = sop_wal_check(in->engine->wal, &from, map_frame, in, in->err);
    if (status == SOP_OK && !in->held_repeats) status = map_held(in);
    for (size_t i = 0; i < base->row_count && status == SOP_OK; i++) {
        sop_range header = {.length = SOP_SEGMENT_HEADER, .owner = "segment header"};
        status = range_out(in, "seg", base->rows[i].segment, header);
    }
    if (status == SOP_OK) status = map_value_headers(in);
    if (status == SOP_OK) status = map_store(in, SOP_CATALOGUE_STORE, &base->table);
    if (status == SOP_OK) status = stores_walk(in, map_store);
    for (uint32_t i = in->state->reading; i < in->state->layer_count && status == SOP_OK; i++) {
        if (in->state->roots[i] == NULL) continue;
        status = sop_memtable_stores(in->state->roots[i], map_tree_values, in);
    }
    return status;
}

sop_status sop_engine_map(sop_engine *engine, sop_range_fn fn, void *context, sop_error *err)
{
    inspection in = {.engine = engine, .err = err, .fn = fn, .context = context};
    return inspect(&in, map_run);
}
