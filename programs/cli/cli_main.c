/* SPDX-License-Identifier: MIT */
/* The `sop` command: the table of commands, argument parsing, usage. */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

/* Options that several commands share, with one meaning. */
/* clang-format off */
#define FROM   {"from", "KEY", "begin at this key"}
#define TO     {"to", "KEY", "end before this key"}
#define PREFIX {"prefix", "KEY", "only keys that begin so"}
#define OUTPUT {"output", "FILE", "write there"}
#define WHERE {"where", "FILTER", "which documents; true for all"}
/* clang-format on */

static const cli_option NONE[] = {{0}};
static const cli_option CREATE_OPTIONS[] = {
    {"key", "JSON", "a document store with this key specification"},
    {"rules", "JSON", "field rules of a document store"},
    {"duplicates", NULL, "several items of the store may have equal keys"},
    {"inline-max", "BYTES", "larger values of the store lie apart (2048; at most 16384)"},
    {"describe", "TEXT", "what the store holds, shown by info"},
    {0}};
static const cli_option GET_OPTIONS[] = {{"offset", "BYTES", "leave out that much at the front"},
                                         {"size", "BYTES", "print no more than that"},
                                         {0}};
static const cli_option PUT_OPTIONS[] = {{"file", "FILE", "take the value from a file"},
                                         {"add", NULL, "refuse if the key is there already"},
                                         {0}};
static const cli_option RANGE_OPTIONS[] = {FROM, TO, PREFIX, {0}};
static const cli_option SCAN_OPTIONS[] = {
    FROM,
    TO,
    PREFIX,
    {"reverse", NULL, "go backwards"},
    {"limit", "N", "print at most N items"},
    {"at-rank", "N", "begin at item N, counted from 0"},
    {"at", "PERCENT", "begin at a part of the way, such as 50%"},
    {"keys-only", NULL, "leave out the values"},
    {"values-only", NULL, "leave out the keys"},
    {"wide", NULL, "on a terminal: do not cut lines to its width"},
    {0}};
static const cli_option IMPORT_OPTIONS[] = {
    {"key", "FIELD,...",
     "fields that make the key, such as id; or the specification of a document store"},
    {"format", "FORMAT", "ndjson, json, csv or tsv; else seen from the input"},
    {"records", "FIELD", "json: where in the file the array of records is"},
    {"skip-bad", "FILE", "go on after bad records; FILE tells which and why"},
    {"replace", NULL, "overwrite what has the same key"},
    {"text", NULL, "csv, tsv: take every cell as text, also numbers"},
    {"no-header", NULL, "csv, tsv: no line of names; fields are c1, c2 ..."},
    {0}};
static const cli_option EXPORT_OPTIONS[] = {
    FROM, TO, PREFIX, {"format", "FORMAT", "ndjson (one a line) or json"}, OUTPUT, {0}};
static const cli_option DUMP_OPTIONS[] = {
    {"map", NULL, "list every range of bytes in use: file, offset, length, owner"},
    {"log", "SEQ", "list what was committed after SEQ, as far as the log goes back"},
    OUTPUT,
    {0}};
static const cli_option CHECK_OPTIONS[] = {{"quick", NULL, "do not read large values"}, {0}};
static const cli_option DROP_OPTIONS[] = {{"yes", NULL, "do not ask"}, {0}};
static const cli_option BENCH_OPTIONS[] = {
    {"items", "N", "how many items (200000)"}, {"sync", "MODE", "full, periodic or off"}, {0}};

static const cli_option SERVE_OPTIONS[] = {
    {"port", "N", "listen there; else on a free port"},
    {"no-browser", NULL, "do not open the page"},
    {"read-only", NULL, "nothing can be changed"},
    {"registry", "FILE", "the file of environments (~/.config/sop/registry.json)"},
    {"root", "DIR:...", "folders in which databases may be created and opened"},
    {"users", "FILE", "who may sign in, as made by sop user"},
    {"listen", "ADDRESS", "beyond this machine: needs users, and TLS or --insecure"},
    {"host", "NAME,...", "further names of this server"},
    {"tls-cert", "FILE", "certificate chain in PEM"},
    {"tls-key", "FILE", "its key in PEM"},
    {"insecure", NULL, "beyond this machine without TLS: passwords go in the clear"},
    {"body-max", "BYTES", "largest request (16777216)"},
    {"receive-timeout", "SECONDS", "time a client has to send a request (30)"},
    {"page", "DIR", "serve the page from a folder, for those who work on it"},
    {0}};
static const cli_option USER_OPTIONS[] = {{"role", "ROLE", "viewer (default), editor or admin"},
                                          {"token", NULL, "make a token for programs, print it"},
                                          {0}};

