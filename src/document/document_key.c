/* SPDX-License-Identifier: MIT */
/* Keys of documents: from a document or from JSON into bytes, and back to canonical JSON. */
#include "document/document_scalar.h"
#include "util/bytes.h"
#include "util/error.h"

/* A key while it is made. */
typedef struct {
    const sop_document_key_spec *spec;
    sop_document_scratch *scratch;
    sop_error *err;
    sop_key_builder builder;
} key_maker;

static void maker_begin(key_maker *m)
{
    sop_key_begin(&m->builder, m->scratch->key, sizeof m->scratch->key);
}

/* A field for a message: its number and its path, one line, not too long. */
static sop_status fail_field(const key_maker *m, size_t i, sop_status status, const char *why)
{
    const sop_document_key_field *field = &m->spec->fields[i];
    char path[64];
    size_t size = field->path_text.size < sizeof path - 1 ? field->path_text.size : sizeof path - 1;
    for (size_t k = 0; k < size; k++) {
        uint8_t c = ((const uint8_t *)field->path_text.data)[k];
        path[k] = (char)(c < 0x20 || c == 0x7f ? '?' : c);
    }
    path[size] = '\0';
    const char *type = sop_document_type_name(field->type);
    if (size == 0) {
        return sop_fail(m->err, status, "key field %zu of %zu (%s): %s", i + 1, m->spec->count,
                        type, why);
    }
    return sop_fail(m->err, status, "key field %zu of %zu (%s, %s): %s", i + 1, m->spec->count,
                    path, type, why);
}

static sop_status add_value(key_maker *m, size_t i, const sop_json_value *value)
{
    const sop_document_key_field *field = &m->spec->fields[i];
    if (value->type == SOP_JSON_NULL) {
        if (field->nulls == SOP_DOCUMENT_NULLS_REFUSED) {
            return fail_field(m, i, SOP_INVALID, "null is not allowed");
        }
        sop_document__null_add(field, &m->builder);
        return SOP_OK;
    }
    const char *why = NULL;
    sop_status status = sop_document__scalar_add(value, field, &m->builder, m->scratch, &why);
    if (status == SOP_NO_MEMORY) return fail_field(m, i, status, "out of memory");
    return status == SOP_OK ? SOP_OK : fail_field(m, i, status, why);
}

static sop_status maker_end(const key_maker *m, sop_slice *key_out)
{
    size_t needed = 0;
    sop_key_builder last = m->builder;
    sop_status status = sop_key_end(&last, key_out, &needed);
    if (status == SOP_OK) return SOP_OK;
    return sop_fail(m->err, SOP_TOO_LARGE, "key of %zu bytes: more than %d", needed,
                    SOP_KEY_SIZE_MAX);
}

/* The value of a field; null where the document has none. */
static sop_status
pick_field(const key_maker *m, sop_slice document, size_t i, sop_json_value *value)
{
    sop_status status = sop_json_pick(document, &m->spec->fields[i].path, value);
    if (status == SOP_CORRUPT) {
        return sop_fail(m->err, status, "document of %zu bytes: not JSON", document.size);
    }
    if (status == SOP_NOT_FOUND && m->spec->fields[i].nulls == SOP_DOCUMENT_NULLS_REFUSED) {
        return fail_field(m, i, SOP_INVALID, "the document has no such field");
    }
    return SOP_OK;
}

/* The fields from first up to, not including, end. */
static sop_status add_fields(key_maker *m, sop_slice document, size_t first, size_t end)
{
    for (size_t i = first; i < end; i++) {
        sop_json_value value;
        sop_status status = pick_field(m, document, i, &value);
        if (status == SOP_OK) status = add_value(m, i, &value);
        if (status != SOP_OK) return status;
    }
    return SOP_OK;
}

