/* SPDX-License-Identifier: MIT */
/* Live events: one stream for each tab, fed by a change feed of its own. */
#include <stdio.h>
#include <string.h>

#include "server/server_http.h"
#include "server/server_private.h"
#include "util/bytes.h"
#include "util/error.h"
#include "util/memory.h"

enum {
    TICK_MS = 200,
    QUIET_TICKS = 75, /* a sign of life every 15 seconds */
    STORES_MAX = 64,
    KEYS_MAX = 200,
    NAMES_MAX = 256,
    BLOCK_BYTES = 16 << 10
};

/* What one commit did to one store. */
typedef struct {
    uint64_t id;
    uint64_t count; /* changes */
    sop_json_writer keys;
    size_t key_count;
} touched;

/* A store as it was called when it was last seen. */
typedef struct {
    uint64_t id;
    char name[SOP_STORE_NAME_SIZE_MAX + 1];
    server_store_traits traits;
} known;

typedef struct {
    server *server;
    server_database *database; /* a use is held */
    sop_db *db;
    sop_changes *feed;
    uint64_t seq; /* the last commit that was seen whole */
    uint64_t job_news;
    sop_json_writer out; /* what is to be sent */
    size_t sent;
    unsigned quiet;
    int ended;
    touched stores[STORES_MAX];
    size_t store_count;
    known names[NAMES_MAX];
    size_t name_count;
} stream;

/* ---- writing ---- */

static void line(stream *s, const char *text)
{
    sop_json_append(&s->out, sop_str(text));
}

static void event_begin(stream *s, const char *name, uint64_t id)
{
    char text[64];
    (void)snprintf(text, sizeof text, "id: %" PRIu64 "\nevent: %s\ndata: ", id, name);
    line(s, text);
}

static void event_end(stream *s)
{
    line(s, "\n\n");
}

static void snapshot_event(stream *s, const char *name)
{
    event_begin(s, name, s->seq);
    sop_json_object_begin(&s->out);
    sop_json_key(&s->out, sop_str("snapshot"));
    sop_json_uint(&s->out, s->seq);
    sop_json_object_end(&s->out);
    event_end(s);
}

/* ---- names ---- */

/* NULL: the store is gone, or cannot be read now. */
static known *store_known(stream *s, uint64_t id)
{
    sop_txn *txn;
    sop_store *store;
    sop_store_info info = SOP_STORE_INFO_INIT;
    for (size_t i = 0; i < s->name_count; i++) {
        if (s->names[i].id == id) return &s->names[i];
    }
    if (sop_txn_begin(s->db, SOP_TXN_READ, &txn, NULL) != SOP_OK) return NULL;
    known *k = NULL;
    if (sop_store_open_id(txn, id, &store) == SOP_OK &&
        sop_store_info_get(store, &info) == SOP_OK && strlen(info.name) < sizeof k->name) {
        if (s->name_count == NAMES_MAX) s->name_count = 0;
        k = &s->names[s->name_count++];
        k->id = id;
        memcpy(k->name, info.name, strlen(info.name) + 1);
        server_store_traits_read(&info, &k->traits);
    }
    sop_txn_close(txn);
    return k;
}

static uint64_t store_count(stream *s, uint64_t id)
{
    sop_txn *txn;
    sop_store *store;
    uint64_t count = 0;
    if (sop_txn_begin(s->db, SOP_TXN_READ, &txn, NULL) != SOP_OK) return 0;
    if (sop_store_open_id(txn, id, &store) != SOP_OK || sop_store_count(store, &count) != SOP_OK) {
        count = 0;
    }
    sop_txn_close(txn);
    return count;
}

/* ---- commits ---- */

static touched *store_touched(stream *s, uint64_t id)
{
    for (size_t i = 0; i < s->store_count; i++) {
        if (s->stores[i].id == id) return &s->stores[i];
    }
    if (s->store_count == STORES_MAX) return NULL;
    touched *t = &s->stores[s->store_count++];
    t->id = id;
    t->count = 0;
    t->key_count = 0;
    sop_json_writer_reset(&t->keys);
    sop_json_array_begin(&t->keys);
    return t;
}

static void item_note(stream *s, const sop_change *change)
{
    char version[16];
    touched *t = store_touched(s, change->store_id);
    known *k = t == NULL ? NULL : store_known(s, change->store_id);
    if (k == NULL) return;
    t->count++;
    if (k->traits.system || t->key_count == KEYS_MAX) return;
    t->key_count++;
    sop_json_object_begin(&t->keys);
    sop_json_key(&t->keys, sop_str("k"));
    server_key_write(&t->keys, k->traits.form, change->key);
    sop_json_key(&t->keys, sop_str("op"));
    sop_json_string(&t->keys, sop_str(change->kind == SOP_CHANGE_REMOVE ? "delete" : "put"));
    if (change->kind != SOP_CHANGE_REMOVE && change->value.size == change->value_size) {
        server_hex64_write(server_version(change->value), version);
        sop_json_key(&t->keys, sop_str("ver"));
        sop_json_string(&t->keys, sop_slice_of(version, sizeof version));
    }
    sop_json_object_end(&t->keys);
}

