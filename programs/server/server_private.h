/* SPDX-License-Identifier: MIT */
/* What the files of the server share: the server, its databases, a request on its way to an answer. */
#ifndef SERVER_SERVER_PRIVATE_H
#define SERVER_SERVER_PRIVATE_H

#include <microhttpd.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "sop/sop.h"

#include "json/json.h"
#include "server/server.h"
#include "server/server_text.h"
#include "server/server_wire.h"
#include "util/arena.h"
#include "util/compiler.h"
#include "util/mutex.h"
#include "util/world.h"

enum {
    SERVER_BODY_MAX = 16 << 20,
    SERVER_RECEIVE_MS = 30000, /* a request must have arrived */
    SERVER_SEND_MS = 300000,   /* an answer must have been read */
    SERVER_CONNECTIONS_MAX = 256,
    SERVER_STREAMS_MAX = 64,
    SERVER_SCANS_MAX = 4,
    SERVER_ARMED_MS = 15 * 60 * 1000,
    SERVER_SESSION_S = 12 * 60 * 60
};

/* ---- who asks ---- */

typedef enum {
    SERVER_NOBODY = 0,
    SERVER_VIEWER = 1,
    SERVER_EDITOR = 2,
    SERVER_ADMIN = 3
} server_role;

enum { SERVER_NAME_MAX = 200, SERVER_USER_MAX = 64 };
typedef struct {
    server_role role;
    uint8_t id[16];
    char user[SERVER_USER_MAX + 1];
} server_session;

typedef struct server_users server_users;

/* SERVER_NOBODY for unknown names. */
server_role server_role_read(sop_slice name);
const char *server_role_name(server_role role);
/* NULL path: no users. */
SOP_MUST_CHECK sop_status server_users_load(const char *path,
                                            server_users **users_out,
                                            sop_error *err);
void server_users_free(server_users *users);
/* Slow on purpose. SERVER_NOBODY when name or password are wrong. */
server_role server_users_login(const server_users *users, const char *name, const char *password);
server_role
server_users_bearer(const server_users *users, sop_slice token, char name[SERVER_USER_MAX + 1]);
server_role server_users_role(const server_users *users, const char *name);

/* ---- environments and databases ---- */

enum { SERVER_WRITE_YES = 0, SERVER_WRITE_ARM = 1, SERVER_WRITE_NO = 2 };
enum { SERVER_KIND_LOCAL = 0, SERVER_KIND_SWARM = 1, SERVER_KIND_CASSANDRA = 2 };

typedef struct server_registry server_registry;
typedef struct server_database server_database;

struct server_database {
    server_database *next;
    server_registry *registry;
    char *name;
    char *url;
    char *description;
    uint32_t uses;    /* guarded by the server's lock */
    _Atomic int gone; /* set once when it is forgotten: streams and jobs end */
    sop_mutex open_lock;
    sop_db *db;        /* guarded by open_lock; stays until nobody uses it */
    sop_error failure; /* guarded by open_lock: why the last opening failed */
};

struct server_registry {
    server_registry *next;
    char *id;
    char *label;
    char *color;
    int kind;  /* SERVER_KIND_... */
    int write; /* SERVER_WRITE_... */
    int kept;  /* 1: written to the registry file */
    server_database *databases;
};

typedef struct {
    uint8_t session[16];
    server_registry *registry;
    uint64_t until_ns;
} server_armed;

typedef struct server_connection server_connection;
typedef struct server_job server_job;

struct server {
    struct MHD_Daemon *daemon;
    char *address;
    char *hosts[SERVER_LIST_MAX + 4]; /* allowed in the Host header */
    size_t host_count;
    char *roots[SERVER_LIST_MAX];
    size_t root_count;
    char *registry_file; /* NULL: nothing is kept */
    char *page_path;
    int secure; /* TLS */
    int read_only;
    uint64_t body_max;
    uint64_t receive_ns;
    uint16_t port;
    char cookie[32]; /* its name */
    uint8_t session_key[32];
    server_users *users;
    sop_task *reaper;

