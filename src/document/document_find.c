/* SPDX-License-Identifier: MIT */
/* Finding: open, walk over what the plan says, test, project, remember the place. */
#include "document/document_find.h"

#include "util/bytes.h"
#include "util/error.h"
#include "util/memory.h"

static sop_error *error_of(const sop_find *find)
{
    return sop_documents__error(find->documents);
}

static sop_status no_memory(const sop_find *find)
{
    return sop_fail(error_of(find), SOP_NO_MEMORY, "find: out of memory");
}

/* ---- life ---- */

static void find_free(sop_find *find)
{
    sop_filter_free(find->own_filter);
    sop_json_writer_deinit(&find->projected);
    sop_json_writer_deinit(&find->considered);
    sop_document_scratch_deinit(&find->scratch);
    sop_arena_deinit(&find->arena);
    sop_free(find->position);
    sop_free(find);
}

void sop_find__free_all(sop_documents *documents)
{
    /* The cursors go with their stores. */
    for (sop_find *find = documents->finds; find != NULL;) {
        sop_find *next = find->next;
        find_free(find);
        find = next;
    }
    documents->finds = NULL;
}

void sop_find_close(sop_find *find)
{
    if (find == NULL) return;
    sop_find **link = &find->documents->finds;
    while (*link != NULL && *link != find) {
        link = &(*link)->next;
    }
    if (*link == find) *link = find->next;
    sop_cursor_close(find->cursor);
    find_free(find);
}

sop_status sop_documents__reader(sop_documents *documents, sop_store **store_out)
{
    sop_status status = SOP_OK;
    if (documents->reader == NULL) {
        status =
            sop_store_open_id(documents->txn, sop_store_id(documents->store), &documents->reader);
    }
    *store_out = documents->reader;
    return status;
}

/* ---- options ---- */

static sop_status
options_read(const sop_find_options *options, sop_find_options *out, sop_error *err)
{
    *out = (sop_find_options)SOP_FIND_OPTIONS_INIT;
    if (options == NULL) return SOP_OK;
    if (options->struct_size == 0) {
        return sop_fail(err, SOP_INVALID, "find options: struct_size is 0");
    }
    memcpy(out, options, options->struct_size < sizeof *out ? options->struct_size : sizeof *out);
    return SOP_OK;
}

static sop_status field_add(sop_find *find, sop_slice name, size_t capacity)
{
    const char *why = NULL;
    if (find->field_count == capacity) return SOP_OK;
    sop_status status =
        sop_document__path_parse(name, &find->arena, &find->fields[find->field_count], &why);
    if (status != SOP_OK) {
        return sop_fail(error_of(find), status, "fields, path %zu: %s", find->field_count + 1,
                        why == NULL ? "out of memory" : why);
    }
    find->field_names[find->field_count++] = name;
    return SOP_OK;
}

static sop_status fields_json(sop_find *find, sop_slice text, size_t capacity)
{
    sop_json_value list;
    sop_json_value one;
    sop_json_iter iter;
    sop_slice key;
    sop_slice name;
    sop_json_position where;
    if (sop_json_check(text, NULL, &where, NULL) != SOP_OK ||
        sop_json_read(text, &list) != SOP_OK) {
        return sop_fail(error_of(find), SOP_INVALID, "fields, byte %zu: %s", where.offset,
                        where.reason);
    }
    sop_json_iter_init(&iter, &list);
    sop_status status = SOP_OK;
    while (status == SOP_OK && sop_json_next(&iter, &key, &one) == SOP_OK) {
        status = one.type == SOP_JSON_STRING
                     ? sop_document__string_copy(one.raw, &find->arena, &name)
                     : SOP_INVALID;
        if (status != SOP_OK) {
            return sop_fail(error_of(find), status, "fields: a list of paths is expected");
        }
        status = field_add(find, name, capacity);
    }
    return status;
}

