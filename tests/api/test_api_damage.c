/* SPDX-License-Identifier: MIT */
/*
 * Databases that are foreign, damaged, out of reach or out of space: one line that names the object, nothing acknowledged lost,
 * reading goes on where it can, and writing goes on when there is room again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xxhash.h>

#include <cmocka.h>

#include "support/rich.h"
#include "support/support.h"

/* Opens what must not open. */
static void refused(const char *url, sop_status want, const char *named)
{
    for (int read_only = 0; read_only < 2; read_only++) {
        sop_error err = {0};
        sop_db_options options = SOP_DB_OPTIONS_INIT;
        options.open_mode = SOP_OPEN_EXISTING;
        options.read_only = read_only;
        sop_db *db = NULL;
        sop_status status = sop_db_open(url, &options, &db, &err);
        if (status != want) fail_msg("%s: %s (%s)", url, sop_status_name(status), err.message);
        assert_null(db);
        sop_test_message(&err, want, named);
    }
}

static void put_number(sop_db *db, uint32_t i)
{
    sop_txn *txn = sop_test_begin(db, SOP_TXN_WRITE);
    sop_store *store = sop_test_store(txn, "s");
    SOP_TEST_OK(txn, sop_store_put(store, (sop_slice){&i, 4}, (sop_slice){&i, 4}));
    sop_test_commit(txn);
}

static void simple_make(sop_test_place *place)
{
    sop_db *db = sop_test_open(place, NULL);
    (void)sop_test_create(db, "s", NULL);
    for (uint32_t i = 0; i < 100; i++)
        put_number(db, i);
    sop_test_close(place);
}

/* ---- what is not a database ---- */

static void superblock_set(const sop_test_place *place, size_t at, uint8_t byte)
{
    uint8_t block[4096];
    char path[128];
    (void)snprintf(path, sizeof path, "%s/db/SOP", place->folder);
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    assert_int_equal(fread(block, 1, sizeof block, file), sizeof block);
    block[at] = byte;
    uint64_t sum = XXH3_64bits(block, sizeof block - 8);
    memcpy(block + sizeof block - 8, &sum, 8);
    rewind(file);
    assert_int_equal(fwrite(block, 1, sizeof block, file), sizeof block);
    assert_int_equal(fclose(file), 0);
}

static void test_an_unknown_format_version_is_refused_by_number(void **state)
{
    sop_test_place *place = *state;
    simple_make(place);
    superblock_set(place, 8, 9);
    refused(place->url, SOP_UNSUPPORTED, "format version 9");
    /* A newer minor version is readable by promise of the format. */
    superblock_set(place, 8, 1);
    superblock_set(place, 12, 7);
    (void)sop_test_open(place, NULL);
    sop_test_close(place);
}

static void test_foreign_files_and_folders_are_left_alone(void **state)
{
    sop_test_place *place = *state;
    char url[128];
    sop_test_shell("cd %s && echo hello >text && mkdir full empty && echo x >full/notes.txt && "
                   "mkdir fake && printf 'not a superblock' >fake/SOP",
                   place->folder);
    (void)snprintf(url, sizeof url, "%s/fake", place->folder);
    refused(url, SOP_CORRUPT, "fake");
    (void)snprintf(url, sizeof url, "%s/empty", place->folder);
    refused(url, SOP_NOT_FOUND, "empty");
    static const char *const occupied[] = {"text", "full"};
    for (size_t i = 0; i < 2; i++) {
        sop_error err = {0};
        sop_db *db;
        (void)snprintf(url, sizeof url, "%s/%s", place->folder, occupied[i]);
        sop_status status = sop_db_open(url, NULL, &db, &err);
        if (status == SOP_OK) fail_msg("%s became a database", url);
        sop_test_message(&err, status, occupied[i]);
    }
    sop_test_shell("cd %s && test \"$(cat text)\" = hello && test \"$(ls full)\" = notes.txt",
                   place->folder);
    sop_error err = {0};
    sop_db *db;
    (void)snprintf(url, sizeof url, "%s/no/such/folder", place->folder);
    sop_status status = sop_db_open(url, NULL, &db, &err);
    assert_int_not_equal(status, SOP_OK);
    sop_test_message(&err, status, "no/such");
}

