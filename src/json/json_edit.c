/* SPDX-License-Identifier: MIT */
/* Sets and unsets one value of a text; all other bytes stay as they are. */
#include "json/json_edit.h"

#include <stdio.h>

#include "json/json_scan.h"
#include "util/error.h"

void sop_json__items_init(sop_json__items *items, const sop_json_value *container)
{
    *items = (sop_json__items){.value = {SOP_JSON_NULL, {NULL, 0}}};
    sop_json_iter_init(&items->iter, container);
    items->after = items->iter.at;
}

sop_status sop_json__items_next(sop_json__items *items)
{
    sop_slice key;
    sop_json_value value;
    sop_status status = sop_json_next(&items->iter, &key, &value);
    if (status != SOP_OK) return status;
    const uint8_t *value_begin = value.raw.data;
    const uint8_t *begin = key.size == 0 ? value_begin : key.data;
    items->lead = sop_slice_of(items->after, (size_t)(begin - items->after));
    items->key = key;
    const uint8_t *key_end = begin + key.size;
    items->colon = sop_slice_of(key_end, (size_t)(value_begin - key_end));
    items->value = value;
    items->after = value_begin + value.raw.size;
    return SOP_OK;
}

sop_slice sop_json__layout(sop_slice lead)
{
    const uint8_t *comma = lead.size == 0 ? NULL : memchr(lead.data, ',', lead.size);
    if (comma == NULL) return lead;
    const uint8_t *begin = lead.data;
    return sop_slice_of(comma + 1, lead.size - (size_t)(comma + 1 - begin));
}

/* How far a path leads into a text. */
typedef struct {
    sop_json_value parent; /* the last container entered */
    sop_json_value value;  /* what the path leads to so far */
    size_t steps;          /* taken; the next one leads nowhere, unless it is all of them */
    sop_json__items last;  /* the last item of the container where the path ended */
    uint64_t count;        /* its items */
} spot;

static int item_matches(const spot *s, const sop_json__items *items, const sop_json_step *step)
{
    if (items->key.size != 0) {
        return step->kind != SOP_JSON_STEP_INDEX && sop_json_string_equal(items->key, step->name);
    }
    return step->kind != SOP_JSON_STEP_NAME && s->count == step->index;
}

/* Takes one step. SOP_OK, SOP_NOT_FOUND with last and count of the container, SOP_CORRUPT. */
static sop_status take_step(spot *s, const sop_json_step *step)
{
    sop_json__items items;
    sop_json__items_init(&items, &s->value);
    s->count = 0;
    sop_status status;
    while ((status = sop_json__items_next(&items)) == SOP_OK) {
        if (item_matches(s, &items, step)) {
            s->parent = s->value;
            s->value = items.value;
            s->steps++;
            return SOP_OK;
        }
        s->count++;
    }
    s->last = items;
    return status;
}

static sop_status locate(sop_slice text, const sop_json_path *path, spot *s, sop_error *err)
{
    *s = (spot){.steps = 0};
    sop_status status = sop_json_read(text, &s->value);
    for (size_t i = 0; i < path->count && status == SOP_OK; i++) {
        if (path->steps[i].kind == SOP_JSON_STEP_EACH) {
            return sop_fail(err, SOP_INVALID, "JSON path, step %zu of %zu: means many values",
                            i + 1, path->count);
        }
        status = take_step(s, &path->steps[i]);
    }
    if (status == SOP_CORRUPT) sop_fail(err, status, "JSON text of %zu bytes: not JSON", text.size);
    return status;
}

/* A step for a message: one line, short. */
static void describe(const sop_json_step *step, char text[48])
{
    if (step->kind == SOP_JSON_STEP_INDEX) {
        (void)snprintf(text, 48, "[%llu]", (unsigned long long)step->index);
        return;
    }
    size_t size = step->name.size < 40 ? step->name.size : 40;
    text[0] = '"';
    for (size_t i = 0; i < size; i++) {
        uint8_t c = ((const uint8_t *)step->name.data)[i];
        text[i + 1] = (char)(c < 0x20 || c == 0x7f ? '?' : c);
    }
    text[size + 1] = '"';
    text[size + 2] = '\0';
}

static sop_status fail_at(
    const spot *s, const sop_json_path *path, sop_status status, const char *why, sop_error *err)
{
    char text[48];
    if (s->steps >= path->count) {
        return sop_fail(err, status, "JSON path of %zu steps: %s", path->count, why);
    }
    describe(&path->steps[s->steps], text);
    return sop_fail(err, status, "JSON path, step %zu of %zu, %s: %s", s->steps + 1, path->count,
                    text, why);
}

static void write_slice(sop_json_writer *writer, sop_slice bytes)
{
    sop_json__write_bytes(writer, bytes.data, bytes.size);
}

/* The bytes of the text before from and from `to` on, around what the caller writes in between. */
static void write_before(sop_json_writer *writer, sop_slice text, const uint8_t *from)
{
    const uint8_t *begin = text.data;
    sop_json__write_bytes(writer, begin, (size_t)(from - begin));
}

static void write_after(sop_json_writer *writer, sop_slice text, const uint8_t *to)
{
    const uint8_t *begin = text.data;
    sop_json__write_bytes(writer, to, text.size - (size_t)(to - begin));
}

