/* SPDX-License-Identifier: MIT */
/* Document keys: for each type the order, decode(encode(x)) = canonical(x) and encode(canonical(x)) = encode(x). */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "document/document.h"
#include "support/support.h"
#include "util/bytes.h"
#include "util/memory.h"

#if defined(__SANITIZE_ADDRESS__)
#define PAIRS 100000
#else
#define PAIRS 1000000
#endif

/* A random value of a type: as JSON, in canonical JSON, and in a form that the test compares on its own. */
typedef struct {
    char json[256];
    char canonical[256]; /* empty: not foretold, only the laws are checked */
    double number;
    int64_t integer;
    uint64_t natural;
    uint8_t bytes[64]; /* compared as memcmp does, the shorter first */
    size_t size;
    uint8_t exact[64]; /* strings without case: decides ties */
    size_t exact_size;
} sample;

static void make_int64(uint64_t *seed, sample *s)
{
    s->integer = (int64_t)sop_test_random(seed) >> (sop_test_random(seed) % 64);
    (void)snprintf(s->canonical, sizeof s->canonical, "%lld", (long long)s->integer);
    uint64_t r = sop_test_random(seed) % 8;
    if (r == 0 && s->integer % 100 == 0 && s->integer != 0) {
        (void)snprintf(s->json, sizeof s->json, "%llde2", (long long)s->integer / 100);
    } else {
        (void)snprintf(s->json, sizeof s->json, "%lld%s", (long long)s->integer,
                       r == 1   ? ".0"
                       : r == 2 ? "e0"
                                : "");
    }
    if (s->integer == 0 && r == 3) (void)snprintf(s->json, sizeof s->json, "-0");
}

static int order_int64(const sample *a, const sample *b)
{
    return (a->integer > b->integer) - (a->integer < b->integer);
}

static void make_uint64(uint64_t *seed, sample *s)
{
    s->natural = sop_test_random(seed) >> (sop_test_random(seed) % 64);
    (void)snprintf(s->canonical, sizeof s->canonical, "%llu", (unsigned long long)s->natural);
    (void)snprintf(s->json, sizeof s->json, "%llu%s", (unsigned long long)s->natural,
                   sop_test_random(seed) % 4 ? "" : ".00");
}

static int order_uint64(const sample *a, const sample *b)
{
    return (a->natural > b->natural) - (a->natural < b->natural);
}

static void make_double(uint64_t *seed, sample *s)
{
    uint64_t bits = sop_test_random(seed);
    uint64_t kind = sop_test_random(seed) % 4;
    memcpy(&s->number, &bits, sizeof s->number);
    if (kind == 0) s->number = (double)((int64_t)bits >> (bits % 63));
    if (kind == 1) s->number = (double)((int64_t)bits % 1000) / 8;
    if (!isfinite(s->number)) s->number = 0.1;
    (void)snprintf(s->json, sizeof s->json, kind == 2 ? "%.17g" : "%.17e", s->number);
    if (s->number == 0) s->number = 0;
}

static int order_double(const sample *a, const sample *b)
{
    return (a->number > b->number) - (a->number < b->number);
}

/* Thousandths in many writings, so that long double holds them exactly. */
static void make_decimal(uint64_t *seed, sample *s)
{
    s->integer = (int64_t)sop_test_random(seed) >> (10 + sop_test_random(seed) % 54);
    int64_t magnitude = s->integer < 0 ? -s->integer : s->integer;
    const char *minus = s->integer < 0 ? "-" : "";
    switch (sop_test_random(seed) % 3) {
    case 0:
        (void)snprintf(s->json, sizeof s->json, "%s%llde-3", minus, (long long)magnitude);
        break;
    case 1:
        (void)snprintf(s->json, sizeof s->json, "%s%lld.%03lld", minus, (long long)magnitude / 1000,
                       (long long)magnitude % 1000);
        break;
    default:
        (void)snprintf(s->json, sizeof s->json, "%s%lld.%03lld00E+0", minus,
                       (long long)magnitude / 1000, (long long)magnitude % 1000);
        break;
    }
    size_t used = (size_t)snprintf(s->canonical, sizeof s->canonical, "%s%lld.%03lld", minus,
                                   (long long)magnitude / 1000, (long long)magnitude % 1000);
    while (s->canonical[used - 1] == '0') {
        s->canonical[--used] = '\0';
    }
    if (s->canonical[used - 1] == '.') s->canonical[--used] = '\0';
}

