/* SPDX-License-Identifier: MIT */
/*
 * A log under test. Transaction number s carries s as its counter and a value made from s, so whatever is read back can be
 * checked without keeping what was written.
 */
#ifndef SOP_TESTS_WAL_FIXTURE_H
#define SOP_TESTS_WAL_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "backend/backend.h"
#include "support/support.h"
#include "util/bytes.h"
#include "util/memory.h"
#include "util/world.h"
#include "wal/wal.h"
#include "wal/wal_private.h"

#define FIXTURE_FILE_BYTES (64u << 10)

typedef struct {
    sop_backend *backend;
    sop_wal_options options;
    sop_wal *wal;
    sop_wal_buffer buffer;
    sop_wal_place head;
    uint64_t seq;    /* newest appended or replayed */
    uint64_t next;   /* seq that the check of a reading expects next */
    uint64_t frames; /* seen by the last reading */
    uint64_t copies; /* of these with the flag COPY */
    int clean;       /* as the last replay told */
    sop_error err;
} fixture;

/* ---- boots ---- */

static uint8_t fixture_boot = 1;
static sop_world fixture_world;

static void fixture_boot_id(uint8_t out[16])
{
    memset(out, fixture_boot, 16);
}

SOP_UNUSED static void fixture_reboot(void)
{
    fixture_boot++;
}

SOP_UNUSED static int fixture_setup(void **state)
{
    (void)state;
    fixture_world = *sop_world_get();
    fixture_world.boot_id = fixture_boot_id;
    sop_world_set(&fixture_world);
    return 0;
}

SOP_UNUSED static int fixture_teardown(void **state)
{
    (void)state;
    sop_world_set(NULL);
    return 0;
}

/* ---- transactions ---- */

static size_t fixture_value_size(uint64_t seq, size_t size_max)
{
    return size_max == 0 ? 0 : (size_t)(seq * 2654435761u % size_max);
}

static void fixture_txn_add(fixture *f, uint64_t seq, size_t size_max, uint8_t type)
{
    sop_wal_txn txn = {.type = type, .counter = seq, .lowest_open = seq};
    assert_int_equal(sop_wal_txn_begin(&f->buffer, &txn), SOP_OK);
    if (type == SOP_TXN_TYPE_DATA) {
        size_t size = fixture_value_size(seq, size_max);
        uint8_t *value = malloc(size + 1);
        memset(value, (int)(seq % 251), size);
        sop_wal_item item = {
            .store = 1, .op = SOP_WAL_INSERT, .key = {&seq, sizeof seq}, .value = {value, size}};
        assert_int_equal(sop_wal_item_add(&f->buffer, &item), SOP_OK);
        free(value);
    }
    sop_wal_txn_end(&f->buffer);
}

static void fixture_txn_check(const sop_wal_txn_view *txn)
{
    assert_int_equal(txn->head.counter, txn->seq);
    if (txn->head.type != SOP_TXN_TYPE_DATA) return;
    sop_wal_items items;
    sop_wal_item item;
    sop_wal_items_init(&items, txn);
    assert_int_equal(sop_wal_items_next(&items, &item, NULL), SOP_OK);
    assert_int_equal(item.key.size, sizeof txn->seq);
    assert_memory_equal(item.key.data, &txn->seq, sizeof txn->seq);
    for (size_t i = 0; i < item.value.size; i++) {
        assert_int_equal(((const uint8_t *)item.value.data)[i], txn->seq % 251);
    }
    assert_int_equal(sop_wal_items_next(&items, &item, NULL), SOP_NOT_FOUND);
}

