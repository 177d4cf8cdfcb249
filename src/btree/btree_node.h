/* SPDX-License-Identifier: MIT */
/*
 * The node format, and finding things inside one node. Byte tables: docs/format/node.md.
 *
 * node-1  A node that node_open has handed out was verified once by this process: checksum, own address, and every
 *         offset and size in it. Code here trusts them.
 * node-2  A leaf has count / 8 + 1 blocks of 8 items; lanes behind the last item hold head 0xffffffff and the offset of the
 *         end, so that the end of an item is always the offset in the next lane.
 * node-3  Samples are the first heads of the blocks, followed by at least three times 0xffffffff.
 * node-4  An inner node has its heads in blocks of 8 as well, and samples of them, with at least 7 times all ones behind both.
 * node-5  Heads are numbers in key order: bytes behind the prefix, big-endian, padded with zeros.
 */
#ifndef SOP_BTREE_BTREE_NODE_H
#define SOP_BTREE_BTREE_NODE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "sop/types.h"

#include "blob/blob.h"
#include "btree/btree.h"
#include "util/bytes.h"
#include "util/compiler.h"

#define SOP_BTREE_NODE_MAX 65535u

#define SOP_NODE_MAGIC   0x6e42u
#define SOP_NODE_VERSION 1u
enum {
    SOP_NODE_CHECKSUM = 0,    /* 8: XXH3-64 of everything behind it */
    SOP_NODE_SEGMENT = 8,     /* 8: own address */
    SOP_NODE_PLACE = 16,      /* 8 */
    SOP_NODE_MAGIC_AT = 24,   /* 2 */
    SOP_NODE_VERSION_AT = 26, /* 1 */
    SOP_NODE_LEVEL = 27,      /* 1: 0 is a leaf */
    SOP_NODE_FLAGS = 28,      /* 2 */
    SOP_NODE_PREFIX_SIZE =
        30,              /* 2: of the bytes that all keys (separators but the first) begin with */
    SOP_NODE_COUNT = 32, /* 4: items or children */
    SOP_NODE_PREFIX_AT = 36, /* 2: SOP_NODE_PREFIX when it fits there */
    SOP_NODE_ARRAY_AT = 38,  /* 2: blocks of a leaf, entries of an inner node; a multiple of 64 */
    SOP_NODE_ITEMS = 40,     /* 8: items below */
    SOP_NODE_PREFIX = 48,    /* 16: the prefix if it is that short, then zeros */
    SOP_NODE_HEADER = 64     /* samples */
};
#define SOP_NODE_PREFIX_INLINE 16u
#define SOP_NODE_REFERENCES    1u /* flag: a value reference in it or below it */

/* A block of a leaf: 8 heads of 4 bytes, 8 offsets of 2, 8 metas of 2. */
enum { SOP_BLOCK_ITEMS = 8, SOP_BLOCK_SIZE = 64, SOP_BLOCK_OFFSETS = 32, SOP_BLOCK_METAS = 48 };
#define SOP_META_SIZE      0x1fffu /* size of the key behind the prefix, head included */
#define SOP_META_REFERENCE 0x8000u
#define SOP_LEAF_HEAD_SIZE 4u

/* An inner node: samples, then four arrays. Heads come in whole blocks. */
enum {
    SOP_INNER_BLOCK = 8,
    SOP_INNER_HEAD = 8,     /* of the separator, behind the prefix; that of the first child is 0 */
    SOP_INNER_ADDRESS = 16, /* of the child */
    SOP_INNER_BEFORE =
        8, /* items in the children before it; the highest bit: references below it */
    SOP_INNER_SEPARATOR =
        4, /* 2: where the separator goes on behind prefix and head; 2: its size behind the prefix */
    SOP_INNER_CHILD = SOP_INNER_HEAD + SOP_INNER_ADDRESS + SOP_INNER_BEFORE + SOP_INNER_SEPARATOR
};
#define SOP_BEFORE_REFERENCES ((uint64_t)1 << 63)

/* --- both kinds --- */

