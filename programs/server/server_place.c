/* SPDX-License-Identifier: MIT */
/* Environments and their databases: the lists, the registry file, opening and letting go. */
#define _DEFAULT_SOURCE /* realpath */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "server/server_file.h"
#include "server/server_private.h"
#include "util/bytes.h"
#include "util/error.h"
#include "util/memory.h"

enum { BUSY_MS = 300, DATABASES_MAX = 1000 };

static const char *const KINDS[] = {"local", "swarm", "cassandra"};
static const char *const WRITES[] = {"yes", "arm", "no"};
static const char *const COLORS[] = {"green", "amber", "red", "blue", "violet", "grey"};

static int word(sop_slice text, const char *const *words, int count)
{
    for (int i = 0; i < count; i++) {
        if (server_equal(text, words[i])) return i;
    }
    return -1;
}

/* ---- databases ---- */

static void database_free(server_database *database)
{
    sop_free(database->name);
    sop_free(database->url);
    sop_free(database->description);
    sop_free(database);
}

static char *copy(sop_slice text)
{
    char *to = sop_alloc(text.size + 1);
    if (to == NULL) return NULL;
    if (text.size != 0) memcpy(to, text.data, text.size);
    to[text.size] = '\0';
    return to;
}

static int is_name(sop_slice name)
{
    return name.size > 0 && name.size <= SERVER_NAME_MAX && server_is_plain(name);
}

sop_status server_database_add(server_registry *registry,
                               sop_slice name,
                               sop_slice url,
                               sop_slice description,
                               server_database **out,
                               sop_error *err)
{
    if (!is_name(name)) {
        return sop_fail(err, SOP_INVALID, "name of a database: 1 to 200 bytes of plain text");
    }
    if (server_database_find(registry, name) != NULL) {
        return sop_fail(err, SOP_EXISTS, "database %.100s: the name is taken",
                        (const char *)name.data);
    }
    server_database *database = sop_alloc_zeroed(sizeof *database);
    if (database == NULL) return sop_fail(err, SOP_NO_MEMORY, "database: out of memory");
    database->registry = registry;
    database->name = copy(name);
    database->url = copy(url);
    database->description = copy(description);
    if (database->name == NULL || database->url == NULL || database->description == NULL) {
        database_free(database);
        return sop_fail(err, SOP_NO_MEMORY, "database: out of memory");
    }
    server_database **end = &registry->databases;
    while (*end != NULL) {
        end = &(*end)->next;
    }
    *end = database;
    if (out != NULL) *out = database;
    return SOP_OK;
}

server_database *server_database_find(server_registry *registry, sop_slice name)
{
    server_database *database = registry->databases;
    while (database != NULL && !server_equal(name, database->name)) {
        database = database->next;
    }
    return database;
}

sop_status server_database_open(
    server *me, server_database *database, int open_mode, sop_db **db_out, sop_error *err)
{
    sop_db_options options = SOP_DB_OPTIONS_INIT;
    options.open_mode = open_mode;
    options.read_only = me->read_only || database->registry->write == SERVER_WRITE_NO;
    options.busy_timeout_ms = BUSY_MS;
    *db_out = NULL;
    if (database->registry->kind != SERVER_KIND_LOCAL) {
        return sop_fail(err, SOP_UNSUPPORTED, "%s environments are not supported by this build",
                        KINDS[database->registry->kind]);
    }
    sop_mutex_lock(&database->open_lock);
    sop_status status = SOP_OK;
    if (database->db == NULL) {
        status = sop_db_open(database->url, &options, &database->db, &database->failure);
        if (status != SOP_OK && err != NULL) *err = database->failure;
    }
    *db_out = database->db;
    sop_mutex_unlock(&database->open_lock);
    return status;
}

void server_database_release(server *me, server_database *database)
{
    sop_mutex_lock(&me->lock);
    database->uses--;
    sop_cond_signal_all(&me->changed);
    sop_mutex_unlock(&me->lock);
}

