/* SPDX-License-Identifier: MIT */
/* What tests of the public interface share: a place for a database that goes away, and checks that say what went wrong. */
#ifndef SOP_TESTS_PLACE_H
#define SOP_TESTS_PLACE_H

#include <stdint.h>

#include "sop/sop.h"

/* Where a test keeps its databases: memory, or a folder of its own. */
typedef struct {
    char folder[64]; /* empty: in memory */
    char url[128];
    sop_db *db; /* open between sop_test_open and sop_test_close */
} sop_test_place;

/* cmocka fixtures: *state becomes a sop_test_place, without an open database. */
int sop_test_place_memory(void **state);
int sop_test_place_folder(void **state);
int sop_test_place_remove(void **state);

/* A test that runs on both backends. */
#define SOP_TEST_BOTH(f)                                                                           \
    {#f "_in_memory", f, sop_test_place_memory, sop_test_place_remove, NULL},                      \
    {                                                                                              \
#f "_in_a_folder", f, sop_test_place_folder, sop_test_place_remove, NULL                   \
    }
#define SOP_TEST_FOLDER(f)                                                                         \
    {                                                                                              \
#f, f, sop_test_place_folder, sop_test_place_remove, NULL                                  \
    }

/* The test fails with the library's message when these fail. options: NULL for all defaults. */
sop_db *sop_test_open(sop_test_place *place, const sop_db_options *options);
void sop_test_close(sop_test_place *place);
sop_txn *sop_test_begin(sop_db *db, sop_txn_mode mode);
void sop_test_commit(sop_txn *txn); /* commits and closes */
sop_store *sop_test_store(sop_txn *txn, const char *name);
/* In a transaction of its own; id of the store. */
uint64_t sop_test_create(sop_db *db, const char *name, const sop_store_options *options);
void sop_test_check(sop_db *db);
void sop_test_value_is(sop_store *store, sop_txn *txn, sop_slice key, sop_slice want);

/* A shell command that must succeed. */
void sop_test_shell(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Fails unless the message is one line that ends without a full stop, and names what (NULL: anything). */
void sop_test_message(const sop_error *err, sop_status status, const char *what);
/* Bytes of anonymous memory of this process. */
uint64_t sop_test_anonymous_memory(void);
/* Bytes of a file or of all files below a folder, as on disk. */
uint64_t sop_test_disk_usage(const char *path);

/* A transaction or store call that must succeed. */
#define SOP_TEST_OK(txn, call)                                                                     \
    do {                                                                                           \
        sop_status status_of_call = (call);                                                        \
        if (status_of_call != SOP_OK)                                                              \
            fail_msg("%s: %s %s", #call, sop_status_name(status_of_call),                          \
                     sop_txn_error(txn)->message);                                                 \
    } while (0)
/* A transaction or store call that must fail with a message. */
#define SOP_TEST_REFUSED(txn, call, want, what)                                                    \
    do {                                                                                           \
        assert_int_equal((call), (want));                                                          \
        sop_test_message(sop_txn_error(txn), (want), (what));                                      \
    } while (0)

#endif
