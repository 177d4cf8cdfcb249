/* SPDX-License-Identifier: MIT */
/* Opening what a command works on, and how keys look. */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "json/json.h"
#include "util/memory.h"

/* What the shell works on. */
static const char *held_url;
static sop_db *held_db;

void cli_hold(const char *url, sop_db *db)
{
    held_url = url;
    held_db = db;
    cli_interrupt_target(db);
}

static sop_status open_mode(const char *url, int mode, sop_db **db_out, sop_error *err)
{
    if (held_db != NULL && strcmp(url, held_url) == 0) {
        *db_out = held_db;
        return SOP_OK;
    }
    sop_db_options options = SOP_DB_OPTIONS_INIT;
    options.open_mode = mode;
    sop_status status = sop_db_open(url, &options, db_out, err);
    if (status == SOP_OK) cli_interrupt_target(*db_out);
    return status;
}

int cli_open(const cli_args *args, const char *url, int create, sop_db **db_out)
{
    sop_error err = {0};
    sop_status status =
        open_mode(url, create ? SOP_OPEN_OR_CREATE : SOP_OPEN_EXISTING, db_out, &err);
    return status == SOP_OK ? CLI_OK : cli_fail(args, status, &err);
}

int cli_open_if_there(const cli_args *args, const char *url, sop_db **db_out)
{
    sop_error err = {0};
    sop_status status = open_mode(url, SOP_OPEN_EXISTING, db_out, &err);
    if (status == SOP_NOT_FOUND) *db_out = NULL;
    return status == SOP_OK || status == SOP_NOT_FOUND ? CLI_OK : cli_fail(args, status, &err);
}

int cli_close(const cli_args *args, sop_db *db, int code)
{
    if (db == NULL || db == held_db) return code;
    sop_error err = {0};
    cli_interrupt_target(held_db);
    sop_status status = sop_db_close(db, &err);
    if (status != SOP_OK && code == CLI_OK) return cli_fail(args, status, &err);
    return code;
}

int cli_session_fail(cli_session *s, sop_status status)
{
    return cli_fail(s->args, status, sop_txn_error(s->txn));
}

int cli_session_open(cli_session *s, const cli_args *args, sop_txn_mode mode, const char *store)
{
    sop_error err = {0};
    *s = (cli_session){.args = args};
    int code = cli_open(args, args->positional[0], 0, &s->db);
    if (code != CLI_OK) return code;
    sop_status status = sop_txn_begin(s->db, mode, &s->txn, &err);
    if (status != SOP_OK) return cli_close(args, s->db, cli_fail(args, status, &err));
    cli_interrupt_txn(s->txn);
    if (store == NULL) return CLI_OK;
    status = sop_store_open(s->txn, store, &s->store);
    if (status == SOP_OK) return CLI_OK;
    return cli_session_close(s, cli_session_fail(s, status));
}

int cli_session_close(cli_session *s, int code)
{
    if (code == CLI_OK) {
        sop_status status = sop_txn_commit(s->txn);
        if (status != SOP_OK) code = cli_session_fail(s, status);
    }
    cli_interrupt_txn(NULL);
    sop_txn_close(s->txn);
    return cli_close(s->args, s->db, code);
}

/* ---- keys ---- */

/* The value at a path of the attributes. 0: there is none. */
static int attribute_pick(sop_store *store, sop_json_path path, sop_json_value *value_out)
{
    sop_store_info info = SOP_STORE_INFO_INIT;
    return sop_store_info_get(store, &info) == SOP_OK && info.attributes.size != 0 &&
           sop_json_pick(info.attributes, &path, value_out) == SOP_OK;
}

/*
 * import leaves {"key":{"encoding":"tuple",...},"value":"json"} in the attributes of a store. True if the string at that path
 * is the one wanted.
 */
static int attribute_is(sop_store *store, sop_json_path path, const char *wanted)
{
    sop_json_value value;
    return attribute_pick(store, path, &value) && value.type == SOP_JSON_STRING &&
           sop_json_string_equal(value.raw, sop_str(wanted));
}

