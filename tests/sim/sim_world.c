/* SPDX-License-Identifier: MIT */
/* Tasks on stacks of their own (ucontext), the clock of events, and the table behind util/world.h. */
#define _GNU_SOURCE 1 /* MAP_ANONYMOUS, MAP_STACK */
#include "sim/sim_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "util/world.h"

#if defined(__SANITIZE_ADDRESS__)
#define SIM_FIBERS 1
void __sanitizer_start_switch_fiber(void **save, const void *bottom, size_t size);
void __sanitizer_finish_switch_fiber(void *save, const void **bottom, size_t *size);
#else
#define SIM_FIBERS 0
#endif

enum { STACK_SIZE = 256 << 10 };

enum { FREE, READY, WAITING, ENDED };

struct sop_task {
    ucontext_t context;
    void *stack;
    void *fiber;
    int state;
    int process;
    int joined;
    uint64_t due; /* READY: when it goes on; WAITING: when it gives up */
    uint64_t order;
    const _Atomic uint32_t *address;
    sim_fn fn;
    void *argument;
};

static struct {
    uint64_t seed;
    uint64_t now;
    uint64_t order;
    uint64_t sum;
    uint8_t boot_id[16];
    struct sop_task tasks[SIM_TASKS_MAX];
    size_t task_count;
    struct sop_task *current;
    ucontext_t scheduler;
    void *scheduler_fiber;
    const void *scheduler_stack;
    size_t scheduler_stack_size;
    uint64_t paused_until[SIM_PROCESSES_MAX];
    uint8_t killed[SIM_PROCESSES_MAX];
    uint64_t steps;
} world;

/* ---- chance and trace ---- */

