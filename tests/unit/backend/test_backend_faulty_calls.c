/* SPDX-License-Identifier: MIT */
/* The simulated disk: kills, failing calls, damage, hooks. */
#include "unit/backend/faulty_forms.h"

/* ---- kills ---- */

static void test_a_killed_process_can_do_nothing_and_leaves_its_writes(void **state)
{
    void *page = NULL;
    void *map = NULL;
    size_t got = 0;
    char byte = 0;
    sop_file *none = NULL;
    (void)state;
    sop_faulty_disk *disk = disk_new(1);
    sop_backend *a = created(disk);
    sop_backend *b = process(disk, SOP_BACKEND_EXISTING);
    assert_int_equal(sop_faulty_who(a), 1);
    assert_int_equal(sop_faulty_who(b), 2);
    sop_file *f = fresh(a, "log/a");
    store(f, 0, "written");
    OK(sop_file_map(f, 7, 0, &map, NULL));
    OK(a->ops->lock(a, 0, 1, 0, NULL));
    OK(a->ops->shared_page(a, 64, &page, NULL));
    memcpy(page, "x", 1);
    assert_int_equal(b->ops->lock(b, 0, 1, 0, NULL), SOP_BUSY);
    sop_faulty_kill(a);
    OK(b->ops->lock(b, 0, 1, 0, NULL));
    assert_int_equal(sop_file_write(f, 0, "WRITTEN", 7, NULL), SOP_IO);
    assert_int_equal(sop_file_sync(f, NULL), SOP_IO);
    assert_int_equal(sop_file_read(f, 0, &byte, 1, &got, NULL), SOP_IO);
    assert_int_equal(sop_file_open(a, "log/b", SOP_FILE_CREATE, &none, NULL), SOP_IO);
    assert_int_equal(a->ops->remove(a, "log/a", NULL), SOP_IO);
    assert_int_equal(a->ops->head_swap(a, "a", "b", NULL), SOP_IO);
    assert_int_equal(a->ops->folder_sync(a, "log", NULL), SOP_IO);
    assert_int_equal(a->ops->lock(a, 0, 1, 1000, NULL), SOP_IO);
    a->ops->unlock(a, 0);
    assert_int_equal(a->ops->lock_held(a, 0), 0);
    assert_memory_equal(map, "written", 7);
    assert_string_equal(text_of(disk, "log/a"), "written");
    OK(b->ops->shared_page(b, 64, &page, NULL));
    assert_memory_equal(page, "x", 1);
    assert_int_equal(b->ops->lock(b, 0, 0, 0, NULL), SOP_OK);
    /* Closing the dead one as usual frees its memory and touches nothing. */
    a->ops->file_unmap(a, map, 7);
    sop_file_close(f);
    done(a);
    assert_string_equal(text_of(disk, "log/a"), "written");
    done(b);
    sop_faulty_disk_free(disk);
}

static void test_memory_of_killed_processes_goes_with_the_disk(void **state)
{
    void *map = NULL;
    (void)state;
    sop_faulty_disk *disk = disk_new(1);
    sop_backend *a = created(disk);
    sop_backend *building = NULL;
    sop_file *f = fresh(a, "log/a");
    store(f, 0, "bytes");
    OK(sop_file_map(f, 100, 0, &map, NULL));
    (void)file(a, "log/a", 0);
    OK(a->ops->remove(a, "log/a", NULL));
    assert_int_equal(sop_backend_faulty_open(disk, SOP_BACKEND_NEW, 0, &building, NULL),
                     SOP_EXISTS);
    sop_faulty_kill_all(disk);
    assert_memory_equal(map, "bytes", 5);
    sop_faulty_disk_free(disk);
    disk = disk_new(2);
    building = process(disk, SOP_BACKEND_NEW);
    (void)fresh(building, "SOP");
    sop_faulty_kill(building);
    sop_faulty_disk_free(disk);
}

