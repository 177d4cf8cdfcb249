/* SPDX-License-Identifier: MIT */
/*
 * The memory backend: databases that live in this process and die with it.
 *
 * One memory_disk is one database; backend objects of the same name share it. Lock order: registry,
 * then disk, then file.
 */
#include "backend/backend_memory.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <string.h>

#include "backend/backend.h"
#include "backend/backend_locks.h"
#include "backend/backend_private.h"
#include "util/assert.h"
#include "util/bytes.h"
#include "util/error.h"
#include "util/memory.h"
#include "util/mutex.h"
#include "util/world.h"

typedef struct memory_file memory_file;
struct memory_file {
    memory_file *next; /* the next in memory_disk.files */
    int folder;
    int linked;    /* guarded by the disk's mutex; 0: removed, kept while in use */
    uint32_t uses; /* guarded by the disk's mutex; handles and maps */
    sop_mutex mutex;
    memory_area area;                 /* guarded by mutex */
    uint64_t size;                    /* guarded by mutex */
    uint32_t maps;                    /* guarded by mutex */
    char leaf[SOP_NAME_SIZE_MAX + 1]; /* guarded by the disk's mutex: a head is renamed */
};

typedef struct memory_disk memory_disk;
struct memory_disk {
    memory_disk *next; /* the next in the registry */
    char *url;         /* "memory:" and the name */
    uint32_t backends; /* guarded by the registry's mutex */
    int registered;    /* guarded by the registry's mutex; 1: stays until the process ends */
    sop_mutex mutex;
    sop_cond lock_freed;
    memory_file *files; /* guarded by mutex, as all below */
    lock_table locks;
    void *page;
    size_t page_size;
};

typedef struct {
    sop_backend base;
    memory_disk *disk;
    int building;
    _Atomic uint32_t files_open;
} memory_backend;

typedef struct {
    sop_file base;
    memory_file *file;
    int writable;
    char name[]; /* base.name */
} memory_handle;

static sop_mutex registry_mutex;
static memory_disk *registry; /* guarded by registry_mutex */

static const sop_backend_ops MEMORY_OPS;

static memory_disk *disk_of(sop_backend *base)
{
    return ((memory_backend *)base)->disk;
}

static memory_file *file_of(sop_file *base)
{
    return ((memory_handle *)base)->file;
}

/* ---- files of a disk; all called with the disk's mutex held ---- */

static memory_file *find(memory_disk *disk, int folder, const char *leaf)
{
    for (memory_file *file = disk->files; file != NULL; file = file->next) {
        if (file->linked && file->folder == folder && strcmp(file->leaf, leaf) == 0) return file;
    }
    return NULL;
}

static memory_file *add(memory_disk *disk, int folder, const char *leaf)
{
    memory_file *file = sop_alloc_zeroed(sizeof *file);
    if (file == NULL) return NULL;
    file->folder = folder;
    file->linked = 1;
    memcpy(file->leaf, leaf, strlen(leaf) + 1);
    file->next = disk->files;
    disk->files = file;
    return file;
}

/* Frees the file if neither a name nor a handle nor a map holds it. */
static void collect(memory_disk *disk, memory_file *file)
{
    if (file->linked || file->uses != 0) return;
    memory_file **at = &disk->files;
    while (*at != file) {
        at = &(*at)->next;
    }
    *at = file->next;
    sop_backend__area_deinit(&file->area);
    sop_free(file);
}

/* ---- open, close, list, remove ---- */

static sop_status
pick(memory_disk *disk, const char *name, int flags, memory_file **out, sop_error *err)
{
    int folder = 0;
    const char *leaf = NULL;
    sop_backend named = {.url = disk->url};
    sop_status status = sop_backend__name_split(&named, name, &folder, &leaf, err);
    if (status != SOP_OK) return status;
    *out = find(disk, folder, leaf);
    if ((flags & SOP_FILE_CREATE) == 0) {
        if (*out != NULL) return SOP_OK;
        return sop_fail(err, SOP_NOT_FOUND, "%s/%s: no such file", disk->url, name);
    }
    if (*out != NULL) {
        return sop_fail(err, SOP_EXISTS, "%s/%s: the file is there already", disk->url, name);
    }
    *out = add(disk, folder, leaf);
    if (*out != NULL) return SOP_OK;
    return sop_backend__fail_memory(&named, name, err);
}

