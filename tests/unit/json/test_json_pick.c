/* SPDX-License-Identifier: MIT */
/* Reading in place: values, iteration, pointers, picks and walks, on valid texts against the model
 * and on garbage. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "json/json.h"
#include "json/json_scan.h"
#include "support/json_model.h"
#include "support/support.h"
#include "util/bytes.h"
#include "util/memory.h"

static sop_status pick(const char *text, const char *pointer, sop_json_value *value)
{
    sop_json_path *path = NULL;
    assert_int_equal(sop_json_path_new(sop_str(pointer), &path, NULL), SOP_OK);
    sop_status status = sop_json_pick(sop_str(text), path, value);
    sop_json_path_free(path);
    return status;
}

static void assert_pick(const char *text, const char *pointer, const char *expected)
{
    sop_json_value value;
    sop_status status = pick(text, pointer, &value);
    if (expected == NULL) {
        if (status != SOP_NOT_FOUND) fail_msg("%s: %s", pointer, sop_status_name(status));
        return;
    }
    if (status != SOP_OK) fail_msg("%s: %s", pointer, sop_status_name(status));
    if (!sop_slice_equal(value.raw, sop_str(expected))) {
        fail_msg("%s gave %.*s", pointer, (int)value.raw.size, (const char *)value.raw.data);
    }
}

/* The document of RFC 6901, section 5. */
static void test_pointers_of_the_rfc(void **state)
{
    (void)state;
    const char *text =
        "{\"foo\": [\"bar\", \"baz\"], \"\": 0, \"a/b\": 1, \"c%d\": 2, \"e^f\": 3, \"g|h\": 4,"
        " \"i\\\\j\": 5, \"k\\\"l\": 6, \" \": 7, \"m~n\": 8}";
    assert_pick(text, "", text);
    assert_pick(text, "/foo", "[\"bar\", \"baz\"]");
    assert_pick(text, "/foo/0", "\"bar\"");
    assert_pick(text, "/", "0");
    assert_pick(text, "/a~1b", "1");
    assert_pick(text, "/c%d", "2");
    assert_pick(text, "/e^f", "3");
    assert_pick(text, "/g|h", "4");
    assert_pick(text, "/i\\j", "5");
    assert_pick(text, "/k\"l", "6");
    assert_pick(text, "/ ", "7");
    assert_pick(text, "/m~0n", "8");
    assert_pick(text, "/foo/2", NULL);
    assert_pick(text, "/foo/-", NULL);
    assert_pick(text, "/foo/00", NULL);
    assert_pick(text, "/foo/bar", NULL);
    assert_pick(text, "/foo/0/x", NULL);
    assert_pick(text, "/nothing", NULL);
}

static void test_names_match_by_meaning(void **state)
{
    (void)state;
    assert_pick("{\"\\u0061b\":1}", "/ab", "1");
    assert_pick("{\"a\\u0000\":1,\"a\":2}", "/a", "2");
    assert_pick("{\"\\ud83d\\ude00\":1}", "/\xf0\x9f\x98\x80", "1");
    assert_pick("{\"a\\\\b\":1}", "/a\\b", "1");
    assert_pick("{\"a\\\\b\":1}", "/a\\\\b", NULL);
    assert_pick("{\"a\\/b\":1}", "/a~1b", "1");
    assert_pick("{\"10\":{\"0\":[7]}}", "/10/0/0", "7");
    assert_pick("{\"\\x\":1}", "/x", NULL);
    assert_pick("[[],{},3]", "/1", "{}");
    assert_pick("{}", "/a", NULL);
    assert_pick("[]", "/0", NULL);
    assert_pick(" 7 ", "", "7");
    assert_pick("7", "/0", NULL);
    assert_pick("{\"a\":{\"b\":[{\"c\":1},2]}}", "/a/b/0/c", "1");
}

static void test_the_first_of_equal_names_counts(void **state)
{
    (void)state;
    assert_pick("{\"a\":1,\"\\u0061\":2,\"a\":3}", "/a", "1");
    assert_pick("{\"\\u0061\":2,\"a\":3}", "/a", "2");
    assert_pick("{\"a\":1,\"a\":{\"b\":2}}", "/a/b", NULL);
}

