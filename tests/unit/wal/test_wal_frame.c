/* SPDX-License-Identifier: MIT */
/* Frames, transactions, headers and names: what is written is read back, and nothing else is ever read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/support.h"
#include "util/bytes.h"
#include "util/memory.h"
#include "wal/wal.h"
#include "wal/wal_format.h"

#define SEED   0x1234567890abcdefu
#define FILE_1 (0x0102030405ull << 24 | 7)

static sop_wal_txn txn_of(uint8_t type, uint64_t counter, const char *note)
{
    sop_wal_txn txn = {.type = type,
                       .counter = counter,
                       .lowest_open = counter > 3 ? counter - 3 : 0,
                       .wall_ns = 1700000000000000000u + counter,
                       .note = sop_str(note)};
    memset(txn.incarnation, (int)(0xa0 + type), sizeof txn.incarnation);
    return txn;
}

static void
data_add(sop_wal_buffer *buffer, uint64_t counter, const sop_wal_item *items, size_t count)
{
    sop_wal_txn txn = txn_of(SOP_TXN_TYPE_DATA, counter, "");
    assert_int_equal(sop_wal_txn_begin(buffer, &txn), SOP_OK);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(sop_wal_item_add(buffer, &items[i]), SOP_OK);
    }
    sop_wal_txn_end(buffer);
}

static void other_add(sop_wal_buffer *buffer, uint8_t type, const char *note, sop_slice body)
{
    sop_wal_txn txn = txn_of(type, type, note);
    assert_int_equal(sop_wal_txn_begin(buffer, &txn), SOP_OK);
    if (body.size != 0) assert_int_equal(sop_wal_body_set(buffer, body), SOP_OK);
    sop_wal_txn_end(buffer);
}

static const sop_wal_place PREDECESSOR = {.file = FILE_1,
                                          .offset = 4096,
                                          .length = 100,
                                          .frame_no = 41,
                                          .seq_last = 1000,
                                          .hash = {0x1111111111111111u, 0x2222222222222222u}};

static sop_wal_place seal(sop_wal_buffer *buffer, uint16_t flags)
{
    sop_wal__seal what = {.flags = flags,
                          .transactions = buffer->transactions,
                          .file = FILE_1,
                          .offset = 8192,
                          .durable_seq = 990,
                          .predecessor = &PREDECESSOR};
    sop_wal_place place;
    sop_wal__frame_seal(buffer->data, buffer->size, SEED, &what, &place);
    return place;
}

static sop_status decode(const uint8_t *bytes, size_t size, sop_wal_frame *out)
{
    return sop_wal__frame_decode(bytes, size, SEED, FILE_1, 8192, out);
}

/* One of everything. */
static void sample_fill(sop_wal_buffer *buffer)
{
    static const uint8_t address[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
    const sop_wal_item items[] = {
        {.store = 1, .op = SOP_WAL_INSERT, .key = sop_str("apple"), .value = sop_str("red")},
        {.store = 300, .op = SOP_WAL_UPDATE, .key = sop_str("b"), .value = sop_slice_of(NULL, 0)},
        {.store = 0, .op = SOP_WAL_REMOVE, .key = sop_str("cherry")},
        {.store = 1ull << 40,
         .op = SOP_WAL_INSERT,
         .is_reference = 1,
         .key = sop_str("d"),
         .value = {address, 16}},
        {.store = 5, .op = SOP_WAL_RUN, .value = {address, 16}},
    };
    data_add(buffer, 17, items, sizeof items / sizeof items[0]);
    data_add(buffer, 18, NULL, 0);
    other_add(buffer, SOP_TXN_TYPE_CHECKPOINT, "by the janitor", sop_str("body of a checkpoint"));
    other_add(buffer, SOP_TXN_TYPE_LEAVE, "", sop_slice_of(NULL, 0));
}

/* ---- round trips ---- */

static void test_a_frame_is_read_back_as_written(void **state)
{
    (void)state;
    sop_wal_buffer buffer = {0};
    sop_wal_frame frame;
    sample_fill(&buffer);
    sop_wal_place place = seal(&buffer, SOP_FRAME_COPY);
    assert_int_equal(decode(buffer.data, buffer.size, &frame), SOP_OK);
    assert_true(sop_wal__place_equal(&frame.place, &place));
    assert_int_equal(frame.flags, SOP_FRAME_COPY);
    assert_int_equal(frame.transactions, 4);
    assert_int_equal(frame.first_seq, 1001);
    assert_int_equal(frame.durable_seq, 990);
    assert_int_equal(place.frame_no, 42);
    assert_int_equal(place.seq_last, 1004);
    assert_memory_equal(&frame.predecessor, &PREDECESSOR.hash, 16);

    sop_wal_reader reader;
    sop_wal_txn_view txn;
    sop_wal_items items;
    sop_wal_item item;
    sop_wal_reader_init(&reader, &frame);
    assert_int_equal(sop_wal_reader_next(&reader, &txn, NULL), SOP_OK);
    assert_int_equal(txn.seq, 1001);
    assert_int_equal(txn.items, 5);
    assert_int_equal(txn.head.counter, 17);
    assert_int_equal(txn.head.lowest_open, 14);
    assert_int_equal(txn.head.wall_ns, 1700000000000000017u);
    sop_wal_items_init(&items, &txn);
    assert_int_equal(sop_wal_items_next(&items, &item, NULL), SOP_OK);
    assert_int_equal(item.op, SOP_WAL_INSERT);
    assert_true(sop_slice_equal(item.key, sop_str("apple")) &&
                sop_slice_equal(item.value, sop_str("red")));
    assert_int_equal(sop_wal_items_next(&items, &item, NULL), SOP_OK);
    assert_true(item.store == 300 && item.op == SOP_WAL_UPDATE && item.value.size == 0);
    assert_int_equal(sop_wal_items_next(&items, &item, NULL), SOP_OK);
    assert_true(item.store == 0 && item.op == SOP_WAL_REMOVE &&
                sop_slice_equal(item.key, sop_str("cherry")));
    assert_int_equal(sop_wal_items_next(&items, &item, NULL), SOP_OK);
    assert_true(item.store == 1ull << 40 && item.is_reference && item.value.size == 16);
    assert_int_equal(sop_wal_items_next(&items, &item, NULL), SOP_OK);
    assert_true(item.op == SOP_WAL_RUN && item.key.size == 0 && item.value.size == 16);
    assert_int_equal(sop_wal_items_next(&items, &item, NULL), SOP_NOT_FOUND);

    assert_int_equal(sop_wal_reader_next(&reader, &txn, NULL), SOP_OK);
    assert_true(txn.seq == 1002 && txn.items == 0 && txn.body.size == 0);
    assert_int_equal(sop_wal_reader_next(&reader, &txn, NULL), SOP_OK);
    assert_int_equal(txn.head.type, SOP_TXN_TYPE_CHECKPOINT);
    assert_true(sop_slice_equal(txn.head.note, sop_str("by the janitor")));
    assert_true(sop_slice_equal(txn.body, sop_str("body of a checkpoint")));
    assert_int_equal(sop_wal_reader_next(&reader, &txn, NULL), SOP_OK);
    assert_true(txn.seq == 1004 && txn.head.type == SOP_TXN_TYPE_LEAVE && txn.body.size == 0);
    assert_int_equal(sop_wal_reader_next(&reader, &txn, NULL), SOP_NOT_FOUND);
    sop_wal_buffer_deinit(&buffer);
}

/* Sizes around every width of the counts that are written last. */
static void test_bodies_of_every_size_come_back(void **state)
{
    (void)state;
    sop_wal_buffer buffer = {0};
    uint8_t *bytes = malloc(1u << 22);
    for (size_t i = 0; i < 1u << 22; i++) {
        bytes[i] = (uint8_t)(i * 31 + i / 251);
    }
    static const size_t around[] = {0, 100, 127, 16383, 2097151, 4100000};
    for (size_t a = 0; a < sizeof around / sizeof around[0]; a++) {
        for (size_t d = 0; d < 40; d++) {
            size_t size = around[a] + d > 20 ? around[a] + d - 20 : d;
            sop_wal_buffer_reset(&buffer);
            other_add(&buffer, SOP_TXN_TYPE_CHECKPOINT, "n", sop_slice_of(bytes, size));
            sop_wal_item item = {
                .store = d, .op = SOP_WAL_INSERT, .key = sop_str("k"), .value = {bytes, size}};
            data_add(&buffer, 1, &item, 1);
            (void)seal(&buffer, 0);
            sop_wal_frame frame;
            sop_wal_reader reader;
            sop_wal_txn_view txn;
            sop_wal_items items;
            assert_int_equal(decode(buffer.data, buffer.size, &frame), SOP_OK);
            sop_wal_reader_init(&reader, &frame);
            assert_int_equal(sop_wal_reader_next(&reader, &txn, NULL), SOP_OK);
            assert_true(sop_slice_equal(txn.body, sop_slice_of(bytes, size)));
            assert_int_equal(sop_wal_reader_next(&reader, &txn, NULL), SOP_OK);
            sop_wal_items_init(&items, &txn);
            assert_int_equal(sop_wal_items_next(&items, &item, NULL), SOP_OK);
            assert_true(sop_slice_equal(item.value, sop_slice_of(bytes, size)));
            assert_int_equal(sop_wal_reader_next(&reader, &txn, NULL), SOP_NOT_FOUND);
        }
    }
    free(bytes);
    sop_wal_buffer_deinit(&buffer);
}

static void test_many_items_come_back(void **state)
{
    (void)state;
    static const size_t counts[] = {1, 127, 128, 129, 16383, 16384, 20000};
    sop_wal_buffer buffer = {0};
    for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++) {
        sop_wal_buffer_reset(&buffer);
        sop_wal_txn head = txn_of(SOP_TXN_TYPE_DATA, UINT64_MAX, "");
        head.lowest_open = 0;
        assert_int_equal(sop_wal_txn_begin(&buffer, &head), SOP_OK);
        for (size_t i = 0; i < counts[c]; i++) {
            sop_wal_item item = {.store = i, .op = SOP_WAL_REMOVE, .key = {&i, sizeof i}};
            assert_int_equal(sop_wal_item_add(&buffer, &item), SOP_OK);
        }
        sop_wal_txn_end(&buffer);
        (void)seal(&buffer, 0);
        sop_wal_frame frame;
        sop_wal_reader reader;
        sop_wal_txn_view txn;
        sop_wal_items items;
        sop_wal_item item;
        assert_int_equal(decode(buffer.data, buffer.size, &frame), SOP_OK);
        sop_wal_reader_init(&reader, &frame);
        assert_int_equal(sop_wal_reader_next(&reader, &txn, NULL), SOP_OK);
        assert_int_equal(txn.items, counts[c]);
        assert_true(txn.head.counter == UINT64_MAX && txn.head.lowest_open == 0);
        sop_wal_items_init(&items, &txn);
        for (size_t i = 0; i < counts[c]; i++) {
            assert_int_equal(sop_wal_items_next(&items, &item, NULL), SOP_OK);
            assert_true(item.store == i && memcmp(item.key.data, &i, sizeof i) == 0);
        }
        assert_int_equal(sop_wal_items_next(&items, &item, NULL), SOP_NOT_FOUND);
    }
    sop_wal_buffer_deinit(&buffer);
}

