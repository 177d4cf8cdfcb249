/* SPDX-License-Identifier: MIT */
/* Words of filters and paths. */
#include "document/document_word.h"

static int is_word_byte(unsigned c)
{
    return c - '0' < 10 || (c | 0x20) - 'a' < 26 || c >= 0x80 || c == '_' || c == '-' || c == '$' ||
           c == '@';
}

const uint8_t *sop_document__word_end(const uint8_t *at, const uint8_t *end)
{
    while (at != end && is_word_byte(*at)) {
        at++;
    }
    return at;
}

const uint8_t *sop_document__quoted_end(const uint8_t *at, const uint8_t *end)
{
    uint8_t quote = *at++;
    while (at != end) {
        if (*at == quote) return at + 1;
        if (*at == '\\' && ++at == end) return NULL;
        at++;
    }
    return NULL;
}

int sop_document__word_is(sop_slice word, const char *lower)
{
    const uint8_t *at = word.data;
    for (size_t i = 0; i < word.size; i++) {
        if (lower[i] == '\0' || (at[i] | 0x20) != (uint8_t)lower[i]) return 0;
    }
    return lower[word.size] == '\0';
}

int sop_document__is_keyword(sop_slice word)
{
    static const char *const keywords[] = {
        "and",     "or",     "not", "between", "in",   "has",   "starts", "with", "contains",
        "matches", "exists", "is",  "null",    "true", "false", "nocase", "any",  "all"};
    for (size_t i = 0; i < sizeof keywords / sizeof keywords[0]; i++) {
        if (sop_document__word_is(word, keywords[i])) return 1;
    }
    return 0;
}