static sop_status
memory_open(sop_backend *base, const char *name, int flags, sop_file **out, sop_error *err)
{
    memory_disk *disk = disk_of(base);
    size_t name_size = strlen(name) + 1;
    *out = NULL;
    memory_handle *handle = sop_alloc_zeroed(sizeof *handle + name_size);
    if (handle == NULL) return sop_backend__fail_memory(base, name, err);
    memcpy(handle->name, name, name_size);
    handle->base = (sop_file){base->ops, base, handle->name};
    handle->writable = (flags & (SOP_FILE_WRITE | SOP_FILE_CREATE)) != 0;
    sop_mutex_lock(&disk->mutex);
    sop_status status = pick(disk, name, flags, &handle->file, err);
    if (status == SOP_OK) handle->file->uses++;
    sop_mutex_unlock(&disk->mutex);
    if (status != SOP_OK) {
        sop_free(handle);
        return status;
    }
    /* Relaxed: only compared with 0 when the caller says that all files are closed. */
    atomic_fetch_add_explicit(&((memory_backend *)base)->files_open, 1, memory_order_relaxed);
    *out = &handle->base;
    return SOP_OK;
}

static void memory_close(sop_file *base)
{
    memory_backend *backend = (memory_backend *)base->backend;
    memory_file *file = file_of(base);
    sop_mutex_lock(&backend->disk->mutex);
    file->uses--;
    collect(backend->disk, file);
    sop_mutex_unlock(&backend->disk->mutex);
    atomic_fetch_sub_explicit(&backend->files_open, 1, memory_order_relaxed);
    sop_free(base);
}

static sop_status memory_remove(sop_backend *base, const char *name, sop_error *err)
{
    memory_disk *disk = disk_of(base);
    memory_file *file = NULL;
    sop_mutex_lock(&disk->mutex);
    sop_status status = pick(disk, name, 0, &file, err);
    if (status == SOP_OK) {
        file->linked = 0;
        collect(disk, file);
    }
    sop_mutex_unlock(&disk->mutex);
    return status;
}

typedef struct {
    uint64_t size;
    char leaf[SOP_NAME_SIZE_MAX + 1];
} list_row;

/* The rows of a folder, so that fn runs without a lock and may open and remove files. */
static sop_status list_rows(memory_disk *disk, int folder, list_row **rows_out, size_t *count_out)
{
    size_t count = 0;
    for (memory_file *file = disk->files; file != NULL; file = file->next) {
        count += file->linked && file->folder == folder;
    }
    list_row *rows = sop_alloc_array(count, sizeof *rows);
    *rows_out = rows;
    *count_out = count;
    if (rows == NULL) return SOP_NO_MEMORY;
    for (memory_file *file = disk->files; file != NULL; file = file->next) {
        if (!file->linked || file->folder != folder) continue;
        sop_mutex_lock(&file->mutex);
        rows->size = file->size;
        sop_mutex_unlock(&file->mutex);
        memcpy(rows->leaf, file->leaf, sizeof rows->leaf);
        rows++;
    }
    return SOP_OK;
}

static sop_status
memory_list(sop_backend *base, const char *folder, sop_list_fn fn, void *context, sop_error *err)
{
    memory_disk *disk = disk_of(base);
    list_row *rows = NULL;
    size_t count = 0;
    int number = sop_backend__folder_find(folder);
    if (number < 0) return sop_fail(err, SOP_INVALID, "%s: no folder \"%s\"", base->url, folder);
    sop_mutex_lock(&disk->mutex);
    sop_status status = list_rows(disk, number, &rows, &count);
    sop_mutex_unlock(&disk->mutex);
    if (status != SOP_OK) return sop_backend__fail_memory(base, "listing files", err);
    for (size_t i = 0; i < count && status == SOP_OK; i++) {
        status = fn(rows[i].leaf, rows[i].size, context);
    }
    sop_free(rows);
    return status;
}

static sop_status memory_folder_sync(sop_backend *base, const char *folder, sop_error *err)
{
    if (sop_backend__folder_find(folder) >= 0) return SOP_OK;
    return sop_fail(err, SOP_INVALID, "%s: no folder \"%s\"", base->url, folder);
}

static sop_status
memory_head_swap(sop_backend *base, const char *from, const char *to, sop_error *err)
{
    memory_disk *disk = disk_of(base);
    if (!sop_backend__leaf_valid(from) || !sop_backend__leaf_valid(to)) {
        return sop_fail(err, SOP_INVALID, "%s: head \"%s\" to \"%s\": not a name", base->url, from,
                        to);
    }
    sop_mutex_lock(&disk->mutex);
    memory_file *file = find(disk, SOP_FOLDER_HEAD, from);
    memory_file *replaced = find(disk, SOP_FOLDER_HEAD, to);
    if (file != NULL && file != replaced) {
        if (replaced != NULL) {
            replaced->linked = 0;
            collect(disk, replaced);
        }
        memcpy(file->leaf, to, strlen(to) + 1);
    }
    sop_mutex_unlock(&disk->mutex);
    if (file != NULL) return SOP_OK;
    return sop_fail(err, SOP_NOT_FOUND, "%s: moving head %s: no such file", base->url, from);
}

