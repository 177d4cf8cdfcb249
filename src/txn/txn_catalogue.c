/* SPDX-License-Identifier: MIT */
/* Byte forms that the engine keeps: superblock, catalogue rows, segment rows, bodies of CHECKPOINT. docs/format/catalogue.md. */
#include <string.h>

#include "txn/txn_engine.h"
#include "util/bytes.h"
#include "util/checksum.h"
#include "util/error.h"
#include "util/memory.h"

/* ---- superblock: 4,096 bytes, magic 8, major 4, minor 4, id 16, incarnation 16, zeros, checksum 8 at the end ---- */

enum { SUPERBLOCK_SIZE = 4096 };
static const char SUPERBLOCK_MAGIC[8] = {'S', 'O', 'P', '\r', '\n', 0x1a, '\n', 0};

sop_status sop_superblock_write(sop_backend *backend, const sop_superblock *block, sop_error *err)
{
    uint8_t *bytes = sop_alloc_zeroed(SUPERBLOCK_SIZE);
    if (bytes == NULL) return sop_fail(err, SOP_NO_MEMORY, "superblock: out of memory");
    memcpy(bytes, SUPERBLOCK_MAGIC, 8);
    sop_put_u32le(bytes + 8, block->format_major);
    sop_put_u32le(bytes + 12, block->format_minor);
    memcpy(bytes + 16, block->id, 16);
    memcpy(bytes + 32, block->incarnation, 16);
    sop_put_u64le(bytes + SUPERBLOCK_SIZE - 8, sop_checksum64(bytes, SUPERBLOCK_SIZE - 8, 0));
    sop_file *file = NULL;
    sop_status status = sop_file_open(backend, "SOP", SOP_FILE_WRITE | SOP_FILE_CREATE, &file, err);
    if (status == SOP_OK) status = sop_file_write(file, 0, bytes, SUPERBLOCK_SIZE, err);
    if (status == SOP_OK) status = sop_file_sync(file, err);
    sop_file_close(file);
    sop_free(bytes);
    return status;
}

static sop_status
superblock_parse(const sop_backend *b, const uint8_t *bytes, sop_superblock *out, sop_error *err)
{
    if (memcmp(bytes, SUPERBLOCK_MAGIC, 8) != 0) {
        return sop_fail(err, SOP_CORRUPT, "%s: file SOP is not a superblock of a SOP database",
                        b->url);
    }
    uint64_t stored = sop_get_u64le(bytes + SUPERBLOCK_SIZE - 8);
    if (stored != sop_checksum64(bytes, SUPERBLOCK_SIZE - 8, 0)) {
        return sop_fail(err, SOP_CORRUPT, "%s: file SOP, offset 0: checksum does not match",
                        b->url);
    }
    out->format_major = sop_get_u32le(bytes + 8);
    out->format_minor = sop_get_u32le(bytes + 12);
    memcpy(out->id, bytes + 16, 16);
    memcpy(out->incarnation, bytes + 32, 16);
    if (out->format_major != SOP_FORMAT_MAJOR) {
        return sop_fail(err, SOP_UNSUPPORTED,
                        "%s: format version %u.%u is not supported, this build knows %u.%u", b->url,
                        out->format_major, out->format_minor, SOP_FORMAT_MAJOR, SOP_FORMAT_MINOR);
    }
    return SOP_OK;
}

sop_status sop_superblock_read(sop_backend *backend, sop_superblock *out, sop_error *err)
{
    uint8_t *bytes = sop_alloc(SUPERBLOCK_SIZE);
    if (bytes == NULL) return sop_fail(err, SOP_NO_MEMORY, "superblock: out of memory");
    sop_file *file = NULL;
    sop_status status = sop_file_open(backend, "SOP", 0, &file, err);
    if (status == SOP_OK) status = sop_file_read_exact(file, 0, bytes, SUPERBLOCK_SIZE, err);
    if (status == SOP_OK) status = superblock_parse(backend, bytes, out, err);
    sop_file_close(file);
    sop_free(bytes);
    return status;
}

/* ---- segment rows ---- */

void sop_segment_row_encode(const sop_segment_row *row, uint8_t out[SOP_SEGMENT_ROW_SIZE])
{
    sop_put_u64le(out, row->segment);
    sop_put_u32le(out + 8, row->kind);
    sop_put_u64le(out + 12, row->size);
    sop_put_u64le(out + 20, row->live);
}

void sop_segment_row_decode(const uint8_t in[SOP_SEGMENT_ROW_SIZE], sop_segment_row *out)
{
    out->segment = sop_get_u64le(in);
    out->kind = sop_get_u32le(in + 8);
    out->size = sop_get_u64le(in + 12);
    out->live = sop_get_u64le(in + 20);
}

/* ---- catalogue rows: version 1, kind 1, name size 1, zero 1, inline_value_max 4, features 4, attributes size 4, load root size 4,
   load rows size 4, then name, attributes, load root, load rows, and with SOP_FEATURE_SPEC the specification ---- */

enum { ROW_HEADER = 24, ROW_VERSION = 1 };

void sop_catalogue_row_key(uint64_t id, uint8_t out[SOP_CATALOGUE_ROW_KEY_SIZE])
{
    out[0] = SOP_CATALOGUE_ROW;
    sop_put_u64be(out + 1, id);
}

