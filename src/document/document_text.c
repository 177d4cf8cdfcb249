/* SPDX-License-Identifier: MIT */
/* Documents, keys and filters as texts, without a store. */
#include "document/document_store.h"
#include "util/bytes.h"
#include "util/error.h"
#include "util/memory.h"

void sop_text_free(sop_text *text)
{
    if (text == NULL) return;
    sop_free(text->data);
    *text = (sop_text)SOP_TEXT_INIT;
}

static sop_status bytes_out(sop_slice bytes, sop_text *text_out, const char *what, sop_error *err)
{
    text_out->data = sop_alloc(bytes.size + 1);
    if (text_out->data == NULL) return sop_fail(err, SOP_NO_MEMORY, "%s: out of memory", what);
    if (bytes.size != 0) memcpy(text_out->data, bytes.data, bytes.size);
    text_out->data[bytes.size] = '\0';
    text_out->size = bytes.size;
    return SOP_OK;
}

sop_status sop_document__text_out(const sop_json_writer *writer,
                                  sop_text *text_out,
                                  const char *what,
                                  sop_error *err)
{
    sop_slice text;
    sop_status status = sop_json_writer_end(writer, &text);
    if (status != SOP_OK) return sop_fail(err, status, "%s: %s", what, sop_status_text(status));
    return bytes_out(text, text_out, what, err);
}

/* ---- JSON ---- */

static sop_status check(const char *what, sop_slice text, sop_error *err)
{
    sop_json_position where;
    sop_status status = sop_json_check(text, NULL, &where, NULL);
    if (status == SOP_OK) return SOP_OK;
    return sop_fail(err, status, "%s, line %zu, column %zu (byte %zu): %s", what, where.line,
                    where.column, where.offset, where.reason);
}

sop_status sop_json_text_check(sop_slice text, sop_error *err)
{
    return check("document", text, err);
}

static sop_status edit_fail(sop_error *err, size_t number, sop_status status, const char *why)
{
    if (status != SOP_NO_MEMORY && status != SOP_TOO_LARGE) status = SOP_INVALID;
    return sop_fail(err, status, "edit %zu: %s", number, why);
}

static sop_status edit_apply(
    sop_slice text, const sop_edit *edit, size_t number, sop_json_writer *writer, sop_error *err)
{
    sop_arena arena = {0};
    sop_json_path path;
    sop_error own = {0};
    const char *why = NULL;
    sop_status status = SOP_OK;
    if (edit->path.size != 0) {
        status = sop_document__path_parse(edit->path, &arena, &path, &why);
    } else {
        path = (sop_json_path){.count = 0};
    }
    if (status != SOP_OK) {
        sop_arena_deinit(&arena);
        return edit_fail(err, number, status, why == NULL ? "out of memory" : why);
    }
    if (edit->value.size != 0) {
        status = check("value", edit->value, &own);
        if (status == SOP_OK) {
            status = sop_json_set(text, &path, edit->value, SOP_JSON_CREATE_PARENTS, writer, &own);
        }
    } else {
        status = sop_json_unset(text, &path, writer, &own);
        if (status == SOP_NOT_FOUND) {
            sop_json_writer_reset(writer);
            sop_json_append(writer, text);
            status = SOP_OK;
        }
    }
    sop_arena_deinit(&arena);
    if (status == SOP_OK) return SOP_OK;
    return edit_fail(err, number, status,
                     own.message[0] == '\0' ? sop_status_text(status) : own.message);
}

sop_status sop_document__edits_apply(sop_slice document,
                                     const sop_edit *edits,
                                     size_t count,
                                     sop_json_writer drafts[2],
                                     sop_slice *text_out,
                                     sop_error *err)
{
    *text_out = document;
    for (size_t i = 0; i < count; i++) {
        sop_json_writer *writer = &drafts[i % 2];
        sop_json_writer_reset(writer);
        sop_status status = edit_apply(*text_out, &edits[i], i + 1, writer, err);
        if (status == SOP_OK) status = sop_json_writer_end(writer, text_out);
        if (status != SOP_OK) return status;
    }
    return SOP_OK;
}

sop_status sop_json_text_edit(
    sop_slice document, const sop_edit *edits, size_t count, sop_text *text_out, sop_error *err)
{
    if (text_out == NULL || (edits == NULL && count != 0)) {
        return sop_fail(err, SOP_INVALID, "edit: a NULL argument");
    }
    *text_out = (sop_text)SOP_TEXT_INIT;
    sop_json_writer drafts[2];
    sop_slice text;
    sop_json_writer_init(&drafts[0], 0);
    sop_json_writer_init(&drafts[1], 0);
    sop_status status = check("document", document, err);
    if (status == SOP_OK) {
        status = sop_document__edits_apply(document, edits, count, drafts, &text, err);
    }
    if (status == SOP_OK) status = bytes_out(text, text_out, "edit", err);
    sop_json_writer_deinit(&drafts[0]);
    sop_json_writer_deinit(&drafts[1]);
    return status;
}

sop_status
sop_json_text_merge(sop_slice document, sop_slice patch, sop_text *text_out, sop_error *err)
{
    if (text_out == NULL) return sop_fail(err, SOP_INVALID, "merge: a NULL argument");
    *text_out = (sop_text)SOP_TEXT_INIT;
    sop_json_writer writer;
    sop_json_writer_init(&writer, 0);
    sop_status status = check("document", document, err);
    if (status == SOP_OK) status = check("patch", patch, err);
    if (status == SOP_OK) status = sop_json_merge(document, patch, &writer, err);
    if (status == SOP_OK) status = sop_document__text_out(&writer, text_out, "merge", err);
    sop_json_writer_deinit(&writer);
    return status;
}

