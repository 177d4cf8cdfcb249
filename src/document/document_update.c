/* SPDX-License-Identifier: MIT */
/*
 * Changing many documents: preview, one transaction, or chunks.
 *
 * A change in chunks is a job: a row of the store sop:updates, with what is to be done, how far it has come, and totals. Every chunk
 * is one transaction that changes its documents and the row, so after a crash the job goes on exactly where it was.
 */
#include <stdio.h>

#include "document/document_rewrite.h"
#include "util/bytes.h"
#include "util/error.h"
#include "util/memory.h"
#include "util/world.h"

enum {
    AT_ONCE_DEFAULT = 100000,
    CHUNK_DEFAULT = 10000,
    SAMPLES_DEFAULT = 10,
    TRACKED_ATTEMPTS = 3
};
static const char JOBS[] = "sop:updates";

typedef struct {
    const sop_document__rewrites *rewrites;
    const char *store;
    sop_slice note;
    uint64_t at_once;
    uint64_t chunk;
    sop_progress_fn progress;
    void *context;
    unsigned attempts;
    int too_many; /* for one transaction */
    int done;     /* a job has come to its end */
    uint64_t total;
    uint8_t id[8];
    uint64_t seq;
    sop_txn_token token;
    sop_update_report report;
    sop_update_report begun; /* as it was before the transaction at hand */
} update;

/* ---- one document ---- */

/* Changes or removes one document that fits. */
static sop_status
document_change(sop_documents *documents, update *u, sop_slice key, sop_slice document)
{
    sop_slice text;
    sop_error *err = sop_documents__error(documents);
    sop_status status = SOP_OK;
    u->report.matched++;
    if (u->rewrites->remove) {
        status = sop_documents__remove(documents, key, document);
        if (status == SOP_OK) u->report.changed++;
        return status;
    }
    status = sop_document__rewrites_apply(u->rewrites, document, documents->drafts,
                                          &documents->scratch, &text, err);
    if (status == SOP_OK && text.data == document.data) return SOP_OK;
    if (status == SOP_OK) status = sop_documents__rewrite(documents, key, text, document);
    if (status == SOP_OK) u->report.changed++;
    if (status == SOP_INVALID || status == SOP_EXISTS) {
        sop_error why = *err;
        char shown[SOP_KEY_TEXT_MAX];
        return sop_fail(err, status, "document %s: %.150s",
                        sop_documents__key_text(documents, key, shown), why.message);
    }
    return status;
}

/* ---- preview ---- */

typedef struct {
    uint64_t matched;
    uint64_t changed;
    uint64_t refused;
    sop_error refusal;
    uint64_t samples;
} preview;

static sop_status sample_write(sop_documents *documents,
                               sop_slice key,
                               sop_slice before,
                               sop_slice after,
                               sop_json_writer *writer)
{
    sop_slice json;
    sop_status status = sop_documents_key_format(documents, key, &json);
    if (status != SOP_OK) return status;
    sop_json_object_begin(writer);
    sop_json_key(writer, sop_str("key"));
    sop_json_raw(writer, json);
    sop_json_key(writer, sop_str("before"));
    sop_json_raw(writer, before);
    if (after.data != NULL) {
        sop_json_key(writer, sop_str("after"));
        sop_json_raw(writer, after);
    }
    sop_json_object_end(writer);
    return SOP_OK;
}

static sop_status preview_one(sop_documents *documents,
                              const sop_document__rewrites *rewrites,
                              const sop_found *found,
                              uint64_t sample_max,
                              preview *p,
                              sop_json_writer *samples)
{
    sop_slice text = {0};
    sop_error *err = sop_documents__error(documents);
    p->matched++;
    sop_status status = SOP_OK;
    if (!rewrites->remove) {
        status = sop_document__rewrites_apply(rewrites, found->document, documents->drafts,
                                              &documents->scratch, &text, err);
        if (status == SOP_OK && text.data == found->document.data) return SOP_OK;
        if (status == SOP_OK) status = sop_documents__check(documents, text);
    }
    if (status == SOP_INVALID) {
        if (p->refused++ == 0) p->refusal = *err;
        return SOP_OK;
    }
    if (status != SOP_OK) return status;
    p->changed++;
    if (p->samples == sample_max) return SOP_OK;
    p->samples++;
    return sample_write(documents, found->key, found->document, text, samples);
}

