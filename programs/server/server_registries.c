/* SPDX-License-Identifier: MIT */
/* Answers about the server, its environments and their databases. */
#include <stdio.h>
#include <string.h>

#include "server/server_private.h"
#include "util/bytes.h"
#include "util/error.h"
#include "util/memory.h"

static void member_text(sop_json_writer *out, const char *name, const char *value)
{
    sop_json_key(out, sop_str(name));
    sop_json_string(out, sop_str(value));
}

static void member_uint(sop_json_writer *out, const char *name, uint64_t value)
{
    sop_json_key(out, sop_str(name));
    sop_json_uint(out, value);
}

static void member_bool(sop_json_writer *out, const char *name, int value)
{
    sop_json_key(out, sop_str(name));
    sop_json_bool(out, value);
}

int server_version_get(server_request *r)
{
    static const char *const features[] = {"where", "jobs", "history", "users", "import"};
    sop_json_object_begin(&r->out);
    member_text(&r->out, "name", "sop");
    member_text(&r->out, "version", sop_version());
    member_uint(&r->out, "api", 1);
    sop_json_key(&r->out, sop_str("features"));
    sop_json_array_begin(&r->out);
    for (size_t i = 0; i < sizeof features / sizeof features[0]; i++) {
        sop_json_string(&r->out, sop_str(features[i]));
    }
    sop_json_array_end(&r->out);
    sop_json_object_end(&r->out);
    return 200;
}

int server_health_get(server_request *r)
{
    sop_json_object_begin(&r->out);
    member_bool(&r->out, "ok", 1);
    sop_json_object_end(&r->out);
    return 200;
}

/* ---- environments ---- */

static void registry_write(server_request *r, const server_registry *registry)
{
    static const char *const kinds[] = {"local", "swarm", "cassandra"};
    static const char *const writes[] = {"yes", "arm", "no"};
    sop_json_writer *out = &r->out;
    int supported = registry->kind == SERVER_KIND_LOCAL;
    sop_json_object_begin(out);
    member_text(out, "id", registry->id);
    member_text(out, "label", registry->label);
    member_text(out, "kind", kinds[registry->kind]);
    member_text(out, "color", registry->color);
    member_text(out, "write", r->server->read_only ? "no" : writes[registry->write]);
    member_bool(out, "armed", server_is_armed(r->server, &r->session, registry));
    member_text(out, "health", supported ? "ok" : "unsupported");
    if (!supported) {
        char message[100];
        (void)snprintf(message, sizeof message, "%s environments are not supported by this build",
                       kinds[registry->kind]);
        member_text(out, "message", message);
    }
    sop_json_object_end(out);
}

int server_registries_list(server_request *r)
{
    sop_json_object_begin(&r->out);
    sop_json_key(&r->out, sop_str("registries"));
    sop_json_array_begin(&r->out);
    sop_mutex_lock(&r->server->lock);
    for (const server_registry *one = r->server->registries; one != NULL; one = one->next) {
        registry_write(r, one);
    }
    sop_mutex_unlock(&r->server->lock);
    sop_json_array_end(&r->out);
    sop_json_object_end(&r->out);
    return 200;
}

int server_registry_add(server_request *r)
{
    server *me = r->server;
    server_registry *registry;
    sop_status status = server_registry_read(me, &r->json, 1, &registry, &r->err);
    if (status != SOP_OK) return server_fail(r, status, &r->err);
    sop_mutex_lock(&me->lock);
    server_registry **end = &me->registries;
    int taken = server_registry_find(me, sop_str(registry->id)) != NULL;
    while (*end != NULL) {
        end = &(*end)->next;
    }
    if (!taken) {
        *end = registry;
        status = server_places_save(me, &r->err);
        registry_write(r, registry);
    }
    sop_mutex_unlock(&me->lock);
    if (taken) {
        while (registry->databases != NULL) {
            registry->databases->uses++;
            sop_ignore(server_database_forget(me, registry->databases, &r->err)); /* never opened */
        }
        server_registry_free(registry);
        return server_error(r, 409, "exists", "an environment of this id is there already");
    }
    return status == SOP_OK ? 201 : server_fail(r, status, &r->err);
}

static int is_color(sop_slice color)
{
    static const char *const colors[] = {"green", "amber", "red", "blue", "violet", "grey"};
    for (size_t i = 0; i < 6; i++) {
        if (server_equal(color, colors[i])) return 1;
    }
    return 0;
}

