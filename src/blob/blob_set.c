/* SPDX-License-Identifier: MIT */
/* The registry of mapped segments and the unchanging sets of them. */
#include <inttypes.h>
#include <string.h>

#include "blob/blob.h"
#include "blob/blob_private.h"
#include "util/assert.h"
#include "util/bytes.h"
#include "util/error.h"
#include "util/memory.h"

sop_status sop_blobs_open(sop_backend *backend,
                          const uint8_t database_id[16],
                          uint64_t short_incarnation,
                          sop_blobs **out,
                          sop_error *err)
{
    *out = NULL;
    SOP_ASSERT(short_incarnation != 0 && short_incarnation >> 40 == 0);
    sop_blobs *blobs = sop_alloc_zeroed(sizeof *blobs);
    if (blobs == NULL) return sop_fail(err, SOP_NO_MEMORY, "no memory for the segment registry");
    blobs->backend = backend;
    memcpy(blobs->database_id, database_id, 16);
    blobs->short_incarnation = short_incarnation;
    atomic_init(&blobs->next_n, 1);
    *out = blobs;
    return SOP_OK;
}

void sop_blobs_close(sop_blobs *blobs)
{
    if (blobs == NULL) return;
    SOP_ASSERT(blobs->oldest == NULL);
    sop_blob__values_close(blobs);
    for (size_t i = 0; i < SOP_REGISTRY_BUCKETS; i++) {
        for (sop_segment_map *map = blobs->buckets[i]; map != NULL;) {
            sop_segment_map *next = map->next;
            sop_blob__map_free(blobs, map);
            map = next;
        }
    }
    sop_free(blobs);
}

/* --- the registry; all with lock held --- */

static sop_segment_map **registry_link(sop_blobs *blobs, uint64_t segment)
{
    size_t bucket = (size_t)((segment * 0x9e3779b97f4a7c15u) >> 32) % SOP_REGISTRY_BUCKETS;
    sop_segment_map **link = &blobs->buckets[bucket];
    while (*link != NULL && (*link)->segment != segment) {
        link = &(*link)->next;
    }
    return link;
}

static void registry_insert(sop_blobs *blobs, sop_segment_map *map)
{
    sop_segment_map **link = registry_link(blobs, map->segment);
    SOP_ASSERT(*link == NULL);
    *link = map;
}

/* Gives up one reference; the map ends with the last one. */
static void registry_drop(sop_blobs *blobs, sop_segment_map *map)
{
    SOP_ASSERT(map->references > 0);
    if (--map->references > 0) return;
    sop_segment_map **link = registry_link(blobs, map->segment);
    SOP_ASSERT(*link == map);
    *link = map->next;
    sop_blob__map_free(blobs, map);
}

/* Ends the pins of removed segments that no set of their time can name any more. */
static void registry_unpin_retired(sop_blobs *blobs)
{
    uint64_t oldest = blobs->oldest == NULL ? UINT64_MAX : blobs->oldest->sequence;
    for (size_t i = 0; i < SOP_REGISTRY_BUCKETS; i++) {
        for (sop_segment_map *map = blobs->buckets[i]; map != NULL;) {
            sop_segment_map *next = map->next;
            if (map->pinned && map->retired && map->retired_at < oldest) {
                map->pinned = 0;
                registry_drop(blobs, map);
            }
            map = next;
        }
    }
}

void sop_blob__register(sop_blobs *blobs, sop_segment_map *map)
{
    sop_mutex_lock(&blobs->lock);
    map->pinned = 1;
    registry_insert(blobs, map);
    sop_mutex_unlock(&blobs->lock);
}

sop_segment_map *sop_blob__find(sop_blobs *blobs, const sop_segments *segments, uint64_t segment)
{
    if (segments != NULL) {
        const sop_segment_slot *slot = sop_segments_slot(segments, segment);
        if (slot != NULL && slot->map != NULL) return slot->map;
    }
    sop_mutex_lock(&blobs->lock);
    sop_segment_map *map = *registry_link(blobs, segment);
    /* A map without a pin may end with the set of somebody else. */
    if (map != NULL && !map->pinned) map = NULL;
    sop_mutex_unlock(&blobs->lock);
    return map;
}

