/* Frees that wait: what a handler frees while it must not wait for the heap's
 * lock (mm/cpu/cpu_order.h) is noted here, and freed by the next call that
 * gives up the lock.
 *
 * Handlers of all CPUs add entries at the same time, with or without anybody
 * having the lock; who has the lock takes them.  Each entry goes round:
 *
 *   EMPTY -> FILLING   by the one handler whose compare-and-swap succeeds
 *   FILLING -> FULL    by that handler, when all of the entry is written
 *   FULL -> EMPTY      by the holder of the lock, when it has copied the entry
 */
#ifndef MM_HEAP_DEFERRED_H
#define MM_HEAP_DEFERRED_H

#include "mm/heap.h"

enum { HEAP_DEFERRED_EMPTY, HEAP_DEFERRED_FILLING, HEAP_DEFERRED_FULL };

/* Notes a free for later.  False if the list is full: the block is lost. */
static inline bool heap_defer(struct heap_deferrals *deferrals,
                              const struct heap_claim *claim)
{
    for (unsigned i = 0; i < HEAP_DEFERRED_MAX; i++) {
        struct heap_deferred *entry = &deferrals->entry[i];
        uint32_t state = HEAP_DEFERRED_EMPTY;

        /* acquire: the last holder has copied it */
        if (!__atomic_compare_exchange_n(&entry->state, &state,
                                         HEAP_DEFERRED_FILLING, false,
                                         __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
            continue;
        entry->sized = claim->layout != NULL;
        if (entry->sized)
            entry->layout = *claim->layout;
        entry->pointer = claim->pointer;
        entry->caller = claim->caller;
        /* release, twice: who sees it sees what was written before */
        __atomic_store_n(&entry->state, HEAP_DEFERRED_FULL, __ATOMIC_RELEASE);
        __atomic_fetch_add(&deferrals->count, 1, __ATOMIC_RELEASE);
        return true;
    }
    return false;
}

/* Takes a free that was noted, for the holder of the lock; claim->layout points
 * to *layout then.  False if there is none. */
static inline bool heap_take_deferred(struct heap_deferrals *deferrals,
                                      struct heap_claim *claim,
                                      struct layout *layout)
{
    /* relaxed: one that is missed now is taken by the next call */
    if (__atomic_load_n(&deferrals->count, __ATOMIC_RELAXED) == 0)
        return false;
    for (unsigned i = 0; i < HEAP_DEFERRED_MAX; i++) {
        struct heap_deferred *entry = &deferrals->entry[i];

        /* acquire: with the release of heap_defer */
        if (__atomic_load_n(&entry->state, __ATOMIC_ACQUIRE) !=
            HEAP_DEFERRED_FULL)
            continue;
        *layout = entry->layout;
        *claim = (struct heap_claim){
            .pointer = entry->pointer,
            .layout = entry->sized ? layout : NULL,
            .caller = entry->caller,
        };
        __atomic_fetch_sub(&deferrals->count, 1, __ATOMIC_RELAXED);
        /* release: it is copied */
        __atomic_store_n(&entry->state, HEAP_DEFERRED_EMPTY, __ATOMIC_RELEASE);
        return true;
    }
    return false;
}

#endif