SOP_INLINE uint32_t sop_btree__level(const uint8_t *node)
{
    return node[SOP_NODE_LEVEL];
}
SOP_INLINE uint32_t sop_btree__count(const uint8_t *node)
{
    return sop_get_u32le(node + SOP_NODE_COUNT);
}
SOP_INLINE uint64_t sop_btree__items(const uint8_t *node)
{
    return sop_get_u64le(node + SOP_NODE_ITEMS);
}
SOP_INLINE int sop_btree__references(const uint8_t *node)
{
    return (sop_get_u16le(node + SOP_NODE_FLAGS) & SOP_NODE_REFERENCES) != 0;
}
SOP_INLINE sop_slice sop_btree__prefix(const uint8_t *node)
{
    return sop_slice_of(node + sop_get_u16le(node + SOP_NODE_PREFIX_AT),
                        sop_get_u16le(node + SOP_NODE_PREFIX_SIZE));
}
SOP_INLINE sop_address sop_btree__own_address(const uint8_t *node)
{
    sop_address a = {sop_get_u64le(node + SOP_NODE_SEGMENT), sop_get_u64le(node + SOP_NODE_PLACE)};
    return a;
}

/* The 8 bytes of a key behind skip (skip <= key.size) as a number; 4 bytes below likewise. */
SOP_INLINE uint64_t sop_btree__head8(sop_slice key, size_t skip)
{
    const uint8_t *data = key.data;
    size_t rest = key.size - skip;
    if (SOP_LIKELY(rest >= 8)) return sop_get_u64be(data + skip);
    if (rest == 0) return 0;
    /* The last bytes of a key that is long enough, shifted: no loop, no read past the end. */
    if (SOP_LIKELY(key.size >= 8)) return sop_get_u64be(data + key.size - 8) << (64 - 8 * rest);
    return sop_key_head(data + skip, rest);
}
SOP_INLINE uint32_t sop_btree__head4(sop_slice key, size_t skip)
{
    const uint8_t *data = key.data;
    size_t rest = key.size - skip;
    if (SOP_LIKELY(rest >= 4)) return sop_get_u32be(data + skip);
    if (rest == 0) return 0;
    if (SOP_LIKELY(key.size >= 4)) return sop_get_u32be(data + key.size - 4) << (32 - 8 * rest);
    return (uint32_t)(sop_key_head(data + skip, rest) >> 32);
}

/* Byte order of two pieces of the same size; short ones without a call. */
SOP_INLINE int sop_btree__compare_same(const uint8_t *a, const uint8_t *b, size_t size)
{
    if (size >= 8 && size <= 16) {
        uint64_t x = sop_get_u64be(a);
        uint64_t y = sop_get_u64be(b);
        if (x == y) {
            x = sop_get_u64be(a + size - 8);
            y = sop_get_u64be(b + size - 8);
        }
        return (x > y) - (x < y);
    }
    if (size == 0) return 0;
    return memcmp(a, b, size);
}

/* Where a key lies against all keys that begin with the prefix: below (-1), among (0), above (1). */
SOP_INLINE int sop_btree__against_prefix(const uint8_t *node, sop_slice key)
{
    sop_slice prefix = sop_btree__prefix(node);
    if (prefix.size == 0) return 0;
    size_t common = key.size < prefix.size ? key.size : prefix.size;
    int order = sop_btree__compare_same(key.data, prefix.data, common);
    if (order != 0) return order;
    return key.size < prefix.size ? -1 : 0;
}

/* --- leaves --- */

SOP_INLINE const uint8_t *sop_btree__blocks(const uint8_t *leaf)
{
    return leaf + sop_get_u16le(leaf + SOP_NODE_ARRAY_AT);
}
SOP_INLINE uint32_t sop_btree__block_count(uint32_t items)
{
    return items / SOP_BLOCK_ITEMS + 1;
}
SOP_INLINE uint32_t sop_btree__samples_size(uint32_t items)
{
    uint32_t bytes = (sop_btree__block_count(items) + 3) * 4;
    return (bytes + SOP_BLOCK_SIZE - 1) / SOP_BLOCK_SIZE * SOP_BLOCK_SIZE;
}
/* The block of an item, and the byte of a field of n bytes in its lane. */
SOP_INLINE const uint8_t *sop_btree__block(const uint8_t *leaf, uint32_t index)
{
    return sop_btree__blocks(leaf) + (size_t)(index / SOP_BLOCK_ITEMS) * SOP_BLOCK_SIZE;
}
SOP_INLINE size_t sop_btree__lane(uint32_t index, size_t n)
{
    return index % SOP_BLOCK_ITEMS * n;
}
SOP_INLINE uint32_t sop_btree__item_head(const uint8_t *leaf, uint32_t index)
{
    return sop_get_u32le(sop_btree__block(leaf, index) + sop_btree__lane(index, 4));
}
SOP_INLINE uint32_t sop_btree__item_offset(const uint8_t *leaf, uint32_t index)
{
    return sop_get_u16le(sop_btree__block(leaf, index) + SOP_BLOCK_OFFSETS +
                         sop_btree__lane(index, 2));
}
SOP_INLINE uint32_t sop_btree__item_meta(const uint8_t *leaf, uint32_t index)
{
    return sop_get_u16le(sop_btree__block(leaf, index) + SOP_BLOCK_METAS +
                         sop_btree__lane(index, 2));
}

