/* SPDX-License-Identifier: MIT */
/* Appending frames, moving on to the next file, syncing, and preparing files in the background. */
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
    wal->current = *output;
    while (wal->size_next <= output->size && wal->size_next < SOP_WAL__FILE_MAX_BYTES) {
        wal->size_next *= 2;
    }
    if (wal->size_next > SOP_WAL__FILE_MAX_BYTES) wal->size_next = SOP_WAL__FILE_MAX_BYTES;
    sop_mutex_unlock(wal->lock);
    sop_wal__output none = {0};
    *output = none;
}

/* Lock held. Closes full files from the oldest on that are synced; they make all up to their last frame durable. */
static void full_release(sop_wal *wal)
{
    size_t done = 0;
    while (done < wal->full_count && !wal->full[done].dirty && !wal->full[done].busy) {
        if (wal->full[done].seq_last > sop_wal__durable(wal)) {
            sop_wal__durable_set(wal, wal->full[done].seq_last);
        }
        sop_wal__output_close(wal, &wal->full[done]);
        done++;
    }
    if (done == 0) return;
    wal->full_count -= done;
    memmove(wal->full, wal->full + done, wal->full_count * sizeof *wal->full);
}

/* ---- the next file ---- */

/* Files double up to 64 MiB. When the medium is nearly full a smaller one may do. */
static sop_status
regular_make(sop_wal *wal, uint64_t size, uint64_t needed, sop_wal__output *out, sop_error *err)
{
    uint64_t least = needed > wal->file_bytes_first ? needed : wal->file_bytes_first;
    for (;;) {
        uint64_t smaller = sop_round_up(size / 2, SOP_WAL_ALIGN);
        int last = smaller < least || smaller == size;
        if (last || size <= wal->backend->ops->space_free(wal->backend)) {
            sop_status status = sop_wal__file_make(wal, size, out, err);
            if (status != SOP_FULL || last) return status;
        }
        size = smaller;
    }
}

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
    sop_wal__output old = wal->current;
    if (old.map != NULL) {
        wal->backend->ops->file_unmap(wal->backend, old.map, old.size);
        old.map = NULL;
    }
    old.seq_last = wal->tip.seq_last;
    int unused = wal->tip.file != old.id;
    sop_mutex_lock(wal->lock);
    sop_wal__links_push(&wal->links, &link);
    if (old.dirty) wal->full[wal->full_count++] = old;
    sop_mutex_unlock(wal->lock);
    if (!old.dirty) {
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
                               : regular_make(wal, size, needed, &next, err);
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
    wal->current.dirty = 1;
    status = frame_write(wal, buffer, offset, aligned, err);
    if (status != SOP_OK) return sop_wal__break(wal, status, err);
    sop_mutex_lock(wal->lock);
    wal->current.end = sop_wal__place_end(&place);
    sop_wal__tip_set(wal, &place);
    sop_mutex_unlock(wal->lock);
    wal->current.sealed = aligned;
    *place_out = place;
    return SOP_OK;
}

/* ---- sync ---- */

/* Syncs the oldest full file that needs it. *more_out 0: there was none. Two syncs on one open file must not overlap: the one
   might get the error that belongs to the other. So who finds it busy waits (or leaves it, when wait is 0). */
static sop_status full_sync_one(sop_wal *wal, int wait, int *more_out, sop_error *err)
{
    *more_out = 0;
    sop_mutex_lock(wal->lock);
    while (wait && wal->full_count > 0 && wal->full[0].busy) {
        sop_cond_wait(&wal->idle, wal->lock, UINT64_MAX);
    }
    sop_file *file = NULL;
    if (!is_broken(wal) && wal->full_count > 0 && !wal->full[0].busy) {
        wal->full[0].busy = 1;
        file = wal->full[0].file;
    }
    sop_mutex_unlock(wal->lock);
    if (file == NULL) return sop_wal__broken(wal, err);
    sop_status status = sop_file_sync(file, err);
    if (status != SOP_OK) (void)sop_wal__break(wal, status, err);
    sop_mutex_lock(wal->lock);
    /* Only the one who made it busy removes it, so it is still the oldest. */
    wal->full[0].busy = 0;
    wal->full[0].dirty = status != SOP_OK;
    full_release(wal);
    *more_out = wal->full_count > 0;
    sop_cond_signal_all(&wal->idle);
    sop_mutex_unlock(wal->lock);
    return status;
}

sop_status sop_wal_sync(sop_wal *wal, sop_error *err)
{
    if (!wal->started) return sop_fail(err, SOP_INVALID, "the log is not started");
    sop_status status = sop_wal__broken(wal, err);
    for (int more = 1; more && status == SOP_OK;) {
        status = full_sync_one(wal, 1, &more, err);
    }
    if (status != SOP_OK) return status;
    if (wal->current.dirty) {
        status = sop_file_sync(wal->current.file, err);
        if (status != SOP_OK) return sop_wal__break(wal, status, err);
        wal->current.dirty = 0;
        wal->current.sealed = 1;
    }
    sop_mutex_lock(wal->lock);
    sop_wal__durable_set(wal, wal->tip.seq_last);
    sop_mutex_unlock(wal->lock);
    return SOP_OK;
}

/* ---- prepare ---- */

static sop_status next_prepare(sop_wal *wal, sop_error *err)
{
    sop_mutex_lock(wal->lock);
    int wanted = !wal->preparing && wal->next.file == NULL && !is_broken(wal) &&
                 wal->current.end > wal->current.size / 2;
    uint64_t size = wal->size_next;
    if (wanted) wal->preparing = 1;
    sop_mutex_unlock(wal->lock);
    if (!wanted) return SOP_OK;
    sop_wal__output made = {0};
    sop_status status = regular_make(wal, size, wal->file_bytes_first, &made, err);
    sop_mutex_lock(wal->lock);
    wal->preparing = 0;
    if (status == SOP_OK) wal->next = made;
    sop_mutex_unlock(wal->lock);
    return status;
}

sop_status sop_wal_prepare(sop_wal *wal, sop_error *err)
{
    sop_mutex_lock(wal->lock);
    int started = wal->started;
    sop_mutex_unlock(wal->lock);
    if (!started) return SOP_OK;
    sop_status status = next_prepare(wal, err);
    for (int more = 1; more && status == SOP_OK;) {
        status = full_sync_one(wal, 0, &more, err);
    }
    return status;
}
