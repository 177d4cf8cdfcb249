/* SPDX-License-Identifier: MIT */
/* One suite for every implementation of the door: what the engine may rely on, whatever lies behind it. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "backend/backend.h"
#include "backend/backend_faulty.h"
#include "support/support.h"
#include "util/memory.h"
#include "util/world.h"

/* ---- the kinds of backend, each with a place for one database ---- */

enum { KIND_FILE, KIND_MEMORY, KIND_FAULTY, KIND_COUNT };

typedef struct {
    int kind;
    char folder[64]; /* file: a temporary folder */
    char place[80];  /* file: folder/db; memory: a fresh name */
    sop_faulty_disk *disk;
} place;

static int kind_now;

static sop_status place_open(const place *p, int how, sop_backend **out, sop_error *err)
{
    switch (p->kind) {
    case KIND_FILE:
        return sop_backend_file_open(p->place, how, 0, 0, out, err);
    case KIND_MEMORY:
        return sop_backend_memory_open(p->place, how, out, err);
    default:
        return sop_backend_faulty_open(p->disk, how, 0, out, err);
    }
}

static int setup(void **state)
{
    static int number;
    place *p = sop_alloc_zeroed(sizeof *p);
    assert_non_null(p);
    p->kind = kind_now;
    (void)snprintf(p->folder, sizeof p->folder, "/tmp/sop-conformance-XXXXXX");
    (void)snprintf(p->place, sizeof p->place, "conformance-%d", number++);
    if (p->kind == KIND_FILE) {
        assert_non_null(mkdtemp(p->folder));
        (void)snprintf(p->place, sizeof p->place, "%s/db", p->folder);
    }
    if (p->kind == KIND_FAULTY) p->disk = sop_faulty_disk_new(1);
    *state = p;
    return 0;
}

static int teardown(void **state)
{
    place *p = *state;
    if (p->kind == KIND_FILE) {
        char command[128];
        (void)snprintf(command, sizeof command, "rm -rf '%s'", p->folder);
        assert_int_equal(system(command), 0);
    }
    sop_faulty_disk_free(p->disk);
    sop_free(p);
    return 0;
}

/* ---- short forms ---- */

#define OK(call) assert_int_equal((call), SOP_OK)

static sop_backend *open_how(const place *p, int how)
{
    sop_backend *b = NULL;
    sop_error err = {0};
    sop_status status = place_open(p, how, &b, &err);
    if (status != SOP_OK) print_error("%s\n", err.message);
    OK(status);
    return b;
}

/* A published database with a file SOP. */
static sop_backend *create(const place *p)
{
    sop_backend *b = open_how(p, SOP_BACKEND_NEW);
    sop_file *f = NULL;
    OK(sop_file_open(b, "SOP", SOP_FILE_CREATE | SOP_FILE_WRITE, &f, NULL));
    OK(sop_file_write(f, 0, "superblock", 10, NULL));
    OK(sop_file_sync(f, NULL));
    sop_file_close(f);
    OK(b->ops->publish(b, NULL));
    return b;
}

static void done(sop_backend *b)
{
    b->ops->free(b);
}

static sop_file *file(sop_backend *b, const char *name, int flags)
{
    sop_file *f = NULL;
    sop_error err = {0};
    if (sop_file_open(b, name, flags, &f, &err) != SOP_OK) fail_msg("%s", err.message);
    return f;
}

static void put(sop_backend *b, const char *name, const char *text)
{
    sop_file *f = file(b, name, SOP_FILE_CREATE | SOP_FILE_WRITE);
    OK(sop_file_write(f, 0, text, strlen(text), NULL));
    sop_file_close(f);
}

static void expect(sop_backend *b, const char *name, const char *text)
{
    char buffer[256] = {0};
    size_t got = 0;
    sop_file *f = file(b, name, 0);
    OK(sop_file_read(f, 0, buffer, sizeof buffer, &got, NULL));
    assert_int_equal(got, strlen(text));
    assert_memory_equal(buffer, text, got);
    sop_file_close(f);
}

static sop_status try_open(sop_backend *b, const char *name, int flags)
{
    sop_file *f = NULL;
    sop_error err = {0};
    sop_status status = sop_file_open(b, name, flags, &f, &err);
    if (status == SOP_OK) {
        sop_file_close(f);
    } else {
        assert_null(f);
        assert_int_equal(err.status, status);
        assert_true(err.message[0] != '\0');
    }
    return status;
}

/* ---- files ---- */