sop_status server_database_forget(server *me, server_database *database, sop_error *err)
{
    sop_mutex_lock(&me->lock);
    server_database **at = &database->registry->databases;
    while (*at != NULL && *at != database) {
        at = &(*at)->next;
    }
    if (*at == NULL) {
        sop_mutex_unlock(&me->lock);
        server_database_release(me, database);
        return sop_fail(err, SOP_NOT_FOUND, "the database is gone already");
    }
    *at = database->next;
    atomic_store_explicit(&database->gone, 1, memory_order_release); /* pairs with the streams */
    sop_mutex_unlock(&me->lock);
    server_jobs_stop(me, database);
    sop_mutex_lock(&me->lock);
    while (database->uses > 1) {
        sop_cond_wait(&me->changed, &me->lock, UINT64_MAX);
    }
    sop_mutex_unlock(&me->lock);
    sop_status status = SOP_OK;
    if (database->db != NULL) status = sop_db_close(database->db, err);
    database_free(database);
    return status;
}

/* ---- environments ---- */

void server_registry_free(server_registry *registry)
{
    sop_free(registry->id);
    sop_free(registry->label);
    sop_free(registry->color);
    sop_free(registry);
}

server_registry *server_registry_find(server *me, sop_slice id)
{
    server_registry *registry = me->registries;
    while (registry != NULL && !server_equal(id, registry->id)) {
        registry = registry->next;
    }
    return registry;
}

static int is_id(sop_slice id)
{
    const char *at = id.data;
    if (id.size == 0 || id.size > 40 || at[0] == '-') return 0;
    for (size_t i = 0; i < id.size; i++) {
        int good = (at[i] >= 'a' && at[i] <= 'z') || (at[i] >= '0' && at[i] <= '9') || at[i] == '-';
        if (!good) return 0;
    }
    return 1;
}

static sop_status databases_read(const server *me,
                                 const sop_json_value *wire,
                                 server_registry *registry,
                                 sop_arena *arena,
                                 sop_error *err)
{
    sop_json_value list;
    sop_json_value one;
    sop_json_iter iter;
    sop_slice key;
    size_t count = 0;
    if (server_member(wire, "databases", &list) != SOP_OK) return SOP_OK;
    sop_json_iter_init(&iter, &list);
    while (sop_json_next(&iter, &key, &one) == SOP_OK) {
        sop_slice name;
        sop_slice url;
        sop_slice description = {"", 0};
        sop_status text = server_member_text(&one, "description", arena, &description);
        if (server_member_text(&one, "name", arena, &name) != SOP_OK ||
            server_member_text(&one, "url", arena, &url) != SOP_OK ||
            (text != SOP_OK && text != SOP_NOT_FOUND) || count++ == DATABASES_MAX) {
            return sop_fail(err, SOP_INVALID, "environment %s: every database needs name and url",
                            registry->id);
        }
        char *allowed = NULL;
        /* What comes over the wire must lie in the roots; what the file says is the owner's wish. */
        if (me != NULL && registry->kind == SERVER_KIND_LOCAL) {
            sop_status status = server_url_allowed(me, url, &allowed, err);
            if (status != SOP_OK) return status;
            url = sop_str(allowed);
        }
        sop_status status = server_database_add(registry, name, url, description, NULL, err);
        sop_free(allowed);
        if (status != SOP_OK) return status;
    }
    return SOP_OK;
}

