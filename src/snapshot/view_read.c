/* SPDX-License-Identifier: MIT */
/* Lookups, counts and ranks of a view: the newest layer first, then the base; counts by adding up
 * deltas. */
#include <inttypes.h>

#include "snapshot/snapshot_private.h"
#include "util/bytes.h"
#include "util/error.h"

sop_status
sop_view_get(const sop_view *view, sop_slice key, sop_view_value *value_out, sop_error *err)
{
    for (uint32_t i = view->layer_count; i-- > 0;) {
        if (view->layers[i] == NULL) continue;
        const sop_record *record = sop_memtree_get(view->layers[i], key);
        if (record == NULL) continue;
        if (!sop_record_present(record)) return sop_set(err, SOP_NOT_FOUND);
        if (value_out != NULL) {
            value_out->bytes = sop_record_value(record);
            value_out->is_reference = (record->flags & SOP_RECORD_REFERENCE) != 0;
        }
        return SOP_OK;
    }
    if (view->base.count == 0) return sop_set(err, SOP_NOT_FOUND);
    sop_btree_value found;
    sop_status status = sop_btree_get(&view->base, key, &found, err);
    if (status == SOP_OK && value_out != NULL) {
        value_out->bytes = found.value;
        value_out->is_reference = found.is_reference;
    }
    return status;
}

int64_t sop_view__delta_before(const sop_view *view, sop_slice key)
{
    int64_t delta = 0;
    for (uint32_t i = 0; i < view->layer_count; i++) {
        delta += sop_memtree_delta_before(view->layers[i], key);
    }
    return delta;
}

sop_status
sop_view__add(const sop_view *view, uint64_t base, int64_t delta, uint64_t *out, sop_error *err)
{
    uint64_t sum = base + (uint64_t)delta;
    int wrapped = delta < 0 ? sum > base : sum < base;
    if (SOP_UNLIKELY(wrapped)) {
        return sop_fail(err, SOP_CORRUPT,
                        "base tree of %" PRIu64 " items does not fit the changes above it: "
                        "%" PRIu64 " items and a difference of %" PRId64,
                        view->base.count, base, delta);
    }
    *out = sum;
    return SOP_OK;
}

sop_status sop_view_count(const sop_view *view, uint64_t *count_out, sop_error *err)
{
    int64_t delta = 0;
    for (uint32_t i = 0; i < view->layer_count; i++) {
        delta += sop_memtree_delta(view->layers[i]);
    }
    return sop_view__add(view, view->base.count, delta, count_out, err);
}

sop_status sop_view_rank(const sop_view *view, sop_slice key, uint64_t *rank_out, sop_error *err)
{
    uint64_t base = 0;
    if (key.size != 0 && view->base.count != 0) {
        sop_status status = sop_btree_rank(&view->base, key, &base, NULL, err);
        if (status != SOP_OK) return status;
    }
    int64_t delta = key.size == 0 ? 0 : sop_view__delta_before(view, key);
    return sop_view__add(view, base, delta, rank_out, err);
}

sop_status sop_view_count_range(
    const sop_view *view, sop_slice from, sop_slice to, uint64_t *count_out, sop_error *err)
{
    *count_out = 0;
    if (to.size != 0 && sop_slice_compare(from, to) >= 0) return SOP_OK;
    uint64_t begin = 0;
    uint64_t end = 0;
    sop_status status = sop_view_rank(view, from, &begin, err);
    if (status != SOP_OK) return status;
    status = to.size == 0 ? sop_view_count(view, &end, err) : sop_view_rank(view, to, &end, err);
    if (status != SOP_OK) return status;
    if (SOP_UNLIKELY(end < begin)) {
        return sop_fail(err, SOP_CORRUPT,
                        "base tree of %" PRIu64 " items does not fit the changes above it: "
                        "rank %" PRIu64 " at the start of a range, %" PRIu64 " at its end",
                        view->base.count, begin, end);
    }
    *count_out = end - begin;
    return SOP_OK;
}
