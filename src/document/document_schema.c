/* SPDX-License-Identifier: MIT */
/*
 * The specification of a document store: {"key":...,"rules":[...],"indexes":[...]}, kept in its row of the catalogue.
 * An index in it: {"name":"...","fields":[...],"unique":true,"where":"...","store":7,"state":"ready","error":"..."}.
 */
#include "document/document_store.h"
#include "util/bytes.h"
#include "util/error.h"
#include "util/memory.h"

sop_status sop_document__string_copy(sop_slice raw, sop_arena *arena, sop_slice *plain_out)
{
    uint8_t *buffer = sop_arena_alloc(arena, raw.size + 1);
    if (buffer == NULL) return SOP_NO_MEMORY;
    sop_status status = sop_json_string_decode(raw, 1, buffer, raw.size, plain_out);
    if (status != SOP_OK) return SOP_INVALID;
    if (plain_out->data != buffer && plain_out->size != 0) {
        memcpy(buffer, plain_out->data, plain_out->size);
        plain_out->data = buffer;
    }
    return SOP_OK;
}

static sop_status bad(sop_error *err, const char *what)
{
    return sop_fail(err, SOP_CORRUPT, "specification of a document store: %s", what);
}

typedef struct {
    sop_document__schema *schema;
    sop_error *err;
} reader;

/* One member of an index. */
static sop_status index_member(const reader *r,
                               sop_document__index *index,
                               sop_slice key,
                               const sop_json_value *value)
{
    sop_arena *arena = &r->schema->arena;
    if (sop_json_string_equal(key, sop_str("name"))) {
        return sop_document__string_copy(value->raw, arena, &index->name);
    }
    if (sop_json_string_equal(key, sop_str("fields"))) {
        index->fields = value->raw;
        return sop_document_key_spec_new(value->raw, 1, &index->spec, r->err);
    }
    if (sop_json_string_equal(key, sop_str("where"))) {
        sop_status status = sop_document__string_copy(value->raw, arena, &index->where_text);
        return status == SOP_OK ? sop_filter_parse(index->where_text, &index->where, r->err)
                                : status;
    }
    if (sop_json_string_equal(key, sop_str("unique"))) {
        index->unique = value->type == SOP_JSON_TRUE;
    } else if (sop_json_string_equal(key, sop_str("store"))) {
        sop_decimal number;
        int is_id = value->type == SOP_JSON_NUMBER && sop_decimal_parse(value->raw, &number) == 0 &&
                    sop_decimal_uint64(&number, &index->store);
        return is_id ? SOP_OK : bad(r->err, "store of an index");
    } else if (sop_json_string_equal(key, sop_str("state"))) {
        index->state = sop_json_string_equal(value->raw, sop_str("ready"))    ? SOP_INDEX_READY
                       : sop_json_string_equal(value->raw, sop_str("failed")) ? SOP_INDEX_FAILED
                                                                              : SOP_INDEX_BUILDING;
    } else if (sop_json_string_equal(key, sop_str("error"))) {
        return sop_document__string_copy(value->raw, arena, &index->error);
    }
    return SOP_OK;
}

static sop_status
index_read(const reader *r, sop_document__index *index, const sop_json_value *json)
{
    sop_json_iter iter;
    sop_slice key;
    sop_json_value value;
    index->json = json->raw;
    sop_json_iter_init(&iter, json);
    sop_status status = SOP_OK;
    while (status == SOP_OK && sop_json_next(&iter, &key, &value) == SOP_OK) {
        status = index_member(r, index, key, &value);
    }
    if (status == SOP_OK && (index->spec == NULL || index->name.size == 0 || index->store == 0)) {
        return bad(r->err, "an index without name, fields or store");
    }
    return status;
}

static size_t count_elements(const sop_json_value *list)
{
    sop_json_iter iter;
    sop_slice key;
    sop_json_value value;
    size_t count = 0;
    sop_json_iter_init(&iter, list);
    while (sop_json_next(&iter, &key, &value) == SOP_OK) {
        count++;
    }
    return count;
}

static sop_status indexes_read(const reader *r, const sop_json_value *list)
{
    sop_document__schema *schema = r->schema;
    size_t count = count_elements(list);
    sop_json_iter iter;
    sop_slice key;
    sop_json_value value;
    if (count == 0) return SOP_OK;
    schema->indexes = sop_alloc_zeroed(count * sizeof *schema->indexes);
    if (schema->indexes == NULL) return SOP_NO_MEMORY;
    sop_json_iter_init(&iter, list);
    sop_status status = SOP_OK;
    while (status == SOP_OK && sop_json_next(&iter, &key, &value) == SOP_OK) {
        status = index_read(r, &schema->indexes[schema->index_count++], &value);
    }
    return status;
}

