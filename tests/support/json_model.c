/* SPDX-License-Identifier: MIT */
/* The model of JSON: a recursive parser into a tree, kept as simple as can be. */
#include "support/json_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/support.h"

typedef struct {
    const char *at;
    const char *end;
    unsigned depth;
    unsigned depth_max;
} parser;

static model_value *parse_value(parser *p);

void model_free(model_value *value)
{
    while (value != NULL) {
        model_value *next = value->next;
        model_free(value->child);
        free(value->text);
        free(value->name);
        free(value);
        value = next;
    }
}

static void space(parser *p)
{
    while (p->at < p->end &&
           (*p->at == ' ' || *p->at == '\t' || *p->at == '\n' || *p->at == '\r')) {
        p->at++;
    }
}

static int take(parser *p, char c)
{
    if (p->at == p->end || *p->at != c) return 0;
    p->at++;
    return 1;
}

static int hex(parser *p, unsigned *out)
{
    *out = 0;
    for (int i = 0; i < 4; i++, p->at++) {
        if (p->at == p->end) return 0;
        const char *digits = "0123456789abcdef0123456789ABCDEF";
        const char *found = *p->at == '\0' ? NULL : strchr(digits, *p->at);
        if (found == NULL) return 0;
        *out = *out * 16 + (unsigned)(found - digits) % 16;
    }
    return 1;
}

static size_t put_code(char *to, unsigned code)
{
    if (code < 0x80) {
        to[0] = (char)code;
        return 1;
    }
    size_t size = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const unsigned lead[5] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = size; i-- > 1; code >>= 6) {
        to[i] = (char)(0x80 | (code & 0x3f));
    }
    to[0] = (char)(lead[size] | code);
    return size;
}

static int escape(parser *p, char *to, size_t *used)
{
    static const char from[] = "\"\\/bfnrt";
    static const char plain[] = "\"\\/\b\f\n\r\t";
    if (p->at == p->end) return 0;
    char c = *p->at++;
    const char *found = c == '\0' ? NULL : strchr(from, c);
    if (found != NULL) {
        to[(*used)++] = plain[found - from];
        return 1;
    }
    unsigned code = 0;
    if (c != 'u' || !hex(p, &code)) return 0;
    if (code >= 0xd800 && code < 0xdc00 && p->end - p->at >= 6 && p->at[0] == '\\' &&
        p->at[1] == 'u') {
        parser low_parser = *p;
        unsigned low = 0;
        low_parser.at += 2;
        if (hex(&low_parser, &low) && low >= 0xdc00 && low < 0xe000) {
            code = 0x10000 + (code - 0xd800) * 0x400 + (low - 0xdc00);
            p->at += 6;
        }
    }
    *used += put_code(to + *used, code);
    return 1;
}

/* UTF-8 by counting: the lead byte says how many follow, then the code point must need that many.
 */
static int character(parser *p, char *to, size_t *used)
{
    unsigned lead = (unsigned char)*p->at;
    size_t size = lead < 0x80       ? 1
                  : lead >> 5 == 6  ? 2
                  : lead >> 4 == 14 ? 3
                  : lead >> 3 == 30 ? 4
                                    : 0;
    if (size == 0 || (size_t)(p->end - p->at) < size || lead < 0x20) return 0;
    unsigned code = size == 1 ? lead : lead & (0x7fu >> size);
    for (size_t i = 1; i < size; i++) {
        unsigned c = (unsigned char)p->at[i];
        if (c >> 6 != 2) return 0;
        code = code << 6 | (c & 0x3f);
    }
    char again[4];
    if (code > 0x10ffff || (code >= 0xd800 && code < 0xe000) || put_code(again, code) != size)
        return 0;
    memcpy(to + *used, p->at, size);
    *used += size;
    p->at += size;
    return 1;
}

static char *string(parser *p, size_t *size)
{
    char *to = malloc((size_t)(p->end - p->at) + 1);
    size_t used = 0;
    int good = take(p, '"');
    while (good && !(p->at < p->end && *p->at == '"')) {
        if (p->at == p->end)
            good = 0;
        else if (take(p, '\\'))
            good = escape(p, to, &used);
        else
            good = character(p, to, &used);
    }
    if (!good) {
        free(to);
        return NULL;
    }
    p->at++;
    *size = used;
    return to;
}

static int digits(parser *p)
{
    const char *begin = p->at;
    while (p->at < p->end && *p->at >= '0' && *p->at <= '9') {
        p->at++;
    }
    return p->at != begin;
}