/* Whatever reads the log: frames without gaps, each transaction as written. */
static sop_status fixture_frame(const sop_wal_frame *frame, void *context)
{
    fixture *f = context;
    sop_wal_reader reader;
    sop_wal_txn_view txn;
    if (f->next == 0) f->next = frame->first_seq;
    assert_int_equal(frame->first_seq, f->next);
    assert_true(frame->durable_seq < frame->first_seq);
    sop_wal_reader_init(&reader, frame);
    sop_status status;
    while ((status = sop_wal_reader_next(&reader, &txn, NULL)) == SOP_OK) {
        assert_int_equal(txn.seq, f->next++);
        fixture_txn_check(&txn);
    }
    assert_int_equal(status, SOP_NOT_FOUND);
    assert_int_equal(f->next - 1, frame->place.seq_last);
    f->frames++;
    f->copies += (frame->flags & SOP_FRAME_COPY) != 0;
    return SOP_OK;
}

static void fixture_reading(fixture *f, uint64_t next)
{
    f->next = next;
    f->frames = 0;
    f->copies = 0;
}

/* ---- life ---- */

/* Stands for the superblock, by which a backend knows a database. */
static sop_status fixture_superblock(sop_backend *backend, sop_error *err)
{
    sop_file *file = NULL;
    sop_status status = sop_file_open(backend, "SOP", SOP_FILE_WRITE | SOP_FILE_CREATE, &file, err);
    if (status == SOP_OK) status = sop_file_sync(file, err);
    if (status == SOP_OK) status = backend->ops->folder_sync(backend, "", err);
    sop_file_close(file);
    return status;
}

/* On a backend that is under construction; leave: the first frame ends with a LEAVE. */
static sop_status
fixture_create_on(fixture *f, sop_backend *backend, uint64_t file_bytes, int leave)
{
    fixture empty = {.backend = backend};
    *f = empty;
    f->options.backend = backend;
    f->options.file_bytes_first = file_bytes;
    f->options.short_incarnation = 1;
    memset(f->options.database_id, 0xdb, 16);
    memset(f->options.incarnation, 0x1c, 16);
    fixture_txn_add(f, 1, 0, SOP_TXN_TYPE_FORMAT);
    if (leave) fixture_txn_add(f, 2, 0, SOP_TXN_TYPE_LEAVE);
    sop_status status = sop_wal_create(&f->options, &f->buffer, &f->err);
    f->seq = leave ? 2 : 1;
    sop_wal_buffer_reset(&f->buffer);
    if (status == SOP_OK) status = fixture_superblock(backend, &f->err);
    if (status == SOP_OK) status = backend->ops->publish(backend, &f->err);
    return status;
}

SOP_UNUSED static void fixture_create(fixture *f, uint64_t file_bytes, int leave)
{
    sop_backend *backend = NULL;
    assert_int_equal(sop_backend_memory_open("", SOP_BACKEND_NEW, &backend, NULL), SOP_OK);
    assert_int_equal(fixture_create_on(f, backend, file_bytes, leave), SOP_OK);
}

/* A new process: opens and replays. */
static sop_status fixture_replay(fixture *f)
{
    sop_wal_frame frame;
    f->options.short_incarnation++;
    sop_status status = sop_wal_open(&f->options, &f->wal, &frame, &f->err);
    if (status != SOP_OK) return status;
    f->head = frame.place;
    fixture_reading(f, frame.place.seq_last + 1);
    status = sop_wal_replay(f->wal, &f->head, fixture_frame, f, &f->clean, &f->err);
    if (status != SOP_OK) {
        sop_wal_close(f->wal);
        f->wal = NULL;
        return status;
    }
    sop_wal_place tip = sop_wal_tip(f->wal);
    f->seq = tip.seq_last;
    assert_int_equal(f->next, f->seq + 1);
    return SOP_OK;
}

SOP_UNUSED static sop_status fixture_open(fixture *f)
{
    sop_status status = fixture_replay(f);
    if (status == SOP_OK) status = sop_wal_start(f->wal, f->clean, &f->err);
    if (status != SOP_OK) {
        sop_wal_close(f->wal);
        f->wal = NULL;
    }
    return status;
}

/* Opens, and whatever was there must still be there. */
SOP_UNUSED static void fixture_reopen(fixture *f)
{
    uint64_t seq = f->seq;
    sop_status status = fixture_open(f);
    if (status != SOP_OK) print_error("%s\n", f->err.message);
    assert_int_equal(status, SOP_OK);
    assert_int_equal(f->seq, seq);
}

