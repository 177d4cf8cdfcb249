/* SPDX-License-Identifier: MIT */
/* A plain sorted array beside the memtable, and the comparison of the two by every way of reading. */
#ifndef SOP_TESTS_MEMTABLE_MODEL_H
#define SOP_TESTS_MEMTABLE_MODEL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "memtable/memtable.h"
#include "support/support.h"
#include "util/bytes.h"

typedef struct {
    sop_slice key;
    sop_slice value;
    uint64_t seq;
    uint64_t shape_seq;
    int present;
    int below;
} model_entry;

typedef struct {
    model_entry *entries;
    size_t count;
    size_t capacity;
} model_store;

/* Copies of keys and values, freed together. Not from the library's heap, whose failures are injected. */
typedef struct model_bytes {
    struct model_bytes *next;
    uint8_t bytes[];
} model_bytes;

SOP_UNUSED static const void *model_keep(model_bytes **kept, sop_slice slice)
{
    model_bytes *copy = malloc(sizeof *copy + slice.size);
    assert_non_null(copy);
    if (slice.size != 0) memcpy(copy->bytes, slice.data, slice.size);
    copy->next = *kept;
    *kept = copy;
    return copy->bytes;
}

SOP_UNUSED static void model_forget(model_bytes **kept)
{
    while (*kept != NULL) {
        model_bytes *next = (*kept)->next;
        free(*kept);
        *kept = next;
    }
}

#define MODEL_STORES 4
static const uint64_t model_store_ids[MODEL_STORES] = {1, 17, 20000, UINT64_C(1) << 62};

typedef struct {
    model_store stores[MODEL_STORES];
} model;

