/* SPDX-License-Identifier: MIT */
/* Appending frames, and moving on to the next file. */
#include <stdio.h>
#include <string.h>

#include "util/assert.h"
#include "util/bytes.h"
#include "util/error.h"
#include "util/memory.h"
#include "wal/wal_private.h"

#define MAP_FRAME_MAX                                                                              \
    (64u << 10) /* larger frames go by file_write: one call instead of many page faults */

/* ---- state that several threads look at ---- */

/* Relaxed: the text that explains it is read under the lock. */
static int is_broken(const sop_wal *wal)
{
    return atomic_load_explicit(&wal->broken, memory_order_relaxed) != SOP_OK;
}

sop_status sop_wal__break(sop_wal *wal, sop_status status, sop_error *err)
{
    sop_mutex_lock(wal->lock);
    if (!is_broken(wal)) {
        const char *text = err == NULL ? sop_status_text(status) : err->message;
        (void)snprintf(wal->broken_text, sizeof wal->broken_text, "%.150s", text);
        atomic_store_explicit(&wal->broken, status, memory_order_relaxed);
    }
    sop_mutex_unlock(wal->lock);
    return status;
}

int sop_wal_is_broken(const sop_wal *wal)
{
    return is_broken(wal);
}

sop_status sop_wal__broken(sop_wal *wal, sop_error *err)
{
    if (SOP_LIKELY(!is_broken(wal))) return SOP_OK;
    char text[sizeof wal->broken_text];
    sop_mutex_lock(wal->lock);
    memcpy(text, wal->broken_text, sizeof text);
    sop_mutex_unlock(wal->lock);
    return sop_fail(err, SOP_IO, "the log takes no more commits until reopened: %s", text);
}

void sop_wal__tip_set(sop_wal *wal, const sop_wal_place *place)
{
    wal->tip = *place;
    const sop_wal_place *mark = &wal->marks[(wal->mark_next - 1) % SOP_WAL__MARKS];
    int near = mark->file == place->file && place->offset >= mark->offset &&
               place->offset - mark->offset < SOP_WAL__MARK_SPACING;
    if (SOP_LIKELY(near)) return;
    wal->marks[wal->mark_next % SOP_WAL__MARKS] = *place;
    wal->mark_next++;
}

void sop_wal__output_adopt(sop_wal *wal, sop_wal__output *output, uint64_t end)
{
    output->end = end;
    output->sealed = 1;
    sop_mutex_lock(wal->lock);
    output->appended_seq = wal->tip.seq_last;
    output->synced_seq = wal->tip.seq_last;
    wal->current = *output;
    while (wal->size_next <= output->size && wal->size_next < SOP_WAL__FILE_MAX_BYTES) {
        wal->size_next *= 2;
    }
    if (wal->size_next > SOP_WAL__FILE_MAX_BYTES) wal->size_next = SOP_WAL__FILE_MAX_BYTES;
    sop_mutex_unlock(wal->lock);
    sop_wal__output none = {0};
    *output = none;
}

/* ---- the next file ---- */

static int next_take(sop_wal *wal, uint64_t needed, sop_wal__output *out, uint64_t *size_out)
{
    sop_mutex_lock(wal->lock);
    int taken = wal->next.file != NULL && wal->next.size >= needed;
    if (taken) {
        *out = wal->next;
        sop_wal__output none = {0};
        wal->next = none;
    }
    /* While another thread prepares a regular file, a small one bridges the time. */
    *size_out = wal->preparing ? wal->file_bytes_first : wal->size_next;
    sop_mutex_unlock(wal->lock);
    return taken;
}

static sop_status full_reserve(sop_wal *wal, sop_error *err)
{
    sop_status status = SOP_OK;
    sop_mutex_lock(wal->lock);
    if (wal->full_count == wal->full_capacity) {
        size_t capacity = wal->full_capacity == 0 ? 4 : 2 * wal->full_capacity;
        sop_wal__output *full = sop_realloc(wal->full, capacity * sizeof *full);
        if (full == NULL) {
            status = SOP_NO_MEMORY;
        } else {
            wal->full = full;
            wal->full_capacity = capacity;
        }
    }
    if (status == SOP_OK) status = sop_wal__links_reserve(&wal->links, 1, err);
    sop_mutex_unlock(wal->lock);
    if (status == SOP_NO_MEMORY) return sop_fail(err, status, "no memory for another log file");
    return status;
}

/* The new file, begun, takes the place of the current one. */
static void next_adopt(sop_wal *wal, sop_wal__output *next)
{
    sop_wal__link link = {.file = next->id, .size = next->size, .before = wal->tip};
    if (wal->current.map != NULL) {
        wal->backend->ops->file_unmap(wal->backend, wal->current.map, wal->current.size);
        wal->current.map = NULL;
    }
    sop_mutex_lock(wal->lock);
    sop_wal__links_push(&wal->links, &link);
    sop_wal__output old = wal->current;
    int kept = old.appended_seq > old.synced_seq || old.busy;
    if (kept) wal->full[wal->full_count++] = old;
    sop_mutex_unlock(wal->lock);
    if (!kept) {
        int unused = wal->tip.file != old.id;
        uint64_t file = old.id;
        sop_wal__output_close(wal, &old);
        if (unused) (void)sop_wal__file_remove(wal, file, NULL);
    }
    sop_wal__output_adopt(wal, next, SOP_WAL_FILE_HEADER);
}

