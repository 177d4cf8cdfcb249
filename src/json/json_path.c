/* SPDX-License-Identifier: MIT */
/* Paths from pointers of RFC 6901. */
#include "json/json.h"
#include "util/bytes.h"
#include "util/error.h"
#include "util/memory.h"

/* An array index without leading zeros, or "-". */
static int parse_index(const uint8_t *name, size_t size, uint64_t *out)
{
    if (size == 1 && *name == '-') {
        *out = UINT64_MAX;
        return 1;
    }
    if (size == 0 || size > 18 || (*name == '0' && size > 1)) return 0;
    uint64_t value = 0;
    for (size_t i = 0; i < size; i++) {
        if (name[i] < '0' || name[i] > '9') return 0;
        value = value * 10 + (uint64_t)(name[i] - '0');
    }
    *out = value;
    return 1;
}

/* Copies one token, ~1 as / and ~0 as ~. Returns its size, or SIZE_MAX for another ~. */
static size_t copy_token(const uint8_t *at, const uint8_t *end, uint8_t *to)
{
    size_t used = 0;
    while (at != end) {
        uint8_t c = *at++;
        if (c == '~') {
            if (at == end || (*at != '0' && *at != '1')) return SIZE_MAX;
            c = *at++ == '0' ? '~' : '/';
        }
        to[used++] = c;
    }
    return used;
}

static sop_status
fill(sop_json_path *path, sop_json_step *steps, uint8_t *names, sop_slice pointer, sop_error *err)
{
    const uint8_t *begin = pointer.data;
    const uint8_t *end = begin + pointer.size;
    const uint8_t *at = begin;
    while (at != end) {
        at++;
        const uint8_t *slash = memchr(at, '/', (size_t)(end - at));
        const uint8_t *token_end = slash == NULL ? end : slash;
        size_t size = copy_token(at, token_end, names);
        if (size == SIZE_MAX) {
            return sop_fail(err, SOP_INVALID,
                            "JSON pointer, step %zu at byte %zu: ~ must be followed by 0 or 1",
                            path->count + 1, (size_t)(at - begin));
        }
        sop_json_step *step = &steps[path->count++];
        *step = (sop_json_step){.kind = SOP_JSON_STEP_NAME, .name = {names, size}};
        if (parse_index(names, size, &step->index)) step->kind = SOP_JSON_STEP_EITHER;
        names += size;
        at = token_end;
    }
    return SOP_OK;
}

sop_status sop_json_path_new(sop_slice pointer, sop_json_path **path_out, sop_error *err)
{
    *path_out = NULL;
    const uint8_t *text = pointer.data;
    if (pointer.size != 0 && text[0] != '/') {
        return sop_fail(err, SOP_INVALID, "JSON pointer: expected / as first of %zu bytes",
                        pointer.size);
    }
    size_t count = 0;
    for (size_t i = 0; i < pointer.size; i++) {
        count += text[i] == '/';
    }
    if (count > SOP_JSON_STEPS_MAX) {
        return sop_fail(err, SOP_TOO_LARGE, "JSON pointer: %zu steps, %d allowed", count,
                        SOP_JSON_STEPS_MAX);
    }
    size_t steps_size = count * sizeof(sop_json_step);
    size_t size = 0;
    if (sop_checked_add(sizeof(sop_json_path) + steps_size, pointer.size, &size)) {
        return sop_set(err, SOP_NO_MEMORY);
    }
    uint8_t *memory = sop_alloc(size);
    if (memory == NULL) {
        return sop_fail(err, SOP_NO_MEMORY, "JSON pointer: no memory for %zu bytes", size);
    }
    sop_json_path *path = (sop_json_path *)(void *)memory;
    sop_json_step *steps = (sop_json_step *)(void *)(memory + sizeof *path);
    *path = (sop_json_path){.steps = steps, .count = 0};
    sop_status status = pointer.size == 0
                            ? SOP_OK
                            : fill(path, steps, memory + sizeof *path + steps_size, pointer, err);
    if (status != SOP_OK) {
        sop_free(memory);
        return status;
    }
    *path_out = path;
    return SOP_OK;
}

void sop_json_path_free(sop_json_path *path)
{
    sop_free(path);
}
