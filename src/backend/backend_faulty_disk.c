/* SPDX-License-Identifier: MIT */
/* Simulated disks: life, processes, faults by rule, damage, power cuts. */
#include "backend/backend_faulty_disk.h"

#include <string.h>

#include "util/assert.h"
#include "util/bytes.h"
#include "util/memory.h"
#include "util/world.h"

static const char *const KIND_NAMES[FAULTY_KINDS + 3] = {
    "open", "create", "read", "write", "sync",   "folder sync", "rename", "remove", "publish",
    "list", "map",    "size", "lock",  "unlock", "shared page", "build",  "drop",   "mark"};

static unsigned kind_number(uint32_t kind)
{
    SOP_ASSERT(kind != 0);
    return (unsigned)__builtin_ctz(kind);
}

const char *sop_faulty_kind_name(uint32_t kind)
{
    return KIND_NAMES[kind_number(kind)];
}

/* ---- life ---- */

sop_faulty_disk *sop_faulty__disk_empty(uint64_t boot)
{
    sop_faulty_disk *disk = sop_alloc_zeroed(sizeof *disk);
    if (disk == NULL) return NULL;
    sop_faulty__model_init(&disk->model);
    sop_faulty__model_init(&disk->trace.base);
    disk->boot = boot;
    disk->random = boot;
    disk->who_next = 1;
    disk->space_max = UINT64_MAX;
    return disk;
}

sop_faulty_disk *sop_faulty_disk_new(uint64_t seed)
{
    return sop_faulty__disk_empty(sop_faulty__random(&seed));
}

/* The memory that a killed process left. */
static void backend_bury(sop_faulty_disk *disk, faulty_backend *backend)
{
    while (backend->handles != NULL) {
        faulty_handle *handle = backend->handles;
        backend->handles = handle->next;
        sop_faulty__inode_unuse(&disk->model, handle->inode);
        sop_faulty__bytes_release(handle->name);
        sop_free(handle);
    }
    sop_free(backend);
}

void sop_faulty_disk_free(sop_faulty_disk *disk)
{
    if (disk == NULL) return;
    while (disk->backends != NULL) {
        faulty_backend *backend = disk->backends;
        SOP_ASSERT(backend->dead);
        disk->backends = backend->next;
        backend_bury(disk, backend);
    }
    for (size_t i = 0; i < disk->model.inode_capacity; i++) {
        faulty_inode *inode = disk->model.inodes[i];
        /* Maps that killed processes left: each holds the inode once. */
        while (inode != NULL && inode->maps != 0) {
            if (--inode->maps == 0) sop_backend__area_give(&inode->area);
            sop_faulty__inode_unuse(&disk->model, inode);
            inode = disk->model.inodes[i];
        }
    }
    sop_faulty__model_deinit(&disk->model);
    sop_faulty__trace_deinit(&disk->trace);
    sop_free(disk);
}

sop_status
sop_faulty_disk_cut(sop_faulty_disk *disk, const sop_faulty_cut *cut, sop_faulty_disk **out)
{
    uint64_t boot = disk->boot ^ cut->seed;
    *out = NULL;
    sop_faulty_disk *cut_disk = sop_faulty__disk_empty(sop_faulty__random(&boot));
    if (cut_disk == NULL) return SOP_NO_MEMORY;
    sop_mutex_lock(&disk->mutex);
    sop_status status = sop_faulty__cut_model(&disk->model, cut, &cut_disk->model);
    sop_mutex_unlock(&disk->mutex);
    if (status != SOP_OK) {
        sop_faulty_disk_free(cut_disk);
        return status;
    }
    *out = cut_disk;
    return SOP_OK;
}

/* ---- processes ---- */

uint32_t sop_faulty_who(const sop_backend *backend)
{
    return ((const faulty_backend *)backend)->who;
}

static void backend_kill(faulty_backend *backend)
{
    backend->dead = 1;
    sop_backend__locks_drop_all(&backend->tree->locks, &backend->base);
}

void sop_faulty_kill(sop_backend *backend)
{
    faulty_backend *killed = (faulty_backend *)backend;
    sop_mutex_lock(&killed->disk->mutex);
    backend_kill(killed);
    sop_mutex_unlock(&killed->disk->mutex);
}