static sop_status fields_words(sop_find *find, sop_slice text, size_t capacity)
{
    const uint8_t *at = text.data;
    const uint8_t *end = at + text.size;
    sop_status status = SOP_OK;
    while (status == SOP_OK && at < end) {
        const uint8_t *comma = memchr(at, ',', (size_t)(end - at));
        const uint8_t *stop = comma == NULL ? end : comma;
        const uint8_t *last = stop;
        while (at < last && *at == ' ') {
            at++;
        }
        while (last > at && last[-1] == ' ') {
            last--;
        }
        status = field_add(find, sop_slice_of(at, (size_t)(last - at)), capacity);
        at = stop + 1;
    }
    return status;
}

static sop_status fields_read(sop_find *find, sop_slice given)
{
    if (given.size == 0) return SOP_OK;
    sop_slice text = sop_document__join(&find->arena, given, (sop_slice){0});
    size_t capacity = 1;
    for (size_t i = 0; i < given.size && text.data != NULL; i++) {
        capacity += ((const uint8_t *)text.data)[i] == ',';
    }
    find->fields = sop_arena_alloc(&find->arena, capacity * sizeof *find->fields);
    find->field_names = sop_arena_alloc(&find->arena, capacity * sizeof *find->field_names);
    if (text.data == NULL || find->fields == NULL || find->field_names == NULL) {
        return no_memory(find);
    }
    return *(const uint8_t *)text.data == '[' ? fields_json(find, text, capacity)
                                              : fields_words(find, text, capacity);
}

static sop_status filter_read(sop_find *find, const sop_find_options *o)
{
    const sop_filter *filter = o->filter;
    if (filter == NULL && o->where.size != 0) {
        sop_status status = sop_filter_parse(o->where, &find->own_filter, error_of(find));
        if (status != SOP_OK) return status;
        filter = find->own_filter;
    }
    if (filter != NULL && filter->root->op != SOP_FILTER_ALL) find->filter = filter->root;
    return SOP_OK;
}

static sop_status order_read(sop_find *find, sop_slice name)
{
    const sop_document__schema *schema = find->documents->schema;
    if (name.size == 0) return SOP_OK;
    size_t i = sop_document__index_find(schema, name);
    if (i == schema->index_count) {
        return sop_fail(error_of(find), SOP_NOT_FOUND, "there is no index \"%.*s\"",
                        name.size < 100 ? (int)name.size : 100, (const char *)name.data);
    }
    if (schema->indexes[i].state != SOP_INDEX_READY) {
        return sop_fail(error_of(find), SOP_BUSY, "index \"%.*s\" is not complete yet",
                        name.size < 100 ? (int)name.size : 100, (const char *)name.data);
    }
    find->order = &schema->indexes[i];
    return SOP_OK;
}

/* A bound of the order from key JSON. */
static sop_status bound_read(sop_find *find, sop_slice json, sop_slice *out)
{
    *out = (sop_slice){0};
    if (json.size == 0) return SOP_OK;
    const sop_document_key_spec *spec =
        find->order == NULL ? find->documents->schema->key : find->order->spec;
    sop_slice key;
    sop_status status =
        sop_document_key_of_json(spec, json, 1, &find->scratch, &key, error_of(find));
    if (status != SOP_OK) return status;
    *out = sop_document__join(&find->arena, key, (sop_slice){0});
    return out->data == NULL ? no_memory(find) : SOP_OK;
}

/* ---- positions: base64 of one byte, what the order is, then the key in the order ---- */

static sop_status position_read(sop_find *find, sop_slice text, sop_slice *place_out)
{
    *place_out = (sop_slice){0};
    if (text.size == 0) return SOP_OK;
    uint8_t *bytes = sop_arena_alloc(&find->arena, text.size / 4 * 3 + 3);
    if (bytes == NULL) return no_memory(find);
    size_t size = sop_document__base64_decode(text, bytes);
    if (size == SIZE_MAX || size < 2 || size > SOP_KEY_SIZE_MAX + 1 ||
        bytes[0] != (find->order != NULL)) {
        return sop_fail(error_of(find), SOP_INVALID, "after: not a position in this order");
    }
    *place_out = sop_slice_of(bytes + 1, size - 1);
    return SOP_OK;
}

