/* SPDX-License-Identifier: MIT */
/* index and schema: how a document store is keyed, indexed and ruled, and what its documents look like. */
#include <stdlib.h>
#include <string.h>

#include "cli/documents.h"

static int json_out(const cli_args *args, const sop_text *text)
{
    if (args->json) {
        (void)printf("%s\n", text->data);
    } else {
        cli_print_pretty(stdout, (sop_slice){text->data, text->size});
    }
    return CLI_OK;
}

/* ---- index ---- */

/* "size.download:int64:desc,name:string" as the fields of a definition. */
static int fields_write(const cli_args *args, const char *on, sop_json_writer *writer)
{
    sop_json_array_begin(writer);
    while (*on != '\0') {
        size_t size = strcspn(on, ",");
        sop_slice words[3] = {{on, 0}, {"string", 6}, {"asc", 3}};
        size_t count = 0;
        for (const char *at = on; at <= on + size && count < 3; count++) {
            size_t word = strcspn(at, ":,");
            words[count] = (sop_slice){at, word};
            at += word + 1;
        }
        if (words[0].size == 0) return cli_usage_error(args, "--on %s: PATH:TYPE[:desc],...", on);
        sop_json_object_begin(writer);
        sop_json_key(writer, sop_str("path"));
        sop_json_string(writer, words[0]);
        sop_json_key(writer, sop_str("type"));
        sop_json_string(writer, words[1]);
        sop_json_key(writer, sop_str("order"));
        sop_json_string(writer, words[2]);
        sop_json_object_end(writer);
        on += size;
        on += *on == ',';
    }
    sop_json_array_end(writer);
    return CLI_OK;
}

static int definition_make(const cli_args *args, sop_json_writer *writer)
{
    const char *name = cli_value(args, "create");
    const char *on = cli_value(args, "on");
    const char *where = cli_value(args, "where");
    if (name[0] == '{') {
        sop_json_raw(writer, sop_str(name));
        return CLI_OK;
    }
    if (on == NULL) return cli_usage_error(args, "--create NAME needs --on PATH:TYPE[:desc],...");
    sop_json_object_begin(writer);
    sop_json_key(writer, sop_str("name"));
    sop_json_string(writer, sop_str(name));
    sop_json_key(writer, sop_str("fields"));
    int code = fields_write(args, on, writer);
    sop_json_key(writer, sop_str("unique"));
    sop_json_bool(writer, cli_flag(args, "unique"));
    if (where != NULL) {
        sop_json_key(writer, sop_str("where"));
        sop_json_string(writer, sop_str(where));
    }
    sop_json_object_end(writer);
    return code;
}

/* Builds what is not complete, with progress. */
static int build(const cli_args *args, const char *store)
{
    sop_db *db;
    sop_error err = {0};
    cli_progress progress;
    sop_work_options options = SOP_WORK_OPTIONS_INIT;
    int code = cli_open(args, args->positional[0], 0, &db);
    if (code != CLI_OK) return code;
    options.progress = cli_progress_step;
    options.context = &progress;
    cli_progress_begin(&progress, args, "building");
    sop_status status = sop_index_build(db, store, &options, &err);
    cli_progress_end(&progress);
    if (status != SOP_OK) code = cli_fail(args, status, &err);
    return cli_close(args, db, code);
}

/* The row of an index in the schema; tells a failed one. */
static int state_tell(const cli_args *args, const char *schema, const char *name)
{
    sop_json_step step = {SOP_JSON_STEP_NAME, {"indexes", 7}, 0};
    sop_json_path path = {&step, 1};
    sop_json_value list;
    sop_json_value one;
    sop_json_iter iter;
    sop_slice key;
    if (sop_json_pick(sop_str(schema), &path, &list) != SOP_OK) return CLI_OK;
    sop_json_iter_init(&iter, &list);
    while (sop_json_next(&iter, &key, &one) == SOP_OK) {
        sop_slice value;
        if (sop_json_text_pick(one.raw, sop_str("state"), &value, NULL) != SOP_OK ||
            !sop_json_string_equal(value, sop_str("failed")) ||
            sop_json_text_pick(one.raw, sop_str("error"), &value, NULL) != SOP_OK) {
            continue;
        }
        return cli_error(args, "index %s failed: %.*s", name == NULL ? "" : name, (int)value.size,
                         (const char *)value.data);
    }
    return CLI_OK;
}

static int create_run(const cli_args *args)
{
    cli_documents d;
    sop_json_writer writer;
    sop_slice definition = {0};
    sop_json_writer_init(&writer, 0);
    int code = definition_make(args, &writer);
    if (code == CLI_OK && sop_json_writer_end(&writer, &definition) != SOP_OK) {
        code = cli_usage_error(args, "--create: not a definition");
    }
    if (code == CLI_OK) code = cli_documents_open(&d, args, SOP_TXN_WRITE);
    if (code == CLI_OK) {
        sop_status status = sop_index_create(d.documents, definition);
        code = cli_session_close(&d.s, status == SOP_OK ? CLI_OK : cli_documents_fail(&d, status));
    }
    sop_json_writer_deinit(&writer);
    return code == CLI_OK ? build(args, args->positional[1]) : code;
}

