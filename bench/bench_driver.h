/* SPDX-License-Identifier: MIT */
/* Runs every workload on every engine, each measurement in a process and a folder of its own. */
#ifndef BENCH_DRIVER_H
#define BENCH_DRIVER_H

#include "bench.h"

extern const bench_engine *const bench_engines[];
extern const unsigned bench_engine_count;

/* Returns the number of measurements that failed. */
unsigned bench_drive(const bench_config *config);

#endif
