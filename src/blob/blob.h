/* SPDX-License-Identifier: MIT */
/*
 * Segments: append-only files of immutable blobs (tree nodes, large values, sorted runs), written
 * once, names never reused.
 *
 * blob-1  A segment belongs to one incarnation: its file is seg/<short incarnation, 10 hex>.<n, 6
 * hex>. blob-2  Bytes that an address names never change; a segment file is only ever appended to,
 * then removed whole. blob-3  A segment starts with a 4,096-byte header (docs/format/segment.md);
 * blobs follow at 64-byte boundaries. blob-4  A map once handed out stays readable until the last
 * segment set that holds it is released.
 */
#ifndef SOP_BLOB_BLOB_H
#define SOP_BLOB_BLOB_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "sop/types.h"

#include "backend/backend.h"
#include "util/compiler.h"

/* 16 bytes on disk, both little-endian: segment = short incarnation << 24 | n; place = offset << 24
 * | length. All zero: none. */
typedef struct {
    uint64_t segment;
    uint64_t place;
} sop_address;
#define SOP_ADDRESS_SIZE   16u
#define SOP_BLOB_SIZE_MAX  ((1u << 24) - 1)
#define SOP_BLOB_ALIGN     64u
#define SOP_SEGMENT_HEADER 4096u

SOP_INLINE uint64_t sop_address_offset(sop_address a)
{
    return a.place >> 24;
}
SOP_INLINE uint32_t sop_address_length(sop_address a)
{
    return (uint32_t)(a.place & 0xffffff);
}
SOP_INLINE int sop_address_is_none(sop_address a)
{
    return a.segment == 0;
}
SOP_INLINE sop_address sop_address_make(uint64_t segment, uint64_t offset, uint32_t length)
{
    sop_address a = {segment, offset << 24 | length};
    return a;
}
/* What a blob takes in its segment: the unit in which live and dead bytes are counted. */
SOP_INLINE uint64_t sop_address_footprint(sop_address a)
{
    return ((uint64_t)sop_address_length(a) + (SOP_BLOB_ALIGN - 1)) &
           ~(uint64_t)(SOP_BLOB_ALIGN - 1);
}

enum { SOP_SEGMENT_NODES = 1, SOP_SEGMENT_VALUES = 2, SOP_SEGMENT_RUNS = 3 };

/* One row of the segment table that each checkpoint stores. */
typedef struct {
    uint64_t segment;
    uint32_t kind;
    uint64_t size; /* bytes of the file that are in use, header included */
    uint64_t live; /* bytes that something refers to: the sum of footprints, so 0 when all blobs are
                      dead */
} sop_segment_row;

/* Everything about segments of one open database. Thread-safe. */
typedef struct sop_blobs sop_blobs;
/* An unchanging set of mapped segments, reference-counted; a base holds one. */
typedef struct sop_segments sop_segments;
/* Appends blobs to new segments of this incarnation. One thread at a time. */
typedef struct sop_blob_writer sop_blob_writer;

/* short_incarnation: 40 bits, not 0, unused in folder "seg" so far: numbers n start at 1. */
SOP_MUST_CHECK sop_status sop_blobs_open(sop_backend *backend,
                                         const uint8_t database_id[16],
                                         uint64_t short_incarnation,
                                         sop_blobs **out,
                                         sop_error *err);
void sop_blobs_close(sop_blobs *blobs);

/* Maps every segment of the table (size compared: shorter is SOP_CORRUPT, missing SOP_NOT_FOUND),
 * closes the descriptors. */
SOP_MUST_CHECK sop_status sop_segments_open(sop_blobs *blobs,
                                            const sop_segment_row *rows,
                                            size_t count,
                                            sop_segments **out,
                                            sop_error *err);
sop_segments *sop_segments_acquire(sop_segments *segments);
void sop_segments_release(sop_segments *segments); /* NULL allowed */
size_t sop_segments_count(const sop_segments *segments);

/* Private to the room; here only so that sop_blob_read is inlined. */
typedef struct {
    uint64_t segment; /* 0: a free slot */
    const uint8_t *data;
    uint64_t size;              /* of a node segment; 0 for other kinds, which take the slow way */
    _Atomic uint64_t *verified; /* one bit for each 64 bytes */
    struct sop_segment_map *map;
} sop_segment_slot;
struct sop_segments {
    sop_segment_slot *slots; /* open addressing, at most half full */
    uint32_t mask;
    uint32_t shift;
    _Atomic uint32_t references;
    uint32_t count;
    uint64_t sequence; /* of creation; guarded by the lock of blobs, as the links */
    sop_blobs *blobs;
    sop_segments *older;
    sop_segments *newer;
};

