/* SPDX-License-Identifier: MIT */
/* Appends blobs to new segments in aligned chunks of 4 MiB. */
#include <inttypes.h>
#include <string.h>

#include "blob/blob.h"
#include "blob/blob_private.h"
#include "util/assert.h"
#include "util/bytes.h"
#include "util/error.h"
#include "util/memory.h"
#include "util/rule.h"

#define CHUNK_SIZE  ((size_t)4 << 20)
#define CHUNK_ALIGN ((size_t)2 << 20) /* huge pages where the kernel likes to give them */

typedef struct {
    sop_segment_row row;
    sop_file *file; /* closed by finish */
} writer_segment;

/* The last of segments is the one being written, if open is set. */
struct sop_blob_writer {
    sop_blobs *blobs;
    uint32_t kind;
    int open;
    int failed;
    int finished;
    uint32_t folder_failures; /* of the folder before the first segment */
    uint64_t segment_bytes_max;
    uint8_t *chunk;
    uint64_t chunk_offset; /* in the file, of the first byte of chunk */
    size_t used;           /* bytes of chunk, a multiple of 64 */
    uint64_t bytes;
    sop_address placed;
    writer_segment *segments;
    sop_segment_row *rows; /* made by finish */
    size_t count;
    size_t capacity;
};

sop_status sop_blob_writer_new(sop_blobs *blobs,
                               uint32_t kind,
                               uint64_t segment_bytes_max,
                               sop_blob_writer **out,
                               sop_error *err)
{
    *out = NULL;
    SOP_ASSERT(kind >= SOP_SEGMENT_NODES && kind <= SOP_SEGMENT_RUNS);
    sop_blob_writer *writer = sop_alloc_zeroed(sizeof *writer);
    if (writer == NULL) return sop_fail(err, SOP_NO_MEMORY, "no memory for a segment writer");
    writer->blobs = blobs;
    writer->kind = kind;
    writer->segment_bytes_max = segment_bytes_max;
    writer->folder_failures = sop_blob__folder_failures(blobs);
    *out = writer;
    return SOP_OK;
}

/* Writes out the chunk, whose used bytes are padded with zeros to the alignment of the medium. */
static sop_status chunk_flush(sop_blob_writer *writer, sop_error *err)
{
    if (writer->used == 0) return SOP_OK;
    size_t size = (size_t)sop_round_up(writer->used, SOP_DIRECT_ALIGN);
    memset(writer->chunk + writer->used, 0, size - writer->used);
    sop_file *file = writer->segments[writer->count - 1].file;
    sop_status status = sop_file_write(file, writer->chunk_offset, writer->chunk, size, err);
    if (status != SOP_OK) {
        writer->failed = 1;
        return status;
    }
    writer->chunk_offset += writer->used;
    writer->used = 0;
    return SOP_OK;
}

static uint64_t writer_offset(const sop_blob_writer *writer)
{
    return writer->chunk_offset + writer->used;
}

static sop_status segment_end(sop_blob_writer *writer, sop_error *err)
{
    if (!writer->open) return SOP_OK;
    sop_segment_row *row = &writer->segments[writer->count - 1].row;
    row->size = writer_offset(writer);
    row->live = row->size - SOP_SEGMENT_HEADER;
    sop_status status = chunk_flush(writer, err);
    if (status == SOP_OK) writer->open = 0;
    return status;
}

static sop_status segment_begin(sop_blob_writer *writer, sop_error *err)
{
    if (writer->chunk == NULL) {
        writer->chunk = sop_alloc_aligned(CHUNK_ALIGN, CHUNK_SIZE);
        if (writer->chunk == NULL) {
            return sop_fail(err, SOP_NO_MEMORY, "no memory for a chunk of %zu bytes", CHUNK_SIZE);
        }
    }
    if (writer->count == writer->capacity) {
        size_t capacity = writer->capacity == 0 ? 8 : writer->capacity * 2;
        void *grown = sop_realloc(writer->segments, capacity * sizeof *writer->segments);
        if (grown == NULL) {
            return sop_fail(err, SOP_NO_MEMORY, "no memory for %zu segments", capacity);
        }
        writer->segments = grown;
        writer->capacity = capacity;
    }
    uint64_t segment = 0;
    sop_file *file = NULL;
    sop_status status = sop_blob__create(writer->blobs, &segment, &file, err);
    if (status != SOP_OK) return status;
    writer_segment *fresh = &writer->segments[writer->count++];
    *fresh = (writer_segment){.row = {.segment = segment, .kind = writer->kind}, .file = file};
    sop_blob__header_encode(writer->blobs->database_id, segment, writer->kind, writer->chunk);
    writer->chunk_offset = 0;
    writer->used = SOP_SEGMENT_HEADER;
    writer->open = 1;
    return SOP_OK;
}

static sop_status check_usable(const sop_blob_writer *writer, sop_error *err)
{
    SOP_ASSERT(!writer->finished);
    if (!writer->failed) return SOP_OK;
    return sop_fail(err, SOP_IO, "segment writer: an earlier write has failed");
}

