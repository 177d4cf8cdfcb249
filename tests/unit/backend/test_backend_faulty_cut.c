/* SPDX-License-Identifier: MIT */
/* The simulated disk: what a power cut may leave. */
#include "unit/backend/faulty_forms.h"

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
        /* The first overwrites what is durable, so that keeping and losing it look different. */
        if (v == 1) {
            offset = 100;
            size = 5500;
        }
        memcpy(h->bytes[v], h->bytes[v - 1], FILE_BYTES);
        for (size_t i = 0; i < size; i++)
            h->bytes[v][offset + i] = (uint8_t)sop_test_random(random);
        if (v % 3 == 0) memset(h->bytes[v] + offset, 0, size);
        OK(sop_file_write(f, offset, h->bytes[v] + offset, size, NULL));
        h->size[v] = h->size[v - 1] > offset + size ? h->size[v - 1] : offset + size;
    }
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
            /* Below the first length no byte of version 0 is zero, so it cannot be taken for a later one. */
            first += v == 0 && at + unit <= h.size[0] && !is_version(&h, 1, found, at, at + unit);
            last += v != 0 && is_version(&h, VERSIONS, found, at, at + unit);
            between += v != 0 && !is_version(&h, VERSIONS, found, at, at + unit);
        }
    }
    assert_true(first > 20 && last > 100 && between > 100 && mixed > 100);
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
        unsigned consistent = 0;
        int whole = 0;
        for (size_t v = 0; v <= VERSIONS; v++) {
            size_t at = 0;
            /* Each sector is as at v or, torn, as at v + 1. */
            while (at < FILE_BYTES &&
                   (is_version(&h, v, found, at, at + 512) ||
                    (v < VERSIONS && is_version(&h, v + 1, found, at, at + 512)))) {
                at += 512;
            }
            /* A small write leaves several moments possible. */
            seen[v] += at >= FILE_BYTES;
            consistent += at >= FILE_BYTES;
            whole |= is_version(&h, v, found, 0, FILE_BYTES);
        }
        assert_true(consistent != 0);
        torn += !whole;
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
