/* SPDX-License-Identifier: MIT */
/* Answers about stores: list, create, describe, rename, drop, and the fields met in a sample. */
#include <stdio.h>
#include <string.h>

#include "server/server_documents.h"
#include "server/server_private.h"
#include "util/bytes.h"
#include "util/error.h"
#include "util/memory.h"

/* ---- attributes: {"description":"...","key":{...},...}; members we do not know are kept ---- */

/* import of the command line leaves {"key":{"encoding":"tuple","fields":["a","b"]}}. */
void server_store_traits_read(const sop_store_info *info, server_store_traits *out)
{
    sop_json_value attributes;
    sop_json_value key;
    sop_json_value form;
    *out = (server_store_traits){SERVER_FORM_AUTO, info->allow_duplicates,
                                 strncmp(info->name, "sop:", 4) == 0};
    if (info->attributes.size == 0 ||
        sop_json_check(info->attributes, NULL, NULL, NULL) != SOP_OK ||
        sop_json_read(info->attributes, &attributes) != SOP_OK ||
        server_member(&attributes, "key", &key) != SOP_OK) {
        return;
    }
    if (server_member(&key, "form", &form) == SOP_OK && form.type == SOP_JSON_STRING) {
        for (int i = SERVER_FORM_AUTO; i <= SERVER_FORM_BYTES; i++) {
            if (sop_json_string_equal(form.raw, sop_str(server_form_name((server_form)i)))) {
                out->form = (server_form)i;
            }
        }
    } else if (server_member(&key, "encoding", &form) == SOP_OK && form.type == SOP_JSON_STRING &&
               sop_json_string_equal(form.raw, sop_str("tuple"))) {
        out->form = SERVER_FORM_TUPLE;
    }
}

/* The heading of the key column: its name, or the fields that import took the key from. */
static void key_name_write(sop_json_writer *out, const sop_json_value *key)
{
    sop_json_value name;
    sop_json_value first;
    sop_json_value second;
    sop_json_iter iter;
    sop_slice label;
    if (server_member(key, "name", &name) == SOP_OK && name.type == SOP_JSON_STRING) {
        sop_json_key(out, sop_str("name"));
        sop_json_raw(out, name.raw);
        return;
    }
    if (server_member(key, "fields", &name) != SOP_OK) return;
    sop_json_iter_init(&iter, &name);
    if (sop_json_next(&iter, &label, &first) == SOP_OK && first.type == SOP_JSON_STRING &&
        sop_json_next(&iter, &label, &second) == SOP_NOT_FOUND) {
        /* import names fields by pointers: a plain one reads better without its slash. */
        const char *text = first.raw.data;
        int plain = first.raw.size > 3 && text[1] == '/' &&
                    memchr(text + 2, '/', first.raw.size - 2) == NULL &&
                    memchr(text, '~', first.raw.size) == NULL &&
                    memchr(text, '\\', first.raw.size) == NULL;
        sop_json_key(out, sop_str("name"));
        if (plain) {
            sop_json_string(out, sop_slice_of(text + 2, first.raw.size - 3));
        } else {
            sop_json_raw(out, first.raw);
        }
    }
}

static void key_write(sop_json_writer *out, const sop_store_info *info)
{
    sop_json_value attributes;
    sop_json_value key;
    sop_json_value parts;
    server_store_traits traits;
    server_store_traits_read(info, &traits);
    sop_json_key(out, sop_str("key"));
    sop_json_object_begin(out);
    sop_json_key(out, sop_str("form"));
    sop_json_string(out, sop_str(server_form_name(traits.form)));
    if (info->attributes.size != 0 &&
        sop_json_check(info->attributes, NULL, NULL, NULL) == SOP_OK &&
        sop_json_read(info->attributes, &attributes) == SOP_OK &&
        server_member(&attributes, "key", &key) == SOP_OK) {
        key_name_write(out, &key);
        if (server_member(&key, "parts", &parts) == SOP_OK && parts.type == SOP_JSON_ARRAY) {
            sop_json_key(out, sop_str("parts"));
            sop_json_raw(out, parts.raw);
        }
    }
    sop_json_object_end(out);
}

