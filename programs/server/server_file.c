/* SPDX-License-Identifier: MIT */
/* Small files of configuration: read whole, replaced whole. */
#include "server/server_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/bytes.h"
#include "util/error.h"

enum { CONFIGURATION_MAX = 4 << 20, PATH_SIZE = 4096 };

static sop_status read_whole(int file, const char *path, uint8_t *to, size_t *size, sop_error *err)
{
    size_t wanted = *size;
    *size = 0;
    while (*size < wanted) {
        ssize_t got = read(file, to + *size, wanted - *size);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return sop_fail_errno(err, errno, 0, "reading %.150s", path);
        if (got == 0) break;
        *size += (size_t)got;
    }
    return SOP_OK;
}

sop_status server_file_read(
    const char *path, size_t size_max, sop_arena *arena, sop_slice *out, sop_error *err)
{
    struct stat info;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0 && errno == ENOENT) {
        return sop_fail(err, SOP_NOT_FOUND, "%.200s: no such file", path);
    }
    if (file < 0) return sop_fail_errno(err, errno, 0, "opening %.150s", path);
    sop_status status = SOP_OK;
    uint8_t *to = NULL;
    size_t size = 0;
    if (fstat(file, &info) != 0 || !S_ISREG(info.st_mode)) {
        status = sop_fail(err, SOP_INVALID, "%.200s: not a file", path);
    } else if ((uint64_t)info.st_size > size_max) {
        status = sop_fail(err, SOP_TOO_LARGE, "%.150s: %lld bytes exceed %zu", path,
                          (long long)info.st_size, size_max);
    } else {
        size = (size_t)info.st_size;
        to = sop_arena_alloc(arena, size + 1);
        status = to == NULL ? sop_fail(err, SOP_NO_MEMORY, "%.150s: out of memory", path)
                            : read_whole(file, path, to, &size, err);
    }
    (void)close(file);
    if (status != SOP_OK) return status;
    to[size] = 0;
    *out = sop_slice_of(to, size);
    return SOP_OK;
}

sop_status server_file_json(const char *path, sop_arena *arena, sop_json_value *out, sop_error *err)
{
    sop_slice text;
    sop_json_position where;
    sop_status status = server_file_read(path, CONFIGURATION_MAX, arena, &text, err);
    if (status != SOP_OK) return status;
    if (sop_json_check(text, NULL, &where, NULL) != SOP_OK || sop_json_read(text, out) != SOP_OK) {
        return sop_fail(err, SOP_INVALID, "%.120s line %zu: not JSON: %s", path, where.line,
                        where.reason);
    }
    return SOP_OK;
}

static sop_status write_whole(int file, const char *path, sop_slice text, sop_error *err)
{
    const uint8_t *at = text.data;
    size_t left = text.size;
    while (left > 0) {
        ssize_t put = write(file, at, left);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return sop_fail_errno(err, errno, 1, "writing %.150s", path);
        at += put;
        left -= (size_t)put;
    }
    return fsync(file) == 0 ? SOP_OK : sop_fail_errno(err, errno, 1, "writing %.150s", path);
}

sop_status server_file_write(const char *path, sop_slice text, sop_error *err)
{
    char beside[PATH_SIZE];
    int size = snprintf(beside, sizeof beside, "%s.new", path);
    if (size < 0 || (size_t)size >= sizeof beside) {
        return sop_fail(err, SOP_INVALID, "path %.100s...: too long", path);
    }
    int file = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (file < 0) return sop_fail_errno(err, errno, 1, "creating %.150s", beside);
    sop_status status = write_whole(file, beside, text, err);
    if (close(file) != 0 && status == SOP_OK) {
        status = sop_fail_errno(err, errno, 1, "writing %.150s", beside);
    }
    if (status == SOP_OK && rename(beside, path) != 0) {
        status = sop_fail_errno(err, errno, 1, "replacing %.150s", path);
    }
    if (status != SOP_OK) (void)unlink(beside);
    return status;
}
