/* SPDX-License-Identifier: MIT */
/* Between libmicrohttpd and the handlers: collects requests, checks where they come from, sends answers. */
#include "server/server_http.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "server/server_private.h"
#include "util/bytes.h"
#include "util/error.h"
#include "util/memory.h"

#if defined(__clang_analyzer__)
#undef server_fail
#undef server_error
#undef server_bad
#endif

enum { STACK_BYTES = 1 << 20, IDLE_S = 120 };

/* A connection, as long as it is open. */
struct server_connection {
    server_connection *next;
    server_connection *previous;
    int socket;
    uint64_t since_ns; /* when it began to send, or to read */
    uint64_t limit_ns; /* how long that may take; 0: no limit (streams) */
};

/* ---- answers ---- */

static const struct {
    sop_status status;
    int http;
    const char *code;
} STATUSES[] = {
    {SOP_NOT_FOUND, 404, "not_found"},
    {SOP_EXISTS, 409, "exists"},
    {SOP_CONFLICT, 409, "conflict"},
    {SOP_BUSY, 503, "busy"},
    {SOP_TIMEOUT, 503, "timeout"},
    {SOP_CANCELLED, 503, "busy"},
    {SOP_INVALID, 400, "bad_request"},
    {SOP_READ_ONLY, 403, "read_only"},
    {SOP_FULL, 507, "full"},
    {SOP_TOO_LARGE, 413, "too_large"},
    {SOP_IO, 500, "io"},
    {SOP_CORRUPT, 500, "corrupt"},
    {SOP_UNSUPPORTED, 501, "unsupported"},
    {SOP_SNAPSHOT_TOO_OLD, 410, "snapshot_too_old"},
    {SOP_COMMIT_UNKNOWN, 500, "commit_unknown"},
};

static int
error_write(server_request *r, int status, const char *code, const char *where, const char *message)
{
    sop_json_writer *out = &r->out;
    r->type = NULL;
    sop_json_writer_reset(out);
    sop_json_object_begin(out);
    sop_json_key(out, sop_str("error"));
    sop_json_object_begin(out);
    sop_json_key(out, sop_str("code"));
    sop_json_string(out, sop_str(code));
    sop_json_key(out, sop_str("message"));
    /* A message may quote a name that was cut in the middle of a character. */
    sop_json_string(out, server_is_utf8(sop_str(message)) ? sop_str(message) : sop_str(code));
    if (where != NULL) {
        sop_json_key(out, sop_str("where"));
        sop_json_string(out, sop_str(where));
    }
    sop_json_object_end(out);
    sop_json_object_end(out);
    return status;
}

int server_error(server_request *r, int status, const char *code, const char *format, ...)
{
    char message[400];
    va_list list;
    va_start(list, format);
    (void)vsnprintf(message, sizeof message, format, list);
    va_end(list);
    return error_write(r, status, code, NULL, message);
}

int server_bad(server_request *r, const char *where, const char *format, ...)
{
    char message[400];
    va_list list;
    va_start(list, format);
    (void)vsnprintf(message, sizeof message, format, list);
    va_end(list);
    return error_write(r, 400, "bad_request", where, message);
}

int server_fail(server_request *r, sop_status status, const sop_error *err)
{
    const char *text =
        err != NULL && err->message[0] != '\0' ? err->message : sop_status_text(status);
    for (size_t i = 0; i < sizeof STATUSES / sizeof STATUSES[0]; i++) {
        if (STATUSES[i].status == status) {
            return error_write(r, STATUSES[i].http, STATUSES[i].code, NULL, text);
        }
    }
    return error_write(r, 500, "internal", NULL, text);
}

static void out_free(void *data)
{
    sop_free(data);
}

static void headers_add(server_request *r, struct MHD_Response *response)
{
    static const char *const fixed[][2] = {
        {"X-Content-Type-Options", "nosniff"},
        {"Referrer-Policy", "no-referrer"},
        {"Cross-Origin-Resource-Policy", "same-origin"},
    };
    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++) {
        (void)MHD_add_response_header(response, fixed[i][0], fixed[i][1]);
    }
    if (r->cookie != NULL) (void)MHD_add_response_header(response, "Set-Cookie", r->cookie);
}

static struct MHD_Response *answer_make(server_request *r, int *status)
{
    sop_slice text = {0};
    sop_status made = SOP_OK;
    if (*status != 204) made = sop_json_writer_end(&r->out, &text);
    if (made != SOP_OK) {
        *status = server_fail(r, made == SOP_INVALID ? SOP_IO : made, NULL);
        if (sop_json_writer_end(&r->out, &text) != SOP_OK) return NULL;
    }
    struct MHD_Response *response = MHD_create_response_from_buffer_with_free_callback(
        text.size, *status == 204 ? NULL : r->out.data, *status == 204 ? NULL : out_free);
    if (response == NULL) return NULL;
    if (*status != 204) {
        sop_json_writer_init(&r->out, 0); /* the response owns the bytes now */
        (void)MHD_add_response_header(response, "Content-Type",
                                      r->type == NULL ? "application/json" : r->type);
    }
    (void)MHD_add_response_header(response, "Cache-Control", "no-store");
    return response;
}

