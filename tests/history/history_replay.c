/* SPDX-License-Identifier: MIT */
/*
 * White box: replays a history in the order of its seqs.
 *
 * Findings: duplicate-seq, no-seq, future-snapshot (seqs make no sense); lost-commit, resurrected, doubled, moved, unsettled (outcomes
 * against the log); stale-snapshot, real-time (what was acknowledged before a begin is missing in it); read, scan, count (the state at
 * that seq is another one).
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "history/history.h"

enum { STORES = 256 };

/* ---- the state ---- */

typedef struct {
    uint64_t *at;
    uint32_t count;
    uint32_t capacity;
} element_list;

typedef struct {
    element_list *keys;
    uint32_t count;
} store_state;

typedef struct {
    store_state stores[STORES];
} replay_state;

static void *must(void *memory)
{
    if (memory == NULL) abort();
    return memory;
}

static element_list *key_at(replay_state *state, uint8_t store, uint32_t key)
{
    store_state *s = &state->stores[store];
    if (key >= s->count) {
        uint32_t count = (key + 64) * 2;
        s->keys = must(realloc(s->keys, count * sizeof *s->keys));
        memset(s->keys + s->count, 0, (count - s->count) * sizeof *s->keys);
        s->count = count;
    }
    return &s->keys[key];
}

static void list_append(element_list *list, uint64_t element)
{
    if (list->count == list->capacity) {
        list->capacity = list->capacity == 0 ? 4 : list->capacity * 2;
        list->at = must(realloc(list->at, list->capacity * sizeof *list->at));
    }
    list->at[list->count++] = element;
}

static uint32_t range_end(const store_state *s, uint32_t to)
{
    return to < s->count ? to : s->count;
}

static void state_free(replay_state *state)
{
    for (int i = 0; i < STORES; i++) {
        for (uint32_t k = 0; k < state->stores[i].count; k++)
            free(state->stores[i].keys[k].at);
        free(state->stores[i].keys);
    }
    free(state);
}

/* ---- operations ---- */

/* A key as it was before a transaction that took no seq: what it wrote and took back again only it could see. */
typedef struct {
    uint8_t store;
    uint32_t key;
    element_list was;
} undo_row;

typedef struct {
    const history *h;
    replay_state *state;
    history_findings *findings;
    undo_row *undo;
    size_t undo_count;
    size_t undo_capacity;
} replay;

static void list_print(char *out, size_t size, const uint64_t *at, uint32_t count)
{
    size_t used = (size_t)snprintf(out, size, "[");
    uint32_t first = count > 6 ? count - 6 : 0;
    if (first > 0) used += (size_t)snprintf(out + used, size - used, "... ");
    for (uint32_t i = first; i < count && used + 24 < size; i++)
        used += (size_t)snprintf(out + used, size - used, "%" PRIu64 " ", at[i]);
    (void)snprintf(out + used, size - used, "]");
}

static int list_equal(const element_list *list, const uint64_t *at, uint32_t count)
{
    return list->count == count && (count == 0 || memcmp(list->at, at, count * sizeof *at) == 0);
}

static void read_report(const replay *r,
                        const history_txn *txn,
                        const history_op *op,
                        uint32_t key,
                        const element_list *is,
                        const uint64_t *saw,
                        uint32_t saw_count)
{
    char is_text[160];
    char saw_text[160];
    list_print(is_text, sizeof is_text, is->at, is->count);
    list_print(saw_text, sizeof saw_text, saw, saw_count);
    history_report(r->findings, op->kind == 's' ? "scan" : "read",
                   "transaction %" PRIu64 " of %u.%u (snapshot %" PRIu64 ", seq %" PRIu64
                   ") saw %s under %u/%u, the order of seqs has %s",
                   txn->number, txn->process, txn->thread, txn->snapshot, txn->seq, saw_text,
                   op->store, key, is_text);
}

static void check_read(const replay *r, const history_txn *txn, const history_op *op)
{
    const element_list *is = key_at(r->state, op->store, op->key);
    const uint64_t *saw = r->h->numbers + op->element;
    if (!list_equal(is, saw, op->count)) read_report(r, txn, op, op->key, is, saw, op->count);
}

