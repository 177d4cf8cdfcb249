/* SPDX-License-Identifier: MIT */
/* The value segments that all transactions of this process share: placing, writing, syncing. */
#include <inttypes.h>
#include <string.h>

#include "blob/blob.h"
#include "blob/blob_private.h"
#include "util/assert.h"
#include "util/bytes.h"
#include "util/error.h"
#include "util/memory.h"
#include "util/rule.h"

static void file_free(sop_value_file *file)
{
    sop_file_close(file->file);
    sop_free(file);
}

void sop_blob__values_close(sop_blobs *blobs)
{
    sop_value_files *values = &blobs->values;
    for (sop_value_file *file = values->files; file != NULL;) {
        sop_value_file *next = file->next;
        SOP_ASSERT(file->writers == 0);
        file_free(file);
        file = next;
    }
    values->files = NULL;
}

static void file_abandon(sop_blobs *blobs, uint64_t segment, sop_file *handle)
{
    char name[SOP_SEGMENT_NAME_SIZE];
    sop_blob__name(segment, name);
    sop_file_close(handle);
    /* A file that cannot be removed stays behind unreferenced; the next clean-up finds it. */
    (void)!blobs->backend->ops->remove(blobs->backend, name, NULL);
}

/* A new file with its header written, mapped and in the registry. */
static sop_status file_new(sop_blobs *blobs, sop_value_file **out, sop_error *err)
{
    uint64_t segment = 0;
    sop_file *handle = NULL;
    sop_segment_map *map = NULL;
    uint8_t *header = NULL;
    *out = NULL;
    sop_value_file *file = sop_alloc_zeroed(sizeof *file);
    if (file == NULL) return sop_fail(err, SOP_NO_MEMORY, "no memory for a value segment");
    sop_status status = sop_blob__create(blobs, &segment, &handle, err);
    if (status != SOP_OK) goto out;
    header = sop_alloc_aligned(SOP_DIRECT_ALIGN, SOP_SEGMENT_HEADER);
    if (header == NULL) {
        status = sop_fail(err, SOP_NO_MEMORY, "no memory for a value segment");
        goto out;
    }
    sop_blob__header_encode(blobs->database_id, segment, SOP_SEGMENT_VALUES, header);
    status = sop_file_write(handle, 0, header, SOP_SEGMENT_HEADER, err);
    if (status != SOP_OK) goto out;
    status =
        sop_blob__map_new(handle, segment, SOP_SEGMENT_VALUES, SOP_VALUE_SEGMENT_MAX, &map, err);
    if (status != SOP_OK) goto out;
    atomic_store_explicit(&map->size, SOP_SEGMENT_HEADER,
                          memory_order_relaxed); /* not shared yet */
    sop_blob__register(blobs, map);
    *file = (sop_value_file){
        .segment = segment, .file = handle, .map = map, .end = SOP_SEGMENT_HEADER, .dirty = 1};
    *out = file;
    file = NULL;
    handle = NULL;
out:
    sop_free(header);
    if (handle != NULL) file_abandon(blobs, segment, handle);
    sop_free(file);
    return status;
}

static int file_fits(const sop_value_file *file, uint64_t size)
{
    return file != NULL && !file->sealed &&
           sop_round_up(file->end, SOP_DIRECT_ALIGN) + size <= SOP_VALUE_SEGMENT_MAX;
}

/* Reserves a place in the current file, making a new one when needed, and counts the caller as a
 * writer of it. */
static sop_status reserve(sop_blobs *blobs,
                          uint64_t size,
                          uint32_t align,
                          sop_value_file **file_out,
                          uint64_t *offset_out,
                          sop_error *err)
{
    sop_value_files *values = &blobs->values;
    sop_status status = SOP_OK;
    sop_mutex_lock(&values->lock);
    while (!file_fits(values->files, size)) {
        if (values->creating) {
            sop_cond_wait(&values->synced_changed, &values->lock, UINT64_MAX);
            continue;
        }
        values->creating = 1;
        if (!values->folder_dirty) values->folder_failures = sop_blob__folder_failures(blobs);
        sop_mutex_unlock(&values->lock);
        sop_value_file *fresh = NULL;
        status = file_new(blobs, &fresh, err);
        sop_mutex_lock(&values->lock);
        values->creating = 0;
        sop_cond_signal_all(&values->synced_changed);
        if (status != SOP_OK) goto out;
        SOP_ASSERT(fresh != NULL);
        if (values->files != NULL) values->files->sealed = 1;
        fresh->next = values->files;
        values->files = fresh;
        values->folder_dirty = 1;
    }
    sop_value_file *file = values->files;
    *offset_out = sop_round_up(file->end, align);
    file->end = *offset_out + size;
    file->writers++;
    *file_out = file;
out:
    sop_mutex_unlock(&values->lock);
    return status;
}

