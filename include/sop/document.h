/* SPDX-License-Identifier: MIT */
/*
 * Documents: stores of JSON documents with typed keys, field rules, secondary indexes, and filters
 * over any field.
 *
 * A document store has a key specification: what its keys are made of. Either a bare scalar that
 * stands apart from the document, {"type":"int64"}, or fields of the document:
 *
 *     {"path":"name","type":"string"}
 *     [{"path":"section","type":"string"},{"path":"size.download","type":"int64","order":"desc"}]
 *
 * type is int64, uint64, double, decimal, bool, string, bytes (base64 in JSON), uuid, timestamp
 * (RFC 3339) or date; order is asc or desc; nulls is refused, first or last; nocase is true or
 * false. Paths are names with points ("a[0].b") or pointers of RFC 6901 ("/a/0/b"). Keys order by
 * type, not by text. A document is kept exactly as it was given, byte by byte.
 *
 * "Key JSON" is a key as people write it: one value, or an array of values when the specification
 * is a list. "Key bytes" are the key in the store, as sop/store.h and sop/cursor.h show it.
 *
 * A filter is text,
 *
 *     section = "games" and size.download > 1e6 and not tags has "role::program"
 *
 * with = != < <= > >= between in has starts contains matches exists, is null, and, or, not, or the
 * same as JSON: ["and",["=","section","games"],[">","size.download",1e6]].
 *
 * A documents handle belongs to its transaction, survives sop_txn_reset and sop_txn_renew, and is
 * freed by sop_txn_close. Errors are found by sop_txn_error. "The common errors" are listed at the
 * head of sop/txn.h.
 */
#ifndef SOP_DOCUMENT_H
#define SOP_DOCUMENT_H

#include "sop/db.h"
#include "sop/store.h"
#include "sop/txn.h"
#include "sop/types.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sop_documents sop_documents;
typedef struct sop_filter sop_filter;
typedef struct sop_find sop_find;

/* Bytes that the library allocated for the caller, with a zero behind them. Begin with SOP_TEXT_INIT. */
typedef struct {
    char *data;
    size_t size;
} sop_text;
/* clang-format off */
#define SOP_TEXT_INIT {0, 0}
/* clang-format on */

/*
 * Free a text that a call of this header made.
 *
 * text       NULL and SOP_TEXT_INIT are allowed. It is SOP_TEXT_INIT afterwards.
 *
 * Threads:   any.
 * Since:     0.1
 */
SOP_API void sop_text_free(sop_text *text);

/* ---- stores ---- */

typedef struct {
    size_t struct_size;
    sop_slice key;             /* key specification; empty: {"type":"string"} */
    sop_slice rules;           /* as sop_documents_rules_set; empty: none */
    uint32_t inline_value_max; /* bytes, as in sop_store_options; 0: the default */
    sop_slice attributes;      /* as in sop_store_options */
} sop_documents_options;
/* clang-format off */
#define SOP_DOCUMENTS_OPTIONS_INIT {sizeof(sop_documents_options), {0, 0}, {0, 0}, 0, {0, 0}}
/* clang-format on */

/*
 * Create a document store; it exists for others once the transaction has committed.
 *
 * txn             a WRITE transaction.
 * name            as in sop_store_create.
 * options         NULL: keys are strings that stand apart from the documents.
 * documents_out   the handle; NULL on failure.
 *
 * Returns:   SOP_OK; SOP_EXISTS (the name is taken); SOP_INVALID (name, key, rules; the error names
 *            the field); SOP_TOO_LARGE; the common errors.
 * Lifetime:  documents_out lives until sop_txn_close.
 * Threads:   only the thread that owns the transaction.
 * Cost:      O(log number of stores).
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_documents_create(sop_txn *txn,
                                                       const char *name,
                                                       const sop_documents_options *options,
                                                       sop_documents **documents_out);
/*
 * Open a document store by name.
 *
 * txn             a transaction.
 * name            the name of the store.
 * documents_out   the handle; NULL on failure.
 *
 * Returns:   SOP_OK; SOP_NOT_FOUND; SOP_INVALID (it is not a document store); the common errors.
 * Lifetime:  documents_out lives until sop_txn_close.
 * Threads:   only the thread that owns the transaction.
 * Cost:      O(log number of stores).
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_documents_open(sop_txn *txn,
                                                     const char *name,
                                                     sop_documents **documents_out);
/*
 * Open a document store by its id.
 *
 * txn             a transaction.
 * id              from sop_store_id, sop_store_info or sop_change.
 * documents_out   the handle; NULL on failure.
 *
 * Returns:   SOP_OK; as sop_documents_open.
 * Lifetime:  documents_out lives until sop_txn_close.
 * Threads:   only the thread that owns the transaction.
 * Cost:      one look-up in the catalogue.
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_documents_open_id(sop_txn *txn,
                                                        uint64_t id,
                                                        sop_documents **documents_out);
/*
 * The store below: key bytes and documents for cursors, counts, ranks and get. Writing through it is
 * SOP_INVALID, for it would bypass the indexes; attributes may be set.
 *
 * documents  a documents handle.
 *
 * Returns:   the store handle; NULL for NULL.
 * Lifetime:  until sop_txn_close.
 * Threads:   only the thread that owns the transaction.
 * Since:     0.1
 */
