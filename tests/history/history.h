/* SPDX-License-Identifier: MIT */
/*
 * What transactions did and saw, as recorded from outside, and two judges of it. Uses nothing of the library.
 *
 * A history is text, one record a line, numbers decimal:
 *
 *     T <number> <process> <thread> <mode> <begin> <snapshot> <token> <operations>     written before the commit
 *     E <number> <outcome> <end> <seq>                                                  written after it
 *     L <token> <seq>               a transaction as the log of the database has it (change feed)
 *     C <first seq> <last seq>      the L lines of these seqs are complete
 *
 * mode r or w, of a handle that does not wait for the disk (sync modes periodic and off) R or W: what such a handle acknowledges, a
 * handle in mode full sees only once it is durable. outcome: c committed, a aborted (told that nothing was applied), u unknown;
 * without an E line (the process was killed) unknown. token: 48 hexadecimal digits. Times come from one clock for
 * all. A value is a list of elements; a register is a list of one, an absent key the empty list. Operations, each with store and
 * key, in the order in which they were done:
 *
 *     r <store> <key> <n> <elements>            read
 *     w <store> <key> <element>                 the key now holds this one element
 *     a <store> <key> <element>                 append
 *     d <store> <key> <to>                      all keys of [key, to) are absent now
 *     s <store> <key> <to> <n> then n times: <key> <elements n> <elements>    all present keys of [key, to), in order
 *     c <store> <key> <to> <n>                  how many are present
 *
 * Stores are below 256, keys small: the judges keep arrays.
 */
#ifndef SOP_TESTS_HISTORY_H
#define SOP_TESTS_HISTORY_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef struct {
    uint64_t word[3];
} history_token;

typedef struct {
    char kind;
    uint8_t store;
    uint32_t key;
    uint32_t to;
    uint32_t count;   /* elements of a read, keys of a scan or count */
    uint64_t element; /* w, a: the element; r, s: where the numbers lie in history.numbers */
} history_op;

typedef struct {
    uint64_t number;
    uint64_t begin;
    uint64_t end; /* UINT64_MAX: never ended */
    uint64_t snapshot;
    uint64_t seq; /* 0: none */
    history_token token;
    size_t op_at;
    uint32_t op_count;
    uint16_t process;
    uint16_t thread;
    char mode; /* r or w */
    char outcome;
    uint8_t weak; /* of a handle that does not wait for the disk */
} history_txn;

typedef struct {
    history_token token;
    uint64_t seq;
} history_logged;

typedef struct {
    uint64_t first;
    uint64_t last;
} history_span;

typedef struct {
    history_txn *txns;
    size_t txn_count;
    size_t txn_capacity;
    history_op *ops;
    size_t op_count;
    size_t op_capacity;
    uint64_t *numbers;
    size_t number_count;
    size_t number_capacity;
    history_logged *logged;
    size_t logged_count;
    size_t logged_capacity;
    history_span *spans;
    size_t span_count;
    size_t span_capacity;
} history;

void history_init(history *h);
void history_deinit(history *h);

/* Reads one file; several may follow one another. 0: fine; else the number of the line that is not a record. */
size_t history_parse(history *h, FILE *file);
size_t history_parse_text(history *h, const char *text);

/* Writes it as it would be read, outcomes behind their transactions. */
void history_write(const history *h, FILE *file);

/* Building one in memory. Pointers are valid until the next call. */
history_txn *history_txn_add(history *h);
history_op *history_op_add(history *h, char kind, uint8_t store, uint32_t key);
void history_number_add(history *h, uint64_t number);
void history_logged_add(history *h, history_token token, uint64_t seq);
void history_span_add(history *h, uint64_t first, uint64_t last);
int history_token_equal(const history_token *a, const history_token *b);

/* What a judge found: each violation once, the first few with words. */
typedef struct {
    size_t count;
    char kind
        [32]; /* of the first: a name as in the tables of history_replay.c and history_cycles.c */
    char text[400]; /* of the first */
    FILE *out;      /* where the first ten are printed; NULL: nowhere */
} history_findings;
void history_report(history_findings *findings, const char *kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/*
 * White box: trusts the seqs and checks that they tell one story. Unknown outcomes are settled from the log first. Then, replayed in
 * the order of seqs, every read of every committed transaction is what it saw, every snapshot was a state of that order, an
 * acknowledged commit is in the snapshot of every transaction that began later, and log and outcomes agree.
 */
void history_replay(history *h, history_findings *findings);

/*
 * Black box: trusts nobody and looks only at keys that are appended to and read (list-append, as in Elle: Kingsbury and Alvaro,
 * VLDB 2020). Finds G0, G1a, G1b, G1c, G-single, G2, lost updates, phantoms, incompatible orders, lost and doubled elements, and with
 * real time the cycles that strict serialisability forbids.
 */
void history_cycles(const history *h, history_findings *findings);

#endif
