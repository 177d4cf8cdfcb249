/* SPDX-License-Identifier: MIT */
/* One suite for every implementation of the door: maps, creation, a model, threads, failed allocations. */
#include "unit/backend/backend_places.h"

/* ---- maps ---- */

static void test_a_map_sees_later_writes_and_growth(void **state)
{
    sop_backend *b = create(*state);
    void *map = NULL;
    uint64_t map_size = 1u << 20;
    sop_file *f = file(b, "log/m", SOP_FILE_CREATE | SOP_FILE_WRITE);
    OK(sop_file_write(f, 0, "begin", 5, NULL));
    OK(sop_file_map(f, map_size, 0, &map, NULL));
    const uint8_t *bytes = map;
    assert_memory_equal(bytes, "begin", 5);
    for (size_t i = 5; i < 4096; i++)
        assert_int_equal(bytes[i], 0);
    OK(sop_file_write(f, 0, "BEGIN", 5, NULL));
    assert_memory_equal(bytes, "BEGIN", 5);
    static uint8_t block[70000];
    memset(block, 'q', sizeof block);
    OK(sop_file_write(f, 300001, block, sizeof block, NULL));
    assert_memory_equal(bytes + 300001, block, sizeof block);
    assert_int_equal(bytes[300000], 0);
    OK(sop_file_write(f, map_size - 3, "endandmore", 10, NULL));
    assert_memory_equal(bytes + map_size - 3, "end", 3);
    assert_memory_equal(bytes, "BEGIN", 5);
    b->ops->file_unmap(b, map, map_size);
    assert_int_equal(sop_file_map(f, 0, 0, &map, NULL), SOP_INVALID);
    sop_file_close(f);
    done(b);
}

static void test_a_map_outlives_close_and_remove(void **state)
{
    sop_backend *a = create(*state);
    sop_backend *b = open_how(*state, SOP_BACKEND_EXISTING);
    void *one = NULL;
    void *two = NULL;
    put(a, "seg/m", "segment");
    sop_file *fa = file(a, "seg/m", 0);
    sop_file *fb = file(b, "seg/m", SOP_FILE_WRITE);
    OK(sop_file_map(fa, 7, 0, &one, NULL));
    OK(sop_file_map(fb, 5000, 0, &two, NULL));
    OK(a->ops->remove(a, "seg/m", NULL));
    sop_file_close(fa);
    assert_memory_equal(one, "segment", 7);
    OK(sop_file_write(fb, 0, "S", 1, NULL));
    sop_file_close(fb);
    assert_memory_equal(one, "Segment", 7);
    assert_memory_equal(two, "Segment", 7);
    a->ops->file_unmap(a, one, 7);
    assert_memory_equal(two, "Segment", 7);
    b->ops->file_unmap(b, two, 5000);
    done(a);
    done(b);
}

static void test_stores_into_a_writable_map_are_writes(void **state)
{
    sop_backend *b = create(*state);
    void *map = NULL;
    char buffer[8] = {0};
    static const uint8_t zeros[8192];
    sop_file *f = file(b, "log/w", SOP_FILE_CREATE | SOP_FILE_WRITE);
    OK(sop_file_write(f, 0, zeros, sizeof zeros, NULL));
    sop_status status = sop_file_map(f, 8192, 1, &map, NULL);
    if (((const place *)*state)->kind == KIND_FAULTY) {
        assert_int_equal(status, SOP_UNSUPPORTED);
    } else {
        OK(status);
        memcpy((uint8_t *)map + 4094, "stored", 6);
        OK(sop_file_read_exact(f, 4094, buffer, 6, NULL));
        assert_memory_equal(buffer, "stored", 6);
        OK(sop_file_sync(f, NULL));
        b->ops->file_unmap(b, map, 8192);
        assert_int_equal(sop_file_map(f, 8193, 1, &map, NULL), SOP_INVALID);
        assert_null(map);
    }
    sop_file_close(f);
    done(b);
}