/* One reference more to the map of a segment, opening it when it is new. */
static sop_status registry_obtain(
    sop_blobs *blobs, const sop_segment_row *row, int pin, sop_segment_map **out, sop_error *err)
{
    *out = NULL;
    sop_segment_map *fresh = NULL;
    sop_mutex_lock(&blobs->lock);
    sop_segment_map *map = *registry_link(blobs, row->segment);
    if (map == NULL) {
        sop_mutex_unlock(&blobs->lock);
        sop_status status =
            sop_blob__map_open(blobs, row->segment, row->kind, row->size, &fresh, err);
        if (status != SOP_OK) return status;
        sop_mutex_lock(&blobs->lock);
        map = *registry_link(blobs, row->segment);
        if (map == NULL) {
            map = fresh;
            fresh = NULL;
            map->references = 0;
            registry_insert(blobs, map);
        }
    }
    if (!pin || !map->pinned) map->references++;
    if (pin) map->pinned = 1;
    *out = map;
    sop_mutex_unlock(&blobs->lock);
    sop_blob__map_free(blobs, fresh);
    return SOP_OK;
}

sop_status sop_blobs_adopt(sop_blobs *blobs, uint64_t segment, sop_error *err)
{
    sop_segment_map *map = NULL;
    sop_segment_row row = {.segment = segment};
    return registry_obtain(blobs, &row, 1, &map, err);
}

sop_status sop_blobs_adopt_blob(sop_blobs *blobs, sop_address address, sop_error *err)
{
    sop_segment_map *map = NULL;
    uint64_t end = sop_address_offset(address) + sop_address_length(address);
    sop_segment_row row = {.segment = address.segment, .size = end};
    if (sop_address_length(address) == 0) {
        return sop_fail(err, SOP_CORRUPT, "a value refers to a blob of 0 bytes");
    }
    sop_status status = registry_obtain(blobs, &row, 1, &map, err);
    if (status != SOP_OK) return status;
    /* Acquire pairs with the release of who grew it. */
    if (atomic_load_explicit(&map->size, memory_order_acquire) >= end) return SOP_OK;
    return sop_blob__map_grow(blobs, map, end, err);
}

size_t sop_blobs_value_segments(sop_blobs *blobs, sop_segment_row *rows, size_t capacity)
{
    size_t count = 0;
    sop_mutex_lock(&blobs->lock);
    for (size_t i = 0; i < SOP_REGISTRY_BUCKETS; i++) {
        for (sop_segment_map *map = blobs->buckets[i]; map != NULL; map = map->next) {
            if (map->kind != SOP_SEGMENT_VALUES || !map->pinned || map->retired) continue;
            if (count < capacity) {
                /* Relaxed: the caller has synced or sealed what it counts on. */
                uint64_t size = atomic_load_explicit(&map->size, memory_order_relaxed);
                rows[count] = (sop_segment_row){map->segment, map->kind, size, 0};
            }
            count++;
        }
    }
    sop_mutex_unlock(&blobs->lock);
    return count;
}

sop_status sop_segment_remove(sop_blobs *blobs, uint64_t segment, sop_error *err)
{
    char name[SOP_SEGMENT_NAME_SIZE];
    sop_blob__name(segment, name);
    sop_status status = blobs->backend->ops->remove(blobs->backend, name, err);
    /* Another process may have removed it before. */
    if (status != SOP_OK && status != SOP_NOT_FOUND) return status;
    sop_mutex_lock(&blobs->lock);
    sop_segment_map *map = *registry_link(blobs, segment);
    if (map != NULL && !map->retired) {
        map->retired = 1;
        map->retired_at = blobs->sequence;
        registry_unpin_retired(blobs);
    }
    sop_mutex_unlock(&blobs->lock);
    return status;
}

