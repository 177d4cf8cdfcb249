/* SPDX-License-Identifier: MIT */
/* get, put, rm, count, rank: one item of a store, or the number of them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

static int value_json(cli_session *s, sop_slice key)
{
    sop_slice value;
    int keys = cli_keys_of(s->store);
    int values_are_json = cli_values_are_json(s->store);
    sop_status status = sop_store_get(s->store, key, &value);
    if (status != SOP_OK) return cli_session_fail(s, status);
    (void)printf("{\"key\":");
    cli_key_print(stdout, keys, key, 1);
    (void)printf(",\"value\":");
    cli_print_value_json(stdout, value, values_are_json);
    (void)printf("}\n");
    return CLI_OK;
}

/* The very bytes; on a terminal the prompt then begins on a line of its own. */
static int value_bytes(cli_session *s, sop_slice key, uint64_t total)
{
    uint64_t offset;
    uint64_t size;
    int code = cli_number(s->args, "offset", 0, &offset);
    if (code == CLI_OK) code = cli_number(s->args, "size", UINT64_MAX, &size);
    if (code == CLI_OK) code = value_stream(s, key, offset, size);
    if (code == CLI_OK && total != 0 && isatty(STDOUT_FILENO)) (void)fputc('\n', stdout);
    return code;
}

static int key_absent(const cli_args *args)
{
    (void)cli_error(args, "there is no key %s in store \"%s\"", args->positional[2],
                    args->positional[1]);
    return CLI_ABSENT;
}

int cmd_get(const cli_args *args)
{
    cli_session s;
    sop_slice key;
    uint64_t total;
    int code = cli_number(args, "offset", 0, &total);
    if (code == CLI_OK) code = cli_number(args, "size", 0, &total);
    if (code == CLI_OK && args->json && (cli_flag(args, "offset") || cli_flag(args, "size"))) {
        code = cli_usage_error(args, "--json with --offset or --size");
    }
    if (code == CLI_OK) code = item_open(&s, args, SOP_TXN_READ, &key);
    if (code != CLI_OK) return code;
    sop_status status = sop_value_size(s.store, key, &total);
    if (status == SOP_NOT_FOUND) {
        code = key_absent(args);
    } else if (status != SOP_OK) {
        code = cli_session_fail(&s, status);
    } else {
        code = args->json ? value_json(&s, key) : value_bytes(&s, key, total);
    }
    cli_slice_free(key);
    return cli_session_close(&s, code);
}

/* ---- put ---- */

/* The whole value is there: --add and stores with duplicates add it. */
static sop_status value_store(cli_session *s, sop_slice key, sop_slice value)
{
    sop_store_info info = SOP_STORE_INFO_INIT;
    sop_status status = sop_store_info_get(s->store, &info);
    if (status != SOP_OK) return status;
    return cli_flag(s->args, "add") || info.allow_duplicates ? sop_store_add(s->store, key, value)
                                                             : sop_store_put(s->store, key, value);
}

/* A value larger than one piece. */
static sop_status value_write(cli_session *s, sop_slice key, FILE *file, char *buffer, size_t got)
{
    sop_value_writer *writer;
    uint64_t size;
    if (cli_flag(s->args, "add")) {
        sop_store_info info = SOP_STORE_INFO_INIT;
        sop_status found = sop_store_info_get(s->store, &info);
        if (found != SOP_OK) return found;
        if (!info.allow_duplicates) found = sop_value_size(s->store, key, &size);
        if (!info.allow_duplicates && found != SOP_NOT_FOUND) {
            return found == SOP_OK ? SOP_EXISTS : found;
        }
    }
    sop_status status = sop_value_write_open(s->store, key, &writer);
    while (status == SOP_OK && got > 0 && !cli_interrupted()) {
        status = sop_value_write(writer, buffer, got);
        got = fread(buffer, 1, PIECE, file);
    }
    if (status == SOP_OK && cli_interrupted()) status = SOP_CANCELLED;
    if (status == SOP_OK && !ferror(file)) return sop_value_write_finish(writer);
    sop_value_write_abort(writer);
    return status;
}

