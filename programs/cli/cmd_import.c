/* SPDX-License-Identifier: MIT */
/*
 * import: all records of the input, or none. They are read, keyed and sorted first; a new store is bulk loaded, an existing one
 * gets them in one transaction.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/documents.h"
#include "cli/import.h"
#include "util/memory.h"

enum { FIELDS_MAX = 16, BLOCK = 1 << 20 };

typedef struct {
    sop_slice key;
    sop_slice value;
    size_t line;
} entry;

typedef struct block {
    struct block *next;
    size_t used;
    size_t size;
} block;

typedef struct {
    const cli_args *args;
    const char *source; /* name of the input in messages */
    import_style style;
    sop_json_path *records; /* --records */
    sop_json_path *fields[FIELDS_MAX];
    const char *field_names[FIELDS_MAX];
    char *field_text;
    size_t field_count;
    int keys;          /* CLI_KEYS_... */
    int may_choose;    /* the store does not tell yet how its keys are made */
    int need_decimals; /* a number was met that is not whole */
    int describe;      /* the store is there, but empty and undescribed */
    entry *entries;
    size_t count;
    size_t capacity;
    block *blocks;
    FILE *bad; /* --skip-bad */
    size_t bad_count;
    cli_progress progress;
} import;

/* ---- memory ---- */

static void *keep(import *im, const void *bytes, size_t size)
{
    block *b = im->blocks;
    if (b == NULL || b->size - b->used < size) {
        size_t room = size > BLOCK ? size : BLOCK;
        b = sop_alloc(sizeof *b + room);
        if (b == NULL) return NULL;
        *b = (block){im->blocks, 0, room};
        im->blocks = b;
    }
    char *copy = (char *)(b + 1) + b->used;
    b->used += size;
    if (size != 0) memcpy(copy, bytes, size);
    return copy;
}

static void blocks_free(import *im)
{
    while (im->blocks != NULL) {
        block *next = im->blocks->next;
        sop_free(im->blocks);
        im->blocks = next;
    }
}

static void import_free(import *im)
{
    blocks_free(im);
    for (size_t i = 0; i < im->field_count; i++) {
        sop_json_path_free(im->fields[i]);
    }
    sop_json_path_free(im->records);
    sop_free(im->field_text);
    sop_free(im->entries);
    if (im->bad != NULL) (void)fclose(im->bad);
}

/* ---- keys ---- */

/* "package,size.download": names with dots inside objects; a leading slash makes it a JSON pointer. */
static int fields_parse(import *im, const char *text)
{
    im->field_text = sop_alloc(2 * strlen(text) + 2);
    if (im->field_text == NULL) return cli_error(im->args, "out of memory");
    char *to = im->field_text;
    const char *from = text;
    while (*from != '\0') {
        if (im->field_count == FIELDS_MAX) {
            return cli_usage_error(im->args, "--key: at most %d fields", FIELDS_MAX);
        }
        char *pointer = to;
        int dotted = *from != '/';
        if (dotted) *to++ = '/';
        for (; *from != '\0' && *from != ','; from++) {
            *to = *from;
            if (dotted && *from == '.') *to = '/';
            to++;
        }
        *to++ = '\0';
        from += *from == ',';
        sop_error err = {0};
        im->field_names[im->field_count] = pointer;
        if (pointer[1] == '\0' ||
            sop_json_path_new(sop_str(pointer), &im->fields[im->field_count], &err) != SOP_OK) {
            return cli_usage_error(im->args, "--key %s: not field names", text);
        }
        im->field_count++;
    }
    return im->field_count == 0 ? cli_usage_error(im->args, "--key is empty") : CLI_OK;
}

/* --records: where the array of records lies, written as a field of --key is. */
static int records_parse(import *im)
{
    sop_error err = {0};
    const char *path = cli_value(im->args, "records");
    im->style.text_only = cli_flag(im->args, "text");
    im->style.no_header = cli_flag(im->args, "no-header");
    if (path == NULL) return CLI_OK;
    char *pointer = sop_alloc(strlen(path) + 2);
    if (pointer == NULL) return cli_error(im->args, "out of memory");
    int dotted = path[0] != '/';
    pointer[0] = '/';
    memcpy(pointer + dotted, path, strlen(path) + 1);
    for (char *p = pointer; dotted && *p != '\0'; p++) {
        if (*p == '.') *p = '/';
    }
    sop_status status = sop_json_path_new(sop_str(pointer), &im->records, &err);
    sop_free(pointer);
    im->style.records = im->records;
    return status == SOP_OK ? CLI_OK
                            : cli_usage_error(im->args, "--records %s: not a field name", path);
}