SOP_UNUSED static size_t model_lower(const model_store *store, sop_slice key)
{
    size_t low = 0;
    size_t high = store->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (sop_slice_compare(store->entries[middle].key, key) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

SOP_UNUSED static int model_has(const model_store *store, size_t at, sop_slice key)
{
    return at < store->count && sop_slice_equal(store->entries[at].key, key);
}

/* entry: key, value (copied), seq, present, below; shape_seq is worked out here. */
SOP_UNUSED static void model_set(model_bytes **kept, model_store *store, model_entry entry)
{
    size_t at = model_lower(store, entry.key);
    entry.value.data = model_keep(kept, entry.value);
    if (!entry.present) entry.value.size = 0;
    if (model_has(store, at, entry.key)) {
        model_entry *old = &store->entries[at];
        entry.key = old->key;
        entry.below = old->below;
        entry.shape_seq = old->present != entry.present ? entry.seq : old->shape_seq;
        *old = entry;
        return;
    }
    entry.key.data = model_keep(kept, entry.key);
    entry.shape_seq = entry.present != (entry.below == SOP_BELOW_PRESENT) ? entry.seq : 0;
    if (store->count == store->capacity) {
        store->capacity = store->capacity * 2 + 16;
        store->entries = realloc(store->entries, store->capacity * sizeof entry);
    }
    memmove(store->entries + at + 1, store->entries + at, (store->count - at) * sizeof entry);
    store->entries[at] = entry;
    store->count++;
}

SOP_UNUSED static model model_copy(const model *from)
{
    model to = *from;
    for (size_t i = 0; i < MODEL_STORES; i++) {
        model_store *store = &to.stores[i];
        store->capacity = store->count + 1;
        store->entries = malloc(store->capacity * sizeof store->entries[0]);
        if (store->count != 0) {
            memcpy(store->entries, from->stores[i].entries,
                   store->count * sizeof store->entries[0]);
        }
    }
    return to;
}

SOP_UNUSED static void model_free(model *m)
{
    for (size_t i = 0; i < MODEL_STORES; i++) {
        free(m->stores[i].entries);
    }
    *m = (model){0};
}

SOP_UNUSED static int model_delta(const model_entry *entry)
{
    return entry->present - (entry->below == SOP_BELOW_PRESENT);
}

SOP_UNUSED static void entry_verify(const model_entry *entry, const sop_record *record)
{
    assert_non_null(record);
    assert_true(sop_slice_equal(entry->key, sop_record_key(record)));
    assert_true(sop_slice_equal(entry->value, sop_record_value(record)));
    assert_int_equal(entry->present, sop_record_present(record));
    assert_int_equal(entry->below, record->below);
    assert_int_equal(entry->seq, record->seq);
    assert_int_equal(entry->shape_seq, record->shape_seq);
}

/* All records forward, backward and by key. */
SOP_UNUSED static void tree_verify(const model_store *store, const sop_memtree *tree)
{
    sop_memcursor cursor;
    int64_t delta = 0;
    sop_memcursor_init(&cursor, tree);
    const sop_record *record = sop_memcursor_first(&cursor);
    for (size_t i = 0; i < store->count; i++) {
        entry_verify(&store->entries[i], record);
        assert_ptr_equal(record, cursor.record);
        if (i % 16 == 0) {
            assert_ptr_equal(sop_memtree_get(tree, store->entries[i].key), record);
            assert_int_equal(sop_memtree_delta_before(tree, store->entries[i].key), delta);
        }
        delta += model_delta(&store->entries[i]);
        record = sop_memcursor_next(&cursor);
    }
    assert_null(record);
    assert_int_equal(sop_memtree_delta(tree), delta);
    assert_int_equal(sop_memtree_items(tree), store->count);
    record = sop_memcursor_last(&cursor);
    for (size_t i = store->count; i-- > 0;) {
        assert_non_null(record);
        assert_true(sop_slice_equal(store->entries[i].key, sop_record_key(record)));
        record = sop_memcursor_prev(&cursor);
    }
    assert_null(record);
}

SOP_UNUSED static void model_verify(const model *m, const sop_memtable_root *root)
{
    assert_int_equal(sop_memtable_check(root), SOP_OK);
    for (size_t i = 0; i < MODEL_STORES; i++) {
        tree_verify(&m->stores[i], sop_memtable_tree(root, model_store_ids[i]));
    }
}

/* --- keys --- */

enum {
    KEYS_DECIMAL,  /* 16 digits: equal 8-byte heads, short differences */
    KEYS_RANDOM,   /* 16 random bytes */
    KEYS_PREFIXED, /* 40 equal bytes, then digits */
    KEYS_SHORT,    /* 0 to 3 bytes of 0, 1 and 255: heads that padding makes equal */
    KEYS_GROUPS,   /* few different heads, many keys with each */
    KEYS_LONG,     /* 4,160 bytes, different at the end only */
    KEYS_SHAPES
};

#define MODEL_KEY_MAX 4160

SOP_UNUSED static sop_slice model_key(int shape, uint64_t number, uint8_t *buffer)
{
    uint64_t state = number;
    size_t size = 0;
    switch (shape) {
    case KEYS_DECIMAL:
        return sop_slice_of(
            buffer, (size_t)snprintf((char *)buffer, 32, "%016llu", (unsigned long long)number));
    case KEYS_RANDOM:
        sop_put_u64le(buffer, sop_test_random(&state));
        sop_put_u64le(buffer + 8, sop_test_random(&state));
        return sop_slice_of(buffer, 16);
    case KEYS_PREFIXED:
        memset(buffer, 'p', 40);
        size = (size_t)snprintf((char *)buffer + 40, 32, "%llu", (unsigned long long)number);
        return sop_slice_of(buffer, 40 + size);
    case KEYS_SHORT:
        for (uint64_t rest = number % 121; rest != 0; rest /= 3) {
            static const uint8_t letters[3] = {0, 1, 255};
            rest--;
            buffer[size++] = letters[rest % 3];
        }
        return sop_slice_of(buffer, size);
    case KEYS_GROUPS:
        size =
            (size_t)snprintf((char *)buffer, 64, "group-%02llu/", (unsigned long long)(number % 3));
        size += (size_t)snprintf((char *)buffer + size, 32, "%llx", (unsigned long long)number);
        return sop_slice_of(buffer, size);
    default:
        memset(buffer, 'k', MODEL_KEY_MAX);
        sop_put_u64be(buffer + MODEL_KEY_MAX - 8, number);
        return sop_slice_of(buffer, MODEL_KEY_MAX);
    }
}

#endif
