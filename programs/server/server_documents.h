/* SPDX-License-Identifier: MIT */
/* Document stores: making them, describing them, and writes that keep indexes and rules in step. */
#ifndef SERVER_SERVER_DOCUMENTS_H
#define SERVER_SERVER_DOCUMENTS_H

#include "server/server_private.h"

/* document: {"key":...,"rules":[...],"indexes":[...]} as sop/document.h wants them. */
SOP_MUST_CHECK sop_status server_documents_create(sop_txn *txn,
                                                  const char *name,
                                                  const sop_store_options *options,
                                                  const sop_json_value *document);
/* Appends the member "document": key, rules and indexes with their state. */
void server_documents_describe(sop_txn *txn, const char *name, sop_json_writer *out);
SOP_MUST_CHECK sop_status server_documents_put(sop_documents *documents,
                                               sop_slice key,
                                               sop_slice value,
                                               sop_arena *arena);
SOP_MUST_CHECK sop_status server_documents_remove(sop_documents *documents,
                                                  sop_slice key,
                                                  sop_arena *arena);

#endif
