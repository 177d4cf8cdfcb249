/* SPDX-License-Identifier: MIT */
/* Traces of simulated disks, and disks rebuilt from them as of any moment. */
#include <string.h>

#include "backend/backend_faulty_disk.h"
#include "util/assert.h"
#include "util/memory.h"

/* ---- recording ---- */

sop_status sop_faulty__trace_reserve(sop_faulty_disk *disk, size_t count)
{
    faulty_trace *trace = &disk->trace;
    if (!trace->on || trace->count + count <= trace->capacity) return SOP_OK;
    size_t capacity = trace->capacity < 64 ? 64 : trace->capacity * 2;
    if (capacity < trace->count + count) capacity = trace->count + count;
    faulty_event *events = sop_realloc(trace->events, capacity * sizeof *events);
    if (events == NULL) return SOP_NO_MEMORY;
    trace->events = events;
    trace->capacity = capacity;
    return SOP_OK;
}

void sop_faulty__trace_add(sop_faulty_disk *disk, const faulty_event *event)
{
    faulty_trace *trace = &disk->trace;
    if (!trace->on || (!event->applied && event->text == NULL && !trace->reads)) return;
    SOP_ASSERT(trace->count < trace->capacity);
    faulty_event *added = &trace->events[trace->count++];
    *added = *event;
    (void)sop_faulty__bytes_acquire(added->name);
    (void)sop_faulty__bytes_acquire(added->to);
    (void)sop_faulty__bytes_acquire(added->data);
}

void sop_faulty__trace_deinit(faulty_trace *trace)
{
    for (size_t i = 0; i < trace->count; i++) {
        sop_faulty__bytes_release(trace->events[i].name);
        sop_faulty__bytes_release(trace->events[i].to);
        sop_faulty__bytes_release(trace->events[i].data);
    }
    sop_free(trace->events);
    sop_faulty__model_deinit(&trace->base);
    *trace = (faulty_trace){0};
}

sop_status sop_faulty_trace_start(sop_faulty_disk *disk)
{
    static const sop_faulty_cut all = {SOP_FAULTY_KEEP_ALL, 0, 0};
    faulty_model durable;
    sop_mutex_lock(&disk->mutex);
    SOP_ASSERT(disk->backends == NULL);
    sop_faulty__trace_deinit(&disk->trace);
    sop_faulty__model_init(&disk->trace.base);
    sop_faulty__model_init(&durable);
    sop_status status = sop_faulty__cut_model(&disk->model, &all, &durable);
    if (status == SOP_OK) status = sop_faulty__cut_model(&durable, &all, &disk->trace.base);
    if (status == SOP_OK) {
        sop_faulty__model_deinit(&disk->model);
        disk->model = durable;
        disk->trace.on = 1;
    } else {
        sop_faulty__model_deinit(&durable);
    }
    sop_mutex_unlock(&disk->mutex);
    return status;
}

void sop_faulty_trace_reads(sop_faulty_disk *disk, int on)
{
    sop_mutex_lock(&disk->mutex);
    disk->trace.reads = on;
    sop_mutex_unlock(&disk->mutex);
}

void sop_faulty_mark(sop_faulty_disk *disk, const char *text, uint64_t number)
{
    faulty_event event = {.kind = SOP_FAULTY_MARK, .text = text, .offset = number};
    sop_mutex_lock(&disk->mutex);
    /* A test that loses its marks would prove nothing. */
    SOP_ASSERT(sop_faulty__trace_reserve(disk, 1) == SOP_OK);
    sop_faulty__trace_add(disk, &event);
    sop_mutex_unlock(&disk->mutex);
}

size_t sop_faulty_trace_size(sop_faulty_disk *disk)
{
    sop_mutex_lock(&disk->mutex);
    size_t count = disk->trace.count;
    sop_mutex_unlock(&disk->mutex);
    return count;
}

static const char *text_of(const faulty_bytes *bytes)
{
    return bytes == NULL ? NULL : (const char *)bytes->data;
}

sop_faulty_event sop_faulty_trace_get(sop_faulty_disk *disk, size_t index)
{
    sop_mutex_lock(&disk->mutex);
    SOP_ASSERT(index < disk->trace.count);
    const faulty_event *event = &disk->trace.events[index];
    sop_faulty_event view = {.who = event->who,
                             .kind = event->kind,
                             .status = event->status,
                             .name = event->text,
                             .to = text_of(event->to),
                             .offset = event->offset,
                             .size = event->size,
                             .data = event->data == NULL ? NULL : event->data->data};
    if (view.name == NULL) view.name = event->name == NULL ? "" : text_of(event->name);
    sop_mutex_unlock(&disk->mutex);
    return view;
}

/* ---- replaying ---- */

struct sop_faulty_replay {
    sop_faulty_disk *traced;
    size_t index;
    faulty_model model;
};

static const char *leaf_of(const faulty_bytes *name)
{
    const char *slash = strchr((const char *)name->data, '/');
    return slash == NULL ? (const char *)name->data : slash + 1;
}

static faulty_bytes *leaf_copy(const faulty_bytes *name)
{
    const char *leaf = leaf_of(name);
    return sop_faulty__bytes_new(leaf, strlen(leaf) + 1);
}

