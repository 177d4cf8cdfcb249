/* SPDX-License-Identifier: MIT */
/* The builder: fills indexes that are not complete, in chunks, in the background or in the caller's thread. */
#include "document/document_store.h"
#include "util/bytes.h"
#include "util/error.h"
#include "util/memory.h"
#include "util/mutex.h"
#include "util/world.h"

enum { CHUNK = 2000, CHUNK_MIN = 64 };

/* The background builder of a database. */
typedef struct {
    sop_mutex lock;
    sop_task *task; /* guarded by lock; NULL: never started */
    int running;    /* guarded by lock */
    int again;      /* guarded by lock: look once more before ending */
    _Atomic uint32_t
        stop; /* relaxed: a hint that is looked at between chunks; the join orders the rest */
    sop_db *db;
} builder;

/* ---- one chunk ---- */

typedef struct {
    uint64_t store;
    uint64_t index;
    uint64_t chunk;
    unsigned attempts; /* of the present chunk */
    uint64_t done;     /* documents so far */
    uint64_t total;
    int finished;
    int unfit; /* a document does not fit: why says so */
    sop_error why;
} job;

static sop_status
position_read(sop_store *builds, const uint8_t key[16], sop_document__position *out)
{
    sop_slice value;
    sop_status status = sop_store_get(builds, sop_slice_of(key, 16), &value);
    if (status != SOP_OK) return status;
    if (value.size < 8 || value.size > 8 + SOP_KEY_SIZE_MAX) return SOP_CORRUPT;
    out->count = sop_get_u64le(value.data);
    out->size = value.size - 8;
    if (out->size != 0) memcpy(out->key, (const uint8_t *)value.data + 8, out->size);
    return SOP_OK;
}

static sop_status
position_write(sop_store *builds, const uint8_t key[16], const sop_document__position *position)
{
    uint8_t value[8 + SOP_KEY_SIZE_MAX];
    sop_put_u64le(value, position->count);
    memcpy(value + 8, position->key, position->size);
    return sop_store_put(builds, sop_slice_of(key, 16), sop_slice_of(value, 8 + position->size));
}

static size_t index_of(const sop_document__schema *schema, uint64_t id)
{
    size_t i = 0;
    while (i < schema->index_count && schema->indexes[i].store != id) {
        i++;
    }
    return i;
}

static sop_status chunk_fill(sop_documents *documents, size_t number, sop_store *builds, job *j)
{
    uint8_t key[16];
    sop_document__position position = {.size = 0};
    int done = 0;
    sop_document__builds_key(j->store, j->index, key);
    sop_status status = position_read(builds, key, &position);
    if (status == SOP_OK) status = sop_store_count(documents->store, &j->total);
    if (status != SOP_OK) return status;
    status = sop_document__index_fill(documents, &documents->schema->indexes[number], j->chunk,
                                      &position, &done);
    j->done = position.count;
    if (status == SOP_EXISTS || status == SOP_INVALID || status == SOP_TOO_LARGE) {
        j->unfit = 1;
        j->why = *sop_documents__error(documents);
    }
    if (status != SOP_OK) return status;
    j->finished = done;
    return done ? sop_document__index_finish(documents, number, NULL)
                : position_write(builds, key, &position);
}

/* Finds the index of a job; SOP_NOT_FOUND: there is nothing to build any more, and the list says so. */
static sop_status
job_open(sop_txn *txn, const job *j, sop_store **builds, sop_documents **documents, size_t *number)
{
    uint8_t key[16];
    sop_slice value;
    sop_document__builds_key(j->store, j->index, key);
    sop_status status = sop_document__builds_open(txn, 0, builds);
    if (status == SOP_OK) status = sop_store_get(*builds, sop_slice_of(key, sizeof key), &value);
    if (status != SOP_OK) return status;
    status = sop_documents_open_id(txn, j->store, documents);
    if (status == SOP_OK) {
        const sop_document__schema *schema = (*documents)->schema;
        *number = index_of(schema, j->index);
        if (*number < schema->index_count && schema->indexes[*number].state == SOP_INDEX_BUILDING) {
            return SOP_OK;
        }
        status = SOP_NOT_FOUND;
    }
    if (status != SOP_NOT_FOUND) return status;
    status = sop_store_remove(*builds, sop_slice_of(key, sizeof key));
    return status == SOP_OK ? SOP_NOT_FOUND : status;
}

