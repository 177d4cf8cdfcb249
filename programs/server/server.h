/* SPDX-License-Identifier: MIT */
/* The door of the Data Manager's server: start it, ask for its address, stop it. */
#ifndef SERVER_SERVER_H
#define SERVER_SERVER_H

#include <stddef.h>
#include <stdint.h>

#include "sop/types.h"

typedef struct server server;

enum { SERVER_LIST_MAX = 64 };

/* All zero: loopback, a free port, the environments of the registry file. Strings are copied. */
typedef struct {
    const char *places[SERVER_LIST_MAX]; /* folders or urls to open */
    size_t place_count;
    const char
        *roots[SERVER_LIST_MAX]; /* folders in which the page may create and open databases */
    size_t root_count;
    const char *hosts[SERVER_LIST_MAX]; /* further names of this server in the Host header */
    size_t host_count;
    const char *registry; /* file of environments; NULL: the user's own, when no place is given */
    const char *users;    /* file of users and tokens; NULL: whoever has the launch token */
    const char *listen;   /* address; NULL: 127.0.0.1 */
    uint16_t port;        /* 0: a free one */
    const char *tls_certificate; /* files in PEM; both or none */
    const char *tls_key;
    int insecure; /* 1: beyond loopback also without TLS */
    int read_only;
    uint64_t body_max;     /* bytes of a request; 0: 16 MiB */
    uint32_t receive_ms;   /* time a client has to send a request; 0: 30 s */
    const char *page_path; /* a folder to serve the page from, for those who work on it */
} server_options;

/* SOP_OK, SOP_INVALID (options), SOP_BUSY (the port is taken), SOP_IO, SOP_NO_MEMORY. */
SOP_MUST_CHECK sop_status server_start(const server_options *options,
                                       server **server_out,
                                       sop_error *err);
/* For instance "http://127.0.0.1:4100"; valid until server_stop. */
const char *server_address(const server *me);
/* The token that opens one session; NULL when there are users. */
const char *server_launch_token(const server *me);
/* Ends every connection and job, and closes the databases. NULL allowed. */
void server_stop(server *me);

/* Adds a user to a file of users, or replaces one. role: "viewer", "editor" or "admin". */
SOP_MUST_CHECK sop_status server_user_set(
    const char *path, const char *name, const char *role, const char *password, sop_error *err);
/* Makes a token for programs and adds its hash to the file; token_out holds 64 bytes. */
SOP_MUST_CHECK sop_status server_token_add(
    const char *path, const char *name, const char *role, char token_out[64], sop_error *err);

#endif