static void replace(char **text, sop_slice by)
{
    char *copy = sop_strdup(by.data);
    if (copy == NULL) return;
    sop_free(*text);
    *text = copy;
}

/* 0, or the status of the answer. */
static int registry_apply(server_request *r, server_registry *registry)
{
    sop_slice label;
    sop_slice color;
    sop_json_value armed;
    int labelled = server_member_text(&r->json, "label", &r->arena, &label) == SOP_OK;
    int coloured = server_member_text(&r->json, "color", &r->arena, &color) == SOP_OK;
    if ((labelled || coloured) && r->session.role < SERVER_ADMIN) {
        return server_error(r, 403, "forbidden", "this needs the role admin");
    }
    if (labelled && (label.size == 0 || label.size > 100 || !server_is_plain(label))) {
        return server_bad(r, "/label", "label is 1 to 100 bytes of plain text");
    }
    if (coloured && !is_color(color)) return server_bad(r, "/color", "unknown color");
    if (server_member(&r->json, "armed", &armed) == SOP_OK) {
        server_arm(r->server, &r->session, registry, armed.type == SOP_JSON_TRUE);
    }
    if (labelled) replace(&registry->label, label);
    if (coloured) replace(&registry->color, color);
    if (!labelled && !coloured) return 0;
    sop_status status = server_places_save(r->server, &r->err);
    return status == SOP_OK ? 0 : server_fail(r, status, &r->err);
}

int server_registry_change(server_request *r)
{
    sop_mutex_lock(&r->server->lock);
    server_registry *registry = server_registry_find(r->server, r->names[0]);
    int status = 404;
    if (registry != NULL) {
        status = registry_apply(r, registry);
        if (status == 0) {
            registry_write(r, registry);
            status = 200;
        }
    }
    sop_mutex_unlock(&r->server->lock);
    if (registry != NULL) return status;
    return server_error(r, 404, "not_found", "there is no environment \"%.100s\"",
                        (const char *)r->names[0].data);
}

int server_registry_forget(server_request *r)
{
    server *me = r->server;
    sop_mutex_lock(&me->lock);
    server_registry **at = &me->registries;
    while (*at != NULL && !server_equal(r->names[0], (*at)->id)) {
        at = &(*at)->next;
    }
    server_registry *registry = *at;
    sop_status status = SOP_OK;
    if (registry != NULL) {
        *at = registry->next;
        server_disarm(me, registry);
        status = server_places_save(me, &r->err);
    }
    sop_mutex_unlock(&me->lock);
    if (registry == NULL) return server_error(r, 404, "not_found", "there is no such environment");
    while (registry->databases != NULL) {
        sop_mutex_lock(&me->lock);
        registry->databases->uses++;
        sop_mutex_unlock(&me->lock);
        sop_status closed = server_database_forget(me, registry->databases, &r->err);
        if (status == SOP_OK) status = closed;
    }
    server_registry_free(registry);
    return status == SOP_OK ? 204 : server_fail(r, status, &r->err);
}

/* ---- databases ---- */

/* A use is held. Opens it, to tell how it is. */
static void database_write(server_request *r, server_database *database)
{
    sop_json_writer *out = &r->out;
    sop_db_info info = SOP_DB_INFO_INIT;
    sop_error err = {0};
    sop_db *db;
    sop_status status = server_database_open(r->server, database, SOP_OPEN_EXISTING, &db, &err);
    if (status == SOP_OK) status = sop_db_info_get(db, &info, &err);
    sop_json_object_begin(out);
    sop_mutex_lock(&r->server->lock);
    member_text(out, "name", database->name);
    member_text(out, "url", database->url);
    if (database->description[0] != '\0') member_text(out, "description", database->description);
    sop_mutex_unlock(&r->server->lock);
    member_text(out, "mode", status == SOP_OK ? info.mode : "closed");
    member_uint(out, "stores", info.stores);
    if (status == SOP_OK) member_uint(out, "tip", info.tip);
    member_text(out, "health",
                status == SOP_OK            ? "ok"
                : status == SOP_UNSUPPORTED ? "unsupported"
                                            : "down");
    if (status != SOP_OK) {
        const char *text = err.message[0] == '\0' ? sop_status_text(status) : err.message;
        member_text(out, "message", server_is_utf8(sop_str(text)) ? text : sop_status_text(status));
    }
    member_bool(out, "read_only",
                r->server->read_only || database->registry->write == SERVER_WRITE_NO ||
                    (status == SOP_OK && info.read_only));
    sop_json_object_end(out);
}

