/* SPDX-License-Identifier: MIT */
/* A toy database that runs one transaction after the other while their recorded times overlap as those of many threads would. */
#include "history/history_make.h"

#include <stdlib.h>
#include <string.h>

enum { LIST_MAX = 32, LISTS_OPEN = 16, REGISTERS = 64 };

typedef struct {
    uint64_t element[LIST_MAX];
    uint32_t count;
} toy_list;

typedef struct {
    history *h;
    uint64_t random;
    uint64_t seq;
    uint64_t clock;
    uint64_t element;
    uint32_t first_list; /* lists before it are full and at rest */
    toy_list lists[LISTS_OPEN];
    uint64_t registers[REGISTERS]; /* 0: absent */
} toy;

static uint64_t next_random(toy *t)
{
    uint64_t z = (t->random += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static void list_read(toy *t, uint32_t index)
{
    history_op *op = history_op_add(t->h, 'r', 1, t->first_list + index);
    op->count = t->lists[index].count;
    op->element = t->h->number_count;
    for (uint32_t i = 0; i < t->lists[index].count; i++)
        history_number_add(t->h, t->lists[index].element[i]);
}

static void list_append(toy *t, uint32_t index)
{
    toy_list *list = &t->lists[index];
    history_op_add(t->h, 'a', 1, t->first_list + index)->element = ++t->element;
    list->element[list->count++] = t->element;
}

static void lists_turn(toy *t)
{
    while (t->lists[0].count == LIST_MAX) {
        memmove(&t->lists[0], &t->lists[1], sizeof t->lists - sizeof t->lists[0]);
        t->lists[LISTS_OPEN - 1].count = 0;
        t->first_list++;
    }
}

static void registers_scan(toy *t)
{
    uint32_t from = (uint32_t)(next_random(t) % REGISTERS);
    uint32_t to = from + (uint32_t)(next_random(t) % 8);
    if (to > REGISTERS) to = REGISTERS;
    history_op *op = history_op_add(t->h, 's', 2, from);
    op->to = to;
    op->element = t->h->number_count;
    for (uint32_t key = from; key < to; key++) {
        if (t->registers[key] == 0) continue;
        op->count++;
        history_number_add(t->h, key);
        history_number_add(t->h, 1);
        history_number_add(t->h, t->registers[key]);
    }
}

static void register_change(toy *t)
{
    uint32_t key = (uint32_t)(next_random(t) % REGISTERS);
    if (next_random(t) % 4 == 0) {
        history_op_add(t->h, 'd', 2, key)->to = key + 1;
        t->registers[key] = 0;
    } else {
        history_op_add(t->h, 'w', 2, key)->element = t->registers[key] = ++t->element;
    }
}

static void txn_make(toy *t, uint64_t number, const history_make_options *options)
{
    history_txn *txn = history_txn_add(t->h);
    uint64_t thread = next_random(t) % ((uint64_t)options->processes * options->threads);
    txn->number = number;
    txn->process = (uint16_t)(thread / options->threads);
    txn->thread = (uint16_t)(thread % options->threads);
    txn->token = (history_token){{txn->process, 7, number}};
    txn->outcome = 'c';
    /* It works at the moment t->clock and was under way for a while before and after. */
    t->clock += 100;
    txn->begin = t->clock - next_random(t) % 400;
    txn->end = t->clock + next_random(t) % 400;
    txn->snapshot = t->seq;
    int writes = next_random(t) % 4 != 0;
    txn->mode = writes ? 'w' : 'r';
    if (writes) txn->seq = ++t->seq;
    if (writes) history_logged_add(t->h, txn->token, txn->seq);
    for (uint64_t i = 1 + next_random(t) % 3; i > 0; i--) {
        uint32_t index = (uint32_t)(next_random(t) % LISTS_OPEN);
        uint64_t dice = next_random(t) % 4;
        if (dice == 0) registers_scan(t);
        if (dice == 1 && writes) register_change(t);
        if (dice < 2) continue;
        list_read(t, index);
        if (writes && t->lists[index].count < LIST_MAX) list_append(t, index);
    }
    if (writes) register_change(t);
    lists_turn(t);
}

void history_make(history *h, const history_make_options *options)
{
    toy *t = calloc(1, sizeof *t);
    if (t == NULL) abort();
    t->h = h;
    t->random = options->seed;
    t->clock = 1000;
    for (uint64_t i = 1; i <= options->transactions; i++)
        txn_make(t, i, options);
    history_span_add(h, 1, t->seq);
    free(t);
}
