/* SPDX-License-Identifier: MIT */
/*
 * Regular expressions in linear time. Patterns become a small program over bytes (Thompson 1968; Cox, "Regular
 * Expression Matching: the Virtual Machine Approach", 2009), and that a table of states if it stays small. Nothing ever
 * goes back in the text, so no pattern can be made to run long.
 *
 *   alternation a|b, groups ( ) and (?: ), repeats * + ? {m} {m,} {m,n} (a ? behind them changes nothing), any character
 *   but a line feed . , classes [a-z] [^a-z], \d \w \s \D \W \S (ASCII), \n \r \t \f, \xHH, \uHHHH, \x{H...}, ^ and \A
 *   (start of the text), $ and \z (its end), and (?i) as the very first characters. \ before any other sign stands for it.
 */
#ifndef SOP_DOCUMENT_REGEX_H
#define SOP_DOCUMENT_REGEX_H

#include <stddef.h>
#include <stdint.h>

#include "sop/types.h"

#include "util/arena.h"

#define SOP_DOCUMENT_REGEX_INSTS_MAX   4000
#define SOP_DOCUMENT_REGEX_REPEATS_MAX 1000
#define SOP_DOCUMENT_REGEX_STATES_MAX  1000
/* Steps of one match without a table, and of the attempt to make one. */
#define SOP_DOCUMENT_REGEX_STEPS_MAX INT64_C(6000000)
#define SOP_DOCUMENT_REGEX_BUILD_MAX INT64_C(3000000)

typedef struct {
    uint8_t op;
    uint8_t low; /* BYTE: the range */
    uint8_t high;
    uint16_t x; /* BYTE, BEGIN, END: what follows; SPLIT: the one and */
    uint16_t y; /* SPLIT: the other way */
} sop_document__inst;

enum { REGEX_MATCH, REGEX_BYTE, REGEX_SPLIT, REGEX_BEGIN, REGEX_END };

/* Never changed after it is made: any number of threads may match with it. Lies in an arena. */
typedef struct {
    sop_document__inst *insts;
    unsigned count;
    unsigned start;
    int nocase; /* the text must be folded first */
    /* The table: state * class_count + class of the byte. Absent if it grew too large. */
    uint16_t *table;
    uint8_t *at_end; /* of a state: it matches if the text ends here */
    unsigned state_count;
    unsigned class_count;
    uint8_t classes[256];
} sop_document__regex;

/* States with a meaning of their own. */
enum { REGEX_STATE_MATCHED = 0, REGEX_STATE_DEAD = 1, REGEX_STATE_START = 2 };

/* SOP_OK, SOP_NO_MEMORY, or SOP_INVALID with the place in the pattern and the reason. */
sop_status sop_document__regex_new(sop_slice pattern,
                                   int nocase,
                                   sop_arena *arena,
                                   sop_document__regex **regex_out,
                                   size_t *offset_out,
                                   const char **why_out);
/* Whether the pattern matches somewhere in the text. SOP_OK, or SOP_TOO_LARGE: more than SOP_DOCUMENT_REGEX_STEPS_MAX. */
sop_status
sop_document__regex_match(const sop_document__regex *regex, sop_slice text, int *match_out);
/* The same without the table; for tests. */
sop_status
sop_document__regex_match_slowly(const sop_document__regex *regex, sop_slice text, int *match_out);

/* ---- between the files of the regular expressions ---- */

typedef struct {
    uint32_t low;
    uint32_t high;
} sop_document__range;

typedef enum {
    REGEX_NODE_CLASS,
    REGEX_NODE_BEGIN,
    REGEX_NODE_END,
    REGEX_NODE_REPEAT,
    REGEX_NODE_CONCAT,
    REGEX_NODE_ALTERNATE
} sop_document__node_kind;

typedef struct sop_document__node sop_document__node;
struct sop_document__node {
    sop_document__node_kind kind;
    sop_document__node *child;         /* CONCAT: the last item first; ALTERNATE: any order */
    sop_document__node *next;          /* in the list of its parent */
    unsigned min;                      /* REPEAT */
    unsigned max;                      /* REPEAT; UINT_MAX: without end */
    const sop_document__range *ranges; /* CLASS: sorted, apart */
    size_t range_count;
};

/* NULL with *offset_out and *why_out set (out of memory: *why_out is NULL). */
sop_document__node *sop_document__regex_parse(
    sop_slice pattern, int *nocase, sop_arena *arena, size_t *offset_out, const char **why_out);
/* Tries to make the table. SOP_OK also if it would be too large; SOP_NO_MEMORY. */
sop_status sop_document__regex_tabulate(sop_document__regex *regex, sop_arena *arena);

#endif
