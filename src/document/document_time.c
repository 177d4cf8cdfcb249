/* SPDX-License-Identifier: MIT */
/* Dates and RFC 3339 instants of the years 0 to 9999, with a fraction of any length up to FRACTION_MAX digits. */
#include <stdio.h>

#include "document/document_scalar.h"
#include "util/bytes.h"
#include "util/decimal.h"

#define FRACTION_MAX 64
#define DAY          INT64_C(86400)
#define DAYS_MIN     INT64_C(-719528) /* 0000-01-01 */
#define DAYS_MAX     INT64_C(2932896) /* 9999-12-31 */

/* Source: Hinnant, "chrono-Compatible Low-Level Date Algorithms"; the proleptic Gregorian calendar. */
static int64_t days_of_civil(int64_t year, unsigned month, unsigned day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    unsigned year_of_era = (unsigned)(year - era * 400);
    unsigned day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    unsigned day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + (int64_t)day_of_era - 719468;
}

static void civil_of_days(int64_t days, int *year, unsigned *month, unsigned *day)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    unsigned day_of_era = (unsigned)(days - era * 146097);
    unsigned year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    unsigned day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    unsigned shifted = (5 * day_of_year + 2) / 153;
    *day = day_of_year - (153 * shifted + 2) / 5 + 1;
    *month = shifted < 10 ? shifted + 3 : shifted - 9;
    *year = (int)(era * 400 + (int64_t)year_of_era + (*month <= 2));
}

/* A number of exactly `count` digits; -1 if it is none. */
static int digits(const uint8_t *at, size_t count)
{
    int value = 0;
    for (size_t i = 0; i < count; i++) {
        if ((unsigned)at[i] - '0' >= 10) return -1;
        value = value * 10 + (at[i] - '0');
    }
    return value;
}

/* YYYY-MM-DD at `at`, 10 bytes. */
static int parse_date(const uint8_t *at, int64_t *days_out)
{
    static const uint8_t month_days[12] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int year = digits(at, 4);
    int month = digits(at + 5, 2);
    int day = digits(at + 8, 2);
    if (year < 0 || at[4] != '-' || at[7] != '-' || month < 1 || month > 12) return 0;
    if (day < 1 || day > month_days[month - 1]) return 0;
    int leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    if (month == 2 && day == 29 && !leap) return 0;
    *days_out = days_of_civil(year, (unsigned)month, (unsigned)day);
    return 1;
}

int sop_document__date_to_days(sop_slice text, int64_t *days_out)
{
    return text.size == 10 && parse_date(text.data, days_out);
}

size_t sop_document__date_of_days(int64_t days, uint8_t to[SOP_DOCUMENT_TIME_TEXT_MAX])
{
    int year = 0;
    unsigned month = 0;
    unsigned day = 0;
    if (days < DAYS_MIN || days > DAYS_MAX) return 0;
    civil_of_days(days, &year, &month, &day);
    return (size_t)snprintf((char *)to, SOP_DOCUMENT_TIME_TEXT_MAX, "%04d-%02u-%02u", year, month,
                            day);
}

/* HH:MM:SS at `at`, 8 bytes. A leap second is the second after it, as clocks of computers have it. */
static int parse_clock(const uint8_t *at, int64_t *seconds_out)
{
    int hour = digits(at, 2);
    int minute = digits(at + 3, 2);
    int second = digits(at + 6, 2);
    if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60) return 0;
    if (at[2] != ':' || at[5] != ':') return 0;
    *seconds_out = hour * 3600 + minute * 60 + second;
    return 1;
}

/* Z or +HH:MM, up to the end. */
static int parse_offset(const uint8_t *at, const uint8_t *end, int64_t *seconds_out)
{
    *seconds_out = 0;
    if (end - at == 1) return (*at | 0x20) == 'z';
    if (end - at != 6 || (*at != '+' && *at != '-') || at[3] != ':') return 0;
    int hour = digits(at + 1, 2);
    int minute = digits(at + 4, 2);
    if (hour < 0 || hour > 23 || minute < 0 || minute > 59) return 0;
    *seconds_out = hour * 3600 + minute * 60;
    if (*at == '-') *seconds_out = -*seconds_out;
    return 1;
}

