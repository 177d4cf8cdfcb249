/* SPDX-License-Identifier: MIT */
/* Private to the faulty backend: a live disk, its processes, faults and trace. */
#ifndef SOP_BACKEND_BACKEND_FAULTY_DISK_H
#define SOP_BACKEND_BACKEND_FAULTY_DISK_H

#include "backend/backend_faulty.h"
#include "backend/backend_faulty_model.h"
#include "util/compiler.h"
#include "util/mutex.h"

/* One entry of a trace. Owns its bytes. */
typedef struct {
    uint32_t who;
    uint32_t kind;
    sop_status status;
    int applied;   /* 1: the disk changed; a replay does the same */
    int effect;    /* of a failed sync */
    uint64_t seed; /* of a failed sync */
    uint64_t tree;
    uint64_t inode;
    int folder;
    const char *text; /* of a mark */
    faulty_bytes *name;
    faulty_bytes *to;
    uint64_t offset;
    uint64_t size;
    faulty_bytes *data;
} faulty_event;

typedef struct {
    int on;
    int reads;
    faulty_model base; /* the disk when the trace began; all durable */
    faulty_event *events;
    size_t count;
    size_t capacity;
} faulty_trace;

typedef struct faulty_handle faulty_handle;
struct faulty_handle {
    sop_file base;
    faulty_handle *next;  /* of the same backend; guarded by the disk's mutex */
    faulty_handle **link; /* what points to this one */
    faulty_inode *inode;  /* guarded by the disk's mutex */
    uint64_t errors_seen; /* guarded by the disk's mutex */
    int writable;
    faulty_bytes *name; /* base.name */
};

typedef struct faulty_backend faulty_backend;
struct faulty_backend {
    sop_backend base;
    sop_faulty_disk *disk;
    uint32_t who;
    /* Guarded by the disk's mutex: */
    faulty_backend *next; /* of the disk */
    faulty_tree *tree;
    faulty_handle *handles;
    int building;
    int dead;
    const void *page; /* what shared_page gave */
};

enum { FAULTY_RULES = 16, FAULTY_KINDS = 15 };

struct sop_faulty_disk {
    sop_mutex mutex;
    sop_faulty_hook hook;
    void *hook_context;
    /* Guarded by mutex: */
    faulty_model model;
    uint64_t random;
    uint64_t boot; /* what the boot id is made of */
    faulty_backend *backends;
    uint32_t who_next;
    sop_faulty_rule rules[FAULTY_RULES]; /* nth counts down; kinds 0: used up */
    size_t rule_count;
    uint64_t struck;
    uint64_t calls[FAULTY_KINDS];
    uint64_t space_max;
    faulty_trace trace;
};

/* A disk around an empty model. NULL: out of memory. */
sop_faulty_disk *sop_faulty__disk_empty(uint64_t boot);

/* What the rules say about a call: status SOP_OK, or how it fails. With the mutex held. */
typedef struct {
    sop_status status;
    int effect;
} faulty_verdict;
faulty_verdict sop_faulty__judge(sop_faulty_disk *disk, const sop_faulty_call *call);

/* Room for count more events, so that adding them cannot fail. With the mutex held. */
sop_status sop_faulty__trace_reserve(sop_faulty_disk *disk, size_t count);
/* Adds an event; takes no references over: acquires its own. Does nothing while no trace is on. */
void sop_faulty__trace_add(sop_faulty_disk *disk, const faulty_event *event);
void sop_faulty__trace_deinit(faulty_trace *trace);

/* Stores a range of the cache, just written, into the area that processes have mapped. */
void sop_faulty__area_store(faulty_inode *inode,
                            uint64_t offset,
                            const uint8_t *data,
                            uint64_t size);

/* ---- the way in and out of every operation ---- */

SOP_INLINE faulty_backend *sop_faulty__backend(sop_backend *base)
{
    return (faulty_backend *)base;
}
sop_status sop_faulty__fail_asked(const sop_faulty_call *call, sop_status status, sop_error *err);
/* Hook, then life, then rules. SOP_OK: the disk's mutex is held, leave it by leave, and there is room for one event in the trace.
   The verdict of the rules may still be a failure. */
sop_status sop_faulty__enter(faulty_backend *backend,
                             sop_faulty_call *call,
                             faulty_verdict *verdict,
                             sop_error *err);
/* For operations that change nothing: a failure asked for is the whole effect. */
sop_status sop_faulty__enter_plain(faulty_backend *backend, sop_faulty_call call, sop_error *err);
void sop_faulty__leave(faulty_backend *backend);
/* An event that changes nothing. */
void sop_faulty__trace_plain(faulty_backend *backend, uint32_t kind, faulty_bytes *name);
sop_status sop_faulty__refuse_writing(const sop_backend *base, const char *what, sop_error *err);

/* ---- operations on files, for the table ---- */

sop_status sop_faulty__file_open(
    sop_backend *base, const char *name, int flags, sop_file **out, sop_error *err);
void sop_faulty__file_close(sop_file *base);
sop_status sop_faulty__file_read(
    sop_file *base, uint64_t offset, void *buffer, size_t size, size_t *read_out, sop_error *err);
sop_status sop_faulty__file_write(
    sop_file *base, uint64_t offset, const void *data, size_t size, sop_error *err);
sop_status sop_faulty__file_sync(sop_file *base, sop_error *err);
sop_status sop_faulty__file_size(sop_file *base, uint64_t *out, sop_error *err);
sop_status
sop_faulty__file_map(sop_file *base, uint64_t size, int writable, void **out, sop_error *err);
void sop_faulty__file_unmap(sop_backend *base, void *map, uint64_t size);

#endif
