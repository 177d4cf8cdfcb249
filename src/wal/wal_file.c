/* SPDX-License-Identifier: MIT */
/* Log files: finding them, making them ready with zeros, writing their headers. */
#include <stdio.h>
#include <string.h>

#include "util/bytes.h"
#include "util/error.h"
#include "util/memory.h"
#include "util/rule.h"
#include "util/world.h"
#include "wal/wal_private.h"

#define ZERO_CHUNK     (1u << 20)
#define N_MAX          0xffffffu
#define MAKE_TRIES     16
#define FOUND_AT_FIRST 8

/* ---- finding ---- */

static sop_status found_add(const char *name, uint64_t size, void *context)
{
    sop_wal *wal = context;
    uint64_t file = 0;
    if (!sop_wal__name_parse(name, &file)) return SOP_OK;
    if (wal->found_count == wal->found_capacity) {
        size_t capacity = wal->found_capacity == 0 ? FOUND_AT_FIRST : 2 * wal->found_capacity;
        sop_wal__found *found = sop_realloc(wal->found, capacity * sizeof *found);
        if (found == NULL) return SOP_NO_MEMORY;
        wal->found = found;
        wal->found_capacity = capacity;
    }
    sop_wal__found entry = {.file = file, .size = size, .state = SOP_WAL__HEADER_ZERO};
    wal->found[wal->found_count++] = entry;
    return SOP_OK;
}

/* A header of another database or another file is none. */
static int header_belongs(const sop_wal *wal, const sop_wal__found *found)
{
    const sop_wal__file_header *header = &found->header;
    return header->file == found->file && memcmp(header->database_id, wal->database_id, 16) == 0 &&
           memcmp(header->incarnation, wal->incarnation, 16) == 0;
}

sop_status sop_wal__header_read(sop_wal *wal,
                                sop_wal__found *found,
                                uint8_t block[SOP_WAL_FILE_HEADER],
                                sop_error *err)
{
    char name[SOP_WAL__NAME_SIZE];
    sop_wal__name_format(found->file, name);
    sop_file *file = NULL;
    size_t have = 0;
    sop_status status = sop_file_open(wal->backend, name, 0, &file, err);
    if (status != SOP_OK) return status;
    status = sop_file_read(file, 0, block, SOP_WAL_FILE_HEADER, &have, err);
    if (status == SOP_OK) status = sop_file_size(file, &found->size, err);
    sop_file_close(file);
    if (status != SOP_OK) return status;
    /* A file that is shorter was never filled: whoever made it did not get to use it. */
    memset(block + have, 0, SOP_WAL_FILE_HEADER - have);
    found->state = sop_wal__header_decode(block, &found->header);
    if (found->state != SOP_WAL__HEADER_VALID) return SOP_OK;
    if (!header_belongs(wal, found)) {
        found->state = SOP_WAL__HEADER_BAD;
        return SOP_OK;
    }
    if (found->size < found->header.size) {
        return sop_fail(err, SOP_CORRUPT, "log file %s is cut off at %llu of %llu bytes", name,
                        (unsigned long long)found->size, (unsigned long long)found->header.size);
    }
    return SOP_OK;
}

sop_status sop_wal__files_load(sop_wal *wal, sop_error *err)
{
    wal->found_count = 0;
    sop_status status = wal->backend->ops->list(wal->backend, "log", found_add, wal, err);
    if (status != SOP_OK) {
        return status == SOP_NO_MEMORY
                   ? sop_fail(err, status, "no memory for the list of log files")
                   : status;
    }
    uint8_t *block = sop_alloc(SOP_WAL_FILE_HEADER);
    if (block == NULL) return sop_fail(err, SOP_NO_MEMORY, "no memory to read log file headers");
    wal->run_highest = 0;
    wal->run_boot_file = 0;
    for (size_t i = 0; i < wal->found_count && status == SOP_OK; i++) {
        sop_wal__found *found = &wal->found[i];
        if (found->file >> 24 == wal->short_incarnation && (found->file & N_MAX) >= wal->n_next) {
            wal->n_next = (found->file & N_MAX) + 1;
        }
        status = sop_wal__header_read(wal, found, block, err);
        if (status != SOP_OK || found->state != SOP_WAL__HEADER_VALID) continue;
        if (found->header.run > wal->run_highest) {
            wal->run_highest = found->header.run;
            wal->run_boot_file = found->file;
            memcpy(wal->run_boot_id, found->header.boot_id, 16);
        }
    }
    sop_free(block);
    return status;
}

/* ---- making ---- */

static sop_status zeros_write(sop_file *file, uint64_t size, sop_error *err)
{
    size_t chunk = size < ZERO_CHUNK ? (size_t)size : ZERO_CHUNK;
    void *zeros = sop_alloc_aligned(SOP_DIRECT_ALIGN, chunk);
    if (zeros == NULL) {
        return sop_fail(err, SOP_NO_MEMORY, "no memory to fill log file %s", file->name);
    }
    memset(zeros, 0, chunk);
    sop_status status = SOP_OK;
    for (uint64_t at = 0; at < size && status == SOP_OK; at += chunk) {
        size_t part = size - at < chunk ? (size_t)(size - at) : chunk;
        status = sop_file_write(file, at, zeros, part, err);
    }
    sop_free(zeros);
    return status;
}

