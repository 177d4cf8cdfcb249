/* SPDX-License-Identifier: MIT */
/*
 * Random views over real base trees and memtables, with a plain model beside them: a sorted array
 * of all keys that may occur, each marked present or not. The last layer may be a write set that
 * changes.
 */
#ifndef SOP_TESTS_VIEW_FIXTURE_H
#define SOP_TESTS_VIEW_FIXTURE_H

#include <stddef.h>
#include <stdint.h>

#include "backend/backend.h"
#include "blob/blob.h"
#include "memtable/memtable.h"
#include "snapshot/snapshot.h"

#define VIEW_FIXTURE_STORE 7u

/* How the keys look. */
typedef enum {
    VIEW_KEYS_TINY,   /* 1 to 3 bytes of a few letters */
    VIEW_KEYS_HEAD,   /* the same 8 to 12 bytes first */
    VIEW_KEYS_LONG,   /* up to 4,096 bytes, many only different at the end */
    VIEW_KEYS_RANDOM, /* 1 to 24 random bytes */
    VIEW_KEYS_NUMBER, /* 8 bytes, big-endian, with gaps */
    VIEW_KEYS_KINDS
} view_key_kind;

typedef struct {
    uint64_t seed;
    size_t keys; /* wanted; equal ones are dropped */
    view_key_kind kind;
    unsigned base_percent;  /* of the keys */
    uint32_t layers;        /* below the write set */
    unsigned layer_percent; /* of the keys, in each layer */
    size_t value_size_max;  /* most values are smaller; more than that gives small leaves */
} view_shape;

typedef struct {
    uint64_t random;
    view_shape shape;
    size_t count;
    sop_slice *keys;        /* all that may occur, ascending */
    uint8_t *present;       /* as the view shows it */
    uint32_t *values;       /* ids of the values, where present */
    uint8_t *below_present; /* below the write set */
    uint32_t *below_values; /* likewise */
    uint8_t *written;       /* the write set has a record */
    uint32_t next_value;
    sop_backend *backend;
    sop_blobs *blobs;
    sop_blob_writer *writer;
    sop_segments *segments;
    const sop_segment_row *rows; /* of the base's segments */
    size_t row_count;
    sop_memtable *tables[SOP_VIEW_LAYERS_MAX];
    uint32_t table_count;
    sop_memtable *write_set; /* NULL until the first write */
    const sop_memtable_root *write_root;
    uint8_t value_buffer[1u << 15];
    sop_view view;
} view_fixture;

/* A random shape: from a few to some hundred keys, up to five layers, often with extremes. */
view_shape view_shape_random(uint64_t seed);
/* Asserts that everything succeeds. */
void view_fixture_open(view_fixture *f, const view_shape *shape);
void view_fixture_close(view_fixture *f);

uint64_t view_fixture_below(view_fixture *f, uint64_t limit); /* a random number below limit */
/* The value with that id; it lies in the fixture until the next call. */
sop_view_value view_fixture_value(view_fixture *f, uint32_t id);

/* Changes one key in the write set, in place, and brings the view up to date. */
void view_fixture_write(view_fixture *f, size_t index, int present);
/* Replaces the write set by an equal one in new memory; nothing of the old one is left. */
void view_fixture_move_write_set(view_fixture *f);
/* Forgets all changes of the write set. */
void view_fixture_drop_write_set(view_fixture *f);

/* The model's answers. */
size_t view_fixture_lower(const view_fixture *f,
                          sop_slice key); /* index of the first key >= key, visible or not */
int view_fixture_find(const view_fixture *f, sop_slice key, size_t *index_out); /* 1: visible */
uint64_t view_fixture_rank(const view_fixture *f, sop_slice key);
uint64_t view_fixture_count(const view_fixture *f);
/* A key of the model, or near one, or any; for seeks. It lies in buffer (at least 4,200 bytes). */
sop_slice view_fixture_probe(view_fixture *f, uint8_t *buffer);

#endif
