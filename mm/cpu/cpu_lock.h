/* A spinlock that knows which CPU holds it.  A handler that interrupted the
 * holder on the same CPU is told so; with lib/spinlock.h it would wait for
 * ever. */
#ifndef MM_CPU_CPU_LOCK_H
#define MM_CPU_CPU_LOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "mm/platform.h"

/* All zeros is a free lock. */
struct cpu_lock {
    uint32_t holder; /* the CPU's number + 1; 0: free */
};

/* Waits until this CPU has the lock.  False if this CPU has it already: then
 * the caller interrupted the holder, and must not touch what the lock guards.
 */
static inline bool cpu_lock_acquire(struct cpu_lock *lock)
{
    uint32_t self = platform_cpu() + 1, found = 0;

    /* acquire: this holder sees what the last one wrote */
    while (!__atomic_compare_exchange_n(&lock->holder, &found, self, false,
                                        __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
        if (found == self)
            return false;
        while (__atomic_load_n(&lock->holder, __ATOMIC_RELAXED) != 0)
            platform_relax();
        found = 0;
    }
    return true;
}

/* Does not wait: false if this CPU or another one has the lock. */
static inline bool cpu_lock_try(struct cpu_lock *lock)
{
    uint32_t free = 0;

    /* acquire: this holder sees what the last one wrote */
    return __atomic_compare_exchange_n(&lock->holder, &free, platform_cpu() + 1,
                                       false, __ATOMIC_ACQUIRE,
                                       __ATOMIC_RELAXED);
}

/* Whether this CPU has the lock: for a handler that may have interrupted the
 * holder. */
static inline bool cpu_lock_is_mine(const struct cpu_lock *lock)
{
    /* relaxed: this CPU sees its own last store; any number of another CPU
     * means no */
    return __atomic_load_n(&lock->holder, __ATOMIC_RELAXED) ==
           platform_cpu() + 1;
}

/* So often a CPU that may give up looks at a lock: far longer than a holder
 * needs that runs, and far shorter than a person would wait. */
#ifndef CPU_LOCK_PATIENCE
#define CPU_LOCK_PATIENCE 1000000
#endif

/* As cpu_lock_acquire; also false if another CPU has the lock for too long: one
 * that does not run, or whose handler goes on and on. */
static inline bool cpu_lock_acquire_soon(struct cpu_lock *lock)
{
    for (unsigned i = 0; i < CPU_LOCK_PATIENCE; i++) {
        if (cpu_lock_try(lock))
            return true;
        if (cpu_lock_is_mine(lock))
            return false;
        platform_relax();
    }
    return false;
}

static inline void cpu_lock_release(struct cpu_lock *lock)
{
    /* release: what this holder wrote is visible before the lock is free */
    __atomic_store_n(&lock->holder, 0, __ATOMIC_RELEASE);
}

#endif
