/* SPDX-License-Identifier: MIT */
/* JSONTestSuite by Nicolas Seriot: every y_ accepted, every n_ rejected, nothing crashes, also on
 * each truncation. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "json/json.h"
#include "support/json_model.h"

static char folder[1024];

static int find_folder(void)
{
    const char *data = getenv("SOP_TESTDATA");
    (void)snprintf(folder, sizeof folder, "%s/json-parsing",
                   data == NULL ? SOP_SOURCE_DIR "/../shared/testdata" : data);
    DIR *dir = opendir(folder);
    if (dir == NULL) return 0;
    (void)closedir(dir);
    return 1;
}

/* The file in memory of exactly its size, so that asan sees a read beyond. */
static char *read_file(const char *name, size_t *size_out)
{
    char path[2048];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    long size = ftell(file);
    assert_true(size >= 0);
    rewind(file);
    char *text = malloc((size_t)size + 1);
    assert_int_equal(fread(text, 1, (size_t)size, file), (size_t)size);
    (void)fclose(file);
    char *exact = malloc(size == 0 ? 1 : (size_t)size);
    memcpy(exact, text, (size_t)size);
    free(text);
    *size_out = (size_t)size;
    return exact;
}

/* Everything that takes a text for granted, on a text that may be anything. */
static void use(sop_slice text)
{
    sop_json_step steps[2] = {{.kind = SOP_JSON_STEP_EITHER, .name = {"a", 1}, .index = 1},
                              {.kind = SOP_JSON_STEP_EITHER, .name = {"b", 1}, .index = 0}};
    sop_json_path path = {steps, 2};
    sop_json_value value;
    sop_json_writer writer;
    (void)!sop_json_pick(text, &path, &value);
    (void)!sop_json_read(text, &value);
    sop_json_writer_init(&writer, 2);
    sop_json_reformat(&writer, text);
    sop_json_writer_reset(&writer);
    path.count = 1;
    (void)!sop_json_set(text, &path, sop_str("1"), 0, &writer, NULL);
    (void)!sop_json_unset(text, &path, &writer, NULL);
    (void)!sop_json_merge(text, text, &writer, NULL);
    sop_json_writer_deinit(&writer);
}

static void check_truncations(const char *name, const char *text, size_t size)
{
    size_t step = size > 4000 ? size / 500 : 1;
    for (size_t cut = 0; cut < size; cut += step) {
        char *part = malloc(cut == 0 ? 1 : cut);
        memcpy(part, text, cut);
        sop_slice slice = {part, cut};
        int valid = sop_json_check(slice, NULL, NULL, NULL) == SOP_OK;
        model_value *model = model_parse(part, cut, SOP_JSON_DEPTH_DEFAULT);
        if (valid != (model != NULL)) fail_msg("%s cut at %zu", name, cut);
        model_free(model);
        use(slice);
        free(part);
    }
}

static void test_every_case_of_the_suite(void **state)
{
    (void)state;
    if (!find_folder()) {
        print_message("JSONTestSuite not found (set SOP_TESTDATA), skipped\n");
        skip();
    }
    DIR *dir = opendir(folder);
    int good = 0;
    int bad = 0;
    int either = 0;
    for (const struct dirent *entry;
         (entry = readdir(dir)) != NULL;) { // NOLINT(concurrency-mt-unsafe)
        const char *name = entry->d_name;
        if (strstr(name, ".json") == NULL) continue;
        size_t size = 0;
        char *text = read_file(name, &size);
        sop_slice slice = {text, size};
        sop_error err = {.status = SOP_OK};
        sop_json_position where;
        int valid = sop_json_check(slice, NULL, &where, &err) == SOP_OK;
        if (name[0] == 'y' && !valid) fail_msg("%s was rejected: %s", name, err.message);
        if (name[0] == 'n' && valid) fail_msg("%s was accepted", name);
        if (!valid) assert_true(where.offset <= size && where.reason != NULL);
        good += name[0] == 'y';
        bad += name[0] == 'n';
        either += name[0] == 'i';
        use(slice);
        check_truncations(name, text, size);
        free(text);
    }
    (void)closedir(dir);
    print_message("%d accepted, %d rejected, %d either\n", good, bad, either);
    assert_true(good >= 90 && bad >= 180 && either >= 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_case_of_the_suite)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