sop_status sop_blob__value_write(sop_blobs *blobs,
                                 const sop_value_blob *blob,
                                 sop_address *address_out,
                                 sop_error *err)
{
    sop_value_files *values = &blobs->values;
    sop_value_file *file = NULL;
    uint64_t offset = 0;
    uint64_t size = sop_round_up(blob->length, blob->align);
    sop_status status = reserve(blobs, size, blob->align, &file, &offset, err);
    if (status != SOP_OK) return status;
    sop_address address = sop_address_make(file->segment, offset, blob->length);
    blob->seal(blob->context, address);
    status = sop_file_write(file->file, offset, blob->data, (size_t)size, err);
    sop_mutex_lock(&values->lock);
    file->writers--;
    if (status == SOP_OK) {
        file->dirty = 1;
        values->finished++;
        uint64_t end = offset + size;
        /* Relaxed read: sizes change under this lock. Release pairs with the acquire of readers. */
        if (atomic_load_explicit(&file->map->size, memory_order_relaxed) < end) {
            atomic_store_explicit(&file->map->size, end, memory_order_release);
        }
        *address_out = address;
    }
    sop_mutex_unlock(&values->lock);
    return status;
}

/* Syncs every dirty file once. The lock is held at entry and exit, and dropped around the calls. */
static sop_status sync_files(sop_blobs *blobs, sop_error *err) SOP_NO_ANALYSIS
{
    sop_value_files *values = &blobs->values;
    sop_status status = SOP_OK;
    /* New files come in front of the first, so the rest of the list does not change but by this
     * thread. */
    for (sop_value_file *file = values->files; file != NULL && status == SOP_OK;
         file = file->next) {
        if (!file->dirty) continue;
        file->dirty = 0;
        sop_mutex_unlock(&values->lock);
        status = SOP_RULE(DURABLE_VALUES) ? sop_file_sync(file->file, err) : SOP_OK;
        sop_mutex_lock(&values->lock);
    }
    if (status == SOP_OK && values->folder_dirty && SOP_RULE(DIRSYNC)) {
        values->folder_dirty = 0;
        uint32_t failures_before = values->folder_failures;
        sop_mutex_unlock(&values->lock);
        status = sop_blob__folder_sync(blobs, failures_before, err);
        sop_mutex_lock(&values->lock);
    }
    return status;
}

/* Closes files that take no more values and are durable. The lock is held. */
static void close_done(sop_value_files *values)
{
    for (sop_value_file **link = &values->files; *link != NULL;) {
        sop_value_file *file = *link;
        if (!file->sealed || file->dirty || file->writers != 0) {
            link = &file->next;
            continue;
        }
        *link = file->next;
        file_free(file);
    }
}

sop_status sop_blobs_sync_values(sop_blobs *blobs, sop_error *err)
{
    sop_value_files *values = &blobs->values;
    sop_status status = SOP_OK;
    sop_mutex_lock(&values->lock);
    uint64_t wanted = values->finished;
    while (values->failure.status == SOP_OK && values->synced < wanted) {
        if (values->syncing) {
            sop_cond_wait(&values->synced_changed, &values->lock, UINT64_MAX);
            continue;
        }
        values->syncing = 1;
        uint64_t reached = values->finished;
        sop_error failure = {0};
        status = sync_files(blobs, &failure);
        values->syncing = 0;
        if (status == SOP_OK) {
            values->synced = reached;
            close_done(values);
        } else {
            values->failure = failure;
            values->failure.status = status;
        }
        sop_cond_signal_all(&values->synced_changed);
    }
    if (values->synced < wanted) {
        status = sop_fail(err, values->failure.status, "%.200s", values->failure.message);
    }
    sop_mutex_unlock(&values->lock);
    return status;
}

void sop_blobs_seal_values(sop_blobs *blobs)
{
    sop_value_files *values = &blobs->values;
    sop_mutex_lock(&values->lock);
    if (values->files != NULL) values->files->sealed = 1;
    if (!values->syncing) close_done(values);
    sop_mutex_unlock(&values->lock);
}
