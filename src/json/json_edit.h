/* SPDX-License-Identifier: MIT */
/* Pieces that the edits share: items with the bytes between them, and bytes written inside one
 * value. */
#ifndef SOP_JSON_EDIT_H
#define SOP_JSON_EDIT_H

#include "json/json.h"

/* Members or elements one after the other. */
typedef struct {
    sop_json_iter iter;
    const uint8_t *after; /* behind the item before, at first behind the opening bracket */
    sop_slice lead;       /* the bytes between that and this item: white space, the comma */
    sop_slice key;        /* with its quotes; empty in arrays */
    sop_slice colon;      /* the bytes between key and value; empty in arrays */
    sop_json_value value;
} sop_json__items;

void sop_json__items_init(sop_json__items *items, const sop_json_value *container);
sop_status sop_json__items_next(sop_json__items *items);
/* The part of a lead that is layout: what follows the comma, or all of it. */
sop_slice sop_json__layout(sop_slice lead);

/* Where a writer stood. */
typedef struct {
    size_t size;
    int state;
} sop_json__mark;

/* One value made of several pieces: begin (0: not allowed here), any bytes, finish. */
int sop_json__write_begin(sop_json_writer *writer, sop_json__mark *mark);
void sop_json__write_bytes(sop_json_writer *writer, const void *data, size_t size);
void sop_json__write_quoted(sop_json_writer *writer, sop_slice plain);
/* Ends the value, or takes it back if the status is not SOP_OK. Returns the status, or else the
 * writer's. */
sop_status sop_json__write_finish(sop_json_writer *writer,
                                  const sop_json__mark *mark,
                                  sop_status status,
                                  sop_error *err);

#endif