/* ---- locks and the shared page ---- */

static sop_status
memory_lock_take(sop_backend *base, uint64_t byte, int exclusive, uint32_t wait_ms, sop_error *err)
{
    memory_disk *disk = disk_of(base);
    uint64_t deadline_ns = wait_ms == 0 ? 0 : sop_backend__deadline(wait_ms);
    sop_mutex_lock(&disk->mutex);
    sop_status status = sop_backend__locks_try(&disk->locks, base, byte, exclusive);
    while (status == SOP_BUSY && wait_ms != 0) {
        uint64_t now_ns = sop_boot_ns();
        if (now_ns >= deadline_ns) break;
        sop_cond_wait(&disk->lock_freed, &disk->mutex, deadline_ns - now_ns);
        status = sop_backend__locks_try(&disk->locks, base, byte, exclusive);
    }
    /* A lock made weaker may let others in. */
    if (status == SOP_OK && !exclusive) sop_cond_signal_all(&disk->lock_freed);
    sop_mutex_unlock(&disk->mutex);
    if (status == SOP_BUSY) return sop_backend__fail_busy(base, byte, wait_ms, err);
    return status == SOP_OK ? SOP_OK : sop_backend__fail_memory(base, "a lock", err);
}

static void memory_lock_drop(sop_backend *base, uint64_t byte)
{
    memory_disk *disk = disk_of(base);
    sop_mutex_lock(&disk->mutex);
    sop_backend__locks_drop(&disk->locks, base, byte);
    sop_cond_signal_all(&disk->lock_freed);
    sop_mutex_unlock(&disk->mutex);
}

static int memory_lock_held(sop_backend *base, uint64_t byte)
{
    memory_disk *disk = disk_of(base);
    sop_mutex_lock(&disk->mutex);
    int held = sop_backend__locks_held(&disk->locks, base, byte);
    sop_mutex_unlock(&disk->mutex);
    return held;
}

static sop_status memory_shared_page(sop_backend *base, size_t size, void **out, sop_error *err)
{
    memory_disk *disk = disk_of(base);
    sop_status status = SOP_OK;
    *out = NULL;
    if (size == 0 || size > UINT32_MAX) {
        return sop_fail(err, SOP_INVALID, "shared page of %zu bytes", size);
    }
    sop_mutex_lock(&disk->mutex);
    if (disk->page == NULL) {
        size_t page_size = (size_t)sop_round_up(size, SOP_DIRECT_ALIGN);
        disk->page = sop_alloc_aligned(SOP_DIRECT_ALIGN, page_size);
        disk->page_size = page_size;
        if (disk->page != NULL) memset(disk->page, 0, page_size);
    }
    if (disk->page == NULL) {
        status = sop_backend__fail_memory(base, "shared page", err);
    } else if (disk->page_size < size) {
        status = sop_fail(err, SOP_INVALID, "%s/shm: %zu bytes wanted, %zu in use", base->url, size,
                          disk->page_size);
    } else {
        *out = disk->page;
    }
    sop_mutex_unlock(&disk->mutex);
    return status;
}

/* It lives as long as the database. */
static int memory_shared_page_linked(sop_backend *base)
{
    (void)base;
    return 1;
}

static uint64_t memory_space_free(sop_backend *base)
{
    (void)base;
    return UINT64_MAX;
}

/* ---- bytes ---- */

static sop_status memory_read(
    sop_file *base, uint64_t offset, void *buffer, size_t size, size_t *read_out, sop_error *err)
{
    memory_file *file = file_of(base);
    uint64_t end = 0;
    *read_out = 0;
    sop_status status = sop_backend__range_end(base, offset, size, &end, err);
    if (status != SOP_OK) return status;
    sop_mutex_lock(&file->mutex);
    if (offset < file->size) {
        size_t count = file->size - offset < size ? (size_t)(file->size - offset) : size;
        if (count != 0) memcpy(buffer, file->area.base + offset, count);
        *read_out = count;
    }
    sop_mutex_unlock(&file->mutex);
    return SOP_OK;
}

static int all_zero(const uint8_t *data, size_t size)
{
    return size == 0 || (data[0] == 0 && memcmp(data, data + 1, size - 1) == 0);
}