int cli_keys_are_told(sop_store *store)
{
    sop_json_step step = {SOP_JSON_STEP_NAME, {"key", 3}, 0};
    sop_json_value value;
    return attribute_pick(store, (sop_json_path){&step, 1}, &value);
}

int cli_keys_of(sop_store *store)
{
    sop_json_step steps[2] = {{SOP_JSON_STEP_NAME, {"key", 3}, 0},
                              {SOP_JSON_STEP_NAME, {"encoding", 8}, 0}};
    if (!attribute_is(store, (sop_json_path){steps, 2}, "tuple")) return CLI_KEYS_TEXT;
    steps[1].name = sop_str("numbers");
    return attribute_is(store, (sop_json_path){steps, 2}, "decimal") ? CLI_KEYS_DECIMAL
                                                                     : CLI_KEYS_TUPLE;
}

int cli_values_are_json(sop_store *store)
{
    sop_json_step step = {SOP_JSON_STEP_NAME, {"value", 5}, 0};
    return attribute_is(store, (sop_json_path){&step, 1}, "json");
}

int cli_number_add(sop_key_builder *builder, int keys, sop_slice number)
{
    char text[32];
    sop_json_number_kind kind = sop_json_number_classify(number);
    if (keys == CLI_KEYS_DECIMAL) {
        sop_key_add_decimal(builder, number);
        return 1;
    }
    if (kind != SOP_JSON_NUMBER_INT64 && kind != SOP_JSON_NUMBER_UINT64) return 0;
    (void)snprintf(text, sizeof text, "%.*s", (int)number.size, (const char *)number.data);
    if (kind == SOP_JSON_NUMBER_INT64) {
        sop_key_add_int(builder, strtoll(text, NULL, 10));
    } else {
        sop_key_add_uint(builder, strtoull(text, NULL, 10));
    }
    return 1;
}

/* One JSON scalar as a part of a tuple key. 0: not a scalar, or a number that no part can hold. */
static int part_add(sop_key_builder *builder, int keys, const sop_json_value *value)
{
    switch (value->type) {
    case SOP_JSON_NULL:
        sop_key_add_null(builder);
        return 1;
    case SOP_JSON_FALSE:
    case SOP_JSON_TRUE:
        sop_key_add_bool(builder, value->type == SOP_JSON_TRUE);
        return 1;
    case SOP_JSON_NUMBER:
        return cli_number_add(builder, keys, value->raw);
    case SOP_JSON_STRING: {
        char *buffer = sop_alloc(value->raw.size);
        sop_slice bytes;
        int good = buffer != NULL &&
                   sop_json_string_decode(value->raw, 0, buffer, value->raw.size, &bytes) == SOP_OK;
        if (good) sop_key_add_string(builder, bytes);
        sop_free(buffer);
        return good;
    }
    case SOP_JSON_ARRAY:
    case SOP_JSON_OBJECT:
    default:
        return 0;
    }
}

/* "[1,\"a\"]", "1" or plain text as the parts of a tuple key. */
static int tuple_parse(sop_key_builder *builder, int keys, const char *text)
{
    sop_slice json = sop_str(text);
    sop_json_value value;
    if (sop_json_check(json, NULL, NULL, NULL) != SOP_OK || sop_json_read(json, &value) != SOP_OK) {
        sop_key_add_string(builder, json);
        return 1;
    }
    if (value.type != SOP_JSON_ARRAY) return part_add(builder, keys, &value);
    sop_json_iter iter;
    sop_slice name;
    sop_json_iter_init(&iter, &value);
    sop_json_value part;
    while (sop_json_next(&iter, &name, &part) == SOP_OK) {
        if (!part_add(builder, keys, &part)) return 0;
    }
    return 1;
}

