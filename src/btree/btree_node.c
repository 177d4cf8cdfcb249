/* SPDX-License-Identifier: MIT */
/* Nodes: the one full validation at first use, ties of heads, and the slower lookups. */
#include "btree/btree_node.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "util/assert.h"
#include "util/checksum.h"
#include "util/error.h"

sop_status sop_btree__bad(sop_address address, sop_error *err, const char *format, ...)
{
    char what[128];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(what, sizeof what, format, args);
    va_end(args);
    return sop_fail(err, SOP_CORRUPT, "seg/%010" PRIx64 ".%06x: node at offset %" PRIu64 ": %s",
                    address.segment >> 24, (unsigned)(address.segment & 0xffffff),
                    sop_address_offset(address), what);
}

sop_status sop_btree__wrong_level(const uint8_t *node, uint32_t level, sop_error *err)
{
    return sop_btree__bad(sop_btree__own_address(node), err, "level %u where %u is expected",
                          sop_btree__level(node), level);
}

/* What the validation of one node passes around. */
typedef struct {
    const uint8_t *node;
    sop_address address;
    uint32_t length;
    uint32_t count;
    uint32_t prefix_size;
    sop_error *err;
} verify;

static sop_status verify_header(const verify *v)
{
    const uint8_t *node = v->node;
    uint64_t stored = sop_get_u64le(node + SOP_NODE_CHECKSUM);
    uint64_t sum = sop_checksum64(node + 8, v->length - 8, 0);
    if (stored != sum) {
        return sop_btree__bad(v->address, v->err, "checksum %016" PRIx64 ", computed %016" PRIx64,
                              stored, sum);
    }
    sop_address own = sop_btree__own_address(node);
    if (own.segment != v->address.segment || own.place != v->address.place) {
        return sop_btree__bad(v->address, v->err,
                              "it says it is at %016" PRIx64 ":%016" PRIx64 ", not %016" PRIx64,
                              own.segment, own.place, v->address.place);
    }
    if (sop_get_u16le(node + SOP_NODE_MAGIC_AT) != SOP_NODE_MAGIC ||
        node[SOP_NODE_VERSION_AT] != SOP_NODE_VERSION ||
        sop_btree__level(node) >= SOP_BTREE_HEIGHT_MAX) {
        return sop_btree__bad(v->address, v->err, "magic %04x, version %u, level %u",
                              sop_get_u16le(node + SOP_NODE_MAGIC_AT), node[SOP_NODE_VERSION_AT],
                              sop_btree__level(node));
    }
    return SOP_OK;
}

/* The prefix lies in the header, or at heap (behind the arrays); *heap_out is where the rest of the heap begins. */
static sop_status verify_prefix(const verify *v, uint32_t heap, uint32_t *heap_out)
{
    uint32_t at = sop_get_u16le(v->node + SOP_NODE_PREFIX_AT);
    int inside = v->prefix_size <= SOP_NODE_PREFIX_INLINE;
    uint32_t end = inside ? heap : heap + v->prefix_size;
    if (v->prefix_size > SOP_BTREE_KEY_MAX || at != (inside ? SOP_NODE_PREFIX : heap) ||
        end > v->length) {
        return sop_btree__bad(v->address, v->err, "prefix of %u bytes at %u, heap at %u",
                              v->prefix_size, at, heap);
    }
    *heap_out = end;
    return SOP_OK;
}

/* Where an item may begin, and what its head must not be below. */
typedef struct {
    uint32_t at;
    uint32_t most; /* that many bytes later at most: the value of the item before */
    uint32_t head;
} verify_next;

/* One lane in use, or one behind the last item. */
static sop_status verify_lane(const verify *v, uint32_t index, verify_next *next)
{
    uint32_t head = sop_btree__item_head(v->node, index);
    uint32_t offset = sop_btree__item_offset(v->node, index);
    uint32_t meta = sop_btree__item_meta(v->node, index);
    uint32_t size = meta & SOP_META_SIZE;
    if (offset < next->at || offset > v->length || offset - next->at > next->most) {
        return sop_btree__bad(v->address, v->err, "item %u at %u, the one before ends at %u", index,
                              offset, next->at);
    }
    if (head < next->head) {
        return sop_btree__bad(v->address, v->err, "head of item %u does not ascend", index);
    }
    *next = (verify_next){.at = offset, .head = head};
    if (index >= v->count) {
        if (head == UINT32_MAX && meta == 0 && offset == v->length) return SOP_OK;
        return sop_btree__bad(v->address, v->err, "lane %u behind the end is in use", index);
    }
    if (size + v->prefix_size > SOP_BTREE_KEY_MAX ||
        (meta & ~(SOP_META_SIZE | SOP_META_REFERENCE)) != 0) {
        return sop_btree__bad(v->address, v->err, "item %u has meta %04x", index, meta);
    }
    next->at += size > SOP_LEAF_HEAD_SIZE ? size - SOP_LEAF_HEAD_SIZE : 0;
    if (meta & SOP_META_REFERENCE) {
        next->at += SOP_VALUE_REFERENCE_SIZE;
    } else {
        next->most = SOP_BTREE_VALUE_MAX;
    }
    return SOP_OK;
}