static int drop_run(const cli_args *args)
{
    cli_documents d;
    int code = cli_documents_open(&d, args, SOP_TXN_WRITE);
    if (code != CLI_OK) return code;
    sop_status status = sop_index_drop(d.documents, sop_str(cli_value(args, "drop")));
    return cli_session_close(&d.s, status == SOP_OK ? CLI_OK : cli_documents_fail(&d, status));
}

/* The value of a member as a cell. */
static sop_slice member(cli_table *table, sop_slice object, const char *name)
{
    sop_slice value;
    if (sop_json_text_pick(object, sop_str(name), &value, NULL) != SOP_OK) return (sop_slice){0};
    return cli_cell(table, value);
}

static int list_print(const cli_args *args, const sop_text *schema)
{
    static const char *const names[] = {"name", "state", "entries", "unique", "fields", "where"};
    enum { COUNT = sizeof names / sizeof names[0] };
    sop_slice list;
    sop_json_value root;
    sop_json_value one;
    sop_json_iter iter;
    sop_slice key;
    cli_table table = {.row_count = 0};
    int failed = 0;
    if (sop_json_text_pick((sop_slice){schema->data, schema->size}, sop_str("indexes"), &list,
                           NULL) != SOP_OK ||
        sop_json_read(list, &root) != SOP_OK) {
        return CLI_OK;
    }
    for (size_t i = 0; i < COUNT && !failed; i++) {
        failed = cli_table_column(&table, sop_str(names[i]));
    }
    sop_json_iter_init(&iter, &root);
    while (!failed && sop_json_next(&iter, &key, &one) == SOP_OK) {
        sop_slice cells[COUNT];
        if (args->json) {
            cli_print_value_json(stdout, one.raw, 1);
            (void)fputc('\n', stdout);
            continue;
        }
        for (size_t i = 0; i < COUNT; i++) {
            cells[i] = member(&table, one.raw, names[i]);
        }
        failed = cli_table_row(&table, cells);
    }
    if (!failed && !args->json && table.row_count != 0) cli_table_print(&table, stdout);
    cli_table_free(&table);
    return failed ? cli_error(args, "out of memory") : CLI_OK;
}

static int schema_read(const cli_args *args, sop_text *text)
{
    cli_documents d;
    int code = cli_documents_open(&d, args, SOP_TXN_READ);
    if (code != CLI_OK) return code;
    sop_status status = sop_documents_schema(d.documents, text);
    return cli_session_close(&d.s, status == SOP_OK ? CLI_OK : cli_documents_fail(&d, status));
}

int cmd_index(const cli_args *args)
{
    int actions = cli_flag(args, "create") + cli_flag(args, "drop") + cli_flag(args, "resume");
    if (actions > 1) return cli_usage_error(args, "one of --create, --drop, --resume");
    if (args->count == 1 && !cli_flag(args, "resume")) {
        return cli_usage_error(args, "which store?");
    }
    const char *store = args->count > 1 ? args->positional[1] : NULL;
    int code = CLI_OK;
    if (cli_flag(args, "drop")) return drop_run(args);
    if (cli_flag(args, "create")) code = create_run(args);
    if (cli_flag(args, "resume")) code = build(args, store);
    if (code != CLI_OK || store == NULL) return code;
    sop_text text = SOP_TEXT_INIT;
    code = schema_read(args, &text);
    if (code == CLI_OK && actions == 0) code = list_print(args, &text);
    if (code == CLI_OK && actions != 0) {
        code = state_tell(args, text.data, cli_value(args, "create"));
    }
    sop_text_free(&text);
    return code;
}

/* ---- schema ---- */

static int rules_run(const cli_args *args)
{
    cli_documents d;
    int code = cli_documents_open(&d, args, SOP_TXN_WRITE);
    if (code != CLI_OK) return code;
    sop_status status = sop_documents_rules_set(d.documents, sop_str(cli_value(args, "rules")));
    return cli_session_close(&d.s, status == SOP_OK ? CLI_OK : cli_documents_fail(&d, status));
}

static int shape_run(const cli_args *args)
{
    cli_documents d;
    uint64_t sample;
    sop_text text;
    int code = cli_number(args, "sample", 0, &sample);
    if (code == CLI_OK) code = cli_documents_open(&d, args, SOP_TXN_READ);
    if (code != CLI_OK) return code;
    sop_status status = sop_documents_shape(d.documents, sample, &text);
    if (status == SOP_OK) {
        code = json_out(args, &text);
        sop_text_free(&text);
    } else {
        code = cli_documents_fail(&d, status);
    }
    return cli_session_close(&d.s, code);
}

int cmd_schema(const cli_args *args)
{
    if (cli_flag(args, "rules")) return rules_run(args);
    if (cli_flag(args, "shape")) return shape_run(args);
    sop_text text = SOP_TEXT_INIT;
    int code = schema_read(args, &text);
    if (code == CLI_OK) code = json_out(args, &text);
    sop_text_free(&text);
    return code;
}
