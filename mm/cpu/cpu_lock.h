/* A spinlock that knows which CPU holds it: so a handler that interrupted the
 * holder on the same CPU is told, where with lib/spinlock.h it would wait for
 * ever. */
#ifndef MM_CPU_CPU_LOCK_H
#define MM_CPU_CPU_LOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "mm/platform.h"

/* All zeros is a free lock. */
struct cpu_lock {
    uint32_t holder; /* the CPU's number + 1 */
};

/* Waits until the lock is this CPU's.  False if it is already: the caller runs
 * in the middle of a section under it, and must not touch what it guards. */
static inline bool cpu_lock_acquire(struct cpu_lock *lock)
{
    uint32_t self = platform_cpu() + 1, found = 0;

    /* acquire: what the last holder wrote is seen by this one */
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

/* Does not wait: false if anyone has it, this CPU or another. */
static inline bool cpu_lock_try(struct cpu_lock *lock)
{
    uint32_t free = 0;

    /* acquire: what the last holder wrote is seen by this one */
    return __atomic_compare_exchange_n(&lock->holder, &free, platform_cpu() + 1,
                                       false, __ATOMIC_ACQUIRE,
                                       __ATOMIC_RELAXED);
}

/* Whether this CPU has it: for a handler that may have interrupted the holder.
 */
static inline bool cpu_lock_is_mine(const struct cpu_lock *lock)
{
    /* relaxed: what this CPU stored last it sees; another's number is no */
    return __atomic_load_n(&lock->holder, __ATOMIC_RELAXED) ==
           platform_cpu() + 1;
}

static inline void cpu_lock_release(struct cpu_lock *lock)
{
    /* release: what this holder wrote is there before the lock is free */
    __atomic_store_n(&lock->holder, 0, __ATOMIC_RELEASE);
}

#endif
