/* SPDX-License-Identifier: MIT */
/* Import: records of NDJSON, JSON, CSV or TSV become one commit, with its history like any other. */
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "server/server_commit.h"
#include "server/server_job.h"
#include "util/bytes.h"
#include "util/decimal.h"
#include "util/error.h"
#include "util/memory.h"

enum { COLUMNS_MAX = 500, STEP = 1000 };

typedef struct {
    server_job *job;
    server_commit *commit;
    size_t capacity; /* of the operations */
    size_t count;
    uint64_t record; /* number of the record at hand, from 1 */
} import;

static sop_status bad(const import *im, sop_error *err, const char *what)
{
    return sop_fail(err, SOP_INVALID, "record %llu: %s", (unsigned long long)im->record, what);
}

/* ---- operations ---- */

static sop_status op_add(import *im, sop_slice key, sop_slice value, sop_error *err)
{
    if (key.size == 0 || key.size > SOP_KEY_SIZE_MAX) {
        return bad(im, err, "the key must have 1 to 4096 bytes");
    }
    if (im->count == im->capacity) {
        size_t capacity = im->capacity == 0 ? 256 : 2 * im->capacity;
        server_op *ops = sop_realloc(im->commit->ops, capacity * sizeof *ops);
        if (ops == NULL) return sop_fail(err, SOP_NO_MEMORY, "import: out of memory");
        im->commit->ops = ops;
        im->capacity = capacity;
    }
    im->commit->ops[im->count++] =
        (server_op){.kind = OP_PUT, .store = im->job->store, .key = key, .v = value};
    return im->count % STEP == 0 ? server_job_step(im->job, im->count, 0) : SOP_OK;
}

/* ---- JSON ---- */

/* A key given as a plain JSON value: text as it is, a number as its text. */
static sop_status plain_key(import *im, const sop_json_value *value, sop_slice *key, sop_error *err)
{
    if (value->type == SOP_JSON_NUMBER) {
        *key = value->raw;
        return SOP_OK;
    }
    sop_status status = server_key_read(value, &im->job->request.arena, key, err);
    return status == SOP_INVALID ? bad(im, err, "the key must be text, a number or tagged")
                                 : status;
}

/* {"k":KEY,"v":VALUE} as export writes it, or any object with the key in a member of its own. */
static sop_status record_add(import *im, const sop_json_value *record, sop_error *err)
{
    sop_json_value member;
    sop_json_value wire;
    sop_slice key;
    sop_slice value;
    const char *field = im->job->key_field.data;
    int paired = im->job->key_field.size == 0;
    im->record++;
    if (server_member(record, paired ? "k" : field, &member) != SOP_OK) {
        return bad(im, err,
                   paired ? "it has no member k, and no other was named for the key"
                          : "the member that holds the key is missing");
    }
    if (paired && server_member(record, "v", &wire) != SOP_OK) return bad(im, err, "it has no v");
    sop_status status = plain_key(im, &member, &key, err);
    if (status != SOP_OK) return status;
    value = record->raw;
    if (paired) status = server_value_read(&wire, &im->job->request.arena, &value, err);
    return status == SOP_OK ? op_add(im, key, value, err) : status;
}

static sop_status json_import(import *im, sop_error *err)
{
    sop_json_value list;
    sop_json_value record;
    sop_json_iter iter;
    sop_slice name;
    sop_json_position where;
    if (sop_json_check(im->job->data, NULL, &where, NULL) != SOP_OK ||
        sop_json_read(im->job->data, &list) != SOP_OK) {
        return sop_fail(err, SOP_INVALID, "line %zu: not JSON: %s", where.line, where.reason);
    }
    if (list.type != SOP_JSON_ARRAY) return sop_fail(err, SOP_INVALID, "the JSON is no array");
    sop_status status = SOP_OK;
    sop_json_iter_init(&iter, &list);
    while (status == SOP_OK && sop_json_next(&iter, &name, &record) == SOP_OK) {
        status = record_add(im, &record, err);
    }
    return status;
}

