/* SPDX-License-Identifier: MIT */
/* Replay: following the chain of frames from a known frame to its end, and telling a tail from damage. */
#include <string.h>

#include "util/assert.h"
#include "util/error.h"
#include "util/memory.h"
#include "util/rule.h"
#include "wal/wal_private.h"

/* One replay. */
typedef struct {
    sop_wal *wal;
    sop_wal__walker walker;
    sop_wal__links links;
    sop_wal_place from;
    uint64_t durable_seq;  /* largest stored in a frame of the chain, or the head's */
    uint64_t evidence_seq; /* largest stored anywhere */
} replay;

static sop_wal__found *found_find(sop_wal *wal, uint64_t file)
{
    for (size_t i = 0; i < wal->found_count; i++) {
        if (wal->found[i].file == file) return &wal->found[i];
    }
    return NULL;
}

static sop_status file_damaged(uint64_t file, uint64_t offset, const char *what, sop_error *err)
{
    char name[SOP_WAL__NAME_SIZE];
    sop_wal__name_format(file, name);
    return sop_fail(err, SOP_CORRUPT, "log file %s at %llu: %s", name, (unsigned long long)offset,
                    what);
}

static void evidence(replay *r, uint64_t durable_seq)
{
    if (durable_seq > r->evidence_seq) r->evidence_seq = durable_seq;
}

/* ---- the way there ---- */

static sop_status link_add(replay *r, sop_wal__found *found, sop_error *err)
{
    sop_status status = sop_wal__links_reserve(&r->links, 1, err);
    if (status != SOP_OK) return status;
    sop_wal__link link = {
        .file = found->file, .size = found->size, .before = found->header.continued};
    sop_wal__links_push(&r->links, &link);
    found->in_chain = 1;
    evidence(r, found->header.durable_seq);
    return SOP_OK;
}

/* The files that lead to the one where replay starts, as far as they are kept. Collected newest first, then turned. */
static sop_status links_back(replay *r, sop_wal__found *start, sop_error *err)
{
    uint64_t frame_no = UINT64_MAX;
    for (sop_wal__found *found = start; found != NULL && found->state == SOP_WAL__HEADER_VALID;) {
        const sop_wal_place *before = &found->header.continued;
        if (before->frame_no >= frame_no) break;
        sop_status status = link_add(r, found, err);
        if (status != SOP_OK) return status;
        frame_no = before->frame_no;
        found = frame_no == 0 ? NULL : found_find(r->wal, before->file);
    }
    SOP_ASSERT(r->links.at != NULL && r->links.count > 0);
    for (size_t i = 0, j = r->links.count - 1; i < j; i++, j--) {
        sop_wal__link link = r->links.at[i];
        r->links.at[i] = r->links.at[j];
        r->links.at[j] = link;
    }
    return SOP_OK;
}

static sop_status replay_begin(replay *r, const sop_wal_place *from, sop_error *err)
{
    sop_wal__found *start = found_find(r->wal, from->file);
    if (start == NULL) return file_damaged(from->file, from->offset, "no such file", err);
    if (start->state != SOP_WAL__HEADER_VALID) {
        return file_damaged(from->file, 0, "the file header is damaged", err);
    }
    sop_status status = links_back(r, start, err);
    if (status != SOP_OK) return status;
    status = sop_wal__walker_seek(&r->walker, r->wal->backend, from, err);
    if (status != SOP_OK) return status;
    sop_wal_frame frame;
    status = sop_wal__window_frame(&r->walker.window, from->offset, r->wal->seed, &frame, err);
    if (status == SOP_NOT_FOUND ||
        (status == SOP_OK && !sop_wal__place_equal(&frame.place, from))) {
        return file_damaged(from->file, from->offset, "the frame where replay starts is damaged",
                            err);
    }
    if (status == SOP_OK) evidence(r, frame.durable_seq);
    return status;
}

/* ---- from frame to frame ---- */

/* FORK_FIRST, HIGHEST_RUN: the file whose header names the frame, of several that of the highest run. */
static sop_wal__found *continuation(replay *r, const sop_wal_place *place)
{
    sop_wal *wal = r->wal;
    sop_wal__found *best = NULL;
    for (size_t i = 0; i < wal->found_count; i++) {
        sop_wal__found *found = &wal->found[i];
        if (found->state != SOP_WAL__HEADER_VALID || found->in_chain) continue;
        if (!SOP_RULE(FORK_FIRST) && found->header.kind == SOP_WAL__FILE_FORK) continue;
        if (found->header.continued.frame_no != place->frame_no) continue;
        if (!sop_wal__place_equal(&found->header.continued, place)) continue;
        int newer = best == NULL || found->header.run > best->header.run;
        if (newer == SOP_RULE(HIGHEST_RUN) || best == NULL) best = found;
    }
    return best;
}

