/* SPDX-License-Identifier: MIT */
/* The workload of runs with faults: it touches everything once, keeps the model beside it, and expects any call to fail. */
#include <string.h>

#include "db/db.h"
#include "support/fault_run.h"
#include "support/support.h"
#include "util/error.h"

/* A transaction, its stores, and the model as it will be after its commit. */
typedef struct {
    fault_run *run;
    sop_txn *txn; /* NULL: it could not begin */
    sop_store *stores[FAULT_STORES];
    fault_model next;
    int dead; /* only abort is left */
} work;

static void work_begin(work *w, fault_run *run, const char *step)
{
    sop_error err = {0};
    *w = (work){.run = run, .next = run->history[run->count]};
    run->step = step;
    w->dead = run->db == NULL;
    if (w->dead) return;
    sop_status status = sop_txn_begin(run->db, SOP_TXN_WRITE, &w->txn, &err);
    if (status == SOP_OK) return;
    fault_excuse(run, status, &err);
    w->dead = 1;
}

/* Whether the call did what it should; if not the fault must be the reason. */
static int done(work *w, sop_status status, sop_status wanted)
{
    if (status == wanted) return status == SOP_OK;
    fault_excuse(w->run, status, sop_txn_error(w->txn));
    if (!w->run->c.go_on) w->dead = 1;
    return 0;
}

static sop_store *store_of(work *w, int s)
{
    if (w->dead) return NULL;
    if (w->stores[s] != NULL) return w->stores[s];
    sop_status wanted = w->next.stores[s].exists ? SOP_OK : SOP_NOT_FOUND;
    (void)done(w, sop_store_open(w->txn, fault_store_name(s), &w->stores[s]), wanted);
    return w->stores[s];
}

static void work_end(work *w, sop_status wanted)
{
    fault_run *run = w->run;
    if (w->txn == NULL) return;
    if (w->dead) {
        sop_txn_close(w->txn);
        return;
    }
    sop_txn_token token = sop_txn_id(w->txn);
    sop_status status = sop_txn_commit(w->txn);
    if (status != wanted) fault_excuse(run, status, sop_txn_error(w->txn));
    if (status == SOP_OK) {
        if (wanted != SOP_OK) fault_wrong(run, "a conflict was not seen");
        /* One that changes nothing is always welcome. */
        if (!fault_model_equal(&w->next, &run->history[run->count])) fault_committed(run, &w->next);
    }
    if (status == SOP_COMMIT_UNKNOWN) {
        if (run->unknown) fault_wrong(run, "a second unknown commit on one handle");
        run->unknown = 1;
        run->has_token = 1;
        run->token = token;
        run->maybe = w->next;
    }
    sop_txn_close(w->txn);
}

/* ---- operations ---- */

static uint32_t number_new(work *w)
{
    return ++w->run->number;
}

static void create(work *w, int s, int duplicates)
{
    if (w->dead) return;
    sop_store_options options = SOP_STORE_OPTIONS_INIT;
    options.allow_duplicates = duplicates;
    /* The row of one store is too large for a leaf. */
    static const char large[20000];
    options.attributes = sop_str("{\"made\":\"by a test\"}");
    if (s == 4) options.attributes = (sop_slice){large, sizeof large};
    fault_store *m = &w->next.stores[s];
    sop_status status = sop_store_create(w->txn, fault_store_name(s), &options, &w->stores[s]);
    if (!done(w, status, m->exists ? SOP_EXISTS : SOP_OK)) return;
    *m = (fault_store){.exists = 1, .duplicates = duplicates != 0};
}

static void drop(work *w, int s)
{
    if (w->dead) return;
    fault_store *m = &w->next.stores[s];
    sop_status status = sop_store_drop(w->txn, fault_store_name(s));
    if (!done(w, status, m->exists ? SOP_OK : SOP_NOT_FOUND)) return;
    *m = (fault_store){0};
    w->stores[s] = NULL;
}

