/* SPDX-License-Identifier: MIT */
/* Value references: their 32 bytes, and reading, mapping and walking the blobs behind them. */
#include <inttypes.h>
#include <string.h>

#include "blob/blob.h"
#include "blob/blob_private.h"
#include "util/assert.h"
#include "util/bytes.h"
#include "util/checksum.h"
#include "util/error.h"

enum { REFERENCE_SIZE = 0, REFERENCE_ROOT = 8, REFERENCE_LEVELS = 24 };

uint64_t sop_blob__span(uint32_t level)
{
    uint64_t span = 1;
    for (uint32_t i = 1; i < level; i++) {
        span *= SOP_VALUE_FAN_OUT;
    }
    return span;
}

uint32_t sop_blob__levels(uint64_t extents)
{
    uint32_t levels = 0;
    for (uint64_t reach = 1; reach < extents; reach *= SOP_VALUE_FAN_OUT) {
        levels++;
    }
    return levels;
}

void sop_blob__reference_encode(const sop_value_reference *reference, uint8_t *out)
{
    memset(out, 0, SOP_VALUE_REFERENCE_SIZE);
    sop_put_u64le(out + REFERENCE_SIZE, reference->size);
    sop_put_u64le(out + REFERENCE_ROOT, reference->root.segment);
    sop_put_u64le(out + REFERENCE_ROOT + 8, reference->root.place);
    out[REFERENCE_LEVELS] = (uint8_t)reference->levels;
}

sop_status sop_blob__reference_decode(const uint8_t *data,
                                      size_t size,
                                      sop_value_reference *out,
                                      sop_error *err)
{
    *out = (sop_value_reference){0};
    if (size != SOP_VALUE_REFERENCE_SIZE) {
        return sop_fail(err, SOP_CORRUPT, "value reference of %zu bytes instead of %u", size,
                        SOP_VALUE_REFERENCE_SIZE);
    }
    uint64_t value_size = sop_get_u64le(data + REFERENCE_SIZE);
    sop_address root = sop_blob__address_get(data + REFERENCE_ROOT);
    uint64_t tail = sop_get_u64le(data + REFERENCE_LEVELS);
    if (value_size > SOP_VALUE_SIZE_MAX) {
        return sop_fail(err, SOP_CORRUPT, "value reference: size %" PRIu64 " is absurd",
                        value_size);
    }
    if (tail != sop_blob__levels(sop_blob__extents(value_size))) {
        return sop_fail(err, SOP_CORRUPT,
                        "value reference: %" PRIu64 " levels do not fit a size of %" PRIu64, tail,
                        value_size);
    }
    if (sop_address_is_none(root) != (value_size == 0) || (value_size == 0 && root.place != 0)) {
        return sop_fail(err, SOP_CORRUPT, "value reference: address and size %" PRIu64 " disagree",
                        value_size);
    }
    *out = (sop_value_reference){value_size, root, (uint32_t)tail};
    return SOP_OK;
}

uint64_t sop_value_reference_size(const uint8_t reference[SOP_VALUE_REFERENCE_SIZE])
{
    return sop_get_u64le(reference + REFERENCE_SIZE);
}

sop_status sop_value_reference_check(const uint8_t *reference, size_t size, sop_error *err)
{
    sop_value_reference decoded;
    return sop_blob__reference_decode(reference, size, &decoded, err);
}

static sop_status bad_blob(sop_address address, const char *what, uint64_t number, sop_error *err)
{
    char name[SOP_SEGMENT_NAME_SIZE];
    sop_blob__name(address.segment, name);
    return sop_fail(err, SOP_CORRUPT, "%s: offset %" PRIu64 ": %s %" PRIu64, name,
                    sop_address_offset(address), what, number);
}