static void store_event(stream *s, const sop_change *change)
{
    static const char *const words[] = {[SOP_CHANGE_STORE_CREATE] = "created",
                                        [SOP_CHANGE_STORE_DROP] = "dropped",
                                        [SOP_CHANGE_STORE_ALTER] = "described",
                                        [SOP_CHANGE_STORE_LOAD] = "created"};
    char before[SOP_STORE_NAME_SIZE_MAX + 1] = "";
    const char *word = words[change->kind];
    for (size_t i = 0; i < s->name_count; i++) {
        if (s->names[i].id != change->store_id) continue;
        memcpy(before, s->names[i].name, sizeof before);
        s->names[i] = s->names[--s->name_count]; /* it may be called otherwise now */
        break;
    }
    known *now = change->kind == SOP_CHANGE_STORE_DROP ? NULL : store_known(s, change->store_id);
    const char *name = before[0] != '\0' ? before : now != NULL ? now->name : "";
    int renamed = now != NULL && before[0] != '\0' && strcmp(before, now->name) != 0;
    event_begin(s, "store", s->seq);
    sop_json_object_begin(&s->out);
    sop_json_key(&s->out, sop_str("store"));
    sop_json_string(&s->out,
                    name[0] == '\0' && server_is_plain(change->key) ? change->key : sop_str(name));
    sop_json_key(&s->out, sop_str("change"));
    sop_json_string(&s->out, sop_str(renamed ? "renamed" : word));
    if (renamed) {
        sop_json_key(&s->out, sop_str("name"));
        sop_json_string(&s->out, sop_str(now->name));
    }
    sop_json_object_end(&s->out);
    event_end(s);
}

/* The author and the id, when the note is one of ours. */
static void note_write(stream *s, sop_slice note)
{
    static const char *const names[] = {"by", "commit"};
    sop_json_value value;
    sop_json_value member;
    if (note.size == 0 || sop_json_check(note, NULL, NULL, NULL) != SOP_OK ||
        sop_json_read(note, &value) != SOP_OK) {
        return;
    }
    for (size_t i = 0; i < 2; i++) {
        if (server_member(&value, names[i], &member) != SOP_OK || member.type != SOP_JSON_STRING) {
            continue;
        }
        sop_json_key(&s->out, sop_str(names[i]));
        sop_json_raw(&s->out, member.raw);
    }
}

static void touched_write(stream *s, touched *t)
{
    sop_slice keys;
    const known *k = store_known(s, t->id);
    sop_json_array_end(&t->keys);
    if (k == NULL || sop_json_writer_end(&t->keys, &keys) != SOP_OK) return;
    sop_json_object_begin(&s->out);
    sop_json_key(&s->out, sop_str("store"));
    sop_json_string(&s->out, sop_str(k->name));
    sop_json_key(&s->out, sop_str("count"));
    sop_json_uint(&s->out, store_count(s, t->id));
    sop_json_key(&s->out, sop_str("items"));
    sop_json_raw(&s->out, keys);
    sop_json_key(&s->out, sop_str("more"));
    sop_json_bool(&s->out, t->count > t->key_count);
    sop_json_object_end(&s->out);
}

static void commit_event(stream *s, const sop_change *change)
{
    s->seq = change->seq;
    if (s->store_count == 0) return;
    event_begin(s, "commit", change->seq);
    sop_json_object_begin(&s->out);
    sop_json_key(&s->out, sop_str("seq"));
    sop_json_uint(&s->out, change->seq);
    if (change->wall_ns != 0) {
        sop_json_key(&s->out, sop_str("time"));
        sop_json_uint(&s->out, change->wall_ns / 1000000);
    }
    note_write(s, change->value);
    sop_json_key(&s->out, sop_str("stores"));
    sop_json_array_begin(&s->out);
    for (size_t i = 0; i < s->store_count; i++) {
        touched_write(s, &s->stores[i]);
    }
    sop_json_array_end(&s->out);
    sop_json_object_end(&s->out);
    event_end(s);
    s->store_count = 0;
}

static void change_take(stream *s, const sop_change *change)
{
    switch (change->kind) {
    case SOP_CHANGE_INSERT:
    case SOP_CHANGE_UPDATE:
    case SOP_CHANGE_REMOVE:
        item_note(s, change);
        break;
    case SOP_CHANGE_COMMIT:
        commit_event(s, change);
        break;
    case SOP_CHANGE_STORE_CREATE:
    case SOP_CHANGE_STORE_DROP:
    case SOP_CHANGE_STORE_ALTER:
    case SOP_CHANGE_STORE_LOAD:
        store_event(s, change);
        break;
    default:
        break;
    }
}

/* ---- the stream ---- */

static sop_status feed_open(stream *s, int at_tip)
{
    sop_db_info info = SOP_DB_INFO_INIT;
    if (at_tip) {
        sop_status status = sop_db_info_get(s->db, &info, NULL);
        if (status != SOP_OK) return status;
        s->seq = info.tip;
    }
    return sop_changes_open(s->db, s->seq, &s->feed, NULL);
}

