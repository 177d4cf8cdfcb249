/* SPDX-License-Identifier: MIT */
/* dump and load: everything as lines that load reads back; also the map of the files and the log. */
#include <stdlib.h>
#include <string.h>

#include "cli/documents.h"
#include "cli/import.h"
#include "json/json.h"
#include "util/memory.h"

/* ---- dump ---- */

typedef struct {
    const cli_args *args;
    cli_session *s;
    FILE *out;
    const char *only; /* one store, or NULL */
    int code;
} dump;

/* Bytes as hexadecimal: exact, and easy to read back anywhere. */
static void hex_write(FILE *out, sop_slice bytes)
{
    const uint8_t *p = bytes.data;
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < bytes.size; i++) {
        (void)fputc(digits[p[i] >> 4], out);
        (void)fputc(digits[p[i] & 15], out);
    }
}

/* "k":"text" or "kx":"hex". */
static void member_write(FILE *out, const char *name, sop_slice bytes)
{
    if (cli_is_utf8(bytes)) {
        (void)fprintf(out, "\"%s\":", name);
        cli_print_json(out, bytes);
    } else {
        (void)fprintf(out, "\"%sx\":\"", name);
        hex_write(out, bytes);
        (void)fputc('"', out);
    }
}

static sop_status store_dump(dump *d, const char *name)
{
    sop_store *store;
    sop_cursor *cursor;
    sop_status status = sop_store_open(d->s->txn, name, &store);
    if (status == SOP_OK) status = sop_cursor_open(store, &cursor);
    while (status == SOP_OK && (status = sop_cursor_next(cursor)) == SOP_OK) {
        sop_slice key;
        sop_slice value;
        status = sop_cursor_item(cursor, &key, &value);
        if (status != SOP_OK) break;
        (void)fputc('{', d->out);
        member_write(d->out, "k", key);
        (void)fputc(',', d->out);
        member_write(d->out, "v", value);
        (void)fputs("}\n", d->out);
        if (cli_interrupted()) return SOP_CANCELLED;
    }
    return status == SOP_NOT_FOUND ? SOP_OK : status;
}

/* Key, rules and indexes of a document store; the entries of its indexes are made anew by load. */
static sop_status schema_dump(const dump *d, const char *name)
{
    sop_documents *documents;
    sop_text schema;
    sop_status status = sop_documents_open(d->s->txn, name, &documents);
    if (status == SOP_OK) status = sop_documents_schema(documents, &schema);
    if (status != SOP_OK) return status;
    (void)fprintf(d->out, ",\"schema\":%s", schema.data);
    sop_text_free(&schema);
    return SOP_OK;
}

static sop_status dump_store(const sop_store_info *info, void *context)
{
    dump *d = context;
    sop_status status = SOP_OK;
    if (d->only != NULL && strcmp(d->only, info->name) != 0) return SOP_OK;
    /* What names stores by their ids means nothing elsewhere. */
    if (info->kind == SOP_STORE_INDEX || strcmp(info->name, "sop:builds") == 0 ||
        strcmp(info->name, "sop:updates") == 0) {
        return SOP_OK;
    }
    (void)fputs("{\"store\":", d->out);
    cli_print_json(d->out, sop_str(info->name));
    (void)fprintf(d->out, ",\"duplicates\":%s,\"inline_value_max\":%u,",
                  info->allow_duplicates ? "true" : "false", info->inline_value_max);
    member_write(d->out, "attributes", info->attributes);
    if (info->kind == SOP_STORE_DOCUMENTS) status = schema_dump(d, info->name);
    (void)fputs("}\n", d->out);
    return status == SOP_OK ? store_dump(d, info->name) : status;
}

static sop_status dump_range(const sop_range *range, void *context)
{
    const dump *d = context;
    if (d->args->json) {
        (void)fprintf(d->out,
                      "{\"file\":\"%s\",\"offset\":%llu,\"length\":%llu,\"owner\":\"%s\"}\n",
                      range->file, (unsigned long long)range->offset,
                      (unsigned long long)range->length, range->owner);
    } else {
        (void)fprintf(d->out, "%-24s %12llu %10llu  %s\n", range->file,
                      (unsigned long long)range->offset, (unsigned long long)range->length,
                      range->owner);
    }
    return SOP_OK;
}

