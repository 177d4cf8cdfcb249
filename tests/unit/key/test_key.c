/* SPDX-License-Identifier: MIT */
/* Keys: published vectors, order and round trip of random values, descending parts, malformed
 * bytes. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "sop/key.h"

#include "support/support.h"
#include "util/bytes.h"

#define PAIRS 1000000

/* One value of any type, with its own idea of order that knows nothing of the encoding. */
typedef struct {
    sop_key_type type;
    int is_unsigned;
    int64_t i;
    uint64_t u;
    double d;
    int b;
    uint8_t bytes[24];
    size_t size;
} value;

static void add(sop_key_builder *b, const value *v)
{
    switch (v->type) {
    case SOP_KEY_NULL:
        sop_key_add_null(b);
        break;
    case SOP_KEY_BYTES:
        sop_key_add_bytes(b, sop_slice_of(v->bytes, v->size));
        break;
    case SOP_KEY_STRING:
        sop_key_add_string(b, sop_slice_of(v->bytes, v->size));
        break;
    case SOP_KEY_INT:
        sop_key_add_int(b, v->i);
        break;
    case SOP_KEY_UINT:
        sop_key_add_uint(b, v->u);
        break;
    case SOP_KEY_DOUBLE:
        sop_key_add_double(b, v->d);
        break;
    case SOP_KEY_BOOL:
        sop_key_add_bool(b, v->b);
        break;
    case SOP_KEY_UUID:
        sop_key_add_uuid(b, v->bytes);
        break;
    case SOP_KEY_DECIMAL:
    default:
        fail();
    }
}

/* Types in the order their codes sort; both integer types are one. */
static int type_rank(sop_key_type type)
{
    return type == SOP_KEY_UINT ? (int)SOP_KEY_INT : (int)type;
}

static int sign(int x)
{
    return (x > 0) - (x < 0);
}

static int compare_numbers(const value *a, const value *b)
{
    int a_negative = a->type == SOP_KEY_INT && a->i < 0;
    int b_negative = b->type == SOP_KEY_INT && b->i < 0;
    if (a_negative != b_negative) return b_negative - a_negative;
    if (a_negative) return (a->i > b->i) - (a->i < b->i);
    uint64_t x = a->type == SOP_KEY_INT ? (uint64_t)a->i : a->u;
    uint64_t y = b->type == SOP_KEY_INT ? (uint64_t)b->i : b->u;
    return (x > y) - (x < y);
}

static int compare_values(const value *a, const value *b)
{
    if (type_rank(a->type) != type_rank(b->type))
        return type_rank(a->type) < type_rank(b->type) ? -1 : 1;
    switch (a->type) {
    case SOP_KEY_BYTES:
    case SOP_KEY_STRING:
        return sign(sop_compare(a->bytes, a->size, b->bytes, b->size));
    case SOP_KEY_INT:
    case SOP_KEY_UINT:
        return compare_numbers(a, b);
    case SOP_KEY_DOUBLE:
        if (a->d == b->d) return signbit(b->d) - signbit(a->d) == 0 ? 0 : (signbit(a->d) ? -1 : 1);
        return a->d < b->d ? -1 : 1;
    case SOP_KEY_BOOL:
        return a->b - b->b;
    case SOP_KEY_UUID:
        return sign(memcmp(a->bytes, b->bytes, 16));
    case SOP_KEY_DECIMAL: /* see test_key_decimal.c */
    case SOP_KEY_NULL:
    default:
        return 0;
    }
}

/* Few different bytes, many of them 00 and FF, so that escapes and prefixes meet often. */
static void random_bytes(uint64_t *state, value *v)
{
    static const uint8_t alphabet[8] = {0x00, 0x00, 0xff, 0xff, 0x01, 0xfe, 'a', 0x80};
    v->size = sop_test_random(state) % 6;
    for (size_t i = 0; i < v->size; i++) {
        v->bytes[i] = alphabet[sop_test_random(state) % 8];
    }
}

