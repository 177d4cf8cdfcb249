/* SPDX-License-Identifier: MIT */
/* Stores: named, ordered maps from key bytes to value bytes. */
#ifndef SOP_STORE_H
#define SOP_STORE_H

#include "sop/txn.h"
#include "sop/types.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sop_store sop_store;

#define SOP_KEY_SIZE_MAX             4096
#define SOP_STORE_NAME_SIZE_MAX      255
#define SOP_INLINE_VALUE_MAX_DEFAULT 2048
#define SOP_INLINE_VALUE_MAX_LIMIT   16384
#define SOP_VALUE_GET_MAX            (64u << 20) /* larger ones only by sop_value_read */
#define SOP_VALUE_SIZE_MAX           (UINT64_C(1) << 48)
#define SOP_ATTRIBUTES_SIZE_MAX      (1u << 20)

enum { SOP_STORE_RAW = 0, SOP_STORE_DOCUMENTS = 1 };

typedef struct {
    size_t struct_size;
    int allow_duplicates;      /* 1: several items may have equal keys */
    uint32_t inline_value_max; /* larger values lie apart from their keys; 0 = 2,048; at most 16,384 */
    sop_slice attributes;      /* free JSON for tools */
    int kind;                  /* SOP_STORE_RAW; document stores are made by sop/document.h */
} sop_store_options;
#define SOP_STORE_OPTIONS_INIT {sizeof(sop_store_options), 0, 0, {0, 0}, 0}

typedef struct {
    size_t struct_size;
    uint64_t id;
    const char *name; /* valid during the callback, or until the next call on the store handle */
    int kind;
    int allow_duplicates;
    uint32_t inline_value_max;
    sop_slice attributes;
    uint64_t count;
    uint64_t bytes; /* keys and values as of the last checkpoint, large values included */
    uint32_t depth; /* levels of the base tree */
} sop_store_info;
#define SOP_STORE_INFO_INIT {sizeof(sop_store_info), 0, 0, 0, 0, 0, {0, 0}, 0, 0, 0}

/* A status other than SOP_OK stops the listing and is returned. */
typedef sop_status (*sop_store_info_fn)(const sop_store_info *info, void *context);

SOP_API SOP_MUST_CHECK sop_status sop_store_create(sop_txn *txn,
                                                   const char *name,
                                                   const sop_store_options *options,
                                                   sop_store **store_out);
SOP_API SOP_MUST_CHECK sop_status sop_store_open(sop_txn *txn, const char *name, sop_store **store_out);
SOP_API SOP_MUST_CHECK sop_status sop_store_open_id(sop_txn *txn, uint64_t id, sop_store **store_out);
SOP_API uint64_t sop_store_id(const sop_store *store);
SOP_API SOP_MUST_CHECK sop_status sop_store_rename(sop_txn *txn, const char *from, const char *to);
SOP_API SOP_MUST_CHECK sop_status sop_store_drop(sop_txn *txn, const char *name);
SOP_API SOP_MUST_CHECK sop_status sop_store_attributes_set(sop_store *store, sop_slice attributes);
SOP_API SOP_MUST_CHECK sop_status sop_store_list(sop_txn *txn, sop_store_info_fn fn, void *context);
SOP_API SOP_MUST_CHECK sop_status sop_store_info_get(sop_store *store, sop_store_info *info_out);

SOP_API SOP_MUST_CHECK sop_status sop_store_get(sop_store *store, sop_slice key, sop_slice *value_out);
SOP_API SOP_MUST_CHECK sop_status sop_store_add(sop_store *store, sop_slice key, sop_slice value);
SOP_API SOP_MUST_CHECK sop_status sop_store_put(sop_store *store, sop_slice key, sop_slice value);
SOP_API SOP_MUST_CHECK sop_status sop_store_update(sop_store *store, sop_slice key, sop_slice value);
SOP_API SOP_MUST_CHECK sop_status sop_store_remove(sop_store *store, sop_slice key);
SOP_API SOP_MUST_CHECK sop_status sop_store_remove_range(sop_store *store,
                                                         sop_slice from,
                                                         sop_slice to,
                                                         uint64_t *removed_out);
SOP_API SOP_MUST_CHECK sop_status sop_store_count(sop_store *store, uint64_t *count_out);
SOP_API SOP_MUST_CHECK sop_status sop_store_count_range(sop_store *store,
                                                        sop_slice from,
                                                        sop_slice to,
                                                        uint64_t *count_out);
SOP_API SOP_MUST_CHECK sop_status sop_store_rank(sop_store *store, sop_slice key, uint64_t *rank_out);

#ifdef __cplusplus
}
#endif
#endif
