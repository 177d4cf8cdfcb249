/* SPDX-License-Identifier: MIT */
/* Validation: nothing that a transaction read was changed after its snapshot. */
#include <string.h>

#include "txn/txn_engine.h"
#include "util/bytes.h"
#include "util/error.h"
#include "util/rule.h"

static sop_status
conflict_report(sop_core *core, sop_conflict_kind kind, const sop_read *read, const sop_record *by)
{
    core->conflict.kind = kind;
    core->conflict.store_id = read->store;
    core->conflict.by_seq = by == NULL ? 0 : by->seq;
    core->conflict.key = (sop_slice){0};
    if (by != NULL) {
        const void *copy = sop_arena_copy(&core->arena, by->bytes, by->key_size);
        if (copy != NULL) core->conflict.key = sop_slice_of(copy, by->key_size);
    }
    return sop_set(&core->error, SOP_CONFLICT);
}

static const sop_record *
read_newer(const sop_memtree *tree, const sop_read *read, uint64_t snapshot)
{
    if (read->is_range) {
        return sop_memtree_newer(tree, read->from, read->to, snapshot, read->shape_only);
    }
    const sop_record *record = sop_memtree_get(tree, read->from);
    return record != NULL && record->seq > snapshot ? record : NULL;
}

/* Looks for what was read in one layer. */
static sop_status layer_validate(sop_core *core, const sop_state *tip, uint32_t layer)
{
    const sop_memtree *tree = NULL;
    uint64_t store = UINT64_MAX;
    for (size_t i = 0; i < core->read_count; i++) {
        const sop_read *read = &core->reads[i];
        int catalogue = read->store == SOP_CATALOGUE_STORE;
        if (catalogue && tip->catalogue_seq <= core->snapshot_seq) continue;
        if (catalogue && !SOP_RULE(CATALOGUE)) continue;
        if (!catalogue && read->is_range && !SOP_RULE(RANGE)) continue;
        if (!catalogue && !read->is_range && !SOP_RULE(EXACT)) continue;
        if (read->store != store) {
            store = read->store;
            tree = sop_memtable_tree(tip->roots[layer], store);
        }
        const sop_record *by = tree == NULL ? NULL : read_newer(tree, read, core->snapshot_seq);
        if (by == NULL) continue;
        sop_conflict_kind kind = read->is_range ? SOP_CONFLICT_RANGE : SOP_CONFLICT_KEY;
        return conflict_report(core, catalogue ? SOP_CONFLICT_CATALOGUE : kind, read, by);
    }
    return SOP_OK;
}

sop_status sop_core__validate(sop_core *core, const sop_state *tip)
{
    uint64_t snapshot = core->snapshot_seq;
    int unchanged = atomic_load_explicit(&tip->seq, memory_order_relaxed) == snapshot;
    if (unchanged || core->read_count == 0) return SOP_OK;
    if (snapshot < tip->horizon && SOP_RULE(HORIZON)) {
        static const sop_read nothing = {0};
        return conflict_report(core, SOP_CONFLICT_HORIZON, &nothing, NULL);
    }
    for (uint32_t layer = 0; layer < tip->layer_count; layer++) {
        if (tip->layers[layer]->last_seq <= snapshot) continue;
        sop_status status = layer_validate(core, tip, layer);
        if (status != SOP_OK) return status;
    }
    return SOP_OK;
}