static sop_status n_take(sop_wal *wal, uint64_t *file_out, sop_error *err)
{
    sop_mutex_lock(wal->lock);
    uint64_t n = wal->n_next;
    if (n <= N_MAX) wal->n_next++;
    sop_mutex_unlock(wal->lock);
    if (n > N_MAX) {
        return sop_fail(err, SOP_TOO_LARGE, "no number left for another log file; reopen");
    }
    *file_out = wal->short_incarnation << 24 | n;
    return SOP_OK;
}

/* A name that is taken (left by a run with the same short incarnation) is passed over: names are never reused. */
static sop_status file_create(sop_wal *wal, sop_wal__output *out, sop_error *err)
{
    for (int i = 0; i < MAKE_TRIES; i++) {
        char name[SOP_WAL__NAME_SIZE];
        sop_status status = n_take(wal, &out->id, err);
        if (status != SOP_OK) return status;
        sop_wal__name_format(out->id, name);
        int flags = SOP_FILE_WRITE | SOP_FILE_CREATE | SOP_FILE_DIRECT;
        status = sop_file_open(wal->backend, name, flags, &out->file, err);
        if (status != SOP_EXISTS) return status;
    }
    return sop_fail(err, SOP_EXISTS, "%d names for a new log file are taken", MAKE_TRIES);
}

sop_status sop_wal__file_remove(sop_wal *wal, uint64_t file, sop_error *err)
{
    char name[SOP_WAL__NAME_SIZE];
    sop_wal__name_format(file, name);
    sop_status status = wal->backend->ops->remove(wal->backend, name, err);
    return status == SOP_NOT_FOUND ? SOP_OK : status;
}

sop_status sop_wal__file_make(sop_wal *wal, uint64_t size, sop_wal__output *out, sop_error *err)
{
    sop_wal__output made = {.size = size, .end = SOP_WAL_FILE_HEADER};
    sop_status status = file_create(wal, &made, err);
    if (status != SOP_OK) return status;
    status = zeros_write(made.file, size, err);
    if (status == SOP_OK) status = sop_file_sync(made.file, err);
    if (status == SOP_OK && SOP_RULE(FORK_DIR)) {
        status = wal->backend->ops->folder_sync(wal->backend, "log", err);
    }
    if (status != SOP_OK) {
        sop_file_close(made.file);
        (void)sop_wal__file_remove(wal, made.id, NULL);
        return status;
    }
    *out = made;
    return SOP_OK;
}

/* Told to the others before anything is written: a header that fails may be found all the same, and no other may have its run. */
static uint64_t run_take(sop_wal *wal)
{
    sop_mutex_lock(wal->lock);
    uint64_t run = wal->run_highest;
    if (wal->page != NULL) {
        uint64_t shared = atomic_load_explicit(&wal->page->run, memory_order_relaxed);
        if (shared > run) run = shared;
    }
    run++;
    wal->run_highest = run;
    /* Relaxed: the pen orders its holders. */
    if (wal->page != NULL) atomic_store_explicit(&wal->page->run, run, memory_order_relaxed);
    sop_mutex_unlock(wal->lock);
    return run;
}

sop_status sop_wal__file_begin(sop_wal *wal,
                               sop_wal__output *output,
                               uint16_t kind,
                               const sop_wal_place *continued,
                               uint64_t durable_seq,
                               sop_error *err)
{
    uint8_t *block = sop_alloc_aligned(SOP_DIRECT_ALIGN, SOP_WAL_FILE_HEADER);
    if (block == NULL) {
        return sop_fail(err, SOP_NO_MEMORY, "no memory for the header of a log file");
    }
    sop_wal__file_header header = {.kind = kind,
                                   .file = output->id,
                                   .size = output->size,
                                   .durable_seq = durable_seq,
                                   .continued = *continued};
    header.run = run_take(wal);
    memcpy(header.boot_id, wal->boot_id, 16);
    memcpy(header.database_id, wal->database_id, 16);
    memcpy(header.incarnation, wal->incarnation, 16);
    sop_wal__header_encode(&header, block);
    sop_status status = sop_file_write(output->file, 0, block, SOP_WAL_FILE_HEADER, err);
    if (status == SOP_OK && SOP_RULE(FORK_SYNCED)) status = sop_file_sync(output->file, err);
    sop_free(block);
    return status;
}

void sop_wal__outputs_close(sop_wal *wal)
{
    sop_mutex_lock(wal->lock);
    /* The keeper may be syncing a full file. */
    for (size_t i = 0; i < wal->full_count;) {
        if (wal->full[i].busy) {
            sop_cond_wait(&wal->idle, wal->lock, UINT64_MAX);
            i = 0;
        } else {
            i++;
        }
    }
    for (size_t i = 0; i < wal->full_count; i++) {
        sop_wal__output_close(wal, &wal->full[i]);
    }
    wal->full_count = 0;
    sop_wal__output_close(wal, &wal->current);
    sop_mutex_unlock(wal->lock);
}

void sop_wal__output_close(sop_wal *wal, sop_wal__output *output)
{
    if (output->map != NULL) wal->backend->ops->file_unmap(wal->backend, output->map, output->size);
    sop_file_close(output->file);
    sop_wal__output none = {0};
    *output = none;
}
