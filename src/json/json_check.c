/* SPDX-License-Identifier: MIT */
/* The strict checker: RFC 8259, one pass, no recursion, one bit of memory a level. */
#include "json/json_scan.h"
#include "util/error.h"
#include "util/utf8.h"

typedef struct {
    const uint8_t *at;
    const uint8_t *end;
    const char *reason; /* set where the text is wrong; at is the place */
    uint32_t depth;
    uint32_t depth_max;
    int too_deep;
    int reject_lone_surrogates;
    uint64_t objects[SOP_JSON_DEPTH_LIMIT / 64]; /* one bit a level: it is an object */
} checker;

static int wrong(checker *c, const char *reason)
{
    c->reason = reason;
    return -1;
}

static int in_object(const checker *c)
{
    uint32_t level = c->depth - 1;
    return (int)(c->objects[level / 64] >> (level % 64) & 1);
}

static int push(checker *c, int is_object)
{
    if (c->depth == c->depth_max) {
        c->too_deep = 1;
        return wrong(c, "too many arrays and objects inside each other");
    }
    uint64_t bit = UINT64_C(1) << (c->depth % 64);
    uint64_t *word = &c->objects[c->depth / 64];
    if (c->depth % 64 == 0) *word = 0;
    *word = is_object ? *word | bit : *word & ~bit;
    c->depth++;
    return 0;
}

/* The escape \uXXXX at c->at, the partner of a high surrogate included. */
static int check_unicode_escape(checker *c)
{
    uint32_t code = sop_json__hex4(c->at + 2, c->end);
    if (code == UINT32_MAX) return wrong(c, "expected four hex digits after \\u");
    int pair = 0;
    if (code >= 0xd800 && code < 0xdc00 && c->end - c->at >= 12 && c->at[6] == '\\' &&
        c->at[7] == 'u') {
        uint32_t low = sop_json__hex4(c->at + 8, c->end);
        pair = low >= 0xdc00 && low < 0xe000;
    }
    if (c->reject_lone_surrogates && !pair && code >= 0xd800 && code < 0xe000) {
        return wrong(c, "a surrogate without its partner");
    }
    c->at += pair ? 12 : 6;
    return 0;
}

static int check_escape(checker *c)
{
    if (c->end - c->at < 2) return wrong(c, "unexpected end inside a string");
    switch (c->at[1]) {
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't':
        c->at += 2;
        return 0;
    case 'u':
        return check_unicode_escape(c);
    default:
        return wrong(c, "unknown escape");
    }
}

/* Runs of characters above 7F, which tend to come together. */
static int check_utf8(checker *c)
{
    do {
        uint32_t code = 0;
        size_t size = sop_utf8_get(c->at, c->end, &code);
        if (size == 0) return wrong(c, "bytes that are not UTF-8");
        c->at += size;
    } while (c->at != c->end && *c->at >= 0x80);
    return 0;
}

static int check_string(checker *c)
{
    c->at++;
    for (;;) {
        c->at = sop_json__find_special(c->at, c->end);
        if (c->at == c->end) return wrong(c, "unexpected end inside a string");
        int failed = 0;
        if (*c->at == '"') {
            c->at++;
            return 0;
        }
        if (*c->at == '\\') {
            failed = check_escape(c);
        } else if (*c->at >= 0x80) {
            failed = check_utf8(c);
        } else {
            failed = wrong(c, "a control character inside a string");
        }
        if (failed) return -1;
    }
}

static int check_digits(checker *c)
{
    const uint8_t *begin = c->at;
    while (c->at != c->end && (unsigned)*c->at - '0' < 10) {
        c->at++;
    }
    return c->at == begin ? wrong(c, "expected a digit") : 0;
}

static int check_number(checker *c)
{
    if (*c->at == '-') c->at++;
    const uint8_t *first = c->at;
    if (check_digits(c)) return -1;
    if (*first == '0' && c->at - first > 1) {
        c->at = first;
        return wrong(c, "a number with a leading zero");
    }
    if (c->at != c->end && *c->at == '.') {
        c->at++;
        if (check_digits(c)) return -1;
    }
    if (c->at != c->end && (*c->at | 0x20) == 'e') {
        c->at++;
        if (c->at != c->end && (*c->at == '+' || *c->at == '-')) c->at++;
        if (check_digits(c)) return -1;
    }
    return 0;
}

static int check_literal(checker *c, const char *word, size_t size)
{
    if ((size_t)(c->end - c->at) < size || memcmp(c->at, word, size) != 0) {
        return wrong(c, "expected a value");
    }
    c->at += size;
    return 0;
}

