/* SPDX-License-Identifier: MIT */
/*
 * Hot backup: the newest durable state as a database of its own. Segments are copied byte for byte, so addresses stay valid;
 * recent changes are merged into new nodes written straight to the target; the log begins afresh after the copied seq.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "txn/txn_engine.h"
#include "util/bytes.h"
#include "util/error.h"
#include "util/memory.h"

enum { COPY_PIECE = 4 << 20 };

typedef struct {
    sop_file *file;
    sop_segment_row row;
} source_file;

typedef struct {
    sop_engine *engine;
    sop_backend *target;
    const sop_work_options *work;
    sop_blobs *blobs; /* of the target */
    sop_slot *slot;
    const sop_state *state;
    source_file *files;
    size_t file_count;
    uint64_t bytes_total;
    uint64_t bytes_done;
    uint64_t interrupts;
    uint8_t *live; /* the live table as of the state */
    size_t live_size;
} backup;

static void segment_name(uint64_t segment, char name[32])
{
    (void)snprintf(name, 32, "seg/%010" PRIx64 ".%06" PRIx64, segment >> 24, segment & 0xffffff);
}

static sop_status file_add(backup *b, const sop_segment_row *row, sop_error *err)
{
    char name[32];
    segment_name(row->segment, name);
    source_file *entry = &b->files[b->file_count];
    entry->row = *row;
    sop_status status = sop_file_open(b->engine->options.backend, name, 0, &entry->file, err);
    if (status == SOP_OK) b->file_count++;
    return status;
}

/* A state, and all its files open, so that a checkpoint may remove them meanwhile. Needs checkpoint_lock. */
static sop_status source_open(backup *b, sop_error *err)
{
    sop_engine *engine = b->engine;
    sop_mutex_lock(&engine->commit_lock);
    b->state = sop_engine__state_pick(&engine->durable, b->slot);
    uint64_t seq = atomic_load_explicit(&b->state->seq, memory_order_relaxed);
    sop_status status = sop_live__encode(&engine->live_table, seq, &b->live, &b->live_size);
    sop_mutex_unlock(&engine->commit_lock);
    if (status != SOP_OK) return sop_fail(err, status, "backup: out of memory");
    const sop_base *base = b->state->base;
    size_t values = sop_blobs_value_segments(engine->blobs, NULL, 0);
    b->files = sop_alloc_array(base->row_count + values + 16, sizeof *b->files);
    sop_segment_row *rows = sop_alloc_array(values + 16, sizeof *rows);
    if (b->files == NULL || rows == NULL) {
        sop_free(rows);
        return sop_fail(err, SOP_NO_MEMORY, "backup: out of memory");
    }
    for (size_t i = 0; i < base->row_count && status == SOP_OK; i++) {
        status = file_add(b, &base->rows[i], err);
    }
    size_t got = sop_blobs_value_segments(engine->blobs, rows, values);
    size_t listed = b->file_count;
    for (size_t i = 0; i < got && i < values && status == SOP_OK; i++) {
        size_t k = 0;
        while (k < listed && b->files[k].row.segment != rows[i].segment) {
            k++;
        }
        if (k < listed) {
            b->files[k].row.size = rows[i].size;
        } else {
            status = file_add(b, &rows[i], err);
        }
    }
    sop_free(rows);
    return status;
}

static sop_status copied(backup *b, size_t bytes, sop_error *err)
{
    b->bytes_done += bytes;
    if (b->work->progress != NULL) {
        sop_status status = b->work->progress(b->bytes_done, b->bytes_total, b->work->context);
        if (status != SOP_OK) return sop_fail(err, status, "backup: stopped by the caller");
    }
    if (sop_engine_interrupts(b->engine) != b->interrupts) {
        return sop_fail(err, SOP_CANCELLED, "backup: interrupted");
    }
    return SOP_OK;
}

static sop_status file_copy(backup *b, const source_file *source, uint8_t *buffer, sop_error *err)
{
    char name[32];
    segment_name(source->row.segment, name);
    sop_file *to = NULL;
    sop_status status = sop_file_open(b->target, name,
                                      SOP_FILE_WRITE | SOP_FILE_CREATE | SOP_FILE_DIRECT, &to, err);
    if (status != SOP_OK) return status;
    for (uint64_t offset = 0; offset < source->row.size && status == SOP_OK;) {
        uint64_t left = source->row.size - offset;
        size_t want = left < COPY_PIECE ? (size_t)left : COPY_PIECE;
        status = sop_file_read_exact(source->file, offset, buffer, want, err);
        if (status == SOP_OK) status = sop_file_write(to, offset, buffer, want, err);
        if (status == SOP_OK) status = copied(b, want, err);
        offset += want;
    }
    if (status == SOP_OK) status = sop_file_sync(to, err);
    sop_file_close(to);
    return status;
}

