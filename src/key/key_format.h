/* SPDX-License-Identifier: MIT */
/* The bytes that begin the parts of a key; docs/format/key.md has the table. */
#ifndef SOP_KEY_FORMAT_H
#define SOP_KEY_FORMAT_H

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
    KEY_CODE_FALSE = 0x26,
    KEY_CODE_TRUE = 0x27,
    KEY_CODE_UUID = 0x30,
    KEY_CODE_VERSION_10 = 0x32, /* read only, SOP_UNSUPPORTED */
    KEY_CODE_VERSION_12 = 0x33, /* read only, SOP_UNSUPPORTED */
    KEY_CODE_USER_FIRST = 0x40, /* read only, SOP_UNSUPPORTED */
    KEY_CODE_USER_LAST = 0x4f,  /* read only, SOP_UNSUPPORTED */
    KEY_CODE_DESCENDING = 0x80  /* the marker in front of a complemented part */
};

#endif