static int key_problem(import_record *record, const import *im, size_t field, const char *what)
{
    (void)snprintf(record->problem, sizeof record->problem, "key field %.80s %s",
                   im->field_names[field] + 1, what);
    return 0;
}

/* One field as a part of a tuple key, or (text keys) as the whole key. */
static int part_make(
    import *im, import_record *record, size_t field, sop_key_builder *builder, sop_slice *text_out)
{
    sop_json_value value;
    if (sop_json_pick(record->json, im->fields[field], &value) != SOP_OK) {
        return key_problem(record, im, field, "is missing");
    }
    if (value.type == SOP_JSON_NUMBER && im->keys != CLI_KEYS_TEXT) {
        if (cli_number_add(builder, im->keys, value.raw)) return 1;
        im->need_decimals = 1;
        return key_problem(record, im, field,
                           "is no whole number of 64 bits, as in the other keys of the store");
    }
    if (value.type == SOP_JSON_NUMBER) {
        *text_out = value.raw;
        return 1;
    }
    if (value.type != SOP_JSON_STRING) {
        return key_problem(record, im, field, "is neither a string nor a number");
    }
    char *buffer = keep(im, NULL, 0) == NULL ? NULL : sop_alloc(value.raw.size);
    sop_slice plain;
    if (buffer == NULL ||
        sop_json_string_decode(value.raw, 1, buffer, value.raw.size, &plain) != SOP_OK) {
        sop_free(buffer);
        return key_problem(record, im, field, "is not a valid string");
    }
    if (im->keys != CLI_KEYS_TEXT) {
        sop_key_add_string(builder, plain);
    } else {
        const void *copy = keep(im, plain.data, plain.size);
        *text_out = (sop_slice){copy, copy == NULL ? 0 : plain.size};
    }
    sop_free(buffer);
    return 1;
}

static int key_make(import *im, import_record *record, sop_slice *key_out)
{
    uint8_t buffer[SOP_KEY_SIZE_MAX];
    sop_key_builder builder;
    size_t needed;
    sop_slice text = {0};
    sop_key_begin(&builder, buffer, sizeof buffer);
    for (size_t i = 0; i < im->field_count; i++) {
        if (!part_make(im, record, i, &builder, &text)) return 0;
    }
    if (im->keys != CLI_KEYS_TEXT) {
        if (sop_key_end(&builder, &text, &needed) != SOP_OK) {
            return key_problem(record, im, 0, "makes a key over 4,096 bytes");
        }
        text.data = keep(im, text.data, text.size);
    }
    if (text.size == 0 || text.data == NULL) return key_problem(record, im, 0, "is empty");
    if (text.size > SOP_KEY_SIZE_MAX) {
        return key_problem(record, im, 0, "makes a key over 4,096 bytes");
    }
    *key_out = text;
    return 1;
}

/* ---- records ---- */

static int bad_record(import *im, const import_record *record)
{
    if (im->bad == NULL) {
        return cli_error(im->args, "%s:%zu: %s; nothing was imported", im->source, record->line,
                         record->problem);
    }
    im->bad_count++;
    (void)fprintf(im->bad, "%s:%zu: %s\n", im->source, record->line, record->problem);
    return CLI_OK;
}

static int record_add(import *im, import_record *record, int copy_value)
{
    entry e = {.line = record->line};
    int bad = record->problem[0] != '\0' || !key_make(im, record, &e.key);
    if (im->need_decimals && im->may_choose) return CLI_OK;
    if (bad) return bad_record(im, record);
    if (im->count == im->capacity) {
        size_t capacity = im->capacity * 2 + 1024;
        entry *grown = sop_realloc(im->entries, capacity * sizeof *grown);
        if (grown == NULL) return cli_error(im->args, "out of memory");
        im->entries = grown;
        im->capacity = capacity;
    }
    e.value = record->json;
    if (copy_value) e.value.data = keep(im, record->json.data, record->json.size);
    if (e.value.data == NULL) return cli_error(im->args, "out of memory");
    im->entries[im->count++] = e;
    if (cli_progress_step(im->count, 0, &im->progress) == SOP_OK) return CLI_OK;
    return cli_fail(im->args, SOP_CANCELLED, NULL);
}