SOP_API sop_store *sop_documents_store(sop_documents *documents);
/*
 * What a document store is made of, as JSON: {"key":...,"rules":[...],"indexes":[{"name":"by_size",
 * "fields":[...],"unique":false,"where":"...","state":"ready","entries":1234}]}. state is building,
 * ready or failed (then "error" says why); only ready ones are used to find documents.
 *
 * documents  a documents handle.
 * json_out   the text; free it with sop_text_free.
 *
 * Returns:   SOP_OK; the common errors.
 * Lifetime:  json_out until sop_text_free.
 * Threads:   only the thread that owns the transaction.
 * Cost:      O(log n) for each index.
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_documents_schema(sop_documents *documents,
                                                       sop_text *json_out);
/*
 * Replace the field rules of a store. They are checked on every later write; documents that are in
 * the store already stay as they are.
 *
 * documents  a store of a WRITE transaction.
 * rules      a list of {"path":"size.download","type":"integer","required":true,"min":0,"max":1e12,
 *            "enum":[...]}, all but path optional. type is object, array, string, number, integer,
 *            boolean, null, one of the key types, or a list of these. With [*] in the path every
 *            element is checked. min and max are inclusive and take what filters take, such as
 *            {"date":"2024-01-31"}. Empty: no rules.
 *
 * Returns:   SOP_OK; SOP_INVALID (the error names the rule); SOP_TOO_LARGE; the common errors.
 * Threads:   only the thread that owns the transaction.
 * Cost:      O(log number of stores). Transactions that write the store meanwhile get SOP_CONFLICT.
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_documents_rules_set(sop_documents *documents,
                                                          sop_slice rules);

/* ---- keys ---- */

/*
 * Key bytes from key JSON.
 *
 * documents  a documents handle.
 * json       key JSON.
 * prefix     1: an array may be shorter than the specification; the result is then where the range of
 *            all keys that begin so starts; the same bytes and one FF are its end.
 * key_out    the key bytes.
 *
 * Returns:   SOP_OK; SOP_INVALID (not JSON, or a field of the wrong type); SOP_TOO_LARGE (the key);
 *            the common errors.
 * Lifetime:  key_out until the next call on the handle.
 * Threads:   only the thread that owns the transaction.
 * Cost:      O(size of json).
 * Source:    docs/format/key.md.
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_documents_key_parse(sop_documents *documents,
                                                          sop_slice json,
                                                          int prefix,
                                                          sop_slice *key_out);
/*
 * Canonical key JSON from key bytes: integers, shortest decimals, UTC, lower-case UUIDs.
 *
 * documents  a documents handle.
 * key        key bytes.
 * json_out   the key JSON.
 *
 * Returns:   SOP_OK; SOP_CORRUPT (not a key of this store); the common errors.
 * Lifetime:  json_out until the next call on the handle.
 * Threads:   only the thread that owns the transaction.
 * Cost:      O(size of key).
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_documents_key_format(sop_documents *documents,
                                                           sop_slice key,
                                                           sop_slice *json_out);
/*
 * The key bytes that a document has in this store.
 *
 * documents  a store whose key is made of fields.
 * document   JSON.
 * key_out    the key bytes.
 *
 * Returns:   SOP_OK; SOP_INVALID (not JSON; a field missing or of the wrong type; the key stands
 *            apart from the document); SOP_TOO_LARGE; the common errors.
 * Lifetime:  key_out until the next call on the handle.
 * Threads:   only the thread that owns the transaction.
 * Cost:      O(size of the document).
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_documents_key_of(sop_documents *documents,
                                                       sop_slice document,
                                                       sop_slice *key_out);
/*
 * Key bytes from key JSON by a specification alone, without a store: for designers and tools.
 *
 * spec       a key specification.
 * json       key JSON.
 * key_out    the key bytes; free them with sop_text_free.
 * err        what went wrong; may be NULL.
 *
 * Returns:   SOP_OK; SOP_INVALID (specification or key); SOP_TOO_LARGE; SOP_NO_MEMORY.
 * Lifetime:  key_out until sop_text_free.
 * Threads:   any.
 * Cost:      O(size of both).
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_key_spec_encode(sop_slice spec,
                                                      sop_slice json,
                                                      sop_text *key_out,
                                                      sop_error *err);
/*
 * Canonical key JSON from key bytes by a specification alone.
 *
 * spec       a key specification.
 * key        key bytes.
 * json_out   the key JSON; free it with sop_text_free.
 * err        what went wrong; may be NULL.
 *
 * Returns:   SOP_OK; SOP_INVALID (specification); SOP_CORRUPT (not a key of it); SOP_NO_MEMORY.
 * Lifetime:  json_out until sop_text_free.
 * Threads:   any.
 * Cost:      O(size of both).
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_key_spec_decode(sop_slice spec,
                                                      sop_slice key,
                                                      sop_text *json_out,
                                                      sop_error *err);
/*
 * Check a specification and write it in its shortest form.
 *
 * spec       a key specification.
 * json_out   its shortest JSON; free it with sop_text_free; may be NULL.
 * err        what went wrong, with the number of the field; may be NULL.
 *
 * Returns:   SOP_OK; SOP_INVALID; SOP_NO_MEMORY.
 * Lifetime:  json_out until sop_text_free.
 * Threads:   any.
 * Cost:      O(size of spec).
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_key_spec_check(sop_slice spec,
                                                     sop_text *json_out,
                                                     sop_error *err);

/* ---- single documents ---- */

