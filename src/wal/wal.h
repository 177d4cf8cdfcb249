/* SPDX-License-Identifier: MIT */
/*
 * The write-ahead log: frames of transactions in files log/<incarnation>.<n>, chained by hash, and the head that names where
 * recovery starts. Byte tables: docs/format/wal.md.
 *
 * wal-1  A frame is 72 bytes of fixed part, optional sections, transactions. Its hash (XXH3-128 over everything but the hash
 *        field, seeded by the database incarnation and the frame's own place) is the only checksum; each frame names its
 *        predecessor's hash (CHAIN).
 * wal-2  A frame never spans files; in full mode a frame starts at a 4 KiB boundary, and so does the first frame after a
 *        sync (durable bytes are never written again); else at a multiple of 8. Space after a frame is zero.
 * wal-3  Log files are written with zeros before use, never truncated, never reused, written by the holder of the pen only.
 * wal-4  Every log file begins with a header block (4,096 bytes): run, boot id, place and hash of the frame it continues, own
 *        checksum. Who finds the log open starts a new file whose header, synced with file and folder, names the frame
 *        it continues before anything else is appended (FORK, FORK_SYNCED, FORK_DIR).
 * wal-5  Recovery at the end of a valid frame goes first to a file whose header names that frame (FORK_FIRST), of several to the
 *        highest run (HIGHEST_RUN), else it reads on in the same file.
 * wal-6  An invalid frame at or below the largest durable seq stored in any valid frame or file header is damage (SOP_CORRUPT,
 *        DURABLE_SEQ);
 *        a valid frame without COPY in a file without a valid header is damage (HEADER_CHECK); anything else invalid is a
 *        tail and ends the log silently.
 */
#ifndef SOP_WAL_WAL_H
#define SOP_WAL_WAL_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "sop/types.h"

#include "backend/backend.h"
#include "util/checksum.h"
#include "util/compiler.h"

/* ---- frames: encode and decode, no I/O ---- */

#define SOP_WAL_FIXED_SIZE  72u
#define SOP_WAL_ALIGN       4096u
#define SOP_WAL_FILE_HEADER 4096u
#define SOP_WAL_FRAME_MAX   (1u << 30)

enum {
    SOP_FRAME_COPY = 1
}; /* flags of a frame that callers may set; the others are private to the room */

/* Transaction types; 64 reserved. */
enum {
    SOP_TXN_TYPE_DATA = 1,
    SOP_TXN_TYPE_JOIN = 2,
    SOP_TXN_TYPE_LEAVE = 3,
    SOP_TXN_TYPE_EVICT = 4,
    SOP_TXN_TYPE_FREEZE = 5,
    SOP_TXN_TYPE_CHECKPOINT = 6,
    SOP_TXN_TYPE_RETIRE = 7,
    SOP_TXN_TYPE_MODE = 8,
    SOP_TXN_TYPE_FORMAT = 9
};

enum { SOP_WAL_INSERT = 1, SOP_WAL_UPDATE = 2, SOP_WAL_REMOVE = 3, SOP_WAL_RUN = 4 };

typedef struct {
    uint8_t type; /* SOP_TXN_TYPE_... */
    uint8_t incarnation[16];
    uint64_t counter;     /* with incarnation: the id */
    uint64_t lowest_open; /* lowest counter still open at that peer */
    uint64_t wall_ns;
    sop_slice note; /* author, message; may be empty */
} sop_wal_txn;

/* An item of a DATA transaction. REMOVE has no value; RUN: key empty, value = a blob address (16 bytes) of a sorted run. */
typedef struct {
    uint64_t store;
    uint8_t op; /* SOP_WAL_INSERT... */
    int is_reference;
    sop_slice key;
    sop_slice value;
} sop_wal_item;

/* A growing buffer with room for the fixed part in front. All zero is valid and empty. One thread at a time. */
typedef struct {
    uint8_t *data;
    size_t size; /* bytes used, fixed part included; 0: empty */
    size_t capacity;
    size_t txn_at;  /* start of the transaction being written; 0: none */
    size_t body_at; /* start of its body */
    uint32_t transactions;
    uint32_t items; /* of the transaction being written */
} sop_wal_buffer;