static void rename_to(work *w, int from, int to)
{
    if (w->dead || !w->next.stores[from].exists || w->next.stores[to].exists) return;
    sop_status status = sop_store_rename(w->txn, fault_store_name(from), fault_store_name(to));
    if (!done(w, status, SOP_OK)) return;
    w->next.stores[to] = w->next.stores[from];
    w->next.stores[from] = (fault_store){0};
    w->stores[to] = w->stores[from];
    w->stores[from] = NULL;
}

static void put(work *w, int s, int k)
{
    char key[FAULT_KEY_SIZE];
    sop_store *store = store_of(w, s);
    if (store == NULL) return;
    uint32_t number = number_new(w);
    if (done(w, sop_store_put(store, fault_key(k, key), fault_value(number)), SOP_OK))
        w->next.stores[s].item[k][0] = number;
}

static void add(work *w, int s, int k)
{
    char key[FAULT_KEY_SIZE];
    sop_store *store = store_of(w, s);
    if (store == NULL) return;
    fault_store *m = &w->next.stores[s];
    int i = 0;
    while (m->duplicates && i < FAULT_EQUALS && m->item[k][i] != 0)
        i++;
    if (i == FAULT_EQUALS) return;
    sop_status wanted = m->item[k][i] != 0 ? SOP_EXISTS : SOP_OK;
    uint32_t number = number_new(w);
    if (done(w, sop_store_add(store, fault_key(k, key), fault_value(number)), wanted))
        m->item[k][i] = number;
}

static void update(work *w, int s, int k)
{
    char key[FAULT_KEY_SIZE];
    sop_store *store = store_of(w, s);
    if (store == NULL) return;
    uint32_t *item = &w->next.stores[s].item[k][0];
    uint32_t number = number_new(w);
    sop_status wanted = *item == 0 ? SOP_NOT_FOUND : SOP_OK;
    if (done(w, sop_store_update(store, fault_key(k, key), fault_value(number)), wanted))
        *item = number;
}

static void item_gone(fault_store *m, int k)
{
    memmove(&m->item[k][0], &m->item[k][1], (FAULT_EQUALS - 1) * sizeof m->item[k][0]);
    m->item[k][FAULT_EQUALS - 1] = 0;
}

static void drop_key(work *w, int s, int k)
{
    char key[FAULT_KEY_SIZE];
    sop_store *store = store_of(w, s);
    if (store == NULL) return;
    fault_store *m = &w->next.stores[s];
    sop_status wanted = m->item[k][0] == 0 ? SOP_NOT_FOUND : SOP_OK;
    if (done(w, sop_store_remove(store, fault_key(k, key)), wanted)) item_gone(m, k);
}

static void drop_range(work *w, int s, int from, int to)
{
    char a[FAULT_KEY_SIZE];
    char b[FAULT_KEY_SIZE];
    uint64_t removed = 0;
    sop_store *store = store_of(w, s);
    if (store == NULL) return;
    sop_status status =
        sop_store_remove_range(store, fault_key(from, a), fault_key(to, b), &removed);
    if (!done(w, status, SOP_OK)) {
        w->dead = 1; /* a part may be gone: the only call for which that is allowed */
        return;
    }
    for (int k = from; k < to; k++)
        memset(w->next.stores[s].item[k], 0, sizeof w->next.stores[s].item[k]);
}