static void make_bool(uint64_t *seed, sample *s)
{
    s->integer = (int64_t)(sop_test_random(seed) % 2);
    (void)snprintf(s->json, sizeof s->json, "%s", s->integer ? "true" : "false");
    memcpy(s->canonical, s->json, sizeof s->json);
}

static int order_bytes(const sample *a, const sample *b)
{
    return sop_compare(a->bytes, a->size, b->bytes, b->size);
}

static const struct {
    const char *json;
    const char *plain;
    const char *folded;
} PIECES[] = {{"a", "a", "a"},
              {"A", "A", "a"},
              {"\\u0041", "A", "a"},
              {"\\u00e9", "\xc3\xa9", "\xc3\xa9"},
              {"\xc3\x89", "\xc3\x89", "\xc3\xa9"},
              {"\\n", "\n", "\n"},
              {"z", "z", "z"},
              {"\xe2\x84\xaa", "\xe2\x84\xaa", "k"},
              {"K", "K", "k"},
              {"\\ud83d\\ude00", "\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80"},
              {"_", "_", "_"},
              {"\\u03a3", "\xce\xa3", "\xcf\x83"},
              {"\\u03c2", "\xcf\x82", "\xcf\x83"},
              {"\xc8\xba", "\xc8\xba", "\xe2\xb1\xa5"}};

static void make_string_as(uint64_t *seed, sample *s, int nocase)
{
    size_t used = 1;
    s->json[0] = '"';
    for (uint64_t n = sop_test_random(seed) % 5; n != 0; n--) {
        size_t i = sop_test_random(seed) % (sizeof PIECES / sizeof PIECES[0]);
        const char *sorted = nocase ? PIECES[i].folded : PIECES[i].plain;
        memcpy(s->json + used, PIECES[i].json, strlen(PIECES[i].json));
        used += strlen(PIECES[i].json);
        memcpy(s->bytes + s->size, sorted, strlen(sorted));
        s->size += strlen(sorted);
        memcpy(s->exact + s->exact_size, PIECES[i].plain, strlen(PIECES[i].plain));
        s->exact_size += strlen(PIECES[i].plain);
    }
    /* A zero byte now and then. */
    if (sop_test_random(seed) % 8 == 0) {
        memcpy(s->json + used, "\\u0000", 6);
        used += 6;
        s->bytes[s->size++] = 0;
        s->exact[s->exact_size++] = 0;
    }
    s->json[used++] = '"';
    s->json[used] = '\0';
}

static void make_string(uint64_t *seed, sample *s)
{
    make_string_as(seed, s, 0);
}

static void make_nocase(uint64_t *seed, sample *s)
{
    make_string_as(seed, s, 1);
}

static int order_nocase(const sample *a, const sample *b)
{
    int order = order_bytes(a, b);
    return order != 0 ? order : sop_compare(a->exact, a->exact_size, b->exact, b->exact_size);
}

