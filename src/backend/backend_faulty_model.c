/* SPDX-License-Identifier: MIT */
/* The simulated disk itself: files, names, and the changes to both with what makes them durable. */
#include "backend/backend_faulty_model.h"

#include <string.h>

#include "util/assert.h"
#include "util/bytes.h"
#include "util/memory.h"

/* ---- files ---- */

faulty_inode *sop_faulty__inode_new(faulty_model *model)
{
    if (model->inode_next >= model->inode_capacity) {
        size_t capacity = model->inode_capacity == 0 ? 16 : model->inode_capacity * 2;
        faulty_inode **inodes = sop_realloc(model->inodes, capacity * sizeof(void *));
        if (inodes == NULL) return NULL;
        for (size_t i = model->inode_capacity; i < capacity; i++) {
            inodes[i] = NULL;
        }
        model->inodes = inodes;
        model->inode_capacity = capacity;
    }
    faulty_inode *inode = sop_alloc_zeroed(sizeof *inode);
    faulty_content *content = sop_faulty__content_new();
    if (inode == NULL || content == NULL) {
        sop_free(inode);
        sop_faulty__content_release(content);
        return NULL;
    }
    inode->id = model->inode_next++;
    inode->refs = model->keep_inodes ? 2 : 1;
    inode->cache = content;
    inode->durable = sop_faulty__content_acquire(content);
    inode->pending_end = &inode->pending;
    model->inodes[inode->id] = inode;
    return inode;
}

static void pending_clear(faulty_inode *inode)
{
    while (inode->pending != NULL) {
        faulty_pending *write = inode->pending;
        inode->pending = write->next;
        sop_faulty__bytes_release(write->bytes);
        sop_free(write);
    }
    inode->pending_count = 0;
    inode->pending_end = &inode->pending;
}

void sop_faulty__inode_release(faulty_model *model, faulty_inode *inode)
{
    SOP_ASSERT(inode->refs > 0);
    if (--inode->refs != 0) return;
    SOP_ASSERT(inode->maps == 0);
    pending_clear(inode);
    sop_faulty__content_release(inode->cache);
    sop_faulty__content_release(inode->durable);
    model->inodes[inode->id] = NULL;
    sop_free(inode);
}

void sop_faulty__inode_use(faulty_model *model, faulty_inode *inode)
{
    if (inode->uses == 0) model->used += inode->cache->size;
    inode->uses++;
    inode->refs++;
}

void sop_faulty__inode_unuse(faulty_model *model, faulty_inode *inode)
{
    SOP_ASSERT(inode->uses > 0);
    inode->uses--;
    if (inode->uses == 0) model->used -= inode->cache->size;
    sop_faulty__inode_release(model, inode);
}

/* After a failed sync the lost bytes of a page become dirty again with the page: the range grows to whole pages as they are after
   the write. */
static faulty_bytes *
whole_pages(const faulty_content *cache, uint64_t *offset, uint64_t size, const faulty_bytes *bytes)
{
    uint64_t begin = *offset & ~(uint64_t)(FAULTY_PAGE - 1);
    uint64_t end = *offset + size;
    uint64_t stop = sop_round_up(end, FAULTY_PAGE);
    uint64_t file_end = cache->size > end ? cache->size : end;
    if (stop > file_end) stop = file_end;
    faulty_bytes *pages = sop_faulty__bytes_new(NULL, (size_t)(stop - begin));
    if (pages == NULL) return NULL;
    (void)sop_faulty__content_read(cache, begin, pages->data, pages->size);
    if (bytes == NULL) {
        memset(pages->data + (*offset - begin), 0, (size_t)size);
    } else {
        memcpy(pages->data + (*offset - begin), bytes->data, (size_t)size);
    }
    *offset = begin;
    return pages;
}

