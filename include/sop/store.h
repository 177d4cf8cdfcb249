/* SPDX-License-Identifier: MIT */
/*
 * Stores: named, ordered maps from key bytes to value bytes.
 *
 * Keys are compared as unsigned bytes, a prefix first; sop/key.h builds keys from numbers, strings
 * and so on that sort as one expects. A store handle belongs to its transaction, survives
 * sop_txn_reset and sop_txn_renew, and is freed by sop_txn_close. A range is [from, to): from is
 * included, to is not; an empty slice leaves that end open.
 *
 * In a store made with allow_duplicates several items may have equal keys: sop_store_add appends
 * behind the equals, sop_store_put is SOP_INVALID, get, update and remove act on the first of the
 * equals, and counts and ranks count items.
 *
 * "The common errors" are listed at the head of sop/txn.h.
 */
#ifndef SOP_STORE_H
#define SOP_STORE_H

#include "sop/txn.h"
#include "sop/types.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sop_store sop_store;

#define SOP_KEY_SIZE_MAX             4096
#define SOP_STORE_NAME_SIZE_MAX      255
#define SOP_INLINE_VALUE_MAX_DEFAULT 2048
#define SOP_INLINE_VALUE_MAX_LIMIT   16384
#define SOP_VALUE_GET_MAX            (64u << 20) /* larger ones only by sop_value_read */
#define SOP_VALUE_SIZE_MAX           (UINT64_C(1) << 48)
#define SOP_ATTRIBUTES_SIZE_MAX      (1 << 20)

/* sop_store_info.kind; document stores and their indexes are made by sop/document.h. */
enum { SOP_STORE_RAW = 0, SOP_STORE_DOCUMENTS = 1, SOP_STORE_INDEX = 2 };

typedef struct {
    size_t struct_size;
    int allow_duplicates;      /* 1: several items may have equal keys */
    uint32_t inline_value_max; /* bytes; larger values lie apart; 0 = 2,048; at most 16,384 */
    sop_slice attributes;      /* free JSON for tools, at most 1 MiB */
    int kind;                  /* SOP_STORE_RAW; others are made by sop/document.h */
    int system;                /* 1: a tool's own store; its name begins with "sop:" */
} sop_store_options;
/* clang-format off */
#define SOP_STORE_OPTIONS_INIT {sizeof(sop_store_options), 0, 0, {0, 0}, 0, 0}
/* clang-format on */

typedef struct {
    size_t struct_size;
    uint64_t id;
    const char *name; /* valid during the callback, or until the next call on the store handle */
    int kind;
    int allow_duplicates;
    uint32_t inline_value_max;
    sop_slice attributes;
    uint64_t count;
    uint64_t bytes; /* keys and values as of the last checkpoint, large values included */
    uint32_t depth; /* levels of the base tree */
} sop_store_info;
/* clang-format off */
#define SOP_STORE_INFO_INIT {sizeof(sop_store_info), 0, 0, 0, 0, 0, {0, 0}, 0, 0, 0}
/* clang-format on */

/* A status other than SOP_OK stops the listing and is returned. */
typedef sop_status (*sop_store_info_fn)(const sop_store_info *info, void *context);

/*
 * Create a store; it exists for others once the transaction has committed.
 *
 * txn         a WRITE transaction.
 * name        1 to 255 bytes of UTF-8 without control characters, not beginning with "sop:".
 * options     NULL: unique keys, all defaults.
 * store_out   the handle; NULL on failure.
 *
 * Returns:   SOP_OK; SOP_EXISTS (the name is taken); SOP_INVALID (name, options); the common
 *            errors.
 * Lifetime:  store_out lives until sop_txn_close.
 * Threads:   only the thread that owns the transaction.
 * Cost:      O(log number of stores).
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_store_create(sop_txn *txn,
                                                   const char *name,
                                                   const sop_store_options *options,
                                                   sop_store **store_out);
/*
 * Open a store by name. It is a read of the catalogue: a commit fails with SOP_CONFLICT if the
 * store was dropped, renamed or altered meanwhile.
 *
 * txn         a transaction.
 * name        the name of the store.
 * store_out   the handle; NULL on failure. Opening a store again gives the handle it has already.
 *
 * Returns:   SOP_OK; SOP_NOT_FOUND; the common errors.
 * Lifetime:  store_out lives until sop_txn_close.
 * Threads:   only the thread that owns the transaction.
 * Cost:      O(log number of stores).
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_store_open(sop_txn *txn,
                                                 const char *name,
                                                 sop_store **store_out);
/*
 * Open a store by its id, which a rename does not change and which is never used again.
 *
 * txn         a transaction.
 * id          from sop_store_id, sop_store_info or sop_change.
 * store_out   the handle; NULL on failure.
 *
 * Returns:   SOP_OK; SOP_NOT_FOUND; the common errors.
 * Lifetime:  store_out lives until sop_txn_close.
 * Threads:   only the thread that owns the transaction.
 * Cost:      one look-up in the catalogue.
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_store_open_id(sop_txn *txn,
                                                    uint64_t id,
                                                    sop_store **store_out);
/*
 * The id of a store.
 *
 * store      a store handle.
 *
 * Returns:   the id, 1 or more; 0 for NULL.
 * Threads:   only the thread that owns the transaction.
 * Since:     0.1
 */
