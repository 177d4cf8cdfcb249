/* SPDX-License-Identifier: MIT */
/* What the readers and writers of filters share. */
#ifndef SOP_DOCUMENT_FILTER_H
#define SOP_DOCUMENT_FILTER_H

#include "document/document_scalar.h"

/* A filter with its memory. */
typedef struct {
    sop_filter filter; /* first, so that the pointers are the same */
    sop_arena arena;
} sop_document__owned_filter;

/* A filter while it is read. The first error stays. */
typedef struct {
    sop_arena *arena;
    sop_document_scratch *scratch;
    sop_status status;
    const char *why;
    char detail[96]; /* why points here when it is made up */
    unsigned depth;
} sop_document__filter_reader;

/* What an operation is called and takes. */
typedef struct {
    const char *word; /* in text and in JSON */
    size_t min;       /* literals */
    size_t max;
    int string_only;
} sop_document__op_entry;

extern const sop_document__op_entry sop_document__ops[SOP_FILTER_IS_NULL + 1];

/* The literal words behind PLAIN: nocase, timestamp, date, uuid. */
const char *sop_document__literal_word(sop_literal_kind kind);
/* PLAIN if the word is none of them. */
sop_literal_kind sop_document__literal_kind(sop_slice word);

/* Sets the error and returns NULL. */
void *
sop_document__filter_refuse(sop_document__filter_reader *r, sop_status status, const char *why);
sop_filter_node *sop_document__filter_node_new(sop_document__filter_reader *r, sop_filter_op op);
/* Fills a literal from a scalar of JSON, which is copied. 0, or -1 after an error. */
int sop_document__literal_make(sop_document__filter_reader *r,
                               sop_literal_kind kind,
                               const sop_json_value *json,
                               sop_literal *out);
/* Takes count literals, checks them against the operation, prepares patterns and lists. NULL after an error. */
sop_filter_node *sop_document__filter_finish(sop_document__filter_reader *r,
                                             sop_filter_node *node,
                                             const sop_literal *literals,
                                             size_t count);

/* Makes a filter: read(context, reader) returns its root. */
typedef sop_filter_node *(*sop_document__filter_read_fn)(sop_document__filter_reader *r,
                                                         void *context);
/* SOP_OK, or the reader's status with *why_out, to be put in a message before the next call. */
sop_status sop_document__filter_make(sop_document__filter_read_fn read,
                                     void *context,
                                     sop_document__filter_reader *r,
                                     sop_filter **filter_out);

/* Whether one value passes the test of a node, whose path does not count. */
sop_status sop_document__value_fits(const sop_filter_node *node,
                                    const sop_json_value *value,
                                    sop_document_scratch *scratch,
                                    int *match_out);

/* Order of a value of a document against a literal; 0 in *comparable_out if their types differ. The scratch is used. */
sop_status sop_document__literal_compare(const sop_literal *literal,
                                         const sop_json_value *value,
                                         sop_document_scratch *scratch,
                                         int *comparable_out,
                                         int *order_out);

#endif