static void test_written_bytes_are_read_back(void **state)
{
    sop_backend *b = create(*state);
    sop_file *f = file(b, "log/a.1", SOP_FILE_CREATE | SOP_FILE_WRITE);
    char buffer[32];
    size_t got = 7;
    uint64_t size = 7;
    OK(sop_file_read(f, 0, buffer, sizeof buffer, &got, NULL));
    assert_int_equal(got, 0);
    OK(sop_file_write(f, 0, "0123456789", 10, NULL));
    OK(sop_file_write(f, 4, "xy", 2, NULL));
    OK(sop_file_write(f, 4, NULL, 0, NULL));
    OK(sop_file_size(f, &size, NULL));
    assert_int_equal(size, 10);
    OK(sop_file_read(f, 3, buffer, sizeof buffer, &got, NULL));
    assert_int_equal(got, 7);
    assert_memory_equal(buffer, "3xy6789", 7);
    OK(sop_file_read(f, 10, buffer, sizeof buffer, &got, NULL));
    assert_int_equal(got, 0);
    OK(sop_file_read(f, 1u << 20, buffer, sizeof buffer, &got, NULL));
    assert_int_equal(got, 0);
    OK(sop_file_sync(f, NULL));
    sop_file_close(f);
    done(b);
}

static void test_a_gap_reads_as_zeros(void **state)
{
    sop_backend *b = create(*state);
    sop_file *f = file(b, "seg/a.1", SOP_FILE_CREATE | SOP_FILE_WRITE);
    static uint8_t buffer[300000];
    uint64_t size = 0;
    OK(sop_file_write(f, 0, "a", 1, NULL));
    OK(sop_file_write(f, 299999, "z", 1, NULL));
    OK(sop_file_size(f, &size, NULL));
    assert_int_equal(size, 300000);
    OK(sop_file_read_exact(f, 0, buffer, sizeof buffer, NULL));
    assert_int_equal(buffer[0], 'a');
    assert_int_equal(buffer[299999], 'z');
    for (size_t i = 1; i < 299999; i++)
        assert_int_equal(buffer[i], 0);
    /* Zeros written past the end count as bytes too. */
    static const uint8_t zeros[5000];
    OK(sop_file_write(f, 300000, zeros, sizeof zeros, NULL));
    OK(sop_file_size(f, &size, NULL));
    assert_int_equal(size, 305000);
    OK(sop_file_write(f, 299998, zeros, 4, NULL));
    OK(sop_file_read_exact(f, 299996, buffer, 8, NULL));
    for (size_t i = 0; i < 8; i++)
        assert_int_equal(buffer[i], 0);
    sop_file_close(f);
    done(b);
}

static void test_exact_read_past_the_end_is_corrupt(void **state)
{
    sop_backend *b = create(*state);
    sop_error err = {0};
    char buffer[16];
    sop_file *f = file(b, "SOP", 0);
    OK(sop_file_read_exact(f, 0, buffer, 10, &err));
    assert_int_equal(sop_file_read_exact(f, 0, buffer, 11, &err), SOP_CORRUPT);
    assert_non_null(strstr(err.message, "SOP"));
    assert_non_null(strstr(err.message, "offset 10"));
    sop_file_close(f);
    done(b);
}

static void test_offsets_beyond_the_range_are_refused(void **state)
{
    sop_backend *b = create(*state);
    char byte = 'x';
    size_t got = 0;
    sop_file *f = file(b, "log/a.1", SOP_FILE_CREATE | SOP_FILE_WRITE);
    assert_int_equal(sop_file_write(f, UINT64_MAX, &byte, 1, NULL), SOP_TOO_LARGE);
    assert_int_equal(sop_file_write(f, INT64_MAX, &byte, 1, NULL), SOP_TOO_LARGE);
    assert_int_equal(sop_file_read(f, UINT64_MAX, &byte, 1, &got, NULL), SOP_TOO_LARGE);
    assert_int_equal(got, 0);
    sop_file_close(f);
    done(b);
}

static void test_names_that_could_leave_the_folder_are_refused(void **state)
{
    static const char *const names[] = {
        "",     "..",     "../x",    "/etc/passwd", "log/../SOP", "log",     "seg",
        "head", "log/",   "log//a",  "other/a",     "log/a/b",    ".hidden", "log/.a",
        "lo/a", "logs/a", "log/a b", "log/\x01",    "head/..",    "seg/a\n", "log/\xc3\xa4"};
    sop_backend *b = create(*state);
    char longest[300] = "log/";
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        assert_int_equal(try_open(b, names[i], SOP_FILE_CREATE | SOP_FILE_WRITE), SOP_INVALID);
        assert_int_equal(try_open(b, names[i], 0), SOP_INVALID);
        assert_int_equal(b->ops->remove(b, names[i], NULL), SOP_INVALID);
    }
    assert_int_equal(b->ops->head_swap(b, "../SOP", "x", NULL), SOP_INVALID);
    assert_int_equal(b->ops->head_swap(b, "x", "log/x", NULL), SOP_INVALID);
    memset(longest + 4, 'a', 255);
    assert_int_equal(try_open(b, longest, SOP_FILE_CREATE | SOP_FILE_WRITE), SOP_OK);
    longest[4 + 255] = 'a';
    assert_int_equal(try_open(b, longest, SOP_FILE_CREATE | SOP_FILE_WRITE), SOP_INVALID);
    done(b);
}

