/* SPDX-License-Identifier: MIT */
/*
 * Fail-at-n sweeps: a workload that touches everything runs again and again, and each time another allocation or another operation of
 * the disk fails, once or from then on. Whatever happens: no crash, no leak, one clear line where something failed, and what was
 * acknowledged is there afterwards, on the same handle, after a kill, and after each kind of power cut.
 *
 * SOP_SOAK: every n of everything; otherwise a stride picks some. SOP_TEST_SEED: another run. SOP_FAULT_CASE: one case again, as
 * printed by a failure.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "support/fault_run.h"
#include "support/support.h"

/* How many places of a sweep are tried without SOP_SOAK. */
enum { MEMORY_POINTS = 60, DISK_POINTS = 2, SPACE_POINTS = 40, WRITEBACK_POINTS = 60 };

static uint64_t seed;

/* Every step-th place, shifted by chance so that different seeds see different ones. */
static void sweep(fault_case *c, uint64_t *nth, uint64_t calls, uint64_t points)
{
    uint64_t step = sop_test_soak() || calls <= points ? 1 : calls / points;
    uint64_t dice = c->seed + c->kinds + (uint64_t)c->effect;
    for (uint64_t n = 1 + sop_test_random(&dice) % step; n <= calls; n += step) {
        *nth = n;
        uint64_t bits = sop_test_random(&dice);
        c->go_on = (int)(bits & 1);
        c->kill = (int)(bits >> 1 & 1);
        fault_case_run(c);
    }
}

static void memory_sweep(int sync)
{
    fault_case c = {.sync = sync, .seed = seed};
    uint64_t calls = fault_calls(&c, 0);
    print_message("%" PRIu64 " allocations, seed %" PRIu64 "\n", calls, seed);
    for (c.always = 0; c.always <= 1; c.always++) {
        sweep(&c, &c.memory_nth, calls, MEMORY_POINTS);
    }
}

static void test_any_allocation_may_fail_in_mode_full(void **state)
{
    (void)state;
    memory_sweep(SOP_SYNC_FULL);
}

static void test_any_allocation_may_fail_in_mode_off(void **state)
{
    (void)state;
    memory_sweep(SOP_SYNC_OFF);
}

static void disk_sweep(int sync)
{
    static const uint32_t kinds[] = {SOP_FAULTY_OPEN,   SOP_FAULTY_CREATE, SOP_FAULTY_READ,
                                     SOP_FAULTY_WRITE,  SOP_FAULTY_SYNC,   SOP_FAULTY_FOLDER_SYNC,
                                     SOP_FAULTY_RENAME, SOP_FAULTY_REMOVE, SOP_FAULTY_PUBLISH,
                                     SOP_FAULTY_LIST,   SOP_FAULTY_MAP,    SOP_FAULTY_SIZE,
                                     SOP_FAULTY_LOCK,   SOP_FAULTY_PAGE};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        fault_case c = {.sync = sync, .seed = seed};
        uint64_t calls = fault_calls(&c, kinds[i]);
        print_message("%s: %" PRIu64 " calls, seed %" PRIu64 "\n", sop_faulty_kind_name(kinds[i]),
                      calls, seed);
        c.kinds = kinds[i];
        for (int form = 0; form < 12; form++) {
            c.always = form & 1;
            c.status = (form & 2) != 0 ? SOP_FULL : SOP_IO;
            c.effect = form / 4;
            sweep(&c, &c.nth, calls, DISK_POINTS);
        }
    }
}

static void test_any_operation_of_the_disk_may_fail_in_mode_full(void **state)
{
    (void)state;
    disk_sweep(SOP_SYNC_FULL);
}

static void test_any_operation_of_the_disk_may_fail_in_mode_off(void **state)
{
    (void)state;
    disk_sweep(SOP_SYNC_OFF);
}

/* The kernel drops what was written to a file, and tells whoever syncs it next, once: no sync may be tried again. */
static void writeback_sweep(int sync)
{
    fault_case c = {.sync = sync, .seed = seed};
    uint64_t calls = fault_calls(&c, SOP_FAULTY_WRITE);
    print_message("write-back: %" PRIu64 " writes, seed %" PRIu64 "\n", calls, seed);
    sweep(&c, &c.writeback, calls, WRITEBACK_POINTS);
}

static void test_any_write_back_may_fail(void **state)
{
    (void)state;
    writeback_sweep(SOP_SYNC_FULL);
    writeback_sweep(SOP_SYNC_OFF);
}

/* The medium is full from some byte on; with space again the same handle goes on. */
static void test_a_full_medium_only_refuses(void **state)
{
    (void)state;
    enum { SPACE_MAX = 40 << 20 };
    uint64_t step = SPACE_MAX / (uint64_t)(sop_test_soak() ? 20 * SPACE_POINTS : SPACE_POINTS);
    uint64_t dice = seed;
    for (uint64_t space = 4096; space < SPACE_MAX;
         space += 1 + sop_test_random(&dice) % (2 * step)) {
        uint64_t bits = sop_test_random(&dice);
        fault_case c = {.space = space,
                        .sync = (bits & 4) != 0 ? SOP_SYNC_OFF : SOP_SYNC_FULL,
                        .go_on = (int)(bits & 1),
                        .kill = (int)(bits >> 1 & 1),
                        .seed = seed};
        fault_case_run(&c);
    }
}

static void test_one_case_again(void **state)
{
    (void)state;
    fault_case c;
    if (fault_case_from_environment(&c)) fault_case_run(&c);
}

int main(void)
{
    const struct CMUnitTest again[] = {cmocka_unit_test(test_one_case_again)};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_allocation_may_fail_in_mode_full),
        cmocka_unit_test(test_any_allocation_may_fail_in_mode_off),
        cmocka_unit_test(test_any_operation_of_the_disk_may_fail_in_mode_full),
        cmocka_unit_test(test_any_operation_of_the_disk_may_fail_in_mode_off),
        cmocka_unit_test(test_any_write_back_may_fail),
        cmocka_unit_test(test_a_full_medium_only_refuses),
    };
    seed = sop_test_seed(20261122);
    if (getenv("SOP_FAULT_CASE") != NULL) return cmocka_run_group_tests(again, NULL, NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
