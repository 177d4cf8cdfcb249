/* SPDX-License-Identifier: MIT */
/* Rewrites: read, kept as JSON, done. */
#include "document/document_rewrite.h"

#include "util/bytes.h"
#include "util/error.h"

static const char *const KINDS[] = {"set", "unset", "replace"};

/* ---- reading ---- */

static sop_slice copied(sop_document__rewrites *r, sop_slice bytes)
{
    return sop_document__join(&r->arena, bytes, (sop_slice){0});
}

static sop_status check_one(const sop_rewrite *one, const sop_json_path *path, const char **why)
{
    sop_json_position where;
    int each = sop_document__path_has_each(path);
    switch (one->kind) {
    case SOP_REWRITE_SET:
        *why = "the value is not JSON";
        if (sop_json_check(one->value, NULL, &where, NULL) != SOP_OK) return SOP_INVALID;
        *why = "[*] is for replace";
        return each ? SOP_INVALID : SOP_OK;
    case SOP_REWRITE_UNSET:
        *why = "[*] is for replace";
        return each ? SOP_INVALID : SOP_OK;
    case SOP_REWRITE_REPLACE:
        *why = "nothing to look for";
        return one->find.size == 0 ? SOP_INVALID : SOP_OK;
    default:
        *why = "it is none of set, unset, replace";
        return SOP_INVALID;
    }
}

static sop_status
read_one(sop_document__rewrites *r, const sop_rewrite *given, sop_rewrite *list, sop_error *err)
{
    const char *why = NULL;
    sop_rewrite *one = &list[r->count];
    *one = (sop_rewrite){.kind = given->kind,
                         .path = copied(r, given->path),
                         .value = copied(r, given->value),
                         .find = copied(r, given->find),
                         .with = copied(r, given->with)};
    sop_status status = SOP_NO_MEMORY;
    if (one->path.data != NULL && one->value.data != NULL && one->find.data != NULL &&
        one->with.data != NULL) {
        status = sop_document__path_parse(one->path, &r->arena, &r->paths[r->count], &why);
    }
    if (status == SOP_OK) status = check_one(one, &r->paths[r->count], &why);
    r->count++;
    if (status == SOP_OK) return SOP_OK;
    return sop_fail(err, status, "rewrite %zu: %s", r->count, why == NULL ? "out of memory" : why);
}

sop_status sop_document__rewrites_read(const sop_update_options *options,
                                       sop_document__rewrites *out,
                                       sop_error *err)
{
    *out = (sop_document__rewrites){.remove = options->remove != 0};
    if ((options->rewrites == NULL && options->rewrite_count != 0) ||
        (options->rewrite_count != 0) == (options->remove != 0)) {
        return sop_fail(err, SOP_INVALID, "update: either rewrites, or remove");
    }
    size_t count = options->rewrite_count;
    sop_rewrite *list = sop_arena_alloc(&out->arena, (count + 1) * sizeof *list);
    out->paths = sop_arena_alloc(&out->arena, (count + 1) * sizeof *out->paths);
    out->where = copied(out, options->where);
    out->list = list;
    if (list == NULL || out->paths == NULL || out->where.data == NULL) {
        return sop_fail(err, SOP_NO_MEMORY, "update: out of memory");
    }
    sop_status status = sop_filter_parse(out->where, &out->filter, err);
    for (size_t i = 0; i < count && status == SOP_OK; i++) {
        status = read_one(out, &options->rewrites[i], list, err);
    }
    return status;
}

void sop_document__rewrites_free(sop_document__rewrites *rewrites)
{
    sop_filter_free(rewrites->filter);
    sop_arena_deinit(&rewrites->arena);
    *rewrites = (sop_document__rewrites){.count = 0};
}

/* ---- as JSON: {"where":"...","remove":true} or {"where":"...","rewrites":[["set","path",value],["replace","path","a","b"]]} ---- */

void sop_document__rewrites_write(const sop_document__rewrites *rewrites, sop_json_writer *writer)
{
    sop_json_object_begin(writer);
    sop_json_key(writer, sop_str("where"));
    sop_json_string(writer, rewrites->where);
    sop_json_key(writer, sop_str("remove"));
    sop_json_bool(writer, rewrites->remove);
    sop_json_key(writer, sop_str("rewrites"));
    sop_json_array_begin(writer);
    for (size_t i = 0; i < rewrites->count; i++) {
        const sop_rewrite *one = &rewrites->list[i];
        sop_json_array_begin(writer);
        sop_json_string(writer, sop_str(KINDS[one->kind]));
        sop_json_string(writer, one->path);
        if (one->kind == SOP_REWRITE_SET) sop_json_raw(writer, one->value);
        if (one->kind == SOP_REWRITE_REPLACE) {
            sop_json_string(writer, one->find);
            sop_json_string(writer, one->with);
        }
        sop_json_array_end(writer);
    }
    sop_json_array_end(writer);
    sop_json_object_end(writer);
}