/* The last frame at or below the durable seq, as near as the newest frames tell. */
static void durable_follow(replay *r, const sop_wal_frame *frame)
{
    sop_wal *wal = r->wal;
    int raised = frame->durable_seq > r->durable_seq;
    if (raised) r->durable_seq = frame->durable_seq;
    evidence(r, frame->durable_seq);
    wal->recent[frame->place.frame_no % SOP_WAL__RECENT] = frame->place;
    if (!raised && frame->place.seq_last > r->durable_seq) return;
    for (uint64_t back = 0; back < SOP_WAL__RECENT && back < frame->place.frame_no; back++) {
        uint64_t no = frame->place.frame_no - back;
        const sop_wal_place *place = &wal->recent[no % SOP_WAL__RECENT];
        if (place->frame_no != no || no <= wal->durable_place.frame_no) return;
        if (place->seq_last <= r->durable_seq) {
            wal->durable_place = *place;
            return;
        }
    }
}

static sop_status replay_walk(replay *r, sop_wal_frame_fn fn, void *context, sop_error *err)
{
    sop_wal *wal = r->wal;
    for (;;) {
        sop_wal__found *next = continuation(r, &r->walker.last);
        if (next != NULL) {
            sop_status status = link_add(r, next, err);
            if (status != SOP_OK) return status;
            sop_wal_place last = r->walker.last;
            status = sop_wal__walker_enter(&r->walker, wal->backend, next->file, &last, err);
            if (status != SOP_OK) return status;
        }
        sop_wal_frame frame;
        sop_status status = sop_wal__walker_next(&r->walker, &frame, err);
        if (status == SOP_NOT_FOUND) return SOP_OK;
        if (status != SOP_OK) return status;
        durable_follow(r, &frame);
        sop_mutex_lock(wal->lock);
        sop_wal__tip_set(wal, &frame.place);
        sop_mutex_unlock(wal->lock);
        status = fn == NULL ? SOP_OK : fn(&frame, context);
        if (status != SOP_OK) return status;
    }
}

/* ---- what lies beyond the end ---- */

typedef struct {
    replay *r;
    sop_error *err;
    int header_valid;
} scan;

static sop_status scan_frame(const sop_wal_frame *frame, void *context)
{
    scan *s = context;
    evidence(s->r, frame->durable_seq);
    int needs_header =
        (frame->flags & SOP_FRAME_COPY) == 0 && frame->place.seq_last > s->r->from.seq_last;
    if (s->header_valid || !needs_header || !SOP_RULE(HEADER_CHECK)) return SOP_OK;
    return file_damaged(frame->place.file, frame->place.offset,
                        "a frame in a file without a valid header", s->err);
}

/* A file that is not in the chain and may hold frames from behind the start of the replay (HEADER_CHECK, DURABLE_SEQ). */
static sop_status scan_file(replay *r, const sop_wal__found *found, sop_error *err)
{
    scan s = {.r = r, .err = err, .header_valid = found->state == SOP_WAL__HEADER_VALID};
    if (s.header_valid) {
        if (found->header.continued.seq_last < r->from.seq_last) return SOP_OK;
        evidence(r, found->header.durable_seq);
    }
    sop_wal__window window = {0};
    sop_status status = sop_wal__window_open(&window, r->wal->backend, found->file, err);
    if (status == SOP_OK) {
        status =
            sop_wal__window_scan(&window, SOP_WAL_FILE_HEADER, r->wal->seed, scan_frame, &s, err);
    }
    sop_wal__window_deinit(&window);
    return status;
}

