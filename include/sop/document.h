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

/* ---- JSON without a store ---- */

/*
 * Whether bytes are one JSON text (RFC 8259).
 *
 * text       any bytes.
 * err        the reason with line, column and byte; may be NULL.
 *
 * Returns:   SOP_OK; SOP_INVALID; SOP_TOO_LARGE (more than 512 levels).
 * Threads:   any.
 * Cost:      O(size of text).
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_json_text_check(sop_slice text, sop_error *err);
/*
 * Apply edits to a JSON text, as sop_document_patch does.
 *
 * document   JSON.
 * edits      done in this order.
 * count      how many.
 * text_out   the new text; free it with sop_text_free.
 * err        what went wrong; may be NULL.
 *
 * Returns:   SOP_OK; SOP_INVALID (text, path or value, with the number of the edit); SOP_NO_MEMORY.
 * Lifetime:  text_out until sop_text_free.
 * Threads:   any.
 * Cost:      one copy of the text for each edit.
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_json_text_edit(
    sop_slice document, const sop_edit *edits, size_t count, sop_text *text_out, sop_error *err);
/*
 * Apply a merge patch of RFC 7386 to a JSON text; bytes that it does not touch stay.
 *
 * document   JSON.
 * patch      JSON.
 * text_out   the new text; free it with sop_text_free.
 * err        what went wrong; may be NULL.
 *
 * Returns:   SOP_OK; SOP_INVALID; SOP_NO_MEMORY.
 * Lifetime:  text_out until sop_text_free.
 * Threads:   any.
 * Cost:      O(size of both).
 * Source:    RFC 7386.
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_json_text_merge(sop_slice document,
                                                      sop_slice patch,
                                                      sop_text *text_out,
                                                      sop_error *err);
/*
 * The value at a path of a JSON text, where it lies.
 *
 * document    JSON.
 * path        a pointer of RFC 6901, or names with points; without [*].
 * value_out   the bytes of the value, in the document.
 * err         what went wrong; may be NULL.
 *
 * Returns:   SOP_OK; SOP_NOT_FOUND; SOP_INVALID (path); SOP_CORRUPT (not JSON); SOP_NO_MEMORY.
 * Lifetime:  value_out as the document.
 * Threads:   any.
 * Cost:      O(size of the document).
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_json_text_pick(sop_slice document,
                                                     sop_slice path,
                                                     sop_slice *value_out,
                                                     sop_error *err);

/* ---- filters ---- */

/*
 * Read a filter. It never changes afterwards: any number of threads may use it.
 *
 * text         a filter as text, or as JSON when it begins with [; empty: every document.
 * filter_out   the filter; NULL on failure. Free it with sop_filter_free.
 * err          what is wrong, and where; may be NULL.
 *
 * Returns:   SOP_OK; SOP_INVALID; SOP_TOO_LARGE (above 64 KiB, or too deep); SOP_NO_MEMORY.
 * Lifetime:  filter_out until sop_filter_free.
 * Threads:   any.
 * Cost:      O(size of text).
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_filter_parse(sop_slice text,
                                                   sop_filter **filter_out,
                                                   sop_error *err);
/*
 * Free a filter that nobody uses any more.
 *
 * filter     NULL is allowed and does nothing.
 *
 * Threads:   any.
 * Since:     0.1
 */
SOP_API void sop_filter_free(sop_filter *filter);
/*
 * Write a filter. Reading it gives the same filter.
 *
 * filter     a filter.
 * as_json    1: as JSON; 0: as people write it.
 * text_out   the text; free it with sop_text_free.
 * err        what went wrong; may be NULL.
 *
 * Returns:   SOP_OK; SOP_NO_MEMORY; SOP_INVALID.
 * Lifetime:  text_out until sop_text_free.
 * Threads:   any.
 * Cost:      O(size of the filter).
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_filter_format(const sop_filter *filter,
                                                    int as_json,
                                                    sop_text *text_out,
                                                    sop_error *err);
/*
 * Whether a document fits a filter.
 *
 * filter      a filter.
 * document    JSON.
 * match_out   1 or 0.
 * err         what went wrong; may be NULL.
 *
 * Returns:   SOP_OK; SOP_CORRUPT (not JSON); SOP_TOO_LARGE (a pattern with too many steps);
 *            SOP_INVALID; SOP_NO_MEMORY.
 * Threads:   any.
 * Cost:      O(size of the document x tests); patterns in linear time.
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_filter_test(const sop_filter *filter,
                                                  sop_slice document,
                                                  int *match_out,
                                                  sop_error *err);

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

/* ---- finding ---- */

