/* SPDX-License-Identifier: MIT */
/* Commits: many operations, one transaction, every condition checked inside it. */
#include "server/server_commit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/server_documents.h"
#include "util/bytes.h"
#include "util/checksum.h"
#include "util/error.h"
#include "util/memory.h"

enum { OPS_MAX = 100000, MESSAGE_MAX = 2000, ATTEMPTS_MAX = 200 };

static const char *const KINDS[] = {"put", "patch", "insert", "delete"};
static const char *const CLASHES[] = {"", "changed", "deleted", "exists"};

void server_commit_problem(server_commit *c, size_t op, const char *path, const char *message)
{
    sop_json_writer *out = &c->problems;
    if (c->problem_count++ == 0) {
        sop_json_array_begin(out);
        (void)snprintf(c->first_problem, sizeof c->first_problem, "operation %zu: %s", op + 1,
                       message);
    }
    if (c->problem_count > SERVER_PROBLEMS_MAX) return;
    sop_json_object_begin(out);
    sop_json_key(out, sop_str("op"));
    sop_json_uint(out, op);
    sop_json_key(out, sop_str("path"));
    sop_json_string(out, sop_str(path));
    sop_json_key(out, sop_str("message"));
    sop_json_string(out, server_is_utf8(sop_str(message)) ? sop_str(message) : sop_str("refused"));
    sop_json_object_end(out);
}

/* ---- reading the request ---- */

static sop_status store_index(server_commit *c, server_op *op, sop_error *err)
{
    for (size_t i = 0; i < c->store_count; i++) {
        if (sop_slice_equal(c->stores[i].name, op->store)) {
            op->store_at = i;
            return SOP_OK;
        }
    }
    if (c->store_count == SERVER_COMMIT_STORES_MAX) {
        return sop_fail(err, SOP_TOO_LARGE, "commit: more than %d stores",
                        SERVER_COMMIT_STORES_MAX);
    }
    op->store_at = c->store_count;
    c->stores[c->store_count++].name = op->store;
    return SOP_OK;
}

static int kind_read(sop_slice name, server_op_kind *out)
{
    for (int i = 0; i < 4; i++) {
        if (server_equal(name, KINDS[i])) {
            *out = (server_op_kind)i;
            return 1;
        }
    }
    return 0;
}

static void base_read(server_commit *c, const sop_json_value *wire, size_t at, server_op *op)
{
    sop_json_value base;
    sop_slice text;
    if (server_member(wire, "base", &base) != SOP_OK) return;
    op->has_base = 1;
    if (base.type == SOP_JSON_NULL) {
        op->base_missing = 1;
    } else if (server_text_read(&base, &c->r->arena, &text) != SOP_OK ||
               server_hex64_read(text, &op->base) != 0) {
        server_commit_problem(c, at, "/base", "base is a version: 16 lower-case hex digits");
    }
}

static void body_read(server_commit *c, const sop_json_value *wire, size_t at, server_op *op)
{
    sop_json_value v;
    sop_error err = {0};
    if (op->kind == OP_PUT || op->kind == OP_INSERT) {
        if (server_member(wire, "v", &v) != SOP_OK) {
            server_commit_problem(c, at, "/v", "put and insert need v");
        } else if (server_value_read(&v, &c->r->arena, &op->v, &err) != SOP_OK) {
            server_commit_problem(c, at, "/v", err.message);
        }
        return;
    }
    if (op->kind != OP_PATCH) return;
    if (server_member(wire, "set", &op->set) != SOP_OK) op->set.type = SOP_JSON_NULL;
    if (server_member(wire, "unset", &op->unset) != SOP_OK) op->unset.type = SOP_JSON_NULL;
    if (!op->has_base || op->base_missing) {
        server_commit_problem(c, at, "/base", "a patch needs the version it was made on");
    }
    if (op->set.type != SOP_JSON_ARRAY && op->unset.type != SOP_JSON_ARRAY) {
        server_commit_problem(c, at, "", "a patch needs set or unset");
    }
}

