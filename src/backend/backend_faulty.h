/* SPDX-License-Identifier: MIT */
/*
 * A disk in memory that fails on request: for crash enumeration, fault sweeps and the simulator. For tests only.
 *
 * The model. Each file has bytes as processes see them (the page cache) and durable bytes; file_sync makes the first the
 * second. Names created, renamed or removed are durable after folder_sync of their folder. Until then a power cut may keep
 * or lose them: writes by sectors or pages, each of which has some version between the durable and the newest; names in
 * order within a folder. A file that was synced but whose name was not may vanish. publish is all or nothing, and durable.
 * After a failed file_sync the pages count as clean, as in Linux: what was lost is still read, but a later sync does not
 * make it durable unless its page is written again. Every descriptor open at that time gets the error once.
 *
 * A disk holds one database. Several backend objects on it are several processes. Everything that is left to chance comes from
 * the seed of the disk, so a run with the same calls is the same run. All calls may come from any thread.
 */
#ifndef SOP_BACKEND_BACKEND_FAULTY_H
#define SOP_BACKEND_BACKEND_FAULTY_H

#include <stddef.h>
#include <stdint.h>

#include "sop/types.h"

#include "backend/backend.h"

typedef struct sop_faulty_disk sop_faulty_disk;

/* Kinds of operations, one bit each. */
enum {
    SOP_FAULTY_OPEN = 1 << 0, /* of an existing file */
    SOP_FAULTY_CREATE = 1 << 1,
    SOP_FAULTY_READ = 1 << 2,
    SOP_FAULTY_WRITE = 1 << 3,
    SOP_FAULTY_SYNC = 1 << 4, /* of a file */
    SOP_FAULTY_FOLDER_SYNC = 1 << 5,
    SOP_FAULTY_RENAME = 1 << 6, /* head_swap */
    SOP_FAULTY_REMOVE = 1 << 7,
    SOP_FAULTY_PUBLISH = 1 << 8,
    SOP_FAULTY_LIST = 1 << 9,
    SOP_FAULTY_MAP = 1 << 10,
    SOP_FAULTY_SIZE = 1 << 11,
    SOP_FAULTY_LOCK = 1 << 12,   /* lock and lock_held */
    SOP_FAULTY_UNLOCK = 1 << 13, /* cannot fail, but is seen by the hook */
    SOP_FAULTY_PAGE = 1 << 14,   /* shared_page */
    SOP_FAULTY_ANY = (1 << 15) - 1,
    /* In traces only: */
    SOP_FAULTY_BUILD = 1 << 15, /* a database under construction was begun */
    SOP_FAULTY_DROP = 1 << 16,  /* ... was given up */
    SOP_FAULTY_MARK = 1 << 17
};

/* The usual word for one kind, for instance "write". */
const char *sop_faulty_kind_name(uint32_t kind);

/* ---- disks and processes ---- */

/* NULL when out of memory. */
sop_faulty_disk *sop_faulty_disk_new(uint64_t seed);
/* Every backend on the disk must have been freed or killed; the memory of killed ones goes too. NULL allowed. */
void sop_faulty_disk_free(sop_faulty_disk *disk);
/* One more process. */
SOP_MUST_CHECK sop_status sop_backend_faulty_open(
    sop_faulty_disk *disk, int how, int read_only, sop_backend **out, sop_error *err);
/* The number of the process, from 1, in the order in which they were opened on this disk. */
uint32_t sop_faulty_who(const sop_backend *backend);
/* kill -9: its locks are free, its cached writes stay; every later call of it fails with SOP_IO and changes nothing, so that its
   memory can be freed by closing it as usual, or is freed with the disk. */
void sop_faulty_kill(sop_backend *backend);
void sop_faulty_kill_all(sop_faulty_disk *disk);

/* What the kernel would tell: changes with every power cut. */
void sop_faulty_boot_id(const sop_faulty_disk *disk, uint8_t out[16]);
/* Makes the real world report the boot id of this disk (NULL: the true one again). While no database is open. */
void sop_faulty_boot_use(const sop_faulty_disk *disk);

/* ---- faults ---- */

/* How much of a failing operation happens all the same. */
enum {
    SOP_FAULTY_NOTHING = 0,
    SOP_FAULTY_PART = 1, /* write: a beginning or some sectors; sync: some sectors or names */
    SOP_FAULTY_WHOLE = 2 /* done, only the answer is an error */
};

typedef struct {
    uint32_t kinds;      /* bits of the operations that count */
    uint64_t nth;        /* the n-th of them from now fails, 1 = the next */
    int always;          /* and all after it */
    uint32_t chance_ppm; /* not 0: instead of nth, each fails with this chance in a million */
    sop_status status;   /* SOP_IO, SOP_FULL, ... */
    int effect;          /* SOP_FAULTY_NOTHING ... */
    uint32_t who;        /* only of this process; 0: of any */
    const char *prefix;  /* only of names that begin so ("log/"); NULL: any; kept, not copied */
} sop_faulty_rule;

