/* SPDX-License-Identifier: MIT */
/* Sessions: a signed cookie that outlives a restart of the server, and arming of environments. */
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/server_private.h"
#include "util/bytes.h"
#include "util/error.h"

static const char *const ROLES[] = {"nobody", "viewer", "editor", "admin"};

server_role server_role_read(sop_slice name)
{
    for (int i = SERVER_VIEWER; i <= SERVER_ADMIN; i++) {
        if (server_equal(name, ROLES[i])) return (server_role)i;
    }
    return SERVER_NOBODY;
}

const char *server_role_name(server_role role)
{
    return ROLES[role];
}

/* ---- the key that signs ---- */

/* $XDG_STATE_HOME/sop or ~/.local/state/sop, made when it is missing. 0: none can be had. */
static int state_folder(char *out, size_t size)
{
    const char *state =
        getenv("XDG_STATE_HOME");      /* NOLINT(concurrency-mt-unsafe): one thread yet */
    const char *home = getenv("HOME"); /* NOLINT(concurrency-mt-unsafe): likewise */
    int written = -1;
    if (state != NULL && state[0] == '/') {
        written = snprintf(out, size, "%s", state);
    } else if (home != NULL && home[0] == '/') {
        written = snprintf(out, size, "%s/.local/state", home);
    }
    if (written < 0 || (size_t)written + sizeof "/sop" > size) return 0;
    for (char *at = out + 1; *at != '\0'; at++) {
        if (*at != '/') continue;
        *at = '\0';
        (void)mkdir(out, 0700); /* what fails here fails below */
        *at = '/';
    }
    (void)mkdir(out, 0700);
    memcpy(out + strlen(out), "/sop", sizeof "/sop");
    return mkdir(out, 0700) == 0 || errno == EEXIST;
}

static int key_read(const char *path, uint8_t key[32])
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return 0;
    ssize_t size = read(file, key, 32);
    (void)close(file);
    return size == 32;
}

static void key_write(const char *path, const uint8_t key[32])
{
    int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file < 0) return;
    if (write(file, key, 32) != 32) (void)unlink(path);
    (void)close(file);
}

sop_status server_session_key_load(server *me, const char *salt, sop_error *err)
{
    char path[1024];
    uint8_t master[32];
    if (sodium_init() < 0) return sop_fail(err, SOP_UNSUPPORTED, "libsodium cannot start");
    randombytes_buf(master, sizeof master);
    if (state_folder(path, sizeof path - sizeof "/session.key")) {
        memcpy(path + strlen(path), "/session.key", sizeof "/session.key");
        key_write(path, master);
        if (!key_read(path, master)) randombytes_buf(master, sizeof master);
    }
    /* Another set of databases, another key: a session opens what it was opened for. */
    (void)crypto_generichash(me->session_key, sizeof me->session_key, (const uint8_t *)salt,
                             strlen(salt), master, sizeof master);
    return SOP_OK;
}

/* ---- the cookie: id (16), end in seconds (8), role (1), user; signature (32) ---- */

enum { FIXED = 25, COOKIE_BYTES = FIXED + SERVER_USER_MAX + crypto_auth_BYTES };

static sop_slice cookie_make(server_request *r, const server_session *session)
{
    uint8_t bytes[COOKIE_BYTES];
    size_t user = strlen(session->user);
    size_t size = FIXED + user;
    memcpy(bytes, session->id, 16);
    sop_put_u64le(bytes + 16, sop_wall_ns() / 1000000000 + SERVER_SESSION_S);
    bytes[24] = (uint8_t)session->role;
    memcpy(bytes + FIXED, session->user, user);
    (void)crypto_auth(bytes + size, bytes, size, r->server->session_key);
    size += crypto_auth_BYTES;
    size_t text = server_base64_size(size);
    char *out = sop_arena_alloc(&r->arena, text + 1);
    if (out == NULL) return (sop_slice){0};
    server_base64_write(sop_slice_of(bytes, size), out);
    out[text] = '\0';
    return sop_slice_of(out, text);
}

