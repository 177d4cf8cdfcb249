/* SPDX-License-Identifier: MIT */
/* Large values: written and read in pieces inside a transaction. */
#ifndef SOP_VALUE_H
#define SOP_VALUE_H

#include "sop/store.h"
#include "sop/types.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sop_value_writer sop_value_writer;

SOP_API SOP_MUST_CHECK sop_status sop_value_write_open(sop_store *store,
                                                       sop_slice key,
                                                       sop_value_writer **writer_out);
SOP_API SOP_MUST_CHECK sop_status sop_value_append_open(sop_store *store,
                                                        sop_slice key,
                                                        sop_value_writer **writer_out);
SOP_API SOP_MUST_CHECK sop_status sop_value_write(sop_value_writer *writer, const void *data, size_t size);
SOP_API SOP_MUST_CHECK sop_status sop_value_write_finish(sop_value_writer *writer);
SOP_API void sop_value_write_abort(sop_value_writer *writer);
SOP_API SOP_MUST_CHECK sop_status sop_value_read(
    sop_store *store, sop_slice key, uint64_t offset, void *buffer, size_t size, size_t *read_out);
SOP_API SOP_MUST_CHECK sop_status sop_value_size(sop_store *store, sop_slice key, uint64_t *size_out);

#ifdef __cplusplus
}
#endif
#endif
