/* SPDX-License-Identifier: MIT */
/* Paths as people write them: a.b, a[0], tags[*], "odd name".b; where digits follow a point (a.0) an element or a member. */
#include <stdio.h>

#include "document/document_scalar.h"
#include "document/document_word.h"
#include "util/bytes.h"
#include "util/utf8.h"

/* A step list while it is read. */
typedef struct {
    const uint8_t *at;
    const uint8_t *end;
    sop_arena *arena;
    const char **why_out;
    sop_json_step steps[SOP_JSON_STEPS_MAX];
    size_t count;
} path_reader;

static int wrong(const path_reader *r, const char *why)
{
    *r->why_out = why;
    return -1;
}

static int add_step(path_reader *r, sop_json_step step)
{
    if (r->count == SOP_JSON_STEPS_MAX) return wrong(r, "a path of more than 64 steps");
    if (step.name.size != 0) {
        step.name.data = sop_arena_copy(r->arena, step.name.data, step.name.size);
        if (step.name.data == NULL) return wrong(r, NULL);
    }
    r->steps[r->count++] = step;
    return 0;
}

/* An index of at most 18 digits without zeros in front. */
static int parse_index(sop_slice digits, uint64_t *out)
{
    const uint8_t *at = digits.data;
    if (digits.size == 0 || digits.size > 18 || (digits.size > 1 && *at == '0')) return 0;
    *out = 0;
    for (size_t i = 0; i < digits.size; i++) {
        if ((unsigned)at[i] - '0' >= 10) return 0;
        *out = *out * 10 + (uint64_t)(at[i] - '0');
    }
    return 1;
}

static int read_quoted(path_reader *r)
{
    const uint8_t *after = sop_document__quoted_end(r->at, r->end);
    if (after == NULL) return wrong(r, "a name in quotes without an end");
    sop_slice raw = sop_slice_of(r->at, (size_t)(after - r->at));
    sop_json_step step = {.kind = SOP_JSON_STEP_NAME};
    uint8_t *buffer = sop_arena_alloc(r->arena, raw.size);
    if (buffer == NULL) return wrong(r, NULL);
    if (sop_json_string_decode(raw, 0, buffer, raw.size, &step.name) != SOP_OK) {
        return wrong(r, "a name in quotes that is no JSON string");
    }
    r->at = after;
    return add_step(r, step);
}

/* A name; `first`: at the start of the path, where digits do not begin one. */
static int read_name(path_reader *r, int first)
{
    if (r->at != r->end && *r->at == '"') return read_quoted(r);
    const uint8_t *begin = r->at;
    const uint8_t *after = sop_document__word_end(begin, r->end);
    sop_json_step step = {.kind = SOP_JSON_STEP_NAME, .name = {begin, (size_t)(after - begin)}};
    int digit = after != begin && (unsigned)*begin - '0' < 10;
    if (after == begin || *begin == '-' || (first && digit)) {
        return wrong(r, "expected a field name");
    }
    if (digit && parse_index(step.name, &step.index)) step.kind = SOP_JSON_STEP_EITHER;
    r->at = after;
    return add_step(r, step);
}

/* What stands in brackets; at: behind the opening one. */
static int read_index(path_reader *r)
{
    const uint8_t *begin = r->at;
    while (r->at != r->end && *r->at != ']') {
        r->at++;
    }
    if (r->at == r->end) return wrong(r, "expected ']'");
    sop_slice inside = sop_slice_of(begin, (size_t)(r->at - begin));
    sop_json_step step = {.kind = SOP_JSON_STEP_INDEX};
    r->at++;
    if (inside.size == 1 && *begin == '*') {
        step.kind = SOP_JSON_STEP_EACH;
    } else if (!parse_index(inside, &step.index)) {
        return wrong(r, "expected a number or * in brackets");
    }
    return add_step(r, step);
}

static int read_steps(path_reader *r)
{
    int point = r->at != r->end && *r->at == '.';
    if (point) r->at++;
    int failed = 0;
    if (!point && r->at != r->end && *r->at == '[') {
        r->at++;
        failed = read_index(r);
    } else {
        failed = read_name(r, !point);
    }
    while (!failed && r->at != r->end && (*r->at == '.' || *r->at == '[')) {
        failed = *r->at++ == '.' ? read_name(r, 0) : read_index(r);
    }
    return failed;
}

