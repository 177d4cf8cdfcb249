/* SPDX-License-Identifier: MIT */
/* Private to the room: the log object and what its files need from each other. */
#ifndef SOP_WAL_WAL_PRIVATE_H
#define SOP_WAL_WAL_PRIVATE_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "sop/types.h"

#include "backend/backend.h"
#include "util/mutex.h"
#include "wal/wal.h"
#include "wal/wal_format.h"

#define SOP_WAL__FILE_FIRST_BYTES (1u << 20)
#define SOP_WAL__FILE_MAX_BYTES   (64u << 20)
#define SOP_WAL__MARKS            64u /* places remembered for readers of history */
#define SOP_WAL__READ_MARKS       8u
#define SOP_WAL__MARK_SPACING     (1u << 20)
#define SOP_WAL__RECENT           16u /* newest frames remembered during replay */

/* ---- reading a file piece by piece (wal_window.c) ---- */

/* All zero is closed and empty. One thread at a time. */
typedef struct {
    sop_file *file;
    uint64_t id;
    uint64_t limit; /* nothing is read at or beyond it */
    uint8_t *data;  /* holds [at, at + have) of the file */
    size_t capacity;
    uint64_t at;
    size_t have;
    size_t ahead; /* bytes to read at once; grows */
} sop_wal__window;

/* Closes the file it had. SOP_NOT_FOUND: no such file. */
SOP_MUST_CHECK sop_status sop_wal__window_open(sop_wal__window *window,
                                               sop_backend *backend,
                                               uint64_t file,
                                               sop_error *err);
void sop_wal__window_deinit(sop_wal__window *window);
/* size bytes at offset, valid until the next call. SOP_NOT_FOUND: not before the limit. */
SOP_MUST_CHECK sop_status sop_wal__window_view(
    sop_wal__window *window, uint64_t offset, size_t size, const uint8_t **out, sop_error *err);
/* The valid frame at this place, else SOP_NOT_FOUND (as a status only), SOP_UNSUPPORTED, or what reading gives. */
SOP_MUST_CHECK sop_status sop_wal__window_frame(
    sop_wal__window *window, uint64_t offset, uint64_t seed, sop_wal_frame *out, sop_error *err);
/* Valid frames anywhere from the offset on, whatever they continue. */
SOP_MUST_CHECK sop_status sop_wal__window_scan(sop_wal__window *window,
                                               uint64_t from,
                                               uint64_t seed,
                                               sop_wal_frame_fn fn,
                                               void *context,
                                               sop_error *err);
/* 1: what follows looks unused. Reads 64 KiB and samples at doubling distances. */
SOP_MUST_CHECK sop_status sop_wal__window_unused(sop_wal__window *window,
                                                 uint64_t from,
                                                 int *out,
                                                 sop_error *err);

/* Goes from frame to frame. */
typedef struct {
    sop_wal__window window;
    uint64_t seed;
    uint64_t at;        /* where the last frame, or the file header, ends */
    sop_wal_place last; /* the frame that the next one continues */
} sop_wal__walker;

/* Behind the header of a file whose first frame continues `last`. */
SOP_MUST_CHECK sop_status sop_wal__walker_enter(sop_wal__walker *walker,
                                                sop_backend *backend,
                                                uint64_t file,
                                                const sop_wal_place *last,
                                                sop_error *err);
/* Behind the frame. */
SOP_MUST_CHECK sop_status sop_wal__walker_seek(sop_wal__walker *walker,
                                               sop_backend *backend,
                                               const sop_wal_place *place,
                                               sop_error *err);
/* SOP_NOT_FOUND (as a status only): no valid frame of this file continues the last one. */
SOP_MUST_CHECK sop_status sop_wal__walker_next(sop_wal__walker *walker,
                                               sop_wal_frame *out,
                                               sop_error *err);
/* Where a missing next frame must have stood. */
uint64_t sop_wal__walker_spot(sop_wal__walker *walker);
/* Steps over the next frame without checking its hash, only that it names the last one. */
SOP_MUST_CHECK sop_status sop_wal__walker_skip(sop_wal__walker *walker,
                                               sop_wal_frame *out,
                                               sop_error *err);

/* ---- the files of the log (wal_file.c) ---- */

/* A log file as found when the log was read. */
typedef struct {
    uint64_t file;
    uint64_t size;
    int state; /* SOP_WAL__HEADER_... */
    int in_chain;
    sop_wal__file_header header;
} sop_wal__found;

/* One file of the chain, oldest first: its frames lie between the frame `before` and the next link's `before` (the
   last link: the tip). */
typedef struct {
    uint64_t file;
    uint64_t size;
    sop_wal_place before;
} sop_wal__link;

