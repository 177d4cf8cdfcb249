/* SPDX-License-Identifier: MIT */
/*
 * JSON over bytes, without a tree: strict checking, reading and picking in place, strings, exact
 * numbers, writing, and edits that leave all other bytes as they are. RFC 8259 (texts), 6901
 * (pointers), 7386 (merge patch).
 *
 * Everything but sop_json_check may take it for granted that a text is valid, yet never crashes,
 * reads or writes out of bounds on one that is not: it answers SOP_CORRUPT, SOP_NOT_FOUND or
 * something that lies inside the text. Of members with the same name the first one counts,
 * everywhere.
 */
#ifndef SOP_JSON_JSON_H
#define SOP_JSON_JSON_H

#include <stddef.h>
#include <stdint.h>

#include "sop/types.h"

/* ---- checking ---- */

#define SOP_JSON_DEPTH_DEFAULT 512
#define SOP_JSON_DEPTH_LIMIT   4096

/* All zero: the defaults. */
typedef struct {
    uint32_t
        depth_max; /* arrays and objects inside each other; 0: 512; at most SOP_JSON_DEPTH_LIMIT */
    size_t size_max;            /* bytes; 0: no limit */
    int reject_lone_surrogates; /* 1: an escape like \ud800 without its partner is an error */
} sop_json_limits;

/* Where a text stops being JSON. */
typedef struct {
    size_t offset; /* bytes before the place */
    size_t line;   /* from 1 */
    size_t column; /* from 1, in characters */
    const char *reason;
} sop_json_position;

/* SOP_OK, SOP_INVALID (not JSON) or SOP_TOO_LARGE (a limit); then *where_out is set too. Both
 * out-parameters may be NULL. */
SOP_MUST_CHECK sop_status sop_json_check(sop_slice text,
                                         const sop_json_limits *limits,
                                         sop_json_position *where_out,
                                         sop_error *err);

/* ---- reading ---- */

typedef enum {
    SOP_JSON_NULL = 0,
    SOP_JSON_FALSE = 1,
    SOP_JSON_TRUE = 2,
    SOP_JSON_NUMBER = 3,
    SOP_JSON_STRING = 4,
    SOP_JSON_ARRAY = 5,
    SOP_JSON_OBJECT = 6
} sop_json_type;

/* A value where it lies in its text. */
typedef struct {
    sop_json_type type;
    sop_slice raw; /* from its first to its last byte, quotes and brackets included */
} sop_json_value;

/* The value of a whole text, white space around it left out. SOP_OK or SOP_CORRUPT. */
SOP_MUST_CHECK sop_status sop_json_read(sop_slice text, sop_json_value *value_out);

/* Walks the members of an object or the elements of an array. */
typedef struct {
    const uint8_t *at;
    const uint8_t *end;
    int is_object;
    int started;
} sop_json_iter;

/* Any other type has nothing inside. */
void sop_json_iter_init(sop_json_iter *iter, const sop_json_value *container);
/* The next one: SOP_OK, SOP_NOT_FOUND (no more), SOP_CORRUPT. key_out: the name with its quotes;
 * the empty slice in arrays. */
SOP_MUST_CHECK sop_status sop_json_next(sop_json_iter *iter,
                                        sop_slice *key_out,
                                        sop_json_value *value_out);

/* ---- paths and picking ---- */

#define SOP_JSON_STEPS_MAX 64

typedef enum {
    SOP_JSON_STEP_NAME = 0,  /* a member */
    SOP_JSON_STEP_INDEX = 1, /* an element */
    SOP_JSON_STEP_EITHER =
        2, /* a pointer token such as "0": an element of an array, a member of an object */
    SOP_JSON_STEP_EACH = 3 /* all elements */
} sop_json_step_kind;

typedef struct {
    sop_json_step_kind kind;
    sop_slice name; /* NAME, EITHER: plain UTF-8, not escaped */
    uint64_t index; /* INDEX, EITHER; UINT64_MAX: the place after the last element ("-") */
} sop_json_step;

/* Steps from the whole text inwards; none means the text itself. */
typedef struct {
    const sop_json_step *steps;
    size_t count;
} sop_json_path;

/*
 * Splits a pointer of RFC 6901, for instance "/tags/0". The path is one allocation that holds
 * copies of the names; free it with sop_json_path_free. SOP_OK, SOP_INVALID (not a pointer),
 * SOP_TOO_LARGE (steps), SOP_NO_MEMORY.
 */
SOP_MUST_CHECK sop_status sop_json_path_new(sop_slice pointer,
                                            sop_json_path **path_out,
                                            sop_error *err);
void sop_json_path_free(sop_json_path *path); /* NULL allowed */

/* The first value the path leads to. SOP_OK, SOP_NOT_FOUND, SOP_CORRUPT. */
SOP_MUST_CHECK sop_status sop_json_pick(sop_slice text,
                                        const sop_json_path *path,
                                        sop_json_value *value_out);

/* A status other than SOP_OK stops the walk and is returned. */
typedef sop_status (*sop_json_walk_fn)(const sop_json_value *value, void *context);
/* Calls fn for each value the path leads to, in order: several if it has EACH steps. SOP_OK also if
 * there is none. */
SOP_MUST_CHECK sop_status sop_json_walk(sop_slice text,
                                        const sop_json_path *path,
                                        sop_json_walk_fn fn,
                                        void *context);

/* ---- strings ---- */

