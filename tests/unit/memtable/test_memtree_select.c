/* SPDX-License-Identifier: MIT */
/* The record of a given rank in a layer over nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "memtable/memtable.h"
#include "support/support.h"
#include "util/bytes.h"

#define STORE 3u

static void test_select_finds_every_present_record_by_its_rank(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {0, 1, 3, 64, 65, 700, 20000};
    uint64_t seed = sop_test_seed(31);
    print_message("seed %llu\n", (unsigned long long)seed);
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        uint32_t count = sizes[s];
        uint8_t *present = calloc(count + 1u, 1);
        sop_memtable *table = sop_memtable_new();
        assert_non_null(present);
        assert_non_null(table);
        sop_memtable_begin(table, 1);
        for (uint32_t n = 0; n < 2 * count; n++) {
            uint32_t number = (uint32_t)(sop_test_random(&seed) % count);
            uint8_t key[4];
            sop_put_u32be(key, number);
            present[number] = sop_test_random(&seed) % 4 != 0;
            unsigned flags = present[number] ? SOP_RECORD_PRESENT : 0u;
            sop_slice bytes = {key, sizeof key};
            assert_int_equal(sop_memtable_set(table, STORE, bytes, bytes, flags, SOP_BELOW_ABSENT),
                             SOP_OK);
        }
        const sop_memtree *tree = sop_memtable_tree(sop_memtable_publish(table), STORE);
        uint64_t rank = 0;
        for (uint32_t number = 0; number < count; number++) {
            if (!present[number]) continue;
            const sop_record *record = sop_memtree_select(tree, rank++);
            assert_non_null(record);
            assert_int_equal(sop_get_u32be(record->bytes), number);
        }
        assert_null(sop_memtree_select(tree, rank));
        assert_null(sop_memtree_select(tree, UINT64_MAX));
        sop_memtable_free(table);
        free(present);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_select_finds_every_present_record_by_its_rank),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
