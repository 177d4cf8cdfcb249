/* SPDX-License-Identifier: MIT */
/* The simulated disk: what a power cut may leave, how calls fail, and that a trace gives the same disk again. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "backend/backend.h"
#include "backend/backend_faulty.h"
#include "support/support.h"
#include "util/checksum.h"
#include "util/memory.h"
#include "util/world.h"

#define OK(call) assert_int_equal((call), SOP_OK)

static const sop_faulty_cut ALL = {SOP_FAULTY_KEEP_ALL, 0, 0};
static const sop_faulty_cut NONE = {SOP_FAULTY_KEEP_NONE, 0, 0};

/* ---- short forms ---- */

static sop_faulty_disk *disk_new(uint64_t seed)
{
    sop_faulty_disk *disk = sop_faulty_disk_new(seed);
    assert_non_null(disk);
    return disk;
}

static sop_backend *process(sop_faulty_disk *disk, int how)
{
    sop_backend *b = NULL;
    OK(sop_backend_faulty_open(disk, how, 0, &b, NULL));
    return b;
}

static sop_file *file(sop_backend *b, const char *name, int flags)
{
    sop_file *f = NULL;
    sop_error err = {0};
    if (sop_file_open(b, name, flags, &f, &err) != SOP_OK) fail_msg("%s", err.message);
    return f;
}

static sop_file *fresh(sop_backend *b, const char *name)
{
    return file(b, name, SOP_FILE_CREATE | SOP_FILE_WRITE);
}

static void store(sop_file *f, uint64_t offset, const char *text)
{
    OK(sop_file_write(f, offset, text, strlen(text), NULL));
}

/* A file with these bytes; durable: bytes and name. */
static void put(sop_backend *b, const char *name, const char *text, int durable)
{
    sop_file *f = fresh(b, name);
    store(f, 0, text);
    if (durable) {
        char folder[8] = "";
        const char *slash = strchr(name, '/');
        if (slash != NULL) memcpy(folder, name, (size_t)(slash - name));
        OK(sop_file_sync(f, NULL));
        OK(b->ops->folder_sync(b, folder, NULL));
    }
    sop_file_close(f);
}

/* A disk with a published database. */
static sop_backend *created(sop_faulty_disk *disk)
{
    sop_backend *b = process(disk, SOP_BACKEND_NEW);
    put(b, "SOP", "superblock", 0);
    OK(b->ops->publish(b, NULL));
    return b;
}

static void done(sop_backend *b)
{
    b->ops->free(b);
}

/* The bytes of a file as text, in a buffer of its own; NULL when there is no such file. */
static const char *text_of(sop_faulty_disk *disk, const char *name)
{
    static char buffer[20000];
    sop_backend *b = process(disk, SOP_BACKEND_EXISTING);
    sop_file *f = NULL;
    size_t got = 0;
    const char *text = NULL;
    if (sop_file_open(b, name, 0, &f, NULL) == SOP_OK) {
        OK(sop_file_read(f, 0, buffer, sizeof buffer - 1, &got, NULL));
        buffer[got] = '\0';
        text = buffer;
        sop_file_close(f);
    }
    done(b);
    return text;
}

static sop_faulty_disk *cut_disk(sop_faulty_disk *disk, int keep, uint32_t unit, uint64_t seed)
{
    sop_faulty_cut cut = {keep, unit, seed};
    sop_faulty_disk *after = NULL;
    OK(sop_faulty_disk_cut(disk, &cut, &after));
    return after;
}

static void
expect_after(sop_faulty_disk *disk, const sop_faulty_cut *cut, const char *name, const char *text)
{
    sop_faulty_disk *after = NULL;
    OK(sop_faulty_disk_cut(disk, cut, &after));
    const char *found = text_of(after, name);
    if (text == NULL) {
        assert_null(found);
    } else {
        assert_non_null(found);
        assert_string_equal(found, text);
    }
    sop_faulty_disk_free(after);
}

static void rule(sop_faulty_disk *disk, uint32_t kinds, uint64_t nth, sop_status status, int effect)
{
    sop_faulty_rule r = {.kinds = kinds, .nth = nth, .status = status, .effect = effect};
    sop_faulty_rule_add(disk, &r);
}

/* ---- what is durable ---- */

