/* SPDX-License-Identifier: MIT */
/* The writer: layout, escapes, misuse, limits, lost allocations; reformatting random texts. */
#include <math.h>
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
#include "util/memory.h"

static void assert_text(const sop_json_writer *w, const char *expected)
{
    sop_slice text;
    assert_int_equal(sop_json_writer_end(w, &text), SOP_OK);
    if (!sop_slice_equal(text, sop_str(expected)))
        fail_msg("%.*s", (int)text.size, (const char *)text.data);
}

static void write_sample(sop_json_writer *w)
{
    sop_json_object_begin(w);
    sop_json_key(w, sop_str("a"));
    sop_json_array_begin(w);
    sop_json_int(w, INT64_MIN);
    sop_json_uint(w, UINT64_MAX);
    sop_json_double(w, 0.1);
    sop_json_bool(w, 1);
    sop_json_bool(w, 0);
    sop_json_null(w);
    sop_json_array_end(w);
    sop_json_key(w, sop_str("b\n"));
    sop_json_string(w, sop_str("x\"y"));
    sop_json_key(w, sop_str(""));
    sop_json_object_begin(w);
    sop_json_object_end(w);
    sop_json_key(w, sop_str("r"));
    sop_json_raw(w, sop_str("1.10e+5"));
    sop_json_key(w, sop_str("e"));
    sop_json_array_begin(w);
    sop_json_array_end(w);
    sop_json_object_end(w);
}

static void test_compact_and_pretty_layout(void **state)
{
    (void)state;
    sop_json_writer w;
    sop_json_writer_init(&w, 0);
    write_sample(&w);
    assert_text(&w, "{\"a\":[-9223372036854775808,18446744073709551615,0.1,true,false,null],"
                    "\"b\\n\":\"x\\\"y\",\"\":{},"
                    "\"r\":1.10e+5,\"e\":[]}");
    sop_json_writer_deinit(&w);
    sop_json_writer_init(&w, 2);
    write_sample(&w);
    assert_text(
        &w,
        "{\n  \"a\": [\n    -9223372036854775808,\n    18446744073709551615,\n    0.1,\n    "
        "true,\n    false,\n"
        "    null\n  ],\n  \"b\\n\": \"x\\\"y\",\n  \"\": {},\n  \"r\": 1.10e+5,\n  \"e\": []\n}");
    sop_json_writer_deinit(&w);
}

static void test_lines_of_values(void **state)
{
    (void)state;
    sop_json_writer w;
    sop_json_writer_init(&w, 0);
    for (int i = 0; i < 3; i++) {
        sop_json_array_begin(&w);
        sop_json_int(&w, i);
        sop_json_array_end(&w);
        sop_json_append(&w, sop_str("\n"));
    }
    assert_text(&w, "[0]\n[1]\n[2]\n");
    sop_json_writer_reset(&w);
    sop_json_null(&w);
    assert_text(&w, "null");
    sop_json_writer_deinit(&w);
}

static void test_every_control_character_is_escaped(void **state)
{
    (void)state;
    for (unsigned c = 0; c < 0x100; c++) {
        for (size_t before = 0; before < 20; before++) {
            uint8_t plain[32];
            uint8_t again[256];
            memset(plain, 'x', sizeof plain);
            plain[before] = (uint8_t)c;
            sop_json_writer w;
            sop_slice text;
            sop_slice bytes;
            sop_json_writer_init(&w, 0);
            sop_json_string(&w, sop_slice_of(plain, before + 3));
            sop_status status = sop_json_writer_end(&w, &text);
            assert_int_equal(status, c < 0x80 ? SOP_OK : SOP_INVALID);
            if (status == SOP_OK) {
                assert_int_equal(sop_json_check(text, NULL, NULL, NULL), SOP_OK);
                assert_int_equal(sop_json_string_decode(text, 1, again, sizeof again, &bytes),
                                 SOP_OK);
                assert_true(sop_slice_equal(bytes, sop_slice_of(plain, before + 3)));
            }
            sop_json_writer_deinit(&w);
        }
    }
}