sop_status sop_faulty__write(
    faulty_model *model, faulty_inode *inode, uint64_t offset, uint64_t size, faulty_bytes *bytes)
{
    const uint8_t *data = bytes == NULL ? NULL : bytes->data;
    sop_status status = sop_faulty__content_own(&inode->cache, offset, data, size);
    if (status != SOP_OK) return status;
    faulty_pending *write = sop_alloc_zeroed(sizeof *write);
    if (write == NULL) return SOP_NO_MEMORY;
    write->offset = offset;
    write->size = size;
    write->moment = model->moment;
    write->bytes = sop_faulty__bytes_acquire(bytes);
    if (inode->diverged) {
        sop_faulty__bytes_release(bytes);
        write->bytes = whole_pages(inode->cache, &write->offset, size, bytes);
        if (write->bytes == NULL) {
            sop_free(write);
            return SOP_NO_MEMORY;
        }
        write->size = write->bytes->size;
    }
    uint64_t before = inode->cache->size;
    sop_faulty__content_write(inode->cache, offset, data, size);
    if (inode->uses != 0) model->used += inode->cache->size - before;
    *inode->pending_end = write;
    inode->pending_end = &write->next;
    inode->pending_count++;
    model->moment++;
    return SOP_OK;
}

sop_status sop_faulty__sync(faulty_model *model, faulty_inode *inode)
{
    if (inode->pending == NULL) return SOP_OK;
    faulty_content *durable = NULL;
    if (inode->diverged) {
        sop_faulty_cut all = {SOP_FAULTY_KEEP_ALL, 0, 0};
        durable = sop_faulty__cut_content(model, inode, &all);
        if (durable == NULL) return SOP_NO_MEMORY;
    } else {
        durable = sop_faulty__content_acquire(inode->cache);
    }
    sop_faulty__content_release(inode->durable);
    inode->durable = durable;
    pending_clear(inode);
    model->moment++;
    return SOP_OK;
}

sop_status
sop_faulty__sync_fail(faulty_model *model, faulty_inode *inode, int effect, uint64_t seed)
{
    if (inode->pending != NULL) {
        sop_faulty_cut cut = {SOP_FAULTY_KEEP_NONE, 0, seed};
        if (effect == SOP_FAULTY_PART) cut.keep = SOP_FAULTY_KEEP_RANDOM;
        if (effect == SOP_FAULTY_WHOLE) cut.keep = SOP_FAULTY_KEEP_ALL;
        faulty_content *durable = sop_faulty__cut_content(model, inode, &cut);
        if (durable == NULL) return SOP_NO_MEMORY;
        sop_faulty__content_release(inode->durable);
        inode->durable = durable;
        pending_clear(inode);
        if (effect != SOP_FAULTY_WHOLE) inode->diverged = 1;
    }
    inode->errors++;
    model->moment++;
    return SOP_OK;
}

/* ---- names ---- */

static size_t names_index(const faulty_names *names, const char *leaf)
{
    for (size_t i = 0; i < names->count; i++) {
        if (strcmp((const char *)names->rows[i].name->data, leaf) == 0) return i;
    }
    return names->count;
}

faulty_inode *sop_faulty__names_find(const faulty_names *names, const char *leaf)
{
    size_t i = names_index(names, leaf);
    return i == names->count ? NULL : names->rows[i].inode;
}

sop_status sop_faulty__names_reserve(faulty_names *names, size_t count)
{
    if (count <= names->capacity) return SOP_OK;
    size_t capacity = names->capacity < 4 ? 4 : names->capacity * 2;
    if (capacity < count) capacity = count;
    faulty_entry *rows = sop_realloc(names->rows, capacity * sizeof *rows);
    if (rows == NULL) return SOP_NO_MEMORY;
    names->rows = rows;
    names->capacity = capacity;
    return SOP_OK;
}

/* The caller has counted the inode. */
void sop_faulty__names_add(faulty_names *names, faulty_bytes *name, faulty_inode *inode)
{
    SOP_ASSERT(names->count < names->capacity);
    names->rows[names->count++] = (faulty_entry){sop_faulty__bytes_acquire(name), inode};
}

/* Takes a row out; NULL when there is none. The caller uncounts the inode. */
static faulty_inode *names_take(faulty_names *names, const char *leaf)
{
    size_t i = names_index(names, leaf);
    if (i == names->count) return NULL;
    faulty_inode *inode = names->rows[i].inode;
    sop_faulty__bytes_release(names->rows[i].name);
    names->rows[i] = names->rows[--names->count];
    return inode;
}

static void names_forget(faulty_model *model, faulty_names *names, const char *leaf)
{
    faulty_inode *inode = names_take(names, leaf);
    if (inode != NULL) sop_faulty__inode_release(model, inode);
}