/* The first part of a value, or what is missing to the whole. */
static void stream(work *w, int s, int k, int second_part)
{
    char key[FAULT_KEY_SIZE];
    sop_value_writer *writer;
    sop_store *store = store_of(w, s);
    if (store == NULL) return;
    fault_store *m = &w->next.stores[s];
    int i = 0;
    /* In a store with duplicates a new value is one more item. */
    while (m->duplicates && !second_part && i < FAULT_EQUALS && m->item[k][i] != 0)
        i++;
    if (i == FAULT_EQUALS) return;
    uint32_t *item = &m->item[k][i];
    if (second_part && (*item & FAULT_HALF) == 0) return;
    uint32_t plain = second_part ? *item & ~(uint32_t)FAULT_HALF : number_new(w);
    uint32_t number = plain | (second_part ? FAULT_STREAM : FAULT_HALF);
    size_t at = second_part ? fault_value(plain | FAULT_HALF).size : 0;
    sop_slice value = fault_value(number);
    sop_status status = second_part ? sop_value_append_open(store, fault_key(k, key), &writer)
                                    : sop_value_write_open(store, fault_key(k, key), &writer);
    if (!done(w, status, SOP_OK)) return;
    while (status == SOP_OK && at < value.size) {
        size_t piece = value.size - at < 33000 ? value.size - at : 33000;
        status = sop_value_write(writer, (const uint8_t *)value.data + at, piece);
        at += piece;
    }
    if (!done(w, status, SOP_OK)) {
        sop_value_write_abort(writer);
        return;
    }
    if (done(w, sop_value_write_finish(writer), SOP_OK)) *item = number;
}

/* Reads the transaction's own view of everything. */
static void look(work *w)
{
    fault_model seen;
    sop_error problem = {0};
    if (w->dead) return;
    sop_status status = fault_observe_txn(w->txn, &seen, &problem);
    if (status == SOP_CORRUPT) fault_wrong(w->run, "%s", problem.message);
    if (status != SOP_OK) {
        fault_excuse(w->run, status, &problem);
        if (!w->run->c.go_on) w->dead = 1;
        return;
    }
    char text[160];
    fault_model_explain(&w->next, &seen, text, sizeof text);
    if (!fault_model_equal(&w->next, &seen)) fault_wrong(w->run, "read inside: %s", text);
}

/* Ranks and seeks by rank agree with each other. */
static void ranks(work *w, int s)
{
    sop_cursor *cursor;
    sop_slice key;
    uint64_t rank = 0;
    sop_store *store = store_of(w, s);
    if (store == NULL || !done(w, sop_cursor_open(store, &cursor), SOP_OK)) return;
    for (uint64_t want = 0; want < 6; want += 2) {
        sop_status status = sop_cursor_seek_rank(cursor, want);
        if (status == SOP_NOT_FOUND) return;
        if (!done(w, status, SOP_OK) || !done(w, sop_cursor_key(cursor, &key), SOP_OK)) return;
        if (!done(w, sop_store_rank(store, key, &rank), SOP_OK)) return;
        if (rank != want && !w->next.stores[s].duplicates)
            fault_wrong(w->run, "rank %u instead of %u", (unsigned)rank, (unsigned)want);
    }
}

/* Updates the first item and removes the last with a cursor. */
static void with_cursor(work *w, int s)
{
    sop_cursor *cursor;
    sop_store *store = store_of(w, s);
    if (store == NULL || !done(w, sop_cursor_open(store, &cursor), SOP_OK)) return;
    fault_store *m = &w->next.stores[s];
    int first = 0;
    int last = FAULT_KEYS - 1;
    while (first < FAULT_KEYS && m->item[first][0] == 0)
        first++;
    while (last >= 0 && m->item[last][0] == 0)
        last--;
    if (first >= last) return;
    uint32_t number = number_new(w);
    if (!done(w, sop_cursor_first(cursor), SOP_OK)) return;
    if (done(w, sop_cursor_update(cursor, fault_value(number)), SOP_OK)) m->item[first][0] = number;
    if (w->dead || !done(w, sop_cursor_last(cursor), SOP_OK)) return;
    if (done(w, sop_cursor_remove(cursor), SOP_OK)) item_gone(m, last);
}

/* ---- steps on the database ---- */

