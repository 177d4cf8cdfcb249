/* SPDX-License-Identifier: MIT */
/* The base in memory: the segment set, the table of store roots, and stores that a bulk load made since. */
#include <string.h>

#include "txn/txn_engine.h"
#include "util/assert.h"
#include "util/bytes.h"
#include "util/error.h"
#include "util/memory.h"

/* Descriptor: magic 4, version 4, seq 8, table row 40, row count 4, live size 4, rows, live table.
   It lies in the body of a CHECKPOINT transaction, under the hash of its frame. */
enum { DESCRIPTOR_MAGIC = 0x44504f53, DESCRIPTOR_VERSION = 1, DESCRIPTOR_HEADER = 64 };

sop_status sop_descriptor__encode(const sop_descriptor *d, uint8_t **out, size_t *size_out)
{
    size_t size = DESCRIPTOR_HEADER + d->row_count * SOP_SEGMENT_ROW_SIZE + d->live.size;
    uint8_t *bytes = sop_alloc_zeroed(size);
    *out = bytes;
    *size_out = size;
    if (bytes == NULL) return SOP_NO_MEMORY;
    sop_put_u32le(bytes, DESCRIPTOR_MAGIC);
    sop_put_u32le(bytes + 4, DESCRIPTOR_VERSION);
    sop_put_u64le(bytes + 8, d->seq);
    sop_btree_encode(&d->table, bytes + 16);
    sop_put_u32le(bytes + 56, (uint32_t)d->row_count);
    sop_put_u32le(bytes + 60, (uint32_t)d->live.size);
    uint8_t *p = bytes + DESCRIPTOR_HEADER;
    for (size_t i = 0; i < d->row_count; i++, p += SOP_SEGMENT_ROW_SIZE) {
        sop_segment_row_encode(&d->rows[i], p);
    }
    if (d->live.size != 0) memcpy(p, d->live.data, d->live.size);
    return SOP_OK;
}

static sop_status descriptor_bad(sop_error *err, const char *what)
{
    return sop_fail(err, SOP_CORRUPT, "base descriptor: %s", what);
}

sop_status sop_descriptor__decode(sop_slice bytes,
                                  sop_descriptor *out,
                                  sop_segment_row **rows_out,
                                  sop_error *err)
{
    const uint8_t *p = bytes.data;
    *rows_out = NULL;
    if (bytes.size < DESCRIPTOR_HEADER) return descriptor_bad(err, "too short");
    if (sop_get_u32le(p) != DESCRIPTOR_MAGIC || sop_get_u32le(p + 4) != DESCRIPTOR_VERSION) {
        return descriptor_bad(err, "unknown magic or version");
    }
    out->seq = sop_get_u64le(p + 8);
    out->row_count = sop_get_u32le(p + 56);
    size_t live = sop_get_u32le(p + 60);
    size_t rest = bytes.size - DESCRIPTOR_HEADER;
    if (live > rest || (rest - live) / SOP_SEGMENT_ROW_SIZE != out->row_count ||
        (rest - live) % SOP_SEGMENT_ROW_SIZE != 0) {
        return descriptor_bad(err, "sizes do not add up");
    }
    sop_status status =
        sop_btree_decode(sop_slice_of(p + 16, SOP_BTREE_ROW_SIZE), NULL, &out->table, err);
    if (status != SOP_OK) return status;
    sop_segment_row *rows = sop_alloc_array(out->row_count + 1, sizeof *rows);
    if (rows == NULL) return sop_fail(err, SOP_NO_MEMORY, "base descriptor: out of memory");
    p += DESCRIPTOR_HEADER;
    for (size_t i = 0; i < out->row_count; i++, p += SOP_SEGMENT_ROW_SIZE) {
        sop_segment_row_decode(p, &rows[i]);
    }
    out->rows = rows;
    out->live = sop_slice_of(p, live);
    *rows_out = rows;
    return SOP_OK;
}

sop_base *sop_base__new_empty(void)
{
    static _Atomic uint64_t serials;
    sop_base *base = sop_alloc_zeroed(sizeof *base);
    if (base != NULL) {
        base->serial = atomic_fetch_add_explicit(&serials, 1, memory_order_relaxed) + 1;
    }
    return base;
}