/* ---- files that are missing or cut ---- */

/* Opens, checks and reads; true when anything complained with a message that names the file. */
static int complains(const sop_test_place *copy, const sop_test_content *content, const char *file)
{
    sop_error err = {0};
    sop_db *db;
    sop_db_options options = SOP_DB_OPTIONS_INIT;
    options.open_mode = SOP_OPEN_EXISTING;
    sop_status status = sop_db_open(copy->url, &options, &db, &err);
    if (status != SOP_OK) {
        if (status != SOP_CORRUPT && status != SOP_NOT_FOUND)
            fail_msg("%s: %s (%s)", file, sop_status_name(status), err.message);
        sop_test_message(&err, status, file);
        return 1;
    }
    sop_check_report report = SOP_CHECK_REPORT_INIT;
    sop_test_reading reading;
    status = sop_db_check(db, NULL, &report, &err);
    int named = status == SOP_CORRUPT && strstr(err.message, file) != NULL;
    if (status == SOP_CORRUPT && !named) print_message("%s: %s\n", file, err.message);
    sop_test_content_compare(db, content, &reading);
    if (reading.wrong != 0) fail_msg("%s: wrong data: %s", file, reading.first_wrong);
    assert_int_not_equal(sop_db_close(db, &err), SOP_BUSY);
    return named;
}

static void each_file(sop_test_place *place, const char *damage, const char *what)
{
    sop_test_place copy = {0};
    sop_test_content content;
    char command[200];
    char name[256];
    sop_test_rich_make(place);
    (void)snprintf(copy.url, sizeof copy.url, "file:%s/copy", place->folder);
    sop_db_options options = SOP_DB_OPTIONS_INIT;
    options.read_only = 1;
    sop_test_content_read(sop_test_open(place, &options), &content);
    sop_test_close(place);
    (void)snprintf(command, sizeof command, "cd %s/db && find SOP log seg head -type f",
                   place->folder);
    FILE *list = popen(command, "r");
    assert_non_null(list);
    while (fgets(name, sizeof name, list) != NULL) {
        name[strcspn(name, "\n")] = '\0';
        if (strncmp(name, "head", 4) == 0 && strncmp(what, "missing", 7) != 0) continue;
        sop_test_shell("cd %s && rm -rf copy && cp -r db copy && f=copy/%s && %s", place->folder,
                       name, damage);
        const char *named = strncmp(name, "head", 4) == 0 ? "head" : name;
        if (!complains(&copy, &content, named)) fail_msg("%s %s went unnoticed", what, name);
    }
    assert_int_equal(pclose(list), 0);
    sop_test_content_free(&content);
}

static void test_a_missing_file_is_named(void **state)
{
    each_file(*state, "rm $f", "missing");
}

static void test_an_empty_file_is_named(void **state)
{
    each_file(*state, ": >$f", "empty");
}

static void test_a_file_cut_in_its_header_is_named(void **state)
{
    each_file(*state, "truncate -s 1000 $f", "cut");
}

static void test_a_file_of_noise_is_named(void **state)
{
    each_file(*state, "head -c $(stat -c %s $f) /dev/urandom >copy.new && mv copy.new $f",
              "noise in");
}

/* ---- permissions and media ---- */

/* Runs as nobody; the child says by its exit status what happened. */
static int as_nobody(int (*fn)(const sop_test_place *), const sop_test_place *place)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (setgid(65534) != 0 || setuid(65534) != 0) _exit(99);
        _exit(fn(place));
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int open_refused_by_permissions(const sop_test_place *place)
{
    sop_error err = {0};
    sop_db *db;
    sop_status status = sop_db_open(place->url, NULL, &db, &err);
    if (status == SOP_OK) return 1;
    if (err.message[0] == '\0' || strchr(err.message, '\n') != NULL) return 2;
    if (strstr(err.message, "db") == NULL) return 3;
    (void)fprintf(stderr, "%s: %s\n", sop_status_name(status), err.message);
    return status == SOP_IO || status == SOP_READ_ONLY ? 0 : 4;
}

