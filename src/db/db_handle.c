/* SPDX-License-Identifier: MIT */
/* The store handles of a transaction: one for each raw store, found by id, since handles outlive reset and programs open stores anew. */
#include "db/db_internal.h"
#include "util/error.h"
#include "util/memory.h"

enum { INDEX_MIN = 8 };

/* Where a store is in the index, or the empty place where it would be. */
static sop_store **place_of(sop_store **index, size_t capacity, uint64_t id)
{
    /* Ids are a counter: consecutive ones fall into consecutive places. */
    size_t at = (size_t)id & (capacity - 1);
    while (index[at] != NULL && index[at]->id != id) {
        at = (at + 1) & (capacity - 1);
    }
    return &index[at];
}

/* Room for one more at half full. */
static sop_status index_reserve(sop_txn *txn)
{
    if (2 * (txn->store_count + 1) <= txn->index_capacity) return SOP_OK;
    size_t capacity = txn->index_capacity == 0 ? INDEX_MIN : 2 * txn->index_capacity;
    sop_store **index = sop_alloc_zeroed(capacity * sizeof(*index));
    if (index == NULL) return sop_fail(&txn->core.error, SOP_NO_MEMORY, "store: out of memory");
    for (sop_store *store = txn->stores; store != NULL; store = store->next) {
        if (store->kind == SOP_STORE_RAW) *place_of(index, capacity, store->id) = store;
    }
    sop_free(txn->index);
    txn->index = index;
    txn->index_capacity = capacity;
    return SOP_OK;
}

sop_status sop_store__handle(sop_txn *txn, const sop_catalogue_row *row, sop_store **out)
{
    sop_status status = index_reserve(txn);
    if (status != SOP_OK) return status;
    /* The document room unlocks handles for itself: those of its stores are nobody else's. */
    sop_store *own = NULL;
    sop_store **place =
        row->kind == SOP_STORE_RAW ? place_of(txn->index, txn->index_capacity, row->id) : &own;
    if (*place != NULL) {
        status = sop_store__row_set(*place, row);
        if (status == SOP_OK) *out = *place;
        return status;
    }
    sop_store *store = sop_alloc_zeroed(sizeof *store);
    if (store == NULL) return sop_fail(&txn->core.error, SOP_NO_MEMORY, "store: out of memory");
    store->txn = txn;
    store->id = row->id;
    store->row_seq = UINT64_MAX;
    status = sop_store__row_set(store, row);
    if (status != SOP_OK) {
        sop_store__free(store);
        return status;
    }
    store->next = txn->stores;
    txn->stores = store;
    txn->store_count++;
    *place = store;
    *out = store;
    return SOP_OK;
}

void sop_store__handles_free(sop_txn *txn)
{
    for (sop_store *store = txn->stores; store != NULL;) {
        sop_store *next = store->next;
        sop_store__free(store);
        store = next;
    }
    txn->stores = NULL;
    sop_free(txn->index);
    txn->index = NULL;
}