static void test_create_open_and_remove_tell_what_is_there(void **state)
{
    sop_backend *b = create(*state);
    assert_int_equal(try_open(b, "log/a", 0), SOP_NOT_FOUND);
    assert_int_equal(try_open(b, "log/a", SOP_FILE_WRITE), SOP_NOT_FOUND);
    assert_int_equal(b->ops->remove(b, "log/a", NULL), SOP_NOT_FOUND);
    assert_int_equal(try_open(b, "log/a", SOP_FILE_WRITE | SOP_FILE_CREATE), SOP_OK);
    assert_int_equal(try_open(b, "log/a", SOP_FILE_WRITE | SOP_FILE_CREATE), SOP_EXISTS);
    assert_int_equal(try_open(b, "seg/a", 0), SOP_NOT_FOUND);
    OK(b->ops->remove(b, "log/a", NULL));
    assert_int_equal(try_open(b, "log/a", 0), SOP_NOT_FOUND);
    assert_int_equal(try_open(b, "log/a", SOP_FILE_WRITE | SOP_FILE_CREATE), SOP_OK);
    done(b);
}

static void test_a_file_opened_for_reading_cannot_be_written(void **state)
{
    sop_backend *b = create(*state);
    sop_file *f = file(b, "SOP", 0);
    void *map = NULL;
    assert_int_equal(sop_file_write(f, 0, "x", 1, NULL), SOP_READ_ONLY);
    sop_status status = sop_file_map(f, 1, 1, &map, NULL);
    assert_true(status == SOP_READ_ONLY || status == SOP_UNSUPPORTED);
    sop_file_close(f);
    expect(b, "SOP", "superblock");
    done(b);
}

static void test_a_removed_file_lives_while_it_is_open(void **state)
{
    sop_backend *b = create(*state);
    char buffer[8] = {0};
    put(b, "log/a", "old");
    sop_file *f = file(b, "log/a", SOP_FILE_WRITE);
    OK(b->ops->remove(b, "log/a", NULL));
    put(b, "log/a", "new");
    OK(sop_file_write(f, 3, "er", 2, NULL));
    OK(sop_file_read_exact(f, 0, buffer, 5, NULL));
    assert_memory_equal(buffer, "older", 5);
    sop_file_close(f);
    expect(b, "log/a", "new");
    done(b);
}

static void test_direct_files_take_any_write(void **state)
{
    static uint8_t expected[64 * 1024];
    static uint8_t got[64 * 1024];
    sop_backend *b = create(*state);
    uint64_t random = sop_test_seed(7);
    sop_file *f = file(b, "seg/d", SOP_FILE_CREATE | SOP_FILE_WRITE | SOP_FILE_DIRECT);
    uint8_t *aligned = sop_alloc_aligned(SOP_DIRECT_ALIGN, sizeof expected);
    uint64_t size = 0;
    for (int i = 0; i < 60; i++) {
        size_t offset = sop_test_random(&random) % 60000;
        size_t count = 1 + sop_test_random(&random) % 4000;
        size_t shift = sop_test_random(&random) % 3;
        if (i % 2 == 0) {
            offset &= ~(size_t)4095;
            count = 4096 * (1 + sop_test_random(&random) % 2);
            shift = 0;
        }
        if (offset + count + shift > sizeof expected) continue;
        for (size_t j = 0; j < count; j++)
            aligned[shift + j] = (uint8_t)sop_test_random(&random);
        OK(sop_file_write(f, offset, aligned + shift, count, NULL));
        memcpy(expected + offset, aligned + shift, count);
        if (offset + count > size) size = offset + count;
    }
    OK(sop_file_sync(f, NULL));
    OK(sop_file_read_exact(f, 0, got, (size_t)size, NULL));
    assert_memory_equal(got, expected, (size_t)size);
    sop_free(aligned);
    sop_file_close(f);
    done(b);
}

/* ---- listing and heads ---- */

typedef struct {
    unsigned count;
    uint64_t bytes;
    char last[256];
    sop_backend *remove_from;
    sop_status answer;
} listing;

static sop_status on_name(const char *name, uint64_t size, void *context)
{
    listing *l = context;
    l->count++;
    l->bytes += size;
    (void)snprintf(l->last, sizeof l->last, "%s", name);
    if (l->remove_from != NULL) {
        char full[300];
        (void)snprintf(full, sizeof full, "log/%s", name);
        OK(l->remove_from->ops->remove(l->remove_from, full, NULL));
    }
    return l->answer;
}

