/* SPDX-License-Identifier: MIT */
/*
 * The store sop:history: every commit made through the server, with the values before and after.
 *
 *     ("commit", id)        {"id","time","author","message","items","stores","undoes"?,"undone_by"?,"digest"}
 *     ("item", id, n)       {"store","k","before"?,"after"?,"ver"}: absent where there was no item
 *     ("last", hash)        {"commit","ver"}: who changed an item last; the hash is of store and key
 *     ("time", ms, id)      empty: the commits in the order of time
 *
 * It is written in the transaction of the commit, so it is there exactly when the commit is.
 */
#include <string.h>

#include "server/server_commit.h"
#include "util/bytes.h"
#include "util/checksum.h"
#include "util/error.h"

enum { KEY_SIZE = 512, LIST_DEFAULT = 50, LIST_MAX = 200 };

typedef struct {
    uint8_t bytes[KEY_SIZE];
    sop_key_builder builder;
} history_key;

static void key_begin(history_key *key, const char *kind)
{
    sop_key_begin(&key->builder, key->bytes, sizeof key->bytes);
    sop_key_add_string(&key->builder, sop_str(kind));
}

/* Ids have at most 64 bytes: every key fits. */
static sop_slice key_end(history_key *key)
{
    sop_slice made = {0};
    sop_ignore(sop_key_end(&key->builder, &made, NULL));
    return made;
}

static sop_slice key_of_commit(history_key *key, sop_slice id)
{
    key_begin(key, "commit");
    sop_key_add_string(&key->builder, id);
    return key_end(key);
}

static sop_slice key_of_last(history_key *key, const server_commit *c, const server_op *op)
{
    uint8_t hash[16];
    sop_hash128 of_store = sop_checksum128(op->store.data, op->store.size, 0);
    sop_hash128 both = sop_checksum128(op->key.data, op->key.size, of_store.low ^ of_store.high);
    (void)c;
    sop_put_u64le(hash, both.low);
    sop_put_u64le(hash + 8, both.high);
    key_begin(key, "last");
    sop_key_add_bytes(&key->builder, sop_slice_of(hash, sizeof hash));
    return key_end(key);
}

sop_status server_history_open(sop_txn *txn, int create, sop_store **out)
{
    sop_store_options options = SOP_STORE_OPTIONS_INIT;
    sop_status status = sop_store_open(txn, SERVER_HISTORY, out);
    if (status != SOP_NOT_FOUND || !create) return status;
    options.system = 1;
    options.attributes =
        sop_str("{\"description\":\"Commits of the Data Manager, written by it alone\","
                "\"key\":{\"form\":\"tuple\"}}");
    return sop_store_create(txn, SERVER_HISTORY, &options, out);
}

/* ---- writing ---- */

static void text_member(sop_json_writer *out, const char *name, sop_slice text)
{
    sop_json_key(out, sop_str(name));
    sop_json_string(out, text);
}

static void head_write(const server_commit *c, sop_json_writer *out)
{
    char digest[16];
    server_hex64_write(c->digest, digest);
    sop_json_object_begin(out);
    text_member(out, "id", c->id);
    sop_json_key(out, sop_str("time"));
    sop_json_uint(out, c->time_ms);
    text_member(out, "author", sop_str(c->r->session.user));
    text_member(out, "message", c->message);
    sop_json_key(out, sop_str("items"));
    sop_json_uint(out, c->op_count);
    sop_json_key(out, sop_str("stores"));
    sop_json_array_begin(out);
    for (size_t i = 0; i < c->store_count; i++) {
        sop_json_string(out, c->stores[i].name);
    }
    sop_json_array_end(out);
    if (c->undoes.size != 0) text_member(out, "undoes", c->undoes);
    text_member(out, "digest", sop_slice_of(digest, sizeof digest));
    sop_json_object_end(out);
}