/* The value inside the objects that the steps from first on ask for. */
static void
write_nested(sop_json_writer *writer, const sop_json_path *path, size_t first, sop_slice value)
{
    for (size_t i = first; i < path->count; i++) {
        sop_json__write_bytes(writer, "{", 1);
        sop_json__write_quoted(writer, path->steps[i].name);
        sop_json__write_bytes(writer, ":", 1);
    }
    write_slice(writer, value);
    for (size_t i = first; i < path->count; i++) {
        sop_json__write_bytes(writer, "}", 1);
    }
}

/* Whether the step that led nowhere may become a new last item. */
static sop_status may_add(const spot *s, const sop_json_path *path, int flags, sop_error *err)
{
    const sop_json_step *step = &path->steps[s->steps];
    int last = s->steps + 1 == path->count;
    if (s->value.type == SOP_JSON_OBJECT) {
        if (step->kind == SOP_JSON_STEP_INDEX) {
            return fail_at(s, path, SOP_INVALID, "not an array", err);
        }
    } else if (s->value.type == SOP_JSON_ARRAY) {
        if (step->kind == SOP_JSON_STEP_NAME) {
            return fail_at(s, path, SOP_INVALID, "not an object", err);
        }
        if (step->index != s->count && step->index != UINT64_MAX) {
            return fail_at(s, path, SOP_NOT_FOUND, "beyond the end of the array", err);
        }
    } else {
        return fail_at(s, path, SOP_INVALID, "neither in an object nor in an array", err);
    }
    if (last) return SOP_OK;
    if (!(flags & SOP_JSON_CREATE_PARENTS)) {
        return fail_at(s, path, SOP_NOT_FOUND, "does not exist", err);
    }
    for (size_t i = s->steps + 1; i < path->count; i++) {
        if (path->steps[i].kind == SOP_JSON_STEP_INDEX) {
            return fail_at(s, path, SOP_NOT_FOUND, "does not exist, and arrays are not created",
                           err);
        }
    }
    return SOP_OK;
}

static void add(const spot *s,
                sop_slice text,
                const sop_json_path *path,
                sop_slice value,
                sop_json_writer *writer)
{
    write_before(writer, text, s->last.after);
    if (s->count != 0) {
        sop_json__write_bytes(writer, ",", 1);
        write_slice(writer, sop_json__layout(s->last.lead));
    }
    if (s->value.type == SOP_JSON_OBJECT) {
        sop_json__write_quoted(writer, path->steps[s->steps].name);
        if (s->count == 0) {
            sop_json__write_bytes(writer, ":", 1);
        } else {
            write_slice(writer, s->last.colon);
        }
    }
    write_nested(writer, path, s->steps + 1, value);
    write_after(writer, text, s->last.after);
}

sop_status sop_json_set(sop_slice text,
                        const sop_json_path *path,
                        sop_slice value,
                        int flags,
                        sop_json_writer *writer,
                        sop_error *err)
{
    spot s;
    sop_status status = locate(text, path, &s, err);
    if (status == SOP_NOT_FOUND) status = may_add(&s, path, flags, err);
    if (status != SOP_OK) return status;
    sop_json__mark mark;
    if (!sop_json__write_begin(writer, &mark)) {
        return fail_at(&s, path, writer->status, "no value may come here", err);
    }
    if (s.steps != path->count) {
        add(&s, text, path, value, writer);
    } else {
        const uint8_t *old = s.value.raw.data;
        write_before(writer, text, old);
        write_slice(writer, value);
        write_after(writer, text, old + s.value.raw.size);
    }
    return sop_json__write_finish(writer, &mark, status, err);
}

/* The items of the container but those of the step; the first one left takes the layout of the
 * first one. */
static sop_status
write_others(const sop_json_value *container, const sop_json_step *step, sop_json_writer *writer)
{
    spot s = {.steps = 0};
    sop_json__items items;
    sop_json__items_init(&items, container);
    sop_slice first_lead = {NULL, 0};
    int written = 0;
    sop_status status;
    for (; (status = sop_json__items_next(&items)) == SOP_OK; s.count++) {
        if (s.count == 0) first_lead = items.lead;
        if (item_matches(&s, &items, step)) continue;
        write_slice(writer, written ? items.lead : first_lead);
        const uint8_t *begin = (const uint8_t *)items.lead.data + items.lead.size;
        sop_json__write_bytes(writer, begin, (size_t)(items.after - begin));
        written = 1;
    }
    sop_json__write_bytes(writer, items.after, (size_t)(items.iter.end - items.after));
    return status == SOP_NOT_FOUND ? SOP_OK : status;
}

sop_status
sop_json_unset(sop_slice text, const sop_json_path *path, sop_json_writer *writer, sop_error *err)
{
    spot s;
    if (path->count == 0) {
        return sop_fail(err, SOP_INVALID,
                        "JSON path of 0 steps: the whole text cannot be taken out");
    }
    sop_status status = locate(text, path, &s, err);
    if (status == SOP_NOT_FOUND) return fail_at(&s, path, SOP_NOT_FOUND, "does not exist", err);
    if (status != SOP_OK) return status;
    sop_json__mark mark;
    if (!sop_json__write_begin(writer, &mark)) {
        return fail_at(&s, path, writer->status, "no value may come here", err);
    }
    const uint8_t *begin = s.parent.raw.data;
    write_before(writer, text, begin + 1);
    status = write_others(&s.parent, &path->steps[path->count - 1], writer);
    if (status != SOP_OK) sop_fail(err, status, "JSON text of %zu bytes: not JSON", text.size);
    write_after(writer, text, begin + s.parent.raw.size - 1);
    return sop_json__write_finish(writer, &mark, status, err);
}