sop_status sop_blob_writer_place(sop_blob_writer *writer,
                                 size_t size,
                                 sop_address *address_out,
                                 sop_error *err)
{
    SOP_ASSERT(size > 0);
    sop_status status = check_usable(writer, err);
    if (status != SOP_OK) return status;
    if (size > SOP_BLOB_SIZE_MAX) {
        return sop_fail(err, SOP_TOO_LARGE, "blob of %zu bytes exceeds %u", size,
                        (unsigned)SOP_BLOB_SIZE_MAX);
    }
    if (writer->open && writer_offset(writer) > SOP_SEGMENT_HEADER &&
        writer_offset(writer) + size > writer->segment_bytes_max) {
        status = segment_end(writer, err);
        if (status != SOP_OK) return status;
    }
    if (!writer->open) {
        status = segment_begin(writer, err);
        if (status != SOP_OK) return status;
    }
    uint64_t segment = writer->segments[writer->count - 1].row.segment;
    writer->placed = sop_address_make(segment, writer_offset(writer), (uint32_t)size);
    *address_out = writer->placed;
    return SOP_OK;
}

/* Appends bytes to the chunk, writing it out whenever it is full. */
static sop_status
chunk_put(sop_blob_writer *writer, const uint8_t *data, size_t size, sop_error *err)
{
    while (size > 0) {
        size_t part = CHUNK_SIZE - writer->used;
        if (part > size) part = size;
        if (data == NULL) {
            memset(writer->chunk + writer->used, 0, part);
        } else {
            if (data != writer->chunk + writer->used) {
                memcpy(writer->chunk + writer->used, data, part);
            }
            data += part;
        }
        writer->used += part;
        size -= part;
        if (writer->used == CHUNK_SIZE) {
            sop_status status = chunk_flush(writer, err);
            if (status != SOP_OK) return status;
        }
    }
    return SOP_OK;
}

void *sop_blob_writer_room(sop_blob_writer *writer)
{
    SOP_ASSERT(writer->open && sop_address_offset(writer->placed) == writer_offset(writer));
    size_t size = sop_address_length(writer->placed);
    return size <= CHUNK_SIZE - writer->used ? writer->chunk + writer->used : NULL;
}

sop_status
sop_blob_writer_append(sop_blob_writer *writer, const void *data, size_t size, sop_error *err)
{
    sop_status status = check_usable(writer, err);
    if (status != SOP_OK) return status;
    SOP_ASSERT(writer->open && size == sop_address_length(writer->placed));
    SOP_ASSERT(sop_address_offset(writer->placed) == writer_offset(writer));
    size_t footprint = (size_t)sop_address_footprint(writer->placed);
    status = chunk_put(writer, data, size, err);
    if (status == SOP_OK) status = chunk_put(writer, NULL, footprint - size, err);
    if (status != SOP_OK) return status;
    writer->bytes += footprint;
    writer->placed = (sop_address){0};
    return SOP_OK;
}

sop_status sop_blob_writer_finish(sop_blob_writer *writer,
                                  const sop_segment_row **rows_out,
                                  size_t *count_out,
                                  sop_error *err)
{
    *rows_out = NULL;
    *count_out = 0;
    sop_status status = check_usable(writer, err);
    if (status != SOP_OK) return status;
    status = segment_end(writer, err);
    if (status != SOP_OK) return status;
    writer->rows = sop_alloc_array(writer->count, sizeof *writer->rows);
    if (writer->rows == NULL) return sop_fail(err, SOP_NO_MEMORY, "no memory for segment rows");
    for (size_t i = 0; i < writer->count; i++) {
        writer->rows[i] = writer->segments[i].row;
        status = SOP_RULE(DURABLE) ? sop_file_sync(writer->segments[i].file, err) : SOP_OK;
        if (status != SOP_OK) goto failed;
        sop_file_close(writer->segments[i].file);
        writer->segments[i].file = NULL;
    }
    if (writer->count > 0 && SOP_RULE(DIRSYNC)) {
        status = sop_blob__folder_sync(writer->blobs, writer->folder_failures, err);
        if (status != SOP_OK) goto failed;
    }
    writer->finished = 1;
    *rows_out = writer->rows;
    *count_out = writer->count;
    return SOP_OK;
failed:
    writer->failed = 1;
    return status;
}

uint64_t sop_blob_writer_bytes(const sop_blob_writer *writer)
{
    return writer->bytes;
}

void sop_blob_writer_free(sop_blob_writer *writer)
{
    if (writer == NULL) return;
    sop_backend *backend = writer->blobs->backend;
    for (size_t i = 0; i < writer->count; i++) {
        sop_file_close(writer->segments[i].file);
        if (writer->finished) continue;
        char name[SOP_SEGMENT_NAME_SIZE];
        sop_blob__name(writer->segments[i].row.segment, name);
        /* A file that cannot be removed stays behind unreferenced; the next clean-up finds it. */
        (void)!backend->ops->remove(backend, name, NULL);
    }
    sop_free(writer->rows);
    sop_free(writer->segments);
    sop_free(writer->chunk);
    sop_free(writer);
}