/*
 * Read a document by its key.
 *
 * documents      a documents handle.
 * key            key JSON.
 * document_out   the document, byte by byte as it was written.
 *
 * Returns:   SOP_OK; SOP_NOT_FOUND; SOP_INVALID (key); SOP_TOO_LARGE (above 64 MiB); the common
 *            errors.
 * Lifetime:  document_out until the next call on the handle, as in sop_store_get.
 * Threads:   only the thread that owns the transaction.
 * Cost:      as sop_store_get.
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_document_get(sop_documents *documents,
                                                   sop_slice key,
                                                   sop_slice *document_out);
/*
 * Insert a document whose key must not be there yet.
 *
 * documents  a store of a WRITE transaction.
 * key        key JSON; empty: taken from the document. When the key is made of fields and given as
 *            well, both must agree.
 * document   JSON, at most 64 MiB; copied.
 *
 * Returns:   SOP_OK; SOP_EXISTS (the key, or with a message a unique index); SOP_INVALID (not JSON,
 *            with line, column and byte; key; a rule; a field of an index; the error names the path);
 *            SOP_TOO_LARGE; the common errors. Nothing is written then; only if memory or
 *            txn_memory_max ends in the middle of the index entries, the transaction ends.
 * Threads:   only the thread that owns the transaction.
 * Cost:      one check of the text, O(log n) for the document and for each index entry.
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_document_insert(sop_documents *documents,
                                                      sop_slice key,
                                                      sop_slice document);
/*
 * Insert a document or replace the one with its key. In a store without indexes it reads nothing and
 * alone never conflicts.
 *
 * documents  a store of a WRITE transaction.
 * key        as in sop_document_insert.
 * document   as in sop_document_insert.
 *
 * Returns:   SOP_OK; as sop_document_insert, SOP_EXISTS for a unique index only.
 * Threads:   only the thread that owns the transaction.
 * Cost:      as sop_document_insert; only index entries that change are written.
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_document_put(sop_documents *documents,
                                                   sop_slice key,
                                                   sop_slice document);
/*
 * Replace a document that must be there.
 *
 * documents  a store of a WRITE transaction.
 * key        as in sop_document_insert.
 * document   as in sop_document_insert.
 *
 * Returns:   SOP_OK; SOP_NOT_FOUND; as sop_document_put.
 * Threads:   only the thread that owns the transaction.
 * Cost:      as sop_document_put.
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_document_replace(sop_documents *documents,
                                                       sop_slice key,
                                                       sop_slice document);
/*
 * Remove a document.
 *
 * documents  a store of a WRITE transaction.
 * key        key JSON.
 *
 * Returns:   SOP_OK; SOP_NOT_FOUND; SOP_INVALID (key); the common errors.
 * Threads:   only the thread that owns the transaction.
 * Cost:      O(log n) for the document and for each index entry.
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_document_remove(sop_documents *documents, sop_slice key);

/* One change inside a document. */
typedef struct {
    sop_slice path;  /* a pointer of RFC 6901 ("/a/0", "/list/-" appends) or names with points */
    sop_slice value; /* JSON; empty: the member or element is taken out */
} sop_edit;