static void test_listing_names_the_files_of_one_folder(void **state)
{
    sop_backend *b = create(*state);
    listing l = {0};
    OK(b->ops->list(b, "log", on_name, &l, NULL));
    assert_int_equal(l.count, 0);
    put(b, "log/a.1", "four");
    put(b, "log/b.2", "five5");
    put(b, "seg/c", "other");
    OK(b->ops->list(b, "log", on_name, &l, NULL));
    assert_int_equal(l.count, 2);
    assert_int_equal(l.bytes, 9);
    assert_true(strcmp(l.last, "a.1") == 0 || strcmp(l.last, "b.2") == 0);
    l = (listing){.answer = SOP_CANCELLED};
    assert_int_equal(b->ops->list(b, "log", on_name, &l, NULL), SOP_CANCELLED);
    assert_int_equal(l.count, 1);
    l = (listing){0};
    OK(b->ops->list(b, "", on_name, &l, NULL));
    assert_int_equal(l.count, 1);
    assert_string_equal(l.last, "SOP");
    assert_int_equal(b->ops->list(b, "nowhere", on_name, &l, NULL), SOP_INVALID);
    done(b);
}

static void test_files_may_be_removed_while_they_are_listed(void **state)
{
    sop_backend *b = create(*state);
    for (int i = 0; i < 50; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "log/f.%d", i);
        put(b, name, "x");
    }
    listing l = {.remove_from = b};
    OK(b->ops->list(b, "log", on_name, &l, NULL));
    assert_int_equal(l.count, 50);
    l = (listing){0};
    OK(b->ops->list(b, "log", on_name, &l, NULL));
    assert_int_equal(l.count, 0);
    done(b);
}

static void test_the_head_is_swapped_once(void **state)
{
    sop_backend *b = create(*state);
    put(b, "head/L.1", "h");
    OK(b->ops->head_swap(b, "L.1", "L.2", NULL));
    assert_int_equal(b->ops->head_swap(b, "L.1", "L.3", NULL), SOP_NOT_FOUND);
    OK(b->ops->folder_sync(b, "head", NULL));
    expect(b, "head/L.2", "h");
    assert_int_equal(try_open(b, "head/L.1", 0), SOP_NOT_FOUND);
    assert_int_equal(try_open(b, "head/L.3", 0), SOP_NOT_FOUND);
    assert_int_equal(b->ops->folder_sync(b, "tail", NULL), SOP_INVALID);
    done(b);
}

/* ---- two handles of one database ---- */

static void test_locks_exclude_other_handles_only(void **state)
{
    sop_backend *a = create(*state);
    sop_backend *b = open_how(*state, SOP_BACKEND_EXISTING);
    OK(a->ops->lock(a, 0, 1, 0, NULL));
    OK(a->ops->lock(a, 0, 1, 0, NULL));
    assert_int_equal(b->ops->lock(b, 0, 1, 0, NULL), SOP_BUSY);
    assert_int_equal(b->ops->lock(b, 0, 0, 0, NULL), SOP_BUSY);
    assert_int_equal(a->ops->lock_held(a, 0), 0);
    assert_int_equal(b->ops->lock_held(b, 0), 1);
    assert_int_equal(b->ops->lock_held(b, 1), 0);
    OK(b->ops->lock(b, 1, 1, 0, NULL));
    a->ops->unlock(a, 0);
    a->ops->unlock(a, 0);
    assert_int_equal(b->ops->lock_held(b, 0), 0);
    OK(b->ops->lock(b, 0, 1, 0, NULL));
    a->ops->unlock(a, 0);
    assert_int_equal(a->ops->lock_held(a, 0), 1);
    done(b);
    OK(a->ops->lock(a, 0, 1, 0, NULL));
    OK(a->ops->lock(a, 1, 1, 0, NULL));
    done(a);
}

static void test_shared_locks_share_and_change_kind(void **state)
{
    sop_backend *a = create(*state);
    sop_backend *b = open_how(*state, SOP_BACKEND_EXISTING);
    uint64_t far = (uint64_t)1 << 40;
    OK(a->ops->lock(a, far, 0, 0, NULL));
    OK(b->ops->lock(b, far, 0, 0, NULL));
    assert_int_equal(a->ops->lock_held(a, far), 1);
    assert_int_equal(a->ops->lock(a, far, 1, 0, NULL), SOP_BUSY);
    b->ops->unlock(b, far);
    OK(a->ops->lock(a, far, 1, 0, NULL));
    assert_int_equal(b->ops->lock(b, far, 0, 0, NULL), SOP_BUSY);
    OK(a->ops->lock(a, far, 0, 0, NULL));
    OK(b->ops->lock(b, far, 0, 0, NULL));
    done(a);
    OK(b->ops->lock(b, far, 1, 0, NULL));
    done(b);
}

static void test_waiting_for_a_lock_ends_in_busy(void **state)
{
    sop_backend *a = create(*state);
    sop_backend *b = open_how(*state, SOP_BACKEND_EXISTING);
    sop_error err = {0};
    OK(a->ops->lock(a, 3, 1, 0, NULL));
    uint64_t start = sop_boot_ns();
    assert_int_equal(b->ops->lock(b, 3, 1, 20, &err), SOP_BUSY);
    assert_true(sop_boot_ns() - start >= 20000000u);
    assert_non_null(strstr(err.message, "lock 3"));
    done(a);
    OK(b->ops->lock(b, 3, 1, 20, NULL));
    done(b);
}