static sop_status need_paths(const sop_document_key_spec *spec, sop_error *err)
{
    if (spec->fields[0].path_text.size != 0) return SOP_OK;
    return sop_fail(err, SOP_INVALID, "key: it is no part of the document, so it must be given");
}

sop_status sop_document_key_of_document(const sop_document_key_spec *spec,
                                        sop_slice document,
                                        sop_document_scratch *scratch,
                                        sop_slice *key_out,
                                        sop_error *err)
{
    key_maker m = {.spec = spec, .scratch = scratch, .err = err};
    *key_out = sop_slice_of(NULL, 0);
    sop_status status = need_paths(spec, err);
    if (status != SOP_OK) return status;
    maker_begin(&m);
    status = add_fields(&m, document, 0, spec->count);
    return status == SOP_OK ? maker_end(&m, key_out) : status;
}

/* The walk over the values of the field with [*]. */
typedef struct {
    key_maker *maker;
    sop_slice document;
    size_t field;
    sop_key_builder before; /* with the fields in front of it */
    sop_document_key_fn fn;
    void *context;
    size_t found;
} each_value;

static sop_status call_with(each_value *e, const sop_json_value *value)
{
    key_maker *m = e->maker;
    sop_slice key;
    m->builder = e->before;
    sop_status status = add_value(m, e->field, value);
    if (status == SOP_OK) status = add_fields(m, e->document, e->field + 1, m->spec->count);
    if (status == SOP_OK) status = maker_end(m, &key);
    return status == SOP_OK ? e->fn(key, e->context) : status;
}

static sop_status on_value(const sop_json_value *value, void *context)
{
    each_value *e = context;
    if (value->type == SOP_JSON_NULL &&
        e->maker->spec->fields[e->field].nulls == SOP_DOCUMENT_NULLS_REFUSED) {
        return SOP_OK;
    }
    e->found++;
    return call_with(e, value);
}

static size_t find_each(const sop_document_key_spec *spec)
{
    size_t i = 0;
    while (i < spec->count && !sop_document__path_has_each(&spec->fields[i].path)) {
        i++;
    }
    return i;
}

/* Whether a field that refuses null has no value, so that the document has no entry. */
static sop_status lacks_field(const key_maker *m, sop_slice document, int *lacks_out)
{
    *lacks_out = 0;
    for (size_t i = 0; i < m->spec->count && !*lacks_out; i++) {
        if (m->spec->fields[i].nulls != SOP_DOCUMENT_NULLS_REFUSED) continue;
        sop_json_value value;
        sop_status status = sop_json_pick(document, &m->spec->fields[i].path, &value);
        if (status == SOP_CORRUPT) {
            return sop_fail(m->err, status, "document of %zu bytes: not JSON", document.size);
        }
        /* Of several values some may be null; on_value looks at each. */
        int many = sop_document__path_has_each(&m->spec->fields[i].path);
        *lacks_out = status == SOP_NOT_FOUND || (value.type == SOP_JSON_NULL && !many);
    }
    return SOP_OK;
}

sop_status sop_document_key_each(const sop_document_key_spec *spec,
                                 sop_slice document,
                                 sop_document_scratch *scratch,
                                 sop_document_key_fn fn,
                                 void *context,
                                 sop_error *err)
{
    static const sop_json_value null_value = {SOP_JSON_NULL, {NULL, 0}};
    key_maker m = {.spec = spec, .scratch = scratch, .err = err};
    int lacks = 0;
    sop_status status = need_paths(spec, err);
    if (status == SOP_OK) status = lacks_field(&m, document, &lacks);
    if (status != SOP_OK || lacks) return status;
    maker_begin(&m);
    size_t each = find_each(spec);
    status = add_fields(&m, document, 0, each);
    if (status != SOP_OK) return status;
    each_value e = {.maker = &m,
                    .document = document,
                    .field = each,
                    .before = m.builder,
                    .fn = fn,
                    .context = context};
    if (each == spec->count) {
        sop_slice key;
        status = maker_end(&m, &key);
        return status == SOP_OK ? fn(key, context) : status;
    }
    status = sop_json_walk(document, &spec->fields[each].path, on_value, &e);
    if (status != SOP_OK || e.found != 0) return status;
    return spec->fields[each].nulls == SOP_DOCUMENT_NULLS_REFUSED ? SOP_OK
                                                                  : call_with(&e, &null_value);
}

