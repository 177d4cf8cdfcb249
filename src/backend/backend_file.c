/* SPDX-License-Identifier: MIT */
/* The file backend: a database in a folder of a local file system. Invariants in backend_file.h. */
#define _GNU_SOURCE       1 /* O_DIRECT */
#define _FILE_OFFSET_BITS 64
#include "backend/backend_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "util/assert.h"
#include "util/bytes.h"
#include "util/error.h"
#include "util/memory.h"

typedef struct {
    sop_file base;
    int fd;
    int direct_fd;          /* -1: none */
    _Atomic int direct_off; /* the medium refused once */
    int writable;
    char name[]; /* base.name */
} disk_file;

static const sop_backend_ops FILE_OPS;

static file_backend *backend_of(sop_backend *base)
{
    return (file_backend *)base;
}

static disk_file *file_of(sop_file *base)
{
    return (disk_file *)base;
}

static const char *path_of(const sop_file *file)
{
    return file->backend->url;
}

/* ---- open, close, list, remove ---- */

/* O_NONBLOCK, so that a foreign pipe in the folder is an error and not an endless wait; regular
 * files ignore it. */
static sop_status
descriptor_open(disk_file *file, int folder_fd, const char *leaf, int flags, sop_error *err)
{
    int mode = (flags & SOP_FILE_WRITE) != 0 ? O_RDWR : O_RDONLY;
    int create = (flags & SOP_FILE_CREATE) != 0 ? O_CREAT | O_EXCL : 0;
    struct stat info = {0};
    const char *path = path_of(&file->base);
    file->fd = openat(folder_fd, leaf, mode | create | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0666);
    if (file->fd < 0) {
        return sop_fail_errno(err, errno, (flags & SOP_FILE_WRITE) != 0, "%s/%s", path, file->name);
    }
    if (fstat(file->fd, &info) != 0) {
        return sop_fail_errno(err, errno, 0, "%s/%s", path, file->name);
    }
    if (!S_ISREG(info.st_mode)) {
        return sop_fail(err, SOP_CORRUPT, "%s/%s is not a regular file", path, file->name);
    }
    if ((flags & SOP_FILE_DIRECT) != 0 && (flags & SOP_FILE_WRITE) != 0) {
        file->direct_fd =
            openat(folder_fd, leaf, O_RDWR | O_DIRECT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    }
    return SOP_OK;
}

static void file_close(sop_file *base)
{
    disk_file *file = file_of(base);
    if (file->direct_fd >= 0) (void)close(file->direct_fd);
    if (file->fd >= 0) (void)close(file->fd);
    /* Relaxed: only compared with 0 when the caller says that all files are closed. */
    atomic_fetch_sub_explicit(&backend_of(base->backend)->files_open, 1, memory_order_relaxed);
    sop_free(file);
}

static sop_status
file_open(sop_backend *base, const char *name, int flags, sop_file **out, sop_error *err)
{
    int folder = 0;
    const char *leaf = NULL;
    *out = NULL;
    sop_status status = sop_backend__name_split(base, name, &folder, &leaf, err);
    if (status != SOP_OK) return status;
    if ((flags & SOP_FILE_CREATE) != 0) flags |= SOP_FILE_WRITE;
    if ((flags & SOP_FILE_WRITE) != 0 && base->read_only) {
        return sop_backend__fail_read_only(base, name, err);
    }
    size_t name_size = strlen(name) + 1;
    disk_file *file = sop_alloc_zeroed(sizeof *file + name_size);
    if (file == NULL) return sop_backend__fail_memory(base, name, err);
    memcpy(file->name, name, name_size);
    file->base = (sop_file){base->ops, base, file->name};
    file->fd = -1;
    file->direct_fd = -1;
    file->writable = (flags & SOP_FILE_WRITE) != 0;
    atomic_fetch_add_explicit(&backend_of(base)->files_open, 1, memory_order_relaxed);
    status = descriptor_open(file, backend_of(base)->folders[folder], leaf, flags, err);
    if (status != SOP_OK) {
        file_close(&file->base);
        return status;
    }
    *out = &file->base;
    return SOP_OK;
}

static sop_status file_remove(sop_backend *base, const char *name, sop_error *err)
{
    int folder = 0;
    const char *leaf = NULL;
    sop_status status = sop_backend__name_split(base, name, &folder, &leaf, err);
    if (status != SOP_OK) return status;
    if (base->read_only) return sop_backend__fail_read_only(base, "removing a file", err);
    if (unlinkat(backend_of(base)->folders[folder], leaf, 0) == 0) return SOP_OK;
    return sop_fail_errno(err, errno, 1, "%s/%s: removing the file", base->url, name);
}

typedef struct {
    sop_list_fn fn;
    void *context;
} list_call;

/* Names that the door would not open (hidden ones, editors' copies) and files that just vanished
 * are left out. */
static sop_status entry_list(int folder_fd, const char *name, void *context, sop_error *err)
{
    const list_call *call = context;
    struct stat info = {0};
    if (!sop_backend__leaf_valid(name)) return SOP_OK;
    if (fstatat(folder_fd, name, &info, 0) != 0) {
        if (errno == ENOENT) return SOP_OK;
        return sop_fail_errno(err, errno, 0, "%s: its size", name);
    }
    if (!S_ISREG(info.st_mode)) return SOP_OK;
    return call->fn(name, (uint64_t)info.st_size, call->context);
}

static sop_status
file_list(sop_backend *base, const char *folder, sop_list_fn fn, void *context, sop_error *err)
{
    int number = sop_backend__folder_find(folder);
    if (number < 0) return sop_fail(err, SOP_INVALID, "%s: no folder \"%s\"", base->url, folder);
    list_call call = {fn, context};
    return sop_backend__folder_walk(backend_of(base)->folders[number], base->url, entry_list, &call,
                                    err);
}

static sop_status file_folder_sync(sop_backend *base, const char *folder, sop_error *err)
{
    int number = sop_backend__folder_find(folder);
    if (number < 0) return sop_fail(err, SOP_INVALID, "%s: no folder \"%s\"", base->url, folder);
    if (base->read_only) return sop_backend__fail_read_only(base, "syncing a folder", err);
    int result;
    do {
        result = fsync(backend_of(base)->folders[number]);
    } while (result != 0 && errno == EINTR);
    if (result == 0) return SOP_OK;
    return sop_fail_errno(err, errno, 1, "%s: syncing folder \"%s\"", base->url, folder);
}

static sop_status
file_head_swap(sop_backend *base, const char *from, const char *to, sop_error *err)
{
    if (!sop_backend__leaf_valid(from) || !sop_backend__leaf_valid(to)) {
        return sop_fail(err, SOP_INVALID, "%s: head \"%s\" to \"%s\": not a name", base->url, from,
                        to);
    }
    if (base->read_only) return sop_backend__fail_read_only(base, "moving the head", err);
    int fd = backend_of(base)->folders[SOP_FOLDER_HEAD];
    if (renameat(fd, from, fd, to) == 0) return SOP_OK;
    return sop_fail_errno(err, errno, 1, "%s: moving head %s", base->url, from);
}

static uint64_t file_space_free(sop_backend *base)
{
    struct statvfs info = {0};
    if (fstatvfs(backend_of(base)->folders[SOP_FOLDER_ROOT], &info) != 0) return UINT64_MAX;
    uint64_t bytes = 0;
    return sop_checked_mul((uint64_t)info.f_bavail, (uint64_t)info.f_frsize, &bytes) ? UINT64_MAX
                                                                                     : bytes;
}

/* ---- bytes ---- */

static sop_status file_read(
    sop_file *base, uint64_t offset, void *buffer, size_t size, size_t *read_out, sop_error *err)
{
    uint64_t end = 0;
    size_t done = 0;
    *read_out = 0;
    sop_status status = sop_backend__range_end(base, offset, size, &end, err);
    if (status != SOP_OK) return status;
    while (done < size) {
        ssize_t n =
            pread(file_of(base)->fd, (uint8_t *)buffer + done, size - done, (off_t)(offset + done));
        if (n == 0) break;
        if (n > 0) {
            done += (size_t)n;
        } else if (errno != EINTR) {
            return sop_fail_errno(err, errno, 0, "%s/%s: reading %zu bytes at offset %" PRIu64,
                                  path_of(base), base->name, size - done, offset + done);
        }
    }
    *read_out = done;
    return SOP_OK;
}

SOP_INLINE int
direct_usable(const disk_file *file, uint64_t offset, const uint8_t *data, size_t size)
{
    if (file->direct_fd < 0) return 0;
    /* Relaxed: a hint; a stale value costs one refused call. */
    if (atomic_load_explicit(&file->direct_off, memory_order_relaxed)) return 0;
    return ((offset | (uintptr_t)data | size) & (SOP_DIRECT_ALIGN - 1)) == 0;
}

static sop_status
file_write(sop_file *base, uint64_t offset, const void *data, size_t size, sop_error *err)
{
    disk_file *file = file_of(base);
    const uint8_t *from = data;
    uint64_t end = 0;
    sop_status status = sop_backend__range_end(base, offset, size, &end, err);
    if (status != SOP_OK) return status;
    if (!file->writable) return sop_backend__fail_read_only(base->backend, base->name, err);
    for (size_t done = 0; done < size;) {
        int direct = direct_usable(file, offset + done, from + done, size - done);
        ssize_t n = pwrite(direct ? file->direct_fd : file->fd, from + done, size - done,
                           (off_t)(offset + done));
        if (n > 0) {
            done += (size_t)n;
        } else if (n < 0 && errno == EINTR) {
            continue;
        } else if (n < 0 && direct && errno == EINVAL) {
            atomic_store_explicit(&file->direct_off, 1, memory_order_relaxed);
        } else {
            return sop_fail_errno(err, n < 0 ? errno : EIO, 1,
                                  "%s/%s: writing %zu bytes at offset %" PRIu64, path_of(base),
                                  base->name, size - done, offset + done);
        }
    }
    return SOP_OK;
}

static sop_status file_sync(sop_file *base, sop_error *err)
{
    int result;
    do {
        result = fdatasync(file_of(base)->fd);
    } while (result != 0 && errno == EINTR);
    if (SOP_LIKELY(result == 0)) return SOP_OK;
    return sop_fail_errno(err, errno, 1, "%s/%s: syncing the file", path_of(base), base->name);
}

static sop_status file_size(sop_file *base, uint64_t *out, sop_error *err)
{
    struct stat info = {0};
    *out = 0;
    if (fstat(file_of(base)->fd, &info) != 0) {
        return sop_fail_errno(err, errno, 0, "%s/%s: its size", path_of(base), base->name);
    }
    *out = (uint64_t)info.st_size;
    return SOP_OK;
}

static sop_status map_check_writable(sop_file *base, uint64_t size, sop_error *err)
{
    uint64_t have = 0;
    if (!file_of(base)->writable) {
        return sop_backend__fail_read_only(base->backend, base->name, err);
    }
    sop_status status = file_size(base, &have, err);
    if (status != SOP_OK || have >= size) return status;
    return sop_fail(err, SOP_INVALID,
                    "%s/%s: a writable map of %" PRIu64 " bytes leaves the file of %" PRIu64,
                    path_of(base), base->name, size, have);
}

static sop_status file_map(sop_file *base, uint64_t size, int writable, void **out, sop_error *err)
{
    *out = NULL;
    if (size == 0 || size > SIZE_MAX / 2) {
        return sop_fail(err, SOP_INVALID, "%s/%s: a map of %" PRIu64 " bytes", path_of(base),
                        base->name, size);
    }
    sop_status status = writable ? map_check_writable(base, size, err) : SOP_OK;
    if (status != SOP_OK) return status;
    int protection = writable ? PROT_READ | PROT_WRITE : PROT_READ;
    void *map = mmap(NULL, (size_t)size, protection, MAP_SHARED, file_of(base)->fd, 0);
    if (map == MAP_FAILED && errno == ENODEV) {
        return sop_fail(err, SOP_UNSUPPORTED, "%s/%s cannot be mapped", path_of(base), base->name);
    }
    if (map == MAP_FAILED) {
        return sop_fail_errno(err, errno, writable, "%s/%s: mapping %" PRIu64 " bytes",
                              path_of(base), base->name, size);
    }
    *out = map;
    return SOP_OK;
}

static void file_unmap(sop_backend *base, void *map, uint64_t size)
{
    (void)base;
    SOP_ASSERT(munmap(map, (size_t)size) == 0);
}

/* ---- the backend ---- */

static void file_free(sop_backend *base)
{
    file_backend *backend = backend_of(base);
    SOP_ASSERT(atomic_load_explicit(&backend->files_open, memory_order_relaxed) == 0);
    sop_backend__file_forks_forget(backend);
    sop_backend__file_unbuild(backend);
    if (backend->page != NULL) (void)munmap(backend->page, backend->page_size);
    int lock_fd = atomic_load_explicit(&backend->lock_fd, memory_order_relaxed);
    if (lock_fd >= 0) (void)close(lock_fd);
    for (int i = 0; i < SOP_FOLDER_COUNT; i++) {
        if (backend->folders[i] >= 0) (void)close(backend->folders[i]);
    }
    if (backend->parent_fd >= 0) (void)close(backend->parent_fd);
    sop_free(backend->building_leaf);
    sop_free(backend->leaf);
    sop_free(backend->path);
    sop_free(backend);
}

sop_status sop_backend__file_open_folders(file_backend *backend, sop_error *err)
{
    for (int i = SOP_FOLDER_LOG; i < SOP_FOLDER_COUNT; i++) {
        const char *name = sop_backend__folder_name(i);
        int fd =
            openat(backend->folders[SOP_FOLDER_ROOT], name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0 && (errno == ENOENT || errno == ENOTDIR)) {
            return sop_fail(err, SOP_CORRUPT, "%s: its folder %s is missing", backend->path, name);
        }
        if (fd < 0) return sop_fail_errno(err, errno, 0, "%s/%s", backend->path, name);
        backend->folders[i] = fd;
    }
    return SOP_OK;
}

/* Not a database: an empty folder and one with other files are worth different words. */
static sop_status fail_no_database(const file_backend *backend, sop_error *err)
{
    int empty = sop_backend__folder_empty(backend->folders[SOP_FOLDER_ROOT], backend->path, err);
    if (empty < 0) return empty;
    return sop_fail(err, SOP_NOT_FOUND,
                    empty ? "%s: no database there, the folder is empty"
                          : "%s: not a SOP database (no file SOP in the folder)",
                    backend->path);
}

static sop_status open_existing(file_backend *backend, int local_allowed, sop_error *err)
{
    struct stat info = {0};
    int fd = open(backend->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) {
        return sop_fail(err, SOP_NOT_FOUND, "%s: no database there", backend->path);
    }
    if (fd < 0 && errno == ENOTDIR) {
        return sop_fail(err, SOP_NOT_FOUND, "%s: not a SOP database (not a folder)", backend->path);
    }
    if (fd < 0) return sop_fail_errno(err, errno, 0, "%s", backend->path);
    backend->folders[SOP_FOLDER_ROOT] = fd;
    if (fstatat(fd, "SOP", &info, 0) != 0) {
        if (errno == ENOENT) return fail_no_database(backend, err);
        return sop_fail_errno(err, errno, 0, "%s/SOP", backend->path);
    }
    sop_status status = sop_backend__fs_check(fd, backend->path, local_allowed, err);
    if (status == SOP_OK) status = sop_backend__file_open_folders(backend, err);
    if (status != SOP_OK) return status;
    /* A medium or folder that refuses writes is told by read_only; the caller decides whether that
     * will do. */
    for (int i = 0; i < SOP_FOLDER_COUNT && !backend->base.read_only; i++) {
        if (faccessat(backend->folders[i], ".", W_OK, AT_EACCESS) != 0) backend->base.read_only = 1;
    }
    return SOP_OK;
}

sop_status sop_backend_file_open(
    const char *path, int how, int read_only, int local_allowed, sop_backend **out, sop_error *err)
{
    *out = NULL;
    if (path == NULL || path[0] == '\0') {
        return sop_fail(err, SOP_INVALID, "the path of the database is empty");
    }
    if (how == SOP_BACKEND_NEW && read_only) {
        return sop_fail(err, SOP_READ_ONLY, "%s: a new database cannot be read only", path);
    }
    file_backend *backend = sop_alloc_zeroed(sizeof *backend);
    if (backend == NULL) return sop_fail(err, SOP_NO_MEMORY, "%s: out of memory", path);
    for (int i = 0; i < SOP_FOLDER_COUNT; i++) {
        backend->folders[i] = -1;
    }
    atomic_store_explicit(&backend->lock_fd, -1, memory_order_relaxed);
    backend->parent_fd = -1;
    backend->base.ops = &FILE_OPS;
    backend->base.read_only = read_only;
    backend->path = sop_strdup(path);
    backend->base.url = backend->path;
    sop_status status = SOP_OK;
    if (backend->path == NULL) {
        status = sop_fail(err, SOP_NO_MEMORY, "%s: out of memory", path);
    } else if (how == SOP_BACKEND_NEW) {
        status = sop_backend__file_build(backend, local_allowed, err);
    } else {
        status = open_existing(backend, local_allowed, err);
    }
    if (status != SOP_OK) {
        file_free(&backend->base);
        return status;
    }
    sop_backend__file_forks_watch(backend);
    *out = &backend->base;
    return SOP_OK;
}

static const sop_backend_ops FILE_OPS = {
    .file_open = file_open,
    .remove = file_remove,
    .list = file_list,
    .folder_sync = file_folder_sync,
    .head_swap = file_head_swap,
    .lock = sop_backend__file_lock,
    .unlock = sop_backend__file_unlock,
    .lock_held = sop_backend__file_lock_held,
    .shared_page = sop_backend__file_shared_page,
    .shared_page_linked = sop_backend__file_shared_page_linked,
    .space_free = file_space_free,
    .publish = sop_backend__file_publish,
    .free = file_free,
    .file_close = file_close,
    .file_read = file_read,
    .file_write = file_write,
    .file_sync = file_sync,
    .file_size = file_size,
    .file_map = file_map,
    .file_unmap = file_unmap,
};