typedef struct {
    sop_backend *b;
    _Atomic uint32_t started;
    sop_status status;
} waiter;

static void wait_for_lock(void *argument)
{
    waiter *w = argument;
    atomic_store_explicit(&w->started, 1, memory_order_release);
    sop_wake(&w->started, 1);
    w->status = w->b->ops->lock(w->b, 5, 1, 60000, NULL);
}

static void test_a_waiter_gets_the_lock_when_it_is_freed(void **state)
{
    sop_backend *a = create(*state);
    waiter w = {.b = open_how(*state, SOP_BACKEND_EXISTING), .status = SOP_BUSY};
    sop_task *task = NULL;
    OK(a->ops->lock(a, 5, 1, 0, NULL));
    OK(sop_task_start(&task, wait_for_lock, &w));
    while (atomic_load_explicit(&w.started, memory_order_acquire) == 0)
        sop_wait(&w.started, 0, UINT64_MAX);
    assert_int_equal(a->ops->lock(a, 5, 1, 0, NULL), SOP_OK);
    a->ops->unlock(a, 5);
    sop_task_join(task);
    OK(w.status);
    assert_int_equal(a->ops->lock(a, 5, 0, 0, NULL), SOP_BUSY);
    done(w.b);
    done(a);
}

static void test_the_page_is_shared_and_begins_as_zeros(void **state)
{
    sop_backend *a = create(*state);
    sop_backend *b = open_how(*state, SOP_BACKEND_EXISTING);
    void *page_a = NULL;
    void *page_b = NULL;
    void *again = NULL;
    OK(a->ops->shared_page(a, 5000, &page_a, NULL));
    OK(b->ops->shared_page(b, 5000, &page_b, NULL));
    for (size_t i = 0; i < 5000; i++)
        assert_int_equal(((const uint8_t *)page_a)[i], 0);
    memcpy((uint8_t *)page_a + 4990, "shared", 6);
    assert_memory_equal((uint8_t *)page_b + 4990, "shared", 6);
    OK(a->ops->shared_page(a, 4096, &again, NULL));
    assert_ptr_equal(again, page_a);
    assert_int_equal(a->ops->shared_page(a, 1u << 20, &again, NULL), SOP_INVALID);
    assert_null(again);
    assert_int_equal(a->ops->shared_page(a, 0, &again, NULL), SOP_INVALID);
    done(a);
    assert_memory_equal((uint8_t *)page_b + 4990, "shared", 6);
    done(b);
}

static void test_handles_see_each_others_files(void **state)
{
    sop_backend *a = create(*state);
    sop_backend *b = open_how(*state, SOP_BACKEND_EXISTING);
    char buffer[8] = {0};
    sop_file *fa = file(a, "log/x", SOP_FILE_CREATE | SOP_FILE_WRITE);
    sop_file *fb = file(b, "log/x", 0);
    OK(sop_file_write(fa, 0, "hello", 5, NULL));
    OK(sop_file_read_exact(fb, 0, buffer, 5, NULL));
    assert_memory_equal(buffer, "hello", 5);
    OK(b->ops->remove(b, "log/x", NULL));
    assert_int_equal(try_open(a, "log/x", 0), SOP_NOT_FOUND);
    sop_file_close(fa);
    sop_file_close(fb);
    done(a);
    done(b);
}

/* ---- maps ---- */

static void test_a_map_sees_later_writes_and_growth(void **state)
{
    sop_backend *b = create(*state);
    void *map = NULL;
    uint64_t map_size = 1u << 20;
    sop_file *f = file(b, "log/m", SOP_FILE_CREATE | SOP_FILE_WRITE);
    OK(sop_file_write(f, 0, "begin", 5, NULL));
    OK(sop_file_map(f, map_size, 0, &map, NULL));
    const uint8_t *bytes = map;
    assert_memory_equal(bytes, "begin", 5);
    for (size_t i = 5; i < 4096; i++)
        assert_int_equal(bytes[i], 0);
    OK(sop_file_write(f, 0, "BEGIN", 5, NULL));
    assert_memory_equal(bytes, "BEGIN", 5);
    static uint8_t block[70000];
    memset(block, 'q', sizeof block);
    OK(sop_file_write(f, 300001, block, sizeof block, NULL));
    assert_memory_equal(bytes + 300001, block, sizeof block);
    assert_int_equal(bytes[300000], 0);
    OK(sop_file_write(f, map_size - 3, "endandmore", 10, NULL));
    assert_memory_equal(bytes + map_size - 3, "end", 3);
    assert_memory_equal(bytes, "BEGIN", 5);
    b->ops->file_unmap(b, map, map_size);
    assert_int_equal(sop_file_map(f, 0, 0, &map, NULL), SOP_INVALID);
    sop_file_close(f);
    done(b);
}

