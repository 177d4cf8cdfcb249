/* SPDX-License-Identifier: MIT */
/* Files of a simulated disk: opening, bytes, syncs, maps. */
#include <inttypes.h>
#include <string.h>

#include "backend/backend_faulty_disk.h"
#include "util/assert.h"
#include "util/error.h"
#include "util/memory.h"

static faulty_handle *handle_of(sop_file *base)
{
    return (faulty_handle *)base;
}

/* ---- open, close ---- */

static void handle_link(faulty_backend *backend, faulty_handle *handle)
{
    sop_faulty__inode_use(&backend->disk->model, handle->inode);
    handle->errors_seen = handle->inode->errors;
    handle->next = backend->handles;
    handle->link = &backend->handles;
    if (handle->next != NULL) handle->next->link = &handle->next;
    backend->handles = handle;
}

static sop_status create_locked(faulty_backend *backend,
                                faulty_handle *handle,
                                int number,
                                const char *leaf,
                                faulty_verdict verdict)
{
    sop_faulty_disk *disk = backend->disk;
    faulty_bytes *name = sop_faulty__bytes_new(leaf, strlen(leaf) + 1);
    if (name == NULL) return SOP_NO_MEMORY;
    sop_status status =
        sop_faulty__create(&disk->model, &backend->tree->folders[number], name, &handle->inode);
    sop_faulty__bytes_release(name);
    if (status != SOP_OK) return status;
    faulty_event event = {.who = backend->who,
                          .kind = SOP_FAULTY_CREATE,
                          .status = verdict.status,
                          .applied = 1,
                          .tree = backend->tree->id,
                          .folder = number,
                          .inode = handle->inode->id,
                          .name = handle->name};
    sop_faulty__trace_add(disk, &event);
    return SOP_OK;
}

/* Finds or creates the inode of a handle. */
static sop_status pick(faulty_backend *backend, faulty_handle *handle, int flags, sop_error *err)
{
    int number = 0;
    const char *leaf = NULL;
    int create = (flags & SOP_FILE_CREATE) != 0;
    const char *name = handle->base.name;
    sop_status status = sop_backend__name_split(&backend->base, name, &number, &leaf, err);
    if (status != SOP_OK) return status;
    sop_faulty_call call = {0, create ? SOP_FAULTY_CREATE : SOP_FAULTY_OPEN, name, 0, 0};
    faulty_verdict verdict;
    status = sop_faulty__enter(backend, &call, &verdict, err);
    if (status != SOP_OK) return status;
    handle->inode = sop_faulty__names_find(&backend->tree->folders[number].live, leaf);
    if (verdict.status != SOP_OK && !(create && verdict.effect == SOP_FAULTY_WHOLE)) {
        status = sop_faulty__fail_asked(&call, verdict.status, err);
    } else if (create && handle->inode != NULL) {
        status = sop_fail(err, SOP_EXISTS, "faulty/%s: the file is there already", name);
    } else if (!create && handle->inode == NULL) {
        status = sop_fail(err, SOP_NOT_FOUND, "faulty/%s: no such file", name);
    } else if (create) {
        status = create_locked(backend, handle, number, leaf, verdict);
        if (status != SOP_OK) {
            (void)sop_backend__fail_memory(&backend->base, name, err);
        } else if (verdict.status != SOP_OK) {
            status = sop_faulty__fail_asked(&call, verdict.status, err);
        }
    } else {
        sop_faulty__trace_plain(backend, SOP_FAULTY_OPEN, handle->name);
    }
    if (status == SOP_OK) handle_link(backend, handle);
    sop_faulty__leave(backend);
    return status;
}

sop_status sop_faulty__file_open(
    sop_backend *base, const char *name, int flags, sop_file **out, sop_error *err)
{
    *out = NULL;
    faulty_handle *handle = sop_alloc_zeroed(sizeof *handle);
    faulty_bytes *text = handle == NULL ? NULL : sop_faulty__bytes_new(name, strlen(name) + 1);
    if (text == NULL) {
        sop_free(handle);
        return sop_backend__fail_memory(base, name, err);
    }
    handle->name = text;
    handle->base = (sop_file){base->ops, base, (const char *)text->data};
    handle->writable = (flags & (SOP_FILE_WRITE | SOP_FILE_CREATE)) != 0;
    sop_status status = handle->writable ? sop_faulty__refuse_writing(base, name, err) : SOP_OK;
    if (status == SOP_OK) status = pick(sop_faulty__backend(base), handle, flags, err);
    if (status != SOP_OK) {
        sop_faulty__bytes_release(text);
        sop_free(handle);
        return status;
    }
    *out = &handle->base;
    return SOP_OK;
}

