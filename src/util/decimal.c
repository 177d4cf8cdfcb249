/* SPDX-License-Identifier: MIT */
/* Decimal numbers as text: parsing, comparison, conversion. */
#include "util/decimal.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/assert.h"

static int is_digit(unsigned c)
{
    return c - '0' < 10;
}

static const uint8_t *skip_digits(const uint8_t *at, const uint8_t *end)
{
    while (at != end && is_digit(*at)) {
        at++;
    }
    return at;
}

/* The exponent after the e, with the sign; NULL if it has no digit. Saturates. */
static const uint8_t *parse_exponent(const uint8_t *at, const uint8_t *end, int64_t *out)
{
    int negative = at != end && *at == '-';
    if (at != end && (*at == '-' || *at == '+')) at++;
    const uint8_t *begin = at;
    int64_t value = 0;
    for (; at != end && is_digit(*at); at++) {
        int small = value < SOP_DECIMAL_EXPONENT_MAX / 10;
        value = small ? value * 10 + (*at - '0') : SOP_DECIMAL_EXPONENT_MAX;
    }
    *out = negative ? -value : value;
    return at == begin ? NULL : at;
}

/* Sets first, count and exponent from the digits [begin, end) with the point (or end) at point. */
static void normalise(const uint8_t *begin,
                      const uint8_t *point,
                      const uint8_t *end,
                      int64_t exponent,
                      sop_decimal *out)
{
    const uint8_t *first = begin;
    while (first != end && (*first == '0' || *first == '.')) {
        first++;
    }
    if (first == end) {
        out->negative = 0;
        return;
    }
    const uint8_t *last = end - 1;
    while (*last == '0' || *last == '.') {
        last--;
    }
    out->first = first;
    out->count = (size_t)(last - first) + 1 - (first < point && point < last ? 1 : 0);
    int64_t before = first < point ? (int64_t)(point - first) : -(int64_t)(first - point - 1);
    exponent += before;
    if (exponent > SOP_DECIMAL_EXPONENT_MAX) exponent = SOP_DECIMAL_EXPONENT_MAX;
    if (exponent < -SOP_DECIMAL_EXPONENT_MAX) exponent = -SOP_DECIMAL_EXPONENT_MAX;
    out->exponent = exponent;
}

int sop_decimal_parse(sop_slice text, sop_decimal *out)
{
    *out = (sop_decimal){.is_integer = 1};
    const uint8_t *at = text.data;
    if (text.size == 0) return -1;
    const uint8_t *end = at + text.size;
    if (*at == '-') {
        out->negative = 1;
        at++;
    }
    const uint8_t *begin = at;
    at = skip_digits(at, end);
    if (at == begin || (*begin == '0' && at - begin > 1)) return -1;
    const uint8_t *point = at;
    if (at != end && *at == '.') {
        at = skip_digits(at + 1, end);
        if (at == point + 1) return -1;
        out->is_integer = 0;
    }
    const uint8_t *digits_end = at;
    int64_t exponent = 0;
    if (at != end && (*at | 0x20) == 'e') {
        at = parse_exponent(at + 1, end, &exponent);
        out->is_integer = 0;
    }
    if (at != end) return -1;
    normalise(begin, point, digits_end, exponent, out);
    return 0;
}

static int compare_digits(const sop_decimal *a, const sop_decimal *b)
{
    const uint8_t *x = a->first;
    const uint8_t *y = b->first;
    size_t common = a->count < b->count ? a->count : b->count;
    for (size_t i = 0; i < common; i++, x++, y++) {
        x += *x == '.';
        y += *y == '.';
        if (*x != *y) return *x < *y ? -1 : 1;
    }
    return (a->count > b->count) - (a->count < b->count);
}

int sop_decimal_compare(const sop_decimal *a, const sop_decimal *b)
{
    int a_sign = a->count == 0 ? 0 : a->negative ? -1 : 1;
    int b_sign = b->count == 0 ? 0 : b->negative ? -1 : 1;
    if (a_sign != b_sign) return a_sign < b_sign ? -1 : 1;
    if (a_sign == 0) return 0;
    if (a->exponent != b->exponent) return a->exponent < b->exponent ? -a_sign : a_sign;
    return a_sign * compare_digits(a, b);
}

void sop_decimal_digits(const sop_decimal *number, uint8_t *to)
{
    const uint8_t *at = number->first;
    for (size_t i = 0; i < number->count; i++, at++) {
        at += *at == '.';
        to[i] = *at;
    }
}

/* The magnitude; 0 if it is no integer below 2^64. */
static int magnitude(const sop_decimal *number, uint64_t *out)
{
    *out = 0;
    if (number->count == 0) return 1;
    if (number->exponent > 20 || number->exponent < (int64_t)number->count) return 0;
    uint64_t value = 0;
    const uint8_t *at = number->first;
    for (int64_t i = 0; i < number->exponent; i++) {
        unsigned digit = 0;
        if ((size_t)i < number->count) {
            at += *at == '.';
            digit = (unsigned)(*at++ - '0');
        }
        if (__builtin_mul_overflow(value, (uint64_t)10, &value)) return 0;
        if (__builtin_add_overflow(value, (uint64_t)digit, &value)) return 0;
    }
    *out = value;
    return 1;
}

