/* SPDX-License-Identifier: MIT */
/* create, ls, info, drop, rename, stat: databases and stores as a whole. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/documents.h"
#include "json/json.h"
#include "util/memory.h"

int cmd_create(const cli_args *args)
{
    sop_db *db;
    uint64_t inline_max;
    int code = cli_number(args, "inline-max", 0, &inline_max);
    if (code != CLI_OK) return code;
    if (args->count == 1) {
        if (cli_flag(args, "duplicates") || cli_flag(args, "inline-max") ||
            cli_flag(args, "describe")) {
            return cli_usage_error(args, "these options are about a store; its name is missing");
        }
        sop_error err = {0};
        sop_db_options options = SOP_DB_OPTIONS_INIT;
        options.open_mode = SOP_OPEN_NEW;
        sop_status status = sop_db_open(args->positional[0], &options, &db, &err);
        if (status == SOP_OK) return cli_close(args, db, CLI_OK);
        (void)cli_fail(args, status, &err);
        return CLI_FAILED;
    }
    if (cli_flag(args, "key")) return cli_create_documents(args);
    code = cli_open(args, args->positional[0], 1, &db);
    if (code != CLI_OK) return code;
    sop_error err = {0};
    sop_txn *txn;
    sop_store *store;
    sop_status status = sop_txn_begin(db, SOP_TXN_WRITE, &txn, &err);
    if (status != SOP_OK) return cli_close(args, db, cli_fail(args, status, &err));
    sop_json_writer attributes;
    sop_json_writer_init(&attributes, 0);
    sop_store_options options = SOP_STORE_OPTIONS_INIT;
    options.allow_duplicates = cli_flag(args, "duplicates");
    options.inline_value_max = inline_max > UINT32_MAX ? UINT32_MAX : (uint32_t)inline_max;
    const char *description = cli_value(args, "describe");
    if (description != NULL) {
        sop_json_object_begin(&attributes);
        sop_json_key(&attributes, sop_str("description"));
        sop_json_string(&attributes, sop_str(description));
        sop_json_object_end(&attributes);
        if (sop_json_writer_end(&attributes, &options.attributes) != SOP_OK) {
            code = cli_error(args, "--describe: not UTF-8");
        }
    }
    if (code == CLI_OK) {
        status = sop_store_create(txn, args->positional[1], &options, &store);
        if (status == SOP_OK) status = sop_txn_commit(txn);
        if (status != SOP_OK) code = cli_fail(args, status, sop_txn_error(txn));
    }
    sop_json_writer_deinit(&attributes);
    sop_txn_close(txn);
    return cli_close(args, db, code);
}

/* ---- a store as figures ---- */

enum { STORE_FIGURES = 10 };

static void
store_figures(const sop_store_info *info, const char *keys, cli_figure out[STORE_FIGURES])
{
    int good =
        info->attributes.size != 0 && sop_json_check(info->attributes, NULL, NULL, NULL) == SOP_OK;
    const cli_figure figures[STORE_FIGURES] = {
        {"id", "id", CLI_NUMBER, info->id, {0}},
        {"name", "name", CLI_TEXT, 0, sop_str(info->name)},
        {"kind", "kind", CLI_TEXT, 0, sop_str(info->kind == SOP_STORE_RAW ? "raw" : "documents")},
        {"count", "items", CLI_NUMBER, info->count, {0}},
        {"bytes", "size", CLI_BYTES, info->bytes, {0}},
        {"depth", "levels", CLI_NUMBER, info->depth, {0}},
        {"allow_duplicates", "duplicate keys", CLI_FLAG, info->allow_duplicates != 0, {0}},
        {"inline_value_max", "inline up to", CLI_BYTES, info->inline_value_max, {0}},
        {keys == NULL ? NULL : "keys", "keys", CLI_TEXT, 0, sop_str(keys == NULL ? "" : keys)},
        {good ? "attributes" : NULL, good ? "attributes" : NULL, CLI_JSON, 0, info->attributes},
    };
    memcpy(out, figures, sizeof figures);
}

/* ---- ls ---- */

