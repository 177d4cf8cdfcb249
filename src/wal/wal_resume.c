/* SPDX-License-Identifier: MIT */
/* Going on where another process stopped writing: in its file, or in a new one (FORK, VOUCH). */
#include "util/assert.h"
#include "util/error.h"
#include "util/memory.h"
#include "util/rule.h"
#include "wal/wal_private.h"

/* Behind the last frame at or below the durable seq. */
static sop_status
durable_find(sop_wal__chain *chain, uint64_t durable_seq, sop_wal_place *out, sop_error *err)
{
    *out = (sop_wal_place){0};
    if (durable_seq >= chain->tip.seq_last || !SOP_RULE(FORK_AT_DURABLE)) {
        *out = chain->tip;
        return sop_wal__chain_seek(chain, out, err);
    }
    sop_status status = sop_wal__chain_seek_seq(chain, durable_seq, err);
    while (status == SOP_OK) {
        *out = chain->walker.last;
        sop_wal_frame frame;
        status = sop_wal__chain_next(chain, 1, &frame, err);
        if (status != SOP_OK || frame.place.seq_last > durable_seq) break;
    }
    if (status != SOP_OK && status != SOP_NOT_FOUND) return status;
    /* Back before the frame that was one too many. */
    size_t index = sop_wal__links_find(&chain->links, out->file);
    if (index < chain->links.count && out->offset != 0) {
        return sop_wal__chain_seek(chain, out, err);
    }
    return sop_wal__chain_enter(chain, 0, err);
}

sop_status sop_wal__fork_again(sop_wal *wal, sop_error *err)
{
    sop_wal__chain chain;
    sop_wal_place durable;
    sop_status status = sop_wal__chain_open(&chain, wal, err);
    if (status != SOP_OK) return status;
    status = durable_find(&chain, sop_wal__durable(wal), &durable, err);
    if (status == SOP_OK) status = sop_wal__fork(wal, &chain, &durable, err);
    sop_wal__chain_close(&chain);
    if (status != SOP_OK) return status;
    sop_mutex_lock(wal->lock);
    sop_wal__durable_set(wal, wal->tip.seq_last);
    wal->unvouched_seq = 0;
    sop_mutex_unlock(wal->lock);
    return SOP_OK;
}

/* The file where the next frame goes, opened afresh. */
static sop_status file_enter(sop_wal *wal, const sop_wal_end *end, sop_error *err)
{
    sop_wal__output output = {.id = end->file, .size = end->file_size};
    char name[SOP_WAL__NAME_SIZE];
    sop_wal__name_format(end->file, name);
    sop_status status =
        sop_file_open(wal->backend, name, SOP_FILE_WRITE | SOP_FILE_DIRECT, &output.file, err);
    if (status != SOP_OK) return status;
    sop_wal__outputs_close(wal);
    int begun = wal->tip.file == end->file;
    sop_wal__output_adopt(wal, &output,
                          begun ? sop_wal__place_end(&wal->tip) : SOP_WAL_FILE_HEADER);
    return SOP_OK;
}

/* A file without frames is no link yet: whoever wrote its header would have made it one. */
static sop_status link_complete(sop_wal *wal, const sop_wal_end *end, sop_error *err)
{
    sop_mutex_lock(wal->lock);
    sop_status status = SOP_OK;
    if (sop_wal__links_find(&wal->links, end->file) == wal->links.count) {
        status = sop_wal__links_reserve(&wal->links, 1, err);
        sop_wal__link link = {.file = end->file, .size = end->file_size, .before = wal->tip};
        if (status == SOP_OK) sop_wal__links_push(&wal->links, &link);
    }
    sop_mutex_unlock(wal->lock);
    return status;
}

static sop_status file_go_on(sop_wal *wal, const sop_wal_end *end, sop_error *err)
{
    uint64_t tip = wal->tip.seq_last;
    int durable = end->durable_seq >= tip;
    if (wal->current.file == NULL || wal->current.id != end->file) {
        sop_status status = link_complete(wal, end, err);
        if (status == SOP_OK) status = file_enter(wal, end, err);
        if (status != SOP_OK) return status;
        wal->unvouched_seq = durable ? 0 : tip;
    }
    sop_mutex_lock(wal->lock);
    sop_wal__output *output = &wal->current;
    if (wal->tip.file == output->id) output->end = sop_wal__place_end(&wal->tip);
    output->appended_seq = tip;
    output->synced_seq = durable ? tip : end->durable_seq;
    output->sealed = 1;
    sop_mutex_unlock(wal->lock);
    return SOP_OK;
}

/* Nothing of this process is at stake yet: a full medium leaves the log as it was. */
static sop_status published_sync(sop_wal *wal, sop_error *err)
{
    sop_wal_sync_job job;
    sop_status status = sop_wal_sync_begin(wal, &job, err);
    if (status != SOP_OK) return status;
    status = sop_wal_sync_run(&job, err);
    sop_wal_sync_end(wal, &job, status);
    return status;
}

sop_status sop_wal_resume(sop_wal *wal, int found_open, int durable, sop_error *err)
{
    sop_wal_end end;
    sop_status status = sop_wal__broken(wal, err);
    if (status != SOP_OK) return status;
    sop_wal_page_end(wal->page, &end);
    SOP_ASSERT(sop_wal__place_equal(&end.published, &wal->tip));
    sop_mutex_lock(wal->lock);
    if (end.durable_seq > sop_wal__durable(wal)) sop_wal__durable_set(wal, end.durable_seq);
    wal->started = 1;
    sop_mutex_unlock(wal->lock);
    if (found_open && SOP_RULE(FORK)) {
        status = sop_wal__fork_again(wal, err);
    } else {
        status = file_go_on(wal, &end, err);
        if (status == SOP_OK && durable) status = published_sync(wal, err);
    }
    if (status == SOP_OK) sop_wal_publish(wal);
    return status;
}
