/* SPDX-License-Identifier: MIT */
/* Folders of databases: which urls are allowed, what is a database, removing one. */
#define _DEFAULT_SOURCE /* realpath */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/server_private.h"
#include "util/bytes.h"
#include "util/error.h"
#include "util/memory.h"

enum { PATH_SIZE = PATH_MAX };

sop_status server_url_folder(const char *url, char **folder_out, sop_error *err)
{
    *folder_out = NULL;
    if (strncmp(url, "memory:", 7) == 0) return SOP_OK;
    if (strncmp(url, "cassandra:", 10) == 0 || strncmp(url, "redis:", 6) == 0 ||
        strncmp(url, "swarm:", 6) == 0) {
        return sop_fail(err, SOP_UNSUPPORTED, "%.100s: not supported by this build", url);
    }
    size_t size = strlen(url);
    if (strncmp(url, "file:", 5) == 0) {
        url += 5;
        size = strcspn(url, "?");
    }
    if (size == 0) return sop_fail(err, SOP_INVALID, "url: it names no folder");
    if (size >= PATH_SIZE) return sop_fail(err, SOP_INVALID, "url: longer than %d", PATH_SIZE);
    char *folder = sop_alloc(size + 1);
    if (folder == NULL) return sop_fail(err, SOP_NO_MEMORY, "url: out of memory");
    memcpy(folder, url, size);
    folder[size] = '\0';
    *folder_out = folder;
    return SOP_OK;
}

int server_is_database(const char *folder)
{
    char path[PATH_SIZE];
    struct stat info;
    int size = snprintf(path, sizeof path, "%s/SOP", folder);
    return size > 0 && (size_t)size < sizeof path && stat(path, &info) == 0 &&
           S_ISREG(info.st_mode);
}

/* ---- allowed places ---- */

static int is_inside(const char *path, const char *root)
{
    size_t size = strlen(root);
    if (strcmp(root, "/") == 0) return 1;
    return strncmp(path, root, size) == 0 && (path[size] == '/' || path[size] == '\0');
}

/* The folder as it is called without links and dots; its last part need not exist. */
static sop_status resolve(const char *folder, char out[PATH_SIZE], sop_error *err)
{
    char copy[PATH_SIZE];
    char real[PATH_SIZE];
    const char *last = "";
    int found = realpath(folder, real) != NULL;
    if (!found && errno == ENOENT) {
        size_t size = strlen(folder);
        memcpy(copy, folder, size + 1);
        while (size > 1 && copy[size - 1] == '/') {
            copy[--size] = '\0';
        }
        char *slash = strrchr(copy, '/');
        last = slash == NULL ? copy : slash + 1;
        if (strcmp(last, "..") == 0 || strcmp(last, ".") == 0 || last[0] == '\0') {
            return sop_fail(err, SOP_INVALID, "folder %.100s: not a name", folder);
        }
        const char *parent = slash == copy ? "/" : slash == NULL ? "." : copy;
        /* last points behind the slash, which may go. */
        if (slash != NULL && slash != copy) *slash = '\0';
        found = realpath(parent, real) != NULL;
    }
    if (!found) return sop_fail_errno(err, errno, 0, "folder %.150s", folder);
    int size = last[0] == '\0'
                   ? snprintf(out, PATH_SIZE, "%s", real)
                   : snprintf(out, PATH_SIZE, "%s/%s", strcmp(real, "/") == 0 ? "" : real, last);
    if (size < 0 || size >= PATH_SIZE) return sop_fail(err, SOP_INVALID, "folder: too long");
    return SOP_OK;
}

