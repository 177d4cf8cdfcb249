/* SPDX-License-Identifier: MIT */
/* Edits: set, unset, merge patch; exact bytes, laws against the model, failures that leave the
 * writer as it was. */
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

static sop_status
edit(const char *text, const char *pointer, const char *value, int flags, sop_json_writer *w)
{
    sop_json_path *path = NULL;
    sop_error err = {.status = SOP_OK};
    assert_int_equal(sop_json_path_new(sop_str(pointer), &path, NULL), SOP_OK);
    sop_status status = value == NULL
                            ? sop_json_unset(sop_str(text), path, w, &err)
                            : sop_json_set(sop_str(text), path, sop_str(value), flags, w, &err);
    if (status != SOP_OK) assert_true(err.status == status && err.message[0] != '\0');
    sop_json_path_free(path);
    return status;
}

/* value NULL: unset. expected NULL: the status. */
static void assert_edit(
    const char *text, const char *pointer, const char *value, int flags, const char *expected)
{
    sop_json_writer w;
    sop_slice out;
    sop_json_writer_init(&w, 0);
    sop_status status = edit(text, pointer, value, flags, &w);
    if (status != SOP_OK) fail_msg("%s in %s: %s", pointer, text, sop_status_name(status));
    assert_int_equal(sop_json_writer_end(&w, &out), SOP_OK);
    if (!sop_slice_equal(out, sop_str(expected)))
        fail_msg("%.*s", (int)out.size, (const char *)out.data);
    sop_json_writer_deinit(&w);
}

static void assert_no_edit(
    const char *text, const char *pointer, const char *value, int flags, sop_status expected)
{
    sop_json_writer w;
    sop_slice out;
    sop_json_writer_init(&w, 0);
    sop_json_array_begin(&w);
    sop_json_int(&w, 1);
    sop_status status = edit(text, pointer, value, flags, &w);
    if (status != expected) fail_msg("%s in %s: %s", pointer, text, sop_status_name(status));
    sop_json_array_end(&w);
    assert_int_equal(sop_json_writer_end(&w, &out), SOP_OK);
    assert_true(sop_slice_equal(out, sop_str("[1]")));
    sop_json_writer_deinit(&w);
}

static void test_set_replaces_and_adds(void **state)
{
    (void)state;
    assert_edit(" { \"a\" : 1 , \"b\":[ 2,3 ] } ", "/a", "\"x\"", 0,
                " { \"a\" : \"x\" , \"b\":[ 2,3 ] } ");
    assert_edit("{\"b\":[ 2,3 ]}", "/b/1", "null", 0, "{\"b\":[ 2,null ]}");
    assert_edit("{\"b\":[ 2,3 ]}", "/b/2", "4", 0, "{\"b\":[ 2,3,4 ]}");
    assert_edit("{\"b\":[2, 3]}", "/b/-", "4", 0, "{\"b\":[2, 3, 4]}");
    assert_edit("{}", "/a", "1", 0, "{\"a\":1}");
    assert_edit("[]", "/0", "1", 0, "[1]");
    assert_edit("[]", "/-", "1", 0, "[1]");
    assert_edit("{\"a\":1}", "/b", "2", 0, "{\"a\":1,\"b\":2}");
    assert_edit("{\n  \"a\": 1\n}\n", "/b", "2", 0, "{\n  \"a\": 1,\n  \"b\": 2\n}\n");
    assert_edit("[\n  1\n]", "/1", "2", 0, "[\n  1,\n  2\n]");
    assert_edit("{\"a\":1}", "/q\"\n", "2", 0, "{\"a\":1,\"q\\\"\\n\":2}");
    assert_edit(" 7 ", "", "{}", 0, " {} ");
    assert_edit("{\"\\u0061\":1,\"a\":2}", "/a", "3", 0, "{\"\\u0061\":3,\"a\":2}");
    assert_edit("{\"a\":{\"b\":{}}}", "/a/b/c", "1", 0, "{\"a\":{\"b\":{\"c\":1}}}");
}

