/* SPDX-License-Identifier: MIT */
/* What is special about a database in a folder: what lies in it, what lies beside it, what the
 * medium refuses. */
#define _GNU_SOURCE 1
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "backend/backend.h"
#include "backend/backend_file.h"
#include "util/memory.h"

#define OK(call) assert_int_equal((call), SOP_OK)

/* The temporary folder of the test that runs. */
static char folder[64];

static int setup(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof folder, "/tmp/sop-file-XXXXXX");
    return mkdtemp(folder) == NULL;
}

static int teardown(void **state)
{
    char command[256];
    (void)state;
    (void)snprintf(command, sizeof command, "chmod -R u+rwX '%s'; rm -rf '%s'", folder, folder);
    return system(command);
}

static const char *in_folder(const char *name)
{
    static char paths[4][512];
    static unsigned next;
    char *path = paths[next++ % 4];
    (void)snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static int is_there(const char *name)
{
    struct stat info;
    return lstat(in_folder(name), &info) == 0;
}

static void run(const char *format, const char *name)
{
    char command[700];
    (void)snprintf(command, sizeof command, "cd '%s' && ", folder);
    size_t used = strlen(command);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    (void)snprintf(command + used, sizeof command - used, format, name);
#pragma GCC diagnostic pop
    assert_int_equal(system(command), 0);
}

static unsigned entries_in(const char *path)
{
    char command[600];
    unsigned count = 0;
    (void)snprintf(command, sizeof command, "ls -A '%s' | wc -l", path);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    assert_int_equal(fscanf(pipe, "%u", &count), 1);
    assert_int_equal(pclose(pipe), 0);
    return count;
}

static void put(sop_backend *b, const char *name, const char *text)
{
    sop_file *f = NULL;
    OK(sop_file_open(b, name, SOP_FILE_CREATE | SOP_FILE_WRITE, &f, NULL));
    OK(sop_file_write(f, 0, text, strlen(text), NULL));
    sop_file_close(f);
}

static sop_backend *begin(const char *path)
{
    sop_backend *b = NULL;
    sop_error err = {0};
    if (sop_backend_file_open(path, SOP_BACKEND_NEW, 0, 0, &b, &err) != SOP_OK)
        fail_msg("%s", err.message);
    put(b, "SOP", "superblock");
    return b;
}

static void create(const char *path)
{
    sop_backend *b = begin(path);
    OK(b->ops->publish(b, NULL));
    b->ops->free(b);
}

static sop_backend *existing(const char *path, int read_only)
{
    sop_backend *b = NULL;
    sop_error err = {0};
    if (sop_backend_file_open(path, SOP_BACKEND_EXISTING, read_only, 0, &b, &err) != SOP_OK) {
        fail_msg("%s", err.message);
    }
    return b;
}

static void expect_refusal(const char *path, int how, sop_status status, const char *words)
{
    sop_backend *b = NULL;
    sop_error err = {0};
    assert_int_equal(sop_backend_file_open(path, how, 0, 0, &b, &err), status);
    assert_null(b);
    assert_int_equal(err.status, status);
    if (strstr(err.message, words) == NULL) fail_msg("\"%s\" lacks \"%s\"", err.message, words);
    if (path[0] != '\0' && strstr(err.message, path) == NULL)
        fail_msg("\"%s\" lacks the path", err.message);
}

/* ---- file systems ---- */

static void test_local_file_systems_are_accepted(void **state)
{
    static const uint32_t types[] = {0xef53,     0x58465342, 0x9123683e, 0xf2f52010,
                                     0x2fc12fc1, 0x01021994, 0x794c7630};
    (void)state;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        OK(sop_backend__fs_judge(types[i], "/x", 0, NULL));
    }
}

