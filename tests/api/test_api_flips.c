/* SPDX-License-Identifier: MIT */
/*
 * Single bits flipped while no process has the database open: every one in live bytes is named by open or check, and no read
 * gives wrong data without an error. What is live is told by sop_inspect_map, which is itself put to the test: everything
 * else is overwritten with noise and nobody notices.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "sop/inspect.h"

#include "support/rich.h"
#include "support/support.h"

enum { RANGES_MAX = 20000 };

typedef struct {
    char file[64];
    uint64_t offset;
    uint64_t length;
    char owner[64];
} range;

typedef struct {
    range *ranges;
    size_t count;
    uint64_t bytes;
} map;

static sop_status range_note(const sop_range *r, void *context)
{
    map *m = context;
    assert_true(m->count < RANGES_MAX);
    range *to = &m->ranges[m->count++];
    (void)snprintf(to->file, sizeof to->file, "%s", r->file);
    (void)snprintf(to->owner, sizeof to->owner, "%s", r->owner);
    to->offset = r->offset;
    to->length = r->length;
    m->bytes += r->length;
    return SOP_OK;
}

static map map_read(sop_db *db)
{
    map m = {calloc(RANGES_MAX, sizeof(range)), 0, 0};
    sop_error err = {0};
    assert_non_null(m.ranges);
    sop_status status = sop_inspect_map(db, range_note, &m, &err);
    if (status != SOP_OK) fail_msg("map: %s", err.message);
    return m;
}

/* The map is taken from a copy, for whoever opens a database writes to its log. */
static map map_of(const sop_test_place *place, sop_test_content *content)
{
    sop_test_place copy = {0};
    sop_db_options options = SOP_DB_OPTIONS_INIT;
    options.read_only = 1;
    (void)snprintf(copy.url, sizeof copy.url, "file:%s/db", place->folder);
    sop_db *db = sop_test_open(&copy, &options);
    map m = map_read(db);
    sop_test_content_read(db, content);
    sop_test_close(&copy);
    return m;
}

static void copy_make(const sop_test_place *place, sop_test_place *copy)
{
    sop_test_shell("rm -rf %s/copy && cp -r %s/db %s/copy", place->folder, place->folder,
                   place->folder);
    (void)snprintf(copy->url, sizeof copy->url, "file:%s/copy", place->folder);
}

/* ---- noise ---- */

