/* SPDX-License-Identifier: MIT */
/*
 * Cursors: a merging cursor of the snapshot room, plus bounds, non-unique keys, and the read set of scans.
 *
 * A scan records one range, not a key for each step: where it began, the outermost places it turned at, and, when it is flushed
 * (at the next seek, at close, at commit), where it stands.
 */
#include <stdlib.h>
#include <string.h>

#include "db/db_internal.h"
#include "util/arena.h"
#include "util/assert.h"
#include "util/bytes.h"
#include "util/error.h"
#include "util/memory.h"

/* One end of what a scan has covered. */
typedef struct {
    uint8_t *bytes; /* SOP_STORED_KEY_MAX + 1 */
    size_t size;
    int open; /* to the very end of the store (or the bound) */
} scan_end;

struct sop_cursor {
    sop_cursor
        *self; /* calls that only look take it const, and still bring the position up to date */
    sop_store *store;
    sop_cursor *next;
    sop_view_cursor *at;
    uint64_t snapshot_version;
    uint64_t write_version;
    int has_bounds;
    int unmoved; /* before the first and after the last item at once */
    size_t from_size;
    size_t to_size;
    uint8_t *from; /* bounds as stored keys */
    uint8_t *to;
    int scanning; /* 0: nothing to record */
    int direction;
    int values_read;
    scan_end low;
    scan_end high;
    uint8_t *plain_key; /* non-unique: the key without its item id */
    size_t plain_size;
    sop_arena page; /* keys of cursor_read */
};

/* ---- life ---- */

static void cursor_free(sop_cursor *cursor)
{
    sop_view_cursor_free(cursor->at);
    sop_free(cursor->from);
    sop_free(cursor->to);
    sop_free(cursor->low.bytes);
    sop_free(cursor->high.bytes);
    sop_free(cursor->plain_key);
    sop_arena_deinit(&cursor->page);
    sop_free(cursor);
}

static void list_free(sop_cursor *cursor)
{
    while (cursor != NULL) {
        sop_cursor *next = cursor->next;
        cursor_free(cursor);
        cursor = next;
    }
}

void sop_cursor__free_all(sop_store *store)
{
    list_free(store->cursors);
    list_free(store->ended);
    store->cursors = NULL;
    store->ended = NULL;
}

/* Cursors end with their snapshot. Their memory stays, for whoever opens one anew in each snapshot and closes none. */
static void ended_collect(sop_store *store)
{
    sop_cursor *first = store->cursors;
    /* The newest is in front: if its snapshot goes on, all others came later than the last call. */
    if (first == NULL || first->snapshot_version == store->txn->core.snapshot_version) return;
    sop_cursor *last = first;
    while (last->next != NULL) {
        last = last->next;
    }
    last->next = store->ended;
    store->ended = first;
    store->cursors = NULL;
}

static sop_cursor *ended_take(sop_store *store)
{
    ended_collect(store);
    sop_cursor *cursor = store->ended;
    if (cursor == NULL) return NULL;
    store->ended = cursor->next;
    sop_view_cursor_rebind(cursor->at, &store->view);
    sop_view_cursor_clear(cursor->at);
    cursor->unmoved = 1;
    cursor->has_bounds = 0;
    cursor->scanning = 0;
    sop_arena_reset(&cursor->page);
    return cursor;
}

static sop_cursor *cursor_new(sop_store *store)
{
    int writes = store->txn->core.mode == SOP_TXN_WRITE;
    sop_cursor *cursor = sop_alloc_zeroed(sizeof *cursor);
    if (cursor == NULL) return NULL;
    cursor->self = cursor;
    cursor->unmoved = 1;
    cursor->store = store;
    cursor->at = sop_view_cursor_new(&store->view);
    if (writes) {
        cursor->low.bytes = sop_alloc(SOP_STORED_KEY_MAX + 1);
        cursor->high.bytes = sop_alloc(SOP_STORED_KEY_MAX + 1);
    }
    if (store->duplicates) cursor->plain_key = sop_alloc(SOP_KEY_SIZE_MAX);
    int short_of_memory = cursor->at == NULL || (store->duplicates && cursor->plain_key == NULL) ||
                          (writes && (cursor->low.bytes == NULL || cursor->high.bytes == NULL));
    if (!short_of_memory) return cursor;
    cursor_free(cursor);
    return NULL;
}

