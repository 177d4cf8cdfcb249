/* SPDX-License-Identifier: MIT */
/* What the document room gets of the handles: errors, specifications, handles that may write. */
#include "db/db.h"
#include "db/db_internal.h"
#include "util/bytes.h"
#include "util/error.h"

sop_error *sop_db_txn_error(sop_txn *txn)
{
    return &txn->core.error;
}

int sop_db_txn_writes(const sop_txn *txn)
{
    return txn->core.mode == SOP_TXN_WRITE;
}

sop_db *sop_db_of(const sop_txn *txn)
{
    return txn->db;
}

void sop_db_txn_doom(sop_txn *txn)
{
    sop_core_abort(&txn->core);
}

void sop_db_txn_attach(sop_txn *txn, sop_db_attachment *attachment)
{
    attachment->next = txn->attachments;
    txn->attachments = attachment;
}

void sop_db_txn_on_commit(sop_txn *txn, void (*fn)(sop_db *db))
{
    txn->on_commit = fn;
}

int sop_db_workers(const sop_db *db)
{
    const sop_engine_options *options = sop_engine_options_get(db->engine);
    if (options->read_only || options->workers < 0) return 0;
    return options->workers == 0 ? 1 : options->workers;
}

uint64_t sop_db_interrupts(const sop_db *db)
{
    return sop_engine_interrupts(db->engine);
}

void **sop_db_slot(sop_db *db)
{
    return &db->documents;
}

void sop_db_store_unlock(sop_store *store)
{
    store->unlocked = 1;
}

sop_txn *sop_db_store_txn(const sop_store *store)
{
    return store->txn;
}

const char *sop_db_store_name(const sop_store *store)
{
    return store->name;
}

sop_status sop_db_store_spec(sop_store *store, sop_slice *spec_out, uint64_t *version_out)
{
    sop_status status = sop_store__enter(store);
    *spec_out = sop_slice_of(store->spec, store->spec_size);
    *version_out = store->spec_version;
    return status;
}

sop_status sop_db_store_spec_set(sop_store *store, sop_slice spec)
{
    if (spec.size > SOP_SPEC_SIZE_MAX) {
        return sop_fail(&store->txn->core.error, SOP_TOO_LARGE,
                        "store \"%.120s\": key, rules and indexes take %zu bytes, at most %d",
                        store->name, spec.size, SOP_SPEC_SIZE_MAX);
    }
    return sop_catalogue__spec_set(store, spec);
}
