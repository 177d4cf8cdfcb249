/* SPDX-License-Identifier: MIT */
/* Reading the log again while others append: history for the change feed, and the check of all frames. */
#include <string.h>

#include "util/error.h"
#include "util/memory.h"
#include "wal/wal_private.h"

/* ---- history ---- */

/* The newest remembered frame of the chain at or before the seq. 0: none. */
static int mark_find(sop_wal__chain *chain, uint64_t seq, sop_wal_place *out)
{
    sop_wal *wal = chain->wal;
    int found = 0;
    sop_mutex_lock(wal->lock);
    for (size_t i = 0; i < SOP_WAL__MARKS + SOP_WAL__READ_MARKS; i++) {
        const sop_wal_place *mark = &wal->marks[i];
        if (mark->frame_no == 0 || mark->seq_last > seq) continue;
        if (found && mark->frame_no <= out->frame_no) continue;
        if (!sop_wal__links_contain(&chain->links, &chain->tip, mark)) continue;
        *out = *mark;
        found = 1;
    }
    sop_mutex_unlock(wal->lock);
    return found;
}

/* The next reader probably goes on where this one ended. */
static void mark_keep(sop_wal *wal, const sop_wal_place *place)
{
    sop_mutex_lock(wal->lock);
    wal->marks[SOP_WAL__MARKS + wal->read_mark_next++ % SOP_WAL__READ_MARKS] = *place;
    sop_mutex_unlock(wal->lock);
}

sop_status sop_wal__chain_seek_seq(sop_wal__chain *chain, uint64_t seq, sop_error *err)
{
    const sop_wal__links *links = &chain->links;
    size_t index = links->count;
    while (index > 0 && links->at[index - 1].before.seq_last > seq) {
        index--;
    }
    if (index == 0) {
        return sop_fail(
            err, SOP_SNAPSHOT_TOO_OLD, "changes after seq %llu: the log kept begins at seq %llu",
            (unsigned long long)seq,
            (unsigned long long)(links->count == 0 ? 0 : links->at[0].before.seq_last + 1));
    }
    sop_wal_place mark;
    if (mark_find(chain, seq, &mark) && mark.seq_last > links->at[index - 1].before.seq_last) {
        return sop_wal__chain_seek(chain, &mark, err);
    }
    return sop_wal__chain_enter(chain, index - 1, err);
}

static sop_status history_walk(sop_wal__chain *chain,
                               const uint64_t range[2],
                               sop_wal_frame_fn fn,
                               void *context,
                               sop_error *err)
{
    sop_status status = sop_wal__chain_seek_seq(chain, range[0], err);
    while (status == SOP_OK && chain->walker.last.seq_last < range[1]) {
        /* Frames that are not wanted are passed over: that they name each other is enough. */
        sop_wal_frame frame;
        status = sop_wal__chain_next(chain, 0, &frame, err);
        if (status != SOP_OK || frame.place.seq_last <= range[0]) continue;
        status = sop_wal__chain_verify(chain, &frame, err);
        if (status == SOP_OK) status = fn(&frame, context);
    }
    return status == SOP_NOT_FOUND ? SOP_OK : status;
}

sop_status sop_wal_read_since(sop_wal *wal,
                              uint64_t after_seq,
                              uint64_t to_seq,
                              sop_wal_frame_fn fn,
                              void *context,
                              sop_error *err)
{
    sop_wal__chain chain;
    sop_status status = sop_wal__chain_open(&chain, wal, err);
    if (status != SOP_OK) return status;
    const uint64_t range[2] = {after_seq,
                               to_seq < chain.tip.seq_last ? to_seq : chain.tip.seq_last};
    if (range[0] < range[1]) {
        status = history_walk(&chain, range, fn, context, err);
        if (status == SOP_OK) mark_keep(wal, &chain.walker.last);
    }
    sop_wal__chain_close(&chain);
    return status;
}

typedef struct {
    uint64_t seq;
    sop_wal_place *out;
    int found;
} place_search;

