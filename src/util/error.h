/* SPDX-License-Identifier: MIT */
/* Filling a sop_error. Every fallible function takes `sop_error *err` last (may be NULL). */
#ifndef SOP_UTIL_ERROR_H
#define SOP_UTIL_ERROR_H

#include "sop/types.h"

#include "util/compiler.h"

/* Sets status and message and returns status. Format: say what first, which object, both numbers.
 */
SOP_COLD sop_status sop_fail(sop_error *err, sop_status status, const char *format, ...)
    SOP_PRINTF(3, 4);

/* As sop_fail for a failed system call: picks the status from errno (ENOSPC, EDQUOT: SOP_FULL;
   EROFS, EACCES, EPERM: SOP_READ_ONLY when writing is set, else SOP_IO; ENOMEM: SOP_NO_MEMORY;
   EFBIG: SOP_TOO_LARGE; else
   SOP_IO), appends its text. */
SOP_COLD sop_status sop_fail_errno(sop_error *err, int number, int writing, const char *format, ...)
    SOP_PRINTF(4, 5);

#if defined(__clang_analyzer__)
/* For the analyzer only, which cannot see into error.c: what comes back is the status given, never SOP_OK. */
#define sop_fail(err, status, ...) ((void)sop_fail((err), (status), __VA_ARGS__), (status))
#define sop_fail_errno(err, number, ...)                                                           \
    ((void)sop_fail_errno((err), (number), __VA_ARGS__), SOP_IO)
#endif

/* Sets status without a message and returns it (hot paths). */
SOP_INLINE sop_status sop_set(sop_error *err, sop_status status)
{
    if (err != NULL) {
        err->status = status;
        err->message[0] = '\0';
    }
    return status;
}

/* For a status that is of no consequence at its place; say why in a comment there. */
SOP_INLINE void sop_ignore(sop_status status)
{
    (void)status;
}

#endif
