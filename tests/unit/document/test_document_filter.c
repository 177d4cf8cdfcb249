/* SPDX-License-Identifier: MIT */
/* Filters: what they mean, against a plain evaluation over trees; text and JSON back and forth; errors; lost allocations. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "document/document.h"
#include "support/json_model.h"
#include "support/support.h"
#include "util/bytes.h"
#include "util/decimal.h"
#include "util/memory.h"

static sop_document_scratch scratch;

static sop_filter *read_text(const char *text)
{
    sop_filter *filter = NULL;
    sop_error err;
    if (sop_filter_new(sop_str(text), &filter, &err) != SOP_OK)
        fail_msg("%s: %s", text, err.message);
    return filter;
}

static int fits(const sop_filter *filter, sop_slice document)
{
    int match = -1;
    sop_error err;
    if (sop_filter_match(filter->root, document, &scratch, &match, &err) != SOP_OK)
        fail_msg("%s", err.message);
    return match;
}

/* As text, with a zero behind it; in one of two places that are used in turn. */
static const char *as_text(const sop_filter *filter, int json)
{
    static char texts[2][65536];
    static int turn;
    sop_json_writer w;
    sop_slice out;
    sop_json_writer_init(&w, 0);
    if (json)
        sop_filter_write_json(filter->root, &w);
    else
        sop_filter_write(filter->root, &w);
    assert_int_equal(sop_json_writer_end(&w, &out), SOP_OK);
    turn = !turn;
    assert_true(out.size < sizeof texts[0]);
    memcpy(texts[turn], out.data, out.size);
    texts[turn][out.size] = '\0';
    sop_json_writer_deinit(&w);
    return texts[turn];
}

/* Text and JSON give the same filter back. */
static void check_forms(const sop_filter *filter)
{
    sop_filter *again = NULL;
    sop_error err;
    const char *text = as_text(filter, 0);
    if (sop_filter_new(sop_str(text), &again, &err) != SOP_OK)
        fail_msg("%s: %s", text, err.message);
    assert_string_equal(as_text(again, 0), text);
    sop_filter_free(again);
    const char *json = as_text(filter, 1);
    assert_int_equal(sop_json_check(sop_str(json), NULL, NULL, NULL), SOP_OK);
    if (sop_filter_new_json(sop_str(json), &again, &err) != SOP_OK)
        fail_msg("%s: %s", json, err.message);
    assert_string_equal(as_text(again, 1), json);
    text = as_text(filter, 0);
    assert_string_equal(as_text(again, 0), text);
    sop_filter_free(again);
}

static const char *const GAME =
    "{\"package\":\"0ad\",\"section\":\"games\",\"size\":{\"download\":7891488,\"kib\":28591.50},"
    "\"tags\":[\"role::program\","
    "\"use::gameplaying\"],\"depends\":[{\"name\":\"libc6\",\"constraint\":\">= "
    "2.34\"},{\"name\":\"libx11-6\",\"constraint\":null}],"
    "\"homepage\":null,\"free\":true,\"when\":\"2024-05-01T12:30:00+02:00\",\"day\":\"2024-05-01\","
    "\"odd name\":1,"
    "\"id\":\"01234567-89AB-CDEF-0123-456789ABCDEF\",\"title\":\"Stra\\u00dfe \\u00c4RGER "
    "\\\"x\\\"\",\"in\":7,\"big\":1e400,\"grid\":[[1,2],[3]]}";