static void item_write(const server_commit *c, const server_op *op, sop_json_writer *out)
{
    char version[16];
    sop_json_object_begin(out);
    text_member(out, "store", op->store);
    sop_json_key(out, sop_str("k"));
    server_key_write(out, c->stores[op->store_at].traits.form, op->key);
    if (op->was_there) {
        sop_json_key(out, sop_str("before"));
        server_value_write(out, op->before, UINT64_MAX);
    }
    if (op->is_there) {
        sop_json_key(out, sop_str("after"));
        server_value_write(out, op->after, UINT64_MAX);
        server_hex64_write(server_version(op->after), version);
        text_member(out, "ver", sop_slice_of(version, sizeof version));
    }
    sop_json_object_end(out);
}

static sop_status put(sop_store *history, sop_slice key, const sop_json_writer *record)
{
    sop_slice text;
    sop_status status = sop_json_writer_end(record, &text);
    return status == SOP_OK ? sop_store_put(history, key, text) : status;
}

static sop_status op_record(server_commit *c, sop_store *history, size_t at, sop_json_writer *out)
{
    history_key key;
    char version[16];
    const server_op *op = &c->ops[at];
    sop_json_writer_reset(out);
    item_write(c, op, out);
    key_begin(&key, "item");
    sop_key_add_string(&key.builder, c->id);
    sop_key_add_uint(&key.builder, at);
    sop_status status = put(history, key_end(&key), out);
    if (status != SOP_OK) return status;
    sop_json_writer_reset(out);
    sop_json_object_begin(out);
    text_member(out, "commit", c->id);
    server_hex64_write(server_version(op->after), version);
    if (op->is_there) text_member(out, "ver", sop_slice_of(version, sizeof version));
    sop_json_object_end(out);
    return put(history, key_of_last(&key, c, op), out);
}

/* The head of the commit that this one undoes, with undone_by. */
static sop_status undone_mark(server_commit *c, sop_store *history, sop_json_writer *out)
{
    history_key key;
    sop_slice head;
    sop_json_step step = {SOP_JSON_STEP_NAME, {"undone_by", 9}, 0};
    sop_json_path path = {&step, 1};
    char quoted[70];
    if (c->undoes.size == 0) return SOP_OK;
    sop_status status = server_history_head(history, c->undoes, &head);
    if (status == SOP_NOT_FOUND) return SOP_OK; /* a commit of elsewhere: nothing to mark */
    if (status != SOP_OK) return status;
    quoted[0] = '"';
    memcpy(quoted + 1, c->id.data, c->id.size);
    quoted[c->id.size + 1] = '"';
    sop_json_writer_reset(out);
    status = sop_json_set(head, &path, sop_slice_of(quoted, c->id.size + 2), 0, out, NULL);
    return status == SOP_OK ? put(history, key_of_commit(&key, c->undoes), out) : status;
}

sop_status server_history_write(server_commit *c, sop_txn *txn, sop_store *history, sop_error *err)
{
    history_key key;
    sop_json_writer out;
    sop_slice note;
    sop_json_writer_init(&out, 0);
    head_write(c, &out);
    sop_status status = put(history, key_of_commit(&key, c->id), &out);
    key_begin(&key, "time");
    sop_key_add_uint(&key.builder, c->time_ms);
    sop_key_add_string(&key.builder, c->id);
    if (status == SOP_OK) status = sop_store_put(history, key_end(&key), (sop_slice){"", 0});
    for (size_t i = 0; i < c->op_count && status == SOP_OK; i++) {
        status = op_record(c, history, i, &out);
    }
    if (status == SOP_OK) status = undone_mark(c, history, &out);
    /* The note is what other processes and the change feed see of the author. */
    sop_json_writer_reset(&out);
    sop_json_object_begin(&out);
    text_member(&out, "by", sop_str(c->r->session.user));
    text_member(&out, "commit", c->id);
    text_member(&out, "message", c->message);
    sop_json_object_end(&out);
    if (status == SOP_OK) status = sop_json_writer_end(&out, &note);
    if (status == SOP_OK && note.size <= SOP_NOTE_SIZE_MAX) status = sop_txn_note(txn, note);
    sop_json_writer_deinit(&out);
    if (status != SOP_OK && err->message[0] == '\0') *err = *sop_txn_error(txn);
    return status;
}

