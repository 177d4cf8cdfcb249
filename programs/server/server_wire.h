/* SPDX-License-Identifier: MIT */
/* Keys, values and conditions between stored bytes and the JSON of the wire (docs/rest/openapi.yaml). */
#ifndef SERVER_SERVER_WIRE_H
#define SERVER_SERVER_WIRE_H

#include <stddef.h>
#include <stdint.h>

#include "sop/types.h"

#include "json/json.h"
#include "util/arena.h"

enum { SERVER_JSON_DEPTH = 200, SERVER_PREVIEW = 256 };

/* How the keys of a store are shown: key.form of its description. */
typedef enum {
    SERVER_FORM_AUTO = 0,
    SERVER_FORM_TEXT = 1,
    SERVER_FORM_TUPLE = 2,
    SERVER_FORM_BYTES = 3
} server_form;

/* "auto", "text", "tuple", "bytes"; -1 for others. */
int server_form_read(sop_slice name);
const char *server_form_name(server_form form);

/* ---- keys ---- */

/* Appends the canonical key JSON. */
void server_key_write(sop_json_writer *writer, server_form form, sop_slice key);
/* The bytes a key in any form stands for, in the arena. SOP_OK, SOP_INVALID, SOP_NO_MEMORY. */
SOP_MUST_CHECK sop_status server_key_read(const sop_json_value *wire,
                                          sop_arena *arena,
                                          sop_slice *key_out,
                                          sop_error *err);
/* The same from a key token: base64url of key JSON. */
SOP_MUST_CHECK sop_status server_key_token_read(sop_slice token,
                                                sop_arena *arena,
                                                sop_slice *key_out,
                                                sop_error *err);

/* ---- values ---- */

typedef enum {
    SERVER_IS_OBJECT = 0,
    SERVER_IS_JSON = 1,
    SERVER_IS_TEXT = 2,
    SERVER_IS_BYTES = 3
} server_kind;

server_kind server_value_kind(sop_slice bytes);
uint64_t server_version(sop_slice bytes);
/* Appends the value; above value_max bytes as {"$t":"big",...}. */
void server_value_write(sop_json_writer *writer, sop_slice bytes, uint64_t value_max);
/* The same of a value known to be a JSON object, cut to some of its members. */
void server_value_write_fields(sop_json_writer *writer,
                               sop_slice object,
                               const sop_slice *names,
                               size_t count);
/* A value whose bytes come back from a client that reads JSON and writes it in its own layout: as JSON
   only if that gives the same bytes. */
void server_value_write_exact(sop_json_writer *writer, sop_slice bytes);
/* The bytes a value of the wire stands for: they point into it or into the arena. */
SOP_MUST_CHECK sop_status server_value_read(const sop_json_value *wire,
                                            sop_arena *arena,
                                            sop_slice *bytes_out,
                                            sop_error *err);
/* A value inside a document: plain JSON, or {"$t":"json"}; else SOP_INVALID. */
SOP_MUST_CHECK sop_status server_field_read(const sop_json_value *wire,
                                            sop_slice *json_out,
                                            sop_error *err);
/* The member of an object, or NULL type: SOP_OK, SOP_NOT_FOUND. */
SOP_MUST_CHECK sop_status server_member(const sop_json_value *object,
                                        const char *name,
                                        sop_json_value *out);
/* A string member, decoded; zero-terminated in the arena. SOP_OK, SOP_NOT_FOUND, SOP_INVALID. */
SOP_MUST_CHECK sop_status server_member_text(const sop_json_value *object,
                                             const char *name,
                                             sop_arena *arena,
                                             sop_slice *out);
SOP_MUST_CHECK sop_status server_text_read(const sop_json_value *value,
                                           sop_arena *arena,
                                           sop_slice *out);
/* Equal JSON: numbers by their text, the order of members does not count. */
int server_json_equal(sop_slice a, sop_slice b);

/* ---- conditions ---- */

typedef struct server_condition server_condition;
typedef struct {
    server_condition *list;
    size_t count;
} server_where;

/* Reads a JSON array of Condition; all live in the arena. SOP_OK, SOP_INVALID, SOP_NO_MEMORY. */
SOP_MUST_CHECK sop_status server_where_read(sop_slice text,
                                            sop_arena *arena,
                                            server_where *out,
                                            sop_error *err);
/* 1 if an item meets all conditions. */
int server_where_match(const server_where *where, server_form form, sop_slice key, sop_slice value);
/* 1 if the text holds the needle; ASCII case is ignored. */
int server_contains(sop_slice text, sop_slice needle);

#endif