static void test_surrogates_come_back_as_escapes(void **state)
{
    (void)state;
    sop_json_writer w;
    sop_json_writer_init(&w, 0);
    sop_json_string(&w, sop_str("\xed\xa0\x80 \xed\xbf\xbf \xf0\x9f\x98\x80"));
    assert_text(&w, "\"\\ud800 \\udfff \xf0\x9f\x98\x80\"");
    static const char *const bad[] = {"\xed\xa0",         "\xed\xc0\x80", "\xc0\x80",
                                      "\xf4\x90\x80\x80", "a\x80",        "\xff"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        sop_slice text;
        sop_json_writer_reset(&w);
        sop_json_string(&w, sop_str(bad[i]));
        assert_int_equal(sop_json_writer_end(&w, &text), SOP_INVALID);
    }
    sop_json_writer_deinit(&w);
}

typedef void (*misuse)(sop_json_writer *w);
static void two_values(sop_json_writer *w)
{
    sop_json_null(w);
    sop_json_null(w);
}
static void value_without_key(sop_json_writer *w)
{
    sop_json_object_begin(w);
    sop_json_null(w);
    sop_json_object_end(w);
}
static void key_without_value(sop_json_writer *w)
{
    sop_json_object_begin(w);
    sop_json_key(w, sop_str("a"));
    sop_json_object_end(w);
}
static void key_after_key(sop_json_writer *w)
{
    sop_json_object_begin(w);
    sop_json_key(w, sop_str("a"));
    sop_json_key(w, sop_str("b"));
    sop_json_null(w);
    sop_json_object_end(w);
}
static void key_in_array(sop_json_writer *w)
{
    sop_json_array_begin(w);
    sop_json_key(w, sop_str("a"));
    sop_json_array_end(w);
}
static void key_outside(sop_json_writer *w)
{
    sop_json_key(w, sop_str("a"));
}
static void wrong_end(sop_json_writer *w)
{
    sop_json_array_begin(w);
    sop_json_object_end(w);
}
static void end_too_many(sop_json_writer *w)
{
    sop_json_array_begin(w);
    sop_json_array_end(w);
    sop_json_array_end(w);
}
static void left_open(sop_json_writer *w)
{
    sop_json_array_begin(w);
}
static void infinite(sop_json_writer *w)
{
    sop_json_double(w, HUGE_VAL);
}
static void not_a_number(sop_json_writer *w)
{
    sop_json_double(w, nan(""));
}

static void test_misuse_is_invalid_and_sticks(void **state)
{
    (void)state;
    static const misuse cases[] = {
        two_values, value_without_key, key_without_value, key_after_key, key_in_array, key_outside,
        wrong_end,  end_too_many,      left_open,         infinite,      not_a_number};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        sop_json_writer w;
        sop_slice text;
        sop_json_writer_init(&w, 2);
        cases[i](&w);
        if (sop_json_writer_end(&w, &text) != SOP_INVALID) fail_msg("case %zu", i);
        assert_int_equal(text.size, 0);
        sop_json_writer_reset(&w);
        sop_json_null(&w);
        assert_text(&w, "null");
        sop_json_writer_deinit(&w);
    }
}

static void test_depth_and_size_limits(void **state)
{
    (void)state;
    sop_json_writer w;
    sop_slice text;
    sop_json_writer_init(&w, 0);
    for (int i = 0; i < SOP_JSON_DEPTH_LIMIT; i++) {
        sop_json_array_begin(&w);
    }
    for (int i = 0; i < SOP_JSON_DEPTH_LIMIT; i++) {
        sop_json_array_end(&w);
    }
    assert_int_equal(sop_json_writer_end(&w, &text), SOP_OK);
    assert_int_equal(text.size, 2 * SOP_JSON_DEPTH_LIMIT);
    sop_json_writer_reset(&w);
    for (int i = 0; i <= SOP_JSON_DEPTH_LIMIT; i++) {
        sop_json_array_begin(&w);
    }
    assert_int_equal(sop_json_writer_end(&w, &text), SOP_TOO_LARGE);
    for (size_t limit = 1; limit < 8; limit++) {
        sop_json_writer_reset(&w);
        w.size_max = limit;
        sop_json_array_begin(&w);
        sop_json_int(&w, 1234);
        sop_json_array_end(&w);
        assert_int_equal(sop_json_writer_end(&w, &text), limit < 6 ? SOP_TOO_LARGE : SOP_OK);
    }
    sop_json_writer_deinit(&w);
}

