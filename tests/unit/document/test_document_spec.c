/* SPDX-License-Identifier: MIT */
/* Key specifications, index entries, bad values, damaged keys, lost allocations, case folding. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "document/document.h"
#include "document/document_fold.h"
#include "support/support.h"
#include "util/bytes.h"
#include "util/memory.h"

static sop_document_scratch scratch;

static sop_document_key_spec *spec_of(const char *json, int indexes)
{
    sop_document_key_spec *spec = NULL;
    sop_error err;
    if (sop_document_key_spec_new(sop_str(json), indexes, &spec, &err) != SOP_OK)
        fail_msg("%s: %s", json, err.message);
    return spec;
}

static void assert_refused(const char *json, int indexes, const char *message)
{
    sop_document_key_spec *spec = NULL;
    sop_error err;
    assert_int_equal(sop_document_key_spec_new(sop_str(json), indexes, &spec, &err), SOP_INVALID);
    assert_null(spec);
    assert_string_equal(err.message, message);
}

static void test_specifications_are_read_and_written(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"{\"type\":\"int64\"}", "{\"type\":\"int64\"}"},
        {" { \"order\" : \"asc\", \"type\" : \"decimal\", \"nulls\":\"refused\", \"nocase\":false "
         "} ",
         "{\"type\":\"decimal\"}"},
        {"{\"path\":\"a.b\",\"type\":\"string\",\"order\":\"desc\",\"nulls\":\"last\",\"nocase\":"
         "true}",
         "{\"path\":\"a.b\",\"type\":\"string\",\"order\":\"desc\",\"nulls\":\"last\",\"nocase\":"
         "true}"},
        {"[{\"path\":\"/a~1b/0\",\"type\":\"uuid\"},{\"type\":\"date\",\"path\":\"\\\"odd "
         "name\\\"[2]\",\"nulls\":\"first\"}]",
         "[{\"path\":\"/a~1b/0\",\"type\":\"uuid\"},{\"path\":\"\\\"odd "
         "name\\\"[2]\",\"type\":\"date\",\"nulls\":\"first\"}]"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        sop_document_key_spec *spec = spec_of(cases[i][0], 0);
        sop_json_writer w;
        sop_slice out;
        sop_json_writer_init(&w, 0);
        sop_document_key_spec_write(spec, &w);
        assert_int_equal(sop_json_writer_end(&w, &out), SOP_OK);
        assert_true(sop_slice_equal(out, sop_str(cases[i][1])));
        sop_json_writer_deinit(&w);
        sop_document_key_spec_free(spec);
    }
    sop_document_key_spec_free(NULL);
}

static void test_wrong_specifications_say_why(void **state)
{
    (void)state;
    assert_refused("{", 0, "key specification, byte 1: unexpected end");
    assert_refused("7", 0, "key specification, field 1: expected an object with type");
    assert_refused("[]", 0, "key specification, field 1: a list without fields");
    assert_refused("{}", 0, "key specification, field 1: without type");
    assert_refused("{\"type\":\"text\"}", 0,
                   "key specification, field 1: type is int64, uint64, double, decimal, bool, "
                   "string, bytes, uuid, "
                   "timestamp or date");
    assert_refused("{\"type\":7}", 0,
                   "key specification, field 1: path, type, order and nulls are strings");
    assert_refused("{\"type\":\"bool\",\"order\":\"down\"}", 0,
                   "key specification, field 1: order is asc or desc");
    assert_refused("{\"type\":\"bool\",\"nulls\":\"no\"}", 0,
                   "key specification, field 1: nulls is refused, first or last");
    assert_refused("{\"type\":\"bool\",\"nocase\":true}", 0,
                   "key specification, field 1: nocase is for strings");
    assert_refused("{\"type\":\"string\",\"nocase\":1}", 0,
                   "key specification, field 1: nocase is true or false");
    assert_refused(
        "{\"type\":\"bool\",\"x\":1}", 0,
        "key specification, field 1: a member that is none of path, type, order, nulls, nocase");
    assert_refused("[{\"type\":\"bool\"}]", 0,
                   "key specification, field 1: without path, which a field of a list needs");
    assert_refused("[{\"path\":\"a\",\"type\":\"bool\"},{\"path\":\"b..c\",\"type\":\"bool\"}]", 0,
                   "key specification, field 2: expected a field name");
    assert_refused("{\"path\":\"\",\"type\":\"bool\"}", 0,
                   "key specification, field 1: an empty path");
    assert_refused("{\"path\":\"/a~\",\"type\":\"bool\"}", 0,
                   "key specification, field 1: not a JSON pointer");
    assert_refused("{\"path\":\"a[x]\",\"type\":\"bool\"}", 0,
                   "key specification, field 1: expected a number or * in brackets");
    assert_refused("{\"path\":\"a[1\",\"type\":\"bool\"}", 0,
                   "key specification, field 1: expected ']'");
    assert_refused("{\"path\":\"a b\",\"type\":\"bool\"}", 0,
                   "key specification, field 1: a path with something behind it");
    assert_refused("{\"path\":\"a[*]\",\"type\":\"bool\"}", 0,
                   "key specification, field 1: [*] is for indexes");
    assert_refused("[{\"path\":\"a[*]\",\"type\":\"bool\"},{\"path\":\"b[*]\",\"type\":\"bool\"}]",
                   1, "key specification, field 2: [*] in more than one field");
    assert_refused("{\"type\":\"bool\"}", 1, "key specification, field 1: an index needs a path");
    char many[2048] = "[";
    for (int i = 0; i < 17; i++) {
        (void)snprintf(many + strlen(many), 64, "%s{\"path\":\"a%d\",\"type\":\"bool\"}",
                       i == 0 ? "" : ",", i);
    }
    (void)snprintf(many + strlen(many), 2, "]");
    assert_refused(many, 0, "key specification, field 17: more than 16 fields");
}

static void assert_bad_value(const char *spec_json, const char *json, const char *message)
{
    sop_document_key_spec *spec = spec_of(spec_json, 0);
    sop_slice key;
    sop_error err = {.message = ""};
    sop_status status = sop_document_key_of_json(spec, sop_str(json), 0, &scratch, &key, &err);
    if (status != SOP_INVALID) fail_msg("%s: %s", json, sop_status_name(status));
    assert_int_equal(key.size, 0);
    assert_string_equal(err.message, message);
    sop_document_key_spec_free(spec);
}

static void test_bad_values_name_the_field(void **state)
{
    (void)state;
    assert_bad_value("{\"type\":\"int64\"}", "\"1\"",
                     "key field 1 of 1 (int64): expected a number");
    assert_bad_value("{\"type\":\"int64\"}", "1.5",
                     "key field 1 of 1 (int64): expected an integer from -2^63 to 2^63 - 1");
    assert_bad_value("{\"type\":\"int64\"}", "9223372036854775808",
                     "key field 1 of 1 (int64): expected an integer from -2^63 to 2^63 - 1");
    assert_bad_value("{\"type\":\"uint64\"}", "-1",
                     "key field 1 of 1 (uint64): expected an integer from 0 to 2^64 - 1");
    assert_bad_value("{\"type\":\"double\"}", "1e400",
                     "key field 1 of 1 (double): a number beyond the range of double");
    assert_bad_value("{\"type\":\"bool\"}", "0", "key field 1 of 1 (bool): expected true or false");
    assert_bad_value("{\"type\":\"string\"}", "[]", "key field 1 of 1 (string): expected a string");
    assert_bad_value("{\"type\":\"string\"}", "null",
                     "key field 1 of 1 (string): null is not allowed");
    assert_bad_value("{\"type\":\"string\"}", "\"\\ud800\"",
                     "key field 1 of 1 (string): a string with half of a surrogate pair");
    assert_bad_value("{\"type\":\"string\"}", "\"a", "key of 2 bytes: not JSON");
    static const char *const base64[] = {"\"A\"",    "\"AA=\"",  "\"AA===\"", "\"A?==\"",
                                         "\"AB==\"", "\"AAB=\"", "\"=\"",     "\"AA==AA==\""};
    for (size_t i = 0; i < sizeof base64 / sizeof base64[0]; i++) {
        assert_bad_value("{\"type\":\"bytes\"}", base64[i],
                         "key field 1 of 1 (bytes): expected base64");
    }
    static const char *const uuids[] = {
        "\"\"", "\"0123456789abcdef0123456789abcdeg\"", "\"0123456789abcdef0123456789abcde\"",
        "\"01234567-89ab-cdef-0123-456789abcde\"", "\"01234567x89ab-cdef-0123-456789abcdef\""};
    for (size_t i = 0; i < sizeof uuids / sizeof uuids[0]; i++) {
        assert_bad_value("{\"type\":\"uuid\"}", uuids[i],
                         "key field 1 of 1 (uuid): expected a UUID of 32 hex digits");
    }
    static const char *const dates[] = {
        "\"2024-02-30\"", "\"2023-02-29\"", "\"1900-02-29\"",  "\"2024-13-01\"", "\"2024-00-01\"",
        "\"2024-01-00\"", "\"2024-1-01\"",  "\"2024-01-01T\"", "\"20240101\"",   "\"-024-01-01\""};
    for (size_t i = 0; i < sizeof dates / sizeof dates[0]; i++) {
        assert_bad_value("{\"type\":\"date\"}", dates[i],
                         "key field 1 of 1 (date): expected a date such as 2024-05-01");
    }
    static const char *const times[] = {"\"2024-05-01\"",
                                        "\"2024-05-01T10:30:00\"",
                                        "\"2024-05-01T24:00:00Z\"",
                                        "\"2024-05-01T10:60:00Z\"",
                                        "\"2024-05-01T10:30:61Z\"",
                                        "\"2024-05-01T10:30:00.Z\"",
                                        "\"2024-05-01T10:30:00+1:00\"",
                                        "\"2024-05-01T10:30:00+24:00\"",
                                        "\"2024-05-01T10:30:00+01:60\"",
                                        "\"2024-05-01x10:30:00Z\"",
                                        "\"2024-02-30T10:30:00Z\"",
                                        "\"2024-05-01T10:30:00ZZ\""};
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        assert_bad_value(
            "{\"type\":\"timestamp\"}", times[i],
            "key field 1 of 1 (timestamp): expected a timestamp such as 2024-05-01T10:30:00Z");
    }
    assert_bad_value(
        "{\"type\":\"timestamp\"}", "\"0000-01-01T00:00:00+00:01\"",
        "key field 1 of 1 (timestamp): a timestamp outside the years 0 to 9999 of UTC");
    assert_bad_value(
        "{\"type\":\"timestamp\"}", "\"9999-12-31T23:59:60Z\"",
        "key field 1 of 1 (timestamp): a timestamp outside the years 0 to 9999 of UTC");
    const char *list = "[{\"path\":\"a\",\"type\":\"int64\"},{\"path\":\"b\",\"type\":\"bool\"}]";
    assert_bad_value(list, "7", "key: expected an array of 2 values");
    assert_bad_value(list, "[7]", "key: an array of 1 values, 2 are needed");
    assert_bad_value(list, "[7,true,1]", "key: an array of more than 2 values");
    assert_bad_value(list, "[7,1]", "key field 2 of 2 (b, bool): expected true or false");
}

static void test_times_of_note(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z"},
        {"1969-12-31T23:59:59.75Z", "1969-12-31T23:59:59.75Z"},
        {"1969-12-31T23:59:59.000000001Z", "1969-12-31T23:59:59.000000001Z"},
        {"2024-05-01T12:30:00.500+02:00", "2024-05-01T10:30:00.5Z"},
        {"2024-02-29 23:59:59-00:30", "2024-03-01T00:29:59Z"},
        {"2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z"},
        {"0000-01-01t00:00:00z", "0000-01-01T00:00:00Z"},
        {"9999-12-31T23:59:59.9999999999999999999Z", "9999-12-31T23:59:59.9999999999999999999Z"},
        {"0001-01-01T00:00:00.1Z", "0001-01-01T00:00:00.1Z"}};
    sop_document_key_spec *spec = spec_of("{\"type\":\"timestamp\"}", 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char json[128];
        char expected[128];
        sop_slice key;
        sop_slice out;
        sop_json_writer w;
        (void)snprintf(json, sizeof json, "\"%s\"", cases[i][0]);
        (void)snprintf(expected, sizeof expected, "\"%s\"", cases[i][1]);
        assert_int_equal(sop_document_key_of_json(spec, sop_str(json), 0, &scratch, &key, NULL),
                         SOP_OK);
        sop_json_writer_init(&w, 0);
        assert_int_equal(sop_document_key_write(spec, key, &scratch, &w, NULL, NULL), SOP_OK);
        assert_int_equal(sop_json_writer_end(&w, &out), SOP_OK);
        if (!sop_slice_equal(out, sop_str(expected)))
            fail_msg("%s gave %.*s", json, (int)out.size, (const char *)out.data);
        sop_json_writer_deinit(&w);
    }
    sop_document_key_spec_free(spec);
}

static void test_documents_without_the_field(void **state)
{
    (void)state;
    sop_slice key;
    sop_error err;
    sop_document_key_spec *spec = spec_of("[{\"path\":\"size.download\",\"type\":\"int64\"}]", 0);
    assert_int_equal(
        sop_document_key_of_document(spec, sop_str("{\"size\":{}}"), &scratch, &key, &err),
        SOP_INVALID);
    assert_string_equal(err.message,
                        "key field 1 of 1 (size.download, int64): the document has no such field");
    assert_int_equal(
        sop_document_key_of_document(spec, sop_str("{\"size\":"), &scratch, &key, &err),
        SOP_CORRUPT);
    sop_document_key_spec_free(spec);
    spec = spec_of("{\"type\":\"int64\"}", 0);
    assert_int_equal(sop_document_key_of_document(spec, sop_str("{}"), &scratch, &key, &err),
                     SOP_INVALID);
    sop_document_key_spec_free(spec);
}

static void test_a_key_beyond_the_limit_is_too_large(void **state)
{
    (void)state;
    char text[SOP_KEY_SIZE_MAX + 16];
    sop_slice key;
    sop_error err;
    sop_document_key_spec *spec = spec_of("{\"type\":\"string\"}", 0);
    for (size_t size = SOP_KEY_SIZE_MAX - 4; size < SOP_KEY_SIZE_MAX + 4; size++) {
        memset(text, 'x', size + 2);
        text[0] = '"';
        text[size + 1] = '"';
        sop_status status =
            sop_document_key_of_json(spec, sop_slice_of(text, size + 2), 0, &scratch, &key, &err);
        assert_int_equal(status, size + 2 <= SOP_KEY_SIZE_MAX ? SOP_OK : SOP_TOO_LARGE);
        if (status != SOP_OK) assert_non_null(strstr(err.message, "more than 4096"));
    }
    sop_document_key_spec_free(spec);
}

static void test_a_prefix_begins_all_its_keys(void **state)
{
    (void)state;
    sop_document_key_spec *spec = spec_of("[{\"path\":\"a\",\"type\":\"string\"},{\"path\":\"b\","
                                          "\"type\":\"int64\",\"order\":\"desc\"}]",
                                          0);
    sop_slice key;
    uint8_t prefix[64];
    assert_int_equal(sop_document_key_of_json(spec, sop_str("[\"x\"]"), 1, &scratch, &key, NULL),
                     SOP_OK);
    size_t size = key.size;
    memcpy(prefix, key.data, size);
    assert_int_equal(sop_document_key_of_json(spec, sop_str("[\"x\",7]"), 1, &scratch, &key, NULL),
                     SOP_OK);
    assert_true(key.size > size);
    assert_memory_equal(key.data, prefix, size);
    assert_int_equal(sop_document_key_of_json(spec, sop_str("[]"), 1, &scratch, &key, NULL),
                     SOP_OK);
    assert_int_equal(key.size, 0);
    sop_document_key_spec_free(spec);
}

typedef struct {
    const sop_document_key_spec *spec;
    char text[512];
    int left;
} entries;

static sop_status collect(sop_slice key, void *context)
{
    static sop_document_scratch own;
    entries *e = context;
    sop_json_writer w;
    sop_slice out;
    sop_json_writer_init(&w, 0);
    assert_int_equal(sop_document_key_write(e->spec, key, &own, &w, NULL, NULL), SOP_OK);
    assert_int_equal(sop_json_writer_end(&w, &out), SOP_OK);
    size_t used = strlen(e->text);
    (void)snprintf(e->text + used, sizeof e->text - used, "%.*s;", (int)out.size,
                   (const char *)out.data);
    sop_json_writer_deinit(&w);
    sop_document_scratch_deinit(&own);
    return --e->left == 0 ? SOP_CANCELLED : SOP_OK;
}

static void assert_entries(const char *spec_json, const char *document, const char *expected)
{
    sop_document_key_spec *spec = spec_of(spec_json, 1);
    entries e = {.spec = spec, .left = 100};
    sop_error err = {.message = ""};
    sop_status status = sop_document_key_each(spec, sop_str(document), &scratch, collect, &e, &err);
    if (status != SOP_OK) fail_msg("%s", err.message);
    assert_string_equal(e.text, expected);
    sop_document_key_spec_free(spec);
}

static void test_index_entries(void **state)
{
    (void)state;
    const char *tags =
        "[{\"path\":\"tags[*]\",\"type\":\"string\"},{\"path\":\"n\",\"type\":\"int64\"}]";
    assert_entries(tags, "{\"n\":1,\"tags\":[\"a\",\"b\"]}", "[\"a\",1];[\"b\",1];");
    assert_entries(tags, "{\"n\":1,\"tags\":[]}", "");
    assert_entries(tags, "{\"n\":1}", "");
    assert_entries(tags, "{\"tags\":[\"a\"]}", "");
    assert_entries(tags, "{\"n\":1,\"tags\":[null,\"a\"]}", "[\"a\",1];");
    assert_entries(tags, "{\"n\":null,\"tags\":[\"a\"]}", "");
    const char *nulls = "[{\"path\":\"n\",\"type\":\"int64\",\"nulls\":\"last\"},{\"path\":\"t[*]."
                        "x\",\"type\":\"string\",\"nulls\":\"first\"}]";
    assert_entries(nulls, "{\"n\":1,\"t\":[{\"x\":\"a\"},{},{\"x\":null}]}", "[1,\"a\"];[1,null];");
    assert_entries(nulls, "{\"t\":[]}", "[null,null];");
    assert_entries("{\"path\":\"n\",\"type\":\"int64\"}", "{\"n\":7}", "7;");
    assert_entries("{\"path\":\"n\",\"type\":\"int64\"}", "{}", "");
    sop_document_key_spec *spec = spec_of(tags, 1);
    entries e = {.spec = spec, .left = 2};
    sop_error err;
    assert_int_equal(sop_document_key_each(spec, sop_str("{\"n\":1,\"tags\":[\"a\",\"b\",\"c\"]}"),
                                           &scratch, collect, &e, &err),
                     SOP_CANCELLED);
    assert_string_equal(e.text, "[\"a\",1];[\"b\",1];");
    assert_int_equal(
        sop_document_key_each(spec, sop_str("{\"n\":1,\"tags\":[7]}"), &scratch, collect, &e, &err),
        SOP_INVALID);
    assert_string_equal(err.message, "key field 1 of 2 (tags[*], string): expected a string");
    assert_int_equal(sop_document_key_each(spec, sop_str("{\"n\":1,\"tags\":[\"a\""), &scratch,
                                           collect, &e, &err),
                     SOP_CORRUPT);
    sop_document_key_spec_free(spec);
}

/* Any bytes: a clean error, or JSON that makes the same bytes again. */
static void test_damaged_keys_are_corrupt(void **state)
{
    (void)state;
    static const char *const types[] = {"int64",  "uint64", "double", "decimal",   "bool",
                                        "string", "bytes",  "uuid",   "timestamp", "date"};
    uint64_t seed = sop_test_seed(91);
    sop_json_writer w;
    sop_json_writer_init(&w, 0);
    int good = 0;
    for (int n = 0; n < 200000; n++) {
        char text[128];
        uint64_t r = sop_test_random(&seed);
        const char *type = types[r % 10];
        (void)snprintf(text, sizeof text, "{\"type\":\"%s\"%s%s%s}", type,
                       (r >> 8) % 2 ? ",\"order\":\"desc\"" : "",
                       (r >> 9) % 2 ? ",\"nulls\":\"last\"" : "",
                       r % 10 == 5 && (r >> 10) % 2 ? ",\"nocase\":true" : "");
        sop_document_key_spec *spec = spec_of(text, 0);
        static const uint8_t codes[] = {0x00, 0x01, 0x02, 0x14, 0x15, 0x16, 0x13, 0x1c,
                                        0x21, 0x23, 0x26, 0x27, 0x30, 0x80, 0xff, 0xfe,
                                        0xfd, 0xea, 0xdc, 0xde, 0xd9, 0x95, 0x0b, 0x94};
        uint8_t bytes[24];
        size_t size = sop_test_random(&seed) % sizeof bytes;
        for (size_t i = 0; i < size; i++) {
            uint64_t x = sop_test_random(&seed);
            bytes[i] = x % 4 == 0 ? (uint8_t)(x >> 8) : codes[(x >> 8) % sizeof codes];
        }
        uint8_t *exact = malloc(size == 0 ? 1 : size);
        memcpy(exact, bytes, size);
        sop_slice rest;
        sop_slice out;
        sop_slice key;
        sop_error err = {.message = ""};
        sop_json_writer_reset(&w);
        sop_status status =
            sop_document_key_write(spec, sop_slice_of(exact, size), &scratch, &w, &rest, &err);
        if (status != SOP_OK) assert_true(status == SOP_CORRUPT && err.message[0] != '\0');
        if (status == SOP_OK) {
            assert_int_equal(sop_json_writer_end(&w, &out), SOP_OK);
            assert_int_equal(sop_json_check(out, NULL, NULL, NULL), SOP_OK);
            if (sop_document_key_of_json(spec, out, 0, &scratch, &key, NULL) == SOP_OK) good++;
        }
        free(exact);
        sop_document_key_spec_free(spec);
    }
    sop_json_writer_deinit(&w);
    assert_true(good > 1000);
}

