/* SPDX-License-Identifier: MIT */
/* Small files of configuration: read whole, replaced whole. */
#ifndef SERVER_SERVER_FILE_H
#define SERVER_SERVER_FILE_H

#include "sop/types.h"

#include "json/json.h"
#include "util/arena.h"

/* The bytes of a file of at most size_max bytes, with a zero behind them, in the arena. */
SOP_MUST_CHECK sop_status server_file_read(
    const char *path, size_t size_max, sop_arena *arena, sop_slice *out, sop_error *err);
/* The same, checked as JSON. */
SOP_MUST_CHECK sop_status server_file_json(const char *path,
                                           sop_arena *arena,
                                           sop_json_value *out,
                                           sop_error *err);
/* Readable by the owner only; there before or after, never in part. */
SOP_MUST_CHECK sop_status server_file_write(const char *path, sop_slice text, sop_error *err);

#endif