sop_status sop_cursor_open(sop_store *store, sop_cursor **cursor_out)
{
    if (store == NULL || cursor_out == NULL) return SOP_INVALID;
    *cursor_out = NULL;
    sop_core *core = &store->txn->core;
    sop_status status = sop_store__enter(store);
    if (status != SOP_OK) return status;
    sop_cursor *cursor = ended_take(store);
    if (cursor == NULL) cursor = cursor_new(store);
    if (cursor == NULL) return sop_fail(&core->error, SOP_NO_MEMORY, "cursor: out of memory");
    cursor->snapshot_version = core->snapshot_version;
    cursor->write_version = core->write_version;
    cursor->next = store->cursors;
    store->cursors = cursor;
    *cursor_out = cursor;
    return SOP_OK;
}

/* ---- the read set of a scan ---- */

static void end_set(scan_end *end, sop_slice key, int after)
{
    if (key.size != 0) memcpy(end->bytes, key.data, key.size);
    end->size = key.size;
    if (after) end->bytes[end->size++] = 0;
    end->open = 0;
}

static void end_lower(scan_end *low, sop_slice key)
{
    if (low->open || sop_compare(low->bytes, low->size, key.data, key.size) <= 0) return;
    end_set(low, key, 0);
}

static void end_raise(scan_end *high, sop_slice key)
{
    if (high->open || sop_compare(high->bytes, high->size, key.data, key.size) > 0) return;
    end_set(high, key, 1);
}

/* Widens the covered range by where the cursor stands now. */
static void scan_extend(sop_cursor *cursor)
{
    if (sop_view_cursor_at_item(cursor->at)) {
        sop_slice key = sop_view_cursor_key(cursor->at);
        end_lower(&cursor->low, key);
        end_raise(&cursor->high, key);
    }
}

static sop_status scan_flush(sop_cursor *cursor)
{
    if (!cursor->scanning) return SOP_OK;
    cursor->scanning = 0;
    scan_extend(cursor);
    sop_slice from =
        cursor->low.open ? (sop_slice){"", 0} : sop_slice_of(cursor->low.bytes, cursor->low.size);
    sop_slice to =
        cursor->high.open ? (sop_slice){0} : sop_slice_of(cursor->high.bytes, cursor->high.size);
    /* Never beyond the bounds: what lies there cannot change what the cursor shows. */
    if (cursor->from_size != 0 &&
        sop_compare(from.data, from.size, cursor->from, cursor->from_size) < 0) {
        from = sop_slice_of(cursor->from, cursor->from_size);
    }
    if (cursor->to_size != 0 &&
        (to.data == NULL || sop_compare(to.data, to.size, cursor->to, cursor->to_size) > 0)) {
        to = sop_slice_of(cursor->to, cursor->to_size);
    }
    if (to.data != NULL && sop_slice_compare(from, to) >= 0) return SOP_OK;
    return sop_core_read_range(&cursor->store->txn->core, cursor->store->id, from, to,
                               !cursor->values_read);
}

sop_status sop_cursor__flush_all(sop_store *store)
{
    for (sop_cursor *cursor = store->cursors; cursor != NULL; cursor = cursor->next) {
        /* Cursors of an earlier snapshot have nothing to say about this one. */
        if (cursor->snapshot_version != store->txn->core.snapshot_version) break;
        sop_status status = scan_flush(cursor);
        if (status != SOP_OK) return status;
    }
    return SOP_OK;
}

