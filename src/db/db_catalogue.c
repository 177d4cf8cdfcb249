/* SPDX-License-Identifier: MIT */
/* The catalogue: stores by name and id, kept as ordinary rows of store 0. */
#include <stdio.h>
#include <string.h>

#include "db/db_internal.h"
#include "util/bytes.h"
#include "util/error.h"
#include "util/memory.h"

enum { NAME_KEY_MAX = 1 + SOP_STORE_NAME_SIZE_MAX };

/* ---- names ---- */

/* The size of the UTF-8 sequence at p, 0 if it is not valid (RFC 3629). */
static size_t utf8_size(const uint8_t *p, size_t left)
{
    if (p[0] < 0x80) return 1;
    size_t size = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    if (p[0] < 0xc2 || p[0] > 0xf4 || size > left) return 0;
    for (size_t i = 1; i < size; i++) {
        if ((p[i] & 0xc0) != 0x80) return 0;
    }
    if (p[0] == 0xe0 && p[1] < 0xa0) return 0;
    if (p[0] == 0xed && p[1] > 0x9f) return 0;
    if (p[0] == 0xf0 && p[1] < 0x90) return 0;
    if (p[0] == 0xf4 && p[1] > 0x8f) return 0;
    return size;
}

sop_status sop_catalogue__name_check(sop_error *err, const char *name)
{
    if (name == NULL) return sop_fail(err, SOP_INVALID, "store name is NULL");
    size_t size = strlen(name);
    if (size == 0 || size > SOP_STORE_NAME_SIZE_MAX) {
        return sop_fail(err, SOP_INVALID, "store name has %zu bytes, must be 1 to %d", size,
                        SOP_STORE_NAME_SIZE_MAX);
    }
    for (size_t i = 0; i < size;) {
        uint8_t byte = (uint8_t)name[i];
        size_t step = utf8_size((const uint8_t *)name + i, size - i);
        int control = byte < 0x20 || byte == 0x7f || (byte == 0xc2 && (uint8_t)name[i + 1] < 0xa0);
        if (step == 0 || control) {
            return sop_fail(err, SOP_INVALID,
                            "store name: byte %zu (0x%02x) is not printable UTF-8", i, byte);
        }
        i += step;
    }
    return SOP_OK;
}

/* Names that begin with "sop:" belong to tools, which say so with the option `system`. */
static sop_status reserved_check(sop_error *err, const char *name, const sop_store_options *options)
{
    int reserved = strncmp(name, "sop:", 4) == 0;
    int has_field = options != NULL &&
                    options->struct_size >= offsetof(sop_store_options, system) + sizeof(int);
    int system = has_field && options->system;
    if (reserved == system) return SOP_OK;
    return sop_fail(err, SOP_INVALID,
                    reserved ? "store name \"%.200s\": names that begin with sop: are reserved"
                             : "store name \"%.200s\": a system store's name begins with sop:",
                    name);
}

static size_t name_key(const char *name, uint8_t out[NAME_KEY_MAX])
{
    sop_slice text = sop_str(name);
    out[0] = SOP_CATALOGUE_NAME;
    memcpy(out + 1, text.data, text.size);
    return text.size + 1;
}

/* ---- rows ---- */

sop_status sop_catalogue__get(sop_txn *txn, sop_slice key, sop_slice *out)
{
    sop_core *core = &txn->core;
    sop_view view;
    sop_status status = sop_core_view(core, SOP_CATALOGUE_STORE, &txn->catalogue_cache, &view);
    if (status != SOP_OK) return status;
    const sop_memtree *own = sop_core_writes(core, SOP_CATALOGUE_STORE);
    if (own == NULL || sop_memtree_get(own, key) == NULL) {
        status = sop_core_read_key(core, SOP_CATALOGUE_STORE, key);
        if (status != SOP_OK) return status;
    }
    sop_view_value value;
    status = sop_view_get(&view, key, &value, &core->error);
    if (status != SOP_OK) return status;
    sop_value_source source = {sop_engine_blobs(core->engine), sop_core_segments(core)};
    return sop_catalogue_row_bytes(source, value.bytes, value.is_reference, out, &core->error);
}