/* Heads ascend already: where they tie, the rest of the keys must; and short keys are padded with zeros. */
static sop_status verify_leaf_order(const verify *v)
{
    uint8_t key[SOP_BTREE_KEY_MAX + 16];
    for (uint32_t i = 0; i < v->count; i++) {
        sop_leaf_item item = sop_btree__item(v->node, i);
        if (item.suffix_size < SOP_LEAF_HEAD_SIZE &&
            (item.head & UINT32_MAX >> (8 * item.suffix_size)) != 0) {
            return sop_btree__bad(v->address, v->err, "head of item %u is not padded", i);
        }
        if (i == 0 || item.head != sop_btree__item_head(v->node, i - 1)) continue;
        sop_btree__item_suffix(&item, key);
        if (sop_btree__item_compare(v->node, i - 1, sop_slice_of(key, item.suffix_size)) >= 0) {
            return sop_btree__bad(v->address, v->err, "key of item %u does not ascend", i);
        }
    }
    return SOP_OK;
}

static sop_status verify_leaf(const verify *v)
{
    const uint8_t *leaf = v->node;
    /* Each item takes at least 8 bytes of a block, which also bounds the sums below. */
    if (v->count == 0 || v->count > v->length / 8) {
        return sop_btree__bad(v->address, v->err, "%u items in %u bytes", v->count, v->length);
    }
    uint32_t blocks = sop_btree__block_count(v->count);
    uint32_t at = SOP_NODE_HEADER + sop_btree__samples_size(v->count);
    uint32_t heap = at + blocks * SOP_BLOCK_SIZE;
    uint32_t end = 0;
    if (sop_get_u16le(leaf + SOP_NODE_ARRAY_AT) != at || heap > v->length ||
        sop_btree__items(leaf) != v->count) {
        return sop_btree__bad(v->address, v->err, "%u items do not fit its arrays", v->count);
    }
    sop_status status = verify_prefix(v, heap, &end);
    verify_next next = {.at = end};
    for (uint32_t i = 0; i < blocks * SOP_BLOCK_ITEMS && status == SOP_OK; i++) {
        const uint8_t *sample = leaf + SOP_NODE_HEADER + (size_t)(i / SOP_BLOCK_ITEMS) * 4;
        if (i % SOP_BLOCK_ITEMS == 0 && sop_get_u32le(sample) != sop_btree__item_head(leaf, i)) {
            return sop_btree__bad(v->address, v->err, "sample of item %u is not its head", i);
        }
        status = verify_lane(v, i, &next);
    }
    for (uint32_t i = SOP_NODE_HEADER + blocks * 4; i < at && status == SOP_OK; i++) {
        if (leaf[i] != 0xff) return sop_btree__bad(v->address, v->err, "byte %u is not ff", i);
    }
    return status == SOP_OK ? verify_leaf_order(v) : status;
}

static sop_status verify_child(const verify *v, uint32_t index, uint32_t *tail, uint64_t *before)
{
    sop_address child = sop_btree__child_address(v->node, index);
    uint64_t items = sop_btree__before_raw(v->node, index) & ~SOP_BEFORE_REFERENCES;
    const uint8_t *separator = sop_btree__separators(v->node) + (size_t)index * SOP_INNER_SEPARATOR;
    uint32_t at = sop_get_u16le(separator);
    uint32_t size = sop_get_u16le(separator + 2);
    uint32_t tail_size = size > SOP_INNER_HEAD ? size - SOP_INNER_HEAD : 0;
    if (sop_address_offset(child) % SOP_BLOB_ALIGN != 0 || sop_address_is_none(child)) {
        return sop_btree__bad(v->address, v->err, "child %u has an absurd address", index);
    }
    /* Every child but the first has at least one item before it that the last one had not. */
    if (index == 0 ? items != 0 : items <= *before) {
        return sop_btree__bad(v->address, v->err, "items before child %u do not ascend", index);
    }
    if (at != *tail || tail_size > v->length - at || size + v->prefix_size > SOP_BTREE_KEY_MAX ||
        (index == 0 && size != 0)) {
        return sop_btree__bad(v->address, v->err, "separator %u: %u bytes at %u", index, size, at);
    }
    uint64_t head = sop_btree__inner_head(v->node, index);
    if (index == 0 ? head != 0 : index > 1 && head < sop_btree__inner_head(v->node, index - 1)) {
        return sop_btree__bad(v->address, v->err, "head of separator %u does not ascend", index);
    }
    *tail = at + tail_size;
    *before = items;
    return SOP_OK;
}

