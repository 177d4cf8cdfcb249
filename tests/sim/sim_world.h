/* SPDX-License-Identifier: MIT */
/*
 * A world of one thread: tasks of several simulated processes, a clock that jumps to the next event, chance from one seed. The
 * library runs inside through util/world.h and never notices. Everything is a function of the seed.
 */
#ifndef SOP_TESTS_SIM_WORLD_H
#define SOP_TESTS_SIM_WORLD_H

#include <stddef.h>
#include <stdint.h>

typedef void (*sim_fn)(void *argument);

/* Process 0 is the test itself: it is never killed or paused. */
enum { SIM_TEST = 0, SIM_TASKS_MAX = 256, SIM_PROCESSES_MAX = 512 };

/* Puts the world in place. seed: of all chance. */
void sim_world_begin(uint64_t seed);
/* Runs tasks until all of process 0 have ended. 0: nobody can go on, or time_max was reached: see sim_world_stuck. */
int sim_world_run(uint64_t time_max_ns);
/* In words what every task waits for. */
void sim_world_stuck(char *out, size_t size);

uint64_t sim_now(void);
uint64_t sim_random(void);
/* Below n. */
uint64_t sim_below(uint64_t n);
/* 1 with a chance of n in a hundred. */
int sim_chance(uint64_t n);

void sim_sleep(uint64_t ns);
/* Another task, of the given process. */
void sim_task(int process, sim_fn fn, void *argument);
int sim_process(void); /* of the running task */
/* Its tasks stop for ever where they stand; does not return when the caller is one of them. */
void sim_process_kill(int process);
/* Its tasks stand still until then. */
void sim_process_pause(int process, uint64_t until_ns);

/* What the host tells: changes at a power cut. */
void sim_boot_set(const uint8_t boot_id[16]);
/* Stirs an event into the trace; the sum at the end is the same whenever the same happened. */
void sim_trace(uint64_t a, uint64_t b, uint64_t c);
uint64_t sim_trace_sum(void);

#endif