static int reads_what_it_may_not_write(const sop_test_place *place)
{
    sop_error err = {0};
    sop_db *db;
    sop_txn *txn;
    sop_store *store;
    sop_slice value;
    uint32_t i = 7;
    if (sop_db_open(place->url, NULL, &db, &err) != SOP_OK) {
        (void)fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    if (sop_txn_begin(db, SOP_TXN_WRITE, &txn, &err) != SOP_READ_ONLY) return 2;
    if (sop_txn_begin(db, SOP_TXN_READ, &txn, &err) != SOP_OK) return 3;
    if (sop_store_open(txn, "s", &store) != SOP_OK) return 4;
    if (sop_store_get(store, (sop_slice){&i, 4}, &value) != SOP_OK || value.size != 4) return 5;
    sop_txn_close(txn);
    return sop_db_close(db, &err) == SOP_OK ? 0 : 6;
}

static void test_wrong_permissions_are_told_and_readable_files_are_read(void **state)
{
    sop_test_place *place = *state;
    if (geteuid() != 0) {
        print_message("skipped: needs root to become somebody else\n");
        skip();
    }
    simple_make(place);
    sop_test_shell("chmod 755 %s && chmod -R go+rX-w %s/db", place->folder, place->folder);
    assert_int_equal(as_nobody(reads_what_it_may_not_write, place), 0);
    static const char *const locked[] = {"db", "db/SOP", "db/log", "db/head", "db/log/*"};
    for (size_t i = 0; i < sizeof locked / sizeof locked[0]; i++) {
        sop_test_shell("chmod go-rwx %s/%s", place->folder, locked[i]);
        assert_int_equal(as_nobody(open_refused_by_permissions, place), 0);
        sop_test_shell("chmod -R go+rX %s/db", place->folder);
    }
    (void)sop_test_open(place, NULL);
    sop_test_check(place->db);
    sop_test_close(place);
}

static int mount_on(const char *folder, const char *how)
{
    char command[300];
    (void)snprintf(command, sizeof command, "mkdir -p %s && mount %s %s 2>/dev/null", folder, how,
                   folder);
    return geteuid() == 0 && system(command) == 0;
}

static void test_a_read_only_medium_is_read(void **state)
{
    sop_test_place *place = *state;
    char medium[100];
    char how[200];
    simple_make(place);
    (void)snprintf(medium, sizeof medium, "%s/medium", place->folder);
    (void)snprintf(how, sizeof how, "--bind %s/db", place->folder);
    if (!mount_on(medium, how)) {
        print_message("skipped: cannot mount here\n");
        skip();
    }
    sop_test_shell("mount -o remount,ro,bind %s", medium);
    sop_test_place other = {0};
    (void)snprintf(other.url, sizeof other.url, "file:%s", medium);
    int result = reads_what_it_may_not_write(&other);
    char url[200];
    sop_error err = {0};
    sop_db *db;
    (void)snprintf(url, sizeof url, "file:%s/new", medium);
    sop_status status = sop_db_open(url, NULL, &db, &err);
    sop_test_shell("umount %s", medium);
    assert_int_equal(result, 0);
    assert_int_equal(status, SOP_READ_ONLY);
    sop_test_message(&err, status, "new");
}

/* ---- a full medium ---- */

enum { VALUE = 20000 };

static sop_status fill_one(sop_db *db, uint32_t i, sop_error *err)
{
    static uint8_t bytes[VALUE];
    sop_txn *txn;
    sop_store *store;
    /* Small and large values by turns: log and segments both run into the wall. */
    sop_slice value = {bytes, i % 4 == 0 ? VALUE : 1500};
    sop_status status = sop_txn_begin(db, SOP_TXN_WRITE, &txn, err);
    if (status != SOP_OK) return status;
    status = sop_store_open(txn, "s", &store);
    if (status == SOP_OK) status = sop_store_put(store, (sop_slice){&i, sizeof i}, value);
    if (status == SOP_OK) status = sop_txn_commit(txn);
    if (status != SOP_OK) *err = *sop_txn_error(txn);
    sop_txn_close(txn);
    return status;
}

static void all_there(sop_db *db, uint32_t from, uint32_t to)
{
    sop_txn *txn = sop_test_begin(db, SOP_TXN_READ);
    sop_store *store = sop_test_store(txn, "s");
    for (uint32_t i = from; i < to; i++) {
        sop_slice value;
        SOP_TEST_OK(txn, sop_store_get(store, (sop_slice){&i, sizeof i}, &value));
        assert_int_equal(value.size, i % 4 == 0 ? VALUE : 1500);
    }
    sop_txn_close(txn);
}

static uint32_t fill_up(sop_db *db, uint32_t from)
{
    sop_error err = {0};
    uint32_t i = from;
    sop_status status = SOP_OK;
    for (; i < 100000 && status == SOP_OK; i++)
        status = fill_one(db, i, &err);
    sop_test_message(&err, SOP_FULL, NULL);
    print_message("full after %u commits: %s\n", i - 1, err.message);
    return i - 1;
}

static void full_disk(const char *medium)
{
    sop_test_place disk = {0};
    sop_error err = {0};
    (void)snprintf(disk.url, sizeof disk.url, "file:%s/db", medium);
    sop_test_shell("head -c 2000000 /dev/zero >%s/ballast", medium);
    sop_db *db = sop_test_open(&disk, NULL);
    (void)sop_test_create(db, "s", NULL);
    uint32_t count = fill_up(db, 0);
    assert_true(count > 100);
    all_there(db, 0, count);
    /* More of the same, and a checkpoint: refused, and nothing gets worse. */
    for (uint32_t i = 0; i < 3; i++)
        assert_int_not_equal(fill_one(db, 200000, &err), SOP_OK);
    sop_status status = sop_db_checkpoint(db, &err);
    if (status != SOP_OK) sop_test_message(&err, SOP_FULL, NULL);
    all_there(db, 0, count);
    sop_test_shell("rm %s/ballast", medium);
    /* There is room again: the same handle writes on. */
    for (uint32_t i = 0; i < 20; i++) {
        status = fill_one(db, count + i, &err);
        if (status != SOP_OK) fail_msg("not resumed: %s %s", sop_status_name(status), err.message);
    }
    all_there(db, 0, count + 20);
    sop_test_check(db);
    sop_test_close(&disk);
    (void)sop_test_open(&disk, NULL);
    all_there(disk.db, 0, count + 20);
    count = fill_up(disk.db, count + 20);
    /* Closing needs no room: the log has all. */
    sop_test_close(&disk);
    /* A full disk is opened and read. */
    sop_db_options options = SOP_DB_OPTIONS_INIT;
    options.read_only = 1;
    (void)sop_test_open(&disk, &options);
    all_there(disk.db, 0, count);
    sop_test_check(disk.db);
    sop_test_close(&disk);
}

static void test_a_full_disk_loses_nothing_and_writes_resume(void **state)
{
    sop_test_place *place = *state;
    char medium[100];
    (void)snprintf(medium, sizeof medium, "%s/medium", place->folder);
    if (!mount_on(medium, "-t tmpfs -o size=24m none")) {
        print_message("skipped: cannot mount a small file system here\n");
        skip();
    }
    full_disk(medium);
    sop_test_shell("umount %s", medium);
}

/* A failed test must not leave a mount behind. */
static int place_unmount(void **state)
{
    const sop_test_place *place = *state;
    char command[200];
    (void)snprintf(command, sizeof command, "umount -l %s/medium 2>/dev/null || true",
                   place->folder);
    int result = system(command);
    return sop_test_place_remove(state) + result;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SOP_TEST_FOLDER(test_an_unknown_format_version_is_refused_by_number),
        SOP_TEST_FOLDER(test_foreign_files_and_folders_are_left_alone),
        SOP_TEST_FOLDER(test_a_missing_file_is_named),
        SOP_TEST_FOLDER(test_an_empty_file_is_named),
        SOP_TEST_FOLDER(test_a_file_cut_in_its_header_is_named),
        SOP_TEST_FOLDER(test_a_file_of_noise_is_named),
        SOP_TEST_FOLDER(test_wrong_permissions_are_told_and_readable_files_are_read),
        {"test_a_read_only_medium_is_read", test_a_read_only_medium_is_read, sop_test_place_folder,
         place_unmount, NULL},
        {"test_a_full_disk_loses_nothing_and_writes_resume",
         test_a_full_disk_loses_nothing_and_writes_resume, sop_test_place_folder, place_unmount,
         NULL},
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
