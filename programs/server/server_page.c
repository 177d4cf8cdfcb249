/* SPDX-License-Identifier: MIT */
/* The page: files that were built into the program, or a folder for those who work on them. */
#include <stdio.h>
#include <string.h>

#include "server/server_file.h"
#include "server/server_private.h"
#include "util/bytes.h"
#include "util/error.h"

enum { FILE_MAX = 16 << 20 };

static const char POLICY[] =
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'";

static void policy_add(struct MHD_Response *response)
{
    (void)MHD_add_response_header(response, "Content-Security-Policy", POLICY);
    (void)MHD_add_response_header(response, "Cross-Origin-Opener-Policy", "same-origin");
    (void)MHD_add_response_header(response, "X-Frame-Options", "DENY");
}

static const server_asset *asset_find(sop_slice path)
{
    for (size_t i = 0; i < server_asset_count; i++) {
        if (server_equal(path, server_assets[i].path)) return &server_assets[i];
    }
    return NULL;
}

static int asset_answer(server_request *r, const server_asset *asset)
{
    const char *known =
        MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND, "If-None-Match");
    const char *codings =
        MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND, "Accept-Encoding");
    int fresh = known != NULL && strstr(known, asset->etag) != NULL;
    int packed = codings != NULL && strstr(codings, "gzip") != NULL;
    const uint8_t *bytes = packed ? asset->packed : asset->bytes;
    size_t size = packed ? asset->packed_size : asset->size;
    struct MHD_Response *response = MHD_create_response_from_buffer(
        fresh ? 0 : size, fresh ? NULL : server_mutable(bytes), MHD_RESPMEM_PERSISTENT);
    if (response == NULL) return server_fail(r, SOP_NO_MEMORY, NULL);
    (void)MHD_add_response_header(response, "Content-Type", asset->type);
    (void)MHD_add_response_header(response, "ETag", asset->etag);
    (void)MHD_add_response_header(response, "Vary", "Accept-Encoding");
    (void)MHD_add_response_header(response, "Cache-Control",
                                  asset->immutable ? "public, max-age=31536000, immutable"
                                                   : "no-cache");
    if (packed && !fresh) (void)MHD_add_response_header(response, "Content-Encoding", "gzip");
    policy_add(response);
    r->response = response;
    return fresh ? 304 : 200;
}

static const char *type_of(const char *path)
{
    static const char *const types[][2] = {{".html", "text/html; charset=utf-8"},
                                           {".js", "text/javascript; charset=utf-8"},
                                           {".css", "text/css; charset=utf-8"},
                                           {".svg", "image/svg+xml"},
                                           {".json", "application/json"},
                                           {".woff2", "font/woff2"},
                                           {".png", "image/png"},
                                           {".webmanifest", "application/manifest+json"}};
    const char *dot = strrchr(path, '.');
    for (size_t i = 0; dot != NULL && i < sizeof types / sizeof types[0]; i++) {
        if (strcmp(dot, types[i][0]) == 0) return types[i][1];
    }
    return "application/octet-stream";
}

/* A file of the folder given by --page; path has no "..". 0: there is none. */
static int file_answer(server_request *r, const char *path)
{
    char full[4096];
    sop_slice text;
    int size = snprintf(full, sizeof full, "%s%s", r->server->page_path, path);
    if (size < 0 || (size_t)size >= sizeof full ||
        server_file_read(full, FILE_MAX, &r->arena, &text, NULL) != SOP_OK) {
        return 0;
    }
    struct MHD_Response *response = MHD_create_response_from_buffer(
        text.size, server_mutable(text.data), MHD_RESPMEM_MUST_COPY);
    if (response == NULL) return server_fail(r, SOP_NO_MEMORY, NULL);
    (void)MHD_add_response_header(response, "Content-Type", type_of(path));
    (void)MHD_add_response_header(response, "Cache-Control", "no-store");
    policy_add(response);
    r->response = response;
    return 200;
}

/* The path as it was decoded, put together again; "" when it holds dots or slashes of its own. */
static const char *path_of(server_request *r)
{
    size_t size = 2;
    for (size_t i = 0; i < r->uri.segment_count; i++) {
        size += r->uri.segments[i].size + 1;
    }
    char *path = sop_arena_alloc(&r->arena, size);
    if (path == NULL) return "";
    char *at = path;
    for (size_t i = 0; i < r->uri.segment_count; i++) {
        sop_slice part = r->uri.segments[i];
        if (server_equal(part, "..") || server_equal(part, ".") || part.size == 0 ||
            memchr(part.data, '/', part.size) != NULL) {
            return "";
        }
        *at++ = '/';
        memcpy(at, part.data, part.size);
        at += part.size;
    }
    if (at == path) *at++ = '/';
    *at = '\0';
    return path;
}

int server_page_get(server_request *r)
{
    const char *path = path_of(r);
    /* Addresses of the page's own: /, /r/..., and whatever it may think of, are the one document. */
    int is_file = strchr(path, '.') != NULL && strncmp(path, "/r/", 3) != 0;
    if (!is_file && path[0] != '\0') path = "/index.html";
    if (r->server->page_path != NULL) {
        int status = file_answer(r, path);
        if (status != 0) return status;
    } else {
        const server_asset *asset = asset_find(sop_str(path));
        if (asset != NULL) return asset_answer(r, asset);
    }
    return server_error(r, 404, "not_found", "there is nothing at this address");
}
