/* SPDX-License-Identifier: MIT */
/* Gathering: the document keys of all ranges of an index, sorted, none twice. */
#include <stdlib.h>

#include "document/document_find.h"
#include "util/bytes.h"
#include "util/error.h"

static int gathered_compare(const void *a, const void *b)
{
    return sop_slice_compare(((const sop_find__gathered *)a)->key,
                             ((const sop_find__gathered *)b)->key);
}

static sop_status no_memory(const sop_find *find)
{
    return sop_fail(sop_documents__error(find->documents), SOP_NO_MEMORY, "find: out of memory");
}

/* One range. capacity is what the planner counted, so it is never exceeded on one snapshot. */
static sop_status
range_gather(sop_find *find, sop_cursor *cursor, const sop_document__range *bounds, size_t capacity)
{
    sop_status status;
    while ((status = sop_cursor_next(cursor)) == SOP_OK && find->gathered_count < capacity) {
        sop_slice place;
        sop_slice value;
        sop_slice key;
        status = sop_cursor_item(cursor, &place, &value);
        if (status == SOP_OK) {
            status = sop_document__entry_document(find->plan.index, place, value, &key,
                                                  sop_documents__error(find->documents));
        }
        if (status != SOP_OK) return status;
        if (sop_slice_compare(key, bounds->from) < 0) continue;
        if (bounds->to.size != 0 && sop_slice_compare(key, bounds->to) >= 0) continue;
        sop_slice copy = sop_document__join(&find->arena, key, (sop_slice){0});
        if (copy.data == NULL) return no_memory(find);
        find->gathered[find->gathered_count++].key = copy;
    }
    return status == SOP_NOT_FOUND ? SOP_OK : status;
}

static void sort_unique(sop_find *find)
{
    if (find->gathered_count < 2) return;
    qsort(find->gathered, find->gathered_count, sizeof *find->gathered, gathered_compare);
    size_t kept = 1;
    for (size_t i = 1; i < find->gathered_count; i++) {
        if (sop_slice_equal(find->gathered[i].key, find->gathered[kept - 1].key)) continue;
        find->gathered[kept++] = find->gathered[i];
    }
    find->gathered_count = kept;
}

sop_status sop_find__gather(sop_find *find, sop_slice from, sop_slice to)
{
    const sop_document__plan *plan = &find->plan;
    sop_document__range bounds = {from, to};
    sop_cursor *cursor;
    size_t capacity = (size_t)plan->entries;
    find->gathered = sop_arena_alloc(&find->arena, (capacity + 1) * sizeof *find->gathered);
    if (find->gathered == NULL) return no_memory(find);
    sop_status status = sop_cursor_open(find->source, &cursor);
    if (status != SOP_OK) return status;
    for (size_t i = 0; i < plan->count && status == SOP_OK; i++) {
        status = sop_cursor_bound(cursor, plan->ranges[i].from, plan->ranges[i].to);
        if (status == SOP_OK) status = range_gather(find, cursor, &bounds, capacity);
    }
    sop_cursor_close(cursor);
    sort_unique(find);
    return status;
}
