/* SPDX-License-Identifier: MIT */
/* Bulk load: sorted input straight into a new store. */
#ifndef SOP_BULK_H
#define SOP_BULK_H

#include "sop/db.h"
#include "sop/store.h"
#include "sop/types.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sop_bulk sop_bulk;

SOP_API SOP_MUST_CHECK sop_status sop_bulk_open(sop_db *db,
                                                const char *store,
                                                const sop_store_options *options,
                                                sop_bulk **bulk_out,
                                                sop_error *err);
SOP_API SOP_MUST_CHECK sop_status sop_bulk_add(sop_bulk *bulk, sop_slice key, sop_slice value);
SOP_API SOP_MUST_CHECK sop_status sop_bulk_finish(sop_bulk *bulk, uint64_t *seq_out);
SOP_API void sop_bulk_abort(sop_bulk *bulk);
SOP_API const sop_error *sop_bulk_error(const sop_bulk *bulk);

#ifdef __cplusplus
}
#endif
#endif