static int records_read(import *im, sop_slice data)
{
    import_reader reader;
    import_record record;
    int code = CLI_OK;
    int bad_header = import_reader_init(&reader, data, &im->style);
    if (bad_header) {
        code = cli_error(im->args, "%s: %s; nothing was imported", im->source, reader.problem);
    }
    /* Slices of NDJSON and JSON point into the input; those of tables into a buffer that is used again. */
    int copy = im->style.format == IMPORT_CSV || im->style.format == IMPORT_TSV;
    while (code == CLI_OK && !(im->need_decimals && im->may_choose) &&
           import_reader_next(&reader, &record)) {
        if (im->field_count == 0 && reader.column_count != 0) {
            code =
                cli_usage_error(im->args, "--key FIELD is needed, for instance --key %.*s",
                                (int)reader.columns[0].size, (const char *)reader.columns[0].data);
        } else if (im->field_count == 0) {
            code = cli_usage_error(im->args, "--key FIELD is needed");
        } else {
            code = record_add(im, &record, copy);
        }
    }
    import_reader_deinit(&reader);
    if (code == CLI_OK && im->field_count == 0) {
        code = cli_usage_error(im->args, "--key FIELD is needed");
    }
    return code;
}

/* Reads all records; where a key turns out to need decimals and the store is free to have them, from the beginning again. */
static int records_gather(import *im, sop_slice data)
{
    int code = records_read(im, data);
    if (code != CLI_OK || !im->need_decimals || !im->may_choose) return code;
    blocks_free(im);
    im->count = im->bad_count = 0;
    im->may_choose = 0;
    im->keys = CLI_KEYS_DECIMAL;
    if (im->bad != NULL && (fflush(im->bad) != 0 || ftruncate(fileno(im->bad), 0) != 0)) {
        return cli_error(im->args, "%s: cannot begin again", cli_value(im->args, "skip-bad"));
    }
    if (im->bad != NULL) rewind(im->bad);
    return records_read(im, data);
}

static int slice_order(sop_slice a, sop_slice b)
{
    size_t common = a.size < b.size ? a.size : b.size;
    int order = common == 0 ? 0 : memcmp(a.data, b.data, common);
    return order != 0 ? order : (a.size > b.size) - (a.size < b.size);
}

static int entry_order(const void *a, const void *b)
{
    const entry *x = a;
    const entry *y = b;
    int order = slice_order(x->key, y->key);
    return order != 0 ? order : (x->line > y->line) - (x->line < y->line);
}

/* Sorted, and each key once: with --replace the last of equals stays, else they are an error. */
static int entries_sort(import *im)
{
    if (im->count > 1) qsort(im->entries, im->count, sizeof *im->entries, entry_order);
    size_t kept = 0;
    for (size_t i = 0; i < im->count; i++) {
        int same = kept != 0 && slice_order(im->entries[kept - 1].key, im->entries[i].key) == 0;
        if (same && cli_flag(im->args, "replace")) {
            im->entries[kept - 1] = im->entries[i];
            continue;
        }
        if (same) {
            import_record record = {.line = im->entries[i].line};
            (void)snprintf(record.problem, sizeof record.problem,
                           "the same key as in line %zu (--replace keeps the last)",
                           im->entries[kept - 1].line);
            int code = bad_record(im, &record);
            if (code != CLI_OK) return code;
            continue;
        }
        im->entries[kept++] = im->entries[i];
    }
    im->count = kept;
    return CLI_OK;
}

/* ---- writing ---- */

/* The members that an object has already. 0: it is none, or tells how its keys are made. */
static int attributes_copy(sop_json_writer *writer, sop_slice old)
{
    char name[SOP_ATTRIBUTES_SIZE_MAX];
    sop_json_value object;
    sop_json_iter iter;
    sop_json_value value;
    sop_slice quoted;
    if (old.size == 0) return 1;
    if (sop_json_read(old, &object) != SOP_OK || object.type != SOP_JSON_OBJECT) return 0;
    sop_json_iter_init(&iter, &object);
    while (sop_json_next(&iter, &quoted, &value) == SOP_OK) {
        sop_slice plain;
        if (sop_json_string_decode(quoted, 1, name, sizeof name, &plain) != SOP_OK) return 0;
        if (sop_json_string_equal(quoted, sop_str("key"))) return 0;
        sop_json_key(writer, plain);
        sop_json_raw(writer, value.raw);
    }
    return 1;
}

