/* SPDX-License-Identifier: MIT */
/*
 * Writes a value of 20 MiB in pieces, appends to it, and reads a part from its middle; memory stays small.
 * Usage: stream [URL]
 */
#include <inttypes.h>
#include <sop/sop.h>
#include <stdio.h>
#include <string.h>

enum { PIECE = 64 * 1024, PIECES = 320 };

static sop_status write_pieces(sop_value_writer *writer, int first, int count)
{
    static unsigned char piece[PIECE];
    sop_status status = SOP_OK;
    for (int i = first; status == SOP_OK && i < first + count; i++) {
        memset(piece, i & 0xff, sizeof(piece));
        status = sop_value_write(writer, piece, sizeof(piece));
    }
    if (status == SOP_OK) return sop_value_write_finish(writer);
    sop_value_write_abort(writer);
    return status;
}

static sop_status record(sop_txn *txn, void *context)
{
    (void)context;
    sop_store *store = NULL;
    sop_value_writer *writer = NULL;
    sop_status status = sop_store_create(txn, "films", NULL, &store);
    if (status == SOP_OK) status = sop_value_write_open(store, sop_str("sunrise"), &writer);
    if (status == SOP_OK) status = write_pieces(writer, 0, PIECES);
    return status;
}

static sop_status extend(sop_txn *txn, void *context)
{
    (void)context;
    sop_store *store = NULL;
    sop_value_writer *writer = NULL;
    sop_status status = sop_store_open(txn, "films", &store);
    if (status == SOP_OK) status = sop_value_append_open(store, sop_str("sunrise"), &writer);
    if (status == SOP_OK) status = write_pieces(writer, PIECES, 10);
    return status;
}

static sop_status play(sop_txn *txn, void *context)
{
    (void)context;
    unsigned char buffer[1000];
    sop_store *store = NULL;
    uint64_t size = 0;
    size_t got = 0;
    uint64_t middle =
        (uint64_t)PIECE * 100 - 500; /* the end of one piece and the start of the next */
    sop_status status = sop_store_open(txn, "films", &store);
    if (status == SOP_OK) status = sop_value_size(store, sop_str("sunrise"), &size);
    if (status == SOP_OK) {
        status = sop_value_read(store, sop_str("sunrise"), middle, buffer, sizeof(buffer), &got);
    }
    if (status != SOP_OK) return status;
    printf("%" PRIu64 " bytes; at %" PRIu64 ": %d, then %d\n", size, middle, buffer[0],
           buffer[999]);
    if (size != (uint64_t)PIECE * (PIECES + 10) || got != sizeof(buffer)) return SOP_CORRUPT;
    return buffer[499] == 99 && buffer[500] == 100 ? SOP_OK : SOP_CORRUPT;
}

int main(int argc, char **argv)
{
    sop_db *db = NULL;
    sop_error error = {SOP_OK, ""};
    sop_status status = sop_db_open(argc > 1 ? argv[1] : "memory:", NULL, &db, &error);
    if (status == SOP_OK) status = sop_txn_run(db, NULL, record, NULL, &error);
    if (status == SOP_OK) status = sop_txn_run(db, NULL, extend, NULL, &error);
    if (status == SOP_OK) status = sop_txn_run(db, NULL, play, NULL, &error);
    sop_status closed = sop_db_close(db, status == SOP_OK ? &error : NULL);
    if (status == SOP_OK) status = closed;
    if (status != SOP_OK) fprintf(stderr, "%s: %s\n", sop_status_name(status), error.message);
    return status != SOP_OK;
}
