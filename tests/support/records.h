/* SPDX-License-Identifier: MIT */
/* Records that tests fill stores with: the Debian package index where the test data is there, or made ones. */
#ifndef SOP_TESTS_RECORDS_H
#define SOP_TESTS_RECORDS_H

#include "sop/sop.h"

typedef struct {
    sop_slice key;
    sop_slice value; /* JSON, one line */
} sop_test_record;

typedef struct {
    sop_test_record *rows; /* ascending by key, no key twice */
    size_t count;
    char *text; /* what the slices point into */
    size_t size;
} sop_test_records;

/* 63,664 package records from shared/testdata/debian-packages.ndjson.zst (SOP_TESTDATA names another folder than the one
 * beside the source). 0: not there. */
int sop_test_records_read(sop_test_records *records);
/* Records that look alike, always the same for a count. */
void sop_test_records_make(sop_test_records *records, size_t count);
void sop_test_records_free(sop_test_records *records);

#endif