/* One item taken apart: key = prefix, head, tail. */
typedef struct {
    uint32_t head;
    uint32_t suffix_size; /* head and tail */
    const uint8_t *tail;
    uint32_t tail_size;
    int is_reference;
    sop_slice value;
} sop_leaf_item;

SOP_INLINE sop_leaf_item sop_btree__item(const uint8_t *leaf, uint32_t index)
{
    const uint8_t *block = sop_btree__block(leaf, index);
    size_t lane = index % SOP_BLOCK_ITEMS;
    /* The offset of the next lane, which for the last lane lies in the next block. */
    const uint8_t *next = block + SOP_BLOCK_OFFSETS + (lane + 1) * 2 + (lane == 7 ? 48 : 0);
    uint32_t start = sop_get_u16le(block + SOP_BLOCK_OFFSETS + lane * 2);
    uint32_t end = sop_get_u16le(next);
    uint32_t meta = sop_get_u16le(block + SOP_BLOCK_METAS + lane * 2);
    uint32_t suffix = meta & SOP_META_SIZE;
    uint32_t tail = suffix > SOP_LEAF_HEAD_SIZE ? suffix - SOP_LEAF_HEAD_SIZE : 0;
    sop_leaf_item item = {.head = sop_get_u32le(block + lane * 4),
                          .suffix_size = suffix,
                          .tail = leaf + start,
                          .tail_size = tail,
                          .is_reference = (meta & SOP_META_REFERENCE) != 0,
                          .value = {leaf + start + tail, end - start - tail}};
    return item;
}

/* Writes the suffix of an item; out has room for suffix_size + 4 bytes. */
SOP_INLINE void sop_btree__item_suffix(const sop_leaf_item *item, uint8_t *out)
{
    sop_put_u32be(out, item->head);
    if (item->tail_size != 0) memcpy(out + SOP_LEAF_HEAD_SIZE, item->tail, item->tail_size);
}

/* How many of 4 (8) ascending heads at p are below head. */
SOP_INLINE uint32_t sop_btree__below8(const uint8_t *p, uint32_t head)
{
#if defined(__SSE2__)
    const __m128i bias = _mm_set1_epi32(INT32_MIN);
    __m128i wanted = _mm_xor_si128(_mm_set1_epi32((int32_t)head), bias);
    __m128i a = _mm_xor_si128(_mm_loadu_si128((const __m128i *)(const void *)p), bias);
    __m128i b = _mm_xor_si128(_mm_loadu_si128((const __m128i *)(const void *)(p + 16)), bias);
    __m128i both = _mm_packs_epi32(_mm_cmplt_epi32(a, wanted), _mm_cmplt_epi32(b, wanted));
    /* Two bits for each head that is below; they are the lowest ones. */
    unsigned mask = (unsigned)_mm_movemask_epi8(both);
    return (uint32_t)__builtin_ctz(~mask) / 2;
#else
    uint32_t count = 0;
    for (uint32_t i = 0; i < 8; i++) {
        count += sop_get_u32le(p + i * 4) < head;
    }
    return count;
#endif
}

/* How many of count ascending samples are below head; three more than count can be read. */
SOP_INLINE uint32_t sop_btree__below_many(const uint8_t *p, uint32_t count, uint32_t head)
{
    uint32_t base = 0;
    while (count > 32) {
        uint32_t half = count / 2;
        base = sop_get_u32le(p + (size_t)(base + half - 1) * 4) < head ? base + half : base;
        count -= half;
    }
    p += (size_t)base * 4;
#if defined(__SSE2__)
    const __m128i bias = _mm_set1_epi32(INT32_MIN);
    __m128i wanted = _mm_xor_si128(_mm_set1_epi32((int32_t)head), bias);
    __m128i sum = _mm_setzero_si128();
    for (uint32_t i = 0; i < count; i += 4) {
        __m128i x = _mm_loadu_si128((const __m128i *)(const void *)(p + (size_t)i * 4));
        sum = _mm_sub_epi32(sum, _mm_cmplt_epi32(_mm_xor_si128(x, bias), wanted));
    }
    sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0x4e));
    sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0xb1));
    return base + (uint32_t)_mm_cvtsi128_si32(sum);