static void test_lost_allocations_stick(void **state)
{
    (void)state;
    char *big = malloc(3000);
    memset(big, 'x', 3000);
    for (uint64_t n = 1;; n++) {
        sop_json_writer w;
        sop_slice text;
        sop_json_writer_init(&w, 4);
        sop_memory_fail_at(n, 0);
        sop_json_array_begin(&w);
        for (int i = 0; i < 20; i++) {
            sop_json_string(&w, sop_slice_of(big, (size_t)i * 150));
        }
        sop_json_array_end(&w);
        int struck = sop_memory_fail_reached();
        sop_memory_fail_at(0, 0);
        assert_int_equal(sop_json_writer_end(&w, &text), struck ? SOP_NO_MEMORY : SOP_OK);
        sop_json_writer_deinit(&w);
        if (!struck) {
            assert_true(n > 5);
            break;
        }
    }
    free(big);
}

static void rewrite(sop_json_writer *w, sop_slice text, char **out, size_t *size)
{
    sop_slice result;
    sop_json_writer_reset(w);
    sop_json_reformat(w, text);
    assert_int_equal(sop_json_writer_end(w, &result), SOP_OK);
    *out = malloc(result.size);
    memcpy(*out, result.data, result.size);
    *size = result.size;
}

/* Pretty then compact gives the same as compact, and the values stay what they were. */
static void test_reformatting_keeps_the_value(void **state)
{
    (void)state;
    uint64_t seed = sop_test_seed(51);
    char *text = malloc(8192);
    sop_json_writer compact;
    sop_json_writer pretty;
    sop_json_writer_init(&compact, 0);
    sop_json_writer_init(&pretty, 3);
    for (int n = 0; n < 5000; n++) {
        size_t size = model_random(&seed, text, 1 + sop_test_random(&seed) % 2000);
        char *a;
        char *b;
        char *c;
        size_t a_size;
        size_t b_size;
        size_t c_size;
        rewrite(&compact, sop_slice_of(text, size), &a, &a_size);
        rewrite(&pretty, sop_slice_of(text, size), &b, &b_size);
        rewrite(&compact, sop_slice_of(b, b_size), &c, &c_size);
        assert_int_equal(a_size, c_size);
        assert_memory_equal(a, c, a_size);
        model_value *before = model_parse(text, size, 512);
        model_value *after = model_parse(b, b_size, 512);
        assert_non_null(after);
        assert_true(model_equal(before, after));
        model_free(before);
        model_free(after);
        free(a);
        free(b);
        free(c);
    }
    sop_json_writer_deinit(&compact);
    sop_json_writer_deinit(&pretty);
    free(text);
}

static void test_reformatting_inside_a_document_and_bad_text(void **state)
{
    (void)state;
    sop_json_writer w;
    sop_slice text;
    sop_json_writer_init(&w, 0);
    sop_json_array_begin(&w);
    sop_json_reformat(&w, sop_str(" { \"a\" : [ 1 , 2 ] } "));
    sop_json_reformat(&w, sop_str("\"x\""));
    sop_json_array_end(&w);
    assert_text(&w, "[{\"a\":[1,2]},\"x\"]");
    static const char *const bad[] = {"",      " ",   ",",    ":",        "}",
                                      "]",     "[",   "[1",   "[1}",      "{\"a\"}",
                                      "{1:2}", "1 2", "[] x", "{\"a\":}", "?"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        sop_json_writer_reset(&w);
        sop_json_array_begin(&w);
        sop_json_reformat(&w, sop_str(bad[i]));
        sop_json_array_end(&w);
        sop_status status = sop_json_writer_end(&w, &text);
        if (status != SOP_INVALID) fail_msg("%s", bad[i]);
    }
    sop_json_writer_deinit(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_compact_and_pretty_layout),
        cmocka_unit_test(test_lines_of_values),
        cmocka_unit_test(test_every_control_character_is_escaped),
        cmocka_unit_test(test_surrogates_come_back_as_escapes),
        cmocka_unit_test(test_misuse_is_invalid_and_sticks),
        cmocka_unit_test(test_depth_and_size_limits),
        cmocka_unit_test(test_lost_allocations_stick),
        cmocka_unit_test(test_reformatting_keeps_the_value),
        cmocka_unit_test(test_reformatting_inside_a_document_and_bad_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