static void test_only_what_was_synced_survives(void **state)
{
    (void)state;
    sop_faulty_disk *disk = disk_new(1);
    sop_backend *b = created(disk);
    put(b, "log/a", "durable", 1);
    sop_file *f = file(b, "log/a", SOP_FILE_WRITE);
    store(f, 0, "DURABLE and more");
    expect_after(disk, &NONE, "log/a", "durable");
    expect_after(disk, &ALL, "log/a", "DURABLE and more");
    OK(sop_file_sync(f, NULL));
    expect_after(disk, &NONE, "log/a", "DURABLE and more");
    sop_file_close(f);
    done(b);
    sop_faulty_disk_free(disk);
}

static void test_a_synced_file_whose_name_was_not_synced_may_vanish(void **state)
{
    (void)state;
    sop_faulty_disk *disk = disk_new(1);
    sop_backend *b = created(disk);
    sop_file *f = fresh(b, "log/a");
    store(f, 0, "bytes");
    OK(sop_file_sync(f, NULL));
    expect_after(disk, &NONE, "log/a", NULL);
    expect_after(disk, &ALL, "log/a", "bytes");
    OK(b->ops->folder_sync(b, "seg", NULL));
    expect_after(disk, &NONE, "log/a", NULL);
    OK(b->ops->folder_sync(b, "log", NULL));
    expect_after(disk, &NONE, "log/a", "bytes");
    sop_file_close(f);
    /* The other way round: a name without bytes. */
    put(b, "seg/b", "bytes", 0);
    OK(b->ops->folder_sync(b, "seg", NULL));
    expect_after(disk, &NONE, "seg/b", "");
    done(b);
    sop_faulty_disk_free(disk);
}

static void test_a_removed_file_comes_back_unless_its_folder_was_synced(void **state)
{
    (void)state;
    sop_faulty_disk *disk = disk_new(1);
    sop_backend *b = created(disk);
    put(b, "log/a", "old", 1);
    OK(b->ops->remove(b, "log/a", NULL));
    expect_after(disk, &NONE, "log/a", "old");
    expect_after(disk, &ALL, "log/a", NULL);
    put(b, "log/a", "new", 0);
    expect_after(disk, &NONE, "log/a", "old");
    expect_after(disk, &ALL, "log/a", "new");
    OK(b->ops->folder_sync(b, "log", NULL));
    expect_after(disk, &NONE, "log/a", "");
    done(b);
    sop_faulty_disk_free(disk);
}

static void test_a_rename_keeps_exactly_one_name(void **state)
{
    unsigned old_names = 0;
    unsigned new_names = 0;
    (void)state;
    sop_faulty_disk *disk = disk_new(1);
    sop_backend *b = created(disk);
    put(b, "head/L.1", "", 1);
    OK(b->ops->head_swap(b, "L.1", "L.2", NULL));
    for (uint64_t seed = 0; seed < 60; seed++) {
        sop_faulty_disk *after = cut_disk(
            disk, seed % 2 == 0 ? SOP_FAULTY_KEEP_RANDOM : SOP_FAULTY_KEEP_PREFIX, 0, seed);
        int old_there = text_of(after, "head/L.1") != NULL;
        int new_there = text_of(after, "head/L.2") != NULL;
        assert_int_equal(old_there + new_there, 1);
        old_names += (unsigned)old_there;
        new_names += (unsigned)new_there;
        sop_faulty_disk_free(after);
    }
    assert_true(old_names > 5 && new_names > 5);
    OK(b->ops->folder_sync(b, "head", NULL));
    expect_after(disk, &NONE, "head/L.1", NULL);
    expect_after(disk, &NONE, "head/L.2", "");
    done(b);
    sop_faulty_disk_free(disk);
}

static void test_names_of_one_folder_survive_in_order(void **state)
{
    unsigned seen[6] = {0};
    (void)state;
    sop_faulty_disk *disk = disk_new(1);
    sop_backend *b = created(disk);
    put(b, "log/0", "", 1);
    for (int i = 1; i < 6; i++) {
        char name[24];
        (void)snprintf(name, sizeof name, "log/%d", i);
        put(b, name, "", 0);
    }
    for (uint64_t seed = 0; seed < 200; seed++) {
        sop_faulty_disk *after = cut_disk(disk, SOP_FAULTY_KEEP_RANDOM, 0, seed);
        int last = 5;
        for (int i = 5; i >= 0; i--) {
            char name[24];
            (void)snprintf(name, sizeof name, "log/%d", i);
            int there = text_of(after, name) != NULL;
            if (!there) assert_int_equal(i, last);
            if (!there) last = i - 1;
        }
        assert_true(last >= 0);
        seen[last]++;
        sop_faulty_disk_free(after);
    }
    for (int i = 0; i < 6; i++)
        assert_true(seen[i] != 0);
    done(b);
    sop_faulty_disk_free(disk);
}

