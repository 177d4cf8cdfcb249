/* SPDX-License-Identifier: MIT */
/* Reading records: NDJSON, JSON arrays, CSV, TSV, each as one JSON value with the line it began on. */
#ifndef CLI_IMPORT_H
#define CLI_IMPORT_H

#include "cli/cli.h"
#include "json/json.h"

enum { IMPORT_NDJSON = 0, IMPORT_JSON = 1, IMPORT_CSV = 2, IMPORT_TSV = 3 };

/* A record of the input. json: its very bytes (NDJSON, JSON), or made of the cells. */
typedef struct {
    sop_slice json;    /* valid until the next record */
    size_t line;       /* from 1 */
    char problem[160]; /* not empty: the record is bad, and why */
} import_record;

typedef struct {
    int format;
    int text_only;                /* CSV, TSV: every cell is a string */
    int no_header;                /* CSV, TSV */
    const sop_json_path *records; /* JSON: where the array lies; NULL: at the top */
} import_style;

typedef struct {
    const char *data;
    size_t size;
    size_t at;
    size_t line;
    import_style style;
    char separator;
    sop_json_iter array; /* JSON */
    size_t line_at;      /* byte up to which lines were counted */
    sop_slice *columns;  /* CSV, TSV: names, from malloc */
    size_t column_count;
    sop_json_writer writer;
    char *cell; /* a cell without its quotes */
    size_t cell_capacity;
    char problem[160];
} import_reader;

/* The whole of a file, or of standard input for NULL; from malloc. 0: ok; else an exit code, said. */
int import_file_read(const cli_args *args, const char *path, char **data_out, size_t *size_out);
/* By name of format or ending of the file, else by the first character. */
int import_format(const cli_args *args, const char *path, sop_slice data, int *format_out);
/* 0: ok; 1: the header is bad, see reader->problem. */
int import_reader_init(import_reader *reader, sop_slice data, const import_style *style);
/* 1: a record; 0: the end. */
int import_reader_next(import_reader *reader, import_record *record);
void import_reader_deinit(import_reader *reader);

#endif
