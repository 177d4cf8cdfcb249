/* SPDX-License-Identifier: MIT */
/* Writing one large value: extents of 8 MiB and, above one extent, lists of their addresses. */
#include <inttypes.h>
#include <string.h>

#include "blob/blob.h"
#include "blob/blob_private.h"
#include "util/assert.h"
#include "util/bytes.h"
#include "util/checksum.h"
#include "util/error.h"
#include "util/memory.h"

/* Extents from here on start at a page of their own, so that they can go past the page cache. */
#define DIRECT_FROM 65536u
/* Room for the data, its checksums, and padding. */
#define BUFFER_MAX (SOP_VALUE_EXTENT_MAX + 2 * SOP_DIRECT_ALIGN)

/* Addresses of complete blobs one level down that no list holds yet. */
typedef struct {
    uint8_t *addresses; /* SOP_VALUE_FAN_OUT of 16 bytes, then room for the checksum */
    uint32_t count;
} list_level;

struct sop_value_stream {
    sop_blobs *blobs;
    uint8_t *buffer; /* the extent under construction */
    size_t used;
    size_t capacity;
    uint64_t size; /* of the value so far */
    int failed;
    int finished;
    list_level levels[SOP_VALUE_LEVELS_MAX + 1]; /* [0]: addresses of extents */
};

static sop_status buffer_grow(sop_value_stream *stream, size_t data_size, sop_error *err)
{
    size_t needed = data_size + (size_t)sop_blob__pieces(data_size) * 8;
    needed = (size_t)sop_round_up(needed, SOP_DIRECT_ALIGN);
    if (needed <= stream->capacity) return SOP_OK;
    size_t capacity = stream->capacity * 2 > needed ? stream->capacity * 2 : needed;
    if (capacity > BUFFER_MAX) capacity = BUFFER_MAX;
    uint8_t *grown = sop_alloc_aligned(SOP_DIRECT_ALIGN, capacity);
    if (grown == NULL) {
        return sop_fail(err, SOP_NO_MEMORY, "no memory for %zu bytes of a value", capacity);
    }
    if (stream->used > 0) memcpy(grown, stream->buffer, stream->used);
    sop_free(stream->buffer);
    stream->buffer = grown;
    stream->capacity = capacity;
    return SOP_OK;
}

static void extent_seal(void *context, sop_address address)
{
    sop_value_stream *stream = context;
    uint8_t *sums = stream->buffer + stream->used;
    for (uint32_t i = 0; i < sop_blob__pieces(stream->used); i++) {
        size_t start = (size_t)i * SOP_VALUE_PIECE;
        size_t size = stream->used - start;
        if (size > SOP_VALUE_PIECE) size = SOP_VALUE_PIECE;
        uint64_t seed = sop_blob__seed(address, i);
        sop_put_u64le(sums + (size_t)i * 8, sop_checksum64(stream->buffer + start, size, seed));
    }
}

static void list_seal(void *context, sop_address address)
{
    list_level *level = context;
    size_t size = (size_t)level->count * SOP_ADDRESS_SIZE;
    uint64_t sum = sop_checksum64(level->addresses, size, sop_blob__seed(address, 0));
    sop_put_u64le(level->addresses + size, sum);
}

static sop_status
list_write(sop_value_stream *stream, list_level *level, sop_address *out, sop_error *err)
{
    uint32_t length = level->count * SOP_ADDRESS_SIZE + 8;
    memset(level->addresses + length, 0, sop_round_up(length, SOP_BLOB_ALIGN) - length);
    sop_value_blob blob = {level->addresses, length, SOP_BLOB_ALIGN, list_seal, level};
    sop_status status = sop_blob__value_write(stream->blobs, &blob, out, err);
    if (status == SOP_OK) level->count = 0;
    return status;
}

/* Adds an address at a level; a list that was full is written first and its address goes one level
 * up. */