static void test_a_map_outlives_close_and_remove(void **state)
{
    sop_backend *a = create(*state);
    sop_backend *b = open_how(*state, SOP_BACKEND_EXISTING);
    void *one = NULL;
    void *two = NULL;
    put(a, "seg/m", "segment");
    sop_file *fa = file(a, "seg/m", 0);
    sop_file *fb = file(b, "seg/m", SOP_FILE_WRITE);
    OK(sop_file_map(fa, 7, 0, &one, NULL));
    OK(sop_file_map(fb, 5000, 0, &two, NULL));
    OK(a->ops->remove(a, "seg/m", NULL));
    sop_file_close(fa);
    assert_memory_equal(one, "segment", 7);
    OK(sop_file_write(fb, 0, "S", 1, NULL));
    sop_file_close(fb);
    assert_memory_equal(one, "Segment", 7);
    assert_memory_equal(two, "Segment", 7);
    a->ops->file_unmap(a, one, 7);
    assert_memory_equal(two, "Segment", 7);
    b->ops->file_unmap(b, two, 5000);
    done(a);
    done(b);
}

static void test_stores_into_a_writable_map_are_writes(void **state)
{
    sop_backend *b = create(*state);
    void *map = NULL;
    char buffer[8] = {0};
    static const uint8_t zeros[8192];
    sop_file *f = file(b, "log/w", SOP_FILE_CREATE | SOP_FILE_WRITE);
    OK(sop_file_write(f, 0, zeros, sizeof zeros, NULL));
    sop_status status = sop_file_map(f, 8192, 1, &map, NULL);
    if (((const place *)*state)->kind == KIND_FAULTY) {
        assert_int_equal(status, SOP_UNSUPPORTED);
    } else {
        OK(status);
        memcpy((uint8_t *)map + 4094, "stored", 6);
        OK(sop_file_read_exact(f, 4094, buffer, 6, NULL));
        assert_memory_equal(buffer, "stored", 6);
        OK(sop_file_sync(f, NULL));
        b->ops->file_unmap(b, map, 8192);
        assert_int_equal(sop_file_map(f, 8193, 1, &map, NULL), SOP_INVALID);
        assert_null(map);
    }
    sop_file_close(f);
    done(b);
}

/* ---- creation ---- */

static void test_a_new_database_is_invisible_until_published(void **state)
{
    const place *p = *state;
    sop_backend *b = open_how(p, SOP_BACKEND_NEW);
    sop_backend *other = NULL;
    char buffer[16] = {0};
    put(b, "SOP", "s");
    sop_file *f = file(b, "log/a", SOP_FILE_CREATE | SOP_FILE_WRITE);
    OK(sop_file_write(f, 0, "before", 6, NULL));
    assert_int_equal(place_open(p, SOP_BACKEND_EXISTING, &other, NULL), SOP_NOT_FOUND);
    assert_null(other);
    OK(b->ops->publish(b, NULL));
    assert_int_equal(b->ops->publish(b, NULL), SOP_INVALID);
    other = open_how(p, SOP_BACKEND_EXISTING);
    OK(sop_file_write(f, 6, " after", 6, NULL));
    OK(sop_file_read_exact(f, 0, buffer, 12, NULL));
    expect(other, "log/a", "before after");
    put(b, "seg/later", "x");
    expect(other, "seg/later", "x");
    sop_file_close(f);
    done(b);
    done(other);
}

static void test_an_unpublished_database_vanishes(void **state)
{
    sop_backend *b = open_how(*state, SOP_BACKEND_NEW);
    put(b, "SOP", "s");
    put(b, "log/a", "x");
    put(b, "head/h", "x");
    done(b);
    assert_int_equal(place_open(*state, SOP_BACKEND_EXISTING, &b, NULL), SOP_NOT_FOUND);
    b = create(*state);
    assert_int_equal(try_open(b, "log/a", 0), SOP_NOT_FOUND);
    done(b);
}

static void test_the_second_of_two_creators_is_refused(void **state)
{
    sop_error err = {0};
    sop_backend *third = NULL;
    sop_backend *a = open_how(*state, SOP_BACKEND_NEW);
    sop_backend *b = open_how(*state, SOP_BACKEND_NEW);
    put(a, "SOP", "first");
    put(b, "SOP", "second");
    OK(a->ops->publish(a, NULL));
    assert_int_equal(b->ops->publish(b, &err), SOP_EXISTS);
    assert_int_equal(err.status, SOP_EXISTS);
    assert_int_equal(place_open(*state, SOP_BACKEND_NEW, &third, &err), SOP_EXISTS);
    assert_null(third);
    done(b);
    expect(a, "SOP", "first");
    done(a);
    a = open_how(*state, SOP_BACKEND_EXISTING);
    expect(a, "SOP", "first");
    done(a);
}

static void test_contents_survive_close_and_reopen(void **state)
{
    sop_backend *b = create(*state);
    put(b, "log/a", "kept");
    put(b, "head/h1", "");
    OK(b->ops->head_swap(b, "h1", "h2", NULL));
    done(b);
    b = open_how(*state, SOP_BACKEND_EXISTING);
    expect(b, "log/a", "kept");
    expect(b, "head/h2", "");
    expect(b, "SOP", "superblock");
    assert_true(b->ops->space_free(b) > 0);
    assert_int_equal(b->read_only, 0);
    done(b);
}

