/* SPDX-License-Identifier: MIT */
/*
 * Private to the faulty backend: what is on the disk, and what of it is durable.
 *
 * model-1  Contents are trees of 4 KiB pages shared by reference; who is not the only owner copies before writing. NULL pages and
 *          chunks are zeros.
 * model-2  cache = durable + pending writes in order, unless the inode has diverged (a sync failed).
 * model-3  The live names of a folder = durable names + pending operations in order, unless a folder sync failed.
 * model-4  A function that returns SOP_NO_MEMORY has changed nothing that can be seen.
 */
#ifndef SOP_BACKEND_BACKEND_FAULTY_MODEL_H
#define SOP_BACKEND_BACKEND_FAULTY_MODEL_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "sop/types.h"

#include "backend/backend_faulty.h"
#include "backend/backend_locks.h"
#include "backend/backend_memory.h"
#include "backend/backend_private.h"

/* ---- shared bytes: data of writes, names (with a terminating zero that size counts) ---- */

typedef struct {
    _Atomic uint32_t refs;
    size_t size;
    uint8_t data[];
} faulty_bytes;

faulty_bytes *sop_faulty__bytes_new(const void *data, size_t size); /* data NULL: zeros */
faulty_bytes *sop_faulty__bytes_acquire(faulty_bytes *bytes);       /* NULL allowed */
void sop_faulty__bytes_release(faulty_bytes *bytes);                /* NULL allowed */
/* 1 if all are zero. */
int sop_faulty__is_zero(const uint8_t *data, size_t size);

/* ---- contents ---- */

enum { FAULTY_PAGE = 4096, FAULTY_CHUNK_PAGES = 64 };
#define FAULTY_CHUNK_BYTES ((uint64_t)FAULTY_PAGE * FAULTY_CHUNK_PAGES)
#define FAULTY_FILE_MAX    (UINT64_C(1) << 36)

typedef struct {
    _Atomic uint32_t refs;
    uint8_t bytes[FAULTY_PAGE];
} faulty_page;

typedef struct {
    _Atomic uint32_t refs;
    faulty_page *pages[FAULTY_CHUNK_PAGES];
} faulty_chunk;

typedef struct {
    _Atomic uint32_t refs;
    uint64_t size; /* of the file */
    size_t count;  /* of chunks */
    faulty_chunk **chunks;
} faulty_content;

faulty_content *sop_faulty__content_new(void);
faulty_content *sop_faulty__content_acquire(faulty_content *content);
void sop_faulty__content_release(faulty_content *content); /* NULL allowed */
/* Makes the range writable without changing what is read: an own table, own pages where data is not zero. data NULL: zeros. */
sop_status sop_faulty__content_own(faulty_content **content,
                                   uint64_t offset,
                                   const uint8_t *data,
                                   uint64_t size);
/* Writes a range that content_own prepared for the same data. */
void sop_faulty__content_write(faulty_content *content,
                               uint64_t offset,
                               const uint8_t *data,
                               uint64_t size);
/* Returns the bytes read: fewer than size at the end. */
size_t
sop_faulty__content_read(const faulty_content *content, uint64_t offset, void *buffer, size_t size);
/* The page of that number, NULL when it is all zeros. */
const uint8_t *sop_faulty__content_page(const faulty_content *content, uint64_t number);

/* ---- files ---- */

typedef struct faulty_pending faulty_pending;
struct faulty_pending {
    faulty_pending *next;
    uint64_t moment; /* model.moment when it was done */
    uint64_t offset;
    uint64_t size;
    faulty_bytes *bytes; /* NULL: zeros */
};

typedef struct {
    uint64_t id;
    uint32_t
        refs; /* names live and durable, pending operations, handles, maps, the table of a replay */
    uint32_t uses; /* of those, live names, handles and maps: the file takes room */
    faulty_content *cache;
    faulty_content *durable;
    faulty_pending *pending; /* oldest first */
    faulty_pending **pending_end;
    size_t pending_count;
    int diverged;
    uint64_t errors; /* failed write-backs: descriptors compare it with what they have seen */
    /* Live disks only: */
    uint32_t maps;    /* handed out; all of them are the area */
    memory_area area; /* what processes see of the cache */
} faulty_inode;

/* ---- folders ---- */

typedef struct {
    faulty_bytes *name;
    faulty_inode *inode;
} faulty_entry;

typedef struct {
    faulty_entry *rows;
    size_t count;
    size_t capacity;
} faulty_names;

enum { FAULTY_STEP_CREATE, FAULTY_STEP_RENAME, FAULTY_STEP_REMOVE };