typedef struct {
    size_t struct_size;
    sop_slice where; /* a filter, text or JSON; empty: every document */
    const sop_filter
        *filter;     /* instead of where: one that was read before; must outlive the find */
    sop_slice order; /* an index; empty: by key. Documents that it leaves out are not found */
    int descending;
    uint64_t limit;   /* documents; 0: no limit */
    sop_slice fields; /* ["name","size.download"] or name,size.download; empty: whole documents */
    sop_slice from;   /* key JSON, or the beginning of it: only keys from here on */
    sop_slice to;     /* key JSON, or the beginning of it: only keys before */
    sop_slice after;  /* what sop_find_position gave: only what comes behind it in the same order */
    uint64_t rank;    /* with at_rank: begin at the item of this rank, whether it fits or not */
    int at_rank;      /* 1: rank counts, from 0 */
    sop_slice use_index;  /* read this index; "-": none; empty: the planner picks */
    uint64_t examine_max; /* sop_find_next examines at most so many documents a call; 0: no limit */
} sop_find_options;
/* clang-format off */
#define SOP_FIND_OPTIONS_INIT {sizeof(sop_find_options), {0, 0}, 0, {0, 0}, 0, 0, {0, 0}, {0, 0}, {0, 0}, {0, 0}, 0, 0, {0, 0}, 0}
/* clang-format on */

typedef struct {
    size_t struct_size;
    sop_slice key;      /* key bytes */
    sop_slice document; /* JSON; with fields: an object of the paths asked for that are there */
    uint64_t examined;  /* documents read by this find so far */
} sop_found;
/* clang-format off */
#define SOP_FOUND_INIT {sizeof(sop_found), {0, 0}, {0, 0}, 0}
/* clang-format on */

/*
 * Find documents: plan how to read, and stand before the first.
 *
 * documents  a documents handle. In a WRITE transaction what is read becomes part of its read set.
 * options    NULL: all documents by key.
 * find_out   the find; NULL on failure. Close it with sop_find_close, or leave it to the transaction.
 *
 * Returns:   SOP_OK; SOP_INVALID (filter, order, fields, from, to, after; a rank with an order that
 *            needs sorting); SOP_NOT_FOUND (no such index); SOP_BUSY (an index that is still being
 *            built); the common errors.
 * Lifetime:  find_out lives until sop_find_close or sop_txn_close; reset and commit end its place.
 * Threads:   only the thread that owns the transaction.
 * Cost:      two counts, O(log n) each, for each index that could serve; keys are gathered and sorted
 *            here when the order is not that of what is read.
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_find_open(sop_documents *documents,
                                                const sop_find_options *options,
                                                sop_find **find_out);
/*
 * The next document that fits.
 *
 * find        an open find.
 * found_out   begun with SOP_FOUND_INIT.
 *
 * Returns:   SOP_OK; SOP_NOT_FOUND (no more, or the limit is reached); SOP_TIMEOUT (examine_max were
 *            examined and none fitted: call again, or go on later from sop_find_position); SOP_TOO_LARGE
 *            (a pattern with too many steps); the common errors.
 * Lifetime:  key and document until the next call on the find, as in sop_cursor_item.
 * Threads:   only the thread that owns the transaction.
 * Cost:      reads until one fits.
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_find_next(sop_find *find, sop_found *found_out);
/*
 * Where a find stands, for sop_find_options.after: in this or any later transaction, with the same
 * order, also when the document there is gone by then.
 *
 * find           an open find.
 * position_out   printable text; empty before the first document.
 *
 * Returns:   SOP_OK; the common errors.
 * Lifetime:  position_out until the next call on the find.
 * Threads:   only the thread that owns the transaction.
 * Cost:      a copy of the key.
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_find_position(sop_find *find, sop_slice *position_out);
/*
 * How many items come before the one the find stands on, in its order, whether they fit or not.
 *
 * find       an open find.
 * rank_out   0 for the first.
 *
 * Returns:   SOP_OK; SOP_NOT_FOUND (it stands on none); the common errors.
 * Threads:   only the thread that owns the transaction.
 * Cost:      O(log n).
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_find_rank(sop_find *find, uint64_t *rank_out);
/*
 * What a find reads, as JSON: {"read":"index by_section","ranges":1,"entries":1044,"exact":true,
 * "order":"key","sort":false,"filter":"...","considered":[{"read":"key","entries":63664},...]}. entries
 * are exact counts.
 *
 * find       an open find.
 * json_out   the text; free it with sop_text_free.
 *
 * Returns:   SOP_OK; the common errors.
 * Lifetime:  json_out until sop_text_free.
 * Threads:   only the thread that owns the transaction.
 * Cost:      O(size of the filter).
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_find_explain(sop_find *find, sop_text *json_out);
/*
 * Close a find. Optional before sop_txn_close.
 *
 * find       NULL is allowed and does nothing.
 *
 * Lifetime:  ends the slices that came from the find.
 * Threads:   only the thread that owns the transaction.
 * Since:     0.1
 */
