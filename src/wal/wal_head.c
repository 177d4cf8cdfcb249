/* SPDX-License-Identifier: MIT */
/* The head: the one name in head/ that tells where recovery starts; and removing files that lie before it. */
#include <stdio.h>
#include <string.h>

#include "util/error.h"
#include "util/rule.h"
#include "wal/wal_private.h"

/* ---- loading ---- */

typedef struct {
    sop_wal *wal;
    sop_error *err;
    int found;
} head_search;

/* A crash leaves exactly one name, for renaming is atomic; of several (a careless copy of a folder) the newest counts. */
static sop_status head_take(const char *name, uint64_t size, void *context)
{
    (void)size;
    head_search *search = context;
    sop_wal *wal = search->wal;
    sop_wal_place place;
    if (name[0] == 'H' && name[1] == '.') {
        return sop_fail(search->err, SOP_UNSUPPORTED, "head/%.120s: the database is in shared mode",
                        name);
    }
    if (name[0] != 'L' || name[1] != '.') return SOP_OK;
    if (!sop_wal__head_parse(name, &place)) {
        return sop_fail(search->err, SOP_CORRUPT, "head/%.120s is not the name of a head", name);
    }
    if (search->found && place.seq_last <= wal->head.seq_last) return SOP_OK;
    search->found = 1;
    wal->head = place;
    (void)snprintf(wal->head_name, sizeof wal->head_name, "%s", name);
    return SOP_OK;
}

static sop_status head_damaged(const sop_wal *wal, sop_error *err, const char *what)
{
    char name[SOP_WAL__NAME_SIZE];
    sop_wal__name_format(wal->head.file, name);
    return sop_fail(err, SOP_CORRUPT, "log file %s, frame at %llu, named by the head: %s", name,
                    (unsigned long long)wal->head.offset, what);
}

/* The frame that stands at a place, if it is the one the place names (frame no aside). SOP_NOT_FOUND: it is not. */
static sop_status place_read(sop_wal *wal,
                             sop_wal__window *window,
                             const sop_wal_place *place,
                             sop_wal_frame *out,
                             sop_error *err)
{
    if (place->offset < SOP_WAL_FILE_HEADER || place->offset % SOP_WAL__SPACING != 0) {
        return SOP_NOT_FOUND;
    }
    sop_status status = sop_wal__window_open(window, wal->backend, place->file, err);
    if (status != SOP_OK) return status;
    /* Behind the frame somebody may be writing the next one. */
    uint64_t end = place->offset + place->length;
    if (end < window->limit) window->limit = end;
    status = sop_wal__window_frame(window, place->offset, wal->seed, out, err);
    if (status != SOP_OK) return status;
    const sop_wal_place *is = &out->place;
    if (is->length != place->length || is->seq_last != place->seq_last) return SOP_NOT_FOUND;
    return sop_wal__hash_equal(is->hash, place->hash) ? SOP_OK : SOP_NOT_FOUND;
}

sop_status sop_wal__head_load(sop_wal *wal, sop_wal_frame *frame_out, sop_error *err)
{
    head_search search = {.wal = wal, .err = err};
    sop_status status = wal->backend->ops->list(wal->backend, "head", head_take, &search, err);
    if (status != SOP_OK) return status;
    if (!search.found) return sop_fail(err, SOP_CORRUPT, "%s: no head", wal->backend->url);
    status = place_read(wal, &wal->head_window, &wal->head, frame_out, err);
    if (status == SOP_NOT_FOUND) {
        return head_damaged(wal, err, wal->head_window.file == NULL ? "no such file" : "damaged");
    }
    if (status != SOP_OK) return status;
    wal->head = frame_out->place;
    return SOP_OK;
}

sop_status sop_wal_head_again(sop_wal *wal, sop_wal_frame *head_frame_out, sop_error *err)
{
    wal->head = (sop_wal_place){0};
    return sop_wal__head_load(wal, head_frame_out, err);
}

/* ---- moving ---- */

/* Another process may have moved it. */
static sop_status head_refresh(sop_wal *wal, sop_error *err)
{
    if (wal->page == NULL || wal->head_broken) return SOP_OK;
    head_search search = {.wal = wal, .err = err};
    return wal->backend->ops->list(wal->backend, "head", head_take, &search, err);
}

