/* SPDX-License-Identifier: MIT */
/* Fuzz target: the input is a text, and behind a byte FF (which no text has) a pointer and a patch. */
#include <stdlib.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "json/json.h"
#include "util/bytes.h"

static sop_slice cut(sop_slice *rest)
{
    const uint8_t *begin = rest->data;
    const uint8_t *mark = rest->size == 0 ? NULL : memchr(begin, 0xff, rest->size);
    size_t size = mark == NULL ? rest->size : (size_t)(mark - begin);
    sop_slice piece = {begin, size};
    size_t used = mark == NULL ? size : size + 1;
    *rest = sop_slice_of(used == 0 ? begin : begin + used, rest->size - used);
    return piece;
}

static void need(int condition)
{
    if (!condition) abort();
}

static void walk(const sop_json_value *value, int depth)
{
    sop_json_iter iter;
    sop_slice key;
    sop_json_value item;
    uint8_t *buffer = malloc(value->raw.size + 1);
    sop_slice plain;
    need(buffer != NULL);
    if (value->type == SOP_JSON_STRING &&
        sop_json_string_decode(value->raw, 0, buffer, value->raw.size, &plain) == SOP_OK) {
        need(sop_json_string_equal(value->raw, plain));
    }
    free(buffer);
    if (value->type == SOP_JSON_NUMBER) (void)sop_json_number_compare(value->raw, value->raw);
    sop_json_iter_init(&iter, value);
    while (depth < 30 && sop_json_next(&iter, &key, &item) == SOP_OK) {
        walk(&item, depth + 1);
    }
}

static void check_result(const sop_json_writer *writer, sop_status status, int valid)
{
    sop_slice out;
    if (status != SOP_OK) return;
    need(sop_json_writer_end(writer, &out) == SOP_OK);
    if (valid)
        need(sop_json_check(out, &(sop_json_limits){.depth_max = SOP_JSON_DEPTH_LIMIT}, NULL,
                            NULL) == SOP_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    sop_slice rest = {data, size};
    sop_slice text = cut(&rest);
    sop_slice pointer = cut(&rest);
    sop_slice patch = cut(&rest);
    sop_json_position where;
    sop_error err;
    int valid = sop_json_check(text, NULL, &where, &err) == SOP_OK;
    int patch_valid = sop_json_check(patch, NULL, NULL, NULL) == SOP_OK;
    sop_json_value value;
    if (sop_json_read(text, &value) == SOP_OK)
        walk(&value, 0);
    else
        need(!valid);

    sop_json_writer writer;
    sop_json_writer_init(&writer, 1);
    sop_json_reformat(&writer, text);
    sop_slice out;
    sop_status status = sop_json_writer_end(&writer, &out);
    if (valid) need(status == SOP_OK && sop_json_check(out, NULL, NULL, NULL) == SOP_OK);

    sop_json_writer_reset(&writer);
    check_result(&writer, sop_json_merge(text, patch, &writer, NULL), valid && patch_valid);
    sop_json_path *path = NULL;
    if (sop_json_path_new(pointer, &path, NULL) == SOP_OK) {
        sop_status found = sop_json_pick(text, path, &value);
        sop_json_writer_reset(&writer);
        status = sop_json_set(text, path, patch, SOP_JSON_CREATE_PARENTS, &writer, NULL);
        if (valid && found == SOP_OK) need(status == SOP_OK);
        check_result(&writer, status, valid && patch_valid);
        sop_json_writer_reset(&writer);
        check_result(&writer, sop_json_unset(text, path, &writer, NULL), valid);
        sop_json_path_free(path);
    }
    sop_json_writer_deinit(&writer);
    return 0;
}
