/* SPDX-License-Identifier: MIT */
/* Segment files: names, the header block, opening and mapping. Byte table: docs/format/segment.md.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "blob/blob.h"
#include "blob/blob_private.h"
#include "util/assert.h"
#include "util/bytes.h"
#include "util/checksum.h"
#include "util/error.h"
#include "util/memory.h"

enum {
    HEADER_MAGIC = 0,
    HEADER_VERSION = 8,
    HEADER_KIND = 12,
    HEADER_DATABASE = 16,
    HEADER_SEGMENT = 32,
    HEADER_CHECKSUM = SOP_SEGMENT_HEADER - 8
};

static const uint8_t MAGIC[8] = {'S', 'O', 'P', 'S', 'E', 'G', 'M', '1'};

void sop_blob__name(uint64_t segment, char out[SOP_SEGMENT_NAME_SIZE])
{
    (void)snprintf(out, SOP_SEGMENT_NAME_SIZE, "seg/%010" PRIx64 ".%06x", segment >> 24,
                   (unsigned)(segment & 0xffffff));
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return -1;
}

uint64_t sop_blob__parse_name(const char *text)
{
    uint64_t segment = 0;
    if (strlen(text) != 17 || text[10] != '.') return 0;
    for (int i = 0; i < 17; i++) {
        if (i == 10) continue;
        int digit = hex_digit(text[i]);
        if (digit < 0) return 0;
        segment = segment << 4 | (uint64_t)digit;
    }
    return segment;
}

void sop_blob__header_encode(const uint8_t database_id[16],
                             uint64_t segment,
                             uint32_t kind,
                             uint8_t *out)
{
    memset(out, 0, SOP_SEGMENT_HEADER);
    memcpy(out + HEADER_MAGIC, MAGIC, sizeof MAGIC);
    sop_put_u32le(out + HEADER_VERSION, SOP_SEGMENT_VERSION);
    sop_put_u32le(out + HEADER_KIND, kind);
    memcpy(out + HEADER_DATABASE, database_id, 16);
    sop_put_u64le(out + HEADER_SEGMENT, segment);
    sop_put_u64le(out + HEADER_CHECKSUM, sop_checksum64(out, HEADER_CHECKSUM, 0));
}

static sop_status header_check(const sop_blobs *blobs,
                               const sop_file *file,
                               uint64_t segment,
                               uint32_t kind,
                               const uint8_t *header,
                               sop_error *err)
{
    if (memcmp(header + HEADER_MAGIC, MAGIC, sizeof MAGIC) != 0) {
        return sop_fail(err, SOP_CORRUPT, "%s: offset 0: not a segment (magic)", file->name);
    }
    uint64_t stored = sop_get_u64le(header + HEADER_CHECKSUM);
    uint64_t computed = sop_checksum64(header, HEADER_CHECKSUM, 0);
    if (stored != computed) {
        return sop_fail(err, SOP_CORRUPT,
                        "%s: offset 0: header checksum %016" PRIx64 ", computed %016" PRIx64,
                        file->name, stored, computed);
    }
    uint32_t version = sop_get_u32le(header + HEADER_VERSION);
    if (version != SOP_SEGMENT_VERSION) {
        return sop_fail(err, SOP_UNSUPPORTED, "%s: segment version %u, this build knows 1",
                        file->name, version);
    }
    if (memcmp(header + HEADER_DATABASE, blobs->database_id, 16) != 0) {
        return sop_fail(err, SOP_CORRUPT, "%s: offset 16: belongs to another database", file->name);
    }
    if (sop_get_u64le(header + HEADER_SEGMENT) != segment) {
        return sop_fail(err, SOP_CORRUPT,
                        "%s: offset 32: header names segment %016" PRIx64 " instead of %016" PRIx64,
                        file->name, sop_get_u64le(header + HEADER_SEGMENT), segment);
    }
    uint32_t found = sop_get_u32le(header + HEADER_KIND);
    if (found < SOP_SEGMENT_NODES || found > SOP_SEGMENT_RUNS || (kind != 0 && found != kind)) {
        return sop_fail(err, SOP_CORRUPT, "%s: offset 12: segment kind %u instead of %u",
                        file->name, found, kind);
    }
    return SOP_OK;
}

sop_status
sop_blob__create(sop_blobs *blobs, uint64_t *segment_out, sop_file **file_out, sop_error *err)
{
    *file_out = NULL;
    /* Relaxed: only uniqueness matters. */
    uint32_t n = atomic_fetch_add_explicit(&blobs->next_n, 1, memory_order_relaxed);
    if (n > 0xffffff) {
        return sop_fail(err, SOP_TOO_LARGE,
                        "segments of incarnation %010" PRIx64 ": number %u exceeds %u",
                        blobs->short_incarnation, n, 0xffffffu);
    }
    uint64_t segment = blobs->short_incarnation << 24 | n;
    char name[SOP_SEGMENT_NAME_SIZE];
    sop_blob__name(segment, name);
    *segment_out = segment;
    int flags = SOP_FILE_WRITE | SOP_FILE_CREATE | SOP_FILE_DIRECT;
    return sop_file_open(blobs->backend, name, flags, file_out, err);
}

uint32_t sop_blob__folder_failures(sop_blobs *blobs)
{
    /* Acquire pairs with the release of a sync that failed. */
    return atomic_load_explicit(&blobs->folder_failures, memory_order_acquire);
}

