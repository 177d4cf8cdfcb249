/* SPDX-License-Identifier: MIT */
/* Decimal parts: vectors, order and canonical round trip of random numbers, malformed bytes, neighbours. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sop/key.h"

#include "support/support.h"
#include "util/bytes.h"
#include "util/decimal.h"

#define PAIRS 1000000

static sop_slice encode(const char *text, int descending, uint8_t *buffer, size_t capacity)
{
    sop_key_builder b;
    sop_slice key;
    sop_key_begin(&b, buffer, capacity);
    if (descending) sop_key_descending(&b);
    sop_key_add_decimal(&b, sop_str(text));
    sop_status status = sop_key_end(&b, &key, NULL);
    if (status != SOP_OK) fail_msg("%s: %s", text, sop_status_name(status));
    return key;
}

static void decode(sop_slice key, int descending, char *text, size_t capacity)
{
    sop_key_reader reader;
    sop_key_part part;
    sop_slice bytes;
    sop_key_read(&reader, key);
    assert_int_equal(sop_key_next(&reader, &part), SOP_OK);
    assert_int_equal(part.type, SOP_KEY_DECIMAL);
    assert_int_equal(part.descending, descending);
    assert_true(4 * part.encoded.size + 32 < capacity);
    assert_int_equal(sop_key_part_bytes(&part, text, 4 * part.encoded.size + 32, &bytes), SOP_OK);
    text[bytes.size] = '\0';
    assert_int_equal(sop_key_next(&reader, &part), SOP_NOT_FOUND);
}

static void test_vectors(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *canonical;
        const char *key;
        size_t size;
    } cases[] = {
        {"0", "0", "\x23\x80", 2},
        {"-0.00e7", "0", "\x23\x80", 2},
        {"1", "1", "\x23\x95\x01\x0b\x00", 5},
        {"-1", "-1", "\x23\x6a\xfe\xf4\xff", 5},
        {"1.10", "1.1", "\x23\x95\x01\x0c\x00", 5},
        {"0.5", "0.5", "\x23\x94\x33\x00", 4},
        {"99.99", "99.99", "\x23\x95\x02\x64\x64\x00", 6},
        {"0.01", "0.01", "\x23\x93\xfe\x0b\x00", 5},
        {"100", "100", "\x23\x95\x03\x0b\x00", 5},
        {"123", "123", "\x23\x95\x03\x0d\x1f\x00", 6},
        {"1e400", "1e400", "\x23\x96\x01\x91\x0b\x00", 6},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t buffer[64];
        char text[256];
        sop_slice key = encode(cases[i].text, 0, buffer, sizeof buffer);
        if (!sop_slice_equal(key, sop_slice_of(cases[i].key, cases[i].size)))
            fail_msg("%s", cases[i].text);
        decode(key, 0, text, sizeof text);
        assert_string_equal(text, cases[i].canonical);
    }
}

static void random_number(uint64_t *seed, char *text)
{
    size_t used = 0;
    uint64_t r = sop_test_random(seed);
    if (r % 2) text[used++] = '-';
    text[used++] = (char)('1' + (r >> 8) % 9);
    for (uint64_t n = (r >> 16) % 8; n != 0; n--) {
        text[used++] =
            (char)('0' + (sop_test_random(seed) % 3 == 0 ? sop_test_random(seed) % 10 : 0));
    }
    if ((r >> 24) % 2) {
        text[used++] = '.';
        for (uint64_t n = 1 + (r >> 32) % 6; n != 0; n--) {
            text[used++] =
                (char)('0' + (sop_test_random(seed) % 2 == 0 ? sop_test_random(seed) % 10 : 0));
        }
    }
    text[used] = '\0';
    int64_t exponent = (int64_t)(sop_test_random(seed) >> 3) >> (sop_test_random(seed) % 61);
    uint64_t kind = sop_test_random(seed) % 8;
    if (kind < 4) exponent = (int64_t)(sop_test_random(seed) % 9) - 4;
    if (kind < 6)
        (void)snprintf(text + used, 32, "e%lld", (long long)(kind % 2 ? exponent : -exponent));
    if (kind == 7) (void)snprintf(text, 32, "%s", "-0.0");
}

static int sign(int x)
{
    return (x > 0) - (x < 0);
}

static void check_pairs(int descending)
{
    uint64_t seed = sop_test_seed(71);
    int equal = 0;
    for (int n = 0; n < PAIRS; n++) {
        char a[64];
        char b[64];
        uint8_t a_buffer[64];
        uint8_t b_buffer[64];
        sop_decimal x;
        sop_decimal y;
        random_number(&seed, a);
        random_number(&seed, b);
        assert_int_equal(sop_decimal_parse(sop_str(a), &x), 0);
        assert_int_equal(sop_decimal_parse(sop_str(b), &y), 0);
        sop_slice p = encode(a, descending, a_buffer, sizeof a_buffer);
        sop_slice q = encode(b, descending, b_buffer, sizeof b_buffer);
        int expected = sign(sop_decimal_compare(&x, &y));
        equal += expected == 0;
        if (sign(sop_slice_compare(p, q)) != (descending ? -expected : expected))
            fail_msg("%s, %s", a, b);
        char text[256];
        decode(p, descending, text, sizeof text);
        if (!sop_slice_equal(encode(text, descending, b_buffer, sizeof b_buffer), p))
            fail_msg("%s gave %s", a, text);
    }
    assert_true(equal > 1000);
}

static void test_random_pairs_sort_by_value(void **state)
{
    (void)state;
    check_pairs(0);
    check_pairs(1);
}

static void test_long_numbers_and_short_buffers(void **state)
{
    (void)state;
    static char text[4001];
    static char again[20000];
    static uint8_t buffer[4096];
    for (size_t digits = 1; digits < 4000; digits += digits < 200 ? 1 : 379) {
        for (size_t i = 0; i < digits; i++) {
            text[i] = (char)('1' + (i * 7 + digits) % 9);
        }
        text[digits] = '\0';
        sop_slice key = encode(text, digits % 2 != 0, buffer, sizeof buffer);
        assert_true(key.size <= digits / 2 + 8);
        decode(key, digits % 2 != 0, again, sizeof again);
        assert_string_equal(text, again);
        sop_key_builder b;
        size_t needed = 0;
        sop_key_begin(&b, buffer, key.size - 1);
        if (digits % 2 != 0) sop_key_descending(&b);
        sop_key_add_decimal(&b, sop_str(text));
        assert_int_equal(sop_key_end(&b, NULL, &needed), SOP_TOO_LARGE);
        assert_int_equal(needed, key.size);
    }
}

static void test_text_buffer_is_not_overrun(void **state)
{
    (void)state;
    uint8_t key_buffer[64];
    sop_slice key = encode("-123456789.125e-30", 0, key_buffer, sizeof key_buffer);
    sop_key_reader reader;
    sop_key_part part;
    sop_slice bytes;
    sop_key_read(&reader, key);
    assert_int_equal(sop_key_next(&reader, &part), SOP_OK);
    for (size_t capacity = 0; capacity < 100; capacity++) {
        char *buffer = malloc(capacity == 0 ? 1 : capacity);
        sop_status status = sop_key_part_bytes(&part, buffer, capacity, &bytes);
        assert_true(status == SOP_OK || status == SOP_TOO_LARGE);
        if (capacity >= 4 * part.encoded.size + 32) assert_int_equal(status, SOP_OK);
        free(buffer);
    }
}

static void test_what_is_no_number_is_invalid(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "x", "1.", "01", "+1", "NaN", "1e", " 1"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        uint8_t buffer[64];
        sop_key_builder b;
        sop_key_begin(&b, buffer, sizeof buffer);
        sop_key_add_decimal(&b, sop_str(bad[i]));
        assert_int_equal(sop_key_end(&b, NULL, NULL), SOP_INVALID);
        sop_key_add_decimal(&b, sop_str("1"));
        assert_int_equal(sop_key_end(&b, NULL, NULL), SOP_INVALID);
    }
}

static void test_malformed_bodies_are_corrupt(void **state)
{
    (void)state;
    static const struct {
        const char *key;
        size_t size;
    } bad[] = {
        {"\x23", 1},
        {"\x23\x95", 2},
        {"\x23\x95\x01", 3},
        {"\x23\x95\x01\x0b", 4},                                  /* no end */
        {"\x23\x95\x01\x00", 4},                                  /* no digit */
        {"\x23\x95\x01\x0a\x00", 5},                              /* begins with 0 */
        {"\x23\x95\x01\x0b\x01\x00", 6},                          /* ends with 00 */
        {"\x23\x95\x01\x66\x00", 5},                              /* above 99 */
        {"\x23\x95\x00\x0b\x00", 5},                              /* exponent not minimal */
        {"\x23\x9c\x7f\xff\xff\xff\xff\xff\xff\xff\x0b\x00", 12}, /* exponent above the limit */
        {"\x23\x9d\x01", 3},
        {"\x23\x81\x0b\x00", 4},
        {"\x23\x7f", 2}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char *exact = malloc(bad[i].size);
        memcpy(exact, bad[i].key, bad[i].size);
        sop_key_reader reader;
        sop_key_part part;
        sop_key_read(&reader, sop_slice_of(exact, bad[i].size));
        if (sop_key_next(&reader, &part) != SOP_CORRUPT) fail_msg("case %zu", i);
        free(exact);
    }
}

