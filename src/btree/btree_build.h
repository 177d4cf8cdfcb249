/* SPDX-License-Identifier: MIT */
/* Building and merging with another node size: what tests use to get tall trees out of few items. */
#ifndef SOP_BTREE_BTREE_BUILD_H
#define SOP_BTREE_BTREE_BUILD_H

#include <stdint.h>

#include "sop/types.h"

#include "blob/blob.h"
#include "btree/btree.h"

SOP_MUST_CHECK sop_status sop_btree__builder_new(sop_blob_writer *writer,
                                                 uint32_t node_size,
                                                 sop_btree_builder **out,
                                                 sop_error *err);
typedef struct {
    sop_blob_writer *writer;
    uint32_t node_size;
} sop_btree_merge_target;
SOP_MUST_CHECK sop_status sop_btree__merge(const sop_btree *tree,
                                           const sop_btree_merge_source *source,
                                           sop_btree_merge_target target,
                                           sop_btree *tree_out,
                                           sop_error *err);

/* SOP_INVALID when key or value are outside the limits of a leaf. */
SOP_MUST_CHECK sop_status sop_btree__check_item(sop_slice key,
                                                sop_slice value,
                                                int is_reference,
                                                sop_error *err);
/* What an item adds to the bytes of a tree. */
uint64_t sop_btree__item_bytes(size_t key_size, sop_slice value, int is_reference);

#endif