static void make_bytes(uint64_t *seed, sample *s)
{
    static const char standard[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=";
    s->size = sop_test_random(seed) % 8;
    for (size_t i = 0; i < s->size; i++) {
        s->bytes[i] = (uint8_t)(sop_test_random(seed) % 5 * 63);
    }
    /* Six bits at a time. */
    size_t used = 0;
    s->canonical[used++] = '"';
    for (size_t bit = 0; bit < s->size * 8; bit += 6) {
        unsigned value = 0;
        for (size_t k = bit; k < bit + 6; k++) {
            unsigned byte = k / 8 < s->size ? s->bytes[k / 8] : 0;
            value = value * 2 + (byte >> (7 - k % 8) & 1);
        }
        s->canonical[used++] = standard[value];
    }
    memcpy(s->json, s->canonical, used);
    size_t short_size = used;
    while ((used - 1) % 4 != 0) {
        s->canonical[used++] = '=';
    }
    s->canonical[used++] = '"';
    s->canonical[used] = '\0';
    if (sop_test_random(seed) % 2 == 0) {
        memcpy(s->json, s->canonical, used + 1);
        return;
    }
    /* URL-safe and without padding. */
    for (size_t i = 0; i < short_size; i++) {
        if (s->json[i] == '+') s->json[i] = '-';
        if (s->json[i] == '/') s->json[i] = '_';
    }
    s->json[short_size] = '"';
    s->json[short_size + 1] = '\0';
}

static void make_uuid(uint64_t *seed, sample *s)
{
    s->size = 16;
    uint64_t r = sop_test_random(seed);
    size_t used = 0;
    size_t canonical = 0;
    s->json[used++] = '"';
    s->canonical[canonical++] = '"';
    for (size_t i = 0; i < 16; i++) {
        s->bytes[i] = (uint8_t)(sop_test_random(seed) % 3 * 0x7b);
        int dash = i == 4 || i == 6 || i == 8 || i == 10;
        if (dash && r % 2 == 0) s->json[used++] = '-';
        if (dash) s->canonical[canonical++] = '-';
        used += (size_t)snprintf(s->json + used, 3, r % 3 ? "%02x" : "%02X", s->bytes[i]);
        canonical += (size_t)snprintf(s->canonical + canonical, 3, "%02x", s->bytes[i]);
    }
    s->json[used++] = '"';
    s->json[used] = '\0';
    s->canonical[canonical++] = '"';
    s->canonical[canonical] = '\0';
}

#define YEAR_0    INT64_C(-62167219200)
#define YEAR_9999 INT64_C(253402300799)

static void format_time(int64_t seconds, const char *fraction, const char *zone, char *to)
{
    struct tm tm;
    time_t t = (time_t)seconds;
    assert_non_null(gmtime_r(&t, &tm));
    (void)snprintf(to, 200, "\"%04d-%02d-%02dT%02d:%02d:%02d%s%s%s\"", tm.tm_year + 1900,
                   tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
                   fraction[0] == '\0' ? "" : ".", fraction, zone);
}

/* The C library knows the calendar; the test has only to shift by the offset. */
static void make_timestamp(uint64_t *seed, sample *s)
{
    static const char digits[] = "0010500900";
    char fraction[16] = "";
    size_t count = sop_test_random(seed) % 8;
    for (size_t i = 0; i < count; i++) {
        fraction[i] = digits[sop_test_random(seed) % 10];
        fraction[i + 1] = '\0';
    }
    s->integer = YEAR_0 + (int64_t)(sop_test_random(seed) % (uint64_t)(YEAR_9999 - YEAR_0 + 1));
    if (sop_test_random(seed) % 2 == 0) s->integer = (int64_t)(sop_test_random(seed) % 41) - 20;
    int offset = (int)(sop_test_random(seed) % (48 * 60 - 1)) - (24 * 60 - 1);
    int64_t local = s->integer + offset * 60;
    char zone[16] = "Z";
    if (local < YEAR_0 || local > YEAR_9999 || sop_test_random(seed) % 3 == 0) {
        local = s->integer;
    } else {
        int minutes = offset < 0 ? -offset : offset;
        (void)snprintf(zone, sizeof zone, "%c%02d:%02d", offset < 0 ? '-' : '+', minutes / 60,
                       minutes % 60);
    }
    format_time(local, fraction, zone, s->json);
    if (sop_test_random(seed) % 4 == 0) s->json[11] = sop_test_random(seed) % 2 ? 't' : ' ';
    while (count != 0 && fraction[count - 1] == '0') {
        fraction[--count] = '\0';
    }
    format_time(s->integer, fraction, "Z", s->canonical);
    s->size = count;
    memcpy(s->bytes, fraction, count);
}

static int order_timestamp(const sample *a, const sample *b)
{
    int order = order_int64(a, b);
    return order != 0 ? order : order_bytes(a, b);
}

static void make_date(uint64_t *seed, sample *s)
{
    int64_t seconds =
        YEAR_0 + (int64_t)(sop_test_random(seed) % (uint64_t)(YEAR_9999 - YEAR_0 + 1));
    if (sop_test_random(seed) % 2 == 0)
        seconds = ((int64_t)(sop_test_random(seed) % 801) - 400) * 86400;
    format_time(seconds, "", "", s->json);
    memcpy(s->json + 11, "\"", 2);
    memcpy(s->canonical, s->json, sizeof s->json);
    memcpy(s->bytes, s->json, 12);
    s->size = 12;
}

static const struct {
    const char *spec; /* with a place for order */
    void (*make)(uint64_t *seed, sample *s);
    int (*order)(const sample *a, const sample *b);
} KINDS[] = {
    {"\"type\":\"int64\"", make_int64, order_int64},
    {"\"type\":\"uint64\"", make_uint64, order_uint64},
    {"\"type\":\"double\"", make_double, order_double},
    {"\"type\":\"decimal\"", make_decimal, order_int64},
    {"\"type\":\"bool\"", make_bool, order_int64},
    {"\"type\":\"string\"", make_string, order_bytes},
    {"\"type\":\"string\",\"nocase\":true", make_nocase, order_nocase},
    {"\"type\":\"bytes\"", make_bytes, order_bytes},
    {"\"type\":\"uuid\"", make_uuid, order_bytes},
    {"\"type\":\"timestamp\"", make_timestamp, order_timestamp},
    {"\"type\":\"date\"", make_date, order_bytes},
};

#define KIND_COUNT (sizeof KINDS / sizeof KINDS[0])

static sop_document_key_spec *spec_of(const char *json, int indexes)
{
    sop_document_key_spec *spec = NULL;
    sop_error err;
    if (sop_document_key_spec_new(sop_str(json), indexes, &spec, &err) != SOP_OK)
        fail_msg("%s: %s", json, err.message);
    return spec;
}

static sop_slice
encode(const sop_document_key_spec *spec, const char *json, sop_document_scratch *scratch)
{
    sop_slice key;
    sop_error err;
    if (sop_document_key_of_json(spec, sop_str(json), 0, scratch, &key, &err) != SOP_OK) {
        fail_msg("%s: %s", json, err.message);
    }
    return key;
}

static int sign(int x)
{
    return (x > 0) - (x < 0);
}

static void check_kind(size_t kind, int descending)
{
    char text[128];
    (void)snprintf(text, sizeof text, "{%s%s}", KINDS[kind].spec,
                   descending ? ",\"order\":\"desc\"" : "");
    sop_document_key_spec *spec = spec_of(text, 0);
    sop_document_scratch *a_scratch = calloc(1, sizeof *a_scratch);
    sop_document_scratch *b_scratch = calloc(1, sizeof *b_scratch);
    sop_json_writer w;
    sop_json_writer_init(&w, 0);
    uint64_t seed = sop_test_seed(81) + kind;
    sample samples[2];
    for (int n = 0; n < PAIRS / 2; n++) {
        for (int i = 0; i < 2; i++) {
            samples[i] = (sample){.size = 0};
            KINDS[kind].make(&seed, &samples[i]);
        }
        sop_slice a = encode(spec, samples[0].json, a_scratch);
        sop_slice b = encode(spec, samples[1].json, b_scratch);
        int expected = sign(KINDS[kind].order(&samples[0], &samples[1]));
        if (sign(sop_slice_compare(a, b)) != (descending ? -expected : expected)) {
            fail_msg("%s: %s, %s", text, samples[0].json, samples[1].json);
        }
        sop_slice out;
        sop_error err;
        sop_json_writer_reset(&w);
        if (sop_document_key_write(spec, a, b_scratch, &w, NULL, &err) != SOP_OK)
            fail_msg("%s: %s", samples[0].json, err.message);
        sop_json_append(&w, sop_slice_of("", 1));
        assert_int_equal(sop_json_writer_end(&w, &out), SOP_OK);
        const char *canonical = out.data;
        if (samples[0].canonical[0] != '\0') assert_string_equal(canonical, samples[0].canonical);
        if (KINDS[kind].make == make_double)
            assert_true(strtod(canonical, NULL) == samples[0].number);
        if (!sop_slice_equal(encode(spec, canonical, b_scratch), a))
            fail_msg("%s, %s", samples[0].json, canonical);
    }
    sop_json_writer_deinit(&w);
    sop_document_scratch_deinit(a_scratch);
    sop_document_scratch_deinit(b_scratch);
    free(a_scratch);
    free(b_scratch);
    sop_document_key_spec_free(spec);
}

static void test_every_type_sorts_and_keeps_the_laws(void **state)
{
    (void)state;
    for (size_t kind = 0; kind < KIND_COUNT; kind++) {
        check_kind(kind, 0);
        check_kind(kind, 1);
    }
}

/* Lists of random types, directions and null orders, with nulls: the first field that differs decides. */
static void test_composite_keys_with_nulls(void **state)
{
    (void)state;
    static const char *const nulls[] = {"first", "last"};
    uint64_t seed = sop_test_seed(82);
    sop_document_scratch *scratch[2] = {calloc(1, sizeof **scratch), calloc(1, sizeof **scratch)};
    sop_json_writer w;
    sop_json_writer_init(&w, 0);
    for (int round = 0; round < PAIRS / 1000; round++) {
        size_t kinds[3];
        int descending[3];
        int nulls_last[3];
        char text[512] = "[";
        for (size_t i = 0; i < 3; i++) {
            kinds[i] = sop_test_random(&seed) % KIND_COUNT;
            descending[i] = (int)(sop_test_random(&seed) % 2);
            nulls_last[i] = (int)(sop_test_random(&seed) % 2);
            (void)snprintf(text + strlen(text), sizeof text - strlen(text),
                           "%s{\"path\":\"f%zu\",%s%s,\"nulls\":\"%s\"}", i == 0 ? "" : ",", i,
                           KINDS[kinds[i]].spec, descending[i] ? ",\"order\":\"desc\"" : "",
                           nulls[nulls_last[i]]);
        }
        (void)snprintf(text + strlen(text), sizeof text - strlen(text), "]");
        sop_document_key_spec *spec = spec_of(text, 0);
        for (int n = 0; n < 100; n++) {
            static sample samples[2][3];
            int is_null[2][3];
            char json[2][1024];
            sop_slice key[2];
            for (int k = 0; k < 2; k++) {
                char document[1024] = "{";
                (void)snprintf(json[k], sizeof json[k], "[");
                for (size_t i = 0; i < 3; i++) {
                    samples[k][i] = (sample){.size = 0};
                    KINDS[kinds[i]].make(&seed, &samples[k][i]);
                    is_null[k][i] = sop_test_random(&seed) % 4 == 0;
                    if (k == 1 && sop_test_random(&seed) % 2) {
                        samples[1][i] = samples[0][i];
                        is_null[1][i] = is_null[0][i];
                    }
                    const char *value = is_null[k][i] ? "null" : samples[k][i].json;
                    size_t used = strlen(json[k]);
                    (void)snprintf(json[k] + used, sizeof json[k] - used, "%s%s", i == 0 ? "" : ",",
                                   value);
                    used = strlen(document);
                    if (is_null[k][i] && i != 0 && n % 2) continue;
                    (void)snprintf(document + used, sizeof document - used, "%s\"f%zu\":%s",
                                   i == 0 ? "" : ",", i, value);
                }
                (void)snprintf(json[k] + strlen(json[k]), 2, "]");
                (void)snprintf(document + strlen(document), 2, "}");
                sop_slice from_json = encode(spec, json[k], scratch[1 - k]);
                assert_int_equal(sop_document_key_of_document(spec, sop_str(document), scratch[k],
                                                              &key[k], NULL),
                                 SOP_OK);
                assert_true(sop_slice_equal(from_json, key[k]));
                if (k == 0) {
                    /* Kept apart: the second round uses both pieces of memory. */
                    static uint8_t copy[SOP_KEY_SIZE_MAX];
                    memcpy(copy, key[0].data, key[0].size);
                    key[0].data = copy;
                }
            }
            int expected = 0;
            for (size_t i = 0; i < 3 && expected == 0; i++) {
                if (is_null[0][i] || is_null[1][i]) {
                    expected = is_null[0][i] == is_null[1][i]   ? 0
                               : is_null[0][i] == nulls_last[i] ? 1
                                                                : -1;
                } else {
                    expected = sign(KINDS[kinds[i]].order(&samples[0][i], &samples[1][i]));
                    if (descending[i]) expected = -expected;
                }
            }
            if (sign(sop_slice_compare(key[0], key[1])) != expected)
                fail_msg("%s: %s, %s", text, json[0], json[1]);
            sop_slice out;
            sop_json_writer_reset(&w);
            assert_int_equal(sop_document_key_write(spec, key[0], scratch[0], &w, NULL, NULL),
                             SOP_OK);
            sop_json_append(&w, sop_slice_of("", 1));
            assert_int_equal(sop_json_writer_end(&w, &out), SOP_OK);
            assert_true(sop_slice_equal(encode(spec, out.data, scratch[1]), key[0]));
        }
        sop_document_key_spec_free(spec);
    }
    sop_json_writer_deinit(&w);
    for (int k = 0; k < 2; k++) {
        sop_document_scratch_deinit(scratch[k]);
        free(scratch[k]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_type_sorts_and_keeps_the_laws),
        cmocka_unit_test(test_composite_keys_with_nulls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