static sop_status schema_member(const reader *r, sop_slice key, const sop_json_value *value)
{
    sop_document__schema *schema = r->schema;
    if (sop_json_string_equal(key, sop_str("key"))) {
        schema->key_json = value->raw;
        return sop_document_key_spec_new(value->raw, 0, &schema->key, r->err);
    }
    if (sop_json_string_equal(key, sop_str("rules"))) {
        schema->rules_json = value->raw;
        return sop_document__rules_read(value->raw, &schema->arena, &schema->rules,
                                        &schema->rule_count, r->err);
    }
    if (sop_json_string_equal(key, sop_str("indexes"))) return indexes_read(r, value);
    return SOP_OK;
}

static sop_status schema_read(const reader *r, sop_slice text)
{
    sop_json_value json;
    sop_json_value value;
    sop_json_iter iter;
    sop_slice key;
    if (sop_json_read(text, &json) != SOP_OK || json.type != SOP_JSON_OBJECT) {
        return bad(r->err, "not JSON");
    }
    sop_json_iter_init(&iter, &json);
    sop_status status = SOP_OK;
    while (status == SOP_OK && sop_json_next(&iter, &key, &value) == SOP_OK) {
        status = schema_member(r, key, &value);
    }
    if (status == SOP_OK && r->schema->key == NULL) return bad(r->err, "no key");
    return status;
}

sop_status
sop_document__schema_new(sop_slice spec, sop_document__schema **schema_out, sop_error *err)
{
    *schema_out = NULL;
    sop_document__schema *schema = sop_alloc_zeroed(sizeof *schema);
    if (schema == NULL) return sop_fail(err, SOP_NO_MEMORY, "document store: out of memory");
    reader r = {.schema = schema, .err = err};
    sop_slice text = {sop_arena_copy(&schema->arena, spec.data, spec.size), spec.size};
    sop_status status = text.data == NULL ? SOP_NO_MEMORY : schema_read(&r, text);
    if (status == SOP_OK) {
        schema->has_paths = schema->key->fields[0].path_text.size != 0;
        *schema_out = schema;
        return SOP_OK;
    }
    sop_document__schema_free(schema);
    if (status == SOP_NO_MEMORY) return sop_fail(err, status, "document store: out of memory");
    return status;
}

void sop_document__schema_free(sop_document__schema *schema)
{
    if (schema == NULL) return;
    for (size_t i = 0; i < schema->index_count; i++) {
        sop_document_key_spec_free(schema->indexes[i].spec);
        sop_filter_free(schema->indexes[i].where);
    }
    sop_free(schema->indexes);
    sop_document__rules_free(schema->rules, schema->rule_count);
    sop_document_key_spec_free(schema->key);
    sop_arena_deinit(&schema->arena);
    sop_free(schema);
}

void sop_document__index_write(const sop_document__index *index, sop_json_writer *writer)
{
    static const char *const states[] = {"building", "ready", "failed"};
    sop_json_object_begin(writer);
    sop_json_key(writer, sop_str("name"));
    sop_json_string(writer, index->name);
    sop_json_key(writer, sop_str("fields"));
    sop_document_key_spec_write(index->spec, writer);
    if (index->unique) {
        sop_json_key(writer, sop_str("unique"));
        sop_json_bool(writer, 1);
    }
    if (index->where_text.size != 0) {
        sop_json_key(writer, sop_str("where"));
        sop_json_string(writer, index->where_text);
    }
    sop_json_key(writer, sop_str("store"));
    sop_json_uint(writer, index->store);
    sop_json_key(writer, sop_str("state"));
    sop_json_string(writer, sop_str(states[index->state]));
    if (index->error.size != 0) {
        sop_json_key(writer, sop_str("error"));
        sop_json_string(writer, index->error);
    }
    sop_json_object_end(writer);
}

static void indexes_write(const sop_document__schema *schema,
                          const sop_document__revision *revision,
                          sop_json_writer *writer)
{
    size_t count = schema->index_count;
    int comes = revision->index == count && revision->definition.size != 0;
    int goes = revision->index < count && revision->definition.size == 0;
    if (count + (size_t)comes == (size_t)goes) return;
    sop_json_key(writer, sop_str("indexes"));
    sop_json_array_begin(writer);
    for (size_t i = 0; i < count; i++) {
        if (i != revision->index) {
            sop_json_raw(writer, schema->indexes[i].json);
        } else if (!goes) {
            sop_json_raw(writer, revision->definition);
        }
    }
    if (comes) sop_json_raw(writer, revision->definition);
    sop_json_array_end(writer);
}

void sop_document__schema_write(const sop_document__schema *schema,
                                const sop_document__revision *revision,
                                sop_json_writer *writer)
{
    sop_slice rules = revision->rules;
    sop_json_object_begin(writer);
    sop_json_key(writer, sop_str("key"));
    sop_document_key_spec_write(schema->key, writer);
    if (rules.size != 0) {
        sop_json_key(writer, sop_str("rules"));
        sop_json_reformat(writer, rules);
    }
    indexes_write(schema, revision, writer);
    sop_json_object_end(writer);
}

size_t sop_document__index_find(const sop_document__schema *schema, sop_slice name)
{
    size_t i = 0;
    while (i < schema->index_count && !sop_slice_equal(schema->indexes[i].name, name)) {
        i++;
    }
    return i;
}
