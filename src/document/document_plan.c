/* SPDX-License-Identifier: MIT */
/* The planner: which tree a find reads, in which ranges, by exact counts. */
#include "document/document_bounds.h"
#include "document/document_store.h"
#include "util/assert.h"
#include "util/bytes.h"
#include "util/error.h"

/* A document that is looked up costs about as much as so many that are walked over. */
#define LOOKUP_COST UINT64_C(3)
#define SORT_COST   UINT64_C(1)
#define GATHER_MAX  1000000u /* keys */

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

static sop_status no_memory(const sop_document__question *q)
{
    return sop_fail(sop_documents__error(q->documents), SOP_NO_MEMORY, "find: out of memory");
}

/* ---- one candidate ---- */

typedef struct {
    sop_document__plan plan;
    uint64_t cost;
    int serves;
} candidate;

static sop_status count_entries(const sop_document__question *q, sop_document__plan *plan)
{
    sop_store *store;
    sop_status status = plan->index == NULL
                            ? sop_documents__reader(q->documents, &store)
                            : sop_documents__index_store(q->documents, plan->index, &store);
    plan->entries = 0;
    for (size_t i = 0; i < plan->count && status == SOP_OK; i++) {
        uint64_t count = 0;
        const sop_document__range *range = &plan->ranges[i];
        status = sop_store_count_range(store, range->from, range->to, &count);
        plan->entries += count;
    }
    return status;
}

static sop_status
key_candidate(const sop_document__question *q, const sop_document__conjuncts *tests, candidate *c)
{
    sop_document__bounds bounds;
    const sop_document_key_spec *spec = q->documents->schema->key;
    sop_status status =
        sop_document__bounds_make(spec, tests, &q->documents->scratch, q->arena, &bounds);
    if (status != SOP_OK) return no_memory(q);
    c->plan = (sop_document__plan){.ranges = bounds.ranges, .count = bounds.count};
    for (size_t i = 0; i < bounds.count; i++) {
        sop_document__range_clip(&bounds.ranges[i], q->from, q->to);
    }
    status = count_entries(q, &c->plan);
    c->cost = c->plan.entries;
    c->serves = 1;
    return status;
}

/* Whether each test of the index is one of the filter, so that no document is missing. */
static int where_implied(const sop_document__question *q,
                         const sop_document__index *index,
                         const sop_document__conjuncts *tests)
{
    if (index->where == NULL) return 1;
    sop_document__conjuncts wanted = {.count = 0};
    sop_json_writer a;
    sop_json_writer b;
    sop_slice a_text;
    sop_slice b_text;
    int implied = 1;
    (void)q;
    sop_json_writer_init(&a, 0);
    sop_json_writer_init(&b, 0);
    sop_document__conjuncts_of(index->where->root, &wanted);
    for (size_t i = 0; i < wanted.count && implied; i++) {
        sop_json_writer_reset(&a);
        sop_filter_write_json(wanted.list[i], &a);
        implied = wanted.list[i]->op == SOP_FILTER_ALL;
        for (size_t k = 0; k < tests->count && !implied; k++) {
            sop_json_writer_reset(&b);
            sop_filter_write_json(tests->list[k], &b);
            implied = sop_json_writer_end(&a, &a_text) == SOP_OK &&
                      sop_json_writer_end(&b, &b_text) == SOP_OK && sop_slice_equal(a_text, b_text);
        }
    }
    sop_json_writer_deinit(&a);
    sop_json_writer_deinit(&b);
    return implied;
}

