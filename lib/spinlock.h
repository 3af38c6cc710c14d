/* A lock for short sections: whoever finds it taken, spins.
 *
 * It is not re-entrant, and it does not touch the interrupt flag: code that an
 * interrupt handler may enter as well must not hold one with interrupts on.
 */
#ifndef LIB_SPINLOCK_H
#define LIB_SPINLOCK_H

#include <stdatomic.h>
#include <stdbool.h>

/* All zeros is a free lock. */
struct spinlock {
    atomic_bool taken;
};

static inline bool spinlock_try(struct spinlock *lock)
{
    /* acquire: what the last holder wrote is seen by this one */
    return !atomic_exchange_explicit(&lock->taken, true, memory_order_acquire);
}

static inline void spinlock_lock(struct spinlock *lock)
{
    while (!spinlock_try(lock))
        /* relaxed: only a hint when to try again; the exchange orders */
        while (atomic_load_explicit(&lock->taken, memory_order_relaxed))
            __builtin_ia32_pause();
}

static inline void spinlock_unlock(struct spinlock *lock)
{
    /* release: what this holder wrote is there before the lock is free */
    atomic_store_explicit(&lock->taken, false, memory_order_release);
}

#endif
