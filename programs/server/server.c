/* SPDX-License-Identifier: MIT */
/* Starting and stopping the server: options, places, sessions, HTTP. */
#include "server/server.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "server/server_file.h"
#include "server/server_http.h"
#include "server/server_private.h"
#include "util/bytes.h"
#include "util/error.h"
#include "util/memory.h"

enum { PEM_MAX = 1 << 20 };

int server_stopping(const server *me)
{
    /* Pairs with the release in server_stop. */
    return atomic_load_explicit(&me->stopping, memory_order_acquire) != 0;
}

const char *server_address(const server *me)
{
    return me->address;
}

const char *server_launch_token(const server *me)
{
    return me->launch[0] == '\0' ? NULL : me->launch;
}

static int is_loopback(const char *address)
{
    return strncmp(address, "127.", 4) == 0 || strcmp(address, "::1") == 0;
}

static sop_status options_check(const server_options *options, sop_error *err)
{
    int tls = options->tls_certificate != NULL && options->tls_key != NULL;
    if ((options->tls_certificate == NULL) != (options->tls_key == NULL)) {
        return sop_fail(err, SOP_INVALID, "TLS needs a certificate and its key");
    }
    if (options->listen == NULL || is_loopback(options->listen)) return SOP_OK;
    if (options->users == NULL) {
        return sop_fail(err, SOP_INVALID,
                        "listening on %.60s needs users: everybody could read and write",
                        options->listen);
    }
    if (!tls && !options->insecure) {
        return sop_fail(
            err, SOP_INVALID,
            "listening on %.60s needs TLS, or --insecure to send passwords in the clear",
            options->listen);
    }
    return SOP_OK;
}

/* ---- names of this server ---- */

static sop_status host_add(server *me, const char *name)
{
    if (me->host_count == sizeof me->hosts / sizeof me->hosts[0]) return SOP_OK;
    char *kept = sop_strdup(name);
    if (kept == NULL) return SOP_NO_MEMORY;
    me->hosts[me->host_count++] = kept;
    return SOP_OK;
}

static sop_status hosts_fill(server *me, const char *address, const server_options *options)
{
    char name[300];
    const char *const own[] = {"127.0.0.1", "localhost", "[::1]"};
    sop_status status = SOP_OK;
    for (size_t i = 0; i < 3 && status == SOP_OK; i++) {
        (void)snprintf(name, sizeof name, "%s:%u", own[i], me->port);
        status = host_add(me, name);
    }
    int six = strchr(address, ':') != NULL;
    (void)snprintf(name, sizeof name, "%s%.100s%s:%u", six ? "[" : "", address, six ? "]" : "",
                   me->port);
    if (status == SOP_OK) status = host_add(me, name);
    for (size_t i = 0; i < options->host_count && status == SOP_OK; i++) {
        (void)snprintf(name, sizeof name, "%.250s", options->hosts[i]);
        status = host_add(me, name);
        (void)snprintf(name, sizeof name, "%.250s:%u", options->hosts[i], me->port);
        if (status == SOP_OK && strchr(options->hosts[i], ':') == NULL) status = host_add(me, name);
    }
    (void)snprintf(name, sizeof name, "%s://%s%.100s%s:%u", me->secure ? "https" : "http",
                   six ? "[" : "", address, six ? "]" : "", me->port);
    me->address = sop_strdup(name);
    return me->address == NULL ? SOP_NO_MEMORY : status;
}

/* ---- start ---- */

static sop_status salt_of(const server *me, char *out, size_t size)
{
    size_t at = 0;
    out[0] = '\0';
    for (const server_registry *r = me->registries; r != NULL; r = r->next) {
        for (const server_database *d = r->databases; d != NULL; d = d->next) {
            int put = snprintf(out + at, size - at, "%s\n", d->url);
            if (put < 0 || at + (size_t)put >= size) return SOP_OK; /* long enough as it is */
            at += (size_t)put;
        }
    }
    return SOP_OK;
}

