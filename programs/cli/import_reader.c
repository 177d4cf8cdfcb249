/* SPDX-License-Identifier: MIT */
/* Records out of text. CSV by RFC 4180, with LF alone as a line end too. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/import.h"
#include "util/memory.h"

/* ---- files ---- */

int import_file_read(const cli_args *args, const char *path, char **data_out, size_t *size_out)
{
    FILE *file = path == NULL ? stdin : fopen(path, "rb");
    *data_out = NULL;
    *size_out = 0;
    if (file == NULL) {
        return cli_error(args, "%s: %s", path, cli_reason(errno, (char[CLI_REASON_SIZE]){0}));
    }
    size_t capacity = 1 << 20;
    size_t size = 0;
    char *data = sop_alloc(capacity);
    while (data != NULL) {
        size_t got = fread(data + size, 1, capacity - size, file);
        size += got;
        if (size < capacity) break;
        char *grown = sop_realloc(data, capacity * 2);
        if (grown == NULL) sop_free(data);
        data = grown;
        capacity *= 2;
    }
    int failed = ferror(file);
    int reason = errno;
    if (file != stdin) (void)fclose(file);
    const char *name = path == NULL ? "standard input" : path;
    if (data == NULL) return cli_error(args, "%s: out of memory", name);
    if (failed) {
        sop_free(data);
        return cli_error(args, "%s: %s", name, cli_reason(reason, (char[CLI_REASON_SIZE]){0}));
    }
    *data_out = data;
    *size_out = size;
    return CLI_OK;
}

static int ends_with(const char *path, const char *ending)
{
    size_t n = strlen(path);
    size_t m = strlen(ending);
    return n >= m && strcmp(path + n - m, ending) == 0;
}

/* One object over several lines, which is no NDJSON. */
static int spans_lines(sop_slice data)
{
    const char *end = memchr(data.data, '\n', data.size);
    size_t size = end == NULL ? data.size : (size_t)(end - (const char *)data.data);
    return sop_json_check((sop_slice){data.data, size}, NULL, NULL, NULL) != SOP_OK &&
           sop_json_check(data, NULL, NULL, NULL) == SOP_OK;
}

int import_format(const cli_args *args, const char *path, sop_slice data, int *format_out)
{
    static const char *const names[] = {"ndjson", "json", "csv", "tsv"};
    const char *wanted = cli_value(args, "format");
    for (int i = 0; wanted != NULL && i < 4; i++) {
        if (strcmp(wanted, names[i]) == 0) {
            *format_out = i;
            return CLI_OK;
        }
    }
    if (wanted != NULL) {
        return cli_usage_error(args, "--format %s: ndjson, json, csv or tsv", wanted);
    }
    const char *p = data.data;
    size_t i = 0;
    while (i < data.size && (p[i] == ' ' || p[i] == '\n' || p[i] == '\r' || p[i] == '\t')) {
        i++;
    }
    char first = '{';
    if (i < data.size) first = p[i];
    *format_out = first == '[' ? IMPORT_JSON : first == '{' ? IMPORT_NDJSON : IMPORT_CSV;
    if (first == '{' && spans_lines((sop_slice){p + i, data.size - i})) *format_out = IMPORT_JSON;
    if (cli_flag(args, "records")) *format_out = IMPORT_JSON;
    if (path != NULL && ends_with(path, ".csv")) *format_out = IMPORT_CSV;
    if (path != NULL && ends_with(path, ".tsv")) *format_out = IMPORT_TSV;
    return CLI_OK;
}

/* ---- NDJSON ---- */

static void position_tell(char *problem, size_t size, const sop_json_position *where)
{
    (void)snprintf(problem, size, "column %zu: %s", where->column,
                   where->reason == NULL ? "not JSON" : where->reason);
}

static int ndjson_next(import_reader *r, import_record *record)
{
    while (r->at < r->size) {
        const char *from = r->data + r->at;
        const char *end = memchr(from, '\n', r->size - r->at);
        size_t length = end == NULL ? r->size - r->at : (size_t)(end - from);
        r->at += length + (end != NULL);
        r->line++;
        while (length > 0 &&
               (from[length - 1] == '\r' || from[length - 1] == ' ' || from[length - 1] == '\t')) {
            length--;
        }
        while (length > 0 && (from[0] == ' ' || from[0] == '\t')) {
            from++;
            length--;
        }
        if (length == 0) continue;
        sop_json_position where = {0};
        record->json = (sop_slice){from, length};
        record->line = r->line;
        if (sop_json_check(record->json, NULL, &where, NULL) != SOP_OK) {
            position_tell(record->problem, sizeof record->problem, &where);
        }
        return 1;
    }
    return 0;
}