static int recording(const sop_cursor *cursor)
{
    return cursor->low.bytes != NULL && cursor->store->txn->core.mode == SOP_TXN_WRITE &&
           cursor->store->txn->core.tracking;
}

/* A scan begins at a key (before or after it), or at an open end when key is NULL. */
static sop_status scan_begin(sop_cursor *cursor, const sop_slice *key, int open_low, int open_high)
{
    if (!recording(cursor)) return SOP_OK;
    sop_status status = scan_flush(cursor);
    if (status != SOP_OK) return status;
    cursor->scanning = 1;
    cursor->values_read = 0;
    cursor->direction = 0;
    sop_slice none = {"", 0};
    end_set(&cursor->low, key == NULL ? none : *key, 0);
    end_set(&cursor->high, key == NULL ? none : *key, 0);
    cursor->low.open = open_low;
    cursor->high.open = open_high;
    return SOP_OK;
}

static void cursor_close_quietly(sop_cursor *cursor)
{
    sop_store *store = cursor->store;
    ended_collect(store);
    int ended = cursor->snapshot_version != store->txn->core.snapshot_version;
    sop_cursor **link = ended ? &store->ended : &store->cursors;
    while (*link != NULL && *link != cursor) {
        link = &(*link)->next;
    }
    SOP_ASSERT(*link == cursor);
    *link = cursor->next;
    cursor_free(cursor);
}

void sop_cursor_close(sop_cursor *cursor)
{
    if (cursor == NULL) return;
    const sop_core *core = &cursor->store->txn->core;
    if (core->state != NULL && cursor->snapshot_version == core->snapshot_version &&
        scan_flush(cursor) != SOP_OK) {
        return; /* no memory to record what it read: it stays until the transaction ends, and tries again at commit */
    }
    cursor_close_quietly(cursor);
}

/* ---- entering ---- */

static sop_status enter_slow(sop_cursor *cursor)
{
    sop_store *store = cursor->store;
    const sop_core *core = &store->txn->core;
    sop_status status = sop_store__enter(store);
    if (status != SOP_OK) return status;
    if (cursor->snapshot_version != core->snapshot_version) {
        return sop_fail(&store->txn->core.error, SOP_INVALID,
                        "the cursor ended with its snapshot, open another");
    }
    sop_view_cursor_rebind(cursor->at, &store->view);
    cursor->write_version = core->write_version;
    return SOP_OK;
}

SOP_INLINE sop_status enter(sop_cursor *cursor)
{
    sop_core *core = &cursor->store->txn->core;
    sop_status status = sop_core_enter(core);
    if (SOP_UNLIKELY(status != SOP_OK)) return status;
    if (SOP_LIKELY(cursor->write_version == core->write_version)) return SOP_OK;
    return enter_slow(cursor);
}

static sop_error *cursor_error(const sop_cursor *cursor)
{
    return &cursor->store->txn->core.error;
}

/* ---- bounds ---- */

static sop_status bound_set(sop_cursor *cursor, sop_slice key, uint8_t **bytes, size_t *size)
{
    uint8_t stored[SOP_STORED_KEY_MAX];
    sop_slice bound = key;
    if (cursor->store->duplicates) {
        sop_status status = sop_duplicates__bound(cursor->store, key, stored, &bound);
        if (status != SOP_OK) return status;
    }
    uint8_t *copy = sop_realloc(*bytes, bound.size + 1);
    if (copy == NULL) return sop_fail(cursor_error(cursor), SOP_NO_MEMORY, "cursor: out of memory");
    if (bound.size != 0) memcpy(copy, bound.data, bound.size);
    *bytes = copy;
    *size = bound.size;
    return SOP_OK;
}

