/* SPDX-License-Identifier: MIT */
/* Decimal texts: grammar, comparison against a digit-array model, conversions, canonical form. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/support.h"
#include "util/bytes.h"
#include "util/decimal.h"

static sop_decimal parse(const char *text)
{
    sop_decimal d;
    if (sop_decimal_parse(sop_str(text), &d) != 0) fail_msg("'%s' was refused", text);
    return d;
}

static int sign(int x)
{
    return (x > 0) - (x < 0);
}

static void test_grammar_is_that_of_json(void **state)
{
    (void)state;
    static const char *const good[] = {"0",    "-0",   "1",   "-12",   "1.0",  "0.0",   "1e5",
                                       "1E+5", "1e-5", "0e0", "0.1e1", "1e00", "10.01", "-0.0e-0"};
    static const char *const bad[] = {"",      "-",    "+1",  "01",       "-01",   ".5",
                                      "1.",    "1.e3", "1e",  "1e+",      "e1",    "0x1",
                                      "1 ",    " 1",   "1a",  "--1",      "1.2.3", "1e2e3",
                                      "1e1.5", "00",   "NaN", "Infinity", "-.5",   "1-2"};
    sop_decimal d;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        (void)parse(good[i]);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (sop_decimal_parse(sop_str(bad[i]), &d) == 0) fail_msg("'%s' was accepted", bad[i]);
    }
    assert_int_equal(sop_decimal_parse(sop_slice_of("1\0", 2), &d), -1);
    assert_int_equal(sop_decimal_parse(sop_slice_of("1e5", 2), &d), -1);
}

static void test_known_orders(void **state)
{
    (void)state;
    /* Ascending; a class of equal texts is separated by spaces. */
    static const char *const classes[] = {
        "-1e400",
        "-1e399",
        "-18446744073709551617",
        "-18446744073709551616 -18446744073709551616.000",
        "-1.11",
        "-1.1 -1.10 -11e-1 -0.11e1",
        "-1e-400",
        "0 -0 0.0 -0.0e5 0e999999999999999999999",
        "1e-400 0.1e-399 10e-401",
        "0.001 1e-3 0.1E-2",
        "1 1.0 10e-1 0.001e3 1e0",
        "9007199254740992",
        "9007199254740993",
        "9007199254740993.5",
        "1e399",
        "1e400 10e399 0.00001e405",
        "1.5e400",
    };
    size_t count = sizeof classes / sizeof classes[0];
    char texts[64][64];
    int rank[64];
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        char line[256];
        (void)snprintf(line, sizeof line, "%s", classes[i]);
        char *rest = line;
        for (char *word; (word = strtok_r(rest, " ", &rest)) != NULL; n++) {
            (void)snprintf(texts[n], sizeof texts[n], "%s", word);
            rank[n] = (int)i;
        }
    }
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < n; j++) {
            sop_decimal a = parse(texts[i]);
            sop_decimal b = parse(texts[j]);
            if (sign(sop_decimal_compare(&a, &b)) != sign(rank[i] - rank[j])) {
                fail_msg("%s against %s", texts[i], texts[j]);
            }
        }
    }
}

/* A fixed-point number of 60 digits before and 60 after the point: the model. */
#define MODEL 120
typedef struct {
    int negative;
    uint8_t digits[MODEL];
} model;

static void random_number(uint64_t *seed, char *text, model *m)
{
    char digits[40];
    int count = 1 + (int)(sop_test_random(seed) % 12);
    int point = (int)(sop_test_random(seed) % (uint64_t)(count + 1));
    int exponent = (int)(sop_test_random(seed) % 21) - 10;
    *m = (model){.negative = (int)(sop_test_random(seed) % 2)};
    for (int i = 0; i < count; i++) {
        digits[i] = (char)('0' + (sop_test_random(seed) % 3 == 0 ? sop_test_random(seed) % 10 : 0));
    }
    /* Zeros at the front are not JSON: a number that begins with one is written 0.000ddd. */
    if (point == 0 || (digits[0] == '0' && point > 1)) point = digits[0] == '0' ? 1 : point;
    size_t used = 0;
    if (m->negative) text[used++] = '-';
    if (point == 0) text[used++] = '0';
    for (int i = 0; i < count; i++) {
        if (i == point) text[used++] = '.';
        text[used++] = digits[i];
        int place = MODEL / 2 - point - exponent + i;
        m->digits[place] = (uint8_t)(digits[i] - '0');
    }
    text[used] = '\0';
    if (exponent != 0)
        (void)snprintf(text + used, 8, "%s%d", sop_test_random(seed) % 2 ? "e" : "E", exponent);
}

