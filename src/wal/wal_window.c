/* SPDX-License-Identifier: MIT */
/* Reading log files through a moving window, and walking or searching the frames in them. */
#include <string.h>

#include "util/assert.h"
#include "util/bytes.h"
#include "util/error.h"
#include "util/memory.h"
#include "util/rule.h"
#include "wal/wal_private.h"

#define AHEAD_FIRST   (16u << 10)
#define AHEAD_MAX     (1u << 20)
#define UNUSED_SPAN   (64u << 10)
#define UNUSED_SAMPLE 4096u

/* ---- window ---- */

sop_status
sop_wal__window_open(sop_wal__window *window, sop_backend *backend, uint64_t file, sop_error *err)
{
    sop_file_close(window->file);
    window->file = NULL;
    window->have = 0;
    window->ahead = AHEAD_FIRST;
    window->id = file;
    char name[SOP_WAL__NAME_SIZE];
    sop_wal__name_format(file, name);
    sop_status status = sop_file_open(backend, name, 0, &window->file, err);
    if (status != SOP_OK) return status;
    return sop_file_size(window->file, &window->limit, err);
}

void sop_wal__window_deinit(sop_wal__window *window)
{
    sop_file_close(window->file);
    sop_free(window->data);
    sop_wal__window empty = {0};
    *window = empty;
}

static sop_status window_fill(sop_wal__window *window, uint64_t offset, size_t size, sop_error *err)
{
    uint64_t rest = window->limit - offset;
    size_t wanted = size > window->ahead ? size : window->ahead;
    if (wanted > rest) wanted = (size_t)rest;
    if (wanted > window->capacity) {
        uint8_t *data = sop_alloc_aligned(SOP_DIRECT_ALIGN, wanted);
        if (data == NULL) {
            return sop_fail(err, SOP_NO_MEMORY, "no memory to read %zu bytes of log", wanted);
        }
        sop_free(window->data);
        window->data = data;
        window->capacity = wanted;
    }
    window->have = 0;
    size_t have = 0;
    sop_status status = sop_file_read(window->file, offset, window->data, wanted, &have, err);
    if (status != SOP_OK) return status;
    if (have != wanted) {
        return sop_fail(err, SOP_CORRUPT, "log file %s: %zu bytes at %llu, expected %zu",
                        window->file->name, have, (unsigned long long)offset, wanted);
    }
    window->at = offset;
    window->have = have;
    if (window->ahead < AHEAD_MAX) window->ahead *= 2;
    return SOP_OK;
}

sop_status sop_wal__window_view(
    sop_wal__window *window, uint64_t offset, size_t size, const uint8_t **out, sop_error *err)
{
    SOP_ASSERT(window->file != NULL);
    if (offset > window->limit || size > window->limit - offset) return SOP_NOT_FOUND;
    uint64_t skip = offset - window->at;
    if (offset < window->at || skip > window->have || size > window->have - skip) {
        sop_status status = window_fill(window, offset, size, err);
        if (status != SOP_OK) return status;
        skip = 0;
    }
    *out = window->data + skip;
    return SOP_OK;
}

sop_status sop_wal__window_frame(
    sop_wal__window *window, uint64_t offset, uint64_t seed, sop_wal_frame *out, sop_error *err)
{
    const uint8_t *bytes = NULL;
    sop_status status = sop_wal__window_view(window, offset, SOP_WAL_FIXED_SIZE, &bytes, err);
    if (status != SOP_OK) return status;
    uint32_t length = sop_wal__frame_length(bytes);
    if (length == 0) return SOP_NOT_FOUND;
    status = sop_wal__window_view(window, offset, length, &bytes, err);
    if (status != SOP_OK) return status;
    status = sop_wal__frame_decode(bytes, length, seed, window->id, offset, out);
    if (status != SOP_UNSUPPORTED) return status;
    return sop_fail(err, SOP_UNSUPPORTED, "log file %s, frame at %llu: written by a newer version",
                    window->file->name, (unsigned long long)offset);
}

/* The first place at or after `from` where the magic of a frame stands. SOP_NOT_FOUND: nowhere. */
static sop_status
window_search(sop_wal__window *window, uint64_t from, uint64_t *out, sop_error *err)
{
    for (uint64_t at = from;;) {
        if (at > window->limit || window->limit - at < SOP_WAL_FIXED_SIZE) return SOP_NOT_FOUND;
        uint64_t rest = window->limit - at;
        size_t size = rest > AHEAD_MAX ? AHEAD_MAX : (size_t)rest;
        const uint8_t *bytes = NULL;
        sop_status status = sop_wal__window_view(window, at, size, &bytes, err);
        if (status != SOP_OK) return status;
        size_t i = 0;
        for (; i + SOP_WAL_FIXED_SIZE <= size; i += SOP_WAL__SPACING) {
            if (sop_get_u32le(bytes + i + SOP_WAL__AT_MAGIC) == SOP_WAL__FRAME_MAGIC) {
                *out = at + i;
                return SOP_OK;
            }
        }
        at += i;
    }
}