static const cli_option FIND_OPTIONS[] = {
    {"order", "INDEX", "in the order of an index; else by key"},
    {"desc", NULL, "backwards"},
    {"limit", "N", "at most N documents (a table: 100)"},
    {"fields", "PATH,...", "only these fields"},
    {"from", "KEY", "key JSON, or the beginning of it: from here on"},
    {"to", "KEY", "only what comes before"},
    {"after", "POSITION", "go on where a limit ended"},
    {"index", "NAME", "read this index; - reads none"},
    {"count", NULL, "only how many there are"},
    {"by", "PATH", "groups by the values of a path"},
    {"values", "LIST", "of each group: count, sum(PATH), avg, min, max, distinct"},
    {"csv", NULL, "as CSV"},
    {0}};
static const cli_option UPDATE_OPTIONS[] = {
    WHERE,
    {"yes", NULL, "do it; without, it is only shown"},
    {"note", "TEXT", "kept with the commit"},
    {"at-once", "N", "up to N documents are one transaction (100000)"},
    {"chunk", "N", "above it, documents looked at in each (10000)"},
    {"jobs", NULL, "list changes in chunks that are not done"},
    {"resume", "JOB", "go on with one"},
    {"cancel", "JOB", "forget one; what it did stays"},
    {0}};
static const cli_option DELETE_OPTIONS[] = {
    WHERE,
    {"yes", NULL, "do it; without, it is only shown"},
    {"note", "TEXT", "kept with the commit"},
    {"at-once", "N", "up to N are one transaction (100000)"},
    {"chunk", "N", "above it, looked at in each (10000)"},
    {0}};
static const cli_option INDEX_OPTIONS[] = {
    {"create", "NAME", "make one on the paths of --on, or from a definition in JSON"},
    {"on", "PATH:TYPE[:desc],...", "the fields of --create, such as size.download:int64"},
    {"unique", NULL, "no two documents with the same values"},
    {"where", "FILTER", "only documents that fit"},
    {"drop", "NAME", "remove one"},
    {"resume", NULL, "finish those that are being built"},
    {0}};
static const cli_option SCHEMA_OPTIONS[] = {
    {"shape", NULL, "fields, types, share and examples, from a sample"},
    {"sample", "N", "documents of the sample (1000)"},
    {"rules", "JSON", "replace the field rules"},
    {0}};

static const cli_command COMMANDS[] = {
    {"serve", "[FOLDER|URL...]", "the Data Manager in the browser", 0, CLI_ARGS_MAX, SERVE_OPTIONS,
     cmd_serve},
    {"user", "FILE NAME", "add a user or a token to a file for serve --users", 2, 2, USER_OPTIONS,
     cmd_user},
    {"create", "DB [STORE]", "make a database, and a store in it", 1, 2, CREATE_OPTIONS,
     cmd_create},
    {"ls", "DB", "list the stores", 1, 1, NONE, cmd_ls},
    {"info", "DB [STORE]", "describe a database or a store", 1, 2, NONE, cmd_info},
    {"get", "DB STORE KEY", "print a value", 3, 3, GET_OPTIONS, cmd_get},
    {"put", "DB STORE KEY [VALUE]", "insert or replace (value from stdin or --file if left out)", 3,
     4, PUT_OPTIONS, cmd_put},
    {"rm", "DB STORE [KEY]", "remove an item, or a range", 2, 3, RANGE_OPTIONS, cmd_rm},
    {"scan", "DB STORE", "print items in order", 2, 2, SCAN_OPTIONS, cmd_scan},
    {"count", "DB STORE", "count items, exactly", 2, 2, RANGE_OPTIONS, cmd_count},
    {"rank", "DB STORE KEY", "how many items come before a key", 3, 3, NONE, cmd_rank},
    {"import", "DB STORE [FILE]", "read NDJSON, JSON, CSV or TSV into a store", 2, 3,
     IMPORT_OPTIONS, cmd_import},
    {"export", "DB STORE", "write the values of a store", 2, 2, EXPORT_OPTIONS, cmd_export},
    {"load", "DB [FILE]", "read what `dump` wrote", 1, 2, NONE, cmd_load},
    {"dump", "DB [STORE]", "write all stores, or the map of live bytes, or the log", 1, 2,
     DUMP_OPTIONS, cmd_dump},
    {"check", "DB", "verify every byte that the database refers to", 1, 1, CHECK_OPTIONS,
     cmd_check},
    {"backup", "DB TARGET", "copy a database while it is in use", 2, 2, NONE, cmd_backup},
    {"restore", "BACKUP TARGET", "make a database from a backup", 2, 2, NONE, cmd_restore},
    {"stat", "DB", "figures of a database", 1, 1, NONE, cmd_stat},
    {"drop", "DB STORE", "remove a store", 2, 2, DROP_OPTIONS, cmd_drop},
    {"rename", "DB STORE NAME", "give a store another name", 3, 3, NONE, cmd_rename},
    {"find", "DB STORE [FILTER]", "print documents that fit a filter", 2, 3, FIND_OPTIONS,
     cmd_find},
    {"explain", "DB STORE [FILTER]", "what find would read", 2, 3, FIND_OPTIONS, cmd_explain},
    {"update", "DB STORE CHANGE...",
     "in every document that fits: set PATH = JSON, unset PATH, replace \"A\" with \"B\" in PATH",
     1, CLI_ARGS_MAX, UPDATE_OPTIONS, cmd_update},
    {"delete", "DB STORE", "remove every document that fits", 2, 2, DELETE_OPTIONS, cmd_delete},
    {"index", "DB [STORE]", "list, make, drop or finish the indexes of documents", 1, 2,
     INDEX_OPTIONS, cmd_index},
    {"schema", "DB STORE", "key, rules and indexes of a document store; its shape", 2, 2,
     SCHEMA_OPTIONS, cmd_schema},
    {"shell", "DB", "type commands about one database", 1, 1, NONE, cmd_shell},
    {"bench", "[DB]", "a quick measurement of this machine", 0, 1, BENCH_OPTIONS, cmd_bench},
    {"help", "[COMMAND]", "tell how a command is used", 0, 1, NONE, cmd_help},
};

