/* SPDX-License-Identifier: MIT */
/* Creation of a database folder: built beside its place under a name of its own, then renamed into
 * it, whole and durable. */
#define _GNU_SOURCE       1
#define _FILE_OFFSET_BITS 64
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/backend_file.h"
#include "util/assert.h"
#include "util/error.h"
#include "util/memory.h"
#include "util/world.h"

enum {
    FOLDER_FLAGS = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
    /* Leaves room for ".new-" and 16 digits in a name of 255 bytes. */
    BUILDING_PREFIX_MAX = 200
};

static int sync_fd(int fd)
{
    int result;
    do {
        result = fsync(fd);
    } while (result != 0 && errno == EINTR);
    return result;
}

sop_status sop_backend__folder_walk(
    int folder_fd, const char *path, sop_backend__entry_fn fn, void *context, sop_error *err)
{
    /* A descriptor of its own: the position of a listing belongs to the open file. */
    int fd = openat(folder_fd, ".", FOLDER_FLAGS);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (dir == NULL) {
        int number = errno;
        if (fd >= 0) (void)close(fd);
        return sop_fail_errno(err, number, 0, "%s: listing the folder", path);
    }
    sop_status status = SOP_OK;
    while (status == SOP_OK) {
        errno = 0;
        /* NOLINTNEXTLINE(concurrency-mt-unsafe): no other thread has this DIR. */
        const struct dirent *entry = readdir(dir);
        if (entry == NULL) {
            if (errno != 0) status = sop_fail_errno(err, errno, 0, "%s: listing the folder", path);
            break;
        }
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        status = fn(folder_fd, entry->d_name, context, err);
    }
    (void)closedir(dir);
    return status;
}

static sop_status entry_found(int folder_fd, const char *name, void *context, sop_error *err)
{
    (void)folder_fd;
    (void)name;
    (void)context;
    return sop_set(err, SOP_EXISTS);
}

int sop_backend__folder_empty(int folder_fd, const char *path, sop_error *err)
{
    sop_status status = sop_backend__folder_walk(folder_fd, path, entry_found, NULL, err);
    if (status == SOP_OK) return 1;
    return status == SOP_EXISTS ? 0 : status;
}

/* Splits the path into parent folder and leaf, so that "db", "db/", "/x/db", "." and links to
 * folders all work. */
static sop_status place_split(file_backend *backend, char parent[PATH_MAX], sop_error *err)
{
    char full[PATH_MAX];
    size_t size = strlen(backend->path);
    if (size >= sizeof full) {
        return sop_fail(err, SOP_INVALID, "path of %zu bytes is too long", size);
    }
    memcpy(full, backend->path, size + 1);
    while (size > 1 && full[size - 1] == '/') {
        full[--size] = '\0';
    }
    const char *last = strrchr(full, '/');
    const char *leaf = last == NULL ? full : last + 1;
    struct stat info = {0};
    int linked = lstat(full, &info) == 0 && S_ISLNK(info.st_mode);
    if (linked || leaf[0] == '\0' || strcmp(leaf, ".") == 0 || strcmp(leaf, "..") == 0) {
        char real[PATH_MAX];
        if (realpath(full, real) == NULL) return sop_fail_errno(err, errno, 0, "%s", backend->path);
        memcpy(full, real, strlen(real) + 1);
    }
    char *cut = strrchr(full, '/');
    if (full[0] == '/' && full[1] == '\0') {
        return sop_fail(err, SOP_INVALID, "%s: the root folder cannot be a database",
                        backend->path);
    }
    backend->leaf = sop_strdup(cut == NULL ? full : cut + 1);
    if (backend->leaf == NULL) return sop_backend__fail_memory(&backend->base, "path", err);
    if (cut == NULL) {
        memcpy(parent, ".", 2);
    } else {
        size_t parent_size = cut == full ? 1 : (size_t)(cut - full);
        memcpy(parent, full, parent_size);
        parent[parent_size] = '\0';
    }
    return SOP_OK;
}