static sop_status text_of(sop_json_iter *iter, sop_arena *arena, sop_slice *out)
{
    sop_slice key;
    sop_json_value value;
    sop_status status = sop_json_next(iter, &key, &value);
    if (status != SOP_OK) return SOP_CORRUPT;
    return sop_document__string_copy(value.raw, arena, out);
}

static sop_status parse_one(const sop_json_value *json, sop_arena *arena, sop_rewrite *out)
{
    sop_json_iter iter;
    sop_slice kind;
    sop_slice key;
    sop_json_value value;
    sop_json_iter_init(&iter, json);
    *out = (sop_rewrite){.kind = SOP_REWRITE_SET};
    sop_status status = text_of(&iter, arena, &kind);
    if (status == SOP_OK) status = text_of(&iter, arena, &out->path);
    if (status != SOP_OK) return status;
    while (out->kind <= SOP_REWRITE_REPLACE && !sop_slice_equal(kind, sop_str(KINDS[out->kind]))) {
        if (++out->kind > SOP_REWRITE_REPLACE) return SOP_CORRUPT;
    }
    if (out->kind == SOP_REWRITE_SET) {
        status = sop_json_next(&iter, &key, &value);
        if (status == SOP_OK) out->value = value.raw;
    }
    if (out->kind == SOP_REWRITE_REPLACE) {
        status = text_of(&iter, arena, &out->find);
        if (status == SOP_OK) status = text_of(&iter, arena, &out->with);
    }
    return status;
}

enum { PARSED_MAX = 256 };

sop_status sop_document__rewrites_parse(sop_slice json, sop_document__rewrites *out, sop_error *err)
{
    sop_json_value root;
    sop_json_value value;
    sop_json_iter iter;
    sop_slice key;
    sop_arena arena = {0};
    sop_rewrite list[PARSED_MAX] = {{0}};
    sop_update_options options = SOP_UPDATE_OPTIONS_INIT;
    *out = (sop_document__rewrites){.count = 0};
    sop_status status = sop_json_read(json, &root);
    sop_json_iter_init(&iter, &root);
    while (status == SOP_OK && sop_json_next(&iter, &key, &value) == SOP_OK) {
        if (sop_json_string_equal(key, sop_str("where"))) {
            status = sop_document__string_copy(value.raw, &arena, &options.where);
        } else if (sop_json_string_equal(key, sop_str("remove"))) {
            options.remove = value.type == SOP_JSON_TRUE;
        } else if (sop_json_string_equal(key, sop_str("rewrites"))) {
            sop_json_iter inner;
            sop_json_value one;
            sop_json_iter_init(&inner, &value);
            while (status == SOP_OK && options.rewrite_count < PARSED_MAX &&
                   sop_json_next(&inner, &key, &one) == SOP_OK) {
                status = parse_one(&one, &arena, &list[options.rewrite_count++]);
            }
        }
    }
    options.rewrites = list;
    if (status == SOP_OK) {
        status = sop_document__rewrites_read(&options, out, err);
    } else {
        status = sop_fail(err, SOP_CORRUPT, "update: a job that cannot be read");
    }
    sop_arena_deinit(&arena);
    return status;
}

/* ---- doing it ---- */

/* Strings at a path are taken apart in the order in which they lie in the document. */
typedef struct {
    const sop_rewrite *rewrite;
    sop_json_writer *writer;
    sop_document_scratch *scratch;
    sop_arena arena;
    const uint8_t *at; /* of the document, up to here it is written */
    int changed;
} replacing;

static const uint8_t *find_bytes(const uint8_t *at, const uint8_t *end, sop_slice part)
{
    while ((size_t)(end - at) >= part.size) {
        const uint8_t *found =
            memchr(at, *(const uint8_t *)part.data, (size_t)(end - at) - part.size + 1);
        if (found == NULL) return NULL;
        if (memcmp(found, part.data, part.size) == 0) return found;
        at = found + 1;
    }
    return NULL;
}