static void
preview_write(const preview *p, uint64_t at_once, sop_slice samples, sop_json_writer *writer)
{
    sop_json_object_begin(writer);
    sop_json_key(writer, sop_str("matched"));
    sop_json_uint(writer, p->matched);
    sop_json_key(writer, sop_str("changed"));
    sop_json_uint(writer, p->changed);
    sop_json_key(writer, sop_str("refused"));
    sop_json_uint(writer, p->refused);
    if (p->refused != 0) {
        sop_json_key(writer, sop_str("refusal"));
        sop_json_string(writer, sop_str(p->refusal.message));
    }
    sop_json_key(writer, sop_str("transactions"));
    sop_json_uint(writer, p->matched <= at_once ? 1 : 0);
    sop_json_key(writer, sop_str("samples"));
    sop_json_raw(writer, samples);
    sop_json_object_end(writer);
}

static sop_status
options_read(const sop_update_options *options, sop_update_options *out, sop_error *err)
{
    *out = (sop_update_options)SOP_UPDATE_OPTIONS_INIT;
    if (options == NULL || options->struct_size == 0) {
        return sop_fail(err, SOP_INVALID, "update options: NULL, or struct_size is 0");
    }
    memcpy(out, options, options->struct_size < sizeof *out ? options->struct_size : sizeof *out);
    if (out->at_once == 0) out->at_once = AT_ONCE_DEFAULT;
    if (out->chunk == 0) out->chunk = CHUNK_DEFAULT;
    if (out->note.size > SOP_NOTE_SIZE_MAX) {
        return sop_fail(err, SOP_TOO_LARGE, "note: %zu bytes, at most %d", out->note.size,
                        SOP_NOTE_SIZE_MAX);
    }
    return SOP_OK;
}

static sop_status preview_run(sop_documents *documents,
                              const sop_document__rewrites *rewrites,
                              uint64_t sample_max,
                              preview *p,
                              sop_json_writer *samples)
{
    sop_find_options how = SOP_FIND_OPTIONS_INIT;
    sop_found found = SOP_FOUND_INIT;
    sop_find *find;
    how.filter = rewrites->filter;
    sop_status status = sop_find_open(documents, &how, &find);
    if (status != SOP_OK) return status;
    while (status == SOP_OK && (status = sop_find_next(find, &found)) == SOP_OK) {
        status = preview_one(documents, rewrites, &found, sample_max, p, samples);
    }
    sop_find_close(find);
    return status == SOP_NOT_FOUND ? SOP_OK : status;
}

sop_status sop_update_preview(sop_documents *documents,
                              const sop_update_options *options,
                              uint64_t sample_max,
                              sop_text *json_out)
{
    if (documents == NULL || json_out == NULL) return SOP_INVALID;
    *json_out = (sop_text)SOP_TEXT_INIT;
    sop_error *err = sop_db_txn_error(documents->txn);
    sop_update_options o;
    sop_document__rewrites rewrites = {.count = 0};
    preview p = {.matched = 0};
    sop_json_writer samples;
    sop_json_writer writer;
    sop_slice text;
    sop_json_writer_init(&samples, 0);
    sop_json_writer_init(&writer, 0);
    sop_json_array_begin(&samples);
    sop_status status = options_read(options, &o, err);
    if (status == SOP_OK) status = sop_documents__enter(documents);
    if (status == SOP_OK) status = sop_document__rewrites_read(&o, &rewrites, err);
    if (status == SOP_OK) {
        status = preview_run(documents, &rewrites, sample_max == 0 ? SAMPLES_DEFAULT : sample_max,
                             &p, &samples);
    }
    sop_json_array_end(&samples);
    if (status == SOP_OK) status = sop_json_writer_end(&samples, &text);
    if (status == SOP_OK) {
        preview_write(&p, o.at_once, text, &writer);
        status = sop_document__text_out(&writer, json_out, "preview", err);
    }
    sop_json_writer_deinit(&samples);
    sop_json_writer_deinit(&writer);
    sop_document__rewrites_free(&rewrites);
    return status;
}

