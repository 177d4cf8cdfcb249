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
    SOP_KEY_UUID = 7,
    SOP_KEY_DECIMAL = 8 /* a number of any size and precision; sop_key_part_bytes gives its text */
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
    /* bytes, string, decimal: the part as it lies in the key: 00 is followed by FF, and a descending part is
       complemented. sop_key_part_bytes turns it into plain bytes. */
    sop_slice encoded;
} sop_key_part;

/*
 * Start a key in the caller's memory.
 *
 * builder    any sop_key_builder; what it held is forgotten.
 * buffer     where the key goes; may be NULL with capacity 0 to measure a key.
 * capacity   bytes at buffer; SOP_KEY_SIZE_MAX is enough for every key a store takes.
 *
 * Returns:   nothing; errors of this and all later calls are reported by sop_key_end.
 * Lifetime:  buffer must live as long as the builder is used.
 * Threads:   one thread at a time per builder.
 * Cost:      O(1).
 * Since:     0.1
 */
SOP_API void sop_key_begin(sop_key_builder *builder, void *buffer, size_t capacity);

/*
 * Append a signed integer. Integers of sop_key_add_int and sop_key_add_uint sort together, by value.
 *
 * builder    begun by sop_key_begin.
 * value      any.
 *
 * Returns:   nothing; see sop_key_end.
 * Lifetime:  value is copied.
 * Threads:   one thread at a time per builder.
 * Cost:      O(1), 1 to 9 bytes of key.
 * Since:     0.1
 */
SOP_API void sop_key_add_int(sop_key_builder *builder, int64_t value);

/*
 * Append an unsigned integer; up to INT64_MAX it is the same part as sop_key_add_int makes.
 *
 * builder    begun by sop_key_begin.
 * value      any.
 *
 * Returns:   nothing; see sop_key_end.
 * Lifetime:  value is copied.
 * Threads:   one thread at a time per builder.
 * Cost:      O(1), 1 to 9 bytes of key.
 * Since:     0.1
 */
SOP_API void sop_key_add_uint(sop_key_builder *builder, uint64_t value);

/*
 * Append a double. Doubles sort by value, -0 before 0, NaNs outside the infinities on the side of their sign bit.
 * Doubles and integers are different types: every integer sorts before every double.
 *
 * builder    begun by sop_key_begin.
 * value      any; every bit is kept.
 *
 * Returns:   nothing; see sop_key_end.
 * Lifetime:  value is copied.
 * Threads:   one thread at a time per builder.
 * Cost:      O(1), 9 bytes of key.
 * Since:     0.1
 */
SOP_API void sop_key_add_double(sop_key_builder *builder, double value);

/*
 * Append an exact decimal number of any size; decimals sort by value, and 1.10 is the same part as 1.1.
 * Decimals are a type of their own: every integer and every double sorts before every decimal.
 *
 * builder    begun by sop_key_begin.
 * text       a number as JSON writes it, for instance -12.50 or 1e400; anything else is SOP_INVALID. Exponents beyond
 *            10^18 count as that.
 *
 * Returns:   nothing; see sop_key_end.
 * Lifetime:  text is copied.
 * Threads:   one thread at a time per builder.
 * Cost:      O(size), about half as many bytes of key as the number has digits, plus 4.
 * Source:    docs/format/key.md
 * Since:     0.1
 */
SOP_API void sop_key_add_decimal(sop_key_builder *builder, sop_slice text);

/*
 * Append false or true; false sorts first.
 *
 * builder    begun by sop_key_begin.
 * value      0 is false, anything else true.
 *
 * Returns:   nothing; see sop_key_end.
 * Lifetime:  value is copied.
 * Threads:   one thread at a time per builder.
 * Cost:      O(1), 1 byte of key.
 * Since:     0.1
 */
SOP_API void sop_key_add_bool(sop_key_builder *builder, int value);

/*
 * Append null, which sorts before every other part.
 *
 * builder    begun by sop_key_begin.
 *
 * Returns:   nothing; see sop_key_end.
 * Lifetime:  nothing is kept.
 * Threads:   one thread at a time per builder.
 * Cost:      O(1), 1 byte of key.
 * Since:     0.1
 */
SOP_API void sop_key_add_null(sop_key_builder *builder);

/*
 * Append bytes; they sort as memcmp does, a prefix first, and before every string.
 *
 * builder    begun by sop_key_begin.
 * value      any bytes, zeros included; NULL with a size is SOP_INVALID.
 *
 * Returns:   nothing; see sop_key_end.
 * Lifetime:  value is copied.
 * Threads:   one thread at a time per builder.
 * Cost:      O(size): size + 2 bytes of key and one more for each zero byte.
 * Since:     0.1
 */
SOP_API void sop_key_add_bytes(sop_key_builder *builder, sop_slice value);

/*
 * Append a string in UTF-8; strings sort by code point. The bytes are not checked.
 *
 * builder    begun by sop_key_begin.
 * value      any bytes, zeros included; NULL with a size is SOP_INVALID.
 *
 * Returns:   nothing; see sop_key_end.
 * Lifetime:  value is copied.
 * Threads:   one thread at a time per builder.
 * Cost:      O(size): size + 2 bytes of key and one more for each zero byte.
 * Since:     0.1
 */