sop_status sop_cursor_bound(sop_cursor *cursor, sop_slice from, sop_slice to)
{
    if (cursor == NULL) return SOP_INVALID;
    sop_status status = enter(cursor);
    if (status == SOP_OK) status = scan_flush(cursor);
    if (status == SOP_OK) status = bound_set(cursor, from, &cursor->from, &cursor->from_size);
    if (status == SOP_OK) status = bound_set(cursor, to, &cursor->to, &cursor->to_size);
    if (status != SOP_OK) return status;
    cursor->has_bounds = cursor->from_size != 0 || cursor->to_size != 0;
    cursor->unmoved = 1;
    sop_view_cursor_clear(cursor->at);
    return SOP_OK;
}

static int below_from(const sop_cursor *cursor, sop_slice key)
{
    return cursor->from_size != 0 &&
           sop_compare(key.data, key.size, cursor->from, cursor->from_size) < 0;
}

static int beyond_to(const sop_cursor *cursor, sop_slice key)
{
    return cursor->to_size != 0 &&
           sop_compare(key.data, key.size, cursor->to, cursor->to_size) >= 0;
}

/* After a move: an item beyond a bound is none; the cursor then stands in the gap at that bound. */
static sop_status bounds_check(sop_cursor *cursor, sop_status status)
{
    if (status != SOP_OK) return status;
    sop_slice key = sop_view_cursor_key(cursor->at);
    if (below_from(cursor, key)) {
        status = sop_view_cursor_set_gap(cursor->at, sop_slice_of(cursor->from, cursor->from_size),
                                         0, cursor_error(cursor));
    } else if (beyond_to(cursor, key)) {
        status = sop_view_cursor_set_gap(cursor->at, sop_slice_of(cursor->to, cursor->to_size), 0,
                                         cursor_error(cursor));
    } else {
        return SOP_OK;
    }
    return status == SOP_OK ? SOP_NOT_FOUND : status;
}

/* ---- seeks ---- */

static sop_status seek_ge(sop_cursor *cursor, sop_slice key)
{
    if (below_from(cursor, key)) key = sop_slice_of(cursor->from, cursor->from_size);
    return bounds_check(cursor, sop_view_cursor_seek_ge(cursor->at, key, cursor_error(cursor)));
}

static sop_status seek_lt(sop_cursor *cursor, sop_slice key)
{
    if (beyond_to(cursor, key)) key = sop_slice_of(cursor->to, cursor->to_size);
    return bounds_check(cursor, sop_view_cursor_seek_lt(cursor->at, key, cursor_error(cursor)));
}

/* Ends of the range of stored keys that a seek key stands for: [low, high) holds all items equal to it. */
static sop_status equal_range(
    const sop_cursor *cursor, sop_slice key, uint8_t *buffer, sop_slice *low, sop_slice *high)
{
    size_t size = key.size;
    if (!cursor->store->duplicates) {
        memcpy(buffer, key.data, size);
        buffer[size] = 0;
        *low = sop_slice_of(buffer, size);
        *high = sop_slice_of(buffer, size + 1);
        return SOP_OK;
    }
    size = sop_duplicates__prefix(key, buffer);
    if (size == 0) {
        return sop_store__key_check(cursor->store, sop_slice_of(buffer, SOP_KEY_SIZE_MAX + 1));
    }
    memcpy(buffer + SOP_STORED_KEY_MAX, buffer, size);
    buffer[SOP_STORED_KEY_MAX + size - 1] = 2;
    *low = sop_slice_of(buffer, size);
    *high = sop_slice_of(buffer + SOP_STORED_KEY_MAX, size);
    return SOP_OK;
}

static sop_status seek_eq(sop_cursor *cursor, sop_slice low, sop_slice high)
{
    sop_status status = seek_ge(cursor, low);
    if (status != SOP_OK) return status;
    if (sop_slice_compare(sop_view_cursor_key(cursor->at), high) < 0) return SOP_OK;
    status = sop_view_cursor_set_gap(cursor->at, low, 0, cursor_error(cursor));
    return status == SOP_OK ? SOP_NOT_FOUND : status;
}