void sop_faulty__file_close(sop_file *base)
{
    faulty_handle *handle = handle_of(base);
    sop_faulty_disk *disk = sop_faulty__backend(base->backend)->disk;
    sop_mutex_lock(&disk->mutex);
    *handle->link = handle->next;
    if (handle->next != NULL) handle->next->link = handle->link;
    sop_faulty__inode_unuse(&disk->model, handle->inode);
    sop_mutex_unlock(&disk->mutex);
    sop_faulty__bytes_release(handle->name);
    sop_free(handle);
}

/* ---- bytes ---- */

sop_status sop_faulty__file_read(
    sop_file *base, uint64_t offset, void *buffer, size_t size, size_t *read_out, sop_error *err)
{
    faulty_backend *backend = sop_faulty__backend(base->backend);
    uint64_t end = 0;
    *read_out = 0;
    sop_status status = sop_backend__range_end(base, offset, size, &end, err);
    if (status == SOP_OK) {
        status = sop_faulty__enter_plain(
            backend, (sop_faulty_call){0, SOP_FAULTY_READ, base->name, offset, size}, err);
    }
    if (status != SOP_OK) return status;
    *read_out = sop_faulty__content_read(handle_of(base)->inode->cache, offset, buffer, size);
    sop_faulty__trace_plain(backend, SOP_FAULTY_READ, handle_of(base)->name);
    sop_faulty__leave(backend);
    return SOP_OK;
}

/* A range to be written, as it is handed down. */
typedef struct {
    uint64_t offset;
    uint64_t size;
    const uint8_t *data;
    sop_status status; /* of the call, for the trace */
} piece;

static sop_status write_piece(faulty_handle *handle, const piece *p)
{
    faulty_backend *backend = sop_faulty__backend(handle->base.backend);
    faulty_inode *inode = handle->inode;
    faulty_bytes *bytes = NULL;
    uint64_t end = p->offset + p->size;
    if (p->size == 0) return SOP_OK;
    sop_status status = sop_faulty__trace_reserve(backend->disk, 1);
    if (status == SOP_OK && inode->maps != 0) {
        status = sop_backend__area_grow(&inode->area, end, 0, 1);
    }
    if (status != SOP_OK) return status;
    if (!sop_faulty__is_zero(p->data, (size_t)p->size)) {
        bytes = sop_faulty__bytes_new(p->data, (size_t)p->size);
        if (bytes == NULL) return SOP_NO_MEMORY;
    }
    status = sop_faulty__write(&backend->disk->model, inode, p->offset, p->size, bytes);
    if (status == SOP_OK) {
        faulty_event event = {.who = backend->who,
                              .kind = SOP_FAULTY_WRITE,
                              .status = p->status,
                              .applied = 1,
                              .inode = inode->id,
                              .name = handle->name,
                              .offset = p->offset,
                              .size = p->size,
                              .data = bytes};
        sop_faulty__area_store(inode, p->offset, p->data, p->size);
        sop_faulty__trace_add(backend->disk, &event);
    }
    sop_faulty__bytes_release(bytes);
    return status;
}

/* A beginning of any length, or some of the sectors. */
static sop_status write_part(faulty_handle *handle, const piece *whole)
{
    enum { SECTOR = 512 };
    uint64_t *random = &sop_faulty__backend(handle->base.backend)->disk->random;
    piece p = *whole;
    if (sop_faulty__random(random) % 2 == 0) {
        p.size = sop_faulty__random(random) % whole->size;
        return write_piece(handle, &p);
    }
    uint64_t end = whole->offset + whole->size;
    sop_status status = SOP_OK;
    while (status == SOP_OK && p.offset < end) {
        uint64_t next = (p.offset / SECTOR + 1) * SECTOR;
        p.size = (next < end ? next : end) - p.offset;
        if (sop_faulty__random(random) % 2 == 0) status = write_piece(handle, &p);
        p.data += p.size;
        p.offset += p.size;
    }
    return status;
}

