/* SPDX-License-Identifier: MIT */
/* The words of filters and paths: where they end, and which ones have a meaning of their own. */
#ifndef SOP_DOCUMENT_WORD_H
#define SOP_DOCUMENT_WORD_H

#include <stddef.h>
#include <stdint.h>

#include "sop/types.h"

/* Letters, digits, _ - $ @ and everything above 7F. */
const uint8_t *sop_document__word_end(const uint8_t *at, const uint8_t *end);
/* From the opening quote, " or ', to behind the closing one; NULL if there is none. */
const uint8_t *sop_document__quoted_end(const uint8_t *at, const uint8_t *end);
/* Words that cannot begin a path without quotes; any case. */
int sop_document__is_keyword(sop_slice word);
int sop_document__word_is(sop_slice word, const char *lower);

#endif