/* One change of names that a folder sync has not made durable yet. */
typedef struct faulty_step faulty_step;
struct faulty_step {
    faulty_step *next;
    uint64_t moment;
    int what;
    faulty_bytes *name;
    faulty_bytes *to; /* of a rename */
    faulty_inode *inode;
};

typedef struct {
    faulty_names live;
    faulty_names durable;
    faulty_step *pending; /* oldest first */
    faulty_step **pending_end;
    size_t pending_count;
} faulty_folder;

typedef struct faulty_tree faulty_tree;
struct faulty_tree {
    faulty_tree *next;
    uint64_t id;
    faulty_folder folders[SOP_FOLDER_COUNT];
    /* Live disks only: */
    lock_table locks;
    void *page;
    size_t page_size;
    void *lost_pages[8]; /* removed, but processes have them mapped */
    size_t lost_count;
};

/* ---- the whole ---- */

typedef struct {
    faulty_tree *trees; /* the published one and those under construction */
    faulty_tree *published;
    faulty_inode **inodes; /* by id; NULL: gone */
    size_t inode_capacity;
    uint64_t inode_next;
    uint64_t tree_next;
    uint64_t moment; /* counts changes */
    uint64_t used;   /* bytes of files in use */
    int keep_inodes; /* replays: a file may be named again by a later event */
} faulty_model;

void sop_faulty__model_init(faulty_model *model);
void sop_faulty__model_deinit(faulty_model *model);

faulty_tree *sop_faulty__tree_add(faulty_model *model); /* NULL: out of memory */
faulty_tree *sop_faulty__tree_find(const faulty_model *model, uint64_t id);
void sop_faulty__tree_drop(faulty_model *model, faulty_tree *tree);

faulty_inode *sop_faulty__inode_new(faulty_model *model); /* refs 1; NULL: out of memory */
void sop_faulty__inode_use(faulty_model *model, faulty_inode *inode);
void sop_faulty__inode_unuse(faulty_model *model, faulty_inode *inode);
void sop_faulty__inode_release(faulty_model *model, faulty_inode *inode);

faulty_inode *sop_faulty__names_find(const faulty_names *names, const char *leaf);
sop_status sop_faulty__names_reserve(faulty_names *names, size_t count);
/* Applies a step to durable names; needs room for one more. */
void sop_faulty__names_apply(faulty_model *model, faulty_names *names, const faulty_step *step);
void sop_faulty__names_add(faulty_names *names, faulty_bytes *name, faulty_inode *inode);

/* The changes. Names are checked by the caller: create wants a free one, remove and rename a taken one. */
sop_status sop_faulty__create(faulty_model *model,
                              faulty_folder *folder,
                              faulty_bytes *leaf,
                              faulty_inode **out);
sop_status sop_faulty__remove(faulty_model *model, faulty_folder *folder, const char *leaf);
sop_status
sop_faulty__rename(faulty_model *model, faulty_folder *folder, const char *from, faulty_bytes *to);
/* bytes NULL: zeros; else bytes->size is the size. */
sop_status sop_faulty__write(
    faulty_model *model, faulty_inode *inode, uint64_t offset, uint64_t size, faulty_bytes *bytes);
sop_status sop_faulty__sync(faulty_model *model, faulty_inode *inode);
/* effect: SOP_FAULTY_NOTHING ...; PART is chosen by the seed. */
sop_status
sop_faulty__sync_fail(faulty_model *model, faulty_inode *inode, int effect, uint64_t seed);
sop_status sop_faulty__folder_sync(faulty_model *model, faulty_folder *folder);
sop_status
sop_faulty__folder_sync_fail(faulty_model *model, faulty_folder *folder, int effect, uint64_t seed);
sop_status sop_faulty__publish(faulty_model *model, faulty_tree *tree);

/* ---- chance and power cuts ---- */

/* The next number of the sequence. */
uint64_t sop_faulty__random(uint64_t *state);
/* The durable bytes of a file if the power were cut at this moment; a reference. NULL: out of memory. */
faulty_content *sop_faulty__cut_content(const faulty_model *model,
                                        const faulty_inode *inode,
                                        const sop_faulty_cut *cut);
/* How many pending changes of names survive. */
size_t sop_faulty__cut_steps(const faulty_model *model,
                             const faulty_folder *folder,
                             const sop_faulty_cut *cut);
/* Writes and changes of names that a power cut could lose; 0: there is only one outcome. */
size_t sop_faulty__cut_pending(const faulty_model *model);
/* Fills an empty model. Ids are kept. On SOP_NO_MEMORY deinit it. */
sop_status
sop_faulty__cut_model(const faulty_model *from, const sop_faulty_cut *cut, faulty_model *to);

#endif