/* The history behind Last-Event-ID is gone: the client must read again. */
static void feed_reset(stream *s)
{
    sop_changes_close(s->feed);
    s->feed = NULL;
    s->store_count = 0;
    if (feed_open(s, 1) != SOP_OK) {
        s->ended = 1;
    } else {
        snapshot_event(s, "reset");
    }
}

static void wait_for_news(stream *s)
{
    sop_change change = SOP_CHANGE_INIT;
    sop_status status = sop_changes_next(s->feed, TICK_MS, &change);
    while (status == SOP_OK) {
        change_take(s, &change);
        if (s->out.size >= BLOCK_BYTES && s->store_count == 0) break;
        status = sop_changes_next(s->feed, 0, &change);
    }
    if (status == SOP_SNAPSHOT_TOO_OLD) {
        feed_reset(s);
    } else if (status != SOP_OK && status != SOP_TIMEOUT && status != SOP_CANCELLED) {
        s->ended = 1;
    }
    s->job_news = server_job_news(s->server, s->database, s->job_news, &s->out);
    if (s->out.size == 0 && ++s->quiet >= QUIET_TICKS) line(s, ": alive\n\n");
    if (s->out.size != 0) s->quiet = 0;
    /* Pairs with the release in server_database_forget. */
    if (atomic_load_explicit(&s->database->gone, memory_order_acquire) ||
        server_stopping(s->server)) {
        s->ended = 1;
    }
}

static ssize_t stream_read(void *context, uint64_t position, char *to, size_t room)
{
    stream *s = context;
    (void)position;
    while (s->sent == s->out.size) {
        if (s->ended) return MHD_CONTENT_READER_END_OF_STREAM;
        sop_json_writer_reset(&s->out);
        s->sent = 0;
        wait_for_news(s);
        if (s->out.status != SOP_OK) return MHD_CONTENT_READER_END_WITH_ERROR;
    }
    size_t size = s->out.size - s->sent;
    if (size > room) size = room;
    memcpy(to, s->out.data + s->sent, size);
    s->sent += size;
    return (ssize_t)size;
}

static void stream_free(void *context)
{
    stream *s = context;
    sop_changes_close(s->feed);
    for (size_t i = 0; i < STORES_MAX; i++) {
        sop_json_writer_deinit(&s->stores[i].keys);
    }
    sop_json_writer_deinit(&s->out);
    server_database_release(s->server, s->database);
    (void)atomic_fetch_sub_explicit(&s->server->streams, 1,
                                    memory_order_relaxed); /* a number only */
    sop_free(s);
}

/* Where to go on: the seq of Last-Event-ID, or the tip. */
static sop_status stream_start(stream *s, const char *last)
{
    int resumes = last != NULL && server_uint_read(sop_str(last), &s->seq) == 0;
    sop_status status = feed_open(s, !resumes);
    if (status == SOP_INVALID && resumes) { /* ahead of the newest: another database */
        status = feed_open(s, 1);
        if (status == SOP_OK) snapshot_event(s, "reset");
        return status;
    }
    if (status == SOP_OK) snapshot_event(s, "hello");
    return status;
}

int server_events_open(server_request *r)
{
    const char *last = MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND, "Last-Event-ID");
    /* Only the number counts: nothing else is published with it. */
    if (atomic_fetch_add_explicit(&r->server->streams, 1, memory_order_relaxed) >=
        SERVER_STREAMS_MAX) {
        (void)atomic_fetch_sub_explicit(&r->server->streams, 1,
                                        memory_order_relaxed); /* as above */
        return server_error(r, 503, "busy", "%d streams are open", SERVER_STREAMS_MAX);
    }
    stream *s = sop_alloc_zeroed(sizeof *s);
    if (s == NULL) {
        (void)atomic_fetch_sub_explicit(&r->server->streams, 1,
                                        memory_order_relaxed); /* as above */
        return server_fail(r, SOP_NO_MEMORY, NULL);
    }
    s->server = r->server;
    s->database = r->database; /* the use of the request goes on with the stream */
    r->database = NULL;
    s->db = r->db;
    sop_json_writer_init(&s->out, 0);
    for (size_t i = 0; i < STORES_MAX; i++) {
        sop_json_writer_init(&s->stores[i].keys, 0);
    }
    sop_status status = stream_start(s, last);
    if (status == SOP_OK) {
        r->response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_BYTES, stream_read,
                                                        s, stream_free);
    }
    if (r->response == NULL) {
        stream_free(s);
        return server_fail(r, status == SOP_OK ? SOP_NO_MEMORY : status, NULL);
    }
    (void)MHD_add_response_header(r->response, "Content-Type", "text/event-stream");
    (void)MHD_add_response_header(r->response, "Cache-Control", "no-store");
    (void)MHD_add_response_header(r->response, "X-Accel-Buffering", "no");
    server_connection_unlimited(r);
    return 200;
}