static void test_a_power_cut_changes_the_boot_and_clears_the_page(void **state)
{
    uint8_t before[16];
    uint8_t again[16];
    uint8_t after[16];
    void *page = NULL;
    (void)state;
    sop_faulty_disk *disk = disk_new(1);
    sop_backend *b = created(disk);
    OK(b->ops->shared_page(b, 64, &page, NULL));
    memcpy(page, "abc", 3);
    sop_faulty_disk *cut = cut_disk(disk, SOP_FAULTY_KEEP_ALL, 0, 0);
    sop_faulty_boot_id(disk, before);
    sop_faulty_boot_use(disk);
    sop_boot_id(again);
    assert_memory_equal(before, again, 16);
    sop_faulty_boot_use(cut);
    sop_boot_id(after);
    assert_memory_not_equal(before, after, 16);
    sop_faulty_boot_use(NULL);
    sop_boot_id(again);
    assert_memory_not_equal(after, again, 16);
    sop_backend *c = process(cut, SOP_BACKEND_EXISTING);
    OK(c->ops->shared_page(c, 64, &page, NULL));
    assert_memory_equal(page, "\0\0\0", 3);
    done(c);
    done(b);
    sop_faulty_disk_free(cut);
    sop_faulty_disk_free(disk);
}

/* ---- failing calls ---- */

static void test_rules_strike_the_call_they_name(void **state)
{
    sop_error err = {0};
    (void)state;
    sop_faulty_disk *disk = disk_new(1);
    sop_backend *b = created(disk);
    sop_backend *other = process(disk, SOP_BACKEND_EXISTING);
    sop_file *f = fresh(b, "log/a");
    sop_file *g = fresh(other, "seg/a");
    uint64_t calls = sop_faulty_calls(disk, SOP_FAULTY_WRITE);
    rule(disk, SOP_FAULTY_WRITE, 2, SOP_IO, SOP_FAULTY_NOTHING);
    OK(sop_file_sync(f, NULL));
    OK(sop_file_write(f, 0, "1", 1, NULL));
    assert_int_equal(sop_file_write(f, 1, "2", 1, &err), SOP_IO);
    assert_non_null(strstr(err.message, "log/a"));
    OK(sop_file_write(f, 2, "3", 1, NULL));
    assert_int_equal(sop_faulty_struck(disk), 1);
    assert_int_equal(sop_faulty_calls(disk, SOP_FAULTY_WRITE) - calls, 3);
    /* Always, of one process, under one folder. */
    sop_faulty_rule always = {.kinds = SOP_FAULTY_WRITE | SOP_FAULTY_SYNC,
                              .nth = 1,
                              .always = 1,
                              .status = SOP_FULL,
                              .who = sop_faulty_who(other),
                              .prefix = "seg/"};
    sop_faulty_rule_add(disk, &always);
    OK(sop_file_write(f, 0, "x", 1, NULL));
    assert_int_equal(sop_file_write(g, 0, "x", 1, NULL), SOP_FULL);
    assert_int_equal(sop_file_sync(g, NULL), SOP_FULL);
    sop_file *h = fresh(other, "log/h");
    OK(sop_file_write(h, 0, "x", 1, NULL));
    sop_faulty_rules_clear(disk);
    OK(sop_file_write(g, 0, "x", 1, NULL));
    sop_file_close(f);
    sop_file_close(g);
    sop_file_close(h);
    done(other);
    done(b);
    sop_faulty_disk_free(disk);
}

/* One call of each kind; the status of the call of that kind. */
static sop_status listed(const char *name, uint64_t size, void *context)
{
    (void)name;
    (void)size;
    (void)context;
    return SOP_OK;
}

