/* SPDX-License-Identifier: MIT */
/* Jobs: starting, watching and ending long work. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "server/server_job.h"
#include "util/bytes.h"
#include "util/error.h"
#include "util/memory.h"

enum { RUNNING_MAX = 4, KEPT_MAX = 50 };
#define TELL_NS UINT64_C(250000000) /* news of one job at most four times a second */

static const char *const KINDS[] = {"export", "import", "check", "backup"};
static const char *const STATES[] = {"running", "done", "cancelled", "failed"};
static const char *const FORMATS[] = {"ndjson", "json", "csv", "tsv"};

/* Under the lock. */
static void tell(server_job *job)
{
    job->news = ++job->server->job_count;
    job->told_ns = sop_boot_ns();
}

sop_status server_job_step(server_job *job, uint64_t done, uint64_t total)
{
    sop_mutex_lock(&job->server->lock);
    job->done = done;
    job->total = total;
    if (sop_boot_ns() - job->told_ns > TELL_NS) tell(job);
    sop_mutex_unlock(&job->server->lock);
    /* A flag alone: nothing is published with it. */
    return atomic_load_explicit(&job->cancelled, memory_order_relaxed) ? SOP_CANCELLED : SOP_OK;
}

/* ---- writing ---- */

static void member_uint(sop_json_writer *out, const char *name, uint64_t value)
{
    sop_json_key(out, sop_str(name));
    sop_json_uint(out, value);
}

static void member_text(sop_json_writer *out, const char *name, const char *value)
{
    sop_json_key(out, sop_str(name));
    sop_json_string(out, server_is_utf8(sop_str(value)) ? sop_str(value) : sop_str("?"));
}

/* Under the lock. */
static void job_write(sop_json_writer *out, const server_job *job)
{
    char id[24];
    (void)snprintf(id, sizeof id, "%llu", (unsigned long long)job->id);
    sop_json_object_begin(out);
    member_text(out, "id", id);
    member_text(out, "kind", KINDS[job->kind]);
    sop_json_key(out, sop_str("store"));
    sop_json_string(out, job->store);
    member_text(out, "state", STATES[job->state]);
    member_uint(out, "done", job->done);
    member_uint(out, "total", job->total);
    member_uint(out, "matched", job->matched);
    member_uint(out, "changed", job->changed);
    sop_json_key(out, sop_str("commits"));
    sop_json_array_begin(out);
    if (job->commit[0] != '\0') sop_json_string(out, sop_str(job->commit));
    sop_json_array_end(out);
    if (job->error[0] != '\0') member_text(out, "error", job->error);
    sop_json_object_end(out);
}

uint64_t
server_job_news(server *me, const server_database *of, uint64_t after, sop_json_writer *out)
{
    uint64_t newest = after;
    sop_mutex_lock(&me->lock);
    for (const server_job *job = me->jobs; job != NULL; job = job->next) {
        if (job->database != of || job->news <= after) continue;
        if (job->news > newest) newest = job->news;
        sop_json_append(out, sop_str("event: job\ndata: "));
        job_write(out, job);
        sop_json_append(out, sop_str("\n\n"));
    }
    sop_mutex_unlock(&me->lock);
    return newest;
}

/* ---- running ---- */

static sop_status on_progress(uint64_t done, uint64_t total, void *context)
{
    return server_job_step(context, done, total);
}

static void on_finding(sop_status status, const char *message, void *context)
{
    server_job *job = context;
    (void)status;
    sop_mutex_lock(&job->server->lock);
    job->matched++;
    if (job->error[0] == '\0') (void)snprintf(job->error, sizeof job->error, "%s", message);
    sop_mutex_unlock(&job->server->lock);
}

static sop_status check_run(server_job *job, sop_error *err)
{
    sop_check_options options = SOP_CHECK_OPTIONS_INIT;
    sop_check_report report = SOP_CHECK_REPORT_INIT;
    options.finding = on_finding;
    options.progress = on_progress;
    options.context = job;
    sop_status status = sop_db_check(job->db, &options, &report, err);
    sop_mutex_lock(&job->server->lock);
    if (status == SOP_OK) job->done = job->total = report.bytes;
    sop_mutex_unlock(&job->server->lock);
    return status;
}

