/* SPDX-License-Identifier: MIT */
/*
 * Loaded in front of the C library (LD_PRELOAD): some writes and syncs of files of the database fail.
 * TORTURE_SHIM: how many of a million; TORTURE_SHIM_SEED: where the chance begins.
 */
#define _GNU_SOURCE 1 /* RTLD_NEXT */
#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static _Atomic uint64_t calls;

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset);
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset);
int fdatasync(int fd);
int fsync(int fd);

static uint64_t number_of(const char *name)
{
    const char *text = getenv(name);
    return text == NULL ? 0 : strtoull(text, NULL, 10);
}

/* Only files below log/ and seg/; the histories are no business of ours. */
static int is_ours(int fd)
{
    char link[64];
    char path[512];
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, sizeof path - 1);
    if (size <= 0) return 0;
    path[size] = '\0';
    return strstr(path, "/db/log/") != NULL || strstr(path, "/db/seg/") != NULL;
}

static int strikes(int fd)
{
    uint64_t z = number_of("TORTURE_SHIM_SEED") + atomic_fetch_add(&calls, 1) * 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    return z % 1000000 < number_of("TORTURE_SHIM") && is_ours(fd);
}

typedef ssize_t (*write_fn)(int, const void *, size_t, off64_t);
typedef int (*sync_fn)(int);

static void next_of(const char *name, void *out)
{
    void *symbol = dlsym(RTLD_NEXT, name);
    memcpy(out, &symbol, sizeof symbol);
}

/* Half of the failing writes leave a part behind; a short write is no error by itself. */
static ssize_t write_or_fail(int fd, const void *data, size_t size, off64_t offset)
{
    static write_fn next;
    if (next == NULL) next_of("pwrite64", &next);
    if (!strikes(fd)) return next(fd, data, size, offset);
    uint64_t kind = atomic_load(&calls) % 3;
    if (kind == 0 && size > 1) return next(fd, data, size / 2, offset);
    errno = kind == 1 ? EIO : ENOSPC;
    return -1;
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset)
{
    return write_or_fail(fd, data, size, offset);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset)
{
    return write_or_fail(fd, data, size, offset);
}

int fdatasync(int fd)
{
    static sync_fn next;
    if (next == NULL) next_of("fdatasync", &next);
    if (!strikes(fd)) return next(fd);
    errno = EIO;
    return -1;
}

int fsync(int fd)
{
    static sync_fn next;
    if (next == NULL) next_of("fsync", &next);
    if (!strikes(fd)) return next(fd);
    errno = EIO;
    return -1;
}