static void test_publishing_is_all_or_nothing(void **state)
{
    (void)state;
    sop_faulty_disk *disk = disk_new(1);
    sop_backend *b = process(disk, SOP_BACKEND_NEW);
    sop_backend *none = NULL;
    put(b, "SOP", "superblock", 1);
    put(b, "log/a", "not synced", 0);
    sop_faulty_disk *after = cut_disk(disk, SOP_FAULTY_KEEP_ALL, 0, 0);
    assert_int_equal(sop_backend_faulty_open(after, SOP_BACKEND_EXISTING, 0, &none, NULL),
                     SOP_NOT_FOUND);
    sop_faulty_disk_free(after);
    OK(b->ops->publish(b, NULL));
    expect_after(disk, &NONE, "SOP", "superblock");
    expect_after(disk, &NONE, "log/a", "not synced");
    done(b);
    sop_faulty_disk_free(disk);
}

/* ---- every sector has some version ---- */

enum { VERSIONS = 7, FILE_BYTES = 5 * 4096, FILE_UNITS = FILE_BYTES / 512 };

typedef struct {
    uint8_t bytes[VERSIONS + 1][FILE_BYTES];
    size_t size[VERSIONS + 1];
} history;

/* A durable version, then writes of any size at any place; the history of what the file was after each. */
static void write_history(sop_file *f, history *h, uint64_t *random)
{
    *h = (history){.size = {6000}};
    for (size_t i = 0; i < 6000; i++)
        h->bytes[0][i] = (uint8_t)(sop_test_random(random) | 1);
    OK(sop_file_write(f, 0, h->bytes[0], 6000, NULL));
    OK(sop_file_sync(f, NULL));
    for (size_t v = 1; v <= VERSIONS; v++) {
        size_t offset = sop_test_random(random) % (FILE_BYTES - 1);
        size_t size = 1 + sop_test_random(random) % (FILE_BYTES - offset);
        memcpy(h->bytes[v], h->bytes[v - 1], FILE_BYTES);
        for (size_t i = 0; i < size; i++)
            h->bytes[v][offset + i] = (uint8_t)sop_test_random(random);
        if (v % 3 == 0) memset(h->bytes[v] + offset, 0, size);
        OK(sop_file_write(f, offset, h->bytes[v] + offset, size, NULL));
        h->size[v] = h->size[v - 1] > offset + size ? h->size[v - 1] : offset + size;
    }
}

static size_t read_all(sop_faulty_disk *disk, const char *name, uint8_t *buffer, size_t size)
{
    size_t got = 0;
    sop_backend *b = process(disk, SOP_BACKEND_EXISTING);
    sop_file *f = file(b, name, 0);
    OK(sop_file_read(f, 0, buffer, size, &got, NULL));
    sop_file_close(f);
    done(b);
    return got;
}

/* 1 if [begin, end) is what it was at that version, given that the file ended at size after the cut. */
static int is_version(const history *h, size_t v, const uint8_t *found, size_t begin, size_t end)
{
    return memcmp(found + begin, h->bytes[v] + begin, end - begin) == 0;
}

