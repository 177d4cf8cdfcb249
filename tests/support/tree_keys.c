/* SPDX-License-Identifier: MIT */
/* Random keys and values of several kinds, made to hit ties, prefixes, zeros, limits. */
#include "support/tree_keys.h"

#include <stdio.h>
#include <string.h>

#include "support/support.h"
#include "support/tree_fixture.h"
#include "util/bytes.h"

size_t tree_random_key(int kind, uint64_t *random, uint8_t out[TREE_KEY_MAX])
{
    uint64_t r = sop_test_random(random);
    size_t size = 0;
    switch (kind) {
    case TREE_KEYS_NUMBER:
        sop_put_u64be(out, r % 8000);
        return 8;
    case TREE_KEYS_TEXT:
        return (size_t)snprintf((char *)out, 64, "customer/orders/%07u", (unsigned)(r % 20000));
    case TREE_KEYS_BINARY:
        sop_put_u64be(out, r);
        sop_put_u64be(out + 8, sop_test_random(random));
        return 16;
    case TREE_KEYS_TIES: {
        static const uint8_t alphabet[3] = {0x00, 0x01, 0xff};
        size = 1 + (size_t)(r % 30);
        for (size_t i = 0; i < size; i++) {
            /* Mostly the same beginning, so that heads tie. */
            uint64_t pick = sop_test_random(random);
            out[i] = i < 10 && pick % 16 != 0 ? 0 : alphabet[(pick >> 8) % 3];
        }
        return size;
    }
    case TREE_KEYS_LONG:
        size = 1 + (size_t)(r % TREE_KEY_MAX);
        memset(out, 'a' + (int)((r >> 40) % 3), TREE_KEY_MAX);
        for (size_t i = 0; i < 3; i++) {
            /* Random bytes at the very front, in the middle, or at the end. */
            uint64_t pick = sop_test_random(random);
            size_t at = pick % 4 == 0 ? 0 : (pick >> 8) % size;
            if (pick % 4 >= 2) at = size - 1 - at % (size < 9 ? size : 9);
            out[at] = (uint8_t)(pick >> 32);
        }
        if ((r >> 20) % 4 == 0) size = TREE_KEY_MAX;
        return size;
    default:
        size = 1 + (size_t)(r % 2);
        sop_put_u16le(out, (uint16_t)(r >> 8));
        return size;
    }
}

size_t
tree_random_value(int kind, uint64_t *random, uint8_t out[TREE_VALUE_MAX], int *is_reference_out)
{
    uint64_t r = sop_test_random(random);
    *is_reference_out = 0;
    if (r % 64 == 1) {
        *is_reference_out = 1;
        tree_fake_reference(sop_test_random(random) >> 1, out);
        return SOP_VALUE_REFERENCE_SIZE;
    }
    size_t size = (size_t)((r >> 16) % 40);
    if (r % 64 == 2) size = 0;
    if (r % 512 == 3 && kind != TREE_KEYS_NUMBER) size = TREE_VALUE_MAX;
    memset(out, (int)(r >> 8 & 0xff), size);
    for (size_t i = 0; i < size; i += 7) {
        out[i] = (uint8_t)sop_test_random(random);
    }
    return size;
}
