/* SPDX-License-Identifier: MIT */
/* The shape of a store: the fields met in a sample that is spread evenly by rank. */
#include <string.h>

#include "server/server_private.h"
#include "util/bytes.h"
#include "util/error.h"

enum {
    SAMPLE_DEFAULT = 200,
    SAMPLE_MAX = 2000,
    FIELDS_MAX = 1000,
    EXAMPLES_MAX = 12,
    EXAMPLE_BYTES = 80,
    TYPES = 6
};

static const char *const TYPE_NAMES[TYPES] = {"null",   "boolean", "number",
                                              "string", "array",   "object"};

typedef struct {
    sop_slice text; /* raw, with quotes */
    uint64_t count;
} example;

typedef struct {
    sop_slice name; /* raw, with quotes */
    uint64_t count;
    uint64_t types[TYPES];
    example examples[EXAMPLES_MAX];
    size_t example_count;
    int many; /* more different strings than there is room for */
} field;

typedef struct {
    server_request *r;
    field *fields;
    size_t field_count;
    uint64_t sampled;
    uint64_t kinds[4]; /* by server_kind */
} shape;

static size_t type_of(sop_json_type type)
{
    switch (type) {
    case SOP_JSON_FALSE:
    case SOP_JSON_TRUE:
        return 1;
    case SOP_JSON_NUMBER:
        return 2;
    case SOP_JSON_STRING:
        return 3;
    case SOP_JSON_ARRAY:
        return 4;
    case SOP_JSON_OBJECT:
        return 5;
    case SOP_JSON_NULL:
    default:
        return 0;
    }
}

static field *field_find(shape *s, sop_slice name)
{
    for (size_t i = 0; i < s->field_count; i++) {
        if (sop_slice_equal(s->fields[i].name, name)) return &s->fields[i];
    }
    if (s->field_count == FIELDS_MAX) return NULL;
    const void *copy = sop_arena_copy(&s->r->arena, name.data, name.size);
    if (copy == NULL) return NULL;
    field *f = &s->fields[s->field_count++];
    *f = (field){.name = sop_slice_of(copy, name.size)};
    return f;
}

static void example_count(shape *s, field *f, sop_slice text)
{
    for (size_t i = 0; i < f->example_count; i++) {
        if (sop_slice_equal(f->examples[i].text, text)) {
            f->examples[i].count++;
            return;
        }
    }
    if (f->example_count == EXAMPLES_MAX || text.size > EXAMPLE_BYTES) {
        f->many = 1;
        return;
    }
    const void *copy = sop_arena_copy(&s->r->arena, text.data, text.size);
    if (copy == NULL) return;
    f->examples[f->example_count++] = (example){sop_slice_of(copy, text.size), 1};
}

static void value_count(shape *s, sop_slice bytes)
{
    sop_json_value value;
    sop_json_iter iter;
    sop_slice name;
    sop_json_value member;
    server_kind kind = server_value_kind(bytes);
    s->sampled++;
    s->kinds[kind]++;
    if (kind != SERVER_IS_OBJECT || sop_json_read(bytes, &value) != SOP_OK) return;
    sop_json_iter_init(&iter, &value);
    while (sop_json_next(&iter, &name, &member) == SOP_OK) {
        field *f = field_find(s, name);
        if (f == NULL) continue;
        f->count++;
        f->types[type_of(member.type)]++;
        if (member.type == SOP_JSON_STRING) example_count(s, f, member.raw);
    }
}

static sop_status sample(shape *s, sop_store *store, uint64_t wanted)
{
    sop_cursor *cursor;
    uint64_t count;
    sop_slice value;
    sop_status status = sop_store_count(store, &count);
    if (status == SOP_OK) status = sop_cursor_open(store, &cursor);
    if (status != SOP_OK) return status;
    if (wanted > count) wanted = count;
    for (uint64_t i = 0; i < wanted && status == SOP_OK; i++) {
        uint64_t rank =
            count <= UINT64_MAX / SAMPLE_MAX ? i * count / wanted : i * (count / wanted);
        status = sop_cursor_seek_rank(cursor, rank);
        if (status == SOP_OK) status = sop_cursor_value(cursor, &value);
        if (status == SOP_TOO_LARGE) {
            s->kinds[SERVER_IS_BYTES]++;
            s->sampled++;
            status = SOP_OK;
        } else if (status == SOP_OK) {
            value_count(s, value);
        }
    }
    sop_cursor_close(cursor);
    return status;
}

static void examples_write(sop_json_writer *out, field *f)
{
    sop_json_key(out, sop_str("examples"));
    sop_json_array_begin(out);
    for (size_t written = 0; written < f->example_count; written++) {
        size_t most = 0;
        for (size_t i = 1; i < f->example_count; i++) {
            if (f->examples[i].count > f->examples[most].count) most = i;
        }
        sop_json_raw(out, f->examples[most].text);
        f->examples[most].count = 0;
    }
    sop_json_array_end(out);
}

static void field_write(sop_json_writer *out, field *f)
{
    sop_json_object_begin(out);
    sop_json_key(out, sop_str("name"));
    sop_json_raw(out, f->name);
    sop_json_key(out, sop_str("count"));
    sop_json_uint(out, f->count);
    sop_json_key(out, sop_str("types"));
    sop_json_object_begin(out);
    for (size_t i = 0; i < TYPES; i++) {
        if (f->types[i] == 0) continue;
        sop_json_key(out, sop_str(TYPE_NAMES[i]));
        sop_json_uint(out, f->types[i]);
    }
    sop_json_object_end(out);
    if (!f->many && f->example_count > 0) examples_write(out, f);
    sop_json_object_end(out);
}

static void shape_write(shape *s)
{
    static const char *const kinds[] = {"json_object", "json_other", "text", "bytes"};
    sop_json_writer *out = &s->r->out;
    sop_json_object_begin(out);
    sop_json_key(out, sop_str("sampled"));
    sop_json_uint(out, s->sampled);
    sop_json_key(out, sop_str("fields"));
    sop_json_array_begin(out);
    for (size_t i = 0; i < s->field_count; i++) {
        field_write(out, &s->fields[i]);
    }
    sop_json_array_end(out);
    sop_json_key(out, sop_str("values"));
    sop_json_object_begin(out);
    for (size_t i = 0; i < 4; i++) {
        sop_json_key(out, sop_str(kinds[i]));
        sop_json_uint(out, s->kinds[i]);
    }
    sop_json_object_end(out);
    sop_json_object_end(out);
}

int server_shape_get(server_request *r)
{
    shape s = {.r = r};
    uint64_t wanted = SAMPLE_DEFAULT;
    const sop_slice *given = server_uri_param(&r->uri, "sample");
    sop_txn *txn;
    sop_store *store;
    sop_store_info info;
    if (given != NULL &&
        (server_uint_read(*given, &wanted) != 0 || wanted == 0 || wanted > SAMPLE_MAX)) {
        return server_bad(r, "sample", "sample is 1 to %d", SAMPLE_MAX);
    }
    s.fields = sop_arena_alloc(&r->arena, FIELDS_MAX * sizeof *s.fields);
    if (s.fields == NULL) return server_fail(r, SOP_NO_MEMORY, NULL);
    int refused = server_store_enter(r, r->names[2], &txn, &store, &info);
    if (refused != 0) return refused;
    sop_status status = sample(&s, store, wanted);
    if (status == SOP_OK) {
        shape_write(&s);
    } else {
        r->err = *sop_txn_error(txn);
    }
    sop_txn_close(txn);
    return status == SOP_OK ? 200 : server_fail(r, status, &r->err);
}