void sop_wal_buffer_deinit(sop_wal_buffer *buffer);
void sop_wal_buffer_reset(sop_wal_buffer *buffer);
/* All return SOP_OK or SOP_NO_MEMORY (SOP_TOO_LARGE beyond SOP_WAL_FRAME_MAX); after a failure call sop_wal_txn_undo. */
SOP_MUST_CHECK sop_status sop_wal_txn_begin(sop_wal_buffer *buffer, const sop_wal_txn *txn);
SOP_MUST_CHECK sop_status sop_wal_item_add(sop_wal_buffer *buffer,
                                           const sop_wal_item *item); /* DATA only */
/* Body of the other types: bytes that the caller defines. */
SOP_MUST_CHECK sop_status sop_wal_body_set(sop_wal_buffer *buffer, sop_slice body);
void sop_wal_txn_end(sop_wal_buffer *buffer);
void sop_wal_txn_undo(sop_wal_buffer *buffer); /* drops the transaction being written */

/* Where a frame lies and which one it is. */
typedef struct {
    uint64_t file; /* short incarnation << 24 | n */
    uint64_t offset;
    uint32_t length; /* without padding */
    uint64_t frame_no;
    uint64_t seq_last; /* seq of its last transaction */
    sop_hash128 hash;
} sop_wal_place;
#define SOP_WAL_PLACE_SIZE 56u
void sop_wal_place_encode(const sop_wal_place *place, uint8_t out[SOP_WAL_PLACE_SIZE]);
void sop_wal_place_decode(const uint8_t in[SOP_WAL_PLACE_SIZE], sop_wal_place *out);

/* A decoded frame; points into the bytes it was decoded from. */
typedef struct {
    uint16_t flags;
    uint32_t transactions;
    uint64_t first_seq;
    uint64_t durable_seq;
    sop_hash128 predecessor;
    sop_wal_place place;
    sop_slice body; /* transactions */
} sop_wal_frame;

/* Walks transactions and items of a frame. Every length is checked: SOP_CORRUPT. */
typedef struct {
    const uint8_t *at;
    const uint8_t *end;
    uint64_t seq_next;
    uint32_t left; /* transactions still to come */
    uint64_t file; /* where the frame lies, for messages */
    uint64_t offset;
} sop_wal_reader;

typedef struct {
    uint64_t seq;
    sop_wal_txn head;
    sop_slice body; /* items of a DATA transaction, else the body */
    uint32_t items;
    uint64_t file; /* where the frame lies, for messages */
    uint64_t offset;
} sop_wal_txn_view;

void sop_wal_reader_init(sop_wal_reader *reader, const sop_wal_frame *frame);
/* SOP_NOT_FOUND at the end of the frame. */
SOP_MUST_CHECK sop_status sop_wal_reader_next(sop_wal_reader *reader,
                                              sop_wal_txn_view *out,
                                              sop_error *err);
typedef struct {
    const uint8_t *at;
    const uint8_t *end;
    uint32_t left; /* items still to come */
    uint64_t file; /* where the frame lies, for messages */
    uint64_t offset;
} sop_wal_items;
void sop_wal_items_init(sop_wal_items *items, const sop_wal_txn_view *txn);
/* SOP_NOT_FOUND at the end of the transaction. */
SOP_MUST_CHECK sop_status sop_wal_items_next(sop_wal_items *items,
                                             sop_wal_item *out,
                                             sop_error *err);

/* ---- the log of one open database ---- */

typedef struct sop_wal sop_wal;
typedef struct sop_wal_page sop_wal_page;

typedef struct {
    sop_backend *backend;
    sop_wal_page *page; /* shared with other processes; NULL: there are none */
    uint8_t database_id[16];
    uint8_t incarnation[16];    /* of the database: seeds the hashes */
    uint64_t short_incarnation; /* of this process, 40 bits: names its files */
    int read_only;
    uint64_t
        file_bytes_first; /* size of the first log file; 0 = 1 MiB; later ones double up to 64 MiB */
    uint64_t
        first_seq; /* create only: seq of the first transaction; 0 = 1 (a backup goes on where its source was) */
} sop_wal_options;

