/* SPDX-License-Identifier: MIT */
/* A database with something of everything, and what a reader must find in it. */
#ifndef SOP_TESTS_RICH_H
#define SOP_TESTS_RICH_H

#include "support/place.h"

typedef struct {
    uint8_t *key;
    size_t key_size;
    uint64_t value_size;
    uint64_t value_hash;
} sop_test_item;

typedef struct {
    char name[64];
    sop_test_item *items; /* in the order of a cursor */
    size_t count;
} sop_test_content_store;

typedef struct {
    sop_test_content_store stores[8];
    size_t count;
    size_t items;
} sop_test_content;

/* What a full read came to. */
typedef struct {
    size_t errors; /* reads that reported damage */
    size_t wrong;  /* reads that gave something else and reported nothing */
    char first_wrong[200];
    char first_error[SOP_ERROR_MESSAGE_SIZE];
} sop_test_reading;

/* Inline and large values, a store with duplicates, a bulk load, checkpoints, a dropped store, and changes that lie in the
   log alone; ends with a clean close. */
void sop_test_rich_make(sop_test_place *place);
/* Reads everything there is as the truth. */
void sop_test_content_read(sop_db *db, sop_test_content *out);
void sop_test_content_free(sop_test_content *content);
/* Reads everything in several ways and compares. */
void sop_test_content_compare(sop_db *db, const sop_test_content *want, sop_test_reading *out);

#endif
