/* SPDX-License-Identifier: MIT */
/* find and explain: documents by a filter, in an order, as a table, JSON lines or CSV; groups. */
#include <stdlib.h>
#include <string.h>

#include "cli/documents.h"
#include "util/memory.h"

enum { TABLE_LIMIT = 100, COLUMNS_GUESSED = 8 };

static sop_slice option_slice(const cli_args *args, const char *name)
{
    return sop_str(cli_value(args, name));
}

static int options_read(const cli_args *args, sop_find_options *o)
{
    *o = (sop_find_options)SOP_FIND_OPTIONS_INIT;
    o->where = args->count > 2 ? sop_str(args->positional[2]) : (sop_slice){0};
    o->order = option_slice(args, "order");
    o->descending = cli_flag(args, "desc");
    o->fields = option_slice(args, "fields");
    o->from = option_slice(args, "from");
    o->to = option_slice(args, "to");
    o->after = option_slice(args, "after");
    o->use_index = option_slice(args, "index");
    return cli_number(args, "limit", 0, &o->limit);
}

/* ---- columns of a table ---- */

/* The paths of --fields, or the members of the first documents that hold one value each. */
static int columns_given(cli_table *table, const char *fields)
{
    int failed = 0;
    while (*fields != '\0' && !failed) {
        size_t size = strcspn(fields, ",");
        const char *at = fields;
        size_t left = size;
        while (left > 0 && *at == ' ') {
            at++;
            left--;
        }
        while (left > 0 && at[left - 1] == ' ') {
            left--;
        }
        failed = cli_table_column(table, (sop_slice){at, left});
        fields += size;
        fields += *fields == ',';
    }
    return failed;
}

static int columns_guess(cli_table *table, sop_slice document)
{
    sop_json_value root;
    sop_json_value value;
    sop_json_iter iter;
    sop_slice quoted;
    char name[256];
    sop_slice plain;
    int failed = 0;
    if (sop_json_read(document, &root) != SOP_OK || root.type != SOP_JSON_OBJECT) return 0;
    sop_json_iter_init(&iter, &root);
    while (!failed && table->column_count <= COLUMNS_GUESSED &&
           sop_json_next(&iter, &quoted, &value) == SOP_OK) {
        if (value.type >= SOP_JSON_ARRAY ||
            sop_json_string_decode(quoted, 1, name, sizeof name, &plain) != SOP_OK) {
            continue;
        }
        failed = cli_table_column(table, plain);
    }
    return failed;
}

/* The cells of a document: projected ones are named by the whole path, members of whole documents by their name. */
static int
row_fill(cli_table *table, sop_slice key, sop_slice document, int projected, sop_slice *cells)
{
    size_t first = 0;
    if (!projected) cells[first++] = cli_cell(table, key);
    for (size_t i = first; i < table->column_count; i++) {
        sop_json_step step = {SOP_JSON_STEP_NAME, table->columns[i], 0};
        sop_json_path path = {&step, 1};
        sop_json_value value;
        cells[i] = (sop_slice){NULL, 0};
        if (sop_json_pick(document, &path, &value) == SOP_OK) cells[i] = cli_cell(table, value.raw);
    }
    return 0;
}

/* ---- output ---- */

typedef struct {
    cli_documents d;
    const cli_args *args;
    cli_table table;
    int csv;
    int table_view;
    uint64_t shown;
} finder;

static int columns_begin(finder *f, sop_slice document)
{
    const char *fields = cli_value(f->args, "fields");
    int failed = 0;
    if (fields != NULL && *fields != '[') {
        failed = columns_given(&f->table, fields);
    } else {
        failed = cli_table_column(&f->table, sop_str("key"));
        if (!failed) failed = columns_guess(&f->table, document);
    }
    if (!failed && f->csv) cli_csv_row(stdout, f->table.columns, f->table.column_count);
    return failed;
}