sop_status sop_blob__list_read(sop_value_source source,
                               sop_address address,
                               uint64_t count,
                               const uint8_t **out,
                               sop_error *err)
{
    sop_segment_map *map = NULL;
    const uint8_t *data = NULL;
    sop_status status = sop_blob__locate(source.blobs, source.segments, address, &map, &data, err);
    if (status != SOP_OK) return status;
    size_t size = (size_t)count * SOP_ADDRESS_SIZE;
    if (sop_address_length(address) != size + 8) {
        return bad_blob(address, "list of addresses has length", sop_address_length(address), err);
    }
    if (map->kind != SOP_SEGMENT_VALUES) return bad_blob(address, "list in kind", map->kind, err);
    if (sop_checksum64(data, size, sop_blob__seed(address, 0)) != sop_get_u64le(data + size)) {
        return bad_blob(address, "wrong checksum of a list of addresses, entries:", count, err);
    }
    *out = data;
    return SOP_OK;
}

sop_status sop_blob__extent_read(sop_value_source source,
                                 sop_value_extent extent,
                                 uint64_t from,
                                 uint64_t to,
                                 const uint8_t **out,
                                 sop_error *err)
{
    sop_segment_map *map = NULL;
    const uint8_t *data = NULL;
    sop_address address = extent.address;
    sop_status status = sop_blob__locate(source.blobs, source.segments, address, &map, &data, err);
    if (status != SOP_OK) return status;
    uint32_t pieces = sop_blob__pieces(extent.data_size);
    if (sop_address_length(address) != extent.data_size + (uint64_t)pieces * 8) {
        return bad_blob(address, "extent has length", sop_address_length(address), err);
    }
    if (map->kind != SOP_SEGMENT_VALUES) return bad_blob(address, "extent in kind", map->kind, err);
    const uint8_t *sums = data + extent.data_size;
    for (uint64_t i = from / SOP_VALUE_PIECE; i < pieces && i * SOP_VALUE_PIECE < to; i++) {
        uint64_t start = i * SOP_VALUE_PIECE;
        if (sop_blob__bit_get(map, sop_address_offset(address) + start)) continue;
        uint64_t size = extent.data_size - start;
        if (size > SOP_VALUE_PIECE) size = SOP_VALUE_PIECE;
        uint64_t sum = sop_checksum64(data + start, (size_t)size, sop_blob__seed(address, i));
        if (sum != sop_get_u64le(sums + i * 8)) {
            return bad_blob(address, "wrong checksum of a value, piece", i, err);
        }
        sop_blob__bit_set(map, sop_address_offset(address) + start);
    }
    *out = data;
    return SOP_OK;
}

/* The extent with that index, found through the lists. */
static sop_status extent_find(sop_value_source source,
                              const sop_value_reference *reference,
                              uint64_t index,
                              sop_value_extent *out,
                              sop_error *err)
{
    sop_address address = reference->root;
    uint64_t extents = sop_blob__extents(reference->size);
    uint64_t rest = index; /* of the extents below address, the one wanted */
    uint64_t below = extents;
    for (uint32_t level = reference->levels; level > 0; level--) {
        uint64_t span = sop_blob__span(level);
        const uint8_t *list = NULL;
        uint64_t count = (below + span - 1) / span;
        sop_status status = sop_blob__list_read(source, address, count, &list, err);
        if (status != SOP_OK) return status;
        SOP_ASSERT(list != NULL);
        uint64_t child = rest / span;
        address = sop_blob__address_get(list + child * SOP_ADDRESS_SIZE);
        rest -= child * span;
        below -= child * span;
        if (below > span) below = span;
    }
    uint64_t start = index * SOP_VALUE_EXTENT_MAX;
    uint64_t size = reference->size - start;
    *out = (sop_value_extent){address, size < SOP_VALUE_EXTENT_MAX ? size : SOP_VALUE_EXTENT_MAX};
    return SOP_OK;
}

