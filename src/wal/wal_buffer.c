/* SPDX-License-Identifier: MIT */
/* The growing buffer in which transactions are encoded behind the room for the fixed part of their
 * frame. No I/O. */
#include <string.h>

#include "util/assert.h"
#include "util/bytes.h"
#include "util/memory.h"
#include "wal/wal.h"
#include "wal/wal_format.h"

/* Room kept behind the used bytes, so that ending a transaction never allocates: its two counts may
   need more bytes than were left for them. */
#define SLACK 16u
/* Bytes left for the counts: a body of 128 to 16,383 bytes with fewer than 128 items needs no move
 * at the end. */
#define GAP_DATA  3u
#define GAP_OTHER 1u

#define HEAD_SIZE_MAX (1u + 16u + 4u * SOP_VARINT_MAX + 8u + GAP_DATA)
#define ITEM_SIZE_MAX (1u + 3u * SOP_VARINT_MAX)

void sop_wal_buffer_deinit(sop_wal_buffer *buffer)
{
    sop_free(buffer->data);
    sop_wal_buffer empty = {0};
    *buffer = empty;
}

void sop_wal_buffer_reset(sop_wal_buffer *buffer)
{
    buffer->size = 0;
    buffer->txn_at = 0;
    buffer->body_at = 0;
    buffer->transactions = 0;
    buffer->items = 0;
}

/* Aligned, and whole blocks: the log writes full-mode frames straight from here. */
static sop_status grow(sop_wal_buffer *buffer, size_t needed)
{
    size_t capacity = buffer->capacity < SOP_WAL_ALIGN ? SOP_WAL_ALIGN : buffer->capacity;
    while (capacity < needed) {
        capacity *= 2;
    }
    uint8_t *data = sop_alloc_aligned(SOP_WAL_ALIGN, capacity);
    if (data == NULL) return SOP_NO_MEMORY;
    if (buffer->size != 0) memcpy(data, buffer->data, buffer->size);
    sop_free(buffer->data);
    buffer->data = data;
    buffer->capacity = capacity;
    return SOP_OK;
}

SOP_INLINE sop_status reserve(sop_wal_buffer *buffer, size_t extra)
{
    size_t used = buffer->size == 0 ? SOP_WAL_FIXED_SIZE : buffer->size;
    if (extra > SOP_WAL_FRAME_MAX - SLACK - used) return SOP_TOO_LARGE;
    size_t needed = used + extra + SLACK;
    if (SOP_LIKELY(needed <= buffer->capacity)) return SOP_OK;
    return grow(buffer, needed);
}

static uint8_t *put_slice(uint8_t *at, sop_slice bytes)
{
    at = sop_put_varint(at, bytes.size);
    if (bytes.size != 0) memcpy(at, bytes.data, bytes.size);
    return at + bytes.size;
}

sop_status sop_wal_txn_begin(sop_wal_buffer *buffer, const sop_wal_txn *txn)
{
    SOP_ASSERT(buffer->txn_at == 0);
    SOP_ASSERT(txn->type != 0 && txn->type <= SOP_WAL__TXN_TYPE_MAX);
    if (txn->note.size > SOP_WAL_FRAME_MAX) return SOP_TOO_LARGE;
    sop_status status = reserve(buffer, HEAD_SIZE_MAX + txn->note.size);
    if (status != SOP_OK) return status;
    if (buffer->size == 0) {
        memset(buffer->data, 0, SOP_WAL_FIXED_SIZE);
        buffer->size = SOP_WAL_FIXED_SIZE;
    }
    uint8_t *at = buffer->data + buffer->size;
    *at++ = txn->type;
    memcpy(at, txn->incarnation, 16);
    at = sop_put_varint(at + 16, txn->counter);
    at = sop_put_varint(at, sop_wal__zigzag(txn->counter - txn->lowest_open));
    sop_put_u64le(at, txn->wall_ns);
    at = put_slice(at + 8, txn->note);
    at += txn->type == SOP_TXN_TYPE_DATA ? GAP_DATA : GAP_OTHER;
    buffer->txn_at = buffer->size;
    buffer->size = (size_t)(at - buffer->data);
    buffer->body_at = buffer->size;
    buffer->items = 0;
    return SOP_OK;
}

sop_status sop_wal_item_add(sop_wal_buffer *buffer, const sop_wal_item *item)
{
    SOP_ASSERT(buffer->txn_at != 0 && buffer->data[buffer->txn_at] == SOP_TXN_TYPE_DATA);
    SOP_ASSERT(item->op >= SOP_WAL_INSERT && item->op <= SOP_WAL_RUN);
    int run = item->op == SOP_WAL_RUN;
    SOP_ASSERT(run ? item->value.size == 16 : item->key.size != 0);
    int with_value = item->op != SOP_WAL_REMOVE;
    size_t value_size = with_value ? item->value.size : 0;
    if (item->key.size > SOP_WAL_FRAME_MAX || value_size > SOP_WAL_FRAME_MAX) return SOP_TOO_LARGE;
    sop_status status = reserve(buffer, ITEM_SIZE_MAX + item->key.size + value_size);
    if (status != SOP_OK) return status;
    int reference = with_value && (item->is_reference || run);
    uint8_t *at = buffer->data + buffer->size;
    *at++ = (uint8_t)(item->op | (reference ? 8u : 0u));
    at = sop_put_varint(at, item->store);
    if (!run) at = put_slice(at, item->key);
    if (with_value) at = put_slice(at, item->value);
    buffer->size = (size_t)(at - buffer->data);
    buffer->items++;
    return SOP_OK;
}

sop_status sop_wal_body_set(sop_wal_buffer *buffer, sop_slice body)
{
    SOP_ASSERT(buffer->txn_at != 0 && buffer->data[buffer->txn_at] != SOP_TXN_TYPE_DATA);
    buffer->size = buffer->body_at;
    if (body.size > SOP_WAL_FRAME_MAX) return SOP_TOO_LARGE;
    sop_status status = reserve(buffer, body.size);
    if (status != SOP_OK) return status;
    if (body.size != 0) memcpy(buffer->data + buffer->size, body.data, body.size);
    buffer->size += body.size;
    return SOP_OK;
}

void sop_wal_txn_end(sop_wal_buffer *buffer)
{
    SOP_ASSERT(buffer->txn_at != 0);
    uint8_t counts[2 * SOP_VARINT_MAX];
    int data = buffer->data[buffer->txn_at] == SOP_TXN_TYPE_DATA;
    size_t body_size = buffer->size - buffer->body_at;
    uint8_t *end = data ? sop_put_varint(counts, buffer->items) : counts;
    end = sop_put_varint(end, body_size);
    size_t size = (size_t)(end - counts);
    size_t counts_at = buffer->body_at - (data ? GAP_DATA : GAP_OTHER);
    size_t body_at = counts_at + size;
    SOP_ASSERT(body_at + body_size <= buffer->capacity);
    if (body_at != buffer->body_at) {
        memmove(buffer->data + body_at, buffer->data + buffer->body_at, body_size);
    }
    memcpy(buffer->data + counts_at, counts, size);
    buffer->size = body_at + body_size;
    buffer->txn_at = 0;
    buffer->body_at = 0;
    buffer->transactions++;
}

void sop_wal_txn_undo(sop_wal_buffer *buffer)
{
    if (buffer->txn_at == 0) return;
    buffer->size = buffer->transactions == 0 ? 0 : buffer->txn_at;
    buffer->txn_at = 0;
    buffer->body_at = 0;
    buffer->items = 0;
}
