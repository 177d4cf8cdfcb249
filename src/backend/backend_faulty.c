/* SPDX-License-Identifier: MIT */
/* The door of a simulated disk: each operation asks hook and rules, changes the model, and leaves a trace. */
#include "backend/backend_faulty.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "backend/backend_faulty_disk.h"
#include "util/assert.h"
#include "util/bytes.h"
#include "util/error.h"
#include "util/memory.h"

static const sop_backend_ops FAULTY_OPS;

/* ---- names ---- */

/* A change of names: found says whether the name is there, change does it. */
typedef struct {
    int folder;
    const char *leaf;
    faulty_bytes *to; /* leaf, of a rename */
    faulty_event event;
} name_change;

static sop_status change_locked(faulty_backend *backend,
                                const sop_faulty_call *call,
                                faulty_verdict verdict,
                                name_change *change,
                                sop_error *err)
{
    faulty_model *model = &backend->disk->model;
    faulty_folder *folder = &backend->tree->folders[change->folder];
    if (verdict.status != SOP_OK && verdict.effect != SOP_FAULTY_WHOLE) {
        return sop_faulty__fail_asked(call, verdict.status, err);
    }
    if (sop_faulty__names_find(&folder->live, change->leaf) == NULL) {
        return sop_fail(err, SOP_NOT_FOUND, "faulty/%s: no such file", call->name);
    }
    sop_status status = change->to == NULL
                            ? sop_faulty__remove(model, folder, change->leaf)
                            : sop_faulty__rename(model, folder, change->leaf, change->to);
    if (status != SOP_OK) return sop_backend__fail_memory(&backend->base, call->name, err);
    change->event.who = backend->who;
    change->event.kind = call->kind;
    change->event.status = verdict.status;
    change->event.applied = 1;
    change->event.tree = backend->tree->id;
    change->event.folder = change->folder;
    sop_faulty__trace_add(backend->disk, &change->event);
    return verdict.status == SOP_OK ? SOP_OK : sop_faulty__fail_asked(call, verdict.status, err);
}

static sop_status faulty_remove(sop_backend *base, const char *name, sop_error *err)
{
    faulty_backend *backend = sop_faulty__backend(base);
    name_change change = {0};
    sop_status status = sop_backend__name_split(base, name, &change.folder, &change.leaf, err);
    if (status == SOP_OK) status = sop_faulty__refuse_writing(base, "removing a file", err);
    if (status != SOP_OK) return status;
    change.event.name = sop_faulty__bytes_new(name, strlen(name) + 1);
    if (change.event.name == NULL) return sop_backend__fail_memory(base, name, err);
    sop_faulty_call call = {0, SOP_FAULTY_REMOVE, name, 0, 0};
    faulty_verdict verdict;
    status = sop_faulty__enter(backend, &call, &verdict, err);
    if (status == SOP_OK) {
        status = change_locked(backend, &call, verdict, &change, err);
        sop_faulty__leave(backend);
    }
    sop_faulty__bytes_release(change.event.name);
    return status;
}

static faulty_bytes *head_name(const char *leaf)
{
    char name[sizeof "head/" + SOP_NAME_SIZE_MAX];
    int size = snprintf(name, sizeof name, "head/%s", leaf);
    SOP_ASSERT(size > 0 && (size_t)size < sizeof name);
    return sop_faulty__bytes_new(name, (size_t)size + 1);
}

static sop_status
swap_named(faulty_backend *backend, const char *from, name_change *change, sop_error *err)
{
    if (change->event.name == NULL || change->event.to == NULL || change->to == NULL) {
        return sop_backend__fail_memory(&backend->base, from, err);
    }
    sop_faulty_call call = {0, SOP_FAULTY_RENAME, (const char *)change->event.name->data, 0, 0};
    faulty_verdict verdict;
    sop_status status = sop_faulty__enter(backend, &call, &verdict, err);
    if (status != SOP_OK) return status;
    status = change_locked(backend, &call, verdict, change, err);
    sop_faulty__leave(backend);
    return status;
}