SOP_UNUSED static sop_status
fixture_try_append(fixture *f, unsigned txns, size_t size_max, int aligned)
{
    sop_wal_place place;
    sop_wal_buffer_reset(&f->buffer);
    for (unsigned i = 0; i < txns; i++) {
        fixture_txn_add(f, f->seq + 1 + i, size_max, SOP_TXN_TYPE_DATA);
    }
    sop_status status = sop_wal_append(f->wal, &f->buffer, 0, aligned, &place, &f->err);
    if (status != SOP_OK) return status;
    f->seq += txns;
    assert_int_equal(place.seq_last, f->seq);
    assert_true(place.offset % (aligned ? 4096 : 8) == 0);
    return SOP_OK;
}

SOP_UNUSED static void fixture_append(fixture *f, unsigned txns, size_t size_max, int aligned)
{
    sop_status status = fixture_try_append(f, txns, size_max, aligned);
    if (status != SOP_OK) print_error("%s\n", f->err.message);
    assert_int_equal(status, SOP_OK);
}

SOP_UNUSED static void fixture_sync(fixture *f)
{
    assert_int_equal(sop_wal_sync(f->wal, &f->err), SOP_OK);
}

SOP_UNUSED static sop_status fixture_append_leave(fixture *f)
{
    sop_wal_place place;
    sop_wal_buffer_reset(&f->buffer);
    fixture_txn_add(f, f->seq + 1, 0, SOP_TXN_TYPE_LEAVE);
    sop_status status = sop_wal_append(f->wal, &f->buffer, 0, 1, &place, &f->err);
    if (status == SOP_OK) f->seq++;
    return status;
}

/* As a database does: all synced, then a LEAVE, synced too. */
SOP_UNUSED static sop_status fixture_try_leave(fixture *f)
{
    sop_status status = sop_wal_sync(f->wal, &f->err);
    if (status == SOP_OK) status = fixture_append_leave(f);
    if (status != SOP_OK) return status;
    return sop_wal_sync(f->wal, &f->err);
}

SOP_UNUSED static void fixture_leave(fixture *f)
{
    assert_int_equal(fixture_try_leave(f), SOP_OK);
}

/* Close without LEAVE is what a kill leaves behind. */
SOP_UNUSED static void fixture_kill(fixture *f)
{
    sop_wal_close(f->wal);
    f->wal = NULL;
}

SOP_UNUSED static void fixture_close(fixture *f)
{
    fixture_leave(f);
    fixture_kill(f);
}

SOP_UNUSED static void fixture_deinit(fixture *f)
{
    sop_wal_close(f->wal);
    sop_wal_buffer_deinit(&f->buffer);
    f->backend->ops->free(f->backend);
}

/* ---- the medium ---- */

typedef struct {
    unsigned files;
    uint64_t bytes;
    char last[64];
} fixture_listing;

static sop_status fixture_list_add(const char *name, uint64_t size, void *context)
{
    fixture_listing *listing = context;
    listing->files++;
    listing->bytes += size;
    (void)snprintf(listing->last, sizeof listing->last, "log/%s", name);
    return SOP_OK;
}

SOP_UNUSED static fixture_listing fixture_list(fixture *f, const char *folder)
{
    fixture_listing listing = {0};
    sop_status status = f->backend->ops->list(f->backend, folder, fixture_list_add, &listing, NULL);
    assert_int_equal(status, SOP_OK);
    return listing;
}

/* Exclusive-ors one byte of a log file. */
SOP_UNUSED static void fixture_flip(fixture *f, uint64_t log_file, uint64_t offset, uint8_t bits)
{
    char name[SOP_WAL__NAME_SIZE];
    sop_file *file = NULL;
    uint8_t byte = 0;
    size_t have = 0;
    sop_wal__name_format(log_file, name);
    assert_int_equal(sop_file_open(f->backend, name, SOP_FILE_WRITE, &file, NULL), SOP_OK);
    assert_int_equal(sop_file_read(file, offset, &byte, 1, &have, NULL), SOP_OK);
    assert_int_equal(have, 1);
    byte ^= bits;
    assert_int_equal(sop_file_write(file, offset, &byte, 1, NULL), SOP_OK);
    sop_file_close(file);
}