static sop_status registry_fill(const sop_json_value *wire,
                                sop_arena *arena,
                                server_registry *registry,
                                sop_error *err)
{
    sop_slice id;
    sop_slice label;
    sop_slice kind = {"local", 5};
    sop_slice color = {"grey", 4};
    sop_slice write = {"yes", 3};
    if (server_member_text(wire, "id", arena, &id) != SOP_OK || !is_id(id)) {
        return sop_fail(err, SOP_INVALID, "environment: id is 1 to 40 of a-z, 0-9 and -");
    }
    if (server_member_text(wire, "label", arena, &label) != SOP_OK || label.size > 100 ||
        !is_name(label)) {
        return sop_fail(err, SOP_INVALID, "environment %s: label is 1 to 100 bytes of plain text",
                        (const char *)id.data);
    }
    sop_ignore(server_member_text(wire, "kind", arena, &kind)); /* absent: the default */
    sop_ignore(server_member_text(wire, "color", arena, &color));
    sop_ignore(server_member_text(wire, "write", arena, &write));
    registry->kind = word(kind, KINDS, 3);
    registry->write = word(write, WRITES, 3);
    if (registry->kind < 0 || registry->write < 0 || word(color, COLORS, 6) < 0) {
        return sop_fail(err, SOP_INVALID, "environment %s: unknown kind, color or write",
                        (const char *)id.data);
    }
    registry->id = copy(id);
    registry->label = copy(label);
    registry->color = copy(color);
    if (registry->id == NULL || registry->label == NULL || registry->color == NULL) {
        return sop_fail(err, SOP_NO_MEMORY, "environment: out of memory");
    }
    return SOP_OK;
}

static void registry_drop(server_registry *registry)
{
    while (registry->databases != NULL) {
        server_database *database = registry->databases;
        registry->databases = database->next;
        database_free(database);
    }
    server_registry_free(registry);
}

sop_status server_registry_read(
    server *me, const sop_json_value *wire, int kept, server_registry **out, sop_error *err)
{
    sop_arena arena = {0};
    server_registry *registry = sop_alloc_zeroed(sizeof *registry);
    if (registry == NULL) return sop_fail(err, SOP_NO_MEMORY, "environment: out of memory");
    registry->kept = kept;
    sop_status status = registry_fill(wire, &arena, registry, err);
    if (status == SOP_OK) status = databases_read(me, wire, registry, &arena, err);
    sop_arena_deinit(&arena);
    if (status != SOP_OK) {
        registry_drop(registry);
        return status;
    }
    *out = registry;
    return SOP_OK;
}

static void registry_append(server *me, server_registry *registry)
{
    server_registry **end = &me->registries;
    while (*end != NULL) {
        end = &(*end)->next;
    }
    *end = registry;
}

/* ---- the registry file ---- */

static sop_status file_load(server *me, int needed, sop_error *err)
{
    sop_arena arena = {0};
    sop_json_value file;
    sop_json_value list;
    sop_json_value wire;
    sop_json_iter iter;
    sop_slice key;
    sop_status status = server_file_json(me->registry_file, &arena, &file, err);
    if (status == SOP_NOT_FOUND && !needed) {
        status = SOP_OK;
    } else if (status == SOP_OK && server_member(&file, "environments", &list) != SOP_OK) {
        status = sop_fail(err, SOP_INVALID, "%.150s: there is no list \"environments\"",
                          me->registry_file);
    } else if (status == SOP_OK) {
        sop_json_iter_init(&iter, &list);
        while (status == SOP_OK && sop_json_next(&iter, &key, &wire) == SOP_OK) {
            server_registry *registry;
            status = server_registry_read(NULL, &wire, 1, &registry, err);
            if (status == SOP_OK && server_registry_find(me, sop_str(registry->id)) != NULL) {
                status = sop_fail(err, SOP_INVALID, "environment %s: defined twice", registry->id);
                registry_drop(registry);
            } else if (status == SOP_OK) {
                registry_append(me, registry);
            }
        }
    }
    sop_arena_deinit(&arena);
    return status;
}

static void member_text(sop_json_writer *out, const char *name, const char *value)
{
    sop_json_key(out, sop_str(name));
    sop_json_string(out, sop_str(value));
}