static sop_status key_of_list(key_maker *m, const sop_json_value *list, int prefix)
{
    if (list->type != SOP_JSON_ARRAY) {
        return sop_fail(m->err, SOP_INVALID, "key: expected an array of %zu values",
                        m->spec->count);
    }
    sop_json_iter iter;
    sop_slice name;
    sop_json_value value;
    sop_json_iter_init(&iter, list);
    size_t i = 0;
    sop_status status;
    for (; (status = sop_json_next(&iter, &name, &value)) == SOP_OK; i++) {
        if (i == m->spec->count) {
            return sop_fail(m->err, SOP_INVALID, "key: an array of more than %zu values",
                            m->spec->count);
        }
        status = add_value(m, i, &value);
        if (status != SOP_OK) return status;
    }
    if (status == SOP_CORRUPT) return sop_fail(m->err, SOP_INVALID, "key: not JSON");
    if (i < m->spec->count && !prefix) {
        return sop_fail(m->err, SOP_INVALID, "key: an array of %zu values, %zu are needed", i,
                        m->spec->count);
    }
    return SOP_OK;
}

sop_status sop_document_key_of_json(const sop_document_key_spec *spec,
                                    sop_slice json,
                                    int prefix,
                                    sop_document_scratch *scratch,
                                    sop_slice *key_out,
                                    sop_error *err)
{
    key_maker m = {.spec = spec, .scratch = scratch, .err = err};
    sop_json_value value;
    *key_out = sop_slice_of(NULL, 0);
    if (sop_json_read(json, &value) != SOP_OK) {
        return sop_fail(err, SOP_INVALID, "key of %zu bytes: not JSON", json.size);
    }
    maker_begin(&m);
    sop_status status = spec->is_list ? key_of_list(&m, &value, prefix) : add_value(&m, 0, &value);
    return status == SOP_OK ? maker_end(&m, key_out) : status;
}

sop_status sop_document_key_write(const sop_document_key_spec *spec,
                                  sop_slice key,
                                  sop_document_scratch *scratch,
                                  sop_json_writer *writer,
                                  sop_slice *rest_out,
                                  sop_error *err)
{
    sop_key_reader reader;
    sop_key_read(&reader, key);
    const uint8_t *begin = reader.at;
    if (rest_out != NULL) *rest_out = sop_slice_of(NULL, 0);
    if (spec->is_list) sop_json_array_begin(writer);
    for (size_t i = 0; i < spec->count; i++) {
        sop_status status = sop_document__scalar_write(&spec->fields[i], &reader, scratch, writer);
        if (status == SOP_OK) continue;
        if (status == SOP_NO_MEMORY) {
            return sop_fail(err, status, "key of %zu bytes: out of memory", key.size);
        }
        size_t offset = (size_t)(reader.at - begin);
        return sop_fail(err, SOP_CORRUPT, "key of %zu bytes, field %zu at byte %zu: not a %s",
                        key.size, i + 1, offset, sop_document_type_name(spec->fields[i].type));
    }
    if (spec->is_list) sop_json_array_end(writer);
    size_t left = (size_t)(reader.end - reader.at);
    if (rest_out != NULL) {
        *rest_out = sop_slice_of(reader.at, left);
    } else if (left != 0) {
        return sop_fail(err, SOP_CORRUPT, "key of %zu bytes: %zu too many", key.size, left);
    }
    return writer->status == SOP_OK
               ? SOP_OK
               : sop_fail(err, writer->status, "key of %zu bytes: out of memory", key.size);
}
