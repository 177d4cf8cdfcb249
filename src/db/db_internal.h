/* SPDX-License-Identifier: MIT */
/* What the files of the db room share: the public handles behind their opaque names. */
#ifndef SOP_DB_DB_INTERNAL_H
#define SOP_DB_DB_INTERNAL_H

#include "sop/cursor.h"
#include "sop/db.h"
#include "sop/store.h"
#include "sop/txn.h"
#include "sop/value.h"

#include "db/db.h"
#include "snapshot/snapshot.h"
#include "txn/txn.h"
#include "util/compiler.h"

struct sop_db {
    sop_engine *engine;
    char *url;
    _Atomic uint32_t feeds; /* that are open */
    void *documents;        /* of the document room */
};

struct sop_txn {
    sop_core core;
    sop_db *db;
    sop_store *stores;     /* all handles of this transaction */
    sop_store **index;     /* the same by id, open addressing */
    size_t index_capacity; /* a power of two */
    size_t store_count;
    sop_db_attachment *attachments; /* what rooms above hang on it */
    void (*on_commit)(sop_db *db);
    uint64_t item_version; /* snapshot_version that item_random belongs to */
    uint32_t item_random;  /* of item ids in non-unique stores, drawn for each snapshot */
    uint32_t item_ordinal;
    sop_view_cache catalogue_cache;
};

struct sop_store {
    sop_txn *txn;
    sop_store *next;
    sop_cursor *cursors; /* of one snapshot */
    sop_cursor *ended;   /* of earlier snapshots, to be used again */
    sop_value_writer *writers;
    uint64_t id;
    char name[SOP_STORE_NAME_SIZE_MAX + 1];
    uint8_t kind;
    int duplicates;
    int read_only; /* carries features this build does not know */
    uint32_t inline_value_max;
    uint8_t *attributes; /* own copy */
    size_t attributes_size;
    uint8_t *spec; /* own copy, of a document store */
    size_t spec_size;
    uint64_t spec_version;     /* rises whenever spec changes */
    int unlocked;              /* the document room may write through this handle */
    uint64_t snapshot_version; /* of the transaction, when the row was last looked at */
    uint64_t write_version;    /* of the transaction, when the view was made */
    uint64_t row_seq; /* catalogue seq at which the row was read; UINT64_MAX: read it again */
    sop_view_cache cache;
    sop_view view;
    sop_view_cursor *probe; /* for non-unique stores */
    uint8_t *large;         /* a large value that is not contiguous */
    size_t large_capacity;
};

struct sop_value_writer {
    sop_store *store;
    sop_value_writer *next;
    sop_value_stream *stream;
    uint8_t *key; /* stored key */
    size_t key_size;
    uint64_t snapshot_version;
};

#define SOP_STORED_KEY_MAX (SOP_KEY_SIZE_MAX + 2u + 16u)

/* Ready for a call: transaction usable, row as it was, view current. */
SOP_MUST_CHECK sop_status sop_store__enter_slow(sop_store *store);
SOP_INLINE SOP_MUST_CHECK sop_status sop_store__enter(sop_store *store)
{
    sop_core *core = &store->txn->core;
    sop_status status = sop_core_enter(core);
    if (SOP_UNLIKELY(status != SOP_OK)) return status;
    if (SOP_LIKELY(store->write_version == core->write_version)) return SOP_OK;
    return sop_store__enter_slow(store);
}
/* As enter, for calls that write items; refuses document stores. */
SOP_MUST_CHECK sop_status sop_store__enter_write(sop_store *store);
SOP_MUST_CHECK sop_status sop_store__key_check(sop_store *store, sop_slice key);
/* A value as the caller sees it: large ones are mapped or read into the store's buffer. */
SOP_MUST_CHECK sop_status sop_store__value_out(sop_store *store,
                                               sop_view_value value,
                                               sop_slice *out);
/* Writes a value under a stored key; large ones go to a value segment first. */
SOP_MUST_CHECK sop_status sop_store__write(sop_store *store,
                                           sop_slice stored_key,
                                           sop_slice value,
                                           int below);