static void test_other_file_systems_need_consent(void **state)
{
    static const struct {
        uint32_t type;
        const char *words;
    } rows[] = {{0x6969, "network file system (nfs"},
                {0x517b, "network file system (smb"},
                {0xff534d42, "network file system (cifs"},
                {0xfe534d42, "network file system (smb2"},
                {0x65735546, "local=yes"},
                {0x4d44, "vfat"},
                {0xdeadbeef, "unknown, type 0xdeadbeef"}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        sop_error err = {0};
        assert_int_equal(sop_backend__fs_judge(rows[i].type, "/data/x", 0, &err), SOP_UNSUPPORTED);
        assert_non_null(strstr(err.message, rows[i].words));
        assert_non_null(strstr(err.message, "/data/x"));
        OK(sop_backend__fs_judge(rows[i].type, "/data/x", 1, &err));
    }
}

static void test_a_real_foreign_file_system_is_refused(void **state)
{
    sop_backend *b = NULL;
    sop_error err = {0};
    (void)state;
    /* /proc is no place for files on any machine. */
    assert_int_equal(sop_backend_file_open("/proc/self/db", SOP_BACKEND_NEW, 0, 0, &b, &err),
                     SOP_UNSUPPORTED);
    assert_non_null(strstr(err.message, "0x9fa0"));
}

/* ---- folders that are no database ---- */

static void test_what_is_no_database_is_not_found(void **state)
{
    (void)state;
    expect_refusal(in_folder("none"), SOP_BACKEND_EXISTING, SOP_NOT_FOUND, "no database there");
    expect_refusal(in_folder("none/db"), SOP_BACKEND_EXISTING, SOP_NOT_FOUND, "no database there");
    run("mkdir %s", "empty");
    expect_refusal(in_folder("empty"), SOP_BACKEND_EXISTING, SOP_NOT_FOUND, "empty");
    run("mkdir other && touch other/%s", "notes.txt");
    expect_refusal(in_folder("other"), SOP_BACKEND_EXISTING, SOP_NOT_FOUND, "not a SOP database");
    run("touch %s", "plain");
    expect_refusal(in_folder("plain"), SOP_BACKEND_EXISTING, SOP_NOT_FOUND, "not a folder");
    expect_refusal("", SOP_BACKEND_EXISTING, SOP_INVALID, "empty");
    assert_false(is_there("none"));
    assert_int_equal(entries_in(in_folder("empty")), 0);
    assert_int_equal(entries_in(in_folder("other")), 1);
}

static void test_a_missing_folder_inside_is_corrupt(void **state)
{
    (void)state;
    create(in_folder("db"));
    run("rmdir db/%s", "seg");
    expect_refusal(in_folder("db"), SOP_BACKEND_EXISTING, SOP_CORRUPT, "seg is missing");
}

static void test_something_else_than_a_file_is_no_endless_wait(void **state)
{
    sop_file *f = NULL;
    (void)state;
    create(in_folder("db"));
    run("mkfifo db/log/%s", "pipe && mkdir db/log/folder && ln -s /etc/hostname db/log/.link");
    sop_backend *b = existing(in_folder("db"), 0);
    assert_int_equal(sop_file_open(b, "log/pipe", 0, &f, NULL), SOP_CORRUPT);
    assert_int_equal(sop_file_open(b, "log/pipe", SOP_FILE_WRITE, &f, NULL), SOP_CORRUPT);
    assert_int_not_equal(sop_file_open(b, "log/folder", 0, &f, NULL), SOP_OK);
    assert_null(f);
    b->ops->free(b);
}

static sop_status count_names(const char *name, uint64_t size, void *context)
{
    (void)name;
    (void)size;
    ++*(unsigned *)context;
    return SOP_OK;
}

static void test_listing_passes_over_what_is_not_ours(void **state)
{
    unsigned count = 0;
    (void)state;
    create(in_folder("db"));
    run("cd db/seg && mkdir folder && mkfifo pipe && touch .hidden 'a b' %s", "a.1~ ok.1 ok.2");
    sop_backend *b = existing(in_folder("db"), 0);
    OK(b->ops->list(b, "seg", count_names, &count, NULL));
    assert_int_equal(count, 2);
    b->ops->free(b);
}

/* ---- creation ---- */