static sop_status
faulty_head_swap(sop_backend *base, const char *from, const char *to, sop_error *err)
{
    if (!sop_backend__leaf_valid(from) || !sop_backend__leaf_valid(to)) {
        return sop_fail(err, SOP_INVALID, "faulty: head \"%s\" to \"%s\": not a name", from, to);
    }
    sop_status status = sop_faulty__refuse_writing(base, "moving the head", err);
    if (status != SOP_OK) return status;
    name_change change = {.folder = SOP_FOLDER_HEAD,
                          .leaf = from,
                          .to = sop_faulty__bytes_new(to, strlen(to) + 1),
                          .event = {.name = head_name(from), .to = head_name(to)}};
    status = swap_named(sop_faulty__backend(base), from, &change, err);
    sop_faulty__bytes_release(change.to);
    sop_faulty__bytes_release(change.event.name);
    sop_faulty__bytes_release(change.event.to);
    return status;
}

typedef struct {
    uint64_t size;
    faulty_bytes *name;
} list_row;

static sop_status list_rows(const faulty_names *names, list_row **out)
{
    list_row *rows = sop_alloc_array(names->count, sizeof *rows);
    *out = rows;
    if (rows == NULL) return SOP_NO_MEMORY;
    for (size_t i = 0; i < names->count; i++) {
        rows[i].name = sop_faulty__bytes_acquire(names->rows[i].name);
        rows[i].size = names->rows[i].inode->cache->size;
    }
    return SOP_OK;
}

static sop_status
faulty_list(sop_backend *base, const char *folder, sop_list_fn fn, void *context, sop_error *err)
{
    faulty_backend *backend = sop_faulty__backend(base);
    list_row *rows = NULL;
    int number = sop_backend__folder_find(folder);
    if (number < 0) return sop_fail(err, SOP_INVALID, "faulty: no folder \"%s\"", folder);
    sop_status status =
        sop_faulty__enter_plain(backend, (sop_faulty_call){0, SOP_FAULTY_LIST, folder, 0, 0}, err);
    if (status != SOP_OK) return status;
    size_t count = backend->tree->folders[number].live.count;
    status = list_rows(&backend->tree->folders[number].live, &rows);
    sop_faulty__trace_plain(backend, SOP_FAULTY_LIST, NULL);
    sop_faulty__leave(backend);
    if (status != SOP_OK) return sop_backend__fail_memory(base, "listing files", err);
    for (size_t i = 0; i < count; i++) {
        /* No lock is held here: fn may call anything. */
        if (status == SOP_OK) status = fn((const char *)rows[i].name->data, rows[i].size, context);
        sop_faulty__bytes_release(rows[i].name);
    }
    sop_free(rows);
    return status;
}

static sop_status folder_sync_locked(faulty_backend *backend, int number, faulty_verdict verdict)
{
    sop_faulty_disk *disk = backend->disk;
    faulty_event event = {.who = backend->who,
                          .kind = SOP_FAULTY_FOLDER_SYNC,
                          .status = verdict.status,
                          .applied = 1,
                          .effect = verdict.effect,
                          .tree = backend->tree->id,
                          .folder = number};
    faulty_folder *folder = &backend->tree->folders[number];
    sop_status status = SOP_OK;
    /* Only for the trace, which shows which folder. */
    event.name = sop_faulty__bytes_new(sop_backend__folder_name(number),
                                       strlen(sop_backend__folder_name(number)) + 1);
    if (event.name == NULL) return SOP_NO_MEMORY;
    if (verdict.status == SOP_OK) {
        status = sop_faulty__folder_sync(&disk->model, folder);
    } else {
        event.seed = sop_faulty__random(&disk->random);
        status = sop_faulty__folder_sync_fail(&disk->model, folder, event.effect, event.seed);
    }
    if (status == SOP_OK) sop_faulty__trace_add(disk, &event);
    sop_faulty__bytes_release(event.name);
    return status;
}

