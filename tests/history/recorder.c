/* SPDX-License-Identifier: MIT */
/* Lines of a history, each handed to the kernel by one write. */
#include "history/recorder.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int recorder_open(recorder *r, const char *path, uint16_t process)
{
    r->fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    r->process = process;
    atomic_init(&r->numbers, 0);
    return r->fd >= 0;
}

void recorder_close(recorder *r)
{
    if (r->fd >= 0) (void)close(r->fd);
    r->fd = -1;
}

uint64_t recorder_now(void)
{
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void recorder_line_init(recorder_line *line, recorder *to, uint16_t thread)
{
    *line = (recorder_line){.to = to, .thread = thread};
}

void recorder_line_deinit(recorder_line *line)
{
    free(line->text);
    line->text = NULL;
}

static void say(recorder_line *line, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(recorder_line *line, const char *format, ...)
{
    if (line->capacity - line->size < 128) {
        line->capacity = line->capacity * 2 + 1024;
        line->text = realloc(line->text, line->capacity);
        if (line->text == NULL) abort();
    }
    va_list args;
    va_start(args, format);
    int size = vsnprintf(line->text + line->size, line->capacity - line->size, format, args);
    va_end(args);
    line->size += size > 0 ? (size_t)size : 0;
}

static void token_text(const uint8_t token[24], char out[49])
{
    for (int i = 0; i < 24; i++)
        (void)snprintf(out + (size_t)i * 2, 3, "%02x", token[i]);
}

/* One line is one write, so that lines of several threads do not mix and a kill tears at most the last one. */
static int line_write(int fd, const char *text, size_t size)
{
    return write(fd, text, size) == (ssize_t)size;
}

void recorder_begin(
    recorder_line *line, char mode, uint64_t begin, uint64_t snapshot, const uint8_t token[24])
{
    char hex[49];
    token_text(token, hex);
    line->size = 0;
    /* Relaxed: only the number counts. */
    line->number = atomic_fetch_add_explicit(&line->to->numbers, 1, memory_order_relaxed) + 1;
    line->number |= (uint64_t)line->to->process << 40;
    say(line, "T %" PRIu64 " %u %u", line->number, line->to->process, line->thread);
    say(line, " %c %" PRIu64 " %" PRIu64 " %s", mode, begin, snapshot, hex);
}

static void elements_say(recorder_line *line, const uint64_t *elements, size_t count)
{
    say(line, " %zu", count);
    for (size_t i = 0; i < count; i++)
        say(line, " %" PRIu64, elements[i]);
}

void recorder_read(
    recorder_line *line, uint8_t store, uint32_t key, const uint64_t *elements, size_t count)
{
    say(line, " r %u %u", store, key);
    elements_say(line, elements, count);
}

void recorder_write(recorder_line *line, uint8_t store, uint32_t key, uint64_t element)
{
    say(line, " w %u %u %" PRIu64, store, key, element);
}

void recorder_append(recorder_line *line, uint8_t store, uint32_t key, uint64_t element)
{
    say(line, " a %u %u %" PRIu64, store, key, element);
}

void recorder_remove(recorder_line *line, uint8_t store, uint32_t from, uint32_t to)
{
    say(line, " d %u %u %u", store, from, to);
}

void recorder_count(recorder_line *line, uint8_t store, uint32_t from, uint32_t to, uint64_t count)
{
    say(line, " c %u %u %u %" PRIu64, store, from, to, count);
}

void recorder_scan_begin(
    recorder_line *line, uint8_t store, uint32_t from, uint32_t to, size_t rows)
{
    say(line, " s %u %u %u %zu", store, from, to, rows);
}

void recorder_scan_row(recorder_line *line, uint32_t key, const uint64_t *elements, size_t count)
{
    say(line, " %u", key);
    elements_say(line, elements, count);
}

int recorder_intent(recorder_line *line)
{
    say(line, "\n");
    return line_write(line->to->fd, line->text, line->size);
}

int recorder_end(recorder_line *line, char outcome, uint64_t seq)
{
    line->size = 0;
    say(line, "E %" PRIu64 " %c %" PRIu64 " %" PRIu64 "\n", line->number, outcome, recorder_now(),
        seq);
    return line_write(line->to->fd, line->text, line->size);
}

int recorder_logged(recorder *r, const uint8_t token[24], uint64_t seq)
{
    char text[96];
    char hex[49];
    token_text(token, hex);
    int size = snprintf(text, sizeof text, "L %s %" PRIu64 "\n", hex, seq);
    return line_write(r->fd, text, (size_t)size);
}

int recorder_complete(recorder *r, uint64_t first, uint64_t last)
{
    char text[64];
    int size = snprintf(text, sizeof text, "C %" PRIu64 " %" PRIu64 "\n", first, last);
    return line_write(r->fd, text, (size_t)size);
}
