/* SPDX-License-Identifier: MIT */
/* Merge patches of RFC 7386: what the patch does not name keeps its bytes and its place. */
#include <stdlib.h>

#include "json/json_edit.h"
#include "json/json_scan.h"
#include "util/arena.h"
#include "util/error.h"
#include "util/memory.h"

/* One member of a patch object. */
typedef struct {
    sop_slice name; /* plain */
    sop_slice key;  /* as it stands, with quotes */
    sop_json_value value;
    size_t place; /* in the patch */
    int used;     /* the target has it */
} entry;

typedef struct {
    entry *entries; /* by name; of equal names the first in the patch comes first */
    entry **in_order;
    size_t count;
} patch_index;

typedef struct {
    sop_json_writer *writer;
    sop_arena arena; /* decoded names, until the end of the merge */
    sop_error *err;
} merger;

static int compare_entries(const void *a, const void *b)
{
    const entry *x = a;
    const entry *y = b;
    int order = sop_slice_compare(x->name, y->name);
    return order != 0 ? order : (x->place > y->place) - (x->place < y->place);
}

static sop_status no_memory(const merger *m)
{
    return sop_fail(m->err, SOP_NO_MEMORY, "merge patch: out of memory");
}

static sop_status not_json(const merger *m, const char *which)
{
    return sop_fail(m->err, SOP_CORRUPT, "merge patch: the %s is not JSON", which);
}

static sop_status plain_name(merger *m, sop_slice key, sop_slice *out)
{
    if (memchr(key.data, '\\', key.size) == NULL) {
        return sop_json_string_decode(key, 0, NULL, 0, out);
    }
    void *memory = sop_arena_alloc(&m->arena, key.size);
    if (memory == NULL) return no_memory(m);
    return sop_json_string_decode(key, 0, memory, key.size, out);
}

static sop_status fill_entries(merger *m, const sop_json_value *patch, patch_index *index)
{
    sop_json_iter iter;
    sop_json_iter_init(&iter, patch);
    for (size_t i = 0; i < index->count; i++) {
        entry *e = &index->entries[i];
        *e = (entry){.place = i};
        sop_status status = sop_json_next(&iter, &e->key, &e->value);
        if (status == SOP_OK) status = plain_name(m, e->key, &e->name);
        if (status == SOP_NO_MEMORY) return status;
        if (status != SOP_OK) return not_json(m, "patch");
    }
    qsort(index->entries, index->count, sizeof(entry), compare_entries);
    for (size_t i = 0; i < index->count; i++) {
        index->in_order[index->entries[i].place] = &index->entries[i];
    }
    return SOP_OK;
}

static sop_status index_patch(merger *m, const sop_json_value *patch, patch_index *index)
{
    sop_json_iter iter;
    sop_slice key;
    sop_json_value value;
    *index = (patch_index){.count = 0};
    sop_json_iter_init(&iter, patch);
    sop_status status;
    while ((status = sop_json_next(&iter, &key, &value)) == SOP_OK) {
        index->count++;
    }
    if (status != SOP_NOT_FOUND) return not_json(m, "patch");
    if (index->count == 0) return SOP_OK;
    index->entries = sop_alloc_array(index->count, sizeof(entry));
    index->in_order = sop_alloc_array(index->count, sizeof(entry *));
    if (index->entries == NULL || index->in_order == NULL) return no_memory(m);
    return fill_entries(m, patch, index);
}

static void index_deinit(patch_index *index)
{
    sop_free(index->entries);
    sop_free(index->in_order);
}

/* The first member of that name in the patch, or NULL. */
static entry *find_entry(const patch_index *index, sop_slice name)
{
    size_t low = 0;
    size_t high = index->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (sop_slice_compare(index->entries[middle].name, name) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low == index->count || !sop_slice_equal(index->entries[low].name, name)) return NULL;
    return &index->entries[low];
}

static void write_slice(const merger *m, sop_slice bytes)
{
    sop_json__write_bytes(m->writer, bytes.data, bytes.size);
}

/* NOLINTBEGIN(misc-no-recursion): merge ends at SOP_JSON_DEPTH_DEFAULT levels. */
static sop_status
merge(merger *m, const sop_json_value *target, const sop_json_value *patch, unsigned depth);

/* The layout of an object while it is written. */
typedef struct {
    sop_slice first_lead; /* of its first member */
    sop_slice lead;       /* of its last member */
    sop_slice colon;
    size_t seen;
    size_t written;
} layout;