static sop_status call_kind(sop_backend *b, uint32_t kind)
{
    sop_file *f = NULL;
    void *out = NULL;
    size_t got = 0;
    uint64_t size = 0;
    char byte = 'x';
    sop_status status = sop_file_open(b, "log/a", SOP_FILE_WRITE, &f, NULL);
    if (kind == SOP_FAULTY_OPEN || status != SOP_OK) {
        sop_file_close(f);
        return status;
    }
    switch (kind) {
    case SOP_FAULTY_READ:
        status = sop_file_read(f, 0, &byte, 1, &got, NULL);
        break;
    case SOP_FAULTY_WRITE:
        status = sop_file_write(f, 0, &byte, 1, NULL);
        break;
    case SOP_FAULTY_SYNC:
        status = sop_file_sync(f, NULL);
        break;
    case SOP_FAULTY_SIZE:
        status = sop_file_size(f, &size, NULL);
        break;
    case SOP_FAULTY_MAP:
        status = sop_file_map(f, 1, 0, &out, NULL);
        if (status == SOP_OK) b->ops->file_unmap(b, out, 1);
        break;
    case SOP_FAULTY_FOLDER_SYNC:
        status = b->ops->folder_sync(b, "log", NULL);
        break;
    case SOP_FAULTY_RENAME:
        status = b->ops->head_swap(b, "1", "2", NULL);
        break;
    case SOP_FAULTY_LIST:
        status = b->ops->list(b, "log", listed, NULL, NULL);
        break;
    case SOP_FAULTY_LOCK:
        status = b->ops->lock(b, 0, 1, 0, NULL);
        break;
    case SOP_FAULTY_PAGE:
        status = b->ops->shared_page(b, 64, &out, NULL);
        break;
    case SOP_FAULTY_PUBLISH:
        status = b->ops->publish(b, NULL);
        break;
    case SOP_FAULTY_REMOVE:
        status = b->ops->remove(b, "log/a", NULL);
        break;
    default:
        sop_file_close(f);
        f = NULL;
        status = sop_file_open(b, "log/new", SOP_FILE_CREATE, &f, NULL);
    }
    sop_file_close(f);
    return status;
}

static void test_every_kind_of_call_can_fail(void **state)
{
    (void)state;
    for (uint32_t kind = 1; kind < SOP_FAULTY_ANY; kind <<= 1) {
        if (kind == SOP_FAULTY_UNLOCK) continue;
        sop_faulty_disk *disk = disk_new(kind);
        sop_backend *b = process(disk, SOP_BACKEND_NEW);
        put(b, "SOP", "s", 0);
        put(b, "log/a", "a", 0);
        put(b, "head/1", "", 0);
        rule(disk, kind, 1, SOP_IO, SOP_FAULTY_NOTHING);
        assert_int_equal(call_kind(b, kind), SOP_IO);
        assert_int_equal(sop_faulty_struck(disk), 1);
        OK(call_kind(b, kind));
        assert_string_not_equal(sop_faulty_kind_name(kind), "");
        done(b);
        sop_faulty_disk_free(disk);
    }
}

static void test_a_failed_call_may_have_done_its_work(void **state)
{
    static const uint32_t kinds[] = {SOP_FAULTY_WRITE, SOP_FAULTY_RENAME, SOP_FAULTY_REMOVE,
                                     SOP_FAULTY_CREATE, SOP_FAULTY_PUBLISH};
    (void)state;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        sop_faulty_disk *disk = disk_new(1);
        sop_backend *b = process(disk, SOP_BACKEND_NEW);
        put(b, "SOP", "s", 0);
        put(b, "log/a", "a", 0);
        put(b, "head/1", "", 0);
        if (kinds[i] != SOP_FAULTY_PUBLISH) OK(b->ops->publish(b, NULL));
        rule(disk, kinds[i], 1, SOP_IO, SOP_FAULTY_WHOLE);
        assert_int_equal(call_kind(b, kinds[i]), SOP_IO);
        assert_string_equal(text_of(disk, "SOP"), "s");
        if (kinds[i] == SOP_FAULTY_WRITE) assert_string_equal(text_of(disk, "log/a"), "x");
        if (kinds[i] == SOP_FAULTY_RENAME) assert_non_null(text_of(disk, "head/2"));
        if (kinds[i] == SOP_FAULTY_REMOVE) assert_null(text_of(disk, "log/a"));
        if (kinds[i] == SOP_FAULTY_CREATE) assert_non_null(text_of(disk, "log/new"));
        done(b);
        sop_faulty_disk_free(disk);
    }
}

static void test_a_failed_write_may_be_short_or_torn(void **state)
{
    unsigned nothing = 0;
    unsigned prefix = 0;
    unsigned holes = 0;
    (void)state;
    for (uint64_t seed = 0; seed < 60; seed++) {
        static char data[5000];
        static uint8_t found[5000];
        sop_faulty_disk *disk = disk_new(seed);
        sop_backend *b = created(disk);
        sop_file *f = fresh(b, "log/a");
        memset(data, 'd', sizeof data);
        rule(disk, SOP_FAULTY_WRITE, 1, SOP_IO, SOP_FAULTY_PART);
        assert_int_equal(sop_file_write(f, 0, data, sizeof data, NULL), SOP_IO);
        memset(found, 0, sizeof found);
        size_t size = read_all(disk, "log/a", found, sizeof found);
        size_t written = 0;
        for (size_t i = 0; i < size; i++)
            written += found[i] == 'd';
        assert_true(written < sizeof data || size == sizeof data);
        nothing += size == 0;
        prefix += written == size && size != 0 && size < sizeof data;
        holes += written < size;
        sop_file_close(f);
        done(b);
        sop_faulty_disk_free(disk);
    }
    assert_true(prefix > 10 && holes > 10);
    (void)nothing;
}