sop_status sop_find_position(sop_find *find, sop_slice *position_out)
{
    if (find == NULL || position_out == NULL) return SOP_INVALID;
    *position_out = (sop_slice){0};
    if (!find->stands) return SOP_OK;
    uint8_t bytes[SOP_KEY_SIZE_MAX + 1];
    if (find->position == NULL) find->position = sop_alloc((sizeof bytes + 2) / 3 * 4);
    if (find->position == NULL) return no_memory(find);
    bytes[0] = find->order != NULL;
    memcpy(bytes + 1, find->place, find->place_size);
    size_t size =
        sop_document__base64_encode(sop_slice_of(bytes, find->place_size + 1), find->position);
    *position_out = sop_slice_of(find->position, size);
    return SOP_OK;
}

/* ---- open ---- */

/* The key in the order of the item with a rank; empty with *beyond_out set if there is none. */
static sop_status rank_read(sop_find *find, uint64_t rank, sop_slice *place_out, int *beyond_out)
{
    sop_cursor *cursor;
    sop_slice key;
    sop_status status = sop_cursor_open(find->source, &cursor);
    if (status != SOP_OK) return status;
    status = sop_cursor_seek_rank(cursor, rank);
    *beyond_out = status == SOP_NOT_FOUND;
    *place_out = (sop_slice){0};
    if (status == SOP_OK) status = sop_cursor_key(cursor, &key);
    if (status == SOP_OK) {
        *place_out = sop_document__join(&find->arena, key, (sop_slice){0});
        if (place_out->data == NULL) status = no_memory(find);
    }
    sop_cursor_close(cursor);
    return status == SOP_NOT_FOUND ? SOP_OK : status;
}

/* Narrows the bounds of the order by the place where the find goes on. */
static sop_status
place_apply(sop_find *find, sop_slice place, int include, sop_document__range *bounds)
{
    if (place.size == 0) return SOP_OK;
    sop_slice behind = sop_document__key_after(&find->arena, place);
    if (behind.data == NULL) return no_memory(find);
    if (find->descending) {
        sop_document__range_clip(bounds, (sop_slice){0}, include ? behind : place);
    } else {
        sop_document__range_clip(bounds, include ? place : behind, (sop_slice){0});
    }
    return SOP_OK;
}

/* Bounds of the order in the keys of what is read. */
static sop_status plan_clip(sop_find *find, const sop_document__range *bounds)
{
    sop_document__plan *plan = &find->plan;
    if (plan->sort) return sop_find__gather(find, bounds->from, bounds->to);
    sop_slice from = bounds->from;
    sop_slice to = bounds->to;
    if (plan->prefix && find->order == NULL) {
        sop_slice prefix = plan->ranges[0].from;
        if (from.size != 0) from = sop_document__join(&find->arena, prefix, from);
        if (to.size != 0) to = sop_document__join(&find->arena, prefix, to);
        if ((bounds->from.size != 0 && from.data == NULL) ||
            (bounds->to.size != 0 && to.data == NULL)) {
            return no_memory(find);
        }
    }
    for (size_t i = 0; i < plan->count; i++) {
        sop_document__range_clip(&plan->ranges[i], from, to);
    }
    return SOP_OK;
}