static void description_write(sop_json_writer *out, const sop_store_info *info)
{
    sop_json_value attributes;
    sop_json_value description;
    if (info->attributes.size == 0 ||
        sop_json_check(info->attributes, NULL, NULL, NULL) != SOP_OK ||
        sop_json_read(info->attributes, &attributes) != SOP_OK ||
        server_member(&attributes, "description", &description) != SOP_OK ||
        description.type != SOP_JSON_STRING) {
        return;
    }
    sop_json_key(out, sop_str("description"));
    sop_json_raw(out, description.raw);
}

static void lock_write(sop_json_writer *out, const char *field, const char *reason)
{
    sop_json_object_begin(out);
    sop_json_key(out, sop_str("field"));
    sop_json_string(out, sop_str(field));
    sop_json_key(out, sop_str("reason"));
    sop_json_string(out, sop_str(reason));
    sop_json_object_end(out);
}

/* txn NULL: without what only its own page shows. */
static void store_write(sop_json_writer *out, const sop_store_info *info, sop_txn *txn)
{
    sop_json_object_begin(out);
    sop_json_key(out, sop_str("name"));
    sop_json_string(out, sop_str(info->name));
    sop_json_key(out, sop_str("id"));
    sop_json_uint(out, info->id);
    sop_json_key(out, sop_str("kind"));
    sop_json_string(out, sop_str(info->kind == SOP_STORE_DOCUMENTS ? "document" : "raw"));
    description_write(out, info);
    sop_json_key(out, sop_str("count"));
    sop_json_uint(out, info->count);
    sop_json_key(out, sop_str("bytes"));
    sop_json_uint(out, info->bytes);
    sop_json_key(out, sop_str("depth"));
    sop_json_uint(out, info->depth);
    key_write(out, info);
    sop_json_key(out, sop_str("allow_duplicates"));
    sop_json_bool(out, info->allow_duplicates);
    sop_json_key(out, sop_str("inline_value_max"));
    sop_json_uint(out, info->inline_value_max);
    if (strncmp(info->name, "sop:", 4) == 0) {
        sop_json_key(out, sop_str("system"));
        sop_json_bool(out, 1);
    }
    if (txn != NULL && info->kind == SOP_STORE_DOCUMENTS) {
        server_documents_describe(txn, info->name, out);
    }
    sop_json_key(out, sop_str("locks"));
    sop_json_array_begin(out);
    lock_write(out, "allow_duplicates", "it is part of how the keys lie on disk");
    lock_write(out, "inline_value_max", "values already lie where it put them");
    lock_write(out, "kind", "raw stores and document stores keep their values differently");
    sop_json_array_end(out);
    sop_json_object_end(out);
}

/* ---- reading ---- */

typedef struct {
    server_request *r;
    const char *wanted; /* NULL: all */
    int met;
} listing;

static sop_status list_one(const sop_store_info *info, void *context)
{
    listing *l = context;
    store_write(&l->r->out, info, NULL);
    l->met = 1;
    return SOP_OK;
}

int server_stores_list(server_request *r)
{
    sop_txn *txn;
    listing l = {r, NULL, 0};
    sop_status status = sop_txn_begin(r->db, SOP_TXN_READ, &txn, &r->err);
    if (status != SOP_OK) return server_fail(r, status, &r->err);
    sop_json_object_begin(&r->out);
    sop_json_key(&r->out, sop_str("stores"));
    sop_json_array_begin(&r->out);
    status = sop_store_list(txn, list_one, &l);
    sop_json_array_end(&r->out);
    sop_json_key(&r->out, sop_str("snapshot"));
    sop_json_uint(&r->out, sop_txn_snapshot(txn));
    sop_json_object_end(&r->out);
    if (status != SOP_OK) r->err = *sop_txn_error(txn);
    sop_txn_close(txn);
    return status == SOP_OK ? 200 : server_fail(r, status, &r->err);
}