static sop_status faulty_folder_sync(sop_backend *base, const char *folder, sop_error *err)
{
    faulty_backend *backend = sop_faulty__backend(base);
    int number = sop_backend__folder_find(folder);
    if (number < 0) return sop_fail(err, SOP_INVALID, "faulty: no folder \"%s\"", folder);
    sop_status status = sop_faulty__refuse_writing(base, "syncing a folder", err);
    if (status != SOP_OK) return status;
    sop_faulty_call call = {0, SOP_FAULTY_FOLDER_SYNC, folder, 0, 0};
    faulty_verdict verdict;
    status = sop_faulty__enter(backend, &call, &verdict, err);
    if (status != SOP_OK) return status;
    status = folder_sync_locked(backend, number, verdict);
    sop_faulty__leave(backend);
    if (status != SOP_OK) return sop_backend__fail_memory(base, "syncing a folder", err);
    return verdict.status == SOP_OK ? SOP_OK : sop_faulty__fail_asked(&call, verdict.status, err);
}

/* ---- what processes share ---- */

static sop_status
faulty_lock(sop_backend *base, uint64_t byte, int exclusive, uint32_t wait_ms, sop_error *err)
{
    faulty_backend *backend = sop_faulty__backend(base);
    uint64_t deadline_ns = wait_ms == 0 ? 0 : sop_backend__deadline(wait_ms);
    sop_status status = sop_faulty__refuse_writing(base, "a lock", err);
    for (unsigned round = 0; status == SOP_OK; round++) {
        status = sop_faulty__enter_plain(
            backend, (sop_faulty_call){0, SOP_FAULTY_LOCK, "lock", byte, 1}, err);
        if (status != SOP_OK) return status;
        status = sop_backend__locks_try(&backend->tree->locks, base, byte, exclusive);
        sop_faulty__trace_plain(backend, SOP_FAULTY_LOCK, NULL);
        sop_faulty__leave(backend);
        if (status == SOP_OK) return SOP_OK;
        if (status != SOP_BUSY) return sop_backend__fail_memory(base, "a lock", err);
        if (wait_ms == 0 || !sop_backend__retry_wait(deadline_ns, round)) {
            return sop_backend__fail_busy(base, byte, wait_ms, err);
        }
        status = SOP_OK;
    }
    return status;
}

static void faulty_unlock(sop_backend *base, uint64_t byte)
{
    faulty_backend *backend = sop_faulty__backend(base);
    sop_faulty_call call = {0, SOP_FAULTY_UNLOCK, "lock", byte, 1};
    faulty_verdict verdict;
    /* Unlocking cannot fail; a killed process has no locks any more. */
    if (sop_faulty__enter(backend, &call, &verdict, NULL) != SOP_OK) return;
    sop_backend__locks_drop(&backend->tree->locks, base, byte);
    sop_faulty__trace_plain(backend, SOP_FAULTY_UNLOCK, NULL);
    sop_faulty__leave(backend);
}

static int faulty_lock_held(sop_backend *base, uint64_t byte)
{
    faulty_backend *backend = sop_faulty__backend(base);
    if (sop_faulty__enter_plain(backend, (sop_faulty_call){0, SOP_FAULTY_LOCK, "lock", byte, 1},
                                NULL) != SOP_OK) {
        return 0;
    }
    int held = sop_backend__locks_held(&backend->tree->locks, base, byte);
    sop_faulty__leave(backend);
    return held;
}

static sop_status page_get(faulty_tree *tree, size_t size, void **out)
{
    if (tree->page == NULL) {
        size_t page_size = (size_t)sop_round_up(size, SOP_DIRECT_ALIGN);
        tree->page = sop_alloc_aligned(SOP_DIRECT_ALIGN, page_size);
        if (tree->page == NULL) return SOP_NO_MEMORY;
        memset(tree->page, 0, page_size);
        tree->page_size = page_size;
    }
    if (tree->page_size < size) return SOP_INVALID;
    *out = tree->page;
    return SOP_OK;
}

