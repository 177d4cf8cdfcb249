/* SPDX-License-Identifier: MIT */
/* Making and filling document stores: create --key SPECIFICATION, import into one. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/documents.h"
#include "cli/import.h"
#include "util/memory.h"

/* Up to this size an import is one transaction; above it records go in by so many. */
#define AT_ONCE_BYTES (UINT64_C(100) << 20)
enum { BATCH = 50000 };

int cli_create_documents(const cli_args *args)
{
    sop_db *db;
    sop_txn *txn;
    sop_documents *documents;
    sop_error err = {0};
    sop_documents_options options = SOP_DOCUMENTS_OPTIONS_INIT;
    options.key = sop_str(cli_value(args, "key"));
    options.rules = sop_str(cli_value(args, "rules"));
    int code = cli_open(args, args->positional[0], 1, &db);
    if (code != CLI_OK) return code;
    sop_status status = sop_txn_begin(db, SOP_TXN_WRITE, &txn, &err);
    if (status != SOP_OK) return cli_close(args, db, cli_fail(args, status, &err));
    status = sop_documents_create(txn, args->positional[1], &options, &documents);
    if (status == SOP_OK) status = sop_txn_commit(txn);
    if (status != SOP_OK) code = cli_fail(args, status, sop_txn_error(txn));
    sop_txn_close(txn);
    return cli_close(args, db, code);
}

static sop_status kind_look(const sop_store_info *info, void *context)
{
    const char **name = context;
    if (*name == NULL || strcmp(info->name, *name) != 0) return SOP_OK;
    if (info->kind == SOP_STORE_DOCUMENTS) *name = NULL;
    return SOP_OK;
}

int cli_is_document_store(const cli_args *args)
{
    sop_db *db;
    sop_txn *txn;
    const char *name = args->positional[1];
    if (cli_open_if_there(args, args->positional[0], &db) != CLI_OK || db == NULL) return 0;
    if (sop_txn_begin(db, SOP_TXN_READ, &txn, NULL) == SOP_OK) {
        if (sop_store_list(txn, kind_look, &name) != SOP_OK) name = args->positional[1];
        sop_txn_close(txn);
    }
    (void)cli_close(args, db, CLI_OK);
    return name == NULL;
}

/* ---- import ---- */

typedef struct {
    const cli_args *args;
    const char *source;
    sop_db *db;
    sop_txn *txn;
    sop_documents *documents;
    sop_slice key;
    FILE *bad;
    uint64_t batch; /* records a transaction; 0: all in one */
    uint64_t count;
    uint64_t committed;
    uint64_t bad_count;
    cli_progress progress;
} import;

static int store_ready(import *im)
{
    sop_error err = {0};
    sop_documents_options options = SOP_DOCUMENTS_OPTIONS_INIT;
    options.key = im->key;
    sop_status status = sop_txn_begin(im->db, SOP_TXN_WRITE, &im->txn, &err);
    if (status != SOP_OK) return cli_fail(im->args, status, &err);
    status = sop_documents_open(im->txn, im->args->positional[1], &im->documents);
    if (status == SOP_NOT_FOUND) {
        status = sop_documents_create(im->txn, im->args->positional[1], &options, &im->documents);
    }
    return status == SOP_OK ? CLI_OK : cli_fail(im->args, status, sop_txn_error(im->txn));
}

static int bad_record(import *im, size_t line, const char *why)
{
    if (im->bad == NULL) {
        if (im->committed == 0) {
            return cli_error(im->args, "%s:%zu: %s; nothing was imported", im->source, line, why);
        }
        return cli_error(im->args, "%s:%zu: %s; %llu records before it were imported", im->source,
                         line, why, (unsigned long long)im->committed);
    }
    im->bad_count++;
    (void)fprintf(im->bad, "%s:%zu: %s\n", im->source, line, why);
    return CLI_OK;
}

static int batch_commit(import *im, int last)
{
    sop_status status = sop_txn_commit(im->txn);
    if (status == SOP_OK) im->committed = im->count;
    if (status == SOP_OK && !last) status = sop_txn_renew(im->txn);
    return status == SOP_OK ? CLI_OK : cli_fail(im->args, status, sop_txn_error(im->txn));
}