static void test_neighbours_are_not_swallowed(void **state)
{
    (void)state;
    uint8_t buffer[64];
    sop_key_builder b;
    sop_key_reader reader;
    sop_key_part part;
    sop_slice key;
    for (int descending = 0; descending < 4; descending++) {
        sop_key_begin(&b, buffer, sizeof buffer);
        sop_key_add_string(&b, sop_str("x"));
        if (descending & 1) sop_key_descending(&b);
        sop_key_add_decimal(&b, sop_str("-12.5"));
        if (descending & 2) sop_key_descending(&b);
        sop_key_add_null(&b);
        assert_int_equal(sop_key_end(&b, &key, NULL), SOP_OK);
        sop_key_read(&reader, key);
        assert_int_equal(sop_key_next(&reader, &part), SOP_OK);
        assert_int_equal(sop_key_next(&reader, &part), SOP_OK);
        assert_int_equal(part.type, SOP_KEY_DECIMAL);
        assert_int_equal(sop_key_next(&reader, &part), SOP_OK);
        assert_int_equal(part.type, SOP_KEY_NULL);
        assert_int_equal(sop_key_next(&reader, &part), SOP_NOT_FOUND);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_random_pairs_sort_by_value),
        cmocka_unit_test(test_long_numbers_and_short_buffers),
        cmocka_unit_test(test_text_buffer_is_not_overrun),
        cmocka_unit_test(test_what_is_no_number_is_invalid),
        cmocka_unit_test(test_malformed_bodies_are_corrupt),
        cmocka_unit_test(test_neighbours_are_not_swallowed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
