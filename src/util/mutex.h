/* SPDX-License-Identifier: MIT */
/* Mutex and condition over the world's wait and wake, so that they also work inside the simulator.
 */
#ifndef SOP_UTIL_MUTEX_H
#define SOP_UTIL_MUTEX_H

#include <stdatomic.h>
#include <stdint.h>

#include "util/compiler.h"

/* 0 free, 1 held, 2 held and somebody sleeps. All zero is a valid free mutex.
   Source: Drepper, "Futexes Are Tricky", mutex 3, with a short spin first. */
typedef struct SOP_CAPABILITY sop_mutex {
    _Atomic uint32_t state;
} sop_mutex;

void sop_mutex_lock_slow(sop_mutex *mutex);
void sop_mutex_wake(sop_mutex *mutex);

SOP_INLINE void sop_mutex_lock(sop_mutex *mutex) SOP_ACQUIRE(*mutex);
SOP_INLINE int sop_mutex_try(sop_mutex *mutex) SOP_TRY_ACQUIRE(*mutex);
SOP_INLINE void sop_mutex_unlock(sop_mutex *mutex) SOP_RELEASE(*mutex);

SOP_INLINE SOP_NO_ANALYSIS void sop_mutex_lock(sop_mutex *mutex)
{
    uint32_t free_state = 0;
    /* Acquire pairs with the release in unlock. */
    if (SOP_LIKELY(atomic_compare_exchange_strong_explicit(
            &mutex->state, &free_state, 1, memory_order_acquire, memory_order_relaxed))) {
        return;
    }
    sop_mutex_lock_slow(mutex);
}

/* 1 if the mutex is now held by the caller. */
SOP_INLINE SOP_NO_ANALYSIS int sop_mutex_try(sop_mutex *mutex)
{
    uint32_t free_state = 0;
    return atomic_compare_exchange_strong_explicit(&mutex->state, &free_state, 1,
                                                   memory_order_acquire, memory_order_relaxed);
}

SOP_INLINE SOP_NO_ANALYSIS void sop_mutex_unlock(sop_mutex *mutex)
{
    if (SOP_UNLIKELY(atomic_exchange_explicit(&mutex->state, 0, memory_order_release) == 2)) {
        sop_mutex_wake(mutex);
    }
}

/* A condition: a counter that a signal raises. Waiters hold the mutex, may wake early, and look
 * again. */
typedef struct {
    _Atomic uint32_t sequence;
    _Atomic uint32_t waiters;
} sop_cond;

/* Releases the mutex, waits for a signal or timeout_ns (UINT64_MAX: no limit), takes the mutex
 * again. */
void sop_cond_wait(sop_cond *cond, sop_mutex *mutex, uint64_t timeout_ns);
void sop_cond_signal_all(sop_cond *cond);

#endif
