/* SPDX-License-Identifier: MIT */
/* What the files share that stand on the db room: handles, schemas, writes. */
#ifndef SOP_DOCUMENT_STORE_H
#define SOP_DOCUMENT_STORE_H

#include "sop/cursor.h"
#include "sop/document.h"

#include "db/db.h"
#include "document/document_scalar.h"

/* ---- document_schema.c: what a store is made of, read from its specification ---- */

enum { SOP_INDEX_BUILDING = 0, SOP_INDEX_READY = 1, SOP_INDEX_FAILED = 2 };

/* A rule about one path. */
typedef struct {
    sop_slice path_text;
    sop_json_path path;
    uint32_t types; /* bits of document_rules.c; 0: any */
    int required;
    sop_filter *limits; /* tests of a value: >= min, <= max, in enum; NULL: none */
} sop_document__rule;

typedef struct {
    sop_slice name;
    sop_slice json; /* the whole definition */
    sop_slice fields;
    sop_document_key_spec *spec;
    sop_slice where_text; /* empty: every document */
    sop_filter *where;
    int unique;
    int state;
    sop_slice error; /* FAILED: why */
    uint64_t store;  /* id of its store */
} sop_document__index;

typedef struct {
    sop_arena arena;
    sop_slice key_json;
    sop_slice rules_json; /* empty: none */
    sop_document_key_spec *key;
    int has_paths; /* keys are made of fields */
    sop_document__rule *rules;
    size_t rule_count;
    sop_document__index *indexes;
    size_t index_count;
} sop_document__schema;

SOP_MUST_CHECK sop_status sop_document__schema_new(sop_slice spec,
                                                   sop_document__schema **schema_out,
                                                   sop_error *err);
void sop_document__schema_free(sop_document__schema *schema); /* NULL allowed */
/* What is different in a specification that is written anew. */
typedef struct {
    sop_slice rules;      /* the list; empty: none */
    size_t index;         /* the index that changes; SIZE_MAX: none */
    sop_slice definition; /* its new definition; empty: it goes. index is index_count: it comes */
} sop_document__revision;
void sop_document__schema_write(const sop_document__schema *schema,
                                const sop_document__revision *revision,
                                sop_json_writer *writer);
/* The definition of an index as it lies in a specification. */
void sop_document__index_write(const sop_document__index *index, sop_json_writer *writer);
/* Writes a specification and puts it into the catalogue. */
SOP_MUST_CHECK sop_status sop_documents__revise(sop_documents *documents,
                                                const sop_document__revision *revision);
/* Position in the list, or index_count. */
size_t sop_document__index_find(const sop_document__schema *schema, sop_slice name);
/* A plain string of JSON in the arena. SOP_OK, SOP_INVALID, SOP_NO_MEMORY. */
SOP_MUST_CHECK sop_status sop_document__string_copy(sop_slice raw,
                                                    sop_arena *arena,
                                                    sop_slice *plain_out);

/* ---- document_rules.c ---- */

SOP_MUST_CHECK sop_status sop_document__rules_read(sop_slice json,
                                                   sop_arena *arena,
                                                   sop_document__rule **rules_out,
                                                   size_t *count_out,
                                                   sop_error *err);
void sop_document__rules_free(sop_document__rule *rules, size_t count);
SOP_MUST_CHECK sop_status sop_document__rules_check(const sop_document__rule *rules,
                                                    size_t count,
                                                    sop_slice document,
                                                    sop_document_scratch *scratch,
                                                    sop_error *err);

/* ---- document_store.c: handles ---- */

/* The store of an index, opened when it is needed. */
typedef struct {
    uint64_t id;
    sop_store *store;
} sop_document__opened;

