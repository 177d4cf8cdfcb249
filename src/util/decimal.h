/* SPDX-License-Identifier: MIT */
/* Decimal numbers as text, of any length: exact parsing, comparison and conversion without floating
 * point. */
#ifndef SOP_UTIL_DECIMAL_H
#define SOP_UTIL_DECIMAL_H

#include <stddef.h>
#include <stdint.h>

#include "sop/types.h"

/*
 * The number sign 0.d1d2...dn x 10^exponent with d1 and dn not 0; zero has no digits, exponent 0
 * and no sign. Two numbers are equal exactly if these three are. Points into the text it was parsed
 * from.
 */
typedef struct {
    const uint8_t *first; /* d1; a point may lie between the digits */
    size_t count;         /* digits, the point not counted */
    int64_t exponent;     /* within +-SOP_DECIMAL_EXPONENT_MAX */
    int negative;
    int is_integer; /* written without point and exponent */
} sop_decimal;

/* Larger exponents are taken as this one; no number with so many digits fits anywhere. */
#define SOP_DECIMAL_EXPONENT_MAX INT64_C(1000000000000000000)

/* 0, or -1 if the text is not exactly a number by the grammar of JSON (RFC 8259, section 6). */
int sop_decimal_parse(sop_slice text, sop_decimal *out);
/* Negative, zero or positive. */
int sop_decimal_compare(const sop_decimal *a, const sop_decimal *b);

/* 1 and *out set if the value, however written, is an integer in range; else 0. */
int sop_decimal_int64(const sop_decimal *number, int64_t *out);
int sop_decimal_uint64(const sop_decimal *number, uint64_t *out);
/* The nearest double, ties to even; an infinity beyond the range. */
double sop_decimal_double(const sop_decimal *number);

/* Copies the digits as ASCII, without the point; to holds number->count bytes. */
void sop_decimal_digits(const sop_decimal *number, uint8_t *to);

/*
 * The canonical text: no useless zeros or plus signs, no "-0"; plain notation, or one digit before
 * the point and an exponent where plain notation would add more than 20 zeros at the end or 5 after
 * the point: 0, -12.5, 1e400, 1.5e-7. Takes the digits as sop_decimal_digits gives them. Returns
 * the size; to holds count + SOP_DECIMAL_TEXT_EXTRA bytes.
 */
#define SOP_DECIMAL_TEXT_EXTRA 32
size_t
sop_decimal_text(int negative, int64_t exponent, const uint8_t *digits, size_t count, uint8_t *to);

/* The shortest correctly rounded text that reads back as the same finite double, in the form of
   sop_decimal_text
   ("-0" for minus zero). Returns the size. */
#define SOP_DOUBLE_TEXT_MAX 64
size_t sop_double_text(double value, uint8_t to[SOP_DOUBLE_TEXT_MAX]);

#endif