uint64_t sim_random(void)
{
    /* Source: Steele et al., SplitMix64, 2014. */
    uint64_t z = (world.seed += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

uint64_t sim_below(uint64_t n)
{
    return sim_random() % n;
}

int sim_chance(uint64_t n)
{
    return sim_below(100) < n;
}

void sim_trace(uint64_t a, uint64_t b, uint64_t c)
{
    const uint64_t words[3] = {a, b, c};
    for (int i = 0; i < 3; i++) {
        world.sum = (world.sum ^ words[i]) * 0x9e3779b97f4a7c15u;
        world.sum ^= world.sum >> 29;
    }
}

uint64_t sim_trace_sum(void)
{
    return world.sum;
}

uint64_t sim_now(void)
{
    return world.now;
}

int sim_process(void)
{
    return world.current == NULL ? SIM_TEST : world.current->process;
}

/* ---- switching ---- */

static void to_scheduler(void)
{
    struct sop_task *self = world.current;
#if SIM_FIBERS
    __sanitizer_start_switch_fiber(self->state == ENDED ? NULL : &self->fiber,
                                   world.scheduler_stack, world.scheduler_stack_size);
#endif
    (void)swapcontext(&self->context, &world.scheduler);
#if SIM_FIBERS
    __sanitizer_finish_switch_fiber(self->fiber, &world.scheduler_stack,
                                    &world.scheduler_stack_size);
#endif
}

static void to_task(struct sop_task *task)
{
    world.current = task;
    world.now = task->due > world.now && task->state == READY ? task->due : world.now;
#if SIM_FIBERS
    __sanitizer_start_switch_fiber(&world.scheduler_fiber, task->stack, STACK_SIZE);
#endif
    (void)swapcontext(&world.scheduler, &task->context);
#if SIM_FIBERS
    __sanitizer_finish_switch_fiber(world.scheduler_fiber, NULL, NULL);
#endif
    world.current = NULL;
}

static void task_main(void)
{
    struct sop_task *self = world.current;
#if SIM_FIBERS
    __sanitizer_finish_switch_fiber(NULL, &world.scheduler_stack, &world.scheduler_stack_size);
#endif
    self->fn(self->argument);
    self->state = ENDED;
    to_scheduler();
}

static void task_wake(struct sop_task *task, uint64_t due)
{
    task->state = READY;
    task->due = due;
    task->address = NULL;
}

void sim_sleep(uint64_t ns)
{
    if (world.current == NULL) return;
    task_wake(world.current, world.now + ns);
    to_scheduler();
}

/* Not inlined: getcontext returns twice for all the compiler knows. */
__attribute__((noinline)) static void context_make(ucontext_t *context, void *stack)
{
    (void)getcontext(context);
    context->uc_stack.ss_sp = stack;
    context->uc_stack.ss_size = STACK_SIZE;
    makecontext(context, task_main, 0);
}

static struct sop_task *task_new(int process, sim_fn fn, void *argument)
{
    struct sop_task *task = NULL;
    for (size_t i = 0; i < world.task_count && task == NULL; i++) {
        if (world.tasks[i].state == FREE) task = &world.tasks[i];
    }
    if (task == NULL && world.task_count < SIM_TASKS_MAX) task = &world.tasks[world.task_count++];
    if (task == NULL) {
        (void)fprintf(stderr, "sim: too many tasks\n");
        abort();
    }
    void *stack = task->stack;
    if (stack == NULL) {
        stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
        if (stack == MAP_FAILED) abort();
    }
    memset(task, 0, sizeof *task);
    task->stack = stack;
    task->process = process;
    task->fn = fn;
    task->argument = argument;
    task->order = ++world.order;
    task_wake(task, world.now + sim_below(1000));
    context_make(&task->context, stack);
    return task;
}

void sim_task(int process, sim_fn fn, void *argument)
{
    task_new(process, fn, argument)->joined = 1;
}

void sim_process_kill(int process)
{
    world.killed[process] = 1;
    for (size_t i = 0; i < world.task_count; i++) {
        struct sop_task *task = &world.tasks[i];
        if (task->process != process || task->state == FREE) continue;
        /* The stack stays as it is, in nobody's use. */
        task->state = task == world.current ? ENDED : FREE;
        task->stack = NULL;
        task->joined = 1;
    }
    if (sim_process() == process) to_scheduler();
}

void sim_process_pause(int process, uint64_t until_ns)
{
    world.paused_until[process] = until_ns;
}

/* ---- scheduling ---- */

static uint64_t due_of(const struct sop_task *task)
{
    uint64_t pause = world.paused_until[task->process];
    return task->due < pause ? pause : task->due;
}

/* The earliest; of those at the same moment the oldest. */
static struct sop_task *task_next(int *test_runs)
{
    struct sop_task *next = NULL;
    *test_runs = 0;
    for (size_t i = 0; i < world.task_count; i++) {
        struct sop_task *task = &world.tasks[i];
        if (task->state == ENDED && task->joined) task->state = FREE;
        if (task->state != READY && task->state != WAITING) continue;
        if (task->process == SIM_TEST) *test_runs = 1;
        if (task->due == UINT64_MAX) continue;
        if (next == NULL || due_of(task) < due_of(next) ||
            (due_of(task) == due_of(next) && task->order < next->order)) {
            next = task;
        }
    }
    return next;
}

int sim_world_run(uint64_t time_max_ns)
{
    for (;;) {
        int test_runs;
        struct sop_task *task = task_next(&test_runs);
        if (!test_runs) return 1;
        if (task == NULL || world.now > time_max_ns || ++world.steps > 20000000) return 0;
        uint64_t due = due_of(task);
        if (due > world.now) world.now = due;
        task_wake(task, due);
        sim_trace(world.now, task->order, 0);
        to_task(task);
    }
}

void sim_world_stuck(char *out, size_t size)
{
    size_t used = (size_t)snprintf(
        out, size, "at %llu us, %llu steps:", (unsigned long long)(world.now / 1000),
        (unsigned long long)world.steps);
    for (size_t i = 0; i < world.task_count && used + 64 < size; i++) {
        const struct sop_task *task = &world.tasks[i];
        if (task->state != READY && task->state != WAITING) continue;
        used += (size_t)snprintf(out + used, size - used, " [process %d task %llu %s]",
                                 task->process, (unsigned long long)task->order,
                                 task->due == UINT64_MAX  ? "waits for ever"
                                 : task->state == WAITING ? "waits"
                                                          : "sleeps");
    }
}

/* ---- the table ---- */

static uint64_t sim_boot_ns(void)
{
    return UINT64_C(1000000000000) + world.now;
}

static uint64_t sim_wall_ns(void)
{
    return UINT64_C(1700000000000000000) + world.now;
}

static void sim_random_bytes(void *out, size_t size)
{
    uint8_t *p = out;
    for (size_t i = 0; i < size; i++)
        p[i] = (uint8_t)(sim_random() >> 24);
}

static void sim_boot_id(uint8_t out[16])
{
    memcpy(out, world.boot_id, 16);
}

void sim_boot_set(const uint8_t boot_id[16])
{
    memcpy(world.boot_id, boot_id, 16);
}

static uint32_t sim_process_id(void)
{
    return 1000 + (uint32_t)sim_process();
}

static void sim_wait(_Atomic uint32_t *address, uint32_t value, uint64_t timeout_ns)
{
    struct sop_task *self = world.current;
    if (atomic_load_explicit(address, memory_order_seq_cst) != value || self == NULL) return;
    self->state = WAITING;
    self->address = address;
    self->due = timeout_ns > UINT64_MAX - world.now ? UINT64_MAX : world.now + timeout_ns;
    to_scheduler();
}

static void sim_wake(_Atomic uint32_t *address, int count)
{
    /* The oldest first; which of them then gets on first is left to chance. */
    for (size_t i = 0; i < world.task_count && count > 0; i++) {
        struct sop_task *task = &world.tasks[i];
        if (task->state != WAITING || task->address != address) continue;
        task_wake(task, world.now + sim_below(2000));
        count--;
    }
}

static void sim_relax(unsigned round)
{
    (void)round;
    sim_sleep(50 + sim_below(500));
}

static sop_status sim_task_start(sop_task **out, sop_task_fn fn, void *argument)
{
    *out = task_new(sim_process(), fn, argument);
    return SOP_OK;
}

static void sim_task_join(sop_task *task)
{
    while (task->state != ENDED)
        sim_sleep(1000);
    task->state = FREE;
}

static const sop_world SIM_WORLD = {
    .boot_ns = sim_boot_ns,
    .wall_ns = sim_wall_ns,
    .random = sim_random_bytes,
    .boot_id = sim_boot_id,
    .process_id = sim_process_id,
    .wait = sim_wait,
    .wake = sim_wake,
    .relax = sim_relax,
    .task_start = sim_task_start,
    .task_join = sim_task_join,
};

void sim_world_begin(uint64_t seed)
{
    world.seed = seed * 0x9e3779b97f4a7c15u + 1;
    world.now = 1000000;
    sop_world_set(&SIM_WORLD);
}