/* ---- one transaction ---- */

typedef struct {
    sop_slice *list;
    size_t count;
    size_t capacity;
    sop_arena arena;
} keys;

static sop_status key_add(keys *k, sop_slice key)
{
    if (k->count == k->capacity) {
        size_t capacity = k->capacity * 2 + 64;
        sop_slice *grown = sop_realloc(k->list, capacity * sizeof *grown);
        if (grown == NULL) return SOP_NO_MEMORY;
        k->list = grown;
        k->capacity = capacity;
    }
    sop_slice copy = sop_document__join(&k->arena, key, (sop_slice){0});
    if (copy.data == NULL) return SOP_NO_MEMORY;
    k->list[k->count++] = copy;
    return SOP_OK;
}

static sop_status matches_find(sop_documents *documents, update *u, keys *k)
{
    sop_find_options how = SOP_FIND_OPTIONS_INIT;
    sop_found found = SOP_FOUND_INIT;
    sop_find *find;
    how.filter = u->rewrites->filter;
    sop_status status = sop_find_open(documents, &how, &find);
    if (status != SOP_OK) return status;
    while (status == SOP_OK && (status = sop_find_next(find, &found)) == SOP_OK) {
        u->too_many = k->count == u->at_once;
        if (u->too_many) break;
        status = key_add(k, found.key);
        if (found.examined % 4096 == 0 && u->progress != NULL && status == SOP_OK) {
            status = u->progress(found.examined, u->total, u->context);
        }
    }
    u->report.examined = found.examined;
    sop_find_close(find);
    return status == SOP_NOT_FOUND ? SOP_OK : status;
}

static sop_status matches_change(sop_documents *documents, update *u, const keys *k)
{
    sop_store *reader;
    sop_status status = sop_documents__reader(documents, &reader);
    for (size_t i = 0; i < k->count && status == SOP_OK; i++) {
        sop_slice document;
        int fits = 1;
        status = sop_store_get(reader, k->list[i], &document);
        if (status == SOP_OK && u->attempts > TRACKED_ATTEMPTS) {
            status = sop_filter_match(u->rewrites->filter->root, document, &documents->scratch,
                                      &fits, sop_documents__error(documents));
        }
        if (status == SOP_OK && fits) status = document_change(documents, u, k->list[i], document);
        if (status == SOP_NOT_FOUND) status = SOP_OK;
    }
    return status;
}

static sop_status note_set(sop_txn *txn, const update *u)
{
    return u->note.size == 0 ? SOP_OK : sop_txn_note(txn, u->note);
}

static sop_status once_body(sop_txn *txn, void *context)
{
    update *u = context;
    sop_documents *documents;
    keys k = {.count = 0};
    u->report = u->begun;
    u->attempts++;
    sop_status status = sop_documents_open(txn, u->store, &documents);
    if (status == SOP_OK) status = sop_store_count(documents->store, &u->total);
    if (status == SOP_OK) {
        /* Who meets conflict after conflict takes what fits in its snapshot; each document is still read and validated. */
        if (u->attempts > TRACKED_ATTEMPTS) sop_txn_track(txn, 0);
        status = matches_find(documents, u, &k);
        sop_txn_track(txn, 1);
    }
    if (status == SOP_OK && !u->too_many) status = matches_change(documents, u, &k);
    if (status == SOP_OK) status = note_set(txn, u);
    if (status == SOP_NO_MEMORY) {
        (void)sop_fail(sop_db_txn_error(txn), status, "update: out of memory");
    }
    u->token = sop_txn_id(txn);
    sop_free(k.list);
    sop_arena_deinit(&k.arena);
    return status;
}

/* ---- jobs ---- */