static sop_status faulty_shared_page(sop_backend *base, size_t size, void **out, sop_error *err)
{
    faulty_backend *backend = sop_faulty__backend(base);
    *out = NULL;
    sop_status status = sop_faulty__refuse_writing(base, "a shared page", err);
    if (status != SOP_OK) return status;
    if (size == 0 || size > UINT32_MAX) {
        return sop_fail(err, SOP_INVALID, "shared page of %zu bytes", size);
    }
    status = sop_faulty__enter_plain(backend, (sop_faulty_call){0, SOP_FAULTY_PAGE, "shm", 0, size},
                                     err);
    if (status != SOP_OK) return status;
    status = page_get(backend->tree, size, out);
    backend->page = *out;
    sop_faulty__leave(backend);
    if (status == SOP_NO_MEMORY) return sop_backend__fail_memory(base, "shared page", err);
    if (status == SOP_INVALID) {
        return sop_fail(err, status, "faulty/shm: %zu bytes are more than there are", size);
    }
    return status;
}

static int faulty_shared_page_linked(sop_backend *base)
{
    faulty_backend *backend = sop_faulty__backend(base);
    if (sop_faulty__enter_plain(backend, (sop_faulty_call){0, SOP_FAULTY_PAGE, "shm", 0, 0},
                                NULL) != SOP_OK) {
        return 0;
    }
    int linked = backend->page != NULL && backend->page == backend->tree->page;
    sop_faulty__leave(backend);
    return linked;
}

sop_status sop_faulty_page_lose(sop_faulty_disk *disk)
{
    sop_mutex_lock(&disk->mutex);
    faulty_tree *tree = disk->model.published;
    sop_status status = SOP_NOT_FOUND;
    if (tree != NULL && tree->page != NULL) {
        status = SOP_FULL;
        if (tree->lost_count < sizeof tree->lost_pages / sizeof tree->lost_pages[0]) {
            tree->lost_pages[tree->lost_count++] = tree->page;
            tree->page = NULL;
            status = SOP_OK;
        }
    }
    sop_mutex_unlock(&disk->mutex);
    return status;
}

static uint64_t faulty_space_free(sop_backend *base)
{
    sop_faulty_disk *disk = sop_faulty__backend(base)->disk;
    sop_mutex_lock(&disk->mutex);
    uint64_t free_bytes = UINT64_MAX;
    if (disk->space_max != UINT64_MAX) {
        free_bytes = disk->space_max > disk->model.used ? disk->space_max - disk->model.used : 0;
    }
    sop_mutex_unlock(&disk->mutex);
    return free_bytes;
}

/* ---- the backend ---- */

static sop_status faulty_publish(sop_backend *base, sop_error *err)
{
    faulty_backend *backend = sop_faulty__backend(base);
    sop_faulty_disk *disk = backend->disk;
    sop_faulty_call call = {0, SOP_FAULTY_PUBLISH, "", 0, 0};
    faulty_verdict verdict;
    sop_status status = sop_faulty__enter(backend, &call, &verdict, err);
    if (status != SOP_OK) return status;
    if (!backend->building) {
        status = sop_fail(err, SOP_INVALID, "faulty: published already");
    } else if (verdict.status != SOP_OK && verdict.effect != SOP_FAULTY_WHOLE) {
        status = sop_faulty__fail_asked(&call, verdict.status, err);
    } else if (disk->model.published != NULL) {
        status = sop_fail(err, SOP_EXISTS, "faulty: a database is there already");
    } else if (sop_faulty__publish(&disk->model, backend->tree) != SOP_OK) {
        status = sop_backend__fail_memory(base, "publishing", err);
    } else {
        faulty_event event = {.who = backend->who,
                              .kind = SOP_FAULTY_PUBLISH,
                              .status = verdict.status,
                              .applied = 1,
                              .tree = backend->tree->id};
        sop_faulty__trace_add(disk, &event);
        backend->building = 0;
        if (verdict.status != SOP_OK) status = sop_faulty__fail_asked(&call, verdict.status, err);
    }
    sop_faulty__leave(backend);
    return status;
}