static double random_double(uint64_t *state)
{
    uint64_t bits = sop_test_random(state);
    if (bits % 4 == 0) return (double)(int64_t)(sop_test_random(state) % 17) - 8;
    if (bits % 64 == 1) return bits & 64 ? INFINITY : -INFINITY;
    if (bits % 64 == 2) return bits & 64 ? 0.0 : -0.0;
    bits = sop_test_random(state);
    double d = 0;
    memcpy(&d, &bits, sizeof d);
    return isnan(d) ? 1.5 : d;
}

static void random_value(uint64_t *state, sop_key_type type, value *v)
{
    *v = (value){.type = type};
    uint64_t r = sop_test_random(state);
    switch (type) {
    case SOP_KEY_BYTES:
    case SOP_KEY_STRING:
        random_bytes(state, v);
        break;
    case SOP_KEY_UINT:
        v->u = sop_test_random(state) >> (r % 64);
        break;
    case SOP_KEY_INT:
        v->i = (int64_t)sop_test_random(state) >> (r % 64);
        if (r % 16 == 0) v->i = INT64_MIN + (int64_t)(r >> 60);
        break;
    case SOP_KEY_DOUBLE:
        v->d = random_double(state);
        break;
    case SOP_KEY_BOOL:
        v->b = (int)(r & 1);
        break;
    case SOP_KEY_UUID:
        for (size_t i = 0; i < 16; i++) {
            v->bytes[i] = (uint8_t)(sop_test_random(state) % 3 * 127);
        }
        break;
    case SOP_KEY_DECIMAL: /* see test_key_decimal.c */
    case SOP_KEY_NULL:
    default:
        break;
    }
}

static sop_slice
encode(const value *values, size_t count, unsigned descending, uint8_t *buffer, size_t capacity)
{
    sop_key_builder b;
    sop_key_begin(&b, buffer, capacity);
    for (size_t i = 0; i < count; i++) {
        if (descending >> i & 1) sop_key_descending(&b);
        add(&b, &values[i]);
    }
    sop_slice key;
    size_t needed = 0;
    assert_int_equal(sop_key_end(&b, &key, &needed), SOP_OK);
    assert_int_equal(needed, key.size);
    return key;
}

static void assert_part(const sop_key_part *part, const value *v)
{
    uint8_t plain[64];
    sop_slice bytes;
    sop_key_type type = v->type == SOP_KEY_UINT && v->u <= INT64_MAX ? SOP_KEY_INT : v->type;
    assert_int_equal(part->type, type);
    switch (v->type) {
    case SOP_KEY_BYTES:
    case SOP_KEY_STRING:
        assert_int_equal(sop_key_part_bytes(part, plain, part->encoded.size, &bytes), SOP_OK);
        assert_int_equal(bytes.size, v->size);
        if (v->size != 0) assert_memory_equal(bytes.data, v->bytes, v->size);
        break;
    case SOP_KEY_INT:
        assert_true(part->int_value == v->i);
        break;
    case SOP_KEY_UINT:
        assert_true(part->uint_value == v->u);
        if (v->u <= INT64_MAX) assert_true(part->int_value == (int64_t)v->u);
        break;
    case SOP_KEY_DOUBLE:
        assert_memory_equal(&part->double_value, &v->d, sizeof v->d);
        break;
    case SOP_KEY_BOOL:
        assert_int_equal(part->bool_value, v->b);
        break;
    case SOP_KEY_UUID:
        assert_memory_equal(part->uuid, v->bytes, 16);
        break;
    case SOP_KEY_DECIMAL: /* see test_key_decimal.c */
    case SOP_KEY_NULL:
    default:
        break;
    }
}

static void assert_decodes(sop_slice key, const value *values, size_t count, unsigned descending)
{
    sop_key_reader reader;
    sop_key_part part;
    sop_key_read(&reader, key);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(sop_key_next(&reader, &part), SOP_OK);
        assert_int_equal(part.descending, (int)(descending >> i & 1));
        assert_part(&part, &values[i]);
    }
    assert_int_equal(sop_key_next(&reader, &part), SOP_NOT_FOUND);
    assert_int_equal(sop_key_next(&reader, &part), SOP_NOT_FOUND);
}

typedef struct {
    const char *what;
    value v;
    const char *key;
    size_t size;
} vector;

#define BYTES(text) .bytes = text, .size = sizeof(text) - 1
#define KEY(text)   (text), sizeof(text) - 1

