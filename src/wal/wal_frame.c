/* SPDX-License-Identifier: MIT */
/* Frames: sealing, checking and walking their transactions and items. No I/O. */
#include <string.h>

#include "util/assert.h"
#include "util/bytes.h"
#include "util/error.h"
#include "util/rule.h"
#include "wal/wal.h"
#include "wal/wal_format.h"

_Static_assert(SOP_WAL__AT_PREDECESSOR + 16 == SOP_WAL_FIXED_SIZE,
               "the fixed part ends with the predecessor");

/* An item is at least op, store, key size, and the value size or a key byte. */
#define ITEM_SIZE_MIN 3u
#define OP_MASK       0x07u
#define OP_REFERENCE  0x08u
#define RUN_SIZE      16u /* a blob address */

static void put_hash(uint8_t *out, sop_hash128 hash)
{
    sop_put_u64le(out, hash.low);
    sop_put_u64le(out + 8, hash.high);
}

static sop_hash128 get_hash(const uint8_t *in)
{
    sop_hash128 hash = {sop_get_u64le(in), sop_get_u64le(in + 8)};
    return hash;
}

/* ---- places ---- */

void sop_wal_place_encode(const sop_wal_place *place, uint8_t out[SOP_WAL_PLACE_SIZE])
{
    sop_put_u64le(out, place->file);
    sop_put_u64le(out + 8, place->offset);
    sop_put_u32le(out + 16, place->length);
    sop_put_u32le(out + 20, 0);
    sop_put_u64le(out + 24, place->frame_no);
    sop_put_u64le(out + 32, place->seq_last);
    put_hash(out + 40, place->hash);
}

void sop_wal_place_decode(const uint8_t in[SOP_WAL_PLACE_SIZE], sop_wal_place *out)
{
    out->file = sop_get_u64le(in);
    out->offset = sop_get_u64le(in + 8);
    out->length = sop_get_u32le(in + 16);
    out->frame_no = sop_get_u64le(in + 24);
    out->seq_last = sop_get_u64le(in + 32);
    out->hash = get_hash(in + 40);
}

int sop_wal__place_equal(const sop_wal_place *a, const sop_wal_place *b)
{
    return a->file == b->file && a->offset == b->offset && a->length == b->length &&
           a->frame_no == b->frame_no && a->seq_last == b->seq_last &&
           sop_wal__hash_equal(a->hash, b->hash);
}

/* ---- frames ---- */

uint64_t sop_wal__seed(const uint8_t incarnation[16])
{
    return sop_checksum64(incarnation, 16, 0);
}

/* The place is part of the seed, so that a copy of a frame elsewhere (inside a value, or misplaced
   by the medium) is never taken for the frame that belongs there. */
static sop_hash128
frame_hash(const uint8_t *frame, size_t size, uint64_t seed, uint64_t file, uint64_t offset)
{
    uint8_t where[16];
    sop_put_u64le(where, file);
    sop_put_u64le(where + 8, offset);
    uint64_t place_seed = sop_checksum64(where, sizeof where, seed);
    return sop_checksum128(frame + SOP_WAL__AT_MAGIC, size - SOP_WAL__AT_MAGIC, place_seed);
}

void sop_wal__frame_seal(
    uint8_t *frame, size_t size, uint64_t seed, const sop_wal__seal *seal, sop_wal_place *place_out)
{
    SOP_ASSERT(size >= SOP_WAL_FIXED_SIZE && size <= SOP_WAL_FRAME_MAX);
    SOP_ASSERT(seal->offset % SOP_WAL__SPACING == 0);
    const sop_wal_place *predecessor = seal->predecessor;
    uint64_t first_seq = predecessor->seq_last + 1;
    sop_put_u32le(frame + SOP_WAL__AT_MAGIC, SOP_WAL__FRAME_MAGIC);
    sop_put_u16le(frame + SOP_WAL__AT_VERSION, SOP_WAL__FRAME_VERSION);
    sop_put_u16le(frame + SOP_WAL__AT_FLAGS, seal->flags);
    sop_put_u32le(frame + SOP_WAL__AT_LENGTH, (uint32_t)size);
    sop_put_u32le(frame + SOP_WAL__AT_TRANSACTIONS, seal->transactions);
    sop_put_u64le(frame + SOP_WAL__AT_FRAME_NO, predecessor->frame_no + 1);
    sop_put_u64le(frame + SOP_WAL__AT_FIRST_SEQ, first_seq);
    sop_put_u64le(frame + SOP_WAL__AT_DURABLE_SEQ, seal->durable_seq);
    put_hash(frame + SOP_WAL__AT_PREDECESSOR, predecessor->hash);
    sop_hash128 hash = frame_hash(frame, size, seed, seal->file, seal->offset);
    put_hash(frame + SOP_WAL__AT_HASH, hash);
    sop_wal_place place = {.file = seal->file,
                           .offset = seal->offset,
                           .length = (uint32_t)size,
                           .frame_no = predecessor->frame_no + 1,
                           .seq_last = first_seq + seal->transactions - 1,
                           .hash = hash};
    *place_out = place;
}