static sop_status row_get(sop_txn *txn, uint64_t id, sop_catalogue_row *out)
{
    uint8_t key[SOP_CATALOGUE_ROW_KEY_SIZE];
    sop_catalogue_row_key(id, key);
    sop_slice bytes = {0};
    sop_status status = sop_catalogue__get(txn, sop_slice_of(key, sizeof key), &bytes);
    if (status != SOP_OK) return status;
    return sop_catalogue_row_decode(id, bytes, out, &txn->core.error);
}

/* The id behind a name. */
static sop_status name_get(sop_txn *txn, const char *name, uint64_t *id_out)
{
    uint8_t key[NAME_KEY_MAX];
    size_t size = name_key(name, key);
    sop_slice bytes = {0};
    sop_status status = sop_catalogue__get(txn, sop_slice_of(key, size), &bytes);
    if (status == SOP_NOT_FOUND) {
        return sop_fail(&txn->core.error, SOP_NOT_FOUND, "there is no store \"%.200s\"", name);
    }
    if (status != SOP_OK) return status;
    if (bytes.size != 8) {
        return sop_fail(&txn->core.error, SOP_CORRUPT, "catalogue: name row of %zu bytes",
                        bytes.size);
    }
    *id_out = sop_get_u64le(bytes.data);
    return SOP_OK;
}

static sop_status write_enter(sop_txn *txn)
{
    sop_status status = sop_core_enter(&txn->core);
    if (status != SOP_OK) return status;
    if (txn->core.mode != SOP_TXN_WRITE) {
        return sop_fail(&txn->core.error, SOP_READ_ONLY, "the transaction only reads");
    }
    return SOP_OK;
}

static sop_status
catalogue_write(sop_txn *txn, sop_slice key, sop_slice value, int present, int below)
{
    return sop_core_write(&txn->core, SOP_CATALOGUE_STORE, key, value,
                          present ? SOP_RECORD_PRESENT : 0u, below);
}

/* A row that would crowd a leaf: many attributes, or a load of very many segments. */
static sop_status large_row_write(sop_txn *txn, sop_slice key, sop_slice row, int below)
{
    sop_core *core = &txn->core;
    uint8_t reference[SOP_VALUE_REFERENCE_SIZE];
    if (row.size > SOP_CATALOGUE_ROW_MAX) {
        return sop_fail(&core->error, SOP_TOO_LARGE, "catalogue: a row of %zu bytes, at most %u",
                        row.size, SOP_CATALOGUE_ROW_MAX);
    }
    sop_status status = sop_value__make(core, row, reference);
    if (status != SOP_OK) return status;
    core->has_references = 1;
    return sop_core_write(core, SOP_CATALOGUE_STORE, key, sop_slice_of(reference, sizeof reference),
                          SOP_RECORD_PRESENT | SOP_RECORD_REFERENCE, below);
}

static sop_status row_write(sop_txn *txn, const sop_catalogue_row *row, int below)
{
    uint8_t key[SOP_CATALOGUE_ROW_KEY_SIZE];
    uint8_t *bytes;
    size_t size;
    sop_catalogue_row_key(row->id, key);
    sop_status status = sop_catalogue_row_encode(row, &bytes, &size, &txn->core.error);
    if (status == SOP_OK && size > SOP_CATALOGUE_ROW_INLINE_MAX) {
        status =
            large_row_write(txn, sop_slice_of(key, sizeof key), sop_slice_of(bytes, size), below);
    } else if (status == SOP_OK) {
        status = catalogue_write(txn, sop_slice_of(key, sizeof key), sop_slice_of(bytes, size), 1,
                                 below);
    }
    sop_free(bytes);
    return status;
}

static sop_status name_write(sop_txn *txn, const char *name, uint64_t id, int present)
{
    uint8_t key[NAME_KEY_MAX];
    uint8_t value[8];
    size_t size = name_key(name, key);
    sop_put_u64le(value, id);
    return catalogue_write(txn, sop_slice_of(key, size), sop_slice_of(value, sizeof value), present,
                           present ? SOP_BELOW_ABSENT : SOP_BELOW_PRESENT);
}

/* A change of the catalogue is several writes; after the first there is no way back but to end the transaction. */
static sop_status written(sop_txn *txn, uint64_t version_before, sop_status status)
{
    int half_done = status != SOP_OK && txn->core.write_version != version_before;
    if (half_done) sop_core_spoil(&txn->core, status);
    return status;
}