/* From the tuple layer specification and the tests of the Java binding of FoundationDB. */
static const vector VECTORS[] = {
    {"null", {.type = SOP_KEY_NULL}, KEY("\x00")},
    {"bytes",
     {.type = SOP_KEY_BYTES, BYTES("foo\0bar")},
     KEY("\x01"
         "foo\x00\xff"
         "bar\x00")},
    {"string",
     {.type = SOP_KEY_STRING, BYTES("F\xc3\x94O\0bar")},
     KEY("\x02"
         "F\xc3\x94O\x00\xff"
         "bar\x00")},
    {"empty bytes", {.type = SOP_KEY_BYTES}, KEY("\x01\x00")},
    {"zeros", {.type = SOP_KEY_BYTES, BYTES("\0\0")}, KEY("\x01\x00\xff\x00\xff\x00")},
    {"hello", {.type = SOP_KEY_STRING, BYTES("hello")}, KEY("\x02hello\x00")},
    {"0", {.type = SOP_KEY_INT, .i = 0}, KEY("\x14")},
    {"1", {.type = SOP_KEY_INT, .i = 1}, KEY("\x15\x01")},
    {"-1", {.type = SOP_KEY_INT, .i = -1}, KEY("\x13\xfe")},
    {"255", {.type = SOP_KEY_INT, .i = 255}, KEY("\x15\xff")},
    {"-255", {.type = SOP_KEY_INT, .i = -255}, KEY("\x13\x00")},
    {"256", {.type = SOP_KEY_INT, .i = 256}, KEY("\x16\x01\x00")},
    {"-256", {.type = SOP_KEY_INT, .i = -256}, KEY("\x12\xfe\xff")},
    {"65536", {.type = SOP_KEY_INT, .i = 65536}, KEY("\x17\x01\x00\x00")},
    {"-65536", {.type = SOP_KEY_INT, .i = -65536}, KEY("\x11\xfe\xff\xff")},
    {"-5551212", {.type = SOP_KEY_INT, .i = -5551212}, KEY("\x11\xab\x4b\x93")},
    {"INT64_MAX",
     {.type = SOP_KEY_INT, .i = INT64_MAX},
     KEY("\x1c\x7f\xff\xff\xff\xff\xff\xff\xff")},
    {"INT64_MIN",
     {.type = SOP_KEY_INT, .i = INT64_MIN},
     KEY("\x0c\x7f\xff\xff\xff\xff\xff\xff\xff")},
    {"2^63",
     {.type = SOP_KEY_UINT, .u = UINT64_C(1) << 63},
     KEY("\x1c\x80\x00\x00\x00\x00\x00\x00\x00")},
    {"UINT64_MAX",
     {.type = SOP_KEY_UINT, .u = UINT64_MAX},
     KEY("\x1c\xff\xff\xff\xff\xff\xff\xff\xff")},
    {"3.14", {.type = SOP_KEY_DOUBLE, .d = 3.14}, KEY("\x21\xc0\x09\x1e\xb8\x51\xeb\x85\x1f")},
    {"-3.14", {.type = SOP_KEY_DOUBLE, .d = -3.14}, KEY("\x21\x3f\xf6\xe1\x47\xae\x14\x7a\xe0")},
    {"0.0", {.type = SOP_KEY_DOUBLE, .d = 0.0}, KEY("\x21\x80\x00\x00\x00\x00\x00\x00\x00")},
    {"-0.0", {.type = SOP_KEY_DOUBLE, .d = -0.0}, KEY("\x21\x7f\xff\xff\xff\xff\xff\xff\xff")},
    {"inf", {.type = SOP_KEY_DOUBLE, .d = INFINITY}, KEY("\x21\xff\xf0\x00\x00\x00\x00\x00\x00")},
    {"-inf", {.type = SOP_KEY_DOUBLE, .d = -INFINITY}, KEY("\x21\x00\x0f\xff\xff\xff\xff\xff\xff")},
    {"false", {.type = SOP_KEY_BOOL, .b = 0}, KEY("\x26")},
    {"true", {.type = SOP_KEY_BOOL, .b = 1}, KEY("\x27")},
    {"uuid",
     {.type = SOP_KEY_UUID,
      BYTES("\xff\xff\xff\xff\xba\x5e\xba\x11\x00\x00\x00\x00\x5c\xa1\xab\x1e")},
     KEY("\x30\xff\xff\xff\xff\xba\x5e\xba\x11\x00\x00\x00\x00\x5c\xa1\xab\x1e")},
};