sop_status
sop_json_text_pick(sop_slice document, sop_slice path, sop_slice *value_out, sop_error *err)
{
    if (value_out == NULL) return sop_fail(err, SOP_INVALID, "pick: a NULL argument");
    *value_out = (sop_slice){0};
    sop_arena arena = {0};
    sop_json_path steps = {.count = 0};
    sop_json_value value;
    const char *why = NULL;
    sop_status status =
        path.size == 0 ? SOP_OK : sop_document__path_parse(path, &arena, &steps, &why);
    if (status != SOP_OK) {
        status = sop_fail(err, status, "path: %s", why == NULL ? "out of memory" : why);
    } else if (sop_document__path_has_each(&steps)) {
        status = sop_fail(err, SOP_INVALID, "path: [*] leads to several values");
    } else {
        status = sop_json_pick(document, &steps, &value);
        if (status == SOP_OK) *value_out = value.raw;
        if (status == SOP_CORRUPT) status = sop_fail(err, status, "document: not JSON");
    }
    sop_arena_deinit(&arena);
    return status;
}

/* ---- filters ---- */

sop_status sop_filter_parse(sop_slice text, sop_filter **filter_out, sop_error *err)
{
    if (filter_out == NULL) return sop_fail(err, SOP_INVALID, "filter: a NULL argument");
    const uint8_t *at = text.data;
    size_t i = 0;
    while (i < text.size && (at[i] == ' ' || at[i] == '\n' || at[i] == '\t' || at[i] == '\r')) {
        i++;
    }
    if (i == text.size) text = sop_str("true");
    return i < text.size && at != NULL && at[i] == '[' ? sop_filter_new_json(text, filter_out, err)
                                                       : sop_filter_new(text, filter_out, err);
}

sop_status
sop_filter_format(const sop_filter *filter, int as_json, sop_text *text_out, sop_error *err)
{
    if (filter == NULL || text_out == NULL) {
        return sop_fail(err, SOP_INVALID, "filter: a NULL argument");
    }
    *text_out = (sop_text)SOP_TEXT_INIT;
    sop_json_writer writer;
    sop_json_writer_init(&writer, 0);
    if (as_json) {
        sop_filter_write_json(filter->root, &writer);
    } else {
        sop_filter_write(filter->root, &writer);
    }
    sop_status status = sop_document__text_out(&writer, text_out, "filter", err);
    sop_json_writer_deinit(&writer);
    return status;
}

sop_status
sop_filter_test(const sop_filter *filter, sop_slice document, int *match_out, sop_error *err)
{
    if (filter == NULL || match_out == NULL) {
        return sop_fail(err, SOP_INVALID, "filter: a NULL argument");
    }
    sop_document_scratch scratch = {.capacity = 0};
    sop_status status = sop_filter_match(filter->root, document, &scratch, match_out, err);
    sop_document_scratch_deinit(&scratch);
    return status;
}

/* ---- keys ---- */

sop_status sop_key_spec_check(sop_slice spec, sop_text *json_out, sop_error *err)
{
    sop_document_key_spec *parsed;
    if (json_out != NULL) *json_out = (sop_text)SOP_TEXT_INIT;
    sop_status status = sop_document_key_spec_new(spec, 0, &parsed, err);
    if (status != SOP_OK) return status;
    if (json_out != NULL) {
        sop_json_writer writer;
        sop_json_writer_init(&writer, 0);
        sop_document_key_spec_write(parsed, &writer);
        status = sop_document__text_out(&writer, json_out, "key specification", err);
        sop_json_writer_deinit(&writer);
    }
    sop_document_key_spec_free(parsed);
    return status;
}

sop_status sop_key_spec_encode(sop_slice spec, sop_slice json, sop_text *key_out, sop_error *err)
{
    if (key_out == NULL) return sop_fail(err, SOP_INVALID, "key: a NULL argument");
    *key_out = (sop_text)SOP_TEXT_INIT;
    sop_document_key_spec *parsed;
    sop_document_scratch scratch = {.capacity = 0};
    sop_slice key;
    sop_status status = sop_document_key_spec_new(spec, 0, &parsed, err);
    if (status != SOP_OK) return status;
    status = sop_document_key_of_json(parsed, json, 0, &scratch, &key, err);
    if (status == SOP_OK) status = bytes_out(key, key_out, "key", err);
    sop_document_scratch_deinit(&scratch);
    sop_document_key_spec_free(parsed);
    return status;
}

sop_status sop_key_spec_decode(sop_slice spec, sop_slice key, sop_text *json_out, sop_error *err)
{
    if (json_out == NULL) return sop_fail(err, SOP_INVALID, "key: a NULL argument");
    *json_out = (sop_text)SOP_TEXT_INIT;
    sop_document_key_spec *parsed;
    sop_document_scratch scratch = {.capacity = 0};
    sop_json_writer writer;
    sop_status status = sop_document_key_spec_new(spec, 0, &parsed, err);
    if (status != SOP_OK) return status;
    sop_json_writer_init(&writer, 0);
    status = sop_document_key_write(parsed, key, &scratch, &writer, NULL, err);
    if (status == SOP_OK) status = sop_document__text_out(&writer, json_out, "key", err);
    sop_json_writer_deinit(&writer);
    sop_document_scratch_deinit(&scratch);
    sop_document_key_spec_free(parsed);
    return status;
}
