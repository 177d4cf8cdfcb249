/* SPDX-License-Identifier: MIT */
/* Helpers that several test programs share. */
#include "support/support.h"

#include <stdlib.h>

uint64_t sop_test_random(uint64_t *state)
{
    /* Source: Steele et al., SplitMix64, 2014. */
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

uint64_t sop_test_seed(uint64_t fallback)
{
    const char *text = getenv("SOP_TEST_SEED");
    return text == NULL ? fallback : strtoull(text, NULL, 0);
}

int sop_test_soak(void)
{
    const char *text = getenv("SOP_SOAK");
    return text != NULL && text[0] != '\0';
}
