/* The order in which a CPU takes the locks of the address space and the heap,
 * and what keeps a handler from waiting for ever.
 *
 * Each lock has a rank.  A CPU takes a lock only if its rank is higher than
 * that of every lock the CPU has, those of interrupted calls included.  A call
 * by itself takes its locks in the order of their ranks.  So only a handler can
 * be refused, one that interrupted a call with a lock of the same rank or a
 * higher one: it does not wait, and answers MM_BUSY, or puts a free off.
 *
 * Why no circle of CPUs can form: who waits for a lock has only locks of lower
 * ranks.  Take the lock of the highest rank that anybody waits for: its holder
 * waits for none, so it ends and gives it up.  Frame locks are above all ranks,
 * and frame calls take none of these.  But a frame call may wait until another
 * CPU has left its own frame call.  So a handler that interrupted a frame call
 * is refused every lock here (cpu_order_inside), and so is one that no CPU can
 * interrupt to ask for something: that of an NMI or a machine check
 * (cpu_order_forbid).
 *
 * The ranks that a CPU has are counted, each in a byte of one word.  Only the
 * CPU itself and its handlers change the word, and a handler leaves it as it
 * was; so plain loads and stores do.
 */
#ifndef MM_CPU_CPU_ORDER_H
#define MM_CPU_CPU_ORDER_H

#include <stdbool.h>
#include <stdint.h>

#include "mm/cpu/cpu_lock.h"
#include "mm/platform.h"

/* From the one that is taken first to the one that is taken last. */
enum cpu_rank {
    CPU_RANK_GUARD,  /* the layer of heapcheck=full */
    CPU_RANK_STOP,   /* stopping the CPUs of a slab heap */
    CPU_RANK_LARGE,  /* large blocks of a slab heap */
    CPU_RANK_CLASS,  /* one size class of a slab heap */
    CPU_RANK_HEAP,   /* a heap and its pages */
    CPU_RANK_RANGES, /* pages and devices of the kernel's space */
    CPU_RANK_SPACE,  /* ranges of addresses */
    CPU_RANK_NONE,   /* no lock: cpu_order_forbid */
};

struct cpu_order {
    uint64_t held; /* byte k: how many locks of rank k this CPU has */
};

extern struct cpu_order cpu_orders[PLATFORM_CPUS_MAX];

_Static_assert((PLATFORM_CPUS_MAX & (PLATFORM_CPUS_MAX - 1)) == 0,
               "a number that is none stays in the array");

/* This CPU's.  Before a kernel has numbered its CPUs the number may be any: a
 * report of a fault comes here, too. */
static inline struct cpu_order *cpu_order_here(void)
{
    return &cpu_orders[platform_cpu() & (PLATFORM_CPUS_MAX - 1)];
}

/* Set by frame_init: whether this CPU is in the middle of a frame call. */
extern bool (*cpu_order_inside)(void);

static inline uint64_t cpu_order_unit(enum cpu_rank rank)
{
    return UINT64_C(1) << 8 * rank;
}

static inline void cpu_order_add(uint64_t units)
{
    struct cpu_order *order = cpu_order_here();

    /* relaxed: for handlers of this CPU, which see its stores in order */
    __atomic_store_n(&order->held,
                     __atomic_load_n(&order->held, __ATOMIC_RELAXED) + units,
                     __ATOMIC_RELAXED);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
}

/* Whether a call may wait for a lock of this rank here and now.  Any context.
 * False only in a handler, and then it stays false until the handler ends. */
static inline bool cpu_order_allows(enum cpu_rank rank)
{
    uint64_t held = __atomic_load_n(&cpu_order_here()->held, __ATOMIC_RELAXED);

    return held < cpu_order_unit(rank) &&
           (cpu_order_inside == NULL || !cpu_order_inside());
}

/* Whether a frame call may wait: no handler that must not is at work. */
static inline bool cpu_order_allows_frames(void)
{
    return __atomic_load_n(&cpu_order_here()->held, __ATOMIC_RELAXED) <
           cpu_order_unit(CPU_RANK_NONE);
}

/* Waits until the lock is this CPU's, for a call that has a lock of this rank
 * already, was allowed to wait for it, and takes all of them in one order.
 * False: this CPU has it. */
static inline bool cpu_order_acquire_next(struct cpu_lock *lock,
                                          enum cpu_rank rank)
{
    /* first, so that no handler comes in between that has the lock's rank */
    cpu_order_add(cpu_order_unit(rank));
    if (cpu_lock_acquire(lock))
        return true;
    cpu_order_add(-cpu_order_unit(rank));
    return false;
}

/* Waits until the lock is this CPU's.  False: the order does not allow it. */
static inline bool cpu_order_acquire(struct cpu_lock *lock, enum cpu_rank rank)
{
    return cpu_order_allows(rank) && cpu_order_acquire_next(lock, rank);
}

static inline void cpu_order_release(struct cpu_lock *lock, enum cpu_rank rank)
{
    cpu_lock_release(lock);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    cpu_order_add(-cpu_order_unit(rank));
}

/* Around a handler of an NMI or a machine check, and around what a kernel does
 * under a lock of its own that calls of mm/ may come to want (its console, its
 * requests to other CPUs): no call in it waits, nor in a handler that
 * interrupts it. */
static inline void cpu_order_forbid(void)
{
    cpu_order_add(cpu_order_unit(CPU_RANK_NONE));
}

static inline void cpu_order_permit(void)
{
    cpu_order_add(-cpu_order_unit(CPU_RANK_NONE));
}

#endif
