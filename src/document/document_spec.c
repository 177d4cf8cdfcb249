/* SPDX-License-Identifier: MIT */
/* Key specifications: from JSON and back. */
#include "document/document_scalar.h"
#include "util/bytes.h"
#include "util/error.h"
#include "util/memory.h"

/* The specification and everything it points to. */
typedef struct {
    sop_document_key_spec spec; /* first, so that the pointers are the same */
    sop_arena arena;
    sop_document_key_field fields[SOP_DOCUMENT_KEY_FIELDS_MAX];
} owned_spec;

typedef struct {
    owned_spec *owned;
    sop_document_scratch *scratch;
    size_t number; /* of the field, from 1 */
    sop_error *err;
} spec_reader;

static sop_status refuse(const spec_reader *r, const char *why)
{
    return sop_fail(r->err, SOP_INVALID, "key specification, field %zu: %s", r->number, why);
}

static sop_status no_memory(const spec_reader *r)
{
    return sop_fail(r->err, SOP_NO_MEMORY, "key specification: out of memory");
}

static sop_status read_path(const spec_reader *r, sop_slice text, sop_document_key_field *field)
{
    const char *why = NULL;
    if (text.size == 0) return refuse(r, "an empty path");
    field->path_text.data = sop_arena_copy(&r->owned->arena, text.data, text.size);
    field->path_text.size = text.size;
    if (field->path_text.data == NULL) return no_memory(r);
    sop_status status =
        sop_document__path_parse(field->path_text, &r->owned->arena, &field->path, &why);
    if (status == SOP_NO_MEMORY) return no_memory(r);
    return status == SOP_OK ? SOP_OK : refuse(r, why);
}

static sop_status read_order(const spec_reader *r, sop_slice text, sop_document_key_field *field)
{
    field->descending = sop_slice_equal(text, sop_str("desc"));
    if (field->descending || sop_slice_equal(text, sop_str("asc"))) return SOP_OK;
    return refuse(r, "order is asc or desc");
}

static sop_status read_nulls(const spec_reader *r, sop_slice text, sop_document_key_field *field)
{
    static const char *const names[] = {"refused", "first", "last"};
    for (size_t i = 0; i < 3; i++) {
        if (!sop_slice_equal(text, sop_str(names[i]))) continue;
        field->nulls = (sop_document_nulls)i;
        return SOP_OK;
    }
    return refuse(r, "nulls is refused, first or last");
}

static sop_status read_type(const spec_reader *r, sop_slice text, sop_document_key_field *field)
{
    if (sop_document__type_find(text, &field->type)) return SOP_OK;
    return refuse(
        r, "type is int64, uint64, double, decimal, bool, string, bytes, uuid, timestamp or date");
}

/* One member of a field. */
static sop_status read_member(const spec_reader *r,
                              sop_slice key,
                              const sop_json_value *value,
                              sop_document_key_field *field)
{
    static const struct {
        const char *name;
        sop_status (*read)(const spec_reader *r, sop_slice text, sop_document_key_field *field);
    } members[] = {
        {"path", read_path}, {"type", read_type}, {"order", read_order}, {"nulls", read_nulls}};
    if (sop_json_string_equal(key, sop_str("nocase"))) {
        field->nocase = value->type == SOP_JSON_TRUE;
        int is_bool = field->nocase || value->type == SOP_JSON_FALSE;
        return is_bool ? SOP_OK : refuse(r, "nocase is true or false");
    }
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        if (!sop_json_string_equal(key, sop_str(members[i].name))) continue;
        sop_slice text;
        if (value->type != SOP_JSON_STRING) {
            return refuse(r, "path, type, order and nulls are strings");
        }
        sop_status status = sop_document__plain(value->raw, r->scratch, &text);
        if (status == SOP_NO_MEMORY) return no_memory(r);
        if (status != SOP_OK) return refuse(r, "a string with half of a surrogate pair");
        return members[i].read(r, text, field);
    }
    return refuse(r, "a member that is none of path, type, order, nulls, nocase");
}

static sop_status read_field(spec_reader *r, const sop_json_value *json)
{
    sop_document_key_spec *spec = &r->owned->spec;
    sop_json_iter iter;
    sop_slice key;
    sop_json_value value;
    int has_type = 0;
    if (json->type != SOP_JSON_OBJECT) return refuse(r, "expected an object with type");
    if (spec->count == SOP_DOCUMENT_KEY_FIELDS_MAX) return refuse(r, "more than 16 fields");
    sop_document_key_field *field = &spec->fields[spec->count++];
    *field = (sop_document_key_field){.nocase = 0};
    sop_json_iter_init(&iter, json);
    sop_status status;
    while ((status = sop_json_next(&iter, &key, &value)) == SOP_OK) {
        status = read_member(r, key, &value, field);
        if (status != SOP_OK) return status;
        has_type |= sop_json_string_equal(key, sop_str("type"));
    }
    if (status != SOP_NOT_FOUND) return refuse(r, "not JSON");
    if (!has_type) return refuse(r, "without type");
    if (spec->is_list && field->path_text.size == 0) {
        return refuse(r, "without path, which a field of a list needs");
    }
    if (field->nocase && field->type != SOP_DOCUMENT_STRING) {
        return refuse(r, "nocase is for strings");
    }
    return SOP_OK;
}

