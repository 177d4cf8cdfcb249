/* SPDX-License-Identifier: MIT */
/* Random views over real base trees and memtables, with a plain model beside them. */
#include "support/view_fixture.h"

#include <stdlib.h>
#include <string.h>

#include "btree/btree.h"
#include "support/support.h"
#include "util/assert.h"
#include "util/bytes.h"

uint64_t view_fixture_below(view_fixture *f, uint64_t limit)
{
    return sop_test_random(&f->random) % limit;
}

view_shape view_shape_random(uint64_t seed)
{
    static const unsigned percents[] = {0, 1, 10, 50, 90, 100};
    static const size_t sizes[] = {10, 100, 2000, 16000};
    uint64_t random = seed;
    view_shape shape = {.seed = seed};
    shape.kind = (view_key_kind)(sop_test_random(&random) % VIEW_KEYS_KINDS);
    shape.keys = 1 + sop_test_random(&random) % (sop_test_random(&random) % 4 == 0 ? 600 : 60);
    shape.base_percent = percents[sop_test_random(&random) % 6];
    shape.layers = (uint32_t)(sop_test_random(&random) % SOP_VIEW_LAYERS_MAX);
    shape.layer_percent = percents[sop_test_random(&random) % 6];
    shape.value_size_max = sizes[sop_test_random(&random) % 4];
    return shape;
}

static size_t key_make(view_fixture *f, uint8_t *key)
{
    size_t size = 0;
    size_t random_bytes = 0;
    unsigned letters = 256;
    switch (f->shape.kind) {
    case VIEW_KEYS_TINY:
        random_bytes = 1 + view_fixture_below(f, 3);
        letters = 8;
        break;
    case VIEW_KEYS_HEAD:
        size = 8 + view_fixture_below(f, 5);
        memset(key, 'h', size);
        random_bytes = view_fixture_below(f, 4);
        letters = 6;
        break;
    case VIEW_KEYS_LONG:
        size = view_fixture_below(f, 4) == 0 ? view_fixture_below(f, 4090) : 4090;
        memset(key, 'l', size);
        random_bytes = 1 + view_fixture_below(f, 6);
        letters = 5;
        break;
    case VIEW_KEYS_NUMBER:
        sop_put_u64be(key, view_fixture_below(f, f->shape.keys * 3));
        return 8;
    case VIEW_KEYS_RANDOM:
    case VIEW_KEYS_KINDS:
    default:
        random_bytes = 1 + view_fixture_below(f, 24);
        break;
    }
    while (random_bytes-- > 0)
        key[size++] = (uint8_t)view_fixture_below(f, letters);
    return size;
}

static int slice_order(const void *a, const void *b)
{
    const sop_slice *left = a;
    const sop_slice *right = b;
    return sop_slice_compare(*left, *right);
}

static void *zeroed(size_t count, size_t size)
{
    void *memory = calloc(count == 0 ? 1 : count, size);
    SOP_ASSERT(memory != NULL);
    return memory;
}

static void keys_make(view_fixture *f)
{
    size_t wanted = f->shape.keys;
    f->keys = zeroed(wanted, sizeof *f->keys);
    uint8_t buffer[SOP_KEY_SIZE_MAX];
    for (size_t i = 0; i < wanted; i++) {
        size_t size = key_make(f, buffer);
        uint8_t *copy = zeroed(size, 1);
        memcpy(copy, buffer, size);
        f->keys[i] = sop_slice_of(copy, size);
    }
    qsort(f->keys, wanted, sizeof *f->keys, slice_order);
    for (size_t i = 0; i < wanted; i++) {
        if (f->count != 0 && sop_slice_equal(f->keys[f->count - 1], f->keys[i])) {
            free((void *)(uintptr_t)f->keys[i].data);
        } else {
            f->keys[f->count++] = f->keys[i];
        }
    }
}

sop_view_value view_fixture_value(view_fixture *f, uint32_t id)
{
    sop_view_value value = {{f->value_buffer, SOP_VALUE_REFERENCE_SIZE}, id % 11 == 0};
    if (value.is_reference) {
        memset(f->value_buffer, 0, SOP_VALUE_REFERENCE_SIZE);
        sop_put_u64le(f->value_buffer, id);
        sop_put_u64le(f->value_buffer + 8, 1u << 24 | 1u);
        return value;
    }
    value.bytes.size = id % 7 == 0 ? 0 : id * 2654435761u % (f->shape.value_size_max + 1);
    memset(f->value_buffer, (int)(id & 0xff), value.bytes.size);
    if (value.bytes.size >= 4) sop_put_u32le(f->value_buffer, id);
    return value;
}

