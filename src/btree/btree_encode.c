/* SPDX-License-Identifier: MIT */
/* Encoding nodes: leaves from runs of items, inner nodes from children. */
#include "btree/btree_emit.h"
#include "util/assert.h"
#include "util/checksum.h"

uint32_t sop_btree__common_prefix(sop_slice a, sop_slice b)
{
    size_t most = a.size < b.size ? a.size : b.size;
    const uint8_t *x = a.data;
    const uint8_t *y = b.data;
    size_t i = 0;
    while (i + 8 <= most) {
        uint64_t differing = sop_get_u64be(x + i) ^ sop_get_u64be(y + i);
        if (differing != 0) return (uint32_t)(i + (unsigned)__builtin_clzll(differing) / 8);
        i += 8;
    }
    while (i < most && x[i] == y[i]) {
        i++;
    }
    return (uint32_t)i;
}

sop_slice sop_btree__run_key(const sop_leaf_run *run, uint32_t item, uint8_t *scratch)
{
    if (run->leaf == NULL) return run->key;
    return sop_slice_of(scratch, sop_btree__leaf_key(run->leaf, run->from + item, scratch));
}

sop_leaf_run sop_btree__run_of(const uint8_t *leaf, uint32_t from, uint32_t to)
{
    uint64_t records = sop_btree__item_offset(leaf, to) - sop_btree__item_offset(leaf, from);
    uint64_t prefix = sop_btree__prefix(leaf).size;
    sop_leaf_run run = {.leaf = leaf,
                        .from = from,
                        .to = to,
                        .bytes = records + (to - from) * (prefix + SOP_LEAF_HEAD_SIZE)};
    return run;
}

void sop_btree__node_seal(uint8_t *node, sop_address address)
{
    sop_put_u64le(node + SOP_NODE_SEGMENT, address.segment);
    sop_put_u64le(node + SOP_NODE_PLACE, address.place);
    uint64_t sum = sop_checksum64(node + 8, sop_address_length(address) - 8, 0);
    sop_put_u64le(node + SOP_NODE_CHECKSUM, sum);
}

/* The header but address and checksum. heap: where a prefix too long for the header goes. */
static void header_encode(
    uint8_t *out, uint32_t level, uint32_t count, uint64_t items, sop_slice prefix, uint32_t heap)
{
    memset(out, 0, SOP_NODE_HEADER);
    int inside = prefix.size <= SOP_NODE_PREFIX_INLINE;
    uint32_t at = inside ? (uint32_t)SOP_NODE_PREFIX : heap;
    sop_put_u16le(out + SOP_NODE_MAGIC_AT, SOP_NODE_MAGIC);
    out[SOP_NODE_VERSION_AT] = SOP_NODE_VERSION;
    out[SOP_NODE_LEVEL] = (uint8_t)level;
    sop_put_u16le(out + SOP_NODE_PREFIX_SIZE, (uint16_t)prefix.size);
    sop_put_u32le(out + SOP_NODE_COUNT, count);
    sop_put_u16le(out + SOP_NODE_PREFIX_AT, (uint16_t)at);
    sop_put_u64le(out + SOP_NODE_ITEMS, items);
    if (prefix.size != 0) {
        SOP_ASSERT(prefix.data != NULL);
        memcpy(out + at, prefix.data, prefix.size);
    }
}

/* --- leaves --- */

static uint32_t tail_size(size_t key_size, uint32_t prefix_size)
{
    size_t suffix = key_size - prefix_size;
    return suffix > SOP_LEAF_HEAD_SIZE ? (uint32_t)suffix - SOP_LEAF_HEAD_SIZE : 0;
}

static uint64_t run_records_size(const sop_leaf_run *run, uint32_t prefix_size)
{
    if (run->leaf == NULL) return tail_size(run->key.size, prefix_size) + run->value.size;
    const uint8_t *leaf = run->leaf;
    uint64_t size = sop_btree__item_offset(leaf, run->to) - sop_btree__item_offset(leaf, run->from);
    uint32_t old_prefix = (uint32_t)sop_btree__prefix(leaf).size;
    if (old_prefix == prefix_size) return size;
    for (uint32_t i = run->from; i < run->to; i++) {
        uint32_t suffix = sop_btree__item_meta(leaf, i) & SOP_META_SIZE;
        size += tail_size(old_prefix + suffix, prefix_size);
        size -= tail_size(suffix, 0);
    }
    return size;
}

static uint32_t leaf_heap(uint32_t items)
{
    return SOP_NODE_HEADER + sop_btree__samples_size(items) +
           sop_btree__block_count(items) * SOP_BLOCK_SIZE;
}