static sop_status op_read(server_commit *c, const sop_json_value *wire, size_t at, sop_error *err)
{
    server_op *op = &c->ops[at];
    sop_slice kind;
    sop_json_value key;
    if (server_member_text(wire, "op", &c->r->arena, &kind) != SOP_OK ||
        !kind_read(kind, &op->kind)) {
        server_commit_problem(c, at, "/op", "op is put, patch, insert or delete");
        return SOP_OK;
    }
    if (server_member_text(wire, "store", &c->r->arena, &op->store) != SOP_OK ||
        op->store.size == 0 || op->store.size > SOP_STORE_NAME_SIZE_MAX ||
        !server_is_plain(op->store)) {
        server_commit_problem(c, at, "/store", "store is the name of a store");
        return SOP_OK;
    }
    if (server_member(wire, "k", &key) != SOP_OK) {
        server_commit_problem(c, at, "/k", "the key is missing");
        return SOP_OK;
    }
    sop_status status = server_key_read(&key, &c->r->arena, &op->key, err);
    if (status == SOP_INVALID) {
        server_commit_problem(c, at, "/k", err->message);
        return SOP_OK;
    }
    if (status != SOP_OK) return status;
    base_read(c, wire, at, op);
    body_read(c, wire, at, op);
    return store_index(c, op, err);
}

static int compare_ops(const void *a, const void *b)
{
    const server_op *x = *(server_op *const *)a;
    const server_op *y = *(server_op *const *)b;
    if (x->store_at != y->store_at) return x->store_at < y->store_at ? -1 : 1;
    int order = sop_slice_compare(x->key, y->key);
    return order != 0 ? order : (x > y) - (x < y);
}

static sop_status doubles_check(server_commit *c, sop_error *err)
{
    server_op **sorted = sop_arena_alloc(&c->r->arena, c->op_count * sizeof(server_op *));
    if (sorted == NULL) return sop_fail(err, SOP_NO_MEMORY, "commit: out of memory");
    for (size_t i = 0; i < c->op_count; i++) {
        sorted[i] = &c->ops[i];
    }
    qsort(sorted, c->op_count, sizeof sorted[0], compare_ops);
    for (size_t i = 1; i < c->op_count; i++) {
        if (sorted[i - 1]->store_at == sorted[i]->store_at &&
            sop_slice_equal(sorted[i - 1]->key, sorted[i]->key)) {
            server_commit_problem(c, (size_t)(sorted[i] - c->ops), "/k",
                                  "this key has another operation in the same commit");
        }
    }
    return SOP_OK;
}

static sop_status ops_read(server_commit *c, const sop_json_value *list, sop_error *err)
{
    sop_json_iter iter;
    sop_slice label;
    sop_json_value wire;
    size_t count = 0;
    sop_json_iter_init(&iter, list);
    while (sop_json_next(&iter, &label, &wire) == SOP_OK) {
        count++;
    }
    if (count == 0) return sop_fail(err, SOP_INVALID, "ops: there is none");
    if (count > OPS_MAX) return sop_fail(err, SOP_TOO_LARGE, "ops: more than %d", OPS_MAX);
    c->ops = sop_alloc_array(count, sizeof *c->ops);
    if (c->ops == NULL) return sop_fail(err, SOP_NO_MEMORY, "commit: out of memory");
    memset(c->ops, 0, count * sizeof *c->ops);
    c->op_count = count;
    sop_status status = SOP_OK;
    sop_json_iter_init(&iter, list);
    for (size_t i = 0; i < count && status == SOP_OK; i++) {
        status = sop_json_next(&iter, &label, &wire);
        if (status == SOP_OK) status = op_read(c, &wire, i, err);
    }
    return status;
}

static int is_id(sop_slice id)
{
    const char *at = id.data;
    if (id.size < 8 || id.size > 64) return 0;
    for (size_t i = 0; i < id.size; i++) {
        char x = at[i];
        int good = (x >= '0' && x <= '9') || (x >= 'A' && x <= 'Z') || (x >= 'a' && x <= 'z') ||
                   x == '_' || x == '-';
        if (!good) return 0;
    }
    return 1;
}

