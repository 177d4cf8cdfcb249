/* SPDX-License-Identifier: MIT */
/* Making the replayed log ready for appending: in the same file after a clean end, else in a new one (FORK). */
#include <string.h>

#include "util/assert.h"
#include "util/error.h"
#include "util/memory.h"
#include "util/rule.h"
#include "wal/wal_private.h"

#define COPY_CHUNK   (1u << 20)
#define IN_PLACE_MAX (1u << 20) /* more than this above the durable seq is copied by FORK */

/* Goes to the last frame at or below the durable seq. */
static sop_status
durable_seek(sop_wal__chain *chain, uint64_t durable_seq, sop_wal_place *out, sop_error *err)
{
    *out = chain->wal->durable_place;
    sop_status status = sop_wal__chain_seek(chain, out, err);
    if (status != SOP_OK) return status;
    for (;;) {
        sop_wal_frame frame;
        status = sop_wal__chain_next(chain, 1, &frame, err);
        if (status == SOP_NOT_FOUND) return SOP_OK;
        if (status != SOP_OK) return status;
        if (frame.place.seq_last > durable_seq) break;
        *out = frame.place;
    }
    return sop_wal__chain_seek(chain, out, err);
}

/* ---- going on in the same file ---- */

/* Writes the frames above the durable seq once more, byte for byte where they are: a sync vouches only for what was written
   while this process had the file open (VOUCH). */
static sop_status rewrite(sop_wal *wal,
                          sop_wal__output *output,
                          const sop_wal_place *durable,
                          const sop_wal_place *tip,
                          sop_error *err)
{
    uint64_t from = sop_wal__place_end(durable);
    size_t size = (size_t)(sop_wal__place_end(tip) - from);
    sop_wal__window window = {0};
    const uint8_t *bytes = NULL;
    sop_status status = sop_wal__window_open(&window, wal->backend, tip->file, err);
    if (status == SOP_OK) status = sop_wal__window_view(&window, from, size, &bytes, err);
    if (status == SOP_OK) status = sop_file_write(output->file, from, bytes, size, err);
    if (status == SOP_OK) status = sop_file_sync(output->file, err);
    sop_wal__window_deinit(&window);
    return status;
}

/* 1 in *done_out: the log goes on in the file of the tip. 0: not possible, FORK. */
static sop_status go_on(sop_wal *wal,
                        sop_wal__chain *chain,
                        const sop_wal_place *durable,
                        int *done_out,
                        sop_error *err)
{
    const sop_wal_place *tip = &chain->tip;
    const sop_wal__link *link = &chain->links.at[chain->links.count - 1];
    int above = durable->frame_no < tip->frame_no;
    *done_out = 0;
    if (above && (durable->file != tip->file || tip->offset - durable->offset > IN_PLACE_MAX)) {
        return SOP_OK;
    }
    sop_wal__output output = {.id = tip->file, .size = link->size};
    char name[SOP_WAL__NAME_SIZE];
    sop_wal__name_format(tip->file, name);
    sop_status status =
        sop_file_open(wal->backend, name, SOP_FILE_WRITE | SOP_FILE_DIRECT, &output.file, err);
    if (status != SOP_OK) return status;
    if (above && SOP_RULE(VOUCH)) status = rewrite(wal, &output, durable, tip, err);
    if (status != SOP_OK) {
        sop_wal__output_close(wal, &output);
        return status;
    }
    sop_wal__output_adopt(wal, &output, sop_wal__place_end(tip));
    *done_out = 1;
    return SOP_OK;
}

/* ---- FORK ---- */

/* Frames being copied into a new file, gathered to be written in large pieces. */
typedef struct {
    sop_wal__output output;
    uint8_t *bytes; /* what belongs at [at, at + used) of the file */
    size_t capacity;
    uint64_t at;
    size_t used;
    sop_wal_place last; /* the newest copy; before the first: the frame that the file continues */
    uint64_t durable_seq;
} copier;