/* Only segments in which something lives after the merge. */
static sop_status files_copy(backup *b, sop_merge *merge, sop_error *err)
{
    uint8_t *buffer = sop_alloc_aligned(SOP_DIRECT_ALIGN, COPY_PIECE);
    if (buffer == NULL) return sop_fail(err, SOP_NO_MEMORY, "backup: out of memory");
    for (size_t i = 0; i < b->file_count; i++) {
        b->bytes_total += b->files[i].row.size;
    }
    sop_status status = SOP_OK;
    for (size_t i = 0; i < b->file_count && status == SOP_OK; i++) {
        size_t k = 0;
        while (k < merge->row_count && merge->rows[k].segment != b->files[i].row.segment) {
            k++;
        }
        if (k == merge->row_count || merge->rows[k].live == 0) continue;
        status = file_copy(b, &b->files[i], buffer, err);
        merge->rows[k].size = b->files[i].row.size;
    }
    sop_free(buffer);
    if (status == SOP_OK) status = b->target->ops->folder_sync(b->target, "seg", err);
    return status;
}

static sop_status log_begin(backup *b, sop_merge *merge, sop_error *err)
{
    size_t kept = 0;
    for (size_t i = 0; i < merge->row_count; i++) {
        if (merge->rows[i].live != 0) merge->rows[kept++] = merge->rows[i];
    }
    uint64_t seq = atomic_load_explicit(&b->state->seq, memory_order_relaxed);
    sop_descriptor descriptor = {.seq = seq,
                                 .table = merge->table,
                                 .rows = merge->rows,
                                 .row_count = kept,
                                 .live = {b->live, b->live_size}};
    uint8_t *bytes;
    size_t size;
    sop_status status = sop_descriptor__encode(&descriptor, &bytes, &size);
    if (status != SOP_OK) return sop_fail(err, status, "backup: out of memory");
    sop_superblock block = b->engine->superblock;
    sop_random_bytes(block.incarnation, sizeof block.incarnation);
    status = sop_engine__create_at(b->target, &block, seq, sop_slice_of(bytes, size), err);
    sop_free(bytes);
    return status;
}

static sop_status backup_run(backup *b, sop_error *err)
{
    sop_engine *engine = b->engine;
    sop_mutex_lock(&engine->checkpoint_lock);
    sop_status status = sop_engine__checkpoint_enter(engine, engine->options.busy_timeout_ms, err);
    if (status == SOP_OK) {
        status = sop_engine__refresh(engine, err);
        if (status == SOP_OK) status = source_open(b, err);
        sop_engine__checkpoint_leave(engine);
    }
    sop_mutex_unlock(&engine->checkpoint_lock);
    if (status != SOP_OK) return status;
    /* 40 random bits: the chance that a segment of the source carries them is 1 in 10^12 for each; a clash shows as SOP_EXISTS. */
    status = sop_blobs_open(b->target, engine->superblock.id, (sop_random_u64() >> 24) | 1,
                            &b->blobs, err);
    if (status != SOP_OK) return status;
    sop_merge merge = {.engine = engine,
                       .state = b->state,
                       .layer_end = b->state->layer_count,
                       .target = b->blobs,
                       .interrupts = b->interrupts};
    status = sop_merge__run(&merge, err);
    if (status == SOP_OK) status = files_copy(b, &merge, err);
    if (status == SOP_OK) status = log_begin(b, &merge, err);
    sop_merge__deinit(&merge);
    return status;
}

sop_status sop_engine_backup(sop_engine *engine,
                             sop_backend *target,
                             const sop_work_options *options,
                             sop_error *err)
{
    backup b = {.engine = engine,
                .target = target,
                .work = options,
                .interrupts = sop_engine_interrupts(engine)};
    b.slot = sop_engine__slot_acquire(engine);
    if (b.slot == NULL) return sop_fail(err, SOP_NO_MEMORY, "backup: out of memory");
    sop_status status = backup_run(&b, err);
    sop_engine__slot_release(engine, b.slot);
    for (size_t i = 0; i < b.file_count; i++) {
        sop_file_close(b.files[i].file);
    }
    sop_free(b.files);
    sop_free(b.live);
    sop_blobs_close(b.blobs);
    return status;
}