static sop_status seek_stored(sop_cursor *cursor, sop_seek how, sop_slice low, sop_slice high)
{
    switch (how) {
    case SOP_SEEK_EQ:
        return seek_eq(cursor, low, high);
    case SOP_SEEK_GE:
        return seek_ge(cursor, low);
    case SOP_SEEK_GT:
        return seek_ge(cursor, high);
    case SOP_SEEK_LE:
        return seek_lt(cursor, high);
    case SOP_SEEK_LT:
        return seek_lt(cursor, low);
    default:
        return sop_fail(cursor_error(cursor), SOP_INVALID, "seek: how is %d", (int)how);
    }
}

/* After the seek: an end that was reached without finding anything has been read to its very end. */
static sop_status seek_done(sop_cursor *cursor, sop_status status, int forward)
{
    if (status == SOP_NOT_FOUND && cursor->scanning) {
        if (forward) {
            cursor->high.open = 1;
        } else {
            cursor->low.open = 1;
        }
    }
    return status;
}

sop_status sop_cursor_seek(sop_cursor *cursor, sop_slice key, sop_seek how)
{
    if (cursor == NULL) return SOP_INVALID;
    uint8_t buffer[2 * SOP_STORED_KEY_MAX];
    sop_slice low = {0};
    sop_slice high = {0};
    sop_status status = enter(cursor);
    cursor->unmoved = 0;
    if (status == SOP_OK) status = sop_store__key_check(cursor->store, key);
    if (status == SOP_OK) status = equal_range(cursor, key, buffer, &low, &high);
    if (status != SOP_OK) return status;
    int forward = how == SOP_SEEK_EQ || how == SOP_SEEK_GE || how == SOP_SEEK_GT;
    status = scan_begin(cursor, forward ? &low : &high, 0, 0);
    if (status != SOP_OK) return status;
    if (cursor->scanning && how == SOP_SEEK_EQ) end_set(&cursor->high, high, 0);
    status = seek_stored(cursor, how, low, high);
    return how == SOP_SEEK_EQ ? status : seek_done(cursor, status, forward);
}

sop_status sop_cursor_first(sop_cursor *cursor)
{
    if (cursor == NULL) return SOP_INVALID;
    sop_status status = enter(cursor);
    cursor->unmoved = 0;
    if (status == SOP_OK) status = scan_begin(cursor, NULL, 1, 0);
    if (status != SOP_OK) return status;
    if (cursor->from_size != 0) {
        status = seek_ge(cursor, sop_slice_of(cursor->from, cursor->from_size));
    } else {
        status = bounds_check(cursor, sop_view_cursor_first(cursor->at, cursor_error(cursor)));
    }
    return seek_done(cursor, status, 1);
}

sop_status sop_cursor_last(sop_cursor *cursor)
{
    if (cursor == NULL) return SOP_INVALID;
    sop_status status = enter(cursor);
    cursor->unmoved = 0;
    if (status == SOP_OK) status = scan_begin(cursor, NULL, 0, 1);
    if (status != SOP_OK) return status;
    if (cursor->scanning) {
        /* The low end starts as high as can be and comes down with the cursor. */
        memset(cursor->low.bytes, 0xff, SOP_STORED_KEY_MAX);
        cursor->low.size = SOP_STORED_KEY_MAX;
    }
    if (cursor->to_size != 0) {
        status = seek_lt(cursor, sop_slice_of(cursor->to, cursor->to_size));
    } else {
        status = bounds_check(cursor, sop_view_cursor_last(cursor->at, cursor_error(cursor)));
    }
    return seek_done(cursor, status, 0);
}