static sop_status place_take(const sop_wal_frame *frame, void *context)
{
    place_search *search = context;
    if (frame->place.seq_last != search->seq) return SOP_OK;
    *search->out = frame->place;
    search->found = 1;
    return SOP_OK;
}

sop_status sop_wal_place_of(sop_wal *wal, uint64_t seq, sop_wal_place *out, sop_error *err)
{
    place_search search = {.seq = seq, .out = out};
    sop_status status = sop_wal_read_since(wal, seq - 1, seq, place_take, &search, err);
    if (status != SOP_OK || search.found) return status;
    return sop_fail(err, SOP_NOT_FOUND, "no frame of the log ends with seq %llu",
                    (unsigned long long)seq);
}

/* ---- check ---- */

static sop_status check_damaged(uint64_t file, uint64_t offset, const char *what, sop_error *err)
{
    char name[SOP_WAL__NAME_SIZE];
    sop_wal__name_format(file, name);
    return sop_fail(err, SOP_CORRUPT, "log file %s at %llu: %s", name, (unsigned long long)offset,
                    what);
}

/* The header of the file in which the walker stands. */
static sop_status check_header(sop_wal__chain *chain, sop_error *err)
{
    sop_wal *wal = chain->wal;
    const sop_wal__link *link = &chain->links.at[chain->index];
    const uint8_t *block = NULL;
    sop_wal__file_header header;
    sop_status status =
        sop_wal__window_view(&chain->walker.window, 0, SOP_WAL_FILE_HEADER, &block, err);
    if (status == SOP_NOT_FOUND) return check_damaged(link->file, 0, "cut off", err);
    if (status != SOP_OK) return status;
    if (sop_wal__header_decode(block, &header) != SOP_WAL__HEADER_VALID) {
        return check_damaged(link->file, 0, "the file header is damaged", err);
    }
    if (header.file != link->file || memcmp(header.incarnation, wal->incarnation, 16) != 0 ||
        memcmp(header.database_id, wal->database_id, 16) != 0 ||
        !sop_wal__place_equal(&header.continued, &link->before)) {
        return check_damaged(link->file, 0, "the file header belongs elsewhere", err);
    }
    return SOP_OK;
}

static sop_status
check_walk(sop_wal__chain *chain, sop_wal_frame_fn fn, void *context, sop_error *err)
{
    sop_status status = check_header(chain, err);
    while (status == SOP_OK) {
        size_t index = chain->index;
        sop_wal_frame frame;
        status = sop_wal__chain_next(chain, 1, &frame, err);
        if (status != SOP_OK) break;
        if (fn != NULL) status = fn(&frame, context);
        if (status == SOP_OK && chain->index != index) status = check_header(chain, err);
    }
    return status == SOP_NOT_FOUND ? SOP_OK : status;
}

sop_status sop_wal_check(
    sop_wal *wal, const sop_wal_place *from, sop_wal_frame_fn fn, void *context, sop_error *err)
{
    sop_wal__chain chain;
    sop_status status = sop_wal__chain_open(&chain, wal, err);
    if (status != SOP_OK) return status;
    if (!sop_wal__links_contain(&chain.links, &chain.tip, from)) {
        sop_wal__chain_close(&chain);
        return sop_fail(err, SOP_INVALID, "check from seq %llu: not in the log",
                        (unsigned long long)from->seq_last);
    }
    status = sop_wal__chain_seek(&chain, from, err);
    sop_wal_frame frame;
    if (status == SOP_OK) {
        status = sop_wal__window_frame(&chain.walker.window, from->offset, wal->seed, &frame, err);
        if (status == SOP_NOT_FOUND ||
            (status == SOP_OK && !sop_wal__place_equal(&frame.place, from))) {
            status = check_damaged(from->file, from->offset, "the frame is damaged", err);
        }
    }
    if (status == SOP_OK && fn != NULL) status = fn(&frame, context);
    if (status == SOP_OK) status = check_walk(&chain, fn, context, err);
    sop_wal__chain_close(&chain);
    return status;
}
