/* SPDX-License-Identifier: MIT */
/* What is special about databases in memory: names, lifetimes, address space. */
#define _GNU_SOURCE 1 /* mincore */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "backend/backend.h"
#include "backend/backend_memory.h"

#define OK(call) assert_int_equal((call), SOP_OK)

static sop_backend *created(const char *name)
{
    sop_backend *b = NULL;
    OK(sop_backend_memory_open(name, SOP_BACKEND_NEW, &b, NULL));
    OK(b->ops->publish(b, NULL));
    return b;
}

static sop_file *fresh(sop_backend *b, const char *name)
{
    sop_file *f = NULL;
    OK(sop_file_open(b, name, SOP_FILE_CREATE | SOP_FILE_WRITE, &f, NULL));
    return f;
}

static void test_a_database_without_name_is_private(void **state)
{
    sop_backend *found = NULL;
    (void)state;
    sop_backend *one = created("");
    sop_backend *two = created("");
    sop_file_close(fresh(one, "SOP"));
    sop_file_close(fresh(two, "SOP"));
    assert_int_equal(sop_backend_memory_open("", SOP_BACKEND_EXISTING, &found, NULL),
                     SOP_NOT_FOUND);
    assert_int_equal(one->volatile_medium, 1);
    assert_string_equal(one->url, "memory:");
    one->ops->free(one);
    two->ops->free(two);
}

static void test_names_tell_databases_apart(void **state)
{
    sop_backend *found = NULL;
    sop_file *f = NULL;
    (void)state;
    sop_backend *one = created("names-one");
    sop_backend *two = created("names-on");
    sop_file_close(fresh(one, "log/a"));
    assert_int_equal(sop_file_open(two, "log/a", 0, &f, NULL), SOP_NOT_FOUND);
    one->ops->free(one);
    two->ops->free(two);
    OK(sop_backend_memory_open("names-one", SOP_BACKEND_EXISTING, &found, NULL));
    assert_string_equal(found->url, "memory:names-one");
    OK(sop_file_open(found, "log/a", 0, &f, NULL));
    sop_file_close(f);
    found->ops->free(found);
}

static void test_a_mapped_file_refuses_to_outgrow_its_address_space(void **state)
{
    void *map = NULL;
    uint64_t size = 0;
    sop_error err = {0};
    (void)state;
    sop_backend *b = created("");
    sop_file *f = fresh(b, "log/a");
    OK(sop_file_write(f, 0, "abc", 3, NULL));
    OK(sop_file_map(f, 3, 0, &map, NULL));
    assert_int_equal(sop_file_write(f, MEMORY_AREA_FIRST, "x", 1, &err), SOP_FULL);
    assert_non_null(strstr(err.message, "log/a"));
    OK(sop_file_size(f, &size, NULL));
    assert_int_equal(size, 3);
    assert_memory_equal(map, "abc", 3);
    OK(sop_file_write(f, 3, "def", 3, NULL));
    assert_memory_equal(map, "abcdef", 6);
    b->ops->file_unmap(b, map, 3);
    sop_file_close(f);
    b->ops->free(b);
}

static void test_zeros_ahead_of_use_cost_no_memory(void **state)
{
    enum { BYTES = 1 << 20, PAGES = BYTES / 4096 };
    static const uint8_t zeros[BYTES];
    static unsigned char resident[PAGES];
    void *map = NULL;
    unsigned count = 0;
    (void)state;
    sop_backend *b = created("");
    sop_file *f = fresh(b, "log/a");
    OK(sop_file_write(f, 0, zeros, sizeof zeros, NULL));
    OK(sop_file_write(f, 8192, "frame", 5, NULL));
    OK(sop_file_map(f, sizeof zeros, 0, &map, NULL));
    assert_int_equal(mincore(map, sizeof zeros, resident), 0);
    for (size_t i = 0; i < PAGES; i++)
        count += resident[i] & 1;
    /* One page was written; a kernel with larger pages may have made a few of it. */
    assert_in_range(count, 1, PAGES / 4);
    b->ops->file_unmap(b, map, sizeof zeros);
    sop_file_close(f);
    b->ops->free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_database_without_name_is_private),
        cmocka_unit_test(test_names_tell_databases_apart),
        cmocka_unit_test(test_a_mapped_file_refuses_to_outgrow_its_address_space),
        cmocka_unit_test(test_zeros_ahead_of_use_cost_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