SOP_API uint64_t sop_store_id(const sop_store *store);
/*
 * Rename a store. Handles of it go on.
 *
 * txn        a WRITE transaction.
 * from       its present name.
 * to         its new name, as in sop_store_create.
 *
 * Returns:   SOP_OK; SOP_NOT_FOUND (from); SOP_EXISTS (to); SOP_INVALID; the common errors.
 * Threads:   only the thread that owns the transaction.
 * Cost:      O(log number of stores).
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_store_rename(sop_txn *txn, const char *from, const char *to);
/*
 * Drop a store with everything in it. Transactions that see an older snapshot still read it.
 *
 * txn        a WRITE transaction. Its handle of the store gives SOP_NOT_FOUND from here on.
 * name       the name of the store.
 *
 * Returns:   SOP_OK; SOP_NOT_FOUND; the common errors.
 * Threads:   only the thread that owns the transaction.
 * Cost:      O(log number of stores), however many items; space comes back in the background.
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_store_drop(sop_txn *txn, const char *name);
/*
 * Replace the attributes of a store: a description for tools that the library does not look into.
 *
 * store        a store of a WRITE transaction.
 * attributes   at most 1 MiB (SOP_ATTRIBUTES_SIZE_MAX); JSON by convention; copied.
 *
 * Returns:   SOP_OK; SOP_TOO_LARGE; the common errors.
 * Threads:   only the thread that owns the transaction.
 * Cost:      O(log number of stores). Transactions that write the store meanwhile get SOP_CONFLICT.
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_store_attributes_set(sop_store *store, sop_slice attributes);
/*
 * Call a function for every store, in the order of their names. It is a read of the whole
 * catalogue.
 *
 * txn        a transaction.
 * fn         must not change the catalogue; a status other than SOP_OK ends the listing.
 * context    handed to fn.
 *
 * Returns:   SOP_OK; what fn returned; the common errors.
 * Lifetime:  the info handed to fn is valid during that call.
 * Threads:   only the thread that owns the transaction.
 * Cost:      O(number of stores).
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_store_list(sop_txn *txn, sop_store_info_fn fn, void *context);
/*
 * What a store is: name, options, attributes, number of items, size.
 *
 * store      a store handle.
 * info_out   begun with SOP_STORE_INFO_INIT.
 *
 * Returns:   SOP_OK; SOP_INVALID (struct_size); the common errors.
 * Lifetime:  name and attributes in info_out are valid until the next call on the store handle.
 * Threads:   only the thread that owns the transaction.
 * Cost:      O(log n). The count is a read of the whole store for validation, as sop_store_count.
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_store_info_get(sop_store *store, sop_store_info *info_out);

/*
 * Read the value stored under a key, as the transaction sees it.
 *
 * store       a store handle.
 * key         1 to 4,096 bytes (SOP_KEY_SIZE_MAX); not kept after the call.
 * value_out   points into the transaction or the database; do not free.
 *
 * Returns:   SOP_OK; SOP_NOT_FOUND; SOP_TOO_LARGE (a value above 64 MiB: use sop_value_read); the
 *            common errors.
 * Lifetime:  value_out is valid until the next call on this store handle, and ends when the
 *            transaction writes this key, is reset or closed. Copy to keep.
 * Threads:   only the thread that owns the transaction.
 * Cost:      O(log n), at most one disk read per level that is not cached; no allocation for values
 *            that lie in the leaf.
 * Source:    docs/format/node.md.
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_store_get(sop_store *store,
                                                sop_slice key,
                                                sop_slice *value_out);
/*
 * Insert an item whose key must not be there yet; with duplicates allowed, append it behind the
 * items of the same key.
 *
 * store      a store of a WRITE transaction.
 * key        1 to 4,096 bytes (with duplicates: after escaping each 00 byte); copied.
 * value      0 bytes to 2^48 (SOP_VALUE_SIZE_MAX); copied. Above 64 MiB sop_store_get refuses to
 *            read it back at once; sop_value_write_open writes such values in pieces.
 *
 * Returns:   SOP_OK; SOP_EXISTS (unique keys only; a read of the key); SOP_TOO_LARGE; the common
 *            errors.
 * Threads:   only the thread that owns the transaction.
 * Cost:      O(log n).
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_store_add(sop_store *store, sop_slice key, sop_slice value);
/*
 * Insert an item or replace its value, without reading: a put alone never causes a conflict.
 *
 * store      a store of a WRITE transaction, with unique keys.
 * key        1 to 4,096 bytes; copied.
 * value      0 bytes to 2^48 (SOP_VALUE_SIZE_MAX); copied. Above 64 MiB sop_store_get refuses to
 *            read it back at once; sop_value_write_open writes such values in pieces.
 *
 * Returns:   SOP_OK; SOP_INVALID (a store with duplicates); SOP_TOO_LARGE; the common errors.
 * Threads:   only the thread that owns the transaction.
 * Cost:      O(log n).
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_store_put(sop_store *store, sop_slice key, sop_slice value);
/*
 * Replace the value of an item that must be there; with duplicates, of the first one.
 *
 * store      a store of a WRITE transaction.
 * key        1 to 4,096 bytes; not kept.
 * value      0 bytes to 2^48 (SOP_VALUE_SIZE_MAX); copied.
 *
 * Returns:   SOP_OK; SOP_NOT_FOUND (a read of the key); SOP_TOO_LARGE; the common errors.
 * Threads:   only the thread that owns the transaction.
 * Cost:      O(log n).
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_store_update(sop_store *store,
                                                   sop_slice key,
                                                   sop_slice value);
/*
 * Remove an item; with duplicates, the first one.
 *
 * store      a store of a WRITE transaction.
 * key        1 to 4,096 bytes; not kept.
 *
 * Returns:   SOP_OK; SOP_NOT_FOUND (a read of the key); the common errors.
 * Threads:   only the thread that owns the transaction.
 * Cost:      O(log n).
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_store_remove(sop_store *store, sop_slice key);
/*
 * Remove every item of a range. It is a read of the range.
 *
 * store         a store of a WRITE transaction.
 * from, to      the range [from, to); an empty slice leaves that end open.
 * removed_out   how many items were removed, also after a failure on the way.
 *
 * Returns:   SOP_OK, also when the range is empty; the common errors. To remove a whole store,
 *            sop_store_drop is far cheaper.
 * Threads:   only the thread that owns the transaction.
 * Cost:      O(log n + items removed); each counts towards txn_memory_max.
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_store_remove_range(sop_store *store,
                                                         sop_slice from,
                                                         sop_slice to,
                                                         uint64_t *removed_out);
/*
 * The exact number of items, as the transaction sees it. It is a read of the whole store.
 *
 * store       a store handle.
 * count_out   the number of items.
 *
 * Returns:   SOP_OK; the common errors.
 * Threads:   only the thread that owns the transaction.
 * Cost:      O(1) to O(log n): counts are kept in the trees.
 * Source:    counted B-trees: Knuth, The Art of Computer Programming 3, section 6.2.4.
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_store_count(sop_store *store, uint64_t *count_out);
/*
 * The exact number of items in a range. It is a read of the range.
 *
 * store       a store handle.
 * from, to    the range [from, to); an empty slice leaves that end open.
 * count_out   the number of items; 0 when from is not below to.
 *
 * Returns:   SOP_OK; the common errors.
 * Threads:   only the thread that owns the transaction.
 * Cost:      O(log n), however large the range.
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_store_count_range(sop_store *store,
                                                        sop_slice from,
                                                        sop_slice to,
                                                        uint64_t *count_out);
/*
 * The position of a key: how many items come before it. It is a read of all that come before.
 *
 * store      a store handle.
 * key        1 to 4,096 bytes; it need not be there.
 * rank_out   0 for the first item of the store.
 *
 * Returns:   SOP_OK, also when the key is not there; the common errors.
 * Threads:   only the thread that owns the transaction.
 * Cost:      O(log n).
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_store_rank(sop_store *store,
                                                 sop_slice key,
                                                 uint64_t *rank_out);

#ifdef __cplusplus
}
#endif
#endif