static int is_ended(server *me, const uint8_t id[16])
{
    int found = 0;
    sop_mutex_lock(&me->lock);
    size_t count = me->ended_count < 256 ? me->ended_count : 256;
    for (size_t i = 0; i < count && !found; i++) {
        found = memcmp(me->ended[i], id, 16) == 0;
    }
    sop_mutex_unlock(&me->lock);
    return found;
}

static void cookie_read(server_request *r, const char *text)
{
    sop_slice bytes;
    server *me = r->server;
    if (server_base64_read(sop_str(text), &r->arena, &bytes) != 0) return;
    if (bytes.size < FIXED + crypto_auth_BYTES || bytes.size > COOKIE_BYTES) return;
    const uint8_t *at = bytes.data;
    size_t size = bytes.size - crypto_auth_BYTES;
    if (crypto_auth_verify(at + size, at, size, me->session_key) != 0) return;
    if (sop_get_u64le(at + 16) < sop_wall_ns() / 1000000000 || is_ended(me, at)) return;
    memcpy(r->session.id, at, 16);
    memcpy(r->session.user, at + FIXED, size - FIXED);
    r->session.user[size - FIXED] = '\0';
    r->session.role = at[24] <= SERVER_ADMIN ? (server_role)at[24] : SERVER_NOBODY;
    /* A user who was taken away or given another role meanwhile. */
    if (me->users != NULL) r->session.role = server_users_role(me->users, r->session.user);
}

void server_session_find(server_request *r)
{
    const char *cookie =
        MHD_lookup_connection_value(r->connection, MHD_COOKIE_KIND, r->server->cookie);
    const char *bearer =
        MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND, "Authorization");
    r->session = (server_session){0};
    if (bearer != NULL && strncmp(bearer, "Bearer ", 7) == 0) {
        if (r->server->users == NULL) return;
        r->session.role =
            server_users_bearer(r->server->users, sop_str(bearer + 7), r->session.user);
        (void)crypto_generichash(r->session.id, 16, (const uint8_t *)bearer, strlen(bearer), NULL,
                                 0);
    } else if (cookie != NULL) {
        cookie_read(r, cookie);
    }
}

/* ---- opening and closing ---- */

static int session_answer(server_request *r)
{
    sop_json_writer *out = &r->out;
    sop_json_object_begin(out);
    sop_json_key(out, sop_str("user"));
    sop_json_string(out, sop_str(r->session.user));
    sop_json_key(out, sop_str("role"));
    sop_json_string(out, sop_str(server_role_name(r->session.role)));
    sop_json_key(out, sop_str("read_only"));
    sop_json_bool(out, r->server->read_only);
    sop_json_object_end(out);
    return 200;
}

int server_session_get(server_request *r)
{
    return session_answer(r);
}

/* Takes the launch token if it is this one: it works once. */
static int launch_take(server *me, sop_slice token)
{
    char padded[sizeof me->launch] = {0};
    if (token.size == 0 || token.size >= sizeof padded) return 0;
    memcpy(padded, token.data, token.size);
    sop_mutex_lock(&me->lock);
    int same = me->launch[0] != '\0' && sodium_memcmp(padded, me->launch, sizeof padded) == 0;
    if (same) sodium_memzero(me->launch, sizeof me->launch);
    sop_mutex_unlock(&me->lock);
    return same;
}

/* One attempt a second, one at a time: whoever guesses passwords waits. */
static server_role password_check(server *me, const char *user, const char *password)
{
    sop_mutex_lock(&me->login_lock);
    uint64_t now = sop_boot_ns();
    _Atomic uint32_t nothing = 0;
    while (now < me->login_at_ns && !server_stopping(me)) {
        sop_wait(&nothing, 0, me->login_at_ns - now);
        now = sop_boot_ns();
    }
    server_role role = server_users_login(me->users, user, password);
    if (role == SERVER_NOBODY) me->login_at_ns = sop_boot_ns() + UINT64_C(1000000000);
    sop_mutex_unlock(&me->login_lock);
    return role;
}