static void test_set_creates_parents_when_asked(void **state)
{
    (void)state;
    assert_no_edit("{}", "/a/b", "1", 0, SOP_NOT_FOUND);
    assert_edit("{}", "/a/b/0", "1", SOP_JSON_CREATE_PARENTS, "{\"a\":{\"b\":{\"0\":1}}}");
    assert_edit("{\"x\": 1}", "/a/b", "1", SOP_JSON_CREATE_PARENTS, "{\"x\": 1,\"a\": {\"b\":1}}");
    assert_edit("[]", "/-/a", "1", SOP_JSON_CREATE_PARENTS, "[{\"a\":1}]");
    sop_json_step steps[2] = {{.kind = SOP_JSON_STEP_NAME, .name = {"a", 1}},
                              {.kind = SOP_JSON_STEP_INDEX}};
    sop_json_path path = {steps, 2};
    sop_json_writer w;
    sop_json_writer_init(&w, 0);
    assert_int_equal(
        sop_json_set(sop_str("{}"), &path, sop_str("1"), SOP_JSON_CREATE_PARENTS, &w, NULL),
        SOP_NOT_FOUND);
    steps[1].kind = SOP_JSON_STEP_EACH;
    assert_int_equal(sop_json_set(sop_str("{\"a\":[1]}"), &path, sop_str("1"), 0, &w, NULL),
                     SOP_INVALID);
    assert_int_equal(sop_json_unset(sop_str("{\"a\":[1]}"), &path, &w, NULL), SOP_INVALID);
    sop_json_writer_deinit(&w);
}

static void test_set_refuses_what_has_no_place(void **state)
{
    (void)state;
    assert_no_edit("[1]", "/2", "1", 0, SOP_NOT_FOUND);
    assert_no_edit("[1]", "/x", "1", 0, SOP_INVALID);
    assert_no_edit("7", "/x", "1", 0, SOP_INVALID);
    assert_no_edit("{\"a\":1}", "/a/b", "1", SOP_JSON_CREATE_PARENTS, SOP_INVALID);
    assert_no_edit("{\"a\" 1}", "/b", "1", 0, SOP_CORRUPT);
    assert_no_edit("", "/b", "1", 0, SOP_CORRUPT);
}

static void test_unset_takes_out_one_comma(void **state)
{
    (void)state;
    assert_edit("{\"a\":1}", "/a", NULL, 0, "{}");
    assert_edit("{ \"a\":1 }", "/a", NULL, 0, "{ }");
    assert_edit("{\"a\":1,\"b\":2,\"c\":3}", "/a", NULL, 0, "{\"b\":2,\"c\":3}");
    assert_edit("{\"a\":1,\"b\":2,\"c\":3}", "/b", NULL, 0, "{\"a\":1,\"c\":3}");
    assert_edit("{\"a\":1,\"b\":2,\"c\":3}", "/c", NULL, 0, "{\"a\":1,\"b\":2}");
    assert_edit("{\n  \"a\": 1,\n  \"b\": 2\n}", "/a", NULL, 0, "{\n  \"b\": 2\n}");
    assert_edit("{\n  \"a\": 1,\n  \"b\": 2\n}", "/b", NULL, 0, "{\n  \"a\": 1\n}");
    assert_edit("{\"a\":1,\"b\":2,\"\\u0061\":3}", "/a", NULL, 0, "{\"b\":2}");
    assert_edit("[1, 2, 3]", "/0", NULL, 0, "[2, 3]");
    assert_edit("[1, 2, 3]", "/2", NULL, 0, "[1, 2]");
    assert_edit("{\"a\":[{\"b\":1}]} ", "/a/0/b", NULL, 0, "{\"a\":[{}]} ");
    assert_no_edit("{\"a\":1}", "/b", NULL, 0, SOP_NOT_FOUND);
    assert_no_edit("[1]", "/1", NULL, 0, SOP_NOT_FOUND);
    assert_no_edit("[1]", "/-", NULL, 0, SOP_NOT_FOUND);
    assert_no_edit("1", "/a", NULL, 0, SOP_NOT_FOUND);
    assert_no_edit("1", "", NULL, 0, SOP_INVALID);
    assert_no_edit("{\"a\":1,}", "/a", NULL, 0, SOP_CORRUPT);
}

static void test_errors_name_the_step(void **state)
{
    (void)state;
    sop_json_path *path = NULL;
    sop_json_writer w;
    sop_error err;
    sop_json_writer_init(&w, 0);
    assert_int_equal(sop_json_path_new(sop_str("/a/b\nc"), &path, NULL), SOP_OK);
    assert_int_equal(sop_json_unset(sop_str("{\"a\":{}}"), path, &w, &err), SOP_NOT_FOUND);
    assert_string_equal(err.message, "JSON path, step 2 of 2, \"b?c\": does not exist");
    sop_json_path_free(path);
    sop_json_writer_deinit(&w);
}

