/* SPDX-License-Identifier: MIT */
/* Databases: urls and options, open and close, and the calls that go straight to the engine. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "db/db.h"
#include "db/db_internal.h"
#include "util/bytes.h"
#include "util/error.h"
#include "util/memory.h"

/* ---- urls ---- */

typedef struct {
    int memory;
    char *path; /* folder, or name of a memory database */
} parsed_url;

typedef struct {
    const char *key;
    int is_u64; /* else int or uint32_t */
    long long least;
    size_t offset;
} option_field;

static const option_field OPTION_FIELDS[] = {
    {"read_only", 0, 0, offsetof(sop_db_options, read_only)},
    {"sync_ms", 0, 0, offsetof(sop_db_options, sync_ms)},
    {"busy_timeout_ms", 0, 0, offsetof(sop_db_options, busy_timeout_ms)},
    {"workers", 0, -1, offsetof(sop_db_options, workers)},
    {"memory_max", 1, 0, offsetof(sop_db_options, memory_max)},
    {"txn_memory_max", 1, 0, offsetof(sop_db_options, txn_memory_max)},
    {"conflict_window", 1, 0, offsetof(sop_db_options, conflict_window)},
    {"log_keep", 1, 0, offsetof(sop_db_options, log_keep)},
};

static sop_status sync_parse(const char *value, int *out, sop_error *err)
{
    static const char *const names[] = {"full", "periodic", "off"};
    for (int i = 0; i < 3; i++) {
        if (strcmp(value, names[i]) == 0) {
            *out = i;
            return SOP_OK;
        }
    }
    return sop_fail(err, SOP_INVALID, "url option sync=%.60s: must be full, periodic or off",
                    value);
}

static sop_status
number_set(sop_db_options *options, const option_field *field, const char *value, sop_error *err)
{
    char *end = NULL;
    errno = 0;
    long long number = strtoll(value, &end, 10);
    int in_range = number >= field->least && (field->is_u64 || number <= INT32_MAX);
    if (errno != 0 || end == value || *end != '\0' || !in_range) {
        return sop_fail(err, SOP_INVALID, "url option %s=%.60s: not a number in range", field->key,
                        value);
    }
    uint8_t *at = (uint8_t *)options + field->offset;
    uint64_t wide = (uint64_t)number;
    int32_t narrow = (int32_t)number;
    if (field->is_u64) {
        if (sop_get_u64le(at) == 0) memcpy(at, &wide, sizeof wide);
    } else if (sop_get_u32le(at) == 0) {
        memcpy(at, &narrow, sizeof narrow);
    }
    return SOP_OK;
}

/* Options in the struct win over the url: a field that is set stays. */
static sop_status
option_set(sop_db_options *options, const char *key, const char *value, sop_error *err)
{
    if (strcmp(key, "swarm") == 0) {
        return sop_fail(err, SOP_UNSUPPORTED, "url option swarm: this build has no swarm mode yet");
    }
    if (strcmp(key, "local") == 0) {
        if (strcmp(value, "yes") != 0) {
            return sop_fail(err, SOP_INVALID, "url option local=%.60s: must be yes", value);
        }
        options->local = 1;
        return SOP_OK;
    }
    if (strcmp(key, "sync") == 0) {
        int sync = 0;
        sop_status status = sync_parse(value, &sync, err);
        if (status == SOP_OK && options->sync == 0) options->sync = sync;
        return status;
    }
    for (size_t i = 0; i < sizeof OPTION_FIELDS / sizeof OPTION_FIELDS[0]; i++) {
        if (strcmp(key, OPTION_FIELDS[i].key) == 0) {
            return number_set(options, &OPTION_FIELDS[i], value, err);
        }
    }
    return sop_fail(err, SOP_INVALID, "url option %.80s is not known", key);
}

static sop_status query_parse(char *query, sop_db_options *options, sop_error *err)
{
    while (query != NULL && *query != '\0') {
        char *next = strchr(query, '&');
        if (next != NULL) *next++ = '\0';
        char *value = strchr(query, '=');
        if (value == NULL) {
            return sop_fail(err, SOP_INVALID, "url option %.80s has no value", query);
        }
        *value++ = '\0';
        sop_status status = option_set(options, query, value, err);
        if (status != SOP_OK) return status;
        query = next;
    }
    return SOP_OK;
}

