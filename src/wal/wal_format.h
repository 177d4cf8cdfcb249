/* SPDX-License-Identifier: MIT */
/* Private to the room: bytes of frames, file headers, names. No I/O. Byte tables:
 * docs/format/wal.md. */
#ifndef SOP_WAL_WAL_FORMAT_H
#define SOP_WAL_WAL_FORMAT_H

#include <stddef.h>
#include <stdint.h>

#include "sop/types.h"

#include "util/bytes.h"
#include "util/checksum.h"
#include "util/compiler.h"
#include "wal/wal.h"

#define SOP_WAL__FRAME_MAGIC   0x46504f53u /* "SOPF" */
#define SOP_WAL__FRAME_VERSION 1u
#define SOP_WAL__SPACING       8u  /* frames start at multiples of it */
#define SOP_WAL__NAME_SIZE     24u /* "log/0123456789.abcdef" and the end */
#define SOP_WAL__HEAD_NAME_MAX 112u

#define SOP_WAL__TXN_TYPE_MAX 63u

/* A signed distance as a number that is small when the distance is. */
SOP_INLINE uint64_t sop_wal__zigzag(uint64_t v)
{
    return (v << 1) ^ (0 - (v >> 63));
}
SOP_INLINE uint64_t sop_wal__unzigzag(uint64_t v)
{
    return (v >> 1) ^ (0 - (v & 1));
}

/* Offsets in the fixed part. */
enum {
    SOP_WAL__AT_HASH = 0,
    SOP_WAL__AT_MAGIC = 16,
    SOP_WAL__AT_VERSION = 20,
    SOP_WAL__AT_FLAGS = 22,
    SOP_WAL__AT_LENGTH = 24,
    SOP_WAL__AT_TRANSACTIONS = 28,
    SOP_WAL__AT_FRAME_NO = 32,
    SOP_WAL__AT_FIRST_SEQ = 40,
    SOP_WAL__AT_DURABLE_SEQ = 48,
    SOP_WAL__AT_PREDECESSOR = 56
};

/* What the writer decides about a frame; length and transactions come with the bytes. */
typedef struct {
    uint16_t flags;
    uint32_t transactions;
    uint64_t file;
    uint64_t offset;
    uint64_t durable_seq;
    const sop_wal_place *predecessor; /* all zero: none */
} sop_wal__seal;

/* The 64 bits by which the incarnation of the database seeds all hashes. */
uint64_t sop_wal__seed(const uint8_t incarnation[16]);

/* Fills the fixed part of frame[0, size) and tells its place. */
void sop_wal__frame_seal(uint8_t *frame,
                         size_t size,
                         uint64_t seed,
                         const sop_wal__seal *seal,
                         sop_wal_place *place_out);

/* The length that a fixed part claims; 0: it cannot be the start of a frame. */
uint32_t sop_wal__frame_length(const uint8_t fixed[SOP_WAL_FIXED_SIZE]);
/* Reads the fixed part without checking the hash. */
void sop_wal__frame_parse(const uint8_t *frame, uint64_t file, uint64_t offset, sop_wal_frame *out);
/* SOP_OK; SOP_NOT_FOUND: no valid frame of this database belongs at this place; SOP_UNSUPPORTED:
   valid, but newer than this program. size: as sop_wal__frame_length told. */
SOP_MUST_CHECK sop_status sop_wal__frame_decode(const uint8_t *frame,
                                                size_t size,
                                                uint64_t seed,
                                                uint64_t file,
                                                uint64_t offset,
                                                sop_wal_frame *out);

int sop_wal__place_equal(const sop_wal_place *a, const sop_wal_place *b);
SOP_INLINE uint64_t sop_wal__place_end(const sop_wal_place *place)
{
    return place->offset + place->length;
}
SOP_INLINE int sop_wal__hash_equal(sop_hash128 a, sop_hash128 b)
{
    return a.low == b.low && a.high == b.high;
}

/* ---- file header and file names ---- */

enum { SOP_WAL__FILE_FIRST = 1, SOP_WAL__FILE_REGULAR = 2, SOP_WAL__FILE_FORK = 3 };

typedef struct {
    uint16_t kind; /* SOP_WAL__FILE_... */
    uint64_t file;
    uint64_t run; /* higher than that of every file there was when this one began */
    uint64_t size;
    uint64_t
        durable_seq; /* newest seq known durable when the header was written; copies included */
    uint8_t boot_id[16];
    uint8_t database_id[16];
    uint8_t incarnation[16];
    sop_wal_place continued; /* all zero in the first file */
} sop_wal__file_header;

enum { SOP_WAL__HEADER_VALID = 0, SOP_WAL__HEADER_ZERO = 1, SOP_WAL__HEADER_BAD = 2 };

void sop_wal__header_encode(const sop_wal__file_header *header, uint8_t out[SOP_WAL_FILE_HEADER]);
/* SOP_WAL__HEADER_...; checks nothing against the outside. */
int sop_wal__header_decode(const uint8_t in[SOP_WAL_FILE_HEADER], sop_wal__file_header *out);

/* "log/<10 hex>.<6 hex>". */
void sop_wal__name_format(uint64_t file, char out[SOP_WAL__NAME_SIZE]);
/* Of the part behind "log/". 1: it is the name of a log file. */
int sop_wal__name_parse(const char *name, uint64_t *file_out);

/* "L.<seq>.<file>.<off>.<len>.<hash>", without the folder. */
void sop_wal__head_format(const sop_wal_place *place, char out[SOP_WAL__HEAD_NAME_MAX]);
/* 1: parsed; frame_no is not part of the name and stays 0. */
int sop_wal__head_parse(const char *name, sop_wal_place *out);

#endif