static void check_scan(const replay *r, const history_txn *txn, const history_op *op)
{
    static const element_list absent;
    store_state *s = &r->state->stores[op->store];
    uint32_t end = range_end(s, op->to);
    const uint64_t *saw = r->h->numbers + op->element;
    uint32_t left = op->count;
    uint32_t key = op->key;
    for (;;) {
        while (key < end && s->keys[key].count == 0)
            key++;
        uint32_t seen_key = left > 0 ? (uint32_t)saw[0] : UINT32_MAX;
        uint32_t is_key = key < end ? key : UINT32_MAX;
        if (seen_key == UINT32_MAX && is_key == UINT32_MAX) return;
        uint32_t at = seen_key < is_key ? seen_key : is_key;
        const element_list *is = at == is_key ? &s->keys[at] : &absent;
        uint32_t count = at == seen_key ? (uint32_t)saw[1] : 0;
        if (!list_equal(is, saw + 2, count)) {
            read_report(r, txn, op, at, is, saw + 2, count);
            return;
        }
        saw += 2 + count;
        left--;
        key++;
    }
}

static void check_count(const replay *r, const history_txn *txn, const history_op *op)
{
    const store_state *s = &r->state->stores[op->store];
    uint32_t end = range_end(s, op->to);
    uint32_t count = 0;
    for (uint32_t key = op->key; key < end; key++)
        count += s->keys[key].count != 0;
    if (count == op->count) return;
    history_report(r->findings, "count",
                   "transaction %" PRIu64 " of %u.%u (snapshot %" PRIu64 ", seq %" PRIu64
                   ") counted %u in %u/[%u, %u), the order of seqs has %u",
                   txn->number, txn->process, txn->thread, txn->snapshot, txn->seq, op->count,
                   op->store, op->key, op->to, count);
}

static void undo_note(replay *r, uint8_t store, uint32_t key)
{
    const element_list *list = key_at(r->state, store, key);
    if (r->undo_count == r->undo_capacity) {
        r->undo_capacity = r->undo_capacity * 2 + 16;
        r->undo = must(realloc(r->undo, r->undo_capacity * sizeof *r->undo));
    }
    undo_row row = {store, key, {NULL, list->count, list->count}};
    row.was.at = must(malloc((list->count + 1) * sizeof *row.was.at));
    if (list->count != 0) memcpy(row.was.at, list->at, list->count * sizeof *row.was.at);
    r->undo[r->undo_count++] = row;
}

static void undo_all(replay *r)
{
    while (r->undo_count > 0) {
        const undo_row *row = &r->undo[--r->undo_count];
        element_list *list = key_at(r->state, row->store, row->key);
        free(list->at);
        *list = row->was;
    }
}

static void op_replay(replay *r, const history_txn *txn, const history_op *op)
{
    int undo = txn->seq == 0 && strchr("wad", op->kind) != NULL;
    for (uint32_t key = op->key; undo && key < op->to; key++) {
        if (op->kind == 'd' && key >= r->state->stores[op->store].count) break;
        undo_note(r, op->store, key);
    }
    store_state *s = &r->state->stores[op->store];
    switch (op->kind) {
    case 'r':
        check_read(r, txn, op);
        break;
    case 's':
        check_scan(r, txn, op);
        break;
    case 'c':
        check_count(r, txn, op);
        break;
    case 'w':
        key_at(r->state, op->store, op->key)->count = 0;
        list_append(key_at(r->state, op->store, op->key), op->element);
        break;
    case 'a':
        list_append(key_at(r->state, op->store, op->key), op->element);
        break;
    default:
        for (uint32_t key = op->key; key < range_end(s, op->to); key++)
            s->keys[key].count = 0;
        break;
    }
}

/* ---- order ---- */

typedef struct {
    uint64_t place; /* 2 seq: takes effect as that seq; 2 seq + 1: looks at the state after it */
    const history_txn *txn;
} step;

static int step_compare(const void *a, const void *b)
{
    const step *x = a;
    const step *y = b;
    if (x->place != y->place) return x->place < y->place ? -1 : 1;
    return x->txn < y->txn ? -1 : x->txn > y->txn;
}

/* Reads of an aborted writer may come from a state that was never durable; nobody was promised anything about them. */
static int step_of(const history_txn *txn, uint64_t *place)
{
    if (txn->outcome == 'c' && txn->seq != 0) {
        *place = txn->seq * 2;
        return 1;
    }
    *place = txn->snapshot * 2 + 1;
    return txn->end != UINT64_MAX && (txn->outcome == 'c' || txn->mode == 'r');
}