int cli_key_parse(const cli_args *args, int keys, const char *text, sop_slice *out)
{
    if (keys == CLI_KEYS_TEXT) {
        *out = cli_unescape(text);
        if (out->data == NULL) return cli_error(args, "out of memory");
        return CLI_OK;
    }
    uint8_t *buffer = sop_alloc(SOP_KEY_SIZE_MAX);
    sop_key_builder builder;
    size_t needed;
    if (buffer == NULL) return cli_error(args, "out of memory");
    sop_key_begin(&builder, buffer, SOP_KEY_SIZE_MAX);
    if (!tuple_parse(&builder, keys, text) || sop_key_end(&builder, out, &needed) != SOP_OK) {
        sop_free(buffer);
        return cli_error(args, "key %.80s: not a key of this store (JSON parts are expected)",
                         text);
    }
    return CLI_OK;
}

static void part_print(FILE *out, const sop_key_part *part)
{
    uint8_t buffer[SOP_KEY_SIZE_MAX];
    sop_slice bytes;
    switch (part->type) {
    case SOP_KEY_NULL:
        (void)fputs("null", out);
        break;
    case SOP_KEY_INT:
        (void)fprintf(out, "%lld", (long long)part->int_value);
        break;
    case SOP_KEY_UINT:
        (void)fprintf(out, "%llu", (unsigned long long)part->uint_value);
        break;
    case SOP_KEY_DOUBLE:
        (void)fprintf(out, "%.17g", part->double_value);
        break;
    case SOP_KEY_BOOL:
        (void)fputs(part->bool_value ? "true" : "false", out);
        break;
    case SOP_KEY_UUID:
        cli_print_json(out, (sop_slice){part->uuid, 16});
        break;
    case SOP_KEY_DECIMAL:
        if (sop_key_part_bytes(part, buffer, sizeof buffer, &bytes) == SOP_OK) {
            (void)fwrite(bytes.data, 1, bytes.size, out);
        }
        break;
    case SOP_KEY_BYTES:
    case SOP_KEY_STRING:
    default:
        if (sop_key_part_bytes(part, buffer, sizeof buffer, &bytes) == SOP_OK) {
            cli_print_json(out, bytes);
        }
        break;
    }
}

void cli_key_print(FILE *out, int keys, sop_slice key, int json)
{
    if (keys == CLI_KEYS_TEXT) {
        if (json) {
            cli_print_json(out, key);
        } else {
            cli_print_text(out, key, CLI_SHOW_KEY);
        }
        return;
    }
    sop_key_reader reader;
    sop_key_part part;
    int first = 1;
    sop_key_read(&reader, key);
    (void)fputc('[', out);
    while (sop_key_next(&reader, &part) == SOP_OK) {
        if (!first) (void)fputc(',', out);
        first = 0;
        part_print(out, &part);
    }
    (void)fputc(']', out);
}

/* ---- ranges ---- */

void cli_range_free(cli_range *range)
{
    cli_slice_free(range->from);
    cli_slice_free(range->to);
}

int cli_range_parse(const cli_session *s, cli_range *range)
{
    const cli_args *args = s->args;
    const char *prefix = cli_value(args, "prefix");
    const char *from = cli_value(args, "from");
    const char *to = cli_value(args, "to");
    int keys = cli_keys_of(s->store);
    *range = (cli_range){0};
    if (prefix != NULL && (from != NULL || to != NULL)) {
        return cli_usage_error(args, "--prefix with --from or --to");
    }
    int code = CLI_OK;
    if (from != NULL) code = cli_key_parse(args, keys, from, &range->from);
    if (code == CLI_OK && to != NULL) code = cli_key_parse(args, keys, to, &range->to);
    if (code != CLI_OK || prefix == NULL || prefix[0] == '\0') return code;
    code = cli_key_parse(args, keys, prefix, &range->from);
    if (code != CLI_OK) return code;
    void *end = sop_alloc(range->from.size + 1);
    sop_slice end_key;
    if (end == NULL ||
        sop_key_prefix_end(range->from, end, range->from.size + 1, &end_key) != SOP_OK) {
        sop_free(end);
        return cli_error(args, "out of memory");
    }
    if (end_key.size == 0) {
        sop_free(end);
    } else {
        range->to = (sop_slice){end, end_key.size};
    }
    return CLI_OK;
}
