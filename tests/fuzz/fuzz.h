/* SPDX-License-Identifier: MIT */
/* What every fuzz target implements: one call with arbitrary bytes, which must neither crash nor leak. */
#ifndef SOP_TESTS_FUZZ_H
#define SOP_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