/* How many bytes of the write find room. */
static uint64_t room_for(const sop_faulty_disk *disk, const faulty_inode *inode, const piece *p)
{
    uint64_t size = inode->cache->size;
    uint64_t room = disk->space_max > disk->model.used ? disk->space_max - disk->model.used : 0;
    uint64_t limit = room > FAULTY_FILE_MAX - size ? FAULTY_FILE_MAX : size + room;
    if (p->offset + p->size <= limit) return p->size;
    return p->offset < limit ? limit - p->offset : 0;
}

static sop_status write_locked(faulty_handle *handle, faulty_verdict verdict, piece *p)
{
    sop_faulty_disk *disk = sop_faulty__backend(handle->base.backend)->disk;
    sop_status status = SOP_OK;
    p->status = verdict.status;
    if (verdict.status != SOP_OK && verdict.effect == SOP_FAULTY_NOTHING) return verdict.status;
    uint64_t room = p->offset + p->size > handle->inode->cache->size
                        ? room_for(disk, handle->inode, p)
                        : p->size;
    if (room < p->size) {
        p->size = room;
        p->status = SOP_FULL;
        status = write_piece(handle, p);
    } else if (verdict.status != SOP_OK && verdict.effect == SOP_FAULTY_PART) {
        status = write_part(handle, p);
    } else {
        status = write_piece(handle, p);
    }
    return status == SOP_OK ? p->status : status;
}

sop_status sop_faulty__file_write(
    sop_file *base, uint64_t offset, const void *data, size_t size, sop_error *err)
{
    faulty_handle *handle = handle_of(base);
    faulty_backend *backend = sop_faulty__backend(base->backend);
    uint64_t end = 0;
    sop_status status = sop_backend__range_end(base, offset, size, &end, err);
    if (status != SOP_OK || size == 0) return status;
    if (!handle->writable) return sop_backend__fail_read_only(base->backend, base->name, err);
    sop_faulty_call call = {0, SOP_FAULTY_WRITE, base->name, offset, size};
    faulty_verdict verdict;
    status = sop_faulty__enter(backend, &call, &verdict, err);
    if (status != SOP_OK) return status;
    piece p = {offset, size, data, SOP_OK};
    status = write_locked(handle, verdict, &p);
    sop_faulty__leave(backend);
    if (status == SOP_OK) return SOP_OK;
    if (status == SOP_NO_MEMORY) return sop_backend__fail_memory(base->backend, base->name, err);
    if (verdict.status != SOP_OK) return sop_faulty__fail_asked(&call, status, err);
    return sop_fail(err, status, "faulty/%s: no room for %zu bytes at offset %" PRIu64, base->name,
                    size, offset);
}

static sop_status sync_locked(faulty_handle *handle, faulty_verdict verdict, int *reported_out)
{
    sop_faulty_disk *disk = sop_faulty__backend(handle->base.backend)->disk;
    faulty_inode *inode = handle->inode;
    faulty_event event = {.who = sop_faulty__backend(handle->base.backend)->who,
                          .kind = SOP_FAULTY_SYNC,
                          .status = verdict.status,
                          .applied = 1,
                          .effect = verdict.effect,
                          .inode = inode->id,
                          .name = handle->name};
    sop_status status = SOP_OK;
    if (verdict.status == SOP_OK) {
        status = sop_faulty__sync(&disk->model, inode);
    } else {
        event.seed = sop_faulty__random(&disk->random);
        status = sop_faulty__sync_fail(&disk->model, inode, event.effect, event.seed);
    }
    if (status != SOP_OK) return status;
    sop_faulty__trace_add(disk, &event);
    /* An earlier failure is told to this descriptor now, although what is dirty has just been written. */
    *reported_out = handle->errors_seen != inode->errors;
    handle->errors_seen = inode->errors;
    return SOP_OK;
}

sop_status sop_faulty__file_sync(sop_file *base, sop_error *err)
{
    faulty_backend *backend = sop_faulty__backend(base->backend);
    sop_faulty_call call = {0, SOP_FAULTY_SYNC, base->name, 0, 0};
    faulty_verdict verdict;
    int reported = 0;
    sop_status status = sop_faulty__enter(backend, &call, &verdict, err);
    if (status != SOP_OK) return status;
    status = sync_locked(handle_of(base), verdict, &reported);
    sop_faulty__leave(backend);
    if (status != SOP_OK) return sop_backend__fail_memory(base->backend, base->name, err);
    if (verdict.status != SOP_OK) return sop_faulty__fail_asked(&call, verdict.status, err);
    if (!reported) return SOP_OK;
    return sop_fail(err, SOP_IO, "faulty/%s: an earlier write could not be written back",
                    base->name);
}