static int model_compare(const model *a, const model *b)
{
    static const model zero;
    int order = sign(memcmp(a->digits, b->digits, MODEL));
    int a_sign = memcmp(a->digits, zero.digits, MODEL) == 0 ? 0 : a->negative ? -1 : 1;
    int b_sign = memcmp(b->digits, zero.digits, MODEL) == 0 ? 0 : b->negative ? -1 : 1;
    if (a_sign != b_sign) return a_sign < b_sign ? -1 : 1;
    return a_sign * order;
}

static void test_random_orders_agree_with_the_model(void **state)
{
    (void)state;
    uint64_t seed = sop_test_seed(3);
    int equal = 0;
    for (int n = 0; n < 1000000; n++) {
        char a_text[64];
        char b_text[64];
        model a;
        model b;
        random_number(&seed, a_text, &a);
        random_number(&seed, b_text, &b);
        sop_decimal x = parse(a_text);
        sop_decimal y = parse(b_text);
        int expected = model_compare(&a, &b);
        equal += expected == 0;
        if (sign(sop_decimal_compare(&x, &y)) != expected)
            fail_msg("%s against %s", a_text, b_text);
    }
    assert_true(equal > 1000);
}

static void test_canonical_text_is_equal_and_stable(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"0", "0"},
        {"-0.0", "0"},
        {"1.10", "1.1"},
        {"-12.50e0", "-12.5"},
        {"1e3", "1000"},
        {"1e400", "1e400"},
        {"0.1e-399", "1e-400"},
        {"1.5e-7", "1.5e-7"},
        {"0.000001", "0.000001"},
        {"1e-6", "0.000001"},
        {"1e-7", "1e-7"},
        {"1e20", "100000000000000000000"},
        {"1e22", "1e22"},
        {"123456789012345678901234567890", "123456789012345678901234567890"},
        {"-120e-1", "-12"},
        {"12e-1", "1.2"}};
    uint64_t seed = sop_test_seed(5);
    for (size_t n = 0; n < 100000; n++) {
        char text[64];
        model ignored;
        size_t known = sizeof pairs / sizeof pairs[0];
        if (n < known)
            (void)snprintf(text, sizeof text, "%s", pairs[n][0]);
        else
            random_number(&seed, text, &ignored);
        sop_decimal d = parse(text);
        uint8_t digits[64];
        char out[128];
        char again[128];
        sop_decimal_digits(&d, digits);
        out[sop_decimal_text(d.negative, d.exponent, digits, d.count, (uint8_t *)out)] = '\0';
        if (n < known) assert_string_equal(out, pairs[n][1]);
        sop_decimal e = parse(out);
        if (sop_decimal_compare(&d, &e) != 0) fail_msg("%s became %s", text, out);
        sop_decimal_digits(&e, digits);
        again[sop_decimal_text(e.negative, e.exponent, digits, e.count, (uint8_t *)again)] = '\0';
        assert_string_equal(out, again);
    }
}

static void test_integers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int signed_ok;
        int64_t i;
        int unsigned_ok;
        uint64_t u;
    } cases[] = {{"0", 1, 0, 1, 0},
                 {"-0", 1, 0, 1, 0},
                 {"42", 1, 42, 1, 42},
                 {"-1", 1, -1, 0, 0},
                 {"1e3", 1, 1000, 1, 1000},
                 {"1.50e1", 1, 15, 1, 15},
                 {"1.5", 0, 0, 0, 0},
                 {"0.1", 0, 0, 0, 0},
                 {"9223372036854775807", 1, INT64_MAX, 1, INT64_MAX},
                 {"9223372036854775808", 0, 0, 1, UINT64_C(1) << 63},
                 {"-9223372036854775808", 1, INT64_MIN, 0, 0},
                 {"-9223372036854775809", 0, 0, 0, 0},
                 {"18446744073709551615", 0, 0, 1, UINT64_MAX},
                 {"18446744073709551615.000", 0, 0, 1, UINT64_MAX},
                 {"18446744073709551616", 0, 0, 0, 0},
                 {"99999999999999999999", 0, 0, 0, 0},
                 {"1e19", 0, 0, 1, UINT64_C(10000000000000000000)},
                 {"1e20", 0, 0, 0, 0},
                 {"1e999999999999999999999", 0, 0, 0, 0}};
    for (size_t n = 0; n < sizeof cases / sizeof cases[0]; n++) {
        sop_decimal d = parse(cases[n].text);
        int64_t i = 1;
        uint64_t u = 1;
        if (sop_decimal_int64(&d, &i) != cases[n].signed_ok) fail_msg("%s as int64", cases[n].text);
        if (sop_decimal_uint64(&d, &u) != cases[n].unsigned_ok)
            fail_msg("%s as uint64", cases[n].text);
        assert_true(i == cases[n].i);
        assert_true(u == cases[n].u);
    }
}