static void test_bad_pointers_are_refused(void **state)
{
    (void)state;
    sop_json_path *path = NULL;
    sop_error err;
    static const char *const bad[] = {"a", "a/b", "/a~", "/a~2", "/~/x", " /a"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(sop_json_path_new(sop_str(bad[i]), &path, &err), SOP_INVALID);
        assert_null(path);
        assert_true(err.message[0] != '\0');
    }
    char deep[2 * SOP_JSON_STEPS_MAX + 3];
    memset(deep, '/', sizeof deep);
    assert_int_equal(sop_json_path_new(sop_slice_of(deep, SOP_JSON_STEPS_MAX + 1), &path, &err),
                     SOP_TOO_LARGE);
    assert_int_equal(sop_json_path_new(sop_slice_of(deep, SOP_JSON_STEPS_MAX), &path, &err),
                     SOP_OK);
    assert_int_equal(path->count, SOP_JSON_STEPS_MAX);
    sop_json_path_free(path);
    sop_memory_fail_at(1, 0);
    assert_int_equal(sop_json_path_new(sop_str("/a"), &path, &err), SOP_NO_MEMORY);
    sop_memory_fail_at(0, 0);
    assert_null(path);
    sop_json_path_free(NULL);
}

static void test_index_tokens(void **state)
{
    (void)state;
    static const struct {
        const char *token;
        sop_json_step_kind kind;
        uint64_t index;
    } cases[] = {{"/0", SOP_JSON_STEP_EITHER, 0},
                 {"/10", SOP_JSON_STEP_EITHER, 10},
                 {"/-", SOP_JSON_STEP_EITHER, UINT64_MAX},
                 {"/01", SOP_JSON_STEP_NAME, 0},
                 {"/-1", SOP_JSON_STEP_NAME, 0},
                 {"/1a", SOP_JSON_STEP_NAME, 0},
                 {"/999999999999999999", SOP_JSON_STEP_EITHER, UINT64_C(999999999999999999)},
                 {"/9999999999999999999", SOP_JSON_STEP_NAME, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        sop_json_path *path = NULL;
        assert_int_equal(sop_json_path_new(sop_str(cases[i].token), &path, NULL), SOP_OK);
        assert_int_equal(path->steps[0].kind, cases[i].kind);
        if (path->steps[0].kind == SOP_JSON_STEP_EITHER)
            assert_true(path->steps[0].index == cases[i].index);
        sop_json_path_free(path);
    }
}

typedef struct {
    char text[256];
    int left; /* values until the walk is stopped */
} collected;

static sop_status collect(const sop_json_value *value, void *context)
{
    collected *c = context;
    size_t used = strlen(c->text);
    (void)snprintf(c->text + used, sizeof c->text - used, "%.*s;", (int)value->raw.size,
                   (const char *)value->raw.data);
    return --c->left == 0 ? SOP_CANCELLED : SOP_OK;
}

static void
assert_walk(const char *text, const sop_json_step *steps, size_t count, const char *expected)
{
    collected c = {.left = 100};
    sop_json_path path = {steps, count};
    assert_int_equal(sop_json_walk(sop_str(text), &path, collect, &c), SOP_OK);
    assert_string_equal(c.text, expected);
}

static void test_walks_visit_each_element(void **state)
{
    (void)state;
    sop_json_step steps[3] = {{.kind = SOP_JSON_STEP_NAME, .name = {"t", 1}},
                              {.kind = SOP_JSON_STEP_EACH},
                              {.kind = SOP_JSON_STEP_NAME, .name = {"x", 1}}};
    const char *text = "{\"t\":[{\"x\":1},{\"y\":2}, 3 ,{\"x\":[4,5]},{\"x\":6,\"x\":7}]}";
    assert_walk(text, steps, 3, "1;[4,5];6;");
    assert_walk(text, steps, 2, "{\"x\":1};{\"y\":2};3;{\"x\":[4,5]};{\"x\":6,\"x\":7};");
    assert_walk("{\"t\":[]}", steps, 3, "");
    assert_walk("{\"t\":7}", steps, 3, "");
    assert_walk("{}", steps, 3, "");
    sop_json_step nested[3] = {{.kind = SOP_JSON_STEP_EACH},
                               {.kind = SOP_JSON_STEP_EACH},
                               {.kind = SOP_JSON_STEP_INDEX, .index = 1}};
    assert_walk("[[[1,2],[3]],[],[[4,5,6]],7]", nested, 3, "2;5;");
    assert_walk("[[[1,2],[3]],[],[[4]],7]", nested, 2, "[1,2];[3];[4];");

    sop_json_path path = {steps, 3};
    collected c = {.left = 2};
    assert_int_equal(sop_json_walk(sop_str(text), &path, collect, &c), SOP_CANCELLED);
    assert_string_equal(c.text, "1;[4,5];");
    sop_json_value value;
    assert_int_equal(sop_json_pick(sop_str(text), &path, &value), SOP_OK);
    assert_true(sop_slice_equal(value.raw, sop_str("1")));
    assert_int_equal(sop_json_pick(sop_str("{\"t\":[1]}"), &path, &value), SOP_NOT_FOUND);
}

static void test_iteration_stops_with_a_status(void **state)
{
    (void)state;
    sop_json_value value;
    sop_json_iter iter;
    sop_slice key;
    sop_json_value item;
    assert_int_equal(sop_json_read(sop_str(" {\"a\" : 1 , \"b\":[]} "), &value), SOP_OK);
    assert_int_equal(value.type, SOP_JSON_OBJECT);
    sop_json_iter_init(&iter, &value);
    assert_int_equal(sop_json_next(&iter, &key, &item), SOP_OK);
    assert_true(sop_slice_equal(key, sop_str("\"a\"")));
    assert_true(sop_slice_equal(item.raw, sop_str("1")));
    assert_int_equal(sop_json_next(&iter, &key, &item), SOP_OK);
    assert_true(sop_slice_equal(key, sop_str("\"b\"")));
    assert_int_equal(item.type, SOP_JSON_ARRAY);
    assert_int_equal(sop_json_next(&iter, &key, &item), SOP_NOT_FOUND);
    assert_int_equal(sop_json_next(&iter, &key, &item), SOP_NOT_FOUND);
    static const char *const garbage[] = {"{\"a\" 1}", "{a:1}", "{\"a\":}", "{\"a\":1 2}",
                                          "[,]",       "[1 2]", "{1}",      "[?]"};
    for (size_t i = 0; i < sizeof garbage / sizeof garbage[0]; i++) {
        assert_int_equal(sop_json_read(sop_str(garbage[i]), &value), SOP_OK);
        sop_json_iter_init(&iter, &value);
        sop_status status;
        while ((status = sop_json_next(&iter, &key, &item)) == SOP_OK) {
        }
        assert_int_equal(status, SOP_CORRUPT);
    }
    assert_int_equal(sop_json_read(sop_str("17"), &value), SOP_OK);
    sop_json_iter_init(&iter, &value);
    assert_int_equal(sop_json_next(&iter, &key, &item), SOP_NOT_FOUND);
    assert_int_equal(sop_json_read(sop_str("1 2"), &value), SOP_CORRUPT);
    assert_int_equal(sop_json_read(sop_str("[1"), &value), SOP_CORRUPT);
    assert_int_equal(sop_json_read(sop_str(""), &value), SOP_CORRUPT);
    assert_int_equal(sop_json_read(sop_slice_of(NULL, 0), &value), SOP_CORRUPT);
}

/* The value in the text and the tree are the same. Visits everything below. */
static void assert_same(const sop_json_value *value, const model_value *model)
{
    static const char types[] = "nft\0\"[{";
    assert_int_equal(types[value->type], model->type);
    if (value->type == SOP_JSON_NUMBER) {
        assert_int_equal(value->raw.size, model->size);
        assert_memory_equal(value->raw.data, model->text, model->size);
    }
    if (value->type == SOP_JSON_STRING) {
        uint8_t *plain = malloc(value->raw.size);
        sop_slice bytes;
        assert_int_equal(sop_json_string_decode(value->raw, 0, plain, value->raw.size, &bytes),
                         SOP_OK);
        assert_int_equal(bytes.size, model->size);
        if (bytes.size != 0) assert_memory_equal(bytes.data, model->text, model->size);
        assert_true(sop_json_string_equal(value->raw, sop_slice_of(model->text, model->size)));
        free(plain);
    }
    sop_json_iter iter;
    sop_slice key;
    sop_json_value item;
    sop_json_iter_init(&iter, value);
    const model_value *m = model->child;
    for (; m != NULL; m = m->next) {
        assert_int_equal(sop_json_next(&iter, &key, &item), SOP_OK);
        if (m->name != NULL)
            assert_true(sop_json_string_equal(key, sop_slice_of(m->name, m->name_size)));
        assert_same(&item, m);
    }
    assert_int_equal(sop_json_next(&iter, &key, &item), SOP_NOT_FOUND);
}

static const char *const NAMES[] = {"a",   "b",   "",   "size",     "0", "1",
                                    "a/b", "m~n", "\"", "\xc3\xa9", "-", "none"};

static size_t random_path(uint64_t *seed, sop_json_step *steps)
{
    size_t count = sop_test_random(seed) % 4;
    for (size_t i = 0; i < count; i++) {
        const char *name = NAMES[sop_test_random(seed) % (sizeof NAMES / sizeof NAMES[0])];
        steps[i] = (sop_json_step){.kind = (sop_json_step_kind)(sop_test_random(seed) % 3),
                                   .name = sop_str(name),
                                   .index = sop_test_random(seed) % 4};
    }
    return count;
}

static const model_value *
model_pick(const model_value *at, const sop_json_step *steps, size_t count)
{
    for (size_t i = 0; i < count && at != NULL; i++) {
        const model_value *next = NULL;
        if (steps[i].kind != SOP_JSON_STEP_INDEX)
            next = model_member(at, steps[i].name.data, steps[i].name.size);
        if (steps[i].kind != SOP_JSON_STEP_NAME && at->type == '[')
            next = model_element(at, steps[i].index);
        at = next;
    }
    return at;
}

static void test_random_texts_read_like_the_model(void **state)
{
    (void)state;
    uint64_t seed = sop_test_seed(31);
    char *buffer = malloc(8192);
    int found = 0;
    for (int n = 0; n < 20000; n++) {
        size_t size = model_random(&seed, buffer, 1 + sop_test_random(&seed) % 3000);
        char *text = malloc(size);
        memcpy(text, buffer, size);
        model_value *model = model_parse(text, size, 512);
        assert_non_null(model);
        sop_json_value value;
        assert_int_equal(sop_json_read(sop_slice_of(text, size), &value), SOP_OK);
        assert_same(&value, model);
        for (int k = 0; k < 20; k++) {
            sop_json_step steps[4];
            sop_json_path path = {steps, random_path(&seed, steps)};
            const model_value *expected = model_pick(model, steps, path.count);
            sop_status status = sop_json_pick(sop_slice_of(text, size), &path, &value);
            assert_int_equal(status, expected == NULL ? SOP_NOT_FOUND : SOP_OK);
            if (expected != NULL) assert_same(&value, expected);
            found += expected != NULL && path.count > 1;
        }
        model_free(model);
        free(text);
    }
    free(buffer);
    assert_true(found > 1000);
}

static sop_status inside(const sop_json_value *value, void *context)
{
    const sop_slice *text = context;
    const char *begin = text->data;
    const char *at = value->raw.data;
    assert_true(at >= begin && value->raw.size <= text->size &&
                (size_t)(at - begin) <= text->size - value->raw.size);
    return SOP_OK;
}

/* Cut and changed texts in memory of exactly their size: nothing is read beyond, and answers lie
 * inside. */
static void test_garbage_is_read_within_its_bounds(void **state)
{
    (void)state;
    uint64_t seed = sop_test_seed(32);
    char *buffer = malloc(4096);
    for (int n = 0; n < 40000; n++) {
        size_t size = model_random(&seed, buffer, 1 + sop_test_random(&seed) % 500);
        if (sop_test_random(&seed) % 2 == 0) size = sop_test_random(&seed) % (size + 1);
        char *text = malloc(size == 0 ? 1 : size);
        memcpy(text, buffer, size);
        for (uint64_t k = sop_test_random(&seed) % 3; k != 0 && size != 0; k--) {
            text[sop_test_random(&seed) % size] = "{}[],:\"\\ 1a\xff"[sop_test_random(&seed) % 12];
        }
        sop_slice slice = {text, size};
        sop_json_step steps[4];
        for (int k = 0; k < 5; k++) {
            sop_json_path path = {steps, random_path(&seed, steps)};
            if (path.count > 1 && k > 2) steps[0].kind = SOP_JSON_STEP_EACH;
            sop_json_value value;
            sop_status status = sop_json_pick(slice, &path, &value);
            assert_true(status == SOP_OK || status == SOP_NOT_FOUND || status == SOP_CORRUPT);
            if (status == SOP_OK) (void)inside(&value, &slice);
            (void)!sop_json_walk(slice, &path, inside, &slice);
        }
        free(text);
    }
    free(buffer);
}

/* The plainest way to find the bracket that closes the first one; NULL if none does. */
static const uint8_t *skip_plainly(const uint8_t *at, const uint8_t *end)
{
    size_t depth = 0;
    int in_string = 0;
    for (; at != end; at++) {
        if (in_string && *at == '\\') {
            if (++at == end) return NULL;
        } else if (*at == '"') {
            in_string = !in_string;
        } else if (!in_string && (*at == '{' || *at == '[')) {
            depth++;
        } else if (!in_string && (*at == '}' || *at == ']') && --depth == 0) {
            return at + 1;
        }
    }
    return NULL;
}

/* Every way this machine has, on brackets, quotes and long runs of backslashes, in memory of exactly the size. */
static void test_all_ways_to_skip_agree(void **state)
{
    (void)state;
    const sop_json__machine *machines[3];
    size_t count = sop_json__machines(machines);
    uint64_t seed = sop_test_seed(33);
    int closed = 0;
    for (int n = 0; n < 100000; n++) {
        size_t size = 1 + sop_test_random(&seed) % 300;
        uint64_t rare = 1 + sop_test_random(&seed) % 20;
        char *text = malloc(size);
        int in_string = 0;
        text[0] = sop_test_random(&seed) % 2 ? '{' : '[';
        for (size_t i = 1; i < size; i++) {
            /* A backslash outside of a string is no JSON, and may be taken either way. */
            text[i] =
                sop_test_random(&seed) % rare == 0 ? "{}[]\""[sop_test_random(&seed) % 5] : 'x';
            if (in_string && sop_test_random(&seed) % 3 == 0) {
                text[i] = '\\';
                if (i + 1 < size) text[++i] = "\"\\{}"[sop_test_random(&seed) % 4];
            } else if (text[i] == '"') {
                in_string = !in_string;
            }
        }
        const uint8_t *begin = (const uint8_t *)text;
        const uint8_t *expected = skip_plainly(begin, begin + size);
        closed += expected != NULL;
        for (size_t i = 0; i < count; i++) {
            assert_ptr_equal(machines[i]->skip_container(begin, begin + size), expected);
        }
        free(text);
    }
    print_message("%zu ways, %d closed\n", count, closed);
    assert_true(closed > 1000);
}

/* Every way this machine has finds what the others find, and nothing outside of the text. */
static void test_all_ways_to_find_a_member_agree(void **state)
{
    (void)state;
    const sop_json__machine *machines[3];
    size_t count = sop_json__machines(machines);
    uint64_t seed = sop_test_seed(34);
    char *buffer = malloc(8192);
    int found = 0;
    for (int n = 0; n < 20000; n++) {
        size_t size = model_random(&seed, buffer, 1 + sop_test_random(&seed) % 1500);
        char *text = malloc(size);
        memcpy(text, buffer, size);
        const uint8_t *end = (const uint8_t *)text + size;
        int garbage = n % 4 == 0;
        for (int k = 0; garbage && k < 3; k++) {
            text[sop_test_random(&seed) % size] = "{}[],:\"\\ 1a\xff"[sop_test_random(&seed) % 12];
        }
        for (size_t at = 0; at < size; at++) {
            const uint8_t *begin = (const uint8_t *)text + at;
            if (*begin != '{') continue;
            sop_slice name =
                sop_str(NAMES[sop_test_random(&seed) % (sizeof NAMES / sizeof NAMES[0])]);
            sop_status expected_status = SOP_OK;
            /* The last way is the plain one. Inside of a string the brace may be anything, as in garbage. */
            const uint8_t *expected =
                machines[count - 1]->find_member(begin, end, name, &expected_status);
            int valid = !garbage && expected_status != SOP_CORRUPT;
            found += valid && expected != NULL;
            for (size_t i = 0; i + 1 < count; i++) {
                sop_status status = SOP_OK;
                const uint8_t *answer = machines[i]->find_member(begin, end, name, &status);
                assert_true(answer == NULL || (answer > begin && answer <= end));
                if (at == 0 && valid) {
                    assert_ptr_equal(answer, expected);
                    assert_int_equal(status, expected_status);
                }
            }
        }
        free(text);
    }
    free(buffer);
    assert_true(found > 1000);
}

/* Names at every distance from the bounds of blocks, with escapes before and inside. */
static void test_names_are_found_at_every_offset(void **state)
{
    (void)state;
    static const char *const forms[] = {"name", "n\\u0061me", "\\u006eame", "n\\u0061m\\u0065"};
    const sop_json__machine *machines[3];
    size_t count = sop_json__machines(machines);
    for (size_t pad = 0; pad < 140; pad++) {
        for (size_t form = 0; form < 4; form++) {
            for (int quotes = 0; quotes < 3; quotes++) {
                char text[512];
                int used = snprintf(text, sizeof text,
                                    "{\"%.*s%s\":[{\"name\":1}],\"xname\":2,\"name\\\\\":3 , "
                                    "\"%s\"\t:\n4,\"name\":5}",
                                    (int)pad,
                                    ".............................................................."
                                    ".................."
                                    "............................................................",
                                    quotes == 0   ? ""
                                    : quotes == 1 ? "\\\"name"
                                                  : "\\\\",
                                    forms[form]);
                for (size_t i = 0; i < count; i++) {
                    sop_status status = SOP_OK;
                    const uint8_t *begin = (const uint8_t *)text;
                    const uint8_t *at =
                        machines[i]->find_member(begin, begin + used, sop_str("name"), &status);
                    if (at == NULL || *at != '4') fail_msg("way %zu in %s", i, text);
                    at = machines[i]->find_member(begin, begin + used, sop_str("name\\"), &status);
                    if (at == NULL || *at != '3') fail_msg("way %zu in %s", i, text);
                    at = machines[i]->find_member(begin, begin + used, sop_str("ame"), &status);
                    assert_true(at == NULL && status == SOP_NOT_FOUND);
                }
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pointers_of_the_rfc),
        cmocka_unit_test(test_names_match_by_meaning),
        cmocka_unit_test(test_the_first_of_equal_names_counts),
        cmocka_unit_test(test_bad_pointers_are_refused),
        cmocka_unit_test(test_index_tokens),
        cmocka_unit_test(test_walks_visit_each_element),
        cmocka_unit_test(test_iteration_stops_with_a_status),
        cmocka_unit_test(test_random_texts_read_like_the_model),
        cmocka_unit_test(test_garbage_is_read_within_its_bounds),
        cmocka_unit_test(test_all_ways_to_skip_agree),
        cmocka_unit_test(test_all_ways_to_find_a_member_agree),
        cmocka_unit_test(test_names_are_found_at_every_offset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