/* A call straight on the database; in modes other than full it may make everything durable. */
static int db_done(fault_run *run, sop_status status, const sop_error *err, int durable)
{
    if (status != SOP_OK) {
        fault_excuse(run, status, err);
        return 0;
    }
    if (durable) run->floor = run->count;
    return 1;
}

static void checkpoint(fault_run *run)
{
    sop_error err = {0};
    run->step = "checkpoint";
    if (run->db == NULL) return;
    (void)db_done(run, sop_db_checkpoint(run->db, &err), &err, !run->unknown);
}

static void finding(sop_status status, const char *message, void *context)
{
    if (status == SOP_CORRUPT) fault_wrong(context, "check: %s", message);
}

/* What the medium refuses to read is a finding of the check, and no damage. */
static void check(fault_run *run)
{
    sop_error err = {0};
    sop_check_report report = SOP_CHECK_REPORT_INIT;
    sop_check_options options = SOP_CHECK_OPTIONS_INIT;
    options.finding = finding;
    options.context = run;
    sop_status status = sop_db_check(run->db, &options, &report, &err);
    if (status == SOP_CORRUPT) err.status = status = SOP_IO;
    (void)db_done(run, status, &err, 0);
}

static void sync_and_check(fault_run *run)
{
    sop_error err = {0};
    sop_stats stats = SOP_STATS_INIT;
    sop_db_info info = SOP_DB_INFO_INIT;
    run->step = "sync, check, stats";
    if (run->db == NULL) return;
    (void)db_done(run, sop_db_sync(run->db, &err), &err, !run->unknown);
    check(run);
    (void)db_done(run, sop_db_stats(run->db, &stats, &err), &err, 0);
    (void)db_done(run, sop_db_info_get(run->db, &info, &err), &err, 0);
}

static sop_status load_items(sop_bulk *bulk, fault_store *m, fault_run *run)
{
    sop_status status = SOP_OK;
    for (int k = 0; k < FAULT_KEYS && status == SOP_OK; k++) {
        char key[FAULT_KEY_SIZE];
        uint32_t number = ++run->number;
        status = sop_bulk_add(bulk, fault_key(k, key), fault_value(number));
        m->item[k][0] = number;
    }
    return status;
}

static void bulk_load(fault_run *run, int s)
{
    sop_error err = {0};
    sop_bulk *bulk;
    fault_model next = run->history[run->count];
    run->step = "bulk load";
    if (run->db == NULL || next.stores[s].exists) return;
    sop_status status = sop_bulk_open(run->db, fault_store_name(s), NULL, &bulk, &err);
    if (!db_done(run, status, &err, 0)) return;
    next.stores[s] = (fault_store){.exists = 1};
    status = load_items(bulk, &next.stores[s], run);
    if (status == SOP_OK) status = sop_bulk_finish(bulk, NULL);
    if (status == SOP_OK) {
        fault_committed(run, &next);
        return;
    }
    fault_excuse(run, status, sop_bulk_error(bulk));
    if (status == SOP_COMMIT_UNKNOWN) {
        if (run->unknown) fault_wrong(run, "a second unknown commit on one handle");
        run->unknown = 1;
        run->has_token = 0;
        run->maybe = next;
    }
    sop_bulk_abort(bulk);
}

/* Walks the whole change feed. */
static void feed(fault_run *run)
{
    sop_error err = {0};
    sop_changes *changes;
    sop_status status;
    uint64_t last = 0;
    run->step = "change feed";
    if (run->db == NULL) return;
    if (!db_done(run, sop_changes_open(run->db, 0, &changes, &err), &err, 0)) return;
    sop_change change = SOP_CHANGE_INIT;
    while ((status = sop_changes_next(changes, 0, &change)) == SOP_OK) {
        if (change.seq < last) fault_wrong(run, "the change feed went back");
        last = change.seq;
    }
    if (status != SOP_TIMEOUT && status != SOP_SNAPSHOT_TOO_OLD)
        fault_excuse(run, status, sop_changes_error(changes));
    sop_changes_close(changes);
}

