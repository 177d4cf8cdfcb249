/* SPDX-License-Identifier: MIT */
/* The shape of a store, inferred from a sample of its documents; and its schema as JSON. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "document/document_store.h"
#include "util/bytes.h"
#include "util/checksum.h"
#include "util/error.h"
#include "util/memory.h"

enum {
    SAMPLE_DEFAULT = 1000,
    FIELDS_MAX = 2000,
    SLOTS = 4096, /* a power of two, at least twice FIELDS_MAX */
    EXAMPLES_MAX = 3,
    EXAMPLE_SIZE_MAX = 120,
    DEPTH_MAX = 32,
    PATH_SIZE_MAX = 1024,
    TYPES = 7
};

static const char *const TYPE_NAMES[TYPES] = {"null",   "boolean", "integer", "number",
                                              "string", "array",   "object"};

typedef struct {
    sop_slice path;
    uint64_t types[TYPES];
    uint64_t documents; /* that have it */
    uint64_t last;      /* number of the last one, from 1 */
    sop_slice examples[EXAMPLES_MAX];
    size_t example_count;
} shape_field;

typedef struct {
    sop_arena arena;
    shape_field *fields;
    size_t field_count;
    uint16_t slots[SLOTS]; /* index + 1 into fields; 0: free */
    uint64_t documents;
    char path[PATH_SIZE_MAX];
    sop_document_scratch scratch;
} shape;

static shape_field *field_find(shape *s, size_t size)
{
    sop_slice path = {s->path, size};
    size_t slot = (size_t)sop_checksum64(path.data, path.size, 0) % SLOTS;
    while (s->slots[slot] != 0) {
        shape_field *field = &s->fields[s->slots[slot] - 1];
        if (sop_slice_equal(field->path, path)) return field;
        slot = (slot + 1) % SLOTS;
    }
    if (s->field_count == FIELDS_MAX) return NULL;
    const void *copy = sop_arena_copy(&s->arena, path.data, path.size);
    if (copy == NULL) return NULL;
    shape_field *field = &s->fields[s->field_count++];
    field->path = sop_slice_of(copy, size);
    s->slots[slot] = (uint16_t)s->field_count;
    return field;
}

static size_t type_of(const sop_json_value *value)
{
    static const size_t types[] = {
        [SOP_JSON_NULL] = 0,   [SOP_JSON_FALSE] = 1, [SOP_JSON_TRUE] = 1,  [SOP_JSON_NUMBER] = 3,
        [SOP_JSON_STRING] = 4, [SOP_JSON_ARRAY] = 5, [SOP_JSON_OBJECT] = 6};
    sop_json_number_kind kind;
    if (value->type != SOP_JSON_NUMBER) return types[value->type];
    kind = sop_json_number_classify(value->raw);
    return kind <= SOP_JSON_NUMBER_INTEGER ? 2 : 3;
}

static void example_add(shape *s, shape_field *field, const sop_json_value *value)
{
    if (field->example_count == EXAMPLES_MAX || value->type >= SOP_JSON_ARRAY) return;
    if (value->type == SOP_JSON_NULL || value->raw.size > EXAMPLE_SIZE_MAX) return;
    for (size_t i = 0; i < field->example_count; i++) {
        if (sop_slice_equal(field->examples[i], value->raw)) return;
    }
    const void *copy = sop_arena_copy(&s->arena, value->raw.data, value->raw.size);
    if (copy == NULL) return;
    field->examples[field->example_count++] = sop_slice_of(copy, value->raw.size);
}

static void field_count(shape *s, size_t size, const sop_json_value *value)
{
    shape_field *field = field_find(s, size);
    if (field == NULL) return;
    field->types[type_of(value)]++;
    if (field->last != s->documents) field->documents++;
    field->last = s->documents;
    example_add(s, field, value);
}

/* Appends a step to the path: .name, "odd name" or [*]. Returns its new size, 0 if it does not fit. */
static size_t path_append(shape *s, size_t size, sop_slice raw_key)
{
    if (raw_key.size == 0) {
        if (size + 3 > PATH_SIZE_MAX) return 0;
        memcpy(s->path + size, "[*]", 3);
        return size + 3;
    }
    sop_slice name;
    if (sop_document__decoded(raw_key, &s->scratch, &name) != SOP_OK) return 0;
    sop_json_step step = {.kind = SOP_JSON_STEP_NAME, .name = name};
    sop_json_path path = {.steps = &step, .count = 1};
    sop_json_writer text;
    sop_slice written;
    size_t end = 0;
    sop_json_writer_init(&text, 0);
    sop_document__path_write(&path, &text);
    if (sop_json_writer_end(&text, &written) == SOP_OK &&
        size + 1 + written.size <= PATH_SIZE_MAX) {
        end = size;
        if (size != 0) s->path[end++] = '.';
        memcpy(s->path + end, written.data, written.size);
        end += written.size;
    }
    sop_json_writer_deinit(&text);
    return end;
}

