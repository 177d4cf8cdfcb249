/* SPDX-License-Identifier: MIT */
/* Makes histories as a correct database would leave them, to try the judges on and to measure them. */
#ifndef SOP_TESTS_HISTORY_MAKE_H
#define SOP_TESTS_HISTORY_MAKE_H

#include "history/history.h"

typedef struct {
    uint64_t seed;
    uint64_t transactions;
    uint16_t processes;
    uint16_t threads;
} history_make_options;
#define HISTORY_MAKE_OPTIONS_INIT                                                                  \
    {                                                                                              \
        1, 1000, 4, 4                                                                              \
    }

/* Store 1: lists; store 2: registers. */
void history_make(history *h, const history_make_options *options);

#endif