static void test_each_sector_has_some_version(void **state)
{
    static history h;
    static const uint32_t units[] = {512, 4096};
    unsigned first = 0;
    unsigned last = 0;
    unsigned between = 0;
    unsigned mixed = 0;
    uint64_t random = sop_test_seed(11);
    (void)state;
    sop_faulty_disk *disk = disk_new(1);
    sop_backend *b = created(disk);
    put(b, "log/a", "", 1);
    sop_file *f = file(b, "log/a", SOP_FILE_WRITE);
    write_history(f, &h, &random);
    for (uint64_t seed = 0; seed < 400; seed++) {
        uint32_t unit = units[seed % 2];
        uint8_t found[FILE_BYTES] = {0};
        size_t common = VERSIONS + 1; /* all units agree on this version */
        sop_faulty_disk *after = cut_disk(disk, SOP_FAULTY_KEEP_RANDOM, unit, seed);
        size_t size = read_all(after, "log/a", found, sizeof found);
        sop_faulty_disk_free(after);
        assert_true(size >= h.size[0] && size <= h.size[VERSIONS]);
        for (size_t at = 0; at < FILE_BYTES; at += unit) {
            size_t v = 0;
            while (v <= VERSIONS && !is_version(&h, v, found, at, at + unit))
                v++;
            assert_true(v <= VERSIONS);
            if (at == 0) common = v;
            mixed += v != common;
            first += v == 0;
            last += v != 0 && is_version(&h, VERSIONS, found, at, at + unit);
            between += v != 0 && !is_version(&h, VERSIONS, found, at, at + unit);
        }
    }
    assert_true(first > 100 && last > 100 && between > 100 && mixed > 100);
    sop_file_close(f);
    done(b);
    sop_faulty_disk_free(disk);
}

static void test_a_prefix_is_a_moment_with_its_last_write_torn(void **state)
{
    static history h;
    unsigned seen[VERSIONS + 1] = {0};
    unsigned torn = 0;
    uint64_t random = sop_test_seed(12);
    (void)state;
    sop_faulty_disk *disk = disk_new(1);
    sop_backend *b = created(disk);
    put(b, "log/a", "", 1);
    sop_file *f = file(b, "log/a", SOP_FILE_WRITE);
    write_history(f, &h, &random);
    for (uint64_t seed = 0; seed < 400; seed++) {
        uint8_t found[FILE_BYTES] = {0};
        sop_faulty_disk *after = cut_disk(disk, SOP_FAULTY_KEEP_PREFIX, 512, seed);
        (void)read_all(after, "log/a", found, sizeof found);
        sop_faulty_disk_free(after);
        size_t v = 0;
        for (; v <= VERSIONS; v++) {
            size_t at = 0;
            /* Each sector is as at v or, torn, as at v + 1. */
            while (at < FILE_BYTES &&
                   (is_version(&h, v, found, at, at + 512) ||
                    (v < VERSIONS && is_version(&h, v + 1, found, at, at + 512)))) {
                at += 512;
            }
            if (at >= FILE_BYTES) break;
        }
        assert_true(v <= VERSIONS);
        seen[v]++;
        int later = v < VERSIONS && is_version(&h, v + 1, found, 0, FILE_BYTES);
        torn += !later && !is_version(&h, v, found, 0, FILE_BYTES);
    }
    for (size_t v = 0; v < VERSIONS; v++)
        assert_true(seen[v] != 0);
    assert_true(torn > 20);
    sop_file_close(f);
    done(b);
    sop_faulty_disk_free(disk);
}

static void test_the_same_seed_gives_the_same_cut(void **state)
{
    static history h;
    static uint8_t one[FILE_BYTES];
    static uint8_t two[FILE_BYTES];
    uint64_t random = 5;
    unsigned different = 0;
    (void)state;
    sop_faulty_disk *disk = disk_new(1);
    sop_backend *b = created(disk);
    put(b, "log/a", "", 1);
    sop_file *f = file(b, "log/a", SOP_FILE_WRITE);
    write_history(f, &h, &random);
    for (uint64_t seed = 0; seed < 20; seed++) {
        sop_faulty_disk *a = cut_disk(disk, SOP_FAULTY_KEEP_RANDOM, 0, seed);
        sop_faulty_disk *c = cut_disk(disk, SOP_FAULTY_KEEP_RANDOM, 0, seed);
        sop_faulty_disk *d = cut_disk(disk, SOP_FAULTY_KEEP_RANDOM, 0, seed + 1);
        memset(one, 0, sizeof one);
        memset(two, 0, sizeof two);
        assert_int_equal(read_all(a, "log/a", one, FILE_BYTES),
                         read_all(c, "log/a", two, FILE_BYTES));
        assert_memory_equal(one, two, FILE_BYTES);
        (void)read_all(d, "log/a", two, FILE_BYTES);
        different += memcmp(one, two, FILE_BYTES) != 0;
        sop_faulty_disk_free(a);
        sop_faulty_disk_free(c);
        sop_faulty_disk_free(d);
    }
    assert_true(different > 10);
    sop_file_close(f);
    done(b);
    sop_faulty_disk_free(disk);
}