/* Walks a document with a stack of its own. */
static void document_count(shape *s, sop_slice document)
{
    struct {
        sop_json_iter iter;
        size_t size;
    } stack[DEPTH_MAX];
    size_t depth = 1;
    sop_json_value value;
    s->documents++;
    if (sop_json_read(document, &value) != SOP_OK) return;
    sop_json_iter_init(&stack[0].iter, &value);
    stack[0].size = 0;
    while (depth != 0) {
        sop_slice key;
        if (sop_json_next(&stack[depth - 1].iter, &key, &value) != SOP_OK) {
            depth--;
            continue;
        }
        size_t size = path_append(s, stack[depth - 1].size, key);
        if (size == 0) continue;
        field_count(s, size, &value);
        if (depth == DEPTH_MAX || value.type < SOP_JSON_ARRAY) continue;
        sop_json_iter_init(&stack[depth].iter, &value);
        stack[depth++].size = size;
    }
}

/* Evenly spread over the store; all of it when it is not larger than the sample. */
static sop_status sample(shape *s, sop_store *store, uint64_t count, uint64_t wanted)
{
    sop_cursor *cursor;
    sop_slice key;
    sop_slice value;
    sop_status status = sop_cursor_open(store, &cursor);
    if (status != SOP_OK) return status;
    uint64_t last = UINT64_MAX;
    for (uint64_t i = 0; i < wanted && status == SOP_OK; i++) {
        uint64_t rank = (uint64_t)((double)i * (double)count / (double)wanted);
        status = rank == last + 1 ? sop_cursor_next(cursor) : sop_cursor_seek_rank(cursor, rank);
        last = rank;
        if (status == SOP_OK) status = sop_cursor_item(cursor, &key, &value);
        if (status == SOP_OK) document_count(s, value);
    }
    sop_cursor_close(cursor);
    return status == SOP_NOT_FOUND ? SOP_OK : status;
}

static void share_write(sop_json_writer *writer, double share)
{
    char text[32];
    int size = snprintf(text, sizeof text, "%.4g", share);
    sop_json_raw(writer, sop_slice_of(text, (size_t)size));
}

static void field_write(const shape *s, const shape_field *field, sop_json_writer *writer)
{
    sop_json_object_begin(writer);
    sop_json_key(writer, sop_str("path"));
    sop_json_string(writer, field->path);
    sop_json_key(writer, sop_str("types"));
    sop_json_object_begin(writer);
    for (size_t i = 0; i < TYPES; i++) {
        if (field->types[i] == 0) continue;
        sop_json_key(writer, sop_str(TYPE_NAMES[i]));
        sop_json_uint(writer, field->types[i]);
    }
    sop_json_object_end(writer);
    sop_json_key(writer, sop_str("share"));
    share_write(writer, (double)field->documents / (double)s->documents);
    sop_json_key(writer, sop_str("examples"));
    sop_json_array_begin(writer);
    for (size_t i = 0; i < field->example_count; i++) {
        sop_json_raw(writer, field->examples[i]);
    }
    sop_json_array_end(writer);
    sop_json_object_end(writer);
}

static void shape_write(const shape *s, uint64_t count, sop_json_writer *writer)
{
    /* Half the width of the 95 % interval of a share, at its widest; the sample is a part of a finite store. */
    double error = 0;
    if (s->documents != 0 && s->documents < count) {
        double rest = 1 - (double)s->documents / (double)count;
        error = 0.98 * sqrt(rest / (double)s->documents);
    }
    sop_json_object_begin(writer);
    sop_json_key(writer, sop_str("count"));
    sop_json_uint(writer, count);
    sop_json_key(writer, sop_str("sampled"));
    sop_json_uint(writer, s->documents);
    sop_json_key(writer, sop_str("error"));
    share_write(writer, error);
    sop_json_key(writer, sop_str("fields"));
    sop_json_array_begin(writer);
    for (size_t i = 0; i < s->field_count; i++) {
        field_write(s, &s->fields[i], writer);
    }
    sop_json_array_end(writer);
    sop_json_object_end(writer);
}

