/* SPDX-License-Identifier: MIT */
/* The slow paths of mutex and condition. */
#include "util/mutex.h"

#include <limits.h>

#include "util/world.h"

enum { SPIN_ROUNDS = 40 };

SOP_NO_ANALYSIS void sop_mutex_lock_slow(sop_mutex *mutex)
{
    for (unsigned round = 0; round < SPIN_ROUNDS; round++) {
        if (atomic_load_explicit(&mutex->state, memory_order_relaxed) == 0 &&
            sop_mutex_try(mutex)) {
            return;
        }
        sop_relax(round);
    }
    while (atomic_exchange_explicit(&mutex->state, 2, memory_order_acquire) != 0) {
        sop_wait(&mutex->state, 2, UINT64_MAX);
    }
}

void sop_mutex_wake(sop_mutex *mutex)
{
    sop_wake(&mutex->state, 1);
}

SOP_NO_ANALYSIS void sop_cond_wait(sop_cond *cond, sop_mutex *mutex, uint64_t timeout_ns)
{
    /* Read under the mutex: a signal after this changes the number and the wait returns at once. */
    uint32_t sequence = atomic_load_explicit(&cond->sequence, memory_order_relaxed);
    atomic_fetch_add_explicit(&cond->waiters, 1, memory_order_seq_cst);
    sop_mutex_unlock(mutex);
    sop_wait(&cond->sequence, sequence, timeout_ns);
    atomic_fetch_sub_explicit(&cond->waiters, 1, memory_order_relaxed);
    sop_mutex_lock(mutex);
}

void sop_cond_signal_all(sop_cond *cond)
{
    atomic_fetch_add_explicit(&cond->sequence, 1, memory_order_seq_cst);
    if (atomic_load_explicit(&cond->waiters, memory_order_seq_cst) != 0) {
        sop_wake(&cond->sequence, INT_MAX);
    }
}