static void test_published_vectors(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof VECTORS / sizeof VECTORS[0]; i++) {
        const vector *t = &VECTORS[i];
        uint8_t buffer[64];
        sop_slice key = encode(&t->v, 1, 0, buffer, sizeof buffer);
        if (key.size != t->size || memcmp(key.data, t->key, t->size) != 0)
            fail_msg("vector %s", t->what);
        assert_decodes(key, &t->v, 1, 0);
    }
}

/* The examples of docs/format/key.md. */
static void test_descending_vectors(void **state)
{
    (void)state;
    uint8_t buffer[64];
    value one = {.type = SOP_KEY_INT, .i = 1};
    sop_slice key = encode(&one, 1, 1, buffer, sizeof buffer);
    assert_int_equal(key.size, 3);
    assert_memory_equal(key.data, "\x80\xea\xfe", 3);
    value parts[2] = {{.type = SOP_KEY_STRING, BYTES("a")}, {.type = SOP_KEY_NULL}};
    key = encode(parts, 2, 1, buffer, sizeof buffer);
    assert_int_equal(key.size, 6);
    assert_memory_equal(key.data, "\x80\xfd\x9e\xff\xff\x00", 6);
}

static void test_floats_are_read_as_doubles(void **state)
{
    (void)state;
    static const struct {
        const char *key;
        double d;
    } floats[] = {{"\x20\x3d\xd7\xff\xff", -42.0},          {"\x20\xc0\x48\xf5\xc3", (double)3.14f},
                  {"\x20\x3f\xb7\x0a\x3c", (double)-3.14f}, {"\x20\x80\x00\x00\x00", 0.0},
                  {"\x20\x7f\xff\xff\xff", -0.0},           {"\x20\xff\x80\x00\x00", INFINITY},
                  {"\x20\x00\x7f\xff\xff", -INFINITY}};
    for (size_t i = 0; i < sizeof floats / sizeof floats[0]; i++) {
        sop_key_reader reader;
        sop_key_part part;
        sop_key_read(&reader, sop_slice_of(floats[i].key, 5));
        assert_int_equal(sop_key_next(&reader, &part), SOP_OK);
        assert_int_equal(part.type, SOP_KEY_DOUBLE);
        assert_memory_equal(&part.double_value, &floats[i].d, sizeof(double));
    }
}

static void test_unsupported_parts_are_named_so(void **state)
{
    (void)state;
    static const char *const keys[] = {
        "\x05\x01"
        "foo\x00\xff"
        "bar\x00\x00\xff\x05\x00\x00", /* the nested vector of the specification */
        "\x0b\xf6\x80",
        "\x1d\x09\x01",
        "\x32",
        "\x33",
        "\x40",
        "\x4f",
        "\x80\xfa",
        "\x0c\x00\x00\x00\x00\x00\x00\x00\x00",  /* -(2^64 - 1) */
        "\x0c\x7f\xff\xff\xff\xff\xff\xff\xfe"}; /* -(2^63 + 1) */
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        sop_key_reader reader;
        sop_key_part part;
        size_t size = keys[i][0] == 0x0c ? 9 : 2;
        sop_key_read(&reader, sop_slice_of(keys[i], size));
        assert_int_equal(sop_key_next(&reader, &part), SOP_UNSUPPORTED);
        assert_int_equal(sop_key_next(&reader, &part), SOP_UNSUPPORTED);
    }
}