static void test_a_cut_disk_is_independent(void **state)
{
    (void)state;
    sop_faulty_disk *disk = disk_new(1);
    sop_backend *b = created(disk);
    put(b, "log/a", "shared", 1);
    sop_faulty_disk *after = cut_disk(disk, SOP_FAULTY_KEEP_ALL, 0, 0);
    sop_backend *c = process(after, SOP_BACKEND_EXISTING);
    sop_file *fc = file(c, "log/a", SOP_FILE_WRITE);
    sop_file *fb = file(b, "log/a", SOP_FILE_WRITE);
    store(fc, 0, "SHA");
    store(fb, 3, "RED");
    assert_string_equal(text_of(after, "log/a"), "SHAred");
    assert_string_equal(text_of(disk, "log/a"), "shaRED");
    sop_file_close(fb);
    done(b);
    sop_faulty_disk_free(disk);
    OK(sop_file_sync(fc, NULL));
    expect_after(after, &NONE, "log/a", "SHAred");
    sop_file_close(fc);
    done(c);
    sop_faulty_disk_free(after);
}

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

/* ---- traces ---- */

static void test_a_trace_tells_what_was_done(void **state)
{
    (void)state;
    sop_faulty_disk *disk = disk_new(1);
    OK(sop_faulty_trace_start(disk));
    sop_backend *b = created(disk);
    put(b, "head/1", "", 1);
    sop_faulty_mark(disk, "acknowledged", 17);
    OK(b->ops->head_swap(b, "1", "2", NULL));
    sop_faulty_trace_reads(disk, 1);
    sop_file_close(file(b, "head/2", 0));
    done(b);
    static const uint32_t kinds[] = {SOP_FAULTY_BUILD,       SOP_FAULTY_CREATE, SOP_FAULTY_WRITE,
                                     SOP_FAULTY_PUBLISH,     SOP_FAULTY_CREATE, SOP_FAULTY_SYNC,
                                     SOP_FAULTY_FOLDER_SYNC, SOP_FAULTY_MARK,   SOP_FAULTY_RENAME,
                                     SOP_FAULTY_OPEN};
    size_t count = sizeof kinds / sizeof kinds[0];
    assert_int_equal(sop_faulty_trace_size(disk), count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(sop_faulty_trace_get(disk, i).kind, kinds[i]);
    }
    sop_faulty_event event = sop_faulty_trace_get(disk, 2);
    assert_string_equal(event.name, "SOP");
    assert_int_equal(event.who, 1);
    assert_int_equal(event.size, 10);
    assert_memory_equal(event.data, "superblock", 10);
    assert_string_equal(sop_faulty_trace_get(disk, 6).name, "head");
    event = sop_faulty_trace_get(disk, 7);
    assert_string_equal(event.name, "acknowledged");
    assert_int_equal(event.offset, 17);
    event = sop_faulty_trace_get(disk, 8);
    assert_string_equal(event.name, "head/1");
    assert_string_equal(event.to, "head/2");
    sop_faulty_disk_free(disk);
}

/* A number for everything that can be read from a disk. */
typedef struct {
    sop_backend *b;
    const char *folder;
    uint64_t sum;
} digest;

static sop_status digest_file(const char *name, uint64_t size, void *context)
{
    static uint8_t bytes[1 << 17];
    digest *d = context;
    char full[300];
    size_t got = 0;
    (void)snprintf(full, sizeof full, "%s%s%s", d->folder, d->folder[0] == '\0' ? "" : "/", name);
    sop_file *f = file(d->b, full, 0);
    OK(sop_file_read(f, 0, bytes, sizeof bytes, &got, NULL));
    assert_int_equal(got, size);
    sop_file_close(f);
    /* A sum, since the order of a listing is free. */
    d->sum += sop_checksum64(bytes, got, sop_checksum64(full, strlen(full), size));
    return SOP_OK;
}

static uint64_t digest_of(sop_faulty_disk *disk)
{
    static const char *const folders[] = {"", "log", "seg", "head"};
    digest d = {0};
    if (sop_backend_faulty_open(disk, SOP_BACKEND_EXISTING, 1, &d.b, NULL) != SOP_OK) return 0;
    for (size_t i = 0; i < 4; i++) {
        d.folder = folders[i];
        OK(d.b->ops->list(d.b, d.folder, digest_file, &d, NULL));
    }
    done(d.b);
    return d.sum;
}

enum { STEPS = 300, CUTS = 4 };

