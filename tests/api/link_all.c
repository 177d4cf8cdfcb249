/* SPDX-License-Identifier: MIT */
/*
 * An outside program that uses every function of include/sop against the installed library, once and with an outcome that it
 * checks. Compiles as C99 and as C++11. tools/check_install.sh builds it, runs it, and sees that nothing is left out.
 * Usage: link_all URL BACKUP_URL
 */
#include <sop/sop.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Ends the program with the place and the error, for everything after would only be noise. */
static void need_at(int truth, const char *what, int line, const sop_error *error)
{
    if (truth) return;
    fprintf(stderr, "link_all.c:%d: %s", line, what);
    if (error != NULL) fprintf(stderr, ": %s: %s", sop_status_name(error->status), error->message);
    fprintf(stderr, "\n");
    exit(1);
}
#define NEED(truth)        need_at((truth) != 0, #truth, __LINE__, NULL)
#define NEED_OK(call, err) need_at((call) == SOP_OK, #call, __LINE__, (err))

static int same(sop_slice slice, const char *text)
{
    return slice.size == strlen(text) && memcmp(slice.data, text, slice.size) == 0;
}

static void use_words(void)
{
    NEED(sop_str("abc").size == 3);
    NEED(strcmp(sop_status_name(SOP_CONFLICT), "SOP_CONFLICT") == 0);
    NEED(strlen(sop_status_text(SOP_CORRUPT)) > 0);
    NEED(strncmp(sop_version(), "0.", 2) == 0);
}

static void use_keys(void)
{
    static const uint8_t uuid[16] = {1, 2, 3};
    static const sop_key_type types[] = {SOP_KEY_INT,    SOP_KEY_UINT, SOP_KEY_DOUBLE,
                                         SOP_KEY_BOOL,   SOP_KEY_NULL, SOP_KEY_BYTES,
                                         SOP_KEY_STRING, SOP_KEY_UUID, SOP_KEY_DECIMAL};
    char buffer[128], plain[128];
    sop_key_builder builder;
    sop_key_reader reader;
    sop_key_part part;
    sop_slice key, end, bytes = {"a\0b", 3};
    size_t needed = 0, parts = 0;
    sop_key_begin(&builder, buffer, sizeof(buffer));
    sop_key_add_int(&builder, -5);
    sop_key_add_uint(&builder, UINT64_MAX);
    sop_key_add_double(&builder, 2.5);
    sop_key_add_bool(&builder, 1);
    sop_key_add_null(&builder);
    sop_key_add_bytes(&builder, bytes);
    sop_key_descending(&builder);
    sop_key_add_string(&builder, sop_str("text"));
    sop_key_add_uuid(&builder, uuid);
    sop_key_add_decimal(&builder, sop_str("-12.50"));
    NEED(sop_key_end(&builder, &key, &needed) == SOP_OK && needed == key.size);
    sop_key_read(&reader, key);
    while (sop_key_next(&reader, &part) == SOP_OK) {
        NEED(parts < 9 && part.type == types[parts]);
        if (part.type == SOP_KEY_STRING) {
            NEED(part.descending);
            NEED(sop_key_part_bytes(&part, plain, sizeof(plain), &bytes) == SOP_OK &&
                 same(bytes, "text"));
        }
        if (part.type == SOP_KEY_DECIMAL) {
            NEED(sop_key_part_bytes(&part, plain, sizeof(plain), &bytes) == SOP_OK &&
                 same(bytes, "-12.5"));
        }
        parts++;
    }
    NEED(parts == 9);
    NEED(sop_key_prefix_end(sop_str("ab"), plain, sizeof(plain), &end) == SOP_OK &&
         same(end, "ac"));
}

static sop_status count_store(const sop_store_info *info, void *context)
{
    NEED(info->count == 4 && strcmp(info->name, "fruit") == 0);
    ++*(int *)context;
    return SOP_OK;
}

