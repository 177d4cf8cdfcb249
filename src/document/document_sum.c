/* SPDX-License-Identifier: MIT */
/* Exact sums: a number of fixed point so wide that sizes, prices and counts never round. */
#include "document/document_sum.h"

#include <string.h>

#include "util/bytes.h"
#include "util/decimal.h"

enum {
    LIMB = 1000000000,
    DIGITS = SOP_SUM_LIMBS * SOP_SUM_LIMB_DIGITS,
    DIGITS_MAX = 512 /* of one number; longer ones are rough */
};

static const int32_t POWERS[SOP_SUM_LIMB_DIGITS] = {1,      10,      100,      1000,     10000,
                                                    100000, 1000000, 10000000, 100000000};

void sop_document__sum_add(sop_document__sum *sum, sop_slice number)
{
    sop_decimal d;
    uint8_t digits[DIGITS_MAX];
    if (sop_decimal_parse(number, &d) != 0) return;
    sum->count++;
    if (d.count == 0) return;
    int fits = d.count <= DIGITS_MAX && d.exponent <= DIGITS - SOP_SUM_FRACTION &&
               d.exponent - (int64_t)d.count >= -SOP_SUM_FRACTION;
    if (!fits) {
        sum->rough += sop_decimal_double(&d);
        sum->is_rough = 1;
        return;
    }
    sop_decimal_digits(&d, digits);
    for (size_t i = 0; i < d.count; i++) {
        size_t weight = (size_t)(d.exponent - 1 - (int64_t)i + SOP_SUM_FRACTION);
        int64_t part = (int64_t)(digits[i] - '0') * POWERS[weight % SOP_SUM_LIMB_DIGITS];
        sum->limbs[weight / SOP_SUM_LIMB_DIGITS] += d.negative ? -part : part;
    }
}

/* Carries; every limb is then 0 to 10^9 - 1 of the magnitude, but the highest, which may hold more. Returns the sign. */
static int carried(const sop_document__sum *sum, int64_t limbs[SOP_SUM_LIMBS])
{
    int negative = 0;
    memcpy(limbs, sum->limbs, sizeof sum->limbs);
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i + 1 < SOP_SUM_LIMBS; i++) {
            int64_t carry = limbs[i] / LIMB;
            limbs[i] -= carry * LIMB;
            if (limbs[i] < 0) {
                limbs[i] += LIMB;
                carry--;
            }
            limbs[i + 1] += carry;
        }
        if (limbs[SOP_SUM_LIMBS - 1] >= 0) break;
        negative = 1;
        for (size_t i = 0; i < SOP_SUM_LIMBS; i++) {
            limbs[i] = -limbs[i];
        }
    }
    return negative;
}

/* The exact part. */
static size_t exact_text(const sop_document__sum *sum, uint8_t to[SOP_SUM_TEXT_MAX])
{
    int64_t limbs[SOP_SUM_LIMBS];
    uint8_t digits[DIGITS + 10];
    size_t count = 0;
    int negative = carried(sum, limbs);
    /* The highest limb first, with the ten digits it may have more. */
    int64_t high = limbs[SOP_SUM_LIMBS - 1];
    for (int64_t power = INT64_C(1000000000000000000); power != 0; power /= 10) {
        digits[count++] = (uint8_t)('0' + high / power % 10);
    }
    for (size_t i = SOP_SUM_LIMBS - 1; i > 0; i--) {
        for (size_t k = SOP_SUM_LIMB_DIGITS; k > 0; k--) {
            digits[count++] = (uint8_t)('0' + limbs[i - 1] / POWERS[k - 1] % 10);
        }
    }
    int64_t exponent = (int64_t)count - SOP_SUM_FRACTION;
    size_t first = 0;
    while (first < count && digits[first] == '0') {
        first++;
        exponent--;
    }
    while (count > first && digits[count - 1] == '0') {
        count--;
    }
    if (first == count) exponent = 0;
    return sop_decimal_text(first != count && negative, exponent, digits + first, count - first,
                            to);
}

double sop_document__sum_double(const sop_document__sum *sum)
{
    uint8_t text[SOP_SUM_TEXT_MAX];
    sop_decimal d;
    size_t size = exact_text(sum, text);
    double value =
        sop_decimal_parse(sop_slice_of(text, size), &d) == 0 ? sop_decimal_double(&d) : 0;
    return sum->is_rough ? value + sum->rough : value;
}

size_t sop_document__sum_text(const sop_document__sum *sum, uint8_t to[SOP_SUM_TEXT_MAX])
{
    return sum->is_rough ? sop_double_text(sop_document__sum_double(sum), to) : exact_text(sum, to);
}