static sop_status plan_open(sop_find *find, const sop_find_options *o)
{
    sop_document__range bounds = {{0}, {0}};
    sop_slice place = {0};
    int beyond = 0;
    sop_status status = bound_read(find, o->from, &bounds.from);
    if (status == SOP_OK) status = bound_read(find, o->to, &bounds.to);
    if (status == SOP_OK) status = position_read(find, o->after, &place);
    if (status == SOP_OK) status = place_apply(find, place, 0, &bounds);
    if (status != SOP_OK) return status;
    sop_document__question q = {.documents = find->documents,
                                .filter = find->filter,
                                .order = find->order,
                                .use_index = o->use_index,
                                .from = bounds.from,
                                .to = bounds.to,
                                .scan_only = o->at_rank,
                                .arena = &find->arena,
                                .considered = &find->considered};
    sop_json_array_begin(&find->considered);
    status = sop_document__plan_make(&q, &find->plan);
    sop_json_array_end(&find->considered);
    if (status == SOP_OK) status = sop_documents__reader(find->documents, &find->reader);
    if (status != SOP_OK) return status;
    find->source = find->reader;
    if (find->plan.index != NULL) {
        status = sop_documents__index_store(find->documents, find->plan.index, &find->source);
    }
    if (status == SOP_OK && o->at_rank) {
        status = rank_read(find, o->rank, &place, &beyond);
        if (status == SOP_OK) status = place_apply(find, place, 1, &bounds);
        if (beyond && !find->descending) find->plan.count = 0;
    }
    if (status == SOP_OK) status = plan_clip(find, &bounds);
    if (status == SOP_OK && !find->plan.sort) {
        status = sop_cursor_open(find->source, &find->cursor);
    }
    return status;
}

sop_status
sop_find_open(sop_documents *documents, const sop_find_options *options, sop_find **find_out)
{
    if (documents == NULL || find_out == NULL) return SOP_INVALID;
    *find_out = NULL;
    sop_find_options o;
    sop_error *err = sop_db_txn_error(documents->txn);
    sop_status status = options_read(options, &o, err);
    if (status == SOP_OK) status = sop_documents__enter(documents);
    if (status != SOP_OK) return status;
    sop_find *find = sop_alloc_zeroed(sizeof *find);
    if (find == NULL) return sop_fail(err, SOP_NO_MEMORY, "find: out of memory");
    find->documents = documents;
    find->version = documents->version;
    find->descending = o.descending != 0;
    find->limit = o.limit == 0 ? UINT64_MAX : o.limit;
    find->examine_max = o.examine_max;
    find->next = documents->finds;
    documents->finds = find;
    sop_json_writer_init(&find->projected, 0);
    sop_json_writer_init(&find->considered, 0);
    status = filter_read(find, &o);
    if (status == SOP_OK) status = fields_read(find, o.fields);
    if (status == SOP_OK) status = order_read(find, o.order);
    if (status == SOP_OK) status = plan_open(find, &o);
    if (status != SOP_OK) {
        sop_find_close(find);
        return status;
    }
    *find_out = find;
    return SOP_OK;
}

/* ---- walking ---- */

/* The next item of the ranges: its key and value as they lie in what is read. */
static sop_status step(sop_find *find, sop_slice *key, sop_slice *value)
{
    const sop_document__plan *plan = &find->plan;
    sop_status status = SOP_NOT_FOUND;
    while (find->range < plan->count) {
        if (!find->in_range) {
            size_t i = find->descending ? plan->count - 1 - find->range : find->range;
            const sop_document__range *range = &plan->ranges[i];
            int empty = range->to.size != 0 && sop_slice_compare(range->from, range->to) >= 0;
            status = empty ? SOP_OK : sop_cursor_bound(find->cursor, range->from, range->to);
            if (status != SOP_OK) return status;
            find->in_range = !empty;
            if (empty) {
                find->range++;
                continue;
            }
        }
        status = find->descending ? sop_cursor_prev(find->cursor) : sop_cursor_next(find->cursor);
        if (status == SOP_OK) return sop_cursor_item(find->cursor, key, value);
        if (status != SOP_NOT_FOUND) return status;
        find->in_range = 0;
        find->range++;
    }
    return SOP_NOT_FOUND;
}

static void place_set(sop_find *find, sop_slice key, sop_slice place)
{
    memcpy(find->key, key.data, key.size);
    find->key_size = key.size;
    memcpy(find->place, place.data, place.size);
    find->place_size = place.size;
    find->stands = 1;
}