static void use_items(sop_store *store)
{
    sop_slice value;
    uint64_t number = 0;
    const sop_slice open_end = {NULL, 0};
    NEED(sop_store_add(store, sop_str("apple"), sop_str("1")) == SOP_OK);
    NEED(sop_store_add(store, sop_str("apple"), sop_str("2")) == SOP_EXISTS);
    NEED(sop_store_put(store, sop_str("pear"), sop_str("2")) == SOP_OK);
    NEED(sop_store_put(store, sop_str("plum"), sop_str("3")) == SOP_OK);
    NEED(sop_store_put(store, sop_str("quince"), sop_str("4")) == SOP_OK);
    NEED(sop_store_put(store, sop_str("x"), sop_str("5")) == SOP_OK);
    NEED(sop_store_put(store, sop_str("y"), sop_str("6")) == SOP_OK);
    NEED(sop_store_put(store, sop_str("z"), sop_str("7")) == SOP_OK);
    NEED(sop_store_update(store, sop_str("pear"), sop_str("22")) == SOP_OK);
    NEED(sop_store_update(store, sop_str("none"), sop_str("22")) == SOP_NOT_FOUND);
    NEED(sop_store_remove(store, sop_str("x")) == SOP_OK);
    NEED(sop_store_remove_range(store, sop_str("y"), open_end, &number) == SOP_OK && number == 2);
    NEED(sop_store_get(store, sop_str("pear"), &value) == SOP_OK && same(value, "22"));
    NEED(sop_store_get(store, sop_str("x"), &value) == SOP_NOT_FOUND);
    NEED(sop_store_count(store, &number) == SOP_OK && number == 4);
    NEED(sop_store_count_range(store, sop_str("p"), sop_str("q"), &number) == SOP_OK &&
         number == 2);
    NEED(sop_store_rank(store, sop_str("plum"), &number) == SOP_OK && number == 2);
}

static void use_cursor_moves(sop_cursor *cursor)
{
    sop_slice key, value;
    uint64_t rank = 0;
    NEED(sop_cursor_first(cursor) == SOP_OK);
    NEED(sop_cursor_key(cursor, &key) == SOP_OK && same(key, "apple"));
    NEED(sop_cursor_next(cursor) == SOP_OK);
    NEED(sop_cursor_value(cursor, &value) == SOP_OK && same(value, "22"));
    NEED(sop_cursor_last(cursor) == SOP_OK);
    NEED(sop_cursor_prev(cursor) == SOP_OK);
    NEED(sop_cursor_item(cursor, &key, &value) == SOP_OK && same(key, "plum") && same(value, "3"));
    NEED(sop_cursor_seek(cursor, sop_str("b"), SOP_SEEK_GE) == SOP_OK);
    NEED(sop_cursor_rank(cursor, &rank) == SOP_OK && rank == 1);
    NEED(sop_cursor_seek(cursor, sop_str("b"), SOP_SEEK_EQ) == SOP_NOT_FOUND);
    NEED(sop_cursor_seek_rank(cursor, 3) == SOP_OK);
    NEED(sop_cursor_key(cursor, &key) == SOP_OK && same(key, "quince"));
    NEED(sop_cursor_next(cursor) == SOP_NOT_FOUND);
}

static void use_cursor(sop_store *store)
{
    static const uint8_t zero[16] = {0};
    sop_cursor *cursor = NULL;
    sop_item items[4];
    sop_item_id id;
    sop_slice value;
    size_t count = 0;
    NEED(sop_cursor_open(store, &cursor) == SOP_OK);
    use_cursor_moves(cursor);
    NEED(sop_cursor_bound(cursor, sop_str("p"), sop_str("q")) == SOP_OK);
    NEED(sop_cursor_read(cursor, 1, items, 4, &count) == SOP_OK && count == 2);
    NEED(same(items[0].key, "pear") && same(items[1].key, "plum"));
    NEED(sop_cursor_seek(cursor, sop_str("pear"), SOP_SEEK_EQ) == SOP_OK);
    NEED(sop_cursor_item_id(cursor, &id) == SOP_OK && memcmp(id.bytes, zero, sizeof(zero)) == 0);
    NEED(sop_cursor_update(cursor, sop_str("222")) == SOP_OK);
    NEED(sop_cursor_value(cursor, &value) == SOP_OK && same(value, "222"));
    NEED(sop_cursor_remove(cursor) == SOP_OK);
    NEED(sop_cursor_value(cursor, &value) == SOP_NOT_FOUND);
    NEED(sop_store_put(store, sop_str("pear"), sop_str("2")) == SOP_OK);
    sop_cursor_close(cursor);
}

static void use_values(sop_store *store)
{
    sop_value_writer *writer = NULL;
    uint64_t size = 0;
    size_t got = 0;
    char piece[8];
    NEED(sop_value_write_open(store, sop_str("plum"), &writer) == SOP_OK);
    NEED(sop_value_write(writer, "long ", 5) == SOP_OK);
    NEED(sop_value_write_finish(writer) == SOP_OK);
    NEED(sop_value_append_open(store, sop_str("plum"), &writer) == SOP_OK);
    NEED(sop_value_write(writer, "story", 5) == SOP_OK);
    NEED(sop_value_write_finish(writer) == SOP_OK);
    NEED(sop_value_write_open(store, sop_str("never"), &writer) == SOP_OK);
    sop_value_write_abort(writer);
    NEED(sop_value_size(store, sop_str("plum"), &size) == SOP_OK && size == 10);
    NEED(sop_value_read(store, sop_str("plum"), 3, piece, 4, &got) == SOP_OK && got == 4);
    NEED(memcmp(piece, "g st", 4) == 0);
}