/* One member of the target: kept, merged or left out. */
static sop_status
merge_member(merger *m, const sop_json__items *items, patch_index *index, layout *l, unsigned depth)
{
    if (l->seen++ == 0) l->first_lead = items->lead;
    l->lead = items->lead;
    l->colon = items->colon;
    sop_slice name;
    sop_status status = plain_name(m, items->key, &name);
    if (status == SOP_NO_MEMORY) return status;
    if (status != SOP_OK) return not_json(m, "target");
    entry *found = find_entry(index, name);
    if (found != NULL && found->value.type == SOP_JSON_NULL) return SOP_OK;
    write_slice(m, l->written++ == 0 ? l->first_lead : items->lead);
    write_slice(m, items->key);
    write_slice(m, items->colon);
    /* A second member of the same name counts nowhere; it stays as it is. */
    if (found == NULL || found->used) {
        write_slice(m, items->value.raw);
        return SOP_OK;
    }
    found->used = 1;
    return merge(m, &items->value, &found->value, depth + 1);
}

/* The members that only the patch has. */
static sop_status add_members(merger *m, const patch_index *index, layout *l, unsigned depth)
{
    static const sop_json_value nothing = {SOP_JSON_NULL, {NULL, 0}};
    for (size_t i = 0; i < index->count; i++) {
        const entry *e = index->in_order[i];
        int first_of_name = e == index->entries || !sop_slice_equal(e[-1].name, e->name);
        if (e->used || !first_of_name || e->value.type == SOP_JSON_NULL) continue;
        if (l->written++ != 0) {
            sop_json__write_bytes(m->writer, ",", 1);
            write_slice(m, sop_json__layout(l->lead));
        } else {
            write_slice(m, l->first_lead);
        }
        write_slice(m, e->key);
        if (l->colon.size != 0) {
            write_slice(m, l->colon);
        } else {
            sop_json__write_bytes(m->writer, ":", 1);
        }
        sop_status status = merge(m, &nothing, &e->value, depth + 1);
        if (status != SOP_OK) return status;
    }
    return SOP_OK;
}

static sop_status merge_members(merger *m,
                                const sop_json_value *target,
                                const sop_json_value *patch,
                                patch_index *index,
                                unsigned depth)
{
    sop_status status = index_patch(m, patch, index);
    if (status != SOP_OK) return status;
    layout l = {.seen = 0};
    sop_json__items items;
    sop_json__items_init(&items, target);
    sop_json__write_bytes(m->writer, "{", 1);
    while ((status = sop_json__items_next(&items)) == SOP_OK) {
        status = merge_member(m, &items, index, &l, depth);
        if (status != SOP_OK) return status;
    }
    if (status != SOP_NOT_FOUND) return not_json(m, "target");
    status = add_members(m, index, &l, depth);
    if (status != SOP_OK) return status;
    if (items.after != NULL) {
        sop_json__write_bytes(m->writer, items.after, (size_t)(items.iter.end - items.after));
    }
    sop_json__write_bytes(m->writer, "}", 1);
    return SOP_OK;
}

/* Writes the target merged with the patch. */
static sop_status
merge(merger *m, const sop_json_value *target, const sop_json_value *patch, unsigned depth)
{
    static const sop_json_value empty = {SOP_JSON_NULL, {NULL, 0}};
    if (depth == SOP_JSON_DEPTH_DEFAULT) {
        return sop_fail(m->err, SOP_TOO_LARGE, "merge patch: more than %d levels",
                        SOP_JSON_DEPTH_DEFAULT);
    }
    if (patch->type != SOP_JSON_OBJECT) {
        write_slice(m, patch->raw);
        return SOP_OK;
    }
    patch_index index;
    sop_status status =
        merge_members(m, target->type == SOP_JSON_OBJECT ? target : &empty, patch, &index, depth);
    index_deinit(&index);
    return status;
}
/* NOLINTEND(misc-no-recursion) */

sop_status sop_json_merge(sop_slice text, sop_slice patch, sop_json_writer *writer, sop_error *err)
{
    sop_json_value target;
    sop_json_value change;
    merger m = {.writer = writer, .err = err};
    if (sop_json_read(text, &target) != SOP_OK) return not_json(&m, "target");
    if (sop_json_read(patch, &change) != SOP_OK) return not_json(&m, "patch");
    sop_json__mark mark;
    if (!sop_json__write_begin(writer, &mark)) {
        return sop_fail(err, writer->status, "merge patch: the writer takes no value here");
    }
    /* White space around the text stays, too. */
    const uint8_t *begin = text.data;
    const uint8_t *value = target.raw.data;
    sop_json__write_bytes(writer, begin, (size_t)(value - begin));
    sop_status status = merge(&m, &target, &change, 0);
    sop_arena_deinit(&m.arena);
    value += target.raw.size;
    sop_json__write_bytes(writer, value, text.size - (size_t)(value - begin));
    return sop_json__write_finish(writer, &mark, status, err);
}
