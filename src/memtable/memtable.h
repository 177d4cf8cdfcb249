/* SPDX-License-Identifier: MIT */
/*
 * The memtable: recent changes of many stores as persistent (path-copying) ordered trees in memory, fan-out
 * 64, counted.
 *
 * A memtable is one layer: changes relative to the layer below. One writer at a time applies transactions,
 * each under its own seq: nodes born under the current seq are changed in place, older ones are copied. A
 * root, once published, never changes; any number of threads read it without locks. The same structure,
 * with one seq for ever, is a transaction's private write set.
 *
 * memtable-1  Keys of a store strictly ascend, byte-wise. A key has one record: its final state at the
 *             root's seq.
 * memtable-2  delta of a record = present here - present below (+1, 0, -1); an entry that ends where it
 *             began stays, delta 0.
 * memtable-3  A node holds the sum of deltas and the maxima of seq and shape_seq below it; the deltas of its
 *             children stand side by side in an inner node.
 * memtable-4  A replaced node or record carries [born, died) and is reused only when no live snapshot lies
 *             in that interval.
 * memtable-5  Memory of a layer comes from its own heap and is released as a whole with the layer.
 */
#ifndef SOP_MEMTABLE_MEMTABLE_H
#define SOP_MEMTABLE_MEMTABLE_H

#include <stddef.h>
#include <stdint.h>

#include "sop/types.h"

#include "util/compiler.h"

typedef struct sop_memtable sop_memtable;
typedef struct sop_memtable_root sop_memtable_root; /* all stores of a layer at one seq */
typedef struct sop_memtree sop_memtree;             /* one store of a root */

/* What lies below a layer under a key. ANY: not looked up (a blind put in a write set); counts as ABSENT in
   deltas until resolved. */
enum { SOP_BELOW_ABSENT = 0, SOP_BELOW_PRESENT = 1, SOP_BELOW_ANY = 2 };
enum { SOP_RECORD_PRESENT = 1, SOP_RECORD_REFERENCE = 2 };

/* One key's final state in a layer; never changes once its root is published. */
typedef struct {
    uint64_t seq;       /* of the last change */
    uint64_t shape_seq; /* of the last change that inserted or removed it; 0: none in this layer */
    uint32_t value_size;
    uint16_t key_size;
    uint8_t flags;   /* SOP_RECORD_... */
    uint8_t below;   /* SOP_BELOW_... */
    uint8_t bytes[]; /* key, then value (or 32 bytes of reference) */
} sop_record;

SOP_INLINE sop_slice sop_record_key(const sop_record *r)
{
    sop_slice s = {r->bytes, r->key_size};
    return s;
}
SOP_INLINE sop_slice sop_record_value(const sop_record *r)
{
    sop_slice s = {r->bytes + r->key_size, r->value_size};
    return s;
}
SOP_INLINE int sop_record_present(const sop_record *r)
{
    return r->flags & SOP_RECORD_PRESENT;
}

/* An empty layer; its nodes are born at seq first_seq or later. NULL when out of memory. Cheap enough for a
   write set of one item (a few hundred ns, little memory). */
sop_memtable *sop_memtable_new(void);
void sop_memtable_free(sop_memtable *table); /* NULL allowed; nobody reads it any more */
/* Forgets everything, keeps some memory for the next use. */
void sop_memtable_reset(sop_memtable *table);
/* Memory taken from the heap, in bytes, and number of records reachable from the newest root. */
uint64_t sop_memtable_bytes(const sop_memtable *table);
uint64_t sop_memtable_items(const sop_memtable *table);

/* --- the writer: one thread at a time --- */

/* Starts a batch: seq ascends from batch to batch (a write set uses one for ever). */
void sop_memtable_begin(sop_memtable *table, uint64_t seq);

/*
 * Sets the state of a key within the batch.
 *
 * value  ignored unless flags has SOP_RECORD_PRESENT.
 * below  used only when the layer has no record of the key yet; otherwise the record keeps its own.
 *
 * Copies key and value. A second call for the same key in the same batch replaces the first.
 * Returns SOP_OK or SOP_NO_MEMORY (nothing of this call took effect; revert the batch).
 */
SOP_MUST_CHECK sop_status sop_memtable_set(
    sop_memtable *table, uint64_t store, sop_slice key, sop_slice value, unsigned flags, int below);

/*
 * What the layer has of a key, this batch included; NULL: nothing. The way there is kept, so that a set of the key right after it
 * costs little. Returns SOP_OK or SOP_NO_MEMORY.
 */
SOP_MUST_CHECK sop_status sop_memtable_find(sop_memtable *table,
                                            uint64_t store,
                                            sop_slice key,
                                            const sop_record **record_out);

/* Ends the batch: its root, unchanging from now on. Readers get it by the caller's release store. Valid
   until the layer is freed or reclaimed past it. */
const sop_memtable_root *sop_memtable_publish(sop_memtable *table);
/* Ends the batch as if it had never begun. (If the last published batch had the same seq, as in a write
   set, there is no way back: then only the batch ends; what was set stays.) */
void sop_memtable_revert(sop_memtable *table);
/* The root under construction, for the owner of a write set to read between two calls; NULL: nothing set
   yet. A call of set ends the cursors and tree pointers that came from it; pointers to records other than that
   of the key stay valid. */
const sop_memtable_root *sop_memtable_current(const sop_memtable *table);

/* A write set only (one seq, no readers): replaces SOP_BELOW_ANY by what was found and mends the deltas
   above it. */
void sop_memtable_resolve(sop_memtable *table, uint64_t store, const sop_record *record, int below);
/* Number of records of the store with SOP_BELOW_ANY. */
uint64_t sop_memtable_unresolved(const sop_memtable *table, uint64_t store);

