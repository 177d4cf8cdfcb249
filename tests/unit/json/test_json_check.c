/* SPDX-License-Identifier: MIT */
/* The checker: what is JSON, where it stops being so, limits; random and damaged texts against the
 * model. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "json/json.h"
#include "support/json_model.h"
#include "support/support.h"
#include "util/bytes.h"

static void test_errors_tell_line_column_byte_and_reason(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t line;
        size_t column;
        size_t offset;
        const char *reason;
    } cases[] = {
        {"", 1, 1, 0, "unexpected end"},
        {"  \n ", 2, 2, 4, "unexpected end"},
        {"{\"a\":1,}", 1, 8, 7, "expected a member name in quotes"},
        {"{\"a\":1 \"b\"}", 1, 8, 7, "expected ',' or '}'"},
        {"[1 2]", 1, 4, 3, "expected ',' or ']'"},
        {"[1,]", 1, 4, 3, "expected a value"},
        {"{\"a\" 1}", 1, 6, 5, "expected ':'"},
        {"[\n\n  tru]", 3, 3, 5, "expected a value"},
        {"[01]", 1, 2, 1, "a number with a leading zero"},
        {"[-]", 1, 3, 2, "expected a digit"},
        {"[1.]", 1, 4, 3, "expected a digit"},
        {"[1e+]", 1, 5, 4, "expected a digit"},
        {"\"a\\x\"", 1, 3, 2, "unknown escape"},
        {"\"\\u12g4\"", 1, 2, 1, "expected four hex digits after \\u"},
        {"\"\xc3\xa9\xe2\x82\xac\t\"", 1, 4, 6, "a control character inside a string"},
        {"\"\xc3\"", 1, 2, 1, "bytes that are not UTF-8"},
        {"\"\xed\xa0\x80\"", 1, 2, 1, "bytes that are not UTF-8"},
        {"\"abc", 1, 5, 4, "unexpected end inside a string"},
        {"\"abc\\", 1, 5, 4, "unexpected end inside a string"},
        {"1 1", 1, 3, 2, "text after the value"},
        {"{}\n\n}", 3, 1, 4, "text after the value"},
        {"\xef\xbb\xbf{}", 1, 1, 0, "expected a value"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        sop_json_position where;
        sop_error err;
        assert_int_equal(sop_json_check(sop_str(cases[i].text), NULL, &where, &err), SOP_INVALID);
        assert_int_equal(err.status, SOP_INVALID);
        assert_string_equal(where.reason, cases[i].reason);
        assert_int_equal(where.line, cases[i].line);
        assert_int_equal(where.column, cases[i].column);
        assert_int_equal(where.offset, cases[i].offset);
        char expected[240];
        (void)snprintf(expected, sizeof expected, "JSON, line %zu, column %zu (byte %zu): %s",
                       where.line, where.column, where.offset, where.reason);
        assert_string_equal(err.message, expected);
    }
}

static void test_depth_limit_at_and_beyond_the_edge(void **state)
{
    (void)state;
    static const uint32_t limits[] = {1, 2, 63, 64, 65, 512, 4096};
    char *text = malloc(20000);
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        for (uint32_t depth = limits[i] - 1; depth <= limits[i] + 1; depth++) {
            /* Objects and arrays in turn. */
            size_t used = 0;
            for (uint32_t d = 0; d < depth; d++) {
                used += (size_t)sprintf(text + used, "%s", d % 2 == 0 ? "[" : "{\"\":"); // NOLINT
            }
            text[used++] = '1';
            for (uint32_t d = depth; d-- > 0;) {
                text[used++] = d % 2 == 0 ? ']' : '}';
            }
            sop_json_limits l = {.depth_max = limits[i]};
            sop_status expected = depth <= limits[i] ? SOP_OK : SOP_TOO_LARGE;
            assert_int_equal(sop_json_check(sop_slice_of(text, used), &l, NULL, NULL), expected);
            l.depth_max = limits[i] == 4096 ? UINT32_MAX : limits[i] == 512 ? 0 : limits[i];
            assert_int_equal(sop_json_check(sop_slice_of(text, used), &l, NULL, NULL), expected);
        }
    }
    free(text);
}

static void test_size_limit(void **state)
{
    (void)state;
    sop_json_limits limits = {.size_max = 4};
    sop_json_position where;
    assert_int_equal(sop_json_check(sop_str("null"), &limits, NULL, NULL), SOP_OK);
    assert_int_equal(sop_json_check(sop_str("false"), &limits, &where, NULL), SOP_TOO_LARGE);
    assert_int_equal(where.offset, 0);
}

