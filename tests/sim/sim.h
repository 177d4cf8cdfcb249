/* SPDX-License-Identifier: MIT */
/*
 * One simulated run: processes that work on a database on a simulated disk, things that go wrong, and what must hold all the same.
 *
 * sim-1  A commit that was acknowledged as durable is there after every power cut and kill; one acknowledged without a sync is
 *        there after every kill, and what a power cut takes is a suffix.
 * sim-2  A transaction that was told "nothing applied" never appears; one of unknown outcome appears wholly or not at all.
 * sim-3  All reads, of all processes, are those of the one order of seqs; a reader sees all that was acknowledged before it began.
 * sim-4  Calls fail only for the reasons that were injected; damage is never reported where there is none.
 * sim-5  When everything is whole again, commits succeed soon and the check is clean.
 */
#ifndef SOP_TESTS_SIM_H
#define SOP_TESTS_SIM_H

#include <stdint.h>

#include "sop/sop.h"

#include "backend/backend_faulty.h"
#include "history/history.h"

enum { SLOTS_MAX = 8, CLIENTS_MAX = 4, CATALOGUE_STORES = 3, REGISTERS = 20, LIST_LENGTH = 8 };

/* Things that may go wrong; a seed has some of them. */
enum {
    FAULT_KILL = 1 << 0,
    FAULT_POWER = 1 << 1,
    FAULT_SYNC = 1 << 2,      /* a sync fails, its pages count as clean */
    FAULT_WRITE = 1 << 3,     /* a write fails, wholly or in part */
    FAULT_FULL = 1 << 4,      /* the medium is full for a while */
    FAULT_WRITEBACK = 1 << 5, /* the kernel fails to write back, each descriptor hears of it once */
    FAULT_PAUSE = 1 << 6,
    FAULT_NAMES = 1 << 7, /* creating, renaming, removing, syncing folders, listing, reading fail */
    FAULT_REOPEN = 1 << 8, /* processes close and open again */
    FAULT_PAGE = 1 << 9,   /* the shared page is lost while nobody has the database open */
    FAULT_ALL = (1 << 10) - 1
};

/* What a client knows of one of its transactions, beside the history. */
typedef struct {
    int durable;  /* acknowledged as being on disk */
    int settled;  /* its outcome is final */
    int slot_run; /* which run of which process */
} sim_note;

typedef struct {
    int number;  /* of the slot */
    int process; /* of its present run; 0: none */
    int open;    /* the database is open in it */
    int reopen;  /* clients are to come home so that it can be closed and opened again */
    int clients; /* running */
    int failed;  /* its log failed: only reopening helps */
    int sync;    /* SOP_SYNC_... of this run */
    sop_backend *backend;
    sop_db *db;
} sim_slot;

enum { SIM_TOLD = 300 };

typedef struct {
    uint64_t seed;
    int quiet;  /* a violation is wanted: it is told through `told` only */
    char *told; /* SIM_TOLD bytes that the parent sees */
    uint32_t faults;
    int slots_used;
    int clients_each;
    int trace;      /* print what happens */
    int sync_modes; /* 0 full, 1 off, 2 periodic, 3 mixed */
    int max_events;
    sop_faulty_disk *disk;
    sim_slot slots[SLOTS_MAX];
    int next_process;
    int stop;          /* clients go home for good */
    int healing;       /* from here on nothing goes wrong any more */
    uint32_t may_fail; /* faults that are or may still be under way: calls may fail for them */
    uint64_t element;
    uint32_t list_base;
    history history;
    sim_note *notes; /* one for each transaction of the history */
    size_t note_capacity;
    /* For the summary. */
    uint64_t commits;
    uint64_t conflicts;
    uint64_t unknowns;
    uint64_t kills;
    uint64_t cuts;
    uint64_t failures; /* calls that failed as injected */
    uint64_t opens;
} sim_run;

extern sim_run sim;

/* A rule is broken: says what and ends the run. Does not return. */
void sim_violation(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
/* Prints with --trace. */
void sim_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ---- the load (sim_load.c) ---- */

/* One client of a slot: works until it is to come home. argument: its slot. */
void sim_client(void *argument);
/* Creates the stores. */
void sim_stores_create(sop_db *db);
/* Reads everything in one transaction and notes what it saw. */
void sim_read_all(sop_db *db);
/* One commit that must succeed before the deadline. */
void sim_commit_must(sop_db *db, uint64_t deadline_ns);
/* Whether a call may fail so, given what is going wrong; else it is a violation. */
void sim_failure(const sim_slot *slot, const char *call, sop_status status, const char *message);

/* ---- processes and faults (sim_plan.c) ---- */

/* The whole run, in a task of process 0. */
void sim_plan(void *argument);

/* Judges the history that was collected. */
void sim_judge(void);

#endif
