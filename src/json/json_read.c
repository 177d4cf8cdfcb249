/* SPDX-License-Identifier: MIT */
/* Reads values in place and walks members and elements. */
#include "json/json_scan.h"

/* clang-format off */
/* Made from the definitions of the classes in json_scan.h; 32 bytes a row. */
const uint8_t sop_json__class[256] = {
    8, 8, 8, 8, 8, 8, 8, 8, 8, 9, 9, 8, 8, 9, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8,
    1, 0, 28, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 2, 2, 0, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 0, 0, 0, 0, 0, 0,
    0, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 16, 12, 16, 0, 0,
    0, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 16, 0, 16, 0, 0,
    8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8,
    8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8,
    8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8,
    8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8,
};

const uint8_t sop_json__type[256] = {
    9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9,
    9, 9, 4, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 3, 9, 9, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 9, 9, 9, 9, 9, 9,
    9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 5, 9, 9, 9, 9,
    9, 9, 9, 9, 9, 9, 1, 9, 9, 9, 9, 9, 9, 9, 0, 9, 9, 9, 9, 9, 2, 9, 9, 9, 9, 9, 9, 6, 9, 9, 9, 9,
    9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9,
    9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9,
    9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9,
    9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9,
};
/* clang-format on */

/* The value at the next byte that is not white space; returns the byte after it, or NULL. */
static const uint8_t *read_value(const uint8_t *at, const uint8_t *end, sop_json_value *out)
{
    at = sop_json__skip_space(at, end);
    if (at == end || sop_json__type[*at] > SOP_JSON_OBJECT) return NULL;
    const uint8_t *after = sop_json__skip_value(at, end);
    if (after == NULL) return NULL;
    out->type = (sop_json_type)sop_json__type[*at];
    out->raw = sop_slice_of(at, (size_t)(after - at));
    return after;
}

sop_status sop_json_read(sop_slice text, sop_json_value *value_out)
{
    *value_out = (sop_json_value){.type = SOP_JSON_NULL};
    const uint8_t *at = text.data;
    if (text.size == 0) return SOP_CORRUPT;
    const uint8_t *end = at + text.size;
    at = read_value(at, end, value_out);
    if (at == NULL || sop_json__skip_space(at, end) != end) return SOP_CORRUPT;
    return SOP_OK;
}

void sop_json_iter_init(sop_json_iter *iter, const sop_json_value *container)
{
    *iter = (sop_json_iter){.at = NULL};
    if (container->type != SOP_JSON_OBJECT && container->type != SOP_JSON_ARRAY) return;
    if (container->raw.size < 2) return;
    /* Between the brackets. */
    iter->at = (const uint8_t *)container->raw.data + 1;
    iter->end = iter->at + container->raw.size - 2;
    iter->is_object = container->type == SOP_JSON_OBJECT;
}

static const uint8_t *read_key(const uint8_t *at, const uint8_t *end, sop_slice *key_out)
{
    int escaped = 0;
    if (at == end || *at != '"') return NULL;
    const uint8_t *after = sop_json__skip_string(at + 1, end, &escaped);
    if (after == NULL) return NULL;
    *key_out = sop_slice_of(at, (size_t)(after - at));
    after = sop_json__skip_space(after, end);
    return after == end || *after != ':' ? NULL : after + 1;
}

sop_status sop_json_next(sop_json_iter *iter, sop_slice *key_out, sop_json_value *value_out)
{
    *key_out = sop_slice_of(NULL, 0);
    *value_out = (sop_json_value){.type = SOP_JSON_NULL};
    const uint8_t *at = sop_json__skip_space(iter->at, iter->end);
    if (at == iter->end) return SOP_NOT_FOUND;
    if (iter->started) {
        if (*at != ',') return SOP_CORRUPT;
        at = sop_json__skip_space(at + 1, iter->end);
    }
    if (iter->is_object) {
        at = read_key(at, iter->end, key_out);
        if (at == NULL) return SOP_CORRUPT;
    }
    at = read_value(at, iter->end, value_out);
    if (at == NULL) return SOP_CORRUPT;
    iter->at = at;
    iter->started = 1;
    return SOP_OK;
}