static sop_status jobs_open(sop_txn *txn, int create, sop_store **out)
{
    sop_status status = sop_store_open(txn, JOBS, out);
    if (status != SOP_NOT_FOUND || !create) return status;
    sop_store_options options = SOP_STORE_OPTIONS_INIT;
    options.system = 1;
    return sop_store_create(txn, JOBS, &options, out);
}

static void job_name(const uint8_t id[8], char out[17])
{
    (void)snprintf(out, 17, "%016llx", (unsigned long long)sop_get_u64be(id));
}

static sop_status job_id(const char *job, uint8_t id[8], sop_error *err)
{
    uint64_t number = 0;
    size_t size = job == NULL ? 0 : strlen(job);
    for (size_t i = 0; i < size && size == 16; i++) {
        static const char digits[] = "0123456789abcdef";
        const char *digit = strchr(digits, job[i]);
        if (digit == NULL) size = 0;
        if (digit != NULL) number = number << 4 | (uint64_t)(digit - digits);
    }
    sop_put_u64be(id, number);
    if (size == 16) return SOP_OK;
    return sop_fail(err, SOP_NOT_FOUND, "there is no job \"%.40s\"", job == NULL ? "" : job);
}

/* A row: store id 8, examined 8, matched 8, changed 8, transactions 8, chunk 8, position size 2, note size 2, then position, note, and
   the rewrites as JSON. */
enum { ROW_HEADER = 52 };

typedef struct {
    uint64_t store;
    uint64_t counts[4]; /* examined, matched, changed, transactions */
    uint64_t chunk;
    sop_slice position;
    sop_slice note;
    sop_slice rewrites;
} job_row;

static sop_status row_decode(sop_slice bytes, job_row *row, sop_error *err)
{
    const uint8_t *p = bytes.data;
    if (bytes.size < ROW_HEADER) {
        return sop_fail(err, SOP_CORRUPT, "update: a job of %zu bytes", bytes.size);
    }
    row->store = sop_get_u64le(p);
    for (size_t i = 0; i < 4; i++) {
        row->counts[i] = sop_get_u64le(p + 8 + 8 * i);
    }
    row->chunk = sop_get_u64le(p + 40);
    size_t position = sop_get_u16le(p + 48);
    size_t note = sop_get_u16le(p + 50);
    if (position > SOP_KEY_SIZE_MAX || position + note > bytes.size - ROW_HEADER) {
        return sop_fail(err, SOP_CORRUPT, "update: a job whose sizes do not add up");
    }
    row->position = sop_slice_of(p + ROW_HEADER, position);
    row->note = sop_slice_of(p + ROW_HEADER + position, note);
    row->rewrites =
        sop_slice_of(p + ROW_HEADER + position + note, bytes.size - ROW_HEADER - position - note);
    return SOP_OK;
}

static sop_status row_put(sop_store *jobs, const uint8_t id[8], const job_row *row, sop_error *err)
{
    size_t size = ROW_HEADER + row->position.size + row->note.size + row->rewrites.size;
    uint8_t *bytes = sop_alloc(size);
    if (bytes == NULL) return sop_fail(err, SOP_NO_MEMORY, "update: out of memory");
    sop_put_u64le(bytes, row->store);
    for (size_t i = 0; i < 4; i++) {
        sop_put_u64le(bytes + 8 + 8 * i, row->counts[i]);
    }
    sop_put_u64le(bytes + 40, row->chunk);
    sop_put_u16le(bytes + 48, (uint16_t)row->position.size);
    sop_put_u16le(bytes + 50, (uint16_t)row->note.size);
    uint8_t *p = bytes + ROW_HEADER;
    const sop_slice parts[] = {row->position, row->note, row->rewrites};
    for (size_t i = 0; i < 3; i++) {
        if (parts[i].size != 0) memcpy(p, parts[i].data, parts[i].size);
        p += parts[i].size;
    }
    sop_status status = sop_store_put(jobs, sop_slice_of(id, 8), sop_slice_of(bytes, size));
    sop_free(bytes);
    return status;
}