struct sop_documents {
    sop_db_attachment attachment; /* first, so that the pointers are the same */
    sop_txn *txn;
    sop_store *store;  /* may write */
    sop_store *view;   /* what callers get, may not */
    sop_store *reader; /* of finds, so that other calls leave their documents alone */
    uint64_t version;  /* of the specification that schema was read from */
    sop_document__schema *schema;
    sop_document__opened *opened;
    size_t opened_count;
    sop_find *finds;
    sop_arena entries; /* of one write */
    sop_document_scratch scratch;
    sop_json_writer text;          /* key JSON for the caller */
    sop_json_writer drafts[2];     /* documents under construction */
    uint8_t key[SOP_KEY_SIZE_MAX]; /* of the document at hand */
};

/* Ready for a call: the schema as the transaction sees it. */
SOP_MUST_CHECK sop_status sop_documents__enter(sop_documents *documents);
/* As enter, for calls that write. */
SOP_MUST_CHECK sop_status sop_documents__enter_write(sop_documents *documents);
sop_error *sop_documents__error(const sop_documents *documents);
/* The store of an index; its handle may write. */
SOP_MUST_CHECK sop_status sop_documents__index_store(sop_documents *documents,
                                                     const sop_document__index *index,
                                                     sop_store **store_out);
/* Key bytes from key JSON into documents->key. */
SOP_MUST_CHECK sop_status sop_documents__key(sop_documents *documents,
                                             sop_slice json,
                                             sop_slice *key_out);
/* Key JSON for a message, cut short. */
enum { SOP_KEY_TEXT_MAX = 80 };
const char *
sop_documents__key_text(sop_documents *documents, sop_slice key, char buffer[SOP_KEY_TEXT_MAX]);

/* ---- document_write.c ---- */

enum { SOP_DOCUMENT_INSERT = 0, SOP_DOCUMENT_PUT = 1, SOP_DOCUMENT_REPLACE = 2 };
/* Writes a checked document under key bytes. old: what is there; data NULL: not looked up yet. */
SOP_MUST_CHECK sop_status sop_documents__write(
    sop_documents *documents, sop_slice key, sop_slice document, int how, sop_slice old);
/* Takes a document out; old as above. */
SOP_MUST_CHECK sop_status sop_documents__remove(sop_documents *documents,
                                                sop_slice key,
                                                sop_slice old);
/* Whether a text is a document of this store: JSON that keeps to the rules. */
SOP_MUST_CHECK sop_status sop_documents__check(sop_documents *documents, sop_slice document);
/* Writes old with changes as new; both must have the same key. */
SOP_MUST_CHECK sop_status sop_documents__rewrite(sop_documents *documents,
                                                 sop_slice key,
                                                 sop_slice document,
                                                 sop_slice old);

/* ---- document_index.c: entries of indexes ---- */

/* One entry of an index in its store: non-unique ones are index key and document key, with the size of the first as value;
   unique ones have the document key as value. */
typedef struct {
    sop_slice key;
    sop_slice value;
} sop_document__entry;

typedef struct {
    sop_document__entry *entries; /* in order, none twice */
    size_t count;
    size_t capacity;
} sop_document__entries;

/* All entries that a document has in an index. They lie in the arena of the handle. */
SOP_MUST_CHECK sop_status sop_document__entries_of(sop_documents *documents,
                                                   const sop_document__index *index,
                                                   sop_slice key,
                                                   sop_slice document,
                                                   sop_document__entries *out);
/* The key of the document of an entry. SOP_OK, SOP_CORRUPT. */
SOP_MUST_CHECK sop_status sop_document__entry_document(const sop_document__index *index,
                                                       sop_slice entry_key,
                                                       sop_slice entry_value,
                                                       sop_slice *key_out,
                                                       sop_error *err);
/* Looks what the indexes must change when old (empty: none) becomes document (empty: none); then does it. */
typedef struct sop_document__changes sop_document__changes;
SOP_MUST_CHECK sop_status sop_document__changes_prepare(sop_documents *documents,
                                                        sop_slice key,
                                                        sop_slice old,
                                                        sop_slice document,
                                                        sop_document__changes **out);
SOP_MUST_CHECK sop_status sop_document__changes_apply(sop_documents *documents,
                                                      const sop_document__changes *changes);

/* ---- document_build.c: filling an index ---- */