static int number(parser *p, model_value *value)
{
    const char *begin = p->at;
    (void)take(p, '-');
    if (!take(p, '0') && !digits(p)) return 0;
    if (take(p, '.') && !digits(p)) return 0;
    if (take(p, 'e') || take(p, 'E')) {
        if (!take(p, '+')) (void)take(p, '-');
        if (!digits(p)) return 0;
    }
    value->size = (size_t)(p->at - begin);
    value->text = malloc(value->size + 1);
    memcpy(value->text, begin, value->size);
    return 1;
}

static int word(parser *p, const char *text)
{
    size_t size = strlen(text);
    if ((size_t)(p->end - p->at) < size || memcmp(p->at, text, size) != 0) return 0;
    p->at += size;
    return 1;
}

static int items(parser *p, model_value *container, char close)
{
    model_value **last = &container->child;
    p->at++;
    space(p);
    if (take(p, close)) return 1;
    do {
        char *name = NULL;
        size_t name_size = 0;
        if (close == '}') {
            space(p);
            name = string(p, &name_size);
            if (name == NULL) return 0;
            space(p);
            if (!take(p, ':')) {
                free(name);
                return 0;
            }
        }
        model_value *item = parse_value(p);
        if (item == NULL) {
            free(name);
            return 0;
        }
        item->name = name;
        item->name_size = name_size;
        *last = item;
        last = &item->next;
        space(p);
    } while (take(p, ','));
    return take(p, close);
}

static int fill(parser *p, model_value *value)
{
    switch (value->type) {
    case 'n':
        return word(p, "null");
    case 'f':
        return word(p, "false");
    case 't':
        return word(p, "true");
    case '"':
        return (value->text = string(p, &value->size)) != NULL;
    case '[':
    case '{': {
        if (p->depth == p->depth_max) return 0;
        p->depth++;
        int good = items(p, value, value->type == '[' ? ']' : '}');
        p->depth--;
        return good;
    }
    default:
        value->type = 0;
        return number(p, value);
    }
}

static model_value *parse_value(parser *p)
{
    space(p);
    if (p->at == p->end) return NULL;
    model_value *value = calloc(1, sizeof *value);
    value->type = *p->at;
    if (fill(p, value)) return value;
    model_free(value);
    return NULL;
}

model_value *model_parse(const char *text, size_t size, unsigned depth_max)
{
    parser p = {.at = text, .end = text + size, .depth_max = depth_max};
    model_value *value = parse_value(&p);
    space(&p);
    if (value != NULL && p.at != p.end) {
        model_free(value);
        return NULL;
    }
    return value;
}

const model_value *model_member(const model_value *object, const char *name, size_t size)
{
    if (object->type != '{') return NULL;
    for (const model_value *m = object->child; m != NULL; m = m->next) {
        if (m->name_size == size && memcmp(m->name, name, size) == 0) return m;
    }
    return NULL;
}

const model_value *model_element(const model_value *array, uint64_t index)
{
    if (array->type != '[') return NULL;
    const model_value *e = array->child;
    for (; e != NULL && index != 0; index--) {
        e = e->next;
    }
    return e;
}

static int covers(const model_value *a, const model_value *b)
{
    for (const model_value *m = a->child; m != NULL; m = m->next) {
        const model_value *other = model_member(b, m->name, m->name_size);
        const model_value *first = model_member(a, m->name, m->name_size);
        if (other == NULL || (first == m && !model_equal(m, other))) return 0;
    }
    return 1;
}

int model_equal(const model_value *a, const model_value *b)
{
    if (a->type != b->type || a->size != b->size) return 0;
    if (a->size != 0 && memcmp(a->text, b->text, a->size) != 0) return 0;
    if (a->type == '{') return covers(a, b) && covers(b, a);
    const model_value *x = a->child;
    const model_value *y = b->child;
    for (; x != NULL && y != NULL; x = x->next, y = y->next) {
        if (!model_equal(x, y)) return 0;
    }
    return x == NULL && y == NULL;
}

static char *copy_bytes(const char *text, size_t size)
{
    char *copy = malloc(size + 1);
    if (size != 0) memcpy(copy, text, size);
    return copy;
}

static model_value *copy_value(const model_value *value)
{
    model_value *copy = calloc(1, sizeof *copy);
    copy->type = value->type;
    copy->size = value->size;
    copy->name_size = value->name_size;
    if (value->text != NULL) copy->text = copy_bytes(value->text, value->size);
    if (value->name != NULL) copy->name = copy_bytes(value->name, value->name_size);
    model_value **last = &copy->child;
    for (const model_value *c = value->child; c != NULL; c = c->next) {
        *last = copy_value(c);
        last = &(*last)->next;
    }
    return copy;
}