/* How keys and values of the store are to be read, beside what it says of itself already. */
static int attributes_make(const import *im, sop_slice old, sop_json_writer *writer, sop_slice *out)
{
    sop_json_object_begin(writer);
    if (!attributes_copy(writer, old)) return 0;
    sop_json_key(writer, sop_str("key"));
    sop_json_object_begin(writer);
    sop_json_key(writer, sop_str("encoding"));
    sop_json_string(writer, sop_str(im->keys == CLI_KEYS_TEXT ? "text" : "tuple"));
    if (im->keys == CLI_KEYS_DECIMAL) {
        sop_json_key(writer, sop_str("numbers"));
        sop_json_string(writer, sop_str("decimal"));
    }
    sop_json_key(writer, sop_str("fields"));
    sop_json_array_begin(writer);
    for (size_t i = 0; i < im->field_count; i++) {
        sop_json_string(writer, sop_str(im->field_names[i]));
    }
    sop_json_array_end(writer);
    sop_json_object_end(writer);
    sop_json_key(writer, sop_str("value"));
    sop_json_string(writer, sop_str("json"));
    sop_json_object_end(writer);
    return sop_json_writer_end(writer, out) == SOP_OK;
}

static int load_new(import *im, sop_db *db, const char *store)
{
    sop_error err = {0};
    sop_bulk *bulk;
    sop_store_options options = SOP_STORE_OPTIONS_INIT;
    sop_json_writer writer;
    sop_json_writer_init(&writer, 0);
    if (!attributes_make(im, (sop_slice){0}, &writer, &options.attributes)) {
        sop_json_writer_deinit(&writer);
        return cli_error(im->args, "out of memory");
    }
    sop_status status = sop_bulk_open(db, store, &options, &bulk, &err);
    sop_json_writer_deinit(&writer);
    if (status != SOP_OK) return cli_fail(im->args, status, &err);
    for (size_t i = 0; i < im->count && status == SOP_OK; i++) {
        status = sop_bulk_add(bulk, im->entries[i].key, im->entries[i].value);
    }
    if (status == SOP_OK) status = sop_bulk_finish(bulk, NULL);
    if (status == SOP_OK) return CLI_OK;
    int code = cli_fail(im->args, status, sop_bulk_error(bulk));
    sop_bulk_abort(bulk);
    return code;
}

/* A store that is empty and does not say how its keys are made is described as a new one would be. */
static sop_status store_describe(import *im, sop_store *store)
{
    sop_slice attributes;
    sop_json_writer writer;
    sop_store_info info = SOP_STORE_INFO_INIT;
    if (!im->describe) return SOP_OK;
    sop_status status = sop_store_info_get(store, &info);
    sop_json_writer_init(&writer, 0);
    if (status == SOP_OK && attributes_make(im, info.attributes, &writer, &attributes)) {
        status = sop_store_attributes_set(store, attributes);
    }
    sop_json_writer_deinit(&writer);
    return status;
}

static int add_to_existing(import *im, sop_txn *txn, sop_store *store)
{
    int replace = cli_flag(im->args, "replace");
    sop_status described = store_describe(im, store);
    if (described != SOP_OK) return cli_fail(im->args, described, sop_txn_error(txn));
    for (size_t i = 0; i < im->count; i++) {
        sop_status status = replace
                                ? sop_store_put(store, im->entries[i].key, im->entries[i].value)
                                : sop_store_add(store, im->entries[i].key, im->entries[i].value);
        if (status == SOP_EXISTS) {
            import_record record = {.line = im->entries[i].line};
            (void)snprintf(record.problem, sizeof record.problem,
                           "the key is in the store already (--replace overwrites)");
            int code = bad_record(im, &record);
            if (code != CLI_OK) return code;
            continue;
        }
        if (status != SOP_OK) return cli_fail(im->args, status, sop_txn_error(txn));
    }
    sop_status status = sop_txn_commit(txn);
    return status == SOP_OK ? CLI_OK : cli_fail(im->args, status, sop_txn_error(txn));
}

