/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: WAL frames. The first byte chooses: the bytes as a frame as they are, the same sealed again with a right hash (as
 * forged bytes would be), or as the body of a frame. Whatever decodes is walked to the last item.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "wal/wal.h"
#include "wal/wal_format.h"

enum { AS_IT_IS = 0, SEALED = 1, BODY = 2, WAYS = 3 };

static const uint64_t SEED = 42;
static const uint64_t FILE_ID = (uint64_t)7 << 24;

/* Every slice handed out must lie inside the body. */
static void must_lie_in(sop_slice slice, sop_slice body)
{
    const uint8_t *begin = slice.data;
    const uint8_t *first = body.data;
    if (slice.size == 0) return;
    if (begin < first || slice.size > body.size || begin + slice.size > first + body.size) abort();
}

static void walk_items(const sop_wal_txn_view *txn, sop_slice body)
{
    sop_wal_items items;
    sop_wal_item item;
    sop_error error;
    uint64_t count = 0;
    sop_wal_items_init(&items, txn);
    sop_status status = sop_wal_items_next(&items, &item, &error);
    while (status == SOP_OK) {
        must_lie_in(item.key, body);
        must_lie_in(item.value, body);
        count++;
        status = sop_wal_items_next(&items, &item, &error);
    }
    if (status != SOP_NOT_FOUND && status != SOP_CORRUPT && status != SOP_UNSUPPORTED) abort();
    if (count > body.size) abort();
}

static void walk(const sop_wal_frame *frame)
{
    sop_wal_reader reader;
    sop_wal_txn_view txn;
    sop_error error;
    sop_wal_reader_init(&reader, frame);
    sop_status status = sop_wal_reader_next(&reader, &txn, &error);
    while (status == SOP_OK) {
        must_lie_in(txn.head.note, frame->body);
        must_lie_in(txn.body, frame->body);
        if (txn.head.type == SOP_TXN_TYPE_DATA) walk_items(&txn, frame->body);
        status = sop_wal_reader_next(&reader, &txn, &error);
    }
    if (status != SOP_NOT_FOUND && status != SOP_CORRUPT && status != SOP_UNSUPPORTED) abort();
}

static void walk_frame(uint8_t *frame, size_t size, int seal_again)
{
    sop_wal_frame decoded;
    if (size < SOP_WAL_FIXED_SIZE || size > UINT32_MAX) return;
    uint64_t offset = SOP_WAL_FILE_HEADER;
    if (seal_again) {
        const sop_wal_place none = {0};
        sop_wal_place place;
        sop_wal__seal seal = {
            .transactions = sop_get_u32le(frame + SOP_WAL__AT_TRANSACTIONS),
            .file = FILE_ID,
            .offset = offset,
            .durable_seq = sop_get_u64le(frame + SOP_WAL__AT_DURABLE_SEQ),
            .predecessor = &none,
        };
        sop_wal__frame_seal(frame, size, SEED, &seal, &place);
    }
    uint32_t length = sop_wal__frame_length(frame);
    if (length == 0 || length > size) return;
    if (sop_wal__frame_decode(frame, length, SEED, FILE_ID, offset, &decoded) == SOP_OK)
        walk(&decoded);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) return 0;
    uint8_t *copy = malloc(size - 1);
    if (copy == NULL) return 0;
    memcpy(copy, data + 1, size - 1);
    if (data[0] % WAYS == BODY) {
        sop_wal_frame frame = {.transactions = 1000, .first_seq = 1, .body = {copy, size - 1}};
        walk(&frame);
    } else {
        walk_frame(copy, size - 1, data[0] % WAYS == SEALED);
    }
    free(copy);
    return 0;
}
