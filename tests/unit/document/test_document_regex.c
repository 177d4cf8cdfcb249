/* SPDX-License-Identifier: MIT */
/* Regular expressions: syntax, UTF-8, against the C library on random patterns, hostile patterns, both ways of matching. */
#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "document/document_fold.h"
#include "document/document_regex.h"
#include "support/support.h"
#include "util/bytes.h"
#include "util/memory.h"
#include "util/utf8.h"

static sop_arena arena;

static sop_document__regex *compile(sop_slice pattern)
{
    sop_document__regex *regex = NULL;
    size_t offset = 0;
    const char *why = NULL;
    if (sop_document__regex_new(pattern, 0, &arena, &regex, &offset, &why) != SOP_OK) {
        fail_msg("%.*s at %zu: %s", (int)pattern.size, (const char *)pattern.data, offset, why);
    }
    return regex;
}

static int match(const sop_document__regex *regex, sop_slice text)
{
    int fast = -1;
    int slow = -1;
    assert_int_equal(sop_document__regex_match(regex, text, &fast), SOP_OK);
    assert_int_equal(sop_document__regex_match_slowly(regex, text, &slow), SOP_OK);
    assert_int_equal(fast, slow);
    return fast;
}

static void test_what_matches(void **state)
{
    (void)state;
    static const struct {
        const char *pattern;
        const char *text;
        int expected;
    } cases[] = {
        {"", "", 1},
        {"", "abc", 1},
        {"b", "abc", 1},
        {"^b", "abc", 0},
        {"^a", "abc", 1},
        {"c$", "abc", 1},
        {"b$", "abc", 0},
        {"^$", "", 1},
        {"^$", "a", 0},
        {"\\Aab\\z", "ab", 1},
        {"a|b|c", "xxc", 1},
        {"^(a|b|c)$", "d", 0},
        {"a(|b)c", "ac", 1},
        {"(?:ab)+", "xabab", 1},
        {"^(ab)*$", "ababa", 0},
        {"^a{3}$", "aaa", 1},
        {"^a{3}$", "aaaa", 0},
        {"^a{2,3}$", "a", 0},
        {"^a{2,}$", "aaaaa", 1},
        {"^a{0}$", "", 1},
        {"^a{0,2}b$", "aab", 1},
        {"^(a{2}){2}$", "aaaa", 1},
        {"a{", "a{", 1},
        {"a{x}", "a{x}", 1},
        {"a{,2}", "a{,2}", 1},
        {"a*?b", "aaab", 1},
        {"[abc]", "b", 1},
        {"[^abc]", "abc", 0},
        {"[a-c-]", "-", 1},
        {"[]a]", "]", 1},
        {"[^]a]", "]", 0},
        {"[\\]\\\\]", "\\", 1},
        {"[\\d_]+$", "x12_", 1},
        {"^\\w+$", "aZ_9", 1},
        {"^\\w+$", "a-b", 0},
        {"^\\S+\\s\\S+$", "a b", 1},
        {"\\D", "123", 0},
        {"a.c", "a\nc", 0},
        {"a.c",
         "a\xe2\x82\xac"
         "c",
         1},
        {"^..$", "\xf0\x9f\x98\x80\xc3\xa9", 1},
        {"^[\\x{1F600}-\\x{1F64F}]$", "\xf0\x9f\x98\x80", 1},
        {"\\u20ac", "\xe2\x82\xac", 1},
        {"\\x41\\n\\t\\r\\f", "A\n\t\r\f", 1},
        {"\\.\\*\\(\\)\\[\\]\\{\\}\\^\\$\\|\\?\\+\\/\\-\\\"", ".*()[]{}^$|?+/-\"", 1},
        {"a\\.b", "axb", 0},
        {"(?i)HELLO", "hello", 1},
        {"(?i)[^A-C]", "abc", 0},
        {"(?i)\\u212a", "k", 1},
        {"(?i)[\\u0391-\\u03a9]", "\xcf\x83", 1},
        {"$^", "", 1},
        {"$a", "a", 0},
        {"(^a|b)c", "xbc", 1},
        {"(^a|b)c", "xac", 0},
        {"x*", "", 1},
        {"(a*)*$", "aab", 1},
        {"^(a*)*$", "aab", 0},
        {"^(a|ab)(c|bcd)(d*)$", "abcd", 1},
        {"[^\\x{0}-\\x{10FFFF}]", "a", 0},
        {"role::prog", "role::program", 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const sop_document__regex *regex = compile(sop_str(cases[i].pattern));
        if (match(regex, sop_str(cases[i].text)) != cases[i].expected)
            fail_msg("%s on %s", cases[i].pattern, cases[i].text);
        sop_arena_reset(&arena);
    }
}

static void test_wrong_patterns_say_where_and_why(void **state)
{
    (void)state;
    static const struct {
        const char *pattern;
        size_t offset;
        const char *why;
    } cases[] = {
        {"a(b", 3, "a group without )"},
        {"a)b", 1, "a ) without ("},
        {"*a", 0, "nothing to repeat"},
        {"a|+", 2, "nothing to repeat"},
        {"(?)", 1, "of (? only (?: is known, and (?i) at the start"},
        {"a(?i)b", 2, "of (? only (?: is known, and (?i) at the start"},
        {"[a", 2, "a class without ]"},
        {"[]", 2, "a class without ]"},
        {"[b-a]", 4, "a range whose end is below its start"},
        {"a\\", 2, "a backslash at the end"},
        {"\\b", 2, "an escape that has no meaning here"},
        {"\\1", 2, "an escape that has no meaning here"},
        {"\\x4", 3, "expected hex digits of a character"},
        {"\\x{110000}", 9, "expected hex digits of a character"},
        {"\\x{41", 5, "expected '}'"},
        {"a{1001}", 7, "more than 1000 repeats"},
        {"a{3,2}", 6, "a repeat whose end is below its start"},
        {"(a{1000}){1000}", 0, "a pattern that is too large, its repeats counted"},
        {"a******", 6, "too many repeats of repeats"},
        {"a\xff", 1, "bytes that are not UTF-8"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        sop_document__regex *regex = NULL;
        size_t offset = 0;
        const char *why = NULL;
        assert_int_equal(
            sop_document__regex_new(sop_str(cases[i].pattern), 0, &arena, &regex, &offset, &why),
            SOP_INVALID);
        assert_null(regex);
        if (strcmp(why, cases[i].why) != 0) fail_msg("%s: %s", cases[i].pattern, why);
        if (offset != cases[i].offset) fail_msg("%s: at %zu", cases[i].pattern, offset);
    }
    char deep[512];
    memset(deep, '(', 101);
    memset(deep + 101, ')', 101);
    sop_document__regex *regex = NULL;
    size_t offset = 0;
    const char *why = NULL;
    assert_int_equal(
        sop_document__regex_new(sop_slice_of(deep, 202), 0, &arena, &regex, &offset, &why),
        SOP_INVALID);
    assert_string_equal(why, "too many groups inside each other");
    assert_int_equal(
        sop_document__regex_new(sop_slice_of(deep + 1, 200), 0, &arena, &regex, &offset, &why),
        SOP_OK);
    sop_arena_reset(&arena);
}

static size_t random_pattern(uint64_t *seed, char *to, int depth)
{
    static const char *const atoms[] = {"a",    "b",     "c",  ".", "[ab]",
                                        "[^a]", "[b-c]", "ab", "^", "$"};
    static const char *const repeats[] = {"*", "+", "?", "{2}", "{1,2}", "{0,1}", "{2,}"};
    size_t used = 0;
    uint64_t items = 1 + sop_test_random(seed) % 3;
    for (uint64_t i = 0; i < items; i++) {
        uint64_t r = sop_test_random(seed);
        if (depth > 0 && r % 3 == 0) {
            to[used++] = '(';
            used += random_pattern(seed, to + used, depth - 1);
            if (r % 2 == 0) {
                to[used++] = '|';
                used += random_pattern(seed, to + used, depth - 1);
            }
            to[used++] = ')';
        } else {
            /* Anchors are rare, and never repeated or in groups: there the C library has ideas of its own. */
            const char *atom = atoms[(r >> 8) % (depth == 2 && r % 5 == 0 ? 10 : 8)];
            used += (size_t)sprintf(to + used, "%s", atom); // NOLINT
            if (*atom == '^' || *atom == '$') continue;
        }
        if ((r >> 20) % 3 == 0)
            used += (size_t)sprintf(to + used, "%s", repeats[(r >> 24) % 7]); // NOLINT
    }
    to[used] = '\0';
    return used;
}

static void test_random_patterns_agree_with_the_c_library(void **state)
{
    (void)state;
    uint64_t seed = sop_test_seed(101);
    int matched = 0;
    int asked = 0;
    for (int n = 0; n < 5000; n++) {
        char pattern[1024];
        (void)random_pattern(&seed, pattern, 2);
        regex_t posix;
        if (regcomp(&posix, pattern, REG_EXTENDED | REG_NOSUB) != 0) continue;
        const sop_document__regex *regex = compile(sop_str(pattern));
        for (int k = 0; k < 20; k++) {
            char text[16];
            size_t size = sop_test_random(&seed) % 10;
            for (size_t i = 0; i < size; i++) {
                text[i] = "abcd"[sop_test_random(&seed) % 4];
            }
            text[size] = '\0';
            int expected = regexec(&posix, text, 0, NULL, 0) == 0;
            if (match(regex, sop_str(text)) != expected)
                fail_msg("%s on %s: not %d", pattern, text, !expected);
            matched += expected;
            asked++;
        }
        regfree(&posix);
        sop_arena_reset(&arena);
    }
    assert_true(asked > 50000 && matched > asked / 10 && matched < asked - asked / 10);
}

/* Ranges over all sizes of UTF-8: the characters at and beside every bound are in or out as they should be. */
static void test_ranges_of_characters(void **state)
{
    (void)state;
    static const uint32_t bounds[] = {0,      0x41,    0x7f,    0x80,    0x7ff,
                                      0x800,  0xfff,   0x1000,  0xd7ff,  0xe000,
                                      0xffff, 0x10000, 0x3ffff, 0x40000, 0x10ffff};
    uint64_t seed = sop_test_seed(102);
    for (int n = 0; n < 3000; n++) {
        uint32_t low = bounds[sop_test_random(&seed) % 15] + (uint32_t)(sop_test_random(&seed) % 3);
        uint32_t high =
            bounds[sop_test_random(&seed) % 15] + (uint32_t)(sop_test_random(&seed) % 70);
        if (n % 3 == 0) high = low + (uint32_t)(sop_test_random(&seed) % 0x2000);
        if (high > 0x10ffff) high = 0x10ffff;
        if (low > high) continue;
        char pattern[64];
        int negated = n % 2;
        (void)snprintf(pattern, sizeof pattern, "^[%s\\x{%x}-\\x{%x}]$", negated ? "^" : "", low,
                       high);
        const sop_document__regex *regex = compile(sop_str(pattern));
        for (int k = 0; k < 40; k++) {
            uint32_t code = (k % 2 ? low : high) + (uint32_t)(k / 2 % 5) - 2;
            if (k > 20)
                code = bounds[sop_test_random(&seed) % 15] +
                       (uint32_t)(sop_test_random(&seed) % 5) - 2;
            if (code > 0x10ffff) continue;
            uint8_t text[4];
            size_t size = sop_utf8_put(text, code);
            int expected = (code >= low && code <= high) != negated;
            if (match(regex, sop_slice_of(text, size)) != expected)
                fail_msg("%s on %x", pattern, code);
        }
        sop_arena_reset(&arena);
    }
}

/* Linear whatever the pattern: an answer, or the limit of steps; never long. */
static void test_hostile_patterns(void **state)
{
    (void)state;
    static const char *const patterns[] = {"(a*)*b",
                                           "(a|a)*b",
                                           "(a|aa)+b",
                                           "(x+x+)+y",
                                           "^(([a-z])+.)+[A-Z]([a-z])+$",
                                           "(a?){300}a{300}b",
                                           "(.*)(.*)(.*)(.*)(.*)b",
                                           ".*.*.*.*=.*",
                                           "(a|b)*a(a|b){12}c",
                                           "(a{0,30}){0,30}b",
                                           "[ab]*a[ab]{200}c",
                                           "((a{1,40}){1,2}){1,2}b"};
    size_t size = 200000;
    char *text = malloc(size);
    for (size_t i = 0; i < size; i++) {
        text[i] = i % 7 == 3 ? 'x' : 'a';
    }
    for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++) {
        const sop_document__regex *regex = compile(sop_str(patterns[i]));
        int matched = -1;
        sop_status status = sop_document__regex_match(regex, sop_slice_of(text, size), &matched);
        assert_true(status == SOP_OK || status == SOP_TOO_LARGE);
        if (status == SOP_OK) assert_int_equal(matched, 0);
        status = sop_document__regex_match_slowly(regex, sop_slice_of(text, size), &matched);
        assert_true(status == SOP_OK || status == SOP_TOO_LARGE);
        sop_arena_reset(&arena);
    }
    free(text);
}

static void test_common_patterns_have_a_table(void **state)
{
    (void)state;
    static const char *const patterns[] = {
        "^lib.*-dev$",      "role::(program|plugin)",   "\\d{4}-\\d{2}-\\d{2}",
        "(?i)debian.*team", "[\\w.+-]+@[\\w-]+\\.\\w+", "^[^@]*$"};
    for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++) {
        const sop_document__regex *regex = compile(sop_str(patterns[i]));
        assert_non_null(regex->table);
        assert_true(regex->state_count < 200);
        sop_arena_reset(&arena);
    }
}