/* Writes a large value; reference: SOP_VALUE_REFERENCE_SIZE bytes. Whoever writes that sets has_references. */
SOP_MUST_CHECK sop_status sop_value__make(sop_core *core, sop_slice value, uint8_t *reference);
SOP_MUST_CHECK sop_status sop_store__remove_stored(sop_store *store, sop_slice stored_key);
/* The state of a stored key; records the read unless the transaction wrote the key itself. */
SOP_MUST_CHECK sop_status sop_store__lookup(sop_store *store,
                                            sop_slice stored_key,
                                            sop_view_value *out);
void sop_store__free(sop_store *store);
SOP_MUST_CHECK sop_status sop_store__probe(sop_store *store, sop_view_cursor **out);

/* db_duplicates.c: stored keys of non-unique stores. */
/* escape(key) 00 01; returns the size, 0 when it exceeds the limit. out: SOP_STORED_KEY_MAX bytes. */
size_t sop_duplicates__prefix(sop_slice key, uint8_t *out);
/* Splits a stored key into the plain key (into out, SOP_KEY_SIZE_MAX bytes) and the 16 bytes of the item id. */
SOP_MUST_CHECK sop_status sop_duplicates__split(sop_slice stored,
                                                uint8_t *out,
                                                size_t *size_out,
                                                const uint8_t **id_out);
/* The first item of a key; records the read. stored_out: SOP_STORED_KEY_MAX bytes. */
SOP_MUST_CHECK sop_status sop_duplicates__first(sop_store *store,
                                                sop_slice key,
                                                uint8_t *stored_out,
                                                size_t *size_out,
                                                sop_view_value *value_out);
SOP_MUST_CHECK sop_status sop_duplicates__add(sop_store *store, sop_slice key, sop_slice value);
/* A new stored key for an item of key. out: SOP_STORED_KEY_MAX bytes. */
SOP_MUST_CHECK sop_status sop_duplicates__new_key(sop_store *store,
                                                  sop_slice key,
                                                  uint8_t *out,
                                                  size_t *size_out);
/* An end of a range in stored keys: the place before all items of key; empty stays empty. out: SOP_STORED_KEY_MAX bytes. */
SOP_MUST_CHECK sop_status sop_duplicates__bound(sop_store *store,
                                                sop_slice key,
                                                uint8_t *out,
                                                sop_slice *bound_out);

/* db_catalogue.c */
SOP_MUST_CHECK sop_status sop_catalogue__name_check(sop_error *err, const char *name);
/* A row of store 0; records the read. The slice is valid until the transaction writes. */
SOP_MUST_CHECK sop_status sop_catalogue__get(sop_txn *txn, sop_slice key, sop_slice *out);
SOP_MUST_CHECK sop_status sop_catalogue__create(sop_txn *txn,
                                                const char *name,
                                                sop_catalogue_row *row,
                                                uint64_t *id_out);
SOP_MUST_CHECK sop_status sop_catalogue__options_check(const sop_store_options *options,
                                                       sop_catalogue_row *row_out,
                                                       sop_error *err);
/* Writes the specification of a store into its row, which every transaction that writes the store has read. */
SOP_MUST_CHECK sop_status sop_catalogue__spec_set(sop_store *store, sop_slice spec);
SOP_MUST_CHECK sop_status sop_catalogue__count(sop_txn *txn, uint64_t *count_out);
SOP_MUST_CHECK sop_status sop_store__row_set(sop_store *store, const sop_catalogue_row *row);

/* db_handle.c: the handle of a store in a transaction, made when it is asked for the first time. */
SOP_MUST_CHECK sop_status sop_store__handle(sop_txn *txn,
                                            const sop_catalogue_row *row,
                                            sop_store **out);
void sop_store__handles_free(sop_txn *txn);

/* db_cursor.c: what commit needs to know of the scans of open cursors. */
SOP_MUST_CHECK sop_status sop_cursor__flush_all(sop_store *store);
void sop_cursor__free_all(sop_store *store);
void sop_value__free_all(sop_store *store);
void sop_value__end_all(sop_store *store);

/* Copies a filled struct to the caller's, at most its struct_size bytes, which stays. */
void sop_struct__out(void *caller, const void *filled, size_t size);

#endif
