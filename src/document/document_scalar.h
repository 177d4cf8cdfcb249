/* SPDX-License-Identifier: MIT */
/* Typed scalars: from JSON into a key part, and back to canonical JSON; memory and paths that the room shares. */
#ifndef SOP_DOCUMENT_SCALAR_H
#define SOP_DOCUMENT_SCALAR_H

#include "document/document.h"
#include "util/arena.h"

/* At least size bytes of scratch, contents not kept; NULL when out of memory. */
uint8_t *sop_document__scratch(sop_document_scratch *scratch, size_t size);

/* The plain bytes of a JSON string; valid until the scratch is used again. SOP_OK, SOP_INVALID (a lone surrogate),
   SOP_CORRUPT, SOP_NO_MEMORY. */
sop_status sop_document__plain(sop_slice raw, sop_document_scratch *scratch, sop_slice *plain_out);

/* The same with half a surrogate pair taken as a character, as sop_json_string_decode does; and then folded. */
sop_status
sop_document__decoded(sop_slice raw, sop_document_scratch *scratch, sop_slice *plain_out);
sop_status
sop_document__folded(sop_slice raw, sop_document_scratch *scratch, sop_slice *folded_out);

/*
 * Appends a value, not null, as parts of a type. SOP_OK; SOP_INVALID with *why_out, what is wrong with it;
 * SOP_NO_MEMORY. Each part descends if descending is set.
 */
sop_status sop_document__scalar_add(const sop_json_value *value,
                                    const sop_document_key_field *field,
                                    sop_key_builder *builder,
                                    sop_document_scratch *scratch,
                                    const char **why_out);

/* Appends the null of a field. */
void sop_document__null_add(const sop_document_key_field *field, sop_key_builder *builder);
int sop_document__type_find(sop_slice name, sop_document_type *type_out);

/* Reads the parts of one value of a field, null included, and writes it. SOP_OK, SOP_NOT_FOUND, SOP_CORRUPT, SOP_NO_MEMORY. */
sop_status sop_document__scalar_write(const sop_document_key_field *field,
                                      sop_key_reader *reader,
                                      sop_document_scratch *scratch,
                                      sop_json_writer *writer);

/* ---- document_path.c ---- */

/* Reads a path with points at the start of a text: a, a.b, a[0], a[*], "odd name".b. Steps and names lie in the arena.
   Returns the byte after it, or NULL with *why_out set (out of memory: *why_out is NULL). */
const uint8_t *sop_document__path_read(const uint8_t *at,
                                       const uint8_t *end,
                                       sop_arena *arena,
                                       sop_json_path *path_out,
                                       const char **why_out);
/* The whole text is a path with points, or a pointer. SOP_OK, SOP_INVALID, SOP_NO_MEMORY. */
sop_status sop_document__path_parse(sop_slice text,
                                    sop_arena *arena,
                                    sop_json_path *path_out,
                                    const char **why_out);
/* Writes a path so that sop_document__path_read gives it back. */
void sop_document__path_write(const sop_json_path *path, sop_json_writer *text);
int sop_document__path_has_each(const sop_json_path *path);

/* ---- document_time.c, document_codec.c: texts of types that JSON has not ---- */

/* Seconds since 1970 as an exact decimal text. Returns its size, 0 with *why_out if it is no RFC 3339 instant of the
   years 0 to 9999. */
#define SOP_DOCUMENT_TIME_TEXT_MAX 128
size_t sop_document__time_to_seconds(sop_slice text,
                                     uint8_t to[SOP_DOCUMENT_TIME_TEXT_MAX],
                                     const char **why_out);
/* The canonical instant; 0 if the number is none. */
size_t sop_document__time_of_seconds(sop_slice seconds, uint8_t to[SOP_DOCUMENT_TIME_TEXT_MAX]);
/* Days since 1970. 0 if it is no date. */
int sop_document__date_to_days(sop_slice text, int64_t *days_out);
size_t sop_document__date_of_days(int64_t days, uint8_t to[SOP_DOCUMENT_TIME_TEXT_MAX]);

int sop_document__uuid_parse(sop_slice text, uint8_t out[16]);
void sop_document__uuid_text(const uint8_t uuid[16], uint8_t to[36]);

/* Standard or URL-safe alphabet, padded or not. to holds size / 4 * 3 + 3 bytes. Returns the size, SIZE_MAX if it is none. */
size_t sop_document__base64_decode(sop_slice text, uint8_t *to);
/* to holds (size + 2) / 3 * 4 bytes. Returns the size. */
size_t sop_document__base64_encode(sop_slice bytes, uint8_t *to);

#endif