#else
    uint32_t below = 0;
    for (uint32_t i = 0; i < count; i++) {
        below += sop_get_u32le(p + (size_t)i * 4) < head;
    }
    return base + below;
#endif
}

/* Index of the first item whose head is not below the given one; count when there is none. */
SOP_INLINE uint32_t sop_btree__leaf_head_bound(const uint8_t *leaf, uint32_t head)
{
    uint32_t blocks = sop_btree__block_count(sop_btree__count(leaf));
    uint32_t below = sop_btree__below_many(leaf + SOP_NODE_HEADER, blocks, head);
    uint32_t block = below == 0 ? 0 : below - 1;
    return block * SOP_BLOCK_ITEMS +
           sop_btree__below8(sop_btree__blocks(leaf) + (size_t)block * SOP_BLOCK_SIZE, head);
}

/* Order of an item against a key, both behind the prefix and with equal heads. rest: key behind the prefix. */
SOP_INLINE int sop_btree__item_compare(const uint8_t *leaf, uint32_t index, sop_slice rest)
{
    sop_leaf_item item = sop_btree__item(leaf, index);
    size_t tail = rest.size > SOP_LEAF_HEAD_SIZE ? rest.size - SOP_LEAF_HEAD_SIZE : 0;
    size_t common = tail < item.tail_size ? tail : item.tail_size;
    if (common != 0) {
        int order = sop_btree__compare_same(
            item.tail, (const uint8_t *)rest.data + SOP_LEAF_HEAD_SIZE, common);
        if (order != 0) return order;
    }
    return (item.suffix_size > rest.size) - (item.suffix_size < rest.size);
}

/* Items from index on share a head with rest, and the first of them is below it: the first that is not. */
uint32_t sop_btree__leaf_tie(const uint8_t *leaf, uint32_t index, sop_slice rest, int *equal_out);

/* Index of the first item >= key (count when there is none); *equal_out: it is key. */
SOP_INLINE uint32_t sop_btree__leaf_bound(const uint8_t *leaf, sop_slice key, int *equal_out)
{
    *equal_out = 0;
    int order = sop_btree__against_prefix(leaf, key);
    if (order != 0) return order < 0 ? 0 : sop_btree__count(leaf);
    size_t prefix = sop_get_u16le(leaf + SOP_NODE_PREFIX_SIZE);
    uint32_t head = sop_btree__head4(key, prefix);
    uint32_t index = sop_btree__leaf_head_bound(leaf, head);
    if (index >= sop_btree__count(leaf) || sop_btree__item_head(leaf, index) != head) return index;
    sop_slice rest = {(const uint8_t *)key.data + prefix, key.size - prefix};
    order = sop_btree__item_compare(leaf, index, rest);
    if (order >= 0) {
        *equal_out = order == 0;
        return index;
    }
    return sop_btree__leaf_tie(leaf, index, rest, equal_out);
}

/* The whole key of an item; out has room for SOP_BTREE_KEY_MAX + 4. */
size_t sop_btree__leaf_key(const uint8_t *leaf, uint32_t index, uint8_t *out);

/* --- inner nodes --- */

