/* SPDX-License-Identifier: MIT */
/* Finds values by path and skips everything on the way. */
#include "json/json_scan.h"

/* Where a lookup ended: a value, or NULL and the status. */
typedef struct {
    const uint8_t *at;
    sop_status status;
} place;

static place nowhere(sop_status status)
{
    return (place){NULL, status};
}

/* The byte after a comma, or NULL with the status if the container ends here. */
static place after_comma(const uint8_t *at, const uint8_t *end, uint8_t close)
{
    at = sop_json__skip_space(at, end);
    if (SOP_UNLIKELY(at == end)) return nowhere(SOP_CORRUPT);
    if (SOP_LIKELY(*at == ',')) return (place){sop_json__skip_space(at + 1, end), SOP_OK};
    return nowhere(*at == close ? SOP_NOT_FOUND : SOP_CORRUPT);
}

/* The element with that number; at: behind the opening bracket. */
static place find_element(const uint8_t *at, const uint8_t *end, uint64_t index)
{
    at = sop_json__skip_space(at, end);
    if (at != end && *at == ']') return nowhere(SOP_NOT_FOUND);
    for (uint64_t i = 0; i != index; i++) {
        at = sop_json__skip_value(at, end);
        if (SOP_UNLIKELY(at == NULL)) return nowhere(SOP_CORRUPT);
        place next = after_comma(at, end, ']');
        if (next.at == NULL) return next;
        at = next.at;
    }
    return (place){at, SOP_OK};
}

/* One step from the value at `at` into it. EACH goes to the first element. */
static place step_into(const uint8_t *at, const uint8_t *end, const sop_json_step *step)
{
    if (SOP_UNLIKELY(at == end)) return nowhere(SOP_CORRUPT);
    if (*at == '{' && (step->kind == SOP_JSON_STEP_NAME || step->kind == SOP_JSON_STEP_EITHER)) {
        sop_status status = SOP_OK;
        at = sop_json__find_member(at, end, step->name, &status);
        return (place){at, status};
    }
    if (*at == '[' && step->kind != SOP_JSON_STEP_NAME) {
        return find_element(at + 1, end, step->kind == SOP_JSON_STEP_EACH ? 0 : step->index);
    }
    return nowhere(sop_json__type[*at] > SOP_JSON_OBJECT ? SOP_CORRUPT : SOP_NOT_FOUND);
}

static sop_status value_at(const uint8_t *at, const uint8_t *end, sop_json_value *out)
{
    const uint8_t *after = sop_json__skip_value(at, end);
    if (SOP_UNLIKELY(after == NULL || sop_json__type[*at] > SOP_JSON_OBJECT)) return SOP_CORRUPT;
    out->type = (sop_json_type)sop_json__type[*at];
    out->raw = sop_slice_of(at, (size_t)(after - at));
    return SOP_OK;
}

typedef struct {
    const uint8_t *end;
    const sop_json_step *steps;
    size_t count;
    sop_json_walk_fn fn;
    void *context;
} walker;

/* Depth is the number of EACH steps, at most SOP_JSON_STEPS_MAX. */
static sop_status walk(const walker *w, size_t step, const uint8_t *at) // NOLINT(misc-no-recursion)
{
    for (; step < w->count; step++) {
        place next = step_into(at, w->end, &w->steps[step]);
        if (next.at == NULL) return next.status == SOP_NOT_FOUND ? SOP_OK : next.status;
        at = next.at;
        if (w->steps[step].kind == SOP_JSON_STEP_EACH) break;
    }
    if (step == w->count) {
        sop_json_value value;
        sop_status status = value_at(at, w->end, &value);
        return status == SOP_OK ? w->fn(&value, w->context) : status;
    }
    for (;;) {
        sop_status status = walk(w, step + 1, at);
        if (status != SOP_OK) return status;
        at = sop_json__skip_value(at, w->end);
        if (at == NULL) return SOP_CORRUPT;
        place next = after_comma(at, w->end, ']');
        if (next.at == NULL) return next.status == SOP_NOT_FOUND ? SOP_OK : next.status;
        at = next.at;
    }
}

sop_status
sop_json_walk(sop_slice text, const sop_json_path *path, sop_json_walk_fn fn, void *context)
{
    const uint8_t *at = text.data;
    if (path->count > SOP_JSON_STEPS_MAX) return SOP_TOO_LARGE;
    if (text.size == 0) return SOP_CORRUPT;
    walker w = {.end = at + text.size,
                .steps = path->steps,
                .count = path->count,
                .fn = fn,
                .context = context};
    return walk(&w, 0, sop_json__skip_space(at, w.end));
}

/* Any status but SOP_OK would do to stop at the first one. */
#define STOP SOP_EXISTS

static sop_status keep_first(const sop_json_value *value, void *context)
{
    sop_json_value *out = context;
    *out = *value;
    return STOP;
}

sop_status sop_json_pick(sop_slice text, const sop_json_path *path, sop_json_value *value_out)
{
    *value_out = (sop_json_value){.type = SOP_JSON_NULL};
    const uint8_t *at = text.data;
    if (text.size == 0) return SOP_CORRUPT;
    const uint8_t *end = at + text.size;
    at = sop_json__skip_space(at, end);
    for (size_t i = 0; i < path->count; i++) {
        if (SOP_UNLIKELY(path->steps[i].kind == SOP_JSON_STEP_EACH)) {
            sop_status status = sop_json_walk(text, path, keep_first, value_out);
            return status == STOP ? SOP_OK : status == SOP_OK ? SOP_NOT_FOUND : status;
        }
        place next = step_into(at, end, &path->steps[i]);
        if (next.at == NULL) return next.status;
        at = next.at;
    }
    return value_at(at, end, value_out);
}
