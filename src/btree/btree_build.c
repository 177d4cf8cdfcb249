/* SPDX-License-Identifier: MIT */
/* The builder: sorted items straight into a new tree. */
#include "btree/btree_build.h"

#include "btree/btree_emit.h"
#include "util/assert.h"
#include "util/error.h"
#include "util/memory.h"

struct sop_btree_builder {
    sop_emitter emitter;
    uint64_t bytes;
    int any;    /* an item was added */
    int failed; /* what is pending is of no use */
    size_t last_size;
    uint8_t last_key[SOP_BTREE_KEY_MAX];
};

sop_status sop_btree__check_item(sop_slice key, sop_slice value, int is_reference, sop_error *err)
{
    if (key.size == 0 || key.size > SOP_BTREE_KEY_MAX) {
        return sop_fail(err, SOP_INVALID, "tree: key of %zu bytes, allowed are 1 to %u", key.size,
                        SOP_BTREE_KEY_MAX);
    }
    size_t most = is_reference ? SOP_VALUE_REFERENCE_SIZE : SOP_BTREE_VALUE_MAX;
    if (value.size > most || (is_reference && value.size != most)) {
        return sop_fail(err, SOP_INVALID, "tree: value of %zu bytes, limit %zu", value.size, most);
    }
    return SOP_OK;
}

uint64_t sop_btree__item_bytes(size_t key_size, sop_slice value, int is_reference)
{
    return key_size + (is_reference ? sop_value_reference_size(value.data) : value.size);
}

sop_status sop_btree__builder_new(sop_blob_writer *writer,
                                  uint32_t node_size,
                                  sop_btree_builder **out,
                                  sop_error *err)
{
    *out = NULL;
    sop_btree_builder *builder = sop_alloc(sizeof *builder);
    if (builder == NULL) return sop_fail(err, SOP_NO_MEMORY, "no memory for building a tree");
    builder->bytes = 0;
    builder->any = 0;
    builder->failed = 0;
    builder->last_size = 0;
    sop_status status = sop_btree__emitter_init(&builder->emitter, writer, node_size, err);
    if (status == SOP_OK) {
        status = sop_btree__emit_lower(&builder->emitter, sop_slice_of(NULL, 0), err);
    }
    if (status != SOP_OK) {
        sop_btree_builder_free(builder);
        return status;
    }
    *out = builder;
    return SOP_OK;
}

sop_status sop_btree_builder_new(sop_blob_writer *writer, sop_btree_builder **out, sop_error *err)
{
    return sop_btree__builder_new(writer, SOP_BTREE_NODE_SIZE, out, err);
}

sop_status sop_btree_builder_add(
    sop_btree_builder *builder, sop_slice key, sop_slice value, int is_reference, sop_error *err)
{
    if (builder->failed) return sop_fail(err, SOP_INVALID, "tree builder: an earlier call failed");
    sop_status status = sop_btree__check_item(key, value, is_reference, err);
    if (status != SOP_OK) return status;
    if (builder->any &&
        sop_compare(builder->last_key, builder->last_size, key.data, key.size) >= 0) {
        return sop_fail(err, SOP_INVALID,
                        "tree builder: key of %zu bytes is not above the one before of %zu",
                        key.size, builder->last_size);
    }
    status = sop_btree__emit_item(&builder->emitter, key, value, is_reference, err);
    if (status != SOP_OK) {
        builder->failed = 1;
        return status;
    }
    builder->any = 1;
    builder->last_size = key.size;
    memcpy(builder->last_key, key.data, key.size);
    builder->bytes += sop_btree__item_bytes(key.size, value, is_reference);
    return SOP_OK;
}

sop_status sop_btree_builder_finish(sop_btree_builder *builder, sop_btree *tree_out, sop_error *err)
{
    if (builder->failed) return sop_fail(err, SOP_INVALID, "tree builder: an earlier call failed");
    builder->failed = 1; /* nothing can follow */
    sop_status status = sop_btree__emit_finish(&builder->emitter, tree_out, err);
    if (status == SOP_OK) tree_out->bytes = builder->bytes;
    return status;
}

void sop_btree_builder_free(sop_btree_builder *builder)
{
    if (builder == NULL) return;
    sop_btree__emitter_deinit(&builder->emitter);
    sop_free(builder);
}
