/* SPDX-License-Identifier: MIT */
/*
 * The door to clock, chance, waiting and tasks. With the backend it is the only source of
 * non-determinism: a simulator swaps the table and runs a whole swarm in one thread from one seed.
 * No other code reads a clock, draws a random number, blocks, or starts a thread.
 */
#ifndef SOP_UTIL_WORLD_H
#define SOP_UTIL_WORLD_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "sop/types.h"

typedef struct sop_task sop_task;
typedef void (*sop_task_fn)(void *argument);

typedef struct {
    uint64_t (*boot_ns)(void);              /* boot-time clock, never goes back, counts suspend */
    uint64_t (*wall_ns)(void);              /* since 1970, UTC; may jump */
    void (*random)(void *out, size_t size); /* cryptographic quality in the real world */
    void (*boot_id)(uint8_t out[16]);       /* changes when the host boots */
    uint32_t (*process_id)(void);
    /* Sleeps while *address == value, at most timeout_ns (UINT64_MAX: no limit). May return early.
     */
    void (*wait)(_Atomic uint32_t *address, uint32_t value, uint64_t timeout_ns);
    void (*wake)(_Atomic uint32_t *address, int count); /* count: INT32_MAX wakes all */
    void (*relax)(unsigned round);                      /* one turn of a spin loop */
    sop_status (*task_start)(sop_task **out, sop_task_fn fn, void *argument);
    void (*task_join)(sop_task *task); /* waits for its end and frees it */
} sop_world;

/* The table in use. Tests swap it while no database is open. */
const sop_world *sop_world_get(void);
void sop_world_set(const sop_world *other); /* NULL: the real one */

uint64_t sop_boot_ns(void);
uint64_t sop_wall_ns(void);
void sop_random_bytes(void *out, size_t size);
uint64_t sop_random_u64(void);
void sop_boot_id(uint8_t out[16]);
uint32_t sop_process_id(void);
void sop_wait(_Atomic uint32_t *address, uint32_t value, uint64_t timeout_ns);
void sop_wake(_Atomic uint32_t *address, int count);
void sop_relax(unsigned round);
sop_status sop_task_start(sop_task **out, sop_task_fn fn, void *argument);
void sop_task_join(sop_task *task); /* NULL allowed */

#endif