void sop_faulty_kill_all(sop_faulty_disk *disk)
{
    sop_mutex_lock(&disk->mutex);
    for (faulty_backend *backend = disk->backends; backend != NULL; backend = backend->next) {
        backend_kill(backend);
    }
    sop_mutex_unlock(&disk->mutex);
}

void sop_faulty_boot_id(const sop_faulty_disk *disk, uint8_t out[16])
{
    uint64_t state = disk->boot;
    sop_put_u64le(out, sop_faulty__random(&state));
    sop_put_u64le(out + 8, sop_faulty__random(&state));
}

static sop_world boot_world;
static uint8_t boot_world_id[16];

static void boot_world_boot_id(uint8_t out[16])
{
    memcpy(out, boot_world_id, sizeof boot_world_id);
}

void sop_faulty_boot_use(const sop_faulty_disk *disk)
{
    sop_world_set(NULL);
    if (disk == NULL) return;
    boot_world = *sop_world_get();
    boot_world.boot_id = boot_world_boot_id;
    sop_faulty_boot_id(disk, boot_world_id);
    sop_world_set(&boot_world);
}

/* ---- faults ---- */

void sop_faulty_rule_add(sop_faulty_disk *disk, const sop_faulty_rule *rule)
{
    SOP_ASSERT(rule->status != SOP_OK);
    SOP_ASSERT(rule->nth != 0 || rule->chance_ppm != 0);
    sop_mutex_lock(&disk->mutex);
    SOP_ASSERT(disk->rule_count < FAULTY_RULES);
    disk->rules[disk->rule_count++] = *rule;
    sop_mutex_unlock(&disk->mutex);
}

void sop_faulty_rules_clear(sop_faulty_disk *disk)
{
    sop_mutex_lock(&disk->mutex);
    disk->rule_count = 0;
    sop_mutex_unlock(&disk->mutex);
}

uint64_t sop_faulty_struck(sop_faulty_disk *disk)
{
    sop_mutex_lock(&disk->mutex);
    uint64_t struck = disk->struck;
    sop_mutex_unlock(&disk->mutex);
    return struck;
}

uint64_t sop_faulty_calls(sop_faulty_disk *disk, uint32_t kinds)
{
    uint64_t calls = 0;
    sop_mutex_lock(&disk->mutex);
    for (unsigned i = 0; i < FAULTY_KINDS; i++) {
        if ((kinds >> i & 1) != 0) calls += disk->calls[i];
    }
    sop_mutex_unlock(&disk->mutex);
    return calls;
}

void sop_faulty_space_set(sop_faulty_disk *disk, uint64_t bytes)
{
    sop_mutex_lock(&disk->mutex);
    disk->space_max = bytes;
    sop_mutex_unlock(&disk->mutex);
}

void sop_faulty_hook_set(sop_faulty_disk *disk, sop_faulty_hook hook, void *context)
{
    disk->hook = hook;
    disk->hook_context = context;
}

static int rule_strikes(sop_faulty_disk *disk, sop_faulty_rule *rule, const sop_faulty_call *call)
{
    if ((rule->kinds & call->kind) == 0) return 0;
    if (rule->who != 0 && rule->who != call->who) return 0;
    if (rule->prefix != NULL && strncmp(rule->prefix, call->name, strlen(rule->prefix)) != 0) {
        return 0;
    }
    if (rule->chance_ppm != 0) {
        return sop_faulty__random(&disk->random) % 1000000 < rule->chance_ppm;
    }
    if (rule->nth > 1) {
        rule->nth--;
        return 0;
    }
    if (!rule->always) rule->kinds = 0;
    return 1;
}

faulty_verdict sop_faulty__judge(sop_faulty_disk *disk, const sop_faulty_call *call)
{
    faulty_verdict verdict = {SOP_OK, SOP_FAULTY_WHOLE};
    disk->calls[kind_number(call->kind)]++;
    /* Every rule counts every call, also when another one strikes. */
    for (size_t i = 0; i < disk->rule_count; i++) {
        if (!rule_strikes(disk, &disk->rules[i], call) || verdict.status != SOP_OK) continue;
        verdict = (faulty_verdict){disk->rules[i].status, disk->rules[i].effect};
        disk->struck++;
    }
    return verdict;
}

/* ---- damage ---- */

