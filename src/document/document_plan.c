/* SPDX-License-Identifier: MIT */
/* The planner: which tree a find reads, in which ranges. */
#include "document/document_store.h"
#include "util/bytes.h"
#include "util/error.h"

sop_slice sop_document__join(sop_arena *arena, sop_slice a, sop_slice b)
{
    uint8_t *bytes = sop_arena_alloc(arena, a.size + b.size + 1);
    if (bytes == NULL) return (sop_slice){0};
    if (a.size != 0) memcpy(bytes, a.data, a.size);
    if (b.size != 0) memcpy(bytes + a.size, b.data, b.size);
    return sop_slice_of(bytes, a.size + b.size);
}

sop_slice sop_document__key_after(sop_arena *arena, sop_slice key)
{
    return sop_document__join(arena, key, sop_slice_of("", 1));
}

void sop_document__range_clip(sop_document__range *range, sop_slice from, sop_slice to)
{
    if (from.size != 0 && sop_slice_compare(from, range->from) > 0) range->from = from;
    if (to.size == 0) return;
    if (range->to.size == 0 || sop_slice_compare(to, range->to) < 0) range->to = to;
}

sop_status sop_document__plan_make(const sop_document__question *q, sop_document__plan *plan_out)
{
    *plan_out = (sop_document__plan){.index = q->order, .count = 1};
    plan_out->ranges = sop_arena_alloc(q->arena, sizeof *plan_out->ranges);
    if (plan_out->ranges == NULL) {
        return sop_fail(sop_documents__error(q->documents), SOP_NO_MEMORY, "find: out of memory");
    }
    plan_out->ranges[0] = (sop_document__range){.from = q->from, .to = q->to};
    return SOP_OK;
}