uint32_t sop_wal__frame_length(const uint8_t fixed[SOP_WAL_FIXED_SIZE])
{
    uint32_t length = sop_get_u32le(fixed + SOP_WAL__AT_LENGTH);
    if (sop_get_u32le(fixed + SOP_WAL__AT_MAGIC) != SOP_WAL__FRAME_MAGIC) return 0;
    if (length < SOP_WAL_FIXED_SIZE || length > SOP_WAL_FRAME_MAX) return 0;
    return length;
}

void sop_wal__frame_parse(const uint8_t *frame, uint64_t file, uint64_t offset, sop_wal_frame *out)
{
    out->flags = sop_get_u16le(frame + SOP_WAL__AT_FLAGS);
    out->transactions = sop_get_u32le(frame + SOP_WAL__AT_TRANSACTIONS);
    out->first_seq = sop_get_u64le(frame + SOP_WAL__AT_FIRST_SEQ);
    out->durable_seq = sop_get_u64le(frame + SOP_WAL__AT_DURABLE_SEQ);
    out->predecessor = get_hash(frame + SOP_WAL__AT_PREDECESSOR);
    out->place.file = file;
    out->place.offset = offset;
    out->place.length = sop_get_u32le(frame + SOP_WAL__AT_LENGTH);
    out->place.frame_no = sop_get_u64le(frame + SOP_WAL__AT_FRAME_NO);
    out->place.seq_last = out->first_seq + out->transactions - 1;
    out->place.hash = get_hash(frame + SOP_WAL__AT_HASH);
    out->body = sop_slice_of(frame + SOP_WAL_FIXED_SIZE, out->place.length - SOP_WAL_FIXED_SIZE);
}

sop_status sop_wal__frame_decode(const uint8_t *frame,
                                 size_t size,
                                 uint64_t seed,
                                 uint64_t file,
                                 uint64_t offset,
                                 sop_wal_frame *out)
{
    if (size < SOP_WAL_FIXED_SIZE || sop_wal__frame_length(frame) != size) return SOP_NOT_FOUND;
    sop_hash128 stored = get_hash(frame + SOP_WAL__AT_HASH);
    if (SOP_RULE(HASH) &&
        !sop_wal__hash_equal(stored, frame_hash(frame, size, seed, file, offset))) {
        return SOP_NOT_FOUND;
    }
    if (sop_get_u16le(frame + SOP_WAL__AT_VERSION) != SOP_WAL__FRAME_VERSION) {
        return SOP_UNSUPPORTED;
    }
    sop_wal__frame_parse(frame, file, offset, out);
    if ((out->flags & ~(unsigned)SOP_FRAME_COPY) != 0) return SOP_UNSUPPORTED;
    if (out->first_seq == 0 || out->place.frame_no == 0) return SOP_NOT_FOUND;
    if (out->first_seq > UINT64_MAX - out->transactions) return SOP_NOT_FOUND;
    return SOP_OK;
}

/* ---- walking a frame ---- */

static sop_status damaged(sop_error *err, uint64_t file, uint64_t offset, const char *what)
{
    char name[SOP_WAL__NAME_SIZE];
    sop_wal__name_format(file, name);
    return sop_fail(err, SOP_CORRUPT, "log file %s, frame at %llu: %s", name,
                    (unsigned long long)offset, what);
}

void sop_wal_reader_init(sop_wal_reader *reader, const sop_wal_frame *frame)
{
    reader->at = frame->body.data;
    reader->end = reader->at + frame->body.size;
    reader->seq_next = frame->first_seq;
    reader->left = frame->transactions;
    reader->file = frame->place.file;
    reader->offset = frame->place.offset;
}

