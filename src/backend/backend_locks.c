/* SPDX-License-Identifier: MIT */
/* Byte locks in a small array: a database has one for the pen and one for each process. */
#include "backend/backend_locks.h"

#include "util/memory.h"

/* 1 if somebody else's lock is in the way; *own_out: the row of the owner's lock, else count. */
static int conflicts(const lock_table *table,
                     const sop_backend *owner,
                     uint64_t byte,
                     int exclusive,
                     size_t *own_out)
{
    *own_out = table->count;
    for (size_t i = 0; i < table->count; i++) {
        if (table->rows[i].byte != byte) continue;
        if (table->rows[i].owner == owner) {
            *own_out = i;
        } else if (exclusive || table->rows[i].exclusive) {
            return 1;
        }
    }
    return 0;
}

sop_status
sop_backend__locks_try(lock_table *table, const sop_backend *owner, uint64_t byte, int exclusive)
{
    size_t own = 0;
    if (conflicts(table, owner, byte, exclusive, &own)) return SOP_BUSY;
    if (own == table->capacity) {
        size_t capacity = table->capacity == 0 ? 8 : table->capacity * 2;
        lock_row *rows = sop_realloc(table->rows, capacity * sizeof *rows);
        if (rows == NULL) return SOP_NO_MEMORY;
        table->rows = rows;
        table->capacity = capacity;
    }
    table->rows[own] = (lock_row){byte, owner, exclusive};
    if (own == table->count) table->count++;
    return SOP_OK;
}

static void drop(lock_table *table, const sop_backend *owner, uint64_t byte, int all)
{
    size_t kept = 0;
    for (size_t i = 0; i < table->count; i++) {
        if (table->rows[i].owner == owner && (all || table->rows[i].byte == byte)) continue;
        table->rows[kept++] = table->rows[i];
    }
    table->count = kept;
}

void sop_backend__locks_drop(lock_table *table, const sop_backend *owner, uint64_t byte)
{
    drop(table, owner, byte, 0);
}

void sop_backend__locks_drop_all(lock_table *table, const sop_backend *owner)
{
    drop(table, owner, 0, 1);
}

int sop_backend__locks_held(const lock_table *table, const sop_backend *owner, uint64_t byte)
{
    size_t own = 0;
    return conflicts(table, owner, byte, 1, &own);
}

void sop_backend__locks_deinit(lock_table *table)
{
    sop_free(table->rows);
    *table = (lock_table){0};
}