/* What lies at the place already: nothing and an empty folder are fine (*mode_out: its permissions,
 * else 0). */
static sop_status
place_judge_folder(file_backend *backend, int fd, mode_t *mode_out, sop_error *err)
{
    struct stat info = {0};
    struct stat parent = {0};
    int empty = sop_backend__folder_empty(fd, backend->path, err);
    if (empty < 0) return empty;
    if (!empty) {
        int is_database = faccessat(fd, "SOP", F_OK, 0) == 0;
        return sop_fail(err, SOP_EXISTS,
                        is_database ? "%s: a database is there already"
                                    : "%s: the folder is not empty",
                        backend->path);
    }
    if (fstat(fd, &info) != 0 || fstat(backend->parent_fd, &parent) != 0) {
        return sop_fail_errno(err, errno, 0, "%s", backend->path);
    }
    if (info.st_dev != parent.st_dev) {
        return sop_fail(err, SOP_UNSUPPORTED,
                        "%s is a mount point, which cannot be replaced: name a folder inside it",
                        backend->path);
    }
    *mode_out = info.st_mode & 07777;
    return SOP_OK;
}

static sop_status place_judge(file_backend *backend, mode_t *mode_out, sop_error *err)
{
    *mode_out = 0;
    int fd = openat(backend->parent_fd, backend->leaf, FOLDER_FLAGS | O_NOFOLLOW);
    if (fd < 0 && errno == ENOENT) return SOP_OK;
    if (fd < 0 && (errno == ENOTDIR || errno == ELOOP)) {
        return sop_fail(err, SOP_EXISTS, "%s: there is a file of that name, not a folder",
                        backend->path);
    }
    if (fd < 0) return sop_fail_errno(err, errno, 0, "%s", backend->path);
    sop_status status = place_judge_folder(backend, fd, mode_out, err);
    (void)close(fd);
    return status;
}

static sop_status building_make(file_backend *backend, mode_t mode, sop_error *err)
{
    size_t size = strlen(backend->leaf) + sizeof ".new-0123456789abcdef";
    char *leaf = sop_alloc(size);
    if (leaf == NULL) return sop_backend__fail_memory(&backend->base, "path", err);
    (void)snprintf(leaf, size, "%.*s.new-%016" PRIx64, BUILDING_PREFIX_MAX, backend->leaf,
                   sop_random_u64());
    if (mkdirat(backend->parent_fd, leaf, 0777) != 0) {
        int number = errno;
        sop_free(leaf);
        return sop_fail_errno(err, number, 1, "%s: creating a folder beside it", backend->path);
    }
    backend->building_leaf = leaf;
    int root = openat(backend->parent_fd, leaf, FOLDER_FLAGS | O_NOFOLLOW);
    backend->folders[SOP_FOLDER_ROOT] = root;
    if (root < 0 || (mode != 0 && fchmod(root, mode | S_IRWXU) != 0)) {
        return sop_fail_errno(err, errno, 1, "%s: creating a folder beside it", backend->path);
    }
    for (int i = SOP_FOLDER_LOG; i < SOP_FOLDER_COUNT; i++) {
        if (mkdirat(root, sop_backend__folder_name(i), 0777) != 0) {
            return sop_fail_errno(err, errno, 1, "%s: creating folder %s", backend->path,
                                  sop_backend__folder_name(i));
        }
    }
    return sop_backend__file_open_folders(backend, err);
}

sop_status sop_backend__file_build(file_backend *backend, int local_allowed, sop_error *err)
{
    char parent[PATH_MAX];
    mode_t mode = 0;
    backend->building = 1;
    sop_status status = place_split(backend, parent, err);
    if (status != SOP_OK) return status;
    backend->parent_fd = open(parent, FOLDER_FLAGS);
    if (backend->parent_fd < 0) {
        return sop_fail_errno(err, errno, 0, "%s: its parent folder", backend->path);
    }
    status = place_judge(backend, &mode, err);
    if (status == SOP_OK) {
        status = sop_backend__fs_check(backend->parent_fd, parent, local_allowed, err);
    }
    if (status == SOP_OK) status = building_make(backend, mode, err);
    return status;
}