static void test_what_filters_mean(void **state)
{
    (void)state;
    static const struct {
        const char *filter;
        int expected;
    } cases[] = {
        {"", 1},
        {"true", 1},
        {"not true", 0},
        {"section = \"games\" and size.download > 1e6 and not tags has \"role::plugin\"", 1},
        {"section = 'games'", 1},
        {"section == \"games\"", 1},
        {"section != \"games\"", 0},
        {"section <> \"net\"", 1},
        {"nothing = 1", 0},
        {"nothing != 1", 1},
        {"nothing < 1 or nothing >= 1", 0},
        {"section > 5 or section <= 5", 0},
        {"section != 5", 1},
        {"size.download = 7891488.0", 1},
        {"size.kib = 28591.5", 1},
        {"size.kib < 28591.500000000000000001", 1},
        {"big > 1e399 and big < 1e401 and big = 10E399", 1},
        {"section >= \"game\" and section < \"gamez\"", 1},
        {"size.download between 7891488 and 7891488", 1},
        {"size.download between 1 and 2", 0},
        {"size.download not between 1 and 2", 1},
        {"section between 'a' and 'h'", 1},
        {"section in ('net', 'games')", 1},
        {"section in (1, null, true, 'x')", 0},
        {"homepage in (1, null)", 1},
        {"free in (false, true)", 1},
        {"section not in ('net')", 1},
        {"size.download in (1, 2.5, 7.891488e6, 'x')", 1},
        {"title in (nocase 'STRASSE', nocase 'stra\xc3\x9f"
         "e \xc3\xa4rger \"X\"')",
         1},
        {"tags has 'role::program'", 1},
        {"tags has 'role'", 0},
        {"section has 'games'", 0},
        {"tags not has 'x'", 1},
        {"package starts '0a'", 1},
        {"package starts with '0a'", 1},
        {"package starts ''", 1},
        {"package starts 'ad'", 0},
        {"package contains 'ad'", 1},
        {"package contains ''", 1},
        {"package contains '0ada'", 0},
        {"title contains '\xc3\xa4rger'", 0},
        {"title contains nocase '\xc3\xa4rger'", 1},
        {"title starts nocase 'STRA\xc3\x9f"
         "E'",
         1},
        {"title = nocase \"stra\\u00dfe \xc3\xa4rger \\\"X\\\"\"", 1},
        {"title contains '\"x\"'", 1},
        {"package matches '^[0-9]+[a-z]+$'", 1},
        {"package matches 'AD'", 0},
        {"package matches nocase 'AD'", 1},
        {"package matches '(?i)AD'", 1},
        {"package matches nocase '\\\\D$'", 1},
        {"size matches '.'", 0},
        {"homepage exists", 1},
        {"nothing exists", 0},
        {"nothing not exists", 1},
        {"homepage is null", 1},
        {"nothing is null", 0},
        {"section is not null", 1},
        {"homepage = null", 1},
        {"homepage != null", 0},
        {"nothing = null", 0},
        {"free = true", 1},
        {"free > false", 1},
        {"free = 1", 0},
        {"depends[*].name = 'libx11-6'", 1},
        {"depends[*].name = 'libx11'", 0},
        {"depends[*].name != 'libc6'", 0},
        {"depends[*].constraint is null", 1},
        {"depends[0].constraint is null", 0},
        {"depends.1.constraint is null", 1},
        {"depends[*].nothing exists", 0},
        {"depends[*].name in ('a', 'libc6')", 1},
        {"depends[*].name matches '^lib.*6$'", 1},
        {"grid[*][*] = 3", 1},
        {"grid[*] has 2", 1},
        {"grid[1][0] = 3", 1},
        {"\"odd name\" = 1", 1},
        {"\"in\" = 7", 1},
        {"when = timestamp '2024-05-01T10:30:00Z'", 1},
        {"when > timestamp '2024-05-01T10:29:59.999Z' and when < timestamp "
         "'2024-05-01T10:30:00.001Z'",
         1},
        {"section > timestamp '2024-05-01T10:29:59Z'", 0},
        {"day between date '2024-04-30' and date '2024-05-01'", 1},
        {"id = uuid '0123456789abcdef0123456789abcdef'", 1},
        {"id in (uuid '0123456789abcdef0123456789abcdef')", 1},
        {"not (section = 'games' or free = false)", 0},
        {"section = 'x' or section = 'y' and free = true or free = true", 1},
        {"NOT section = 'x' AND (free = TRUE OR nothing EXISTS)", 1},
        {"  section='games'and(free=true)  ", 1},
        {"not not free = true", 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        sop_filter *filter = read_text(cases[i].filter);
        if (fits(filter, sop_str(GAME)) != cases[i].expected)
            fail_msg("%s: not %d", cases[i].filter, !cases[i].expected);
        check_forms(filter);
        sop_filter_free(filter);
    }
}

static void test_the_forms_of_a_filter(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        {"SECTION=\"a\"", "SECTION = \"a\"", "[\"=\",\"SECTION\",\"a\"]"},
        {"a=1 and b<>2 and(c>3 or d is not null)", "a = 1 and b != 2 and (c > 3 or not d is null)",
         "[\"and\",[\"=\",\"a\",1],[\"!=\",\"b\",2],[\"or\",[\">\",\"c\",3],[\"not\",[\"null\","
         "\"d\"]]]]"},
        {"a.\"b c\"[0][*].d in('x\"y', nocase 'it\\'s')",
         "a.\"b c\"[0][*].d in (\"x\\\"y\", nocase \"it's\")",
         "[\"in\",\"a.\\\"b c\\\"[0][*].d\",\"x\\\"y\",{\"nocase\":\"it's\"}]"},
        {"a between timestamp '2024-05-01T00:00:00Z' and timestamp '2025-05-01T00:00:00Z'",
         "a between timestamp \"2024-05-01T00:00:00Z\" and timestamp \"2025-05-01T00:00:00Z\"",
         "[\"between\",\"a\",{\"timestamp\":\"2024-05-01T00:00:00Z\"},{\"timestamp\":\"2025-05-"
         "01T00:00:00Z\"}]"},
        {"not a exists or true", "not a exists or true",
         "[\"or\",[\"not\",[\"exists\",\"a\"]],true]"},
        {"(a=1 and b=1)and c=1", "(a = 1 and b = 1) and c = 1",
         "[\"and\",[\"and\",[\"=\",\"a\",1],[\"=\",\"b\",1]],[\"=\",\"c\",1]]"},
        {"(a=1 and b=1)or c=1", "a = 1 and b = 1 or c = 1",
         "[\"or\",[\"and\",[\"=\",\"a\",1],[\"=\",\"b\",1]],[\"=\",\"c\",1]]"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        sop_filter *filter = read_text(cases[i][0]);
        assert_string_equal(as_text(filter, 0), cases[i][1]);
        assert_string_equal(as_text(filter, 1), cases[i][2]);
        sop_filter_free(filter);
    }
    sop_filter *filter = NULL;
    assert_int_equal(
        sop_filter_new_json(sop_str("[\"and\",[\"or\",[\"=\",\"/a~1b/0\",1]]]"), &filter, NULL),
        SOP_OK);
    assert_string_equal(as_text(filter, 0), "\"a/b\".0 = 1");
    sop_filter_free(filter);
    /* Half a surrogate pair stays one. */
    filter = read_text("\"a\\ud800\" = 1");
    assert_string_equal(as_text(filter, 0), "\"a\\ud800\" = 1");
    check_forms(filter);
    sop_filter_free(filter);
    sop_filter_free(NULL);
}

static void test_wrong_text_says_where_and_why(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"a =", "filter, character 4: expected a value: a number, a string, true, false or null"},
        {"a = b", "filter, character 5: expected a value: a number, a string, true, false or null"},
        {"a = 01",
         "filter, character 5: expected a value: a number, a string, true, false or null"},
        {"a ~ 1", "filter, character 3: expected = != < <= > >= between in has starts contains "
                  "matches exists or is null"},
        {"a", "filter, character 2: expected = != < <= > >= between in has starts contains matches "
              "exists or is null"},
        {"= 1", "filter, character 1: expected a field name"},
        {"and = 1",
         "filter, character 1: expected a field name (quote it if it is a word of filters)"},
        {"a = 1 b = 2", "filter, character 7: expected and, or or the end"},
        {"a = 1 and", "filter, character 10: expected a field name"},
        {"(a = 1", "filter, character 7: expected ')', and or or"},
        {"a = 1)", "filter, character 6: expected and, or or the end"},
        {"a in 1", "filter, character 6: expected '(' after in"},
        {"a in (1 2)", "filter, character 9: expected ',' or ')'"},
        {"a in ()",
         "filter, character 7: expected a value: a number, a string, true, false or null"},
        {"a between 1 or 2", "filter, character 13: expected and after the lower end of between"},
        {"a is 1", "filter, character 6: expected null after is"},
        {"a = \"x", "filter, character 5: a string without an end"},
        {"a = \"\\q\"", "filter, character 5: unknown escape"},
        {"a starts 1", "filter, character 11: starts needs a string"},
        {"a contains null", "filter, character 16: contains needs a string"},
        {"a matches 'x('", "filter, character 15: the pattern, byte 2: a group without )"},
        {"a matches timestamp '2024-05-01T00:00:00Z'",
         "filter, character 43: matches needs a string"},
        {"a = timestamp 'x'",
         "filter, character 18: expected a timestamp such as 2024-05-01T10:30:00Z"},
        {"a = date '2024-13-01'", "filter, character 22: expected a date such as 2024-05-01"},
        {"a = nocase 1", "filter, character 13: expected a string"},
        {"\xc3\xa9\xc3\xa9 ~", "filter, character 4: expected = != < <= > >= between in has starts "
                               "contains matches exists or is null"},
        {"a[x] = 1", "filter, character 1: expected a number or * in brackets"},
        {"\xc3\xa9 = 1 and \xae = 2", "filter, character 11: bytes that are not UTF-8"},
        {"a ! 1", "filter, character 4: expected = != < <= > >= between in has starts contains "
                  "matches exists or is null"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        sop_filter *filter = NULL;
        sop_error err = {.message = ""};
        assert_int_equal(sop_filter_new(sop_str(cases[i][0]), &filter, &err), SOP_INVALID);
        assert_null(filter);
        if (strcmp(err.message, cases[i][1]) != 0) fail_msg("%s: %s", cases[i][0], err.message);
    }
}