/* The slot of a segment, or NULL when the set does not hold it. */
SOP_INLINE const sop_segment_slot *sop_segments_slot(const sop_segments *segments, uint64_t segment)
{
    uint32_t i = (uint32_t)((segment * 0x9e3779b97f4a7c15u) >> segments->shift);
    for (;; i++) {
        const sop_segment_slot *slot = &segments->slots[i & segments->mask];
        if (SOP_LIKELY(slot->segment == segment)) return slot;
        if (slot->segment == 0) return NULL;
    }
}

SOP_MUST_CHECK sop_status sop_blob_read_slow(const sop_segments *segments,
                                             sop_address address,
                                             const uint8_t **out,
                                             int *first_out,
                                             sop_error *err);

/*
 * The bytes of a blob, in the map. *first_out is 1 until the caller says sop_blob_verified for it:
 * the first use by this process verifies checksums. Only blobs of node segments remember that;
 * others are always new. Segments outside the set (values written since the base) are looked up in
 * the registry. SOP_CORRUPT: the address leaves the segment or the segment is unknown. Cost: one
 * hash probe and one bit test; no lock when the segment is in the set.
 */
SOP_INLINE SOP_MUST_CHECK sop_status sop_blob_read(const sop_segments *segments,
                                                   sop_address address,
                                                   const uint8_t **out,
                                                   int *first_out,
                                                   sop_error *err)
{
    const sop_segment_slot *slot = sop_segments_slot(segments, address.segment);
    uint64_t offset = sop_address_offset(address);
    if (SOP_LIKELY(slot != NULL && offset < slot->size)) {
        /* Relaxed: the bit speaks of bytes that never change; nothing is published by it. */
        uint64_t word = atomic_load_explicit(&slot->verified[offset >> 12], memory_order_relaxed);
        if (SOP_LIKELY((word >> ((offset >> 6) & 63)) & 1)) {
            /* Rounded, so that even an absurd address can only name a blob that was verified. */
            *out = slot->data + (offset & ~(uint64_t)(SOP_BLOB_ALIGN - 1));
            *first_out = 0;
            return SOP_OK;
        }
    }
    return sop_blob_read_slow(segments, address, out, first_out, err);
}
void sop_blob_verified(const sop_segments *segments, sop_address address);
/* Asks the processor for the first lines of a blob. */
SOP_INLINE void sop_blob_prefetch(const sop_segments *segments, sop_address address)
{
    const sop_segment_slot *slot = sop_segments_slot(segments, address.segment);
    uint64_t offset = sop_address_offset(address);
    if (slot == NULL || offset >= slot->size) return;
    for (unsigned i = 0; i < 4; i++) {
        SOP_PREFETCH(slot->data + offset + (size_t)i * SOP_CACHE_LINE);
    }
}

/* The writer starts a segment at the first append and a new one when segment_bytes_max is reached.
   Writes are buffered in 4 MiB chunks (direct where possible). */
SOP_MUST_CHECK sop_status sop_blob_writer_new(sop_blobs *blobs,
                                              uint32_t kind,
                                              uint64_t segment_bytes_max,
                                              sop_blob_writer **out,
                                              sop_error *err);
/* Where the next blob of that size will lie (a node stores its own address); starts a new segment
 * if needed. */
SOP_MUST_CHECK sop_status sop_blob_writer_place(sop_blob_writer *writer,
                                                size_t size,
                                                sop_address *address_out,
                                                sop_error *err);
/* Where the bytes of the blob just placed may be made, to save copying them: append then takes this very pointer. NULL when
   the place is cut by the end of a chunk. */
void *sop_blob_writer_room(sop_blob_writer *writer);
/* Appends exactly at the place just given by sop_blob_writer_place. */
SOP_MUST_CHECK sop_status sop_blob_writer_append(sop_blob_writer *writer,
                                                 const void *data,
                                                 size_t size,
                                                 sop_error *err);
/* Writes out, syncs the files and folder "seg". Rows of the new segments stay valid until free;
 * live is all but the header. */
SOP_MUST_CHECK sop_status sop_blob_writer_finish(sop_blob_writer *writer,
                                                 const sop_segment_row **rows_out,
                                                 size_t *count_out,
                                                 sop_error *err);
/* Sum of the footprints of all blobs appended so far. */
uint64_t sop_blob_writer_bytes(const sop_blob_writer *writer);
/* Frees; without finish before it, removes the files it made. NULL allowed. */
void sop_blob_writer_free(sop_blob_writer *writer);

