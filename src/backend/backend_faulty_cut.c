/* SPDX-License-Identifier: MIT */
/*
 * What a power cut leaves: for each sector or page some version between the durable and the newest, for each folder some number of
 * its pending changes, in order.
 *
 * A medium writes a sector from the cache as it is at that moment. So a sector that carries a later write carries the earlier
 * ones too: what is chosen is a version for each sector, not a subset of writes.
 */
#include <string.h>

#include "backend/backend_faulty_model.h"
#include "util/assert.h"
#include "util/memory.h"

enum { SECTOR = 512, STYLE_COIN = 0, STYLE_TIME = 1, STYLE_MIXED = 2, STYLE_COUNT = 3 };

uint64_t sop_faulty__random(uint64_t *state)
{
    /* Source: Steele et al., SplitMix64, 2014. */
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* A number that depends on nothing but these three. */
static uint64_t mix(uint64_t seed, uint64_t a, uint64_t b)
{
    uint64_t state = seed ^ (a * 0xd1b54a32d192ed03u);
    state = sop_faulty__random(&state) ^ (b * 0x9fb21c651e98df25u);
    return sop_faulty__random(&state);
}

static uint32_t unit_of(const sop_faulty_cut *cut)
{
    if (cut->unit != 0) return cut->unit;
    return mix(cut->seed, 1, 1) % 3 == 0 ? FAULTY_PAGE : SECTOR;
}

/* How many of n pending changes a sector (or folder) has seen. */
static uint64_t version_of(const sop_faulty_cut *cut, uint64_t owner, uint64_t unit, uint64_t n)
{
    uint64_t random = mix(cut->seed, owner, unit + 2);
    int style = (int)(mix(cut->seed, 2, 2) % STYLE_COUNT);
    uint64_t high = random >> 32;
    uint64_t any = random % (n + 1);
    switch (style) {
    case STYLE_COIN:
        return high % 2 == 0 ? 0 : n;
    case STYLE_TIME:
        return any;
    case STYLE_MIXED:
    default:
        return high % 3 == 0 ? 0 : high % 3 == 1 ? n : any;
    }
}

/* What is pending and could survive: only files that a durable name or a pending change of names leads to. A removed file that
   somebody has open does not count, so a live disk and its replay, which has no open files, agree. */
typedef struct {
    size_t count;
    uint64_t first; /* moment */
} pending_sum;

static void sum_file(pending_sum *sum, const faulty_inode *inode)
{
    sum->count += inode->pending_count;
    if (inode->pending != NULL && inode->pending->moment < sum->first) {
        sum->first = inode->pending->moment;
    }
}

static pending_sum sum_pending(const faulty_model *model)
{
    pending_sum sum = {0, model->moment};
    for (int i = 0; model->published != NULL && i < SOP_FOLDER_COUNT; i++) {
        const faulty_folder *folder = &model->published->folders[i];
        for (size_t j = 0; j < folder->durable.count; j++) {
            sum_file(&sum, folder->durable.rows[j].inode);
        }
        for (const faulty_step *step = folder->pending; step != NULL; step = step->next) {
            sum_file(&sum, step->inode);
            sum.count++;
            if (step->moment < sum.first) sum.first = step->moment;
        }
    }
    return sum;
}

size_t sop_faulty__cut_pending(const faulty_model *model)
{
    return sum_pending(model).count;
}

/* PREFIX: changes before this moment are kept. Any moment between the first pending change and now. */
static uint64_t prefix_moment(const faulty_model *model, const sop_faulty_cut *cut)
{
    uint64_t first = sum_pending(model).first;
    return first + mix(cut->seed, 3, 3) % (model->moment - first + 1);
}

static sop_status
put(faulty_content **content, const faulty_pending *write, uint64_t begin, uint64_t end)
{
    const uint8_t *data =
        write->bytes == NULL ? NULL : write->bytes->data + (begin - write->offset);
    sop_status status = sop_faulty__content_own(content, begin, data, end - begin);
    if (status == SOP_OK) sop_faulty__content_write(*content, begin, data, end - begin);
    return status;
}

typedef struct {
    const sop_faulty_cut *cut;
    uint64_t inode;
    uint64_t count; /* pending writes of the file */
    uint32_t unit;
} choice;

/* Writes those units of a pending write whose version includes it; neighbours together. */
static sop_status
put_chosen(faulty_content **content, const faulty_pending *write, uint64_t index, const choice *c)
{
    uint64_t end = write->offset + write->size;
    uint64_t run = end; /* where the run of kept units began; end: none */
    for (uint64_t at = write->offset; at < end;) {
        uint64_t next = (at / c->unit + 1) * c->unit;
        int kept = index < version_of(c->cut, c->inode, at / c->unit, c->count);
        if (kept && run == end) run = at;
        if (!kept && run != end) {
            sop_status status = put(content, write, run, at);
            if (status != SOP_OK) return status;
            run = end;
        }
        at = next < end ? next : end;
    }
    return run == end ? SOP_OK : put(content, write, run, end);
}

/* The file may also have its new length without its new bytes. */
static sop_status put_length(faulty_content **content, uint64_t size)
{
    if ((*content)->size >= size) return SOP_OK;
    sop_status status = sop_faulty__content_own(content, size, NULL, 0);
    if (status == SOP_OK) (*content)->size = size;
    return status;
}

static sop_status
put_random(faulty_content **content, const faulty_inode *inode, const sop_faulty_cut *cut)
{
    choice c = {cut, inode->id, inode->pending_count, unit_of(cut)};
    uint64_t index = 0;
    for (const faulty_pending *write = inode->pending; write != NULL; write = write->next) {
        sop_status status = put_chosen(content, write, index++, &c);
        if (status != SOP_OK) return status;
    }
    if (mix(cut->seed, inode->id, 0) % 4 != 0) return SOP_OK;
    return put_length(content, inode->cache->size);
}

static sop_status put_prefix(faulty_content **content,
                             const faulty_inode *inode,
                             const sop_faulty_cut *cut,
                             uint64_t moment)
{
    for (const faulty_pending *write = inode->pending; write != NULL && write->moment <= moment;
         write = write->next) {
        uint64_t end = write->offset + write->size;
        sop_status status = SOP_OK;
        if (write->moment < moment) {
            status = put(content, write, write->offset, end);
        } else if (mix(cut->seed, 4, 4) % 2 == 0) {
            /* Torn: a beginning of it. */
            uint64_t stop = write->offset + mix(cut->seed, 5, 5) % (write->size + 1);
            stop = stop / unit_of(cut) * unit_of(cut);
            if (stop > write->offset) status = put(content, write, write->offset, stop);
        } else {
            /* Torn: some of its sectors. */
            choice c = {cut, inode->id, 1, unit_of(cut)};
            status = put_chosen(content, write, 0, &c);
        }
        if (status != SOP_OK) return status;
    }
    return SOP_OK;
}

static faulty_content *
cut_content_at(const faulty_inode *inode, const sop_faulty_cut *cut, uint64_t moment)
{
    if (cut->keep == SOP_FAULTY_KEEP_ALL && !inode->diverged) {
        return sop_faulty__content_acquire(inode->cache);
    }
    faulty_content *content = sop_faulty__content_acquire(inode->durable);
    sop_status status = SOP_OK;
    if (cut->keep == SOP_FAULTY_KEEP_RANDOM) {
        status = inode->pending == NULL ? SOP_OK : put_random(&content, inode, cut);
    } else if (cut->keep != SOP_FAULTY_KEEP_NONE) {
        status = put_prefix(&content, inode, cut, moment);
    }
    if (status == SOP_OK) return content;
    sop_faulty__content_release(content);
    return NULL;
}

static uint64_t moment_of(const faulty_model *model, const sop_faulty_cut *cut)
{
    return cut->keep == SOP_FAULTY_KEEP_PREFIX ? prefix_moment(model, cut) : UINT64_MAX;
}

faulty_content *sop_faulty__cut_content(const faulty_model *model,
                                        const faulty_inode *inode,
                                        const sop_faulty_cut *cut)
{
    return cut_content_at(inode, cut, moment_of(model, cut));
}

static size_t cut_steps_at(const faulty_model *model,
                           const faulty_folder *folder,
                           const sop_faulty_cut *cut,
                           uint64_t moment)
{
    size_t kept = 0;
    switch (cut->keep) {
    case SOP_FAULTY_KEEP_ALL:
        return folder->pending_count;
    case SOP_FAULTY_KEEP_NONE:
        return 0;
    case SOP_FAULTY_KEEP_RANDOM:
        if (folder->pending_count == 0) return 0;
        return (size_t)version_of(cut, UINT64_MAX, model->moment + folder->pending->moment,
                                  folder->pending_count);
    default:
        for (const faulty_step *step = folder->pending; step != NULL && step->moment < moment;
             step = step->next) {
            kept++;
        }
        return kept;
    }
}

size_t sop_faulty__cut_steps(const faulty_model *model,
                             const faulty_folder *folder,
                             const sop_faulty_cut *cut)
{
    return cut_steps_at(model, folder, cut, moment_of(model, cut));
}

/* ---- a model from a model ---- */

/* The same file in the other model; NULL: out of memory. */
static faulty_inode *
inode_cut(const faulty_inode *from, const sop_faulty_cut *cut, uint64_t moment, faulty_model *to)
{
    faulty_inode *inode = to->inodes[from->id];
    if (inode != NULL) return inode;
    inode = sop_alloc_zeroed(sizeof *inode);
    faulty_content *content = inode == NULL ? NULL : cut_content_at(from, cut, moment);
    if (content == NULL) {
        sop_free(inode);
        return NULL;
    }
    inode->id = from->id;
    inode->refs = to->keep_inodes ? 1 : 0;
    inode->cache = content;
    inode->durable = sop_faulty__content_acquire(content);
    inode->pending_end = &inode->pending;
    to->inodes[inode->id] = inode;
    return inode;
}

static void rows_drop(faulty_names *names, const faulty_bytes *name)
{
    size_t i = 0;
    while (i < names->count &&
           strcmp((const char *)names->rows[i].name->data, (const char *)name->data) != 0) {
        i++;
    }
    if (i < names->count) names->rows[i] = names->rows[--names->count];
}

/* The names that survive, still with the old inodes; counted in neither model. */
static sop_status surviving_names(const faulty_folder *folder, size_t steps, faulty_names *out)
{
    sop_status status = sop_faulty__names_reserve(out, folder->durable.count + steps);
    if (status != SOP_OK) return status;
    if (folder->durable.count != 0) {
        memcpy(out->rows, folder->durable.rows, folder->durable.count * sizeof *out->rows);
    }
    out->count = folder->durable.count;
    const faulty_step *step = folder->pending;
    for (size_t i = 0; i < steps; i++, step = step->next) {
        faulty_bytes *name = step->what == FAULTY_STEP_RENAME ? step->to : step->name;
        rows_drop(out, step->name);
        rows_drop(out, name);
        if (step->what != FAULTY_STEP_REMOVE) {
            out->rows[out->count++] = (faulty_entry){name, step->inode};
        }
    }
    return SOP_OK;
}

static sop_status folder_cut(const faulty_names *names,
                             const sop_faulty_cut *cut,
                             uint64_t moment,
                             faulty_model *to,
                             faulty_folder *folder)
{
    sop_status status = sop_faulty__names_reserve(&folder->live, names->count);
    if (status == SOP_OK) status = sop_faulty__names_reserve(&folder->durable, names->count);
    for (size_t i = 0; status == SOP_OK && i < names->count; i++) {
        faulty_inode *inode = inode_cut(names->rows[i].inode, cut, moment, to);
        if (inode == NULL) return SOP_NO_MEMORY;
        sop_faulty__inode_use(to, inode);
        sop_faulty__names_add(&folder->live, names->rows[i].name, inode);
        inode->refs++;
        sop_faulty__names_add(&folder->durable, names->rows[i].name, inode);
    }
    return status;
}

sop_status
sop_faulty__cut_model(const faulty_model *from, const sop_faulty_cut *cut, faulty_model *to)
{
    uint64_t moment = moment_of(from, cut);
    to->inode_next = from->inode_next;
    to->tree_next = from->tree_next;
    to->moment = from->moment;
    if (from->inode_capacity != 0) {
        to->inodes = sop_alloc_array(from->inode_capacity, sizeof(void *));
        if (to->inodes == NULL) return SOP_NO_MEMORY;
        to->inode_capacity = from->inode_capacity;
        for (size_t i = 0; i < to->inode_capacity; i++) {
            to->inodes[i] = NULL;
        }
    }
    if (from->published == NULL) return SOP_OK;
    faulty_tree *tree = sop_faulty__tree_add(to);
    if (tree == NULL) return SOP_NO_MEMORY;
    tree->id = from->published->id;
    to->tree_next = from->tree_next;
    to->published = tree;
    sop_status status = SOP_OK;
    for (int i = 0; i < SOP_FOLDER_COUNT && status == SOP_OK; i++) {
        const faulty_folder *folder = &from->published->folders[i];
        faulty_names names = {0};
        status = surviving_names(folder, cut_steps_at(from, folder, cut, moment), &names);
        if (status == SOP_OK) status = folder_cut(&names, cut, moment, to, &tree->folders[i]);
        sop_free(names.rows);
    }
    return status;
}