typedef struct {
    sop_segment_fn fn;
    void *context;
} list_context;

static sop_status list_one(const char *name, uint64_t size, void *context)
{
    const list_context *list = context;
    uint64_t segment = sop_blob__parse_name(name);
    return segment == 0 ? SOP_OK : list->fn(segment, size, list->context);
}

sop_status sop_segments_list(sop_blobs *blobs, sop_segment_fn fn, void *context, sop_error *err)
{
    list_context list = {fn, context};
    return blobs->backend->ops->list(blobs->backend, "seg", list_one, &list, err);
}

/* --- sets --- */

static sop_segments *set_new(sop_blobs *blobs, size_t count)
{
    uint32_t bits = 2;
    while (((size_t)1 << bits) < count * 2 + 1) {
        bits++;
    }
    sop_segments *set = sop_alloc_zeroed(sizeof *set);
    sop_segment_slot *slots = sop_alloc_zeroed(sizeof *slots << bits);
    if (set == NULL || slots == NULL) {
        sop_free(set);
        sop_free(slots);
        return NULL;
    }
    set->slots = slots;
    set->mask = (1u << bits) - 1;
    set->shift = 64 - bits;
    set->blobs = blobs;
    atomic_init(&set->references, 1);
    return set;
}

static sop_status set_add(sop_segments *set, const sop_segment_row *row, sop_error *err)
{
    if (row->segment == 0 || row->kind < SOP_SEGMENT_NODES || row->kind > SOP_SEGMENT_RUNS) {
        return sop_fail(err, SOP_CORRUPT, "segment table: segment %016" PRIx64 " of kind %u",
                        row->segment, row->kind);
    }
    if (sop_segments_slot(set, row->segment) != NULL) {
        return sop_fail(err, SOP_CORRUPT, "segment table: segment %016" PRIx64 " twice",
                        row->segment);
    }
    sop_segment_map *map = NULL;
    sop_status status = registry_obtain(set->blobs, row, 0, &map, err);
    if (status != SOP_OK) return status;
    SOP_ASSERT(map != NULL);
    uint32_t i = (uint32_t)((row->segment * 0x9e3779b97f4a7c15u) >> set->shift);
    while (set->slots[i & set->mask].segment != 0) {
        i++;
    }
    sop_segment_slot *slot = &set->slots[i & set->mask];
    *slot = (sop_segment_slot){.segment = row->segment, .data = map->data, .map = map};
    set->count++;
    /* Acquire pairs with the release of who grew the segment. */
    uint64_t size = atomic_load_explicit(&map->size, memory_order_acquire);
    if (size < row->size && map->kind == SOP_SEGMENT_VALUES) {
        status = sop_blob__map_grow(set->blobs, map, row->size, err);
        if (status != SOP_OK) return status;
        size = row->size;
    }
    if (size < row->size || map->kind != row->kind) {
        return sop_fail(err, SOP_CORRUPT,
                        "segment %016" PRIx64 ": kind %u with %" PRIu64
                        " bytes, the table says kind %u with %" PRIu64,
                        row->segment, map->kind, size, row->kind, row->size);
    }
    if (map->kind == SOP_SEGMENT_NODES) {
        slot->size = size;
        slot->verified = map->verified;
    }
    return SOP_OK;
}

static void set_free(sop_segments *set)
{
    sop_blobs *blobs = set->blobs;
    sop_mutex_lock(&blobs->lock);
    for (uint32_t i = 0; i <= set->mask; i++) {
        if (set->slots[i].map != NULL) registry_drop(blobs, set->slots[i].map);
    }
    int linked = set->sequence != 0;
    if (linked) {
        *(set->older == NULL ? &blobs->oldest : &set->older->newer) = set->newer;
        *(set->newer == NULL ? &blobs->newest : &set->newer->older) = set->older;
        if (set->older == NULL) registry_unpin_retired(blobs);
    }
    sop_mutex_unlock(&blobs->lock);
    sop_free(set->slots);
    sop_free(set);
}

