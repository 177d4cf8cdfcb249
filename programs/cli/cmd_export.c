/* SPDX-License-Identifier: MIT */
/* export: the values of a store, byte for byte. */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "json/json.h"
#include "util/memory.h"

enum { EXPORT_NDJSON = 0, EXPORT_JSON = 1, PIECE = 1 << 20 };

typedef struct {
    cli_session *s;
    FILE *out;
    int format;
    uint64_t count;
    uint64_t of_several_lines;
    cli_progress progress;
} export;

static int value_fail(export *e, sop_slice key, const char *what)
{
    (void)fprintf(stderr, "sop export: store \"%s\", key ", e->s->args->positional[1]);
    cli_key_print(stderr, cli_keys_of(e->s->store), key, 0);
    (void)fprintf(stderr, ": %s\n", what);
    return CLI_FAILED;
}

/* A value too large for one call, piece by piece. */
static int large_write(export *e, sop_slice key)
{
    char *buffer = sop_alloc(PIECE + key.size);
    if (buffer == NULL) return cli_error(e->s->args, "out of memory");
    memcpy(buffer + PIECE, key.data, key.size);
    key.data = buffer + PIECE;
    int code = CLI_OK;
    size_t got = 1;
    for (uint64_t at = 0; code == CLI_OK && got != 0 && !ferror(e->out); at += got) {
        sop_status status = sop_value_read(e->s->store, key, at, buffer, PIECE, &got);
        if (status != SOP_OK) code = cli_session_fail(e->s, status);
        if (status == SOP_OK) (void)fwrite(buffer, 1, got, e->out);
    }
    sop_free(buffer);
    return code;
}

static int value_export(export *e, sop_cursor *cursor)
{
    sop_slice key;
    sop_slice value = {0};
    int code = CLI_OK;
    sop_status status = sop_cursor_key(cursor, &key);
    if (status == SOP_OK) status = sop_cursor_value(cursor, &value);
    if (e->format == EXPORT_JSON && e->count != 0) (void)fputs(",\n", e->out);
    if (status == SOP_TOO_LARGE) {
        status = sop_cursor_key(cursor, &key);
        if (status == SOP_OK) code = large_write(e, key);
    } else if (status == SOP_OK) {
        if (e->format == EXPORT_JSON && sop_json_check(value, NULL, NULL, NULL) != SOP_OK) {
            return value_fail(e, key, "not JSON; sop dump writes any value");
        }
        if (value.size != 0) {
            (void)fwrite(value.data, 1, value.size, e->out);
            e->of_several_lines += memchr(value.data, '\n', value.size) != NULL;
        }
    }
    if (status != SOP_OK) return cli_session_fail(e->s, status);
    if (e->format == EXPORT_NDJSON) (void)fputc('\n', e->out);
    e->count++;
    return code;
}

static int store_export(export *e, sop_cursor *cursor)
{
    int code = CLI_OK;
    sop_status status;
    cli_progress_begin(&e->progress, e->s->args, "exporting");
    if (e->format == EXPORT_JSON) (void)fputs("[\n", e->out);
    while (code == CLI_OK && (status = sop_cursor_next(cursor)) != SOP_NOT_FOUND) {
        code = status == SOP_OK ? value_export(e, cursor) : cli_session_fail(e->s, status);
        if (ferror(e->out)) break;
        if (code == CLI_OK && cli_progress_step(e->count, 0, &e->progress) != SOP_OK) {
            code = cli_fail(e->s->args, SOP_CANCELLED, NULL);
        }
    }
    if (e->format == EXPORT_JSON && code == CLI_OK) (void)fputs("\n]\n", e->out);
    cli_progress_end(&e->progress);
    if (code == CLI_OK && e->format == EXPORT_NDJSON && e->of_several_lines != 0) {
        (void)cli_error(e->s->args,
                        "note: %llu values take several lines; --format json tells "
                        "them apart",
                        (unsigned long long)e->of_several_lines);
    }
    return code;
}

int cmd_export(const cli_args *args)
{
    cli_session s;
    sop_cursor *cursor;
    cli_range range;
    export e = {.s = &s};
    const char *wanted = cli_value(args, "format");
    if (wanted != NULL && strcmp(wanted, "json") == 0) {
        e.format = EXPORT_JSON;
    } else if (wanted != NULL && strcmp(wanted, "ndjson") != 0) {
        return cli_usage_error(args, "--format %s: ndjson or json", wanted);
    }
    int code = cli_session_open(&s, args, SOP_TXN_READ, args->positional[1]);
    if (code != CLI_OK) return code;
    code = cli_range_parse(&s, &range);
    if (code == CLI_OK) {
        sop_status status = sop_cursor_open(s.store, &cursor);
        if (status == SOP_OK) status = sop_cursor_bound(cursor, range.from, range.to);
        if (status != SOP_OK) code = cli_session_fail(&s, status);
    }
    cli_range_free(&range);
    if (code == CLI_OK) code = cli_output_open(args, &e.out);
    if (code == CLI_OK) code = cli_output_close(args, e.out, store_export(&e, cursor));
    return cli_session_close(&s, code);
}