/* 0, or the status of the answer. */
static int commit_read(server_commit *c)
{
    server_request *r = c->r;
    sop_json_value value;
    sop_slice merge = {"fields", 6};
    if (r->json.type != SOP_JSON_OBJECT ||
        server_member_text(&r->json, "id", &r->arena, &c->id) != SOP_OK || !is_id(c->id)) {
        return server_bad(r, "/id", "id is 8 to 64 letters, digits, - and _");
    }
    sop_ignore(server_member_text(&r->json, "message", &r->arena, &c->message)); /* optional */
    sop_ignore(server_member_text(&r->json, "undoes", &r->arena, &c->undoes));
    sop_ignore(server_member_text(&r->json, "merge", &r->arena, &merge));
    c->strict = server_equal(merge, "strict");
    if (!c->strict && !server_equal(merge, "fields")) {
        return server_bad(r, "/merge", "merge is fields or strict");
    }
    if (c->message.size > MESSAGE_MAX || (c->undoes.size != 0 && !is_id(c->undoes))) {
        return server_bad(r, "/message", "message has at most 2000 bytes; undoes is an id");
    }
    c->dry_run =
        server_member(&r->json, "dry_run", &value) == SOP_OK && value.type == SOP_JSON_TRUE;
    if (server_member(&r->json, "ops", &value) != SOP_OK || value.type != SOP_JSON_ARRAY) {
        return server_bad(r, "/ops", "ops is an array of operations");
    }
    c->digest = sop_checksum64(value.raw.data, value.raw.size, 0);
    sop_status status = ops_read(c, &value, &r->err);
    return status == SOP_OK ? 0 : server_fail(r, status, &r->err);
}

/* ---- inside the transaction ---- */

static sop_status stores_open(server_commit *c, sop_txn *txn, sop_error *err)
{
    for (size_t i = 0; i < c->store_count; i++) {
        server_commit_store *s = &c->stores[i];
        sop_store_info info = SOP_STORE_INFO_INIT;
        sop_status status = sop_store_open(txn, s->name.data, &s->store);
        if (status == SOP_NOT_FOUND) {
            return sop_fail(err, SOP_NOT_FOUND, "there is no store \"%.100s\"",
                            (const char *)s->name.data);
        }
        /* The count is of no interest here: reading it must not make a conflict. */
        sop_txn_track(txn, 0);
        if (status == SOP_OK) status = sop_store_info_get(s->store, &info);
        sop_txn_track(txn, 1);
        s->documents = NULL;
        if (status == SOP_OK && info.kind == SOP_STORE_DOCUMENTS) {
            status = sop_documents_open(txn, s->name.data, &s->documents);
            if (status == SOP_OK) s->store = sop_documents_store(s->documents);
        }
        if (status != SOP_OK) return status;
        server_store_traits_read(&info, &s->traits);
        if (s->traits.system) {
            return sop_fail(err, SOP_READ_ONLY, "store \"%.100s\" belongs to the system",
                            (const char *)s->name.data);
        }
        if (s->traits.duplicates) {
            return sop_fail(err, SOP_UNSUPPORTED,
                            "store \"%.100s\" allows duplicates: it cannot be edited here",
                            (const char *)s->name.data);
        }
    }
    return SOP_OK;
}

/* A whole item written or removed: conditions on its version. */
static server_clash whole_check(const server_op *op)
{
    if (op->kind == OP_INSERT) return op->was_there ? CLASH_EXISTS : CLASH_NONE;
    if (!op->has_base) return CLASH_NONE;
    if (op->base_missing) return op->was_there ? CLASH_EXISTS : CLASH_NONE;
    if (!op->was_there) return CLASH_DELETED;
    return server_version(op->before) == op->base ? CLASH_NONE : CLASH_CHANGED;
}

static sop_status op_check(server_commit *c, size_t at, sop_error *err)
{
    server_op *op = &c->ops[at];
    sop_slice value;
    op->clash = CLASH_NONE;
    op->clash_paths = (sop_slice){0};
    op->merged = 0;
    op->before = (sop_slice){0};
    op->after = op->v;
    op->is_there = op->kind != OP_DELETE;
    sop_status status = sop_store_get(c->stores[op->store_at].store, op->key, &value);
    if (status != SOP_OK && status != SOP_NOT_FOUND) return status;
    op->was_there = status == SOP_OK;
    if (op->was_there) {
        op->before = sop_slice_of(sop_arena_copy(&c->arena, value.data, value.size), value.size);
        if (op->before.data == NULL) return sop_fail(err, SOP_NO_MEMORY, "commit: out of memory");
    }
    if (op->kind == OP_PATCH) {
        status = server_patch_apply(c, at, err);
        if (status != SOP_OK) return status;
    } else {
        op->clash = whole_check(op);
    }
    if (op->clash != CLASH_NONE) c->clash_count++;
    return SOP_OK;
}