static sop_status id_next(sop_txn *txn, uint64_t *id_out)
{
    uint8_t key[1] = {SOP_CATALOGUE_NEXT_ID};
    uint8_t value[8];
    sop_slice bytes = {0};
    sop_status status = sop_catalogue__get(txn, sop_slice_of(key, 1), &bytes);
    if (status != SOP_OK && status != SOP_NOT_FOUND) return status;
    int below = status == SOP_OK ? SOP_BELOW_PRESENT : SOP_BELOW_ABSENT;
    *id_out = status == SOP_OK && bytes.size == 8 ? sop_get_u64le(bytes.data) : 1;
    sop_put_u64le(value, *id_out + 1);
    return catalogue_write(txn, sop_slice_of(key, 1), sop_slice_of(value, 8), 1, below);
}

static sop_status attributes_check(sop_slice attributes, sop_error *err)
{
    if (attributes.size > SOP_ATTRIBUTES_SIZE_MAX) {
        return sop_fail(err, SOP_TOO_LARGE, "attributes of %zu bytes, at most %d", attributes.size,
                        SOP_ATTRIBUTES_SIZE_MAX);
    }
    if (attributes.data == NULL && attributes.size != 0) {
        return sop_fail(err, SOP_INVALID, "attributes: NULL but %zu bytes", attributes.size);
    }
    return SOP_OK;
}

sop_status sop_catalogue__options_check(const sop_store_options *options,
                                        sop_catalogue_row *row_out,
                                        sop_error *err)
{
    sop_store_options full = SOP_STORE_OPTIONS_INIT;
    if (options != NULL) {
        if (options->struct_size == 0) {
            return sop_fail(err, SOP_INVALID, "store options: struct_size is 0");
        }
        memcpy(&full, options,
               options->struct_size < sizeof full ? options->struct_size : sizeof full);
    }
    if (full.inline_value_max == 0) full.inline_value_max = SOP_INLINE_VALUE_MAX_DEFAULT;
    if (full.inline_value_max > SOP_INLINE_VALUE_MAX_LIMIT) {
        return sop_fail(err, SOP_INVALID, "inline_value_max is %u, at most %d",
                        full.inline_value_max, SOP_INLINE_VALUE_MAX_LIMIT);
    }
    sop_status status = attributes_check(full.attributes, err);
    if (status != SOP_OK) return status;
    if ((unsigned)full.kind > SOP_STORE_INDEX) {
        return sop_fail(err, SOP_INVALID, "store kind %d", full.kind);
    }
    *row_out = (sop_catalogue_row){.kind = (uint8_t)full.kind,
                                   .inline_value_max = full.inline_value_max,
                                   .features = full.allow_duplicates ? SOP_FEATURE_DUPLICATES : 0u,
                                   .attributes = full.attributes};
    return SOP_OK;
}

sop_status
sop_catalogue__create(sop_txn *txn, const char *name, sop_catalogue_row *row, uint64_t *id_out)
{
    sop_error *err = &txn->core.error;
    uint64_t id = 0;
    sop_status status = sop_catalogue__name_check(err, name);
    if (status != SOP_OK) return status;
    status = name_get(txn, name, &id);
    if (status == SOP_OK) {
        return sop_fail(err, SOP_EXISTS, "there is a store \"%.200s\" already", name);
    }
    if (status != SOP_NOT_FOUND) return status;
    uint64_t before = txn->core.write_version;
    status = id_next(txn, &id);
    row->id = id;
    row->name = sop_str(name);
    if (status == SOP_OK) status = row_write(txn, row, SOP_BELOW_ABSENT);
    if (status == SOP_OK) status = name_write(txn, name, id, 1);
    *id_out = id;
    return written(txn, before, status);
}

/* ---- handles ---- */

static sop_status spec_copy(sop_store *store, sop_slice spec)
{
    if (sop_slice_equal(spec, sop_slice_of(store->spec, store->spec_size))) return SOP_OK;
    uint8_t *copy = sop_alloc(spec.size + 1);
    if (copy == NULL) {
        return sop_fail(&store->txn->core.error, SOP_NO_MEMORY, "store: out of memory");
    }
    if (spec.size != 0) memcpy(copy, spec.data, spec.size);
    sop_free(store->spec);
    store->spec = copy;
    store->spec_size = spec.size;
    store->spec_version++;
    return SOP_OK;
}

