/* SPDX-License-Identifier: MIT */
/* One suite for every implementation of the door: files, names, locks, the shared page. */
#include "unit/backend/backend_places.h"

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

int main(void)
{
    int failed = 0;
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
    };
    RUN_ON_EVERY_KIND(tests, failed);
    return failed;
}