sop_status sop_faulty__file_size(sop_file *base, uint64_t *out, sop_error *err)
{
    faulty_backend *backend = sop_faulty__backend(base->backend);
    *out = 0;
    sop_status status = sop_faulty__enter_plain(
        backend, (sop_faulty_call){0, SOP_FAULTY_SIZE, base->name, 0, 0}, err);
    if (status != SOP_OK) return status;
    *out = handle_of(base)->inode->cache->size;
    sop_faulty__trace_plain(backend, SOP_FAULTY_SIZE, handle_of(base)->name);
    sop_faulty__leave(backend);
    return SOP_OK;
}

/* Copies the cache into a fresh area. */
static void area_fill(faulty_inode *inode)
{
    uint64_t size = inode->cache->size;
    for (uint64_t at = 0; at < size; at += FAULTY_PAGE) {
        const uint8_t *page = sop_faulty__content_page(inode->cache, at / FAULTY_PAGE);
        if (page != NULL) memcpy(inode->area.base + at, page, FAULTY_PAGE);
    }
}

static sop_status map_locked(faulty_model *model, faulty_inode *inode, uint64_t size, void **out)
{
    int fresh = inode->maps == 0;
    if (fresh) sop_backend__area_take(&inode->area, inode->cache->size);
    inode->area.exact = 1;
    sop_status status = sop_backend__area_grow(&inode->area, inode->cache->size, size, !fresh);
    if (status != SOP_OK) {
        if (fresh) sop_backend__area_give(&inode->area);
        return status;
    }
    if (fresh) area_fill(inode);
    inode->maps++;
    sop_faulty__inode_use(model, inode);
    *out = inode->area.base;
    return SOP_OK;
}

sop_status
sop_faulty__file_map(sop_file *base, uint64_t size, int writable, void **out, sop_error *err)
{
    faulty_backend *backend = sop_faulty__backend(base->backend);
    *out = NULL;
    if (size == 0 || size > SIZE_MAX / 2) {
        return sop_fail(err, SOP_INVALID, "faulty/%s: a map of %" PRIu64 " bytes", base->name,
                        size);
    }
    if (writable) {
        return sop_fail(err, SOP_UNSUPPORTED, "faulty/%s: stores into a map would not be seen",
                        base->name);
    }
    sop_status status = sop_faulty__enter_plain(
        backend, (sop_faulty_call){0, SOP_FAULTY_MAP, base->name, 0, size}, err);
    if (status != SOP_OK) return status;
    status = map_locked(&backend->disk->model, handle_of(base)->inode, size, out);
    sop_faulty__trace_plain(backend, SOP_FAULTY_MAP, handle_of(base)->name);
    sop_faulty__leave(backend);
    if (status == SOP_OK) return SOP_OK;
    if (status == SOP_NO_MEMORY) return sop_backend__fail_memory(base->backend, base->name, err);
    return sop_fail(err, status, "faulty/%s: already mapped, but not up to %" PRIu64 " bytes",
                    base->name, size);
}

/* Catches stray stores into a map: nobody but file_write may change a file. */
SOP_UNUSED static int area_untouched(const faulty_inode *inode)
{
    for (uint64_t at = 0; at < inode->cache->size; at += FAULTY_PAGE) {
        const uint8_t *page = sop_faulty__content_page(inode->cache, at / FAULTY_PAGE);
        if (page != NULL && memcmp(inode->area.base + at, page, FAULTY_PAGE) != 0) return 0;
    }
    return 1;
}

void sop_faulty__file_unmap(sop_backend *base, void *map, uint64_t size)
{
    faulty_model *model = &sop_faulty__backend(base)->disk->model;
    (void)size;
    sop_mutex_lock(&sop_faulty__backend(base)->disk->mutex);
    faulty_inode *inode = NULL;
    for (size_t i = 0; i < model->inode_capacity && inode == NULL; i++) {
        faulty_inode *other = model->inodes[i];
        if (other != NULL && other->maps != 0 && other->area.base == map) inode = other;
    }
    SOP_ASSERT(inode != NULL);
    SOP_ASSERT_SLOW(area_untouched(inode));
    if (--inode->maps == 0) sop_backend__area_give(&inode->area);
    sop_faulty__inode_unuse(model, inode);
    sop_mutex_unlock(&sop_faulty__backend(base)->disk->mutex);
}