sop_status sop_cursor_seek_rank(sop_cursor *cursor, uint64_t rank)
{
    if (cursor == NULL) return SOP_INVALID;
    sop_core *core = &cursor->store->txn->core;
    sop_status status = enter(cursor);
    cursor->unmoved = 0;
    if (status == SOP_OK) status = sop_core_resolve(core, cursor->store->id);
    if (status == SOP_OK) status = scan_begin(cursor, NULL, 1, 0);
    uint64_t before = 0;
    if (status == SOP_OK && cursor->from_size != 0) {
        status = sop_view_rank(&cursor->store->view, sop_slice_of(cursor->from, cursor->from_size),
                               &before, &core->error);
    }
    if (status != SOP_OK) return status;
    if (rank > UINT64_MAX - before) return SOP_NOT_FOUND;
    status =
        bounds_check(cursor, sop_view_cursor_seek_rank(cursor->at, rank + before, &core->error));
    return seek_done(cursor, status, 1);
}

/* ---- steps ---- */

/* A change of direction keeps how far the scan had come. */
static sop_status step_record(sop_cursor *cursor, int direction)
{
    if (!recording(cursor)) return SOP_OK;
    if (!cursor->scanning) {
        /* A fresh cursor: next is first, prev is last; anything else continues where it stands. */
        sop_slice key = {"", 0};
        int at_item = sop_view_cursor_at_item(cursor->at);
        if (at_item) key = sop_view_cursor_key(cursor->at);
        sop_status status = scan_begin(cursor, &key, !at_item, 0);
        if (status != SOP_OK) return status;
        if (!at_item && direction < 0) cursor->high.open = 1;
    }
    if (cursor->direction != direction) {
        scan_extend(cursor);
        cursor->direction = direction;
    }
    return SOP_OK;
}

sop_status sop_cursor_next(sop_cursor *cursor)
{
    if (cursor == NULL) return SOP_INVALID;
    sop_status status = enter(cursor);
    if (SOP_UNLIKELY(status != SOP_OK)) return status;
    if (SOP_UNLIKELY(cursor->unmoved)) return sop_cursor_first(cursor);
    if (SOP_UNLIKELY(cursor->low.bytes != NULL)) {
        status = step_record(cursor, 1);
        if (status != SOP_OK) return status;
    }
    status = sop_view_cursor_next(cursor->at, cursor_error(cursor));
    if (SOP_LIKELY(status == SOP_OK && !cursor->has_bounds)) return SOP_OK;
    return seek_done(cursor, bounds_check(cursor, status), 1);
}

sop_status sop_cursor_prev(sop_cursor *cursor)
{
    if (cursor == NULL) return SOP_INVALID;
    sop_status status = enter(cursor);
    if (SOP_UNLIKELY(status != SOP_OK)) return status;
    if (SOP_UNLIKELY(cursor->unmoved)) return sop_cursor_last(cursor);
    if (SOP_UNLIKELY(cursor->low.bytes != NULL)) {
        status = step_record(cursor, -1);
        if (status != SOP_OK) return status;
    }
    status = sop_view_cursor_prev(cursor->at, cursor_error(cursor));
    if (SOP_LIKELY(status == SOP_OK && !cursor->has_bounds)) return SOP_OK;
    return seek_done(cursor, bounds_check(cursor, status), 0);
}

/* ---- reading the item ---- */

SOP_INLINE sop_status item_enter(sop_cursor *cursor)
{
    sop_status status = enter(cursor);
    if (SOP_UNLIKELY(status != SOP_OK)) return status;
    return SOP_LIKELY(sop_view_cursor_at_item(cursor->at)) ? SOP_OK : SOP_NOT_FOUND;
}

static sop_status key_split(sop_cursor *cursor, sop_slice stored, sop_slice *key_out)
{
    const uint8_t *id;
    sop_status status = sop_duplicates__split(stored, cursor->plain_key, &cursor->plain_size, &id);
    if (status != SOP_OK) {
        return sop_fail(cursor_error(cursor), SOP_CORRUPT,
                        "store \"%.120s\": a stored key of %zu bytes has no item id",
                        cursor->store->name, stored.size);
    }
    *key_out = sop_slice_of(cursor->plain_key, cursor->plain_size);
    return SOP_OK;
}

