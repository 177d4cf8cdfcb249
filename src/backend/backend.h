/* SPDX-License-Identifier: MIT */
/*
 * The outside door for bytes: named files in four folders, a head, locks, a shared page.
 *
 * Every byte that the library keeps passes through this table, so that a medium (folder, memory, later Cassandra) or a
 * fault-injecting test disk can be put behind it. Names are relative: "SOP", "log/<name>", "seg/<name>", "head/<name>",
 * "lock", "shm". A backend never interprets bytes. Threads: all calls on one backend may come from any thread; two calls
 * on one sop_file may overlap unless said otherwise.
 */
#ifndef SOP_BACKEND_BACKEND_H
#define SOP_BACKEND_BACKEND_H

#include <stddef.h>
#include <stdint.h>

#include "sop/types.h"

#include "util/compiler.h"

typedef struct sop_backend sop_backend;
typedef struct sop_file sop_file;

enum {
    SOP_FILE_WRITE = 1,  /* else read only */
    SOP_FILE_CREATE = 2, /* must not exist yet: SOP_EXISTS */
    SOP_FILE_DIRECT =
        4 /* large aligned writes go past the page cache where the medium can; only a wish */
};

/* Alignment of offset, size and buffer at which SOP_FILE_DIRECT may take the direct way. */
#define SOP_DIRECT_ALIGN 4096u

/* Called once for each name; a status other than SOP_OK stops the listing and is returned. */
typedef sop_status (*sop_list_fn)(const char *name, uint64_t size, void *context);

typedef struct {
    sop_status (*file_open)(
        sop_backend *, const char *name, int flags, sop_file **out, sop_error *err);
    sop_status (*remove)(sop_backend *, const char *name, sop_error *err);
    /* Names (without the folder) in one folder: "log", "seg", "head"; any order. */
    sop_status (*list)(
        sop_backend *, const char *folder, sop_list_fn fn, void *context, sop_error *err);
    /* Names created, removed or renamed in the folder ("" = the root) before the call survive a crash after it. */
    sop_status (*folder_sync)(sop_backend *, const char *folder, sop_error *err);
    /* Compare-and-swap of the head: rename head/<from> to head/<to>, atomically. SOP_NOT_FOUND: lost. Not yet durable. */
    sop_status (*head_swap)(sop_backend *, const char *from, const char *to, sop_error *err);
    /* One byte of the lock file, exclusive or shared, owned by this backend object. wait_ms 0: try. SOP_BUSY: not got. */
    sop_status (*lock)(
        sop_backend *, uint64_t byte, int exclusive, uint32_t wait_ms, sop_error *err);
    void (*unlock)(sop_backend *, uint64_t byte);
    /* 1 if another backend object (any process) holds the byte. */
    int (*lock_held)(sop_backend *, uint64_t byte);
    /* A page shared by all processes of the host that have the database open; zeros when new. Lives until free. */
    sop_status (*shared_page)(sop_backend *, size_t size, void **out, sop_error *err);
    /* 1: another process that asks now would get the very page that shared_page gave. 0: it was removed or replaced. */
    int (*shared_page_linked)(sop_backend *);
    /* Free bytes on the medium, UINT64_MAX when unbounded. */
    uint64_t (*space_free)(sop_backend *);
    /* A database under construction becomes visible at its place, durable; SOP_EXISTS if one is there. */
    sop_status (*publish)(sop_backend *, sop_error *err);
    /* Closes; a database under construction vanishes. */
    void (*free)(sop_backend *);

    void (*file_close)(sop_file *);
    /* Reads up to size bytes; *read_out < size only at the end of the file. */
    sop_status (*file_read)(
        sop_file *, uint64_t offset, void *buffer, size_t size, size_t *read_out, sop_error *err);
    /* Writes all or fails (then any part may have been written); extends the file when beyond its end. */
    sop_status (*file_write)(
        sop_file *, uint64_t offset, const void *data, size_t size, sop_error *err);
    /* All completed writes of this file, and its size, are on stable storage. A failure is never to be retried. */
    sop_status (*file_sync)(sop_file *, sop_error *err);
    sop_status (*file_size)(sop_file *, uint64_t *out, sop_error *err);
    /* Maps [0, size). Read-only maps may reach beyond the end of the file: those bytes may be touched once the file has
       grown over them. writable: the whole range must exist; stores are as file_write; SOP_UNSUPPORTED where the medium
       cannot. The map outlives file_close and remove; it ends with file_unmap. */
    sop_status (*file_map)(sop_file *, uint64_t size, int writable, void **out, sop_error *err);
    void (*file_unmap)(sop_backend *, void *map, uint64_t size);
} sop_backend_ops;