static sop_status grow(sop_file *base, uint64_t size, uint64_t reserve, sop_error *err)
{
    memory_file *file = file_of(base);
    sop_status status = sop_backend__area_grow(&file->area, size, reserve, file->maps != 0);
    if (status == SOP_OK) return SOP_OK;
    const char *url = base->backend->url;
    if (status == SOP_NO_MEMORY) return sop_backend__fail_memory(base->backend, base->name, err);
    return sop_fail(err, status, "%s/%s: a mapped file cannot reach beyond %" PRIu64 " bytes", url,
                    base->name, file->area.reserved);
}

static sop_status
memory_write(sop_file *base, uint64_t offset, const void *data, size_t size, sop_error *err)
{
    memory_file *file = file_of(base);
    uint64_t end = 0;
    sop_status status = sop_backend__range_end(base, offset, size, &end, err);
    if (status != SOP_OK || size == 0) return status;
    if (!((const memory_handle *)base)->writable) {
        return sop_backend__fail_read_only(base->backend, base->name, err);
    }
    sop_mutex_lock(&file->mutex);
    status = grow(base, end, 0, err);
    if (status == SOP_OK) {
        /* Bytes beyond the end are zeros already; not storing zeros there keeps prepared log files
         * free of cost. */
        uint64_t old = file->size <= offset ? offset : file->size < end ? file->size : end;
        size_t inside = (size_t)(old - offset);
        memcpy(file->area.base + offset, data, inside);
        const uint8_t *rest = (const uint8_t *)data + inside;
        if (!all_zero(rest, size - inside)) memcpy(file->area.base + old, rest, size - inside);
        if (end > file->size) file->size = end;
    }
    sop_mutex_unlock(&file->mutex);
    return status;
}

static sop_status memory_sync(sop_file *base, sop_error *err)
{
    (void)base;
    (void)err;
    return SOP_OK;
}

static sop_status memory_size(sop_file *base, uint64_t *out, sop_error *err)
{
    memory_file *file = file_of(base);
    (void)err;
    sop_mutex_lock(&file->mutex);
    *out = file->size;
    sop_mutex_unlock(&file->mutex);
    return SOP_OK;
}

static sop_status
memory_map(sop_file *base, uint64_t size, int writable, void **out, sop_error *err)
{
    memory_disk *disk = disk_of(base->backend);
    memory_file *file = file_of(base);
    *out = NULL;
    if (size == 0 || size > SIZE_MAX / 2) {
        return sop_fail(err, SOP_INVALID, "%s/%s: a map of %" PRIu64 " bytes", base->backend->url,
                        base->name, size);
    }
    if (writable && !((const memory_handle *)base)->writable) {
        return sop_backend__fail_read_only(base->backend, base->name, err);
    }
    sop_mutex_lock(&disk->mutex);
    sop_mutex_lock(&file->mutex);
    sop_status status = SOP_OK;
    if (writable && file->size < size) {
        status = sop_fail(err, SOP_INVALID,
                          "%s/%s: a writable map of %" PRIu64 " bytes leaves the file of %" PRIu64,
                          base->backend->url, base->name, size, file->size);
    } else {
        status = grow(base, file->size, size, err);
    }
    if (status == SOP_OK) {
        *out = file->area.base;
        file->maps++;
        file->uses++;
    }
    sop_mutex_unlock(&file->mutex);
    sop_mutex_unlock(&disk->mutex);
    return status;
}

static void memory_unmap(sop_backend *base, void *map, uint64_t size)
{
    memory_disk *disk = disk_of(base);
    (void)size;
    sop_mutex_lock(&disk->mutex);
    memory_file *file = disk->files;
    /* The address of a mapped file does not change (mem-1), so it may be looked at without the
     * file's mutex. */
    while (file != NULL && (file->maps == 0 || file->area.base != map)) {
        file = file->next;
    }
    SOP_ASSERT(file != NULL);
    sop_mutex_lock(&file->mutex);
    file->maps--;
    sop_mutex_unlock(&file->mutex);
    file->uses--;
    collect(disk, file);
    sop_mutex_unlock(&disk->mutex);
}

/* ---- the backend ---- */

static void disk_free(memory_disk *disk)
{
    while (disk->files != NULL) {
        memory_file *file = disk->files;
        SOP_ASSERT(file->uses == 0);
        file->linked = 0;
        collect(disk, file);
    }
    sop_backend__locks_deinit(&disk->locks);
    sop_free(disk->page);
    sop_free(disk->url);
    sop_free(disk);
}