/* ---- against a plain model ---- */

enum { MODEL_FILES = 5, MODEL_BYTES = 40000, MODEL_STEPS = 3000 };

typedef struct {
    int there;
    size_t size;
    uint8_t bytes[MODEL_BYTES];
} model_file;

static void model_check(sop_backend *b, const char *name, const model_file *m)
{
    static uint8_t buffer[MODEL_BYTES + 1];
    size_t got = 0;
    if (!m->there) {
        assert_int_equal(try_open(b, name, 0), SOP_NOT_FOUND);
        return;
    }
    sop_file *f = file(b, name, 0);
    OK(sop_file_read(f, 0, buffer, sizeof buffer, &got, NULL));
    assert_int_equal(got, m->size);
    assert_memory_equal(buffer, m->bytes, got);
    sop_file_close(f);
}

static void model_write(sop_backend *b, const char *name, model_file *m, uint64_t *random)
{
    static uint8_t data[9000];
    size_t size = sop_test_random(random) % (sop_test_random(random) % 4 == 0 ? sizeof data : 600);
    size_t offset = sop_test_random(random) % (MODEL_BYTES - sizeof data);
    uint8_t fill = (uint8_t)sop_test_random(random);
    for (size_t i = 0; i < size; i++)
        data[i] = sop_test_random(random) % 3 == 0 ? 0 : fill;
    if (sop_test_random(random) % 5 == 0) memset(data, 0, size);
    sop_file *f = file(b, name, SOP_FILE_WRITE);
    OK(sop_file_write(f, offset, data, size, NULL));
    if (sop_test_random(random) % 3 == 0) OK(sop_file_sync(f, NULL));
    sop_file_close(f);
    memcpy(m->bytes + offset, data, size);
    if (size != 0 && offset + size > m->size) m->size = offset + size;
}

static void test_random_operations_agree_with_a_model(void **state)
{
    static const char *const names[MODEL_FILES] = {"SOP", "log/a", "log/b", "seg/a", "head/a"};
    static model_file model[MODEL_FILES];
    uint64_t seed = sop_test_seed(20260);
    uint64_t random = seed;
    print_message("seed %" PRIu64 "\n", seed);
    memset(model, 0, sizeof model);
    model[0].there = 1;
    model[0].size = 10;
    memcpy(model[0].bytes, "superblock", 10);
    sop_backend *b[2] = {create(*state), open_how(*state, SOP_BACKEND_EXISTING)};
    for (int step = 0; step < MODEL_STEPS; step++) {
        sop_backend *one = b[sop_test_random(&random) % 2];
        size_t i = sop_test_random(&random) % MODEL_FILES;
        model_file *m = &model[i];
        uint64_t choice = sop_test_random(&random) % 10;
        if (!m->there) {
            sop_file_close(file(one, names[i], SOP_FILE_CREATE | SOP_FILE_WRITE));
            *m = (model_file){.there = 1};
        } else if (choice == 0 && i != 0) {
            OK(one->ops->remove(one, names[i], NULL));
            m->there = 0;
        } else if (choice < 5) {
            model_write(one, names[i], m, &random);
        } else {
            model_check(one, names[i], m);
        }
    }
    for (size_t i = 0; i < MODEL_FILES; i++)
        model_check(b[1], names[i], &model[i]);
    done(b[0]);
    done(b[1]);
}

/* ---- threads ---- */

enum { THREADS = 4, THREAD_BYTES = 200000, THREAD_PIECE = 1000 };

typedef struct {
    sop_file *f;
    unsigned number;
} writer;

static void write_stripe(void *argument)
{
    const writer *w = argument;
    uint8_t piece[THREAD_PIECE];
    memset(piece, (int)('A' + w->number), sizeof piece);
    for (size_t at = w->number * THREAD_PIECE; at < THREAD_BYTES;
         at += (size_t)THREADS * THREAD_PIECE) {
        uint8_t back[THREAD_PIECE];
        OK(sop_file_write(w->f, at, piece, sizeof piece, NULL));
        OK(sop_file_read_exact(w->f, at, back, sizeof back, NULL));
        assert_memory_equal(back, piece, sizeof piece);
    }
    OK(sop_file_sync(w->f, NULL));
}

static void test_threads_share_one_file(void **state)
{
    sop_backend *b = create(*state);
    writer writers[THREADS];
    sop_task *tasks[THREADS];
    static uint8_t bytes[THREAD_BYTES];
    sop_file *f = file(b, "log/t", SOP_FILE_CREATE | SOP_FILE_WRITE);
    for (unsigned i = 0; i < THREADS; i++) {
        writers[i] = (writer){f, i};
        OK(sop_task_start(&tasks[i], write_stripe, &writers[i]));
    }
    for (unsigned i = 0; i < THREADS; i++)
        sop_task_join(tasks[i]);
    OK(sop_file_read_exact(f, 0, bytes, sizeof bytes, NULL));
    for (size_t i = 0; i < sizeof bytes; i++) {
        assert_int_equal(bytes[i], 'A' + (int)(i / THREAD_PIECE % THREADS));
    }
    sop_file_close(f);
    done(b);
}

