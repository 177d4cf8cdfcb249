/* SPDX-License-Identifier: MIT */
/* The words that every other header uses: status codes, byte slices, errors. */
#ifndef SOP_TYPES_H
#define SOP_TYPES_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define SOP_API        __attribute__((visibility("default")))
#define SOP_MUST_CHECK __attribute__((warn_unused_result))
#else
#define SOP_API
#define SOP_MUST_CHECK
#endif

#define SOP_VERSION_MAJOR 0
#define SOP_VERSION_MINOR 1
#define SOP_VERSION_PATCH 0

/* Every status once: name, fixed number, one line of text. Numbers never change. */
#define SOP_STATUS_MAP(X)                                                                          \
    X(OK, 0, "success")                                                                            \
    X(NOT_FOUND, -1, "no such key, store or database")                                             \
    X(EXISTS, -2, "the key, store or database is already there")                                   \
    X(CONFLICT, -3, "another transaction changed what this one read; begin again")                 \
    X(BUSY, -4, "another process or an open handle is in the way")                                 \
    X(TIMEOUT, -5, "the time allowed has passed")                                                  \
    X(CANCELLED, -6, "interrupted by the caller")                                                  \
    X(INVALID, -7, "an argument or a call is not allowed here")                                    \
    X(READ_ONLY, -8, "the database or the transaction cannot be written")                          \
    X(NO_MEMORY, -9, "out of memory")                                                              \
    X(FULL, -10, "the storage medium is full")                                                     \
    X(TOO_LARGE, -11, "above a documented limit")                                                  \
    X(IO, -12, "the storage medium reported an error")                                             \
    X(CORRUPT, -13, "stored data is damaged")                                                      \
    X(UNSUPPORTED, -14, "not supported by this build, version or file system")                     \
    X(SNAPSHOT_TOO_OLD, -15, "the wanted history is no longer kept")                               \
    X(COMMIT_UNKNOWN, -16, "the outcome of the commit is not known yet; ask sop_db_outcome")

#define SOP_STATUS_ENUM(name, number, text) SOP_##name = (number),
enum { SOP_STATUS_MAP(SOP_STATUS_ENUM) SOP_STATUS_COUNT = 17 };
#undef SOP_STATUS_ENUM

/* SOP_OK or one of the negative codes above. */
typedef int sop_status;

/* Bytes that somebody else owns. size 0 is the empty slice; data may then be NULL. */
typedef struct {
    const void *data;
    size_t size;
} sop_slice;

/* What went wrong, in one line that names the object and the numbers; no full stop. */
#define SOP_ERROR_MESSAGE_SIZE 240
typedef struct {
    sop_status status;
    char message[SOP_ERROR_MESSAGE_SIZE];
} sop_error;

/*
 * A slice over a C string, without its terminating zero.
 *
 * s          a zero-terminated string; NULL gives the empty slice.
 *
 * Returns:   the slice; it points into s.
 * Lifetime:  as s.
 * Threads:   any.
 * Cost:      one strlen.
 * Since:     0.1
 */
SOP_API sop_slice sop_str(const char *s);

/*
 * The name of a status, for instance "SOP_CONFLICT".
 *
 * status     any number.
 *
 * Returns:   a constant string; "SOP_STATUS_UNKNOWN" for a number that is none of ours.
 * Lifetime:  for ever.
 * Threads:   any.
 * Cost:      O(1).
 * Since:     0.1
 */
SOP_API const char *sop_status_name(sop_status status);

/*
 * One line of English for a status, without a full stop.
 *
 * status     any number.
 *
 * Returns:   a constant string.
 * Lifetime:  for ever.
 * Threads:   any.
 * Cost:      O(1).
 * Since:     0.1
 */
SOP_API const char *sop_status_text(sop_status status);

/*
 * The version of the library that is running, for instance "0.1.0".
 *
 * Returns:   a constant string.
 * Lifetime:  for ever.
 * Threads:   any.
 * Cost:      O(1).
 * Since:     0.1
 */
SOP_API const char *sop_version(void);

#ifdef __cplusplus
}
#endif
#endif