static void test_creation_refuses_what_is_there(void **state)
{
    (void)state;
    create(in_folder("db"));
    expect_refusal(in_folder("db"), SOP_BACKEND_NEW, SOP_EXISTS, "a database is there");
    run("mkdir other && touch other/%s", "notes.txt");
    expect_refusal(in_folder("other"), SOP_BACKEND_NEW, SOP_EXISTS, "not empty");
    run("touch %s", "plain");
    expect_refusal(in_folder("plain"), SOP_BACKEND_NEW, SOP_EXISTS, "file of that name");
    expect_refusal(in_folder("no/parent"), SOP_BACKEND_NEW, SOP_NOT_FOUND, "parent");
    expect_refusal("/", SOP_BACKEND_NEW, SOP_INVALID, "root folder");
    assert_int_equal(entries_in(folder), 3);
}

static void test_creation_uses_an_empty_folder_and_keeps_its_mode(void **state)
{
    struct stat info;
    (void)state;
    run("mkdir -m 0710 %s", "db");
    create(in_folder("db"));
    assert_int_equal(stat(in_folder("db"), &info), 0);
    assert_int_equal(info.st_mode & 07777, 0710);
    assert_int_equal(entries_in(in_folder("db")), 4);
    assert_int_equal(entries_in(folder), 1);
}

static void test_creation_takes_every_way_to_write_a_path(void **state)
{
    char here[512];
    (void)state;
    assert_non_null(getcwd(here, sizeof here));
    run("mkdir target dot && ln -s target %s", "link");
    create(in_folder("slashes///"));
    create(in_folder("link"));
    assert_true(is_there("target/SOP"));
    assert_int_equal(chdir(folder), 0);
    create("relative");
    assert_int_equal(chdir("dot"), 0);
    create(".");
    assert_int_equal(chdir(here), 0);
    assert_true(is_there("slashes/SOP"));
    assert_true(is_there("relative/SOP"));
    assert_true(is_there("dot/SOP"));
    sop_backend *b = existing(in_folder("link"), 0);
    b->ops->free(b);
}

static void test_a_long_name_still_finds_room_beside_it(void **state)
{
    char name[256] = {0};
    (void)state;
    memset(name, 'n', 255);
    create(in_folder(name));
    sop_backend *b = existing(in_folder(name), 0);
    b->ops->free(b);
    assert_int_equal(entries_in(folder), 1);
}

static void test_the_folder_under_construction_is_beside_and_removed(void **state)
{
    (void)state;
    sop_backend *b = begin(in_folder("db"));
    put(b, "log/a", "x");
    put(b, "seg/b", "x");
    put(b, "head/c", "x");
    OK(b->ops->lock(b, 0, 1, 0, NULL));
    assert_false(is_there("db"));
    assert_int_equal(entries_in(folder), 1);
    b->ops->free(b);
    assert_int_equal(entries_in(folder), 0);
}

static void test_publishing_never_replaces_what_came_meanwhile(void **state)
{
    static const char *const came[] = {"mkdir db && touch db/%s", "touch db; : %s"};
    (void)state;
    for (size_t i = 0; i < sizeof came / sizeof came[0]; i++) {
        sop_error err = {0};
        sop_backend *b = begin(in_folder("db"));
        run(came[i], "theirs");
        assert_int_equal(b->ops->publish(b, &err), SOP_EXISTS);
        b->ops->free(b);
        assert_int_equal(entries_in(folder), 1);
        run("rm -r %s", "db");
    }
}

static void test_working_folder_may_change_while_building(void **state)
{
    char here[512];
    (void)state;
    assert_non_null(getcwd(here, sizeof here));
    assert_int_equal(chdir(folder), 0);
    sop_backend *b = begin("db");
    assert_int_equal(chdir("/"), 0);
    OK(b->ops->publish(b, NULL));
    put(b, "log/a", "x");
    b->ops->free(b);
    assert_int_equal(chdir(here), 0);
    assert_true(is_there("db/log/a"));
}

/* ---- read only ---- */