static sop_status
list_add(sop_value_stream *stream, unsigned at, sop_address address, sop_error *err)
{
    for (;; at++) {
        if (at > SOP_VALUE_LEVELS_MAX) {
            return sop_fail(err, SOP_TOO_LARGE, "value of %" PRIu64 " bytes exceeds %" PRIu64,
                            stream->size, SOP_VALUE_SIZE_MAX);
        }
        list_level *level = &stream->levels[at];
        if (level->addresses == NULL) {
            /* Room for the checksum behind a full list. */
            level->addresses = sop_alloc_aligned(
                SOP_DIRECT_ALIGN, SOP_VALUE_FAN_OUT * SOP_ADDRESS_SIZE + SOP_DIRECT_ALIGN);
            if (level->addresses == NULL) {
                return sop_fail(err, SOP_NO_MEMORY, "no memory for a list of extents");
            }
        }
        sop_address above = {0, 0};
        int full = level->count == SOP_VALUE_FAN_OUT;
        if (full) {
            sop_status status = list_write(stream, level, &above, err);
            if (status != SOP_OK) return status;
        }
        uint8_t *slot = level->addresses + (size_t)level->count * SOP_ADDRESS_SIZE;
        sop_put_u64le(slot, address.segment);
        sop_put_u64le(slot + 8, address.place);
        level->count++;
        if (!full) return SOP_OK;
        address = above;
    }
}

static sop_status extent_write(sop_value_stream *stream, sop_error *err)
{
    uint32_t length = (uint32_t)(stream->used + (size_t)sop_blob__pieces(stream->used) * 8);
    uint32_t align = length >= DIRECT_FROM ? SOP_DIRECT_ALIGN : SOP_BLOB_ALIGN;
    memset(stream->buffer + length, 0, sop_round_up(length, align) - length);
    sop_value_blob blob = {stream->buffer, length, align, extent_seal, stream};
    sop_address address = {0, 0};
    sop_status status = sop_blob__value_write(stream->blobs, &blob, &address, err);
    if (status == SOP_OK) status = list_add(stream, 0, address, err);
    if (status == SOP_OK) stream->used = 0;
    return status;
}

/* Takes over the full extents on the left of a value, level by level along its right edge, and
 * copies the rest. */
static sop_status stream_resume(sop_value_stream *stream,
                                sop_value_source source,
                                const uint8_t *reference,
                                sop_error *err)
{
    sop_value_reference value;
    sop_status status =
        sop_blob__reference_decode(reference, SOP_VALUE_REFERENCE_SIZE, &value, err);
    if (status != SOP_OK || value.size == 0) return status;
    uint64_t extents = sop_blob__extents(value.size);
    uint64_t full = value.size / SOP_VALUE_EXTENT_MAX;
    sop_address address = value.root;
    for (uint32_t level = value.levels; level > 0; level--) {
        uint64_t span = sop_blob__span(level);
        const uint8_t *list = NULL;
        status = sop_blob__list_read(source, address, (extents + span - 1) / span, &list, err);
        if (status != SOP_OK) return status;
        SOP_ASSERT(list != NULL);
        uint64_t whole = full / span;
        for (uint64_t i = 0; i < whole; i++) {
            sop_address child = sop_blob__address_get(list + i * SOP_ADDRESS_SIZE);
            status = list_add(stream, level - 1, child, err);
            if (status != SOP_OK) return status;
        }
        full -= whole * span;
        extents -= whole * span;
        if (extents == 0) break;
        address = sop_blob__address_get(list + whole * SOP_ADDRESS_SIZE);
    }
    stream->size = value.size;
    if (extents == 0) return SOP_OK;
    uint64_t rest = value.size % SOP_VALUE_EXTENT_MAX;
    if (rest == 0) return list_add(stream, 0, address, err);
    const uint8_t *data = NULL;
    sop_value_extent extent = {address, rest};
    status = sop_blob__extent_read(source, extent, 0, rest, &data, err);
    if (status == SOP_OK) status = buffer_grow(stream, (size_t)rest, err);
    if (status != SOP_OK) return status;
    memcpy(stream->buffer, data, (size_t)rest);
    stream->used = (size_t)rest;
    return SOP_OK;
}