void sop_faulty__names_apply(faulty_model *model, faulty_names *names, const faulty_step *step)
{
    const faulty_bytes *name = step->name;
    /* The step holds the inode, so forgetting its old name cannot free it. */
    names_forget(model, names, (const char *)name->data);
    if (step->what == FAULTY_STEP_REMOVE) return;
    if (step->what == FAULTY_STEP_RENAME) names_forget(model, names, (const char *)step->to->data);
    step->inode->refs++;
    sop_faulty__names_add(names, step->what == FAULTY_STEP_RENAME ? step->to : step->name,
                          step->inode);
}

static faulty_step *step_new(
    const faulty_model *model, int what, faulty_bytes *name, faulty_bytes *to, faulty_inode *inode)
{
    faulty_step *step = sop_alloc_zeroed(sizeof *step);
    if (step == NULL) return NULL;
    step->moment = model->moment;
    step->what = what;
    step->name = sop_faulty__bytes_acquire(name);
    step->to = sop_faulty__bytes_acquire(to);
    step->inode = inode;
    inode->refs++;
    return step;
}

static void step_add(faulty_model *model, faulty_folder *folder, faulty_step *step)
{
    *folder->pending_end = step;
    folder->pending_end = &step->next;
    folder->pending_count++;
    model->moment++;
}

static void steps_clear(faulty_model *model, faulty_folder *folder)
{
    while (folder->pending != NULL) {
        faulty_step *step = folder->pending;
        folder->pending = step->next;
        sop_faulty__bytes_release(step->name);
        sop_faulty__bytes_release(step->to);
        sop_faulty__inode_release(model, step->inode);
        sop_free(step);
    }
    folder->pending_count = 0;
    folder->pending_end = &folder->pending;
}

sop_status sop_faulty__create(faulty_model *model,
                              faulty_folder *folder,
                              faulty_bytes *leaf,
                              faulty_inode **out)
{
    *out = NULL;
    if (sop_faulty__names_reserve(&folder->live, folder->live.count + 1) != SOP_OK) {
        return SOP_NO_MEMORY;
    }
    faulty_inode *inode = sop_faulty__inode_new(model);
    if (inode == NULL) return SOP_NO_MEMORY;
    faulty_step *step = step_new(model, FAULTY_STEP_CREATE, leaf, NULL, inode);
    if (step == NULL) {
        if (model->keep_inodes) inode->refs = 1;
        model->inode_next--;
        sop_faulty__inode_release(model, inode);
        return SOP_NO_MEMORY;
    }
    sop_faulty__inode_use(model, inode);
    sop_faulty__names_add(&folder->live, leaf, inode);
    sop_faulty__inode_release(model, inode);
    step_add(model, folder, step);
    *out = inode;
    return SOP_OK;
}

sop_status sop_faulty__remove(faulty_model *model, faulty_folder *folder, const char *leaf)
{
    size_t i = names_index(&folder->live, leaf);
    SOP_ASSERT(i < folder->live.count);
    const faulty_entry *row = &folder->live.rows[i];
    faulty_step *step = step_new(model, FAULTY_STEP_REMOVE, row->name, NULL, row->inode);
    if (step == NULL) return SOP_NO_MEMORY;
    sop_faulty__inode_unuse(model, names_take(&folder->live, leaf));
    step_add(model, folder, step);
    return SOP_OK;
}

sop_status
sop_faulty__rename(faulty_model *model, faulty_folder *folder, const char *from, faulty_bytes *to)
{
    size_t i = names_index(&folder->live, from);
    SOP_ASSERT(i < folder->live.count);
    if (strcmp(from, (const char *)to->data) == 0) return SOP_OK;
    const faulty_entry *row = &folder->live.rows[i];
    faulty_step *step = step_new(model, FAULTY_STEP_RENAME, row->name, to, row->inode);
    if (step == NULL) return SOP_NO_MEMORY;
    faulty_inode *inode = names_take(&folder->live, from);
    faulty_inode *replaced = names_take(&folder->live, (const char *)to->data);
    sop_faulty__names_add(&folder->live, to, inode);
    if (replaced != NULL) sop_faulty__inode_unuse(model, replaced);
    step_add(model, folder, step);
    return SOP_OK;
}

static sop_status steps_apply(faulty_model *model, faulty_folder *folder, size_t count)
{
    if (sop_faulty__names_reserve(&folder->durable, folder->durable.count + count) != SOP_OK) {
        return SOP_NO_MEMORY;
    }
    const faulty_step *step = folder->pending;
    for (size_t i = 0; i < count; i++, step = step->next) {
        sop_faulty__names_apply(model, &folder->durable, step);
    }
    steps_clear(model, folder);
    model->moment++;
    return SOP_OK;
}