static void expect_no_writing(sop_backend *b)
{
    sop_file *f = NULL;
    void *page = NULL;
    void *map = NULL;
    assert_int_equal(b->read_only, 1);
    assert_int_equal(sop_file_open(b, "log/n", SOP_FILE_CREATE, &f, NULL), SOP_READ_ONLY);
    assert_int_equal(sop_file_open(b, "SOP", SOP_FILE_WRITE, &f, NULL), SOP_READ_ONLY);
    assert_int_equal(b->ops->remove(b, "SOP", NULL), SOP_READ_ONLY);
    assert_int_equal(b->ops->head_swap(b, "a", "b", NULL), SOP_READ_ONLY);
    assert_int_equal(b->ops->folder_sync(b, "log", NULL), SOP_READ_ONLY);
    assert_int_equal(b->ops->lock(b, 0, 1, 0, NULL), SOP_READ_ONLY);
    b->ops->unlock(b, 0);
    assert_int_equal(b->ops->shared_page(b, 4096, &page, NULL), SOP_READ_ONLY);
    OK(sop_file_open(b, "SOP", 0, &f, NULL));
    OK(sop_file_map(f, 10, 0, &map, NULL));
    assert_memory_equal(map, "superblock", 10);
    b->ops->file_unmap(b, map, 10);
    sop_file_close(f);
}

static void test_a_read_only_handle_creates_nothing(void **state)
{
    sop_backend *none = NULL;
    (void)state;
    create(in_folder("db"));
    sop_backend *b = existing(in_folder("db"), 1);
    expect_no_writing(b);
    assert_int_equal(b->ops->lock_held(b, 0), 0);
    assert_int_equal(entries_in(in_folder("db")), 4);
    sop_backend *writer = existing(in_folder("db"), 0);
    OK(writer->ops->lock(writer, 0, 1, 0, NULL));
    assert_int_equal(b->ops->lock_held(b, 0), 1);
    writer->ops->free(writer);
    assert_int_equal(b->ops->lock_held(b, 0), 0);
    b->ops->free(b);
    assert_int_equal(sop_backend_file_open(in_folder("x"), SOP_BACKEND_NEW, 1, 0, &none, NULL),
                     SOP_READ_ONLY);
}

/* Runs the body as an ordinary user when the tests run as root: root may write everywhere. */
static void test_a_folder_without_permission_is_read_only(void **state)
{
    (void)state;
    create(in_folder("db"));
    run("chmod -R a-w %s && chmod 755 .", "db");
    int was_root = geteuid() == 0;
    if (was_root) assert_int_equal(seteuid(65534), 0);
    sop_backend *b = NULL;
    sop_status status =
        sop_backend_file_open(in_folder("db"), SOP_BACKEND_EXISTING, 0, 0, &b, NULL);
    if (status == SOP_OK) {
        expect_no_writing(b);
        b->ops->free(b);
    }
    sop_status created = SOP_OK;
    if (was_root)
        created = sop_backend_file_open(in_folder("new"), SOP_BACKEND_NEW, 0, 0, &b, NULL);
    if (was_root) assert_int_equal(seteuid(0), 0);
    OK(status);
    if (was_root) assert_int_equal(created, SOP_READ_ONLY);
}

/* ---- processes ---- */

/* Runs fn in a child process that is then killed; ready tells when fn is through. */
static pid_t child_start(void (*fn)(const char *path, int ready), const char *path)
{
    int ends[2];
    char byte = 0;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        fn(path, ends[1]);
        for (;;)
            (void)pause();
    }
    (void)close(ends[1]);
    assert_int_equal(read(ends[0], &byte, 1), 1);
    (void)close(ends[0]);
    return child;
}

static void child_kill(pid_t child)
{
    int status = 0;
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
}

/* Nothing here may assert: a failing child would run the rest of the tests. It says so by closing the pipe unwritten. */
static void child_holds(const char *path, int ready)
{
    sop_backend *b = NULL;
    void *page = NULL;
    if (sop_backend_file_open(path, SOP_BACKEND_EXISTING, 0, 0, &b, NULL) != SOP_OK) _exit(1);
    if (b->ops->lock(b, 0, 1, 0, NULL) != SOP_OK) _exit(1);
    if (b->ops->shared_page(b, 4096, &page, NULL) != SOP_OK) _exit(1);
    memcpy(page, "from the child", 14);
    if (write(ready, "r", 1) != 1) _exit(1);
}