int server_databases_list(server_request *r)
{
    enum { MAX = 1000 };
    server *me = r->server;
    server_database **held = sop_arena_alloc(&r->arena, MAX * sizeof *held);
    size_t count = 0;
    if (held == NULL) return server_fail(r, SOP_NO_MEMORY, NULL);
    sop_mutex_lock(&me->lock);
    server_registry *registry = server_registry_find(me, r->names[0]);
    for (server_database *d = registry == NULL ? NULL : registry->databases;
         d != NULL && count < MAX; d = d->next) {
        d->uses++;
        held[count++] = d;
    }
    sop_mutex_unlock(&me->lock);
    if (registry == NULL) {
        return server_error(r, 404, "not_found", "there is no environment \"%.100s\"",
                            (const char *)r->names[0].data);
    }
    sop_json_object_begin(&r->out);
    sop_json_key(&r->out, sop_str("databases"));
    sop_json_array_begin(&r->out);
    for (size_t i = 0; i < count; i++) {
        database_write(r, held[i]);
        server_database_release(me, held[i]);
    }
    sop_json_array_end(&r->out);
    sop_json_object_end(&r->out);
    return 200;
}

/* The database of the path with a use taken, or NULL and the answer is made. */
static server_database *database_take(server_request *r)
{
    server *me = r->server;
    sop_mutex_lock(&me->lock);
    server_registry *registry = server_registry_find(me, r->names[0]);
    server_database *database =
        registry == NULL ? NULL : server_database_find(registry, r->names[1]);
    if (database != NULL) database->uses++;
    sop_mutex_unlock(&me->lock);
    if (database == NULL) {
        (void)server_error(r, 404, "not_found", "there is no database \"%.100s\"",
                           (const char *)r->names[1].data);
    }
    return database;
}

int server_database_get(server_request *r)
{
    server_database *database = database_take(r);
    if (database == NULL) return 404;
    database_write(r, database);
    server_database_release(r->server, database);
    return 200;
}

/* Adds it to the list and takes a use. */
static sop_status database_enlist(
    server_request *r, sop_slice name, sop_slice url, sop_slice description, server_database **out)
{
    server *me = r->server;
    sop_mutex_lock(&me->lock);
    server_registry *registry = server_registry_find(me, r->names[0]);
    sop_status status = registry == NULL
                            ? sop_fail(&r->err, SOP_NOT_FOUND, "there is no environment \"%.100s\"",
                                       (const char *)r->names[0].data)
                            : server_database_add(registry, name, url, description, out, &r->err);
    if (status == SOP_OK) (*out)->uses++;
    sop_mutex_unlock(&me->lock);
    return status;
}

int server_database_create(server_request *r)
{
    server *me = r->server;
    sop_slice name;
    sop_slice url;
    sop_slice mode;
    sop_slice description = {"", 0};
    char *allowed;
    server_database *database = NULL;
    sop_db *db;
    if (server_member_text(&r->json, "name", &r->arena, &name) != SOP_OK ||
        server_member_text(&r->json, "url", &r->arena, &url) != SOP_OK ||
        server_member_text(&r->json, "mode", &r->arena, &mode) != SOP_OK ||
        (!server_equal(mode, "create") && !server_equal(mode, "open"))) {
        return server_bad(r, "", "name, url and mode (create or open) are wanted");
    }
    sop_ignore(server_member_text(&r->json, "description", &r->arena, &description)); /* optional */
    int create = server_equal(mode, "create");
    if (create && me->read_only) {
        return server_error(r, 403, "read_only", "this server was started with --read-only");
    }
    sop_status status = server_url_allowed(me, url, &allowed, &r->err);
    if (status == SOP_READ_ONLY) return server_error(r, 403, "forbidden", "%s", r->err.message);
    if (status != SOP_OK) return server_fail(r, status, &r->err);
    status = database_enlist(r, name, sop_str(allowed), description, &database);
    sop_free(allowed);
    if (status != SOP_OK) return server_fail(r, status, &r->err);
    status =
        server_database_open(me, database, create ? SOP_OPEN_NEW : SOP_OPEN_EXISTING, &db, &r->err);
    if (status != SOP_OK) {
        sop_error ignored;
        sop_ignore(server_database_forget(me, database, &ignored)); /* it could not be opened */
        return server_fail(r, status, &r->err);
    }
    database_write(r, database);
    server_database_release(me, database);
    sop_mutex_lock(&me->lock);
    status = server_places_save(me, &r->err);
    sop_mutex_unlock(&me->lock);
    return status == SOP_OK ? 201 : server_fail(r, status, &r->err);
}

