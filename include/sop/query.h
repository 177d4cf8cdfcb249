/* SPDX-License-Identifier: MIT */
/*
 * Finding documents: filters, plans, order, pages, shape, groups; and JSON texts without a store. See
 * sop/document.h, which includes this.
 */
#ifndef SOP_QUERY_H
#define SOP_QUERY_H

#include "sop/document.h"
#include "sop/types.h"

#ifdef __cplusplus
extern "C" {
#endif

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

#ifdef __cplusplus
}
#endif
#endif