static void test_a_killed_process_frees_its_locks(void **state)
{
    void *page = NULL;
    (void)state;
    create(in_folder("db"));
    sop_backend *b = existing(in_folder("db"), 0);
    pid_t child = child_start(child_holds, in_folder("db"));
    assert_int_equal(b->ops->lock_held(b, 0), 1);
    assert_int_equal(b->ops->lock(b, 0, 1, 0, NULL), SOP_BUSY);
    child_kill(child);
    assert_int_equal(b->ops->lock_held(b, 0), 0);
    OK(b->ops->lock(b, 0, 1, 0, NULL));
    OK(b->ops->shared_page(b, 4096, &page, NULL));
    assert_memory_equal(page, "from the child", 14);
    b->ops->free(b);
}

static void test_no_descriptor_is_inherited_by_programs(void **state)
{
    void *page = NULL;
    sop_file *f = NULL;
    unsigned flagged = 0;
    int before[256];
    (void)state;
    create(in_folder("db"));
    for (int fd = 0; fd < 256; fd++)
        before[fd] = fcntl(fd, F_GETFD);
    sop_backend *b = existing(in_folder("db"), 0);
    sop_backend *building = begin(in_folder("db2"));
    OK(b->ops->lock(b, 0, 1, 0, NULL));
    OK(b->ops->shared_page(b, 4096, &page, NULL));
    OK(sop_file_open(b, "log/a", SOP_FILE_CREATE | SOP_FILE_WRITE | SOP_FILE_DIRECT, &f, NULL));
    for (int fd = 0; fd < 256; fd++) {
        int flags = fcntl(fd, F_GETFD);
        if (before[fd] >= 0 || flags < 0) continue;
        assert_true((flags & FD_CLOEXEC) != 0);
        flagged++;
    }
    assert_true(flagged >= 10);
    sop_file_close(f);
    building->ops->free(building);
    b->ops->free(b);
    for (int fd = 0; fd < 256; fd++) {
        assert_int_equal(fcntl(fd, F_GETFD) < 0, before[fd] < 0);
    }
}