/* Whether the store is there, and how it writes its keys. */
static int
store_look(import *im, sop_db *db, const char *name, sop_txn **txn_out, sop_store **store_out)
{
    sop_error err = {0};
    *store_out = NULL;
    sop_status status = sop_txn_begin(db, SOP_TXN_WRITE, txn_out, &err);
    if (status != SOP_OK) return cli_fail(im->args, status, &err);
    status = sop_store_open(*txn_out, name, store_out);
    if (status == SOP_NOT_FOUND) return CLI_OK;
    sop_store_info info = SOP_STORE_INFO_INIT;
    if (status == SOP_OK) status = sop_store_info_get(*store_out, &info);
    im->describe = status == SOP_OK && info.kind == SOP_STORE_RAW && info.count == 0 &&
                   !cli_keys_are_told(*store_out);
    if (status == SOP_OK && !im->describe) im->keys = cli_keys_of(*store_out);
    if (status == SOP_OK) return CLI_OK;
    return cli_fail(im->args, status, sop_txn_error(*txn_out));
}

/* One string field gives plain text keys; anything else keys of typed parts. */
static void keys_choose(import *im, sop_slice data)
{
    im->keys = im->field_count > 1 ? CLI_KEYS_TUPLE : CLI_KEYS_TEXT;
    if (im->field_count != 1) return;
    import_reader reader;
    import_record record;
    sop_json_value value;
    int bad = import_reader_init(&reader, data, &im->style);
    while (!bad && import_reader_next(&reader, &record)) {
        if (record.problem[0] != '\0' ||
            sop_json_pick(record.json, im->fields[0], &value) != SOP_OK) {
            continue;
        }
        if (value.type == SOP_JSON_NUMBER) im->keys = CLI_KEYS_TUPLE;
        break;
    }
    import_reader_deinit(&reader);
}

/* The database is made only when all records are known to be good. */
static int import_into(import *im, sop_slice data)
{
    const cli_args *args = im->args;
    sop_db *db = NULL;
    sop_txn *txn = NULL;
    sop_store *store = NULL;
    int code = cli_open_if_there(args, args->positional[0], &db);
    if (code != CLI_OK) return code;
    keys_choose(im, data);
    if (db != NULL) code = store_look(im, db, args->positional[1], &txn, &store);
    cli_interrupt_txn(txn);
    im->may_choose = store == NULL || im->describe;
    if (code == CLI_OK) code = records_gather(im, data);
    if (code == CLI_OK) code = entries_sort(im);
    if (code == CLI_OK && db == NULL) code = cli_open(args, args->positional[0], 1, &db);
    if (code == CLI_OK) {
        code =
            store == NULL ? load_new(im, db, args->positional[1]) : add_to_existing(im, txn, store);
    }
    cli_interrupt_txn(NULL);
    sop_txn_close(txn);
    return cli_close(args, db, code);
}

static void report_print(const import *im, const char *bad)
{
    char count[32];
    if (im->args->quiet) return;
    if (im->args->json) {
        (void)printf("{\"imported\":%zu,\"skipped\":%zu}\n", im->count, im->bad_count);
        return;
    }
    (void)printf("%s imported", cli_thousands(im->count, count));
    if (im->bad_count != 0) {
        (void)printf(", %s bad record%s in %s", cli_thousands(im->bad_count, count),
                     im->bad_count == 1 ? "" : "s", bad);
    }
    (void)printf("\n");
}

int cmd_import(const cli_args *args)
{
import im = {.args = args };
    const char *path =
        args->count > 2 && strcmp(args->positional[2], "-") != 0 ? args->positional[2] : NULL;
    const char *key = cli_value(args, "key");
    int is_specification = key != NULL && (key[0] == '{' || key[0] == '[');
    if (is_specification || cli_is_document_store(args)) {
        return cli_import_documents(args, sop_str(is_specification ? key : NULL));
    }
    const char *bad = cli_value(args, "skip-bad");
    im.source = path == NULL ? "standard input" : path;
    char *data = NULL;
    size_t size = 0;
    int code = key == NULL ? CLI_OK : fields_parse(&im, key);
    if (code == CLI_OK) code = records_parse(&im);
    if (code == CLI_OK) code = import_file_read(args, path, &data, &size);
    if (code == CLI_OK) code = import_format(args, path, (sop_slice){data, size}, &im.style.format);
    if (code == CLI_OK && bad != NULL) {
        im.bad = fopen(bad, "w");
        if (im.bad == NULL) {
            code = cli_error(args, "%s: %s", bad, cli_reason(errno, (char[CLI_REASON_SIZE]){0}));
        }
    }
    if (code == CLI_OK) {
        cli_progress_begin(&im.progress, args, "importing");
        code = import_into(&im, (sop_slice){data, size});
        cli_progress_end(&im.progress);
    }
    if (code == CLI_OK) report_print(&im, bad);
    import_free(&im);
    sop_free(data);
    return code;
}