    _Atomic uint32_t stopping;
    _Atomic int streams;
    _Atomic int scans;

    sop_mutex lock; /* of everything below, and of the lists of environments */
    sop_cond changed;
    char launch[64]; /* "" once it was used */
    server_registry *registries;
    server_armed armed[64];
    uint8_t ended[256][16]; /* sessions that were closed */
    size_t ended_count;
    uint64_t login_at_ns; /* the next attempt is answered after this */
    server_connection *connections;
    server_job *jobs;
    uint64_t job_count;
    sop_mutex login_lock; /* one argon2id at a time: it takes memory */
};

int server_stopping(const server *me);

/* server_place.c */
SOP_MUST_CHECK sop_status server_places_load(server *me,
                                             const server_options *options,
                                             sop_error *err);
void server_places_free(server *me);
/* The registry file, written anew. Under the lock. */
SOP_MUST_CHECK sop_status server_places_save(server *me, sop_error *err);
server_registry *server_registry_find(server *me, sop_slice id); /* under the lock */
server_database *server_database_find(server_registry *registry, sop_slice name); /* likewise */
SOP_MUST_CHECK sop_status server_registry_read(
    server *me, const sop_json_value *wire, int kept, server_registry **out, sop_error *err);
void server_registry_free(server_registry *registry);
SOP_MUST_CHECK sop_status server_database_add(server_registry *registry,
                                              sop_slice name,
                                              sop_slice url,
                                              sop_slice description,
                                              server_database **out,
                                              sop_error *err);
/* Takes it from its environment; waits until nobody else uses it, closes and frees it. The caller
   holds a use, which ends. */
SOP_MUST_CHECK sop_status server_database_forget(server *me,
                                                 server_database *database,
                                                 sop_error *err);
/* Opens it when it is not open. The caller holds a use. */
SOP_MUST_CHECK sop_status server_database_open(
    server *me, server_database *database, int open_mode, sop_db **db_out, sop_error *err);
void server_database_release(server *me, server_database *database);
/* The folder of a url, or NULL: memory. The caller frees it. SOP_INVALID, SOP_UNSUPPORTED... */
SOP_MUST_CHECK sop_status server_url_folder(const char *url, char **folder_out, sop_error *err);
/* The url with its folder made absolute, inside an allowed root; the caller frees it. */
SOP_MUST_CHECK sop_status server_url_allowed(const server *me,
                                             sop_slice url,
                                             char **url_out,
                                             sop_error *err);
int server_is_database(const char *folder);
/* Removes the files of a database that nobody has open. */
SOP_MUST_CHECK sop_status server_folder_remove(const char *folder, sop_error *err);

/* ---- requests ---- */

typedef enum {
    SERVER_GET = 1,
    SERVER_POST = 2,
    SERVER_PATCH = 3,
    SERVER_DELETE = 4,
    SERVER_OTHER = 5
} server_method;

typedef struct {
    server *server;
    struct MHD_Connection *connection;
    server_connection *link;
    server_method method;
    sop_arena arena;
    sop_slice target;
    server_uri uri;
    server_session session;
    int started;
    int too_large;
    uint8_t *body;
    size_t body_size;
    size_t body_capacity;
    sop_json_value json; /* the body; null when there is none */
    sop_json_writer out;
    const char *type;              /* of the answer; NULL: JSON */
    struct MHD_Response *response; /* made by a handler that does not answer with `out` */
    const char *cookie;            /* Set-Cookie, or NULL */
    sop_slice names[6];            /* what stands for the stars of the route */
    server_database *database;     /* held until the answer is made */
    sop_db *db;
    int writable; /* commits are allowed */
    sop_error err;
} server_request;

/* Answers with a status of HTTP. */
typedef int (*server_handler)(server_request *r);

/* Replaces the answer by an error; returns status. */
int server_error(server_request *r, int status, const char *code, const char *format, ...)
    SOP_PRINTF(4, 5);
/* The same for what the library says. err may be NULL. */
int server_fail(server_request *r, sop_status status, const sop_error *err);
/* 400 naming the parameter or member at fault. */
int server_bad(server_request *r, const char *where, const char *format, ...) SOP_PRINTF(3, 4);

