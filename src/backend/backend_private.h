/* SPDX-License-Identifier: MIT */
/* What the implementations of the door share: names, folders, and the wait between two tries. */
#ifndef SOP_BACKEND_BACKEND_PRIVATE_H
#define SOP_BACKEND_BACKEND_PRIVATE_H

#include <stddef.h>
#include <stdint.h>

#include "sop/types.h"

#include "backend/backend.h"

/* The folders of a database, the root first. */
enum {
    SOP_FOLDER_ROOT = 0,
    SOP_FOLDER_LOG = 1,
    SOP_FOLDER_SEG = 2,
    SOP_FOLDER_HEAD = 3,
    SOP_FOLDER_COUNT = 4
};
#define SOP_NAME_SIZE_MAX 255u

/* "" "log" "seg" "head" by number. */
const char *sop_backend__folder_name(int folder);
/* The number of a folder, SOP_INVALID (below 0) for a name that is none. */
int sop_backend__folder_find(const char *name);
/* 1 if the name of a file inside a folder is one that the door accepts: letters, digits, '.', '-',
   '_', not starting with a dot, at most SOP_NAME_SIZE_MAX bytes. So it can neither leave the folder
   nor be hidden. */
int sop_backend__leaf_valid(const char *leaf);
/* Splits "log/x" into folder and "x" (which points into name). SOP_INVALID for names the door
 * refuses. */
sop_status sop_backend__name_split(const sop_backend *backend,
                                   const char *name,
                                   int *folder_out,
                                   const char **leaf_out,
                                   sop_error *err);
/* [offset, offset + size) must lie below 2^63: the end, or SOP_TOO_LARGE. */
sop_status sop_backend__range_end(
    const sop_file *file, uint64_t offset, uint64_t size, uint64_t *end_out, sop_error *err);

/* The moment (boot time) at which a wait of that many milliseconds ends. */
uint64_t sop_backend__deadline(uint32_t wait_ms);
/* Sleeps a little longer each round, but not past the deadline. 0: the deadline has passed. */
int sop_backend__retry_wait(uint64_t deadline_ns, unsigned round);

/* The refusals that all implementations word alike. */
sop_status
sop_backend__fail_read_only(const sop_backend *backend, const char *what, sop_error *err);
sop_status
sop_backend__fail_busy(const sop_backend *backend, uint64_t byte, uint32_t wait_ms, sop_error *err);
sop_status sop_backend__fail_memory(const sop_backend *backend, const char *what, sop_error *err);

#endif
