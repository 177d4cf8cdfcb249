/* SPDX-License-Identifier: MIT */
/* File headers, and the names of log files and heads: bytes and text, no I/O. */
#include <stdio.h>
#include <string.h>

#include "util/bytes.h"
#include "util/checksum.h"
#include "wal/wal.h"
#include "wal/wal_format.h"

/* Offsets in the file header. */
enum {
    AT_MAGIC = 0,
    AT_VERSION = 8,
    AT_KIND = 10,
    AT_FILE = 16,
    AT_RUN = 24,
    AT_SIZE = 32,
    AT_DURABLE_SEQ = 40,
    AT_BOOT_ID = 48,
    AT_DATABASE_ID = 64,
    AT_INCARNATION = 80,
    AT_CONTINUED = 96,
    AT_CHECKSUM = 4080
};
_Static_assert(AT_CONTINUED + SOP_WAL_PLACE_SIZE <= AT_CHECKSUM, "the header fits its block");
_Static_assert(AT_CHECKSUM + 16 == SOP_WAL_FILE_HEADER, "the checksum ends the block");

static const uint8_t MAGIC[8] = {'S', 'O', 'P', ' ', 'L', 'O', 'G', '\n'};
#define VERSION 1u

void sop_wal__header_encode(const sop_wal__file_header *header, uint8_t out[SOP_WAL_FILE_HEADER])
{
    memset(out, 0, SOP_WAL_FILE_HEADER);
    memcpy(out + AT_MAGIC, MAGIC, sizeof MAGIC);
    sop_put_u16le(out + AT_VERSION, VERSION);
    sop_put_u16le(out + AT_KIND, header->kind);
    sop_put_u64le(out + AT_FILE, header->file);
    sop_put_u64le(out + AT_RUN, header->run);
    sop_put_u64le(out + AT_SIZE, header->size);
    sop_put_u64le(out + AT_DURABLE_SEQ, header->durable_seq);
    memcpy(out + AT_BOOT_ID, header->boot_id, 16);
    memcpy(out + AT_DATABASE_ID, header->database_id, 16);
    memcpy(out + AT_INCARNATION, header->incarnation, 16);
    sop_wal_place_encode(&header->continued, out + AT_CONTINUED);
    sop_hash128 sum = sop_checksum128(out, AT_CHECKSUM, 0);
    sop_put_u64le(out + AT_CHECKSUM, sum.low);
    sop_put_u64le(out + AT_CHECKSUM + 8, sum.high);
}

static int all_zero(const uint8_t *bytes, size_t size)
{
    return bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0;
}

int sop_wal__header_decode(const uint8_t in[SOP_WAL_FILE_HEADER], sop_wal__file_header *out)
{
    if (all_zero(in, SOP_WAL_FILE_HEADER)) return SOP_WAL__HEADER_ZERO;
    sop_hash128 sum = sop_checksum128(in, AT_CHECKSUM, 0);
    if (sop_get_u64le(in + AT_CHECKSUM) != sum.low ||
        sop_get_u64le(in + AT_CHECKSUM + 8) != sum.high) {
        return SOP_WAL__HEADER_BAD;
    }
    if (memcmp(in + AT_MAGIC, MAGIC, sizeof MAGIC) != 0) return SOP_WAL__HEADER_BAD;
    if (sop_get_u16le(in + AT_VERSION) != VERSION) return SOP_WAL__HEADER_BAD;
    out->kind = sop_get_u16le(in + AT_KIND);
    out->file = sop_get_u64le(in + AT_FILE);
    out->run = sop_get_u64le(in + AT_RUN);
    out->size = sop_get_u64le(in + AT_SIZE);
    out->durable_seq = sop_get_u64le(in + AT_DURABLE_SEQ);
    memcpy(out->boot_id, in + AT_BOOT_ID, 16);
    memcpy(out->database_id, in + AT_DATABASE_ID, 16);
    memcpy(out->incarnation, in + AT_INCARNATION, 16);
    sop_wal_place_decode(in + AT_CONTINUED, &out->continued);
    return SOP_WAL__HEADER_VALID;
}

/* Exactly `digits` lower-case hexadecimal digits. NULL: something else. */
static const char *parse_hex(const char *text, unsigned digits, uint64_t *out)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < digits; i++) {
        char c = text[i];
        unsigned digit = 0;
        if (c >= '0' && c <= '9') {
            digit = (unsigned)(c - '0');
        } else if (c >= 'a' && c <= 'f') {
            digit = (unsigned)(c - 'a') + 10;
        } else {
            return NULL;
        }
        value = value << 4 | digit;
    }
    *out = value;
    return text + digits;
}

/* The character, then digits. */
static const char *parse_part(const char *text, char before, unsigned digits, uint64_t *out)
{
    if (text == NULL || *text != before) return NULL;
    return parse_hex(text + 1, digits, out);
}

void sop_wal__name_format(uint64_t file, char out[SOP_WAL__NAME_SIZE])
{
    (void)snprintf(out, SOP_WAL__NAME_SIZE, "log/%010llx.%06llx", (unsigned long long)(file >> 24),
                   (unsigned long long)(file & 0xffffff));
}

int sop_wal__name_parse(const char *name, uint64_t *file_out)
{
    uint64_t incarnation = 0;
    uint64_t n = 0;
    const char *at = parse_part(parse_hex(name, 10, &incarnation), '.', 6, &n);
    if (at == NULL || *at != '\0') return 0;
    *file_out = incarnation << 24 | n;
    return 1;
}

void sop_wal__head_format(const sop_wal_place *place, char out[SOP_WAL__HEAD_NAME_MAX])
{
    (void)snprintf(out, SOP_WAL__HEAD_NAME_MAX, "L.%016llx.%016llx.%010llx.%08x.%016llx%016llx",
                   (unsigned long long)place->seq_last, (unsigned long long)place->file,
                   (unsigned long long)place->offset, (unsigned)place->length,
                   (unsigned long long)place->hash.high, (unsigned long long)place->hash.low);
}

int sop_wal__head_parse(const char *name, sop_wal_place *out)
{
    sop_wal_place place = {0};
    uint64_t length = 0;
    if (name[0] != 'L') return 0;
    const char *at = parse_part(name + 1, '.', 16, &place.seq_last);
    at = parse_part(at, '.', 16, &place.file);
    at = parse_part(at, '.', 10, &place.offset);
    at = parse_part(at, '.', 8, &length);
    at = parse_part(at, '.', 16, &place.hash.high);
    if (at == NULL) return 0;
    at = parse_hex(at, 16, &place.hash.low);
    if (at == NULL || *at != '\0') return 0;
    place.length = (uint32_t)length;
    *out = place;
    return 1;
}