typedef struct {
    sop_wal__link *at;
    size_t count;
    size_t capacity;
} sop_wal__links;

/* A log file that this process writes. Others than the appending thread look at it under the lock. */
typedef struct {
    sop_file *file; /* NULL: none */
    uint64_t id;
    uint64_t size;
    uint64_t end;          /* end of its last frame */
    uint64_t appended_seq; /* of its last frame; before the first: of the frame that it continues */
    uint64_t synced_seq;   /* appended_seq at the begin of its last sync */
    uint8_t *map;          /* NULL: not mapped */
    int map_refused;
    int sealed; /* the next frame starts a new block */
    int busy;   /* somebody is syncing it */
} sop_wal__output;

struct sop_wal {
    sop_backend *backend;
    sop_wal_page *page; /* NULL: no other process */
    uint8_t database_id[16];
    uint8_t incarnation[16];
    uint8_t boot_id[16];
    uint64_t short_incarnation;
    uint64_t seed;
    uint64_t file_bytes_first;
    int read_only;

    /* The head; one thread at a time (sop_wal_head_set). */
    char head_name[SOP_WAL__HEAD_NAME_MAX];
    sop_wal_place head;
    int head_broken;
    sop_wal__window head_window; /* holds the bytes of the frame handed out by open */

    /* What replay found. */
    sop_wal__found *found;
    size_t found_count;
    size_t found_capacity;
    sop_wal_place recent[SOP_WAL__RECENT]; /* ring by frame no */
    sop_wal_place durable_place;           /* a frame at or below durable_seq, as near as known */
    uint64_t run_boot_file;                /* the file of the highest run */
    uint8_t run_boot_id[16];               /* and its boot id */
    int clean;

    /* Written by the appending thread, read by any. */
    sop_mutex lock_storage;
    sop_mutex *lock;              /* points at lock_storage, also from a const sop_wal */
    sop_cond idle;                /* busy went away */
    sop_wal__links links;         /* guarded by lock */
    sop_wal_place tip;            /* guarded by lock */
    _Atomic uint64_t durable_seq; /* written under the lock; append takes it without */
    uint64_t run_highest;         /* guarded by lock */
    uint64_t n_next;              /* guarded by lock */
    /* Two rings of places: along the log, and where readers of history stopped. Guarded by lock. */
    sop_wal_place marks[SOP_WAL__MARKS + SOP_WAL__READ_MARKS];
    uint32_t mark_next;      /* guarded by lock */
    uint32_t read_mark_next; /* guarded by lock */
    sop_wal__output next;    /* prepared, unused; guarded by lock */
    int preparing;           /* guarded by lock */
    sop_wal__output *full;   /* full files not yet synced, oldest first; guarded by lock */
    size_t full_count;       /* guarded by lock */
    size_t full_capacity;    /* guarded by lock */
    _Atomic int broken; /* SOP_OK or why no append works any more; written under the lock, once */
    char broken_text[160]; /* guarded by lock */

    /* Of the appending thread. */
    int started;
    uint64_t
        unvouched_seq; /* frames up to it were written before this process opened their file (VOUCH) */
    uint64_t size_next;      /* of the next regular file; guarded by lock */
    sop_wal__output current; /* file, id, size, end, seqs and busy change under the lock only */
};

/* Finds the head and reads the frame that it names into head_window. */
SOP_MUST_CHECK sop_status sop_wal__head_load(sop_wal *wal,
                                             sop_wal_frame *frame_out,
                                             sop_error *err);

/* Lists log/ and reads every file header. */
SOP_MUST_CHECK sop_status sop_wal__files_load(sop_wal *wal, sop_error *err);
/* Creates log/<n>, writes `size` zeros, syncs file and folder. On failure nothing is left. */
SOP_MUST_CHECK sop_status sop_wal__file_make(sop_wal *wal,
                                             uint64_t size,
                                             sop_wal__output *out,
                                             sop_error *err);
/* Writes and syncs the header; nothing may be appended before it returned SOP_OK. Raises the run. */
SOP_MUST_CHECK sop_status sop_wal__file_begin(sop_wal *wal,
                                              sop_wal__output *output,
                                              uint16_t kind,
                                              const sop_wal_place *continued,
                                              uint64_t durable_seq,
                                              sop_error *err);
/* Files double up to 64 MiB. When the medium is nearly full a smaller one with `needed` bytes may do. */
SOP_MUST_CHECK sop_status sop_wal__regular_make(
    sop_wal *wal, uint64_t size, uint64_t needed, sop_wal__output *out, sop_error *err);