static sop_status read_fields(spec_reader *r, const sop_json_value *json)
{
    sop_json_iter iter;
    sop_slice key;
    sop_json_value value;
    r->number = 1;
    if (json->type != SOP_JSON_ARRAY) return read_field(r, json);
    r->owned->spec.is_list = 1;
    sop_json_iter_init(&iter, json);
    for (; sop_json_next(&iter, &key, &value) == SOP_OK; r->number++) {
        sop_status status = read_field(r, &value);
        if (status != SOP_OK) return status;
    }
    return r->owned->spec.count == 0 ? refuse(r, "a list without fields") : SOP_OK;
}

/* [*] at one field of an index, or nowhere. */
static sop_status check_each(spec_reader *r, int indexes)
{
    size_t count = 0;
    for (size_t i = 0; i < r->owned->spec.count; i++) {
        r->number = i + 1;
        count += sop_document__path_has_each(&r->owned->fields[i].path) != 0;
        if (count != 0 && !indexes) return refuse(r, "[*] is for indexes");
        if (count > 1) return refuse(r, "[*] in more than one field");
    }
    if (indexes && r->owned->spec.fields[0].path_text.size == 0) {
        return refuse(r, "an index needs a path");
    }
    return SOP_OK;
}

sop_status sop_document_key_spec_new(sop_slice json,
                                     int indexes,
                                     sop_document_key_spec **spec_out,
                                     sop_error *err)
{
    sop_json_value value;
    sop_document_scratch *scratch = NULL;
    *spec_out = NULL;
    sop_json_position where;
    if (sop_json_check(json, NULL, &where, NULL) != SOP_OK ||
        sop_json_read(json, &value) != SOP_OK) {
        return sop_fail(err, SOP_INVALID, "key specification, byte %zu: %s", where.offset,
                        where.reason);
    }
    owned_spec *owned = sop_alloc_zeroed(sizeof *owned);
    scratch = sop_alloc_zeroed(sizeof *scratch);
    spec_reader r = {.owned = owned, .scratch = scratch, .err = err};
    sop_status status = owned == NULL || scratch == NULL ? no_memory(&r) : SOP_OK;
    if (status == SOP_OK) {
        owned->spec.fields = owned->fields;
        status = read_fields(&r, &value);
    }
    if (status == SOP_OK) status = check_each(&r, indexes);
    if (scratch != NULL) sop_document_scratch_deinit(scratch);
    sop_free(scratch);
    if (status != SOP_OK) {
        if (owned != NULL) sop_document_key_spec_free(&owned->spec);
        return status;
    }
    *spec_out = &owned->spec;
    return SOP_OK;
}

void sop_document_key_spec_free(sop_document_key_spec *spec)
{
    owned_spec *owned = (owned_spec *)(void *)spec;
    if (owned == NULL) return;
    sop_arena_deinit(&owned->arena);
    sop_free(owned);
}

static void write_field(const sop_document_key_field *field, sop_json_writer *writer)
{
    sop_json_object_begin(writer);
    if (field->path_text.size != 0) {
        sop_json_key(writer, sop_str("path"));
        sop_json_string(writer, field->path_text);
    }
    sop_json_key(writer, sop_str("type"));
    sop_json_string(writer, sop_str(sop_document_type_name(field->type)));
    if (field->descending) {
        sop_json_key(writer, sop_str("order"));
        sop_json_string(writer, sop_str("desc"));
    }
    if (field->nulls != SOP_DOCUMENT_NULLS_REFUSED) {
        sop_json_key(writer, sop_str("nulls"));
        sop_json_string(writer,
                        sop_str(field->nulls == SOP_DOCUMENT_NULLS_FIRST ? "first" : "last"));
    }
    if (field->nocase) {
        sop_json_key(writer, sop_str("nocase"));
        sop_json_bool(writer, 1);
    }
    sop_json_object_end(writer);
}

void sop_document_key_spec_write(const sop_document_key_spec *spec, sop_json_writer *writer)
{
    if (spec->is_list) sop_json_array_begin(writer);
    for (size_t i = 0; i < spec->count; i++) {
        write_field(&spec->fields[i], writer);
    }
    if (spec->is_list) sop_json_array_end(writer);
}