static server_role credentials_check(server_request *r, char user_out[SERVER_USER_MAX + 1])
{
    sop_slice token;
    sop_slice user;
    sop_slice password;
    if (server_member_text(&r->json, "token", &r->arena, &token) == SOP_OK) {
        const char *name = getenv("USER"); /* NOLINT(concurrency-mt-unsafe): nobody sets it here */
        (void)snprintf(user_out, SERVER_USER_MAX + 1, "%.60s",
                       name == NULL || !server_is_plain(sop_str(name)) || name[0] == '\0' ? "you"
                                                                                          : name);
        return launch_take(r->server, token) ? SERVER_ADMIN : SERVER_NOBODY;
    }
    if (r->server->users == NULL ||
        server_member_text(&r->json, "user", &r->arena, &user) != SOP_OK ||
        server_member_text(&r->json, "password", &r->arena, &password) != SOP_OK ||
        user.size > SERVER_USER_MAX || memchr(user.data, 0, user.size) != NULL) {
        return SERVER_NOBODY;
    }
    memcpy(user_out, user.data, user.size + 1);
    return password_check(r->server, user_out, password.data);
}

int server_session_open(server_request *r)
{
    server_session session = {0};
    session.role = credentials_check(r, session.user);
    if (session.role == SERVER_NOBODY) {
        return server_error(r, 401, "unauthenticated",
                            "the token was used already, or the name and password are wrong");
    }
    randombytes_buf(session.id, sizeof session.id);
    sop_slice value = cookie_make(r, &session);
    size_t size = value.size + 160;
    char *cookie = sop_arena_alloc(&r->arena, size);
    if (value.data == NULL || cookie == NULL) return server_fail(r, SOP_NO_MEMORY, NULL);
    (void)snprintf(cookie, size, "%s=%s; Path=/; Max-Age=%d; HttpOnly; SameSite=Strict%s",
                   r->server->cookie, (const char *)value.data, (int)SERVER_SESSION_S,
                   r->server->secure ? "; Secure" : "");
    r->cookie = cookie;
    r->session = session;
    return session_answer(r);
}

int server_session_close(server_request *r)
{
    server *me = r->server;
    sop_mutex_lock(&me->lock);
    memcpy(me->ended[me->ended_count++ % 256], r->session.id, 16);
    sop_mutex_unlock(&me->lock);
    char *cookie = sop_arena_alloc(&r->arena, 128);
    if (cookie != NULL) {
        (void)snprintf(cookie, 128, "%s=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict",
                       me->cookie);
        r->cookie = cookie;
    }
    return 204;
}

/* ---- arming ---- */

int server_is_armed(server *me, const server_session *session, const server_registry *registry)
{
    uint64_t now = sop_boot_ns();
    int armed = 0;
    for (size_t i = 0; i < sizeof me->armed / sizeof me->armed[0] && !armed; i++) {
        const server_armed *a = &me->armed[i];
        armed = a->registry == registry && a->until_ns > now &&
                memcmp(a->session, session->id, 16) == 0;
    }
    return armed;
}

void server_arm(server *me, const server_session *session, server_registry *registry, int on)
{
    size_t free_at = 0;
    size_t count = sizeof me->armed / sizeof me->armed[0];
    for (size_t i = 0; i < count; i++) {
        server_armed *a = &me->armed[i];
        if (a->registry == registry && memcmp(a->session, session->id, 16) == 0) a->until_ns = 0;
        if (a->until_ns < me->armed[free_at].until_ns) free_at = i;
    }
    if (!on) return;
    server_armed *a = &me->armed[free_at]; /* the one that ends first, when all are taken */
    memcpy(a->session, session->id, 16);
    a->registry = registry;
    a->until_ns = sop_boot_ns() + SERVER_ARMED_MS * UINT64_C(1000000);
}

void server_disarm(server *me, const server_registry *registry)
{
    for (size_t i = 0; i < sizeof me->armed / sizeof me->armed[0]; i++) {
        if (me->armed[i].registry == registry) me->armed[i] = (server_armed){0};
    }
}