uint64_t sop_btree__leaf_size(const sop_leaf_plan *plan)
{
    uint64_t size = leaf_heap(plan->items);
    if (plan->prefix_size > SOP_NODE_PREFIX_INLINE) size += plan->prefix_size;
    for (size_t i = 0; i < plan->count; i++) {
        size += run_records_size(&plan->runs[i], plan->prefix_size);
    }
    return size;
}

/* Where the next item goes. */
typedef struct {
    uint8_t *out;
    uint8_t *blocks;
    uint32_t prefix_size;
    uint32_t index;
    uint32_t offset;
    uint32_t metas; /* all of them, or-ed */
} leaf_fill;

SOP_INLINE void put_lane(leaf_fill *fill, uint32_t head, uint32_t meta)
{
    uint8_t *block = fill->blocks + (size_t)(fill->index / SOP_BLOCK_ITEMS) * SOP_BLOCK_SIZE;
    size_t lane = fill->index % SOP_BLOCK_ITEMS;
    sop_put_u32le(block + lane * 4, head);
    sop_put_u16le(block + SOP_BLOCK_OFFSETS + lane * 2, (uint16_t)fill->offset);
    sop_put_u16le(block + SOP_BLOCK_METAS + lane * 2, (uint16_t)meta);
    fill->metas |= meta;
    fill->index++;
}

static void put_item(leaf_fill *fill, sop_slice key, sop_slice value, int is_reference)
{
    const uint8_t *data = key.data;
    uint32_t suffix = (uint32_t)key.size - fill->prefix_size;
    uint32_t tail = tail_size(key.size, fill->prefix_size);
    put_lane(fill, sop_btree__head4(key, fill->prefix_size),
             suffix | (is_reference ? SOP_META_REFERENCE : 0));
    memcpy(fill->out + fill->offset, data + key.size - tail, tail);
    fill->offset += tail;
    if (value.size != 0) memcpy(fill->out + fill->offset, value.data, value.size);
    fill->offset += (uint32_t)value.size;
}

/* The records of the run are moved as they are; only offsets shift. */
static void put_run_same_prefix(leaf_fill *fill, const sop_leaf_run *run)
{
    const uint8_t *leaf = run->leaf;
    uint32_t start = sop_btree__item_offset(leaf, run->from);
    uint32_t size = sop_btree__item_offset(leaf, run->to) - start;
    memcpy(fill->out + fill->offset, leaf + start, size);
    uint32_t end = fill->offset + size;
    uint32_t shift = fill->offset - start; /* modulo 2^32 */
    for (uint32_t i = run->from; i < run->to; i++) {
        fill->offset = sop_btree__item_offset(leaf, i) + shift;
        put_lane(fill, sop_btree__item_head(leaf, i), sop_btree__item_meta(leaf, i));
    }
    fill->offset = end;
}

static void put_run(leaf_fill *fill, const sop_leaf_run *run)
{
    if (run->leaf == NULL) {
        put_item(fill, run->key, run->value, run->is_reference);
        return;
    }
    if (sop_btree__prefix(run->leaf).size == fill->prefix_size) {
        put_run_same_prefix(fill, run);
        return;
    }
    uint8_t scratch[SOP_BTREE_KEY_MAX + 16];
    for (uint32_t i = run->from; i < run->to; i++) {
        sop_leaf_item item = sop_btree__item(run->leaf, i);
        sop_slice key = {scratch, sop_btree__leaf_key(run->leaf, i, scratch)};
        put_item(fill, key, item.value, item.is_reference);
    }
}

int sop_btree__leaf_encode(const sop_leaf_plan *plan, uint8_t *out, uint32_t size)
{
    uint32_t heap = leaf_heap(plan->items);
    uint32_t at = SOP_NODE_HEADER + sop_btree__samples_size(plan->items);
    sop_slice prefix = {plan->first_key.data, plan->prefix_size};
    header_encode(out, 0, plan->items, plan->items, prefix, heap);
    sop_put_u16le(out + SOP_NODE_ARRAY_AT, (uint16_t)at);
    leaf_fill fill = {.out = out,
                      .blocks = out + at,
                      .prefix_size = plan->prefix_size,
                      .offset =
                          heap + (prefix.size > SOP_NODE_PREFIX_INLINE ? plan->prefix_size : 0)};
    for (size_t i = 0; i < plan->count; i++) {
        put_run(&fill, &plan->runs[i]);
    }
    SOP_ASSERT(fill.index == plan->items && fill.offset == size);
    int references = (fill.metas & SOP_META_REFERENCE) != 0;
    uint32_t lanes = sop_btree__block_count(plan->items) * SOP_BLOCK_ITEMS;
    while (fill.index < lanes) {
        put_lane(&fill, UINT32_MAX, 0);
    }
    memset(out + SOP_NODE_HEADER, 0xff, at - SOP_NODE_HEADER);
    for (uint32_t i = 0; i < sop_btree__block_count(plan->items); i++) {
        memcpy(out + SOP_NODE_HEADER + (size_t)i * 4, out + at + (size_t)i * SOP_BLOCK_SIZE, 4);
    }
    sop_put_u16le(out + SOP_NODE_FLAGS, references ? SOP_NODE_REFERENCES : 0);
    return references;
}