static sop_status
url_parse(const char *url, sop_db_options *options, parsed_url *out, sop_error *err)
{
    int has_scheme = 1;
    size_t skip = 0;
    out->memory = 0;
    if (strncmp(url, "cassandra:", 10) == 0) {
        return sop_fail(err, SOP_UNSUPPORTED, "%.160s: this build has no Cassandra backend yet",
                        url);
    }
    if (strncmp(url, "memory:", 7) == 0) {
        out->memory = 1;
        skip = 7;
    } else if (strncmp(url, "file:", 5) == 0) {
        skip = 5;
    } else if (strstr(url, "://") != NULL) {
        return sop_fail(
            err, SOP_INVALID,
            "%.160s: not a path, and the schemes are file:, memory: and cassandra:", url);
    } else {
        has_scheme = 0;
    }
    out->path = sop_strdup(url + skip);
    if (out->path == NULL) return sop_fail(err, SOP_NO_MEMORY, "open: out of memory");
    if (has_scheme) {
        char *query = strchr(out->path, '?');
        if (query != NULL) *query++ = '\0';
        sop_status status = query_parse(query, options, err);
        if (status != SOP_OK) return status;
    }
    if (!out->memory && out->path[0] == '\0') {
        return sop_fail(err, SOP_INVALID, "the path of the database is empty");
    }
    return SOP_OK;
}

/* ---- open ---- */

static sop_status backend_open(
    const parsed_url *url, int how, const sop_db_options *o, sop_backend **out, sop_error *err)
{
    if (url->memory) return sop_backend_memory_open(url->path, how, out, err);
    return sop_backend_file_open(url->path, how, o->read_only, o->local, out, err);
}

static sop_status
backend_create(const parsed_url *url, const sop_db_options *o, sop_backend **out, sop_error *err)
{
    sop_backend *b;
    sop_status status = backend_open(url, SOP_BACKEND_NEW, o, &b, err);
    if (status != SOP_OK) return status;
    status = sop_engine_create(b, err);
    if (status == SOP_OK) status = b->ops->publish(b, err);
    if (status != SOP_OK) {
        b->ops->free(b);
        return status;
    }
    *out = b;
    return SOP_OK;
}

static sop_status
backend_find(const parsed_url *url, const sop_db_options *o, sop_backend **out, sop_error *err)
{
    /* A private memory database is always a new one. */
    int private_memory = url->memory && url->path[0] == '\0';
    if (o->open_mode == SOP_OPEN_NEW || private_memory) return backend_create(url, o, out, err);
    sop_status status = backend_open(url, SOP_BACKEND_EXISTING, o, out, err);
    if (status != SOP_NOT_FOUND || o->open_mode == SOP_OPEN_EXISTING || o->read_only) return status;
    status = backend_create(url, o, out, err);
    /* Somebody else created it in between. */
    if (status == SOP_EXISTS) status = backend_open(url, SOP_BACKEND_EXISTING, o, out, err);
    return status;
}

static sop_status options_read(const sop_db_options *options, sop_db_options *out, sop_error *err)
{
    *out = (sop_db_options)SOP_DB_OPTIONS_INIT;
    if (options == NULL) return SOP_OK;
    if (options->struct_size == 0) {
        return sop_fail(err, SOP_INVALID, "open: options.struct_size is 0");
    }
    memcpy(out, options, options->struct_size < sizeof *out ? options->struct_size : sizeof *out);
    out->struct_size = sizeof *out;
    if ((unsigned)out->open_mode > SOP_OPEN_NEW) {
        return sop_fail(err, SOP_INVALID, "open: open_mode is %d", out->open_mode);
    }
    if ((unsigned)out->sync > SOP_SYNC_OFF) {
        return sop_fail(err, SOP_INVALID, "open: sync is %d", out->sync);
    }
    if (out->workers < -1) return sop_fail(err, SOP_INVALID, "open: workers is %d", out->workers);
    if (out->read_only && out->open_mode == SOP_OPEN_NEW) {
        return sop_fail(err, SOP_INVALID, "open: a new database cannot be read-only");
    }
    return SOP_OK;
}

static sop_status engine_open(sop_db *db, sop_backend *b, const sop_db_options *o, sop_error *err)
{
    sop_engine_options engine = {.backend = b,
                                 .sync = o->sync,
                                 .sync_ms = o->sync_ms,
                                 .busy_timeout_ms = o->busy_timeout_ms,
                                 .memory_max = o->memory_max,
                                 .txn_memory_max = o->txn_memory_max,
                                 .conflict_window = o->conflict_window,
                                 .log_keep = o->log_keep,
                                 .workers = o->workers,
                                 .read_only = o->read_only || b->read_only,
                                 .log = o->log,
                                 .log_context = o->log_context};
    /* History of a database in memory costs memory: keep less of it. */
    if (b->volatile_medium && engine.log_keep == 0) engine.log_keep = 16u << 20;
    return sop_engine_open(&engine, &db->engine, err);
}