static void registry_save(sop_json_writer *out, const server_registry *registry)
{
    sop_json_object_begin(out);
    member_text(out, "id", registry->id);
    member_text(out, "label", registry->label);
    member_text(out, "kind", KINDS[registry->kind]);
    member_text(out, "color", registry->color);
    member_text(out, "write", WRITES[registry->write]);
    sop_json_key(out, sop_str("databases"));
    sop_json_array_begin(out);
    for (const server_database *d = registry->databases; d != NULL; d = d->next) {
        sop_json_object_begin(out);
        member_text(out, "name", d->name);
        member_text(out, "url", d->url);
        if (d->description[0] != '\0') member_text(out, "description", d->description);
        sop_json_object_end(out);
    }
    sop_json_array_end(out);
    sop_json_object_end(out);
}

sop_status server_places_save(server *me, sop_error *err)
{
    sop_json_writer out;
    sop_slice text;
    if (me->registry_file == NULL) return SOP_OK;
    sop_json_writer_init(&out, 2);
    sop_json_object_begin(&out);
    sop_json_key(&out, sop_str("environments"));
    sop_json_array_begin(&out);
    for (const server_registry *r = me->registries; r != NULL; r = r->next) {
        if (r->kept) registry_save(&out, r);
    }
    sop_json_array_end(&out);
    sop_json_object_end(&out);
    sop_status status = sop_json_writer_end(&out, &text);
    if (status == SOP_OK) status = server_file_write(me->registry_file, text, err);
    sop_json_writer_deinit(&out);
    return status;
}

/* ---- what the command line names ---- */

static sop_slice last_part(const char *url)
{
    size_t end = strcspn(url, "?");
    while (end > 1 && url[end - 1] == '/') {
        end--;
    }
    size_t start = end;
    while (start > 0 && url[start - 1] != '/' && url[start - 1] != ':') {
        start--;
    }
    return sop_slice_of(url + start, end - start);
}

/* Adds a database under the last part of its url; a number behind it when that is taken. */
static sop_status place_add(server_registry *registry, const char *url, sop_error *err)
{
    char name[SERVER_NAME_MAX + 1];
    sop_slice last = last_part(url);
    if (last.size == 0 || last.size > 150 || !server_is_plain(last)) last = sop_str("database");
    for (int n = 1; n < DATABASES_MAX; n++) {
        int size =
            n == 1 ? snprintf(name, sizeof name, "%.*s", (int)last.size, (const char *)last.data)
                   : snprintf(name, sizeof name, "%.*s-%d", (int)last.size, (const char *)last.data,
                              n);
        if (size > 0 && server_database_find(registry, sop_str(name)) == NULL) break;
    }
    return server_database_add(registry, sop_str(name), sop_str(url), sop_str(""), NULL, err);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The databases inside a folder that is none itself, by name. */
static sop_status folder_add(server_registry *registry, const char *folder, sop_error *err)
{
    char *found[256];
    size_t count = 0;
    char path[4096];
    DIR *listing = opendir(folder);
    if (listing == NULL) {
        return errno == ENOENT ? SOP_OK : sop_fail_errno(err, errno, 0, "folder %.150s", folder);
    }
    const struct dirent *entry;
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): the listing belongs to this thread */
    while (count < 256 && (entry = readdir(listing)) != NULL) {
        int size = snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        int good = size > 0 && (size_t)size < sizeof path && entry->d_name[0] != '.' &&
                   server_is_database(path);
        if (good && (found[count] = sop_strdup(path)) != NULL) count++;
    }
    (void)closedir(listing);
    qsort(found, count, sizeof found[0], compare_names);
    sop_status status = SOP_OK;
    for (size_t i = 0; i < count; i++) {
        if (status == SOP_OK) status = place_add(registry, found[i], err);
        sop_free(found[i]);
    }
    return status;
}

static sop_status root_add(server *me, const char *folder, sop_error *err)
{
    if (me->root_count == SERVER_LIST_MAX) return SOP_OK;
    char root[PATH_MAX];
    if (realpath(folder, root) == NULL) {
        return sop_fail_errno(err, errno, 0, "folder %.150s", folder);
    }
    char *kept = sop_strdup(root);
    if (kept == NULL) return sop_fail(err, SOP_NO_MEMORY, "folders: out of memory");
    me->roots[me->root_count++] = kept;
    return SOP_OK;
}