/*
 * Change fields of a document; all other bytes stay as they are.
 *
 * documents  a store of a WRITE transaction.
 * key        key JSON.
 * edits      done in this order; missing parents are made as objects; taking out what is not there is
 *            no error.
 * count      how many.
 *
 * Returns:   SOP_OK; SOP_NOT_FOUND; SOP_INVALID (a path or value, with the number of the edit; the
 *            change would give the document another key; a rule); as sop_document_put.
 * Threads:   only the thread that owns the transaction.
 * Cost:      as sop_document_put, and one copy of the document for each edit.
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_document_patch(sop_documents *documents,
                                                     sop_slice key,
                                                     const sop_edit *edits,
                                                     size_t count);
/*
 * Apply a merge patch of RFC 7386 to a document.
 *
 * documents  a store of a WRITE transaction.
 * key        key JSON.
 * patch      JSON: members are replaced, null takes them out.
 *
 * Returns:   SOP_OK; SOP_NOT_FOUND; as sop_document_patch.
 * Threads:   only the thread that owns the transaction.
 * Cost:      as sop_document_put.
 * Source:    RFC 7386.
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_document_merge(sop_documents *documents,
                                                     sop_slice key,
                                                     sop_slice patch);

/* ---- indexes ---- */

/*
 * Make an index. Every later write keeps it in step, in the same transaction. Documents that are in
 * the store already are added at once when they are few (1,000), else in the background after the
 * commit, in transactions of their own, by this process or by any that opens the database later; until
 * that is done the index is not used to find documents. Transactions that began to write the store
 * before get SOP_CONFLICT.
 *
 * documents    a store of a WRITE transaction.
 * definition   {"name":"by_size","fields":[{"path":"size.download","type":"int64"}]}, with "unique":true
 *              and "where":"a filter" where wanted. fields is as a key specification; one field may have
 *              [*] in its path and then gives one entry for each element. A document whose field is
 *              missing or null is left out where nulls is refused, which is the default; one whose field
 *              has another type cannot be written. With where only documents that fit are in the index,
 *              and filters that contain its tests use it.
 *
 * Returns:   SOP_OK; SOP_EXISTS (the name; or with a message a value twice in a unique index);
 *            SOP_INVALID (definition, or a document that does not fit; the error names it);
 *            SOP_TOO_LARGE; the common errors. If documents do not fit that are added in the background,
 *            the index fails: sop_documents_schema says why, and it is to be dropped.
 * Threads:   only the thread that owns the transaction.
 * Cost:      O(log number of stores), or a walk over the documents when they are few.
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_index_create(sop_documents *documents, sop_slice definition);
/*
 * Drop an index, finished or not.
 *
 * documents  a store of a WRITE transaction.
 * name       the index.
 *
 * Returns:   SOP_OK; SOP_NOT_FOUND; the common errors.
 * Threads:   only the thread that owns the transaction.
 * Cost:      O(log number of stores), however many entries. Transactions that write the store meanwhile
 *            get SOP_CONFLICT.
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_index_drop(sop_documents *documents, sop_slice name);
/*
 * Build what is not complete in the calling thread, and return when it is: for databases that are
 * opened without background threads, and to wait for these.
 *
 * db         an open database.
 * store      a document store; NULL: all of them.
 * options    progress in documents of one index; NULL: none.
 * err        what went wrong; may be NULL.
 *
 * Returns:   SOP_OK (nothing is being built any more; failed ones say so in the schema); SOP_NOT_FOUND
 *            (store); SOP_READ_ONLY; SOP_CANCELLED; SOP_IO; SOP_FULL; SOP_CORRUPT; SOP_NO_MEMORY; what
 *            progress returned.
 * Threads:   any; readers and writers go on meanwhile.
 * Cost:      a walk over the documents, in transactions of at most 2,000 of them.
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_index_build(sop_db *db,
                                                  const char *store,
                                                  const sop_work_options *options,
                                                  sop_error *err);

#ifdef __cplusplus
}
#endif

#include "sop/query.h"
#include "sop/update.h"

#endif
