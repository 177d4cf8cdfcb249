/* SPDX-License-Identifier: MIT */
/* What a database must hold after a run with faults: a plain model, its values, and reading a database back into it. */
#ifndef SOP_TESTS_FAULT_MODEL_H
#define SOP_TESTS_FAULT_MODEL_H

#include <stddef.h>
#include <stdint.h>

#include "sop/sop.h"

enum {
    FAULT_STORES = 6,
    FAULT_KEYS = 40,
    FAULT_EQUALS = 3, /* items of one key in a store with duplicates */
    FAULT_KEY_SIZE = 32,
    FAULT_VALUE_MAX = 150000,
    FAULT_STREAM = 1 << 30, /* bit of a value number: written as a stream */
    FAULT_HALF = 1 << 29    /* likewise, its second part is still to be appended */
};

/* Plain words only, so that two models compare as bytes. */
typedef struct {
    uint32_t exists;
    uint32_t duplicates;
    uint32_t item[FAULT_KEYS][FAULT_EQUALS]; /* numbers of values; 0: none */
} fault_store;

typedef struct {
    fault_store stores[FAULT_STORES];
} fault_model;

int fault_model_equal(const fault_model *a, const fault_model *b);
/* The first difference, for people. */
void fault_model_explain(const fault_model *want, const fault_model *got, char *out, size_t size);

const char *fault_store_name(int store);
sop_slice fault_key(int key, char buffer[FAULT_KEY_SIZE]);
/* The value of a number: its size and bytes follow from the number alone. Valid until the next call. */
sop_slice fault_value(uint32_t number);

/* Reads all stores, forwards, backwards and by count. SOP_OK; the error of a call that failed (text in problem); SOP_CORRUPT with a
   text when something was read that nobody wrote. */
SOP_MUST_CHECK sop_status fault_observe(sop_db *db, fault_model *out, sop_error *problem);
/* The same for a transaction. */
SOP_MUST_CHECK sop_status fault_observe_txn(sop_txn *txn, fault_model *out, sop_error *problem);

#endif