static sop_status apply_names(faulty_model *model, faulty_folder *folder, const faulty_event *event)
{
    if (event->kind == SOP_FAULTY_REMOVE) {
        return sop_faulty__remove(model, folder, leaf_of(event->name));
    }
    faulty_bytes *leaf = leaf_copy(event->kind == SOP_FAULTY_RENAME ? event->to : event->name);
    if (leaf == NULL) return SOP_NO_MEMORY;
    faulty_inode *inode = NULL;
    sop_status status = SOP_OK;
    if (event->kind == SOP_FAULTY_RENAME) {
        status = sop_faulty__rename(model, folder, leaf_of(event->name), leaf);
    } else {
        status = sop_faulty__create(model, folder, leaf, &inode);
        SOP_ASSERT(status != SOP_OK || inode->id == event->inode);
    }
    sop_faulty__bytes_release(leaf);
    return status;
}

static sop_status apply_sync(faulty_model *model, faulty_folder *folder, const faulty_event *event)
{
    if (folder != NULL) {
        if (event->status == SOP_OK) return sop_faulty__folder_sync(model, folder);
        return sop_faulty__folder_sync_fail(model, folder, event->effect, event->seed);
    }
    faulty_inode *inode = model->inodes[event->inode];
    if (event->status == SOP_OK) return sop_faulty__sync(model, inode);
    return sop_faulty__sync_fail(model, inode, event->effect, event->seed);
}

static sop_status apply(faulty_model *model, const faulty_event *event)
{
    faulty_tree *tree = event->tree == 0 ? NULL : sop_faulty__tree_find(model, event->tree);
    faulty_folder *folder = tree == NULL ? NULL : &tree->folders[event->folder];
    switch (event->kind) {
    case SOP_FAULTY_BUILD:
        tree = sop_faulty__tree_add(model);
        if (tree == NULL) return SOP_NO_MEMORY;
        SOP_ASSERT(tree->id == event->tree);
        return SOP_OK;
    case SOP_FAULTY_DROP:
        sop_faulty__tree_drop(model, tree);
        return SOP_OK;
    case SOP_FAULTY_PUBLISH:
        return sop_faulty__publish(model, tree);
    case SOP_FAULTY_CREATE:
    case SOP_FAULTY_REMOVE:
    case SOP_FAULTY_RENAME:
        return apply_names(model, folder, event);
    case SOP_FAULTY_FOLDER_SYNC:
        return apply_sync(model, folder, event);
    case SOP_FAULTY_SYNC:
        return apply_sync(model, NULL, event);
    case SOP_FAULTY_WRITE:
        return sop_faulty__write(model, model->inodes[event->inode], event->offset, event->size,
                                 event->data);
    default:
        return SOP_OK;
    }
}

/* The state before the first event. */
static sop_status rewind_model(sop_faulty_replay *replay)
{
    static const sop_faulty_cut all = {SOP_FAULTY_KEEP_ALL, 0, 0};
    sop_faulty__model_deinit(&replay->model);
    sop_faulty__model_init(&replay->model);
    replay->model.keep_inodes = 1;
    replay->index = 0;
    return sop_faulty__cut_model(&replay->traced->trace.base, &all, &replay->model);
}

sop_status sop_faulty_replay_new(sop_faulty_disk *traced, sop_faulty_replay **out)
{
    *out = NULL;
    SOP_ASSERT(traced->trace.on);
    sop_faulty_replay *replay = sop_alloc_zeroed(sizeof *replay);
    if (replay == NULL) return SOP_NO_MEMORY;
    replay->traced = traced;
    sop_status status = rewind_model(replay);
    if (status != SOP_OK) {
        sop_faulty_replay_free(replay);
        return status;
    }
    *out = replay;
    return SOP_OK;
}

void sop_faulty_replay_free(sop_faulty_replay *replay)
{
    if (replay == NULL) return;
    sop_faulty__model_deinit(&replay->model);
    sop_free(replay);
}

sop_status sop_faulty_replay_to(sop_faulty_replay *replay, size_t index)
{
    SOP_ASSERT(index <= replay->traced->trace.count);
    sop_status status = index < replay->index ? rewind_model(replay) : SOP_OK;
    while (status == SOP_OK && replay->index < index) {
        const faulty_event *event = &replay->traced->trace.events[replay->index];
        if (event->applied) status = apply(&replay->model, event);
        if (status == SOP_OK) replay->index++;
    }
    return status;
}

sop_status
sop_faulty_replay_cut(sop_faulty_replay *replay, const sop_faulty_cut *cut, sop_faulty_disk **out)
{
    uint64_t boot = replay->traced->boot ^ cut->seed ^ ((uint64_t)replay->index << 32);
    *out = NULL;
    sop_faulty_disk *disk = sop_faulty__disk_empty(sop_faulty__random(&boot));
    if (disk == NULL) return SOP_NO_MEMORY;
    sop_status status = sop_faulty__cut_model(&replay->model, cut, &disk->model);
    if (status != SOP_OK) {
        sop_faulty_disk_free(disk);
        return status;
    }
    *out = disk;
    return SOP_OK;
}

size_t sop_faulty_replay_pending(const sop_faulty_replay *replay)
{
    return sop_faulty__cut_pending(&replay->model);
}