static void noise_write(const char *path, const char *name, const map *m, uint64_t *seed)
{
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    size_t size = (size_t)info.st_size;
    if (size == 0) return;
    uint8_t *bytes = malloc(size);
    FILE *file = fopen(path, "r+b");
    assert_true(bytes != NULL && file != NULL);
    assert_int_equal(fread(bytes, 1, size, file), size);
    uint8_t *live = calloc(1, size);
    assert_non_null(live);
    for (size_t i = 0; i < m->count; i++) {
        if (strcmp(m->ranges[i].file, name) != 0) continue;
        assert_true(m->ranges[i].offset + m->ranges[i].length <= size);
        memset(live + m->ranges[i].offset, 1, (size_t)m->ranges[i].length);
    }
    for (size_t i = 0; i < size; i++) {
        if (!live[i]) bytes[i] = (uint8_t)sop_test_random(seed);
    }
    rewind(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
    free(live);
    free(bytes);
}

static void noise_everywhere(const sop_test_place *place, const map *m, uint64_t *seed)
{
    char command[200];
    char name[256];
    (void)snprintf(command, sizeof command, "cd %s/copy && find * -type f", place->folder);
    FILE *list = popen(command, "r");
    assert_non_null(list);
    while (fgets(name, sizeof name, list) != NULL) {
        char path[400];
        name[strcspn(name, "\n")] = '\0';
        (void)snprintf(path, sizeof path, "%s/copy/%s", place->folder, name);
        noise_write(path, name, m, seed);
    }
    assert_int_equal(pclose(list), 0);
}

static void compare_clean(sop_db *db, const sop_test_content *content)
{
    sop_test_reading reading;
    sop_test_check(db);
    sop_test_content_compare(db, content, &reading);
    if (reading.errors + reading.wrong != 0)
        fail_msg("%s %s", reading.first_wrong, reading.first_error);
}

static void test_bytes_outside_the_map_mean_nothing(void **state)
{
    sop_test_place *place = *state;
    sop_test_place copy = {0};
    sop_test_content content;
    uint64_t seed = sop_test_seed(31);
    sop_test_rich_make(place);
    map m = map_of(place, &content);
    print_message("%zu ranges, %llu live bytes, %zu items; seed %llu\n", m.count,
                  (unsigned long long)m.bytes, content.items, (unsigned long long)seed);
    for (int read_only = 0; read_only < 2; read_only++) {
        sop_db_options options = SOP_DB_OPTIONS_INIT;
        options.read_only = read_only;
        copy_make(place, &copy);
        noise_everywhere(place, &m, &seed);
        compare_clean(sop_test_open(&copy, &options), &content);
        sop_test_close(&copy);
        /* It goes on as if nothing had happened. */
        compare_clean(sop_test_open(&copy, NULL), &content);
        (void)sop_test_create(copy.db, "afterwards", NULL);
        sop_test_close(&copy);
        compare_clean(sop_test_open(&copy, NULL), &content);
        sop_test_close(&copy);
    }
    sop_test_content_free(&content);
    free(m.ranges);
}

static void test_ranges_of_the_map_do_not_overlap_and_name_their_owner(void **state)
{
    sop_test_place *place = *state;
    sop_test_content content;
    sop_test_rich_make(place);
    map m = map_of(place, &content);
    static const char *const wanted[] = {"superblock",     "log header", "frame",
                                         "segment header", "node of",    "value of"};
    for (size_t k = 0; k < sizeof wanted / sizeof wanted[0]; k++) {
        size_t found = 0;
        for (size_t i = 0; i < m.count; i++)
            found += strncmp(m.ranges[i].owner, wanted[k], strlen(wanted[k])) == 0;
        if (found == 0) fail_msg("no range is owned by a %s", wanted[k]);
    }
    for (size_t i = 0; i < m.count; i++) {
        assert_true(m.ranges[i].length > 0);
        for (size_t j = 0; j < i; j++) {
            const range *a = &m.ranges[i];
            const range *b = &m.ranges[j];
            if (strcmp(a->file, b->file) != 0) continue;
            if (a->offset < b->offset + b->length && b->offset < a->offset + a->length)
                fail_msg("%s: %s and %s overlap", a->file, a->owner, b->owner);
        }
    }
    sop_test_content_free(&content);
    free(m.ranges);
}

/* ---- bits ---- */

typedef struct {
    const range *range;
    uint64_t offset;
    int bit;
} flip;

/* One half by bytes, the other by ranges, so that the small ones are met too. */
static flip flip_choose(const map *m, uint64_t *seed)
{
    flip f = {NULL, 0, (int)(sop_test_random(seed) % 8)};
    if (sop_test_random(seed) % 2 == 0) {
        f.range = &m->ranges[sop_test_random(seed) % m->count];
        f.offset = f.range->offset + sop_test_random(seed) % f.range->length;
        return f;
    }
    uint64_t at = sop_test_random(seed) % m->bytes;
    size_t i = 0;
    while (at >= m->ranges[i].length)
        at -= m->ranges[i++].length;
    f.range = &m->ranges[i];
    f.offset = f.range->offset + at;
    return f;
}

static void flip_write(const sop_test_place *place, const flip *f)
{
    char path[400];
    uint8_t byte;
    (void)snprintf(path, sizeof path, "%s/copy/%s", place->folder, f->range->file);
    int file = open(path, O_RDWR);
    assert_true(file >= 0);
    assert_int_equal(pread(file, &byte, 1, (off_t)f->offset), 1);
    byte = (uint8_t)(byte ^ (1u << f->bit));
    assert_int_equal(pwrite(file, &byte, 1, (off_t)f->offset), 1);
    assert_int_equal(close(file), 0);
}

typedef struct {
    int at_open;
    int by_check;
    int by_read;
    int silent;
    int wrong;
    int unnamed;
} tally;

static void tell(const flip *f, const char *what, const char *message)
{
    print_message("%s offset %llu bit %d (%s): %s: %s\n", f->range->file,
                  (unsigned long long)f->offset, f->bit, f->range->owner, what, message);
}

static void findings_note(sop_status status, const char *message, void *context)
{
    const char **file = context;
    (void)status;
    if (*file != NULL && strstr(message, *file) != NULL) *file = NULL;
}

static void
flip_judge(const sop_test_place *copy, const flip *f, const sop_test_content *content, tally *t)
{
    sop_error err = {0};
    sop_db *db;
    sop_db_options options = SOP_DB_OPTIONS_INIT;
    options.open_mode = SOP_OPEN_EXISTING;
    options.read_only = f->bit % 2;
    sop_status status = sop_db_open(copy->url, &options, &db, &err);
    if (status != SOP_OK) {
        t->at_open++;
        if (strstr(err.message, f->range->file) != NULL) return;
        t->unnamed++;
        tell(f, "open does not name the file", err.message);
        return;
    }
    const char *file = f->range->file;
    sop_check_options check = SOP_CHECK_OPTIONS_INIT;
    sop_check_report report = SOP_CHECK_REPORT_INIT;
    check.finding = findings_note;
    check.context = &file;
    sop_test_reading reading;
    status = sop_db_check(db, &check, &report, &err);
    sop_test_content_compare(db, content, &reading);
    if (status == SOP_CORRUPT && report.findings > 0) {
        t->by_check++;
        if (file != NULL) {
            t->unnamed++;
            tell(f, "check does not name the file", err.message);
        }
    } else {
        t->silent++;
        tell(f, "check found nothing", sop_status_name(status));
    }
    t->by_read += reading.errors != 0;
    if (reading.wrong != 0) {
        t->wrong++;
        tell(f, "a read gave something else without an error", reading.first_wrong);
    }
    /* Closing may fail, for the damage may be met there. */
    status = sop_db_close(db, &err);
    assert_int_not_equal(status, SOP_BUSY);
}

static void test_every_flipped_bit_is_named_and_no_read_is_wrong(void **state)
{
    sop_test_place *place = *state;
    sop_test_place copy = {0};
    sop_test_content content;
    uint64_t seed = sop_test_seed(32);
    int rounds = sop_test_soak() ? 3000 : 300;
    tally t = {0};
    sop_test_rich_make(place);
    map m = map_of(place, &content);
    print_message("%d flips, seed %llu (SOP_TEST_SEED)\n", rounds, (unsigned long long)seed);
    copy_make(place, &copy);
    for (int i = 0; i < rounds; i++) {
        flip f = flip_choose(&m, &seed);
        /* Opening writes, so a fresh copy each time. */
        copy_make(place, &copy);
        flip_write(place, &f);
        flip_judge(&copy, &f, &content, &t);
    }
    print_message("at open %d, by check %d (by a read too: %d), not at all %d, not named %d\n",
                  t.at_open, t.by_check, t.by_read, t.silent, t.unnamed);
    assert_int_equal(t.wrong, 0);
    assert_int_equal(t.silent, 0);
    assert_int_equal(t.unnamed, 0);
    sop_test_content_free(&content);
    free(m.ranges);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SOP_TEST_FOLDER(test_ranges_of_the_map_do_not_overlap_and_name_their_owner),
        SOP_TEST_FOLDER(test_bytes_outside_the_map_mean_nothing),
        SOP_TEST_FOLDER(test_every_flipped_bit_is_named_and_no_read_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