static const char *change_name(sop_change_kind kind)
{
    static const char *const names[] = {"?",    "insert", "update", "remove", "create",
                                        "drop", "alter",  "load",   "commit"};
    return (unsigned)kind < sizeof names / sizeof names[0] ? names[kind] : "?";
}

/* The transactions after a seq, as far as the log still has them. */
static int log_dump(dump *d)
{
    uint64_t after;
    sop_error err = {0};
    sop_changes *changes;
    int code = cli_number(d->args, "log", 0, &after);
    if (code != CLI_OK) return code;
    sop_status status = sop_changes_open(d->s->db, after, &changes, &err);
    if (status != SOP_OK) return cli_fail(d->args, status, &err);
    sop_change change = SOP_CHANGE_INIT;
    while ((status = sop_changes_next(changes, 0, &change)) == SOP_OK) {
        (void)fprintf(d->out, "{\"seq\":%llu,\"what\":\"%s\"", (unsigned long long)change.seq,
                      change_name(change.kind));
        if (change.kind != SOP_CHANGE_COMMIT) {
            (void)fprintf(d->out, ",\"store\":%llu,", (unsigned long long)change.store_id);
        }
        if (change.kind == SOP_CHANGE_COMMIT) {
            (void)fprintf(d->out, ",\"wall_ns\":%llu,", (unsigned long long)change.wall_ns);
        }
        member_write(d->out, change.kind == SOP_CHANGE_COMMIT ? "note" : "k",
                     change.kind == SOP_CHANGE_COMMIT ? change.value : change.key);
        if (change.kind == SOP_CHANGE_INSERT || change.kind == SOP_CHANGE_UPDATE) {
            (void)fprintf(d->out, ",\"size\":%llu", (unsigned long long)change.value_size);
        }
        (void)fputs("}\n", d->out);
        if (cli_interrupted()) break;
    }
    if (status != SOP_TIMEOUT && status != SOP_OK) {
        code = cli_fail(d->args, status, sop_changes_error(changes));
    }
    sop_changes_close(changes);
    return code;
}

static int dump_all(dump *d)
{
    sop_error err = {0};
    sop_status status;
    if (cli_flag(d->args, "log")) return log_dump(d);
    if (cli_flag(d->args, "map")) {
        status = sop_inspect_map(d->s->db, dump_range, d, &err);
        return status == SOP_OK ? CLI_OK : cli_fail(d->args, status, &err);
    }
    status = sop_store_list(d->s->txn, dump_store, d);
    return status == SOP_OK ? CLI_OK : cli_session_fail(d->s, status);
}

int cmd_dump(const cli_args *args)
{
    cli_session s;
    dump d = {.args = args, .s = &s, .only = args->count > 1 ? args->positional[1] : NULL};
    int code = cli_session_open(&s, args, SOP_TXN_READ, d.only);
    if (code != CLI_OK) return code;
    code = cli_output_open(args, &d.out);
    if (code == CLI_OK) code = cli_output_close(args, d.out, dump_all(&d));
    return cli_session_close(&s, code);
}

/* ---- load ---- */

/* Two passes: the first only looks whether all of it can be loaded, so that bad input changes nothing. */
typedef struct {
    const cli_args *args;
    const char *source; /* name of the input in messages */
    size_t line;
    int looking; /* first pass; db may be NULL */
    int in_store;
    sop_txn *txn; /* first pass: to see which stores are there */
    sop_db *db;
    sop_bulk *bulk;
    cli_documents_load documents; /* instead of bulk, of a document store */
    uint64_t stores;
    uint64_t items;
    uint8_t *buffers[2];
    size_t capacities[2];
    int duplicates;   /* the present store has some */
    size_t last_size; /* its last key; 0: none yet */
    uint8_t last[SOP_KEY_SIZE_MAX];
} load;