/* ---- reading ---- */

sop_status server_history_head(sop_store *history, sop_slice id, sop_slice *out)
{
    history_key key;
    return sop_store_get(history, key_of_commit(&key, id), out);
}

void server_commit_members(sop_json_writer *out, const sop_json_value *head, uint64_t seq)
{
    static const char *const names[] = {"id",    "time",   "author", "message",
                                        "items", "stores", "undoes", "undone_by"};
    sop_json_value value;
    sop_json_key(out, sop_str("seq"));
    sop_json_uint(out, seq);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (server_member(head, names[i], &value) != SOP_OK) continue;
        sop_json_key(out, sop_str(names[i]));
        sop_json_raw(out, value.raw);
    }
}

void server_history_by(server_commit *c,
                       sop_store *history,
                       const server_op *op,
                       sop_json_writer *out)
{
    history_key key;
    sop_slice text;
    sop_slice id;
    sop_json_value last;
    sop_json_value ver;
    sop_json_value head;
    char version[16];
    if (sop_store_get(history, key_of_last(&key, c, op), &text) != SOP_OK ||
        sop_json_read(text, &last) != SOP_OK ||
        server_member_text(&last, "commit", &c->arena, &id) != SOP_OK) {
        return;
    }
    /* Somebody else may have changed it since: then the history does not know. */
    server_hex64_write(server_version(op->before), version);
    int same =
        server_member(&last, "ver", &ver) == SOP_OK
            ? op->was_there && sop_json_string_equal(ver.raw, sop_slice_of(version, sizeof version))
            : !op->was_there;
    if (!same || server_history_head(history, id, &text) != SOP_OK ||
        sop_json_read(text, &head) != SOP_OK) {
        return;
    }
    sop_json_key(out, sop_str("by"));
    sop_json_object_begin(out);
    if (server_member(&head, "author", &ver) == SOP_OK) {
        sop_json_key(out, sop_str("author"));
        sop_json_raw(out, ver.raw);
    }
    if (server_member(&head, "time", &ver) == SOP_OK) {
        sop_json_key(out, sop_str("time"));
        sop_json_raw(out, ver.raw);
    }
    text_member(out, "commit", id);
    sop_json_object_end(out);
}

sop_status
server_history_items(sop_store *history, sop_slice id, server_history_fn fn, void *context)
{
    history_key key;
    uint8_t end[KEY_SIZE];
    sop_slice to;
    sop_cursor *cursor = NULL;
    key_begin(&key, "item");
    sop_key_add_string(&key.builder, id);
    sop_slice from = key_end(&key);
    sop_status status = sop_key_prefix_end(from, end, sizeof end, &to);
    if (status == SOP_OK) status = sop_cursor_open(history, &cursor);
    if (status != SOP_OK) return status;
    status = sop_cursor_bound(cursor, from, to);
    while (status == SOP_OK) {
        sop_slice text;
        sop_json_value record;
        status = sop_cursor_next(cursor);
        if (status == SOP_OK) status = sop_cursor_value(cursor, &text);
        if (status == SOP_OK) status = sop_json_read(text, &record);
        if (status == SOP_OK) status = fn(&record, context);
    }
    sop_cursor_close(cursor);
    return status == SOP_NOT_FOUND ? SOP_OK : status;
}

/* ---- answers ---- */

/* Begins a READ transaction on the history. 0, or the status of the answer; *history NULL: there is none. */
static int history_enter(server_request *r, sop_txn **txn, sop_store **history)
{
    *history = NULL;
    sop_status status = sop_txn_begin(r->db, SOP_TXN_READ, txn, &r->err);
    if (status != SOP_OK) return server_fail(r, status, &r->err);
    status = server_history_open(*txn, 0, history);
    if (status == SOP_OK || status == SOP_NOT_FOUND) return 0;
    r->err = *sop_txn_error(*txn);
    sop_txn_close(*txn);
    return server_fail(r, status, &r->err);
}