static sop_status index_candidate(const sop_document__question *q,
                                  const sop_document__conjuncts *tests,
                                  const sop_document__index *index,
                                  candidate *c)
{
    sop_document__bounds bounds;
    int is_order = index == q->order;
    c->serves = 0;
    SOP_ASSERT(index != NULL);
    if (index->state != SOP_INDEX_READY) return SOP_OK;
    if (!is_order &&
        (!where_implied(q, index, tests) || !sop_document__covers(index->spec, tests))) {
        return SOP_OK;
    }
    sop_status status =
        sop_document__bounds_make(index->spec, tests, &q->documents->scratch, q->arena, &bounds);
    if (status != SOP_OK) return no_memory(q);
    if (!bounds.constrained && !is_order) return SOP_OK;
    c->plan = (sop_document__plan){
        .index = index, .ranges = bounds.ranges, .count = bounds.count, .each = bounds.each};
    int whole_key = bounds.fields_equal == index->spec->count;
    c->plan.prefix = !index->unique && whole_key && bounds.count == 1;
    c->plan.sort = !is_order && !c->plan.prefix;
    if (bounds.each) {
        c->plan.whole =
            sop_arena_copy(q->arena, bounds.ranges, bounds.count * sizeof *bounds.ranges);
        if (c->plan.whole == NULL && bounds.count != 0) return no_memory(q);
    }
    for (size_t i = 0; i < bounds.count && is_order; i++) {
        sop_document__range_clip(&bounds.ranges[i], q->from, q->to);
    }
    status = count_entries(q, &c->plan);
    c->cost = c->plan.entries * (c->plan.sort ? LOOKUP_COST + SORT_COST : LOOKUP_COST);
    c->serves = is_order || !c->plan.sort || c->plan.entries <= GATHER_MAX;
    return status;
}

/* ---- the choice ---- */

static void consider(const sop_document__question *q, const candidate *c)
{
    sop_json_writer *writer = q->considered;
    if (writer == NULL || !c->serves) return;
    sop_json_object_begin(writer);
    sop_json_key(writer, sop_str("read"));
    sop_json_string(writer, c->plan.index == NULL ? sop_str("key") : c->plan.index->name);
    sop_json_key(writer, sop_str("entries"));
    sop_json_uint(writer, c->plan.entries);
    sop_json_key(writer, sop_str("cost"));
    sop_json_uint(writer, c->cost);
    sop_json_object_end(writer);
}

static sop_status forced(const sop_document__question *q,
                         const sop_document__conjuncts *tests,
                         sop_document__plan *plan_out)
{
    const sop_document__schema *schema = q->documents->schema;
    sop_error *err = sop_documents__error(q->documents);
    size_t i = sop_document__index_find(schema, q->use_index);
    if (i == schema->index_count) {
        return sop_fail(err, SOP_NOT_FOUND, "there is no index \"%.*s\"",
                        q->use_index.size < 100 ? (int)q->use_index.size : 100,
                        (const char *)q->use_index.data);
    }
    candidate c;
    sop_status status = index_candidate(q, tests, &schema->indexes[i], &c);
    if (status != SOP_OK) return status;
    consider(q, &c);
    *plan_out = c.plan;
    if (c.serves) return SOP_OK;
    int building = schema->indexes[i].state != SOP_INDEX_READY;
    return sop_fail(
        err, building ? SOP_BUSY : SOP_INVALID,
        building ? "index \"%.*s\" is not complete yet" : "index \"%.*s\" cannot serve this filter",
        q->use_index.size < 100 ? (int)q->use_index.size : 100, (const char *)q->use_index.data);
}

sop_status sop_document__plan_make(const sop_document__question *q, sop_document__plan *plan_out)
{
    const sop_document__schema *schema = q->documents->schema;
    sop_document__conjuncts tests = {.count = 0};
    candidate best;
    candidate c;
    int none = sop_slice_equal(q->use_index, sop_str("-"));
    sop_document__conjuncts_of(q->filter, &tests);
    if (q->order == NULL && !q->scan_only && q->use_index.size != 0 && !none) {
        return forced(q, &tests, plan_out);
    }
    sop_status status = q->order == NULL ? key_candidate(q, &tests, &best)
                                         : index_candidate(q, &tests, q->order, &best);
    if (status != SOP_OK) return status;
    consider(q, &best);
    int others = q->order == NULL && !q->scan_only && !none && best.plan.entries > 1;
    for (size_t i = 0; others && i < schema->index_count && status == SOP_OK; i++) {
        status = index_candidate(q, &tests, &schema->indexes[i], &c);
        if (status != SOP_OK) break;
        consider(q, &c);
        if (c.serves && c.cost < best.cost) best = c;
    }
    *plan_out = best.plan;
    return status;
}