sop_status sop_segments_open(
    sop_blobs *blobs, const sop_segment_row *rows, size_t count, sop_segments **out, sop_error *err)
{
    *out = NULL;
    sop_segments *set = set_new(blobs, count);
    if (set == NULL) {
        return sop_fail(err, SOP_NO_MEMORY, "no memory for a set of %zu segments", count);
    }
    for (size_t i = 0; i < count; i++) {
        sop_status status = set_add(set, &rows[i], err);
        if (status != SOP_OK) {
            set_free(set);
            return status;
        }
    }
    sop_mutex_lock(&blobs->lock);
    set->sequence = ++blobs->sequence;
    set->older = blobs->newest;
    *(blobs->newest == NULL ? &blobs->oldest : &blobs->newest->newer) = set;
    blobs->newest = set;
    sop_mutex_unlock(&blobs->lock);
    *out = set;
    return SOP_OK;
}

sop_segments *sop_segments_acquire(sop_segments *segments)
{
    /* Relaxed: the caller holds a reference already. */
    atomic_fetch_add_explicit(&segments->references, 1, memory_order_relaxed);
    return segments;
}

void sop_segments_release(sop_segments *segments)
{
    if (segments == NULL) return;
    /* Acquire-release: the last one sees all uses of the others before it unmaps. */
    if (atomic_fetch_sub_explicit(&segments->references, 1, memory_order_acq_rel) == 1) {
        set_free(segments);
    }
}

size_t sop_segments_count(const sop_segments *segments)
{
    return segments->count;
}

/* --- reading --- */

sop_status sop_blob__locate(sop_blobs *blobs,
                            const sop_segments *segments,
                            sop_address address,
                            sop_segment_map **map_out,
                            const uint8_t **out,
                            sop_error *err)
{
    char name[SOP_SEGMENT_NAME_SIZE];
    uint64_t offset = sop_address_offset(address);
    uint32_t length = sop_address_length(address);
    sop_segment_map *map = sop_blob__find(blobs, segments, address.segment);
    if (map == NULL) {
        sop_blob__name(address.segment, name);
        return sop_fail(err, SOP_CORRUPT, "%s: unknown segment, wanted at offset %" PRIu64, name,
                        offset);
    }
    /* Acquire pairs with the release of who grew the segment. */
    uint64_t size = atomic_load_explicit(&map->size, memory_order_acquire);
    if (offset < SOP_SEGMENT_HEADER || offset % SOP_BLOB_ALIGN != 0 || length == 0 ||
        offset > size || length > size - offset) {
        sop_blob__name(address.segment, name);
        return sop_fail(err, SOP_CORRUPT,
                        "%s: offset %" PRIu64
                        ": no place for a blob of %u bytes in a segment of %" PRIu64,
                        name, offset, length, size);
    }
    *map_out = map;
    *out = map->data + offset;
    return SOP_OK;
}

sop_status sop_blob_read_slow(const sop_segments *segments,
                              sop_address address,
                              const uint8_t **out,
                              int *first_out,
                              sop_error *err)
{
    *out = NULL;
    *first_out = 1;
    sop_segment_map *map = NULL;
    sop_status status = sop_blob__locate(segments->blobs, segments, address, &map, out, err);
    if (status != SOP_OK) return status;
    SOP_ASSERT(map != NULL);
    *first_out =
        map->kind != SOP_SEGMENT_NODES || !sop_blob__bit_get(map, sop_address_offset(address));
    return SOP_OK;
}

void sop_blob_verified(const sop_segments *segments, sop_address address)
{
    const sop_segment_map *map = sop_blob__find(segments->blobs, segments, address.segment);
    SOP_ASSERT(map != NULL);
    if (map->kind == SOP_SEGMENT_NODES) sop_blob__bit_set(map, sop_address_offset(address));
}