static memory_disk *disk_new(const char *name)
{
    static const char scheme[] = "memory:";
    memory_disk *disk = sop_alloc_zeroed(sizeof *disk);
    size_t size = strlen(name) + sizeof scheme;
    char *url = sop_alloc(size);
    if (disk == NULL || url == NULL) {
        sop_free(disk);
        sop_free(url);
        return NULL;
    }
    memcpy(url, scheme, sizeof scheme - 1);
    memcpy(url + sizeof scheme - 1, name, size - sizeof scheme + 1);
    disk->url = url;
    disk->backends = 1;
    return disk;
}

/* Called with the registry's mutex held. */
static memory_disk *registry_find(const char *name)
{
    for (memory_disk *disk = registry; disk != NULL; disk = disk->next) {
        if (strcmp(strchr(disk->url, ':') + 1, name) == 0) return disk;
    }
    return NULL;
}

static sop_status memory_publish(sop_backend *base, sop_error *err)
{
    memory_backend *backend = (memory_backend *)base;
    memory_disk *disk = backend->disk;
    const char *name = strchr(disk->url, ':') + 1;
    sop_status status = SOP_OK;
    if (!backend->building) return sop_fail(err, SOP_INVALID, "%s is published already", base->url);
    sop_mutex_lock(&registry_mutex);
    if (name[0] != '\0') {
        if (registry_find(name) != NULL) {
            status = sop_fail(err, SOP_EXISTS, "%s: a database is there already", base->url);
        } else {
            disk->registered = 1;
            disk->next = registry;
            registry = disk;
        }
    }
    sop_mutex_unlock(&registry_mutex);
    if (status == SOP_OK) backend->building = 0;
    return status;
}

static void memory_free(sop_backend *base)
{
    memory_backend *backend = (memory_backend *)base;
    memory_disk *disk = backend->disk;
    SOP_ASSERT(atomic_load_explicit(&backend->files_open, memory_order_relaxed) == 0);
    sop_mutex_lock(&disk->mutex);
    sop_backend__locks_drop_all(&disk->locks, base);
    sop_cond_signal_all(&disk->lock_freed);
    sop_mutex_unlock(&disk->mutex);
    sop_mutex_lock(&registry_mutex);
    disk->backends--;
    int last = disk->backends == 0 && !disk->registered;
    sop_mutex_unlock(&registry_mutex);
    if (last) disk_free(disk);
    sop_free(backend);
}

/* The database of that name, counted, or a new one. With the registry's mutex held. */
static sop_status attach(const char *name, int how, memory_disk **out, sop_error *err)
{
    memory_disk *disk = registry_find(name);
    *out = NULL;
    if (how == SOP_BACKEND_EXISTING) {
        if (disk == NULL) return sop_fail(err, SOP_NOT_FOUND, "memory:%s: no database there", name);
        disk->backends++;
    } else {
        if (disk != NULL) {
            return sop_fail(err, SOP_EXISTS, "memory:%s: a database is there already", name);
        }
        disk = disk_new(name);
        if (disk == NULL) return sop_fail(err, SOP_NO_MEMORY, "memory:%s: out of memory", name);
    }
    *out = disk;
    return SOP_OK;
}

sop_status sop_backend_memory_open(const char *name, int how, sop_backend **out, sop_error *err)
{
    memory_disk *disk = NULL;
    *out = NULL;
    memory_backend *backend = sop_alloc_zeroed(sizeof *backend);
    if (backend == NULL) return sop_fail(err, SOP_NO_MEMORY, "memory:%s: out of memory", name);
    sop_mutex_lock(&registry_mutex);
    sop_status status = attach(name, how, &disk, err);
    sop_mutex_unlock(&registry_mutex);
    if (status != SOP_OK) {
        sop_free(backend);
        return status;
    }
    backend->base = (sop_backend){&MEMORY_OPS, disk->url, 0, 1};
    backend->disk = disk;
    backend->building = how == SOP_BACKEND_NEW;
    *out = &backend->base;
    return SOP_OK;
}

static const sop_backend_ops MEMORY_OPS = {
    .file_open = memory_open,
    .remove = memory_remove,
    .list = memory_list,
    .folder_sync = memory_folder_sync,
    .head_swap = memory_head_swap,
    .lock = memory_lock_take,
    .unlock = memory_lock_drop,
    .lock_held = memory_lock_held,
    .shared_page = memory_shared_page,
    .shared_page_linked = memory_shared_page_linked,
    .space_free = memory_space_free,
    .publish = memory_publish,
    .free = memory_free,
    .file_close = memory_close,
    .file_read = memory_read,
    .file_write = memory_write,
    .file_sync = memory_sync,
    .file_size = memory_size,
    .file_map = memory_map,
    .file_unmap = memory_unmap,
};