SOP_INLINE sop_status key_out_of(sop_cursor *cursor, sop_slice *key_out)
{
    sop_slice stored = sop_view_cursor_key(cursor->at);
    if (SOP_UNLIKELY(cursor->plain_key != NULL)) return key_split(cursor, stored, key_out);
    *key_out = stored;
    return SOP_OK;
}

sop_status sop_cursor_key(const sop_cursor *cursor, sop_slice *key_out)
{
    if (cursor == NULL || key_out == NULL) return SOP_INVALID;
    sop_cursor *me = cursor->self;
    sop_status status = item_enter(me);
    return SOP_LIKELY(status == SOP_OK) ? key_out_of(me, key_out) : status;
}

sop_status sop_cursor_value(sop_cursor *cursor, sop_slice *value_out)
{
    if (cursor == NULL || value_out == NULL) return SOP_INVALID;
    sop_status status = item_enter(cursor);
    if (SOP_UNLIKELY(status != SOP_OK)) return status;
    cursor->values_read = 1;
    return sop_store__value_out(cursor->store, sop_view_cursor_value(cursor->at), value_out);
}

sop_status sop_cursor_item(sop_cursor *cursor, sop_slice *key_out, sop_slice *value_out)
{
    if (cursor == NULL || key_out == NULL || value_out == NULL) return SOP_INVALID;
    sop_status status = item_enter(cursor);
    if (SOP_UNLIKELY(status != SOP_OK)) return status;
    cursor->values_read = 1;
    status = key_out_of(cursor, key_out);
    if (SOP_UNLIKELY(status != SOP_OK)) return status;
    return sop_store__value_out(cursor->store, sop_view_cursor_value(cursor->at), value_out);
}

/* A copy for a page: keys of the base are put together in the cursor's own buffer, large values in the store's. */
static sop_status page_copy(sop_cursor *cursor, sop_slice *slice)
{
    const void *copy = sop_arena_copy(&cursor->page, slice->data, slice->size);
    if (copy == NULL) return sop_fail(cursor_error(cursor), SOP_NO_MEMORY, "cursor: out of memory");
    slice->data = copy;
    return SOP_OK;
}

static sop_status page_item(sop_cursor *cursor, sop_item *item)
{
    sop_status status = sop_cursor_item(cursor, &item->key, &item->value);
    if (status == SOP_OK) status = page_copy(cursor, &item->key);
    if (status == SOP_OK && item->value.data == cursor->store->large && item->value.size != 0) {
        status = page_copy(cursor, &item->value);
    }
    return status;
}

/* Room for keys of a page: for so many of the usual size, and at least for one. */
enum { PAGE_KEYS = 256, PAGE_KEY_USUAL = 40 };

/* Takes what follows in the current leaf, where no recent change lies. */
static sop_status page_run(sop_cursor *cursor, int forward, sop_btree_page *page)
{
    if (cursor->unmoved || cursor->plain_key != NULL || !sop_view_cursor_can_take(cursor->at)) {
        return SOP_OK;
    }
    size_t wanted = page->capacity - page->count;
    if (wanted > PAGE_KEYS) wanted = PAGE_KEYS;
    page->room = wanted * PAGE_KEY_USUAL + SOP_BTREE_PAGE_ROOM;
    page->keys = sop_arena_alloc(&cursor->page, page->room);
    if (page->keys == NULL) {
        return sop_fail(cursor_error(cursor), SOP_NO_MEMORY, "cursor: out of memory");
    }
    sop_status status = step_record(cursor, forward ? 1 : -1);
    if (status != SOP_OK) return status;
    cursor->values_read = 1;
    sop_view_cursor_take(cursor->at, forward,
                         forward ? sop_slice_of(cursor->to, cursor->to_size)
                                 : sop_slice_of(cursor->from, cursor->from_size),
                         page);
    return SOP_OK;
}