static void backup(fault_run *run)
{
    sop_error err = {0};
    sop_backend *target;
    run->step = "backup";
    if (run->db == NULL || run->backup_at >= 0) return;
    sop_faulty_disk_free(run->backup_disk);
    run->backup_disk = sop_faulty_disk_new(run->c.seed + 1);
    if (run->backup_disk == NULL) return;
    sop_status status =
        sop_backend_faulty_open(run->backup_disk, SOP_BACKEND_NEW, 0, &target, &err);
    if (status == SOP_OK) status = sop_db_backup_on(run->db, target, NULL, &err);
    if (db_done(run, status, &err, 0)) run->backup_at = run->count;
}

/* Settles what a failed commit left open. */
static void settle(fault_run *run)
{
    sop_error err = {0};
    sop_outcome outcome = SOP_OUTCOME_UNKNOWN;
    fault_model seen;
    int done_it = 0;
    if (!run->unknown) return;
    if (run->has_token) {
        sop_status status = sop_db_outcome(run->db, run->token, &outcome, NULL, &err);
        done_it = db_done(run, status, &err, 0);
        if (done_it && outcome != SOP_OUTCOME_COMMITTED && outcome != SOP_OUTCOME_ABORTED)
            fault_wrong(run, "outcome %d after a reopen", (int)outcome);
    } else {
        done_it = db_done(run, fault_observe(run->db, &seen, &err), &err, 0);
        if (done_it && fault_model_equal(&seen, &run->maybe)) outcome = SOP_OUTCOME_COMMITTED;
    }
    if (!done_it) {
        sop_ignore(sop_db_close(run->db, NULL));
        run->db = NULL;
        return;
    }
    run->unknown = 0;
    if (outcome == SOP_OUTCOME_COMMITTED) fault_committed(run, &run->maybe);
    run->floor = run->count;
}

static void reopen(fault_run *run)
{
    sop_error err = {0};
    run->step = "close and open";
    if (run->db != NULL) {
        (void)db_done(run, sop_db_close(run->db, &err), &err, !run->unknown);
        run->db = NULL;
    }
    for (int i = 0; i < 2 && run->db == NULL && run->created; i++) {
        sop_status status = fault_open(run, 0, &err);
        (void)db_done(run, status, &err, !run->unknown);
    }
    if (run->db != NULL) settle(run);
}

/* ---- the script ---- */

static void stores_make(fault_run *run)
{
    work w;
    work_begin(&w, run, "create stores");
    create(&w, 0, 0);
    create(&w, 1, 1);
    for (int k = 0; k < FAULT_KEYS; k += 2)
        put(&w, 0, k);
    work_end(&w, SOP_OK);
}

static void items_change(fault_run *run)
{
    work w;
    work_begin(&w, run, "puts, adds, updates, removes");
    for (int k = 1; k < 20; k += 3) {
        add(&w, 0, k);
        update(&w, 0, k + 1);
        drop_key(&w, 0, k + 2);
    }
    look(&w);
    work_end(&w, SOP_OK);
    work_begin(&w, run, "duplicates");
    for (int k = 0; k < 30; k += 4) {
        add(&w, 1, k);
        add(&w, 1, k % 8);
        update(&w, 1, k / 2);
        drop_key(&w, 1, k - k % 3);
    }
    ranks(&w, 1);
    look(&w);
    work_end(&w, SOP_OK);
}

static void values_large(fault_run *run)
{
    work w;
    work_begin(&w, run, "streams");
    stream(&w, 0, 7, 0);
    stream(&w, 1, 37, 0);
    work_end(&w, SOP_OK);
    work_begin(&w, run, "append to a stream");
    stream(&w, 0, 7, 1);
    look(&w);
    work_end(&w, SOP_OK);
}