/* ---- a JSON array ---- */

static int json_next(import_reader *r, import_record *record)
{
    sop_slice name;
    sop_json_value value;
    if (sop_json_next(&r->array, &name, &value) != SOP_OK) return 0;
    size_t at = (size_t)((const char *)value.raw.data - r->data);
    for (; r->line_at < at; r->line_at++) {
        r->line += r->data[r->line_at] == '\n';
    }
    record->json = value.raw;
    record->line = r->line + 1;
    return 1;
}

/* The only member of an object, where it is an array. 0: it is not so. */
static int only_array(const sop_json_value *object, sop_json_value *array_out)
{
    sop_json_iter iter;
    sop_slice name;
    sop_json_value more;
    sop_json_iter_init(&iter, object);
    return sop_json_next(&iter, &name, array_out) == SOP_OK &&
           sop_json_next(&iter, &name, &more) == SOP_NOT_FOUND && array_out->type == SOP_JSON_ARRAY;
}

static int json_begin(import_reader *r, sop_slice data)
{
    sop_json_position where = {0};
    sop_json_value value;
    if (sop_json_check(data, NULL, &where, NULL) != SOP_OK) {
        (void)snprintf(r->problem, sizeof r->problem, "line %zu, column %zu: %s", where.line,
                       where.column, where.reason == NULL ? "not JSON" : where.reason);
        return 1;
    }
    sop_status status = r->style.records == NULL ? sop_json_read(data, &value)
                                                 : sop_json_pick(data, r->style.records, &value);
    sop_json_value inner;
    if (status == SOP_OK && value.type == SOP_JSON_OBJECT && r->style.records == NULL &&
        only_array(&value, &inner)) {
        value = inner;
    }
    if (status != SOP_OK || value.type != SOP_JSON_ARRAY) {
        (void)snprintf(r->problem, sizeof r->problem, "%s",
                       r->style.records == NULL
                           ? "line 1: not an array of records (--records tells where one is)"
                           : "there is no array where --records says");
        return 1;
    }
    sop_json_iter_init(&r->array, &value);
    return 0;
}

/* ---- CSV and TSV ---- */

static int cell_room(import_reader *r, size_t size)
{
    if (size <= r->cell_capacity) return 1;
    char *grown = sop_realloc(r->cell, size * 2);
    if (grown == NULL) return 0;
    r->cell = grown;
    r->cell_capacity = size * 2;
    return 1;
}

/* A quoted cell: everything up to the closing quote, doubled quotes made single. */
static int quoted_cell(import_reader *r, sop_slice *out)
{
    size_t n = 0;
    size_t opened = r->line;
    r->at++;
    while (r->at < r->size) {
        char c = r->data[r->at++];
        if (c == '"' && r->at < r->size && r->data[r->at] == '"') {
            r->at++;
        } else if (c == '"') {
            *out = (sop_slice){r->cell, n};
            return 1;
        }
        r->line += c == '\n';
        if (!cell_room(r, n + 1)) break;
        r->cell[n++] = c;
    }
    (void)snprintf(r->problem, sizeof r->problem, "the quote opened in line %zu is never closed",
                   opened);
    return 0;
}

/* The next cell of a row; *last_out: it ends the row. 0: a problem. */
static int cell_next(import_reader *r, sop_slice *out, int *last_out, int *quoted_out)
{
    *quoted_out = 0;
    if (!cell_room(r, 1)) return 0;
    if (r->style.format == IMPORT_CSV && r->at < r->size && r->data[r->at] == '"') {
        *quoted_out = 1;
        if (!quoted_cell(r, out)) return 0;
    } else {
        size_t from = r->at;
        while (r->at < r->size && r->data[r->at] != r->separator && r->data[r->at] != '\n') {
            r->at++;
        }
        size_t end = r->at;
        if (end > from && r->data[end - 1] == '\r' &&
            (r->at == r->size || r->data[r->at] == '\n')) {
            end--;
        }
        *out = (sop_slice){r->data + from, end - from};
    }
    if (r->at < r->size && r->data[r->at] == '\r') r->at++;
    if (r->at < r->size && r->data[r->at] != r->separator && r->data[r->at] != '\n') {
        (void)snprintf(r->problem, sizeof r->problem, "text after a closing quote");
        return 0;
    }
    *last_out = r->at >= r->size || r->data[r->at] == '\n';
    r->line += r->at < r->size && r->data[r->at] == '\n';
    r->at += r->at < r->size;
    return 1;
}