static sop_status copier_flush(copier *c, sop_error *err)
{
    if (c->used == 0) return SOP_OK;
    sop_status status = sop_file_write(c->output.file, c->at, c->bytes, c->used, err);
    c->at += c->used;
    c->used = 0;
    return status;
}

static sop_status copier_reserve(copier *c, size_t size, sop_error *err)
{
    if (size <= c->capacity - c->used) return SOP_OK;
    sop_status status = copier_flush(c, err);
    if (status != SOP_OK || size <= c->capacity) return status;
    size_t capacity = size < COPY_CHUNK ? COPY_CHUNK : size;
    sop_free(c->bytes);
    c->capacity = 0;
    c->bytes = sop_alloc_aligned(SOP_DIRECT_ALIGN, capacity);
    if (c->bytes == NULL) {
        return sop_fail(err, SOP_NO_MEMORY, "no memory to copy %zu bytes of log", size);
    }
    c->capacity = capacity;
    return SOP_OK;
}

static sop_status copier_add(copier *c, const sop_wal_frame *frame, uint64_t seed, sop_error *err)
{
    size_t size = frame->place.length;
    size_t padded = (size_t)sop_round_up(size, SOP_WAL__SPACING);
    sop_status status = copier_reserve(c, padded, err);
    if (status != SOP_OK) return status;
    uint8_t *out = c->bytes + c->used;
    memcpy(out + SOP_WAL_FIXED_SIZE, frame->body.data, frame->body.size);
    memset(out + size, 0, padded - size);
    sop_wal__seal seal = {.flags = (uint16_t)(frame->flags | SOP_FRAME_COPY),
                          .transactions = frame->transactions,
                          .file = c->output.id,
                          .offset = c->at + c->used,
                          .durable_seq = c->durable_seq,
                          .predecessor = &c->last};
    sop_wal_place place;
    sop_wal__frame_seal(out, size, seed, &seal, &place);
    c->last = place;
    c->used += padded;
    return SOP_OK;
}

/* Copies all that follows in the chain; durable when it returns (COPY_FIRST). */
static sop_status copy_rest(copier *c, sop_wal__chain *chain, sop_error *err)
{
    sop_wal_frame frame;
    sop_status status = sop_wal__chain_next(chain, 1, &frame, err);
    if (status == SOP_NOT_FOUND) return SOP_OK;
    while (status == SOP_OK) {
        status = copier_add(c, &frame, chain->wal->seed, err);
        if (status == SOP_OK) status = sop_wal__chain_next(chain, 1, &frame, err);
    }
    if (status == SOP_NOT_FOUND) status = copier_flush(c, err);
    if (status == SOP_OK && SOP_RULE(COPY_FIRST)) status = sop_file_sync(c->output.file, err);
    return status;
}

/* The new file becomes the end of the chain, behind the durable frame. */
static void fork_adopt(sop_wal *wal, copier *c, const sop_wal_place *durable)
{
    sop_wal__link link = {.file = c->output.id, .size = c->output.size, .before = *durable};
    sop_mutex_lock(wal->lock);
    wal->links.count = sop_wal__links_find(&wal->links, durable->file) + 1;
    sop_wal__links_push(&wal->links, &link);
    sop_wal__tip_set(wal, &c->last);
    sop_mutex_unlock(wal->lock);
    uint64_t end =
        c->last.file == c->output.id ? sop_wal__place_end(&c->last) : SOP_WAL_FILE_HEADER;
    sop_wal__output_adopt(wal, &c->output, end);
}