/* Two transactions, of which the later one read what the first one wrote. */
static void conflict(fault_run *run)
{
    work loser;
    work winner;
    char key[FAULT_KEY_SIZE];
    sop_slice value;
    work_begin(&loser, run, "conflict");
    int count = run->count;
    sop_store *store = store_of(&loser, 0);
    int read = 0;
    if (store != NULL) {
        sop_status wanted = loser.next.stores[0].item[9][0] == 0 ? SOP_NOT_FOUND : SOP_OK;
        sop_status status = sop_store_get(store, fault_key(9, key), &value);
        (void)done(&loser, status, wanted);
        read = status == wanted;
    }
    work_begin(&winner, run, "conflict");
    put(&winner, 0, 9);
    int wrote = !winner.dead && winner.next.stores[0].item[9][0] == run->number;
    work_end(&winner, SOP_OK);
    put(&loser, 0, 11);
    /* Without a write of its own its snapshot is as good as any. */
    int writes = !loser.dead && loser.next.stores[0].item[11][0] == run->number;
    int loses = read && wrote && writes && run->count != count;
    if (!loses) loser.dead = 1;
    work_end(&loser, SOP_CONFLICT);
}

static void catalogue_change(fault_run *run)
{
    work w;
    work_begin(&w, run, "rename, drop, create");
    rename_to(&w, 2, 3);
    drop(&w, 1);
    create(&w, 4, 0);
    put(&w, 4, 3);
    look(&w);
    work_end(&w, SOP_OK);
    work_begin(&w, run, "create again");
    create(&w, 1, 1);
    add(&w, 1, 5);
    work_end(&w, SOP_OK);
}

static void ranges_change(fault_run *run)
{
    work w;
    work_begin(&w, run, "ranges and cursors");
    with_cursor(&w, 3);
    drop_range(&w, 3, 10, 20);
    drop_range(&w, 0, 3, 8);
    ranks(&w, 3);
    look(&w);
    work_end(&w, SOP_OK);
}

/* So many bytes that they are written as runs. */
static void large_transaction(fault_run *run)
{
    work w;
    work_begin(&w, run, "a large transaction");
    for (int k = 0; k < FAULT_KEYS; k++) {
        put(&w, 0, k);
        put(&w, 4, k);
    }
    drop_key(&w, 0, 3);
    look(&w);
    work_end(&w, SOP_OK);
}

static void dice_roll(fault_run *run, int rounds)
{
    for (int i = 0; i < rounds; i++) {
        work w;
        work_begin(&w, run, "random changes");
        for (int n = 0; n < 6; n++) {
            uint64_t dice = sop_test_random(&run->dice);
            int k = (int)(dice % FAULT_KEYS);
            int s = (dice >> 8) % 3 == 0 ? 4 : 0;
            if (!w.next.stores[s].exists) continue;
            if ((dice >> 16) % 4 == 0) {
                drop_key(&w, s, k);
            } else {
                put(&w, s, k);
            }
        }
        work_end(&w, SOP_OK);
    }
}

void fault_workload(fault_run *run)
{
    sop_error err = {0};
    run->step = "create the database";
    sop_status status = fault_open(run, 1, &err);
    if (status == SOP_OK) {
        run->created = 1;
    } else {
        fault_excuse(run, status, &err);
        return;
    }
    stores_make(run);
    items_change(run);
    values_large(run);
    conflict(run);
    checkpoint(run);
    items_change(run);
    bulk_load(run, 2);
    feed(run);
    dice_roll(run, 3);
    backup(run);
    catalogue_change(run);
    checkpoint(run);
    ranges_change(run);
    large_transaction(run);
    feed(run);
    reopen(run);
    dice_roll(run, 3);
    values_large(run);
    large_transaction(run);
    bulk_load(run, 5);
    checkpoint(run);
    sync_and_check(run);
    reopen(run);
    ranges_change(run);
    conflict(run);
    dice_roll(run, 2);
}