/* The id behind ("time", ms, id). */
static sop_status id_of_time(sop_slice key, uint8_t buffer[KEY_SIZE], sop_slice *id)
{
    sop_key_reader reader;
    sop_key_part part;
    sop_key_read(&reader, key);
    for (int i = 0; i < 3; i++) {
        sop_status status = sop_key_next(&reader, &part);
        if (status != SOP_OK) return SOP_CORRUPT;
    }
    return sop_key_part_bytes(&part, buffer, KEY_SIZE, id);
}

static sop_status
list_write(server_request *r, sop_store *history, sop_slice before, uint64_t limit)
{
    history_key key;
    uint8_t end[KEY_SIZE];
    uint8_t buffer[KEY_SIZE];
    char cursor_text[KEY_SIZE * 2];
    sop_cursor *cursor = NULL;
    sop_slice to;
    sop_slice at = {0};
    key_begin(&key, "time");
    sop_slice from = key_end(&key);
    sop_status status = sop_key_prefix_end(from, end, sizeof end, &to);
    if (status == SOP_OK) status = sop_cursor_open(history, &cursor);
    if (status == SOP_OK) status = sop_cursor_bound(cursor, from, before.size == 0 ? to : before);
    uint64_t count = 0;
    while (status == SOP_OK && count < limit) {
        sop_slice id;
        sop_slice text;
        sop_json_value head;
        status = sop_cursor_prev(cursor);
        if (status == SOP_OK) status = sop_cursor_key(cursor, &at);
        if (status == SOP_OK) status = id_of_time(at, buffer, &id);
        if (status == SOP_OK) status = server_history_head(history, id, &text);
        if (status == SOP_OK) status = sop_json_read(text, &head);
        if (status != SOP_OK) break;
        sop_json_object_begin(&r->out);
        server_commit_members(&r->out, &head, 0);
        sop_json_object_end(&r->out);
        count++;
    }
    sop_json_array_end(&r->out);
    sop_json_key(&r->out, sop_str("next"));
    if (status == SOP_OK && at.size != 0 && at.size < KEY_SIZE) {
        server_base64_write(at, cursor_text);
        sop_json_string(&r->out, sop_slice_of(cursor_text, server_base64_size(at.size)));
    } else {
        sop_json_null(&r->out);
    }
    return status == SOP_NOT_FOUND ? SOP_OK : status;
}

int server_commits_list(server_request *r)
{
    sop_txn *txn;
    sop_store *history;
    sop_slice before = {0};
    uint64_t limit = LIST_DEFAULT;
    const sop_slice *given = server_uri_param(&r->uri, "before");
    const sop_slice *count = server_uri_param(&r->uri, "limit");
    if (given != NULL && (server_base64_read(*given, &r->arena, &before) != 0 || before.size == 0 ||
                          before.size > KEY_SIZE)) {
        return server_error(r, 400, "bad_cursor", "before: the cursor cannot be read");
    }
    if (count != NULL &&
        (server_uint_read(*count, &limit) != 0 || limit == 0 || limit > LIST_MAX)) {
        return server_bad(r, "limit", "limit is 1 to %d", LIST_MAX);
    }
    int refused = history_enter(r, &txn, &history);
    if (refused != 0) return refused;
    sop_status status = SOP_OK;
    sop_json_object_begin(&r->out);
    sop_json_key(&r->out, sop_str("commits"));
    sop_json_array_begin(&r->out);
    if (history != NULL) {
        status = list_write(r, history, before, limit);
    } else {
        sop_json_array_end(&r->out);
        sop_json_key(&r->out, sop_str("next"));
        sop_json_null(&r->out);
    }
    sop_json_object_end(&r->out);
    if (status != SOP_OK) r->err = *sop_txn_error(txn);
    sop_txn_close(txn);
    return status == SOP_OK ? 200 : server_fail(r, status, &r->err);
}

