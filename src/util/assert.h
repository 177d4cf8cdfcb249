/* SPDX-License-Identifier: MIT */
/* Assertions for our own bugs. Bad files give SOP_CORRUPT, bad arguments SOP_INVALID, never these.
 */
#ifndef SOP_UTIL_ASSERT_H
#define SOP_UTIL_ASSERT_H

#include "util/compiler.h"

/* Prints the place and the condition to stderr and aborts. */
SOP_COLD _Noreturn void sop_assert_failed(const char *file, int line, const char *condition);

/* Always on: cheap checks only. */
#define SOP_ASSERT(x) (SOP_LIKELY(x) ? (void)0 : sop_assert_failed(__FILE__, __LINE__, #x))

/* Debug builds only: may walk whole structures. */
#if defined(NDEBUG)
#define SOP_ASSERT_SLOW(x) ((void)0)
#else
#define SOP_ASSERT_SLOW(x) SOP_ASSERT(x)
#endif

#endif