sop_status sop_cursor_read(
    sop_cursor *cursor, int direction, sop_item *items, size_t capacity, size_t *count_out)
{
    if (cursor == NULL || count_out == NULL || items == NULL || capacity == 0 || direction == 0) {
        return SOP_INVALID;
    }
    *count_out = 0;
    sop_arena_reset(&cursor->page);
    sop_btree_page page = {.items = items, .capacity = capacity};
    sop_status status = enter(cursor);
    while (status == SOP_OK) {
        status = page_run(cursor, direction > 0, &page);
        if (status != SOP_OK || page.count == capacity) break;
        status = direction > 0 ? sop_cursor_next(cursor) : sop_cursor_prev(cursor);
        if (status == SOP_OK) status = page_item(cursor, &items[page.count]);
        if (status == SOP_OK) page.count++;
    }
    *count_out = page.count;
    return status == SOP_NOT_FOUND && page.count != 0 ? SOP_OK : status;
}

sop_status sop_cursor_item_id(const sop_cursor *cursor, sop_item_id *id_out)
{
    if (cursor == NULL || id_out == NULL) return SOP_INVALID;
    sop_cursor *me = cursor->self;
    memset(id_out, 0, sizeof *id_out);
    sop_status status = item_enter(me);
    if (status != SOP_OK || me->plain_key == NULL) return status;
    sop_slice stored = sop_view_cursor_key(me->at);
    sop_slice key;
    status = key_split(me, stored, &key);
    if (status == SOP_OK) {
        memcpy(id_out->bytes, (const uint8_t *)stored.data + stored.size - 16, 16);
    }
    return status;
}

sop_status sop_cursor_rank(sop_cursor *cursor, uint64_t *rank_out)
{
    if (cursor == NULL || rank_out == NULL) return SOP_INVALID;
    sop_core *core = &cursor->store->txn->core;
    sop_status status = enter(cursor);
    if (status == SOP_OK) status = sop_core_resolve(core, cursor->store->id);
    if (status == SOP_OK && !sop_view_cursor_at_item(cursor->at)) status = SOP_NOT_FOUND;
    if (status != SOP_OK) return status;
    status = sop_core_read_range(core, cursor->store->id, (sop_slice){"", 0},
                                 sop_view_cursor_key(cursor->at), 1);
    if (status == SOP_OK) status = sop_view_cursor_rank(cursor->at, rank_out, &core->error);
    if (status != SOP_OK || cursor->from_size == 0) return status;
    uint64_t before;
    status = sop_view_rank(&cursor->store->view, sop_slice_of(cursor->from, cursor->from_size),
                           &before, &core->error);
    *rank_out -= before;
    return status;
}

/* ---- changing the item ---- */

/* The stored key under the cursor, copied: the write may move what it points to. */
static sop_status stored_key_copy(sop_cursor *cursor, uint8_t *buffer, sop_slice *out)
{
    sop_status status = sop_store__enter_write(cursor->store);
    if (status == SOP_OK) status = item_enter(cursor);
    if (status != SOP_OK) return status;
    sop_slice key = sop_view_cursor_key(cursor->at);
    memcpy(buffer, key.data, key.size);
    *out = sop_slice_of(buffer, key.size);
    /* Standing on it is a read of its presence. */
    return sop_store__lookup(cursor->store, *out, NULL);
}

sop_status sop_cursor_update(sop_cursor *cursor, sop_slice value)
{
    if (cursor == NULL) return SOP_INVALID;
    uint8_t buffer[SOP_STORED_KEY_MAX];
    sop_slice key;
    sop_status status = stored_key_copy(cursor, buffer, &key);
    return status == SOP_OK ? sop_store__write(cursor->store, key, value, SOP_BELOW_PRESENT)
                            : status;
}

sop_status sop_cursor_remove(sop_cursor *cursor)
{
    if (cursor == NULL) return SOP_INVALID;
    uint8_t buffer[SOP_STORED_KEY_MAX];
    sop_slice key;
    sop_status status = stored_key_copy(cursor, buffer, &key);
    return status == SOP_OK ? sop_store__remove_stored(cursor->store, key) : status;
}
