/* SPDX-License-Identifier: MIT */
/* Private: a table of byte locks for backends that have no kernel to ask. */
#ifndef SOP_BACKEND_BACKEND_LOCKS_H
#define SOP_BACKEND_BACKEND_LOCKS_H

#include <stddef.h>
#include <stdint.h>

#include "sop/types.h"

#include "backend/backend.h"

typedef struct {
    uint64_t byte;
    const sop_backend *owner;
    int exclusive;
} lock_row;

/* All zero is a valid empty table. The user guards it. */
typedef struct {
    lock_row *rows;
    size_t count;
    size_t capacity;
} lock_table;

/* Takes the byte, or changes the caller's lock on it to the wanted kind. SOP_BUSY, SOP_NO_MEMORY.
 */
sop_status
sop_backend__locks_try(lock_table *table, const sop_backend *owner, uint64_t byte, int exclusive);
void sop_backend__locks_drop(lock_table *table, const sop_backend *owner, uint64_t byte);
void sop_backend__locks_drop_all(lock_table *table, const sop_backend *owner);
/* 1 if somebody but the owner holds the byte. */
int sop_backend__locks_held(const lock_table *table, const sop_backend *owner, uint64_t byte);
void sop_backend__locks_deinit(lock_table *table);

#endif
