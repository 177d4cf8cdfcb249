/* SPDX-License-Identifier: MIT */
/* Cursors: walk a store in key order, by key or by position. */
#ifndef SOP_CURSOR_H
#define SOP_CURSOR_H

#include "sop/store.h"
#include "sop/types.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sop_cursor sop_cursor;

typedef enum {
    SOP_SEEK_EQ = 0,
    SOP_SEEK_GE = 1,
    SOP_SEEK_GT = 2,
    SOP_SEEK_LE = 3,
    SOP_SEEK_LT = 4
} sop_seek;

typedef struct {
    sop_slice key;
    sop_slice value;
} sop_item;

/* Tells items with equal keys apart; all zero in stores with unique keys. */
typedef struct {
    uint8_t bytes[16];
} sop_item_id;

SOP_API SOP_MUST_CHECK sop_status sop_cursor_open(sop_store *store, sop_cursor **cursor_out);
SOP_API void sop_cursor_close(sop_cursor *cursor);
SOP_API SOP_MUST_CHECK sop_status sop_cursor_bound(sop_cursor *cursor, sop_slice from, sop_slice to);
SOP_API SOP_MUST_CHECK sop_status sop_cursor_seek(sop_cursor *cursor, sop_slice key, sop_seek how);
SOP_API SOP_MUST_CHECK sop_status sop_cursor_seek_rank(sop_cursor *cursor, uint64_t rank);
SOP_API SOP_MUST_CHECK sop_status sop_cursor_first(sop_cursor *cursor);
SOP_API SOP_MUST_CHECK sop_status sop_cursor_last(sop_cursor *cursor);
SOP_API SOP_MUST_CHECK sop_status sop_cursor_next(sop_cursor *cursor);
SOP_API SOP_MUST_CHECK sop_status sop_cursor_prev(sop_cursor *cursor);
SOP_API SOP_MUST_CHECK sop_status sop_cursor_key(const sop_cursor *cursor, sop_slice *key_out);
SOP_API SOP_MUST_CHECK sop_status sop_cursor_value(sop_cursor *cursor, sop_slice *value_out);
SOP_API SOP_MUST_CHECK sop_status sop_cursor_item(sop_cursor *cursor,
                                                  sop_slice *key_out,
                                                  sop_slice *value_out);
SOP_API SOP_MUST_CHECK sop_status sop_cursor_read(
    sop_cursor *cursor, int direction, sop_item *items, size_t capacity, size_t *count_out);
SOP_API SOP_MUST_CHECK sop_status sop_cursor_item_id(const sop_cursor *cursor, sop_item_id *id_out);
SOP_API SOP_MUST_CHECK sop_status sop_cursor_update(sop_cursor *cursor, sop_slice value);
SOP_API SOP_MUST_CHECK sop_status sop_cursor_remove(sop_cursor *cursor);
SOP_API SOP_MUST_CHECK sop_status sop_cursor_rank(sop_cursor *cursor, uint64_t *rank_out);

#ifdef __cplusplus
}
#endif
#endif
