/* SPDX-License-Identifier: MIT */
/* Trees in a memory backend beside a plain sorted array that says what they must hold. */
#ifndef SOP_TESTS_TREE_FIXTURE_H
#define SOP_TESTS_TREE_FIXTURE_H

#include <stddef.h>
#include <stdint.h>

#include "backend/backend.h"
#include "blob/blob.h"
#include "btree/btree.h"

/* --- the model: items in key order --- */

typedef struct {
    uint8_t *key;
    size_t key_size;
    uint8_t *value;
    size_t value_size;
    int is_reference;
} tree_model_item;

typedef struct {
    tree_model_item *items;
    size_t count;
    size_t capacity;
} tree_model;

/* Index of the first item >= key; *equal_out (may be NULL): it is key. */
size_t tree_model_bound(const tree_model *m, sop_slice key, int *equal_out);
void tree_model_set(tree_model *m, sop_slice key, sop_slice value, int is_reference);
void tree_model_remove(tree_model *m, sop_slice key);
void tree_model_free(tree_model *m);
sop_slice tree_model_key(const tree_model *m, size_t index);
sop_slice tree_model_value(const tree_model *m, size_t index);
uint64_t tree_model_bytes(const tree_model *m);

/* --- the tree --- */

enum { FIXTURE_ROWS_MAX = 20000 };

typedef struct {
    sop_backend *backend;
    sop_blobs *blobs;
    sop_segments *segments;
    sop_btree tree;
    uint32_t node_size;
    uint64_t segment_bytes;
    tree_model model;
    sop_segment_row *rows; /* the segment table, live bytes as told by merges */
    size_t row_count;
    uint64_t *dead; /* places of dead nodes of the merge under way, to find doubles */
    size_t dead_count;
    size_t dead_capacity;
    tree_model dead_values; /* references whose death the model expects, not seen yet */
    uint64_t move_segment;  /* must_move says yes for it; 0: none */
    uint64_t written;       /* bytes of nodes by the last build or merge */
} tree_fixture;

void tree_fixture_init(tree_fixture *f, uint32_t node_size);
void tree_fixture_free(tree_fixture *f);

/* A value reference that is well formed, though nothing lies behind it. */
void tree_fake_reference(uint64_t number, uint8_t out[SOP_VALUE_REFERENCE_SIZE]);

/* Builds the tree from the model. SOP_NO_MEMORY when allocations are made to fail: the tree stays as it was. */
sop_status tree_build(tree_fixture *f, sop_error *err);
/* Applies changes, which strictly ascend, to tree and model. On failure neither has changed. */
sop_status
tree_merge(tree_fixture *f, const sop_btree_change *changes, size_t count, sop_error *err);
/* The changes only, in whatever order: for calls that must fail. */
sop_status
tree_merge_raw(tree_fixture *f, const sop_btree_change *changes, size_t count, sop_error *err);

/* Fails the test unless: the check finds nothing, live bytes agree with a walk, and the items are those of the model. */
void tree_assert_sound(tree_fixture *f);
/* Compares get, rank, seek, seek_rank and moves at random places with the model. */
void tree_assert_lookups(tree_fixture *f, uint64_t *random, int rounds);

#endif