/*
 * The plain bytes of a string (raw: with its quotes). A lone surrogate becomes three bytes as if it
 * were a character, so that different strings stay different; with reject_lone_surrogates it is
 * SOP_INVALID. bytes_out points into raw if there is no escape, else into buffer, for which
 * raw.size bytes are always enough. SOP_OK, SOP_TOO_LARGE, SOP_INVALID, SOP_CORRUPT.
 */
SOP_MUST_CHECK sop_status sop_json_string_decode(
    sop_slice raw, int reject_lone_surrogates, void *buffer, size_t capacity, sop_slice *bytes_out);
/* Orders a string (raw: with its quotes) against plain bytes, byte by byte, without decoding it
 * first. */
int sop_json_string_compare(sop_slice raw, sop_slice plain);
int sop_json_string_equal(sop_slice raw, sop_slice plain);

/* ---- numbers ---- */

typedef enum {
    SOP_JSON_NUMBER_INT64 = 0,    /* no point, no exponent, fits */
    SOP_JSON_NUMBER_UINT64 = 1,   /* above INT64_MAX, fits */
    SOP_JSON_NUMBER_INTEGER = 2,  /* larger */
    SOP_JSON_NUMBER_DECIMAL = 3,  /* with a point */
    SOP_JSON_NUMBER_EXPONENT = 4, /* with an exponent */
    SOP_JSON_NUMBER_BAD = 5       /* not a number of JSON */
} sop_json_number_kind;

sop_json_number_kind sop_json_number_classify(sop_slice raw);
/* Exact order of two number texts of any size: 1.10 equals 1.1, -0 equals 0, 1e399 is below 1e400.
 * Bad ones come first. */
int sop_json_number_compare(sop_slice a, sop_slice b);

/* ---- writing ---- */

/* Appends to a buffer that grows. Errors stick: no call needs a check but sop_json_writer_end. */
typedef struct {
    uint8_t *data;
    size_t size;
    size_t capacity;
    size_t size_max; /* 0: no limit; beyond it SOP_TOO_LARGE */
    uint32_t indent; /* spaces a level; 0: compact */
    uint32_t depth;
    int state; /* private */
    sop_status status;
    uint64_t objects[SOP_JSON_DEPTH_LIMIT / 64]; /* private: which levels are objects */
} sop_json_writer;

void sop_json_writer_init(sop_json_writer *writer, uint32_t indent);
void sop_json_writer_deinit(sop_json_writer *writer);
/* Forgets what was written, keeps the memory. */
void sop_json_writer_reset(sop_json_writer *writer);
/* The text so far, valid until the next call. SOP_OK, SOP_NO_MEMORY, SOP_TOO_LARGE, SOP_INVALID
   (wrong calls, bad UTF-8, something still open). */
SOP_MUST_CHECK sop_status sop_json_writer_end(const sop_json_writer *writer, sop_slice *text_out);

void sop_json_object_begin(sop_json_writer *writer);
void sop_json_object_end(sop_json_writer *writer);
void sop_json_array_begin(sop_json_writer *writer);
void sop_json_array_end(sop_json_writer *writer);
/* The name of the next member: plain UTF-8; surrogates as decoded by sop_json_string_decode become
 * escapes again. */
void sop_json_key(sop_json_writer *writer, sop_slice name);
void sop_json_string(sop_json_writer *writer, sop_slice plain);
void sop_json_int(sop_json_writer *writer, int64_t value);
void sop_json_uint(sop_json_writer *writer, uint64_t value);
void sop_json_double(sop_json_writer *writer, double value); /* SOP_INVALID if not finite */
void sop_json_bool(sop_json_writer *writer, int value);
void sop_json_null(sop_json_writer *writer);
/* A value that is JSON already, byte by byte as it is; not checked. */
void sop_json_raw(sop_json_writer *writer, sop_slice text);
/* The same in the layout of the writer: white space is left out or made new, strings and numbers
 * keep their bytes. */
void sop_json_reformat(sop_json_writer *writer, sop_slice text);
/* Bytes outside all values: separators of NDJSON and the like. */
void sop_json_append(sop_json_writer *writer, sop_slice bytes);

/* ---- edits ---- */

enum { SOP_JSON_CREATE_PARENTS = 1 };

/*
 * Appends to the writer the text with one value replaced, or added: as the last member of an
 * object, or at the place after the last element of an array. All other bytes stay, an added member
 * is laid out like the one before it. SOP_OK, SOP_NOT_FOUND (a parent is missing: flags can ask to
 * create objects; or an element out of range), SOP_INVALID (a parent is neither object nor array;
 * EACH), SOP_CORRUPT, or the writer's errors.
 */
SOP_MUST_CHECK sop_status sop_json_set(sop_slice text,
                                       const sop_json_path *path,
                                       sop_slice value,
                                       int flags,
                                       sop_json_writer *writer,
                                       sop_error *err);
/* The same with a member (all of that name) or an element taken out. SOP_NOT_FOUND if it is not
 * there. */
SOP_MUST_CHECK sop_status sop_json_unset(sop_slice text,
                                         const sop_json_path *path,
                                         sop_json_writer *writer,
                                         sop_error *err);
/* Appends the result of a merge patch of RFC 7386; members the patch does not name keep their bytes
 * and places. */
SOP_MUST_CHECK sop_status sop_json_merge(sop_slice text,
                                         sop_slice patch,
                                         sop_json_writer *writer,
                                         sop_error *err);

#endif
