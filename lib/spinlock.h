/* A lock for short sections: a CPU that finds it taken spins until it is free.
 *
 * It is not re-entrant, and it does not change the interrupt flag.  So if an
 * interrupt handler takes the lock too, other code must not hold it with
 * interrupts on.
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
    /* acquire: this holder sees what the last one wrote */
    return !atomic_exchange_explicit(&lock->taken, true, memory_order_acquire);
}

static inline void spinlock_lock(struct spinlock *lock)
{
    while (!spinlock_try(lock))
        /* relaxed: only a hint when to try again; the exchange orders the
         * accesses */
        while (atomic_load_explicit(&lock->taken, memory_order_relaxed))
            __builtin_ia32_pause();
}

static inline void spinlock_unlock(struct spinlock *lock)
{
    /* release: what this holder wrote is visible before the lock is free */
    atomic_store_explicit(&lock->taken, false, memory_order_release);
}

#endif
