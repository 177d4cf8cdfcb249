/* SPDX-License-Identifier: MIT */
/* What the files of the blob room share: segment maps, the registry, shared value segments. */
#ifndef SOP_BLOB_BLOB_PRIVATE_H
#define SOP_BLOB_BLOB_PRIVATE_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "sop/types.h"

#include "blob/blob.h"
#include "util/mutex.h"

/* "seg/" + 10 hex + "." + 6 hex. */
#define SOP_SEGMENT_NAME_SIZE 24u
#define SOP_SEGMENT_VERSION   1u

/* Values of all streams go to segments of at most this size. */
#define SOP_VALUE_SEGMENT_MAX (256u << 20)
#define SOP_VALUE_FAN_OUT     4096u
#define SOP_VALUE_LEVELS_MAX  3u
#define SOP_VALUE_SIZE_MAX    ((uint64_t)1 << 48)

enum { SOP_REGISTRY_BUCKETS = 512 };

/* One mapped segment file, shared by all sets that hold it. */
typedef struct sop_segment_map {
    uint64_t segment;
    uint32_t kind;
    uint32_t references; /* sets that hold it, one more when pinned; guarded by lock */
    int pinned;          /* lives without a set; guarded by lock */
    int retired;         /* file removed, pin ends with the sets of that time; guarded by lock */
    uint64_t retired_at; /* sequence of the newest set at that time; guarded by lock */
    const uint8_t *data;
    uint64_t mapped;            /* bytes of address space */
    _Atomic uint64_t size;      /* bytes that may be touched */
    _Atomic uint64_t *verified; /* one bit for each 64 bytes of mapped */
    void *verified_memory;      /* the same, as it came from the heap */
    struct sop_segment_map *next;
} sop_segment_map;

/* One value segment of this process that still has a file to write or sync. */
typedef struct sop_value_file {
    uint64_t segment;
    sop_file *file;
    sop_segment_map *map;
    uint64_t end;     /* first byte not reserved */
    uint32_t writers; /* writes and syncs under way */
    int dirty;        /* written since its last sync began */
    int sealed;       /* takes no more values */
    struct sop_value_file *next;
} sop_value_file;

/* Everything here is guarded by lock. */
typedef struct {
    sop_mutex lock;
    sop_cond synced_changed;
    sop_value_file *files; /* the first one is current unless sealed */
    uint64_t finished;     /* counts writes that are complete */
    uint64_t synced;       /* all writes up to this one are durable */
    int syncing;
    int creating;
    int folder_dirty;
    uint32_t folder_failures; /* of the folder before the first file that made it dirty */
    sop_error failure;        /* of the first failed sync: final, since what it lost is unknown */
} sop_value_files;

struct sop_blobs {
    sop_backend *backend;
    uint8_t database_id[16];
    uint64_t short_incarnation;
    _Atomic uint32_t next_n;
    sop_mutex lock;
    sop_segment_map *buckets[SOP_REGISTRY_BUCKETS]; /* guarded by lock */
    sop_segments *oldest;                           /* guarded by lock */
    sop_segments *newest;                           /* guarded by lock */
    uint64_t sequence;                              /* of the newest set ever; guarded by lock */
    sop_value_files values;
    sop_mutex folder_lock; /* held while the folder is synced */
    _Atomic uint32_t
        folder_failures; /* syncs of the folder that failed; written under folder_lock */
};

/* --- blob_file.c: names, headers, maps --- */
void sop_blob__name(uint64_t segment, char out[SOP_SEGMENT_NAME_SIZE]);
/* 0 unless text is the file name of a segment (without folder). */
uint64_t sop_blob__parse_name(const char *text);
void sop_blob__header_encode(const uint8_t database_id[16],
                             uint64_t segment,
                             uint32_t kind,
                             uint8_t *out);
/* Makes the next file of this incarnation, still without its header. */
SOP_MUST_CHECK sop_status sop_blob__create(sop_blobs *blobs,
                                           uint64_t *segment_out,
                                           sop_file **file_out,
                                           sop_error *err);
/* How many syncs of the folder have failed so far: asked before a file is made. */
uint32_t sop_blob__folder_failures(sop_blobs *blobs);
/* Makes the entries of new files durable. failures_before: what sop_blob__folder_failures said before the first of them was made. */
SOP_MUST_CHECK sop_status sop_blob__folder_sync(sop_blobs *blobs,
                                                uint32_t failures_before,
                                                sop_error *err);
/* A map of a file that is being written (header and size come later). */
SOP_MUST_CHECK sop_status sop_blob__map_new(sop_file *file,
                                            uint64_t segment,
                                            uint32_t kind,
                                            uint64_t mapped,
                                            sop_segment_map **out,
                                            sop_error *err);
/* Opens, checks and maps an existing segment. kind 0: any. size: bytes it must have, 0: whatever is
 * there. */
