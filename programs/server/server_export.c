/* SPDX-License-Identifier: MIT */
/* Export: a whole store as NDJSON, JSON, CSV or TSV, of one snapshot, into a file without a name. */
#define _DEFAULT_SOURCE /* mkstemp */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/server_job.h"
#include "util/bytes.h"
#include "util/error.h"
#include "util/memory.h"

enum { BATCH = 256, FLUSH_BYTES = 1 << 20, COLUMNS_MAX = 500, SAMPLE = 1000 };

typedef struct {
    server_job *job;
    server_store_traits traits;
    sop_json_writer out;            /* waits to be written */
    sop_json_writer cell;           /* one key or value */
    sop_slice columns[COLUMNS_MAX]; /* raw names, with quotes; the arena holds them */
    size_t column_count;
    uint64_t written; /* items */
} export;

static sop_status flush(export *e, size_t least, sop_error *err)
{
    if (e->out.status != SOP_OK) return e->out.status;
    if (e->out.size < least) return SOP_OK;
    size_t at = 0;
    while (at < e->out.size) {
        ssize_t put = write(e->job->file, e->out.data + at, e->out.size - at);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return sop_fail_errno(err, errno, 1, "writing the export");
        at += (size_t)put;
    }
    e->job->file_size += at;
    sop_json_writer_reset(&e->out);
    return SOP_OK;
}

static void text(export *e, const char *s)
{
    sop_json_append(&e->out, sop_str(s));
}

/* ---- JSON ---- */

static void json_item(export *e, sop_slice key, sop_slice value)
{
    sop_slice made;
    if (e->job->format == FORMAT_JSON) text(e, e->written == 0 ? "[\n" : ",\n");
    sop_json_writer_reset(&e->cell);
    sop_json_object_begin(&e->cell);
    sop_json_key(&e->cell, sop_str("k"));
    server_key_write(&e->cell, e->traits.form, key);
    sop_json_key(&e->cell, sop_str("v"));
    if (server_value_kind(value) <= SERVER_IS_JSON &&
        memchr(value.data, '\n', value.size) != NULL) {
        /* A line of NDJSON holds no line end: such a value keeps its bytes as text. */
        sop_json_object_begin(&e->cell);
        sop_json_key(&e->cell, sop_str("$t"));
        sop_json_string(&e->cell, sop_str("text"));
        sop_json_key(&e->cell, sop_str("v"));
        sop_json_string(&e->cell, value);
        sop_json_object_end(&e->cell);
    } else {
        server_value_write(&e->cell, value, UINT64_MAX);
    }
    sop_json_object_end(&e->cell);
    if (sop_json_writer_end(&e->cell, &made) == SOP_OK) {
        sop_json_append(&e->out, made);
    } else {
        e->out.status = SOP_NO_MEMORY;
    }
    if (e->job->format == FORMAT_NDJSON) text(e, "\n");
}

/* ---- tables ---- */

static void cell_write(export *e, sop_slice plain)
{
    char separator = e->job->format == FORMAT_CSV ? ',' : '\t';
    const char *at = plain.data;
    int quoted = 0;
    for (size_t i = 0; i < plain.size && !quoted; i++) {
        quoted = at[i] == separator || at[i] == '"' || at[i] == '\n' || at[i] == '\r';
    }
    if (!quoted) {
        sop_json_append(&e->out, plain);
        return;
    }
    text(e, "\"");
    for (size_t i = 0; i < plain.size; i++) {
        if (at[i] == '"') text(e, "\"");
        sop_json_append(&e->out, sop_slice_of(at + i, 1));
    }
    text(e, "\"");
}

/* A string without its quotes, anything else as its JSON. */
static void json_cell(export *e, const sop_json_value *value)
{
    sop_slice plain;
    if (value->type != SOP_JSON_STRING) {
        cell_write(e, value->raw);
        return;
    }
    char *copy = sop_alloc(value->raw.size);
    if (copy != NULL &&
        sop_json_string_decode(value->raw, 0, copy, value->raw.size, &plain) == SOP_OK) {
        cell_write(e, plain);
    }
    sop_free(copy);
}

static void separator(export *e)
{
    text(e, e->job->format == FORMAT_CSV ? "," : "\t");
}

static void key_cell(export *e, sop_slice key)
{
    sop_slice made;
    sop_json_value value;
    sop_json_writer_reset(&e->cell);
    server_key_write(&e->cell, e->traits.form, key);
    if (sop_json_writer_end(&e->cell, &made) == SOP_OK && sop_json_read(made, &value) == SOP_OK) {
        json_cell(e, &value);
    }
}

static void value_cell(export *e, sop_slice value)
{
    sop_slice made;
    if (server_value_kind(value) == SERVER_IS_TEXT) {
        cell_write(e, value);
        return;
    }
    sop_json_writer_reset(&e->cell);
    server_value_write(&e->cell, value, UINT64_MAX);
    if (sop_json_writer_end(&e->cell, &made) == SOP_OK) cell_write(e, made);
}

static void table_item(export *e, sop_slice key, sop_slice value)
{
    sop_json_value object;
    int fields = server_value_kind(value) == SERVER_IS_OBJECT && e->column_count > 0 &&
                 sop_json_read(value, &object) == SOP_OK;
    key_cell(e, key);
    for (size_t i = 0; fields && i < e->column_count; i++) {
        sop_json_iter iter;
        sop_slice name;
        sop_json_value member;
        separator(e);
        sop_json_iter_init(&iter, &object);
        while (sop_json_next(&iter, &name, &member) == SOP_OK) {
            if (!sop_slice_equal(name, e->columns[i])) continue;
            json_cell(e, &member);
            break;
        }
    }
    if (!fields) {
        separator(e);
        value_cell(e, value);
    }
    text(e, "\n");
}