/* ---- creation ---- */

static void test_a_new_database_is_invisible_until_published(void **state)
{
    const place *p = *state;
    sop_backend *b = open_how(p, SOP_BACKEND_NEW);
    sop_backend *other = NULL;
    char buffer[16] = {0};
    put(b, "SOP", "s");
    sop_file *f = file(b, "log/a", SOP_FILE_CREATE | SOP_FILE_WRITE);
    OK(sop_file_write(f, 0, "before", 6, NULL));
    assert_int_equal(place_open(p, SOP_BACKEND_EXISTING, &other, NULL), SOP_NOT_FOUND);
    assert_null(other);
    OK(b->ops->publish(b, NULL));
    assert_int_equal(b->ops->publish(b, NULL), SOP_INVALID);
    other = open_how(p, SOP_BACKEND_EXISTING);
    OK(sop_file_write(f, 6, " after", 6, NULL));
    OK(sop_file_read_exact(f, 0, buffer, 12, NULL));
    expect(other, "log/a", "before after");
    put(b, "seg/later", "x");
    expect(other, "seg/later", "x");
    sop_file_close(f);
    done(b);
    done(other);
}

static void test_an_unpublished_database_vanishes(void **state)
{
    sop_backend *b = open_how(*state, SOP_BACKEND_NEW);
    put(b, "SOP", "s");
    put(b, "log/a", "x");
    put(b, "head/h", "x");
    done(b);
    assert_int_equal(place_open(*state, SOP_BACKEND_EXISTING, &b, NULL), SOP_NOT_FOUND);
    b = create(*state);
    assert_int_equal(try_open(b, "log/a", 0), SOP_NOT_FOUND);
    done(b);
}

static void test_the_second_of_two_creators_is_refused(void **state)
{
    sop_error err = {0};
    sop_backend *third = NULL;
    sop_backend *a = open_how(*state, SOP_BACKEND_NEW);
    sop_backend *b = open_how(*state, SOP_BACKEND_NEW);
    put(a, "SOP", "first");
    put(b, "SOP", "second");
    OK(a->ops->publish(a, NULL));
    assert_int_equal(b->ops->publish(b, &err), SOP_EXISTS);
    assert_int_equal(err.status, SOP_EXISTS);
    assert_int_equal(place_open(*state, SOP_BACKEND_NEW, &third, &err), SOP_EXISTS);
    assert_null(third);
    done(b);
    expect(a, "SOP", "first");
    done(a);
    a = open_how(*state, SOP_BACKEND_EXISTING);
    expect(a, "SOP", "first");
    done(a);
}

static void test_contents_survive_close_and_reopen(void **state)
{
    sop_backend *b = create(*state);
    put(b, "log/a", "kept");
    put(b, "head/h1", "");
    OK(b->ops->head_swap(b, "h1", "h2", NULL));
    done(b);
    b = open_how(*state, SOP_BACKEND_EXISTING);
    expect(b, "log/a", "kept");
    expect(b, "head/h2", "");
    expect(b, "SOP", "superblock");
    assert_true(b->ops->space_free(b) > 0);
    assert_int_equal(b->read_only, 0);
    done(b);
}

/* ---- against a plain model ---- */

enum { MODEL_FILES = 5, MODEL_BYTES = 40000, MODEL_STEPS = 3000 };

typedef struct {
    int there;
    size_t size;
    uint8_t bytes[MODEL_BYTES];
} model_file;

static void model_check(sop_backend *b, const char *name, const model_file *m)
{
    static uint8_t buffer[MODEL_BYTES + 1];
    size_t got = 0;
    if (!m->there) {
        assert_int_equal(try_open(b, name, 0), SOP_NOT_FOUND);
        return;
    }
    sop_file *f = file(b, name, 0);
    OK(sop_file_read(f, 0, buffer, sizeof buffer, &got, NULL));
    assert_int_equal(got, m->size);
    assert_memory_equal(buffer, m->bytes, got);
    sop_file_close(f);
}

