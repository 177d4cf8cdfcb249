/* SPDX-License-Identifier: MIT */
/*
 * Keys and values that can be verified without remembering them.
 *
 * key    16 decimal digits of a number. Item i of a loaded database has the number i * 16; numbers in
 *        between are free for later inserts, which therefore fall anywhere.
 * value  little-endian words: the version; then s + 1 * G, s + 2 * G, ... where s mixes number and
 *        version; cut to size. It does not compress and every byte is checked.
 */
#ifndef BENCH_DATA_H
#define BENCH_DATA_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define BENCH_KEY_SIZE   16
#define BENCH_VALUE_SIZE 100
#define BENCH_KEY_GAP    16 /* numbers from one loaded item to the next */
#define BENCH_STEP       UINT64_C(0x9e3779b97f4a7c15)

typedef struct {
    const void *data;
    size_t size;
} bench_slice;

/* xoshiro256** by Blackman and Vigna. */
typedef struct {
    uint64_t s[4];
} bench_rng;

void bench_rng_seed(bench_rng *rng, uint64_t seed);

static inline uint64_t bench_mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static inline uint64_t bench_rotate(uint64_t x, int by)
{
    return (x << by) | (x >> (64 - by));
}

static inline uint64_t bench_rng_next(bench_rng *rng)
{
    uint64_t *s = rng->s;
    uint64_t result = bench_rotate(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = bench_rotate(s[3], 45);
    return result;
}

/* limit: at most 2^32. */
static inline uint64_t bench_rng_below(bench_rng *rng, uint64_t limit)
{
    return ((bench_rng_next(rng) >> 32) * limit) >> 32;
}

/* The place of x in a fixed random order of 0..n-1. */
uint64_t bench_permute(uint64_t x, uint64_t n, uint64_t seed);

/* Zipfian ranks after Gray et al., "Quickly generating billion-record synthetic databases", scrambled
   over the items as YCSB does; theta 0.99. */
typedef struct {
    uint64_t n;
    double alpha, eta, zetan, half_power;
} bench_zipf;

void bench_zipf_init(bench_zipf *zipf, uint64_t n);
uint64_t bench_zipf_next(const bench_zipf *zipf, bench_rng *rng);

static inline uint64_t bench_digits8(uint32_t x)
{
    uint64_t v = x / 10000 | (uint64_t)(x % 10000) << 32;
    uint64_t q = ((v * 10486) >> 20) & UINT64_C(0x7f0000007f);
    v = ((v - 100 * q) << 16) + q;
    q = ((v * 103) >> 10) & UINT64_C(0x000f000f000f000f);
    v = ((v - 10 * q) << 8) + q;
    return v | UINT64_C(0x3030303030303030);
}

static inline uint32_t bench_parse8(uint64_t v)
{
    v -= UINT64_C(0x3030303030303030);
    v = v * 10 + (v >> 8);
    uint64_t a = (v & UINT64_C(0x000000ff000000ff)) * UINT64_C(0x000f424000000064);
    uint64_t b = ((v >> 16) & UINT64_C(0x000000ff000000ff)) * UINT64_C(0x0000271000000001);
    return (uint32_t)((a + b) >> 32);
}

static inline void bench_key_make(uint64_t number, char key[BENCH_KEY_SIZE])
{
    uint64_t high = bench_digits8((uint32_t)(number / 100000000));
    uint64_t low = bench_digits8((uint32_t)(number % 100000000));
    memcpy(key, &high, 8);
    memcpy(key + 8, &low, 8);
}

static inline uint64_t bench_key_number(const void *key)
{
    uint64_t high, low;
    memcpy(&high, key, 8);
    memcpy(&low, (const char *)key + 8, 8);
    return (uint64_t)bench_parse8(high) * 100000000 + bench_parse8(low);
}

static inline uint64_t bench_value_start(uint64_t number, uint64_t version)
{
    return bench_mix(number * UINT64_C(0xd1342543de82ef95) + version);
}

static inline void bench_value_make(uint64_t number, uint64_t version, char *value, size_t size)
{
    uint64_t start = bench_value_start(number, version);
    memcpy(value, &version, 8);
    size_t words = size / 8;
    for (size_t i = 1; i < words; i++) {
        uint64_t word = start + i * BENCH_STEP;
        memcpy(value + i * 8, &word, 8);
    }
    uint64_t word = start + words * BENCH_STEP;
    memcpy(value + words * 8, &word, size % 8);
}

/* True when the value is the one of this number, whole; its version is given back. */
static inline int bench_value_check(uint64_t number, bench_slice value, uint64_t *version_out)
{
    const char *data = value.data;
    if (value.size < 8) return 0;
    memcpy(version_out, data, 8);
    uint64_t start = bench_value_start(number, *version_out);
    uint64_t different = 0;
    size_t words = value.size / 8;
    for (size_t i = 1; i < words; i++) {
        uint64_t word;
        memcpy(&word, data + i * 8, 8);
        different |= word ^ (start + i * BENCH_STEP);
    }
    uint64_t expected = start + words * BENCH_STEP;
    return different == 0 && memcmp(data + words * 8, &expected, value.size % 8) == 0;
}

/* Takes the items of a scan, checks each wholly and their order. */
typedef struct {
    uint64_t count;
    uint64_t bad; /* items with a wrong key, size or value, or out of order */
    uint64_t version_sum;
    uint64_t last; /* number of the item before */
    uint64_t step; /* exact distance from item to item, downwards as 2^64 - n; 0: any, upwards */
    uint64_t *versions;    /* NULL, or one for each loaded item: what its version must be */
    uint64_t first_number; /* of this scan */
} bench_sink;

static inline void bench_sink_take(bench_sink *sink, bench_slice key, bench_slice value)
{
    uint64_t version = 0;
    if (key.size != BENCH_KEY_SIZE || value.size != BENCH_VALUE_SIZE) {
        sink->bad++;
        return;
    }
    uint64_t number = bench_key_number(key.data);
    /* the size as a constant: the check becomes a few vector instructions */
    bench_slice whole = {value.data, BENCH_VALUE_SIZE};
    int good = bench_value_check(number, whole, &version);
    if (sink->count == 0) {
        sink->first_number = number;
    } else {
        good &= sink->step != 0 ? number - sink->last == sink->step : number > sink->last;
    }
    if (sink->versions != NULL && good && number % BENCH_KEY_GAP == 0) {
        good &= sink->versions[number / BENCH_KEY_GAP] == version;
    }
    sink->bad += !good;
    sink->last = number;
    sink->version_sum += version;
    sink->count++;
}

#endif
