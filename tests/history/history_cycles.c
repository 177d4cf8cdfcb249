/* SPDX-License-Identifier: MIT */
/*
 * Black box: what the lists that transactions appended to and read say about their order.
 *
 * The longest list read under a key is the order of its versions; every other one must be a beginning of it. Findings besides those
 * of history_graph.c: incompatible-order, duplicate (an element twice), garbage (an element that nobody appended), G1a (of an
 * aborted transaction), G1b (in the middle of another transaction), internal (not what it saw or appended itself before),
 * lost-append (acknowledged before the read began, and not there).
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "history/history_graph.h"

#define NONE UINT32_MAX

static void *must(void *memory)
{
    if (memory == NULL) abort();
    return memory;
}

/* ---- keys and their versions ---- */

typedef struct {
    const uint64_t *longest; /* elements in order */
    uint32_t count;
    uint32_t newest_reader; /* of the readers of the longest list, the one that began last */
    uint8_t read;
    uint8_t appended;
    uint8_t other; /* also written in other ways: not judged */
} list_key;

typedef struct {
    list_key *keys;
    uint32_t count;
} list_store;

/* Who appended an element, and whether it appended another one after it to the same key. */
typedef struct {
    uint64_t element;
    uint32_t key;
    uint32_t txn;
    uint8_t store;
    uint8_t last;
    uint8_t used;
    uint8_t seen;
} append_row;

typedef struct {
    const history *h;
    history_findings *findings;
    list_store stores[256];
    append_row *appends;
    size_t append_mask;
    uint8_t *counts; /* of each transaction: 1 its effects are in the order */
    graph g;
} cycles;

static list_key *list_at(cycles *c, uint8_t store, uint32_t key)
{
    list_store *s = &c->stores[store];
    if (key >= s->count) {
        uint32_t count = (key + 64) * 2;
        s->keys = must(realloc(s->keys, count * sizeof *s->keys));
        memset(s->keys + s->count, 0, (count - s->count) * sizeof *s->keys);
        s->count = count;
    }
    return &s->keys[key];
}

static int key_judged(cycles *c, uint8_t store, uint32_t key)
{
    const list_store *s = &c->stores[store];
    return key < s->count && s->keys[key].appended && !s->keys[key].other;
}

static append_row *append_slot(const cycles *c, uint8_t store, uint32_t key, uint64_t element)
{
    uint64_t x =
        (element + 1) * 0x9e3779b97f4a7c15u ^ ((uint64_t)store << 40 | key) * 0xbf58476d1ce4e5b9u;
    x ^= x >> 31;
    for (size_t i = (size_t)x & c->append_mask;; i = (i + 1) & c->append_mask) {
        append_row *row = &c->appends[i];
        if (!row->used || (row->element == element && row->key == key && row->store == store))
            return row;
    }
}

static uint32_t key_number(uint8_t store, uint32_t key)
{
    return key * 256 + store;
}

/* ---- first pass: who appended what ---- */

static void append_note(cycles *c, uint32_t txn, uint32_t op_index)
{
    const history_txn *t = &c->h->txns[txn];
    const history_op *op = &c->h->ops[t->op_at + op_index];
    append_row *row = append_slot(c, op->store, op->key, op->element);
    if (row->used) {
        history_report(c->findings, "duplicate", "element %" PRIu64 " of %u/%u is appended twice",
                       op->element, op->store, op->key);
        return;
    }
    *row = (append_row){op->element, op->key, txn, op->store, 1, 1, 0};
    for (uint32_t k = op_index; k > 0; k--) {
        const history_op *before = &c->h->ops[t->op_at + k - 1];
        if (before->kind != 'a' || before->key != op->key || before->store != op->store) continue;
        append_slot(c, op->store, op->key, before->element)->last = 0;
        break;
    }
}