static void test_wrong_json_says_where_and_why(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"", "filter, byte 0: unexpected end"},
        {"[1", "filter, byte 2: unexpected end"},
        {"7", "filter, byte 0: a filter is true or a list that begins with an operation"},
        {"[]", "filter, byte 0: expected the name of an operation first"},
        {"[\"?\"]", "filter, byte 0: expected the name of an operation first"},
        {"[\"=\"]", "filter, byte 0: expected a path"},
        {"[\"=\",1,2]", "filter, byte 5: expected a path"},
        {"[\"=\",\"a..b\",2]", "filter, byte 5: expected a field name"},
        {"[\"=\",\"a\"]", "filter, byte 5: = with 0 values"},
        {"[\"=\",\"a\",1,2]", "filter, byte 11: = with 2 values"},
        {"[\"between\",\"a\",1]", "filter, byte 15: between with 1 values"},
        {"[\"in\",\"a\"]", "filter, byte 6: in with 0 values"},
        {"[\"exists\",\"a\",1]", "filter, byte 14: exists with 1 values"},
        {"[\"=\",\"a\",[1]]", "filter, byte 9: arrays and objects cannot be compared"},
        {"[\"=\",\"a\",{\"x\":1}]",
         "filter, byte 9: an object here has one member: nocase, timestamp, date or uuid"},
        {"[\"=\",\"a\",{\"date\":1}]", "filter, byte 9: expected a string"},
        {"[\"and\"]", "filter, byte 0: and, or: expected filters"},
        {"[\"not\",true,true]", "filter, byte 0: not with other than one filter"},
        {"[\"or\",true,5]",
         "filter, byte 11: a filter is true or a list that begins with an operation"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        sop_filter *filter = NULL;
        sop_error err = {.message = ""};
        assert_int_equal(sop_filter_new_json(sop_str(cases[i][0]), &filter, &err), SOP_INVALID);
        assert_null(filter);
        if (strcmp(err.message, cases[i][1]) != 0) fail_msg("%s: %s", cases[i][0], err.message);
    }
}

