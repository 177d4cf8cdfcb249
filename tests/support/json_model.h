/* SPDX-License-Identifier: MIT */
/* A plain JSON tree, written for clarity and without a line of the library: the model that the json
 * room is tested against. */
#ifndef SOP_TESTS_JSON_MODEL_H
#define SOP_TESTS_JSON_MODEL_H

#include <stddef.h>
#include <stdint.h>

typedef struct model_value model_value;
struct model_value {
    char type;  /* n f t 0 " [ {, as the text begins; 0 for numbers */
    char *text; /* number: as it stands; string: decoded, surrogates as three bytes */
    size_t size;
    char *name; /* of a member, decoded */
    size_t name_size;
    model_value *child;
    model_value *next;
};

/* NULL if the text is not JSON by RFC 8259, or nests deeper than depth_max. Free with model_free.
 */
model_value *model_parse(const char *text, size_t size, unsigned depth_max);
void model_free(model_value *value);
/* The first member of that name; the element of that number; or NULL. */
const model_value *model_member(const model_value *object, const char *name, size_t size);
const model_value *model_element(const model_value *array, uint64_t index);
/* Equal trees: members in any order, only the first of a name counts, numbers by their text. */
int model_equal(const model_value *a, const model_value *b);
/* Changes target as RFC 7386 says and returns it; target may be NULL. The patch stays whole. */
model_value *model_merge(model_value *target, const model_value *patch);

/* Writes a random valid text of at most about size bytes, with escapes, white space, repeated names
 * and odd numbers. */
size_t model_random(uint64_t *seed, char *to, size_t size);

#endif
