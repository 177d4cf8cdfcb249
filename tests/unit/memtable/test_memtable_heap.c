/* SPDX-License-Identifier: MIT */
/* The heap of a memtable: classes, reuse, huge pieces, reserve, reset. */
#include <stdatomic.h>

#include "memtable/memtable_heap.h"
#include "memtable_model.h"
#include "util/memory.h"

static void test_classes_ascend_and_waste_at_most_an_eighth(void **state)
{
    (void)state;
    unsigned previous = 0;
    for (size_t size = 1; size <= SOP_MEMHEAP_PIECE_MAX; size++) {
        unsigned class = sop_memheap__class(size);
        size_t room = sop_memheap__class_size(class);
        assert_true(class < SOP_MEMHEAP_CLASSES);
        assert_true(class == previous || class == previous + 1);
        assert_true(room >= size);
        assert_int_equal(room % 16, 0);
        assert_int_equal(sop_memheap__class(room), class);
        assert_true(room - size < 16 || room - size <= size / 8);
        previous = class;
    }
    assert_int_equal(previous, SOP_MEMHEAP_CLASSES - 1);
}

typedef struct {
    uint8_t *bytes;
    size_t size;
    uint8_t fill;
} piece;

static void piece_verify(const piece *p)
{
    for (size_t i = 0; i < p->size; i++) {
        assert_int_equal(p->bytes[i], p->fill);
    }
}

static void test_pieces_never_overlap_and_are_used_again(void **state)
{
    (void)state;
    enum { PIECES = 300 };
    static uint64_t initial[256];
    piece pieces[PIECES] = {{NULL, 0, 0}};
    uint64_t random = sop_test_seed(3);
    uint64_t bytes = 0;
    sop_memheap heap;
    sop_memheap__init(&heap, initial, sizeof initial);
    for (int round = 0; round < 60000; round++) {
        piece *p = &pieces[sop_test_random(&random) % PIECES];
        if (p->bytes != NULL) {
            if (round % 8 == 0) piece_verify(p);
            sop_memheap__release(&heap, p->bytes, p->size);
        }
        p->size = 8 + sop_test_random(&random) % (round % 64 == 0 ? 60000 : 300);
        p->fill = (uint8_t)round;
        p->bytes = sop_memheap__alloc(&heap, p->size);
        assert_non_null(p->bytes);
        assert_int_equal((uintptr_t)p->bytes % 8, 0);
        memset(p->bytes, p->fill, p->size);
        if (round == 30000) bytes = atomic_load_explicit(&heap.bytes, memory_order_relaxed);
    }
    /* Huge pieces come and go, the rest has settled. */
    assert_true(atomic_load_explicit(&heap.bytes, memory_order_relaxed) < 2 * bytes);
    for (size_t i = 0; i < PIECES; i++) {
        if (pieces[i].bytes != NULL) piece_verify(&pieces[i]);
    }
    sop_memheap__deinit(&heap);
    assert_int_equal(atomic_load_explicit(&heap.bytes, memory_order_relaxed), 0);
}

static void test_reserved_room_needs_no_memory(void **state)
{
    (void)state;
    static uint64_t initial[64];
    sop_memheap heap;
    sop_memheap__init(&heap, initial, sizeof initial);
    for (size_t pieces = 1; pieces <= 9; pieces++) {
        size_t room = sop_memheap__class_size(sop_memheap__class(1376));
        assert_int_equal(sop_memheap__reserve(&heap, pieces * room), 1);
        sop_memory_fail_at(1, 1);
        for (size_t i = 0; i < pieces; i++) {
            assert_non_null(sop_memheap__alloc(&heap, 1376));
        }
        sop_memory_fail_at(0, 0);
    }
    sop_memory_fail_at(1, 1);
    assert_null(sop_memheap__alloc(&heap, SIZE_MAX - 8));
    assert_null(sop_memheap__alloc(&heap, 100000));
    assert_int_equal(sop_memheap__reserve(&heap, 500000), 0);
    sop_memory_fail_at(0, 0);
    sop_memheap__deinit(&heap);
}

static void test_reset_keeps_one_small_chunk(void **state)
{
    (void)state;
    static uint64_t initial[64];
    sop_memheap heap;
    sop_memheap__init(&heap, initial, sizeof initial);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 20000; i++) {
            void *bytes = sop_memheap__alloc(&heap, 200);
            assert_non_null(bytes);
            memset(bytes, 1, 200);
            if (i % 3 == 0) sop_memheap__release(&heap, bytes, 200);
        }
        assert_non_null(sop_memheap__alloc(&heap, 1 << 20));
        sop_memheap__reset(&heap);
        assert_true(atomic_load_explicit(&heap.bytes, memory_order_relaxed) <= 64 * 1024);
    }
    sop_memheap__deinit(&heap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_classes_ascend_and_waste_at_most_an_eighth),
        cmocka_unit_test(test_pieces_never_overlap_and_are_used_again),
        cmocka_unit_test(test_reserved_room_needs_no_memory),
        cmocka_unit_test(test_reset_keeps_one_small_chunk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