/* A whole log file in memory. */
typedef struct {
    uint64_t log_file;
    uint8_t *bytes;
    size_t size;
} fixture_file;

SOP_UNUSED static fixture_file fixture_file_read(fixture *f, uint64_t log_file)
{
    char name[SOP_WAL__NAME_SIZE];
    sop_file *file = NULL;
    uint64_t size = 0;
    size_t have = 0;
    sop_wal__name_format(log_file, name);
    assert_int_equal(sop_file_open(f->backend, name, 0, &file, NULL), SOP_OK);
    assert_int_equal(sop_file_size(file, &size, NULL), SOP_OK);
    fixture_file copy = {log_file, malloc((size_t)size), (size_t)size};
    assert_int_equal(sop_file_read(file, 0, copy.bytes, copy.size, &have, NULL), SOP_OK);
    assert_int_equal(have, size);
    sop_file_close(file);
    return copy;
}

/* Writes it over what is there, or anew. */
SOP_UNUSED static void fixture_file_write(fixture *f, const fixture_file *copy)
{
    char name[SOP_WAL__NAME_SIZE];
    sop_file *file = NULL;
    sop_wal__name_format(copy->log_file, name);
    if (sop_file_open(f->backend, name, SOP_FILE_WRITE, &file, NULL) != SOP_OK) {
        int flags = SOP_FILE_WRITE | SOP_FILE_CREATE;
        assert_int_equal(sop_file_open(f->backend, name, flags, &file, NULL), SOP_OK);
    }
    assert_int_equal(sop_file_write(file, 0, copy->bytes, copy->size, NULL), SOP_OK);
    sop_file_close(file);
}

SOP_UNUSED static void fixture_file_remove(fixture *f, uint64_t log_file)
{
    char name[SOP_WAL__NAME_SIZE];
    sop_wal__name_format(log_file, name);
    assert_int_equal(f->backend->ops->remove(f->backend, name, NULL), SOP_OK);
}

/* Writes bytes into a log file; NULL: zeros. */
SOP_UNUSED static void
fixture_overwrite(fixture *f, uint64_t log_file, uint64_t offset, const void *bytes, size_t size)
{
    char name[SOP_WAL__NAME_SIZE];
    sop_file *file = NULL;
    void *zeros = calloc(1, size);
    sop_wal__name_format(log_file, name);
    assert_int_equal(sop_file_open(f->backend, name, SOP_FILE_WRITE, &file, NULL), SOP_OK);
    assert_int_equal(sop_file_write(file, offset, bytes == NULL ? zeros : bytes, size, NULL),
                     SOP_OK);
    sop_file_close(file);
    free(zeros);
}

/* What the reading of a whole log saw. */
typedef struct {
    fixture *f;
    sop_wal_place last;
} fixture_gaps;

static sop_status fixture_gap(const sop_wal_frame *frame, void *context)
{
    fixture_gaps *gaps = context;
    const sop_wal_place *last = &gaps->last;
    if (last->file == frame->place.file) {
        fixture_file file = fixture_file_read(gaps->f, last->file);
        for (uint64_t at = last->offset + last->length; at < frame->place.offset; at++) {
            assert_int_equal(file.bytes[at], 0);
        }
        free(file.bytes);
    }
    gaps->last = frame->place;
    return SOP_OK;
}

/* wal-2: space after a frame is zero. */
SOP_UNUSED static void fixture_check_gaps(fixture *f)
{
    fixture_gaps gaps = {.f = f};
    assert_int_equal(sop_wal_check(f->wal, &f->head, fixture_gap, &gaps, &f->err), SOP_OK);
}

#endif