/* Adds the entries of at most max documents behind a key (empty: from the first). Into last: the key of the last of them;
   done_out: there are no more. SOP_EXISTS, SOP_INVALID, SOP_TOO_LARGE: a document does not fit, err says which. */
typedef struct {
    uint8_t key[SOP_KEY_SIZE_MAX];
    size_t size;
    uint64_t count; /* documents so far */
} sop_document__position;
SOP_MUST_CHECK sop_status sop_document__index_fill(sop_documents *documents,
                                                   const sop_document__index *index,
                                                   uint64_t max,
                                                   sop_document__position *position,
                                                   int *done_out);
/* The index is complete, or (why) never will be. */
SOP_MUST_CHECK sop_status sop_document__index_finish(sop_documents *documents,
                                                     size_t number,
                                                     const char *why);
/* Wakes the background builder of a database, if it may have one. */
void sop_document__builder_kick(sop_db *db);
/* The store that lists what is being built, by id of store and id of index; SOP_NOT_FOUND without create. */
SOP_MUST_CHECK sop_status sop_document__builds_open(sop_txn *txn, int create, sop_store **out);
void sop_document__builds_key(uint64_t store, uint64_t index, uint8_t out[16]);

/* ---- document_check.c ---- */

/* Compares every index with the documents. */
SOP_MUST_CHECK sop_status sop_documents__check_all(sop_db *db,
                                                   const sop_check_options *options,
                                                   sop_check_report *report,
                                                   sop_error *err);

/* ---- document_text.c: texts for callers ---- */

/* Hands the bytes of a writer to the caller. */
SOP_MUST_CHECK sop_status sop_document__text_out(const sop_json_writer *writer,
                                                 sop_text *text_out,
                                                 const char *what,
                                                 sop_error *err);
/* Applies edits; the result is in one of the two writers. */
SOP_MUST_CHECK sop_status sop_document__edits_apply(sop_slice document,
                                                    const sop_edit *edits,
                                                    size_t count,
                                                    sop_json_writer drafts[2],
                                                    sop_slice *text_out,
                                                    sop_error *err);

/* ---- document_plan.c: what a find reads ---- */

/* [from, to) in the keys of what is read; to empty: no end. */
typedef struct {
    sop_slice from;
    sop_slice to;
} sop_document__range;

typedef struct {
    const sop_document__index *index; /* what is read; NULL: the documents by key */
    sop_document__range *ranges;      /* in order, apart from each other */
    sop_document__range *whole; /* with each: the same before bounds and position narrowed them */
    size_t count;
    uint64_t entries; /* in the ranges, exactly */
    int each;         /* a document may be met more than once */
    int prefix; /* one range, whose entries all have the same index key: they are in key order */
    int sort;   /* keys are gathered and sorted first */
} sop_document__plan;

/* What a plan must serve. */
typedef struct {
    sop_documents *documents;
    const sop_filter_node *filter;
    const sop_document__index *order; /* NULL: by key */
    sop_slice use_index;              /* as in sop_find_options */
    sop_slice from;                   /* bounds in the keys of the order */
    sop_slice to;
    int scan_only;               /* read the order itself */
    sop_arena *arena;            /* of the plan */
    sop_json_writer *considered; /* elements of a list, for explain; NULL: nobody asks */
} sop_document__question;

SOP_MUST_CHECK sop_status sop_document__plan_make(const sop_document__question *q,
                                                  sop_document__plan *plan_out);
/* Both ends the narrower one. */
void sop_document__range_clip(sop_document__range *range, sop_slice from, sop_slice to);
/* key and one zero byte: the smallest key behind it. data NULL: no memory. */
sop_slice sop_document__key_after(sop_arena *arena, sop_slice key);
sop_slice sop_document__join(sop_arena *arena, sop_slice a, sop_slice b);

/* ---- document_find.c ---- */

/* The handle that finds read through. */
SOP_MUST_CHECK sop_status sop_documents__reader(sop_documents *documents, sop_store **store_out);

/* Ends what finds of a handle hold on to. */
void sop_find__free_all(sop_documents *documents);

#endif
