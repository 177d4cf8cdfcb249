/* SPDX-License-Identifier: MIT */
/*
 * Real processes on one folder that are killed, stopped, and given failing system calls. The parent judges from outside: what each
 * worker acknowledged came through a pipe, what each saw lies in files of its own (tests/history).
 */
#ifndef SOP_TESTS_TORTURE_H
#define SOP_TESTS_TORTURE_H

#include <stdint.h>

/* What a worker tells its parent through the pipe; smaller than PIPE_BUF, so whole. */
enum { TOLD_OPEN = 1, TOLD_ACK = 2, TOLD_WRONG = 3, TOLD_FAILED = 4 };
typedef struct {
    uint32_t kind;
    uint32_t run;
    uint64_t number; /* OPEN: nanoseconds it took; ACK: the element */
    char text[104];  /* WRONG: what should not have happened */
} torture_told;

typedef struct {
    const char *folder; /* holds medium/db and the histories */
    int run;            /* differs for every worker process ever started */
    int pipe;
    int threads;
    int sync;          /* SOP_SYNC_... */
    int faults;        /* system calls fail: errors are no surprise */
    uint64_t start_ns; /* of the whole run */
    uint64_t limit;    /* transactions of this worker; 0: until SIGTERM */
} torture_worker;

int torture_worker_main(const torture_worker *worker);

/* Stores of the database and of the history. */
enum { TORTURE_LISTS = 1, TORTURE_REGISTERS = 2, TORTURE_REGISTER_COUNT = 32 };

#endif