typedef struct {
    size_t index;
    uint64_t sums[CUTS];
} snapshot;

static sop_faulty_cut cut_number(size_t step, size_t i)
{
    static const int keeps[CUTS] = {SOP_FAULTY_KEEP_ALL, SOP_FAULTY_KEEP_NONE,
                                    SOP_FAULTY_KEEP_PREFIX, SOP_FAULTY_KEEP_RANDOM};
    return (sop_faulty_cut){keeps[i], 0, step * 31 + i};
}

/* One random operation by one of two processes; failures are part of it. */
static void random_step(sop_backend *b, uint64_t *random)
{
    static uint8_t data[20000];
    static const char *const names[] = {"log/a", "log/b", "seg/a", "SOP", "head/a", "head/b"};
    const char *name = names[sop_test_random(random) % 6];
    sop_file *f = NULL;
    size_t size =
        1 + sop_test_random(random) % (sop_test_random(random) % 8 == 0 ? sizeof data : 700);
    memset(data, (int)(sop_test_random(random) % 4), sizeof data);
    sop_status status = SOP_OK;
    switch (sop_test_random(random) % 9) {
    case 0:
        status = b->ops->head_swap(b, "a", "b", NULL);
        break;
    case 1:
        status = b->ops->head_swap(b, "b", "a", NULL);
        break;
    case 2:
        if (strcmp(name, "SOP") != 0) status = b->ops->remove(b, name, NULL);
        break;
    case 3:
        status = b->ops->folder_sync(b, sop_test_random(random) % 2 == 0 ? "log" : "head", NULL);
        break;
    default:
        status = sop_file_open(b, name, SOP_FILE_WRITE, &f, NULL);
        if (status == SOP_NOT_FOUND) status = sop_file_open(b, name, SOP_FILE_CREATE, &f, NULL);
        if (status != SOP_OK) break;
        status = sop_file_write(f, sop_test_random(random) % 30000, data, size, NULL);
        if (sop_test_random(random) % 3 == 0) status = sop_file_sync(f, NULL);
    }
    sop_file_close(f);
    (void)status;
}

/* Runs random operations on a traced disk and notes what cuts of the live disk give after each. */
static sop_faulty_disk *traced_run(uint64_t seed, snapshot *shots)
{
    uint64_t random = seed;
    sop_faulty_disk *disk = disk_new(seed);
    sop_backend *b[2] = {created(disk), NULL};
    put(b[0], "log/a", "from before the trace", 0);
    done(b[0]);
    OK(sop_faulty_trace_start(disk));
    b[0] = process(disk, SOP_BACKEND_EXISTING);
    b[1] = process(disk, SOP_BACKEND_EXISTING);
    for (int effect = SOP_FAULTY_NOTHING; effect <= SOP_FAULTY_WHOLE; effect++) {
        sop_faulty_rule r = {.kinds = SOP_FAULTY_ANY & ~(uint32_t)SOP_FAULTY_UNLOCK,
                             .chance_ppm = 30000,
                             .status = SOP_IO,
                             .effect = effect};
        sop_faulty_rule_add(disk, &r);
    }
    for (size_t step = 0; step < STEPS; step++) {
        random_step(b[sop_test_random(&random) % 2], &random);
        if (step == STEPS / 2) OK(sop_faulty_writeback_fail(disk, "SOP"));
        shots[step].index = sop_faulty_trace_size(disk);
        for (size_t i = 0; i < CUTS; i++) {
            sop_faulty_cut cut = cut_number(step, i);
            sop_faulty_disk *after = NULL;
            OK(sop_faulty_disk_cut(disk, &cut, &after));
            shots[step].sums[i] = digest_of(after);
            sop_faulty_disk_free(after);
        }
    }
    assert_true(sop_faulty_struck(disk) > 5);
    done(b[0]);
    done(b[1]);
    return disk;
}