static sop_status chunk_body(sop_txn *txn, void *context)
{
    job *j = context;
    sop_store *builds;
    sop_documents *documents;
    size_t number;
    /* Writers were faster: a smaller piece stands a better chance. */
    if (++j->attempts > 1 && j->chunk > CHUNK_MIN) j->chunk /= 2;
    j->finished = 0;
    j->unfit = 0;
    sop_status status = job_open(txn, j, &builds, &documents, &number);
    if (status == SOP_NOT_FOUND) j->finished = 1;
    if (status != SOP_OK) return status == SOP_NOT_FOUND ? SOP_OK : status;
    return chunk_fill(documents, number, builds, j);
}

static sop_status fail_body(sop_txn *txn, void *context)
{
    job *j = context;
    sop_store *builds;
    sop_documents *documents;
    size_t number;
    sop_status status = job_open(txn, j, &builds, &documents, &number);
    if (status != SOP_OK) return status == SOP_NOT_FOUND ? SOP_OK : status;
    return sop_document__index_finish(documents, number, j->why.message);
}

/* Builds one index to its end, or until stop says so. */
static sop_status job_run(sop_db *db,
                          job *j,
                          const sop_work_options *options,
                          const _Atomic uint32_t *stop,
                          sop_error *err)
{
    uint64_t interrupts = sop_db_interrupts(db);
    sop_status status = SOP_OK;
    while (status == SOP_OK && !j->finished) {
        if (stop != NULL && atomic_load_explicit(stop, memory_order_relaxed) != 0) break;
        if (stop == NULL && sop_db_interrupts(db) != interrupts) {
            return sop_fail(err, SOP_CANCELLED, "index: interrupted");
        }
        j->attempts = 0;
        status = sop_txn_run(db, NULL, chunk_body, j, err);
        if (status != SOP_OK && j->unfit) {
            j->finished = 1;
            status = sop_txn_run(db, NULL, fail_body, j, err);
        } else if (status == SOP_OK && j->attempts == 1 && j->chunk < CHUNK) {
            j->chunk *= 2;
        }
        if (status == SOP_OK && options != NULL && options->progress != NULL) {
            status = options->progress(j->done, j->total, options->context);
        }
    }
    return status;
}

/* The first index to build, of one store or (0) of any. SOP_NOT_FOUND: none. */
static sop_status job_find(sop_db *db, uint64_t store, job *out, sop_error *err)
{
    sop_txn *txn;
    sop_store *builds;
    sop_cursor *cursor;
    sop_slice key;
    uint8_t from[16];
    *out = (job){.chunk = CHUNK};
    sop_status status = sop_txn_begin(db, SOP_TXN_READ, &txn, err);
    if (status != SOP_OK) return status;
    status = sop_document__builds_open(txn, 0, &builds);
    if (status == SOP_OK) status = sop_cursor_open(builds, &cursor);
    sop_document__builds_key(store, 0, from);
    if (status == SOP_OK) status = sop_cursor_seek(cursor, sop_slice_of(from, 16), SOP_SEEK_GE);
    if (status == SOP_OK) status = sop_cursor_key(cursor, &key);
    if (status == SOP_OK) {
        out->store = key.size == 16 ? sop_get_u64be(key.data) : 0;
        out->index = key.size == 16 ? sop_get_u64be((const uint8_t *)key.data + 8) : 0;
        if (store != 0 && out->store != store) status = SOP_NOT_FOUND;
    }
    if (status != SOP_OK && status != SOP_NOT_FOUND && err != NULL) *err = *sop_txn_error(txn);
    sop_txn_close(txn);
    return status;
}