static int record_add(import *im, const import_record *record)
{
    sop_slice none = {NULL, 0};
    if (record->problem[0] != '\0') return bad_record(im, record->line, record->problem);
    sop_status status = cli_flag(im->args, "replace")
                            ? sop_document_put(im->documents, none, record->json)
                            : sop_document_insert(im->documents, none, record->json);
    if (status == SOP_EXISTS || status == SOP_INVALID || status == SOP_TOO_LARGE) {
        const char *why = sop_txn_error(im->txn)->message;
        if (status == SOP_EXISTS && why[0] == '\0') {
            why = "the key is in the store already (--replace overwrites)";
        }
        return bad_record(im, record->line, why);
    }
    if (status != SOP_OK) return cli_fail(im->args, status, sop_txn_error(im->txn));
    im->count++;
    if (im->batch != 0 && im->count % im->batch == 0) return batch_commit(im, 0);
    if (cli_progress_step(im->count, 0, &im->progress) == SOP_OK) return CLI_OK;
    return cli_fail(im->args, SOP_CANCELLED, NULL);
}

static int records_read(import *im, sop_slice data, int format)
{
    import_reader reader;
    import_record record;
    int code = CLI_OK;
    import_style style = {.format = format,
                          .text_only = cli_flag(im->args, "text"),
                          .no_header = cli_flag(im->args, "no-header")};
    if (import_reader_init(&reader, data, &style)) {
        code = cli_error(im->args, "%s: %s; nothing was imported", im->source, reader.problem);
    }
    while (code == CLI_OK && import_reader_next(&reader, &record)) {
        code = record_add(im, &record);
    }
    import_reader_deinit(&reader);
    return code == CLI_OK ? batch_commit(im, 1) : code;
}

static int import_into(import *im, const char *path)
{
    char *data = NULL;
    size_t size = 0;
    int format = IMPORT_NDJSON;
    int code = import_file_read(im->args, path, &data, &size);
    if (code == CLI_OK) code = import_format(im->args, path, (sop_slice){data, size}, &format);
    if (code == CLI_OK) code = cli_open(im->args, im->args->positional[0], 1, &im->db);
    if (code == CLI_OK) code = store_ready(im);
    im->batch = size > AT_ONCE_BYTES ? BATCH : 0;
    if (code == CLI_OK) {
        cli_interrupt_txn(im->txn);
        cli_progress_begin(&im->progress, im->args, "importing");
        code = records_read(im, (sop_slice){data, size}, format);
        cli_progress_end(&im->progress);
        cli_interrupt_txn(NULL);
    }
    sop_txn_close(im->txn);
    sop_free(data);
    return cli_close(im->args, im->db, code);
}

int cli_import_documents(const cli_args *args, sop_slice key)
{
    const char *path =
        args->count > 2 && strcmp(args->positional[2], "-") != 0 ? args->positional[2] : NULL;
    const char *bad = cli_value(args, "skip-bad");
import im = {.args = args, .key = key, .source = path == NULL ? "standard input" :path };
    if (bad != NULL) {
        im.bad = fopen(bad, "w");
        if (im.bad == NULL) {
            return cli_error(args, "%s: %s", bad, cli_reason(errno, (char[CLI_REASON_SIZE]){0}));
        }
    }
    int code = import_into(&im, path);
    if (im.bad != NULL) (void)fclose(im.bad);
    if (code != CLI_OK || args->quiet) return code;
    char count[32];
    if (args->json) {
        (void)printf("{\"imported\":%llu,\"skipped\":%llu}\n", (unsigned long long)im.count,
                     (unsigned long long)im.bad_count);
    } else {
        (void)printf("%s imported", cli_thousands(im.count, count));
        if (im.bad_count != 0) {
            (void)printf(", %s bad record%s in %s", cli_thousands(im.bad_count, count),
                         im.bad_count == 1 ? "" : "s", bad);
        }
        (void)printf("\n");
    }
    return code;
}