static int check_scalar(checker *c)
{
    switch (*c->at) {
    case '"':
        return check_string(c);
    case 't':
        return check_literal(c, "true", 4);
    case 'f':
        return check_literal(c, "false", 5);
    case 'n':
        return check_literal(c, "null", 4);
    default:
        if (*c->at != '-' && (unsigned)*c->at - '0' >= 10) return wrong(c, "expected a value");
        return check_number(c);
    }
}

/* White space, then one byte must be left. */
static int next_byte(checker *c)
{
    c->at = sop_json__skip_space(c->at, c->end);
    return c->at == c->end ? wrong(c, "unexpected end") : 0;
}

/* A name and its colon, up to the value. */
static int check_key(checker *c)
{
    if (next_byte(c)) return -1;
    if (*c->at != '"') return wrong(c, "expected a member name in quotes");
    if (check_string(c) || next_byte(c)) return -1;
    if (*c->at != ':') return wrong(c, "expected ':'");
    c->at++;
    return 0;
}

/* Closing brackets and the comma after a value. 1: another value comes; 0: the outermost value is
 * complete. */
static int check_after(checker *c)
{
    while (c->depth != 0) {
        if (next_byte(c)) return -1;
        int object = in_object(c);
        if (*c->at == ',') {
            c->at++;
            return object && check_key(c) ? -1 : 1;
        }
        if (*c->at != (object ? '}' : ']')) {
            return wrong(c, object ? "expected ',' or '}'" : "expected ',' or ']'");
        }
        c->at++;
        c->depth--;
    }
    return 0;
}

/* An opening bracket. 1: a value comes; 0: it was closed again at once. */
static int check_open(checker *c)
{
    int object = *c->at == '{';
    if (push(c, object)) return -1;
    c->at++;
    if (next_byte(c)) return -1;
    if (*c->at == (object ? '}' : ']')) {
        c->at++;
        c->depth--;
        return 0;
    }
    return object && check_key(c) ? -1 : 1;
}

static int check_text(checker *c)
{
    for (;;) {
        if (next_byte(c)) return -1;
        int more = 0;
        if ((*c->at | 0x20) == '{') {
            more = check_open(c);
        } else {
            more = check_scalar(c);
        }
        if (more == 0) more = check_after(c);
        if (more < 0) return -1;
        if (more == 0) break;
    }
    c->at = sop_json__skip_space(c->at, c->end);
    return c->at == c->end ? 0 : wrong(c, "text after the value");
}

SOP_COLD static sop_status report(const checker *c,
                                  sop_slice text,
                                  sop_status status,
                                  sop_json_position *where_out,
                                  sop_error *err)
{
    sop_json_position where = {.line = 1, .column = 1, .reason = c->reason};
    const uint8_t *begin = text.data;
    where.offset = c->at == NULL ? 0 : (size_t)(c->at - begin);
    for (size_t i = 0; i < where.offset; i++) {
        if (begin[i] == '\n') {
            where.line++;
            where.column = 1;
        } else if ((begin[i] & 0xc0) != 0x80) {
            where.column++;
        }
    }
    if (where_out != NULL) *where_out = where;
    return sop_fail(err, status, "JSON, line %zu, column %zu (byte %zu): %s", where.line,
                    where.column, where.offset, where.reason);
}

sop_status sop_json_check(sop_slice text,
                          const sop_json_limits *limits,
                          sop_json_position *where_out,
                          sop_error *err)
{
    static const sop_json_limits defaults;
    if (limits == NULL) limits = &defaults;
    checker c;
    c.at = text.data;
    c.end = text.size == 0 ? c.at : c.at + text.size;
    c.reason = NULL;
    c.depth = 0;
    c.too_deep = 0;
    c.depth_max = limits->depth_max == 0 ? SOP_JSON_DEPTH_DEFAULT : limits->depth_max;
    if (c.depth_max > SOP_JSON_DEPTH_LIMIT) c.depth_max = SOP_JSON_DEPTH_LIMIT;
    c.reject_lone_surrogates = limits->reject_lone_surrogates;
    if (limits->size_max != 0 && text.size > limits->size_max) {
        c.reason = "the text is longer than allowed";
        return report(&c, text, SOP_TOO_LARGE, where_out, err);
    }
    if (SOP_LIKELY(check_text(&c) == 0)) return SOP_OK;
    return report(&c, text, c.too_deep ? SOP_TOO_LARGE : SOP_INVALID, where_out, err);
}
