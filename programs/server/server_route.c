/* SPDX-License-Identifier: MIT */
/* The table of the API: which handler answers what, and who may ask. */
#include <string.h>

#include "server/server_private.h"
#include "util/bytes.h"
#include "util/error.h"

enum { OPEN = 1 /* without a session */, DATABASE = 2 /* needs it open */, WRITES = 4 };

typedef struct {
    server_method method;
    const char *pattern; /* below /api/v1; a star stands for one segment */
    server_role role;
    int flags;
    server_handler handler;
} route;

#define DB    "r/*/d/*"
#define STORE "r/*/d/*/stores/*"

static const route ROUTES[] = {
    {SERVER_GET, STORE "/items", SERVER_VIEWER, DATABASE, server_items_list},
    {SERVER_GET, STORE "/items/*", SERVER_VIEWER, DATABASE, server_item_get},
    {SERVER_GET, STORE "/items/*/bytes", SERVER_VIEWER, DATABASE, server_item_bytes},
    {SERVER_POST, DB "/commits", SERVER_EDITOR, DATABASE | WRITES, server_commit_make},
    {SERVER_GET, DB "/commits", SERVER_VIEWER, DATABASE, server_commits_list},
    {SERVER_GET, DB "/commits/*", SERVER_VIEWER, DATABASE, server_commit_get},
    {SERVER_POST, DB "/commits/*:inverse", SERVER_VIEWER, DATABASE, server_commit_invert},
    {SERVER_GET, DB "/events", SERVER_VIEWER, DATABASE, server_events_open},
    {SERVER_GET, STORE "/shape", SERVER_VIEWER, DATABASE, server_shape_get},
    {SERVER_GET, DB "/stores", SERVER_VIEWER, DATABASE, server_stores_list},
    {SERVER_POST, DB "/stores", SERVER_EDITOR, DATABASE | WRITES, server_store_create},
    {SERVER_POST, DB "/stores:validate", SERVER_VIEWER, DATABASE, server_store_validate},
    {SERVER_GET, STORE, SERVER_VIEWER, DATABASE, server_store_get},
    {SERVER_PATCH, STORE, SERVER_EDITOR, DATABASE | WRITES, server_store_change},
    {SERVER_DELETE, STORE, SERVER_ADMIN, DATABASE | WRITES, server_store_drop},
    {SERVER_POST, STORE "/indexes", SERVER_EDITOR, DATABASE | WRITES, server_index_create},
    {SERVER_DELETE, STORE "/indexes/*", SERVER_EDITOR, DATABASE | WRITES, server_index_drop},
    {SERVER_GET, DB "/jobs", SERVER_VIEWER, DATABASE, server_jobs_list},
    {SERVER_POST, DB "/jobs", SERVER_VIEWER, DATABASE, server_job_start},
    {SERVER_GET, DB "/jobs/*", SERVER_VIEWER, DATABASE, server_job_get},
    {SERVER_DELETE, DB "/jobs/*", SERVER_VIEWER, DATABASE, server_job_cancel},
    {SERVER_GET, DB "/jobs/*/file", SERVER_VIEWER, DATABASE, server_job_file},
    {SERVER_GET, DB "/stats", SERVER_VIEWER, DATABASE, server_stats_get},
    {SERVER_GET, "r/*/databases", SERVER_VIEWER, 0, server_databases_list},
    {SERVER_POST, "r/*/databases", SERVER_ADMIN, 0, server_database_create},
    {SERVER_GET, DB, SERVER_VIEWER, 0, server_database_get},
    {SERVER_PATCH, DB, SERVER_ADMIN, 0, server_database_change},
    {SERVER_DELETE, DB, SERVER_ADMIN, 0, server_database_drop},
    {SERVER_GET, "registries", SERVER_VIEWER, 0, server_registries_list},
    {SERVER_POST, "registries", SERVER_ADMIN, 0, server_registry_add},
    {SERVER_PATCH, "registries/*", SERVER_EDITOR, 0, server_registry_change},
    {SERVER_DELETE, "registries/*", SERVER_ADMIN, 0, server_registry_forget},
    {SERVER_GET, "session", SERVER_VIEWER, 0, server_session_get},
    {SERVER_POST, "session", SERVER_NOBODY, OPEN, server_session_open},
    {SERVER_DELETE, "session", SERVER_VIEWER, 0, server_session_close},
    {SERVER_GET, "version", SERVER_NOBODY, OPEN, server_version_get},
    {SERVER_GET, "health", SERVER_NOBODY, OPEN, server_health_get},
};