SOP_API void sop_key_add_string(sop_key_builder *builder, sop_slice value);

/*
 * Append a UUID; UUIDs sort by their 16 bytes.
 *
 * builder    begun by sop_key_begin.
 * value      16 bytes; NULL is SOP_INVALID.
 *
 * Returns:   nothing; see sop_key_end.
 * Lifetime:  value is copied.
 * Threads:   one thread at a time per builder.
 * Cost:      O(1), 17 bytes of key.
 * Since:     0.1
 */
SOP_API void sop_key_add_uuid(sop_key_builder *builder, const uint8_t value[16]);

/*
 * Make the next part sort descending. A position of a key is either ascending in all keys of a store or descending
 * in all of them; a store that mixes both sorts the ascending ones first.
 *
 * builder    begun by sop_key_begin.
 *
 * Returns:   nothing; twice in a row, or without a part after it, is SOP_INVALID from sop_key_end.
 * Lifetime:  holds for one part.
 * Threads:   one thread at a time per builder.
 * Cost:      O(1), 1 byte of key, and one more for bytes and strings.
 * Since:     0.1
 */
SOP_API void sop_key_descending(sop_key_builder *builder);

/*
 * Report how it went and hand out the key. The builder stays as it is: more parts may be appended, and
 * sop_key_end called again, so one builder makes a prefix and then the keys below it.
 *
 * builder     begun by sop_key_begin.
 * key_out     the key; the empty slice if nothing was appended, or on failure. May be NULL.
 * needed_out  the size of the key, also when the buffer is too short for it; 0 on other failures. May be NULL.
 *
 * Returns:   SOP_OK, SOP_TOO_LARGE (the buffer is short), or the first error of the calls before: SOP_INVALID.
 * Lifetime:  key_out points into the buffer of sop_key_begin.
 * Threads:   one thread at a time per builder.
 * Cost:      O(1).
 * Source:    docs/format/key.md; the tuple layer of FoundationDB.
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_key_end(sop_key_builder *builder,
                                              sop_slice *key_out,
                                              size_t *needed_out);

/*
 * Start to read the parts of a key.
 *
 * reader     any sop_key_reader; what it held is forgotten.
 * key        any bytes, also some that no sop_key_builder made.
 *
 * Returns:   nothing.
 * Lifetime:  key must live as long as the reader and the parts read from it.
 * Threads:   one thread at a time per reader.
 * Cost:      O(1).
 * Since:     0.1
 */
SOP_API void sop_key_read(sop_key_reader *reader, sop_slice key);

/*
 * Decode the next part. After a failure the reader stays where it is.
 *
 * reader     started by sop_key_read.
 * part_out   the part; only type, descending and the field that belongs to the type are meaningful.
 *            SOP_KEY_BOOL fills bool_value, SOP_KEY_UUID uuid, and so on; an integer of 0 or more fills
 *            uint_value as well.
 *
 * Returns:   SOP_OK, SOP_NOT_FOUND (no more parts), SOP_CORRUPT (no sop_key_builder makes such bytes),
 *            SOP_UNSUPPORTED (a part of FoundationDB that has no type here: nested tuples, larger integers).
 * Lifetime:  part_out->encoded points into the key.
 * Threads:   one thread at a time per reader.
 * Cost:      O(size of the part).
 * Source:    docs/format/key.md
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_key_next(sop_key_reader *reader, sop_key_part *part_out);

/*
 * The plain bytes of a part of type SOP_KEY_BYTES or SOP_KEY_STRING; the shortest text of a SOP_KEY_DECIMAL.
 *
 * part       filled by sop_key_next.
 * buffer     where the bytes go if the part does not hold them as they are.
 * capacity   bytes at buffer; part->encoded.size is always enough, for decimals 4 * part->encoded.size + 32.
 * bytes_out  the bytes; the empty slice on failure.
 *
 * Returns:   SOP_OK, SOP_TOO_LARGE (the buffer is short), SOP_INVALID (another type), SOP_CORRUPT (encoded was
 *            changed by the caller).
 * Lifetime:  bytes_out points into the key when the part is ascending and has no zero byte, else into buffer.
 * Threads:   any.
 * Cost:      O(size of the part).
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_key_part_bytes(const sop_key_part *part,
                                                     void *buffer,
                                                     size_t capacity,
                                                     sop_slice *bytes_out);

/*
 * The smallest key above all keys that begin with a prefix: the end of a range [prefix, end).
 *
 * prefix     any bytes.
 * buffer     where the end goes; may be the memory of the prefix itself.
 * capacity   bytes at buffer; prefix.size is always enough.
 * end_out    the end; the empty slice, an open end, if the prefix is empty or all FF, and on failure.
 *
 * Returns:   SOP_OK, SOP_TOO_LARGE (the buffer is short), SOP_INVALID (a prefix without data).
 * Lifetime:  end_out points into buffer.
 * Threads:   any.
 * Cost:      O(size of the prefix).
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_key_prefix_end(sop_slice prefix,
                                                     void *buffer,
                                                     size_t capacity,
                                                     sop_slice *end_out);

#ifdef __cplusplus
}
#endif
#endif