static void test_a_failed_sync_loses_the_writes_for_good(void **state)
{
    (void)state;
    sop_faulty_disk *disk = disk_new(1);
    sop_backend *b = created(disk);
    put(b, "log/a", "old old old", 1);
    sop_file *f = file(b, "log/a", SOP_FILE_WRITE);
    store(f, 0, "new");
    rule(disk, SOP_FAULTY_SYNC, 1, SOP_IO, SOP_FAULTY_NOTHING);
    assert_int_equal(sop_file_sync(f, NULL), SOP_IO);
    assert_string_equal(text_of(disk, "log/a"), "new old old");
    OK(sop_file_sync(f, NULL));
    expect_after(disk, &NONE, "log/a", "old old old");
    expect_after(disk, &ALL, "log/a", "old old old");
    /* Another page: what was lost stays lost. */
    store(f, 8192, "far");
    OK(sop_file_sync(f, NULL));
    sop_faulty_disk *after = cut_disk(disk, SOP_FAULTY_KEEP_NONE, 0, 0);
    static uint8_t found[9000];
    assert_int_equal(read_all(after, "log/a", found, sizeof found), 8195);
    assert_memory_equal(found, "old old old", 11);
    assert_memory_equal(found + 8192, "far", 3);
    sop_faulty_disk_free(after);
    /* The same page: it is written back whole. */
    store(f, 8, "NEW");
    expect_after(disk, &NONE, "log/a", "old old old");
    OK(sop_file_sync(f, NULL));
    expect_after(disk, &NONE, "log/a", "new old NEW");
    sop_file_close(f);
    done(b);
    sop_faulty_disk_free(disk);
}

static void test_a_failed_sync_is_told_once_to_each_open_descriptor(void **state)
{
    (void)state;
    sop_faulty_disk *disk = disk_new(1);
    sop_backend *b = created(disk);
    put(b, "log/a", "", 1);
    sop_file *one = file(b, "log/a", SOP_FILE_WRITE);
    sop_file *two = file(b, "log/a", SOP_FILE_WRITE);
    store(one, 0, "x");
    rule(disk, SOP_FAULTY_SYNC, 1, SOP_IO, SOP_FAULTY_NOTHING);
    assert_int_equal(sop_file_sync(one, NULL), SOP_IO);
    sop_file *later = file(b, "log/a", SOP_FILE_WRITE);
    OK(sop_file_sync(later, NULL));
    OK(sop_file_sync(one, NULL));
    assert_int_equal(sop_file_sync(two, NULL), SOP_IO);
    OK(sop_file_sync(two, NULL));
    /* A background write-back that failed. */
    store(one, 0, "y");
    OK(sop_faulty_writeback_fail(disk, "log/a"));
    assert_int_equal(sop_faulty_writeback_fail(disk, "log/b"), SOP_NOT_FOUND);
    assert_int_equal(sop_file_sync(later, NULL), SOP_IO);
    assert_int_equal(sop_file_sync(one, NULL), SOP_IO);
    OK(sop_file_sync(one, NULL));
    expect_after(disk, &NONE, "log/a", "");
    sop_file_close(one);
    sop_file_close(two);
    sop_file_close(later);
    done(b);
    sop_faulty_disk_free(disk);
}

static void test_a_failed_folder_sync_may_lose_names(void **state)
{
    (void)state;
    sop_faulty_disk *disk = disk_new(1);
    sop_backend *b = created(disk);
    put(b, "log/a", "a", 0);
    rule(disk, SOP_FAULTY_FOLDER_SYNC, 1, SOP_IO, SOP_FAULTY_NOTHING);
    assert_int_equal(b->ops->folder_sync(b, "log", NULL), SOP_IO);
    put(b, "log/b", "b", 1);
    expect_after(disk, &NONE, "log/a", NULL);
    expect_after(disk, &NONE, "log/b", "b");
    assert_string_equal(text_of(disk, "log/a"), "a");
    done(b);
    sop_faulty_disk_free(disk);
}

