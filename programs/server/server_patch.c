/* SPDX-License-Identifier: MIT */
/* Patches: fields set and unset in a JSON value, merged with what others changed meanwhile. */
#include <string.h>

#include "server/server_commit.h"
#include "util/bytes.h"
#include "util/error.h"

/* One field to set or to unset. */
typedef struct {
    sop_json_path *path;
    sop_slice pointer; /* as in the request, with quotes */
    int has_was;
    sop_slice was;
    int sets;
    sop_slice v;
} edit;

typedef struct {
    server_commit *c;
    size_t op;
    sop_json_writer text; /* the value after the edits so far */
    sop_json_writer clashes;
    size_t clash_count;
    int checks; /* 1: others changed the value: look at every field */
} patch;

static server_op *op_of(const patch *p)
{
    return &p->c->ops[p->op];
}

/* 1 when read. Problems are noted. */
static int edit_read(patch *p, const sop_json_value *wire, int sets, edit *out)
{
    sop_json_value value;
    sop_slice pointer;
    sop_error err = {0};
    *out = (edit){.sets = sets};
    if (server_member(wire, "path", &value) != SOP_OK ||
        server_text_read(&value, &p->c->arena, &pointer) != SOP_OK) {
        server_commit_problem(p->c, p->op, "", "an edit of a field needs a path");
        return 0;
    }
    out->pointer = value.raw;
    if (server_member(wire, "was", &value) == SOP_OK) {
        out->has_was = 1;
        if (server_field_read(&value, &out->was, &err) != SOP_OK) {
            server_commit_problem(p->c, p->op, pointer.data, err.message);
            return 0;
        }
    }
    if (sets && server_member(wire, "v", &value) != SOP_OK) {
        server_commit_problem(p->c, p->op, pointer.data, "a field that is set needs v");
        return 0;
    }
    if (sets && server_field_read(&value, &out->v, &err) != SOP_OK) {
        server_commit_problem(p->c, p->op, pointer.data, err.message);
        return 0;
    }
    if (sop_json_path_new(pointer, &out->path, &err) != SOP_OK) {
        server_commit_problem(p->c, p->op, pointer.data, err.message);
        return 0;
    }
    return 1;
}

/* 1 if an object on the way has two members of the name that the path takes. */
static int path_is_double(sop_slice text, const sop_json_path *path)
{
    sop_json_value at;
    if (sop_json_read(text, &at) != SOP_OK) return 0;
    for (size_t i = 0; i < path->count; i++) {
        sop_json_path head = {path->steps, i + 1};
        sop_json_iter iter;
        sop_slice name;
        sop_json_value member;
        size_t same = 0;
        sop_json_iter_init(&iter, &at);
        while (at.type == SOP_JSON_OBJECT && sop_json_next(&iter, &name, &member) == SOP_OK) {
            same += (size_t)sop_json_string_equal(name, path->steps[i].name);
        }
        if (same > 1) return 1;
        if (sop_json_pick(text, &head, &at) != SOP_OK) return 0;
    }
    return 0;
}

/* Whether the field is as the client saw it: 1 yes, 0 somebody changed it, 2 it is as wanted already. */
static int field_state(const patch *p, const edit *e)
{
    sop_json_value now;
    int there = sop_json_pick(op_of(p)->before, e->path, &now) == SOP_OK;
    if (there && e->has_was && server_json_equal(now.raw, e->was)) return 1;
    if (!there && !e->has_was) return e->sets ? 1 : 2;
    if (!there) return e->sets ? 0 : 2;
    return e->sets && server_json_equal(now.raw, e->v) ? 2 : 0;
}

static void clash_note(patch *p, const edit *e)
{
    if (p->clash_count++ == 0) sop_json_array_begin(&p->clashes);
    sop_json_raw(&p->clashes, e->pointer);
}