void sop_wal__output_close(sop_wal *wal, sop_wal__output *output);
/* The current file and the full ones, once nobody syncs them. */
void sop_wal__outputs_close(sop_wal *wal);
/* Reads one header of a log file; its state and size into found. SOP_NOT_FOUND: no such file. */
SOP_MUST_CHECK sop_status sop_wal__header_read(sop_wal *wal,
                                               sop_wal__found *found,
                                               uint8_t block[SOP_WAL_FILE_HEADER],
                                               sop_error *err);
/* Best effort: removes a file by name. */
sop_status sop_wal__file_remove(sop_wal *wal, uint64_t file, sop_error *err);

/* ---- the chain of files (wal_chain.c) ---- */

SOP_MUST_CHECK sop_status sop_wal__links_reserve(sop_wal__links *links,
                                                 size_t more,
                                                 sop_error *err);
/* Takes a file whose first frame continues `before` as the newest link; drops links that got no frame. Never allocates:
   reserve first. */
void sop_wal__links_push(sop_wal__links *links, const sop_wal__link *link);
/* Index of the link with that file; links->count: none. */
size_t sop_wal__links_find(const sop_wal__links *links, uint64_t file);
/* 1: a frame of the chain may lie there: the chain runs through its file and has not left the file before it. */
int sop_wal__links_contain(const sop_wal__links *links,
                           const sop_wal_place *tip,
                           const sop_wal_place *place);

/* Walks the chain up to the tip of the moment at which it was opened; others may append meanwhile. */
typedef struct {
    sop_wal *wal;
    sop_wal__links links;
    sop_wal_place tip;
    sop_wal__walker walker;
    size_t index; /* of the link in which the walker stands */
} sop_wal__chain;

SOP_MUST_CHECK sop_status sop_wal__chain_open(sop_wal__chain *chain, sop_wal *wal, sop_error *err);
void sop_wal__chain_close(sop_wal__chain *chain);
/* To the start of a link. SOP_SNAPSHOT_TOO_OLD: the file was removed meanwhile (also seek and next). */
SOP_MUST_CHECK sop_status sop_wal__chain_enter(sop_wal__chain *chain, size_t index, sop_error *err);
/* Behind the frame at a place that the chain contains. */
SOP_MUST_CHECK sop_status sop_wal__chain_seek(sop_wal__chain *chain,
                                              const sop_wal_place *place,
                                              sop_error *err);
/* SOP_NOT_FOUND (as a status only): behind the tip. SOP_CORRUPT: the next frame is damaged. verify 0: only that it names
   the last one. */
SOP_MUST_CHECK sop_status sop_wal__chain_next(sop_wal__chain *chain,
                                              int verify,
                                              sop_wal_frame *out,
                                              sop_error *err);
/* Checks the hash of the frame that was just passed without. */
SOP_MUST_CHECK sop_status sop_wal__chain_verify(sop_wal__chain *chain,
                                                sop_wal_frame *frame,
                                                sop_error *err);

/* To a frame at or before the seq, or the start of the file in which the chain passes it (wal_read.c). */
SOP_MUST_CHECK sop_status sop_wal__chain_seek_seq(sop_wal__chain *chain,
                                                  uint64_t seq,
                                                  sop_error *err);

/* ---- FORK (wal_start.c) ---- */

/* What follows the durable frame, behind which the chain stands, goes into a new file, which becomes the current one. All is durable
   afterwards. A failure leaves the log as it was; in one that is started a failure of the header breaks it. */
SOP_MUST_CHECK sop_status sop_wal__fork(sop_wal *wal,
                                        sop_wal__chain *chain,
                                        const sop_wal_place *durable,
                                        sop_error *err);
/* The same from the frame at or below the durable seq (wal_resume.c). */
SOP_MUST_CHECK sop_status sop_wal__fork_again(sop_wal *wal, sop_error *err);

/* ---- appending (wal_writer.c) ---- */

/* Relaxed: the number alone counts; what it speaks of lies on the medium. */
SOP_INLINE uint64_t sop_wal__durable(const sop_wal *wal)
{
    return atomic_load_explicit(&wal->durable_seq, memory_order_relaxed);
}
SOP_INLINE void sop_wal__durable_set(sop_wal *wal, uint64_t seq)
{
    atomic_store_explicit(&wal->durable_seq, seq, memory_order_relaxed);
}

/* Remembers the first reason; returns it as an error. Caller must not hold the lock. */
SOP_COLD sop_status sop_wal__break(sop_wal *wal, sop_status status, sop_error *err);
SOP_MUST_CHECK sop_status sop_wal__broken(sop_wal *wal, sop_error *err);
/* Takes a file as the one to append to; all up to the tip is durable or lies in older files. */
void sop_wal__output_adopt(sop_wal *wal, sop_wal__output *output, uint64_t end);
/* Lock held. */
void sop_wal__tip_set(sop_wal *wal, const sop_wal_place *place);

#endif