/* The new plain text, in the arena; data NULL: the old one has nothing to replace. */
static sop_status replaced(replacing *r, sop_slice plain, sop_slice *out)
{
    const sop_rewrite *rewrite = r->rewrite;
    const uint8_t *begin = plain.data;
    const uint8_t *end = begin + plain.size;
    size_t count = 0;
    *out = (sop_slice){0};
    for (const uint8_t *at = begin; (at = find_bytes(at, end, rewrite->find)) != NULL;
         at += rewrite->find.size) {
        count++;
    }
    if (count == 0) return SOP_OK;
    size_t size = plain.size - count * rewrite->find.size + count * rewrite->with.size;
    uint8_t *to = sop_arena_alloc(&r->arena, size + 1);
    if (to == NULL) return SOP_NO_MEMORY;
    *out = sop_slice_of(to, size);
    const uint8_t *at = begin;
    for (; count > 0; count--) {
        const uint8_t *found = find_bytes(at, end, rewrite->find);
        memcpy(to, at, (size_t)(found - at));
        to += found - at;
        if (rewrite->with.size != 0) memcpy(to, rewrite->with.data, rewrite->with.size);
        to += rewrite->with.size;
        at = found + rewrite->find.size;
    }
    memcpy(to, at, (size_t)(end - at));
    return SOP_OK;
}

static sop_status on_string(const sop_json_value *value, void *context)
{
    replacing *r = context;
    sop_slice plain;
    sop_slice text = {0};
    sop_json_writer string;
    if (value->type != SOP_JSON_STRING) return SOP_OK;
    sop_status status = sop_document__decoded(value->raw, r->scratch, &plain);
    if (status == SOP_OK) status = replaced(r, plain, &text);
    if (status != SOP_OK || text.data == NULL) return status;
    const uint8_t *begin = value->raw.data;
    sop_json_append(r->writer, sop_slice_of(r->at, (size_t)(begin - r->at)));
    sop_json_writer_init(&string, 0);
    sop_json_string(&string, text);
    status = sop_json_writer_end(&string, &text);
    if (status == SOP_OK) sop_json_append(r->writer, text);
    sop_json_writer_deinit(&string);
    r->at = begin + value->raw.size;
    r->changed = 1;
    return status;
}

static sop_status replace(const sop_rewrite *rewrite,
                          const sop_json_path *path,
                          sop_json_writer *writer,
                          sop_document_scratch *scratch,
                          sop_slice *text)
{
    replacing r = {.rewrite = rewrite, .writer = writer, .scratch = scratch, .at = text->data};
    const uint8_t *end = r.at + text->size;
    sop_json_writer_reset(writer);
    sop_status status = sop_json_walk(*text, path, on_string, &r);
    if (status == SOP_OK && r.changed) {
        sop_json_append(writer, sop_slice_of(r.at, (size_t)(end - r.at)));
        status = sop_json_writer_end(writer, text);
    }
    sop_arena_deinit(&r.arena);
    return status;
}

sop_status sop_document__rewrites_apply(const sop_document__rewrites *rewrites,
                                        sop_slice document,
                                        sop_json_writer drafts[2],
                                        sop_document_scratch *scratch,
                                        sop_slice *text_out,
                                        sop_error *err)
{
    *text_out = document;
    size_t draft = 0;
    for (size_t i = 0; i < rewrites->count; i++) {
        const sop_rewrite *one = &rewrites->list[i];
        sop_slice before = *text_out;
        sop_status status = SOP_OK;
        sop_json_writer *writer = &drafts[draft];
        if (one->kind == SOP_REWRITE_REPLACE) {
            status = replace(one, &rewrites->paths[i], writer, scratch, text_out);
            if (status != SOP_OK) {
                return sop_fail(err, status, "rewrite %zu: %s", i + 1, sop_status_text(status));
            }
        } else {
            sop_edit edit = {one->path, one->kind == SOP_REWRITE_SET ? one->value : (sop_slice){0}};
            sop_json_writer pair[2] = {*writer, {0}};
            status = sop_document__edits_apply(before, &edit, 1, pair, text_out, err);
            *writer = pair[0];
            if (status != SOP_OK) return status;
        }
        if (text_out->data != before.data) draft = 1 - draft;
    }
    if (sop_slice_equal(*text_out, document)) *text_out = document;
    return SOP_OK;
}