typedef struct {
    char name[SOP_STORE_NAME_SIZE_MAX + 1];
    uint64_t count;
    uint64_t bytes;
    int duplicates;
} ls_row;

typedef struct {
    const cli_args *args;
    ls_row *rows;
    size_t count;
    size_t capacity;
} listing;

static sop_status ls_add(const sop_store_info *info, void *context)
{
    listing *l = context;
    if (l->args->json) {
        cli_figure figures[STORE_FIGURES];
        store_figures(info, NULL, figures);
        cli_figures_print(l->args, figures, STORE_FIGURES);
        return SOP_OK;
    }
    if (l->count == l->capacity) {
        size_t capacity = l->capacity * 2 + 64;
        ls_row *grown = sop_realloc(l->rows, capacity * sizeof *grown);
        if (grown == NULL) return SOP_NO_MEMORY;
        l->rows = grown;
        l->capacity = capacity;
    }
    ls_row *row = &l->rows[l->count++];
    *row = (ls_row){
        .count = info->count, .bytes = info->bytes, .duplicates = info->allow_duplicates != 0};
    (void)snprintf(row->name, sizeof row->name, "%s", info->name);
    return SOP_OK;
}

static void ls_print(const listing *l)
{
    char count[32];
    char bytes[32];
    size_t width = strlen("store");
    for (size_t i = 0; i < l->count; i++) {
        size_t columns = cli_width(sop_str(l->rows[i].name), CLI_SHOW_VALUE);
        if (columns > width) width = columns;
    }
    (void)printf("store");
    cli_print_spaces(stdout, strlen("store"), width);
    (void)printf("  %13s  %10s\n", "items", "size");
    for (size_t i = 0; i < l->count; i++) {
        sop_slice name = sop_str(l->rows[i].name);
        cli_print_text(stdout, name, CLI_SHOW_VALUE);
        cli_print_spaces(stdout, cli_width(name, CLI_SHOW_VALUE), width);
        (void)printf("  %13s  %10s%s\n", cli_thousands(l->rows[i].count, count),
                     cli_bytes(l->rows[i].bytes, bytes),
                     l->rows[i].duplicates ? "  duplicate keys" : "");
    }
}

int cmd_ls(const cli_args *args)
{
    cli_session s;
    int code = cli_session_open(&s, args, SOP_TXN_READ, NULL);
    if (code != CLI_OK) return code;
    listing l = {.args = args};
    sop_status status = sop_store_list(s.txn, ls_add, &l);
    if (status == SOP_OK && l.count != 0) ls_print(&l);
    sop_free(l.rows);
    return cli_session_close(&s, status == SOP_OK ? CLI_OK : cli_session_fail(&s, status));
}

/* ---- info ---- */

static sop_slice hex_write(const uint8_t *bytes, size_t size, char *text)
{
    for (size_t i = 0; i < size; i++) {
        (void)snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    }
    return (sop_slice){text, 2 * size};
}

static int info_db(const cli_session *s)
{
    static const char *const syncs[] = {"full", "periodic", "off"};
    char id[33];
    char incarnation[33];
    char format[32];
    sop_error err = {0};
    sop_db_info info = SOP_DB_INFO_INIT;
    sop_status status = sop_db_info_get(s->db, &info, &err);
    if (status != SOP_OK) return cli_fail(s->args, status, &err);
    (void)snprintf(format, sizeof format, "%u.%u", info.format_major, info.format_minor);
    const cli_figure figures[] = {
        {"url", "url", CLI_TEXT, 0, sop_str(info.url)},
        {"id", "id", CLI_TEXT, 0, hex_write(info.id, 16, id)},
        {"incarnation", "incarnation", CLI_TEXT, 0, hex_write(info.incarnation, 16, incarnation)},
        {"mode", "mode", CLI_TEXT, 0, sop_str(info.mode)},
        {"format", "format", CLI_TEXT, 0, sop_str(format)},
        {"read_only", "read only", CLI_FLAG, info.read_only != 0, {0}},
        {"sync", "sync", CLI_TEXT, 0, sop_str(syncs[info.sync])},
        {"stores", "stores", CLI_NUMBER, info.stores, {0}},
        {"tip", "newest commit", CLI_NUMBER, info.tip, {0}},
        {"durable", "durable up to", CLI_NUMBER, info.durable, {0}},
        {"base", "last checkpoint", CLI_NUMBER, info.base, {0}},
    };
    cli_figures_print(s->args, figures, sizeof figures / sizeof figures[0]);
    return CLI_OK;
}

