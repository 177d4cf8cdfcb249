/* SPDX-License-Identifier: MIT */
/* Looking inside the files of a database: for tools and tests, not for applications. */
#ifndef SOP_INSPECT_H
#define SOP_INSPECT_H

#include "sop/db.h"
#include "sop/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A range of bytes that the database refers to. */
typedef struct {
    size_t struct_size;
    const char *file; /* relative to the folder, for instance "log/5f3a91c2d0.000001" */
    uint64_t offset;  /* bytes */
    uint64_t length;  /* bytes */
    const char
        *owner; /* what lies there: "superblock", "log header", "frame 17", "node of store 3" ... */
} sop_range;

/* A status other than SOP_OK stops the walk and is returned. */
typedef sop_status (*sop_range_fn)(const sop_range *range, void *context);

/*
 * Walk all ranges of bytes that the newest durable state refers to. Every other byte of the files is free space.
 *
 * db         an open database; commits that run meanwhile may or may not be seen.
 * fn         called for each range; the strings are valid during the call.
 * context    handed to fn.
 * err        what went wrong; may be NULL.
 *
 * Returns:   SOP_OK; what fn returned; SOP_INVALID; SOP_CORRUPT; SOP_IO; SOP_NO_MEMORY.
 * Threads:   any.
 * Cost:      reads the log since the last checkpoint and every inner node; leaves only where large values are.
 * Source:    docs/format/.
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_inspect_map(sop_db *db,
                                                  sop_range_fn fn,
                                                  void *context,
                                                  sop_error *err);

#ifdef __cplusplus
}
#endif
#endif