SOP_INLINE uint32_t sop_btree__inner_blocks(uint32_t count)
{
    return (count + SOP_INNER_BLOCK - 1) / SOP_INNER_BLOCK;
}
/* With room for a search that reads 8 at a time. */
SOP_INLINE uint32_t sop_btree__inner_samples_size(uint32_t count)
{
    uint32_t bytes = (sop_btree__inner_blocks(count) + SOP_INNER_BLOCK - 1) * SOP_INNER_HEAD;
    return (bytes + 63) / 64 * 64;
}
/* Where the arrays end and prefix and separators begin. */
SOP_INLINE uint32_t sop_btree__inner_heap(uint32_t count)
{
    return SOP_NODE_HEADER + sop_btree__inner_samples_size(count) +
           sop_btree__inner_blocks(count) * 64 + count * (SOP_INNER_CHILD - SOP_INNER_HEAD);
}
SOP_INLINE const uint8_t *sop_btree__heads(const uint8_t *inner)
{
    return inner + sop_get_u16le(inner + SOP_NODE_ARRAY_AT);
}
SOP_INLINE const uint8_t *sop_btree__addresses(const uint8_t *inner)
{
    return sop_btree__heads(inner) + (size_t)sop_btree__inner_blocks(sop_btree__count(inner)) * 64;
}
SOP_INLINE const uint8_t *sop_btree__befores(const uint8_t *inner)
{
    return sop_btree__addresses(inner) + (size_t)sop_btree__count(inner) * SOP_INNER_ADDRESS;
}
SOP_INLINE const uint8_t *sop_btree__separators(const uint8_t *inner)
{
    return sop_btree__befores(inner) + (size_t)sop_btree__count(inner) * SOP_INNER_BEFORE;
}
SOP_INLINE sop_address sop_btree__child_address(const uint8_t *inner, uint32_t index)
{
    const uint8_t *p = sop_btree__addresses(inner) + (size_t)index * SOP_INNER_ADDRESS;
    sop_address a = {sop_get_u64le(p), sop_get_u64le(p + 8)};
    return a;
}
SOP_INLINE uint64_t sop_btree__before_raw(const uint8_t *inner, uint32_t index)
{
    return sop_get_u64le(sop_btree__befores(inner) + (size_t)index * SOP_INNER_BEFORE);
}
/* Items in the children before index, which may be count: the total. */
SOP_INLINE uint64_t sop_btree__before(const uint8_t *inner, uint32_t index)
{
    if (index == sop_btree__count(inner)) return sop_btree__items(inner);
    return sop_btree__before_raw(inner, index) & ~SOP_BEFORE_REFERENCES;
}
SOP_INLINE int sop_btree__child_references(const uint8_t *inner, uint32_t index)
{
    return (sop_btree__before_raw(inner, index) & SOP_BEFORE_REFERENCES) != 0;
}
SOP_INLINE uint64_t sop_btree__inner_head(const uint8_t *inner, uint32_t index)
{
    return sop_get_u64le(sop_btree__heads(inner) + (size_t)index * SOP_INNER_HEAD);
}

/* Separators from index on share a head with rest: the first that is above it. */
uint32_t sop_btree__inner_tie(const uint8_t *inner, uint32_t index, sop_slice rest);

/* How many of 8 ascending heads at p are below head. */
SOP_INLINE uint32_t sop_btree__below8_wide(const uint8_t *p, uint64_t head)
{
    uint32_t count = 0;
    count += sop_get_u64le(p) < head;
    count += sop_get_u64le(p + 8) < head;
    count += sop_get_u64le(p + 16) < head;
    count += sop_get_u64le(p + 24) < head;
    count += sop_get_u64le(p + 32) < head;
    count += sop_get_u64le(p + 40) < head;
    count += sop_get_u64le(p + 48) < head;
    count += sop_get_u64le(p + 56) < head;
    return count;
}

/* The child whose range holds the key. */
SOP_INLINE uint32_t sop_btree__inner_child(const uint8_t *inner, sop_slice key)
{
    uint32_t count = sop_btree__count(inner);
    int order = sop_btree__against_prefix(inner, key);
    if (order != 0) return order < 0 ? 0 : count - 1;
    size_t prefix = sop_get_u16le(inner + SOP_NODE_PREFIX_SIZE);
    uint64_t head = sop_btree__head8(key, prefix);
    /* The block: that of the last sample below head, or the first one. */
    const uint8_t *samples = inner + SOP_NODE_HEADER + SOP_INNER_HEAD;
    uint32_t block = 0;
    uint32_t length = sop_btree__inner_blocks(count) - 1;
    while (length > SOP_INNER_BLOCK) {
        uint32_t half = length / 2;
        uint64_t sample = sop_get_u64le(samples + (size_t)(block + half - 1) * SOP_INNER_HEAD);
        block = sample < head ? block + half : block;
        length -= half;
    }
    if (length != 0) {
        block += sop_btree__below8_wide(samples + (size_t)block * SOP_INNER_HEAD, head);
    }
    const uint8_t *addresses = sop_btree__addresses(inner) + (size_t)block * 128;
    SOP_PREFETCH(addresses);
    SOP_PREFETCH(addresses + 64);
    uint32_t index = block * SOP_INNER_BLOCK;
    index += sop_btree__below8_wide(sop_btree__heads(inner) + (size_t)block * 64, head);
    /* The first child has no separator. */
    if (index == 0) index = 1;
    if (SOP_UNLIKELY(index < count && sop_btree__inner_head(inner, index) == head)) {
        sop_slice rest = {(const uint8_t *)key.data + prefix, key.size - prefix};
        index = sop_btree__inner_tie(inner, index, rest);
    }
    return index - 1;
}

