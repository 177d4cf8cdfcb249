/* SPDX-License-Identifier: MIT */
/* Random numbers, random orders and the zipfian distribution; all from fixed seeds. */
#include "bench_data.h"

#include <math.h>

#define THETA 0.99

void bench_rng_seed(bench_rng *rng, uint64_t seed)
{
    for (int i = 0; i < 4; i++) {
        seed += BENCH_STEP;
        rng->s[i] = bench_mix(seed);
    }
}

/* A Feistel network over the next power of four, walked until it falls inside. */
uint64_t bench_permute(uint64_t x, uint64_t n, uint64_t seed)
{
    unsigned half = 1;
    while (half < 31 && (UINT64_C(1) << (2 * half)) < n) {
        half++;
    }
    uint64_t mask = (UINT64_C(1) << half) - 1;
    do {
        uint64_t left = x >> half, right = x & mask;
        for (uint64_t round = 0; round < 4; round++) {
            uint64_t next = left ^ (bench_mix(right + seed + round * BENCH_STEP) & mask);
            left = right;
            right = next;
        }
        x = left << half | right;
    } while (x >= n);
    return x;
}

void bench_zipf_init(bench_zipf *zipf, uint64_t n)
{
    double sum = 0;
    for (uint64_t i = 1; i <= n; i++) {
        sum += pow(1.0 / (double)i, THETA);
    }
    zipf->n = n;
    zipf->zetan = sum;
    zipf->alpha = 1.0 / (1.0 - THETA);
    zipf->half_power = 1.0 + pow(0.5, THETA);
    zipf->eta = (1.0 - pow(2.0 / (double)n, 1.0 - THETA)) / (1.0 - zipf->half_power / sum);
}

uint64_t bench_zipf_next(const bench_zipf *zipf, bench_rng *rng)
{
    double u = (double)(bench_rng_next(rng) >> 11) * 0x1p-53;
    double uz = u * zipf->zetan;
    uint64_t rank;
    if (uz < 1.0) {
        rank = 0;
    } else if (uz < zipf->half_power) {
        rank = 1;
    } else {
        rank = (uint64_t)((double)zipf->n * pow(zipf->eta * u - zipf->eta + 1.0, zipf->alpha));
    }
    return bench_mix(rank + BENCH_STEP) % zipf->n;
}
