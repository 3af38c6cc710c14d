/* Blocks that wait to be freed: what a handler frees while it must not wait for
 * a lock (mm/cpu/cpu_order.h).  They are in a list, linked through themselves:
 * a block that was freed is nobody's any more, so there is room for any number.
 * The next call that gives up the lock frees them.
 *
 * Handlers of all CPUs add blocks at the same time, with or without anybody
 * having the lock; who has it takes all of them at once.
 */
#ifndef MM_HEAP_DEFERRED_H
#define MM_HEAP_DEFERRED_H

#include <stddef.h>

/* In the first bytes of a block that waits; or, with HEAP_CHECKS_FULL, in the
 * header in front of it. */
struct heap_deferred {
    struct heap_deferred *next;
    const void *caller; /* who freed it */
};

static inline void heap_defer(struct heap_deferred **list,
                              struct heap_deferred *block, const void *caller)
{
    struct heap_deferred *first = __atomic_load_n(list, __ATOMIC_RELAXED);

    block->caller = caller;
    /* release: the link is there when the block can be found */
    do
        block->next = first;
    while (!__atomic_compare_exchange_n(list, &first, block, true,
                                        __ATOMIC_RELEASE, __ATOMIC_RELAXED));
}

/* All that wait, the last one first; NULL if there are none. */
static inline struct heap_deferred *heap_deferred(struct heap_deferred **list)
{
    /* relaxed: one that is missed now is taken by the next call */
    if (__builtin_expect(!__atomic_load_n(list, __ATOMIC_RELAXED), 1))
        return NULL;
    /* acquire: with the release above */
    return __atomic_exchange_n(list, NULL, __ATOMIC_ACQUIRE);
}

#endif