/* The folder around a database is a root, so that copies and new ones can be made beside it. */
static sop_status parent_root_add(server *me, const char *folder, sop_error *err)
{
    char parent[4096];
    int size = snprintf(parent, sizeof parent, "%s/..", folder);
    if (size < 0 || (size_t)size >= sizeof parent) return SOP_OK;
    return root_add(me, parent, err);
}

static sop_status
place_load(server *me, server_registry *local, const char *url, int may_create, sop_error *err)
{
    char *folder = NULL;
    sop_status status = server_url_folder(url, &folder, err);
    if (status != SOP_OK) return status;
    if (folder == NULL || folder[0] == '\0') {
        status = place_add(local, url, err);
    } else if (server_is_database(folder)) {
        status = place_add(local, url, err);
        if (status == SOP_OK && may_create) status = parent_root_add(me, folder, err);
    } else {
        (void)mkdir(folder, 0777); /* a folder that cannot be made is refused by root_add */
        if (may_create) status = root_add(me, folder, err);
        if (status == SOP_OK) status = folder_add(local, folder, err);
    }
    sop_free(folder);
    return status;
}

static sop_status local_load(server *me, const server_options *options, sop_error *err)
{
    sop_json_value wire;
    server_registry *local;
    sop_status status = sop_json_read(
        sop_str("{\"id\":\"local\",\"label\":\"Local\",\"color\":\"green\",\"write\":\"yes\"}"),
        &wire);
    if (status == SOP_OK) status = server_registry_read(NULL, &wire, 0, &local, err);
    if (status != SOP_OK) return status;
    registry_append(me, local);
    for (size_t i = 0; i < options->place_count && status == SOP_OK; i++) {
        status = place_load(me, local, options->places[i], options->root_count == 0, err);
    }
    return status;
}

/* $XDG_CONFIG_HOME/sop/registry.json or ~/.config/sop/registry.json. */
static char *own_registry_file(void)
{
    char path[4096];
    const char *config = getenv("XDG_CONFIG_HOME"); /* NOLINT(concurrency-mt-unsafe): one thread */
    const char *home = getenv("HOME");              /* NOLINT(concurrency-mt-unsafe): likewise */
    int size = -1;
    if (config != NULL && config[0] == '/') {
        size = snprintf(path, sizeof path, "%s/sop/registry.json", config);
    } else if (home != NULL && home[0] == '/') {
        size = snprintf(path, sizeof path, "%s/.config/sop/registry.json", home);
    }
    return size < 0 || (size_t)size >= sizeof path ? NULL : sop_strdup(path);
}

sop_status server_places_load(server *me, const server_options *options, sop_error *err)
{
    sop_status status = SOP_OK;
    for (size_t i = 0; i < options->root_count && status == SOP_OK; i++) {
        status = root_add(me, options->roots[i], err);
    }
    if (options->registry != NULL) {
        me->registry_file = sop_strdup(options->registry);
    } else if (options->place_count == 0) {
        me->registry_file = own_registry_file();
    }
    int alone = me->registry_file == NULL || options->place_count > 0;
    if (status == SOP_OK && alone) status = local_load(me, options, err);
    if (status == SOP_OK && me->registry_file != NULL) {
        status = file_load(me, options->registry != NULL && options->place_count == 0, err);
    }
    if (status == SOP_OK && me->registries == NULL) status = local_load(me, options, err);
    return status;
}

void server_places_free(server *me)
{
    sop_error err;
    while (me->registries != NULL) {
        server_registry *registry = me->registries;
        while (registry->databases != NULL) {
            /* The server ends: a database that cannot be closed cleanly is recovered next time. */
            registry->databases->uses++;
            sop_ignore(server_database_forget(me, registry->databases, &err));
        }
        me->registries = registry->next;
        server_registry_free(registry);
    }
}