static void base_make(view_fixture *f)
{
    sop_error err;
    static const uint8_t id[16] = {1};
    sop_status status = sop_backend_memory_open("", SOP_BACKEND_NEW, &f->backend, &err);
    SOP_ASSERT(status == SOP_OK);
    status = sop_blobs_open(f->backend, id, 0x1234567890u, &f->blobs, &err);
    SOP_ASSERT(status == SOP_OK);
    status = sop_blob_writer_new(f->blobs, SOP_SEGMENT_NODES, 1u << 26, &f->writer, &err);
    SOP_ASSERT(status == SOP_OK);
    sop_btree_builder *builder = NULL;
    status = sop_btree_builder_new(f->writer, &builder, &err);
    SOP_ASSERT(status == SOP_OK);
    for (size_t i = 0; i < f->count; i++) {
        f->present[i] = view_fixture_below(f, 100) < f->shape.base_percent;
        if (!f->present[i]) continue;
        f->values[i] = f->next_value++;
        sop_view_value value = view_fixture_value(f, f->values[i]);
        status = sop_btree_builder_add(builder, f->keys[i], value.bytes, value.is_reference, &err);
        SOP_ASSERT(status == SOP_OK);
    }
    status = sop_btree_builder_finish(builder, &f->view.base, &err);
    SOP_ASSERT(status == SOP_OK);
    sop_btree_builder_free(builder);
    status = sop_blob_writer_finish(f->writer, &f->rows, &f->row_count, &err);
    SOP_ASSERT(status == SOP_OK);
    status = sop_segments_open(f->blobs, f->rows, f->row_count, &f->segments, &err);
    SOP_ASSERT(status == SOP_OK);
    f->view.base.segments = f->segments;
}

static void record_set(view_fixture *f, sop_memtable *table, size_t index, int present, int below)
{
    sop_view_value value = view_fixture_value(f, f->values[index]);
    unsigned flags = 0;
    if (present) flags = SOP_RECORD_PRESENT | (value.is_reference ? SOP_RECORD_REFERENCE : 0u);
    sop_status status = sop_memtable_set(table, VIEW_FIXTURE_STORE, f->keys[index], value.bytes,
                                         flags, below ? SOP_BELOW_PRESENT : SOP_BELOW_ABSENT);
    SOP_ASSERT(status == SOP_OK);
}

/* Sets the state of a key in the model. */
static void model_set(view_fixture *f, size_t index, int present)
{
    f->present[index] = (uint8_t)present;
    if (present) f->values[index] = f->next_value++;
}

/* One layer of several transactions: inserts, updates, removes, and entries that end where they
 * began. */
static void layer_make(view_fixture *f, uint64_t *seq)
{
    sop_memtable *table = sop_memtable_new();
    SOP_ASSERT(table != NULL);
    const sop_memtable_root *root = NULL;
    uint8_t *below = zeroed(f->count, 1);
    memcpy(below, f->present, f->count);
    for (int batch = 0; batch < 3; batch++) {
        sop_memtable_begin(table, ++*seq);
        for (size_t i = 0; i < f->count; i++) {
            if (view_fixture_below(f, 300) >= f->shape.layer_percent) continue;
            model_set(f, i, view_fixture_below(f, 5) < 3);
            record_set(f, table, i, f->present[i], below[i]);
        }
        /* Another store, so that trees of one table are told apart. */
        sop_status status = sop_memtable_set(table, VIEW_FIXTURE_STORE + 1, sop_str("elsewhere"),
                                             sop_str("x"), SOP_RECORD_PRESENT, 0);
        SOP_ASSERT(status == SOP_OK);
        root = sop_memtable_publish(table);
    }
    free(below);
    f->tables[f->table_count++] = table;
    f->view.layers[f->view.layer_count++] = sop_memtable_tree(root, VIEW_FIXTURE_STORE);
}

static void below_keep(view_fixture *f)
{
    memcpy(f->below_present, f->present, f->count);
    memcpy(f->below_values, f->values, f->count * sizeof *f->values);
}