/* --- inner nodes --- */

static uint32_t separator_tail(const sop_inner_plan *plan, uint32_t index)
{
    size_t suffix = plan->children[index].separator.size - plan->prefix_size;
    return suffix > SOP_INNER_HEAD ? (uint32_t)suffix - SOP_INNER_HEAD : 0;
}

uint64_t sop_btree__inner_size(const sop_inner_plan *plan)
{
    uint64_t size = sop_btree__inner_heap(plan->count);
    if (plan->prefix_size > SOP_NODE_PREFIX_INLINE) size += plan->prefix_size;
    for (uint32_t i = 1; i < plan->count; i++) {
        size += separator_tail(plan, i);
    }
    return size;
}

/* The separator of one child: its head, its size, and its tail at offset. Returns where the next tail goes. */
static uint32_t
put_separator(const sop_inner_plan *plan, uint8_t *out, uint32_t index, uint32_t offset)
{
    uint32_t count = plan->count;
    sop_slice separator = plan->children[index].separator;
    uint8_t *heads = out + SOP_NODE_HEADER + sop_btree__inner_samples_size(count);
    uint8_t *entry =
        out + sop_btree__inner_heap(count) - (size_t)(count - index) * SOP_INNER_SEPARATOR;
    uint32_t size = index == 0 ? 0 : (uint32_t)separator.size - plan->prefix_size;
    uint64_t head = index == 0 ? 0 : sop_btree__head8(separator, plan->prefix_size);
    uint32_t tail = index == 0 ? 0 : separator_tail(plan, index);
    sop_put_u64le(heads + (size_t)index * SOP_INNER_HEAD, head);
    if (index % SOP_INNER_BLOCK == 0) {
        sop_put_u64le(out + SOP_NODE_HEADER + (size_t)index / SOP_INNER_BLOCK * SOP_INNER_HEAD,
                      head);
    }
    sop_put_u16le(entry, (uint16_t)offset);
    sop_put_u16le(entry + 2, (uint16_t)size);
    if (tail != 0) {
        memcpy(out + offset, (const uint8_t *)separator.data + separator.size - tail, tail);
    }
    return offset + tail;
}

int sop_btree__inner_encode(const sop_inner_plan *plan, uint8_t *out, uint32_t size)
{
    uint32_t count = plan->count;
    uint32_t array = SOP_NODE_HEADER + sop_btree__inner_samples_size(count);
    uint32_t heap = sop_btree__inner_heap(count);
    uint8_t *addresses = out + array + (size_t)sop_btree__inner_blocks(count) * 64;
    uint8_t *counts_before = addresses + (size_t)count * SOP_INNER_ADDRESS;
    uint64_t items = 0;
    int references = 0;
    uint32_t offset = heap + (plan->prefix_size > SOP_NODE_PREFIX_INLINE ? plan->prefix_size : 0);
    memset(out + SOP_NODE_HEADER, 0xff, (size_t)(addresses - out) - SOP_NODE_HEADER);
    for (uint32_t i = 0; i < count; i++) {
        const sop_inner_child *child = &plan->children[i];
        uint8_t *address = addresses + (size_t)i * SOP_INNER_ADDRESS;
        sop_put_u64le(address, child->address.segment);
        sop_put_u64le(address + 8, child->address.place);
        sop_put_u64le(counts_before + (size_t)i * SOP_INNER_BEFORE,
                      items | (child->references ? SOP_BEFORE_REFERENCES : 0));
        offset = put_separator(plan, out, i, offset);
        items += child->items;
        references |= child->references;
    }
    SOP_ASSERT(offset == size);
    sop_slice prefix = {count > 1 ? plan->children[1].separator.data : NULL, plan->prefix_size};
    header_encode(out, plan->level, count, items, prefix, heap);
    sop_put_u16le(out + SOP_NODE_ARRAY_AT, (uint16_t)array);
    sop_put_u16le(out + SOP_NODE_FLAGS, references ? SOP_NODE_REFERENCES : 0);
    return references;
}
