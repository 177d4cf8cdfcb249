/* SPDX-License-Identifier: MIT */
/* Simple case folding: one character to one character, the same in every locale. */
#ifndef SOP_DOCUMENT_FOLD_H
#define SOP_DOCUMENT_FOLD_H

#include <stddef.h>
#include <stdint.h>

/* The characters first, first + stride, ... last fold to themselves plus delta. Sorted by first. */
typedef struct {
    uint32_t first;
    uint32_t last;
    uint32_t stride;
    int32_t delta;
} sop_document__fold_range;

extern const sop_document__fold_range sop_document__fold_ranges[];
extern const size_t sop_document__fold_range_count;

uint32_t sop_document__fold_char(uint32_t code);

/* A folded character may need one byte more than it had (U+023A); no character grows from one byte. */
#define SOP_DOCUMENT_FOLD_SIZE(size) ((size) + (size) / 2)
/* Folds UTF-8; bytes that are none stay. to holds SOP_DOCUMENT_FOLD_SIZE(size) bytes. Returns the size. */
size_t sop_document__fold(const uint8_t *text, size_t size, uint8_t *to);

#endif