/* The handle over a backend; on failure the backend is still the caller's. */
static sop_status handle_new(
    sop_backend *b, const char *url, const sop_db_options *o, sop_db **db_out, sop_error *err)
{
    sop_db *db = sop_alloc_zeroed(sizeof *db);
    if (db != NULL) db->url = sop_strdup(url);
    sop_status status = db == NULL || db->url == NULL
                            ? sop_fail(err, SOP_NO_MEMORY, "open: out of memory")
                            : engine_open(db, b, o, err);
    if (status != SOP_OK) {
        if (db != NULL) sop_free(db->url);
        sop_free(db);
        db = NULL;
    } else {
        sop_db_documents.opened(db);
    }
    *db_out = db;
    return status;
}

sop_status sop_db_open_on(sop_backend *backend,
                          int create,
                          const sop_db_options *options,
                          sop_db **db_out,
                          sop_error *err)
{
    sop_db_options full;
    *db_out = NULL;
    sop_status status = options_read(options, &full, err);
    if (status == SOP_OK && create) status = sop_engine_create(backend, err);
    if (status == SOP_OK && create) status = backend->ops->publish(backend, err);
    if (status == SOP_OK) status = handle_new(backend, backend->url, &full, db_out, err);
    if (status != SOP_OK) backend->ops->free(backend);
    return status;
}

sop_status
sop_db_backup_on(sop_db *db, sop_backend *target, const sop_work_options *options, sop_error *err)
{
    sop_work_options full = SOP_WORK_OPTIONS_INIT;
    if (options != NULL) full = *options;
    sop_status status = sop_engine_backup(db->engine, target, &full, err);
    if (status == SOP_OK) status = target->ops->publish(target, err);
    target->ops->free(target);
    return status;
}

sop_status
sop_db_open(const char *url, const sop_db_options *options, sop_db **db_out, sop_error *err)
{
    if (db_out == NULL) return sop_fail(err, SOP_INVALID, "open: db_out is NULL");
    *db_out = NULL;
    if (url == NULL) return sop_fail(err, SOP_INVALID, "open: url is NULL");
    sop_db_options full;
    parsed_url parsed = {0};
    sop_backend *b = NULL;
    sop_status status = options_read(options, &full, err);
    if (status == SOP_OK) status = url_parse(url, &full, &parsed, err);
    if (status == SOP_OK) status = backend_find(&parsed, &full, &b, err);
    if (status == SOP_OK) {
        status = handle_new(b, url, &full, db_out, err);
        if (status != SOP_OK) b->ops->free(b);
    }
    sop_free(parsed.path);
    return status;
}

sop_status sop_db_close(sop_db *db, sop_error *err)
{
    if (db == NULL) return SOP_OK;
    /* Acquire pairs with the release of a feed that is being closed. */
    uint32_t feeds = atomic_load_explicit(&db->feeds, memory_order_acquire);
    if (feeds != 0) return sop_fail(err, SOP_BUSY, "close: %u change feeds are still open", feeds);
    sop_db_documents.closing(db);
    sop_status status = sop_engine_close(db->engine, err);
    if (status == SOP_BUSY) {
        sop_db_documents.opened(db);
        return status;
    }
    sop_free(db->url);
    sop_free(db);
    return status;
}

/* ---- straight to the engine ---- */

void sop_db_interrupt(sop_db *db)
{
    if (db != NULL) sop_engine_interrupt(db->engine);
}

sop_status sop_db_sync(sop_db *db, sop_error *err)
{
    if (db == NULL) return sop_fail(err, SOP_INVALID, "sync: the database is NULL");
    return sop_engine_sync(db->engine, err);
}

sop_status sop_db_checkpoint(sop_db *db, sop_error *err)
{
    if (db == NULL) return sop_fail(err, SOP_INVALID, "checkpoint: the database is NULL");
    return sop_engine_checkpoint(db->engine, err);
}

static int out_is_bad(const void *out)
{
    size_t size = 0;
    if (out != NULL) memcpy(&size, out, sizeof size);
    return size == 0;
}

