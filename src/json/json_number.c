/* SPDX-License-Identifier: MIT */
/* Numbers as texts: what kind, and exact order. */
#include "json/json.h"
#include "util/bytes.h"
#include "util/decimal.h"

sop_json_number_kind sop_json_number_classify(sop_slice raw)
{
    sop_decimal number;
    if (sop_decimal_parse(raw, &number) != 0) return SOP_JSON_NUMBER_BAD;
    if (number.is_integer) {
        int64_t signed_value = 0;
        uint64_t unsigned_value = 0;
        if (sop_decimal_int64(&number, &signed_value)) return SOP_JSON_NUMBER_INT64;
        if (sop_decimal_uint64(&number, &unsigned_value)) return SOP_JSON_NUMBER_UINT64;
        return SOP_JSON_NUMBER_INTEGER;
    }
    int exponent =
        memchr(raw.data, 'e', raw.size) != NULL || memchr(raw.data, 'E', raw.size) != NULL;
    return exponent ? SOP_JSON_NUMBER_EXPONENT : SOP_JSON_NUMBER_DECIMAL;
}

int sop_json_number_compare(sop_slice a, sop_slice b)
{
    sop_decimal x;
    sop_decimal y;
    int a_bad = sop_decimal_parse(a, &x) != 0;
    int b_bad = sop_decimal_parse(b, &y) != 0;
    if (a_bad || b_bad) return b_bad - a_bad;
    return sop_decimal_compare(&x, &y);
}