const cli_command *cli_commands(size_t *count_out)
{
    *count_out = sizeof COMMANDS / sizeof COMMANDS[0];
    return COMMANDS;
}

const cli_command *cli_command_find(const char *name)
{
    for (size_t i = 0; i < sizeof COMMANDS / sizeof COMMANDS[0]; i++) {
        if (strcmp(COMMANDS[i].name, name) == 0) return &COMMANDS[i];
    }
    return NULL;
}

/* ---- messages ---- */

int cli_usage_error(const cli_args *args, const char *format, ...)
{
    (void)fprintf(stderr, "sop%s%s: ", args->command == NULL ? "" : " ",
                  args->command == NULL ? "" : args->command);
    va_list list;
    va_start(list, format);
    (void)vfprintf(stderr, format, list);
    va_end(list);
    (void)fprintf(stderr, "; see sop help%s%s\n", args->command == NULL ? "" : " ",
                  args->command == NULL ? "" : args->command);
    return CLI_USAGE;
}

int cli_error(const cli_args *args, const char *format, ...)
{
    (void)fprintf(stderr, "sop %s: ", args->command);
    va_list list;
    va_start(list, format);
    (void)vfprintf(stderr, format, list);
    va_end(list);
    (void)fputc('\n', stderr);
    return CLI_FAILED;
}

int cli_fail(const cli_args *args, sop_status status, const sop_error *err)
{
    const char *text =
        err != NULL && err->message[0] != '\0' ? err->message : sop_status_text(status);
    (void)cli_error(args, "%s", text);
    if (cli_interrupted()) return CLI_INTERRUPTED;
    if (status == SOP_CORRUPT) return CLI_DAMAGED;
    return status == SOP_NOT_FOUND ? CLI_ABSENT : CLI_FAILED;
}

/* ---- arguments ---- */

static int option_index(const cli_args *args, const char *name, size_t size)
{
    for (int i = 0; args->options[i].name != NULL; i++) {
        if (strncmp(args->options[i].name, name, size) == 0 &&
            args->options[i].name[size] == '\0') {
            return i;
        }
    }
    return -1;
}

const char *cli_value(const cli_args *args, const char *option)
{
    int i = option_index(args, option, strlen(option));
    return i < 0 ? NULL : args->values[i];
}

int cli_flag(const cli_args *args, const char *option)
{
    return cli_value(args, option) != NULL;
}

int cli_number(const cli_args *args, const char *option, uint64_t fallback, uint64_t *out)
{
    const char *text = cli_value(args, option);
    *out = fallback;
    if (text == NULL) return 0;
    char *end = NULL;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || text[0] == '-') {
        return cli_usage_error(args, "--%s %s: not a whole number", option, text);
    }
    *out = number;
    return 0;
}