SOP_MUST_CHECK sop_status sop_blob__map_open(sop_blobs *blobs,
                                             uint64_t segment,
                                             uint32_t kind,
                                             uint64_t size,
                                             sop_segment_map **out,
                                             sop_error *err);
void sop_blob__map_free(sop_blobs *blobs, sop_segment_map *map); /* NULL allowed */
/* Another process has written on up to `end`. The caller holds a reference, not the lock. */
SOP_MUST_CHECK sop_status sop_blob__map_grow(sop_blobs *blobs,
                                             sop_segment_map *map,
                                             uint64_t end,
                                             sop_error *err);

/* --- blob_set.c: the registry --- */
/* The map of a segment: in the set (may be NULL), else in the registry; NULL when unknown. */
sop_segment_map *sop_blob__find(sop_blobs *blobs, const sop_segments *segments, uint64_t segment);
void sop_blob__register(sop_blobs *blobs, sop_segment_map *map); /* pinned, one reference */
/* The bytes of an address, bounds checked; any kind of segment. */
SOP_MUST_CHECK sop_status sop_blob__locate(sop_blobs *blobs,
                                           const sop_segments *segments,
                                           sop_address address,
                                           sop_segment_map **map_out,
                                           const uint8_t **out,
                                           sop_error *err);
SOP_INLINE int sop_blob__bit_get(const sop_segment_map *map, uint64_t offset)
{
    /* Relaxed, as in sop_blob_read. */
    return (int)(atomic_load_explicit(&map->verified[offset >> 12], memory_order_relaxed) >>
                     ((offset >> 6) & 63) &
                 1);
}
SOP_INLINE void sop_blob__bit_set(const sop_segment_map *map, uint64_t offset)
{
    atomic_fetch_or_explicit(&map->verified[offset >> 12], (uint64_t)1 << ((offset >> 6) & 63),
                             memory_order_relaxed);
}

/* --- blob_values.c: shared value segments --- */
/* Writes size bytes (a multiple of align from a buffer of align, both 64 or SOP_DIRECT_ALIGN) as
   one blob of length bytes. seal is called when the place is known and before the bytes are
   written: checksums depend on the place. */
typedef void (*sop_value_seal_fn)(void *context, sop_address address);
typedef struct {
    const uint8_t *data;
    uint32_t length;
    uint32_t align;
    sop_value_seal_fn seal;
    void *context;
} sop_value_blob;
SOP_MUST_CHECK sop_status sop_blob__value_write(sop_blobs *blobs,
                                                const sop_value_blob *blob,
                                                sop_address *address_out,
                                                sop_error *err);
void sop_blob__values_close(sop_blobs *blobs);

/* --- blob_reference.c: the 32 bytes and the blobs behind them --- */
typedef struct {
    uint64_t size;
    sop_address root;
    uint32_t levels;
} sop_value_reference;
SOP_INLINE uint64_t sop_blob__extents(uint64_t size)
{
    return (size + SOP_VALUE_EXTENT_MAX - 1) / SOP_VALUE_EXTENT_MAX;
}
SOP_INLINE uint32_t sop_blob__pieces(uint64_t data_size)
{
    return (uint32_t)((data_size + SOP_VALUE_PIECE - 1) / SOP_VALUE_PIECE);
}
/* The seed binds a checksum to its place, so that a misplaced read is noticed. */
SOP_INLINE uint64_t sop_blob__seed(sop_address address, uint64_t piece)
{
    return address.segment ^ (sop_address_offset(address) + piece * SOP_VALUE_PIECE);
}
/* Smallest number of list levels that reach that many extents. */
uint32_t sop_blob__levels(uint64_t extents);
/* Extents below one entry of a list of that level (level 1: 1). */
uint64_t sop_blob__span(uint32_t level);
void sop_blob__reference_encode(const sop_value_reference *reference, uint8_t *out);
SOP_MUST_CHECK sop_status sop_blob__reference_decode(const uint8_t *data,
                                                     size_t size,
                                                     sop_value_reference *out,
                                                     sop_error *err);
/* A list blob of count addresses, verified. */
SOP_MUST_CHECK sop_status sop_blob__list_read(sop_value_source source,
                                              sop_address address,
                                              uint64_t count,
                                              const uint8_t **out,
                                              sop_error *err);
typedef struct {
    sop_address address;
    uint64_t data_size;
} sop_value_extent;
/* The data of an extent; the pieces that [from, to) touches are verified. */
SOP_MUST_CHECK sop_status sop_blob__extent_read(sop_value_source source,
                                                sop_value_extent extent,
                                                uint64_t from,
                                                uint64_t to,
                                                const uint8_t **out,
                                                sop_error *err);
SOP_INLINE sop_address sop_blob__address_get(const uint8_t *p)
{
    sop_address a;
    __builtin_memcpy(&a.segment, p, 8);
    __builtin_memcpy(&a.place, p + 8, 8);
    return a;
}

#endif