/* RFC 7386, appendix A, and cases of our own. */
static void test_merge_patch_examples(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        {"{\"a\":\"b\"}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
        {"{\"a\":\"b\"}", "{\"b\":\"c\"}", "{\"a\":\"b\",\"b\":\"c\"}"},
        {"{\"a\":\"b\"}", "{\"a\":null}", "{}"},
        {"{\"a\":\"b\",\"b\":\"c\"}", "{\"a\":null}", "{\"b\":\"c\"}"},
        {"{\"a\":[\"b\"]}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
        {"{\"a\":\"c\"}", "{\"a\":[\"b\"]}", "{\"a\":[\"b\"]}"},
        {"{\"a\":{\"b\":\"c\"}}", "{\"a\":{\"b\":\"d\",\"c\":null}}", "{\"a\":{\"b\":\"d\"}}"},
        {"{\"a\":[{\"b\":\"c\"}]}", "{\"a\":[1]}", "{\"a\":[1]}"},
        {"[\"a\",\"b\"]", "[\"c\",\"d\"]", "[\"c\",\"d\"]"},
        {"{\"a\":\"b\"}", "[\"c\"]", "[\"c\"]"},
        {"{\"a\":\"foo\"}", "null", "null"},
        {"{\"a\":\"foo\"}", "\"bar\"", "\"bar\""},
        {"{\"e\":null}", "{\"a\":1}", "{\"e\":null,\"a\":1}"},
        {"[1,2]", "{\"a\":\"b\",\"c\":null}", "{\"a\":\"b\"}"},
        {"{}", "{\"a\":{\"bb\":{\"ccc\":null}}}", "{\"a\":{\"bb\":{}}}"},
        {" {\n \"a\" : 1,\n \"b\" : 2\n}\n", "{\"b\":null,\"c\":{\"d\":null,\"e\":3}}",
         " {\n \"a\" : 1,\n \"c\" : {\"e\":3}\n}\n"},
        {"{\"a\": 1, \"b\": 2}", "{\"a\":null}", "{\"b\": 2}"},
        {"{\"\\u0061\":1}", "{\"a\":2}", "{\"\\u0061\":2}"},
        {"{\"a\":1,\"a\":2}", "{\"a\":3}", "{\"a\":3,\"a\":2}"},
        {"{\"a\":1,\"b\":0,\"a\":2}", "{\"a\":null}", "{\"b\":0}"},
        {"{\"a\":1}", "{\"a\":2,\"a\":3,\"b\":4,\"b\":null}", "{\"a\":2,\"b\":4}"},
        {"7", "{}", "{}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        sop_json_writer w;
        sop_slice out;
        sop_json_writer_init(&w, 0);
        assert_int_equal(sop_json_merge(sop_str(cases[i][0]), sop_str(cases[i][1]), &w, NULL),
                         SOP_OK);
        assert_int_equal(sop_json_writer_end(&w, &out), SOP_OK);
        if (!sop_slice_equal(out, sop_str(cases[i][2]))) {
            fail_msg("case %zu: %.*s", i, (int)out.size, (const char *)out.data);
        }
        sop_json_writer_deinit(&w);
    }
}

static model_value *parse(sop_slice text)
{
    model_value *value = model_parse(text.data, text.size, 600);
    if (value == NULL) fail_msg("not JSON: %.*s", (int)text.size, (const char *)text.data);
    return value;
}

static void test_random_merges_agree_with_the_model(void **state)
{
    (void)state;
    uint64_t seed = sop_test_seed(61);
    char *texts = malloc(16384);
    sop_json_writer w;
    sop_json_writer_init(&w, 0);
    for (int n = 0; n < 20000; n++) {
        sop_slice target = {texts, model_random(&seed, texts, 1 + sop_test_random(&seed) % 2000)};
        sop_slice patch = {texts + 8192,
                           model_random(&seed, texts + 8192, 1 + sop_test_random(&seed) % 2000)};
        model_value *expected = parse(target);
        model_value *change = parse(patch);
        expected = model_merge(expected, change);
        sop_slice out;
        sop_json_writer_reset(&w);
        assert_int_equal(sop_json_merge(target, patch, &w, NULL), SOP_OK);
        assert_int_equal(sop_json_writer_end(&w, &out), SOP_OK);
        model_value *merged = parse(out);
        if (!model_equal(merged, expected)) {
            fail_msg("%.*s with %.*s", (int)target.size, (const char *)target.data, (int)patch.size,
                     (const char *)patch.data);
        }
        model_free(expected);
        model_free(change);
        model_free(merged);
    }
    sop_json_writer_deinit(&w);
    free(texts);
}

static void random_steps(uint64_t *seed, sop_json_step *steps, size_t count)
{
    static const char *const names[] = {"a",   "b",   "",   "size",     "0", "1",
                                        "a/b", "m~n", "\"", "\xc3\xa9", "-", "none"};
    for (size_t i = 0; i < count; i++) {
        steps[i] = (sop_json_step){.kind = (sop_json_step_kind)(sop_test_random(seed) % 3),
                                   .name = sop_str(names[sop_test_random(seed) % 12]),
                                   .index = sop_test_random(seed) % 4};
        if (sop_test_random(seed) % 8 == 0) steps[i].index = UINT64_MAX;
    }
}

/* pick(set(d, p, v), p) = v; unset(set(d, p, v), p) leaves nothing or the next at p; all other
 * bytes are where they were. */
static void
check_edit_laws(sop_slice text, const sop_json_path *path, sop_json_writer *w, int *done)
{
    sop_slice value = sop_str("[\"new\"]");
    sop_slice out;
    sop_json_value old;
    sop_json_value got;
    sop_json_writer_reset(w);
    sop_status before = sop_json_pick(text, path, &old);
    sop_status status = sop_json_set(text, path, value, SOP_JSON_CREATE_PARENTS, w, NULL);
    if (before == SOP_OK) assert_int_equal(status, SOP_OK);
    if (status != SOP_OK) return;
    (*done)++;
    assert_int_equal(sop_json_writer_end(w, &out), SOP_OK);
    assert_int_equal(sop_json_check(out, NULL, NULL, NULL), SOP_OK);
    size_t added = out.size - (text.size - (before == SOP_OK ? old.raw.size : 0));
    /* The old text is the new one with one stretch taken out and the old value put in. */
    size_t same = 0;
    while (same < text.size && same < out.size &&
           memcmp((const char *)text.data + same, (const char *)out.data + same, 1) == 0) {
        same++;
    }
    size_t rest = before == SOP_OK
                      ? text.size - (size_t)((const char *)old.raw.data - (const char *)text.data) -
                            old.raw.size
                      : text.size - same;
    assert_memory_equal((const char *)text.data + text.size - rest,
                        (const char *)out.data + out.size - rest, rest);
    if (before == SOP_OK) assert_int_equal(added, value.size);
    int after_last = 0;
    for (size_t i = 0; i < path->count; i++) {
        after_last |= path->steps[i].index == UINT64_MAX;
    }
    if (!after_last) {
        assert_int_equal(sop_json_pick(out, path, &got), SOP_OK);
        assert_true(sop_slice_equal(got.raw, value));
    }
}

static void
check_unset_laws(sop_slice text, const sop_json_path *path, sop_json_writer *w, int *done)
{
    sop_json_value old;
    sop_slice out;
    sop_json_value parent;
    sop_json_writer_reset(w);
    sop_status before = sop_json_pick(text, path, &old);
    sop_status status = path->count == 0 ? SOP_NOT_FOUND : sop_json_unset(text, path, w, NULL);
    if (path->count != 0) assert_int_equal(status, before);
    if (status != SOP_OK) return;
    (*done)++;
    assert_int_equal(sop_json_writer_end(w, &out), SOP_OK);
    assert_int_equal(sop_json_check(out, NULL, NULL, NULL), SOP_OK);
    sop_json_path up = {path->steps, path->count - 1};
    assert_int_equal(sop_json_pick(out, &up, &parent), SOP_OK);
    if (parent.type == SOP_JSON_OBJECT) {
        assert_int_equal(sop_json_pick(out, path, &old), SOP_NOT_FOUND);
        return;
    }
    /* The next element has moved up. */
    sop_json_step next[8];
    memcpy(next, path->steps, path->count * sizeof *next);
    next[path->count - 1].index++;
    sop_json_path moved = {next, path->count};
    sop_json_value a;
    sop_json_value b;
    sop_status x = sop_json_pick(text, &moved, &a);
    sop_status y = sop_json_pick(out, path, &b);
    assert_int_equal(x, y);
    assert_true(sop_slice_equal(a.raw, b.raw));
}

static void test_random_edits_keep_their_laws(void **state)
{
    (void)state;
    uint64_t seed = sop_test_seed(62);
    char *buffer = malloc(8192);
    sop_json_writer w;
    sop_json_writer_init(&w, 0);
    int set = 0;
    int unset = 0;
    for (int n = 0; n < 20000; n++) {
        sop_slice text = {buffer, model_random(&seed, buffer, 1 + sop_test_random(&seed) % 1500)};
        for (int k = 0; k < 10; k++) {
            sop_json_step steps[8];
            sop_json_path path = {steps, sop_test_random(&seed) % 4};
            random_steps(&seed, steps, path.count);
            check_edit_laws(text, &path, &w, &set);
            check_unset_laws(text, &path, &w, &unset);
        }
    }
    sop_json_writer_deinit(&w);
    free(buffer);
    assert_true(set > 10000 && unset > 1000);
}

static void test_merge_depth_is_limited(void **state)
{
    (void)state;
    char *text = malloc(8 * SOP_JSON_DEPTH_LIMIT);
    for (unsigned depth = SOP_JSON_DEPTH_DEFAULT - 1; depth <= SOP_JSON_DEPTH_DEFAULT; depth++) {
        size_t used = 0;
        for (unsigned i = 0; i < depth; i++) {
            memcpy(text + used, "{\"a\":", 5);
            used += 5;
        }
        text[used++] = '1';
        memset(text + used, '}', depth);
        used += depth;
        sop_json_writer w;
        sop_json_writer_init(&w, 0);
        sop_error err;
        sop_status status = sop_json_merge(sop_str("{}"), sop_slice_of(text, used), &w, &err);
        assert_int_equal(status, depth < SOP_JSON_DEPTH_DEFAULT ? SOP_OK : SOP_TOO_LARGE);
        if (status != SOP_OK) assert_int_equal(w.size, 0);
        sop_json_writer_deinit(&w);
    }
    free(text);
}

static void test_garbage_is_refused_and_nothing_is_left_written(void **state)
{
    (void)state;
    static const char *const bad[] = {"{\"a\":{\"b\" 1}}", "{\"a\":{\"b\":1,}}", "{\"a\":{b}}",
                                      "{\"a\":{\"\\x\":1}}", "{"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        sop_json_writer w;
        sop_error err;
        sop_json_writer_init(&w, 0);
        assert_int_equal(sop_json_merge(sop_str(bad[i]), sop_str("{\"a\":{\"c\":1}}"), &w, &err),
                         SOP_CORRUPT);
        assert_int_equal(w.size, 0);
        assert_int_equal(sop_json_merge(sop_str("{\"a\":{}}"), sop_str(bad[i]), &w, &err),
                         SOP_CORRUPT);
        assert_int_equal(w.size, 0);
        sop_json_null(&w);
        sop_slice out;
        assert_int_equal(sop_json_writer_end(&w, &out), SOP_OK);
        sop_json_writer_deinit(&w);
    }
}

static void test_lost_allocations_are_reported(void **state)
{
    (void)state;
    const char *target = "{\"a\":{\"\\u0062\":1,\"c\":{\"d\":[1,2,3]}},\"e\":\"long enough to need "
                         "a larger buffer\"}";
    const char *patch =
        "{\"a\":{\"b\":{\"x\":null},\"\\u0063\":{\"d\":null,\"n\":{\"m\":1}}},\"z\":[1]}";
    for (uint64_t n = 1;; n++) {
        sop_json_writer w;
        sop_error err = {.status = SOP_OK};
        sop_json_writer_init(&w, 0);
        sop_memory_fail_at(n, 0);
        sop_status status = sop_json_merge(sop_str(target), sop_str(patch), &w, &err);
        int struck = sop_memory_fail_reached();
        sop_memory_fail_at(0, 0);
        assert_int_equal(status, struck ? SOP_NO_MEMORY : SOP_OK);
        assert_int_equal(err.status, status);
        sop_json_writer_deinit(&w);
        if (!struck) {
            assert_true(n > 6);
            break;
        }
    }
    sop_json_writer w;
    sop_json_writer_init(&w, 0);
    sop_memory_fail_at(2, 0); /* the first one is for the path */
    assert_int_equal(edit(target, "/q", "1", 0, &w), SOP_NO_MEMORY);
    sop_memory_fail_at(0, 0);
    sop_json_writer_deinit(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set_replaces_and_adds),
        cmocka_unit_test(test_set_creates_parents_when_asked),
        cmocka_unit_test(test_set_refuses_what_has_no_place),
        cmocka_unit_test(test_unset_takes_out_one_comma),
        cmocka_unit_test(test_errors_name_the_step),
        cmocka_unit_test(test_merge_patch_examples),
        cmocka_unit_test(test_random_merges_agree_with_the_model),
        cmocka_unit_test(test_random_edits_keep_their_laws),
        cmocka_unit_test(test_merge_depth_is_limited),
        cmocka_unit_test(test_garbage_is_refused_and_nothing_is_left_written),
        cmocka_unit_test(test_lost_allocations_are_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