static void assert_double(const char *text, double expected)
{
    sop_decimal d = parse(text);
    double value = sop_decimal_double(&d);
    if (memcmp(&value, &expected, sizeof value) != 0) fail_msg("%s gave %.17g", text, value);
}

static void test_doubles(void **state)
{
    (void)state;
    assert_double("0", 0.0);
    assert_double("3.14", 3.14);
    assert_double("-2.5e-3", -2.5e-3);
    assert_double("1e22", 1e22);
    assert_double("1e23", 1e23);
    assert_double("9007199254740993", 9007199254740992.0);
    assert_double("9007199254740993.00000000000000000000000000000001", 9007199254740994.0);
    assert_double("1.7976931348623157e308", 1.7976931348623157e308);
    assert_double("1.7976931348623159e308", HUGE_VAL);
    assert_double("-1e400", -HUGE_VAL);
    assert_double("1e999999999999999999999", HUGE_VAL);
    assert_double("1e-999999999999999999999", 0.0);
    assert_double("4.9e-324", 4.9e-324);
    assert_double("2e-324", 0.0);
    assert_double("0.3", 0.3);
    /* 1 + 2^-53 is half way; a digit far behind decides. */
    char text[1200] = "1.00000000000000011102230246251565404236316680908203125";
    assert_double(text, 1.0);
    size_t size = strlen(text);
    memset(text + size, '0', 1000);
    memcpy(text + size + 1000, "1", 2);
    assert_double(text, 1.0000000000000002);
}

static void test_random_doubles_round_trip(void **state)
{
    (void)state;
    uint64_t seed = sop_test_seed(9);
    for (int n = 0; n < 200000; n++) {
        uint64_t bits = sop_test_random(&seed);
        if (n % 8 == 0) bits &= UINT64_C(0x800fffffffffffff);
        double value;
        memcpy(&value, &bits, sizeof value);
        if (n % 5 == 0) value = (double)(int64_t)(bits >> (bits % 60)) / 1000;
        if (!isfinite(value) || value == 0) continue;
        char text[SOP_DOUBLE_TEXT_MAX + 1];
        text[sop_double_text(value, (uint8_t *)text)] = '\0';
        assert_double(text, value);
        assert_true(parse(text).count <= 17);
    }
}

static void assert_double_text(double value, const char *expected)
{
    char text[SOP_DOUBLE_TEXT_MAX + 1];
    text[sop_double_text(value, (uint8_t *)text)] = '\0';
    assert_string_equal(text, expected);
}

static void test_double_texts(void **state)
{
    (void)state;
    assert_double_text(0.0, "0");
    assert_double_text(-0.0, "-0");
    assert_double_text(0.1, "0.1");
    assert_double_text(1.0 / 3, "0.3333333333333333");
    assert_double_text(100.0, "100");
    assert_double_text(-1.5e300, "-1.5e300");
    assert_double_text(5e-324, "5e-324");
    assert_double_text(1.7976931348623157e308, "1.7976931348623157e308");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_grammar_is_that_of_json),
        cmocka_unit_test(test_known_orders),
        cmocka_unit_test(test_random_orders_agree_with_the_model),
        cmocka_unit_test(test_canonical_text_is_equal_and_stable),
        cmocka_unit_test(test_integers),
        cmocka_unit_test(test_doubles),
        cmocka_unit_test(test_random_doubles_round_trip),
        cmocka_unit_test(test_double_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