/* One segment against one part of a pattern; *star is what a star stands for. */
static int part_match(const char *part, size_t size, sop_slice segment, sop_slice *star)
{
    if (part[0] != '*') {
        return size == segment.size && memcmp(part, segment.data, size) == 0;
    }
    /* "*:inverse": the end is fixed. */
    size_t tail = size - 1;
    const char *text = segment.data;
    if (segment.size <= tail || memcmp(text + segment.size - tail, part + 1, tail) != 0) return 0;
    *star = sop_slice_of(text, segment.size - tail);
    return 1;
}

static int match(const route *candidate, const server_uri *uri, sop_slice names[6])
{
    const char *at = candidate->pattern;
    size_t segment = 2;
    size_t stars = 0;
    while (*at != '\0') {
        size_t size = strcspn(at, "/");
        sop_slice star = {0};
        if (segment == uri->segment_count ||
            !part_match(at, size, uri->segments[segment++], &star)) {
            return 0;
        }
        if (at[0] == '*') names[stars++] = star;
        at += size;
        if (*at == '/') at++;
    }
    return segment == uri->segment_count;
}

/* The route; NULL and *known set when only the method is wrong. */
static const route *find(const server_request *r, sop_slice names[6], int *known)
{
    *known = 0;
    if (r->uri.segment_count < 3 || !server_equal(r->uri.segments[0], "api") ||
        !server_equal(r->uri.segments[1], "v1")) {
        return NULL;
    }
    for (size_t i = 0; i < sizeof ROUTES / sizeof ROUTES[0]; i++) {
        if (!match(&ROUTES[i], &r->uri, names)) continue;
        *known = 1;
        if (ROUTES[i].method == r->method) return &ROUTES[i];
    }
    return NULL;
}

int server_route_is_open(const server_request *r)
{
    sop_slice names[6];
    int known;
    const route *found = find(r, names, &known);
    return found != NULL && (found->flags & OPEN) != 0;
}

/* Finds the database and takes a use of it. 0, or the status of the answer. */
static int database_enter(server_request *r)
{
    server *me = r->server;
    sop_mutex_lock(&me->lock);
    server_registry *registry = server_registry_find(me, r->names[0]);
    server_database *database =
        registry == NULL ? NULL : server_database_find(registry, r->names[1]);
    if (database != NULL) {
        database->uses++;
        r->writable =
            registry->write == SERVER_WRITE_YES ||
            (registry->write == SERVER_WRITE_ARM && server_is_armed(me, &r->session, registry));
    }
    sop_mutex_unlock(&me->lock);
    if (registry == NULL) {
        return server_error(r, 404, "not_found", "there is no environment \"%.100s\"",
                            (const char *)r->names[0].data);
    }
    if (database == NULL) {
        return server_error(r, 404, "not_found", "there is no database \"%.100s\"",
                            (const char *)r->names[1].data);
    }
    r->database = database;
    sop_status status = server_database_open(me, database, SOP_OPEN_EXISTING, &r->db, &r->err);
    return status == SOP_OK ? 0 : server_fail(r, status, &r->err);
}

static int writable_check(server_request *r)
{
    if (r->server->read_only) {
        return server_error(r, 403, "read_only", "this server was started with --read-only");
    }
    if (r->database->registry->write == SERVER_WRITE_NO) {
        return server_error(r, 403, "read_only", "this environment can only be read");
    }
    if (!r->writable) {
        return server_error(r, 403, "not_armed",
                            "this environment must be armed before it is "
                            "written to");
    }
    return 0;
}

int server_route(server_request *r)
{
    int known;
    const route *found = find(r, r->names, &known);
    if (found == NULL) {
        return known ? server_error(r, 405, "bad_request", "the method is not allowed here")
                     : server_error(r, 404, "not_found", "there is nothing at this address");
    }
    if (r->session.role < found->role) {
        return server_error(r, 403, "forbidden", "this needs the role %s; you are %s",
                            server_role_name(found->role), server_role_name(r->session.role));
    }
    if (found->flags & DATABASE) {
        int refused = database_enter(r);
        if (refused == 0 && (found->flags & WRITES)) refused = writable_check(r);
        if (refused != 0) return refused;
    }
    return found->handler(r);
}