static void appends_index(cycles *c)
{
    size_t appends = 0;
    for (size_t i = 0; i < c->h->op_count; i++)
        appends += c->h->ops[i].kind == 'a';
    size_t size = 1024;
    while (size < appends * 2)
        size *= 2;
    c->appends = must(calloc(size, sizeof *c->appends));
    c->append_mask = size - 1;
    for (uint32_t i = 0; i < c->h->txn_count; i++) {
        const history_txn *t = &c->h->txns[i];
        for (uint32_t k = 0; k < t->op_count; k++) {
            const history_op *op = &c->h->ops[t->op_at + k];
            if (op->kind == 'a') {
                list_at(c, op->store, op->key)->appended = 1;
                append_note(c, i, k);
            } else if (op->kind == 'w') {
                list_at(c, op->store, op->key)->other = 1;
            }
        }
    }
    for (size_t i = 0; i < c->h->op_count; i++) {
        const history_op *op = &c->h->ops[i];
        if (op->kind != 'd') continue;
        for (uint32_t key = op->key; key < op->to && key < c->stores[op->store].count; key++)
            c->stores[op->store].keys[key].other = 1;
    }
}

/* ---- reads, one by one ---- */

typedef void (*read_fn)(cycles *c,
                        uint32_t txn,
                        const history_op *op,
                        uint32_t key,
                        const uint64_t *elements,
                        uint32_t count);

static void scan_each(cycles *c, uint32_t txn, const history_op *op, read_fn fn)
{
    const uint64_t *at = c->h->numbers + op->element;
    uint32_t left = op->count;
    uint32_t end = op->to < c->stores[op->store].count ? op->to : c->stores[op->store].count;
    for (uint32_t key = op->key; key < end || left > 0; key++) {
        uint32_t found = left > 0 ? (uint32_t)at[0] : NONE;
        if (found < key || (left > 0 && key >= end)) key = found;
        uint32_t count = found == key ? (uint32_t)at[1] : 0;
        if (key_judged(c, op->store, key)) fn(c, txn, op, key, at + 2, count);
        if (found == key) {
            at += 2 + count;
            left--;
        }
    }
}

/* Transactions whose reads are evidence: they ended, and were not told that nothing happened. */
static int is_witness(const history_txn *t)
{
    return t->end != UINT64_MAX && t->outcome == 'c';
}

static void reads_each(cycles *c, read_fn fn)
{
    for (uint32_t i = 0; i < c->h->txn_count; i++) {
        const history_txn *t = &c->h->txns[i];
        if (!is_witness(t)) continue;
        for (uint32_t k = 0; k < t->op_count; k++) {
            const history_op *op = &c->h->ops[t->op_at + k];
            if (op->kind == 's') scan_each(c, i, op, fn);
            if (op->kind != 'r' || !key_judged(c, op->store, op->key)) continue;
            fn(c, i, op, op->key, c->h->numbers + op->element, op->count);
        }
    }
}

static void longest_note(cycles *c,
                         uint32_t txn,
                         const history_op *op,
                         uint32_t key,
                         const uint64_t *elements,
                         uint32_t count)
{
    list_key *list = list_at(c, op->store, key);
    if (!list->read || count > list->count) {
        list->read = 1;
        list->longest = elements;
        list->count = count;
        list->newest_reader = txn;
    } else if (count == list->count &&
               c->h->txns[txn].begin > c->h->txns[list->newest_reader].begin) {
        list->newest_reader = txn;
    }
}

/* Marks what the order holds; elements of nobody, of the aborted, and twice the same. */
static void versions_judge(cycles *c, uint8_t store, uint32_t key)
{
    const list_key *list = list_at(c, store, key);
    for (uint32_t i = 0; i < list->count; i++) {
        append_row *row = append_slot(c, store, key, list->longest[i]);
        const char *kind = !row->used                            ? "garbage"
                           : row->seen                           ? "duplicate"
                           : c->h->txns[row->txn].outcome == 'a' ? "G1a"
                                                                 : NULL;
        if (kind != NULL) {
            history_report(c->findings, kind, "element %" PRIu64 " in the list of %u/%u",
                           list->longest[i], store, key);
        }
        if (!row->used) continue;
        row->seen = 1;
        c->counts[row->txn] = 1;
    }
}