static sop_status backup_run(server_job *job, sop_error *err)
{
    sop_work_options options = SOP_WORK_OPTIONS_INIT;
    options.progress = on_progress;
    options.context = job;
    return sop_db_backup(job->db, job->url.data, &options, err);
}

static sop_status job_run(server_job *job, sop_error *err)
{
    switch (job->kind) {
    case JOB_EXPORT:
        return server_export_run(job, err);
    case JOB_IMPORT:
        return server_import_run(job, err);
    case JOB_CHECK:
        return check_run(job, err);
    case JOB_BACKUP:
    case JOB_KINDS:
    default:
        return backup_run(job, err);
    }
}

static void job_task(void *argument)
{
    server_job *job = argument;
    server *me = job->server;
    sop_error err = {0};
    sop_status status = job_run(job, &err);
    sop_mutex_lock(&me->lock);
    job->state = status == SOP_OK ? JOB_DONE : status == SOP_CANCELLED ? JOB_CANCELLED : JOB_FAILED;
    if (job->state == JOB_FAILED && job->error[0] == '\0') {
        (void)snprintf(job->error, sizeof job->error, "%s",
                       err.message[0] == '\0' ? sop_status_text(status) : err.message);
    }
    tell(job);
    job->ended = 1;
    sop_cond_signal_all(&me->changed);
    sop_mutex_unlock(&me->lock);
}

static void job_free(server_job *job)
{
    sop_task_join(job->task);
    if (job->file >= 0) (void)close(job->file);
    server_database_release(job->server, job->database);
    sop_json_writer_deinit(&job->request.out);
    sop_arena_deinit(&job->request.arena);
    sop_free(job->request.body);
    sop_free(job);
}

/* Takes a job from the list when it has ended. Under the lock. */
static server_job *job_take_ended(server *me, const server_database *of, size_t keep)
{
    size_t kept = 0;
    server_job **at = &me->jobs;
    while (*at != NULL) {
        server_job *job = *at;
        if ((of == NULL || job->database == of) && job->ended && kept++ >= keep) {
            *at = job->next;
            return job;
        }
        at = &job->next;
    }
    return NULL;
}

void server_jobs_stop(server *me, const server_database *of)
{
    sop_mutex_lock(&me->lock);
    for (;;) {
        server_job *ended = job_take_ended(me, of, 0);
        int left = 0;
        if (ended != NULL) {
            sop_mutex_unlock(&me->lock);
            job_free(ended);
            sop_mutex_lock(&me->lock);
            continue;
        }
        for (server_job *job = me->jobs; job != NULL; job = job->next) {
            if (of != NULL && job->database != of) continue;
            atomic_store_explicit(&job->cancelled, 1, memory_order_relaxed); /* a flag alone */
            left = 1;
        }
        if (!left) break;
        sop_cond_wait(&me->changed, &me->lock, UINT64_MAX);
    }
    sop_mutex_unlock(&me->lock);
}

/* ---- starting ---- */

static int word(sop_slice text, const char *const *words, int count)
{
    for (int i = 0; i < count; i++) {
        if (server_equal(text, words[i])) return i;
    }
    return -1;
}

static server_role role_of(job_kind kind)
{
    if (kind == JOB_EXPORT) return SERVER_VIEWER;
    return kind == JOB_IMPORT ? SERVER_EDITOR : SERVER_ADMIN;
}

static int import_read(server_request *r, server_job *job)
{
    sop_json_value value;
    sop_status status = server_member_text(&r->json, "data", &job->request.arena, &job->data);
    if (status != SOP_OK) return server_bad(r, "/data", "data is the text to import");
    if (r->server->read_only || job->database->registry->write == SERVER_WRITE_NO) {
        return server_error(r, 403, "read_only", "this environment can only be read");
    }
    if (!r->writable && !job->dry_run) {
        return server_error(r, 403, "not_armed",
                            "this environment must be armed before it is written to");
    }
    job->text = server_member(&r->json, "text", &value) == SOP_OK && value.type == SOP_JSON_TRUE;
    sop_ignore(
        server_member_text(&r->json, "key", &job->request.arena, &job->key_field)); /* optional */
    return 0;
}