/* A name in a path, as the library wants it: zero-terminated text. */
static int is_store_name(sop_slice name)
{
    return name.size > 0 && name.size <= SOP_STORE_NAME_SIZE_MAX && server_is_plain(name);
}

int server_store_enter(server_request *r,
                       sop_slice name,
                       sop_txn **txn_out,
                       sop_store **store_out,
                       sop_store_info *info_out)
{
    *txn_out = NULL;
    sop_status status = sop_txn_begin(r->db, SOP_TXN_READ, txn_out, &r->err);
    if (status != SOP_OK) return server_fail(r, status, &r->err);
    status = is_store_name(name) ? sop_store_open(*txn_out, name.data, store_out) : SOP_NOT_FOUND;
    *info_out = (sop_store_info)SOP_STORE_INFO_INIT;
    if (status == SOP_OK) status = sop_store_info_get(*store_out, info_out);
    if (status == SOP_OK) return 0;
    r->err = *sop_txn_error(*txn_out);
    sop_txn_close(*txn_out);
    *txn_out = NULL;
    if (status != SOP_NOT_FOUND) return server_fail(r, status, &r->err);
    return server_error(r, 404, "not_found", "there is no store \"%.100s\"",
                        (const char *)name.data);
}

static int store_answer(server_request *r, sop_slice name, int good)
{
    sop_txn *txn;
    sop_store *store;
    sop_store_info info;
    int refused = server_store_enter(r, name, &txn, &store, &info);
    if (refused != 0) return refused;
    store_write(&r->out, &info, txn);
    sop_txn_close(txn);
    return good;
}

int server_store_get(server_request *r)
{
    return store_answer(r, r->names[2], 200);
}

/* ---- definitions ---- */

enum { PROBLEMS_MAX = 16 };
typedef struct {
    const char *path;
    const char *message;
} problem;

typedef struct {
    sop_slice name;
    sop_slice description;
    int has_description;
    sop_json_value key;
    int has_key;
    sop_store_options options;
    char message[SOP_ERROR_MESSAGE_SIZE]; /* for a problem that the library words */
    problem problems[PROBLEMS_MAX];
    size_t problem_count;
    sop_json_value document; /* of a document store; else type null */
} store_spec;

static void complain(store_spec *spec, const char *path, const char *message)
{
    if (spec->problem_count < PROBLEMS_MAX) {
        spec->problems[spec->problem_count++] = (problem){path, message};
    }
}

static void name_read(server_request *r, store_spec *spec, int needed)
{
    sop_status status = server_member_text(&r->json, "name", &r->arena, &spec->name);
    if (status == SOP_NOT_FOUND && !needed) return;
    if (status != SOP_OK || !is_store_name(spec->name) || spec->name.size > SERVER_NAME_MAX) {
        complain(spec, "/name", "the name must have 1 to 200 bytes of plain text");
    } else if (strncmp(spec->name.data, "sop:", 4) == 0) {
        complain(spec, "/name", "names that begin with sop: are kept for the system");
    }
}

static void description_read(server_request *r, store_spec *spec)
{
    sop_status status = server_member_text(&r->json, "description", &r->arena, &spec->description);
    if (status == SOP_NOT_FOUND) return;
    spec->has_description = 1;
    if (status != SOP_OK || spec->description.size > 4000) {
        complain(spec, "/description", "the description must be text of at most 4000 bytes");
    }
}

static int is_part_type(const sop_json_value *type)
{
    static const char *const types[] = {"int", "uint", "double", "string", "bytes", "bool", "uuid"};
    for (size_t i = 0; type->type == SOP_JSON_STRING && i < 7; i++) {
        if (sop_json_string_equal(type->raw, sop_str(types[i]))) return 1;
    }
    return 0;
}

