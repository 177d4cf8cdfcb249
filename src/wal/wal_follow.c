/* SPDX-License-Identifier: MIT */
/* Reading what other processes append: from the end that the shared page tells back over the file headers, then forward. */
#include <string.h>

#include "util/assert.h"
#include "util/error.h"
#include "util/memory.h"
#include "wal/wal_private.h"

/* ---- the way from a frame back to what is known ---- */

/* Files from the newest to the oldest. */
typedef struct {
    sop_wal *wal;
    sop_wal__links way;
    uint8_t *block;
} trace;

static sop_status trace_damaged(uint64_t file, const char *what, sop_error *err)
{
    char name[SOP_WAL__NAME_SIZE];
    sop_wal__name_format(file, name);
    return sop_fail(err, SOP_CORRUPT, "log file %s: %s", name, what);
}

/* Adds the file; *before_out: the frame that it continues. */
static sop_status trace_step(trace *t, uint64_t file, sop_wal_place *before_out, sop_error *err)
{
    sop_wal__found found = {.file = file};
    sop_status status = sop_wal__links_reserve(&t->way, 1, err);
    if (status == SOP_OK) status = sop_wal__header_read(t->wal, &found, t->block, err);
    if (status != SOP_OK) return status;
    if (found.state != SOP_WAL__HEADER_VALID) {
        return trace_damaged(file, "the file header is damaged", err);
    }
    *before_out = found.header.continued;
    t->way.at[t->way.count++] =
        (sop_wal__link){.file = file, .size = found.size, .before = *before_out};
    return SOP_OK;
}

/* The chain of files that leads to `file`. known: where the way may end; its links up to there come first. Nothing known: back to
   the oldest file that is kept. */
static sop_status links_trace(
    sop_wal *wal, uint64_t file, const sop_wal__links *known, sop_wal__links *out, sop_error *err)
{
    trace t = {.wal = wal, .block = sop_alloc(SOP_WAL_FILE_HEADER)};
    sop_status status =
        t.block == NULL ? sop_fail(err, SOP_NO_MEMORY, "no memory to read the log") : SOP_OK;
    size_t kept = known->count;
    uint64_t frame_no = UINT64_MAX;
    while (status == SOP_OK) {
        kept = sop_wal__links_find(known, file);
        if (kept != known->count) break;
        sop_wal_place before = {0};
        status = trace_step(&t, file, &before, err);
        if (status == SOP_NOT_FOUND) {
            if (known->count == 0 && t.way.count != 0) status = SOP_OK;
            break;
        }
        if (status != SOP_OK || before.frame_no == 0) break;
        if (before.frame_no >= frame_no) {
            status = trace_damaged(file, "its header leads nowhere", err);
        }
        frame_no = before.frame_no;
        file = before.file;
    }
    size_t first = kept == known->count ? 0 : kept + 1;
    if (status == SOP_OK) status = sop_wal__links_reserve(out, first + t.way.count, err);
    if (status == SOP_OK) {
        if (first != 0) memcpy(out->at, known->at, first * sizeof *out->at);
        out->count = first;
        for (size_t i = t.way.count; i > 0; i--) {
            out->at[out->count++] = t.way.at[i - 1];
        }
    }
    sop_free(t.way.at);
    sop_free(t.block);
    if (status == SOP_NOT_FOUND) {
        return sop_fail(err, SOP_SNAPSHOT_TOO_OLD, "the log since the last look is no longer kept");
    }
    return status;
}

static void links_replace(sop_wal *wal, sop_wal__links *links, const sop_wal_place *tip)
{
    sop_mutex_lock(wal->lock);
    sop_wal__links old = wal->links;
    wal->links = *links;
    sop_wal__tip_set(wal, tip);
    sop_mutex_unlock(wal->lock);
    *links = old;
}

/* ---- forward ---- */