static sop_status op_put_or_remove(server_commit *c, const server_op *op)
{
    sop_store *store = c->stores[op->store_at].store;
    sop_documents *documents = c->stores[op->store_at].documents;
    if (documents != NULL && op->is_there) {
        return server_documents_put(documents, op->key, op->after, &c->arena);
    }
    if (documents != NULL && op->was_there) {
        return server_documents_remove(documents, op->key, &c->arena);
    }
    if (op->is_there) return sop_store_put(store, op->key, op->after);
    if (!op->was_there) return SOP_OK;
    return sop_store_remove(store, op->key);
}

/* What a document store refuses (its rules, its unique indexes, its key) is a problem of the operation. */
static sop_status op_write(server_commit *c, sop_txn *txn, size_t at)
{
    const server_op *op = &c->ops[at];
    sop_status status = op_put_or_remove(c, op);
    int refused = status == SOP_INVALID || status == SOP_EXISTS || status == SOP_CORRUPT;
    if (!refused || c->stores[op->store_at].documents == NULL) return status;
    const char *why = sop_txn_error(txn)->message;
    server_commit_problem(c, at, "", why[0] == '\0' ? "the store refuses this document" : why);
    return SOP_OK;
}

/* ---- answers ---- */

static void op_name_write(const server_commit *c, const server_op *op, sop_json_writer *out)
{
    sop_json_key(out, sop_str("store"));
    sop_json_string(out, op->store);
    sop_json_key(out, sop_str("k"));
    server_key_write(out, c->stores[op->store_at].traits.form, op->key);
}

static void version_write(sop_json_writer *out, const char *name, int there, sop_slice value)
{
    char text[16];
    sop_json_key(out, sop_str(name));
    if (!there) {
        sop_json_null(out);
        return;
    }
    server_hex64_write(server_version(value), text);
    sop_json_string(out, sop_slice_of(text, sizeof text));
}

static void conflict_write(server_commit *c, sop_store *history, size_t at)
{
    sop_json_writer *out = &c->r->out;
    const server_op *op = &c->ops[at];
    sop_json_object_begin(out);
    sop_json_key(out, sop_str("op"));
    sop_json_uint(out, at);
    op_name_write(c, op, out);
    sop_json_key(out, sop_str("kind"));
    sop_json_string(out, sop_str(CLASHES[op->clash]));
    if (op->clash_paths.size != 0) {
        sop_json_key(out, sop_str("paths"));
        sop_json_raw(out, op->clash_paths);
    }
    if (op->was_there) {
        sop_json_key(out, sop_str("theirs"));
        server_value_write(out, op->before, UINT64_MAX);
    }
    version_write(out, "theirs_ver", op->was_there, op->before);
    if (history != NULL) server_history_by(c, history, op, out);
    sop_json_object_end(out);
}

static int conflicts_answer(server_commit *c, sop_store *history)
{
    int status = server_error(c->r, 409, "conflict", "%zu of %zu items were changed meanwhile",
                              c->clash_count, c->op_count);
    sop_json_writer *out = &c->r->out;
    size_t written = 0;
    /* The same error again, with the list behind it. */
    sop_json_writer_reset(out);
    sop_json_object_begin(out);
    sop_json_key(out, sop_str("error"));
    sop_json_object_begin(out);
    sop_json_key(out, sop_str("code"));
    sop_json_string(out, sop_str("conflict"));
    sop_json_key(out, sop_str("message"));
    sop_json_string(out, sop_str(c->clash_count == 1 ? "an item was changed meanwhile"
                                                     : "items were changed meanwhile"));
    sop_json_object_end(out);
    sop_json_key(out, sop_str("conflicts"));
    sop_json_array_begin(out);
    for (size_t i = 0; i < c->op_count && written < SERVER_CONFLICTS_MAX; i++) {
        if (c->ops[i].clash == CLASH_NONE) continue;
        conflict_write(c, history, i);
        written++;
    }
    sop_json_array_end(out);
    sop_json_object_end(out);
    return status;
}

