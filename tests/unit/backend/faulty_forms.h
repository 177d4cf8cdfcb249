/* SPDX-License-Identifier: MIT */
/* Short forms for tests of the simulated disk. */
#ifndef SOP_TESTS_FAULTY_FORMS_H
#define SOP_TESTS_FAULTY_FORMS_H

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
#include "util/checksum.h"
#include "util/compiler.h"
#include "util/memory.h"
#include "util/world.h"

#define OK(call) assert_int_equal((call), SOP_OK)

SOP_UNUSED static const sop_faulty_cut ALL = {SOP_FAULTY_KEEP_ALL, 0, 0};
SOP_UNUSED static const sop_faulty_cut NONE = {SOP_FAULTY_KEEP_NONE, 0, 0};

/* ---- short forms ---- */

SOP_UNUSED static sop_faulty_disk *disk_new(uint64_t seed)
{
    sop_faulty_disk *disk = sop_faulty_disk_new(seed);
    assert_non_null(disk);
    return disk;
}

SOP_UNUSED static sop_backend *process(sop_faulty_disk *disk, int how)
{
    sop_backend *b = NULL;
    OK(sop_backend_faulty_open(disk, how, 0, &b, NULL));
    return b;
}

SOP_UNUSED static sop_file *file(sop_backend *b, const char *name, int flags)
{
    sop_file *f = NULL;
    sop_error err = {0};
    if (sop_file_open(b, name, flags, &f, &err) != SOP_OK) fail_msg("%s", err.message);
    return f;
}

SOP_UNUSED static sop_file *fresh(sop_backend *b, const char *name)
{
    return file(b, name, SOP_FILE_CREATE | SOP_FILE_WRITE);
}

SOP_UNUSED static void store(sop_file *f, uint64_t offset, const char *text)
{
    OK(sop_file_write(f, offset, text, strlen(text), NULL));
}

/* A file with these bytes; durable: bytes and name. */
SOP_UNUSED static void put(sop_backend *b, const char *name, const char *text, int durable)
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
SOP_UNUSED static sop_backend *created(sop_faulty_disk *disk)
{
    sop_backend *b = process(disk, SOP_BACKEND_NEW);
    put(b, "SOP", "superblock", 0);
    OK(b->ops->publish(b, NULL));
    return b;
}

SOP_UNUSED static void done(sop_backend *b)
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

SOP_UNUSED static sop_faulty_disk *
cut_disk(sop_faulty_disk *disk, int keep, uint32_t unit, uint64_t seed)
{
    sop_faulty_cut cut = {keep, unit, seed};
    sop_faulty_disk *after = NULL;
    OK(sop_faulty_disk_cut(disk, &cut, &after));
    return after;
}

SOP_UNUSED static void
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

SOP_UNUSED static void
rule(sop_faulty_disk *disk, uint32_t kinds, uint64_t nth, sop_status status, int effect)
{
    sop_faulty_rule r = {.kinds = kinds, .nth = nth, .status = status, .effect = effect};
    sop_faulty_rule_add(disk, &r);
}

SOP_UNUSED static size_t
read_all(sop_faulty_disk *disk, const char *name, uint8_t *buffer, size_t size)
{
    size_t got = 0;
    sop_backend *b = process(disk, SOP_BACKEND_EXISTING);
    sop_file *f = file(b, name, 0);
    OK(sop_file_read(f, 0, buffer, size, &got, NULL));
    sop_file_close(f);
    done(b);
    return got;
}

#endif
