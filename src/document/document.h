/* SPDX-License-Identifier: MIT */
/*
 * The door of the document room for those inside the library and for its tests: typed keys and filters, which are pure (bytes in,
 * bytes out, no database). Stores of documents are sop/document.h.
 */
#ifndef SOP_DOCUMENT_DOCUMENT_H
#define SOP_DOCUMENT_DOCUMENT_H

#include "sop/document.h"
#include "sop/key.h"
#include "sop/store.h"
#include "sop/types.h"

#include "json/json.h"
#include "util/decimal.h"

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

/* ---- filters ---- */

#define SOP_DOCUMENT_FILTER_SIZE_MAX  65536 /* bytes of text or JSON */
#define SOP_DOCUMENT_FILTER_DEPTH_MAX 100   /* parentheses, not, lists inside each other */

typedef enum {
    SOP_FILTER_ALL = 0, /* every document */
    SOP_FILTER_AND = 1,
    SOP_FILTER_OR = 2,
    SOP_FILTER_NOT = 3,
    SOP_FILTER_EQ = 4,
    SOP_FILTER_NE = 5, /* not =: true as well where there is no value, or one of another type */
    SOP_FILTER_LT = 6,
    SOP_FILTER_LE = 7,
    SOP_FILTER_GT = 8,
    SOP_FILTER_GE = 9,
    SOP_FILTER_BETWEEN = 10, /* both ends included */
    SOP_FILTER_IN = 11,
    SOP_FILTER_HAS = 12, /* an array with an element equal to it */
    SOP_FILTER_STARTS = 13,
    SOP_FILTER_CONTAINS = 14,
    SOP_FILTER_MATCHES = 15,
    SOP_FILTER_EXISTS = 16,
    SOP_FILTER_IS_NULL = 17 /* the value null; a field that is missing is not null */
} sop_filter_op;

typedef enum {
    SOP_LITERAL_PLAIN = 0,  /* null, true, false, a number, a string */
    SOP_LITERAL_NOCASE = 1, /* a string, compared folded */
    SOP_LITERAL_TIMESTAMP = 2,
    SOP_LITERAL_DATE = 3,
    SOP_LITERAL_UUID = 4
} sop_literal_kind;

typedef struct {
    sop_literal_kind kind;
    sop_json_value json; /* as written */
    sop_slice plain;     /* strings: decoded, NOCASE folded as well */
    sop_decimal number;  /* numbers */
    sop_slice
        encoded; /* TIMESTAMP, DATE, UUID: as an ascending key part, which sorts as the value does */
} sop_literal;

typedef struct sop_filter_node sop_filter_node;
struct sop_filter_node {
    sop_filter_op op;
    sop_filter_node *child;      /* AND, OR: the first; NOT: the only one */
    sop_filter_node *next;       /* of the same parent */
    sop_json_path path;          /* all others but ALL */
    int many;                    /* the path has [*]: it is enough that one value fits */
    const sop_literal *literals; /* IN: any number; BETWEEN: two; EXISTS, IS_NULL: none; else one */
    size_t literal_count;
    const sop_literal **sorted; /* IN: plain numbers and strings in order */
    size_t number_count;        /* at the start of sorted */
    size_t string_count;        /* behind them */
    const void *regex;          /* MATCHES */
};

/* A filter never changes: any number of threads may match with it. */
struct sop_filter {
    sop_filter_node *root;
};

/*
 * Reads a filter as people write it:
 *
 *   section = "games" and size.download > 1e6 and not tags has "role::program"
 *   name starts "lib" or maintainer contains nocase "debian" or version matches "^[0-9.]+$"
 *   created >= timestamp "2024-05-01T00:00:00Z" and state in ("new", "open") and depends[*].name = "libc6"
 *   size between 10 and 20, field exists, field is null, field is not null, field not in (1, 2), true
 *
 * Words in any case; strings in " or '; and binds tighter than or. SOP_OK, SOP_INVALID with the place, SOP_TOO_LARGE,
 * SOP_NO_MEMORY. Free it with sop_filter_free.
 */
SOP_MUST_CHECK sop_status sop_filter_new(sop_slice text, sop_filter **filter_out, sop_error *err);
/*
 * Reads the same as JSON: true, ["and",F,...], ["or",F,...], ["not",F], ["=","path",literal], likewise != < <= > >=
 * has starts contains matches, ["between","path",low,high], ["in","path",literal,...], ["exists","path"],
 * ["null","path"]. Literals are scalars, {"nocase":"..."}, {"timestamp":"..."}, {"date":"..."} or {"uuid":"..."}.
 */
SOP_MUST_CHECK sop_status sop_filter_new_json(sop_slice json,
                                              sop_filter **filter_out,
                                              sop_error *err);
/* Appends the filter as text, or one node and what is below it. Reading it gives the same filter. */
void sop_filter_write(const sop_filter_node *node, sop_json_writer *text);
/* Writes it as a JSON value. */
void sop_filter_write_json(const sop_filter_node *node, sop_json_writer *writer);

/* Whether a document fits. SOP_OK, SOP_CORRUPT (no JSON), SOP_TOO_LARGE (a pattern with too many steps), SOP_NO_MEMORY. */
SOP_MUST_CHECK sop_status sop_filter_match(const sop_filter_node *node,
                                           sop_slice document,
                                           sop_document_scratch *scratch,
                                           int *match_out,
                                           sop_error *err);

#endif
