/* SPDX-License-Identifier: MIT */
/*
 * Speed of the log alone, on a folder: micro_wal FOLDER [FRAMES]. The folder must not exist; it is left behind.
 * Durable appends alternate with raw synced writes of the same size in short rounds, so that both meet the same disk.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/backend.h"
#include "util/world.h"
#include "wal/wal.h"

enum { ROUNDS = 10, VALUE_SIZE = 50, BLOCK = 4096, LARGE = 1 << 20, RAW_BYTES = 16 << 20 };

typedef struct {
    sop_backend *backend;
    sop_wal *wal;
    sop_wal_options options;
    sop_wal_buffer buffer;
    sop_file *raw[2]; /* without and with SOP_FILE_DIRECT */
    uint8_t *bytes;
    uint64_t raw_at;
    uint64_t frames;
    sop_error err;
} bench;

static void check(bench *b, sop_status status, const char *what)
{
    if (status == SOP_OK) return;
    (void)fprintf(stderr, "%s: %s: %s\n", what, sop_status_name(status), b->err.message);
    exit(1);
}

static void report(const char *name, uint64_t count, uint64_t ns)
{
    (void)printf("%-44s %12.0f /s %10.3f us\n", name, (double)count * 1e9 / (double)ns,
                 (double)ns / 1e3 / (double)count);
}

/* About 150 bytes with the fixed part. */
static void frame_fill(bench *b)
{
    static const char value[VALUE_SIZE] = {1};
    uint64_t key[2] = {0, ++b->frames};
    sop_wal_txn txn = {.type = SOP_TXN_TYPE_DATA, .counter = b->frames, .lowest_open = b->frames};
    sop_wal_item item = {
        .store = 3, .op = SOP_WAL_INSERT, .key = {key + 1, 8}, .value = {value, sizeof value}};
    sop_wal_buffer_reset(&b->buffer);
    check(b, sop_wal_txn_begin(&b->buffer, &txn), "begin");
    check(b, sop_wal_item_add(&b->buffer, &item), "item");
    sop_wal_txn_end(&b->buffer);
}

static void append(bench *b, int aligned)
{
    sop_wal_place place;
    frame_fill(b);
    check(b, sop_wal_append(b->wal, &b->buffer, 0, aligned, &place, &b->err), "append");
}

static void files_make(bench *b)
{
    for (int i = 0; i < 2; i++) {
        int flags = SOP_FILE_WRITE | (i == 1 ? SOP_FILE_DIRECT : 0);
        if (i == 0) flags |= SOP_FILE_CREATE;
        check(b, sop_file_open(b->backend, "log/raw", flags, &b->raw[i], &b->err), "raw file");
        for (uint64_t at = 0; i == 0 && at < RAW_BYTES; at += LARGE) {
            check(b, sop_file_write(b->raw[0], at, b->bytes, LARGE, &b->err), "raw fill");
        }
        check(b, sop_file_sync(b->raw[i], &b->err), "raw sync");
    }
}

static void setup(bench *b, const char *folder)
{
    sop_file *file = NULL;
    sop_wal_frame head;
    b->bytes = aligned_alloc(BLOCK, LARGE);
    if (b->bytes == NULL) exit(1);
    memset(b->bytes, 7, LARGE);
    check(b, sop_backend_file_open(folder, SOP_BACKEND_NEW, 0, 1, &b->backend, &b->err), "folder");
    int flags = SOP_FILE_WRITE | SOP_FILE_CREATE;
    check(b, sop_file_open(b->backend, "SOP", flags, &file, &b->err), "SOP");
    sop_file_close(file);
    b->options.backend = b->backend;
    b->options.short_incarnation = 1;
    frame_fill(b);
    check(b, sop_wal_create(&b->options, &b->buffer, &b->err), "create");
    check(b, b->backend->ops->publish(b->backend, &b->err), "publish");
    check(b, sop_wal_open(&b->options, &b->wal, &head, &b->err), "open");
    sop_wal_place place = head.place;
    check(b, sop_wal_replay(b->wal, &place, NULL, NULL, NULL, &b->err), "replay");
    check(b, sop_wal_start(b->wal, 0, &b->err), "start");
    files_make(b);
}

/* ---- what is measured; each returns nanoseconds for count operations ---- */