static enum MHD_Result answer_send(server_request *r, int status)
{
    struct MHD_Response *response = r->response;
    if (response == NULL) response = answer_make(r, &status);
    if (response == NULL) return MHD_NO;
    headers_add(r, response);
    if (r->link != NULL && r->link->limit_ns != 0) {
        sop_mutex_lock(&r->server->lock);
        r->link->since_ns = sop_boot_ns();
        r->link->limit_ns = SERVER_SEND_MS * UINT64_C(1000000);
        sop_mutex_unlock(&r->server->lock);
    }
    enum MHD_Result result = MHD_queue_response(r->connection, (unsigned)status, response);
    MHD_destroy_response(response);
    r->response = NULL;
    return result;
}

/* ---- where a request comes from ---- */

static const char *header(const server_request *r, const char *name)
{
    return MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND, name);
}

static int host_allowed(const server *me, const char *host)
{
    for (size_t i = 0; host != NULL && i < me->host_count; i++) {
        if (strcmp(me->hosts[i], host) == 0) return 1;
    }
    return 0;
}

/* The address of a page that may write: that of this server, as the browser was sent to it. */
static int origin_allowed(const server_request *r, const char *origin)
{
    const char *scheme = r->server->secure ? "https://" : "http://";
    size_t size = strlen(scheme);
    return strncmp(origin, scheme, size) == 0 && strcmp(origin + size, header(r, "Host")) == 0;
}

static int is_json(const char *type)
{
    return type != NULL && strncmp(type, "application/json", 16) == 0 &&
           (type[16] == '\0' || type[16] == ';' || type[16] == ' ');
}

static int writes_check(server_request *r)
{
    const char *origin = header(r, "Origin");
    const char *type = header(r, "Content-Type");
    const char *mark = header(r, "X-SOP-Request");
    const char *length = header(r, "Content-Length");
    int has_body =
        (length != NULL && strcmp(length, "0") != 0) || header(r, "Transfer-Encoding") != NULL;
    uint64_t size;
    if (origin != NULL && !origin_allowed(r, origin)) {
        return server_error(r, 403, "forbidden", "the request comes from another page");
    }
    if (mark == NULL || strcmp(mark, "1") != 0) {
        return server_error(r, 403, "forbidden", "the header X-SOP-Request: 1 is missing");
    }
    if (has_body && !is_json(type)) {
        return server_error(r, 415, "bad_request", "the body must be application/json");
    }
    if (length != NULL && server_uint_read(sop_str(length), &size) == 0 &&
        size > r->server->body_max) {
        return server_error(r, 413, "too_large",
                            "the body has %" PRIu64 " bytes, %" PRIu64 " are allowed", size,
                            r->server->body_max);
    }
    return 0;
}

/* What can be refused before the body is read. 0: go on. */
static int head_check(server_request *r)
{
    const char *site = header(r, "Sec-Fetch-Site");
    if (!host_allowed(r->server, header(r, "Host"))) {
        return server_error(r, 421, "forbidden", "this server does not go by that name");
    }
    if (server_uri_parse(r->target, &r->arena, &r->uri) != 0) {
        return server_error(r, 400, "bad_request", "the address cannot be read");
    }
    if (r->uri.segment_count == 0 || !server_equal(r->uri.segments[0], "api")) {
        return r->method == SERVER_GET
                   ? 0
                   : server_error(r, 405, "bad_request", "the page can only be read");
    }
    if (site != NULL && strcmp(site, "same-origin") != 0 && strcmp(site, "none") != 0) {
        return server_error(r, 403, "forbidden", "the request comes from another page");
    }
    if (r->method == SERVER_OTHER) {
        return server_error(r, 405, "bad_request", "a method that is not known here");
    }
    if (r->method != SERVER_GET) {
        int refused = writes_check(r);
        if (refused != 0) return refused;
    }
    server_session_find(r);
    if (r->session.role == SERVER_NOBODY && !server_route_is_open(r)) {
        return server_error(r, 401, "unauthenticated",
                            "there is no session; open the address "
                            "that sop serve printed, or sign in");
    }
    return 0;
}

/* ---- one request ---- */

