/* SPDX-License-Identifier: MIT */
/* Order-preserving keys from typed parts: the FoundationDB tuple encoding, plus descending parts. */
#ifndef SOP_KEY_H
#define SOP_KEY_H

#include "sop/types.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum {
    SOP_KEY_NULL = 0,
    SOP_KEY_BYTES = 1,
    SOP_KEY_STRING = 2,
    SOP_KEY_INT = 3,
    SOP_KEY_UINT = 4, /* only above INT64_MAX; smaller ones read as SOP_KEY_INT */
    SOP_KEY_DOUBLE = 5,
    SOP_KEY_BOOL = 6,
    SOP_KEY_UUID = 7
} sop_key_type;

/* Lives on the stack; its fields are private. */
typedef struct {
    uint8_t *buffer;
    size_t capacity;
    size_t size; /* needed so far, also beyond capacity */
    int descending;
    sop_status status;
} sop_key_builder;

/* Lives on the stack; its fields are private. */
typedef struct {
    const uint8_t *at;
    const uint8_t *end;
    uint8_t scratch[16];
} sop_key_reader;

/* One decoded part. */
typedef struct {
    sop_key_type type;
    int descending;
    int64_t int_value;
    uint64_t uint_value;
    double double_value;
    int bool_value;
    uint8_t uuid[16];
    /* bytes, string: the part as it lies in the key: 00 is followed by FF, and a descending part is complemented.
       sop_key_part_bytes turns it into plain bytes. */
    sop_slice encoded;
} sop_key_part;

SOP_API void sop_key_begin(sop_key_builder *builder, void *buffer, size_t capacity);
SOP_API void sop_key_add_int(sop_key_builder *builder, int64_t value);
SOP_API void sop_key_add_uint(sop_key_builder *builder, uint64_t value);
SOP_API void sop_key_add_double(sop_key_builder *builder, double value);
SOP_API void sop_key_add_bool(sop_key_builder *builder, int value);
SOP_API void sop_key_add_null(sop_key_builder *builder);
SOP_API void sop_key_add_bytes(sop_key_builder *builder, sop_slice value);
SOP_API void sop_key_add_string(sop_key_builder *builder, sop_slice value);
SOP_API void sop_key_add_uuid(sop_key_builder *builder, const uint8_t value[16]);
SOP_API void sop_key_descending(sop_key_builder *builder);
SOP_API SOP_MUST_CHECK sop_status sop_key_end(sop_key_builder *builder,
                                              sop_slice *key_out,
                                              size_t *needed_out);
SOP_API void sop_key_read(sop_key_reader *reader, sop_slice key);
SOP_API SOP_MUST_CHECK sop_status sop_key_next(sop_key_reader *reader, sop_key_part *part_out);
SOP_API SOP_MUST_CHECK sop_status sop_key_part_bytes(const sop_key_part *part,
                                                     void *buffer,
                                                     size_t capacity,
                                                     sop_slice *bytes_out);
SOP_API SOP_MUST_CHECK sop_status sop_key_prefix_end(sop_slice prefix,
                                                     void *buffer,
                                                     size_t capacity,
                                                     sop_slice *end_out);

#ifdef __cplusplus
}
#endif
#endif