static void test_a_small_transaction_is_compact(void **state)
{
    (void)state;
    char value[100] = {0};
    sop_wal_buffer buffer = {0};
    sop_wal_item item = {.store = 3,
                         .op = SOP_WAL_INSERT,
                         .key = sop_str("0123456789abcdef"),
                         .value = {value, sizeof value}};
    data_add(&buffer, 5, &item, 1);
    /* 72 for the frame, 31 for the transaction with its 16-byte incarnation, 4 for the item, 116 of data. */
    assert_true(buffer.size <= 72 + 31 + 4 + 116);
    sop_wal_buffer_deinit(&buffer);
}

/* ---- the buffer ---- */

static void test_undo_leaves_the_buffer_as_before(void **state)
{
    (void)state;
    sop_wal_buffer buffer = {0};
    sop_wal_item item = {.op = SOP_WAL_INSERT, .key = sop_str("k"), .value = sop_str("v")};
    sop_wal_txn head = txn_of(SOP_TXN_TYPE_DATA, 9, "");
    assert_int_equal(sop_wal_txn_begin(&buffer, &head), SOP_OK);
    assert_int_equal(sop_wal_item_add(&buffer, &item), SOP_OK);
    sop_wal_txn_undo(&buffer);
    assert_int_equal(buffer.size, 0);
    sop_wal_txn_undo(&buffer);

    data_add(&buffer, 1, &item, 1);
    size_t size = buffer.size;
    assert_int_equal(sop_wal_txn_begin(&buffer, &head), SOP_OK);
    assert_int_equal(sop_wal_item_add(&buffer, &item), SOP_OK);
    sop_wal_txn_undo(&buffer);
    assert_int_equal(buffer.size, size);
    assert_int_equal(buffer.transactions, 1);
    data_add(&buffer, 2, &item, 1);
    (void)seal(&buffer, 0);
    sop_wal_frame frame;
    assert_int_equal(decode(buffer.data, buffer.size, &frame), SOP_OK);
    assert_int_equal(frame.transactions, 2);
    sop_wal_buffer_deinit(&buffer);
}