/* Takes out all members of the name; returns the first, the others are freed. */
static model_value *detach(model_value *object, const char *name, size_t size)
{
    model_value *found = NULL;
    model_value **link = &object->child;
    while (*link != NULL) {
        model_value *m = *link;
        if (m->name_size != size || memcmp(m->name, name, size) != 0) {
            link = &m->next;
            continue;
        }
        *link = m->next;
        m->next = NULL;
        if (found == NULL)
            found = m;
        else
            model_free(m);
    }
    return found;
}

model_value *model_merge(model_value *target, const model_value *patch)
{
    if (patch->type != '{') {
        model_free(target);
        return copy_value(patch);
    }
    if (target == NULL || target->type != '{') {
        model_free(target);
        target = calloc(1, sizeof *target);
        target->type = '{';
    }
    for (const model_value *m = patch->child; m != NULL; m = m->next) {
        if (model_member(patch, m->name, m->name_size) != m) continue;
        model_value *old = detach(target, m->name, m->name_size);
        if (m->type == 'n') {
            model_free(old);
            continue;
        }
        model_value *merged = model_merge(old, m);
        free(merged->name);
        merged->name = copy_bytes(m->name, m->name_size);
        merged->name_size = m->name_size;
        merged->next = target->child;
        target->child = merged;
    }
    return target;
}

typedef struct {
    uint64_t *seed;
    char *to;
    size_t used;
    size_t size;
} generator;

static uint64_t chance(generator *g, uint64_t n)
{
    return sop_test_random(g->seed) % n;
}

static void emit(generator *g, const char *text)
{
    size_t size = strlen(text);
    memcpy(g->to + g->used, text, size);
    g->used += size;
}

static void random_space(generator *g)
{
    static const char *const spaces[] = {"", "", "", "", " ", "\n", "\t ", "\r\n  "};
    emit(g, spaces[chance(g, 8)]);
}

static void random_string(generator *g, int is_name)
{
    /* Few names, so that they repeat, and some are the same name written otherwise. */
    static const char *const names[] = {"a", "b",   "\\u0061", "",     "size",     "0",
                                        "1", "a/b", "m~n",     "\\\"", "\xc3\xa9", "-"};
    static const char *const pieces[] = {"x",
                                         "hello world, this is long enough",
                                         "\\n",
                                         "\\u0000",
                                         "\\ud83d\\ude00",
                                         "\\ud800",
                                         "\\udc00",
                                         "\xe2\x82\xac",
                                         "\xf0\x9f\x98\x80",
                                         "\\\\",
                                         "\\\"",
                                         "\\/",
                                         "{",
                                         "}",
                                         "[",
                                         "]",
                                         ",",
                                         ":",
                                         "\xc3\xa9",
                                         "\x7f",
                                         "0123456789abcde"};
    emit(g, "\"");
    if (is_name && chance(g, 8) != 0) {
        emit(g, names[chance(g, sizeof names / sizeof names[0])]);
    } else {
        for (uint64_t n = chance(g, 5); n != 0; n--) {
            emit(g, pieces[chance(g, sizeof pieces / sizeof pieces[0])]);
        }
    }
    emit(g, "\"");
}

static void random_scalar(generator *g)
{
    static const char *const scalars[] = {"null",
                                          "true",
                                          "false",
                                          "0",
                                          "-0",
                                          "1",
                                          "-12.50",
                                          "1e400",
                                          "1E-3",
                                          "0.0",
                                          "9223372036854775807",
                                          "18446744073709551616",
                                          "3.14159",
                                          "-1e+5",
                                          "42"};
    if (chance(g, 3) == 0)
        random_string(g, 0);
    else
        emit(g, scalars[chance(g, sizeof scalars / sizeof scalars[0])]);
}

static void random_value(generator *g, unsigned depth)
{
    random_space(g);
    int object = chance(g, 2) == 0;
    if (depth == 0 || g->used + 200 > g->size || chance(g, 3) == 0) {
        random_scalar(g);
    } else {
        emit(g, object ? "{" : "[");
        uint64_t count = chance(g, 7);
        for (uint64_t i = 0; i < count && g->used + 400 < g->size; i++) {
            if (i != 0) emit(g, ",");
            random_space(g);
            if (object) {
                random_string(g, 1);
                random_space(g);
                emit(g, ":");
            }
            random_value(g, depth - 1);
        }
        random_space(g);
        emit(g, object ? "}" : "]");
    }
    random_space(g);
}

size_t model_random(uint64_t *seed, char *to, size_t size)
{
    generator g = {.seed = seed, .to = to, .size = size};
    random_value(&g, 1 + (unsigned)chance(&g, 6));
    return g.used;
}
