/* SPDX-License-Identifier: MIT */
/* Starting and stopping the HTTP side of the server. */
#ifndef SERVER_SERVER_HTTP_H
#define SERVER_SERVER_HTTP_H

#include <inttypes.h>
#include <stdint.h>

#include "server/server_private.h"

/* The texts of both files, or NULL. */
typedef struct {
    char *certificate;
    char *key;
} server_tls;

/* Sets the port of the server. */
SOP_MUST_CHECK sop_status server_http_start(
    server *me, const char *address, uint16_t port, const server_tls *tls, sop_error *err);
void server_http_stop(server *me);
/* For streams: no limit of time on this connection. */
void server_connection_unlimited(server_request *r);

#endif