static void check_pairs(sop_key_type type, unsigned descending)
{
    uint64_t state = sop_test_seed(7) + (uint64_t)type;
    for (int n = 0; n < PAIRS; n++) {
        value a;
        value b;
        uint8_t a_buffer[64];
        uint8_t b_buffer[64];
        random_value(&state, type, &a);
        random_value(&state, type == SOP_KEY_UINT && n % 2 == 0 ? SOP_KEY_INT : type, &b);
        sop_slice x = encode(&a, 1, descending, a_buffer, sizeof a_buffer);
        sop_slice y = encode(&b, 1, descending, b_buffer, sizeof b_buffer);
        int expected = compare_values(&a, &b);
        if (sign(sop_slice_compare(x, y)) != (descending ? -expected : expected)) {
            fail_msg("pair %d of type %d sorts wrongly, descending %u", n, (int)type, descending);
        }
        assert_decodes(x, &a, 1, descending);
    }
}

static void test_random_pairs_sort_by_value_and_decode(void **state)
{
    (void)state;
    for (int type = SOP_KEY_NULL; type <= SOP_KEY_UUID; type++) {
        check_pairs((sop_key_type)type, 0);
        check_pairs((sop_key_type)type, 1);
    }
}

/* Parts of every type, in every mixture of directions: the first part that differs decides. */
static void test_composite_keys_sort_part_by_part(void **state)
{
    (void)state;
    uint64_t seed = sop_test_seed(11);
    for (int n = 0; n < PAIRS; n++) {
        value a[3];
        value b[3];
        uint8_t a_buffer[128];
        uint8_t b_buffer[128];
        unsigned descending = (unsigned)sop_test_random(&seed) % 8;
        size_t a_count = sop_test_random(&seed) % 4;
        size_t b_count = sop_test_random(&seed) % 4;
        for (size_t i = 0; i < 3; i++) {
            random_value(&seed, (sop_key_type)(sop_test_random(&seed) % 3), &a[i]);
            random_value(&seed, (sop_key_type)(sop_test_random(&seed) % 8), &b[i]);
            if (sop_test_random(&seed) % 2 == 0) b[i] = a[i];
        }
        int expected = (a_count > b_count) - (a_count < b_count);
        for (size_t i = 0; i < (a_count < b_count ? a_count : b_count); i++) {
            int order = compare_values(&a[i], &b[i]);
            if (order == 0) continue;
            expected = descending >> i & 1 ? -order : order;
            break;
        }
        sop_slice x = encode(a, a_count, descending, a_buffer, sizeof a_buffer);
        sop_slice y = encode(b, b_count, descending, b_buffer, sizeof b_buffer);
        if (sign(sop_slice_compare(x, y)) != expected)
            fail_msg("composite pair %d sorts wrongly", n);
        assert_decodes(x, a, a_count, descending);
        assert_decodes(y, b, b_count, descending);
    }
}

static void test_nan_keeps_its_bits_and_sorts_outside(void **state)
{
    (void)state;
    static const uint64_t nans[2] = {0x7ff8000000000001u, 0xfff8000000000001u};
    uint8_t buffers[4][16];
    sop_slice keys[4];
    for (int i = 0; i < 2; i++) {
        value v = {.type = SOP_KEY_DOUBLE};
        memcpy(&v.d, &nans[i], sizeof v.d);
        keys[i] = encode(&v, 1, 0, buffers[i], 16);
        assert_decodes(keys[i], &v, 1, 0);
        v.d = i == 0 ? INFINITY : -INFINITY;
        keys[i + 2] = encode(&v, 1, 0, buffers[i + 2], 16);
    }
    assert_true(sop_slice_compare(keys[0], keys[2]) > 0);
    assert_true(sop_slice_compare(keys[1], keys[3]) < 0);
}

static void test_short_buffer_reports_what_is_needed(void **state)
{
    (void)state;
    value parts[3] = {{.type = SOP_KEY_STRING, BYTES("a\0b")},
                      {.type = SOP_KEY_INT, .i = -70000},
                      {.type = SOP_KEY_UUID, BYTES("0123456789abcdef")}};
    uint8_t whole[64];
    sop_slice expected = encode(parts, 3, 5, whole, sizeof whole);
    for (size_t capacity = 0; capacity <= expected.size; capacity++) {
        uint8_t buffer[64];
        memset(buffer, 0xaa, sizeof buffer);
        sop_key_builder b;
        sop_key_begin(&b, capacity == 0 ? NULL : buffer, capacity);
        for (unsigned i = 0; i < 3; i++) {
            if (5u >> i & 1) sop_key_descending(&b);
            add(&b, &parts[i]);
        }
        sop_slice key;
        size_t needed = 0;
        sop_status status = sop_key_end(&b, &key, &needed);
        assert_int_equal(status, capacity == expected.size ? SOP_OK : SOP_TOO_LARGE);
        assert_int_equal(needed, expected.size);
        assert_int_equal(key.size, capacity == expected.size ? expected.size : 0);
        for (size_t i = capacity; i < sizeof buffer; i++) {
            assert_int_equal(buffer[i], 0xaa);
        }
        assert_int_equal(sop_key_end(&b, NULL, NULL), status);
    }
}