/* A sync that fails may leave entries clean in memory that are not on the medium, also those of files of other threads: the next sync
   then finds nothing to do. So a sync vouches only for files that were made after the last failure, and there is one at a time. */
sop_status sop_blob__folder_sync(sop_blobs *blobs, uint32_t failures_before, sop_error *err)
{
    sop_mutex_lock(&blobs->folder_lock);
    sop_status status = blobs->backend->ops->folder_sync(blobs->backend, "seg", err);
    if (status != SOP_OK) {
        atomic_fetch_add_explicit(&blobs->folder_failures, 1, memory_order_release);
    } else if (sop_blob__folder_failures(blobs) != failures_before) {
        status = sop_fail(err, SOP_IO, "seg: a sync of the folder failed while a file was new");
    }
    sop_mutex_unlock(&blobs->folder_lock);
    return status;
}

sop_status sop_blob__map_new(sop_file *file,
                             uint64_t segment,
                             uint32_t kind,
                             uint64_t mapped,
                             sop_segment_map **out,
                             sop_error *err)
{
    *out = NULL;
    sop_segment_map *map = sop_alloc_zeroed(sizeof *map);
    /* One 64-bit word covers 4,096 bytes. */
    size_t words = (size_t)(mapped / 4096 + 1);
    void *verified = sop_alloc_zeroed(words * sizeof(uint64_t));
    sop_status status = SOP_OK;
    if (map == NULL || verified == NULL) {
        status = sop_fail(err, SOP_NO_MEMORY, "%s: no memory for the map", file->name);
        goto out;
    }
    void *data = NULL;
    status = sop_file_map(file, mapped, 0, &data, err);
    if (status != SOP_OK) goto out;
    map->segment = segment;
    map->kind = kind;
    map->references = 1;
    map->data = data;
    map->mapped = mapped;
    map->verified = verified;
    map->verified_memory = verified;
    *out = map;
    return SOP_OK;
out:
    sop_free(map);
    sop_free(verified);
    return status;
}

void sop_blob__map_free(sop_blobs *blobs, sop_segment_map *map)
{
    if (map == NULL) return;
    void *data;
    memcpy(&data, &map->data, sizeof data); /* unmapping is not writing */
    blobs->backend->ops->file_unmap(blobs->backend, data, map->mapped);
    sop_free(map->verified_memory);
    sop_free(map);
}

sop_status sop_blob__map_open(sop_blobs *blobs,
                              uint64_t segment,
                              uint32_t kind,
                              uint64_t size,
                              sop_segment_map **out,
                              sop_error *err)
{
    *out = NULL;
    char name[SOP_SEGMENT_NAME_SIZE];
    sop_blob__name(segment, name);
    sop_file *file = NULL;
    sop_status status = sop_file_open(blobs->backend, name, 0, &file, err);
    if (status != SOP_OK) return status;
    sop_segment_map *map = NULL;
    uint64_t there = 0;
    status = sop_file_size(file, &there, err);
    if (status != SOP_OK) goto out;
    uint64_t needed = size > SOP_SEGMENT_HEADER ? size : SOP_SEGMENT_HEADER;
    if (there < needed) {
        status = sop_fail(err, SOP_CORRUPT, "%s: has %" PRIu64 " bytes of %" PRIu64, file->name,
                          there, needed);
        goto out;
    }
    /* Another process may go on writing a segment of values. */
    int grows = kind != SOP_SEGMENT_NODES && there < SOP_VALUE_SEGMENT_MAX;
    status =
        sop_blob__map_new(file, segment, kind, grows ? SOP_VALUE_SEGMENT_MAX : there, &map, err);
    if (status != SOP_OK) goto out;
    SOP_ASSERT(map != NULL);
    status = header_check(blobs, file, segment, kind, map->data, err);
    if (status != SOP_OK) goto out;
    map->kind = sop_get_u32le(map->data + HEADER_KIND);
    /* What lies behind the bytes that somebody refers to may be another's, unfinished and not durable. */
    uint64_t usable = map->kind == SOP_SEGMENT_VALUES && size != 0 ? size : there;
    /* Relaxed: the map is not shared yet. */
    atomic_store_explicit(&map->size, usable, memory_order_relaxed);
    *out = map;
    map = NULL;
out:
    sop_blob__map_free(blobs, map);
    sop_file_close(file);
    return status;
}

sop_status sop_blob__map_grow(sop_blobs *blobs, sop_segment_map *map, uint64_t end, sop_error *err)
{
    char name[SOP_SEGMENT_NAME_SIZE];
    sop_blob__name(map->segment, name);
    sop_file *file = NULL;
    uint64_t there = 0;
    sop_status status = sop_file_open(blobs->backend, name, 0, &file, err);
    if (status != SOP_OK) return status;
    status = sop_file_size(file, &there, err);
    sop_file_close(file);
    if (status != SOP_OK) return status;
    if (there < end || map->mapped < end) {
        return sop_fail(err, SOP_CORRUPT, "%s: has %" PRIu64 " bytes of %" PRIu64, name,
                        there < map->mapped ? there : map->mapped, end);
    }
    sop_mutex_lock(&blobs->lock);
    /* Relaxed read: others grow it under the lock. Release pairs with the acquire of readers. */
    if (atomic_load_explicit(&map->size, memory_order_relaxed) < end) {
        atomic_store_explicit(&map->size, end, memory_order_release);
    }
    sop_mutex_unlock(&blobs->lock);
    return SOP_OK;
}
