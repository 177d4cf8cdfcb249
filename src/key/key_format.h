/* SPDX-License-Identifier: MIT */
/* The bytes that begin the parts of a key; docs/format/key.md has the table. */
#ifndef SOP_KEY_FORMAT_H
#define SOP_KEY_FORMAT_H

#include "sop/key.h"

#include "util/bytes.h"

enum {
    KEY_CODE_NULL = 0x00,
    KEY_CODE_BYTES = 0x01,
    KEY_CODE_STRING = 0x02,
    KEY_CODE_NESTED = 0x05,       /* read only, SOP_UNSUPPORTED */
    KEY_CODE_BIG_NEGATIVE = 0x0b, /* read only, SOP_UNSUPPORTED */
    KEY_CODE_INT_MIN = 0x0c,      /* 8 bytes, negative */
    KEY_CODE_INT_ZERO = 0x14,     /* plus or minus the number of bytes that follow */
    KEY_CODE_INT_MAX = 0x1c,      /* 8 bytes, positive */
    KEY_CODE_BIG_POSITIVE = 0x1d, /* read only, SOP_UNSUPPORTED */
    KEY_CODE_FLOAT = 0x20,        /* read only, as a double */
    KEY_CODE_DOUBLE = 0x21,
    KEY_CODE_DECIMAL = 0x23, /* ours; FoundationDB keeps 23 and 24 free for decimals */
    KEY_CODE_FALSE = 0x26,
    KEY_CODE_TRUE = 0x27,
    KEY_CODE_UUID = 0x30,
    KEY_CODE_VERSION_10 = 0x32, /* read only, SOP_UNSUPPORTED */
    KEY_CODE_VERSION_12 = 0x33, /* read only, SOP_UNSUPPORTED */
    KEY_CODE_USER_FIRST = 0x40, /* read only, SOP_UNSUPPORTED */
    KEY_CODE_USER_LAST = 0x4f,  /* read only, SOP_UNSUPPORTED */
    KEY_CODE_DESCENDING = 0x80  /* the marker in front of a complemented part */
};

/* Bytes needed for a number, 0 for 0. */
SOP_INLINE unsigned sop_key__byte_count(uint64_t value)
{
    if (value == 0) return 0;
    return (unsigned)(71 - __builtin_clzll(value)) / 8;
}

/* Writes the code and the bytes of a signed integer; to holds 16 bytes. Returns the size. */
unsigned sop_key__put_int(uint8_t to[16], int64_t value);
/* The integer of `size` bytes behind a code; 0 if it has more bytes than it needs. Negative ones come complemented. */
int sop_key__get_int(unsigned code, const uint8_t *bytes, size_t size, uint64_t *magnitude_out);

/* Appends bytes of a part; complements them if the part is descending. */
void sop_key__put(sop_key_builder *builder, const void *data, size_t size);
/* Begins a part: 0 if the builder has failed already. */
int sop_key__part_begin(sop_key_builder *builder, unsigned code);

/* The byte after the body of a decimal at `at`, or NULL if it is malformed. mask: ff if descending. */
const uint8_t *sop_key__skip_decimal(const uint8_t *at, const uint8_t *end, uint8_t mask);
/* Its canonical text. */
sop_status sop_key__decimal_text(const sop_key_part *part,
                                 uint8_t *buffer,
                                 size_t capacity,
                                 sop_slice *text_out);

#endif