static void test_a_builder_goes_on_after_end(void **state)
{
    (void)state;
    uint8_t buffer[32];
    sop_key_builder b;
    sop_slice prefix;
    sop_slice key;
    sop_key_begin(&b, buffer, sizeof buffer);
    assert_int_equal(sop_key_end(&b, &prefix, NULL), SOP_OK);
    assert_int_equal(prefix.size, 0);
    sop_key_add_int(&b, 300);
    assert_int_equal(sop_key_end(&b, &prefix, NULL), SOP_OK);
    sop_key_add_bool(&b, 1);
    assert_int_equal(sop_key_end(&b, &key, NULL), SOP_OK);
    assert_int_equal(prefix.size, 3);
    assert_int_equal(key.size, 4);
    assert_memory_equal(key.data, "\x16\x01\x2c\x27", 4);
}

static void assert_stays_invalid(sop_key_builder *b)
{
    sop_slice key;
    size_t needed = 1;
    assert_int_equal(sop_key_end(b, &key, &needed), SOP_INVALID);
    assert_int_equal(needed, 0);
    assert_int_equal(key.size, 0);
    sop_key_add_int(b, 1);
    sop_key_add_string(b, sop_str("x"));
    sop_key_descending(b);
    sop_key_add_uuid(b, (const uint8_t *)"0123456789abcdef");
    assert_int_equal(sop_key_end(b, NULL, NULL), SOP_INVALID);
}

static void test_errors_stick_until_end(void **state)
{
    (void)state;
    uint8_t buffer[64];
    sop_key_builder b;
    sop_key_begin(&b, buffer, sizeof buffer);
    sop_key_add_bytes(&b, sop_slice_of(NULL, 3));
    assert_stays_invalid(&b);
    sop_key_begin(&b, buffer, sizeof buffer);
    sop_key_add_uuid(&b, NULL);
    assert_stays_invalid(&b);
    sop_key_begin(&b, buffer, sizeof buffer);
    sop_key_descending(&b);
    sop_key_descending(&b);
    assert_stays_invalid(&b);
    sop_key_begin(&b, NULL, 4);
    assert_stays_invalid(&b);
    sop_key_begin(&b, buffer, sizeof buffer);
    sop_key_descending(&b);
    assert_int_equal(sop_key_end(&b, NULL, NULL), SOP_INVALID);
    sop_key_add_null(&b);
    assert_int_equal(sop_key_end(&b, NULL, NULL), SOP_OK);
}

static void test_malformed_bytes_are_corrupt(void **state)
{
    (void)state;
    static const struct {
        const char *key;
        size_t size;
    } bad[] = {{KEY("\x01")},
               {KEY("\x02"
                    "abc")},
               {KEY("\x01\x00\xff")},
               {KEY("\x15")},
               {KEY("\x16\x01")},
               {KEY("\x15\x00")},
               {KEY("\x16\x00\x01")},
               {KEY("\x13\xff")},
               {KEY("\x12\xff\x00")},
               {KEY("\x21\x00\x00")},
               {KEY("\x20\x00\x00\x00")},
               {KEY("\x30\x00")},
               {KEY("\x03")},
               {KEY("\x22")},
               {KEY("\x23")},
               {KEY("\x24")},
               {KEY("\x31")},
               {KEY("\xff")},
               {KEY("\x80")},
               {KEY("\x80\xfe\x9e\xff")},
               {KEY("\x80\xfe\x9e\xff\x01")},
               {KEY("\x80\xea")},
               {KEY("\x80\x80")},
               {KEY("\x7f")},
               {KEY("\xfe")}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        sop_key_reader reader;
        sop_key_part part;
        sop_key_read(&reader, sop_slice_of(bad[i].key, bad[i].size));
        if (sop_key_next(&reader, &part) != SOP_CORRUPT) fail_msg("bad key %zu was accepted", i);
        assert_int_equal(sop_key_next(&reader, &part), SOP_CORRUPT);
    }
}

