/* SPDX-License-Identifier: MIT */
/* A histogram of durations with a relative error below 1.6 %, after HdrHistogram. */
#ifndef BENCH_HIST_H
#define BENCH_HIST_H

#include <stdint.h>

#define BENCH_HIST_SUB  64 /* buckets in each power of two */
#define BENCH_HIST_SIZE (BENCH_HIST_SUB * 40)

typedef struct {
    uint64_t counts[BENCH_HIST_SIZE];
    uint64_t total;
    uint64_t max;
} bench_hist;

void bench_hist_add(bench_hist *hist, uint64_t ns);
void bench_hist_merge(bench_hist *into, const bench_hist *from);
/* The upper edge of the bucket below which the share of all values lies; 0 when empty. */
uint64_t bench_hist_quantile(const bench_hist *hist, double share);

#endif