static void test_limits_at_and_beyond_the_edge(void **state)
{
    (void)state;
    char *text = malloc(SOP_DOCUMENT_FILTER_SIZE_MAX + 2);
    sop_filter *filter = NULL;
    for (int depth = SOP_DOCUMENT_FILTER_DEPTH_MAX; depth <= SOP_DOCUMENT_FILTER_DEPTH_MAX + 1;
         depth++) {
        sop_status expected = depth > SOP_DOCUMENT_FILTER_DEPTH_MAX ? SOP_TOO_LARGE : SOP_OK;
        memset(text, '(', (size_t)depth);
        memcpy(text + depth, "a=1", 3);
        memset(text + depth + 3, ')', (size_t)depth);
        assert_int_equal(sop_filter_new(sop_slice_of(text, 2 * (size_t)depth + 3), &filter, NULL),
                         expected);
        sop_filter_free(filter);
        text[0] = '\0';
        for (int i = 0; i < depth; i++) {
            memcpy(text + 4 * i, "not ", 5);
        }
        memcpy(text + 4 * depth, "true", 5);
        assert_int_equal(sop_filter_new(sop_str(text), &filter, NULL), expected);
        if (expected == SOP_OK) {
            assert_int_equal(fits(filter, sop_str("{}")), 1);
            check_forms(filter);
        }
        sop_filter_free(filter);
    }
    /* A long list, and text of the largest size. */
    size_t used = (size_t)sprintf(text, "a in (0"); // NOLINT
    for (int i = 1; used < SOP_DOCUMENT_FILTER_SIZE_MAX - 20; i++) {
        used += (size_t)sprintf(text + used, i % 2 ? ",%d" : ",\"%d\"", i * 7 % 10007); // NOLINT
    }
    text[used++] = ')';
    memset(text + used, ' ', SOP_DOCUMENT_FILTER_SIZE_MAX + 1 - used);
    assert_int_equal(
        sop_filter_new(sop_slice_of(text, SOP_DOCUMENT_FILTER_SIZE_MAX + 1), &filter, NULL),
        SOP_TOO_LARGE);
    assert_int_equal(
        sop_filter_new(sop_slice_of(text, SOP_DOCUMENT_FILTER_SIZE_MAX), &filter, NULL), SOP_OK);
    assert_int_equal(fits(filter, sop_str("{\"a\":7}")), 1);
    assert_int_equal(fits(filter, sop_str("{\"a\":\"14\"}")), 1);
    assert_int_equal(fits(filter, sop_str("{\"a\":7.5}")), 0);
    assert_int_equal(fits(filter, sop_str("{\"a\":\"x\"}")), 0);
    sop_filter_free(filter);
    free(text);
}