static int row_out(finder *f, sop_slice key, sop_slice document)
{
    const char *fields = cli_value(f->args, "fields");
    sop_slice *cells = sop_alloc((f->table.column_count + 1) * sizeof *cells);
    if (cells == NULL) return -1;
    int failed = row_fill(&f->table, key, document, fields != NULL && *fields != '[', cells);
    if (!failed && f->csv) {
        cli_csv_row(stdout, cells, f->table.column_count);
    } else if (!failed) {
        failed = cli_table_row(&f->table, cells);
    }
    sop_free(cells);
    return failed;
}

static int found_out(finder *f, const sop_found *found)
{
    sop_slice key;
    sop_status status = sop_documents_key_format(f->d.documents, found->key, &key);
    if (status != SOP_OK) return cli_documents_fail(&f->d, status);
    if (f->args->json) {
        (void)printf("{\"key\":");
        cli_print_value_json(stdout, key, 1);
        (void)printf(",\"value\":");
        cli_print_value_json(stdout, found->document, 1);
        (void)printf("}\n");
    } else {
        int failed = f->shown == 0 ? columns_begin(f, found->document) : 0;
        if (!failed) failed = row_out(f, key, found->document);
        if (failed) return cli_error(f->args, "out of memory");
    }
    f->shown++;
    return CLI_OK;
}

/* Says how to go on when the limit ended it. */
static void more_hint(finder *f, sop_find *find, uint64_t limit)
{
    sop_slice position;
    if (f->args->quiet || f->shown < limit || limit == 0 ||
        sop_find_position(find, &position) != SOP_OK) {
        return;
    }
    (void)fprintf(stderr, "%llu shown; more may follow: --after %.*s\n",
                  (unsigned long long)f->shown, (int)position.size, (const char *)position.data);
}

static int find_run(finder *f)
{
    sop_find_options o;
    sop_find *find;
    sop_found found = SOP_FOUND_INIT;
    int code = options_read(f->args, &o);
    if (code != CLI_OK) return code;
    if (f->table_view && o.limit == 0) o.limit = TABLE_LIMIT;
    sop_status status = sop_find_open(f->d.documents, &o, &find);
    if (status != SOP_OK) return cli_documents_fail(&f->d, status);
    while (code == CLI_OK && (status = sop_find_next(find, &found)) == SOP_OK) {
        code = found_out(f, &found);
    }
    if (code == CLI_OK && status != SOP_NOT_FOUND) code = cli_documents_fail(&f->d, status);
    if (code == CLI_OK && f->table_view && f->shown != 0) cli_table_print(&f->table, stdout);
    if (code == CLI_OK) more_hint(f, find, o.limit);
    sop_find_close(find);
    return code;
}

static int count_run(finder *f)
{
    sop_text text;
    sop_json_step steps[] = {{SOP_JSON_STEP_NAME, {"documents", 9}, 0}};
    sop_json_path path = {steps, 1};
    sop_json_value count;
    sop_group_options o = SOP_GROUP_OPTIONS_INIT;
    if (f->args->count > 2) o.where = sop_str(f->args->positional[2]);
    sop_status status = sop_documents_group(f->d.documents, &o, &text);
    if (status != SOP_OK) return cli_documents_fail(&f->d, status);
    if (sop_json_pick((sop_slice){text.data, text.size}, &path, &count) == SOP_OK) {
        (void)printf(f->args->json ? "{\"count\":%.*s}\n" : "%.*s\n", (int)count.raw.size,
                     (const char *)count.raw.data);
    }
    sop_text_free(&text);
    return CLI_OK;
}

/* ---- groups ---- */

