/* SPDX-License-Identifier: MIT */
/* The real world: Linux clocks, getrandom, futex, pthreads. */
#define _GNU_SOURCE 1 /* syscall(2), getrandom(2) */
#include "util/world.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "util/assert.h"
#include "util/memory.h"

struct sop_task {
    pthread_t thread;
    sop_task_fn fn;
    void *argument;
};

static uint64_t clock_ns(clockid_t id)
{
    struct timespec ts = {0};
    (void)clock_gettime(id, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static uint64_t real_boot_ns(void)
{
    return clock_ns(CLOCK_BOOTTIME);
}

static uint64_t real_wall_ns(void)
{
    return clock_ns(CLOCK_REALTIME);
}

static void real_random(void *out, size_t size)
{
    uint8_t *p = out;
    while (size > 0) {
        ssize_t n = getrandom(p, size, 0);
        if (n < 0) {
            SOP_ASSERT(errno == EINTR);
            continue;
        }
        p += n;
        size -= (size_t)n;
    }
}

/* /proc/sys/kernel/random/boot_id holds a UUID as text; without /proc every boot looks the same,
 * the cautious answer. */
static void real_boot_id(uint8_t out[16])
{
    memset(out, 0, 16);
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    if (fd < 0) return;
    char text[64] = {0};
    ssize_t n = read(fd, text, sizeof text - 1);
    (void)close(fd);
    size_t digit = 0;
    for (ssize_t i = 0; i < n && digit < 32; i++) {
        char c = text[i];
        uint8_t v;
        if (c >= '0' && c <= '9') {
            v = (uint8_t)(c - '0');
        } else if (c >= 'a' && c <= 'f') {
            v = (uint8_t)(c - 'a' + 10);
        } else {
            continue;
        }
        out[digit / 2] = (uint8_t)(out[digit / 2] << 4 | v);
        digit++;
    }
}

static uint32_t real_process_id(void)
{
    return (uint32_t)getpid();
}

static void real_wait(_Atomic uint32_t *address, uint32_t value, uint64_t timeout_ns)
{
    struct timespec ts = {(time_t)(timeout_ns / 1000000000u), (long)(timeout_ns % 1000000000u)};
    /* Not the private form: the shared page lies in a mapping that several processes see. */
    (void)syscall(SYS_futex, address, FUTEX_WAIT, value, timeout_ns == UINT64_MAX ? NULL : &ts,
                  NULL, 0);
}

static void real_wake(_Atomic uint32_t *address, int count)
{
    (void)syscall(SYS_futex, address, FUTEX_WAKE, count, NULL, NULL, 0);
}

static void real_relax(unsigned round)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
    if (round % 64 == 63) (void)sched_yield();
}

static void *task_main(void *argument)
{
    sop_task *task = argument;
    task->fn(task->argument);
    return NULL;
}

static sop_status real_task_start(sop_task **out, sop_task_fn fn, void *argument)
{
    sop_task *task = sop_alloc(sizeof *task);
    *out = NULL;
    if (task == NULL) return SOP_NO_MEMORY;
    task->fn = fn;
    task->argument = argument;
    if (pthread_create(&task->thread, NULL, task_main, task) != 0) {
        sop_free(task);
        return SOP_NO_MEMORY;
    }
    *out = task;
    return SOP_OK;
}

static void real_task_join(sop_task *task)
{
    (void)pthread_join(task->thread, NULL);
    sop_free(task);
}

static const sop_world REAL_WORLD = {
    .boot_ns = real_boot_ns,
    .wall_ns = real_wall_ns,
    .random = real_random,
    .boot_id = real_boot_id,
    .process_id = real_process_id,
    .wait = real_wait,
    .wake = real_wake,
    .relax = real_relax,
    .task_start = real_task_start,
    .task_join = real_task_join,
};

/* Swapped only while no database is open, so a plain pointer is enough. */
static const sop_world *world = &REAL_WORLD;

const sop_world *sop_world_get(void)
{
    return world;
}

void sop_world_set(const sop_world *other)
{
    world = other == NULL ? &REAL_WORLD : other;
}

uint64_t sop_boot_ns(void)
{
    return world->boot_ns();
}

uint64_t sop_wall_ns(void)
{
    return world->wall_ns();
}

void sop_random_bytes(void *out, size_t size)
{
    world->random(out, size);
}

uint64_t sop_random_u64(void)
{
    uint64_t v = 0;
    world->random(&v, sizeof v);
    return v;
}

void sop_boot_id(uint8_t out[16])
{
    world->boot_id(out);
}

uint32_t sop_process_id(void)
{
    return world->process_id();
}

void sop_wait(_Atomic uint32_t *address, uint32_t value, uint64_t timeout_ns)
{
    world->wait(address, value, timeout_ns);
}

void sop_wake(_Atomic uint32_t *address, int count)
{
    world->wake(address, count);
}

void sop_relax(unsigned round)
{
    world->relax(round);
}

sop_status sop_task_start(sop_task **out, sop_task_fn fn, void *argument)
{
    return world->task_start(out, fn, argument);
}

void sop_task_join(sop_task *task)
{
    if (task != NULL) world->task_join(task);
}