sop_status sop_store__row_set(sop_store *store, const sop_catalogue_row *row)
{
    if (row->attributes.size > store->attributes_size || store->attributes == NULL) {
        uint8_t *copy = sop_realloc(store->attributes, row->attributes.size + 1);
        if (copy == NULL) {
            return sop_fail(&store->txn->core.error, SOP_NO_MEMORY, "store: out of memory");
        }
        store->attributes = copy;
    }
    if (row->attributes.size != 0) {
        memcpy(store->attributes, row->attributes.data, row->attributes.size);
    }
    store->attributes_size = row->attributes.size;
    sop_status status = spec_copy(store, row->spec);
    if (status != SOP_OK) return status;
    memcpy(store->name, row->name.data, row->name.size);
    store->name[row->name.size] = '\0';
    store->kind = row->kind;
    store->duplicates = (row->features & SOP_FEATURE_DUPLICATES) != 0;
    store->read_only = (row->features & ~SOP_FEATURES_KNOWN) != 0;
    store->inline_value_max = row->inline_value_max;
    return SOP_OK;
}

sop_status sop_store_open_id(sop_txn *txn, uint64_t id, sop_store **store_out)
{
    if (txn == NULL || store_out == NULL) return SOP_INVALID;
    *store_out = NULL;
    sop_status status = sop_core_enter(&txn->core);
    sop_catalogue_row row;
    if (status == SOP_OK) status = row_get(txn, id, &row);
    if (status == SOP_NOT_FOUND) {
        return sop_fail(&txn->core.error, SOP_NOT_FOUND, "there is no store with id %llu",
                        (unsigned long long)id);
    }
    return status == SOP_OK ? sop_store__handle(txn, &row, store_out) : status;
}

sop_status sop_store_open(sop_txn *txn, const char *name, sop_store **store_out)
{
    if (txn == NULL || store_out == NULL) return SOP_INVALID;
    *store_out = NULL;
    uint64_t id = 0;
    sop_status status = sop_core_enter(&txn->core);
    if (status == SOP_OK) status = sop_catalogue__name_check(&txn->core.error, name);
    if (status == SOP_OK) status = name_get(txn, name, &id);
    return status == SOP_OK ? sop_store_open_id(txn, id, store_out) : status;
}

sop_status sop_db_store_create(sop_txn *txn,
                               const char *name,
                               const sop_store_options *options,
                               sop_slice spec,
                               sop_store **store_out)
{
    *store_out = NULL;
    sop_catalogue_row row;
    uint64_t id = 0;
    sop_status status = write_enter(txn);
    if (status == SOP_OK) status = sop_catalogue__name_check(&txn->core.error, name);
    if (status == SOP_OK) status = reserved_check(&txn->core.error, name, options);
    if (status == SOP_OK) status = sop_catalogue__options_check(options, &row, &txn->core.error);
    row.spec = spec;
    uint64_t before = txn->core.write_version;
    if (status == SOP_OK) status = sop_catalogue__create(txn, name, &row, &id);
    if (status == SOP_OK) status = sop_store_open_id(txn, id, store_out);
    return written(txn, before, status);
}

sop_status sop_store_create(sop_txn *txn,
                            const char *name,
                            const sop_store_options *options,
                            sop_store **store_out)
{
    if (txn == NULL || store_out == NULL) return SOP_INVALID;
    *store_out = NULL;
    if (options != NULL &&
        options->struct_size >= offsetof(sop_store_options, kind) + sizeof(int) &&
        options->kind != SOP_STORE_RAW) {
        return sop_fail(&txn->core.error, SOP_INVALID,
                        "store kind %d: document stores are made by sop_documents_create",
                        options->kind);
    }
    return sop_db_store_create(txn, name, options, (sop_slice){0}, store_out);
}

uint64_t sop_store_id(const sop_store *store)
{
    return store == NULL ? 0 : store->id;
}