static void test_lost_allocations_are_reported(void **state)
{
    (void)state;
    const char *json =
        "[{\"path\":\"a.\\\"b "
        "c\\\"\",\"type\":\"string\",\"nocase\":true},{\"path\":\"/x/y\",\"type\":\"decimal\"}]";
    const char *document = "{\"a\":{\"b c\":\"long \\u0041\"},\"x\":{\"y\":1.50}}";
    int done = 0;
    for (uint64_t n = 1; !done; n++) {
        sop_document_key_spec *spec = NULL;
        sop_document_scratch own = {.bytes = NULL};
        sop_json_writer w;
        sop_slice key;
        sop_slice out;
        sop_json_writer_init(&w, 0);
        sop_error err = {.status = SOP_OK};
        sop_memory_fail_at(n, 0);
        sop_status status = sop_document_key_spec_new(sop_str(json), 0, &spec, &err);
        if (status == SOP_OK)
            status = sop_document_key_of_document(spec, sop_str(document), &own, &key, &err);
        if (status == SOP_OK) status = sop_document_key_write(spec, key, &own, &w, NULL, &err);
        done = !sop_memory_fail_reached();
        sop_memory_fail_at(0, 0);
        assert_int_equal(status, done ? SOP_OK : SOP_NO_MEMORY);
        assert_int_equal(err.status, status);
        if (done) {
            assert_int_equal(sop_json_writer_end(&w, &out), SOP_OK);
            assert_true(sop_slice_equal(out, sop_str("[\"long A\",1.5]")));
            assert_true(n > 8);
        }
        sop_json_writer_deinit(&w);
        sop_document_scratch_deinit(&own);
        sop_document_key_spec_free(spec);
    }
}