/* One group as a row; the first one also gives the columns. */
static int group_row(finder *f, const sop_json_value *group)
{
    sop_json_iter iter;
    sop_slice quoted;
    sop_json_value value;
    sop_slice cells[CLI_ARGS_MAX] = {{NULL, 0}};
    size_t count = 0;
    const char *by = cli_value(f->args, "by");
    sop_json_iter_init(&iter, group);
    while (sop_json_next(&iter, &quoted, &value) == SOP_OK && count + 1 < CLI_ARGS_MAX) {
        char name[256];
        sop_slice plain;
        int is_key = sop_json_string_equal(quoted, sop_str("key"));
        if (count == 0 && by != NULL && !is_key) count++;
        if (f->table.row_count == 0 && f->table.column_count == 0 && by != NULL &&
            cli_table_column(&f->table, sop_str(by)) != 0) {
            return -1;
        }
        if (!is_key && f->shown == 0 &&
            (sop_json_string_decode(quoted, 1, name, sizeof name, &plain) != SOP_OK ||
             cli_table_column(&f->table, plain) != 0)) {
            return -1;
        }
        cells[count++] = cli_cell(&f->table, value.raw);
    }
    if (f->shown++ == 0 && f->csv) cli_csv_row(stdout, f->table.columns, f->table.column_count);
    if (!f->csv) return cli_table_row(&f->table, cells);
    cli_csv_row(stdout, cells, f->table.column_count);
    return 0;
}

static int groups_out(finder *f, sop_slice text)
{
    sop_json_step step = {SOP_JSON_STEP_NAME, {"groups", 6}, 0};
    sop_json_path path = {&step, 1};
    sop_json_value groups;
    sop_json_value group;
    sop_json_iter iter;
    sop_slice key;
    if (sop_json_pick(text, &path, &groups) != SOP_OK) return CLI_OK;
    sop_json_iter_init(&iter, &groups);
    while (sop_json_next(&iter, &key, &group) == SOP_OK) {
        if (f->args->json) {
            cli_print_value_json(stdout, group.raw, 1);
            (void)fputc('\n', stdout);
        } else if (group_row(f, &group) != 0) {
            return cli_error(f->args, "out of memory");
        }
    }
    if (f->table_view && f->shown != 0) cli_table_print(&f->table, stdout);
    return CLI_OK;
}

static int group_run(finder *f)
{
    sop_text text;
    sop_group_options o = SOP_GROUP_OPTIONS_INIT;
    if (f->args->count > 2) o.where = sop_str(f->args->positional[2]);
    o.by = option_slice(f->args, "by");
    o.values = option_slice(f->args, "values");
    sop_status status = sop_documents_group(f->d.documents, &o, &text);
    if (status != SOP_OK) return cli_documents_fail(&f->d, status);
    int code = groups_out(f, (sop_slice){text.data, text.size});
    sop_text_free(&text);
    return code;
}

int cmd_find(const cli_args *args)
{
    finder f = {.args = args, .csv = cli_flag(args, "csv")};
    f.table_view = !f.csv && !args->json;
    int code = cli_documents_open(&f.d, args, SOP_TXN_READ);
    if (code != CLI_OK) return code;
    if (cli_flag(args, "count")) {
        code = count_run(&f);
    } else if (cli_flag(args, "by") || cli_flag(args, "values")) {
        code = group_run(&f);
    } else {
        code = find_run(&f);
    }
    cli_table_free(&f.table);
    return cli_session_close(&f.d.s, code);
}

int cmd_explain(const cli_args *args)
{
    cli_documents d;
    sop_find_options o;
    sop_find *find;
    sop_text text;
    int code = options_read(args, &o);
    if (code == CLI_OK) code = cli_documents_open(&d, args, SOP_TXN_READ);
    if (code != CLI_OK) return code;
    sop_status status = sop_find_open(d.documents, &o, &find);
    if (status == SOP_OK) status = sop_find_explain(find, &text);
    if (status == SOP_OK) {
        sop_slice json = {text.data, text.size};
        if (args->json) {
            (void)printf("%s\n", text.data);
        } else {
            cli_print_pretty(stdout, json);
        }
        sop_text_free(&text);
    } else {
        code = cli_documents_fail(&d, status);
    }
    return cli_session_close(&d.s, code);
}
