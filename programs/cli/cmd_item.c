/* SPDX-License-Identifier: MIT */
/* get, put, rm, scan, count, rank: items of a store. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "util/memory.h"

enum { PIECE = 1 << 20 };

/* Opens the store of the first two arguments and parses the third as a key. */
static int item_open(cli_session *s, const cli_args *args, sop_txn_mode mode, sop_slice *key)
{
    int code = cli_session_open(s, args, mode, args->positional[1]);
    if (code != CLI_OK) return code;
    code = cli_key_parse(args, cli_keys_of(s->store), args->positional[2], key);
    return code == CLI_OK ? CLI_OK : cli_session_close(s, code);
}

/* ---- get ---- */

static int value_stream(cli_session *s, sop_slice key, uint64_t offset, uint64_t size)
{
    char *buffer = sop_alloc(PIECE);
    if (buffer == NULL) return cli_error(s->args, "out of memory");
    int code = CLI_OK;
    while (size > 0 && code == CLI_OK) {
        size_t got;
        size_t want = size < PIECE ? (size_t)size : PIECE;
        sop_status status = sop_value_read(s->store, key, offset, buffer, want, &got);
        if (status != SOP_OK) code = cli_session_fail(s, status);
        if (status != SOP_OK || got == 0) break;
        if (fwrite(buffer, 1, got, stdout) != got) {
            code = cli_error(s->args, "writing the output: %s",
                             cli_reason(errno, (char[CLI_REASON_SIZE]){0}));
        }
        offset += got;
        size -= got;
    }
    sop_free(buffer);
    return code;
}

static int value_json(cli_session *s, int keys, sop_slice key)
{
    sop_slice value;
    sop_status status = sop_store_get(s->store, key, &value);
    if (status != SOP_OK) return cli_session_fail(s, status);
    (void)printf("{\"key\":");
    cli_key_print(stdout, keys, key, 1);
    (void)printf(",\"value\":");
    cli_print_json(stdout, value);
    (void)printf("}\n");
    return CLI_OK;
}

int cmd_get(const cli_args *args)
{
    cli_session s;
    sop_slice key;
    uint64_t offset;
    uint64_t size;
    int code = cli_number(args, "offset", 0, &offset);
    if (code == CLI_OK) code = cli_number(args, "size", UINT64_MAX, &size);
    if (code == CLI_OK) code = item_open(&s, args, SOP_TXN_READ, &key);
    if (code != CLI_OK) return code;
    uint64_t total;
    sop_status status = sop_value_size(s.store, key, &total);
    if (status == SOP_NOT_FOUND) {
        (void)cli_error(args, "there is no key %s", args->positional[2]);
        code = CLI_ABSENT;
    } else if (status != SOP_OK) {
        code = cli_session_fail(&s, status);
    } else if (args->json) {
        code = value_json(&s, cli_keys_of(s.store), key);
    } else {
        code = value_stream(&s, key, offset, size);
        if (code == CLI_OK && total != 0 && !cli_flag(args, "size")) (void)fputc('\n', stdout);
    }
    cli_slice_free(key);
    return cli_session_close(&s, code);
}

/* ---- put ---- */

static int value_from_file(cli_session *s, sop_slice key, FILE *file, const char *name)
{
    char *buffer = sop_alloc(PIECE);
    sop_value_writer *writer;
    if (buffer == NULL) return cli_error(s->args, "out of memory");
    size_t got = fread(buffer, 1, PIECE, file);
    sop_status status;
    int code = CLI_OK;
    if (got < PIECE && !ferror(file)) {
        status = sop_store_put(s->store, key, (sop_slice){buffer, got});
    } else {
        status = sop_value_write_open(s->store, key, &writer);
        while (status == SOP_OK && got > 0 && !cli_interrupted()) {
            status = sop_value_write(writer, buffer, got);
            got = fread(buffer, 1, PIECE, file);
        }
        if (cli_interrupted()) status = SOP_CANCELLED;
        if (status == SOP_OK && !ferror(file)) {
            status = sop_value_write_finish(writer);
        } else {
            sop_value_write_abort(writer);
        }
    }
    if (ferror(file)) {
        code = cli_error(s->args, "reading %s: %s", name,
                         cli_reason(errno, (char[CLI_REASON_SIZE]){0}));
    } else if (status != SOP_OK) {
        code = cli_session_fail(s, status);
    }
    sop_free(buffer);
    return code;
}