sop_status sop_value_stream_open(sop_blobs *blobs,
                                 const sop_segments *segments,
                                 const uint8_t *start_reference,
                                 sop_value_stream **out,
                                 sop_error *err)
{
    *out = NULL;
    sop_value_stream *stream = sop_alloc_zeroed(sizeof *stream);
    if (stream == NULL) return sop_fail(err, SOP_NO_MEMORY, "no memory for a value stream");
    stream->blobs = blobs;
    if (start_reference != NULL) {
        sop_value_source source = {blobs, segments};
        sop_status status = stream_resume(stream, source, start_reference, err);
        if (status != SOP_OK) {
            sop_value_stream_free(stream);
            return status;
        }
    }
    *out = stream;
    return SOP_OK;
}

static sop_status
stream_put(sop_value_stream *stream, const uint8_t *data, size_t size, sop_error *err)
{
    if (size > SOP_VALUE_SIZE_MAX - stream->size) {
        return sop_fail(err, SOP_TOO_LARGE,
                        "value of %" PRIu64 " and %zu more bytes exceeds %" PRIu64, stream->size,
                        size, SOP_VALUE_SIZE_MAX);
    }
    while (size > 0) {
        sop_status status = SOP_OK;
        if (stream->used == SOP_VALUE_EXTENT_MAX) status = extent_write(stream, err);
        size_t part = SOP_VALUE_EXTENT_MAX - stream->used;
        if (part > size) part = size;
        if (status == SOP_OK) status = buffer_grow(stream, stream->used + part, err);
        if (status != SOP_OK) return status;
        memcpy(stream->buffer + stream->used, data, part);
        stream->used += part;
        stream->size += part;
        data += part;
        size -= part;
    }
    return SOP_OK;
}

static sop_status check_usable(const sop_value_stream *stream, sop_error *err)
{
    SOP_ASSERT(!stream->finished);
    if (!stream->failed) return SOP_OK;
    return sop_fail(err, SOP_IO, "value stream: an earlier write has failed");
}

sop_status
sop_value_stream_write(sop_value_stream *stream, const void *data, size_t size, sop_error *err)
{
    sop_status status = check_usable(stream, err);
    if (status == SOP_OK) status = stream_put(stream, data, size, err);
    if (status != SOP_OK) stream->failed = 1;
    return status;
}

/* Closes the lists from the bottom up; the last address that stands alone at the top is the root.
 */
static sop_status lists_close(sop_value_stream *stream, sop_address *root_out, sop_error *err)
{
    uint32_t top = sop_blob__levels(sop_blob__extents(stream->size));
    for (uint32_t at = 0; at < top; at++) {
        list_level *level = &stream->levels[at];
        if (level->count == 0) continue; /* all lists of this level were taken over whole */
        sop_address address = {0, 0};
        sop_status status = list_write(stream, level, &address, err);
        if (status == SOP_OK) status = list_add(stream, at + 1, address, err);
        if (status != SOP_OK) return status;
    }
    const list_level *last = &stream->levels[top];
    SOP_ASSERT(last->count == 1);
    *root_out = sop_blob__address_get(last->addresses);
    return SOP_OK;
}

sop_status sop_value_stream_finish(sop_value_stream *stream,
                                   uint8_t reference_out[SOP_VALUE_REFERENCE_SIZE],
                                   sop_error *err)
{
    sop_value_reference value = {.size = stream->size};
    sop_status status = check_usable(stream, err);
    if (status != SOP_OK) return status;
    if (stream->used > 0) status = extent_write(stream, err);
    if (status == SOP_OK && stream->size > 0) status = lists_close(stream, &value.root, err);
    if (status != SOP_OK) {
        stream->failed = 1;
        return status;
    }
    value.levels = sop_blob__levels(sop_blob__extents(stream->size));
    sop_blob__reference_encode(&value, reference_out);
    stream->finished = 1;
    return SOP_OK;
}

void sop_value_stream_free(sop_value_stream *stream)
{
    if (stream == NULL) return;
    for (unsigned i = 0; i <= SOP_VALUE_LEVELS_MAX; i++) {
        sop_free(stream->levels[i].addresses);
    }
    sop_free(stream->buffer);
    sop_free(stream);
}