static int info_store(cli_session *s)
{
    sop_store_info info = SOP_STORE_INFO_INIT;
    const char *keys = cli_keys_of(s->store) == CLI_KEYS_TEXT ? "text" : "tuple";
    sop_status status = sop_store_info_get(s->store, &info);
    if (status != SOP_OK) return cli_session_fail(s, status);
    cli_figure figures[STORE_FIGURES];
    store_figures(&info, keys, figures);
    cli_figures_print(s->args, figures, STORE_FIGURES);
    return CLI_OK;
}

int cmd_info(const cli_args *args)
{
    cli_session s;
    int code =
        cli_session_open(&s, args, SOP_TXN_READ, args->count > 1 ? args->positional[1] : NULL);
    if (code != CLI_OK) return code;
    return cli_session_close(&s, args->count > 1 ? info_store(&s) : info_db(&s));
}

/* ---- drop and rename ---- */

static int confirmed(const cli_args *args)
{
    if (cli_flag(args, "yes")) return CLI_OK;
    if (!isatty(STDIN_FILENO)) {
        return cli_usage_error(args, "no terminal to ask on; --yes drops without asking");
    }
    char line[16];
    (void)fprintf(stderr, "Drop store %s and everything in it? [y/N] ", args->positional[1]);
    if (fgets(line, sizeof line, stdin) != NULL && (line[0] == 'y' || line[0] == 'Y')) {
        return CLI_OK;
    }
    return cli_interrupted() ? cli_fail(args, SOP_CANCELLED, NULL) : cli_error(args, "not dropped");
}

int cmd_drop(const cli_args *args)
{
    cli_session s;
    int code = cli_session_open(&s, args, SOP_TXN_WRITE, args->positional[1]);
    if (code != CLI_OK) return code;
    code = confirmed(args);
    if (code != CLI_OK) return cli_session_close(&s, code);
    sop_status status = sop_store_drop(s.txn, args->positional[1]);
    return cli_session_close(&s, status == SOP_OK ? CLI_OK : cli_session_fail(&s, status));
}

int cmd_rename(const cli_args *args)
{
    cli_session s;
    int code = cli_session_open(&s, args, SOP_TXN_WRITE, NULL);
    if (code != CLI_OK) return code;
    sop_status status = sop_store_rename(s.txn, args->positional[1], args->positional[2]);
    return cli_session_close(&s, status == SOP_OK ? CLI_OK : cli_session_fail(&s, status));
}

/* ---- stat ---- */

int cmd_stat(const cli_args *args)
{
    sop_db *db;
    sop_error err = {0};
    int code = cli_open(args, args->positional[0], 0, &db);
    if (code != CLI_OK) return code;
    sop_stats stats = SOP_STATS_INIT;
    sop_status status = sop_db_stats(db, &stats, &err);
    if (status != SOP_OK) return cli_close(args, db, cli_fail(args, status, &err));
    const cli_figure figures[] = {
        {"segments", "segments", CLI_NUMBER, stats.segments, {0}},
        {"segment_bytes", "segments on disk", CLI_BYTES, stats.segment_bytes, {0}},
        {"live_bytes", "segments in use", CLI_BYTES, stats.live_bytes, {0}},
        {"log_pending_bytes", "log since checkpoint", CLI_BYTES, stats.log_pending_bytes, {0}},
        {"memtable_items", "changes in memory", CLI_NUMBER, stats.memtable_items, {0}},
        {"memtable_bytes", "memory of changes", CLI_BYTES, stats.memtable_bytes, {0}},
        {"oldest_snapshot", "oldest snapshot", CLI_NUMBER, stats.oldest_snapshot, {0}},
    };
    cli_figures_print(args, figures, sizeof figures / sizeof figures[0]);
    return cli_close(args, db, CLI_OK);
}