static int value_put(cli_session *s, sop_slice key)
{
    const cli_args *args = s->args;
    const char *path = cli_value(args, "file");
    if (args->count == 4 && path != NULL) return cli_usage_error(args, "a value and --file");
    if (args->count == 4) {
        sop_slice value = cli_unescape(args->positional[3]);
        if (value.data == NULL) return cli_error(args, "out of memory");
        sop_store_info info = SOP_STORE_INFO_INIT;
        sop_status status = sop_store_info_get(s->store, &info);
        if (status == SOP_OK) {
            status = cli_flag(args, "add") || info.allow_duplicates
                         ? sop_store_add(s->store, key, value)
                         : sop_store_put(s->store, key, value);
        }
        cli_slice_free(value);
        return status == SOP_OK ? CLI_OK : cli_session_fail(s, status);
    }
    if (path == NULL) return value_from_file(s, key, stdin, "standard input");
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return cli_error(args, "%s: %s", path, cli_reason(errno, (char[CLI_REASON_SIZE]){0}));
    }
    int code = value_from_file(s, key, file, path);
    (void)fclose(file);
    return code;
}

int cmd_put(const cli_args *args)
{
    cli_session s;
    sop_slice key;
    int code = item_open(&s, args, SOP_TXN_WRITE, &key);
    if (code != CLI_OK) return code;
    code = value_put(&s, key);
    cli_slice_free(key);
    return cli_session_close(&s, code);
}

/* ---- ranges ---- */

typedef struct {
    sop_slice from; /* from malloc, or empty */
    sop_slice to;
} key_range;

static void range_free(key_range *range)
{
    cli_slice_free(range->from);
    cli_slice_free(range->to);
}

static int range_parse(const cli_session *s, key_range *range)
{
    const cli_args *args = s->args;
    const char *prefix = cli_value(args, "prefix");
    const char *from = cli_value(args, "from");
    const char *to = cli_value(args, "to");
    int keys = cli_keys_of(s->store);
    *range = (key_range){0};
    if (prefix != NULL && (from != NULL || to != NULL)) {
        return cli_usage_error(args, "--prefix with --from or --to");
    }
    int code = CLI_OK;
    if (from != NULL) code = cli_key_parse(args, keys, from, &range->from);
    if (code == CLI_OK && to != NULL) code = cli_key_parse(args, keys, to, &range->to);
    if (code != CLI_OK || prefix == NULL || prefix[0] == '\0') return code;
    code = cli_key_parse(args, keys, prefix, &range->from);
    if (code != CLI_OK) return code;
    void *end = sop_alloc(range->from.size + 1);
    sop_slice end_key;
    if (end == NULL ||
        sop_key_prefix_end(range->from, end, range->from.size + 1, &end_key) != SOP_OK) {
        sop_free(end);
        return cli_error(args, "out of memory");
    }
    if (end_key.size == 0) {
        sop_free(end);
    } else {
        range->to = (sop_slice){end, end_key.size};
    }
    return CLI_OK;
}

int cmd_count(const cli_args *args)
{
    cli_session s;
    key_range range;
    uint64_t count = 0;
    int code = cli_session_open(&s, args, SOP_TXN_READ, args->positional[1]);
    if (code != CLI_OK) return code;
    code = range_parse(&s, &range);
    if (code == CLI_OK) {
        sop_status status = sop_store_count_range(s.store, range.from, range.to, &count);
        if (status != SOP_OK) code = cli_session_fail(&s, status);
    }
    if (code == CLI_OK) {
        (void)printf(args->json ? "{\"count\":%llu}\n" : "%llu\n", (unsigned long long)count);
    }
    range_free(&range);
    return cli_session_close(&s, code);
}

int cmd_rank(const cli_args *args)
{
    cli_session s;
    sop_slice key;
    uint64_t rank = 0;
    int code = item_open(&s, args, SOP_TXN_READ, &key);
    if (code != CLI_OK) return code;
    sop_status status = sop_store_rank(s.store, key, &rank);
    if (status != SOP_OK) code = cli_session_fail(&s, status);
    if (code == CLI_OK) {
        (void)printf(args->json ? "{\"rank\":%llu}\n" : "%llu\n", (unsigned long long)rank);
    }
    cli_slice_free(key);
    return cli_session_close(&s, code);
}

static int range_remove(cli_session *s)
{
    key_range range;
    uint64_t removed = 0;
    int code = range_parse(s, &range);
    if (code == CLI_OK && range.from.size == 0 && range.to.size == 0) {
        code = cli_usage_error(s->args, "a key, or --from, --to, --prefix");
    }
    if (code == CLI_OK) {
        sop_status status = sop_store_remove_range(s->store, range.from, range.to, &removed);
        if (status != SOP_OK) code = cli_session_fail(s, status);
    }
    range_free(&range);
    if (code == CLI_OK && !s->args->quiet) {
        (void)printf(s->args->json ? "{\"removed\":%llu}\n" : "%llu removed\n",
                     (unsigned long long)removed);
    }
    return code;
}

int cmd_rm(const cli_args *args)
{
    cli_session s;
    int code = cli_session_open(&s, args, SOP_TXN_WRITE, args->positional[1]);
    if (code != CLI_OK) return code;
    if (args->count == 2) return cli_session_close(&s, range_remove(&s));
    sop_slice key = {0};
    code = cli_key_parse(args, cli_keys_of(s.store), args->positional[2], &key);
    if (code == CLI_OK) {
        sop_status status = sop_store_remove(s.store, key);
        if (status == SOP_NOT_FOUND) {
            (void)cli_error(args, "there is no key %s", args->positional[2]);
            code = CLI_ABSENT;
        } else if (status != SOP_OK) {
            code = cli_session_fail(&s, status);
        }
    }
    cli_slice_free(key);
    return cli_session_close(&s, code);
}

