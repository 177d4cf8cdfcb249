/* SPDX-License-Identifier: MIT */
/* What the files of the `sop` command share. */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "sop/sop.h"

#include "json/json.h"

/* Exit codes, as in docs/man/sop.1. */
enum {
    CLI_OK = 0,
    CLI_FAILED = 1,
    CLI_USAGE = 2,  /* wrong use: nothing was done */
    CLI_ABSENT = 3, /* no such database, store or key */
    CLI_DAMAGED = 4,
    CLI_INTERRUPTED = 130
};

/* ---- arguments ---- */

/* An option of a command: a flag, or one with a value. */
typedef struct {
    const char *name;  /* without dashes */
    const char *value; /* what to give, as shown in the help; NULL: a flag */
    const char *text;  /* what it does */
} cli_option;

enum { CLI_ARGS_MAX = 64 };

typedef struct {
    const char *command;
    const char *positional[CLI_ARGS_MAX];
    int count;
    const cli_option *options;        /* ended by a NULL name */
    const char *values[CLI_ARGS_MAX]; /* by option; "" for a flag that is set, NULL: not given */
    int json;                         /* --json */
    int quiet;                        /* --quiet */
    int help;                         /* --help */
} cli_args;

typedef struct {
    const char *name;
    const char *arguments; /* as shown in the usage line */
    const char *summary;
    int positional_min;
    int positional_max;
    const cli_option *options;
    int (*run)(const cli_args *args);
} cli_command;