/* Samples are the first heads of the blocks; both arrays end in ones. */
static sop_status verify_samples(const verify *v)
{
    const uint8_t *samples = v->node + SOP_NODE_HEADER;
    uint32_t blocks = sop_btree__inner_blocks(v->count);
    uint32_t all = sop_btree__inner_samples_size(v->count) / SOP_INNER_HEAD;
    for (uint32_t i = 0; i < all; i++) {
        uint64_t expected =
            i < blocks ? sop_btree__inner_head(v->node, i * SOP_INNER_BLOCK) : UINT64_MAX;
        if (sop_get_u64le(samples + (size_t)i * SOP_INNER_HEAD) != expected) {
            return sop_btree__bad(v->address, v->err, "sample %u is not the head", i);
        }
    }
    for (uint32_t i = v->count; i < blocks * SOP_INNER_BLOCK; i++) {
        if (sop_btree__inner_head(v->node, i) != UINT64_MAX) {
            return sop_btree__bad(v->address, v->err, "head %u behind the end is in use", i);
        }
    }
    return SOP_OK;
}

static int separator_compare(const uint8_t *inner, uint32_t index, sop_slice rest);

/* As in leaves. */
static sop_status verify_inner_order(const verify *v)
{
    uint8_t separator[SOP_BTREE_KEY_MAX + 16];
    for (uint32_t i = 1; i < v->count; i++) {
        uint64_t head = sop_btree__inner_head(v->node, i);
        size_t size = sop_btree__separator(v->node, i, separator) - v->prefix_size;
        if (size < SOP_INNER_HEAD && (head & UINT64_MAX >> (8 * size)) != 0) {
            return sop_btree__bad(v->address, v->err, "head of separator %u is not padded", i);
        }
        if (i == 1 || head != sop_btree__inner_head(v->node, i - 1)) continue;
        sop_slice rest = {separator + v->prefix_size, size};
        if (separator_compare(v->node, i - 1, rest) >= 0) {
            return sop_btree__bad(v->address, v->err, "separator %u does not ascend", i);
        }
    }
    return SOP_OK;
}

static sop_status verify_inner(const verify *v)
{
    const uint8_t *inner = v->node;
    if (v->count == 0 || v->count > v->length / SOP_INNER_CHILD) {
        return sop_btree__bad(v->address, v->err, "%u children in %u bytes", v->count, v->length);
    }
    uint32_t at = SOP_NODE_HEADER + sop_btree__inner_samples_size(v->count);
    uint32_t heap = sop_btree__inner_heap(v->count);
    if (sop_get_u16le(inner + SOP_NODE_ARRAY_AT) != at || heap > v->length) {
        return sop_btree__bad(v->address, v->err, "%u children do not fit its arrays", v->count);
    }
    uint32_t tail = 0;
    uint64_t before = 0;
    sop_status status = verify_prefix(v, heap, &tail);
    for (uint32_t i = 0; i < v->count && status == SOP_OK; i++) {
        status = verify_child(v, i, &tail, &before);
    }
    if (status == SOP_OK) status = verify_samples(v);
    if (status != SOP_OK) return status;
    if (tail != v->length || sop_btree__items(inner) <= before ||
        sop_btree__items(inner) >= SOP_BEFORE_REFERENCES) {
        return sop_btree__bad(v->address, v->err,
                              "ends at %u of %u, %" PRIu64 " items of which %" PRIu64
                              " are before the last child",
                              tail, v->length, sop_btree__items(inner), before);
    }
    return verify_inner_order(v);
}