/* Writes the first log file with one frame (the given transactions, seq 1...) and the head that names it, all durable. The caller
   publishes the backend after. When the last transaction is a LEAVE, the first open of the same boot goes on in this file. */
SOP_MUST_CHECK sop_status sop_wal_create(const sop_wal_options *options,
                                         sop_wal_buffer *first,
                                         sop_error *err);

/* Reads the head and the frame it names. SOP_CORRUPT when either is damaged. The frame stays valid until the next call. */
SOP_MUST_CHECK sop_status sop_wal_open(const sop_wal_options *options,
                                       sop_wal **out,
                                       sop_wal_frame *head_frame_out,
                                       sop_error *err);
void sop_wal_close(sop_wal *wal); /* NULL allowed */
/* The same for a log that is open: the head may have been moved by another process. */
SOP_MUST_CHECK sop_status sop_wal_head_again(sop_wal *wal,
                                             sop_wal_frame *head_frame_out,
                                             sop_error *err);

/* Called for each frame after `from`, in order. The frame's bytes stay valid until the callback returns. Non-OK stops. */
typedef sop_status (*sop_wal_frame_fn)(const sop_wal_frame *frame, void *context);

/* Reads the log from the frame at `from` (not handed out) to its end, by rules wal-5 and wal-6, and remembers the end as the tip.
   Does not write. *clean_out (may be NULL): the last frame ends with a LEAVE as its last transaction and nothing follows.
   `from`: the frame of the head or one before it, read from the log. */
SOP_MUST_CHECK sop_status sop_wal_replay(sop_wal *wal,
                                         const sop_wal_place *from,
                                         sop_wal_frame_fn fn,
                                         void *context,
                                         int *clean_out,
                                         sop_error *err);

/* Makes the log ready for appending: reads on in the same file after a clean end, else starts a new file by FORK; frames above the
   durable seq (same boot) are copied first (COPY_FIRST), so that all replayed frames are durable when it returns.
   Copies have new places: a place handed out by replay above the durable seq is void afterwards (sop_wal_head_set and
   sop_wal_remove_before refuse it); ask sop_wal_read_since for the frame of that seq again. */
SOP_MUST_CHECK sop_status sop_wal_start(sop_wal *wal, int clean, sop_error *err);

/* The newest frame. */
sop_wal_place sop_wal_tip(const sop_wal *wal);
/* Everything up to it is on stable storage, as far as this log knows. */
uint64_t sop_wal_durable_seq(const sop_wal *wal);
/* Bytes of log from the place to the tip (a reopen would replay them). */
uint64_t sop_wal_bytes_since(const sop_wal *wal, const sop_wal_place *place);

/*
 * Seals the buffer into a frame after the tip (frame no, first seq, predecessor, hash) and writes it; not synced. aligned: the
 * frame starts at a 4 KiB boundary (full mode). Moves to the next log file when needed. On success the frame is the tip and
 * *place_out tells where it is; the buffer stays as it was (reset it). SOP_INVALID, SOP_TOO_LARGE, SOP_FULL and SOP_NO_MEMORY come
 * before anything of the frame is written and leave the log as it was. After any other failure the log is broken: every later
 * append fails (NO_RETRY). One thread at a time. Cost: without alignment and on a mapped log one copy and one hash, no system
 * call. The stored durable seq is the larger of the given one and what this log itself has synced.
 */
SOP_MUST_CHECK sop_status sop_wal_append(sop_wal *wal,
                                         sop_wal_buffer *buffer,
                                         uint64_t durable_seq,
                                         int aligned,
                                         sop_wal_place *place_out,
                                         sop_error *err);
/* Everything appended is on stable storage (every file it lies in). A failure breaks the log. Same thread rule as append. */
SOP_MUST_CHECK sop_status sop_wal_sync(sop_wal *wal, sop_error *err);
/* 1 after a write or sync failed: what was appended may or may not be in the log, and nothing more can be. 0 after a clean refusal
   (a full disk met before anything was written). Same thread rule as append. */
int sop_wal_is_broken(const sop_wal *wal);