/* ---- inside one transaction ---- */

/* A second read of a key must be the first one plus what was appended in between. */
static void internal_judge(cycles *c, const history_txn *t)
{
    for (uint32_t k = 0; k < t->op_count; k++) {
        const history_op *op = &c->h->ops[t->op_at + k];
        if (op->kind != 'r' || !key_judged(c, op->store, op->key)) continue;
        const uint64_t *elements = c->h->numbers + op->element;
        uint32_t left = op->count;
        for (uint32_t i = k; i > 0; i--) {
            const history_op *before = &c->h->ops[t->op_at + i - 1];
            if (before->store != op->store || before->key != op->key) continue;
            if (before->kind == 'a') {
                if (left == 0 || elements[--left] != before->element) {
                    history_report(c->findings, "internal",
                                   "transaction %" PRIu64 " does not see its own element %" PRIu64
                                   " in %u/%u",
                                   t->number, before->element, op->store, op->key);
                    break;
                }
            } else if (before->kind == 'r') {
                if (left != before->count || memcmp(elements, c->h->numbers + before->element,
                                                    left * sizeof *elements) != 0) {
                    history_report(c->findings, "internal",
                                   "transaction %" PRIu64 " reads %u/%u twice and differently",
                                   t->number, op->store, op->key);
                }
                break;
            }
        }
    }
}

/* ---- edges ---- */

static void unseen_appends_link(cycles *c)
{
    for (size_t i = 0; i <= c->append_mask; i++) {
        const append_row *row = &c->appends[i];
        if (!row->used || row->seen || !key_judged(c, row->store, row->key)) continue;
        const history_txn *writer = &c->h->txns[row->txn];
        const list_key *list = list_at(c, row->store, row->key);
        if (writer->outcome != 'c' || !list->read) continue;
        const history_txn *reader = &c->h->txns[list->newest_reader];
        if (reader->begin > writer->end) {
            history_report(c->findings, "lost-append",
                           "element %" PRIu64 " of %u/%u was acknowledged, and transaction %" PRIu64
                           " that began later does not see it",
                           row->element, row->store, row->key, reader->number);
        }
        graph_edge_add(&c->g, list->newest_reader, row->txn, key_number(row->store, row->key),
                       EDGE_RW);
    }
}

static void read_link(cycles *c,
                      uint32_t txn,
                      const history_op *op,
                      uint32_t key,
                      const uint64_t *elements,
                      uint32_t count)
{
    const list_key *list = list_at(c, op->store, key);
    if (count > 0 && memcmp(elements, list->longest, count * sizeof *elements) != 0) {
        history_report(c->findings, "incompatible-order",
                       "transaction %" PRIu64 " read a list of %u/%u that is no beginning of the "
                       "longest one",
                       c->h->txns[txn].number, op->store, key);
        return;
    }
    uint32_t foreign = count;
    while (foreign > 0 && append_slot(c, op->store, key, elements[foreign - 1])->txn == txn)
        foreign--;
    uint32_t number = key_number(op->store, key);
    if (foreign > 0) {
        const append_row *row = append_slot(c, op->store, key, elements[foreign - 1]);
        if (row->used && foreign == count && !row->last) {
            history_report(c->findings, "G1b",
                           "transaction %" PRIu64
                           " saw %u/%u in the middle of transaction %" PRIu64,
                           c->h->txns[txn].number, op->store, key, c->h->txns[row->txn].number);
        }
        if (row->used) graph_edge_add(&c->g, row->txn, txn, number, EDGE_WR);
    }
    if (count < list->count) {
        const append_row *row = append_slot(c, op->store, key, list->longest[count]);
        uint32_t type = op->kind == 's' ? EDGE_RW_RANGE : EDGE_RW;
        if (row->used) graph_edge_add(&c->g, txn, row->txn, number, type);
    }
}

