/* SPDX-License-Identifier: MIT */
/* Rewrites: the same change made in many documents. */
#ifndef SOP_DOCUMENT_REWRITE_H
#define SOP_DOCUMENT_REWRITE_H

#include "document/document_store.h"

/* What to do with each document that fits; read once. */
typedef struct {
    sop_arena arena;
    sop_filter *filter;
    sop_slice where;
    const sop_rewrite *list; /* copies, in the arena */
    sop_json_path *paths;
    size_t count;
    int remove;
} sop_document__rewrites;

SOP_MUST_CHECK sop_status sop_document__rewrites_read(const sop_update_options *options,
                                                      sop_document__rewrites *out,
                                                      sop_error *err);
void sop_document__rewrites_free(sop_document__rewrites *rewrites);
/* As JSON, and back. */
void sop_document__rewrites_write(const sop_document__rewrites *rewrites, sop_json_writer *writer);
SOP_MUST_CHECK sop_status sop_document__rewrites_parse(sop_slice json,
                                                       sop_document__rewrites *out,
                                                       sop_error *err);
/* The new text of a document; in one of the drafts, or the document itself when nothing changes. */
SOP_MUST_CHECK sop_status sop_document__rewrites_apply(const sop_document__rewrites *rewrites,
                                                       sop_slice document,
                                                       sop_json_writer drafts[2],
                                                       sop_document_scratch *scratch,
                                                       sop_slice *text_out,
                                                       sop_error *err);

#endif