static sop_status allowed_folder(const server *me, const char *folder, char **out, sop_error *err)
{
    char below[PATH_SIZE];
    char path[PATH_SIZE];
    int size = folder[0] == '/' || me->root_count == 0
                   ? snprintf(below, sizeof below, "%s", folder)
                   : snprintf(below, sizeof below, "%s/%s", me->roots[0], folder);
    if (size < 0 || (size_t)size >= sizeof below) {
        return sop_fail(err, SOP_INVALID, "folder: too long");
    }
    sop_status status = resolve(below, path, err);
    if (status != SOP_OK) return status;
    for (size_t i = 0; i < me->root_count; i++) {
        if (!is_inside(path, me->roots[i])) continue;
        *out = sop_strdup(path);
        return *out == NULL ? sop_fail(err, SOP_NO_MEMORY, "folder: out of memory") : SOP_OK;
    }
    return sop_fail(err, SOP_READ_ONLY,
                    "folder %.100s lies outside the folders this server may open", folder);
}

sop_status server_url_allowed(const server *me, sop_slice url, char **url_out, sop_error *err)
{
    char text[PATH_SIZE];
    char *folder = NULL;
    *url_out = NULL;
    if (url.size == 0 || url.size >= sizeof text || !server_is_plain(url)) {
        return sop_fail(err, SOP_INVALID, "url: 1 to %d bytes of plain text", PATH_SIZE - 1);
    }
    memcpy(text, url.data, url.size);
    text[url.size] = '\0';
    sop_status status = server_url_folder(text, &folder, err);
    if (status != SOP_OK) return status;
    if (folder == NULL) {
        *url_out = sop_strdup(text);
        return *url_out == NULL ? sop_fail(err, SOP_NO_MEMORY, "url: out of memory") : SOP_OK;
    }
    char *path = NULL;
    status = allowed_folder(me, folder, &path, err);
    sop_free(folder);
    const char *options = strncmp(text, "file:", 5) == 0 ? strchr(text, '?') : NULL;
    if (status == SOP_OK && options != NULL) {
        size_t size = strlen(path) + strlen(options) + sizeof "file:";
        *url_out = sop_alloc(size);
        if (*url_out == NULL) {
            status = sop_fail(err, SOP_NO_MEMORY, "url: out of memory");
        } else {
            (void)snprintf(*url_out, size, "file:%s%s", path, options);
        }
        sop_free(path);
    } else if (status == SOP_OK) {
        *url_out = path;
    }
    return status;
}

/* ---- removing ---- */

/* The files of one folder, then the folder itself; folders inside are left alone. */
static sop_status empty_folder(const char *path, sop_error *err)
{
    sop_status status = SOP_OK;
    DIR *listing = opendir(path);
    if (listing == NULL) {
        return errno == ENOENT ? SOP_OK : sop_fail_errno(err, errno, 1, "%s", path);
    }
    const struct dirent *entry;
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): the listing belongs to this thread */
    while (status == SOP_OK && (entry = readdir(listing)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        if (unlinkat(dirfd(listing), entry->d_name, 0) != 0) {
            status = sop_fail_errno(err, errno, 1, "removing %.150s", path);
        }
    }
    (void)closedir(listing);
    if (status == SOP_OK && rmdir(path) != 0) {
        status = sop_fail_errno(err, errno, 1, "removing %.150s", path);
    }
    return status;
}

sop_status server_folder_remove(const char *folder, sop_error *err)
{
    static const char *const parts[] = {"/head", "/log", "/seg", ""};
    char path[PATH_SIZE];
    if (!server_is_database(folder) || strlen(folder) + 8 > sizeof path) {
        return sop_fail(err, SOP_NOT_FOUND, "%.150s is not a database", folder);
    }
    /* Without its superblock it is no database any more, whatever happens next. */
    (void)snprintf(path, sizeof path, "%s/SOP", folder);
    if (unlink(path) != 0) return sop_fail_errno(err, errno, 1, "removing %.150s", path);
    sop_status status = SOP_OK;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0] && status == SOP_OK; i++) {
        (void)snprintf(path, sizeof path, "%s%s", folder, parts[i]);
        status = empty_folder(path, err);
    }
    return status;
}