static void parts_read(server_request *r, const sop_json_value *parts, store_spec *spec)
{
    sop_json_iter iter;
    sop_slice label;
    sop_json_value part;
    sop_json_value member;
    size_t at = 0;
    sop_json_iter_init(&iter, parts);
    if (parts->type != SOP_JSON_ARRAY) complain(spec, "/key/parts", "parts must be an array");
    while (parts->type == SOP_JSON_ARRAY && sop_json_next(&iter, &label, &part) == SOP_OK) {
        char path[40];
        int size = snprintf(path, sizeof path, "/key/parts/%zu", at++);
        const char *kept = sop_arena_copy(&r->arena, path, (size_t)size + 1);
        if (kept == NULL) kept = "/key/parts";
        if (server_member(&part, "name", &member) != SOP_OK || member.type != SOP_JSON_STRING ||
            member.raw.size < 3) {
            complain(spec, kept, "every part of the key needs a name");
        }
        if (server_member(&part, "type", &member) != SOP_OK || !is_part_type(&member)) {
            complain(spec, kept,
                     "the type of a part is int, uint, double, string, bytes, bool or uuid");
        }
    }
}

static void key_read(server_request *r, store_spec *spec)
{
    sop_slice form;
    sop_json_value member;
    if (server_member(&r->json, "key", &spec->key) != SOP_OK) return;
    spec->has_key = 1;
    if (spec->key.type != SOP_JSON_OBJECT) {
        complain(spec, "/key", "the key must be described by an object");
        return;
    }
    sop_status status = server_member_text(&spec->key, "form", &r->arena, &form);
    if (status != SOP_NOT_FOUND && (status != SOP_OK || server_form_read(form) < 0)) {
        complain(spec, "/key/form", "the form is auto, text, tuple or bytes");
    }
    if (server_member(&spec->key, "name", &member) == SOP_OK && member.type != SOP_JSON_STRING) {
        complain(spec, "/key/name", "the name of the key must be text");
    }
    if (server_member(&spec->key, "parts", &member) == SOP_OK) parts_read(r, &member, spec);
}

/* The key of a document store, as far as it can be checked without making one. */
static void document_check(store_spec *spec)
{
    sop_json_value key;
    sop_error err = {0};
    if (spec->options.allow_duplicates) {
        complain(spec, "/allow_duplicates", "a document store has no duplicates");
    }
    if (server_member(&spec->document, "key", &key) == SOP_OK &&
        sop_key_spec_check(key.raw, NULL, &err) != SOP_OK) {
        (void)snprintf(spec->message, sizeof spec->message, "%s", err.message);
        complain(spec, "/document/key", spec->message);
    }
}

static void options_read(server_request *r, store_spec *spec)
{
    sop_json_value value;
    uint64_t number;
    spec->options = (sop_store_options)SOP_STORE_OPTIONS_INIT;
    if (server_member(&r->json, "allow_duplicates", &value) == SOP_OK) {
        spec->options.allow_duplicates = value.type == SOP_JSON_TRUE;
        if (value.type != SOP_JSON_TRUE && value.type != SOP_JSON_FALSE) {
            complain(spec, "/allow_duplicates", "this is true or false");
        }
    }
    if (server_member(&r->json, "inline_value_max", &value) == SOP_OK) {
        if (server_uint_read(value.raw, &number) != 0 || number > SOP_INLINE_VALUE_MAX_LIMIT) {
            complain(spec, "/inline_value_max", "this is a number up to 16384");
        } else {
            spec->options.inline_value_max = (uint32_t)number;
        }
    }
    if (server_member(&r->json, "kind", &value) == SOP_OK) {
        int document =
            value.type == SOP_JSON_STRING && sop_json_string_equal(value.raw, sop_str("document"));
        if (document) {
            spec->options.kind = SOP_STORE_DOCUMENTS;
        } else if (value.type != SOP_JSON_STRING ||
                   !sop_json_string_equal(value.raw, sop_str("raw"))) {
            complain(spec, "/kind", "the kind is raw or document");
        }
    }
    if (server_member(&r->json, "document", &spec->document) != SOP_OK) {
        spec->document = (sop_json_value){SOP_JSON_OBJECT, {"{}", 2}};
    }
    if (spec->options.kind == SOP_STORE_DOCUMENTS) document_check(spec);
}