static void steps_replay(const history *h, history_findings *findings)
{
    step *steps = must(calloc(h->txn_count + 1, sizeof *steps));
    size_t count = 0;
    for (size_t i = 0; i < h->txn_count; i++) {
        steps[count].txn = &h->txns[i];
        count += (size_t)step_of(&h->txns[i], &steps[count].place);
    }
    qsort(steps, count, sizeof *steps, step_compare);
    replay r = {.h = h, .state = must(calloc(1, sizeof(replay_state))), .findings = findings};
    for (size_t i = 0; i < count; i++) {
        const history_txn *txn = steps[i].txn;
        if (i > 0 && steps[i].place == steps[i - 1].place && steps[i].place % 2 == 0) {
            history_report(findings, "duplicate-seq",
                           "transactions %" PRIu64 " and %" PRIu64 " both have seq %" PRIu64,
                           steps[i - 1].txn->number, txn->number, txn->seq);
        }
        for (uint32_t k = 0; k < txn->op_count; k++)
            op_replay(&r, txn, &h->ops[txn->op_at + k]);
        undo_all(&r);
    }
    free(r.undo);
    state_free(r.state);
    free(steps);
}

/* ---- outcomes and the log ---- */

typedef struct {
    const history *h;
    size_t *slots; /* index + 1 of a logged row; 0: free */
    size_t mask;
} log_index;

static size_t token_hash(const history_token *token)
{
    uint64_t x = token->word[0] ^ token->word[1] * 0x9e3779b97f4a7c15u ^
                 token->word[2] * 0xbf58476d1ce4e5b9u;
    x ^= x >> 29;
    x *= 0x94d049bb133111ebu;
    return (size_t)(x ^ x >> 32);
}

static const history_logged *log_find(const log_index *index, const history_token *token)
{
    for (size_t i = token_hash(token) & index->mask;; i = (i + 1) & index->mask) {
        if (index->slots[i] == 0) return NULL;
        const history_logged *row = &index->h->logged[index->slots[i] - 1];
        if (history_token_equal(&row->token, token)) return row;
    }
}

static void log_index_make(log_index *index, const history *h, history_findings *findings)
{
    size_t size = 1024;
    while (size < h->logged_count * 2)
        size *= 2;
    *index = (log_index){h, must(calloc(size, sizeof(size_t))), size - 1};
    for (size_t k = 0; k < h->logged_count; k++) {
        const history_logged *row = &h->logged[k];
        const history_logged *old = log_find(index, &row->token);
        if (old != NULL && old->seq == row->seq) continue;
        if (old != NULL) {
            history_report(findings, "doubled",
                           "one transaction is in the log as seq %" PRIu64 " and %" PRIu64,
                           old->seq, row->seq);
            continue;
        }
        size_t i = token_hash(&row->token) & index->mask;
        while (index->slots[i] != 0)
            i = (i + 1) & index->mask;
        index->slots[i] = k + 1;
    }
}

static int span_covers(const history *h, uint64_t seq)
{
    for (size_t i = 0; i < h->span_count; i++) {
        if (h->spans[i].first <= seq && seq <= h->spans[i].last) return 1;
    }
    return 0;
}

static void settle(const log_index *index, history_txn *txn, history_findings *findings)
{
    static const history_token none;
    if (history_token_equal(&txn->token, &none) || txn->mode == 'r') return;
    const history_logged *row = log_find(index, &txn->token);
    if (txn->outcome == 'c' && txn->seq != 0) {
        if (row != NULL && row->seq != txn->seq) {
            history_report(findings, "moved",
                           "transaction %" PRIu64 " was acknowledged as seq %" PRIu64
                           " and is in the log as %" PRIu64,
                           txn->number, txn->seq, row->seq);
        } else if (row == NULL && span_covers(index->h, txn->seq)) {
            history_report(findings, "lost-commit",
                           "transaction %" PRIu64 " of %u.%u was acknowledged as seq %" PRIu64
                           " and is not in the log",
                           txn->number, txn->process, txn->thread, txn->seq);
        }
    } else if (txn->outcome == 'a' && row != NULL) {
        history_report(findings, "resurrected",
                       "transaction %" PRIu64
                       " was told it is aborted and is in the log as %" PRIu64,
                       txn->number, row->seq);
    } else if (txn->outcome == 'u' && row != NULL) {
        /* It did commit, but nobody was told: its end is no acknowledgement. */
        txn->outcome = 'c';
        txn->end = UINT64_MAX;
        txn->seq = row->seq;
    } else if (txn->outcome == 'u' && span_covers(index->h, txn->snapshot + 1)) {
        txn->outcome = 'a';
    } else if (txn->outcome == 'u' && index->h->span_count != 0 &&
               txn->snapshot < index->h->spans[index->h->span_count - 1].last) {
        history_report(findings, "unsettled",
                       "transaction %" PRIu64 " has no outcome and the log of that time is gone",
                       txn->number);
    }
}

