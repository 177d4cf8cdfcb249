/* SPDX-License-Identifier: MIT */
/* Helpers that several test programs share. */
#ifndef SOP_TESTS_SUPPORT_H
#define SOP_TESTS_SUPPORT_H

#include <stddef.h>
#include <stdint.h>

/* SplitMix64: the next number of the sequence. */
uint64_t sop_test_random(uint64_t *state);
/* SOP_TEST_SEED from the environment, or the fallback. Print it in tests that use it. */
uint64_t sop_test_seed(uint64_t fallback);
/* SOP_SOAK from the environment: 1 when tests are to use their large figures (make soak). */
int sop_test_soak(void);

#endif