static void test_chance_comes_from_the_seed(void **state)
{
    uint64_t first[3] = {0};
    (void)state;
    for (size_t run = 0; run < 3; run++) {
        sop_faulty_disk *disk = disk_new(run == 2 ? 8 : 7);
        sop_backend *b = created(disk);
        sop_file *f = fresh(b, "log/a");
        sop_faulty_rule r = {.kinds = SOP_FAULTY_WRITE, .chance_ppm = 200000, .status = SOP_IO};
        sop_faulty_rule_add(disk, &r);
        for (unsigned i = 0; i < 64; i++) {
            if (sop_file_write(f, i, "x", 1, NULL) != SOP_OK) first[run] |= (uint64_t)1 << i;
        }
        sop_file_close(f);
        done(b);
        sop_faulty_disk_free(disk);
    }
    assert_true(first[0] == first[1]);
    assert_true(first[0] != first[2]);
    assert_true(first[0] != 0 && first[0] != UINT64_MAX);
}

static void test_a_full_disk_takes_what_fits(void **state)
{
    static char data[3000];
    static uint8_t found[4000];
    (void)state;
    sop_faulty_disk *disk = disk_new(1);
    sop_backend *b = created(disk);
    sop_error err = {0};
    memset(data, 'd', sizeof data);
    assert_true(b->ops->space_free(b) == UINT64_MAX);
    sop_faulty_space_set(disk, 10 + 4000);
    assert_int_equal(b->ops->space_free(b), 4000);
    sop_file *f = fresh(b, "log/a");
    OK(sop_file_write(f, 0, data, sizeof data, NULL));
    assert_int_equal(b->ops->space_free(b), 1000);
    assert_int_equal(sop_file_write(f, 3000, data, sizeof data, &err), SOP_FULL);
    assert_non_null(strstr(err.message, "log/a"));
    assert_int_equal(b->ops->space_free(b), 0);
    assert_int_equal(read_all(disk, "log/a", found, sizeof found), 4000);
    OK(sop_file_write(f, 0, "rewriting needs no room", 23, NULL));
    /* A removed file takes room until it is closed. */
    OK(b->ops->remove(b, "log/a", NULL));
    assert_int_equal(b->ops->space_free(b), 0);
    sop_file_close(f);
    assert_int_equal(b->ops->space_free(b), 4000);
    put(b, "log/b", "fits", 0);
    done(b);
    sop_faulty_disk_free(disk);
}

static void test_damage_reaches_cache_medium_and_maps(void **state)
{
    void *map = NULL;
    (void)state;
    sop_faulty_disk *disk = disk_new(1);
    sop_backend *b = created(disk);
    put(b, "log/a", "abc", 1);
    sop_file *f = file(b, "log/a", 0);
    OK(sop_file_map(f, 3, 0, &map, NULL));
    OK(sop_faulty_flip(disk, "log/a", 1, 5));
    assert_string_equal(text_of(disk, "log/a"), "aBc");
    assert_memory_equal(map, "aBc", 3);
    expect_after(disk, &NONE, "log/a", "aBc");
    assert_int_equal(sop_faulty_flip(disk, "log/a", 3, 0), SOP_INVALID);
    assert_int_equal(sop_faulty_flip(disk, "log/x", 0, 0), SOP_NOT_FOUND);
    OK(sop_faulty_truncate(disk, "log/a", 2));
    assert_string_equal(text_of(disk, "log/a"), "aB");
    expect_after(disk, &NONE, "log/a", "aB");
    assert_int_equal(sop_faulty_truncate(disk, "log/a", 9), SOP_INVALID);
    b->ops->file_unmap(b, map, 3);
    sop_file_close(f);
    done(b);
    sop_faulty_disk_free(disk);
}

