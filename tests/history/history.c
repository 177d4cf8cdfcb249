/* SPDX-License-Identifier: MIT */
/* Histories in memory: growing, reading from text, reporting. */
#include "history/history.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void history_init(history *h)
{
    *h = (history){0};
}

void history_deinit(history *h)
{
    free(h->txns);
    free(h->ops);
    free(h->numbers);
    free(h->logged);
    free(h->spans);
    *h = (history){0};
}

/* Room for one more. A checker without memory has no result: it stops. */
static void *grow(void *rows, size_t count, size_t *capacity, size_t size)
{
    if (count < *capacity) return rows;
    *capacity = *capacity == 0 ? 1024 : *capacity * 2;
    void *grown = realloc(rows, *capacity * size);
    if (grown == NULL) {
        (void)fprintf(stderr, "history: out of memory\n");
        abort();
    }
    return grown;
}

history_txn *history_txn_add(history *h)
{
    h->txns = grow(h->txns, h->txn_count, &h->txn_capacity, sizeof *h->txns);
    history_txn *txn = &h->txns[h->txn_count++];
    *txn = (history_txn){.op_at = h->op_count, .end = UINT64_MAX, .outcome = 'u'};
    return txn;
}

history_op *history_op_add(history *h, char kind, uint8_t store, uint32_t key)
{
    h->ops = grow(h->ops, h->op_count, &h->op_capacity, sizeof *h->ops);
    history_op *op = &h->ops[h->op_count++];
    *op = (history_op){.kind = kind, .store = store, .key = key, .to = key + 1};
    h->txns[h->txn_count - 1].op_count++;
    return op;
}

void history_number_add(history *h, uint64_t number)
{
    h->numbers = grow(h->numbers, h->number_count, &h->number_capacity, sizeof *h->numbers);
    h->numbers[h->number_count++] = number;
}

void history_logged_add(history *h, history_token token, uint64_t seq)
{
    h->logged = grow(h->logged, h->logged_count, &h->logged_capacity, sizeof *h->logged);
    h->logged[h->logged_count++] = (history_logged){token, seq};
}

void history_span_add(history *h, uint64_t first, uint64_t last)
{
    h->spans = grow(h->spans, h->span_count, &h->span_capacity, sizeof *h->spans);
    h->spans[h->span_count++] = (history_span){first, last};
}

int history_token_equal(const history_token *a, const history_token *b)
{
    return a->word[0] == b->word[0] && a->word[1] == b->word[1] && a->word[2] == b->word[2];
}

void history_report(history_findings *findings, const char *kind, const char *format, ...)
{
    char text[sizeof findings->text];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (findings->count == 0) {
        (void)snprintf(findings->kind, sizeof findings->kind, "%s", kind);
        memcpy(findings->text, text, sizeof text);
    }
    if (findings->out != NULL && findings->count < 10)
        (void)fprintf(findings->out, "%s: %s\n", kind, text);
    findings->count++;
}

/* ---- text ---- */

typedef struct {
    history *h;
    const char *at;
    int bad;
} scanner;

static void blanks_skip(scanner *s)
{
    while (*s->at == ' ')
        s->at++;
}

static uint64_t number_read(scanner *s)
{
    uint64_t value = 0;
    blanks_skip(s);
    if (*s->at < '0' || *s->at > '9') s->bad = 1;
    while (*s->at >= '0' && *s->at <= '9')
        value = value * 10 + (uint64_t)(*s->at++ - '0');
    return value;
}

static char letter_read(scanner *s)
{
    blanks_skip(s);
    if (*s->at == '\0') {
        s->bad = 1;
        return '\0';
    }
    return *s->at++;
}

static history_token token_read(scanner *s)
{
    history_token token = {{0}};
    blanks_skip(s);
    for (int i = 0; i < 48; i++) {
        char c = *s->at;
        uint64_t digit = c >= '0' && c <= '9'   ? (uint64_t)(c - '0')
                         : c >= 'a' && c <= 'f' ? (uint64_t)(c - 'a' + 10)
                                                : 16;
        if (digit == 16) {
            s->bad = 1;
            return token;
        }
        token.word[i / 16] = token.word[i / 16] << 4 | digit;
        s->at++;
    }
    return token;
}

static void numbers_take(scanner *s, uint64_t count)
{
    for (uint64_t i = 0; i < count && !s->bad; i++)
        history_number_add(s->h, number_read(s));
}

static void op_read(scanner *s)
{
    history *h = s->h;
    char kind = letter_read(s);
    uint8_t store = (uint8_t)number_read(s);
    history_op *op = history_op_add(h, kind, store, (uint32_t)number_read(s));
    if (kind == 'd' || kind == 's' || kind == 'c') op->to = (uint32_t)number_read(s);
    if (kind == 'w' || kind == 'a') {
        op->element = number_read(s);
    } else if (kind == 'r') {
        op->element = h->number_count;
        op->count = (uint32_t)number_read(s);
        numbers_take(s, op->count);
    } else if (kind == 'c' || kind == 's') {
        op->element = h->number_count;
        op->count = (uint32_t)number_read(s);
        for (uint32_t i = 0; kind == 's' && i < op->count && !s->bad; i++) {
            numbers_take(s, 2); /* key and number of elements */
            if (!s->bad) numbers_take(s, h->numbers[h->number_count - 1]);
        }
    } else if (kind != 'd') {
        s->bad = 1;
    }
}