static sop_status job_create_body(sop_txn *txn, void *context)
{
    update *u = context;
    sop_documents *documents;
    sop_store *jobs;
    sop_json_writer writer;
    sop_json_writer_init(&writer, 0);
    job_row row = {.chunk = u->chunk, .note = u->note};
    sop_document__rewrites_write(u->rewrites, &writer);
    sop_status status = sop_json_writer_end(&writer, &row.rewrites);
    if (status == SOP_OK) status = sop_documents_open(txn, u->store, &documents);
    if (status == SOP_OK) status = jobs_open(txn, 1, &jobs);
    if (status == SOP_OK) {
        row.store = sop_store_id(documents->store);
        status = row_put(jobs, u->id, &row, sop_db_txn_error(txn));
    }
    sop_json_writer_deinit(&writer);
    return status;
}

/* ---- one chunk ---- */

/* The documents behind the position: looked at, changed where they fit. position: the last one. */
static sop_status
chunk_change(sop_documents *documents, update *u, uint8_t *position, size_t *position_size)
{
    sop_store *reader;
    sop_cursor *cursor;
    sop_status status = sop_documents__reader(documents, &reader);
    if (status == SOP_OK) status = sop_cursor_open(reader, &cursor);
    if (status != SOP_OK) return status;
    status = *position_size == 0
                 ? sop_cursor_first(cursor)
                 : sop_cursor_seek(cursor, sop_slice_of(position, *position_size), SOP_SEEK_GT);
    for (uint64_t i = 0; i < u->chunk && status == SOP_OK; i++) {
        sop_slice key;
        sop_slice document;
        int fits;
        status = sop_cursor_item(cursor, &key, &document);
        if (status != SOP_OK) break;
        memcpy(position, key.data, key.size);
        *position_size = key.size;
        u->report.examined++;
        status = sop_filter_match(u->rewrites->filter->root, document, &documents->scratch, &fits,
                                  sop_documents__error(documents));
        if (status == SOP_OK && fits) {
            status =
                document_change(documents, u, sop_slice_of(position, *position_size), document);
        }
        if (status == SOP_OK) status = sop_cursor_next(cursor);
    }
    u->done = status == SOP_NOT_FOUND;
    sop_cursor_close(cursor);
    return u->done ? SOP_OK : status;
}

static sop_status chunk_run(sop_txn *txn, update *u, sop_store *jobs, const job_row *row)
{
    sop_documents *documents;
    uint8_t position[SOP_KEY_SIZE_MAX];
    size_t size = row->position.size;
    if (size != 0) memcpy(position, row->position.data, size);
    u->note = row->note;
    u->chunk = row->chunk;
    sop_status status = sop_documents_open_id(txn, row->store, &documents);
    if (status == SOP_OK) status = sop_store_count(documents->store, &u->total);
    if (status == SOP_OK) status = chunk_change(documents, u, position, &size);
    if (status == SOP_OK) status = note_set(txn, u);
    if (status != SOP_OK) return status;
    u->report.transactions++;
    if (u->done) return sop_store_remove(jobs, sop_slice_of(u->id, 8));
    job_row next = *row;
    next.position = sop_slice_of(position, size);
    const uint64_t counts[4] = {u->report.examined, u->report.matched, u->report.changed,
                                u->report.transactions};
    memcpy(next.counts, counts, sizeof counts);
    return row_put(jobs, u->id, &next, sop_db_txn_error(txn));
}

static sop_status chunk_body(sop_txn *txn, void *context)
{
    update *u = context;
    sop_store *jobs;
    sop_slice stored;
    job_row row;
    sop_error *err = sop_db_txn_error(txn);
    u->done = 0;
    sop_status status = jobs_open(txn, 0, &jobs);
    if (status == SOP_OK) status = sop_store_get(jobs, sop_slice_of(u->id, 8), &stored);
    if (status == SOP_NOT_FOUND) return sop_fail(err, status, "there is no job %s", u->report.job);
    if (status != SOP_OK) return status;
    /* Own bytes: the row is written at the end. */
    uint8_t *copy = sop_alloc(stored.size + 1);
    if (copy == NULL) return sop_fail(err, SOP_NO_MEMORY, "update: out of memory");
    memcpy(copy, stored.data, stored.size);
    status = row_decode(sop_slice_of(copy, stored.size), &row, err);
    sop_document__rewrites rewrites = {.count = 0};
    if (status == SOP_OK) status = sop_document__rewrites_parse(row.rewrites, &rewrites, err);
    if (status == SOP_OK) {
        u->rewrites = &rewrites;
        u->report.examined = row.counts[0];
        u->report.matched = row.counts[1];
        u->report.changed = row.counts[2];
        u->report.transactions = row.counts[3];
        status = chunk_run(txn, u, jobs, &row);
    }
    u->token = sop_txn_id(txn);
    u->rewrites = NULL;
    u->note = (sop_slice){0};
    sop_document__rewrites_free(&rewrites);
    sop_free(copy);
    return status;
}

