/* SPDX-License-Identifier: MIT */
/* Fuzz target: the key reader on any bytes; what it takes, the builder makes again. */
#include <stdlib.h>
#include <string.h>

#include "sop/key.h"

#include "fuzz/fuzz.h"

static void
add_plain(sop_key_builder *builder, const sop_key_part *part, uint8_t *buffer, size_t capacity)
{
    sop_slice bytes;
    if (sop_key_part_bytes(part, buffer, capacity, &bytes) != SOP_OK) abort();
    if (part->type == SOP_KEY_DECIMAL) {
        sop_key_add_decimal(builder, bytes);
    } else if (part->type == SOP_KEY_BYTES) {
        sop_key_add_bytes(builder, bytes);
    } else {
        sop_key_add_string(builder, bytes);
    }
}

static void
add(sop_key_builder *builder, const sop_key_part *part, uint8_t *buffer, size_t capacity)
{
    if (part->descending) sop_key_descending(builder);
    switch (part->type) {
    case SOP_KEY_NULL:
        sop_key_add_null(builder);
        break;
    case SOP_KEY_BYTES:
    case SOP_KEY_STRING:
    case SOP_KEY_DECIMAL:
        add_plain(builder, part, buffer, capacity);
        break;
    case SOP_KEY_INT:
        sop_key_add_int(builder, part->int_value);
        break;
    case SOP_KEY_UINT:
        sop_key_add_uint(builder, part->uint_value);
        break;
    case SOP_KEY_DOUBLE:
        sop_key_add_double(builder, part->double_value);
        break;
    case SOP_KEY_BOOL:
        sop_key_add_bool(builder, part->bool_value);
        break;
    case SOP_KEY_UUID:
        sop_key_add_uuid(builder, part->uuid);
        break;
    default:
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    sop_slice key = {data, size};
    uint8_t *plain = malloc(4 * size + 32);
    uint8_t *again = malloc(size + 1);
    sop_key_reader reader;
    sop_key_builder builder;
    sop_key_part part;
    sop_slice rebuilt;
    if (plain == NULL || again == NULL) abort();
    sop_key_read(&reader, key);
    sop_key_begin(&builder, again, size);
    int exact = 1;
    while (sop_key_next(&reader, &part) == SOP_OK) {
        size_t capacity =
            part.type == SOP_KEY_DECIMAL ? 4 * part.encoded.size + 32 : part.encoded.size;
        add(&builder, &part, plain, capacity);
        /* A float is shorter than the double it is read as. */
        if (sop_key_end(&builder, &rebuilt, NULL) != SOP_OK ||
            rebuilt.size != (size_t)(reader.at - data)) {
            exact = 0;
            break;
        }
    }
    if (exact && sop_key_end(&builder, &rebuilt, NULL) == SOP_OK && rebuilt.size != 0) {
        if (memcmp(rebuilt.data, data, rebuilt.size) != 0) abort();
    }
    if (sop_key_prefix_end(key, plain, size, &rebuilt) != SOP_OK) abort();
    free(plain);
    free(again);
    return 0;
}
