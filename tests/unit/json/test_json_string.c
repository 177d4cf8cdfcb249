/* SPDX-License-Identifier: MIT */
/* Strings and numbers: decoding, comparing without decoding, classes and exact order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "json/json.h"
#include "support/support.h"
#include "util/bytes.h"

#define TEXT(s)                                                                                    \
    {                                                                                              \
        (s), sizeof(s) - 1                                                                         \
    }

static void test_escapes_decode(void **state)
{
    (void)state;
    static const struct {
        sop_slice raw;
        sop_slice plain;
        sop_status strict; /* when lone surrogates are rejected */
    } cases[] = {
        {TEXT("\"\""), TEXT(""), SOP_OK},
        {TEXT("\"abc\""), TEXT("abc"), SOP_OK},
        {TEXT("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""), TEXT("\"\\/\b\f\n\r\t"), SOP_OK},
        {TEXT("\"\\u0041\\u00e9\\u20AC\\u0000\""), TEXT("A\xc3\xa9\xe2\x82\xac\0"), SOP_OK},
        {TEXT("\"\\ud83d\\ude00\""), TEXT("\xf0\x9f\x98\x80"), SOP_OK},
        {TEXT("\"\\udbff\\udfff\""), TEXT("\xf4\x8f\xbf\xbf"), SOP_OK},
        {TEXT("\"\\ud800\""), TEXT("\xed\xa0\x80"), SOP_INVALID},
        {TEXT("\"\\udfffx\""), TEXT("\xed\xbf\xbfx"), SOP_INVALID},
        {TEXT("\"\\ud800\\ud83d\\ude00\""), TEXT("\xed\xa0\x80\xf0\x9f\x98\x80"), SOP_INVALID},
        {TEXT("\"\\ud800\\u0041\""),
         TEXT("\xed\xa0\x80"
              "A"),
         SOP_INVALID},
        {TEXT("\"\\ud800\\n\""), TEXT("\xed\xa0\x80\n"), SOP_INVALID},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t buffer[64];
        sop_slice bytes;
        assert_int_equal(sop_json_string_decode(cases[i].raw, 0, buffer, cases[i].raw.size, &bytes),
                         SOP_OK);
        assert_true(sop_slice_equal(bytes, cases[i].plain));
        assert_int_equal(sop_json_string_decode(cases[i].raw, 1, buffer, sizeof buffer, &bytes),
                         cases[i].strict);
        assert_true(sop_json_string_equal(cases[i].raw, cases[i].plain));
        assert_int_equal(sop_json_string_compare(cases[i].raw, cases[i].plain), 0);
    }
}

static void test_malformed_strings_are_corrupt(void **state)
{
    (void)state;
    static const char *const bad[] = {"",          "\"",          "abc",         "\"abc",
                                      "abc\"",     "\"\\\"",      "\"\\x\"",     "\"\\u\"",
                                      "\"\\u12\"", "\"\\u12g4\"", "\"\\u 123\"", "'a'"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        size_t size = strlen(bad[i]);
        char *raw = malloc(size == 0 ? 1 : size);
        memcpy(raw, bad[i], size);
        uint8_t buffer[64];
        sop_slice bytes;
        sop_status status =
            sop_json_string_decode(sop_slice_of(raw, size), 0, buffer, sizeof buffer, &bytes);
        if (status != SOP_CORRUPT) fail_msg("%s gave %s", bad[i], sop_status_name(status));
        (void)sop_json_string_compare(sop_slice_of(raw, size), sop_str("abc"));
        (void)sop_json_string_equal(sop_slice_of(raw, size), sop_str("abc"));
        free(raw);
    }
}

static void test_short_buffers_are_not_overrun(void **state)
{
    (void)state;
    sop_slice raw = sop_str("\"ab\\u20accd\\n\"");
    for (size_t capacity = 0; capacity <= 8; capacity++) {
        uint8_t *buffer = malloc(capacity == 0 ? 1 : capacity);
        sop_slice bytes;
        sop_status status = sop_json_string_decode(raw, 0, buffer, capacity, &bytes);
        assert_int_equal(status, capacity < 8 ? SOP_TOO_LARGE : SOP_OK);
        assert_int_equal(bytes.size, capacity < 8 ? 0 : 8);
        free(buffer);
    }
    sop_slice bytes;
    sop_slice plain = sop_str("\"no escape\"");
    assert_int_equal(sop_json_string_decode(plain, 0, NULL, 0, &bytes), SOP_OK);
    assert_ptr_equal(bytes.data, (const char *)plain.data + 1);
}

static int sign(int x)
{
    return (x > 0) - (x < 0);
}