static void seq_find(sop_db *db, update *u)
{
    sop_outcome outcome;
    uint64_t seq = 0;
    if (sop_db_outcome(db, u->token, &outcome, &seq, NULL) == SOP_OK) u->report.seq = seq;
}

static sop_status job_run(sop_db *db, update *u, sop_error *err)
{
    sop_status status = SOP_OK;
    uint64_t interrupts = sop_db_interrupts(db);
    job_name(u->id, u->report.job);
    while (status == SOP_OK && !u->done) {
        u->begun = u->report;
        status = sop_txn_run(db, NULL, chunk_body, u, err);
        if (status != SOP_OK) {
            u->report = u->begun;
            return status;
        }
        if (u->progress != NULL) {
            status = u->progress(u->report.examined, u->total, u->context);
        }
        if (status == SOP_OK && !u->done && sop_db_interrupts(db) != interrupts) {
            status =
                sop_fail(err, SOP_CANCELLED, "update: interrupted, job %s goes on", u->report.job);
        }
    }
    seq_find(db, u);
    return status;
}

static void report_out(sop_update_report *out, const sop_update_report *report)
{
    size_t room = out->struct_size;
    memcpy(out, report, room < sizeof *report ? room : sizeof *report);
    out->struct_size = room;
}

sop_status sop_update_run(sop_db *db,
                          const char *store,
                          const sop_update_options *options,
                          sop_update_report *out,
                          sop_error *err)
{
    if (db == NULL || store == NULL || out == NULL || out->struct_size == 0) {
        return sop_fail(err, SOP_INVALID, "update: a NULL argument, or struct_size is 0");
    }
    sop_update_options o;
    sop_document__rewrites rewrites = {.count = 0};
    update u = {.store = store, .begun = SOP_UPDATE_REPORT_INIT, .report = SOP_UPDATE_REPORT_INIT};
    sop_status status = options_read(options, &o, err);
    if (status == SOP_OK) status = sop_document__rewrites_read(&o, &rewrites, err);
    u.rewrites = &rewrites;
    u.note = o.note;
    u.at_once = o.at_once;
    u.chunk = o.chunk;
    u.progress = o.progress;
    u.context = o.context;
    if (status == SOP_OK) status = sop_txn_run(db, NULL, once_body, &u, err);
    if (status != SOP_OK || u.too_many) u.report = u.begun;
    if (status == SOP_OK && u.too_many) {
        sop_random_bytes(u.id, sizeof u.id);
        status = sop_txn_run(db, NULL, job_create_body, &u, err);
        if (status == SOP_OK) status = job_run(db, &u, err);
    } else if (status == SOP_OK) {
        u.report.transactions = 1;
        seq_find(db, &u);
    }
    sop_document__rewrites_free(&rewrites);
    report_out(out, &u.report);
    return status;
}

sop_status sop_update_resume(sop_db *db,
                             const char *job,
                             const sop_work_options *options,
                             sop_update_report *out,
                             sop_error *err)
{
    if (db == NULL || out == NULL || out->struct_size == 0) {
        return sop_fail(err, SOP_INVALID, "update: a NULL argument, or struct_size is 0");
    }
    update u = {.report = SOP_UPDATE_REPORT_INIT};
    if (options != NULL) {
        u.progress = options->progress;
        u.context = options->context;
    }
    sop_status status = job_id(job, u.id, err);
    if (status == SOP_OK) status = job_run(db, &u, err);
    report_out(out, &u.report);
    return status;
}

