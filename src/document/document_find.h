/* SPDX-License-Identifier: MIT */
/* What the files of finding share: a find that is open. */
#ifndef SOP_DOCUMENT_FIND_H
#define SOP_DOCUMENT_FIND_H

#include "document/document_store.h"

/* One gathered key. */
typedef struct {
    sop_slice key;
} sop_find__gathered;

struct sop_find {
    sop_find *next;
    sop_documents *documents;
    uint64_t version; /* of the specification that it was planned with */
    sop_arena arena;
    sop_filter *own_filter;
    const sop_filter_node *filter; /* NULL: every document fits */
    const sop_document__index *order;
    int descending;
    uint64_t limit; /* UINT64_MAX: none */
    uint64_t found;
    uint64_t examined;
    uint64_t examine_max;
    sop_document__plan plan;
    sop_store *source; /* what the plan reads */
    sop_store *reader; /* the documents */
    sop_cursor *cursor;
    size_t range; /* the one that is read, from 0 in the direction of the find */
    int in_range;
    sop_find__gathered *gathered;
    size_t gathered_count;
    size_t gathered_at;
    sop_json_path *fields; /* projection */
    sop_slice *field_names;
    size_t field_count;
    sop_json_writer projected;
    sop_json_writer considered; /* for explain */
    sop_document_scratch scratch;
    int stands; /* on a document, or on one that was examined last */
    size_t key_size;
    size_t place_size;
    uint8_t key[SOP_KEY_SIZE_MAX];   /* of the document it stands on */
    uint8_t place[SOP_KEY_SIZE_MAX]; /* its key in the order */
    uint8_t *position;               /* text for the caller */
};

/* document_gather.c: the keys of all ranges, sorted, none twice, within the bounds of the order. */
SOP_MUST_CHECK sop_status sop_find__gather(sop_find *find, sop_slice from, sop_slice to);

#endif