static void test_bad_documents_are_corrupt(void **state)
{
    (void)state;
    sop_filter *filter = read_text("a.b = 1 or c[*] has 2");
    int match = 1;
    sop_error err;
    static const char *const bad[] = {"", "{", "{\"a\":{", "{\"a\":{\"b\":--}}", "{\"c\":[[2 2]]}"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        sop_status status = sop_filter_match(filter->root, sop_str(bad[i]), &scratch, &match, &err);
        if (status != SOP_CORRUPT && !(i == 4 && status == SOP_OK))
            fail_msg("%s: %s", bad[i], sop_status_name(status));
        if (status == SOP_CORRUPT) assert_int_equal(match, 0);
    }
    sop_filter_free(filter);
}

/* ---- random filters and documents against a plain evaluation ---- */

typedef struct {
    sop_filter_op op;
    int children[3]; /* numbers of nodes */
    int child_count;
    int path;
    int literals[4];
    int literal_count;
    int negated; /* op behind not */
} plain_node;

static const struct {
    const char *text;
    sop_json_step steps[3];
    size_t count;
} PATHS[] = {
    {"a", {{.kind = SOP_JSON_STEP_NAME, .name = {"a", 1}}}, 1},
    {"b.a",
     {{.kind = SOP_JSON_STEP_NAME, .name = {"b", 1}},
      {.kind = SOP_JSON_STEP_NAME, .name = {"a", 1}}},
     2},
    {"a[*]", {{.kind = SOP_JSON_STEP_NAME, .name = {"a", 1}}, {.kind = SOP_JSON_STEP_EACH}}, 2},
    {"a[1]",
     {{.kind = SOP_JSON_STEP_NAME, .name = {"a", 1}}, {.kind = SOP_JSON_STEP_INDEX, .index = 1}},
     2},
    {"[*].size",
     {{.kind = SOP_JSON_STEP_EACH}, {.kind = SOP_JSON_STEP_NAME, .name = {"size", 4}}},
     2},
    {"\"a/b\".0",
     {{.kind = SOP_JSON_STEP_NAME, .name = {"a/b", 3}},
      {.kind = SOP_JSON_STEP_EITHER, .name = {"0", 1}}},
     2},
    {"[*]", {{.kind = SOP_JSON_STEP_EACH}}, 1},
    {"[*][*]", {{.kind = SOP_JSON_STEP_EACH}, {.kind = SOP_JSON_STEP_EACH}}, 2},
    {"\"\"", {{.kind = SOP_JSON_STEP_NAME, .name = {"", 0}}}, 1},
    {"[0]", {{.kind = SOP_JSON_STEP_INDEX}}, 1},
};

