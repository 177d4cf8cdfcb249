/* SPDX-License-Identifier: MIT */
/*
 * Records what transactions do, for the judges of history.h: a file per process, written so that a SIGKILL loses nothing that was
 * known. Threads share a recorder; a line belongs to one thread.
 */
#ifndef SOP_TESTS_RECORDER_H
#define SOP_TESTS_RECORDER_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    int fd;
    uint16_t process;
    _Atomic uint64_t numbers;
} recorder;

/* 0: failed, errno says why. Numbers of processes differ over the whole history, also after restarts. */
int recorder_open(recorder *r, const char *path, uint16_t process);
void recorder_close(recorder *r);
/* The clock of all records of this host. */
uint64_t recorder_now(void);

typedef struct {
    recorder *to;
    uint16_t thread;
    uint64_t number;
    char *text;
    size_t size;
    size_t capacity;
} recorder_line;

void recorder_line_init(recorder_line *line, recorder *to, uint16_t thread);
void recorder_line_deinit(recorder_line *line);

/* mode: r, w, R or W as in history.h. begin: recorder_now before the transaction began. */
void recorder_begin(
    recorder_line *line, char mode, uint64_t begin, uint64_t snapshot, const uint8_t token[24]);
void recorder_read(
    recorder_line *line, uint8_t store, uint32_t key, const uint64_t *elements, size_t count);
void recorder_write(recorder_line *line, uint8_t store, uint32_t key, uint64_t element);
void recorder_append(recorder_line *line, uint8_t store, uint32_t key, uint64_t element);
void recorder_remove(recorder_line *line, uint8_t store, uint32_t from, uint32_t to);
void recorder_count(recorder_line *line, uint8_t store, uint32_t from, uint32_t to, uint64_t count);
/* A scan: begin, one row a key found, end. */
void recorder_scan_begin(
    recorder_line *line, uint8_t store, uint32_t from, uint32_t to, size_t rows);
void recorder_scan_row(recorder_line *line, uint32_t key, const uint64_t *elements, size_t count);
/* Writes what was recorded; before the commit, so that it is known whatever happens during the commit. 0: the file failed. */
int recorder_intent(recorder_line *line);
int recorder_end(recorder_line *line, char outcome, uint64_t seq);
/* What the log of the database has. */
int recorder_logged(recorder *r, const uint8_t token[24], uint64_t seq);
int recorder_complete(recorder *r, uint64_t first, uint64_t last);

#endif