/* Of a document's entries within the ranges only the first one met counts. */
static sop_status
is_first(sop_find *find, sop_slice key, sop_slice entry, sop_slice document, int *first_out)
{
    sop_document__entries list;
    *first_out = 1;
    if (!find->plan.each) return SOP_OK;
    sop_arena_reset(&find->documents->entries);
    sop_status status =
        sop_document__entries_of(find->documents, find->plan.index, key, document, &list);
    for (size_t i = 0; status == SOP_OK && i < list.count; i++) {
        int order = sop_slice_compare(list.entries[i].key, entry);
        if (find->descending ? order <= 0 : order >= 0) continue;
        for (size_t k = 0; k < find->plan.count && *first_out; k++) {
            const sop_document__range *range = &find->plan.whole[k];
            int inside =
                sop_slice_compare(list.entries[i].key, range->from) >= 0 &&
                (range->to.size == 0 || sop_slice_compare(list.entries[i].key, range->to) < 0);
            if (inside) *first_out = 0;
        }
    }
    return status;
}

/* The next document to look at; *skip_out: it was met before. */
static sop_status advance(sop_find *find, sop_slice *document, int *skip_out)
{
    sop_slice key;
    sop_slice value;
    sop_slice place;
    int first = 1;
    sop_status status;
    if (find->plan.sort) {
        if (find->gathered_at == find->gathered_count) return SOP_NOT_FOUND;
        size_t i = find->gathered_at++;
        key = find->gathered[find->descending ? find->gathered_count - 1 - i : i].key;
        status = sop_store_get(find->reader, key, document);
        place_set(find, key, key);
        *skip_out = status == SOP_NOT_FOUND;
        return *skip_out ? SOP_OK : status;
    }
    status = step(find, &place, &value);
    *skip_out = 0;
    if (status != SOP_OK) return status;
    if (find->plan.index == NULL) {
        *document = value;
        place_set(find, place, place);
        return SOP_OK;
    }
    status = sop_document__entry_document(find->plan.index, place, value, &key, error_of(find));
    if (status != SOP_OK) return status;
    place_set(find, key, find->order == NULL ? key : place);
    status = sop_store_get(find->reader, sop_slice_of(find->key, find->key_size), document);
    if (status == SOP_NOT_FOUND) {
        /* This transaction has taken it out since the entry was read. */
        *skip_out = 1;
        return SOP_OK;
    }
    if (status == SOP_OK) {
        status = is_first(find, sop_slice_of(find->key, find->key_size), place, *document, &first);
    }
    *skip_out = !first;
    return status;
}

static sop_status write_first(const sop_json_value *value, void *context)
{
    sop_json_raw(context, value->raw);
    return SOP_OK;
}

static sop_status project(sop_find *find, sop_slice *document)
{
    sop_json_writer *writer = &find->projected;
    if (find->field_count == 0) return SOP_OK;
    sop_json_writer_reset(writer);
    sop_json_object_begin(writer);
    for (size_t i = 0; i < find->field_count; i++) {
        sop_json_value value;
        sop_status status = SOP_OK;
        if (sop_document__path_has_each(&find->fields[i])) {
            sop_json_key(writer, find->field_names[i]);
            sop_json_array_begin(writer);
            status = sop_json_walk(*document, &find->fields[i], write_first, writer);
            sop_json_array_end(writer);
        } else {
            status = sop_json_pick(*document, &find->fields[i], &value);
            if (status == SOP_OK) {
                sop_json_key(writer, find->field_names[i]);
                sop_json_raw(writer, value.raw);
            }
            if (status == SOP_NOT_FOUND) status = SOP_OK;
        }
        if (status != SOP_OK) {
            return sop_fail(error_of(find), status, "document of %zu bytes: not JSON",
                            document->size);
        }
    }
    sop_json_object_end(writer);
    sop_status status = sop_json_writer_end(writer, document);
    return status == SOP_OK ? SOP_OK : sop_fail(error_of(find), status, "find: projection failed");
}