static int column_add(import_reader *r, sop_slice name)
{
    sop_slice *grown = sop_realloc(r->columns, (r->column_count + 1) * sizeof *grown);
    char *copy = sop_alloc(name.size + 1);
    if (grown != NULL) r->columns = grown;
    if (grown == NULL || copy == NULL) {
        sop_free(copy);
        return 0;
    }
    if (name.size != 0) memcpy(copy, name.data, name.size);
    r->columns[r->column_count++] = (sop_slice){copy, name.size};
    return 1;
}

/* The header row, or names c1, c2 ... for as many cells as the first row has. */
static int header_read(import_reader *r)
{
    size_t at = r->at;
    size_t line = r->line;
    int last = 0;
    while (!last) {
        sop_slice cell;
        int quoted;
        char numbered[16];
        if (!cell_next(r, &cell, &last, &quoted)) return 1;
        if (r->style.no_header) {
            (void)snprintf(numbered, sizeof numbered, "c%zu", r->column_count + 1);
            cell = sop_str(numbered);
        }
        if (!column_add(r, cell)) {
            (void)snprintf(r->problem, sizeof r->problem, "out of memory");
            return 1;
        }
    }
    if (r->style.no_header) {
        r->at = at;
        r->line = line;
    }
    return 0;
}

static void cell_write(import_reader *r, sop_slice cell, int quoted)
{
    int number = !quoted && !r->style.text_only && cell.size != 0 &&
                 sop_json_number_classify(cell) != SOP_JSON_NUMBER_BAD;
    if (number) {
        sop_json_raw(&r->writer, cell);
    } else {
        sop_json_string(&r->writer, cell);
    }
}

static void row_skip(import_reader *r)
{
    while (r->at < r->size && r->data[r->at] != '\n') {
        r->at++;
    }
    r->line += r->at < r->size;
    r->at += r->at < r->size;
}

static int csv_next(import_reader *r, import_record *record)
{
    while (r->at < r->size && (r->data[r->at] == '\n' || r->data[r->at] == '\r')) {
        r->line += r->data[r->at] == '\n';
        r->at++;
    }
    if (r->at >= r->size) return 0;
    record->line = r->line;
    sop_json_writer_reset(&r->writer);
    sop_json_object_begin(&r->writer);
    size_t n = 0;
    for (int last = 0; !last; n++) {
        sop_slice cell;
        int quoted;
        if (!cell_next(r, &cell, &last, &quoted)) {
            (void)snprintf(record->problem, sizeof record->problem, "%s", r->problem);
            row_skip(r);
            return 1;
        }
        if (n >= r->column_count) continue;
        sop_json_key(&r->writer, r->columns[n]);
        cell_write(r, cell, quoted);
    }
    sop_json_object_end(&r->writer);
    if (n != r->column_count) {
        (void)snprintf(record->problem, sizeof record->problem, "%zu cells, the header has %zu", n,
                       r->column_count);
    } else if (sop_json_writer_end(&r->writer, &record->json) != SOP_OK) {
        (void)snprintf(record->problem, sizeof record->problem, "a cell is not UTF-8");
    }
    return 1;
}

/* ---- the reader ---- */

int import_reader_init(import_reader *reader, sop_slice data, const import_style *style)
{
    int format = style->format;
    *reader = (import_reader){.data = data.data,
                              .size = data.size,
                              .style = *style,
                              .separator = format == IMPORT_TSV ? '\t' : ','};
    sop_json_writer_init(&reader->writer, 0);
    /* A byte order mark, as spreadsheets write it. */
    if (data.size >= 3 && memcmp(data.data, "\xef\xbb\xbf", 3) == 0) reader->at = 3;
    if (format == IMPORT_JSON) {
        return json_begin(reader,
                          (sop_slice){reader->data + reader->at, reader->size - reader->at});
    }
    if (format == IMPORT_NDJSON) return 0;
    reader->line = 1;
    return header_read(reader);
}

int import_reader_next(import_reader *reader, import_record *record)
{
    record->problem[0] = '\0';
    record->json = (sop_slice){"", 0};
    switch (reader->style.format) {
    case IMPORT_NDJSON:
        return ndjson_next(reader, record);
    case IMPORT_JSON:
        return json_next(reader, record);
    default:
        return csv_next(reader, record);
    }
}

void import_reader_deinit(import_reader *reader)
{
    for (size_t i = 0; i < reader->column_count; i++) {
        cli_slice_free(reader->columns[i]);
    }
    sop_free(reader->columns);
    sop_free(reader->cell);
    sop_json_writer_deinit(&reader->writer);
}
