/* SPDX-License-Identifier: MIT */
/* scan: items in order, from an end, a key, a row or a percentage. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

typedef struct {
    uint64_t limit;
    int reverse;
    int keys_only;
    int values_only;
    int keys;
    int values_are_json;
    size_t width; /* columns of the terminal; 0: whole lines, with a tab between key and value */
    sop_json_writer line; /* room for a value on one line */
    char key_text[8 * SOP_KEY_SIZE_MAX];
} scan_style;

enum { KEY_COLUMN = 24 };

/* A line that fits the terminal. */
static void print_row(scan_style *style, sop_slice key, sop_slice value)
{
    size_t used = 0;
    if (!style->values_only) {
        FILE *out = fmemopen(style->key_text, sizeof style->key_text, "w");
        if (out == NULL) return;
        cli_key_print(out, style->keys, key, 0);
        long size = ftell(out);
        (void)fclose(out);
        sop_slice shown = {style->key_text, size < 0 ? 0 : (size_t)size};
        cli_print_cut(stdout, shown, CLI_SHOW_VALUE, style->width);
        used = cli_width(shown, CLI_SHOW_VALUE);
    }
    if (!style->keys_only && used + 2 < style->width) {
        if (used != 0) {
            cli_print_spaces(stdout, used, used < KEY_COLUMN ? KEY_COLUMN : used + 2);
            used = used < KEY_COLUMN ? KEY_COLUMN : used + 2;
        }
        cli_print_cut(stdout, value, CLI_SHOW_VALUE, style->width - used);
    }
    (void)fputc('\n', stdout);
}

static void print_line(const scan_style *style, sop_slice key, sop_slice value)
{
    if (!style->values_only) cli_key_print(stdout, style->keys, key, 0);
    if (!style->keys_only) {
        if (!style->values_only) (void)fputc('\t', stdout);
        cli_print_text(stdout, value, CLI_SHOW_VALUE);
    }
    (void)fputc('\n', stdout);
}

static int scan_print(cli_session *s, sop_cursor *cursor, scan_style *style)
{
    sop_slice key;
    sop_slice value = {"", 0};
    int too_large = 0;
    sop_status status = sop_cursor_key(cursor, &key);
    if (status == SOP_OK && !style->keys_only) {
        status = sop_cursor_value(cursor, &value);
        too_large = status == SOP_TOO_LARGE;
        if (too_large) {
            /* The key may have gone with the failed read. */
            value = sop_str("(above 64 MiB; sop get prints it)");
            status = sop_cursor_key(cursor, &key);
        }
    }
    if (status != SOP_OK) return cli_session_fail(s, status);
    if (style->values_are_json && !too_large) value = cli_one_line(&style->line, value);
    if (s->args->json) {
        (void)printf("{\"key\":");
        cli_key_print(stdout, style->keys, key, 1);
        if (too_large) {
            (void)printf(",\"too_large\":true");
        } else if (!style->keys_only) {
            (void)printf(",\"value\":");
            cli_print_value_json(stdout, value, style->values_are_json);
        }
        (void)printf("}\n");
    } else if (style->width != 0) {
        print_row(style, key, value);
    } else {
        print_line(style, key, value);
    }
    return CLI_OK;
}

/* Where to begin: a row number, a percentage, or an end. Leaves the cursor on the first item to print. */
static sop_status
scan_begin(cli_session *s, sop_cursor *cursor, const scan_style *style, const cli_range *range)
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

static int scan_run(cli_session *s, scan_style *style, const cli_range *range)
{
    sop_cursor *cursor;
    sop_status status = sop_cursor_open(s->store, &cursor);
    if (status == SOP_OK) status = sop_cursor_bound(cursor, range->from, range->to);
    if (status == SOP_OK) status = scan_begin(s, cursor, style, range);
    for (uint64_t n = 0; status == SOP_OK && n < style->limit; n++) {
        int code = scan_print(s, cursor, style);
        if (code != CLI_OK) return code;
        if (cli_interrupted()) return cli_fail(s->args, SOP_CANCELLED, NULL);
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
    cli_range range;
    uint64_t rank;
    scan_style style = {.reverse = cli_flag(args, "reverse"),
                        .keys_only = cli_flag(args, "keys-only"),
                        .values_only = cli_flag(args, "values-only")};
    int code = cli_number(args, "limit", UINT64_MAX, &style.limit);
    if (code == CLI_OK) code = cli_number(args, "at-rank", 0, &rank);
    if (code == CLI_OK) code = percent_check(args);
    if (code == CLI_OK && style.keys_only && style.values_only) {
        code = cli_usage_error(args, "--keys-only with --values-only");
    }
    if (code == CLI_OK) code = cli_session_open(&s, args, SOP_TXN_READ, args->positional[1]);
    if (code != CLI_OK) return code;
    style.keys = cli_keys_of(s.store);
    style.values_are_json = cli_values_are_json(s.store);
    if (!cli_flag(args, "wide")) style.width = cli_terminal_width();
    code = cli_range_parse(&s, &range);
    sop_json_writer_init(&style.line, 0);
    if (code == CLI_OK) code = scan_run(&s, &style, &range);
    sop_json_writer_deinit(&style.line);
    cli_range_free(&range);
    return cli_session_close(&s, code);
}