static void add_part(sop_key_builder *b, const sop_key_part *part)
{
    uint8_t plain[256];
    sop_slice bytes;
    value v = {.type = part->type,
               .i = part->int_value,
               .u = part->uint_value,
               .d = part->double_value,
               .b = part->bool_value};
    if (part->descending) sop_key_descending(b);
    if (part->type == SOP_KEY_UUID) memcpy(v.bytes, part->uuid, 16);
    if (part->encoded.data != NULL) {
        assert_int_equal(sop_key_part_bytes(part, plain, sizeof plain, &bytes), SOP_OK);
        if (part->type == SOP_KEY_BYTES) sop_key_add_bytes(b, bytes);
        if (part->type == SOP_KEY_STRING) sop_key_add_string(b, bytes);
        if (part->type == SOP_KEY_DECIMAL) sop_key_add_decimal(b, bytes);
        return;
    }
    add(b, &v);
}

/* What the reader takes, the builder makes again, byte by byte: there is one form of each key. */
static void test_random_bytes_are_refused_or_canonical(void **state)
{
    (void)state;
    static const uint8_t codes[] = {0x00, 0x01, 0x02, 0x05, 0x0c, 0x13, 0x14, 0x15,
                                    0x1c, 0x21, 0x26, 0x27, 0x30, 0x80, 0xff, 0xfe,
                                    0xfd, 0xea, 0xec, 0xde, 0xd9, 0xcf};
    uint64_t seed = sop_test_seed(13);
    int accepted = 0;
    for (int n = 0; n < PAIRS; n++) {
        uint8_t bytes[32];
        uint8_t again[64];
        size_t size = sop_test_random(&seed) % sizeof bytes;
        for (size_t i = 0; i < size; i++) {
            uint64_t r = sop_test_random(&seed);
            bytes[i] = r % 3 == 0 ? (uint8_t)(r >> 8) : codes[(r >> 8) % sizeof codes];
        }
        sop_key_reader reader;
        sop_key_part part;
        sop_key_builder b;
        sop_key_read(&reader, sop_slice_of(bytes, size));
        sop_key_begin(&b, again, sizeof again);
        sop_status status;
        const uint8_t *begin = reader.at;
        while ((status = sop_key_next(&reader, &part)) == SOP_OK) {
            /* A float comes back as a double, which is another key. */
            if (part.type == SOP_KEY_DOUBLE && reader.at - begin < 9) {
                reader.at = begin;
                break;
            }
            add_part(&b, &part);
            begin = reader.at;
        }
        sop_slice key;
        assert_int_equal(sop_key_end(&b, &key, NULL), SOP_OK);
        assert_int_equal(key.size, (size_t)(reader.at - bytes));
        if (key.size != 0) assert_memory_equal(key.data, bytes, key.size);
        accepted += status == SOP_NOT_FOUND;
    }
    assert_true(accepted > PAIRS / 100);
}

static void test_part_bytes_checks_its_arguments(void **state)
{
    (void)state;
    uint8_t buffer[16];
    sop_slice bytes;
    sop_key_part part = {.type = SOP_KEY_INT};
    assert_int_equal(sop_key_part_bytes(&part, buffer, sizeof buffer, &bytes), SOP_INVALID);
    part = (sop_key_part){.type = SOP_KEY_BYTES,
                          .encoded = {"a\x00\xff"
                                      "b",
                                      4}};
    assert_int_equal(sop_key_part_bytes(&part, buffer, 2, &bytes), SOP_TOO_LARGE);
    assert_int_equal(bytes.size, 0);
    assert_int_equal(sop_key_part_bytes(&part, buffer, 3, &bytes), SOP_OK);
    assert_int_equal(bytes.size, 3);
    assert_memory_equal(bytes.data, "a\0b", 3);
    part.encoded = sop_slice_of("a\x00", 2);
    assert_int_equal(sop_key_part_bytes(&part, buffer, 16, &bytes), SOP_CORRUPT);
    part.encoded = sop_slice_of("plain", 5);
    assert_int_equal(sop_key_part_bytes(&part, NULL, 0, &bytes), SOP_OK);
    assert_ptr_equal(bytes.data, part.encoded.data);
}