static sop_status state_start(server *me, const server_options *options, sop_error *err)
{
    char salt[4096];
    uint8_t token[32];
    me->read_only = options->read_only;
    me->body_max = options->body_max == 0 ? SERVER_BODY_MAX : options->body_max;
    me->receive_ns =
        (options->receive_ms == 0 ? SERVER_RECEIVE_MS : options->receive_ms) * UINT64_C(1000000);
    me->secure = options->tls_key != NULL;
    if (options->page_path != NULL) {
        me->page_path = sop_strdup(options->page_path);
        if (me->page_path == NULL) return sop_fail(err, SOP_NO_MEMORY, "server: out of memory");
    }
    sop_status status = server_places_load(me, options, err);
    if (status == SOP_OK) status = salt_of(me, salt, sizeof salt);
    if (status == SOP_OK) status = server_session_key_load(me, salt, err);
    if (status == SOP_OK) status = server_users_load(options->users, &me->users, err);
    if (status != SOP_OK || me->users != NULL) return status;
    randombytes_buf(token, sizeof token);
    server_base64_write(sop_slice_of(token, sizeof token), me->launch);
    return SOP_OK;
}

static sop_status tls_read(const char *path, sop_arena *arena, char **out, sop_error *err)
{
    sop_slice text;
    if (path == NULL) return SOP_OK;
    sop_status status = server_file_read(path, PEM_MAX, arena, &text, err);
    if (status != SOP_OK) return status;
    *out = sop_arena_copy(arena, text.data, text.size + 1);
    return *out == NULL ? sop_fail(err, SOP_NO_MEMORY, "TLS: out of memory") : SOP_OK;
}

static sop_status http_start(server *me, const server_options *options, sop_error *err)
{
    const char *address = options->listen == NULL ? "127.0.0.1" : options->listen;
    sop_arena arena = {0};
    server_tls tls = {0};
    sop_status status = tls_read(options->tls_certificate, &arena, &tls.certificate, err);
    if (status == SOP_OK) status = tls_read(options->tls_key, &arena, &tls.key, err);
    if (status == SOP_OK) status = server_http_start(me, address, options->port, &tls, err);
    sop_arena_deinit(&arena);
    if (status != SOP_OK) return status;
    /* Cookies know no ports: servers side by side must not end each other's sessions. */
    (void)snprintf(me->cookie, sizeof me->cookie, "sop_session_%u", me->port);
    status = hosts_fill(me, address, options);
    return status == SOP_OK ? SOP_OK : sop_fail(err, status, "server: out of memory");
}

sop_status server_start(const server_options *options, server **server_out, sop_error *err)
{
    *server_out = NULL;
    sop_status status = options_check(options, err);
    if (status != SOP_OK) return status;
    server *me = sop_alloc_zeroed(sizeof *me);
    if (me == NULL) return sop_fail(err, SOP_NO_MEMORY, "server: out of memory");
    status = state_start(me, options, err);
    if (status == SOP_OK) status = http_start(me, options, err);
    if (status != SOP_OK) {
        server_stop(me);
        return status;
    }
    *server_out = me;
    return SOP_OK;
}

void server_stop(server *me)
{
    if (me == NULL) return;
    /* Pairs with the acquire in server_stopping. */
    atomic_store_explicit(&me->stopping, 1, memory_order_release);
    sop_wake(&me->stopping, INT32_MAX);
    server_jobs_stop(me, NULL);
    server_http_stop(me);
    server_places_free(me);
    server_users_free(me->users);
    for (size_t i = 0; i < me->host_count; i++) {
        sop_free(me->hosts[i]);
    }
    for (size_t i = 0; i < me->root_count; i++) {
        sop_free(me->roots[i]);
    }
    sop_free(me->address);
    sop_free(me->registry_file);
    sop_free(me->page_path);
    sodium_memzero(me, sizeof *me);
    sop_free(me);
}