sop_status
sop_wal__fork(sop_wal *wal, sop_wal__chain *chain, const sop_wal_place *durable, sop_error *err)
{
    /* Copies lie closer than their originals, but for the rounding at the end of each file. */
    uint64_t bytes = sop_wal_bytes_since(wal, durable) + SOP_WAL__SPACING * chain->links.count;
    uint64_t needed = SOP_WAL_FILE_HEADER + sop_round_up(bytes, SOP_WAL_ALIGN);
    uint64_t size = needed > wal->file_bytes_first ? needed : wal->file_bytes_first;
    copier c = {.at = SOP_WAL_FILE_HEADER, .last = *durable, .durable_seq = durable->seq_last};
    sop_mutex_lock(wal->lock);
    sop_status status = sop_wal__links_reserve(&wal->links, 1, err);
    sop_mutex_unlock(wal->lock);
    if (status == SOP_OK) status = sop_wal__file_make(wal, size, &c.output, err);
    if (status == SOP_OK) status = copy_rest(&c, chain, err);
    sop_free(c.bytes);
    if (status != SOP_OK) {
        uint64_t file = c.output.id;
        int made = c.output.file != NULL;
        sop_wal__output_close(wal, &c.output);
        if (made) (void)sop_wal__file_remove(wal, file, NULL);
        return status;
    }
    status = sop_wal__file_begin(wal, &c.output, SOP_WAL__FILE_FORK, durable, c.last.seq_last, err);
    if (status != SOP_OK) {
        /* The header may be on the medium or not; a later fork outruns it. */
        sop_wal__output_close(wal, &c.output);
        return wal->started ? sop_wal__break(wal, status, err) : status;
    }
    sop_wal__outputs_close(wal);
    fork_adopt(wal, &c, durable);
    return SOP_OK;
}

/* 1: another process that is alive made the file. */
static int belongs_to_other(sop_wal *wal, uint64_t file)
{
    if (wal->page == NULL || file >> 24 == wal->short_incarnation) return 0;
    return wal->backend->ops->lock_held(wal->backend, SOP_LOCK_ATTACHED + (file >> 24));
}

/* Files that no chain runs through: forks that lost, prepared files of runs that are over. They would only be looked through
   again; what cannot be removed does no harm. */
static void strays_remove(sop_wal *wal)
{
    for (size_t i = 0; i < wal->found_count; i++) {
        uint64_t file = wal->found[i].file;
        sop_mutex_lock(wal->lock);
        int kept = sop_wal__links_find(&wal->links, file) != wal->links.count;
        sop_mutex_unlock(wal->lock);
        if (!kept && !belongs_to_other(wal, file)) (void)sop_wal__file_remove(wal, file, NULL);
    }
    sop_free(wal->found);
    wal->found = NULL;
    wal->found_count = 0;
    wal->found_capacity = 0;
}

sop_status sop_wal_start(sop_wal *wal, int clean, sop_error *err)
{
    if (wal->read_only) {
        return sop_fail(err, SOP_READ_ONLY, "%s: opened read only", wal->backend->url);
    }
    if (wal->started || wal->links.count == 0) {
        return sop_fail(err, SOP_INVALID, "start the log once, after replay");
    }
    int same_boot = memcmp(wal->boot_id, wal->run_boot_id, 16) == 0;
    sop_wal__chain chain;
    sop_status status = sop_wal__chain_open(&chain, wal, err);
    if (status != SOP_OK) return status;
    /* After a boot all that could be read is on the medium; before it some may be in the page cache alone
       (COPY_ON_SHM_LOSS). */
    sop_wal_place durable = chain.tip;
    if (same_boot && SOP_RULE(COPY_ON_SHM_LOSS)) {
        status = durable_seek(&chain, sop_wal__durable(wal), &durable, err);
    } else {
        status = sop_wal__chain_seek(&chain, &durable, err);
    }
    int done = 0;
    int ended = clean && wal->clean && same_boot;
    if (status == SOP_OK && (ended || !SOP_RULE(FORK))) {
        status = go_on(wal, &chain, &durable, &done, err);
    }
    if (status == SOP_OK && !done) status = sop_wal__fork(wal, &chain, &durable, err);
    sop_wal__chain_close(&chain);
    if (status != SOP_OK) return status;
    sop_mutex_lock(wal->lock);
    sop_wal__durable_set(wal, wal->tip.seq_last);
    wal->started = 1;
    sop_mutex_unlock(wal->lock);
    strays_remove(wal);
    return SOP_OK;
}
