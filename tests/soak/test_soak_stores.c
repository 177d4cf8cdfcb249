/* SPDX-License-Identifier: MIT */
/* Many stores: 2,000 of them, 20,000 in soak, made, found, listed, used, renamed and dropped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sop/sop.h"

#include "support/place.h"
#include "support/support.h"

enum { PER_COMMIT = 100 };

static int stores_count(void)
{
    return sop_test_soak() ? 20000 : 2000;
}

static const char *name_of(int i, char buffer[32])
{
    (void)snprintf(buffer, 32, "store %05d", i);
    return buffer;
}

static void stores_create(sop_db *db, int count)
{
    char name[32];
    for (int from = 0; from < count; from += PER_COMMIT) {
        sop_txn *txn = sop_test_begin(db, SOP_TXN_WRITE);
        for (int i = from; i < from + PER_COMMIT; i++) {
            sop_store *store;
            SOP_TEST_OK(txn, sop_store_create(txn, name_of(i, name), NULL, &store));
            SOP_TEST_OK(txn, sop_store_put(store, sop_str("name"), sop_str(name)));
        }
        sop_test_commit(txn);
    }
}

typedef struct {
    int seen;
    int step; /* the stores are those of 0, step, 2 step ... */
} listing;

static sop_status list_next(const sop_store_info *info, void *context)
{
    char name[32];
    listing *l = context;
    assert_string_equal(info->name, name_of(l->seen * l->step, name));
    assert_int_equal(info->count, 1);
    l->seen++;
    return SOP_OK;
}

/* Every step-th store is there with its item, and no other. */
static void stores_are(sop_db *db, int count, int step)
{
    char name[32];
    sop_error err = {0};
    listing l = {.step = step};
    sop_db_info info = SOP_DB_INFO_INIT;
    sop_txn *txn = sop_test_begin(db, SOP_TXN_READ);
    SOP_TEST_OK(txn, sop_store_list(txn, list_next, &l));
    assert_int_equal(l.seen, count / step);
    assert_int_equal(sop_db_info_get(db, &info, &err), SOP_OK);
    assert_int_equal(info.stores, count / step);
    for (int i = 0; i < count; i++) {
        sop_store *store;
        sop_slice value;
        sop_status status = sop_store_open(txn, name_of(i, name), &store);
        assert_int_equal(status, i % step == 0 ? SOP_OK : SOP_NOT_FOUND);
        if (status != SOP_OK) continue;
        SOP_TEST_OK(txn, sop_store_get(store, sop_str("name"), &value));
        assert_int_equal(value.size, strlen(name));
        assert_memory_equal(value.data, name, value.size);
    }
    sop_txn_close(txn);
}

static void stores_drop_odd(sop_db *db, int count)
{
    char name[32];
    for (int from = 0; from < count; from += PER_COMMIT) {
        sop_txn *txn = sop_test_begin(db, SOP_TXN_WRITE);
        for (int i = from + 1; i < from + PER_COMMIT; i += 2) {
            SOP_TEST_OK(txn, sop_store_drop(txn, name_of(i, name)));
        }
        sop_test_commit(txn);
    }
}

static void test_many_stores_are_made_found_listed_and_dropped(void **state)
{
    sop_test_place *place = *state;
    sop_error err = {0};
    int count = stores_count();
    sop_db *db = sop_test_open(place, NULL);
    stores_create(db, count);
    stores_are(db, count, 1);
    assert_int_equal(sop_db_checkpoint(db, &err), SOP_OK);
    stores_are(db, count, 1);
    sop_test_close(place);
    db = sop_test_open(place, NULL);
    stores_are(db, count, 1);
    stores_drop_odd(db, count);
    stores_are(db, count, 2);
    sop_test_check(db);
    assert_int_equal(sop_db_checkpoint(db, &err), SOP_OK);
    sop_test_close(place);
    db = sop_test_open(place, NULL);
    stores_are(db, count, 2);
    sop_test_check(db);
    sop_test_close(place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SOP_TEST_FOLDER(test_many_stores_are_made_found_listed_and_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