static void trace_tree(faulty_backend *backend, uint32_t kind)
{
    faulty_event event = {
        .who = backend->who, .kind = kind, .applied = 1, .tree = backend->tree->id};
    sop_faulty__trace_add(backend->disk, &event);
}

static void faulty_free(sop_backend *base)
{
    faulty_backend *backend = sop_faulty__backend(base);
    sop_faulty_disk *disk = backend->disk;
    sop_mutex_lock(&disk->mutex);
    SOP_ASSERT(backend->handles == NULL);
    faulty_backend **at = &disk->backends;
    while (*at != backend) {
        at = &(*at)->next;
    }
    *at = backend->next;
    sop_backend__locks_drop_all(&backend->tree->locks, base);
    /* The folder under construction of a killed process stays, unseen by all. Without room for the event it stays too. */
    if (backend->building && !backend->dead && sop_faulty__trace_reserve(disk, 1) == SOP_OK) {
        trace_tree(backend, SOP_FAULTY_DROP);
        sop_faulty__tree_drop(&disk->model, backend->tree);
    }
    sop_mutex_unlock(&disk->mutex);
    sop_free(backend);
}

/* With the mutex held. */
static sop_status attach(faulty_backend *backend, int how, sop_error *err)
{
    faulty_model *model = &backend->disk->model;
    if (how == SOP_BACKEND_EXISTING) {
        backend->tree = model->published;
        if (backend->tree == NULL ||
            sop_faulty__names_find(&backend->tree->folders[0].live, "SOP") == NULL) {
            return sop_fail(err, SOP_NOT_FOUND, "faulty: no database there");
        }
        return SOP_OK;
    }
    if (backend->base.read_only) {
        return sop_fail(err, SOP_READ_ONLY, "faulty: a new database cannot be read only");
    }
    if (model->published != NULL) {
        return sop_fail(err, SOP_EXISTS, "faulty: a database is there already");
    }
    backend->building = 1;
    if (sop_faulty__trace_reserve(backend->disk, 1) == SOP_OK) {
        backend->tree = sop_faulty__tree_add(model);
    }
    if (backend->tree == NULL) return sop_fail(err, SOP_NO_MEMORY, "faulty: out of memory");
    trace_tree(backend, SOP_FAULTY_BUILD);
    return SOP_OK;
}

sop_status sop_backend_faulty_open(
    sop_faulty_disk *disk, int how, int read_only, sop_backend **out, sop_error *err)
{
    *out = NULL;
    faulty_backend *backend = sop_alloc_zeroed(sizeof *backend);
    if (backend == NULL) return sop_fail(err, SOP_NO_MEMORY, "faulty: out of memory");
    backend->base = (sop_backend){&FAULTY_OPS, "faulty", read_only, 0};
    backend->disk = disk;
    sop_mutex_lock(&disk->mutex);
    backend->who = disk->who_next;
    sop_status status = attach(backend, how, err);
    if (status == SOP_OK) {
        disk->who_next++;
        backend->next = disk->backends;
        disk->backends = backend;
    }
    sop_mutex_unlock(&disk->mutex);
    if (status != SOP_OK) {
        sop_free(backend);
        return status;
    }
    *out = &backend->base;
    return SOP_OK;
}

static const sop_backend_ops FAULTY_OPS = {
    .file_open = sop_faulty__file_open,
    .remove = faulty_remove,
    .list = faulty_list,
    .folder_sync = faulty_folder_sync,
    .head_swap = faulty_head_swap,
    .lock = faulty_lock,
    .unlock = faulty_unlock,
    .lock_held = faulty_lock_held,
    .shared_page = faulty_shared_page,
    .shared_page_linked = faulty_shared_page_linked,
    .space_free = faulty_space_free,
    .publish = faulty_publish,
    .free = faulty_free,
    .file_close = sop_faulty__file_close,
    .file_read = sop_faulty__file_read,
    .file_write = sop_faulty__file_write,
    .file_sync = sop_faulty__file_sync,
    .file_size = sop_faulty__file_size,
    .file_map = sop_faulty__file_map,
    .file_unmap = sop_faulty__file_unmap,
};