static sop_status entry_sync(int folder_fd, const char *name, void *context, sop_error *err)
{
    const file_backend *backend = context;
    int fd = openat(folder_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0 || sync_fd(fd) != 0) {
        int number = errno;
        if (fd >= 0) (void)close(fd);
        return sop_fail_errno(err, number, 1, "%s: syncing new file %s", backend->path, name);
    }
    (void)close(fd);
    return SOP_OK;
}

static sop_status rename_failed(const file_backend *backend, int number, sop_error *err)
{
    switch (number) {
    case EEXIST:
    case ENOTEMPTY:
        return sop_fail(err, SOP_EXISTS, "%s: the folder is not empty any more", backend->path);
    case ENOTDIR:
        return sop_fail(err, SOP_EXISTS, "%s: there is a file of that name, not a folder",
                        backend->path);
    case EBUSY:
    case EXDEV:
        return sop_fail(err, SOP_UNSUPPORTED,
                        "%s is a mount point, which cannot be replaced: name a folder inside it",
                        backend->path);
    default:
        return sop_fail_errno(err, number, 1, "%s: renaming the new database into place",
                              backend->path);
    }
}

sop_status sop_backend__file_publish(sop_backend *base, sop_error *err)
{
    file_backend *backend = (file_backend *)base;
    if (!backend->building) {
        return sop_fail(err, SOP_INVALID, "%s is published already", backend->path);
    }
    for (int i = SOP_FOLDER_COUNT - 1; i >= 0; i--) {
        int fd = backend->folders[i];
        sop_status status = sop_backend__folder_walk(fd, backend->path, entry_sync, backend, err);
        if (status != SOP_OK) return status;
        if (sync_fd(fd) != 0) {
            return sop_fail_errno(err, errno, 1, "%s: syncing folder %s", backend->path,
                                  sop_backend__folder_name(i));
        }
    }
    /* rename(2) of a folder replaces nothing but an empty folder, which is just what is allowed
     * here. */
    if (renameat(backend->parent_fd, backend->building_leaf, backend->parent_fd, backend->leaf) !=
        0) {
        return rename_failed(backend, errno, err);
    }
    backend->building = 0;
    if (sync_fd(backend->parent_fd) != 0) {
        return sop_fail_errno(err, errno, 1, "%s: syncing its parent folder", backend->path);
    }
    return SOP_OK;
}

static sop_status entry_remove(int folder_fd, const char *name, void *context, sop_error *err)
{
    (void)context;
    (void)err;
    /* Sub-folders are refused by unlink and handled by the caller. */
    (void)unlinkat(folder_fd, name, 0);
    return SOP_OK;
}

void sop_backend__file_unbuild(file_backend *backend)
{
    if (!backend->building || backend->building_leaf == NULL) return;
    int root = backend->folders[SOP_FOLDER_ROOT];
    for (int i = SOP_FOLDER_COUNT - 1; i >= 0 && root >= 0; i--) {
        int fd =
            i == SOP_FOLDER_ROOT ? root : openat(root, sop_backend__folder_name(i), FOLDER_FLAGS);
        if (fd < 0) continue;
        (void)sop_backend__folder_walk(fd, backend->path, entry_remove, NULL, NULL);
        if (i == SOP_FOLDER_ROOT) continue;
        (void)close(fd);
        (void)unlinkat(root, sop_backend__folder_name(i), AT_REMOVEDIR);
    }
    (void)unlinkat(backend->parent_fd, backend->building_leaf, AT_REMOVEDIR);
}