static sop_status next_match(sop_find *find, sop_slice *document)
{
    uint64_t examined = 0;
    for (;;) {
        int skip = 0;
        int match = 1;
        if (find->examine_max != 0 && examined == find->examine_max) {
            return sop_set(error_of(find), SOP_TIMEOUT);
        }
        sop_status status = advance(find, document, &skip);
        if (status != SOP_OK) return status;
        if (skip) continue;
        examined++;
        find->examined++;
        if (find->filter != NULL) {
            status =
                sop_filter_match(find->filter, *document, &find->scratch, &match, error_of(find));
            if (status != SOP_OK) return status;
        }
        if (match) return SOP_OK;
    }
}

sop_status sop_find_next(sop_find *find, sop_found *found_out)
{
    if (find == NULL || found_out == NULL || found_out->struct_size == 0) return SOP_INVALID;
    sop_slice document = {0};
    sop_status status = sop_documents__enter(find->documents);
    if (status == SOP_OK && find->version != find->documents->version) {
        status = sop_fail(error_of(find), SOP_INVALID,
                          "find: rules or indexes were changed since it was opened");
    }
    if (status == SOP_OK && find->found == find->limit) status = SOP_NOT_FOUND;
    if (status == SOP_OK) status = next_match(find, &document);
    if (status == SOP_OK) status = project(find, &document);
    sop_found found = {sizeof found, {0}, {0}, find->examined};
    if (status == SOP_OK) {
        find->found++;
        found.key = sop_slice_of(find->key, find->key_size);
        found.document = document;
    }
    size_t room = found_out->struct_size;
    memcpy(found_out, &found, room < sizeof found ? room : sizeof found);
    found_out->struct_size = room;
    return status;
}

sop_status sop_find_rank(sop_find *find, uint64_t *rank_out)
{
    if (find == NULL || rank_out == NULL) return SOP_INVALID;
    *rank_out = 0;
    sop_status status = sop_documents__enter(find->documents);
    if (status != SOP_OK) return status;
    if (!find->stands) return SOP_NOT_FOUND;
    sop_store *store = find->reader;
    if (find->order != NULL) {
        status = sop_documents__index_store(find->documents, find->order, &store);
    }
    if (status != SOP_OK) return status;
    return sop_store_rank(store, sop_slice_of(find->place, find->place_size), rank_out);
}

/* ---- explain ---- */

static void member_bool(sop_json_writer *writer, const char *name, int value)
{
    sop_json_key(writer, sop_str(name));
    sop_json_bool(writer, value);
}

sop_status sop_find_explain(sop_find *find, sop_text *json_out)
{
    if (find == NULL || json_out == NULL) return SOP_INVALID;
    *json_out = (sop_text)SOP_TEXT_INIT;
    sop_json_writer writer;
    sop_json_writer filter;
    sop_slice text;
    sop_json_writer_init(&writer, 0);
    sop_json_writer_init(&filter, 0);
    sop_json_object_begin(&writer);
    sop_json_key(&writer, sop_str("read"));
    sop_json_string(&writer, find->plan.index == NULL ? sop_str("key") : find->plan.index->name);
    sop_json_key(&writer, sop_str("ranges"));
    sop_json_uint(&writer, find->plan.count);
    sop_json_key(&writer, sop_str("entries"));
    sop_json_uint(&writer, find->plan.entries);
    sop_json_key(&writer, sop_str("order"));
    sop_json_string(&writer, find->order == NULL ? sop_str("key") : find->order->name);
    member_bool(&writer, "descending", find->descending);
    member_bool(&writer, "sort", find->plan.sort);
    if (find->filter != NULL) {
        sop_filter_write(find->filter, &filter);
        sop_json_key(&writer, sop_str("filter"));
        if (sop_json_writer_end(&filter, &text) == SOP_OK) sop_json_string(&writer, text);
    }
    sop_json_key(&writer, sop_str("considered"));
    if (sop_json_writer_end(&find->considered, &text) == SOP_OK) sop_json_raw(&writer, text);
    sop_json_object_end(&writer);
    sop_status status = sop_document__text_out(&writer, json_out, "explain", error_of(find));
    sop_json_writer_deinit(&writer);
    sop_json_writer_deinit(&filter);
    return status;
}