/* Against the file of the Unicode consortium, where Debian's unicode-data is installed. */
static void test_folding_is_that_of_unicode(void **state)
{
    (void)state;
    FILE *file = fopen("/usr/share/unicode/CaseFolding.txt", "r");
    if (file == NULL) {
        print_message("CaseFolding.txt not found (package unicode-data), skipped\n");
        skip();
    }
    static uint32_t expected[0x110000];
    for (uint32_t c = 0; c < 0x110000; c++) {
        expected[c] = c;
    }
    char line[512];
    while (fgets(line, sizeof line, file) != NULL) {
        char *end = NULL;
        unsigned long code = strtoul(line, &end, 16);
        if (end == line || (strncmp(end, "; C; ", 5) != 0 && strncmp(end, "; S; ", 5) != 0))
            continue;
        expected[code] = (uint32_t)strtoul(end + 5, NULL, 16);
    }
    (void)fclose(file);
    for (uint32_t c = 0; c < 0x110000; c++) {
        if (sop_document__fold_char(c) != expected[c])
            fail_msg("U+%04X folds to U+%04X", c, sop_document__fold_char(c));
        if (expected[expected[c]] != expected[c]) fail_msg("U+%04X is not stable", c);
    }
}

static void test_folding_fits_its_room_and_keeps_other_bytes(void **state)
{
    (void)state;
    uint8_t text[60];
    uint8_t to[SOP_DOCUMENT_FOLD_SIZE(60)];
    for (size_t i = 0; i < 60; i += 2) {
        memcpy(text + i, "\xc8\xba", 2);
    }
    assert_int_equal(sop_document__fold(text, 60, to), 90);
    assert_int_equal(sop_document__fold((const uint8_t *)"A\xffZ\xc3", 4, to), 4);
    assert_memory_equal(to, "a\xffz\xc3", 4);
    assert_int_equal(sop_document__fold(NULL, 0, to), 0);
}

static int free_scratch(void **state)
{
    (void)state;
    sop_document_scratch_deinit(&scratch);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_specifications_are_read_and_written),
        cmocka_unit_test(test_wrong_specifications_say_why),
        cmocka_unit_test(test_bad_values_name_the_field),
        cmocka_unit_test(test_times_of_note),
        cmocka_unit_test(test_documents_without_the_field),
        cmocka_unit_test(test_a_key_beyond_the_limit_is_too_large),
        cmocka_unit_test(test_a_prefix_begins_all_its_keys),
        cmocka_unit_test(test_index_entries),
        cmocka_unit_test(test_damaged_keys_are_corrupt),
        cmocka_unit_test(test_lost_allocations_are_reported),
        cmocka_unit_test(test_folding_is_that_of_unicode),
        cmocka_unit_test(test_folding_fits_its_room_and_keeps_other_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, free_scratch);
}