/* The names of fields among the first items, in the order met. */
static sop_status columns_find(export *e, sop_store *store)
{
    sop_cursor *cursor;
    sop_status status = sop_cursor_open(store, &cursor);
    for (int i = 0; i < SAMPLE && status == SOP_OK; i++) {
        sop_slice value = {0};
        sop_slice name;
        sop_json_value object;
        sop_json_value member;
        sop_json_iter iter;
        status = sop_cursor_next(cursor);
        if (status == SOP_OK) status = sop_cursor_value(cursor, &value);
        if (status != SOP_OK || server_value_kind(value) != SERVER_IS_OBJECT) continue;
        if (sop_json_read(value, &object) != SOP_OK) continue;
        sop_json_iter_init(&iter, &object);
        while (sop_json_next(&iter, &name, &member) == SOP_OK && e->column_count < COLUMNS_MAX) {
            size_t at = 0;
            while (at < e->column_count && !sop_slice_equal(e->columns[at], name)) {
                at++;
            }
            if (at < e->column_count) continue;
            const void *copy = sop_arena_copy(&e->job->request.arena, name.data, name.size);
            if (copy == NULL) return SOP_NO_MEMORY;
            e->columns[e->column_count++] = sop_slice_of(copy, name.size);
        }
    }
    return status == SOP_NOT_FOUND || status == SOP_TOO_LARGE ? SOP_OK : status;
}

static void header_write(export *e)
{
    text(e, "key");
    for (size_t i = 0; i < e->column_count; i++) {
        sop_json_value name = {SOP_JSON_STRING, e->columns[i]};
        separator(e);
        json_cell(e, &name);
    }
    if (e->column_count == 0) {
        separator(e);
        text(e, "value");
    }
    text(e, "\n");
}

/* ---- the scan ---- */

static sop_status items_write(export *e, sop_store *store, uint64_t total, sop_error *err)
{
    sop_cursor *cursor;
    sop_item items[BATCH];
    int table = e->job->format >= FORMAT_CSV;
    sop_status status = sop_cursor_open(store, &cursor);
    while (status == SOP_OK) {
        size_t got;
        status = sop_cursor_read(cursor, 1, items, BATCH, &got);
        for (size_t i = 0; i < got && status == SOP_OK; i++) {
            if (table) {
                table_item(e, items[i].key, items[i].value);
            } else {
                json_item(e, items[i].key, items[i].value);
            }
            e->written++;
        }
        if (status == SOP_OK) status = flush(e, FLUSH_BYTES, err);
        if (status == SOP_OK) status = server_job_step(e->job, e->written, total);
    }
    if (status != SOP_NOT_FOUND) return status;
    if (e->job->format == FORMAT_JSON) text(e, e->written == 0 ? "[]\n" : "\n]\n");
    return flush(e, 0, err);
}

static sop_status export_store(export *e, sop_txn *txn, sop_error *err)
{
    sop_store *store;
    sop_store_info info = SOP_STORE_INFO_INIT;
    sop_status status = sop_store_open(txn, e->job->store.data, &store);
    if (status == SOP_NOT_FOUND) {
        return sop_fail(err, SOP_NOT_FOUND, "there is no store \"%.100s\"",
                        (const char *)e->job->store.data);
    }
    if (status == SOP_OK) status = sop_store_info_get(store, &info);
    uint64_t total = info.count;
    if (status == SOP_OK) server_store_traits_read(&info, &e->traits);
    if (status == SOP_OK && e->job->format >= FORMAT_CSV) {
        status = columns_find(e, store);
        if (status == SOP_OK) header_write(e);
    }
    return status == SOP_OK ? items_write(e, store, total, err) : status;
}

/* A file that goes when it is closed. */
static int file_open(void)
{
    const char *folder = getenv("TMPDIR"); /* NOLINT(concurrency-mt-unsafe): nobody sets it here */
    char path[4096];
    int size =
        snprintf(path, sizeof path, "%s/sop-export-XXXXXX", folder == NULL ? "/tmp" : folder);
    if (size < 0 || (size_t)size >= sizeof path) return -1;
    int file = mkstemp(path);
    if (file >= 0) (void)unlink(path);
    return file;
}

sop_status server_export_run(server_job *job, sop_error *err)
{
    sop_txn *txn;
    job->file = file_open();
    if (job->file < 0) return sop_fail_errno(err, errno, 1, "making a file for the export");
    export *e = sop_alloc_zeroed(sizeof *e);
    if (e == NULL) return sop_fail(err, SOP_NO_MEMORY, "export: out of memory");
    e->job = job;
    sop_json_writer_init(&e->out, 0);
    sop_json_writer_init(&e->cell, 0);
    sop_status status = sop_txn_begin(job->db, SOP_TXN_READ, &txn, err);
    if (status == SOP_OK) {
        status = export_store(e, txn, err);
        if (status != SOP_OK && err->message[0] == '\0') *err = *sop_txn_error(txn);
        sop_txn_close(txn);
    }
    sop_json_writer_deinit(&e->out);
    sop_json_writer_deinit(&e->cell);
    sop_free(e);
    return status;
}