const cli_command *cli_commands(size_t *count_out);
const cli_command *cli_command_find(const char *name);
/* One line on stderr and CLI_USAGE. */
int cli_usage_error(const cli_args *args, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* NULL when not given. */
const char *cli_value(const cli_args *args, const char *option);
int cli_flag(const cli_args *args, const char *option);
/* 0 and *out set (fallback when not given), or CLI_USAGE. */
int cli_number(const cli_args *args, const char *option, uint64_t fallback, uint64_t *out);
/* argv without the program's name. Runs one command line. */
int cli_run(int argc, char **argv);

/* ---- output ---- */

/* One line on stderr: "sop COMMAND: message". Returns CLI_FAILED. */
int cli_error(const cli_args *args, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same from a status and what the library says about it; CLI_INTERRUPTED after Ctrl-C. */
int cli_fail(const cli_args *args, sop_status status, const sop_error *err);
/* Bytes as people read them: printable UTF-8 as it is, other bytes as \xNN. */
typedef enum {
    CLI_SHOW_KEY = 0,   /* a backslash is doubled: what is shown may be typed again */
    CLI_SHOW_VALUE = 1, /* a backslash is one */
    CLI_SHOW_JSON = 2   /* likewise; line breaks and tabs are shown as spaces */
} cli_show;
void cli_print_text(FILE *out, sop_slice bytes, cli_show how);
/* Columns of a terminal that this takes. */
size_t cli_width(sop_slice bytes, cli_show how);
/* At most that many columns, an ellipsis in the last one when there is more. */
void cli_print_cut(FILE *out, sop_slice bytes, cli_show how, size_t columns_max);
void cli_print_spaces(FILE *out, size_t from, size_t to);
/* Columns of the terminal that standard output is; 0: it is none. */
size_t cli_terminal_width(void);
/* Bytes as a JSON string; what is not UTF-8 as {"$t":"bytes","v":"<base64>"}. */
void cli_print_json(FILE *out, sop_slice bytes);
/* JSON of several lines on one: without white space between its parts. Anything else is left as it is. */
sop_slice cli_one_line(sop_json_writer *scratch, sop_slice json);
/* Correct JSON, on one line. */
void cli_print_json_raw(FILE *out, sop_slice json);
/* A value in JSON output: as it is where the store says that its values are JSON and that is so, else as a string. */
void cli_print_value_json(FILE *out, sop_slice value, int is_json);
/* Key bytes from a command line: text with \xNN and \\ undone; memory from malloc. */
sop_slice cli_unescape(const char *text);
/* 12,345,678 */
const char *cli_thousands(uint64_t n, char buffer[32]);
/* 1.5 MiB */
const char *cli_bytes(uint64_t n, char buffer[32]);
int cli_is_utf8(sop_slice bytes);

/* One thing told about an object; as a line for people, as a member for machines. */
typedef enum { CLI_NUMBER = 0, CLI_BYTES, CLI_TEXT, CLI_FLAG, CLI_JSON } cli_figure_kind;
typedef struct {
    const char *name;  /* in JSON; NULL: not there */
    const char *label; /* for people; NULL: not there */
    cli_figure_kind kind;
    uint64_t number;
    sop_slice text; /* CLI_TEXT, CLI_JSON */
} cli_figure;
void cli_figures_print(const cli_args *args, const cli_figure *figures, size_t count);

/* What errno says, in words. buffer: CLI_REASON_SIZE bytes. */
enum { CLI_REASON_SIZE = 128 };
const char *cli_reason(int number, char buffer[CLI_REASON_SIZE]);
/* Frees what cli_unescape or cli_key_parse made. */
void cli_slice_free(sop_slice slice);

/* The file of --output, or standard output. Closing returns code, or CLI_FAILED when a write failed. */
int cli_output_open(const cli_args *args, FILE **out);
int cli_output_close(const cli_args *args, FILE *out, int code);

/* ---- progress and Ctrl-C ---- */

/* Calls of the library that run now are interrupted when SIGINT comes. NULL: none. */
void cli_interrupt_target(sop_db *db);
/* This transaction is cancelled too. NULL: none. */
void cli_interrupt_txn(sop_txn *txn);
int cli_interrupted(void);
void cli_interrupt_forget(void);
/* A bar on stderr when it is a terminal; total 0: only a count. */
typedef struct {
    const char *what;
    uint64_t shown_ms;
    int on;
    int shown;
} cli_progress;
void cli_progress_begin(cli_progress *progress, const cli_args *args, const char *what);
sop_status cli_progress_step(uint64_t done, uint64_t total, void *context);
void cli_progress_end(cli_progress *progress);

/* ---- databases ---- */

/* Opens an existing database (create: also makes one). On failure says why and returns the exit code. */
int cli_open(const cli_args *args, const char *url, int create, sop_db **db_out);
/* The same, but without a complaint *db_out is NULL when there is none. */
int cli_open_if_there(const cli_args *args, const char *url, sop_db **db_out);
/* Closes; returns code, or CLI_FAILED when the close fails. */
int cli_close(const cli_args *args, sop_db *db, int code);
/* Keeps a database open: cli_open of this url gives it, cli_close leaves it open. NULL: no longer. */
void cli_hold(const char *url, sop_db *db);

typedef struct {
    const cli_args *args;
    sop_db *db;
    sop_txn *txn;
    sop_store *store;
} cli_session;
/* Opens database, transaction and store. */
int cli_session_open(cli_session *s, const cli_args *args, sop_txn_mode mode, const char *store);
/* Commits when code is 0 and the transaction writes, closes all. */
int cli_session_close(cli_session *s, int code);
int cli_session_fail(cli_session *s, sop_status status);

/* How a store's keys are written on the command line; kept in its attributes by import. Parts of one kind sort by value, so
   where a number is not whole all of them are decimals. */
enum { CLI_KEYS_TEXT = 0, CLI_KEYS_TUPLE = 1, CLI_KEYS_DECIMAL = 2 };
int cli_keys_of(sop_store *store);
/* Whether the attributes say so at all. */
int cli_keys_are_told(sop_store *store);
/* A key argument as stored bytes, from malloc: text, or JSON parts for tuple keys. 0: bad argument (said). */
int cli_key_parse(const cli_args *args, int keys, const char *text, sop_slice *out);
/* A JSON number as a part. 0: keys takes no such number. */
int cli_number_add(sop_key_builder *builder, int keys, sop_slice number);
void cli_key_print(FILE *out, int keys, sop_slice key, int json);
/* Whether the values of a store are JSON, by its attributes. */
int cli_values_are_json(sop_store *store);

/* [from, to) of --from, --to, --prefix. */
typedef struct {
    sop_slice from; /* from malloc, or empty: open */
    sop_slice to;
} cli_range;
int cli_range_parse(const cli_session *s, cli_range *range);
void cli_range_free(cli_range *range);

/* ---- commands ---- */

int cmd_create(const cli_args *args);
int cmd_ls(const cli_args *args);
int cmd_info(const cli_args *args);
int cmd_drop(const cli_args *args);
int cmd_rename(const cli_args *args);
int cmd_get(const cli_args *args);
int cmd_put(const cli_args *args);
int cmd_rm(const cli_args *args);
int cmd_scan(const cli_args *args);
int cmd_count(const cli_args *args);
int cmd_rank(const cli_args *args);
int cmd_import(const cli_args *args);
int cmd_export(const cli_args *args);
int cmd_load(const cli_args *args);
int cmd_dump(const cli_args *args);
int cmd_check(const cli_args *args);
int cmd_backup(const cli_args *args);
int cmd_restore(const cli_args *args);
int cmd_stat(const cli_args *args);
int cmd_find(const cli_args *args);
int cmd_explain(const cli_args *args);
int cmd_update(const cli_args *args);
int cmd_delete(const cli_args *args);
int cmd_index(const cli_args *args);
int cmd_schema(const cli_args *args);
int cmd_shell(const cli_args *args);
int cmd_bench(const cli_args *args);
int cmd_help(const cli_args *args);
int cmd_serve(const cli_args *args);
int cmd_user(const cli_args *args);

#endif