/* The same as sop_wal_sync in three steps, so that others may go on appending (modes periodic and off) while the medium works: begin
   and end by the thread rule of append, run by any thread without it (several runs at a time do not harm, the later waits). The
   sync covers what was appended before begin. A failure breaks the log already in run. */
typedef struct {
    sop_wal *wal;
    uint64_t seq; /* all frames up to it become durable */
} sop_wal_sync_job;
SOP_MUST_CHECK sop_status sop_wal_sync_begin(sop_wal *wal, sop_wal_sync_job *job, sop_error *err);
SOP_MUST_CHECK sop_status sop_wal_sync_run(sop_wal_sync_job *job, sop_error *err);
void sop_wal_sync_end(sop_wal *wal, sop_wal_sync_job *job, sop_status status);

/* Prepares the next log file in the background (zero-filled, synced) when the current one is more than half full, and syncs
   full files that nobody has synced yet. Any thread, one at a time; never blocks append for long. SOP_FULL leaves the log usable;
   a failed sync of a full file breaks it. */
SOP_MUST_CHECK sop_status sop_wal_prepare(sop_wal *wal, sop_error *err);

/* The head: recovery starts at the frame. Renames head/L... and syncs head/ (HEAD_BEFORE_DELETE). One thread at a time.
   SOP_INVALID: the frame is not durable (CKPT_DURABLE), not in the log, or before the present head. */
SOP_MUST_CHECK sop_status sop_wal_head_set(sop_wal *wal,
                                           const sop_wal_place *place,
                                           sop_error *err);
/* Removes log files that lie wholly before the place, but keeps the newest of them up to keep_bytes (change feed).
   SOP_INVALID: the place is above the durable head (HEAD_BEFORE_DELETE). Same thread rule as sop_wal_head_set. */
SOP_MUST_CHECK sop_status sop_wal_remove_before(sop_wal *wal,
                                                const sop_wal_place *place,
                                                uint64_t keep_bytes,
                                                sop_error *err);

/* Reads frames after `after_seq` up to and including the frame that ends at `to_seq` (both must be ends of frames or inside;
   whole frames are handed out), oldest first, from any log file still kept. A to_seq beyond the tip means the tip.
   SOP_SNAPSHOT_TOO_OLD when history starts later. Any thread, also while others append. */
SOP_MUST_CHECK sop_status sop_wal_read_since(sop_wal *wal,
                                             uint64_t after_seq,
                                             uint64_t to_seq,
                                             sop_wal_frame_fn fn,
                                             void *context,
                                             sop_error *err);

/* Checks every frame from the place (included) to the tip again by reading the files, and the headers of the files (sop check);
   hands each frame out. Any thread, also while others append. */
SOP_MUST_CHECK sop_status sop_wal_check(
    sop_wal *wal, const sop_wal_place *from, sop_wal_frame_fn fn, void *context, sop_error *err);

/* ---- several processes on one log ---- */

/* Bytes of the lock file. */
enum {
    SOP_LOCK_PEN = 0,        /* the right to append; exclusive */
    SOP_LOCK_DOOR = 1,       /* held while a process opens or closes; exclusive */
    SOP_LOCK_CHECKPOINT = 2, /* one checkpoint at a time; exclusive */
    SOP_LOCK_PRESENCE = 3,   /* shared by all that have the database open */
    SOP_LOCK_ATTACHED = 16   /* and short incarnation: that process is alive; exclusive */
};

enum { SOP_WAL_PAGE_END_WORDS = 10 };

/*
 * The page that all processes of a host share. Zeros: nobody has begun it.
 *
 * page-1  Only the holder of the pen stores into it, but for the words that wake others.
 * page-2  The end of the log is kept twice: a new one goes into the place that `turn` does not name, then turn moves on. So
 *         a process that is killed on the way leaves the last end.
 * page-3  `holder` is 0 exactly when the last holder gave the pen back in order. Who takes the pen and finds something else finds
 *         the log open: FORK.
 */
