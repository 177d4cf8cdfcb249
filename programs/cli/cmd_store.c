/* SPDX-License-Identifier: MIT */
/* create, ls, info, drop, rename, stat: databases and stores as a whole. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "json/json.h"

int cmd_create(const cli_args *args)
{
    sop_db *db;
    uint64_t inline_max;
    int code = cli_number(args, "inline-max", 0, &inline_max);
    if (code != CLI_OK) return code;
    if (args->count == 1) {
        sop_error err = {0};
        sop_db_options options = SOP_DB_OPTIONS_INIT;
        options.open_mode = SOP_OPEN_NEW;
        sop_status status = sop_db_open(args->positional[0], &options, &db, &err);
        return status == SOP_OK ? cli_close(args, db, CLI_OK) : cli_fail(args, status, &err);
    }
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

/* ---- ls ---- */

typedef struct {
    const cli_args *args;
    int rows;
} listing;

static void info_json(const sop_store_info *info)
{
    (void)printf("{\"id\":%llu,\"name\":", (unsigned long long)info->id);
    cli_print_json(stdout, sop_str(info->name));
    (void)printf(",\"kind\":\"%s\",\"count\":%llu,\"bytes\":%llu,\"depth\":%u,\"allow_duplicates\":"
                 "%s,\"inline_value_max\":%u",
                 info->kind == SOP_STORE_RAW ? "raw" : "documents", (unsigned long long)info->count,
                 (unsigned long long)info->bytes, info->depth,
                 info->allow_duplicates ? "true" : "false", info->inline_value_max);
    if (info->attributes.size != 0 &&
        sop_json_check(info->attributes, NULL, NULL, NULL) == SOP_OK) {
        (void)printf(",\"attributes\":%.*s", (int)info->attributes.size,
                     (const char *)info->attributes.data);
    }
    (void)printf("}");
}

static sop_status ls_row(const sop_store_info *info, void *context)
{
    listing *l = context;
    char count[32];
    char bytes[32];
    if (l->args->json) {
        info_json(info);
        (void)printf("\n");
        return SOP_OK;
    }
    if (l->rows++ == 0) (void)printf("%-32s %14s %12s\n", "store", "items", "size");
    cli_print_text(stdout, sop_str(info->name));
    int width = 32 - (int)strlen(info->name);
    (void)printf("%*s %14s %12s%s\n", width > 0 ? width : 0, "", cli_thousands(info->count, count),
                 cli_bytes(info->bytes, bytes), info->allow_duplicates ? "  duplicates" : "");
    return SOP_OK;
}

int cmd_ls(const cli_args *args)
{
    cli_session s;
    int code = cli_session_open(&s, args, SOP_TXN_READ, NULL);
    if (code != CLI_OK) return code;
    listing l = {.args = args};
    sop_status status = sop_store_list(s.txn, ls_row, &l);
    return cli_session_close(&s, status == SOP_OK ? CLI_OK : cli_session_fail(&s, status));
}

/* ---- info ---- */

static void hex_print(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        (void)printf("%02x", bytes[i]);
    }
}

static int info_db(const cli_session *s)
{
    static const char *const syncs[] = {"full", "periodic", "off"};
    sop_error err = {0};
    sop_db_info info = SOP_DB_INFO_INIT;
    sop_status status = sop_db_info_get(s->db, &info, &err);
    if (status != SOP_OK) return cli_fail(s->args, status, &err);
    int json = s->args->json;
    (void)printf(json ? "{\"id\":\"" : "id          ");
    hex_print(info.id, 16);
    (void)printf(json ? "\",\"incarnation\":\"" : "\nincarnation ");
    hex_print(info.incarnation, 16);
    (void)printf(json ? "\",\"url\":" : "\nurl         ");
    if (json) {
        cli_print_json(stdout, sop_str(info.url));
    } else {
        cli_print_text(stdout, sop_str(info.url));
    }
    (void)printf(json ? ",\"mode\":\"%s\",\"format\":\"%u.%u\",\"sync\":\"%s\",\"stores\":%llu,"
                        "\"tip\":%llu,\"durable\":%llu,\"base\":%llu}\n"
                      : "\nmode        %s\nformat      %u.%u\nsync        %s\nstores      "
                        "%llu\ntip         %llu\ndurable     %llu\nbase        %llu\n",
                 info.mode, info.format_major, info.format_minor, syncs[info.sync],
                 (unsigned long long)info.stores, (unsigned long long)info.tip,
                 (unsigned long long)info.durable, (unsigned long long)info.base);
    return CLI_OK;
}