sop_status sop_btree__node_verify(const uint8_t *node, sop_address address, sop_error *err)
{
    uint32_t length = sop_address_length(address);
    if (length < SOP_NODE_HEADER || length > SOP_BTREE_NODE_MAX) {
        return sop_btree__bad(address, err, "length %u", length);
    }
    verify v = {.node = node,
                .address = address,
                .length = length,
                .count = sop_btree__count(node),
                .prefix_size = sop_get_u16le(node + SOP_NODE_PREFIX_SIZE),
                .err = err};
    sop_status status = verify_header(&v);
    if (status != SOP_OK) return status;
    return sop_btree__level(node) == 0 ? verify_leaf(&v) : verify_inner(&v);
}

sop_status sop_btree__node_open_slow(const sop_segments *segments,
                                     sop_address address,
                                     const uint8_t *node,
                                     sop_error *err)
{
    sop_status status = sop_btree__node_verify(node, address, err);
    if (status == SOP_OK) sop_blob_verified(segments, address);
    return status;
}

uint32_t sop_btree__leaf_tie(const uint8_t *leaf, uint32_t index, sop_slice rest, int *equal_out)
{
    uint32_t head = sop_btree__item_head(leaf, index);
    uint32_t low = index + 1;
    uint32_t high = sop_btree__count(leaf);
    if (head != UINT32_MAX) high = sop_btree__leaf_head_bound(leaf, head + 1);
    *equal_out = 0;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = sop_btree__item_compare(leaf, middle, rest);
        if (order == 0) {
            *equal_out = 1;
            return middle;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

size_t sop_btree__leaf_key(const uint8_t *leaf, uint32_t index, uint8_t *out)
{
    sop_slice prefix = sop_btree__prefix(leaf);
    sop_leaf_item item = sop_btree__item(leaf, index);
    memcpy(out, prefix.data, prefix.size);
    sop_btree__item_suffix(&item, out + prefix.size);
    return prefix.size + item.suffix_size;
}

/* Order of a separator against rest, both behind the prefix and with equal heads. */
static int separator_compare(const uint8_t *inner, uint32_t index, sop_slice rest)
{
    const uint8_t *separator = sop_btree__separators(inner) + (size_t)index * SOP_INNER_SEPARATOR;
    size_t size = sop_get_u16le(separator + 2);
    if (size > SOP_INNER_HEAD && rest.size > SOP_INNER_HEAD) {
        const uint8_t *tail = inner + sop_get_u16le(separator);
        return sop_compare(tail, size - SOP_INNER_HEAD, (const uint8_t *)rest.data + SOP_INNER_HEAD,
                           rest.size - SOP_INNER_HEAD);
    }
    return (size > rest.size) - (size < rest.size);
}

uint32_t sop_btree__inner_tie(const uint8_t *inner, uint32_t index, sop_slice rest)
{
    uint64_t head = sop_btree__inner_head(inner, index);
    uint32_t low = index;
    uint32_t high = sop_btree__count(inner);
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int above = sop_btree__inner_head(inner, middle) > head ||
                    separator_compare(inner, middle, rest) > 0;
        if (above) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

uint32_t sop_btree__inner_child_at(const uint8_t *inner, uint64_t rank)
{
    uint32_t count = sop_btree__count(inner);
    /* Children hold about as many items each, so a proportional guess is near; from there in growing steps. */
    double share = (double)rank / (double)sop_btree__items(inner);
    uint32_t low = (uint32_t)(share * count); /* before(low) <= rank < before(high) in the end */
    if (low >= count) low = count - 1;
    uint32_t high = low + 1;
    for (uint32_t step = 1; sop_btree__before(inner, low) > rank; step *= 2) {
        high = low;
        low = low > step ? low - step : 0;
    }
    for (uint32_t step = 1; high < count && sop_btree__before(inner, high) <= rank; step *= 2) {
        low = high;
        high = count - high > step ? high + step : count;
    }
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (sop_btree__before(inner, middle) <= rank) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

size_t sop_btree__separator(const uint8_t *inner, uint32_t index, uint8_t *out)
{
    SOP_ASSERT(index > 0 && index < sop_btree__count(inner));
    sop_slice prefix = sop_btree__prefix(inner);
    const uint8_t *separator = sop_btree__separators(inner) + (size_t)index * SOP_INNER_SEPARATOR;
    size_t size = sop_get_u16le(separator + 2);
    memcpy(out, prefix.data, prefix.size);
    sop_put_u64be(out + prefix.size, sop_btree__inner_head(inner, index));
    if (size > SOP_INNER_HEAD) {
        memcpy(out + prefix.size + SOP_INNER_HEAD, inner + sop_get_u16le(separator),
               size - SOP_INNER_HEAD);
    }
    return prefix.size + size;
}