struct sop_wal_page {
    _Atomic uint64_t magic;
    _Atomic uint64_t identity[4]; /* incarnation of the database, boot id */
    _Atomic uint64_t run;         /* highest that any file has, or was about to get */
    /* What readers look at when they begin. */
    _Alignas(SOP_CACHE_LINE) _Atomic uint64_t published_seq;
    _Atomic uint64_t durable_seq;
    _Alignas(SOP_CACHE_LINE) _Atomic uint32_t publish_word; /* futex: moves with published_seq */
    _Atomic uint32_t publish_waiting;                       /* 1: somebody sleeps on it */
    _Alignas(SOP_CACHE_LINE) _Atomic uint32_t
        wanted;                /* futex of the holder; 1: somebody waits for the pen */
    _Atomic uint32_t pen_word; /* futex of those who wait; moves when the pen is given back */
    _Atomic uint32_t taken;    /* futex; moves when the pen is taken */
    _Atomic uint32_t holder_process;
    _Atomic uint64_t holder; /* short incarnation; 0: given back in order */
    _Alignas(SOP_CACHE_LINE) _Atomic uint64_t turn;
    _Atomic uint64_t ends[2][SOP_WAL_PAGE_END_WORDS];
};

/* The end of the log as the page tells it. */
typedef struct {
    sop_wal_place published; /* the newest frame that may be shown */
    uint64_t durable_seq;
    uint64_t file; /* where the next frame goes */
    uint64_t file_size;
} sop_wal_end;

/* 1: of this database and this boot. */
int sop_wal_page_valid(const sop_wal_page *page, const uint8_t incarnation[16]);
void sop_wal_page_end(const sop_wal_page *page, sop_wal_end *out);
/* By the holder of the pen, after start: the page tells what this log knows. */
void sop_wal_page_begin(sop_wal *wal);
/* By the holder of the pen: the tip may be shown to everybody. Same thread rule as append. No effect without a page. */
void sop_wal_publish(sop_wal *wal);
/* Sleeps until something newer than seq is published. May return early. */
void sop_wal_page_wait(sop_wal_page *page, uint64_t seq, uint64_t timeout_ns);

/* Takes the pen; *open_out: the holder before died or failed with it, the log needs a FORK. SOP_BUSY names the holder. SOP_IO: the
   page is no longer the one that others share. One thread at a time. */
SOP_MUST_CHECK sop_status sop_wal_pen_take(sop_wal *wal,
                                           uint32_t wait_ms,
                                           int *open_out,
                                           sop_error *err);
/* in_order 0: something may have been written that was not published. */
void sop_wal_pen_give(sop_wal *wal, int in_order);
/* 1: somebody waits for the pen. */
SOP_INLINE int sop_wal_pen_wanted(const sop_wal_page *page)
{
    /* Relaxed: a hint that is looked at again and again. */
    return page != NULL && atomic_load_explicit(&page->wanted, memory_order_relaxed) != 0;
}

/* Reads the log from the frame at `from` up to the end that the page tells, in place of sop_wal_replay, while others may write.
   SOP_SNAPSHOT_TOO_OLD: a file that is needed was removed meanwhile, begin with the head again. */
SOP_MUST_CHECK sop_status sop_wal_join(
    sop_wal *wal, const sop_wal_place *from, sop_wal_frame_fn fn, void *context, sop_error *err);
/*
 * Reads on from the tip to that end. A frame handed out and answered with SOP_OK is the new tip. Frames that a FORK copied are
 * known already and are not handed out again. SOP_SNAPSHOT_TOO_OLD: the log between was removed. SOP_IO: the tip is no part of the log any
 * more. One thread at a time, and not while this process appends.
 */
SOP_MUST_CHECK sop_status sop_wal_follow(
    sop_wal *wal, const sop_wal_end *end, sop_wal_frame_fn fn, void *context, sop_error *err);
/*
 * With the pen, after follow: makes the log ready for appending where the page says, in a new file when it was found open (FORK).
 * durable: all that is published is made durable, by a sync where this process may vouch for it (VOUCH), else by copying.
 */
SOP_MUST_CHECK sop_status sop_wal_resume(sop_wal *wal, int found_open, int durable, sop_error *err);
/* The frame that ends with that seq. SOP_NOT_FOUND: none does. */
SOP_MUST_CHECK sop_status sop_wal_place_of(sop_wal *wal,
                                           uint64_t seq,
                                           sop_wal_place *out,
                                           sop_error *err);

#endif