static uint8_t *put_slice(uint8_t *p, sop_slice s)
{
    if (s.size != 0) memcpy(p, s.data, s.size);
    return p + s.size;
}

sop_status sop_catalogue_row_bytes(
    sop_value_source source, sop_slice value, int is_reference, sop_slice *out, sop_error *err)
{
    *out = value;
    if (!is_reference) return SOP_OK;
    sop_status status = sop_value_reference_check(value.data, value.size, err);
    if (status != SOP_OK) return status;
    uint64_t size = sop_value_reference_size(value.data);
    if (size > SOP_CATALOGUE_ROW_MAX) {
        return sop_fail(err, SOP_CORRUPT, "catalogue: a row of %llu bytes",
                        (unsigned long long)size);
    }
    return sop_value_reference_map(source.blobs, source.segments, value.data, out, err);
}

sop_status sop_catalogue_row_encode(const sop_catalogue_row *row,
                                    uint8_t **bytes_out,
                                    size_t *size_out,
                                    sop_error *err)
{
    size_t size = ROW_HEADER + row->name.size + row->attributes.size + row->load_root.size +
                  row->load_rows.size + row->spec.size;
    uint32_t features = row->features & ~(uint32_t)SOP_FEATURE_SPEC;
    if (row->spec.size != 0) features |= SOP_FEATURE_SPEC;
    uint8_t *bytes = sop_alloc_zeroed(size);
    *bytes_out = bytes;
    *size_out = size;
    if (bytes == NULL) return sop_fail(err, SOP_NO_MEMORY, "catalogue row: out of memory");
    bytes[0] = ROW_VERSION;
    bytes[1] = row->kind;
    bytes[2] = (uint8_t)row->name.size;
    sop_put_u32le(bytes + 4, row->inline_value_max);
    sop_put_u32le(bytes + 8, features);
    sop_put_u32le(bytes + 12, (uint32_t)row->attributes.size);
    sop_put_u32le(bytes + 16, (uint32_t)row->load_root.size);
    sop_put_u32le(bytes + 20, (uint32_t)row->load_rows.size);
    uint8_t *p = put_slice(bytes + ROW_HEADER, row->name);
    p = put_slice(p, row->attributes);
    p = put_slice(p, row->load_root);
    p = put_slice(p, row->load_rows);
    (void)put_slice(p, row->spec);
    return SOP_OK;
}

sop_status
sop_catalogue_row_decode(uint64_t id, sop_slice bytes, sop_catalogue_row *out, sop_error *err)
{
    const uint8_t *p = bytes.data;
    *out = (sop_catalogue_row){.id = id};
    if (bytes.size < ROW_HEADER || p[0] != ROW_VERSION) {
        return sop_fail(err, SOP_CORRUPT, "catalogue row of store %llu: bad header",
                        (unsigned long long)id);
    }
    size_t name = p[2];
    size_t attributes = sop_get_u32le(p + 12);
    size_t root = sop_get_u32le(p + 16);
    size_t rows = sop_get_u32le(p + 20);
    size_t sum = name + attributes + root + rows;
    size_t left = bytes.size - ROW_HEADER;
    int has_spec = (sop_get_u32le(p + 8) & SOP_FEATURE_SPEC) != 0;
    if (sum > left || (!has_spec && sum != left) || (root != 0 && root != SOP_BTREE_ROW_SIZE) ||
        rows % SOP_SEGMENT_ROW_SIZE != 0) {
        return sop_fail(err, SOP_CORRUPT, "catalogue row of store %llu: sizes do not add up",
                        (unsigned long long)id);
    }
    out->kind = p[1];
    out->inline_value_max = sop_get_u32le(p + 4);
    out->features = sop_get_u32le(p + 8);
    p += ROW_HEADER;
    out->name = sop_slice_of(p, name);
    out->attributes = sop_slice_of(p + name, attributes);
    out->load_root = sop_slice_of(p + name + attributes, root);
    out->load_rows = sop_slice_of(p + name + attributes + root, rows);
    out->spec = sop_slice_of(p + sum, left - sum);
    return SOP_OK;
}

/* ---- CHECKPOINT ---- */

enum { CHECKPOINT_HEADER = 8 + SOP_WAL_PLACE_SIZE };

sop_status
sop_checkpoint_body__encode(const sop_checkpoint_body *body, uint8_t **out, size_t *size_out)
{
    size_t size = CHECKPOINT_HEADER + body->descriptor.size;
    uint8_t *bytes = sop_alloc(size);
    *out = bytes;
    *size_out = size;
    if (bytes == NULL) return SOP_NO_MEMORY;
    sop_put_u64le(bytes, body->base_seq);
    sop_wal_place_encode(&body->freeze, bytes + 8);
    (void)put_slice(bytes + CHECKPOINT_HEADER, body->descriptor);
    return SOP_OK;
}

sop_status sop_checkpoint_body__decode(sop_slice bytes, sop_checkpoint_body *out, sop_error *err)
{
    if (bytes.size < CHECKPOINT_HEADER) {
        return sop_fail(err, SOP_CORRUPT, "CHECKPOINT record has only %zu bytes", bytes.size);
    }
    const uint8_t *p = bytes.data;
    out->base_seq = sop_get_u64le(p);
    sop_wal_place_decode(p + 8, &out->freeze);
    out->descriptor = sop_slice_of(p + CHECKPOINT_HEADER, bytes.size - CHECKPOINT_HEADER);
    return SOP_OK;
}