/* Removes a segment file. Maps of it stay readable until released. */
SOP_MUST_CHECK sop_status sop_segment_remove(sop_blobs *blobs, uint64_t segment, sop_error *err);
/* Lists all segment files (also those not in any table). */
typedef sop_status (*sop_segment_fn)(uint64_t segment, uint64_t size, void *context);
SOP_MUST_CHECK sop_status sop_segments_list(sop_blobs *blobs,
                                            sop_segment_fn fn,
                                            void *context,
                                            sop_error *err);

/*
 * Large values. A reference is 32 bytes: size (8), root address (16), levels (1), zeros (7). Level
 * 0: the address names one extent. Level n: it names a blob of 16-byte addresses of level n-1. An
 * extent is data, then one XXH3-64 for each 64 KiB of it (the last piece may be shorter); at most
 * 128 pieces (8 MiB), so a value up to 8 MiB is contiguous.
 */
#define SOP_VALUE_REFERENCE_SIZE 32u
#define SOP_VALUE_PIECE          65536u
#define SOP_VALUE_EXTENT_MAX     (8u << 20)

typedef struct sop_value_stream sop_value_stream;

/* Large values of all transactions of this process share value segments; each stream appends to the
   current one. Bytes in memory stay below 16 MiB a stream. start_reference: NULL, or 32 bytes of a
   value to append to (shares its full extents). */
SOP_MUST_CHECK sop_status sop_value_stream_open(sop_blobs *blobs,
                                                const sop_segments *segments,
                                                const uint8_t *start_reference,
                                                sop_value_stream **out,
                                                sop_error *err);
SOP_MUST_CHECK sop_status sop_value_stream_write(sop_value_stream *stream,
                                                 const void *data,
                                                 size_t size,
                                                 sop_error *err);
/* Completes the value; not yet durable: see sop_blobs_sync_values. */
SOP_MUST_CHECK sop_status sop_value_stream_finish(sop_value_stream *stream,
                                                  uint8_t reference_out[SOP_VALUE_REFERENCE_SIZE],
                                                  sop_error *err);
void sop_value_stream_free(
    sop_value_stream *stream); /* NULL allowed; the bytes become dead space */

/* Makes all finished streams durable (files, and folder "seg" after a file was created). Concurrent
 * callers share syncs. */
SOP_MUST_CHECK sop_status sop_blobs_sync_values(sop_blobs *blobs, sop_error *err);
/* The value segments of this process so far, for the segment table; live = 0 (the caller counts
 * references). */
size_t sop_blobs_value_segments(sop_blobs *blobs, sop_segment_row *rows, size_t capacity);
/* Makes a segment that the log refers to (written by an earlier process) known to the registry. */
SOP_MUST_CHECK sop_status sop_blobs_adopt(sop_blobs *blobs, uint64_t segment, sop_error *err);
/* The same for a blob of a large value that the log refers to: its segment is usable up to the end of the blob. */
SOP_MUST_CHECK sop_status sop_blobs_adopt_blob(sop_blobs *blobs,
                                               sop_address address,
                                               sop_error *err);
/* The next large value starts a new segment (so that a checkpoint may account for the old ones). */
void sop_blobs_seal_values(sop_blobs *blobs);

uint64_t sop_value_reference_size(const uint8_t reference[SOP_VALUE_REFERENCE_SIZE]);
SOP_MUST_CHECK sop_status sop_value_reference_check(const uint8_t *reference,
                                                    size_t size,
                                                    sop_error *err);
/* Where the blobs of values are found. segments may be NULL: only what this process wrote or adopted. */
typedef struct {
    sop_blobs *blobs;
    const sop_segments *segments;
} sop_value_source;
/* Reads [offset, offset + *size) cut at the end of the value; verifies the pieces it touches. *size becomes the bytes read. */
SOP_MUST_CHECK sop_status sop_value_reference_read(sop_value_source source,
                                                   const uint8_t *reference,
                                                   uint64_t offset,
                                                   void *buffer,
                                                   size_t *size,
                                                   sop_error *err);
/* The whole value without a copy when it is one extent: SOP_OK and the slice in the map;
 * SOP_UNSUPPORTED when it is not. */
SOP_MUST_CHECK sop_status sop_value_reference_map(sop_blobs *blobs,
                                                  const sop_segments *segments,
                                                  const uint8_t *reference,
                                                  sop_slice *out,
                                                  sop_error *err);
/* Calls fn for every blob of the value (extents and lists) with its address: space accounting,
 * check, backup. */
typedef sop_status (*sop_address_fn)(sop_address address, void *context);
SOP_MUST_CHECK sop_status sop_value_reference_walk(sop_blobs *blobs,
                                                   const sop_segments *segments,
                                                   const uint8_t *reference,
                                                   sop_address_fn fn,
                                                   void *context,
                                                   sop_error *err);

#endif