static void test_a_file_larger_than_the_medium_allows_is_too_large(void **state)
{
    sop_file *f = NULL;
    sop_error err = {0};
    struct rlimit old;
    (void)state;
    create(in_folder("db"));
    sop_backend *b = existing(in_folder("db"), 0);
    OK(sop_file_open(b, "log/a", SOP_FILE_CREATE, &f, NULL));
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    struct rlimit small = {4096, old.rlim_max};
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    sop_status status = sop_file_write(f, 4096, "x", 1, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    (void)signal(SIGXFSZ, handler);
    assert_int_equal(status, SOP_TOO_LARGE);
    assert_non_null(strstr(err.message, "log/a"));
    sop_file_close(f);
    b->ops->free(b);
}

/* ---- media made for a test ---- */

static int mount_tmpfs(const char *name, const char *options)
{
    run("mkdir %s", name);
    if (mount("tmpfs", in_folder(name), "tmpfs", 0, options) == 0) return 1;
    print_message("not run: mounting a tmpfs is not allowed here (%s)\n", strerror(errno));
    return 0;
}

static void test_a_full_medium_is_reported_and_recovers(void **state)
{
    static uint8_t block[65536];
    (void)state;
    if (!mount_tmpfs("small", "size=1m")) skip();
    sop_backend *b = begin(in_folder("small/db"));
    sop_file *f = NULL;
    sop_error err = {0};
    sop_status status = SOP_OK;
    uint64_t at = 0;
    assert_in_range(b->ops->space_free(b), 1, 1u << 20);
    OK(sop_file_open(b, "log/a", SOP_FILE_CREATE | SOP_FILE_WRITE, &f, NULL));
    for (; status == SOP_OK && at < (2u << 20); at += sizeof block) {
        memset(block, (int)(at >> 16), sizeof block);
        status = sop_file_write(f, at, block, sizeof block, &err);
    }
    assert_int_equal(status, SOP_FULL);
    assert_non_null(strstr(err.message, "log/a"));
    assert_non_null(strstr(err.message, "offset"));
    assert_true(b->ops->space_free(b) < sizeof block);
    for (uint64_t i = 0; i + 2 * sizeof block <= at; i += sizeof block) {
        uint8_t byte = 0;
        OK(sop_file_read_exact(f, i, &byte, 1, NULL));
        assert_int_equal(byte, i >> 16);
    }
    sop_file_close(f);
    OK(b->ops->remove(b, "log/a", NULL));
    put(b, "log/b", "fits again");
    OK(b->ops->publish(b, NULL));
    b->ops->free(b);
    assert_int_equal(umount(in_folder("small")), 0);
}

static void test_a_page_that_finds_no_room_is_an_error_not_a_signal(void **state)
{
    void *page = NULL;
    (void)state;
    if (!mount_tmpfs("small", "size=64k")) skip();
    sop_backend *b = begin(in_folder("small/db"));
    assert_int_equal(b->ops->shared_page(b, 1u << 20, &page, NULL), SOP_FULL);
    assert_null(page);
    OK(b->ops->shared_page(b, 4096, &page, NULL));
    b->ops->free(b);
    assert_int_equal(umount(in_folder("small")), 0);
}

static void test_a_read_only_medium_can_be_read(void **state)
{
    (void)state;
    if (!mount_tmpfs("medium", "size=1m")) skip();
    create(in_folder("medium/db"));
    assert_int_equal(
        mount("tmpfs", in_folder("medium"), "tmpfs", MS_REMOUNT | MS_RDONLY, "size=1m"), 0);
    sop_backend *b = existing(in_folder("medium/db"), 0);
    expect_no_writing(b);
    b->ops->free(b);
    expect_refusal(in_folder("medium/new"), SOP_BACKEND_NEW, SOP_READ_ONLY, "beside it");
    assert_int_equal(umount(in_folder("medium")), 0);
}

static void test_a_mount_point_is_named_as_such(void **state)
{
    (void)state;
    if (!mount_tmpfs("volume", "size=1m")) skip();
    expect_refusal(in_folder("volume"), SOP_BACKEND_NEW, SOP_UNSUPPORTED, "mount point");
    create(in_folder("volume/db"));
    assert_int_equal(umount(in_folder("volume")), 0);
}

static void test_a_folder_removed_under_us_is_an_error(void **state)
{
    sop_file *f = NULL;
    sop_error err = {0};
    (void)state;
    sop_backend *b = begin(in_folder("db"));
    OK(b->ops->publish(b, NULL));
    run("rm -r %s", "db/log");
    /* The folder is gone although its descriptor is open: every answer is an error, none a crash.
     */
    assert_int_equal(sop_file_open(b, "log/a", SOP_FILE_CREATE, &f, &err), SOP_NOT_FOUND);
    assert_non_null(strstr(err.message, "log/a"));
    b->ops->free(b);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_local_file_systems_are_accepted),
        T(test_other_file_systems_need_consent),
        T(test_a_real_foreign_file_system_is_refused),
        T(test_what_is_no_database_is_not_found),
        T(test_a_missing_folder_inside_is_corrupt),
        T(test_something_else_than_a_file_is_no_endless_wait),
        T(test_listing_passes_over_what_is_not_ours),
        T(test_creation_refuses_what_is_there),
        T(test_creation_uses_an_empty_folder_and_keeps_its_mode),
        T(test_creation_takes_every_way_to_write_a_path),
        T(test_a_long_name_still_finds_room_beside_it),
        T(test_the_folder_under_construction_is_beside_and_removed),
        T(test_publishing_never_replaces_what_came_meanwhile),
        T(test_working_folder_may_change_while_building),
        T(test_a_read_only_handle_creates_nothing),
        T(test_a_folder_without_permission_is_read_only),
        T(test_a_killed_process_frees_its_locks),
        T(test_no_descriptor_is_inherited_by_programs),
        T(test_a_file_larger_than_the_medium_allows_is_too_large),
        T(test_a_full_medium_is_reported_and_recovers),
        T(test_a_page_that_finds_no_room_is_an_error_not_a_signal),
        T(test_a_read_only_medium_can_be_read),
        T(test_a_mount_point_is_named_as_such),
        T(test_a_folder_removed_under_us_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