sop_status sop_documents_shape(sop_documents *documents, uint64_t sample_max, sop_text *json_out)
{
    if (documents == NULL || json_out == NULL) return SOP_INVALID;
    *json_out = (sop_text)SOP_TEXT_INIT;
    uint64_t count = 0;
    sop_store *reader;
    sop_error *err = sop_db_txn_error(documents->txn);
    sop_status status = sop_documents__enter(documents);
    if (status == SOP_OK) status = sop_documents__reader(documents, &reader);
    if (status == SOP_OK) status = sop_store_count(reader, &count);
    if (status != SOP_OK) return status;
    shape *s = sop_alloc_zeroed(sizeof *s);
    if (s != NULL) s->fields = sop_alloc_zeroed(FIELDS_MAX * sizeof *s->fields);
    if (s == NULL || s->fields == NULL) {
        sop_free(s);
        return sop_fail(err, SOP_NO_MEMORY, "shape: out of memory");
    }
    if (sample_max == 0) sample_max = SAMPLE_DEFAULT;
    status = sample(s, reader, count, sample_max < count ? sample_max : count);
    if (status == SOP_OK) {
        sop_json_writer writer;
        sop_json_writer_init(&writer, 0);
        shape_write(s, count, &writer);
        status = sop_document__text_out(&writer, json_out, "shape", err);
        sop_json_writer_deinit(&writer);
    }
    sop_document_scratch_deinit(&s->scratch);
    sop_arena_deinit(&s->arena);
    sop_free(s->fields);
    sop_free(s);
    return status;
}

/* ---- the schema ---- */

static void index_write(const sop_document__index *index, uint64_t entries, sop_json_writer *writer)
{
    static const char *const states[] = {"building", "ready", "failed"};
    sop_json_object_begin(writer);
    sop_json_key(writer, sop_str("name"));
    sop_json_string(writer, index->name);
    sop_json_key(writer, sop_str("fields"));
    sop_document_key_spec_write(index->spec, writer);
    sop_json_key(writer, sop_str("unique"));
    sop_json_bool(writer, index->unique);
    if (index->where_text.size != 0) {
        sop_json_key(writer, sop_str("where"));
        sop_json_string(writer, index->where_text);
    }
    sop_json_key(writer, sop_str("state"));
    sop_json_string(writer, sop_str(states[index->state]));
    if (index->error.size != 0) {
        sop_json_key(writer, sop_str("error"));
        sop_json_string(writer, index->error);
    }
    sop_json_key(writer, sop_str("entries"));
    sop_json_uint(writer, entries);
    sop_json_object_end(writer);
}

sop_status sop_documents_schema(sop_documents *documents, sop_text *json_out)
{
    if (documents == NULL || json_out == NULL) return SOP_INVALID;
    *json_out = (sop_text)SOP_TEXT_INIT;
    sop_status status = sop_documents__enter(documents);
    if (status != SOP_OK) return status;
    const sop_document__schema *schema = documents->schema;
    sop_json_writer writer;
    sop_json_writer_init(&writer, 0);
    sop_json_object_begin(&writer);
    sop_json_key(&writer, sop_str("key"));
    sop_document_key_spec_write(schema->key, &writer);
    sop_json_key(&writer, sop_str("rules"));
    sop_json_raw(&writer, schema->rules_json.size == 0 ? sop_str("[]") : schema->rules_json);
    sop_json_key(&writer, sop_str("indexes"));
    sop_json_array_begin(&writer);
    for (size_t i = 0; i < schema->index_count && status == SOP_OK; i++) {
        const sop_document__index *index = &schema->indexes[i];
        sop_store *store;
        uint64_t entries = 0;
        if (index->state != SOP_INDEX_FAILED) {
            status = sop_documents__index_store(documents, index, &store);
            if (status == SOP_OK) status = sop_store_count(store, &entries);
        }
        if (status == SOP_OK) index_write(index, entries, &writer);
    }
    sop_json_array_end(&writer);
    sop_json_object_end(&writer);
    if (status == SOP_OK) {
        status =
            sop_document__text_out(&writer, json_out, "schema", sop_documents__error(documents));
    }
    sop_json_writer_deinit(&writer);
    return status;
}