/* A file of the published database by its full name. */
static faulty_inode *published_find(sop_faulty_disk *disk, const char *name)
{
    int folder = 0;
    const char *leaf = NULL;
    sop_backend named = {.url = "faulty"};
    if (disk->model.published == NULL) return NULL;
    if (sop_backend__name_split(&named, name, &folder, &leaf, NULL) != SOP_OK) return NULL;
    return sop_faulty__names_find(&disk->model.published->folders[folder].live, leaf);
}

sop_status sop_faulty_writeback_fail(sop_faulty_disk *disk, const char *name)
{
    sop_mutex_lock(&disk->mutex);
    sop_status status = sop_faulty__trace_reserve(disk, 1);
    faulty_inode *inode = published_find(disk, name);
    if (inode == NULL) status = SOP_NOT_FOUND;
    if (status == SOP_OK) {
        status = sop_faulty__sync_fail(&disk->model, inode, SOP_FAULTY_NOTHING, 0);
    }
    if (status == SOP_OK) {
        faulty_event event = {
            .kind = SOP_FAULTY_SYNC, .status = SOP_IO, .applied = 1, .inode = inode->id};
        sop_faulty__trace_add(disk, &event);
    }
    sop_mutex_unlock(&disk->mutex);
    return status;
}

void sop_faulty__area_store(faulty_inode *inode,
                            uint64_t offset,
                            const uint8_t *data,
                            uint64_t size)
{
    if (inode->maps == 0) return;
    SOP_ASSERT(offset + size <= inode->area.usable);
    if (data == NULL) {
        memset(inode->area.base + offset, 0, (size_t)size);
    } else {
        memcpy(inode->area.base + offset, data, (size_t)size);
    }
}

static sop_status flip_content(faulty_content **content, uint64_t offset, uint8_t mask)
{
    uint8_t byte = 0;
    if (sop_faulty__content_read(*content, offset, &byte, 1) != 1) return SOP_OK;
    byte ^= mask;
    /* A byte that is not zero makes the page an own one in any case. */
    uint8_t other = 1;
    sop_status status = sop_faulty__content_own(content, offset, &other, 1);
    if (status == SOP_OK) sop_faulty__content_write(*content, offset, &byte, 1);
    return status;
}

sop_status sop_faulty_flip(sop_faulty_disk *disk, const char *name, uint64_t offset, unsigned bit)
{
    sop_mutex_lock(&disk->mutex);
    faulty_inode *inode = published_find(disk, name);
    sop_status status = inode == NULL ? SOP_NOT_FOUND : SOP_OK;
    if (status == SOP_OK && offset >= inode->cache->size) status = SOP_INVALID;
    uint8_t mask = (uint8_t)(1u << bit % 8);
    if (status == SOP_OK) status = flip_content(&inode->cache, offset, mask);
    if (status == SOP_OK) status = flip_content(&inode->durable, offset, mask);
    if (status == SOP_OK && inode->maps != 0) inode->area.base[offset] ^= mask;
    sop_mutex_unlock(&disk->mutex);
    return status;
}

static sop_status truncate_content(faulty_content **content, uint64_t size)
{
    if ((*content)->size <= size) return SOP_OK;
    sop_status status = sop_faulty__content_own(content, size, NULL, (*content)->size - size);
    if (status != SOP_OK) return status;
    sop_faulty__content_write(*content, size, NULL, (*content)->size - size);
    (*content)->size = size;
    return SOP_OK;
}

sop_status sop_faulty_truncate(sop_faulty_disk *disk, const char *name, uint64_t size)
{
    sop_mutex_lock(&disk->mutex);
    faulty_inode *inode = published_find(disk, name);
    sop_status status = inode == NULL ? SOP_NOT_FOUND : SOP_OK;
    uint64_t before = status == SOP_OK ? inode->cache->size : 0;
    if (status == SOP_OK && size > before) status = SOP_INVALID;
    if (status == SOP_OK) status = truncate_content(&inode->cache, size);
    if (status == SOP_OK) status = truncate_content(&inode->durable, size);
    if (status == SOP_OK) {
        sop_faulty__area_store(inode, size, NULL, before - size);
        if (inode->uses != 0) disk->model.used -= before - size;
    }
    sop_mutex_unlock(&disk->mutex);
    return status;
}