/* The edit on the text so far. */
static sop_status edit_apply(patch *p, const edit *e, sop_slice *text, sop_error *err)
{
    sop_json_writer next;
    sop_slice made;
    sop_json_writer_init(&next, 0);
    sop_status status = e->sets ? sop_json_set(*text, e->path, e->v, 0, &next, err)
                                : sop_json_unset(*text, e->path, &next, err);
    if (status == SOP_NOT_FOUND && !e->sets) {
        status = SOP_OK; /* it is gone already */
    } else if (status == SOP_OK) {
        status = sop_json_writer_end(&next, &made);
        if (status == SOP_OK) {
            *text = sop_slice_of(sop_arena_copy(&p->c->arena, made.data, made.size), made.size);
            if (text->data == NULL) status = SOP_NO_MEMORY;
        }
    }
    sop_json_writer_deinit(&next);
    return status;
}

static sop_status edit_do(patch *p, const edit *e, sop_slice *text, sop_error *err)
{
    if (path_is_double(*text, e->path)) {
        server_commit_problem(p->c, p->op, "", "an object on the path has this name twice");
        return SOP_OK;
    }
    if (p->checks) {
        int state = field_state(p, e);
        if (state == 0) clash_note(p, e);
        if (state != 1) return SOP_OK;
    }
    sop_status status = edit_apply(p, e, text, err);
    if (status == SOP_NOT_FOUND || status == SOP_INVALID) {
        server_commit_problem(p->c, p->op, "", "the path leads nowhere: its parents must exist");
        return SOP_OK;
    }
    return status;
}

static sop_status
list_apply(patch *p, const sop_json_value *list, int sets, sop_slice *text, sop_error *err)
{
    sop_json_iter iter;
    sop_slice label;
    sop_json_value wire;
    edit e;
    sop_status status = SOP_OK;
    if (list->type != SOP_JSON_ARRAY) return SOP_OK;
    sop_json_iter_init(&iter, list);
    while (status == SOP_OK && sop_json_next(&iter, &label, &wire) == SOP_OK) {
        if (!edit_read(p, &wire, sets, &e)) continue;
        status = edit_do(p, &e, text, err);
        sop_json_path_free(e.path);
    }
    return status;
}

static sop_status clashes_keep(patch *p)
{
    sop_slice list;
    server_op *op = op_of(p);
    sop_json_array_end(&p->clashes);
    sop_status status = sop_json_writer_end(&p->clashes, &list);
    if (status != SOP_OK) return status;
    op->clash = CLASH_CHANGED;
    op->clash_paths = sop_slice_of(sop_arena_copy(&p->c->arena, list.data, list.size), list.size);
    return op->clash_paths.data == NULL ? SOP_NO_MEMORY : SOP_OK;
}

sop_status server_patch_apply(server_commit *c, size_t at, sop_error *err)
{
    server_op *op = &c->ops[at];
    patch p = {.c = c, .op = at};
    if (!op->was_there) {
        op->clash = CLASH_DELETED;
        return SOP_OK;
    }
    p.checks = server_version(op->before) != op->base;
    if (p.checks && c->strict) {
        op->clash = CLASH_CHANGED;
        return SOP_OK;
    }
    sop_json_value value;
    if (server_value_kind(op->before) > SERVER_IS_JSON ||
        sop_json_read(op->before, &value) != SOP_OK ||
        (value.type != SOP_JSON_OBJECT && value.type != SOP_JSON_ARRAY)) {
        server_commit_problem(c, at, "", "only a JSON object or array has fields");
        return SOP_OK;
    }
    sop_slice text = op->before;
    sop_json_writer_init(&p.clashes, 0);
    sop_status status = list_apply(&p, &op->set, 1, &text, err);
    if (status == SOP_OK) status = list_apply(&p, &op->unset, 0, &text, err);
    if (status == SOP_OK && p.clash_count > 0) status = clashes_keep(&p);
    sop_json_writer_deinit(&p.clashes);
    op->is_there = 1;
    op->after = text;
    op->merged = p.checks;
    return status;
}