SOP_API void sop_find_close(sop_find *find);
/*
 * The shape of a store, inferred from its documents, as JSON: {"count":63664,"sampled":1000,
 * "error":0.031,"fields":[{"path":"name","types":{"string":1000},"share":1,"examples":["0ad"]}]}.
 * share is the part of the sampled documents that have the field, wrong by at most error in 19 of 20
 * cases; error is 0 when every document was read. Elements of arrays have paths such as tags[*].
 *
 * documents   a documents handle.
 * sample_max  documents to read, evenly spread over the store by rank; 0: 1,000.
 * json_out    the text; free it with sop_text_free.
 *
 * Returns:   SOP_OK; the common errors.
 * Lifetime:  json_out until sop_text_free.
 * Threads:   only the thread that owns the transaction.
 * Cost:      sample_max documents, O(log n) each; at most 2,000 fields are told.
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_documents_shape(sop_documents *documents,
                                                      uint64_t sample_max,
                                                      sop_text *json_out);

/* ---- groups ---- */

typedef struct {
    size_t struct_size;
    sop_slice where; /* a filter, text or JSON; empty: every document */
    sop_slice by;    /* path whose values make the groups; empty: one group of all */
    sop_slice
        values; /* count, sum(PATH), avg(PATH), min(PATH), max(PATH), distinct(PATH), with commas
                            between; empty: count */
    uint64_t groups_max; /* more are SOP_TOO_LARGE; 0: 100,000 */
} sop_group_options;
/* clang-format off */
#define SOP_GROUP_OPTIONS_INIT {sizeof(sop_group_options), {0, 0}, {0, 0}, {0, 0}, 0}
/* clang-format on */

/*
 * Group documents and aggregate each group.
 *
 * documents  a documents handle.
 * options    NULL: the number of documents.
 * json_out   {"documents":N,"groups":[{"key":"games","count":3,"sum(size)":12.5},...]} in the order of the
 *            keys; a group without "key" holds the documents that lack the path. With [*] in the path a
 *            document counts in each group it has a value of. Sums are exact as long as all values lie
 *            within 10^-36 and 10^72; values that are not numbers do not count in sum and avg; min and
 *            max go by type, then value; distinct is how many different values there are. Free it with
 *            sop_text_free.
 *
 * Returns:   SOP_OK; SOP_INVALID (filter, by, values); SOP_TOO_LARGE (groups, or a value above 4,096
 *            bytes to group by or tell apart); the common errors.
 * Lifetime:  json_out until sop_text_free.
 * Threads:   only the thread that owns the transaction.
 * Cost:      as a find; memory for each group and each distinct value.
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_documents_group(sop_documents *documents,
                                                      const sop_group_options *options,
                                                      sop_text *json_out);

/* ---- changing many documents ---- */

/* sop_rewrite.kind */
enum { SOP_REWRITE_SET = 0, SOP_REWRITE_UNSET = 1, SOP_REWRITE_REPLACE = 2 };

/* What happens to every document that fits. */
typedef struct {
    int kind;
    sop_slice path;  /* with [*] for REPLACE only */
    sop_slice value; /* SET: JSON */
    sop_slice find;  /* REPLACE: in strings at the path, every occurrence of this text */
    sop_slice with;  /* REPLACE: becomes this one */
} sop_rewrite;

typedef struct {
    size_t struct_size;
    sop_slice where; /* a filter, text or JSON; empty: every document */
    const sop_rewrite *rewrites;
    size_t rewrite_count;
    int remove;               /* 1: the documents go; no rewrites then */
    uint64_t at_once;         /* up to so many documents change in one transaction; 0: 100,000 */
    uint64_t chunk;           /* above it, so many are looked at in each; 0: 10,000 */
    sop_slice note;           /* as sop_txn_note, of every transaction */
    sop_progress_fn progress; /* documents looked at, of all; NULL: none */
    void *context;
} sop_update_options;
/* clang-format off */
#define SOP_UPDATE_OPTIONS_INIT {sizeof(sop_update_options), {0, 0}, 0, 0, 0, 0, 0, {0, 0}, 0, 0}
/* clang-format on */

