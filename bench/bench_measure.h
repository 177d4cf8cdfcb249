/* SPDX-License-Identifier: MIT */
/* What the operating system knows: time, processor, memory, folders, the device below. */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include <stdint.h>
#include <time.h>

#include "bench.h"

static inline uint64_t bench_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void bench_sleep_ms(unsigned ms);
double bench_cpu_seconds(void);  /* of this process, all threads */
uint64_t bench_anon_bytes(void); /* anonymous resident memory now */

typedef struct {
    uint64_t data; /* allocated bytes of all files that are no log */
    uint64_t log;
} bench_disk;
bench_disk bench_folder_bytes(const char *dir, int (*is_log)(const char *path));

int bench_device_bytes_written(const char *dir, uint64_t *bytes_out); /* false: not known */
void bench_folder_sync(const char *dir);   /* waits until the file system has nothing to write */
void bench_folder_evict(const char *dir);  /* drops the cached pages of every file in it */
void bench_folder_remove(const char *dir); /* with all that is in it */
void bench_folder_make(const char *dir);   /* and its parents */
void bench_folder_copy(const char *from, const char *to);

#endif