static sop_status ndjson_import(import *im, sop_error *err)
{
    const char *at = im->job->data.data;
    const char *end = at + im->job->data.size;
    sop_status status = SOP_OK;
    while (status == SOP_OK && at < end) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        sop_slice line = sop_slice_of(at, (size_t)((stop == NULL ? end : stop) - at));
        sop_json_value record;
        at = stop == NULL ? end : stop + 1;
        if (strspn(line.data, " \t\r\n") >= line.size) continue;
        if (sop_json_check(line, NULL, NULL, NULL) != SOP_OK ||
            sop_json_read(line, &record) != SOP_OK) {
            im->record++;
            return bad(im, err, "not JSON");
        }
        status = record_add(im, &record, err);
    }
    return status;
}

/* ---- tables ---- */

typedef struct {
    const char *at;
    const char *end;
    char separator;
} table;

/* The next cell, decoded in place or copied. *more: another one follows in this row. */
static sop_status cell_next(import *im, table *t, sop_slice *cell, int *more)
{
    const char *start = t->at;
    if (t->at < t->end && *t->at == '"') {
        char *copy = sop_arena_alloc(&im->job->request.arena, (size_t)(t->end - t->at));
        size_t size = 0;
        if (copy == NULL) return SOP_NO_MEMORY;
        t->at++;
        while (t->at < t->end && (*t->at != '"' || (t->at + 1 < t->end && t->at[1] == '"'))) {
            if (*t->at == '"') t->at++;
            copy[size++] = *t->at++;
        }
        if (t->at == t->end) return SOP_INVALID;
        t->at++;
        *cell = sop_slice_of(copy, size);
    } else {
        while (t->at < t->end && *t->at != t->separator && *t->at != '\n' && *t->at != '\r') {
            t->at++;
        }
        *cell = sop_slice_of(start, (size_t)(t->at - start));
    }
    *more = t->at < t->end && *t->at == t->separator;
    if (*more) {
        t->at++;
    } else if (t->at < t->end && *t->at != '\n' && *t->at != '\r') {
        return SOP_INVALID;
    }
    return SOP_OK;
}

static sop_status row_next(import *im, table *t, sop_slice cells[COLUMNS_MAX], size_t *count)
{
    int more = 1;
    *count = 0;
    while (t->at < t->end && (*t->at == '\n' || *t->at == '\r')) {
        t->at++;
    }
    if (t->at == t->end) return SOP_NOT_FOUND;
    while (more) {
        if (*count == COLUMNS_MAX) return SOP_TOO_LARGE;
        sop_status status = cell_next(im, t, &cells[(*count)++], &more);
        if (status != SOP_OK) return status;
    }
    return SOP_OK;
}

/* A cell as JSON: numbers and truth values as such unless all is to stay text. */
static void cell_json(const import *im, sop_json_writer *out, sop_slice cell)
{
    sop_decimal number;
    const char *text = cell.data;
    int structured = cell.size > 1 && (text[0] == '{' || text[0] == '[');
    int typed = sop_decimal_parse(cell, &number) == 0 || server_equal(cell, "true") ||
                server_equal(cell, "false") || server_equal(cell, "null") ||
                (structured && sop_json_check(cell, NULL, NULL, NULL) == SOP_OK);
    if (typed && !im->job->text) {
        sop_json_raw(out, cell);
    } else {
        sop_json_string(out, cell);
    }
}

static sop_status row_add(import *im,
                          const sop_slice *names,
                          const sop_slice *cells,
                          size_t count,
                          size_t key_at,
                          sop_error *err)
{
    sop_json_writer out;
    sop_slice made;
    sop_json_writer_init(&out, 0);
    sop_json_object_begin(&out);
    for (size_t i = 0; i < count; i++) {
        /* The key column of an export stands apart; one that was named is a field as well. */
        if ((i == key_at && im->job->key_field.size == 0) || cells[i].size == 0) continue;
        sop_json_key(&out, names[i]);
        cell_json(im, &out, cells[i]);
    }
    sop_json_object_end(&out);
    sop_status status = sop_json_writer_end(&out, &made);
    if (status == SOP_INVALID) status = bad(im, err, "it is not UTF-8");
    if (status == SOP_OK) {
        made.data = sop_arena_copy(&im->job->request.arena, made.data, made.size);
        status = made.data == NULL ? SOP_NO_MEMORY : op_add(im, cells[key_at], made, err);
    }
    sop_json_writer_deinit(&out);
    return status;
}