/* ---- every allocation may fail ---- */

static sop_status nothing(const char *name, uint64_t size, void *context)
{
    (void)name;
    (void)size;
    (void)context;
    return SOP_OK;
}

#define STEP(call)                                                                                 \
    do {                                                                                           \
        status = (call);                                                                           \
        if (status != SOP_OK) goto out;                                                            \
    } while (0)

static sop_status script(sop_backend *b, sop_file **f, sop_error *err)
{
    void *map = NULL;
    void *page = NULL;
    uint8_t buffer[5000] = {1, 2, 3};
    sop_status status = SOP_OK;
    STEP(sop_file_open(b, "SOP", SOP_FILE_CREATE | SOP_FILE_WRITE, f, err));
    STEP(sop_file_write(*f, 0, buffer, sizeof buffer, err));
    STEP(sop_file_write(*f, 3000, buffer, sizeof buffer, err));
    STEP(sop_file_sync(*f, err));
    STEP(b->ops->publish(b, err));
    STEP(sop_file_write(*f, 1000, buffer, sizeof buffer, err));
    STEP(sop_file_map(*f, 100000, 0, &map, err));
    b->ops->file_unmap(b, map, 100000);
    STEP(b->ops->list(b, "", nothing, NULL, err));
    STEP(b->ops->lock(b, 0, 1, 0, err));
    STEP(b->ops->shared_page(b, 4096, &page, err));
    sop_file_close(*f);
    *f = NULL;
    STEP(b->ops->folder_sync(b, "", err));
    STEP(b->ops->remove(b, "SOP", err));
out:
    return status;
}

static void test_every_failed_allocation_is_reported_and_cleaned_up(void **state)
{
    place *p = *state;
    for (uint64_t n = 1;; n++) {
        sop_backend *b = NULL;
        sop_file *f = NULL;
        sop_error err = {0};
        assert_true(n < 1000);
        (void)teardown(state);
        (void)setup(state);
        p = *state;
        sop_memory_fail_at(n, 0);
        sop_status status = place_open(p, SOP_BACKEND_NEW, &b, &err);
        if (status == SOP_OK) status = script(b, &f, &err);
        int reached = sop_memory_fail_reached();
        sop_memory_fail_at(0, 0);
        if (status == SOP_OK) {
            assert_false(reached);
        } else {
            assert_true(reached);
            assert_int_equal(status, SOP_NO_MEMORY);
            assert_int_equal(err.status, SOP_NO_MEMORY);
            assert_true(err.message[0] != '\0');
        }
        sop_file_close(f);
        if (b != NULL) done(b);
        if (status == SOP_OK) break;
    }
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_written_bytes_are_read_back),
        T(test_a_gap_reads_as_zeros),
        T(test_exact_read_past_the_end_is_corrupt),
        T(test_offsets_beyond_the_range_are_refused),
        T(test_names_that_could_leave_the_folder_are_refused),
        T(test_create_open_and_remove_tell_what_is_there),
        T(test_a_file_opened_for_reading_cannot_be_written),
        T(test_a_removed_file_lives_while_it_is_open),
        T(test_direct_files_take_any_write),
        T(test_listing_names_the_files_of_one_folder),
        T(test_files_may_be_removed_while_they_are_listed),
        T(test_the_head_is_swapped_once),
        T(test_locks_exclude_other_handles_only),
        T(test_shared_locks_share_and_change_kind),
        T(test_waiting_for_a_lock_ends_in_busy),
        T(test_a_waiter_gets_the_lock_when_it_is_freed),
        T(test_the_page_is_shared_and_begins_as_zeros),
        T(test_handles_see_each_others_files),
        T(test_a_map_sees_later_writes_and_growth),
        T(test_a_map_outlives_close_and_remove),
        T(test_stores_into_a_writable_map_are_writes),
        T(test_a_new_database_is_invisible_until_published),
        T(test_an_unpublished_database_vanishes),
        T(test_the_second_of_two_creators_is_refused),
        T(test_contents_survive_close_and_reopen),
        T(test_random_operations_agree_with_a_model),
        T(test_threads_share_one_file),
        T(test_every_failed_allocation_is_reported_and_cleaned_up),
    };
    static const char *const names[KIND_COUNT] = {"file", "memory", "faulty"};
    int failed = 0;
    for (kind_now = 0; kind_now < KIND_COUNT; kind_now++) {
        print_message("kind: %s\n", names[kind_now]);
        failed += cmocka_run_group_tests(tests, NULL, NULL);
    }
    return failed;
}