sop_status sop_db_check(sop_db *db,
                        const sop_check_options *options,
                        sop_check_report *report_out,
                        sop_error *err)
{
    if (db == NULL || out_is_bad(report_out) || (options != NULL && options->struct_size == 0)) {
        return sop_fail(err, SOP_INVALID, "check: a NULL argument, or struct_size is 0");
    }
    sop_check_options full = SOP_CHECK_OPTIONS_INIT;
    if (options != NULL) {
        memcpy(&full, options,
               options->struct_size < sizeof full ? options->struct_size : sizeof full);
    }
    sop_check_report report = SOP_CHECK_REPORT_INIT;
    sop_status status = sop_engine_check(db->engine, &full, &report, err);
    /* In a damaged tree there is nothing to compare. */
    if (status == SOP_OK) status = sop_db_documents.check(db, &full, &report, err);
    sop_struct__out(report_out, &report, sizeof report);
    return status;
}

static sop_status source_check(sop_db *db, const sop_work_options *work, sop_error *err)
{
    sop_check_report report = SOP_CHECK_REPORT_INIT;
    sop_check_options options = SOP_CHECK_OPTIONS_INIT;
    options.progress = work->progress;
    options.context = work->context;
    return sop_engine_check(db->engine, &options, &report, err);
}

sop_status
sop_db_backup(sop_db *db, const char *url, const sop_work_options *options, sop_error *err)
{
    if (db == NULL || url == NULL || (options != NULL && options->struct_size == 0)) {
        return sop_fail(err, SOP_INVALID, "backup: a NULL argument, or struct_size is 0");
    }
    sop_work_options full = SOP_WORK_OPTIONS_INIT;
    if (options != NULL) {
        memcpy(&full, options,
               options->struct_size < sizeof full ? options->struct_size : sizeof full);
    }
    sop_db_options target_options = SOP_DB_OPTIONS_INIT;
    parsed_url parsed = {0};
    sop_backend *target = NULL;
    sop_status status = url_parse(url, &target_options, &parsed, err);
    /* Segments are copied as they are; damage must not go into the copy unnoticed. */
    if (status == SOP_OK) status = source_check(db, &full, err);
    if (status == SOP_OK) {
        status = backend_open(&parsed, SOP_BACKEND_NEW, &target_options, &target, err);
    }
    if (status == SOP_OK) status = sop_engine_backup(db->engine, target, &full, err);
    if (status == SOP_OK) status = target->ops->publish(target, err);
    if (target != NULL) target->ops->free(target);
    sop_free(parsed.path);
    return status;
}

sop_status sop_inspect_map(sop_db *db, sop_range_fn fn, void *context, sop_error *err)
{
    if (db == NULL || fn == NULL) return sop_fail(err, SOP_INVALID, "map: a NULL argument");
    return sop_engine_map(db->engine, fn, context, err);
}

sop_status sop_db_stats(sop_db *db, sop_stats *stats_out, sop_error *err)
{
    if (db == NULL || out_is_bad(stats_out)) {
        return sop_fail(err, SOP_INVALID, "stats: a NULL argument, or struct_size is 0");
    }
    sop_stats stats = SOP_STATS_INIT;
    sop_engine_stats(db->engine, &stats);
    sop_struct__out(stats_out, &stats, sizeof stats);
    return SOP_OK;
}

sop_status sop_db_info_get(sop_db *db, sop_db_info *info_out, sop_error *err)
{
    if (db == NULL || out_is_bad(info_out)) {
        return sop_fail(err, SOP_INVALID, "info: a NULL argument, or struct_size is 0");
    }
    sop_db_info info = SOP_DB_INFO_INIT;
    sop_engine_info(db->engine, &info);
    info.url = db->url;
    sop_txn *txn;
    sop_status status = sop_txn_begin(db, SOP_TXN_READ, &txn, err);
    if (status != SOP_OK) return status;
    status = sop_catalogue__count(txn, &info.stores);
    if (status != SOP_OK && err != NULL) *err = *sop_txn_error(txn);
    sop_txn_close(txn);
    if (status == SOP_OK) sop_struct__out(info_out, &info, sizeof info);
    return status;
}

sop_status sop_db_outcome(
    sop_db *db, sop_txn_token token, sop_outcome *outcome_out, uint64_t *seq_out, sop_error *err)
{
    uint64_t seq;
    if (db == NULL || outcome_out == NULL) {
        return sop_fail(err, SOP_INVALID, "outcome: a NULL argument");
    }
    return sop_engine_outcome(db->engine, token, outcome_out, seq_out == NULL ? &seq : seq_out,
                              err);
}