static sop_status table_import(import *im, sop_error *err)
{
    enum { BYTES = COLUMNS_MAX * sizeof(sop_slice) };
    sop_slice *names = sop_arena_alloc(&im->job->request.arena, BYTES);
    sop_slice *cells = sop_arena_alloc(&im->job->request.arena, BYTES);
    size_t columns;
    size_t count;
    size_t key_at = 0;
    table t = {im->job->data.data, NULL, im->job->format == FORMAT_CSV ? ',' : '\t'};
    t.end = t.at + im->job->data.size;
    if (names == NULL || cells == NULL) return SOP_NO_MEMORY;
    if (im->job->data.size >= 3 && memcmp(t.at, "\xef\xbb\xbf", 3) == 0) t.at += 3;
    sop_status status = row_next(im, &t, names, &columns);
    if (status != SOP_OK) return sop_fail(err, SOP_INVALID, "there is no line of names");
    sop_slice wanted = im->job->key_field.size == 0 ? sop_str("key") : im->job->key_field;
    while (key_at < columns && !sop_slice_equal(names[key_at], wanted)) {
        key_at++;
    }
    if (key_at == columns) {
        return sop_fail(err, SOP_INVALID, "there is no column \"%.100s\" for the key",
                        (const char *)wanted.data);
    }
    while (status == SOP_OK) {
        status = row_next(im, &t, cells, &count);
        if (status == SOP_NOT_FOUND) return SOP_OK;
        im->record++;
        if (status == SOP_INVALID) {
            return bad(im, err, "a quote is never closed, or text follows it");
        }
        if (status == SOP_OK && count != columns) {
            return bad(im, err, "it has another number of cells than the line of names");
        }
        if (status == SOP_OK) status = row_add(im, names, cells, count, key_at, err);
    }
    return status;
}

/* ---- the commit ---- */

static sop_status records_read(import *im, sop_error *err)
{
    switch (im->job->format) {
    case FORMAT_JSON:
        return json_import(im, err);
    case FORMAT_CSV:
    case FORMAT_TSV:
        return table_import(im, err);
    case FORMAT_NDJSON:
    default:
        return ndjson_import(im, err);
    }
}

/* The message of an answer that is an error. */
static sop_status answer_error(server_job *job, sop_error *err)
{
    sop_slice text;
    sop_slice message;
    sop_json_value answer;
    sop_json_value error;
    if (sop_json_writer_end(&job->request.out, &text) == SOP_OK &&
        sop_json_read(text, &answer) == SOP_OK &&
        server_member(&answer, "error", &error) == SOP_OK &&
        server_member_text(&error, "message", &job->request.arena, &message) == SOP_OK) {
        return sop_fail(err, SOP_INVALID, "%s", (const char *)message.data);
    }
    return sop_fail(err, SOP_INVALID, "the commit was refused");
}

static sop_status commit_all(import *im, sop_error *err)
{
    server_job *job = im->job;
    server_commit *c = im->commit;
    char message[200];
    char id[sizeof job->commit] = "";
    uint8_t random[12];
    randombytes_buf(random, sizeof random);
    server_base64_write(sop_slice_of(random, sizeof random), id);
    (void)snprintf(message, sizeof message, "Import of %zu records", im->count);
    c->id = sop_str(id);
    c->message = sop_str(message);
    c->op_count = im->count;
    c->stores[0].name = job->store;
    c->store_count = 1;
    c->dry_run = job->dry_run;
    sop_status status = server_job_step(job, im->count, im->count);
    if (status != SOP_OK) return status;
    int answer = server_commit_run(c);
    if (answer != 200) return answer_error(job, err);
    sop_mutex_lock(&job->server->lock);
    job->matched = im->count;
    job->changed = job->dry_run ? 0 : im->count;
    if (!job->dry_run) memcpy(job->commit, id, sizeof id);
    sop_mutex_unlock(&job->server->lock);
    return SOP_OK;
}

sop_status server_import_run(server_job *job, sop_error *err)
{
import im = {.job = job };
    im.commit = server_commit_new(&job->request);
    if (im.commit == NULL) return sop_fail(err, SOP_NO_MEMORY, "import: out of memory");
    sop_status status = records_read(&im, err);
    if (status == SOP_OK && im.count == 0) {
        status = sop_fail(err, SOP_INVALID, "there are no records");
    }
    if (status == SOP_OK) status = commit_all(&im, err);
    server_commit_free(im.commit);
    return status;
}