/* A copy of a row that survives writes of the transaction; freed with the bytes. */
static sop_status row_copy(sop_txn *txn, uint64_t id, sop_catalogue_row *row, uint8_t **bytes_out)
{
    *bytes_out = NULL;
    sop_catalogue_row seen;
    sop_status status = row_get(txn, id, &seen);
    if (status != SOP_OK) return status;
    size_t size;
    status = sop_catalogue_row_encode(&seen, bytes_out, &size, &txn->core.error);
    if (status != SOP_OK) return status;
    return sop_catalogue_row_decode(id, sop_slice_of(*bytes_out, size), row, &txn->core.error);
}

sop_status sop_store_rename(sop_txn *txn, const char *from, const char *to)
{
    if (txn == NULL) return SOP_INVALID;
    sop_error *err = &txn->core.error;
    uint64_t id = 0;
    uint64_t other;
    sop_status status = write_enter(txn);
    if (status == SOP_OK) status = sop_catalogue__name_check(err, from);
    if (status == SOP_OK) status = sop_catalogue__name_check(err, to);
    if (status == SOP_OK) status = name_get(txn, from, &id);
    if (status != SOP_OK) return status;
    if (strncmp(to, "sop:", 4) == 0) {
        return sop_fail(err, SOP_INVALID,
                        "store name \"%.200s\": names that begin with sop: are reserved", to);
    }
    if (strcmp(from, to) == 0) return SOP_OK;
    status = name_get(txn, to, &other);
    if (status == SOP_OK) {
        return sop_fail(err, SOP_EXISTS, "there is a store \"%.200s\" already", to);
    }
    if (status != SOP_NOT_FOUND) return status;
    sop_catalogue_row row;
    uint8_t *bytes;
    uint64_t before = txn->core.write_version;
    status = row_copy(txn, id, &row, &bytes);
    row.name = sop_str(to);
    if (status == SOP_OK && row.kind == SOP_STORE_INDEX) {
        status =
            sop_fail(err, SOP_INVALID, "store \"%.200s\" is an index and keeps its name", from);
    }
    if (status == SOP_OK) status = row_write(txn, &row, SOP_BELOW_PRESENT);
    if (status == SOP_OK) status = name_write(txn, from, id, 0);
    if (status == SOP_OK) status = name_write(txn, to, id, 1);
    sop_free(bytes);
    return written(txn, before, status);
}

/* The first name with a prefix. SOP_NOT_FOUND: none. */
static sop_status name_with_prefix(sop_txn *txn, const char *prefix, char *name_out)
{
    sop_core *core = &txn->core;
    uint8_t key[NAME_KEY_MAX];
    size_t size = name_key(prefix, key);
    sop_view view;
    sop_status status = sop_core_view(core, SOP_CATALOGUE_STORE, &txn->catalogue_cache, &view);
    if (status != SOP_OK) return status;
    sop_view_cursor *cursor = sop_view_cursor_new(&view);
    if (cursor == NULL) return sop_fail(&core->error, SOP_NO_MEMORY, "drop: out of memory");
    status = sop_view_cursor_seek_ge(cursor, sop_slice_of(key, size), &core->error);
    if (status == SOP_OK) {
        sop_slice found = sop_view_cursor_key(cursor);
        status = SOP_NOT_FOUND;
        if (found.size >= size && found.size <= NAME_KEY_MAX &&
            memcmp(found.data, key, size) == 0) {
            memcpy(name_out, (const uint8_t *)found.data + 1, found.size - 1);
            name_out[found.size - 1] = '\0';
            status = SOP_OK;
        }
    }
    sop_view_cursor_free(cursor);
    return status;
}

static sop_status drop_one(sop_txn *txn, const char *name, uint64_t id)
{
    uint8_t key[SOP_CATALOGUE_ROW_KEY_SIZE];
    sop_catalogue_row_key(id, key);
    sop_status status =
        catalogue_write(txn, sop_slice_of(key, sizeof key), (sop_slice){0}, 0, SOP_BELOW_PRESENT);
    return status == SOP_OK ? name_write(txn, name, id, 0) : status;
}