sop_status sop_faulty__folder_sync(faulty_model *model, faulty_folder *folder)
{
    if (folder->pending == NULL) return SOP_OK;
    return steps_apply(model, folder, folder->pending_count);
}

sop_status
sop_faulty__folder_sync_fail(faulty_model *model, faulty_folder *folder, int effect, uint64_t seed)
{
    if (folder->pending == NULL) return SOP_OK;
    sop_faulty_cut cut = {SOP_FAULTY_KEEP_NONE, 0, seed};
    if (effect == SOP_FAULTY_PART) cut.keep = SOP_FAULTY_KEEP_RANDOM;
    if (effect == SOP_FAULTY_WHOLE) cut.keep = SOP_FAULTY_KEEP_ALL;
    return steps_apply(model, folder, sop_faulty__cut_steps(model, folder, &cut));
}

/* ---- trees ---- */

faulty_tree *sop_faulty__tree_add(faulty_model *model)
{
    faulty_tree *tree = sop_alloc_zeroed(sizeof *tree);
    if (tree == NULL) return NULL;
    for (int i = 0; i < SOP_FOLDER_COUNT; i++) {
        tree->folders[i].pending_end = &tree->folders[i].pending;
    }
    tree->id = model->tree_next++;
    tree->next = model->trees;
    model->trees = tree;
    return tree;
}

faulty_tree *sop_faulty__tree_find(const faulty_model *model, uint64_t id)
{
    faulty_tree *tree = model->trees;
    while (tree != NULL && tree->id != id) {
        tree = tree->next;
    }
    return tree;
}

static void folder_drop(faulty_model *model, faulty_folder *folder)
{
    steps_clear(model, folder);
    for (size_t i = 0; i < folder->live.count; i++) {
        sop_faulty__bytes_release(folder->live.rows[i].name);
        sop_faulty__inode_unuse(model, folder->live.rows[i].inode);
    }
    for (size_t i = 0; i < folder->durable.count; i++) {
        sop_faulty__bytes_release(folder->durable.rows[i].name);
        sop_faulty__inode_release(model, folder->durable.rows[i].inode);
    }
    sop_free(folder->live.rows);
    sop_free(folder->durable.rows);
}

void sop_faulty__tree_drop(faulty_model *model, faulty_tree *tree)
{
    faulty_tree **at = &model->trees;
    while (*at != tree) {
        at = &(*at)->next;
    }
    *at = tree->next;
    if (model->published == tree) model->published = NULL;
    for (int i = 0; i < SOP_FOLDER_COUNT; i++) {
        folder_drop(model, &tree->folders[i]);
    }
    sop_backend__locks_deinit(&tree->locks);
    for (size_t i = 0; i < tree->lost_count; i++) {
        sop_free(tree->lost_pages[i]);
    }
    sop_free(tree->page);
    sop_free(tree);
}

sop_status sop_faulty__publish(faulty_model *model, faulty_tree *tree)
{
    SOP_ASSERT(model->published == NULL);
    for (int i = 0; i < SOP_FOLDER_COUNT; i++) {
        faulty_folder *folder = &tree->folders[i];
        for (size_t j = 0; j < folder->live.count; j++) {
            sop_status status = sop_faulty__sync(model, folder->live.rows[j].inode);
            if (status != SOP_OK) return status;
        }
        sop_status status = sop_faulty__folder_sync(model, folder);
        if (status != SOP_OK) return status;
    }
    model->published = tree;
    model->moment++;
    return SOP_OK;
}

/* ---- the whole ---- */

void sop_faulty__model_init(faulty_model *model)
{
    *model = (faulty_model){.inode_next = 1, .tree_next = 1, .moment = 1};
}

void sop_faulty__model_deinit(faulty_model *model)
{
    while (model->trees != NULL) {
        sop_faulty__tree_drop(model, model->trees);
    }
    for (size_t i = 0; i < model->inode_capacity; i++) {
        if (model->inodes[i] != NULL && model->keep_inodes) {
            sop_faulty__inode_release(model, model->inodes[i]);
        }
        SOP_ASSERT(model->inodes[i] == NULL);
    }
    sop_free(model->inodes);
    *model = (faulty_model){0};
}