static int put_result(cli_session *s, sop_status status)
{
    const cli_args *args = s->args;
    if (status != SOP_EXISTS) return status == SOP_OK ? CLI_OK : cli_session_fail(s, status);
    return cli_error(args, "the key %s is in store \"%s\" already", args->positional[2],
                     args->positional[1]);
}

static int value_from_file(cli_session *s, sop_slice key, FILE *file, const char *name)
{
    char *buffer = sop_alloc(PIECE);
    if (buffer == NULL) return cli_error(s->args, "out of memory");
    size_t got = fread(buffer, 1, PIECE, file);
    sop_status status = SOP_OK;
    if (got == PIECE) {
        status = value_write(s, key, file, buffer, got);
    } else if (!ferror(file)) {
        status = value_store(s, key, (sop_slice){buffer, got});
    }
    int reason = errno;
    sop_free(buffer);
    if (cli_interrupted()) return cli_fail(s->args, SOP_CANCELLED, NULL);
    if (ferror(file)) {
        return cli_error(s->args, "reading %s: %s", name,
                         cli_reason(reason, (char[CLI_REASON_SIZE]){0}));
    }
    return put_result(s, status);
}

static int value_put(cli_session *s, sop_slice key)
{
    const cli_args *args = s->args;
    const char *path = cli_value(args, "file");
    if (args->count == 4) return put_result(s, value_store(s, key, sop_str(args->positional[3])));
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
    if (args->count == 4 && cli_flag(args, "file")) {
        return cli_usage_error(args, "a value and --file");
    }
    int code = item_open(&s, args, SOP_TXN_WRITE, &key);
    if (code != CLI_OK) return code;
    code = value_put(&s, key);
    cli_slice_free(key);
    return cli_session_close(&s, code);
}

/* ---- ranges ---- */

int cmd_count(const cli_args *args)
{
    cli_session s;
    cli_range range;
    uint64_t count = 0;
    int code = cli_session_open(&s, args, SOP_TXN_READ, args->positional[1]);
    if (code != CLI_OK) return code;
    code = cli_range_parse(&s, &range);
    if (code == CLI_OK) {
        sop_status status = sop_store_count_range(s.store, range.from, range.to, &count);
        if (status != SOP_OK) code = cli_session_fail(&s, status);
    }
    if (code == CLI_OK) {
        (void)printf(args->json ? "{\"count\":%llu}\n" : "%llu\n", (unsigned long long)count);
    }
    cli_range_free(&range);
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
    cli_range range;
    uint64_t removed = 0;
    int code = cli_range_parse(s, &range);
    if (code == CLI_OK) {
        sop_status status = sop_store_remove_range(s->store, range.from, range.to, &removed);
        if (status != SOP_OK) code = cli_session_fail(s, status);
    }
    cli_range_free(&range);
    if (code == CLI_OK && !s->args->quiet) {
        char count[32];
        if (s->args->json) {
            (void)printf("{\"removed\":%llu}\n", (unsigned long long)removed);
        } else {
            (void)printf("%s removed\n", cli_thousands(removed, count));
        }
    }
    return code;
}

int cmd_rm(const cli_args *args)
{
    cli_session s;
    if (args->count == 3 &&
        (cli_flag(args, "from") || cli_flag(args, "to") || cli_flag(args, "prefix"))) {
        return cli_usage_error(args, "a key, and a range");
    }
    if (args->count == 2 && cli_value(args, "from") == NULL && cli_value(args, "to") == NULL &&
        cli_value(args, "prefix") == NULL) {
        return cli_usage_error(args, "a key is needed, or --from, --to, --prefix");
    }
    int code = cli_session_open(&s, args, SOP_TXN_WRITE, args->positional[1]);
    if (code != CLI_OK) return code;
    if (args->count == 2) return cli_session_close(&s, range_remove(&s));
    sop_slice key = {0};
    code = cli_key_parse(args, cli_keys_of(s.store), args->positional[2], &key);
    if (code == CLI_OK) {
        sop_status status = sop_store_remove(s.store, key);
        if (status == SOP_NOT_FOUND) {
            code = key_absent(args);
        } else if (status != SOP_OK) {
            code = cli_session_fail(&s, status);
        }
    }
    cli_slice_free(key);
    return cli_session_close(&s, code);
}