static void test_lost_allocations_are_reported(void **state)
{
    (void)state;
    for (uint64_t n = 1;; n++) {
        sop_document__regex *regex = NULL;
        size_t offset = 0;
        const char *why = "";
        sop_arena own = {.chunks = NULL};
        sop_memory_fail_at(n, 0);
        sop_status status = sop_document__regex_new(sop_str("(a|[^b-d]{2,4}){3,5}$"), 0, &own,
                                                    &regex, &offset, &why);
        int struck = sop_memory_fail_reached();
        sop_memory_fail_at(0, 0);
        assert_int_equal(status, struck ? SOP_NO_MEMORY : SOP_OK);
        sop_arena_deinit(&own);
        if (!struck) {
            assert_true(n > 6);
            break;
        }
    }
}

static int free_arena(void **state)
{
    (void)state;
    sop_arena_deinit(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_matches),
        cmocka_unit_test(test_wrong_patterns_say_where_and_why),
        cmocka_unit_test(test_random_patterns_agree_with_the_c_library),
        cmocka_unit_test(test_ranges_of_characters),
        cmocka_unit_test(test_hostile_patterns),
        cmocka_unit_test(test_common_patterns_have_a_table),
        cmocka_unit_test(test_lost_allocations_are_reported),
    };
    return cmocka_run_group_tests(tests, NULL, free_arena);
}
