/* SPDX-License-Identifier: MIT */
/* Simple case folding of characters and strings. */
#include "document/document_fold.h"

#include "util/utf8.h"

uint32_t sop_document__fold_char(uint32_t code)
{
    if (code < 0x80) return code - 'A' < 26 ? code + 32 : code;
    size_t low = 0;
    size_t high = sop_document__fold_range_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const sop_document__fold_range *range = &sop_document__fold_ranges[middle];
        if (code < range->first) {
            high = middle;
        } else if (code > range->last) {
            low = middle + 1;
        } else {
            int inside = (code - range->first) % range->stride == 0;
            return inside ? (uint32_t)((int64_t)code + range->delta) : code;
        }
    }
    return code;
}

size_t sop_document__fold(const uint8_t *text, size_t size, uint8_t *to)
{
    const uint8_t *at = text;
    const uint8_t *end = size == 0 ? at : at + size;
    size_t used = 0;
    while (at != end) {
        uint32_t code = *at;
        if (code < 0x80) {
            to[used++] = (uint8_t)sop_document__fold_char(code);
            at++;
            continue;
        }
        size_t taken = sop_utf8_get(at, end, &code);
        if (taken == 0) {
            to[used++] = *at++;
            continue;
        }
        used += sop_utf8_put(to + used, sop_document__fold_char(code));
        at += taken;
    }
    return used;
}