static void *request_begin(void *context, const char *target, struct MHD_Connection *connection)
{
    server_request *r = sop_alloc_zeroed(sizeof *r);
    if (r == NULL) return NULL;
    r->server = context;
    r->connection = connection;
    sop_json_writer_init(&r->out, 0);
    size_t size = strlen(target);
    r->target = sop_slice_of(sop_arena_copy(&r->arena, target, size), size);
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    if (info != NULL) r->link = info->socket_context;
    return r;
}

static void request_end(void *context,
                        struct MHD_Connection *connection,
                        void **request,
                        enum MHD_RequestTerminationCode code)
{
    server *me = context;
    server_request *r = *request;
    (void)connection;
    (void)code;
    if (r == NULL) return;
    *request = NULL;
    if (r->link != NULL) {
        sop_mutex_lock(&me->lock);
        r->link->since_ns = sop_boot_ns();
        r->link->limit_ns = IDLE_S * UINT64_C(1000000000);
        sop_mutex_unlock(&me->lock);
    }
    if (r->database != NULL) server_database_release(me, r->database);
    if (r->response != NULL) MHD_destroy_response(r->response);
    sop_json_writer_deinit(&r->out);
    sop_arena_deinit(&r->arena);
    sop_free(r->body);
    sop_free(r);
}

static int body_append(server_request *r, const char *data, size_t size)
{
    size_t needed = r->body_size + size;
    if (r->too_large || needed > r->server->body_max) {
        r->too_large = 1;
        return 1;
    }
    if (needed > r->body_capacity) {
        size_t capacity = r->body_capacity < 4096 ? 4096 : 2 * r->body_capacity;
        if (capacity < needed) capacity = needed;
        uint8_t *body = sop_realloc(r->body, capacity);
        if (body == NULL) return 0;
        r->body = body;
        r->body_capacity = capacity;
    }
    memcpy(r->body + r->body_size, data, size);
    r->body_size = needed;
    return 1;
}

static int body_parse(server_request *r)
{
    sop_json_limits limits = {.depth_max = SERVER_JSON_DEPTH + 16, .reject_lone_surrogates = 0};
    sop_slice text = sop_slice_of(r->body, r->body_size);
    sop_json_position where;
    if (r->too_large) {
        return server_error(r, 413, "too_large", "the body is longer than %" PRIu64 " bytes",
                            r->server->body_max);
    }
    r->json = (sop_json_value){SOP_JSON_NULL, {"null", 4}};
    if (text.size == 0) return 0;
    if (sop_json_check(text, &limits, &where, NULL) != SOP_OK) {
        return server_error(r, 400, "bad_request", "the body is not JSON at byte %zu: %s",
                            where.offset, where.reason);
    }
    return sop_json_read(text, &r->json) == SOP_OK ? 0 : server_fail(r, SOP_INVALID, NULL);
}

static int request_answer(server_request *r)
{
    int status = body_parse(r);
    if (status != 0) return status;
    if (r->uri.segment_count == 0 || !server_equal(r->uri.segments[0], "api")) {
        return server_page_get(r);
    }
    return server_route(r);
}

static server_method method_read(const char *name)
{
    if (strcmp(name, "GET") == 0 || strcmp(name, "HEAD") == 0) return SERVER_GET;
    if (strcmp(name, "POST") == 0) return SERVER_POST;
    if (strcmp(name, "PATCH") == 0) return SERVER_PATCH;
    return strcmp(name, "DELETE") == 0 ? SERVER_DELETE : SERVER_OTHER;
}

/* NOLINTNEXTLINE(readability-function-size): libmicrohttpd wants these parameters */
static enum MHD_Result request_handle(void *context,
                                      struct MHD_Connection *connection,
                                      const char *url,
                                      const char *method,
                                      const char *version,
                                      const char *data,
                                      size_t *size,
                                      void **request)
{
    server_request *r = *request;
    (void)context;
    (void)connection;
    (void)url;
    (void)version;
    if (r == NULL || r->target.data == NULL) return MHD_NO;
    if (!r->started) {
        r->started = 1;
        r->method = method_read(method);
        int refused = head_check(r);
        return refused == 0 ? MHD_YES : answer_send(r, refused);
    }
    if (*size != 0) {
        if (!body_append(r, data, *size)) return MHD_NO;
        *size = 0;
        return MHD_YES;
    }
    int status = request_answer(r);
    if (r->database != NULL && r->response == NULL) {
        server_database_release(r->server, r->database);
        r->database = NULL;
    }
    return answer_send(r, status);
}

/* ---- connections ---- */

