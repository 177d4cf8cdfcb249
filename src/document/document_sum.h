/* SPDX-License-Identifier: MIT */
/* Exact sums of decimal numbers. */
#ifndef SOP_DOCUMENT_SUM_H
#define SOP_DOCUMENT_SUM_H

#include "sop/types.h"

/* Digits of weight 10^-36 to 10^71, nine to a limb, carried only at the end. All zero is the sum of nothing. */
enum { SOP_SUM_LIMBS = 12, SOP_SUM_FRACTION = 36, SOP_SUM_LIMB_DIGITS = 9 };

typedef struct {
    int64_t limbs[SOP_SUM_LIMBS]; /* least significant first */
    double rough;                 /* of the numbers that do not fit */
    int is_rough;
    uint64_t count;
} sop_document__sum;

/* Adds a number as JSON writes it; anything else does not count. */
void sop_document__sum_add(sop_document__sum *sum, sop_slice number);
/* Canonical text. Returns its size. */
enum { SOP_SUM_TEXT_MAX = 160 };
size_t sop_document__sum_text(const sop_document__sum *sum, uint8_t to[SOP_SUM_TEXT_MAX]);
double sop_document__sum_double(const sop_document__sum *sum);

#endif