/* 0, or the status of the answer. */
static int spec_answer(server_request *r, const store_spec *spec)
{
    sop_json_writer *out = &r->out;
    if (spec->problem_count == 0) return 0;
    sop_json_object_begin(out);
    sop_json_key(out, sop_str("error"));
    sop_json_object_begin(out);
    sop_json_key(out, sop_str("code"));
    sop_json_string(out, sop_str("bad_request"));
    sop_json_key(out, sop_str("message"));
    sop_json_string(out, sop_str(spec->problems[0].message));
    sop_json_object_end(out);
    sop_json_key(out, sop_str("problems"));
    sop_json_array_begin(out);
    for (size_t i = 0; i < spec->problem_count; i++) {
        sop_json_object_begin(out);
        sop_json_key(out, sop_str("path"));
        sop_json_string(out, sop_str(spec->problems[i].path));
        sop_json_key(out, sop_str("message"));
        sop_json_string(out, sop_str(spec->problems[i].message));
        sop_json_object_end(out);
    }
    sop_json_array_end(out);
    sop_json_object_end(out);
    return 422;
}

static sop_status exists_check(server_request *r, store_spec *spec)
{
    sop_txn *txn;
    sop_store *store;
    if (spec->problem_count != 0) return SOP_OK;
    sop_status status = sop_txn_begin(r->db, SOP_TXN_READ, &txn, &r->err);
    if (status != SOP_OK) return status;
    status = sop_store_open(txn, spec->name.data, &store);
    sop_txn_close(txn);
    if (status == SOP_OK) complain(spec, "/name", "a store of this name is there already");
    return status == SOP_NOT_FOUND ? SOP_OK : status;
}

static int spec_read(server_request *r, store_spec *spec)
{
    if (r->json.type != SOP_JSON_OBJECT) return server_bad(r, "", "an object is wanted");
    name_read(r, spec, 1);
    description_read(r, spec);
    key_read(r, spec);
    options_read(r, spec);
    sop_status status = exists_check(r, spec);
    if (status != SOP_OK) return server_fail(r, status, &r->err);
    return spec_answer(r, spec);
}

int server_store_validate(server_request *r)
{
    store_spec spec = {0};
    int refused = spec_read(r, &spec);
    return refused == 0 ? 204 : refused;
}

/* Attributes with the description and the key of the definition in place of those before. */
static void attributes_write(sop_json_writer *out, sop_slice before, const store_spec *spec)
{
    sop_json_value old = {SOP_JSON_NULL, {0}};
    sop_json_iter iter;
    sop_slice label;
    sop_json_value member;
    if (before.size == 0 || sop_json_check(before, NULL, NULL, NULL) != SOP_OK ||
        sop_json_read(before, &old) != SOP_OK) {
        old.type = SOP_JSON_NULL;
    }
    sop_json_object_begin(out);
    sop_json_iter_init(&iter, &old);
    while (old.type == SOP_JSON_OBJECT && sop_json_next(&iter, &label, &member) == SOP_OK) {
        uint8_t name[512];
        sop_slice plain;
        if (sop_json_string_decode(label, 0, name, sizeof name, &plain) != SOP_OK ||
            (spec->has_description && server_equal(plain, "description")) ||
            (spec->has_key && server_equal(plain, "key"))) {
            continue;
        }
        sop_json_key(out, plain);
        sop_json_raw(out, member.raw);
    }
    if (spec->has_description && spec->description.size != 0) {
        sop_json_key(out, sop_str("description"));
        sop_json_string(out, spec->description);
    }
    if (spec->has_key) {
        sop_json_key(out, sop_str("key"));
        sop_json_raw(out, spec->key.raw);
    }
    sop_json_object_end(out);
}

/* ---- writing ---- */

typedef struct {
    server_request *r;
    store_spec *spec;
    const char *name;
} store_change;