#if defined(__clang_analyzer__)
/* For the analyzer only, which cannot see into server_http.c: the status of an error is never 0. */
#define server_fail(r, status, err)  ((void)server_fail((r), (status), (err)), 500)
#define server_error(r, status, ...) ((void)server_error((r), (status), __VA_ARGS__), (status))
#define server_bad(r, ...)           ((void)server_bad((r), __VA_ARGS__), 400)
#endif

/* Finds the route, checks rights, opens the database, calls the handler. */
int server_route(server_request *r);
/* 1 if a request needs no session. */
int server_route_is_open(const server_request *r);

/* ---- sessions ---- */

/* Who asks, from the cookie or the token of a program. */
void server_session_find(server_request *r);
SOP_MUST_CHECK sop_status server_session_key_load(server *me, const char *salt, sop_error *err);
int server_session_open(server_request *r);
int server_session_close(server_request *r);
int server_session_get(server_request *r);
int server_is_armed(server *me, const server_session *session, const server_registry *registry);
void server_arm(server *me, const server_session *session, server_registry *registry, int on);
void server_disarm(server *me, const server_registry *registry);

/* ---- stores ---- */

typedef struct {
    server_form form;
    int duplicates;
    int system;
} server_store_traits;

void server_store_traits_read(const sop_store_info *info, server_store_traits *out);
/* Begins a READ transaction and opens a store. Returns 0, or the status of the answer it made. */
int server_store_enter(server_request *r,
                       sop_slice name,
                       sop_txn **txn_out,
                       sop_store **store_out,
                       sop_store_info *info_out);

/* ---- scans ---- */

/* 1 when one more scan may run; else 0. */
int server_scan_begin(server *me);
void server_scan_end(server *me);

/* ---- history ---- */

#define SERVER_HISTORY "sop:history"

/* ---- jobs ---- */

void server_jobs_stop(server *me, const server_database *of); /* NULL: all; waits for them */
/* Appends what a job is now; returns its count of changes, 0 when there is no such job. */
uint64_t
server_job_news(server *me, const server_database *of, uint64_t after, sop_json_writer *out);

/* For libmicrohttpd, which reads from pointers that are not const. */
SOP_INLINE void *server_mutable(const void *data)
{
    void *same;
    memcpy(&same, &data, sizeof same);
    return same;
}

/* ---- handlers ---- */

int server_version_get(server_request *r);
int server_health_get(server_request *r);
int server_registries_list(server_request *r);
int server_registry_add(server_request *r);
int server_registry_change(server_request *r);
int server_registry_forget(server_request *r);
int server_databases_list(server_request *r);
int server_database_create(server_request *r);
int server_database_get(server_request *r);
int server_database_change(server_request *r);
int server_database_drop(server_request *r);
int server_stats_get(server_request *r);
int server_stores_list(server_request *r);
int server_store_create(server_request *r);
int server_store_validate(server_request *r);
int server_store_get(server_request *r);
int server_store_change(server_request *r);
int server_store_drop(server_request *r);
int server_index_create(server_request *r);
int server_index_drop(server_request *r);
int server_shape_get(server_request *r);
int server_items_list(server_request *r);
int server_item_get(server_request *r);
int server_item_bytes(server_request *r);
int server_commit_make(server_request *r);
int server_commits_list(server_request *r);
int server_commit_get(server_request *r);
int server_commit_invert(server_request *r);
int server_events_open(server_request *r);
int server_jobs_list(server_request *r);
int server_job_start(server_request *r);
int server_job_get(server_request *r);
int server_job_cancel(server_request *r);
int server_job_file(server_request *r);
int server_page_get(server_request *r);

/* ---- the page ---- */

typedef struct {
    const char *path; /* begins with a slash */
    const char *type;
    const char *etag; /* with its quotes */
    const uint8_t *bytes;
    size_t size;
    const uint8_t *packed; /* gzip */
    size_t packed_size;
    int immutable;
} server_asset;
extern const server_asset server_assets[];
extern const size_t server_asset_count;

#endif
