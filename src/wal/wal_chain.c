/* SPDX-License-Identifier: MIT */
/* The list of files that the chain of frames runs through, and walking it. */
#include <string.h>

#include "util/assert.h"
#include "util/error.h"
#include "util/memory.h"
#include "wal/wal_private.h"

/* ---- links ---- */

sop_status sop_wal__links_reserve(sop_wal__links *links, size_t more, sop_error *err)
{
    size_t needed = links->count + more;
    if (needed <= links->capacity) return SOP_OK;
    size_t capacity = 2 * needed;
    sop_wal__link *at = sop_realloc(links->at, capacity * sizeof *at);
    if (at == NULL) {
        return sop_fail(err, SOP_NO_MEMORY, "no memory for a list of %zu log files", needed);
    }
    links->at = at;
    links->capacity = capacity;
    return SOP_OK;
}

void sop_wal__links_push(sop_wal__links *links, const sop_wal__link *link)
{
    while (links->count > 0 &&
           sop_wal__place_equal(&links->at[links->count - 1].before, &link->before)) {
        links->count--;
    }
    SOP_ASSERT(links->count < links->capacity);
    links->at[links->count++] = *link;
}

size_t sop_wal__links_find(const sop_wal__links *links, uint64_t file)
{
    for (size_t i = links->count; i > 0; i--) {
        if (links->at[i - 1].file == file) return i - 1;
    }
    return links->count;
}

/* Where the chain leaves the file of the link, or the tip. */
static const sop_wal_place *
link_last(const sop_wal__links *links, size_t index, const sop_wal_place *tip)
{
    return index + 1 < links->count ? &links->at[index + 1].before : tip;
}

int sop_wal__links_contain(const sop_wal__links *links,
                           const sop_wal_place *tip,
                           const sop_wal_place *place)
{
    size_t index = sop_wal__links_find(links, place->file);
    if (index == links->count) return 0;
    const sop_wal_place *last = link_last(links, index, tip);
    return last->file == place->file && place->offset <= last->offset;
}

/* ---- chain ---- */

sop_status sop_wal__chain_open(sop_wal__chain *chain, sop_wal *wal, sop_error *err)
{
    sop_wal__chain opened = {.wal = wal, .walker = {.seed = wal->seed}};
    for (size_t count = 8;;) { /* nothing is allocated while the lock is held */
        sop_status status = sop_wal__links_reserve(&opened.links, count, err);
        if (status != SOP_OK) {
            sop_free(opened.links.at);
            return status;
        }
        sop_mutex_lock(wal->lock);
        count = wal->links.count;
        int fits = count <= opened.links.capacity;
        if (fits && count != 0) {
            memcpy(opened.links.at, wal->links.at, count * sizeof *opened.links.at);
            opened.links.count = count;
        }
        opened.tip = wal->tip;
        sop_mutex_unlock(wal->lock);
        if (fits) break;
    }
    *chain = opened;
    return SOP_OK;
}

void sop_wal__chain_close(sop_wal__chain *chain)
{
    sop_wal__window_deinit(&chain->walker.window);
    sop_free(chain->links.at);
}

/* The walker must not see what is being appended. */
static sop_status entered(sop_wal__chain *chain, size_t index, sop_status status, sop_error *err)
{
    uint64_t file = chain->links.at[index].file;
    if (status == SOP_NOT_FOUND) {
        char name[SOP_WAL__NAME_SIZE];
        sop_wal__name_format(file, name);
        return sop_fail(err, SOP_SNAPSHOT_TOO_OLD, "log file %s is no longer kept", name);
    }
    if (status != SOP_OK) return status;
    const sop_wal_place *last = link_last(&chain->links, index, &chain->tip);
    chain->walker.window.limit =
        last->file == file ? sop_wal__place_end(last) : SOP_WAL_FILE_HEADER;
    chain->index = index;
    return SOP_OK;
}

sop_status sop_wal__chain_enter(sop_wal__chain *chain, size_t index, sop_error *err)
{
    const sop_wal__link *link = &chain->links.at[index];
    sop_status status =
        sop_wal__walker_enter(&chain->walker, chain->wal->backend, link->file, &link->before, err);
    return entered(chain, index, status, err);
}

sop_status sop_wal__chain_seek(sop_wal__chain *chain, const sop_wal_place *place, sop_error *err)
{
    size_t index = sop_wal__links_find(&chain->links, place->file);
    SOP_ASSERT(index < chain->links.count);
    sop_status status = sop_wal__walker_seek(&chain->walker, chain->wal->backend, place, err);
    return entered(chain, index, status, err);
}

static sop_status
chain_damaged(const sop_wal__chain *chain, uint64_t offset, uint64_t frame_no, sop_error *err)
{
    return sop_fail(err, SOP_CORRUPT, "log file %s at %llu: frame %llu is damaged",
                    chain->walker.window.file->name, (unsigned long long)offset,
                    (unsigned long long)frame_no);
}

sop_status
sop_wal__chain_next(sop_wal__chain *chain, int verify, sop_wal_frame *out, sop_error *err)
{
    sop_wal__walker *walker = &chain->walker;
    if (sop_wal__place_equal(&walker->last, &chain->tip)) return SOP_NOT_FOUND;
    size_t next = chain->index + 1;
    if (next < chain->links.count &&
        sop_wal__place_equal(&walker->last, &chain->links.at[next].before)) {
        sop_status status = sop_wal__chain_enter(chain, next, err);
        if (status != SOP_OK) return status;
    }
    sop_status status =
        verify ? sop_wal__walker_next(walker, out, err) : sop_wal__walker_skip(walker, out, err);
    if (status != SOP_NOT_FOUND) return status;
    return chain_damaged(chain, sop_wal__walker_spot(walker), walker->last.frame_no + 1, err);
}

sop_status sop_wal__chain_verify(sop_wal__chain *chain, sop_wal_frame *frame, sop_error *err)
{
    uint64_t offset = frame->place.offset;
    uint64_t frame_no = frame->place.frame_no;
    sop_status status =
        sop_wal__window_frame(&chain->walker.window, offset, chain->wal->seed, frame, err);
    if (status == SOP_NOT_FOUND) return chain_damaged(chain, offset, frame_no, err);
    return status;
}