sop_status sop_wal__window_scan(sop_wal__window *window,
                                uint64_t from,
                                uint64_t seed,
                                sop_wal_frame_fn fn,
                                void *context,
                                sop_error *err)
{
    uint64_t at = sop_round_up(from, SOP_WAL__SPACING);
    for (;;) {
        sop_status status = window_search(window, at, &at, err);
        if (status == SOP_NOT_FOUND) return SOP_OK;
        if (status != SOP_OK) return status;
        sop_wal_frame frame;
        status = sop_wal__window_frame(window, at, seed, &frame, err);
        if (status == SOP_OK) {
            status = fn(&frame, context);
            if (status != SOP_OK) return status;
            at = sop_round_up(sop_wal__place_end(&frame.place), SOP_WAL__SPACING);
        } else if (status == SOP_NOT_FOUND) {
            at += SOP_WAL__SPACING;
        } else {
            return status;
        }
    }
}

static sop_status
window_zero(sop_wal__window *window, uint64_t offset, size_t size, int *out, sop_error *err)
{
    const uint8_t *bytes = NULL;
    if (offset >= window->limit) return SOP_OK;
    if (size > window->limit - offset) size = (size_t)(window->limit - offset);
    if (size == 0) return SOP_OK;
    sop_status status = sop_wal__window_view(window, offset, size, &bytes, err);
    if (status != SOP_OK) return status;
    if (bytes[0] != 0 || memcmp(bytes, bytes + 1, size - 1) != 0) *out = 0;
    return SOP_OK;
}

sop_status sop_wal__window_unused(sop_wal__window *window, uint64_t from, int *out, sop_error *err)
{
    *out = 1;
    sop_status status = window_zero(window, from, UNUSED_SPAN, out, err);
    /* A log that was written on from here without gaps shows in one of the samples. */
    for (uint64_t step = 2 * (uint64_t)UNUSED_SPAN;
         status == SOP_OK && *out && from + step < window->limit; step *= 2) {
        window->ahead = UNUSED_SAMPLE;
        status = window_zero(window, from + step, UNUSED_SAMPLE, out, err);
    }
    return status;
}

/* ---- walker ---- */

sop_status sop_wal__walker_enter(sop_wal__walker *walker,
                                 sop_backend *backend,
                                 uint64_t file,
                                 const sop_wal_place *last,
                                 sop_error *err)
{
    sop_status status = sop_wal__window_open(&walker->window, backend, file, err);
    if (status != SOP_OK) return status;
    walker->at = SOP_WAL_FILE_HEADER;
    walker->last = *last;
    return SOP_OK;
}

sop_status sop_wal__walker_seek(sop_wal__walker *walker,
                                sop_backend *backend,
                                const sop_wal_place *place,
                                sop_error *err)
{
    sop_status status = sop_wal__window_open(&walker->window, backend, place->file, err);
    if (status != SOP_OK) return status;
    walker->at = sop_wal__place_end(place);
    walker->last = *place;
    return SOP_OK;
}

static int continues(const sop_wal__walker *walker, const sop_wal_frame *frame)
{
    const sop_wal_place *last = &walker->last;
    return (sop_wal__hash_equal(frame->predecessor, last->hash) || !SOP_RULE(CHAIN)) &&
           frame->place.frame_no == last->frame_no + 1 && frame->first_seq == last->seq_last + 1;
}

static sop_status
walker_try(sop_wal__walker *walker, uint64_t offset, int verify, sop_wal_frame *out, sop_error *err)
{
    if (verify) {
        sop_status status = sop_wal__window_frame(&walker->window, offset, walker->seed, out, err);
        if (status != SOP_OK) return status;
    } else {
        const uint8_t *bytes = NULL;
        sop_status status =
            sop_wal__window_view(&walker->window, offset, SOP_WAL_FIXED_SIZE, &bytes, err);
        if (status != SOP_OK) return status;
        uint32_t length = sop_wal__frame_length(bytes);
        if (length == 0 || length > walker->window.limit - offset) return SOP_NOT_FOUND;
        sop_wal__frame_parse(bytes, walker->window.id, offset, out);
    }
    if (!continues(walker, out)) return SOP_NOT_FOUND;
    walker->at = sop_wal__place_end(&out->place);
    walker->last = out->place;
    return SOP_OK;
}

/* The next frame lies right behind the last one, or at the next block. */
static sop_status
walker_step(sop_wal__walker *walker, int verify, sop_wal_frame *out, sop_error *err)
{
    uint64_t near = sop_round_up(walker->at, SOP_WAL__SPACING);
    uint64_t block = sop_round_up(walker->at, SOP_WAL_ALIGN);
    sop_status status = walker_try(walker, near, verify, out, err);
    if (status != SOP_NOT_FOUND || near == block) return status;
    return walker_try(walker, block, verify, out, err);
}

sop_status sop_wal__walker_next(sop_wal__walker *walker, sop_wal_frame *out, sop_error *err)
{
    return walker_step(walker, 1, out, err);
}

sop_status sop_wal__walker_skip(sop_wal__walker *walker, sop_wal_frame *out, sop_error *err)
{
    return walker_step(walker, 0, out, err);
}

uint64_t sop_wal__walker_spot(sop_wal__walker *walker)
{
    uint64_t near = sop_round_up(walker->at, SOP_WAL__SPACING);
    const uint8_t *bytes = NULL;
    uint8_t any = 0;
    if (sop_wal__window_view(&walker->window, near, SOP_WAL_FIXED_SIZE, &bytes, NULL) == SOP_OK) {
        for (size_t i = 0; i < SOP_WAL_FIXED_SIZE; i++) {
            any |= bytes[i];
        }
    }
    return any != 0 ? near : sop_round_up(walker->at, SOP_WAL_ALIGN);
}