/* At most 16 rules at a time; the first that matches strikes. */
void sop_faulty_rule_add(sop_faulty_disk *disk, const sop_faulty_rule *rule);
void sop_faulty_rules_clear(sop_faulty_disk *disk);
/* Operations that rules made fail so far. */
uint64_t sop_faulty_struck(sop_faulty_disk *disk);
/* Operations of these kinds so far, failed ones included: tells a sweep where to end. */
uint64_t sop_faulty_calls(sop_faulty_disk *disk, uint32_t kinds);
/* The medium has this many bytes; a write that needs more does what fits and gives SOP_FULL. UINT64_MAX: unbounded. */
void sop_faulty_space_set(sop_faulty_disk *disk, uint64_t bytes);

/* The kernel failed to write a file back in the background: what was not synced is lost at a power cut, and the next file_sync of
   each descriptor that is open now gives SOP_IO. SOP_NOT_FOUND: no such file. */
sop_status sop_faulty_writeback_fail(sop_faulty_disk *disk, const char *name);
/* Damage of the published database, durable and seen at once by all, maps included. SOP_NOT_FOUND, SOP_INVALID (beyond the end). */
sop_status sop_faulty_flip(sop_faulty_disk *disk, const char *name, uint64_t offset, unsigned bit);
sop_status sop_faulty_truncate(sop_faulty_disk *disk, const char *name, uint64_t size);

/* Called before every operation, without any lock held: may switch tasks, kill, mark, add rules. A status other than SOP_OK makes
   the operation fail with it. name: "" where there is none. */
typedef struct {
    uint32_t who;
    uint32_t kind;
    const char *name;
    uint64_t offset; /* of a file, or the byte of a lock */
    uint64_t size;
} sop_faulty_call;
typedef sop_status (*sop_faulty_hook)(const sop_faulty_call *call, void *context);
/* While no other thread uses the disk. NULL: none. */
void sop_faulty_hook_set(sop_faulty_disk *disk, sop_faulty_hook hook, void *context);

/* The shared page is removed (somebody deleted the file): who opens from now on gets a new one, the others keep theirs.
   SOP_NOT_FOUND: there is none. SOP_FULL: after the eighth time. */
sop_status sop_faulty_page_lose(sop_faulty_disk *disk);

/* ---- power cuts ---- */

enum {
    SOP_FAULTY_KEEP_ALL =
        0, /* as if everything had been written back just in time; also the state after a kill of all */
    SOP_FAULTY_KEEP_NONE = 1,   /* only what is durable */
    SOP_FAULTY_KEEP_PREFIX = 2, /* everything up to some moment, the write of that moment torn */
    SOP_FAULTY_KEEP_RANDOM = 3  /* any legal subset */
};

typedef struct {
    int keep;
    uint32_t unit; /* 512 or 4096: the bytes that a disk writes whole; 0: by chance */
    uint64_t seed; /* PREFIX and RANDOM */
} sop_faulty_cut;

/* A new disk as it would be found after a power cut of that kind right now. The old one stays as it is. */
SOP_MUST_CHECK sop_status sop_faulty_disk_cut(sop_faulty_disk *disk,
                                              const sop_faulty_cut *cut,
                                              sop_faulty_disk **out);

/* ---- traces ---- */

/* From now on every operation that changes the disk is recorded. While no backend is open; what is on the disk counts as durable. */
SOP_MUST_CHECK sop_status sop_faulty_trace_start(sop_faulty_disk *disk);
/* Also records operations that change nothing (opens, reads, lists, locks...). */
void sop_faulty_trace_reads(sop_faulty_disk *disk, int on);
/* Records a remark of the test, for instance ("acknowledged", 17). text: kept, not copied. */
void sop_faulty_mark(sop_faulty_disk *disk, const char *text, uint64_t number);

typedef struct {
    uint32_t who;  /* 0: the test */
    uint32_t kind; /* SOP_FAULTY_WRITE, ... */
    sop_status status;
    const char *name;    /* "log/x"; the text of a mark; "" where there is none */
    const char *to;      /* of a rename; else NULL */
    uint64_t offset;     /* of a write; the number of a mark */
    uint64_t size;       /* of a write */
    const uint8_t *data; /* of a write; NULL: zeros */
} sop_faulty_event;

/* A write that failed in part is several events, one for each piece that was done. */
size_t sop_faulty_trace_size(sop_faulty_disk *disk);
/* Valid until the disk is freed. */
sop_faulty_event sop_faulty_trace_get(sop_faulty_disk *disk, size_t index);

/* The disk again as it was after the first events of its trace. One thread at a time, none of which uses the traced disk. */
typedef struct sop_faulty_replay sop_faulty_replay;
SOP_MUST_CHECK sop_status sop_faulty_replay_new(sop_faulty_disk *traced, sop_faulty_replay **out);
void sop_faulty_replay_free(sop_faulty_replay *replay); /* NULL allowed */
/* Moves to the moment before the event of that index (the size of the trace: after all). Going on is cheap, going back
   starts over. After SOP_NO_MEMORY only freeing is allowed. */
SOP_MUST_CHECK sop_status sop_faulty_replay_to(sop_faulty_replay *replay, size_t index);
/* A power cut at that moment. The new disk is independent and shares unchanged pages: cost grows with what was not durable. */
SOP_MUST_CHECK sop_status sop_faulty_replay_cut(sop_faulty_replay *replay,
                                                const sop_faulty_cut *cut,
                                                sop_faulty_disk **out);
/* Effects that a power cut at that moment could lose: 0 means that all cuts give the same disk. */
size_t sop_faulty_replay_pending(const sop_faulty_replay *replay);

#endif