static int hex_value(uint8_t c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* A member written by member_write, as plain bytes in buffer number which. */
static int member_read(load *l, sop_slice line, const char *name, int which, sop_slice *out)
{
    char hex_name[32];
    (void)snprintf(hex_name, sizeof hex_name, "%sx", name);
    sop_json_step step = {SOP_JSON_STEP_NAME, sop_str(name), 0};
    sop_json_path path = {&step, 1};
    sop_json_value value;
    int hex = sop_json_pick(line, &path, &value) != SOP_OK;
    step.name = sop_str(hex_name);
    if (hex && sop_json_pick(line, &path, &value) != SOP_OK) return 0;
    if (value.type != SOP_JSON_STRING) return 0;
    if (value.raw.size > l->capacities[which]) {
        uint8_t *grown = sop_realloc(l->buffers[which], value.raw.size * 2);
        if (grown == NULL) return 0;
        l->buffers[which] = grown;
        l->capacities[which] = value.raw.size * 2;
    }
    if (!hex) {
        return sop_json_string_decode(value.raw, 0, l->buffers[which], l->capacities[which], out) ==
               SOP_OK;
    }
    const uint8_t *p = (const uint8_t *)value.raw.data + 1;
    size_t size = (value.raw.size - 2) / 2;
    for (size_t i = 0; i < size; i++) {
        int high = hex_value(p[2 * i]);
        int low = hex_value(p[2 * i + 1]);
        if (high < 0 || low < 0) return 0;
        l->buffers[which][i] = (uint8_t)(high << 4 | low);
    }
    *out = (sop_slice){l->buffers[which], size};
    return 1;
}

static int load_bad(const load *l, const char *what)
{
    return cli_error(l->args, "%s:%zu: %s; nothing was loaded", l->source, l->line, what);
}

static int bulk_end(load *l)
{
    if (l->documents.txn != NULL) return cli_documents_load_end(&l->documents);
    if (l->bulk == NULL) return CLI_OK;
    sop_bulk *bulk = l->bulk;
    l->bulk = NULL;
    sop_status status = sop_bulk_finish(bulk, NULL);
    if (status == SOP_OK) return CLI_OK;
    int code = cli_fail(l->args, status, sop_bulk_error(bulk));
    sop_bulk_abort(bulk);
    return code;
}

/* First pass: the name must be free. */
static int store_look(load *l, const char *name)
{
    sop_store *store;
    if (l->txn == NULL) return CLI_OK;
    sop_status status = sop_store_open(l->txn, name, &store);
    if (status == SOP_NOT_FOUND) return CLI_OK;
    if (status != SOP_OK) return cli_fail(l->args, status, sop_txn_error(l->txn));
    return cli_error(l->args, "there is a store \"%s\" already; nothing was loaded", name);
}

/* First pass: keys must be such as a bulk load takes. */
static int key_look(load *l, sop_slice key)
{
    if (key.size == 0 || key.size > SOP_KEY_SIZE_MAX) {
        return load_bad(l, "a key must have 1 to 4,096 bytes");
    }
    size_t common = key.size < l->last_size ? key.size : l->last_size;
    int order = memcmp(key.data, l->last, common);
    if (order == 0) order = (key.size > l->last_size) - (key.size < l->last_size);
    if (l->last_size != 0 && (order < 0 || (order == 0 && !l->duplicates))) {
        return load_bad(l, "a key that does not come after the one before");
    }
    memcpy(l->last, key.data, key.size);
    l->last_size = key.size;
    return CLI_OK;
}

static int store_begin(load *l, sop_slice line)
{
    int code = bulk_end(l);
    if (code != CLI_OK) return code;
    sop_slice name;
    sop_store_options options = SOP_STORE_OPTIONS_INIT;
    sop_json_step step = {SOP_JSON_STEP_NAME, sop_str("duplicates"), 0};
    sop_json_path path = {&step, 1};
    sop_json_value value;
    sop_error err = {0};
    char text[SOP_STORE_NAME_SIZE_MAX + 1];
    if (!member_read(l, line, "store", 0, &name) || name.size > SOP_STORE_NAME_SIZE_MAX ||
        !member_read(l, line, "attributes", 1, &options.attributes)) {
        return load_bad(l, "not a store as dump writes it");
    }
    memcpy(text, name.data, name.size);
    text[name.size] = '\0';
    if (sop_json_pick(line, &path, &value) == SOP_OK) {
        options.allow_duplicates = value.type == SOP_JSON_TRUE;
    }
    step.name = sop_str("inline_value_max");
    if (sop_json_pick(line, &path, &value) == SOP_OK) {
        options.inline_value_max = (uint32_t)strtoul(value.raw.data, NULL, 10);
    }
    l->stores++;
    l->in_store = 1;
    l->last_size = 0;
    l->duplicates = options.allow_duplicates;
    if (l->looking) return store_look(l, text);
    step.name = sop_str("schema");
    if (sop_json_pick(line, &path, &value) == SOP_OK) {
        l->documents.args = l->args;
        l->documents.db = l->db;
        return cli_documents_load_begin(&l->documents, text, value.raw, &options);
    }
    sop_status status = sop_bulk_open(l->db, text, &options, &l->bulk, &err);
    return status == SOP_OK ? CLI_OK : cli_fail(l->args, status, &err);
}

static int line_load(load *l, sop_slice line)
{
    sop_json_step step = {SOP_JSON_STEP_NAME, sop_str("store"), 0};
    sop_json_path path = {&step, 1};
    sop_json_value value;
    sop_slice key;
    sop_slice bytes;
    if (sop_json_pick(line, &path, &value) == SOP_OK) return store_begin(l, line);
    if (!l->in_store) return load_bad(l, "an item before the first store");
    if (!member_read(l, line, "k", 0, &key) || !member_read(l, line, "v", 1, &bytes)) {
        return load_bad(l, "not an item as dump writes it");
    }
    l->items++;
    if (l->looking) return key_look(l, key);
    if (l->documents.txn != NULL) return cli_documents_load_add(&l->documents, key, bytes);
    sop_status status = sop_bulk_add(l->bulk, key, bytes);
    return status == SOP_OK ? CLI_OK : cli_fail(l->args, status, sop_bulk_error(l->bulk));
}

static int lines_load(load *l, sop_slice data, int looking)
{
    import_reader reader;
    import_record record;
    int code = CLI_OK;
    l->looking = looking;
    l->stores = l->items = 0;
    l->in_store = 0;
    if (import_reader_init(&reader, data, &(import_style){.format = IMPORT_NDJSON}) != 0) {
        code = cli_error(l->args, "%s: %s", l->source, reader.problem);
    }
    while (code == CLI_OK && import_reader_next(&reader, &record)) {
        l->line = record.line;
        code = record.problem[0] == '\0' ? line_load(l, record.json) : load_bad(l, record.problem);
        if (code == CLI_OK && cli_interrupted()) code = cli_fail(l->args, SOP_CANCELLED, NULL);
    }
    import_reader_deinit(&reader);
    if (code == CLI_OK) return bulk_end(l);
    cli_documents_load_abort(&l->documents);
    sop_bulk_abort(l->bulk);
    l->bulk = NULL;
    return code;
}

static int load_look(load *l, sop_slice data)
{
    sop_error err = {0};
    int code = cli_open_if_there(l->args, l->args->positional[0], &l->db);
    if (code == CLI_OK && l->db != NULL) {
        sop_status status = sop_txn_begin(l->db, SOP_TXN_READ, &l->txn, &err);
        if (status != SOP_OK) code = cli_fail(l->args, status, &err);
    }
    if (code == CLI_OK) code = lines_load(l, data, 1);
    sop_txn_close(l->txn);
    return code;
}

int cmd_load(const cli_args *args)
{
    load l = {.args = args};
    char *data;
    size_t size;
    const char *path =
        args->count > 1 && strcmp(args->positional[1], "-") != 0 ? args->positional[1] : NULL;
    int code = import_file_read(args, path, &data, &size);
    if (code != CLI_OK) return code;
    l.source = path == NULL ? "standard input" : path;
    code = load_look(&l, (sop_slice){data, size});
    if (code == CLI_OK && l.db == NULL) code = cli_open(args, args->positional[0], 1, &l.db);
    if (code == CLI_OK) code = lines_load(&l, (sop_slice){data, size}, 0);
    code = cli_close(args, l.db, code);
    if (code == CLI_OK && !args->quiet) {
        char items[32];
        if (args->json) {
            (void)printf("{\"stores\":%llu,\"items\":%llu}\n", (unsigned long long)l.stores,
                         (unsigned long long)l.items);
        } else {
            (void)printf("%llu store%s, %s item%s loaded\n", (unsigned long long)l.stores,
                         l.stores == 1 ? "" : "s", cli_thousands(l.items, items),
                         l.items == 1 ? "" : "s");
        }
    }
    sop_free(l.buffers[0]);
    sop_free(l.buffers[1]);
    sop_free(data);
    return code;
}