static void test_prefix_end(void **state)
{
    (void)state;
    static const struct {
        const char *prefix;
        size_t size;
        const char *end;
        size_t end_size;
    } cases[] = {{KEY("a"), KEY("b")},
                 {KEY("a\xff"), KEY("b")},
                 {KEY("a\xff\xff\xff"), KEY("b")},
                 {KEY("a\xfe\xff"), KEY("a\xff")},
                 {KEY("\x00"), KEY("\x01")},
                 {KEY("\xff"), KEY("")},
                 {KEY("\xff\xff"), KEY("")},
                 {KEY(""), KEY("")},
                 {KEY("\x15\x01\xff\x00"), KEY("\x15\x01\xff\x01")}};
    uint8_t buffer[8];
    sop_slice end;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        sop_slice prefix = sop_slice_of(cases[i].prefix, cases[i].size);
        assert_int_equal(sop_key_prefix_end(prefix, buffer, sizeof buffer, &end), SOP_OK);
        assert_int_equal(end.size, cases[i].end_size);
        if (end.size != 0) assert_memory_equal(end.data, cases[i].end, end.size);
        if (end.size != 0)
            assert_int_equal(sop_key_prefix_end(prefix, buffer, end.size - 1, &end), SOP_TOO_LARGE);
    }
    assert_int_equal(sop_key_prefix_end(sop_slice_of(NULL, 1), buffer, sizeof buffer, &end),
                     SOP_INVALID);
    memcpy(buffer, "xy\xff", 3);
    assert_int_equal(sop_key_prefix_end(sop_slice_of(buffer, 3), buffer, 2, &end), SOP_OK);
    assert_memory_equal(end.data, "xz", 2);
}

static void test_prefix_end_bounds_all_keys_below(void **state)
{
    (void)state;
    uint64_t seed = sop_test_seed(17);
    for (int n = 0; n < 100000; n++) {
        value prefix = {0};
        value key = {0};
        uint8_t buffer[16];
        sop_slice end;
        random_bytes(&seed, &prefix);
        random_bytes(&seed, &key);
        sop_slice p = sop_slice_of(prefix.bytes, prefix.size);
        sop_slice k = sop_slice_of(key.bytes, key.size);
        assert_int_equal(sop_key_prefix_end(p, buffer, sizeof buffer, &end), SOP_OK);
        int has_prefix = k.size >= p.size && memcmp(k.data, p.data, p.size) == 0;
        int in_range =
            sop_slice_compare(k, p) >= 0 && (end.size == 0 || sop_slice_compare(k, end) < 0);
        if (has_prefix != in_range) fail_msg("case %d", n);
    }
}

int main(void)
{
    (void)printf("seed %llu\n", (unsigned long long)sop_test_seed(0));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_published_vectors),
        cmocka_unit_test(test_descending_vectors),
        cmocka_unit_test(test_floats_are_read_as_doubles),
        cmocka_unit_test(test_unsupported_parts_are_named_so),
        cmocka_unit_test(test_random_pairs_sort_by_value_and_decode),
        cmocka_unit_test(test_composite_keys_sort_part_by_part),
        cmocka_unit_test(test_nan_keeps_its_bits_and_sorts_outside),
        cmocka_unit_test(test_short_buffer_reports_what_is_needed),
        cmocka_unit_test(test_a_builder_goes_on_after_end),
        cmocka_unit_test(test_errors_stick_until_end),
        cmocka_unit_test(test_malformed_bytes_are_corrupt),
        cmocka_unit_test(test_random_bytes_are_refused_or_canonical),
        cmocka_unit_test(test_part_bytes_checks_its_arguments),
        cmocka_unit_test(test_prefix_end),
        cmocka_unit_test(test_prefix_end_bounds_all_keys_below),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