static void test_too_large_is_refused(void **state)
{
    (void)state;
    static const uint8_t one = 1;
    sop_wal_buffer buffer = {0};
    sop_wal_txn head = txn_of(SOP_TXN_TYPE_DATA, 9, "");
    assert_int_equal(sop_wal_txn_begin(&buffer, &head), SOP_OK);
    sop_wal_item item = {
        .op = SOP_WAL_INSERT, .key = sop_str("k"), .value = {&one, SOP_WAL_FRAME_MAX}};
    assert_int_equal(sop_wal_item_add(&buffer, &item), SOP_TOO_LARGE);
    item.value.size = SIZE_MAX;
    assert_int_equal(sop_wal_item_add(&buffer, &item), SOP_TOO_LARGE);
    item.value.size = 1;
    item.key.size = SIZE_MAX - 5;
    assert_int_equal(sop_wal_item_add(&buffer, &item), SOP_TOO_LARGE);
    sop_wal_txn_undo(&buffer);
    assert_int_equal(buffer.size, 0);
    head.note.size = SIZE_MAX;
    assert_int_equal(sop_wal_txn_begin(&buffer, &head), SOP_TOO_LARGE);
    sop_wal_buffer_deinit(&buffer);
}

static void test_allocation_failure_at_every_n_loses_nothing(void **state)
{
    (void)state;
    char value[3000] = {0};
    sop_wal_item item = {
        .op = SOP_WAL_INSERT, .key = sop_str("key"), .value = {value, sizeof value}};
    for (uint64_t n = 1;; n++) {
        sop_wal_buffer buffer = {0};
        uint32_t done = 0;
        sop_memory_fail_at(n, 0);
        for (uint64_t i = 0; i < 20; i++) {
            sop_wal_txn head = txn_of(SOP_TXN_TYPE_DATA, i, "");
            sop_status status = sop_wal_txn_begin(&buffer, &head);
            if (status == SOP_OK) status = sop_wal_item_add(&buffer, &item);
            if (status != SOP_OK) {
                assert_int_equal(status, SOP_NO_MEMORY);
                sop_wal_txn_undo(&buffer);
                continue;
            }
            sop_wal_txn_end(&buffer);
            done++;
        }
        int reached = sop_memory_fail_reached();
        sop_memory_fail_at(0, 0);
        assert_int_equal(done, reached ? 19 : 20);
        assert_int_equal(buffer.transactions, done);
        sop_wal_frame frame;
        (void)seal(&buffer, 0);
        assert_int_equal(decode(buffer.data, buffer.size, &frame), SOP_OK);
        sop_wal_reader reader;
        sop_wal_txn_view txn;
        sop_wal_reader_init(&reader, &frame);
        for (uint32_t i = 0; i < done; i++) {
            assert_int_equal(sop_wal_reader_next(&reader, &txn, NULL), SOP_OK);
        }
        assert_int_equal(sop_wal_reader_next(&reader, &txn, NULL), SOP_NOT_FOUND);
        sop_wal_buffer_deinit(&buffer);
        if (!reached) break;
    }
}