static void txn_read(scanner *s)
{
    history_txn txn = {0};
    txn.number = number_read(s);
    txn.process = (uint16_t)number_read(s);
    txn.thread = (uint16_t)number_read(s);
    txn.mode = letter_read(s);
    txn.weak = txn.mode == 'R' || txn.mode == 'W';
    if (txn.weak) txn.mode = txn.mode == 'R' ? 'r' : 'w';
    s->bad |= txn.mode != 'r' && txn.mode != 'w';
    txn.begin = number_read(s);
    txn.snapshot = number_read(s);
    txn.token = token_read(s);
    if (s->bad) return;
    history_txn *added = history_txn_add(s->h);
    txn.op_at = added->op_at;
    txn.end = added->end;
    txn.outcome = added->outcome;
    *added = txn;
    for (blanks_skip(s); *s->at != '\0' && !s->bad; blanks_skip(s))
        op_read(s);
}

/* The transactions of a file end soon after they were begun: looking backwards finds them at once. */
static void end_read(scanner *s)
{
    uint64_t number = number_read(s);
    char outcome = letter_read(s);
    uint64_t end = number_read(s);
    uint64_t seq = number_read(s);
    for (size_t i = s->h->txn_count; i > 0 && !s->bad; i--) {
        history_txn *txn = &s->h->txns[i - 1];
        if (txn->number != number || txn->end != UINT64_MAX) continue;
        txn->outcome = outcome;
        txn->end = end;
        txn->seq = seq;
        return;
    }
    s->bad = 1;
}

static int line_read(history *h, const char *line)
{
    scanner s = {.h = h, .at = line};
    char kind = letter_read(&s);
    if (kind == 'T') {
        txn_read(&s);
    } else if (kind == 'E') {
        end_read(&s);
    } else if (kind == 'L') {
        history_token token = token_read(&s);
        history_logged_add(h, token, number_read(&s));
    } else if (kind == 'C') {
        uint64_t first = number_read(&s);
        history_span_add(h, first, number_read(&s));
    } else {
        return 0;
    }
    return !s.bad;
}

size_t history_parse(history *h, FILE *file)
{
    char *line = NULL;
    size_t capacity = 0;
    size_t number = 0;
    size_t bad = 0;
    ssize_t size;
    while (bad == 0 && (size = getline(&line, &capacity, file)) > 0) {
        number++;
        /* The last line of a process that was killed may be torn: without its newline it is none. */
        if (line[size - 1] != '\n') break;
        line[size - 1] = '\0';
        if (!line_read(h, line)) bad = number;
    }
    free(line);
    return bad;
}

size_t history_parse_text(history *h, const char *text)
{
    char *copy = strdup(text);
    size_t size = strlen(text);
    FILE *file = copy == NULL || size == 0 ? NULL : fmemopen(copy, size, "r");
    size_t bad = file == NULL ? 1 : history_parse(h, file);
    if (file != NULL) (void)fclose(file);
    free(copy);
    return bad;
}

static void op_write(const history *h, const history_op *op, FILE *file)
{
    const uint64_t *at = h->numbers + op->element;
    (void)fprintf(file, " %c %u %u", op->kind, op->store, op->key);
    if (strchr("dsc", op->kind) != NULL) (void)fprintf(file, " %u", op->to);
    if (strchr("wa", op->kind) != NULL) (void)fprintf(file, " %" PRIu64, op->element);
    if (strchr("rsc", op->kind) != NULL) (void)fprintf(file, " %u", op->count);
    for (uint32_t i = 0; op->kind == 'r' && i < op->count; i++)
        (void)fprintf(file, " %" PRIu64, at[i]);
    for (uint32_t i = 0; op->kind == 's' && i < op->count; i++) {
        uint64_t numbers = 2 + at[1];
        for (uint64_t k = 0; k < numbers; k++)
            (void)fprintf(file, " %" PRIu64, *at++);
    }
}

static void token_write(const history_token *token, FILE *file)
{
    for (int i = 0; i < 3; i++)
        (void)fprintf(file, "%016" PRIx64, token->word[i]);
}

void history_write(const history *h, FILE *file)
{
    for (size_t i = 0; i < h->txn_count; i++) {
        const history_txn *t = &h->txns[i];
        (void)fprintf(file, "T %" PRIu64 " %u %u %c %" PRIu64 " %" PRIu64 " ", t->number,
                      t->process, t->thread, t->weak ? t->mode - 'a' + 'A' : t->mode, t->begin,
                      t->snapshot);
        token_write(&t->token, file);
        for (uint32_t k = 0; k < t->op_count; k++)
            op_write(h, &h->ops[t->op_at + k], file);
        (void)fputc('\n', file);
        if (t->end == UINT64_MAX) continue;
        (void)fprintf(file, "E %" PRIu64 " %c %" PRIu64 " %" PRIu64 "\n", t->number, t->outcome,
                      t->end, t->seq);
    }
    for (size_t i = 0; i < h->logged_count; i++) {
        (void)fputs("L ", file);
        token_write(&h->logged[i].token, file);
        (void)fprintf(file, " %" PRIu64 "\n", h->logged[i].seq);
    }
    for (size_t i = 0; i < h->span_count; i++)
        (void)fprintf(file, "C %" PRIu64 " %" PRIu64 "\n", h->spans[i].first, h->spans[i].last);
}