static void test_a_map_shows_nothing_of_an_earlier_one(void **state)
{
    static char data[300000];
    void *map = NULL;
    (void)state;
    sop_faulty_disk *disk = disk_new(1);
    sop_backend *b = created(disk);
    sop_file *big = fresh(b, "seg/big");
    memset(data, 'q', sizeof data);
    OK(sop_file_write(big, 0, data, sizeof data, NULL));
    OK(sop_file_map(big, sizeof data, 0, &map, NULL));
    b->ops->file_unmap(b, map, sizeof data);
    sop_file *small = fresh(b, "seg/small");
    store(small, 0, "a");
    OK(sop_file_map(small, sizeof data, 0, &map, NULL));
    for (size_t at = 9000; at < sizeof data; at += 70000) {
        store(small, at, "z");
        for (size_t i = 1; i < at; i++) {
            assert_int_equal(((const char *)map)[i],
                             i >= 9000 && (i - 9000) % 70000 == 0 ? 'z' : 0);
        }
    }
    b->ops->file_unmap(b, map, sizeof data);
    sop_file_close(big);
    sop_file_close(small);
    done(b);
    sop_faulty_disk_free(disk);
}

/* ---- hooks ---- */

typedef struct {
    sop_faulty_call last;
    char name[32];
    unsigned count;
    sop_backend *kill;
    sop_status answer;
} hooked;

static sop_status on_call(const sop_faulty_call *call, void *context)
{
    hooked *h = context;
    h->last = *call;
    (void)snprintf(h->name, sizeof h->name, "%s", call->name);
    h->count++;
    if (h->kill != NULL) sop_faulty_kill(h->kill);
    return h->answer;
}

static void test_the_hook_sees_every_call_first(void **state)
{
    hooked h = {0};
    (void)state;
    sop_faulty_disk *disk = disk_new(1);
    sop_backend *b = created(disk);
    sop_faulty_hook_set(disk, on_call, &h);
    sop_file *f = fresh(b, "log/a");
    assert_int_equal(h.last.kind, SOP_FAULTY_CREATE);
    store(f, 5, "abc");
    assert_int_equal(h.count, 2);
    assert_int_equal(h.last.kind, SOP_FAULTY_WRITE);
    assert_int_equal(h.last.who, 1);
    assert_int_equal(h.last.offset, 5);
    assert_int_equal(h.last.size, 3);
    assert_string_equal(h.name, "log/a");
    OK(b->ops->lock(b, 9, 1, 0, NULL));
    b->ops->unlock(b, 9);
    assert_int_equal(h.last.kind, SOP_FAULTY_UNLOCK);
    assert_int_equal(h.last.offset, 9);
    h.answer = SOP_FULL;
    assert_int_equal(sop_file_write(f, 0, "x", 1, NULL), SOP_FULL);
    h.answer = SOP_OK;
    h.kill = b;
    assert_int_equal(sop_file_write(f, 0, "x", 1, NULL), SOP_IO);
    sop_faulty_hook_set(disk, NULL, NULL);
    sop_file_close(f);
    done(b);
    static uint8_t found[16];
    assert_int_equal(read_all(disk, "log/a", found, sizeof found), 8);
    assert_memory_equal(found, "\0\0\0\0\0abc", 8);
    sop_faulty_disk_free(disk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_killed_process_can_do_nothing_and_leaves_its_writes),
        cmocka_unit_test(test_memory_of_killed_processes_goes_with_the_disk),
        cmocka_unit_test(test_a_power_cut_changes_the_boot_and_clears_the_page),
        cmocka_unit_test(test_rules_strike_the_call_they_name),
        cmocka_unit_test(test_every_kind_of_call_can_fail),
        cmocka_unit_test(test_a_failed_call_may_have_done_its_work),
        cmocka_unit_test(test_a_failed_write_may_be_short_or_torn),
        cmocka_unit_test(test_a_failed_sync_loses_the_writes_for_good),
        cmocka_unit_test(test_a_failed_sync_is_told_once_to_each_open_descriptor),
        cmocka_unit_test(test_a_failed_folder_sync_may_lose_names),
        cmocka_unit_test(test_chance_comes_from_the_seed),
        cmocka_unit_test(test_a_full_disk_takes_what_fits),
        cmocka_unit_test(test_damage_reaches_cache_medium_and_maps),
        cmocka_unit_test(test_a_map_shows_nothing_of_an_earlier_one),
        cmocka_unit_test(test_the_hook_sees_every_call_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