static int info_store(cli_session *s)
{
    char count[32];
    char bytes[32];
    sop_store_info info = SOP_STORE_INFO_INIT;
    sop_status status = sop_store_info_get(s->store, &info);
    if (status != SOP_OK) return cli_session_fail(s, status);
    if (s->args->json) {
        info_json(&info);
        (void)printf("\n");
        return CLI_OK;
    }
    (void)printf("name        ");
    cli_print_text(stdout, sop_str(info.name));
    (void)printf(
        "\nid          %llu\nkind        %s\nitems       %s\nsize        %s (as of the last "
        "checkpoint)\ndepth       %u\nduplicates  %s\ninline max  %u\nkeys        %s\n",
        (unsigned long long)info.id, info.kind == SOP_STORE_RAW ? "raw" : "documents",
        cli_thousands(info.count, count), cli_bytes(info.bytes, bytes), info.depth,
        info.allow_duplicates ? "allowed" : "no", info.inline_value_max,
        cli_keys_of(s->store) == CLI_KEYS_TUPLE ? "tuple" : "text");
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
    if (cli_flag(args, "yes") || !isatty(STDIN_FILENO)) return 1;
    char line[16];
    (void)fprintf(stderr, "Drop store %s and everything in it? [y/N] ", args->positional[1]);
    return fgets(line, sizeof line, stdin) != NULL && (line[0] == 'y' || line[0] == 'Y');
}

int cmd_drop(const cli_args *args)
{
    cli_session s;
    int code = cli_session_open(&s, args, SOP_TXN_WRITE, args->positional[1]);
    if (code != CLI_OK) return code;
    if (!confirmed(args)) return cli_session_close(&s, cli_error(args, "not dropped"));
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

typedef struct {
    const char *name;
    uint64_t value;
    int is_bytes;
} figure;

int cmd_stat(const cli_args *args)
{
    sop_db *db;
    sop_error err = {0};
    int code = cli_open(args, args->positional[0], 0, &db);
    if (code != CLI_OK) return code;
    sop_stats stats = SOP_STATS_INIT;
    sop_status status = sop_db_stats(db, &stats, &err);
    if (status != SOP_OK) return cli_close(args, db, cli_fail(args, status, &err));
    const figure figures[] = {
        {"log_pending_bytes", stats.log_pending_bytes, 1},
        {"memtable_bytes", stats.memtable_bytes, 1},
        {"memtable_items", stats.memtable_items, 0},
        {"segments", stats.segments, 0},
        {"segment_bytes", stats.segment_bytes, 1},
        {"live_bytes", stats.live_bytes, 1},
        {"oldest_snapshot", stats.oldest_snapshot, 0},
    };
    size_t count = sizeof figures / sizeof figures[0];
    for (size_t i = 0; i < count; i++) {
        char text[32];
        if (args->json) {
            (void)printf("%s\"%s\":%llu", i == 0 ? "{" : ",", figures[i].name,
                         (unsigned long long)figures[i].value);
        } else {
            (void)printf("%-18s %s\n", figures[i].name,
                         figures[i].is_bytes ? cli_bytes(figures[i].value, text)
                                             : cli_thousands(figures[i].value, text));
        }
    }
    if (args->json) (void)printf("}\n");
    return cli_close(args, db, CLI_OK);
}