/* The indexes of a document store go with it. Making one changes the row of the store, which the caller has read. */
static sop_status drop_indexes(sop_txn *txn, uint64_t id)
{
    char prefix[64];
    char name[SOP_STORE_NAME_SIZE_MAX + 1];
    (void)snprintf(prefix, sizeof prefix, SOP_INDEX_NAME_FORMAT, (unsigned long long)id, "");
    sop_status status;
    while ((status = name_with_prefix(txn, prefix, name)) == SOP_OK) {
        uint64_t index = 0;
        status = name_get(txn, name, &index);
        if (status == SOP_OK) status = drop_one(txn, name, index);
        if (status != SOP_OK) return status;
    }
    return status == SOP_NOT_FOUND ? SOP_OK : status;
}

static sop_status drop(sop_txn *txn, const char *name, int is_index)
{
    uint64_t id = 0;
    sop_catalogue_row row;
    sop_error *err = &txn->core.error;
    sop_status status = write_enter(txn);
    if (status == SOP_OK) status = sop_catalogue__name_check(err, name);
    if (status == SOP_OK) status = name_get(txn, name, &id);
    if (status == SOP_OK) status = row_get(txn, id, &row);
    if (status != SOP_OK) return status;
    if ((row.kind == SOP_STORE_INDEX) != is_index) {
        return sop_fail(err, SOP_INVALID, "store \"%.200s\" is an index: see sop_index_drop", name);
    }
    int has_indexes = row.kind == SOP_STORE_DOCUMENTS;
    uint64_t before = txn->core.write_version;
    status = drop_one(txn, name, id);
    if (status == SOP_OK && has_indexes) status = drop_indexes(txn, id);
    return written(txn, before, status);
}

sop_status sop_store_drop(sop_txn *txn, const char *name)
{
    return txn == NULL ? SOP_INVALID : drop(txn, name, 0);
}

sop_status sop_db_index_drop(sop_txn *txn, const char *name)
{
    return drop(txn, name, 1);
}

sop_status sop_store_attributes_set(sop_store *store, sop_slice attributes)
{
    if (store == NULL) return SOP_INVALID;
    sop_txn *txn = store->txn;
    sop_status status = write_enter(txn);
    if (status == SOP_OK) status = sop_store__enter(store);
    if (status != SOP_OK) return status;
    status = attributes_check(attributes, &txn->core.error);
    if (status != SOP_OK) return status;
    sop_catalogue_row row;
    uint8_t *bytes;
    uint64_t before = txn->core.write_version;
    status = row_copy(txn, store->id, &row, &bytes);
    row.attributes = attributes;
    if (status == SOP_OK) status = row_write(txn, &row, SOP_BELOW_PRESENT);
    if (status == SOP_OK) status = sop_store__row_set(store, &row);
    sop_free(bytes);
    return written(txn, before, status);
}

sop_status sop_catalogue__spec_set(sop_store *store, sop_slice spec)
{
    sop_txn *txn = store->txn;
    sop_status status = write_enter(txn);
    if (status == SOP_OK) status = sop_store__enter(store);
    if (status != SOP_OK) return status;
    sop_catalogue_row row;
    uint8_t *bytes;
    uint64_t before = txn->core.write_version;
    status = row_copy(txn, store->id, &row, &bytes);
    row.spec = spec;
    if (status == SOP_OK) status = row_write(txn, &row, SOP_BELOW_PRESENT);
    if (status == SOP_OK) status = sop_store__row_set(store, &row);
    sop_free(bytes);
    return written(txn, before, status);
}

/* ---- looking ---- */

static sop_status
info_fill(sop_txn *txn, const sop_catalogue_row *row, const char *name, sop_store_info *out)
{
    sop_view view;
    sop_status status = sop_core_resolve(&txn->core, row->id);
    if (status == SOP_OK) status = sop_core_view(&txn->core, row->id, NULL, &view);
    if (status != SOP_OK) return status;
    *out = (sop_store_info)SOP_STORE_INFO_INIT;
    out->id = row->id;
    out->name = name;
    out->kind = row->kind;
    out->allow_duplicates = (row->features & SOP_FEATURE_DUPLICATES) != 0;
    out->inline_value_max = row->inline_value_max;
    out->attributes = row->attributes;
    out->bytes = view.base.bytes;
    out->depth = view.base.height;
    return sop_view_count(&view, &out->count, &txn->core.error);
}