sop_status sop_value_reference_read(sop_value_source source,
                                    const uint8_t *reference,
                                    uint64_t offset,
                                    void *buffer,
                                    size_t *size,
                                    sop_error *err)
{
    size_t wanted = *size;
    sop_value_reference value;
    *size = 0;
    sop_status status =
        sop_blob__reference_decode(reference, SOP_VALUE_REFERENCE_SIZE, &value, err);
    if (status != SOP_OK) return status;
    if (offset >= value.size) return SOP_OK;
    if (wanted > value.size - offset) wanted = (size_t)(value.size - offset);
    size_t done = 0;
    while (done < wanted) {
        uint64_t at = offset + done;
        uint64_t from = at % SOP_VALUE_EXTENT_MAX;
        sop_value_extent extent = {{0, 0}, 0};
        status = extent_find(source, &value, at / SOP_VALUE_EXTENT_MAX, &extent, err);
        if (status != SOP_OK) return status;
        uint64_t part = extent.data_size - from;
        if (part > wanted - done) part = wanted - done;
        const uint8_t *data = NULL;
        status = sop_blob__extent_read(source, extent, from, from + part, &data, err);
        if (status != SOP_OK) return status;
        memcpy((uint8_t *)buffer + done, data + from, (size_t)part);
        done += (size_t)part;
    }
    *size = done;
    return SOP_OK;
}

sop_status sop_value_reference_map(sop_blobs *blobs,
                                   const sop_segments *segments,
                                   const uint8_t *reference,
                                   sop_slice *out,
                                   sop_error *err)
{
    sop_value_source source = {blobs, segments};
    sop_value_reference value;
    *out = sop_slice_of(NULL, 0);
    sop_status status =
        sop_blob__reference_decode(reference, SOP_VALUE_REFERENCE_SIZE, &value, err);
    if (status != SOP_OK || value.size == 0) return status;
    if (value.levels != 0) return sop_set(err, SOP_UNSUPPORTED);
    sop_value_extent extent = {value.root, value.size};
    const uint8_t *data = NULL;
    status = sop_blob__extent_read(source, extent, 0, value.size, &data, err);
    if (status == SOP_OK) *out = sop_slice_of(data, (size_t)value.size);
    return status;
}

/* Calls fn for one blob and all below it. Depth is at most SOP_VALUE_LEVELS_MAX. */
typedef struct {
    sop_value_source source;
    sop_address_fn fn;
    void *context;
    sop_error *err;
} walk_state;

/* NOLINTNEXTLINE(misc-no-recursion): depth is the levels of a value, at most SOP_VALUE_LEVELS_MAX, asserted. */
static sop_status walk_blob(const walk_state *walk, sop_address at, uint32_t level, uint64_t below)
{
    SOP_ASSERT(level <= SOP_VALUE_LEVELS_MAX);
    sop_status status = walk->fn(at, walk->context);
    if (status != SOP_OK || level == 0) return status;
    uint64_t span = sop_blob__span(level);
    uint64_t count = (below + span - 1) / span;
    const uint8_t *list = NULL;
    status = sop_blob__list_read(walk->source, at, count, &list, walk->err);
    for (uint64_t i = 0; i < count && status == SOP_OK; i++) {
        uint64_t rest = below - i * span;
        sop_address child = sop_blob__address_get(list + i * SOP_ADDRESS_SIZE);
        status = walk_blob(walk, child, level - 1, rest < span ? rest : span);
    }
    return status;
}

sop_status sop_value_reference_walk(sop_blobs *blobs,
                                    const sop_segments *segments,
                                    const uint8_t *reference,
                                    sop_address_fn fn,
                                    void *context,
                                    sop_error *err)
{
    walk_state walk = {{blobs, segments}, fn, context, err};
    sop_value_reference value;
    sop_status status =
        sop_blob__reference_decode(reference, SOP_VALUE_REFERENCE_SIZE, &value, err);
    if (status != SOP_OK || value.size == 0) return status;
    return walk_blob(&walk, value.root, value.levels, sop_blob__extents(value.size));
}
