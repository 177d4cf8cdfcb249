/* SPDX-License-Identifier: MIT */
/* Bytes of simulated files: sparse trees of reference-counted pages, copied when a shared one is written. */
#include <string.h>

#include "backend/backend_faulty_model.h"
#include "util/assert.h"
#include "util/memory.h"

/* Counts are atomic because disks made from one another share pages and may be used by different threads. Relaxed: whoever adds a
   reference already holds one. */
static void acquire(_Atomic uint32_t *refs)
{
    atomic_fetch_add_explicit(refs, 1, memory_order_relaxed);
}

/* 1 if that was the last one. Release pairs with the acquire of the last release and of is_shared: all uses come before. */
static int release(_Atomic uint32_t *refs)
{
    return atomic_fetch_sub_explicit(refs, 1, memory_order_acq_rel) == 1;
}

static int is_shared(_Atomic uint32_t *refs)
{
    return atomic_load_explicit(refs, memory_order_acquire) != 1;
}

/* ---- bytes ---- */

faulty_bytes *sop_faulty__bytes_new(const void *data, size_t size)
{
    faulty_bytes *bytes = sop_alloc(sizeof *bytes + size);
    if (bytes == NULL) return NULL;
    atomic_init(&bytes->refs, 1);
    bytes->size = size;
    if (data == NULL) {
        memset(bytes->data, 0, size);
    } else {
        memcpy(bytes->data, data, size);
    }
    return bytes;
}

faulty_bytes *sop_faulty__bytes_acquire(faulty_bytes *bytes)
{
    if (bytes != NULL) acquire(&bytes->refs);
    return bytes;
}

void sop_faulty__bytes_release(faulty_bytes *bytes)
{
    if (bytes != NULL && release(&bytes->refs)) sop_free(bytes);
}

int sop_faulty__is_zero(const uint8_t *data, size_t size)
{
    return size == 0 || (data[0] == 0 && memcmp(data, data + 1, size - 1) == 0);
}

/* ---- pages and chunks ---- */

static faulty_page *page_new(const faulty_page *like)
{
    faulty_page *page = sop_alloc(sizeof *page);
    if (page == NULL) return NULL;
    atomic_init(&page->refs, 1);
    if (like == NULL) {
        memset(page->bytes, 0, sizeof page->bytes);
    } else {
        memcpy(page->bytes, like->bytes, sizeof page->bytes);
    }
    return page;
}

static void page_release(faulty_page *page)
{
    if (page != NULL && release(&page->refs)) sop_free(page);
}

static faulty_chunk *chunk_new(const faulty_chunk *like)
{
    faulty_chunk *chunk = sop_alloc_zeroed(sizeof *chunk);
    if (chunk == NULL) return NULL;
    atomic_init(&chunk->refs, 1);
    if (like == NULL) return chunk;
    for (size_t i = 0; i < FAULTY_CHUNK_PAGES; i++) {
        chunk->pages[i] = like->pages[i];
        if (chunk->pages[i] != NULL) acquire(&chunk->pages[i]->refs);
    }
    return chunk;
}

static void chunk_release(faulty_chunk *chunk)
{
    if (chunk == NULL || !release(&chunk->refs)) return;
    for (size_t i = 0; i < FAULTY_CHUNK_PAGES; i++) {
        page_release(chunk->pages[i]);
    }
    sop_free(chunk);
}

/* ---- contents ---- */

faulty_content *sop_faulty__content_new(void)
{
    faulty_content *content = sop_alloc_zeroed(sizeof *content);
    if (content != NULL) atomic_init(&content->refs, 1);
    return content;
}

faulty_content *sop_faulty__content_acquire(faulty_content *content)
{
    acquire(&content->refs);
    return content;
}

void sop_faulty__content_release(faulty_content *content)
{
    if (content == NULL || !release(&content->refs)) return;
    for (size_t i = 0; i < content->count; i++) {
        chunk_release(content->chunks[i]);
    }
    sop_free(content->chunks);
    sop_free(content);
}

