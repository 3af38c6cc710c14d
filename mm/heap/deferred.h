/* Frees that wait: a handler that interrupted the holder of a heap's lock on
 * the same CPU notes here what it frees, and the holder frees it on its way
 * out.
 *
 * Entries are added by handlers on the CPU that has the lock, each of which
 * ends before what it interrupted goes on; they are taken by the holder itself.
 * So the count is all that has to be atomic.
 */
#ifndef MM_HEAP_DEFERRED_H
#define MM_HEAP_DEFERRED_H

#include "mm/heap.h"

/* Notes a free for later.  False if the list is full: the block is lost. */
static inline bool heap_defer(struct heap_deferrals *deferrals,
                              const struct heap_claim *claim)
{
    /* relaxed: only this CPU adds, for it has the lock */
    unsigned number =
        __atomic_fetch_add(&deferrals->count, 1, __ATOMIC_RELAXED);

    if (number >= HEAP_DEFERRED_MAX) {
        __atomic_fetch_sub(&deferrals->count, 1, __ATOMIC_RELAXED);
        return false;
    }
    struct heap_deferred *entry = &deferrals->entry[number];
    entry->sized = claim->layout != NULL;
    if (entry->sized)
        entry->layout = *claim->layout;
    entry->pointer = claim->pointer;
    entry->caller = claim->caller;
    return true;
}

/* Takes the free that was noted last, for the holder of the lock; claim->layout
 * points to *layout then.  False if there is none. */
static inline bool heap_take_deferred(struct heap_deferrals *deferrals,
                                      struct heap_claim *claim,
                                      struct layout *layout)
{
    unsigned count = __atomic_load_n(&deferrals->count, __ATOMIC_RELAXED);
    struct heap_deferred entry;

    do {
        if (count == 0)
            return false;
        entry = deferrals->entry[count - 1];
        /* release: copied before a handler may put another in its place; if
         * one has added another meanwhile, that one is first */
    } while (!__atomic_compare_exchange_n(&deferrals->count, &count, count - 1,
                                          false, __ATOMIC_RELEASE,
                                          __ATOMIC_RELAXED));
    *layout = entry.layout;
    *claim = (struct heap_claim){
        .pointer = entry.pointer,
        .layout = entry.sized ? layout : NULL,
        .caller = entry.caller,
    };
    return true;
}

#endif
