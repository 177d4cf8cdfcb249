/* SPDX-License-Identifier: MIT */
/*
 * Private to the file backend: a database in a folder of a local file system.
 *
 * file-1  All work goes through descriptors of the folders, so renaming the folder (publish)
 * changes nothing for open files. file-2  A database under construction lies in a sibling folder
 * <path>.new-<random hex>; free removes it unless published. file-3  A read-only backend creates
 * nothing, not even a lock file.
 */
#ifndef SOP_BACKEND_BACKEND_FILE_H
#define SOP_BACKEND_BACKEND_FILE_H

#include <stdatomic.h>
#include <stdint.h>

#include "sop/types.h"

#include "backend/backend.h"
#include "backend/backend_private.h"
#include "util/mutex.h"

typedef struct file_backend {
    sop_backend base;
    char *path;                    /* as given by the caller; base.url */
    int folders[SOP_FOLDER_COUNT]; /* descriptors; -1: not open */
    _Atomic uint32_t files_open;   /* own bugs only: must be 0 at free */
    sop_mutex mutex;
    _Atomic int
        lock_fd;      /* changes with mutex held, or in the child of a fork; -1: not opened yet */
    void *page;       /* guarded by mutex; NULL: not mapped yet */
    size_t page_size; /* guarded by mutex */
    uint64_t page_device; /* of the file that is mapped, as page_inode; written once before page */
    uint64_t page_inode;
    struct file_backend *fork_next; /* of the list in backend_file_lock.c */
    /* Only while under construction and until free: */
    int building;        /* 1: not yet published */
    int parent_fd;       /* -1: opened as an existing database */
    char *leaf;          /* name of the database inside the parent folder */
    char *building_leaf; /* name of the folder under construction; NULL: not made yet */
} file_backend;

/* How far a file system can be trusted with locks, maps and renames shared by all processes of a
 * host. */
enum { SOP_FS_LOCAL = 0, SOP_FS_NETWORK = 1, SOP_FS_UNKNOWN = 2 };

/* Classifies statfs.f_type; *name_out is its usual name ("ext4", "nfs", "unknown"). */
int sop_backend__fs_class(uint32_t f_type, const char **name_out);
/* SOP_OK for a local file system, or for any when local_allowed; else SOP_UNSUPPORTED. */
sop_status
sop_backend__fs_judge(uint32_t f_type, const char *path, int local_allowed, sop_error *err);
/* The same for the file system of an open folder. */
sop_status
sop_backend__fs_check(int folder_fd, const char *path, int local_allowed, sop_error *err);

/* Creation: makes the folder under construction and opens it. */
sop_status sop_backend__file_build(file_backend *backend, int local_allowed, sop_error *err);
sop_status sop_backend__file_publish(sop_backend *base, sop_error *err);
/* Removes what file_build made, as far as it came. */
void sop_backend__file_unbuild(file_backend *backend);
/* Opens the three folders inside folders[0]. */
sop_status sop_backend__file_open_folders(file_backend *backend, sop_error *err);
/* 1: the folder has no entries; 0: it has; below 0: a status. */
int sop_backend__folder_empty(int folder_fd, const char *path, sop_error *err);

/* Calls fn for each entry of an open folder but "." and ".."; a non-OK status stops. */
typedef sop_status (*sop_backend__entry_fn)(int folder_fd,
                                            const char *name,
                                            void *context,
                                            sop_error *err);
sop_status sop_backend__folder_walk(
    int folder_fd, const char *path, sop_backend__entry_fn fn, void *context, sop_error *err);

/* Locks and the shared page. */
/* From open to free the backend is on the list of those whose locks the child of a fork closes. */
void sop_backend__file_forks_watch(file_backend *backend);
void sop_backend__file_forks_forget(file_backend *backend);
sop_status sop_backend__file_lock(
    sop_backend *base, uint64_t byte, int exclusive, uint32_t wait_ms, sop_error *err);
void sop_backend__file_unlock(sop_backend *base, uint64_t byte);
int sop_backend__file_lock_held(sop_backend *base, uint64_t byte);
sop_status
sop_backend__file_shared_page(sop_backend *base, size_t size, void **out, sop_error *err);
int sop_backend__file_shared_page_linked(sop_backend *base);

#endif