int sop_decimal_int64(const sop_decimal *number, int64_t *out)
{
    uint64_t value = 0;
    *out = 0;
    if (!magnitude(number, &value)) return 0;
    if (value > (uint64_t)INT64_MAX + (number->negative ? 1 : 0)) return 0;
    *out = number->negative ? -(int64_t)(value - 1) - 1 : (int64_t)value;
    return 1;
}

int sop_decimal_uint64(const sop_decimal *number, uint64_t *out)
{
    uint64_t value = 0;
    *out = 0;
    if (number->negative || !magnitude(number, &value)) return 0;
    *out = value;
    return 1;
}

/* Clinger's fast path: both the digits and the power of ten are exact doubles, so one operation
 * rounds once. */
static int double_fast(const sop_decimal *number, double *out)
{
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                    1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                    1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    if (number->count > 15) return 0;
    int64_t power = number->exponent - (int64_t)number->count;
    if (power < -22 || power > 22) return 0;
    uint64_t digits = 0;
    const uint8_t *at = number->first;
    for (size_t i = 0; i < number->count; i++, at++) {
        at += *at == '.';
        digits = digits * 10 + (uint64_t)(*at - '0');
    }
    double value = power < 0 ? (double)digits / powers[-power] : (double)digits * powers[power];
    *out = number->negative ? -value : value;
    return 1;
}

/* No point in what strtod reads, so that the locale does not matter. More digits than this never
   change the rounding as long as a non-zero digit stands for the rest: no halfway point between
   doubles has more than 767 digits. */
#define DOUBLE_DIGITS_MAX 780

double sop_decimal_double(const sop_decimal *number)
{
    double value = 0;
    if (number->count == 0 || double_fast(number, &value)) return value;
    if (number->exponent > 400 || number->exponent < -400) {
        value = number->exponent > 0 ? HUGE_VAL : 0.0;
        return number->negative ? -value : value;
    }
    char text[DOUBLE_DIGITS_MAX + 32];
    size_t used = 0;
    const uint8_t *at = number->first;
    size_t count = number->count > DOUBLE_DIGITS_MAX ? DOUBLE_DIGITS_MAX : number->count;
    if (number->negative) text[used++] = '-';
    for (size_t i = 0; i < count; i++, at++) {
        at += *at == '.';
        text[used++] = (char)*at;
    }
    if (count < number->count) text[used - 1] = '1';
    (void)snprintf(text + used, sizeof text - used, "e%lld",
                   (long long)(number->exponent - (int64_t)count));
    return strtod(text, NULL);
}

static size_t put_zeros(uint8_t *to, int64_t count)
{
    memset(to, '0', (size_t)count);
    return (size_t)count;
}

static size_t put_digits(uint8_t *to, const uint8_t *digits, size_t count)
{
    memcpy(to, digits, count);
    return count;
}

size_t
sop_decimal_text(int negative, int64_t exponent, const uint8_t *digits, size_t count, uint8_t *to)
{
    size_t used = 0;
    if (negative) to[used++] = '-';
    if (count == 0) {
        to[used++] = '0';
        return used;
    }
    int64_t size = (int64_t)count;
    if (exponent < -5 || exponent > size + 20) {
        to[used++] = digits[0];
        if (count > 1) to[used++] = '.';
        used += put_digits(to + used, digits + 1, count - 1);
        used += (size_t)snprintf((char *)to + used, 24, "e%lld", (long long)(exponent - 1));
    } else if (exponent <= 0) {
        to[used++] = '0';
        to[used++] = '.';
        used += put_zeros(to + used, -exponent);
        used += put_digits(to + used, digits, count);
    } else if (exponent >= size) {
        used += put_digits(to + used, digits, count);
        used += put_zeros(to + used, exponent - size);
    } else {
        used += put_digits(to + used, digits, (size_t)exponent);
        to[used++] = '.';
        used += put_digits(to + used, digits + exponent, (size_t)(size - exponent));
    }
    return used;
}

size_t sop_double_text(double value, uint8_t to[SOP_DOUBLE_TEXT_MAX])
{
    SOP_ASSERT(isfinite(value));
    char text[40];
    /* A normal double that fewer than 15 digits name comes out of 15 with zeros at the end; a
     * subnormal need not. */
    for (int precision = fabs(value) < DBL_MIN ? 0 : 14; precision < 17; precision++) {
        (void)snprintf(text, sizeof text, "%.*e", precision, value);
        if (strtod(text, NULL) == value) break;
    }
    /* Digits up to the e, whatever the locale has for a point. */
    uint8_t digits[24];
    size_t count = 0;
    const char *at = text;
    for (; *at != 'e'; at++) {
        if (is_digit((uint8_t)*at)) digits[count++] = (uint8_t)*at;
    }
    int64_t exponent = strtol(at + 1, NULL, 10) + 1;
    while (count > 0 && digits[count - 1] == '0') {
        count--;
    }
    return sop_decimal_text(signbit(value) != 0, exponent, digits, count, to);
}