static void tip_move(sop_wal *wal, const sop_wal_place *place)
{
    sop_mutex_lock(wal->lock);
    sop_wal__tip_set(wal, place);
    sop_mutex_unlock(wal->lock);
}

static sop_status
walk(sop_wal__chain *chain, uint64_t known_seq, sop_wal_frame_fn fn, void *context, sop_error *err)
{
    for (;;) {
        sop_wal_frame frame;
        sop_status status = sop_wal__chain_next(chain, 1, &frame, err);
        if (status == SOP_NOT_FOUND) return SOP_OK;
        if (status != SOP_OK) return status;
        /* What a FORK copied is known under another place. */
        if (frame.place.seq_last > known_seq && fn != NULL) status = fn(&frame, context);
        if (status != SOP_OK) return status;
        if (frame.place.seq_last >= known_seq) tip_move(chain->wal, &frame.place);
    }
}

static sop_status chain_to(sop_wal__chain *chain, const sop_wal_end *end, sop_error *err)
{
    sop_status status = sop_wal__chain_open(chain, chain->wal, err);
    if (status == SOP_OK) chain->tip = end->published;
    return status;
}

sop_status sop_wal_join(
    sop_wal *wal, const sop_wal_place *from, sop_wal_frame_fn fn, void *context, sop_error *err)
{
    static const sop_wal__links nothing = {0};
    sop_wal_end end;
    sop_wal_page_end(wal->page, &end);
    sop_wal__links links = {0};
    sop_status status = links_trace(wal, end.published.file, &nothing, &links, err);
    if (status == SOP_OK && !sop_wal__links_contain(&links, &end.published, from)) {
        status = sop_fail(err, SOP_SNAPSHOT_TOO_OLD, "the log begins behind seq %llu",
                          (unsigned long long)from->seq_last);
    }
    if (status == SOP_OK) links_replace(wal, &links, from);
    sop_free(links.at);
    if (status != SOP_OK) return status;
    sop_wal__chain chain = {.wal = wal};
    status = chain_to(&chain, &end, err);
    if (status != SOP_OK) return status;
    status = sop_wal__chain_seek(&chain, from, err);
    if (status == SOP_OK) status = walk(&chain, from->seq_last, fn, context, err);
    sop_wal__chain_close(&chain);
    return status;
}

/* To the tip, or when a FORK left the chain below it, to the frame where it did. */
static sop_status follow_seek(sop_wal__chain *chain, const sop_wal_place *tip, sop_error *err)
{
    if (sop_wal__links_contain(&chain->links, &chain->tip, tip)) {
        return sop_wal__chain_seek(chain, tip, err);
    }
    if (chain->tip.seq_last < tip->seq_last) {
        return sop_fail(err, SOP_IO, "the log was cut behind seq %llu, %llu had been reached",
                        (unsigned long long)chain->tip.seq_last, (unsigned long long)tip->seq_last);
    }
    return sop_wal__chain_seek_seq(chain, tip->seq_last - 1, err);
}

sop_status sop_wal_follow(
    sop_wal *wal, const sop_wal_end *end, sop_wal_frame_fn fn, void *context, sop_error *err)
{
    sop_wal_place tip = wal->tip;
    if (sop_wal__place_equal(&tip, &end->published)) return SOP_OK;
    sop_status status = SOP_OK;
    SOP_ASSERT(wal->links.count != 0);
    if (wal->links.at[wal->links.count - 1].file != end->published.file) {
        sop_wal__links links = {0};
        status = links_trace(wal, end->published.file, &wal->links, &links, err);
        if (status == SOP_OK) links_replace(wal, &links, &tip);
        sop_free(links.at);
    }
    sop_wal__chain chain = {.wal = wal};
    if (status == SOP_OK) status = chain_to(&chain, end, err);
    if (status != SOP_OK) return status;
    status = follow_seek(&chain, &tip, err);
    if (status == SOP_OK) status = walk(&chain, tip.seq_last, fn, context, err);
    sop_wal__chain_close(&chain);
    return status;
}
