/* SPDX-License-Identifier: MIT */
/* What the commands about documents share: a session, tables. */
#ifndef CLI_DOCUMENTS_H
#define CLI_DOCUMENTS_H

#include "cli/cli.h"
#include "json/json.h"

/* Database, transaction and document store of the first two arguments. */
typedef struct {
    cli_session s;
    sop_documents *documents;
} cli_documents;
int cli_documents_open(cli_documents *d, const cli_args *args, sop_txn_mode mode);
int cli_documents_fail(cli_documents *d, sop_status status);

/* Rows under columns; how: as people read them, or CSV (RFC 4180). */
typedef struct {
    sop_slice *columns;
    size_t column_count;
    sop_slice *cells; /* row by row; data NULL: nothing there */
    size_t row_count;
    size_t capacity; /* of cells */
    void **blocks;   /* that the cells lie in */
    size_t block_count;
} cli_table;
/* A copy that lives as long as the table. data NULL: out of memory. */
sop_slice cli_table_keep(cli_table *table, sop_slice bytes);
int cli_table_column(cli_table *table, sop_slice name);
/* column_count cells, copied. 0: ok; -1: out of memory. */
int cli_table_row(cli_table *table, const sop_slice *cells);
void cli_table_print(const cli_table *table, FILE *out);
void cli_table_free(cli_table *table);
void cli_csv_row(FILE *out, const sop_slice *cells, size_t count);
/* A JSON value as a cell: a string without its quotes, null as nothing, anything else as it is. */
sop_slice cli_cell(cli_table *table, sop_slice json);
/* JSON over several lines. */
void cli_print_pretty(FILE *out, sop_slice json);

/* import with a key specification, or into a document store. */
int cli_import_documents(const cli_args *args, sop_slice key);
/* create with --key. */
int cli_create_documents(const cli_args *args);
/* Whether the store of the arguments is there and holds documents. */
int cli_is_document_store(const cli_args *args);

/* load of a document store: what dump wrote of it, in transactions of some thousand documents; its indexes at the end. */
typedef struct {
    const cli_args *args;
    sop_db *db;
    sop_txn *txn; /* NULL: none is being loaded */
    sop_documents *documents;
    sop_slice schema; /* in the input */
    char name[SOP_STORE_NAME_SIZE_MAX + 1];
    uint64_t pending;
} cli_documents_load;
int cli_documents_load_begin(cli_documents_load *l,
                             const char *name,
                             sop_slice schema,
                             const sop_store_options *options);
int cli_documents_load_add(cli_documents_load *l, sop_slice key, sop_slice document);
int cli_documents_load_end(cli_documents_load *l);
void cli_documents_load_abort(cli_documents_load *l);

#endif
