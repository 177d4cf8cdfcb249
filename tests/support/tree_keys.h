/* SPDX-License-Identifier: MIT */
/* Random keys and values of several kinds, made to hit ties, prefixes, zeros, limits. */
#ifndef SOP_TESTS_TREE_KEYS_H
#define SOP_TESTS_TREE_KEYS_H

#include <stddef.h>
#include <stdint.h>

enum {
    TREE_KEYS_NUMBER, /* 8 bytes, big-endian, few thousand different */
    TREE_KEYS_TEXT,   /* a long common beginning and digits */
    TREE_KEYS_BINARY, /* 16 random bytes */
    TREE_KEYS_TIES,   /* up to 30 bytes, each 00, 01 or ff: prefixes of each other, equal heads */
    TREE_KEYS_LONG,   /* up to 4,160 bytes, some sharing nearly all, some nothing */
    TREE_KEYS_SHORT,  /* 1 or 2 bytes */
    TREE_KEY_KINDS
};
enum { TREE_KEY_MAX = 4160, TREE_VALUE_MAX = 16384 };

size_t tree_random_key(int kind, uint64_t *random, uint8_t out[TREE_KEY_MAX]);
/* Mostly small; now and then of the greatest size, empty, or a reference. */
size_t
tree_random_value(int kind, uint64_t *random, uint8_t out[TREE_VALUE_MAX], int *is_reference_out);

#endif
