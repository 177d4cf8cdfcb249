/* SPDX-License-Identifier: MIT */
/* What the operating system knows: time, processor, memory, folders, the device below. */
#include "bench_measure.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#define OPEN_FILES_MAX 16

void bench_sleep_ms(unsigned ms)
{
    struct timespec span = {ms / 1000, (long)(ms % 1000) * 1000000};
    nanosleep(&span, NULL);
}

static double seconds_of(struct timeval t)
{
    return (double)t.tv_sec + (double)t.tv_usec * 1e-6;
}

double bench_cpu_seconds(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime);
}

uint64_t bench_anon_bytes(void)
{
    FILE *file = fopen("/proc/self/status", "r");
    if (file == NULL) return 0;
    char line[256];
    unsigned long long kib = 0;
    while (fgets(line, sizeof line, file) != NULL) {
        if (sscanf(line, "RssAnon: %llu", &kib) == 1) break;
    }
    fclose(file);
    return kib * 1024u;
}

/* nftw has no context argument; the benchmark's processes walk folders from one thread only. */
static struct {
    int (*is_log)(const char *path);
    bench_disk sum;
} walk;

static int add_file(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)at;
    if (type != FTW_F) return 0;
    uint64_t bytes = (uint64_t)st->st_blocks * 512u;
    if (walk.is_log != NULL && walk.is_log(path)) {
        walk.sum.log += bytes;
    } else {
        walk.sum.data += bytes;
    }
    return 0;
}

bench_disk bench_folder_bytes(const char *dir, int (*is_log)(const char *path))
{
    walk.is_log = is_log;
    walk.sum = (bench_disk){0};
    nftw(dir, add_file, OPEN_FILES_MAX, FTW_PHYS);
    return walk.sum;
}

int bench_device_bytes_written(const char *dir, uint64_t *bytes_out)
{
    struct stat st;
    if (stat(dir, &st) != 0) return 0;
    char path[128];
    snprintf(path, sizeof path, "/sys/dev/block/%u:%u/stat", major(st.st_dev), minor(st.st_dev));
    FILE *file = fopen(path, "r");
    if (file == NULL) return 0;
    unsigned long long sectors = 0;
    int fields = fscanf(file, "%*u %*u %*u %*u %*u %*u %llu", &sectors);
    fclose(file);
    *bytes_out = sectors * 512u;
    return fields == 1;
}

void bench_folder_sync(const char *dir)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY);
    if (fd < 0 || syncfs(fd) != 0) bench_die("sync of %s: %s", dir, strerror(errno));
    close(fd);
}

static int evict_file(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)at;
    if (type != FTW_F) return 0;
    int fd = open(path, O_RDONLY);
    if (fd < 0) return 0;
    fsync(fd);
    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    close(fd);
    return 0;
}

void bench_folder_evict(const char *dir)
{
    nftw(dir, evict_file, OPEN_FILES_MAX, FTW_PHYS);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

void bench_folder_remove(const char *dir)
{
    if (nftw(dir, remove_entry, OPEN_FILES_MAX, FTW_PHYS | FTW_DEPTH) != 0 && errno != ENOENT) {
        bench_die("remove %s: %s", dir, strerror(errno));
    }
}

void bench_folder_make(const char *dir)
{
    char path[BENCH_PATH_MAX];
    snprintf(path, sizeof path, "%s", dir);
    for (char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        mkdir(path, 0755);
        *slash = '/';
    }
    if (mkdir(path, 0755) != 0 && errno != EEXIST) bench_die("mkdir %s: %s", dir, strerror(errno));
}

void bench_folder_copy(const char *from, const char *to)
{
    pid_t child = fork();
    if (child == 0) {
        execlp("cp", "cp", "-a", "--reflink=auto", "--sparse=auto", from, to, (char *)NULL);
        _exit(127);
    }
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) != child || status != 0) {
        bench_die("copy %s to %s failed", from, to);
    }
}