const uint8_t *sop_document__path_read(const uint8_t *at,
                                       const uint8_t *end,
                                       sop_arena *arena,
                                       sop_json_path *path_out,
                                       const char **why_out)
{
    path_reader r = {.at = at, .end = end, .arena = arena, .why_out = why_out};
    *path_out = (sop_json_path){.count = 0};
    if (read_steps(&r) != 0) return NULL;
    const sop_json_step *steps = sop_arena_copy(arena, r.steps, r.count * sizeof *steps);
    if (steps == NULL) {
        *why_out = NULL;
        return NULL;
    }
    *path_out = (sop_json_path){.steps = steps, .count = r.count};
    return r.at;
}

static sop_status
parse_pointer(sop_slice text, sop_arena *arena, sop_json_path *path_out, const char **why_out)
{
    sop_json_path *parsed = NULL;
    sop_error err;
    sop_status status = sop_json_path_new(text, &parsed, &err);
    *why_out = status == SOP_NO_MEMORY ? NULL : "not a JSON pointer";
    if (status != SOP_OK) return status == SOP_NO_MEMORY ? status : SOP_INVALID;
    /* Into the arena, so that all paths of the room have the same owner. */
    sop_json_step *steps = sop_arena_copy(arena, parsed->steps, parsed->count * sizeof *steps);
    status = steps == NULL ? SOP_NO_MEMORY : SOP_OK;
    for (size_t i = 0; status == SOP_OK && i < parsed->count; i++) {
        if (steps[i].name.size == 0) continue;
        steps[i].name.data = sop_arena_copy(arena, steps[i].name.data, steps[i].name.size);
        if (steps[i].name.data == NULL) status = SOP_NO_MEMORY;
    }
    *path_out = (sop_json_path){.steps = steps, .count = status == SOP_OK ? parsed->count : 0};
    if (status != SOP_OK) *why_out = NULL;
    sop_json_path_free(parsed);
    return status;
}

sop_status sop_document__path_parse(sop_slice text,
                                    sop_arena *arena,
                                    sop_json_path *path_out,
                                    const char **why_out)
{
    const uint8_t *at = text.data;
    *path_out = (sop_json_path){.count = 0};
    *why_out = "expected a field name";
    if (text.size == 0) return SOP_INVALID;
    if (*at == '/') return parse_pointer(text, arena, path_out, why_out);
    const uint8_t *after = sop_document__path_read(at, at + text.size, arena, path_out, why_out);
    if (after == NULL) return *why_out == NULL ? SOP_NO_MEMORY : SOP_INVALID;
    if (after == at + text.size) return SOP_OK;
    *why_out = "a path with something behind it";
    return SOP_INVALID;
}

/* Whether a name may stand without quotes. */
static int is_plain_name(sop_slice name, int first)
{
    const uint8_t *at = name.data;
    if (name.size == 0 || *at == '-' || (unsigned)*at - '0' < 10) return 0;
    const uint8_t *end = at + name.size;
    if (sop_document__word_end(at, end) != end) return 0;
    /* Half a surrogate pair is no UTF-8 and can only be written as an escape. */
    for (uint32_t code = 0; at != end;) {
        size_t size = sop_utf8_get(at, end, &code);
        if (size == 0) return 0;
        at += size;
    }
    return !first || !sop_document__is_keyword(name);
}

void sop_document__path_write(const sop_json_path *path, sop_json_writer *text)
{
    for (size_t i = 0; i < path->count; i++) {
        const sop_json_step *step = &path->steps[i];
        char number[32];
        if (step->kind == SOP_JSON_STEP_EACH) {
            sop_json_append(text, sop_str("[*]"));
            continue;
        }
        if (step->kind == SOP_JSON_STEP_INDEX) {
            (void)snprintf(number, sizeof number, "[%llu]", (unsigned long long)step->index);
            sop_json_append(text, sop_str(number));
            continue;
        }
        int either = step->kind == SOP_JSON_STEP_EITHER && step->index != UINT64_MAX;
        if (i != 0 || either) sop_json_append(text, sop_str("."));
        if (either || is_plain_name(step->name, i == 0)) {
            sop_json_append(text, step->name);
        } else {
            sop_json_string(text, step->name);
            sop_json_append(text, sop_slice_of(NULL, 0));
        }
    }
}

int sop_document__path_has_each(const sop_json_path *path)
{
    for (size_t i = 0; i < path->count; i++) {
        if (path->steps[i].kind == SOP_JSON_STEP_EACH) return 1;
    }
    return 0;
}