static const char *const LITERALS[] = {"null",
                                       "true",
                                       "false",
                                       "0",
                                       "1",
                                       "42",
                                       "-12.5",
                                       "1e400",
                                       "3.14159",
                                       "18446744073709551616",
                                       "\"\"",
                                       "\"x\"",
                                       "\"hello world, this is long enough\"",
                                       "\"\\u0000\"",
                                       "\"\xc3\xa9\"",
                                       "\"h\"",
                                       "\"\\n\""};

static int make_node(uint64_t *seed, plain_node *nodes, int *count, int depth)
{
    int number = (*count)++;
    plain_node node = {.op = SOP_FILTER_ALL};
    uint64_t r = sop_test_random(seed);
    if (depth > 0 && r % 2 == 0) {
        node.op = (sop_filter_op)(SOP_FILTER_AND + (r >> 8) % 3);
        node.child_count = node.op == SOP_FILTER_NOT ? 1 : 2 + (int)((r >> 16) % 2);
        for (int i = 0; i < node.child_count; i++) {
            node.children[i] = make_node(seed, nodes, count, depth - 1);
        }
    } else {
        node.op =
            (sop_filter_op)(SOP_FILTER_EQ + (r >> 8) % (SOP_FILTER_IS_NULL - SOP_FILTER_EQ + 1));
        if (node.op == SOP_FILTER_MATCHES) node.op = SOP_FILTER_CONTAINS;
        node.path = (int)((r >> 16) % (sizeof PATHS / sizeof PATHS[0]));
        node.literal_count = node.op >= SOP_FILTER_EXISTS    ? 0
                             : node.op == SOP_FILTER_BETWEEN ? 2
                             : node.op == SOP_FILTER_IN      ? 4
                                                             : 1;
        for (int i = 0; i < node.literal_count; i++) {
            int strings_only = node.op == SOP_FILTER_STARTS || node.op == SOP_FILTER_CONTAINS;
            size_t first = strings_only ? 10 : 0;
            node.literals[i] = (int)(first + sop_test_random(seed) %
                                                 (sizeof LITERALS / sizeof LITERALS[0] - first));
        }
    }
    nodes[number] = node;
    return number;
}

static void print_node(const plain_node *nodes, int number, char *to)
{
    static const char *const words[] = {
        "true", "and",     "or", "not", "=",      "!=",       "<",       "<=",     ">",
        ">=",   "between", "in", "has", "starts", "contains", "matches", "exists", "is null"};
    const plain_node *n = &nodes[number];
    if (n->op == SOP_FILTER_NOT) {
        strcat(to, "not ("); // NOLINT
        print_node(nodes, n->children[0], to);
        strcat(to, ")"); // NOLINT
        return;
    }
    for (int i = 0; i < n->child_count; i++) {
        (void)sprintf(to + strlen(to), "%s%s(", i == 0 ? "" : " ",
                      i == 0 ? "" : words[n->op]); // NOLINT
        print_node(nodes, n->children[i], to);
        strcat(to, ")"); // NOLINT
    }
    if (n->child_count != 0) return;
    (void)sprintf(to + strlen(to), "%s %s ", PATHS[n->path].text, words[n->op]); // NOLINT
    for (int i = 0; i < n->literal_count; i++) {
        const char *before = i != 0                   ? (n->op == SOP_FILTER_IN ? ", " : " and ")
                             : n->op == SOP_FILTER_IN ? "("
                                                      : "";
        (void)sprintf(to + strlen(to), "%s%s", before, LITERALS[n->literals[i]]); // NOLINT
    }
    if (n->op == SOP_FILTER_IN) strcat(to, ")"); // NOLINT
}