void view_fixture_open(view_fixture *f, const view_shape *shape)
{
    memset(f, 0, sizeof *f);
    f->shape = *shape;
    f->random = shape->seed;
    f->next_value = 1;
    keys_make(f);
    f->present = zeroed(f->count, 1);
    f->written = zeroed(f->count, 1);
    f->below_present = zeroed(f->count, 1);
    f->values = zeroed(f->count, sizeof *f->values);
    f->below_values = zeroed(f->count, sizeof *f->below_values);
    base_make(f);
    uint64_t seq = 100;
    for (uint32_t i = 0; i < shape->layers; i++)
        layer_make(f, &seq);
    below_keep(f);
}

void view_fixture_close(view_fixture *f)
{
    for (uint32_t i = 0; i < f->table_count; i++)
        sop_memtable_free(f->tables[i]);
    sop_memtable_free(f->write_set);
    sop_segments_release(f->segments);
    sop_blob_writer_free(f->writer);
    sop_blobs_close(f->blobs);
    f->backend->ops->free(f->backend);
    for (size_t i = 0; i < f->count; i++)
        free((void *)(uintptr_t)f->keys[i].data);
    free(f->keys);
    free(f->present);
    free(f->written);
    free(f->values);
    free(f->below_present);
    free(f->below_values);
}

static void view_update(view_fixture *f)
{
    f->view.layer_count = f->table_count;
    if (f->write_set == NULL) return;
    SOP_ASSERT(f->table_count < SOP_VIEW_LAYERS_MAX);
    const sop_memtree *tree = sop_memtable_tree(f->write_root, VIEW_FIXTURE_STORE);
    f->view.layers[f->view.layer_count++] = tree;
}

void view_fixture_write(view_fixture *f, size_t index, int present)
{
    if (f->write_set == NULL) {
        f->write_set = sop_memtable_new();
        SOP_ASSERT(f->write_set != NULL);
    }
    sop_memtable_begin(f->write_set, 1);
    model_set(f, index, present);
    f->written[index] = 1;
    record_set(f, f->write_set, index, present, f->below_present[index]);
    f->write_root = sop_memtable_publish(f->write_set);
    view_update(f);
}

void view_fixture_move_write_set(view_fixture *f)
{
    if (f->write_set == NULL) return;
    sop_memtable_free(f->write_set);
    f->write_set = sop_memtable_new();
    SOP_ASSERT(f->write_set != NULL);
    sop_memtable_begin(f->write_set, 1);
    for (size_t i = 0; i < f->count; i++) {
        if (f->written[i]) record_set(f, f->write_set, i, f->present[i], f->below_present[i]);
    }
    f->write_root = sop_memtable_publish(f->write_set);
    view_update(f);
}

void view_fixture_drop_write_set(view_fixture *f)
{
    sop_memtable_free(f->write_set);
    f->write_set = NULL;
    memset(f->written, 0, f->count);
    memcpy(f->present, f->below_present, f->count);
    memcpy(f->values, f->below_values, f->count * sizeof *f->values);
    view_update(f);
}

size_t view_fixture_lower(const view_fixture *f, sop_slice key)
{
    size_t low = 0;
    size_t high = f->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (sop_slice_compare(f->keys[middle], key) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

int view_fixture_find(const view_fixture *f, sop_slice key, size_t *index_out)
{
    size_t index = view_fixture_lower(f, key);
    *index_out = index;
    return index < f->count && sop_slice_equal(f->keys[index], key) && f->present[index];
}

uint64_t view_fixture_rank(const view_fixture *f, sop_slice key)
{
    uint64_t rank = 0;
    size_t index = view_fixture_lower(f, key);
    for (size_t i = 0; i < index; i++)
        rank += f->present[i];
    return rank;
}

uint64_t view_fixture_count(const view_fixture *f)
{
    uint64_t count = 0;
    for (size_t i = 0; i < f->count; i++)
        count += f->present[i];
    return count;
}

sop_slice view_fixture_probe(view_fixture *f, uint8_t *buffer)
{
    size_t size = 0;
    uint64_t how = view_fixture_below(f, 10);
    if (how < 8) {
        sop_slice key = f->keys[view_fixture_below(f, f->count)];
        memcpy(buffer, key.data, key.size);
        size = key.size;
        if (how == 6) buffer[view_fixture_below(f, size)]++;
        if (how == 7) buffer[size++] = 0;
    } else {
        size = key_make(f, buffer);
    }
    /* Longer than any key that can be stored. */
    if (view_fixture_below(f, 50) == 0) {
        memset(buffer + size, 'l', 4200 - size);
        size = 4200;
    }
    return sop_slice_of(buffer, size);
}