/* A number, then that many bytes. NULL: cut off. */
static const uint8_t *get_slice(const uint8_t *at, const uint8_t *end, sop_slice *out)
{
    uint64_t size = 0;
    at = sop_get_varint(at, end, &size);
    if (at == NULL || size > (uint64_t)(end - at)) return NULL;
    *out = sop_slice_of(at, (size_t)size);
    return at + size;
}

/* Type, id, lowest open counter, time, note. NULL: cut off or nonsense. */
static const uint8_t *get_txn_head(const uint8_t *at, const uint8_t *end, sop_wal_txn *out)
{
    if (end - at < 17) return NULL;
    out->type = *at;
    if (out->type == 0 || out->type > SOP_WAL__TXN_TYPE_MAX) return NULL;
    memcpy(out->incarnation, at + 1, 16);
    at = sop_get_varint(at + 17, end, &out->counter);
    if (at == NULL) return NULL;
    uint64_t behind = 0;
    at = sop_get_varint(at, end, &behind);
    if (at == NULL || end - at < 8) return NULL;
    out->lowest_open = out->counter - sop_wal__unzigzag(behind);
    out->wall_ns = sop_get_u64le(at);
    return get_slice(at + 8, end, &out->note);
}

sop_status sop_wal_reader_next(sop_wal_reader *reader, sop_wal_txn_view *out, sop_error *err)
{
    const uint8_t *end = reader->end;
    if (reader->left == 0) {
        if (reader->at == end) return sop_set(err, SOP_NOT_FOUND);
        return damaged(err, reader->file, reader->offset, "bytes behind the last transaction");
    }
    const uint8_t *at = get_txn_head(reader->at, end, &out->head);
    if (at == NULL) return damaged(err, reader->file, reader->offset, "bad start of a transaction");
    uint64_t items = 0;
    if (out->head.type == SOP_TXN_TYPE_DATA) {
        at = sop_get_varint(at, end, &items);
        if (at == NULL) return damaged(err, reader->file, reader->offset, "bad number of items");
    }
    at = get_slice(at, end, &out->body);
    if (at == NULL) return damaged(err, reader->file, reader->offset, "bad size of a transaction");
    if (items > out->body.size / ITEM_SIZE_MIN) {
        return damaged(err, reader->file, reader->offset, "more items than bytes");
    }
    out->items = (uint32_t)items;
    out->seq = reader->seq_next++;
    out->file = reader->file;
    out->offset = reader->offset;
    reader->left--;
    reader->at = at;
    return SOP_OK;
}

void sop_wal_items_init(sop_wal_items *items, const sop_wal_txn_view *txn)
{
    int data = txn->head.type == SOP_TXN_TYPE_DATA;
    items->at = data ? txn->body.data : NULL;
    items->end = data ? items->at + txn->body.size : NULL;
    items->left = data ? txn->items : 0;
    items->file = txn->file;
    items->offset = txn->offset;
}

static const uint8_t *get_item(const uint8_t *at, const uint8_t *end, sop_wal_item *out)
{
    if (at == end) return NULL;
    uint8_t code = *at++;
    out->op = code & OP_MASK;
    out->is_reference = (code & OP_REFERENCE) != 0;
    if ((code & ~(OP_MASK | OP_REFERENCE)) != 0 || out->op < SOP_WAL_INSERT ||
        out->op > SOP_WAL_RUN) {
        return NULL;
    }
    at = sop_get_varint(at, end, &out->store);
    if (at == NULL) return NULL;
    out->key = sop_slice_of(NULL, 0);
    out->value = sop_slice_of(NULL, 0);
    if (out->op == SOP_WAL_RUN) {
        at = get_slice(at, end, &out->value);
        return at != NULL && out->value.size == RUN_SIZE && out->is_reference ? at : NULL;
    }
    at = get_slice(at, end, &out->key);
    if (at == NULL || out->key.size == 0) return NULL;
    if (out->op == SOP_WAL_REMOVE) return out->is_reference ? NULL : at;
    return get_slice(at, end, &out->value);
}

sop_status sop_wal_items_next(sop_wal_items *items, sop_wal_item *out, sop_error *err)
{
    if (items->left == 0) {
        if (items->at == items->end) return sop_set(err, SOP_NOT_FOUND);
        return damaged(err, items->file, items->offset, "bytes behind the last item");
    }
    const uint8_t *at = get_item(items->at, items->end, out);
    if (at == NULL) return damaged(err, items->file, items->offset, "bad item");
    items->left--;
    items->at = at;
    return SOP_OK;
}