/* ---- damage ---- */

static void test_every_flipped_bit_is_noticed(void **state)
{
    (void)state;
    sop_wal_buffer buffer = {0};
    sop_wal_frame frame;
    sample_fill(&buffer);
    (void)seal(&buffer, 0);
    for (size_t bit = 0; bit < buffer.size * 8; bit++) {
        buffer.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        uint32_t length = sop_wal__frame_length(buffer.data);
        size_t size = length == 0 || length > buffer.capacity ? buffer.size : length;
        assert_int_equal(decode(buffer.data, size, &frame), SOP_NOT_FOUND);
        buffer.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_int_equal(decode(buffer.data, buffer.size, &frame), SOP_OK);
    sop_wal_buffer_deinit(&buffer);
}

static void test_a_frame_belongs_to_its_place_and_database(void **state)
{
    (void)state;
    sop_wal_buffer buffer = {0};
    sop_wal_frame frame;
    sample_fill(&buffer);
    (void)seal(&buffer, 0);
    const uint8_t *data = buffer.data;
    size_t size = buffer.size;
    assert_int_equal(sop_wal__frame_decode(data, size, SEED, FILE_1, 8192, &frame), SOP_OK);
    assert_int_equal(sop_wal__frame_decode(data, size, SEED, FILE_1, 8200, &frame), SOP_NOT_FOUND);
    assert_int_equal(sop_wal__frame_decode(data, size, SEED, FILE_1 + 1, 8192, &frame),
                     SOP_NOT_FOUND);
    assert_int_equal(sop_wal__frame_decode(data, size, SEED + 1, FILE_1, 8192, &frame),
                     SOP_NOT_FOUND);
    assert_int_equal(sop_wal__frame_decode(data, size - 1, SEED, FILE_1, 8192, &frame),
                     SOP_NOT_FOUND);
    assert_int_equal(sop_wal__frame_decode(data, 71, SEED, FILE_1, 8192, &frame), SOP_NOT_FOUND);
    sop_wal_buffer_deinit(&buffer);
}

/* A frame with a good hash from a later version is not damage and not a tail. */
static void test_unknown_flags_of_a_valid_frame_are_unsupported(void **state)
{
    (void)state;
    sop_wal_buffer buffer = {0};
    sop_wal_frame frame;
    sample_fill(&buffer);
    (void)seal(&buffer, 0x10);
    assert_int_equal(decode(buffer.data, buffer.size, &frame), SOP_UNSUPPORTED);
    sop_wal_buffer_deinit(&buffer);
}

/* Walks everything; returns how it ended. */
static sop_status walk(const sop_wal_frame *frame, uint64_t *bytes_out)
{
    sop_wal_reader reader;
    sop_wal_txn_view txn;
    sop_wal_reader_init(&reader, frame);
    sop_status status;
    while ((status = sop_wal_reader_next(&reader, &txn, NULL)) == SOP_OK) {
        sop_wal_items items;
        sop_wal_item item;
        sop_wal_items_init(&items, &txn);
        sop_status inner;
        while ((inner = sop_wal_items_next(&items, &item, NULL)) == SOP_OK) {
            /* Touch every byte, so that a sanitizer sees a slice that leaves the frame. */
            *bytes_out += sop_key_head(item.key.data, item.key.size) + item.value.size;
            for (size_t i = 0; i < item.value.size; i++) {
                *bytes_out += ((const uint8_t *)item.value.data)[i];
            }
        }
        if (inner != SOP_NOT_FOUND) return inner;
    }
    return status;
}

/* Bytes with a good hash may still be nonsense (a bug of a writer): every length is checked. */
static void test_random_bodies_never_lead_out_of_the_frame(void **state)
{
    (void)state;
    uint64_t random = sop_test_seed(1);
    printf("seed %llu\n", (unsigned long long)random);
    uint64_t sum = 0;
    unsigned corrupt = 0;
    sop_wal_buffer sample = {0};
    sample_fill(&sample);
    for (int i = 0; i < 200000; i++) {
        size_t size = i % 2 == 0 ? sop_test_random(&random) % 80 : sample.size - SOP_WAL_FIXED_SIZE;
        uint8_t *body = malloc(size == 0 ? 1 : size);
        if (i % 2 != 0) memcpy(body, sample.data + SOP_WAL_FIXED_SIZE, size);
        for (size_t k = 0; k < size; k++) {
            if (i % 2 == 0) body[k] = (uint8_t)(sop_test_random(&random) % (i % 4 == 0 ? 256 : 24));
        }
        if (i % 2 != 0) body[sop_test_random(&random) % size] = (uint8_t)sop_test_random(&random);
        sop_wal_frame frame = {.first_seq = 1, .body = {body, size}};
        frame.transactions =
            i % 2 == 0 ? (uint32_t)(sop_test_random(&random) % 4) : sample.transactions;
        sop_status status = walk(&frame, &sum);
        assert_true(status == SOP_NOT_FOUND || status == SOP_CORRUPT);
        corrupt += status == SOP_CORRUPT;
        free(body);
    }
    assert_true(corrupt > 1000);
    sop_wal_buffer_deinit(&sample);
}

static void test_a_damaged_item_names_file_and_frame(void **state)
{
    (void)state;
    uint8_t body[] = {SOP_TXN_TYPE_LEAVE, 1, 2};
    sop_error err = {0};
    sop_wal_frame frame = {.first_seq = 1, .transactions = 1, .body = {body, sizeof body}};
    frame.place.file = FILE_1;
    frame.place.offset = 8192;
    sop_wal_reader reader;
    sop_wal_txn_view txn;
    sop_wal_reader_init(&reader, &frame);
    assert_int_equal(sop_wal_reader_next(&reader, &txn, &err), SOP_CORRUPT);
    assert_string_equal(
        err.message, "log file log/0102030405.000007, frame at 8192: bad start of a transaction");
}

/* ---- headers, places, names ---- */

static sop_wal__file_header header_sample(void)
{
    sop_wal__file_header header = {.kind = SOP_WAL__FILE_FORK,
                                   .file = FILE_1,
                                   .run = 3,
                                   .size = 1 << 20,
                                   .durable_seq = 1000,
                                   .continued = PREDECESSOR};
    memset(header.boot_id, 0xb0, 16);
    memset(header.database_id, 0xdb, 16);
    memset(header.incarnation, 0x1c, 16);
    return header;
}

static void test_a_file_header_is_read_back_and_every_flipped_bit_noticed(void **state)
{
    (void)state;
    uint8_t block[SOP_WAL_FILE_HEADER];
    sop_wal__file_header header = header_sample();
    sop_wal__file_header back = {0};
    sop_wal__header_encode(&header, block);
    assert_int_equal(sop_wal__header_decode(block, &back), SOP_WAL__HEADER_VALID);
    assert_true(back.kind == header.kind && back.file == header.file && back.run == header.run);
    assert_true(back.size == header.size && back.durable_seq == header.durable_seq);
    assert_memory_equal(back.boot_id, header.boot_id, 16);
    assert_memory_equal(back.database_id, header.database_id, 16);
    assert_memory_equal(back.incarnation, header.incarnation, 16);
    assert_true(sop_wal__place_equal(&back.continued, &header.continued));
    for (size_t bit = 0; bit < sizeof block * 8; bit++) {
        block[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(sop_wal__header_decode(block, &back), SOP_WAL__HEADER_BAD);
        block[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    memset(block, 0, sizeof block);
    assert_int_equal(sop_wal__header_decode(block, &back), SOP_WAL__HEADER_ZERO);
}

static void test_places_and_names_are_read_back(void **state)
{
    (void)state;
    uint8_t bytes[SOP_WAL_PLACE_SIZE];
    sop_wal_place back = {0};
    sop_wal_place_encode(&PREDECESSOR, bytes);
    sop_wal_place_decode(bytes, &back);
    assert_true(sop_wal__place_equal(&back, &PREDECESSOR));

    char name[SOP_WAL__NAME_SIZE];
    uint64_t file = 0;
    sop_wal__name_format(FILE_1, name);
    assert_string_equal(name, "log/0102030405.000007");
    assert_true(sop_wal__name_parse(name + 4, &file) && file == FILE_1);
    sop_wal__name_format(UINT64_MAX, name);
    assert_string_equal(name, "log/ffffffffff.ffffff");
    static const char *const bad[] = {"",
                                      "0102030405",
                                      "0102030405.",
                                      "0102030405.00000",
                                      "0102030405.0000070",
                                      "0102030405-000007",
                                      "010203040g.000007",
                                      "010203040A.000007",
                                      "x"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(sop_wal__name_parse(bad[i], &file));
    }

    char head[SOP_WAL__HEAD_NAME_MAX];
    sop_wal__head_format(&PREDECESSOR, head);
    assert_string_equal(head, "L.00000000000003e8.0102030405000007.0000001000.00000064."
                              "22222222222222221111111111111111");
    assert_true(sop_wal__head_parse(head, &back));
    back.frame_no = PREDECESSOR.frame_no;
    assert_true(sop_wal__place_equal(&back, &PREDECESSOR));
    for (size_t i = 0; head[i] != '\0'; i++) {
        char kept = head[i];
        head[i] = 'x';
        assert_false(sop_wal__head_parse(head, &back));
        head[i] = '\0';
        assert_false(sop_wal__head_parse(head, &back));
        head[i] = kept;
    }
}

/* ---- golden bytes: the formats of today stay readable for ever ---- */

static void golden_check(const char *name, const uint8_t *bytes, size_t size)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/%s", SOP_TEST_GOLDEN, name);
    if (getenv("SOP_TEST_GOLDEN_WRITE") != NULL) {
        FILE *out = fopen(path, "wb");
        assert_non_null(out);
        assert_int_equal(fwrite(bytes, 1, size, out), size);
        assert_int_equal(fclose(out), 0);
    }
    FILE *in = fopen(path, "rb");
    assert_non_null(in);
    uint8_t *stored = malloc(size + 1);
    size_t have = fread(stored, 1, size + 1, in);
    (void)fclose(in);
    assert_int_equal(have, size);
    assert_memory_equal(stored, bytes, size);
    free(stored);
}

static void test_the_formats_are_those_of_the_golden_files(void **state)
{
    (void)state;
    sop_wal_buffer buffer = {0};
    sample_fill(&buffer);
    (void)seal(&buffer, 0);
    golden_check("wal_frame.bin", buffer.data, buffer.size);
    uint8_t block[SOP_WAL_FILE_HEADER];
    sop_wal__file_header header = header_sample();
    sop_wal__header_encode(&header, block);
    golden_check("wal_file_header.bin", block, sizeof block);
    sop_wal_buffer_deinit(&buffer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_frame_is_read_back_as_written),
        cmocka_unit_test(test_bodies_of_every_size_come_back),
        cmocka_unit_test(test_many_items_come_back),
        cmocka_unit_test(test_a_small_transaction_is_compact),
        cmocka_unit_test(test_undo_leaves_the_buffer_as_before),
        cmocka_unit_test(test_too_large_is_refused),
        cmocka_unit_test(test_allocation_failure_at_every_n_loses_nothing),
        cmocka_unit_test(test_every_flipped_bit_is_noticed),
        cmocka_unit_test(test_a_frame_belongs_to_its_place_and_database),
        cmocka_unit_test(test_unknown_flags_of_a_valid_frame_are_unsupported),
        cmocka_unit_test(test_random_bodies_never_lead_out_of_the_frame),
        cmocka_unit_test(test_a_damaged_item_names_file_and_frame),
        cmocka_unit_test(test_a_file_header_is_read_back_and_every_flipped_bit_noticed),
        cmocka_unit_test(test_places_and_names_are_read_back),
        cmocka_unit_test(test_the_formats_are_those_of_the_golden_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