/* Creates, fills and commits the store; returns its id. */
static uint64_t use_stores(sop_db *db, sop_txn_token *token_out)
{
    sop_txn *txn = NULL;
    sop_store *store = NULL;
    sop_store *again = NULL;
    sop_store_options options = SOP_STORE_OPTIONS_INIT;
    sop_error error;
    NEED_OK(sop_txn_begin(db, SOP_TXN_WRITE, &txn, &error), &error);
    *token_out = sop_txn_id(txn);
    NEED_OK(sop_store_create(txn, "veg", &options, &store), sop_txn_error(txn));
    NEED_OK(sop_store_rename(txn, "veg", "fruit"), sop_txn_error(txn));
    NEED_OK(sop_store_create(txn, "other", NULL, &again), sop_txn_error(txn));
    NEED_OK(sop_store_drop(txn, "other"), sop_txn_error(txn));
    NEED_OK(sop_store_open(txn, "fruit", &again), sop_txn_error(txn));
    NEED(sop_store_id(again) == sop_store_id(store));
    NEED_OK(sop_store_attributes_set(store, sop_str("{\"shape\":\"text\"}")), sop_txn_error(txn));
    use_items(store);
    use_cursor(store);
    use_values(store);
    NEED_OK(sop_txn_note(txn, sop_str("by link_all")), sop_txn_error(txn));
    uint64_t id = sop_store_id(store);
    NEED(sop_txn_seq(txn) == 0);
    NEED_OK(sop_txn_commit(txn), sop_txn_error(txn));
    NEED(sop_txn_seq(txn) > 0);
    sop_txn_close(txn);
    return id;
}

static void use_catalogue(sop_db *db, uint64_t id)
{
    sop_txn_options options = SOP_TXN_OPTIONS_INIT;
    sop_store_info info = SOP_STORE_INFO_INIT;
    sop_txn *txn = NULL;
    sop_store *store = NULL;
    sop_error error;
    int stores = 0;
    options.mode = SOP_TXN_READ;
    NEED_OK(sop_txn_begin_with(db, &options, &txn, &error), &error);
    NEED(sop_txn_snapshot(txn) > 0);
    NEED_OK(sop_store_open_id(txn, id, &store), sop_txn_error(txn));
    NEED_OK(sop_store_info_get(store, &info), sop_txn_error(txn));
    NEED(info.count == 4 && same(info.attributes, "{\"shape\":\"text\"}"));
    NEED_OK(sop_store_list(txn, count_store, &stores), sop_txn_error(txn));
    NEED(stores == 1);
    sop_txn_reset(txn);
    NEED_OK(sop_txn_renew(txn), sop_txn_error(txn));
    sop_txn_cancel(txn);
    NEED(sop_store_list(txn, count_store, &stores) == SOP_CANCELLED);
    sop_txn_close(txn);
}

static sop_status put_pear(sop_txn *txn, void *context)
{
    sop_store *store = NULL;
    sop_status status = sop_store_open(txn, "fruit", &store);
    return status == SOP_OK ? sop_store_put(store, sop_str("pear"), sop_str((const char *)context))
                            : status;
}

/* A transaction that read what another one changed loses; one that did not record its reads wins. */
static void use_conflicts(sop_db *db)
{
    for (int track = 1; track >= 0; track--) {
        char text[] = "changed";
        sop_conflict conflict = SOP_CONFLICT_INIT;
        sop_txn *txn = NULL;
        sop_store *store = NULL;
        sop_slice value;
        sop_error error;
        NEED_OK(sop_txn_begin(db, SOP_TXN_WRITE, &txn, &error), &error);
        NEED_OK(sop_store_open(txn, "fruit", &store), sop_txn_error(txn));
        sop_txn_track(txn, track);
        NEED_OK(sop_store_get(store, sop_str("pear"), &value), sop_txn_error(txn));
        NEED_OK(sop_store_put(store, sop_str("apple"), value), sop_txn_error(txn));
        NEED_OK(sop_txn_run(db, NULL, put_pear, text, &error), &error);
        NEED(sop_txn_commit(txn) == (track ? SOP_CONFLICT : SOP_OK));
        NEED(sop_txn_conflict(txn, &conflict) == (track ? SOP_OK : SOP_NOT_FOUND));
        NEED(conflict.kind == (track ? SOP_CONFLICT_KEY : SOP_CONFLICT_NONE));
        NEED(!track || same(conflict.key, "pear"));
        sop_txn_close(txn);
    }
}

