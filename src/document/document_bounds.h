/* SPDX-License-Identifier: MIT */
/* From the tests of a filter to ranges of keys of one specification. */
#ifndef SOP_DOCUMENT_BOUNDS_H
#define SOP_DOCUMENT_BOUNDS_H

#include "document/document_store.h"

enum { SOP_CONJUNCTS_MAX = 64, SOP_RANGES_MAX = 1024 };

/* The tests that must all hold. */
typedef struct {
    const sop_filter_node *list[SOP_CONJUNCTS_MAX];
    size_t count;
} sop_document__conjuncts;

void sop_document__conjuncts_of(const sop_filter_node *filter, sop_document__conjuncts *out);

/* Ranges of the keys of a specification that hold everything the tests let through. */
typedef struct {
    sop_document__range *ranges;
    size_t count;
    size_t fields_equal; /* so many first fields have one value in each range */
    int constrained;     /* narrower than everything */
    int each;            /* a document may lie in it more than once */
} sop_document__bounds;

SOP_MUST_CHECK sop_status sop_document__bounds_make(const sop_document_key_spec *spec,
                                                    const sop_document__conjuncts *tests,
                                                    sop_document_scratch *scratch,
                                                    sop_arena *arena,
                                                    sop_document__bounds *out);
/* Whether every document that passes the tests has an entry: fields that refuse null are asked for a value. */
int sop_document__covers(const sop_document_key_spec *spec, const sop_document__conjuncts *tests);
/* Whether a path of a test is that of a field; HAS asks for an element. */
int sop_document__test_is_of(const sop_filter_node *node, const sop_document_key_field *field);

#endif