static int backup_read(server_request *r, server_job *job)
{
    sop_slice url;
    char *allowed;
    if (server_member_text(&r->json, "url", &r->arena, &url) != SOP_OK) {
        return server_bad(r, "/url", "url is where the backup goes");
    }
    sop_status status = server_url_allowed(r->server, url, &allowed, &r->err);
    if (status == SOP_READ_ONLY) return server_error(r, 403, "forbidden", "%s", r->err.message);
    if (status != SOP_OK) return server_fail(r, status, &r->err);
    size_t size = strlen(allowed);
    job->url = sop_slice_of(sop_arena_copy(&job->request.arena, allowed, size + 1), size);
    sop_free(allowed);
    return job->url.data == NULL ? server_fail(r, SOP_NO_MEMORY, NULL) : 0;
}

/* 0, or the status of the answer. */
static int job_read(server_request *r, server_job *job)
{
    sop_slice text;
    sop_json_value value;
    sop_arena *arena = &job->request.arena;
    int kind = server_member_text(&r->json, "kind", arena, &text) == SOP_OK
                   ? word(text, KINDS, JOB_KINDS)
                   : -1;
    if (kind < 0) {
        return server_error(r, 501, "unsupported", "this kind of job is not in this build");
    }
    job->kind = (job_kind)kind;
    if (r->session.role < role_of(job->kind)) {
        return server_error(r, 403, "forbidden", "this needs the role %s",
                            server_role_name(role_of(job->kind)));
    }
    if (server_member_text(&r->json, "store", arena, &job->store) != SOP_OK) {
        job->store = sop_slice_of("", 0);
    }
    int needs_store = job->kind == JOB_EXPORT || job->kind == JOB_IMPORT;
    if (needs_store && (job->store.size == 0 || job->store.size > SOP_STORE_NAME_SIZE_MAX ||
                        !server_is_plain(job->store))) {
        return server_bad(r, "/store", "store is the name of a store");
    }
    if (server_member_text(&r->json, "format", arena, &text) == SOP_OK) {
        int format = word(text, FORMATS, 4);
        if (format < 0) return server_bad(r, "/format", "format is csv, tsv, ndjson or json");
        job->format = (job_format)format;
    }
    job->dry_run =
        server_member(&r->json, "dry_run", &value) == SOP_OK && value.type == SOP_JSON_TRUE;
    if (job->kind == JOB_IMPORT) return import_read(r, job);
    return job->kind == JOB_BACKUP ? backup_read(r, job) : 0;
}

/* 0 when too many run already. Old ones that ended are given out to be freed. */
static int job_enlist(server *me, server_job *job, server_job **old)
{
    size_t running = 0;
    sop_mutex_lock(&me->lock);
    for (const server_job *other = me->jobs; other != NULL; other = other->next) {
        running += other->ended ? 0 : 1;
    }
    *old = job_take_ended(me, NULL, KEPT_MAX);
    int room = running < RUNNING_MAX && !server_stopping(me);
    if (room) {
        job->database->uses++;
        tell(job);
        job->id = job->news;
        job->next = me->jobs;
        me->jobs = job;
    }
    sop_mutex_unlock(&me->lock);
    return room;
}

static void job_discard(server_job *job)
{
    sop_arena_deinit(&job->request.arena);
    sop_free(job);
}