static int problems_answer(server_commit *c)
{
    sop_json_writer *out = &c->r->out;
    sop_slice list;
    sop_json_array_end(&c->problems);
    if (sop_json_writer_end(&c->problems, &list) != SOP_OK) {
        return server_fail(c->r, SOP_NO_MEMORY, NULL);
    }
    sop_json_writer_reset(out);
    sop_json_object_begin(out);
    sop_json_key(out, sop_str("error"));
    sop_json_object_begin(out);
    sop_json_key(out, sop_str("code"));
    sop_json_string(out, sop_str("invalid_ops"));
    sop_json_key(out, sop_str("message"));
    sop_json_string(out, server_is_utf8(sop_str(c->first_problem)) ? sop_str(c->first_problem)
                                                                   : sop_str("not valid"));
    sop_json_object_end(out);
    sop_json_key(out, sop_str("problems"));
    sop_json_raw(out, list);
    sop_json_object_end(out);
    return 422;
}

static void result_items(server_commit *c, sop_json_writer *out)
{
    sop_json_key(out, sop_str("items"));
    sop_json_array_begin(out);
    for (size_t i = 0; i < c->op_count; i++) {
        const server_op *op = &c->ops[i];
        sop_json_object_begin(out);
        op_name_write(c, op, out);
        version_write(out, "ver", op->is_there, op->after);
        if (op->merged) {
            sop_json_key(out, sop_str("merged"));
            sop_json_bool(out, 1);
            sop_json_key(out, sop_str("v"));
            server_value_write(out, op->after, UINT64_MAX);
        }
        sop_json_object_end(out);
    }
    sop_json_array_end(out);
}

static int result_answer(server_commit *c, uint64_t seq)
{
    sop_json_writer *out = &c->r->out;
    sop_json_writer_reset(out);
    sop_json_object_begin(out);
    sop_json_key(out, sop_str("commit"));
    if (c->dry_run) {
        sop_json_null(out);
    } else {
        sop_json_object_begin(out);
        sop_json_key(out, sop_str("id"));
        sop_json_string(out, c->id);
        sop_json_key(out, sop_str("seq"));
        sop_json_uint(out, seq);
        sop_json_key(out, sop_str("time"));
        sop_json_uint(out, c->time_ms);
        sop_json_key(out, sop_str("author"));
        sop_json_string(out, sop_str(c->r->session.user));
        sop_json_key(out, sop_str("message"));
        sop_json_string(out, c->message);
        sop_json_key(out, sop_str("items"));
        sop_json_uint(out, c->op_count);
        sop_json_key(out, sop_str("stores"));
        sop_json_array_begin(out);
        for (size_t i = 0; i < c->store_count; i++) {
            sop_json_string(out, c->stores[i].name);
        }
        sop_json_array_end(out);
        if (c->undoes.size != 0) {
            sop_json_key(out, sop_str("undoes"));
            sop_json_string(out, c->undoes);
        }
        sop_json_object_end(out);
    }
    result_items(c, out);
    sop_json_object_end(out);
    return 200;
}

static sop_status repeated_item(const sop_json_value *record, void *context)
{
    sop_json_writer *out = context;
    static const char *const members[] = {"store", "k", "ver"};
    sop_json_value value;
    sop_json_object_begin(out);
    for (size_t i = 0; i < 3; i++) {
        sop_json_key(out, sop_str(members[i]));
        if (server_member(record, members[i], &value) == SOP_OK) {
            sop_json_raw(out, value.raw);
        } else {
            sop_json_null(out);
        }
    }
    sop_json_object_end(out);
    return SOP_OK;
}

/* A commit of this id is there: the same answer again, or a refusal. */
static sop_status repeated_answer(server_commit *c, sop_store *history, sop_slice stored)
{
    sop_json_writer *out = &c->r->out;
    sop_json_value head;
    sop_json_value digest;
    char text[16];
    sop_slice kept = sop_slice_of(sop_arena_copy(&c->arena, stored.data, stored.size), stored.size);
    server_hex64_write(c->digest, text);
    if (kept.data == NULL) return SOP_NO_MEMORY;
    if (sop_json_read(kept, &head) != SOP_OK || server_member(&head, "digest", &digest) != SOP_OK ||
        !sop_json_string_equal(digest.raw, sop_slice_of(text, sizeof text))) {
        c->answer = server_error(c->r, 409, "exists",
                                 "another commit has this id: a new one needs a new id");
        return SOP_OK;
    }
    sop_json_object_begin(out);
    sop_json_key(out, sop_str("commit"));
    sop_json_object_begin(out);
    server_commit_members(out, &head, 0);
    sop_json_object_end(out);
    sop_json_key(out, sop_str("repeated"));
    sop_json_bool(out, 1);
    sop_json_key(out, sop_str("items"));
    sop_json_array_begin(out);
    sop_status status = server_history_items(history, c->id, repeated_item, out);
    sop_json_array_end(out);
    sop_json_object_end(out);
    c->answer = 200;
    return status;
}