/*
 * Frees memory of replaced nodes and records whose [born, died) holds none of the live snapshots.
 *
 * live   ascending seqs of all snapshots that are in use or may still be picked up (the newest published one
 *        included, and the one that sop_memtable_rewind may go back to).
 * Cost   amortised O(1) an item. Every 64 batches or so: what is freed is still in the cache when it is used again.
 */
void sop_memtable_reclaim(sop_memtable *table, const uint64_t *live, size_t count);
/* After a failed write of the log: batches newer than the root seen by readers are abandoned; nothing is
   reclaimed any more. */
void sop_memtable_freeze_heap(sop_memtable *table);
/* The log could not take the batches after seq: `root` (published by this layer at or before seq; NULL: the
   layer was empty then) is the newest root again. Nodes and records that the abandoned batches replaced are
   live again and leave the garbage queue; what the abandoned batches made may stay unused until the layer is
   freed. Roots of abandoned batches that a reader still holds stay readable. The next batch may use seq + 1
   again. */
void sop_memtable_rewind(sop_memtable *table, const sop_memtable_root *root, uint64_t seq);

/* --- readers: any thread, no locks --- */

/* NULL: the layer has nothing of that store. root may be NULL. */
const sop_memtree *sop_memtable_tree(const sop_memtable_root *root, uint64_t store);
/* Calls fn for each store that has records, ids ascending. */
typedef sop_status (*sop_memtable_store_fn)(uint64_t store, const sop_memtree *tree, void *context);
SOP_MUST_CHECK sop_status sop_memtable_stores(const sop_memtable_root *root,
                                              sop_memtable_store_fn fn,
                                              void *context);

/* All take tree == NULL as the empty tree. NULL: no record. */
const sop_record *sop_memtree_get(const sop_memtree *tree, sop_slice key);
uint64_t sop_memtree_items(const sop_memtree *tree);
int64_t sop_memtree_delta(const sop_memtree *tree);
/* Sum of deltas of records with key < key. */
int64_t sop_memtree_delta_before(const sop_memtree *tree, sop_slice key);
/* The first record in [from, to) (to.data NULL: no upper end; from.size 0: from the start) whose seq
   (shape_only: shape_seq) is above seq, or NULL. O(log n). */
const sop_record *sop_memtree_newer(
    const sop_memtree *tree, sop_slice from, sop_slice to, uint64_t seq, int shape_only);

/* The first record for which test returns 1, where test is 0 for a prefix of the order and 1 for the rest;
   NULL: none. Used to find a rank across layers in O(log n) tests. previous_out (may be NULL): the record
   before it. */
typedef int (*sop_memtree_test)(const sop_record *record, void *context);
const sop_record *sop_memtree_partition(const sop_memtree *tree,
                                        sop_memtree_test test,
                                        void *context,
                                        const sop_record **previous_out);

/* For a layer over nothing, where no delta is negative: the record that is present and has rank such
   records before it; NULL: there are fewer. O(log n) without reading any other record. */
const sop_record *sop_memtree_select(const sop_memtree *tree, uint64_t rank);

#define SOP_MEMTREE_HEIGHT_MAX 8
/* A position in a tree: at a record, before the first, or after the last. */
typedef struct {
    const sop_memtree *tree;
    struct {
        const void *node;
        uint32_t index;
    } levels[SOP_MEMTREE_HEIGHT_MAX];
    uint32_t height;
    const sop_record *record; /* NULL: past an end */
} sop_memcursor;

void sop_memcursor_init(sop_memcursor *cursor, const sop_memtree *tree);
const sop_record *sop_memcursor_seek_ge(sop_memcursor *cursor,
                                        sop_slice key); /* first record >= key */
const sop_record *sop_memcursor_seek_lt(sop_memcursor *cursor,
                                        sop_slice key); /* last record < key */
const sop_record *sop_memcursor_first(sop_memcursor *cursor);
const sop_record *sop_memcursor_last(sop_memcursor *cursor);
const sop_record *sop_memcursor_next(sop_memcursor *cursor); /* from a record; NULL at the end */
const sop_record *sop_memcursor_prev(sop_memcursor *cursor);

/*
 * Builds a layer from records in (store, key) order at once: recovery. Faster than set one by one. The
 * table is empty (new or reset) before, and published after, with one root at seq; later batches have a seq
 * above it. Any failure: reset or free the table.
 */
typedef struct {
    uint64_t store;
    sop_slice key;
    sop_slice value; /* ignored unless flags has SOP_RECORD_PRESENT */
    uint64_t seq;    /* not above that of begin */
    uint64_t shape_seq;
    uint8_t flags; /* SOP_RECORD_... */
    uint8_t below; /* SOP_BELOW_..., kept as given */
} sop_memtable_item;

/* In the caller's memory; its fields are private. */
typedef struct {
    sop_memtable *table;
    uint64_t store;
    uint32_t height;                     /* nodes in use; 0: no store begun */
    void *nodes[SOP_MEMTREE_HEIGHT_MAX]; /* the open node of each level */
} sop_memtable_bulk;

void sop_memtable_bulk_begin(sop_memtable_bulk *bulk, sop_memtable *table, uint64_t seq);
/* Items strictly ascend by store, then key. SOP_OK or SOP_NO_MEMORY. */
SOP_MUST_CHECK sop_status sop_memtable_bulk_add(sop_memtable_bulk *bulk,
                                                const sop_memtable_item *item);
/* *root_out is NULL if nothing was added. */
SOP_MUST_CHECK sop_status sop_memtable_bulk_finish(sop_memtable_bulk *bulk,
                                                   const sop_memtable_root **root_out);

SOP_MUST_CHECK sop_status
sop_memtable_check(const sop_memtable_root *root); /* walks all invariants; SOP_CORRUPT */

#endif