uint64_t sop_base__live_bytes(const sop_base *base)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < base->row_count; i++) {
        if (base->rows[i].kind == SOP_SEGMENT_NODES) bytes += base->rows[i].live;
    }
    return bytes;
}

void sop_base__free(sop_base *base)
{
    if (base == NULL) return;
    sop_segments_release(base->segments);
    sop_free(base->rows);
    sop_free(base->extras);
    sop_free(base);
}

sop_status sop_base__load(
    sop_blobs *blobs, sop_slice descriptor, sop_live_table *live, sop_base **out, sop_error *err)
{
    sop_descriptor d = {0};
    sop_base *base = sop_base__new_empty();
    *out = NULL;
    if (base == NULL) return sop_fail(err, SOP_NO_MEMORY, "base: out of memory");
    sop_status status = sop_descriptor__decode(descriptor, &d, &base->rows, err);
    if (status != SOP_OK) goto out;
    base->seq = d.seq;
    base->row_count = d.row_count;
    base->table = d.table;
    status = sop_segments_open(blobs, base->rows, base->row_count, &base->segments, err);
    if (status != SOP_OK) goto out;
    base->table.segments = base->segments;
    if (live != NULL) status = sop_live__decode(live, d.live, err);
out:
    if (status != SOP_OK) {
        sop_base__free(base);
        return status;
    }
    *out = base;
    return SOP_OK;
}

static sop_status base_copy_rows(sop_base *to, const sop_base *from, sop_slice more)
{
    size_t added = more.size / SOP_SEGMENT_ROW_SIZE;
    to->rows = sop_alloc_array(from->row_count + added + 1, sizeof *to->rows);
    to->extras = sop_alloc_array(from->extra_count + 1, sizeof *to->extras);
    if (to->rows == NULL || to->extras == NULL) return SOP_NO_MEMORY;
    if (from->row_count != 0) memcpy(to->rows, from->rows, from->row_count * sizeof *to->rows);
    const uint8_t *p = more.data;
    for (size_t i = 0; i < added; i++, p += SOP_SEGMENT_ROW_SIZE) {
        sop_segment_row_decode(p, &to->rows[from->row_count + i]);
    }
    to->row_count = from->row_count + added;
    if (from->extra_count != 0) {
        memcpy(to->extras, from->extras, from->extra_count * sizeof *to->extras);
    }
    to->extra_count = from->extra_count;
    return SOP_OK;
}

sop_status sop_base__with_load(sop_blobs *blobs,
                               const sop_base *base,
                               const sop_catalogue_row *row,
                               sop_base **out,
                               sop_error *err)
{
    sop_base *next = sop_base__new_empty();
    *out = NULL;
    if (next == NULL) return sop_fail(err, SOP_NO_MEMORY, "base: out of memory");
    next->seq = base->seq;
    next->table = base->table;
    sop_btree tree = {0};
    sop_status status = base_copy_rows(next, base, row->load_rows);
    if (status != SOP_OK) status = sop_fail(err, status, "base: out of memory");
    if (status == SOP_OK) {
        status = sop_segments_open(blobs, next->rows, next->row_count, &next->segments, err);
    }
    if (status == SOP_OK) status = sop_btree_decode(row->load_root, next->segments, &tree, err);
    if (status != SOP_OK) {
        sop_base__free(next);
        return status;
    }
    next->table.segments = next->segments;
    for (size_t i = 0; i < next->extra_count; i++) {
        next->extras[i].tree.segments = next->segments;
    }
    next->extras[next->extra_count++] = (sop_base_extra){row->id, tree};
    *out = next;
    return SOP_OK;
}

sop_status sop_base__store(const sop_base *base, uint64_t store, sop_btree *out, sop_error *err)
{
    for (size_t i = base->extra_count; i > 0; i--) {
        if (base->extras[i - 1].store != store) continue;
        *out = base->extras[i - 1].tree;
        return SOP_OK;
    }
    uint8_t key[8];
    sop_put_u64be(key, store);
    sop_btree_value value;
    sop_status status = base->table.count == 0
                            ? SOP_NOT_FOUND
                            : sop_btree_get(&base->table, sop_slice_of(key, 8), &value, err);
    if (status == SOP_NOT_FOUND) {
        *out = (sop_btree){.segments = base->segments};
        return SOP_OK;
    }
    if (status != SOP_OK) return status;
    return sop_btree_decode(value.value, base->segments, out, err);
}
