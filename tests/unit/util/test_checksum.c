/* SPDX-License-Identifier: MIT */
/* Checksums are those of the packaged xxhash, whichever instructions compute them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include <cmocka.h>

#include "support/support.h"
#include "util/checksum.h"

static void test_sums_are_those_of_the_library_at_every_size_and_alignment(void **state)
{
    (void)state;
    uint64_t random = 9;
    for (size_t size = 0; size < 5000; size += size < 300 ? 1 : 37) {
        /* An exact allocation, so that a sanitizer sees reads past the end. */
        uint8_t *data = malloc(size + 1);
        for (size_t i = 0; i <= size; i++) {
            data[i] = (uint8_t)sop_test_random(&random);
        }
        for (size_t shift = 0; shift < 2; shift++) {
            uint64_t seed = shift == 0 ? 0 : sop_test_random(&random);
            XXH128_hash_t wide = XXH3_128bits_withSeed(data + shift, size, seed);
            sop_hash128 sum = sop_checksum128(data + shift, size, seed);
            assert_true(sop_checksum64(data + shift, size, seed) ==
                        XXH3_64bits_withSeed(data + shift, size, seed));
            assert_true(sum.low == wide.low64 && sum.high == wide.high64);
        }
        free(data);
    }
}

static void test_known_sums(void **state)
{
    (void)state;
    uint8_t data[1000];
    for (size_t i = 0; i < sizeof data; i++) {
        data[i] = (uint8_t)(i * 7);
    }
    assert_true(sop_checksum64("", 0, 0) == UINT64_C(0x2d06800538d394c2));
    assert_true(sop_checksum64(data, 1000, 0) == UINT64_C(0x10ad30264426c830));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sums_are_those_of_the_library_at_every_size_and_alignment),
        cmocka_unit_test(test_known_sums),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