sop_status sop_store_info_get(sop_store *store, sop_store_info *info_out)
{
    if (store == NULL || info_out == NULL || info_out->struct_size == 0) return SOP_INVALID;
    sop_txn *txn = store->txn;
    sop_status status = sop_store__enter(store);
    if (status == SOP_OK) {
        status = sop_core_read_range(&txn->core, store->id, (sop_slice){"", 0}, (sop_slice){0}, 1);
    }
    if (status != SOP_OK) return status;
    sop_catalogue_row row = {.id = store->id,
                             .kind = store->kind,
                             .features = store->duplicates ? SOP_FEATURE_DUPLICATES : 0u,
                             .inline_value_max = store->inline_value_max,
                             .attributes = {store->attributes, store->attributes_size}};
    sop_store_info info;
    status = info_fill(txn, &row, store->name, &info);
    if (status == SOP_OK) sop_struct__out(info_out, &info, sizeof info);
    return status;
}

static sop_status
list_one(sop_txn *txn, sop_slice name_row, uint64_t id, sop_store_info_fn fn, void *context)
{
    char name[SOP_STORE_NAME_SIZE_MAX + 1];
    if (name_row.size < 2 || name_row.size > NAME_KEY_MAX) {
        return sop_fail(&txn->core.error, SOP_CORRUPT, "catalogue: name key of %zu bytes",
                        name_row.size);
    }
    memcpy(name, (const uint8_t *)name_row.data + 1, name_row.size - 1);
    name[name_row.size - 1] = '\0';
    sop_catalogue_row row;
    sop_status status = row_get(txn, id, &row);
    if (status == SOP_NOT_FOUND) {
        return sop_fail(&txn->core.error, SOP_CORRUPT,
                        "catalogue: store \"%.200s\" has a name but no row", name);
    }
    sop_store_info info;
    if (status == SOP_OK) status = info_fill(txn, &row, name, &info);
    return status == SOP_OK ? fn(&info, context) : status;
}

sop_status sop_store_list(sop_txn *txn, sop_store_info_fn fn, void *context)
{
    if (txn == NULL || fn == NULL) return SOP_INVALID;
    sop_core *core = &txn->core;
    uint8_t from = SOP_CATALOGUE_NAME;
    sop_view view;
    sop_status status = sop_core_enter(core);
    if (status == SOP_OK) {
        status =
            sop_core_read_range(core, SOP_CATALOGUE_STORE, (sop_slice){"", 0}, (sop_slice){0}, 0);
    }
    if (status == SOP_OK) {
        status = sop_core_view(core, SOP_CATALOGUE_STORE, &txn->catalogue_cache, &view);
    }
    if (status != SOP_OK) return status;
    sop_view_cursor *cursor = sop_view_cursor_new(&view);
    if (cursor == NULL) return sop_fail(&core->error, SOP_NO_MEMORY, "list: out of memory");
    status = sop_view_cursor_seek_ge(cursor, sop_slice_of(&from, 1), &core->error);
    while (status == SOP_OK) {
        sop_slice key = sop_view_cursor_key(cursor);
        sop_view_value value = sop_view_cursor_value(cursor);
        if (value.bytes.size != 8) {
            status = sop_fail(&core->error, SOP_CORRUPT, "catalogue: name row of %zu bytes",
                              value.bytes.size);
            break;
        }
        status = list_one(txn, key, sop_get_u64le(value.bytes.data), fn, context);
        if (status == SOP_OK) {
            status = sop_view_cursor_next(cursor, &core->error);
        } else {
            goto out;
        }
    }
    if (status == SOP_NOT_FOUND) status = SOP_OK;
out:
    sop_view_cursor_free(cursor);
    return status;
}

/* Names are one of three kinds of keys, each with its own first byte. */
sop_status sop_catalogue__count(sop_txn *txn, uint64_t *count_out)
{
    uint8_t from = SOP_CATALOGUE_NAME;
    sop_view view;
    sop_status status =
        sop_core_view(&txn->core, SOP_CATALOGUE_STORE, &txn->catalogue_cache, &view);
    if (status != SOP_OK) return status;
    return sop_view_count_range(&view, sop_slice_of(&from, 1), (sop_slice){0}, count_out,
                                &txn->core.error);
}
