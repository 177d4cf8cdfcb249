/* SPDX-License-Identifier: MIT */
/* Creating the log of a new database, opening and closing. */
#include <string.h>

#include "util/assert.h"
#include "util/error.h"
#include "util/memory.h"
#include "util/world.h"
#include "wal/wal_private.h"

/* A header and one block. */
#define FILE_FIRST_MIN UINT64_C(8192)

static sop_wal *wal_new(const sop_wal_options *options)
{
    sop_wal *wal = sop_alloc_zeroed(sizeof *wal);
    if (wal == NULL) return NULL;
    wal->backend = options->backend;
    wal->page = options->page;
    memcpy(wal->database_id, options->database_id, 16);
    memcpy(wal->incarnation, options->incarnation, 16);
    wal->short_incarnation = options->short_incarnation & ((1ull << 40) - 1);
    wal->seed = sop_wal__seed(options->incarnation);
    wal->read_only = options->read_only || options->backend->read_only;
    uint64_t first = options->file_bytes_first;
    if (first == 0) first = SOP_WAL__FILE_FIRST_BYTES;
    if (first < FILE_FIRST_MIN) first = FILE_FIRST_MIN;
    if (first > SOP_WAL__FILE_MAX_BYTES) first = SOP_WAL__FILE_MAX_BYTES;
    wal->file_bytes_first = sop_round_up(first, SOP_WAL_ALIGN);
    wal->size_next = wal->file_bytes_first;
    wal->n_next = 1;
    wal->lock = &wal->lock_storage;
    sop_boot_id(wal->boot_id);
    return wal;
}

/* ---- create ---- */

static sop_status head_create(sop_wal *wal, const sop_wal_place *place, sop_error *err)
{
    static const char FOLDER[] = "head/";
    char name[sizeof FOLDER + SOP_WAL__HEAD_NAME_MAX];
    memcpy(name, FOLDER, sizeof FOLDER);
    sop_wal__head_format(place, name + sizeof FOLDER - 1);
    sop_file *file = NULL;
    sop_status status =
        sop_file_open(wal->backend, name, SOP_FILE_WRITE | SOP_FILE_CREATE, &file, err);
    if (status != SOP_OK) return status;
    status = sop_file_sync(file, err);
    sop_file_close(file);
    if (status != SOP_OK) return status;
    return wal->backend->ops->folder_sync(wal->backend, "head", err);
}

static sop_status first_write(sop_wal *wal,
                              sop_wal__output *output,
                              sop_wal_buffer *first,
                              sop_wal_place *place,
                              sop_error *err)
{
    sop_wal_place none = {.seq_last = place->seq_last};
    sop_status status = sop_wal__file_begin(wal, output, SOP_WAL__FILE_FIRST, &none, 0, err);
    if (status != SOP_OK) return status;
    sop_wal__seal seal = {.transactions = first->transactions,
                          .file = output->id,
                          .offset = SOP_WAL_FILE_HEADER,
                          .predecessor = &none};
    sop_wal__frame_seal(first->data, first->size, wal->seed, &seal, place);
    status = sop_file_write(output->file, SOP_WAL_FILE_HEADER, first->data, first->size, err);
    if (status == SOP_OK) status = sop_file_sync(output->file, err);
    return status;
}

sop_status sop_wal_create(const sop_wal_options *options, sop_wal_buffer *first, sop_error *err)
{
    if (first->transactions == 0 || first->txn_at != 0) {
        return sop_fail(err, SOP_INVALID, "a log begins with at least one whole transaction");
    }
    sop_wal *wal = wal_new(options);
    if (wal == NULL) return sop_fail(err, SOP_NO_MEMORY, "no memory for a log");
    sop_wal__output output = {0};
    /* The first file continues a frame 0 that never was. */
    sop_wal_place place = {.seq_last = options->first_seq == 0 ? 0 : options->first_seq - 1};
    uint64_t needed = SOP_WAL_FILE_HEADER + sop_round_up(first->size, SOP_WAL_ALIGN);
    uint64_t size = needed > wal->file_bytes_first ? needed : wal->file_bytes_first;
    sop_status status = sop_wal__file_make(wal, size, &output, err);
    if (status == SOP_OK) status = first_write(wal, &output, first, &place, err);
    sop_wal__output_close(wal, &output);
    if (status == SOP_OK) status = head_create(wal, &place, err);
    sop_wal_close(wal);
    return status;
}

/* ---- open, close ---- */

sop_status sop_wal_open(const sop_wal_options *options,
                        sop_wal **out,
                        sop_wal_frame *head_frame_out,
                        sop_error *err)
{
    *out = NULL;
    sop_wal *wal = wal_new(options);
    if (wal == NULL) return sop_fail(err, SOP_NO_MEMORY, "no memory for a log");
    sop_status status = sop_wal__head_load(wal, head_frame_out, err);
    if (status != SOP_OK) {
        sop_wal_close(wal);
        return status;
    }
    *out = wal;
    return SOP_OK;
}

void sop_wal_close(sop_wal *wal)
{
    if (wal == NULL) return;
    SOP_ASSERT(!wal->preparing);
    if (wal->next.file != NULL) {
        /* Nothing lies in it, and the next run would have to look through it. */
        uint64_t file = wal->next.id;
        sop_wal__output_close(wal, &wal->next);
        (void)sop_wal__file_remove(wal, file, NULL);
    }
    for (size_t i = 0; i < wal->full_count; i++) {
        sop_wal__output_close(wal, &wal->full[i]);
    }
    sop_free(wal->full);
    sop_wal__output_close(wal, &wal->current);
    sop_wal__window_deinit(&wal->head_window);
    sop_free(wal->links.at);
    sop_free(wal->found);
    sop_free(wal);
}

sop_wal_place sop_wal_tip(const sop_wal *wal)
{
    sop_mutex_lock(wal->lock);
    sop_wal_place tip = wal->tip;
    sop_mutex_unlock(wal->lock);
    return tip;
}

uint64_t sop_wal_durable_seq(const sop_wal *wal)
{
    return sop_wal__durable(wal);
}

uint64_t sop_wal_bytes_since(const sop_wal *wal, const sop_wal_place *place)
{
    uint64_t bytes = 0;
    sop_mutex_lock(wal->lock);
    const sop_wal__links *links = &wal->links;
    uint64_t from = sop_wal__place_end(place);
    for (size_t i = sop_wal__links_find(links, place->file); i < links->count; i++) {
        const sop_wal_place *last = i + 1 < links->count ? &links->at[i + 1].before : &wal->tip;
        uint64_t end = sop_wal__place_end(last);
        if (last->file == links->at[i].file && end > from) bytes += end - from;
        from = SOP_WAL_FILE_HEADER;
    }
    sop_mutex_unlock(wal->lock);
    return bytes;
}
