/* SPDX-License-Identifier: MIT */
/* Compiler attributes and builtins, the only place that spells them out. */
#ifndef SOP_UTIL_COMPILER_H
#define SOP_UTIL_COMPILER_H

#define SOP_LIKELY(x)        __builtin_expect(!!(x), 1)
#define SOP_UNLIKELY(x)      __builtin_expect(!!(x), 0)
#define SOP_PREFETCH(p)      __builtin_prefetch((p), 0, 3)
#define SOP_PRINTF(fmt, arg) __attribute__((format(printf, fmt, arg)))
#define SOP_COLD             __attribute__((cold, noinline))
#define SOP_INLINE           static inline __attribute__((always_inline, unused))
#define SOP_TARGET(features) __attribute__((target(features))) /* behind a check of the processor */
#define SOP_UNUSED           __attribute__((unused))
#define SOP_CACHE_LINE       64

/* Lock annotations that clang checks with -Wthread-safety; nothing under gcc. */
#if defined(__clang__)
#define SOP_CAPABILITY     __attribute__((capability("mutex")))
#define SOP_ACQUIRE(x)     __attribute__((acquire_capability(x)))
#define SOP_RELEASE(x)     __attribute__((release_capability(x)))
#define SOP_REQUIRES(x)    __attribute__((requires_capability(x)))
#define SOP_TRY_ACQUIRE(x) __attribute__((try_acquire_capability(1, x)))
#define SOP_NO_ANALYSIS    __attribute__((no_thread_safety_analysis))
#else
#define SOP_CAPABILITY
#define SOP_ACQUIRE(x)
#define SOP_RELEASE(x)
#define SOP_REQUIRES(x)
#define SOP_TRY_ACQUIRE(x)
#define SOP_NO_ANALYSIS
#endif

#endif