/* After a clean close a short look must do, so that opening stays cheap; after anything else all is searched. */
static sop_status look_beyond(replay *r, int leave, int *unused_out, sop_error *err)
{
    sop_wal *wal = r->wal;
    sop_wal__window *window = &r->walker.window;
    uint64_t end = r->walker.at;
    sop_status status = sop_wal__window_unused(window, end, unused_out, err);
    if (status != SOP_OK) return status;
    if (!leave || !*unused_out) {
        scan s = {.r = r, .err = err, .header_valid = 1};
        status = sop_wal__window_scan(window, end, wal->seed, scan_frame, &s, err);
    }
    for (size_t i = 0; i < wal->found_count && status == SOP_OK; i++) {
        if (!wal->found[i].in_chain) status = scan_file(r, &wal->found[i], err);
    }
    if (status != SOP_OK) return status;
    if (r->evidence_seq <= r->walker.last.seq_last || !SOP_RULE(DURABLE_SEQ)) return SOP_OK;
    char name[SOP_WAL__NAME_SIZE];
    sop_wal__name_format(window->id, name);
    return sop_fail(
        err, SOP_CORRUPT,
        "log file %s at %llu: frame %llu is damaged or missing, seq %llu of %llu durable ones",
        name, (unsigned long long)sop_wal__walker_spot(&r->walker),
        (unsigned long long)r->walker.last.frame_no + 1,
        (unsigned long long)r->walker.last.seq_last + 1, (unsigned long long)r->evidence_seq);
}

/* 1: the frame's last transaction is a LEAVE. */
static sop_status ends_with_leave(replay *r, int *out, sop_error *err)
{
    sop_wal__window window = {0};
    sop_wal_frame frame;
    const sop_wal_place *tip = &r->walker.last;
    *out = 0;
    sop_status status = sop_wal__window_open(&window, r->wal->backend, tip->file, err);
    if (status == SOP_OK) {
        status = sop_wal__window_frame(&window, tip->offset, r->wal->seed, &frame, err);
    }
    if (status == SOP_OK) {
        sop_wal_reader reader;
        sop_wal_txn_view txn;
        sop_wal_reader_init(&reader, &frame);
        while ((status = sop_wal_reader_next(&reader, &txn, err)) == SOP_OK) {
            *out = txn.head.type == SOP_TXN_TYPE_LEAVE;
        }
        if (status == SOP_NOT_FOUND) status = SOP_OK;
    }
    sop_wal__window_deinit(&window);
    return status;
}

/* ---- all of it ---- */

static void replay_finish(replay *r)
{
    sop_wal *wal = r->wal;
    sop_mutex_lock(wal->lock);
    sop_wal__links old = wal->links;
    wal->links = r->links;
    sop_wal__durable_set(wal, r->durable_seq);
    sop_mutex_unlock(wal->lock);
    r->links = old;
}

static sop_status replay_run(replay *r, sop_wal_frame_fn fn, void *context, sop_error *err)
{
    sop_wal *wal = r->wal;
    sop_status status = replay_begin(r, &r->from, err);
    if (status == SOP_OK) status = replay_walk(r, fn, context, err);
    if (status != SOP_OK) return status;
    int leave = 0;
    int unused = 0;
    status = ends_with_leave(r, &leave, err);
    if (status == SOP_OK) status = look_beyond(r, leave, &unused, err);
    if (status != SOP_OK) return status;
    uint64_t last_file = r->links.at[r->links.count - 1].file;
    wal->clean =
        leave && unused && last_file == r->walker.last.file && last_file == wal->run_boot_file;
    replay_finish(r);
    return SOP_OK;
}

sop_status sop_wal_replay(sop_wal *wal,
                          const sop_wal_place *from,
                          sop_wal_frame_fn fn,
                          void *context,
                          int *clean_out,
                          sop_error *err)
{
    if (clean_out != NULL) *clean_out = 0;
    if (wal->started || from->seq_last > wal->head.seq_last) {
        return sop_fail(err, SOP_INVALID, "replay from seq %llu: the head is at %llu",
                        (unsigned long long)from->seq_last, (unsigned long long)wal->head.seq_last);
    }
    sop_status status = sop_wal__files_load(wal, err);
    if (status != SOP_OK) return status;
    replay r = {.wal = wal, .walker = {.seed = wal->seed}, .from = *from};
    r.durable_seq = wal->head.seq_last;
    r.evidence_seq = wal->head.seq_last;
    wal->durable_place = *from;
    wal->clean = 0;
    memset(wal->recent, 0, sizeof wal->recent);
    sop_mutex_lock(wal->lock);
    sop_wal__tip_set(wal, from);
    sop_mutex_unlock(wal->lock);
    status = replay_run(&r, fn, context, err);
    sop_wal__window_deinit(&r.walker.window);
    sop_free(r.links.at);
    if (status == SOP_OK && clean_out != NULL) *clean_out = wal->clean;
    return status;
}