static sop_status head_check(sop_wal *wal, const sop_wal_place *place, sop_error *err)
{
    if (wal->read_only) {
        return sop_fail(err, SOP_READ_ONLY, "%s: opened read only", wal->backend->url);
    }
    if (wal->head_broken) {
        return sop_fail(err, SOP_IO, "the head is unknown after a failed change; reopen");
    }
    sop_mutex_lock(wal->lock);
    int contained = sop_wal__links_contain(&wal->links, &wal->tip, place);
    uint64_t durable_seq = sop_wal__durable(wal);
    int started = wal->started;
    sop_mutex_unlock(wal->lock);
    unsigned long long seq = place->seq_last;
    if (!started) return sop_fail(err, SOP_INVALID, "the log is not started");
    if (!contained) {
        return sop_fail(err, SOP_INVALID, "head to seq %llu: that frame is not in the log", seq);
    }
    if (place->seq_last < wal->head.seq_last) {
        return sop_fail(err, SOP_INVALID, "head to seq %llu: it is at %llu already", seq,
                        (unsigned long long)wal->head.seq_last);
    }
    if (place->seq_last > durable_seq && SOP_RULE(CKPT_DURABLE)) {
        return sop_fail(err, SOP_INVALID, "head to seq %llu: durable is %llu", seq,
                        (unsigned long long)durable_seq);
    }
    return SOP_OK;
}

sop_status sop_wal_head_set(sop_wal *wal, const sop_wal_place *place, sop_error *err)
{
    sop_status status = head_refresh(wal, err);
    if (status == SOP_OK) status = head_check(wal, place, err);
    if (status != SOP_OK) return status;
    sop_wal__window window = {0};
    sop_wal_frame frame;
    status = place_read(wal, &window, place, &frame, err);
    sop_wal__window_deinit(&window);
    if (status == SOP_NOT_FOUND) {
        return sop_fail(err, SOP_CORRUPT, "head to seq %llu: no such frame",
                        (unsigned long long)place->seq_last);
    }
    if (status != SOP_OK) return status;
    char name[SOP_WAL__HEAD_NAME_MAX];
    sop_wal__head_format(&frame.place, name);
    if (strcmp(name, wal->head_name) == 0) return SOP_OK;
    const sop_backend_ops *ops = wal->backend->ops;
    status = ops->head_swap(wal->backend, wal->head_name, name, err);
    if (status == SOP_OK && SOP_RULE(HEAD_DURABLE)) {
        status = ops->folder_sync(wal->backend, "head", err);
    }
    if (status != SOP_OK) {
        /* Either name may be the one that survives: nothing that the old one needs may go (HEAD_BEFORE_DELETE). */
        wal->head_broken = 1;
        return status;
    }
    memcpy(wal->head_name, name, sizeof name);
    wal->head = frame.place;
    return SOP_OK;
}

/* ---- removing what lies before ---- */

/* How many of the oldest links go: all whose frames lie before the place, less the newest up to keep_bytes. */
static size_t links_before(sop_wal *wal, const sop_wal_place *place, uint64_t keep_bytes)
{
    sop_mutex_lock(wal->lock);
    size_t count = sop_wal__links_find(&wal->links, place->file);
    uint64_t kept = 0;
    while (count > 0 && wal->links.at[count - 1].size <= keep_bytes - kept) {
        count--;
        kept += wal->links.at[count].size;
    }
    sop_mutex_unlock(wal->lock);
    return count;
}

sop_status
sop_wal_remove_before(sop_wal *wal, const sop_wal_place *place, uint64_t keep_bytes, sop_error *err)
{
    if (wal->read_only) {
        return sop_fail(err, SOP_READ_ONLY, "%s: opened read only", wal->backend->url);
    }
    if (wal->head_broken || !wal->started || place->seq_last > wal->head.seq_last) {
        return sop_fail(err, SOP_INVALID, "remove log before seq %llu: the durable head is at %llu",
                        (unsigned long long)place->seq_last,
                        (unsigned long long)wal->head.seq_last);
    }
    sop_mutex_lock(wal->lock);
    int contained = sop_wal__links_contain(&wal->links, &wal->tip, place);
    sop_mutex_unlock(wal->lock);
    if (!contained) {
        return sop_fail(err, SOP_INVALID,
                        "remove log before seq %llu: that frame is not in the log",
                        (unsigned long long)place->seq_last);
    }
    /* Oldest first, so that what a failure or a crash leaves is still one piece. */
    for (size_t left = links_before(wal, place, keep_bytes); left > 0; left--) {
        sop_mutex_lock(wal->lock);
        uint64_t file = wal->links.at[0].file;
        sop_mutex_unlock(wal->lock);
        sop_status status = sop_wal__file_remove(wal, file, err);
        if (status != SOP_OK) return status;
        sop_mutex_lock(wal->lock);
        wal->links.count--;
        memmove(&wal->links.at[0], &wal->links.at[1], wal->links.count * sizeof wal->links.at[0]);
        sop_mutex_unlock(wal->lock);
    }
    return SOP_OK;
}