static uint64_t raw_write(bench *b, int direct, size_t size, uint64_t count)
{
    uint64_t begin = sop_boot_ns();
    for (uint64_t i = 0; i < count; i++) {
        if (b->raw_at + size > RAW_BYTES) b->raw_at = 0;
        check(b, sop_file_write(b->raw[direct], b->raw_at, b->bytes, size, &b->err), "raw write");
        check(b, sop_file_sync(b->raw[direct], &b->err), "raw sync");
        b->raw_at += size;
    }
    return sop_boot_ns() - begin;
}

static uint64_t append_durable(bench *b, uint64_t count)
{
    uint64_t spent = 0;
    for (uint64_t i = 0; i < count; i++) {
        /* A database prepares in a task of its own; here it would be measured with the appends. */
        check(b, sop_wal_prepare(b->wal, &b->err), "prepare");
        uint64_t begin = sop_boot_ns();
        append(b, 1);
        check(b, sop_wal_sync(b->wal, &b->err), "sync");
        spent += sop_boot_ns() - begin;
    }
    return spent;
}

static uint64_t append_fast(bench *b, uint64_t count)
{
    uint64_t spent = 0;
    for (uint64_t done = 0; done < count; done += 1000) {
        check(b, sop_wal_prepare(b->wal, &b->err), "prepare");
        uint64_t begin = sop_boot_ns();
        for (uint64_t i = 0; i < 1000; i++) {
            append(b, 0);
        }
        spent += sop_boot_ns() - begin;
    }
    return spent;
}

static uint64_t replay(bench *b, uint64_t *bytes_out)
{
    sop_wal *wal = NULL;
    sop_wal_frame head;
    sop_wal_options options = b->options;
    options.read_only = 1;
    uint64_t begin = sop_boot_ns();
    check(b, sop_wal_open(&options, &wal, &head, &b->err), "open");
    sop_wal_place place = head.place;
    check(b, sop_wal_replay(wal, &place, NULL, NULL, NULL, &b->err), "replay");
    uint64_t spent = sop_boot_ns() - begin;
    *bytes_out = sop_wal_bytes_since(wal, &place);
    sop_wal_close(wal);
    return spent;
}

int main(int argc, char **argv)
{
    static bench b;
    if (argc < 2) {
        (void)fprintf(stderr, "usage: micro_wal FOLDER [FRAMES]\n");
        return 2;
    }
    uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 10) : 2000;
    setup(&b, argv[1]);
    uint64_t ns[5] = {0};
    uint64_t part = count / ROUNDS == 0 ? 1 : count / ROUNDS;
    uint64_t large = part / 20 == 0 ? 1 : part / 20;
    for (int i = 0; i < ROUNDS; i++) {
        ns[0] += raw_write(&b, 0, BLOCK, part);
        ns[1] += raw_write(&b, 1, BLOCK, part);
        ns[2] += append_durable(&b, part);
        ns[3] += raw_write(&b, 0, LARGE, large);
        ns[4] += raw_write(&b, 1, LARGE, large);
    }
    report("raw write of 4 KiB, synced", part * ROUNDS, ns[0]);
    report("raw direct write of 4 KiB, synced", part * ROUNDS, ns[1]);
    report("durable append of one small frame", part * ROUNDS, ns[2]);
    report("raw write of 1 MiB, synced", large * ROUNDS, ns[3]);
    report("raw direct write of 1 MiB, synced", large * ROUNDS, ns[4]);
    uint64_t fast = 1000000;
    report("append without sync", fast, append_fast(&b, fast));
    uint64_t begin = sop_boot_ns();
    check(&b, sop_wal_sync(b.wal, &b.err), "sync");
    report("... and the sync of all of it", 1, sop_boot_ns() - begin);
    uint64_t bytes = 0;
    uint64_t spent = replay(&b, &bytes);
    report("replay, frames", b.frames, spent);
    (void)printf("%" PRIu64 " bytes replayed, %.2f GB/s\n", bytes, (double)bytes / (double)spent);
    sop_wal_close(b.wal);
    sop_file_close(b.raw[0]);
    sop_file_close(b.raw[1]);
    b.backend->ops->free(b.backend);
    sop_wal_buffer_deinit(&b.buffer);
    free(b.bytes);
    return 0;
}