typedef struct {
    size_t struct_size;
    uint64_t examined;
    uint64_t matched;
    uint64_t changed;      /* or removed; documents that stay as they are do not count */
    uint64_t transactions; /* committed */
    uint64_t seq;          /* of the last one */
    char job[17];          /* by which sop_update_resume goes on; empty: it was one transaction */
} sop_update_report;
/* clang-format off */
#define SOP_UPDATE_REPORT_INIT {sizeof(sop_update_report), 0, 0, 0, 0, 0, {0}}
/* clang-format on */

/*
 * What sop_update_run would do, without doing it.
 *
 * documents   a documents handle.
 * options     as for sop_update_run.
 * sample_max  so many of the changes are shown; 0: 10.
 * json_out    {"matched":50,"changed":48,"refused":0,"transactions":1,"samples":[{"key":..,"before":..,
 *             "after":..}]}, counts exact in the snapshot of the transaction; refused ones would break a
 *             rule, "refusal" is the first reason; transactions is 0 for "in chunks". Free it with
 *             sop_text_free.
 *
 * Returns:   SOP_OK; SOP_INVALID (filter, rewrites); the common errors.
 * Lifetime:  json_out until sop_text_free.
 * Threads:   only the thread that owns the transaction.
 * Cost:      as a find; every document that fits is rewritten in memory.
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_update_preview(sop_documents *documents,
                                                     const sop_update_options *options,
                                                     uint64_t sample_max,
                                                     sop_text *json_out);
/*
 * Change or remove every document that fits: all in one transaction up to options->at_once documents;
 * above it in chunks in key order, each a transaction that also keeps the position, so that the rest
 * can be done after a crash or a failure. Conflicts are met by doing the transaction again.
 *
 * db          an open database.
 * store       a document store.
 * options     begun with SOP_UPDATE_OPTIONS_INIT.
 * report_out  begun with SOP_UPDATE_REPORT_INIT; what was done, also on failure.
 * err         what went wrong; may be NULL.
 *
 * Returns:   SOP_OK; SOP_NOT_FOUND (store); SOP_INVALID (options; a document that a rewrite would give
 *            another key or that would break a rule; the error names it); SOP_EXISTS (a unique index);
 *            SOP_READ_ONLY; SOP_CANCELLED; what progress returned; as sop_txn_run. Of one transaction
 *            nothing is done then; of chunks those before are, and report_out->job names the rest.
 * Threads:   any.
 * Cost:      as a find and the writes. After three conflicts the one transaction takes the documents that
 *            fit in its snapshot: one that comes to fit meanwhile may be left out.
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_update_run(sop_db *db,
                                                 const char *store,
                                                 const sop_update_options *options,
                                                 sop_update_report *report_out,
                                                 sop_error *err);
/*
 * Go on with a change in chunks that was interrupted. Every document is changed once.
 *
 * db          an open database.
 * job         from sop_update_report or sop_update_jobs.
 * options     progress; the rest is as it was given at first. NULL: none.
 * report_out  begun with SOP_UPDATE_REPORT_INIT; totals since the beginning.
 * err         what went wrong; may be NULL.
 *
 * Returns:   SOP_OK; SOP_NOT_FOUND (no such job: it is done, or was cancelled); as sop_update_run.
 * Threads:   any; two at once do no harm.
 * Cost:      as sop_update_run.
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_update_resume(sop_db *db,
                                                    const char *job,
                                                    const sop_work_options *options,
                                                    sop_update_report *report_out,
                                                    sop_error *err);
/*
 * Changes in chunks that are not done.
 *
 * db         an open database.
 * json_out   [{"job":"...","store":"things","where":"...","examined":..,"matched":..,"changed":..}]; free
 *            it with sop_text_free.
 * err        what went wrong; may be NULL.
 *
 * Returns:   SOP_OK; as sop_txn_begin; the common errors.
 * Lifetime:  json_out until sop_text_free.
 * Threads:   any.
 * Cost:      O(number of jobs).
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_update_jobs(sop_db *db, sop_text *json_out, sop_error *err);
/*
 * Forget a change in chunks; what it has done stays done.
 *
 * db         an open database.
 * job        from sop_update_report or sop_update_jobs.
 * err        what went wrong; may be NULL.
 *
 * Returns:   SOP_OK; SOP_NOT_FOUND; as sop_txn_run.
 * Threads:   any.
 * Cost:      one transaction.
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_update_cancel(sop_db *db, const char *job, sop_error *err);

#ifdef __cplusplus
}
#endif
#endif