/* One argument that begins with --; *i moves on when the value is the next one. */
static int option_parse(cli_args *args, int argc, char **argv, int *i)
{
    const char *name = argv[*i] + 2;
    const char *equals = strchr(name, '=');
    size_t size = equals == NULL ? strlen(name) : (size_t)(equals - name);
    if (strcmp(name, "json") == 0) {
        args->json = 1;
        return 0;
    }
    if (strcmp(name, "quiet") == 0) {
        args->quiet = 1;
        return 0;
    }
    if (strcmp(name, "help") == 0) {
        args->help = 1;
        return 0;
    }
    int index = option_index(args, name, size);
    if (index < 0) return cli_usage_error(args, "unknown option --%.*s", (int)size, name);
    if (args->options[index].value == NULL) {
        if (equals != NULL) return cli_usage_error(args, "--%.*s takes no value", (int)size, name);
        args->values[index] = "";
        return 0;
    }
    if (equals != NULL) {
        args->values[index] = equals + 1;
    } else if (*i + 1 < argc) {
        args->values[index] = argv[++*i];
    } else {
        return cli_usage_error(args, "--%s needs a value", name);
    }
    return 0;
}

static int args_parse(cli_args *args, const cli_command *command, int argc, char **argv)
{
    int only_positional = 0;
    for (int i = 1; i < argc; i++) {
        if (!only_positional && strcmp(argv[i], "--") == 0) {
            only_positional = 1;
        } else if (!only_positional && strncmp(argv[i], "--", 2) == 0) {
            int code = option_parse(args, argc, argv, &i);
            if (code != 0) return code;
        } else if (args->count == command->positional_max) {
            return cli_usage_error(args, "too many arguments: %s", argv[i]);
        } else {
            args->positional[args->count++] = argv[i];
        }
    }
    if (args->count < command->positional_min && !args->help) {
        return cli_usage_error(args, "usage: sop %s %s", command->name, command->arguments);
    }
    return 0;
}

/* ---- help ---- */

static void help_option(const char *name, const char *value, const char *text)
{
    char left[32];
    (void)snprintf(left, sizeof left, "--%s%s%s", name, value == NULL ? "" : " ",
                   value == NULL ? "" : value);
    (void)printf("  %-18s %s\n", left, text);
}

static void help_command(const cli_command *command)
{
    (void)printf("usage: sop %s %s\n\n%s\n\n", command->name, command->arguments, command->summary);
    for (const cli_option *o = command->options; o->name != NULL; o++) {
        help_option(o->name, o->value, o->text);
    }
    help_option("json", NULL, "results as JSON, for machines");
    help_option("quiet", NULL, "no progress and no summary");
}

int cmd_help(const cli_args *args)
{
    if (args->count == 1) {
        const cli_command *command = cli_command_find(args->positional[0]);
        if (command == NULL) {
            return cli_usage_error(args, "there is no command %s", args->positional[0]);
        }
        help_command(command);
        return CLI_OK;
    }
    (void)printf(
        "sop %s: ACID B-trees in a folder\n\nusage: sop COMMAND ARGUMENTS [--json] [--quiet]\n\n",
        sop_version());
    for (size_t i = 0; i < sizeof COMMANDS / sizeof COMMANDS[0]; i++) {
        (void)printf("  %-8s %-22s %s\n", COMMANDS[i].name, COMMANDS[i].arguments,
                     COMMANDS[i].summary);
    }
    (void)printf("\nDB is a folder, or file:FOLDER?sync=off and so on. \\xNN in a key stands for a "
                 "byte.\nsop help COMMAND lists the options of a command; man sop tells all.\n");
    return CLI_OK;
}

int cli_run(int argc, char **argv)
{
    cli_args args = {.options = NONE};
    if (argc == 0 || strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0) {
        args.command = "help";
        (void)cmd_help(&args);
        return argc == 0 ? CLI_USAGE : CLI_OK;
    }
    if (strcmp(argv[0], "--version") == 0) {
        (void)printf("sop %s\n", sop_version());
        return CLI_OK;
    }
    const cli_command *command = cli_command_find(argv[0]);
    if (command == NULL) return cli_usage_error(&args, "there is no command %s", argv[0]);
    args.command = command->name;
    args.options = command->options;
    int code = args_parse(&args, command, argc, argv);
    if (code != 0) return code;
    if (args.help) {
        help_command(command);
        return CLI_OK;
    }
    code = command->run(&args);
    if ((ferror(stdout) || fflush(stdout) != 0) && code == CLI_OK) {
        return cli_error(&args, "writing the output: %s",
                         cli_reason(errno, (char[CLI_REASON_SIZE]){0}));
    }
    return code;
}

int main(int argc, char **argv)
{
    return cli_run(argc - 1, argv + 1);
}