static sop_status create_body(sop_txn *txn, void *context)
{
    store_change *change = context;
    sop_store *store;
    sop_store_options *options = &change->spec->options;
    if (options->kind == SOP_STORE_DOCUMENTS) {
        return server_documents_create(txn, change->name, options, &change->spec->document);
    }
    return sop_store_create(txn, change->name, options, &store);
}

int server_store_create(server_request *r)
{
    store_spec spec = {0};
    sop_json_writer attributes;
    int refused = spec_read(r, &spec);
    if (refused != 0) return refused;
    sop_json_writer_init(&attributes, 0);
    attributes_write(&attributes, (sop_slice){0}, &spec);
    sop_status status = sop_json_writer_end(&attributes, &spec.options.attributes);
    store_change change = {r, &spec, spec.name.data};
    if (status == SOP_OK) status = sop_txn_run(r->db, NULL, create_body, &change, &r->err);
    sop_json_writer_deinit(&attributes);
    return status == SOP_OK ? store_answer(r, spec.name, 201) : server_fail(r, status, &r->err);
}

static sop_status change_body(sop_txn *txn, void *context)
{
    store_change *change = context;
    store_spec *spec = change->spec;
    sop_store *store;
    sop_store_info info = SOP_STORE_INFO_INIT;
    sop_status status = SOP_OK;
    if (spec->has_description || spec->has_key) {
        sop_json_writer attributes;
        sop_slice text;
        sop_json_writer_init(&attributes, 0);
        status = sop_store_open(txn, change->name, &store);
        /* The count is of no interest here: reading it must not make a conflict. */
        sop_txn_track(txn, 0);
        if (status == SOP_OK) status = sop_store_info_get(store, &info);
        sop_txn_track(txn, 1);
        if (status == SOP_OK) attributes_write(&attributes, info.attributes, spec);
        if (status == SOP_OK) status = sop_json_writer_end(&attributes, &text);
        if (status == SOP_OK) status = sop_store_attributes_set(store, text);
        sop_json_writer_deinit(&attributes);
    }
    int renames = spec->name.size != 0 && !server_equal(spec->name, change->name);
    if (status == SOP_OK && renames) status = sop_store_rename(txn, change->name, spec->name.data);
    return status;
}

static int system_check(server_request *r)
{
    if (r->names[2].size >= 4 && memcmp(r->names[2].data, "sop:", 4) == 0) {
        return server_error(r, 403, "forbidden", "this store belongs to the system");
    }
    if (!is_store_name(r->names[2])) return server_fail(r, SOP_NOT_FOUND, NULL);
    return 0;
}

int server_store_change(server_request *r)
{
    store_spec spec = {0};
    int refused = system_check(r);
    if (refused != 0) return refused;
    if (r->json.type != SOP_JSON_OBJECT) return server_bad(r, "", "an object is wanted");
    name_read(r, &spec, 0);
    description_read(r, &spec);
    key_read(r, &spec);
    refused = spec_answer(r, &spec);
    if (refused != 0) return refused;
    store_change change = {r, &spec, r->names[2].data};
    sop_status status = sop_txn_run(r->db, NULL, change_body, &change, &r->err);
    if (status != SOP_OK) return server_fail(r, status, &r->err);
    return store_answer(r, spec.name.size == 0 ? r->names[2] : spec.name, 200);
}

static sop_status drop_body(sop_txn *txn, void *context)
{
    const store_change *change = context;
    return sop_store_drop(txn, change->name);
}

int server_store_drop(server_request *r)
{
    sop_slice confirm;
    int refused = system_check(r);
    if (refused != 0) return refused;
    if (server_member_text(&r->json, "confirm", &r->arena, &confirm) != SOP_OK ||
        !sop_slice_equal(confirm, r->names[2])) {
        return server_bad(r, "/confirm", "confirm must be the name of the store");
    }
    store_change change = {r, NULL, r->names[2].data};
    sop_status status = sop_txn_run(r->db, NULL, drop_body, &change, &r->err);
    return status == SOP_OK ? 204 : server_fail(r, status, &r->err);
}
