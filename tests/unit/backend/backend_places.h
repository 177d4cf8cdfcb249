/* SPDX-License-Identifier: MIT */
/* A place for one database on every kind of backend, for the tests that all of them must pass. */
#ifndef SOP_TESTS_BACKEND_PLACES_H
#define SOP_TESTS_BACKEND_PLACES_H

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
#include "util/compiler.h"
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

SOP_UNUSED static sop_status place_open(const place *p, int how, sop_backend **out, sop_error *err)
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

SOP_UNUSED static int setup(void **state)
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

SOP_UNUSED static int teardown(void **state)
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

SOP_UNUSED static sop_backend *open_how(const place *p, int how)
{
    sop_backend *b = NULL;
    sop_error err = {0};
    sop_status status = place_open(p, how, &b, &err);
    if (status != SOP_OK) print_error("%s\n", err.message);
    OK(status);
    return b;
}

/* A published database with a file SOP. */
SOP_UNUSED static sop_backend *create(const place *p)
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

SOP_UNUSED static void done(sop_backend *b)
{
    b->ops->free(b);
}

SOP_UNUSED static sop_file *file(sop_backend *b, const char *name, int flags)
{
    sop_file *f = NULL;
    sop_error err = {0};
    if (sop_file_open(b, name, flags, &f, &err) != SOP_OK) fail_msg("%s", err.message);
    return f;
}

SOP_UNUSED static void put(sop_backend *b, const char *name, const char *text)
{
    sop_file *f = file(b, name, SOP_FILE_CREATE | SOP_FILE_WRITE);
    OK(sop_file_write(f, 0, text, strlen(text), NULL));
    sop_file_close(f);
}

SOP_UNUSED static void expect(sop_backend *b, const char *name, const char *text)
{
    char buffer[256] = {0};
    size_t got = 0;
    sop_file *f = file(b, name, 0);
    OK(sop_file_read(f, 0, buffer, sizeof buffer, &got, NULL));
    assert_int_equal(got, strlen(text));
    assert_memory_equal(buffer, text, got);
    sop_file_close(f);
}

SOP_UNUSED static sop_status try_open(sop_backend *b, const char *name, int flags)
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

/* Runs the tests on every kind of backend; the number of failures. */
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define RUN_ON_EVERY_KIND(tests, failed)                                                           \
    do {                                                                                           \
        static const char *const kind_names[KIND_COUNT] = {"file", "memory", "faulty"};            \
        for (kind_now = 0; kind_now < KIND_COUNT; kind_now++) {                                    \
            print_message("kind: %s\n", kind_names[kind_now]);                                     \
            (failed) += cmocka_run_group_tests((tests), NULL, NULL);                               \
        }                                                                                          \
    } while (0)

#endif