/* Any writing of a string compares as its plain bytes do. */
static void test_comparison_agrees_with_decoding(void **state)
{
    (void)state;
    static const char *const pieces[] = {"a",
                                         "\\u0061",
                                         "b",
                                         "\\u0000",
                                         "\\n",
                                         "\xc3\xa9",
                                         "\\u00e9",
                                         "\\ud83d\\ude00",
                                         "\xf0\x9f\x98\x80",
                                         "\\ud800",
                                         "\\\\",
                                         "\\\"",
                                         "zzzzzzzzzzzzzzzzzzzz"};
    uint64_t seed = sop_test_seed(41);
    int equal = 0;
    for (int n = 0; n < 300000; n++) {
        char raw[2][256];
        uint8_t buffer[2][256];
        sop_slice plain[2];
        for (int i = 0; i < 2; i++) {
            size_t used = 1;
            raw[i][0] = '"';
            for (uint64_t k = sop_test_random(&seed) % 4; k != 0; k--) {
                const char *piece =
                    pieces[sop_test_random(&seed) % (sizeof pieces / sizeof pieces[0])];
                memcpy(raw[i] + used, piece, strlen(piece));
                used += strlen(piece);
            }
            raw[i][used++] = '"';
            raw[i][used] = '\0';
            assert_int_equal(sop_json_string_decode(sop_str(raw[i]), 0, buffer[i], 256, &plain[i]),
                             SOP_OK);
        }
        int expected = sign(sop_slice_compare(plain[0], plain[1]));
        if (sign(sop_json_string_compare(sop_str(raw[0]), plain[1])) != expected)
            fail_msg("%s, %s", raw[0], raw[1]);
        assert_int_equal(sop_json_string_equal(sop_str(raw[0]), plain[1]), expected == 0);
        equal += expected == 0;
    }
    assert_true(equal > 1000);
}

static void test_number_classes(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        sop_json_number_kind kind;
    } cases[] = {{"0", SOP_JSON_NUMBER_INT64},
                 {"-0", SOP_JSON_NUMBER_INT64},
                 {"9223372036854775807", SOP_JSON_NUMBER_INT64},
                 {"-9223372036854775808", SOP_JSON_NUMBER_INT64},
                 {"9223372036854775808", SOP_JSON_NUMBER_UINT64},
                 {"18446744073709551615", SOP_JSON_NUMBER_UINT64},
                 {"18446744073709551616", SOP_JSON_NUMBER_INTEGER},
                 {"-9223372036854775809", SOP_JSON_NUMBER_INTEGER},
                 {"1.0", SOP_JSON_NUMBER_DECIMAL},
                 {"-1.25", SOP_JSON_NUMBER_DECIMAL},
                 {"1e2", SOP_JSON_NUMBER_EXPONENT},
                 {"1.5E-2", SOP_JSON_NUMBER_EXPONENT},
                 {"1e400", SOP_JSON_NUMBER_EXPONENT},
                 {"", SOP_JSON_NUMBER_BAD},
                 {"01", SOP_JSON_NUMBER_BAD},
                 {"null", SOP_JSON_NUMBER_BAD},
                 {"1 ", SOP_JSON_NUMBER_BAD}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (sop_json_number_classify(sop_str(cases[i].text)) != cases[i].kind)
            fail_msg("%s", cases[i].text);
    }
}

static void test_number_order(void **state)
{
    (void)state;
    static const char *const ascending[] = {
        "-1e400",           "-2",    "-1.5", "0", "1e-400", "1.1", "9007199254740992",
        "9007199254740993", "1e399", "1e400"};
    size_t count = sizeof ascending / sizeof ascending[0];
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < count; j++) {
            int order = sop_json_number_compare(sop_str(ascending[i]), sop_str(ascending[j]));
            assert_int_equal(sign(order), (i > j) - (i < j));
        }
        assert_true(sop_json_number_compare(sop_str("bad"), sop_str(ascending[i])) < 0);
        assert_true(sop_json_number_compare(sop_str(ascending[i]), sop_str("bad")) > 0);
    }
    assert_int_equal(sop_json_number_compare(sop_str("1.10"), sop_str("1.1")), 0);
    assert_int_equal(sop_json_number_compare(sop_str("-0"), sop_str("0.00")), 0);
    assert_int_equal(sop_json_number_compare(sop_str("bad"), sop_str("")), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_escapes_decode),
        cmocka_unit_test(test_malformed_strings_are_corrupt),
        cmocka_unit_test(test_short_buffers_are_not_overrun),
        cmocka_unit_test(test_comparison_agrees_with_decoding),
        cmocka_unit_test(test_number_classes),
        cmocka_unit_test(test_number_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