/* 2: not comparable. */
static int plain_order(const model_value *value, const model_value *literal)
{
    int value_bool = value->type == 't' || value->type == 'f';
    int literal_bool = literal->type == 't' || literal->type == 'f';
    if (value_bool && literal_bool) return (value->type == 't') - (literal->type == 't');
    if (value->type != literal->type || value->type == '[' || value->type == '{') return 2;
    if (value->type == 0) {
        sop_decimal x;
        sop_decimal y;
        assert_int_equal(sop_decimal_parse(sop_slice_of(value->text, value->size), &x), 0);
        assert_int_equal(sop_decimal_parse(sop_slice_of(literal->text, literal->size), &y), 0);
        int order = sop_decimal_compare(&x, &y);
        return (order > 0) - (order < 0);
    }
    int order = sop_compare(value->text, value->size, literal->text, literal->size);
    return (order > 0) - (order < 0);
}

static model_value *literal_trees[sizeof LITERALS / sizeof LITERALS[0]];

static int plain_contains(const model_value *value, const model_value *literal, int only_start)
{
    if (value->type != '"') return 0;
    for (size_t i = 0; i + literal->size <= value->size; i++) {
        if (literal->size == 0 || memcmp(value->text + i, literal->text, literal->size) == 0)
            return 1;
        if (only_start) return 0;
    }
    return 0;
}

static int plain_test(const plain_node *n, const model_value *value)
{
    const model_value *first = n->literal_count == 0 ? NULL : literal_trees[n->literals[0]];
    int order = first == NULL ? 2 : plain_order(value, first);
    switch ((int)n->op) {
    case SOP_FILTER_EQ:
    case SOP_FILTER_NE:
        return order == 0;
    case SOP_FILTER_LT:
        return order == -1;
    case SOP_FILTER_LE:
        return order <= 0;
    case SOP_FILTER_GT:
        return order == 1;
    case SOP_FILTER_GE:
        return order == 0 || order == 1;
    case SOP_FILTER_BETWEEN:
        return (order == 0 || order == 1) && plain_order(value, literal_trees[n->literals[1]]) <= 0;
    case SOP_FILTER_IN:
        for (int i = 0; i < n->literal_count; i++) {
            if (plain_order(value, literal_trees[n->literals[i]]) == 0) return 1;
        }
        return 0;
    case SOP_FILTER_HAS:
        for (const model_value *e = value->type == '[' ? value->child : NULL; e != NULL;
             e = e->next) {
            if (plain_order(e, first) == 0) return 1;
        }
        return 0;
    case SOP_FILTER_STARTS:
    case SOP_FILTER_CONTAINS:
        return plain_contains(value, first, n->op == SOP_FILTER_STARTS);
    case SOP_FILTER_IS_NULL:
        return value->type == 'n';
    default:
        return 1;
    }
}

static int any_value(const plain_node *n, const model_value *at, size_t step)
{
    if (at == NULL) return 0;
    if (step == PATHS[n->path].count) return plain_test(n, at);
    const sop_json_step *s = &PATHS[n->path].steps[step];
    if (s->kind == SOP_JSON_STEP_EACH) {
        for (const model_value *e = at->type == '[' ? at->child : NULL; e != NULL; e = e->next) {
            if (any_value(n, e, step + 1)) return 1;
        }
        return 0;
    }
    if (s->kind != SOP_JSON_STEP_INDEX && at->type == '{')
        return any_value(n, model_member(at, s->name.data, s->name.size), step + 1);
    if (s->kind != SOP_JSON_STEP_NAME && at->type == '[')
        return any_value(n, model_element(at, s->index), step + 1);
    return 0;
}

static int evaluate(const plain_node *nodes, int number, const model_value *document)
{
    const plain_node *n = &nodes[number];
    if (n->op == SOP_FILTER_NOT) return !evaluate(nodes, n->children[0], document);
    if (n->op == SOP_FILTER_AND || n->op == SOP_FILTER_OR) {
        int result = n->op == SOP_FILTER_AND;
        for (int i = 0; i < n->child_count; i++) {
            int child = evaluate(nodes, n->children[i], document);
            result = n->op == SOP_FILTER_AND ? result && child : result || child;
        }
        return result;
    }
    int any = any_value(n, document, 0);
    return n->op == SOP_FILTER_NE ? !any : any;
}

