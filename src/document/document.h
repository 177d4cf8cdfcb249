/* SPDX-License-Identifier: MIT */
/*
 * JSON documents: typed keys and filters. This part of the room is pure: bytes in, bytes out; no database.
 */
#ifndef SOP_DOCUMENT_DOCUMENT_H
#define SOP_DOCUMENT_DOCUMENT_H

#include "sop/key.h"
#include "sop/store.h"
#include "sop/types.h"

#include "json/json.h"

/* ---- memory for calls ---- */

/* Memory that calls use again and again. All zero is valid; one thread at a time. */
typedef struct {
    uint8_t *bytes; /* decoded strings */
    size_t capacity;
    uint8_t key[SOP_KEY_SIZE_MAX];
} sop_document_scratch;

void sop_document_scratch_deinit(sop_document_scratch *scratch);

/* ---- keys ---- */

typedef enum {
    SOP_DOCUMENT_INT64 = 0,
    SOP_DOCUMENT_UINT64 = 1,
    SOP_DOCUMENT_DOUBLE = 2,
    SOP_DOCUMENT_DECIMAL = 3,
    SOP_DOCUMENT_BOOL = 4,
    SOP_DOCUMENT_STRING = 5,
    SOP_DOCUMENT_BYTES = 6,     /* in JSON: base64 */
    SOP_DOCUMENT_UUID = 7,      /* in JSON: 8-4-4-4-12 hex digits */
    SOP_DOCUMENT_TIMESTAMP = 8, /* in JSON: RFC 3339, an instant; canonical in UTC */
    SOP_DOCUMENT_DATE = 9       /* in JSON: YYYY-MM-DD */
} sop_document_type;

/* "int64" and so on. */
const char *sop_document_type_name(sop_document_type type);

/* Where null, and a field that is missing, sorts. */
typedef enum {
    SOP_DOCUMENT_NULLS_REFUSED = 0,
    SOP_DOCUMENT_NULLS_FIRST = 1,
    SOP_DOCUMENT_NULLS_LAST = 2
} sop_document_nulls;

#define SOP_DOCUMENT_KEY_FIELDS_MAX 16

typedef struct {
    sop_slice
        path_text; /* as in the specification; empty: the key stands apart from the document */
    sop_json_path path;
    sop_document_type type;
    sop_document_nulls nulls;
    int descending;
    int nocase; /* strings: by the folded text, ties by the exact one */
} sop_document_key_field;

/* What a key of a store or of an index is made of. */
typedef struct {
    sop_document_key_field *fields;
    size_t count;
    int is_list; /* keys in JSON are arrays; else one bare value */
} sop_document_key_spec;

/*
 * Reads a specification: a field, {"type":"int64"}, or a list of fields,
 * [{"path":"size.download","type":"int64","order":"desc","nulls":"last"},{"path":"/name","type":"string","nocase":true}].
 * type is required, in a list path as well; order is asc or desc; nulls is refused, first or last. Paths are pointers
 * ("/a/0") or names with points ("a[0].b", "tags[*]"); at most one field may have [*], where indexes is set.
 * SOP_OK, SOP_INVALID, SOP_NO_MEMORY. Free it with sop_document_key_spec_free.
 */
SOP_MUST_CHECK sop_status sop_document_key_spec_new(sop_slice json,
                                                    int indexes,
                                                    sop_document_key_spec **spec_out,
                                                    sop_error *err);
void sop_document_key_spec_free(sop_document_key_spec *spec); /* NULL allowed */
/* The same specification in its shortest JSON. */
void sop_document_key_spec_write(const sop_document_key_spec *spec, sop_json_writer *writer);

/*
 * The key of a document: byte-wise order is the order of the specification. key_out is valid until the next call with
 * this scratch. SOP_OK, SOP_INVALID (a field missing or of the wrong type; a specification without paths),
 * SOP_TOO_LARGE (above SOP_KEY_SIZE_MAX), SOP_CORRUPT (no JSON), SOP_NO_MEMORY.
 */
SOP_MUST_CHECK sop_status sop_document_key_of_document(const sop_document_key_spec *spec,
                                                       sop_slice document,
                                                       sop_document_scratch *scratch,
                                                       sop_slice *key_out,
                                                       sop_error *err);

/* A status other than SOP_OK stops the calls and is returned. */
typedef sop_status (*sop_document_key_fn)(sop_slice key, void *context);
/*
 * All keys of a document in an index: one, or with a field that has [*] one for each value (the same key may come
 * twice). A field without a value is null, or leaves the document out of the index where nulls are refused.
 */
SOP_MUST_CHECK sop_status sop_document_key_each(const sop_document_key_spec *spec,
                                                sop_slice document,
                                                sop_document_scratch *scratch,
                                                sop_document_key_fn fn,
                                                void *context,
                                                sop_error *err);

/* The same from a key in JSON. With prefix a list may be shorter than the specification: the start of a range. */
SOP_MUST_CHECK sop_status sop_document_key_of_json(const sop_document_key_spec *spec,
                                                   sop_slice json,
                                                   int prefix,
                                                   sop_document_scratch *scratch,
                                                   sop_slice *key_out,
                                                   sop_error *err);

/*
 * Writes a key as canonical JSON: integers, shortest decimals, UTC, lower-case UUIDs, padded base64.
 * rest_out: the bytes behind the last field, which must be none if it is NULL. SOP_OK, SOP_CORRUPT, SOP_NO_MEMORY.
 */
SOP_MUST_CHECK sop_status sop_document_key_write(const sop_document_key_spec *spec,
                                                 sop_slice key,
                                                 sop_document_scratch *scratch,
                                                 sop_json_writer *writer,
                                                 sop_slice *rest_out,
                                                 sop_error *err);

#endif