/* ---- real time ---- */

static int by_end(const void *a, const void *b)
{
    const history_txn *x = *(const history_txn *const *)a;
    const history_txn *y = *(const history_txn *const *)b;
    return x->end < y->end ? -1 : x->end > y->end;
}

static int by_begin(const void *a, const void *b)
{
    const history_txn *x = *(const history_txn *const *)a;
    const history_txn *y = *(const history_txn *const *)b;
    return x->begin < y->begin ? -1 : x->begin > y->begin;
}

static void
time_check(const history_txn *txn, const history_txn *newest, history_findings *findings)
{
    if (txn->outcome != 'c' && txn->mode != 'r') return;
    if (txn->seq != 0 && txn->snapshot >= txn->seq) {
        history_report(findings, "future-snapshot",
                       "transaction %" PRIu64 " has snapshot %" PRIu64 " and seq %" PRIu64,
                       txn->number, txn->snapshot, txn->seq);
    }
    if (newest == NULL) return;
    if (txn->seq == 0 && txn->snapshot < newest->seq) {
        history_report(findings, "stale-snapshot",
                       "transaction %" PRIu64 " of %u.%u began after seq %" PRIu64
                       " was acknowledged (in %u) and sees only up to %" PRIu64,
                       txn->number, txn->process, txn->thread, newest->seq, newest->process,
                       txn->snapshot);
    }
    if (txn->seq != 0 && txn->seq < newest->seq) {
        history_report(findings, "real-time",
                       "transaction %" PRIu64 " of %u.%u has seq %" PRIu64
                       " and began after seq %" PRIu64 " was acknowledged",
                       txn->number, txn->process, txn->thread, txn->seq, newest->seq);
    }
}

/* all 1: those that must come after whatever was acknowledged: who committed as a seq, and handles that do not wait for the disk. 0: the
   readers of the other handles, which see what is durable. */
static void times_check(const history *h, int all, history_findings *findings)
{
    const history_txn **ends = must(calloc(h->txn_count + 1, sizeof *ends));
    const history_txn **begins = must(calloc(h->txn_count + 1, sizeof *begins));
    size_t end_count = 0;
    size_t begin_count = 0;
    for (size_t i = 0; i < h->txn_count; i++) {
        const history_txn *txn = &h->txns[i];
        if ((txn->weak || txn->seq != 0) == all) begins[begin_count++] = txn;
        if (txn->weak && !all) continue;
        if (txn->outcome == 'c' && txn->seq != 0 && txn->end != UINT64_MAX) ends[end_count++] = txn;
    }
    qsort(ends, end_count, sizeof *ends, by_end);
    qsort(begins, begin_count, sizeof *begins, by_begin);
    const history_txn *newest = NULL;
    size_t at = 0;
    for (size_t i = 0; i < begin_count; i++) {
        for (; at < end_count && ends[at]->end < begins[i]->begin; at++) {
            if (newest == NULL || ends[at]->seq > newest->seq) newest = ends[at];
        }
        time_check(begins[i], newest, findings);
    }
    free(ends);
    free(begins);
}

void history_replay(history *h, history_findings *findings)
{
    log_index index;
    log_index_make(&index, h, findings);
    for (size_t i = 0; i < h->txn_count; i++) {
        history_txn *txn = &h->txns[i];
        if (txn->outcome == 'c' && txn->seq == 0 && txn->mode == 'w') {
            /* What a transaction writes and removes again takes no seq. */
            int writes = 0;
            int removes = 0;
            for (uint32_t k = 0; k < txn->op_count; k++) {
                writes += strchr("wa", h->ops[txn->op_at + k].kind) != NULL;
                removes += h->ops[txn->op_at + k].kind == 'd';
            }
            if (writes && !removes) {
                history_report(findings, "no-seq", "transaction %" PRIu64 " wrote and has no seq",
                               txn->number);
            }
        }
        settle(&index, txn, findings);
    }
    free(index.slots);
    times_check(h, 0, findings);
    times_check(h, 1, findings);
    steps_replay(h, findings);
}
