/* SPDX-License-Identifier: MIT */
/* Tables: columns as wide as their cells, and CSV. */
#include <stdlib.h>
#include <string.h>

#include "cli/documents.h"
#include "util/assert.h"
#include "util/memory.h"

enum { CELL_WIDTH_MAX = 60, GAP = 2 };

sop_slice cli_table_keep(cli_table *table, sop_slice bytes)
{
    sop_slice none = {NULL, 0};
    void **grown = sop_realloc(table->blocks, (table->block_count + 1) * sizeof *grown);
    if (grown == NULL) return none;
    table->blocks = grown;
    char *copy = sop_alloc(bytes.size + 1);
    if (copy == NULL) return none;
    if (bytes.size != 0) memcpy(copy, bytes.data, bytes.size);
    table->blocks[table->block_count++] = copy;
    return (sop_slice){copy, bytes.size};
}

int cli_table_column(cli_table *table, sop_slice name)
{
    sop_slice *grown = sop_realloc(table->columns, (table->column_count + 1) * sizeof *grown);
    if (grown == NULL) return -1;
    table->columns = grown;
    grown[table->column_count] = cli_table_keep(table, name);
    return grown[table->column_count++].data == NULL ? -1 : 0;
}

int cli_table_row(cli_table *table, const sop_slice *cells)
{
    size_t at = table->row_count * table->column_count;
    if (at + table->column_count > table->capacity) {
        size_t capacity = 2 * (at + table->column_count) + 64;
        sop_slice *grown = sop_realloc(table->cells, capacity * sizeof *grown);
        if (grown == NULL) return -1;
        table->cells = grown;
        table->capacity = capacity;
    }
    for (size_t i = 0; i < table->column_count; i++) {
        table->cells[at + i] = cells[i];
        if (cells[i].data == NULL) continue;
        table->cells[at + i] = cli_table_keep(table, cells[i]);
        if (table->cells[at + i].data == NULL) return -1;
    }
    table->row_count++;
    return 0;
}

void cli_table_free(cli_table *table)
{
    for (size_t i = 0; i < table->block_count; i++) {
        sop_free(table->blocks[i]);
    }
    sop_free(table->blocks);
    sop_free(table->columns);
    sop_free(table->cells);
    *table = (cli_table){.row_count = 0};
}

static size_t column_width(const cli_table *table, size_t column)
{
    size_t width = cli_width(table->columns[column], CLI_SHOW_VALUE);
    for (size_t row = 0; row < table->row_count; row++) {
        size_t cell = cli_width(table->cells[row * table->column_count + column], CLI_SHOW_VALUE);
        if (cell > width) width = cell;
    }
    return width < CELL_WIDTH_MAX ? width : CELL_WIDTH_MAX;
}

static void row_print(FILE *out, const sop_slice *cells, const size_t *widths, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        size_t width = cli_width(cells[i], CLI_SHOW_VALUE);
        cli_print_cut(out, cells[i], CLI_SHOW_VALUE, widths[i]);
        if (i + 1 < count) {
            cli_print_spaces(out, width < widths[i] ? width : widths[i], widths[i] + GAP);
        }
    }
    (void)fputc('\n', out);
}

void cli_table_print(const cli_table *table, FILE *out)
{
    size_t *widths = sop_alloc((table->column_count + 1) * sizeof *widths);
    if (widths == NULL) return;
    for (size_t i = 0; i < table->column_count; i++) {
        widths[i] = column_width(table, i);
    }
    row_print(out, table->columns, widths, table->column_count);
    for (size_t row = 0; row < table->row_count; row++) {
        row_print(out, &table->cells[row * table->column_count], widths, table->column_count);
    }
    sop_free(widths);
}

/* Quotes where RFC 4180 asks for them, and around an empty text, so that it is not taken for nothing. */
static void csv_cell(FILE *out, sop_slice cell)
{
    const char *at = cell.size == 0 ? "" : cell.data;
    int quotes = cell.data != NULL && cell.size == 0;
    SOP_ASSERT(at != NULL);
    for (size_t i = 0; i < cell.size && !quotes; i++) {
        quotes = at[i] == ',' || at[i] == '"' || at[i] == '\n' || at[i] == '\r';
    }
    if (quotes) (void)fputc('"', out);
    for (size_t i = 0; i < cell.size; i++) {
        if (at[i] == '"') (void)fputc('"', out);
        (void)fputc(at[i], out);
    }
    if (quotes) (void)fputc('"', out);
}

void cli_csv_row(FILE *out, const sop_slice *cells, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (i != 0) (void)fputc(',', out);
        csv_cell(out, cells[i]);
    }
    (void)fputs("\r\n", out);
}

sop_slice cli_cell(cli_table *table, sop_slice json)
{
    sop_json_value value;
    sop_slice plain;
    sop_slice none = {NULL, 0};
    if (json.size == 0 || sop_json_read(json, &value) != SOP_OK || value.type == SOP_JSON_NULL) {
        return none;
    }
    if (value.type != SOP_JSON_STRING) return value.raw;
    sop_slice kept = cli_table_keep(table, value.raw);
    if (kept.data == NULL) return none;
    char *buffer = table->blocks[table->block_count - 1];
    if (sop_json_string_decode(value.raw, 0, buffer, value.raw.size, &plain) != SOP_OK) return none;
    return plain.size == 0 ? (sop_slice){"", 0} : plain;
}

void cli_print_pretty(FILE *out, sop_slice json)
{
    sop_json_writer writer;
    sop_slice text;
    sop_json_writer_init(&writer, 2);
    sop_json_reformat(&writer, json);
    if (sop_json_writer_end(&writer, &text) != SOP_OK) text = json;
    (void)fwrite(text.data, 1, text.size, out);
    (void)fputc('\n', out);
    sop_json_writer_deinit(&writer);
}

/* ---- sessions ---- */

int cli_documents_open(cli_documents *d, const cli_args *args, sop_txn_mode mode)
{
    int code = cli_session_open(&d->s, args, mode, NULL);
    if (code != CLI_OK) return code;
    sop_status status = sop_documents_open(d->s.txn, args->positional[1], &d->documents);
    return status == SOP_OK ? CLI_OK : cli_session_close(&d->s, cli_documents_fail(d, status));
}

int cli_documents_fail(cli_documents *d, sop_status status)
{
    return cli_session_fail(&d->s, status);
}