/* seconds + 0.fraction; the fraction counts upwards also before 1970. */
static size_t write_seconds(int64_t seconds, const uint8_t *fraction, size_t count, uint8_t *to)
{
    while (count != 0 && fraction[count - 1] == '0') {
        count--;
    }
    int negative = seconds < 0;
    if (negative && count != 0) seconds++;
    uint64_t magnitude = negative ? 0 - (uint64_t)seconds : (uint64_t)seconds;
    size_t used = (size_t)snprintf((char *)to, SOP_DOCUMENT_TIME_TEXT_MAX, "%s%llu",
                                   negative ? "-" : "", (unsigned long long)magnitude);
    if (count == 0) return used;
    to[used++] = '.';
    for (size_t i = 0; i < count; i++) {
        /* 1 - 0.fraction, digit by digit: nines, and ten for the last one, which is not 0. */
        unsigned top = i + 1 == count ? '0' + 10u : '0' + 9u;
        to[used++] = negative ? (uint8_t)('0' + top - fraction[i]) : fraction[i];
    }
    return used;
}

size_t sop_document__time_to_seconds(sop_slice text,
                                     uint8_t to[SOP_DOCUMENT_TIME_TEXT_MAX],
                                     const char **why_out)
{
    const uint8_t *at = text.data;
    int64_t days = 0;
    int64_t clock = 0;
    int64_t offset = 0;
    *why_out = "expected a timestamp such as 2024-05-01T10:30:00Z";
    if (text.size < 20 || !parse_date(at, &days) || !parse_clock(at + 11, &clock)) return 0;
    if (at[10] != ' ' && (at[10] | 0x20) != 't') return 0;
    const uint8_t *end = at + text.size;
    at += 19;
    const uint8_t *fraction = at;
    size_t count = 0;
    if (*at == '.') {
        fraction = ++at;
        while (at != end && (unsigned)*at - '0' < 10) {
            at++;
        }
        count = (size_t)(at - fraction);
        if (count == 0) return 0;
    }
    if (!parse_offset(at, end, &offset)) return 0;
    if (count > FRACTION_MAX) *why_out = "a timestamp with more than 64 digits after the point";
    if (count > FRACTION_MAX) return 0;
    int64_t seconds = days * DAY + clock - offset;
    if (seconds < DAYS_MIN * DAY || seconds >= (DAYS_MAX + 1) * DAY) {
        *why_out = "a timestamp outside the years 0 to 9999 of UTC";
        return 0;
    }
    return write_seconds(seconds, fraction, count, to);
}

/* The integer part, rounded down, and the digits behind the point. 0: too many of them, or out of range. */
static int
split_seconds(const sop_decimal *number, int64_t *seconds_out, uint8_t *fraction, size_t *count_out)
{
    uint8_t plain[FRACTION_MAX + 16];
    if (number->count > sizeof plain || number->exponent > 12) return 0;
    int64_t before = number->exponent < 0 ? 0 : number->exponent;
    int64_t zeros = number->exponent < 0 ? -number->exponent : 0;
    int64_t behind = (int64_t)number->count - before;
    if (behind < 0) behind = 0;
    if (zeros > FRACTION_MAX || zeros + behind > FRACTION_MAX) return 0;
    sop_decimal_digits(number, plain);
    int64_t seconds = 0;
    for (int64_t i = 0; i < before; i++) {
        seconds = seconds * 10 + ((size_t)i < number->count ? plain[i] - '0' : 0);
    }
    size_t count = 0;
    while (count < (size_t)zeros) {
        fraction[count++] = '0';
    }
    for (size_t i = (size_t)before; i < number->count; i++) {
        fraction[count++] = plain[i];
    }
    if (number->negative) {
        seconds = -seconds - (count != 0);
        for (size_t i = 0; i < count; i++) {
            unsigned top = i + 1 == count ? '0' + 10u : '0' + 9u;
            fraction[i] = (uint8_t)('0' + top - fraction[i]);
        }
    }
    *seconds_out = seconds;
    *count_out = count;
    return 1;
}

size_t sop_document__time_of_seconds(sop_slice seconds, uint8_t to[SOP_DOCUMENT_TIME_TEXT_MAX])
{
    sop_decimal number;
    uint8_t fraction[FRACTION_MAX];
    size_t count = 0;
    int64_t whole = 0;
    if (sop_decimal_parse(seconds, &number) != 0 ||
        !split_seconds(&number, &whole, fraction, &count)) {
        return 0;
    }
    int64_t days = whole >= 0 ? whole / DAY : -((DAY - 1 - whole) / DAY);
    unsigned clock = (unsigned)(whole - days * DAY);
    size_t used = sop_document__date_of_days(days, to);
    if (used == 0) return 0;
    used += (size_t)snprintf((char *)to + used, 16, "T%02u:%02u:%02u", clock / 3600,
                             clock / 60 % 60, clock % 60);
    if (count != 0) {
        to[used++] = '.';
        memcpy(to + used, fraction, count);
        used += count;
    }
    to[used++] = 'Z';
    return used;
}