static void test_random_filters_agree_with_the_plain_evaluation(void **state)
{
    (void)state;
    uint64_t seed = sop_test_seed(111);
    char *buffer = malloc(8192);
    char *text = malloc(65536);
    int matched = 0;
    int asked = 0;
    for (size_t i = 0; i < sizeof LITERALS / sizeof LITERALS[0]; i++) {
        literal_trees[i] = model_parse(LITERALS[i], strlen(LITERALS[i]), 1);
    }
    for (int n = 0; n < 3000; n++) {
        plain_node nodes[64];
        int count = 0;
        (void)make_node(&seed, nodes, &count, n % 4);
        text[0] = '\0';
        print_node(nodes, 0, text);
        sop_filter *filter = read_text(text);
        check_forms(filter);
        for (int k = 0; k < 20; k++) {
            size_t size = model_random(&seed, buffer, 1 + sop_test_random(&seed) % 2000);
            char *document = malloc(size);
            memcpy(document, buffer, size);
            model_value *tree = model_parse(document, size, 512);
            int expected = evaluate(nodes, 0, tree);
            if (fits(filter, sop_slice_of(document, size)) != expected)
                fail_msg("%s on %.*s: not %d", text, (int)size, document, !expected);
            matched += expected;
            asked++;
            model_free(tree);
            free(document);
        }
        sop_filter_free(filter);
    }
    for (size_t i = 0; i < sizeof LITERALS / sizeof LITERALS[0]; i++) {
        model_free(literal_trees[i]);
    }
    free(buffer);
    free(text);
    assert_true(matched > asked / 20 && matched < asked - asked / 20);
}

static void test_lost_allocations_are_reported(void **state)
{
    (void)state;
    const char *text = "a in ('x', 1, timestamp '2024-05-01T00:00:00Z') and \"b c\".d matches "
                       "nocase 'x+' or e = nocase 'Y'";
    const char *json = "[\"or\",[\"in\",\"/"
                       "a\",\"x\",{\"date\":\"2024-05-01\"}],[\"contains\",\"/b\\u0020c\",\"y\"]]";
    const char *document =
        "{\"a\":\"2024-05-01T00:00:0\\u0030.5Z\",\"b c\":{\"d\":\"\\u0041\"},\"e\":\"z\"}";
    int done = 0;
    for (uint64_t n = 1; !done; n++) {
        sop_filter *a = NULL;
        sop_filter *b = NULL;
        sop_document_scratch own = {.bytes = NULL};
        sop_error err = {.status = SOP_OK};
        int match = 0;
        sop_memory_fail_at(n, 0);
        sop_status status = sop_filter_new(sop_str(text), &a, &err);
        if (status == SOP_OK) status = sop_filter_new_json(sop_str(json), &b, &err);
        if (status == SOP_OK)
            status = sop_filter_match(a->root, sop_str(document), &own, &match, &err);
        if (status == SOP_OK) assert_int_equal(match, 0);
        done = !sop_memory_fail_reached();
        sop_memory_fail_at(0, 0);
        assert_int_equal(status, done ? SOP_OK : SOP_NO_MEMORY);
        if (!done) assert_int_equal(err.status, SOP_NO_MEMORY);
        if (done) assert_true(n > 15);
        sop_filter_free(a);
        sop_filter_free(b);
        sop_document_scratch_deinit(&own);
    }
}

static int free_scratch(void **state)
{
    (void)state;
    sop_document_scratch_deinit(&scratch);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_filters_mean),
        cmocka_unit_test(test_the_forms_of_a_filter),
        cmocka_unit_test(test_wrong_text_says_where_and_why),
        cmocka_unit_test(test_wrong_json_says_where_and_why),
        cmocka_unit_test(test_limits_at_and_beyond_the_edge),
        cmocka_unit_test(test_bad_documents_are_corrupt),
        cmocka_unit_test(test_random_filters_agree_with_the_plain_evaluation),
        cmocka_unit_test(test_lost_allocations_are_reported),
    };
    return cmocka_run_group_tests(tests, NULL, free_scratch);
}