int server_job_start(server_request *r)
{
    server *me = r->server;
    server_job *old;
    server_job *job = sop_alloc_zeroed(sizeof *job);
    if (job == NULL) return server_fail(r, SOP_NO_MEMORY, NULL);
    job->server = me;
    job->database = r->database;
    job->db = r->db;
    job->file = -1;
    job->key_field = sop_slice_of("", 0);
    job->request.server = me;
    job->request.session = r->session;
    job->request.db = r->db;
    sop_json_writer_init(&job->request.out, 0);
    int refused = job_read(r, job);
    if (refused != 0) {
        job_discard(job);
        return refused;
    }
    int room = job_enlist(me, job, &old);
    if (old != NULL) job_free(old);
    if (!room) {
        job_discard(job);
        return server_error(r, 503, "busy", "%d jobs are running; try again", RUNNING_MAX);
    }
    sop_mutex_lock(&me->lock);
    job_write(&r->out, job);
    sop_status status = sop_task_start(&job->task, job_task, job);
    if (status != SOP_OK) {
        job->state = JOB_FAILED;
        job->ended = 1;
    }
    sop_mutex_unlock(&me->lock);
    return status == SOP_OK ? 202 : server_fail(r, status, NULL);
}

/* ---- answers ---- */

/* The job of the path. Under the lock. */
static server_job *job_find(server_request *r)
{
    uint64_t id;
    if (server_uint_read(r->names[2], &id) != 0) return NULL;
    server_job *job = r->server->jobs;
    while (job != NULL && (job->id != id || job->database != r->database)) {
        job = job->next;
    }
    return job;
}

int server_jobs_list(server_request *r)
{
    sop_json_object_begin(&r->out);
    sop_json_key(&r->out, sop_str("jobs"));
    sop_json_array_begin(&r->out);
    sop_mutex_lock(&r->server->lock);
    for (const server_job *job = r->server->jobs; job != NULL; job = job->next) {
        if (job->database == r->database) job_write(&r->out, job);
    }
    sop_mutex_unlock(&r->server->lock);
    sop_json_array_end(&r->out);
    sop_json_object_end(&r->out);
    return 200;
}

static int no_job(server_request *r)
{
    return server_error(r, 404, "not_found", "there is no such job");
}

int server_job_get(server_request *r)
{
    sop_mutex_lock(&r->server->lock);
    const server_job *job = job_find(r);
    if (job != NULL) job_write(&r->out, job);
    sop_mutex_unlock(&r->server->lock);
    return job == NULL ? no_job(r) : 200;
}

int server_job_cancel(server_request *r)
{
    server *me = r->server;
    sop_mutex_lock(&me->lock);
    server_job *job = job_find(r);
    int allowed = job != NULL && r->session.role >= role_of(job->kind);
    int ended = job != NULL && job->ended;
    if (allowed && ended) {
        server_job **at = &me->jobs;
        while (*at != job) {
            at = &(*at)->next;
        }
        *at = job->next;
    } else if (allowed) {
        atomic_store_explicit(&job->cancelled, 1, memory_order_relaxed); /* a flag alone */
    }
    sop_mutex_unlock(&me->lock);
    if (job == NULL) return no_job(r);
    if (!allowed) return server_error(r, 403, "forbidden", "this needs another role");
    if (ended) job_free(job);
    return 204;
}

int server_job_file(server_request *r)
{
    char name[128];
    int file = -1;
    uint64_t size = 0;
    job_format format = FORMAT_NDJSON;
    sop_mutex_lock(&r->server->lock);
    const server_job *job = job_find(r);
    if (job != NULL && job->state == JOB_DONE && job->file >= 0) {
        file = dup(job->file); /* the response closes its own */
        size = job->file_size;
        format = job->format;
    }
    sop_mutex_unlock(&r->server->lock);
    if (file < 0) return no_job(r);
    struct MHD_Response *response = MHD_create_response_from_fd64(size, file);
    if (response == NULL) {
        (void)close(file);
        return server_fail(r, SOP_NO_MEMORY, NULL);
    }
    (void)snprintf(name, sizeof name, "attachment; filename=\"export.%s\"", FORMATS[format]);
    (void)MHD_add_response_header(response, "Content-Type", "application/octet-stream");
    (void)MHD_add_response_header(response, "Content-Disposition", name);
    (void)MHD_add_response_header(response, "Cache-Control", "no-store");
    r->response = response;
    return 200;
}