static void versions_link(cycles *c, uint8_t store, uint32_t key)
{
    const list_key *list = list_at(c, store, key);
    for (uint32_t i = 1; i < list->count; i++) {
        const append_row *a = append_slot(c, store, key, list->longest[i - 1]);
        const append_row *b = append_slot(c, store, key, list->longest[i]);
        if (a->used && b->used)
            graph_edge_add(&c->g, a->txn, b->txn, key_number(store, key), EDGE_WW);
    }
}

/* ---- real time ---- */

typedef struct {
    uint64_t time;
    uint32_t txn;
    uint32_t is_begin;
} time_event;

/* Ends before begins at the same moment would claim an order that the clock does not know: begins go first. */
static int event_compare(const void *a, const void *b)
{
    const time_event *x = a;
    const time_event *y = b;
    if (x->time != y->time) return x->time < y->time ? -1 : 1;
    return (int)y->is_begin - (int)x->is_begin;
}

/* A chain of moments: each end leads to a new one, from which every later begin is reached. weak 1: of handles that do not wait for
   the disk, which see all that was acknowledged; 0: of the others, which see what is durable. */
static void times_link(cycles *c, int weak)
{
    time_event *events = must(calloc(c->h->txn_count * 2 + 1, sizeof *events));
    size_t count = 0;
    for (uint32_t i = 0; i < c->h->txn_count; i++) {
        const history_txn *t = &c->h->txns[i];
        if (!c->counts[i]) continue;
        if (t->weak == weak) events[count++] = (time_event){t->begin, i, 1};
        if (is_witness(t) && (!t->weak || weak)) events[count++] = (time_event){t->end, i, 0};
    }
    qsort(events, count, sizeof *events, event_compare);
    uint32_t moment = NONE;
    int fresh = 1; /* a begin came since the last moment: the next end needs a new one */
    for (size_t i = 0; i < count; i++) {
        if (events[i].is_begin) {
            if (moment != NONE) graph_edge_add(&c->g, moment, events[i].txn, 0, EDGE_TIME);
            fresh = 1;
            continue;
        }
        if (fresh) {
            uint32_t next = c->g.node_count++;
            if (moment != NONE) graph_edge_add(&c->g, moment, next, 0, EDGE_TIME);
            moment = next;
            fresh = 0;
        }
        graph_edge_add(&c->g, events[i].txn, moment, 0, EDGE_TIME);
    }
    free(events);
}

static uint64_t node_name(const void *context, uint32_t node)
{
    const history *h = context;
    return node < h->txn_count ? h->txns[node].number : 0;
}

void history_cycles(const history *h, history_findings *findings)
{
    cycles *c = must(calloc(1, sizeof *c));
    c->h = h;
    c->findings = findings;
    c->counts = must(calloc(h->txn_count + 1, 1));
    c->g.node_count = (uint32_t)h->txn_count;
    appends_index(c);
    reads_each(c, longest_note);
    for (size_t i = 0; i < h->txn_count; i++) {
        c->counts[i] = is_witness(&h->txns[i]) || h->txns[i].outcome == 'c';
        if (is_witness(&h->txns[i])) internal_judge(c, &h->txns[i]);
    }
    for (int store = 0; store < 256; store++) {
        for (uint32_t key = 0; key < c->stores[store].count; key++) {
            if (!key_judged(c, (uint8_t)store, key)) continue;
            versions_judge(c, (uint8_t)store, key);
            versions_link(c, (uint8_t)store, key);
        }
    }
    reads_each(c, read_link);
    unseen_appends_link(c);
    times_link(c, 0);
    times_link(c, 1);
    if (findings->count == 0) graph_judge(&c->g, node_name, h, findings);
    for (int store = 0; store < 256; store++)
        free(c->stores[store].keys);
    graph_deinit(&c->g);
    free(c->appends);
    free(c->counts);
    free(c);
}