static void test_a_replay_gives_the_disk_of_any_moment(void **state)
{
    static snapshot shots[STEPS];
    uint64_t seed = sop_test_seed(404);
    (void)state;
    print_message("seed %" PRIu64 "\n", seed);
    for (uint64_t run = 0; run < 8; run++) {
        sop_faulty_disk *disk = traced_run(seed + run, shots);
        sop_faulty_replay *replay = NULL;
        uint64_t random = seed;
        OK(sop_faulty_replay_new(disk, &replay));
        for (size_t n = 0; n < STEPS + 10; n++) {
            /* Onwards first, then jumps back and forth. */
            size_t step = n < STEPS ? n : sop_test_random(&random) % STEPS;
            OK(sop_faulty_replay_to(replay, shots[step].index));
            for (size_t i = 0; i < CUTS; i++) {
                sop_faulty_cut cut = cut_number(step, i);
                sop_faulty_disk *after = NULL;
                OK(sop_faulty_replay_cut(replay, &cut, &after));
                assert_true(digest_of(after) == shots[step].sums[i]);
                sop_faulty_disk_free(after);
            }
        }
        sop_faulty_replay_free(replay);
        sop_faulty_disk_free(disk);
    }
}

static void test_nothing_pending_means_one_outcome(void **state)
{
    (void)state;
    sop_faulty_disk *disk = disk_new(1);
    sop_faulty_replay *replay = NULL;
    OK(sop_faulty_trace_start(disk));
    sop_backend *b = created(disk);
    put(b, "log/a", "x", 1);
    size_t quiet = sop_faulty_trace_size(disk);
    put(b, "log/b", "x", 0);
    done(b);
    OK(sop_faulty_replay_new(disk, &replay));
    OK(sop_faulty_replay_to(replay, quiet));
    assert_int_equal(sop_faulty_replay_pending(replay), 0);
    OK(sop_faulty_replay_to(replay, sop_faulty_trace_size(disk)));
    assert_int_equal(sop_faulty_replay_pending(replay), 2);
    OK(sop_faulty_replay_to(replay, 0));
    sop_faulty_disk *after = NULL;
    OK(sop_faulty_replay_cut(replay, &ALL, &after));
    assert_int_equal(sop_backend_faulty_open(after, SOP_BACKEND_EXISTING, 0, &b, NULL),
                     SOP_NOT_FOUND);
    sop_faulty_disk_free(after);
    sop_faulty_replay_free(replay);
    sop_faulty_disk_free(disk);
}

static void test_failed_allocations_leave_rebuilding_whole(void **state)
{
    static snapshot shots[STEPS];
    (void)state;
    sop_faulty_disk *disk = traced_run(9, shots);
    for (uint64_t n = 1;; n++) {
        sop_faulty_replay *replay = NULL;
        sop_faulty_disk *after = NULL;
        sop_faulty_cut cut = cut_number(39, 3);
        assert_true(n < 100000);
        /* Early failures are tried one by one, later ones in strides. */
        if (n > 60) n += n / 7;
        sop_memory_fail_at(n, 0);
        sop_status status = sop_faulty_replay_new(disk, &replay);
        if (status == SOP_OK) status = sop_faulty_replay_to(replay, shots[39].index);
        if (status == SOP_OK) status = sop_faulty_replay_cut(replay, &cut, &after);
        int reached = sop_memory_fail_reached();
        sop_memory_fail_at(0, 0);
        assert_int_equal(status, reached ? SOP_NO_MEMORY : SOP_OK);
        if (status == SOP_OK) assert_true(digest_of(after) == shots[39].sums[3]);
        sop_faulty_disk_free(after);
        sop_faulty_replay_free(replay);
        if (!reached) break;
    }
    sop_faulty_disk_free(disk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_what_was_synced_survives),
        cmocka_unit_test(test_a_synced_file_whose_name_was_not_synced_may_vanish),
        cmocka_unit_test(test_a_removed_file_comes_back_unless_its_folder_was_synced),
        cmocka_unit_test(test_a_rename_keeps_exactly_one_name),
        cmocka_unit_test(test_names_of_one_folder_survive_in_order),
        cmocka_unit_test(test_publishing_is_all_or_nothing),
        cmocka_unit_test(test_each_sector_has_some_version),
        cmocka_unit_test(test_a_prefix_is_a_moment_with_its_last_write_torn),
        cmocka_unit_test(test_the_same_seed_gives_the_same_cut),
        cmocka_unit_test(test_a_cut_disk_is_independent),
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
        cmocka_unit_test(test_the_hook_sees_every_call_first),
        cmocka_unit_test(test_a_trace_tells_what_was_done),
        cmocka_unit_test(test_a_replay_gives_the_disk_of_any_moment),
        cmocka_unit_test(test_nothing_pending_means_one_outcome),
        cmocka_unit_test(test_failed_allocations_leave_rebuilding_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