static void connection_changed(void *context,
                               struct MHD_Connection *connection,
                               void **socket_context,
                               enum MHD_ConnectionNotificationCode code)
{
    server *me = context;
    server_connection *link = *socket_context;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        link = sop_alloc_zeroed(sizeof *link);
        *socket_context = link;
        if (link == NULL) return;
        link->socket =
            MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
        sop_mutex_lock(&me->lock);
        link->since_ns = sop_boot_ns();
        link->limit_ns = me->receive_ns;
        link->next = me->connections;
        if (link->next != NULL) link->next->previous = link;
        me->connections = link;
        sop_mutex_unlock(&me->lock);
    } else if (link != NULL) {
        sop_mutex_lock(&me->lock);
        if (link->next != NULL) link->next->previous = link->previous;
        if (link->previous != NULL) {
            link->previous->next = link->next;
        } else {
            me->connections = link->next;
        }
        sop_mutex_unlock(&me->lock);
        sop_free(link);
        *socket_context = NULL;
    }
}

void server_connection_unlimited(server_request *r)
{
    (void)MHD_set_connection_option(r->connection, MHD_CONNECTION_OPTION_TIMEOUT, 0u);
    if (r->link == NULL) return;
    sop_mutex_lock(&r->server->lock);
    r->link->limit_ns = 0;
    sop_mutex_unlock(&r->server->lock);
}

/* Cuts connections whose client takes too long: its thread is then free again. */
static void reap(void *context)
{
    server *me = context;
    while (!server_stopping(me)) {
        uint64_t now = sop_boot_ns();
        sop_mutex_lock(&me->lock);
        for (server_connection *link = me->connections; link != NULL; link = link->next) {
            if (link->limit_ns != 0 && now - link->since_ns > link->limit_ns) {
                (void)shutdown(link->socket, SHUT_RDWR);
            }
        }
        sop_mutex_unlock(&me->lock);
        sop_wait(&me->stopping, 0, UINT64_C(250000000));
    }
}

/* ---- start and stop ---- */

static size_t raw_unescape(void *context, struct MHD_Connection *connection, char *text)
{
    (void)context;
    (void)connection;
    return strlen(text); /* server_uri_parse decodes, and tells %2F from a slash */
}

static sop_status
listen_address(const char *name, uint16_t port, struct sockaddr_storage *out, sop_error *err)
{
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
                             .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    char service[8];
    (void)snprintf(service, sizeof service, "%u", port);
    if (getaddrinfo(name, service, &hints, &found) != 0) {
        return sop_fail(err, SOP_INVALID, "listen address %.100s: not a numeric address", name);
    }
    memcpy(out, found->ai_addr, found->ai_addrlen);
    freeaddrinfo(found);
    return SOP_OK;
}

sop_status server_http_start(
    server *me, const char *address, uint16_t port, const server_tls *tls, sop_error *err)
{
    struct sockaddr_storage place = {0};
    sop_status status = listen_address(address, port, &place, err);
    if (status != SOP_OK) return status;
    unsigned flags = MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL;
    if (place.ss_family == AF_INET6) flags |= MHD_USE_IPv6;
    if (tls->key != NULL) flags |= MHD_USE_TLS;
    struct MHD_OptionItem options[] = {
        {MHD_OPTION_CONNECTION_LIMIT, SERVER_CONNECTIONS_MAX, NULL},
        {MHD_OPTION_CONNECTION_TIMEOUT, IDLE_S, NULL},
        {MHD_OPTION_THREAD_STACK_SIZE, STACK_BYTES, NULL},
        {MHD_OPTION_CONNECTION_MEMORY_LIMIT, 64 << 10, NULL},
        {tls->key == NULL ? MHD_OPTION_END : MHD_OPTION_HTTPS_MEM_KEY, 0, tls->key},
        {MHD_OPTION_HTTPS_MEM_CERT, 0, tls->certificate},
        {MHD_OPTION_END, 0, NULL}};
    me->daemon = MHD_start_daemon(
        flags, port, NULL, NULL, request_handle, me, MHD_OPTION_SOCK_ADDR, &place,
        MHD_OPTION_URI_LOG_CALLBACK, request_begin, me, MHD_OPTION_NOTIFY_COMPLETED, request_end,
        me, MHD_OPTION_NOTIFY_CONNECTION, connection_changed, me, MHD_OPTION_UNESCAPE_CALLBACK,
        raw_unescape, me, MHD_OPTION_ARRAY, options, MHD_OPTION_END);
    if (me->daemon == NULL) {
        return sop_fail(err, SOP_BUSY,
                        "cannot listen on %s port %u: it is taken, or the "
                        "certificate cannot be used",
                        address, port);
    }
    me->port = MHD_get_daemon_info(me->daemon, MHD_DAEMON_INFO_BIND_PORT)->port;
    return sop_task_start(&me->reaper, reap, me);
}

void server_http_stop(server *me)
{
    if (me->reaper != NULL) sop_task_join(me->reaper);
    if (me->daemon != NULL) MHD_stop_daemon(me->daemon);
}