/* The child that holds the item with that rank (rank < items), counted from the first item below. */
uint32_t sop_btree__inner_child_at(const uint8_t *inner, uint64_t rank);

/* The whole separator of a child (index > 0); out has room for SOP_BTREE_KEY_MAX + 8. */
size_t sop_btree__separator(const uint8_t *inner, uint32_t index, uint8_t *out);

/* --- prefetching, when the address of a leaf is known and before it is opened --- */

/* One line of each page, so that the addresses of the items are translated while the index is searched. */
SOP_INLINE void sop_btree__prefetch_pages(const uint8_t *node, uint32_t length)
{
    for (uint32_t at = 4096; at < length; at += 4096) {
        SOP_PREFETCH(node + at);
    }
    SOP_PREFETCH(node + length);
}

/* For a search by key: header, samples and blocks of a leaf with middling items. So finding a key takes one wait for memory,
   and its item another. */
SOP_INLINE void sop_btree__prefetch_leaf(const sop_segments *segments, sop_address address)
{
    const sop_segment_slot *slot = sop_segments_slot(segments, address.segment);
    uint64_t offset = sop_address_offset(address);
    uint32_t length = sop_address_length(address);
    if (SOP_UNLIKELY(slot == NULL || offset >= slot->size)) return;
    const uint8_t *leaf = slot->data + offset;
    for (uint32_t at = 0; at < 20 * SOP_CACHE_LINE && at < length; at += SOP_CACHE_LINE) {
        SOP_PREFETCH(leaf + at);
    }
    sop_btree__prefetch_pages(leaf, length);
}

/* For the item with a known index of a leaf with that many items. */
SOP_INLINE void sop_btree__prefetch_item(const sop_segments *segments,
                                         sop_address address,
                                         uint32_t items,
                                         uint32_t index)
{
    const sop_segment_slot *slot = sop_segments_slot(segments, address.segment);
    uint64_t offset = sop_address_offset(address);
    if (SOP_UNLIKELY(slot == NULL || offset >= slot->size)) return;
    const uint8_t *leaf = slot->data + offset;
    const uint8_t *block = leaf + SOP_NODE_HEADER + sop_btree__samples_size(items) +
                           (size_t)(index / SOP_BLOCK_ITEMS) * SOP_BLOCK_SIZE;
    SOP_PREFETCH(leaf);
    SOP_PREFETCH(block);
    SOP_PREFETCH(block + SOP_BLOCK_SIZE);
    sop_btree__prefetch_pages(leaf, sop_address_length(address));
}

/* The first lines of an item and of those behind it, for a scan that starts there. */
SOP_INLINE void sop_btree__prefetch_run(const uint8_t *leaf, uint32_t index)
{
    const uint8_t *item = leaf + sop_btree__item_offset(leaf, index);
    for (uint32_t i = 0; i < 12; i++) {
        SOP_PREFETCH(item + (size_t)i * SOP_CACHE_LINE);
    }
}

/* --- opening --- */

/* Checks everything that node-1 promises. */
SOP_MUST_CHECK sop_status sop_btree__node_verify(const uint8_t *node,
                                                 sop_address address,
                                                 sop_error *err);
SOP_COLD sop_status sop_btree__node_open_slow(const sop_segments *segments,
                                              sop_address address,
                                              const uint8_t *node,
                                              sop_error *err);
SOP_COLD sop_status sop_btree__wrong_level(const uint8_t *node, uint32_t level, sop_error *err);
SOP_COLD sop_status sop_btree__bad(sop_address address, sop_error *err, const char *format, ...)
    SOP_PRINTF(3, 4);

SOP_INLINE SOP_MUST_CHECK sop_status sop_btree__node_open(const sop_segments *segments,
                                                          sop_address address,
                                                          uint32_t level,
                                                          const uint8_t **out,
                                                          sop_error *err)
{
    int first = 0;
    sop_status status = sop_blob_read(segments, address, out, &first, err);
    if (SOP_UNLIKELY(status != SOP_OK)) return status;
    if (SOP_UNLIKELY(first)) {
        status = sop_btree__node_open_slow(segments, address, *out, err);
        if (status != SOP_OK) return status;
    }
    if (SOP_UNLIKELY(sop_btree__level(*out) != level)) {
        return sop_btree__wrong_level(*out, level, err);
    }
    return SOP_OK;
}

#endif