static void test_lone_surrogates_by_option(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int lone;
    } cases[] = {
        {"\"\\ud800\"", 1},        {"\"\\udfff\"", 1},        {"\"\\ud83d\\ude00\"", 0},
        {"\"\\uD83D\\uDE00\"", 0}, {"\"\\ude00\\ud83d\"", 1}, {"\"\\ud800\\ud800\\udc00\"", 1},
        {"\"\\ud800\\u0041\"", 1}, {"\"\\ud800x\"", 1},       {"\"\\ud7ff\\ue000\"", 0},
        {"{\"\\udc00\":1}", 1},    {"\"\\ud83d\\ude0\"", 2}};
    sop_json_limits reject = {.reject_lone_surrogates = 1};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        sop_slice text = sop_str(cases[i].text);
        assert_int_equal(sop_json_check(text, NULL, NULL, NULL),
                         cases[i].lone == 2 ? SOP_INVALID : SOP_OK);
        assert_int_equal(sop_json_check(text, &reject, NULL, NULL),
                         cases[i].lone != 0 ? SOP_INVALID : SOP_OK);
    }
}

static void assert_same_verdict(const char *text, size_t size)
{
    char *exact = malloc(size == 0 ? 1 : size);
    memcpy(exact, text, size);
    model_value *model = model_parse(exact, size, SOP_JSON_DEPTH_DEFAULT);
    sop_json_position where;
    int valid = sop_json_check(sop_slice_of(exact, size), NULL, &where, NULL) == SOP_OK;
    if (valid != (model != NULL)) fail_msg("the model disagrees on: %.*s", (int)size, text);
    if (!valid) assert_true(where.offset <= size);
    model_free(model);
    free(exact);
}

static void test_random_texts_are_accepted(void **state)
{
    (void)state;
    uint64_t seed = sop_test_seed(21);
    char *text = malloc(8192);
    for (int n = 0; n < 20000; n++) {
        size_t size = model_random(&seed, text, 1 + sop_test_random(&seed) % 4000);
        sop_error err;
        if (sop_json_check(sop_slice_of(text, size), NULL, NULL, &err) != SOP_OK) {
            fail_msg("%s in: %.*s", err.message, (int)size, text);
        }
        assert_same_verdict(text, size);
    }
    free(text);
}

static void test_damaged_texts_get_the_verdict_of_the_model(void **state)
{
    (void)state;
    static const char bytes[] =
        "{}[],:\"\\ \n\t0123456789.-+eEtrufalsn/ub\x01\x1f\x80\xbf\xc0\xc3\xe2\xed\xef\xf0\xf4\xff";
    uint64_t seed = sop_test_seed(22);
    char *text = malloc(4096);
    for (int n = 0; n < 100000; n++) {
        size_t size = model_random(&seed, text, 1 + sop_test_random(&seed) % 300);
        for (uint64_t k = 1 + sop_test_random(&seed) % 2; k != 0 && size != 0; k--) {
            size_t at = sop_test_random(&seed) % size;
            uint64_t how = sop_test_random(&seed) % 4;
            if (how == 0) {
                size = at;
            } else if (how == 1) {
                memmove(text + at, text + at + 1, --size - at);
            } else {
                text[at] = bytes[sop_test_random(&seed) % (sizeof bytes - 1)];
            }
        }
        assert_same_verdict(text, size);
    }
    free(text);
}

/* Every place of a string relative to the 16-byte steps of the scanner. */
static void test_special_bytes_are_seen_at_every_offset(void **state)
{
    (void)state;
    static const char *const pieces[] = {
        "\x1f", "\"", "\\", "\x80", "\\q", "\xc3\xa9", "\\u00e9", "\x7f", "\xf4\x90\x80\x80"};
    for (size_t before = 0; before < 70; before++) {
        for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
            for (size_t after = 0; after < 20; after++) {
                char text[128];
                size_t used = 0;
                text[used++] = '"';
                memset(text + used, 'x', before);
                used += before;
                size_t size = strlen(pieces[i]);
                memcpy(text + used, pieces[i], size);
                used += size;
                memset(text + used, 'y', after);
                used += after;
                text[used++] = '"';
                assert_same_verdict(text, used);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_errors_tell_line_column_byte_and_reason),
        cmocka_unit_test(test_depth_limit_at_and_beyond_the_edge),
        cmocka_unit_test(test_size_limit),
        cmocka_unit_test(test_lone_surrogates_by_option),
        cmocka_unit_test(test_random_texts_are_accepted),
        cmocka_unit_test(test_damaged_texts_get_the_verdict_of_the_model),
        cmocka_unit_test(test_special_bytes_are_seen_at_every_offset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