/* ---- scan ---- */

typedef struct {
    uint64_t limit;
    int reverse;
    int keys_only;
    int values_only;
    int keys;
} scan_style;

static int scan_print(cli_session *s, sop_cursor *cursor, const scan_style *style)
{
    sop_slice key;
    sop_slice value = {"", 0};
    sop_status status = sop_cursor_key(cursor, &key);
    if (status == SOP_OK && !style->keys_only) status = sop_cursor_value(cursor, &value);
    if (status != SOP_OK) return cli_session_fail(s, status);
    if (s->args->json) {
        (void)printf("{\"key\":");
        cli_key_print(stdout, style->keys, key, 1);
        if (!style->keys_only) {
            (void)printf(",\"value\":");
            cli_print_json(stdout, value);
        }
        (void)printf("}\n");
        return CLI_OK;
    }
    if (!style->values_only) cli_key_print(stdout, style->keys, key, 0);
    if (!style->keys_only) {
        if (!style->values_only) (void)fputc('\t', stdout);
        cli_print_text(stdout, value);
    }
    (void)fputc('\n', stdout);
    return CLI_OK;
}

/* Where to begin: a row number, a percentage, or an end. Leaves the cursor on the first item to print. */
static sop_status
scan_begin(cli_session *s, sop_cursor *cursor, const scan_style *style, const key_range *range)
{
    const cli_args *args = s->args;
    const char *percent = cli_value(args, "at");
    uint64_t rank = 0;
    uint64_t count = 0;
    if (percent == NULL && !cli_flag(args, "at-rank")) {
        return style->reverse ? sop_cursor_last(cursor) : sop_cursor_first(cursor);
    }
    sop_status status = sop_store_count_range(s->store, range->from, range->to, &count);
    if (status != SOP_OK) return status;
    if (percent != NULL) {
        double part = strtod(percent, NULL) / 100.0;
        rank = (uint64_t)(part * (double)count);
        if (rank >= count && count != 0) rank = count - 1;
    } else {
        rank = strtoull(cli_value(args, "at-rank"), NULL, 10);
    }
    return sop_cursor_seek_rank(cursor, rank);
}

static int scan_run(cli_session *s, const scan_style *style, const key_range *range)
{
    sop_cursor *cursor;
    sop_status status = sop_cursor_open(s->store, &cursor);
    if (status == SOP_OK) status = sop_cursor_bound(cursor, range->from, range->to);
    if (status == SOP_OK) status = scan_begin(s, cursor, style, range);
    for (uint64_t n = 0; status == SOP_OK && n < style->limit; n++) {
        int code = scan_print(s, cursor, style);
        if (code != CLI_OK) return code;
        if (cli_interrupted()) return CLI_INTERRUPTED;
        if (ferror(stdout)) {
            return cli_error(s->args, "writing the output: %s",
                             cli_reason(errno, (char[CLI_REASON_SIZE]){0}));
        }
        status = style->reverse ? sop_cursor_prev(cursor) : sop_cursor_next(cursor);
    }
    return status == SOP_OK || status == SOP_NOT_FOUND ? CLI_OK : cli_session_fail(s, status);
}

static int percent_check(const cli_args *args)
{
    const char *text = cli_value(args, "at");
    if (text == NULL) return CLI_OK;
    char *end = NULL;
    double value = strtod(text, &end);
    if (end == text || (strcmp(end, "%") != 0 && *end != '\0') || !(value >= 0 && value <= 100)) {
        return cli_usage_error(args, "--at %s: a percentage from 0%% to 100%%", text);
    }
    if (cli_flag(args, "at-rank")) return cli_usage_error(args, "--at with --at-rank");
    return CLI_OK;
}

int cmd_scan(const cli_args *args)
{
    cli_session s;
    key_range range;
    uint64_t rank;
    scan_style style = {.reverse = cli_flag(args, "reverse"),
                        .keys_only = cli_flag(args, "keys-only"),
                        .values_only = cli_flag(args, "values-only")};
    int code = cli_number(args, "limit", UINT64_MAX, &style.limit);
    if (code == CLI_OK) code = cli_number(args, "at-rank", 0, &rank);
    if (code == CLI_OK) code = percent_check(args);
    if (code == CLI_OK) code = cli_session_open(&s, args, SOP_TXN_READ, args->positional[1]);
    if (code != CLI_OK) return code;
    style.keys = cli_keys_of(s.store);
    code = range_parse(&s, &range);
    if (code == CLI_OK) code = scan_run(&s, &style, &range);
    range_free(&range);
    return cli_session_close(&s, code);
}