static void model_write(sop_backend *b, const char *name, model_file *m, uint64_t *random)
{
    static uint8_t data[9000];
    size_t size = sop_test_random(random) % (sop_test_random(random) % 4 == 0 ? sizeof data : 600);
    size_t offset = sop_test_random(random) % (MODEL_BYTES - sizeof data);
    uint8_t fill = (uint8_t)sop_test_random(random);
    for (size_t i = 0; i < size; i++)
        data[i] = sop_test_random(random) % 3 == 0 ? 0 : fill;
    if (sop_test_random(random) % 5 == 0) memset(data, 0, size);
    sop_file *f = file(b, name, SOP_FILE_WRITE);
    OK(sop_file_write(f, offset, data, size, NULL));
    if (sop_test_random(random) % 3 == 0) OK(sop_file_sync(f, NULL));
    sop_file_close(f);
    memcpy(m->bytes + offset, data, size);
    if (size != 0 && offset + size > m->size) m->size = offset + size;
}

static void test_random_operations_agree_with_a_model(void **state)
{
    static const char *const names[MODEL_FILES] = {"SOP", "log/a", "log/b", "seg/a", "head/a"};
    static model_file model[MODEL_FILES];
    uint64_t seed = sop_test_seed(20260);
    uint64_t random = seed;
    print_message("seed %" PRIu64 "\n", seed);
    memset(model, 0, sizeof model);
    model[0].there = 1;
    model[0].size = 10;
    memcpy(model[0].bytes, "superblock", 10);
    sop_backend *b[2] = {create(*state), open_how(*state, SOP_BACKEND_EXISTING)};
    for (int step = 0; step < MODEL_STEPS; step++) {
        sop_backend *one = b[sop_test_random(&random) % 2];
        size_t i = sop_test_random(&random) % MODEL_FILES;
        model_file *m = &model[i];
        uint64_t choice = sop_test_random(&random) % 10;
        if (!m->there) {
            sop_file_close(file(one, names[i], SOP_FILE_CREATE | SOP_FILE_WRITE));
            *m = (model_file){.there = 1};
        } else if (choice == 0 && i != 0) {
            OK(one->ops->remove(one, names[i], NULL));
            m->there = 0;
        } else if (choice < 5) {
            model_write(one, names[i], m, &random);
        } else {
            model_check(one, names[i], m);
        }
    }
    for (size_t i = 0; i < MODEL_FILES; i++)
        model_check(b[1], names[i], &model[i]);
    done(b[0]);
    done(b[1]);
}

/* ---- threads ---- */

enum { THREADS = 4, THREAD_BYTES = 200000, THREAD_PIECE = 1000 };

typedef struct {
    sop_file *f;
    unsigned number;
} writer;

static void write_stripe(void *argument)
{
    const writer *w = argument;
    uint8_t piece[THREAD_PIECE];
    memset(piece, (int)('A' + w->number), sizeof piece);
    for (size_t at = w->number * THREAD_PIECE; at < THREAD_BYTES;
         at += (size_t)THREADS * THREAD_PIECE) {
        uint8_t back[THREAD_PIECE];
        OK(sop_file_write(w->f, at, piece, sizeof piece, NULL));
        OK(sop_file_read_exact(w->f, at, back, sizeof back, NULL));
        assert_memory_equal(back, piece, sizeof piece);
    }
    OK(sop_file_sync(w->f, NULL));
}