/* ---- one attempt ---- */

/* SOP_OK with c->answer 0: everything is written and wants to be committed. */
static sop_status attempt(server_commit *c, sop_txn *txn, sop_error *err)
{
    sop_store *history;
    sop_slice head;
    sop_arena_reset(&c->arena);
    c->clash_count = 0;
    c->time_ms = sop_wall_ns() / 1000000;
    sop_json_writer_reset(&c->r->out);
    sop_status status = server_history_open(txn, 1, &history);
    if (status != SOP_OK) return status;
    status = server_history_head(history, c->id, &head);
    if (status == SOP_OK) return repeated_answer(c, history, head);
    if (status != SOP_NOT_FOUND) return status;
    status = stores_open(c, txn, err);
    for (size_t i = 0; i < c->op_count && status == SOP_OK; i++) {
        status = op_check(c, i, err);
    }
    if (status != SOP_OK) return status;
    if (c->problem_count > 0) {
        c->answer = problems_answer(c);
    } else if (c->clash_count > 0) {
        c->answer = conflicts_answer(c, history);
    } else if (c->dry_run) {
        c->answer = result_answer(c, 0);
    }
    if (c->answer != 0) return SOP_OK;
    for (size_t i = 0; i < c->op_count && status == SOP_OK; i++) {
        status = op_write(c, txn, i);
    }
    if (status == SOP_OK && c->problem_count > 0) {
        c->answer = problems_answer(c);
        return SOP_OK;
    }
    if (status == SOP_OK) status = server_history_write(c, txn, history, err);
    return status;
}

int server_commit_run(server_commit *c)
{
    server_request *r = c->r;
    sop_txn *txn;
    sop_status status = doubles_check(c, &r->err);
    if (status == SOP_OK && c->problem_count > 0) return problems_answer(c);
    if (status == SOP_OK) status = sop_txn_begin(r->db, SOP_TXN_WRITE, &txn, &r->err);
    if (status != SOP_OK) return server_fail(r, status, &r->err);
    for (int i = 0; i < ATTEMPTS_MAX; i++) {
        r->err.message[0] = '\0';
        status = attempt(c, txn, &r->err);
        if (c->answer != 0 && status == SOP_OK) break;
        if (status == SOP_OK) status = sop_txn_commit(txn);
        if (status != SOP_CONFLICT) break;
        c->problem_count = 0;
        sop_json_writer_reset(&c->problems);
        sop_relax(i < 8 ? (unsigned)i : 8);
        sop_status renewed = sop_txn_renew(txn);
        if (renewed != SOP_OK) break;
    }
    if (status == SOP_OK && c->answer == 0) c->answer = result_answer(c, sop_txn_seq(txn));
    if (status != SOP_OK) {
        if (r->err.message[0] == '\0') r->err = *sop_txn_error(txn);
        c->answer = status == SOP_CONFLICT
                        ? server_error(r, 503, "busy", "others write the same items all the time")
                        : server_fail(r, status, &r->err);
    }
    sop_txn_close(txn);
    return c->answer;
}

server_commit *server_commit_new(server_request *r)
{
    server_commit *c = sop_alloc_zeroed(sizeof *c);
    if (c == NULL) return NULL;
    c->r = r;
    c->message = sop_slice_of("", 0);
    sop_json_writer_init(&c->problems, 0);
    return c;
}

void server_commit_free(server_commit *c)
{
    sop_json_writer_deinit(&c->problems);
    sop_arena_deinit(&c->arena);
    sop_free(c->ops);
    sop_free(c);
}

int server_commit_make(server_request *r)
{
    server_commit *c = server_commit_new(r);
    if (c == NULL) return server_fail(r, SOP_NO_MEMORY, NULL);
    int status = commit_read(c);
    if (status == 0 && c->problem_count > 0) status = problems_answer(c);
    if (status == 0) status = server_commit_run(c);
    server_commit_free(c);
    return status;
}