int server_database_change(server_request *r)
{
    sop_slice name;
    sop_slice description;
    server *me = r->server;
    server_database *database = database_take(r);
    if (database == NULL) return 404;
    int named = server_member_text(&r->json, "name", &r->arena, &name) == SOP_OK;
    int described = server_member_text(&r->json, "description", &r->arena, &description) == SOP_OK;
    sop_status status = SOP_OK;
    sop_mutex_lock(&me->lock);
    if (named && (name.size == 0 || name.size > SERVER_NAME_MAX || !server_is_plain(name))) {
        status = sop_fail(&r->err, SOP_INVALID, "name: 1 to 200 bytes of plain text");
    } else if (named && !server_equal(name, database->name) &&
               server_database_find(database->registry, name) != NULL) {
        status = sop_fail(&r->err, SOP_EXISTS, "the name is taken");
    } else if (described &&
               (description.size > 4000 || memchr(description.data, 0, description.size))) {
        status = sop_fail(&r->err, SOP_INVALID, "description: at most 4000 bytes");
    } else {
        if (named) replace(&database->name, name);
        if (described) replace(&database->description, description);
        status = server_places_save(me, &r->err);
    }
    sop_mutex_unlock(&me->lock);
    if (status == SOP_OK) database_write(r, database);
    server_database_release(me, database);
    return status == SOP_OK ? 200 : server_fail(r, status, &r->err);
}

static int purge(server_request *r, const char *url)
{
    char *folder = NULL;
    sop_status status = server_url_folder(url, &folder, &r->err);
    if (status == SOP_OK && folder != NULL) status = server_folder_remove(folder, &r->err);
    sop_free(folder);
    return status == SOP_OK ? 204 : server_fail(r, status, &r->err);
}

int server_database_drop(server_request *r)
{
    server *me = r->server;
    sop_slice confirm;
    const sop_slice *wanted = server_uri_param(&r->uri, "purge");
    int purging = wanted != NULL && server_equal(*wanted, "true");
    if (server_member_text(&r->json, "confirm", &r->arena, &confirm) != SOP_OK ||
        !sop_slice_equal(confirm, r->names[1])) {
        return server_bad(r, "/confirm", "confirm must be the name of the database");
    }
    server_database *database = database_take(r);
    if (database == NULL) return 404;
    int readable_only = me->read_only || database->registry->write == SERVER_WRITE_NO;
    if (purging && readable_only) {
        server_database_release(me, database);
        return server_error(r, 403, "read_only", "this environment can only be read");
    }
    char *url = sop_strdup(database->url);
    sop_status status = server_database_forget(me, database, &r->err);
    if (status == SOP_OK) {
        sop_mutex_lock(&me->lock);
        status = server_places_save(me, &r->err);
        sop_mutex_unlock(&me->lock);
    }
    int answer = 204;
    if (status != SOP_OK) {
        answer = server_fail(r, status, &r->err);
    } else if (purging && url != NULL) {
        answer = purge(r, url);
    }
    sop_free(url);
    return answer;
}

int server_stats_get(server_request *r)
{
    sop_stats stats = SOP_STATS_INIT;
    sop_json_writer *out = &r->out;
    sop_status status = sop_db_stats(r->db, &stats, &r->err);
    if (status != SOP_OK) return server_fail(r, status, &r->err);
    sop_json_object_begin(out);
    member_uint(out, "commits", stats.commits);
    member_uint(out, "conflicts", stats.conflicts);
    member_uint(out, "frames", stats.frames);
    member_uint(out, "syncs", stats.syncs);
    member_uint(out, "log_bytes", stats.log_bytes);
    member_uint(out, "log_pending_bytes", stats.log_pending_bytes);
    member_uint(out, "checkpoints", stats.checkpoints);
    member_uint(out, "checkpoint_bytes", stats.checkpoint_bytes);
    member_uint(out, "memtable_bytes", stats.memtable_bytes);
    member_uint(out, "memtable_items", stats.memtable_items);
    member_uint(out, "segments", stats.segments);
    member_uint(out, "segment_bytes", stats.segment_bytes);
    member_uint(out, "live_bytes", stats.live_bytes);
    member_uint(out, "readers", stats.readers);
    member_uint(out, "oldest_snapshot", stats.oldest_snapshot);
    sop_json_object_end(out);
    return 200;
}