static void test_threads_share_one_file(void **state)
{
    sop_backend *b = create(*state);
    writer writers[THREADS];
    sop_task *tasks[THREADS];
    static uint8_t bytes[THREAD_BYTES];
    sop_file *f = file(b, "log/t", SOP_FILE_CREATE | SOP_FILE_WRITE);
    for (unsigned i = 0; i < THREADS; i++) {
        writers[i] = (writer){f, i};
        OK(sop_task_start(&tasks[i], write_stripe, &writers[i]));
    }
    for (unsigned i = 0; i < THREADS; i++)
        sop_task_join(tasks[i]);
    OK(sop_file_read_exact(f, 0, bytes, sizeof bytes, NULL));
    for (size_t i = 0; i < sizeof bytes; i++) {
        assert_int_equal(bytes[i], 'A' + (int)(i / THREAD_PIECE % THREADS));
    }
    sop_file_close(f);
    done(b);
}

/* ---- every allocation may fail ---- */

static sop_status nothing(const char *name, uint64_t size, void *context)
{
    (void)name;
    (void)size;
    (void)context;
    return SOP_OK;
}

#define STEP(call)                                                                                 \
    do {                                                                                           \
        status = (call);                                                                           \
        if (status != SOP_OK) goto out;                                                            \
    } while (0)

static sop_status script(sop_backend *b, sop_file **f, sop_error *err)
{
    void *map = NULL;
    void *page = NULL;
    uint8_t buffer[5000] = {1, 2, 3};
    sop_status status = SOP_OK;
    STEP(sop_file_open(b, "SOP", SOP_FILE_CREATE | SOP_FILE_WRITE, f, err));
    STEP(sop_file_write(*f, 0, buffer, sizeof buffer, err));
    STEP(sop_file_write(*f, 3000, buffer, sizeof buffer, err));
    STEP(sop_file_sync(*f, err));
    STEP(b->ops->publish(b, err));
    STEP(sop_file_write(*f, 1000, buffer, sizeof buffer, err));
    STEP(sop_file_map(*f, 100000, 0, &map, err));
    b->ops->file_unmap(b, map, 100000);
    STEP(b->ops->list(b, "", nothing, NULL, err));
    STEP(b->ops->lock(b, 0, 1, 0, err));
    STEP(b->ops->shared_page(b, 4096, &page, err));
    sop_file_close(*f);
    *f = NULL;
    STEP(b->ops->folder_sync(b, "", err));
    STEP(b->ops->remove(b, "SOP", err));
out:
    return status;
}

static void test_every_failed_allocation_is_reported_and_cleaned_up(void **state)
{
    place *p = *state;
    for (uint64_t n = 1;; n++) {
        sop_backend *b = NULL;
        sop_file *f = NULL;
        sop_error err = {0};
        assert_true(n < 1000);
        (void)teardown(state);
        (void)setup(state);
        p = *state;
        sop_memory_fail_at(n, 0);
        sop_status status = place_open(p, SOP_BACKEND_NEW, &b, &err);
        if (status == SOP_OK) status = script(b, &f, &err);
        int reached = sop_memory_fail_reached();
        sop_memory_fail_at(0, 0);
        if (status == SOP_OK) {
            assert_false(reached);
        } else {
            assert_true(reached);
            assert_int_equal(status, SOP_NO_MEMORY);
            assert_int_equal(err.status, SOP_NO_MEMORY);
            assert_true(err.message[0] != '\0');
        }
        sop_file_close(f);
        if (b != NULL) done(b);
        if (status == SOP_OK) break;
    }
}

int main(void)
{
    int failed = 0;
    const struct CMUnitTest tests[] = {
        T(test_a_map_sees_later_writes_and_growth),
        T(test_a_map_outlives_close_and_remove),
        T(test_stores_into_a_writable_map_are_writes),
        T(test_a_new_database_is_invisible_until_published),
        T(test_an_unpublished_database_vanishes),
        T(test_the_second_of_two_creators_is_refused),
        T(test_contents_survive_close_and_reopen),
        T(test_random_operations_agree_with_a_model),
        T(test_threads_share_one_file),
        T(test_every_failed_allocation_is_reported_and_cleaned_up),
    };
    RUN_ON_EVERY_KIND(tests, failed);
    return failed;
}
