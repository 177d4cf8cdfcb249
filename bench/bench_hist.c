/* SPDX-License-Identifier: MIT */
/* A histogram of durations with a relative error below 1.6 %, after HdrHistogram. */
#include "bench_hist.h"

/* Values below 64 have a bucket each; above, the six bits after the leading one select it. */
static unsigned bucket_of(uint64_t ns)
{
    if (ns < BENCH_HIST_SUB) return (unsigned)ns;
    unsigned exponent = 63u - (unsigned)__builtin_clzll(ns);
    unsigned sub = (unsigned)(ns >> (exponent - 6)) & (BENCH_HIST_SUB - 1);
    unsigned bucket = (exponent - 5) * BENCH_HIST_SUB + sub;
    return bucket < BENCH_HIST_SIZE ? bucket : BENCH_HIST_SIZE - 1;
}

static uint64_t upper_edge(unsigned bucket)
{
    if (bucket < BENCH_HIST_SUB) return bucket;
    unsigned exponent = bucket / BENCH_HIST_SUB + 5;
    uint64_t sub = bucket % BENCH_HIST_SUB;
    return ((BENCH_HIST_SUB + sub + 1) << (exponent - 6)) - 1;
}

void bench_hist_add(bench_hist *hist, uint64_t ns)
{
    hist->counts[bucket_of(ns)]++;
    hist->total++;
    if (ns > hist->max) hist->max = ns;
}

void bench_hist_merge(bench_hist *into, const bench_hist *from)
{
    for (unsigned i = 0; i < BENCH_HIST_SIZE; i++) {
        into->counts[i] += from->counts[i];
    }
    into->total += from->total;
    if (from->max > into->max) into->max = from->max;
}

uint64_t bench_hist_quantile(const bench_hist *hist, double share)
{
    uint64_t wanted = (uint64_t)(share * (double)hist->total);
    uint64_t seen = 0;
    for (unsigned i = 0; i < BENCH_HIST_SIZE; i++) {
        seen += hist->counts[i];
        if (seen > wanted) {
            uint64_t edge = upper_edge(i);
            return edge < hist->max ? edge : hist->max;
        }
    }
    return hist->max;
}