/* An unshared table of at least that many chunks. */
static sop_status table_own(faulty_content **content, size_t count)
{
    faulty_content *old = *content;
    size_t wanted = old->count > count ? old->count : count;
    if (!is_shared(&old->refs)) {
        if (wanted == old->count) return SOP_OK;
        faulty_chunk **chunks = sop_realloc(old->chunks, wanted * sizeof(void *));
        if (chunks == NULL) return SOP_NO_MEMORY;
        for (size_t i = old->count; i < wanted; i++) {
            chunks[i] = NULL;
        }
        old->chunks = chunks;
        old->count = wanted;
        return SOP_OK;
    }
    faulty_content *own = sop_faulty__content_new();
    faulty_chunk **chunks = sop_alloc_array(wanted, sizeof(void *));
    if (own == NULL || chunks == NULL) {
        sop_free(own);
        sop_free(chunks);
        return SOP_NO_MEMORY;
    }
    for (size_t i = 0; i < wanted; i++) {
        chunks[i] = i < old->count ? old->chunks[i] : NULL;
        if (chunks[i] != NULL) acquire(&chunks[i]->refs);
    }
    own->size = old->size;
    own->count = wanted;
    own->chunks = chunks;
    sop_faulty__content_release(old);
    *content = own;
    return SOP_OK;
}

static sop_status page_own(faulty_content *content, uint64_t number)
{
    faulty_chunk **chunk = &content->chunks[number / FAULTY_CHUNK_PAGES];
    if (*chunk == NULL || is_shared(&(*chunk)->refs)) {
        faulty_chunk *own = chunk_new(*chunk);
        if (own == NULL) return SOP_NO_MEMORY;
        chunk_release(*chunk);
        *chunk = own;
    }
    faulty_page **page = &(*chunk)->pages[number % FAULTY_CHUNK_PAGES];
    if (*page == NULL || is_shared(&(*page)->refs)) {
        faulty_page *own = page_new(*page);
        if (own == NULL) return SOP_NO_MEMORY;
        page_release(*page);
        *page = own;
    }
    return SOP_OK;
}

static faulty_page *page_find(const faulty_content *content, uint64_t number)
{
    uint64_t chunk = number / FAULTY_CHUNK_PAGES;
    if (chunk >= content->count || content->chunks[chunk] == NULL) return NULL;
    return content->chunks[chunk]->pages[number % FAULTY_CHUNK_PAGES];
}

const uint8_t *sop_faulty__content_page(const faulty_content *content, uint64_t number)
{
    const faulty_page *page = page_find(content, number);
    return page == NULL ? NULL : page->bytes;
}

/* The part of [offset, offset + size) that lies in the page of offset. */
static size_t part_size(uint64_t offset, uint64_t size)
{
    uint64_t room = FAULTY_PAGE - offset % FAULTY_PAGE;
    return (size_t)(size < room ? size : room);
}

sop_status sop_faulty__content_own(faulty_content **content,
                                   uint64_t offset,
                                   const uint8_t *data,
                                   uint64_t size)
{
    uint64_t end = offset + size;
    SOP_ASSERT(end <= FAULTY_FILE_MAX);
    sop_status status =
        table_own(content, (size_t)((end + FAULTY_CHUNK_BYTES - 1) / FAULTY_CHUNK_BYTES));
    while (status == SOP_OK && offset < end) {
        size_t part = part_size(offset, end - offset);
        int zero = data == NULL || sop_faulty__is_zero(data, part);
        if (!zero || page_find(*content, offset / FAULTY_PAGE) != NULL) {
            status = page_own(*content, offset / FAULTY_PAGE);
        }
        offset += part;
        if (data != NULL) data += part;
    }
    return status;
}

void sop_faulty__content_write(faulty_content *content,
                               uint64_t offset,
                               const uint8_t *data,
                               uint64_t size)
{
    uint64_t end = offset + size;
    SOP_ASSERT(!is_shared(&content->refs));
    while (offset < end) {
        size_t part = part_size(offset, end - offset);
        faulty_page *page = page_find(content, offset / FAULTY_PAGE);
        if (page == NULL) {
            SOP_ASSERT_SLOW(data == NULL || sop_faulty__is_zero(data, part));
        } else if (data == NULL) {
            memset(page->bytes + offset % FAULTY_PAGE, 0, part);
        } else {
            memcpy(page->bytes + offset % FAULTY_PAGE, data, part);
        }
        offset += part;
        if (data != NULL) data += part;
    }
    if (end > content->size && size != 0) content->size = end;
}

size_t
sop_faulty__content_read(const faulty_content *content, uint64_t offset, void *buffer, size_t size)
{
    uint8_t *to = buffer;
    if (offset >= content->size) return 0;
    if (size > content->size - offset) size = (size_t)(content->size - offset);
    for (size_t done = 0; done < size;) {
        size_t part = part_size(offset + done, size - done);
        const faulty_page *page = page_find(content, (offset + done) / FAULTY_PAGE);
        if (page == NULL) {
            memset(to + done, 0, part);
        } else {
            memcpy(to + done, page->bytes + (offset + done) % FAULTY_PAGE, part);
        }
        done += part;
    }
    return size;
}