/* Enters the history and finds the commit of the path. 0, or the status of the answer. */
static int commit_enter(server_request *r, sop_txn **txn, sop_store **history, sop_json_value *head)
{
    sop_slice text = {0};
    int refused = history_enter(r, txn, history);
    if (refused != 0) return refused;
    sop_status status = *history == NULL || r->names[2].size > 64
                            ? SOP_NOT_FOUND
                            : server_history_head(*history, r->names[2], &text);
    if (status == SOP_OK) {
        text.data = sop_arena_copy(&r->arena, text.data, text.size);
        status = text.data == NULL ? SOP_NO_MEMORY : sop_json_read(text, head);
    }
    if (status == SOP_OK) return 0;
    sop_txn_close(*txn);
    return status == SOP_NOT_FOUND ? server_error(r, 404, "not_found", "there is no such commit")
                                   : server_fail(r, status, NULL);
}

static sop_status change_write(const sop_json_value *record, void *context)
{
    static const char *const names[] = {"store", "k", "before", "after"};
    sop_json_writer *out = context;
    sop_json_value value;
    sop_json_object_begin(out);
    for (size_t i = 0; i < 4; i++) {
        if (server_member(record, names[i], &value) != SOP_OK) continue;
        sop_json_key(out, sop_str(names[i]));
        sop_json_raw(out, value.raw);
    }
    sop_json_object_end(out);
    return SOP_OK;
}

int server_commit_get(server_request *r)
{
    sop_txn *txn;
    sop_store *history;
    sop_json_value head;
    int refused = commit_enter(r, &txn, &history, &head);
    if (refused != 0) return refused;
    sop_json_object_begin(&r->out);
    server_commit_members(&r->out, &head, 0);
    sop_json_key(&r->out, sop_str("changes"));
    sop_json_array_begin(&r->out);
    sop_status status = server_history_items(history, r->names[2], change_write, &r->out);
    sop_json_array_end(&r->out);
    sop_json_object_end(&r->out);
    if (status != SOP_OK) r->err = *sop_txn_error(txn);
    sop_txn_close(txn);
    return status == SOP_OK ? 200 : server_fail(r, status, &r->err);
}

/* The operation that takes one change back: on the version the commit wrote, so that later changes clash. */
static sop_status inverse_write(const sop_json_value *record, void *context)
{
    server_request *r = context;
    sop_json_writer *out = &r->out;
    sop_json_value store;
    sop_json_value k;
    sop_json_value before;
    sop_json_value value;
    sop_slice bytes;
    int was_there = server_member(record, "before", &before) == SOP_OK;
    int is_there = server_member(record, "after", &value) == SOP_OK;
    if (!was_there && !is_there) return SOP_OK;
    if (server_member(record, "store", &store) != SOP_OK ||
        server_member(record, "k", &k) != SOP_OK) {
        return SOP_CORRUPT;
    }
    sop_json_object_begin(out);
    text_member(out, "op", sop_str(!was_there ? "delete" : is_there ? "put" : "insert"));
    sop_json_key(out, sop_str("store"));
    sop_json_raw(out, store.raw);
    sop_json_key(out, sop_str("k"));
    sop_json_raw(out, k.raw);
    if (is_there && server_member(record, "ver", &value) == SOP_OK) {
        sop_json_key(out, sop_str("base"));
        sop_json_raw(out, value.raw);
    }
    sop_status status = SOP_OK;
    if (was_there) {
        status = server_value_read(&before, &r->arena, &bytes, &r->err);
        sop_json_key(out, sop_str("v"));
        if (status == SOP_OK) server_value_write_exact(out, bytes);
    }
    sop_json_object_end(out);
    return status;
}

int server_commit_invert(server_request *r)
{
    sop_txn *txn;
    sop_store *history;
    sop_json_value head;
    int refused = commit_enter(r, &txn, &history, &head);
    if (refused != 0) return refused;
    sop_json_object_begin(&r->out);
    sop_json_key(&r->out, sop_str("ops"));
    sop_json_array_begin(&r->out);
    sop_status status = server_history_items(history, r->names[2], inverse_write, r);
    sop_json_array_end(&r->out);
    sop_json_object_end(&r->out);
    if (status != SOP_OK) r->err = *sop_txn_error(txn);
    sop_txn_close(txn);
    return status == SOP_OK ? 200 : server_fail(r, status, &r->err);
}
