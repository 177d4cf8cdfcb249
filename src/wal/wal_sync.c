/* SPDX-License-Identifier: MIT */
/* Making appended frames durable, and preparing files in the background. */
#include "util/assert.h"
#include "util/error.h"
#include "util/memory.h"
#include "util/rule.h"
#include "wal/wal_private.h"

/* ---- sync ---- */

/* Lock held. The file that is being synced; it may have become full meanwhile. */
static sop_wal__output *output_find(sop_wal *wal, uint64_t id)
{
    for (size_t i = 0; i < wal->full_count; i++) {
        if (wal->full[i].id == id) return &wal->full[i];
    }
    SOP_ASSERT(wal->current.id == id);
    return &wal->current;
}

/* Lock held. The oldest file with frames up to the seq that are not synced. */
static sop_wal__output *output_unsynced(sop_wal *wal, uint64_t seq)
{
    sop_wal__output *output = wal->full_count > 0 ? &wal->full[0] : &wal->current;
    return output->synced_seq < output->appended_seq && output->synced_seq < seq ? output : NULL;
}

/* Lock held. Closes full files that are synced, and notes how far all is durable. */
static void synced_release(sop_wal *wal)
{
    size_t done = 0;
    while (done < wal->full_count && wal->full[done].synced_seq == wal->full[done].appended_seq &&
           !wal->full[done].busy) {
        sop_wal__output_close(wal, &wal->full[done]);
        done++;
    }
    wal->full_count -= done;
    for (size_t i = 0; i < wal->full_count && done > 0; i++) {
        wal->full[i] = wal->full[i + done];
    }
    const sop_wal__output *oldest = wal->full_count > 0 ? &wal->full[0] : &wal->current;
    if (oldest->synced_seq > sop_wal__durable(wal)) sop_wal__durable_set(wal, oldest->synced_seq);
}

static sop_status
output_sync(sop_wal *wal, uint64_t id, sop_file *file, uint64_t seq, sop_error *err)
{
    sop_status status = sop_file_sync(file, err);
    if (status != SOP_OK && !SOP_RULE(NO_RETRY)) status = sop_file_sync(file, err);
    if (status != SOP_OK) (void)sop_wal__break(wal, status, err);
    sop_mutex_lock(wal->lock);
    sop_wal__output *output = output_find(wal, id);
    output->busy = 0;
    if (status == SOP_OK) output->synced_seq = seq;
    synced_release(wal);
    sop_cond_signal_all(&wal->idle);
    sop_mutex_unlock(wal->lock);
    return status;
}

/* All frames up to the seq. Two syncs of one open file must not overlap: the one might get the error that belongs to the
   other. So who finds a file busy waits, or leaves it when wait is 0. */
static sop_status sync_to(sop_wal *wal, uint64_t seq, int wait, sop_error *err)
{
    for (;;) {
        sop_status status = sop_wal__broken(wal, err);
        if (status != SOP_OK) return status;
        sop_mutex_lock(wal->lock);
        sop_wal__output *output = output_unsynced(wal, seq);
        if (output != NULL && output->busy) {
            if (wait) sop_cond_wait(&wal->idle, wal->lock, UINT64_MAX);
            sop_mutex_unlock(wal->lock);
            if (wait) continue;
            return SOP_OK;
        }
        if (output == NULL) {
            sop_mutex_unlock(wal->lock);
            return SOP_OK;
        }
        output->busy = 1;
        sop_file *file = output->file;
        uint64_t id = output->id;
        uint64_t appended_seq = output->appended_seq;
        sop_mutex_unlock(wal->lock);
        status = output_sync(wal, id, file, appended_seq, err);
        if (status != SOP_OK) return status;
    }
}

sop_status sop_wal_sync_begin(sop_wal *wal, sop_wal_sync_job *job, sop_error *err)
{
    if (!wal->started) return sop_fail(err, SOP_INVALID, "the log is not started");
    if (SOP_UNLIKELY(wal->unvouched_seq > sop_wal__durable(wal)) && SOP_RULE(VOUCH)) {
        sop_status status = sop_wal__broken(wal, err);
        if (status == SOP_OK) status = sop_wal__fork_again(wal, err);
        if (status != SOP_OK) return status;
    }
    job->wal = wal;
    job->seq = wal->tip.seq_last;
    /* What is durable afterwards shares no block with what comes later. */
    wal->current.sealed = 1;
    return sop_wal__broken(wal, err);
}

sop_status sop_wal_sync_run(sop_wal_sync_job *job, sop_error *err)
{
    return sync_to(job->wal, job->seq, 1, err);
}

void sop_wal_sync_end(sop_wal *wal, sop_wal_sync_job *job, sop_status status)
{
    SOP_ASSERT(job->wal == wal);
    SOP_ASSERT(status != SOP_OK || sop_wal__durable(wal) >= job->seq);
    job->wal = NULL;
}

sop_status sop_wal_sync(sop_wal *wal, sop_error *err)
{
    sop_wal_sync_job job;
    sop_status status = sop_wal_sync_begin(wal, &job, err);
    /* Also when a copy could not be made: what was appended is in the log and must not be taken for refused. */
    if (status != SOP_OK) return wal->started ? sop_wal__break(wal, status, err) : status;
    status = sop_wal_sync_run(&job, err);
    sop_wal_sync_end(wal, &job, status);
    return status;
}

/* ---- the next file ---- */

sop_status sop_wal__regular_make(
    sop_wal *wal, uint64_t size, uint64_t needed, sop_wal__output *out, sop_error *err)
{
    uint64_t least = needed > wal->file_bytes_first ? needed : wal->file_bytes_first;
    for (;;) {
        uint64_t smaller = sop_round_up(size / 2, SOP_WAL_ALIGN);
        int last = smaller < least || smaller == size;
        if (last || size <= wal->backend->ops->space_free(wal->backend)) {
            sop_status status = sop_wal__file_make(wal, size, out, err);
            if (status != SOP_FULL || last) return status;
        }
        size = smaller;
    }
}

static sop_status next_prepare(sop_wal *wal, sop_error *err)
{
    sop_mutex_lock(wal->lock);
    int wanted = wal->started && !wal->preparing && wal->next.file == NULL &&
                 wal->current.end > wal->current.size / 2;
    uint64_t size = wal->size_next;
    if (wanted) wal->preparing = 1;
    sop_mutex_unlock(wal->lock);
    if (!wanted) return SOP_OK;
    sop_wal__output made = {0};
    sop_status status = sop_wal__regular_make(wal, size, wal->file_bytes_first, &made, err);
    sop_mutex_lock(wal->lock);
    wal->preparing = 0;
    if (status == SOP_OK) wal->next = made;
    sop_mutex_unlock(wal->lock);
    return status;
}

sop_status sop_wal_prepare(sop_wal *wal, sop_error *err)
{
    sop_status status = sop_wal__broken(wal, err);
    if (status == SOP_OK) status = next_prepare(wal, err);
    if (status != SOP_OK) return status;
    sop_mutex_lock(wal->lock);
    uint64_t seq = wal->full_count > 0 ? wal->full[wal->full_count - 1].appended_seq : 0;
    sop_mutex_unlock(wal->lock);
    return sync_to(wal, seq, 0, err);
}