static sop_status store_find(sop_db *db, const char *name, uint64_t *id_out, sop_error *err)
{
    sop_txn *txn;
    sop_store *store;
    *id_out = 0;
    if (name == NULL) return SOP_OK;
    sop_status status = sop_txn_begin(db, SOP_TXN_READ, &txn, err);
    if (status != SOP_OK) return status;
    status = sop_store_open(txn, name, &store);
    if (status == SOP_OK) *id_out = sop_store_id(store);
    if (status != SOP_OK && err != NULL) *err = *sop_txn_error(txn);
    sop_txn_close(txn);
    return status;
}

sop_status
sop_index_build(sop_db *db, const char *store, const sop_work_options *options, sop_error *err)
{
    if (db == NULL || (options != NULL && options->struct_size == 0)) {
        return sop_fail(err, SOP_INVALID, "index build: a NULL argument, or struct_size is 0");
    }
    uint64_t id;
    job j;
    sop_status status = store_find(db, store, &id, err);
    while (status == SOP_OK && (status = job_find(db, id, &j, err)) == SOP_OK) {
        status = job_run(db, &j, options, NULL, err);
    }
    /* Nothing left; a store that is not there has said so before. */
    return status == SOP_NOT_FOUND && (store == NULL || id != 0) ? SOP_OK : status;
}

/* ---- the background ---- */

static void builder_main(void *argument)
{
    builder *b = argument;
    for (;;) {
        job j;
        sop_error err = {0};
        sop_status status = SOP_NOT_FOUND;
        if (atomic_load_explicit(&b->stop, memory_order_relaxed) == 0) {
            status = job_find(b->db, 0, &j, &err);
        }
        if (status == SOP_OK) status = job_run(b->db, &j, NULL, &b->stop, &err);
        if (status == SOP_OK) continue;
        /* Nothing to do; or the medium is in trouble, and the next open or the next new index tries again. */
        sop_mutex_lock(&b->lock);
        int more = b->again && status == SOP_NOT_FOUND &&
                   atomic_load_explicit(&b->stop, memory_order_relaxed) == 0;
        b->again = 0;
        b->running = more;
        sop_mutex_unlock(&b->lock);
        if (!more) return;
    }
}

static builder *builder_of(sop_db *db)
{
    return *sop_db_slot(db);
}

void sop_document__builder_kick(sop_db *db)
{
    builder *b = builder_of(db);
    if (b == NULL) return;
    sop_mutex_lock(&b->lock);
    b->again = 1;
    if (!b->running) {
        sop_task_join(b->task);
        b->task = NULL;
        b->running = sop_task_start(&b->task, builder_main, b) == SOP_OK;
    }
    sop_mutex_unlock(&b->lock);
}

static void opened(sop_db *db)
{
    job j;
    if (sop_db_workers(db) == 0) return;
    builder *b = sop_alloc_zeroed(sizeof *b);
    /* Without memory for it the database is good, and sop_index_build does the work. */
    if (b == NULL) return;
    b->db = db;
    *sop_db_slot(db) = b;
    if (job_find(db, 0, &j, NULL) == SOP_OK) sop_document__builder_kick(db);
}

static void closing(sop_db *db)
{
    builder *b = builder_of(db);
    if (b == NULL) return;
    *sop_db_slot(db) = NULL;
    atomic_store_explicit(&b->stop, 1, memory_order_relaxed);
    sop_task_join(b->task);
    sop_free(b);
}

static sop_status
check(sop_db *db, const sop_check_options *options, sop_check_report *report, sop_error *err)
{
    return sop_documents__check_all(db, options, report, err);
}

const sop_db_documents_hooks sop_db_documents = {
    .opened = opened, .closing = closing, .check = check};
