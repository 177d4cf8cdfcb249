/* SPDX-License-Identifier: MIT */
/* What tests of the public interface share: a place for a database that goes away, and checks that say what went wrong. */
#include "support/place.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

int sop_test_place_memory(void **state)
{
    sop_test_place *place = calloc(1, sizeof *place);
    if (place == NULL) return -1;
    static int number;
    /* A name of its own: what a failed test leaves open must not be in the way of the next. */
    (void)snprintf(place->url, sizeof place->url, "memory:place%d", number++);
    *state = place;
    return 0;
}

int sop_test_place_folder(void **state)
{
    sop_test_place *place = calloc(1, sizeof *place);
    if (place == NULL) return -1;
    (void)snprintf(place->folder, sizeof place->folder, "/tmp/sop_test_XXXXXX");
    if (mkdtemp(place->folder) == NULL) {
        free(place);
        return -1;
    }
    (void)snprintf(place->url, sizeof place->url, "file:%s/db", place->folder);
    *state = place;
    return 0;
}

int sop_test_place_remove(void **state)
{
    sop_test_place *place = *state;
    int result = 0;
    if (place->folder[0] != '\0') {
        char command[128];
        (void)snprintf(command, sizeof command, "rm -rf %s", place->folder);
        result = system(command);
    }
    free(place);
    return result;
}

sop_db *sop_test_open(sop_test_place *place, const sop_db_options *options)
{
    sop_error err = {0};
    sop_status status = sop_db_open(place->url, options, &place->db, &err);
    if (status != SOP_OK)
        fail_msg("open %s: %s %s", place->url, sop_status_name(status), err.message);
    return place->db;
}

void sop_test_close(sop_test_place *place)
{
    sop_error err = {0};
    sop_status status = sop_db_close(place->db, &err);
    if (status != SOP_OK)
        fail_msg("close %s: %s %s", place->url, sop_status_name(status), err.message);
    place->db = NULL;
}

sop_txn *sop_test_begin(sop_db *db, sop_txn_mode mode)
{
    sop_error err = {0};
    sop_txn *txn = NULL;
    sop_status status = sop_txn_begin(db, mode, &txn, &err);
    if (status != SOP_OK) fail_msg("begin: %s %s", sop_status_name(status), err.message);
    return txn;
}

void sop_test_commit(sop_txn *txn)
{
    SOP_TEST_OK(txn, sop_txn_commit(txn));
    sop_txn_close(txn);
}

sop_store *sop_test_store(sop_txn *txn, const char *name)
{
    sop_store *store = NULL;
    sop_status status = sop_store_open(txn, name, &store);
    if (status != SOP_OK) {
        fail_msg("store %s: %s %s", name, sop_status_name(status), sop_txn_error(txn)->message);
    }
    return store;
}

uint64_t sop_test_create(sop_db *db, const char *name, const sop_store_options *options)
{
    sop_txn *txn = sop_test_begin(db, SOP_TXN_WRITE);
    sop_store *store = NULL;
    SOP_TEST_OK(txn, sop_store_create(txn, name, options, &store));
    uint64_t id = sop_store_id(store);
    sop_test_commit(txn);
    return id;
}

void sop_test_check(sop_db *db)
{
    sop_error err = {0};
    sop_check_report report = SOP_CHECK_REPORT_INIT;
    sop_status status = sop_db_check(db, NULL, &report, &err);
    if (status != SOP_OK) fail_msg("check: %s %s", sop_status_name(status), err.message);
    assert_int_equal(report.findings, 0);
}

void sop_test_value_is(sop_store *store, sop_txn *txn, sop_slice key, sop_slice want)
{
    sop_slice got;
    SOP_TEST_OK(txn, sop_store_get(store, key, &got));
    assert_int_equal(got.size, want.size);
    if (want.size != 0) assert_memory_equal(got.data, want.data, want.size);
}

void sop_test_shell(const char *format, ...)
{
    char command[1024];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(command, sizeof command, format, arguments);
    va_end(arguments);
    int result = system(command);
    if (result != 0) fail_msg("%s: exit status %d", command, result);
}

void sop_test_message(const sop_error *err, sop_status status, const char *what)
{
    size_t size = strlen(err->message);
    assert_int_equal(err->status, status);
    if (size == 0) fail_msg("%s came without a message", sop_status_name(status));
    if (strchr(err->message, '\n') != NULL || err->message[size - 1] == '.') {
        fail_msg("not one line without a full stop: %s", err->message);
    }
    if (what != NULL && strstr(err->message, what) == NULL) {
        fail_msg("%s is not named in: %s", what, err->message);
    }
}

uint64_t sop_test_anonymous_memory(void)
{
    FILE *status = fopen("/proc/self/status", "r");
    char line[256];
    unsigned long long kib = 0;
    assert_non_null(status);
    while (fgets(line, sizeof line, status) != NULL) {
        if (strncmp(line, "RssAnon:", 8) == 0) kib = strtoull(line + 8, NULL, 10);
    }
    (void)fclose(status);
    assert_true(kib > 0);
    return kib * 1024;
}

uint64_t sop_test_disk_usage(const char *path)
{
    char command[256];
    char line[64] = "";
    (void)snprintf(command, sizeof command, "du -s -B1 %s", path);
    FILE *du = popen(command, "r");
    assert_non_null(du);
    assert_non_null(fgets(line, sizeof line, du));
    assert_int_equal(pclose(du), 0);
    return strtoull(line, NULL, 10);
}