static void use_bulk(sop_db *db)
{
    sop_bulk *bulk = NULL;
    sop_error error;
    uint64_t seq = 0;
    NEED_OK(sop_bulk_open(db, "bulk", NULL, &bulk, &error), &error);
    NEED_OK(sop_bulk_add(bulk, sop_str("a"), sop_str("1")), sop_bulk_error(bulk));
    NEED_OK(sop_bulk_add(bulk, sop_str("b"), sop_str("2")), sop_bulk_error(bulk));
    NEED_OK(sop_bulk_finish(bulk, &seq), sop_bulk_error(bulk));
    NEED(seq > 0);
    NEED_OK(sop_bulk_open(db, "never", NULL, &bulk, &error), &error);
    NEED_OK(sop_bulk_add(bulk, sop_str("b"), sop_str("1")), sop_bulk_error(bulk));
    NEED(sop_bulk_add(bulk, sop_str("a"), sop_str("1")) == SOP_INVALID);
    NEED(sop_bulk_error(bulk)->status == SOP_INVALID);
    sop_bulk_abort(bulk);
}

static void use_changes(sop_db *db, const sop_txn_token *token)
{
    sop_changes *feed = NULL;
    sop_error error;
    int inserts = 0;
    NEED_OK(sop_changes_open(db, 0, &feed, &error), &error);
    for (;;) {
        sop_change change = SOP_CHANGE_INIT;
        NEED_OK(sop_changes_next(feed, 10000, &change), sop_changes_error(feed));
        if (memcmp(&change.txn, token, sizeof(*token)) != 0) continue;
        inserts += change.kind == SOP_CHANGE_INSERT;
        if (change.kind == SOP_CHANGE_COMMIT) {
            NEED(same(change.value, "by link_all"));
            break;
        }
    }
    NEED(inserts == 4);
    sop_changes_close(feed);
}

static sop_status add_range(const sop_range *range, void *context)
{
    NEED(strlen(range->file) > 0 && strlen(range->owner) > 0);
    *(uint64_t *)context += range->length;
    return SOP_OK;
}

static void use_care(sop_db *db, const char *backup, sop_txn_token token)
{
    sop_check_report report = SOP_CHECK_REPORT_INIT;
    sop_stats stats = SOP_STATS_INIT;
    sop_db_info info = SOP_DB_INFO_INIT;
    sop_outcome outcome = SOP_OUTCOME_UNKNOWN;
    sop_error error;
    uint64_t seq = 0;
    uint64_t bytes = 0;
    NEED_OK(sop_db_sync(db, &error), &error);
    NEED_OK(sop_db_checkpoint(db, &error), &error);
    NEED_OK(sop_db_check(db, NULL, &report, &error), &error);
    NEED(report.findings == 0 && report.items >= 6);
    NEED_OK(sop_inspect_map(db, add_range, &bytes, &error), &error);
    NEED(bytes > 0);
    NEED_OK(sop_db_backup(db, backup, NULL, &error), &error);
    NEED_OK(sop_db_stats(db, &stats, &error), &error);
    NEED(stats.commits >= 3 && stats.conflicts >= 1);
    NEED_OK(sop_db_info_get(db, &info, &error), &error);
    NEED(info.durable <= info.tip && info.stores == 2);
    NEED_OK(sop_db_outcome(db, token, &outcome, &seq, &error), &error);
    NEED(outcome == SOP_OUTCOME_COMMITTED && seq > 0);
    sop_db_interrupt(db);
}

int main(int argc, char **argv)
{
    sop_db *db = NULL;
    sop_txn_token token;
    sop_error error;
    if (argc != 3) {
        fprintf(stderr, "usage: %s URL BACKUP_URL\n", argv[0]);
        return 2;
    }
    use_words();
    use_keys();
    NEED_OK(sop_db_open(argv[1], NULL, &db, &error), &error);
    uint64_t id = use_stores(db, &token);
    use_catalogue(db, id);
    use_conflicts(db);
    use_bulk(db);
    use_changes(db, &token);
    use_care(db, argv[2], token);
    NEED_OK(sop_db_close(db, &error), &error);
    printf("every function used on %s\n", argv[1]);
    return 0;
}