/* Goes on in another file with room for a frame of that size. Up to the header everything may fail without harm. */
static sop_status file_change(sop_wal *wal, size_t frame_size, sop_error *err)
{
    uint64_t needed = SOP_WAL_FILE_HEADER + sop_round_up(frame_size, SOP_WAL_ALIGN);
    uint64_t size = 0;
    sop_wal__output next;
    sop_status status = full_reserve(wal, err);
    if (status != SOP_OK) return status;
    if (!next_take(wal, needed, &next, &size)) {
        if (size < needed && needed <= wal->size_next) size = wal->size_next;
        status = needed > size ? sop_wal__file_make(wal, needed, &next, err)
                               : sop_wal__regular_make(wal, size, needed, &next, err);
        if (status != SOP_OK) return status;
    }
    status = sop_wal__file_begin(wal, &next, SOP_WAL__FILE_REGULAR, &wal->tip,
                                 sop_wal__durable(wal), err);
    if (status != SOP_OK) {
        /* If the header is on the medium, recovery leaves the present file here: nothing may follow in it. */
        sop_wal__output_close(wal, &next);
        return sop_wal__break(wal, status, err);
    }
    next_adopt(wal, &next);
    return SOP_OK;
}

/* ---- append ---- */

/* Where the frame goes; may move on to the next file. */
static sop_status
place_find(sop_wal *wal, size_t size, int aligned, uint64_t *offset_out, sop_error *err)
{
    for (;;) {
        sop_wal__output *output = &wal->current;
        int block = aligned || output->sealed;
        uint64_t offset = sop_round_up(output->end, block ? SOP_WAL_ALIGN : SOP_WAL__SPACING);
        uint64_t end = aligned ? sop_round_up(offset + size, SOP_WAL_ALIGN) : offset + size;
        if (SOP_LIKELY(end <= output->size)) {
            *offset_out = offset;
            return SOP_OK;
        }
        sop_status status = file_change(wal, size, err);
        if (status != SOP_OK) return status;
    }
}

/* NULL where the medium cannot map, or will not now. */
static uint8_t *output_map(sop_wal *wal)
{
    sop_wal__output *output = &wal->current;
    if (SOP_LIKELY(output->map != NULL) || output->map_refused) return output->map;
    void *map = NULL;
    if (sop_file_map(output->file, output->size, 1, &map, NULL) != SOP_OK) {
        output->map_refused = 1;
        return NULL;
    }
    output->map = map;
    return output->map;
}

static sop_status
frame_write(sop_wal *wal, sop_wal_buffer *buffer, uint64_t offset, int aligned, sop_error *err)
{
    sop_wal__output *output = &wal->current;
    size_t size = buffer->size;
    if (aligned) {
        size_t padded = (size_t)sop_round_up(size, SOP_WAL_ALIGN);
        SOP_ASSERT(padded <= buffer->capacity);
        memset(buffer->data + size, 0, padded - size);
        return sop_file_write(output->file, offset, buffer->data, padded, err);
    }
    uint8_t *map = size <= MAP_FRAME_MAX ? output_map(wal) : NULL;
    if (map == NULL) return sop_file_write(output->file, offset, buffer->data, size, err);
    memcpy(map + offset, buffer->data, size);
    return SOP_OK;
}

sop_status sop_wal_append(sop_wal *wal,
                          sop_wal_buffer *buffer,
                          uint64_t durable_seq,
                          int aligned,
                          sop_wal_place *place_out,
                          sop_error *err)
{
    if (!wal->started) return sop_fail(err, SOP_INVALID, "the log is not started");
    if (buffer->transactions == 0 || buffer->txn_at != 0) {
        return sop_fail(err, SOP_INVALID, "a frame holds at least one whole transaction");
    }
    if (buffer->size > SOP_WAL_FRAME_MAX) {
        return sop_fail(err, SOP_TOO_LARGE, "a frame of %zu bytes, at most %u", buffer->size,
                        SOP_WAL_FRAME_MAX);
    }
    uint64_t offset = 0;
    sop_status status = sop_wal__broken(wal, err);
    if (status == SOP_OK) status = place_find(wal, buffer->size, aligned, &offset, err);
    if (status != SOP_OK) return status;
    SOP_ASSERT(durable_seq <= wal->tip.seq_last);
    uint64_t synced_seq = sop_wal__durable(wal);
    sop_wal_place place;
    sop_wal__seal seal = {.transactions = buffer->transactions,
                          .file = wal->current.id,
                          .offset = offset,
                          .durable_seq = synced_seq > durable_seq ? synced_seq : durable_seq,
                          .predecessor = &wal->tip};
    sop_wal__frame_seal(buffer->data, buffer->size, wal->seed, &seal, &place);
    status = frame_write(wal, buffer, offset, aligned, err);
    if (status != SOP_OK) return sop_wal__break(wal, status, err);
    sop_mutex_lock(wal->lock);
    wal->current.end = sop_wal__place_end(&place);
    wal->current.appended_seq = place.seq_last;
    sop_wal__tip_set(wal, &place);
    sop_mutex_unlock(wal->lock);
    wal->current.sealed = aligned;
    *place_out = place;
    return SOP_OK;
}