/* ---- looking at jobs ---- */

static sop_status job_write(sop_txn *txn, sop_slice key, sop_slice value, sop_json_writer *writer)
{
    job_row row;
    sop_store *store;
    sop_store_info info = SOP_STORE_INFO_INIT;
    sop_document__rewrites rewrites;
    sop_error *err = sop_db_txn_error(txn);
    char name[17];
    if (key.size != 8) return sop_fail(err, SOP_CORRUPT, "update: a job without id");
    sop_status status = row_decode(value, &row, err);
    if (status != SOP_OK) return status;
    status = sop_document__rewrites_parse(row.rewrites, &rewrites, err);
    if (status == SOP_OK) {
        static const char *const names[] = {"examined", "matched", "changed", "transactions"};
        job_name(key.data, name);
        sop_json_object_begin(writer);
        sop_json_key(writer, sop_str("job"));
        sop_json_string(writer, sop_str(name));
        sop_json_key(writer, sop_str("store"));
        int there = sop_store_open_id(txn, row.store, &store) == SOP_OK &&
                    sop_store_info_get(store, &info) == SOP_OK;
        sop_json_string(writer, there ? sop_str(info.name) : sop_str(""));
        sop_json_key(writer, sop_str("where"));
        sop_json_string(writer, rewrites.where);
        sop_json_key(writer, sop_str("remove"));
        sop_json_bool(writer, rewrites.remove);
        for (size_t i = 0; i < 4; i++) {
            sop_json_key(writer, sop_str(names[i]));
            sop_json_uint(writer, row.counts[i]);
        }
        sop_json_object_end(writer);
    }
    sop_document__rewrites_free(&rewrites);
    return status;
}

sop_status sop_update_jobs(sop_db *db, sop_text *json_out, sop_error *err)
{
    if (db == NULL || json_out == NULL) return sop_fail(err, SOP_INVALID, "jobs: a NULL argument");
    *json_out = (sop_text)SOP_TEXT_INIT;
    sop_txn *txn;
    sop_store *jobs;
    sop_cursor *cursor;
    sop_slice key;
    sop_slice value;
    sop_json_writer writer;
    sop_status status = sop_txn_begin(db, SOP_TXN_READ, &txn, err);
    if (status != SOP_OK) return status;
    sop_json_writer_init(&writer, 0);
    sop_json_array_begin(&writer);
    status = jobs_open(txn, 0, &jobs);
    if (status == SOP_OK) status = sop_cursor_open(jobs, &cursor);
    while (status == SOP_OK && (status = sop_cursor_next(cursor)) == SOP_OK) {
        status = sop_cursor_item(cursor, &key, &value);
        if (status == SOP_OK) status = job_write(txn, key, value, &writer);
    }
    sop_json_array_end(&writer);
    if (status == SOP_NOT_FOUND) status = SOP_OK;
    if (status != SOP_OK && err != NULL) *err = *sop_txn_error(txn);
    if (status == SOP_OK) status = sop_document__text_out(&writer, json_out, "jobs", err);
    sop_json_writer_deinit(&writer);
    sop_txn_close(txn);
    return status;
}

static sop_status cancel_body(sop_txn *txn, void *context)
{
    const uint8_t *id = context;
    sop_store *jobs;
    sop_status status = jobs_open(txn, 0, &jobs);
    if (status == SOP_OK) status = sop_store_remove(jobs, sop_slice_of(id, 8));
    if (status != SOP_NOT_FOUND) return status;
    char name[17];
    job_name(id, name);
    return sop_fail(sop_db_txn_error(txn), status, "there is no job %s", name);
}

sop_status sop_update_cancel(sop_db *db, const char *job, sop_error *err)
{
    if (db == NULL) return sop_fail(err, SOP_INVALID, "cancel: the database is NULL");
    uint8_t id[8];
    sop_status status = job_id(job, id, err);
    return status == SOP_OK ? sop_txn_run(db, NULL, cancel_body, id, err) : status;
}