struct sop_backend {
    const sop_backend_ops *ops;
    const char *url;     /* for messages */
    int read_only;       /* the medium refuses writes, or the caller asked for none */
    int volatile_medium; /* memory: nothing survives the process, syncs are free */
};

struct sop_file {
    const sop_backend_ops *ops;
    sop_backend *backend;
    const char *name; /* for messages; owned by the file */
};

/* How to open: an existing database, or a new one that becomes visible only by publish. */
enum { SOP_BACKEND_EXISTING = 0, SOP_BACKEND_NEW = 1 };

/* A folder on a local file system. SOP_NOT_FOUND: no database there (an empty folder, or none). SOP_UNSUPPORTED: a network
   or unknown file system and not local_allowed. read_only: opens and maps read only, no lock file, no shared page. */
SOP_MUST_CHECK sop_status sop_backend_file_open(
    const char *path, int how, int read_only, int local_allowed, sop_backend **out, sop_error *err);

/* Rises in the child of a fork: what the parent had open is not the child's. Its locks are closed there, so that they end with the parent.
   Counted once a folder was opened. */
uint32_t sop_backend_forks(void);

/* Process memory. name "" is private; others are found again by that name until the process ends. */
SOP_MUST_CHECK sop_status sop_backend_memory_open(const char *name,
                                                  int how,
                                                  sop_backend **out,
                                                  sop_error *err);

/* Thin calls through the table. */
SOP_INLINE SOP_MUST_CHECK sop_status
sop_file_open(sop_backend *b, const char *name, int flags, sop_file **out, sop_error *err)
{
    return b->ops->file_open(b, name, flags, out, err);
}
SOP_INLINE void sop_file_close(sop_file *f)
{
    if (f != NULL) f->ops->file_close(f);
}
SOP_INLINE SOP_MUST_CHECK sop_status sop_file_read(
    sop_file *f, uint64_t offset, void *buffer, size_t size, size_t *read_out, sop_error *err)
{
    return f->ops->file_read(f, offset, buffer, size, read_out, err);
}
SOP_INLINE SOP_MUST_CHECK sop_status
sop_file_write(sop_file *f, uint64_t offset, const void *data, size_t size, sop_error *err)
{
    return f->ops->file_write(f, offset, data, size, err);
}
SOP_INLINE SOP_MUST_CHECK sop_status sop_file_sync(sop_file *f, sop_error *err)
{
    return f->ops->file_sync(f, err);
}
SOP_INLINE SOP_MUST_CHECK sop_status sop_file_size(sop_file *f, uint64_t *out, sop_error *err)
{
    return f->ops->file_size(f, out, err);
}
SOP_INLINE SOP_MUST_CHECK sop_status
sop_file_map(sop_file *f, uint64_t size, int writable, void **out, sop_error *err)
{
    return f->ops->file_map(f, size, writable, out, err);
}

/* Exactly size bytes at offset, else SOP_CORRUPT naming file, offset and sizes. */
SOP_MUST_CHECK sop_status
sop_file_read_exact(sop_file *f, uint64_t offset, void *buffer, size_t size, sop_error *err);

#endif
